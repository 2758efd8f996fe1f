"""Any JSON tree, however hostile, ends in findings: verify_plan never raises and never takes long."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvplan.placement.plan import (
    Certificate,
    FleetPart,
    Instance,
    Leftover,
    Plan,
    PlanBound,
    PlannedClass,
    PlannedDeployment,
    Replica,
    Room,
    Run,
    Stage,
    Summary,
    TierUse,
    seal_of,
)
from kvplan.placement.verify import MAX_FINDINGS, verify_plan

# One rack of one accelerator with one instance: 5 blocks of 10, one region of 4 left over.
SMALL = Plan(
    "small", f"sha256:{'0' * 64}", "low", (FleetPart("one", 1, (), 0, 1, 1, 1, 20),),
    (PlannedDeployment(
        "main", "m", "paged", "bf16", "decode", "peak", "required", 1, 1, 1, 1, 1, 1, 0, "1.0", 0,
        (Stage(1, 10, 1),), (Room(0, 20, 2, 8),), (PlannedClass("chat", 0, 0, 2, 0, 0),),
    ),),
    (Replica("main/0", "main", 0, "decode", "bf16", "r0", ("r0/g0",), ("r0/g0/n0/a0",), 10, 2, 5, 3, 0, (Instance(5, 8),)),),
    (Run("chat", 5, 1, 0, 0),), (), (Leftover("chat", 4, 1, 1, 0),), (TierUse("hbm", 1, 5, 5),),
    PlanBound(1, 0, False, (Certificate("main", "l1", "sum", 0, 1, 8, 2, 1, 1),)),
    Summary(False, 1, 1, 0.625, 0.625, 0.85, 0, 2, 1, 1), "0.1.0",
)  # fmt: skip


def small():
    return json.loads(json.dumps(SMALL.sealed().to_dict()))


def spots(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from spots(value, (*path, key))


SPOTS = [path for path in spots(small()) if path]


def at(tree, path):
    """What stands in a place; None if an earlier change took the place away."""
    for key in path:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def put(tree, path, value):
    """Another value in one place, if it is still there."""
    above = at(tree, path[:-1])
    if (isinstance(above, dict) and path[-1] in above) or (
        isinstance(above, list) and isinstance(path[-1], int) and path[-1] < len(above)
    ):
        above[path[-1]] = value


def form_fails(tree):
    claims = verify_plan(tree)
    assert [claim.name for claim in claims] == ["form"]
    assert 0 < len(claims[0].findings) <= MAX_FINDINGS
    assert {finding.rule for finding in claims[0].findings} == {"KV601"}
    assert all(finding.message.isprintable() and len(finding.message) < 1000 for finding in claims[0].findings)
    return claims[0].findings


def nested(depth):
    tree = []
    for _ in range(depth):
        tree = [tree, {"a": tree}] if depth < 20 else [tree]
    return tree


def test_the_small_plan_is_sound():
    assert [finding for claim in verify_plan(small()) for finding in claim.findings] == []


HOSTILE = [
    None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**5000, -(10**5000), 2**62, "", "x" * 10**6, "a\nb", "\x00", "\ud800",
    [], {}, [[]], [{}], [0] * 10**6, {"a": 1}, {str(number): number for number in range(10**5)}, nested(10**5), [None], ["x"],
]  # fmt: skip


@pytest.mark.parametrize("tree", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_plan(tree):
    form_fails(tree)


@pytest.mark.parametrize("path", SPOTS, ids=lambda path: ".".join(map(str, path)))
def test_wrong_values_at_every_key(path):
    """What a place cannot hold fails the form; what it can (an empty list, a text) still raises nothing."""
    for value in HOSTILE:
        tree = small()
        put(tree, path, value)
        if tree == small():
            continue
        claims = verify_plan(tree)
        assert any(claim.findings for claim in claims)
        if isinstance(value, int | float) and not isinstance(value, bool) and value not in (0, -1):
            assert len(claims) == 1


@pytest.mark.parametrize(
    "path",
    [path for path in SPOTS if isinstance(path[-1], str) and path != ("kind",)],
    ids=lambda path: ".".join(map(str, path)),
)
def test_keys_are_exact(path):
    tree = small()
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    value = parent.pop(path[-1])
    assert [finding.message for finding in form_fails(tree)] == ["the key is missing"]
    parent["\x1b[1m"] = value
    messages = [finding.message for finding in form_fails(tree)]
    assert messages == ["the key is missing", "unknown key `\\x1b[1m`"]


@pytest.mark.parametrize("tree", [{}, small() | {"kind": "size"}, {"kind": ["plan"]}, [], 3, None], ids=str)
def test_what_is_no_plan_is_one_finding(tree):
    assert [finding.message for finding in form_fails(tree)] == ["this is no plan: its kind is not `plan`"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["main", "chat", "r0/g0/n0/a0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(tree=json_values)
def test_random_trees(tree):
    form_fails(tree)


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.sampled_from(SPOTS), json_values), min_size=1, max_size=4))
def test_random_changes(changes):
    tree = small()
    for path, value in changes:
        put(tree, path, value)
    verify_plan(tree)


numbers = st.sampled_from([0, 1, 2, 3, 7, 100, 2**31, 2**61, 2**62 - 1]) | st.integers(0, 20)
NUMBERS = [path for path in SPOTS if type(at(small(), path)) is int]
LISTS = [path for path in SPOTS if type(at(small(), path)) is list]


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.sampled_from(NUMBERS), numbers), max_size=12),
    lists=st.lists(st.tuples(st.sampled_from(LISTS), st.integers(0, 3)), max_size=4),
)
def test_sound_forms_of_wild_numbers(changes, lists):
    """Whatever passes the form is safe to work with: no division by zero, no name that is not there, no overflow."""
    tree = small()
    for path, value in changes:
        put(tree, path, value)
    for path, times in lists:
        put(tree, path, json.loads(json.dumps((at(tree, path) or []) * times)))
    claims = verify_plan(tree)
    assert all(len(claim.findings) <= MAX_FINDINGS for claim in claims)


def many(rows, **changes):
    """The small plan with one table of many equal rows."""
    tree = {**small(), **changes}
    for path, count in rows.items():
        parent = tree
        *above, last = path.split(".")
        for key in above:
            parent = parent[int(key) if key.isdigit() else key]
        parent[last] = (
            parent[last] * count
            if parent[last]
            else [{"class": "chat", "size_blocks": 1, "count": 1, "instance": 0}] * count
        )
    return tree | {"seal": seal_of(tree)}


@pytest.mark.parametrize(
    "tree",
    [
        many({"runs": 100_000}),
        many({"leftovers": 100_000}),
        many({"copies": 100_000}),
        many({"replicas": 50_000}),
        many({"replicas.0.instances": 200_000, "runs": 100_000}),
        many({"replicas.0.accelerators": 200_000}),
        many({"deployments": 4000, "fleet": 256}),
        many({"deployments.0.rooms": 60_000, "deployments.0.stages": 16_000}),
        many({"deployments.0.stages": 16_000, "replicas": 20_000}),
        many({"deployments.0.stages": 16_000, "fleet": 256}),
        many({"deployments.0.classes": 100_000}),
        many({"fleet.0.exclude": 1}, fleet=[small()["fleet"][0] | {"exclude": ["r0/g0"] * 100_000}]),
        many({"bound.certificates": 4000, "leftovers": 100_000}),
    ],
    ids=range(13),
)
def test_it_stays_quick(tree):
    """Long tables that are all wrong: no claim looks at pairs of rows. The limit is some ten times what it takes."""
    started = time.perf_counter()
    assert any(claim.findings for claim in verify_plan(tree))
    assert time.perf_counter() - started < 10

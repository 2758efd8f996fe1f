"""A plan made by hand verifies; with any number of it changed, and sealed again, it does not."""

import ast
import copy
import json
from pathlib import Path

import pytest

from kvplan.placement.plan import (
    Certificate,
    Copies,
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

PACKAGE = Path(__file__).resolve().parents[2] / "kvplan" / "placement"
NAMES = (
    "form", "seal", "fleet", "seats", "rooms", "regions", "loads", "copies", "leftovers", "totals", "bound", "summary",
)  # fmt: skip

# Part 0 has two groups of two nodes of four, one node is out: 12 accelerators; part 1 one group of three nodes: 11.
FLEET = (
    FleetPart("small", 1, ("r0/g0/n1",), 0, 2, 2, 4, 1000),
    FleetPart("large", 1, ("r0/g0/n2/a3",), 1, 1, 3, 4, 2000),
)

# chat: memory 900 and 1800; its second stage is the tighter: (900 - 120 - 20) // 12 - 1 = 62, (1800 - 140) // 12 - 1 = 137.
# Every instance that holds a region holds a prefix of 5 at least, so a bin has 132 for regions: 397 = 3 × 132 + 1 of
# them (133 of runs, two leftovers of 132) need 4 instances, that is 2 replicas.
CHAT = PlannedDeployment(
    "chat", "llama", "vllm@0.32", "fp8_e4m3", "decode", "peak", "required", 1, 2, 1, 2, 2, 0, 0, "0.9", 1,
    stages=(Stage(1, 100, 10), Stage(1, 120, 12)),
    rooms=(Room(0, 900, 20, 62), Room(1, 1800, 20, 137)),
    classes=(PlannedClass("talk", 2, 0, 7, 5, 2), PlannedClass("agents", 1, 7, 10, 7, 1)),
)  # fmt: skip

# code: (1000 - 290) // 7 = 101 and (2000 - 290) // 7 = 244. In units of 7 a bin has 34: the leftover of 244 is 34, the
# run of 7 is 1, those of 6 and 1 are nothing: 35 need 2 instances. Three replicas were asked for.
CODE = PlannedDeployment(
    "code", "deepseek", "paged", "bf16", "prefill", "now", "preferred", 2, 1, 1, 1, 3, 3, 0, "1", 0,
    stages=(Stage(2, 240, 7),),
    rooms=(Room(0, 1000, 50, 101), Room(1, 2000, 50, 244)),
    classes=(PlannedClass("repo", -1, 17, 43, 0, 0),),
)  # fmt: skip


def seat(prefix, *numbers):
    return tuple(f"{prefix}/a{number}" for number in numbers)


# chat: a seat of four: weights 2 × (100 + 120) = 440, reserve 4 × 20 = 80, and 22 bytes a block.
# code: a seat of two: weights 480, reserve 100, and 14 bytes a block.
REPLICAS = (
    Replica(
        "chat/0", "chat", 0, "decode", "fp8_e4m3", "r0", ("r0/g1",), seat("r0/g1/n0", 0, 1, 2, 3),
        440, 80, 22 * 80, 4000 - 440 - 80 - 22 * 80, 0, (Instance(55, 62), Instance(25, 62)),
    ),
    Replica(
        "chat/1", "chat", 1, "decode", "fp8_e4m3", "r1", ("r1/g0",), seat("r1/g0/n1", 0, 1, 2, 3),
        440, 80, 22 * 92, 8000 - 440 - 80 - 22 * 92, 2, (Instance(72, 137), Instance(20, 137)),
    ),
    Replica(
        "code/0", "code", 0, "prefill", "bf16", "r0", ("r0/g0", "r0/g1"), ("r0/g0/n0/a0", "r0/g1/n1/a0"),
        480, 100, 14 * 7, 2000 - 480 - 100 - 14 * 7, 4, (Instance(7, 101),),
    ),
    Replica(
        "code/1", "code", 1, "prefill", "bf16", "r1", ("r1/g0",), seat("r1/g0/n0", 0, 1),
        480, 100, 14 * 1, 4000 - 480 - 100 - 14 * 1, 5, (Instance(1, 244),),
    ),
    Replica(
        "code/2", "code", 1, "prefill", "bf16", "r1", ("r1/g0",), seat("r1/g0/n0", 2, 3),
        480, 100, 14 * 240, 4000 - 480 - 100 - 14 * 240, 6, (Instance(240, 244),),
    ),
)  # fmt: skip
RUNS = (
    Run("talk", 10, 3, 0, 0), Run("agents", 1, 8, 7, 0),  # 30 + 2 × 5 and 8 + 7: 55
    Run("talk", 20, 1, 3, 1),  # 20 + 5
    Run("agents", 50, 1, 15, 2), Run("talk", 10, 1, 4, 2),  # 50 + 7 and 10 + 5: 72
    Run("talk", 15, 1, 5, 3),  # 15 + 5
    Run("repo", 7, 1, 17, 4), Run("repo", 1, 1, 18, 5), Run("repo", 6, 40, 19, 6),
)  # fmt: skip
COPIES = (
    Copies("talk", 5, 2, 0), Copies("agents", 7, 1, 0), Copies("talk", 5, 1, 1),
    Copies("agents", 7, 1, 2), Copies("talk", 5, 1, 2), Copies("talk", 5, 1, 3),
)  # fmt: skip
LEFTOVERS = (Leftover("talk", 132, 1, 6, 2), Leftover("agents", 132, 1, 16, 1), Leftover("repo", 244, 1, 59, -1))
BOUND = PlanBound(14, 0, False, (
    Certificate("chat", "l1", "sum", 0, 1, 132, 4, 2, 8),
    Certificate("code", "dff", "sum", 0, 7, 244, 2, 3, 6),
))  # fmt: skip
SHARES = (55 / 62, 25 / 62, 72 / 137, 20 / 137, 7 / 101, 1 / 244, 240 / 244)
SUMMARY = Summary(
    fits=False,
    accelerators_used=14,
    accelerators_total=23,
    kv_pool_utilization=round(240 / 244, 6),
    kv_pool_utilization_mean=round(sum(SHARES) / 7, 6),
    hbm_utilization=round((240 + 50 + 7 * 240) / 2000, 6),  # code/2; that of chat/0 is (120 + 20 + 12 × 55) ÷ 1000
    crossings=1,
    regions=60,
    placed=57,
    unplaced=3,
)
PLAN = Plan(
    "by-hand", f"sha256:{'0' * 64}", "low", FLEET, (CHAT, CODE), REPLICAS, RUNS, COPIES, LEFTOVERS,
    (TierUse("hbm", 57, 420, 22 * 172 + 14 * 248),), BOUND, SUMMARY, "0.1.0",
)  # fmt: skip


def sound():
    return json.loads(json.dumps(PLAN.sealed().to_dict()))


def sealed(tree):
    return tree | {"seal": seal_of(tree)}


def failing(tree):
    return [claim.name for claim in verify_plan(tree) if claim.findings]


def spots(node, path=()):
    """The path of every value that is no list and no mapping."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from spots(value, (*path, key))
    else:
        yield path


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def changed(path, value):
    """The sound plan with another value in one place, sealed again."""
    tree = sound()
    at(tree, path[:-1])[path[-1]] = value
    return sealed(tree)


def parsed(text):
    """``replicas[0].part`` ▸ ("replicas", 0, "part")."""
    return tuple(int(key) if key.isdigit() else key for key in text.replace("[", ".").replace("]", "").split("."))


def named(path):
    return ".".join(map(str, path))


def test_a_sound_plan_verifies():
    claims = verify_plan(sound())
    assert tuple(claim.name for claim in claims) == NAMES
    assert [finding for claim in claims for finding in claim.findings] == []
    assert all(claim.holds for claim in claims)


NUMBERS = [path for path in spots(sound()) if isinstance(at(sound(), path), int | float)]
TEXTS = [path for path in spots(sound()) if isinstance(at(sound(), path), str) and path != ("seal",)]


@pytest.mark.parametrize("path", NUMBERS, ids=named)
def test_no_number_can_be_changed(path):
    value = at(sound(), path)
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, float):
        others = [value + 0.01, value - 0.01, value + 0.00001]
    else:
        others = [value + 1, value - 1]
    for other in others:
        assert failing(changed(path, other)), f"{named(path)}: {value} ▸ {other}"


# What was asked: nothing in a plan says more of it than its form.
FREE = {"kvplan", "workload", "fingerprint", "scenario", "system", "model", "engine", "accounting"}
WORDS = {
    "scenario": "high", "accounting": "reserved", "phase": "agent_loop", "kvplan": "0.1.1", "memory_fraction": "0.95",
    "fingerprint": f"sha256:{'1' * 64}", "kind": "l2", "function": "steps",
}  # fmt: skip


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_no_text_can_be_changed_but_what_was_asked(path):
    key = next(key for key in reversed(path) if isinstance(key, str))
    value = at(sound(), path)
    others = {f"{value}x", WORDS.get(key, "other"), {"required": "preferred", "preferred": "required"}.get(value, "")}
    if key == "topology" and value == "required":
        others -= {"preferred"}  # what may be in several groups may be in one
    survivors = {other for other in others if not failing(changed(path, other))}
    assert bool(survivors) == (key in FREE), survivors


@pytest.mark.parametrize("path", NUMBERS + TEXTS, ids=named)
def test_a_change_without_a_new_seal_breaks_the_seal(path):
    tree, value = sound(), at(sound(), path)
    other = (
        not value
        if isinstance(value, bool)
        else WORDS.get(path[-1], f"{value}x")
        if isinstance(value, str)
        else value + 1
    )
    at(tree, path[:-1])[path[-1]] = other
    assert {"form", "seal"} & set(failing(tree))


def rows(node, path=()):
    """The path of every entry of a list."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(node, list):
                yield (*path, key)
            yield from rows(value, (*path, key))


@pytest.mark.parametrize("path", list(rows(sound())), ids=named)
def test_no_row_can_be_lost_or_doubled(path):
    lost, doubled = sound(), sound()
    del at(lost, path[:-1])[path[-1]]
    at(doubled, path[:-1]).append(copy.deepcopy(at(doubled, path)))
    assert failing(sealed(lost))
    assert failing(sealed(doubled))


@pytest.mark.parametrize(
    "path", ["fleet", "deployments", "replicas", "replicas[2].native_groups", "bound.certificates"]
)
def test_what_is_in_an_order_cannot_be_in_another(path):
    tree = sound()
    at(tree, parsed(path)).reverse()
    assert failing(sealed(tree))


@pytest.mark.parametrize("path", ["runs", "copies", "leftovers", "deployments[0].rooms", "deployments[0].classes"])
def test_what_is_in_no_order_may_be_in_any(path):
    tree = sound()
    at(tree, parsed(path)).reverse()
    assert not failing(sealed(tree))


BREAKS = [
    ("fleet[1].first_rack", 2, "fleet", "says 2, but 1 racks stand before it"),
    ("fleet[0].exclude[0]", "r1", "fleet", "`r1` is no place of this part"),
    ("fleet[0].exclude[0]", "node 1", "fleet", "`node 1` is no place of this part"),
    ("fleet[0].exclude[0]", "r0/g1/n0/a3", "seats", "`r0/g1/n0/a3` is excluded"),
    ("fleet[0].exclude[0]", "r0", "seats", "`r0/g0/n0/a0` is excluded"),
    ("deployments[0].replicas", 3, "seats", "says 3, but 2 are seated"),
    ("deployments[0].replicas_asked", 1, "seats", "says 1, but 2 are seated"),
    ("deployments[1].deployment", "chat", "seats", "`chat` is the name of another deployment"),
    ("deployments[0].stages[1].ranks", 2, "seats", "says 2, but tensor × context ranks are 1"),
    ("deployments[1].topology", "required", "seats", "the seat touches 2 native groups, but its topology is required: one"),
    ("replicas[1].id", "chat/2", "seats", "says chat/2, but is chat/1"),
    ("replicas[1].deployment", "chats", "seats", "no deployment is called `chats`"),
    ("replicas[0].deployment", "code", "seats", "replicas do not follow the order of deployments"),
    ("replicas[0].part", 2, "seats", "says part 2 of a fleet of 2 parts"),
    ("replicas[0].part", 1, "seats", "`r0/g1/n0/a0` is no accelerator of part 1"),
    ("replicas[0].phase", "prefill", "seats", "says prefill, but is decode"),
    ("replicas[0].rack", "r1", "seats", "says r1, but the seat is in r0"),
    ("replicas[0].native_groups", ["r0/g0"], "seats", "says r0/g0, but the seat touches r0/g1"),
    ("replicas[0].accelerators[1]", "r0/g1/n0/a0", "seats", "`r0/g1/n0/a0` is used by `chat/0` already"),
    ("replicas[0].accelerators[1]", "r0/g1/n0/a01", "seats", "`r0/g1/n0/a01` is no accelerator of part 0"),
    ("replicas[3].accelerators[1]", "r1/g0/n1/a0", "seats", "`r1/g0/n1/a0` is used by `chat/1` already"),
    ("replicas[0].accelerators", [], "seats", "has 0, but the split of `chat` has 4"),
    ("replicas[2].first_instance", 5, "seats", "says 5, but is 4"),
    ("replicas[1].instances", [], "seats", "has 0, but the split of `chat` has 2"),
    ("deployments[0].rooms[1].memory_bytes", 1799, "rooms", "says 1799, but the share of the memory is 1800"),
    ("deployments[0].memory_fraction", "0.89999", "rooms", "says 900, but the share of the memory is 899"),
    ("deployments[0].rooms[1].capacity_blocks", 138, "rooms", "says 138, but what its tightest stage has is 137"),
    ("deployments[0].rooms[1].part", 0, "rooms", "part 0 has another room of this deployment"),
    ("deployments[0].rooms[1].part", 7, "rooms", "says part 7 of a fleet of 2 parts"),
    ("deployments[1].stages[0].block_bytes", 0, "rooms", "no stage stores blocks"),
    ("deployments[0].rooms", [], "rooms", "`chat` has no room on part 0"),
    ("replicas[0].instances[0].used_blocks", 63, "rooms", "says 63, but 62 fit an accelerator beside weights and reserve"),
    ("replicas[4].hbm_bytes_free", 61, "rooms", "says 61, but what is left is 60"),
    ("deployments[1].classes[0].class", "talk", "regions", "`talk` is the name of another class"),
    ("deployments[1].classes[0].regions", 44, "regions", "says 44, but the rows have 43"),
    ("summary.regions", 61, "regions", "says 61, but the rows have 60"),
    ("runs[2].first_region", 2, "regions", "says 2, but the rows before it end with region 2: some are in two rows"),
    ("runs[2].first_region", 4, "regions", "says 4, but the rows before it end with region 2: some are in no row"),
    ("runs[2].count", 0, "regions", "says 0, but a row is of one region at least"),
    ("runs[2].instance", 7, "regions", "says 7, but there are 7 instances"),
    ("runs[2].instance", 5, "regions", "says 5, which serves another deployment"),
    ("runs[2].class", "talks", "regions", "no class is called `talks`"),
    ("runs[2].size_blocks", 21, "loads", "says 25, but its runs and copies hold 26"),
    ("deployments[0].max_num_seqs", 10, "loads", "holds 11 regions, but max_num_seqs is 10"),
    ("replicas[0].instances[0].capacity_blocks", 54, "loads", "says 55, but its capacity is 54"),
    ("copies[0].count", 3, "copies", "says 3, but the regions of `talk` there need 2"),
    ("copies[0].size_blocks", 6, "copies", "says 6, but a prefix has 5"),
    ("copies[0].instance", 4, "copies", "instance 4 holds no region of `talk` that shares a prefix"),
    ("copies[0].class", "repo", "copies", "instance 0 holds no region of `repo` that shares a prefix"),
    ("copies[2].instance", 0, "copies", "the copies of `talk` in instance 0 are in another row"),
    ("copies[2].instance", 0, "copies", "no copies of `talk` in instance 1, but its 1 regions there need them"),
    ("deployments[1].classes[0].prefixes", 1, "copies", "1 prefixes of 0 blocks: both are 0 where nothing is shared"),
    ("leftovers[2].priority", 0, "leftovers", "says 0, but that of `repo` is -1"),
    ("leftovers[2].size_blocks", 243, "leftovers", "says 243 are left over, but instance 5 has 243 blocks free"),
    # 137 - 20 = 117 are free in instance 3, which holds one of two prefixes: 112 + 5 fit, 113 + 5 do not
    ("leftovers[0].size_blocks", 112, "leftovers", "says 112 are left over, but instance 3 has 117 blocks free"),
    ("tiers[0].bytes", 1, "totals", f"says 1, but the sum over replicas is {22 * 172 + 14 * 248}"),
    ("tiers[0].tier", "host", "totals", "1 rows, but one is wanted: hbm"),
    ("bound.certificates[0].deployment", "code", "bound", "2 certificates, but each of 2 deployments has one, in their order"),
    ("bound.certificates[0].capacity_blocks", 131, "bound", "says 131, but an instance may have 132 for regions"),
    ("bound.certificates[0].instances", 5, "bound", "says 5, but is 4"),
    ("bound.certificates[0].kind", "dff", "bound", "says dff, but is l1"),
    ("bound.certificates[0].function", "none", "bound", "says none, but 17 regions fit its capacity"),
    ("bound.certificates[0].function", "count", "bound", "says count, but max_num_seqs is no limit"),
    ("bound.certificates[0].function", "multiples", "bound", "says 0, but `multiples` takes 1 to 66"),
    ("bound.certificates[0].parameter", 1, "bound", "says 1, but `sum` has none"),
    ("bound.lower_bound", 15, "bound", "says 15, but its certificates add up to 14"),
    ("bound.gap", -1, "bound", "says -1, but accelerators used less the bound is 0"),
    ("bound.proved_optimal", True, "bound", "says true, but 3 regions are left over and the gap is 0"),
    ("summary.fits", True, "summary", "says true, but with 3 left over and all replicas seated it is false"),
    ("summary.accelerators_total", 28, "summary", "says 28, but the fleet without what is excluded is 23"),
    ("summary.kv_pool_utilization", 0.98, "summary", "says 0.98, but that of the fullest instance is 0.983607"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "claim", "message"), BREAKS, ids=[f"{b[0]}={b[1]}" for b in BREAKS])
def test_each_claim_says_what_is_wrong(path, value, claim, message):
    found = {
        one.name: [finding.message for finding in one.findings] for one in verify_plan(changed(parsed(path), value))
    }
    assert message in found[claim], found
    assert not found["seal"]


def test_leftovers_mind_the_prefix_that_they_would_need():
    """117 blocks free: 112 and a prefix of 5 fit, 113 do not; the bound then no longer follows, but that is its claim."""
    assert "leftovers" in failing(changed(parsed("leftovers[0].size_blocks"), 112))
    assert "leftovers" not in failing(changed(parsed("leftovers[0].size_blocks"), 113))
    # Where as many regions are as there are prefixes, no further copy is needed: 62 - 55 = 7 in instance 0.
    tree = sound()
    tree["replicas"][1]["instances"] = [{"used_blocks": 137, "capacity_blocks": 137}] * 2
    tree["replicas"][0]["instances"][1]["used_blocks"] = 62
    for size, fits in ((7, True), (8, False)):
        tree["leftovers"][0]["size_blocks"] = size
        assert ("leftovers" in failing(sealed(tree))) == fits


def test_a_full_instance_has_room_for_no_region():
    """With max_num_seqs reached in every instance, leftovers are left over whatever their size."""
    tree = changed(parsed("leftovers[2].size_blocks"), 0)
    assert "leftovers" in failing(tree)
    tree["deployments"][1]["max_num_seqs"] = 1
    assert "leftovers" not in failing(sealed(tree))


def test_a_part_without_a_room_may_have_larger_bins():
    """A bound that forgets where a larger instance could stand is none; a seat too large for the part does no harm."""
    tree = sound()
    tree["fleet"].append(tree["fleet"][1] | {"first_rack": 2, "hbm_engine_visible_bytes": 4000, "exclude": []})
    message = "says 132, but an instance may have 284 for regions"  # (3600 - 120) // 12 - 1 - 5
    claims = {claim.name: claim.findings for claim in verify_plan(sealed(tree))}
    assert message in [finding.message for finding in claims["bound"]]
    tree["fleet"][2] |= {"nodes": 1, "accelerators": 1}
    assert failing(sealed(tree)) == ["summary"]  # one accelerator more in the fleet


def test_a_claim_stops_at_its_most_findings():
    tree = sound()
    tree["runs"] = [tree["runs"][0] | {"class": f"c{number}"} for number in range(100)]
    assert {len(claim.findings) for claim in verify_plan(sealed(tree)) if claim.name == "regions"} == {MAX_FINDINGS}


def test_findings_point_into_the_plan():
    for path, value, *_ in BREAKS:
        for claim in verify_plan(changed(parsed(path), value)):
            for finding in claim.findings:
                at(sound() if "[" not in finding.path else changed(parsed(path), value), parsed(finding.path))


def test_it_shares_no_code_with_what_makes_plans():
    own = {"verify", *(path.stem for path in PACKAGE.glob("claims*.py"))}
    for name in own:
        for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for module in modules:
                    if module.startswith("kvplan"):
                        assert module in ("kvplan.findings", "kvplan.units") or module.rpartition(".")[2] in own, module

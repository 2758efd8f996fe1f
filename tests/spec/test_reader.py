"""Reading of specs in one pass, from fields that describe themselves; and values set over what was written."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from kvplan.errors import SpecError
from kvplan.spec.kinds import INVALID, Bytes, Choice, Many, Reading, Share, Text, Tokens, Whole
from kvplan.spec.lengths import constant
from kvplan.spec.reader import Spec, key, later
from kvplan.spec.text import read_yaml
from kvplan.spec.tree import flag_document
from kvplan.spec.workload_reader import Written, read_workload, split_path


@dataclass(frozen=True, kw_only=True)
class Leaf:
    width: int = key(Whole(1, 64), "how wide")
    name: str = key(Text(), "what it is called", default="leaf")


@dataclass(frozen=True, kw_only=True)
class Tree:
    leaves: tuple[Leaf, ...] = key(Many(Spec(Leaf)), "what grows on it")
    colour: str = key(Choice(("green", "brown"), "colour"), "its colour", default="green")
    crown: None = later("its crown", "the garden")
    inner: int = 0  # not written by users


LATER = ("KV015", "t.crown", "`crown` is not yet supported: its crown", "remove it; it belongs to the garden", True)


def read(tree, kind=None):
    reading = Reading()
    value = (kind or Spec(Tree)).read(tree, "t", reading)
    return value, [(f.rule, f.path, f.message, f.help, f.on_key) for f in reading.findings]


def test_reads_defaults_and_nested_specs():
    assert read({"leaves": [{"width": 3}, {"width": 4, "name": "big"}]}) == (
        Tree(leaves=(Leaf(width=3), Leaf(width=4, name="big"))),
        [],
    )


@pytest.mark.parametrize(
    ("tree", "finding"),
    [
        (
            {"leaves": [{"width": 1}], "color": "green"},
            ("KV001", "t.color", "unknown key `color`", "did you mean `colour`?", True),
        ),
        (
            {"leaves": [{"width": 1}], "zzz": 1},
            ("KV001", "t.zzz", "unknown key `zzz`", "known keys: colour, leaves", True),
        ),
        (
            {"leaves": [{"width": 1}], "inner": 1},
            ("KV001", "t.inner", "unknown key `inner`", "known keys: colour, leaves", True),
        ),
        ({}, ("KV008", "t.leaves", "missing key `leaves`: what grows on it", "add `leaves:` with a list", False)),
        (
            {"leaves": [{"width": 1}], "crown": 1},
            LATER,
        ),
        (
            {"leaves": [{"width": 1}], "crown": None},
            LATER,
        ),
        ({"leaves": []}, ("KV010", "t.leaves", "the list is empty", "write at least one item", False)),
        ({"leaves": {}}, ("KV007", "t.leaves", "wants a list, has a mapping", "write a list", False)),
        (
            {"leaves": [3]},
            ("KV007", "t.leaves[0]", "wants a mapping, has `3`", "known keys: name, width", False),
        ),
        (
            {"leaves": [{"width": 1}], "colour": "gren"},
            ("KV011", "t.colour", "unknown colour `gren`", "did you mean `green`?", False),
        ),
        (None, ("KV007", "t", "wants a mapping, has nothing", "known keys: colour, crown, leaves", False)),
    ],
)  # fmt: skip
def test_refuses_with_the_fix(tree, finding):
    assert read(tree) == (INVALID, [finding])


def test_every_finding_comes_in_one_pass():
    value, findings = read(
        {"leafs": 1, "leaves": [{"width": 99}, {}, {"wide": 1, "name": []}], "crown": 1, "colour": 3}
    )
    assert value is INVALID
    assert sorted((rule, path) for rule, path, *_ in findings) == [
        ("KV001", "t.leafs"),
        ("KV001", "t.leaves[2].wide"),
        ("KV007", "t.colour"),
        ("KV007", "t.leaves[2].name"),
        ("KV008", "t.leaves[1].width"),
        ("KV008", "t.leaves[2].width"),
        ("KV010", "t.leaves[0].width"),
        ("KV015", "t.crown"),
    ]


@pytest.mark.parametrize(
    ("kind", "tree", "value"),
    [
        (Whole(1, 64), 64, 64),
        (Whole(1, 64), Decimal("4e0"), 4),
        (Text(), "é x", "é x"),
        (Text(), 10, "10"),
        (Tokens(), "128Ki", 131_072),
        (Tokens(), Decimal("1e6"), 1_000_000),
        (Tokens(0), 0, 0),
        (Bytes(), "0.1 GB", 100_000_000),
        (Share(), "92%", Fraction(23, 25)),
        (Share(), Decimal("0.92"), Fraction(23, 25)),
        (Share(), 1, 1),
    ],
)
def test_kinds_read(kind, tree, value):
    assert read(tree, kind) == (value, [])


@pytest.mark.parametrize(
    ("kind", "tree", "rule", "message"),
    [
        (Whole(1, 64), 0, "KV010", "`0` is out of range"),
        (Whole(1, 64), 65, "KV010", "`65` is out of range"),
        (Whole(), 2**62, "KV010", "is out of range"),
        (Whole(), Decimal("1e999999"), "KV010", "is out of range"),
        (Whole(), Decimal("1.5"), "KV007", "wants a whole number of 1 or more, has `1.5`"),
        (Whole(), True, "KV007", "has true"),
        (Whole(), "4", "KV007", "has `4`"),
        (Whole(), None, "KV007", "has nothing"),
        (Text(), "", "KV007", "wants text"),
        (Text(), "x" * 201, "KV007", "wants text, has `" + "x" * 37 + "…`"),
        (Text(), "a\nb", "KV007", "wants text"),
        (Text(), False, "KV007", "has false"),
        (Tokens(), 0, "KV009", "`0` is less than 1"),
        (Tokens(), -5, "KV009", "`-5` is negative"),
        (Tokens(), Decimal("0.5"), "KV009", "not a whole number of tokens"),
        (Tokens(), True, "KV007", "has true"),
        (Bytes(), 144, "KV009", "the unit is missing"),
        (Bytes(), "144G", "KV009", "a bare `G`"),
        (Share(), 2, "KV009", "more than the whole"),
        (Share(open_ends=True), "100%", "KV010", "`100%` is out of range"),
        (Share(open_ends=True), 0, "KV010", "`0` is out of range"),
        (Share(), [], "KV007", "has a list"),
        (Choice(("a", "b")), 1, "KV007", "wants one of a, b"),
    ],
)
def test_kinds_refuse(kind, tree, rule, message):
    value, ((found, path, said, help, _),) = read(tree, kind)
    assert value is INVALID
    assert (found, path) == (rule, "t")
    assert message in said
    assert help


FLAT = "kvplan: 1\nmodel: llama-3-70b\nrequests:\n  - {sequences: 4, context: 8Ki}\n"
NESTED = """\
kvplan: 1
deployments: [{model: llama-3-70b, tensor_parallel: 8}]
requests: [{sequences: 4, context: 8Ki}]
"""


def written(text: str) -> Written:
    document = read_yaml(text, "w.yaml")
    return Written(document.tree, document)


def findings(source: Written):
    with pytest.raises(SpecError) as caught:
        read_workload(source)
    return caught.value.findings


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("model", ["model"]),
        ("deployments.0.tensor_parallel", ["deployments", 0, "tensor_parallel"]),
        ("deployments[0].tensor_parallel", ["deployments", 0, "tensor_parallel"]),
        ("a[0][1]", ["a", 0, 1]),
        ("engine_options.block-size", ["engine_options", "block-size"]),
        *[(path, None) for path in ("", "a..b", "a.", "a b", "a[b]", "a0]", "é")],
        *[
            pytest.param(path, None)
            for path, reason in (
                ("a[1234567]", "a long position is read as two: 123456 and 7"),
                ("a[0", "an open bracket is let pass"),
                ("a.[0]", "a dot before a bracket is let pass"),
            )
        ],
    ],
)
def test_split_path(path, steps):
    assert split_path(path) == steps


def put(text: str, path: str, value) -> Written:
    return written(text).with_value(path, value, flag_document({path: (value, f"--set {path}={value}")}))


@pytest.mark.parametrize("path", ["deployments.0.tensor_parallel", "deployments[0].tensor_parallel"])
def test_a_value_is_set_over_the_file(path):
    source = written(NESTED)
    assert read_workload(put(NESTED, path, 16)).deployments[0].tensor_parallel == 16
    assert read_workload(source).deployments[0].tensor_parallel == 8  # what was read is not changed


def test_a_value_is_set_where_the_file_has_nothing():
    assert read_workload(put(FLAT, "deployment.tensor_parallel", 16)).deployments[0].tensor_parallel == 16


def test_a_set_value_clears_what_it_replaces():
    source = written(FLAT).with_value("requests[0].input", 5, flag_document({}), ("context", "output"))
    assert read_workload(source).requests[0].input == constant(5)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a b", "`a b` is not a path"),
        ("deployments.1.tensor_parallel", "leads nowhere: there is no `1`"),
        ("requests.1.sequences", "leads nowhere: there is no `1`"),
        ("model.x", "leads nowhere: there is no `x`"),
    ],
)
def test_a_path_that_leads_nowhere(path, message):
    with pytest.raises(SpecError, match="command line:1:1: KV011") as caught:
        put(FLAT, path, 1)
    assert message in caught.value.findings[0].message


@pytest.mark.parametrize(
    "path",
    [
        "requests[0].sequences",
        "deployment.tensor_paralel",
        pytest.param("requests.0.sequences"),
        pytest.param("unknown.deep"),
    ],
)
def test_a_set_value_that_is_wrong_is_placed_at_its_flag(path):
    (finding,) = findings(put(FLAT, path, "x"))
    assert (finding.file, finding.excerpt) == ("command line", f"--set {path}=x")


@pytest.mark.parametrize(
    ("text", "key", "path"),
    [
        (FLAT, "kv", "kv"),
        (FLAT, "kv.format", "kv.format"),
        (FLAT, "tensor_parallel", "deployment.tensor_parallel"),
        (NESTED, "kv", "deployments[0].kv"),
        (NESTED, "tensor_parallel", "deployments[0].tensor_parallel"),
        pytest.param(FLAT, "limits.max_model_len", "deployment.limits.max_model_len"),
        pytest.param(NESTED, "kv.format", "deployments[0].kv.format"),
    ],
)
def test_paths_of_a_deployment_are_as_written(text, key, path):
    assert written(text).deployment_path(0, key) == path


def test_the_folder_of_the_file_is_kept():
    document = read_yaml(FLAT, "w.yaml")
    assert read_workload(Written(document.tree, document, Path("here"))).written.folder == Path("here")

"""Findings: paths, places, excerpts and order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import SpecError
from kvplan.findings import KEY, RULES, Finding, Place, Source, join_path, parent_path

KEYS = st.one_of(st.integers(0, 999), st.text(max_size=12))


@pytest.mark.parametrize(
    ("path", "key", "joined"),
    [
        ("", "requests", "requests"),
        ("requests", 0, "requests[0]"),
        ("requests[0]", "context", "requests[0].context"),
        ("", 0, "[0]"),
        ("", "", '[""]'),
        ("a", "", 'a[""]'),
        ("a", "b c", 'a["b c"]'),
        ("a", "b.c", 'a["b.c"]'),
        ("a", 'b"c', 'a["b\'c"]'),
        ("a", "漢字", "a.漢字"),
        ("a", "tensor-parallel_2", "a.tensor-parallel_2"),
        ("a", " " * 200, 'a["' + " " * 79 + '…"]'),  # no key makes a path long
        ("a", "x" * 200, 'a["' + "x" * 79 + '…"]'),
        ("a", "x" * 80 + ".b[0]", 'a["' + "x" * 79 + '…"]'),
        ("a", "b[0]", 'a["b(0]"]'),
    ],
)
def test_join_path(path, key, joined):
    assert join_path(path, key) == joined


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        ("requests[0].context", "requests[0]"),
        ("requests[0]", "requests"),
        ("requests", ""),
        ("", ""),
        ("[0]", ""),
        ('a["b.c"]', "a"),
        ('a["b.c"].d', 'a["b.c"]'),
        ('a["b.c"][3]', 'a["b.c"]'),
        ('["x(0]"]', ""),
        ('[""]', ""),
    ],
)
def test_parent_path(path, parent):
    assert parent_path(path) == parent


@given(keys=st.lists(KEYS.filter(lambda key: "[" not in str(key)), min_size=1, max_size=6))
def test_parent_path_undoes_join_path(keys):
    paths = [""]
    for key in keys:
        paths.append(join_path(paths[-1], key))
    assert [parent_path(path) for path in paths[1:]] == paths[:-1]


@given(st.text(alphabet='ab.[]"0', max_size=20))
def test_parents_of_any_text_come_to_an_end(path):
    for _ in range(len(path)):
        path = parent_path(path)
    assert path == ""


TEXT = "kvplan: 1\nrequests:\n  - {sequences: 4}\n"
PLACES = {
    "": Place(1, 1, 4, 1),
    KEY + "requests": Place(2, 1, 2, 9),
    "requests": Place(3, 3, 4, 1),
    "requests[0]": Place(3, 5, 3, 19),
    KEY + "requests[0].sequences": Place(3, 6, 3, 15),
    "requests[0].sequences": Place(3, 17, 3, 18),
}


def source() -> Source:
    return Source("w.yaml", TEXT, lambda: PLACES)


@pytest.mark.parametrize(
    ("path", "on_key", "at"),
    [
        ("requests[0].sequences", False, (3, 17)),
        ("requests[0].sequences", True, (3, 6)),
        ("requests[0]", True, (3, 5)),  # an item of a list has no key: its value stands in
        ("requests[0].missing", False, (3, 5)),  # nearest enclosing: the item
        ("requests[0].prefix.tokens", False, (3, 5)),
        ("requests[7].context", False, (2, 1)),  # nearest enclosing: the key of the list
        ("elsewhere.deep.down", False, (1, 1)),
        ("", False, (1, 1)),
    ],
)
def test_locate_finds_the_place_or_the_nearest_enclosing_one(path, on_key, at):
    located = source().locate(Finding("KV001", path, "x", on_key=on_key))
    assert located.place is not None
    assert (located.file, located.place.line, located.place.column) == ("w.yaml", *at)
    assert located.excerpt == TEXT.split("\n")[at[0] - 1]


def test_locate_without_any_place_points_at_the_start():
    located = Source("w.yaml", "x", dict).locate(Finding("KV001", "a.b", "x"))
    assert (located.place, located.excerpt) == (Place(1, 1, 1, 1), "x")


def test_locate_leaves_a_placed_finding_alone():
    finding = Finding("KV001", "requests", "x", place=Place(9, 9, 9, 9), file="other")
    assert source().locate(finding) is finding


def test_locate_keeps_the_file_that_a_finding_names():
    assert source().locate(Finding("KV001", "requests", "x", file="other")).file == "other"


def test_places_are_worked_out_once_and_only_when_asked():
    calls = []
    lazy = Source("w.yaml", TEXT, lambda: calls.append(1) or PLACES)
    assert calls == []
    lazy.locate(Finding("KV001", "requests", "x"))
    lazy.locate(Finding("KV001", "requests[0]", "x"))
    assert calls == [1]


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("a\nb\nc", 2, "b"),
        ("a\r\nb\r\n", 1, "a"),
        ("a\nb", 3, ""),  # past the end
        ("", 1, ""),
        ("a", 0, ""),
        ("x" * 1000, 1, "x" * 400),
    ],
)
def test_excerpt(text, line, shown):
    finding = Finding("KV003", "", "m", place=Place(line, 1, line, 1))
    assert Source("f", text, dict).locate(finding).excerpt == shown


def test_findings_are_shown_by_file_line_column_and_rule():
    ordered = [
        Finding("KV008", "", "nowhere"),
        Finding("KV002", "", "m", file="a", place=Place(2, 9, 2, 10)),
        Finding("KV001", "", "m", file="a", place=Place(10, 1, 10, 2)),  # line 10 after line 2
        Finding("KV002", "", "m", file="a", place=Place(10, 1, 10, 2)),
        Finding("KV002", "", "n", file="a", place=Place(10, 1, 10, 2)),
        Finding("KV001", "", "m", file="a", place=Place(10, 2, 10, 3)),
        Finding("KV001", "", "m", file="b", place=Place(1, 1, 1, 2)),
    ]
    assert list(SpecError(ordered[::-1]).findings) == ordered


def test_error_text_names_file_place_rule_and_path():
    finding = Finding("KV001", "a.b", "unknown key `b`", file="w.yaml", place=Place(2, 3, 2, 4))
    assert str(SpecError([finding])) == "w.yaml:2:3: KV001 at a.b: unknown key `b`"
    assert str(SpecError([Finding("KV001", "", "lost")])) == "KV001: lost"


def test_json_of_a_finding_has_every_key_even_without_a_place():
    assert Finding("KV014", "a", "m", note="n", help="h").to_dict() == {
        "rule": "KV014", "severity": "note", "file": "", "line": None, "column": None, "end_line": None,
        "end_column": None, "path": "a", "message": "m", "note": "n", "help": "h",
    }  # fmt: skip


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_has_a_severity_and_a_summary(rule):
    assert RULES[rule].severity in ("error", "warning", "note")
    assert RULES[rule].summary

"""JSON text: what the json module lets pass is refused, and places are exact."""

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.errors import SpecError
from kvplan.findings import KEY, Finding, join_path
from kvplan.spec import json_places
from kvplan.spec.json_text import read_json
from kvplan.spec.tree import MAX_DEPTH, MAX_NODES


def faults(text) -> list[tuple[str, int, int]]:
    with pytest.raises(SpecError) as caught:
        read_json(text, "c.json")
    return [(f.rule, f.place.line, f.place.column) for f in caught.value.findings if f.place]


def test_reads_numbers_exactly():
    tree = read_json('{"a": [1, -2, 0.1, 1e6, true, null, "x"]}', "c.json").tree
    assert tree == {"a": [1, -2, Decimal("0.1"), Decimal(10**6), True, None, "x"]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": NaN, "b": [Infinity, -Infinity]}', [("KV013", 1, 7), ("KV013", 1, 18), ("KV013", 1, 28)]),
        ('{"a": 1,\n "a": 2, "b": {"c": 1, "c": 2}}', [("KV002", 2, 2), ("KV002", 2, 24)]),
        ('{"\\u0061": 1, "a": NaN}', [("KV002", 1, 15), ("KV013", 1, 20)]),  # an escape hides no duplicate
        ('{"a": ' + "9" * 5000 + "}", [("KV010", 1, 7)]),
        ('{"é漢😀": NaN}', [("KV013", 1, 9)]),
        ("[1,\r\n NaN]", [("KV013", 2, 2)]),
        ("[" * 100_000, [("KV005", 1, 65)]),
        ("[" * 100_000 + "]" * 100_000, [("KV005", 1, 65)]),
        ('{"a":' * 70 + "1" + "}" * 70, [("KV005", 1, 1 + 64 * 5)]),
        ("[" + "1," * MAX_NODES + "1]", [("KV004", 1, 2 * MAX_NODES + 1)]),
        ('{"a": [1, 2,]}', [("KV003", 1, 13)]),
        ('{"a": 1,\n}', [("KV003", 2, 1)]),
        ('{"a": [1, 2', [("KV003", 1, 12)]),
        ('{"a"', [("KV003", 1, 5)]),
        ('{"a": "x', [("KV003", 1, 7)]),
        ("", [("KV003", 1, 1)]),
        ("  \n", [("KV003", 2, 1)]),
        ("\ufeff{}", [("KV003", 1, 1)]),  # decode() takes a byte-order mark away: this is a second one
        ('{"a": 1 "b": 2}', [("KV003", 1, 9)]),
        ('{"a" 1}', [("KV003", 1, 6)]),
        ("{a: 1}", [("KV003", 1, 2)]),
        ("{'a': 1}", [("KV003", 1, 2)]),
        ("[1] [2]", [("KV003", 1, 5)]),
        ("[1, tru]", [("KV003", 1, 5)]),
        ("[01]", [("KV003", 1, 3)]),
        ("[+1]", [("KV003", 1, 2)]),
        ('["\t"]', [("KV003", 1, 2)]),
        ('["\\x"]', [("KV003", 1, 2)]),
        ("[}", [("KV003", 1, 2)]),
        ("{]", [("KV003", 1, 2)]),
        ("[1}", [("KV003", 1, 3)]),
        ("[,1]", [("KV003", 1, 2)]),
        ("// words\n{}", [("KV003", 1, 1)]),
        ('{"a": NaN, "a": [1,]}', [("KV013", 1, 7), ("KV002", 1, 12), ("KV003", 1, 20)]),  # all in one pass
    ],
    ids=lambda value: value[:16] if isinstance(value, str) else None,
)
def test_refuses_at_every_place_at_once(text, found):
    begin = time.process_time()
    assert faults(text) == found
    assert time.process_time() - begin < 1


def test_the_deepest_text_is_read():
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "c.json").tree


def test_one_level_more_is_refused():
    assert faults("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == [("KV005", 1, 65)]


def test_a_missing_colon_is_placed_where_it_is_missing():
    assert faults('{"a" 12345}') == [("KV003", 1, 6)]


def test_a_monstrous_exponent_is_refused():
    assert [at for _, *at in faults('{"a": 1e9999999999999999999}')] == [[1, 7]]


def test_half_of_a_surrogate_pair_is_refused():
    assert [at for _, *at in faults('{"a": "\\ud800"}')] == [[1, 7]]


def test_a_duplicate_key_has_its_own_path():
    with pytest.raises(SpecError) as caught:
        read_json('{"a": {"b": 1, "b": 2}}', "c.json")
    assert caught.value.findings[0].path == "a.b"


def test_a_finding_is_placed_by_its_path():
    document = read_json('{"a": [1,\n  {"b": 12}]}', "c.json")
    value = document.source.locate(Finding("KV010", "a[1].b", "x"))
    key = document.source.locate(Finding("KV001", "a[1].b", "x", on_key=True))
    assert [(f.place.line, f.place.column, f.place.end_column, f.excerpt) for f in (value, key) if f.place] == [
        (2, 9, 11, '  {"b": 12}]}'),
        (2, 4, 7, '  {"b": 12}]}'),
    ]


def test_places_of_every_key_and_value():
    places = json_places.scan('{"a": [1, {"b": "x"}],\n "é": {}}').places
    assert {path: tuple(place) for path, place in ((p, _span(q)) for p, q in places.items())} == {
        "": (1, 1, 2, 10),
        "key:a": (1, 2, 1, 5),
        "a": (1, 7, 1, 22),
        "a[0]": (1, 8, 1, 9),
        "a[1]": (1, 11, 1, 21),
        "key:a[1].b": (1, 12, 1, 15),
        "a[1].b": (1, 17, 1, 20),
        "key:é": (2, 2, 2, 5),
        "é": (2, 7, 2, 9),
    }


def _span(place) -> tuple[int, int, int, int]:
    return (place.line, place.column, place.end_line, place.end_column)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=8) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def nodes(tree, path=""):
    """Every path and the value there, by plain recursion."""
    yield path, tree
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from nodes(value, join_path(path, key))


def cut(text: str, place) -> str:
    """The stretch of a text that a place names, by a count of lines and columns."""
    line, column, starts = 1, 1, {}
    for index, letter in enumerate(text + "\n"):
        starts[line, column] = index
        ends_line = letter in "\n\x85\u2028\u2029" or (letter == "\r" and text[index + 1 : index + 2] != "\n")
        line, column = (line + 1, 1) if ends_line else (line, column + 1)
    return text[starts[place.line, place.column] : starts[place.end_line, place.end_column]]


@settings(deadline=None)
@given(tree=TREES, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_the_text_at_a_place_is_the_value(tree, indent, ascii_only):
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)
    scan = json_places.scan(text)
    assert scan.findings == []
    expected = dict(nodes(tree))
    if len(expected) == len(list(nodes(tree))):  # odd keys may share a path, once quoted
        assert {path: json.loads(cut(text, place)) for path, place in scan.places.items() if KEY not in path} == {
            path: value for path, value in expected.items() if KEY not in path
        }


@settings(deadline=None)
@given(st.one_of(st.text(max_size=40), st.text(alphabet='{}[]:,"\\ 0123456789.eE+-truefalsnN\n', max_size=60)))
def test_agrees_with_the_json_module_on_any_text(text):
    try:
        json.loads(text, parse_constant=lambda word: json.loads(""))
    except (ValueError, RecursionError):
        assert faults(text)
    else:
        scan = json_places.scan(text)
        assert all(finding.rule in ("KV002", "KV010") for finding in scan.findings)

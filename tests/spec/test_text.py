"""YAML text: every trap and every bomb ends in findings at their places, at once."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.errors import SpecError
from kvplan.spec.text import build, read, read_yaml
from kvplan.spec.tree import MAX_ALIASES, MAX_DEPTH, MAX_NODES, decode


def faults(call, *args) -> list[tuple[str, int, int]]:
    with pytest.raises(SpecError) as caught:
        call(*args)
    return [(f.rule, f.place.line, f.place.column) for f in caught.value.findings if f.place]


def finding(text):
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "w.yaml")
    (only,) = caught.value.findings
    return only


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a: 1\n", {"a": 1}),
        ("---\na: 1\n...\n", {"a": 1}),
        ("---\n", None),
        ("a:\n", {"a": None}),
        ("a: '010'\nb: \"no\"\n", {"a": "010", "b": "no"}),  # quoted: text, and no warning
        ("null: 1\n1: 2\nyes: 3\n'': 4\n", {"null": 1, "1": 2, "yes": 3, "": 4}),  # keys are text
        ("a: <<\nb: =\n'<<': 3\n", {"a": "<<", "b": "=", "<<": 3}),  # no merge: a value, and a quoted key
        ("a: '{{ x }}'\n", {"a": "{{ x }}"}),
        ("a: &x [1, 2]\nb: *x\n", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: |\n  1\n", {"a": "1\n"}),
        ("a: 2024-13-45\nb: 2024-01-01\n", {"a": "2024-13-45", "b": "2024-01-01"}),  # PyYAML: ValueError, a date
        ("[" + "1," * (MAX_NODES - 2) + "1]", [1] * (MAX_NODES - 1)),
    ],
)
def test_reads(text, tree):
    assert read_yaml(text, "w.yaml").tree == tree
    assert read_yaml(text, "w.yaml").notes == ()


@pytest.mark.parametrize(
    ("text", "rule", "at", "message", "help"),
    [
        ("", "KV003", (1, 1), "the text is empty", "kvplan: 1"),
        ("# only words\n", "KV003", (1, 1), "the text is empty", "kvplan: 1"),
        ("x: !!python/object:os.system {}\n", "KV006", (1, 4), "`!!python/object:os.system`: tags are not", "plainly"),
        ("x: !include y\n", "KV006", (1, 4), "the tag `!include`: tags are not allowed", "write the value plainly"),
        ("x: !!int 3\n", "KV006", (1, 4), "the tag `!!int`", "plainly"),
        ("x: ! 12\n", "KV006", (1, 4), "the tag `!`", "plainly"),
        ("a: 1\nb: 2\na: 3\n", "KV002", (3, 1), "duplicate key `a`", "first set on line 1"),
        ("a: {b: 1, 'b': 2}\n", "KV002", (1, 11), "duplicate key `b`", "first set on line 1"),
        (
            "d: &d {a: 1}\nb:\n  <<: *d\n  a: 2\n",
            "KV006",
            (3, 3),
            "merge keys (`<<`) are not read",
            "write the keys out",
        ),
        ("{{ x }}: 1\n", "KV003", (1, 1), "a key that is itself a mapping", "looks like a template: render it first"),
        ("a: {{ x }}\n", "KV003", (1, 5), "a key that is itself a mapping", "looks like a template: render it first"),
        ("a: {% if x %}\n", "KV003", (1, 5), "cannot start any token", "looks like a template: render it first"),
        ("? [1]\n: 2\n", "KV003", (1, 3), "a key that is itself a mapping or list", "keys are text"),
        ("a: 1\n---\nb: 2\n", "KV003", (2, 1), "a second document (`---`)", "keep one workload in a file"),
        ("a: b: c\n", "KV003", (1, 5), "mapping values are not allowed", "check indentation"),
        ("a: [1, 2\nb: 3\n", "KV003", (2, 2), "expected ',' or ']'", "check indentation"),
        ("a: 'x\n", "KV003", (2, 1), "unexpected end of stream", "check indentation"),
        ("a: @x\n", "KV003", (1, 4), "cannot start any token", "check indentation"),
        ("a: " + "9" * 5000, "KV010", (1, 4), "a number of 5000 digits", "write a smaller number"),
        ("a: 0x" + "f" * 10_000, "KV010", (1, 4), "digits", "write a smaller number"),
        ("a: .nan\n", "KV013", (1, 4), "`.nan` is not a finite number", "write a number"),
        ("a: *x\n", "KV006", (1, 4), "the alias `*x` has no anchor before it", "write the value out"),
        ("a: &a [*a]\n", "KV006", (1, 8), "the alias `*a` refers to itself", "write the value out"),
        ("a: &a {b: {c: *a}}\n", "KV006", (1, 15), "the alias `*a` refers to itself", "write the value out"),
        ("a: &a k\n*a : 2\n", "KV006", (2, 1), "the alias `*a` as a key", "write the key out"),
        ("é漢字: .inf\n", "KV013", (1, 6), "`.inf`", "write a number"),  # columns are code points
        ("é漢字: {漢: 1, 漢: 2}\n", "KV002", (1, 13), "duplicate key `漢`", "first set on line 1"),
        ("😀: [1, .inf]\n", "KV013", (1, 8), "`.inf`", "write a number"),
    ],
)
def test_refuses_at_the_place(text, rule, at, message, help):
    only = finding(text)
    assert (only.rule, only.place.line, only.place.column) == (rule, *at)
    assert message in only.message
    assert help in only.help
    assert only.excerpt == text.split("\n")[at[0] - 1][:400]


def laughs() -> str:
    """Nine lists of nine aliases: 9⁹ strings once written out."""
    lines = ["a: &a [l,l,l,l,l,l,l,l,l]"]
    lines += [f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


def merges(depth: int) -> str:
    return "a0: &a0 {k: v}\n" + "".join(f"a{i + 1}: &a{i + 1}\n  <<: [*a{i}, *a{i}]\n" for i in range(depth))


BLOCKS = "".join("  " * level + "a:\n" for level in range(600))


# a..d: 10 + 90·… nodes: a has 10, b 91, c 820, d 7381; e holds nine d and passes 50 000 in its sixth:
# 5 keys and a+b+c+d = 8302+5 nodes, e itself 1, then 5 × 7381 = 36905 ▸ 45213, and the sixth is at column 8 + 5·3.
@pytest.mark.parametrize(
    ("text", "rule", "at"),
    [
        *[("[" * depth, "KV005", (1, 65)) for depth in (200, 500, 5_000, 20_000, 50_000)],
        ("[" * 65 + "]" * 65, "KV005", (1, 65)),
        ("a: " + "{a: " * 64 + "1" + "}" * 64, "KV005", (1, 4 + 63 * 4)),
        ("- " * 70 + "1", "KV005", (1, 129)),
        (BLOCKS, "KV005", (65, 129)),
        (laughs(), "KV004", (5, 23)),
        ("[" + "1," * (MAX_NODES - 1) + "1]", "KV004", (1, 2 * MAX_NODES)),
        ("a: &a 1\nb: [" + "*a," * (MAX_ALIASES + 1) + "]", "KV006", (2, 5 + 3 * MAX_ALIASES)),
    ],
    ids=lambda value: None if isinstance(value, tuple) else str(value)[:12],
)
def test_bombs_are_refused_at_once(text, rule, at):
    begin = time.process_time()
    found = faults(read_yaml, text, "w.yaml")
    assert time.process_time() - begin < 1
    assert found == [(rule, *at)]


@pytest.mark.parametrize("depth", [2, 12, 18, 30])
def test_merge_bombs_are_refused_at_once(depth):
    begin = time.process_time()
    found = faults(read_yaml, merges(depth), "w.yaml")
    assert time.process_time() - begin < 1
    assert found[:2] == [("KV006", 3, 3), ("KV006", 5, 3)]


@pytest.mark.parametrize("text", ["[" * MAX_DEPTH + "]" * MAX_DEPTH, "a: &a 1\nb: [" + "*a," * MAX_ALIASES + "]"])
def test_the_bounds_themselves_are_read(text):
    assert read_yaml(text, "w.yaml").tree


def test_a_long_key_costs_no_more_than_its_text():
    text = "? " + "x" * 100_000 + "\n: [" + "1," * 100 + "]\n"
    assert sum(len(path) for path in build(text).places) < 10 * len(text)


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n"])
def test_tabs_are_named(text):
    assert finding(text).help == "indent with spaces, not tabs"


@pytest.mark.parametrize("end", ["\r", "\u2028", "\x85"])
def test_rare_line_ends_keep_the_excerpt(end):
    assert finding(f"a: 1{end}b: 2{end}a: 3").excerpt


def test_a_tag_on_a_key_has_the_path_of_its_mapping():
    assert finding("a: {!!int b: 1}\n").path == "a"


@pytest.mark.parametrize("text", ["a: 1e9999999999999999999\n", "a: 1.5e-" + "9" * 30])
def test_a_monstrous_exponent_is_refused(text):
    assert [at for _, *at in faults(read_yaml, text, "w.yaml")] == [[1, 4]]


def test_every_finding_comes_in_one_pass():
    text = "a: no\nb: 010\nc: !x 1\nd: 1\nd: 2\ne: .inf\n<<: 3\ng: [1\n"
    assert faults(read_yaml, text, "w.yaml") == [
        ("KV012", 1, 4),
        ("KV012", 2, 4),
        ("KV006", 3, 4),
        ("KV002", 5, 1),
        ("KV013", 6, 4),
        ("KV006", 7, 1),
        ("KV003", 9, 1),
    ]


def test_warnings_alone_do_not_refuse():
    document = read_yaml("a: no\nb: [1:30, 010]\n", "w.yaml")
    assert document.tree == {"a": "no", "b": ["1:30", 10]}
    assert [(f.rule, f.path, f.place.line, f.place.column) for f in document.notes if f.place] == [
        ("KV012", "a", 1, 4),
        ("KV012", "b[0]", 2, 5),
        ("KV012", "b[1]", 2, 11),
    ]


@pytest.mark.parametrize(("name", "tree"), [("x.json", 1), ("x.yaml", 1), ("-", 1)])
def test_json_is_read_by_its_name(name, tree):
    assert read('{"a": 1}', name).tree == {"a": tree}
    if name != "x.json":
        assert read("a: 1", name).tree == {"a": tree}
    else:
        assert faults(read, "a: 1", name) == [("KV003", 1, 1)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbfa: 1\n", "a: 1\n"),
        ("a: é漢😀\n".encode("utf-16"), "a: é漢😀\n"),
        (b"\xfe\xff" + "a: é\n".encode("utf-16-be"), "a: é\n"),
        ("a: \t\u2028\r\n".encode(), "a: \t\u2028\r\n"),
    ],
)
def test_decodes(content, text):
    assert decode(content, "w.yaml") == text


@pytest.mark.parametrize(
    ("content", "at", "message"),
    [
        ("a: 1\nb: café\n".encode("latin-1"), (2, 7), "byte 11 is not UTF-8"),
        ("é漢\n漢é".encode() + b"\xff", (2, 3), "byte 11 is not UTF-8"),  # 2 + 3 + 1 + 3 + 2
        (b"a: 1\nb: \0x\n", (2, 4), "a control character (U+0000)"),
        (b"a: \x1b[31m", (1, 4), "a control character (U+001B)"),
        (b"\xed\xa0\x80", (1, 1), "byte 0 is not UTF-8"),  # half of a surrogate pair
        (b"\xff\xfea\0\n\0\0\xd8a\0", (2, 1), "byte 6 is not UTF-16"),
        ("a\n".encode("utf-16-le"), (1, 2), "a control character (U+0000)"),  # no mark says so: read as UTF-8
        pytest.param(
            b"\xef\xbb\xbfab\n\xff", (2, 1), "byte 6 is not UTF-8"
        ),
    ],
)  # fmt: skip
def test_decode_refuses_at_the_place(content, at, message):
    with pytest.raises(SpecError) as caught:
        decode(content, "w.yaml")
    (only,) = caught.value.findings
    assert (only.rule, only.place.line, only.place.column, only.message) == ("KV003", *at, message)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab:-[]{}&*!|>'\"#?%@`, \n\t1<", max_size=60)))
def test_any_text_is_read_or_refused(text):
    try:
        document = read_yaml(text, "w.yaml")
    except SpecError as error:
        assert all(f.place and f.file == "w.yaml" for f in error.findings)  # noqa: PT017 - a refusal is a good end
    else:
        assert all(f.severity != "error" for f in document.notes)

"""Plain scalars: the YAML 1.2 core schema, and a warning where YAML 1.1 reads something else."""

from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kvplan.spec.scalars import read_scalar
from kvplan.spec.tree import MAX_DIGITS

SURPRISING = "YAML 1.1 would read `{}` differently"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", Decimal(10**6)),  # PyYAML: text
        ("1e-3", Decimal("0.001")),
        ("1e+6", Decimal(10**6)),
        ("6.02E23", Decimal("6.02e23")),
        ("0.8e0", Decimal("0.8")),
        ("12e03", Decimal(12000)),
        ("1.0e6", Decimal(10**6)),  # PyYAML: text, for want of a sign
        ("1.0e+6", Decimal(10**6)),
        ("1.", Decimal(1)),
        (".5", Decimal("0.5")),
        ("0.1", Decimal("0.1")),  # no float between text and value
        ("1e400", Decimal("1e400")),
        ("-5", -5),
        ("+5", 5),
        ("0", 0),
        ("-0", 0),
        ("0o10", 8),  # PyYAML: text
        ("0x1F", 31),
        ("08", 8),  # PyYAML: text, unlike 010
        ("09", 9),
        ("9" * MAX_DIGITS, 10**MAX_DIGITS - 1),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
    ],
)
def test_numbers_truth_and_nothing(text, value):
    read, problem = read_scalar(text)
    assert (type(read), read, problem) == (type(value), value, None)


@pytest.mark.parametrize(
    "text",
    [
        "y", "n", "tRue", "nULL", "128k", "144GB", "144 GiB", "100%", "fp8", "1,000", "nan", "inf", "NaN", "-.nan",
        ".Nan", "2024-01-01", "2024-13-45", "=", "<<", "-", ".", "-.", "1e", "0x", "0o8", "0O10", "١٢", "vllm@0.32",
    ],
)  # fmt: skip
def test_everything_else_is_text(text):
    assert read_scalar(text) == (text, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),  # PyYAML: 8
        ("0777", 777),  # PyYAML: 511
        ("1:30", "1:30"),  # PyYAML: 90
        ("1:2", "1:2"),  # PyYAML: 62
        ("190:20:30", "190:20:30"),  # PyYAML: 685230
        ("no", "no"),
        ("off", "off"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("1_000", "1_000"),  # PyYAML: 1000
    ],
)
def test_warns_where_yaml_1_1_reads_something_else(text, value):
    read, problem = read_scalar(text)
    assert (type(read), read) == (type(value), value)
    assert problem is not None
    assert (problem.rule, problem.message) == ("KV012", SURPRISING.format(text))
    assert ("the number " if isinstance(value, int) else 'the text "') + str(value) in problem.note
    assert f'write "{text}" for text' in problem.help


@pytest.mark.parametrize("text", ["-010", "+010", "0b101", "1_0", "0x_1", "0_1", "1:30.5", "1_000.5"])
def test_warns_of_rarer_spellings(text):
    assert yaml.safe_load(text) != read_scalar(text)[0]  # what PyYAML reads is another value
    assert read_scalar(text)[1] is not None


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN", ".inf", ".Inf", "-.inf", "+.INF"])
def test_refuses_what_is_not_finite(text):
    problem = read_scalar(text)[1]
    assert problem is not None
    assert (problem.rule, problem.message) == ("KV013", f"`{text}` is not a finite number")


@pytest.mark.parametrize("text", ["9" * (MAX_DIGITS + 1), "9" * 5000, "0x" + "f" * 10_000, "0o" + "7" * 5000])
def test_refuses_monstrous_whole_numbers(text):
    problem = read_scalar(text)[1]
    assert problem is not None
    assert (problem.rule, problem.message) == ("KV010", f"a number of {len(text)} digits")


@pytest.mark.parametrize("text", ["1e" + "9" * 19, "-1.5E" + "9" * 5000, "1e-" + "9" * 30])
def test_monstrous_exponents_are_refused(text):
    problem = read_scalar(text)[1]
    assert problem is not None


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_are_themselves(number):
    assert read_scalar(str(number)) == (number, None)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_decimals_are_exact(number):
    assert read_scalar(f"{number:f}") == (number, None)


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_problem(text):
    value, problem = read_scalar(text)
    assert value is None or isinstance(value, str | int | Decimal)
    assert not isinstance(value, str) or value == text
    assert problem is None or problem.help

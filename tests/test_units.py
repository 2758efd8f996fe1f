"""Units: every spelling that the ecosystem uses is read exactly, or refused with the spelling that is meant."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan import units
from kvplan.units import (
    UnitError,
    format_binary_bytes,
    format_bytes,
    parse_bytes,
    parse_fraction,
    parse_rate,
    parse_seconds,
    parse_tokens,
)

PARSERS = [parse_tokens, parse_bytes, parse_rate, parse_seconds, parse_fraction]
TOKEN_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "K": 2**10, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
BYTE_UNITS = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip


def refusal(parse, text) -> tuple[str, str]:
    with pytest.raises(UnitError) as caught:
        parse(text)
    return str(caught.value), caught.value.help


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("8192", 8192), ("0", 0), ("-0", 0), ("+5", 5), ("1k", 1000), ("128k", 128_000), ("128 k", 128_000),
        ("1.5k", 1500), (".5k", 500), ("1K", 1024), ("128K", 131_072), ("128Ki", 131_072), ("0.5Ki", 512),
        ("1Mi", 1_048_576), ("1Gi", 1_073_741_824), ("1M", 1_000_000), ("1.5M", 1_500_000), ("1G", 10**9),
        ("1_000", 1000), ("1,000", 1000), ("12,345,678", 12_345_678), ("1e6", 1_000_000), ("1.2e3", 1200),
        ("1.0", 1), (str(2**62 - 1), 2**62 - 1),
    ],
)  # fmt: skip
def test_tokens_are_read_exactly(text, tokens):
    assert parse_tokens(text).value == tokens


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("auto", "is not a token count", "write 8192, 128Ki"),
        ("", "is not a token count", "write 8192"),
        ("nan", "is not a token count", "write 8192"),
        (".inf", "is not a token count", "write 8192"),
        ("٣", "is not a token count", "write 8192"),
        ("1__000", "is not a token count", "write 8192"),
        ("1,00", "is not a token count", "write 8192"),
        ("1,000_000", "is not a token count", "write 8192"),
        ("1 000", "is not a token count", "write 8192"),
        ("9" * 101, "9…` is not a token count", "write 8192"),
        ("-1", "`-1` is negative", "write 8192"),
        ("1m", "unknown unit `m`", "milli in other tools: write M for a million"),
        ("1g", "unknown unit `g`", "write G for 10^9 tokens, Gi for 2^30"),
        ("1t", "unknown unit `t`", "write the number out"),
        ("1T", "unknown unit `T`", "write the number out"),
        ("5 foo", "unknown unit `foo`", "tokens take k, M, G"),
        ("144 GB", "unknown unit `GB`", "tokens take k, M, G"),
        ("100%", "unknown unit `%`", "tokens take k, M, G"),
        ("1.5K", "has a decimal before K", "write Ki, or k for 1000"),
        ("0.5", "not a whole number of tokens", "write a whole number of tokens"),
        ("1e-3", "not a whole number of tokens", "write a whole number of tokens"),
        ("1e400", "is out of range", "write 8192"),
        ("1e40", "more than kvplan counts to (2^62 tokens)", "write a smaller number"),
        (str(2**62), "more than kvplan counts to (2^62 tokens)", "write a smaller number"),
    ],
)
def test_tokens_refuse_with_the_fix(text, message, help):
    said, hint = refusal(parse_tokens, text)
    assert message in said
    assert help in hint


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("128K", "`128K` is read as 131,072 tokens (K is 1024, as in vLLM); write 128Ki or 131072 to be plain"),
        ("1M", "`1M` is read as 1,000,000 tokens; vLLM would read 1,048,576"),
        ("2G", "`2G` is read as 2,000,000,000 tokens; vLLM would read 2,147,483,648"),
        ("128k", ""),  # vLLM reads the same
        ("128Ki", ""),
        ("1.5M", ""),  # vLLM refuses a decimal before a capital letter
        ("8192", ""),
    ],
)
def test_tokens_note_what_vllm_reads_differently(text, note):
    assert parse_tokens(text).note == note


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("144 GB", 144 * 10**9),
        ("144GB", 144 * 10**9),
        ("80GB", 80 * 10**9),
        ("141 GB", 141 * 10**9),
        ("180 GB", 180 * 10**9),
        ("192 GB", 192 * 10**9),
        ("288 GB", 288 * 10**9),
        ("1e3 GB", 10**12),  # quantiphy: 1000 of "GB"
        ("144Gi", 144 * 2**30),
        ("144 GiB", 144 * 2**30),
        ("10Gi", 10 * 2**30),
        ("128Ki", 128 * 2**10),
        ("1.5Ti", 3 * 2**39),
        ("1 TB", 10**12),
        ("1 kB", 1000),
        ("1 B", 1),
        ("1,000 MB", 10**9),
        ("0.1 GB", 100_000_000),  # 0.1 has no float
        ("0.3 GB", 300_000_000),
        ("0.001 kB", 1),
        ("1.000000001 GB", 1_000_000_001),
    ],
)
def test_bytes_are_read_exactly(text, size):
    assert parse_bytes(text) == (size, "")


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("144", "the unit is missing", "write 144 GB for powers of ten or 144 GiB for powers of 1024"),
        ("144G", "a bare `G` may be a power of ten or of 1024", "write 144 GB for powers of ten or 144 GiB"),
        ("1T", "a bare `T` may be", "write 1 TB for powers of ten or 1 TiB"),
        ("128k", "a bare `k` may be", "write 128 kB for powers of ten or 128 KiB"),
        ("128K", "a bare `K` may be", "write 128 kB for powers of ten or 128 KiB"),
        ("80 gb", "`gb` is not a unit of bytes (a small b is bits)", "write 80 GB for powers of ten or 80 GiB"),
        ("144Gb", "`Gb` is not a unit of bytes", "write 144 GB for powers of ten"),
        ("1 Gbit", "`Gbit` is not a unit of bytes", "write 1 GB for powers of ten"),
        ("1 KB", "unknown unit `KB`", "write 1 kB for powers of ten or 1 KiB for powers of 1024"),
        ("10m", "unknown unit `m`", "write 10 MB"),
        ("5 foo", "unknown unit `foo`", "write 5 GB"),
        ("400 Gb/s", "`Gb/s` is a rate", "write 400 GB"),
        ("1 TB/s", "`TB/s` is a rate", "write 1 TB"),
        ("400 Gbps", "`Gbps` is a rate", "write 400 GB"),
        ("auto", "is not a number of bytes", "write 144 GB (10^9) or 144 GiB (2^30)"),
        ("nan", "is not a number of bytes", "write 144 GB"),
        ("inf", "is not a number of bytes", "write 144 GB"),
        ("-1 GB", "is negative", "write 144 GB"),
        ("1.5 B", "not a whole number of bytes", "write a whole number of bytes"),
        ("5000 PB", "more than kvplan counts to (2^62 bytes)", "write a smaller number"),
    ],
)
def test_bytes_refuse_with_both_spellings(text, message, help):
    said, hint = refusal(parse_bytes, text)
    assert message in said
    assert help in hint


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_rate, "1 TB/s", 10**12),
        (parse_rate, "3.9 TB/s", 3_900_000_000_000),
        (parse_rate, "400 Gb/s", 50 * 10**9),  # bits: 400·10⁹ ÷ 8
        (parse_rate, "400 Gbps", 50 * 10**9),
        (parse_rate, "400 Gbit/s", 50 * 10**9),
        (parse_rate, "50 GB/s", 50 * 10**9),
        (parse_rate, "1 GiB/s", 2**30),
        (parse_rate, "1 b/s", Fraction(1, 8)),
        (parse_seconds, "2 s", 2),
        (parse_seconds, "40 ms", Fraction(1, 25)),
        (parse_seconds, "100 us", Fraction(1, 10**4)),
        (parse_seconds, "1 µs", Fraction(1, 10**6)),  # micro sign
        (parse_seconds, "1 μs", Fraction(1, 10**6)),  # Greek mu
        (parse_seconds, "1 ns", Fraction(1, 10**9)),
        (parse_seconds, "5 min", 300),
        (parse_seconds, "1.5h", 5400),
        (parse_fraction, "92%", Fraction(23, 25)),
        (parse_fraction, "0.92", Fraction(23, 25)),
        (parse_fraction, "99.9%", Fraction(999, 1000)),
        (parse_fraction, "1e-1", Fraction(1, 10)),
        (parse_fraction, "0", 0),
        (parse_fraction, "100%", 1),
    ],
)
def test_rates_seconds_and_shares_are_exact_fractions(parse, text, value):
    read = parse(text)
    assert read == value
    assert isinstance(read, Fraction)


@pytest.mark.parametrize(
    ("parse", "text", "message", "help"),
    [
        (parse_rate, "1 GB", "unknown unit `GB`", "write GB/s for bytes or Gb/s for bits"),
        (parse_rate, "5", "the unit is missing", "write GB/s for bytes or Gb/s for bits"),
        (parse_rate, "12/s", "unknown unit `/s`", "write GB/s for bytes"),
        (parse_rate, "100 gb/s", "unknown unit `gb/s`", "write GB/s for bytes"),
        (parse_rate, "-1 GB/s", "is negative", "write 4 TB/s"),
        (parse_seconds, "2", "the unit is missing", "write ns, us, ms, s, min or h"),
        (parse_seconds, "1 m", "unknown unit `m`", "write ns, us, ms, s, min or h"),
        (parse_seconds, "1:30", "is not a duration", "write 2 s or 40 ms"),
        (parse_seconds, "-1 s", "is negative", "write 2 s"),
        (parse_fraction, "92", "more than the whole", "write 92% if percent is meant"),
        (parse_fraction, "101%", "more than the whole", "a share is at most 100%"),
        (parse_fraction, "-5%", "is negative", "write 92% or 0.92"),
        (parse_fraction, "nan", "is not a share", "write 92% or 0.92"),
        (parse_fraction, "50 k", "unknown unit `k`", "write 92% or 0.92"),
    ],
)
def test_rates_seconds_and_shares_refuse(parse, text, message, help):
    said, hint = refusal(parse, text)
    assert message in said
    assert help in hint


@given(count=st.integers(0, 2**31), unit=st.sampled_from(sorted(TOKEN_UNITS)), space=st.sampled_from(["", " "]))
def test_tokens_round_trip(count, unit, space):
    value = parse_tokens(f"{count}{space if unit else ''}{unit}").value
    assert (type(value), value) == (int, count * TOKEN_UNITS[unit])


@given(count=st.integers(0, 2**11), unit=st.sampled_from(sorted(BYTE_UNITS)), space=st.sampled_from(["", " "]))
def test_bytes_round_trip(count, unit, space):
    value = parse_bytes(f"{count}{space}{unit}").value
    assert (type(value), value) == (int, count * BYTE_UNITS[unit])


@given(thousandths=st.integers(0, 10**12))
def test_decimals_never_pass_through_a_float(thousandths):
    assert parse_bytes(f"{thousandths // 1000}.{thousandths % 1000:03} kB").value == thousandths


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=120), st.from_regex(r"[-+]?[0-9_,]*\.?[0-9]*([eE]-?[0-9]*)? ?[kKMGBi%/s]*")))
@pytest.mark.parametrize("parse", PARSERS)
def test_any_text_is_read_or_refused(parse, text):
    try:
        read = parse(text)
    except UnitError as error:
        assert error.help  # noqa: PT017 - a refusal is one of two good ends
    else:
        assert re.search("[0-9]", text)
        assert not isinstance(getattr(read, "value", read), float)


@pytest.mark.parametrize(
    ("count", "decimal", "binary"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1.000 kB", "1,000 B"),
        (1023, "1.023 kB", "1,023 B"),
        (1024, "1.024 kB", "1.000 KiB"),
        (123_456, "123.5 kB", "120.6 KiB"),  # 123456 ÷ 1024 = 120.56
        (83_886_080_000_000, "83.89 TB", "76.29 TiB"),  # ÷ 2⁴⁰ = 76.294
        (144 * 2**30, "154.6 GB", "144.0 GiB"),
        (-1500, "−1.500 kB", "−1.465 KiB"),
        (10**21, "1,000 EB", "867.4 EiB"),  # past the last name the number grows
    ],
)
def test_bytes_are_shown_with_four_digits(count, decimal, binary):
    assert (format_bytes(count), format_binary_bytes(count)) == (decimal, binary)


@pytest.mark.parametrize(
    ("count", "shown"), [(999_999, "1.000 MB"), (99_999, "100.0 kB"), (9_999_600, "10.00 MB"), (999_950, "1.000 MB")]
)
def test_bytes_are_shown_with_four_digits_where_rounding_carries(count, shown):
    assert format_bytes(count) == shown


@pytest.mark.parametrize(
    ("number", "fraction"),
    [
        (5, Fraction(5)),
        (Decimal("0.1"), Fraction(1, 10)),
        (Decimal("1e40"), Fraction(10**40)),
        (Decimal("1e41"), None),
        (Decimal("1e999999"), None),
        (Decimal("nan"), None),
        (Decimal("inf"), None),
        (10**40, None),
        (Decimal("0." + "1" * 101), None),
    ],
)
def test_exact_numbers(number, fraction):
    assert units.exact(number) == fraction

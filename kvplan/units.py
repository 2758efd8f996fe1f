"""Text ↔ bytes, tokens, seconds, rates and shares, exactly; the only place where bytes become text.

No float stands between a text and its value: a number is a whole mantissa and a power of ten. Units are written out,
and whatever two readers could read in two ways is refused with both spellings, or answered with a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

MAX_INTEGER = 2**62  # int64 with a bit to spare: nothing wraps silently (docs/adr/0001-int64-bytes.md)
_MAX_EXPONENT = 40

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)"
    r"(?P<whole>[0-9]{1,3}(?:_[0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+|(?=\.[0-9]))"
    r"(?:\.(?P<part>[0-9]*))?"
    r"(?:[eE](?P<exponent>[-+]?[0-9]{1,9}))?"
    r"(?:[ \t]*(?P<unit>[A-Za-zµμ%/]+))?",
)

BYTE_UNITS: Mapping[str, int] = {
    "B": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip
TOKEN_UNITS: Mapping[str, int] = {
    "k": 10**3, "M": 10**6, "G": 10**9,
    "K": 2**10,  # vLLM's rule: k = 1000, K = 1024 (vllm/utils/argparse_utils.py)
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
}  # fmt: skip
SECOND_UNITS: Mapping[str, Fraction] = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6), "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600),
}  # fmt: skip
RATE_UNITS: Mapping[str, Fraction] = {
    **{f"{unit}/s": Fraction(size) for unit, size in BYTE_UNITS.items()},
    **{
        f"{p}b{s}": Fraction(10**e, 8)
        for e, p in ((0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"))
        for s in ("/s", "ps", "it/s")
    },
}


class UnitError(ValueError):
    """A quantity that cannot be read: what is wrong, and what would be right."""

    def __init__(self, message: str, help: str) -> None:
        self.help = help
        super().__init__(message)


class Quantity(NamedTuple):
    """A value in base units, and a note where another reader would take the text for something else."""

    value: int
    note: str = ""


def parse_tokens(text: str) -> Quantity:
    """``8192``, ``128Ki``, ``1M``, ``1_000`` ▸ tokens.

    Raises: UnitError if the text is not a whole number of tokens of 0 or more.

    >>> parse_tokens("128Ki").value, parse_tokens("1.5M").value
    (131072, 1500000)
    """
    amount, unit = _split(text, "a token count", "8192, 128Ki (131072) or 1M (1000000)")
    if unit and unit not in TOKEN_UNITS:
        raise UnitError(f"`{text}` is not a token count: unknown unit `{unit}`", _token_hint(unit))
    if unit == "K" and "." in text:
        raise UnitError(
            f"`{text}` has a decimal before K",
            "K is 1024 (vLLM's rule) and takes whole numbers: write Ki, or k for 1000",
        )
    value = _whole(amount * TOKEN_UNITS.get(unit, 1), text, "tokens")
    return Quantity(value, _token_note(text, unit, amount, value))


def _token_hint(unit: str) -> str:
    return {
        "m": "m is milli in other tools: write M for a million",
        "g": "write G for 10^9 tokens, Gi for 2^30",
        "t": "write the number out",
        "T": "write the number out",
    }.get(unit, "tokens take k, M, G (powers of ten), Ki, Mi, Gi (powers of 1024), or K (1024, as vLLM reads it)")


def _token_note(text: str, unit: str, amount: Fraction, value: int) -> str:
    if unit == "K":
        return f"`{text}` is read as {value:,} tokens (K is 1024, as in vLLM); write {amount}Ki or {value} to be plain"
    if unit in ("M", "G") and amount.denominator == 1:
        other = int(amount) * {"M": 2**20, "G": 2**30}[unit]
        return f"`{text}` is read as {value:,} tokens; vLLM would read {other:,}"
    return ""


def parse_bytes(text: str) -> Quantity:
    """``144 GB`` ▸ 144·10⁹, ``144 GiB`` or ``144Gi`` ▸ 144·2³⁰.

    Raises: UnitError if the unit is missing, ambiguous or of bits, or the bytes are not whole.

    >>> parse_bytes("0.1 GB").value
    100000000
    """
    amount, unit = _split(text, "a number of bytes", "144 GB (10^9) or 144 GiB (2^30)")
    if unit not in BYTE_UNITS:
        raise UnitError(f"`{text}` is not a number of bytes: {_byte_problem(unit)}", _byte_hint(text, unit))
    return Quantity(_whole(amount * BYTE_UNITS[unit], text, "bytes"))


def parse_measured_bytes(text: str) -> int:
    """``48.66 GiB``, as a log rounds it ▸ bytes, the fraction of a byte dropped.

    Raises: UnitError as ``parse_bytes``, but for bytes that are not whole.

    >>> parse_measured_bytes("6.51 GiB")
    6990059274
    """
    amount, unit = _split(text, "a number of bytes", "144 GB (10^9) or 144 GiB (2^30)")
    return int(amount * BYTE_UNITS[unit]) if unit in BYTE_UNITS and amount >= 0 else parse_bytes(text).value


def _byte_problem(unit: str) -> str:
    if not unit:
        return "the unit is missing"
    if unit.endswith(("/s", "ps")):
        return f"`{unit}` is a rate"
    if unit in ("k", "K", "M", "G", "T", "P"):
        return f"a bare `{unit}` may be a power of ten or of 1024"
    if unit.endswith("b") or "bit" in unit:
        return f"`{unit}` is not a unit of bytes (a small b is bits)"
    return f"unknown unit `{unit}`"


def _byte_hint(text: str, unit: str) -> str:
    number = text.strip().removesuffix(unit).strip() or "1"
    letter = unit[:1].upper() if unit[:1].upper() in ("K", "M", "G", "T", "P") else "G"
    decimal = "k" if letter == "K" else letter
    return f"write {number} {decimal}B for powers of ten or {number} {letter}iB for powers of 1024"


def parse_rate(text: str) -> Fraction:
    """``3.9 TB/s``, ``400 Gb/s`` (bits: 50 GB/s) ▸ bytes a second.

    >>> parse_rate("400 Gb/s") == parse_rate("50 GB/s")
    True
    """
    amount, unit = _split(text, "a rate", "4 TB/s, or 400 Gb/s for bits")
    if unit not in RATE_UNITS:
        raise UnitError(
            f"`{text}` is not a rate: {f'unknown unit `{unit}`' if unit else 'the unit is missing'}",
            "write GB/s for bytes or Gb/s for bits, per direction",
        )
    return amount * RATE_UNITS[unit]


def parse_seconds(text: str) -> Fraction:
    """``40 ms``, ``2 s``, ``5 min`` ▸ seconds.

    >>> parse_seconds("40 ms")
    Fraction(1, 25)
    """
    amount, unit = _split(text, "a duration", "2 s or 40 ms")
    if unit not in SECOND_UNITS:
        raise UnitError(
            f"`{text}` is not a duration: {f'unknown unit `{unit}`' if unit else 'the unit is missing'}",
            "write ns, us, ms, s, min or h",
        )
    return amount * SECOND_UNITS[unit]


def parse_fraction(text: str) -> Fraction:
    """``92%`` or ``0.92`` ▸ a share of 0 to 1.

    >>> parse_fraction("92%") == parse_fraction("0.92")
    True
    """
    amount, unit = _split(text, "a share", "92% or 0.92")
    if unit not in ("", "%"):
        raise UnitError(f"`{text}` is not a share: unknown unit `{unit}`", "write 92% or 0.92")
    value = amount / 100 if unit else amount
    if value > 1:
        raise UnitError(
            f"`{text}` is more than the whole",
            f"write {text.strip()}% if percent is meant" if not unit else "a share is at most 100%",
        )
    return value


def _split(text: str, what: str, example: str) -> tuple[Fraction, str]:
    """The exact amount before the unit, and the unit; refuses negative, not finite and monstrous numbers."""
    match = _NUMBER.fullmatch(text.strip()) if len(text) <= 100 else None
    if match is None:
        shown = text if len(text) <= 40 else text[:37] + "…"
        raise UnitError(f"`{shown}` is not {what}", f"write {example}")
    whole, part = re.sub("[_,]", "", match["whole"]), match["part"] or ""
    exponent = int(match["exponent"] or 0)
    if abs(exponent) > _MAX_EXPONENT:
        raise UnitError(f"`{text}` is out of range", f"write {example}")
    amount = Fraction(int(whole + part or "0")) * Fraction(10) ** (exponent - len(part))
    if match["sign"] == "-" and amount:
        raise UnitError(f"`{text}` is negative", f"write {example}")
    return amount, match["unit"] or ""


def _whole(value: Fraction, text: str, unit: str) -> int:
    if value.denominator != 1:
        raise UnitError(f"`{text}` is not a whole number of {unit}", f"write a whole number of {unit}")
    if value >= MAX_INTEGER:
        raise UnitError(f"`{text}` is more than kvplan counts to (2^62 {unit})", "write a smaller number")
    return int(value)


def exact(number: int | Decimal) -> Fraction | None:
    """A number from a text, exactly; None where it is monstrous or not finite."""
    if isinstance(number, int):
        return Fraction(number) if abs(number) < 10**_MAX_EXPONENT else None
    if (
        not number.is_finite()
        or (number and abs(number.adjusted()) > _MAX_EXPONENT)
        or len(number.as_tuple().digits) > 100
    ):
        return None
    return Fraction(number)


def format_bytes(count: int) -> str:
    """Bytes for people, with four significant digits, in powers of ten.

    >>> format_bytes(83_886_080_000_000), format_bytes(999)
    ('83.89 TB', '999 B')
    """
    return _scaled(count, 1000, ("B", "kB", "MB", "GB", "TB", "PB", "EB"))


def format_binary_bytes(count: int) -> str:
    """Bytes for people, with four significant digits, in powers of 1024.

    >>> format_binary_bytes(10_485_760_000_000)
    '9.537 TiB'
    """
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))


def _scaled(count: int, base: int, names: tuple[str, ...]) -> str:
    sign, size = ("−" if count < 0 else ""), abs(count)
    if size < base:
        return f"{sign}{size:,} B"
    for power in range(1, len(names)):
        for digits in (3, 2, 1):  # four significant digits, of the number as it is rounded
            text = f"{size / base**power:.{digits}f}"
            if len(text) <= 5:
                return f"{sign}{text} {names[power]}"
        if size / base**power < base - 0.5:  # 1,000 to 1,023 of a binary unit
            return f"{sign}{size / base**power:,.0f} {names[power]}"
    return f"{sign}{size / base ** (len(names) - 1):,.0f} {names[-1]}"


def ceil_div(amount: int, divisor: int) -> int:
    """Amount ÷ divisor, rounded up.

    >>> ceil_div(17, 16), ceil_div(0, 16)
    (2, 0)
    """
    return -(-amount // divisor)


def align_up(amount: int, step: int) -> int:
    """The least multiple of step that is not less than amount.

    >>> align_up(17, 16)
    32
    """
    return ceil_div(amount, step) * step

"""A plain YAML scalar by the YAML 1.2 core schema, and what readers of YAML 1.1 would make of it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from kvplan.spec.tree import MAX_DIGITS

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Plain scalars that PyYAML, Helm 3 and Ansible (YAML 1.1) take for a number or a truth value, and YAML 1.2 does not.
_YAML_1_1 = re.compile(
    r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
    r"|[-+]?0[0-7_]+|[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F]*_[0-9a-fA-F_]*"  # octal, binary, hexadecimal with _
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"  # base 60
    r"|[-+]?[0-9]+_[0-9_]*(?:\.[0-9_]*)?",  # _ between digits
    re.ASCII,
)


class Problem(NamedTuple):
    """What is wrong or surprising about a scalar."""

    rule: str
    message: str
    help: str
    note: str = ""


def read_scalar(text: str) -> tuple[str | int | Decimal | bool | None, Problem | None]:
    """The value of a plain scalar: ``1e6`` is a number, ``010`` is ten, ``no`` and ``1:30`` are text.

    >>> [read_scalar(text)[0] for text in ("010", "no", "1:30", "~")]
    [10, 'no', '1:30', None]
    """
    if text in _NULL:
        return None, None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE, None
    if _WHOLE.fullmatch(text):
        if len(text.lstrip("+-")) > MAX_DIGITS:
            return 0, Problem("KV010", f"a number of {len(text.lstrip('+-'))} digits", "write a smaller number")
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text), _surprise(text)
    if _NUMBER.fullmatch(text):
        number = read_decimal(text)
        if number is None:
            return 0, Problem("KV010", f"`{text[:40]}` is out of range", "write a number that can be counted")
        return number, _surprise(text)
    if _INFINITE.fullmatch(text):
        return 0, Problem("KV013", f"`{text}` is not a finite number", "write a number")
    return text, _surprise(text)


def read_decimal(text: str) -> Decimal | None:
    """A number with a point or an exponent, exactly; None where its exponent is monstrous."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _surprise(text: str) -> Problem | None:
    if not _YAML_1_1.fullmatch(text):
        return None
    reading = f"the number {int(text)}" if _WHOLE.fullmatch(text) else f'the text "{text}"'
    note = f"kvplan reads {reading}; readers of YAML 1.1 (PyYAML, Helm 3, Ansible) read something else"
    help = f'write "{text}" for text, or true, false or a plain number'
    return Problem("KV012", f"YAML 1.1 would read `{text}` differently", help, note)

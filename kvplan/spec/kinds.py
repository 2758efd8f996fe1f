"""What a key may hold: each kind reads one node of a tree, and says what it wants.

A kind that cannot read a node adds a finding and returns INVALID; it never guesses. Nothing here knows the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final, Protocol, TypeVar

from kvplan import units
from kvplan.findings import Finding, join_path
from kvplan.spec.tree import MAX_DIGITS, Tree


class _Invalid:
    """Stands for a value that could not be read; a finding says why."""


INVALID: Final = _Invalid()
MAX_TOKENS: Final = 1 << 40  # of a sequence, a window, a step: a million times what is served today
MAX_FINDINGS: Final = 200  # of one text: each costs a look for the nearest name, and a line of it


class Reading:
    """Collects every finding of one pass over a tree, up to a number that anyone would read.

    failed: whether any finding so far is an error.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.failed = False

    def fault(self, rule: str, path: str, message: str, *, help: str = "", note: str = "", on_key: bool = False) -> Any:  # noqa: ANN401 - INVALID fits any type
        """Add a finding; returns INVALID, so that a kind may return the call.

        Raises: TooManyError at the last finding that is kept.
        """
        finding = Finding(rule, path, message, help=help, note=note, on_key=on_key)
        self.failed = self.failed or finding.severity == "error"
        self.findings.append(finding)
        if len(self.findings) >= MAX_FINDINGS:
            raise TooManyError
        return INVALID

    def run(self, function: Callable[[], T]) -> T | None:
        """What a function reads; None, with a finding that says so, where it found too much."""
        try:
            return function()
        except TooManyError:
            self.failed = True
            self.findings.append(too_many())
            return None


T = TypeVar("T")


def too_many() -> Finding:
    """The last finding of a text that has more."""
    return Finding(
        "KV019", "", f"more than {MAX_FINDINGS} findings: the rest is not looked at", help="mend these first"
    )


class TooManyError(Exception):
    """More findings than anyone reads: the rest of the text is not looked at."""


class Kind(Protocol):
    """Reads one node."""

    @property
    def words(self) -> str:
        """What it wants, after "wants"."""
        ...

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """The value of a node, or INVALID with a finding."""
        ...


def shown(tree: Tree) -> str:
    """A node in a message: short, and never a whole file."""
    if tree is None:
        return "nothing"
    if isinstance(tree, bool):
        return "true" if tree else "false"
    if isinstance(tree, dict):
        return "a mapping"
    if isinstance(tree, list):
        return "a list"
    if isinstance(tree, int) and abs(tree) >= 10**MAX_DIGITS:
        return "a number of too many digits"
    text = f"{tree:.6g}" if isinstance(tree, Decimal) else str(tree)
    return f"`{text if len(text) <= 40 else text[:37] + '…'}`"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``did you mean `x`?``, or nothing."""
    match = get_close_matches(word[:60], list(known), n=1, cutoff=cutoff)
    return f"did you mean `{match[0]}`?" if match else ""


def wrong_type(kind: Kind, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401 - INVALID
    """The finding for a node of another type."""
    return reading.fault("KV007", path, f"wants {kind.words}, has {shown(tree)}", help=f"write {kind.words}")


class Text:
    """Text of 1 to 200 characters."""

    words = "text"

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if isinstance(tree, str) and 0 < len(tree) <= 200 and tree.isprintable():
            return tree
        if isinstance(tree, int) and not isinstance(tree, bool):
            return str(tree)
        return wrong_type(self, tree, path, reading)


class Whole:
    """A whole number between bounds."""

    def __init__(self, low: int = 1, high: int = units.MAX_INTEGER - 1) -> None:
        self.low = low
        self.high = high

    @property
    def words(self) -> str:  # noqa: D102
        return (
            f"a whole number of {self.low:,} or more"
            if self.high >= units.MAX_INTEGER - 1
            else f"a whole number of {self.low:,} to {self.high:,}"
        )

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if isinstance(tree, bool) or not isinstance(tree, int | Decimal):
            return wrong_type(self, tree, path, reading)
        number = units.exact(tree)
        if number is None or not self.low <= number <= self.high:
            return reading.fault("KV010", path, f"{shown(tree)} is out of range", help=f"write {self.words}")
        if number.denominator != 1:
            return wrong_type(self, tree, path, reading)
        return int(number)


class _Measured:
    """A quantity written as a number or as text with a unit."""

    words: str
    bare_numbers = True

    def parse(self, text: str) -> units.Quantity:
        raise NotImplementedError

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
        """The quantity in base units; a note where another reader would differ."""
        if isinstance(tree, bool) or not isinstance(tree, int | Decimal | str):
            return wrong_type(self, tree, path, reading)
        if isinstance(tree, int) and abs(tree) >= 10**MAX_DIGITS:
            return wrong_type(self, tree, path, reading)
        try:
            quantity = self.parse(str(tree))
        except units.UnitError as error:
            return reading.fault("KV009", path, str(error), help=error.help)
        if quantity.note:
            reading.fault("KV014", path, quantity.note)
        return quantity.value


class Tokens(_Measured):
    """A count of tokens, of at least ``low``."""

    def __init__(self, low: int = 1, high: int = MAX_TOKENS) -> None:
        self.low = low
        self.high = high
        self.words = f"a token count of {low} or more, like 8192, 128Ki or 1M"

    def parse(self, text: str) -> units.Quantity:
        """Tokens; refuses less than ``low``."""
        quantity = units.parse_tokens(text)
        if quantity.value < self.low:
            message = f"`{text}` is less than {self.low}"
            raise units.UnitError(message, f"write {self.words}")
        if quantity.value > self.high:
            message = f"`{text}` is more than {self.high:,} tokens"
            raise units.UnitError(message, "write a smaller number")
        return quantity


class Bytes(_Measured):
    """A number of bytes, with its unit."""

    words = "a number of bytes with its unit, like 144 GB or 144 GiB"

    def parse(self, text: str) -> units.Quantity:
        """Bytes."""
        return units.parse_bytes(text)


class MeasuredBytes(_Measured):
    """A number of bytes as a log rounds it, with its unit; the fraction of a byte is dropped."""

    words = Bytes.words

    def parse(self, text: str) -> units.Quantity:
        """Bytes, such as 15.26 GiB."""
        return units.Quantity(units.parse_measured_bytes(text))


class Share:
    """A share of 0 to 1, as a percentage or a fraction; ``open_ends`` leaves out 0 and 1."""

    words = "a share like 92% or 0.92"

    def __init__(self, *, open_ends: bool = False) -> None:
        self.open_ends = open_ends

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if isinstance(tree, bool) or not isinstance(tree, int | Decimal | str):
            return wrong_type(self, tree, path, reading)
        try:
            value: Fraction = units.parse_fraction(str(tree))
        except units.UnitError as error:
            return reading.fault("KV009", path, str(error), help=error.help)
        if self.open_ends and not 0 < float(value) < 1:
            return reading.fault(
                "KV010", path, f"{shown(tree)} is out of range", help="write a share between 0 and 1, both left out"
            )
        return value


class Choice:
    """One of a few names."""

    def __init__(self, names: Sequence[str], what: str = "name") -> None:
        self.names = names
        self.what = what

    @property
    def words(self) -> str:  # noqa: D102
        return "one of " + ", ".join(self.names)

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if not isinstance(tree, str):
            return wrong_type(self, tree, path, reading)
        if tree not in self.names:
            hint = nearest(tree, self.names)
            return reading.fault(
                "KV011",
                path,
                f"unknown {self.what} {shown(tree)}",
                help=hint or f"write {self.words}",
                note=f"known: {', '.join(self.names)}" if hint else "",
            )
        return tree


class Many:
    """A list of one kind, with at least one item."""

    words = "a list"

    def __init__(self, kind: Kind, most: int = 1000) -> None:
        self.kind = kind
        self.most = most

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if not isinstance(tree, list):
            return wrong_type(self, tree, path, reading)
        if not tree:
            return reading.fault("KV010", path, "the list is empty", help="write at least one item")
        if len(tree) > self.most:
            message = f"{len(tree):,} items, more than {self.most:,}"
            return reading.fault("KV010", path, message, help="gather what is alike into one item, or use a law")
        values = [self.kind.read(item, join_path(path, index), reading) for index, item in enumerate(tree)]
        return INVALID if any(value is INVALID for value in values) else tuple(values)


class Reads:
    """A node read by a function: for shapes that only one key has."""

    def __init__(self, words: str, function: Callable[[Tree, str, Reading], Any]) -> None:
        self.words = words
        self.function = function

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        return self.function(tree, path, reading)

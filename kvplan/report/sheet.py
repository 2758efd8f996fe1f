"""A sheet: a title and blocks, each a table, bars, a curve, a map or a note.

Sheets say what; formats say how it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

Unit = Literal["text", "count", "tokens", "bytes"]
Value = str | int
_MOST_SPANS = 3
PartName = Literal["weights", "reserve", "kv", "free", "outside"]  # outside: what the engine is not given


class Column(NamedTuple):
    """A column of a table: the JSON key of its values, its heading and its unit."""

    key: str
    title: str
    unit: Unit = "text"


class Table(NamedTuple):
    """Rows of values by key, and a last row that sums them.

    One table of a sheet is its data: CSV prints the rows of that one, with ``data_keys`` (else the columns' keys)
    as header and without the sums. ``few_rows`` are what people see where all rows are too many; then rows may be made
    as they are read.
    """

    title: str
    columns: Sequence[Column]
    rows: Iterable[Mapping[str, Value]]
    is_data: bool = False
    total: Mapping[str, Value] = {}
    data_keys: Sequence[str] = ()
    few_rows: Sequence[Mapping[str, Value]] = ()

    @property
    def shown_rows(self) -> list[Mapping[str, Value]]:
        """Rows for people, the sums last; what a row lacks is blank."""
        blank: dict[str, Value] = dict.fromkeys((column.key for column in self.columns), "")
        rows = self.few_rows or self.rows
        return [blank | dict(row) for row in (*rows, *([self.total] if self.total else []))]


class Bar(NamedTuple):
    """One bar: a running total, what it was before, and words. [bytes]"""

    label: str
    bytes: int
    before_bytes: int
    text: str


class Bars(NamedTuple):
    """Bars under each other on one scale."""

    title: str
    bars: Sequence[Bar]


class Curve(NamedTuple):
    """Bytes against tokens, at rising tokens."""

    title: str
    tokens: Sequence[int]
    bytes: Sequence[int]


class Cell(NamedTuple):
    """One accelerator: the replica that it works for, and words on that; what fills its memory.

    parts: shares of its memory by name, in the order in which they are drawn.
    """

    label: str
    parts: Sequence[tuple[PartName, float]]
    state: Literal["used", "spare", "excluded"] = "used"
    text: str = ""


class MapRow(NamedTuple):
    """Accelerators beside each other."""

    label: str
    cells: Sequence[Cell]


class MapGroup(NamedTuple):
    """Accelerators under one heading, such as ``r0/g0`` of the parent ``r0``.

    title: what they are, where a map has several kinds.
    accelerators: how many.
    replicas: ids of those that touch it.
    likeness: equal for groups that are drawn alike; or words, where there is nothing to draw.
    rows: asked for where they are drawn, so that a large fleet costs little.
    """

    label: str
    parent: str
    title: str
    accelerators: int
    replicas: Sequence[str]
    likeness: Hashable
    rows: Callable[[], Sequence[MapRow]]


class Map(NamedTuple):
    """Accelerators where they stand, each with its fill."""

    title: str
    groups: Sequence[MapGroup]


class Note(NamedTuple):
    """A sentence; ``kind`` is plain, note or warning."""

    text: str
    kind: str = "plain"


Block = Table | Bars | Curve | Map | Note


class Sheet(NamedTuple):
    """What one result shows."""

    title: str
    blocks: Sequence[Block]


def spans(ids: Sequence[str]) -> str:
    """Ids in few words: numbers that follow each other are one span, and beyond three spans the rest is counted.

    >>> spans(["main/1", "main/0", "main/2", "draft/7"])
    'main/0 to main/2, draft/7'
    """
    numbers: dict[str, set[int]] = {}
    for id in ids:
        name, _, digits = id.rpartition("/")
        numbers.setdefault(name, set()).add(int(digits))
    found: list[tuple[str, int, int]] = []
    for name, those in numbers.items():
        for number in sorted(those):
            if found and found[-1][0] == name and found[-1][2] == number - 1:
                found[-1] = (name, found[-1][1], number)
            else:
                found.append((name, number, number))
    words = [
        f"{name}/{first}" + (f"{' to' if last > first + 1 else ','} {name}/{last}" if last > first else "")
        for name, first, last in found
    ]
    more = sum(last - first + 1 for _, first, last in found[_MOST_SPANS:])
    return ", ".join(words[:_MOST_SPANS]) + (f" and {more:,} more" if more else "")


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "replica"), counted(2000, "replica")
    ('1 replica', '2,000 replicas')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def percent(share: float) -> str:
    """A share of 1.

    >>> percent(0.91264), percent(0.92)
    ('91.3%', '92%')
    """
    return f"{100 * share:.1f}".removesuffix(".0") + "%"

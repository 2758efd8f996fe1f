"""A sheet: a title and blocks, each a table, bars, a curve or a note. Sheets say what; formats say how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Unit = Literal["text", "count", "tokens", "bytes"]
Value = str | int


class Column(NamedTuple):
    """A column of a table: the JSON key of its values, its heading and its unit."""

    key: str
    title: str
    unit: Unit = "text"


class Table(NamedTuple):
    """Rows of values by key, and a last row that sums them.

    One table of a sheet is its data: CSV prints the rows of that one, with ``data_keys`` (else the columns' keys)
    as header and without the sums.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]
    is_data: bool = False
    total: Mapping[str, Value] = {}
    data_keys: Sequence[str] = ()

    @property
    def shown_rows(self) -> list[Mapping[str, Value]]:
        """Rows for people, the sums last; what a row lacks is blank."""
        blank: dict[str, Value] = dict.fromkeys((column.key for column in self.columns), "")
        return [blank | dict(row) for row in (*self.rows, *([self.total] if self.total else []))]


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


class Note(NamedTuple):
    """A sentence; ``kind`` is plain, note or warning."""

    text: str
    kind: str = "plain"


Block = Table | Bars | Curve | Note


class Sheet(NamedTuple):
    """What one result shows."""

    title: str
    blocks: Sequence[Block]

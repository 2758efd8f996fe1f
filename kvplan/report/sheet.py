"""A sheet: a title and blocks, each a table, bars, a curve or a note. Sheets say what; formats say how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["text", "count", "tokens", "bytes"]
Value = str | int


@dataclass(frozen=True)
class Column:
    """A column of a table: the JSON key of its values, its heading and its unit."""

    key: str
    title: str
    unit: Unit = "text"


@dataclass(frozen=True)
class Table:
    """Rows of values by key. One table of a sheet is its data: the one that CSV prints."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]
    is_data: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar: a running total, what it was before, and words. [bytes]"""

    label: str
    bytes: int
    before_bytes: int
    text: str


@dataclass(frozen=True)
class Bars:
    """Bars under each other on one scale."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Curve:
    """Bytes against tokens, at rising tokens."""

    title: str
    tokens: Sequence[int]
    bytes: Sequence[int]


@dataclass(frozen=True)
class Note:
    """A sentence; ``kind`` is plain, note or warning."""

    text: str
    kind: str = "plain"


Block = Table | Bars | Curve | Note


@dataclass(frozen=True)
class Sheet:
    """What one result shows."""

    title: str
    blocks: Sequence[Block]

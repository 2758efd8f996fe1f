"""A map in characters: each accelerator a cell of one width, its memory a stacked bar; readable without colour.

Lines are pieces of text with a style each, so that a terminal may colour what any other reader tells apart by its
characters. What looks like something that is drawn already is named in a line, and so is what is too much to draw.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from kvplan.findings import printable
from kvplan.report.formats.cells import cell_columns
from kvplan.report.sheet import Cell, Map, MapGroup, MapRow, counted, spans
from kvplan.units import ceil_div

Line = list[tuple[str, str]]  # text and style
Words = str  # a line in place of rows


class _Mark(NamedTuple):
    """A character, its colour, and what it stands for."""

    character: str
    style: str
    meaning: str


_MARKS: Mapping[str, _Mark] = {
    "weights": _Mark("w", "blue", "weights"),
    "reserve": _Mark("r", "yellow", "reserve"),
    "kv": _Mark("█", "green", "KV"),
    "free": _Mark("░", "cyan", "free for KV"),
    "outside": _Mark("·", "magenta", "outside the engine's share"),
    "spare": _Mark("-", "white", "spare"),
    "excluded": _Mark("x", "red", "excluded"),
}
_WIDEST = 12  # columns of a cell
_LINE = 8  # cells on a line; up to twice as many where each is still comfortable
_COMFORT = 8  # columns of such a cell
_TEXT_FROM = 40  # columns; narrower, what is said behind a row is left to the heading
_MOST_LINES = 36  # two racks of the AL128: four groups, each of a heading and eight nodes
_MOST_ENTRIES = 24  # of racks, groups or rows, before the rest is one
_UNFOLDED_LINES = 17  # of a group with its heading
_UNDRAWN = "not drawn"


def draw_map(block: Map, width: int) -> list[Line]:
    """A legend, and racks with their groups under headings; no row is wider than ``width`` (20 or more)."""
    groups = list(_groups(block.groups))
    rows = [row for _, _, those in groups for row in those if isinstance(row, MapRow)]
    layout = _layout(rows, width)
    lines = _legend(rows, width)
    for label, text, those in groups:
        lines.append([(_clean(label), "bold"), (f"  {_clean(text)}", "")])
        lines += _rows(those, layout)
    if any(_UNDRAWN in piece for line in lines for piece, _ in line):
        lines.append([("All replicas with their accelerators: --format json", "")])
    return lines


class _Run(NamedTuple):
    """Neighbours of which one thing is said; without words one that is drawn."""

    first: int
    last: int
    words: str


def _fold(things: Sequence[tuple[str, Hashable, int]]) -> list[_Run]:
    """The first of each likeness is drawn while there is room, the first of all in any case; others are named.

    things: name, likeness, and how many lines it takes.
    """
    drawn: dict[Hashable, str] = {}
    lines = 0
    runs: list[_Run] = []
    for index, (name, likeness, needed) in enumerate(things):
        words = f"as {drawn[likeness]}" if likeness in drawn else likeness if isinstance(likeness, str) else ""
        if (not words and drawn and lines + needed > _MOST_LINES) or (
            len(runs) >= _MOST_ENTRIES and words != runs[-1].words
        ):
            words = _UNDRAWN
        if not words:
            drawn[likeness] = name
            lines += needed
        if runs and words and runs[-1].words == words:
            runs[-1] = runs[-1]._replace(last=index)
        else:
            runs.append(_Run(index, index, words))
    return runs


def _groups(groups: Sequence[MapGroup]) -> Iterator[tuple[str, str, Sequence[MapRow | Words]]]:
    """Label, heading, and rows or words: rack by rack, those that are alike in a line."""
    racks = [list(those) for _, those in groupby(groups, lambda group: group.parent)]
    for run in _fold([(rack[0].parent, _rack_likeness(rack), sum(map(_lines, rack))) for rack in racks]):
        if run.words:
            names = [rack[0].parent for rack in racks]
            yield _named(names, run, [group for rack in racks[run.first : run.last + 1] for group in rack])
            continue
        rack = racks[run.first]
        for part in _fold([(group.label, _likeness(group), _lines(group)) for group in rack]):
            if part.words:
                yield _named([group.label for group in rack], part, rack[part.first : part.last + 1])
            else:
                yield _drawn(rack[part.first])


def _lines(group: MapGroup) -> int:
    return 1 + ceil_div(group.accelerators, _LINE)


def _likeness(group: MapGroup) -> Hashable:
    return group.likeness if isinstance(group.likeness, str) else (group.likeness, group.title, group.accelerators)


def _rack_likeness(rack: Sequence[MapGroup]) -> Hashable:
    groups = tuple(map(_likeness, rack))
    return groups[0] if len(set(groups)) == 1 and isinstance(groups[0], str) else groups


def _named(names: Sequence[str], run: _Run, groups: Sequence[MapGroup]) -> tuple[str, str, Sequence[MapRow | Words]]:
    """A line for racks or groups that are not drawn."""
    replicas = [id for group in groups for id in group.replicas]
    text = f"{_accelerators(groups)}, {run.words}" + (f": {_replicas(replicas)}" if replicas else "")
    return _span(names, run), text, ()


def _drawn(group: MapGroup) -> tuple[str, str, Sequence[MapRow | Words]]:
    """A group with its rows; of many, those that look like one that is drawn are named."""
    rows = group.rows()
    states = [cell.state for row in rows for cell in row.cells]
    spare, excluded = states.count("spare"), states.count("excluded")
    text = f"{_accelerators([group])}: {_replicas(group.replicas) or 'no replica'}, {spare:,} spare"
    text += f", {excluded:,} excluded" if excluded else ""
    return group.label, text, rows if _lines(group) <= _UNFOLDED_LINES else list(_folded(rows))


def _folded(rows: Sequence[MapRow]) -> Iterator[MapRow | Words]:
    for run in _fold([(row.label, _row_likeness(row), 1) for row in rows]):
        ids = [cell.label for row in rows[run.first : run.last + 1] for cell in row.cells if cell.label]
        words = f"{_span([row.label for row in rows], run)}  {run.words}" + (f": {_replicas(ids)}" if ids else "")
        yield words if run.words else rows[run.first]


def _row_likeness(row: MapRow) -> Hashable:
    states = {cell.state for cell in row.cells}
    if len(states) == 1 and "used" not in states:
        return f"all {states.pop()}"
    labels = list(dict.fromkeys(cell.label for cell in row.cells))
    return tuple(
        (labels.index(cell.label), cell.state, cell.text, tuple((name, round(share, 2)) for name, share in cell.parts))
        for cell in row.cells
    )


def _accelerators(groups: Sequence[MapGroup]) -> str:
    kinds = " and ".join(dict.fromkeys(group.title for group in groups if group.title))
    return counted(sum(group.accelerators for group in groups), "accelerator") + (f" of {kinds}" if kinds else "")


def _span(names: Sequence[str], run: _Run) -> str:
    return names[run.first] if run.first == run.last else f"{names[run.first]} to {names[run.last]}"


def _replicas(ids: Sequence[str]) -> str:
    return f"{'replica' if len(set(ids)) == 1 else 'replicas'} {spans(ids)}" if ids else ""


class _Layout(NamedTuple):
    """Columns of a label, a cell and the text behind a row; cells of a row on a line; rows beside each other."""

    label: int
    cell: int
    text: int
    cells: int
    rows: int


def _layout(rows: Sequence[MapRow], width: int) -> _Layout:
    """The widest cells for as many of them on a line as suits."""
    label = max((cell_len(row.label) for row in rows), default=0) + 1
    text = max((cell_len(_said(row.cells)) for row in rows), default=0) + 1
    text = min(text, width // 4) if text > 1 and width >= _TEXT_FROM else 0
    count = max((len(row.cells) for row in rows), default=1)
    least = max((sum(share > 0 for _, share in cell.parts) for row in rows for cell in row.cells), default=1)

    def columns_of_cell(count: int, beside: int) -> int:
        return min(_WIDEST, (width // beside - label - text) // count - 1)

    for beside in range(2 * _LINE // count, 1, -1):
        if columns_of_cell(count, beside) >= (least + 2 if beside * count <= _LINE else _COMFORT):
            return _Layout(label, columns_of_cell(count, beside), text, count, beside)
    while count > 1 and columns_of_cell(count, 1) < least:
        count = ceil_div(count, 2)
    return _Layout(label, max(1, columns_of_cell(count, 1)), text, count, 1)


def _legend(rows: Sequence[MapRow], width: int) -> list[Line]:
    """What the characters that are drawn stand for, on as few lines as hold it."""
    cells = [cell for row in rows for cell in row.cells]
    drawn = {name for cell in cells for name, share in cell.parts if share > 0} | {cell.state for cell in cells}
    lines: list[Line] = []
    column = width
    for mark in (mark for name, mark in _MARKS.items() if name in drawn):
        needed = len(mark.meaning) + 3
        if column + needed > width:
            lines.append([])
            column = 0
        lines[-1] += [(mark.character * 2, mark.style), (f" {mark.meaning}   ", "")]
        column += needed + 3
    return lines


def _rows(rows: Sequence[MapRow | Words], layout: _Layout) -> Iterator[Line]:
    """Lines of a group: rows beside each other, long ones folded; words on a line of their own."""
    beside: list[tuple[MapRow, str]] = []
    before = ""
    for index, row in enumerate(rows):
        if isinstance(row, MapRow):
            said = _said(row.cells)
            beside.append((row, "" if said == before else said))
            before = said
        ends = index + 1 == len(rows) or not isinstance(rows[index + 1], MapRow)
        if beside and (ends or len(beside) == layout.rows):
            for start in range(0, max(len(row.cells) for row, _ in beside), layout.cells):
                yield [piece for row, said in beside for piece in _piece(row, said, start, layout)]
            beside = []
        if not isinstance(row, MapRow):
            yield [(_clean(row), "")]
            before = ""


def _piece(row: MapRow, said: str, start: int, layout: _Layout) -> Line:
    """Some cells of a row, the label before the first and the words behind; always as wide."""
    cells = row.cells[start : start + layout.cells]
    line: Line = [(set_cell_size("" if start else row.label, layout.label), "")]
    for index, cell in enumerate(cells):
        if index:
            line.append(("│" if cell.label and cells[index - 1].label not in ("", cell.label) else " ", ""))
        line += _bar(cell, layout.cell)
    blank = " " * ((layout.cells - len(cells)) * (layout.cell + 1) + 1)
    text = _shortened("" if start else said, layout.text - 1)
    return [*line, (blank + set_cell_size(text, layout.text), "")]


def _said(cells: Sequence[Cell]) -> str:
    """The replicas of a row, and of a single one its words."""
    texts = {cell.label: cell.text for cell in cells if cell.label}
    return _clean(f"{spans(list(texts))} {next(iter(texts.values())) if len(texts) == 1 else ''}")


def _bar(cell: Cell, width: int) -> Line:
    if cell.state != "used":
        mark = _MARKS[cell.state]
        return [(mark.character * width, mark.style)]
    counts = cell_columns(cell, width)
    marks = (_MARKS[name] for name, _ in cell.parts)
    return [(mark.character * count, mark.style) for mark, count in zip(marks, counts, strict=True) if count]


def _shortened(text: str, width: int) -> str:
    """Text in so many columns; the number at its end is worth more than the name before it."""
    if cell_len(text) <= width or width < 4:
        return text if width >= 4 else ""
    tail = text[-(width // 2) :]
    return set_cell_size(text, max(0, width - cell_len(tail) - 1)).rstrip() + "…" + tail


def _clean(text: str) -> str:
    return " ".join(printable(text).split())

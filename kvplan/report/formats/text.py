"""A sheet for a terminal, by rich: all in characters, and readable without colour at any width."""

from __future__ import annotations

import io
import os
from typing import IO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kvplan.findings import printable
from kvplan.report.formats.curve import draw
from kvplan.report.formats.map import draw_map
from kvplan.report.sheet import Bars, Block, Column, Curve, Map, Note, Sheet, Table, Value
from kvplan.units import format_bytes

_HIDDEN_ALWAYS = ("max_tokens", "mean_bytes")
_HIDDEN_BELOW = {
    "max_tokens",
    "mean_bytes",
    "deployment",
    "rank_minimum_bytes",
    "rank_peak_bytes",
    "rank_reserved_bytes",
    "rank_held_bytes",
    "replicated_bytes",
}
_HIDDEN_NARROW = {"native_groups", "accelerators", "hbm_bytes_free"}
_NARROW = 60


def write(sheet: Sheet, file: IO[str]) -> None:
    """Print a sheet; colour only on a terminal, and none under NO_COLOR or TERM=dumb."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not file.isatty()
    drawn = io.StringIO()
    out = Console(
        file=drawn,
        width=max(20, Console(file=file).width or 80),
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=not plain,
        color_system=None if plain else "standard",
    )
    out.print(_text(sheet.title, "bold"))
    before: Block = Note("")
    for block in sheet.blocks:
        if isinstance(block, Note) and not isinstance(before, Note):
            out.print()
        _write_block(block, out)
        before = block
    file.write("".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines()))


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _write_block(block: Block, out: Console) -> None:
    if isinstance(block, Note):
        prefix = "" if block.kind == "plain" else f"{block.kind}: "
        out.print(_text(prefix + block.text, "" if block.kind == "plain" else "yellow"))
        return
    out.print()
    if block.title:
        out.print(_text(block.title, "bold"))
    if isinstance(block, Table):
        _write_table(block, out)
    elif isinstance(block, Bars):
        _write_bars(block, out)
    elif isinstance(block, Map):
        _write_map(block, out)
    else:
        _write_curve(block, out)


def _write_table(table: Table, out: Console) -> None:
    columns = [column for column in table.columns if _is_shown(column, table, out.width)]
    rich = RichTable(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(c.title for c in columns)
    )
    for column in columns:
        rich.add_column(
            column.title,
            justify="left" if column.unit == "text" else "right",
            overflow="fold",
            no_wrap=column.unit != "text",
        )
    for row in table.shown_rows:
        rich.add_row(*(_text(shown(row[column.key], column.unit)) for column in columns))
    out.print(rich)


def _is_shown(column: Column, table: Table, width: int) -> bool:
    """Columns that say the least are left out where they do not all fit; other formats keep them all."""
    if width < _NARROW and column.key in _HIDDEN_NARROW:
        return False
    if len(table.columns) <= 6:
        return True
    if column.key == "deployment":
        return width >= 100 and _has_several(table)
    if column.key in _HIDDEN_ALWAYS:
        return False
    return column.key not in _HIDDEN_BELOW or _natural_width(table) <= width


def _has_several(table: Table) -> bool:
    return len({row.get("deployment", "") for row in table.rows}) > 1


def _natural_width(table: Table) -> int:
    """Columns of the terminal that a table takes where nothing is folded or left out."""
    hidden = _HIDDEN_ALWAYS if _has_several(table) else (*_HIDDEN_ALWAYS, "deployment")
    kept = [column for column in table.columns if column.key not in hidden]
    rows = table.shown_rows
    return sum(2 + max(len(item.title), *(len(shown(row[item.key], item.unit)) for row in rows)) for item in kept)


def shown(value: Value, unit: str) -> str:
    """A value with its unit, for people."""
    if isinstance(value, str):
        return value
    return format_bytes(value) if unit == "bytes" else f"{value:,}"


def _write_bars(block: Bars, out: Console) -> None:
    label_width = max(len(bar.label) for bar in block.bars)
    sizes = [format_bytes(bar.bytes) for bar in block.bars]
    size_width, text_width = max(map(len, sizes)), max(len(bar.text) for bar in block.bars)
    width = max(10, min(60, out.width - label_width - size_width - text_width - 6))
    scale = max((max(bar.bytes, bar.before_bytes) for bar in block.bars), default=1) or 1
    for bar, size in zip(block.bars, sizes, strict=True):
        solid = _cells(min(bar.bytes, bar.before_bytes), scale, width)
        whole = _cells(max(bar.bytes, bar.before_bytes), scale, width)
        taken = "░" if bar.bytes < bar.before_bytes else "▒"
        drawing = "█" * solid + taken * (whole - solid)
        line = f"{bar.label:<{label_width}}  {drawing:<{width}}  {size:>{size_width}}  {bar.text:>{text_width}}"
        out.print(_text(line.rstrip()))


def _cells(count: int, scale: int, width: int) -> int:
    """Cells of a bar; something that is not nothing shows at least one."""
    return max(1, round(count / scale * width)) if count else 0


def _write_curve(curve: Curve, out: Console) -> None:
    for line in draw(curve, min(out.width, 100)):
        out.print(_text(line))


def _write_map(block: Map, out: Console) -> None:
    for line in draw_map(block, out.width):
        out.print(Text.assemble(*line))

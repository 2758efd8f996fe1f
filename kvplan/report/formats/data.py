"""A sheet as CSV or markdown, and any result as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from kvplan.findings import printable
from kvplan.report.formats.map import draw_map
from kvplan.report.sheet import Bars, Block, Curve, Map, Note, Sheet, Table, Value
from kvplan.units import format_bytes

_MAP_WIDTH = 100


def json_text(tree: dict[str, Any]) -> str:
    """A result's dictionary as JSON: sorted keys, one trailing newline."""
    return json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def compact_json_text(tree: dict[str, Any]) -> str:
    """A large result's dictionary as JSON, one line for each entry of its lists: plans are read by programs."""
    lines = []
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, list) and value:
            rows = ",\n  ".join(json.dumps(item, sort_keys=True, ensure_ascii=False) for item in value)
            lines.append(f" {json.dumps(key)}: [\n  {rows}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def csv_text(sheet: Sheet) -> str:
    """The data table of a sheet: JSON keys as header, base units."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for block in sheet.blocks:
        if isinstance(block, Table) and block.is_data:
            keys = block.data_keys or [column.key for column in block.columns]
            writer.writerow(keys)
            writer.writerows([row[key] for key in keys] for row in block.rows)
    return out.getvalue()


def markdown_text(sheet: Sheet) -> str:
    """A sheet as markdown."""
    parts = [f"## {_escaped(sheet.title)}", *(_markdown_block(block) for block in sheet.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Note):
        return _escaped(block.text) if block.kind == "plain" else f"> **{block.kind}:** {_escaped(block.text)}"
    if isinstance(block, Map):
        lines = ("".join(text for text, _ in line).rstrip() for line in draw_map(block, _MAP_WIDTH))
        return "\n".join((f"### {_escaped(block.title)}", "", "```text", *lines, "```"))
    if isinstance(block, Curve):
        rows = [
            (f"{tokens:,}", format_bytes(size))
            for tokens, size in list(zip(block.tokens, block.bytes, strict=True))[:: max(1, len(block.tokens) // 8)]
        ]
        return _table(block.title, ("tokens", "bytes"), ("right", "right"), rows)
    if isinstance(block, Bars):
        bars = [(bar.label, format_bytes(bar.bytes), bar.text) for bar in block.bars]
        return _table(block.title, ("step", "bytes", "change"), ("left", "right", "right"), bars)
    cells = [tuple(_cell(row[column.key], column.unit) for column in block.columns) for row in block.shown_rows]
    sides = tuple("left" if column.unit == "text" else "right" for column in block.columns)
    return _table(block.title, tuple(column.title or " " for column in block.columns), sides, cells)


def _cell(value: Value, unit: str) -> str:
    if isinstance(value, str):
        return value
    return format_bytes(value) if unit == "bytes" else f"{value:,}"


def _table(title: str, heads: tuple[str, ...], sides: tuple[str, ...], rows: list[Any]) -> str:
    lines = [f"### {_escaped(title)}", ""] if title else []
    lines.append("| " + " | ".join(_escaped(head) for head in heads) + " |")
    lines.append("|" + "|".join("---:" if side == "right" else "---" for side in sides) + "|")
    lines += ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text that markdown and HTML take literally: names come from a file."""
    for mark, safe in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "\\|"),
        ("`", "\\`"),
        ("*", "\\*"),
        ("_", "\\_"),
        ("[", "\\["),
    ):
        text = text.replace(mark, safe)
    return " ".join(printable(text).split())

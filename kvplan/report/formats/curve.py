"""A curve in characters: bytes rising with tokens, as filled columns of eighths."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.report.sheet import Curve
from kvplan.units import format_bytes

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 10


def draw(curve: Curve, width: int) -> list[str]:
    """Lines of a plot with its axes; ``width`` columns wide.

    The curve's points are drawn left to right at equal steps, so callers choose the scale by their tokens.
    """
    most = max(curve.bytes, default=0) or 1
    labels = {row: format_bytes(round(most * row / _HEIGHT)) for row in (_HEIGHT, _HEIGHT // 2)}
    margin = max(len(label) for label in labels.values()) + 1
    columns = max(10, width - margin - 2)
    picked = [
        curve.bytes[min(len(curve.bytes) - 1, round(i * (len(curve.bytes) - 1) / (columns - 1)))]
        for i in range(columns)
    ]
    lines = []
    for row in range(_HEIGHT, 0, -1):
        cells = "".join(_EIGHTHS[_eighths(value, most, row)] for value in picked)
        lines.append(f"{labels.get(row, ''):>{margin}} │{cells}".rstrip())
    lines.append(" " * margin + " └" + "─" * columns)
    lines.append(_axis(curve.tokens, margin + 2, columns))
    return lines


def _eighths(value: int, most: int, row: int) -> int:
    """How much of one row's cell a value fills, in eighths."""
    filled = value * _HEIGHT * 8 // most - (row - 1) * 8
    return max(0, min(8, filled))


def _axis(points: Sequence[int], margin: int, columns: int) -> str:
    left, middle, right = f"{points[0]:,}", f"{points[len(points) // 2]:,}", f"{points[-1]:,} tokens"
    line = f"{left:<{columns // 2 - len(middle) // 2}}{middle}"
    return " " * margin + line + f"{right:>{max(1, columns - len(line))}}"

"""A curve in characters: bytes rising with tokens, as filled columns of eighths, on a scale of equal ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kvplan.report.sheet import Curve
from kvplan.units import format_bytes

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 10


def draw(curve: Curve, width: int) -> list[str]:
    """Lines of a plot with its axes, ``width`` columns wide.

    Equal steps are equal ratios on both axes: a full layer is a straight line, and a window that is full bends it.
    The curve's points are drawn left to right at equal steps.
    """
    low, high = max(1, min(curve.bytes)), max(2, *curve.bytes)
    labels = {row: format_bytes(round(low * (high / low) ** (row / _HEIGHT))) for row in (_HEIGHT, _HEIGHT // 2, 1)}
    margin = max(len(label) for label in labels.values()) + 1
    columns = max(10, width - margin - 2)
    step = (len(curve.bytes) - 1) / (columns - 1)
    filled = [_filled(curve.bytes[round(index * step)], low, high) for index in range(columns)]
    lines = []
    for row in range(_HEIGHT, 0, -1):
        cells = "".join(_EIGHTHS[max(0, min(8, eighths - (row - 1) * 8))] for eighths in filled)
        lines.append(f"{labels.get(row, ''):>{margin}} │{cells}".rstrip())
    lines.append(" " * margin + " └" + "─" * columns)
    lines.append(_axis(curve.tokens, margin + 2, columns))
    return lines


def _filled(value: int, low: int, high: int) -> int:
    """Eighths of a row that a value fills above the axis; the least still shows."""
    return max(1, round(math.log(max(value, 1) / low) / math.log(max(high / low, 2)) * _HEIGHT * 8))


def _axis(points: Sequence[int], margin: int, columns: int) -> str:
    left, middle, right = f"{points[0]:,}", f"{points[len(points) // 2]:,}", f"{points[-1]:,} tokens"
    line = f"{left:<{columns // 2 - len(middle) // 2}}{middle}"
    return " " * margin + line + f"{right:>{max(1, columns - len(line))}}"

"""Shares of an accelerator's memory ▸ columns of its cell in a map."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.report.sheet import Cell


def cell_columns(cell: Cell, width: int) -> list[int]:
    """Columns of each part: what is no KV first, so that equal replicas look alike however full they are."""
    counts = columns([share for _, share in cell.parts], width)
    names = [name for name, _ in cell.parts]
    if "kv" not in names or "free" not in names:
        return counts
    kv, free = names.index("kv"), names.index("free")
    pool = cell.parts[kv][1] + cell.parts[free][1]
    apart = columns([pool if name == "kv" else 0.0 if name == "free" else share for name, share in cell.parts], width)
    inside = columns([cell.parts[kv][1], cell.parts[free][1]], apart[kv])
    if pool:
        apart[kv], apart[free] = inside
    return apart


def columns(shares: Sequence[float], width: int) -> list[int]:
    """Columns of each part of a bar, ``width`` in all; what is not nothing has at least one while there are enough.

    >>> columns([0.12, 0.03, 0.77, 0.0, 0.08], 8), columns([0.5, 0.25, 0.25], 2)
    ([1, 1, 5, 0, 1], [1, 1, 0])
    """
    due = [share / (sum(shares) or 1.0) * width for share in shares]
    counts = [max(1, int(amount)) if amount > 0 else 0 for amount in due]
    while sum(counts) > width:  # from the part that is most above its due, the last where each has but one
        most = max(range(len(due)), key=lambda index: (counts[index] > 1, counts[index] - due[index], index))
        counts[most] -= 1
    while any(due) and sum(counts) < width:
        counts[max(range(len(due)), key=lambda index: due[index] - counts[index])] += 1
    return counts

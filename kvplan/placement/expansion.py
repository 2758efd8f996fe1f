"""A plan's runs ▸ one entry a region: only when asked, for a plan stays small however many regions it holds."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from kvplan.placement.plan import Plan

IntArray = np.ndarray[Any, np.dtype[np.int64]]

_LINES = 1 << 14  # regions told of at once


def instance_of(plan: Plan) -> IntArray:
    """The instance of each region, −1 where it is left over, int64, shape (regions,), by the number of the region."""
    found = np.full(plan.summary.regions, -1, dtype=np.int64)
    for run in plan.runs:
        found[run.first_region : run.first_region + run.count] = run.instance
    return found


def npy_bytes(plan: Plan) -> bytes:
    """`instance_of` as a .npy file."""
    out = io.BytesIO()
    np.save(out, instance_of(plan), allow_pickle=False)
    return out.getvalue()


def json_lines(plan: Plan) -> Iterator[str]:
    """One line of JSON a region, by its number: class, region, size_blocks, instance and replica (−1, "" for none)."""
    replicas = [replica.id for replica in plan.replicas for _ in replica.instances]
    rows = [(run.first_region, run.count, run.class_, run.size_blocks, run.instance) for run in plan.runs]
    rows += [(item.first_region, item.count, item.class_, item.size_blocks, -1) for item in plan.leftovers]
    for first, count, name, size, instance in sorted(rows):
        replica = json.dumps(replicas[instance] if instance >= 0 else "")
        head = f'{{"class": {json.dumps(name)}, "instance": {instance}, "region": '
        tail = f', "replica": {replica}, "size_blocks": {size}}}\n'
        for start in range(first, first + count, _LINES):
            yield "".join(f"{head}{region}{tail}" for region in range(start, min(start + _LINES, first + count)))

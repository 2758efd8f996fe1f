"""Where a plan goes: plan.json, and one entry a region where that is asked for."""

from __future__ import annotations

from pathlib import Path

from kvplan import files
from kvplan.placement.expansion import json_lines, npy_bytes
from kvplan.placement.plan import Plan
from kvplan.report.formats.data import compact_json_text


def write(plan: Plan, path: Path | None, regions: Path | None) -> None:
    """The plan to one file, its regions to another: .npy is an array of instances, all else JSON lines.

    Raises: SpecError (KV016) for a path that cannot be written to.
    """
    if path is not None:
        files.write_text(path, compact_json_text(plan.to_dict()))
    if regions is not None:
        content = [npy_bytes(plan)] if regions.suffix == ".npy" else (line.encode() for line in json_lines(plan))
        files.write_chunks(regions, content)

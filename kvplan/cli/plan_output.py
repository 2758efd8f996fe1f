"""Where a plan goes: plan.json, and one entry a region where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.placement.expansion import json_lines, npy_bytes
from kvplan.placement.plan import Plan
from kvplan.report.formats.data import compact_json_text

MAX_REGIONS = 1 << 28  # 2 GiB of .npy


def check(paths: Sequence[Path | None], source: Path | None) -> None:
    """Refuse an output that another output or the input would be lost to.

    Raises: SpecError (KV018).
    """
    given = [path.resolve() for path in paths if path is not None and not (path.exists() and not path.is_file())]
    taken = [*given, *([source.resolve()] if source is not None else [])]
    if len(set(taken)) < len(taken):
        help = "give each a file of its own"
        raise SpecError(
            [Finding("KV018", "output", "two outputs, or an output and the input, are one file", help=help)]
        )


def write(plan: Plan, path: Path | None, regions: Path | None) -> None:
    """The plan to one file, its regions to another: .npy is an array of instances, all else JSON lines.

    Raises: SpecError (KV016) for a path that cannot be written to, (KV010) for more regions than anyone reads.
    """
    if regions is not None and plan.summary.regions > MAX_REGIONS:
        message = (
            f"{plan.summary.regions:,} regions are more than {MAX_REGIONS:,}, the most that are written one by one"
        )
        raise SpecError([Finding("KV010", "regions", message, help="the runs of the plan tell of them in few lines")])
    if path is not None:
        files.write_text(path, compact_json_text(plan.to_dict()))
    if regions is not None:
        content = [npy_bytes(plan)] if regions.suffix == ".npy" else (line.encode() for line in json_lines(plan))
        files.write_chunks(regions, content)

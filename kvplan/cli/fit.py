"""kvplan fit: does it fit?"""

from __future__ import annotations

from typing import Any

import typer

from kvplan.cli import options


@options.takes({"workload": options.Workload, "pool": options.Pool, **options.ROOM, **options.WORKLOAD})
def fit(values: dict[str, Any]) -> None:
    """Whether a workload fits a rank, and what alone would make it fit. Exit code 1 if not, 3 if it depends.

    The room is --pool, or what a system leaves: --system, or the workload's own fleet.

    \b
    kvplan fit --model llama-3.1-70b --tensor-parallel 8 --system al128 --batch 16 --context 128Ki
    kvplan fit --model llama-3.1-8b --context 128Ki --pool 56.21GiB --engine vllm@0.31
    """
    from kvplan.answers.fit import answer
    from kvplan.answers.flags import FitFlags
    from kvplan.cli import failures, output, pairs
    from kvplan.report.sheets.fit import fit_sheet

    output.targets(values["format_"])
    result = answer(values["workload"], pairs.flags(values, FitFlags), "cli")
    output.write(result, lambda: fit_sheet(result), values["format_"])
    raise typer.Exit(failures.VERDICT_CODES[result.verdict])

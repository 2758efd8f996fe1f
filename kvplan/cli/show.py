"""kvplan show: what does a plan say?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvplan.cli import options


def show(
    plan: Annotated[Path, typer.Argument(help="A plan.json that `kvplan place -o` wrote.", metavar="PLAN")],
    regions: options.Regions = None,
    format_: options.Format = None,
) -> None:
    """Show a plan: its figures, the rack as a map, its replicas. Exit code 1 if one of its claims does not hold.

    \b
    kvplan show plan.json
    kvplan show plan.json --regions regions.npy
    """
    from kvplan.answers.show import show as read
    from kvplan.cli import failures, output, plan_output
    from kvplan.report.sheets.plan import show_sheet

    output.targets(format_)
    result, holds, is_drawable = read(plan)
    if holds:  # the regions of a plan that does not hold may be more than any disk takes
        plan_output.write(result, None, regions)
    if is_drawable:
        output.write(result, lambda: show_sheet(result), format_)
    if not holds:
        failures.tell_usage(f"{plan} does not verify: see `kvplan verify {plan}`", as_json=False)
        raise typer.Exit(failures.EXIT_FINDINGS)

"""kvplan verify: is a plan true?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kvplan.cli import options


def verify(
    plan: Annotated[Path, typer.Argument(help="A plan.json that `kvplan place -o` wrote.", metavar="PLAN")],
    workload: Annotated[
        Path | None, typer.Argument(help="The workload that it is to be a plan of.", metavar="[WORKLOAD]")
    ] = None,
    set_: options.Set = None,
    format_: options.Format = None,
) -> None:
    """Prove every claim of a plan from its own numbers, and that it is a plan of a workload. Exit code 1 if not.

    \b
    kvplan verify plan.json
    kvplan verify plan.json workloads/rack-70b.yaml
    """
    from kvplan.answers.verify import answer
    from kvplan.cli import output, pairs
    from kvplan.report.findings.text import full_text
    from kvplan.report.sheets.verify import verify_sheet

    targets = output.targets(format_)
    changes = pairs.split(set_, "--set")
    result = answer(plan, workload, {"set": changes} if changes else {}, "cli")
    output.write(result, lambda: verify_sheet(result), format_)
    if ("json", None) not in targets:
        sys.stderr.write(full_text(result.findings))
    raise typer.Exit(0 if result.valid else 1)

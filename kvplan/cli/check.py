"""kvplan check: is it acceptable?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Workload files, or folders that are walked for *.yaml and *.yml.", metavar="PATH..."),
    ],
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="full, concise or json; FORMAT=FILE writes a file. Repeatable.", metavar="FORMAT[=FILE]"
        ),
    ] = None,
) -> None:
    """Check workload files: text, engine, and their own expectations. Exit code 1 if anything is wrong in a file.

    \b
    kvplan check workloads/
    kvplan check chat.yaml --format concise
    """
    from kvplan.checks.check import check as check_files
    from kvplan.cli import findings_output

    targets = findings_output.targets(format_)
    result = check_files(*paths)
    findings_output.write(result, targets)
    raise typer.Exit(0 if result.passed else 1)

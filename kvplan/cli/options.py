"""Each option that several commands share, once."""

from __future__ import annotations

from typing import Annotated

import typer

Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="table, json, csv or markdown; FORMAT=FILE writes a file. Repeatable.", metavar="FORMAT[=FILE]"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set one field of the workload for this run. Repeatable.", metavar="PATH=VALUE"),
]
Deployment = Annotated[
    str | None, typer.Option(help="The one deployment that is meant, where there are several.", metavar="NAME")
]

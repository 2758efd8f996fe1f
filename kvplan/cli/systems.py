"""kvplan systems: which systems are known, and what is known of each."""

from __future__ import annotations

from typing import Annotated

import typer

from kvplan.cli.options import Format

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
def systems(context: typer.Context, format_: Format = None) -> None:
    """List the systems of the catalog, or show what is known of one.

    \b
    kvplan systems
    kvplan systems show al128
    """
    if context.invoked_subcommand is None:
        list_(format_)
    elif format_:
        raise typer.BadParameter("give --format after the command: kvplan systems list --format json")


@app.command("list")
def list_(format_: Format = None) -> None:
    """List the systems of the catalog: native groups, memory, bandwidth, and how each is known.

    \b
    kvplan systems list
    kvplan systems list --format csv
    """
    from kvplan.answers.systems import list_systems
    from kvplan.cli import output
    from kvplan.report.sheets.systems import systems_sheet

    output.targets(format_)
    result = list_systems()
    output.write(result, lambda: systems_sheet(result), format_)


@app.command()
def show(
    system: Annotated[str, typer.Argument(help="A catalog name.", metavar="NAME")],
    format_: Format = None,
) -> None:
    """Show one system: its fabric as a tree, and every fact with range, status and source.

    \b
    kvplan systems show al128
    kvplan systems show hgx-h200 --format json
    """
    from kvplan.answers.systems import show_system
    from kvplan.cli import output
    from kvplan.report.sheets.systems import system_sheet

    output.targets(format_)
    result = show_system(system)
    output.write(result, lambda: system_sheet(result), format_)

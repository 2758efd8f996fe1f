"""kvplan models: which models are known, and what each keeps."""

from __future__ import annotations

from typing import Annotated

import typer

from kvplan.cli.options import Format

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context, format_: Format = None) -> None:
    """List the models of the catalog, or show what one keeps.

    \b
    kvplan models
    kvplan models show gemma-3-27b
    """
    if context.invoked_subcommand is None:
        list_(format_)
    elif format_:
        raise typer.BadParameter("give --format after the command: kvplan models list --format json")


@app.command("list")
def list_(format_: Format = None) -> None:
    """List the models of the catalog: layers by kind, bytes a token, trained positions.

    \b
    kvplan models list
    kvplan models list --format csv
    """
    from kvplan.answers.models import list_models
    from kvplan.cli import output
    from kvplan.report.sheets.models import models_sheet

    output.targets(format_)
    result = list_models()
    output.write(result, lambda: models_sheet(result), format_)


@app.command()
def show(
    model: Annotated[
        str, typer.Argument(help="A catalog name, or a path to a config.json or its folder.", metavar="MODEL")
    ],
    kv_format: Annotated[
        str | None, typer.Option(help="A KV format other than the checkpoint's own.", metavar="FORMAT")
    ] = None,
    format_: Format = None,
) -> None:
    """Show one model: layers by kind, what each keeps, bytes a token, and bytes against context.

    \b
    kvplan models show gemma-3-27b
    kvplan models show ./config.json --kv-format fp8
    """
    from kvplan.answers.models import show_model
    from kvplan.cli import output
    from kvplan.report.sheets.models import model_sheet

    output.targets(format_)
    result = show_model(model, kv_format)
    output.write(result, lambda: model_sheet(result), format_)

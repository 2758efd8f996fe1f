"""The kvplan command: one file a command; this one hands the line to them and turns failures into exit codes."""

from __future__ import annotations

import copy
import io
import sys
from itertools import pairwise
from typing import Annotated

import typer

from kvplan import files
from kvplan.cli import check, failures, fit, models, place, show, size, systems, verify
from kvplan.version import VERSION

app = typer.Typer(
    name="kvplan",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich's markdown doubles the time of --help
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"kvplan {VERSION}\n")
        raise typer.Exit


@app.callback()
def kvplan(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a bug in kvplan.")] = False,
) -> None:
    """KV-cache capacity planner for LLM inference: exact bytes, as real engines count them.

    Exit codes: 0 fine, 1 does not fit or findings, 2 bad usage or unreadable input, 3 undecided, 70 a bug in kvplan,
    130 interrupted.
    """


for _command, _help in (
    (size.size, "How many bytes of KV cache a workload needs."),
    (fit.fit, "Whether it fits a rank, and what would make it fit."),
    (place.place, "Where it lives on a fleet, as a plan with its proof."),
    (verify.verify, "Prove the claims of a plan."),
    (show.show, "Show a plan: figures, map and replicas."),
    (check.check, "Check workload files, for CI."),
):
    app.command(_command.__name__, short_help=_help)(_command)
app.add_typer(models.app, name="models", short_help="List models, or show what one keeps.")
app.add_typer(systems.app, name="systems", short_help="List systems, or show what is known of one.")


def main() -> None:
    """Run the command line and exit."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]  # wherever it stands
    files.open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shows ? instead of failing
    debug = len(arguments) < len(sys.argv) - 1
    sys.exit(failures.run(lambda: _invoke(arguments), as_json=_wants_json(arguments), debug=debug))


def _only(name: str) -> typer.Typer:
    """The application with the one command that is called: the parameters of all the others cost much of a start."""
    commands = [item for item in app.registered_commands if item.name == name]
    groups = [item for item in app.registered_groups if item.name == name]
    if not commands and not groups:
        return app
    narrow = copy.copy(app)
    narrow.registered_commands, narrow.registered_groups = commands, groups
    return narrow


def _invoke(arguments: list[str]) -> int:
    code = _only(arguments[0] if arguments else "")(arguments, prog_name="kvplan", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _wants_json(arguments: list[str]) -> bool:
    """Whether the terminal gets JSON, so that a failure is JSON too."""
    return any(
        item == "--format=json" or (item == "--format" and following == "json")
        for item, following in pairwise([*arguments, ""])
    )

"""Where a result goes: formats asked for, to the terminal or to files."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kvplan import files
from kvplan.cli.failures import ReaderGoneError
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.report.formats import text
from kvplan.report.formats.data import csv_text, json_text, markdown_text
from kvplan.report.sheet import Sheet
from kvplan.spec.kinds import nearest

FORMATS = ("table", "json", "csv", "markdown")


def targets(asked: Sequence[str] | None, known: Sequence[str] = FORMATS) -> list[tuple[str, Path | None]]:
    """Formats with the files they go to; None is the terminal.

    Raises: SpecError for an unknown format, or two that both go to the terminal.
    """
    found: list[tuple[str, Path | None]] = []
    for item in asked or [known[0]]:
        name, _, path = item.partition("=")
        if name == "html" and "html" not in known:
            raise SpecError(
                [Finding("KV015", "format", "the format html is not yet supported", help=f"one of {', '.join(known)}")]
            )
        if name not in known:
            hint = nearest(name, known) or f"one of {', '.join(known)}"
            raise SpecError([Finding("KV011", "format", f"unknown format `{name[:40]}`", help=hint)])
        found.append((name, Path(path) if path else None))
    paths = [path for _, path in found if path is not None]
    if len(set(paths)) < len(paths):
        raise SpecError([Finding("KV018", "format", "two formats go to one file", help="give each a file of its own")])
    if sum(path is None for _, path in found) > 1:
        raise SpecError(
            [
                Finding(
                    "KV018",
                    "format",
                    "several formats go to the terminal",
                    help="give all but one a file: --format json=out.json",
                )
            ]
        )
    return found


def write(result: Any, sheet: Callable[[], Sheet], asked: Sequence[str] | None) -> None:  # noqa: ANN401 - any result
    """Write a result in every format asked for."""
    for name, path in targets(asked):
        if name == "table" and path is None:
            say(lambda: text.write(sheet(), sys.stdout))
        elif path is None:
            content = render(name, result, sheet)
            say(partial(sys.stdout.write, content))
        else:
            files.write_text(path, render(name, result, sheet))


def say(write: Callable[[], object]) -> None:
    """Write to stdout at once.

    Raises: ReaderGoneError if its reader has gone; SpecError (KV016) if it cannot be written to.
    """
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        files.discard(sys.stdout)
        problem = f"the output cannot be written: {(error.strerror or 'unknown error').lower()}"
        raise SpecError([Finding("KV016", "", problem, help="check where it goes")]) from None


def render(name: str, result: Any, sheet: Callable[[], Sheet]) -> str:  # noqa: ANN401 - any result
    """A result in one format, as text."""
    if name == "json":
        return json_text(result.to_dict())
    if name == "csv":
        return csv_text(sheet())
    if name == "markdown":
        return markdown_text(sheet())
    out = io.StringIO()
    text.write(sheet(), out)
    return out.getvalue()

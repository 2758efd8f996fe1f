"""Where the findings of a check go: full, concise or JSON, to the terminal or to files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kvplan import files
from kvplan.checks.check import Check
from kvplan.cli import output
from kvplan.report.findings.text import concise_text, full_text, summary_text
from kvplan.report.formats.data import json_text

FORMATS = ("full", "concise", "json")


def targets(asked: Sequence[str] | None) -> list[tuple[str, Path | None]]:
    """Formats with the files they go to; None is the terminal."""
    return output.targets(asked, FORMATS)


def write(result: Check, places: Sequence[tuple[str, Path | None]]) -> None:
    """Write the findings; the summary goes to stderr, so that stdout holds findings alone."""
    for name, path in places:
        content = _render(name, result)
        if path is None:
            output.say(partial(sys.stdout.write, content))
        else:
            files.write_text(path, content)
    summary = result.summary
    sys.stderr.write(summary_text(summary.files, summary.skipped, summary.errors, summary.warnings, summary.notes))


def _render(name: str, result: Check) -> str:
    if name == "json":
        return json_text(result.to_dict())
    return concise_text(result.findings) if name == "concise" else full_text(result.findings)

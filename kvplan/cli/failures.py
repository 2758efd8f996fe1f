"""What goes wrong, told to the user in one place: findings, bad usage, interruptions, bugs, each with its exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from kvplan import files
from kvplan.errors import SpecError
from kvplan.report.findings.text import full_text
from kvplan.report.formats.data import json_text
from kvplan.version import VERSION

EXIT_FINDINGS, EXIT_USAGE, EXIT_UNDECIDED, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 3, 70, 130
VERDICT_CODES = {"yes": 0, "no": EXIT_FINDINGS, "depends": EXIT_UNDECIDED}


class ReaderGoneError(Exception):
    """Nobody reads the output any more (`| head`): nothing is wrong, and nothing more can be written."""


def run(command: Callable[[], int], *, as_json: bool, debug: bool) -> int:
    """Run a command and turn whatever it raises into words and an exit code."""
    try:
        return command()
    except SpecError as error:
        _tell_findings(error, as_json=as_json)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except ReaderGoneError:
        files.discard(sys.stdout)
        return 0
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # the parser's own errors
            tell_usage(error.format_message(), as_json=as_json)
            return EXIT_USAGE
        _tell_bug(error, as_json=as_json, debug=debug)
        return EXIT_BUG


def _tell_findings(error: SpecError, *, as_json: bool) -> None:
    if as_json:
        _print_error([finding.to_dict() for finding in error.findings])
    else:
        sys.stderr.write(full_text(error.findings))


def tell_usage(message: str, *, as_json: bool) -> None:
    """Say what is wrong with a command line."""
    if as_json:
        _print_error([{"rule": "usage", "severity": "error", "message": message, "help": "see kvplan --help"}])
    else:
        sys.stderr.write(f"{message}\n" if message.startswith("Usage:") else f"error: {message}\n")


def _tell_bug(error: Exception, *, as_json: bool, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    message = f"a bug in kvplan: {type(error).__name__}: {error}"
    if as_json:
        _print_error(
            [{"rule": "bug", "severity": "error", "message": message, "help": "rerun with --debug and report it"}]
        )
    else:
        sys.stderr.write(f"internal error: {message}\nPlease report it with what --debug prints.\n")


def _print_error(findings: list[dict[str, object]]) -> None:
    sys.stdout.write(json_text({"format_version": 1, "kind": "error", "kvplan": VERSION, "findings": findings}))

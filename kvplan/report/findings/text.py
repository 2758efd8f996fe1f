"""Findings for people: full, with the source line and a caret under it, and concise, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from kvplan.findings import Finding, printable


def full_text(findings: Sequence[Finding]) -> str:
    """Every finding with its place, its line, a caret, and what would be right."""
    return printable("\n\n".join(_full(finding) for finding in findings) + ("\n" if findings else ""))


def _full(finding: Finding) -> str:
    lines = [f"{finding.severity}[{finding.rule}]: {finding.message}"]
    place = finding.place
    gutter = " " * (len(str(place.line)) if place else 1)
    if place is not None:
        at = f" at {finding.path}" if finding.path else ""
        lines.append(f"{gutter}--> {finding.file}:{place.line}:{place.column}{at}")
        if finding.excerpt:
            before, marked = _caret(finding)
            lines += [f"{gutter} |", f"{place.line} | {finding.excerpt.expandtabs(4)}", f"{gutter} | {before}{marked}"]
    elif finding.file or finding.path:
        lines.append(f"{gutter}--> {finding.file or finding.path}")
    if finding.note:
        lines.append(f"{gutter} = note: {finding.note}")
    if finding.help:
        lines.append(f"{gutter} = help: {finding.help}")
    return "\n".join(lines)


def _caret(finding: Finding) -> tuple[str, str]:
    """Blanks and carets under the text, as wide as it is on a terminal."""
    place, line = finding.place, finding.excerpt
    assert place is not None
    start = place.column - 1
    end = place.end_column - 1 if place.end_line == place.line else len(line)
    before = cell_len(line[:start].expandtabs(4))
    width = cell_len(line[: max(end, start)].expandtabs(4)) - before
    return " " * before, "^" * max(1, width)


def concise_text(findings: Sequence[Finding]) -> str:
    """One line a finding: ``file:line:column: severity[rule] path: message``."""
    lines = []
    for finding in findings:
        place = f":{finding.place.line}:{finding.place.column}" if finding.place else ""
        path = f" {finding.path}" if finding.path else ""
        help = f" ({finding.help})" if finding.help else ""
        message = " ".join(finding.message.split())
        lines.append(f"{finding.file or 'kvplan'}{place}: {finding.severity}[{finding.rule}]{path}: {message}{help}")
    return printable("\n".join(lines) + ("\n" if lines else ""))


def summary_text(files: int, skipped: int, errors: int, warnings: int, notes: int) -> str:
    """The last line of a check."""
    counts = [(errors, "error"), (warnings, "warning"), (notes, "note")]
    words = (
        ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for count, name in counts if count) or "nothing found"
    )
    left_out = f", {skipped} without a top-level kvplan: skipped" if skipped else ""
    return f"{files} workload{'s' if files != 1 else ''} checked{left_out}: {words}\n"

"""Is it acceptable? Workload files ▸ every finding of them: text, engine, and their own expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kvplan.answers.request import read_written
from kvplan.answers.size_result import FORMAT_VERSION
from kvplan.checks.case import Case
from kvplan.checks.expectations import Bound, read_expect, unmet
from kvplan.checks.placement import placement_findings
from kvplan.checks.walk import Candidate, is_marked, walk
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.spec.kinds import Reading
from kvplan.spec.tree import Tree
from kvplan.spec.workload_reader import read_workload
from kvplan.version import VERSION


@dataclass(frozen=True)
class Summary:
    """How many files were read or left out, and how many findings of each severity there are."""

    files: int
    skipped: int
    errors: int
    warnings: int
    notes: int


@dataclass(frozen=True)
class Check:
    """Every finding of every file, in file, line, column, rule order."""

    findings: tuple[Finding, ...]
    summary: Summary

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; warnings and notes do not fail a check."""
        return self.summary.errors == 0

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "check"
    kvplan: ClassVar[str] = VERSION

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the result."""
        return {
            "format_version": self.format_version,
            "kind": self.kind,
            "kvplan": self.kvplan,
            "findings": [finding.to_dict() for finding in self.findings],
            "summary": {name: getattr(self.summary, name) for name in Summary.__dataclass_fields__},
        }


def check(*paths: Path | str) -> Check:
    """Check workload files, and the YAML files of folders that have a top-level ``kvplan:``.

    Raises: SpecError (KV016) for a path that does not exist; whatever is wrong in a file is a finding.
    """
    found: list[Finding] = []
    read = skipped = 0
    for candidate in walk([Path(path) for path in paths]):
        if not candidate.named and not is_marked(candidate.path):
            skipped += 1
            continue
        read += 1
        found += _check_file(candidate)
    return _result(found, read, skipped)


def _check_file(candidate: Candidate) -> list[Finding]:
    """Findings of one file, all of one pass: what cannot be read, what is refused, what is not met."""
    try:
        written = read_written(candidate.path)
    except SpecError as error:
        return list(error.findings)
    reading, tree = Reading(), written.tree if isinstance(written.tree, dict) else {}
    bounds = reading.run(lambda: _bounds(tree, reading)) or []
    found = [written.locate(finding) for finding in reading.findings]
    try:
        workload = read_workload(written)
    except SpecError as error:
        return [*found, *error.findings]
    case = Case(workload)
    try:
        notes = case.place.notes if case.has_fleet else ()
        judged = [*unmet(bounds, case), *placement_findings(case, bounds)]
        return [*found, *case.size.notes, *notes, *(written.locate(finding) for finding in judged)]
    except SpecError as error:
        return [*found, *error.findings, *workload.notes]


def _bounds(tree: dict[str, Tree], reading: Reading) -> list[Bound]:
    """The bounds of a text, also where something else of it is wrong."""
    expect, deployments = tree.get("expect"), tree.get("deployments")
    if not isinstance(expect, dict):
        return []
    count = len(deployments) if isinstance(deployments, list) else 1
    return read_expect(expect, reading, has_fleet="fleet" in tree or "system" in tree, deployments=count)


def _result(findings: Sequence[Finding], read: int, skipped: int) -> Check:
    ordered = tuple(dict.fromkeys(sorted(findings, key=lambda finding: finding.sort_key)))
    counts = {
        severity: sum(finding.severity == severity for finding in ordered) for severity in ("error", "warning", "note")
    }
    return Check(ordered, Summary(read, skipped, counts["error"], counts["warning"], counts["note"]))

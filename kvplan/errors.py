"""What kvplan raises. "Does not fit" is a result, never raised; anything else that escapes is a bug."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.findings import Finding


class KvplanError(Exception):
    """Anything that kvplan refuses, with a sentence for the user."""


class SpecError(KvplanError):
    """Something asked for cannot be read or answered; ``findings`` say what, where and what would be right."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(
            dict.fromkeys(sorted(findings, key=lambda finding: finding.sort_key))
        )
        super().__init__("; ".join(_sentence(finding) for finding in self.findings))


def _sentence(finding: Finding) -> str:
    place = f"{finding.file}:{finding.place.line}:{finding.place.column}: " if finding.place else ""
    path = f" at {finding.path}" if finding.path else ""
    return f"{place}{finding.rule}{path}: {finding.message}"

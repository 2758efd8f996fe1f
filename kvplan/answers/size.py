"""How big is it? One workload ▸ the five names of bytes, the ladder, and where each factor comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from kvplan.answers import request
from kvplan.answers.deployment import DeploymentCase
from kvplan.answers.flags import SizeFlags, given
from kvplan.answers.opening import open_deployment
from kvplan.answers.size_result import DeploymentSize, Size, combine
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.spec.workload import Workload


def size(workload: Workload | Path | str | None = None, **flags: Unpack[SizeFlags]) -> Size:
    """How many bytes of KV cache a workload needs.

    workload: a Workload, a Path to a file, the text of one, or None for flags alone; flags are set over it.
    flags: those of ``kvplan size`` with underscores (answers/flags.py); ``set`` is a mapping of path ▸ value.
    Raises: SpecError (with ``findings``) for whatever cannot be read or is refused; TypeError for an unknown keyword.
    """
    return answer(workload, given(flags, SizeFlags), "python")


def answer(workload: Workload | Path | str | None, flags: Mapping[str, Any], style: str) -> Size:
    """As ``size``, with the flags as a mapping and shown in findings as they were given."""
    asked = request.build(workload, flags, style)
    rank = request.pipeline_rank(flags.get("pipeline_rank"), style)
    return measure(asked, only=flags.get("deployment"), rank=rank, changes=request.changes(flags))


def measure(
    workload: Workload, *, only: str | None = None, rank: int | None = None, changes: Mapping[str, str] | None = None
) -> Size:
    """The size of a workload that has been read.

    only: the one deployment that is asked about; None for all.
    rank: the pipeline stage whose ranks are meant; None for the heaviest.
    Raises: SpecError with the findings of every deployment.
    """
    findings: list[Finding] = []
    cases: list[DeploymentCase] = []
    for index, deployment in enumerate(workload.deployments):
        if only in (None, deployment.name):
            try:
                cases.append(open_deployment(workload, index, rank))
            except SpecError as error:
                findings += error.findings
    if findings:
        raise SpecError([workload.written.locate(finding) for finding in findings])
    sizes: list[DeploymentSize] = [case.size() for case in cases]
    notes = [*workload.notes, *(workload.written.locate(note) for case in cases for note in case.notes)]
    return combine(workload, sizes, notes, dict(changes or {}))

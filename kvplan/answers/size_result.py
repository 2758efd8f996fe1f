"""What ``size`` answers: frozen values whose attributes are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from kvplan.answers.factors import Factor
from kvplan.findings import Finding
from kvplan.spec.workload import Workload
from kvplan.version import VERSION

FORMAT_VERSION = 1  # of the JSON; 1: first


class EngineLabel(NamedTuple):
    """Which engine counted; evidence: its code was run, was read, or it is an ideal."""

    name: str
    version: str
    evidence: str


class LadderStep(NamedTuple):
    """A running total, and what the step changed. [bytes]"""

    step: str
    bytes: int
    change_bytes: int


@dataclass(frozen=True)
class Figures:
    """The figures of any set of sequences; bare keys are over all ranks, at the planning quantile. [bytes]"""

    minimum_bytes: int
    replicated_bytes: int
    held_bytes: int
    peak_bytes: int
    reserved_bytes: int
    mean_bytes: int
    rank_minimum_bytes: int
    rank_held_bytes: int
    rank_peak_bytes: int
    rank_reserved_bytes: int


@dataclass(frozen=True)
class ClassSize(Figures):
    """One class: tokens are of one sequence, the mean and the most. [tokens]"""

    name: str
    deployment: str
    sequences: int
    tokens: int
    max_tokens: int


@dataclass(frozen=True)
class DeploymentSize(Figures):
    """One deployment. Per-token figures are before tokens are spread over ranks. [bytes]"""

    deployment: str
    model: str
    architecture: str
    quantization: str
    kv_format: str
    kv_format_source: str
    engine: EngineLabel
    block_size: int
    pipeline_rank: int
    pipeline_rank_is_asked: bool
    model_bytes_per_token: int
    model_bytes_per_token_unbounded: int
    state_bytes_per_sequence: int
    rank_bytes_per_token: int
    rank_bytes_per_token_unbounded: int
    rank_state_bytes_per_sequence: int
    ladder: tuple[LadderStep, ...]
    classes: tuple[ClassSize, ...]
    factors: tuple[Factor, ...]

    @property
    def rank_model_bytes_per_token(self) -> int:
        """Another name of rank_bytes_per_token. [bytes]"""
        return self.rank_bytes_per_token

    @property
    def rank_model_bytes_per_token_unbounded(self) -> int:
        """Another name of rank_bytes_per_token_unbounded. [bytes]"""
        return self.rank_bytes_per_token_unbounded


@dataclass(frozen=True)
class Size(DeploymentSize):
    """A workload: the keys of its one deployment; for several, sums of bytes, the heaviest rank, and joined names.

    deployments: each by itself.
    notes: what is not wrong but should be known.
    set: what was set for this run.
    """

    workload: str
    planning_quantile: float
    deployments: tuple[DeploymentSize, ...]
    notes: tuple[Finding, ...]
    set: Mapping[str, str]

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "size"
    kvplan: ClassVar[str] = VERSION

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the result: integers for bytes and tokens, keys that never vanish."""
        return {"format_version": self.format_version, "kind": self.kind, "kvplan": self.kvplan, **_plain(self)}


_ALIASES = ("rank_model_bytes_per_token", "rank_model_bytes_per_token_unbounded")


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a result
    if isinstance(value, Finding):
        return value.to_dict()
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__dataclass_fields__"):
        tree = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        if isinstance(value, DeploymentSize):
            tree |= {name: getattr(value, name) for name in _ALIASES}
        return tree
    return value


_HEAVIEST = (
    "rank_minimum_bytes", "rank_held_bytes", "rank_peak_bytes", "rank_reserved_bytes", "rank_bytes_per_token",
    "rank_bytes_per_token_unbounded", "rank_state_bytes_per_sequence", "block_size", "pipeline_rank",
)  # fmt: skip
_SUMS = ("minimum_bytes", "replicated_bytes", "held_bytes", "peak_bytes", "reserved_bytes", "mean_bytes")
_PER_TOKEN = ("model_bytes_per_token", "model_bytes_per_token_unbounded", "state_bytes_per_sequence")


def combine(
    workload: Workload, sizes: Sequence[DeploymentSize], notes: Sequence[Finding], changes: Mapping[str, str]
) -> Size:
    """One result of the sizes of a workload's deployments."""
    first = sizes[0]
    values: dict[str, Any] = {item.name: getattr(first, item.name) for item in fields(first)}
    if len(sizes) > 1:
        values |= {name: sum(getattr(size, name) for size in sizes) for name in _SUMS}
        values |= {name: max(getattr(size, name) for size in sizes) for name in (*_HEAVIEST, *_PER_TOKEN)}
        for name in ("deployment", "model", "architecture", "quantization", "kv_format", "kv_format_source"):
            values[name] = ", ".join(dict.fromkeys(getattr(size, name) for size in sizes))
        values["engine"] = EngineLabel(
            *(", ".join(dict.fromkeys(words)) for words in zip(*(size.engine for size in sizes), strict=True))
        )
        values["ladder"] = tuple(
            LadderStep(steps[0].step, sum(step.bytes for step in steps), sum(step.change_bytes for step in steps))
            for steps in zip(*(size.ladder for size in sizes), strict=True)
        )
        values["classes"] = tuple(item for size in sizes for item in size.classes)
        values["factors"] = tuple(item for size in sizes for item in size.factors)
    unique = tuple(dict.fromkeys(notes))
    return Size(
        **values,
        workload=workload.name,
        planning_quantile=float(workload.planning_quantile),
        deployments=tuple(sizes),
        notes=unique,
        set=MappingProxyType(dict(changes)),
    )

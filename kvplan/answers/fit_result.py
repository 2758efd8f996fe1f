"""What ``fit`` answers: frozen values whose attributes are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

from kvplan.answers.size_result import FORMAT_VERSION, EngineLabel
from kvplan.findings import Finding
from kvplan.spec.facts import Dependence
from kvplan.version import VERSION


class Remedy(NamedTuple):
    """One knob that alone would make it fit, and the value that does; a knob is a flag's name with underscores."""

    knob: str
    value: int | str


def ends(safe: float, nominal: float, best: float) -> dict[str, int | float]:
    """The range of a figure over the scenarios, its numbers in order."""
    low, high = min(safe, best), max(safe, best)
    return {"low": low, "nominal": min(high, max(low, nominal)), "high": high}


class Headroom(NamedTuple):
    """How many times more of one knob still fits."""

    knob: str
    factor: float


@dataclass(frozen=True)
class Fit:
    """Whether a workload fits a rank's KV pool. [bytes], [tokens]

    verdict: over all that the facts allow; plain figures are at their safe end, ranges say the rest.
    weights_bytes, reserve_bytes, hbm_bytes, room_bytes: of a rank: what is beside KV, what the engine sees, and the
        share of it that it takes; 0 where the pool was given.
    needs_bytes, has_bytes: at the peak of the heaviest rank, and in the blocks that sequences can get.
    tokens: of the pool, by the definition that this version of the engine logs.
    max_concurrency: of sequences of max_model_len, unrounded; max_sequences: of the longest context asked about,
    by the pool alone, without shared prefixes; longest_context: of as many sequences.
    """

    workload: str
    deployment: str
    model: str
    kv_format: str
    engine: EngineLabel
    verdict: str
    fits: bool
    system: str
    hbm_bytes: int
    memory_fraction: float
    fraction_source: str
    room_bytes: int
    weights_bytes: int
    weights_source: str
    reserve_bytes: int
    reserve_source: str
    pool_bytes: int
    block_bytes: int
    block_size: int
    blocks: int
    tokens: int
    tokens_by_definition: dict[str, int]
    max_model_len: int
    max_concurrency: float
    sequences: int
    context: int
    max_sequences: int
    longest_context: int
    needs_bytes: int
    has_bytes: int
    admission_needs_bytes: int
    admission_has_bytes: int
    would_fit: tuple[Remedy, ...]
    headroom: tuple[Headroom, ...]
    log_lines: tuple[str, ...]
    ranges: Mapping[str, Mapping[str, int | float]]
    depends_on: tuple[Dependence, ...]
    notes: tuple[Finding, ...]
    set: Mapping[str, str]

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "fit"
    kvplan: ClassVar[str] = VERSION

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the result: integers for bytes and tokens, keys that never vanish."""
        tree: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        tree["engine"] = self.engine._asdict()
        tree["would_fit"] = [remedy._asdict() for remedy in self.would_fit]
        tree["headroom"] = [item._asdict() for item in self.headroom]
        tree["log_lines"] = list(self.log_lines)
        tree["ranges"] = {name: dict(item) for name, item in self.ranges.items()}
        tree["depends_on"] = [item.to_dict() for item in self.depends_on]
        tree["set"] = dict(self.set)
        tree["notes"] = [note.to_dict() for note in self.notes]
        return {"format_version": self.format_version, "kind": self.kind, "kvplan": self.kvplan, **tree}

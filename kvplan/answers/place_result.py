"""What ``place`` answers: frozen values whose attributes are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.answers.size_result import FORMAT_VERSION
from kvplan.findings import Finding
from kvplan.placement.plan import Plan, Replica
from kvplan.spec.facts import Dependence
from kvplan.version import VERSION

_STOPS = {
    "hbm": "the HBM of a rank",
    "native_group": "the size of a native group",
    "accelerators": "the number of accelerators",
    "max_num_seqs": "max_num_seqs",
    "none": "nothing",
}


class Regions(NamedTuple):
    """Sequences: all, those with a place, those without, and those with one by tier."""

    total: int
    placed: int
    unplaced: int
    by_tier: Mapping[str, int]

    @property
    def left_words(self) -> str:
        """How many have no place, in words."""
        are = "is" if self.unplaced == 1 else "are"
        return f"{self.unplaced:,} of {self.total:,} sequence{'s' * (self.total != 1)} {are} left over"


@dataclass(frozen=True)
class DeploymentPlace:
    """One deployment. Rank figures are of the rank that decides. [bytes]

    accelerators: of one seat. replicas: seated; replicas_asked: 0 for as many as needed.
    weights_source, reserve_source: who says so. room_bytes: share of memory that the engine takes.
    """

    deployment: str
    model: str
    engine: str
    kv_format: str
    accelerators: int
    replicas: int
    replicas_asked: int
    instances: int
    accelerators_used: int
    lower_bound: int
    hbm_bytes: int
    memory_fraction: float
    room_bytes: int
    weights_bytes: int
    weights_source: str
    reserve_bytes: int
    reserve_source: str
    pool_bytes: int
    block_bytes: int
    capacity_blocks: int
    kv_bytes: int
    regions: Regions


@dataclass(frozen=True)
class Place:
    """Whether a workload can be placed on its fleet, and how; plain figures are at the safe end of the facts.

    sequences: asked for; regions are more of them where a law is planned for at its quantile.
    accelerators_used: in seats. accelerators_total: of the fleet, without those excluded.
    accelerators_for_kv: that the KV alone would fill, if nothing else had to be in memory.
    kv_pool_utilization: of the fullest instance. hbm_utilization: of the fullest accelerator.
    lower_bound: accelerators that any plan needs. gap: accelerators_used − lower_bound.
    binding: what stops the rest: hbm, native_group, accelerators, max_num_seqs, or none.
    """

    workload: str
    systems: tuple[str, ...]
    sequences: int
    planning_quantile: float
    verdict: str
    fits: bool
    accelerators_used: int
    accelerators_total: int
    accelerators_for_kv: int
    kv_pool_utilization: float
    kv_pool_utilization_mean: float
    hbm_utilization: float
    lower_bound: int
    gap: int
    proved_optimal: bool
    crossings: int
    regions: Regions
    binding: str
    deployments: tuple[DeploymentPlace, ...]
    would_fit: tuple[Remedy, ...]
    headroom: tuple[Headroom, ...]
    ranges: Mapping[str, Mapping[str, int | float]]
    depends_on: tuple[Dependence, ...]
    notes: tuple[Finding, ...]
    set: Mapping[str, str]
    plan: Plan

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "place"
    kvplan: ClassVar[str] = VERSION

    @property
    def stops(self) -> str:
        """What stops the rest, in words."""
        if self.binding == "hbm" and any(one.replicas_asked and one.regions.unplaced for one in self.deployments):
            return "the HBM of the replicas asked for"
        return _STOPS[self.binding]

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The replicas with their seats, from the plan."""
        return self.plan.replicas

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the result; replicas stand in it, runs only in the plan."""
        tree: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "plan"}
        tree["systems"] = list(self.systems)
        tree["regions"] = _regions(self.regions)
        tree["deployments"] = [
            {item.name: getattr(one, item.name) for item in fields(one)} | {"regions": _regions(one.regions)}
            for one in self.deployments
        ]
        tree["replicas"] = self.plan.to_dict()["replicas"]
        tree["would_fit"] = [remedy._asdict() for remedy in self.would_fit]
        tree["headroom"] = [item._asdict() for item in self.headroom]
        tree["ranges"] = {name: dict(ends) for name, ends in self.ranges.items()}
        tree["depends_on"] = [item.to_dict() for item in self.depends_on]
        tree["notes"] = [note.to_dict() for note in self.notes]
        tree["set"] = dict(self.set)
        return {"format_version": self.format_version, "kind": self.kind, "kvplan": self.kvplan, **tree}


def _regions(regions: Regions) -> dict[str, Any]:
    return regions._asdict() | {"by_tier": dict(regions.by_tier)}

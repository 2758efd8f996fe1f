"""Plan: where every region lives, as a frozen value whose fields are the keys of plan.json.

A plan holds what a proof of it needs and nothing that only its maker knows: seats, rooms, runs, copies, leftovers and
the bound with its certificate. What each number claims is said here, field by field; verify.py holds them to it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, ClassVar

FORMAT_VERSION = 1  # of plan.json; 1: first


@dataclass(frozen=True)
class FleetPart:
    """Racks of one system that stand beside each other; ids count racks through all parts.

    count: racks. exclude: ids inside the part (its own racks from r0 on) that may not be used.
    first_rack: the number of its first rack. native_groups, nodes, accelerators: how many are in their parent.
    hbm_engine_visible_bytes: of one accelerator, at the end of its range that the plan was made for. [bytes]
    """

    system: str
    count: int
    exclude: tuple[str, ...]
    first_rack: int
    native_groups: int
    nodes: int
    accelerators: int
    hbm_engine_visible_bytes: int


@dataclass(frozen=True)
class Stage:
    """One pipeline stage of an instance: tensor × context ranks that hold alike.

    weights_bytes, block_bytes: of one rank: its weights, and what a block of a region takes of it. [bytes]
    """

    ranks: int
    weights_bytes: int
    block_bytes: int


@dataclass(frozen=True)
class Room:
    """What an instance has on one part of the fleet.

    part: index into fleet. memory_bytes: ⌊memory_fraction × hbm_engine_visible_bytes⌋ of a rank. [bytes]
    reserve_bytes: what a rank keeps free of KV beside its weights. [bytes]
    capacity_blocks: blocks for regions and copies: the least over stages of
        ⌊(memory_bytes − weights_bytes − reserve_bytes) ÷ block_bytes⌋ − null_blocks, at least 0.
    """

    part: int
    memory_bytes: int
    reserve_bytes: int
    capacity_blocks: int


@dataclass(frozen=True)
class PlannedClass:
    """One class of regions: those numbered first_region … first_region + regions − 1, through all classes.

    prefix_blocks, prefixes: each instance that holds k > 0 of its regions also holds min(prefixes, k) copies of
        prefix_blocks each; 0 where nothing is shared.
    """

    class_: str
    priority: int
    first_region: int
    regions: int
    prefix_blocks: int
    prefixes: int


@dataclass(frozen=True)
class PlannedDeployment:
    """How one model is served, as far as seats and rooms hang on it.

    A replica is data_parallel instances, each of tensor × pipeline × context ranks; rank r of stage s of instance i is
    accelerator (i × pipeline_parallel + s) × ranks of a stage + r of its seat.
    max_num_seqs: most regions of an instance; 0 for no limit.
    memory_fraction: a decimal as text. null_blocks: blocks of a pool that no region gets.
    replicas: seated. replicas_asked: 0 for as many as needed.
    """

    deployment: str
    model: str
    engine: str
    kv_format: str
    phase: str
    accounting: str
    topology: str
    tensor_parallel: int
    pipeline_parallel: int
    context_parallel: int
    data_parallel: int
    replicas: int
    replicas_asked: int
    max_num_seqs: int
    memory_fraction: str
    null_blocks: int
    stages: tuple[Stage, ...]
    rooms: tuple[Room, ...]
    classes: tuple[PlannedClass, ...]


@dataclass(frozen=True)
class Instance:
    """Regions and copies in one instance, and its room. [blocks]"""

    used_blocks: int
    capacity_blocks: int


@dataclass(frozen=True)
class Replica:
    """One copy of a model on its seat.

    id: deployment and number, such as ``main/0``. accelerators: ids in the order of ranks. native_groups: those it
    touches, sorted as numbers. rack: its rack; several are joined by commas.
    first_instance: the number of its first instance, through all replicas.
    weights_bytes, reserve_bytes, kv_bytes_hot, hbm_bytes_free: sums over its accelerators; kv_bytes_hot is Σ used
        blocks × block_bytes over ranks, hbm_bytes_free what is left of hbm_engine_visible_bytes. [bytes]
    """

    id: str
    deployment: str
    part: int
    phase: str
    kv_format: str
    rack: str
    native_groups: tuple[str, ...]
    accelerators: tuple[str, ...]
    weights_bytes: int
    reserve_bytes: int
    kv_bytes_hot: int
    hbm_bytes_free: int
    first_instance: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Run:
    """Regions of one class and size in one instance: numbers first_region … first_region + count − 1."""

    class_: str
    size_blocks: int
    count: int
    first_region: int
    instance: int


@dataclass(frozen=True)
class Leftover:
    """Regions without a place, and their priority."""

    class_: str
    size_blocks: int
    count: int
    first_region: int
    priority: int


@dataclass(frozen=True)
class Copies:
    """Shared prefixes in one instance: count of them, each of size_blocks."""

    class_: str
    size_blocks: int
    count: int
    instance: int


@dataclass(frozen=True)
class TierUse:
    """What lies in one tier; bytes are over all ranks, copies included. [bytes]"""

    tier: str
    regions: int
    blocks: int
    bytes: int


@dataclass(frozen=True)
class Certificate:
    """What proves the bound of one deployment.

    function, parameter, unit: as placement/bounds.py names them, over the sizes of all its regions that are not above
        capacity_blocks, in bins of capacity_blocks. "count" is regions ÷ max_num_seqs.
    capacity_blocks: what a bin is granted; no less than the room of any instance less the least copies in it. [blocks]
    instances: bins. replicas: ⌈instances ÷ data_parallel⌉, or those asked for. accelerators: of their seats.
    """

    deployment: str
    kind: str
    function: str
    parameter: int
    unit: int
    capacity_blocks: int
    instances: int
    replicas: int
    accelerators: int


@dataclass(frozen=True)
class PlanBound:
    """How few accelerators any plan of these deployments could need: the sum over certificates."""

    lower_bound: int
    gap: int
    proved_optimal: bool
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True)
class Summary:
    """The figures of a plan; shares are of 1, rounded to 6 digits.

    accelerators_total: without those excluded. kv_pool_utilization: used ÷ capacity blocks, the fullest instance, and
        the mean over instances; hbm_utilization: (weights + reserve + KV) ÷ engine-visible, the fullest accelerator.
    crossings: Σ over replicas of native groups touched − 1.
    regions, placed: sequences. fits: all placed, and all replicas asked for seated.
    """

    fits: bool
    accelerators_used: int
    accelerators_total: int
    kv_pool_utilization: float
    kv_pool_utilization_mean: float
    hbm_utilization: float
    crossings: int
    regions: int
    placed: int
    unplaced: int


@dataclass(frozen=True)
class Plan:
    """Where every region lives.

    fingerprint: of what was asked: models, engines, splits, requests. scenario: which end of the facts it was made for.
    seal: of all else, so that a change by accident shows.
    """

    workload: str
    fingerprint: str
    scenario: str
    fleet: tuple[FleetPart, ...]
    deployments: tuple[PlannedDeployment, ...]
    replicas: tuple[Replica, ...]
    runs: tuple[Run, ...]
    copies: tuple[Copies, ...]
    leftovers: tuple[Leftover, ...]
    tiers: tuple[TierUse, ...]
    bound: PlanBound
    summary: Summary
    kvplan: str
    seal: str = ""

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "plan"

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the plan; ``class_`` is written ``class``."""
        return {"format_version": self.format_version, "kind": self.kind, **_plain(self)}

    def sealed(self) -> Plan:
        """The same with its seal."""
        return replace(self, seal=seal_of(self.to_dict()))


def seal_of(tree: dict[str, Any]) -> str:
    """SHA-256 of a plan's JSON without its seal: keys sorted, no spaces."""
    content = {key: value for key, value in tree.items() if key != "seal"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@cache
def _keys(cls: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - a part of a plan
    """Keys of the JSON of a part of a plan, with the names of its fields."""
    return tuple((item.name.rstrip("_"), item.name) for item in fields(cls))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a plan
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        kind: Any = type(value)
        return {key: _plain(getattr(value, name)) for key, name in _keys(kind)}
    return value

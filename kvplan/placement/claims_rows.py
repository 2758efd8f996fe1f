"""The rows that a plan is read into for its proof: seats, rooms, runs, certificates, and the arithmetic of one row.

Knows plan.json alone and shares nothing with what makes plans. What the fields claim is said in plan.py, by hand; a
change there has to be made here too, or no plan verifies. An underscore at the end of a name is not written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

_PLACE = re.compile(r"r(\d{1,18})(?:/g(\d{1,18})(?:/n(\d{1,18})(?:/a(\d{1,18}))?)?)?", re.ASCII)


class Part(NamedTuple):
    """Racks of one system: a row of ``fleet``."""

    system: str
    count_: int
    exclude: Sequence[str]
    first_rack: int
    native_groups: int
    nodes: int
    accelerators: int
    hbm_engine_visible_bytes: int

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Accelerators in a rack, a native group, a node, and one."""
        group = self.nodes * self.accelerators
        return self.native_groups * group, group, self.accelerators, 1

    def has(self, place: Sequence[int]) -> bool:
        """Whether there is such a place, its rack counted inside the part."""
        inside = (self.count_, self.native_groups, self.nodes, self.accelerators)
        return all(0 <= number < most for number, most in zip(place, inside, strict=False))


class Stage(NamedTuple):
    """One pipeline stage; bytes are of one rank: a row of ``stages``."""

    ranks: int
    weights_bytes: int
    block_bytes: int


class Room(NamedTuple):
    """What an instance has on a part of the fleet: a row of ``rooms``."""

    part: int
    memory_bytes: int
    reserve_bytes: int
    capacity_blocks: int


class Class(NamedTuple):
    """One class of regions: a row of ``classes``."""

    class_: str
    priority: int
    first_region: int
    regions: int
    prefix_blocks: int
    prefixes: int


class Deployment(NamedTuple):
    """How one model is served: a row of ``deployments``, but for what is text alone."""

    deployment: str
    kv_format: str
    phase: str
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
    stages: Sequence[Stage]
    rooms: Sequence[Room]
    classes: Sequence[Class]

    @property
    def stage_ranks(self) -> int:
        """Ranks of one stage."""
        return self.tensor_parallel * self.context_parallel

    @property
    def seat(self) -> int:
        """Accelerators of one replica."""
        return self.data_parallel * self.pipeline_parallel * self.stage_ranks

    def memory_bytes(self, part: Part) -> int:
        """What the engine takes of an accelerator. [bytes]"""
        return int(Fraction(self.memory_fraction) * part.hbm_engine_visible_bytes)

    def free_blocks(self, memory_bytes: int, reserve_bytes: int) -> int:
        """Blocks for regions and copies that the tightest stage has; below 0 where not even the weights fit."""
        free = [(memory_bytes - stage.weights_bytes - reserve_bytes, stage.block_bytes) for stage in self.stages]
        # A stage without KV bounds nothing, if its weights fit.
        limits = [room // block if block else -1 for room, block in free if block or room < 0]
        return min(limits, default=0) - self.null_blocks


class Instance(NamedTuple):
    """One bin: a row of ``instances``. [blocks]"""

    used_blocks: int
    capacity_blocks: int


class Replica(NamedTuple):
    """One copy of a model on its seat: a row of ``replicas``."""

    id: str
    deployment: str
    part: int
    phase: str
    kv_format: str
    rack: str
    native_groups: Sequence[str]
    accelerators: Sequence[str]
    weights_bytes: int
    reserve_bytes: int
    kv_bytes_hot: int
    hbm_bytes_free: int
    first_instance: int
    instances: Sequence[Instance]


class Run(NamedTuple):
    """Regions of one class and size in one instance: a row of ``runs``."""

    class_: str
    size_blocks: int
    count_: int
    first_region: int
    instance: int


class Leftover(NamedTuple):
    """Regions without a place: a row of ``leftovers``."""

    class_: str
    size_blocks: int
    count_: int
    first_region: int
    priority: int


class Copies(NamedTuple):
    """Shared prefixes in one instance: a row of ``copies``."""

    class_: str
    size_blocks: int
    count_: int
    instance: int


class Certificate(NamedTuple):
    """What proves the bound of one deployment: a row of ``bound.certificates``."""

    deployment: str
    kind: str
    function: str
    parameter: int
    unit: int
    capacity_blocks: int
    instances: int
    replicas: int
    accelerators: int


class Held(NamedTuple):
    """What the runs put into instances, by their number: blocks, regions, and regions by class and instance."""

    blocks: Sequence[int]
    regions: Sequence[int]
    of_class: Mapping[str, Mapping[int, int]]


def parse_place(id: str) -> tuple[int, ...]:
    """``r0/g1/n3`` ▸ (0, 1, 3); nothing for what is no id."""
    match = _PLACE.fullmatch(id)
    return tuple(int(number) for number in match.groups() if number is not None) if match else ()

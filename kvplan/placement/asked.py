"""What the planner is asked of a deployment, and what the deployment gets: values in seats, blocks and regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kvplan.placement.entries import Entries, Entry, IntArray
from kvplan.placement.filling import Filling, nothing
from kvplan.placement.topology import Spot


@dataclass(frozen=True)
class Asked:
    """One deployment as the planner sees it.

    seat: accelerators of a replica. instances: bins of a replica. replicas: asked for; 0 for as many as needed.
    crossing: whether a seat may lie in several native groups. most: regions of an instance; 0 for no limit.
    capacities: blocks of an instance on each part of the fleet; where it is 0, no replica is seated.
    entries: regions, in the order in which they are kept. priorities: of each entry.
    starts: whether an instance would start on each part at all; empty where all would.
    """

    seat: int
    instances: int
    replicas: int
    crossing: bool
    most: int
    capacities: tuple[int, ...]
    entries: tuple[Entry, ...]
    priorities: tuple[int, ...]
    starts: tuple[bool, ...] = ()

    @property
    def regions(self) -> int:
        """Regions of all entries."""
        return sum(entry.number for entry in self.entries)

    @cached_property
    def table(self) -> Entries:
        """The entries as columns."""
        return Entries.of(self.entries)

    @cached_property
    def levels(self) -> IntArray:
        """Priorities of entries, shape (e,)."""
        return np.array(self.priorities, dtype=np.int64)

    @property
    def capacity(self) -> int:
        """Blocks of the roomiest instance."""
        return max(self.capacities, default=0)

    @property
    def parts(self) -> list[int]:
        """Parts of the fleet that can be seated, those with the largest instances first: fewest are needed there."""
        starts = self.starts or (True,) * len(self.capacities)
        some = (part for part, capacity in enumerate(self.capacities) if capacity > 0 and starts[part])
        return sorted(some, key=lambda part: (-self.capacities[part], part))


@dataclass
class Seated:
    """What one deployment got: spots of its replicas, and its regions in their instances."""

    spots: list[Spot] = field(default_factory=list)
    filling: Filling = field(default_factory=nothing)

    @property
    def left(self) -> int:
        """Regions without a place."""
        return self.filling.regions_left


class Layout(NamedTuple):
    """A plan in numbers, a deployment an entry."""

    seated: tuple[Seated, ...]

    def fits(self, asked: Sequence[Asked]) -> bool:
        """Whether every region has a place and every replica asked for a seat."""
        return all(
            not got.left and len(got.spots) >= want.replicas for got, want in zip(self.seated, asked, strict=True)
        )


def capacities_of(asked: Asked, spots: Sequence[Spot]) -> IntArray:
    """Blocks of every instance of the replicas on these spots, shape (replicas × instances,)."""
    rooms = np.array([asked.capacities[spot.part] for spot in spots], dtype=np.int64)
    return np.repeat(rooms, asked.instances)

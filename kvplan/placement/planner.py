"""Regions ▸ replicas ▸ seats: how many replicas each deployment gets, where they sit, and what they hold.

It takes numbers: seat sizes, rooms in blocks, entries of regions. What a block, a fact or a model is it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from kvplan.placement.bounds import Bound, lower_bound
from kvplan.placement.filling import Entry, Filling, fill
from kvplan.placement.topology import Part, Seats, Spot
from kvplan.units import ceil_div

IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Asked:
    """One deployment as the planner sees it.

    seat: accelerators of a replica. instances: bins of a replica. replicas: asked for; 0 for as many as needed.
    crossing: whether a seat may lie in several native groups. most: regions of an instance; 0 for no limit.
    capacities: blocks of an instance on each part of the fleet.
    entries: regions, in the order in which they are kept. priorities: of each entry.
    """

    seat: int
    instances: int
    replicas: int
    crossing: bool
    most: int
    capacities: tuple[int, ...]
    entries: tuple[Entry, ...]
    priorities: tuple[int, ...]

    @property
    def regions(self) -> int:
        """Regions of all entries."""
        return sum(entry.number for entry in self.entries)


@dataclass
class Seated:
    """What one deployment got: spots of its replicas, and its regions in their instances."""

    spots: list[Spot] = field(default_factory=list)
    filling: Filling = field(default_factory=lambda: Filling(np.zeros(0, np.int64), np.zeros(0, np.int64)))

    @property
    def left(self) -> int:
        """Regions without a place."""
        return sum(piece.number for piece in self.filling.left)


class Layout(NamedTuple):
    """A plan in numbers, a deployment an entry."""

    seated: tuple[Seated, ...]

    def fits(self, asked: Sequence[Asked]) -> bool:
        """Whether every region has a place and every replica asked for a seat."""
        return all(
            not got.left and len(got.spots) >= want.replicas for got, want in zip(self.seated, asked, strict=True)
        )


def lay_out(parts: Sequence[Part], asked: Sequence[Asked]) -> Layout:
    """Replicas that are asked for first, then as many as regions need, by priority; the regions into them.

    Seats are taken the largest first. Inside a priority deployments stand in their order.
    """
    seats = Seats(parts)
    seated = [Seated() for _ in asked]
    by_size = sorted(range(len(asked)), key=lambda index: (-asked[index].seat, index))
    for index in by_size:
        if asked[index].replicas:
            _take(seats, asked[index], seated[index], asked[index].replicas)
    levels = sorted({level for want in asked for level in want.priorities}, reverse=True)
    for level in levels:
        for index in by_size:
            if not asked[index].replicas:
                _grow(seats, asked[index], seated[index], level)
    for want, got in zip(asked, seated, strict=True):
        got.filling = fill(want.entries, capacities_of(want, got.spots), want.most)
    return Layout(tuple(seated))


def _parts_by_room(asked: Asked) -> list[int]:
    """Parts of the fleet, those with the largest instances first: fewest are needed there."""
    return sorted(range(len(asked.capacities)), key=lambda part: (-asked.capacities[part], part))


def _take(seats: Seats, asked: Asked, seated: Seated, count: int) -> None:
    for part in _parts_by_room(asked):
        missing = count - len(seated.spots)
        if missing > 0:
            seated.spots += seats.take(part, asked.seat, missing, crossing=asked.crossing)


def _grow(seats: Seats, asked: Asked, seated: Seated, level: int) -> None:
    """More replicas, until all regions of this priority and above have a place or no seat is left."""
    wanted = [entry for entry, priority in zip(asked.entries, asked.priorities, strict=True) if priority >= level]
    if not wanted or max(asked.capacities, default=0) <= 0:
        return
    order = _parts_by_room(asked)
    free = {part: seats.room(part, asked.seat, crossing=asked.crossing) for part in order}
    here = capacities_of(asked, seated.spots)
    rooms = [np.full(free[part] * asked.instances, asked.capacities[part], dtype=np.int64) for part in order]
    possible = np.concatenate([here, *rooms])
    needed = free
    if sum(entry.size_blocks * entry.number for entry in wanted) <= int(possible.sum()):
        used = fill(wanted, possible, asked.most).held > 0
        needed, at = {}, here.size
        for part in order:
            holding = np.flatnonzero(used[at : at + free[part] * asked.instances])
            needed[part] = ceil_div(int(holding[-1]) + 1, asked.instances) if holding.size else 0
            at += free[part] * asked.instances
    for part in order:
        seated.spots += seats.take(part, asked.seat, needed[part], crossing=asked.crossing)


def capacities_of(asked: Asked, spots: Sequence[Spot]) -> IntArray:
    """Blocks of every instance of the replicas on these spots, shape (replicas × instances,)."""
    rooms = np.array([asked.capacities[spot.part] for spot in spots], dtype=np.int64)
    return np.repeat(rooms, asked.instances)


class DeploymentBound(NamedTuple):
    """How few instances, replicas and accelerators any plan of a deployment needs, and what proves it.

    capacity_blocks: what the bound grants a bin: the roomiest instance, less the copies that no instance does without.
    """

    bound: Bound
    capacity_blocks: int
    instances: int
    replicas: int
    accelerators: int


def bound_of(asked: Asked, used: int) -> DeploymentBound:
    """The bound of one deployment over all its regions that fit an instance.

    used: instances of a packing of all regions, where one is known; 0 for none. No bound above it is looked for.
    """
    copies = min((entry.prefix_blocks for entry in asked.entries), default=0)
    capacity = max(0, max(asked.capacities, default=0) - copies)
    counts: dict[int, int] = {}
    for entry in asked.entries:
        if entry.size_blocks <= capacity:
            counts[entry.size_blocks] = counts.get(entry.size_blocks, 0) + entry.number
    bound = Bound(0, "l1", "none")
    if counts:
        sizes = np.array(sorted(counts), dtype=np.int64)
        numbers = np.array([counts[size] for size in sizes.tolist()], dtype=np.int64)
        bound = lower_bound(sizes, numbers, np.array([capacity], dtype=np.int64), used or 1 << 62)
    if asked.most and (by_count := ceil_div(sum(counts.values()), asked.most)) > bound.bins:
        bound = Bound(by_count, "l1", "count", asked.most)
    replicas = asked.replicas or ceil_div(bound.bins, asked.instances)
    return DeploymentBound(bound, capacity, bound.bins, replicas, replicas * asked.seat)


def impossible(parts: Sequence[Part], asked: Sequence[Asked]) -> bool:
    """Whether it is proved that no plan places everything: a region above every room, or fewer seats than the bound."""
    free = Seats(parts)
    bounds = [bound_of(want, 0) for want in asked]
    for want, bound in zip(asked, bounds, strict=True):
        if any(entry.size_blocks + entry.prefix_blocks > max(want.capacities, default=0) for entry in want.entries):
            return True
        seats = sum(free.room(part, want.seat, crossing=want.crossing) for part in range(len(parts)))
        if bound.replicas > seats or bound.instances > bound.replicas * want.instances:
            return True
    return sum(bound.accelerators for bound in bounds) > sum(part.usable for part in parts)

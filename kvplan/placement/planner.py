"""Regions ▸ replicas ▸ seats: how many replicas each deployment gets, where they sit, and what they hold.

It takes numbers: seat sizes, rooms in blocks, entries of regions. What a block, a fact or a model is it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kvplan.placement.asked import Asked, Layout, Seated, capacities_of
from kvplan.placement.bounds import Bound, lower_bound
from kvplan.placement.entries import exact_product
from kvplan.placement.filling import fill
from kvplan.placement.growth import grow
from kvplan.placement.topology import Part, Seats
from kvplan.units import MAX_INTEGER, ceil_div

__all__ = [
    "Asked", "DeploymentBound", "Layout", "Seated", "bound_of", "capacities_of", "fits", "impossible", "lay_out",
]  # fmt: skip


def lay_out(parts: Sequence[Part], asked: Sequence[Asked]) -> Layout:
    """Replicas that are asked for first, then as many as regions need, by priority; the regions into them.

    Priorities are strict: while a region of one has no place, no seat that could be its instance is taken for a lower
    priority of any deployment that grows. Inside a priority, and among replicas asked for, the deployment with the
    largest seats comes first, of equal ones the first of them.
    """
    seats = Seats(parts)
    seated = [Seated() for _ in asked]
    by_size = sorted(range(len(asked)), key=lambda index: (-asked[index].seat, index))
    for index in by_size:
        want, got = asked[index], seated[index]
        for part in want.parts:
            missing = max(0, want.replicas - len(got.spots))
            got.spots += seats.take(part, want.seat, missing, crossing=want.crossing)
    seated = grow(seats, asked, seated, [index for index in by_size if not asked[index].replicas])
    for want, got in zip(asked, seated, strict=True):
        if got.filling.entries is not want.table:
            got.filling = fill(want.table, capacities_of(want, got.spots), want.most, want.levels)
    return Layout(tuple(seated))


def fits(parts: Sequence[Part], asked: Sequence[Asked]) -> bool:
    """Whether a layout places everything; where sums say that none can, or one deployment is alone, none is made."""
    usable = sum(part.usable for part in parts)
    if any(_short(parts, want) for want in asked) or sum(map(_least_accelerators, asked)) > usable:
        return False
    if len(asked) > 1:
        return lay_out(parts, asked).fits(asked)
    return all(_fits_alone(parts, want) for want in asked)


def _fits_alone(parts: Sequence[Part], asked: Asked) -> bool:
    """Whether the instances that a deployment could have hold all its regions: where they sit does not matter then."""
    rooms = np.array([asked.capacities[part] for part in asked.parts], dtype=np.int64)
    instances = np.array(_seats(parts, asked), dtype=np.int64) * asked.instances
    few = np.minimum(instances, [_plenty(asked, capacity) for capacity in rooms.tolist()])
    tried = [few, instances] if bool((few < instances).any()) else [instances]
    return any(not fill(asked.table, np.repeat(rooms, some), asked.most, asked.levels).regions_left for some in tried)


def _plenty(asked: Asked, capacity: int) -> int:
    """Instances of one room that are rarely too few: any two that are in use hold more than one has room for."""
    table = asked.table
    bins = 2 * ceil_div(exact_product(table.sizes, table.numbers), max(1, capacity)) + 64
    return bins + (2 * ceil_div(int(table.numbers.sum()), asked.most) if asked.most else 0)


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
    table = asked.table
    some = table.numbers > 0
    copies = int(table.prefix_blocks[some].min()) if some.any() else 0
    capacity = max(0, asked.capacity - copies)
    some &= table.sizes <= capacity
    sizes, inverse = np.unique(table.sizes[some], return_inverse=True)
    numbers = np.zeros(sizes.size, dtype=np.int64)
    np.add.at(numbers, inverse, table.numbers[some])
    bound, total = Bound(0, "l1", "none"), exact_product(sizes, numbers)
    if total >= MAX_INTEGER:
        bound = Bound(ceil_div(total, capacity), "l1", "sum")
    elif sizes.size:
        bound = lower_bound(sizes, numbers, np.array([capacity], dtype=np.int64), used or 1 << 62)
    if asked.most and (by_count := ceil_div(int(numbers.sum()), asked.most)) > bound.bins:
        bound = Bound(by_count, "l1", "count", asked.most)
    replicas = asked.replicas or ceil_div(bound.bins, asked.instances)
    return DeploymentBound(bound, capacity, bound.bins, replicas, replicas * asked.seat)


def impossible(parts: Sequence[Part], asked: Sequence[Asked]) -> bool:
    """Whether it is proved that no plan places everything: by a region, by sums, or by fewer seats than the bound."""
    if any(_short(parts, want) for want in asked):
        return True
    bounds = [bound_of(want, 0) for want in asked]
    for want, bound in zip(asked, bounds, strict=True):
        if bound.replicas > sum(_seats(parts, want)) or bound.instances > bound.replicas * want.instances:
            return True
    return sum(bound.accelerators for bound in bounds) > sum(part.usable for part in parts)


def _seats(parts: Sequence[Part], asked: Asked) -> list[int]:
    """Seats that a deployment alone could have on each part, the roomiest first, and no more than are asked for."""
    found: list[int] = []
    for part in asked.parts:
        seats = parts[part].room(asked.seat, crossing=asked.crossing)
        found.append(min(seats, asked.replicas - sum(found)) if asked.replicas else seats)
    return found


def _short(parts: Sequence[Part], asked: Asked) -> bool:
    """Whether one deployment alone asks for more than there is: seats, a region, regions in all, or blocks in all."""
    table, seats = asked.table, _seats(parts, asked)
    some = table.numbers > 0
    if sum(seats) < asked.replicas:
        return True
    if not some.any():
        return False
    rooms, instances = [asked.capacities[part] for part in asked.parts], sum(seats) * asked.instances
    if not instances or int(table.least_blocks[some].max()) > rooms[0]:
        return True
    room = sum(count * capacity for count, capacity in zip(seats, rooms, strict=True)) * asked.instances
    blocks, regions = exact_product(table.sizes, table.numbers), int(table.numbers.sum())
    return blocks > room or 0 < asked.most * instances < regions


def _least_accelerators(asked: Asked) -> int:
    """Accelerators that a deployment needs by the sums of its blocks and regions, if it has room at all."""
    table = asked.table
    instances = ceil_div(exact_product(table.sizes, table.numbers), max(1, asked.capacity))
    if asked.most:
        instances = max(instances, ceil_div(int(table.numbers.sum()), asked.most))
    return (asked.replicas or ceil_div(instances, asked.instances)) * asked.seat

"""The fleet as a tree, accelerator ▸ node ▸ native group ▸ rack, and seats for replicas in it.

Knows counts and numbers of accelerators. Does not know models, blocks or regions. A seat is a tuple of accelerators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from kvplan.spec.system import Fabric

Seat = tuple[int, ...]  # numbers of accelerators in one part


@dataclass(frozen=True)
class Part:
    """Racks of one system: the tree of all of them, and the numbers that may not be used."""

    fabric: Fabric
    excluded: frozenset[int]

    @property
    def usable(self) -> int:
        """Accelerators that may be used."""
        return self.fabric.total - len(self.excluded)

    @cached_property
    def _gone(self) -> Counter[int]:
        """How many may not be used in each native group where some may not."""
        return Counter(map(self.group_of, self.excluded))

    def room(self, size: int, *, crossing: bool) -> int:
        """How many seats of a size there are while nothing is taken: inside native groups, or wherever they are."""
        if crossing:
            return self.usable // size
        group, groups = self.fabric.sizes[1], self.fabric.racks * self.fabric.native_groups
        whole = (groups - len(self._gone)) * (group // size)
        return whole + sum((group - gone) // size for gone in self._gone.values())

    def group_of(self, accelerator: int) -> int:
        """The native group of an accelerator, counted through the part."""
        return accelerator // self.fabric.sizes[1]


def part_of(fabric: Fabric, exclude: Iterable[str]) -> Part:
    """A part with the places left out that ids name; each exists."""
    return Part(fabric, frozenset(number for id in exclude for number in fabric.find(id) or ()))


class Spot(NamedTuple):
    """Where a seat is: a part, and its accelerators there."""

    part: int
    seat: Seat


class Seats:
    """Accelerators that are still free, taken seat by seat.

    A seat goes into the native group that is fullest and still has room, of equally full ones the first; so large
    groups stay whole as long as they can. Where a seat may cross, those inside a group are taken first; a seat that
    does cross lies in one rack if one has room, touches as few groups there as it can, and of racks that are equally
    good takes the fullest. That is the fewest crossings of each seat as it is taken, not always of all together.
    Source: best fit over groups; Coffman, Garey and Johnson, J. of Complexity 3 (1987) 406-428: exact for sizes that
    divide each other and the group.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._free = [_usable(part) for part in self.parts]
        self._gone: list[set[int]] = [set() for _ in self.parts]  # taken, and not yet out of _free

    def copy(self) -> Seats:
        """Another with the same accelerators free."""
        other = Seats(())
        other.parts = self.parts
        other._free = [[list(group) for group in self._groups(part)] for part in range(len(self.parts))]
        other._gone = [set() for _ in self.parts]
        return other

    def room(self, part: int, size: int, *, crossing: bool) -> int:
        """How many seats of a size are free in a part."""
        counts = [len(group) for group in self._groups(part)]
        return sum(counts) // size if crossing else sum(count // size for count in counts)

    @property
    def usable(self) -> int:
        """Accelerators that are free."""
        return sum(len(group) for part in range(len(self.parts)) for group in self._groups(part))

    def give(self, spot: Spot) -> None:
        """Mark the accelerators of a seat as taken."""
        self._gone[spot.part].update(spot.seat)

    def take(self, part: int, size: int, count: int, *, crossing: bool) -> list[Spot]:
        """Up to so many seats of a size in a part."""
        groups = self._groups(part)
        enough = [index for index, group in enumerate(groups) if len(group) >= size]
        seats: list[Spot] = []
        for index in sorted(enough, key=lambda index: (len(groups[index]), index)):
            group = groups[index]
            many = min(count - len(seats), len(group) // size)
            if not many:
                break
            kept = len(group) - many * size
            taken = group[: kept - 1 if kept else None : -1]
            seats += [Spot(part, tuple(taken[at : at + size])) for at in range(0, many * size, size)]
            del group[kept:]
        if crossing and len(seats) < count:
            seats += [Spot(part, seat) for seat in self._crossing(part, size, count - len(seats))]
        return seats

    def _groups(self, part: int) -> list[list[int]]:
        """Free numbers of each native group of a part, falling: the last is taken first."""
        gone = self._gone[part]
        if gone:
            size = self.parts[part].fabric.sizes[1]
            groups = self._free[part]
            for index in {number // size for number in gone}:
                groups[index] = [number for number in groups[index] if number not in gone]
            gone.clear()
        return self._free[part]

    def _crossing(self, part: int, size: int, count: int) -> list[Seat]:
        """Seats over several groups, no group having room for a whole one: rack by rack, then over racks."""
        groups, per_rack = self._free[part], self.parts[part].fabric.native_groups
        starts = range(0, len(groups), per_rack) if per_rack > 1 else ()  # a rack of one group holds no seat
        racks = [_Rack(groups[at : at + per_rack]) for at in starts]
        waiting = [(*rack.cost(size), index) for index, rack in enumerate(racks) if rack.free >= size]
        heapify(waiting)
        seats: list[Seat] = []
        while waiting and len(seats) < count:
            rack = racks[waiting[0][-1]]
            seats.append(rack.take(size))
            if rack.free >= size:
                heapreplace(waiting, (*rack.cost(size), waiting[0][-1]))
            else:
                heappop(waiting)
        all_racks = _Rack(groups)
        while all_racks.free >= size and len(seats) < count:
            seats.append(all_racks.take(size))
        return seats


class _Rack:
    """Native groups that a seat may cross: the free ones of each, by how many are free."""

    def __init__(self, groups: Sequence[list[int]]) -> None:
        self.groups = groups
        self.free = sum(map(len, groups))
        self.by_count: dict[int, list[int]] = {}  # free accelerators ▸ a heap of groups
        for index, group in enumerate(groups):
            if group:
                self.by_count.setdefault(len(group), []).append(index)

    def cost(self, size: int) -> tuple[int, int]:
        """The fewest groups that a seat touches, and what is free: racks are taken by the least."""
        touched = 0
        for count in sorted(self.by_count, reverse=True):
            many = min(len(self.by_count[count]), -(-size // count))
            touched, size = touched + many, size - many * count
            if size <= 0:
                break
        return touched, self.free

    def take(self, size: int) -> Seat:
        """A seat of the groups where most is free; its last accelerators where the least that is enough is free."""
        self.free -= size
        taken: list[int] = []
        while size:
            most = max(self.by_count)
            count = most if most <= size else min(count for count in self.by_count if count >= size)
            index = heappop(self.by_count[count])
            if not self.by_count[count]:
                del self.by_count[count]
            group = self.groups[index]
            inside = min(size, count)
            taken += group[count - inside :]
            del group[count - inside :]
            size -= inside
            if group:
                heappush(self.by_count.setdefault(len(group), []), index)
        return tuple(sorted(taken))


def _usable(part: Part) -> list[list[int]]:
    """Usable numbers of each native group, falling."""
    size, excluded = part.fabric.sizes[1], part.excluded
    starts = range(0, part.fabric.total, size) if size else ()
    groups = [list(range(start + size - 1, start - 1, -1)) for start in starts]
    for index in {number // size for number in excluded}:
        groups[index] = [number for number in groups[index] if number not in excluded]
    return groups


def crossings(part: Part, seat: Seat) -> int:
    """Native groups that a seat touches beyond the first."""
    return len({part.group_of(accelerator) for accelerator in seat}) - 1

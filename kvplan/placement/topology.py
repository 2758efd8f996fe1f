"""The fleet as a tree, accelerator ▸ node ▸ native group ▸ rack, and seats for replicas in it.

Knows counts and numbers of accelerators. Does not know models, blocks or regions. A seat is a tuple of accelerators.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    groups stay whole as long as they can. Where a seat may cross, it touches few groups, in one rack if one has room.
    Source: best fit over groups; Coffman, Garey and Johnson, J. of Complexity 3 (1987) 406-428: exact for sizes that
    divide each other and the group.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._free: list[list[list[int]]] = []  # of each part and group: numbers, the last is taken first
        for part in self.parts:
            group, groups = part.fabric.sizes[1], part.fabric.racks * part.fabric.native_groups
            falling = (range((index + 1) * group - 1, index * group - 1, -1) for index in range(groups))
            self._free.append([[number for number in span if number not in part.excluded] for span in falling])

    def room(self, part: int, size: int, *, crossing: bool) -> int:
        """How many seats of a size are free in a part."""
        counts = [len(group) for group in self._free[part]]
        inside = sum(count // size for count in counts)
        if not crossing:
            return inside
        per_rack = self.parts[part].fabric.native_groups
        rest = [sum(count % size for count in counts[at : at + per_rack]) for at in range(0, len(counts), per_rack)]
        return inside + sum(count // size for count in rest) + sum(count % size for count in rest) // size

    @property
    def usable(self) -> int:
        """Accelerators that are free."""
        return sum(len(group) for groups in self._free for group in groups)

    def give(self, spot: Spot) -> None:
        """Mark the accelerators of a seat as taken."""
        part = self.parts[spot.part]
        for group in {part.group_of(accelerator) for accelerator in spot.seat}:
            taken = set(spot.seat)
            self._free[spot.part][group] = [number for number in self._free[spot.part][group] if number not in taken]

    def take(self, part: int, size: int, count: int, *, crossing: bool) -> list[Spot]:
        """Up to so many seats of a size in a part."""
        groups = self._free[part]
        whole = self.parts[part].fabric.sizes[1]
        order = sorted(
            (index for index, group in enumerate(groups) if len(group) >= size),
            key=lambda index: (len(groups[index]) == whole, len(groups[index]), index),
        )
        seats: list[Spot] = []
        for index in order:
            while len(groups[index]) >= size and len(seats) < count:
                seats.append(Spot(part, tuple(groups[index].pop() for _ in range(size))))
        while crossing and len(seats) < count and (found := self._crossing(part, size)):
            seats.append(Spot(part, found))
        return seats

    def _crossing(self, part: int, size: int) -> Seat:
        """One seat over several groups: of the rack that is fullest and has room, else over racks; empty for none."""
        groups, per_rack = self._free[part], self.parts[part].fabric.native_groups
        racks = [range(at, at + per_rack) for at in range(0, len(groups), per_rack)]
        free = [sum(len(groups[index]) for index in rack) for rack in racks]
        enough = [at for at, count in enumerate(free) if count >= size]
        if enough:
            choice = list(racks[min(enough, key=lambda at: (free[at], at))])
        elif sum(free) >= size:
            choice = list(range(len(groups)))
        else:
            return ()
        taken: list[int] = []
        for index in sorted(choice, key=lambda index: (-len(groups[index]), index)):
            while groups[index] and len(taken) < size:
                taken.append(groups[index].pop())
        return tuple(sorted(taken))


def crossings(part: Part, seat: Seat) -> int:
    """Native groups that a seat touches beyond the first."""
    return len({part.group_of(accelerator) for accelerator in seat}) - 1

"""As many replicas as regions need, by priority: which deployment gets the next seats where there are not enough.

Knows seats and fillings. Does not know replicas that are asked for, which have their seats already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvplan.placement.asked import Asked, Seated, capacities_of
from kvplan.placement.filling import fill
from kvplan.placement.topology import Seats


@dataclass
class Growth:
    """Seats that are free, and what each deployment has."""

    seats: Seats
    seated: list[Seated]

    def copy(self) -> Growth:
        """The same, to try something on."""
        return Growth(self.seats.copy(), [Seated(list(got.spots), got.filling) for got in self.seated])

    def step(self, asked: Sequence[Asked], turns: Sequence[int], low: int, above: int | None) -> bool:
        """More replicas for the regions of priority ``low`` and above, a deployment after the other.

        turns: the deployments, in this order.
        above: priorities from here on have had their turn; None for none.
        Returns: whether a region has no place although there was a seat for it before.
        """
        were_free = [self._free(asked[index]) for index in turns]
        short = False
        for index, free in zip(turns, were_free, strict=True):
            levels = asked[index].levels
            if bool(((levels >= low) & ((levels < above) if above is not None else True)).any()):
                self._grow(asked[index], self.seated[index], low)
                reach = max((asked[index].capacities[part] for part, seats in free.items() if seats), default=0)
                filling = self.seated[index].filling
                left = filling.spans_left.entry
                short |= bool((filling.entries.least_blocks[left] <= reach).any())
        return short

    def _free(self, want: Asked) -> dict[int, int]:
        """Free seats of a deployment on each part that has room, the roomiest first."""
        return {part: self.seats.room(part, want.seat, crossing=want.crossing) for part in want.parts}

    def _grow(self, want: Asked, got: Seated, low: int) -> None:
        """Replicas until all regions of this priority and above have a place or no seat is left; empty ones go back."""
        some = want.levels >= low
        wanted = want.table if bool(some.all()) else want.table.where(some)
        free = self._free(want)
        rooms = [np.full(seats * want.instances, want.capacities[part], np.int64) for part, seats in free.items()]
        here = capacities_of(want, got.spots)
        filling = fill(wanted, np.concatenate([here, *rooms]), want.most, want.levels)
        kept, at = [np.arange(here.size)], here.size
        for part, seats in free.items():
            end = at + seats * want.instances
            replicas = np.flatnonzero((filling.held[at:end] > 0).reshape(seats, want.instances).any(axis=1))
            bins = at + replicas[:, None] * want.instances + np.arange(want.instances)
            kept.append(bins.ravel())
            got.spots += self.seats.take(part, want.seat, replicas.size, crossing=want.crossing)
            at = end
        got.filling = filling.of_bins(np.concatenate(kept))


def grow(seats: Seats, asked: Sequence[Asked], seated: Sequence[Seated], turns: Sequence[int]) -> list[Seated]:
    """Level by level of priority: as many levels at once as leave nothing over that there was a seat for.

    A level that does leave something over has its turn alone, and no lower level has had a seat before it. Of levels
    that leave nothing over none takes from another, so they may have their turn together: the largest seats first.

    turns: the deployments that grow, in the order of their turns.
    """
    growth = Growth(seats, list(seated))
    levels = sorted({level for index in turns for level in asked[index].priorities}, reverse=True)
    above: int | None = None
    while levels:
        many, growth = _together(growth, asked, turns, levels, above)
        above, levels = levels[many - 1], levels[many:]
    return growth.seated


def _together(
    growth: Growth, asked: Sequence[Asked], turns: Sequence[int], levels: Sequence[int], above: int | None
) -> tuple[int, Growth]:
    """The most levels that leave nothing over, one at least; and what is seated then."""
    many, whole, short, best = len(levels), 0, len(levels) + 1, growth
    while short - whole > 1:
        trial = growth.copy()
        if trial.step(asked, turns, levels[many - 1], above) and many > 1 and len(turns) > 1:
            short = many
        else:
            whole, best = many, trial
        many = (whole + short) // 2
    return whole, best

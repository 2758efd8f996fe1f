"""A workload and its answers: each is worked out once, when a rule first asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kvplan.answers import fit, place, size
from kvplan.answers.fit_result import Fit
from kvplan.answers.place_result import Place
from kvplan.answers.size_result import Size
from kvplan.spec.workload import Workload


class Case:
    """One workload under check. Where it has no fleet, only its size is asked for."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    @property
    def has_fleet(self) -> bool:
        """Whether the workload says what there is to place on."""
        return bool(self.workload.fleet)

    @cached_property
    def size(self) -> Size:
        """How big it is."""
        return size.measure(self.workload)

    @cached_property
    def place(self) -> Place:
        """Where it lives, with what would place everything where something is left over."""
        return place.answer(self.workload, {}, "python", with_headroom=False)

    @cached_property
    def fit(self) -> Fit:
        """Whether it fits a rank of its one deployment."""
        return fit.answer(self.workload, {}, "python", with_remedies=False)

    def figure(self, verb: str, name: str) -> Any:  # noqa: ANN401 - a figure has a type of its own
        """A figure of an answer; verb: size, fit or place."""
        return getattr(getattr(self, verb), name)

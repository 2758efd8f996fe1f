"""verify_plan(): proves a plan from its JSON alone, sharing no code with what made it.

A plan makes claims: what is where, that it fits, and how few accelerators any plan could need. Each is worked out
again here in whole numbers from the plan's own seats, rooms, runs and certificates, so that neither an accident nor a
forger who seals again gets past a number that is not true. What was asked (lengths, weights, memory) is taken as said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, cast

from kvplan.findings import Finding
from kvplan.placement.claims import Told, Tree, read
from kvplan.placement.claims_bound import bound_findings
from kvplan.placement.claims_figures import seal_findings, summary_findings, total_findings
from kvplan.placement.claims_form import form_findings
from kvplan.placement.claims_regions import copy_findings, leftover_findings, load_findings, region_findings
from kvplan.placement.claims_rooms import room_findings
from kvplan.placement.claims_seats import fleet_findings, seat_findings

MAX_FINDINGS = 20  # of a claim; it is not looked at further

_CLAIMS: tuple[tuple[str, Callable[[Told], Iterator[Finding]]], ...] = (
    ("seal", seal_findings),
    ("fleet", fleet_findings),
    ("seats", seat_findings),
    ("rooms", room_findings),
    ("regions", region_findings),
    ("loads", load_findings),
    ("copies", copy_findings),
    ("leftovers", leftover_findings),
    ("totals", total_findings),
    ("bound", bound_findings),
    ("summary", summary_findings),
)


class Claim(NamedTuple):
    """One thing that a plan claims, and what speaks against it: it holds where nothing does."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.findings


def verify_plan(tree: object) -> tuple[Claim, ...]:
    """Every claim of a plan, in the order of their names in this file; the form alone where that is not sound.

    tree: plan.json as JSON reads it: mappings, lists, whole numbers, floats, texts. It may be forged or hostile.
    """
    form = _claim("form", form_findings(tree))
    if not form.holds:
        return (form,)
    told = read(cast("Tree", tree))
    return (form, *(_claim(name, findings(told)) for name, findings in _CLAIMS))


def _claim(name: str, findings: Iterator[Finding]) -> Claim:
    return Claim(name, tuple(islice(findings, MAX_FINDINGS)))

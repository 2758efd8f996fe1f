"""What does a plan say? plan.json ▸ a Plan, once its form is sound; `verify` is what proves it."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import NamedTuple

from kvplan.answers.plan_file import read_plan_text
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.placement.plan import FleetPart, Plan
from kvplan.placement.plan_reader import plan_of_tree
from kvplan.placement.verify import verify_plan
from kvplan.spec.fleet import MAX_ACCELERATORS

_DRAWN = ("fleet", "seats", "rooms", "loads")  # claims without which there is no map of it


class Shown(NamedTuple):
    """A plan as it says, whether every claim of it holds, and whether those do that it is drawn by."""

    plan: Plan
    holds: bool
    is_drawable: bool


def show(path: Path) -> Shown:
    """The plan of a file.

    Raises: SpecError for a file that cannot be read or has not the form of a plan, or a fleet larger than any that is
        placed on.
    """
    text = read_plan_text(path)
    form, *claims = verify_plan(text.tree)
    if not form.holds:
        raise SpecError([text.source.locate(finding) for finding in form.findings])
    plan = plan_of_tree(text.tree)
    size = sum(part.count * prod(max(1, inside) for inside in _inside(part)) for part in plan.fleet)
    if size > MAX_ACCELERATORS:
        message = f"a fleet of {size:,} accelerators, more than {MAX_ACCELERATORS:,}"
        raise SpecError([text.source.locate(Finding("KV010", "fleet", message, help="see `kvplan verify`"))])
    failing = {claim.name for claim in claims if not claim.holds}
    return Shown(plan, not failing, failing.isdisjoint(_DRAWN))


def _inside(part: FleetPart) -> tuple[int, int, int]:
    return part.native_groups, part.nodes, part.accelerators

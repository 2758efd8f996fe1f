"""What does a plan say? plan.json ▸ a Plan, once its form is sound; `verify` is what proves it."""

from __future__ import annotations

from pathlib import Path

from kvplan.answers.plan_file import read_plan_text
from kvplan.errors import SpecError
from kvplan.placement.plan import Plan
from kvplan.placement.plan_reader import plan_of_tree
from kvplan.placement.verify import verify_plan


def show(path: Path) -> tuple[Plan, bool]:
    """The plan of a file, and whether every claim of it holds.

    Raises: SpecError for a file that cannot be read or has not the form of a plan.
    """
    text = read_plan_text(path)
    form, *claims = verify_plan(text.tree)
    if not form.holds:
        raise SpecError([text.source.locate(finding) for finding in form.findings])
    return plan_of_tree(text.tree), all(claim.holds for claim in claims)

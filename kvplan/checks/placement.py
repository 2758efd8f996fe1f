"""Does it fit its fleet: findings of the verdict, and of the facts that it hangs on."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.checks.case import Case
from kvplan.checks.expectations import Bound, remedies_text
from kvplan.findings import Finding


def placement_findings(case: Case, bounds: Sequence[Bound]) -> list[Finding]:
    """KV201 where something is left over for sure, KV501 where that hangs on facts, KV202 where it is not known.

    A workload that expects not to fit, or that it depends, is not told so.
    """
    if not case.has_fleet:
        return []
    answer, left = case.place, case.place.regions
    path = (
        "fleet" if isinstance(case.workload.written.tree, dict) and "fleet" in case.workload.written.tree else "system"
    )
    expected = {bound.value for bound in bounds if bound.figure in ("fits", "verdict")}
    if answer.verdict == "yes" or expected & {False, answer.verdict}:
        return []
    over = f"{left.left_words}; what stops more: {answer.stops}"
    if not left.unplaced:
        over = f"not every replica that is asked for has a seat; what stops more: {answer.stops}"
    if answer.verdict == "no":
        return [Finding("KV201", path, f"does not fit: {over}", help=remedies_text(case))]
    if not answer.depends_on:
        return [Finding("KV202", path, f"no place was found for everything: {over}", help=remedies_text(case))]
    facts = "; ".join(item.words for item in answer.depends_on)
    message = f"whether it fits depends on {facts}. At the safe end {over}"
    name = case.workload.fleet[0].system.name
    where = f"measure it and give it, as in fleet: [{{system: {name}, facts: {{hbm_engine_visible: …}}}}]"
    return [Finding("KV501", path, message, help=f"{where}; or {remedies_text(case)}")]

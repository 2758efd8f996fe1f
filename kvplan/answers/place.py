"""Where does it live? A workload and its fleet ▸ replicas in seats, regions in instances, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from kvplan.answers import request
from kvplan.answers.flags import PlaceFlags, given
from kvplan.answers.place_plan import Planner, Scenario, plan_of
from kvplan.answers.place_question import PlaceQuestion, open_question
from kvplan.answers.place_remedies import headroom_of, would_fit
from kvplan.answers.place_result import Place
from kvplan.answers.place_telling import binding_of, deployment_places, kv_accelerators, notes_of, ranges_of, regions_of
from kvplan.placement.plan import Plan
from kvplan.placement.planner import impossible
from kvplan.spec.facts import judge, scenarios
from kvplan.spec.workload import Workload


def place(workload: Workload | Path | str | None = None, **flags: Unpack[PlaceFlags]) -> Place:
    """Where the regions of a workload live on its fleet.

    system, count: in place of the fleet of the workload, so many racks of a system of the catalog.
    replicas, topology, memory_fraction, reserve, weights: of the deployment.
    accounting: what a region counts as: ``peak`` (its fullest, the default), ``now`` or ``reserved``.
    The rest are the flags of ``size`` but for ``pipeline_rank``. The result's ``plan`` is what ``-o`` writes.
    Raises: as ``size``. What does not fit is a result.
    """
    return answer(workload, given(flags, PlaceFlags), "python")


def answer(
    workload: Workload | Path | str | None, flags: Mapping[str, Any], style: str, *, with_headroom: bool = True
) -> Place:
    """As ``place``, with the flags as a mapping and shown in findings as they were given."""
    source = request.read_written(workload) if isinstance(workload, Path | str) else workload
    question = open_question(source, flags, style)
    result = settle(question, request.changes(flags))

    def fits_with(changes: Mapping[str, Any]) -> bool:
        """At the safe end of the facts."""
        both = {**flags, **changes, "set": {**(flags.get("set") or {}), **changes.get("set", {})}}
        changed = open_question(source, both, style)
        return Planner(changed).fits(scenarios(changed.facts).low)

    if result.fits:
        return replace(result, headroom=headroom_of(question, fits_with)) if with_headroom else result
    return replace(result, would_fit=would_fit(question, result, fits_with))


def settle(question: PlaceQuestion, changes: Mapping[str, str]) -> Place:
    """The answer without remedies and headroom: plain figures at the safe end of the facts."""
    planner, ends = Planner(question), scenarios(question.facts)
    safe = planner.scenario(ends.low)  # first: the verdict at the safe end is that of the plan that is told
    judgement = judge(
        planner.fits,
        question.facts,
        possible=lambda values: not impossible(question.parts, question.asked(values)),
    )
    plan = plan_of(question, safe, "low")
    others: list[Scenario] = []
    if any(fact.low < fact.high for fact in question.facts.values()):
        others = [planner.scenario(ends.nominal), planner.scenario(ends.high)]
    return Place(
        workload=question.workload.name,
        systems=tuple(dict.fromkeys(part.system.name for part in question.workload.fleet)),
        sequences=sum(item.request.sequences for ask in question.deployments for item in ask.classes),
        planning_quantile=float(question.workload.planning_quantile),
        verdict=judgement.verdict,
        fits=judgement.verdict == "yes",
        accelerators_for_kv=kv_accelerators(question, safe),
        regions=regions_of(safe.layout.seated),
        binding=binding_of(question, safe),
        **_figures(plan),
        deployments=deployment_places(question, safe, plan),
        would_fit=(),
        headroom=(),
        ranges=ranges_of(question, [safe, *others]) if others else {},
        depends_on=judgement.depends_on,
        notes=notes_of(question, safe),
        set=changes,
        plan=plan,
    )


def _figures(plan: Plan) -> dict[str, Any]:
    """The figures that the plan itself claims."""
    summary, bound = plan.summary, plan.bound
    return {
        "accelerators_used": summary.accelerators_used,
        "accelerators_total": summary.accelerators_total,
        "kv_pool_utilization": summary.kv_pool_utilization,
        "kv_pool_utilization_mean": summary.kv_pool_utilization_mean,
        "hbm_utilization": summary.hbm_utilization,
        "lower_bound": bound.lower_bound,
        "gap": bound.gap,
        "proved_optimal": bound.proved_optimal,
        "crossings": summary.crossings,
    }

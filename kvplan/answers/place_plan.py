"""One scenario of a place question ▸ a layout, and the Plan that tells of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from kvplan.answers.memory import HBM
from kvplan.answers.place_question import DeploymentAsk, PlaceQuestion
from kvplan.placement import assembly, plan
from kvplan.placement.assembly import Inputs, Made
from kvplan.placement.plan import Plan
from kvplan.placement.planner import Asked, DeploymentBound, Layout, bound_of, fits, lay_out
from kvplan.placement.topology import Part
from kvplan.spec.facts import Values
from kvplan.spec.fleet import FleetPart

_Rooms = tuple[tuple[tuple[int, ...], tuple[bool, ...]], ...]  # of each deployment: blocks, and whether it starts
_PHASE = "decode"  # what is resident is decoded


class Scenario(NamedTuple):
    """What one end of the facts makes of a question."""

    values: Values
    asked: tuple[Asked, ...]
    layout: Layout
    bounds: tuple[DeploymentBound, ...]

    @property
    def fits(self) -> bool:
        """Whether everything has a place."""
        return self.layout.fits(self.asked)

    @property
    def accelerators_used(self) -> int:
        """Accelerators in seats."""
        return sum(len(got.spots) * want.seat for got, want in zip(self.layout.seated, self.asked, strict=True))


class Planner:
    """Layouts of one question; equal rooms are laid out once."""

    def __init__(self, question: PlaceQuestion) -> None:
        self.question = question
        self._known: dict[_Rooms, Layout] = {}
        self._fits: dict[_Rooms, bool] = {}

    def layout(self, asked: Sequence[Asked]) -> Layout:
        """Where everything goes."""
        rooms = tuple((want.capacities, want.starts) for want in asked)
        if rooms not in self._known:
            self._known[rooms] = lay_out(self.question.parts, asked)
        return self._known[rooms]

    def fits(self, values: Values) -> bool:
        """Whether everything has a place, the facts being these numbers."""
        asked = self.question.asked(values)
        rooms = tuple((want.capacities, want.starts) for want in asked)
        if rooms not in self._fits:
            known = self._known.get(rooms)
            self._fits[rooms] = known.fits(asked) if known else fits(self.question.parts, asked)
        return self._fits[rooms]

    def scenario(self, values: Values) -> Scenario:
        """A layout with its bounds."""
        asked = self.question.asked(values)
        layout = self.layout(asked)
        bounds = tuple(
            bound_of(want, int((got.filling.held > 0).sum()) if not got.left else 0)
            for want, got in zip(asked, layout.seated, strict=True)
        )
        return Scenario(values, asked, layout, bounds)


def plan_of(question: PlaceQuestion, scenario: Scenario, name: str) -> Plan:
    """The plan of a scenario.

    name: which end of the facts it is: low, nominal or high.
    """
    asks = question.deployments
    fleet = _fleet(question.workload.fleet, question.parts, asks, scenario.values)
    made = [
        Made(planned(ask, question, scenario.values, len(got.spots)), want, got, bound)
        for ask, want, got, bound in zip(asks, scenario.asked, scenario.layout.seated, scenario.bounds, strict=True)
    ]
    inputs = Inputs(question.workload.name, fingerprint(question), name)
    return assembly.assemble(inputs, fleet, question.parts, made)


def _fleet(
    written: Sequence[FleetPart], parts: Sequence[Part], asks: Sequence[DeploymentAsk], values: Values
) -> list[plan.FleetPart]:
    found, first = [], 0
    for index, (item, part) in enumerate(zip(written, parts, strict=True)):
        fabric = part.fabric
        hbm = values[asks[0].hbm_facts[index]] if asks else item.system.fact(HBM).worst
        found.append(
            plan.FleetPart(
                system=item.system.name,
                count=item.count,
                exclude=tuple(dict.fromkeys(item.exclude)),
                first_rack=first,
                native_groups=fabric.native_groups,
                nodes=fabric.nodes,
                accelerators=fabric.accelerators,
                hbm_engine_visible_bytes=int(hbm),
            )
        )
        first += item.count
    return found


def planned(ask: DeploymentAsk, question: PlaceQuestion, values: Values, replicas: int) -> plan.PlannedDeployment:
    """A deployment as a plan tells it, with so many replicas, the facts being these numbers."""
    case, split, asked = ask.case, ask.case.served.split, ask.asked(values)
    weights = ask.memory.stage_weights_bytes
    stages = zip(weights, ask.blocks.block_bytes, strict=True)
    memories = [ask.memories(part, values)[0] for part in range(len(question.parts))]
    return plan.PlannedDeployment(
        deployment=case.deployment.name,
        model=case.model.name,
        engine=f"{case.engine.name} {case.engine.version}".rstrip(),
        kv_format=case.accountant.kv.name,
        phase=_PHASE,
        accounting=question.accounting,
        topology=case.deployment.topology,
        tensor_parallel=split.tensor_parallel,
        pipeline_parallel=split.pipeline_parallel,
        context_parallel=split.context_parallel,
        data_parallel=split.data_parallel,
        replicas=replicas,
        replicas_asked=asked.replicas,
        max_num_seqs=asked.most,
        memory_fraction=_decimal(ask),
        null_blocks=case.engine.null_blocks,
        stages=tuple(plan.Stage(ask.ranks_of_stage, weight, block) for weight, block in stages),
        rooms=tuple(
            plan.Room(part, memory.budget_bytes, memory.reserve_bytes, asked.capacities[part])
            for part, memory in enumerate(memories)
        ),
        classes=tuple(_planned_class(ask, index) for index in range(len(ask.classes))),
    )


def _planned_class(ask: DeploymentAsk, index: int) -> plan.PlannedClass:
    item, blocks = ask.classes[index], ask.blocks.prefix_blocks[index]
    prefix = item.request.prefix
    prefixes = prefix.count if prefix and blocks else 0
    request = item.request
    return plan.PlannedClass(
        request.name, request.priority, item.first_region, item.regions.number, blocks if prefixes else 0, prefixes
    )


def _decimal(ask: DeploymentAsk) -> str:
    """The memory fraction as a decimal: it was written as one, or as percent, so it ends."""
    fraction, digits = ask.memory.fraction, 0
    while (fraction * 10**digits).denominator != 1:
        digits += 1
    text = str(int(fraction * 10**digits)).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def fingerprint(question: PlaceQuestion) -> str:
    """SHA-256 of what was asked: models, engines, splits, requests; not of the fleet or its facts.

    The order of requests does not enter.
    """
    workload = question.workload
    deployments = [_identity(ask) for ask in question.deployments]
    requests = sorted(
        repr((item.name, item.deployment, item.sequences, item.input, item.output, item.prefix, item.priority))
        for item in workload.requests
    )
    asked = (question.accounting, workload.value, str(workload.planning_quantile), deployments, requests)
    return f"sha256:{hashlib.sha256(repr(asked).encode()).hexdigest()}"


def _identity(ask: DeploymentAsk) -> tuple[object, ...]:
    """What makes a deployment this one."""
    case, asked, engine = ask.case, ask.case.deployment, ask.case.engine
    model = (case.model.name, case.model.architecture, [repr(layer) for layer in case.accountant.layers])
    counted = (engine.name, engine.version, sorted(asked.engine_options.items()), engine.block_size)
    served = (case.accountant.kv.name, tuple(case.served.split), repr(asked.limits), asked.topology)
    room = (tuple(asked.replicas), ask.memory.stage_weights_bytes, str(ask.memory.fraction))
    return (asked.name, model, counted, served, room)

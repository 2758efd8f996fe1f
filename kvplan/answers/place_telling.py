"""A scenario of place ▸ what is told of it: what stops the rest, each deployment, ranges, notes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from kvplan.answers.fit_result import ends
from kvplan.answers.memory import rank_pools
from kvplan.answers.place_plan import Scenario
from kvplan.answers.place_question import DeploymentAsk, PlaceQuestion
from kvplan.answers.place_result import DeploymentPlace, Regions
from kvplan.findings import Finding
from kvplan.footprint import room
from kvplan.placement.plan import Plan
from kvplan.placement.planner import Asked, Seated
from kvplan.placement.topology import Part, Seats
from kvplan.units import ceil_div, format_bytes


def regions_of(seated: Sequence[Seated]) -> Regions:
    """Sequences, with a place and without."""
    placed = sum(got.filling.regions_placed for got in seated)
    left = sum(got.left for got in seated)
    return Regions(placed + left, placed, left, {"hbm": placed})


def kv_bytes(ask: DeploymentAsk) -> int:
    """KV of all regions over all ranks, each shared prefix once. [bytes]"""
    regions = sum(entry.size_blocks * entry.number for _, entry in ask.entries)
    copies = sum(
        blocks * (item.request.prefix.count if item.request.prefix else 0)
        for item, blocks in zip(ask.classes, ask.blocks.prefix_blocks, strict=True)
    )
    return (regions + copies) * ask.ranks_of_stage * sum(ask.blocks.block_bytes)


def kv_accelerators(question: PlaceQuestion, safe: Scenario) -> int:
    """Accelerators that the KV alone would fill: all of it ÷ the largest memory of the fleet."""
    memory = max((int(safe.values[name]) for ask in question.deployments for name in ask.hbm_facts), default=0)
    total = sum(kv_bytes(ask) for ask in question.deployments)
    return ceil_div(total, memory) if memory else 0


def binding_of(question: PlaceQuestion, safe: Scenario) -> str:
    """What stops the rest, told of the first deployment that has any: hbm, native_group, accelerators, max_num_seqs."""
    free = Seats(question.parts)
    for got in safe.layout.seated:
        for spot in got.spots:
            free.give(spot)
    for want, got in zip(safe.asked, safe.layout.seated, strict=True):
        if got.left or len(got.spots) < want.replicas:
            return _stops(question.parts, free, want, got)
    return "none"


def _stops(parts: Sequence[Part], free: Seats, want: Asked, got: Seated) -> str:
    most = max((want.capacities[part] for part in want.parts), default=0)
    least = min((piece.entry.size_blocks + piece.entry.prefix_blocks for piece in got.filling.left), default=0)
    if most <= 0 or least > most:
        return "hbm"
    seats = sum(free.room(part, want.seat, crossing=want.crossing) for part in want.parts)
    more = len(got.spots) < want.replicas or not want.replicas
    if more and not seats:
        return "native_group" if free.usable >= want.seat else "accelerators"
    if want.most and got.filling.held.size and int(got.filling.held.min()) >= want.most:
        return "max_num_seqs"
    return "hbm"


def deployment_places(question: PlaceQuestion, safe: Scenario, plan: Plan) -> tuple[DeploymentPlace, ...]:
    """Each deployment; rank figures are of the stage that has fewest blocks, on the roomiest part of the fleet."""
    found = []
    columns = zip(question.deployments, safe.asked, safe.layout.seated, plan.bound.certificates, strict=True)
    for ask, want, got, certificate in columns:
        part = max(range(len(want.capacities)), key=lambda index: (want.capacities[index], -index), default=0)
        memories = ask.memories(part, safe.values)
        costs = ask.blocks.block_bytes
        pools = [memory.pool_bytes for memory in memories]
        stage = min(range(len(costs)), key=lambda index: (pools[index] // costs[index], pools[index], index))
        memory, case = memories[stage], ask.case
        found.append(
            DeploymentPlace(
                deployment=case.deployment.name,
                model=case.model.name,
                engine=f"{case.engine.name} {case.engine.version}".rstrip(),
                kv_format=case.accountant.kv.name,
                accelerators=want.seat,
                replicas=len(got.spots),
                replicas_asked=want.replicas,
                instances=len(got.spots) * want.instances,
                accelerators_used=len(got.spots) * want.seat,
                lower_bound=certificate.accelerators,
                hbm_bytes=memory.total_bytes,
                memory_fraction=float(ask.memory.fraction),
                room_bytes=memory.budget_bytes,
                weights_bytes=memory.weights_bytes,
                weights_source=ask.memory.weights_source,
                reserve_bytes=memory.reserve_bytes,
                reserve_source=ask.memory.reserve_source,
                pool_bytes=memory.pool_bytes,
                block_bytes=costs[stage],
                capacity_blocks=want.capacities[part] if want.capacities else 0,
                kv_bytes=kv_bytes(ask),
                regions=regions_of([got]),
            )
        )
    return tuple(found)


def ranges_of(question: PlaceQuestion, found: Sequence[Scenario]) -> dict[str, dict[str, int | float]]:
    """Figures that differ between the ends of the facts, as numbers in order.

    A plan made at the safe end stays valid at every better value, so a better end never needs more accelerators.
    """
    figures = []
    least = None
    for scenario in found:
        placed = regions_of(scenario.layout.seated)
        used = scenario.accelerators_used
        if least is not None and found[0].fits:
            used = min(used, least)
        least = used
        bound = sum(item.accelerators for item in scenario.bounds)
        figures.append(
            {
                "accelerators_used": used,
                "lower_bound": bound,
                "gap": used - bound,
                "kv_pool_utilization": _fullest(scenario),
                "regions_placed": placed.placed,
                "accelerators_for_kv": kv_accelerators(question, scenario),
                "capacity_blocks": max((max(want.capacities, default=0) for want in scenario.asked), default=0),
                **_room_of_one(question, scenario),
            }
        )
    ranges = {name: ends(*(one[name] for one in figures)) for name in figures[0]}
    return {name: item for name, item in ranges.items() if item["low"] != item["high"]}


def _room_of_one(question: PlaceQuestion, scenario: Scenario) -> dict[str, int]:
    """What the room of a rank follows from, where there is one deployment on one kind of accelerator. [bytes]"""
    if len(question.deployments) != 1 or len(set(question.deployments[0].hbm_facts)) != 1:
        return {}
    ask = question.deployments[0]
    hbm, reserve = scenario.values[ask.hbm_facts[0]], scenario.values[ask.reserve_fact]
    return {"hbm_bytes": int(hbm), "reserve_bytes": int(reserve)}


def _fullest(scenario: Scenario) -> float:
    """Used ÷ capacity of the fullest instance."""
    shares = [Fraction(0)]
    for want, got in zip(scenario.asked, scenario.layout.seated, strict=True):
        fullest: dict[int, int] = {}
        for index, used in enumerate(got.filling.used.tolist()):
            part = got.spots[index // want.instances].part
            fullest[part] = max(fullest.get(part, 0), used)
        shares += [Fraction(used, want.capacities[part] or 1) for part, used in fullest.items()]
    return round(float(max(shares)), 6)


def _over_default(question: PlaceQuestion, ask: DeploymentAsk, got: Seated, safe: Scenario) -> list[Finding]:
    """More sequences in an instance than the engine admits where max_num_seqs is left out."""
    deployment, engine = ask.case.deployment, ask.case.engine
    held = int(got.filling.held.max(initial=0))
    memory = min((int(safe.values[name]) for name in ask.hbm_facts), default=0)
    default = engine.default_max_num_seqs(memory)
    if deployment.limits.max_num_seqs is not None or not default or held <= default:
        return []
    path = _path(question, ask, "limits.max_num_seqs")
    message = f"an instance holds {held:,} sequences; {engine.name} admits {default:,} at once by default"
    return [Finding("KV108", path, message, help="set limits.max_num_seqs to what the servers are told")]


def _no_start(question: PlaceQuestion, ask: DeploymentAsk, safe: Scenario) -> list[Finding]:
    """Parts of the fleet on which the engine would not start, however little is asked of it."""
    case, found = ask.case, []
    for part, item in enumerate(question.workload.fleet):
        if ask.starts(part, safe.values) or not ask.capacity(part, safe.values):
            continue
        pools = rank_pools(case, ask.memories(part, safe.values))
        told = room.describe(case.engine, pools, case.max_model_len, case.accountant.token_ranks)
        message = (
            f"{case.engine.name} would not start on {item.system.name}: one sequence of {case.max_model_len:,} tokens "
            f"needs {format_bytes(told.needed_bytes)} of a rank's pool, which has {format_bytes(told.has_bytes)}"
        )
        help = f"set limits.max_model_len to {told.estimated_len:,} or less"
        found.append(Finding("KV109", _path(question, ask, "limits.max_model_len"), message, help=help))
    return found


def _path(question: PlaceQuestion, ask: DeploymentAsk, key: str) -> str:
    index = question.workload.deployments.index(ask.case.deployment)
    return str(question.workload.written.deployment_path(index, key))


def notes_of(question: PlaceQuestion, safe: Scenario) -> tuple[Finding, ...]:
    """What is not wrong but should be known."""
    written = question.workload.written
    notes = [*question.workload.notes]
    for ask, got in zip(question.deployments, safe.layout.seated, strict=True):
        found = (*ask.case.notes, *_over_default(question, ask, got, safe), *_no_start(question, ask, safe))
        notes += [written.locate(note) for note in found]
    return tuple(dict.fromkeys(notes))

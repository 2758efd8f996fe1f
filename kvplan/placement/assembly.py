"""A layout ▸ a Plan: numbers become ids, entries become runs, and every figure that the plan claims is added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from kvplan.placement.filling import Placed
from kvplan.placement.plan import (
    Certificate,
    Copies,
    FleetPart,
    Instance,
    Leftover,
    Plan,
    PlanBound,
    PlannedDeployment,
    Replica,
    Run,
    Summary,
    TierUse,
)
from kvplan.placement.planner import Asked, DeploymentBound, Seated
from kvplan.placement.topology import Part, Spot
from kvplan.version import VERSION


class Made(NamedTuple):
    """One deployment, made: what was asked, what it got, and its bound. ``planned`` is as a plan tells it."""

    planned: PlannedDeployment
    asked: Asked
    seated: Seated
    bound: DeploymentBound


class Inputs(NamedTuple):
    """What a plan says of its inputs: names, the fingerprint, and which end of the facts it was made for."""

    workload: str
    fingerprint: str
    scenario: str


def assemble(inputs: Inputs, fleet: Sequence[FleetPart], parts: Sequence[Part], made: Sequence[Made]) -> Plan:
    """The plan of a layout, sealed."""
    replicas: list[Replica] = []
    runs: list[Run] = []
    copies: list[Copies] = []
    leftovers: list[Leftover] = []
    for one in made:
        first = sum(len(replica.instances) for replica in replicas)
        replicas += _replicas(one, fleet, parts, first)
        runs += _runs(one, first)
        copies += _copies(one, first)
        leftovers += _leftovers(one)
    bound = _bound(made, sum(len(replica.accelerators) for replica in replicas), not leftovers)
    return Plan(
        **inputs._asdict(),
        fleet=tuple(fleet),
        deployments=tuple(one.planned for one in made),
        replicas=tuple(replicas),
        runs=tuple(runs),
        copies=tuple(copies),
        leftovers=tuple(leftovers),
        tiers=(_hbm(replicas, runs),),
        bound=bound,
        summary=_summary(made, fleet, parts, replicas, runs, leftovers),
        kvplan=VERSION,
    ).sealed()


def _replicas(one: Made, fleet: Sequence[FleetPart], parts: Sequence[Part], first: int) -> Iterator[Replica]:
    planned, filling, count = one.planned, one.seated.filling, one.asked.instances
    stage_weights = sum(stage.ranks * stage.weights_bytes for stage in planned.stages)
    stage_blocks = sum(stage.ranks * stage.block_bytes for stage in planned.stages)
    rooms = {room.part: room for room in planned.rooms}
    for index, spot in enumerate(one.seated.spots):
        used = filling.used[index * count : (index + 1) * count].tolist()
        room, part = rooms[spot.part], fleet[spot.part]
        weights, reserve = count * stage_weights, len(spot.seat) * room.reserve_bytes
        hot = sum(used) * stage_blocks
        yield Replica(
            id=f"{planned.deployment}/{index}",
            deployment=planned.deployment,
            part=spot.part,
            phase=planned.phase,
            kv_format=planned.kv_format,
            **_place(spot, part, parts[spot.part]),
            weights_bytes=weights,
            reserve_bytes=reserve,
            kv_bytes_hot=hot,
            hbm_bytes_free=len(spot.seat) * part.hbm_engine_visible_bytes - weights - reserve - hot,
            first_instance=first + index * count,
            instances=tuple(Instance(blocks, room.capacity_blocks) for blocks in used),
        )


def _place(spot: Spot, part: FleetPart, tree: Part) -> dict[str, Any]:
    """Ids of a seat: accelerators in the order of ranks, groups and racks sorted; racks count through the fleet."""
    fabric, sizes = tree.fabric, tree.fabric.sizes
    skipped = part.first_rack * sizes[0]
    through = fabric._replace(racks=part.first_rack + fabric.racks)
    ids = [through.id_of(skipped + number) for number in spot.seat]
    groups = sorted({number // sizes[1] for number in spot.seat})
    names = [through.id_of(skipped + group * sizes[1]).rsplit("/", 2)[0] for group in groups]
    racks = sorted({part.first_rack + number // sizes[0] for number in spot.seat})
    rack = ",".join(f"r{number}" for number in racks)
    return {"rack": rack, "native_groups": tuple(names), "accelerators": tuple(ids)}


def _merged(pieces: Sequence[Placed]) -> Iterator[Placed]:
    """Neighbouring regions of one entry and bin together, by their first region."""
    before: Placed | None = None
    for piece in sorted(pieces, key=lambda piece: piece.first_region):
        if (
            before is not None
            and (before.entry, before.bin) == (piece.entry, piece.bin)
            and (before.first_region + before.number == piece.first_region)
        ):
            before = before._replace(number=before.number + piece.number)
            continue
        if before is not None:
            yield before
        before = piece
    if before is not None:
        yield before


def _runs(one: Made, first: int) -> Iterator[Run]:
    names = [item.class_ for item in one.planned.classes]
    for piece in _merged(one.seated.filling.placed):
        entry = piece.entry
        yield Run(names[entry.class_index], entry.size_blocks, piece.number, piece.first_region, first + piece.bin)


def _leftovers(one: Made) -> Iterator[Leftover]:
    for piece in _merged(one.seated.filling.left):
        item, entry = one.planned.classes[piece.entry.class_index], piece.entry
        yield Leftover(item.class_, entry.size_blocks, piece.number, piece.first_region, item.priority)


def _copies(one: Made, first: int) -> Iterator[Copies]:
    for index, item in enumerate(one.planned.classes):
        held = one.seated.filling.held_of.get(index, {})
        for bin in sorted(held):
            yield Copies(item.class_, item.prefix_blocks, min(item.prefixes, held[bin]), first + bin)


def _hbm(replicas: Sequence[Replica], runs: Sequence[Run]) -> TierUse:
    blocks = sum(instance.used_blocks for replica in replicas for instance in replica.instances)
    return TierUse("hbm", sum(run.count for run in runs), blocks, sum(replica.kv_bytes_hot for replica in replicas))


def _bound(made: Sequence[Made], used: int, placed_all: bool) -> PlanBound:
    certificates = tuple(
        Certificate(
            one.planned.deployment,
            one.bound.bound.kind,
            one.bound.bound.function,
            one.bound.bound.parameter,
            one.bound.bound.unit,
            one.bound.capacity_blocks,
            one.bound.instances,
            one.bound.replicas,
            one.bound.accelerators,
        )
        for one in made
    )
    lower = sum(item.accelerators for item in certificates)
    return PlanBound(lower, used - lower, placed_all and used == lower, certificates)


def _summary(
    made: Sequence[Made],
    fleet: Sequence[FleetPart],
    parts: Sequence[Part],
    replicas: Sequence[Replica],
    runs: Sequence[Run],
    leftovers: Sequence[Leftover],
) -> Summary:
    placed, unplaced = sum(run.count for run in runs), sum(item.count for item in leftovers)
    pools = Counter(instance for replica in replicas for instance in replica.instances)
    shares = {pool: Fraction(pool.used_blocks, pool.capacity_blocks or 1) for pool in pools}
    mean = sum(shares[pool] * count for pool, count in pools.items()) / (pools.total() or 1)
    seated = all(len(one.seated.spots) >= one.asked.replicas for one in made)
    return Summary(
        fits=not unplaced and seated,
        accelerators_used=sum(len(replica.accelerators) for replica in replicas),
        accelerators_total=sum(part.usable for part in parts),
        kv_pool_utilization=round(float(max(shares.values(), default=Fraction(0))), 6),
        kv_pool_utilization_mean=round(float(mean), 6),
        hbm_utilization=round(max((_hbm_share(one, fleet) for one in made), default=0.0), 6),
        crossings=sum(len(replica.native_groups) - 1 for replica in replicas),
        regions=placed + unplaced,
        placed=placed,
        unplaced=unplaced,
    )


def _hbm_share(one: Made, fleet: Sequence[FleetPart]) -> float:
    """(weights + reserve + KV) ÷ engine-visible memory of the fullest accelerator of a deployment."""
    fullest: dict[int, int] = {}
    for index, used in enumerate(one.seated.filling.used.tolist()):
        part = one.seated.spots[index // one.asked.instances].part
        fullest[part] = max(fullest.get(part, 0), used)
    rooms = {room.part: room for room in one.planned.rooms}
    return max(
        (
            float(
                Fraction(
                    stage.weights_bytes + rooms[part].reserve_bytes + used * stage.block_bytes,
                    fleet[part].hbm_engine_visible_bytes,
                )
            )
            for part, used in fullest.items()
            for stage in one.planned.stages
        ),
        default=0.0,
    )

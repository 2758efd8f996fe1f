"""A layout ▸ a Plan: numbers become ids, entries become runs, and every figure that the plan claims is added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

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
from kvplan.placement.topology import Part, Seat
from kvplan.spec.system import Fabric
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
    names = [_Names(part, tree.fabric) for part, tree in zip(fleet, parts, strict=True)]
    first = 0
    for one in made:
        replicas += _replicas(one, names, fleet, first)
        runs += _runs(one, first)
        copies += _copies(one, first)
        leftovers += _leftovers(one)
        first += len(one.seated.spots) * one.asked.instances
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


def _replicas(one: Made, names: Sequence[_Names], fleet: Sequence[FleetPart], first: int) -> Iterator[Replica]:
    planned, count = one.planned, one.asked.instances
    stage_weights = sum(stage.ranks * stage.weights_bytes for stage in planned.stages)
    stage_blocks = sum(stage.ranks * stage.block_bytes for stage in planned.stages)
    rooms, used = {room.part: room for room in planned.rooms}, one.seated.filling.used.tolist()
    for index, (number, seat) in enumerate(one.seated.spots):
        blocks = used[index * count : (index + 1) * count]
        room, hot = rooms[number], sum(blocks) * stage_blocks
        weights, reserve = count * stage_weights, len(seat) * room.reserve_bytes
        rack, groups, accelerators = names[number].of(seat)
        yield Replica(
            id=f"{planned.deployment}/{index}",
            deployment=planned.deployment,
            part=number,
            phase=planned.phase,
            kv_format=planned.kv_format,
            rack=rack,
            native_groups=groups,
            accelerators=accelerators,
            weights_bytes=weights,
            reserve_bytes=reserve,
            kv_bytes_hot=hot,
            hbm_bytes_free=len(seat) * fleet[number].hbm_engine_visible_bytes - weights - reserve - hot,
            first_instance=first + index * count,
            instances=tuple([Instance(one_used, room.capacity_blocks) for one_used in blocks]),
        )


class _Names:
    """Ids of one part of the fleet; racks count through the fleet."""

    def __init__(self, part: FleetPart, fabric: Fabric) -> None:
        self.rack_size, self.group_size = fabric.sizes[:2]
        _, groups, nodes, accelerators = fabric
        inside = [f"/n{node}/a{number}" for node in range(nodes) for number in range(accelerators)]
        self.racks = [f"r{part.first_rack + rack}" for rack in range(fabric.racks)]
        self.groups = [f"{rack}/g{group}" for rack in self.racks for group in range(groups)]
        self.accelerators = [group + end for group in self.groups for end in inside]

    def of(self, seat: Seat) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Racks joined by commas, native groups, both sorted as numbers; accelerators in the order of ranks."""
        accelerators = tuple([self.accelerators[number] for number in seat])
        first = seat[0] // self.group_size
        if seat[-1] // self.group_size == first:  # the numbers of a seat ascend
            return self.racks[seat[0] // self.rack_size], (self.groups[first],), accelerators
        groups = sorted({number // self.group_size for number in seat})
        racks = sorted({number // self.rack_size for number in seat})
        return ",".join(self.racks[rack] for rack in racks), tuple(self.groups[group] for group in groups), accelerators


def _runs(one: Made, first: int) -> Iterator[Run]:
    names = [item.class_ for item in one.planned.classes]
    entries = one.seated.filling.entries
    spans = one.seated.filling.spans
    classes, sizes = entries.classes[spans.entry].tolist(), entries.sizes[spans.entry].tolist()
    numbers, firsts, bins = spans.number.tolist(), spans.first_region.tolist(), (spans.bin + first).tolist()
    for index, size, number, region, bin in zip(classes, sizes, numbers, firsts, bins, strict=True):
        yield Run(names[index], size, number, region, bin)


def _leftovers(one: Made) -> Iterator[Leftover]:
    for piece in one.seated.filling.left:
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
    pools: defaultdict[int, list[int]] = defaultdict(list)  # capacity ▸ used, of each instance [blocks]
    for instance in (instance for replica in replicas for instance in replica.instances):
        pools[instance.capacity_blocks].append(instance.used_blocks)
    fullest = max((Fraction(max(used), capacity or 1) for capacity, used in pools.items()), default=Fraction(0))
    shares = sum((Fraction(sum(used), capacity or 1) for capacity, used in pools.items()), start=Fraction(0))
    mean = shares / (sum(map(len, pools.values())) or 1)
    seated = all(len(one.seated.spots) >= one.asked.replicas for one in made)
    return Summary(
        fits=not unplaced and seated,
        accelerators_used=sum(len(replica.accelerators) for replica in replicas),
        accelerators_total=sum(part.usable for part in parts),
        kv_pool_utilization=round(float(fullest), 6),
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
    used, count = one.seated.filling.used.tolist(), one.asked.instances
    for index, (part, _) in enumerate(one.seated.spots):
        fullest[part] = max(fullest.get(part, 0), *used[index * count : (index + 1) * count])
    rooms = {room.part: room for room in one.planned.rooms}
    return max(
        (
            float(
                Fraction(
                    stage.weights_bytes + rooms[part].reserve_bytes + blocks * stage.block_bytes,
                    fleet[part].hbm_engine_visible_bytes,
                )
            )
            for part, blocks in fullest.items()
            for stage in one.planned.stages
        ),
        default=0.0,
    )

"""The sheet of a plan: what has a place, what a rank has, the bound; then the map, the replicas, what is left over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from kvplan.placement.plan import Leftover, Plan, Replica, Room, Stage
from kvplan.report.sheet import (
    Block,
    Column,
    Map,
    Note,
    Sheet,
    Table,
    Value,
    counted,
    percent,
)
from kvplan.report.sheets.seats import filled_percent, seat_groups
from kvplan.report.sheets.systems import amount_text

_MOST_REPLICAS = 16
_MOST_RANKS = 3
_REPLICA_KEYS = (
    "id", "deployment", "rack", "native_groups", "accelerators", "used_blocks", "capacity_blocks", "kv_bytes_hot",
    "hbm_bytes_free",
)  # fmt: skip
_PROOFS = {
    "l1": "the sum of the blocks",
    "l2": "Martello and Toth's bound",
    "dff": "a dual feasible function, docs/plan.md",
}


def show_sheet(plan: Plan) -> Sheet:
    """The sheet of a plan that was saved."""
    used = f"{plan.summary.accelerators_used:,} of {counted(plan.summary.accelerators_total, 'accelerator')}"
    end = {"low": "safe"}.get(plan.scenario, plan.scenario)
    made = (f"Made by kvplan {plan.kvplan} at the {end} end of the facts.", f"Workload {plan.fingerprint}")
    lines = (_headline(plan), f"{used} are used, by {replicas_text(plan)}.", *_ranks(plan))
    notes = map(Note, (*lines, filled_text(plan), bound_text(plan), *made))
    return Sheet(f"{plan.workload}: a plan on {fleet_text(plan)}", [*notes, *plan_blocks(plan)])


def plan_blocks(plan: Plan) -> list[Block]:
    """The map, the replicas, and what is left over."""
    title = "Accelerators and what fills their memory; % is of a replica's fullest KV pool"
    blocks: list[Block] = [Map(title, list(seat_groups(plan))), _replicas(plan.replicas)]
    return [*blocks, _leftovers(plan.leftovers)] if plan.leftovers else blocks


def fleet_text(plan: Plan) -> str:
    """What the fleet is."""
    return " and ".join(part.system if part.count == 1 else f"{part.count:,} × {part.system}" for part in plan.fleet)


def replicas_text(plan: Plan) -> str:
    """How many replicas of what."""
    if len(plan.deployments) > 2:
        return f"{counted(len(plan.replicas), 'replica')} of {len(plan.deployments)} deployments"
    return " and ".join(f"{counted(item.replicas, 'replica')} of {item.model}" for item in plan.deployments)


def left_text(plan: Plan) -> str:
    """What has no place: sequences, or replicas that were asked for; nothing where all is well."""
    if plan.summary.unplaced:
        verb = "is" if plan.summary.unplaced == 1 else "are"
        return f"{plan.summary.unplaced:,} of {counted(plan.summary.regions, 'sequence')} {verb} left over"
    short = [item for item in plan.deployments if item.replicas < item.replicas_asked]
    words = " and ".join(f"{item.replicas:,} of {item.replicas_asked:,} replicas of {item.model}" for item in short)
    return f"only {words} have a seat" if short else ""


def _headline(plan: Plan) -> str:
    if not plan.summary.fits:
        return f"No: {left_text(plan)}."
    count = plan.summary.regions
    return f"Yes: {'the 1 sequence has' if count == 1 else f'all {count:,} sequences planned for have'} a place."


def filled_text(plan: Plan) -> str:
    """How full pools and accelerators are, and how often a replica leaves its native group."""
    summary = plan.summary
    return (
        f"KV pools are full to {percent(summary.kv_pool_utilization)} "
        f"(mean {percent(summary.kv_pool_utilization_mean)}), HBM to {percent(summary.hbm_utilization)}; "
        f"{counted(summary.crossings, 'crossing') if summary.crossings else 'no crossings'} between native groups."
    )


def bound_text(plan: Plan) -> str:
    """The lower bound with what proves it, and the gap."""
    proofs = " and ".join(dict.fromkeys(_PROOFS.get(item.kind, item.kind) for item in plan.bound.certificates))
    least = counted(plan.bound.lower_bound, "accelerator") + (f" (by {proofs})" if proofs else "")
    if not plan.summary.fits:
        return f"Any plan needs at least {least}."
    if plan.bound.proved_optimal:
        return f"Proved least: no plan uses fewer than {least}."
    return f"The lower bound is {least}, the gap {plan.bound.gap:,}: not proved optimal."


def memory_text(name: str, memory: Mapping[str, int], fraction: float, sources: tuple[str, str] = ("", "")) -> str:
    """What a rank sees, what is taken of it, and what is left for KV.

    memory: hbm, weights, reserve and pool [bytes], and capacity [blocks]. sources: of the weights, of the reserve.
    """
    size = {key: amount_text(value, "bytes") for key, value in memory.items()}
    weights, reserve = (f" ({source})" if source else "" for source in sources)
    return (
        f"{name}: {size['hbm']} seen × {percent(fraction)} − {size['weights']} weights{weights} − {size['reserve']} "
        f"reserve{reserve} = {size['pool']} for KV, {counted(memory['capacity'], 'block')}."
    )


def _ranks(plan: Plan) -> Iterator[str]:
    """What the ranks of each deployment have on each part of the fleet, as far as they are few."""
    kinds = [(deployment, room) for deployment in plan.deployments for room in deployment.rooms]
    for deployment, room in kinds[:_MOST_RANKS]:
        part, stage = plan.fleet[room.part], min(deployment.stages, key=partial(_blocks, room))
        name = "A rank" if len(plan.deployments) == 1 else f"{deployment.deployment}, a rank"
        memory = {
            "hbm": part.hbm_engine_visible_bytes,
            "weights": stage.weights_bytes,
            "reserve": room.reserve_bytes,
            "pool": max(0, room.memory_bytes - stage.weights_bytes - room.reserve_bytes),
            "capacity": room.capacity_blocks,
        }
        where = f" on {part.system}" if len(plan.fleet) > 1 else ""
        yield memory_text(name + where, memory, float(deployment.memory_fraction))
    if len(kinds) > _MOST_RANKS:
        yield f"{len(kinds) - _MOST_RANKS} other kinds of rank: --format json"


def _blocks(room: Room, stage: Stage) -> int:
    return (room.memory_bytes - room.reserve_bytes - stage.weights_bytes) // stage.block_bytes


class _ReplicaRows:
    """A row for each replica, made when it is read: people see few of them."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas

    def __iter__(self) -> Iterator[dict[str, Value]]:
        return map(_replica, self._replicas)


def _replicas(replicas: Sequence[Replica]) -> Table:
    rest = replicas[_MOST_REPLICAS:]
    columns = (
        Column("id", "replica"),
        Column("native_groups", "native groups"),
        Column("accelerators", "accelerators", "count"),
        Column("pool", "KV pool %", "count"),
        Column("kv_bytes_hot", "KV", "bytes"),
        Column("hbm_bytes_free", "HBM free", "bytes"),
    )
    first = [_replica(item) | {"native_groups": _few(item.native_groups)} for item in replicas[:_MOST_REPLICAS]]
    few = [*first, *([_sums(f"{len(rest):,} more", rest)] if rest else [])]
    total = _sums("all", replicas) if len(replicas) > 1 else {}
    return Table("Replicas", columns, _ReplicaRows(replicas), True, total, _REPLICA_KEYS, few)


def _replica(item: Replica) -> dict[str, Value]:
    return {
        "id": item.id,
        "deployment": item.deployment,
        "rack": item.rack,
        "native_groups": ",".join(item.native_groups),
        "accelerators": len(item.accelerators),
        "pool": filled_percent(item),
        "used_blocks": sum([one.used_blocks for one in item.instances]),
        "capacity_blocks": sum([one.capacity_blocks for one in item.instances]),
        "kv_bytes_hot": item.kv_bytes_hot,
        "hbm_bytes_free": item.hbm_bytes_free,
    }


def _few(groups: Sequence[str]) -> str:
    """Names of native groups for people: a seat over thousands of them is told by its ends."""
    return ",".join(groups) if len(groups) <= 3 else f"{groups[0]} … {groups[-1]} ({len(groups):,})"


def _sums(name: str, replicas: Sequence[Replica]) -> dict[str, Value]:
    return {
        "id": name,
        "accelerators": sum([len(item.accelerators) for item in replicas]),
        "kv_bytes_hot": sum([item.kv_bytes_hot for item in replicas]),
        "hbm_bytes_free": sum([item.hbm_bytes_free for item in replicas]),
    }


def _leftovers(leftovers: Sequence[Leftover]) -> Table:
    classes: dict[tuple[str, int], list[Leftover]] = {}
    for item in leftovers:
        classes.setdefault((item.class_, item.priority), []).append(item)
    rows: list[dict[str, Value]] = [
        {
            "class": name,
            "priority": priority,
            "regions": sum(item.count for item in those),
            "largest": max(item.size_blocks for item in those),
            "blocks": sum(item.count * item.size_blocks for item in those),
        }
        for (name, priority), those in classes.items()
    ]
    heads = (
        ("priority", "priority"),
        ("regions", "sequences"),
        ("largest", "blocks of the largest"),
        ("blocks", "blocks"),
    )
    columns = (Column("class", "class"), *(Column(key, title, "count") for key, title in heads))
    return Table("Left over", columns, rows)

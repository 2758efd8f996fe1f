"""Seats as a map: which replica sits where in every native group, and what fills the memory of each accelerator."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial

from kvplan.placement.plan import FleetPart, Plan, PlannedDeployment, Replica
from kvplan.report.sheet import Cell, MapGroup, MapRow, PartName

_ACROSS = 8  # accelerators of a row


def seat_groups(plan: Plan) -> Iterator[MapGroup]:
    """Every native group of the fleet; its rows wait until they are drawn."""
    deployments = {item.deployment: item for item in plan.deployments}
    held: dict[str, list[Replica]] = {}
    for replica in plan.replicas:
        for id in replica.native_groups:
            held.setdefault(id, []).append(replica)
    for part in plan.fleet:
        excluded = _excluded(part)
        title = part.system if len(plan.fleet) > 1 else ""
        for rack in (f"r{part.first_rack + number}" for number in range(part.count)):
            for id in (f"{rack}/g{number}" for number in range(part.native_groups)):
                here, gone = held.get(id, []), excluded.get(id, []) + excluded.get(rack, [])
                rows: Callable[[], list[MapRow]] = partial(_rows, id, part, here, deployments, gone)
                size, names = part.nodes * part.accelerators, [replica.id for replica in here]
                yield MapGroup(id, rack, title, size, names, _likeness(id, here, gone), rows)


def _excluded(part: FleetPart) -> dict[str, list[str]]:
    """Excluded ids, with racks counted through the fleet, by the native group or rack that they are or lie in."""
    found: dict[str, list[str]] = {}
    for id in part.exclude:
        rack, *below = id.split("/")
        names = (f"r{part.first_rack + int(rack.removeprefix('r'))}", *below)
        found.setdefault("/".join(names[:2]), []).append("/".join(names))
    return found


def _likeness(id: str, replicas: Sequence[Replica], excluded: Sequence[str]) -> Hashable:
    """Equal for native groups with like seats, as full to a percent, and like gaps; words where nothing is drawn."""
    if any(len(name) <= len(id) for name in excluded):
        return "all excluded"
    if not replicas and not excluded:
        return "all spare"
    seats = ((item.part, item.deployment, filled_percent(item), *_seats(id, item)) for item in replicas)
    return tuple(sorted(seats)), tuple(sorted(name.removeprefix(id) for name in excluded))


def _seats(id: str, replica: Replica) -> Iterator[tuple[int, str]]:
    """Ranks of a replica that lie in a native group, with their ids inside it."""
    start = len(id) + 1
    return ((rank, seat[start:]) for rank, seat in enumerate(replica.accelerators) if seat.startswith(f"{id}/"))


def filled_percent(replica: Replica) -> int:
    """How full the fullest pool of a replica is; 0 and 100 only where it is empty or full. [%]"""
    full = max([100 * item.used_blocks / (item.capacity_blocks or 1) for item in replica.instances])
    return round(full) if 1 <= full <= 99 else 1 if 0 < full < 1 else 99 if 99 < full < 100 else int(full)


def _rows(
    id: str,
    part: FleetPart,
    replicas: Sequence[Replica],
    deployments: Mapping[str, PlannedDeployment],
    excluded: Sequence[str],
) -> list[MapRow]:
    """A row of cells for each node of a native group, or for each eight accelerators of a larger node."""
    used: dict[str, Cell] = {}
    for replica in replicas:
        cells = list(_cells(part, replica, deployments[replica.deployment]))
        used |= {seat: cells[rank] for rank, seat in _seats(id, replica)}
    gone = {name[len(id) + 1 :] for name in excluded}
    rows: list[MapRow] = []
    for node in (f"n{number}" for number in range(part.nodes)):
        for start in range(0, part.accelerators, _ACROSS):
            seats = [f"{node}/a{number}" for number in range(start, min(start + _ACROSS, part.accelerators))]
            empty = {seat: Cell("", (), "excluded" if {node, seat} & gone else "spare") for seat in seats}
            label = seats[0] if part.accelerators > _ACROSS else node
            rows.append(MapRow(label, [used.get(seat, empty[seat]) for seat in seats]))
    return rows


def _cells(part: FleetPart, replica: Replica, deployment: PlannedDeployment) -> Iterator[Cell]:
    """What fills the memory of each rank."""
    room = next(room for room in deployment.rooms if room.part == replica.part)
    for instance in replica.instances:
        for stage in deployment.stages:
            kv_bytes = instance.used_blocks * stage.block_bytes
            sizes: Mapping[PartName, int] = {
                "weights": stage.weights_bytes,
                "reserve": room.reserve_bytes,
                "kv": kv_bytes,
                "free": max(0, room.memory_bytes - stage.weights_bytes - room.reserve_bytes - kv_bytes),
                "outside": part.hbm_engine_visible_bytes - room.memory_bytes,
            }
            shares = [(name, size / part.hbm_engine_visible_bytes) for name, size in sizes.items()]
            yield from [Cell(replica.id, shares, "used", f"{filled_percent(replica)}%")] * stage.ranks

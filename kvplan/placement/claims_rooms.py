"""Claims about rooms: what an instance has on each part, and that weights, reserve and KV fit every accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kvplan.findings import Finding
from kvplan.placement.claims import Told
from kvplan.placement.claims_rows import Deployment, Part, Replica, Room


def _fault(path: str, message: str, help: str = "") -> Finding:
    return Finding("KV604", path, message, help=help)


def _differs(path: str, said: int, true: int, what: str) -> Iterator[Finding]:
    if said != true:
        yield _fault(path, f"says {said}, but {what} is {true}")


def room_findings(told: Told) -> Iterator[Finding]:
    """Every room follows from its part and stages, every replica's bytes from its room."""
    for number, deployment in enumerate(told.deployments):
        yield from _deployment_findings(told, f"deployments[{number}]", deployment)
    seats: dict[tuple[int, int], _Seat] = {}
    for number, replica in enumerate(told.replicas):
        home = told.number_of.get(replica.deployment)
        if home is None or replica.part >= len(told.fleet):
            continue  # the claim about seats says so
        room, path = told.room_of.get((home, replica.part)), f"replicas[{number}]"
        if room is None:
            yield _fault(f"{path}.part", f"`{replica.deployment}` has no room on part {replica.part}")
        else:
            key = home, replica.part
            if key not in seats:
                seats[key] = _seat(told.deployments[home], told.fleet[replica.part], room)
            yield from _replica_findings(path, replica, room, seats[key])


def _deployment_findings(told: Told, path: str, deployment: Deployment) -> Iterator[Finding]:
    if not any(stage.block_bytes for stage in deployment.stages):
        yield _fault(f"{path}.stages", "no stage stores blocks")
    seen: set[int] = set()
    for index, room in enumerate(deployment.rooms):
        at = f"{path}.rooms[{index}]"
        if room.part >= len(told.fleet):
            yield _fault(f"{at}.part", f"says part {room.part} of a fleet of {len(told.fleet)} parts")
        elif room.part in seen:
            yield _fault(f"{at}.part", f"part {room.part} has another room of this deployment")
        else:
            memory = deployment.memory_bytes(told.fleet[room.part])
            capacity = max(0, deployment.free_blocks(memory, room.reserve_bytes))
            yield from _differs(f"{at}.memory_bytes", room.memory_bytes, memory, "the share of the memory")
            yield from _differs(f"{at}.capacity_blocks", room.capacity_blocks, capacity, "what its tightest stage has")
        seen.add(room.part)


class _Seat(NamedTuple):
    """What every replica of a deployment on one part must say. [blocks, bytes]

    free_blocks: what fits the tightest accelerator beside weights and reserve. hot_bytes: of one used block.
    """

    free_blocks: int
    hbm_bytes: int
    weights_bytes: int
    reserve_bytes: int
    hot_bytes: int


def _seat(deployment: Deployment, part: Part, room: Room) -> _Seat:
    stages, data = deployment.stages, deployment.data_parallel
    ranks = data * sum(stage.ranks for stage in stages)
    return _Seat(
        free_blocks=deployment.free_blocks(deployment.memory_bytes(part), room.reserve_bytes),
        hbm_bytes=ranks * part.hbm_engine_visible_bytes,
        weights_bytes=data * sum(stage.ranks * stage.weights_bytes for stage in stages),
        reserve_bytes=ranks * room.reserve_bytes,
        hot_bytes=sum(stage.ranks * stage.block_bytes for stage in stages),
    )


def _replica_findings(path: str, replica: Replica, room: Room, seat: _Seat) -> Iterator[Finding]:
    """The instances of one replica against their room, and its sums over accelerators."""
    for index, (used, capacity) in enumerate(replica.instances):
        if capacity == room.capacity_blocks and used <= seat.free_blocks:
            continue
        at = f"{path}.instances[{index}]"
        yield from _differs(f"{at}.capacity_blocks", capacity, room.capacity_blocks, f"the room on part {room.part}")
        if used > seat.free_blocks:
            message = f"says {used}, but {seat.free_blocks} fit an accelerator beside weights and reserve"
            yield _fault(f"{at}.used_blocks", message)
    hot = seat.hot_bytes * sum(instance.used_blocks for instance in replica.instances)
    left = seat.hbm_bytes - seat.weights_bytes - seat.reserve_bytes - hot
    yield from _differs(f"{path}.weights_bytes", replica.weights_bytes, seat.weights_bytes, "the sum over its ranks")
    yield from _differs(f"{path}.reserve_bytes", replica.reserve_bytes, seat.reserve_bytes, "the sum over its ranks")
    yield from _differs(f"{path}.kv_bytes_hot", replica.kv_bytes_hot, hot, "what its used blocks take")
    yield from _differs(f"{path}.hbm_bytes_free", replica.hbm_bytes_free, left, "what is left")

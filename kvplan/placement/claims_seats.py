"""Claims about the fleet and the seats in it: every accelerator exists, may be used, and is used once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kvplan.findings import Finding
from kvplan.placement.claims import Told
from kvplan.placement.claims_rows import Deployment, Replica, parse_place
from kvplan.units import MAX_INTEGER

_NUMBER = r"(0|[1-9]\d{0,17})"  # one spelling for each number: an accelerator has one id
_NODE = re.compile(f"r{_NUMBER}/g{_NUMBER}/n{_NUMBER}", re.ASCII)
_LAST = re.compile(f"a{_NUMBER}", re.ASCII)


def _fault(path: str, message: str, help: str = "") -> Finding:
    return Finding("KV603", path, message, help=help)


def fleet_findings(told: Told) -> Iterator[Finding]:
    """Racks are numbered through all parts; what is excluded is a place of its part, named once."""
    for number, (part, first) in enumerate(zip(told.fleet, told.first_racks, strict=True)):
        path = f"fleet[{number}]"
        if part.first_rack != first:
            yield _fault(f"{path}.first_rack", f"says {part.first_rack}, but {first} racks stand before it")
        seen: set[tuple[int, ...]] = set()
        for index, id in enumerate(part.exclude):
            place = parse_place(id)
            if not place or not part.has(place):
                yield _fault(f"{path}.exclude[{index}]", f"`{id[:80]}` is no place of this part")
            elif place in seen:
                yield _fault(f"{path}.exclude[{index}]", f"`{id[:80]}` is excluded twice")
            seen.add(place)


def accelerators_total(told: Told) -> int:
    """Accelerators of the fleet, without those excluded."""
    total = 0
    for part, excluded in zip(told.fleet, told.excluded, strict=True):
        total += part.count_ * part.sizes[0]
        # What lies in another excluded place is counted with it.
        outer = [place for place in excluded if not any(place[:length] in excluded for length in range(1, len(place)))]
        total -= sum(part.sizes[len(place) - 1] for place in outer)
    return total


def seat_findings(told: Told) -> Iterator[Finding]:
    """Replicas follow their deployments; each sits on accelerators of its part that no other sits on."""
    yield from _deployment_findings(told)
    seated, last, first_instance = [0] * len(told.deployments), 0, 0
    seating = _Seating(told)
    for number, replica in enumerate(told.replicas):
        path = f"replicas[{number}]"
        home = told.number_of.get(replica.deployment)
        if home is None:
            yield _fault(f"{path}.deployment", f"no deployment is called `{replica.deployment}`")
            continue
        if home < last:
            yield _fault(f"{path}.deployment", "replicas do not follow the order of deployments")
        last, deployment = home, told.deployments[home]
        yield from _replica_findings(path, replica, deployment, seated[home], first_instance)
        seated[home] += 1
        first_instance += deployment.data_parallel
        if replica.part >= len(told.fleet):
            yield _fault(f"{path}.part", f"says part {replica.part} of a fleet of {len(told.fleet)} parts")
        else:
            yield from seating.findings(path, number)
            if deployment.topology == "required" and len(replica.native_groups) > 1:
                message = (
                    f"the seat touches {len(replica.native_groups)} native groups, but its topology is required: one"
                )
                yield _fault(f"{path}.native_groups", message)
    for number, (deployment, count) in enumerate(zip(told.deployments, seated, strict=True)):
        path = f"deployments[{number}]"
        if deployment.replicas != count:
            yield _fault(f"{path}.replicas", f"says {deployment.replicas}, but {count} are seated")
        if 0 < deployment.replicas_asked < count:
            yield _fault(f"{path}.replicas_asked", f"says {deployment.replicas_asked}, but {count} are seated")


def _deployment_findings(told: Told) -> Iterator[Finding]:
    for number, deployment in enumerate(told.deployments):
        path = f"deployments[{number}]"
        if told.number_of[deployment.deployment] != number:
            yield _fault(f"{path}.deployment", f"`{deployment.deployment}` is the name of another deployment")
        stages = len(deployment.stages)
        if stages != deployment.pipeline_parallel:
            message = f"has {stages} stages, but pipeline_parallel says {deployment.pipeline_parallel}"
            yield _fault(f"{path}.stages", message)
        for index, stage in enumerate(deployment.stages):
            if stage.ranks != deployment.stage_ranks:
                message = f"says {stage.ranks}, but tensor × context ranks are {deployment.stage_ranks}"
                yield _fault(f"{path}.stages[{index}].ranks", message)


def _replica_findings(
    path: str, replica: Replica, deployment: Deployment, number: int, first_instance: int
) -> Iterator[Finding]:
    """What a replica repeats of its deployment, and how many of each thing it has."""
    for name, said, true in (
        ("id", replica.id, f"{deployment.deployment}/{number}"),
        ("phase", replica.phase, deployment.phase),
        ("kv_format", replica.kv_format, deployment.kv_format),
        ("first_instance", replica.first_instance, first_instance),
    ):
        if said != true:
            yield _fault(f"{path}.{name}", f"says {said}, but is {true}")
    for name, count, wanted in (
        ("accelerators", len(replica.accelerators), deployment.seat),
        ("instances", len(replica.instances), deployment.data_parallel),
    ):
        if count != wanted:
            yield _fault(f"{path}.{name}", f"has {count}, but the split of `{deployment.deployment}` has {wanted}")


class _Node(NamedTuple):
    """A node of a part, its rack counted inside the part, and whether all of it is excluded."""

    place: tuple[int, int, int]
    excluded: bool


class _Seating:
    """Who has which accelerator, as far as seats have been looked at."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self._taken: dict[str, int] = {}  # id ▸ the replica that has it
        self._nodes: dict[tuple[int, str], _Node | None] = {}  # looked up once: seats hold many of one node
        self._numbers: dict[str, int] = {}

    def findings(self, path: str, number: int) -> Iterator[Finding]:
        """What is wrong with the accelerators of a replica, or else with what it says of where they are."""
        replica = self.told.replicas[number]
        first = self.told.first_racks[replica.part]
        groups: set[tuple[int, int]] = set()
        sound = True
        for index, id in enumerate(replica.accelerators):
            stem, _, last = id.rpartition("/")
            node = self._node(replica.part, stem)
            fault = self._fault(id, replica.part, node, last)
            self._taken.setdefault(id, number)
            if fault or node is None:
                sound = False
                yield _fault(f"{path}.accelerators[{index}]", f"`{id[:80]}` {fault}")
            else:
                groups.add((first + node.place[0], node.place[1]))
        if sound:
            yield from _group_findings(path, replica, sorted(groups))

    def _fault(self, id: str, part: int, node: _Node | None, last: str) -> str:
        """What is wrong with an accelerator; nothing if it may be used and is not."""
        if last not in self._numbers:
            match = _LAST.fullmatch(last)
            self._numbers[last] = int(match[1]) if match else MAX_INTEGER
        number = self._numbers[last]
        if node is None or number >= self.told.fleet[part].accelerators:
            return f"is no accelerator of part {part}"
        if node.excluded or (*node.place, number) in self.told.excluded[part]:
            return "is excluded"
        return f"is used by `{self.told.replicas[self._taken[id]].id}` already" if id in self._taken else ""

    def _node(self, number: int, stem: str) -> _Node | None:
        """The node before the last part of an id; None where the part has no such place."""
        key = number, stem
        if key not in self._nodes:
            match = _NODE.fullmatch(stem)
            rack, group, node = map(int, match.groups()) if match else (-1, 0, 0)
            place = (rack - self.told.first_racks[number], group, node)
            excluded = not self.told.excluded[number].isdisjoint((place[:1], place[:2], place))
            self._nodes[key] = _Node(place, excluded) if self.told.fleet[number].has(place) else None
        return self._nodes[key]


def _group_findings(path: str, replica: Replica, groups: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    names = [f"r{rack}/g{group}" for rack, group in groups]
    racks = ",".join(f"r{rack}" for rack in sorted({rack for rack, _ in groups}))
    if list(replica.native_groups) != names:
        said, true = ", ".join(replica.native_groups[:9]), ", ".join(names[:9])
        yield _fault(f"{path}.native_groups", f"says {said}, but the seat touches {true}")
    if replica.rack != racks:
        yield _fault(f"{path}.rack", f"says {replica.rack[:80]}, but the seat is in {racks[:80]}")

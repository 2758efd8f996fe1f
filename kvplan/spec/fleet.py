"""What there is to place on: racks of systems, what is left out, which facts are replaced, as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kvplan.errors import SpecError
from kvplan.findings import join_path
from kvplan.spec.facts import Fact
from kvplan.spec.kinds import INVALID, Many, Reading, Reads, Text, Whole, shown
from kvplan.spec.reader import Spec, key
from kvplan.spec.system import Fabric, System, with_facts
from kvplan.spec.systems import FACTS_KIND, resolve_system
from kvplan.spec.tree import Tree

MAX_RACKS = 1 << 16
MAX_ACCELERATORS = 1 << 17  # a thousand AL128 racks: a plan names each of them
MEMORY = "hbm_engine_visible"
_COUNTS = ("rack_accelerators", "native_group_accelerators")


def _read_system(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    try:
        return resolve_system(tree, path)
    except SpecError as error:
        finding = error.findings[0]
        return reading.fault(finding.rule, finding.path, finding.message, help=finding.help)


SYSTEM = Reads("the name of a system, like al128", _read_system)


@dataclass(frozen=True, kw_only=True)
class FleetPart:
    """Racks of one system.

    exclude: ids inside the part, whose racks are r0, r1, …; count may be 0.
    facts: replaced by what was measured or is to be assumed; after reading they stand in ``system``.
    """

    system: System = key(SYSTEM, "a system of the catalog")
    count: int = key(Whole(0, MAX_RACKS), "racks, servers or pods of it", default=1)
    exclude: tuple[str, ...] = key(Many(Text(), most=4096), "ids that may not be used, like r0/g1/n3", default=())
    facts: Mapping[str, Fact] = key(FACTS_KIND, "facts that are replaced", factory=dict)

    @property
    def fabric(self) -> Fabric:
        """The tree of all its racks."""
        return self.system.fabric._replace(racks=self.count)


def _read_part(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if isinstance(tree, dict) and tree.get("exclude") == []:
        tree = {name: node for name, node in tree.items() if name != "exclude"}
    part = Spec(FleetPart, "a mapping like {system: al128, count: 1}").read(tree, path, reading)
    if part is INVALID:
        return INVALID
    try:
        system = with_facts(part.system, part.facts, join_path(path, "facts"))
        part = FleetPart(system=system, count=part.count, exclude=part.exclude, facts=part.facts)
        fabric = part.fabric
    except SpecError as error:
        finding = error.findings[0]
        return reading.fault(finding.rule, finding.path, finding.message, help=finding.help, note=finding.note)
    for name in _COUNTS:
        fact = system.facts.get(name)
        if fact is not None and fact.low < fact.high:
            message = f"`{name}` is a range: seats are made for one number"
            at = join_path(join_path(path, "facts"), name)
            return reading.fault("KV010", at, message, help="give it as {value: …}")
    memory = system.facts.get(MEMORY)
    if memory is not None and memory.low < 1:
        at = join_path(join_path(path, "facts"), MEMORY)
        return reading.fault("KV010", at, "an accelerator with no memory at all", help="write at least one byte")
    memory = system.facts.get("hbm_engine_visible")
    if memory is not None and memory.low < 1:
        at = join_path(path, "facts.hbm_engine_visible")
        return reading.fault("KV010", at, "accelerators without memory", help="write what an engine sees: 150 GB")
    if fabric.total > MAX_ACCELERATORS:
        message = f"{fabric.total:,} accelerators, more than {MAX_ACCELERATORS:,}"
        return reading.fault("KV010", join_path(path, "count"), message, help="plan a part of the fleet at a time")
    return part if _excludes_exist(part, path, reading) else INVALID


def _excludes_exist(part: FleetPart, path: str, reading: Reading) -> bool:
    fabric, sound = part.fabric, True
    for index, id in enumerate(part.exclude):
        if fabric.find(id) is None:
            at = join_path(join_path(path, "exclude"), index)
            last = f"r{part.count - 1}/g{fabric.native_groups - 1}/n{fabric.nodes - 1}/a{fabric.accelerators - 1}"
            has = f"ids of this part go from r0 to {last}" if part.count else "this part has no racks"
            reading.fault("KV011", at, f"{shown(id)} is no place of {part.count} × {part.system.name}", help=has)
            sound = False
    return sound


FLEET = Many(Reads("a mapping like {system: al128, count: 1}", _read_part), most=64)


def fleet_of(system: System) -> tuple[FleetPart, ...]:
    """What ``system:`` stands for: one of it."""
    return (FleetPart(system=system),)

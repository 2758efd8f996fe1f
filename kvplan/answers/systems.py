"""Which systems are known, and what is known of each: facts with range, status and source, and the fabric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from kvplan.answers.size_result import FORMAT_VERSION
from kvplan.spec import catalog
from kvplan.spec.facts import Fact, plain
from kvplan.spec.system import FACTS, System
from kvplan.spec.systems import catalog_system, resolve_system
from kvplan.version import VERSION

LISTED = ("hbm_brochure", "hbm_engine_visible", "hbm_bandwidth", "scaleup_bandwidth")  # facts of the list


class FactLine(NamedTuple):
    """One fact; the numbers are None where it is undisclosed and there is not even a range."""

    low: int | float | None
    nominal: int | float | None
    high: int | float | None
    unit: str
    status: str
    source: str
    note: str
    meaning: str


@dataclass(frozen=True)
class SystemLine:
    """A system on a line: counts of its fabric, each in its parent, and the facts that are compared."""

    system: str
    title: str
    accelerator: str
    availability: str
    topology: str
    accelerators: int
    native_groups: int
    native_group_accelerators: int
    node_accelerators: int
    hbm_brochure: FactLine
    hbm_engine_visible: FactLine
    hbm_bandwidth: FactLine
    scaleup_bandwidth: FactLine

    def to_dict(self) -> dict[str, Any]:
        """The JSON of one entry of the list."""
        tree = {item.name: getattr(self, item.name) for item in fields(self)}
        return tree | {name: tree[name]._asdict() for name in LISTED}


@dataclass(frozen=True)
class SystemList:
    """Every system of the catalog."""

    systems: tuple[SystemLine, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the list."""
        systems = [line.to_dict() for line in self.systems]
        return {"format_version": FORMAT_VERSION, "kind": "systems", "kvplan": VERSION, "systems": systems}


@dataclass(frozen=True)
class SystemView:
    """All that is known of a system.

    native_groups, nodes: how many are in their parent; native_group_accelerators, node_accelerators: how large one is.
    node_status: how the size of a node is known; undisclosed where the native group stands in for it.
    facts: in the order of the documentation; those without a number have their numbers None.
    not_supported: what the part does not offer: name ▸ {source, note}.
    traits: name ▸ {text, status, source, note}. sources: what the ids stand for.
    """

    system: str
    title: str
    accelerator: str
    availability: str
    topology: str
    accelerators: int
    native_groups: int
    native_group_accelerators: int
    nodes: int
    node_accelerators: int
    node_status: str
    facts: Mapping[str, FactLine]
    not_supported: Mapping[str, Mapping[str, str]]
    traits: Mapping[str, Mapping[str, str]]
    sources: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the view."""
        tree: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        tree["facts"] = {name: line._asdict() for name, line in self.facts.items()}
        tree["not_supported"] = {name: dict(refusal) for name, refusal in self.not_supported.items()}
        tree["traits"] = {name: dict(trait) for name, trait in self.traits.items()}
        tree["sources"] = dict(self.sources)
        return {"format_version": FORMAT_VERSION, "kind": "system", "kvplan": VERSION, **tree}


def list_systems() -> SystemList:
    """Every system of the catalog, AL128 first."""
    return SystemList(tuple(_line(catalog_system(name)) for name in catalog.system_names()))


def show_system(name: str) -> SystemView:
    """What is known of a system.

    Raises: SpecError (KV011) for an unknown name.
    """
    return view(resolve_system(name, "system"))


def view(system: System) -> SystemView:
    """All that is known of a system, whether of the catalog or with facts replaced."""
    fabric = system.fabric
    _, group, node, _ = fabric.sizes
    known = system.facts.get("node_accelerators")
    refused = {name: gap for name, gap in system.gaps.items() if gap.status == "not_supported"}
    return SystemView(
        system=system.name,
        title=system.title,
        accelerator=system.accelerator,
        availability=system.availability,
        topology=system.topology,
        accelerators=fabric.total,
        native_groups=fabric.native_groups,
        native_group_accelerators=group,
        nodes=fabric.nodes,
        node_accelerators=node,
        node_status=known.status if known else "undisclosed",
        facts={name: _fact_line(system, name) for name in FACTS if name in {*system.facts, *system.gaps} - {*refused}},
        not_supported={name: {"source": gap.source, "note": gap.note} for name, gap in refused.items()},
        traits={name: trait._asdict() for name, trait in system.traits.items()},
        sources=system.sources,
    )


def _line(system: System) -> SystemLine:
    fabric = system.fabric
    _, group, node, _ = fabric.sizes
    brochure, visible, bandwidth, scaleup = (_fact_line(system, name) for name in LISTED)
    return SystemLine(
        system=system.name,
        title=system.title,
        accelerator=system.accelerator,
        availability=system.availability,
        topology=system.topology,
        accelerators=fabric.total,
        native_groups=fabric.native_groups,
        native_group_accelerators=group,
        node_accelerators=node,
        hbm_brochure=brochure,
        hbm_engine_visible=visible,
        hbm_bandwidth=bandwidth,
        scaleup_bandwidth=scaleup,
    )


def _fact_line(system: System, name: str) -> FactLine:
    kind = FACTS[name]
    fact: Fact | None = system.facts.get(name)
    if fact is None:
        gap = system.gaps[name]
        return FactLine(None, None, None, kind.unit, gap.status, gap.source, gap.note, kind.doc)
    numbers = (plain(fact.low), plain(fact.nominal), plain(fact.high))
    return FactLine(*numbers, fact.unit, fact.status, fact.source, fact.note, kind.doc)

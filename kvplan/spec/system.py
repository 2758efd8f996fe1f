"""A system: its facts by name, what is not known or not offered, and its fabric as a tree.

It knows which facts there are and what they count; how they are written is read elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from kvplan.errors import SpecError
from kvplan.findings import Finding, join_path
from kvplan.spec.facts import Fact
from kvplan.spec.kinds import nearest


class FactKind(NamedTuple):
    """What a fact counts: its unit, its meaning, and whether more of it leaves more room."""

    unit: str
    doc: str
    more_is_better: bool = True


# Of one accelerator and in one direction, unless the meaning says otherwise. FLOP/s are dense.
FACTS: Mapping[str, FactKind] = {
    "hbm_brochure": FactKind("bytes", "memory as sold"),
    "hbm_reported": FactKind("bytes", "memory as the vendor's tool reports it"),
    "hbm_engine_visible": FactKind("bytes", "memory that an engine sees: what plans count with"),
    "hbm_bandwidth": FactKind("bytes/s", "peak bandwidth of the memory"),
    "flops_fp16": FactKind("flop/s", "fp16 and bf16 operations"),
    "flops_bf16": FactKind("flop/s", "bf16 operations, where fp16 is not named"),
    "flops_fp8": FactKind("flop/s", "fp8 operations"),
    "flops_fp4": FactKind("flop/s", "fp4 operations"),
    "flops_int8": FactKind("flop/s", "int8 operations"),
    "dies": FactKind("dies", "dies in a package"),
    "rack_accelerators": FactKind("accelerators", "accelerators in a rack; else one native group"),
    "native_group_accelerators": FactKind("accelerators", "accelerators in a native group"),
    "node_accelerators": FactKind("accelerators", "accelerators in a node; else the native group"),
    "scaleup_links": FactKind("links", "links into the scale-up fabric"),
    "scaleup_link_bandwidth": FactKind("bytes/s", "one of these links"),
    "scaleup_headline": FactKind("bytes/s", "scale-up bandwidth as advertised, both directions together"),
    "scaleup_bandwidth": FactKind("bytes/s", "all scale-up links together"),
    "scaleup_bandwidth_achieved": FactKind("bytes/s", "what software gets of it inside a native group"),
    "scaleup_pair_bandwidth": FactKind("bytes/s", "between two accelerators"),
    "switch_bandwidth": FactKind("bytes/s", "one switch of the scale-up fabric"),
    "switch_latency": FactKind("s", "one hop through the fabric, without software", more_is_better=False),
    "pair_latency": FactKind("s", "between two accelerators, as software sees it", more_is_better=False),
    "collective_latency": FactKind("s", "smallest collective over a native group", more_is_better=False),
    "internode_bandwidth_loss": FactKind("share", "bandwidth lost from node to node", more_is_better=False),
    "inter_group_bandwidth": FactKind("bytes/s", "from native group to native group in a rack"),
    "inter_group_latency": FactKind("s", "from native group to native group in a rack", more_is_better=False),
    "scaleout_bandwidth": FactKind("bytes/s", "network beyond the scale-up fabric"),
    "inter_rack_latency": FactKind("s", "from rack to rack", more_is_better=False),
    "host_memory": FactKind("bytes", "memory of the host, its share"),
    "host_bandwidth": FactKind("bytes/s", "link to the host"),
    "host_bandwidth_measured": FactKind("bytes/s", "what copies to the host get of it"),
    "remote_memory_bandwidth": FactKind("bytes/s", "to the pooled memory of other hosts"),
    "cxl_memory": FactKind("bytes", "CXL memory, its share"),
    "cxl_bandwidth": FactKind("bytes/s", "to CXL memory"),
    "cxl_latency": FactKind("s", "to CXL memory, added", more_is_better=False),
    "nvme_memory": FactKind("bytes", "NVMe storage of a node"),
    "nvme_bandwidth": FactKind("bytes/s", "NVMe storage of a node, reading"),
    "power": FactKind("W", "power", more_is_better=False),
    "rack_power": FactKind("W", "power of a rack", more_is_better=False),
}


class Gap(NamedTuple):
    """A fact without a number: nobody has said it (undisclosed), or the part does not offer it (not_supported)."""

    status: str
    source: str
    note: str


class Trait(NamedTuple):
    """Something about a system that is words, not a number."""

    text: str
    status: str
    source: str
    note: str


_ID = re.compile(r"r(\d{1,6})(?:/g(\d{1,6})(?:/n(\d{1,6})(?:/a(\d{1,6}))?)?)?", re.ASCII)


class Fabric(NamedTuple):
    """Racks ▸ native groups ▸ nodes ▸ accelerators: how many of each are in their parent, all alike.

    Ids (``r0/g1/n3/a5``) count within the parent; accelerators are also numbered through, from 0.
    """

    racks: int
    native_groups: int
    nodes: int
    accelerators: int

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Accelerators in a rack, a native group, a node, and one."""
        group = self.nodes * self.accelerators
        return self.native_groups * group, group, self.accelerators, 1

    @property
    def total(self) -> int:
        """Accelerators in all racks."""
        return self.racks * self.sizes[0]

    def find(self, id: str) -> range | None:
        """The numbers of the accelerators under an id; None if there is no such place.

        >>> Fabric(1, 2, 8, 8).find("r0/g1/n3"), Fabric(1, 2, 8, 8).find("r1")
        (range(88, 96), None)
        """
        match = _ID.fullmatch(id)
        if match is None:
            return None
        places = [int(part) for part in match.groups() if part is not None]
        if any(place >= count for place, count in zip(places, self, strict=False)):
            return None
        start = sum(place * size for place, size in zip(places, self.sizes, strict=False))
        return range(start, start + self.sizes[len(places) - 1])

    def id_of(self, number: int) -> str:
        """The id of an accelerator.

        >>> Fabric(1, 2, 8, 8).id_of(93)
        'r0/g1/n3/a5'
        """
        parts = []
        for letter, size in zip("rgna", self.sizes, strict=True):
            place, number = divmod(number, size)
            parts.append(f"{letter}{place}")
        return "/".join(parts)

    def ids(self) -> Iterator[str]:
        """The ids of all accelerators, by number."""
        return (self.id_of(number) for number in range(self.total))


@dataclass(frozen=True)
class System:
    """One rack, or what stands in for it: a server of 8, a pod.

    name: its name in the catalog.
    title: what it is, in words.
    accelerator: name of the part.
    availability: whether it can be had.
    topology: switch (all to all through switches), mesh (a link to each neighbour), torus, or undisclosed.
    facts: name ▸ fact; every name is one of FACTS.
    gaps: name ▸ why there is no number.
    traits: what is words.
    sources: what the ids in sources stand for.
    """

    name: str
    title: str
    accelerator: str
    availability: str
    topology: str
    facts: Mapping[str, Fact]
    gaps: Mapping[str, Gap]
    traits: Mapping[str, Trait]
    sources: Mapping[str, str]

    def fact(self, name: str) -> Fact:
        """A fact by name.

        Raises: SpecError (KV008 if nobody has said it, KV011 if the part does not offer it or there is no such fact).
        """
        if name in self.facts:
            return self.facts[name]
        check_name(name, "facts")
        gap = self.gaps.get(name)
        path = join_path("facts", name)
        if gap is not None and gap.status == "not_supported":
            raise SpecError([Finding("KV011", path, f"{self.name} does not offer `{name}`", note=gap.note)])
        message = f"{self.name} has no `{name}`: {FACTS[name].doc} is undisclosed"
        raise SpecError([Finding("KV008", path, message, help=f"give it under `facts:` as {{{name}: {{value: …}}}}")])

    @property
    def fabric(self) -> Fabric:
        """The tree of one rack, from the nominal counts; where the node is undisclosed it is the native group.

        Raises: SpecError (KV008, KV010) if a count is missing or they do not divide.
        """
        return _fabric(self, "facts")


def _fabric(system: System, path: str) -> Fabric:
    group = int(system.fact("native_group_accelerators").nominal)
    rack = int(system.facts["rack_accelerators"].nominal) if "rack_accelerators" in system.facts else group
    node = int(system.facts["node_accelerators"].nominal) if "node_accelerators" in system.facts else group
    for whole, part, words in ((rack, group, "native groups"), (group, node, "nodes")):
        if whole % part:
            message = f"{system.name}: {whole:,} accelerators are not a whole number of {words} of {part:,}"
            raise SpecError([Finding("KV010", path, message, help="give counts that divide")])
    return Fabric(1, rack // group, group // node, node)


def check_name(name: str, path: str) -> None:
    """Refuse a name that is no fact.

    Raises: SpecError (KV011).
    """
    if name not in FACTS:
        help = nearest(name, FACTS) or f"one of {', '.join(sorted(FACTS))}"
        message = f"unknown fact `{name[:40]}`"
        raise SpecError([Finding("KV011", join_path(path, name), message, help=help, on_key=True)])


def with_facts(system: System, overrides: Mapping[str, Fact], path: str = "facts") -> System:
    """The system with some facts replaced, by what was measured or is to be assumed; a gap may be filled.

    overrides: name ▸ fact, as the kind of ``facts:`` reads them.
    path: where they are written, for findings.
    Raises: SpecError (KV011) for an unknown fact or one that the part does not offer, (KV010) for counts that do not
        divide or another unit.
    """
    for name, fact in overrides.items():
        check_name(name, path)
        at = join_path(path, name)
        gap = system.gaps.get(name)
        if gap is not None and gap.status == "not_supported":
            message = f"{system.name} does not offer `{name}`"
            raise SpecError([Finding("KV011", at, message, note=gap.note, help="remove it", on_key=True)])
        if fact.unit != FACTS[name].unit:
            message = f"`{name}` is in {FACTS[name].unit}, not in {fact.unit}"
            raise SpecError([Finding("KV010", at, message, help=f"give it in {FACTS[name].unit}")])
    facts = {name: overrides.get(name, system.facts.get(name)) for name in FACTS}
    known = {name: fact for name, fact in facts.items() if fact is not None}
    gaps = {name: gap for name, gap in system.gaps.items() if name not in overrides}
    replaced = replace(system, facts=known, gaps=gaps)
    _fabric(replaced, path)  # counts that do not divide are refused here, where they were given
    return replaced

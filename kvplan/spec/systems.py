"""What is named as a system ▸ System: a catalog entry; and facts as they are written, there and in a workload."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

from kvplan import units
from kvplan.errors import SpecError
from kvplan.findings import Finding, join_path
from kvplan.spec import catalog
from kvplan.spec.facts import STATUSES, Fact
from kvplan.spec.kinds import INVALID, Choice, Reading, Reads, Text, nearest, shown, wrong_type
from kvplan.spec.reader import Spec, key
from kvplan.spec.system import FACTS, FactKind, Gap, System, Trait
from kvplan.spec.tree import Tree

TOPOLOGIES = ("switch", "mesh", "torus", "undisclosed")
_GAPS = ("undisclosed", "not_supported")
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_SCALED = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) ?([kMGTPE]?)(FLOP/s|W)", re.ASCII)


def _parse_scaled(text: str) -> Fraction:
    """``989 TFLOP/s``, ``700 W`` ▸ operations a second, watts."""
    match = _SCALED.fullmatch(text.strip())
    if match is None:
        raise units.UnitError(f"`{text[:40]}` cannot be read", "write 989 TFLOP/s or 700 W")
    return Fraction(match[1]) * _PREFIXES[match[2]]


def _parse_count(text: str) -> Fraction:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise units.UnitError(f"`{text[:40]}` is not a count of 1 or more", "write a whole number, like 64")
    return Fraction(text)


_PARSERS: Mapping[str, Callable[[str], Fraction]] = {
    "bytes": lambda text: Fraction(units.parse_measured_bytes(text)),
    "bytes/s": units.parse_rate,
    "s": units.parse_seconds,
    "share": units.parse_fraction,
    "flop/s": _parse_scaled,
    "W": _parse_scaled,
}
_EXAMPLES = {
    "bytes": "141 GiB", "bytes/s": "3.9 TB/s", "s": "1.5 us", "share": "3%", "flop/s": "989 TFLOP/s", "W": "700 W",
}  # fmt: skip


class Figure:
    """A number of one unit, with the unit written out; counts are bare."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.words = f"a number like {_EXAMPLES[unit]}" if unit in _EXAMPLES else f"a whole number of {unit}"

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if isinstance(tree, bool) or tree is None or isinstance(tree, dict | list):
            return wrong_type(self, tree, path, reading)
        text = str(tree)
        if self.unit in ("flop/s", "W") and text.strip().endswith("W") != (self.unit == "W"):
            return reading.fault("KV009", path, f"{shown(text)} is not in {self.unit}", help=f"write {self.words}")
        try:
            value = _PARSERS.get(self.unit, _parse_count)(text)
        except units.UnitError as error:
            return reading.fault("KV009", path, str(error), help=error.help)
        if value >= units.MAX_INTEGER:
            return reading.fault("KV010", path, f"{shown(text)} is more than kvplan counts to", help="write less")
        return value


def _read_sources(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    """Ids of the catalog as a list, or words."""
    if isinstance(tree, list) and tree and all(isinstance(item, str) for item in tree):
        return ", ".join(tree)
    return Text().read(tree, path, reading)


_SOURCE = Reads("words, or a list of ids", _read_sources)


@cache
def _written_fact(unit: str) -> type[Any]:
    """The keys of a fact of one unit; made when first read, for a start without systems costs nothing then."""
    figure = Figure(unit)

    @dataclass(frozen=True, kw_only=True)
    class WrittenFact:
        value: Fraction | None = key(figure, "the number, where it is one", default=None)
        low: Fraction | None = key(figure, "the least that it may be", default=None)
        nominal: Fraction | None = key(figure, "the likeliest; else the safe end", default=None)
        high: Fraction | None = key(figure, "the most that it may be", default=None)
        status: str = key(Choice((*STATUSES, "not_supported"), "status"), "how it is known", default="assumed")
        source: str = key(_SOURCE, "where it was read", default="given")
        note: str = key(Text(), "what else to know", default="")

    return WrittenFact


def read_fact(kind: FactKind, tree: Tree, path: str, reading: Reading, *, gaps: bool = False) -> Any:  # noqa: ANN401
    """One fact of a kind, or a gap where gaps may stand; a plain number is one that is assumed."""
    if isinstance(tree, str | int | Decimal) and not isinstance(tree, bool):
        value = Figure(kind.unit).read(tree, path, reading)
        return INVALID if value is INVALID else _plain_fact(kind, value)
    written = Spec(_written_fact(kind.unit), "a mapping like {value: …, status: measured, source: our run}").read(
        tree, path, reading
    )
    if written is INVALID:
        return INVALID
    numbers = [written.value, written.low, written.nominal, written.high]
    if gaps and written.status in _GAPS and numbers == [None] * 4:
        return Gap(written.status, written.source, written.note)
    return _fact(kind, written, path, reading)


def _plain_fact(kind: FactKind, value: Fraction) -> Fact:
    return Fact(value, value, value, kind.unit, "assumed", "given", more_is_better=kind.more_is_better)


def _fact(kind: FactKind, written: Any, path: str, reading: Reading) -> Any:  # noqa: ANN401
    low, nominal, high = written.low, written.nominal, written.high
    if written.value is not None and (low, nominal, high) != (None, None, None):
        message = "`value` and `low`, `nominal`, `high` say the same thing twice"
        return reading.fault("KV018", path, message, help="give value, or low and high", on_key=True)
    if written.value is not None:
        low = nominal = high = written.value
    if low is None or high is None:
        return reading.fault("KV008", path, "the number is missing", help="give value, or low and high", on_key=True)
    if nominal is None:
        nominal = low if kind.more_is_better else high
    try:
        return Fact(low, nominal, high, kind.unit, written.status, written.source, written.note, kind.more_is_better)
    except ValueError as error:
        help = "low ≤ nominal ≤ high; what is undisclosed has a range; what is not supported has no number"
        return reading.fault("KV010", path, str(error), help=help)


def _read_mapping(tree: Tree, path: str, reading: Reading, *, gaps: bool) -> Any:  # noqa: ANN401
    if not isinstance(tree, dict):
        help = "write like {hbm_bandwidth: {value: 3.9 TB/s, status: measured, source: our run}}"
        return reading.fault("KV007", path, f"wants a mapping of facts, has {shown(tree)}", help=help)
    found: dict[str, Any] = {}
    for name, node in tree.items():
        at = join_path(path, name)
        if name not in FACTS:
            help = nearest(name, FACTS) or f"one of {', '.join(sorted(FACTS))}"
            help = "it is a deployment's: write it as memory: {reserve: …}" if name == "reserve" else help
            found[name] = reading.fault("KV011", at, f"unknown fact {shown(name)}", help=help, on_key=True)
        else:
            found[name] = read_fact(FACTS[name], node, at, reading, gaps=gaps)
    return INVALID if INVALID in found.values() else found


# The value of ``facts:`` in a fleet entry ▸ name ▸ Fact, for with_facts.
FACTS_KIND = Reads(
    "a mapping of facts, like {hbm_bandwidth: {value: 3.9 TB/s, status: measured, source: our run}}",
    lambda tree, path, reading: _read_mapping(tree, path, reading, gaps=False),
)
_ENTRY_FACTS = Reads("a mapping of facts", lambda tree, path, reading: _read_mapping(tree, path, reading, gaps=True))


@cache
def _entry_class() -> type[Any]:
    """The keys of a file of the catalog; made when one is first read."""

    @dataclass(frozen=True, kw_only=True)
    class WrittenTrait:
        text: str = key(Text(), "the words")
        status: str = key(Choice(STATUSES, "status"), "how it is known")
        source: str = key(_SOURCE, "where it was read")
        note: str = key(Text(), "what else to know", default="")

    def read_traits(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
        traits = {name: Spec(WrittenTrait).read(node, join_path(path, name), reading) for name, node in tree.items()}
        if INVALID in traits.values():
            return INVALID
        return {name: Trait(item.text, item.status, item.source, item.note) for name, item in traits.items()}

    @dataclass(frozen=True, kw_only=True)
    class Entry:
        title: str = key(Text(), "what it is")
        accelerator: str = key(Text(), "name of the part")
        availability: str = key(Text(), "whether it can be had")
        topology: str = key(Choice(TOPOLOGIES, "topology"), "how a native group is wired")
        traits: Mapping[str, Trait] = key(Reads("a mapping", read_traits), "what is words", factory=dict)
        facts: Mapping[str, Fact | Gap] = key(_ENTRY_FACTS, "facts by name")

    return Entry


@cache
def catalog_system(name: str) -> System:
    """A system of the catalog.

    Raises: SpecError if the entry is faulty.
    """
    document = catalog.system_entry(name)
    reading = Reading()
    entry = reading.run(lambda: Spec(_entry_class()).read(document.tree, "", reading))
    if reading.failed or entry is None:
        raise SpecError([document.source.locate(finding) for finding in reading.findings])
    facts = {name: entry.facts[name] for name in FACTS if isinstance(entry.facts.get(name), Fact)}
    gaps = {name: entry.facts[name] for name in FACTS if isinstance(entry.facts.get(name), Gap)}
    used = {id for item in (*facts.values(), *gaps.values(), *entry.traits.values()) for id in item.source.split(", ")}
    return System(
        name=name,
        title=entry.title,
        accelerator=entry.accelerator,
        availability=entry.availability,
        topology=entry.topology,
        facts=facts,
        gaps=gaps,
        traits=entry.traits,
        sources={id: text for id, text in catalog.source_texts().items() if id in used},
    )


def resolve_system(tree: Tree, path: str) -> System:
    """The system that is named.

    Raises: SpecError (KV007, KV011) if it is not a name of the catalog.
    """
    names = catalog.system_names()
    if not isinstance(tree, str):
        message = f"wants a system, has {shown(tree)}"
        raise SpecError([Finding("KV007", path, message, help=f"one of {', '.join(names)}")])
    if tree not in names:
        hint = nearest(tree.lower(), names) or "see `kvplan systems`"
        raise SpecError([Finding("KV011", path, f"unknown system {shown(tree)}", help=hint)])
    return catalog_system(tree)

"""The sheets of systems: the catalog as a list, and one system with its facts and its fabric as a tree."""

from __future__ import annotations

from collections.abc import Mapping

from kvplan.answers.systems import LISTED, FactLine, SystemLine, SystemList, SystemView
from kvplan.report.sheet import Block, Column, Note, Sheet, Table, Value
from kvplan.units import format_bytes

Number = int | float

# How a fact is known, behind its value in the list.
MARKS = {"published": "", "measured": "m", "derived": "d", "claimed": "c", "assumed": "a", "undisclosed": "?"}
_LEGEND = (
    "Marks: none published, m measured, d derived, c claimed, a assumed (from memory or by a rule), ? undisclosed. "
    "A range is what it may be. Memory is of one accelerator: as sold, and as an engine sees it. Bandwidth is of one "
    "accelerator, in one direction."
)
_FOLD = " …\n"  # a range on two lines, so that a line of the list fits a narrow terminal
_PREFIXES = ((10**18, "E"), (10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_WIRING = {"switch": ", all to all", "mesh": ", every pair linked", "torus": ", a torus", "undisclosed": ""}
_PARTS = ("low", "nominal", "high", "unit", "status")

_LIST_KEYS = (
    "system", "accelerator", "topology", "accelerators", "native_groups", "native_group_accelerators",
    "node_accelerators", *(f"{name}.{part}" for name in LISTED for part in _PARTS),
)  # fmt: skip
_FACT_KEYS = ("fact", *FactLine._fields)


def amount_text(value: Number, unit: str) -> str:
    """A number of a fact with its unit, for people, in four significant digits.

    >>> amount_text(400 * 10**9, "bytes/s"), amount_text(3e-07, "s"), amount_text(989 * 10**12, "flop/s")
    ('400 GB/s', '300 ns', '989 TFLOP/s')
    """
    if unit in ("bytes", "bytes/s"):
        number, _, scale = format_bytes(round(value)).partition(" ")
        number = number.rstrip("0").rstrip(".") if "." in number else number
        return f"{number} {scale}{unit.removeprefix('bytes')}"
    if unit == "s":
        return f"{value * 10**9:.4g} ns" if value < 10**-6 else f"{value * 10**6:.6g} us"
    if unit == "share":
        return f"{value * 100:.4g}%"
    if unit in ("flop/s", "W"):
        size, prefix = next(((size, prefix) for size, prefix in _PREFIXES if value >= 10 * size), (1, ""))
        return f"{value / size:,.6g} {prefix}{'W' if unit == 'W' else 'FLOP/s'}"
    return f"{value:,}"


def range_text(line: FactLine, gap: str = " … ") -> str:
    """What a fact may be: one number, two ends, or why there is none. Nothing undisclosed is one number."""
    if line.low is None or line.high is None:
        return line.status
    low, high = amount_text(line.low, line.unit), amount_text(line.high, line.unit)
    if line.low == line.high or (low == high and line.status != "undisclosed"):
        return low
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') or number == '0' else low}{gap}{high}"


def systems_sheet(systems: SystemList) -> Sheet:
    """Every system on a line."""
    columns = (
        Column("system", "system"),
        Column("groups", "native\ngroups"),
        Column("hbm_brochure", "HBM, as\nsold"),
        Column("hbm_engine_visible", "HBM, as\nseen"),
        Column("hbm_bandwidth", "HBM\nbandwidth"),
        Column("scaleup_bandwidth", "scale-up\nbandwidth"),
    )
    rows = [_row(line) for line in systems.systems]
    table = Table("", columns, rows, is_data=True, data_keys=_LIST_KEYS)
    return Sheet(f"{len(rows)} systems, one rack, server or pod each", [table, Note(_LEGEND)])


def _row(line: SystemLine) -> dict[str, Value]:
    row: dict[str, Value] = {
        "system": line.system,
        "accelerator": line.accelerator,
        "topology": line.topology,
        "accelerators": line.accelerators,
        "native_groups": line.native_groups,
        "native_group_accelerators": line.native_group_accelerators,
        "node_accelerators": line.node_accelerators,
        "groups": f"{line.native_groups} × {line.native_group_accelerators:,}",
    }
    for name in LISTED:
        fact: FactLine = getattr(line, name)
        row[name] = f"{range_text(fact, _FOLD)} {MARKS[fact.status]}".rstrip()
        row |= {f"{name}.{part}": _cell(getattr(fact, part)) for part in _PARTS}
    return row


def _cell(value: Number | str | None) -> Value:
    """A value of CSV: nothing is blank, and what is not whole is its shortest decimal."""
    return "" if value is None else str(value) if isinstance(value, float) else value


def system_sheet(view: SystemView) -> Sheet:
    """One system: its fabric as a tree, its facts with range, status and source, and what is words."""
    columns = (
        Column("fact", "fact"),
        Column("value", "value"),
        Column("status", "status"),
        Column("sources", "source"),
    )
    rows = [_fact_row(name, line) for name, line in view.facts.items()]
    blocks: list[Block] = [
        _tree(view),
        Table("Facts, of one accelerator and one direction", columns, rows, is_data=True, data_keys=_FACT_KEYS),
    ]
    for name, refusal in view.not_supported.items():
        reason = f": {refusal['note']}" if refusal["note"] else ""
        blocks.append(Note(f"Not offered: {name}{reason} ({refusal['source']})."))
    if view.traits:
        heads = (
            Column("trait", "in words"),
            Column("text", ""),
            Column("status", "status"),
            Column("source", "source"),
        )
        blocks.append(Table("", heads, [_trait_row(name, trait) for name, trait in view.traits.items()]))
    known = [{"fact": name, "note": line.note} for name, line in view.facts.items() if line.note]
    if known:
        blocks.append(Table("Notes", (Column("fact", "fact"), Column("note", "")), known))
    sources = [{"id": id, "text": text} for id, text in view.sources.items()]
    blocks.append(Table("Sources", (Column("id", "id"), Column("text", "")), sources))
    return Sheet(f"{view.system}: {view.title} ({view.accelerator}); {view.availability}", blocks)


def _fact_row(name: str, line: FactLine) -> dict[str, Value]:
    row = {key: _cell(value) for key, value in line._asdict().items()}
    return {**row, "fact": name, "value": range_text(line), "sources": _folded(line.source)}


def _trait_row(name: str, trait: Mapping[str, str]) -> dict[str, Value]:
    note = f" ({trait['note']})" if trait["note"] else ""
    text = trait["text"] + note
    return {
        "trait": name.replace("_", " "),
        "text": text,
        "status": trait["status"],
        "source": _folded(trait["source"]),
    }


def _folded(source: str) -> str:
    """Ids of sources, each on a line."""
    return source.replace(", ", ",\n")


def _tree(view: SystemView) -> Table:
    """Rack ▸ native groups ▸ nodes ▸ accelerators; what is alike is drawn once, with the first and the last id."""
    rows: list[dict[str, Value]] = [{"id": "r0", "what": f"{view.accelerators:,} accelerators"}]
    for group in range(view.native_groups):
        is_last = group == view.native_groups - 1
        rows.append({"id": f"{'└─' if is_last else '├─'} g{group}", "what": _group_text(view)})
        stem = "   " if is_last else "│  "
        rows.append({"id": f"{stem}└─ {_span('n', view.nodes)}", "what": _nodes_text(view)})
        rows.append({"id": f"{stem}   └─ {_span('a', view.node_accelerators)}", "what": "accelerators of one"})
    between = view.facts.get("inter_group_bandwidth")
    if view.native_groups > 1 and between:
        rows.append({"id": "", "what": f"between groups: {range_text(between)} for each ({between.status})"})
    return Table("Fabric", (Column("id", ""), Column("what", "")), rows)


def _span(letter: str, count: int) -> str:
    return f"{letter}0" if count == 1 else f"{letter}0 … {letter}{count - 1}"


def _group_text(view: SystemView) -> str:
    speed = range_text(view.facts["scaleup_bandwidth"])
    return f"native group of {view.native_group_accelerators:,}{_WIRING[view.topology]}: {speed} in and out of each"


def _nodes_text(view: SystemView) -> str:
    if view.node_status == "undisclosed":
        return "undisclosed: the native group stands for one node"
    nodes = "1 node" if view.nodes == 1 else f"{view.nodes:,} nodes"
    return f"{nodes} of {view.node_accelerators:,} ({view.node_status})"

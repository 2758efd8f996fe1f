"""``expect:`` ▸ bounds on figures, and the findings of those that are not met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kvplan import units
from kvplan.answers.size_result import Size
from kvplan.findings import Finding, join_path
from kvplan.spec.kinds import INVALID, Bytes, Kind, Reading, Tokens, Whole, nearest, shown
from kvplan.spec.tree import Tree

FIGURES = (
    *(item.name for item in fields(Size) if item.type == "int"),
    "rank_model_bytes_per_token",
    "rank_model_bytes_per_token_unbounded",
)
LATER_FIGURES = (
    "fits", "verdict", "accelerators_used", "kv_pool_utilization", "hbm_utilization", "crossings", "lower_bound", "gap",
    "blocks", "pool_bytes", "max_sequences", "longest_context", "max_concurrency", "weights_bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Bound:
    """A bound on one figure, in base units: at least, at most or exactly, whichever its path says."""

    figure: str
    relation: str  # min | max | equal
    value: int
    path: str


def read_expect(expect: Mapping[str, Tree], reading: Reading) -> list[Bound]:
    """The bounds that a workload is held to; what cannot be read is a finding."""
    bounds: list[Bound] = []
    for figure, tree in expect.items():
        path = join_path("expect", figure)
        if figure in LATER_FIGURES:
            reading.fault(
                "KV015",
                path,
                f"`{figure}` is not yet supported: it is a figure of fit or place",
                help=f"figures of size: {', '.join(FIGURES)}",
                on_key=True,
            )
        elif figure not in FIGURES:
            hint = nearest(figure, FIGURES)
            reading.fault(
                "KV402",
                path,
                f"unknown figure {shown(figure)}",
                help=hint or f"known: {', '.join(FIGURES)}",
                on_key=True,
            )
        else:
            bounds += _bounds(figure, tree, path, reading)
    return bounds


def _bounds(figure: str, tree: Tree, path: str, reading: Reading) -> list[Bound]:
    if not isinstance(tree, dict):
        value = _value(figure, tree, path, reading)
        return [] if value is INVALID else [Bound(figure, "equal", value, path)]
    if not tree:
        reading.fault("KV008", path, "no bound is given", help="write min, max or both, or a plain value for equal")
    found = []
    for relation, bound in tree.items():
        at = join_path(path, relation)
        if relation not in ("min", "max"):
            reading.fault("KV001", at, f"unknown key {shown(relation)}", help="write min, max or both", on_key=True)
            continue
        value = _value(figure, bound, at, reading)
        if value is not INVALID:
            found.append(Bound(figure, relation, value, at))
    by_relation = {bound.relation: bound.value for bound in found}
    if by_relation.get("min", 0) > by_relation.get("max", units.MAX_INTEGER):
        reading.fault("KV018", path, "min is more than max: nothing can meet both", help="swap or correct them")
        return []
    return found


def _value(figure: str, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401 - int or INVALID
    if tree == 0 and not isinstance(tree, bool):
        return 0  # nothing needs no unit
    kind: Kind = Bytes() if "bytes" in figure else Tokens(0) if figure.endswith("tokens") else Whole(0)
    return kind.read(tree, path, reading)


def unmet(bounds: list[Bound], size: Size) -> list[Finding]:
    """A finding for each bound that the figures do not meet."""
    found = []
    for bound in bounds:
        actual = getattr(size, bound.figure)
        met = {"min": actual >= bound.value, "max": actual <= bound.value, "equal": actual == bound.value}[
            bound.relation
        ]
        if not met:
            words = {"min": "at least ", "max": "at most ", "equal": ""}[bound.relation]
            message = (
                f"{bound.figure} is {_shown(bound.figure, actual)}, expected {words}{_shown(bound.figure, bound.value)}"
            )
            found.append(Finding("KV401", bound.path, message, note=_note(bound, size), help=_help(bound, actual)))
    return found


def _shown(figure: str, value: int) -> str:
    return f"{units.format_bytes(value)} ({value:,} bytes)" if "bytes" in figure else f"{value:,}"


def _note(bound: Bound, size: Size) -> str:
    parts = [
        f"{item.name} {units.format_bytes(getattr(item, bound.figure))}"
        for item in size.classes
        if hasattr(item, bound.figure)
    ]
    return f"by class: {', '.join(parts[:6])}{', …' if len(parts) > 6 else ''}" if parts else ""


def _help(bound: Bound, actual: int) -> str:
    if bound.relation == "max" and actual > bound.value > 0:
        times = actual / bound.value
        return f"{times:.2f} times the bound: fewer or shorter sequences, a smaller format, or a higher bound"
    return "change the workload, or the bound if the figure is right"

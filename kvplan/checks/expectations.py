"""``expect:`` ▸ bounds on figures of size, fit and place, held at the safe end, and findings of those not met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, NamedTuple

from kvplan import units
from kvplan.answers.fit_result import Fit
from kvplan.answers.place_result import Place
from kvplan.answers.size_result import Size
from kvplan.checks.case import Case
from kvplan.findings import Finding, join_path
from kvplan.spec.kinds import INVALID, Bytes, Choice, Kind, Reading, Share, Tokens, Whole, nearest, shown, wrong_type
from kvplan.spec.tree import Tree


class Figure(NamedTuple):
    """Where a figure comes from, and how its bounds are written: bytes, tokens, count, share, number, flag or name."""

    verb: str
    kind: str


_LENGTHS = ("context", "longest_context", "max_model_len")  # tokens, by names that do not say so


def _kind(name: str, annotation: object) -> str:
    if annotation == "bool":
        return "flag"
    if name.endswith(("_utilization", "_utilization_mean")):
        return "share"
    if annotation == "float":
        return "number"
    if name.endswith("tokens") or name in _LENGTHS:
        return "tokens"
    return "bytes" if "bytes" in name else "count"


def _figures(verb: str, cls: type[Any]) -> dict[str, Figure]:
    return {
        item.name: Figure(verb, _kind(item.name, item.type))
        for item in fields(cls)
        if item.type in ("int", "bool", "float")
        and item.name not in ("memory_fraction", "planning_quantile", "pipeline_rank_is_asked")
    }


# A name that several answers have is that of the last: whether it fits is said of the whole fleet.
FIGURES: Mapping[str, Figure] = {
    **_figures("fit", Fit),
    **_figures("place", Place),
    "verdict": Figure("place", "verdict"),
    "binding": Figure("place", "binding"),
    **_figures("size", Size),
    "rank_model_bytes_per_token": Figure("size", "bytes"),
    "rank_model_bytes_per_token_unbounded": Figure("size", "bytes"),
}
_NAMES = {
    "verdict": ("yes", "no", "depends"),
    "binding": ("hbm", "native_group", "accelerators", "max_num_seqs", "none"),
}


@dataclass(frozen=True)
class Bound:
    """A bound on one figure, in base units: at least, at most or exactly, whichever its path says."""

    figure: str
    relation: str  # min | max | equal
    value: Any
    path: str


class Number:
    """A plain number of 0 or more, such as 2.5."""

    words = "a number of 0 or more"

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        exact = None if isinstance(tree, bool | str | list | dict) or tree is None else units.exact(tree)
        return exact if exact is not None and exact >= 0 else wrong_type(self, tree, path, reading)


class Flag:
    """True or false."""

    words = "true or false"

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        return tree if isinstance(tree, bool) else wrong_type(self, tree, path, reading)


_KINDS: Mapping[str, Kind] = {
    "bytes": Bytes(),
    "tokens": Tokens(0),
    "count": Whole(-units.MAX_INTEGER, units.MAX_INTEGER),
    "share": Share(),
    "number": Number(),
    "flag": Flag(),
    **{name: Choice(names, name) for name, names in _NAMES.items()},
}


def read_expect(expect: Mapping[str, Tree], reading: Reading, *, has_fleet: bool, deployments: int) -> list[Bound]:
    """The bounds that a workload is held to; what cannot be read is a finding.

    has_fleet: figures of fit and place need one. deployments: figures of fit are those of one.
    """
    bounds: list[Bound] = []
    for name, tree in expect.items():
        path = join_path("expect", name)
        figure = FIGURES.get(name)
        if figure is None:
            help = nearest(name, FIGURES) or f"known: {', '.join(sorted(FIGURES))}"
            reading.fault("KV402", path, f"unknown figure {shown(name)}", help=help, on_key=True)
        elif figure.verb != "size" and not has_fleet:
            message = f"`{name}` is a figure of {figure.verb}, and nothing says what there is to place on"
            reading.fault("KV402", path, message, help="add `system: al128`, or a fleet", on_key=True)
        elif figure.verb == "fit" and deployments > 1:
            message = f"`{name}` is a figure of one deployment's rank, and there are {deployments}"
            reading.fault("KV402", path, message, help="keep each deployment in a workload of its own", on_key=True)
        else:
            bounds += _bounds(name, tree, path, reading)
    return bounds


def _bounds(figure: str, tree: Tree, path: str, reading: Reading) -> list[Bound]:
    if not isinstance(tree, dict):
        value = _value(figure, tree, path, reading)
        return [] if value is INVALID else [Bound(figure, "equal", value, path)]
    if FIGURES[figure].kind in ("flag", *_NAMES):
        wrong_type(_KINDS[FIGURES[figure].kind], tree, path, reading)
        return []
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


def _value(figure: str, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401 - its kind's, or INVALID
    kind = FIGURES[figure].kind
    if tree == 0 and not isinstance(tree, bool) and kind in ("bytes", "tokens", "count", "share", "number"):
        return 0  # nothing needs no unit
    return _KINDS[kind].read(tree, path, reading)


def unmet(bounds: Sequence[Bound], case: Case) -> list[Finding]:
    """A finding for each bound that the figures do not meet."""
    found = []
    for bound in bounds:
        actual = case.figure(FIGURES[bound.figure].verb, bound.figure)
        number = Fraction(str(actual)) if isinstance(actual, float) else actual
        met = {
            "min": lambda number=number, bound=bound: number >= bound.value,
            "max": lambda number=number, bound=bound: number <= bound.value,
            "equal": lambda number=number, bound=bound: number == bound.value,
        }[bound.relation]()
        if not met:
            words = {"min": "at least ", "max": "at most ", "equal": ""}[bound.relation]
            expected = _shown(bound.figure, bound.value)
            message = f"{bound.figure} is {_shown(bound.figure, actual)}, expected {words}{expected}"
            found.append(
                Finding("KV401", bound.path, message, note=_note(bound, case), help=_help(bound, number, case))
            )
    return found


def _shown(figure: str, value: Any) -> str:  # noqa: ANN401 - a figure has a type of its own
    kind = FIGURES[figure].kind
    if kind == "bytes":
        return f"{units.format_bytes(value)} ({value:,} bytes)"
    if kind == "flag":
        return "true" if value else "false"
    if kind in _NAMES:
        return str(value)
    if kind == "share":
        return f"{float(value) * 100:.6g}%"
    return f"{float(value):,.6g}" if kind == "number" else f"{value:,}"


def _note(bound: Bound, case: Case) -> str:
    """What is behind the figure: classes of a size, what stops a placement, the facts it hangs on."""
    if FIGURES[bound.figure].verb == "place":
        answer = case.place
        facts = ", ".join(item.fact for item in answer.depends_on)
        hangs = f"; it depends on {facts}, and is held at the safe end" if facts else ""
        over = f"{answer.regions.left_words}; what stops more: {answer.stops}{hangs}"
        return over if answer.regions.unplaced else ""
    if FIGURES[bound.figure].verb == "fit":
        return ""
    parts = [
        f"{item.name} {units.format_bytes(getattr(item, bound.figure))}"
        for item in case.size.classes
        if hasattr(item, bound.figure)
    ]
    return f"by class: {', '.join(parts[:6])}{', …' if len(parts) > 6 else ''}" if parts else ""


def _help(bound: Bound, actual: Any, case: Case) -> str:  # noqa: ANN401 - a figure has a type of its own
    if bound.figure in ("fits", "verdict") and case.place.would_fit:
        return remedies_text(case)
    numeric = FIGURES[bound.figure].kind not in ("flag", *_NAMES)
    if numeric and bound.relation == "max" and actual > bound.value > 0:
        times = float(actual / Fraction(bound.value))
        return f"{times:.2f} times the bound: fewer or shorter sequences, a smaller format, or a higher bound"
    return "change the workload, or the bound if the figure is right"


def remedies_text(case: Case) -> str:
    """What alone would place everything, as flags."""
    flags = [f"--{item.knob.replace('_', '-')} {item.value}" for item in case.place.would_fit]
    return f"each of these alone would fit: {', '.join(flags)}" if flags else "no change of one knob would fit"

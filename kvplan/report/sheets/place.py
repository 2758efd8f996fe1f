"""The sheet of a place: the verdict first, why, how near, and what would change it; then where everything is."""

from __future__ import annotations

from collections.abc import Iterator

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.answers.place_result import DeploymentPlace, Place
from kvplan.report.sheet import Block, Column, Note, Sheet, Table, Value, counted
from kvplan.report.sheets.plan import (
    bound_text,
    filled_text,
    fleet_text,
    left_text,
    memory_text,
    plan_blocks,
    replicas_text,
)
from kvplan.report.sheets.systems import amount_text
from kvplan.units import format_bytes

_MOST_SENTENCES = 3  # deployments that are told of in a sentence each; more are a table
_BYTES = ("pool", "reserve", "weights")  # knobs whose values are bytes
_MORE = {"batch": "the sequences", "context": "the context", "pool": "the KV"}


def place_sheet(place: Place) -> Sheet:
    """The sheet of one place: ten lines that answer, then the plan."""
    lines = [_headline(place), _kv(place), *_memory(place)]
    lines += [filled_text(place.plan)] if place.replicas else []
    lines += [bound_text(place.plan)]
    lines += [*_hangs_on(place), *_range(place), *_changes(place)]
    blocks: list[Block] = [*map(Note, lines)]
    if len(place.deployments) > _MOST_SENTENCES:
        blocks.append(_deployments(place))
    blocks += plan_blocks(place.plan)
    blocks += [Note(f"{path} was set to {value}") for path, value in place.set.items()]
    blocks += [Note(note.message, note.severity) for note in place.notes]
    return Sheet(_title(place), blocks)


def _title(place: Place) -> str:
    kinds = dict.fromkeys(
        f"{item.model}, KV in {item.kv_format}, counted as {item.engine}" for item in place.deployments
    )
    return (
        "; ".join(kinds) if len(kinds) <= _MOST_SENTENCES else f"{place.workload}: {len(place.deployments)} deployments"
    )


def _headline(place: Place) -> str:
    replicas, fleet = replicas_text(place.plan), fleet_text(place.plan)
    where = f"{place.accelerators_used:,} of {counted(place.accelerators_total, 'accelerator')} of {fleet}"
    if place.verdict == "yes":
        fit = "fits" if place.sequences == 1 else "fit"
        return f"Yes: {counted(place.sequences, 'sequence')} {fit} on {where}, in {replicas}."
    left = left_text(place.plan) or "not all has a place"
    left += f", with {replicas} on {where}" if place.regions.unplaced else f", on {where}"
    if place.verdict == "depends":
        if not place.depends_on:
            return f"Not decided: neither a place for everything was found nor that there is none; {left}."
        return f"It depends: at the safe end of the facts {left}."
    stops = f"; what stops more: {place.stops}" if place.binding != "none" else ""
    return f"No: {left}{stops}."


def _kv(place: Place) -> str:
    total = format_bytes(sum(item.kv_bytes for item in place.deployments))
    planned = ""
    if place.regions.total != place.sequences:
        planned = f", planned as {place.regions.total:,} for the {place.planning_quantile * 100:.4g}% quantile"
    alone = f"and would alone fill {counted(place.accelerators_for_kv, 'accelerator')}"
    if planned:
        return f"KV of {counted(place.sequences, 'sequence')}{planned}, is {total} in all, {alone}."
    return f"KV is {total} in all, {alone}."


def _memory(place: Place) -> Iterator[str]:
    """A sentence for each deployment, where they are few."""
    for item in place.deployments if len(place.deployments) <= _MOST_SENTENCES else ():
        memory = {
            "hbm": item.hbm_bytes,
            "weights": item.weights_bytes,
            "reserve": item.reserve_bytes,
            "pool": item.pool_bytes,
            "capacity": item.capacity_blocks,
        }
        name = "A rank" if len(place.deployments) == 1 else f"{item.deployment}, a rank"
        yield memory_text(name, memory, item.memory_fraction, (item.weights_source, item.reserve_source))
    spans = [
        f"{format_bytes(int(ends['low']))} … {format_bytes(int(ends['high']))} {words}"
        for name, words in (("hbm_bytes", "may be seen"), ("reserve_bytes", "may be reserve"))
        if (ends := place.ranges.get(name)) and format_bytes(int(ends["low"])) != format_bytes(int(ends["high"]))
    ]
    if spans:
        yield f"That is the safe end: {', '.join(spans)}."


def _hangs_on(place: Place) -> Iterator[str]:
    """The facts that the answer hangs on, in one line."""
    if place.depends_on:
        yield " ".join(f"Depends on {item.words}." for item in place.depends_on)


def _range(place: Place) -> Iterator[str]:
    """How many accelerators are used at the other ends of the facts."""
    ends = place.ranges.get("accelerators_used", {}).values()
    if ends and min(ends) != max(ends):
        yield f"Over the ranges of the facts {min(ends):,} … {max(ends):,} accelerators are used."


def _changes(place: Place) -> Iterator[str]:
    """What would make it fit, or what more it bears."""
    if place.would_fit:
        yield f"Each of these alone would fit: {', '.join(map(_remedy, place.would_fit))}."
    elif not place.fits:
        yield "No flag that was tried would alone make it fit."
    if place.headroom:
        yield f"The fleet has room for {', or '.join(map(_headroom, place.headroom))}."


def _remedy(remedy: Remedy) -> str:
    value = str(remedy.value)
    if isinstance(remedy.value, int):
        value = f"{remedy.value >> 20}MiB" if remedy.knob in _BYTES else str(remedy.value)
    return f"--{remedy.knob.replace('_', '-')} {value}"


def _headroom(item: Headroom) -> str:
    return f"{int(item.factor * 100) / 100:,.2f} × {_MORE.get(item.knob, item.knob.replace('_', ' '))}"


def _deployments(place: Place) -> Table:
    columns = (
        Column("deployment", "deployment"),
        Column("replicas", "replicas", "count"),
        Column("used", "accelerators"),
        Column("rank", "a rank's HBM − weights − reserve"),
        Column("pool_bytes", "for KV", "bytes"),
        Column("kv_bytes", "KV", "bytes"),
        Column("placed", "placed"),
    )
    return Table("Deployments", columns, [_deployment(item) for item in place.deployments])


def _deployment(item: DeploymentPlace) -> dict[str, Value]:
    sizes = (amount_text(size, "bytes") for size in (item.room_bytes, item.weights_bytes, item.reserve_bytes))
    return {
        "deployment": item.deployment,
        "replicas": item.replicas,
        "used": f"{item.accelerators_used:,}, at least {item.lower_bound:,}",
        "rank": " − ".join(sizes),
        "pool_bytes": item.pool_bytes,
        "kv_bytes": item.kv_bytes,
        "placed": f"{item.regions.placed:,} of {item.regions.total:,}",
    }

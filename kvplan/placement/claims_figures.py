"""Claims about figures: the seal, what lies in tiers, and the summary, all worked out again from the rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction

from kvplan.findings import Finding
from kvplan.placement.claims import Told
from kvplan.placement.claims_seats import accelerators_total

_FINE = 10**18  # parts of a share: their sum over instances is whole, and off by less than one each
_MEAN_TOLERANCE = Fraction(1, 10**6)  # of the one figure that may have been added up in floats


def seal_findings(told: Told) -> Iterator[Finding]:
    """The seal is the SHA-256 of all else: JSON with sorted keys and no spaces."""
    content = {key: value for key, value in told.tree.items() if key != "seal"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    seal = f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"
    if told.tree["seal"] != seal:
        message = f"says {told.tree['seal'][:19]}…, but the content has {seal[:19]}…: it was changed after sealing"
        yield Finding("KV602", "seal", message)


def _differs(path: str, said: object, true: object, what: str) -> Iterator[Finding]:
    if said != true:
        yield Finding("KV608", path, f"says {_text(said)}, but {what} is {_text(true)}")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def total_findings(told: Told) -> Iterator[Finding]:
    """One tier, hbm, with all that is placed."""
    tiers = told.tree["tiers"]
    if [row["tier"] for row in tiers] != ["hbm"]:
        yield Finding("KV608", "tiers", f"{len(tiers)} rows, but one is wanted: hbm")
        return
    for name, true, what in (
        ("regions", sum(run.count_ for run in told.runs), "the sum over runs"),
        ("blocks", sum(instance.used_blocks for instance in told.instances), "the sum over instances"),
        ("bytes", sum(replica.kv_bytes_hot for replica in told.replicas), "the sum over replicas"),
    ):
        yield from _differs(f"tiers[0].{name}", tiers[0][name], true, what)


def summary_findings(told: Told) -> Iterator[Finding]:
    """Every figure follows from the rows."""
    placed = sum(run.count_ for run in told.runs)
    left = sum(line.count_ for line in told.leftovers)
    seated = all(row.replicas >= row.replicas_asked for row in told.deployments)
    summary = told.tree["summary"]
    for name, true, what in (
        ("fits", seated and not left, f"with {left} left over and {'all' if seated else 'not all'} replicas seated it"),
        ("accelerators_used", sum(len(replica.accelerators) for replica in told.replicas), "the sum of seats"),
        ("accelerators_total", accelerators_total(told), "the fleet without what is excluded"),
        ("kv_pool_utilization", _fullest_pool(told), "that of the fullest instance"),
        ("hbm_utilization", _fullest_accelerator(told), "that of the fullest accelerator"),
        ("crossings", sum(max(0, len(row.native_groups) - 1) for row in told.replicas), "the sum over replicas"),
        ("regions", placed + left, "the sum of runs and leftovers"),
        ("placed", placed, "the sum of runs"),
        ("unplaced", left, "the sum of leftovers"),
    ):
        yield from _differs(f"summary.{name}", summary[name], true, what)
    said, mean = summary["kv_pool_utilization_mean"], _mean_pool(told)
    if abs(Fraction(said) - mean) > _MEAN_TOLERANCE:
        yield from _differs("summary.kv_pool_utilization_mean", said, round(float(mean), 6), "the mean over instances")


def _fullest_pool(told: Told) -> float:
    """Used ÷ capacity blocks of the fullest instance, to 6 digits."""
    return round(max((used / capacity for used, capacity in told.instances if capacity), default=0.0), 6)


def _mean_pool(told: Told) -> Fraction:
    """The mean of used ÷ capacity blocks over instances, short of it by less than one part of _FINE."""
    parts = sum(used * _FINE // capacity for used, capacity in told.instances if capacity)
    return Fraction(parts, _FINE * max(1, len(told.instances)))


def _fullest_accelerator(told: Told) -> float:
    """(Weights + reserve + KV) ÷ engine-visible memory of the fullest accelerator, to 6 digits."""
    used: dict[tuple[int, int], int] = {}  # most blocks of an instance, by deployment and part
    for (blocks, _), home, owner in zip(told.instances, told.homes, told.owners, strict=True):
        key = home, told.replicas[owner].part
        used[key] = max(blocks, used.get(key, 0))
    shares = [
        (stage.weights_bytes + told.room_of[key].reserve_bytes + stage.block_bytes * blocks)
        / told.fleet[key[1]].hbm_engine_visible_bytes
        for key, blocks in used.items()
        if key in told.room_of
        for stage in told.deployments[key[0]].stages
    ]
    return round(max(shares, default=0.0), 6)

"""One entry a region: the runs and leftovers of a plan, spelled out."""

import io
import json
from dataclasses import replace

import numpy as np

from kvplan.placement.expansion import instance_of, json_lines, npy_bytes
from kvplan.placement.plan import Instance, Leftover, Plan, PlanBound, Replica, Run, Summary

SUMMARY = Summary(False, 0, 0, 0.0, 0.0, 0.0, 0, 7, 5, 2)
REPLICAS = [
    Replica(
        f"d/{number}", "d", 0, "decode", "bf16", "r0", ("r0/g0",), (), 0, 0, 0, 0, 2 * number, (Instance(0, 9),) * 2
    )
    for number in range(3)
]
PLAN = Plan(
    "w", "sha256:0", "low", (), (), tuple(REPLICAS),
    runs=(Run('b "x"', 3, 2, 4, 1), Run("a", 9, 3, 0, 2)),
    copies=(),
    leftovers=(Leftover("a", 9, 1, 3, 0), Leftover('b "x"', 3, 1, 6, 0)),
    tiers=(), bound=PlanBound(0, 0, False, ()), summary=SUMMARY, kvplan="0",
)  # fmt: skip


def test_the_instance_of_every_region():
    found = instance_of(PLAN)
    assert (found.dtype, found.tolist()) == (np.dtype(np.int64), [2, 2, 2, -1, 1, 1, -1])
    assert np.load(io.BytesIO(npy_bytes(PLAN)), allow_pickle=False).tolist() == found.tolist()


def test_a_line_a_region_by_its_number():
    lines = "".join(json_lines(PLAN)).splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["region"] for row in rows] == list(range(7))
    assert rows[3] == {"class": "a", "instance": -1, "region": 3, "replica": "", "size_blocks": 9}
    first = {"class": 'b "x"', "instance": 1, "region": 4, "replica": "d/0", "size_blocks": 3}
    assert lines[4] == json.dumps(first, sort_keys=True)
    assert rows[0]["replica"] == "d/1"  # instance 2 is the first of the second replica


def test_no_regions():
    none = replace(PLAN, runs=(), leftovers=(), summary=replace(SUMMARY, regions=0))
    assert instance_of(none).size == 0
    assert "".join(json_lines(none)) == ""


def test_many_regions_are_told_in_pieces():
    many = replace(PLAN, runs=(Run("a", 1, 100_000, 0, 5),), leftovers=(), summary=replace(SUMMARY, regions=100_000))
    pieces = list(json_lines(many))
    assert max(piece.count("\n") for piece in pieces) < 20_000
    lines = "".join(pieces).splitlines()
    assert len(lines) == 100_000
    assert json.loads(lines[-1])["region"] == 99_999
    assert bool((instance_of(many) == 5).all())

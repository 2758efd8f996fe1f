"""One entry a region: the runs and leftovers of a plan, spelled out."""

import io
import json
from dataclasses import replace

import numpy as np

from kvplan.placement.expansion import instance_of, json_lines, npy_bytes
from kvplan.placement.plan import Leftover, Plan, PlanBound, Run, Summary

SUMMARY = Summary(False, 0, 0, 0.0, 0.0, 0.0, 0, 7, 5, 2)
PLAN = Plan(
    "w", "sha256:0", "low", (), (), (),
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
    assert rows[3] == {"class": "a", "instance": -1, "region": 3, "size_blocks": 9}
    assert lines[4] == json.dumps({"class": 'b "x"', "instance": 1, "region": 4, "size_blocks": 3}, sort_keys=True)


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

"""The keyword arguments of the verbs: those of the command line, no others; what is None was not given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.answers.flags import FitFlags, PlaceFlags, RoomFlags, SizeFlags, WorkloadFlags, given
from kvplan.answers.request import DEPLOYMENT_FLAGS, FLEET_FLAGS
from kvplan.cli import options

SMALL: dict[str, Any] = {"model": "llama-3.1-8b", "context": 1024}


def test_what_is_none_was_not_given() -> None:
    assert given({"model": "m", "batch": None, "set": {}}, SizeFlags) == {"model": "m", "set": {}}


@pytest.mark.parametrize(
    ("verb", "flag"), [("size", "pool"), ("fit", "pipeline_rank"), ("place", "pool"), ("fit", "count")]
)
def test_a_flag_of_another_verb_is_none_of_this(verb: str, flag: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{flag}'; known: "):
        getattr(kvplan, verb)(**SMALL, **{flag: 1})


def test_every_flag_stands_on_the_command_line_too() -> None:
    line = {"engine_option": "engine_options", "set_": "set", "format_": ""}
    workload = {line.get(name, name) for name in options.WORKLOAD} - {""}
    assert workload == set(WorkloadFlags.__annotations__)
    assert set(options.ROOM) == set(RoomFlags.__annotations__) - set(WorkloadFlags.__annotations__)
    assert set(FitFlags.__annotations__) - set(RoomFlags.__annotations__) == {"pool"}
    assert set(PlaceFlags.__annotations__) - set(RoomFlags.__annotations__) == {
        "count",
        "replicas",
        "topology",
        "accounting",
    }


def test_every_flag_has_a_place_in_the_workload() -> None:
    placed = {*DEPLOYMENT_FLAGS, *FLEET_FLAGS, "kv_format", "batch", "context", "engine_options", "set", "deployment"}
    asked = set(FitFlags.__annotations__) | set(PlaceFlags.__annotations__)
    assert asked - placed == {"pool", "accounting"}  # of the question, not of the workload


@pytest.mark.parametrize("flag", ["memory_fraction", "reserve", "weights", "system"])
def test_flags_of_a_room_are_set_over_a_file(flag: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests: [{sequences: 1, context: 1Ki}]\n"
        "deployment: {memory: {fraction: 80%, reserve: 1 GiB}, weights: 1 GB}\n",
        encoding="utf-8",
    )
    value = {"memory_fraction": "70%", "reserve": "2 GiB", "weights": "2 GB", "system": "al128"}[flag]
    for verb in (kvplan.fit, kvplan.place):
        before, after = verb(path).to_dict(), verb(path, **{flag: value}).to_dict()
        before, after = (tree.get("deployments", [tree])[0] for tree in (before, after))
        assert before["pool_bytes"] != after["pool_bytes"]
        kept = {"weights_bytes": 10**9, "reserve_bytes": 1 << 30, "memory_fraction": 0.8}
        changed = {"weights_bytes": 2 * 10**9, "reserve_bytes": 2 << 30, "memory_fraction": 0.7}
        for name in kept:
            assert after[name] == (changed if name.startswith(flag.split("_")[0]) else kept)[name]


def test_what_was_set_is_echoed() -> None:
    changes = {"facts.hbm_engine_visible": "100 GB", "deployments.0.tensor_parallel": 2}
    for verb in (kvplan.fit, kvplan.place):
        assert verb(**SMALL, system="al128", set=changes).set == {
            "facts.hbm_engine_visible": "100 GB",
            "deployments.0.tensor_parallel": "2",
        }

"""kvplan show: what a saved plan says, also where it does not hold, and its regions one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kvplan
from kvplan.cli import failures, main
from kvplan.placement.plan import seal_of

ASKED: dict[str, Any] = {"model": "llama-3.1-8b", "system": "hgx-h100", "context": 8192}


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    return json.loads(json.dumps(kvplan.place(batch=500, **ASKED).plan.to_dict()))


@pytest.fixture
def show(tmp_path: Path, capsys: Any, monkeypatch: Any) -> Callable[..., tuple[int, str, str]]:
    """The command on a tree: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(tree: Any, *arguments: str) -> tuple[int, str, str]:
        Path("plan.json").write_text(json.dumps(tree), encoding="utf-8")
        code = failures.run(lambda: main._invoke(["show", "plan.json", *arguments]), as_json=False, debug=True)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


def test_a_plan_is_shown(tree: dict[str, Any], show: Any) -> None:
    code, out, err = show(tree)
    assert (code, err) == (0, "")
    assert "llama-3.1-8b" in out
    assert "92" in out  # left over


def test_json_is_the_plan_itself(tree: dict[str, Any], show: Any) -> None:
    code, out, _ = show(tree, "--format", "json")
    assert (code, json.loads(out)) == (0, tree)


def test_csv_and_markdown(tree: dict[str, Any], show: Any) -> None:
    assert "main/0" in show(tree, "--format", "csv")[1]
    assert show(tree, "--format", "markdown")[1].startswith("#")
    code, out, _ = show(tree, "--format", "json=out.json")
    assert (code, out, json.loads(Path("out.json").read_text(encoding="utf-8"))) == (0, "", tree)


def test_regions_are_those_that_place_tells(tree: dict[str, Any], show: Any) -> None:
    assert show(tree, "--regions", "r.npy")[0] == 0
    assert show(tree, "--regions", "r.jsonl")[0] == 0
    instances = np.load("r.npy")
    rows = [json.loads(line) for line in Path("r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert instances.tolist() == [row["instance"] for row in rows]
    assert (len(rows), int((instances == -1).sum())) == (500, 92)


def forged(tree: dict[str, Any], *path: Any, value: Any) -> dict[str, Any]:
    """The plan with another value at a path, sealed again."""
    found = node = json.loads(json.dumps(tree))
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return found | {"seal": seal_of(found)}


REGIONS = [
    (("summary", "regions"), 2**61), (("runs", 0, "count"), 2**40), (("runs", 0, "first_region"), 2**60),
    (("leftovers", 0, "count"), 2**50),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), REGIONS, ids=str)
def test_of_a_plan_that_does_not_hold_no_regions_are_written(
    tree: dict[str, Any], show: Any, path: tuple[Any, ...], value: int
) -> None:
    for name in ("r.npy", "r.jsonl"):
        code, _, err = show(forged(tree, *path, value=value), "--regions", name)
        assert (code, Path(name).exists()) == (1, False)
        assert "plan.json does not verify: see `kvplan verify plan.json`" in err


def test_a_plan_that_does_not_hold_is_shown_where_it_can_be_drawn(tree: dict[str, Any], show: Any) -> None:
    code, out, _ = show(forged(tree, "summary", "crossings", value=3))
    assert (code, "llama-3.1-8b" in out) == (1, True)


UNDRAWN = [
    (("fleet", 0, "exclude"), ["r7"]), (("replicas", 0, "accelerators", 0), "r9/g9/n9/a9"),
    (("replicas", 0, "accelerators", 0), "x"), (("replicas", 0, "native_groups", 0), "r0"), (("replicas", 0, "part"), 7),
    (("replicas", 0, "deployment"), "other"), (("deployments", 0, "rooms", 0, "part"), 5),
    (("replicas", 0, "instances", 0, "capacity_blocks"), 0), (("replicas", 0, "instances", 0, "used_blocks"), 2**60),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), UNDRAWN, ids=str)
def test_a_plan_without_sound_seats_is_not_drawn(
    tree: dict[str, Any], show: Any, path: tuple[Any, ...], value: Any
) -> None:
    code, out, err = show(forged(tree, *path, value=value))
    assert (code, out) == (1, "")
    assert "does not verify" in err


@pytest.mark.parametrize("field", ["count", "native_groups", "nodes", "accelerators"])
def test_a_fleet_larger_than_any_is_not_drawn(tree: dict[str, Any], show: Any, field: str) -> None:
    code, out, err = show(forged(tree, "fleet", 0, field, value=2**31))
    assert (code, out) == (2, "")
    assert "error[KV010]: a fleet of " in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "Missing argument"),
        (["show", "missing.json"], "cannot be read"),
        (["show", "plan.json", "--format", "html"], "not yet supported"),
        (["show", "plan.json", "--regions", "no/such/r.npy"], "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage(tree: dict[str, Any], show: Any, arguments: list[str], words: str, capsys: Any) -> None:
    show(tree)
    assert failures.run(lambda: main._invoke(arguments), as_json=False, debug=True) == 2
    assert words in capsys.readouterr().err


def test_an_empty_fleet_and_a_fleet_of_parts_are_shown(show: Any) -> None:
    empty = kvplan.place(count=0, **ASKED).plan.to_dict()
    text = "kvplan: 1\nmodel: llama-3.1-8b\nrequests: [{sequences: 900, context: 8Ki}]\nfleet: [{system: hgx-h100}, {system: al128, exclude: [r0/g0]}]\n"
    for tree in (empty, kvplan.place(text).plan.to_dict()):
        code, out, _ = show(json.loads(json.dumps(tree)))
        assert code == 0
        assert out

"""kvplan verify: true plans and forged ones, a break of every claim, and files that are no plans at all."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.cli import failures, main
from kvplan.placement.plan import seal_of

# Two replicas with copies of a prefix, a node left out, and what is left over: every claim has something to say.
TEXT = """\
kvplan: 1
name: everything
model: llama-3.1-8b
fleet: [{system: hgx-h100, exclude: [r0/g0/n0/a7]}]
deployment: {data_parallel: 2, replicas: 2}
requests:
  - {name: chat, sequences: 300, input: 7Ki, output: 1Ki, prefix: {tokens: 1Ki, count: 2}}
  - {name: long, sequences: 2, context: 64Ki, priority: 1}
"""


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    return json.loads(json.dumps(kvplan.place(TEXT).plan.to_dict()))


@pytest.fixture
def verify(tmp_path: Path, capsys: Any, monkeypatch: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command on a plan, as text, bytes or a tree, in a folder with the workload."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.yaml").write_text(TEXT, encoding="utf-8")

    def call(plan: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        content = (
            plan if isinstance(plan, bytes) else plan.encode() if isinstance(plan, str) else json.dumps(plan).encode()
        )
        (tmp_path / "plan.json").write_bytes(content)
        line = ["verify", "plan.json", *arguments]
        code = failures.run(lambda: main._invoke(line), as_json="json" in arguments, debug=True)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return subprocess.CompletedProcess(line, code, told.out, told.err)

    return call


def test_a_true_plan(tree: dict[str, Any], verify: Any) -> None:
    done = verify(tree)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Every claim of the plan holds.")
    assert "name the workload to hold it to" in done.stdout
    with_workload = verify(tree, "w.yaml")
    assert (with_workload.returncode, "workload" in with_workload.stdout) == (0, True)


def test_a_plan_of_another_workload(tree: dict[str, Any], verify: Any) -> None:
    done = verify(tree, "w.yaml", "--set", "requests.0.sequences=301")
    assert done.returncode == 1
    assert done.stdout.startswith("The plan does not hold: workload.")
    assert done.stderr.startswith("error[KV609]: the plan was made for another question")
    assert verify(tree, "w.yaml", "--set", "facts.hbm_engine_visible=90 GB").returncode == 0
    assert verify(tree, "w.yaml", "--set", "facts.hbm_engine_visible=84 GB").returncode == 1


def test_json_and_csv(tree: dict[str, Any], verify: Any) -> None:
    done = verify({**tree, "workload": "x"}, "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")  # what is wrong stands in the JSON alone
    assert (told["kind"], told["valid"], told["findings"][0]["rule"]) == ("verification", False, "KV602")
    assert verify(tree, "--format", "csv").stdout.startswith("claim,holds,meaning\n")


def test_the_plan_of_the_command_line_is_that_of_python(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(TEXT, encoding="utf-8")
    for line in (["place", "w.yaml", "-o", "plan.json"], ["verify", "plan.json", "w.yaml"]):
        done = subprocess.run(
            [sys.executable, "-m", "kvplan", *line], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == (1 if line[0] == "place" else 0), done.stderr
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(kvplan.place(tmp_path / "w.yaml").plan.to_dict())
    )


def _swap_accelerators(tree: Any) -> None:
    first, second = tree["replicas"][0]["accelerators"], tree["replicas"][1]["accelerators"]
    first[0] = second[0]


def _move_a_run(tree: Any) -> None:
    tree["runs"][0]["instance"] = (tree["runs"][0]["instance"] + 1) % 4


def _use_an_excluded_place(tree: Any) -> None:
    tree["replicas"][0]["accelerators"][0] = "r0/g0/n0/a7"


# claim ▸ what breaks it, and the rule that says so. All are sealed again but the first.
BREAKS: dict[str, tuple[Callable[[Any], object], str]] = {
    "seal": (lambda tree: tree.update(seal="sha256:" + "0" * 64), "KV602"),
    "form": (lambda tree: tree.pop("bound"), "KV601"),
    "fleet": (lambda tree: tree["fleet"][0].update(exclude=["r9"]), "KV603"),
    "seats": (_swap_accelerators, "KV603"),
    "seats, excluded": (_use_an_excluded_place, "KV603"),
    "rooms": (lambda tree: tree["deployments"][0]["rooms"][0].update(reserve_bytes=0), "KV604"),
    "rooms, capacity": (lambda tree: tree["replicas"][0]["instances"][0].update(capacity_blocks=10**6), "KV604"),
    "regions": (lambda tree: tree["runs"][0].update(count=tree["runs"][0]["count"] + 1), "KV605"),
    "loads": (_move_a_run, "KV606"),
    "copies": (lambda tree: tree["copies"].pop(), "KV606"),
    "leftovers": (lambda tree: tree["leftovers"][0].update(priority=9), "KV605"),
    "totals": (lambda tree: tree["tiers"][0].update(bytes=tree["tiers"][0]["bytes"] - 1), "KV608"),
    "bound": (lambda tree: tree["bound"]["certificates"][0].update(capacity_blocks=1), "KV607"),
    "summary": (lambda tree: tree["summary"].update(fits=True), "KV608"),
    "summary, share": (lambda tree: tree["summary"].update(hbm_utilization=0.5), "KV608"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_forged_plan_is_found_out(tree: dict[str, Any], verify: Any, name: str) -> None:
    breaks, rule = BREAKS[name]
    forged = copy.deepcopy(tree)
    breaks(forged)
    if name != "seal":
        forged["seal"] = seal_of(forged)
    done = verify(forged, "--format", "json")
    told = json.loads(done.stdout)
    failing = [claim["claim"] for claim in told["claims"] if not claim["holds"]]
    assert done.returncode == 1
    assert name.split(",")[0] in failing
    assert rule in {finding["rule"] for finding in told["findings"]}
    assert all(finding["line"] >= 1 and finding["message"] for finding in told["findings"])
    shown = verify(forged)
    assert shown.stdout.startswith("The plan does not hold: ")
    assert f"error[{rule}]: " in shown.stderr


HUGE = "9" * 5000
BROKEN: dict[str, tuple[str | bytes, int, str]] = {
    "empty": (b"", 2, "KV003"),
    "blank": (b"  \n", 2, "KV003"),
    "binary": (bytes(range(256)), 2, "KV003"),
    "not utf-8": (b'{"kind": "\xff"}', 2, "KV003"),
    "yaml": ("kind: plan\n", 2, "KV003"),
    "cut short": ('{"kind": "plan"', 2, "KV003"),
    "two texts": ("{} {}", 2, "KV003"),
    "a comma too many": ('{"kind": "plan",}', 2, "KV003"),
    "a key twice": ('{"kind": "plan", "kind": "plan"}', 2, "KV003"),
    "a key twice inside": ('{"summary": {"fits": true, "fits": false}}', 2, "KV003"),
    "not a number": ('{"gap": NaN}', 2, "KV003"),
    "without end": ('{"gap": -Infinity}', 2, "KV003"),
    "a huge number": (f'{{"gap": {HUGE}}}', 2, "KV010"),
    "nested deeply": ("[" * 100_000 + "]" * 100_000, 2, "KV005"),
    "nested deeply in keys": ('{"a":' * 100_000 + "1" + "}" * 100_000, 2, "KV005"),
    "a number": ("3", 1, "KV601"),
    "a text": ('"plan"', 1, "KV601"),
    "nothing": ("null", 1, "KV601"),
    "a list": ("[]", 1, "KV601"),
    "an empty mapping": ("{}", 1, "KV601"),
    "a result of place": ('{"kind": "place", "format_version": 1}', 1, "KV601"),
    "a large exponent": ('{"gap": 1e999999999}', 1, "KV601"),
    "a null character": ('{"kind": "plan\\u0000"}', 1, "KV601"),
    "half a letter": ('{"kind": "\\ud800"}', 1, "KV601"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["verify", "show"])
def test_what_is_no_plan_is_said_to_be_none(
    name: str, command: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    content, code, rule = BROKEN[name]
    monkeypatch.chdir(tmp_path)
    Path("plan.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = failures.run(lambda: main._invoke([command, "plan.json"]), as_json=False, debug=True)
    told = capsys.readouterr()
    assert found == (code if command == "verify" else 2)
    assert f"error[{rule}]" in told.err
    assert "Traceback" not in told.err
    assert len(told.err) < 20_000


def sealed(tree: dict[str, Any]) -> dict[str, Any]:
    return tree | {"seal": seal_of(tree)}


@pytest.mark.parametrize("value", [-1, 2**62, 2**63, 10**30, 1.5, "1", True, None, [], {}, 1e308])
@pytest.mark.parametrize("field", ["count", "size_blocks", "first_region", "instance"])
def test_monstrous_numbers_of_a_run(tree: dict[str, Any], verify: Any, field: str, value: Any) -> None:
    forged = copy.deepcopy(tree)
    forged["runs"][0][field] = value
    done = verify(sealed(forged))
    assert done.returncode == 1
    assert "KV601" in done.stderr


@pytest.mark.parametrize("value", [0, 2**61, 2**62 - 1])
@pytest.mark.parametrize("field", ["count", "size_blocks", "first_region", "instance"])
def test_numbers_that_may_be_and_are_not(tree: dict[str, Any], verify: Any, field: str, value: int) -> None:
    forged = copy.deepcopy(tree)
    forged["runs"][-1][field] = value
    assert tree["runs"][-1][field] != value
    assert verify(sealed(forged)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["verify"], 2, "Missing argument"),
        (["verify", "missing.json"], 2, "cannot be read"),
        (["verify", "."], 2, "is a folder, not a file"),
        (["verify", "plan.json", "missing.yaml"], 2, "cannot be read"),
        (["verify", "plan.json", "--set", "a=1"], 2, "--model and --context must be given"),
        (["verify", "plan.json", "w.yaml", "--set", "requests.9.sequences=1"], 2, "leads nowhere"),
        (["verify", "plan.json", "--format", "html"], 2, "not yet supported"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage(
    tree: dict[str, Any], tmp_path: Path, arguments: list[str], code: int, words: str, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.json").write_text(json.dumps(tree), encoding="utf-8")
    Path("w.yaml").write_text(TEXT, encoding="utf-8")
    assert failures.run(lambda: main._invoke(arguments), as_json=False, debug=True) == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_a_plan_larger_than_any_is_not_read(tree: dict[str, Any], verify: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("kvplan.answers.plan_file.MAX_PLAN_BYTES", 1000)
    done = verify(tree)
    assert done.returncode == 2
    assert "KV004" in done.stderr

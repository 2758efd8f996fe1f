"""verify: a plan stands at every better value of the facts and at no worse one, and for no other workload."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.answers.show import show
from kvplan.placement.plan import seal_of

TEXT = """\
kvplan: 1
name: two-classes
fleet: [{system: al128, count: 2, exclude: [r1/g1]}]
deployments:
  - name: main
    model: llama-3.1-70b
    engine: vllm@0.32
    tensor_parallel: 8
    limits: {max_num_seqs: 128}
requests:
  - {name: chat, sequences: 300, input: 3000, output: 1000, prefix: {tokens: 512, count: 2}}
  - {name: long, sequences: 40, context: 100000, priority: 1}
value: per_token
"""
CLAIMS = (
    "form", "seal", "fleet", "seats", "rooms", "regions", "loads", "copies", "leftovers", "totals", "bound", "summary",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    """The plan of the text, as JSON reads it."""
    return json.loads(json.dumps(kvplan.place(TEXT).plan.to_dict()))


def sealed(tree: dict[str, Any]) -> dict[str, Any]:
    return tree | {"seal": seal_of(tree)}


def failing(result: Any) -> list[str]:
    return [claim.name for claim in result.claims if not claim.holds]


def rules(result: Any) -> set[str]:
    return {finding.rule for finding in result.findings}


def test_a_plan_is_one_of_its_workload(tree: dict[str, Any]) -> None:
    result = kvplan.verify(tree, TEXT)
    assert [claim.name for claim in result.claims] == [*CLAIMS, "workload"]
    assert (result.valid, result.verdict, result.workload_checked, result.findings) == (True, "yes", True, ())
    alone = kvplan.verify(tree)
    assert [claim.name for claim in alone.claims] == list(CLAIMS)
    assert (alone.valid, alone.workload_checked) == (True, False)


def test_a_plan_may_be_a_value_a_mapping_or_a_file(tree: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(tree), encoding="utf-8")
    plan, holds, is_drawable = show(file)
    assert (holds, is_drawable) == (True, True)
    assert plan == kvplan.place(TEXT).plan
    for form in (tree, file, plan):
        assert kvplan.verify(form, TEXT).valid


def test_the_json(tree: dict[str, Any]) -> None:
    told = kvplan.verify({**tree, "workload": "other"}).to_dict()
    assert (told["kind"], told["verdict"], told["valid"], told["workload_checked"]) == (
        "verification",
        "no",
        False,
        False,
    )
    assert [item["claim"] for item in told["claims"] if not item["holds"]] == ["seal"]
    assert [finding["rule"] for finding in told["findings"]] == ["KV602"]


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"facts.hbm_engine_visible": "144 GiB"}, True),
        ({"facts.hbm_engine_visible": "{low: 144 GB, high: 200 GB}"}, True),
        ({"facts.hbm_engine_visible": "144000000001 B"}, True),
        ({"facts.hbm_engine_visible": "143999999999 B"}, False),
        ({"facts.hbm_engine_visible": "{low: 143 GB, high: 200 GB}"}, False),
        ({"facts.reserve": "3 GiB"}, True),
        ({"facts.reserve": "5 GiB"}, True),
        ({"facts.reserve": "{low: 1 GiB, high: 5 GiB}"}, True),
        ({"facts.reserve": "5368709121 B"}, False),
        ({"facts.reserve": "{low: 1 GiB, high: 6 GiB}"}, False),
        ({"facts.power": "600 W"}, True),  # nothing hangs on it
    ],
    ids=lambda value: str(value),
)
def test_a_plan_of_the_safe_end_stands_at_every_better_value(
    tree: dict[str, Any], changes: dict[str, str], valid: bool
) -> None:
    result = kvplan.verify(tree, TEXT, set=changes)
    assert (result.valid, failing(result)) == (valid, [] if valid else ["workload"])


OTHER = {
    "requests.0.sequences": 301,
    "requests.0.input": 3001,
    "requests.0.output": 999,
    "requests.0.prefix.tokens": 528,
    "requests.0.prefix.count": 3,
    "requests.0.name": "chats",
    "requests.1.context": 100_001,
    "requests.1.priority": 2,
    "deployments.0.name": "other",
    "deployments.0.model": "llama-3-70b",
    "deployments.0.engine": "vllm@0.31",
    "deployments.0.tensor_parallel": 4,
    "deployments.0.data_parallel": 2,
    "deployments.0.kv.format": "fp8_e4m3",
    "deployments.0.kv.block_size": 32,
    "deployments.0.limits.max_num_seqs": 129,
    "deployments.0.limits.max_num_batched_tokens": 4096,
    "deployments.0.replicas": 20,
    "deployments.0.topology": "preferred",
    "deployments.0.memory.fraction": "91%",
    "deployments.0.weights": "fp8",
    "fleet.0.count": 3,
    "fleet.0.exclude": "[r1/g0]",
    "fleet.0.facts.native_group_accelerators": 32,
    "system": "hgx-h200",
    "value": "per_sequence",
    "planning_quantile": "95%",
}


@pytest.mark.parametrize("path", OTHER)
def test_a_plan_is_of_no_other_workload(tree: dict[str, Any], path: str) -> None:
    text, changes = TEXT, {path: OTHER[path]}
    if path == "system":
        text, changes = TEXT.replace("fleet: [{system: al128, count: 2, exclude: [r1/g1]}]", "system: hgx-h200"), {}
    if "native_group" in path:  # its exclusion is of another tree then
        changes["fleet.0.exclude"] = "[r1/g2, r1/g3]"
    result = kvplan.verify(tree, text, set=changes)
    assert (failing(result), rules(result)) == (["workload"], {"KV609"})


def test_a_plan_of_a_reserve_below_the_workloads_is_none(tree: dict[str, Any]) -> None:
    thin = kvplan.place(TEXT, reserve="1 GiB").plan
    assert kvplan.verify(thin).valid
    assert kvplan.verify(thin, TEXT, reserve="1 GiB").valid
    result = kvplan.verify(thin, TEXT)
    assert [finding.path for finding in result.findings] == ["deployments[0].rooms[0].reserve_bytes"]


def test_what_a_plan_counts_regions_as_is_its_own_matter() -> None:
    for accounting in ("peak", "now", "reserved"):
        assert kvplan.verify(kvplan.place(TEXT, accounting=accounting).plan, TEXT).valid


# A forger knows how to seal, and the fingerprint of the workload stands in any of its plans.
FORGED: dict[str, Any] = {
    "max_num_seqs": 0,
    "topology": "preferred",
    "model": "llama-3.1-8b",
    "engine": "vllm 0.31",
    "kv_format": "fp8_e4m3",
    "accounting": "now",
}


@pytest.mark.parametrize("field", FORGED)
def test_a_forger_who_seals_again_does_not_get_past_the_workload(tree: dict[str, Any], field: str) -> None:
    forged = copy.deepcopy(tree)
    forged["deployments"][0][field] = FORGED[field]
    if field == "kv_format":
        for replica in forged["replicas"]:
            replica[field] = FORGED[field]
    result = kvplan.verify(sealed(forged), TEXT)
    assert "workload" in failing(result), field


def test_a_larger_share_of_memory_is_not_the_workloads(tree: dict[str, Any]) -> None:
    # A plan for 99 % that gives itself out for one of 92 %: its own sums are true.
    greedy = json.loads(json.dumps(kvplan.place(TEXT, memory_fraction="99%").plan.to_dict()))
    greedy["fingerprint"] = tree["fingerprint"]
    assert kvplan.verify(sealed(greedy)).valid
    result = kvplan.verify(sealed(greedy), TEXT)
    assert [finding.path for finding in result.findings] == ["deployments[0].memory_fraction"]


def test_weights_left_out_are_found(tree: dict[str, Any]) -> None:
    light = json.loads(json.dumps(kvplan.place(TEXT, weights="1 GB", reserve="5 GiB").plan.to_dict()))
    light["fingerprint"] = tree["fingerprint"]
    assert kvplan.verify(sealed(light)).valid
    assert [finding.path for finding in kvplan.verify(sealed(light), TEXT).findings] == ["deployments[0].stages"]


def test_shorter_sequences_are_found(tree: dict[str, Any]) -> None:
    short = json.loads(json.dumps(kvplan.place(TEXT, set={"requests.1.context": "50000"}).plan.to_dict()))
    short["fingerprint"] = tree["fingerprint"]
    assert kvplan.verify(sealed(short)).valid
    result = kvplan.verify(sealed(short), TEXT)
    assert [finding.message for finding in result.findings] == ["the regions of `long` are not those of the workload"]


def test_a_workload_that_cannot_be_read_is_no_verdict(tree: dict[str, Any]) -> None:
    with pytest.raises(kvplan.SpecError):
        kvplan.verify(tree, TEXT.replace("sequences: 300", "sequences: 0"))
    with pytest.raises(kvplan.SpecError, match="nothing says what there is to place on"):
        kvplan.verify(tree, TEXT.replace("fleet:", "# fleet:"))


def test_a_plan_without_the_form_of_one_is_not_held_to_a_workload() -> None:
    for tree in ({}, {"kind": "plan"}, {"format_version": 1}):
        result = kvplan.verify(tree, TEXT)
        assert (result.valid, failing(result), result.workload_checked) == (False, ["form"], True)


def test_flags_are_set_over_the_workload() -> None:
    plan = kvplan.place(model="llama-3.1-8b", system="hgx-h100", batch=10, context=8192, replicas=2).plan
    text = "kvplan: 1\nname: flags\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests: [{name: requests, sequences: 10, context: 8192}]\n"
    assert not kvplan.verify(plan, text).valid
    assert kvplan.verify(plan, text, replicas=2).valid
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        kvplan.verify(plan, text, replica=2)  # type: ignore[call-arg]

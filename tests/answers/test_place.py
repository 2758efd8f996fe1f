"""place: what it says holds of its own plan, whatever the workload; names and order change no number; verdicts turn."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.answers.place import settle
from kvplan.answers.place_question import open_question
from kvplan.answers.place_result import Place
from kvplan.answers.request import read_written

GIB = 1 << 30
SMALL = ("llama-3.1-8b", "gemma-3-27b", "gpt-oss-20b", "deepseek-v2-lite")
LENGTHS = (
    {"context": 4096},
    {"context": 100_000},
    {"input": 3000, "output": 1000},
    {"input": {"distribution": "uniform", "min": 100, "max": 20_000}, "output": 500},
    {"input": {"distribution": "lognormal", "median": 4000, "p99": 60_000, "max": 100_000}, "output": 2000},
    {"input": 8000, "output": {"distribution": "exponential", "mean": 500, "max": 4000}},
)


def text_of(tree: dict[str, Any]) -> str:
    return json.dumps({"kvplan": 1, **tree})  # JSON is YAML


@st.composite
def deployments(draw: Any, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "name": name,
        "model": draw(st.sampled_from(SMALL)),
        "engine": draw(st.sampled_from(["paged", "vllm@0.32"])),
        "tensor_parallel": draw(st.sampled_from([1, 2, 4])),
        "data_parallel": draw(st.sampled_from([1, 1, 2])),
        "pipeline_parallel": draw(st.sampled_from([1, 1, 2])),
        "topology": draw(st.sampled_from(["required", "preferred"])),
    }
    if draw(st.booleans()):
        options["replicas"] = draw(st.integers(1, 4))
    if draw(st.booleans()):
        options["limits"] = {"max_num_seqs": draw(st.integers(1, 200))}
    return options


@st.composite
def classes(draw: Any, deployment: str) -> dict[str, Any]:
    request = {
        "deployment": deployment,
        "sequences": draw(st.integers(1, 400)),
        "priority": draw(st.integers(-1, 1)),
        **draw(st.sampled_from(LENGTHS)),
    }
    if draw(st.booleans()):
        request["prefix"] = {"tokens": draw(st.sampled_from([16, 1000])), "count": draw(st.integers(1, 5))}
        request["prefix"]["tokens"] = min(request["prefix"]["tokens"], 100 if "lognormal" in str(request) else 1000)
    return request


@st.composite
def workloads(draw: Any, most_deployments: int = 2) -> dict[str, Any]:
    names = [f"d{index}" for index in range(draw(st.integers(1, most_deployments)))]
    served = [draw(deployments(name)) for name in names]
    requests = [draw(classes(draw(st.sampled_from(names)))) for _ in range(draw(st.integers(1, 4)))]
    for index, request in enumerate(requests):
        request["name"] = f"c{index}"
    fleet: list[dict[str, Any]] = [
        {"system": draw(st.sampled_from(["al128", "hgx-h100"])), "count": draw(st.integers(0, 2))}
    ]
    if draw(st.booleans()):
        fleet.append({"system": "hgx-h200", "exclude": draw(st.sampled_from([[], ["r0/g0/n0/a3"], ["r0/g0/n0/a0"]]))})
    if fleet[0]["count"] and draw(st.booleans()):
        fleet[0]["exclude"] = draw(st.sampled_from([["r0/g0"], ["r0/g0/n0/a1"], ["r0"]]))
    return {
        "name": "drawn",
        "deployments": served,
        "requests": requests,
        "fleet": fleet,
        "value": draw(st.sampled_from(["per_token", "per_sequence"])),
    }


def placed(tree: dict[str, Any], **flags: Any) -> Place | None:
    """What place answers, without headroom and remedies; None for what an engine refuses."""
    try:
        return settle(open_question(read_written(text_of(tree)), flags, "python"), {})
    except kvplan.SpecError:
        return None


@settings(max_examples=40, deadline=None)
@given(tree=workloads(), accounting=st.sampled_from(["peak", "now", "reserved"]))
def test_every_plan_verifies_and_is_one_of_its_workload(tree: dict[str, Any], accounting: str) -> None:
    found = placed(tree, accounting=accounting)
    if found is None:
        return
    for result in (kvplan.verify(found.plan), kvplan.verify(found.plan, text_of(tree))):
        assert [finding.message for finding in result.findings] == []
    assert kvplan.verify(json.loads(json.dumps(found.plan.to_dict())), text_of(tree)).valid
    regions, summary = found.regions, found.plan.summary
    assert regions.total == regions.placed + regions.unplaced == summary.regions
    assert regions.by_tier == {"hbm": regions.placed}
    assert found.fits == (found.verdict == "yes") == summary.fits
    assert (found.binding == "none") == summary.fits
    assert found.accelerators_used <= found.accelerators_total
    assert found.gap == found.accelerators_used - found.lower_bound
    if summary.fits:
        assert found.lower_bound <= found.accelerators_used
    assert bool(found.depends_on) <= (found.verdict == "depends")
    for item in found.ranges.values():
        assert item["low"] <= item["nominal"] <= item["high"]


def quick(**flags: Any) -> Place:
    """place by flags, without headroom and remedies."""
    return settle(open_question(None, flags, "python"), {})


def numbers(result: Place) -> Any:
    """The JSON of a place, classes and replicas without the names that a request may have."""
    return json.loads(re.sub(r"\bc[0-9]+-?[a-z]*\b", "class", json.dumps(result.to_dict())))


def plan_numbers(result: Place) -> list[Any]:
    """Every number of a plan, sorted."""
    tree = result.plan.to_dict()
    found: list[float] = []

    def gather(node: Any) -> None:
        if isinstance(node, dict | list):
            for part in node.values() if isinstance(node, dict) else node:
                gather(part)
        elif isinstance(node, int | float):
            found.append(node)

    gather(tree)
    return sorted(found)


@settings(max_examples=30, deadline=None)
@given(tree=workloads(), data=st.data())
def test_names_and_order_of_requests_change_no_number(tree: dict[str, Any], data: Any) -> None:
    found = placed(tree)
    if found is None:
        return
    order = data.draw(st.permutations(range(len(tree["requests"]))))
    names = data.draw(st.permutations([f"c{index}-new" for index in range(10, 10 + len(order))]))
    permuted = [{**tree["requests"][index], "name": name} for index, name in zip(order, names, strict=True)]
    again = placed({**tree, "requests": permuted})
    assert again is not None
    first, second = numbers(found), numbers(again)
    for tree_ in (first, second):
        tree_["notes"] = sorted(
            json.dumps({**note, "path": "", "column": 0, "end_column": 0}) for note in tree_["notes"]
        )
    assert second == first
    assert plan_numbers(again) == plan_numbers(found)


KEYS = """verdict fits accelerators_used accelerators_total accelerators_for_kv kv_pool_utilization hbm_utilization
    lower_bound gap proved_optimal crossings replicas regions binding would_fit headroom ranges depends_on deployments
    format_version kind kvplan"""


def test_the_json_has_every_key() -> None:
    tree = kvplan.place(model="llama-3.1-8b", system="al128", batch=100, context=8192).to_dict()
    assert tree["kind"] == "place"
    assert set(KEYS.split()) <= set(tree)
    assert tree["regions"] == {"total": 100, "placed": 100, "unplaced": 0, "by_tier": {"hbm": 100}}
    replica = tree["replicas"][0]
    assert replica["id"] == "main/0"
    assert {"deployment", "accelerators", "native_groups", "rack", "instances"} <= set(replica)
    assert set(replica["instances"][0]) == {"used_blocks", "capacity_blocks"}
    assert json.loads(json.dumps(tree)) == tree


EIGHT: dict[str, Any] = {"model": "llama-3.1-8b", "system": "hgx-h100", "context": 8192}


@pytest.mark.parametrize(
    ("flags", "binding"),
    [
        ({"batch": 10}, "none"),
        ({"batch": 100_000}, "accelerators"),
        ({"batch": 1, "context": 900_000}, "hbm"),  # one sequence is more than any room
        ({"batch": 4000, "replicas": 2}, "hbm"),
        ({"batch": 200, "replicas": 1, "max_num_seqs": 100, "context": 1024}, "max_num_seqs"),
        ({"batch": 10, "model": "llama-3.1-405b", "tensor_parallel": 16}, "accelerators"),
        ({"batch": 10, "model": "llama-3.1-405b", "tensor_parallel": 16, "count": 2}, "native_group"),
        ({"batch": 10, "replicas": 9}, "accelerators"),
        ({"batch": 10, "count": 0}, "accelerators"),
    ],
)
def test_what_stops_the_rest(flags: dict[str, Any], binding: str) -> None:
    found = kvplan.place(**{**EIGHT, **flags})
    assert (found.binding, found.fits) == (binding, binding == "none")


def test_what_would_fit_does_and_one_less_does_not() -> None:
    asked = {**EIGHT, "batch": 500}
    found = kvplan.place(**asked)
    assert (found.verdict, found.headroom) == ("no", ())
    remedies = dict(found.would_fit)
    assert {"batch", "context", "count"} <= set(remedies)
    for knob, value in found.would_fit:
        assert kvplan.place(**{**asked, knob: value}).fits, knob
    for knob, step in (("batch", 1), ("context", 1), ("count", -1)):
        assert not kvplan.place(**{**asked, knob: int(remedies[knob]) + step}).fits, knob


def test_replicas_that_are_too_few_or_a_limit_of_sequences_are_cured() -> None:
    found = dict(kvplan.place(**{**EIGHT, "batch": 200, "replicas": 1}).would_fit)
    assert found["replicas"] == 4  # 51 sequences each
    assert kvplan.place(**{**EIGHT, "batch": 200, "replicas": 3}).fits is False
    found = dict(kvplan.place(**{**EIGHT, "batch": 200, "replicas": 4, "max_num_seqs": 49}).would_fit)
    assert found["max_num_seqs"] == 50
    asked = {**EIGHT, "batch": 1, "model": "llama-3.1-70b", "tensor_parallel": 16, "count": 2}
    assert dict(kvplan.place(**asked).would_fit)["topology"] == "preferred"
    assert kvplan.place(**{**asked, "topology": "preferred"}).crossings == 1


def test_headroom_of_one_class_and_of_several_together() -> None:
    one = {item.knob: item.factor for item in kvplan.place(**{**EIGHT, "batch": 100}).headroom}
    assert one["batch"] == 4.08  # 8 × 51: 84.92 GB × 90 % − weights − 5 GiB are 26 224 blocks of 2 MiB, 512 a sequence
    text = "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests: [{sequences: 75, context: 8Ki}, {sequences: 25, context: 8Ki}]\n"
    both = {item.knob: item.factor for item in kvplan.place(text).headroom}
    assert both == {"batch": 4.08}
    assert kvplan.place(text, set={"requests.0.sequences": 306, "requests.1.sequences": 102}).fits
    assert not kvplan.place(text, set={"requests.0.sequences": 306, "requests.1.sequences": 103}).fits


def test_what_is_left_over_goes_by_priority_and_then_by_value() -> None:
    # One H100 of 51 × 512 blocks and more; chats of 512 blocks and long ones of 4 096.
    head = "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\ndeployment: {replicas: 1}\n"
    low = "requests:\n  - {name: chat, sequences: 60, context: 8Ki}\n  - {name: long, sequences: 6, context: 64Ki%s}\n"

    def left(text: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in kvplan.place(text).plan.leftovers:
            found[row.class_] = found.get(row.class_, 0) + row.count
        return found

    assert left(head + low % ", priority: 1")["chat"] > 0
    assert "long" not in left(head + low % ", priority: 1")
    assert "chat" not in left(head + "value: per_sequence\n" + low % ", priority: -1") or (
        left(head + "value: per_sequence\n" + low % ", priority: -1")["long"] == 6
    )
    # A block holds as many tokens of either class, so per token the larger is kept first, per sequence the smaller.
    by_token, by_sequence = (left(head + f"value: {value}\n" + low % "") for value in ("per_token", "per_sequence"))
    assert by_token.get("long", 0) == 0
    assert by_sequence["long"] == 6


def test_where_the_engine_would_not_start_nothing_is_seated() -> None:
    # 92 % of 84.92 GB less 60 GB and 5 GiB are 12 757 690 880 bytes; a sequence of its 131 072 positions is 16 GiB.
    asked = {**EIGHT, "batch": 1, "engine": "vllm@0.32", "weights": "60 GB", "reserve": "5 GiB"}
    found = kvplan.place(**asked)
    assert (found.verdict, found.accelerators_used, found.regions.placed) == ("no", 0, 0)
    assert [note.rule for note in found.notes] == ["KV109"]
    assert "one sequence of 131,072 tokens needs 17.18 GB" in found.notes[0].message
    length = dict(found.would_fit)["max_model_len"]
    assert kvplan.place(**asked, max_model_len=length).fits
    assert not kvplan.place(**asked, max_model_len=int(length) + 1).fits
    assert kvplan.verify(found.plan).valid


def test_several_deployments_share_a_fleet() -> None:
    text = (
        "kvplan: 1\nfleet: [{system: hgx-h100, count: 2}]\ndeployments:\n"
        "  - {name: small, model: llama-3.1-8b}\n  - {name: large, model: llama-3.1-70b, tensor_parallel: 4}\n"
        "requests:\n  - {deployment: small, sequences: 100, context: 8Ki}\n"
        "  - {deployment: large, sequences: 100, context: 8Ki}\n"
    )
    both = kvplan.place(text)
    assert [(one.deployment, one.accelerators_used) for one in both.deployments] == [("small", 2), ("large", 8)]
    assert (both.accelerators_used, both.fits, both.regions.total) == (10, True, 200)
    assert len({id for replica in both.replicas for id in replica.accelerators}) == 10
    assert kvplan.verify(both.plan, text).valid
    one = kvplan.place(text, deployment="large")
    assert [item.deployment for item in one.deployments] == ["large"]
    assert one.accelerators_used == 8


def test_a_reserve_of_each_deployment_is_a_fact_of_its_own() -> None:
    text = (
        "kvplan: 1\nsystem: hgx-h100\ndeployments:\n"
        "  - {name: a, model: llama-3.1-8b, replicas: 1}\n  - {name: b, model: llama-3.1-8b, replicas: 1}\n"
        "requests:\n  - {deployment: a, sequences: 52, context: 8Ki}\n  - {deployment: b, sequences: 1, context: 8Ki}\n"
    )
    found = kvplan.place(text)
    assert found.verdict == "depends"
    assert {"a.reserve", "hbm_engine_visible"} <= {item.fact for item in found.depends_on}


def test_parts_with_facts_of_their_own_are_facts_of_their_own() -> None:
    text = "kvplan: 1\nmodel: llama-3.1-8b\nrequests: [{sequences: 1000, context: 8Ki}]\nfleet:\n"
    parts = (
        "  - {system: al128, count: 0}\n  - {system: hgx-h100, facts: {hbm_engine_visible: {low: 80 GB, high: 2 TB}}}\n"
    )
    found = kvplan.place(text + parts)
    assert {item.fact for item in found.depends_on} >= {"hgx-h100.hbm_engine_visible", "reserve"}
    twice = "  - {system: hgx-h100}\n  - {system: hgx-h100, facts: {hbm_engine_visible: {low: 80 GB, high: 2 TB}}}\n"
    assert {item.fact for item in kvplan.place(text + twice).depends_on} >= {"fleet[1].hbm_engine_visible"}


@pytest.mark.parametrize("accounting", ["peak", "now", "reserved"])
def test_accounting_is_what_a_region_counts_as(accounting: str) -> None:
    # 1 000 tokens in and 1 000 out: 63 blocks now, 125 at the peak; an ideal engine reserves its peak.
    text = "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests: [{sequences: 10, input: 1000, output: 1000}]\n"
    (run,) = kvplan.place(text, accounting=accounting).plan.runs
    assert run.size_blocks == {"now": 63, "peak": 125, "reserved": 125}[accounting]


@pytest.mark.parametrize(
    ("flags", "rule", "path"),
    [
        ({"accounting": "most"}, "KV011", "accounting"),
        ({"topology": "near"}, "KV011", "deployments[0].topology"),
        ({"replicas": 0}, "KV010", "deployments[0].replicas"),
        ({"count": -1}, "KV010", "fleet[0].count"),
        ({"system": "al129"}, "KV011", "fleet[0].system"),
        ({"deployment": "other"}, "KV011", "deployment"),
        ({"memory_fraction": "0%"}, "KV010", "deployments[0].memory.fraction"),
        ({"reserve": "3"}, "KV009", "deployments[0].memory.reserve"),
        ({"weights": "fp9"}, "KV009", "deployments[0].weights"),
    ],
)
def test_bad_flags_are_found_where_they_stand(flags: dict[str, Any], rule: str, path: str) -> None:
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.place(**{**EIGHT, "batch": 1, **flags})
    found = [(finding.rule, finding.path.replace("system", "fleet[0].system")) for finding in caught.value.findings]
    assert found in ([(rule, path)], [(rule, path.replace("fleet[0].system", "fleet[0].fleet[0].system"))])


def test_without_a_fleet_there_is_nothing_to_place_on() -> None:
    with pytest.raises(kvplan.SpecError, match="nothing says what there is to place on"):
        kvplan.place(model="llama-3.1-8b", context=8192)


# Turning points. One replica of Llama 3.1 8B on an al128: weights 16 060 522 496 bytes, so 5 GiB in reserve (15 GiB of
# weights are more than 10). 96 sequences of 8 192 tokens are 96 × 512 × 2 MiB = 103 079 215 104 bytes.
ONE_REPLICA: dict[str, Any] = {"model": "llama-3.1-8b", "system": "al128", "replicas": 1, "context": 8192}


def test_a_verdict_turns_where_it_says() -> None:
    asked = {**ONE_REPLICA, "batch": 104}
    found = kvplan.place(**asked)
    assert found.verdict == "depends"
    points = {item.fact: item for item in found.depends_on}
    hbm, reserve = points["hbm_engine_visible"], points["reserve"]
    assert hbm.turning_point is not None
    point = int(hbm.turning_point)
    high = int(reserve.high)  # the other fact at its safe end

    def verdict(hbm_bytes: int, **more: Any) -> str:
        return kvplan.place(**asked, set={"facts.hbm_engine_visible": f"{hbm_bytes} B"}, **more).verdict

    assert verdict(point) == "yes"
    assert verdict(point - 1) != "yes"
    assert (verdict(point, reserve=f"{high} B"), verdict(point - 1, reserve=f"{high} B")) == ("yes", "no")
    assert (int(hbm.low), int(hbm.high)) == (144_000_000_000, 154_618_822_656)


def test_a_reserve_turns_where_it_says() -> None:
    # One sequence more than fits at the safe end: a little less in reserve is enough.
    most = kvplan.place(**{**ONE_REPLICA, "batch": 1000}).regions.placed
    asked = {**ONE_REPLICA, "batch": most + 1}
    found = kvplan.place(**asked)
    (item,) = [item for item in found.depends_on if item.fact == "reserve"]
    point = int(item.turning_point or 0)
    assert 3 * GIB <= point < 5 * GIB
    at_low = {"set": {"facts.hbm_engine_visible": "144 GB"}}
    assert kvplan.place(**asked, **at_low, reserve=f"{point} B").verdict == "yes"
    assert kvplan.place(**asked, **at_low, reserve=f"{point + 1} B").verdict == "no"


@settings(max_examples=15, deadline=None)
@given(
    model=st.sampled_from(["llama-3.1-8b", "gemma-3-27b", "gpt-oss-20b"]),
    engine=st.sampled_from(["paged", "vllm@0.32"]),
    system=st.sampled_from(["al128", "hgx-h100", "hgx-h200"]),
    replicas=st.integers(1, 4),
    context=st.integers(100, 60_000),
)
def test_every_turning_point_turns(model: str, engine: str, system: str, replicas: int, context: int) -> None:
    flags: dict[str, Any] = {
        "model": model,
        "engine": engine,
        "system": system,
        "replicas": replicas,
        "context": context,
    }
    most = quick(**flags, batch=100_000).regions.placed
    found = quick(**flags, batch=most + 1)
    if found.verdict != "depends":
        return
    facts = {item.fact: item for item in found.depends_on}
    for name, item in facts.items():
        if item.turning_point is None:
            continue
        point, step = int(item.turning_point), -1 if name == "reserve" else 1

        def verdict(value: int, name: str = name) -> str:
            """With this fact at a value, and the other at its safe end."""
            safe = {"hbm_engine_visible": facts.get("hbm_engine_visible"), "reserve": facts.get("reserve")}
            ends = {key: int(one.high if key == "reserve" else one.low) for key, one in safe.items() if one}
            ends[name] = value
            changes = {f"facts.{key}": f"{size} B" for key, size in ends.items()}
            return quick(**flags, batch=most + 1, set=changes).verdict

        assert (verdict(point), verdict(point - step)) == ("yes", "no")

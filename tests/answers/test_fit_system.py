"""fit with a system: the pool by hand, ranges in order, what a verdict hangs on, and agreement with place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.answers.fit import answer
from kvplan.answers.fit_result import Fit
from kvplan.answers.place import settle
from kvplan.answers.place_question import open_question
from kvplan.answers.place_result import Place

GIB = 1 << 30
ONE: dict[str, Any] = {"model": "llama-3-70b", "system": "al128", "tensor_parallel": 8, "kv_format": "bf16"}
# An AL128 accelerator is seen with 144 GB at least, 144 GiB = 154 618 822 656 bytes likely and at most.
GIGABYTES, GIBIBYTES = 144_000_000_000, 154_618_822_656
# Weights of a rank at TP8: 17 640 734 720 bytes (test_place_hand.py has the sum), so 5, 4 or 3 GiB are in reserve.
WEIGHTS = 17_640_734_720


def scenario(fit: Fit, name: str, end: str) -> int | float:
    """A figure at one end of the facts; plain where it is the same at all."""
    return fit.ranges[name][end] if name in fit.ranges else getattr(fit, name)


@pytest.mark.parametrize(("engine", "percent", "null"), [("paged", 90, 0), ("vllm@0.32", 92, 1)])
def test_the_pool_by_hand_at_every_end(engine: str, percent: int, null: int) -> None:
    fit = kvplan.fit(batch=16, context=8192, engine=engine, **ONE)
    ends = {"low": (GIGABYTES, 5 * GIB), "nominal": (GIBIBYTES, 4 * GIB), "high": (GIBIBYTES, 3 * GIB)}
    block = 655_360  # 1 KV head × 256 × 2 bytes × 16 tokens × 80 layers
    for end, (hbm, reserve) in ends.items():
        room = hbm * percent // 100
        pool = room - WEIGHTS - reserve
        blocks = pool // block
        assert scenario(fit, "hbm_bytes", end) == hbm
        assert scenario(fit, "room_bytes", end) == room
        assert scenario(fit, "pool_bytes", end) == pool
        assert scenario(fit, "blocks", end) == blocks
        assert scenario(fit, "tokens", end) == blocks * 16
        assert scenario(fit, "has_bytes", end) == (blocks - null) * block
        assert scenario(fit, "max_concurrency", end) == blocks / 512  # 8 192 tokens, its positions
        assert scenario(fit, "max_sequences", end) == (blocks - null) // 512
    # Less of the reserve is better, and its range is told as numbers in order.
    assert fit.ranges["reserve_bytes"] == {"low": 3 * GIB, "nominal": 4 * GIB, "high": 5 * GIB}
    assert (fit.weights_bytes, fit.reserve_bytes, fit.hbm_bytes) == (WEIGHTS, 5 * GIB, GIGABYTES)
    assert (fit.needs_bytes, fit.verdict) == (16 * 512 * block, "yes")
    assert fit.tokens_by_definition == {"blocks": fit.blocks * 16, "concurrency": fit.blocks * 16}


def test_log_lines_are_those_of_the_safe_end() -> None:
    fit = kvplan.fit(batch=16, context=8192, engine="vllm@0.32", **ONE)
    # 109 470 556 160 bytes are 101.95 GiB; 167 038 blocks of 16 tokens, 512 a sequence of 8 192.
    assert fit.log_lines == (
        "Available KV cache memory: 101.95 GiB",
        "GPU KV cache size: 2,672,608 tokens, Maximum concurrency for 8,192 tokens per request: 326.25x",
    )


@pytest.mark.parametrize("version", ["0.20.0", "0.20.1"])
def test_tokens_of_windows_under_both_definitions(version: str) -> None:
    # Gemma 3 27B has 10 full layers and 52 windows, in 7 groups that share the blocks; the old count divides by groups.
    fit = kvplan.fit(model="gemma-3-27b", system="hgx-h200", context=8192, engine=f"vllm@{version}")
    by_blocks, by_concurrency = fit.tokens_by_definition["blocks"], fit.tokens_by_definition["concurrency"]
    assert by_blocks == fit.blocks // 7 * 16
    assert by_concurrency == int(fit.max_concurrency * fit.max_model_len)
    assert fit.tokens == (by_blocks if version == "0.20.0" else by_concurrency)
    assert by_concurrency > 3 * by_blocks


MODELS = ["llama-3-8b", "llama-3-70b", "gemma-3-27b", "deepseek-v2-lite", "gpt-oss-20b", "mixtral-8x7b"]
SYSTEMS = ["al128", "hgx-h100", "hgx-b200", "gb200-nvl72", "mi300x-8", "zhenwu-810e"]


def quick(**flags: Any) -> Fit:
    """fit by flags, without headroom and remedies."""
    return answer(
        None, {name: value for name, value in flags.items() if value is not None}, "python", with_remedies=False
    )


def quick_place(**flags: Any) -> Place:
    """place by flags, without headroom and remedies."""
    flags = {name: value for name, value in flags.items() if value is not None}
    return settle(open_question(None, flags, "python"), {})


def in_order(ranges: Mapping[str, Mapping[str, int | float]]) -> bool:
    return all(
        item["low"] <= item["nominal"] <= item["high"] and item["low"] < item["high"] for item in ranges.values()
    )


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    system=st.sampled_from(SYSTEMS),
    engine=st.sampled_from(["paged", "vllm@0.9.2", "vllm@0.20.0", "vllm@0.32"]),
    batch=st.integers(1, 3000),
    context=st.integers(1, 8192),
    tensor=st.sampled_from([1, 2, 4, 8]),
    stages=st.integers(1, 4),
    data=st.integers(1, 3),
)
def test_ranges_are_in_order_and_plain_is_the_safe_end(
    model: str, system: str, engine: str, batch: int, context: int, tensor: int, stages: int, data: int
) -> None:
    flags: dict[str, Any] = {
        "model": model, "system": system, "engine": engine, "batch": batch, "context": context,
        "tensor_parallel": tensor, "pipeline_parallel": stages, "data_parallel": data, "max_model_len": 8192,
    }  # fmt: skip
    try:
        fit = quick(**flags)
    except kvplan.SpecError:  # a split or version that the engine refuses
        return
    assert in_order(fit.ranges)
    for name, item in fit.ranges.items():
        worse = "high" if name == "reserve_bytes" else "low"
        assert getattr(fit, name) == item[worse] or name == "weights_bytes"
    assert fit.pool_bytes == max(0, fit.room_bytes - fit.weights_bytes - fit.reserve_bytes)
    assert fit.fits == (fit.verdict == "yes")
    assert bool(fit.depends_on) == (fit.verdict == "depends")
    assert fit.max_sequences >= batch or not fit.fits
    # The pool that it comes to, given in place of the system, gives the same answer.
    if stages == 1:
        del flags["system"]
        given_pool = quick(pool=fit.pool_bytes, **flags)
        for name in ("blocks", "tokens", "max_concurrency", "max_sequences", "longest_context", "has_bytes", "fits"):
            assert getattr(given_pool, name) == getattr(fit, name), name


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    system=st.sampled_from(SYSTEMS),
    engine=st.sampled_from(["paged", "vllm@0.32"]),
    batch=st.integers(1, 4000),
    context=st.integers(1, 8192),
    tensor=st.sampled_from([1, 2, 8]),
    data=st.integers(1, 2),
    most=st.sampled_from([None, 16, 512]),
)
def test_what_fits_an_instance_is_placed_on_one_replica(
    model: str, system: str, engine: str, batch: int, context: int, tensor: int, data: int, most: int | None
) -> None:
    flags: dict[str, Any] = {
        "model": model, "system": system, "engine": engine, "batch": batch, "context": context,
        "tensor_parallel": tensor, "data_parallel": data, "max_num_seqs": most, "max_model_len": context,
    }  # fmt: skip
    if data > 1 and "gpt-oss" in model and tensor == 8:
        return  # 16 ranks cannot share its experts
    try:
        fit = quick(**flags)
    except kvplan.SpecError:
        return
    place = quick_place(replicas=1, **flags)
    if place.accelerators_total < tensor * data:
        return
    assert (place.verdict, place.regions.unplaced == 0) == (fit.verdict, fit.fits)
    points = {item.fact: item.turning_point for item in fit.depends_on}
    assert {item.fact: item.turning_point for item in place.depends_on} == points
    if fit.admission_needs_bytes > fit.admission_has_bytes:
        assert (place.regions.placed, len(place.replicas)) == (0, 0)  # the engine would not start
    elif not place.fits:
        assert place.regions.placed == fit.max_sequences


def test_a_verdict_hangs_on_facts_and_turns_where_they_say() -> None:
    # 330 sequences of 8 192 tokens are 330 × 512 × 655 360 = 110 729 625 600 bytes; paged takes 90 %.
    asked = {**ONE, "batch": 330, "context": 8192}
    need = 110_729_625_600
    fit = kvplan.fit(**asked)
    assert (fit.verdict, fit.fits, fit.needs_bytes) == ("depends", False, need)
    by_name = {item.fact: item for item in fit.depends_on}
    assert set(by_name) == {"hbm_engine_visible", "reserve"}
    hbm, reserve = by_name["hbm_engine_visible"], by_name["reserve"]
    assert (hbm.low, hbm.high, hbm.unit) == (GIGABYTES, GIBIBYTES, "bytes")
    # With 5 GiB in reserve: ⌊90 % × hbm⌋ − weights − 5 GiB ≥ need.
    least = need + WEIGHTS + 5 * GIB
    point = int(hbm.turning_point or 0)
    assert point * 9 // 10 >= least > (point - 1) * 9 // 10
    # With 144 GB: 129 600 000 000 − weights − reserve ≥ need leaves 1 229 639 680 of a reserve of at least 3 GiB.
    assert (reserve.low, reserve.high, reserve.turning_point) == (3 * GIB, 5 * GIB, None)
    at = kvplan.fit(**asked, set={"facts.hbm_engine_visible": f"{point} B"})
    below = kvplan.fit(**asked, set={"facts.hbm_engine_visible": f"{point - 1} B"})
    assert (at.verdict, below.verdict) == ("yes", "depends")
    assert kvplan.fit(**asked, reserve="5 GiB", set={"facts.hbm_engine_visible": f"{point - 1} B"}).verdict == "no"


def test_a_reserve_alone_may_be_enough() -> None:
    # 318 sequences need 106 703 093 760 (317 are what 144 GB and 5 GiB hold): the reserve may be 5 256 171 520 at most.
    asked = {**ONE, "batch": 318, "context": 8192}
    points = {item.fact: item.turning_point for item in kvplan.fit(**asked).depends_on}
    assert points["reserve"] == 129_600_000_000 - WEIGHTS - 318 * 512 * 655_360 == 5_256_171_520
    hbm = "facts.hbm_engine_visible"
    assert kvplan.fit(**asked, reserve="5256171520 B", set={hbm: "144 GB"}).verdict == "yes"
    assert kvplan.fit(**asked, reserve="5256171521 B", set={hbm: "144 GB"}).verdict == "no"


def test_a_miss_at_every_end_is_no_and_says_what_would_fit() -> None:
    fit = kvplan.fit(batch=400, context=8192, engine="vllm@0.32", **ONE)
    assert (fit.verdict, fit.depends_on, fit.headroom) == ("no", (), ())
    found = dict(fit.would_fit)
    assert found["batch"] == 326
    # No more ranks help: past 8 they hold the same KV heads again, and what 16 save of weights is 358 sequences' room.
    assert set(found) == {"batch", "context", "kv_format", "pipeline_parallel", "data_parallel"}
    for knob, value in fit.would_fit:
        changed = {**ONE, "batch": 400, "context": 8192, "engine": "vllm@0.32", knob: value}
        assert kvplan.fit(**changed).fits, knob
    assert not kvplan.fit(**{**ONE, "batch": 400, "context": int(found["context"]) + 1, "engine": "vllm@0.32"}).fits


def test_a_larger_share_or_smaller_weights_may_be_all_that_is_missing() -> None:
    # 320 sequences: 107 373 527 040 + weights + 5 GiB = 130 382 970 880 bytes, 90.5 % of 144 GB.
    found = dict(kvplan.fit(batch=320, context=8192, **ONE).would_fit)
    assert (found["memory_fraction"], found["weights"]) == ("91%", "fp8")
    assert "weights" not in dict(
        kvplan.fit(batch=320, context=8192, weights="fp8", memory_fraction="60%", **ONE).would_fit
    )


def test_a_hit_says_its_headroom() -> None:
    fit = kvplan.fit(batch=100, context=8192, **ONE)
    assert {item.knob: item.factor for item in fit.headroom} == {
        "batch": 3.17,  # 317
        "context": 26_016 / 8192,  # 162 644 blocks are 1 626 for each of 100: 26 016 tokens
        "pool": fit.has_bytes / fit.needs_bytes,
    }


def test_max_num_seqs_is_a_limit_of_its_own() -> None:
    asked = {**ONE, "context": 8192, "max_num_seqs": 64}
    assert kvplan.fit(batch=64, **asked).fits
    over = kvplan.fit(batch=65, **asked)
    assert (over.fits, over.verdict, over.max_sequences) == (False, "no", 64)
    assert over.needs_bytes <= over.has_bytes
    found = dict(over.would_fit)
    assert (found["batch"], found["max_num_seqs"]) == (64, 65)
    # Of two instances each takes as many.
    assert kvplan.fit(batch=128, data_parallel=2, **asked).max_sequences == 128
    assert dict(kvplan.fit(batch=131, data_parallel=2, **asked).would_fit)["max_num_seqs"] == 66


def test_a_workloads_own_fleet_stands_in(tmp_path: Path) -> None:
    text = (
        "kvplan: 1\nmodel: llama-3-70b\ndeployment: {tensor_parallel: 8}\nrequests: [{sequences: 16, context: 8Ki}]\n"
    )
    alone = kvplan.fit(text + "fleet: [{system: al128, count: 0}]\n")
    assert (alone.system, alone.pool_bytes) == ("al128", kvplan.fit(batch=16, context=8192, **ONE).pool_bytes)
    replaced = kvplan.fit(text + "fleet: [{system: al128, facts: {hbm_engine_visible: 150 GB}}]\n")
    assert (replaced.hbm_bytes, "hbm_bytes" in replaced.ranges) == (150_000_000_000, False)
    twice = "fleet: [{system: al128}, {system: al128, count: 3}]\n"
    assert kvplan.fit(text + twice).pool_bytes == alone.pool_bytes
    assert kvplan.fit(text + "system: al128\n", system="hgx-h200").system == "hgx-h200"
    # A pool that is given counts, whatever fleet there is.
    assert (kvplan.fit(text + "system: al128\n", pool="1 GiB").system, alone.fits) == ("", True)


@pytest.mark.parametrize(
    ("fleet", "rule", "path"),
    [
        ("", "KV008", ""),
        ("fleet: [{system: al128}, {system: hgx-h100}]\n", "KV018", "fleet"),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: 1 GB}}, {system: al128, facts: {power: 1 W}}]\n",
            "KV018",
            "fleet",
        ),
    ],
)
def test_a_rank_sits_on_one_system(fleet: str, rule: str, path: str) -> None:
    text = "kvplan: 1\nmodel: llama-3-70b\nrequests: [{sequences: 16, context: 8Ki}]\n"
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.fit(text + fleet)
    assert [(finding.rule, finding.path) for finding in caught.value.findings] == [(rule, path)]


@pytest.mark.parametrize(
    "flag", [{"system": "al128"}, {"memory_fraction": 0.9}, {"reserve": "1 GiB"}, {"weights": "fp8"}]
)
def test_beside_a_pool_nothing_is_given_that_it_is_left_of(flag: dict[str, Any]) -> None:
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.fit(model="llama-3-8b", context=16, pool="10 GiB", **flag)
    assert [(finding.rule, finding.path) for finding in caught.value.findings] == [("KV018", next(iter(flag)))]


def test_weights_that_do_not_fit_leave_nothing() -> None:
    # 405B in bf16 on one rank: 812 GB of weights in 144.
    fit = kvplan.fit(model="llama-3.1-405b", system="al128", context=8192)
    assert (fit.verdict, fit.pool_bytes, fit.blocks, fit.has_bytes, fit.max_sequences) == ("no", 0, 0, 0, 0)
    assert dict(fit.would_fit)["tensor_parallel"] == 8
    assert kvplan.fit(model="llama-3.1-405b", system="al128", context=8192, tensor_parallel=8).fits


def test_weights_and_pool_of_stages_are_of_one_rank() -> None:
    # Gemma 3 27B in three stages: the heaviest, with the embedding, is not the one with fewest blocks.
    fit = kvplan.fit(model="gemma-3-27b", system="al128", context=8192, pipeline_parallel=3, engine="vllm@0.32")
    assert fit.room_bytes - fit.weights_bytes - fit.reserve_bytes == fit.pool_bytes
    stages = (
        kvplan.place(model="gemma-3-27b", system="al128", context=8192, pipeline_parallel=3, engine="vllm@0.32")
        .plan.deployments[0]
        .stages
    )
    assert fit.weights_bytes in [stage.weights_bytes for stage in stages]
    assert fit.weights_bytes < max(stage.weights_bytes for stage in stages)


def test_a_start_up_log_follows_from_its_memory_weights_and_reserve() -> None:
    """A public log of vLLM 0.31.0 on 79.25 GiB: 0.92 × 79.25 = 72.91, less 15.26 and 1.44 = 56.21 GiB, 460,496 tokens."""
    fit = kvplan.fit(
        model="llama-3.1-8b", system="hgx-h100", set={"facts.hbm_engine_visible": "79.25 GiB"}, memory_fraction="0.92",
        weights="15.26 GiB", reserve="1.44 GiB", context="128Ki", engine="vllm@0.31",
    )  # fmt: skip
    # 56.21 ± 0.005 GiB ÷ (131,072 B × 16) = 28,776.4 … 28,781.6 blocks: 460,416 to 460,496 tokens and a block above
    assert fit.log_lines[0] == "Available KV cache memory: 56.21 GiB"
    assert 460_416 <= fit.tokens <= 460_512
    assert f"{fit.max_concurrency:.2f}" == "3.51"


def test_parts_of_one_system_with_other_facts_are_not_one_room() -> None:
    text = "kvplan: 1\nmodel: llama-3.1-8b\nfleet: [{system: al128}, {system: al128%s}]\n"
    text += "requests: [{sequences: 1, context: 8Ki}]\n"
    assert kvplan.fit(text % "").system == "al128"
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.fit(text % ", facts: {hbm_engine_visible: 150 GB}")
    (finding,) = caught.value.findings
    assert (finding.rule, finding.path) == ("KV018", "fleet")
    assert "keep one part of the fleet" in finding.help

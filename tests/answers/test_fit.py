"""Fit against start-up logs that real servers printed, hand sums, and itself: what it says would fit does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.answers.fit import answer
from kvplan.answers.fit_result import Fit

GIB = 1 << 30


def full(count: int, heads: int, head_dim: int, q_heads: int) -> dict[str, Any]:
    layer = {"kind": "full_attention", "count": count, "num_kv_heads": heads, "head_dim": head_dim}
    return {
        "name": "model",
        "num_q_heads": q_heads,
        "hidden_size": 5120,
        "max_position_embeddings": 1 << 20,
        "kv_format": "bf16",
        "layers": [layer],
    }


class Log(NamedTuple):
    """What a public start-up log prints, and the figure that the log has rounded. [GiB], [tokens]"""

    thread: str
    model: str | dict[str, Any]
    pool: str
    flags: dict[str, Any]
    tokens: int | None = None
    concurrency: str | None = None
    needed: str | None = None
    longest: int | None = None


# Case numbers and figures: vLLM V1 start-up logs in public issue threads, one a line.
LOGS = {
    "C01": Log(
        "LMCache/LMCache#1739",
        full(40, 8, 128, 40),  # Qwen3-14B: config.json of Qwen/Qwen3-14B
        "6.51",
        {"engine": "vllm@0.11", "max_model_len": 32768},
        tokens=42656,
        concurrency="1.30",
    ),
    "C05": Log(
        "vllm-project/recipes#12",
        "qwen3-coder-480b-a35b",
        "48.66",
        {"engine": "vllm@0.10.1", "max_model_len": 262144, "data_parallel": 8},
        tokens=205728,
        needed="62.00",
        longest=205728,
    ),
    "C09": Log(
        "vllm-project/vllm#27508",
        "gpt-oss-120b",
        "1.71",
        {"engine": "vllm@0.11", "max_model_len": 131072, "max_num_batched_tokens": 1024},
        needed="4.54",
    ),
    "C11": Log(
        "vllm-project/vllm#32105",
        full(92, 8, 128, 96),  # GLM-4.7: config.json of zai-org/GLM-4.7
        "28.57",
        {"engine": "vllm@0.14", "max_model_len": 202752},
        needed="71.16",
        longest=81392,
    ),
    "C61": Log(
        "a public log of vLLM 0.31.0",
        "llama-3.1-8b",
        "56.21",
        {"engine": "vllm@0.31", "max_model_len": 131072},
        tokens=460496,
        concurrency="3.51",
    ),
    "C63": Log(
        "a public log of vLLM 0.15.1",
        full(92, 8, 128, 96),
        "31.99",
        {"engine": "vllm@0.15", "kv_format": "fp8", "tensor_parallel": 4, "max_model_len": 202752},
        tokens=729248,
    ),
    "C65": Log(
        "a public log of vLLM 0.9",
        "qwen3-8b",
        "18.69",
        {"engine": "vllm@0.9", "max_model_len": 40960},
        tokens=136080,
        concurrency="3.32",
    ),
}


def _ends(log: Log) -> list[Fit]:
    """The least and the largest pool that the log prints as it does: two decimals, so half a hundredth either way."""
    middle = Fraction(log.pool) * GIB
    half = Fraction(GIB, 200)
    return [kvplan.fit(model=log.model, pool=int(middle + end), context=16, **log.flags) for end in (-half, half)]


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_a_real_log_follows_from_the_pool_it_prints(log: Log) -> None:
    low, high = _ends(log)
    if log.tokens is not None:
        assert low.tokens_by_definition["blocks"] <= log.tokens <= high.tokens_by_definition["blocks"], log.thread
        assert low.tokens <= log.tokens <= high.tokens, log.thread
        assert (high.tokens - low.tokens) / log.tokens < 0.01  # a band that wide would prove nothing
    if log.concurrency is not None:
        assert f"{low.max_concurrency:.2f}" <= log.concurrency <= f"{high.max_concurrency:.2f}", log.thread
    if log.needed is not None:
        assert f"{low.admission_needs_bytes / GIB:.2f}" == log.needed, log.thread
        assert not low.fits
    if log.longest is not None:
        estimates = [int(fit.log_lines[-1].rpartition(" is ")[2].rstrip(".")) for fit in (low, high)]
        assert estimates[0] <= log.longest <= estimates[1], log.thread


def test_a_pool_by_hand() -> None:
    # Llama 3.1 8B, bf16: a block is 2 × 8 heads × 128 × 2 bytes × 16 tokens × 32 layers = 2 097 152 bytes = 2 MiB.
    # 1 GiB is 512 blocks, one of them null: 511 × 16 = 8 176 tokens for one sequence; 8 192 by the log.
    fit = kvplan.fit(model="llama-3.1-8b", pool="1GiB", context=4000, max_model_len=8000, engine="vllm@0.32")
    assert (fit.block_bytes, fit.blocks, fit.tokens_by_definition["blocks"]) == (2 << 20, 512, 8192)
    assert fit.max_concurrency == 512 / 500  # 8 000 tokens are 500 blocks
    assert fit.tokens == 8192
    assert fit.longest_context == 8176
    assert fit.max_sequences == 2  # 4 000 tokens are 250 blocks; 511 hold two
    assert fit.has_bytes == 511 * (2 << 20)
    assert fit.fits
    assert {item.knob: item.factor for item in fit.headroom}["batch"] == 2


def test_both_definitions_of_tokens_around_0_20_1() -> None:
    # Gemma 3 27B: 10 full and 52 sliding layers; the old count divides blocks by groups and says far less.
    old, new = (
        kvplan.fit(model="gemma-3-27b", pool="40GiB", context=8192, engine=f"vllm@{version}")
        for version in ("0.20.0", "0.20.1")
    )
    assert old.tokens_by_definition == new.tokens_by_definition
    assert old.tokens == old.tokens_by_definition["blocks"]
    assert new.tokens == new.tokens_by_definition["concurrency"] == int(new.max_concurrency * new.max_model_len)
    assert new.tokens > 2 * old.tokens


def test_a_miss_says_what_would_fit() -> None:
    asked: dict[str, Any] = {"model": "llama-3.1-70b", "batch": 16, "context": "64Ki", "engine": "vllm@0.32"}
    fit = kvplan.fit(pool="80GiB", **asked)
    assert not fit.fits
    found = dict(fit.would_fit)
    assert set(found) == {
        "batch",
        "context",
        "kv_format",
        "tensor_parallel",
        "pipeline_parallel",
        "data_parallel",
        "pool",
    } - (set() if "kv_format" in found else {"kv_format"})
    for knob, value in fit.would_fit:
        assert kvplan.fit(**{"pool": "80GiB", **asked, knob: value}).fits, knob
    for knob, step in (("batch", 1), ("context", 1)):
        assert not kvplan.fit(**{"pool": "80GiB", **asked, knob: int(found[knob]) + step}).fits, knob
    assert not kvplan.fit(**{**asked, "pool": int(found["pool"]) - (1 << 20)}).fits


def test_what_the_engine_does_not_admit_is_cured_by_a_shorter_max_model_len() -> None:
    fit = kvplan.fit(model="llama-3.1-8b", pool="8GiB", context=1024, engine="vllm@0.32")
    assert (fit.fits, fit.admission_needs_bytes) == (False, 16 * GIB)
    assert dict(fit.would_fit)["max_model_len"] == 65536 - 16  # the null block is not there for it


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(["llama-3-8b", "gemma-3-27b", "deepseek-v3", "mistral-7b-v0.1"]),
    engine=st.sampled_from(["paged", "vllm@0.9", "vllm@0.20.0", "vllm@0.32"]),
    batch=st.integers(1, 64),
    context=st.integers(1, 200_000),
    gib=st.integers(1, 200),
    stages=st.integers(1, 7),
)
def test_fit_is_the_inverse_of_size(model: str, engine: str, batch: int, context: int, gib: int, stages: int) -> None:
    options: dict[str, Any] = {"model": model, "engine": engine, "kv_format": "bf16", "context": context}
    options["pipeline_parallel"] = stages
    fit = answer(None, {"pool": gib * GIB, "batch": batch, **options}, "python", with_remedies=False)
    assert fit.needs_bytes == kvplan.size(batch=batch, **options).rank_peak_bytes
    assert fit.has_bytes <= fit.pool_bytes
    assert fit.blocks * fit.block_bytes <= fit.pool_bytes < (fit.blocks + 1) * fit.block_bytes
    assert (batch <= fit.max_sequences) == (fit.needs_bytes <= fit.has_bytes)
    if fit.fits:
        assert fit.longest_context >= context
    larger = answer(None, {"pool": (gib + 1) * GIB, "batch": batch, **options}, "python", with_remedies=False)
    assert larger.fits or not fit.fits


KEYS = """verdict fits pool_bytes block_bytes block_size blocks tokens tokens_by_definition max_concurrency max_sequences
    longest_context needs_bytes has_bytes would_fit headroom log_lines ranges depends_on"""


def test_the_json_has_every_key() -> None:
    tree = kvplan.fit(model="llama-3-8b", context=8192, pool="10GiB").to_dict()
    assert tree["kind"] == "fit"
    assert set(KEYS.split()) <= set(tree)


@pytest.mark.parametrize("pool", ["48", "48 Gb", "many", -1, True, 1 << 60, "1e30 GiB", 4.5, ""])
def test_a_bad_pool_is_refused_at_its_place(pool: Any) -> None:
    with pytest.raises(kvplan.SpecError) as raised:
        kvplan.fit(model="llama-3-8b", context=8192, pool=pool)
    assert raised.value.findings[0].rule == "KV009"


def test_a_pool_is_one_deployments() -> None:
    workload = Path(__file__).parents[2] / "workloads/latent-deepseek.yaml"
    with pytest.raises(kvplan.SpecError, match="several deployments"):
        kvplan.fit(workload, pool="40GiB")
    spread, replicated = (kvplan.fit(workload, pool="80GiB", deployment=name) for name in ("spread", "replicated"))
    assert spread.max_sequences > replicated.max_sequences


def test_an_ideal_engine_starts_with_any_pool() -> None:
    # 1 000 tokens are 63 blocks of 16; a block of Llama 3 8B is 2 MiB: 126 MiB of 128.
    fit = kvplan.fit(model="llama-3-8b", context=1000, pool="128MiB")
    assert (fit.fits, fit.max_sequences, fit.longest_context, fit.admission_needs_bytes) == (True, 1, 1024, 0)
    assert fit.max_model_len == 8192
    assert fit.max_concurrency == 64 / 512


def test_less_than_the_null_block_is_nothing() -> None:
    fit = kvplan.fit(model="llama-3-8b", context=1000, pool="1MiB", engine="vllm@0.32")
    assert (fit.fits, fit.has_bytes, fit.admission_has_bytes, fit.blocks) == (False, 0, 0, 0)


def test_the_stage_that_fills_first_decides_not_the_one_with_the_largest_block() -> None:
    # Gemma 3 27B in 3 stages: the first two have 21 layers each, the second of them one full layer more.
    options: dict[str, Any] = {"model": "gemma-3-27b", "context": 8192, "pipeline_parallel": 3, "pool": "40GiB"}
    most = kvplan.fit(**options).max_sequences
    assert kvplan.fit(**options, batch=most).fits
    assert not kvplan.fit(**options, batch=most + 1).fits

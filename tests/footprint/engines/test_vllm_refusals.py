"""What vLLM refuses, each with its reason; and what it would run is not refused."""

import json

import pytest

import kvplan
from kvplan.errors import SpecError


def refused(**flags):
    """(rule, path inside the deployment, message) of every finding."""
    with pytest.raises(SpecError) as caught:
        kvplan.size(**{"context": 64, "engine": "vllm@0.32", **flags})
    return [
        (item.rule, item.path.removeprefix("deployments[0]").removeprefix("."), item.message)
        for item in caught.value.findings
    ]


def config(tmp_path, **keys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(keys))
    return str(path)


HEADS = {"num_kv_heads": 8, "head_dim": 64}


def mapping(*layers, q_heads=8):
    return {"hidden_size": 512, "num_q_heads": q_heads, "layers": list(layers)}


THREE_KINDS = mapping(
    {"kind": "full_attention", **HEADS},
    {"kind": "sliding_attention", "sliding_window": 64, **HEADS},
    {"kind": "sliding_attention", "sliding_window": 128, **HEADS},
)
DCP = "decode_context_parallel"


@pytest.mark.parametrize(
    ("flags", "rule", "path", "message"),
    [
        # engines and versions
        ({"model": "gpt2", "engine": "vllm@0.8"}, "KV304", "engine", "vllm 0.8 has no rules in kvplan"),
        ({"model": "gpt2", "engine": "vllm@0.34"}, "KV304", "engine", "vllm 0.34 has no rules in kvplan"),
        ({"model": "gpt2", "engine": "vllm@latest"}, "KV304", "engine", "vllm latest has no rules in kvplan"),
        # models
        (
            {"model": "gpt-oss-20b", "engine": "vllm@0.10.0"},
            "KV303", "model", "vllm 0.10.0 does not serve GptOssForCausalLM",
        ),
        (
            {"model": THREE_KINDS, "engine": "vllm@0.13"},
            "KV303", "model", "vllm 0.13 caches prefixes only for full attention and one other kind of layer",
        ),
        (
            {
                "model": mapping({"kind": "mla", "kv_lora_rank": 512, "qk_rope_head_dim": 64},
                                 {"kind": "sliding_attention", "sliding_window": 64, **HEADS}),
            },
            "KV303", "model", "vllm 0.32 cannot group these layers: pages that do not divide each other",
        ),
        # formats
        ({"model": "gpt2", "kv_format": "k=bf16,v=fp8"}, "KV302", "kv.k", "vllm stores K and V in one format"),
        ({"model": "gpt2", "kv_format": "int8"}, "KV302", "kv.format", "vllm has no KV format int8"),
        ({"model": "gpt2", "kv_format": "q8_0"}, "KV302", "kv.format", "vllm has no KV format q8_0"),
        ({"model": "gpt2", "kv_format": "mxfp4"}, "KV302", "kv.format", "vllm has no KV format mxfp4"),
        ({"model": "gpt2", "kv_format": "fp32"}, "KV302", "kv.format", "vllm has no KV format fp32"),
        (
            {"model": "llama-3-8b", "kv_format": "nvfp4", "engine": "vllm@0.19"},
            "KV302", "kv.format", "vllm 0.19 has no KV format nvfp4",
        ),
        (
            {"model": "gemma-3-27b", "kv_format": "nvfp4", "engine": "vllm@0.20"},
            "KV302", "kv.format", "vllm 0.20 counts nvfp4 windows at one byte an element",
        ),
        (
            {"model": "deepseek-v3", "kv_format": "nvfp4"},
            "KV302", "kv.format", "vllm refuses nvfp4 for a latent cache (MLA)",
        ),
        (
            {"model": "deepseek-v3", "kv_format": "fp8_e5m2"},
            "KV302", "kv.format", "no latent (MLA) attention of vllm stores fp8_e5m2",
        ),
        (
            {"model": "deepseek-v3", "kv_format": "fp8", "engine": "vllm@0.10.1"},
            "KV302", "kv.format", "vllm 0.10.1 stores MLA in 16 bits only",
        ),
        ({"model": "gpt-oss-20b", "kv_format": "nvfp4"}, "KV302", "kv.format", "vllm refuses nvfp4 for heads of 64"),
        # splits
        (
            {"model": "falcon-7b", "tensor_parallel": 8},
            "KV301", "tensor_parallel", "71 attention heads cannot be shared by 8 ranks: they do not divide",
        ),
        (
            {"model": "qwen2.5-7b", "tensor_parallel": 8},
            "KV301", "tensor_parallel", "28 attention heads cannot be shared by 8 ranks",
        ),
        (
            {"model": "phi-4", "tensor_parallel": 4},
            "KV301", "tensor_parallel", "10 KV heads and 4 ranks: neither divides the other",
        ),
        (
            {"model": "gpt-oss-20b", "tensor_parallel": 16},
            "KV301", "tensor_parallel", "vllm's gpt-oss divides 8 KV heads by 16 ranks to none and fails at start",
        ),
        ({"model": "gpt2", "pipeline_parallel": 13}, "KV301", "pipeline_parallel", "12 layers cannot fill 13 stages"),
        # prefill context parallelism
        (
            {"model": "deepseek-v3", "context_parallel": 2, "engine": "vllm@0.11.2"},
            "KV301", "context_parallel", "vllm 0.11.2 has no prefill context parallelism",
        ),
        (
            {"model": "deepseek-v3", "context_parallel": 2, "engine": "vllm@0.25"},
            "KV301", "context_parallel", "vllm 0.25 has no attention that supports prefill context parallelism",
        ),
        (
            {"model": "llama-3-70b", "context_parallel": 2},
            "KV301", "context_parallel", "prefill context parallelism of vllm supports latent (MLA) models only",
        ),
        (
            {"model": "deepseek-v3", "context_parallel": 2, "tensor_parallel": 8, DCP: 4},
            "KV301", DCP, "with 2 prefill context ranks, decode context parallelism is one of [1, 2, 16]",
        ),
        (
            {"model": "deepseek-v3", "context_parallel": 2, "data_parallel": 2, "engine": "vllm@0.27"},
            "KV301", "context_parallel", "vllm 0.27 refuses prefill context parallelism with data parallelism",
        ),
        # decode context parallelism
        ({"model": "deepseek-v3", "tensor_parallel": 8, DCP: 3}, "KV301", DCP, "3 does not divide 8"),
        (
            {"model": "deepseek-v3", "tensor_parallel": 8, DCP: 8, "engine": "vllm@0.10.1"},
            "KV301", DCP, "vllm 0.10.1 has no decode context parallelism",
        ),
        (
            {"model": "llama-3-70b", "tensor_parallel": 16, DCP: 2, "engine": "vllm@0.11.0"},
            "KV301", DCP, "vllm 0.11.0 has it for latent (MLA) models only",
        ),
        ({"model": "gemma-3-27b", "tensor_parallel": 32, DCP: 2}, "KV301", DCP, "vllm: DCP not support sliding window"),
        (
            {"model": "llama-4-scout", "tensor_parallel": 40, DCP: 2},
            "KV301", DCP, "vllm: DCP not support sliding window",
        ),
        (
            {"model": "llama-3-70b", "tensor_parallel": 8, DCP: 2},
            "KV301", DCP, "vllm wants more tensor ranks than KV heads: 8 ranks, 8 heads",
        ),
        (
            {"model": "llama-3-70b", "tensor_parallel": 16, DCP: 4},
            "KV301", DCP, "vllm allows at most tensor_parallel ÷ KV heads = 2 ranks, 4 are asked for",
        ),
        (
            {"model": mapping({"kind": "full_attention", **HEADS, "num_kv_heads": 4}, q_heads=12),
             "tensor_parallel": 12, DCP: 2},
            "KV301", DCP, "3 query heads a KV head do not divide by 2",
        ),
        # options
        (
            {"model": "gpt2", "engine_options": {"swap_space": "4"}},
            "KV306", "engine_options.swap_space", "vllm has no option `swap_space`",
        ),
        (
            {"model": "gpt2", "engine_options": {"prefix_caching": "maybe"}},
            "KV306", "engine_options.prefix_caching", "`maybe` is no value of prefix_caching",
        ),
        (
            {"model": "gpt2", "engine_options": {"compute_capability": "hopper"}},
            "KV306", "engine_options.compute_capability", "`hopper` is no value of compute_capability",
        ),
        (
            {"model": "gpt2", "engine_options": {"compute_capability": "6.1"}},
            "KV306", "engine_options.compute_capability", "`6.1` is no value of compute_capability",
        ),
        (
            {"model": "gpt2", "engine_options": {"max_in_flight_tokens": "0"}},
            "KV306", "engine_options.max_in_flight_tokens", "`0` is no value of max_in_flight_tokens",
        ),
        (
            {"model": "gpt2", "engine_options": {"max_in_flight_tokens": "many"}},
            "KV306", "engine_options.max_in_flight_tokens", "`many` is not a token count",
        ),
        (
            {"model": "gemma-3-1b", "engine": "vllm@0.9.0", "engine_options": {"hybrid_kv_cache_manager": "on"}},
            "KV306", "engine_options.hybrid_kv_cache_manager", "vllm 0.9.0 has no hybrid KV cache manager",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_its_reason_and_its_place(flags, rule, path, message):
    found = refused(**flags)
    assert [(item, place, message in text) for item, place, text in found] == [(rule, path, True)], found


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_qwen_2_and_3_with_windows_in_some_layers(family, tmp_path):
    model = config(
        tmp_path, architectures=[f"Qwen{family[-1]}ForCausalLM"], model_type=family, hidden_size=1024,
        num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=8, head_dim=128, use_sliding_window=True, sliding_window=64,
        max_window_layers=2, max_position_embeddings=4096,
    )  # fmt: skip
    assert [(rule, path) for rule, path, _ in refused(model=model)] == [("KV303", "model")]
    assert kvplan.size(model=model, context=64).held_bytes > 0  # paged counts them


def test_llama_4_without_its_wrapper_came_later(tmp_path):
    model = config(
        tmp_path, architectures=["Llama4ForCausalLM"], model_type="llama4_text", hidden_size=1024, num_hidden_layers=4,
        num_attention_heads=8, max_position_embeddings=4096,
    )  # fmt: skip
    assert [rule for rule, _, _ in refused(model=model, engine="vllm@0.10.0")] == ["KV303"]
    assert kvplan.size(model=model, context=64, engine="vllm@0.10.1").held_bytes > 0
    assert kvplan.size(model="llama-4-scout", context=64, engine="vllm@0.9.0").held_bytes > 0


@pytest.mark.parametrize(
    "flags",
    [
        {"model": "llama-3-70b", "tensor_parallel": 64},
        {"model": "llama-3-70b", "tensor_parallel": 16, DCP: 2},
        {"model": "llama-3-70b", "tensor_parallel": 64, DCP: 8},
        {"model": "deepseek-v3", "tensor_parallel": 8, DCP: 8},
        {"model": "deepseek-v3", "tensor_parallel": 8, DCP: 2, "context_parallel": 2},
        {"model": "deepseek-v3", "tensor_parallel": 8, DCP: 16, "context_parallel": 2},  # tp × pcp
        {"model": "gpt-oss-20b", "tensor_parallel": 8},
        {"model": "gpt-oss-20b", "kv_format": "nvfp4", "engine_options": {"compute_capability": "10.0"}},
        {"model": "llama-3-8b", "kv_format": "fp8_e5m2"},
        {"model": THREE_KINDS, "engine": "vllm@0.13", "engine_options": {"prefix_caching": "off"}},
        {"model": THREE_KINDS, "engine": "vllm@0.14"},
        {"model": "falcon-7b", "tensor_parallel": 71},
        {"model": "gpt2", "pipeline_parallel": 12},
        {"model": "gpt2", "data_parallel": 7},
    ],
)
def test_what_the_engine_runs_is_not_refused(flags):
    assert kvplan.size(**{"context": 64, "engine": "vllm@0.32", **flags}).held_bytes > 0


def test_every_refusal_comes_at_once():
    found = refused(
        model="gemma-3-27b", tensor_parallel=7, pipeline_parallel=63, kv_format="int4", engine_options={"x": "1"}
    )
    assert sorted((rule, path) for rule, path, _ in found) == [
        ("KV301", "pipeline_parallel"),
        ("KV301", "tensor_parallel"),
        ("KV302", "kv.format"),
        ("KV306", "engine_options.x"),
    ]


def test_gpt_oss_has_no_stages_in_its_first_version():
    assert refused(model="gpt-oss-20b", pipeline_parallel=2, engine="vllm@0.10.1")


@pytest.mark.parametrize("window", [None, 0])
def test_cohere_2_without_a_window_fails_at_start(window, tmp_path):
    # commandr.py of 0.29 adds 1 to sliding_window for every layer that slides
    model = config(
        tmp_path, architectures=["Cohere2ForCausalLM"], model_type="cohere2", hidden_size=1024, num_hidden_layers=4,
        num_attention_heads=8, sliding_window=window, max_position_embeddings=4096,
    )  # fmt: skip
    assert refused(model=model)

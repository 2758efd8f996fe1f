"""vLLM's count of one sequence: blocks of groups, admission, the slack of windows, and what its model code changes."""

import json

import pytest

import kvplan

GEMMA = {"model": "gemma-3-27b", "kv_format": "bf16", "engine": "vllm@0.32"}
GEMMA_BLOCK = 10 * 16 * 8192  # 10 layers a group; 16 tokens; 16 heads × 256 elements × 2 bytes


def options(**values):
    return {"engine_options": values}


def test_without_a_version_the_newest_counts():
    newest, asked = (kvplan.size(model="gpt2", context=64, engine=engine) for engine in ("vllm", "vllm@0.33"))
    assert (newest.engine, newest.held_bytes) == (asked.engine, asked.held_bytes)
    assert (newest.engine.name, newest.engine.version) == ("vllm", "0.33")


@pytest.mark.parametrize(
    ("context", "window_blocks", "full_blocks"),
    [
        (1, 1, 1),
        (1024, 64, 64),
        (1025, 65, 65),
        (4096, 64, 256),
        (5000, 65, 313),  # ⌈5000/16⌉ − ⌊3976/16⌋
        (131_072, 64, 8192),
    ],
)
def test_held_is_the_blocks_of_every_group(context, window_blocks, full_blocks):
    result = kvplan.size(context=context, **GEMMA)
    assert result.held_bytes == (6 * window_blocks + full_blocks) * GEMMA_BLOCK


@pytest.mark.parametrize(
    ("context", "window_blocks", "full_blocks"),
    [
        (16, 2, 1),  # a window is admitted with one block more, even a short one
        (1024, 65, 64),
        (4096, 257, 256),
        (5119, 321, 320),  # 1023 + 4096 tokens
        (5120, 321, 320),
        (131_072, 321, 8192),
    ],
)
def test_reserved_is_what_admission_asks_for(context, window_blocks, full_blocks):
    result = kvplan.size(context=context, **GEMMA, **options(max_in_flight_tokens=4096))
    assert result.reserved_bytes == (6 * window_blocks + full_blocks) * GEMMA_BLOCK


@pytest.mark.parametrize(
    ("context", "chunk_blocks", "full_blocks"),
    [(16, 1, 1), (8192, 512, 512), (12_288, 768, 768), (131_072, 768, 8192)],  # at most 8192 + 4096 tokens, none more
)
def test_a_chunk_is_admitted_without_the_extra_block(context, chunk_blocks, full_blocks):
    result = kvplan.size(
        model="llama-4-scout",
        context=context,
        kv_format="bf16",
        engine="vllm@0.32",
        **options(max_in_flight_tokens="4Ki"),
    )
    assert result.reserved_bytes == (3 * chunk_blocks + full_blocks) * 12 * 16 * 4096


@pytest.mark.parametrize(
    ("flags", "slack"),
    [
        ({}, 4096),  # two batches of 2048
        (options(max_in_flight_tokens=10_000), 10_000),
        ({"set": {"deployments.0.limits.max_num_batched_tokens": 8192}}, 16_384),
        ({"set": {"deployments.0.limits.max_num_batched_tokens": 8192}, **options(max_in_flight_tokens=1)}, 1),
        ({"engine": "vllm@0.25"}, 2048),  # one batch
        ({"engine": "vllm@0.25", **options(max_in_flight_tokens=10_000)}, 2048),  # ignored, with a warning
    ],
)
def test_the_slack_of_a_window(flags, slack):
    result = kvplan.size(context=131_072, **{**GEMMA, **flags})
    assert result.reserved_bytes == (6 * (-(-(1023 + slack) // 16) + 1) + 8192) * GEMMA_BLOCK
    ignored = flags.get("engine") and "engine_options" in flags
    assert {note.rule for note in result.notes} == ({"KV305"} if ignored else set())


@pytest.mark.parametrize("spelling", ["off", "OFF", "false", "False", False])
def test_without_the_hybrid_manager_windows_are_full(spelling):
    result = kvplan.size(context=32_768, **GEMMA, **options(hybrid_kv_cache_manager=spelling))
    assert result.held_bytes == result.reserved_bytes == 62 * 32_768 * 8192
    assert result.minimum_bytes == (52 * 1024 + 10 * 32_768) * 8192  # what the architecture keeps is the same
    assert result.rank_bytes_per_token_unbounded == 10 * 8192


@pytest.mark.parametrize("spelling", ["on", "auto", "true", True])
def test_with_the_hybrid_manager_windows_are_windows(spelling):
    result = kvplan.size(context=32_768, **GEMMA, **options(hybrid_kv_cache_manager=spelling))
    assert result.held_bytes == kvplan.size(context=32_768, **GEMMA).held_bytes


@pytest.mark.parametrize("manager", ["on", "off"])
def test_a_model_of_windows_alone_keeps_them(manager):
    # Mistral 7B v0.1: 32 layers with a window of 4096; 8 heads × 256 elements × 2 bytes
    result = kvplan.size(
        model="mistral-7b-v0.1", context=32_768, engine="vllm@0.32", **options(hybrid_kv_cache_manager=manager)
    )
    assert result.held_bytes == 32 * 4096 * 4096


@pytest.mark.parametrize("caching", ["on", "off"])
@pytest.mark.parametrize("model", ["gemma-3-27b", "gpt-oss-20b", "llama-3-8b", "deepseek-v3"])
def test_prefix_caching_changes_nothing_of_one_sequence(model, caching):
    result = kvplan.size(model=model, context=5000, engine="vllm@0.32", **options(prefix_caching=caching))
    default = kvplan.size(model=model, context=5000, engine="vllm@0.32")
    assert result.ladder == default.ladder
    assert (result.peak_bytes, result.reserved_bytes) == (default.peak_bytes, default.reserved_bytes)


@pytest.mark.parametrize(
    ("model", "capability", "block"),
    [
        ("llama-3-8b", None, 16),
        ("llama-3-8b", "10.0", 16),
        ("deepseek-v3", None, 64),  # FlashMLA
        ("deepseek-v3", "9.0", 64),
        ("deepseek-v3", "8.6", 64),
        ("deepseek-v3", "10.0", 128),  # CUTLASS_MLA
        ("deepseek-v3", "12", 128),
    ],
)
def test_the_default_block(model, capability, block):
    flags = options(compute_capability=capability) if capability else {}
    assert kvplan.size(model=model, context=64, engine="vllm@0.32", **flags).block_size == block
    assert kvplan.size(model=model, context=64, engine="vllm@0.32", block_size=32, **flags).block_size == 32


def test_context_parallelism_of_prefill_does_not_divide_the_cache():
    alone, spread = (
        kvplan.size(model="deepseek-v3", context=4096, engine="vllm@0.32", context_parallel=ranks) for ranks in (1, 4)
    )
    assert spread.rank_held_bytes == alone.rank_held_bytes
    assert spread.held_bytes == 4 * alone.held_bytes


def test_stages_are_grouped_over_the_whole_model():
    # Gemma 3 27B in two stages of 31 layers: 5 layers of a group at most on a stage
    result = kvplan.size(context=4096, pipeline_parallel=2, **GEMMA)
    assert result.rank_held_bytes == (6 * 64 + 256) * 5 * 16 * 8192


CONFIG = {
    "hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 8, "num_hidden_layers": 4,
    "max_position_embeddings": 65_536, "torch_dtype": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "held_tokens"),
    [
        # 4 layers at 8192 tokens; a window of 1024 in layers before max_window_layers that are even
        ({"use_sliding_window": False}, 4 * 8192),
        ({"use_sliding_window": True, "max_window_layers": 2}, 4 * 8192),  # mixed: no layer reads the list
        ({"use_sliding_window": True, "layer_types": ["sliding_attention"] * 4}, 4 * 1024),
    ],
)
def test_qwen_2_moe_has_its_window_in_every_layer_or_in_none(changes, held_tokens, tmp_path):
    config = {**CONFIG, "architectures": ["Qwen2MoeForCausalLM"], "model_type": "qwen2_moe", "sliding_window": 1024}
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    result = kvplan.size(model=str(tmp_path), context=8192, engine="vllm@0.32")
    assert result.held_bytes == held_tokens * 8 * 256 * 2


def test_falcon_stores_16_bits_whatever_is_asked():
    asked, plain = (
        kvplan.size(model="falcon-7b", context=1000, kv_format=name, engine="vllm@0.32") for name in ("fp8", "bf16")
    )
    assert (asked.kv_format, asked.held_bytes) == ("bf16", plain.held_bytes)
    assert [(note.rule, note.severity) for note in asked.notes] == [("KV305", "warning")]

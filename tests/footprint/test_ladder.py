"""The same sequences step by step: the 84 TB of the naive formula, and what each step takes away or adds."""

from itertools import pairwise

import pytest

import kvplan
from kvplan.footprint.ladder import STEPS, naive_bytes_per_token
from kvplan.spec.catalog import model_names


def ladder(**flags):
    return {step.step: step.bytes for step in kvplan.size(**flags).ladder}


def test_the_reference_case():
    result = kvplan.size(model="llama-3-70b", batch=32, context="1M", kv_format="fp16")
    naive, needed = 83_886_080_000_000, 10_485_760_000_000  # 32 × 10⁶ × 80 × 2 × 8192 × 2; 8 of 64 heads
    assert [(step.step, step.bytes) for step in result.ladder] == [
        ("naive", naive),
        *((name, needed) for name in STEPS[1:]),
    ]
    assert (result.minimum_bytes, result.held_bytes, result.peak_bytes, result.reserved_bytes) == (needed,) * 4
    assert [note.rule for note in result.notes if "8,192 positions" in note.message] == ["KV101"]


@pytest.mark.parametrize(
    ("num_layers", "hidden_size", "bytes_per_token"), [(80, 8192, 2_621_440), (32, 4096, 524_288), (1, 1, 4)]
)
def test_the_naive_formula(num_layers, hidden_size, bytes_per_token):
    assert naive_bytes_per_token(num_layers, hidden_size) == bytes_per_token


@pytest.mark.parametrize("kv_format", ["fp32", "bf16", "fp8", "q8_0"])
def test_the_format_changes_nothing_before_its_step(kv_format):
    steps = ladder(model="llama-3-70b", context=1000, kv_format=kv_format)
    reference = ladder(model="llama-3-70b", context=1000, kv_format="fp16")
    assert [steps[name] for name in STEPS[:3]] == [reference[name] for name in STEPS[:3]]


def test_each_step_of_a_split_model_with_windows():
    # Gemma 3 27B: 62 layers, 16 heads of 128, hidden 5376, 52 windows of 1024; 2 sequences of 4096 in fp8 on 32 ranks
    steps = ladder(model="gemma-3-27b", batch=2, context=4096, kv_format="fp8", tensor_parallel=32, engine="vllm@0.32")
    kept = 52 * 1024 + 10 * 4096  # tokens over all layers
    assert steps == {
        "naive": 2 * 4096 * 62 * 2 * 5376 * 2,
        "heads": 2 * 4096 * 62 * 2 * 16 * 128 * 2,
        "windows_and_states": 2 * kept * 2 * 16 * 128 * 2,
        "format": 2 * kept * 2 * 16 * 128,
        "shared_prefix": 2 * kept * 2 * 16 * 128,
        "replication": 2 * kept * 2 * 32 * 128,  # every head on two ranks
        # 7 groups of 10 layers: 6 windows of 1024 ÷ 16 = 64 blocks, one full of 256; 16 tokens × 256 B × 10 layers
        "blocks_and_engine": 32 * 2 * (6 * 64 + 256) * 10 * 16 * 256,
    }


def test_a_shared_prefix_is_a_step():
    text = """
kvplan: 1
name: shared
model: llama-3.1-8b
requests: [{name: chat, sequences: 10, input: 4096, output: 1, prefix: {tokens: 1000}}]
"""
    result = kvplan.size(text)
    steps = {step.step: step.bytes for step in result.ladder}
    assert steps["format"] == 10 * 4097 * 131_072
    assert steps["shared_prefix"] == (10 * 4097 - 9 * 992) * 131_072  # 62 whole blocks of 16 are 992 tokens
    assert steps["shared_prefix"] == result.minimum_bytes


CASES = [
    {"model": "llama-3-70b", "tensor_parallel": 16, "context": 5001},
    {"model": "deepseek-v3", "tensor_parallel": 8, "kv_format": "fp8", "context": 777, "engine": "vllm@0.32"},
    {"model": "gpt-oss-120b", "context": 100_000, "engine": "vllm@0.32", "data_parallel": 4, "batch": 9},
    {"model": "llama-4-scout", "context": 20_000, "pipeline_parallel": 3, "engine": "vllm@0.12"},
    {"model": "mistral-7b-v0.1", "context": 33, "block_size": 32, "engine": "vllm@0.9.0"},
    {"model": "phi-4", "kv_format": "k=q8_0,v=q4_0", "context": 12_345, "batch": 3},
]


@pytest.mark.parametrize("flags", CASES, ids=lambda flags: flags["model"])
def test_totals_run_and_the_last_is_what_is_held(flags):
    result = kvplan.size(**flags)
    sizes = [step.bytes for step in result.ladder]
    assert tuple(step.step for step in result.ladder) == STEPS
    assert [step.change_bytes for step in result.ladder] == [
        0,
        *(b - a for a, b in pairwise(sizes)),
    ]
    assert sizes[-1] == result.held_bytes
    assert sizes[4] == result.minimum_bytes
    assert sizes[5] == result.minimum_bytes + result.replicated_bytes


@pytest.mark.parametrize("model", model_names())
def test_windows_heads_and_blocks_go_the_right_way(model):
    # two whole chunks of Llama 4: off them, the engine holds less than min(tokens, chunk)
    steps = ladder(model=model, context=16_384, kv_format="bf16")
    assert steps["windows_and_states"] <= steps["heads"]
    assert steps["format"] == steps["windows_and_states"]  # 16 bits are the naive element
    assert steps["blocks_and_engine"] >= steps["replication"]

"""Texts that would cost much time or memory if all that they say were believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

from fuzz_cases import Case

_DEEP = "".join("{" + "\U00020000" * 80 + ": " for _ in range(60))


def bombs() -> Iterator[Case]:
    """Small texts that would cost much time or memory if every value were believed; each must be quick."""
    layers = {"num_hidden_layers": 10_000, "num_attention_heads": 8, "hidden_size": 64}
    config = json.dumps({"architectures": ["LlamaForCausalLM"], **layers}).encode()
    for text in _workloads():
        yield Case("check", config, text.encode(), {})
    flat = _DEEP.replace("\U00020000" * 80, "a")
    for text in ("[" * 100_000, '{"a":' * 100_000, '{"x": "' + "a" * 1_000_000 + '"}', flat):
        yield Case("config", text.encode(), b"", {"model": "config.json", "context": "1"})


def _workloads() -> tuple[str, ...]:
    head, ask = "kvplan: 1\nmodel: llama-3-8b\n", "requests: [{sequences: 1, context: 9}]\n"
    law = "{distribution: lognormal, median: 8, p99: 9, max: 99}"
    wide = ",".join("1" * 49_000)
    runs = [
        f"{{kind: sliding_attention, count: 1, num_kv_heads: 1, head_dim: 16, sliding_window: {i + 1}}}"
        for i in range(900)
    ]
    window = "kvplan: 1\nmodel: gemma-3-27b\nengine: vllm\n"
    return (
        "[" * 100_000, "{" * 100_000, "- " * 400_000, "? " * 400_000, '"' + "a " * 400_000, "#\n" * 400_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in pairwise("abcdefghi")),
        "a: &a {x: 1}\n" + "".join(f"b{i}: {{<<: [*a, *a, *a]}}\n" for i in range(30)),
        _DEEP + "[" + wide + "]" + "}" * 60,
        head + ask + "".join(f"k{i}: 1\n" for i in range(24_000)),
        head + ask + "a: 1\n" * 24_000,
        head + ask + "x:\n" + " - no\n" * 49_000,
        head + ask + "expect: {" + ", ".join(f"held_byte{i}: 1" for i in range(20_000)) + "}\n",
        head + "requests: [" + wide + "]\n",
        head + "requests:\n" + " - {sequences: 1, context: 5}\n" * 9000,
        head + "requests:\n" + f" - {{sequences: 1, input: {law}}}\n" * 3000,
        head + "requests:\n" + f" - {{sequences: 1, input: {law}}}\n" * 900,
        "kvplan: 1\ndeployments: [" + ",".join(f"{{name: d{i}, model: gpt2}}" for i in range(900)) + "]\n"
        + "requests: [" + ",".join(f"{{sequences: 1, context: 5, deployment: d{i}}}" for i in range(900)) + "]\n",
        f"kvplan: 1\nmodel: {{name: m, hidden_size: 64, num_q_heads: 64, layers: [{', '.join(runs)}]}}\nengine: vllm\n"
        + f"requests: [{{sequences: 4096, input: {law}, output: 1Ki}}]\n",
        window + "kv: {block_size: 1048576}\nrequests: [{sequences: 1, input: 9, output: 1e9}]\n",
        window + "deployment: {pipeline_parallel: 62, limits: {max_num_batched_tokens: 8191}}\n"
        f"requests: [{{sequences: 4096, input: {law}, output: 1Ki}}]\n",
        window + "deployment: {limits: {max_num_batched_tokens: 4611686018427387903}}\n" + ask,
        "kvplan: 1\nmodel: config.json\nengine: vllm\ndeployment: {pipeline_parallel: 10000}\n" + ask,
    )  # fmt: skip

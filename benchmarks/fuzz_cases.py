"""The inputs of the fuzzer: configs of the catalog, workloads and flags, mutated the same way for the same seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kvplan.spec import catalog

TEMPLATES = (
    """kvplan: 1
name: chat
model: llama-3-70b
kv: {format: fp8_e4m3, block_size: 16}
engine: vllm@0.32
engine_options: {prefix_caching: on, hybrid_kv_cache_manager: auto, max_in_flight_tokens: 4096, compute_capability: 9.0}
deployment:
  tensor_parallel: 8
  pipeline_parallel: 2
  data_parallel: 2
  limits: {max_model_len: 131072, max_num_seqs: 256, max_num_batched_tokens: 8192}
requests:
  - name: chat
    sequences: 32
    input: {distribution: lognormal, median: 8Ki, p99: 100Ki, max: 120000}
    output: 1Ki
    prefix: {tokens: 4096, count: 2, store: per_replica}
planning_quantile: 99%
expect:
  held_bytes: {max: 20 TB}
  rank_peak_bytes: {min: 1 GB, max: 900 GB}
""",
    """kvplan: 1
deployments:
  - name: main
    model: gemma-3-27b
    kv: {k: q8_0, v: q4_0}
    engine: paged
    tensor_parallel: 4
  - name: other
    model: deepseek-v3
    engine: vllm
    decode_context_parallel: 2
    context_parallel: 1
    tensor_parallel: 8
requests:
  - {name: a, deployment: main, sequences: 3, context: 128Ki}
  - {name: b, deployment: other, sequences: 5, input: {distribution: uniform, min: 10, max: 5000}, output: 2k}
  - {name: c, deployment: other, sequences: 1e3, input: {distribution: exponential, mean: 900, max: 64Ki}}
""",
    """kvplan: 1
model:
  name: mine
  hidden_size: 4096
  num_q_heads: 32
  max_position_embeddings: 32Ki
  kv_format: bf16
  layers:
    - {kind: full_attention, count: 4, num_kv_heads: 8, head_dim: 128}
    - {kind: sliding_attention, count: 20, num_kv_heads: 8, head_dim: 128, sliding_window: 1024}
    - {kind: chunked_attention, count: 8, num_kv_heads: 8, head_dim: 128, attention_chunk_size: 8192}
engine: vllm@0.26
requests:
  - {sequences: 7, input: 20000, output: &out 300}
  - {sequences: 2, input: 30000, output: *out}
""",
    """kvplan: 1
fleet: [{system: al128, count: 2}]
deployments: [{name: main, model: ./config.json, role: unified, replicas: auto, memory: {fraction: 92%, reserve: auto},
  weights: auto, topology: required, survive: {node: 1}, expert_parallel: 8}]
requests: [{name: x, arrival: {rate: 12/s, peak_to_mean: 2.5}, holding: 25 s, slo: {time_to_first_token: 2 s},
  idle: {fraction: 80%}, resume_within: 2 s, priority: 1, copies: 2, sequences: 4, context: 8192}]
value: per_token
expect: {fits: true, accelerators_used: {max: 64}, held_bytes: 0}
""",
    "kvplan: 1\nmodel: ./config.json\nrequests: [{sequences: 4, context: 8192}]\n",
)
PLACED = (
    """kvplan: 1
fleet:
  - {system: al128, count: 2, exclude: [r0/g1/n3], facts: {hbm_engine_visible: {low: 140 GB, high: 150 GB}}}
  - {system: hgx-h200, count: 3}
deployments:
  - name: main
    model: llama-3-8b
    engine: vllm@0.32
    tensor_parallel: 2
    data_parallel: 2
    replicas: 3
    memory: {fraction: 92%, reserve: 3 GiB}
    weights: {format: fp8}
    limits: {max_num_seqs: 64}
    topology: preferred
  - {name: other, model: gemma-3-27b, tensor_parallel: 4, pipeline_parallel: 2, replicas: auto, weights: 9 GB}
requests:
  - {name: a, deployment: main, sequences: 900, input: {distribution: uniform, min: 10, max: 90000}, output: 1Ki,
     prefix: {tokens: 4096, count: 2}, priority: 1}
  - {name: b, deployment: main, sequences: 40, context: 128Ki}
  - {name: c, deployment: other, sequences: 70, context: 64Ki, priority: -1}
value: per_sequence
expect: {fits: false, accelerators_used: {max: 64}, kv_pool_utilization: {max: 90%}, verdict: no}
""",
    """kvplan: 1
system: al128
model: deepseek-v3
deployment: {tensor_parallel: 8, memory: {reserve: {low: 2 GiB, high: 9 GiB, status: measured}}, topology: required}
requests: [{sequences: 100000, context: 8192, priority: 3}, {sequences: 1, input: 1, output: 0}]
""",
)

VALUES = (
    "null", "~", "", "[]", "{}", '""', '"x"', "true", "no", "0", "-0", "-1", "1", "3", "1.5", "7e0", "1e400", "-1e400",
    "1e99999999999999999999", "NaN", ".nan", ".inf", "-Infinity", "10" + "0" * 17, "4611686018427387903",
    "4611686018427387904", "9" * 60, "0x10", "0o17", "010", "1_000", "1:30", "128K", "1M", "8 GB", "8 GiB", "144 Gb",
    "2 s", "99.99999999999999999999%",
    "0.5", "101%", "１２", "٣", "é", "\u202e", "\U0001f600", "{{ x }}", "{% if %}", "<<",
    "*a", "&a 1", "!!python/object:os.system x", "!t 1", "@", "`", "|", ">", "- - -", "[" * 70, "[" * 70 + "]" * 70,
    '{"a":' * 20 + "1" + "}" * 20, "[1, 2, 3]", '["full_attention"]', "{distribution: lognormal}",
    '{"min": 2, "max": 1}',
    '"\\ud800"', '"\\u0000"', '"\\e[31m"', '"\\u001b[2J"', "llama-3-8b", "gpt2", "../x.json", "/etc/hostname", ".", "/",
    "fp8", "k", "vllm@0.9", "vllm@0.33", "paged", "sglang", "on", "auto", '"' + "x" * 5000 + '"', "a: b", "#", "'", '"',
)  # fmt: skip
SOUND = (
    "null", "[]", "{}", '""', '"x"', "true", "false", "0", "-1", "1", "2", "3", "1.5", "7e0", "1e400", "64", "128",
    "4096", "1" + "0" * 18, "4611686018427387903", "65536", '"128Ki"', '"8 GB"', "[1, 2, 3]", '["full_attention"]',
    '{"min": 2}',
    '"bfloat16"', '"fp8"', '"vllm"', '"\\u001b[2J"', '"\\ud800"', "99.9999999999999999999999", '"k=q8_0"', '{"a": 1}',
)  # fmt: skip
KEYS = (
    "model",
    "input",
    "context",
    "<<",
    "kv",
    "format",
    "layers",
    "head_dim",
    "é",
    "",
    "x" * 300,
    "?",
    "trace",
    "max",
)
PIECES = (
    "\t", "\0", "\x1b[31m", "\x07", "\ufeff", "\u2028", "\x85", "\r", "\n", "\r\n", "---\n", "...\n", "%YAML 1.1\n",
    "{{", "}}",
    "[", "]", "{", "}", ",", ":", "&a ", "*a", "<<: *a\n", "!x ", "\u0301", "\U0001f600", "\\", '"', "'", "#",
    "  ", "-",
)  # fmt: skip
FLAGS: dict[str, tuple[str, ...]] = {
    "model": ("llama-3-8b", "gemma-3-27b", "deepseek-v3", "gpt-oss-20b", "llama-4-scout", "gpt2"),
    "context": ("1", "8192", "128Ki", "1M"),
    "batch": ("1", "32"),
    "kv_format": ("fp16", "fp8", "nvfp4", "k=q8_0,v=q4_0", "k=fp8"),
    "block_size": ("1", "16", "64"),
    "tensor_parallel": ("1", "8", "65536", "65537"),
    "pipeline_parallel": ("1", "2", "3", "4"),
    "pipeline_rank": ("0", "1"),
    "data_parallel": ("1", "2", "8"),
    "context_parallel": ("1", "2"),
    "decode_context_parallel": ("1", "2"),
    "engine": ("paged", "vllm", "vllm@0.9", "vllm@0.19", "vllm@0.33"),
    "deployment": ("main", "other"),
}
SETS = (
    "deployments.0.tensor_parallel", "requests.0.sequences", "requests[0].input.max", "planning_quantile",
    "model", "kvplan",
    "requests.0.prefix.tokens", "deployments", "requests", "limits.max_num_batched_tokens", "x", "",
    "...", "requests.9.name",
    "deployment.limits.max_num_batched_tokens", "kv.format", "model.layers.0.head_dim",
    "expect.held_bytes.max", "requests.-1",
)  # fmt: skip
OPTIONS = ("prefix_caching", "hybrid_kv_cache_manager", "max_in_flight_tokens", "compute_capability", "x", "a b", "")

# Keys of a config.json that decide what is cached: mutated more than the others.
_TELLING = re.compile(
    r"architectures|model_type|layer|head|hidden_size|window|chunk|rope|lora|dtype|quant|positions|pattern|n_embd|multi|_dec|_config"
)
_PAIR = re.compile(r"(\"?[\w-]+\"?)(: *)(\"[^\"\n]*\"|[^,{}\[\]\n]+)")


class Case(NamedTuple):
    """One input: the files that are written, what is asked of them, and the flags."""

    kind: str  # config | workload | check | place | flags
    config: bytes
    workload: bytes
    flags: dict[str, Any]


def configs() -> list[str]:
    """The texts of the catalog's configs, one key a line."""
    trees = [catalog.model_entry(name).tree["config"] for name in catalog.model_names()]
    return [json.dumps(tree, indent=1, default=float) for tree in trees]


def mutated(text: str, dice: random.Random) -> bytes:
    """The text after one to four mutations; half of the texts stay well-formed, some lose even their encoding."""
    sound = dice.random() < 0.5
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        pairs = list(_PAIR.finditer(text))
        telling = [pair for pair in pairs if _TELLING.search(pair[1])]
        pairs = telling if telling and dice.random() < 0.8 else pairs
        if pairs and (sound or dice.random() < 0.7):
            pair = dice.choice(pairs)
            made = _sound_pair(pair, pairs, dice) if sound else _spoilt_pair(pair, dice)
            text = text[: pair.start()] + made + text[pair.end() :]
        else:
            text = _text_mutated(text, dice)
    return text.encode("utf-8", "surrogatepass") if sound or dice.random() < 0.9 else _spoilt_bytes(text, dice)


def _spoilt_bytes(text: str, dice: random.Random) -> bytes:
    encoding = dice.choice(("utf-8", "utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32"))
    content = bytearray(text.encode(encoding, "replace"))
    for _ in range(dice.randrange(3)):
        if content:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def _sound_pair(pair: re.Match[str], pairs: list[re.Match[str]], dice: random.Random) -> str:
    """The value replaced by another that JSON and YAML both read, by a neighbour's, or by a number near it."""
    key, colon, value = pair.groups()
    number = int(value) if re.fullmatch("[0-9]{1,18}", value) else 0
    near = (str(number + 1), str(number * 2), str(number // 2), str(number * 1000), f"{number}.0", f"-{number}")
    made = dice.choice(near) if number and dice.random() < 0.5 else dice.choice((*SOUND, dice.choice(pairs)[3]))
    return f"{key}{colon}{made}"


def _spoilt_pair(pair: re.Match[str], dice: random.Random) -> str:
    """A key and its value deleted, doubled, renamed, or the value replaced by anything."""
    key, colon, value = pair.groups()
    quote = '"' if key.startswith('"') else ""
    bare = key.strip('"')
    other = quote + dice.choice((*KEYS, bare[:-1], bare + "s")) + quote
    return dice.choices(
        (f"{key}{colon}{dice.choice(VALUES)}", "", f"{pair[0]}, {pair[0]}", f"{pair[0]}\n{pair[0]}",
         f"{other}{colon}{value}", f"{key}{colon}[{value}]", f"{key}{colon}{value}{dice.choice(PIECES)}"),
        (12, 2, 1, 1, 2, 1, 1),
    )[0]  # fmt: skip


def _text_mutated(text: str, dice: random.Random) -> str:
    """Something inserted, deleted, doubled, cut off or turned around, wherever it falls."""
    start = dice.randrange(len(text) + 1)
    end = min(len(text), start + dice.randrange(1, 40))
    made: tuple[Callable[[], str], ...] = (
        lambda: text[:start] + dice.choice(PIECES) + text[start:],
        lambda: text[:start] + text[end:],
        lambda: text[:start] + text[start:end] * dice.choice((2, 3, 50)) + text[end:],
        lambda: text[:start],
        lambda: text[:start] + dice.choice(VALUES) + text[end:],
        lambda: text[:start] + chr(dice.choice((dice.randrange(128), dice.randrange(0x11000)))) + text[start + 1 :],
        lambda: text.replace("\n", "\r\n"),
        lambda: dice.choice(("&a ", "--- ", "{", "[", "- ")) + text,
    )
    return dice.choice(made)()


def flags_of(dice: random.Random, chance: float) -> dict[str, Any]:
    """Some flags, now and then with a value that is none of theirs."""
    flags: dict[str, Any] = {}
    for name, values in FLAGS.items():
        if dice.random() < chance:
            flags[name] = dice.choice(values if dice.random() < 0.8 else VALUES)
    for name, keys in (("set", SETS), ("engine_options", OPTIONS)):
        if dice.random() < chance:
            flags[name] = {dice.choice(keys): dice.choice(VALUES)}
    return flags


def cases(count: int, seed: int) -> Iterator[Case]:
    """The inputs of a seed, always the same."""
    dice, known = random.Random(seed), configs()
    for _ in range(count):
        kind = dice.choice(("config", "config", "workload", "check", "check", "place", "flags"))
        config, workload = b"", b""
        if kind == "config":
            config = mutated(dice.choice(known), dice)
            flags = {"context": dice.choice(("1", "8192", "1M")), **flags_of(dice, 0.03), "model": "config.json"}
        elif kind == "flags":
            flags = {"model": "llama-3-8b", "context": "8192", **flags_of(dice, 0.2)}
        else:
            workload = mutated(dice.choice(PLACED if kind == "place" else TEMPLATES), dice)
            flags = flags_of(dice, 0.03) if kind != "check" else {}
            config = dice.choice(known).encode() if b"config.json" in workload else b""
        yield Case(kind, config, workload, flags)

"""What vLLM refuses: models, formats and splits, with its own reason."""

from __future__ import annotations

from typing import Any

from kvplan.findings import Finding
from kvplan.footprint.engines.engine import Served, format_refusals, refusal, split_refusals
from kvplan.footprint.engines.versions import Rules, Version, parse_version
from kvplan.footprint.engines.vllm_options import VllmOptions


def refusals(
    served: Served, rules: Rules, data: dict[str, Any], version: str, release: Version, options: VllmOptions
) -> list[Finding]:
    """Every refusal of one version for one deployment, and what it silently ignores."""
    return [
        *_model(served, rules, data, version, release, options),
        *_formats(served, rules, data, version, release, options),
        *split_refusals(served, spreads_over_context=True),
        *_splits(served, rules, data, version, release),
        *_options(served, rules, version, options),
    ]


def _late(first: str | None, release: Version) -> bool:
    return first is not None and (parse_version(first) or release) > release


def _model(
    served: Served, rules: Rules, data: dict[str, Any], version: str, release: Version, options: VllmOptions
) -> list[Finding]:
    found = []
    first = data["families"].get(served.family) or data["architectures"].get(served.architecture)
    if _late(first, release):
        found.append(
            refusal(
                "KV303", "model", f"vllm {version} does not serve {served.architecture}", help=f"it came with {first}"
            )
        )
    limits = {layer.limit_tokens for layer in served.layers}
    if served.family in ("qwen2", "qwen3") and len(limits) > 1:
        message = "vllm refuses Qwen 2 and 3 whose layers differ in their window"
        found.append(refusal("KV303", "model", message, help="turn use_sliding_window off in the config"))
    if rules["prefix_caching_two_types"] and options.prefix_caching and None in limits and len(limits) > 2:
        message = f"vllm {version} caches prefixes only for full attention and one other kind of layer"
        found.append(
            refusal("KV303", "model", message, help="use 0.14 or later, or --engine-option prefix_caching=off")
        )
    return found


def _formats(
    served: Served, rules: Rules, data: dict[str, Any], version: str, release: Version, options: VllmOptions
) -> list[Finding]:
    kv = served.kv
    if kv.splits:
        return [refusal("KV302", "kv", f"vllm stores K and V in one format, not {kv.name}", help="give one format")]
    name, first = kv.k.name, data["formats"].get(kv.k.name)
    if first is None:
        known = ", ".join(data["formats"])
        return [refusal("KV302", "kv", f"vllm has no KV format {name}", help=f"its formats: {known}")]
    latent = any(layer.kind == "mla" for layer in served.layers)
    windows = any(layer.limit_tokens for layer in served.layers)
    small_heads = any(64 in layer.widths for layer in served.layers) and options.compute_capability[0] in (8, 9, 12)
    fp8, nvfp4 = name.startswith("fp8"), name == "nvfp4"
    unsplit = f"vllm {version} counts nvfp4 windows at one byte an element"
    narrow = "vllm refuses nvfp4 for heads of 64 on a device of compute capability 8, 9 or 12"
    reasons = (
        (_late(first, release), f"vllm {version} has no KV format {name}", f"it came with {first}"),
        (latent and nvfp4, "vllm refuses nvfp4 for a latent cache (MLA)", "use fp8_e4m3"),
        (latent and name == "fp8_e5m2", "no latent (MLA) attention of vllm stores fp8_e5m2", "use fp8_e4m3"),
        (latent and fp8 and not rules["mla_fp8"], f"vllm {version} stores MLA in 16 bits only", "use 0.10.2 or later"),
        (nvfp4 and windows and not rules["nvfp4_windows"], unsplit, "use 0.21 or later"),
        (nvfp4 and small_heads, narrow, "use fp8_e4m3"),
    )
    found = [refusal("KV302", "kv", message, help=help) for holds, message, help in reasons if holds]
    return [*format_refusals(served), *found, *_ignored(served, rules)]


def _ignored(served: Served, rules: Rules) -> list[Finding]:
    """A format that is silently not used."""
    name = served.kv.k.name
    if served.family != "falcon" or served.kv.k.group_bytes == 2 or not rules["falcon_ignores_format"]:
        return []
    message = f"vllm ignores {name} for Falcon, whose attention never sees the cache's configuration: it stores 16 bits"
    return [refusal("KV305", "kv", message, help="plan with bf16")]


def _splits(served: Served, rules: Rules, data: dict[str, Any], version: str, release: Version) -> list[Finding]:
    found, split = [], served.split
    heads = {getattr(layer, "num_kv_heads", 0) for layer in served.layers}
    if served.family == "gpt_oss" and split.tensor_parallel > min(heads):
        message = (
            f"vllm's gpt-oss divides {min(heads)} KV heads by {split.tensor_parallel} ranks to none and fails at start"
        )
        found.append(refusal("KV301", "tensor_parallel", message, help=f"use at most {min(heads)}"))
    pipelined = data["pipelined"].get(served.family)
    if split.pipeline_parallel > 1 and _late(pipelined, release):
        message = f"vllm {version} cannot split {served.architecture} into stages"
        found.append(refusal("KV301", "pipeline_parallel", message, help=f"use {pipelined} or later"))
    if split.context_parallel > 1:
        found += _context_parallel(served, rules, version)
    if split.decode_context_parallel > 1:
        found += _decode_context_parallel(served, rules, version)
    return found


def _context_parallel(served: Served, rules: Rules, version: str) -> list[Finding]:
    """Prefill context parallelism: no backend before 0.26, latent models from then, and the cache is not divided."""
    state, split = rules["context_parallel"], served.split
    path = "context_parallel"
    if state != "mla":
        reason = (
            "has no prefill context parallelism"
            if state == "none"
            else "has no attention that supports prefill context parallelism"
        )
        return [refusal("KV301", path, f"vllm {version} {reason}", help="use 0.26 or later, with a latent (MLA) model")]
    if any(layer.kind != "mla" for layer in served.layers):
        return [
            refusal(
                "KV301",
                path,
                "prefill context parallelism of vllm supports latent (MLA) models only",
                help="use tensor or pipeline parallelism",
            )
        ]
    if split.data_parallel > 1 and not rules["context_parallel_with_data"]:
        message = f"vllm {version} refuses prefill context parallelism with data parallelism"
        return [refusal("KV301", path, message, help="use 0.30 or later, or one of the two")]
    allowed = {1, split.context_parallel, split.tensor_parallel * split.context_parallel}
    if split.decode_context_parallel not in allowed:
        ranks = split.context_parallel
        message = f"with {ranks} prefill context ranks, decode context parallelism is one of {sorted(allowed)}"
        return [refusal("KV301", "decode_context_parallel", message, help="use one of these")]
    return []


def _decode_context_parallel(served: Served, rules: Rules, version: str) -> list[Finding]:
    """Source: vLLM config/model.py, verify_with_parallel_config; kv_cache_interface.py asserts against windows."""
    state, split = rules["decode_context_parallel"], served.split
    ranks, tensor = split.decode_context_parallel, split.tensor_parallel
    windows = any(layer.limit_tokens for layer in served.layers)
    dense = any(layer.kind != "mla" for layer in served.layers)
    heads = min(layer.heads_per_rank(1) for layer in served.layers)
    shared, most = served.num_q_heads // heads, max(1, tensor // heads)
    few = f"vllm wants more tensor ranks than KV heads: {tensor} ranks, {heads} heads"
    many = f"vllm allows at most tensor_parallel ÷ KV heads = {most} ranks, {ranks} are asked for"
    reasons = (
        (state == "none", f"vllm {version} has no decode context parallelism", "use 0.10.2 or later"),
        (state == "mla" and dense, f"vllm {version} has it for latent (MLA) models only", "use 0.11.1 or later"),
        (windows, "vllm: DCP not support sliding window", "leave it at 1 for models with windows or chunks"),
        (dense and tensor <= heads, few, f"use tensor_parallel above {heads}"),
        (dense and ranks > most, many, f"use at most {most}"),
        (dense and shared % ranks, f"{shared} query heads a KV head do not divide by {ranks}", f"divide {shared}"),
    )
    found = [(message, help) for holds, message, help in reasons if holds]
    return [refusal("KV301", "decode_context_parallel", message, help=help) for message, help in found[:1]]


def _options(served: Served, rules: Rules, version: str, options: VllmOptions) -> list[Finding]:
    found = []
    if served.block_size and served.block_size % 16:
        message = f"vllm's attention takes blocks of a multiple of 16 tokens, not {served.block_size}"
        found.append(refusal("KV306", "kv.block_size", message, help="use 16, 32 or 64"))
    path = "engine_options.hybrid_kv_cache_manager"
    if options.hybrid_manager == "on" and not rules["manager_option"]:
        found.append(
            refusal("KV306", path, f"vllm {version} has no hybrid KV cache manager", help="use 0.9.1 or later")
        )
    if options.max_in_flight_tokens and rules["window_slack"] == "batched":
        message = f"vllm {version} does not count tokens in flight: a window is admitted with one batch"
        found.append(
            refusal("KV305", "engine_options.max_in_flight_tokens", message, help="set limits.max_num_batched_tokens")
        )
    return found

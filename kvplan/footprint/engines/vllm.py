"""vLLM 0.9 to 0.33, for layers that keep tokens: groups of one pool, windows that release blocks, its worst case.

Held and reserved were run in 0.32 (oracle); other versions were read, and what differs is data (catalog/engines.yaml).
``reserved`` is what "Maximum concurrency" divides by: before 0.19 the start-up check counts hybrids otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from kvplan.findings import Finding
from kvplan.footprint.engines import vllm_log, vllm_refusals
from kvplan.footprint.engines.blocks import BlockGroup, blocks_to, held_bytes
from kvplan.footprint.engines.engine import EngineRequest, PoolLog, PoolRoom, Served, Split, refusal, unknown_options
from kvplan.footprint.engines.prefill import peak_bytes
from kvplan.footprint.engines.versions import Rules, Version, in_range, parse_version
from kvplan.footprint.engines.vllm_groups import (
    Grouping,
    GroupingError,
    as_full,
    group_slots,
    promoted,
    stage_block_groups,
)
from kvplan.footprint.engines.vllm_options import OPTIONS, VllmOptions, read_options
from kvplan.footprint.sharding import stage_slices
from kvplan.footprint.sizing import IntArray
from kvplan.spec.catalog import engine_data
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.attention import ChunkedAttention, SlidingAttention
from kvplan.spec.layers.layer import Layer


@dataclass(frozen=True)
class Vllm:
    """One version of vLLM with its options.

    data: this engine's part of catalog/engines.yaml.
    step_tokens: tokens of one prefill step (max_num_batched_tokens). [tokens]
    problems: what is wrong with the version and the options themselves.
    """

    version: str
    release: Version
    block_size: int
    step_tokens: int
    options: VllmOptions
    data: dict[str, Any]
    problems: tuple[Finding, ...]
    step_is_asked: bool = False
    name: str = "vllm"
    null_blocks: int = 1  # BlockPool keeps one block that stands for "none"
    is_ideal: bool = False
    plans_ranks_alike: bool = True
    memory_base: str = "total"

    @property
    def rules(self) -> Rules:
        """What this version does."""
        return Rules(self.data["rules"], self.release)

    @property
    def evidence(self) -> str:
        """Run or read: which releases' own code was run."""
        return "run" if f"{self.release[0]}.{self.release[1]}" in self.data["run"] else "read"

    @property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """The step of prefill, what admission adds to windows, and the options."""
        default = "default of kvplan; servers raise it by device"
        options = self.options
        in_flight = (
            "two steps"
            if self.rules["window_slack"] == "in_flight" and not options.max_in_flight_tokens
            else "asked for"
        )
        return (
            ("step of prefill", f"{self.step_tokens:,} tokens", "asked for" if self.step_is_asked else default),
            (
                "tokens in flight",
                f"{self.slack_tokens:,} tokens",
                "one step" if self.rules["window_slack"] == "batched" else in_flight,
            ),
            ("prefix caching", "on" if options.prefix_caching else "off", "engine option prefix_caching"),
            ("hybrid manager", options.hybrid_manager, "engine option hybrid_kv_cache_manager"),
        )

    @property
    def shares_prefixes(self) -> bool:
        """Whether prefix caching is on."""
        return self.options.prefix_caching

    def refusals(self, served: Served) -> list[Finding]:
        """What this version refuses or ignores of the deployment."""
        # Refused is what is asked for, else what this version would store of the checkpoint's own scheme.
        checked = served if served.kv_is_asked else replace(served, kv=self.kv(served))
        found = [
            *self.problems,
            *vllm_refusals.refusals(checked, self.rules, self.data, self.version, self.release, self.options),
            *self._overridden(served),
        ]
        if not any(finding.severity == "error" for finding in found):
            try:
                self.stage_groups(served)
            except GroupingError as error:
                found.append(
                    refusal(
                        "KV303",
                        "model",
                        f"vllm {self.version} cannot group these layers: {error}",
                        help="use a later version",
                    )
                )
        return found

    def layers(self, served: Served) -> tuple[Layer, ...]:
        """The layers as vLLM's model code builds them."""
        layers = served.layers
        if served.family == "cohere2" and (extra := self.rules["cohere2_window_extra"]):
            # Cohere 2: models/commandr.py hands its attention one token more than sliding_window.
            layers = tuple(
                SlidingAttention(layer.num_kv_heads, layer.k_head_dim, layer.v_head_dim, layer.sliding_window + extra)
                if isinstance(layer, SlidingAttention)
                else layer
                for layer in layers
            )
        if served.family == "qwen2_moe":
            # Qwen 2 MoE: no layer reads layer_types, and the window of the config holds only if every layer has it.
            layers = as_full(layers)
        return layers

    def kv(self, served: Served) -> KVFormat:
        """The format stored: what is asked for or the checkpoint's scheme sets, as far as this version reads it.

        Source: vLLM utils/torch_utils.py (modelopt) and attention/layer.py (compressed-tensors), by version.
        """
        stored = served.kv if served.kv_is_asked or not served.kv_scheme else served.kv_plain
        if served.kv_scheme == "modelopt" and self.rules["modelopt_kv_scheme"] and not served.kv_is_asked:
            stored = served.kv_of_checkpoint
        scheme = self.rules["compressed_tensors_kv_scheme"] if served.kv_scheme == "compressed-tensors" else "ignored"
        if scheme == "forces" or (scheme == "default" and not served.kv_is_asked):
            return served.kv_of_checkpoint
        if served.family == "falcon" and self.rules["falcon_ignores_format"] and stored.k.group_bytes != 2:
            return served.kv_plain  # its attention is built without the cache's configuration
        return stored

    def _overridden(self, served: Served) -> list[Finding]:
        """A format that the checkpoint's scheme replaces, in versions whose attention looks at the scheme alone."""
        stored = self.kv(served)
        if not served.kv_is_asked or served.kv_scheme != "compressed-tensors" or stored == served.kv:
            return []
        message = f"vllm {self.version} follows the checkpoint's kv_cache_scheme: it stores {stored.name}"
        return [refusal("KV305", "kv", message, help="use 0.22 or later, where the format asked for counts")]

    def token_ranks(self, split: Split) -> int:
        """Decode-context-parallel ranks; prefill context parallelism does not divide the cache."""
        return split.decode_context_parallel

    def stage_groups(self, served: Served) -> list[tuple[BlockGroup, ...]]:
        """Groups over the whole model, or stage by stage before 0.11, as each stage's ranks hold them."""
        layers, kv = self._counted(self.layers(served)), self.kv(served)
        rules = self.rules
        how = Grouping(
            self.block_size,
            served.split.tensor_parallel,
            rules["group_growth_percent"],
            rules["uniform_pages"],
            rules["unified_pages"],
            rules["padded_pages"],
        )
        parts = stage_slices(len(layers), served.split.pipeline_parallel)
        if rules["grouped_over_stages"]:
            groups = group_slots(layers, kv, how)
            return stage_block_groups(groups, parts)
        return [stage_block_groups(group_slots(layers[part], kv, how), [slice(0, len(layers))])[0] for part in parts]

    def _counted(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """Layers as the cache manager counts them: without its hybrid mode, windows and chunks are counted as full."""
        manager, chunks = self.options.hybrid_manager, self.rules["chunked_layers"]
        if chunks == "full":
            layers = promoted(layers, ChunkedAttention)
        elif chunks == "opt_in" and manager != "on" and any(isinstance(layer, ChunkedAttention) for layer in layers):
            return as_full(layers)
        if not self.rules["hybrid_groups"] or manager == "off":
            return as_full(layers)
        return layers

    def block_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """One block, whichever group takes it. [bytes]"""
        return groups[0].block_bytes

    def unit_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """One pool of equal blocks. [bytes]"""
        return self.block_bytes(groups)

    @property
    def memory_fraction(self) -> Fraction:
        """gpu_memory_utilization, of the accelerator's total memory."""
        return Fraction(self.rules["memory_fraction"])

    @property
    def memory_fraction_source(self) -> str:
        """The default of this version."""
        return f"default of vllm {self.version}"

    def default_max_num_seqs(self, total_bytes: int) -> int:
        """By the memory of the device, of every data-parallel instance. [sequences]

        Source: vLLM 0.9 to 0.33 engine/arg_utils.py, get_batch_defaults; A100s, which get fewer, are in no system here.
        """
        return next(int(number) for least, number in self.data["max_num_seqs"] if total_bytes >= least << 30)

    def expert_multiples(self, format_name: str) -> tuple[int, int]:
        """Experts in mxfp4 are padded for every kernel that serves them. [elements]

        Source: vLLM 0.32 quantization/mxfp4.py; docs/model.md, weights.
        """
        return (256, 128) if format_name == "mxfp4" else (1, 1)

    @property
    def admits_without_null_blocks(self) -> bool:
        """From 0.29 the start-up check plans against the blocks that sequences can get."""
        return bool(self.rules["admits_without_null_block"])

    def log(self, room: PoolRoom) -> PoolLog:
        """The lines of vLLM's own log, and tokens by both of its definitions."""
        return vllm_log.log(room, self.block_size, self.rules)

    def held(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """Blocks of every group that one sequence holds after its last step. [bytes]"""
        return held_bytes(groups, tokens)

    def peak(self, groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray) -> IntArray:
        """Blocks at the fullest prefill step, or of the growth after it. [bytes]"""
        return peak_bytes(groups, input_tokens, tokens, self.step_tokens)

    def reserved(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """Admission: ⌈N/b⌉; a window ⌈min(W−1+F, N)/b⌉ + 1; a chunk ⌈min(C+F, N)/b⌉, F the tokens in flight. [bytes]

        Source: vLLM v1/kv_cache_interface.py, max_memory_usage_bytes of each spec; F is one batch before 0.26.
        """
        total = np.zeros_like(tokens)
        for group in groups:
            if group.kind == "window":
                blocks = blocks_to(group, np.minimum(group.limit - 1 + self.slack_tokens, tokens)) + 1
            elif group.kind == "chunk":
                blocks = blocks_to(group, np.minimum(group.limit + self.slack_tokens, tokens))
            else:
                blocks = blocks_to(group, tokens)
            total += blocks * group.all_bytes
        return total

    @property
    def slack_tokens(self) -> int:
        """Tokens that admission adds to a window: those in flight, or one batch before 0.26. [tokens]"""
        if self.rules["window_slack"] == "batched":
            return self.step_tokens
        return self.options.max_in_flight_tokens or 2 * self.step_tokens


def make(request: EngineRequest) -> Vllm:
    """The version asked for; the newest with rules where none is."""
    data = engine_data()["vllm"]
    first, last = data["versions"]["first"], data["versions"]["last"]
    shown = request.version or last.rsplit(".", 1)[0]
    release = parse_version(shown)
    problems = unknown_options(request.options, OPTIONS, "vllm")
    if release is None or not in_range(release, first, last):
        known = f"{first.rsplit('.', 1)[0]} to {last.rsplit('.', 1)[0]}"
        problems.append(refusal("KV304", "engine", f"vllm {shown[:40]} has no rules in kvplan", help=f"known: {known}"))
        release = parse_version(last) or (0, 0, 0)
    options = read_options(request.options, problems)
    served = request.served
    latent = all(layer.kind == "mla" for layer in served.layers)
    block_size = served.block_size or (_latent_block(data, options) if latent else data["block_size"])
    step = served.step_tokens or data["max_num_batched_tokens"]
    asked = served.step_tokens is not None
    return Vllm(shown, release, block_size, step, options, data, tuple(problems), asked)


def _latent_block(data: dict[str, Any], options: VllmOptions) -> int:
    """The block of the attention backend that a latent cache gets by default."""
    sizes = {int(major): size for major, size in data["mla_block_size"].items()}
    return int(sizes[max(major for major in sizes if major <= options.compute_capability[0])])

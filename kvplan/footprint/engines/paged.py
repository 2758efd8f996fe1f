"""The default engine, paged: blocks of one size, each kind of layer its own, nothing padded alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from kvplan.findings import Finding
from kvplan.footprint.engines.blocks import BlockGroup, held_bytes, kind_of
from kvplan.footprint.engines.engine import (
    EngineRequest,
    PoolLog,
    PoolRoom,
    Served,
    Split,
    format_refusals,
    refusal,
    split_refusals,
    unknown_options,
)
from kvplan.footprint.sharding import stage_slices
from kvplan.footprint.sizing import IntArray, group_layers
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.layer import Layer

BLOCK_SIZE = 16


@dataclass(frozen=True)
class Paged:
    """An idealised paged cache: peak is held, reserved is peak."""

    block_size: int
    unknown: tuple[Finding, ...] = ()
    name: str = "paged"
    version: str = ""
    shares_prefixes: bool = True
    is_ideal: bool = True
    evidence: str = "ideal"
    settings: tuple[tuple[str, str, str], ...] = ()
    null_blocks: int = 0
    plans_ranks_alike: bool = False
    memory_base: str = "total"
    memory_fraction: Fraction = Fraction(9, 10)
    memory_fraction_source: str = "assumed, as many engines' default"
    admits_without_null_blocks: bool = False

    def refusals(self, served: Served) -> list[Finding]:
        """Options it does not have, and splits and formats that no engine can make."""
        return [*self.unknown, *split_refusals(served), *format_refusals(served), *self._token_refusals(served)]

    def _token_refusals(self, served: Served) -> list[Finding]:
        """Tokens are spread over ranks that would hold the same heads otherwise, and only where all are kept."""
        split = served.split
        spread = split.decode_context_parallel
        if self.token_ranks(split) > 1 and any(layer.limit_tokens for layer in served.layers):
            path = "decode_context_parallel" if spread > 1 else "context_parallel"
            message = "the tokens of a window or chunk are not spread over ranks"
            return [refusal("KV301", path, message, help="use tensor or pipeline parallelism")]
        copies = min(layer.copies(split.tensor_parallel) for layer in served.layers)
        if copies % spread:
            message = f"{copies} ranks hold the same heads, and tokens cannot be spread over {spread} of them"
            help = f"use a divisor of {copies}, or more tensor ranks than KV heads"
            return [refusal("KV301", "decode_context_parallel", message, help=help)]
        return []

    def layers(self, served: Served) -> tuple[Layer, ...]:
        """The architecture's own layers."""
        return served.layers

    def kv(self, served: Served) -> KVFormat:
        """The format as asked for."""
        return served.kv

    def token_ranks(self, split: Split) -> int:
        """Context-parallel ranks × decode-context-parallel ranks."""
        return split.context_parallel * split.decode_context_parallel

    def stage_groups(self, served: Served) -> list[tuple[BlockGroup, ...]]:
        """One group for each kind of layer of a stage."""
        return [
            tuple(
                BlockGroup(
                    kind_of(group.layer),
                    group.layer.limit_tokens or 0,
                    self.block_size,
                    group.count * group.bytes_per_token * self.block_size,
                )
                for group in group_layers(served.layers[part], served.kv, served.split.tensor_parallel)
            )
            for part in stage_slices(len(served.layers), served.split.pipeline_parallel)
        ]

    def block_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """One block of every kind of layer. [bytes]"""
        return sum(group.all_bytes for group in groups)

    def unit_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """The largest piece that the blocks of every kind are whole numbers of. [bytes]"""
        return math.gcd(*(group.all_bytes for group in groups))

    def default_max_num_seqs(self, total_bytes: int) -> int:
        """No limit."""
        return 0

    def expert_multiples(self, format_name: str) -> tuple[int, int]:
        """Nothing is padded. [elements]"""
        return (1, 1)

    def log(self, room: PoolRoom) -> PoolLog:
        """Tokens of the pool; no product logs them."""
        by_blocks = room.blocks * self.block_size * room.token_ranks
        by_concurrency = int(room.concurrency * room.max_model_len)
        lines = (f"{by_blocks:,} tokens in {room.blocks:,} blocks of {self.block_size}",)
        return PoolLog(by_blocks, by_concurrency, by_blocks, lines)

    def held(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """Whole blocks of every kind. [bytes]"""
        return held_bytes(groups, tokens)

    def peak(self, groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray) -> IntArray:
        """Held at the final length. [bytes]"""
        return held_bytes(groups, tokens)

    def reserved(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """Held at that length. [bytes]"""
        return held_bytes(groups, tokens)


def make(request: EngineRequest) -> Paged:
    """The engine as asked for; it has no versions and no options."""
    unknown = unknown_options(request.options, (), "paged")
    if request.version:
        unknown.append(
            refusal("KV304", "engine", f"paged has no versions ({request.version[:40]})", help="write paged")
        )
    return Paged(request.served.block_size or BLOCK_SIZE, tuple(unknown))

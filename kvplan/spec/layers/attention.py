"""Layers that cache K and V of tokens: all of them, those of a window, or those of a chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kvplan.spec.formats import KVFormat


@dataclass(frozen=True)
class FullAttention:
    """Keeps K and V of every token of a sequence.

    num_kv_heads: heads of K and V (equal to the query heads: MHA; fewer: GQA; one: MQA).
    k_head_dim, v_head_dim: width of one head. [elements]
    """

    num_kv_heads: int
    k_head_dim: int
    v_head_dim: int
    kind: ClassVar[str] = "full_attention"

    @property
    def limit_tokens(self) -> int | None:
        """The most tokens that the layer keeps of a sequence; None for all. [tokens]"""
        return None

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the vectors that one head stores for a token: K, then V. [elements]"""
        return (self.k_head_dim, self.v_head_dim)

    def heads_per_rank(self, tensor_parallel: int) -> int:
        """KV heads on one rank of a tensor group: divided, and held again once there are more ranks than heads.

        Source: vLLM vllm/config/model.py, get_num_kv_heads; engine-run in vLLM 0.32.
        """
        return max(1, self.num_kv_heads // tensor_parallel)

    def heads_problem(self, tensor_parallel: int) -> str:
        """Why the heads cannot be shared by so many ranks; empty where they can."""
        if self.num_kv_heads % tensor_parallel and tensor_parallel % self.num_kv_heads:
            return f"{self.num_kv_heads} KV heads and {tensor_parallel} ranks: neither divides the other"
        return ""

    def copies(self, tensor_parallel: int) -> int:
        """Ranks of a tensor group that hold the same heads."""
        return max(1, self.heads_per_rank(tensor_parallel) * tensor_parallel // self.num_kv_heads)

    def state_bytes(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes of a fixed state for a sequence: none, attention keeps only tokens. [bytes]"""
        return 0

    def bytes_per_token(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes that one rank stores for one token in one such layer. [bytes]

        Source: vLLM v1/kv_cache_interface.py, AttentionSpec: heads × (K width + V width) × element.
        """
        return self.heads_per_rank(tensor_parallel) * (
            kv.k.vector_bytes(self.k_head_dim)  # K
            + kv.v.vector_bytes(self.v_head_dim)  # V
        )


@dataclass(frozen=True)
class SlidingAttention(FullAttention):
    """Keeps K and V of the last ``sliding_window`` tokens. [tokens]"""

    sliding_window: int
    kind: ClassVar[str] = "sliding_attention"

    @property
    def limit_tokens(self) -> int | None:
        """The window. [tokens]"""
        return self.sliding_window


@dataclass(frozen=True)
class ChunkedAttention(FullAttention):
    """Keeps K and V of the current chunk of ``attention_chunk_size`` tokens; a finished chunk is dropped. [tokens]"""

    attention_chunk_size: int
    kind: ClassVar[str] = "chunked_attention"

    @property
    def limit_tokens(self) -> int | None:
        """The chunk. [tokens]"""
        return self.attention_chunk_size

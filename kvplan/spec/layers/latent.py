"""Layers that cache one compressed latent for a token in place of K and V (multi-head latent attention)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kvplan.spec.formats import KVFormat


@dataclass(frozen=True)
class LatentAttention:
    """Keeps one latent vector and one rotary key for every token; no V, and nothing that tensor parallelism divides.

    kv_lora_rank: width of the latent. [elements]
    qk_rope_head_dim: width of the rotary part of the key. [elements]
    """

    kv_lora_rank: int
    qk_rope_head_dim: int
    kind: ClassVar[str] = "mla"

    @property
    def limit_tokens(self) -> int | None:
        """None: every token is kept. [tokens]"""
        return None

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of the one vector that is stored for a token. [elements]"""
        return (self.kv_lora_rank + self.qk_rope_head_dim,)

    def heads_per_rank(self, tensor_parallel: int) -> int:
        """One latent, on every rank of a tensor group alike."""
        return 1

    def heads_problem(self, tensor_parallel: int) -> str:
        """Empty: the latent is not divided."""
        return ""

    def copies(self, tensor_parallel: int) -> int:
        """Ranks of a tensor group that hold the same latent: all."""
        return tensor_parallel

    def state_bytes(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes of a fixed state for a sequence: none. [bytes]"""
        return 0

    def bytes_per_token(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes that one rank stores for one token in one such layer; the same on every rank. [bytes]

        Source: vLLM v1/kv_cache_interface.py, MLAAttentionSpec: (latent + rotary) × element, no factor 2.
        """
        return kv.k.vector_bytes(self.kv_lora_rank + self.qk_rope_head_dim)

"""What every kind of layer answers, and layers gathered by kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kvplan.spec.formats import KVFormat


class Layer(Protocol):
    """One layer's cache: what it keeps of a sequence, and what a kept token costs on a rank."""

    @property
    def kind(self) -> str:
        """``full_attention``, ``sliding_attention``, ``chunked_attention``, ``mla``."""
        ...

    @property
    def limit_tokens(self) -> int | None:
        """The most tokens that the layer keeps of a sequence; None for all. [tokens]"""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the vectors that one head stores for a token. [elements]"""
        ...

    def heads_per_rank(self, tensor_parallel: int) -> int:
        """Heads (or latents) that one rank of a tensor group stores."""
        ...

    def heads_problem(self, tensor_parallel: int) -> str:
        """Why the heads cannot be shared by so many ranks; empty where they can."""
        ...

    def copies(self, tensor_parallel: int) -> int:
        """Ranks of a tensor group that hold the same heads or latent."""
        ...

    def state_bytes(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes of the fixed state that one rank keeps for a sequence in one such layer. [bytes]"""
        ...

    def bytes_per_token(self, kv: KVFormat, tensor_parallel: int = 1) -> int:
        """Bytes that one rank stores for one token in one such layer. [bytes]"""
        ...


def count_layers(layers: Iterable[Layer]) -> dict[Layer, int]:
    """Equal layers and how many there are, in the order of the first of each."""
    counts: dict[Layer, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + 1
    return counts

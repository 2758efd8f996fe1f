"""The same sequences step by step: from the naive formula to the bytes that an engine holds.

Each step takes one thing more into account; totals run, and the last is ``held``. The steps after ``format`` are the
accounts themselves (footprint/accounting.py).
"""

from __future__ import annotations

import numpy as np

from kvplan.footprint.sequences import Sequences, Total
from kvplan.footprint.sizing import IntArray
from kvplan.spec.layers.layer import Layer, count_layers

STEPS = ("naive", "heads", "windows_and_states", "format", "shared_prefix", "replication", "blocks_and_engine")

_NAIVE_ELEMENT_BYTES = 2  # the naive formula is of 16-bit elements, whatever the format


def naive_bytes_per_token(num_layers: int, hidden_size: int) -> int:
    """Bytes of one token by the naive formula. [bytes]

    Source: the formula of most blog posts: layers × (K and V) × hidden size × 2 bytes.

    >>> naive_bytes_per_token(80, 8192)
    2621440
    """
    return (
        num_layers
        * 2  # K and V
        * hidden_size
        * _NAIVE_ELEMENT_BYTES
    )


def naive(sequences: Sequences, num_layers: int, hidden_size: int) -> Total:
    """Sequences × tokens × layers × 2 × hidden size × 2 bytes. [bytes]"""
    per_token = naive_bytes_per_token(num_layers, hidden_size)
    return sequences.total(lambda _, tokens: tokens * per_token)


def heads(sequences: Sequences, layers: tuple[Layer, ...]) -> Total:
    """Every layer keeps every token, with the heads or the latent it really has, in 16 bits. [bytes]"""
    per_token = sum(_element_bytes(layer) * count for layer, count in count_layers(layers).items())
    return sequences.total(lambda _, tokens: tokens * per_token)


def windows_and_states(sequences: Sequences, layers: tuple[Layer, ...]) -> Total:
    """Each layer keeps what its window or chunk lets it keep, in 16 bits. [bytes]"""

    def kept(_: IntArray, tokens: IntArray) -> IntArray:
        total = np.zeros_like(tokens)
        for layer, count in count_layers(layers).items():
            limit = layer.limit_tokens
            total += (tokens if limit is None else np.minimum(tokens, limit)) * (_element_bytes(layer) * count)
        return total

    return sequences.total(kept)


def _element_bytes(layer: Layer) -> int:
    return layer.heads_per_rank(1) * sum(layer.widths) * _NAIVE_ELEMENT_BYTES

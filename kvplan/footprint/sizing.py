"""Arrays of tokens × layer groups ▸ bytes: what the architecture keeps, before any engine rounds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.layer import Layer, count_layers
from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]

_CHUNK = 1 << 15  # tokens worked on at once: three such arrays stay in the second-level cache


@dataclass(frozen=True)
class LayerGroup:
    """Equal layers on one rank.

    layer: what each keeps of a sequence.
    count: how many there are.
    bytes_per_token: what one layer stores for one token on the rank. [bytes]
    """

    layer: Layer
    count: int
    bytes_per_token: int


def group_layers(layers: Iterable[Layer], kv: KVFormat, tensor_parallel: int = 1) -> tuple[LayerGroup, ...]:
    """Layers gathered by kind, with what a token costs on one rank of a tensor group."""
    return tuple(
        LayerGroup(layer, count, layer.bytes_per_token(kv, tensor_parallel))
        for layer, count in count_layers(layers).items()
    )


def bytes_by_limit(groups: Iterable[LayerGroup]) -> dict[int | None, int]:
    """Bytes of one token over all layers that keep at most so many tokens; None is no limit. [bytes]"""
    totals: dict[int | None, int] = {}
    for group in groups:
        limit = group.layer.limit_tokens
        totals[limit] = totals.get(limit, 0) + group.count * group.bytes_per_token
    return totals


def size_sequences(layers: Sequence[LayerGroup], tokens: IntArray) -> IntArray:
    """KV bytes of each sequence over layer groups: Σ count × bytes per token × kept tokens.

    layers: layer groups of one rank, or of a whole model with tensor_parallel 1.
    tokens: cached tokens of each sequence, any shape, int64. [tokens]
    Returns: the same shape, int64. [bytes]
    Raises: ValueError if any count is negative or a size would pass 2**62 bytes; TypeError unless int64.
    Assumes: (1) a window keeps its last tokens exactly, a chunked layer at most one chunk; (2) no blocks.
    Source: docs/model.md, minimum.
    """
    tokens = np.asarray(tokens)
    if tokens.dtype != np.int64:
        message = f"tokens are {tokens.dtype}, not int64"
        raise TypeError(message)
    totals = bytes_by_limit(layers)
    flat = np.ascontiguousarray(tokens).reshape(-1)
    sizes = np.empty_like(flat)
    kept = np.empty(min(_CHUNK, flat.size), dtype=np.int64)
    most = MAX_INTEGER // max(1, sum(totals.values()))
    unbounded = totals.pop(None, 0)
    windows = [(limit, cost) for limit, cost in totals.items() if limit is not None]
    for start in range(0, flat.size, _CHUNK):
        part, size = flat[start : start + _CHUNK], sizes[start : start + _CHUNK]
        _check(part, most)
        np.multiply(part, unbounded, out=size)
        for limit, cost in windows:
            window = kept[: part.size]
            np.minimum(part, limit, out=window)
            np.multiply(window, cost, out=window)
            np.add(size, window, out=size)
    return sizes.reshape(tokens.shape)


def _check(tokens: IntArray, most: int) -> None:
    if tokens.size and int(tokens.min()) < 0:
        message = "a sequence has a negative number of tokens"
        raise ValueError(message)
    if tokens.size and int(tokens.max()) >= most:
        message = f"a sequence of {int(tokens.max()):,} tokens would pass 2**62 bytes"
        raise ValueError(message)

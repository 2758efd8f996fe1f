"""The fullest moment of a sequence: a step of chunked prefill in flight, or a token of its growth."""

from __future__ import annotations

from math import lcm

import numpy as np

from kvplan.footprint.engines.blocks import BlockGroup, blocks_to, first_block, held_bytes
from kvplan.footprint.sizing import IntArray

MAX_STEPS = 1 << 13  # steps of one prefill that are looked at one by one; beyond, a bound that is never too small


def peak_bytes(groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray, step: int) -> IntArray:
    """Most bytes that sequences hold while they are prefilled in steps and then grow to their final length.

    input_tokens, tokens: prompt and final length of each sequence, shape (num_sequences,), int64. [tokens]
    step: tokens of one prefill step. [tokens]
    Returns: the same shape, int64. [bytes]
    Source: vLLM 0.32 KVCacheManager, run: at the step [s, e) a window holds ⌈e/b⌉ − ⌊max(0, s−W+1)/b⌋ blocks.
    """
    return np.maximum(_prefill(groups, input_tokens, step), _growth(groups, input_tokens, tokens))


def _prefill(groups: tuple[BlockGroup, ...], tokens: IntArray, step: int) -> IntArray:
    # Full groups only grow, and windows and chunks repeat: the peak lies within the last period before the end.
    period = lcm(step, *(group.limit if group.kind == "chunk" else group.block_size for group in groups))
    last = (np.maximum(tokens, 1) - 1) // step  # index of the last step
    looks = min(period // step + 1, int(last.max(initial=0)) + 1)
    if looks > MAX_STEPS:
        return _bound(groups, tokens, step)
    peak = np.zeros_like(tokens)
    for back in range(looks):
        start = np.maximum(last - back, 0) * step
        peak = np.maximum(peak, _step_bytes(groups, start, np.minimum(start + step, tokens)))
    return peak


def _step_bytes(groups: tuple[BlockGroup, ...], start: IntArray, end: IntArray) -> IntArray:
    """Bytes held during one step: what the first token of the step still needs, up to its last."""
    total = np.zeros_like(end)
    for group in groups:
        total += (blocks_to(group, end) - first_block(group, start + 1)) * group.block_bytes
    return total


def _bound(groups: tuple[BlockGroup, ...], tokens: IntArray, step: int) -> IntArray:
    total = np.zeros_like(tokens)
    for group in groups:
        most = tokens if group.kind == "full" else np.minimum(tokens, group.limit + step + 2 * group.block_size)
        total += blocks_to(group, most) * group.block_bytes
    return total


def _growth(groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray) -> IntArray:
    """Most bytes held at any length from prompt to end: a window's blocks repeat, a chunk is fullest at its end."""
    peak = held_bytes(groups, tokens)
    widest = max((group.block_size for group in groups if group.kind == "window"), default=1)
    for back in range(1, min(widest, int((tokens - input_tokens).max(initial=0)) + 1)):
        peak = np.maximum(peak, held_bytes(groups, np.maximum(tokens - back, input_tokens)))
    for group in groups:
        if group.kind == "chunk":
            peak = np.maximum(peak, held_bytes(groups, np.maximum(tokens // group.limit * group.limit, input_tokens)))
    return peak

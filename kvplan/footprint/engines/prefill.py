"""The fullest moment of a sequence: a step of chunked prefill in flight, or a token of its growth."""

from __future__ import annotations

from math import lcm

import numpy as np

from kvplan.footprint.engines.blocks import BlockGroup, blocks_to, first_block, held_bytes
from kvplan.footprint.sizing import IntArray

MAX_STEPS = 1 << 12  # steps × groups that are looked at one by one; beyond, a bound that is never too small


def peak_bytes(groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray, step: int) -> IntArray:
    """Most bytes that sequences hold while they are prefilled in steps and then grow to their final length.

    input_tokens, tokens: prompt and final length of each sequence, shape (num_sequences,), int64. [tokens]
    step: tokens of one prefill step. [tokens]
    Returns: the same shape, int64. [bytes]
    Source: vLLM 0.32 KVCacheManager, run: at the step [s, e) a window holds ⌈e/b⌉ − ⌊max(0, s−W+1)/b⌋ blocks.
    """
    return np.maximum(_prefill(groups, input_tokens, step), _growth(groups, input_tokens, tokens))


def _period(groups: tuple[BlockGroup, ...], step: int) -> int:
    """After so many tokens, blocks taken and released repeat but for what full groups have grown by. [tokens]"""
    return lcm(
        step, *(group.block_size for group in groups), *(group.limit for group in groups if group.kind == "chunk")
    )


def _prefill(groups: tuple[BlockGroup, ...], tokens: IntArray, step: int) -> IntArray:
    # Full groups only grow and the others repeat, so the peak lies within the last period, or at the last step.
    last = (np.maximum(tokens, 1) - 1) // step  # index of the last step
    looks = min(_period(groups, step) // step + 1, int(last.max(initial=0)) + 1)
    if looks * len(groups) > MAX_STEPS:
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
        total += (blocks_to(group, end) - first_block(group, start + 1)) * group.all_bytes
    return total


def _bound(groups: tuple[BlockGroup, ...], tokens: IntArray, step: int) -> IntArray:
    total = np.zeros_like(tokens)
    for group in groups:
        most = tokens if group.kind == "full" else np.minimum(tokens, group.limit + step + 2 * group.block_size)
        total += blocks_to(group, most) * group.all_bytes
    return total


def _growth(groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray) -> IntArray:
    """Most bytes held at any length from prompt to end: at the end, or just before a group releases blocks."""
    peak = held_bytes(groups, tokens)
    grown = int((tokens - input_tokens).max(initial=0))
    if not grown:
        return peak
    period = min(_period(groups, 1), grown + 1)
    releases = [(group.limit - 1, group.block_size) for group in groups if group.kind == "window"]
    releases += [(0, group.limit) for group in groups if group.kind == "chunk"]
    if sum(period // every + 1 for _, every in releases) * len(groups) > MAX_STEPS:
        return np.maximum(peak, _bound(groups, tokens, 1))
    for first, every in dict.fromkeys(releases):
        # A window of W releases a block at the length W + j·b, a chunk of C all of its blocks at j·C + 1.
        latest = np.maximum(tokens - first, 0) // every
        for back in range(period // every + 1):
            lengths = np.clip(first + (latest - back) * every, input_tokens, tokens)
            peak = np.maximum(peak, held_bytes(groups, lengths))
    return peak

"""Blocks that a sequence holds, against a block manager that serves it token by token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.footprint.engines.blocks import (
    BlockGroup,
    blocks_to,
    first_block,
    full_groups,
    held_blocks,
    held_bytes,
    kind_of,
    shared_bytes,
)
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.latent import LatentAttention


def oldest_needed(group, token):
    """The oldest token whose KV the next token reads."""
    if group.kind == "window":
        return max(0, token - group.limit + 1)
    return token // group.limit * group.limit if group.kind == "chunk" else 0


class BlockManager:
    """One sequence in one group: blocks are taken before a step and dropped when no later token reads them."""

    def __init__(self, group):
        self.group = group
        self.held = set()

    def step(self, start, end):
        needed = oldest_needed(self.group, start)
        size = self.group.block_size
        self.held |= {token // size for token in range(start, end)}
        self.held = {block for block in self.held if (block + 1) * size > needed}

    def count_after(self, tokens):
        for token in range(tokens):
            self.step(token, token + 1)
        return len(self.held)


def tokens_of(*counts):
    return np.array(counts, dtype=np.int64)


groups = st.one_of(
    st.builds(BlockGroup, st.just("full"), st.just(0), st.integers(1, 12), st.integers(1, 100)),
    st.builds(
        BlockGroup, st.sampled_from(["window", "chunk"]), st.integers(1, 60), st.integers(1, 12), st.integers(1, 100)
    ),
)


@given(group=groups, tokens=st.integers(0, 150))
def test_held_blocks_are_those_of_a_block_manager(group, tokens):
    assert held_blocks(group, tokens_of(tokens)).tolist() == [BlockManager(group).count_after(tokens)]


@given(group=groups, counts=st.lists(st.integers(0, 10_000), max_size=20))
def test_arrays_equal_a_plain_loop(group, counts):
    one_by_one = [int(held_blocks(group, tokens_of(tokens))[0]) for tokens in counts]
    assert held_blocks(group, tokens_of(*counts)).tolist() == one_by_one


@pytest.mark.parametrize(
    ("group", "tokens", "blocks"),
    [
        # window 128, blocks of 16: 8 or 9 blocks
        (BlockGroup("window", 128, 16, 1), 128, 8),
        (BlockGroup("window", 128, 16, 1), 129, 9),
        (BlockGroup("window", 128, 16, 1), 143, 9),
        (BlockGroup("window", 128, 16, 1), 144, 8),
        # Llama 4 at 8200 tokens: one block in a chunked group
        (BlockGroup("chunk", 8192, 16, 1), 8192, 512),
        (BlockGroup("chunk", 8192, 16, 1), 8193, 1),
        (BlockGroup("chunk", 8192, 16, 1), 8200, 1),
        (BlockGroup("chunk", 8192, 16, 1), 16_384, 512),
        # a chunk that ends inside a block keeps that block
        (BlockGroup("chunk", 24, 16, 1), 25, 1),
        (BlockGroup("chunk", 24, 16, 1), 48, 2),
        (BlockGroup("full", 0, 16, 1), 0, 0),
        (BlockGroup("full", 0, 16, 1), 1, 1),
        (BlockGroup("full", 0, 16, 1), 17, 2),
    ],
)
def test_blocks_of_known_sequences(group, tokens, blocks):
    assert held_blocks(group, tokens_of(tokens)).tolist() == [blocks]


@given(group=groups, tokens=st.integers(0, 10_000))
def test_held_blocks_end_where_the_tokens_end(group, tokens):
    held = held_blocks(group, tokens_of(tokens)) + first_block(group, tokens_of(tokens))
    assert held.tolist() == blocks_to(group, tokens_of(tokens)).tolist()


@given(limit=st.integers(1, 500), size=st.integers(1, 50), tokens=st.integers(0, 500))
def test_a_window_as_long_as_the_sequence_is_full(limit, size, tokens):
    window, full = BlockGroup("window", limit, size, 1), BlockGroup("full", 0, size, 1)
    if limit >= tokens:
        assert held_blocks(window, tokens_of(tokens)).tolist() == held_blocks(full, tokens_of(tokens)).tolist()


@given(parts=st.lists(groups, max_size=4), tokens=st.integers(0, 1000))
def test_bytes_are_blocks_of_every_group(parts, tokens):
    total = sum(int(held_blocks(group, tokens_of(tokens))[0]) * group.block_bytes for group in parts)
    assert held_bytes(tuple(parts), tokens_of(tokens)).tolist() == [total]


@given(parts=st.lists(groups, max_size=4), prefix=st.integers(0, 100), more=st.integers(0, 100))
def test_shared_bytes_are_whole_prefix_blocks_that_are_still_held(parts, prefix, more):
    total = 0
    for group in parts:
        manager = BlockManager(group)
        manager.count_after(prefix + more)
        whole = {block for block in manager.held if (block + 1) * group.block_size <= prefix}
        total += len(whole) * group.block_bytes
    assert shared_bytes(tuple(parts), tokens_of(prefix), tokens_of(prefix + more)).tolist() == [total]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (FullAttention(1, 1, 1), "full"),
        (LatentAttention(512, 64), "full"),
        (SlidingAttention(1, 1, 1, 5), "window"),
        (ChunkedAttention(1, 1, 1, 5), "chunk"),
    ],
)
def test_kinds_of_layers(layer, kind):
    assert kind_of(layer) == kind


def test_full_groups_are_those_that_release_nothing():
    full, window = BlockGroup("full", 0, 16, 1), BlockGroup("window", 5, 16, 1)
    assert full_groups((window, full, window, full)) == (full, full)

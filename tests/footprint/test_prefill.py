"""The fullest moment of a sequence, against a prefill and a growth that are played step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.engines.prefill import MAX_STEPS, peak_bytes


def first_needed(group, token):
    """Index of the first block that the token still reads."""
    if group.kind == "window":
        return max(0, token - group.limit + 1) // group.block_size
    return token // group.limit * group.limit // group.block_size if group.kind == "chunk" else 0


def played(groups, prompt, tokens, step):
    """Most bytes at any step: a prefill step reads from its first token on, then one token a step."""
    starts = [*range(0, prompt, step), *range(prompt, tokens)]
    ends = [*(min(start + step, prompt) for start in range(0, prompt, step)), *range(prompt + 1, tokens + 1)]
    return max(
        sum((-(-end // group.block_size) - first_needed(group, start)) * group.block_bytes for group in groups)
        for start, end in zip(starts, ends, strict=True)
    )


def peak(groups, prompt, tokens, step):
    return int(peak_bytes(tuple(groups), np.array([prompt], np.int64), np.array([tokens], np.int64), step)[0])


def group_of(kinds, sizes):
    return st.builds(BlockGroup, st.sampled_from(kinds), st.integers(1, 40), sizes, st.integers(1, 9)).map(
        lambda group: BlockGroup("full", 0, group.block_size, group.block_bytes) if group.kind == "full" else group
    )


def pools(kinds):
    """Groups of one block size, as engines have them; chunks are whole blocks."""
    return st.integers(1, 8).flatmap(
        lambda size: st.lists(group_of(kinds, st.just(size)), min_size=1, max_size=3).map(
            lambda groups: [
                BlockGroup("chunk", group.limit * size, size, group.block_bytes) if group.kind == "chunk" else group
                for group in groups
            ]
        )
    )


LENGTHS = {"prompt": st.integers(1, 120), "growth": st.integers(0, 60), "step": st.integers(1, 50)}


@settings(max_examples=300)
@given(groups=pools(["full", "window"]), **LENGTHS)
def test_windows_beside_full_layers(groups, prompt, growth, step):
    assert peak(groups, prompt, prompt + growth, step) == played(groups, prompt, prompt + growth, step)


@settings(max_examples=300)
@given(groups=pools(["full", "chunk"]), **LENGTHS)
def test_chunks_beside_full_layers(groups, prompt, growth, step):
    assert peak(groups, prompt, prompt + growth, step) == played(groups, prompt, prompt + growth, step)


@settings(max_examples=300)
@given(groups=pools(["full", "window", "chunk"]), **LENGTHS)
def test_mixes_of_all_kinds(groups, prompt, growth, step):
    assert peak(groups, prompt, prompt + growth, step) == played(groups, prompt, prompt + growth, step)


@settings(max_examples=300)
@given(groups=st.lists(group_of(["full", "window", "chunk"], st.integers(1, 8)), min_size=1, max_size=3), **LENGTHS)
def test_groups_with_blocks_of_their_own(groups, prompt, growth, step):
    assert peak(groups, prompt, prompt + growth, step) == played(groups, prompt, prompt + growth, step)


@pytest.mark.parametrize(
    ("groups", "tokens", "step"),
    [
        ([BlockGroup("chunk", 8209, 16, 3), BlockGroup("full", 0, 16, 1)], 16_500, 1),
        ([BlockGroup("chunk", 16_411, 16, 2), BlockGroup("window", 100, 16, 7)], 24_700, 2),
        ([BlockGroup("chunk", 8209, 16, 1), BlockGroup("chunk", 10_007, 16, 1)], 12_000, 1),
    ],
)
def test_past_the_most_steps_the_bound_is_never_too_small(groups, tokens, step):
    assert tokens // step > MAX_STEPS
    assert peak(groups, tokens, tokens, step) >= played(groups, tokens, tokens, step)


@given(
    groups=pools(["full", "window", "chunk"]), counts=st.lists(st.integers(0, 200), max_size=8), step=st.integers(1, 40)
)
def test_arrays_equal_a_plain_loop(groups, counts, step):
    tokens = np.array(counts, np.int64)
    assert peak_bytes(tuple(groups), tokens, tokens, step).tolist() == [peak(groups, n, n, step) for n in counts]


@given(groups=pools(["full", "window", "chunk"]), **LENGTHS)
def test_the_peak_is_never_below_what_is_held_at_the_end(groups, prompt, growth, step):
    tokens = prompt + growth
    assert peak(groups, prompt, tokens, step) >= peak(groups, 0, tokens, step) - peak(groups, 0, tokens, step) % 1
    held = sum((-(-tokens // g.block_size) - first_needed(g, tokens - 1)) * g.block_bytes for g in groups)
    assert peak(groups, prompt, tokens, step) >= held


@pytest.mark.parametrize(
    ("step", "blocks"),
    [
        # Gemma 3 27B at 4096: 6 windows of 1024 beside a full group of 256 blocks, blocks of 16
        (2048, 6 * 192 + 256),  # second step: ⌈4096/16⌉ − ⌊(2048 − 1023)/16⌋ = 256 − 64
        (512, 6 * 96 + 256),  # last step: ⌈4096/16⌉ − ⌊(3584 − 1023)/16⌋ = 256 − 160
        (4096, 7 * 256),  # all at once
        (8192, 7 * 256),
    ],
)
def test_a_longer_step_holds_more(step, blocks):
    result = kvplan.size(
        model="gemma-3-27b",
        context=4096,
        kv_format="bf16",
        engine="vllm@0.32",
        set={"deployments.0.limits.max_num_batched_tokens": step},
    )
    assert result.rank_peak_bytes == blocks * 10 * 16 * 8192  # 10 layers a group, 8192 bytes a token and layer


def test_paged_has_no_prefill_of_its_own():
    result = kvplan.size(model="gemma-3-27b", context=4096)
    assert result.peak_bytes == result.held_bytes == result.reserved_bytes

"""The fullest moment of a sequence, against a prefill and a growth that are played step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.footprint.engines.blocks import BlockGroup, held_bytes
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


def windows(size):
    return st.builds(BlockGroup, st.just("window"), st.integers(1, 40), st.just(size), st.integers(1, 9))


def full(size):
    return st.builds(BlockGroup, st.just("full"), st.just(0), st.just(size), st.integers(1, 9))


def windows_and_full(size):
    return st.lists(st.one_of(windows(size), full(size)), min_size=1, max_size=4)


def chunks_and_full(size):
    """Groups of one chunk, which is whole blocks, beside full ones."""
    parts = st.tuples(st.integers(1, 8), st.lists(st.integers(1, 9), min_size=1, max_size=2), st.lists(full(size)))
    return parts.map(
        lambda drawn: [*(BlockGroup("chunk", drawn[0] * size, size, cost) for cost in drawn[1]), *drawn[2]]
    )


def longer_blocks(size):
    """As where narrow layers take blocks of twice or four times the tokens."""
    kinds = [kind(size * ratio) for kind in (windows, full) for ratio in (1, 2, 4)]
    return st.lists(st.one_of(kinds), min_size=1, max_size=4)


SIZES = st.integers(1, 8)
LENGTHS = {"prompt": st.integers(1, 120), "growth": st.integers(0, 60), "step": st.integers(1, 50)}
POOLS = pytest.mark.parametrize("pool", [windows_and_full, chunks_and_full, longer_blocks])


@POOLS
@settings(max_examples=150, deadline=None)
@given(data=st.data(), **LENGTHS)
def test_the_peak_is_the_fullest_step(pool, data, prompt, growth, step):
    groups = data.draw(SIZES.flatmap(pool))
    assert peak(groups, prompt, prompt + growth, step) == played(groups, prompt, prompt + growth, step)


@pytest.mark.parametrize(
    ("groups", "prompt", "tokens", "step"),
    [
        # a chunk of 2 in blocks of 3: tokens 2 and 3 lie in two blocks, 4 and 5 in one
        pytest.param([BlockGroup("chunk", 2, 3, 1)], 1, 7, 1, id="chunk-across-blocks"),
        pytest.param([BlockGroup("chunk", 6, 1, 1), BlockGroup("chunk", 4, 1, 1)], 3, 19, 17, id="two-chunks"),
        pytest.param([BlockGroup("chunk", 10, 2, 5), BlockGroup("window", 4, 2, 4)], 8, 23, 4, id="chunk-and-window"),
        pytest.param(
            [BlockGroup("window", 10, 4, 1), BlockGroup("window", 2, 6, 1)], 9, 24, 23, id="blocks-of-4-and-6"
        ),
    ],
)
def test_the_peak_of_rare_mixes_is_the_fullest_step(groups, prompt, tokens, step):
    assert peak(groups, prompt, tokens, step) == played(groups, prompt, tokens, step)


def test_a_longer_output_has_no_smaller_peak():
    heads = "num_kv_heads: 1, head_dim: 8"
    text = f"""
kvplan: 1
name: mixed
model:
  hidden_size: 64
  num_q_heads: 1
  layers:
    - {{kind: full_attention, {heads}}}
    - {{kind: chunked_attention, {heads}, attention_chunk_size: 160}}
    - {{kind: sliding_attention, {heads}, sliding_window: 24}}
engine: vllm@0.32
requests: [{{name: one, sequences: 1, input: 8, output: OUTPUT}}]
"""
    peaks = [kvplan.size(text.replace("OUTPUT", str(output))).peak_bytes for output in (300, 340)]
    assert peaks == sorted(peaks)


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


@settings(deadline=None)
@given(
    groups=SIZES.flatmap(windows_and_full), counts=st.lists(st.integers(0, 200), max_size=8), step=st.integers(1, 40)
)
def test_arrays_equal_a_plain_loop(groups, counts, step):
    tokens = np.array(counts, np.int64)
    assert peak_bytes(tuple(groups), tokens, tokens, step).tolist() == [peak(groups, n, n, step) for n in counts]


@POOLS
@settings(deadline=None)
@given(data=st.data(), **LENGTHS)
def test_the_peak_is_never_below_what_is_held_at_the_end(pool, data, prompt, growth, step):
    groups, tokens = data.draw(SIZES.flatmap(pool)), prompt + growth
    held = int(held_bytes(tuple(groups), np.array([tokens], np.int64))[0])
    assert peak(groups, prompt, tokens, step) >= held


def test_a_sequence_of_no_tokens_holds_nothing():
    assert peak([BlockGroup("window", 8, 4, 1), BlockGroup("full", 0, 4, 1)], 0, 0, 5) == 0


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
    assert (
        result.rank_peak_bytes == blocks * 10 * 16 * 8192
    )  # 10 layers a group; 16 heads × 256 elements × 2 bytes a token


def test_paged_has_no_prefill_of_its_own():
    result = kvplan.size(model="gemma-3-27b", context=4096)
    assert result.peak_bytes == result.held_bytes == result.reserved_bytes

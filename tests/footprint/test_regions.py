"""Classes of sequences as regions: as many as are planned for, in blocks that no stage holds more of."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.answers.place_question import open_question
from kvplan.footprint.accounting import SharedPrefix
from kvplan.footprint.regions import ClassRegions, class_regions, in_blocks, planned_number
from kvplan.footprint.sequences import Total
from kvplan.spec.lengths import Length


def array(*values):
    return np.array(values, dtype=np.int64)


def regions(*stages, counts=None, prefix=None):
    """A class by its bytes on each stage."""
    number = len(stages[0])
    counts = array(*(counts or [1] * number))
    return ClassRegions(
        int(counts.sum()), counts, array(*range(1, number + 1)), tuple(array(*stage) for stage in stages),
        tuple(prefix or [0] * len(stages)),
    )  # fmt: skip


class Plain:
    """An accountant for whom a token is 10 bytes of the first stage and 3 of the second, a prefix token the same."""

    def regions(self, sequences, prefix, measure):
        tokens = (sequences.input_tokens if measure == "now" else sequences.tokens) - prefix.tokens
        return [(tokens * 10, prefix.tokens * 10), (tokens * 3, prefix.tokens * 3)]


LAW = Length("uniform", 100, 300)


def test_the_quantile_is_planned_for():
    # 1000 sequences of mean 5000 bytes in all; at 2 deviations of 50 in all 5100: 1020 of them.
    total = Total(Fraction(5000), 2500.0, 9000, 1000)
    assert planned_number(1000, total, 2.0) == 1020
    assert planned_number(1000, total, 2.001) == 1021  # ⌈5100.05⌉ is 5101 bytes
    # Below the mean nothing is taken away; above the most there is nothing.
    assert planned_number(1000, total, -3.0) == 1000
    assert planned_number(1000, total, 1e9) == 1800
    assert planned_number(1000, Total(Fraction(5000), 0.0, 9000), 9.0) == 1000
    assert planned_number(7, Total(Fraction(0), 4.0, 9), 9.0) == 7


@pytest.mark.parametrize("number", [1, 2, 4095, 4096, 4097, 10_000_000, 1 << 40, (1 << 50) + 1])
def test_strata_share_all_regions(number):
    found = class_regions(Plain(), (LAW, Length("constant", 50, 50)), number, SharedPrefix(), "peak")
    assert found.number == number == int(found.counts.sum())
    assert found.counts.size == min(number, 4096)
    assert int(found.counts.max()) - int(found.counts.min()) <= 1
    assert found.tokens.size == found.counts.size
    assert bool((np.diff(found.tokens) >= 0).all())


def test_regions_of_equal_length_are_one_stratum():
    constant = (Length("constant", 1000, 1000), Length("constant", 24, 24))
    found = class_regions(Plain(), constant, 1 << 40, SharedPrefix(100, 3), "peak")
    assert (found.counts.tolist(), found.tokens.tolist()) == ([1 << 40], [1024])
    assert [stage.tolist() for stage in found.stage_bytes] == [[9240], [2772]]
    assert found.stage_prefix == (1000, 300)
    now = class_regions(Plain(), constant, 5, SharedPrefix(100, 3), "now")
    assert (now.tokens.tolist(), now.stage_bytes[0].tolist()) == ([1000], [9000])


def test_blocks_are_of_the_stage_that_holds_most():
    # Stage 1 holds 2 × 64 + 96 bytes in pieces of 32, stage 0 less: blocks 2, 2, 3 of 32 bytes there.
    # Stage 0 in pieces of 10: 20, 30, 30: at most 15 a block; exact would be the same for each.
    found = in_blocks([regions([20, 21, 30], [60, 64, 96])], [10, 32])
    assert [sizes.tolist() for sizes in found.sizes] == [[2, 2, 3]]
    assert found.block_bytes == (15, 32)
    assert found.exact == (False, True)


def test_what_a_stage_holds_is_counted_by_regions():
    # By size the second class is larger on stage 1, but of the first there are a hundred.
    first, second = regions([100], [60], counts=[100]), regions([100], [200])
    found = in_blocks([first, second], [10, 20])
    assert [sizes.tolist() for sizes in found.sizes] == [[10], [10]]
    assert found.block_bytes == (10, 20)


def test_stages_alike_are_exact():
    found = in_blocks([regions([33, 64], [33, 64], prefix=[16, 16])], [16, 16])
    assert ([sizes.tolist() for sizes in found.sizes], found.prefix_blocks) == ([[3, 4]], (1,))
    assert (found.block_bytes, found.exact) == ((16, 16), (True, True))


def test_a_prefix_counts_as_a_region_does():
    # The prefix has 2 blocks and takes 90 of stage 1, where regions take 20 a block: a block costs 45 there.
    found = in_blocks([regions([100], [40], prefix=[20, 90])], [10, 10])
    assert (found.sizes[0].tolist(), found.prefix_blocks, found.block_bytes) == ([10], (2,), (10, 45))
    assert found.exact == (True, False)


def test_a_stage_that_holds_something_of_every_region():
    # Stage 0 holds most, but nothing of the second region; stage 1 something of both.
    found = in_blocks([regions([1000, 0], [10, 20])], [10, 10])
    assert (found.sizes[0].tolist(), found.block_bytes) == ([1, 2], (1000, 10))
    with pytest.raises(ValueError, match="holds nothing of some region"):
        in_blocks([regions([1000, 0], [0, 20])], [10, 10])


def test_regions_that_hold_nothing():
    # All of them is the prefix: no blocks, whatever the stage.
    found = in_blocks([regions([0, 0], [0, 0], prefix=[30, 20])], [10, 10])
    assert (found.sizes[0].tolist(), found.prefix_blocks, found.block_bytes) == ([0, 0], (3,), (10, 7))
    found = in_blocks([regions([0], [0])], [10, 12])
    assert (found.sizes[0].tolist(), found.block_bytes, found.exact) == ([0], (10, 12), (True, True))
    assert in_blocks([], [8]).block_bytes == (8,)


bytes_lists = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=6)


@settings(max_examples=200)
@given(rows=bytes_lists, prefix=st.tuples(st.integers(1, 99), st.integers(0, 99), st.integers(0, 99)), data=st.data())
def test_blocks_never_say_less_than_is_held(rows, prefix, data):
    units = [data.draw(st.integers(1, 40)) for _ in range(3)]
    one = regions(*zip(*rows, strict=True), prefix=prefix)
    found = in_blocks([one], units)
    assert any(found.exact)
    for stage, unit in enumerate(units):
        for size, blocks in zip(one.stage_bytes[stage].tolist(), found.sizes[0].tolist(), strict=True):
            assert -(-size // unit) * unit <= blocks * found.block_bytes[stage]
        assert prefix[stage] <= found.prefix_blocks[0] * found.block_bytes[stage]


@pytest.mark.parametrize("accounting", ["peak", "now", "reserved"])
@pytest.mark.parametrize(
    "flags",
    [
        {"model": "llama-3-70b", "tensor_parallel": 8, "context": 5003, "batch": 700},
        {"model": "gemma-3-27b", "tensor_parallel": 4, "context": 20_000, "batch": 9, "engine": "vllm@0.32"},
        {"model": "deepseek-v3", "tensor_parallel": 8, "pipeline_parallel": 2, "context": 777, "batch": 64},
    ],
)
def test_regions_add_up_to_what_a_rank_holds(flags, accounting):
    """On the stage that blocks are of, all regions together are what size says of its ranks."""
    question = open_question(None, {**flags, "system": "al128", "accounting": accounting}, "python")
    (ask,) = question.deployments
    blocks = sum(entry.size_blocks * entry.number for _, entry in ask.entries)
    exact = ask.blocks.exact.index(True)
    size = kvplan.size(**flags, pipeline_rank=exact)
    measure = {"now": "held", "peak": "peak", "reserved": "reserved"}[accounting]
    assert blocks * ask.blocks.block_bytes[exact] == getattr(size, f"rank_{measure}_bytes")

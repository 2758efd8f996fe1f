"""The KV room of a rank: what memory leaves, blocks of the poorest rank, and lengths found by bisection."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.footprint import room
from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.engines.paged import Paged
from kvplan.footprint.room import Memory, RankPool

GIB = 1 << 30
PAGED = Paged(16)
FULL = BlockGroup("full", 0, 16, 1000)
WINDOW = BlockGroup("window", 64, 16, 600)


WIDE = BlockGroup("full", 0, 16, 1600)
POOLED = replace(PAGED, null_blocks=1, plans_ranks_alike=True)  # as vLLM: equal blocks, one of them null


@pytest.mark.parametrize(
    ("weights", "ends"),
    [
        (0, (2, Fraction(5, 2), 3)),
        (10 * GIB - 1, (2, Fraction(5, 2), 3)),
        (10 * GIB, (3, 4, 5)),
        (60 * GIB, (3, 4, 5)),
        (60 * GIB + 1, (6, 9, 12)),
        (1 << 50, (6, 9, 12)),
    ],
)
def test_the_reserve_goes_by_the_weights_of_a_rank(weights, ends):
    fact = room.assumed_reserve(weights)
    assert (fact.low, fact.nominal, fact.high) == tuple(end * GIB for end in ends)
    assert (fact.unit, fact.status, fact.worst) == ("bytes", "assumed", fact.high)


def test_what_memory_leaves():
    # ⌊0.92 × 1001⌋ = 920, less 300 of weights and 20 in reserve.
    assert room.share_out(PAGED, 1001, Fraction(92, 100), 300, 20) == Memory(1001, 920, 300, 20, 600)


@pytest.mark.parametrize(("weights", "reserve"), [(921, 0), (0, 921), (900, 21), (10**18, 10**18)])
def test_less_than_nothing_is_left_as_nothing(weights, reserve):
    assert room.share_out(PAGED, 1000, Fraction(92, 100), weights, reserve).pool_bytes == 0


def test_a_base_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="no rule for a fraction of free memory"):
        room.share_out(replace(PAGED, memory_base="free"), 1000, Fraction(1), 0, 0)


@given(
    total=st.integers(0, 1 << 50),
    percent=st.integers(0, 100),
    weights=st.integers(0, 1 << 50),
    reserve=st.integers(0, 1 << 50),
    more=st.integers(0, 1 << 40),
)
def test_room_grows_with_memory_and_falls_with_weights_and_reserve(total, percent, weights, reserve, more):
    share = Fraction(percent, 100)
    pool = room.share_out(PAGED, total, share, weights, reserve).pool_bytes
    assert 0 <= pool <= max(0, total * percent // 100 - weights - reserve)
    assert room.share_out(PAGED, total + more, share, weights, reserve).pool_bytes >= pool
    assert room.share_out(PAGED, total, share, weights + more, reserve).pool_bytes <= pool
    assert room.share_out(PAGED, total, share, weights, reserve + more).pool_bytes <= pool


def test_blocks_are_those_of_the_poorest_rank():
    # A block of every kind is 1000 + 600 on the first rank, 1000 on the second.
    ranks = [RankPool((FULL, WINDOW), 16_000), RankPool((FULL,), 9_999)]
    assert room.pool_blocks(PAGED, ranks) == 9
    assert room.poorest(PAGED, ranks) == 1
    assert room.poorest(PAGED, [RankPool((FULL,), 9_999), RankPool((FULL,), 9_000)]) == 1  # as many blocks, less of it
    assert room.poorest(PAGED, [RankPool((FULL,), 9_000), RankPool((FULL,), 9_000)]) == 0


def test_what_sequences_can_get():
    # In pieces of gcd(1000, 600) = 200 where every kind has blocks of its own.
    ranks = [RankPool((FULL, WINDOW), 16_100), RankPool((FULL,), 9_999)]
    assert room.usable_bytes(PAGED, ranks) == [16_000, 9_000]
    # Where ranks are planned alike, both get the 9 blocks of the second, and one of them is null.
    assert room.usable_bytes(POOLED, [RankPool((WIDE,), 16_100), RankPool((FULL,), 9_999)]) == [8 * 1600, 8 * 1000]
    assert room.usable_bytes(POOLED, [RankPool((FULL,), 999)]) == [0]


def test_a_sequence_is_spread_over_token_ranks():
    assert room.sequence_bytes(PAGED.held, (FULL,), 33, 1) == 3_000
    assert room.sequence_bytes(PAGED.held, (FULL,), 33, 2) == 2_000  # 17 tokens a rank
    assert room.sequence_bytes(PAGED.held, (FULL, WINDOW), 1600, 1) == 100_000 + 4 * 600


def test_an_ideal_engine_admits_any_length_and_others_what_they_reserve():
    ranks = [RankPool((FULL,), 10_000)]
    assert room.admits(PAGED, ranks, 10**9, 1)
    strict = replace(PAGED, is_ideal=False)
    assert room.admits(strict, ranks, 160, 1)
    assert not room.admits(strict, ranks, 161, 1)
    assert room.admits(strict, ranks, 320, 2)
    without_null = replace(strict, null_blocks=1, admits_without_null_blocks=True)
    assert room.admits(without_null, ranks, 144, 1)
    assert not room.admits(without_null, ranks, 145, 1)


def test_pools_at_start_up():
    start = room.describe(replace(PAGED, is_ideal=False), [RankPool((FULL,), 10_999)], 80, 1)
    assert (start.pool_bytes, start.blocks, start.groups) == (10_999, 10, 1)
    assert start.concurrency == 10 / 5  # a sequence of 80 tokens is five blocks
    assert (start.needed_bytes, start.has_bytes, start.estimated_len) == (5_000, 10_999, 160)


def test_what_is_not_admitted_is_told_with_the_longest_that_is():
    start = room.describe(replace(PAGED, is_ideal=False), [RankPool((FULL,), 10_999)], 1000, 1)
    assert (start.needed_bytes, start.has_bytes, start.estimated_len) == (63_000, 10_999, 160)


def test_a_pool_of_nothing():
    start = room.describe(PAGED, [RankPool((FULL,), 0)], 100, 1)
    assert (start.blocks, start.concurrency, start.needed_bytes, start.has_bytes) == (0, 0, 0, 0)
    assert room.usable_bytes(PAGED, [RankPool((FULL,), 0)]) == [0]


@given(limit=st.integers(-5, 5000), most=st.integers(0, 5000))
def test_the_largest_that_holds(limit, most):
    assert room.longest(lambda number: number <= limit, most) == max(0, min(limit, most))


def test_the_largest_that_holds_is_never_asked_beyond_the_most():
    asked = []
    assert room.longest(lambda number: asked.append(number) is None, 1000) == 1000
    assert max(asked) <= 1000


@given(limit=st.integers(1, 5000), most=st.integers(1, 5000), known=st.integers(1, 5000))
def test_the_search_may_begin_at_a_number_that_holds(limit, most, known):
    known = min(known, limit, most)
    asked = []
    found = room.longest(lambda number: asked.append(number) is None and number <= limit, most, known)
    assert found == min(limit, most)
    assert min(asked, default=known + 1) > known

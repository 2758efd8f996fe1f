"""Certificates worked out again: the same bins as the bounds that made them, and never more than any packing needs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.bounds import lower_bound, multiples_bounds, steps_bounds, sum_bound, threshold_bound
from kvplan.placement.claims_bound import UnsoundError, certified_bins

ENDLESS = 10**9
instances = st.integers(1, 200).flatmap(
    lambda capacity: st.tuples(
        st.dictionaries(st.integers(0, capacity), st.integers(1, 9), min_size=1, max_size=12), st.just(capacity)
    )
)


def arrays(sizes):
    ordered = sorted(sizes)
    return np.array(ordered, dtype=np.int64), np.array([sizes[size] for size in ordered], dtype=np.int64)


def bins(function, parameter, sizes, capacity, unit=1, max_num_seqs=0):
    return certified_bins(function, parameter, unit, capacity, sizes, max_num_seqs=max_num_seqs)


@settings(max_examples=300)
@given(instance=instances, scale=st.sampled_from([1, 6, 2**35]), enough=st.integers(0, 20))
def test_a_bound_and_its_certificate_agree(instance, scale, enough):
    sizes = {size * scale: count for size, count in instance[0].items()}
    capacity = instance[1] * scale + scale // 2
    bound = lower_bound(*arrays(sizes), np.array([capacity], dtype=np.int64), enough)
    assert bins(bound.function, bound.parameter, sizes, capacity, bound.unit) == bound.bins


@settings(max_examples=200)
@given(instance=instances)
def test_each_function_agrees_at_each_parameter(instance):
    sizes, capacity = instance
    distinct, counts = arrays(sizes)
    assert bins("sum", 0, sizes, capacity) == sum_bound(distinct, counts, np.array([capacity])).bins
    most = max(bins("threshold", alpha, sizes, capacity) for alpha in range(capacity // 2 + 1))
    assert threshold_bound(distinct, counts, capacity)[0] == most
    ks = range(1, 40)
    assert [bins("steps", k, sizes, capacity) for k in ks] == steps_bounds(distinct, counts, capacity, np.array(ks))
    steps = range(1, capacity // 2 + 1)
    if steps:
        expected = multiples_bounds(distinct, counts, capacity, np.array(steps))
        assert [bins("multiples", step, sizes, capacity) for step in steps] == expected


@settings(max_examples=200)
@given(
    loads=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), min_size=1, max_size=8),
    spare=st.integers(0, 20),
    function=st.sampled_from(["sum", "threshold", "steps", "multiples", "count"]),
    parameter=st.integers(0, 60),
    unit=st.integers(1, 9),
)
def test_no_certificate_needs_more_bins_than_a_packing_has(loads, spare, function, parameter, unit):
    """Bins filled first and certified after: what they hold never needs more of them."""
    capacity = max(map(sum, loads)) + spare
    sizes = {}
    for size in (size for load in loads for size in load):
        sizes[size] = sizes.get(size, 0) + 1
    most = max(map(len, loads))
    if function == "count":
        parameter, unit = most, 1
    try:
        needed = bins(function, parameter, sizes, capacity, unit, max_num_seqs=most)
    except UnsoundError:
        return
    assert needed <= len(loads)


@pytest.mark.parametrize(
    ("function", "parameter", "sizes", "capacity", "unit", "expected"),
    [
        ("sum", 0, {5: 3}, 10, 1, 2),  # ⌈15 ÷ 10⌉
        ("sum", 0, {0: 2}, 10, 1, 1),  # nothing, but it has to be somewhere
        ("sum", 0, {0: 2}, 0, 1, 1),
        ("sum", 0, {}, 10, 1, 0),
        ("sum", 0, {5: 3, 11: 9}, 10, 1, 2),  # what is above the capacity fits nowhere, and counts for nothing
        ("sum", 0, {6: 5}, 17, 6, 3),  # two to a bin
        ("threshold", 0, {6: 3}, 10, 1, 3),
        ("threshold", 4, {7: 3, 4: 2}, 10, 1, 4),  # no 4 beside a 7
        ("steps", 2, {35: 2, 36: 1, 37: 1, 38: 1}, 100, 1, 3),  # a half each
        ("multiples", 5, {5: 1, 10: 1}, 10, 1, 2),
        ("count", 3, {1: 7}, 10, 1, 3),  # three to a bin
        ("none", 0, {11: 5}, 10, 1, 0),
    ],
)
def test_hand_computed(function, parameter, sizes, capacity, unit, expected):
    assert bins(function, parameter, sizes, capacity, unit, max_num_seqs=3) == expected


@pytest.mark.parametrize(
    ("function", "parameter", "capacity", "unit", "key"),
    [
        ("none", 0, 10, 1, "function"),
        ("none", 1, 10, 1, "parameter"),
        ("none", 0, 10, 2, "unit"),
        ("count", 1, 10, 1, "parameter"),
        ("count", 0, 10, 2, "unit"),
        ("count", 0, 10, 1, "function"),  # there is no limit
        ("sum", 1, 10, 1, "parameter"),
        ("threshold", 6, 10, 1, "parameter"),  # two above a half share no bin, whatever α is
        ("steps", 0, 10, 1, "parameter"),
        ("multiples", 0, 10, 1, "parameter"),
        ("multiples", 6, 10, 1, "parameter"),
        ("steps", 1, 10, 11, "unit"),
    ],
)
def test_what_proves_nothing(function, parameter, capacity, unit, key):
    with pytest.raises(UnsoundError) as caught:
        bins(function, parameter, {5: 1}, capacity, unit)
    assert caught.value.key == key


def test_numbers_of_any_length():
    huge = 2**62 - 1
    for function, parameter in (("sum", 0), ("threshold", huge // 2), ("steps", huge), ("multiples", huge // 2)):
        assert bins(function, parameter, {huge: huge}, huge) == huge

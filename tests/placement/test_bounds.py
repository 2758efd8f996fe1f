"""Bounds: hand-computed, below the optimum by brute force, and each claim recomputed from its certificate."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.bounds import Bound, lower_bound, multiples_bounds, steps_bounds, threshold_bound

ENDLESS = 10**9


def classes(sizes):
    return np.unique(np.array(sizes, dtype=np.int64), return_counts=True)


def bound_of(sizes, capacity, enough=ENDLESS):
    return lower_bound(*classes(sizes), np.array([capacity], dtype=np.int64), enough)


def optimum(sizes, capacities):
    """Fewest bins of a fleet that hold all sizes, by trying every bin for every size; None if none do."""
    sizes, best = sorted(sizes, reverse=True), [None]

    def place(index, loads):
        used = sum(load is not None for load in loads)
        if best[0] is not None and used >= best[0]:
            return
        if index == len(sizes):
            best[0] = used
            return
        tried = set()
        for bin, (load, capacity) in enumerate(zip(loads, capacities, strict=True)):
            if (load, capacity) not in tried and (load or 0) + sizes[index] <= capacity:
                tried.add((load, capacity))
                place(index + 1, [*loads[:bin], (load or 0) + sizes[index], *loads[bin + 1 :]])

    place(0, [None] * len(capacities))
    return best[0]


def worth(bound, size, capacity):
    """What a size is worth by the bound's function, in bins, from its definition."""
    size, capacity = size // bound.unit, capacity // bound.unit
    share, half = Fraction(size, capacity), Fraction(capacity, 2)
    if bound.function == "sum":
        return share
    if bound.function == "steps":
        k = bound.parameter
        return share if (share * (k + 1)).denominator == 1 else Fraction(floor(share * (k + 1)), k)
    if bound.function == "threshold":
        if size > capacity - bound.parameter:
            return Fraction(1)
        return share if size >= bound.parameter else Fraction(0)
    whole = capacity // bound.parameter
    if size == half:
        return Fraction(1, 2)
    return Fraction(whole - (capacity - size) // bound.parameter if size > half else size // bound.parameter, whole)


small_instances = st.integers(1, 40).flatmap(
    lambda capacity: st.tuples(st.lists(st.integers(0, capacity), min_size=1, max_size=8), st.just(capacity))
)


@settings(max_examples=400)
@given(instance=small_instances)
def test_no_bound_is_above_the_optimum(instance):
    sizes, capacity = instance
    assert bound_of(sizes, capacity).bins <= optimum(sizes, [capacity] * len(sizes))


@settings(max_examples=200)
@given(instance=small_instances)
def test_no_function_with_any_parameter_is_above_the_optimum(instance):
    sizes, capacity = instance
    (distinct, counts), best = classes(sizes), optimum(sizes, [capacity] * len(sizes))
    assert threshold_bound(distinct, counts, capacity)[0] <= best
    assert max(steps_bounds(distinct, counts, capacity, np.arange(1, 60))) <= best
    assert max(multiples_bounds(distinct, counts, capacity, np.arange(1, capacity // 2 + 1)), default=0) <= best


@settings(max_examples=200)
@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=7),
    fleet=st.lists(st.integers(1, 30), min_size=1, max_size=6),
)
def test_no_bound_is_above_the_optimum_of_a_fleet(sizes, fleet):
    sizes = [size for size in sizes if size <= max(fleet)]
    falling = np.sort(np.array(fleet, dtype=np.int64))[::-1]
    best = optimum(sizes, fleet)
    bound = lower_bound(*classes(sizes), falling, ENDLESS)
    assert best is None or bound.bins <= best  # above the fleet only where not all fit


planted_bins = st.lists(
    st.lists(st.integers(0, 60) | st.integers(0, 2**33), min_size=1, max_size=6), min_size=1, max_size=12
)


@settings(max_examples=400)
@given(bins=planted_bins, more=st.integers(0, 10), ks=st.integers(1, 200), part=st.floats(0, 1))
def test_no_bound_is_above_planted_bins(bins, more, ks, part):
    """Bins of any content fit bins of the fullest one's capacity."""
    capacity, sizes = max(sum(bin) for bin in bins) + more, [size for bin in bins for size in bin]
    assert bound_of(sizes, capacity).bins <= len(bins)
    if 1 < capacity < 2**30:  # beyond it sizes are coarsened first
        distinct, counts = classes(sizes)
        step = 1 + int(part * (capacity // 2 - 1))
        assert threshold_bound(distinct, counts, capacity)[0] <= len(bins)
        assert steps_bounds(distinct, counts, capacity, np.array([ks]))[0] <= len(bins)
        assert multiples_bounds(distinct, counts, capacity, np.array([step]))[0] <= len(bins)


@settings(max_examples=200)
@given(bins=planted_bins, spare=st.lists(st.integers(0, 9), min_size=12, max_size=12))
def test_no_bound_is_above_the_planted_bins_of_a_fleet(bins, spare):
    falling = np.sort(np.array([sum(bin) + more for bin, more in zip(bins, spare, strict=False)], dtype=np.int64))[::-1]
    sizes, counts = classes([size for bin in bins for size in bin])
    assert lower_bound(sizes, counts, falling, ENDLESS).bins <= len(bins)


@settings(max_examples=300)
@given(instance=small_instances, scale=st.sampled_from([1, 6, 2**35]))
def test_a_bound_follows_from_its_certificate(instance, scale):
    sizes, capacity = [size * scale for size in instance[0]], instance[1] * scale + scale // 2
    bound = bound_of(sizes, capacity)
    total = sum(worth(bound, size, capacity) for size in sizes)
    if bound.function == "threshold":  # big ones that stand alone or with others: a bin each at least
        big = sum(2 * (size // bound.unit) > capacity // bound.unit for size in sizes)
        assert bound.bins == max(big, ceil(total))
    else:
        assert bound.bins == max(1, ceil(total))


@given(
    function=st.sampled_from(["steps", "multiples", "sum", "threshold"]),
    parameter=st.integers(1, 50),
    unit=st.integers(1, 9),
    parts=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    spare=st.integers(0, 20),
)
def test_what_fits_a_bin_is_worth_a_bin_at_most(function, parameter, unit, parts, spare):
    """The property that makes a function dual feasible, for the definitions that the certificates name."""
    capacity = sum(parts) + spare
    if function in ("multiples", "threshold") and 2 * parameter > capacity // unit:
        return
    if capacity < unit:
        return
    bound = Bound(0, "dff", function, parameter, unit)
    assert sum(worth(bound, size, capacity) for size in parts) <= 1


@pytest.mark.parametrize(
    ("sizes", "capacity", "expected"),
    [
        ([5, 5, 5], 10, Bound(2, "l1", "sum")),  # ⌈15 ÷ 10⌉
        ([0, 0], 10, Bound(1, "l1", "sum")),  # nothing, but it has to be somewhere
        ([6, 6, 6], 10, Bound(3, "l2", "threshold")),  # three above a half; the sum says 2
        ([7, 7, 7, 4, 4], 10, Bound(4, "l2", "threshold", 4)),  # no 4 beside a 7
        ([6] * 5, 17, Bound(3, "dff", "sum", 0, 6)),  # two to a bin: 17 is 12; the sum says 2
    ],
)
def test_hand_computed(sizes, capacity, expected):
    assert bound_of(sizes, capacity) == expected


def test_thirds_need_steps():
    """Four just above a third go two to a bin; with k = 2 each is worth a half."""
    bound = bound_of([35, 35, 36, 37, 38], 100)  # Σ 181
    assert (bound.bins, bound.kind) == (3, "dff")


def test_it_stops_where_it_is_enough():
    assert bound_of([6, 6, 6], 10, enough=2) == Bound(2, "l1", "sum")


def test_a_fleet_too_small_needs_more_than_it_has():
    sizes, counts = classes([8, 8, 8])
    assert lower_bound(sizes, counts, np.array([10, 9], dtype=np.int64), ENDLESS).bins == 3


def test_a_mixed_fleet_counts_its_largest_bins_first():
    sizes, counts = classes([1] * 100)
    assert lower_bound(sizes, counts, np.array([60, 30, 20, 5], dtype=np.int64), ENDLESS) == Bound(3, "l1", "sum")


def test_sizes_near_2_to_the_62_do_not_wrap():
    third = 2**62 // 3
    assert bound_of([third - 5, third - 5, third - 5], 2**61).bins == 3  # two are above a bin
    assert bound_of([2**61 - 1, 2**61 - 1], 2**62 - 1).bins == 1


def test_halves_are_exact_after_coarsening():
    """A bin of more than 2**30 units is coarsened; two halves still share it."""
    for capacity in (2**40, 2**40 + 1, 3 * 2**38 + 7):
        assert bound_of([capacity // 2] * 6, capacity).bins == 3


@pytest.mark.parametrize("bins", [10, 200])
def test_planted_bins_of_triplets(bins):
    rng = np.random.default_rng(bins)
    first, second = rng.integers(250, 500, bins), rng.integers(250, 380, bins)
    sizes = np.concatenate((first, second, 1000 - first - second))
    sizes = sizes[sizes > 0]
    assert bound_of(sizes, 1000).bins == bins

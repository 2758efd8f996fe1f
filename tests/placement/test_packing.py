"""pack(): planted packings, conservation, limiting cases, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.packing import pack, pack_classes


def array_of(*values):
    return np.array(values, dtype=np.int64)


def planted(bins, pieces, capacity, seed):
    """Every bin cut at random into so many pieces, those of 0 left out: the optimum is `bins`."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, capacity + 1, (bins, pieces - 1)), axis=1)
    sizes = np.diff(cuts, axis=1, prepend=0, append=capacity).ravel()
    return rng.permutation(sizes[sizes > 0])


def assert_holds(packing, sizes, capacities):
    """What every packing keeps, recounted from bin_of alone."""
    endless = isinstance(capacities, int)
    bin_of, placed = packing.bin_of, packing.bin_of >= 0
    assert (bin_of.dtype, bin_of.shape) == (np.dtype(np.int64), sizes.shape)
    many = packing.bins_used if endless else len(capacities)
    loads = np.zeros(many, dtype=np.int64)
    np.add.at(loads, bin_of[placed], sizes[placed])
    assert packing.loads.tolist() == loads.tolist()
    assert bool((loads <= capacities).all())
    assert packing.bins_used == np.unique(bin_of[placed]).size
    assert packing.unplaced == int((~placed).sum())
    runs = packing.runs
    assert int((runs.bins * runs.count).sum()) == sizes.size
    if endless:
        assert bool((placed == (sizes <= capacities)).all())
        assert packing.lower_bound <= packing.bins_used
    assert packing.bound_kind in ("l1", "l2", "dff")


@pytest.mark.parametrize("capacity", [100, 1000, 89_473, 10**6, 10**9])
@pytest.mark.parametrize("pieces", [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 100, 128, 256])
def test_planted_packings_are_found_but_for_a_bin(pieces, capacity):
    for bins in (1, 10, 300):
        sizes = planted(bins, pieces, capacity, seed=pieces)
        packing = pack(sizes, capacity)
        assert_holds(packing, sizes, capacity)
        assert packing.lower_bound == bins <= packing.bins_used <= bins + 1
        assert packing.proved_optimal == (packing.bins_used == bins)


@pytest.mark.parametrize(("pieces", "capacity"), [(2, 164_794), (3, 100), (5, 10_000), (16, 6000)])
def test_many_planted_bins(pieces, capacity):
    sizes = planted(20_000, pieces, capacity, seed=1)
    packing = pack(sizes, capacity)
    assert packing.lower_bound <= 20_000 <= packing.bins_used <= 20_001
    loads = np.bincount(packing.bin_of, weights=sizes)  # exact below 2**53
    assert packing.loads.tolist() == loads.tolist()


sizes_lists = st.lists(st.integers(0, 50) | st.integers(0, 2**40), max_size=40)


@settings(max_examples=200)
@given(sizes=sizes_lists, capacity=st.integers(0, 100) | st.integers(0, 2**41))
def test_endless_bins_hold(sizes, capacity):
    sizes = array_of(*sizes)
    assert_holds(pack(sizes, capacity), sizes, capacity)


@settings(max_examples=200)
@given(sizes=sizes_lists, fleet=st.lists(st.integers(0, 100) | st.integers(0, 2**41), max_size=10))
def test_fleets_hold(sizes, fleet):
    sizes, fleet = array_of(*sizes), array_of(*fleet)
    assert_holds(pack(sizes, fleet), sizes, fleet)


@given(sizes=sizes_lists.filter(len), seed=st.integers(0, 99))
def test_the_order_of_regions_changes_no_number(sizes, seed):
    sizes = array_of(*sizes)
    packings = [pack(sizes, 2**40), pack(np.random.default_rng(seed).permutation(sizes), 2**40)]
    assert packings[0].loads.tolist() == packings[1].loads.tolist()
    assert packings[0].bound == packings[1].bound
    assert packings[0].runs.bins.tolist() == packings[1].runs.bins.tolist()


@pytest.mark.parametrize("unit", [1, 2_621_440, 2**28 + 1])
@pytest.mark.parametrize("most", [100, 60_000, 2_000_000])
def test_the_unit_changes_no_bin(unit, most):
    """Classes are made by counting, by counting multiples or by sorting; all come to the same."""
    sizes = np.random.default_rng(most).integers(0, most, 5000)
    packing = pack(sizes * unit, most * 3 * unit)
    assert packing.bin_of.tolist() == pack(sizes, most * 3).bin_of.tolist()


def test_wide_keys_keep_the_order_of_equal_sizes():
    sizes = np.tile(array_of(70_000, 140_001, 65_536, 3), 50_000)  # more than 16 bits, counted
    packing = pack(sizes, 1_000_000)
    assert_holds(packing, sizes, 1_000_000)
    for size in (70_000, 140_001):
        first_seen = np.unique(packing.bin_of[sizes == size], return_index=True)[1]
        assert bool((np.diff(np.sort(first_seen)) > 0).all())


@pytest.mark.parametrize("capacities", [10, array_of(5, 6), array_of()])
def test_no_regions_need_no_bin(capacities):
    packing = pack(array_of(), capacities)
    assert (packing.bins_used, packing.lower_bound, packing.proved_optimal) == (0, 0, True)
    assert (packing.bin_of.tolist(), packing.bin_of.dtype) == ([], np.dtype(np.int64))
    assert packing.loads.tolist() == [0] * np.size(capacities) if np.ndim(capacities) else packing.loads.size == 0


@pytest.mark.parametrize(
    ("sizes", "capacities", "bin_of", "bound", "proved"),
    [
        ((7,), 7, [0], 1, True),  # one that fills a bin
        ((8,), 7, [-1], 0, True),  # one above it: no packing places it
        ((0,), 0, [0], 1, True),  # nothing still is somewhere
        ((0, 0, 9), 10, [0, 0, 0], 1, True),
        ((3, 99, 3), 6, [0, -1, 0], 1, True),
        ((4, 4, 4), (4, 4), [0, 1, -1], 3, False),  # the bound is above the fleet: not all fit
        ((1, 2), (), [-1, -1], 0, True),  # a fleet of none
        ((5, 5), (0, 0), [-1, -1], 0, True),
        ((2**61, 2**61 - 1), 2**61, [0, 1], 2, True),
        ((2**62 - 1,), 2**62 - 1, [0], 1, True),
    ],
)
def test_limiting_cases(sizes, capacities, bin_of, bound, proved):
    packing = pack(array_of(*sizes), capacities if isinstance(capacities, int) else array_of(*capacities))
    assert (packing.bin_of.tolist(), packing.lower_bound, packing.proved_optimal) == (bin_of, bound, proved)


def test_runs_are_compact_and_bin_of_waits():
    sizes = np.random.default_rng(3).integers(1, 500, 200_000)
    packing = pack(sizes, 20_000)
    assert packing.runs.size.size < 5_000
    assert "bin_of" not in vars(packing)
    assert packing.bin_of is packing.bin_of


def test_a_packing_keeps_no_hold_of_its_input():
    sizes = array_of(3, 4, 5)
    packing = pack(sizes, 9)
    sizes[:] = 1
    assert packing.bin_of.tolist() == pack(array_of(3, 4, 5), 9).bin_of.tolist()


def test_results_are_frozen():
    packing = pack(array_of(3, 4, 5), 9)
    for values in (packing.loads, packing.bin_of, packing.runs.size, packing.runs.order):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 7
    with pytest.raises(AttributeError):
        packing.bins_used = 0


def test_arrays_that_are_not_contiguous():
    sizes = np.arange(40, dtype=np.int64)[::-3]
    assert pack(sizes, 50).bin_of.tolist() == pack(sizes.copy(), 50).bin_of.tolist()


@pytest.mark.parametrize(
    ("sizes", "capacities", "error", "message"),
    [
        (array_of(1, -5), 10, ValueError, "sizes cannot be negative: -5 at 1"),
        (array_of(1), -1, ValueError, "capacities cannot be negative: -1"),
        (array_of(1), array_of(4, -2), ValueError, "capacities cannot be negative: -2 at 1"),
        (array_of(1), 2**62, ValueError, r"capacities cannot be 2\*\*62 or more"),
        (array_of(1), 2**80, ValueError, r"capacities cannot be 2\*\*62 or more"),
        (array_of(2**61, 2**61), 2**61, ValueError, r"sizes add up to 4,611,686,018,427,387,904, .* 2\*\*62 or more"),
        (np.full(9, 2**62), 10, ValueError, r"sizes add up to"),
        (array_of(1), np.full(2, 2**61), ValueError, r"capacities add up to"),
        (np.ones((2, 2), dtype=np.int64), 10, ValueError, r"sizes have shape \(2, 2\)"),
        (np.int64(3), 10, ValueError, r"sizes have shape \(\)"),
        (array_of(1), np.ones((1, 1), dtype=np.int64), ValueError, "capacities have shape"),
        (np.ones(2), 10, TypeError, "sizes are float64, not int64"),
        (np.ones(2, dtype=np.int32), 10, TypeError, "sizes are int32, not int64"),
        (np.ones(2, dtype=bool), 10, TypeError, "sizes are bool, not int64"),
        (array_of(1), 10.0, TypeError, "capacities are float, not an integer"),
        (array_of(1), "10", TypeError, "capacities are str, not an integer"),
        (array_of(1), None, TypeError, "capacities are NoneType, not an integer"),
        (array_of(1), True, TypeError, "capacities are bool, not an integer"),
        (array_of(1), np.ones(2), TypeError, "capacities are float64, not int64"),
    ],
)
def test_refusals(sizes, capacities, error, message):
    with pytest.raises(error, match=message):
        pack(sizes, capacities)


def test_an_unknown_strategy_is_refused_with_the_known():
    with pytest.raises(ValueError, match="unknown strategy `spread`: known are pack"):
        pack(array_of(1), 10, strategy="spread")


def assert_same_but_for_the_regions(classes, packing):
    for one, other in zip(vars(classes.runs).values(), vars(packing.runs).values(), strict=True):
        assert one.tolist() == other.tolist()
    assert classes.loads.tolist() == packing.loads.tolist()
    for name in ("bins_used", "unplaced", "bound", "lower_bound", "bound_kind", "proved_optimal"):
        assert getattr(classes, name) == getattr(packing, name)


@settings(max_examples=200)
@given(
    sizes=sizes_lists,
    capacities=st.integers(0, 100) | st.integers(0, 2**41) | st.lists(st.integers(0, 100), max_size=10),
    seed=st.integers(0, 99),
)
def test_classes_come_to_the_same_as_their_regions(sizes, capacities, seed):
    sizes = array_of(*sizes)
    capacities = capacities if isinstance(capacities, int) else array_of(*capacities)
    distinct, counts = np.unique(sizes, return_counts=True)
    places = np.random.default_rng(seed).permutation(distinct.size)
    assert_same_but_for_the_regions(pack_classes(distinct[places], counts[places], capacities), pack(sizes, capacities))


def test_equal_classes_are_one_and_empty_ones_none():
    assert_same_but_for_the_regions(
        pack_classes(array_of(3, 9, 3, 4), array_of(2, 0, 1, 1), 10), pack(array_of(3, 3, 3, 4), 10)
    )


def test_classes_of_more_regions_than_memory_holds():
    packing = pack_classes(array_of(60, 40), array_of(10**14, 10**6), 10**10)
    assert (packing.bins_used, packing.lower_bound, packing.unplaced) == (600_001, 600_001, 0)
    assert packing.runs.size.size == 4
    assert int(packing.loads.sum()) == 6 * 10**15 + 4 * 10**7


@pytest.mark.parametrize(
    ("sizes", "counts", "error", "message"),
    [
        (array_of(1, 2), array_of(1), ValueError, "there are 2 sizes and 1 counts"),
        (array_of(1), array_of(-1), ValueError, "counts cannot be negative: -1 at 0"),
        (array_of(2**40), array_of(2**22), ValueError, r"sizes × counts add up to 4,611,686,018,427,387,904"),
        (array_of(0, 0), array_of(2**61, 2**61), ValueError, "counts add up to"),
        (array_of(1), np.ones(1), TypeError, "counts are float64, not int64"),
    ],
)
def test_refused_classes(sizes, counts, error, message):
    with pytest.raises(error, match=message):
        pack_classes(sizes, counts, 10)

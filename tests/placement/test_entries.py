"""Entries as columns, and sums that do not wrap."""

import numpy as np
import pytest

from kvplan.placement.entries import NO_ROWS, Entries, Entry, Rows, exact_product, joined


def array(*values):
    return np.array(values, dtype=np.int64)


def test_columns_in_the_order_of_the_entries():
    table = Entries.of([Entry(2, 30, 4, 7, 5, 3), Entry(0, 10, 1, 0)])
    assert (table.classes.tolist(), table.sizes.tolist(), table.numbers.tolist()) == ([2, 0], [30, 10], [4, 1])
    assert (table.first_regions.tolist(), table.prefix_blocks.tolist(), table.prefixes.tolist()) == (
        [7, 0],
        [5, 0],
        [3, 0],
    )
    assert table.least_blocks.tolist() == [35, 10]
    assert Entries.of([]).sizes.size == 0


def test_a_prefix_of_no_blocks_or_no_copies_is_none():
    table = Entries.of([Entry(0, 1, 1, 0, 5, 0), Entry(1, 1, 1, 1, 0, 5)])
    assert (table.prefix_blocks.tolist(), table.prefixes.tolist()) == ([0, 0], [0, 0])


def test_only_some_are_meant():
    table = Entries.of([Entry(0, 3, 4, 0), Entry(0, 2, 5, 4)])
    some = table.where(np.array([False, True]))
    assert (some.numbers.tolist(), some.sizes.tolist(), table.numbers.tolist()) == ([0, 5], [3, 2], [4, 5])


def test_rows_one_after_another():
    assert [column.size for column in joined([])] == [column.size for column in NO_ROWS] == [0, 0, 0]
    rows = joined([Rows(array(0), array(3), array(9)), Rows(array(1, 1), array(2, 4), array(1, 2))])
    assert [column.tolist() for column in rows] == [[0, 1, 1], [3, 2, 4], [9, 1, 2]]


@pytest.mark.parametrize(
    ("values", "counts"), [((), ()), ((3, 5), (7, 11)), ((1 << 40,), (1 << 40,)), ((1 << 61, 1), (3, 1 << 61))]
)
def test_products_of_any_length(values, counts):
    expected = sum(value * count for value, count in zip(values, counts, strict=True))
    assert exact_product(array(*values), array(*counts)) == expected

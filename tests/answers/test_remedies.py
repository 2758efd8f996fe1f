"""What alone would make it fit: searches that end at the least change, and ask no more than they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.answers.fit_result import Headroom, Remedy, ends
from kvplan.answers.remedies import first, headroom, holds, least, model_len, most, percents
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint.room import MAX_TOKENS


def counted(
    predicate: Callable[[Any], bool], knob: str = "knob"
) -> tuple[Callable[[Mapping[str, Any]], bool], list[Any]]:
    """A question that notes what it was asked."""
    asked: list[Any] = []

    def ask(changes: Mapping[str, Any]) -> bool:
        (name,) = changes
        assert name == knob
        asked.append(changes[name])
        return predicate(changes[name])

    return ask, asked


def refused(_: Any) -> bool:
    raise SpecError([Finding("KV301", "tensor_parallel", "no")])


def test_what_is_refused_does_not_fit() -> None:
    assert holds(counted(lambda value: value > 1)[0], {"knob": 2})
    assert not holds(counted(refused)[0], {"knob": 2})
    assert most(counted(refused)[0], "knob", 100) == first(counted(refused)[0], "knob", [1, 2]) == []
    assert least(counted(refused)[0], "knob", 1, 100) == []


@given(limit=st.integers(0, 10**6), largest=st.integers(1, 10**6))
def test_the_most_that_fits(limit: int, largest: int) -> None:
    ask, asked = counted(lambda value: value <= limit)
    assert most(ask, "knob", largest) == ([Remedy("knob", min(limit, largest))] if limit else [])
    assert max(asked) <= largest
    assert len(asked) <= 50


@given(
    begin=st.integers(1, 5000),
    needed=st.integers(1, 10_000),
    limit=st.integers(5000, 9000),
    step=st.sampled_from([1, 1 << 20]),
)
def test_the_least_that_fits(begin: int, needed: int, limit: int, step: int) -> None:
    ask, asked = counted(lambda value: value >= needed * step)
    found = least(ask, "knob", begin, limit, step)
    assert found == ([Remedy("knob", max(begin, needed) * step)] if needed <= limit else [])
    assert len(asked) <= 40


def test_the_first_that_fits_and_nothing_after_it_is_asked() -> None:
    ask, asked = counted(lambda value: value in ("b", "c"))
    assert first(ask, "knob", ["a", "b", "c"]) == [Remedy("knob", "b")]
    assert asked == ["a", "b"]
    assert first(ask, "knob", []) == []


@pytest.mark.parametrize(
    ("begin", "some"),
    [(0.9, ["91%", "92%", "99%"]), (0.92, ["93%", "99%"]), (0.985, ["99%"]), (0.99, []), (1.0, []), (0.57, ["58%"])],
)
def test_shares_of_memory_above_one(begin: float, some: list[str]) -> None:
    found = percents(begin)
    assert set(some) <= set(found)
    assert "100%" not in found
    assert bool(found) == bool(some)
    assert all(int(text[:-1]) >= round(begin * 100) for text in found)


def test_a_max_model_len_may_follow_the_context_or_stand_alone() -> None:
    # Where the context follows it, every length up to one fits; where it stands alone, none below the context does.
    assert model_len(counted(lambda value: value <= 70, "max_model_len")[0], 100, 200) == [Remedy("max_model_len", 70)]
    assert model_len(counted(lambda value: 100 <= value <= 150, "max_model_len")[0], 100, 200) == [
        Remedy("max_model_len", 150)
    ]
    assert model_len(counted(lambda value: False, "max_model_len")[0], 100, 200) == []
    assert model_len(counted(lambda value: False, "max_model_len")[0], 300, 200) == []


def test_headroom_is_how_many_times_more() -> None:
    def ask(changes: Mapping[str, Any]) -> bool:
        return changes.get("batch", 10) * changes.get("context", 100) <= 2500

    assert headroom(ask, 10, 100) == (Headroom("batch", 2.5), Headroom("context", 2.5))


def test_headroom_without_end_is_what_is_counted_to() -> None:
    assert headroom(lambda changes: True, 1, 1) == (Headroom("batch", MAX_TOKENS), Headroom("context", MAX_TOKENS))


def test_a_law_at_its_longest_may_have_no_headroom_of_context() -> None:
    assert headroom(lambda changes: changes.get("context", 0) < 100, 10, 100)[-1].knob == "batch"


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3))
def test_the_ends_of_a_range_are_in_order(three: list[int]) -> None:
    item = ends(*three)
    assert item["low"] <= item["nominal"] <= item["high"]
    assert {item["low"], item["high"]} == {three[0], three[2]}

"""Facts, scenarios, verdicts and turning points."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.spec.facts import Dependence, Fact, evaluate, judge, number_text, plain, scenarios, turning_point


def fact(low, nominal, high, unit="bytes", status="assumed", more_is_better=True):
    return Fact(Fraction(low), Fraction(nominal), Fraction(high), unit, status, "test", "", more_is_better)


ROOM = fact(100, 140, 160)
DELAY = fact("0.000001", "0.000002", "0.000005", unit="s", more_is_better=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": Fraction(150)}, "out of order"),
        ({"high": Fraction(120)}, "out of order"),
        ({"status": "rumoured"}, "unknown status"),
        ({"status": "undisclosed", "low": Fraction(140), "high": Fraction(140)}, "is a range"),
    ],
)
def test_a_fact_that_is_none_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(ROOM, **change)


def test_worst_and_best_follow_what_is_better():
    assert (ROOM.worst, ROOM.best) == (100, 160)
    assert (DELAY.worst, DELAY.best) == (Fraction("0.000005"), Fraction("0.000001"))


def test_a_fixed_fact_is_one_number_and_not_undisclosed():
    known = replace(ROOM, status="undisclosed").fixed(Fraction(120))
    assert (known.low, known.nominal, known.high, known.status) == (120, 120, 120, "assumed")
    assert replace(ROOM, status="measured").fixed(Fraction(1)).status == "measured"


def test_scenarios_are_the_least_the_likeliest_and_the_most_room():
    low, nominal, high = scenarios({"room": ROOM, "delay": DELAY})
    assert low == {"room": 100, "delay": Fraction("0.000005")}
    assert nominal == {"room": 140, "delay": Fraction("0.000002")}
    assert high == {"room": 160, "delay": Fraction("0.000001")}


def test_a_formula_runs_once_a_scenario():
    assert evaluate(lambda at: at["room"] - 10, {"room": ROOM}) == (90, 130, 150)
    assert evaluate(lambda at: 7, {}) == (7, 7, 7)


@pytest.mark.parametrize(
    ("need", "verdict"),
    [(100, "yes"), (101, "depends"), (160, "depends"), (161, "no")],
    ids=["at the low end", "above it", "at the high end", "above that"],
)
def test_a_verdict_is_yes_no_or_depends(need, verdict):
    judgement = judge(lambda at: at["room"] >= need, {"room": ROOM})
    assert judgement.verdict == verdict
    if verdict == "depends":
        assert judgement.depends_on == (Dependence("room", ROOM.low, ROOM.high, Fraction(need), "bytes"),)
    else:
        assert judgement.depends_on == ()


def test_a_verdict_turns_where_it_says():
    facts = {"room": ROOM, "reserve": fact(20, 30, 40, more_is_better=False)}

    def holds(at):
        return at["room"] - at["reserve"] >= 75

    judgement = judge(holds, facts)
    points = {item.fact: item.turning_point for item in judgement.depends_on}
    assert (judgement.verdict, points) == ("depends", {"room": 115, "reserve": 25})
    for name, point in points.items():
        worse = point - 1 if facts[name].more_is_better else point + 1
        assert judge(holds, facts | {name: facts[name].fixed(point)}).verdict == "yes"
        assert judge(holds, facts | {name: facts[name].fixed(worse)}).verdict == "depends"


def test_a_fact_that_is_not_enough_alone_has_no_turning_point():
    facts = {"room": ROOM, "reserve": fact(20, 30, 40, more_is_better=False)}
    judgement = judge(lambda at: at["room"] - at["reserve"] >= 135, facts)
    assert judgement.verdict == "depends"
    assert [item.turning_point for item in judgement.depends_on] == [None, None]


def test_facts_without_a_range_do_not_decide():
    facts = {"room": ROOM, "known": fact(5, 5, 5)}
    assert [item.fact for item in judge(lambda at: at["room"] >= 120, facts).depends_on] == ["room"]


def test_no_is_proved_by_another_question_where_there_is_one():
    facts = {"room": ROOM}
    assert judge(lambda at: False, facts).verdict == "no"
    undecided = judge(lambda at: False, facts, possible=lambda at: True)
    assert (undecided.verdict, undecided.depends_on[0].turning_point) == ("depends", None)


def test_a_turning_point_is_exact_and_cheap():
    asked = []

    def holds(value):
        asked.append(value)
        return value >= 149_999_999_999

    wide = fact(144 * 10**9, 154_618_822_656, 154_618_822_656)
    assert turning_point(holds, wide) == 149_999_999_999
    assert len(asked) <= 40


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [("0.000001", "0.000001"), ("0.0000034567", "0.000003456"), ("0.000009", "0.000005"), ("0.0000001", None)],
)
def test_a_turning_point_of_a_latency_lies_below(threshold, expected):
    point = turning_point(lambda value: value <= Fraction(threshold), DELAY)
    assert point == (None if expected is None else Fraction(expected))


def test_a_step_that_does_not_divide_the_range_ends_at_its_end():
    assert turning_point(lambda value: value >= 160, ROOM, step=Fraction(7)) == 160
    assert turning_point(lambda value: value >= 110, ROOM, step=Fraction(7)) == 114


def test_json_holds_whole_numbers_where_they_are_whole():
    assert Dependence("x", Fraction(1), Fraction(5, 2), None, "s").to_dict() == {
        "fact": "x", "low": 1, "high": 2.5, "turning_point": None, "unit": "s",
    }  # fmt: skip
    assert isinstance(plain(Fraction(10**12)), int)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("149_123_456_789", "bytes", "149.1235 GB"),
        ("144_000_000_000", "bytes", "144 GB"),
        ("0.0000015", "s", "1.5e-06 s"),
        ("64", "accelerators", "64 accelerators"),
    ],
)
def test_a_number_of_a_fact_in_words(value, unit, text):
    assert number_text(Fraction(value), unit) == text


def test_what_a_verdict_hangs_on_in_words():
    turns = Dependence("room", Fraction(10**11), Fraction(2 * 10**11), Fraction(15 * 10**10), "bytes")
    assert turns.words == "room (100 GB to 200 GB): yes from 150 GB"
    never = turns._replace(turning_point=None)
    assert never.words == "room (100 GB to 200 GB), which matters too, but alone is not enough"


@st.composite
def ranged(draw, more_is_better):
    low, nominal, high = sorted(draw(st.lists(st.integers(0, 300), min_size=3, max_size=3)))
    return fact(low, nominal, high, more_is_better=more_is_better)


@given(room=ranged(True), reserve=ranged(False), delay=ranged(False), need=st.integers(-300, 300))
def test_verdicts_and_turning_points_of_monotone_questions(room, reserve, delay, need):
    facts = {"room": room, "reserve": reserve, "delay": delay}

    def holds(at):
        return at["room"] - at["reserve"] - 2 * at["delay"] >= need

    low, nominal, high = (holds(at) for at in scenarios(facts))
    assert low <= nominal <= high  # monotone, so scenarios are in order
    judgement = judge(holds, facts)
    assert judgement.verdict == ("yes" if low else "depends" if high else "no")
    assert bool(judgement.depends_on) == (judgement.verdict == "depends")
    for item in judgement.depends_on:
        one = facts[item.fact]
        assert one.low < one.high
        if item.turning_point is None:
            assert not holds({**scenarios(facts).low, item.fact: one.best})
            continue
        assert one.low <= item.turning_point <= one.high
        assert judge(holds, facts | {item.fact: one.fixed(item.turning_point)}).verdict == "yes"
        worse = item.turning_point - (1 if one.more_is_better else -1)
        assert judge(holds, facts | {item.fact: one.fixed(worse)}).verdict != "yes"

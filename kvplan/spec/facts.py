"""Facts: numbers with a range, a status and a source; what follows from them at both ends, and where an answer turns.

Nothing here computes with intervals: a formula runs once a scenario, on plain numbers. It has to be monotone in each
fact that it hangs on. Which facts there are, and of what, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Final, Literal, NamedTuple, TypeVar

STATUSES: Final = ("published", "claimed", "measured", "derived", "undisclosed", "assumed")
Verdict = Literal["yes", "no", "depends"]
Values = Mapping[str, Fraction]  # fact ▸ number, in the fact's unit

_STEPS: Final = {"s": Fraction(1, 10**9), "share": Fraction(1, 10**6)}  # how finely a fact is cut, else by ones

T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """A number that may not be known exactly.

    low, nominal, high: the least, the likeliest and the most that it may be. [unit]
    unit: bytes, bytes/s, flop/s, s, W, share, or what is counted: accelerators, links, dies.
    status: published, claimed, measured, derived, undisclosed or assumed.
    source: where the number was read, as ids of the catalog or in words.
    more_is_better: whether a higher number leaves more room; latencies and power are the other way round.
    Raises: ValueError if the numbers are out of order, the status is unknown, or an undisclosed fact is one number.
    """

    low: Fraction
    nominal: Fraction
    high: Fraction
    unit: str
    status: str
    source: str
    note: str = ""
    more_is_better: bool = True

    def __post_init__(self) -> None:
        if not self.low <= self.nominal <= self.high:
            raise ValueError("low, nominal and high are out of order")
        if self.status not in STATUSES:
            raise ValueError(f"unknown status {self.status!r}")
        if self.status == "undisclosed" and self.low == self.high:
            raise ValueError("an undisclosed fact is a range")

    @property
    def worst(self) -> Fraction:
        """The safe end: least of what is good, most of what is not. [unit]"""
        return self.low if self.more_is_better else self.high

    @property
    def best(self) -> Fraction:
        """The other end. [unit]"""
        return self.high if self.more_is_better else self.low

    def fixed(self, value: Fraction) -> Fact:
        """The fact as if it were known to be this. [unit]"""
        status = "assumed" if self.status == "undisclosed" else self.status
        return replace(self, low=value, nominal=value, high=value, status=status)


def plain(value: Fraction) -> int | float:
    """A number for JSON: whole where it is whole.

    >>> plain(Fraction(8)), plain(Fraction(3, 10**7))
    (8, 3e-07)
    """
    return int(value) if value.denominator == 1 else float(value)


class Scenarios(NamedTuple):
    """Three systems that the facts allow: the least that they may leave, the likeliest, and the most."""

    low: Values
    nominal: Values
    high: Values


def scenarios(facts: Mapping[str, Fact]) -> Scenarios:
    """Facts ▸ numbers, three times: every fact at its safe end, at its nominal, and at its other end.

    Low is the least room, not the lowest number: a latency stands there at its highest.
    """
    return Scenarios(
        {name: fact.worst for name, fact in facts.items()},
        {name: fact.nominal for name, fact in facts.items()},
        {name: fact.best for name, fact in facts.items()},
    )


def evaluate(function: Callable[[Values], T], facts: Mapping[str, Fact]) -> tuple[T, T, T]:
    """A formula in the three scenarios: low, nominal, high."""
    low, nominal, high = scenarios(facts)
    return function(low), function(nominal), function(high)


class Dependence(NamedTuple):
    """A fact that an answer hangs on.

    turning_point: from here to the better end the answer is yes, whatever the other facts turn out to be; None where
        no value of this fact alone is enough. [unit]
    """

    fact: str
    low: Fraction
    high: Fraction
    turning_point: Fraction | None
    unit: str

    @property
    def words(self) -> str:
        """The fact, its range, and from where the answer is yes."""
        span = f"{self.fact} ({number_text(self.low, self.unit)} to {number_text(self.high, self.unit)})"
        if self.turning_point is None:
            return f"{span}, which matters too, but alone is not enough"
        return f"{span}: yes from {number_text(self.turning_point, self.unit)}"

    def to_dict(self) -> dict[str, str | int | float | None]:
        """The JSON of one entry of ``depends_on``."""
        point = self.turning_point
        return {
            "fact": self.fact,
            "low": plain(self.low),
            "high": plain(self.high),
            "turning_point": None if point is None else plain(point),
            "unit": self.unit,
        }


def number_text(value: Fraction, unit: str) -> str:
    """A number of a fact in its unit, to seven digits: turning points lie close to each other.

    >>> number_text(Fraction(149_123_456_789), "bytes"), number_text(Fraction(3, 2), "s")
    ('149.1235 GB', '1.5 s')
    """
    if unit == "bytes":
        return f"{float(value) / 10**9:.7g} GB"
    return f"{float(value):.7g} {unit}"


class Judgement(NamedTuple):
    """A verdict, and what it hangs on where it depends."""

    verdict: Verdict
    depends_on: tuple[Dependence, ...] = ()


def judge(
    holds: Callable[[Values], bool], facts: Mapping[str, Fact], possible: Callable[[Values], bool] | None = None
) -> Judgement:
    """Whether something holds for every system that the facts allow, for none, or for some.

    holds: proves yes at given numbers; monotone in each fact.
    facts: what it hangs on; only those with a range can make it depend.
    possible: proves no where it is false, if that is another question than ``holds``: a packing that was not found may
        exist, and only a lower bound proves that it does not.
    """
    low, _, high = scenarios(facts)
    if holds(low):
        return Judgement("yes")
    if not (possible or holds)(high):
        return Judgement("no")
    open_facts = {name: fact for name, fact in facts.items() if fact.low < fact.high}
    depends_on = [
        Dependence(name, fact.low, fact.high, turning_point(_alone(holds, name, low), fact), fact.unit)
        for name, fact in open_facts.items()
    ]
    return Judgement("depends", tuple(depends_on))


def _alone(holds: Callable[[Values], bool], name: str, others: Values) -> Callable[[Fraction], bool]:
    """The predicate as a function of one fact, the others held at their safe ends."""
    return lambda value: holds({**others, name: value})


def turning_point(holds: Callable[[Fraction], bool], fact: Fact, step: Fraction | None = None) -> Fraction | None:
    """The value nearest to the safe end at which a predicate holds; None if it does at neither end.

    holds: monotone: once it holds, it holds at every better value. It is asked about log2(range ÷ step) times.
    fact: the range that is searched.
    step: how finely; default 1 of the fact's unit, 1 ns, or a millionth of a share. [unit]
    """
    if holds(fact.worst):
        return fact.worst
    if not holds(fact.best):
        return None
    step = step or _STEPS.get(fact.unit, Fraction(1))
    toward_best = step if fact.more_is_better else -step
    fails, works = 0, ceil((fact.high - fact.low) / step)  # in steps from the safe end
    while works - fails > 1:
        middle = (fails + works) // 2
        if holds(fact.worst + middle * toward_best):
            works = middle
        else:
            fails = middle
    point = fact.worst + works * toward_best
    return min(point, fact.high) if fact.more_is_better else max(point, fact.low)

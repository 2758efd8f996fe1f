"""A law of lengths ▸ sizes: the mean of each 1/n of its probability, so that totals are exact in the mean.

No seed and no order enters: the same law gives the same sizes. Sizes are whole tokens whose sum is the sum of the
means, rounded once. Median and p99 are of the law before its cap; the mass above ``max`` sits at ``max``.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from kvplan.findings import join_path
from kvplan.spec.kinds import INVALID, Choice, Kind, Reading, Tokens, shown
from kvplan.spec.tree import Tree

MAX_SIZES = 4096
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Length:
    """How long something is: a number of tokens, or a law of them.

    distribution: constant | uniform | exponential | lognormal.
    low, high: the least and the most. [tokens]
    location, scale: of the law before its cap: uniform ignores both; exponential has its mean in ``scale``; lognormal
        has the mean and the deviation of the logarithm.
    """

    distribution: str
    low: int
    high: int
    location: float = 0.0
    scale: float = 0.0

    @property
    def is_constant(self) -> bool:
        """Whether every draw is the same."""
        return self.low == self.high

    def sizes(self, count: int) -> list[int]:
        """The means of ``count`` strata of equal probability, ascending, rounded so that their sum is kept. [tokens]"""
        return [self.low] * count if self.is_constant else list(_sizes(self, count))

    def partial_means(self, count: int) -> list[float]:
        """Means of the lowest 0/count, 1/count, … 1 of draws, times that share: ∫ of the quantile from 0. [tokens]"""
        shares = [index / count for index in range(count + 1)]
        if self.distribution == "uniform":
            return [share * (self.low + (self.high - self.low) * share / 2) for share in shares]
        cap = self._share_below(self.high)
        inside = [self._body(share, z) for share, z in zip(shares, _deviations(count), strict=True) if share < cap]
        whole = self._body(cap, _NORMAL.inv_cdf(cap) if 0 < cap < 1 else math.copysign(math.inf, cap - 0.5))
        return inside + [whole + (share - cap) * self.high for share in shares[len(inside) :]]

    def _body(self, share: float, z: float) -> float:
        """∫ of the quantile of the law without its cap from 0 to a share, z being the share's deviation. [tokens]"""
        if self.distribution == "exponential":
            # ∫₀ˢ −m·ln(1−u) du = m·(s + (1−s)·ln(1−s))
            return self.scale * (share + (1 - share) * math.log1p(-share)) if share < 1 else self.scale
        # ∫₀ˢ exp(μ + σ·z(u)) du = exp(μ + σ²/2)·Φ(z(s) − σ)
        return math.exp(self.location + self.scale**2 / 2) * _share_under(z - self.scale)

    def _share_below(self, tokens: int) -> float:
        if self.distribution == "exponential":
            return -math.expm1(-tokens / self.scale)
        return _share_under((math.log(tokens) - self.location) / self.scale)


@lru_cache(maxsize=1024)
def _sizes(law: Length, count: int) -> array[int]:
    """Stratum means of a law; they are asked for again and again while something is searched for. [tokens]"""
    whole = [round(edge * count) for edge in law.partial_means(count)]
    return array("q", sorted(min(law.high, after - before) for before, after in pairwise(whole)))


def _share_under(z: float) -> float:
    """Φ(z); by erfc, which keeps its digits far out where 1 + erf loses them."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


@lru_cache(maxsize=4)
def _deviations(count: int) -> tuple[float, ...]:
    """Standard deviations at 0/count, 1/count, … 1 of a normal law."""
    return (-math.inf, *(_NORMAL.inv_cdf(index / count) for index in range(1, count)), math.inf)


def constant(tokens: int) -> Length:
    """The law of one length. [tokens]"""
    return Length("constant", tokens, tokens)


_KEYS = {
    "uniform": ("min", "max"),
    "exponential": ("mean", "max"),
    "lognormal": ("median", "p99", "max"),
}


class LengthKind:
    """A token count, or a law with its parameters."""

    words = "a token count, or a law like {distribution: lognormal, median: 8Ki, p99: 100Ki, max: 131072}"

    def __init__(self, low: int = 1) -> None:
        self._tokens: Kind = Tokens(low)

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
        """A Length, or INVALID with findings."""
        if not isinstance(tree, dict):
            tokens = self._tokens.read(tree, path, reading)
            return INVALID if tokens is INVALID else constant(tokens)
        if "trace" in tree:
            return reading.fault(
                "KV015",
                join_path(path, "trace"),
                "lengths from a trace are not yet supported",
                help="give a law",
                on_key=True,
            )
        if "distribution" not in tree:
            return reading.fault(
                "KV008",
                join_path(path, "distribution"),
                "missing key `distribution`",
                help=f"one of {', '.join(_KEYS)}",
            )
        name = Choice(tuple(_KEYS), "distribution").read(tree["distribution"], join_path(path, "distribution"), reading)
        return INVALID if name is INVALID else self._law(name, tree, path, reading)

    def _law(self, name: str, tree: dict[str, Tree], path: str, reading: Reading) -> Any:  # noqa: ANN401
        keys = _KEYS[name]
        takes = f"the {name} law takes {', '.join(keys)}"
        strange = [key for key in tree if key not in (*keys, "distribution")]
        for key in strange:
            reading.fault("KV001", join_path(path, key), f"unknown key {shown(key)}", help=takes, on_key=True)
        values: dict[str, Any] = {}
        for key in keys:
            at = join_path(path, key)
            if key in tree:
                values[key] = self._tokens.read(tree[key], at, reading)
            else:
                values[key] = reading.fault("KV008", at, f"missing key `{key}`", help=takes)
        if strange or any(value is INVALID for value in values.values()):
            return INVALID
        return self._checked(name, values, path, reading)

    def _checked(self, name: str, values: dict[str, int], path: str, reading: Reading) -> Any:  # noqa: ANN401
        high, first = values["max"], values[_KEYS[name][0]]
        if min(values.values()) < 1 and name != "uniform":
            message = f"the {name} law needs token counts of 1 or more"
            return reading.fault("KV010", path, message, help="write a plain number for none")
        if first > high or first > values.get("p99", high):
            order = " and ".join(f"{_KEYS[name][0]} ≤ {key}" for key in _KEYS[name][1:])
            return reading.fault("KV018", path, f"{order} does not hold", help="check the parameters of the law")
        if name == "uniform":
            return Length(name, first, high)
        if name == "exponential":
            return Length(name, 0, high, scale=float(first))
        if values["p99"] == first:
            return constant(first)
        spread = math.log(values["p99"] / first) / _NORMAL.inv_cdf(0.99)
        return Length(name, 0, high, math.log(first), spread)

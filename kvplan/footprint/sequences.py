"""A class of sequences ▸ arrays of lengths, and totals over them: mean, spread, and the quantile planned for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from kvplan.footprint.sizing import IntArray
from kvplan.spec.lengths import MAX_SIZES, Length

PerSequence = Callable[[IntArray, IntArray], IntArray]  # prompt and final lengths ▸ bytes of each sequence


@dataclass(frozen=True)
class Total:
    """A total over sequences: its mean, its variance, and the most and the least that it can be. [bytes]"""

    mean: Fraction
    variance: float
    most: int
    least: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(
            self.mean + other.mean, self.variance + other.variance, self.most + other.most, self.least + other.least
        )

    def at(self, deviations: float) -> int:
        """The total at so many deviations above the mean, between its least and its most."""
        if self.variance == 0:
            return math.ceil(self.mean)
        return max(self.least, min(self.most, math.ceil(float(self.mean) + deviations * math.sqrt(self.variance))))


NOTHING = Total(Fraction(0), 0.0, 0)


def fixed(size: int) -> Total:
    """A total that does not vary. [bytes]"""
    return Total(Fraction(size), 0.0, size, size)


@dataclass(frozen=True)
class Sequences:
    """Sequences of one class.

    count: how many.
    input_tokens, tokens: prompt and final length of the stratum means, shape (at most count,), int64. [tokens]
    law_input_tokens, law_tokens: the same of the law itself in MAX_SIZES strata, for its variance.
    longest: the longest prompt and the final length after it. [tokens]
    """

    count: int
    input_tokens: IntArray
    tokens: IntArray
    law_input_tokens: IntArray
    law_tokens: IntArray
    longest: tuple[int, int]

    @property
    def mean_tokens(self) -> Fraction:
        """Mean final length. [tokens]"""
        return Fraction(int(self.tokens.sum()), self.tokens.size)

    def total(self, function: PerSequence, count: int | None = None) -> Total:
        """Total of a figure over all sequences, or over ``count`` of them.

        The mean is over the stratum means; the variance of a sum of independent draws is the sum of their variances.
        """
        count = self.count if count is None else count
        values = function(self.input_tokens, self.tokens)
        mean = Fraction(count * sum(values.tolist()), values.size)
        if self.law_tokens.size == 1:
            return Total(mean, 0.0, math.ceil(mean), math.floor(mean))
        law = function(self.law_input_tokens, self.law_tokens)
        longest = int(function(*(np.array([tokens], dtype=np.int64) for tokens in self.longest))[0])
        return Total(
            mean,
            float(count) * float(np.var(law.astype(np.float64))),
            count * max(int(law.max()), longest),
            count * int(law.min()),
        )


@lru_cache(maxsize=256)
def expand(input_length: Length, output_length: Length, count: int, prefix_tokens: int = 0) -> Sequences:
    """Stratum means of a class: one for each sequence, at most MAX_SIZES; no prompt is shorter than its prefix."""
    longest = (input_length.high, input_length.high + output_length.high)
    if input_length.is_constant and output_length.is_constant:
        prompt = np.array([input_length.low], dtype=np.int64)
        final = prompt + output_length.low
        return Sequences(count, prompt, final, prompt, final, longest)
    prompt, final = _paired(input_length, output_length, min(count, MAX_SIZES), prefix_tokens)
    law_prompt, law_final = _paired(input_length, output_length, MAX_SIZES, prefix_tokens)
    return Sequences(count, prompt, final, law_prompt, law_final, longest)


def _paired(input_length: Length, output_length: Length, count: int, least: int) -> tuple[IntArray, IntArray]:
    """Prompts ascending, outputs in an order that is as good as unrelated: steps of the golden ratio."""
    prompt = np.maximum(np.array(input_length.sizes(count), dtype=np.int64), least)
    output = np.array(output_length.sizes(count), dtype=np.int64)
    step = max(1, round(count * 0.6180339887498949))
    while math.gcd(step, count) != 1:
        step += 1
    order = np.arange(count, dtype=np.int64) * step % count
    return prompt, prompt + output[order]

"""Totals over sequences: exact in the mean, the planning quantile above it, never past the most."""

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.footprint.sequences import NOTHING, Total, expand, fixed
from kvplan.spec.lengths import MAX_SIZES, Length, constant

UNIFORM = Length("uniform", 100, 1100)
EXPONENTIAL = Length("exponential", 1, 8192, scale=1000.0)
LOGNORMAL = Length("lognormal", 1, 131_072, math.log(8192), 1.0)
LAWS = [UNIFORM, EXPONENTIAL, LOGNORMAL]


def all_tokens(_, tokens):
    return tokens


def test_equal_sequences_are_one_size():
    sequences = expand(constant(1000), constant(24), 7)
    assert (sequences.count, sequences.input_tokens.tolist(), sequences.tokens.tolist()) == (7, [1000], [1024])
    assert sequences.total(all_tokens) == Total(Fraction(7 * 1024), 0.0, 7 * 1024, 7 * 1024)
    assert sequences.mean_tokens == 1024


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("count", "sizes"), [(1, 1), (7, 7), (MAX_SIZES, MAX_SIZES), (100_000, MAX_SIZES)])
def test_a_law_becomes_one_size_a_sequence_at_most_4096(law, count, sizes):
    assert expand(law, constant(0), count).tokens.size == sizes


@pytest.mark.parametrize(
    ("law", "mean"),
    [
        (UNIFORM, 600.0),  # (100 + 1100) ÷ 2
        (EXPONENTIAL, 1000 * (1 - math.exp(-8.192))),  # the mass above the cap sits at the cap
    ],
)
@pytest.mark.parametrize("count", [1, 10, 1000])
def test_the_mean_is_the_laws(law, mean, count):
    assert float(expand(law, constant(0), count).mean_tokens) == pytest.approx(mean, abs=0.5 / count + 1e-9)


@settings(deadline=None)
@given(
    prompt=st.sampled_from([*LAWS, constant(50)]),
    output=st.sampled_from([*LAWS, constant(9)]),
    count=st.integers(1, 300),
)
def test_pairing_keeps_every_prompt_and_every_output(prompt, output, count):
    sequences = expand(prompt, output, count)
    strata = sequences.tokens.size
    assert sequences.input_tokens.tolist() == prompt.sizes(strata)
    assert sorted((sequences.tokens - sequences.input_tokens).tolist()) == sorted(output.sizes(strata))


@pytest.mark.parametrize("count", [100, 1000, MAX_SIZES])
def test_prompts_and_outputs_are_unrelated(count):
    sequences = expand(UNIFORM, UNIFORM, count)
    output = sequences.tokens - sequences.input_tokens
    assert abs(np.corrcoef(sequences.input_tokens, output)[0, 1]) < 0.05


@pytest.mark.parametrize("count", [1, 16, 100])
def test_the_variance_of_a_total_is_that_of_independent_draws(count):
    total = expand(UNIFORM, constant(0), count).total(all_tokens)
    assert total.variance == pytest.approx(count * 1000**2 / 12, rel=1e-3)  # of a uniform law: width² ÷ 12
    assert (total.mean, total.most) == (count * 600, count * 1100)


def test_a_total_of_some_of_the_sequences():
    sequences = expand(UNIFORM, constant(0), 100)
    assert sequences.total(all_tokens, 25).mean == 25 * 600


@pytest.mark.parametrize(
    ("total", "deviations", "size"),
    [
        (Total(Fraction(1000), 0.0, 1000), 2.3, 1000),  # no variance, no difference
        (Total(Fraction(2001, 2), 0.0, 1001), 2.3, 1001),  # never less than the mean
        (Total(Fraction(1000), 100.0, 5000), 2.0, 1020),  # 1000 + 2 × √100
        (Total(Fraction(1000), 100.0, 5000), 0.0, 1000),
        (Total(Fraction(1000), 1e6, 1500), 2.0, 1500),  # never past the most
        (Total(Fraction(1000), 1e6, 1500, 800), -2.0, 800),  # never under the least
        (NOTHING, 2.0, 0),
        (fixed(7), 2.0, 7),
    ],
)
def test_a_total_at_so_many_deviations(total, deviations, size):
    assert total.at(deviations) == size


def test_totals_of_independent_classes_add_means_and_variances():
    assert Total(Fraction(1), 3.0, 9) + Total(Fraction(2), 4.0, 10) == Total(Fraction(3), 7.0, 19)


@pytest.mark.parametrize("deviations", [0.0, 0.5, 2.3263, 5.0])
def test_more_deviations_are_never_fewer_bytes(deviations):
    total = Total(Fraction(10_000), 250_000.0, 40_000)
    assert total.at(0.0) <= total.at(deviations) <= total.at(deviations + 1)


def workload(context, quantile="99%", sequences=64):
    return f"""
kvplan: 1
name: laws
model: llama-3.1-8b
kv: {{format: bf16, block_size: 1}}
planning_quantile: {quantile}
requests: [{{name: one, sequences: {sequences}, context: {context}}}]
"""


@pytest.mark.parametrize("quantile", ["50%", "90%", "99%", "99.9%"])
def test_no_variance_no_difference(quantile):
    result = kvplan.size(workload("4096", quantile))
    assert result.held_bytes == result.mean_bytes == 64 * 4096 * 131_072


@pytest.mark.parametrize("quantile", ["50%", "90%", "99%"])
def test_bytes_at_the_planning_quantile(quantile):
    result = kvplan.size(workload("{distribution: uniform, min: 1000, max: 9000}", quantile))
    deviations = NormalDist().inv_cdf(float(quantile[:-1]) / 100)
    # mean 5000, deviation 8000 ÷ √12 a sequence; 64 of them spread √64 = 8 times as far
    tokens = 64 * 5000 + deviations * 8 * 8000 / math.sqrt(12)
    assert result.mean_bytes == 64 * 5000 * 131_072
    assert result.held_bytes == pytest.approx(tokens * 131_072, rel=1e-5)


def test_bytes_are_never_more_than_all_at_the_most():
    result = kvplan.size(workload("{distribution: uniform, min: 1000, max: 9000}", "99.99%", 1))
    assert 8999 * 131_072 <= result.held_bytes <= 9000 * 131_072  # the most is the mean of the last of 4096 strata


def test_classes_in_any_order_and_under_any_name_are_the_same_bytes():
    head = "kvplan: 1\nname: order\nmodel: gemma-3-1b\nengine: vllm@0.32\nrequests:\n"
    laws = ["5000", "{distribution: exponential, mean: 900, max: 8192}", "{distribution: uniform, min: 1, max: 4096}"]
    lines = [f"  - {{name: {{}}, sequences: 9, context: {law}}}\n" for law in laws]

    def figures(order, names):
        result = kvplan.size(
            head + "".join(lines[i].replace("{}", name, 1) for i, name in zip(order, names, strict=True))
        )
        return (result.minimum_bytes, result.held_bytes, result.peak_bytes, result.reserved_bytes, result.mean_bytes)

    assert figures([0, 1, 2], "abc") == figures([2, 0, 1], "zyx")

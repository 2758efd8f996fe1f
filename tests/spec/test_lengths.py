"""Laws of lengths: strata add up to the law's mean, the cap holds its mass, and a law without sense is refused."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.spec.kinds import INVALID, Reading
from kvplan.spec.lengths import MAX_SIZES, Length, LengthKind, constant
from kvplan.spec.text import read_yaml

LONG = 10**9  # a cap that no draw reaches


def law(text: str, low: int = 1):
    reading = Reading()
    return LengthKind(low).read(read_yaml(text, "w.yaml").tree, "input", reading), reading.findings


def lognormal(median: int, p99: int, high: int) -> Length:
    length, findings = law(f"{{distribution: lognormal, median: {median}, p99: {p99}, max: {high}}}")
    assert findings == []
    return length


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (constant(7), [7, 7, 7]),
        (Length("uniform", 5, 5), [5, 5]),
        # Quarters of 1…9 have the means 2, 4, 6, 8.
        (Length("uniform", 1, 9), [2, 4, 6, 8]),
        # 12.5, 37.5, 62.5, 87.5: sums 12.5, 50, 112.5, 200 ▸ 12, 50, 112, 200 (halves to even).
        (Length("uniform", 0, 100), [12, 38, 62, 88]),
        # Lower half of an exponential: 2·100·(½ + ½·ln ½) = 100 − 69.31 = 30.69; both: 200.
        (Length("exponential", 0, LONG, scale=100.0), [31, 169]),
        # 400·(s + (1−s)·ln(1−s)) at ¼, ½, ¾, 1: 13.70, 61.37, 161.37, 400.
        (Length("exponential", 0, LONG, scale=100.0), [14, 47, 100, 239]),
        # The mean is exp(μ + σ²/2); with σ → 0 every draw is exp(μ) = 64.
        (Length("lognormal", 1, LONG, math.log(64), 1e-9), [64, 64, 64]),
    ],
)
def test_sizes_by_hand(length, sizes):
    assert length.sizes(len(sizes)) == sizes


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, MAX_SIZES])
@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, 9), (0, 131_072), (4096, 1_000_000)])
def test_uniform_sizes_add_up_to_the_mean(low, high, count):
    assert sum(Length("uniform", low, high).sizes(count)) == round(count * (low + high) / 2)


@pytest.mark.parametrize("count", [1, 2, 10, 97, MAX_SIZES])
@pytest.mark.parametrize(("mean", "high"), [(100, 100), (100, 250), (100, LONG), (8192, 131_072)])
def test_exponential_sizes_add_up_to_the_mean(mean, high, count):
    # E[min(X, c)] = m·(1 − exp(−c/m)); for m = c = 100: 63.21.
    expected = mean * (1 - math.exp(-high / mean))
    assert sum(Length("exponential", 0, high, scale=float(mean)).sizes(count)) == round(expected * count)


@pytest.mark.parametrize("count", [1, 10, 1000])
@pytest.mark.parametrize(
    ("median", "p99", "high"), [(8192, 102_400, 131_072), (8192, 102_400, 10_000), (1000, 3000, LONG)]
)
def test_lognormal_sizes_add_up_to_the_mean_of_the_capped_law(median, p99, high, count):
    spread = math.log(p99 / median) / NormalDist().inv_cdf(0.99)
    steps = 100_000  # midpoints of equal shares: ∫₀¹ min(quantile(u), high) du
    draws = (median * math.exp(spread * NormalDist().inv_cdf((step + 0.5) / steps)) for step in range(steps))
    expected = sum(min(draw, high) for draw in draws) / steps
    assert sum(lognormal(median, p99, high).sizes(count)) == pytest.approx(count * expected, rel=1e-4)


@pytest.mark.parametrize("high", [10_000, 131_072, LONG])
def test_median_and_p99_are_of_the_law_before_its_cap(high):
    length = lognormal(8192, 102_400, high)
    assert math.exp(length.location) == pytest.approx(8192)
    assert math.exp(length.location + length.scale * NormalDist().inv_cdf(0.99)) == pytest.approx(102_400)
    assert length.sizes(4095)[2047] == pytest.approx(8192, abs=8)  # the stratum around one half
    assert sum(size > 102_400 for size in length.sizes(1000)) == (0 if high < 102_400 else 10)


def test_the_mass_above_max_sits_at_max():
    # P(X > 100) = e⁻¹ = 36.79 % for a mean of 100: the upper 367 of 1000 strata are at the cap, whole.
    sizes = Length("exponential", 0, 100, scale=100.0).sizes(1000)
    assert sizes[-367:] == [100] * 367
    assert max(sizes) == 100


LAWS = st.one_of(
    st.builds(lambda low, more: Length("uniform", low, low + more), st.integers(0, 10**5), st.integers(1, 10**6)),
    st.builds(lambda mean, more: Length("exponential", 0, mean + more, scale=float(mean)),
              st.integers(1, 10**5), st.integers(0, 10**6)),
    st.builds(lambda median, times, high: Length("lognormal", 1, median + high, math.log(median), math.log(times)),
              st.integers(1, 10**5), st.floats(1.01, 20), st.integers(0, 10**6)),
)  # fmt: skip


@settings(deadline=None)
@given(length=LAWS, count=st.integers(1, 300))
def test_sizes_are_whole_within_bounds_and_the_same_each_time(length, count):
    sizes = length.sizes(count)
    assert len(sizes) == count
    assert all(type(size) is int and 0 <= size <= length.high for size in sizes)
    assert sizes == length.sizes(count)


@pytest.mark.parametrize("law_text", ["exponential, mean: 2", "lognormal, median: 1, p99: 100"])
def test_the_mean_is_kept_for_short_laws(law_text):
    length, _ = law(f"{{distribution: {law_text}, max: 1000}}")
    spread = math.log(100) / NormalDist().inv_cdf(0.99)
    steps = 100_000
    quantile = (
        (lambda share: -2 * math.log1p(-share))
        if "exponential" in law_text
        else (lambda share: math.exp(spread * NormalDist().inv_cdf(share)))
    )
    mean = sum(min(1000, quantile((step + 0.5) / steps)) for step in range(steps)) / steps
    assert sum(length.sizes(1000)) == pytest.approx(1000 * mean, rel=1e-2)


def test_sizes_ascend():
    assert Length("uniform", 1, 2).sizes(10) == sorted(Length("uniform", 1, 2).sizes(10))


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("8Ki", constant(8192)),
        ("131072", constant(131_072)),
        ("1e3", constant(1000)),
        ("{distribution: uniform, min: 1Ki, max: 2Ki}", Length("uniform", 1024, 2048)),
        ("{distribution: exponential, mean: 1k, max: 8k}", Length("exponential", 0, 8000, scale=1000.0)),
        ("{distribution: lognormal, median: 5, p99: 5, max: 5}", constant(5)),
        ("{distribution: uniform, min: 3, max: 3}", Length("uniform", 3, 3)),
    ],
)
def test_reads(text, length):
    assert law(text) == (length, [])


def test_none_at_all_is_a_length_where_it_is_allowed():
    assert law("0", low=0) == (constant(0), [])
    assert law("{distribution: uniform, min: 0, max: 5}", low=0) == (Length("uniform", 0, 5), [])


@pytest.mark.parametrize(
    ("text", "rule", "path", "message", "help"),
    [
        ("0", "KV009", "input", "`0` is less than 1", "token count of 1 or more"),
        ("x", "KV009", "input", "is not a token count", "8192"),
        ("true", "KV007", "input", "wants a token count of 1 or more", "like 8192"),
        ("[1]", "KV007", "input", "has a list", "token count"),
        ("", "KV007", "input", "has nothing", "token count"),
        ("{trace: file.csv}", "KV015", "input.trace", "from a trace are not yet supported", "give a law"),
        ("{mean: 2, max: 3}", "KV008", "input.distribution", "missing key `distribution`", "one of uniform"),
        ("{distribution: lognorml}", "KV011", "input.distribution", "unknown distribution `lognorml`", "`lognormal`?"),
        ("{distribution: 3}", "KV007", "input.distribution", "wants one of uniform", "one of uniform"),
        ("{distribution: uniform, min: 1, max: 2, mean: 3}", "KV001", "input.mean", "unknown key `mean`", "min, max"),
        ("{distribution: uniform, min: 1}", "KV008", "input.max", "missing key `max`", "takes min, max"),
        ("{distribution: uniform, min: 0, max: 2}", "KV009", "input.min", "`0` is less than 1", "token count of 1"),
        ("{distribution: uniform, min: 9, max: 5}", "KV018", "input", "min ≤ max does not hold", "check the"),
        ("{distribution: exponential, mean: 9, max: 5}", "KV018", "input", "mean ≤ max does not", "check the"),
        ("{distribution: lognormal, median: 3, p99: 2, max: 5}", "KV018", "input", "not hold", "check the"),
        ("{distribution: lognormal, median: 9, p99: 9, max: 5}", "KV018", "input", "not hold", "check the"),
    ],
)  # fmt: skip
def test_refuses(text, rule, path, message, help):
    length, (finding,) = law(text or "~")
    assert length is INVALID
    assert (finding.rule, finding.path) == (rule, path)
    assert message in finding.message
    assert help in finding.help


def test_the_words_of_a_refusal_say_what_is_checked():
    assert law("{distribution: lognormal, median: 5, p99: 9, max: 7}")[1] == []  # p99 is of the law before its cap
    assert "p99 ≤ max" not in law("{distribution: lognormal, median: 9, p99: 5, max: 20}")[1][0].message


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{distribution: lognormal, median: x, p99: y, max: 3}", ["input.median", "input.p99"]),
        pytest.param(
            "{distribution: uniform, min: 1, max: 2, foo: 1, bar: 2}", ["input.foo", "input.bar"]
        ),
        pytest.param(
            "{distribution: lognormal}", ["input.median", "input.p99", "input.max"]
        ),
    ],
)  # fmt: skip
def test_every_finding_comes_in_one_pass(text, paths):
    assert [finding.path for finding in law(text)[1]] == paths

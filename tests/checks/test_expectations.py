"""expect: bounds on every kind of figure, of size, fit and place, held at the safe end; one break, one finding."""

from pathlib import Path

import pytest

import kvplan
from kvplan.checks.expectations import FIGURES

SOUND = "kvplan: 1\nmodel: llama-3.1-8b\nrequests:\n  - {sequences: 4, context: 8192}\n"
PLACED = SOUND + "system: hgx-h100\n"
# 4 × 512 blocks of 16 tokens; a block of Llama 3.1 8B in bf16 is 2 MiB: 4 GiB. On an H100 a rank has 84.92 GB × 90 % −
# 16 060 522 496 of weights − 5 GiB = 54 998 768 384 bytes of room, 26 225 blocks, and fits 51 sequences.
LARGE = PLACED.replace("sequences: 4", "sequences: 500")


def check(folder: Path, text: str, *bounds: str):
    lines = "".join(f"  {bound}\n" for bound in bounds)
    (folder / "one.yaml").write_text(text + (f"expect:\n{lines}" if bounds else ""), encoding="utf-8")
    return kvplan.check(folder / "one.yaml")


def found(result) -> list[tuple[str, str]]:
    return [(finding.rule, finding.path) for finding in result.findings]


@pytest.mark.parametrize(
    ("bound", "findings"),
    [
        ("held_bytes: {max: 5 GB}", []),
        # 4 × 8192 × 131072 B = 4 294 967 296
        ("held_bytes: 4294967296 B", []),
        ("held_bytes: {min: 4 GiB, max: 4 GiB}", []),
        ("held_bytes: {max: 4 GB}", [("KV401", "expect.held_bytes.max")]),
        ("held_bytes: {min: 5 GB}", [("KV401", "expect.held_bytes.min")]),
        ("held_bytes: 4 GB", [("KV401", "expect.held_bytes")]),
        ("held_bytes: {min: 5 GB, max: 4 GB}", [("KV018", "expect.held_bytes")]),
        ("held_bytes: 4", [("KV009", "expect.held_bytes")]),
        ("held_bytes: true", [("KV007", "expect.held_bytes")]),
        ("held_bytes: [4 GB]", [("KV007", "expect.held_bytes")]),
        ("held_bytes: {}", [("KV008", "expect.held_bytes")]),
        ("held_bytes: {maximum: 4 GB}", [("KV001", "expect.held_bytes.maximum")]),
        ("replicated_bytes: 0", []),
        ("block_size: 16", []),
        ("block_size: {max: 8}", [("KV401", "expect.block_size.max")]),
        ("held_byte: 1 GB", [("KV402", "expect.held_byte")]),
    ],
)
def test_figures_of_a_size(tmp_path, bound, findings):
    assert found(check(tmp_path, SOUND, bound)) == findings


@pytest.mark.parametrize(
    ("bound", "findings"),
    [
        # flag
        ("fits: true", []),
        ("fits: false", [("KV401", "expect.fits")]),
        ("fits: yes", [("KV007", "expect.fits"), ("KV012", "expect.fits")]),  # YAML 1.1 would read it as true
        ("fits: 1", [("KV007", "expect.fits")]),
        ("fits: {max: true}", [("KV007", "expect.fits")]),
        ("proved_optimal: true", []),
        # name
        ("verdict: 'yes'", []),
        ("verdict: depends", [("KV401", "expect.verdict")]),
        ("verdict: maybe", [("KV011", "expect.verdict")]),
        ("verdict: true", [("KV007", "expect.verdict")]),
        ("verdict: {min: depends}", [("KV007", "expect.verdict")]),
        ("binding: none", []),
        ("binding: hbm", [("KV401", "expect.binding")]),
        ("binding: memory", [("KV011", "expect.binding")]),
        # share: 2 048 of 26 225 blocks are 7.8093 %
        ("kv_pool_utilization: {max: 8%}", []),
        ("kv_pool_utilization: {max: 7.8%}", [("KV401", "expect.kv_pool_utilization.max")]),
        ("kv_pool_utilization: {min: 0.079}", [("KV401", "expect.kv_pool_utilization.min")]),
        ("kv_pool_utilization: {max: 8}", [("KV009", "expect.kv_pool_utilization.max")]),
        ("hbm_utilization: {max: 31%}", []),
        # number: blocks of the pool ÷ 8 192 blocks of 131 072 tokens
        ("max_concurrency: {min: 3.2, max: 3.3}", []),
        ("max_concurrency: {min: 3.3}", [("KV401", "expect.max_concurrency.min")]),
        ("max_concurrency: 50%", [("KV007", "expect.max_concurrency")]),
        ("max_concurrency: {max: -1}", [("KV007", "expect.max_concurrency.max")]),
        # count
        ("accelerators_used: 1", []),
        ("accelerators_used: {max: 0}", [("KV401", "expect.accelerators_used.max")]),
        ("accelerators_used: 1.5", [("KV007", "expect.accelerators_used")]),
        ("accelerators_used: 1 GB", [("KV007", "expect.accelerators_used")]),
        ("crossings: 0", []),
        ("gap: 0", []),
        ("gap: {min: -1, max: 0}", []),
        ("max_sequences: 51", []),
        ("max_sequences: {min: 52}", [("KV401", "expect.max_sequences.min")]),
        # tokens
        ("longest_context: {min: 8Ki}", []),
        ("context: 8Ki", []),
        ("max_model_len: {max: 128Ki}", []),
        (
            "longest_context: {min: 1M}",
            [("KV401", "expect.longest_context.min"), ("KV014", "expect.longest_context.min")],
        ),
        ("tokens: {min: 419600}", []),
        ("tokens: {min: 419601}", [("KV401", "expect.tokens.min")]),
        # bytes
        ("pool_bytes: 54998768384 B", []),
        ("pool_bytes: {min: 55 GB}", [("KV401", "expect.pool_bytes.min")]),
        ("pool_bytes: 0", [("KV401", "expect.pool_bytes")]),
        ("weights_bytes: {max: 16060522496 B}", []),
        # of a name that is none, and one that is near
        ("accelerator_used: 1", [("KV402", "expect.accelerator_used")]),
    ],
)
def test_figures_of_fit_and_place(tmp_path, bound, findings):
    assert sorted(found(check(tmp_path, PLACED, bound))) == sorted(findings)


def test_the_bytes_of_the_pool_are_those_of_the_sum(tmp_path):
    fit = kvplan.fit(PLACED)
    assert fit.pool_bytes == 84_920_000_000 * 9 // 10 - 16_060_522_496 - 5 * 2**30 == 54_998_768_384
    assert (fit.blocks, fit.max_sequences) == (26_225, 51)


@pytest.mark.parametrize("figure", ["fits: true", "verdict: 'yes'", "accelerators_used: {max: 64}", "pool_bytes: 4 GB"])
def test_without_a_fleet_figures_of_fit_and_place_are_none(tmp_path, figure):
    (finding,) = check(tmp_path, SOUND, figure).findings
    assert (finding.rule, finding.path) == ("KV402", f"expect.{figure.split(':')[0]}")
    assert finding.message.endswith("and nothing says what there is to place on")
    assert finding.help == "add `system: al128`, or a fleet"


def test_an_unmet_expectation_says_what_is_and_what_was_expected(tmp_path):
    (finding,) = check(tmp_path, SOUND, "held_bytes: {max: 4 GB}").findings
    assert finding.message == (
        "held_bytes is 4.295 GB (4,294,967,296 bytes), expected at most 4.000 GB (4,000,000,000 bytes)"
    )
    assert finding.excerpt == "  held_bytes: {max: 4 GB}"
    assert (finding.place.line, finding.place.column, finding.place.end_column) == (6, 21, 25)
    assert finding.help.startswith("1.07 times the bound")


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ("fits: false", "fits is true, expected false"),
        ("verdict: depends", "verdict is yes, expected depends"),
        ("kv_pool_utilization: {max: 1%}", "kv_pool_utilization is 7.8093%, expected at most 1%"),
        ("max_concurrency: {min: 12.5}", "max_concurrency is 3.20129, expected at least 12.5"),
        ("accelerators_used: 8", "accelerators_used is 1, expected 8"),
        ("tokens: {min: 500000}", "tokens is 419,600, expected at least 500,000"),
    ],
)
def test_each_kind_of_figure_in_words(tmp_path, bound, message):
    (finding,) = check(tmp_path, PLACED, bound).findings
    assert finding.message == message


def test_a_miss_of_the_fleet_says_what_would_fit(tmp_path):
    findings = {item.rule: item for item in check(tmp_path, LARGE, "fits: true").findings}
    assert set(findings) == {"KV201", "KV401"}
    assert findings["KV401"].help.startswith("each of these alone would fit: --batch 408, --context ")
    assert findings["KV401"].note == "92 of 500 sequences are left over; what stops more: the number of accelerators"


def test_what_is_not_met_because_it_depends_names_the_facts(tmp_path):
    text = PLACED.replace("sequences: 4", "sequences: 409")
    findings = check(tmp_path, text, "fits: true").findings
    note = next(item.note for item in findings if item.rule == "KV401")
    assert note == (
        "1 of 409 sequences is left over; what stops more: the number of accelerators; it depends on hbm_engine_visible, reserve, and is held "
        "at the safe end"
    )


def test_several_deployments(tmp_path):
    text = (
        "kvplan: 1\nsystem: hgx-h100\ndeployments: [{name: a, model: llama-3.1-8b}, {name: b, model: llama-3.1-8b}]\n"
        "requests: [{deployment: a, sequences: 4, context: 8192}, {deployment: b, sequences: 4, context: 8192}]\n"
    )
    assert found(check(tmp_path, text, "fits: true", "accelerators_used: 2", "held_bytes: 8 GiB")) == []
    (finding,) = check(tmp_path, text, "pool_bytes: {min: 1 GB}").findings
    assert (finding.rule, finding.message) == (
        "KV402",
        "`pool_bytes` is a figure of one deployment's rank, and there are 2",
    )


def test_a_rank_of_several_systems_is_none(tmp_path):
    text = SOUND + "fleet: [{system: al128}, {system: hgx-h100}]\n"
    assert found(check(tmp_path, text, "fits: true", "accelerators_used: 1")) == []
    assert found(check(tmp_path, text, "pool_bytes: {min: 1 GB}")) == [("KV018", "fleet")]


def test_every_figure_may_be_expected():
    place = kvplan.place(PLACED)
    answers = {"size": kvplan.size(PLACED), "fit": kvplan.fit(PLACED), "place": place}
    for name, figure in FIGURES.items():
        assert isinstance(getattr(answers[figure.verb], name), int | float | str), name
    size = {"held_bytes", "rank_peak_bytes", "model_bytes_per_token"}
    fit = {"pool_bytes", "blocks", "tokens", "max_sequences", "longest_context", "max_concurrency"}
    of_place = {
        "fits",
        "verdict",
        "binding",
        "accelerators_used",
        "kv_pool_utilization",
        "crossings",
        "lower_bound",
        "gap",
    }
    assert size | fit | of_place <= set(FIGURES)
    assert {FIGURES[name].verb for name in size} == {"size"}
    assert {FIGURES[name].verb for name in fit} == {"fit"}
    assert {FIGURES[name].verb for name in of_place} == {"place"}


def test_expectations_are_read_where_something_else_is_wrong(tmp_path):
    result = check(tmp_path, SOUND.replace("llama-3.1-8b", "lama"), "nope: 1")
    assert sorted(found(result)) == [("KV011", "model"), ("KV402", "expect.nope")]

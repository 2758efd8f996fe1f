"""check places too: what does not fit is an error, what hangs on a fact a warning that names it; unless it is expected."""

from pathlib import Path

import pytest

import kvplan

ROOT = Path(__file__).resolve().parents[2]
# One H100 holds 51 sequences of 8 192 tokens at the safe end, one more with less in reserve or more memory.
TEXT = "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests:\n  - {sequences: 8, context: 8192}\n"


def check(folder: Path, text: str):
    (folder / "one.yaml").write_text(text, encoding="utf-8")
    return kvplan.check(folder / "one.yaml")


def found(result) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.severity, finding.path) for finding in result.findings]


def of(sequences: int, more: str = "") -> str:
    return TEXT.replace("sequences: 8", f"sequences: {sequences}") + more


def test_what_fits_is_not_spoken_of(tmp_path):
    assert found(check(tmp_path, of(408))) == []


def test_what_fits_at_no_value_of_the_facts_is_an_error(tmp_path):
    result = check(tmp_path, of(500))
    assert found(result) == [("KV201", "error", "system")]
    (finding,) = result.findings
    assert (
        finding.message
        == "does not fit: 92 of 500 sequences are left over; what stops more: the number of accelerators"
    )
    assert finding.help.startswith("each of these alone would fit: --batch 408, --context ")
    assert finding.excerpt == "system: hgx-h100"
    assert not result.passed


def test_what_hangs_on_facts_is_a_warning_that_names_them(tmp_path):
    result = check(tmp_path, of(409))
    assert found(result) == [("KV501", "warning", "system")]
    (finding,) = result.findings
    assert finding.message.startswith("whether it fits depends on hbm_engine_visible (84.92 GB to 85.03 GB), ")
    assert "reserve (3.221225 GB to 5.368709 GB): yes from " in finding.message
    assert finding.message.endswith(
        "At the safe end 1 of 409 sequences is left over; what stops more: the number of accelerators"
    )
    assert finding.help.startswith("measure it and give it, as in fleet: [{system: hgx-h100, facts: ")
    assert result.passed


def test_a_fact_that_is_measured_decides(tmp_path):
    fleet = "fleet: [{system: hgx-h100, facts: {hbm_engine_visible: {value: 84.94 GB, status: measured, source: us}}}]"
    text = of(409, "deployment: {memory: {reserve: %s}}\n").replace("system: hgx-h100", fleet)
    assert found(check(tmp_path, text % "4 GiB")) == []
    assert found(check(tmp_path, text % "5 GiB")) == [("KV201", "error", "fleet")]


@pytest.mark.parametrize(
    ("sequences", "expected", "rules"),
    [
        (500, "fits: false", []),
        (500, "verdict: no", ["KV012"]),  # YAML 1.1 reads it as false
        (500, "verdict: depends", ["KV201", "KV401"]),
        (500, "fits: true", ["KV201", "KV401"]),
        (409, "fits: false", []),
        (409, "verdict: depends", []),
        (409, "fits: true", ["KV401", "KV501"]),
        (409, "verdict: 'no'", ["KV401", "KV501"]),
        (8, "fits: false", ["KV401"]),
    ],
)
def test_what_is_expected_is_not_told_again(tmp_path, sequences, expected, rules):
    result = check(tmp_path, of(sequences, f"expect: {{{expected}}}\n"))
    assert sorted(finding.rule for finding in result.findings) == rules


def test_neither_a_place_nor_a_proof_that_there_is_none_is_a_warning(tmp_path):
    # One accelerator of 20 blocks, no ranges. Two classes of 5 blocks a sequence and 5 of their prefix: 2 × 5 + 5 and
    # 5 + 5 are 25. The bound counts the prefix that no accelerator does without, 5 of 20, and 15 of sequences.
    text = (
        "kvplan: 1\nmodel: llama-3.1-8b\n"
        "fleet: [{system: hgx-h100, facts: {hbm_engine_visible: 40 MiB, native_group_accelerators: 1,"
        " node_accelerators: 1}}]\n"
        "deployment: {memory: {fraction: 1, reserve: 0}, weights: 0}\n"
        "requests:\n"
        "  - {sequences: 2, context: 160, prefix: {tokens: 80}}\n  - {sequences: 1, context: 160, prefix: {tokens: 80}}\n"
    )
    result = check(tmp_path, text)
    assert found(result) == [("KV202", "warning", "fleet")]
    (finding,) = result.findings
    assert finding.message.startswith("no place was found for everything: 1 of 3 sequences is left over")
    assert result.passed
    assert found(check(tmp_path, text + "expect: {verdict: depends}\n")) == []


def test_replicas_without_a_seat(tmp_path):
    (finding,) = check(tmp_path, of(8, "deployment: {replicas: 9}\n")).findings
    assert (finding.rule, finding.path) == ("KV201", "system")
    assert (
        finding.message
        == "does not fit: not every replica that is asked for has a seat; what stops more: the number of accelerators"
    )
    assert "--count 2" in finding.help


def test_without_a_fleet_nothing_is_placed(tmp_path):
    assert found(check(tmp_path, of(10**6).replace("system: hgx-h100\n", ""))) == []


def test_what_an_engine_refuses_is_found_once(tmp_path):
    text = of(8, "deployment: {tensor_parallel: 3}\n")
    assert [rule for rule, _, _ in found(check(tmp_path, text))] == ["KV301"]


def test_weights_that_are_not_known_are_found(tmp_path):
    model = (
        "model: {name: m, num_q_heads: 8, hidden_size: 1024, kv_format: bf16,"
        " layers: [{kind: full_attention, count: 4, num_kv_heads: 8, head_dim: 128}]}"
    )
    text = TEXT.replace("model: llama-3.1-8b", model)
    assert [rule for rule, _, _ in found(check(tmp_path, text))] == ["KV008"]
    assert found(check(tmp_path, text.replace("system: hgx-h100\n", ""))) == []


def test_shipped_workloads_hold_what_they_expect():
    result = kvplan.check(ROOT / "workloads")
    assert [finding for finding in result.findings if finding.severity != "note"] == []
    assert result.summary.files >= 5
    assert any("system:" in path.read_text(encoding="utf-8") for path in (ROOT / "workloads").glob("*.yaml"))

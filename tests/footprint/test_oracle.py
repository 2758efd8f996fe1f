"""vLLM 0.32 was run; kvplan says the same bytes: figures of the catalog anywhere, every row beside the oracle."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter

import pytest

import kvplan
from kvplan.errors import SpecError
from tests.footprint.oracle_figures import COLUMNS, FIGURES, PEAK_COLUMNS, PEAKS

OTHER_MODELS = {
    "deepseek-v3.2", "falcon-h1-0.5b", "gemma-3n-e4b-text", "hunyuan-large-cla-4layer", "jamba-v0.1", "kimi-linear-48b",
    "mamba2-hf-default", "nemotron-3-nano-30b", "qwen2.5-vl-7b", "qwen3-next-80b", "qwen3.5-35b-a3b", "whisper-tiny",
    "zamba2-hf-default",
}  # fmt: skip
FORMATS = {"bf16", "fp8"}
PLATFORMS = {"sm90": "9.0", "sm100": "10.0"}


def table(columns, text):
    return [dict(zip(columns, line.split(), strict=True)) for line in text.strip().splitlines()]


FIGURE_ROWS, PEAK_ROWS = table(COLUMNS, FIGURES), table(PEAK_COLUMNS, PEAKS)


def flags(row):
    """A row's columns as the flags of size."""
    options = {
        "max_in_flight_tokens": "4096",
        "prefix_caching": row["prefix_caching"],
        "hybrid_kv_cache_manager": row["hybrid_kv_cache_manager"],
    }
    if row["compute_capability"] != "9.0":
        options["compute_capability"] = row["compute_capability"]
    names = ("context", "kv_format", "tensor_parallel", "pipeline_parallel", "pipeline_rank", "decode_context_parallel")
    asked = {"batch": 1, "engine": "vllm@0.32", "engine_options": options, **{name: row[name] for name in names}}
    if row["block_size"] != "1":
        asked["block_size"] = row["block_size"]
    return asked


def expected(row):
    return {
        f"rank_{row['accounting']}_bytes": int(row["bytes_per_sequence"]),
        "rank_bytes_per_token": int(row["bytes_per_token"]),
        "rank_bytes_per_token_unbounded": int(row["bytes_per_token_unbounded"]),
    }


def name_of(row):
    return "-".join(row[name] for name in COLUMNS[:-3])


@pytest.mark.parametrize("row", FIGURE_ROWS, ids=name_of)
def test_figures_of_the_catalog(row):
    result = kvplan.size(model=row["model"], **flags(row))
    assert {name: getattr(result, name) for name in expected(row)} == expected(row)


@pytest.mark.parametrize("row", PEAK_ROWS, ids=lambda row: f"{row['model']}-{row['context']}")
def test_peaks_of_the_catalog(row):
    result = kvplan.size(
        model=row["model"], context=row["context"], kv_format="bf16", block_size=16, engine="vllm@0.32"
    )
    assert (result.rank_held_bytes, result.rank_peak_bytes) == (int(row["held"]), int(row["peak"]))


def test_the_figures_cover_what_they_claim():
    assert {row["accounting"] for row in FIGURE_ROWS} == {"minimum", "held", "reserved"}
    assert {(row["pipeline_parallel"], row["pipeline_rank"]) for row in FIGURE_ROWS} == {
        ("1", "0"),
        ("2", "0"),
        ("2", "1"),
    }
    assert {row["decode_context_parallel"] for row in FIGURE_ROWS} == {"1", "2", "8", "16"}
    assert {row["tensor_parallel"] for row in FIGURE_ROWS} == {"1", "8", "16"}
    assert len({row["model"] for row in FIGURE_ROWS}) == 30


@pytest.fixture(scope="session")
def rows(shared):
    """Every row of vLLM, in the words of the table above."""
    with (shared / "data/models/expected.csv").open(newline="") as file:
        read = [row for row in csv.DictReader(file) if row["engine"] == "vllm-0.32.0"]
    for row in read:
        row["hybrid_kv_cache_manager"] = row.pop("hybrid_manager")
        row["compute_capability"] = PLATFORMS[row.pop("platform")]
    return read


@pytest.fixture(scope="session")
def configs(shared, tmp_path_factory):
    """Configs in files of their own, each under the key ``config``."""
    folder = tmp_path_factory.mktemp("configs")
    for path in (shared / "data/models/configs").glob("*.json"):
        (folder / path.name).write_text(json.dumps({"config": json.loads(path.read_text())["config"]}))
    return folder


def known(row):
    return row["model"] not in OTHER_MODELS and row["kv_format"] in FORMATS


def outcome(row, configs):
    """``equal``, ``refused`` or ``wrong``, and the first thing that is wrong."""
    try:
        result = kvplan.size(model=str(configs / f"{row['model']}.json"), **flags(row))
    except SpecError as error:
        return "refused", str(error)
    got = {name: getattr(result, name) for name in expected(row)}
    return ("equal", "") if got == expected(row) else ("wrong", f"{name_of(row)}: {got} for {expected(row)}")


def test_every_row_is_equal_or_refused(rows, configs):
    outcomes = [(row, *outcome(row, configs)) for row in rows]
    counts = Counter((("known" if known(row) else "other"), said) for row, said, _ in outcomes)
    strays = [
        f"{name_of(row)}: {said}: {why}" for row, said, why in outcomes if said != ("refused", "equal")[known(row)]
    ]
    assert not strays, f"{dict(counts)}, the first: {strays[:3]}"
    assert counts == {("known", "equal"): 1212, ("other", "refused"): 726}, dict(counts)


def test_every_refusal_names_the_model_or_the_format(rows, configs):
    unsaid = set()
    for model, kv_format in {(row["model"], row["kv_format"]): None for row in rows if not known(row)}:
        with pytest.raises(SpecError) as caught:
            kvplan.size(model=str(configs / f"{model}.json"), context=4096, kv_format=kv_format, engine="vllm@0.32")
        if not {finding.rule for finding in caught.value.findings} & {"KV017", "KV015", "KV013"}:
            unsaid.add((model, kv_format, str(caught.value)))
    assert not unsaid


def test_every_peak_of_a_held_row(rows, configs):
    held = [row for row in rows if row["accounting"] == "held" and known(row)]
    wrong = []
    for row in held:
        result = kvplan.size(model=str(configs / f"{row['model']}.json"), **flags(row))
        peak = int(re.search(r"peak during prefill (\d+)", row["how"])[1])
        if result.rank_peak_bytes != peak:
            wrong.append((name_of(row), result.rank_peak_bytes, peak))
    assert not wrong, f"{len(wrong)} of {len(held)}: {wrong[:3]}"
    assert len(held) == 176


def command_line(row, model):
    """The words that a user would type."""
    asked = flags(row)
    options = asked.pop("engine_options")
    words = [word for name, value in asked.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["size", "--model", model, *words, *(w for k, v in options.items() for w in ("--engine-option", f"{k}={v}"))]


def run(arguments):
    return subprocess.run(
        [sys.executable, "-m", "kvplan", *arguments, "--format", "json"], capture_output=True, text=True, check=False
    )


def test_a_sample_through_the_command_line(rows, configs):
    sample = [row for row in rows if known(row)][::47]
    assert len(sample) >= 25
    wrong = []
    for row in sample:
        done = run(command_line(row, str(configs / f"{row['model']}.json")))
        result = json.loads(done.stdout)
        got = {name: result.get(name) for name in expected(row)}
        if done.returncode or got != expected(row):
            wrong.append((name_of(row), done.returncode, got, expected(row)))
    assert not wrong


@pytest.mark.parametrize(("model", "rule"), [("jamba-v0.1", "KV017"), ("mamba2-hf-default", "KV013")])
def test_other_models_end_the_command_line_with_2(configs, model, rule):
    done = run(["size", "--model", str(configs / f"{model}.json"), "--context", "4096", "--engine", "vllm@0.32"])
    result = json.loads(done.stdout)
    assert (done.returncode, result["kind"], rule in {item["rule"] for item in result["findings"]}) == (
        2,
        "error",
        True,
    )

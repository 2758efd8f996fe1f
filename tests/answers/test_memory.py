"""What a rank holds beside KV: weights from the architecture, an index, a format or given, by stage; and the reserve."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import kvplan

GIB = 1 << 30

# Two layers, hidden 256, 4 heads and 2 KV heads of 64, MLP 512, 1 024 words, bf16. Parameters of a layer:
#   q 256 × 256, k and v 128 × 256 each, o 256 × 256, MLP 3 × 512 × 256, norms 2 × 256 = 590 336; embedding and head
#   1 024 × 256 each, last norm 256: 2 × 590 336 + 524 288 + 256 = 1 705 216, in bf16 3 410 432 bytes.
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "intermediate_size": 512, "vocab_size": 1024,
    "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip
MODEL_BYTES = 3_410_432
TEXT = "kvplan: 1\nmodel: small\nsystem: hgx-h100\nrequests: [{sequences: 1, context: 1Ki}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workload, and the config of a small model below it."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "w.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def index_of(folder: Path, content: Any) -> None:
    path = folder / "small" / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": content, "weight_map": {}}), encoding="utf-8")


def weights(workload: Path | None = None, **flags: Any) -> tuple[int, str]:
    """Weights of a rank as fit has them, and who says so; place says the same."""
    fit, place = kvplan.fit(workload, **flags), kvplan.place(workload, **flags).deployments[0]
    assert (fit.weights_bytes, fit.weights_source) == (place.weights_bytes, place.weights_source)
    assert (fit.reserve_bytes, fit.pool_bytes) == (place.reserve_bytes, place.pool_bytes)
    return fit.weights_bytes, fit.weights_source


def test_from_the_architecture(folder: Path) -> None:
    assert weights(folder / "w.yaml") == (MODEL_BYTES, "from the architecture (16 bits)")
    # On one of two ranks half of all matrices, and norms (2 × 512 + 256) whole.
    assert weights(folder / "w.yaml", tensor_parallel=2)[0] == (MODEL_BYTES - 2 * 1280) // 2 + 2 * 1280
    # Of four ranks each holds one of two KV heads, twice in all.
    quarter = (MODEL_BYTES - 2 * 1280) // 4 + 2 * 1280 + 2 * 2 * 2 * 32 * 256
    assert weights(folder / "w.yaml", tensor_parallel=4)[0] == quarter


def test_an_index_beside_the_config_says_the_size_of_the_checkpoint(folder: Path) -> None:
    index_of(folder, {"total_size": 10 * MODEL_BYTES})
    assert weights(folder / "w.yaml") == (10 * MODEL_BYTES, "the index beside the config")
    # A rank's part of it is in the proportion of the counted bytes.
    half = (MODEL_BYTES - 2 * 1280) // 2 + 2 * 1280
    assert weights(folder / "w.yaml", tensor_parallel=2)[0] == 10 * half


@pytest.mark.parametrize(("times", "warned"), [(4, False), (5, True), (0.25, False), (0.2, True)])
def test_an_index_far_from_the_count_is_a_warning(folder: Path, times: float, warned: bool) -> None:
    index_of(folder, {"total_size": int(times * MODEL_BYTES)})
    for verb in (kvplan.fit, kvplan.place):
        assert ("KV110" in [note.rule for note in verb(folder / "w.yaml").notes]) == warned


def test_a_format_asked_for_counts_more_than_the_index(folder: Path) -> None:
    index_of(folder, {"total_size": 10 * MODEL_BYTES})
    # fp8: a byte an element and an fp32 scale a matrix in 7 matrices of 2 layers; the rest in 16 bits.
    matrices = 2 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256)
    fp8 = matrices + 2 * 7 * 4 + 2 * (2 * 512 + 2 * 1024 * 256 + 256)
    assert weights(folder / "w.yaml", weights="fp8") == (fp8, "from the architecture, loaded in fp8")
    assert weights(folder / "w.yaml", weights="bf16")[0] == MODEL_BYTES


def test_given_weights_are_those_of_a_rank_of_every_stage(folder: Path) -> None:
    index_of(folder, {"total_size": 10 * MODEL_BYTES})
    assert weights(folder / "w.yaml", weights="1 GB", tensor_parallel=2) == (10**9, "given")
    stages = kvplan.place(folder / "w.yaml", weights="1 GB", pipeline_parallel=2).plan.deployments[0].stages
    assert [stage.weights_bytes for stage in stages] == [10**9, 10**9]
    assert weights(folder / "w.yaml", weights="0 GB") == (0, "given")


def test_a_model_named_by_a_flag_may_lie_anywhere_with_its_index(folder: Path, tmp_path: Path) -> None:
    index_of(folder, {"total_size": 20 * MODEL_BYTES})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "w.yaml").write_text(TEXT.replace("small", "gpt2"), encoding="utf-8")
    assert weights(elsewhere / "w.yaml", model=str(folder / "small"))[0] == 20 * MODEL_BYTES
    assert weights(model=str(folder / "small"), context=16, system="hgx-h100")[0] == 20 * MODEL_BYTES


@pytest.mark.parametrize("verb", [kvplan.fit, kvplan.place])
def test_an_index_that_says_nothing_is_found_at_the_model(folder: Path, verb: Any) -> None:
    index_of(folder, {"size": 3})
    with pytest.raises(kvplan.SpecError) as caught:
        verb(folder / "w.yaml")
    (finding,) = caught.value.findings
    assert (finding.rule, finding.path, finding.excerpt) == ("KV008", "model", "model: small")
    assert finding.note.endswith("small/model.safetensors.index.json")
    assert verb(folder / "w.yaml", weights="1 GB").verdict == "yes"  # given weights need no index


def test_an_index_outside_of_the_workloads_folder_is_not_read(folder: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "model.safetensors.index.json"
    outside.write_text('{"metadata": {"total_size": 123456789}}', encoding="utf-8")
    (folder / "small" / outside.name).symlink_to(outside)
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.place(folder / "w.yaml")
    (finding,) = caught.value.findings
    assert (finding.rule, "outside the folder" in finding.message) == ("KV016", True)
    assert "123456789" not in finding.message + finding.note


MAPPING = {
    "name": "unheard-of", "num_q_heads": 8, "hidden_size": 1024, "kv_format": "bf16",
    "layers": [{"kind": "full_attention", "count": 4, "num_kv_heads": 8, "head_dim": 128}],
}  # fmt: skip


@pytest.mark.parametrize("verb", [kvplan.fit, kvplan.place])
def test_weights_that_nothing_tells_are_asked_for(verb: Any) -> None:
    flags: dict[str, Any] = {"model": MAPPING, "context": 1024, "system": "hgx-h100"}
    for asked in ({}, {"weights": "fp8"}):
        with pytest.raises(kvplan.SpecError) as caught:
            verb(**flags, **asked)
        (finding,) = caught.value.findings
        assert (finding.rule, finding.path) == ("KV008", "deployments[0].weights")
        assert "weights: 17.5 GB" in finding.help
    assert verb(**flags, weights="1 GB").fits


def test_matrices_that_ranks_cannot_share_are_refused(folder: Path) -> None:
    config = {**CONFIG, "intermediate_size": 511}
    (folder / "small" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.fit(folder / "w.yaml", tensor_parallel=2)
    (finding,) = caught.value.findings
    assert (finding.rule, finding.path) == ("KV301", "deployment.tensor_parallel")
    assert kvplan.fit(folder / "w.yaml", tensor_parallel=2, weights="1 MB").fits


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ("1 GB", (2, 2.5, 3)),
        ("9.99 GiB", (2, 2.5, 3)),
        ("10 GiB", (3, 4, 5)),
        ("60 GiB", (3, 4, 5)),
        ("61 GiB", (6, 9, 12)),
    ],
)
def test_the_reserve_is_assumed_by_the_weights_of_a_rank(given: str, ends: tuple[float, ...]) -> None:
    # All but 61 GiB is whole bytes; 9.99 GiB is given as such.
    given = str(int(Fraction(given.split()[0]) * GIB)) + " B" if given.endswith("GiB") else given
    fit = kvplan.fit(model="llama-3.1-8b", context=1024, system="hgx-b200", weights=given)
    low, nominal, high = (int(end * GIB) for end in ends)
    assert fit.reserve_source == "assumed from measurements"
    assert (fit.reserve_bytes, fit.ranges["reserve_bytes"]) == (high, {"low": low, "nominal": nominal, "high": high})


def test_a_reserve_that_is_given_is_no_range() -> None:
    flags: dict[str, Any] = {"model": "llama-3.1-8b", "context": 1024, "system": "al128", "weights": "1 GB"}
    fit = kvplan.fit(reserve="4 GiB", **flags)
    assert (fit.reserve_bytes, fit.reserve_source, "reserve_bytes" in fit.ranges) == (4 * GIB, "given", False)
    none = kvplan.fit(reserve="0 GiB", **flags)
    assert (none.reserve_bytes, none.pool_bytes - fit.pool_bytes) == (0, 4 * GIB)


def test_a_reserve_may_be_measured_as_a_range() -> None:
    fit = kvplan.fit(
        model="llama-3.1-8b", context=1024, system="al128",
        set={"facts.reserve": "{low: 2 GiB, high: 4 GiB, status: measured, source: our logs}"},
    )  # fmt: skip
    assert (fit.reserve_bytes, fit.reserve_source) == (4 * GIB, "our logs")
    assert fit.ranges["reserve_bytes"] == {"low": 2 * GIB, "nominal": 4 * GIB, "high": 4 * GIB}


@pytest.mark.parametrize(
    ("engine", "fraction", "source"),
    [
        ("paged", 0.9, "assumed, as many engines' default"),
        ("vllm@0.9", 0.9, "default of vllm 0.9"),
        ("vllm@0.19.1", 0.9, "default of vllm 0.19.1"),
        ("vllm@0.20", 0.92, "default of vllm 0.20"),
        ("vllm@0.33", 0.92, "default of vllm 0.33"),
    ],
)
def test_the_memory_fraction_is_the_engines_own_of_all_memory(engine: str, fraction: float, source: str) -> None:
    flags: dict[str, Any] = {"model": "llama-3.1-8b", "context": 1024, "system": "al128", "engine": engine}
    fit = kvplan.fit(**flags)
    assert (fit.memory_fraction, fit.fraction_source) == (fraction, source)
    assert fit.room_bytes == int(Fraction(str(fraction)) * 144_000_000_000)
    given = kvplan.fit(memory_fraction="85.5%", **flags)
    assert (given.memory_fraction, given.fraction_source) == (0.855, "given")
    assert given.room_bytes == 123_120_000_000


def test_a_memory_fraction_in_python_is_the_decimal_that_it_prints() -> None:
    fit = kvplan.fit(model="llama-3.1-8b", context=1024, system="al128", memory_fraction=0.93)
    assert fit.room_bytes == 133_920_000_000

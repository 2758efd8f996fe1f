"""The index beside a config: its total_size, and what is wrong with an index."""

import json
import time

import pytest

from kvplan.errors import SpecError
from kvplan.spec.huggingface.checkpoint import INDEX, MAX_INDEX_BYTES, checkpoint_bytes


def written(folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / INDEX).write_text(text, encoding="utf-8")
    return folder / "config.json"


def test_no_index(tmp_path):
    assert checkpoint_bytes(tmp_path / "config.json") is None


@pytest.mark.parametrize(
    "metadata",
    [{"total_size": 16060522496}, {"total_size": 16060522496.0}, {"total_parameters": 8, "total_size": 16060522496}],
)
def test_the_size(tmp_path, metadata):
    assert checkpoint_bytes(written(tmp_path, {"metadata": metadata, "weight_map": {"a": "b"}})) == 16060522496


def test_metadata_may_stand_last_and_far(tmp_path):
    names = {f"model.layers.{index}.mlp.experts.{index}.up_proj.weight": "model.safetensors" for index in range(50_000)}
    assert checkpoint_bytes(written(tmp_path, {"weight_map": names, "metadata": {"total_size": 7}})) == 7


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "KV008"),
        ("{}", "KV008"),
        ("not json", "KV008"),
        ('{"metadata": {}}', "KV008"),
        ('{"metadata": {"total_size": "16 GB"}}', "KV008"),
        ('{"metadata": {"total_size": true}}', "KV008"),
        ('{"metadata": {"total_size": 1.5}}', "KV008"),
        ('{"metadata": {"total_size": NaN}}', "KV008"),
        ('{"metadata": {"total_size": 0}}', "KV010"),
        ('{"metadata": {"total_size": -1}}', "KV010"),
        ('{"metadata": {"total_size": 4611686018427387904}}', "KV010"),
        ('{"metadata": {"total_size": }}', "KV003"),
        ('{"metadata": {"total_size": ' + "9" * 5000 + "}}", "KV003"),
    ],
)
def test_what_is_wrong_with_an_index(tmp_path, content, rule):
    with pytest.raises(SpecError) as caught:
        checkpoint_bytes(written(tmp_path, content), "models/config.json")
    (finding,) = caught.value.findings
    assert finding.rule == rule
    assert finding.file == f"models/{INDEX}"


def test_hostile_indexes_are_refused_at_once(tmp_path):
    for content in ("[" * (1 << 20), '{"metadata": {' * (1 << 18), '"metadata": {' + "a" * (1 << 22)):
        start = time.perf_counter()
        with pytest.raises(SpecError):
            checkpoint_bytes(written(tmp_path, content))
        assert time.perf_counter() - start < 2


def test_a_larger_index_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("kvplan.spec.huggingface.checkpoint.MAX_INDEX_BYTES", 100)
    with pytest.raises(SpecError, match="larger than"):
        checkpoint_bytes(written(tmp_path, {"metadata": {"total_size": 1}, "weight_map": {"a": "b" * 100}}))
    assert MAX_INDEX_BYTES == 64 << 20


def test_an_index_outside_of_the_roots(tmp_path):
    (tmp_path / "inside").mkdir()
    config = written(tmp_path, {"metadata": {"total_size": 1}})
    with pytest.raises(SpecError) as caught:
        checkpoint_bytes(config, roots=(tmp_path / "inside",))
    assert caught.value.findings[0].rule == "KV016"

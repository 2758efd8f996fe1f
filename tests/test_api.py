"""The public Python API: load, size and check, frozen values, the same errors as the command line."""

import dataclasses
import subprocess
import sys

import pytest

import kvplan

TEXT = """
kvplan: 1
model: llama-3.1-8b
requests:
  - {name: chat, sequences: 4, context: 8Ki}
"""


def test_size_of_flags_of_text_and_of_a_loaded_workload_agree(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(TEXT, encoding="utf-8")
    flags = kvplan.size(model="llama-3.1-8b", batch=4, context=8192)
    for asked in (TEXT, file, kvplan.load(TEXT), kvplan.load(file)):
        assert kvplan.size(asked).held_bytes == flags.held_bytes == 4 * 8192 * 131072


def test_flags_are_set_over_a_workload():
    # 4 × 8192 tokens × 65536 B in fp8, half of the 16 bits
    assert kvplan.size(TEXT, kv_format="fp8").minimum_bytes == 4 * 8192 * 65536
    assert kvplan.size(TEXT, batch=8).minimum_bytes == 8 * 8192 * 131072
    assert kvplan.size(TEXT, context="16Ki").minimum_bytes == 4 * 16384 * 131072
    assert kvplan.size(TEXT, set={"requests.0.sequences": 1}).minimum_bytes == 8192 * 131072
    assert kvplan.size(TEXT, set={"deployments.0.tensor_parallel": "8"}).rank_bytes_per_token == 131072 // 8
    assert kvplan.size(TEXT, set={"requests.0.sequences": 1}).set == {"requests.0.sequences": "1"}


def test_engine_options_take_text_and_truth_values():
    off = [
        kvplan.size(
            model="gemma-3-27b", context="128Ki", engine="vllm@0.32", engine_options={"hybrid_kv_cache_manager": value}
        )
        for value in ("off", False)
    ]
    on = kvplan.size(model="gemma-3-27b", context="128Ki", engine="vllm@0.32")
    assert off[0].held_bytes == off[1].held_bytes > on.held_bytes


def test_results_are_frozen_and_their_keys_are_attributes():
    size = kvplan.size(TEXT)
    with pytest.raises(dataclasses.FrozenInstanceError):
        size.held_bytes = 0
    tree = size.to_dict()
    assert all(hasattr(result, key) for result in (size, kvplan.check()) for key in result.to_dict())
    with pytest.raises(TypeError):
        size.set["x"] = "y"
    assert tree["classes"][0]["name"] == "chat"


def test_a_refusal_is_a_spec_error_with_findings():
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.size(model="llama-3.1-8b", context="8Ki", tensor_parallel=3)
    (finding, *_) = caught.value.findings
    assert (finding.rule, finding.path) == ("KV301", "deployments[0].tensor_parallel")
    assert finding.excerpt == "tensor_parallel=3"
    assert isinstance(caught.value, kvplan.KvplanError)


@pytest.mark.parametrize("call", [lambda: kvplan.size(modle="x"), lambda: kvplan.size(3), lambda: kvplan.size(["x"])])
def test_a_wrong_call_is_a_type_error(call):
    with pytest.raises(TypeError):
        call()


def test_importing_costs_nothing():
    code = "import sys, kvplan; print(sorted({'numpy', 'yaml', 'typer', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_public_names_are_all_there():
    assert all(getattr(kvplan, name) is not None for name in kvplan.__all__)
    assert set(kvplan.__all__) <= set(dir(kvplan))
    with pytest.raises(AttributeError):
        _ = kvplan.nothing


def test_a_value_set_over_an_alias_changes_one_place():
    text = """
kvplan: 1
deployments:
  - {name: a, model: llama-3-8b, kv: &format {format: fp16}}
  - {name: b, model: llama-3-8b, kv: *format}
requests:
  - {name: x, deployment: a, sequences: 1, context: 1024}
  - {name: y, deployment: b, sequences: 1, context: 1024}
"""
    size = kvplan.size(text, set={"deployments.0.kv.format": "fp8"})
    # 1024 tokens × 131072 B in 16 bits, half of it in 8
    assert [item.held_bytes for item in size.deployments] == [1024 * 131072 // 2, 1024 * 131072]


@pytest.mark.parametrize(
    "flags",
    [
        {"context": 10**5000},
        {"context": "9" * 60},
        {"batch": -1},
        {"pipeline_rank": ".nan"},
        {"tensor_parallel": 10**50},
    ],
    ids=lambda flags: next(iter(flags)),
)
def test_monstrous_flags_are_findings(flags):
    with pytest.raises(kvplan.SpecError):
        kvplan.size(**{"model": "llama-3-8b", "context": 16, **flags})


@pytest.mark.parametrize(
    "flags",
    [
        {"engine_options": "abc"},
        {"set": "abc"},
        {"kv_format": {}},
        {"model": {1: 2}},
        {"batch": object()},
        {"context": float("nan")},
    ],
    ids=lambda flags: next(iter(flags)),
)
def test_values_that_no_file_could_hold_are_type_errors(flags):
    with pytest.raises(TypeError):
        kvplan.size(**{"model": "llama-3-8b", "context": 16, **flags})


def test_a_whole_float_counts_as_a_number():
    assert (
        kvplan.size(model="llama-3-8b", context=1e6).held_bytes
        == kvplan.size(model="llama-3-8b", context="1M").held_bytes
    )


def test_a_low_quantile_is_never_negative():
    text = """
kvplan: 1
model: llama-3-8b
planning_quantile: 1%
requests: [{sequences: 1, input: {distribution: lognormal, median: 8Ki, p99: 100Ki, max: 131072}}]
"""
    size = kvplan.size(text)
    assert 0 <= size.held_bytes <= size.mean_bytes
    assert all(step.bytes >= 0 for step in size.ladder)


def test_padding_that_would_pass_int64_is_refused():
    layers = [
        {"kind": "sliding_attention", "count": 2046, "num_kv_heads": 1, "head_dim": 3, "sliding_window": 1 << 39},
        {"kind": "full_attention", "num_kv_heads": 1024, "head_dim": 1024},
    ]
    model = {"hidden_size": 8192, "num_q_heads": 1024, "layers": layers}
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.size(model=model, context=1 << 34, engine="vllm@0.32")
    assert [finding.rule for finding in caught.value.findings if finding.severity == "error"] == ["KV102"]


@pytest.mark.parametrize(
    ("engine", "asked", "stored"),
    [
        ("vllm@0.14", None, "bf16"),  # the scheme is not read
        ("vllm@0.15", None, "fp8_e4m3"),
        ("vllm@0.15", "bf16", "fp8_e4m3"),  # and then counts more than what is asked for
        ("vllm@0.22", "bf16", "bf16"),
        ("vllm@0.32", None, "fp8_e4m3"),
        ("paged", None, "fp8_e4m3"),
    ],
)
def test_a_compressed_tensors_scheme_by_version(tmp_path, engine, asked, stored):
    config = tmp_path / "config.json"
    config.write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256,'
        ' "num_attention_heads": 4, "num_key_value_heads": 4, "torch_dtype": "bfloat16", "quantization_config":'
        ' {"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}}'
    )
    size = kvplan.size(model=config, context=1024, engine=engine, kv_format=asked)
    assert size.kv_format == stored
    # 1024 tokens × 2 layers × 4 heads × (64 + 64) elements
    assert size.held_bytes == 1024 * 2 * 4 * 128 * (1 if stored.startswith("fp8") else 2)


def test_a_scheme_that_the_version_does_not_read_is_no_refusal(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256,'
        ' "num_attention_heads": 4, "torch_dtype": "float16", "quantization_config":'
        ' {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "NVFP4"}}}'
    )
    assert kvplan.size(model=config, context=1024, engine="vllm@0.13").kv_format == "fp16"
    assert kvplan.size(model=config, context=1024).kv_format == "nvfp4"

"""What a checkpoint's own config says of storage: its type, the scheme of its weights, the format of K and V."""

import json

import pytest

from kvplan.errors import SpecError
from kvplan.spec.huggingface.families import read_config
from kvplan.spec.text import read_json

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64,
    "num_attention_heads": 4, "max_position_embeddings": 64,
}  # fmt: skip
LATENT = {**LLAMA, "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3"}
GEMMA2 = {**LLAMA, "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2"}


def model_of(config, **keys):
    return read_config(read_json(json.dumps({**config, **keys}), "config.json"), "made-up")


@pytest.mark.parametrize(
    ("config", "keys", "name", "source"),
    [
        (LLAMA, {"dtype": "bfloat16"}, "bf16", "dtype: bfloat16"),
        (LLAMA, {"torch_dtype": "float16"}, "fp16", "torch_dtype: float16"),
        (LLAMA, {"torch_dtype": "torch.float16"}, "fp16", "torch_dtype: float16"),
        (LLAMA, {"dtype": "bfloat16", "torch_dtype": "float16"}, "bf16", "dtype: bfloat16"),
        (LLAMA, {"dtype": None, "torch_dtype": "float16"}, "fp16", "torch_dtype: float16"),
        (
            LLAMA,
            {"torch_dtype": "float32"},
            "bf16",
            "torch_dtype: float32, served in bf16",
        ),  # never 4 bytes from a file
        (LLAMA, {"dtype": None}, "bf16", "no dtype in the config: served in bf16"),
        (LLAMA, {}, "bf16", "no dtype in the config: served in bf16"),
        (GEMMA2, {"torch_dtype": "float16"}, "bf16", "torch_dtype: float16"),  # Gemma overflows in float16
    ],
)
def test_k_and_v_have_the_models_type(config, keys, name, source):
    model = model_of(config, **keys)
    assert (model.kv_format.name, model.kv_format_source, model.quantization) == (name, source, "")


@pytest.mark.parametrize("dtype", [16, True, ["bfloat16"], {}])
def test_a_type_is_a_name(dtype):
    with pytest.raises(SpecError) as caught:
        model_of(LLAMA, dtype=dtype)
    assert [finding.path for finding in caught.value.findings if finding.rule == "KV007"] == ["dtype"]


def test_the_type_of_a_text_part():
    text = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 8}
    wrapper = {"architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4"}
    assert model_of(wrapper, text_config={**text, "dtype": "float16"}).kv_format.name == "fp16"
    assert model_of(wrapper, dtype="bfloat16", text_config={**text, "dtype": "float16"}).kv_format.name == "bf16"


FP8 = {"num_bits": 8, "type": "float", "dynamic": False}
FP4 = {"num_bits": 4, "type": "float"}
TENSOR = {"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": True, "dynamic": False}


@pytest.mark.parametrize(
    ("config", "scheme", "name"),
    [
        # modelopt says it in words or in numbers, flat or nested, and for latents too
        (LLAMA, {"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_quant_algo": "fp8"}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "modelopt_fp4", "kv_cache_quant_algo": "NVFP4"}, "nvfp4"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_quant_algo": "INT8"}, "bf16"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_quant_algo": None}, "bf16"),
        (LLAMA, {"quant_method": "modelopt", "quantization": {"kv_cache_quant_algo": "FP8"}}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_scheme": FP8}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_scheme": {**FP8, "dynamic": True}}, "bf16"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "bf16"),  # not said
        (LLAMA, {"quant_method": "modelopt", "kv_cache_scheme": {**FP8, "type": "int"}}, "bf16"),
        (LLAMA, {"quant_method": "modelopt", "kv_cache_scheme": FP4}, "nvfp4"),
        (LATENT, {"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"}, "fp8_e4m3"),
        # compressed-tensors reaches attention, but not a latent
        (LLAMA, {"quant_method": "compressed-tensors", "kv_cache_scheme": TENSOR}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "compressed_tensors", "kv_cache_scheme": TENSOR}, "fp8_e4m3"),
        (LLAMA, {"quant_method": "compressed-tensors", "kv_cache_scheme": None}, "bf16"),
        (LLAMA, {"quant_method": "compressed-tensors"}, "bf16"),
        (LATENT, {"quant_method": "compressed-tensors", "kv_cache_scheme": TENSOR}, "bf16"),
        # all others are schemes of weights alone
        (LLAMA, {"quant_method": "fp8", "kv_cache_scheme": TENSOR}, "bf16"),
        (LLAMA, {"quant_method": "gptq", "bits": 4}, "bf16"),
        (LLAMA, {"quant_method": "awq", "bits": 4}, "bf16"),
        (LLAMA, {"quant_method": "mxfp4"}, "bf16"),
        (LLAMA, {"quant_method": "quark", "kv_cache_group": ["*k_proj"]}, "bf16"),
    ],
)
def test_the_kv_format_that_a_scheme_sets(config, scheme, name):
    model = model_of(config, dtype="bfloat16", quantization_config=scheme)
    assert model.kv_format.name == name
    set_by = "dtype: bfloat16" if name == "bf16" else f"quantization_config ({scheme['quant_method']})"
    assert model.kv_format_source == set_by


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True}, "gptq, bits 4, group_size 128"),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, "awq, w_bit 4, q_group_size 64"),
        (
            {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]},
            "fp8, activation_scheme dynamic, blocks of 128×128",
        ),
        (
            {"quant_method": "compressed-tensors", "format": "pack-quantized"},
            "compressed-tensors, format pack-quantized",
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt, quant_algo NVFP4"),
        ({}, "unknown method"),
    ],
)
def test_the_scheme_of_the_weights_is_echoed(scheme, words):
    assert model_of(LLAMA, quantization_config=scheme).quantization == words


def test_the_older_key_of_a_scheme():
    scheme = {"quant_method": "compressed-tensors", "kv_cache_scheme": TENSOR}
    assert model_of(LLAMA, compression_config=scheme).kv_format.name == "fp8_e4m3"


@pytest.mark.parametrize("scheme", ["fp8", [], 8])
def test_a_scheme_is_a_mapping(scheme):
    with pytest.raises(SpecError) as caught:
        model_of(LLAMA, quantization_config=scheme)
    assert [finding.path for finding in caught.value.findings if finding.rule == "KV007"] == ["quantization_config"]


@pytest.mark.parametrize(
    "change", [{"num_bits": 4}, {"type": "int"}, {"symmetric": False}, {"strategy": "channel"}], ids=str
)
def test_a_compressed_tensors_scheme_that_is_not_8_bit_floats_is_not_counted_as_such(change):
    # vLLM 0.32, compressed_tensors.py: num_bits 8, type float, strategy tensor or attn_head, symmetric; else it refuses
    scheme = {"quant_method": "compressed-tensors", "kv_cache_scheme": {**TENSOR, **change}}
    with pytest.raises(SpecError):
        model_of(LLAMA, quantization_config=scheme)

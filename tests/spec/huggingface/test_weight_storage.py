"""A checkpoint's own scheme of weights: what each method stores, and what it leaves alone."""

import pytest

from kvplan.spec.huggingface.config import Config
from kvplan.spec.huggingface.kept_modules import read_kept
from kvplan.spec.huggingface.weight_storage import read_weight_storage
from kvplan.spec.kinds import Reading
from kvplan.spec.models import catalog_model
from kvplan.spec.weight_formats import SIXTEEN_BIT, WEIGHT_FORMATS, storage_named


def read(scheme, key="quantization_config"):
    config = Config({key: scheme}, "", "llama", Reading())
    return read_weight_storage(config, config)


def quantized(scheme):
    storage, reason = read(scheme)
    assert storage is not None, reason
    return storage.quantized


def layout(scheme):
    """Bits, block, scale, zero point, column: all that a size hangs on."""
    found = quantized(scheme)
    block = (found.block_rows, found.block_columns)
    return (found.bits, block, found.scale_bytes, found.zero_bits, found.column_bytes)


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}


def tensors(ignore=(), targets=("Linear",), **weights):
    """A compressed-tensors scheme of one group."""
    group = {"targets": list(targets), "weights": {"num_bits": 8, "type": "int", "symmetric": True, **weights}}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": list(ignore)}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, (8, (128, 128), 4, 0, 0)),
        ({"quant_method": "fp8", "activation_scheme": "static"}, (8, (0, 0), 4, 0, 0)),
        ({"quant_method": "mxfp4"}, (4, (1, 32), 1, 0, 0)),
        (GPTQ, (4, (1, 128), 2, 4, 0)),
        ({**GPTQ, "desc_act": True}, (4, (1, 128), 2, 4, 4)),
        ({**GPTQ, "bits": 8, "group_size": -1}, (8, (1, 0), 2, 8, 0)),
        (AWQ, (4, (1, 128), 2, 4, 0)),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "zero_point": False}, (4, (1, 64), 2, 0, 0)),
        (tensors(strategy="channel"), (8, (1, 0), 4, 0, 0)),
        (tensors(strategy="tensor", type="float"), (8, (0, 0), 4, 0, 0)),
        (tensors(strategy="block", type="float", block_structure=[128, 128]), (8, (128, 128), 4, 0, 0)),
        (tensors(num_bits=4, strategy="group", group_size=128), (4, (1, 128), 2, 0, 0)),
        (tensors(num_bits=4, group_size=32, symmetric=False), (4, (1, 32), 2, 4, 0)),
        (tensors(num_bits=4, type="float", strategy="tensor_group", group_size=16), (4, (1, 16), 1, 0, 0)),
        (tensors(num_bits=4, type="float", strategy="group", group_size=32), (4, (1, 32), 1, 0, 0)),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, (8, (0, 0), 4, 0, 0)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, (4, (1, 16), 1, 0, 0)),
        ({"quant_method": "modelopt_fp4", "quantization": {"quant_algo": "NVFP4"}}, (4, (1, 16), 1, 0, 0)),
        ({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8_PB_WO"}}, (8, (128, 128), 4, 0, 0)),
        ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, (8, (1, 32), 1, 0, 0)),
    ],
)
def test_what_a_scheme_stores(scheme, expected):
    assert layout(scheme) == expected


def test_without_a_scheme_weights_are_16_bit():
    config = Config({"torch_dtype": "float32"}, "", "llama", Reading())  # served in 16 bits
    assert read_weight_storage(config, config) == (SIXTEEN_BIT, "")
    assert read({"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": {}})[0] == SIXTEEN_BIT


def test_which_parts_are_quantized():
    gpt_oss = catalog_model("gpt-oss-120b").weight_storage
    assert gpt_oss.experts_only
    assert gpt_oss.quantized == WEIGHT_FORMATS["mxfp4"]
    assert not catalog_model("deepseek-v3").weight_storage.experts_only
    assert read({**GPTQ, "lm_head": True})[0].head
    assert not read(GPTQ)[0].head


@pytest.mark.parametrize(
    ("scheme", "reason"),
    [
        ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
        ({"bits": 4}, "an unnamed method"),
        ({**GPTQ, "bits": 5}, "bits of the quantized weights is `5`"),
        ({**GPTQ, "bits": True}, "bits of the quantized weights is true"),
        ({**GPTQ, "group_size": 0}, "group_size of the quantized weights is `0`"),
        ({**GPTQ, "dynamic": {"x": {}}}, "gptq with dynamic"),
        ({**AWQ, "group_size": "128"}, "group_size"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "the block of the quantized weights"),
        ({"quant_method": "fp8", "weight_block_size": [0, 128]}, "the block of the quantized weights"),
        (tensors(targets=["re:.*mlp.*"]), "targets"),
        (tensors(strategy="token"), "strategy"),
        (tensors(num_bits=4, type="float", strategy="group", group_size=64), "group_size"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {}, "b": {}}}, "config_groups"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "MIXED_PRECISION"),
        ({"quant_method": "modelopt"}, "quant_algo"),
        ({**AWQ, "modules_to_not_convert": ["a(b"]}, ""),
    ],
)
def test_what_is_not_counted_is_a_reason(scheme, reason):
    storage, said = read(scheme)
    if not reason:  # a plain name may hold anything: it is compared, not run
        assert storage is not None
        return
    assert storage is None
    assert reason in said


Q, GATE, DOWN = (f"model.layers.{module}" for module in ("3.self_attn.q_proj", "3.mlp.gate_proj", "13.mlp.down_proj"))
EXPERT, SHARED = "model.layers.3.mlp.experts.0.up_proj", "model.layers.3.mlp.shared_experts.up_proj"
ALL = (Q, GATE, DOWN, EXPERT, SHARED)


@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        (None, ()),
        ([], ()),
        (["lm_head"], ()),
        (["gate"], ()),  # Mixtral's router, not gate_proj
        (["self_attn"], (Q,)),
        (["model.layers.3"], (Q, GATE, EXPERT, SHARED)),
        (["model.layers.1"], ()),  # not layer 13
        (["model.layers.13.mlp.down_proj"], (DOWN,)),
        (["model.layers.*.self_attn"], (Q,)),
        (["model.layers.3*"], (Q, GATE, EXPERT, SHARED)),
        (["*self_attn*"], (Q,)),
        (["*"], ALL),
        (["re:.*self_attn.*"], (Q,)),
        (["re:.*self_attn"], (Q,)),  # matched from the start, to any end
        ([r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"], (GATE, DOWN)),
        (["re:.*shared_experts.*"], (SHARED,)),
        (["re:.*_proj$"], ALL),
        (["re:^model.layers.3.*$"], (Q, GATE, EXPERT, SHARED)),
        (["model.layers.3.self_attn.qkv_proj"], (Q,)),  # fused names of Phi 3 and vLLM
        (["mlp.gate_up_proj"], (GATE,)),
        (["model.layers.3.block_sparse_moe.experts"], (EXPERT,)),
        (["model.layers.3.mlp.shared_expert.up_proj"], (SHARED,)),
        (["language_model.model.layers.3.self_attn"], (Q,)),
        (["model.language_model.layers.3.self_attn"], (Q,)),
    ],
)
def test_modules_that_are_kept(listed, kept):
    found, problem = read_kept(listed)
    assert not problem
    assert tuple(path for path in ALL if found.holds(path)) == kept


@pytest.mark.parametrize(
    "listed",
    [
        "lm_head",
        [1],
        ["x" * 1000],
        ["x"] * 10_000,
        [f"*.{index}.*" for index in range(300)],
        ["re:(a+)+$"],
        ["re:.*[0-9]+.*"],
        [r"re:.*\d.*"],
        ["re:" + "(a|b)" * 20],
        ["re:(" * 20],
    ],
)
def test_lists_that_cannot_be_understood(listed):
    assert read_kept(listed)[1]


@pytest.mark.parametrize("name", ["bf16", "fp16", *WEIGHT_FORMATS])
def test_storage_by_name(name):
    storage = storage_named(name)
    assert storage.quantized == WEIGHT_FORMATS.get(name)
    assert storage.name == name


def test_no_storage_of_that_name():
    with pytest.raises(KeyError):
        storage_named("int3")

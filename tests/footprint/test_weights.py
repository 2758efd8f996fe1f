"""Bytes of weights on a rank: by hand, against checkpoints as published, and against the modules that vLLM builds."""

import pytest

from kvplan.footprint.parameters import Matrix
from kvplan.footprint.sharding import stage_slices
from kvplan.footprint.weights import (
    WeightSplit,
    matrix_bytes,
    model_weight_bytes,
    rank_matrix,
    share_of_checkpoint,
    split_problem,
    weight_bytes_per_rank,
    weight_split,
)
from kvplan.spec.models import catalog_model
from kvplan.spec.weight_formats import SIXTEEN_BIT, WEIGHT_FORMATS, Kept, WeightFormat, WeightStorage

# Bytes of all parameters of the first rank's modules, vLLM 0.32.0 (CPU build, meta device), bf16, by tensor_parallel.
BUILT = [
    ("llama-3.1-8b", 1, 16_060_522_496),
    ("llama-3.1-8b", 8, 2_008_031_232),
    ("qwen2.5-7b", 1, 15_231_233_024),
    ("qwen2.5-7b", 4, 3_808_114_688),
    ("qwen2.5-1.5b", 4, 783_005_696),
    ("qwen3-8b", 1, 16_381_470_720),
    ("qwen3-8b", 8, 2_048_223_232),
    ("llama-3.1-70b", 8, 17_640_734_720),
    ("llama-3.1-70b", 16, 8_989_458_432),
    ("llama-3.2-1b", 2, 1_235_881_984),
    ("mixtral-8x7b", 8, 11_677_999_104),
    ("qwen3-30b-a3b", 4, 15_285_252_096),
    ("qwen3-235b-a22b", 8, 58_959_617_024),
    ("gpt-oss-120b", 1, 233_658_313_344),
    ("deepseek-v3", 8, 169_560_743_936),
    ("deepseek-v2-lite", 2, 15_741_869_056),
    ("gemma-2-9b", 4, 4_621_761_536),
    ("gemma-2-2b", 2, 2_614_583_808),
    ("phi-4", 2, 14_659_921_920),
    ("gpt-j-6b", 4, 3_026_100_864),
    ("opt-125m", 4, 65_078_784),
    ("falcon-7b", 1, 13_843_441_408),
    ("glm-4.5-rtp", 8, 88_474_570_368),
    ("command-r-v01", 8, 8_745_795_584),
    ("qwen2-57b-a14b", 4, 28_714_420_224),
    ("starcoder2-7b", 4, 3_588_302_848),
    ("olmo2-7b", 8, 1_825_579_008),
    ("mistral-7b-v0.1", 2, 7_241_998_336),
    ("gpt2", 1, 248_951_808),
    ("gpt2", 4, 63_502_848),
    ("gemma-3-27b", 8, 6_754_620_928),
    ("gemma-3-1b", 2, 1_015_355_648),
    ("llama-4-scout", 8, 26_950_215_680),
    ("llama-4-maverick", 8, 100_206_356_480),
    ("minimax-m2", 8, 57_356_018_176),
    ("kimi-k2", 16, 130_344_165_376),
    ("glm-4.5-rtp", 16, 44_504_688_256),
    ("qwen3-coder-480b-a35b", 8, 120_146_750_464),
]
# The same of Llama 3.1 8B with a quantization_config of each kind, less what attention keeps for scales of K and V.
BUILT_QUANTIZED = [
    ("awq", WeightFormat(
        name="", bits=4, block_rows=1, block_columns=128, scale_bytes=2, zero_bits=4, source=""
    ), 1, 5_727_854_592, 0),
    ("awq", WeightFormat(
        name="", bits=4, block_rows=1, block_columns=128, scale_bytes=2, zero_bits=4, source=""
    ), 4, 1_432_363_008, 0),
    ("int8 channels", WEIGHT_FORMATS["int8"], 1, 9_086_706_240, 32 * 18),
    ("int8 channels", WEIGHT_FORMATS["int8"], 4, 2_272_862_784, 32 * 18),
    ("int4 groups", WEIGHT_FORMATS["int4"], 4, 1_425_549_888, 32 * (18 + 4 * 16)),  # and four weight_shape
    ("fp8 channels", WeightFormat(
        name="", bits=8, block_rows=1, block_columns=0, scale_bytes=4, source=""
    ), 4, 2_272_862_784, 32 * 18),
    ("fp8 matrices", WEIGHT_FORMATS["fp8"], 4, 2_270_700_672, 32 * 8),
]  # fmt: skip


def of(name):
    model = catalog_model(name)
    assert model.weights is not None, model.weights_missing
    assert model.weight_storage is not None, model.weights_missing
    return model.weights, model.weight_storage


@pytest.mark.parametrize(("name", "tensor_parallel", "built"), BUILT)
def test_ranks_that_vllm_builds(name, tensor_parallel, built):
    shape, _ = of(name)
    assert weight_bytes_per_rank(shape, SIXTEEN_BIT, weight_split(tensor_parallel)) == built


@pytest.mark.parametrize(("name", "quantized", "tensor_parallel", "built", "attention"), BUILT_QUANTIZED)
def test_quantized_ranks_that_vllm_builds(name, quantized, tensor_parallel, built, attention):
    shape, _ = of("llama-3.1-8b")
    storage = WeightStorage(element_bytes=2, quantized=quantized, name=name)
    assert weight_bytes_per_rank(shape, storage, weight_split(tensor_parallel)) == built - attention


def test_llama_3_1_8b_by_hand():
    layer = (
        4096 * 4096  # q
        + 2 * 1024 * 4096  # k, v
        + 4096 * 4096  # o
        + 3 * 14336 * 4096  # gate, up, down
        + 2 * 4096  # norms
    )
    parameters = 2 * 128256 * 4096 + 32 * layer + 4096
    shape, storage = of("llama-3.1-8b")
    # 16.06 GB; the same number is total_size in meta-llama/Llama-3.1-8B's model.safetensors.index.json
    assert model_weight_bytes(shape, storage) == 2 * parameters == 16_060_522_496


def test_gpt_oss_checkpoints():
    """Experts at 4.25 bits, the rest in bf16: the card's checkpoint sizes (arXiv:2508.10925, table 1)."""
    small, large = (model_weight_bytes(*of(name)) for name in ("gpt-oss-20b", "gpt-oss-120b"))
    assert (round(small / 2**30, 1), round(large / 2**30, 1)) == (12.8, 60.8)
    assert small == 13_761_264_768  # total_size in openai/gpt-oss-20b's model.safetensors.index.json


PADDED = {"expert_hidden_multiple": 256, "expert_width_multiple": 128}  # vLLM's Marlin and TensorRT-LLM kernels


def test_padded_experts():
    """gpt-oss: hidden 2880 to 3072; width 2880 to 2944 on one rank, 360 to 384 on eight."""
    expert = Matrix("mlp.experts.0.up_proj", 2880, 2880, "rows", copies=128)
    for ranks, width in ((1, 2944), (8, 384)):
        part = rank_matrix(expert, weight_split(ranks)._replace(**PADDED))
        assert (part.rows, part.columns) == (width, 3072)
        down = expert._replace(module="mlp.experts.0.down_proj", split="columns")
        part = rank_matrix(down, weight_split(ranks)._replace(**PADDED))
        assert (part.rows, part.columns) == (3072, width)


@pytest.mark.parametrize(("name", "logged"), [("gpt-oss-120b", 65.9651), ("gpt-oss-20b", 13.7153)])
def test_padded_experts_that_vllm_logged(name, logged):
    """Start-up logs of one rank, "Model loading took 65.9651 GiB memory"; they have a little beside the weights."""
    rank = weight_bytes_per_rank(*of(name), weight_split(1)._replace(**PADDED)) / 2**30
    assert logged * 0.996 < rank < logged


def test_deepseek_v3_by_hand():
    """fp8 with an fp32 scale a block of 128 × 128; the embedding, the head, routers and norms stay as they are."""

    def linear(rows, columns, copies=1):
        return copies * (rows * columns + -(-rows // 128) * -(-columns // 128) * 4)

    attention = (
        linear(1536, 7168)  # q_a
        + linear(128 * 192, 1536)  # q_b
        + linear(576, 7168)  # kv_a: 4.5 blocks are 5
        + linear(128 * 256, 512)  # kv_b
        + linear(7168, 128 * 128)  # o
        + 2 * (1536 + 512 + 2 * 7168)  # norms
    )
    dense = 2 * linear(18432, 7168) + linear(7168, 18432)
    experts = (
        2 * linear(2048, 7168, 257)  # gate, up: 256 routed, one shared
        + linear(7168, 2048, 257)  # down
        + 2 * 256 * 7168  # router
        + 4 * 256  # bias of its scores
    )
    outside = 2 * (2 * 129280 * 7168 + 7168)
    counted = model_weight_bytes(*of("deepseek-v3"))
    assert counted == 61 * attention + 3 * dense + 58 * experts + outside == 673_150_611_808


def test_deepseek_r1_on_a_rank_of_eight():
    """HabanaAI/vllm-fork#809: "Pre-loading model weights on hpu:0 took 79.41 GiB of device memory", tensor_parallel 8."""
    assert weight_bytes_per_rank(*of("deepseek-r1"), weight_split(8)) / 2**30 == pytest.approx(79.41, rel=0.002)


@pytest.mark.parametrize("name", ["llama-3.1-70b", "qwen3-235b-a22b", "deepseek-v3", "gpt-oss-120b"])
@pytest.mark.parametrize("stages", [2, 3, 4])
def test_untied_stages_add_up(name, stages):
    shape, storage = of(name)
    split = weight_split(8)
    parts = [weight_bytes_per_rank(shape, storage, split, part) for part in stage_slices(len(shape.layers), stages)]
    assert sum(parts) == weight_bytes_per_rank(shape, storage, split)


def test_a_tied_embedding_is_on_the_first_and_the_last_stage():
    shape, storage = of("llama-3.2-1b")
    words = 128256 * 2048 * 2
    parts = [weight_bytes_per_rank(shape, storage, stage=part) for part in stage_slices(16, 4)]
    assert sum(parts) == weight_bytes_per_rank(shape, storage) + words
    assert parts[0] - parts[1] == words
    assert parts[3] - parts[1] == words + 2048 * 2  # and the last norm


def test_ranks_hold_no_less_than_one_copy():
    for name in ("llama-3.1-70b", "deepseek-v3", "gpt-oss-120b", "falcon-7b", "qwen2.5-1.5b"):
        shape, storage = of(name)
        one = model_weight_bytes(shape, storage)
        for ranks in (1, 2, 4, 8):
            split = weight_split(ranks)
            if not split_problem(shape, split):
                assert ranks * weight_bytes_per_rank(shape, storage, split) >= one


def test_words_are_padded_to_64():
    shape, storage = of("gpt2")
    assert weight_bytes_per_rank(shape, storage) - model_weight_bytes(shape, storage) == (50304 - 50257) * 768 * 2


def test_kv_heads_are_held_again():
    k = Matrix("k", 8 * 128, 8192, "rows", 8, repeats=True)
    held = [rank_matrix(k, WeightSplit(ranks)).rows for ranks in (1, 2, 8, 16, 64)]
    assert held == [1024, 512, 128, 128, 128]


@pytest.mark.parametrize(
    ("name", "ranks", "module"),
    [
        ("llama-3.1-8b", 3, "self_attn.q_proj"),
        ("llama-3.1-8b", 128, "self_attn.q_proj"),
        ("falcon-7b", 2, "self_attn.q_proj"),
        ("gpt2", 5, "model.embed_tokens"),
    ],
)
def test_what_ranks_cannot_share(name, ranks, module):
    shape, storage = of(name)
    split = weight_split(ranks)
    assert split_problem(shape, split).startswith(module)
    with pytest.raises(ValueError, match="cannot share"):
        weight_bytes_per_rank(shape, storage, split)


def test_expert_parallelism_spreads_whole_experts():
    shape, storage = of("qwen3-235b-a22b")
    expert = 3 * 1536 * 4096 * 2 * 94
    cut = weight_bytes_per_rank(shape, storage, weight_split(8))
    spread = weight_bytes_per_rank(shape, storage, weight_split(8, expert_parallel=True))
    assert cut == spread  # 128 experts over 8 ranks: 16 whole ones are as much as 128 eighths
    more = weight_bytes_per_rank(shape, storage, weight_split(8, 2, expert_parallel=True))
    assert spread - more == 8 * expert
    # 48 ranks: two hold 3 experts at the most where 128 ÷ 48 = 2.67
    most = weight_bytes_per_rank(shape, storage, WeightSplit(8, 1, 48))
    assert spread - most == 13 * expert


def test_data_parallel_ranks_cut_experts():
    shape, storage = of("deepseek-v3")
    one, four = (weight_bytes_per_rank(shape, storage, weight_split(2, ranks)) for ranks in (1, 4))
    assert one > four > one // 4


@pytest.mark.parametrize(
    ("matrix", "quantized", "expected"),
    [
        (Matrix("", 128, 256), None, 128 * 256 * 2),
        (Matrix("", 128, 256, bias=True), None, (128 * 256 + 128) * 2),
        (Matrix("", 128, 256, copies=3), None, 3 * 128 * 256 * 2),
        (Matrix("", 128, 256, fp32=True), None, 128 * 256 * 4),
        (Matrix("", 128, 256), WEIGHT_FORMATS["fp8"], 128 * 256 + 4),
        (Matrix("", 128, 256), WEIGHT_FORMATS["int8"], 128 * 256 + 128 * 4),
        (Matrix("", 128, 256), WEIGHT_FORMATS["int4"], 128 * 128 + 128 * 2 * 2),
        (Matrix("", 128, 256), WEIGHT_FORMATS["mxfp4"], 128 * 256 * 17 // 32),
        (Matrix("", 128, 256), WEIGHT_FORMATS["nvfp4"], 128 * 256 * 9 // 16 + 8),
        (Matrix("", 128, 256, bias=True, copies=2), WEIGHT_FORMATS["mxfp4"], 2 * (128 * 256 * 17 // 32 + 256)),
        (Matrix("", 1, 33), WEIGHT_FORMATS["mxfp4"], 17 + 2),  # a part of a block has a scale of its own
    ],
)
def test_bytes_of_a_matrix(matrix, quantized, expected):
    assert matrix_bytes(matrix, 2, quantized) == expected


def test_kept_modules_stay_as_they_are():
    shape, _ = of("llama-3.1-8b")
    plain = WeightStorage(element_bytes=2, quantized=WEIGHT_FORMATS["fp8"], name="")
    attention = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096)
    scales = 32 * 4 * 4
    for kept in (Kept(frozenset({"self_attn"})), Kept(patterns=(("", "self_attn", ""),))):
        storage = plain._replace(kept=kept)
        assert model_weight_bytes(shape, storage) - model_weight_bytes(shape, plain) == attention - scales
    one = plain._replace(kept=Kept(frozenset({"model.layers.0.mlp.down_proj"})))
    assert model_weight_bytes(shape, one) - model_weight_bytes(shape, plain) == 4096 * 14336 - 4


def test_a_quantized_head():
    shape, _ = of("llama-3.1-8b")
    plain = WeightStorage(element_bytes=2, quantized=WEIGHT_FORMATS["fp8"], name="")
    head = plain._replace(head=True)
    assert model_weight_bytes(shape, plain) - model_weight_bytes(shape, head) == 128256 * 4096 - 4
    kept = head._replace(kept=Kept(frozenset({"lm_head"})))
    assert model_weight_bytes(shape, kept) == model_weight_bytes(shape, plain)


def test_a_share_of_a_checkpoint():
    shape, storage = of("llama-3.1-70b")
    rank, one = weight_bytes_per_rank(shape, storage, weight_split(8)), model_weight_bytes(shape, storage)
    assert share_of_checkpoint(one, rank, one) == rank
    assert share_of_checkpoint(10, 1, 3) == 4  # rounded up

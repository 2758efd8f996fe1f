"""Parameters counted from catalog configs against published counts, and against modules built without data."""

import pytest

from kvplan.footprint.parameters import Matrix, head_matrices, layer_matrices, parameter_count
from kvplan.spec.models import catalog_model
from kvplan.spec.weights import (
    Experts,
    FeedForward,
    GroupedProjections,
    LatentProjections,
    LayerWeights,
    WeightShape,
)

KERAS = "keras-hub 0.32.0, keras_hub/src/models/"
SAME = " (same shape)"
INDEX = "total_size ÷ 2 in model.safetensors.index.json of "

# What others publish. The counts of keras-hub are those of its own code, preset by preset.
PUBLISHED = [
    ("gemma-2b", 2_506_172_416, KERAS + "gemma/gemma_presets.py, gemma_2b_en"),
    ("gemma-7b", 8_537_680_896, KERAS + "gemma/gemma_presets.py, gemma_7b_en"),
    ("gemma-2-2b", 2_614_341_888, KERAS + "gemma/gemma_presets.py, gemma2_2b_en"),
    ("gemma-2-9b", 9_241_705_984, KERAS + "gemma/gemma_presets.py, gemma2_9b_en"),
    ("gemma-2-27b", 27_227_128_320, KERAS + "gemma/gemma_presets.py, gemma2_27b_en"),
    ("gemma-3-1b", 999_885_952, KERAS + "gemma3/gemma3_presets.py, gemma3_1b"),
    ("gemma-3-27b", 27_009_002_240, KERAS + "gemma3/gemma3_presets.py, gemma3_27b_text"),
    ("gpt2", 124_439_808, KERAS + "gpt2/gpt2_presets.py, gpt2_base_en"),
    ("gpt2-medium", 354_823_168, KERAS + "gpt2/gpt2_presets.py, gpt2_medium_en"),
    ("gpt-oss-20b", 20_914_757_184, KERAS + "gpt_oss/gpt_oss_presets.py, gpt_oss_20b_en"),
    ("gpt-oss-120b", 116_829_156_672, KERAS + "gpt_oss/gpt_oss_presets.py, gpt_oss_120b_en"),
    ("llama-2-7b", 6_738_415_616, KERAS + "llama/llama_presets.py, llama2_7b_en"),
    ("llama-3-8b", 8_030_261_248, KERAS + "llama3/llama3_presets.py, llama3_8b_en"),
    ("llama-3.1-8b", 8_030_261_248, KERAS + "llama3/llama3_presets.py, llama3.1_8b"),
    ("mistral-7b-v0.1", 7_241_732_096, KERAS + "mistral/mistral_presets.py, mistral_7b_en"),
    ("mistral-7b-v0.3-mlc", 7_248_023_552, KERAS + "mistral/mistral_presets.py, mistral_0.3_7b_en"),
    ("mixtral-8x7b", 46_702_792_704, KERAS + "mixtral/mixtral_presets.py, mixtral_8_7b_en"),
    ("opt-125m", 125_237_760, KERAS + "opt/opt_presets.py, opt_125m_en: without two rows of positions"),
    ("phi-3-mini-4k", 3_821_079_552, KERAS + "phi3/phi3_presets.py, phi3_mini_4k_instruct_en"),
    ("qwen2.5-1.5b", 1_543_714_304, KERAS + "qwen/qwen_presets.py, qwen2.5_math_1.5b_en" + SAME),
    ("qwen2.5-3b", 3_085_938_688, KERAS + "qwen/qwen_presets.py, qwen2.5_3b_en"),
    ("qwen2.5-7b", 7_615_616_512, KERAS + "qwen/qwen_presets.py, qwen2.5_math_7b_en" + SAME),
    ("qwen2.5-32b", 32_763_876_352, KERAS + "qwen/qwen_presets.py, qwen2.5_instruct_32b_en"),
    ("qwen2.5-72b", 72_706_203_648, KERAS + "qwen/qwen_presets.py, qwen2.5_instruct_72b_en"),
    ("qwen3-0.6b", 596_049_920, KERAS + "qwen3/qwen3_presets.py, qwen3_0.6b_en"),
    ("qwen3-1.7b", 1_720_574_976, KERAS + "qwen3/qwen3_presets.py, qwen3_1.7b_en"),
    ("qwen3-4b", 4_022_468_096, KERAS + "qwen3/qwen3_presets.py, qwen3_4b_en"),
    ("qwen3-8b", 8_190_735_360, KERAS + "qwen3/qwen3_presets.py, qwen3_8b_en"),
    ("qwen3-32b", 32_762_123_264, KERAS + "qwen3/qwen3_presets.py, qwen3_32b_en"),
    ("qwen3-30b-a3b", 30_532_122_624, KERAS + "qwen3_moe/qwen3_moe_presets.py, qwen3_moe_30b_a3b_en"),
    ("qwen3-235b-a22b", 235_093_634_560, KERAS + "qwen3_moe/qwen3_moe_presets.py, qwen3_moe_235b_a22b_en"),
    ("llama-3.1-70b", 70_553_706_496, INDEX + "meta-llama/Llama-3.1-70B-Instruct: 141 107 412 992"),
    ("gpt-j-6b", 6_053_381_344, "model card of EleutherAI/gpt-j-6b, n_parameters"),
    ("llama-3.1-405b", 405_000_000_000, "The Llama 3 Herd of Models, arXiv:2407.21783, abstract"),
    ("starcoder", 15_500_000_000, "StarCoder, arXiv:2305.06161, abstract"),
    ("deepseek-v3", 671_000_000_000, "DeepSeek-V3, arXiv:2412.19437, abstract"),
    ("mixtral-8x22b", 141_000_000_000, "library page of ollama, mixtral: 39B active parameters out of 141B"),
    ("qwen3-coder-480b-a35b", 480_000_000_000, "model card of Qwen/Qwen3-Coder-480B-A35B-Instruct"),
    ("kimi-k2", 1_026_500_000_000, "size of the tensors of moonshotai/Kimi-K2-Instruct, as a third party lists it"),
]
ROUNDED = {
    "opt-125m", "gpt-j-6b", "llama-3.1-405b", "starcoder", "deepseek-v3", "mixtral-8x22b", "qwen3-coder-480b-a35b",
    "kimi-k2",
}  # fmt: skip

# Parameters of the modules of transformers 5.19 (torch 2.13, meta device), built from the catalog's configs.
BUILT = {
    "cohere2-hf-default": 34_980_831_232,
    "command-r-v01": 34_980_831_232,
    "deepseek-r1": 671_026_404_352,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_404_352,
    "falcon-7b": 6_921_720_704,
    "gemma-2-27b": 27_227_128_320,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2b": 2_506_172_416,
    "gemma-3-1b": 999_885_952,
    "gemma-3-27b": 27_009_002_240,
    "gemma-7b": 8_537_680_896,
    "glm-4.5-rtp": 352_797_791_232,
    "gpt-j-6b": 6_050_882_784,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "gpt2-medium": 354_823_168,
    "gpt2": 124_439_808,
    "llama-2-70b": 68_976_648_192,
    "llama-2-7b": 6_738_415_616,
    "llama-3-70b": 70_553_706_496,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-4-maverick": 400_711_848_960,
    "llama-4-scout": 107_769_861_120,
    "minimax-m2": 228_689_748_992,
    "mistral-7b-mlc": 7_241_732_096,
    "mistral-7b-v0.1": 7_241_732_096,
    "mistral-7b-v0.3-mlc": 7_248_023_552,
    "mixtral-8x22b": 140_620_634_112,
    "mixtral-8x7b": 46_702_792_704,
    "olmo2-7b": 7_298_617_344,
    "opt-125m": 125_239_296,
    "phi-2": 2_779_683_840,
    "phi-3-mini-4k": 3_821_079_552,
    "phi-3.5-mini": 3_821_079_552,
    "phi-4": 14_659_507_200,
    "qwen2-57b-a14b": 57_408_658_944,
    "qwen2-7b": 7_615_616_512,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-72b": 72_706_203_648,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-coder-480b-a35b": 480_154_875_392,
    "starcoder": 15_517_456_384,
    "starcoder2-7b": 7_173_923_840,
    "tinyllama-1.1b": 1_100_048_384,
}


def shape_of(name):
    shape = catalog_model(name).weights
    assert shape is not None, catalog_model(name).weights_missing
    return shape


@pytest.mark.parametrize(("name", "published", "source"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_published_counts(name, published, source):
    counted = parameter_count(shape_of(name))
    assert source
    assert abs(counted - published) <= published * 5 // 1000
    if name not in ROUNDED:
        assert counted == published


def test_the_table_is_long_enough():
    assert len(PUBLISHED) >= 25


@pytest.mark.parametrize(("name", "parameters"), BUILT.items())
def test_counts_of_built_modules(name, parameters):
    """Exact, but for the bias of a router's scores: a buffer there, a tensor of the checkpoint here."""
    shape = shape_of(name)
    mlps = [layer.mlp for layer in shape.layers]
    buffers = sum(mlp.num_experts for mlp in mlps if isinstance(mlp, Experts) and mlp.correction_bias)
    assert parameter_count(shape) - buffers == parameters


def test_parts_of_gpt_oss():
    """The card counts MLPs, attention, and embedding with head apart: arXiv:2508.10925, table 1."""
    card = {"gpt-oss-120b": (114.71, 0.96, 1.16, 116.83), "gpt-oss-20b": (19.12, 0.64, 1.16, 20.91)}
    for name, figures in card.items():
        shape = shape_of(name)
        matrices = [matrix for layer in shape.layers for matrix in layer_matrices(shape.hidden_size, layer)]
        mlp = sum(matrix.parameters for matrix in matrices if matrix.module.startswith("mlp"))
        attention = sum(matrix.parameters for matrix in matrices if matrix.module.startswith("self_attn"))
        words = 2 * shape.vocab_size * shape.hidden_size
        counted = (mlp, attention, words, parameter_count(shape))
        assert tuple(round(part / 1e9, 2) for part in counted) == figures


# One layer of each kind by hand, hidden size 8.
GROUPED = GroupedProjections(num_q_heads=4, num_kv_heads=2, head_dim=3)
LATENT = LatentProjections(
    num_q_heads=2, q_lora_rank=5, kv_lora_rank=4, qk_nope_head_dim=3, qk_rope_head_dim=2, v_head_dim=1
)
MLP = FeedForward(intermediate_size=10)
MOE = Experts(num_experts=6, intermediate_size=7)


def layer_count(attention=GROUPED, mlp=MLP, norms=0):
    layer = LayerWeights(attention=attention, mlp=mlp, norm_elements=norms)
    return sum(matrix.parameters for matrix in layer_matrices(8, layer))


ATTENTION = 12 * 8 + 6 * 8 + 6 * 8 + 8 * 12  # q, k, v, o
DENSE = 3 * 8 * 10  # gate, up, down
LATENT_SUM = 5 * 8 + 5 + 10 * 5 + 6 * 8 + 4 + 8 * 4 + 8 * 2  # q_a, its norm, q_b, kv_a, its norm, kv_b, o
EXPERTS = 6 * 8 + 6 * 3 * 8 * 7  # router, and six times gate, up, down


@pytest.mark.parametrize(
    ("parts", "parameters"),
    [
        ({}, ATTENTION + DENSE),
        ({"norms": 16}, ATTENTION + DENSE + 16),
        ({"attention": GROUPED._replace(qkv_bias=True)}, ATTENTION + DENSE + 12 + 6 + 6),
        ({"attention": GROUPED._replace(o_bias=True)}, ATTENTION + DENSE + 8),
        ({"attention": GROUPED._replace(q_norm=3, k_norm=3)}, ATTENTION + DENSE + 6),
        ({"attention": GROUPED._replace(split_norm=True)}, ATTENTION + DENSE + 12 + 6),
        ({"attention": GROUPED._replace(sinks=True)}, ATTENTION + DENSE + 4),
        ({"attention": LATENT}, LATENT_SUM + DENSE),
        # without q_a: q of 2 heads × 5 from 8
        ({"attention": LATENT._replace(q_lora_rank=0)}, LATENT_SUM + DENSE - 5 * 8 - 5 - 10 * 5 + 10 * 8),
        ({"attention": LATENT._replace(bias=True)}, LATENT_SUM + DENSE + 5 + 6 + 8),
        ({"mlp": MLP._replace(gated=False)}, ATTENTION + 2 * 8 * 10),
        ({"mlp": MLP._replace(bias=True)}, ATTENTION + DENSE + 10 + 10 + 8),
        ({"mlp": MOE}, ATTENTION + EXPERTS),
        ({"mlp": MOE._replace(bias=True)}, ATTENTION + EXPERTS + 6 + 6 * (7 + 7 + 8)),
        ({"mlp": MOE._replace(correction_bias=True)}, ATTENTION + EXPERTS + 6),
        ({"mlp": MOE._replace(router_fp32=True)}, ATTENTION + EXPERTS),
        ({"mlp": MOE._replace(shared_size=5)}, ATTENTION + EXPERTS + 3 * 8 * 5),
        ({"mlp": MOE._replace(shared_gate=True)}, ATTENTION + EXPERTS + 8),
    ],
)
def test_one_layer_by_hand(parts, parameters):
    assert layer_count(**parts) == parameters


SMALL = WeightShape(
    hidden_size=8, embedding_size=8, vocab_size=100, tied=False, head_bias=False, position_rows=0, layers=(),
    final_norm_elements=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, 800 + 8 + 800),
        ({"tied": True}, 800 + 8),
        ({"head_bias": True}, 800 + 8 + 800 + 100),
        ({"tied": True, "head_bias": True}, 800 + 8),  # a bias belongs to a head of its own
        ({"position_rows": 20}, 800 + 160 + 8 + 800),
        ({"embedding_size": 4}, 400 + 8 * 4 + 8 + 4 * 8 + 400),  # OPT-350M: projections in and out
        ({"final_norm_elements": 0}, 800 + 800),
    ],
)
def test_what_is_outside_of_layers(changes, parameters):
    assert parameter_count(SMALL._replace(**changes)) == parameters


def test_layers_add_up():
    layers = (LayerWeights(attention=GROUPED, mlp=MLP, norm_elements=16),) * 3
    more = (LayerWeights(attention=LATENT, mlp=MOE, norm_elements=16),)
    counted = parameter_count(SMALL._replace(layers=layers + more))
    assert counted == parameter_count(SMALL) + 3 * (ATTENTION + DENSE + 16) + LATENT_SUM + EXPERTS + 16


def test_a_head_is_one_matrix():
    assert head_matrices(SMALL) == (Matrix("lm_head", 100, 8, "rows"),)

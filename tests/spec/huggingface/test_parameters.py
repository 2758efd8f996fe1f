"""A config.json ▸ the shape of its weights: each family's flags, and a reason where a size is missing."""

import json

import pytest

from kvplan.spec.huggingface.families import ARCHITECTURES, read_config
from kvplan.spec.kinds import Reading
from kvplan.spec.model_mapping import read_mapping
from kvplan.spec.text import read_json
from kvplan.spec.weights import Experts, FeedForward, GroupedProjections, LatentProjections

SIZES = {
    "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 64,
    "max_position_embeddings": 4096, "vocab_size": 32000, "intermediate_size": 2816,
}  # fmt: skip
EXPERTS = {
    "MixtralForCausalLM": {"num_local_experts": 8},
    "PhiMoEForCausalLM": {"num_local_experts": 16},
    "PhimoeForCausalLM": {"num_local_experts": 16},
    "GptOssForCausalLM": {"num_local_experts": 32},
    "MiniMaxM2ForCausalLM": {"num_local_experts": 32},
    "Qwen2MoeForCausalLM": {
        "num_experts": 60, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 4096,
    },
    "Qwen3MoeForCausalLM": {"num_experts": 128, "moe_intermediate_size": 512},
    "Glm4MoeForCausalLM": {
        "n_routed_experts": 128, "n_shared_experts": 1, "moe_intermediate_size": 512, "first_k_dense_replace": 1,
    },
    "DeepseekV2ForCausalLM": {
        "n_routed_experts": 64, "n_shared_experts": 2, "moe_intermediate_size": 512, "first_k_dense_replace": 1,
    },
    "DeepseekV3ForCausalLM": {
        "n_routed_experts": 64, "n_shared_experts": 1, "moe_intermediate_size": 512, "first_k_dense_replace": 3,
    },
    "Llama4ForCausalLM": {"num_local_experts": 16, "interleave_moe_layer_step": 1, "intermediate_size_mlp": 4096},
    "Llama4ForConditionalGeneration": {
        "num_local_experts": 16, "interleave_moe_layer_step": 1, "intermediate_size_mlp": 4096,
    },
    "OPTForCausalLM": {"ffn_dim": 4096},
    "FalconForCausalLM": {"head_dim": ..., "num_kv_heads": 4},
}  # fmt: skip


def model_of(architecture, **changes):
    """A model of a family; a change to ``...`` leaves the key out."""
    family = ARCHITECTURES[architecture]
    keys = {**SIZES, **EXPERTS.get(architecture, {}), **changes}
    keys = {key: value for key, value in keys.items() if value is not ...}
    part = {family.text_part: keys} if family.text_part else keys
    config = {"architectures": [architecture], "model_type": family.model_type, **part}
    return read_config(read_json(json.dumps(config), "config.json"), "made-up")


def shape_of(architecture, **changes):
    model = model_of(architecture, **changes)
    assert model.weights is not None, model.weights_missing
    return model.weights


def first(architecture, **changes):
    return shape_of(architecture, **changes).layers[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_family_has_a_shape(architecture):
    shape = shape_of(architecture)
    assert len(shape.layers) == 8
    assert shape.vocab_size == 32000


TIED = {
    "GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "GPT2LMHeadModel",
    "OPTForCausalLM", "FalconForCausalLM", "GPTBigCodeForCausalLM", "Starcoder2ForCausalLM", "CohereForCausalLM",
    "Cohere2ForCausalLM",
}  # fmt: skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_whether_the_head_is_the_embedding(architecture):
    assert shape_of(architecture).tied is (architecture in TIED)  # class defaults of transformers 5.23
    assert shape_of(architecture, tie_word_embeddings=True).tied
    assert not shape_of(architecture, tie_word_embeddings=False).tied


def test_a_wrapper_may_say_it_at_the_top():
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "tie_word_embeddings": False,
        "text_config": SIZES,
    }  # fmt: skip
    model = read_config(read_json(json.dumps(config), "config.json"), "made-up")
    assert model.weights is not None
    assert not model.weights.tied


@pytest.mark.parametrize(
    ("architecture", "keys", "qkv_bias", "o_bias"),
    [
        ("LlamaForCausalLM", {}, False, False),
        ("LlamaForCausalLM", {"attention_bias": True}, True, True),
        ("LlamaForCausalLM", {"attention_bias": None}, False, False),
        ("MistralForCausalLM", {"attention_bias": True}, False, False),  # its code has none
        ("Qwen2ForCausalLM", {}, True, False),
        ("Qwen2ForCausalLM", {"attention_bias": False}, True, False),  # not read
        ("Qwen2MoeForCausalLM", {}, True, False),
        ("Qwen2MoeForCausalLM", {"qkv_bias": False}, False, False),
        ("Qwen3ForCausalLM", {"attention_bias": True}, True, True),
        ("Glm4MoeForCausalLM", {"attention_bias": True}, True, False),
        ("GptOssForCausalLM", {}, True, True),
        ("GPT2LMHeadModel", {}, True, True),
        ("GPTJForCausalLM", {}, False, False),
        ("OPTForCausalLM", {"enable_bias": False}, False, False),
        ("FalconForCausalLM", {}, False, False),
        ("FalconForCausalLM", {"bias": True}, True, True),
        ("Starcoder2ForCausalLM", {}, True, True),
        ("Starcoder2ForCausalLM", {"use_bias": False}, False, False),
        ("PhiForCausalLM", {}, True, True),
        ("Phi3ForCausalLM", {"attention_bias": True}, False, False),
    ],
)
def test_biases_of_attention(architecture, keys, qkv_bias, o_bias):
    attention = first(architecture, **keys).attention
    assert (attention.qkv_bias, attention.o_bias) == (qkv_bias, o_bias)


@pytest.mark.parametrize(
    ("architecture", "keys", "norms"),
    [
        ("LlamaForCausalLM", {}, (0, 0, False)),
        ("Qwen3ForCausalLM", {}, (64, 64, False)),
        ("Gemma3ForCausalLM", {}, (64, 64, False)),
        ("Glm4MoeForCausalLM", {}, (0, 0, False)),
        ("Glm4MoeForCausalLM", {"use_qk_norm": True}, (64, 64, False)),
        ("PhiForCausalLM", {"qk_layernorm": True}, (128, 128, False)),  # with biases
        ("Olmo2ForCausalLM", {}, (1024, 256, False)),
        ("MiniMaxM2ForCausalLM", {}, (0, 0, True)),
        ("CohereForCausalLM", {"use_qk_norm": True}, (0, 0, True)),
    ],
)
def test_norms_on_q_and_k(architecture, keys, norms):
    attention = first(architecture, **keys).attention
    assert (attention.q_norm, attention.k_norm, attention.split_norm) == norms


@pytest.mark.parametrize(
    ("architecture", "keys", "norms", "final"),
    [
        ("LlamaForCausalLM", {}, 2, 1),
        ("Gemma2ForCausalLM", {}, 4, 1),
        ("CohereForCausalLM", {}, 1, 1),
        ("PhiForCausalLM", {}, 2, 2),
        ("GPT2LMHeadModel", {}, 4, 2),
        ("OPTForCausalLM", {}, 4, 2),
        ("OPTForCausalLM", {"do_layer_norm_before": False}, 4, 0),
        ("FalconForCausalLM", {}, 2, 2),
        ("FalconForCausalLM", {"new_decoder_architecture": True}, 4, 2),
        ("FalconForCausalLM", {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 1}, 2, 2),
        ("FalconForCausalLM", {"parallel_attn": False}, 4, 2),
    ],
)
def test_norms(architecture, keys, norms, final):
    shape = shape_of(architecture, **keys)
    assert {layer.norm_elements for layer in shape.layers} == {norms * 1024}
    assert shape.final_norm_elements == final * 1024


@pytest.mark.parametrize(
    ("architecture", "keys", "mlp"),
    [
        ("LlamaForCausalLM", {}, FeedForward(intermediate_size=2816)),
        ("LlamaForCausalLM", {"mlp_bias": True}, FeedForward(intermediate_size=2816, bias=True)),
        ("PhiForCausalLM", {}, FeedForward(intermediate_size=2816, gated=False, bias=True)),
        ("GPT2LMHeadModel", {}, FeedForward(intermediate_size=4096, gated=False, bias=True)),
        ("GPT2LMHeadModel", {"n_inner": None}, FeedForward(intermediate_size=4096, gated=False, bias=True)),
        ("GPT2LMHeadModel", {"n_inner": 5000}, FeedForward(intermediate_size=5000, gated=False, bias=True)),
        ("FalconForCausalLM", {}, FeedForward(intermediate_size=4096, gated=False)),
        ("FalconForCausalLM", {"ffn_hidden_size": 5000}, FeedForward(intermediate_size=5000, gated=False)),
        ("OPTForCausalLM", {"ffn_dim": 5000}, FeedForward(intermediate_size=5000, gated=False, bias=True)),
        ("MixtralForCausalLM", {}, Experts(num_experts=8, intermediate_size=2816)),
        ("GptOssForCausalLM", {}, Experts(num_experts=32, intermediate_size=2816, bias=True)),
        (
            "MiniMaxM2ForCausalLM", {},
            Experts(num_experts=32, intermediate_size=2816, correction_bias=True, router_fp32=True),
        ),
        (
            "Qwen2MoeForCausalLM", {},
            Experts(num_experts=60, intermediate_size=512, shared_size=4096, shared_gate=True),
        ),
        ("Qwen3MoeForCausalLM", {}, Experts(num_experts=128, intermediate_size=512)),
        (
            "Qwen3MoeForCausalLM", {"shared_expert_intermediate_size": 0},  # Qwen3-Coder
            Experts(num_experts=128, intermediate_size=512),
        ),
        ("Llama4ForCausalLM", {}, Experts(num_experts=16, intermediate_size=2816, shared_size=2816)),
    ],
)  # fmt: skip
def test_mlps(architecture, keys, mlp):
    assert first(architecture, **keys).mlp == mlp


@pytest.mark.parametrize(
    ("architecture", "keys", "sparse"),
    [
        ("Qwen3MoeForCausalLM", {}, "11111111"),
        ("Qwen3MoeForCausalLM", {"decoder_sparse_step": 2}, "01010101"),
        ("Qwen3MoeForCausalLM", {"mlp_only_layers": [0, 3]}, "01101111"),
        ("DeepseekV3ForCausalLM", {}, "00011111"),
        ("DeepseekV3ForCausalLM", {"first_k_dense_replace": 0}, "11111111"),
        ("DeepseekV2ForCausalLM", {"moe_layer_freq": 2}, "00101010"),
        ("Glm4MoeForCausalLM", {}, "01111111"),
        ("Llama4ForCausalLM", {"interleave_moe_layer_step": 2}, "01010101"),
        ("Llama4ForCausalLM", {"interleave_moe_layer_step": 2, "moe_layers": [0, 7]}, "10000001"),
    ],
)
def test_which_layers_have_experts(architecture, keys, sparse):
    layers = shape_of(architecture, **keys).layers
    assert "".join(str(int(isinstance(layer.mlp, Experts))) for layer in layers) == sparse


def test_latent_projections():
    plain = first("DeepseekV3ForCausalLM", kv_lora_rank=512, qk_rope_head_dim=64, v_head_dim=96).attention
    assert plain == LatentProjections(
        num_q_heads=16, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=96
    )
    assert first("DeepseekV2ForCausalLM", q_lora_rank=None).attention.q_lora_rank == 0


def test_multi_query():
    attention = first("GPTBigCodeForCausalLM", multi_query=True).attention
    assert attention == GroupedProjections(num_q_heads=16, num_kv_heads=1, head_dim=64, qkv_bias=True, o_bias=True)


@pytest.mark.parametrize(
    ("architecture", "rows"), [("LlamaForCausalLM", 0), ("GPT2LMHeadModel", 4096), ("OPTForCausalLM", 4098)]
)
def test_learned_positions(architecture, rows):
    assert shape_of(architecture).position_rows == rows


@pytest.mark.parametrize(
    ("architecture", "keys", "bias"),
    [
        ("LlamaForCausalLM", {}, False),
        ("PhiForCausalLM", {}, True),
        ("GPTJForCausalLM", {}, True),
        ("PhiMoEForCausalLM", {}, False),
        ("PhiMoEForCausalLM", {"lm_head_bias": True}, True),
    ],
)
def test_a_bias_of_the_head(architecture, keys, bias):
    assert shape_of(architecture, **keys).head_bias is bias


def test_a_narrow_embedding():
    assert shape_of("OPTForCausalLM", word_embed_proj_dim=512).embedding_size == 512
    assert shape_of("OPTForCausalLM").embedding_size == 1024


@pytest.mark.parametrize(
    ("architecture", "changes", "reason"),
    [
        ("LlamaForCausalLM", {"vocab_size": ...}, "the config has no vocab_size"),
        ("LlamaForCausalLM", {"intermediate_size": ...}, "the config has no intermediate_size"),
        ("LlamaForCausalLM", {"intermediate_size": None}, "the config has no intermediate_size"),
        ("LlamaForCausalLM", {"intermediate_size": "2816"}, "intermediate_size is `2816`, not a size"),
        ("LlamaForCausalLM", {"vocab_size": 0}, "vocab_size is 0"),
        ("LlamaForCausalLM", {"vocab_size": -1}, "vocab_size is `-1`, not a size"),
        ("LlamaForCausalLM", {"vocab_size": 1 << 25}, "vocab_size is `33554432`, not a size"),
        ("LlamaForCausalLM", {"vocab_size": True}, "vocab_size is true, not a size"),
        ("LlamaForCausalLM", {"vocab_size": 32000.0}, "vocab_size is `32000.0`, not a size"),
        ("LlamaForCausalLM", {"tie_word_embeddings": "yes"}, "tie_word_embeddings is `yes`, not true or false"),
        ("MixtralForCausalLM", {"num_local_experts": ...}, "the config has no num_local_experts"),
        ("Qwen3MoeForCausalLM", {"mlp_only_layers": "all"}, "mlp_only_layers is `all`, no list of layer numbers"),
        ("Qwen3MoeForCausalLM", {"mlp_only_layers": [True]}, "mlp_only_layers is a list, no list of layer numbers"),
    ],
)
def test_what_is_missing_is_a_reason_and_no_finding(architecture, changes, reason):
    model = model_of(architecture, **changes)
    assert model.weights is None
    assert model.weights_missing == reason
    assert not [note for note in model.notes if note.severity == "error"]


def test_several_reasons():
    model = model_of("LlamaForCausalLM", vocab_size=..., intermediate_size=...)
    assert model.weights_missing == "the config has no intermediate_size; the config has no vocab_size"


def test_gemma_3_takes_the_vocabulary_of_its_class():
    """The text part of google/gemma-3-4b-it leaves out vocab_size and heads."""
    shape = shape_of("Gemma3ForCausalLM", vocab_size=..., num_attention_heads=...)
    assert shape.vocab_size == 262208
    assert shape.layers[0].attention.num_q_heads == 8


def test_a_mapping_says_nothing_of_weights():
    reading = Reading()
    tree = {
        "hidden_size": 64, "num_q_heads": 4,
        "layers": [{"kind": "full_attention", "num_kv_heads": 4, "head_dim": 16}],
    }  # fmt: skip
    model = read_mapping(tree, "model", reading)
    assert model is not None
    assert model.weights is None
    assert model.weights_missing

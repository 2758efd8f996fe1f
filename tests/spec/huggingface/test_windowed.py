"""Which layers keep a window or a chunk: the rule of every family, and lists of kinds that cannot be right."""

import json

import pytest

from kvplan.errors import SpecError
from kvplan.spec.huggingface.families import ARCHITECTURES, read_config
from kvplan.spec.text import read_json

SIZES = {
    "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 64,
    "max_position_embeddings": 4096,
}  # fmt: skip
F, S, C = "full_attention", "sliding_attention", "chunked_attention"
MIXED = [S, S, S, F, F, F, F, S]


def config_of(architecture, keys):
    keys = {**SIZES, **keys}
    return {"architectures": [architecture], "model_type": ARCHITECTURES[architecture].model_type, **keys}


def model_of(architecture, keys):
    return read_config(read_json(json.dumps(config_of(architecture, keys)), "config.json"), "made-up")


def kept(architecture, keys):
    """What the layers keep: ``*`` for all, else a letter for each size, the smallest first."""
    limits = [layer.limit_tokens for layer in model_of(architecture, keys).layers]
    return limits if len(set(limits) - {None}) > 1 else "".join("*" if limit is None else "w" for limit in limits), max(
        (limit for limit in limits if limit), default=0
    )


ALL, NONE, MIX = "wwwwwwww", "********", "www****w"
W = {"sliding_window": 512}


@pytest.mark.parametrize(
    ("architecture", "keys", "layers", "window"),
    [
        # every layer or none, or as listed
        ("MistralForCausalLM", {}, ALL, 4096),  # absent is the class default
        ("MistralForCausalLM", {"sliding_window": None}, NONE, 0),  # null is none
        ("MistralForCausalLM", {"sliding_window": 0}, NONE, 0),
        ("MistralForCausalLM", W, ALL, 512),
        ("MistralForCausalLM", {**W, "layer_types": MIXED}, MIX, 512),
        ("Ministral3ForCausalLM", {}, NONE, 0),
        ("LlamaForCausalLM", {}, NONE, 0),
        ("LlamaForCausalLM", W, ALL, 512),
        ("Phi3ForCausalLM", {}, NONE, 0),
        ("Phi3ForCausalLM", {"sliding_window": 2047}, ALL, 2047),
        ("Starcoder2ForCausalLM", {}, NONE, 0),
        ("Starcoder2ForCausalLM", W, ALL, 512),
        ("Olmo2ForCausalLM", {}, NONE, 0),
        ("PhiForCausalLM", {}, NONE, 0),
        # the model's window or none: their layers read no list
        ("MixtralForCausalLM", {}, NONE, 0),
        ("MixtralForCausalLM", W, ALL, 512),
        ("MixtralForCausalLM", {**W, "layer_types": [S] * 8}, ALL, 512),
        ("MixtralForCausalLM", {**W, "layer_types": MIXED}, NONE, 0),
        ("PhiMoEForCausalLM", W, ALL, 512),
        ("GemmaForCausalLM", {}, NONE, 0),
        ("Glm4MoeForCausalLM", {}, NONE, 0),
        ("CohereForCausalLM", {}, NONE, 0),
        ("MiniMaxM2ForCausalLM", {}, NONE, 0),
        ("MiniMaxM2ForCausalLM", {"attn_type_list": [1] * 8}, NONE, 0),
        # use_sliding_window, then from max_window_layers on
        ("Qwen2ForCausalLM", W, NONE, 0),
        ("Qwen2ForCausalLM", {**W, "use_sliding_window": False, "max_window_layers": 0}, NONE, 0),
        ("Qwen2ForCausalLM", {**W, "use_sliding_window": True}, NONE, 0),  # 28 layers before any window
        ("Qwen2ForCausalLM", {**W, "use_sliding_window": True, "max_window_layers": 0}, ALL, 512),
        ("Qwen2ForCausalLM", {**W, "use_sliding_window": True, "max_window_layers": 5}, "*****www", 512),
        ("Qwen2ForCausalLM", {"use_sliding_window": True, "max_window_layers": 0}, ALL, 4096),
        ("Qwen2ForCausalLM", {**W, "layer_types": MIXED}, NONE, 0),
        ("Qwen3ForCausalLM", {**W, "use_sliding_window": True, "max_window_layers": 7}, "*******w", 512),
        ("Qwen3ForCausalLM", {**W, "use_sliding_window": True, "layer_types": MIXED}, MIX, 512),
        ("Qwen2MoeForCausalLM", {**W, "use_sliding_window": True}, "w*w*w*w*", 512),  # even layers before 28
        ("Qwen2MoeForCausalLM", {**W, "use_sliding_window": True, "max_window_layers": 3}, "w*w*****", 512),
        ("Qwen2MoeForCausalLM", W, NONE, 0),
        ("Qwen3MoeForCausalLM", W, NONE, 0),
        ("Qwen3MoeForCausalLM", {**W, "use_sliding_window": True, "max_window_layers": 3}, ALL, 512),
        ("Qwen3MoeForCausalLM", {"use_sliding_window": True}, ALL, 4096),
        # every other layer
        ("Gemma2ForCausalLM", {}, "w*w*w*w*", 4096),
        ("Gemma2ForCausalLM", {**W, "layer_types": MIXED}, MIX, 512),
        ("Gemma2ForCausalLM", {"sliding_window": None}, NONE, 0),
        ("GptOssForCausalLM", {}, "w*w*w*w*", 128),
        ("GptOssForCausalLM", {**W, "layer_types": [S, F] * 4}, "w*w*w*w*", 512),
        # every sixth, every fourth
        ("Gemma3ForCausalLM", {}, "wwwww*ww", 4096),
        ("Gemma3ForCausalLM", {**W, "sliding_window_pattern": 2}, "w*w*w*w*", 512),
        ("Gemma3ForCausalLM", {**W, "sliding_window_pattern": 1}, NONE, 0),
        ("Gemma3ForCausalLM", {**W, "_sliding_window_pattern": 2}, "wwwww*ww", 512),  # not this key
        ("Gemma3ForCausalLM", {**W, "layer_types": MIXED}, MIX, 512),
        ("Gemma3ForCausalLM", {**W, "layer_types": None}, "wwwww*ww", 512),  # null is derived
        ("Gemma3ForCausalLM", {**W, "use_bidirectional_attention": True}, "wwwww*ww", 257),  # 512 ÷ 2 + 1
        ("Cohere2ForCausalLM", {}, "www*www*", 4096),
        ("Cohere2ForCausalLM", {**W, "sliding_window_pattern": 8}, "wwwwwww*", 512),
        ("Cohere2ForCausalLM", {**W, "layer_types": MIXED}, MIX, 512),
        # chunks where positions are rotary
        ("Llama4ForCausalLM", {}, "www*www*", 8192),
        ("Llama4ForCausalLM", {"no_rope_layer_interval": 2}, "w*w*w*w*", 8192),
        ("Llama4ForCausalLM", {"no_rope_layers": [1, 0, 1, 1, 1, 1, 1, 0]}, "w*wwwww*", 8192),
        ("Llama4ForCausalLM", {"no_rope_layers": []}, "www*www*", 8192),
        ("Llama4ForCausalLM", {"no_rope_layers": None}, "www*www*", 8192),
        ("Llama4ForCausalLM", {"attention_chunk_size": 2048}, "www*www*", 2048),
        ("Llama4ForCausalLM", {"attention_chunk_size": None}, NONE, 0),
    ],
)
def test_which_layers_keep_how_much(architecture, keys, layers, window):
    assert kept(architecture, keys) == (layers, window)


def test_windows_slide_and_chunks_do_not():
    assert {layer.kind for layer in model_of("Gemma3ForCausalLM", {}).layers} == {S, F}
    assert {layer.kind for layer in model_of("Llama4ForCausalLM", {}).layers} == {C, F}


def findings_of(architecture, keys):
    with pytest.raises(SpecError) as caught:
        model_of(architecture, keys)
    return [(finding.rule, finding.path) for finding in caught.value.findings if finding.severity == "error"]


@pytest.mark.parametrize(
    ("architecture", "keys", "rule", "path"),
    [
        ("Gemma3ForCausalLM", {"layer_types": [S] * 7}, "KV018", "layer_types"),
        ("Gemma3ForCausalLM", {"layer_types": []}, "KV018", "layer_types"),
        ("Gemma3ForCausalLM", {"layer_types": [S, F, "sliding"] + [F] * 5}, "KV011", "layer_types[2]"),
        ("Gemma3ForCausalLM", {"layer_types": [S, F, 5] + [F] * 5}, "KV011", "layer_types[2]"),
        ("Gemma3ForCausalLM", {"layer_types": [F] * 7 + ["linear_attention"]}, "KV011", "layer_types[7]"),
        ("Gemma3ForCausalLM", {"layer_types": [F] * 7 + [C]}, "KV011", "layer_types[7]"),
        ("Gemma3ForCausalLM", {"layer_types": S}, "KV007", "layer_types"),
        ("Gemma3ForCausalLM", {"layer_types": {}}, "KV007", "layer_types"),
        ("Gemma3ForCausalLM", {"sliding_window_pattern": 0}, "KV010", "sliding_window_pattern"),
        ("Gemma3ForCausalLM", {"sliding_window_pattern": None}, "KV007", "sliding_window_pattern"),
        ("Gemma3ForCausalLM", {"sliding_window": "512"}, "KV007", "sliding_window"),
        ("Gemma3ForCausalLM", {"sliding_window": -1}, "KV010", "sliding_window"),
        ("GptOssForCausalLM", {"layer_types": [F, S] * 4}, "KV018", "layer_types"),
        ("Qwen2ForCausalLM", {"use_sliding_window": "yes"}, "KV007", "use_sliding_window"),
        ("Llama4ForCausalLM", {"no_rope_layers": [1, 0]}, "KV018", "no_rope_layers"),
        ("Llama4ForCausalLM", {"no_rope_layers": [1, 0] * 3 + [1, -1]}, "KV010", "no_rope_layers[7]"),
        ("Llama4ForCausalLM", {"no_rope_layers": 4}, "KV007", "no_rope_layers"),
        ("MiniMaxM2ForCausalLM", {"attn_type_list": [1] * 7 + [0]}, "KV015", "attn_type_list"),
        ("GPT2LMHeadModel", {"sliding_window": 512}, "KV015", "sliding_window"),
        ("FalconForCausalLM", {"sliding_window": 512, "head_dim": 64}, "KV015", "sliding_window"),
    ],
)
def test_lists_and_sizes_that_cannot_be_right(architecture, keys, rule, path):
    assert (rule, path) in findings_of(architecture, keys)


@pytest.mark.parametrize("architecture", ["Qwen3MoeForCausalLM", "GPT2LMHeadModel", "Llama4ForCausalLM"])
def test_a_list_is_checked_even_where_no_layer_reads_it(architecture):
    # transformers refuses a list of another length, or with unknown kinds, in every class
    assert ("KV018", "layer_types") in findings_of(architecture, {"layer_types": [F] * 3})

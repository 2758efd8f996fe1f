"""A config.json ▸ layers: the rule of every family, what classes fill in, and what is refused by name."""

import json

import pytest

from kvplan.errors import SpecError
from kvplan.spec.huggingface.families import ARCHITECTURES, read_config
from kvplan.spec.layers.layer import count_layers
from kvplan.spec.text import read_json

SIZES = {
    "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
}  # fmt: skip


def model_of(config):
    return read_config(read_json(json.dumps(config), "config.json"), "made-up")


def config_of(architecture, **changes):
    """A config of a family; a change to ``...`` leaves the key out."""
    family = ARCHITECTURES[architecture]
    keys = {key: value for key, value in {**SIZES, **changes}.items() if value is not ...}
    if family.text_part:
        return {"architectures": [architecture], "model_type": family.name, family.text_part: keys}
    return {"architectures": [architecture], "model_type": family.model_type, **keys}


def layers_of(architecture, **changes):
    return model_of(config_of(architecture, **changes)).layers


def shapes(layers):
    """Heads and widths of the layers, where all are alike."""
    return {(layer.heads_per_rank(1), layer.widths) for layer in layers}


def findings_of(config):
    with pytest.raises(SpecError) as caught:
        model_of(config)
    return [(finding.rule, finding.path) for finding in caught.value.findings if finding.severity == "error"]


NAMES = [name for name in ARCHITECTURES if name != "FalconForCausalLM"]
GQA = [
    name for name in NAMES
    if not name.startswith(("GPT", "OPT", "Deepseek"))
]  # fmt: skip


@pytest.mark.parametrize("name", GQA)
def test_heads_and_a_given_width(name):
    derived = {"Qwen2ForCausalLM", "Qwen2MoeForCausalLM"}
    width = 64 if name in derived else 96  # their code divides hidden_size by the heads and reads no head_dim
    assert shapes(layers_of(name, head_dim=96)) == {(4, (width, width))}


# Class defaults of transformers 5.23, run on configs without the key.
KV_HEADS = {
    "LlamaForCausalLM": 16, "Llama4ForCausalLM": 8, "Llama4ForConditionalGeneration": 8, "MistralForCausalLM": 8,
    "Ministral3ForCausalLM": 8, "MixtralForCausalLM": 8, "GemmaForCausalLM": 16, "Gemma2ForCausalLM": 4,
    "Gemma3ForCausalLM": 4, "Gemma3ForConditionalGeneration": 4, "PhiForCausalLM": 16, "Phi3ForCausalLM": 16,
    "PhiMoEForCausalLM": 8, "Glm4MoeForCausalLM": 8, "GptOssForCausalLM": 8, "Olmo2ForCausalLM": 16,
    "Starcoder2ForCausalLM": 2, "CohereForCausalLM": 16, "Cohere2ForCausalLM": 16, "MiniMaxM2ForCausalLM": 8,
    "Qwen2MoeForCausalLM": 16, "Qwen3MoeForCausalLM": 4,
}  # fmt: skip
NULL_IS_QUERY_HEADS = {
    "LlamaForCausalLM", "LLaMAForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "PhiForCausalLM", "Phi3ForCausalLM", "Olmo2ForCausalLM",
    "CohereForCausalLM", "Cohere2ForCausalLM",
}  # fmt: skip


@pytest.mark.parametrize(("name", "heads"), KV_HEADS.items())
def test_absent_kv_heads_are_the_classs(name, heads):
    assert {layer.num_kv_heads for layer in layers_of(name, num_key_value_heads=..., head_dim=64)} == {heads}


@pytest.mark.parametrize("name", ["Qwen2ForCausalLM", "Qwen3ForCausalLM"])
def test_absent_kv_heads_of_qwen_are_32(name):
    layers = layers_of(name, num_key_value_heads=..., num_attention_heads=64, head_dim=128)
    assert {layer.num_kv_heads for layer in layers} == {32}


@pytest.mark.parametrize("name", GQA)
def test_null_kv_heads(name):
    if name in NULL_IS_QUERY_HEADS:
        assert {layer.num_kv_heads for layer in layers_of(name, num_key_value_heads=None, head_dim=64)} == {16}
    else:
        path = ARCHITECTURES[name].text_part
        found = findings_of(config_of(name, num_key_value_heads=None, head_dim=64))
        assert found == [("KV007", f"{path}.num_key_value_heads".removeprefix("."))]


WIDTHS = {  # of an absent head_dim; the others divide: 1024 ÷ 16
    "Llama4ForCausalLM": 128, "Llama4ForConditionalGeneration": 128, "Qwen3ForCausalLM": 128, "GemmaForCausalLM": 256,
    "Gemma2ForCausalLM": 256, "Gemma3ForCausalLM": 256, "Gemma3ForConditionalGeneration": 256, "GptOssForCausalLM": 64,
    "MiniMaxM2ForCausalLM": 128, "Ministral3ForCausalLM": 128,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(GQA) - {"Glm4MoeForCausalLM"}))
def test_an_absent_width(name):
    assert {layer.k_head_dim for layer in layers_of(name)} == {WIDTHS.get(name, 64)}


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(GQA) - {"DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"}))
def test_families_without_grouped_heads(name):
    heads = 1 if name == "GPTBigCodeForCausalLM" else 16
    assert shapes(layers_of(name)) == {(heads, (64, 64))}


@pytest.mark.parametrize(
    ("keys", "heads"),
    [({}, 1), ({"multi_query": True}, 1), ({"multi_query": False}, 16), ({"num_key_value_heads": 8}, 1)],
)
def test_gpt_bigcode(keys, heads):
    assert shapes(layers_of("GPTBigCodeForCausalLM", **keys)) == {(heads, (64, 64))}


def test_gpt_2_has_names_of_its_own():
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": 5,
        "n_embd": 128,
        "n_head": 4,
        "n_positions": 77,
    }
    model = model_of(config)
    assert (len(model.layers), shapes(model.layers), model.max_position_embeddings) == (5, {(4, (32, 32))}, 77)
    assert len(model_of({**config, "num_hidden_layers": 7}).layers) == 7  # of two spellings the common one counts


@pytest.mark.parametrize(
    ("keys", "heads"),
    [
        ({"num_kv_heads": 16}, 1),  # multi-query ignores num_kv_heads
        ({"multi_query": True, "num_kv_heads": 4}, 1),
        ({"multi_query": False, "num_kv_heads": 4}, 16),  # only the new architecture reads num_kv_heads
        ({"multi_query": False, "num_kv_heads": None}, 16),
        ({"multi_query": False}, 16),
        ({"new_decoder_architecture": True, "num_kv_heads": 8}, 8),
        ({"new_decoder_architecture": True}, 16),
    ],
)
def test_falcon(keys, heads):
    assert shapes(layers_of("FalconForCausalLM", num_key_value_heads=..., **keys)) == {(heads, (64, 64))}


def test_falcon_has_no_head_dim():
    assert findings_of(config_of("FalconForCausalLM", head_dim=64)) == [("KV001", "head_dim")]


@pytest.mark.parametrize(
    ("name", "keys", "width"),
    [
        ("DeepseekV3ForCausalLM", {"kv_lora_rank": 256, "qk_rope_head_dim": 32}, 288),
        ("DeepseekV3ForCausalLM", {}, 576),
        ("DeepseekV2ForCausalLM", {"num_key_value_heads": ...}, 576),
        ("DeepseekV3ForCausalLM", {"num_nextn_predict_layers": 1, "index_topk": None}, 576),  # no layer for speculation
    ],
)
def test_latents(name, keys, width):
    layers = layers_of(name, **keys)
    assert ({layer.kind for layer in layers}, shapes(layers), len(layers)) == ({"mla"}, {(1, (width,))}, 8)


@pytest.mark.parametrize(
    ("keys", "found"),
    [({"kv_lora_rank": None}, ("KV007", "kv_lora_rank")), ({"index_topk": 2048}, ("KV015", "index_topk"))],
)
def test_latents_that_are_refused(keys, found):
    assert findings_of(config_of("DeepseekV3ForCausalLM", **keys)) == [found]


@pytest.mark.parametrize(
    ("architectures", "family"),
    [(["DeepseekV3ForCausalLM"], "kimi_k2"), (["KimiK2ForCausalLM", "DeepseekV3ForCausalLM"], "kimi_k2")],
)
def test_kimi_k2_is_a_model_type_of_deepseeks_code(architectures, family):
    model = model_of({**config_of("DeepseekV3ForCausalLM"), "architectures": architectures, "model_type": "kimi_k2"})
    assert (model.family, model.architecture) == (family, "DeepseekV3ForCausalLM")


def test_the_model_type_picks_the_defaults_and_the_architecture_the_rule():
    # GLM-4.5 as some publish it: another class, the same code
    model = model_of({**config_of("Glm4MoeForCausalLM", head_dim=96), "model_type": "glm"})
    assert (model.family, shapes(model.layers)) == ("glm4_moe", {(4, (96, 96))})


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("num_hidden_layers", "LlamaForCausalLM"),
        ("hidden_size", "Qwen3ForCausalLM"),
        ("num_attention_heads", "OPTForCausalLM"),
    ],
)
def test_sizes_that_every_checkpoint_writes_are_never_filled_in(key, name):
    assert ("KV008", key) in findings_of(config_of(name, **{key: ...}))


@pytest.mark.parametrize("value", [None, "8", 8.5, True, 0, -8, [8], 10**18])
def test_numbers_are_whole_numbers(value):
    (found,) = findings_of(config_of("LlamaForCausalLM", num_hidden_layers=value))
    assert found[0] in ("KV007", "KV010", "KV009")
    assert found[1] == "num_hidden_layers"


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"num_key_value_heads": 5}, "num_key_value_heads"),
        ({"hidden_size": 1000}, "hidden_size"),
    ],
)
def test_heads_that_do_not_divide(keys, path):
    assert ("KV018", path) in findings_of(config_of("LlamaForCausalLM", **keys))


def test_what_a_class_filled_in_is_noted():
    model = model_of(config_of("MistralForCausalLM"))
    assert [(note.rule, note.path) for note in model.notes] == [("KV103", "sliding_window")]
    assert model_of(config_of("MistralForCausalLM", sliding_window=None)).notes == ()


def test_equal_layers_are_equal_values():
    assert list(count_layers(layers_of("Gemma2ForCausalLM")).values()) == [4, 4]


# What head_dim may be where a class derives it: the table of transformers 5.23 and of vLLM's model code.
@pytest.mark.parametrize(
    ("name", "absent", "null", "zero"),
    [
        ("LlamaForCausalLM", 64, 64, 64),
        ("MistralForCausalLM", 64, 64, 64),
        ("Qwen3ForCausalLM", 128, None, 64),
        ("Qwen3MoeForCausalLM", 64, 64, 64),
        ("MixtralForCausalLM", 64, 64, None),
        ("PhiMoEForCausalLM", 64, 64, None),
        ("Glm4MoeForCausalLM", None, 64, 64),
        ("MiniMaxM2ForCausalLM", 128, None, 64),
        ("Cohere2ForCausalLM", 64, None, None),
        ("Gemma2ForCausalLM", 256, None, None),
        ("GptOssForCausalLM", 64, None, None),
    ],
)
def test_a_width_that_is_absent_null_or_zero(name, absent, null, zero):
    for value, width in ((..., absent), (None, null), (0, zero)):
        if width is None:
            with pytest.raises(SpecError):
                layers_of(name, head_dim=value)
        else:
            assert {layer.k_head_dim for layer in layers_of(name, head_dim=value)} == {width}, (value, width)


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "FalconForCausalLM", "OPTForCausalLM"])
def test_short_names_are_read_only_where_the_class_reads_them(name):
    with pytest.raises(SpecError, match="missing key `num_hidden_layers`"):
        layers_of(name, num_hidden_layers=..., n_layer=7)


@pytest.mark.parametrize("value", [[128], {"a": 1}, False, "128", 1.5, -1])
@pytest.mark.parametrize("name", ["Qwen3ForCausalLM", "LlamaForCausalLM"])
def test_a_head_dim_that_is_no_size_is_a_finding(name, value):
    assert [path for _, path in findings_of(config_of(name, head_dim=value))] == ["head_dim"]

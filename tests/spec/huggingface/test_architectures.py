"""Which family a config is of: by its architectures, its model_type, its wrapper; what is refused by name."""

import json

import pytest

from kvplan.errors import SpecError
from kvplan.spec.huggingface.families import ARCHITECTURES, read_config
from kvplan.spec.text import read_json

SIZES = {
    "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
}  # fmt: skip


def model_of(config):
    return read_config(read_json(json.dumps(config), "config.json"), "made-up")


def config_of(architecture, **changes):
    family = ARCHITECTURES[architecture]
    keys = {**SIZES, **changes}
    if family.text_part:
        return {"architectures": [architecture], "model_type": family.name, family.text_part: keys}
    return {"architectures": [architecture], "model_type": family.model_type, **keys}


def findings_of(config):
    with pytest.raises(SpecError) as caught:
        model_of(config)
    return [(finding.rule, finding.path) for finding in caught.value.findings if finding.severity == "error"]


@pytest.mark.parametrize(
    ("architecture", "hint"),
    [("JambaForCausalLM", ""), ("WhisperForConditionalGeneration", ""), ("LlamaForCausalLm", "LlamaForCausalLM")],
)
def test_an_unknown_architecture_is_refused_by_name(architecture, hint):
    with pytest.raises(SpecError) as caught:
        model_of({**config_of("LlamaForCausalLM"), "architectures": [architecture]})
    (finding,) = caught.value.findings
    assert (finding.rule, finding.path) == ("KV017", "architectures")
    assert architecture in finding.message
    assert all(name in finding.note for name in ARCHITECTURES)
    assert "describe it as a mapping" in finding.help
    assert hint in finding.help


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"architectures": None, "model_type": "jamba"}, [("KV017", "model_type")]),
        ({"architectures": [], "model_type": None}, [("KV008", "model_type")]),
        ({"architectures": "LlamaForCausalLM"}, [("KV007", "architectures")]),
        ({"architectures": [5]}, [("KV007", "architectures")]),
    ],
)
def test_what_does_not_say_what_it_is(keys, found):
    assert findings_of({**config_of("LlamaForCausalLM"), **keys}) == found


@pytest.mark.parametrize(
    ("listed", "architecture"),
    [
        ([], "LlamaForCausalLM"),  # by model_type
        (None, "LlamaForCausalLM"),
        (["MyForCausalLM", "Qwen3ForCausalLM"], "Qwen3ForCausalLM"),  # the first that is known
    ],
)
def test_the_architecture_of_a_list(listed, architecture):
    assert model_of({**config_of("LlamaForCausalLM"), "architectures": listed}).architecture == architecture


@pytest.mark.parametrize("tree", [[], "config", 5, None, True])
def test_a_config_is_a_mapping(tree):
    assert findings_of(tree) == [("KV007", "")]


def test_a_config_under_a_key_of_its_own():
    config = config_of("LlamaForCausalLM")
    assert model_of({"config": config, "source": "somewhere"}).layers == model_of(config).layers
    assert findings_of({"config": {**config, "max_position_embeddings": "4K"}}) == [
        ("KV007", "config.max_position_embeddings")
    ]


WRAPPERS = sorted(name for name, family in ARCHITECTURES.items() if family.text_part)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_is_read_by_its_text_part(name):
    config = config_of(name)
    outside = {**config, "num_hidden_layers": 99, "num_key_value_heads": 99, "vision_config": {"hidden_size": 7}}
    assert model_of(outside).layers == model_of(config).layers
    inside = {**config["text_config"], "num_hidden_layers": None}
    assert findings_of({**config, "text_config": inside}) == [("KV007", "text_config.num_hidden_layers")]


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("part", [{}, {"text_config": None}, {"text_config": []}, {"text_config": "flat"}])
def test_a_wrapper_without_its_text_part_is_refused(name, part):
    config = {**config_of(name), **SIZES}
    del config["text_config"]
    assert findings_of({**config, **part}) == [("KV008", "text_config")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_kv_shared_layers", 15), ("use_cla", True), ("linear_attn_config", {"kda_layers": [1]}),
        ("layers_block_type", ["mamba"] * 8), ("hybrid_override_pattern", "M*"), ("full_attention_interval", 4),
        ("is_encoder_decoder", True), ("block_configs", [{}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["LlamaForCausalLM", "Qwen3ForCausalLM", "Gemma3ForConditionalGeneration"])
def test_keys_of_other_families_are_refused(name, key, value):
    path = f"{ARCHITECTURES[name].text_part}.{key}".removeprefix(".")
    assert findings_of(config_of(name, **{key: value})) == [("KV015", path)]


def test_keys_of_other_families_may_say_nothing():
    config = config_of("LlamaForCausalLM", num_kv_shared_layers=0, use_cla=False, is_encoder_decoder=None)
    assert len(model_of(config).layers) == 8


@pytest.mark.parametrize(
    "key",
    [
        "num_hidden_layers",
        "num_key_value_heads",
        pytest.param("hidden_size"),
        pytest.param("num_attention_heads"),
    ],
)
def test_a_fault_is_said_once(key):
    assert findings_of(config_of("LlamaForCausalLM", **{key: "8"})) == [("KV007", key)]

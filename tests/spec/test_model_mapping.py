"""Models written as a mapping: runs of layers, and what each kind needs and refuses."""

import pytest

from kvplan.spec.formats import FORMATS, KVFormat
from kvplan.spec.kinds import Reading
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.model import Model
from kvplan.spec.model_mapping import read_mapping
from kvplan.spec.text import read_yaml

FULL = "{kind: full_attention, num_kv_heads: 8, head_dim: 128}"
BF16 = KVFormat(FORMATS["bf16"], FORMATS["bf16"])


def read(text: str):
    reading = Reading()
    model = read_mapping(read_yaml(text, "m.yaml").tree, "model", reading)
    return model, [(finding.rule, finding.path) for finding in reading.findings]


def with_layers(*runs: str) -> str:
    return f"{{hidden_size: 8192, num_q_heads: 64, layers: [{', '.join(runs)}]}}"


def layers(run: str):
    model, findings = read(with_layers(run))
    assert findings == []
    return model.layers


def test_a_full_mapping():
    text = f"""
name: mine
hidden_size: 8192
num_q_heads: 64
max_position_embeddings: 128Ki
kv_format: fp8
layers:
  - {{kind: sliding_attention, count: 2, num_kv_heads: 4, head_dim: 64, v_head_dim: 32, sliding_window: 1Ki}}
  - {FULL}
"""
    window = SlidingAttention(4, 64, 32, 1024)
    assert read(text) == (
        Model(
            name="mine",
            architecture="mapping",
            family="mapping",
            layers=(window, window, FullAttention(8, 128, 128)),
            hidden_size=8192,
            num_q_heads=64,
            max_position_embeddings=131_072,
            kv_format=KVFormat(FORMATS["fp8_e4m3"], FORMATS["fp8_e4m3"]),
            kv_format_source="kv_format of the mapping",
            kv_plain=KVFormat(FORMATS["bf16"], FORMATS["bf16"]),
            kv_scheme="",
            quantization="",
            source="a mapping",
        ),
        [],
    )


def test_defaults():
    model, _ = read(with_layers(FULL))
    assert model is not None
    assert (model.name, model.max_position_embeddings) == ("model", None)
    assert (model.kv_format, model.kv_format_source) == (BF16, "default of a mapping")


# Bytes a token in bf16: heads × (K width + V width) × 2; a latent has no V.
@pytest.mark.parametrize(
    ("run", "layer", "bytes_per_token"),
    [
        (FULL, FullAttention(8, 128, 128), 8 * (128 + 128) * 2),
        (
            "{kind: full_attention, num_kv_heads: 2, head_dim: 192, v_head_dim: 128}",
            FullAttention(2, 192, 128),
            2 * (192 + 128) * 2,
        ),
        (
            "{kind: sliding_attention, num_kv_heads: 1, head_dim: 64, sliding_window: 4Ki}",
            SlidingAttention(1, 64, 64, 4096),
            1 * (64 + 64) * 2,
        ),
        (
            "{kind: chunked_attention, num_kv_heads: 8, head_dim: 128, attention_chunk_size: 8Ki}",
            ChunkedAttention(8, 128, 128, 8192),
            8 * (128 + 128) * 2,
        ),
        ("{kind: mla, kv_lora_rank: 512, qk_rope_head_dim: 64}", LatentAttention(512, 64), (512 + 64) * 2),
    ],
)
def test_each_kind_of_layer(run, layer, bytes_per_token):
    assert layers(run) == (layer,)
    assert layer.bytes_per_token(BF16) == bytes_per_token


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("3", [("KV007", "")]),
        ("{count: 2}", [("KV008", ".kind")]),
        ("{kind: full_atention}", [("KV011", ".kind")]),
        pytest.param(
            "{kind: full_attention}",
            [("KV008", ".num_kv_heads"), ("KV008", ".head_dim")],
        ),
        ("{kind: sliding_attention, num_kv_heads: 8, head_dim: 128}", [("KV008", ".sliding_window")]),
        ("{kind: chunked_attention, num_kv_heads: 8, head_dim: 128}", [("KV008", ".attention_chunk_size")]),
        ("{kind: mla, kv_lora_rank: 512}", [("KV008", ".qk_rope_head_dim")]),
        ("{kind: mla, kv_lora_rank: 512, qk_rope_head_dim: 64, num_kv_heads: 1}", [("KV018", ".num_kv_heads")]),
        (FULL.replace("}", ", sliding_window: 4}"), [("KV018", ".sliding_window")]),
        (FULL.replace("}", ", head_dims: 4}"), [("KV001", ".head_dims")]),
        (FULL.replace("}", ", count: 0}"), [("KV010", ".count")]),
        (FULL.replace("}", ", count: 10001}"), [("KV010", ".count")]),
        (FULL.replace("128", "0"), [("KV010", ".head_dim")]),
        (FULL.replace("128", "16777217"), [("KV010", ".head_dim")]),
        (FULL.replace("128", "128.5"), [("KV007", ".head_dim")]),
    ],
)
def test_refuses_a_run(run, found):
    assert read(with_layers(run)) == (None, [(rule, "model.layers[0]" + path) for rule, path in found])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", [("KV008", "model.hidden_size"), ("KV008", "model.num_q_heads"), ("KV008", "model.layers")]),
        (with_layers(), [("KV010", "model.layers")]),
        (with_layers(FULL).replace("8192", "0"), [("KV010", "model.hidden_size")]),
        (with_layers(FULL).replace("}]", "}], kv_format: fp7"), [("KV011", "model.kv_format")]),
        (with_layers(FULL).replace("}]", "}], kv_format: q5_0"), [("KV015", "model.kv_format")]),
        (with_layers(FULL).replace("}]", "}], hiden_size: 1"), [("KV001", "model.hiden_size")]),
        ("3", [("KV007", "model")]),
    ],
)
def test_refuses_a_mapping(text, found):
    assert read(text) == (None, found)


def test_layers_are_bounded_in_sum():
    run = FULL.replace("}", ", count: 1024}")
    assert read(with_layers(run, run))[1] == []
    assert read(with_layers(run, run, FULL)) == (None, [("KV010", "model.layers")])


def test_every_finding_comes_in_one_pass():
    text = with_layers("{kind: mla, kv_lora_rank: 512}", FULL, "{kind: full_attention, head_dim: x}").replace(
        "8192", "-1"
    )
    assert read(text)[1] == [
        ("KV010", "model.hidden_size"),
        ("KV008", "model.layers[0].qk_rope_head_dim"),
        ("KV007", "model.layers[2].head_dim"),
    ]


def test_a_note_on_a_token_count_does_not_refuse():
    model, findings = read(with_layers(FULL).replace("}]", "}], max_position_embeddings: 1M"))
    assert model is not None
    assert (model.max_position_embeddings, findings) == (1_000_000, [("KV014", "model.max_position_embeddings")])

"""What changed with which version: figures on both sides of every boundary, from the sources of vLLM 0.9 to 0.33."""

import json

import pytest

import kvplan
from kvplan.errors import SpecError
from kvplan.footprint.engines.versions import Rules, in_range, parse_version, value_at
from kvplan.spec.catalog import engine_data


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.32", (0, 32, 0)),
        ("0.9.2", (0, 9, 2)),
        ("v0.10.1", (0, 10, 1)),
        ("0.9.0.post2", (0, 9, 0)),
        ("0.32.0rc1", None),
        ("0", None),
        ("0.32.0.1", None),
        ("0.٣٢", None),
        ("latest", None),
        ("", None),
    ],
)
def test_versions_are_read(text, version):
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "inside"),
    [((0, 8, 9), False), ((0, 9, 0), True), ((0, 33, 0), True), ((0, 33, 4), True), ((0, 34, 0), False)],
)
def test_patches_of_the_last_release_are_inside(version, inside):
    assert in_range(version, "0.9.0", "0.33.0") is inside


def test_the_newest_line_not_after_a_version_counts():
    history = [["0.9.0", "a"], ["0.10.1", "b"], ["0.14.0", "c"]]
    releases = [(0, 9, 0), (0, 10, 0), (0, 10, 1), (0, 10, 12), (0, 13, 9), (0, 14, 0), (1, 0, 0)]
    assert "".join(value_at(history, release) for release in releases) == "aabbbcc"


@pytest.mark.parametrize("name", sorted(engine_data()["vllm"]["rules"]))
def test_every_rule_begins_with_the_first_version_and_ascends(name):
    data = engine_data()["vllm"]
    firsts = [parse_version(first) for first, _ in data["rules"][name]]
    assert firsts[0] == parse_version(data["versions"]["first"])
    assert firsts == sorted(set(firsts))
    assert Rules(data["rules"], (0, 33, 0))[name] == data["rules"][name][-1][1]


def pages(model, version, measure, *, manager="auto", step=8192):
    """A figure at 131072 tokens in pages of one layer: 16 tokens of bf16."""
    options = {} if manager == "auto" else {"hybrid_kv_cache_manager": manager}
    result = kvplan.size(
        model=model,
        context=131_072,
        kv_format="bf16",
        block_size=16,
        engine=f"vllm@{version}",
        engine_options=options,
        set={"deployments.0.limits.max_num_batched_tokens": step},
    )
    layers = int(result.factors[0].value)
    return getattr(result, f"rank_{measure}_bytes") * layers // (result.rank_bytes_per_token * 16)


# Called in 0.19 to 0.25 with one batch of 8192 tokens as slack, and with the manager off.
NEEDED = [
    ("gemma-3-27b", 116_540, 507_904),
    ("gemma-2-27b", 206_103, 376_832),
    ("gemma-3-1b", 45_848, 212_992),
    ("gpt-oss-20b", 104_556, 196_608),
    ("gpt-oss-120b", 156_834, 294_912),
    ("cohere2-hf-default", 104_990, 327_680),
    ("llama-4-scout", 135_168, 393_216),
]


@pytest.mark.parametrize("version", ["0.19.0", "0.25.1"])
@pytest.mark.parametrize(("model", "grouped", "off"), NEEDED)
def test_what_the_engine_says_that_it_needs(model, grouped, off, version):
    assert (pages(model, version, "reserved"), pages(model, version, "reserved", manager="off")) == (grouped, off)


@pytest.mark.parametrize(("model", "grouped", "off"), NEEDED)
def test_two_batches_in_flight_from_0_26(model, grouped, off):
    # as one batch of twice the tokens before
    assert pages(model, "0.26.0", "reserved") == pages(model, "0.25.1", "reserved", step=16_384) > grouped
    assert pages(model, "0.26.0", "reserved", manager="off") == off


G3_27B = 7 * 10 * 8192 - 6 * 10 * (8192 - 64)  # 6 groups of windows hold 64 blocks, all 10 layers wide
LLAMA4_CHUNKS, LLAMA4_FULL = 12 * (3 * 512 + 8192), 48 * 8192  # 131072 tokens are 16 whole chunks of 512 blocks


@pytest.mark.parametrize(
    ("model", "version", "held"),
    [
        ("gemma-3-27b", "0.9.0", 62 * 8192),  # no groups: every layer counts as full
        ("gemma-3-27b", "0.9.1", G3_27B),
        ("gemma-3-27b", "0.33.0", G3_27B),
        ("llama-4-scout", "0.9.0", LLAMA4_FULL),  # chunked layers are plain full attention
        ("llama-4-scout", "0.9.2", LLAMA4_FULL),
        ("llama-4-scout", "0.10.0", LLAMA4_CHUNKS),
        ("llama-4-scout", "0.10.1", LLAMA4_FULL),  # grouped by request only
        ("llama-4-scout", "0.11.0", LLAMA4_FULL),
        ("llama-4-scout", "0.13.0", LLAMA4_FULL),
        ("llama-4-scout", "0.14.0", LLAMA4_CHUNKS),
        ("llama-4-scout", "0.33.0", LLAMA4_CHUNKS),
        ("mistral-7b-v0.1", "0.9.0", 32 * 256),  # windows in every layer are kept without groups, too
        ("mistral-7b-v0.1", "0.33.0", 32 * 256),
        ("llama-3.1-8b", "0.9.0", 32 * 8192),
        ("llama-3.1-8b", "0.33.0", 32 * 8192),
        ("cohere2-hf-default", "0.28.0", 10 * (3 * 256 + 8192)),
        ("cohere2-hf-default", "0.29.0", 10 * (3 * 257 + 8192)),  # a window of 4097
    ],
)
def test_held_on_both_sides_of_a_boundary(model, version, held):
    assert pages(model, version, "held") == held


@pytest.mark.parametrize("version", ["0.10.1", "0.13.0"])
def test_llama_4_is_grouped_on_request(version):
    assert pages("llama-4-scout", version, "held", manager="on") == LLAMA4_CHUNKS


@pytest.mark.parametrize(("version", "kept"), [("0.28.0", 4096), ("0.29.0", 4097), ("0.33.0", 4097)])
def test_cohere_2_keeps_one_token_more_from_0_29(version, kept):
    result = kvplan.size(model="cohere2-hf-default", context=5000, kv_format="bf16", engine=f"vllm@{version}")
    assert result.minimum_bytes == 32_768 * (30 * kept + 10 * 5000)  # a layer: 64 heads × 256 elements × 2 bytes


@pytest.mark.parametrize(
    ("version", "kv_format", "bytes_per_token", "rules"),
    [
        ("0.11.0", "fp8_e4m3", 4_096, set()),
        ("0.11.1", "bf16", 8_192, {"KV305"}),
        ("0.33.0", "bf16", 8_192, {"KV305"}),
    ],
)
def test_falcon_ignores_fp8_from_0_11_1(version, kv_format, bytes_per_token, rules):
    result = kvplan.size(model="falcon-7b", context=64, kv_format="fp8", engine=f"vllm@{version}")
    assert (result.kv_format, result.rank_bytes_per_token) == (kv_format, bytes_per_token)
    assert {note.rule for note in result.notes} == rules


@pytest.mark.parametrize(("version", "kv_format"), [("0.13.0", "bf16"), ("0.14.0", "fp8_e4m3"), ("0.33.0", "fp8_e4m3")])
def test_a_modelopt_scheme_is_read_from_0_14(version, kv_format, tmp_path):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64,
        "num_attention_heads": 4, "max_position_embeddings": 64, "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert kvplan.size(model=str(tmp_path), context=64, engine=f"vllm@{version}").kv_format == kv_format


def outcome(**flags):
    """``counted``, or the rules of the refusal."""
    try:
        kvplan.size(context=64, **flags)
    except SpecError as error:
        return {finding.rule for finding in error.findings}
    return "counted"


DCP = {"tensor_parallel": 16, "decode_context_parallel": 2}
PCP = {"context_parallel": 2}


@pytest.mark.parametrize(
    ("flags", "before", "rule", "since"),
    [
        ({"model": "gpt-oss-20b"}, "0.10.0", "KV303", "0.10.1"),
        ({"model": "glm-4.5-355b"}, "0.9.2", "KV303", "0.10.0"),
        ({"model": "kimi-k2"}, "0.9.2", "KV303", "0.10.0"),
        ({"model": "minimax-m2"}, "0.11.0", "KV303", "0.11.1"),
        ({"model": "llama-3-70b", "kv_format": "nvfp4"}, "0.19.1", "KV302", "0.20.0"),
        ({"model": "gemma-2-27b", "kv_format": "nvfp4"}, "0.20.2", "KV302", "0.21.0"),
        ({"model": "deepseek-v3", "kv_format": "fp8"}, "0.10.1", "KV302", "0.10.2"),
        ({"model": "deepseek-v3", **DCP}, "0.10.1", "KV301", "0.10.2"),
        ({"model": "llama-3-70b", **DCP}, "0.11.0", "KV301", "0.11.1"),
        ({"model": "deepseek-v3", **PCP}, "0.25.1", "KV301", "0.26.0"),
        ({"model": "gemma-3-27b", "engine_options": {"hybrid_kv_cache_manager": "on"}}, "0.9.0", "KV306", "0.9.1"),
    ],
)
def test_what_a_version_serves_first(flags, before, rule, since):
    outcomes = [outcome(engine=f"vllm@{version}", **flags) for version in (before, since, "0.33.0")]
    assert outcomes == [{rule}, "counted", "counted"]


def test_stages_are_grouped_alone_before_0_11():
    heads = {"count": 3, "num_kv_heads": 8, "head_dim": 64}
    layers = [{"kind": "full_attention", **heads}, {"kind": "sliding_attention", "sliding_window": 128, **heads}]
    held = [
        kvplan.size(
            model={"hidden_size": 512, "num_q_heads": 8, "layers": layers},
            context=4096,
            pipeline_parallel=2,
            pipeline_rank=0,
            engine=f"vllm@{version}",
        ).rank_held_bytes
        for version in ("0.10.2", "0.11.0")
    ]
    # stage 0 has the three full layers: 256 blocks; later the windows' 8 blocks are taken there as well
    assert held == [256 * 3 * 16 * 2048, (256 + 8) * 3 * 16 * 2048]

"""The default engine: blocks of one size, each kind of layer its own, peak and reserved as held."""

import pytest

import kvplan
from kvplan.errors import SpecError


def test_paged_is_the_default():
    default = kvplan.size(model="gemma-3-27b", context=5000)
    asked = kvplan.size(model="gemma-3-27b", context=5000, engine="paged", block_size=16)
    assert (default.ladder, default.classes) == (asked.ladder, asked.classes)
    assert (default.engine.name, default.engine.version, default.block_size) == ("paged", "", 16)


@pytest.mark.parametrize(
    ("context", "block", "window_blocks", "full_blocks"),
    [
        # Gemma 3 27B: window 1024; ⌈N/b⌉ − ⌊max(0, N − 1024)/b⌋ blocks
        (1, 16, 1, 1),
        (1024, 16, 64, 64),
        (1025, 16, 65, 65),
        (1040, 16, 64, 65),
        (5000, 16, 65, 313),  # 313 − ⌊3976/16⌋ = 313 − 248
        (5000, 256, 5, 20),
        (5000, 1, 1024, 5000),
    ],
)
def test_windows_and_full_layers_have_blocks_of_their_own(context, block, window_blocks, full_blocks):
    result = kvplan.size(model="gemma-3-27b", context=context, kv_format="bf16", block_size=block)
    assert result.held_bytes == (52 * window_blocks + 10 * full_blocks) * block * 8192


@pytest.mark.parametrize(
    ("context", "chunk_blocks", "full_blocks"), [(8192, 512, 512), (8193, 1, 513), (8200, 1, 513), (20_000, 226, 1250)]
)
def test_chunks(context, chunk_blocks, full_blocks):
    # Llama 4 Scout: 36 layers with chunks of 8192; 20000 − 16384 = 3616 tokens are 226 blocks
    result = kvplan.size(model="llama-4-scout", context=context, kv_format="bf16")
    assert result.held_bytes == (36 * chunk_blocks + 12 * full_blocks) * 16 * 4096


@pytest.mark.parametrize("model", ["gemma-3-27b", "llama-4-scout", "deepseek-v3", "llama-3-8b", "gpt-oss-20b"])
@pytest.mark.parametrize("context", [1, 999, 16_384, 100_001])
def test_peak_and_reserved_are_held(model, context):
    result = kvplan.size(model=model, context=context)
    assert result.peak_bytes == result.reserved_bytes == result.held_bytes


@pytest.mark.parametrize(
    ("flags", "rule", "message"),
    [
        ({"engine": "paged@1.0"}, "KV304", "paged has no versions (1.0)"),
        ({"engine_options": {"prefix_caching": "on"}}, "KV306", "paged has no option `prefix_caching`"),
        ({"tensor_parallel": 7}, "KV301", "32 attention heads cannot be shared by 7 ranks: they do not divide"),
        ({"pipeline_parallel": 63}, "KV301", "62 layers cannot fill 63 stages"),
        ({"context_parallel": 2}, "KV301", "the tokens of a window or chunk are not spread over ranks"),
        (
            {"tensor_parallel": 2, "decode_context_parallel": 2},
            "KV301",
            "the tokens of a window or chunk are not spread over ranks",
        ),
        ({"tensor_parallel": 8, "decode_context_parallel": 3}, "KV301", "3 does not divide 8"),
    ],
)
def test_what_is_refused(flags, rule, message):
    with pytest.raises(SpecError) as caught:
        kvplan.size(model="gemma-3-27b", context=1000, **flags)
    assert [rule for finding in caught.value.findings if message in finding.message] == [rule]
    assert rule in {finding.rule for finding in caught.value.findings}


@pytest.mark.parametrize(
    ("model", "kv_format", "message"),
    [
        ("phi-2", "q8_0", "q8_0 stores 32 elements together; a head of 80 is not a multiple"),
        ("phi-3.5-mini", "k=bf16,v=mxfp4", None),  # 96 = 3 × 32
        ("phi-2", "k=bf16,v=mxfp4", "mxfp4 stores 32 elements together; a head of 80 is not a multiple"),
        ("phi-2", "nvfp4", None),  # 80 = 5 × 16
        ("deepseek-v3", "k=bf16,v=fp8", "a latent (MLA) is one vector, K and V cannot differ"),
        ("deepseek-v3", "nvfp4", None),  # paged stores any format
    ],
)
def test_formats_that_a_layer_can_be_stored_in(model, kv_format, message):
    if message is None:
        assert kvplan.size(model=model, context=64, kv_format=kv_format).held_bytes > 0
        return
    with pytest.raises(SpecError) as caught:
        kvplan.size(model=model, context=64, kv_format=kv_format)
    assert [(finding.rule, message in finding.message) for finding in caught.value.findings] == [("KV302", True)]


@pytest.mark.parametrize("name", ["sglang", "tensorrt_llm", "vlm", "llama_cpp", ""])
def test_an_engine_without_a_rule_is_not_called_paged(name):
    with pytest.raises(SpecError) as caught:
        kvplan.size(model="gpt2", context=64, engine=name)
    assert {finding.rule for finding in caught.value.findings} <= {"KV304", "KV007", "KV009", "KV011"}

"""What the architecture keeps: hand-computed figures, limiting cases, arrays equal to a plain loop, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.footprint.sizing import LayerGroup, bytes_by_limit, group_layers, size_sequences
from kvplan.spec.catalog import model_names
from kvplan.spec.formats import FORMATS, KVFormat
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.models import catalog_model

BF16 = KVFormat(FORMATS["bf16"], FORMATS["bf16"])
FULL = FullAttention(8, 128, 128)


def plain(name):
    return KVFormat(FORMATS[name], FORMATS[name])


def tokens_of(*counts):
    return np.array(counts, dtype=np.int64)


@pytest.mark.parametrize(
    ("model", "kv_format", "bytes_per_token", "unbounded"),
    [
        # layers × (K and V) × KV heads × head width × bytes of an element
        ("llama-3.1-8b", "bf16", 32 * 2 * 8 * 128 * 2, 131_072),
        ("llama-3.1-405b", "fp8_e4m3", 126 * 2 * 8 * 128 * 1, 258_048),
        ("llama-3-70b", "q8_0", 80 * 2 * 8 * (128 // 32 * 34), 174_080),  # 136 bytes for 128 elements
        ("llama-3-70b", "nvfp4", 80 * 2 * 8 * (128 // 2 + 128 // 16), 92_160),  # 72 bytes for 128 elements
        ("falcon-7b", "fp16", 32 * 2 * 1 * 64 * 2, 8_192),  # multi-query, 4544 ÷ 71 = 64
        ("gemma-3-27b", "bf16", 62 * 2 * 16 * 128 * 2, 10 * 2 * 16 * 128 * 2),  # 10 of 62 layers are full
        ("gpt-oss-120b", "bf16", 36 * 2 * 8 * 64 * 2, 18 * 2 * 8 * 64 * 2),  # every other layer
        ("llama-4-scout", "bf16", 48 * 2 * 8 * 128 * 2, 12 * 2 * 8 * 128 * 2),  # every fourth layer
        ("deepseek-v3", "bf16", 61 * (512 + 64) * 2, 70_272),  # one latent and one rotary key, no V
        ("deepseek-v3", "fp8_e4m3", 61 * (512 + 64), 35_136),
    ],
)
def test_bytes_of_a_token(model, kv_format, bytes_per_token, unbounded):
    totals = bytes_by_limit(group_layers(catalog_model(model).layers, plain(kv_format)))
    assert (sum(totals.values()), totals[None]) == (bytes_per_token, unbounded)


def test_k_and_v_may_differ_in_width_and_format():
    layer = FullAttention(4, 192, 128)
    split = KVFormat(FORMATS["q8_0"], FORMATS["q4_0"])
    assert layer.bytes_per_token(BF16) == 4 * (192 + 128) * 2
    assert layer.bytes_per_token(split) == 4 * (192 // 32 * 34 + 128 // 32 * 18)  # 4 × (204 + 72)


@pytest.mark.parametrize(
    ("layer", "same_as"),
    [
        (SlidingAttention(8, 128, 128, 4096), FULL),  # a window as long as the sequence
        (SlidingAttention(8, 128, 128, 5000), FULL),  # a longer window
        (ChunkedAttention(8, 128, 128, 4096), FULL),  # one chunk
        (ChunkedAttention(8, 128, 128, 64), SlidingAttention(8, 128, 128, 64)),  # at most as much as that window
        (FullAttention(1, 288, 288), LatentAttention(512, 64)),  # 2 × 288 = 576 elements
    ],
)
def test_layers_that_keep_alike(layer, same_as):
    tokens = tokens_of(0, 1, 63, 64, 65, 4095, 4096)
    sizes = [size_sequences(group_layers([kind] * 3, BF16), tokens).tolist() for kind in (layer, same_as)]
    assert sizes[0] == sizes[1]


def test_a_window_stops_growing():
    groups = group_layers([SlidingAttention(1, 1, 1, 100)], BF16)  # 4 bytes a token
    assert size_sequences(groups, tokens_of(0, 99, 100, 101, 2**40)).tolist() == [0, 396, 400, 400, 400]


@pytest.mark.parametrize("model", model_names())
def test_no_tokens_are_no_bytes(model):
    groups = group_layers(catalog_model(model).layers, BF16)
    assert size_sequences(groups, tokens_of(0)).tolist() == [0]


@pytest.mark.parametrize("model", model_names())
def test_one_rank_is_the_model(model):
    layers = catalog_model(model).layers
    assert group_layers(layers, BF16, 1) == group_layers(layers, BF16)


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (3,), (2, 3), (0, 4), (2, 0, 2), (1 << 15,), ((1 << 15) + 1,), (70_001,)]
)
def test_shapes_are_kept(shape):
    tokens = np.full(shape, 7, dtype=np.int64)
    sizes = size_sequences(group_layers([FULL], BF16), tokens)
    assert (sizes.shape, sizes.dtype, bool((sizes == 7 * 4096).all())) == (shape, np.dtype(np.int64), True)


def test_arrays_that_are_not_contiguous():
    tokens = np.arange(24, dtype=np.int64).reshape(4, 6)[::2, ::3]
    before = tokens.copy()
    assert size_sequences(group_layers([FULL], BF16), tokens).tolist() == (before * 4096).tolist()
    assert tokens.tolist() == before.tolist()


layer_groups = st.lists(
    st.builds(
        LayerGroup,
        st.one_of(
            st.just(FULL),
            st.builds(SlidingAttention, st.just(8), st.just(64), st.just(64), st.integers(1, 300)),
            st.builds(ChunkedAttention, st.just(8), st.just(64), st.just(64), st.integers(1, 300)),
        ),
        st.integers(1, 100),
        st.integers(1, 1 << 20),
    ),
    max_size=5,
)


@given(groups=layer_groups, counts=st.lists(st.integers(0, 1 << 20), max_size=30))
def test_arrays_equal_a_plain_loop(groups, counts):
    def one(tokens):
        size = 0
        for group in groups:
            limit = group.layer.limit_tokens
            size += group.count * group.bytes_per_token * (tokens if limit is None else min(tokens, limit))
        return size

    assert size_sequences(groups, tokens_of(*counts)).tolist() == [one(tokens) for tokens in counts]


@given(groups=layer_groups, extra=st.integers(1, 1000), tokens=st.integers(0, 1 << 20))
def test_more_tokens_are_never_fewer_bytes(groups, extra, tokens):
    less, more = size_sequences(groups, tokens_of(tokens, tokens + extra)).tolist()
    assert less <= more


@given(groups=layer_groups, counts=st.permutations([0, 1, 17, 300, 4096, 99_999]))
def test_order_does_not_matter(groups, counts):
    ordered = dict(zip(sorted(counts), size_sequences(groups, tokens_of(*sorted(counts))).tolist(), strict=True))
    assert size_sequences(groups, tokens_of(*counts)).tolist() == [ordered[tokens] for tokens in counts]


@pytest.mark.parametrize("counts", [(-1,), (5, -3), (-(2**62),)])
def test_negative_tokens_are_refused(counts):
    with pytest.raises(ValueError, match="negative number of tokens"):
        size_sequences(group_layers([FULL], BF16), tokens_of(*counts))


@pytest.mark.parametrize("tokens", [2**50, 2**62, 2**63 - 1])
def test_sizes_past_2_to_the_62_are_refused(tokens):
    with pytest.raises(ValueError, match=r"would pass 2\*\*62 bytes"):
        size_sequences(group_layers([FULL], BF16), tokens_of(1, tokens))  # 4096 = 2**12 bytes a token


def test_a_size_just_below_2_to_the_62_is_exact():
    assert size_sequences(group_layers([FULL], BF16), tokens_of(2**50 - 2)).tolist() == [(2**50 - 2) * 2**12]


@pytest.mark.parametrize("dtype", ["int32", "uint64", "float64", "bool", "object"])
def test_other_types_are_refused(dtype):
    with pytest.raises(TypeError, match=f"tokens are {dtype}, not int64"):
        size_sequences(group_layers([FULL], BF16), np.ones(3, dtype=dtype))

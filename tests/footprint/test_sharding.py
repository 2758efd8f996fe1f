"""What one rank holds: heads over a tensor group, layers over stages, sequences over instances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import SpecError
from kvplan.footprint.sharding import instance_sequences, stage_sizes, stage_slices
from kvplan.spec.formats import FORMATS, KVFormat
from kvplan.spec.layers.attention import FullAttention
from kvplan.spec.layers.latent import LatentAttention

BF16 = KVFormat(FORMATS["bf16"], FORMATS["bf16"])


@pytest.mark.parametrize(
    ("num_layers", "stages", "sizes"),
    [
        (61, 1, [61]),
        (61, 2, [31, 30]),  # DeepSeek-V3: the remainder is never the last stage's
        (62, 4, [15, 16, 16, 15]),
        (63, 4, [16, 16, 16, 15]),
        (80, 8, [10] * 8),
        (7, 7, [1] * 7),
        (5, 4, [1, 1, 2, 1]),
        (3, 4, [1, 1, 1, 0]),  # a stage without layers, which engines are not asked for
    ],
)
def test_stages(num_layers, stages, sizes):
    assert stage_sizes(num_layers, stages) == sizes


@given(num_layers=st.integers(1, 500), stages=st.integers(1, 64))
def test_stages_share_all_layers_evenly_and_in_order(num_layers, stages):
    sizes = stage_sizes(num_layers, stages)
    covered = [index for part in stage_slices(num_layers, stages) for index in range(num_layers)[part]]
    assert covered == list(range(num_layers))
    assert max(sizes) - min(sizes) <= 1
    assert sizes[-1] == num_layers // stages


@pytest.mark.parametrize(
    ("layer", "ranks", "heads"),
    [
        (FullAttention(8, 128, 128), 1, 8),
        (FullAttention(8, 128, 128), 4, 2),
        (FullAttention(8, 128, 128), 8, 1),
        (FullAttention(8, 128, 128), 16, 1),  # held again by every second rank
        (FullAttention(1, 64, 64), 8, 1),  # multi-query is never divided
        (LatentAttention(512, 64), 16, 1),  # nor is a latent
    ],
)
def test_heads_of_a_rank(layer, ranks, heads):
    assert (layer.heads_per_rank(ranks), layer.heads_problem(ranks)) == (heads, "")
    assert layer.bytes_per_token(BF16, ranks) == heads * sum(layer.widths) * 2


@pytest.mark.parametrize(("heads", "ranks"), [(8, 3), (8, 12), (6, 4), (5, 2)])
def test_heads_that_do_not_divide(heads, ranks):
    problem = FullAttention(heads, 128, 128).heads_problem(ranks)
    assert problem == f"{heads} KV heads and {ranks} ranks: neither divides the other"


@given(heads=st.integers(1, 128), ranks=st.integers(1, 128))
def test_ranks_hold_every_head_at_least_once(heads, ranks):
    layer = FullAttention(heads, 64, 64)
    if not layer.heads_problem(ranks):
        held = layer.heads_per_rank(ranks) * ranks
        assert held == max(heads, ranks)


@pytest.mark.parametrize(("sequences", "instances", "fullest"), [(32, 8, 4), (33, 8, 5), (1, 8, 1), (7, 1, 7)])
def test_sequences_of_the_fullest_instance(sequences, instances, fullest):
    assert instance_sequences(sequences, instances) == fullest


@pytest.mark.parametrize(
    ("ranks", "rank_bytes_per_token", "replicated_tokens"),
    [
        (1, 327_680, 0),
        (8, 40_960, 0),  # 8 KV heads on 8 ranks
        (16, 40_960, 1),  # 8 KV heads on 16 ranks: all held twice
        (32, 40_960, 3),
    ],
)
def test_tensor_ranks_past_the_heads_replicate(ranks, rank_bytes_per_token, replicated_tokens):
    result = kvplan.size(model="llama-3-70b", context=1000, kv_format="fp16", tensor_parallel=ranks)
    assert result.rank_bytes_per_token == rank_bytes_per_token
    assert result.replicated_bytes == replicated_tokens * 1000 * 327_680


def test_a_latent_is_whole_on_every_rank():
    result = kvplan.size(model="deepseek-v3", context=1000, kv_format="bf16", tensor_parallel=16)
    assert (result.rank_bytes_per_token, result.replicated_bytes) == (70_272, 15 * 1000 * 70_272)


@pytest.mark.parametrize(("rank", "layers"), [(None, 16), (0, 15), (1, 16), (2, 16), (3, 15)])
def test_figures_of_a_stage(rank, layers):
    # Gemma 3 27B: 62 layers over 4 stages, 8192 bytes a token and layer
    result = kvplan.size(model="gemma-3-27b", context=1000, kv_format="bf16", pipeline_parallel=4, pipeline_rank=rank)
    assert result.rank_bytes_per_token == layers * 8192
    assert result.pipeline_rank == (1 if rank is None else rank)


def test_a_stage_that_is_not_there():
    with pytest.raises(SpecError, match=r"no pipeline rank 4: the 4 stages count from 0"):
        kvplan.size(model="gemma-3-27b", context=1000, pipeline_parallel=4, pipeline_rank=4)


def test_stages_hold_the_model_together():
    whole = kvplan.size(model="gemma-3-27b", context=5000, kv_format="bf16")
    stages = [
        kvplan.size(model="gemma-3-27b", context=5000, kv_format="bf16", pipeline_parallel=4, pipeline_rank=rank)
        for rank in range(4)
    ]
    assert sum(stage.rank_held_bytes for stage in stages) == whole.held_bytes
    assert sum(stage.rank_minimum_bytes for stage in stages) == whole.minimum_bytes


@pytest.mark.parametrize(
    ("flag", "ranks", "message"),
    [
        ("tensor_parallel", 3, "64 attention heads cannot be shared by 3 ranks"),
        ("pipeline_parallel", 81, "80 layers cannot fill 81 stages"),
        ("decode_context_parallel", 2, "2 does not divide 1"),
    ],
)
@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
def test_splits_that_no_engine_can_make(engine, flag, ranks, message):
    with pytest.raises(SpecError, match=message):
        kvplan.size(model="llama-3-70b", context=1000, engine=engine, **{flag: ranks})


@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
def test_kv_heads_that_do_not_divide(engine):
    # Phi-4: 40 heads, 10 KV heads
    with pytest.raises(SpecError, match="10 KV heads and 4 ranks: neither divides the other"):
        kvplan.size(model="phi-4", context=1000, engine=engine, tensor_parallel=4)

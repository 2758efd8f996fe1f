"""Conservation over ranks, instances and prefixes: what is counted once, again, and together."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.errors import SpecError

MEASURES = ("minimum", "held", "peak", "reserved")


def mapping(num_q_heads, num_kv_heads, layers=3, window=None):
    heads = {"num_kv_heads": num_kv_heads, "head_dim": 16}
    runs = [{"kind": "full_attention", "count": layers, **heads}]
    if window:
        runs.append({"kind": "sliding_attention", "count": layers, "sliding_window": window, **heads})
    return {"name": "made-up", "hidden_size": 64, "num_q_heads": num_q_heads, "layers": runs}


def figures(result):
    return {name: getattr(result, name) for name in vars(result) if name.endswith("_bytes") or "bytes_per" in name}


SPLITS = [
    {"model": "llama-3-70b", "tensor_parallel": 8},
    {"model": "llama-3-70b", "tensor_parallel": 32},
    {"model": "llama-3-70b", "tensor_parallel": 16, "pipeline_parallel": 3},
    {"model": "deepseek-v3", "tensor_parallel": 8, "pipeline_parallel": 2},
    {"model": "gemma-3-27b", "tensor_parallel": 32, "pipeline_parallel": 4},
    {"model": "llama-4-scout", "tensor_parallel": 4},
]


@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
@pytest.mark.parametrize("split", SPLITS, ids=lambda split: "-".join(map(str, split.values())))
def test_all_ranks_are_one_copy_and_what_is_held_again(engine, split):
    stages = [
        kvplan.size(**split, context=5003, batch=3, engine=engine, pipeline_rank=rank)
        for rank in range(split.get("pipeline_parallel", 1))
    ]
    whole = stages[0]
    every_rank = sum(stage.rank_minimum_bytes for stage in stages) * split["tensor_parallel"]
    assert whole.minimum_bytes + whole.replicated_bytes == every_rank
    for measure in MEASURES[1:]:
        ranks = sum(getattr(stage, f"rank_{measure}_bytes") for stage in stages) * split["tensor_parallel"]
        assert getattr(whole, f"{measure}_bytes") == ranks, measure


@settings(deadline=None, max_examples=25)
@given(heads=st.sampled_from([1, 2, 4, 8]), tensor=st.sampled_from([1, 2, 4, 8]), context=st.integers(1, 3000))
@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
def test_twice_the_heads_on_twice_the_ranks_is_the_same_rank(engine, heads, tensor, context):
    half = kvplan.size(model=mapping(8, heads, window=100), tensor_parallel=tensor, context=context, engine=engine)
    twice = kvplan.size(
        model=mapping(16, 2 * heads, window=100), tensor_parallel=2 * tensor, context=context, engine=engine
    )
    ranks = [
        {name: size for name, size in figures(result).items() if name.startswith("rank_")} for result in (half, twice)
    ]
    assert ranks[0] == ranks[1]
    assert (2 * half.held_bytes, 2 * half.replicated_bytes) == (twice.held_bytes, twice.replicated_bytes)


@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
@pytest.mark.parametrize(("batch", "instances", "fullest"), [(32, 8, 4), (33, 8, 5), (3, 8, 1), (7, 2, 4)])
def test_instances_share_the_sequences(engine, batch, instances, fullest):
    one = kvplan.size(model="gemma-3-1b", context=5000, batch=1, engine=engine)
    spread = kvplan.size(model="gemma-3-1b", context=5000, batch=batch, data_parallel=instances, engine=engine)
    for measure in MEASURES:
        assert getattr(spread, f"{measure}_bytes") == batch * getattr(one, f"{measure}_bytes"), measure
        assert getattr(spread, f"rank_{measure}_bytes") == fullest * getattr(one, f"{measure}_bytes"), measure


@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
def test_a_batch_is_that_many_sequences(engine):
    one, many = (kvplan.size(model="gpt-oss-20b", context=777, batch=batch, engine=engine) for batch in (1, 50))
    for measure in MEASURES:
        assert getattr(many, f"{measure}_bytes") == 50 * getattr(one, f"{measure}_bytes"), measure


@pytest.mark.parametrize(
    ("flags", "rank_minimum", "rank_held"),
    [
        # 61 layers × 576 elements × 2 bytes = 70272 a token; 1001 tokens over 8 ranks are 126, in blocks of 64: 128
        ({"engine": "vllm@0.32", "tensor_parallel": 8, "decode_context_parallel": 8}, 126, 128),
        ({"engine": "vllm@0.32", "tensor_parallel": 8, "decode_context_parallel": 2}, 501, 512),
        ({"tensor_parallel": 8, "decode_context_parallel": 8, "block_size": 64}, 126, 128),
        ({"context_parallel": 4, "block_size": 64}, 251, 256),
        ({"context_parallel": 2, "tensor_parallel": 8, "decode_context_parallel": 2, "block_size": 64}, 251, 256),
    ],
)
def test_tokens_spread_over_ranks(flags, rank_minimum, rank_held):
    result = kvplan.size(model="deepseek-v3", context=1001, kv_format="bf16", **flags)
    assert (result.rank_minimum_bytes, result.rank_held_bytes) == (rank_minimum * 70_272, rank_held * 70_272)
    assert result.rank_bytes_per_token == 70_272  # per-token figures are before tokens are spread
    ranks = flags.get("tensor_parallel", 1) * flags.get("context_parallel", 1)
    assert result.held_bytes == ranks * result.rank_held_bytes


def test_spread_tokens_are_not_replicated():
    flags = {"model": "deepseek-v3", "context": 1024, "kv_format": "bf16", "tensor_parallel": 8, "block_size": 16}
    assert kvplan.size(**flags).replicated_bytes == 7 * 1024 * 70_272
    assert kvplan.size(**flags, decode_context_parallel=8).replicated_bytes == 0
    assert kvplan.size(**flags, decode_context_parallel=2).replicated_bytes == 3 * 1024 * 70_272


PREFIXED = """
kvplan: 1
name: prefixed
model:
  hidden_size: 64
  num_q_heads: 4
  layers:
    - {{kind: full_attention, count: 2, num_kv_heads: 4, head_dim: 16}}
    - {{kind: sliding_attention, num_kv_heads: 4, head_dim: 16, sliding_window: {window}}}
kv: {{format: bf16, block_size: {block}}}
deployment: {{data_parallel: {instances}, tensor_parallel: {tensor}}}
requests:
  - {{name: a, sequences: {count}, input: {prompt}, output: 1, prefix: {{tokens: {prefix}, count: {prefixes}}}}}
"""
LAYERS = {"full": 2, "window": 1}


def listed_blocks(drawn):
    """Blocks of every instance, each named by who owns it: a prefix, or one sequence."""
    tokens, block = drawn["prompt"] + 1, drawn["block"]
    whole = drawn["prefix"] // block
    instances = []
    for instance in range(drawn["instances"]):
        blocks = set()
        for index, sequence in enumerate(range(instance, drawn["count"], drawn["instances"])):
            prefix = index % drawn["prefixes"]
            for kind in LAYERS:
                first = max(0, tokens - drawn["window"]) // block if kind == "window" else 0
                blocks |= {
                    (kind, number, ("prefix", prefix) if number < whole else ("sequence", sequence))
                    for number in range(first, -(-tokens // block))
                }
        instances.append(blocks)
    return instances


workloads = st.fixed_dictionaries(
    {
        "window": st.integers(1, 60), "block": st.sampled_from([1, 4, 7, 16]), "instances": st.integers(1, 4),
        "tensor": st.sampled_from([1, 2, 4]), "count": st.integers(1, 9), "prefixes": st.integers(1, 4),
        "prefix": st.integers(1, 70), "suffix": st.integers(0, 70),
    }
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(drawn=workloads)
def test_a_shared_prefix_against_listed_blocks(drawn):
    drawn = {**drawn, "prompt": drawn["prefix"] + drawn["suffix"]}
    result = kvplan.size(PREFIXED.format(**drawn))
    block_bytes = drawn["block"] * 4 * 2 * 16 * 2  # 4 heads, K and V of 16 elements, 2 bytes
    sizes = [sum(LAYERS[kind] for kind, _, _ in blocks) * block_bytes for blocks in listed_blocks(drawn)]
    assert (result.held_bytes, result.rank_held_bytes) == (sum(sizes), max(sizes) // drawn["tensor"])


@pytest.mark.parametrize(
    ("tokens", "saved"),
    [(1000, 9 * 62), (16, 9), (15, 0)],  # 9 of 10 sequences save whole blocks of 16
)
@pytest.mark.parametrize("engine", ["paged", "vllm@0.32"])
def test_only_whole_blocks_are_shared(engine, tokens, saved):
    text = f"""
kvplan: 1
name: chat
model: llama-3.1-8b
engine: {engine}
requests: [{{name: chat, sequences: 10, input: 4096, output: 16, prefix: {{tokens: {tokens}}}}}]
"""
    result = kvplan.size(text)
    block = 16 * 131_072
    assert result.held_bytes == (10 * 257 - saved) * block
    assert result.minimum_bytes == (10 * 257 - saved) * block
    assert {note.rule for note in result.notes} == ({"KV106"} if saved == 0 else set())


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gemma-3-1b"])
def test_paged_peaks_at_and_reserves_what_it_holds(model):
    text = f"""
kvplan: 1
name: chat
model: {model}
requests: [{{name: chat, sequences: 10, input: 400, output: 16, prefix: {{tokens: 100}}}}]
"""
    result = kvplan.size(text)
    assert (result.peak_bytes, result.reserved_bytes) == (result.held_bytes, result.held_bytes)


def test_without_prefix_caching_nothing_is_shared():
    text = """
kvplan: 1
name: chat
model: llama-3.1-8b
engine: vllm@0.32
engine_options: {prefix_caching: false}
requests: [{name: chat, sequences: 10, input: 4096, output: 16, prefix: {tokens: 1000}}]
"""
    result = kvplan.size(text)
    assert result.held_bytes == result.minimum_bytes == 10 * 4112 * 131_072
    assert [note.rule for note in result.notes] == ["KV305"]


def test_a_prefix_over_decode_context_ranks():
    text = """
kvplan: 1
name: chat
model: deepseek-v3
kv: {format: bf16, block_size: 64}
engine: vllm@0.32
deployment: {tensor_parallel: 8, decode_context_parallel: 8}
requests: [{name: chat, sequences: 3, input: 4088, output: 8, prefix: {tokens: 1300}}]
"""
    result = kvplan.size(text)
    # 4096 ÷ 8 ranks are 512 tokens, 8 blocks; 2 blocks of 64 × 8 tokens are whole: 1 block a rank each
    assert result.rank_held_bytes == (3 * 8 - 2 * 2) * 64 * 70_272


@pytest.mark.parametrize(
    "flags",
    [
        {"model": "llama-3-70b", "context": 2**61},
        {"model": "llama-3-70b", "context": 2**30, "batch": 2**30},
        {"model": "gpt2", "context": 2**48, "tensor_parallel": 12, "batch": 10},
    ],
)
def test_what_could_pass_2_to_the_62_is_refused(flags):
    with pytest.raises(SpecError) as caught:
        kvplan.size(**flags)
    assert {finding.rule for finding in caught.value.findings} <= {"KV102", "KV010", "KV009"}

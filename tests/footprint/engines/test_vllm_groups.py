"""How vLLM packs layers into groups: figures of its own grouping functions, by version, and hand-made layers."""

import pytest

import kvplan
from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.engines.versions import Rules, parse_version
from kvplan.footprint.engines.vllm_groups import (
    Grouping,
    GroupingError,
    as_full,
    group_slots,
    promoted,
    stage_block_groups,
)
from kvplan.spec.catalog import engine_data
from kvplan.spec.formats import FORMATS, KVFormat
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.models import catalog_model

BF16 = KVFormat(FORMATS["bf16"], FORMATS["bf16"])
FULL = FullAttention(8, 64, 64)
SLIDING = SlidingAttention(8, 64, 64, 128)


def how(version, tensor=1, block=16):
    rules = Rules(engine_data()["vllm"]["rules"], parse_version(version))
    names = ("group_growth_percent", "uniform_pages", "unified_pages", "padded_pages")
    return Grouping(block, tensor, *(rules[name] for name in names))


def groups_of(layers, version, **options):
    return group_slots(layers, BF16, how(version, **options))


def sizes_of(layers, version):
    return [len(group) for group in groups_of(layers, version)]


GEMMA3 = [9, 9, 9, 9, 8, 8, 10]  # 52 windows in groups of 10, padded, and 10 full layers


@pytest.mark.parametrize("version", ["0.9.1", "0.11.0", "0.12.0", "0.14.0", "0.18.1", "0.19.0", "0.26.0", "0.32.0"])
@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("gemma-2-27b", [23, 23]),
        ("gemma-3-27b", GEMMA3),
        ("gemma-3-1b", [4, 4, 4, 4, 3, 3, 4]),  # 22 windows and 4 full
        ("gpt-oss-20b", [12, 12]),
        ("gpt-oss-120b", [18, 18]),
        ("cohere2-hf-default", [10, 10, 10, 10]),
        ("llama-4-scout", [12, 12, 12, 12]),
        ("llama-3.1-8b", [32]),
        ("mistral-7b-v0.1", [32]),  # every layer has the window
        ("deepseek-v3", [61]),
    ],
)
def test_groups_of_the_families(model, sizes, version):
    assert sizes_of(catalog_model(model).layers, version) == sizes


def test_layers_are_dealt_out_in_turn():
    groups = groups_of(catalog_model("gemma-3-27b").layers, "0.32.0")
    assert [slot.index for slot in groups[-1]] == [5, 11, 17, 23, 29, 35, 41, 47, 53, 59]
    assert [slot.index for slot in groups[0]][:3] == [0, 7, 14]  # the 1st, 7th and 13th window
    assert sorted(slot.index for group in groups for slot in group) == list(range(62))


@pytest.mark.parametrize(
    ("counts", "version", "sizes"),
    [
        # sliding and full layers; the group takes the larger count where that is under 1.25, later 1.5 of the smaller
        ((12, 13), "0.11.2", [12, 7, 6]),
        ((12, 13), "0.12.0", [12, 13]),
        ((12, 13), "0.32.0", [12, 13]),
        ((10, 13), "0.17.1", [10, 7, 6]),
        ((10, 13), "0.18.0", [10, 13]),
        ((10, 15), "0.32.0", [10, 8, 7]),  # 15 is not under 1.5 × 10
        ((4, 5), "0.17.1", [4, 3, 2]),  # 5 is not under 1.25 × 4
        ((30, 1), "0.32.0", [1] * 31),
    ],
)
def test_the_size_of_a_group(counts, version, sizes):
    assert sizes_of([SLIDING] * counts[0] + [FULL] * counts[1], version) == sizes


def test_12_windows_and_13_full_layers_reserve_what_the_engine_says():
    heads = {"num_kv_heads": 8, "head_dim": 64}
    layers = [
        {"kind": "sliding_attention", "count": 12, "sliding_window": 4096, **heads},
        {"kind": "full_attention", "count": 13, **heads},
    ]
    result = kvplan.size(
        model={"hidden_size": 512, "num_q_heads": 8, "layers": layers},
        context=4096,
        engine="vllm@0.32",
        engine_options={"max_in_flight_tokens": 4096},
    )
    # (257 + 256 blocks) × 13 layers × 16 tokens × 8 heads × 128 elements × 2 bytes: called in 0.32
    assert result.reserved_bytes == 218_529_792


def reserved(layers, context):
    return kvplan.size(
        model={"hidden_size": 4096, "num_q_heads": 64, "layers": layers},
        context=context,
        engine="vllm@0.32",
        engine_options={"max_in_flight_tokens": 4096},
    ).reserved_bytes


MIMO = [  # as MiMo-V2-Flash: K of 192 and V of 128, twice the heads in windows
    {"kind": "full_attention", "count": 9, "num_kv_heads": 4, "head_dim": 192, "v_head_dim": 128},
    {
        "kind": "sliding_attention",
        "count": 39,
        "num_kv_heads": 8,
        "head_dim": 192,
        "v_head_dim": 128,
        "sliding_window": 128,
    },
]
GEMMA4 = [  # as Gemma 4 with 60 layers, and with 30
    {"kind": "sliding_attention", "count": 50, "num_kv_heads": 16, "head_dim": 256, "sliding_window": 1024},
    {"kind": "full_attention", "count": 10, "num_kv_heads": 4, "head_dim": 512},
]
GEMMA4_SMALL = [
    {"kind": "sliding_attention", "count": 25, "num_kv_heads": 8, "head_dim": 256, "sliding_window": 1024},
    {"kind": "full_attention", "count": 5, "num_kv_heads": 2, "head_dim": 512},
]


@pytest.mark.parametrize(
    ("layers", "context", "size"),
    [
        (MIMO, 4096, 1_041_776_640),
        (MIMO, 131_072, 3_996_794_880),
        (GEMMA4, 131_072, 14_944_829_440),
        (GEMMA4_SMALL, 131_072, 3_736_207_360),
    ],
    ids=["mimo-4k", "mimo-128k", "gemma4", "gemma4-small"],
)
def test_unequal_pages_reserve_what_the_engine_says(layers, context, size):
    assert reserved(layers, context) == size


def test_a_narrow_page_gets_a_longer_block():
    narrow, wide = FullAttention(4, 192, 128), SlidingAttention(8, 192, 128, 128)
    groups = groups_of([narrow] * 9 + [wide] * 39, "0.32.0")
    # 16 × 4 × 320 × 2 = 40960 bytes against 81920: blocks of 32
    assert [(len(group), group[0].block_size, group[0].page_bytes) for group in groups] == [
        (9, 32, 81_920), *((size, 16, 81_920) for size in (8, 8, 8, 8, 7)),
    ]  # fmt: skip
    assert {group.block_bytes for group in stage_block_groups(groups, [slice(0, 48)])[0]} == {737_280}


UNEVEN = [FullAttention(3, 128, 128)] * 2 + [SlidingAttention(8, 128, 128, 128)] * 2


def test_a_page_that_does_not_divide_is_padded():
    groups = groups_of(UNEVEN, "0.32.0")
    assert [[(slot.page_bytes, slot.block_size) for slot in group] for group in groups] == [[(65_536, 16)] * 2] * 2


@pytest.mark.parametrize(
    ("layers", "version", "reason"),
    [
        ([FullAttention(4, 64, 64), SLIDING], "0.11.2", "unequal pages in groups of one pool"),
        (UNEVEN, "0.11.2", "unequal pages in groups of one pool"),
        (UNEVEN, "0.12.0", "pages that do not divide each other"),
        (UNEVEN, "0.28.0", "pages that do not divide each other"),
        ([LatentAttention(512, 64), SlidingAttention(8, 64, 64, 128)], "0.32.0", "pages that do not divide each other"),
        ([FullAttention(4, 64, 64), FULL], "0.10.2", "unequal pages in one group"),
    ],
)
def test_layers_that_cannot_be_grouped(layers, version, reason):
    with pytest.raises(GroupingError, match=reason):
        groups_of(layers, version)


@pytest.mark.parametrize(
    "layers",
    [
        [FullAttention(4, 64, 64), FULL, FullAttention(1, 512, 512)],
        [FULL, LatentAttention(512, 64)],
        [SlidingAttention(4, 64, 64, 128), SLIDING],
    ],
)
def test_one_type_is_one_group_whatever_the_heads(layers):
    (group,) = groups_of(layers, "0.32.0")
    assert [slot.page_bytes for slot in group] == [layer.bytes_per_token(BF16) * 16 for layer in layers]


def test_two_windows_are_two_groups():
    layers = [SlidingAttention(8, 64, 64, window) for window in (128, 256, 128, 256)]
    assert [[slot.index for slot in group] for group in groups_of(layers, "0.32.0")] == [[0, 2], [1, 3]]


def test_heads_are_counted_on_a_rank():
    groups = groups_of([FullAttention(4, 64, 64), FULL], "0.32.0", tensor=8)
    assert [slot.page_bytes for slot in groups[0]] == [16 * 2 * 64 * 2] * 2  # one head each on a rank


def test_a_stage_holds_its_part_of_every_group():
    # Gemma 3 27B over two stages of 31 layers: at most 5 windows or 5 full layers of a group on each
    groups = groups_of(catalog_model("gemma-3-27b").layers, "0.32.0")
    page = 131_072
    whole, halves = (
        stage_block_groups(groups, [slice(0, 62)]),
        stage_block_groups(groups, [slice(0, 31), slice(31, 62)]),
    )
    assert whole == [(BlockGroup("window", 1024, 16, 10 * page, 6), BlockGroup("full", 0, 16, 10 * page))]
    assert halves == [(BlockGroup("window", 1024, 16, 5 * page, 6), BlockGroup("full", 0, 16, 5 * page))] * 2


def test_a_group_without_layers_on_a_stage_takes_blocks_there():
    groups = groups_of([FULL] * 3 + [SLIDING] * 3, "0.32.0")
    page = 16 * 2048
    assert stage_block_groups(groups, [slice(0, 3), slice(3, 6)])[0] == (
        BlockGroup("full", 0, 16, 3 * page),
        BlockGroup("window", 128, 16, 3 * page),
    )


@pytest.mark.parametrize(
    ("layers", "kinds"),
    [
        ([SLIDING, FULL], {"full_attention"}),
        ([ChunkedAttention(8, 64, 64, 512), FULL], {"full_attention"}),
        ([LatentAttention(512, 64), SLIDING], {"mla", "full_attention"}),
        ([SLIDING, SLIDING], {"sliding_attention"}),  # a model of windows alone keeps them
    ],
)
def test_without_the_hybrid_manager(layers, kinds):
    assert {layer.kind for layer in as_full(layers)} == kinds


def test_layers_of_one_kind_are_promoted():
    chunked = ChunkedAttention(8, 64, 64, 512)
    assert promoted([SLIDING, chunked, FULL], ChunkedAttention) == (SLIDING, FULL, FULL)

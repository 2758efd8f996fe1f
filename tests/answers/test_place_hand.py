"""Placements by hand: every number from published shapes in whole numbers, none of it by the planner's own functions."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import kvplan
from kvplan.answers.place_result import DeploymentPlace, Place

GIB = 1 << 30


class Hand(NamedTuple):
    """What the sums of a case give, for a rank of the stage that fills first. [bytes], [blocks]"""

    weights: int
    reserve: int
    room: int
    block: int
    capacity: int
    each: int
    sequences: int  # of an instance


# Llama 3 70B (config.json): 80 layers, hidden 8192, 64 heads and 8 KV heads of 128, MLP 28672, 128256 words, bf16.
#
# Parameters of a layer on one of t ranks, where t divides 64 heads and 28672:
#   q 8192 × 8192 ÷ t, o the same; k and v each 128 × 8192 × KV heads a rank; MLP 3 × 28672 × 8192 ÷ t; norms 2 × 8192.
#   t =  8, 1 KV head a rank: 2 × 8 388 608 + 2 × 1 048 576 + 88 080 384 + 16 384 = 106 971 136
#   t = 16, 1 KV head a rank, held twice: 2 × 4 194 304 + 2 × 1 048 576 + 44 040 192 + 16 384 = 54 542 336
# Embedding and head: 128256 = 2004 × 64 words, so nothing is padded: 128256 × 8192 ÷ t each; the last norm 8192.
#   t =  8: 2 × 131 334 144; t = 16: 2 × 65 667 072.
# Bytes of weights, at 2 a parameter:
#   TP8        2 × (80 × 106 971 136 + 262 668 288 + 8 192) = 17 640 734 720  (16.4 GiB: 5 GiB in reserve)
#   TP16       2 × (80 ×  54 542 336 + 131 334 144 + 8 192) =  8 989 458 432  ( 8.4 GiB: 3 GiB)
#   PP2 × TP8  2 × (40 × 106 971 136 + 131 334 144)         =  8 820 359 168  of the first stage, with the embedding
#              2 × (40 × 106 971 136 + 131 334 144 + 8 192) =  8 820 375 552  of the last, with head and norm: 3 GiB
# Memory: 144 GB at the safe end. paged takes 90 % of it, 129 600 000 000; vLLM 0.32 92 %, 132 480 000 000.
# A block of 16 tokens on a rank: 1 KV head × (128 + 128) × 2 bytes × 16 = 8 192 a layer: 655 360 for 80 layers,
# 327 680 for 40. Pool and blocks (vLLM keeps one of them null), and sequences of 8 192 tokens, 512 blocks each:
#   paged TP8  129 600 000 000 − 17 640 734 720 − 5 368 709 120 = 106 590 556 160 ÷ 655 360 ▸ 162 644      ÷ 512 ▸ 317
#   vllm  TP8  132 480 000 000 − 17 640 734 720 − 5 368 709 120 = 109 470 556 160 ÷ 655 360 ▸ 167 038 − 1  ÷ 512 ▸ 326
#   paged TP16 129 600 000 000 −  8 989 458 432 − 3 221 225 472 = 117 389 316 096 ÷ 655 360 ▸ 179 121      ÷ 512 ▸ 349
#   vllm  TP16 132 480 000 000 −  8 989 458 432 − 3 221 225 472 = 120 269 316 096 ÷ 655 360 ▸ 183 516 − 1  ÷ 512 ▸ 358
#   paged PP2  129 600 000 000 −  8 820 375 552 − 3 221 225 472 = 117 558 398 976 ÷ 327 680 ▸ 358 759      ÷ 512 ▸ 700
#   vllm  PP2  132 480 000 000 −  8 820 375 552 − 3 221 225 472 = 120 438 398 976 ÷ 327 680 ▸ 367 548 − 1  ÷ 512 ▸ 717
LLAMA: dict[str, tuple[dict[str, Any], Hand]] = {
    "paged, TP8": (
        {"engine": "paged", "tensor_parallel": 8},
        Hand(17_640_734_720, 5 * GIB, 129_600_000_000, 655_360, 162_644, 512, 317),
    ),
    "vllm, TP8": (
        {"engine": "vllm@0.32", "tensor_parallel": 8},
        Hand(17_640_734_720, 5 * GIB, 132_480_000_000, 655_360, 167_037, 512, 326),
    ),
    "paged, TP16": (
        {"engine": "paged", "tensor_parallel": 16},
        Hand(8_989_458_432, 3 * GIB, 129_600_000_000, 655_360, 179_121, 512, 349),
    ),
    "vllm, TP16": (
        {"engine": "vllm@0.32", "tensor_parallel": 16},
        Hand(8_989_458_432, 3 * GIB, 132_480_000_000, 655_360, 183_515, 512, 358),
    ),
    "paged, PP2 × TP8": (
        {"engine": "paged", "tensor_parallel": 8, "pipeline_parallel": 2},
        Hand(8_820_375_552, 3 * GIB, 129_600_000_000, 327_680, 358_759, 512, 700),
    ),
    "vllm, PP2 × TP8": (
        {"engine": "vllm@0.32", "tensor_parallel": 8, "pipeline_parallel": 2},
        Hand(8_820_375_552, 3 * GIB, 132_480_000_000, 327_680, 367_547, 512, 717),
    ),
}

# DeepSeek V3 (config.json): 61 layers, hidden 7168, 128 heads (128 + 64 wide, v 128), latents of 1536 and 512 + 64,
# MLP 18432 in 3 layers, then 256 experts and one shared expert of 2048, 129280 = 2020 × 64 words. Weights in fp8 with an
# fp32 scale for 128 × 128; embedding, head, norms and router in bf16, the router's bias of scores in fp32.
# Bytes on one of 8 ranks:
#   q_a, whole         1536 × 7168 + 12 × 56 × 4 = 11 012 736   kv_a, whole  576 × 7168 + 5 × 56 × 4 = 4 129 888
#   q_b, 16 heads     3072 × 1536 + 24 × 12 × 4 =  4 719 744   kv_b         4096 × 512 + 32 × 4 × 4 = 2 097 664
#   o                7168 × 2048 + 56 × 16 × 4 = 14 683 648   norms 2 × (1536 + 512 + 2 × 7168)    =    32 768
#   together 36 676 448 in each of 61 layers
#   MLP of 3 layers   3 × (2304 × 7168 + 18 × 56 × 4) = 49 557 312
#   experts of 58   257 × 3 × (256 × 7168 + 2 × 56 × 4) + 2 × 256 × 7168 + 4 × 256 = 1 418 807 616
#   embedding and head 2 × 16 160 × 7168 × 2 = 463 339 520, the last norm 14 336
#   61 × 36 676 448 + 3 × 49 557 312 + 58 × 1 418 807 616 + 463 339 520 + 14 336 = 85 140 130 848  (79.3 GiB: 12 GiB)
# GB200: 197.89 GB at the safe end; 178 101 000 000 for paged, 182 058 800 000 for vLLM.
# A token is one latent of 512 + 64 in bf16, whole on every rank: 1 152 bytes a layer, 70 272 in 61. vLLM's block is 64.
#   paged 178 101 000 000 − 85 140 130 848 − 12 884 901 888 = 80 075 967 264 ÷ 1 124 352 ▸ 71 219      ÷ 2 048 ▸ 34
#   vllm  182 058 800 000 − 85 140 130 848 − 12 884 901 888 = 84 033 767 264 ÷ 4 497 408 ▸ 18 684 − 1  ÷   512 ▸ 36
# sequences of 32 768 tokens.
DEEPSEEK: dict[str, tuple[dict[str, Any], Hand]] = {
    "paged": (
        {"engine": "paged"},
        Hand(85_140_130_848, 12 * GIB, 178_101_000_000, 1_124_352, 71_219, 2048, 34),
    ),
    "vllm": (
        {"engine": "vllm@0.32"},
        Hand(85_140_130_848, 12 * GIB, 182_058_800_000, 4_497_408, 18_683, 512, 36),
    ),
}

# gpt-oss-120b (config.json): 36 layers, every other one with a window of 128; hidden 2880, 64 heads and 8 KV heads of 64,
# biases; 128 experts of 2880 in mxfp4, the rest bf16; 201088 = 3142 × 64 words.
# Parameters in bf16 of a layer on one of 2 ranks:
#   q 2048 × 2880 + 2048, k and v 2 × (256 × 2880 + 256), o 2880 × 2048 + 2880, sinks 32, norms 5760, router 128 × 2881
#   5 900 288 + 1 475 072 + 5 901 120 + 32 + 5 760 + 368 768 = 13 651 040: 27 302 080 bytes
# An expert, its hidden side padded to 3072 and its 1440 channels a rank to 1536 (docs/model.md): half a byte an element,
# a byte for 32, two a bias:
#   gate and up each 1536 × 3072 ÷ 2 + 1536 × 96 + 2 × 1536 = 2 509 824, down 3072 × 1536 ÷ 2 + 3072 × 48 + 2 × 3072 =
#   2 512 896: 7 532 544, and 128 of them 964 165 632
# Embedding and head 2 × 100 544 × 2880 × 2 = 1 158 266 880, the last norm 5 760:
#   36 × (27 302 080 + 964 165 632) + 1 158 266 880 + 5 760 = 36 851 110 272  (34.3 GiB: 5 GiB)
# H100: 84.92 GB at the safe end, 92 % of it 78 126 400 000; the pool 35 906 580 608.
# A page of a layer: 4 KV heads × (64 + 64) × 2 × 16 = 16 384. Two groups of 18 layers (full, window) share blocks of
# 18 × 16 384 = 294 912: 121 753 of them, one null.
# A sequence of 8 192 tokens, prefilled in steps of 2 048:
#   held     full 512; the window keeps 512 − ⌊(8192 − 128) ÷ 16⌋ = 512 − 504 = 8: 520
#   peak     in the last step from 6144 on: 512 and 512 − ⌊(6145 − 128) ÷ 16⌋ = 512 − 376 = 136: 648
#   reserved two steps in flight: 512 and ⌈(127 + 4096) ÷ 16⌉ + 1 = 265: 777
GPT_OSS: dict[str, Hand] = {
    "now": Hand(36_851_110_272, 5 * GIB, 78_126_400_000, 294_912, 121_752, 520, 234),
    "peak": Hand(36_851_110_272, 5 * GIB, 78_126_400_000, 294_912, 121_752, 648, 187),
    "reserved": Hand(36_851_110_272, 5 * GIB, 78_126_400_000, 294_912, 121_752, 777, 156),
}


def rank_of(one: DeploymentPlace) -> tuple[int, ...]:
    """The sums of a rank, as the result has them."""
    return (one.weights_bytes, one.reserve_bytes, one.room_bytes, one.block_bytes, one.capacity_blocks)


def check_rank(found: Place, hand: Hand, *, hbm: int) -> None:
    """The sums of a rank, and what follows from them for the fullest instance."""
    (one,) = found.deployments
    assert rank_of(one) == hand[:5]
    assert one.pool_bytes // hand.block - hand.capacity in (0, 1)  # the null block
    assert {run.size_blocks for run in found.plan.runs} == {hand.each}
    assert max(run.count for run in found.plan.runs) == hand.sequences
    full = hand.sequences * hand.each
    assert found.kv_pool_utilization == round(full / hand.capacity, 6)
    assert found.hbm_utilization == round((hand.weights + hand.reserve + full * hand.block) / hbm, 6)
    # Not one more: what is left of the pool is less than a sequence.
    assert 0 <= hand.capacity - full < hand.each


@pytest.mark.parametrize("name", LLAMA)
def test_a_70b_model_on_one_al128(name: str) -> None:
    flags, hand = LLAMA[name]
    asked: dict[str, Any] = {"model": "llama-3-70b", "system": "al128", "context": 8192, "kv_format": "bf16", **flags}
    seat = flags["tensor_parallel"] * flags.get("pipeline_parallel", 1)
    found = kvplan.place(batch=2000, **asked)
    check_rank(found, hand, hbm=144_000_000_000)
    replicas = -(-2000 // hand.sequences)
    assert (found.verdict, len(found.replicas)) == ("yes", replicas)
    assert (found.accelerators_used, found.lower_bound, found.gap) == (replicas * seat, replicas * seat, 0)
    assert (found.accelerators_total, found.crossings, found.binding) == (128, 0, "none")
    # The whole rack: 128 ÷ seat replicas, as full as one, and not one sequence more.
    most = 128 // seat * hand.sequences
    assert kvplan.place(batch=most, **asked).verdict == "yes"
    over = kvplan.place(batch=most + 1, **asked)
    assert (over.fits, over.regions.unplaced, over.accelerators_used, over.binding) == (False, 1, 128, "accelerators")


def test_seats_of_a_70b_model() -> None:
    # TP8 is one node of 8, TP16 two of them; a native group has 8 nodes.
    ids = tuple(f"r0/g0/n{node}/a{place}" for node in range(8) for place in range(8))
    for ranks in (8, 16):
        found = kvplan.place(
            model="llama-3-70b", system="al128", batch=1, context=8192, replicas=2, tensor_parallel=ranks
        )
        assert [replica.accelerators for replica in found.replicas] == [ids[:ranks], ids[ranks : 2 * ranks]]
        assert {replica.native_groups for replica in found.replicas} == {("r0/g0",)}


def test_tp16_holds_each_kv_head_twice() -> None:
    # 2000 × 512 blocks × 655 360 bytes on each of 8 or 16 ranks: twice the bytes for the same sequences.
    eight, sixteen = (
        kvplan.place(model="llama-3-70b", system="al128", batch=2000, context=8192, tensor_parallel=ranks)
        for ranks in (8, 16)
    )
    assert eight.deployments[0].kv_bytes == 2000 * 512 * 655_360 * 8 == 5_368_709_120_000
    assert sixteen.deployments[0].kv_bytes == 2 * eight.deployments[0].kv_bytes
    # They alone would fill ⌈5 368 709 120 000 ÷ 144 GB⌉ = 38 accelerators, and 75 held twice.
    assert (eight.accelerators_for_kv, sixteen.accelerators_for_kv) == (38, 75)


def test_both_stages_of_pp2() -> None:
    found = kvplan.place(
        model="llama-3-70b", system="al128", batch=1, context=8192, tensor_parallel=8, pipeline_parallel=2
    )
    (planned,) = found.plan.deployments
    assert [tuple(vars(stage).values()) for stage in planned.stages] == [
        (8, 8_820_359_168, 327_680),
        (8, 8_820_375_552, 327_680),
    ]
    (replica,) = found.plan.replicas
    assert replica.weights_bytes == 8 * (8_820_359_168 + 8_820_375_552)
    assert replica.kv_bytes_hot == 512 * 327_680 * 16


@pytest.mark.parametrize("engine", DEEPSEEK)
def test_a_latent_is_whole_on_every_rank_of_a_gb200_nvl72(engine: str) -> None:
    flags, hand = DEEPSEEK[engine]
    asked: dict[str, Any] = {
        "model": "deepseek-v3", "system": "gb200-nvl72", "context": 32_768, "tensor_parallel": 8, **flags,
    }  # fmt: skip
    found = kvplan.place(batch=100, **asked)
    check_rank(found, hand, hbm=197_890_000_000)
    assert found.deployments[0].weights_source == "from the architecture (fp8)"
    assert found.deployments[0].kv_bytes == 100 * 32_768 * 70_272 * 8  # eight times one copy
    assert (found.verdict, found.accelerators_used, found.lower_bound) == ("yes", 24, 24)  # ⌈100 ÷ 34⌉, ⌈100 ÷ 36⌉: 3
    # 72 are 9 seats of 8.
    assert kvplan.place(batch=9 * hand.sequences, **asked).fits
    assert kvplan.place(batch=9 * hand.sequences + 1, **asked).regions.unplaced == 1


@pytest.mark.parametrize("accounting", GPT_OSS)
def test_windows_of_gpt_oss_on_an_hgx_h100(accounting: str) -> None:
    hand = GPT_OSS[accounting]
    asked: dict[str, Any] = {
        "model": "gpt-oss-120b", "system": "hgx-h100", "context": 8192, "tensor_parallel": 2, "engine": "vllm@0.32",
        "accounting": accounting,
    }  # fmt: skip
    found = kvplan.place(batch=256, **asked)
    check_rank(found, hand, hbm=84_920_000_000)
    assert found.deployments[0].weights_source == "from the architecture (mxfp4 experts, 16 bits the rest)"
    assert (found.verdict, found.accelerators_used) == ("yes", 4)  # two replicas of two for 256
    assert kvplan.place(batch=4 * hand.sequences, **asked).accelerators_used == 8
    assert kvplan.place(batch=4 * hand.sequences + 1, **asked).regions.unplaced == 1

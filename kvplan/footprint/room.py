"""The KV room of a rank, for fit, place and check: what memory leaves for KV, and what goes into it.

Lengths are found by bisection: what a sequence takes never falls as it gets longer, but for a chunk that is dropped,
so an answer is also asked again where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.engines.engine import Engine, PoolRoom
from kvplan.spec.facts import Fact
from kvplan.units import ceil_div

Groups = tuple[BlockGroup, ...]

MAX_TOKENS: Final = 1 << 40
_GIB: Final = 1 << 30


class RankPool(NamedTuple):
    """A rank of one pipeline stage: the groups of blocks in its pool, and the pool. [bytes]"""

    groups: Groups
    pool_bytes: int


class Memory(NamedTuple):
    """How a rank's memory is shared out. [bytes]

    total_bytes: what the engine sees. budget_bytes: the share of it that the engine takes.
    weights_bytes, reserve_bytes: what of that is no KV. pool_bytes: what is left; 0 where nothing is.
    """

    total_bytes: int
    budget_bytes: int
    weights_bytes: int
    reserve_bytes: int
    pool_bytes: int


# What a rank keeps beside weights and KV: least, likeliest, most. [GiB]
_LIGHT: Final = (2, Fraction(5, 2), 3)
_MIDDLE: Final = (3, 4, 5)
_HEAVY: Final = (6, 9, 12)


def assumed_reserve(weights_bytes: int) -> Fact:
    """What a rank keeps beside weights and KV (activations, graphs, contexts), as start-up logs show it. [bytes]

    weights_bytes: of the rank: under 10 GiB 2 to 3 GiB are kept, to 60 3 to 5, above 6 to 12.
    Source: overheads of 26 start-up logs in public threads, few and no random sample; so the range.
    """
    ends = _LIGHT if weights_bytes < 10 * _GIB else _MIDDLE if weights_bytes <= 60 * _GIB else _HEAVY
    low, nominal, high = (Fraction(end * _GIB) for end in ends)
    source = "start-up logs of public threads, by weights a rank"
    return Fact(low, nominal, high, "bytes", "assumed", source, more_is_better=False)


def share_out(engine: Engine, total_bytes: int, fraction: Fraction, weights_bytes: int, reserve_bytes: int) -> Memory:
    """What a rank's memory leaves for KV; the engine says what the fraction is a fraction of. [bytes]

    Raises: ValueError for a base that has no rule.
    Source: vLLM v1/worker/gpu_worker.py, determine_available_memory: requested − non-KV memory; docs/model.md.
    """
    if engine.memory_base != "total":
        raise ValueError(f"no rule for a fraction of {engine.memory_base} memory")
    budget = int(fraction * total_bytes)
    pool = max(0, budget - weights_bytes - reserve_bytes)
    return Memory(total_bytes, budget, weights_bytes, reserve_bytes, pool)


def pool_blocks(engine: Engine, ranks: Sequence[RankPool]) -> int:
    """Whole blocks of the rank that has fewest: the engine plans every rank alike.

    ranks: one of each pipeline stage.
    Source: vLLM v1/core/kv_cache_utils.py: num_blocks is the minimum over ranks.
    """
    return min(rank.pool_bytes // engine.block_bytes(rank.groups) for rank in ranks)


def poorest(engine: Engine, ranks: Sequence[RankPool]) -> int:
    """The stage whose rank has fewest blocks; of equals the one with the smallest pool."""
    return min(
        range(len(ranks)),
        key=lambda stage: (
            ranks[stage].pool_bytes // engine.block_bytes(ranks[stage].groups),
            ranks[stage].pool_bytes,
            stage,
        ),
    )


def sequence_bytes(
    function: Callable[[Groups, np.ndarray], np.ndarray], groups: Groups, tokens: int, token_ranks: int
) -> int:
    """What one sequence of so many tokens takes of a rank, by one accounting. [bytes]"""
    length = np.array([ceil_div(tokens, token_ranks)], dtype=np.int64)
    return int(function(groups, length)[0])


def admits(engine: Engine, ranks: Sequence[RankPool], tokens: int, token_ranks: int) -> bool:
    """Whether the engine would start with so long a sequence as its longest; an ideal one starts with any pool."""
    return engine.is_ideal or all(_needs(engine, rank, tokens, token_ranks) <= _room(engine, rank) for rank in ranks)


def describe(engine: Engine, ranks: Sequence[RankPool], max_model_len: int, token_ranks: int) -> PoolRoom:
    """The pools as the engine sees them at start-up, told of the rank that has fewest blocks.

    max_model_len: the longest sequence that it will take. [tokens]
    token_ranks: ranks over which the tokens of a sequence are spread.
    """
    blocks = pool_blocks(engine, ranks)
    rank = ranks[poorest(engine, ranks)]
    block, pool_bytes = engine.block_bytes(rank.groups), rank.pool_bytes
    null = engine.null_blocks * block if engine.admits_without_null_blocks else 0

    def admitted(tokens: int) -> bool:
        return all(_needs(engine, other, tokens, token_ranks) <= _room(engine, other) for other in set(ranks))

    tight = max(ranks, key=lambda other: _needs(engine, other, max_model_len, token_ranks) / max(1, other.pool_bytes))
    needed = _needs(engine, tight, max_model_len, token_ranks)
    starts = admits(engine, ranks, max_model_len, token_ranks)
    estimated = longest(admitted, MAX_TOKENS)
    worst = max(_needs(engine, other, max_model_len, token_ranks) for other in ranks)
    return PoolRoom(
        pool_bytes=pool_bytes,
        blocks=blocks,
        groups=sum(group.groups for group in rank.groups),
        token_ranks=token_ranks,
        max_model_len=max_model_len,
        concurrency=blocks / (worst / max(engine.block_bytes(other.groups) for other in ranks)),
        needed_bytes=0 if engine.is_ideal else needed,  # an ideal engine starts with any pool
        has_bytes=max(0, pool_bytes - null) if engine.is_ideal else _room(engine, tight),
        estimated_len=estimated if starts else min(estimated, max_model_len),
    )


def _needs(engine: Engine, rank: RankPool, tokens: int, token_ranks: int) -> int:
    return sequence_bytes(engine.reserved, rank.groups, tokens, token_ranks)


def _room(engine: Engine, rank: RankPool) -> int:
    """What the start-up check compares with. [bytes]"""
    null = engine.null_blocks * engine.block_bytes(rank.groups) if engine.admits_without_null_blocks else 0
    return max(0, rank.pool_bytes - null)


def usable_bytes(engine: Engine, ranks: Sequence[RankPool]) -> list[int]:
    """Bytes that sequences can get of a rank's pool, for each stage: whole pieces, less what no sequence gets. [bytes]

    Where all kinds of layers share a pool of equal blocks, every rank gets as many as the one that has fewest.
    """
    units = [engine.unit_bytes(rank.groups) for rank in ranks]
    pieces = [rank.pool_bytes // unit for rank, unit in zip(ranks, units, strict=True)]
    if engine.plans_ranks_alike:
        pieces = [min(pieces)] * len(pieces)
    return [max(0, count - engine.null_blocks) * unit for count, unit in zip(pieces, units, strict=True)]


def longest(holds: Callable[[int], bool], most: int, known: int = 0) -> int:
    """The largest number of 1 to ``most`` that still holds, by doubling and bisection; 0 if none does.

    known: a number that is known to hold; 0 for none.

    >>> longest(lambda number: number * number <= 50, 100), longest(lambda number: number * number <= 50, 100, 5)
    (7, 7)
    """
    if not known and (most < 1 or not holds(1)):
        return 0
    low, high = max(1, known), 2 * max(1, known)
    while high <= most and holds(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

"""A rank's KV pool and what goes into it: blocks, the engine's admission, most sequences, longest context.

Lengths are found by bisection: what a sequence takes never falls as it gets longer, but for a chunk that is dropped,
so an answer is also asked again where it stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.engines.engine import Engine, PoolRoom

Groups = tuple[BlockGroup, ...]

MAX_TOKENS = 1 << 40


def pool_blocks(engine: Engine, stages: list[Groups], pool_bytes: int) -> int:
    """Whole blocks of the rank that has fewest: the engine plans every rank alike.

    stages: the groups of a rank of each pipeline stage.
    pool_bytes: the KV pool of a rank. [bytes]
    Source: vLLM v1/core/kv_cache_utils.py: num_blocks is the minimum over ranks.
    """
    return min(pool_bytes // engine.block_bytes(groups) for groups in stages)


def sequence_bytes(
    function: Callable[[Groups, np.ndarray], np.ndarray], stages: list[Groups], tokens: int, ranks: int
) -> int:
    """What one sequence of so many tokens takes of the rank that it takes most of, by one accounting. [bytes]

    The stage whose blocks cost most need not be it: where kinds of layers have blocks of their own, a stage with more
    full layers grows faster.
    """
    length = np.array([-(-tokens // ranks)], dtype=np.int64)
    return max(int(function(groups, length)[0]) for groups in dict.fromkeys(stages))


def heaviest_stage(engine: Engine, stages: list[Groups]) -> Groups:
    """The stage whose blocks cost most, and so has fewest of them."""
    return max(stages, key=engine.block_bytes)


def describe(engine: Engine, stages: list[Groups], pool_bytes: int, max_model_len: int, ranks: int) -> PoolRoom:
    """A pool as the engine sees it at start-up.

    max_model_len: the longest sequence that it will take. [tokens]
    ranks: token ranks, over which the tokens of a sequence are spread.
    """
    groups = heaviest_stage(engine, stages)
    block, blocks = engine.block_bytes(groups), pool_blocks(engine, stages, pool_bytes)
    needed = sequence_bytes(engine.reserved, stages, max_model_len, ranks)
    has = max(0, pool_bytes - (engine.null_blocks * block if engine.admits_without_null_blocks else 0))
    estimated = longest(lambda tokens: sequence_bytes(engine.reserved, stages, tokens, ranks) <= has, MAX_TOKENS)
    return PoolRoom(
        pool_bytes=pool_bytes,
        blocks=blocks,
        groups=sum(group.groups for group in groups),
        token_ranks=ranks,
        max_model_len=max_model_len,
        concurrency=blocks / (needed / block),
        needed_bytes=0 if engine.is_ideal else needed,  # an ideal engine starts with any pool
        has_bytes=has,
        estimated_len=min(estimated, max_model_len) if needed > has and not engine.is_ideal else estimated,
    )


def usable_bytes(engine: Engine, stages: list[Groups], pool_bytes: int) -> int:
    """Bytes of the blocks that sequences can get on the rank that has fewest. [bytes]"""
    blocks = pool_blocks(engine, stages, pool_bytes)
    return max(0, blocks - engine.null_blocks) * engine.block_bytes(heaviest_stage(engine, stages))


def longest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number of 1 to ``most`` that still holds, by doubling and bisection; 0 if none does.

    >>> longest(lambda number: number * number <= 50, 100)
    7
    """
    if not holds(1):
        return 0
    low, high = 1, 2
    while high <= most and holds(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

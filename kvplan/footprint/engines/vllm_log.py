"""A pool in the words and the rounding of vLLM's own start-up log, which tells tokens by two definitions.

Until 0.20.0 the tokens are blocks ÷ groups × block size, which says too little of hybrids; from 0.20.1 they are the
concurrency at max_model_len times that length. Source: vLLM v1/core/kv_cache_utils.py, 0.9 to 0.33, read; logs of
public threads bear it out (tests/footprint/engines/test_vllm_log.py).
"""

from __future__ import annotations

from kvplan.footprint.engines.engine import PoolLog, PoolRoom
from kvplan.footprint.engines.versions import Rules


def log(room: PoolRoom, block_size: int, rules: Rules) -> PoolLog:
    """Tokens by both definitions and the lines of the log.

    room: the pool of the rank that has fewest blocks.
    block_size: tokens of a block. [tokens]
    """
    ranks = room.token_ranks if rules["log_times_token_ranks"] else 1
    by_blocks = room.blocks // room.groups * block_size * ranks
    by_concurrency = int(room.concurrency * room.max_model_len)
    printed = by_concurrency if rules["log_tokens"] == "concurrency" else by_blocks
    lines = [f"Available KV cache memory: {_gib(room.pool_bytes)} GiB"]
    if room.needed_bytes > room.has_bytes:
        return PoolLog(by_blocks, by_concurrency, printed, (*lines, _refusal(room)))
    tokens = f"GPU KV cache size: {printed:,} tokens"
    concurrency = f"Maximum concurrency for {room.max_model_len:,} tokens per request: {room.concurrency:.2f}x"
    lines += [f"{tokens}, {concurrency}"] if rules["log_in_one_line"] else [tokens, concurrency]
    return PoolLog(by_blocks, by_concurrency, printed, tuple(lines))


def _refusal(room: PoolRoom) -> str:
    estimate = f" Based on the available memory, the estimated maximum model length is {room.estimated_len}."
    return (
        f"To serve at least one request with the model's max seq len ({room.max_model_len}), "
        f"({_gib(room.needed_bytes)} GiB KV cache is needed, which is larger than the available KV cache memory "
        f"({_gib(room.has_bytes)} GiB).{estimate if room.estimated_len else ''}"
    )


def _gib(count: int) -> str:
    """GiB with two decimals, as the engine prints them."""
    return f"{count / 2**30:.2f}"

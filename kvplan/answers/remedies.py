"""What alone would make it fit, and what is left: one search for every verb. Each answer was asked and did fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.errors import SpecError
from kvplan.footprint.room import MAX_TOKENS, longest

Ask = Callable[[Mapping[str, Any]], bool]  # flags that are changed ▸ whether it fits then

_FORMATS = ("fp8_e4m3", "nvfp4")  # what a 16-bit cache may become, the larger first
_RANKS = (2, 4, 8, 16, 32, 64)


def search(
    ask: Ask,
    *,
    sequences: int,
    context: int,
    tensor_parallel: int,
    pool_bytes: int,
    max_model_len: int,
    one_class: bool,
) -> tuple[Remedy, ...]:
    """The least change of each knob that alone makes it fit.

    ask: whether it fits with some flags changed; a refusal counts as no.
    max_model_len: what the engine does not admit; 0 where it does. [tokens]
    one_class: whether ``batch`` and ``context`` mean one class of requests; with several they are left alone.
    """
    found: list[Remedy] = []
    if one_class:
        fewer = longest(lambda count: holds(ask, {"batch": count}), sequences)
        shorter = longest(lambda tokens: holds(ask, {"context": tokens}), context)
        found += [Remedy("batch", fewer)] if fewer else []
        found += [Remedy("context", shorter)] if shorter else []
    shorter = _longest_model_len(ask, context, max_model_len) if max_model_len else 0
    found += [Remedy("max_model_len", shorter)] if shorter else []
    formats = (Remedy("kv_format", name) for name in _FORMATS if holds(ask, {"kv_format": name}))
    ranks = (
        Remedy("tensor_parallel", tensor_parallel * factor)
        for factor in _RANKS
        if holds(ask, {"tensor_parallel": tensor_parallel * factor})
    )
    found += [remedy for remedy in (next(formats, None), next(ranks, None)) if remedy]
    more = _least_pool(ask, pool_bytes)
    return (*found, Remedy("pool", more)) if more else tuple(found)


def headroom(ask: Ask, sequences: int, context: int, *, one_class: bool) -> tuple[Headroom, ...]:
    """How many times the sequences, and the context, of one class still fit; nothing for several classes."""
    if not one_class:
        return ()
    more = longest(lambda count: holds(ask, {"batch": count}), MAX_TOKENS)
    longer = longest(lambda tokens: holds(ask, {"context": tokens}), MAX_TOKENS)
    found = (Headroom("batch", more / max(1, sequences)), Headroom("context", longer / context))
    return tuple(item for item in found if item.factor >= 1)


def holds(ask: Ask, changes: Mapping[str, Any]) -> bool:
    """Whether it fits with some flags changed; what is refused does not."""
    try:
        return ask(changes)
    except SpecError:
        return False


def _longest_model_len(ask: Ask, context: int, most: int) -> int:
    """The longest max_model_len that fits, whether the context follows it or is a length of its own. [tokens]"""

    def fits(tokens: int) -> bool:
        return holds(ask, {"max_model_len": tokens})

    found = longest(fits, most)
    if found or context > most:
        return found
    beyond = longest(lambda more: fits(context - 1 + more), most - context + 1)
    return context - 1 + beyond if beyond else 0


def _least_pool(ask: Ask, pool_bytes: int) -> int:
    """The least pool, in whole MiB, that fits; 0 if not even 2**20 times as much does. [bytes]"""
    step = 1 << 20
    least = max(1, pool_bytes // step)
    high = least
    while not holds(ask, {"pool": high * step}):
        high *= 2
        if high > least << 20:
            return 0
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(ask, {"pool": middle * step}) else (middle, high)
    return high * step

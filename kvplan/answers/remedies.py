"""What alone would make it fit, and what is left: searches that verbs share. Each answer was asked and did fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kvplan.answers.deployment import DeploymentCase
from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.errors import SpecError
from kvplan.footprint.room import MAX_TOKENS, longest
from kvplan.spec.weight_formats import WEIGHT_FORMATS

Ask = Callable[[Mapping[str, Any]], bool]  # flags that are changed ▸ whether it fits then

FORMATS = ("fp8_e4m3", "nvfp4")  # what a 16-bit cache may become, the larger first
FACTORS = (2, 4, 8, 16, 32, 64)


def holds(ask: Ask, changes: Mapping[str, Any]) -> bool:
    """Whether it fits with some flags changed; what is refused does not."""
    try:
        return ask(changes)
    except SpecError:
        return False


def most(ask: Ask, knob: str, limit: int) -> list[Remedy]:
    """The largest number of 1 to ``limit`` that fits; nothing where none does."""
    found = longest(lambda number: holds(ask, {knob: number}), limit)
    return [Remedy(knob, found)] if found else []


def first(ask: Ask, knob: str, values: Iterable[int | str]) -> list[Remedy]:
    """The first of some values that fits; nothing where none does."""
    return next(([Remedy(knob, value)] for value in values if holds(ask, {knob: value})), [])


def least(ask: Ask, knob: str, begin: int, limit: int, step: int = 1) -> list[Remedy]:
    """The least multiple of ``step`` from ``begin`` to ``limit`` steps that fits, by doubling and bisection.

    begin: in steps, known not to fit or not asked.
    """
    high = max(1, begin)
    while not holds(ask, {knob: high * step}):
        if high >= limit:
            return []
        high = min(limit, high * 2)
    low = high // 2 if high > begin else begin - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(ask, {knob: middle * step}) else (middle, high)
    return [Remedy(knob, high * step)]


def percents(begin: float) -> list[str]:
    """Shares of memory above one, as texts; an engine that takes all of it leaves nothing for others."""
    return [f"{percent}%" for percent in range(int(begin * 100) + 1, 100)]


def lighter(case: DeploymentCase) -> list[str]:
    """Formats that weights may be loaded in and that are smaller than the checkpoint's, the larger first."""
    model = case.model
    if case.deployment.weights.kind != "auto" or model.weight_storage is None:
        return []
    quantized = model.weight_storage.quantized
    bits = quantized.bits if quantized else 8 * model.weight_storage.element_bytes
    return [name for name in ("fp8", "int4") if WEIGHT_FORMATS[name].bits < bits]


def model_len(ask: Ask, context: int, asked: int) -> list[Remedy]:
    """The longest max_model_len that fits, whether the context follows it or is a length of its own. [tokens]"""

    def fits(tokens: int) -> bool:
        return holds(ask, {"max_model_len": tokens})

    found = longest(fits, asked)
    if not found and context <= asked:
        beyond = longest(lambda more: fits(context - 1 + more), asked - context + 1)
        found = context - 1 + beyond if beyond else 0
    return [Remedy("max_model_len", found)] if found else []


def headroom(ask: Ask, sequences: int, context: int) -> tuple[Headroom, ...]:
    """How many times the sequences, and the context, of the one class of requests still fit."""
    more = longest(lambda count: holds(ask, {"batch": count}), MAX_TOKENS, sequences)
    # All of them at the longest of a law is more than was asked, and need not hold.
    alike = holds(ask, {"context": context})
    longer = longest(lambda tokens: holds(ask, {"context": tokens}), MAX_TOKENS, context) if alike else 0
    found = (Headroom("batch", more / max(1, sequences)), Headroom("context", longer / context))
    return tuple(item for item in found if item.factor >= 1)

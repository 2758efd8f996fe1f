"""How vLLM packs layers of different kinds into groups that share one pool of equal blocks.

Source: vLLM 0.32 v1/core/kv_cache_utils.py, get_kv_cache_groups; what differs from 0.9 to 0.33 is in
catalog/engines.yaml.
Assumes: (1) every layer kind takes the block size that was asked for; (2) the layout keeps layers outermost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kvplan.footprint.engines.blocks import BlockGroup, Kind, kind_of
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.layer import Layer
from kvplan.units import ceil_div


@dataclass(frozen=True)
class Grouping:
    """What the grouping depends on.

    growth_percent: the group takes the size of the largest bucket if that is under so much of the smallest.
    uniform_pages: whether layers of one type with unequal pages share a group.
    unified_pages, padded_pages: whether unequal pages are made equal by a longer block, or by padding.
    """

    block_size: int
    tensor_parallel: int
    growth_percent: int
    uniform_pages: bool
    unified_pages: bool
    padded_pages: bool


class GroupingError(Exception):
    """The engine cannot group these layers."""


@dataclass(frozen=True)
class LayerSlot:
    """A layer as the pool sees it: where it is, its kind, and its page."""

    index: int
    layer: Layer
    page_bytes: int
    block_size: int


def as_full(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Windows and chunks counted as full attention, where any layer is full: all-windowed models keep theirs."""
    return (
        promoted(layers, SlidingAttention, ChunkedAttention)
        if any(layer.limit_tokens is None for layer in layers)
        else tuple(layers)
    )


def promoted(layers: Sequence[Layer], *kinds: type[FullAttention]) -> tuple[Layer, ...]:
    """Layers of some kinds counted as full attention."""
    return tuple(
        FullAttention(layer.num_kv_heads, layer.k_head_dim, layer.v_head_dim) if isinstance(layer, kinds) else layer
        for layer in layers
    )


def group_slots(layers: Sequence[Layer], kv: KVFormat, how: Grouping) -> list[list[LayerSlot]]:
    """The groups of a model, or of a stage: lists of layers that take and release blocks together.

    Raises: GroupingError where this version has no way to make the pages equal.
    """
    slots = [
        LayerSlot(index, layer, layer.bytes_per_token(kv, how.tensor_parallel) * how.block_size, how.block_size)
        for index, layer in enumerate(layers)
    ]
    if len({_type(slot.layer) for slot in slots}) == 1:
        if len({slot.page_bytes for slot in slots}) > 1 and not how.uniform_pages:
            raise GroupingError("layers with unequal pages in one group")
        return [slots]
    slots = _equal_pages(slots, how)
    buckets: dict[object, list[LayerSlot]] = {}
    for slot in slots:
        buckets.setdefault((_type(slot.layer), slot.layer, slot.block_size), []).append(slot)
    sizes = [len(bucket) for bucket in buckets.values()]
    smallest, largest = min(sizes), max(sizes)
    size = largest if largest * 100 < smallest * how.growth_percent else smallest
    groups = []
    for bucket in buckets.values():
        count = ceil_div(len(bucket), size)
        groups += [bucket[first::count] for first in range(count)]
    return groups


def _type(layer: Layer) -> tuple[Kind, int]:
    """Layers of one type and limit can share a group whatever their heads."""
    return (kind_of(layer), layer.limit_tokens or 0)


def _equal_pages(slots: list[LayerSlot], how: Grouping) -> list[LayerSlot]:
    """Pages made equal: a smaller page that divides the largest gets a longer block, another is padded."""
    widest = max(slot.page_bytes for slot in slots)
    if all(slot.page_bytes == widest for slot in slots):
        return slots
    if not how.unified_pages:
        raise GroupingError("layers with unequal pages in groups of one pool")
    equal = []
    for slot in slots:
        ratio, rest = divmod(widest, slot.page_bytes)
        if not rest:
            equal.append(replace(slot, page_bytes=widest, block_size=slot.block_size * ratio))
        elif how.padded_pages and slot.layer.kind != "mla":
            equal.append(replace(slot, page_bytes=widest))
        else:
            raise GroupingError("pages that do not divide each other")
    return equal


def stage_block_groups(groups: Sequence[Sequence[LayerSlot]], stages: Sequence[slice]) -> list[tuple[BlockGroup, ...]]:
    """Each stage's part of every group; a block costs the widest part, whichever group takes it.

    A group without a layer on the stage takes blocks there all the same: the block tables are one. Equal groups are
    gathered.
    """
    starts = [stage.start for stage in stages]
    widest = [0] * len(stages)
    for group in groups:
        parts: dict[int, int] = {}
        for slot in group:
            stage = bisect_right(starts, slot.index) - 1
            parts[stage] = parts.get(stage, 0) + slot.page_bytes
        for stage, page_bytes in parts.items():
            widest[stage] = max(widest[stage], page_bytes)
    kinds = Counter((*_type(group[0].layer), group[0].block_size) for group in groups)
    return [
        tuple(BlockGroup(kind, limit, size, block_bytes, count) for (kind, limit, size), count in kinds.items())
        for block_bytes in widest
    ]

"""The five names of bytes for one class of sequences in one deployment: per rank, per stage, and over all ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvplan.footprint.engines.blocks import BlockGroup, full_groups, kind_of, shared_bytes
from kvplan.footprint.engines.engine import Engine, Served
from kvplan.footprint.sequences import PerSequence, Sequences, Total, fixed
from kvplan.footprint.sharding import instance_sequences, stage_slices
from kvplan.footprint.sizing import IntArray, LayerGroup, group_layers, size_sequences
from kvplan.units import ceil_div

MEASURES = ("minimum", "held", "peak", "reserved")


@dataclass(frozen=True)
class SharedPrefix:
    """Tokens at the start of every sequence, stored ``copies`` times for an instance; 0 tokens for none. [tokens]"""

    tokens: int = 0
    count: int = 1


class Accounts(NamedTuple):
    """Totals of one class.

    minimum: one copy of what the architecture keeps, shared prefixes once. [bytes]
    unshared: the same, prefixes stored for every sequence. [bytes]
    all_ranks: what all ranks keep, unrounded. [bytes]
    held, peak, reserved: over all ranks. [bytes]
    stages: the four measures of one rank of each pipeline stage, in the fullest instance. [bytes]
    """

    minimum: Total
    unshared: Total
    all_ranks: Total
    held: Total
    peak: Total
    reserved: Total
    stages: tuple[dict[str, Total], ...]


class Accountant:
    """Counts classes of one deployment; everything that does not depend on a class is worked out once."""

    def __init__(self, engine: Engine, served: Served, replicas: int = 1) -> None:
        split = served.split
        self.engine = engine
        self.instances = split.data_parallel * replicas
        self.kv = engine.kv(served)
        self.layers = engine.layers(served)
        self.parts = stage_slices(len(self.layers), split.pipeline_parallel)
        self.model_groups = group_layers(self.layers, self.kv)
        self.stage_layers = [group_layers(self.layers[part], self.kv, split.tensor_parallel) for part in self.parts]
        self.stage_blocks = engine.stage_groups(served)
        self.token_ranks = engine.token_ranks(split)
        self.ranks_per_stage = split.tensor_parallel * split.context_parallel

    def most_bytes(self, tokens: int) -> int:
        """No figure of a sequence of so many tokens is more, over all ranks; by whole numbers without bound. [bytes]"""
        blocks = sum(
            (ceil_div(tokens, group.block_size) + 2) * group.all_bytes for stage in self.stage_blocks for group in stage
        )
        kept = sum(group.count * group.bytes_per_token for stage in self.stage_layers for group in stage) * tokens
        return (blocks + kept) * self.ranks_per_stage

    def account(self, sequences: Sequences, prefix: SharedPrefix) -> Accounts:
        """Every total of one class."""
        shared = prefix if self.engine.shares_prefixes else SharedPrefix()
        count = sequences.count
        fullest = instance_sequences(count, self.instances)
        copies = min(shared.count * self.instances, count)
        parts = list(zip(self.stage_layers, self.stage_blocks, strict=True))
        alike = {part: self._rank(*part, sequences, shared, fullest, min(shared.count, fullest)) for part in set(parts)}
        every_stage = {part: self._rank(*part, sequences, shared, count, copies) for part in set(parts)}
        stages = tuple(alike[part] for part in parts)
        stage_totals = [every_stage[part] for part in parts]
        every = self.ranks_per_stage // self.token_ranks
        return Accounts(
            minimum=self._kept(self.model_groups, sequences, shared, count, min(shared.count, count), 1, 1),
            unshared=sequences.total(_sizes(self.model_groups, 1)),
            all_ranks=_sum(
                [self._kept(layers, sequences, shared, count, copies, 1, every) for layers in self.stage_layers]
            ),
            held=_sum([_times(stage["held"], self.ranks_per_stage) for stage in stage_totals]),
            peak=_sum([_times(stage["peak"], self.ranks_per_stage) for stage in stage_totals]),
            reserved=_sum([_times(stage["reserved"], self.ranks_per_stage) for stage in stage_totals]),
            stages=stages,
        )

    def regions(self, sequences: Sequences, prefix: SharedPrefix, measure: str) -> list[tuple[IntArray, int]]:
        """What each sequence takes of a rank of each stage by itself, and what one copy of the prefix takes. [bytes]

        measure: now (held at the prompt's length), peak or reserved; of an ideal engine the last two are what is held.
        Returns: for each stage an array, shape of ``sequences.tokens``, int64, and a number.
        """
        held = measure == "now" or self.engine.is_ideal
        shares = prefix if self.engine.shares_prefixes and (held or measure == "peak") else SharedPrefix()
        prompt = sequences.input_tokens
        tokens = prompt if measure == "now" else sequences.tokens
        found = []
        for blocks in self.stage_blocks:
            sizes = self._on_rank(self._measure(blocks, "held" if held else measure))(prompt, tokens)
            # Windows release what they share while they are filled: only full groups are sure to share at the peak.
            shared = self._shared(blocks if held else full_groups(blocks), shares, prompt, tokens)
            found.append((sizes - shared, int(shared.max(initial=0))))
        return found

    def _measure(self, blocks: tuple[BlockGroup, ...], measure: str) -> PerSequence:
        engine = self.engine
        if measure == "peak":
            return lambda prompt, tokens: engine.peak(blocks, prompt, tokens)
        function = engine.held if measure == "held" else engine.reserved
        return lambda _, tokens: function(blocks, tokens)

    def _shared(
        self, groups: tuple[BlockGroup, ...], prefix: SharedPrefix, prompt: IntArray, tokens: IntArray
    ) -> IntArray:
        """Bytes of whole prefix blocks that sequences still hold on a rank. [bytes]"""
        block = self.engine.block_size * self.token_ranks
        whole = np.minimum(prefix.tokens, prompt) // block * block // self.token_ranks
        return shared_bytes(groups, whole, -(-tokens // self.token_ranks))

    def _rank(
        self,
        layers: tuple[LayerGroup, ...],
        blocks: tuple[BlockGroup, ...],
        sequences: Sequences,
        prefix: SharedPrefix,
        count: int,
        copies: int,
    ) -> dict[str, Total]:
        """The four measures of one rank that serves ``count`` of the sequences."""
        ranks, engine = self.token_ranks, self.engine
        on_rank = self._on_rank
        held = on_rank(lambda _, tokens: engine.held(blocks, tokens))
        figures = {
            "minimum": self._kept(layers, sequences, prefix, count, copies, ranks, 1),
            "held": self._with_prefix(held, blocks, sequences, prefix, count, copies),
        }
        if engine.is_ideal:
            return figures | {"peak": figures["held"], "reserved": figures["held"]}
        peak = on_rank(lambda prompt, tokens: engine.peak(blocks, prompt, tokens))
        reserved = on_rank(lambda _, tokens: engine.reserved(blocks, tokens))
        # Windows release what they share while they are filled: only full groups are sure to share at the peak.
        return figures | {
            "peak": self._with_prefix(peak, full_groups(blocks), sequences, prefix, count, copies),
            "reserved": sequences.total(reserved, count),
        }

    def _on_rank(self, function: PerSequence) -> PerSequence:
        """A figure of the tokens that one rank holds of each sequence."""
        ranks = self.token_ranks
        return lambda prompt, tokens: function(-(-prompt // ranks), -(-tokens // ranks))

    def _kept(
        self,
        layers: tuple[LayerGroup, ...],
        sequences: Sequences,
        prefix: SharedPrefix,
        count: int,
        copies: int,
        ranks: int,
        times: int,
    ) -> Total:
        """Unrounded bytes over ``ranks`` token ranks, ``times`` over; prefixes are shared in whole blocks only."""
        sizes = _sizes(layers, ranks)
        if not prefix.tokens:
            return _times(sequences.total(sizes, count), times)
        tokens_of = tuple(
            BlockGroup(kind_of(group.layer), group.layer.limit_tokens or 0, 1, group.count * group.bytes_per_token)
            for group in layers
        )
        return _times(self._with_prefix(sizes, tokens_of, sequences, prefix, count, copies, ranks), times)

    def _with_prefix(
        self,
        function: PerSequence,
        groups: tuple[BlockGroup, ...],
        sequences: Sequences,
        prefix: SharedPrefix,
        count: int,
        copies: int,
        ranks: int | None = None,
    ) -> Total:
        """A total in which the prefix blocks that sequences still hold are stored once a copy."""
        if not prefix.tokens:
            return sequences.total(function, count)
        spread = self.token_ranks if ranks is None else ranks
        block = self.engine.block_size * self.token_ranks

        def shared(prompt: IntArray, tokens: IntArray) -> IntArray:
            whole = np.minimum(prefix.tokens, prompt) // block * block // spread
            return shared_bytes(groups, whole, -(-tokens // spread))

        private = sequences.total(lambda prompt, tokens: function(prompt, tokens) - shared(prompt, tokens), count)
        union = int(shared(sequences.input_tokens, sequences.tokens).max())
        return private + fixed(copies * union)


def _sizes(layers: tuple[LayerGroup, ...], ranks: int) -> Callable[[IntArray, IntArray], IntArray]:
    return lambda _, tokens: size_sequences(layers, -(-tokens // ranks))


def _times(total: Total, times: int) -> Total:
    return Total(total.mean * times, total.variance * times * times, total.most * times, total.least * times)


def _sum(totals: list[Total]) -> Total:
    """Totals of the stages of the same sequences: their spreads move together, so deviations add."""
    deviation = sum(total.variance**0.5 for total in totals)
    return Total(
        sum((total.mean for total in totals), start=totals[0].mean * 0),
        deviation**2,
        sum(total.most for total in totals),
    )


def heaviest(stages: list[dict[str, Total]], measure: str, deviations: float) -> int:
    """Index of the stage whose ranks hold most."""
    sizes = [stage[measure].at(deviations) for stage in stages]
    return sizes.index(max(sizes))

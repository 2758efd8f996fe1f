"""What a rank's memory holds beside KV: weights by stage, reserve, and the pool that is left at given facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from kvplan.answers.deployment import DeploymentCase
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint import room
from kvplan.footprint.room import Memory, RankPool
from kvplan.footprint.weights import (
    model_weight_bytes,
    share_of_checkpoint,
    split_problem,
    weight_bytes_per_rank,
    weight_split,
)
from kvplan.spec.facts import Fact, Values
from kvplan.spec.huggingface.checkpoint import checkpoint_bytes
from kvplan.spec.system import System
from kvplan.spec.weight_formats import storage_named

_UNLIKE = 4  # times more or less than what is counted: towers and extra layers never make so much
HBM = "hbm_engine_visible"
RESERVE = "reserve"  # the name of the fact that a measured reserve would replace


@dataclass(frozen=True)
class RankMemory:
    """What the ranks of one deployment need beside KV.

    stage_weights_bytes: of a rank of each pipeline stage. [bytes]
    weights_source, reserve_source, fraction_source: who says so.
    reserve: of every rank; a fact, for it is assumed where it is not given. [bytes]
    """

    stage_weights_bytes: tuple[int, ...]
    weights_source: str
    fraction: Fraction
    fraction_source: str
    reserve: Fact
    reserve_source: str

    def facts(self, system: System) -> dict[str, Fact]:
        """What the room hangs on."""
        return {HBM: system.fact(HBM), RESERVE: self.reserve}

    def at(self, case: DeploymentCase, values: Values) -> tuple[Memory, ...]:
        """The memory of a rank of each stage, the facts being these numbers."""
        total, reserve = int(values[HBM]), int(values[RESERVE])
        return tuple(
            room.share_out(case.engine, total, self.fraction, weights, reserve) for weights in self.stage_weights_bytes
        )


def rank_pools(case: DeploymentCase, memories: tuple[Memory, ...]) -> list[RankPool]:
    """The pool of a rank of each stage, with its groups of blocks."""
    stages = case.accountant.stage_blocks
    return [RankPool(groups, memory.pool_bytes) for groups, memory in zip(stages, memories, strict=True)]


def rank_memory(case: DeploymentCase, path: Mapping[str, str], roots: tuple[Path, ...] = ()) -> RankMemory:
    """Weights, fraction and reserve of a deployment, given or worked out.

    path: where `model`, `weights` and `tensor_parallel` stand in the workload, for findings.
    Raises: SpecError (KV008) where the weights are not known, (KV301) where they cannot be split.
    """
    deployment, engine = case.deployment, case.engine
    weights, source = _weights(case, path, roots)
    asked = deployment.memory
    fraction, fraction_source = engine.memory_fraction, engine.memory_fraction_source
    if asked.fraction is not None:
        fraction, fraction_source = asked.fraction, "given"
    reserve, reserve_source = room.assumed_reserve(max(weights)), "assumed from measurements"
    if not asked.reserve.auto:
        reserve, reserve_source = asked.reserve.given, asked.reserve.given.source
    return RankMemory(weights, source, fraction, fraction_source, reserve, reserve_source)


def _weights(case: DeploymentCase, path: Mapping[str, str], roots: tuple[Path, ...]) -> tuple[tuple[int, ...], str]:
    """Bytes of weights on a rank of each stage, and who says so."""
    model, given, stages = case.model, case.deployment.weights, case.accountant.parts
    if given.kind == "bytes":
        return (given.bytes,) * len(stages), "given"
    if model.weights is None or (given.kind == "auto" and model.weight_storage is None):
        message = f"the weights of {model.name} are not known: {model.weights_missing}"
        help = "give them: weights of a rank in bytes (`weights: 17.5 GB`, --weights 17.5GB)"
        raise SpecError([Finding("KV008", path["weights"], message, help=help)])
    storage = storage_named(given.format) if given.kind == "format" else model.weight_storage
    assert storage is not None
    split = case.served.split
    shares = weight_split(split.tensor_parallel, split.data_parallel)
    if storage.quantized is not None:
        hidden, width = case.engine.expert_multiples(storage.quantized.name)
        shares = shares._replace(expert_hidden_multiple=hidden, expert_width_multiple=width)
    problem = split_problem(model.weights, shares)
    if problem:
        help = "use a divisor, or give the weights of a rank"
        raise SpecError([Finding("KV301", path["tensor_parallel"], problem, help=help)])
    counted = tuple(weight_bytes_per_rank(model.weights, storage, shares, part) for part in stages)
    if given.kind == "format":
        return counted, f"from the architecture, loaded in {storage.name}"
    if size := _checkpoint(model.config_path, path["model"], roots):
        whole = model_weight_bytes(model.weights, storage)
        if not whole // _UNLIKE <= size <= whole * _UNLIKE:
            message = f"the index beside the config says {size:,} bytes of weights; the architecture counts {whole:,}"
            help = "copy the index again, or give the weights of a rank in bytes"
            case.notes.append(Finding("KV110", path["model"], message, help=help))
        shared = tuple(share_of_checkpoint(size, bytes_, whole) for bytes_ in counted)
        return shared, "the index beside the config"
    return counted, f"from the architecture ({storage.name})"


def _checkpoint(config: Path | None, path: str, roots: tuple[Path, ...]) -> int | None:
    """Bytes of the checkpoint that a config belongs to; None where nothing says them. [bytes]

    Raises: SpecError at the path of the model.
    """
    try:
        return None if config is None else checkpoint_bytes(config, roots=roots)
    except SpecError as error:
        found = [replace(item, path=path, file="", note=f"in {item.file}") for item in error.findings]
        raise SpecError(found) from None

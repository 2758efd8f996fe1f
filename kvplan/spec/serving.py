"""How a deployment is served beyond its splits: copies, its share of memory, its weights, as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from kvplan.findings import join_path
from kvplan.spec.facts import Fact
from kvplan.spec.kinds import INVALID, Choice, MeasuredBytes, Reading, Reads, Share, Whole, shown
from kvplan.spec.reader import Spec, key
from kvplan.spec.system import FactKind
from kvplan.spec.systems import read_fact
from kvplan.spec.tree import Tree
from kvplan.spec.weight_formats import WEIGHT_FORMATS

NOTHING = Fact(Fraction(0), Fraction(0), Fraction(0), "bytes", "assumed", "given", more_is_better=False)
MAX_REPLICAS = 1 << 18
WEIGHT_NAMES = ("bf16", "fp16", *WEIGHT_FORMATS)


class Replicas(NamedTuple):
    """Copies of a model: as many as its sequences need, or so many."""

    auto: bool = True
    number: int = 0


def _read_replicas(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if tree == "auto":
        return Replicas()
    if isinstance(tree, str):
        return reading.fault("KV007", path, f"wants auto or a number, has {shown(tree)}", help="write auto, or 4")
    count = Whole(1, MAX_REPLICAS).read(tree, path, reading)
    return Replicas(auto=False, number=count) if isinstance(count, int) else count


REPLICAS = Reads("auto, or a whole number of 1 or more", _read_replicas)


class Reserve(NamedTuple):
    """Memory of a rank that is neither weights nor KV: assumed from measurements, or given as a fact. [bytes]"""

    auto: bool = True
    given: Fact = NOTHING


def _read_reserve(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if tree == "auto":
        return Reserve()
    if tree == 0 and not isinstance(tree, bool):
        return Reserve(auto=False)  # nothing needs no unit
    fact = read_fact(_RESERVE_KIND, tree, path, reading)
    return Reserve(auto=False, given=fact) if isinstance(fact, Fact) else fact


_RESERVE_KIND = FactKind("bytes", "memory of a rank that is neither weights nor KV", more_is_better=False)
RESERVE = Reads("auto, bytes with their unit, or a fact like {low: 2 GiB, high: 3 GiB}", _read_reserve)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What of an accelerator's memory the engine takes; the engine knows what the fraction is of.

    fraction: None for the engine's own default.
    """

    fraction: Fraction | None = key(Share(), "share of memory that the engine takes", default=None)
    reserve: Reserve = key(RESERVE, "memory of a rank that is neither weights nor KV", default=Reserve())


def _read_memory(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    memory = Spec(Memory, "a mapping like {fraction: 92%, reserve: auto}").read(tree, path, reading)
    if isinstance(memory, Memory) and memory.fraction == 0:
        at = join_path(path, "fraction")
        return reading.fault("KV010", at, "an engine with no memory at all", help="write a share above 0, like 92%")
    if isinstance(memory, Memory) and memory.fraction is not None and (memory.fraction * 10**12).denominator != 1:
        at = join_path(path, "fraction")
        return reading.fault("KV010", at, "a share to more than 12 digits", help="write fewer digits, like 92.5%")
    return memory


MEMORY = Reads("a mapping like {fraction: 92%, reserve: auto}", _read_memory)


class GivenWeights(NamedTuple):
    """Weights as they are given: nothing (from the architecture), a format they are loaded in, or bytes of a rank.

    kind: auto, format or bytes.
    """

    kind: str = "auto"
    format: str = ""
    bytes: int = 0


def _read_weights(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if tree == "auto":
        return GivenWeights()
    if tree == 0 and not isinstance(tree, bool):
        return GivenWeights("bytes")
    if isinstance(tree, dict):
        return _read_format(tree, path, reading)
    if isinstance(tree, str) and tree in WEIGHT_NAMES:
        return GivenWeights("format", tree)
    count = MeasuredBytes().read(tree, path, reading)
    return GivenWeights("bytes", bytes=count) if isinstance(count, int) else count


def _read_format(tree: dict[str, Tree], path: str, reading: Reading) -> Any:  # noqa: ANN401
    strange = [name for name in tree if name != "format"]
    for name in strange:
        help = "write like {format: fp8}"
        reading.fault("KV001", join_path(path, name), f"unknown key {shown(name)}", help=help, on_key=True)
    if "format" not in tree:
        at = join_path(path, "format")
        return reading.fault("KV008", at, "missing key `format`", help=f"one of {', '.join(WEIGHT_NAMES)}")
    name = Choice(WEIGHT_NAMES, "format of weights").read(tree["format"], join_path(path, "format"), reading)
    return GivenWeights("format", name) if isinstance(name, str) and not strange else INVALID


WEIGHTS = Reads("auto, {format: fp8}, or the bytes of a rank with their unit", _read_weights)

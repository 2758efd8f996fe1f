"""The questions that an engine is asked, and how an engine is chosen. Each engine is one file and one line in ENGINES.

An engine refuses what it would not run: its refusals are one list of findings, which size raises and check lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

from kvplan.findings import Finding
from kvplan.footprint.engines.blocks import BlockGroup
from kvplan.footprint.sizing import IntArray
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.layer import Layer


class Split(NamedTuple):
    """How one replica is split over ranks."""

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    context_parallel: int = 1
    decode_context_parallel: int = 1


@dataclass(frozen=True)
class Served:
    """A model as a deployment serves it: what an engine needs to know to refuse or to count.

    kv, kv_source: the format asked for, else the checkpoint's own, and who says so, for people.
    kv_plain, kv_scheme, kv_of_checkpoint: the checkpoint's 16-bit type, whose scheme it follows, and what that sets.
    block_size: as asked for; None for the engine's default. [tokens]
    step_tokens: tokens of one prefill step; None for the engine's default. [tokens]
    """

    architecture: str
    family: str
    layers: tuple[Layer, ...]
    num_q_heads: int
    kv: KVFormat
    kv_source: str
    kv_is_asked: bool
    kv_plain: KVFormat
    kv_scheme: str
    kv_of_checkpoint: KVFormat
    split: Split
    block_size: int | None
    step_tokens: int | None


class PoolRoom(NamedTuple):
    """A rank's pool, and what one sequence of ``max_model_len`` tokens takes of it.

    pool_bytes: what there is; needed_bytes: the engine's worst case for one such sequence. [bytes]
    blocks: whole blocks of the pool; groups: how many groups of layers share it; token_ranks: ranks that share tokens.
    estimated_len: the longest sequence that would be admitted. [tokens]
    """

    pool_bytes: int
    blocks: int
    groups: int
    token_ranks: int
    max_model_len: int
    concurrency: float
    needed_bytes: int
    has_bytes: int
    estimated_len: int


class PoolLog(NamedTuple):
    """Tokens of a pool under both definitions, the one this version prints, and its lines. [tokens]"""

    by_blocks: int
    by_concurrency: int
    printed: int
    lines: tuple[str, ...]


class Engine(Protocol):
    """How one engine, in one version, with its options, counts."""

    @property
    def name(self) -> str:
        """What the engine is called."""
        ...

    @property
    def version(self) -> str:
        """The version, empty where the engine has none."""
        ...

    @property
    def evidence(self) -> str:
        """How the counting of this version is known: run, read, or ideal."""
        ...

    @property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """What else the figures hang on: name, value and who set it."""
        ...

    @property
    def block_size(self) -> int:
        """Of layers that keep tokens, before an engine raises it for some group. [tokens]"""
        ...

    @property
    def shares_prefixes(self) -> bool:
        """Whether sequences share the blocks of a common prefix."""
        ...

    @property
    def is_ideal(self) -> bool:
        """Whether peak and reserved are what is held, shared prefixes and all."""
        ...

    def refusals(self, served: Served) -> list[Finding]:
        """What the engine refuses or ignores, at paths inside the deployment (``tensor_parallel``)."""
        ...

    def layers(self, served: Served) -> tuple[Layer, ...]:
        """The layers as the engine's own model code builds them."""
        ...

    def kv(self, served: Served) -> KVFormat:
        """The format that the engine really stores."""
        ...

    def token_ranks(self, split: Split) -> int:
        """Over how many ranks the tokens of one sequence are spread."""
        ...

    def stage_groups(self, served: Served) -> list[tuple[BlockGroup, ...]]:
        """For each pipeline stage, the groups of blocks in a rank's pool."""
        ...

    def block_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """What one block of a rank's pool costs. [bytes]"""
        ...

    def unit_bytes(self, groups: tuple[BlockGroup, ...]) -> int:
        """The piece in which a rank's pool is handed out; what a sequence takes is whole pieces. [bytes]"""
        ...

    @property
    def plans_ranks_alike(self) -> bool:
        """Whether every rank gets as many blocks as the one that has fewest."""
        ...

    @property
    def memory_base(self) -> str:
        """What the memory fraction is a fraction of: total."""
        ...

    @property
    def memory_fraction(self) -> Fraction:
        """The fraction that this version takes by default."""
        ...

    @property
    def memory_fraction_source(self) -> str:
        """Who says so."""
        ...

    def default_max_num_seqs(self, total_bytes: int) -> int:
        """Most sequences at once of an instance where nobody says; 0 for no limit. total_bytes: of an accelerator."""
        ...

    def expert_multiples(self, format_name: str) -> tuple[int, int]:
        """What kernels pad the hidden size and the width of routed experts to, by their format. [elements]"""
        ...

    @property
    def null_blocks(self) -> int:
        """Blocks of a pool that no sequence ever gets."""
        ...

    @property
    def admits_without_null_blocks(self) -> bool:
        """Whether the start-up check leaves out the blocks that no sequence gets."""
        ...

    def log(self, room: PoolRoom) -> PoolLog:
        """A pool in the words and the rounding of the engine's own start-up log."""
        ...

    def held(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """Bytes of a rank's pool that sequences hold. [bytes]"""
        ...

    def peak(self, groups: tuple[BlockGroup, ...], input_tokens: IntArray, tokens: IntArray) -> IntArray:
        """Most bytes that sequences hold from their first token to their last. [bytes]"""
        ...

    def reserved(self, groups: tuple[BlockGroup, ...], tokens: IntArray) -> IntArray:
        """The engine's own worst case for one sequence of that length. [bytes]"""
        ...


class EngineRequest(NamedTuple):
    """An engine as it was asked for."""

    name: str
    version: str
    options: Mapping[str, str]
    served: Served


def refusal(rule: str, path: str, message: str, help: str = "", note: str = "") -> Finding:
    """A refusal at a path inside the deployment."""
    return Finding(rule, path, message, help=help, note=note)


def unknown_options(options: Mapping[str, str], known: Sequence[str], engine: str) -> list[Finding]:
    """One refusal for each option that the engine does not have."""
    words = ", ".join(known) if known else "none"
    return [
        refusal(
            "KV306", f"engine_options.{name}", f"{engine} has no option `{name[:60]}`", help=f"its options: {words}"
        )
        for name in options
        if name not in known
    ]


def split_refusals(served: Served, *, spreads_over_context: bool = False) -> list[Finding]:
    """Splits that no engine can make: heads, layers and tokens that do not divide.

    Source: vLLM config/model.py, verify_with_parallel_config; model code asserts the KV heads.
    """
    found, split = [], served.split
    tensor = split.tensor_parallel
    if served.num_q_heads % tensor:
        message = f"{served.num_q_heads} attention heads cannot be shared by {tensor} ranks: they do not divide"
        found.append(refusal("KV301", "tensor_parallel", message, help=f"use a divisor of {served.num_q_heads}"))
    problems = {problem for layer in served.layers if (problem := layer.heads_problem(tensor))}
    if not served.num_q_heads % tensor:
        found += [
            refusal("KV301", "tensor_parallel", problem, help="use a divisor or a multiple of the KV heads")
            for problem in sorted(problems)
        ]
    if split.pipeline_parallel > len(served.layers):
        message = f"{len(served.layers)} layers cannot fill {split.pipeline_parallel} stages"
        found.append(refusal("KV301", "pipeline_parallel", message, help=f"use at most {len(served.layers)}"))
    # With prefill context parallelism vLLM spreads tokens over the tensor groups of all its ranks.
    group = tensor * (split.context_parallel if spreads_over_context else 1)
    if group % split.decode_context_parallel:
        spread = split.decode_context_parallel
        message = f"decode context parallelism spreads tokens over a tensor group: {spread} does not divide {group}"
        found.append(refusal("KV301", "decode_context_parallel", message, help=f"use a divisor of {group}"))
    return found


def format_refusals(served: Served) -> list[Finding]:
    """Formats that a layer cannot be stored in: vectors that are not whole groups, K and V apart in a latent."""
    found, kv = [], served.kv
    if kv.splits and any(layer.kind == "mla" for layer in served.layers):
        found.append(
            refusal(
                "KV302", "kv", f"{kv.name}: a latent (MLA) is one vector, K and V cannot differ", help="give one format"
            )
        )
    for item in {kv.k, kv.v}:
        widths = {width for layer in served.layers for width in layer.widths if not item.divides(width)}
        for width in sorted(widths):
            message = f"{item.name} stores {item.group_elements} elements together; a head of {width} is not a multiple"
            found.append(refusal("KV302", "kv", message, help="use a format with smaller groups"))
    return found

"""The workload file as frozen values; each field carries its kind and meaning, so this table is the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from kvplan.findings import Finding, join_path
from kvplan.spec.fleet import FLEET, SYSTEM, FleetPart
from kvplan.spec.formats import ALIASES, FORMATS, LATER, Format, format_by_name, format_names
from kvplan.spec.kinds import INVALID, Choice, Many, Reading, Reads, Share, Text, Tokens, Whole, nearest, shown
from kvplan.spec.lengths import Length, LengthKind
from kvplan.spec.reader import Spec, key, later
from kvplan.spec.serving import MEMORY, REPLICAS, WEIGHTS, GivenWeights, Memory, Replicas
from kvplan.spec.system import System
from kvplan.spec.tree import Tree

MAX_RANKS = 1 << 16
MAX_STAGES = 256


class EngineChoice(NamedTuple):
    """An engine and its version, empty for the newest with a rule."""

    name: str
    version: str


def _read_engine(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(tree, str) or not 0 < len(tree) <= 60:
        return reading.fault(
            "KV007", path, f"wants the name of an engine, has {shown(tree)}", help="write paged, or vllm@0.32"
        )
    name, _, version = tree.replace("==", "@").partition("@")
    return EngineChoice(name.strip().lower(), version.strip().removeprefix("v"))


def _read_format(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(tree, str):
        return reading.fault(
            "KV007", path, f"wants the name of a format, has {shown(tree)}", help=f"one of {', '.join(FORMATS)}"
        )
    if tree in LATER:
        return reading.fault(
            "KV015", path, f"the format {shown(tree)} is not yet supported", help=f"one of {', '.join(FORMATS)}"
        )
    if tree not in FORMATS and tree not in ALIASES:
        hint = nearest(tree, format_names())
        return reading.fault(
            "KV011",
            path,
            f"unknown format {shown(tree)}",
            help=hint or f"one of {', '.join(FORMATS)}",
            note=f"known: {', '.join(FORMATS)}",
        )
    return format_by_name(tree)


FORMAT = Reads("the name of a format", _read_format)
ENGINE = Reads("an engine like paged or vllm@0.32", _read_engine)


@dataclass(frozen=True, kw_only=True)
class KV:
    """How K and V are stored; what is left out follows the checkpoint and the engine."""

    format: Format | None = key(FORMAT, "format of K and V", default=None)
    k: Format | None = key(FORMAT, "format of K", default=None)
    v: Format | None = key(FORMAT, "format of V", default=None)
    block_size: int | None = key(Whole(1, 1 << 20), "tokens in a block", default=None)


def _read_kv(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    kv = Spec(KV, "a mapping like {format: fp8_e4m3, block_size: 16}").read(tree, path, reading)
    if kv is INVALID:
        return INVALID
    if kv.format and (kv.k or kv.v):
        return reading.fault(
            "KV018",
            join_path(path, "format"),
            "`format` and `k`, `v` say the same thing twice",
            help="give format, or k and v",
            on_key=True,
        )
    if bool(kv.k) != bool(kv.v):
        return reading.fault("KV008", path, "one of `k` and `v` is missing", help="give both, or format for both alike")
    return kv


KV_KIND = Reads("a mapping like {format: fp8_e4m3}", _read_kv)


def _read_options(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(tree, dict):
        return reading.fault(
            "KV007", path, f"wants a mapping, has {shown(tree)}", help="write like {prefix_caching: off}"
        )
    options: dict[str, str] = {}
    sound = True
    for name, value in tree.items():
        if isinstance(value, dict | list) or value is None:
            reading.fault(
                "KV007",
                join_path(path, name),
                f"wants a plain value, has {shown(value)}",
                help="write on, off or a number",
            )
            sound = False
        else:
            options[name] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return options if sound else INVALID


def _read_expect(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(tree, dict):
        return reading.fault(
            "KV007", path, f"wants a mapping, has {shown(tree)}", help="write like {held_bytes: {max: 20 TB}}"
        )
    return dict(tree)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The engine's own limits; what is left out is the engine's default."""

    max_model_len: int | None = key(Tokens(), "longest sequence", default=None)
    max_num_seqs: int | None = key(Whole(1), "most sequences at once", default=None)
    max_num_batched_tokens: int | None = key(Tokens(), "tokens of one step, the step of prefill", default=None)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One model served in one way.

    model: a catalog name, a path to a config.json, or a mapping.
    engine_options: what the engine is told beyond its splits, as text.
    """

    name: str = key(Text(), "what the deployment is called", default="main")
    model: Tree = key(
        Reads("a catalog name, a path to a config.json, or a mapping", lambda tree, path, reading: tree), "the model"
    )
    kv: KV = key(KV_KIND, "how K and V are stored", factory=KV)
    engine: EngineChoice = key(ENGINE, "how blocks are counted", default=EngineChoice("paged", ""))
    engine_options: Mapping[str, str] = key(Reads("a mapping", _read_options), "options of the engine", factory=dict)
    tensor_parallel: int = key(Whole(1, MAX_RANKS), "ranks that share the heads", default=1)
    pipeline_parallel: int = key(Whole(1, MAX_STAGES), "stages that share the layers", default=1)
    data_parallel: int = key(Whole(1, MAX_RANKS), "instances that share the sequences", default=1)
    context_parallel: int = key(Whole(1, MAX_RANKS), "ranks that share the tokens", default=1)
    decode_context_parallel: int = key(Whole(1, MAX_RANKS), "ranks of a tensor group that share the tokens", default=1)
    limits: Limits = key(Spec(Limits), "the engine's own limits", factory=Limits)
    replicas: Replicas = key(REPLICAS, "copies of the model", default=Replicas())
    memory: Memory = key(MEMORY, "what of an accelerator's memory the engine takes", factory=Memory)
    weights: GivenWeights = key(WEIGHTS, "bytes of a rank, or the format they are loaded in", default=GivenWeights())
    topology: str = key(
        Choice(("required", "preferred"), "topology"), "whether a seat must lie in one native group", default="required"
    )
    expert_parallel: None = later("ranks that share the experts", "placement")
    role: None = later("unified, prefill or decode", "placement")
    survive: None = later("what may fail", "placement")


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Tokens at the start of every sequence of a class that are stored once for all that share them."""

    tokens: int = key(Tokens(), "length of the prefix, part of the input")
    count: int = key(Whole(1), "distinct prefixes", default=1)
    store: str = key(
        Choice(("per_replica", "per_group", "per_rack"), "store"), "who shares a copy", default="per_replica"
    )


def _read_prefix(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    prefix = Spec(Prefix, "a mapping like {tokens: 4096, count: 1}").read(tree, path, reading)
    if prefix is not INVALID and prefix.store != "per_replica":
        return reading.fault(
            "KV015",
            join_path(path, "store"),
            f"a prefix stored {prefix.store} is not yet supported",
            help="write per_replica",
        )
    return prefix


@dataclass(frozen=True, kw_only=True)
class RequestClass:
    """Sequences of one kind that are resident at once.

    input and output grow to their sum; ``context`` alone is that many tokens resident, without growth. After reading,
    ``input`` holds the context where that is what was written, and ``output`` is 0. [tokens]
    """

    name: str = key(Text(), "what the class is called", default="")
    deployment: str = key(Text(), "the deployment that serves it", default="")
    sequences: int = key(Whole(1, 1 << 40), "sequences resident at once")
    input: Length | None = key(LengthKind(), "prompt tokens, or a law of them", default=None)
    output: Length | None = key(LengthKind(low=0), "generated tokens, or a law of them", default=None)
    context: Length | None = key(LengthKind(), "tokens resident, without growth", default=None)
    prefix: Prefix | None = key(Reads("a mapping", _read_prefix), "a shared start of the input", default=None)
    priority: int = key(Whole(-(10**6), 10**6), "what is kept first, the higher", default=0)
    arrival: None = later("offered load", "placement")
    holding: None = later("how long a sequence stays", "placement")
    slo: None = later("latency goals", "movement")
    idle: None = later("sequences that wait on tools", "placement")
    resume_within: None = later("when an idle sequence must be back", "placement")
    copies: None = later("live copies", "placement")


def _read_request(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    request = Spec(RequestClass).read(tree, path, reading)
    if not isinstance(tree, dict):
        return INVALID
    both = [other for other in ("input", "output") if other in tree and "context" in tree]
    if both:
        message = f"`context` and `{both[0]}` contradict each other"
        return reading.fault(
            "KV018", join_path(path, "context"), message, help="give context alone, or input and output", on_key=True
        )
    if "context" not in tree and "input" not in tree:
        message = "neither `input` nor `context` says how long the sequences are"
        return reading.fault("KV008", join_path(path, "input"), message, help="add input and output, or context")
    return request


def _read_version(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    if tree == 1 and isinstance(tree, int) and not isinstance(tree, bool):
        return 1
    return reading.fault("KV010", path, f"the format version {shown(tree)} is not known", help="write kvplan: 1")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is asked: deployments, the sequences they hold, and what is expected of them.

    fleet: what there is to place on; ``system`` is read into it. Empty where nothing is said.
    expect: figure ▸ bound as written; read once the figures are known.
    """

    kvplan: int = key(Reads("1, the version of the format", _read_version), "version of the format: 1")
    name: str = key(Text(), "what the workload is called", default="workload")
    deployments: tuple[Deployment, ...] = key(Many(Spec(Deployment), most=50), "models and how they are served")
    requests: tuple[RequestClass, ...] = key(Many(Reads("a mapping", _read_request), most=200), "classes of sequences")
    planning_quantile: Fraction = key(
        Share(open_ends=True), "quantile of total bytes that is planned for", default=Fraction(99, 100)
    )
    expect: Mapping[str, Tree] = key(Reads("a mapping", _read_expect), "what check holds it to", factory=dict)
    fleet: tuple[FleetPart, ...] = key(FLEET, "racks to place on", default=())
    system: System | None = key(SYSTEM, "the one system to place on, in place of fleet", default=None)
    value: str = key(
        Choice(("per_token", "per_sequence"), "value"), "what is kept first inside a priority", default="per_token"
    )
    written: Any = field(default=None, repr=False, compare=False)  # how it was written: paths and places of findings
    notes: tuple[Finding, ...] = field(default=(), repr=False, compare=False)

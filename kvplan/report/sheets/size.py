"""The sheet of a size: the answer first, then the ladder, the classes, and on demand each factor with its source."""

from __future__ import annotations

from kvplan.answers.size_result import DeploymentSize, Size
from kvplan.report.sheet import Bar, Bars, Block, Column, Note, Sheet, Table, Value
from kvplan.units import format_binary_bytes, format_bytes

_NAMES = (
    ("minimum", "one copy of what the architecture keeps"),
    ("replicated", "held again because heads or latents do not divide"),
    ("held", "what the engine's pool really holds"),
    ("peak", "each sequence at its fullest, prefill in flight"),
    ("reserved", "the engine's own worst case for each"),
)
_FIGURES = ("minimum_bytes", "replicated_bytes", "held_bytes", "peak_bytes", "reserved_bytes", "mean_bytes")
_RANKS = ("rank_minimum_bytes", "rank_held_bytes", "rank_peak_bytes", "rank_reserved_bytes")


def size_sheet(size: Size, *, explain: bool = False) -> Sheet:
    """The sheet of one size."""
    blocks: list[Block] = [Note(_headline(size)), _names(size), _ladder(size), _classes(size)]
    if len(size.deployments) > 1:
        blocks.insert(2, _deployments(size))
    blocks += [Note(_per_token(item)) for item in size.deployments]
    if explain:
        blocks += [_factors(item) for item in size.deployments]
    blocks += [Note(f"{path} was set to {value}") for path, value in size.set.items()]
    blocks += [Note(note.message, note.severity) for note in size.notes]
    return Sheet(_title(size), blocks)


def _title(size: Size) -> str:
    parts = dict.fromkeys(
        f"{item.model}, KV in {item.kv_format}, counted as {_engine(item)}" for item in size.deployments
    )
    return "; ".join(parts)


def _engine(item: DeploymentSize) -> str:
    words = {"read": " (read, not run)", "ideal": " (an ideal)"}.get(item.engine.evidence, "")
    return f"{item.engine.name} {item.engine.version}".rstrip() + words


def _headline(size: Size) -> str:
    sequences = sum(item.sequences for item in size.classes)
    tokens = " and ".join(dict.fromkeys(f"{item.tokens:,}" for item in size.classes[:3])) + (
        " …" if len(size.classes) > 3 else ""
    )
    held = f"{format_bytes(size.held_bytes)} ({format_binary_bytes(size.held_bytes)})"
    subject = "1 sequence" if sequences == 1 else f"{sequences:,} sequences"
    return f"{subject} of {tokens} tokens {'needs' if sequences == 1 else 'need'} {held} of KV cache."


def _rank(size: DeploymentSize) -> str:
    return f"a rank of stage {size.pipeline_rank}" if size.pipeline_rank_is_asked else "heaviest rank"


def _names(size: Size) -> Table:
    rows = []
    for name, meaning in _NAMES:
        rank = getattr(size, f"rank_{name}_bytes", None)
        rows.append(
            {
                "name": name,
                "bytes": getattr(size, f"{name}_bytes"),
                "rank": "" if rank is None else rank,
                "meaning": meaning,
            }
        )
    columns = (
        Column("name", "bytes of KV"),
        Column("bytes", "all ranks", "bytes"),
        Column("rank", _rank(size), "bytes"),
        Column("meaning", ""),
    )
    return Table("", columns, rows)


def _ladder(size: Size) -> Bars:
    bars = []
    for step in size.ladder:
        change = step.change_bytes
        sign = "−" if change < 0 else "+"
        text = f"{sign}{format_bytes(abs(change))}" if change else ""
        bars.append(Bar(step.step.replace("_", " "), step.bytes, step.bytes - change, text))
    return Bars("From the naive formula to what is held", bars)


def _classes(size: Size) -> Table:
    keys = ("name", "deployment", "sequences", "tokens", "max_tokens", *_FIGURES, *_RANKS)
    rows = [{key: getattr(item, key) for key in keys} for item in size.classes]
    sums: dict[str, Value] = {key: getattr(size, key) for key in (*_FIGURES, *_RANKS)}
    sums |= {"name": "all", "sequences": sum(item.sequences for item in size.classes)}
    columns = [
        Column("name", "class"),
        Column("deployment", "deployment"),
        Column("sequences", "sequences", "count"),
        Column("tokens", "tokens", "tokens"),
        Column("max_tokens", "most tokens", "tokens"),
        *(Column(key, key.removesuffix("_bytes").replace("_", " "), "bytes") for key in (*_FIGURES, *_RANKS)),
    ]
    return Table("Classes", columns, rows, is_data=True, total=sums if len(rows) > 1 else {})


def _deployments(size: Size) -> Table:
    keys = ("deployment", "model", "held_bytes", "peak_bytes", "reserved_bytes", "rank_held_bytes")
    rows = [{key: getattr(item, key) for key in keys} for item in size.deployments]
    units = [
        Column(key, key.removesuffix("_bytes").replace("_", " "), "bytes" if key.endswith("bytes") else "text")
        for key in keys
    ]
    return Table("Deployments", units, rows)


def _per_token(item: DeploymentSize) -> str:
    prefix = f"{item.deployment}: a" if item.deployment != "main" else "A"
    text = f"{prefix} token costs {item.model_bytes_per_token:,} bytes"
    if item.model_bytes_per_token_unbounded != item.model_bytes_per_token:
        text += f", {item.model_bytes_per_token_unbounded:,} once every window is full"
    text += (
        f"; {item.rank_bytes_per_token:,} on {_rank(item).replace('heaviest', 'the heaviest')}"
        if item.rank_bytes_per_token != item.model_bytes_per_token
        else ""
    )
    quantized = f" Weights: {item.quantization}." if item.quantization else ""
    return f"{text}. Blocks of {item.block_size} tokens.{quantized}"


def _factors(item: DeploymentSize) -> Table:
    rows = [{"factor": f.factor, "value": f.value, "source": f.source} for f in item.factors]
    title = f"Factors of {item.deployment}"
    return Table(title, (Column("factor", "factor"), Column("value", "value"), Column("source", "source")), rows)

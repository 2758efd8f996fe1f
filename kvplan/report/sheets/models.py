"""The sheets of models: the catalog as a list, and one model with its layers and its curve."""

from __future__ import annotations

from kvplan.answers.models import ModelList, ModelView
from kvplan.report.sheet import Block, Column, Curve, Note, Sheet, Table, Value
from kvplan.units import format_bytes

_LIST_KEYS = (
    "model", "architecture", "num_layers", "kv_format", "model_bytes_per_token", "model_bytes_per_token_unbounded",
    "max_position_embeddings",
)  # fmt: skip
_LAYER_KEYS = ("kind", "count", "num_kv_heads", "widths", "keeps_tokens", "bytes_per_token", "all_bytes_per_token")


def models_sheet(models: ModelList) -> Sheet:
    """Every model on a line."""
    columns = (
        Column("model", "model"),
        Column("layers", "layers"),
        Column("model_bytes_per_token", "bytes a token", "count"),
        Column("model_bytes_per_token_unbounded", "past all windows", "count"),
        Column("max_position_embeddings", "positions", "tokens"),
    )
    rows: list[dict[str, Value]] = [
        {
            "model": view.model,
            "architecture": view.architecture,
            "num_layers": view.num_layers,
            "kv_format": view.kv_format,
            "layers": ", ".join(f"{line.count} {_short(line.kind)}" for line in view.layers),
            "model_bytes_per_token": view.model_bytes_per_token,
            "model_bytes_per_token_unbounded": view.model_bytes_per_token_unbounded,
            "max_position_embeddings": view.max_position_embeddings or "",
        }
        for view in models.models
    ]
    return Sheet(
        f"{len(rows)} models, each in its checkpoint's own KV format", [Table("", columns, rows, is_data=True)]
    )


def _short(kind: str) -> str:
    return {"full_attention": "full", "sliding_attention": "sliding", "chunked_attention": "chunked"}.get(kind, kind)


_LAYER_COLUMNS = (
    Column("count", "layers", "count"),
    Column("kind", "kind"),
    Column("num_kv_heads", "KV heads", "count"),
    Column("widths", "widths"),
    Column("keeps", "keeps"),
    Column("all_bytes_per_token", "bytes a token", "count"),
)


def model_sheet(view: ModelView) -> Sheet:
    """One model: layers by kind, what each keeps, bytes a token, and bytes against context."""
    rows: list[dict[str, Value]] = [
        {
            "count": line.count,
            "kind": line.kind,
            "num_kv_heads": line.num_kv_heads,
            "widths": line.widths,
            "keeps_tokens": line.keeps_tokens,
            "bytes_per_token": line.bytes_per_token,
            "keeps": f"the last {line.keeps_tokens:,} tokens"
            if line.kind == "sliding_attention"
            else _keeps(line.keeps_tokens),
            "all_bytes_per_token": line.all_bytes_per_token,
        }
        for line in view.layers
    ]
    total = _total(view)
    blocks: list[Block] = [Table("", _LAYER_COLUMNS, rows, is_data=True, data_keys=_LAYER_KEYS), Note(f"{total}.")]
    blocks += [
        Note(_weights(view)),
        Note(
            f"Trained for {view.max_position_embeddings:,} positions."
            if view.max_position_embeddings
            else "Trained positions: not stated."
        ),
        Note(f"Source: {view.source}."),
        Curve(
            "Bytes of one sequence against its context (equal steps are equal ratios)",
            view.curve_tokens,
            view.curve_bytes,
        ),
    ]
    blocks += [Note(note.message, note.severity) for note in view.notes]
    return Sheet(f"{view.model}: {view.architecture}, {view.num_layers} layers", blocks)


def _weights(view: ModelView) -> str:
    scheme = f" ({view.quantization})" if view.quantization else ""
    if view.parameters is None:
        return f"Weights{scheme} are not counted: {view.weights_missing}."
    count = f"{view.parameters:,} parameters"
    if view.weight_bytes is None:
        return f"{count}; bytes of weights{scheme} are not counted: {view.weights_missing}."
    return f"{count}; one copy of the weights{scheme} takes {format_bytes(view.weight_bytes)}."


def _keeps(tokens: int) -> str:
    return f"a chunk of {tokens:,} tokens" if tokens else "all tokens"


def _total(view: ModelView) -> str:
    total = f"A token costs {view.model_bytes_per_token:,} bytes in {view.kv_format} ({view.kv_format_source})"
    if view.model_bytes_per_token_unbounded != view.model_bytes_per_token:
        total += f", {view.model_bytes_per_token_unbounded:,} once every window is full"
    return total

"""Which models are known, and what each keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from kvplan.answers.request import kv_parts
from kvplan.answers.size_result import FORMAT_VERSION
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint.parameters import parameter_count
from kvplan.footprint.sizing import bytes_by_limit, group_layers, size_sequences
from kvplan.footprint.weights import model_weight_bytes
from kvplan.spec import catalog
from kvplan.spec.formats import KVFormat
from kvplan.spec.kinds import INVALID, Reading
from kvplan.spec.layers.layer import Layer, count_layers
from kvplan.spec.model import Model
from kvplan.spec.models import catalog_model, resolve_model
from kvplan.spec.tree import flag_document
from kvplan.spec.workload import KV_KIND
from kvplan.units import MAX_INTEGER
from kvplan.version import VERSION

_POINTS = 97  # of a curve


@dataclass(frozen=True)
class LayerLine:
    """Equal layers of a model; ``keeps_tokens`` is 0 for all. [tokens], [elements], [bytes]"""

    kind: str
    count: int
    num_kv_heads: int
    widths: str
    keeps_tokens: int
    bytes_per_token: int
    all_bytes_per_token: int


@dataclass(frozen=True)
class ModelView:
    """What a model keeps, in one format and on one rank, and one copy of its weights. [bytes]

    parameters, weight_bytes: of its text part; None where ``weights_missing`` says why.
    """

    model: str
    architecture: str
    num_layers: int
    num_q_heads: int
    hidden_size: int
    max_position_embeddings: int | None
    kv_format: str
    kv_format_source: str
    quantization: str
    parameters: int | None
    weight_bytes: int | None
    weights_missing: str
    source: str
    model_bytes_per_token: int
    model_bytes_per_token_unbounded: int
    layers: tuple[LayerLine, ...]
    curve_tokens: tuple[int, ...]
    curve_bytes: tuple[int, ...]
    notes: tuple[Finding, ...]

    def summary(self) -> dict[str, Any]:
        """The keys of the view without its curve."""
        tree = self.to_dict()
        return {
            key: tree[key] for key in tree if key not in ("format_version", "kind", "kvplan") and "curve" not in key
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the view."""
        tree: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        tree["layers"] = [{item.name: getattr(line, item.name) for item in fields(line)} for line in self.layers]
        tree["notes"] = [note.to_dict() for note in self.notes]
        return {"format_version": FORMAT_VERSION, "kind": "model", "kvplan": VERSION, **tree}


@dataclass(frozen=True)
class ModelList:
    """Every model of the catalog."""

    models: tuple[ModelView, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the list: each model without its curve."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": "models",
            "kvplan": VERSION,
            "models": [view.summary() for view in self.models],
        }


def list_models() -> ModelList:
    """Every model of the catalog, by name."""
    return ModelList(tuple(_view(catalog_model(name), None) for name in catalog.model_names()))


def show_model(name: str, kv_format: str | None = None) -> ModelView:
    """What a model keeps.

    name: a catalog name, or a path to a config.json or its folder.
    kv_format: a format other than the checkpoint's own.
    Raises: SpecError for an unknown model or format, or one whose vectors the format does not divide.
    """
    return _view(resolve_model(name, "model", Path(), ()), None if kv_format is None else _asked_format(kv_format))


def _asked_format(text: str) -> KVFormat:
    """``fp8`` or ``k=q8_0,v=q4_0`` ▸ the formats of K and V."""
    reading = Reading()
    kv = KV_KIND.read(kv_parts(text), "kv_format", reading)
    if kv is INVALID:
        document = flag_document({"kv_format": (None, f"--kv-format {text}")})
        raise SpecError([document.source.locate(replace(finding, path="kv_format")) for finding in reading.findings])
    return KVFormat(kv.format or kv.k, kv.format or kv.v)


def _view(model: Model, kv_format: KVFormat | None) -> ModelView:
    kv = kv_format or model.kv_format
    _check_widths(model, kv)
    groups = group_layers(model.layers, kv)
    by_limit = bytes_by_limit(groups)
    most = (MAX_INTEGER - 1) // max(1, sum(by_limit.values()))
    tokens = [min(count, most) for count in _curve_tokens(model, max((limit or 0) for limit in by_limit))]
    return ModelView(
        model=model.name,
        architecture=model.architecture,
        num_layers=len(model.layers),
        num_q_heads=model.num_q_heads,
        hidden_size=model.hidden_size,
        max_position_embeddings=model.max_position_embeddings,
        kv_format=kv.name,
        kv_format_source=model.kv_format_source if kv_format is None else "asked",
        quantization=model.quantization,
        parameters=None if model.weights is None else parameter_count(model.weights),
        weight_bytes=_weight_bytes(model),
        weights_missing=model.weights_missing,
        source=model.source,
        model_bytes_per_token=sum(by_limit.values()),
        model_bytes_per_token_unbounded=by_limit.get(None, 0),
        layers=tuple(_line(layer, count, kv) for layer, count in count_layers(model.layers).items()),
        curve_tokens=tuple(tokens),
        curve_bytes=tuple(size_sequences(groups, np.array(tokens, dtype=np.int64)).tolist()),
        notes=model.notes,
    )


def _weight_bytes(model: Model) -> int | None:
    if model.weights is None or model.weight_storage is None:
        return None
    return model_weight_bytes(model.weights, model.weight_storage)


def _check_widths(model: Model, kv: KVFormat) -> None:
    for item in (kv.k, kv.v):
        widths = [width for layer in model.layers for width in layer.widths if not item.divides(width)]
        if widths:
            message = (
                f"{item.name} stores {item.group_elements} elements together; a head of {widths[0]} is not a multiple"
            )
            raise SpecError([Finding("KV302", "kv_format", message, help="use a format with smaller groups")])


def _line(layer: Layer, count: int, kv: KVFormat) -> LayerLine:
    return LayerLine(
        kind=layer.kind,
        count=count,
        num_kv_heads=layer.heads_per_rank(1),
        widths=" + ".join(str(width) for width in layer.widths),
        keeps_tokens=layer.limit_tokens or 0,
        bytes_per_token=layer.bytes_per_token(kv),
        all_bytes_per_token=layer.bytes_per_token(kv) * count,
    )


def _curve_tokens(model: Model, widest: int) -> list[int]:
    """Contexts from 64 tokens to the trained positions at equal ratios, far enough to show the last window fill."""
    first = 64
    end = max(model.max_position_embeddings or 32768, min(4 * widest, 1 << 20), 1024)
    return [round(first * (end / first) ** (index / (_POINTS - 1))) for index in range(_POINTS)]

"""What a model keeps: its layers in order, and what engines need to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kvplan.findings import Finding
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.layer import Layer
from kvplan.spec.weight_formats import WeightStorage
from kvplan.spec.weights import WeightShape


@dataclass(frozen=True)
class Model:
    """A decoder as far as its cache goes.

    name: what it is called in results.
    architecture: the class named in its config, or ``mapping``.
    family: which rules engines apply beyond the layers (``cohere2``, ``falcon`` …), or ``mapping``.
    layers: one entry a layer, in order; equal layers are equal values.
    hidden_size: width of the residual stream, for the naive formula. [elements]
    num_q_heads: query heads, which tensor parallelism has to divide.
    max_position_embeddings: trained positions; None where the config does not say. [tokens]
    kv_format: how the checkpoint itself says that K and V are stored.
    kv_format_source: where it says so.
    kv_plain: the checkpoint's 16-bit type, which K and V have where no scheme is followed.
    kv_scheme: whose scheme sets ``kv_format``: modelopt, compressed-tensors, or empty.
    quantization: the scheme of the weights in words, empty for none.
    source: where the figures come from.
    weights: the tensors of its text part; None where the config leaves out a size that the count needs.
    weight_storage: how the checkpoint stores them; None where its scheme is not known.
    weights_missing: why either is None; empty where both are there.
    config_path: the config.json, beside which an index may say the size of the checkpoint; None where there is no file.
    notes: what was taken from class defaults, and the like.
    """

    name: str
    architecture: str
    family: str
    layers: tuple[Layer, ...]
    hidden_size: int
    num_q_heads: int
    max_position_embeddings: int | None
    kv_format: KVFormat
    kv_format_source: str
    kv_plain: KVFormat
    kv_scheme: str
    quantization: str
    source: str
    weights: WeightShape | None = None
    weight_storage: WeightStorage | None = None
    weights_missing: str = "nothing says what tensors it has"
    config_path: Path | None = None
    notes: tuple[Finding, ...] = ()

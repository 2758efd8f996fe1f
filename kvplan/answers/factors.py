"""Each factor of a size and where it comes from: what ``--explain`` shows."""

from __future__ import annotations

from typing import NamedTuple

from kvplan.footprint.accounting import Accountant
from kvplan.footprint.engines.engine import Engine, Served
from kvplan.spec.formats import KVFormat
from kvplan.spec.layers.layer import Layer, count_layers
from kvplan.spec.model import Model
from kvplan.spec.workload import Deployment


class Factor(NamedTuple):
    """One factor: its name, its value with its unit, and its source."""

    factor: str
    value: str
    source: str


def factors_of(
    deployment: Deployment, model: Model, engine: Engine, served: Served, accountant: Accountant
) -> tuple[Factor, ...]:
    """The factors of one deployment, from the architecture to the pool."""
    split = served.split
    kv = accountant.kv
    factors = [
        Factor("layers", str(len(model.layers)), model.source),
        *(_layer_factor(layer, count, model) for layer, count in count_layers(accountant.layers).items()),
        Factor("hidden size", f"{model.hidden_size:,} elements", "its config; only the naive formula uses it"),
        Factor("KV format", kv.name, _format_source(served, kv, engine)),
    ]
    for item in dict.fromkeys((kv.k, kv.v)):
        elements = f"{item.group_elements} elements" if item.group_elements > 1 else "1 element"
        value = f"{item.group_bytes} B for {elements}, {item.scale}"
        factors.append(Factor(f"element of {item.name}", value, item.source))
    for layer, count in count_layers(accountant.layers).items():
        tensor = split.tensor_parallel
        value = f"{count} × {layer.bytes_per_token(kv, tensor):,} B a token on a rank"
        factors.append(Factor(f"{layer.kind} layers", value, _product(layer, tensor)))
    factors += [
        Factor(
            "block", f"{engine.block_size} tokens", "asked for" if served.block_size else f"default of {engine.name}"
        ),
        Factor("split", _split(deployment), "asked for"),
    ]
    factors += [Factor(*setting) for setting in engine.settings]
    return (*factors, *_pool_factors(engine, accountant))


def _format_source(served: Served, stored: KVFormat, engine: Engine) -> str:
    if stored != served.kv:
        return f"stored by {engine.name} in place of {served.kv.name}"
    return "asked for" if served.kv_is_asked else served.kv_source


def _pool_factors(engine: Engine, accountant: Accountant) -> list[Factor]:
    factors = []
    for stage, groups in enumerate(accountant.stage_blocks):
        for group in groups:
            what = {"full": "all tokens", "window": f"window {group.limit:,}", "chunk": f"chunk {group.limit:,}"}[
                group.kind
            ]
            value = f"{group.groups} × blocks of {group.block_size} tokens and {group.block_bytes:,} B ({what})"
            factors.append(
                Factor(
                    f"pool, stage {stage}",
                    value,
                    f"grouping of {engine.name} {engine.version}".rstrip() + f" ({engine.evidence})",
                )
            )
    return factors


def _layer_factor(layer: Layer, count: int, model: Model) -> Factor:
    limit = "all tokens" if layer.limit_tokens is None else f"at most {layer.limit_tokens:,} tokens"
    widths = " + ".join(str(width) for width in layer.widths)
    heads = "one latent" if layer.kind == "mla" else f"{layer.heads_per_rank(1)} KV heads"
    return Factor(
        layer.kind,
        f"{count} layers, {heads} of {widths} elements, keeps {limit}",
        model.architecture,
    )


def _product(layer: Layer, tensor_parallel: int) -> str:
    heads = layer.heads_per_rank(tensor_parallel)
    shared = f", {tensor_parallel} ranks" if tensor_parallel > 1 else ""
    return f"{heads} × ({' + '.join(str(width) for width in layer.widths)}) elements{shared}"


def _split(deployment: Deployment) -> str:
    names = ("tensor", "pipeline", "data", "context", "decode_context")
    parts = [
        f"{name.replace('_', ' ')} {getattr(deployment, f'{name}_parallel')}"
        for name in names
        if getattr(deployment, f"{name}_parallel") > 1
    ]
    return ", ".join(parts) or "one rank"

"""A model written as a mapping ▸ Model: for architectures that no list knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kvplan.findings import join_path
from kvplan.spec.formats import FORMATS, Format, KVFormat
from kvplan.spec.kinds import INVALID, Choice, Many, Reading, Reads, Text, Tokens, Whole
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention, SlidingAttention
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.layers.layer import Layer
from kvplan.spec.model import Model
from kvplan.spec.reader import Spec, key
from kvplan.spec.tree import Tree
from kvplan.spec.workload import FORMAT

_MAX_LAYERS = 2048
_MAX_KINDS = 32
_WIDTH = Whole(1, 1 << 24)
_HEADS = Whole(1, 1 << 16)

# What each kind of layer is made of: keys that it needs, and keys that it may have.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "full_attention": (("num_kv_heads", "head_dim"), ("v_head_dim",)),
    "sliding_attention": (("num_kv_heads", "head_dim", "sliding_window"), ("v_head_dim",)),
    "chunked_attention": (("num_kv_heads", "head_dim", "attention_chunk_size"), ("v_head_dim",)),
    "mla": (("kv_lora_rank", "qk_rope_head_dim"), ()),
}


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """Equal layers in a row."""

    kind: str = key(Choice(tuple(_KINDS), "kind of layer"), "what the layers keep")
    count: int = key(Whole(1, _MAX_LAYERS), "how many in a row", default=1)
    num_kv_heads: int | None = key(_HEADS, "KV heads", default=None)
    head_dim: int | None = key(_WIDTH, "width of a K head, and of a V head where v_head_dim is left out", default=None)
    v_head_dim: int | None = key(_WIDTH, "width of a V head", default=None)
    sliding_window: int | None = key(Tokens(), "tokens that the layer keeps", default=None)
    attention_chunk_size: int | None = key(Tokens(), "tokens of a chunk", default=None)
    kv_lora_rank: int | None = key(_WIDTH, "width of the latent", default=None)
    qk_rope_head_dim: int | None = key(_WIDTH, "width of the rotary key", default=None)

    def layer(self) -> Layer:
        """The layer that is repeated."""
        if self.kind == "mla":
            return LatentAttention(self.kv_lora_rank or 0, self.qk_rope_head_dim or 0)
        heads, k_width = self.num_kv_heads or 0, self.head_dim or 0
        v_width = self.v_head_dim or k_width
        if self.kind == "sliding_attention":
            return SlidingAttention(heads, k_width, v_width, self.sliding_window or 0)
        if self.kind == "chunked_attention":
            return ChunkedAttention(heads, k_width, v_width, self.attention_chunk_size or 0)
        return FullAttention(heads, k_width, v_width)


def _read_run(tree: Tree, path: str, reading: Reading) -> Any:  # noqa: ANN401
    run = Spec(LayerRun, "a mapping like {kind: full_attention, count: 32, num_kv_heads: 8, head_dim: 128}").read(
        tree, path, reading
    )
    if run is INVALID:
        return INVALID
    needed, allowed = _KINDS[run.kind]
    missing = [name for name in needed if name not in tree]
    strange = [name for name in tree if name not in (*needed, *allowed, "kind", "count")]
    for name in missing:
        help = f"{run.kind} needs {', '.join(needed)}"
        reading.fault("KV008", join_path(path, name), f"missing key `{name}`", help=help)
    for name in strange:
        help = f"it takes {', '.join((*needed, *allowed))}"
        message = f"`{name}` says nothing of {run.kind}"
        reading.fault("KV018", join_path(path, name), message, help=help, on_key=True)
    return INVALID if missing or strange else run


@dataclass(frozen=True, kw_only=True)
class ModelMapping:
    """A model in kvplan's own words."""

    name: str = key(Text(), "what the model is called", default="model")
    hidden_size: int = key(_WIDTH, "width of the residual stream")
    num_q_heads: int = key(_HEADS, "query heads")
    max_position_embeddings: int | None = key(Tokens(), "trained positions", default=None)
    kv_format: Format = key(FORMAT, "how the checkpoint stores K and V", default=FORMATS["bf16"])
    layers: tuple[LayerRun, ...] = key(Many(Reads("a mapping", _read_run)), "runs of equal layers, in order")


def read_mapping(tree: Tree, path: str, reading: Reading) -> Model | None:
    """A mapping ▸ Model; None with findings where it cannot be read."""
    mapping = Spec(ModelMapping).read(tree, path, reading)
    if mapping is INVALID:
        return None
    if sum(run.count for run in mapping.layers) > _MAX_LAYERS:
        reading.fault("KV010", join_path(path, "layers"), f"more than {_MAX_LAYERS:,} layers", help="check the counts")
        return None
    if len({run.layer() for run in mapping.layers}) > _MAX_KINDS:
        reading.fault("KV010", join_path(path, "layers"), f"more than {_MAX_KINDS} kinds of layers", help="gather them")
        return None
    return Model(
        name=mapping.name,
        architecture="mapping",
        family="mapping",
        layers=tuple(layer for run in mapping.layers for layer in (run.layer(),) * run.count),
        hidden_size=mapping.hidden_size,
        num_q_heads=mapping.num_q_heads,
        max_position_embeddings=mapping.max_position_embeddings,
        kv_format=KVFormat(mapping.kv_format, mapping.kv_format),
        kv_format_source="kv_format of the mapping" if "kv_format" in tree else "default of a mapping",
        kv_plain=KVFormat(FORMATS["bf16"], FORMATS["bf16"]),
        kv_scheme="",
        quantization="",
        source="a mapping",
    )

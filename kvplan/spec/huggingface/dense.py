"""Families whose layers are all alike, and the parts that every family shares: heads, head widths, layers."""

from __future__ import annotations

from kvplan.spec.huggingface.class_defaults import DERIVES_HEAD_DIM, NULL_KV_HEADS_ARE_QUERY_HEADS
from kvplan.spec.huggingface.config import MAX_LAYERS, Config
from kvplan.spec.kinds import shown
from kvplan.spec.layers.attention import FullAttention, SlidingAttention
from kvplan.spec.layers.layer import Layer


def num_layers(config: Config) -> int:
    """Layers of the decoder."""
    return config.whole("num_hidden_layers", *config.aliases("n_layer"), high=MAX_LAYERS)


def num_q_heads(config: Config) -> int:
    """Query heads."""
    return config.whole("num_attention_heads", *config.aliases("n_head"), high=1 << 16)


def hidden_size(config: Config) -> int:
    """Width of the residual stream. [elements]"""
    return config.whole("hidden_size", *config.aliases("n_embd"))


def num_kv_heads(config: Config) -> int:
    """KV heads: as written; null or absent means the query heads where the class says so, else its default."""
    key, heads = "num_key_value_heads", num_q_heads(config)
    as_query = config.model_type in NULL_KV_HEADS_ARE_QUERY_HEADS
    if as_query and (config.tree[key] is None if key in config.tree else key not in config.defaults):
        return heads
    value = config.whole(key, high=1 << 16)
    if heads % value and not config.reading.failed:  # a size that could not be read is said once
        config.fault(
            "KV018", key, f"{heads} query heads are not a multiple of {value} KV heads", "check both head counts"
        )
    return value


def derived_head_dim(config: Config) -> int:
    """hidden_size ÷ query heads. [elements]"""
    hidden, heads = hidden_size(config), num_q_heads(config)
    if hidden % heads and not config.reading.failed:
        config.fault(
            "KV018",
            config.spelling("hidden_size", *config.aliases("n_embd")),
            f"hidden size {hidden} is not a multiple of {heads} heads",
            help="check both, or give head_dim",
        )
    return max(1, hidden // heads)


def head_dim(config: Config) -> int:
    """Width of a head: ``head_dim``, or hidden_size ÷ query heads where the class derives it. [elements]

    Whether absent, null and 0 mean "derive" differs by class (class_defaults.py); where one does not, it is refused.
    """
    key = "head_dim"
    value = config.tree.get(key)
    zero = type(value) is int and value == 0
    state = "absent" if key not in config.tree else "null" if value is None else "zero" if zero else "given"
    derives = DERIVES_HEAD_DIM.get(config.model_type, ("absent", "null", "zero"))
    if state == "absent" and key in config.defaults:
        return config.whole(key, high=1 << 16)
    if state in derives:
        return derived_head_dim(config)
    return config.whole(key, high=1 << 16)


def given_head_dim(config: Config) -> int:
    """Width of a head of classes that never derive it: ``head_dim`` or the class default. [elements]"""
    return config.whole("head_dim", high=1 << 16)


def attention_layer(heads: int, width: int, window: int | None) -> Layer:
    """A layer with a window, or a full one."""
    return SlidingAttention(heads, width, width, window) if window else FullAttention(heads, width, width)


def repeat(config: Config, heads: int, width: int) -> tuple[Layer, ...]:
    """All layers alike and full."""
    if config.tree.get("sliding_window"):
        config.fault(
            "KV015",
            "sliding_window",
            "a window in this architecture is not yet supported",
            "describe the layers as a mapping",
        )
    return (FullAttention(heads, width, width),) * num_layers(config)


def multi_head(config: Config) -> tuple[Layer, ...]:
    """As many KV heads as query heads, hidden_size ÷ heads wide.

    Families: GPT-2, OPT, GPT-J.
    """
    return repeat(config, num_q_heads(config), derived_head_dim(config))


def multi_query_or_all(config: Config) -> tuple[Layer, ...]:
    """One KV head with ``multi_query``, else all.

    Family: GPT-BigCode (StarCoder).
    """
    heads = 1 if config.flag("multi_query") else num_q_heads(config)
    return repeat(config, heads, derived_head_dim(config))


def falcon(config: Config) -> tuple[Layer, ...]:
    """``num_kv_heads`` (null: all) in the new architecture; in the old one KV head with ``multi_query``, else all.

    Source: transformers 5.23 FalconConfig; vLLM model_arch_config_convertor.py ignores num_kv_heads for multi_query.
    """
    if "head_dim" in config.tree:
        config.fault(
            "KV001",
            "head_dim",
            f"a Falcon config has no head_dim ({shown(config.tree['head_dim'])})",
            help="remove it: it is hidden_size ÷ heads",
        )
    heads = num_q_heads(config)
    if config.flag("new_decoder_architecture"):
        kv_heads = config.optional_whole("num_kv_heads", low=1, high=1 << 16) or heads
    else:
        kv_heads = 1 if config.flag("multi_query") else heads
    return repeat(config, kv_heads, derived_head_dim(config))

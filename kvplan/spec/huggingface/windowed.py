"""Families in which some or all layers keep a window or a chunk.

The rules are those of the model code that engines run (vLLM 0.32) over the config classes of transformers 5.23: a
``layer_types`` list counts where the code reads it, and is derived by the class where it is absent or null.
"""

from __future__ import annotations

from collections.abc import Callable

from kvplan.spec.huggingface.config import MAX_POSITIONS, Config
from kvplan.spec.huggingface.dense import (
    attention_layer,
    derived_head_dim,
    given_head_dim,
    head_dim,
    num_kv_heads,
    num_layers,
)
from kvplan.spec.layers.attention import ChunkedAttention, FullAttention
from kvplan.spec.layers.layer import Layer

_KINDS = ("full_attention", "sliding_attention")
Windows = Callable[[Config, int], list[int | None]]


def _layer_types(config: Config, count: int) -> tuple[str, ...] | None:
    return config.names("layer_types", _KINDS, count)


def _of_types(types: tuple[str, ...], window: int | None) -> list[int | None]:
    return [window if kind == "sliding_attention" else None for kind in types]


def all_or_none(config: Config, count: int) -> list[int | None]:
    """Every layer has ``sliding_window``, null or 0 meaning none; a ``layer_types`` list decides where there is one.

    Families: Llama, Mistral, Phi 3; OLMo 2, StarCoder 2 and Phi 2, which recent vLLM serves through transformers.
    """
    window = config.optional_whole("sliding_window") or None
    types = _layer_types(config, count)
    return _of_types(types, window) if types else [window] * count


def model_level(config: Config, count: int) -> list[int | None]:
    """Every layer has ``sliding_window`` unless ``layer_types`` names any full layer: then none has.

    Families: Mixtral, Phi-MoE, Gemma 1, GLM-4.5, MiniMax M2, Command-R (their layers read no layer_types).
    """
    window = config.optional_whole("sliding_window") or None
    types = _layer_types(config, count)
    return [None if types and "full_attention" in types else window] * count


def past_max_window_layers(config: Config, count: int) -> list[int | None]:
    """With ``use_sliding_window``, layers from ``max_window_layers`` on have the window; without it none has.

    Families: Qwen 2, Qwen 2.5, Qwen 3.
    """
    if not config.flag("use_sliding_window"):
        return [None] * count
    window = config.optional_whole("sliding_window") or None
    types = _layer_types(config, count)
    if types:
        return _of_types(types, window)
    first = config.optional_whole("max_window_layers") or 0
    return [window if index >= first else None for index in range(count)]


def even_below_max_window_layers(config: Config, count: int) -> list[int | None]:
    """With ``use_sliding_window``, even layers before ``max_window_layers`` have the window.

    Family: Qwen 2 MoE (transformers 5.23 Qwen2MoeConfig).
    """
    if not config.flag("use_sliding_window"):
        return [None] * count
    window = config.optional_whole("sliding_window") or None
    types = _layer_types(config, count)
    if types:
        return _of_types(types, window)
    last = config.optional_whole("max_window_layers") or 0
    return [window if index % 2 == 0 and index < last else None for index in range(count)]


def if_used(config: Config, count: int) -> list[int | None]:
    """With ``use_sliding_window`` every layer has the window, without it none.

    Family: Qwen 3 MoE (its config class has no layer_types).
    """
    window = (config.optional_whole("sliding_window") or None) if config.flag("use_sliding_window") else None
    return [window] * count


def even_layers(config: Config, count: int) -> list[int | None]:
    """Even layers have the window; ``layer_types`` decides where there is one.

    Family: Gemma 2.
    """
    window = config.optional_whole("sliding_window") or None
    types = _layer_types(config, count)
    return _of_types(types, window) if types else [window if index % 2 == 0 else None for index in range(count)]


def even_layers_always(config: Config, count: int) -> list[int | None]:
    """Even layers have the window, whatever ``layer_types`` says: the model code does not read it.

    Family: gpt-oss (vLLM gpt_oss.py).
    """
    window = config.optional_whole("sliding_window") or None
    derived = [window if index % 2 == 0 else None for index in range(count)]
    types = _layer_types(config, count)
    if types and _of_types(types, window) != derived:
        config.fault(
            "KV018",
            "layer_types",
            "gpt-oss gives even layers the window, this list does not",
            help="describe the layers as a mapping",
        )
    return derived


def every_nth_full(config: Config, count: int) -> list[int | None]:
    """Every ``sliding_window_pattern``-th layer is full; ``layer_types`` decides where there is one.

    Families: Gemma 3 (pattern 6 where absent), Cohere 2 (4).
    """
    window = config.optional_whole("sliding_window") or None
    if config.model_type == "gemma3_text" and config.flag("use_bidirectional_attention") and window:
        window = window // 2 + 1  # transformers 5.23 Gemma3TextConfig
    types = _layer_types(config, count)
    if types:
        return _of_types(types, window)
    pattern = config.whole("sliding_window_pattern")
    return [window if (index + 1) % pattern else None for index in range(count)]


def minimax_m2(config: Config) -> tuple[Layer, ...]:
    """As Mixtral; ``attn_type_list`` must say full attention (1) everywhere: 0 is MiniMax-Text-01's lightning layer."""
    types = config.tree.get("attn_type_list")
    if isinstance(types, list) and any(kind != 1 for kind in types):
        config.fault(
            "KV015",
            "attn_type_list",
            "layers other than full attention are not yet supported",
            "describe the layers as a mapping",
        )
    return mixtral(config)


def with_windows(windows: Windows, width: Callable[[Config], int]) -> Callable[[Config], tuple[Layer, ...]]:
    """A family: how its layers get their windows, and how its heads get their width."""

    def read(config: Config) -> tuple[Layer, ...]:
        heads, head_width = num_kv_heads(config), width(config)
        return tuple(attention_layer(heads, head_width, window) for window in windows(config, num_layers(config)))

    return read


llama = with_windows(all_or_none, head_dim)
mixtral = with_windows(model_level, head_dim)
phimoe = with_windows(model_level, head_dim)
gemma = with_windows(model_level, given_head_dim)
qwen2 = with_windows(past_max_window_layers, derived_head_dim)
qwen2_moe = with_windows(even_below_max_window_layers, derived_head_dim)
qwen3 = with_windows(past_max_window_layers, head_dim)
qwen3_moe = with_windows(if_used, head_dim)
gemma2 = with_windows(even_layers, given_head_dim)
gemma3 = with_windows(every_nth_full, given_head_dim)
gpt_oss = with_windows(even_layers_always, given_head_dim)


def cohere2(config: Config) -> tuple[Layer, ...]:
    """As Gemma 3 with every 4th layer full; its layers add to the window, so there has to be one."""
    if not config.optional_whole("sliding_window"):
        config.fault(
            "KV018",
            "sliding_window",
            "Cohere 2 needs a window: its layers fail without",
            "copy sliding_window from the checkpoint",
        )
    return with_windows(every_nth_full, head_dim)(config)


def llama4(config: Config) -> tuple[Layer, ...]:
    """Layers with rotary positions keep a chunk, those without (every 4th) keep all; no chunk size: all are full.

    Source: vLLM llama4.py: no_rope_layers[i] == 0 is full; transformers 5.23 Llama4TextConfig derives the list.
    """
    count = num_layers(config)
    heads, width = num_kv_heads(config), given_head_dim(config)
    chunk = config.optional_whole("attention_chunk_size", high=MAX_POSITIONS)
    rotary = config.numbers("no_rope_layers", count)
    if rotary is None:
        interval = config.whole("no_rope_layer_interval")
        rotary = tuple(int((index + 1) % interval != 0) for index in range(count))
    full = FullAttention(heads, width, width)
    chunked = ChunkedAttention(heads, width, width, chunk) if chunk else full
    return tuple(chunked if has_rotary else full for has_rotary in rotary)

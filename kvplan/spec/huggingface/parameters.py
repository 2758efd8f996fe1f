"""A config.json ▸ the shape of its weights: which tensors its family's code has, and how large they are.

Read quietly: a config that leaves out a size of the weights still has a cache to count, so what is missing becomes a
reason. Evidence and assumptions: docs/model.md, Weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvplan.spec.huggingface import weight_parts as parts
from kvplan.spec.huggingface.config import Config
from kvplan.spec.huggingface.sizes import Sizes
from kvplan.spec.huggingface.weight_parts import Mlp
from kvplan.spec.layers.attention import FullAttention
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.layers.layer import Layer
from kvplan.spec.weights import GroupedProjections, LatentProjections, LayerWeights, WeightShape

Count = Callable[[Sizes], int]


def _fixed(count: int) -> Count:
    return lambda sizes: count


class _Family(NamedTuple):
    """How the weights of a family are made.

    grouped: its q, k, v and o, from heads and widths.
    mlp: the MLP of the layer with an index.
    norms, final_norm: weights and biases of a layer's norms and of the last one, in hidden sizes.
    tied: whether the head is the embedding where the config does not say.
    positions: rows of learned positions.
    head_bias: whether a head of its own has a bias.
    """

    grouped: Callable[[Sizes, GroupedProjections], GroupedProjections]
    mlp: Callable[[Sizes, int], Mlp]
    norms: Count = _fixed(2)
    final_norm: Count = _fixed(1)
    tied: bool = False
    positions: Count = _fixed(0)
    head_bias: Callable[[Sizes], bool] = lambda sizes: False


def _always(sizes: Sizes) -> bool:
    return True


def _learned(sizes: Sizes) -> int:
    return sizes.whole("max_position_embeddings", "n_positions")


_TWO, _FOUR = _fixed(2), _fixed(4)  # a LayerNorm has a bias beside its weight: two of them are four hidden sizes

_FAMILIES: Mapping[str, _Family] = {
    "llama": _Family(parts.flagged_biases, parts.gated),
    "llama4": _Family(parts.flagged_biases, parts.llama4),
    "mistral": _Family(parts.no_biases, parts.gated),
    "mixtral": _Family(parts.no_biases, parts.mixtral),
    "qwen2": _Family(parts.qkv_biases, parts.gated),
    "qwen2_moe": _Family(parts.qwen2_moe, parts.qwen2_experts),
    "qwen3": _Family(parts.head_norms, parts.gated),
    "qwen3_moe": _Family(parts.head_norms, parts.qwen_moe),
    "gemma": _Family(parts.flagged_biases, parts.gated, tied=True),
    "gemma2": _Family(parts.flagged_biases, parts.gated, norms=_FOUR, tied=True),  # before and after each part
    "gemma3": _Family(parts.head_norms, parts.gated, norms=_FOUR, tied=True),
    "phi": _Family(
        parts.phi, parts.two_biased, _TWO, _TWO, head_bias=_always
    ),  # one norm: attention and MLP are parallel
    "phi3": _Family(parts.no_biases, parts.gated),
    "phimoe": _Family(parts.flagged_biases, parts.mixtral, _FOUR, _TWO, head_bias=parts.phimoe_head),
    "glm4_moe": _Family(parts.glm4_moe, parts.glm4_experts),
    "gpt_oss": _Family(parts.gpt_oss, parts.gpt_oss_experts),
    "olmo2": _Family(parts.olmo2, parts.gated),
    "gpt2": _Family(parts.all_biases, parts.two_matrices, _FOUR, _TWO, tied=True, positions=_learned),
    "gptj": _Family(parts.no_biases, parts.two_matrices, _TWO, _TWO, head_bias=_always),
    "opt": _Family(parts.opt, parts.opt_mlp, _FOUR, parts.opt_final_norm, tied=True, positions=parts.opt_positions),
    "falcon": _Family(parts.falcon, parts.falcon_mlp, parts.falcon_norms, _TWO, tied=True),
    "gpt_bigcode": _Family(parts.all_biases, parts.two_matrices, _FOUR, _TWO, tied=True, positions=_learned),
    "starcoder2": _Family(parts.starcoder2, parts.two_biased, _FOUR, _TWO, tied=True),
    "cohere": _Family(parts.cohere, parts.gated, _fixed(1), tied=True),
    "cohere2": _Family(parts.flagged_biases, parts.gated, _fixed(1), tied=True),
    "deepseek_v2": _Family(parts.no_biases, parts.deepseek_v2),
    "deepseek_v3": _Family(parts.no_biases, parts.deepseek_v3),
    "minimax_m2": _Family(parts.minimax_m2, parts.minimax_experts),
}

# Class defaults (transformers 5.23) of sizes that published configs leave out: those of maxtext's Gemma 2 27B and of
# google/gemma-3-4b-it's text part.
_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "gemma2": {"vocab_size": 256000},
    "gemma3": {"vocab_size": 262208, "num_attention_heads": 8},
}


def read_weight_shape(
    top: Config, text: Config, family: str, layers: tuple[Layer, ...]
) -> tuple[WeightShape | None, str]:
    """The shape of a config's weights; None with the reason where it cannot be said.

    top, text: the config and its text part (the same where it is not a wrapper).
    layers: the cache of each layer, which has KV heads and widths.
    """
    rule = _FAMILIES.get(family)
    if rule is None:
        return None, f"the weights of {family} are not counted yet"
    sizes, defaults = Sizes(text.tree, top.tree), _DEFAULTS.get(family, {})
    hidden = sizes.whole("hidden_size", *text.aliases("n_embd"))
    heads = sizes.whole("num_attention_heads", *text.aliases("n_head"), default=defaults.get("num_attention_heads"))
    norm_elements = rule.norms(sizes) * hidden
    attentions = {layer: _attention(sizes, rule, heads, layer) for layer in dict.fromkeys(layers)}
    weights = []
    for index, layer in enumerate(layers):
        attention = attentions[layer]
        if attention is None:
            return None, f"the weights of a {layer.kind} layer are not counted yet"
        weights.append(LayerWeights(attention=attention, mlp=rule.mlp(sizes, index), norm_elements=norm_elements))
    shape = WeightShape(
        hidden_size=hidden,
        embedding_size=sizes.whole("word_embed_proj_dim", default=hidden) if family == "opt" else hidden,
        vocab_size=sizes.whole("vocab_size", default=defaults.get("vocab_size")),
        tied=sizes.flag("tie_word_embeddings", default=rule.tied),
        head_bias=rule.head_bias(sizes),
        position_rows=rule.positions(sizes),
        layers=tuple(weights),
        final_norm_elements=rule.final_norm(sizes) * hidden,
    )
    return (None, sizes.reason) if sizes.reason else (shape, "")


def _attention(sizes: Sizes, rule: _Family, heads: int, layer: Layer) -> GroupedProjections | LatentProjections | None:
    if isinstance(layer, LatentAttention):
        return LatentProjections(
            num_q_heads=heads,
            q_lora_rank=sizes.whole("q_lora_rank", default=1536, null=0),
            kv_lora_rank=layer.kv_lora_rank,
            qk_nope_head_dim=sizes.whole("qk_nope_head_dim", default=128),
            qk_rope_head_dim=layer.qk_rope_head_dim,
            v_head_dim=sizes.whole("v_head_dim", default=128),
            bias=sizes.flag("attention_bias"),
        )
    if isinstance(layer, FullAttention):
        plain = GroupedProjections(num_q_heads=heads, num_kv_heads=layer.num_kv_heads, head_dim=layer.k_head_dim)
        return rule.grouped(sizes, plain)
    return None

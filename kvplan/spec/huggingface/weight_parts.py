"""Parts of a layer's weights, as families share them: biases and norms of q, k, v, o, and MLPs dense or of experts.

Source: transformers 5.19, models/*/modeling_*.py; absent flags and sizes by its config classes. Each function names
the families whose code it is.
"""

from __future__ import annotations

from collections.abc import Callable

from kvplan.spec.huggingface.sizes import Sizes
from kvplan.spec.weights import Experts, FeedForward, GroupedProjections

Mlp = FeedForward | Experts


def no_biases(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Nothing beside q, k, v and o: Mistral, Mixtral, Phi 3, GPT-J."""
    return part


def flagged_biases(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on all four with ``attention_bias``: Llama, Llama 4, Gemma 1 and 2, Cohere 2, Phi-MoE."""
    bias = sizes.flag("attention_bias")
    return part._replace(qkv_bias=bias, o_bias=bias)


def all_biases(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on all four, always: GPT-2, GPT-BigCode."""
    return part._replace(qkv_bias=True, o_bias=True)


def biases_by(key: str, *, absent: bool) -> Callable[[Sizes, GroupedProjections], GroupedProjections]:
    """Biases on all four by a flag of another name: OPT ``enable_bias``, StarCoder 2 ``use_bias``, Falcon ``bias``."""

    def read(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
        bias = sizes.flag(key, default=absent)
        return part._replace(qkv_bias=bias, o_bias=bias)

    return read


opt = biases_by("enable_bias", absent=True)
starcoder2 = biases_by("use_bias", absent=True)
falcon = biases_by("bias", absent=False)


def qkv_biases(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on q, k and v, always: Qwen 2 and 2.5."""
    return part._replace(qkv_bias=True)


def qwen2_moe(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on q, k and v unless ``qkv_bias`` is false."""
    return part._replace(qkv_bias=sizes.flag("qkv_bias", default=True))


def head_norms(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases by flag, and norms on q and k as wide as a head: Qwen 3, dense or MoE, and Gemma 3."""
    return flagged_biases(sizes, part)._replace(q_norm=part.head_dim, k_norm=part.head_dim)


def phi(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on all four; with ``qk_layernorm`` norms as wide as a head, with biases."""
    width = 2 * part.head_dim if sizes.flag("qk_layernorm") else 0
    return part._replace(qkv_bias=True, o_bias=True, q_norm=width, k_norm=width)


def olmo2(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases by flag, and norms as wide as all heads, which every rank holds whole."""
    q_norm, k_norm = part.num_q_heads * part.head_dim, part.num_kv_heads * part.head_dim
    return flagged_biases(sizes, part)._replace(q_norm=q_norm, k_norm=k_norm)


def minimax_m2(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Norms as wide as all heads, divided with them."""
    return part._replace(split_norm=True)


def cohere(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases by flag; with ``use_qk_norm`` norms as wide as all heads, divided with them (Command R+)."""
    return flagged_biases(sizes, part)._replace(split_norm=sizes.flag("use_qk_norm"))


def glm4_moe(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on q, k and v by flag; with ``use_qk_norm`` norms as wide as a head."""
    width = part.head_dim if sizes.flag("use_qk_norm") else 0
    return part._replace(qkv_bias=sizes.flag("attention_bias"), q_norm=width, k_norm=width)


def gpt_oss(sizes: Sizes, part: GroupedProjections) -> GroupedProjections:
    """Biases on all four unless ``attention_bias`` is false, and a sink a query head."""
    bias = sizes.flag("attention_bias", default=True)
    return part._replace(qkv_bias=bias, o_bias=bias, sinks=True)


def gated(sizes: Sizes, index: int) -> FeedForward:
    """Three matrices, biases with ``mlp_bias`` (Llama): most families."""
    return FeedForward(intermediate_size=sizes.whole("intermediate_size"), bias=sizes.flag("mlp_bias"))


def two_matrices(sizes: Sizes, index: int) -> FeedForward:
    """Up and down with biases, 4 × hidden_size where no size is written: GPT-2, GPT-J, GPT-BigCode."""
    width = 4 * sizes.whole("hidden_size", "n_embd")
    return FeedForward(intermediate_size=sizes.whole("n_inner", default=width, null=width), gated=False, bias=True)


def two_biased(sizes: Sizes, index: int) -> FeedForward:
    """Up and down with biases unless ``use_bias`` is false, and a size that is written: Phi 2, StarCoder 2."""
    bias = sizes.flag("use_bias", default=True)
    return FeedForward(intermediate_size=sizes.whole("intermediate_size"), gated=False, bias=bias)


def opt_mlp(sizes: Sizes, index: int) -> FeedForward:
    """Up and down of ``ffn_dim``, with biases unless ``enable_bias`` is false."""
    bias = sizes.flag("enable_bias", default=True)
    return FeedForward(intermediate_size=sizes.whole("ffn_dim"), gated=False, bias=bias)


def falcon_mlp(sizes: Sizes, index: int) -> FeedForward:
    """Up and down, 4 × hidden_size where no size is written."""
    width = 4 * sizes.whole("hidden_size")
    size = sizes.whole("ffn_hidden_size", default=width, null=width)
    return FeedForward(intermediate_size=size, gated=False, bias=sizes.flag("bias"))


def mixtral(sizes: Sizes, index: int) -> Experts:
    """Experts in every layer, ``intermediate_size`` wide: Mixtral, Phi-MoE."""
    return Experts(
        num_experts=sizes.whole("num_local_experts", "num_experts"), intermediate_size=sizes.whole("intermediate_size")
    )


def gpt_oss_experts(sizes: Sizes, index: int) -> Experts:
    """As Mixtral, with biases on experts and router."""
    return mixtral(sizes, index)._replace(bias=True)


def minimax_experts(sizes: Sizes, index: int) -> Experts:
    """As Mixtral, with a bias of the router's scores; the router in fp32 (vLLM minimax_m2.py)."""
    return mixtral(sizes, index)._replace(correction_bias=True, router_fp32=True)


def qwen_moe(sizes: Sizes, index: int) -> Mlp:
    """Experts in every ``decoder_sparse_step``-th layer that ``mlp_only_layers`` does not name; shared ones by size.

    Qwen 2 MoE has shared experts with a gate; Qwen 3 MoE has none (a size of 0 in the config of Qwen3-Coder).
    """
    dense = sizes.numbers("mlp_only_layers") or frozenset()
    if index in dense or (index + 1) % sizes.whole("decoder_sparse_step", default=1):
        return gated(sizes, index)
    return Experts(
        num_experts=sizes.whole("num_experts", "num_local_experts"),
        intermediate_size=sizes.whole("moe_intermediate_size"),
    )


def qwen2_experts(sizes: Sizes, index: int) -> Mlp:
    """As Qwen 3 MoE, and shared experts with a gate."""
    mlp = qwen_moe(sizes, index)
    if isinstance(mlp, FeedForward):
        return mlp
    return mlp._replace(shared_size=sizes.whole("shared_expert_intermediate_size"), shared_gate=True)


def _after_dense(sizes: Sizes, index: int, first: int, *, correction_bias: bool) -> Mlp:
    """Dense layers first, then experts with shared ones of ``n_shared_experts`` × ``moe_intermediate_size``."""
    if index < first or index % sizes.whole("moe_layer_freq", default=1):
        return gated(sizes, index)
    size = sizes.whole("moe_intermediate_size")
    return Experts(
        num_experts=sizes.whole("n_routed_experts"),
        intermediate_size=size,
        correction_bias=correction_bias,
        shared_size=size * sizes.whole("n_shared_experts", null=0, low=0),
    )


def deepseek_v2(sizes: Sizes, index: int) -> Mlp:
    """Experts from layer ``first_k_dense_replace`` on, and shared ones."""
    return _after_dense(sizes, index, sizes.whole("first_k_dense_replace", low=0), correction_bias=False)


def deepseek_v3(sizes: Sizes, index: int) -> Mlp:
    """As DeepSeek V2, with a bias of the router's scores: DeepSeek V3 and R1, Kimi K2."""
    return _after_dense(sizes, index, sizes.whole("first_k_dense_replace", low=0), correction_bias=True)


def glm4_experts(sizes: Sizes, index: int) -> Mlp:
    """As DeepSeek V3, with the router in fp32 (vLLM glm4_moe.py): GLM 4.5."""
    mlp = deepseek_v3(sizes, index)
    return mlp._replace(router_fp32=True) if isinstance(mlp, Experts) else mlp


def llama4(sizes: Sizes, index: int) -> Mlp:
    """Experts in every ``interleave_moe_layer_step``-th layer, or those of ``moe_layers``, with one shared expert."""
    listed = sizes.numbers("moe_layers")
    sparse = index in listed if listed is not None else (index + 1) % sizes.whole("interleave_moe_layer_step") == 0
    if not sparse:
        return FeedForward(intermediate_size=sizes.whole("intermediate_size_mlp"))
    size = sizes.whole("intermediate_size")
    return Experts(num_experts=sizes.whole("num_local_experts"), intermediate_size=size, shared_size=size)


def opt_positions(sizes: Sizes) -> int:
    """Learned positions, with two rows that the code adds."""
    return sizes.whole("max_position_embeddings") + 2


def opt_final_norm(sizes: Sizes) -> int:
    """The last norm, in hidden sizes: none where norms follow their layers (OPT-350M)."""
    return 2 if sizes.flag("do_layer_norm_before", default=True) else 0


def falcon_norms(sizes: Sizes) -> int:
    """Norms of a layer, in hidden sizes: one with a bias where attention and MLP are parallel, two otherwise."""
    if not sizes.flag("parallel_attn", default=True):
        return 4
    in_new = 2 if sizes.flag("new_decoder_architecture") else 1
    return 2 * sizes.whole("num_ln_in_parallel_attn", default=in_new, null=in_new)


def phimoe_head(sizes: Sizes) -> bool:
    """Whether the head has a bias: ``lm_head_bias``."""
    return sizes.flag("lm_head_bias")

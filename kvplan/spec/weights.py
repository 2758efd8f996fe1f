"""What a decoder's weights are made of, in sizes and flags: its shape. footprint/parameters.py counts it.

Named tuples, not dataclasses: they are made on every start, and cost a third.
"""

from __future__ import annotations

from typing import NamedTuple


class GroupedProjections(NamedTuple):
    """The projections of MHA, GQA and MQA: q, k, v and o.

    head_dim: width of a head. [elements]
    qkv_bias, o_bias: whether the projections add a bias.
    q_norm, k_norm: elements of norms on q and k that every rank holds whole. [elements]
    split_norm: whether q and k have norms as wide as all their heads, divided with them.
    sinks: whether each query head has a learned sink.
    """

    num_q_heads: int
    num_kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    o_bias: bool = False
    q_norm: int = 0
    k_norm: int = 0
    split_norm: bool = False
    sinks: bool = False


class LatentProjections(NamedTuple):
    """The projections of multi-head latent attention: q_a and q_b (or q alone), kv_a, kv_b and o.

    q_lora_rank: width of the compressed query; 0 where q is one matrix. [elements]
    kv_lora_rank: width of the latent. [elements]
    qk_nope_head_dim, qk_rope_head_dim, v_head_dim: widths of a head's parts. [elements]
    bias: whether q_a, kv_a and o add a bias.
    """

    num_q_heads: int
    q_lora_rank: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    bias: bool = False


class FeedForward(NamedTuple):
    """A dense MLP: up and down, and gate where it is gated.

    intermediate_size: width between. [elements]
    """

    intermediate_size: int
    gated: bool = True
    bias: bool = False


class Experts(NamedTuple):
    """Routed experts, gated MLPs all alike, with their router, and shared experts joined to one MLP.

    intermediate_size: width of one routed expert. [elements]
    bias: whether experts and router add biases.
    correction_bias: whether the router has a bias of scores, kept in fp32.
    router_fp32: whether engines keep the router itself in fp32.
    shared_size: width of the shared experts together; 0 for none. [elements]
    shared_gate: whether one more row weighs the shared experts.
    """

    num_experts: int
    intermediate_size: int
    bias: bool = False
    correction_bias: bool = False
    router_fp32: bool = False
    shared_size: int = 0
    shared_gate: bool = False


class LayerWeights(NamedTuple):
    """One layer.

    norm_elements: weights and biases of its norms, those on q and k aside. [elements]
    """

    attention: GroupedProjections | LatentProjections
    mlp: FeedForward | Experts
    norm_elements: int


class WeightShape(NamedTuple):
    """All tensors of a decoder's text part; towers for images and extra prediction layers (MTP) are not in it.

    hidden_size: width of the residual stream. [elements]
    embedding_size: width of the embedding; where it is not hidden_size, two more matrices project. [elements]
    vocab_size: rows of the embedding. [tokens]
    tied: whether the head is the embedding.
    head_bias: whether the head adds a bias.
    position_rows: rows of learned positions; 0 for rotary and ALiBi. [tokens]
    layers: one entry a layer, in order; equal layers are equal values.
    final_norm_elements: weights and biases of the last norm. [elements]
    """

    hidden_size: int
    embedding_size: int
    vocab_size: int
    tied: bool
    head_bias: bool
    position_rows: int
    layers: tuple[LayerWeights, ...]
    final_norm_elements: int

"""A weight shape ▸ its matrices, one a line, and how many parameters they have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from kvplan.spec.weights import (
    Experts,
    FeedForward,
    GroupedProjections,
    LatentProjections,
    LayerWeights,
    WeightShape,
)

# Where tensor parallelism cuts a matrix.
ROWS: Final = "rows"  # outputs: ranks hold some heads, channels or words, and their biases
COLUMNS: Final = "columns"  # inputs: ranks hold partial sums, and every rank the bias
WHOLE: Final = "whole"  # every rank holds all


class Matrix(NamedTuple):
    """Equal linear maps, or vectors (one column).

    module: what the checkpoint calls it inside its layer, in Llama's words.
    rows, columns: outputs and inputs. [elements]
    split: ``ROWS``, ``COLUMNS`` or ``WHOLE``.
    units: heads, channels or words that a split must not cut; 0 for each row or column.
    repeats: whether ranks beyond the units hold them again (KV heads).
    bias: whether it adds a bias of ``rows`` elements.
    copies: how many there are, more than one for experts.
    quantizable: whether schemes of quantized weights apply to it.
    fp32: whether it is kept in fp32 whatever the model's type.
    """

    module: str
    rows: int
    columns: int
    split: str = WHOLE
    units: int = 0
    repeats: bool = False
    bias: bool = False
    copies: int = 1
    quantizable: bool = False
    fp32: bool = False

    @property
    def parameters(self) -> int:
        """Elements of all of them."""
        return self.copies * (
            self.rows * self.columns  # the map
            + self.bias * self.rows  # its bias
        )


def parameter_count(shape: WeightShape) -> int:
    """Parameters of a decoder: embedding, positions, layers, last norm, and a head that is not the embedding.

    Assumes: (1) a tied head is counted once; (2) layers for multi-token prediction and towers are not counted;
    (3) a router's correction bias is counted, as checkpoints store it.
    Source: the modules of transformers 5.19, one line each below; docs/model.md, Weights.
    """
    layers: dict[LayerWeights, int] = {}
    for layer in shape.layers:
        layers[layer] = layers.get(layer, 0) + 1
    return (
        _total(embedding_matrices(shape))
        + sum(count * _total(layer_matrices(shape.hidden_size, layer)) for layer, count in layers.items())
        + _total(last_matrices(shape))
        + (0 if shape.tied else _total(head_matrices(shape)))
    )


def embedding_matrices(shape: WeightShape) -> tuple[Matrix, ...]:
    """Before the first layer: words, learned positions, and a projection where the embedding is narrower (OPT-350M)."""
    words = Matrix("model.embed_tokens", shape.vocab_size, shape.embedding_size, ROWS)
    positions = Matrix("model.embed_positions", shape.position_rows, shape.hidden_size)
    project_in = Matrix("model.project_in", shape.hidden_size, shape.embedding_size)
    return (
        words,
        *([positions] if shape.position_rows else []),
        *([project_in] if shape.embedding_size != shape.hidden_size else []),
    )


def last_matrices(shape: WeightShape) -> tuple[Matrix, ...]:
    """After the last layer: the last norm, and a projection where the embedding is narrower."""
    norm = Matrix("model.norm", shape.final_norm_elements, 1)
    project_out = Matrix("model.project_out", shape.embedding_size, shape.hidden_size)
    return (norm, *([project_out] if shape.embedding_size != shape.hidden_size else []))


def head_matrices(shape: WeightShape) -> tuple[Matrix, ...]:
    """The head: scores of every word."""
    return (Matrix("lm_head", shape.vocab_size, shape.embedding_size, ROWS, bias=shape.head_bias),)


def layer_matrices(hidden: int, layer: LayerWeights) -> tuple[Matrix, ...]:
    """Every matrix and vector of a layer of a residual stream ``hidden`` wide. [elements]"""
    if isinstance(layer.attention, LatentProjections):
        attention = _latent(hidden, layer.attention)
    else:
        attention = _grouped(hidden, layer.attention)
    mlp = _experts(hidden, layer.mlp) if isinstance(layer.mlp, Experts) else _feed_forward(hidden, layer.mlp, "mlp")
    return (*attention, *mlp, Matrix("norms", layer.norm_elements, 1))


def _grouped(hidden: int, part: GroupedProjections) -> tuple[Matrix, ...]:
    """q, k, v and o; Vaswani et al., arXiv:1706.03762, section 3.2.2; GQA: arXiv:2305.13245.

    Splits: vLLM model_executor/layers/linear.py, QKVParallelLinear: KV heads fewer than the ranks are held again.
    """
    q_heads, kv_heads, width = part.num_q_heads, part.num_kv_heads, part.head_dim
    q_rows, kv_rows, bias = q_heads * width, kv_heads * width, part.qkv_bias
    matrices = [
        Matrix("self_attn.q_proj", q_rows, hidden, ROWS, q_heads, bias=bias, quantizable=True),
        Matrix("self_attn.k_proj", kv_rows, hidden, ROWS, kv_heads, repeats=True, bias=bias, quantizable=True),
        Matrix("self_attn.v_proj", kv_rows, hidden, ROWS, kv_heads, repeats=True, bias=bias, quantizable=True),
        Matrix("self_attn.o_proj", hidden, q_rows, COLUMNS, q_heads, bias=part.o_bias, quantizable=True),
    ]
    if part.q_norm or part.k_norm:
        matrices += [Matrix("self_attn.q_norm", part.q_norm, 1), Matrix("self_attn.k_norm", part.k_norm, 1)]
    if part.split_norm:
        matrices += [
            Matrix("self_attn.q_norm", q_rows, 1, ROWS, q_heads),
            Matrix("self_attn.k_norm", kv_rows, 1, ROWS, kv_heads, repeats=True),
        ]
    if part.sinks:
        matrices.append(Matrix("self_attn.sinks", q_heads, 1, ROWS, q_heads))
    return tuple(matrices)


def _latent(hidden: int, part: LatentProjections) -> tuple[Matrix, ...]:
    """q_a, q_b (or q), kv_a, kv_b and o, and norms of the latents; DeepSeek-V2, arXiv:2405.04434, section 2.1.

    Splits: vLLM model_executor/models/deepseek_v2.py: the down projections and the norms are whole on every rank.
    """
    heads, query, latent = part.num_q_heads, part.q_lora_rank, part.kv_lora_rank
    q_rows = heads * (part.qk_nope_head_dim + part.qk_rope_head_dim)
    kv_rows = heads * (part.qk_nope_head_dim + part.v_head_dim)
    if query:
        q = [
            Matrix("self_attn.q_a_proj", query, hidden, bias=part.bias, quantizable=True),
            Matrix("self_attn.q_a_layernorm", query, 1),
            Matrix("self_attn.q_b_proj", q_rows, query, ROWS, heads, quantizable=True),
        ]
    else:
        q = [Matrix("self_attn.q_proj", q_rows, hidden, ROWS, heads, quantizable=True)]
    down = latent + part.qk_rope_head_dim
    return (
        *q,
        Matrix("self_attn.kv_a_proj_with_mqa", down, hidden, bias=part.bias, quantizable=True),
        Matrix("self_attn.kv_a_layernorm", latent, 1),
        Matrix("self_attn.kv_b_proj", kv_rows, latent, ROWS, heads, quantizable=True),
        Matrix("self_attn.o_proj", hidden, heads * part.v_head_dim, COLUMNS, heads, bias=part.bias, quantizable=True),
    )


def _feed_forward(hidden: int, part: FeedForward, module: str, copies: int = 1) -> tuple[Matrix, ...]:
    """Up and down, and gate where it is gated; gated: Shazeer, arXiv:2002.05202."""
    width, bias = part.intermediate_size, part.bias
    up = Matrix(f"{module}.up_proj", width, hidden, ROWS, bias=bias, copies=copies, quantizable=True)
    down = Matrix(f"{module}.down_proj", hidden, width, COLUMNS, bias=bias, copies=copies, quantizable=True)
    return (up._replace(module=f"{module}.gate_proj"), up, down) if part.gated else (up, down)


def _experts(hidden: int, part: Experts) -> tuple[Matrix, ...]:
    """Routed experts, their router, and shared experts as one MLP; DeepSeekMoE, arXiv:2401.06066."""
    expert = FeedForward(intermediate_size=part.intermediate_size, bias=part.bias)
    matrices = [
        Matrix("mlp.gate", part.num_experts, hidden, bias=part.bias, fp32=part.router_fp32),
        *_feed_forward(hidden, expert, EXPERTS, part.num_experts),
    ]
    if part.correction_bias:
        matrices.append(Matrix("mlp.gate.e_score_correction_bias", part.num_experts, 1, fp32=True))
    if part.shared_size:
        matrices += _feed_forward(hidden, FeedForward(intermediate_size=part.shared_size), "mlp.shared_experts")
    if part.shared_gate:
        matrices.append(Matrix("mlp.shared_expert_gate", 1, hidden))
    return tuple(matrices)


EXPERTS: Final = "mlp.experts.0"  # all experts of a layer are alike: the first speaks for them


def _total(matrices: Iterable[Matrix]) -> int:
    return sum(matrix.parameters for matrix in matrices)

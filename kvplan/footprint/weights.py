"""A weight shape and how it is stored ▸ bytes of weights on one rank.

Formulas take numbers; nothing here knows a config, an engine's pool, or what else fills a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kvplan.footprint.parameters import (
    COLUMNS,
    EXPERTS,
    ROWS,
    WHOLE,
    Matrix,
    embedding_matrices,
    head_matrices,
    last_matrices,
    layer_matrices,
)
from kvplan.spec.weight_formats import WeightFormat, WeightStorage
from kvplan.spec.weights import LayerWeights, WeightShape
from kvplan.units import align_up, ceil_div

# vLLM 0.9 to 0.33 model_executor/layers/vocab_parallel_embedding.py, DEFAULT_VOCAB_PADDING_SIZE. [tokens]
VOCAB_PADDING: Final = 64
_FP32_BYTES: Final = 4


class WeightSplit(NamedTuple):
    """Over how many ranks matrices are cut.

    tensor: ranks that heads, channels and words are cut over.
    expert_tensor: ranks that each routed expert is cut over.
    expert: ranks that whole routed experts are spread over; these are not cut.
    expert_hidden_multiple, expert_width_multiple: what kernels pad the sides of a routed expert's part to. [elements]
    """

    tensor: int = 1
    expert_tensor: int = 1
    expert: int = 1
    expert_hidden_multiple: int = 1
    expert_width_multiple: int = 1


ONE_RANK: Final = WeightSplit()


def weight_split(tensor_parallel: int, data_parallel: int = 1, *, expert_parallel: bool = False) -> WeightSplit:
    """How vLLM cuts weights: routed experts over tensor × data ranks, spread whole with expert parallelism.

    Source: vLLM 0.32 model_executor/layers/fused_moe/config.py, FusedMoEParallelConfig.make.

    >>> weight_split(8)[:3], weight_split(2, 4, expert_parallel=True)[:3]
    ((8, 8, 1), (2, 1, 8))
    """
    ranks = tensor_parallel * data_parallel
    return WeightSplit(tensor_parallel, 1, ranks) if expert_parallel else WeightSplit(tensor_parallel, ranks, 1)


def split_problem(shape: WeightShape, split: WeightSplit) -> str:
    """Why the matrices cannot be cut over so many ranks; empty where they can."""
    matrices = [*_words(embedding_matrices(shape)), *_words(head_matrices(shape))]
    for layer in dict.fromkeys(shape.layers):
        matrices += layer_matrices(shape.hidden_size, layer)
    for matrix in matrices:
        ranks = split.expert_tensor if matrix.module.startswith(EXPERTS) else split.tensor
        if _held_units(matrix, ranks) is None:
            return f"{matrix.module} has {_units(matrix):,} parts, which {ranks} ranks cannot share"
    return ""


def weight_bytes_per_rank(
    shape: WeightShape, storage: WeightStorage, split: WeightSplit = ONE_RANK, stage: slice | None = None
) -> int:
    """Bytes of weights on the fullest rank of one pipeline stage. [bytes]

    split: how matrices are cut.
    stage: the layers of the stage; all where it is left out.
    Raises: ValueError where ranks cannot share a matrix (split_problem says which).
    Assumes: (1) norms, routers, MLA's down projections and biases of partial sums are whole on every rank; (2) words
    are padded to a multiple of 64; (3) the embedding is on the first stage, the head on the last, and a tied embedding
    on both; (4) what an engine copies, pads or unpacks after loading is not counted.
    Source: vLLM 0.32 model_executor/layers/linear.py, vocab_parallel_embedding.py, models/llama.py; docs/model.md.
    """
    stage = stage or slice(0, len(shape.layers))
    first, last = stage.start == 0, stage.stop == len(shape.layers)
    embedding = _words(embedding_matrices(shape))
    head = _words(head_matrices(shape))
    shared = embedding[:1] if shape.tied else ()
    total = sum(_layers_bytes(shape, storage, split, stage))
    if first:
        total += _bytes(embedding, storage, split)
    if last:
        total += _bytes(last_matrices(shape), storage, split)
        total += _head_bytes(head, storage, split) if not shape.tied else 0
        total += 0 if first else _bytes(shared, storage, split)
    return total


def model_weight_bytes(shape: WeightShape, storage: WeightStorage) -> int:
    """Bytes of one copy, as a checkpoint of the text part holds it: nothing cut, nothing padded. [bytes]"""
    return (
        _bytes(embedding_matrices(shape), storage, ONE_RANK)
        + sum(_layers_bytes(shape, storage, ONE_RANK, slice(0, len(shape.layers))))
        + _bytes(last_matrices(shape), storage, ONE_RANK)
        + (0 if shape.tied else _head_bytes(head_matrices(shape), storage, ONE_RANK))
    )


def share_of_checkpoint(checkpoint_bytes: int, rank_bytes: int, model_bytes: int) -> int:
    """A rank's part of a checkpoint whose size is known: in the proportion of the counted bytes. [bytes]

    Assumes: what the count leaves out (towers, extra prediction layers) is cut as the rest is.

    >>> share_of_checkpoint(1_000, rank_bytes=30, model_bytes=200)
    150
    """
    return ceil_div(checkpoint_bytes * rank_bytes, model_bytes)


def matrix_bytes(matrix: Matrix, element_bytes: int, quantized: WeightFormat | None = None) -> int:
    """Bytes of equal matrices: elements, scales, zero points, and biases, which stay in the model's type. [bytes]

    >>> from kvplan.spec.weight_formats import WEIGHT_FORMATS
    >>> matrix_bytes(Matrix("", 128, 2880), 2), matrix_bytes(Matrix("", 128, 2880), 2, WEIGHT_FORMATS["mxfp4"])
    (737280, 195840)
    """
    if matrix.fp32:
        element_bytes = _FP32_BYTES
    if quantized is None:
        return matrix.parameters * element_bytes
    blocks = (
        ceil_div(matrix.rows, quantized.block_rows or matrix.rows)  # along outputs
        * ceil_div(matrix.columns, quantized.block_columns or matrix.columns)  # along inputs
    )
    return matrix.copies * (
        ceil_div(matrix.rows * matrix.columns * quantized.bits, 8)  # elements
        + blocks * quantized.scale_bytes
        + ceil_div(blocks * quantized.zero_bits, 8)
        + matrix.columns * quantized.column_bytes
        + quantized.matrix_bytes
        + matrix.bias * matrix.rows * element_bytes
    )


def rank_matrix(matrix: Matrix, split: WeightSplit) -> Matrix:
    """The part of equal matrices that the fullest rank holds.

    Raises: ValueError where its parts cannot be shared by so many ranks.
    """
    is_expert = matrix.module.startswith(EXPERTS)
    ranks = split.expert_tensor if is_expert else split.tensor
    held = _held_units(matrix, ranks)
    if held is None:
        message = f"{matrix.module} has {_units(matrix):,} parts, which {ranks} ranks cannot share"
        raise ValueError(message)
    if matrix.split == ROWS:
        matrix = matrix._replace(rows=matrix.rows // _units(matrix) * held)
    elif matrix.split == COLUMNS:
        matrix = matrix._replace(columns=matrix.columns // _units(matrix) * held)
    return _rank_experts(matrix, split) if is_expert else matrix


def _rank_experts(matrix: Matrix, split: WeightSplit) -> Matrix:
    """Experts of one rank, padded: outputs of gate and up are the width, those of down the hidden size."""
    hidden, width = split.expert_hidden_multiple, split.expert_width_multiple
    row_multiple, column_multiple = (width, hidden) if matrix.split == ROWS else (hidden, width)
    return matrix._replace(
        copies=ceil_div(matrix.copies, split.expert),
        rows=align_up(matrix.rows, row_multiple),
        columns=align_up(matrix.columns, column_multiple),
    )


def _units(matrix: Matrix) -> int:
    return matrix.units or (matrix.rows if matrix.split == ROWS else matrix.columns)


def _held_units(matrix: Matrix, ranks: int) -> int | None:
    """Heads, channels or words on one rank; None where they do not divide."""
    units = _units(matrix)
    if matrix.split == WHOLE:
        return units
    if units % ranks == 0:
        return units // ranks
    return 1 if matrix.repeats and ranks % units == 0 else None


def _words(matrices: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
    """The same with words padded as vLLM does; they stand first."""
    words, *others = matrices
    return (words._replace(rows=align_up(words.rows, VOCAB_PADDING)), *others)


def _bytes(matrices: Iterable[Matrix], storage: WeightStorage, split: WeightSplit) -> int:
    return sum(matrix_bytes(rank_matrix(matrix, split), storage.element_bytes) for matrix in matrices)


def _head_bytes(matrices: Iterable[Matrix], storage: WeightStorage, split: WeightSplit) -> int:
    quantized = storage.quantized if storage.head and not storage.kept.holds("lm_head") else None
    return sum(matrix_bytes(rank_matrix(matrix, split), storage.element_bytes, quantized) for matrix in matrices)


def _layers_bytes(shape: WeightShape, storage: WeightStorage, split: WeightSplit, stage: slice) -> Iterator[int]:
    """Bytes of each layer of a stage; layers alike in shape and in what is quantized are counted once."""
    known: dict[tuple[LayerWeights, tuple[bool, ...]], int] = {}
    for index in range(stage.start, stage.stop):
        layer = shape.layers[index]
        matrices = layer_matrices(shape.hidden_size, layer)
        quantized = tuple(_is_quantized(matrix, index, storage) for matrix in matrices)
        if (layer, quantized) not in known:
            known[layer, quantized] = sum(
                matrix_bytes(rank_matrix(matrix, split), storage.element_bytes, storage.quantized if yes else None)
                for matrix, yes in zip(matrices, quantized, strict=True)
            )
        yield known[layer, quantized]


def _is_quantized(matrix: Matrix, layer: int, storage: WeightStorage) -> bool:
    if storage.quantized is None or not matrix.quantizable:
        return False
    if storage.experts_only and not matrix.module.startswith(EXPERTS):
        return False
    return not storage.kept.holds(f"model.layers.{layer}.{matrix.module}")

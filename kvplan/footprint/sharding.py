"""Tensor, pipeline, context and data parallelism ▸ what one rank holds."""

from __future__ import annotations

from kvplan.units import ceil_div


def stage_sizes(num_layers: int, pipeline_parallel: int) -> list[int]:
    """Layers of each pipeline stage: an even share, and the remainder one each to the stages before the last.

    Source: vLLM distributed/utils.py, get_pp_indices: the remainder goes to stages −2, −3, …, never the last.

    >>> stage_sizes(62, 4), stage_sizes(61, 2)
    ([15, 16, 16, 15], [31, 30])
    """
    share, rest = divmod(num_layers, pipeline_parallel)
    sizes = [share] * pipeline_parallel
    for index in range(rest):
        sizes[pipeline_parallel - 2 - index] += 1
    return sizes


def stage_slices(num_layers: int, pipeline_parallel: int) -> list[slice]:
    """Where each stage's layers begin and end.

    >>> stage_slices(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    slices, start = [], 0
    for size in stage_sizes(num_layers, pipeline_parallel):
        slices.append(slice(start, start + size))
        start += size
    return slices


def instance_sequences(sequences: int, data_parallel: int) -> int:
    """Sequences of the fullest data-parallel instance.

    >>> instance_sequences(33, 8)
    5
    """
    return ceil_div(sequences, data_parallel)

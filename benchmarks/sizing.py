"""size_sequences on ten million lengths against one NumPy multiply of the same array, in turn, in the same run.

Limits: 6 times the multiply for one kind of layer (GQA), 15 times for mixed windows, peak memory within 4 arrays.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np

from kvplan.footprint.sizing import LayerGroup, group_layers, size_sequences
from kvplan.spec.models import catalog_model

COUNT, RUNS = 10_000_000, 7


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call. [s]"""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_arrays(groups: tuple[LayerGroup, ...], tokens: np.ndarray) -> float:
    """Peak memory of one call beside its input, in arrays of the input's size."""
    tracemalloc.start()
    size_sequences(groups, tokens)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / tokens.nbytes


def main() -> int:
    """Print one line a model; 1 if any is over its limit."""
    tokens = np.random.default_rng(1).integers(1, 1_000_000, COUNT, dtype=np.int64)
    failed = False
    for name, limit in (("llama-3.1-70b", 6), ("gemma-3-27b", 15), ("llama-4-scout", 15)):
        model = catalog_model(name)
        groups = group_layers(model.layers, model.kv_format)
        size_sequences(groups, tokens)
        pairs = [
            (seconds(lambda g=groups: size_sequences(g, tokens)), seconds(lambda: tokens * 3)) for _ in range(RUNS)
        ]
        ratio, arrays = median(ours / rival for ours, rival in pairs), peak_arrays(groups, tokens)
        print(f"{name}: {ratio:.2f} × one multiply (limit {limit}), {arrays:.2f} arrays at peak (limit 4)")
        failed |= ratio > limit or arrays > 4
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

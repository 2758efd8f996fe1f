"""The keyword arguments of the verbs, once: the flags of the command line with underscores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

Count = int | str


class WorkloadFlags(TypedDict, total=False):
    """What a workload is made of, set over a file or standing alone; ``set`` is a mapping of path ▸ value."""

    model: str | Path | Mapping[str, Any]
    batch: Count
    context: Count
    kv_format: str
    block_size: Count
    tensor_parallel: Count
    pipeline_parallel: Count
    data_parallel: Count
    context_parallel: Count
    decode_context_parallel: Count
    max_model_len: Count
    max_num_seqs: Count
    max_num_batched_tokens: Count
    engine: str
    engine_options: Mapping[str, Any]
    set: Mapping[str, Any]
    deployment: str


class SizeFlags(WorkloadFlags, total=False):
    """Flags of size. pipeline_rank: the stage that rank figures are of; without it the heaviest."""

    pipeline_rank: Count


class RoomFlags(WorkloadFlags, total=False):
    """What a rank's room follows from: a system, a share of memory, a reserve, weights (of a rank, or a format)."""

    system: str
    memory_fraction: float | str
    reserve: str
    weights: str


class FitFlags(RoomFlags, total=False):
    """Flags of fit. pool: of a rank, in place of a system: bytes, or a text like ``48.66GiB``."""

    pool: Count


class PlaceFlags(RoomFlags, total=False):
    """Flags of place. count: racks of the system. accounting: peak, now or reserved."""

    count: Count
    replicas: Count
    topology: str
    accounting: str


def given(flags: Mapping[str, Any], known: type[Any]) -> dict[str, Any]:
    """The flags that were given.

    Raises: TypeError for one that the verb does not have.
    """
    for name in flags:
        if name not in known.__annotations__:
            message = f"got an unexpected keyword argument {name!r}; known: {', '.join(sorted(known.__annotations__))}"
            raise TypeError(message)
    return {name: value for name, value in flags.items() if value is not None}

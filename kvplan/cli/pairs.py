"""KEY=VALUE on the command line, and which flags a verb hands on."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.errors import SpecError
from kvplan.findings import Finding

SIZE_FLAGS = (
    "model", "batch", "context", "kv_format", "block_size", "tensor_parallel", "pipeline_parallel", "pipeline_rank",
    "data_parallel", "context_parallel", "decode_context_parallel", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "engine", "deployment",
)  # fmt: skip
_ROOM_FLAGS = ("system", "memory_fraction", "reserve", "weights")
_WORKLOAD_FLAGS = tuple(name for name in SIZE_FLAGS if name != "pipeline_rank")
FIT_FLAGS = ("pool", *_ROOM_FLAGS, *_WORKLOAD_FLAGS)
PLACE_FLAGS = ("count", "replicas", "topology", *_ROOM_FLAGS, *_WORKLOAD_FLAGS)


def split(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` ▸ ``{"a": "1", "b": "2"}``.

    Raises: SpecError (KV009) for an item without ``=``, (KV002) for a key given twice.
    """
    pairs: dict[str, str] = {}
    for item in items or ():
        key, mark, value = item.partition("=")
        if not mark or not key.strip():
            raise SpecError(
                [Finding("KV009", "", f"`{flag} {item[:60]}` is not KEY=VALUE", help=f"write {flag} KEY=VALUE")]
            )
        if key.strip() in pairs:
            raise SpecError([Finding("KV002", "", f"`{flag} {key.strip()[:60]}` is given twice", help="keep one")])
        pairs[key.strip()] = value.strip()
    return pairs

"""The size of a checkpoint, as the index beside its config says: ``model.safetensors.index.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.units import MAX_INTEGER

INDEX: Final = "model.safetensors.index.json"
# DeepSeek-V3 lists 92 thousand tensors in 9 MB; the largest checkpoints of int4 experts list three times as many.
MAX_INDEX_BYTES: Final = 64 << 20


# The whole text is never made a tree: of a hostile one that would take gigabytes.
_METADATA: Final = re.compile(rb'"metadata"\s*:\s*(\{[^{}]{0,65536}\})')


def checkpoint_bytes(config: Path, name: str = "", roots: Sequence[Path] = ()) -> int | None:
    """Bytes of all tensors of the checkpoint that a config.json belongs to; None where no index is beside it. [bytes]

    config: the config.json.
    name: the config as the user named it, for findings.
    roots: folders that may be read; none means anywhere.
    Raises: SpecError if there is an index and it cannot be read, or says no size.
    Assumes: ``metadata.total_size`` counts every tensor, those of towers and of extra prediction layers too.
    Source: huggingface_hub 2.4 serialization/_base.py: total_size is the sum over tensors.
    """
    path = config.parent / INDEX
    called = str(Path(name).parent / INDEX) if name else str(path)
    files.check_roots(path, called, roots)
    if not path.exists():
        return None
    found = _METADATA.search(files.read_bytes(path, name=called, roots=roots, limit=MAX_INDEX_BYTES))
    try:
        size = json.loads(found[1]).get("total_size") if found else None
    except ValueError:
        raise SpecError([_finding(called, "KV003", "metadata is not well-formed JSON")]) from None
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # some writers print 16060522496.0
    if isinstance(size, bool) or not isinstance(size, int):
        raise SpecError([_finding(called, "KV008", "the index says no total_size of the tensors")])
    if not 0 < size < MAX_INTEGER:
        raise SpecError([_finding(called, "KV010", "total_size is out of range")])
    return size


def _finding(name: str, rule: str, message: str) -> Finding:
    help = "copy the index again, or give the weights in bytes"
    return Finding(rule, "metadata.total_size", message, help=help, file=name)

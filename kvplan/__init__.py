"""kvplan: how many bytes of KV cache a workload needs, exactly as engines count them.

>>> import kvplan
>>> kvplan.size(model="llama-3-70b", batch=32, context="1M", kv_format="fp16").held_bytes
10485760000000
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvplan.version import VERSION as __version__

if TYPE_CHECKING:
    from kvplan.answers.fit import fit
    from kvplan.answers.place import place
    from kvplan.answers.request import load
    from kvplan.answers.size import size
    from kvplan.answers.verify import verify
    from kvplan.checks.check import check
    from kvplan.errors import KvplanError, SpecError
    from kvplan.findings import Finding

__all__ = ["Finding", "KvplanError", "SpecError", "__version__", "check", "fit", "load", "place", "size", "verify"]

_HOMES = {
    "Finding": "kvplan.findings",
    "KvplanError": "kvplan.errors",
    "SpecError": "kvplan.errors",
    "check": "kvplan.checks.check",
    "fit": "kvplan.answers.fit",
    "load": "kvplan.answers.request",
    "place": "kvplan.answers.place",
    "size": "kvplan.answers.size",
    "verify": "kvplan.answers.verify",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has a type of its own
    """Import a public name when it is first used, so that ``import kvplan`` costs nothing."""
    if name not in _HOMES:
        message = f"module 'kvplan' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

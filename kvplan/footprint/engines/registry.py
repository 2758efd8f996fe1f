"""Engine name ▸ how it is made: the only list of engines. An engine that is not here is refused, not called paged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kvplan.footprint.engines import paged, vllm
from kvplan.footprint.engines.engine import Engine, EngineRequest

ENGINES: Mapping[str, Callable[[EngineRequest], Engine]] = {
    "paged": paged.make,
    "vllm": vllm.make,
}

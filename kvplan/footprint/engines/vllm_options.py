"""What vLLM is told beyond its splits: names, defaults and readings of --engine-option."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kvplan import units
from kvplan.findings import Finding
from kvplan.footprint.engines.engine import refusal

OPTIONS = ("compute_capability", "hybrid_kv_cache_manager", "max_in_flight_tokens", "prefix_caching")


class VllmOptions(NamedTuple):
    """Options of one run.

    hybrid_manager: on, off, or auto (the version's own choice).
    max_in_flight_tokens: tokens scheduled at once; 0 for the default, two batches. [tokens]
    compute_capability: of the device, (9, 0) is Hopper.
    """

    prefix_caching: bool = True
    hybrid_manager: str = "auto"
    max_in_flight_tokens: int = 0
    compute_capability: tuple[int, int] = (9, 0)


def read_options(options: Mapping[str, str], problems: list[Finding]) -> VllmOptions:
    """The options as values; what cannot be read is added to the problems."""
    prefix = _switch("prefix_caching", options, problems, ("on", "off"))
    manager = _switch("hybrid_kv_cache_manager", options, problems, ("on", "off", "auto"))
    return VllmOptions(
        prefix_caching=prefix != "off",
        hybrid_manager=manager or "auto",
        max_in_flight_tokens=_tokens("max_in_flight_tokens", options, problems),
        compute_capability=_capability(options, problems),
    )


def _switch(name: str, options: Mapping[str, str], problems: list[Finding], known: tuple[str, ...]) -> str:
    value = {"true": "on", "false": "off"}.get(options.get(name, "").lower(), options.get(name, "").lower())
    if value and value not in known:
        problems.append(_bad(name, options[name], " or ".join(known)))
        return ""
    return value


def _tokens(name: str, options: Mapping[str, str], problems: list[Finding]) -> int:
    if name not in options:
        return 0
    try:
        value = units.parse_tokens(options[name]).value
    except units.UnitError as error:
        problems.append(refusal("KV306", f"engine_options.{name}", str(error), help=error.help))
        return 0
    if not 1 <= value < 1 << 40:
        problems.append(_bad(name, options[name], "a token count of 1 or more"))
        return 0
    return value


def _capability(options: Mapping[str, str], problems: list[Finding]) -> tuple[int, int]:
    text = options.get("compute_capability", "9.0")
    match = re.fullmatch(r"([0-9]{1,2})(?:\.([0-9]))?", text, re.ASCII)
    if match is None or int(match[1]) < 7:
        problems.append(_bad("compute_capability", text, "a compute capability like 9.0 or 10.0"))
        return (9, 0)
    return (int(match[1]), int(match[2] or 0))


def _bad(name: str, text: str, wanted: str) -> Finding:
    return refusal("KV306", f"engine_options.{name}", f"`{text[:40]}` is no value of {name}", help=f"write {wanted}")

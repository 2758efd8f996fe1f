"""The JSON Schema of plan.json, from the dataclasses that a plan is: docs/schema/plan.json is this, published."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from kvplan.placement.plan import FORMAT_VERSION, Plan

_KINDS: dict[Any, dict[str, Any]] = {
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0, "maximum": 1},
    str: {"type": "string"},
    bool: {"type": "boolean"},
}
_SIGNED = ("priority", "gap")


def plan_schema() -> dict[str, Any]:
    """A schema of draft 2020-12; what no schema can say is what `kvplan verify` proves."""
    schema = _object(Plan)
    head = {"format_version": {"const": FORMAT_VERSION}, "kind": {"const": Plan.kind}}
    schema["properties"] = head | schema["properties"]
    schema["required"] = [*head, *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "kvplan plan", **schema}


def _object(cls: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass of a plan
    hints = get_type_hints(cls)
    keys = {item.name.rstrip("_"): _kind(hints[item.name], item.name) for item in fields(cls)}
    words = re.sub(r"\s+", " ", str(cls.__doc__)).strip()
    return {
        "type": "object",
        "description": words,
        "properties": keys,
        "required": list(keys),
        "additionalProperties": False,
    }


def _kind(hint: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - an annotation
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _kind(get_args(hint)[0], name)}
    if hasattr(hint, "__dataclass_fields__"):
        return _object(hint)
    return {"type": "integer"} if name in _SIGNED else dict(_KINDS[hint])

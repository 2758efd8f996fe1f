"""The tree of a plan.json whose form is sound ▸ a Plan, for those who show or expand it. It proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from kvplan.placement.plan import Plan


def plan_of_tree(tree: Mapping[str, Any]) -> Plan:
    """A plan as a value; ``class`` becomes ``class_``.

    tree: of sound form (claims_form.py holds it to that).
    """
    plan: Plan = _reader(Plan)(tree)
    return plan


@cache
def _reader(cls: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - any part of a plan
    """What makes a value of JSON one of a class, looked up once for all values of it."""
    if hasattr(cls, "__dataclass_fields__"):
        hints = get_type_hints(cls)
        readers = [(item.name, item.name.rstrip("_"), _reader(hints[item.name])) for item in fields(cls)]
        return lambda tree: cls(**{name: read(tree[written]) for name, written, read in readers})
    if get_origin(cls) is tuple:
        one = _reader(get_args(cls)[0])
        return lambda tree: tuple(map(one, tree))
    return lambda tree: tree

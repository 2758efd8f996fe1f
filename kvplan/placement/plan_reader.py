"""The tree of a plan.json whose form is sound ▸ a Plan, for those who show or expand it. It proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from kvplan.placement.plan import Plan


def plan_of_tree(tree: Mapping[str, Any]) -> Plan:
    """A plan as a value; ``class`` becomes ``class_``.

    tree: of sound form (claims_form.py holds it to that).
    """
    plan: Plan = _read(Plan, tree)
    return plan


def _read(cls: Any, tree: Any) -> Any:  # noqa: ANN401 - any part of a plan
    if hasattr(cls, "__dataclass_fields__"):
        hints = get_type_hints(cls)
        return cls(**{item.name: _read(hints[item.name], tree[item.name.rstrip("_")]) for item in fields(cls)})
    if isinstance(tree, list):
        kind = get_args(cls)[0]
        if not hasattr(kind, "__dataclass_fields__"):
            return tuple(tree)
        return tuple(_read(kind, item) for item in tree)
    return tree

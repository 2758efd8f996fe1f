"""Quiet reading of sizes and flags that only the weights need: what is missing or wrong is a reason, not a finding."""

from __future__ import annotations

from collections.abc import Mapping

from kvplan.spec.huggingface.config import MAX_WIDTH
from kvplan.spec.kinds import shown
from kvplan.spec.tree import Tree


class Sizes:
    """Sizes of a config; every fault is kept, and a size that is missing reads as 1."""

    def __init__(self, *trees: Mapping[str, Tree]) -> None:
        """Read from the first tree that has a key: the text part, then the whole of a wrapper."""
        self.trees = trees
        self.faults: dict[str, str] = {}
        self._lists: dict[str, frozenset[int] | None] = {}

    @property
    def reason(self) -> str:
        """Why the weights cannot be counted; empty where nothing is missing."""
        return "; ".join(self.faults.values())

    def _find(self, keys: tuple[str, ...]) -> tuple[str, Tree] | None:
        return next(((key, tree[key]) for tree in self.trees for key in keys if key in tree), None)

    def whole(self, key: str, *aliases: str, default: int | None = None, null: int | None = None, low: int = 1) -> int:
        """A whole number.

        default: of an absent key; null: of a key that is null. None for either is a fault.
        """
        found = self._find((key, *aliases))
        value = default if found is None else null if found[1] is None else found[1]
        if value is None:
            self.faults[key] = f"the config has no {key}"
        elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_WIDTH:
            self.faults[key] = f"{key} is {shown(value)}, not a size"
        elif value >= low or (found is None or found[1] is None):
            return value
        else:
            self.faults[key] = f"{key} is {value}"
        return 1

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A truth value; the default where it is absent or null."""
        found = self._find((key,))
        if found is None or found[1] is None:
            return default
        if not isinstance(found[1], bool):
            self.faults[key] = f"{key} is {shown(found[1])}, not true or false"
        return found[1] is True

    def numbers(self, key: str) -> frozenset[int] | None:
        """A list of layer numbers; None where it is absent or null."""
        if key not in self._lists:
            found = self._find((key,))
            self._lists[key] = None if found is None or found[1] is None else self._layers(key, found[1])
        return self._lists[key]

    def _layers(self, key: str, items: Tree) -> frozenset[int]:
        if isinstance(items, list) and all(type(item) is int for item in items):
            return frozenset(item for item in items if isinstance(item, int))
        self.faults[key] = f"{key} is {shown(items)}, no list of layer numbers"
        return frozenset()

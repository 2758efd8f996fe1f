"""Typed reading of a config.json: whole numbers, flags and lists of names, each fault at its path.

A key that is present counts as it stands, null included; an absent key takes the class default of its model_type, as
transformers does, and a note says so. Nothing here knows an architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from kvplan.findings import join_path
from kvplan.spec.huggingface.class_defaults import CLASS_DEFAULTS, READS_SHORT_NAMES, Defaults
from kvplan.spec.kinds import Reading, Whole, nearest, shown
from kvplan.spec.tree import Tree

MAX_LAYERS: Final = 2048  # refused above: no model is near, and a mutated config must not cost memory
MAX_WIDTH: Final = 1 << 24
MAX_POSITIONS: Final = 1 << 40

# What transformers 5.23 lets a layer_types list hold in any class (configuration_utils.py).
LAYER_KINDS: Final = (
    "full_attention", "sliding_attention", "chunked_attention", "window_attention", "indexed_attention", "conv", "moe",
    "compressed_sparse_attention", "heavily_compressed_attention", "linear_attention", "minimax_m3_sparse",
    "hybrid", "hybrid_sliding", "reference_sliding_attention", "attention", "mamba", "deepseek_sparse_attention",
)  # fmt: skip


class Config:
    """One level of a config.json (the text part of a wrapper), with the class defaults of its model_type."""

    def __init__(self, tree: Mapping[str, Tree], path: str, model_type: str, reading: Reading) -> None:
        self.tree = tree
        self.path = path
        self.model_type = model_type
        self.defaults: Defaults = CLASS_DEFAULTS.get(model_type, {})
        self.reading = reading
        self.defaulted: set[str] = set()

    def at(self, key: str) -> str:
        """The path of a key."""
        return join_path(self.path, key)

    def fault(self, rule: str, key: str, message: str, help: str) -> None:
        """Add a finding at a key."""
        self.reading.fault(rule, self.at(key), message, help=help)

    def spelling(self, key: str, *aliases: str) -> str:
        """The first of several spellings that is present, else the key itself."""
        return next((name for name in (key, *aliases) if name in self.tree), key)

    def aliases(self, *names: str) -> tuple[str, ...]:
        """Other spellings of a key, where the class of this model_type reads them."""
        return names if self.model_type in READS_SHORT_NAMES else ()

    def whole(self, key: str, *aliases: str, high: int = MAX_WIDTH) -> int:
        """A whole number of 1 or more; 1 with a finding where it is missing or something else."""
        name = self.spelling(key, *aliases)
        if name in self.tree:
            value = self._number(name, 1, high)
            return value if isinstance(value, int) else 1
        default = self.default(key)
        if isinstance(default, int):
            return default
        self.fault("KV008", key, f"missing key `{key}`", help=f"add {key} as the checkpoint's config.json has it")
        return 1

    def _number(self, name: str, low: int, high: int) -> Any:  # noqa: ANN401 - int or INVALID
        """A whole number as the classes of transformers take it: 32.0 is none."""
        if isinstance(self.tree[name], Decimal):
            message = f"wants a whole number, has {shown(self.tree[name])}"
            return self.reading.fault("KV007", self.at(name), message, help="write it without a point or exponent")
        return Whole(low, high).read(self.tree[name], self.at(name), self.reading)

    def optional_whole(self, key: str, *, low: int = 0, high: int = MAX_POSITIONS) -> int | None:
        """A whole number, or None where the key is null, or absent without a class default."""
        if key in self.tree:
            if self.tree[key] is None:
                return None
            value = self._number(key, low, high)
            return value if isinstance(value, int) else None
        default = self.default(key)
        return default if isinstance(default, int) else None

    def flag(self, key: str) -> bool:
        """A truth value; the class default, else false, where it is absent or null."""
        value = self.tree.get(key)
        if value is None:
            return bool(self.defaults.get(key, False))
        if not isinstance(value, bool):
            self.fault("KV007", key, f"wants true or false, has {shown(value)}", help="write true or false")
            return False
        return value

    def default(self, key: str) -> int | bool | None:
        """The class default of an absent key, with a note; None where there is none."""
        value = self.defaults.get(key)
        if value is not None and key not in self.defaulted:
            self.defaulted.add(key)
            message = f"`{key}` is absent: the class default {value} is taken, as transformers does"
            self.reading.fault("KV103", self.at(key), message)
        return value

    def names(self, key: str, known: Sequence[str], length: int) -> tuple[str, ...] | None:
        """A list of ``length`` names; None where the key is absent, null or faulty."""
        tree = self.tree.get(key)
        if tree is None:
            return None
        if not isinstance(tree, list):
            self.fault(
                "KV007",
                key,
                f"wants a list of names, has {shown(tree)}",
                help=f"list one of {', '.join(known)} for each layer",
            )
            return None
        if len(tree) != length:
            self.fault("KV018", key, f"{len(tree)} entries for {length} layers", help="give one entry a layer")
            return None
        for index, item in enumerate(tree):
            if not isinstance(item, str) or item not in known:
                hint = nearest(item, known) if isinstance(item, str) else ""
                self.reading.fault(
                    "KV011",
                    join_path(self.at(key), index),
                    f"unknown kind of layer {shown(item)}",
                    help=hint or f"known here: {', '.join(known)}",
                )
                return None
        return tuple(tree)

    def numbers(self, key: str, length: int) -> tuple[int, ...] | None:
        """A list of ``length`` whole numbers of 0 or more; None where the key is absent, null, empty or faulty."""
        tree = self.tree.get(key)
        if tree is None or tree == []:
            return None
        if not isinstance(tree, list):
            self.fault("KV007", key, f"wants a list of numbers, has {shown(tree)}", help="give one number a layer")
            return None
        if len(tree) != length:
            self.fault("KV018", key, f"{len(tree)} entries for {length} layers", help="give one entry a layer")
            return None
        values = [
            Whole(0, MAX_WIDTH).read(item, join_path(self.at(key), index), self.reading)
            for index, item in enumerate(tree)
        ]
        return tuple(values) if all(isinstance(value, int) for value in values) else None

"""Tree ▸ specs, by walking frozen dataclasses whose fields carry kind, meaning and default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import MISSING, dataclass
from typing import Any

from kvplan.findings import join_path
from kvplan.spec.kinds import INVALID, Kind, Reading, nearest, shown
from kvplan.spec.tree import Tree


def key(kind: Kind, doc: str, *, default: Any = MISSING, factory: Any = MISSING) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Describe a field that a user writes: kind and meaning as data, shared by reading, errors and docs."""
    return dataclasses.field(default=default, default_factory=factory, metadata={"kind": kind, "doc": doc})


def later(doc: str, room: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Describe a key of the format that a later room will use: known, and refused at its place until then."""
    return dataclasses.field(default=None, init=False, repr=False, compare=False, metadata={"doc": doc, "later": room})


@dataclass(frozen=True)
class Spec:
    """A node that is a mapping, read into one frozen dataclass."""

    cls: type[Any]
    words: str = "a mapping"

    def read(self, tree: Tree, path: str, reading: Reading) -> Any:  # noqa: D102, ANN401
        if not isinstance(tree, dict):
            return reading.fault(
                "KV007", path, f"wants {self.words}, has {shown(tree)}", help=f"known keys: {_names(written(self.cls))}"
            )
        values = read_fields(written(self.cls), tree, path, reading)
        return INVALID if values is None else self.cls(**values)


def written(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """Fields of a spec that a user may write, in order."""
    return [item for item in dataclasses.fields(cls) if item.metadata]


def read_fields(
    fields: Iterable[dataclasses.Field[Any]],
    tree: dict[str, Tree],
    path: str,
    reading: Reading,
    also_known: Iterable[str] = (),
) -> dict[str, Any] | None:
    """Values by field name; None if any key is unknown, missing, not yet supported or not readable.

    also_known: keys of the same mapping that somebody else reads.
    """
    known = {item.name: item for item in fields}
    sound = True
    for name in tree:
        if name not in known and name not in also_known:
            sound = False
            usable = [key for key, item in known.items() if "later" not in item.metadata]
            _unknown_key(name, [*usable, *also_known], path, reading)
    values: dict[str, Any] = {}
    for name, item in known.items():
        at = join_path(path, name)
        if name not in tree:
            sound = not _is_missing(item, at, reading) and sound
        elif "later" in item.metadata:
            message = f"`{name}` is not yet supported: {item.metadata['doc']}"
            reading.fault("KV015", at, message, help=f"remove it; it belongs to {item.metadata['later']}", on_key=True)
            sound = False
        else:
            values[name] = item.metadata["kind"].read(tree[name], at, reading)
            sound = sound and values[name] is not INVALID
    return values if sound else None


def _is_missing(item: dataclasses.Field[Any], path: str, reading: Reading) -> bool:
    """Whether a key that has no default was left out; adds the finding."""
    if "later" in item.metadata or item.default is not MISSING or item.default_factory is not MISSING:
        return False
    help = f"add `{item.name}:` with {item.metadata['kind'].words}"
    reading.fault("KV008", path, f"missing key `{item.name}`: {item.metadata['doc']}", help=help)
    return True


def _unknown_key(name: str, known: list[str], path: str, reading: Reading) -> None:
    hint = nearest(name, known)
    reading.fault(
        "KV001",
        join_path(path, name),
        f"unknown key {shown(name)}",
        help=hint or f"known keys: {', '.join(sorted(known))}",
        note=f"known here: {', '.join(sorted(known))}" if hint else "",
        on_key=True,
    )


def _names(fields: list[dataclasses.Field[Any]]) -> str:
    return ", ".join(sorted(item.name for item in fields))

"""Names ▸ built-in specs: models, systems and engines, read from the data files beside the code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from kvplan import files
from kvplan.spec.text import read_yaml
from kvplan.spec.tree import Document, decode

_ROOT = Path(__file__).resolve().parent.parent / "catalog"
_FIRST_SYSTEM = "al128"  # the system that kvplan is made for heads every list


@cache
def model_names() -> tuple[str, ...]:
    """Names of the models in the catalog, sorted."""
    return tuple(sorted(path.stem for path in (_ROOT / "models").iterdir() if path.suffix == ".yaml"))


def model_entry(name: str) -> Document:
    """A model's entry: its source, and the config that its layers are read from."""
    path = _ROOT / "models" / f"{name}.yaml"
    return _read(path, f"catalog: {name}")


@cache
def system_names() -> tuple[str, ...]:
    """Names of the systems in the catalog, sorted, AL128 first."""
    names = [path.stem for path in (_ROOT / "systems").iterdir() if path.suffix == ".yaml"]
    return tuple(sorted(names, key=lambda name: (name != _FIRST_SYSTEM, name)))


def system_entry(name: str) -> Document:
    """A system's entry: its facts with status and source."""
    return _read(_ROOT / "systems" / f"{name}.yaml", f"catalog: {name}")


@cache
def source_texts() -> dict[str, str]:
    """What the ids of sources in the systems stand for."""
    tree: dict[str, str] = _read(_ROOT / "sources.yaml", "catalog: sources").tree
    return tree


@cache
def engine_data() -> dict[str, Any]:
    """What changed in engines' counting, by version."""
    tree: dict[str, Any] = _read(_ROOT / "engines.yaml", "catalog: engines").tree
    return tree


def _read(path: Path, name: str) -> Document:
    return read_yaml(decode(files.read_bytes(path), name), name)

"""What a workload names as its model ▸ Model: a catalog name, a path, or a mapping; never by network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.spec import catalog
from kvplan.spec.huggingface.families import read_config
from kvplan.spec.kinds import Reading, nearest, shown
from kvplan.spec.model import Model
from kvplan.spec.model_mapping import read_mapping
from kvplan.spec.text import read
from kvplan.spec.tree import Document, Tree, decode


@cache
def catalog_model(name: str) -> Model:
    """A model of the catalog, read from the config in its entry.

    Raises: SpecError if the entry is faulty.
    """
    entry = catalog.model_entry(name)
    corrections = entry.tree.get("corrections", {})
    config = Document(_corrected(entry.tree["config"], corrections.get("config", {})), entry.source)
    model = read_config(config, name)
    # What the entry leaves out was checked when it was written: its class defaults are no news to a user.
    return replace(
        model, source="; ".join(["catalog", entry.tree["source"], *filter(None, [corrections.get("source")])]), notes=()
    )


def _corrected(config: Tree, corrections: Tree) -> Tree:
    """A config with what its source has wrong set right, part by part."""
    nested = {key: _corrected(config[key], value) for key, value in corrections.items() if isinstance(value, dict)}
    return {**config, **corrections, **nested}


def resolve_model(tree: Tree, path: str, folder: Path | None, roots: Sequence[Path]) -> Model:
    """The model that is named.

    tree: the value of ``model``.
    path: its path, for findings about the value itself; findings inside a config.json are placed in that file.
    folder: what relative paths start from.
    roots: folders that the path may lead into; none means anywhere.
    Raises: SpecError.
    """
    reading = Reading()
    if isinstance(tree, dict):
        model = reading.run(lambda: read_mapping(tree, path, reading))
        if model is None:
            raise SpecError(reading.findings)
        return replace(model, notes=tuple(reading.findings))
    if not isinstance(tree, str) or not tree or "\0" in tree or len(tree) > 4096:
        raise SpecError(
            [
                Finding(
                    "KV007",
                    path,
                    f"wants a model, has {shown(tree)}",
                    help="name a catalog model, a config.json or a mapping",
                )
            ]
        )
    if tree in catalog.model_names():
        return catalog_model(tree)
    file = (folder or Path()) / tree
    if _looks_like_path(tree, file):
        return _read_file(file, tree, path, roots)
    hint = nearest(tree.lower(), catalog.model_names())
    message = f"unknown model {shown(tree)}: no catalog name and no file"
    raise SpecError([Finding("KV011", path, message, help=hint or "see `kvplan models`, or name a config.json")])


def _looks_like_path(text: str, file: Path) -> bool:
    if "/" in text or "\\" in text or text.endswith((".json", ".yaml", ".yml")) or text in (".", ".."):
        return True
    try:
        return file.exists()
    except OSError:
        return False


def _read_file(file: Path, name: str, path: str, roots: Sequence[Path]) -> Model:
    try:
        files.check_roots(file, name, roots)
        if file.is_dir():
            file, name = file / "config.json", name.rstrip("/") + "/config.json"
        content = files.read_bytes(file, name=name, roots=roots)
    except (SpecError, OSError, ValueError) as error:
        inner = (
            error.findings[0]
            if isinstance(error, SpecError)
            else Finding("KV016", path, f"{shown(name)} cannot be read")
        )
        near = nearest(name.rpartition("/")[2].lower(), catalog.model_names())
        if inner.rule == "KV016" and near:
            inner = replace(inner, help=f"no file of that name; in the catalog, {near}")
        raise SpecError([replace(inner, path=path, file="")]) from None
    text = decode(content, name)
    document = read(text, name)
    if name.endswith((".yaml", ".yml")):
        reading = Reading()
        model = reading.run(lambda: read_mapping(document.tree, "", reading))
        if model is None:
            raise SpecError([document.source.locate(finding) for finding in reading.findings])
        return replace(model, source=name)
    stem = file.resolve().parent.name if file.name == "config.json" else file.stem
    return replace(read_config(document, stem), config_path=file)

"""Paths ▸ the workload files below them, in a stable order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.spec.text import read_yaml
from kvplan.spec.tree import decode

# A workload says which version of the format it follows; in block style at a line's start, in flow style after a brace.
_MARKED = re.compile(r"^(?:\{\s*)?[\"']?kvplan[\"']?\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Candidate:
    """A file that may be a workload; one that was named is read whatever it holds."""

    path: Path
    named: bool


def walk(paths: Sequence[Path]) -> list[Candidate]:
    """Files named, and the YAML files of folders named; each once.

    Raises: SpecError (KV016) for a path that does not exist.
    """
    missing = [path for path in paths if not _exists(path)]
    if missing:
        raise SpecError(
            [Finding("KV016", "", f"{path} does not exist", help="check the path", file=str(path)) for path in missing]
        )
    found: dict[Path, Candidate] = {}
    for path in paths:
        if path.is_dir():
            for file in files.find_yaml(path):
                found.setdefault(file, Candidate(file, named=False))
        else:
            found[path] = Candidate(path, named=True)
    return sorted(found.values(), key=lambda candidate: str(candidate.path))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def is_marked(path: Path) -> bool:
    """Whether a file of a folder has a top-level ``kvplan:`` and so means to be a workload.

    Where the text is not well-formed, a line that begins with the key tells, and bytes that are no text do not hide it:
    such files are read, and said to be broken. Pipes and devices are no workloads.
    """
    if not path.is_file():
        return False
    try:
        content = files.read_bytes(path, cut=True)
    except SpecError:
        return True  # a plain file that cannot be read: said so
    try:
        text = decode(content, str(path))
        if "kvplan" not in text:
            return False
        tree = read_yaml(text, str(path)).tree
    except SpecError:
        return _MARKED.search(content.decode(errors="replace")) is not None
    return isinstance(tree, dict) and "kvplan" in tree

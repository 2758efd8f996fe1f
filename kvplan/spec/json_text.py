"""JSON text ▸ Document, by the json module under kvplan's bounds; a second pass finds places only for a finding."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from kvplan.errors import SpecError
from kvplan.findings import Finding, Place, Source
from kvplan.spec import json_places
from kvplan.spec.scalars import read_decimal
from kvplan.spec.tree import MAX_DEPTH, MAX_DIGITS, MAX_NODES, Document, Tree, located

_SURROGATE = re.compile(r"\\u[dD][89aAbBcCdDeEfF]")


def read_json(text: str, name: str) -> Document:
    """JSON text ▸ Document, by the json module; places are worked out only if a finding asks.

    Raises: SpecError with every duplicate key, NaN or oversized number, or the first fault of the form.
    """
    source = Source(name, text, lambda: json_places.scan(text).places)
    strict = _StrictJson()
    try:
        tree = json.loads(
            text,
            object_pairs_hook=strict.pairs,
            parse_constant=strict.fault,
            parse_int=strict.whole,
            parse_float=strict.number,
        )
    except (ValueError, RecursionError):
        raise SpecError(_json_findings(text, name)) from None
    if strict.faults or not _within_bounds(tree) or (_SURROGATE.search(text) and not _is_text(tree)):
        raise SpecError(_json_findings(text, name))
    return Document(tree, source)


class _StrictJson:
    """Hooks that count what the json module would let pass; the second pass tells where."""

    def __init__(self) -> None:
        self.faults = 0

    def pairs(self, pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
        tree = dict(pairs)
        self.faults += len(tree) != len(pairs)
        return tree

    def fault(self, text: str) -> None:
        self.faults += 1

    def whole(self, text: str) -> int:
        if len(text.lstrip("-")) <= MAX_DIGITS:
            return int(text)
        self.faults += 1
        return 0

    def number(self, text: str) -> Decimal:
        number = read_decimal(text)
        self.faults += number is None
        return number or Decimal(0)


def _within_bounds(tree: Tree) -> bool:
    """Whether depth and number of nodes are within bounds; level by level, so that depth costs no stack."""
    level, depth, nodes = [tree], 0, 0
    while level:
        depth += 1
        nodes += len(level)
        holders = [node for node in level if isinstance(node, dict | list)]
        if nodes > MAX_NODES or (holders and depth > MAX_DEPTH):
            return False
        level = [child for node in holders for child in (node.values() if isinstance(node, dict) else node)]
    return True


def _is_text(tree: Tree) -> bool:
    """Whether every string can be written out: half a surrogate pair cannot."""
    try:
        json.dumps(tree, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_findings(text: str, name: str) -> list[Finding]:
    source = Source(name, text, dict)
    findings = json_places.scan(text).findings
    if not findings:
        nothing = "check the text with a JSON tool"
        return [located(name, text, "KV003", "not well-formed JSON", Place(1, 1, 1, 2), help=nothing)]
    return [source.locate(finding) for finding in findings]

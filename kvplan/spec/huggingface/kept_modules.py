"""A scheme's list of modules that are not quantized ▸ names and patterns that the count understands.

Three dialects are read: plain names, which hold for every module whose path has them; names with ``*``; and regular
expressions after ``re:``, of which only texts, ``.*`` and simple alternatives are understood. No text of a config is
ever run as a regular expression: a short one can take forever.
"""

from __future__ import annotations

import re
from typing import Final

from kvplan.spec.kinds import shown
from kvplan.spec.tree import Tree
from kvplan.spec.weight_formats import Kept

_MAX_ENTRIES: Final = 8192  # every matrix of a model of 1000 layers
_MAX_PATTERNS: Final = 256  # each is held against every matrix
_MAX_LENGTH: Final = 400
_MAX_WAYS: Final = 64
_SPELLINGS: Final = (
    ("language_model.", ""),
    ("block_sparse_moe", "mlp"),
    ("feed_forward", "mlp"),
    ("shared_expert.", "shared_experts."),
)
_FUSED: Final = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
_ALTERNATIVES: Final = re.compile(r"\(\??:?([^()]*)\)")
_PLAIN: Final = re.compile(r"[\w.\-]*")


def read_kept(listed: Tree) -> tuple[Kept, str]:
    """Names and patterns of a list; and why it cannot be understood, empty where it can."""
    if listed is None:
        return Kept(), ""
    if not isinstance(listed, list) or len(listed) > _MAX_ENTRIES:
        return Kept(), "the list of modules that are not quantized cannot be read"
    names: set[str] = set()
    patterns: dict[tuple[str, ...], None] = {}
    for entry in listed:
        ways = _ways(entry) if isinstance(entry, str) and len(entry) <= _MAX_LENGTH else None
        if ways is None:
            return Kept(), f"the module that is not quantized, {shown(entry)}, cannot be understood"
        for way in ways:
            if len(way) == 1:
                names.add(way[0])
            else:
                patterns[way] = None
    if len(patterns) > _MAX_PATTERNS:
        return Kept(), f"more than {_MAX_PATTERNS} patterns of modules that are not quantized"
    return Kept(frozenset(names), tuple(patterns)), ""


def _ways(entry: str) -> list[tuple[str, ...]] | None:
    """The texts between wildcards, once for each alternative and fused name; None where it cannot be understood."""
    is_regex = entry.startswith("re:")
    texts = _alternatives(entry.removeprefix("re:")) if is_regex else [entry]
    ways = []
    for text in texts:
        for spelled in _unfused(text):
            way = _regex(spelled) if is_regex else _glob(spelled)
            if way is None:
                return None
            ways += way
    return ways if texts else None


def _alternatives(text: str) -> list[str]:
    """A text once for each choice of ``(a|b)``; empty if there are too many."""
    texts = [text]
    while found := next((match for item in texts if (match := _ALTERNATIVES.search(item))), None):
        texts = [
            item.replace(found[0], choice, 1)
            for item in texts
            for choice in (found[1].split("|") if found[0] in item else [""])
        ]
        if len(texts) > _MAX_WAYS:
            return []
    return texts


def _unfused(text: str) -> list[str]:
    for spelling, ours in _SPELLINGS:
        text = text.replace(spelling, ours)
    for fused, parts in _FUSED.items():
        if fused in text:
            return [text.replace(fused, part) for part in parts]
    return [text]


def _glob(text: str) -> list[tuple[str, ...]]:
    """A plain name, or a path with ``*``; what names a module holds for all inside it."""
    if "*" not in text:
        return [(text,)]
    texts = tuple(text.split("*"))
    return [texts] if not texts[-1] else [texts, (*texts[:-1], texts[-1] + ".", "")]


def _regex(text: str) -> list[tuple[str, ...]] | None:
    """A regular expression of texts and ``.*``, matched from the start and, without ``$``, to any end."""
    closed = text.endswith("$")
    parts = text.removeprefix("^").removesuffix("$").split(".*")
    texts = tuple(part.replace(r"\.", ".") for part in parts)
    if not all(_PLAIN.fullmatch(part) for part in texts):
        return None
    return [texts if closed else (*texts, "")]

"""The tree that a text becomes: plain data with the places of its paths, and the bounds that every text is held to.

The tree is dict, list, str, int, Decimal (a number with a point or an exponent), bool, None. It knows nothing of what
the keys mean.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from kvplan.errors import SpecError
from kvplan.findings import KEY, LINE_END, Finding, Place, Source

MAX_DEPTH = 64
MAX_NODES = 50_000  # aliases count as many times as they are used
MAX_ALIASES = 100
MAX_DIGITS = 40

Tree = Any  # dict[str, Tree] | list[Tree] | str | int | Decimal | bool | None

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """A text as a tree, the source of its places, and what was noticed that is not wrong."""

    tree: Tree
    source: Source
    notes: tuple[Finding, ...] = ()


def plain_tree(value: Any) -> Tree:  # noqa: ANN401 - whatever a caller hands over
    """A Python value as a file would hold it: paths as text, floats as the number they print, whole numbers as int.

    Raises: TypeError for what no file can hold.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a mapping are text")
        return {key: plain_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_tree(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float | Decimal):
        number = Decimal(str(value))
        if not number.is_finite():
            raise TypeError("a number has to be finite")
        return number
    return operator.index(value)


def decode(content: bytes, name: str) -> str:
    """Bytes ▸ text: UTF-8, or UTF-16 with a byte-order mark.

    Raises: SpecError (KV003) at the line and column of the first byte that is not text.
    """
    is_utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    mark = 3 if content[:3] == b"\xef\xbb\xbf" else 0  # a byte-order mark is no part of the text
    try:
        text = content.decode("utf-16") if is_utf16 else content[mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        before = (
            content[: error.start].decode("utf-16", errors="replace")
            if is_utf16
            else content[mark : mark + error.start].decode()
        )
        message = f"byte {mark + error.start} is not {'UTF-16' if is_utf16 else 'UTF-8'}"
        place = point(before, len(before))
        raise SpecError([located(name, "", "KV003", message, place, help="save the file as UTF-8")]) from None
    if match := _UNPRINTABLE.search(text):
        message = f"a control character (U+{ord(match[0]):04X})"
        place = point(text, match.start())
        raise SpecError([located(name, text, "KV003", message, place, help="remove it, or save the file as text")])
    return text


def point(text: str, index: int) -> Place:
    """The place of one code point of a text."""
    ends = [match.end() for match in LINE_END.finditer(text, 0, index)]
    column = index - (ends[-1] if ends else 0) + 1
    return Place(len(ends) + 1, column, len(ends) + 1, column + 1)


def located(
    name: str, text: str, rule: str, message: str, place: Place, *, path: str = "", help: str = "", note: str = ""
) -> Finding:
    """A finding at a place of a text."""
    return Source(name, text, dict).locate(Finding(rule, path, message, note=note, help=help, place=place))


def flag_document(flags: Mapping[str, tuple[Tree, str]], name: str = "command line") -> Document:
    """Flags as a document: path ▸ (value, the words on the command line); carets stand under the words."""
    places: dict[str, Place] = {}
    text = ""
    for path, (_, words) in flags.items():
        start = len(text) + (1 if text else 0)
        text += (" " if text else "") + words.replace("\n", " ")
        place = Place(1, start + 1, 1, len(text) + 1)
        places[path] = places[KEY + path] = place
    return Document({path: value for path, (value, _) in flags.items()}, Source(name, text, lambda: places))

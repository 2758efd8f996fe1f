"""What can be wrong, where: findings, the texts they point into, and the list of rules.

A finding is made with a path (``requests[0].context``); the Source of the text gives it line and column, once, at
the edge. This module knows nothing of what is being read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the line ends of YAML; columns are counted from the last
_UNQUOTED = str.maketrans('"[', "'(")  # a quoted key in a path holds neither its quotes nor a bracket

_LONGEST_PATH = 200

KEY = "key:"  # before a path in a map of places: the place of the key itself, not of its value


class Rule(NamedTuple):
    """A numbered kind of finding."""

    severity: str  # error | warning | note
    summary: str


RULES: Mapping[str, Rule] = {
    "KV001": Rule("error", "unknown key"),
    "KV002": Rule("error", "duplicate key"),
    "KV003": Rule("error", "the text is not well-formed"),
    "KV004": Rule("error", "the text is larger than kvplan reads"),
    "KV005": Rule("error", "the text is nested deeper than kvplan reads"),
    "KV006": Rule("error", "merge keys, tags, cyclic or too many aliases"),
    "KV007": Rule("error", "a value of the wrong type"),
    "KV008": Rule("error", "a missing key"),
    "KV009": Rule("error", "a quantity that cannot be read"),
    "KV010": Rule("error", "a value out of range"),
    "KV011": Rule("error", "an unknown name"),
    "KV012": Rule("warning", "YAML 1.1 would read this differently"),
    "KV013": Rule("error", "a number that is not finite"),
    "KV014": Rule("note", "a token count that engines read differently"),
    "KV015": Rule("error", "not yet supported"),
    "KV016": Rule("error", "a file that cannot be read"),
    "KV017": Rule("error", "an architecture that kvplan does not know"),
    "KV018": Rule("error", "keys that contradict each other"),
    "KV019": Rule("error", "more findings than are looked at"),
    "KV101": Rule("note", "the context is past the trained positions"),
    "KV102": Rule("error", "a total past the largest number that kvplan counts to"),
    "KV103": Rule("note", "a value taken from the class default of the architecture"),
    "KV104": Rule("error", "the sequences are longer than max_model_len"),
    "KV105": Rule("error", "the prefix is longer than the input that contains it"),
    "KV106": Rule("warning", "the prefix is shorter than one block and saves nothing"),
    "KV107": Rule("error", "more sequences at once than max_num_seqs allows"),
    "KV108": Rule("warning", "more sequences in an instance than the engine admits by default"),
    "KV109": Rule("warning", "the engine would not start with so long a sequence as its longest"),
    "KV110": Rule("warning", "an index whose size is far from what the architecture counts"),
    "KV201": Rule("error", "the workload does not fit its fleet"),
    "KV202": Rule("warning", "neither a place for everything was found nor that there is none"),
    "KV301": Rule("error", "the engine refuses the split"),
    "KV302": Rule("error", "the engine refuses the KV format"),
    "KV303": Rule("error", "the engine or its version does not serve the model"),
    "KV304": Rule("error", "an engine or version without a rule"),
    "KV305": Rule("warning", "the engine ignores what is asked"),
    "KV306": Rule("error", "the engine refuses the option or block size"),
    "KV401": Rule("error", "an expectation is not met"),
    "KV402": Rule("error", "an expectation on an unknown figure"),
    "KV501": Rule("warning", "the verdict hangs on a fact"),
    "KV601": Rule("error", "not the form of a plan"),
    "KV602": Rule("error", "a plan was changed after it was made"),
    "KV603": Rule("error", "a fleet or a seat that is not there, or taken twice"),
    "KV604": Rule("error", "a room that does not follow from memory, weights and reserve"),
    "KV605": Rule("error", "a region without a place, or in two"),
    "KV606": Rule("error", "an instance that holds more or less than its plan says"),
    "KV607": Rule("error", "a bound that its certificate does not prove"),
    "KV608": Rule("error", "a total or figure that does not follow from the plan"),
    "KV609": Rule("error", "a plan of another workload"),
}


class Place(NamedTuple):
    """A stretch of text: 1-based lines and columns in code points, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in one place."""

    rule: str
    path: str
    message: str
    note: str = ""
    help: str = ""
    on_key: bool = False
    file: str = ""
    place: Place | None = None
    excerpt: str = ""

    @property
    def severity(self) -> str:
        """Severity of the rule: error, warning or note."""
        return RULES[self.rule].severity

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """File, line, column, rule: the order in which findings are shown."""
        place = self.place or Place(0, 0, 0, 0)
        return (self.file, place.line, place.column, self.rule, self.message)

    def to_dict(self) -> dict[str, object]:
        """The JSON keys of a finding; places are null where a finding has no text."""
        place = self.place
        return {
            "rule": self.rule,
            "severity": self.severity,
            "file": self.file,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "end_line": place.end_line if place else None,
            "end_column": place.end_column if place else None,
            "path": self.path,
            "message": self.message,
            "note": self.note,
            "help": self.help,
        }


class Source:
    """A text and the places of its paths, which are worked out only when a finding asks."""

    def __init__(self, name: str, text: str, places: Callable[[], Mapping[str, Place]]) -> None:
        self.name = name
        self.text = text
        self._find = places
        self._places: Mapping[str, Place] | None = None
        self._lines: list[str] | None = None

    def locate(self, finding: Finding) -> Finding:
        """The finding with file, place and excerpt; the nearest enclosing path stands in for one without a place."""
        if finding.place is not None and finding.file:
            return finding
        if self._places is None:
            self._places = self._find()
        place = finding.place or self._nearest(finding.path, on_key=finding.on_key)
        return replace(finding, file=finding.file or self.name, place=place, excerpt=self._line(place.line))

    def _line(self, number: int) -> str:
        """A line of the text, at most 400 code points of it."""
        if self._lines is None:
            self._lines = LINE_END.split(self.text)
        return self._lines[number - 1][:400] if 0 < number <= len(self._lines) else ""

    def _nearest(self, path: str, *, on_key: bool) -> Place:
        places = self._places or {}
        if on_key and (place := places.get(KEY + path)):
            return place
        if place := places.get(path):
            return place
        while path:
            path = parent_path(path)
            if place := places.get(KEY + path) or places.get(path):
                whole = place.line == place.end_line
                return place if whole else Place(place.line, place.column, place.line, place.column + 1)
        return Place(1, 1, 1, 1)


def printable(text: str) -> str:
    """Text without control characters, line ends kept: names and values come from files and flags."""
    return "".join(letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}" for letter in text)


def join_path(path: str, key: str | int) -> str:
    """``requests`` and 0 and ``context`` ▸ ``requests[0].context``; odd keys are quoted, long ones cut.

    What is nested too deep for a readable path keeps the path of its parent, so that places cost little memory.
    """
    if len(path) > _LONGEST_PATH:
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    if 0 < len(key) <= 80 and all(letter.isalnum() or letter in "_-" for letter in key):
        return f"{path}.{key}" if path else key
    short = key if len(key) <= 80 else key[:79] + "…"
    return f'{path}["{short.translate(_UNQUOTED)}"]'


def parent_path(path: str) -> str:
    """``requests[0].context`` ▸ ``requests[0]`` ▸ ``requests`` ▸ ``""``."""
    if path.endswith('"]'):
        return path[: max(path.rfind('["'), 0)]
    return path[: max(path.rfind("."), path.rfind("["), 0)]

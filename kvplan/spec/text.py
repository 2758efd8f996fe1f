"""YAML or JSON text ▸ a tree with places; YAML from its events, in one bounded pass and without recursion.

Scalars follow the YAML 1.2 core schema. Merge keys, tags and second documents are refused: each is read differently by
the tools that a workload passes through. The only importer of yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from kvplan.errors import SpecError
from kvplan.findings import KEY, Finding, Place, Source, join_path
from kvplan.spec.json_text import read_json
from kvplan.spec.kinds import MAX_FINDINGS, too_many
from kvplan.spec.scalars import read_scalar
from kvplan.spec.tree import MAX_ALIASES, MAX_DEPTH, MAX_NODES, Document, Tree

_Event = Any  # the stubs of yaml know no attributes of events
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # events only: the loader's own construction is never used


def read(text: str, name: str) -> Document:
    """A text by its name: JSON for ``*.json``, YAML for everything else."""
    return read_json(text, name) if name.endswith(".json") else read_yaml(text, name)


def read_yaml(text: str, name: str) -> Document:
    """YAML text ▸ Document, by the events of a bounded parse.

    Raises: SpecError with every finding of the text.
    """
    built = build(text)
    source = Source(name, text, lambda: built.places)
    findings = [source.locate(finding) for finding in built.findings]
    if any(finding.severity == "error" for finding in findings):
        raise SpecError(findings)
    return Document(built.tree, source, tuple(findings))


class Built:
    """A tree, the places of its paths, and what was found on the way."""

    def __init__(self) -> None:
        self.tree: Tree = None
        self.places: dict[str, Place] = {}
        self.findings: list[Finding] = []


class _Frame:
    """An open mapping or list.

    key: of a mapping, the key that waits for its value.
    broken: whether that key is refused, so that its value is read and dropped.
    """

    def __init__(self, path: str, tree: Tree, place: Place, anchor: str | None, first_node: int) -> None:
        self.path = path
        self.tree = tree
        self.place = place
        self.anchor = anchor
        self.first_node = first_node
        self.key: str | None = None
        self.broken = False
        self.lines: dict[str, int] = {}


class _StopBuildError(Exception):
    """A bound is passed: the rest is not read."""


def build(text: str) -> Built:
    """The tree of a YAML text; at most one fault of the form, and every other finding."""
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except _StopBuildError:
        pass
    except yaml.MarkedYAMLError as error:
        if depth_at := _too_deep_at(error):
            return build(text[:depth_at])
        builder.result.findings.append(_syntax_finding(text, error))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        builder.result.findings.append(
            Finding("KV003", "", f"not well-formed YAML: {error}"[:200], place=Place(1, 1, 1, 2))
        )
    if builder.documents == 0 and not builder.result.findings:
        builder.fault("KV003", "", "the text is empty", Place(1, 1, 1, 1), help="write `kvplan: 1` and the workload")
    return builder.result


def _too_deep_at(error: yaml.MarkedYAMLError) -> int:
    """Where the parser gave up at a depth of its own, far beyond MAX_DEPTH, before it told of any opening; else 0.

    From libyaml 0.2.6 on it looks ahead for the end of what could be a key; the text up to there is told of as usual.
    """
    mark = error.problem_mark
    return mark.index if mark is not None and "nesting depth" in str(error.problem) else 0


def _events(text: str) -> Iterator[_Event]:
    return iter(yaml.parse(text, Loader=_LOADER))


def _syntax_finding(text: str, error: yaml.MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = f"{error.problem or 'not well-formed YAML'}" + (f", {error.context}" if error.context else "")
    hint = "check indentation, quotes and brackets"
    if "{{" in text or "{%" in text:
        hint = "this looks like a template: render it first"
    elif mark and text[mark.index : mark.index + 1] == "\t":
        hint = "indent with spaces, not tabs"
    return Finding("KV003", "", problem, help=hint, place=Place(line, column, line, column + 1))


class _Builder:
    def __init__(self) -> None:
        self.result = Built()
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Tree, int] | None] = {}  # None while the anchored node is still open
        self.documents = self.nodes = self.aliases = 0

    def fault(self, rule: str, path: str, message: str, place: Place, *, help: str = "", note: str = "") -> None:
        self.result.findings.append(Finding(rule, path, message, help=help, note=note, place=place))
        if len(self.result.findings) >= MAX_FINDINGS:
            self.result.findings.append(replace(too_many(), place=place))
            raise _StopBuildError

    def take(self, event: _Event) -> None:
        place = Place(
            event.start_mark.line + 1, event.start_mark.column + 1, event.end_mark.line + 1, event.end_mark.column + 1
        )
        if isinstance(event, yaml.ScalarEvent):
            self.on_scalar(event, place)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self.on_open(event, place)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.on_close(place)
        elif isinstance(event, yaml.AliasEvent):
            self.on_alias(event, place)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.fault("KV003", "", "a second document (`---`)", place, help="keep one workload in a file")
                raise _StopBuildError

    def count(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self.fault(
                "KV004",
                "",
                f"more than {MAX_NODES:,} values, aliases counted",
                place,
                help="give long lists as a trace",
            )
            raise _StopBuildError

    def on_scalar(self, event: _Event, place: Place) -> None:
        frame = self.frames[-1] if self.frames else None
        self.count(1, place)
        self.check_tag(event, place)
        if frame is not None and isinstance(frame.tree, dict) and frame.key is None:
            return self.on_key(frame, event.value, place, plain=event.implicit[0])
        path = self.path()
        value = self.plain_scalar(event.value, path, place) if event.implicit[0] else event.value
        self.store(value, path, place)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        return None

    def on_key(self, frame: _Frame, key: str, place: Place, *, plain: bool) -> None:
        path = join_path(frame.path, key)
        if plain and key == "<<":
            self.fault(
                "KV006",
                frame.path,
                "merge keys (`<<`) are not read",
                place,
                help="write the keys out, or use an alias for a whole value",
            )
            frame.key, frame.broken = key, True
            return
        if key in frame.lines:
            self.fault(
                "KV002",
                path,
                f"duplicate key `{key}`",
                place,
                help=f"first set on line {frame.lines[key]}; YAML readers silently keep the last one",
            )
            frame.key, frame.broken = key, True
            return
        frame.lines[key] = place.line
        frame.key = key
        self.result.places[KEY + path] = place

    def on_open(self, event: _Event, place: Place) -> None:
        self.count(1, place)
        self.check_tag(event, place)
        if len(self.frames) >= MAX_DEPTH:
            self.fault("KV005", self.path(), f"nested deeper than {MAX_DEPTH} levels", place, help="flatten the text")
            raise _StopBuildError
        frame = self.frames[-1] if self.frames else None
        if frame is not None and isinstance(frame.tree, dict) and frame.key is None:
            self.fault(
                "KV003",
                frame.path,
                "a key that is itself a mapping or list",
                place,
                help="keys are text; `{{ … }}` looks like a template: render it first, or quote it",
            )
            raise _StopBuildError
        tree: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor:
            self.anchors[event.anchor] = None
        self.frames.append(_Frame(self.path(), tree, place, event.anchor, self.nodes))

    def on_close(self, place: Place) -> None:
        frame = self.frames.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.tree, self.nodes - frame.first_node + 1)
        span = Place(frame.place.line, frame.place.column, place.end_line, place.end_column)
        self.store(frame.tree, frame.path, span)

    def on_alias(self, event: _Event, place: Place) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.fault("KV006", self.path(), f"more than {MAX_ALIASES} aliases", place, help="write the values out")
            raise _StopBuildError
        frame = self.frames[-1] if self.frames else None
        if frame is not None and isinstance(frame.tree, dict) and frame.key is None:
            self.fault("KV006", frame.path, f"the alias `*{event.anchor}` as a key", place, help="write the key out")
            raise _StopBuildError
        anchored = self.anchors.get(event.anchor, (None, 0))
        if not anchored or not anchored[1]:
            problem = "refers to itself" if anchored is None else "has no anchor before it"
            self.fault(
                "KV006", self.path(), f"the alias `*{event.anchor}` {problem}", place, help="write the value out"
            )
            raise _StopBuildError
        self.count(anchored[1], place)
        self.store(anchored[0], self.path(), place)

    def path(self) -> str:
        """Path of the node that comes next."""
        if not self.frames:
            return ""
        frame = self.frames[-1]
        return (
            join_path(frame.path, frame.key or "")
            if isinstance(frame.tree, dict)
            else join_path(frame.path, len(frame.tree))
        )

    def store(self, value: Tree, path: str, place: Place) -> None:
        if not self.frames:
            self.result.tree = value
            self.result.places[path] = place
            return
        frame = self.frames[-1]
        if isinstance(frame.tree, list):
            frame.tree.append(value)
        elif not frame.broken:
            frame.tree[frame.key] = value
        if not frame.broken:
            self.result.places[path] = place
        frame.key, frame.broken = None, False

    def check_tag(self, event: _Event, place: Place) -> None:
        if event.tag is not None:
            frame = self.frames[-1] if self.frames else None
            on_key = frame is not None and isinstance(frame.tree, dict) and frame.key is None
            path = frame.path if frame is not None and on_key else self.path()
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:60]
            self.fault("KV006", path, f"the tag `{tag}`: tags are not allowed", place, help="write the value plainly")

    def plain_scalar(self, text: str, path: str, place: Place) -> Tree:
        value, problem = read_scalar(text)
        if problem:
            self.fault(problem.rule, path, problem.message, place, help=problem.help, note=problem.note)
        return value

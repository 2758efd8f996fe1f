"""A second pass over a JSON text, only when there is a finding: the place of every key and value, and every fault.

The pass is a loop over tokens, so depth costs no stack; it stops at the first fault of the form.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from contextlib import suppress
from dataclasses import replace

from kvplan.findings import KEY, LINE_END, Finding, Place, join_path
from kvplan.spec.kinds import MAX_FINDINGS, too_many
from kvplan.spec.scalars import read_decimal
from kvplan.spec.tree import MAX_DEPTH, MAX_DIGITS, MAX_NODES

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<word>true|false|null)|(?P<infinite>-?(?:NaN|Infinity))|(?P<mark>[\[\]{},:])"
)


class Scan:
    """The places of a JSON text and what is wrong with it."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.findings: list[Finding] = []


def scan(text: str) -> Scan:
    """Places by path (keys under ``key:`` before the path) and every finding of the text."""
    scanner = _Scanner(text)
    with suppress(_StopScanError):
        scanner.run()
    return scanner.result


def _is_text(token: str) -> bool:
    try:
        json.loads(token).encode()
    except UnicodeEncodeError:
        return False
    return True


class _StopScanError(Exception):
    """The form is broken here: nothing after it can be placed."""


class _Frame:
    """An open object or array: its path, where it began, and what may come next."""

    def __init__(self, path: str, start: int, *, is_object: bool) -> None:
        self.path = path
        self.start = start
        self.is_object = is_object
        self.keys: dict[str, int] = {}
        self.count = 0
        self.expects = "key_or_end" if is_object else "value_or_end"
        self.child = ""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.result = Scan()
        self.frames: list[_Frame] = []
        self.position = 0
        self.nodes = 0
        self.lines = [0] + [match.end() for match in LINE_END.finditer(text)]

    def place(self, start: int, end: int) -> Place:
        line, end_line = bisect_right(self.lines, start), bisect_right(self.lines, max(end - 1, start))
        return Place(line, start - self.lines[line - 1] + 1, end_line, end - self.lines[end_line - 1] + 1)

    def fault(self, rule: str, message: str, start: int, end: int, help: str = "", path: str | None = None) -> None:
        path = path if path is not None else self.frames[-1].path if self.frames else ""
        self.result.findings.append(
            Finding(rule, path, message, help=help, place=self.place(start, max(end, start + 1)))
        )
        if len(self.result.findings) >= MAX_FINDINGS:
            self.result.findings.append(replace(too_many(), place=self.result.findings[-1].place))
            raise _StopScanError

    def stop(self, message: str, help: str = "check the text with a JSON tool", rule: str = "KV003") -> None:
        self.fault(rule, message, self.position, self.position + 1, help)
        raise _StopScanError

    def run(self) -> None:
        self.value("")
        while self.frames:
            frame = self.frames[-1]
            getattr(self, "on_" + frame.expects)(frame)
        self.skip()
        if self.position < len(self.text):
            self.stop("text after the end of the JSON value", "keep one value in a file")

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def token(self) -> tuple[str, str, int]:
        self.skip()
        start = self.position
        match = _TOKEN.match(self.text, start)
        if match is None:
            self.stop("the text ends too early" if start >= len(self.text) else "not well-formed JSON here")
        assert match is not None
        self.position = match.end()
        return match.lastgroup or "", match[0], start

    def value(self, path: str, token: tuple[str, str, int] | None = None) -> None:
        kind, text, start = token or self.token()
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.stop(f"more than {MAX_NODES:,} values", "a spec is small; give long lists as a trace", "KV004")
        if text in ("{", "["):
            if len(self.frames) >= MAX_DEPTH:
                self.position = start
                self.stop(f"nested deeper than {MAX_DEPTH} levels", "flatten the text", "KV005")
            self.frames.append(_Frame(path, start, is_object=text == "{"))
            return
        if kind == "mark":
            self.position = start
            self.stop(f"a value is missing before `{text}`")
        if kind == "infinite":
            self.fault("KV013", f"`{text}` is not a finite number", start, self.position, "write a number", path)
        digits = len(text.lstrip("-"))
        if kind == "number" and digits > MAX_DIGITS and text.lstrip("-").isdigit():
            self.fault("KV010", f"a number of {digits} digits", start, self.position, "write a smaller number", path)
        elif kind == "number" and read_decimal(text) is None:
            self.fault("KV010", f"`{text[:40]}` is out of range", start, self.position, "write a smaller number", path)
        elif kind == "string" and not _is_text(text):
            self.fault("KV003", "half of a surrogate pair", start, self.position, "write the whole character", path)
        self.result.places[path] = self.place(start, self.position)

    def on_key_or_end(self, frame: _Frame) -> None:
        kind, text, start = self.token()
        if text == "}" and kind == "mark" and frame.count == 0:
            return self.close(frame)
        if kind != "string":
            self.position = start
            self.stop("a key in double quotes is missing here")
        key = json.loads(text)
        path = join_path(frame.path, key)
        place = self.place(start, self.position)
        if key in frame.keys:
            self.fault(
                "KV002",
                f"duplicate key `{key}`",
                start,
                self.position,
                f"first set on line {frame.keys[key]}; keep one",
                path,
            )
        frame.keys.setdefault(key, place.line)
        self.result.places[KEY + path] = place
        _, mark, after = self.token()
        if mark != ":":
            self.position = after
            self.stop("`:` is missing after the key")
        frame.expects = "next"
        frame.count += 1
        self.value(path)
        return None

    def on_value_or_end(self, frame: _Frame) -> None:
        token = self.token()
        if token[1] == "]" and token[0] == "mark" and frame.count == 0:
            return self.close(frame)
        frame.expects = "next"
        frame.count += 1
        self.value(join_path(frame.path, frame.count - 1), token)
        return None

    def on_next(self, frame: _Frame) -> None:
        _, text, start = self.token()
        if text == ("}" if frame.is_object else "]"):
            return self.close(frame)
        if text != ",":
            self.position = start
            self.stop("`,` is missing before this")
        frame.expects = "key_or_end" if frame.is_object else "value_or_end"
        return None

    def close(self, frame: _Frame) -> None:
        self.frames.pop()
        self.result.places[frame.path] = self.place(frame.start, self.position)

"""Versions of an engine, and what changed with which: a change is a line of catalog/engines.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Version = tuple[int, int, int]

_VERSION = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.post[0-9]{1,2})?", re.ASCII)


def parse_version(text: str) -> Version | None:
    """``0.32`` ▸ (0, 32, 0); None where it is no release.

    >>> parse_version("0.10.1"), parse_version("0.20.1rc1")
    ((0, 10, 1), None)
    """
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def in_range(version: Version, first: str, last: str) -> bool:
    """Whether a version lies between two releases, any patch of the last included."""
    low, high = parse_version(first), parse_version(last)
    return low is not None and high is not None and low <= version and version[:2] <= high[:2]


def value_at(history: Sequence[Sequence[Any]], version: Version) -> Any:  # noqa: ANN401 - a rule has a type of its own
    """The value that the newest line not after the version gives.

    >>> value_at([["0.9.0", 100], ["0.12.0", 125]], (0, 13, 0))
    125
    """
    value = history[0][1]
    for first, changed in history:
        if (parse_version(first) or (0, 0, 0)) <= version:
            value = changed
    return value


class Rules:
    """The rules of an engine in one version."""

    def __init__(self, rules: Mapping[str, Sequence[Sequence[Any]]], version: Version) -> None:
        self._rules = rules
        self._version = version

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a rule has a type of its own
        return value_at(self._rules[name], self._version)

"""KEY=VALUE on the command line, and which flags a verb hands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvplan.errors import SpecError
from kvplan.findings import Finding


def flags(values: Mapping[str, Any], known: type[Any]) -> dict[str, Any]:
    """The flags of a verb that were given, from the arguments of its command.

    known: the verb's flags, as answers/flags.py has them.
    """
    given = {name: value for name, value in values.items() if name in known.__annotations__ and value is not None}
    options = split(values["engine_option"], "--engine-option")
    return given | {"engine_options": options, "set": split(values["set_"], "--set")}


def split(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` ▸ ``{"a": "1", "b": "2"}``.

    Raises: SpecError (KV009) for an item without ``=``, (KV002) for a key given twice.
    """
    pairs: dict[str, str] = {}
    for item in items or ():
        key, mark, value = item.partition("=")
        if not mark or not key.strip():
            raise SpecError(
                [Finding("KV009", "", f"`{flag} {item[:60]}` is not KEY=VALUE", help=f"write {flag} KEY=VALUE")]
            )
        if key.strip() in pairs:
            raise SpecError([Finding("KV002", "", f"`{flag} {key.strip()[:60]}` is given twice", help="keep one")])
        pairs[key.strip()] = value.strip()
    return pairs

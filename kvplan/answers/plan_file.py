"""A plan.json ▸ its tree, strictly read, and its text for the places of findings. It may be anything of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import Finding, Place, Source
from kvplan.spec import json_places
from kvplan.spec.tree import decode

MAX_PLAN_BYTES = 1 << 28  # a plan of 2,000 racks of single accelerators takes a fifth of it


class PlanText(NamedTuple):
    """A plan as it was written: its tree, and the text that findings point into."""

    tree: Any
    source: Source


class _PlanError(ValueError):
    """What the json module would let pass."""


def read_plan_text(path: Path) -> PlanText:
    """The tree of a plan.json.

    Raises: SpecError (KV016, KV004, KV003, KV002, KV013) for a file that cannot be read, or is no strict JSON.
    """
    name = str(path)
    text = decode(files.read_bytes(path, name=name, limit=MAX_PLAN_BYTES), name)
    source = Source(name, text, lambda: json_places.scan(text).places)
    try:
        tree = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except _PlanError as error:
        raise SpecError([_fault(name, "KV003", str(error), Place(1, 1, 1, 2))]) from None
    except RecursionError:
        raise SpecError([_fault(name, "KV005", "nested deeper than any plan", Place(1, 1, 1, 2))]) from None
    except json.JSONDecodeError as error:
        place = Place(error.lineno, error.colno, error.lineno, error.colno + 1)
        raise SpecError([_fault(name, "KV003", f"not well-formed JSON: {error.msg.lower()}", place)]) from None
    except ValueError:
        raise SpecError([_fault(name, "KV010", "a number of too many digits", Place(1, 1, 1, 2))]) from None
    return PlanText(tree, source)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise _PlanError("a key is written twice: readers differ on which counts")
    return tree


def _constant(text: str) -> Any:  # noqa: ANN401 - never returns
    raise _PlanError(f"{text} is no number of JSON")


def _fault(name: str, rule: str, message: str, place: Place) -> Finding:
    help = "name a plan that `kvplan place -o` wrote"
    return Finding(rule, "", message, help=help, file=name, place=place)

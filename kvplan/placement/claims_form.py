"""The form of plan.json: which keys there are, what may stand at each, and how much of it.

Holds for any JSON tree, however hostile: it looks at every value once and at no number's digits. Whatever passes is
safe to calculate with: whole numbers below 2**62, short texts, lists of bounded length.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain
from typing import Any, NamedTuple

from kvplan.findings import Finding, join_path, printable
from kvplan.units import MAX_INTEGER

FORMAT_VERSION = 1  # the only one that these claims are about

_MOST_ROWS = 5_000_000  # runs, leftovers or copies
_MOST_ACCELERATORS = 1 << 20
_MOST_DEPLOYMENTS = 1 << 12
_MOST_STAGES = 1 << 14  # of all deployments
_MOST_PARTS = 1 << 8
_LONGEST_TEXT = 400
_LONGEST_RACKS = 1 << 21  # names of racks, joined
_DECIMAL = re.compile(r"(?!.{41})(0?\.\d*[1-9]\d*|1(\.0+)?)", re.ASCII)
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"\d[0-9A-Za-z.+-]{0,39}", re.ASCII)


class Column(NamedTuple):
    """What stands at one key, in every mapping that has it, and where."""

    values: Sequence[Any]
    path: Callable[[int], str]


Check = Callable[[Column], Iterator[Finding]]


def form_findings(tree: object) -> Iterator[Finding]:
    """What is wrong with the form of a plan; of what is no plan at all, that alone."""
    if not isinstance(tree, Mapping) or tree.get("kind") != "plan":
        return iter([_fault("", "this is no plan: its kind is not `plan`", "name a plan that `kvplan place -o` wrote")])
    version = tree.get("format_version")
    if isinstance(version, int) and not isinstance(version, bool) and version != FORMAT_VERSION:
        message = f"the format of this plan is another: {FORMAT_VERSION} is known"
        return iter([_fault("format_version", message, "use the kvplan that made it, or place again")])
    return _PLAN(Column([tree], lambda _: ""))


def _fault(path: str, message: str, help: str = "") -> Finding:
    return Finding("KV601", _line(path), message, help=help)


def _line(text: str) -> str:
    """Text of a plan in one line, without control characters."""
    return printable(text).replace("\n", "\\x0a")


def _shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return f"{value}" if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"
    if isinstance(value, str):
        return f"`{_line(value if len(value) <= 40 else value[:39] + '…')}`"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value) if isinstance(value, float) else "a mapping" if isinstance(value, dict) else "something else"


def _values(wants: str, sound: Callable[[Any], bool]) -> Check:
    """Values that are each sound by themselves."""

    def check(column: Column) -> Iterator[Finding]:
        for index, value in enumerate(column.values):
            if not sound(value):
                yield _fault(column.path(index), f"wants {wants}, has {_shown(value)}")

    return check


def _whole(low: int, wants: str) -> Check:
    one_by_one = _values(wants, lambda value: type(value) is int and low <= value < MAX_INTEGER)

    def check(column: Column) -> Iterator[Finding]:
        types = set(map(type, column.values))
        if types - {int} or (types and not (low <= min(column.values) and max(column.values) < MAX_INTEGER)):
            yield from one_by_one(column)

    return check


def _text(low: int, longest: int, wants: str = "") -> Check:
    wants = wants or f"a printable text of {low} to {longest} characters"
    one_by_one = _values(
        wants, lambda value: type(value) is str and low <= len(value) <= longest and value.isprintable()
    )

    def check(column: Column) -> Iterator[Finding]:
        values = column.values
        if set(map(type, values)) == {str} and all(map(str.isprintable, values)):
            lengths = set(map(len, values))
            if low <= min(lengths) and max(lengths) <= longest:
                return
        yield from one_by_one(column)

    return check


def _pattern(pattern: re.Pattern[str], wants: str) -> Check:
    return _values(
        wants,
        lambda value: type(value) is str and len(value) <= _LONGEST_TEXT and pattern.fullmatch(value) is not None,
    )


def _choice(*words: str) -> Check:
    return _values(" or ".join(words), lambda value: type(value) is str and value in words)


def _list(inner: Check, most: int) -> Check:
    """Lists, and what stands in all of them together."""

    def check(column: Column) -> Iterator[Finding]:
        wrong = [index for index, value in enumerate(column.values) if type(value) is not list]
        for index in wrong:
            yield _fault(column.path(index), f"wants a list, has {_shown(column.values[index])}")
        if wrong:
            return
        starts = list(accumulate(map(len, column.values), initial=0))
        if starts[-1] > most:
            yield _fault(column.path(0), f"{starts[-1]} entries, more than {most}")
            return

        def path(index: int) -> str:
            owner = bisect_right(starts, index) - 1
            return f"{column.path(owner)}[{index - starts[owner]}]"

        yield from inner(Column(list(chain.from_iterable(column.values)), path))

    return check


def _mapping(fields: Mapping[str, Check]) -> Check:
    """Mappings with exactly these keys."""
    names = fields.keys()

    def check(column: Column) -> Iterator[Finding]:
        sound = True
        for index, value in enumerate(column.values):
            if type(value) is not dict:
                sound = False
                yield _fault(column.path(index), f"wants a mapping, has {_shown(value)}")
            elif value.keys() != names:
                sound = False
                yield from _key_faults(value, fields, column.path(index))
        for name in names if sound else ():
            values = [value[name] for value in column.values]
            yield from fields[name](Column(values, partial(_at, column.path, name)))

    return check


def _at(path: Callable[[int], str], name: str, index: int) -> str:
    return join_path(path(index), name)


def _key_faults(value: Mapping[Any, Any], fields: Mapping[str, Check], path: str) -> Iterator[Finding]:
    for name in fields:
        if name not in value:
            yield _fault(join_path(path, name), "the key is missing")
    for name in value:
        if name not in fields:
            yield _fault(path, f"unknown key {_shown(name)}", help=f"known are {', '.join(fields)}")


def _rows(most: int, **fields: Check) -> Check:
    return _list(_mapping({name.rstrip("_"): check for name, check in fields.items()}), most)


_NUMBER = _whole(0, "a whole number of 0 or more, below 2^62")
_POSITIVE = _whole(1, "a whole number of 1 or more, below 2^62")
_SIGNED = _whole(1 - MAX_INTEGER, "a whole number between -2^62 and 2^62")
_TEXT = _text(1, _LONGEST_TEXT)
_NAME = _text(0, _LONGEST_TEXT)
_RACKS = _text(1, _LONGEST_RACKS, "names of racks")
_FRACTION = _pattern(_DECIMAL, "a decimal above 0 and up to 1, of at most 40 characters")
_HASH = _pattern(_FINGERPRINT, "sha256: and 64 hexadecimal digits")
_FLAG = _values("true or false", lambda value: type(value) is bool)
_SHARE = _values("a share from 0.0 to 1.0", lambda value: type(value) is float and 0.0 <= value <= 1.0)
_PHASE = _choice("decode", "prefill", "agent_loop")

_FLEET = _rows(
    _MOST_PARTS,
    system=_TEXT, count=_NUMBER, exclude=_list(_TEXT, _MOST_ACCELERATORS), first_rack=_NUMBER, native_groups=_NUMBER,
    nodes=_NUMBER, accelerators=_NUMBER, hbm_engine_visible_bytes=_POSITIVE,
)  # fmt: skip
_STAGES = _rows(_MOST_STAGES, ranks=_POSITIVE, weights_bytes=_NUMBER, block_bytes=_NUMBER)
_ROOMS = _rows(
    _MOST_DEPLOYMENTS * 16, part=_NUMBER, memory_bytes=_NUMBER, reserve_bytes=_NUMBER, capacity_blocks=_NUMBER
)
_CLASSES = _rows(
    _MOST_ACCELERATORS,
    class_=_NAME, priority=_SIGNED, first_region=_NUMBER, regions=_NUMBER, prefix_blocks=_NUMBER, prefixes=_NUMBER,
)  # fmt: skip
_DEPLOYMENTS = _rows(
    _MOST_DEPLOYMENTS,
    deployment=_TEXT, model=_TEXT, engine=_TEXT, kv_format=_TEXT, phase=_PHASE,
    accounting=_choice("peak", "now", "reserved"), topology=_choice("required", "preferred"),
    tensor_parallel=_POSITIVE, pipeline_parallel=_POSITIVE, context_parallel=_POSITIVE, data_parallel=_POSITIVE,
    replicas=_NUMBER, replicas_asked=_NUMBER, max_num_seqs=_NUMBER, memory_fraction=_FRACTION, null_blocks=_NUMBER,
    stages=_STAGES, rooms=_ROOMS, classes=_CLASSES,
)  # fmt: skip
_REPLICAS = _rows(
    _MOST_ACCELERATORS,
    id=_text(1, _LONGEST_TEXT + 20), deployment=_TEXT, part=_NUMBER,
    phase=_PHASE, kv_format=_TEXT, rack=_RACKS, native_groups=_list(_TEXT, _MOST_ACCELERATORS),
    accelerators=_list(_TEXT, _MOST_ACCELERATORS), weights_bytes=_NUMBER, reserve_bytes=_NUMBER, kv_bytes_hot=_NUMBER,
    hbm_bytes_free=_NUMBER, first_instance=_NUMBER,
    instances=_rows(_MOST_ACCELERATORS, used_blocks=_NUMBER, capacity_blocks=_NUMBER),
)  # fmt: skip
_RUN = {"class_": _NAME, "size_blocks": _NUMBER, "count": _NUMBER, "first_region": _NUMBER}
_COPIES = _rows(_MOST_ROWS, class_=_NAME, size_blocks=_NUMBER, count=_NUMBER, instance=_NUMBER)
_CERTIFICATES = _rows(
    _MOST_DEPLOYMENTS,
    deployment=_TEXT, kind=_choice("l1", "l2", "dff"),
    function=_choice("sum", "threshold", "steps", "multiples", "count", "none"), parameter=_NUMBER, unit=_POSITIVE,
    capacity_blocks=_NUMBER, instances=_NUMBER, replicas=_NUMBER, accelerators=_NUMBER,
)  # fmt: skip
_SUMMARY = {
    **dict.fromkeys(("accelerators_used", "accelerators_total", "crossings", "regions", "placed", "unplaced"), _NUMBER),
    **dict.fromkeys(("kv_pool_utilization", "kv_pool_utilization_mean", "hbm_utilization"), _SHARE),
    "fits": _FLAG,
}
_PLAN = _mapping({
    "format_version": _values("1", lambda value: type(value) is int and value == FORMAT_VERSION),
    "kind": _choice("plan"),
    "kvplan": _pattern(_VERSION, "a version"),
    "workload": _TEXT,
    "fingerprint": _HASH,
    "seal": _HASH,
    "scenario": _choice("low", "nominal", "high"),
    "fleet": _FLEET,
    "deployments": _DEPLOYMENTS,
    "replicas": _REPLICAS,
    "runs": _rows(_MOST_ROWS, **_RUN, instance=_NUMBER),
    "copies": _COPIES,
    "leftovers": _rows(_MOST_ROWS, **_RUN, priority=_SIGNED),
    "tiers": _rows(16, tier=_TEXT, regions=_NUMBER, blocks=_NUMBER, bytes=_NUMBER),
    "bound": _mapping({
        "lower_bound": _NUMBER, "gap": _SIGNED, "proved_optimal": _FLAG, "certificates": _CERTIFICATES,
    }),
    "summary": _mapping(_SUMMARY),
})  # fmt: skip

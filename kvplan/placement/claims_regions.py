"""Claims about regions: each lives in one place or in none, instances hold what they say, nothing left would fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from kvplan.findings import Finding
from kvplan.placement.claims import Told
from kvplan.placement.claims_rows import Class, Leftover, Run

_NO_CLASS = Class("", 0, 0, 0, 0, 0)
_Interval = tuple[int, int, str, int]  # first region, regions, and the row: its table and index


def _fault(rule: str, path: str, message: str) -> Finding:
    return Finding(rule, path, message)


def region_findings(told: Told) -> Iterator[Finding]:
    """The classes share all regions out; runs and leftovers share out those of each class."""
    seen: dict[str, str] = {}
    ranges: list[_Interval] = []
    for number, deployment in enumerate(told.deployments):
        table = f"deployments[{number}].classes"
        for index, row in enumerate(deployment.classes):
            ranges.append((row.first_region, row.regions, table, index))
            path = f"{table}[{index}]"
            if seen.setdefault(row.class_, path) != path:
                yield _fault("KV605", f"{path}.class", f"`{row.class_}` is the name of another class")
    yield from _tiling(ranges, 0, told.tree["summary"]["regions"], "summary.regions")
    parts: defaultdict[str, list[_Interval]] = defaultdict(list)
    tables: tuple[tuple[str, Sequence[Run | Leftover]], ...] = (("runs", told.runs), ("leftovers", told.leftovers))
    for name, rows in tables:
        yield from _row_findings(told, name, rows)
        for index, line in enumerate(rows):
            parts[line.class_].append((line.first_region, line.count_, name, index))
    for name, (_, row) in told.class_of.items():
        yield from _tiling(parts[name], row.first_region, row.regions, f"{seen[name]}.regions")


def _tiling(intervals: Sequence[_Interval], start: int, regions: int, path: str) -> Iterator[Finding]:
    """Whether intervals cover so many regions from the first on, each once. path: of what says how many."""
    next_region = start
    for first, count, table, index in sorted(intervals):
        if first != next_region:
            lost = "in no row" if first > next_region else "in two rows"
            message = f"says {first}, but the rows before it end with region {next_region - 1}: some are {lost}"
            yield _fault("KV605", f"{table}[{index}].first_region", message)
        next_region = max(next_region, first + count)
    if next_region - start != regions:
        yield _fault("KV605", path, f"says {regions}, but the rows have {next_region - start}")


def _row_findings(told: Told, name: str, rows: Sequence[Run | Leftover]) -> Iterator[Finding]:
    """Whether each row is of a class, holds a region, and lies in an instance of its deployment."""
    homes = told.homes
    for index, line in enumerate(rows):
        home = told.class_of[line.class_][0] if line.class_ in told.class_of else None
        if home is None:
            yield _fault("KV605", f"{name}[{index}].class", f"no class is called `{line.class_}`")
        if line.count_ < 1:
            yield _fault("KV605", f"{name}[{index}].count", "says 0, but a row is of one region at least")
        if isinstance(line, Run) and not (
            line.instance < len(homes) and (home is None or homes[line.instance] in (home, -1))
        ):
            served = line.instance < len(homes)
            what = "which serves another deployment" if served else f"but there are {len(homes)} instances"
            yield _fault("KV605", f"{name}[{index}].instance", f"says {line.instance}, {what}")


def load_findings(told: Told) -> Iterator[Finding]:
    """Every instance holds the blocks that it says, no more than its room, and no more regions than its limit."""
    blocks = list(told.held.blocks)
    for copies in told.copies:
        if copies.instance < len(blocks):
            blocks[copies.instance] += copies.size_blocks * copies.count_
    most = [deployment.max_num_seqs for deployment in told.deployments]
    for number, (used, capacity) in enumerate(told.instances):
        regions, home = told.held.regions[number], told.homes[number]
        if used != blocks[number]:
            message = f"says {used}, but its runs and copies hold {blocks[number]}"
            yield _fault("KV606", f"{told.instance_path(number)}.used_blocks", message)
        if used > capacity:
            message = f"says {used}, but its capacity is {capacity}"
            yield _fault("KV606", f"{told.instance_path(number)}.used_blocks", message)
        if home >= 0 and 0 < most[home] < regions:
            message = f"holds {regions} regions, but max_num_seqs is {most[home]}"
            yield _fault("KV606", told.instance_path(number), message)


def copy_findings(told: Told) -> Iterator[Finding]:
    """Where regions of a class with shared prefixes are, there is a copy of each prefix that they can need."""
    for number, deployment in enumerate(told.deployments):
        for index, row in enumerate(deployment.classes):
            if (row.prefix_blocks > 0) != (row.prefixes > 0):
                message = f"{row.prefixes} prefixes of {row.prefix_blocks} blocks: both are 0 where nothing is shared"
                yield _fault("KV606", f"deployments[{number}].classes[{index}].prefixes", message)
    found: set[tuple[str, int]] = set()
    for index, (name, size, count, instance) in enumerate(told.copies):
        path = f"copies[{index}]"
        row = told.class_of[name][1] if name in told.class_of else _NO_CLASS
        needed = _copies(row, told.held.of_class.get(name, {}).get(instance, 0))
        if not needed:
            message = f"instance {instance} holds no region of `{name}` that shares a prefix"
            yield _fault("KV606", path, message)
            continue
        if (name, instance) in found:
            yield _fault("KV606", path, f"the copies of `{name}` in instance {instance} are in another row")
        if count != needed:
            yield _fault("KV606", f"{path}.count", f"says {count}, but the regions of `{name}` there need {needed}")
        if size != row.prefix_blocks:
            yield _fault("KV606", f"{path}.size_blocks", f"says {size}, but a prefix has {row.prefix_blocks}")
        found.add((name, instance))
    for name, (_, row) in told.class_of.items():
        for instance, regions in told.held.of_class.get(name, {}).items():
            if _copies(row, regions) and (name, instance) not in found:
                message = f"no copies of `{name}` in instance {instance}, but its {regions} regions there need them"
                yield _fault("KV606", "copies", message)


def _copies(row: Class, regions: int) -> int:
    """Copies of prefixes beside so many regions of a class."""
    return min(row.prefixes, regions) if row.prefix_blocks else 0


def leftover_findings(told: Told) -> Iterator[Finding]:
    """Leftovers have the priority of their class, and no instance of its deployment has room for one of them."""
    smallest: dict[str, tuple[int, int]] = {}
    for index, line in enumerate(told.leftovers):
        if line.class_ not in told.class_of:
            continue  # the claim about regions says so
        priority = told.class_of[line.class_][1].priority
        if line.priority != priority:
            message = f"says {line.priority}, but that of `{line.class_}` is {priority}"
            yield _fault("KV605", f"leftovers[{index}].priority", message)
        smallest[line.class_] = min(smallest.get(line.class_, (line.size_blocks, index)), (line.size_blocks, index))
    room = _spare_blocks(told)
    widest: dict[int, int] = {}
    for number, spare in enumerate(room):
        if spare > room[widest.setdefault(told.homes[number], number)]:
            widest[told.homes[number]] = number
    for name, (size, index) in smallest.items():
        home, row = told.class_of[name]
        # Beside enough regions of its class a region needs no further copy of a prefix; elsewhere it may need one.
        beside = {number for number, held in told.held.of_class.get(name, {}).items() if held >= row.prefixes}
        fits = [number for number in beside if told.homes[number] == home and size <= room[number]]
        extra = row.prefix_blocks if row.prefixes else 0
        if home in widest and size + extra <= room[widest[home]]:
            fits.append(widest[home])
        if fits:
            message = f"says {size} are left over, but instance {min(fits)} has {room[min(fits)]} blocks free"
            yield _fault("KV605", f"leftovers[{index}].size_blocks", message)


def _spare_blocks(told: Told) -> Sequence[int]:
    """Blocks free in each instance; −1 where it may hold no further region."""
    most = [deployment.max_num_seqs for deployment in told.deployments]
    return [
        -1 if home >= 0 and 0 < most[home] <= regions else capacity - used
        for (used, capacity), regions, home in zip(told.instances, told.held.regions, told.homes, strict=True)
    ]

"""What a plan says, and what its rows add up to: the ground that every claim about it stands on.

Rows are read from a tree of sound form (claims_form.py). What names something that is not there counts for nothing
here; the claim that owns the name says so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, starmap
from operator import itemgetter
from typing import Any, TypeVar

from kvplan.placement.claims_rows import (
    Certificate,
    Class,
    Copies,
    Deployment,
    Held,
    Instance,
    Leftover,
    Part,
    Replica,
    Room,
    Run,
    Stage,
    parse_place,
)

Row = TypeVar("Row")
Tree = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Told:
    """A plan as it says itself to be: its tree, and its rows."""

    tree: Mapping[str, Any]
    fleet: Sequence[Part]
    deployments: Sequence[Deployment]
    replicas: Sequence[Replica]
    runs: Sequence[Run]
    copies: Sequence[Copies]
    leftovers: Sequence[Leftover]
    certificates: Sequence[Certificate]

    @cached_property
    def first_racks(self) -> Sequence[int]:
        """The true number of the first rack of each part."""
        return list(accumulate((part.count_ for part in self.fleet), initial=0))[:-1]

    @cached_property
    def excluded(self) -> Sequence[frozenset[tuple[int, ...]]]:
        """The places that each part excludes, racks counted inside the part."""
        return [
            frozenset(place for place in map(parse_place, part.exclude) if place and part.has(place))
            for part in self.fleet
        ]

    @cached_property
    def number_of(self) -> Mapping[str, int]:
        """The number of each deployment; of two with one name, the first."""
        return {self.deployments[n].deployment: n for n in reversed(range(len(self.deployments)))}

    @cached_property
    def class_of(self) -> Mapping[str, tuple[int, Class]]:
        """Each class, and the number of its deployment."""
        return {
            row.class_: (number, row)
            for number, deployment in enumerate(self.deployments)
            for row in deployment.classes
        }

    @cached_property
    def room_of(self) -> Mapping[tuple[int, int], Room]:
        """The room of a deployment, by number, on a part."""
        return {
            (number, room.part): room
            for number, deployment in enumerate(self.deployments)
            for room in reversed(deployment.rooms)
            if room.part < len(self.fleet)
        }

    @cached_property
    def instances(self) -> Sequence[Instance]:
        """All instances, by number."""
        return [instance for replica in self.replicas for instance in replica.instances]

    @cached_property
    def owners(self) -> Sequence[int]:
        """The number of the replica that each instance is of."""
        return [number for number, replica in enumerate(self.replicas) for _ in replica.instances]

    @cached_property
    def homes(self) -> Sequence[int]:
        """The number of the deployment that each instance serves; −1 for an unknown one."""
        numbers = [self.number_of.get(replica.deployment, -1) for replica in self.replicas]
        return [numbers[owner] for owner in self.owners]

    @cached_property
    def held(self) -> Held:
        """What the runs add up to."""
        blocks, regions = [0] * len(self.instances), [0] * len(self.instances)
        of_class: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        for name, size, count, _, instance in self.runs:
            if instance < len(blocks):
                blocks[instance] += size * count
                regions[instance] += count
                of_class[name][instance] += count
        return Held(blocks, regions, of_class)

    def instance_path(self, number: int) -> str:
        """The path of an instance."""
        owner = self.owners[number]
        return f"replicas[{owner}].instances[{number - bisect_left(self.owners, owner)}]"


def read(tree: Tree) -> Told:
    """The rows of a tree whose form is sound."""
    return Told(
        tree,
        _PARTS(tree["fleet"]),
        [_deployment(row) for row in tree["deployments"]],
        [_replica(row) for row in tree["replicas"]],
        _RUNS(tree["runs"]),
        _COPIES(tree["copies"]),
        _LEFTOVERS(tree["leftovers"]),
        _CERTIFICATES(tree["bound"]["certificates"]),
    )


def _reader(make: Callable[..., Row], fields: Iterable[str]) -> Callable[[Iterable[Tree]], list[Row]]:
    """Mappings ▸ rows of the same names, but for an underscore at the end."""
    values = itemgetter(*(name.rstrip("_") for name in fields))
    return lambda rows: list(starmap(make, map(values, rows)))


_PARTS = _reader(Part, Part._fields)
_STAGES = _reader(Stage, Stage._fields)
_ROOMS = _reader(Room, Room._fields)
_CLASSES = _reader(Class, Class._fields)
_INSTANCES = _reader(Instance, Instance._fields)
_RUNS = _reader(Run, Run._fields)
_COPIES = _reader(Copies, Copies._fields)
_LEFTOVERS = _reader(Leftover, Leftover._fields)
_CERTIFICATES = _reader(Certificate, Certificate._fields)


def _deployment(row: Tree) -> Deployment:
    lists = {"stages": _STAGES(row["stages"]), "rooms": _ROOMS(row["rooms"]), "classes": _CLASSES(row["classes"])}
    return Deployment(**{name: row[name] for name in Deployment._fields} | lists)


def _replica(row: Tree) -> Replica:
    return Replica(**{name: row[name] for name in Replica._fields} | {"instances": _INSTANCES(row["instances"])})

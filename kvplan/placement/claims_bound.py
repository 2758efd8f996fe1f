"""The claim about the bound: each certificate, worked out again in whole numbers from the regions of the plan.

A function that gives any set of sizes that fits one bin at most one bin of value counts bins that no packing saves.
Sources: Martello and Toth, Discrete Applied Mathematics 28 (1990) 59-70 (threshold); Fekete and Schepers, Mathematical
Programming 91 (2001) 11-31 (steps); Carlier, Clautiaux and Moukrim, Computers & Operations Research 34 (2007)
2223-2250 (multiples).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from kvplan.findings import Finding
from kvplan.placement.claims import Told
from kvplan.placement.claims_rows import Certificate, Deployment
from kvplan.units import ceil_div

_Sizes = Sequence[tuple[int, int]]  # a size and how many regions have it


class UnsoundError(ValueError):
    """A certificate that proves nothing: the key at fault, and why."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


def _fault(path: str, message: str) -> Finding:
    return Finding("KV607", path, message)


def bound_findings(told: Told) -> Iterator[Finding]:
    """One certificate a deployment, each true, and the sums over them."""
    names = [deployment.deployment for deployment in told.deployments]
    certified = [certificate.deployment for certificate in told.certificates]
    if certified != names:
        message = f"{len(certified)} certificates, but each of {len(names)} deployments has one, in their order"
        yield _fault("bound.certificates", message)
    sizes = _sizes(told)
    for number, (certificate, deployment) in enumerate(zip(told.certificates, told.deployments, strict=False)):
        path = f"bound.certificates[{number}]"
        yield from _certificate_findings(path, certificate, deployment, sizes.get(number, {}))
        yield from _capacity_findings(path, told, certificate, deployment)
    bound = told.tree["bound"]
    lowest = sum(certificate.accelerators for certificate in told.certificates)
    gap = sum(len(replica.accelerators) for replica in told.replicas) - bound["lower_bound"]
    left = sum(line.count_ for line in told.leftovers)
    proved = not left and gap == 0
    if bound["lower_bound"] != lowest:
        yield _fault("bound.lower_bound", f"says {bound['lower_bound']}, but its certificates add up to {lowest}")
    if bound["gap"] != gap:
        yield _fault("bound.gap", f"says {bound['gap']}, but accelerators used less the bound is {gap}")
    if bound["proved_optimal"] != proved:
        message = f"says {str(not proved).lower()}, but {left} regions are left over and the gap is {gap}"
        yield _fault("bound.proved_optimal", message)


def _sizes(told: Told) -> Mapping[int, Mapping[int, int]]:
    """Regions of each size, placed or not, by number of deployment."""
    sizes: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for rows in (told.runs, told.leftovers):
        for line in rows:
            if line.class_ in told.class_of:
                sizes[told.class_of[line.class_][0]][line.size_blocks] += line.count_
    return sizes


def _certificate_findings(
    path: str, said: Certificate, deployment: Deployment, sizes: Mapping[int, int]
) -> Iterator[Finding]:
    """Whether a certificate gives the bins that it says, and its seats follow."""
    try:
        bins = certified_bins(
            said.function,
            said.parameter,
            said.unit,
            said.capacity_blocks,
            sizes,
            max_num_seqs=deployment.max_num_seqs,
        )
    except UnsoundError as fault:
        yield _fault(f"{path}.{fault.key}", str(fault))
        return
    kind = "dff"
    if said.unit == 1 and said.function in ("sum", "count", "none", "threshold"):
        kind = "l2" if said.function == "threshold" else "l1"
    replicas = deployment.replicas_asked or ceil_div(said.instances, deployment.data_parallel)
    for name, claimed, true in (
        ("kind", said.kind, kind),
        ("instances", said.instances, bins),
        ("replicas", said.replicas, replicas),
        ("accelerators", said.accelerators, said.replicas * deployment.seat),
    ):
        if claimed != true:
            yield _fault(f"{path}.{name}", f"says {claimed}, but is {true}")


def certified_bins(
    function: str, parameter: int, unit: int, capacity: int, sizes: Mapping[int, int], *, max_num_seqs: int
) -> int:
    """The bins that a certificate proves to be needed for the regions that are not above its capacity.

    sizes: how many regions have each size. max_num_seqs: most regions of a bin; 0 for no limit.
    Raises: UnsoundError if it proves nothing.
    """
    fitting = [(size, count) for size, count in sizes.items() if size <= capacity]
    regions = sum(count for _, count in fitting)
    if function in ("none", "count"):
        return _without_sizes(function, parameter, unit, regions, max_num_seqs)
    room = capacity // unit
    small = [(size // unit, count) for size, count in fitting]
    if function == "sum":
        if parameter:
            raise UnsoundError("parameter", f"says {parameter}, but `sum` has none")
        total = sum(size * count for size, count in small)
        return max(min(1, regions), ceil_div(total, room) if room else 0)  # without room all sizes are 0
    if not room:
        raise UnsoundError("unit", f"says {unit}, but `{function}` needs a bin of one unit at least")
    lowest, highest = _PARAMETERS[function](room)
    if not lowest <= parameter <= highest:
        raise UnsoundError("parameter", f"says {parameter}, but `{function}` takes {lowest} to {highest}")
    return _FUNCTIONS[function](small, room, parameter)


def _without_sizes(function: str, parameter: int, unit: int, regions: int, max_num_seqs: int) -> int:
    if unit != 1:
        raise UnsoundError("unit", f"says {unit}, but `{function}` divides no sizes")
    wanted = max_num_seqs if function == "count" else 0
    if parameter != wanted:
        raise UnsoundError("parameter", f"says {parameter}, but that of `{function}` is {wanted}")
    if function == "none":
        if regions:
            raise UnsoundError("function", f"says none, but {regions} regions fit its capacity")
        return 0
    if not max_num_seqs:
        raise UnsoundError("function", "says count, but max_num_seqs is no limit")
    return ceil_div(regions, max_num_seqs)


def _threshold(sizes: _Sizes, room: int, alpha: int) -> int:
    """L2: regions above room − α stand alone; those from α to ½ fill the bins of the other big ones, then more."""
    half = room // 2  # no two above it share a bin
    big = sum(count for size, count in sizes if size > half)
    beside = sum((room - size) * count for size, count in sizes if half < size <= room - alpha)
    small = sum(size * count for size, count in sizes if alpha <= size <= half)
    return big + max(0, ceil_div(small - beside, room))


def _steps(sizes: _Sizes, room: int, k: int) -> int:
    """u^(k): a size is worth ⌊(k + 1)·share⌋ ÷ k of a bin, and its share where (k + 1)·share is whole."""
    exact = sum(size * count for size, count in sizes if not (k + 1) * size % room)  # ÷ room
    stepped = sum((k + 1) * size // room * count for size, count in sizes if (k + 1) * size % room)  # ÷ k
    return ceil_div(exact * k + stepped * room, k * room)


def _multiples(sizes: _Sizes, room: int, step: int) -> int:
    """CCM1: a size is worth the multiples of λ in it, of those in a bin; above ½, the bin less what it leaves."""
    whole = room // step
    halves = 0  # of a multiple
    for size, count in sizes:
        if 2 * size == room:
            halves += whole * count
        else:
            halves += 2 * count * (whole - (room - size) // step if 2 * size > room else size // step)
    return ceil_div(halves, 2 * whole)


_FUNCTIONS: Mapping[str, Callable[[_Sizes, int, int], int]] = {
    "threshold": _threshold,
    "steps": _steps,
    "multiples": _multiples,
}
_PARAMETERS: Mapping[str, Callable[[int], tuple[int, int]]] = {  # from, to, for a room
    "threshold": lambda room: (0, room // 2),
    "steps": lambda room: (1, 1 << 62),
    "multiples": lambda room: (1, room // 2),
}


def _capacity_findings(path: str, told: Told, said: Certificate, deployment: Deployment) -> Iterator[Finding]:
    """Whether no instance, wherever it may be seated, has more room for regions than the certificate grants."""
    least = min(
        (row.prefix_blocks if row.prefixes else 0 for row in deployment.classes if row.regions), default=0
    )  # an instance that holds a region holds a copy of its prefix
    rooms = {room.part: room.capacity_blocks for room in deployment.rooms}
    for number, part in enumerate(told.fleet):
        seats = part.sizes[1] if deployment.topology == "required" else part.count_ * part.sizes[0]
        if number not in rooms and part.count_ and deployment.seat <= seats:
            # A part without a room might be used too; it has at most what it would have without a reserve.
            rooms[number] = deployment.free_blocks(deployment.memory_bytes(part), 0)
    most = max(rooms.values(), default=0) - least
    if said.capacity_blocks < most:
        message = f"says {said.capacity_blocks}, but an instance may have {most} for regions"
        yield _fault(f"{path}.capacity_blocks", message)

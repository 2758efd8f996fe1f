"""A question of fit, opened: one deployment counted, and its ranks' pools, given or worked out from a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from kvplan import units
from kvplan.answers import request
from kvplan.answers.deployment import DeploymentCase
from kvplan.answers.memory import RankMemory, rank_memory, rank_pools
from kvplan.answers.opening import deployment_paths, model_roots, open_deployment
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint import room
from kvplan.footprint.engines.engine import PoolRoom
from kvplan.footprint.room import Memory, RankPool
from kvplan.spec.facts import Fact, Values
from kvplan.spec.system import System
from kvplan.spec.workload import Workload
from kvplan.spec.workload_reader import Written

_MAX_POOL = 1 << 60
_NO_FACTS: Values = {}


class Ranks(NamedTuple):
    """What the ranks of a deployment need and have at given facts. [bytes]

    memory: of the stage that has fewest blocks; needs_bytes, has_bytes: of the stage that fills first.
    """

    pools: tuple[RankPool, ...]
    memory: Memory | None
    needs_bytes: int
    has_bytes: int
    fits: bool


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked.

    pool_bytes: of every rank, where it was given; else ``system`` and ``memory`` say it.
    context: the longest sequence asked about. max_model_len: the engine's longest. [tokens]
    stage_needs: peak of a rank of each stage at the planning quantile. [bytes]
    """

    workload: Workload
    case: DeploymentCase
    context: int
    max_model_len: int
    sequences: int
    stage_needs: tuple[int, ...]
    pool_bytes: int
    system: System | None
    memory: RankMemory | None

    @property
    def facts(self) -> Mapping[str, Fact]:
        """What the answer hangs on; nothing where the pool is given."""
        return self.memory.facts(self.system) if self.memory and self.system else {}

    @property
    def instances(self) -> int:
        """Instances that share the sequences."""
        return self.case.accountant.instances

    def at(self, values: Values = _NO_FACTS) -> Ranks:
        """Needs and room, the facts being these numbers."""
        case, memories = self.case, None
        if self.memory is None:
            pools = [RankPool(groups, self.pool_bytes) for groups in case.accountant.stage_blocks]
        else:
            memories = self.memory.at(case, values)
            pools = rank_pools(case, memories)
        has, needs = room.usable_bytes(case.engine, pools), self.stage_needs
        shares = [Fraction(need, max(1, room_)) for need, room_ in zip(needs, has, strict=True)]
        # Pools that are given are alike: the stage that needs most fills first. Else it is the fullest.
        tight = max(range(len(has)), key=lambda stage: (shares[stage] if memories else needs[stage], needs[stage]))
        fits = all(need <= room_ for need, room_ in zip(needs, has, strict=True))
        limit = case.deployment.limits.max_num_seqs
        fits = fits and room.admits(case.engine, pools, self.max_model_len, case.accountant.token_ranks)
        fits = fits and (limit is None or self.sequences <= limit * self.instances)
        memory = memories[room.poorest(case.engine, pools)] if memories else None
        return Ranks(tuple(pools), memory, needs[tight], has[tight], fits)

    def start_up(self, ranks: Ranks) -> PoolRoom:
        """The pools as the engine sees them when it starts."""
        return room.describe(self.case.engine, ranks.pools, self.max_model_len, self.case.accountant.token_ranks)


def open_question(workload: Workload | Written | None, flags: Mapping[str, Any], style: str) -> Question:
    """The question that a workload and flags ask.

    Raises: SpecError with what cannot be read, is refused or is missing.
    """
    pool_bytes = _pool(flags["pool"], style) if flags.get("pool") is not None else None
    if workload is None and flags.get("context") is None and flags.get("max_model_len") is not None:
        flags = {**flags, "context": flags["max_model_len"]}
    asked = request.build(workload, flags, style)
    index = _only_deployment(asked, flags.get("deployment"))
    if pool_bytes is not None:
        _refuse_beside_pool(flags, style)
    system = None if pool_bytes is not None else _only_system(asked, style)
    try:
        case = open_deployment(asked, index, None)
        memory = (
            None if system is None else rank_memory(case, deployment_paths(asked, index), model_roots(asked, index))
        )
        if memory is not None and system is not None:
            memory.facts(system)
    except SpecError as error:
        raise SpecError([asked.written.locate(finding) for finding in error.findings]) from None
    return Question(
        workload=asked,
        case=case,
        context=case.longest_context,
        max_model_len=case.max_model_len,
        sequences=sum(sequences.count for _, sequences, _ in case.classes),
        stage_needs=tuple(case.stage_bytes("peak")),
        pool_bytes=pool_bytes or 0,
        system=system,
        memory=memory,
    )


def _pool(value: Any, style: str) -> int:  # noqa: ANN401
    """A rank's pool from a flag; a number is bytes. [bytes]"""
    try:
        return _pool_bytes(value)
    except units.UnitError as error:
        words = {"pool": (None, f"--pool {value}" if style == "cli" else f"pool={value!r}")}
        document = request.flags_document(words, style)
        raise SpecError([document.source.locate(Finding("KV009", "pool", str(error), help=error.help))]) from None


def _pool_bytes(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, str):
        count = units.parse_measured_bytes(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        raise units.UnitError(f"{value!r} is no number of bytes", "write 48.66 GiB, or whole bytes")
    if not 0 <= count < _MAX_POOL:
        raise units.UnitError("a rank's pool is 0 bytes to 1 EiB", "write what one rank has, such as 48.66 GiB")
    return count


def _refuse_beside_pool(flags: Mapping[str, Any], style: str) -> None:
    """A given pool is what weights and reserve have left: they cannot be given beside it."""
    for name in ("system", "memory_fraction", "reserve", "weights"):
        if flags.get(name) is not None:
            words = f"--{name.replace('_', '-')} {flags[name]}" if style == "cli" else f"{name}={flags[name]!r}"
            document = request.flags_document({name: (None, words)}, style)
            help = "give the pool, or the system that it follows from"
            finding = Finding("KV018", name, "a pool is what weights and reserve have left already", help=help)
            raise SpecError([document.source.locate(finding)])


def _only_deployment(workload: Workload, name: str | None) -> int:
    names = [deployment.name for deployment in workload.deployments]
    if name is None and len(names) > 1:
        message = "there are several deployments: a rank is one deployment's"
        help = f"give --deployment with one of {', '.join(names)}"
        raise SpecError([workload.written.locate(Finding("KV018", "deployments", message, help=help))])
    return names.index(name) if name is not None else 0


def _only_system(workload: Workload, style: str) -> System:
    """The one system of the fleet; parts of one name whose facts differ are not one."""
    if workload.fleet and all(part.system == workload.fleet[0].system for part in workload.fleet):
        return workload.fleet[0].system
    flag = "--system NAME" if style == "cli" else "system="
    pool = "--pool 48.66GiB" if style == "cli" else "pool="
    if not workload.fleet:
        message = "nothing says how much room a rank has"
        help = f"give {flag} (see `kvplan systems`), or {pool}, a rank's KV pool from the engine's own log"
        finding = Finding("KV008", "", message, help=help)
        raise SpecError([replace(workload.written.locate(finding), path="")])
    message = "the fleet has several systems, or one with other facts: a rank sits on one"
    finding = Finding("KV018", "fleet", message, help=f"give {flag}, or keep one part of the fleet")
    raise SpecError([workload.written.locate(finding)])

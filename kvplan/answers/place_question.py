"""A question of place, opened: each deployment counted as regions, and its rooms on the fleet at given facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from kvplan.answers import request
from kvplan.answers.deployment import DeploymentCase
from kvplan.answers.memory import HBM, RESERVE, RankMemory, rank_memory, rank_pools
from kvplan.answers.opening import deployment_paths, model_roots, open_deployment
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint import room
from kvplan.footprint.accounting import SharedPrefix
from kvplan.footprint.regions import ClassRegions, StageBlocks, class_regions, in_blocks, planned_number
from kvplan.footprint.room import Memory
from kvplan.footprint.sequences import Total, expand
from kvplan.placement.filling import Entry
from kvplan.placement.planner import Asked
from kvplan.placement.topology import Part, part_of
from kvplan.spec.facts import Fact, Values
from kvplan.spec.fleet import MAX_ACCELERATORS, FleetPart
from kvplan.spec.lengths import constant
from kvplan.spec.workload import RequestClass, Workload
from kvplan.spec.workload_reader import Written
from kvplan.units import MAX_INTEGER

ACCOUNTINGS = ("peak", "now", "reserved")


@dataclass(frozen=True, eq=False)
class PlacedClass:
    """One class as regions. first_region: the number of its first, through all classes."""

    request: RequestClass
    regions: ClassRegions
    first_region: int


@dataclass(frozen=True, eq=False)
class DeploymentAsk:
    """One deployment of a question.

    blocks: its regions in blocks. hbm_facts: for each part of the fleet, the name of the fact of its memory.
    reserve_fact: the name of the fact of its reserve.
    """

    case: DeploymentCase
    memory: RankMemory
    classes: tuple[PlacedClass, ...]
    blocks: StageBlocks
    hbm_facts: tuple[str, ...]
    reserve_fact: str
    value: str

    @property
    def seat(self) -> int:
        """Accelerators of a replica."""
        split = self.case.served.split
        return self.ranks_of_stage * split.pipeline_parallel * split.data_parallel

    @property
    def ranks_of_stage(self) -> int:
        """Ranks of one stage of an instance."""
        split = self.case.served.split
        return split.tensor_parallel * split.context_parallel

    def memories(self, part: int, values: Values) -> tuple[Memory, ...]:
        """The memory of a rank of each stage on a part of the fleet."""
        return self.memory.at(self.case, {HBM: values[self.hbm_facts[part]], RESERVE: values[self.reserve_fact]})

    def capacity(self, part: int, values: Values) -> int:
        """Blocks of an instance on a part: those of the stage that has fewest."""
        pools = [memory.pool_bytes for memory in self.memories(part, values)]
        whole = min(pool // cost for pool, cost in zip(pools, self.blocks.block_bytes, strict=True))
        return max(0, whole - self.case.engine.null_blocks)

    def starts(self, part: int, values: Values) -> bool:
        """Whether the engine would start on a part: it holds one sequence of max_model_len in every stage."""
        pools = rank_pools(self.case, self.memories(part, values))
        return room.admits(self.case.engine, pools, self.case.max_model_len, self.case.accountant.token_ranks)

    @cached_property
    def entries(self) -> tuple[tuple[int, Entry], ...]:
        """Priorities and regions of one size, those first that are kept first."""
        found: list[tuple[tuple[Any, ...], int, Entry]] = []
        for index, item in enumerate(self.classes):
            priority, first = item.request.priority, item.first_region
            prefix_blocks = self.blocks.prefix_blocks[index]
            prefixes = item.request.prefix.count if item.request.prefix and prefix_blocks else 0
            for size, number, tokens in self._sizes(index):
                value = tokens if self.value == "per_token" else number
                density = value / (size * number) if size else float("inf")
                entry = Entry(index, size, number, first, prefix_blocks if prefixes else 0, prefixes)
                found.append(((-priority, -density, -size, index), priority, entry))
                first += number
        return tuple((priority, entry) for _, priority, entry in sorted(found, key=lambda one: one[0]))

    def _sizes(self, index: int) -> list[tuple[int, int, int]]:
        """Sizes of a class in blocks, ascending, how many regions have each, and their tokens in all."""
        regions, sums = self.classes[index].regions, dict[int, list[int]]()
        columns = (self.blocks.sizes[index].tolist(), regions.counts.tolist(), regions.tokens.tolist())
        for size, number, tokens in zip(*columns, strict=True):
            both = sums.setdefault(size, [0, 0])
            both[0] += number
            both[1] += number * tokens
        return [(size, number, tokens) for size, (number, tokens) in sorted(sums.items())]

    def asked(self, values: Values) -> Asked:
        """The deployment as the planner sees it, the facts being these numbers."""
        deployment = self.case.deployment
        return Asked(
            seat=self.seat,
            instances=self.case.served.split.data_parallel,
            replicas=deployment.replicas.number,
            crossing=deployment.topology == "preferred",
            most=deployment.limits.max_num_seqs or 0,
            capacities=tuple(self.capacity(part, values) for part in range(len(self.hbm_facts))),
            entries=tuple(entry for _, entry in self.entries),
            priorities=tuple(priority for priority, _ in self.entries),
            starts=tuple(self.starts(part, values) for part in range(len(self.hbm_facts))),
        )


@dataclass(frozen=True, eq=False)
class PlaceQuestion:
    """What is asked: regions of every deployment, and the fleet."""

    workload: Workload
    accounting: str
    deployments: tuple[DeploymentAsk, ...]
    parts: tuple[Part, ...]
    facts: Mapping[str, Fact]

    def asked(self, values: Values) -> tuple[Asked, ...]:
        """Every deployment as the planner sees it."""
        return tuple(one.asked(values) for one in self.deployments)


def open_question(workload: Workload | Written | None, flags: Mapping[str, Any], style: str) -> PlaceQuestion:
    """The question that a workload and flags ask.

    Raises: SpecError with what cannot be read, is refused or is missing.
    """
    accounting = _accounting(flags.get("accounting"), style)
    asked = request.build(workload, flags, style)
    if not asked.fleet:
        help = "add `system: al128` or a fleet, or give " + ("--system NAME" if style == "cli" else "system=")
        finding = Finding("KV008", "", "nothing says what there is to place on", help=help)
        raise SpecError([asked.written.locate(finding)])
    return question_of(asked, accounting, flags.get("deployment"))


def question_of(workload: Workload, accounting: str = "peak", only: str | None = None) -> PlaceQuestion:
    """The question of a workload that has a fleet.

    only: the one deployment that is meant; None for all.
    Raises: SpecError with the findings of every deployment.
    """
    findings: list[Finding] = []
    hbm_facts, facts = _hbm_facts(workload.fleet)
    total = sum(part.fabric.total for part in workload.fleet)
    if any(fact.high * max(1, total) >= MAX_INTEGER for fact in facts.values()):
        message = "so much memory in all could pass 2^62 bytes, the most that kvplan counts to"
        findings.append(Finding("KV102", "fleet", message, help="check `hbm_engine_visible`"))
    if total > MAX_ACCELERATORS:
        message = f"{total:,} accelerators in all, more than {MAX_ACCELERATORS:,}"
        findings.append(Finding("KV010", "fleet", message, help="plan a part of the fleet at a time"))
    opened: list[tuple[DeploymentCase, RankMemory]] = []
    for index, deployment in enumerate(workload.deployments):
        if only not in (None, deployment.name):
            continue
        try:
            case = open_deployment(workload, index, None)
            opened.append((case, rank_memory(case, deployment_paths(workload, index), model_roots(workload, index))))
        except SpecError as error:
            findings += error.findings
    if findings:
        raise SpecError([workload.written.locate(finding) for finding in findings])
    deployments, first = [], 0
    for case, memory in opened:
        name = RESERVE if len(opened) == 1 else f"{case.deployment.name}.{RESERVE}"
        facts[name] = memory.reserve
        classes = _classes(case, accounting, first)
        first += sum(item.regions.number for item in classes)
        units = [case.engine.unit_bytes(groups) for groups in case.accountant.stage_blocks]
        blocks = _in_blocks(workload, case, classes, units)
        deployments.append(DeploymentAsk(case, memory, classes, blocks, hbm_facts, name, workload.value))
    parts = tuple(part_of(part.fabric, part.exclude) for part in workload.fleet)
    return PlaceQuestion(workload, accounting, tuple(deployments), parts, facts)


def _accounting(value: Any, style: str) -> str:  # noqa: ANN401
    if value is None:
        return ACCOUNTINGS[0]
    if value not in ACCOUNTINGS:
        words = f"--accounting {value}" if style == "cli" else f"accounting={value!r}"
        document = request.flags_document({"accounting": (None, words)}, style)
        finding = Finding(
            "KV011", "accounting", f"unknown accounting `{str(value)[:40]}`", help="peak, now or reserved"
        )
        raise SpecError([document.source.locate(finding)])
    return str(value)


def _hbm_facts(fleet: Sequence[FleetPart]) -> tuple[tuple[str, ...], dict[str, Fact]]:
    """The name of the memory's fact for each part, as short as tells them apart, and the facts."""
    systems = [part.system for part in fleet]
    alike = len({(system.name, system.fact(HBM)) for system in systems})
    by_name = len({system.name for system in systems})
    names = []
    for index, system in enumerate(systems):
        prefix = "" if alike == 1 else f"{system.name}." if by_name == alike else f"fleet[{index}]."
        names.append(prefix + HBM)
    return tuple(names), {name: system.fact(HBM) for name, system in zip(names, systems, strict=True)}


def _classes(case: DeploymentCase, accounting: str, first: int) -> tuple[PlacedClass, ...]:
    """Classes by what they hold, not by name or place, so that neither changes a number."""
    found: list[tuple[RequestClass, ClassRegions]] = []
    for asked, _, accounts in case.classes:
        assert asked.input is not None
        assert asked.output is not None
        prefix = SharedPrefix(asked.prefix.tokens, asked.prefix.count) if asked.prefix else SharedPrefix()
        lengths = (asked.input, asked.output)
        if accounting == "now":  # what is held at the prompt has a spread of its own
            prompts = expand(asked.input, constant(0), asked.sequences, prefix.tokens)
            total = case.accountant.account(prompts, prefix).held
        else:
            total = getattr(accounts, accounting)
        regions = class_regions(case.accountant, lengths, asked.sequences, prefix, accounting)
        number = planned_number(asked.sequences, total, case.deviations, _shared(case, regions, total))
        if number != regions.number:
            regions = class_regions(case.accountant, lengths, number, prefix, accounting)
        found.append((asked, regions))
    placed = []
    for asked, regions in sorted(found, key=_content):
        placed.append(PlacedClass(asked, regions, first))
        first += regions.number
    return tuple(placed)


def _shared(case: DeploymentCase, regions: ClassRegions, total: Total) -> Fraction:
    """What of a total is copies of a prefix: what its sequences do not hold each. [bytes]"""
    if not any(regions.stage_prefix):
        return Fraction(0)
    each = sum(int((sizes.astype(object) * regions.counts).sum()) for sizes in regions.stage_bytes)
    return max(Fraction(0), total.mean - each * case.accountant.ranks_per_stage)


def _content(item: tuple[RequestClass, ClassRegions]) -> tuple[Any, ...]:
    asked, regions = item
    prefix = (asked.prefix.tokens, asked.prefix.count) if asked.prefix else (0, 0)
    sizes = [stage.tolist() for stage in regions.stage_bytes]
    return (-asked.priority, -regions.number, sizes, regions.tokens.tolist(), prefix)


def _in_blocks(
    workload: Workload, case: DeploymentCase, classes: Sequence[PlacedClass], units: Sequence[int]
) -> StageBlocks:
    try:
        return in_blocks([item.regions for item in classes], units)
    except ValueError as error:
        message = f"{case.deployment.name} cannot be placed: {error}"
        help = "use one pipeline stage, or sequences longer than their prefix"
        finding = Finding("KV303", "deployments", message, help=help)
        raise SpecError([workload.written.locate(finding)]) from None

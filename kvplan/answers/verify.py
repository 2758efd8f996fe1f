"""Is a plan true? plan.json ▸ its claims, each proved or not; and whether it is a plan of a given workload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Unpack

from kvplan.answers.flags import PlaceFlags, given
from kvplan.answers.memory import HBM
from kvplan.answers.place_plan import fingerprint, planned
from kvplan.answers.place_question import DeploymentAsk, PlaceQuestion, open_question
from kvplan.answers.plan_file import PlanText, read_plan_text
from kvplan.answers.request import read_written
from kvplan.answers.size_result import FORMAT_VERSION
from kvplan.findings import Finding, Source
from kvplan.placement.plan import Plan
from kvplan.placement.verify import Claim, verify_plan
from kvplan.spec.facts import scenarios
from kvplan.spec.workload import Workload
from kvplan.version import VERSION


@dataclass(frozen=True)
class Verification:
    """Whether every claim of a plan holds.

    claims: in the order in which they are proved; ``workload`` is one where a workload was given.
    findings: what speaks against them.
    """

    verdict: str
    valid: bool
    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...]
    workload_checked: bool

    format_version: ClassVar[int] = FORMAT_VERSION
    kind: ClassVar[str] = "verification"
    kvplan: ClassVar[str] = VERSION

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the result."""
        return {
            "format_version": self.format_version,
            "kind": self.kind,
            "kvplan": self.kvplan,
            "verdict": self.verdict,
            "valid": self.valid,
            "workload_checked": self.workload_checked,
            "claims": [{"claim": claim.name, "holds": claim.holds} for claim in self.claims],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def verify(
    plan: Plan | Path | Mapping[str, Any],
    workload: Workload | Path | str | None = None,
    **flags: Unpack[PlaceFlags],
) -> Verification:
    """Whether every number of a plan is true, and with a workload, whether it is a plan of that.

    plan: a plan, its JSON, or a Path to it. flags: as for ``place``, set over the workload.
    A plan made at the safe end of the facts is one of the workload at every better value too.
    Raises: SpecError if the file or the workload cannot be read. A plan that is not true is a result.
    """
    return answer(plan, workload, given(flags, PlaceFlags), "python")


def answer(
    plan: Plan | Path | Mapping[str, Any], workload: Workload | Path | str | None, flags: Mapping[str, Any], style: str
) -> Verification:
    """As ``verify``, with the flags as a mapping and shown in findings as they were given."""
    text = _text(plan)
    claims = verify_plan(text.tree)
    asks = workload is not None or any(value for value in flags.values())
    if asks and all(claim.holds for claim in claims[:1]):
        source = read_written(workload) if isinstance(workload, Path | str) else workload
        flags = {**flags, "accounting": _accounting(text.tree)}
        question = open_question(source, flags, style)
        claims = (*claims, Claim("workload", tuple(_workload_findings(text.tree, question))))
    found = tuple(text.source.locate(finding) for claim in claims for finding in claim.findings)
    valid = not found
    return Verification("yes" if valid else "no", valid, claims, found, asks)


def _text(plan: Plan | Path | Mapping[str, Any]) -> PlanText:
    if isinstance(plan, Path):
        return read_plan_text(plan)
    if not isinstance(plan, Plan | Mapping):
        message = f"a plan is a Plan, its JSON or a Path to it, not {type(plan).__name__}"
        raise TypeError(message)
    tree = plan.to_dict() if isinstance(plan, Plan) else dict(plan)
    return PlanText(tree, Source("plan", "", dict))


def _accounting(tree: Mapping[str, Any]) -> str:
    """What the plan counted regions as."""
    deployments = tree["deployments"]
    return str(deployments[0]["accounting"]) if deployments else "peak"


def _workload_findings(tree: Mapping[str, Any], question: PlaceQuestion) -> list[Finding]:
    """What speaks against a plan's being one of this workload."""
    found: list[Finding] = []
    if tree["scenario"] != "low":
        message = (
            f"the plan says that it was made at the {tree['scenario']} end of the facts; plans are made at the low"
        )
        found.append(Finding("KV609", "scenario", message, help="place the workload again"))
    if tree["fingerprint"] != fingerprint(question):
        message = "the plan was made for another question: models, engines, splits or requests differ"
        found.append(Finding("KV609", "fingerprint", message, help="place the workload again"))
    found += _fleet_findings(tree, question)
    asks = {ask.case.deployment.name: ask for ask in question.deployments}
    names = [item["deployment"] for item in tree["deployments"]]
    if sorted(names) != sorted(asks):
        message = f"the plan has the deployments {', '.join(names)}, the workload {', '.join(asks)}"
        return [*found, Finding("KV609", "deployments", message, help="place the workload again")]
    for index, item in enumerate(tree["deployments"]):
        found += _deployment_findings(tree, f"deployments[{index}]", item, asks[item["deployment"]], question)
    return found


def _fleet_findings(tree: Mapping[str, Any], question: PlaceQuestion) -> list[Finding]:
    """The same racks, and no more memory than there is at the safe end."""
    fleet = question.workload.fleet
    told = [(part["system"], part["count"], tuple(part["exclude"])) for part in tree["fleet"]]
    if told != [(part.system.name, part.count, tuple(dict.fromkeys(part.exclude))) for part in fleet]:
        return [Finding("KV609", "fleet", "the plan was made for another fleet", help="place the workload again")]
    found = []
    for index, (part, written) in enumerate(zip(fleet, tree["fleet"], strict=True)):
        fabric, path = part.fabric, f"fleet[{index}]"
        shape = (fabric.native_groups, fabric.nodes, fabric.accelerators)
        if (written["native_groups"], written["nodes"], written["accelerators"]) != shape:
            found.append(Finding("KV609", path, "racks of this system are made otherwise", help="place again"))
        least, says = int(part.system.fact(HBM).worst), written["hbm_engine_visible_bytes"]
        if says > least:
            message = f"the plan counts with {says:,} bytes an accelerator; the workload is sure of {least:,}"
            found.append(Finding("KV609", f"{path}.hbm_engine_visible_bytes", message, help="place again"))
    return found


def _deployment_findings(
    tree: Mapping[str, Any], path: str, item: Mapping[str, Any], ask: DeploymentAsk, question: PlaceQuestion
) -> list[Finding]:
    """All that a plan tells of a deployment but its seats, and the sizes of all regions, from the workload again."""
    found, safe = [], scenarios(question.facts).low
    wanted_tree = asdict(planned(ask, question, safe, item["replicas"]))
    for name, true in wanted_tree.items():
        says = item[name]
        if name not in ("rooms", "classes") and says != _as_json(true):
            message = f"{name} is not what the workload says"
            if not isinstance(true, tuple):
                message = f"{name} is {says}, by the workload {true}"
            found.append(Finding("KV609", f"{path}.{name}", message, help="place the workload again"))
    found += _class_findings(item["classes"], _as_json(wanted_tree["classes"]), f"{path}.classes")
    reserve = int(safe[ask.reserve_fact])
    for index, room in enumerate(item["rooms"]):
        if room["reserve_bytes"] < reserve:
            message = f"the plan keeps {room['reserve_bytes']:,} bytes in reserve; the workload asks for {reserve:,}"
            found.append(Finding("KV609", f"{path}.rooms[{index}].reserve_bytes", message, help="place again"))
    for index, wanted in enumerate(ask.classes):
        name = wanted.request.name
        if _told_sizes(tree, name) != _sizes(ask, index):
            message = f"the regions of `{name}` are not those of the workload"
            found.append(Finding("KV609", f"{path}.classes", message, help="place the workload again"))
    return found


def _class_findings(told: list[Mapping[str, Any]], true: list[Mapping[str, Any]], path: str) -> list[Finding]:
    """Classes that the plan has otherwise; one that only begins at another region follows from those before it."""
    found, by_name = [], {item["class"]: item for item in true}
    for index, item in enumerate(told):
        wanted = by_name.pop(item["class"], None)
        if wanted is None:
            message = f"the workload has no class `{item['class']}` here"
            found.append(Finding("KV609", f"{path}[{index}]", message, help="place the workload again"))
            continue
        for name in ("regions", "priority", "prefix_blocks", "prefixes", "first_region"):
            if item[name] != wanted[name] and (name != "first_region" or not found):
                message = f"`{item['class']}`: {name} is {item[name]:,}, by the workload {wanted[name]:,}"
                found.append(Finding("KV609", f"{path}[{index}].{name}", message, help="place the workload again"))
    for name in by_name:
        found.append(Finding("KV609", path, f"the class `{name}` is missing", help="place the workload again"))
    return found


def _as_json(value: Any) -> Any:  # noqa: ANN401 - any value of a deployment
    """Stages and classes as plan.json has them."""
    if not isinstance(value, tuple):
        return value
    return [{name.rstrip("_"): part for name, part in item.items()} for item in value]


def _told_sizes(tree: Mapping[str, Any], name: str) -> Counter[int]:
    """Regions of a class by size, as the plan has them."""
    sizes: Counter[int] = Counter()
    for row in (*tree["runs"], *tree["leftovers"]):
        if row["class"] == name:
            sizes[row["size_blocks"]] += row["count"]
    return sizes


def _sizes(ask: DeploymentAsk, index: int) -> Counter[int]:
    """The same as the workload has them."""
    sizes: Counter[int] = Counter()
    for size, count in zip(ask.blocks.sizes[index].tolist(), ask.classes[index].regions.counts.tolist(), strict=True):
        sizes[size] += count
    return sizes

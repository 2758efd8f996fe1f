"""Plans and places by hand for the sheets: sizes of a 70B model in fp8 on 144 GB, fills that differ."""

from dataclasses import replace
from fractions import Fraction

import pytest

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.answers.place_result import DeploymentPlace, Place, Regions
from kvplan.findings import Finding
from kvplan.placement.plan import (
    Certificate,
    FleetPart,
    Instance,
    Leftover,
    Plan,
    PlanBound,
    PlannedClass,
    PlannedDeployment,
    Replica,
    Room,
    Stage,
    Summary,
    TierUse,
)
from kvplan.spec.facts import Dependence

VISIBLE, MEMORY, WEIGHTS, RESERVE, BLOCK, CAPACITY = (
    144 * 10**9, 132_480_000_000, 17_640_000_000, 5 * 10**9, 327_680, 335_083,
)  # fmt: skip
FILLS = (0.913, 0.91, 0.905, 0.87, 0.5, 0.25, 0.02, 0.0)  # of the pools of replicas, in turn


def part(system="al128", count=1, shape=(2, 8, 8), exclude=("r0/g0/n3",), first_rack=0):
    return FleetPart(system, count, exclude, first_rack, *shape, VISIBLE)


def deployment(name="main", model="llama-3-70b", ranks=8, replicas=8, parts=1, data_parallel=1, asked=0):
    return PlannedDeployment(
        name, model, "paged", "fp8_e4m3", "unified", "final", "required", ranks, 1, 1, data_parallel, replicas, asked,
        0, "0.92", 0, (Stage(ranks, WEIGHTS, BLOCK),),
        tuple(Room(index, MEMORY, RESERVE, CAPACITY) for index in range(parts)),
        (PlannedClass("chat", 0, 0, 512, 0, 0),),
    )  # fmt: skip


def ids(part, first_rack=0):
    """Accelerators of a part that are not excluded, in order."""
    for rack in range(part.count):
        for group in range(part.native_groups):
            for node in range(part.nodes):
                names = [f"r{rack}", f"r{rack}/g{group}", f"r{rack}/g{group}/n{node}"]
                if not set(names) & set(part.exclude):
                    for accelerator in range(part.accelerators):
                        yield f"r{rack + part.first_rack}/g{group}/n{node}/a{accelerator}"


def seated(deployment, number, accelerators, fill, part=0):
    used = tuple(Instance(round(fill * CAPACITY), CAPACITY) for _ in range(deployment.data_parallel))
    kv_bytes = sum(item.used_blocks for item in used) * BLOCK * deployment.tensor_parallel
    count = len(accelerators)
    return Replica(
        f"{deployment.deployment}/{number}", deployment.deployment, part, "unified", "fp8_e4m3",
        accelerators[0].split("/")[0], tuple(dict.fromkeys(id.rsplit("/", 2)[0] for id in accelerators)), accelerators,
        count * WEIGHTS, count * RESERVE, kv_bytes, count * (VISIBLE - WEIGHTS - RESERVE) - kv_bytes, number, used,
    )  # fmt: skip


def seats(deployment, parts, fills=FILLS):
    """Replicas of one deployment from the first accelerator on."""
    size = deployment.tensor_parallel * deployment.data_parallel
    found = []
    for index, part in enumerate(parts):
        free = list(ids(part))
        for start in range(0, len(free) - size + 1, size):
            if len(found) < deployment.replicas:
                fill = fills[len(found) % len(fills)]
                found.append(seated(deployment, len(found), tuple(free[start : start + size]), fill, index))
    return found


def plan_of(parts, deployments, replicas, unplaced=0, bound=56):
    used = sum(len(item.accelerators) for item in replicas)
    full = [one.used_blocks / one.capacity_blocks for item in replicas for one in item.instances]
    left = (Leftover("chat", 2_560, unplaced, 0, 0),) if unplaced else ()
    excluded = sum(8 for part in parts for _ in part.exclude)
    total = sum(part.count * part.native_groups * part.nodes * part.accelerators for part in parts) - excluded
    crossings = sum(len(item.native_groups) - 1 for item in replicas)
    certificate = Certificate("main", "l1", "sum", 0, 1, CAPACITY, bound // 8, bound // 8, bound)
    mean = round(sum(full) / max(1, len(full)), 6)
    return Plan(
        "assistant", "sha256:" + "0f" * 32, "low", tuple(parts), tuple(deployments), tuple(replicas), (), (), left,
        (TierUse("hbm", 512 - unplaced, 1, 1),),
        PlanBound(bound, max(0, used - bound), bound == used, (certificate,)),
        Summary(not unplaced, used, total, max(full, default=0.0), mean, 0.8887, crossings, 512, 512 - unplaced, unplaced),
        "0.1.0",
    ).sealed()  # fmt: skip


def place_of(plan, verdict="yes", binding="none", **changes):
    rows = tuple(
        DeploymentPlace(
            item.deployment, item.model, "paged", "fp8_e4m3", 8, item.replicas, item.replicas_asked, item.replicas,
            item.replicas * 8, plan.bound.lower_bound, VISIBLE, 0.92, MEMORY, WEIGHTS, "", RESERVE, "assumed",
            MEMORY - WEIGHTS - RESERVE, BLOCK, CAPACITY,
            sum(one.kv_bytes_hot for one in plan.replicas if one.deployment == item.deployment),
            Regions(512, plan.summary.placed, plan.summary.unplaced, {"hbm": plan.summary.placed}),
        )
        for item in plan.deployments
    )  # fmt: skip
    summary = plan.summary
    place = Place(
        plan.workload, ("al128",), 512, 0.99, verdict, verdict == "yes", summary.accelerators_used,
        summary.accelerators_total,
        27, summary.kv_pool_utilization, summary.kv_pool_utilization_mean, summary.hbm_utilization,
        plan.bound.lower_bound, plan.bound.gap, plan.bound.proved_optimal, summary.crossings,
        Regions(512, summary.placed, summary.unplaced, {"hbm": summary.placed}), binding, rows, (), (), {}, (),
        (Finding("KV103", "", "the usable HBM is a range"),), {}, plan,
    )  # fmt: skip
    return replace(place, **changes)


@pytest.fixture(scope="session")
def build():
    """The builders of this file, for plans that a test makes up."""

    class Build:
        pass

    for function in (part, deployment, ids, seated, seats, plan_of, place_of):
        setattr(Build, function.__name__, staticmethod(function))
    return Build


@pytest.fixture(scope="session")
def plan():
    """One AL128 with a node excluded; eight replicas of eight accelerators, one of them in the second group."""
    main = deployment()
    return plan_of([part()], [main], seats(main, [part()]))


@pytest.fixture(scope="session")
def place(plan):
    """All of it is placed, whatever the facts turn out to be."""
    ends = {"accelerators_used": {"low": 64, "nominal": 64, "high": 56}}
    return place_of(plan, headroom=(Headroom("batch", 1.2), Headroom("context", 1.357)), ranges=ends)


@pytest.fixture(scope="session")
def place_that_depends():
    """Some are left over at the safe end of the facts."""
    main = deployment()
    plan = plan_of([part()], [main], seats(main, [part()]), unplaced=300, bound=160)
    fact = Dependence(
        "hbm_engine_visible", Fraction(144 * 10**9), Fraction(154_600_000_000), Fraction(149_200_000_000), "bytes"
    )
    latency = Dependence("pair_latency", Fraction(1, 10**6), Fraction(3, 10**6), None, "s")
    fits = (Remedy("batch", 212), Remedy("count", 2), Remedy("kv_format", "nvfp4"), Remedy("reserve", 2 << 30))
    return place_of(plan, "depends", "accelerators", depends_on=(fact, latency), would_fit=fits, set={"a.b": "1"})

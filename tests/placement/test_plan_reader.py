"""plan.json ▸ the same plan."""

import json
from dataclasses import fields, is_dataclass

from kvplan.placement.plan import (
    Certificate,
    Copies,
    FleetPart,
    Instance,
    Leftover,
    Plan,
    PlanBound,
    PlannedClass,
    PlannedDeployment,
    Replica,
    Room,
    Run,
    Stage,
    Summary,
    TierUse,
)
from kvplan.placement.plan_reader import plan_of_tree

PLAN = Plan(
    "w", "sha256:1", "low",
    fleet=(FleetPart("al128", 1, ("r0/g0", "r0/g1/n0"), 0, 2, 8, 8, 1000), FleetPart("b", 0, (), 1, 1, 1, 1, 5)),
    deployments=(
        PlannedDeployment(
            "main", "m", "paged", "bf16", "decode", "peak", "required", 1, 2, 1, 1, 1, 0, 0, "0.9", 0,
            (Stage(1, 5, 2), Stage(1, 6, 2)), (Room(0, 900, 1, 440),), (PlannedClass("c", 1, 0, 3, 4, 1),),
        ),
    ),
    replicas=(
        Replica("main/0", "main", 0, "decode", "bf16", "r0", ("r0/g1",), ("r0/g1/n1/a0", "r0/g1/n1/a1"), 11, 2, 28, 1959, 0, (Instance(7, 440),)),
    ),
    runs=(Run("c", 1, 2, 0, 0), Run("c", 1, 1, 2, 0)),
    copies=(Copies("c", 4, 1, 0),),
    leftovers=(Leftover("c", 500, 1, 3, -1),),
    tiers=(TierUse("hbm", 3, 7, 28),),
    bound=PlanBound(2, 0, False, (Certificate("main", "l1", "sum", 0, 1, 436, 1, 1, 2),)),
    summary=Summary(False, 2, 56, 0.015909, 0.015909, 0.02, 0, 4, 3, 1),
    kvplan="0.1.0",
).sealed()  # fmt: skip


def kinds(value):
    """Every class of a value and what it holds."""
    if isinstance(value, tuple):
        return {kind for item in value for kind in kinds(item)}
    if is_dataclass(value):
        return {type(value)}.union(*(kinds(getattr(value, field.name)) for field in fields(value)))
    return {type(value)}


def test_a_plan_that_is_written_is_read_again():
    read = plan_of_tree(json.loads(json.dumps(PLAN.to_dict())))
    assert read == PLAN
    assert kinds(read) == kinds(PLAN)
    assert read.to_dict() == PLAN.to_dict()
    assert hash(read) == hash(PLAN)  # lists have become tuples, at every depth

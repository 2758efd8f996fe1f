"""A layout told as a plan: every id and figure by hand, and whatever is laid out verifies."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvplan.placement.assembly import Inputs, Made, assemble
from kvplan.placement.expansion import instance_of
from kvplan.placement.filling import Entry
from kvplan.placement.plan import (
    Certificate,
    Copies,
    FleetPart,
    Instance,
    Leftover,
    PlanBound,
    PlannedClass,
    PlannedDeployment,
    Room,
    Run,
    Stage,
    TierUse,
)
from kvplan.placement.planner import Asked, bound_of, lay_out
from kvplan.placement.topology import part_of
from kvplan.placement.verify import verify_plan
from kvplan.spec.system import Fabric

INPUTS = Inputs("by-hand", f"sha256:{'0' * 64}", "low")


def planned(asked, stages, rooms, classes, **more):
    """A deployment as a plan tells it: its splits follow from the seat, its stages and instances."""
    data, pipeline = asked.instances, len(stages)
    texts = {"deployment": "main", "model": "m", "engine": "e", "kv_format": "bf16", "phase": "decode", "accounting": "peak"}  # fmt: skip
    values = {
        "topology": "preferred" if asked.crossing else "required",
        "tensor_parallel": asked.seat // data // pipeline,
        "pipeline_parallel": pipeline,
        "context_parallel": 1,
        "data_parallel": data,
        "replicas": 0,
        "replicas_asked": asked.replicas,
        "max_num_seqs": asked.most,
        "memory_fraction": "1",
        "null_blocks": 0,
        "stages": tuple(stages),
        "rooms": tuple(rooms),
        "classes": tuple(classes),
    }
    return PlannedDeployment(**{**texts, **values, **more})


def made_of(parts, fleet, pairs):
    """The plan of some deployments: what is asked, and how a plan tells of it."""
    layout = lay_out(parts, [asked for asked, _ in pairs])
    made = [
        Made(
            replace(told, replicas=len(got.spots)),
            asked,
            got,
            bound_of(asked, int((got.filling.held > 0).sum()) if not got.left else 0),
        )
        for (asked, told), got in zip(pairs, layout.seated, strict=True)
    ]
    return assemble(INPUTS, fleet, parts, made)


def assert_verifies(plan):
    tree = json.loads(json.dumps(plan.to_dict()))
    assert [finding for claim in verify_plan(tree) for finding in claim.findings] == []


# Part 0: two groups of four, one accelerator out; part 1: one group of four, no room. Memory 1000 and 300; stages of
# weights 100 and 130, 10 and 9 bytes a block; reserve 50: (1000 − 100 − 50) ÷ 10 = 85 blocks on stage 0, 91 on stage 1.
PARTS = [part_of(Fabric(1, 2, 2, 2), ["r0/g0/n0/a0"]), part_of(Fabric(1, 1, 1, 4), [])]
FLEET = [
    FleetPart("large", 1, ("r0/g0/n0/a0",), 0, 2, 2, 2, 1000),
    FleetPart("small", 1, (), 1, 1, 1, 4, 150),
]
STAGES = [Stage(1, 100, 10), Stage(1, 130, 9)]
ROOMS = [Room(0, 1000, 50, 85), Room(1, 150, 50, 0)]
CLASSES = [PlannedClass("chat", 1, 0, 5, 5, 2), PlannedClass("agents", 0, 5, 3, 0, 0)]
ASKED = Asked(
    seat=2, instances=1, replicas=0, crossing=False, most=4, capacities=(85, 0),
    entries=(Entry(0, 30, 5, 0, 5, 2), Entry(1, 80, 1, 5), Entry(1, 20, 2, 6)), priorities=(1, 0, 0),
)  # fmt: skip


def test_a_plan_by_hand():
    # Group 0 has 3 accelerators: one seat of 2; group 1 two. Two regions of 30 with two copies of 5 fill 70 of 85: the
    # five of chat are 2 + 2 + 1; 80 fits nowhere beside; 20 twice beside the one of chat (35 + 40 = 75).
    plan = made_of(PARTS, FLEET, [(ASKED, planned(ASKED, STAGES, ROOMS, CLASSES))])
    assert_verifies(plan)
    assert [replica.accelerators for replica in plan.replicas] == [
        ("r0/g0/n0/a1", "r0/g0/n1/a0"), ("r0/g1/n0/a0", "r0/g1/n0/a1"), ("r0/g1/n1/a0", "r0/g1/n1/a1"),
    ]  # fmt: skip
    first = plan.replicas[0]
    assert (first.id, first.deployment, first.part, first.rack, first.native_groups) == (
        "main/0",
        "main",
        0,
        "r0",
        ("r0/g0",),
    )
    assert first.instances == (Instance(70, 85),)
    # Weights 100 + 130, reserve twice 50, KV 70 × 19: of 2000 are left 340.
    assert (first.weights_bytes, first.reserve_bytes, first.kv_bytes_hot, first.hbm_bytes_free) == (230, 100, 1330, 340)
    assert [replica.first_instance for replica in plan.replicas] == [0, 1, 2]
    assert plan.runs == (
        Run("chat", 30, 2, 0, 0), Run("chat", 30, 2, 2, 1), Run("chat", 30, 1, 4, 2), Run("agents", 20, 2, 6, 2),
    )  # fmt: skip
    assert plan.copies == (Copies("chat", 5, 2, 0), Copies("chat", 5, 2, 1), Copies("chat", 5, 1, 2))
    assert plan.leftovers == (Leftover("agents", 80, 1, 5, 0),)
    assert plan.tiers == (TierUse("hbm", 7, 70 + 70 + 75, 215 * 19),)
    # (5 × 30 + 80 + 2 × 20) ÷ 85 is 4 bins; 8 regions, 4 an instance, would be 2.
    assert plan.bound == PlanBound(8, -2, False, (Certificate("main", "l1", "sum", 0, 1, 85, 4, 4, 8),))
    summary = plan.summary
    assert (summary.fits, summary.regions, summary.placed, summary.unplaced) == (False, 8, 7, 1)
    assert (summary.accelerators_used, summary.accelerators_total, summary.crossings) == (6, 7 + 4, 0)
    assert summary.kv_pool_utilization == round(75 / 85, 6)
    assert summary.kv_pool_utilization_mean == round((70 + 70 + 75) / 85 / 3, 6)
    assert summary.hbm_utilization == round((100 + 50 + 75 * 10) / 1000, 6)  # stage 1: 130 + 50 + 675
    assert instance_of(plan).tolist() == [0, 0, 1, 1, 2, -1, 2, 2]


def test_racks_count_through_the_fleet_and_sort_as_numbers():
    # 9 racks before: r9 and r10; a seat of 6 over both, four groups of 2, crosses three times.
    fabric = Fabric(2, 2, 1, 2)
    parts = [part_of(Fabric(9, 1, 1, 1), ["r0", "r8/g0"]), part_of(fabric, ["r1/g1/n0/a1"])]
    fleet = [
        FleetPart("none", 9, ("r0", "r8/g0"), 0, 1, 1, 1, 1000),
        FleetPart("some", 2, ("r1/g1/n0/a1",), 9, 2, 1, 2, 1000),
    ]
    asked = Asked(6, 1, 1, True, 0, (0, 10), (Entry(0, 4, 2, 0),), (0,))
    told = planned(asked, [Stage(6, 900, 10)], [Room(0, 1000, 200, 0), Room(1, 1000, 0, 10)], [PlannedClass("c", 0, 0, 2, 0, 0)])  # fmt: skip
    plan = made_of(parts, fleet, [(asked, told)])
    assert_verifies(plan)
    (replica,) = plan.replicas
    assert (replica.rack, replica.native_groups) == ("r9,r10", ("r9/g0", "r9/g1", "r10/g0"))
    assert replica.accelerators[-1] == "r10/g0/n0/a1"
    assert plan.summary.crossings == 2


def test_nothing_at_all_is_a_plan():
    asked = Asked(1, 1, 0, False, 0, (), (), ())
    plan = made_of([], [], [(asked, planned(asked, [Stage(1, 1, 1)], [], []))])
    assert_verifies(plan)
    assert (plan.replicas, plan.summary.fits, plan.summary.kv_pool_utilization_mean) == ((), True, 0.0)
    none = part_of(Fabric(0, 2, 8, 8), [])
    asked = Asked(1, 1, 0, False, 0, (9,), (Entry(0, 3, 4, 0),), (0,))
    told = planned(asked, [Stage(1, 1, 1)], [Room(0, 10, 0, 9)], [PlannedClass("c", 0, 0, 4, 0, 0)])
    plan = made_of([none], [FleetPart("s", 0, (), 0, 2, 8, 8, 10)], [(asked, told)])
    assert_verifies(plan)
    assert plan.leftovers == (Leftover("c", 3, 4, 0, 0),)


counts = st.integers(1, 3)


@st.composite
def fleets(draw):
    """Parts of a fleet, some of them empty, excluded or too small for any weights."""
    parts, told, first = [], [], 0
    for index in range(draw(st.integers(1, 3))):
        fabric = Fabric(draw(st.integers(0, 2)), draw(counts), draw(counts), draw(st.integers(1, 4)))
        places = ["r0", "r0/g0", "r0/g1/n0", "r1/g0/n1/a1", "r0/g0/n0/a0", "r0/g0/n0"]
        known = [id for id in places if fabric.find(id)]
        exclude = tuple(draw(st.lists(st.sampled_from(known), unique=True, max_size=3)) if known else ())
        parts.append(part_of(fabric, exclude))
        told.append(FleetPart(f"s{index}", fabric.racks, exclude, first, *fabric[1:], draw(st.integers(1, 500))))
        first += fabric.racks
    return parts, told


@st.composite
def deployments(draw, name, fleet, first):
    """A deployment as the planner sees it and as a plan tells it, its regions from a number on."""
    tensor, pipeline, context, data = draw(counts), draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(counts)
    fraction, null = draw(st.sampled_from(["1", "0.9", "0.333"])), draw(st.integers(0, 2))
    stages = tuple(Stage(tensor * context, draw(st.integers(0, 60)), draw(st.integers(1, 9))) for _ in range(pipeline))
    rooms = []
    for number, part in enumerate(fleet):
        memory, reserve = int(Fraction(fraction) * part.hbm_engine_visible_bytes), draw(st.integers(0, 30))
        blocks = min((memory - stage.weights_bytes - reserve) // stage.block_bytes for stage in stages) - null
        rooms.append(Room(number, memory, reserve, max(0, blocks)))
    classes, rows = [], []
    for index in range(draw(st.integers(0, 3))):
        prefix = draw(st.sampled_from([0, 0, 1, 5, 20]))
        prefixes, start, priority = draw(st.integers(1, 5)) if prefix else 0, first, draw(st.integers(-1, 2))
        for size in draw(st.lists(st.integers(0, 60), unique=True, max_size=4)):
            number = draw(st.integers(1, 20))
            rows.append((priority, Entry(index, size, number, first, prefix, prefixes)))
            first += number
        classes.append(PlannedClass(f"{name}-{index}", priority, start, first - start, prefix, prefixes))
    rows.sort(key=lambda row: -row[0])
    asked = Asked(
        seat=data * pipeline * tensor * context,
        instances=data,
        replicas=draw(st.sampled_from([0, 0, 0, 1, 3])),
        crossing=draw(st.booleans()),
        most=draw(st.sampled_from([0, 0, 1, 3, 8])),
        capacities=tuple(room.capacity_blocks for room in rooms),
        entries=tuple(entry for _, entry in rows),
        priorities=tuple(priority for priority, _ in rows),
    )
    told = planned(
        asked, stages, rooms, classes, deployment=name, tensor_parallel=tensor, context_parallel=context,
        memory_fraction=fraction, null_blocks=null,
    )  # fmt: skip
    return (asked, told), first


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_whatever_is_laid_out_verifies(data):
    parts, fleet = data.draw(fleets())
    pairs, first = [], 0
    for number in range(data.draw(counts)):
        pair, first = data.draw(deployments(f"d{number}", fleet, first))
        pairs.append(pair)
    plan = made_of(parts, fleet, pairs)
    assert_verifies(plan)
    placed, regions = instance_of(plan), sum(asked.regions for asked, _ in pairs)
    assert (placed.size, plan.summary.regions) == (regions, regions)
    assert int((placed >= 0).sum()) == plan.summary.placed
    homes = np.repeat(np.arange(len(pairs)), [asked.regions for asked, _ in pairs])
    names = {told.deployment: index for index, (_, told) in enumerate(pairs)}
    owners = np.array(
        [names[replica.deployment] for replica in plan.replicas for _ in replica.instances], dtype=np.int64
    )
    assert bool((owners[placed[placed >= 0]] == homes[placed >= 0]).all())


def test_ten_million_regions_are_told_in_few_rows():
    # 100 racks, a replica of 8: 1600 instances of 39 063 blocks; ten million regions of 1 to 10 blocks, 55 million.
    parts = [part_of(Fabric(100, 2, 8, 8), [])]
    entries, first = [], 0
    for size in range(10, 0, -1):
        entries.append(Entry(0, size, 1_000_000, first))
        first += 1_000_000
    asked = Asked(8, 1, 0, False, 0, (39_063,), tuple(entries), (0,) * 10)
    told = planned(asked, [Stage(8, 0, 1)], [Room(0, 39_063, 0, 39_063)], [PlannedClass("c", 0, 0, first, 0, 0)])
    plan = made_of(parts, [FleetPart("s", 100, (), 0, 2, 8, 8, 39_063)], [(asked, told)])
    assert_verifies(plan)
    # 55 000 000 ÷ 39 063 = 1407.98…
    assert (plan.summary.placed, len(plan.replicas), plan.bound.gap) == (10_000_000, 1408, 0)
    assert len(plan.runs) < 5000
    assert np.bincount(instance_of(plan)).sum() == 10_000_000

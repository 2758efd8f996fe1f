"""Whatever the planner makes of random fleets and regions, it verifies: maker and proof share no code and agree."""

import json
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvplan.placement.assembly import Inputs, Made, assemble
from kvplan.placement.filling import Entry
from kvplan.placement.plan import FleetPart, PlannedClass, PlannedDeployment, Room, Stage
from kvplan.placement.planner import Asked, bound_of, lay_out
from kvplan.placement.topology import part_of
from kvplan.placement.verify import verify_plan
from kvplan.spec.system import Fabric

counts = st.integers(1, 3)


@st.composite
def fleets(draw):
    """Parts of a fleet, and what a plan says of them."""
    parts, told, first = [], [], 0
    for index in range(draw(st.integers(1, 3))):
        fabric = Fabric(draw(st.integers(0, 2)), draw(counts), draw(counts), draw(st.integers(1, 4)))
        places = ["r0", "r0/g0", "r0/g1/n0", "r1/g0/n1/a1", "r0/g0/n0/a0", "r0/g0/n0"]
        exclude = draw(
            st.lists(st.sampled_from([id for id in places if fabric.find(id)] or [""]), unique=True, max_size=3)
        )
        exclude = [id for id in exclude if id]
        hbm = draw(
            st.integers(250, 600)
        )  # so that weights, reserve and null blocks fit: a seat without room for them is none
        parts.append(part_of(fabric, exclude))
        told.append(FleetPart(f"s{index}", fabric.racks, tuple(exclude), first, *fabric[1:], hbm))
        first += fabric.racks
    return parts, told


@st.composite
def deployments(draw, name, fleet, first):
    """A deployment as the planner sees it and as a plan tells it, its regions from a number on."""
    tensor, pipeline, context, data = draw(counts), draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(counts)
    fraction, null = draw(st.sampled_from(["1", "0.9", "0.333"])), draw(st.integers(0, 2))
    stages = tuple(Stage(tensor * context, draw(st.integers(0, 40)), draw(st.integers(1, 9))) for _ in range(pipeline))
    rooms = []
    for number, part in enumerate(fleet):
        memory, reserve = int(Fraction(fraction) * part.hbm_engine_visible_bytes), draw(st.integers(0, 20))
        blocks = min((memory - stage.weights_bytes - reserve) // stage.block_bytes for stage in stages) - null
        rooms.append(Room(number, memory, reserve, max(0, blocks)))
    classes, entries = [], []
    for index in range(draw(st.integers(0, 3))):
        prefix = draw(st.sampled_from([0, 0, 1, 5]))
        prefixes, start, priority = draw(counts) if prefix else 0, first, draw(st.integers(-1, 2))
        for size in draw(st.lists(st.integers(0, 60), unique=True, max_size=4)):
            number = draw(st.integers(1, 20))
            entries.append((priority, Entry(index, size, number, first, prefix, prefixes)))
            first += number
        classes.append(PlannedClass(f"{name}-{index}", priority, start, first - start, prefix, prefixes))
    entries.sort(key=lambda item: -item[0])
    asked = Asked(
        seat=data * pipeline * tensor * context,
        instances=data,
        replicas=draw(st.integers(0, 3)),
        crossing=draw(st.booleans()),
        most=draw(st.sampled_from([0, 0, 1, 3, 8])),
        capacities=tuple(room.capacity_blocks for room in rooms),
        entries=tuple(entry for _, entry in entries),
        priorities=tuple(priority for priority, _ in entries),
    )

    def planned(replicas):
        return PlannedDeployment(
            name, "m", "e", "bf16", "decode", "peak", "preferred" if asked.crossing else "required", tensor, pipeline,
            context, data, replicas, asked.replicas, asked.most, fraction, null, stages, tuple(rooms), tuple(classes),
        )  # fmt: skip

    return asked, planned, first


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_the_planner_makes_verifies(data):
    parts, fleet = data.draw(fleets())
    asks, tells, first = [], [], 0
    for number in range(data.draw(st.integers(1, 3))):
        asked, planned, first = data.draw(deployments(f"d{number}", fleet, first))
        asks.append(asked)
        tells.append(planned)
    layout = lay_out(parts, asks)
    made = [
        Made(tell(len(got.spots)), want, got, bound_of(want, 0))
        for want, tell, got in zip(asks, tells, layout.seated, strict=True)
    ]
    plan = assemble(Inputs("random", f"sha256:{'0' * 64}", "low"), fleet, parts, made)
    tree = json.loads(json.dumps(plan.to_dict()))
    assert [finding for claim in verify_plan(tree) for finding in claim.findings] == []

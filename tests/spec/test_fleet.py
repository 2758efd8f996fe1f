"""What there is to place on: parts, ids left out, facts replaced, in a file and by `--set`; one break, one finding."""

from fractions import Fraction

import pytest

from kvplan.answers.request import build, read_written
from kvplan.errors import SpecError
from kvplan.spec.facts import Fact
from kvplan.spec.fleet import MAX_ACCELERATORS, FleetPart
from kvplan.spec.system import Fabric
from kvplan.spec.systems import catalog_system
from kvplan.spec.text import read_yaml
from kvplan.spec.workload_reader import Written, read_workload

HEAD = "kvplan: 1\nmodel: llama-3-70b\nrequests: [{sequences: 4, context: 8Ki}]\n"
GB = 10**9


def read(text):
    document = read_yaml(HEAD + text, "w.yaml")
    return read_workload(Written(document.tree, document))


def with_set(text, **changes):
    return build(
        read_written(HEAD + text), {"set": {path.replace("__", "."): value for path, value in changes.items()}}
    )


def refused(function, *arguments, **keywords):
    with pytest.raises(SpecError) as caught:
        function(*arguments, **keywords)
    return [(finding.rule, finding.path) for finding in caught.value.findings]


def test_a_system_is_a_fleet_of_one():
    assert read("system: al128\n").fleet == read("fleet: [{system: al128}]\n").fleet
    (part,) = read("system: al128\n").fleet
    assert (part.count, part.exclude, part.facts) == (1, (), {})
    assert part.fabric == Fabric(1, 2, 8, 8)


def test_parts_keep_their_order_count_and_exclusions():
    parts = read("fleet:\n  - {system: hgx-h100, count: 3, exclude: [r2, r0/g0/n0/a7]}\n  - {system: al128}\n").fleet
    assert [(part.system.name, part.count, part.exclude) for part in parts] == [
        ("hgx-h100", 3, ("r2", "r0/g0/n0/a7")),
        ("al128", 1, ()),
    ]
    assert [part.fabric.total for part in parts] == [24, 128]


def test_a_count_of_0_and_an_empty_list_of_exclusions_are_read():
    (part,) = read("fleet: [{system: al128, count: 0, exclude: []}]\n").fleet
    assert (part.count, part.fabric.total, part.exclude) == (0, 0, ())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fleet: []", ("KV010", "fleet")),
        ("fleet: al128", ("KV007", "fleet")),
        ("fleet: [al128]", ("KV007", "fleet[0]")),
        ("fleet: [{count: 1}]", ("KV008", "fleet[0].system")),
        ("fleet: [{system: al129}]", ("KV011", "fleet[0].system")),
        ("fleet: [{system: [al128]}]", ("KV007", "fleet[0].system")),
        ("fleet: [{system: al128, racks: 2}]", ("KV001", "fleet[0].racks")),
        ("fleet: [{system: al128, count: -1}]", ("KV010", "fleet[0].count")),
        ("fleet: [{system: al128, count: 1.5}]", ("KV007", "fleet[0].count")),
        ("fleet: [{system: al128, count: 65537}]", ("KV010", "fleet[0].count")),
        ("fleet: [{system: al128, count: 1025}]", ("KV010", "fleet[0].count")),
        ("fleet: [{system: al128, exclude: r0}]", ("KV007", "fleet[0].exclude")),
        ("fleet: [{system: al128, exclude: [r0/g2]}]", ("KV011", "fleet[0].exclude[0]")),
        ("fleet: [{system: al128, exclude: [r0, r1]}]", ("KV011", "fleet[0].exclude[1]")),
        ("fleet: [{system: al128, exclude: [g0]}]", ("KV011", "fleet[0].exclude[0]")),
        ("fleet: [{system: al128, count: 0, exclude: [r0]}]", ("KV011", "fleet[0].exclude[0]")),
        ("fleet: [{system: al128, facts: 3}]", ("KV007", "fleet[0].facts")),
        ("fleet: [{system: al128, facts: {hbm: 3 GB}}]", ("KV011", "fleet[0].facts.hbm")),
        ("fleet: [{system: al128, facts: {reserve: 3 GB}}]", ("KV011", "fleet[0].facts.reserve")),
        ("fleet: [{system: al128, facts: {hbm_engine_visible: 3}}]", ("KV009", "fleet[0].facts.hbm_engine_visible")),
        ("fleet: [{system: al128, facts: {hbm_engine_visible: 0 B}}]", ("KV010", "fleet[0].facts.hbm_engine_visible")),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: {low: 0 B, high: 1 GB}}}]",
            ("KV010", "fleet[0].facts.hbm_engine_visible"),
        ),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: {low: 3 GB}}}]",
            ("KV008", "fleet[0].facts.hbm_engine_visible"),
        ),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: {low: 3 GB, high: 2 GB}}}]",
            ("KV010", "fleet[0].facts.hbm_engine_visible"),
        ),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: {value: 3 GB, high: 4 GB}}}]",
            ("KV018", "fleet[0].facts.hbm_engine_visible"),
        ),
        (
            "fleet: [{system: al128, facts: {hbm_engine_visible: {value: 3 GB, status: heard}}}]",
            ("KV011", "fleet[0].facts.hbm_engine_visible.status"),
        ),
        ("fleet: [{system: hgx-h100, facts: {flops_fp4: 1 TFLOP/s}}]", ("KV011", "fleet[0].facts.flops_fp4")),
        # 48 accelerators a group do not divide a rack of 128; a range of them is no number of seats.
        ("fleet: [{system: al128, facts: {native_group_accelerators: 48}}]", ("KV010", "fleet[0].facts")),
        (
            "fleet: [{system: al128, facts: {native_group_accelerators: {low: 32, high: 64}}}]",
            ("KV010", "fleet[0].facts.native_group_accelerators"),
        ),
        ("system: al128\nfleet: [{system: al128}]", ("KV018", "system")),
        ("system: {name: al128}", ("KV007", "system")),
    ],
)
def test_one_break_one_finding(text, found):
    assert refused(read, text + "\n") == [found]


def test_as_many_accelerators_as_a_plan_names_are_read():
    assert read("fleet: [{system: al128, count: 1024}]\n").fleet[0].fabric.total == MAX_ACCELERATORS


def test_what_an_id_may_be_is_said():
    with pytest.raises(SpecError) as caught:
        read("fleet: [{system: al128, count: 2, exclude: [r2]}]\n")
    assert caught.value.findings[0].help == "ids of this part go from r0 to r1/g1/n7/a7"
    with pytest.raises(SpecError) as caught:
        read("fleet: [{system: al128, count: 0, exclude: [r0]}]\n")
    assert caught.value.findings[0].help == "this part has no racks"


def test_every_wrong_id_of_a_part_is_found():
    assert refused(read, "fleet: [{system: al128, exclude: [r9, r0, r8]}]\n") == [
        ("KV011", "fleet[0].exclude[0]"),
        ("KV011", "fleet[0].exclude[2]"),
    ]


def visible(workload) -> Fact:
    return workload.fleet[0].system.fact("hbm_engine_visible")


def numbers(fact: Fact) -> tuple[Fraction, Fraction, Fraction]:
    return fact.low, fact.nominal, fact.high


def test_a_plain_quantity_replaces_a_fact():
    fact = visible(read("fleet: [{system: al128, facts: {hbm_engine_visible: 150 GB}}]\n"))
    assert (*numbers(fact), fact.status, fact.source) == (150 * GB, 150 * GB, 150 * GB, "assumed", "given")


def test_a_measured_fact_keeps_its_status_and_source():
    text = "fleet: [{system: al128, facts: {hbm_engine_visible: {value: 150 GB, status: measured, source: our run}}}]\n"
    fact = visible(read(text))
    assert (*numbers(fact), fact.status, fact.source) == (150 * GB, 150 * GB, 150 * GB, "measured", "our run")


def test_a_range_without_a_nominal_counts_with_its_safe_end():
    low, high = "{low: 140 GB, high: 150 GB}", "{low: 1 us, high: 2 us}"
    workload = read(f"fleet: [{{system: al128, facts: {{hbm_engine_visible: {low}, pair_latency: {high}}}}}]\n")
    assert numbers(visible(workload)) == (140 * GB, 140 * GB, 150 * GB)
    latency = workload.fleet[0].system.fact("pair_latency")
    assert numbers(latency) == (Fraction(1, 10**6), Fraction(2, 10**6), Fraction(2, 10**6))


def test_facts_are_of_their_part_alone_and_leave_the_catalog_alone():
    first, second = read(
        "fleet:\n  - {system: al128, facts: {hbm_engine_visible: 150 GB}}\n  - {system: al128}\n"
    ).fleet
    assert numbers(first.system.fact("hbm_engine_visible"))[0] == 150 * GB
    assert second == FleetPart(system=catalog_system("al128"))


def test_a_fact_that_nobody_has_said_may_be_given():
    text = "fleet: [{system: hgx-h100, facts: {switch_latency: 500 ns}}]\n"
    assert read(text).fleet[0].system.fact("switch_latency").low == Fraction(5, 10**7)


def test_counts_replaced_change_the_fabric():
    facts = "{rack_accelerators: 64, native_group_accelerators: 32, node_accelerators: 16}"
    (part,) = read(f"fleet: [{{system: al128, count: 3, facts: {facts}}}]\n").fleet
    assert part.fabric == Fabric(3, 2, 2, 16)


@pytest.mark.parametrize("base", ["system: al128\n", "fleet: [{system: al128}]\n"], ids=["system", "fleet"])
@pytest.mark.parametrize("path", ["facts.hbm_engine_visible", "fleet.0.facts.hbm_engine_visible"])
@pytest.mark.parametrize("value", ["150 GB", "{value: 150 GB}"])
def test_set_replaces_a_fact(base, path, value):
    workload = build(read_written(HEAD + base), {"set": {path: value}})
    assert numbers(visible(workload)) == (150 * GB, 150 * GB, 150 * GB)
    assert workload.fleet[0].system.name == "al128"


def test_set_keeps_what_else_is_replaced():
    base = "fleet: [{system: al128, count: 2, facts: {hbm_engine_visible: 150 GB, power: 600 W}}]\n"
    (part,) = with_set(base, facts__hbm_engine_visible="151 GB").fleet
    assert (part.count, int(part.system.fact("hbm_engine_visible").low)) == (2, 151 * GB)
    assert part.system.fact("power").low == 600


@pytest.mark.parametrize("path", ["facts.reserve", "fleet.0.facts.reserve", "deployment.memory.reserve"])
def test_set_of_the_reserve_is_the_deployments(path):
    workload = build(read_written(HEAD + "system: al128\n"), {"set": {path: "{low: 2 GiB, high: 3 GiB}"}})
    (deployment,) = workload.deployments
    given = deployment.memory.reserve.given
    assert (given.low, given.nominal, given.high, given.worst) == (2 << 30, 3 << 30, 3 << 30, 3 << 30)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("facts.hbm_engine_visible", "150", "KV009"),
        ("facts.hbm", "150 GB", "KV011"),
        ("facts", "150 GB", "KV007"),
        ("fleet.1.facts.hbm_engine_visible", "150 GB", "KV011"),
        ("fleet.0.count", "many", "KV007"),
        ("system", "al129", "KV011"),
    ],
)
def test_what_is_set_wrong_is_found_at_the_flag(path, value, rule):
    with pytest.raises(SpecError) as caught:
        build(read_written(HEAD + "system: al128\n"), {"set": {path: value}}, "cli")
    (finding,) = caught.value.findings
    assert (finding.rule, finding.file, finding.excerpt) == (rule, "command line", f"--set {path}={value}")


def test_the_flag_system_replaces_the_fleet_and_count_counts_it():
    base = "fleet: [{system: al128, count: 2}, {system: hgx-h100}]\n"
    (part,) = build(read_written(HEAD + base), {"system": "hgx-h200", "count": 5}).fleet
    assert (part.system.name, part.count) == ("hgx-h200", 5)

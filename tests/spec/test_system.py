"""A system: its fabric and ids, and facts replaced."""

from fractions import Fraction

import pytest

from kvplan.errors import SpecError
from kvplan.spec.facts import Fact
from kvplan.spec.kinds import INVALID, Reading
from kvplan.spec.system import FACTS, Fabric, with_facts
from kvplan.spec.systems import FACTS_KIND, catalog_system, resolve_system

AL128 = Fabric(1, 2, 8, 8)


def read(tree):
    """Facts as a fleet entry would write them."""
    reading = Reading()
    facts = FACTS_KIND.read(tree, "fleet[0].facts", reading)
    return facts, [f"{finding.rule} {finding.path}: {finding.message}" for finding in reading.findings]


def test_al128_is_two_native_groups_of_64_in_nodes_of_8():
    fabric = catalog_system("al128").fabric
    assert fabric == AL128
    assert (fabric.total, fabric.sizes) == (128, (128, 64, 8, 1))


@pytest.mark.parametrize(
    ("id", "numbers"),
    [
        ("r0", range(128)),
        ("r0/g1", range(64, 128)),
        ("r0/g1/n3", range(88, 96)),
        ("r0/g1/n3/a5", range(93, 94)),
        ("r1", None),
        ("r0/g2", None),
        ("r0/g1/n8", None),
        ("r0/g1/n3/a8", None),
        ("r0/n3", None),
        ("g1", None),
        ("r0/", None),
        ("r0/g1/n3/a5/x", None),
        ("r٠", None),
        ("", None),
    ],
)
def test_an_id_is_a_stretch_of_accelerators(id, numbers):
    assert AL128.find(id) == numbers


def test_ids_and_numbers_are_one_to_one():
    fleet = AL128._replace(racks=3)
    ids = list(fleet.ids())
    assert len(set(ids)) == fleet.total == 384
    assert [fleet.find(id) for id in ids] == [range(number, number + 1) for number in range(384)]
    assert ids[128] == "r1/g0/n0/a0"


def test_where_the_node_is_undisclosed_it_is_the_native_group():
    assert "node_accelerators" not in catalog_system("vera-rubin-nvl72").facts
    assert catalog_system("vera-rubin-nvl72").fabric == Fabric(1, 1, 1, 72)


def test_a_fact_is_replaced_by_a_measured_one():
    facts, findings = read({"hbm_bandwidth": {"value": "3.9 TB/s", "status": "measured", "source": "our run"}})
    assert findings == []
    before = catalog_system("al128")
    after = with_facts(before, facts)
    assert after.fact("hbm_bandwidth") == Fact(
        Fraction(39 * 10**11), Fraction(39 * 10**11), Fraction(39 * 10**11), "bytes/s", "measured", "our run"
    )
    assert before.fact("hbm_bandwidth").status == "undisclosed"
    assert {name: fact for name, fact in after.facts.items() if name != "hbm_bandwidth"} == {
        name: fact for name, fact in before.facts.items() if name != "hbm_bandwidth"
    }


def test_a_replaced_count_changes_the_fabric():
    facts, _ = read({"node_accelerators": {"value": 16, "status": "measured", "source": "our rack"}})
    assert with_facts(catalog_system("al128"), facts).fabric == Fabric(1, 2, 4, 16)


def test_a_gap_can_be_filled():
    facts, _ = read({"hbm_reported": {"low": "290 GB", "high": "300 GB"}})
    system = with_facts(catalog_system("vera-rubin-nvl72"), facts)
    assert (system.fact("hbm_reported").nominal, system.fact("hbm_reported").status) == (290 * 10**9, "assumed")
    assert "hbm_reported" not in system.gaps


def test_what_is_left_out_is_assumed_and_safe():
    facts, _ = read({"pair_latency": {"low": "1 us", "high": "3 us"}})
    latency = facts["pair_latency"]
    assert (latency.nominal, latency.source, latency.more_is_better) == (Fraction(3, 10**6), "given", False)


@pytest.mark.parametrize(
    ("tree", "finding"),
    [
        (["x"], "KV007 fleet[0].facts: wants a mapping of facts, has a list"),
        ({"hbm": {"value": "1 GB"}}, "KV011 fleet[0].facts.hbm: unknown fact `hbm`"),
        ({"dies": [2]}, "KV007 fleet[0].facts.dies: wants a mapping like {value: …, status: measured, source: our run}, has a list"),
        ({"dies": 0}, "KV009 fleet[0].facts.dies: `0` is not a count of 1 or more"),
        ({"dies": {"status": "measured"}}, "KV008 fleet[0].facts.dies: the number is missing"),
        ({"dies": {"low": 2}}, "KV008 fleet[0].facts.dies: the number is missing"),
        ({"dies": {"value": 2, "low": 1}}, "KV018 fleet[0].facts.dies: `value` and `low`, `nominal`, `high` say the same thing twice"),
        ({"dies": {"low": 3, "high": 2}}, "KV010 fleet[0].facts.dies: low, nominal and high are out of order"),
        ({"dies": {"value": 2, "status": "undisclosed"}}, "KV010 fleet[0].facts.dies: an undisclosed fact is a range"),
        ({"dies": {"value": 2, "status": "rumoured"}}, "KV011 fleet[0].facts.dies.status: unknown status `rumoured`"),
        ({"dies": {"value": 0}}, "KV009 fleet[0].facts.dies.value: `0` is not a count of 1 or more"),
        ({"dies": {"value": True}}, "KV007 fleet[0].facts.dies.value: wants a whole number of dies, has true"),
        ({"hbm_reported": {"value": 144}}, "KV009 fleet[0].facts.hbm_reported.value: `144` is not a number of bytes: the unit is missing"),
        ({"hbm_bandwidth": {"value": "4 TB"}}, "KV009 fleet[0].facts.hbm_bandwidth.value: `4 TB` is not a rate: unknown unit `TB`"),
        ({"hbm_bandwidth": {"value": "9000000 PB/s"}}, "KV010 fleet[0].facts.hbm_bandwidth.value: `9000000 PB/s` is more than kvplan counts to"),
        ({"power": {"value": "700"}}, "KV009 fleet[0].facts.power.value: `700` is not in W"),
        ({"flops_fp16": {"value": "700 W"}}, "KV009 fleet[0].facts.flops_fp16.value: `700 W` is not in flop/s"),
        ({"dies": {"vale": 2}}, "KV001 fleet[0].facts.dies.vale: unknown key `vale`"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_fact_that_cannot_be_read_is_a_finding_at_its_place(tree, finding):
    facts, findings = read(tree)
    assert facts is INVALID
    assert finding in findings


@pytest.mark.parametrize(
    ("system", "tree", "words"),
    [
        ("hgx-h100", {"flops_fp4": {"value": "1 PFLOP/s"}}, "KV011 at fleet.facts.flops_fp4: hgx-h100 does not offer"),
        ("al128", {"node_accelerators": {"value": 7}}, "KV010 at fleet.facts: al128: 64 accelerators are not a whole number of nodes of 7"),
        ("al128", {"native_group_accelerators": {"value": 48}}, "128 accelerators are not a whole number of native groups of 48"),
    ],
)  # fmt: skip
def test_a_fact_that_cannot_be_is_refused(system, tree, words):
    with pytest.raises(SpecError, match=words):
        with_facts(catalog_system(system), read(tree)[0], "fleet.facts")


def test_a_fact_of_another_unit_or_name_is_refused():
    watts = Fact(Fraction(1), Fraction(1), Fraction(1), "W", "measured", "us")
    with pytest.raises(SpecError, match="`hbm_bandwidth` is in bytes/s, not in W"):
        with_facts(catalog_system("al128"), {"hbm_bandwidth": watts})
    with pytest.raises(SpecError, match="unknown fact `hbm_bandwith`"):
        with_facts(catalog_system("al128"), {"hbm_bandwith": watts})


def test_what_nobody_said_or_offers_is_not_answered():
    system = catalog_system("hgx-h100")
    with pytest.raises(SpecError, match=r"KV008 at facts.switch_latency: .*undisclosed"):
        system.fact("switch_latency")
    with pytest.raises(SpecError, match=r"KV011 at facts.flops_fp4: hgx-h100 does not offer"):
        system.fact("flops_fp4")
    with pytest.raises(SpecError, match="unknown fact `hbm`"):
        system.fact("hbm")
    with pytest.raises(SpecError, match=r"has no `cxl_memory`"):
        system.fact("cxl_memory")


@pytest.mark.parametrize(
    ("name", "words"),
    [("AL128", "unknown system `AL128`"), ("hgx-h10", "unknown system"), (8, "wants a system, has `8`"), (None, "wants a system, has nothing")],
)  # fmt: skip
def test_an_unknown_system_is_refused(name, words):
    with pytest.raises(SpecError, match=words):
        resolve_system(name, "system")


def test_every_fact_has_a_meaning_and_a_unit():
    assert {kind.unit for kind in FACTS.values()} == {
        "bytes", "bytes/s", "flop/s", "s", "W", "share", "accelerators", "links", "dies",
    }  # fmt: skip
    assert all(kind.doc for kind in FACTS.values())

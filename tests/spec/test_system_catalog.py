"""The systems of the catalog: every number has a source, is what the table says, and is held to the facts of its source."""

import re
from fractions import Fraction

import pytest
import yaml

from kvplan.spec import catalog
from kvplan.spec.facts import STATUSES
from kvplan.spec.system import FACTS
from kvplan.spec.systems import catalog_system

NAMES = catalog.system_names()

# name, accelerator, topology, groups x nodes x accelerators; then low:nominal:high/status of memory as sold, as
# reported, as an engine sees it [GB], of its bandwidth and of the scale-up bandwidth in one direction [GB/s]
TABLE = """
al128 zhenwu-m890 switch 2x8x8 144/published 144:154.619:154.619/derived 144:154.619:154.619/assumed 2765:4000:4915/undisclosed 400/derived
cloudmatrix384 ascend-910c switch 1x48x8 128/published - 128:128:137.439/assumed 3200/published 350:392:392/published
gaudi3-8 gaudi3 mesh 1x1x8 128/published - 128:128:137.439/assumed 3700/published 525/published
gb200-nvl72 gb200 switch 1x18x4 186/published 198.675/measured 197.89:197.9:197.91/measured 8000/published 900/published
gb300-nvl72 gb300 switch 1x18x4 279:288:288/published 298.014/measured 296.88:296.89:296.9/measured 8000/published 900/published
helios-mi455x-72 mi455x switch 1x18x4 432/published - 432:432:463.856/assumed 19600:23300:23300/published 1800/derived
hgx-b200 b200 switch 1x1x8 180:180:192/published 192.266/measured 191.49:191.5:191.52/measured 7700:8000:8000/published 900/published
hgx-b300 b300 switch 1x1x8 288/published 288.4/measured 287.42:287.43:287.44/measured 7750:8000:8000/published 900/published
hgx-h100 h100 switch 1x1x8 80/published 85.5208/measured 84.92:84.94:85.03/measured 3350/published 450/published
hgx-h200 h200 switch 1x1x8 141/published 150.755/measured 150.1:150.11:150.13/measured 4800/published 450/published
mi300x-8 mi300x mesh 1x1x8 192/published 206.142/measured 205.82:206.142:206.142/measured 5300/published 448/derived
mi325x-8 mi325x mesh 1x1x8 256/published 274.861/measured 274.53:274.861:274.861/measured 6000/published 448/derived
mi350x-8 mi350x mesh 1x1x8 288/assumed 309.221/measured 309.221/measured 8000/published 535.5/derived
mi355x-8 mi355x mesh 1x1x8 288/published 309.221/measured 309.221/measured 8000/published 535.5/derived
tpu-v5p tpu-v5p torus 1x2240x4 102.005/published 102.005/published 95:102.005:102.005/assumed 2765/published 600/derived
tpu-v6e tpu-v6e torus 1x32x8 32/published - 32:32:34.3597/assumed 1638/published 400/derived
tpu7x tpu7x torus 1x2304x4 206.158/published - 204.011:204.011:206.158/assumed 7370/published 600/derived
vera-rubin-nvl72 rubin switch 1x1x72 288/published - 287:288:309.238/assumed 22000/published 1800/published
zhenwu-810e zhenwu-810e undisclosed 1x1x16 96/published 103.079/measured 102:103.079:103.079/assumed 1600:2000:2800/derived 350/derived
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.strip().splitlines()}


def shown(fact):
    """A fact in the table."""
    if fact is None:
        return "-"
    low, nominal, high = (f"{float(value) / 10**9:.6g}" for value in (fact.low, fact.nominal, fact.high))
    return (low if fact.low == fact.high else f"{low}:{nominal}:{high}") + f"/{fact.status}"


def test_al128_heads_the_list():
    assert NAMES[0] == "al128"
    assert sorted(NAMES) == sorted(ROWS)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_reads_as_the_table_says(name):
    system = catalog_system(name)
    fabric = system.fabric
    facts = ("hbm_brochure", "hbm_reported", "hbm_engine_visible", "hbm_bandwidth", "scaleup_bandwidth")
    assert [
        system.accelerator,
        system.topology,
        f"{fabric.native_groups}x{fabric.nodes}x{fabric.accelerators}",
        *(shown(system.facts.get(fact)) for fact in facts),
    ] == ROWS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_says_how_it_is_known_and_where_it_was_read(name):
    tree = catalog.system_entry(name).tree
    ids = set(catalog.source_texts())
    for fact, written in [*tree["facts"].items(), *tree.get("traits", {}).items()]:
        assert written["status"] in (*STATUSES, "not_supported"), fact
        assert written["source"], fact
        assert set(written["source"]) <= ids, fact
    assert catalog_system(name).sources


def test_every_source_is_used():
    used = {id for name in NAMES for id in catalog_system(name).sources}
    assert used == set(catalog.source_texts())


@pytest.mark.parametrize("name", NAMES)
def test_memory_is_kept_apart(name):
    """What an engine sees is a range where nobody has read it, and never more than a tool reports."""
    facts = catalog_system(name).facts
    seen = facts["hbm_engine_visible"]
    assert seen.status in ("measured", "assumed")
    if seen.status == "assumed":
        assert seen.low < seen.high
    if "hbm_reported" in facts:
        assert seen.high <= facts["hbm_reported"].high
        assert seen.low >= facts["hbm_reported"].low * Fraction(92, 100)


def test_memory_that_no_tool_was_seen_to_report_is_a_gap():
    unread = {name for name in NAMES if "hbm_reported" in catalog_system(name).gaps}
    assert unread == {"vera-rubin-nvl72", "helios-mi455x-72", "cloudmatrix384", "tpu-v6e", "tpu7x", "gaudi3-8"}
    assert all(catalog_system(name).facts["hbm_engine_visible"].status == "assumed" for name in unread)


def test_figures_agree_with_each_other():
    """The cross-checks of the vendors' figures: links, ports, and memory of a rack."""
    facts = {name: fact.nominal for name, fact in catalog_system("al128").facts.items()}
    assert facts["scaleup_links"] * facts["scaleup_link_bandwidth"] == facts["scaleup_bandwidth"]
    assert 2 * facts["scaleup_bandwidth"] == facts["scaleup_headline"]
    assert facts["switch_bandwidth"] / facts["scaleup_link_bandwidth"] == 64 == facts["native_group_accelerators"]
    older = {name: fact.nominal for name, fact in catalog_system("zhenwu-810e").facts.items()}
    assert 2 * older["scaleup_bandwidth"] == older["scaleup_headline"] == 700 * 10**9
    for name in ("mi300x-8", "mi350x-8"):
        mesh = catalog_system(name).facts
        assert mesh["scaleup_bandwidth"].nominal == 7 * mesh["scaleup_pair_bandwidth"].nominal


HARDWARE = {
    "al128": "alibaba_m890_al128", "zhenwu-810e": "alibaba_810e", "hgx-h100": "h100_hgx8", "hgx-h200": "h200_hgx8",
    "hgx-b200": "b200_hgx8", "hgx-b300": "b300_hgx8", "gb200-nvl72": "gb200_nvl72", "gb300-nvl72": "gb300_nvl72",
    "vera-rubin-nvl72": "vera_rubin_nvl72", "mi300x-8": "mi300x_8", "mi325x-8": "mi325x_8", "mi350x-8": "mi350x_8",
    "mi355x-8": "mi355x_8", "helios-mi455x-72": "mi455x_helios72", "cloudmatrix384": "huawei_cloudmatrix384",
    "tpu-v5p": "tpu_v5p", "tpu-v6e": "tpu_v6e", "tpu7x": "tpu7x_ironwood", "gaudi3-8": "gaudi3_8",
}  # fmt: skip
KEYS = {
    "hbm_capacity_marketing": "hbm_brochure", "hbm_capacity": "hbm_brochure", "hbm_capacity_reported": "hbm_reported",
    "hbm_bandwidth": "hbm_bandwidth", "flops_fp16_dense": "flops_fp16", "flops_bf16_dense": "flops_bf16",
    "flops_fp8_dense": "flops_fp8", "flops_fp4_dense": "flops_fp4", "flops_int8_dense": "flops_int8",
    "dies_per_package": "dies", "scaleup_links_per_accel": "scaleup_links", "scaleup_bw_headline": "scaleup_headline",
    "scaleup_link_bw_per_dir": "scaleup_link_bandwidth", "scaleup_bw_per_dir": "scaleup_bandwidth",
    "scaleup_p2p_measured_per_dir": "scaleup_pair_bandwidth", "scaleup_p2p_bw_per_dir": "scaleup_pair_bandwidth",
    "switch_bw": "switch_bandwidth", "switch_latency_p2p": "switch_latency", "switch_latency": "switch_latency",
    "native_domain": "native_group_accelerators", "rack_accelerators": "rack_accelerators",
    "accelerators_per_os_node": "node_accelerators", "inter_group_bw_per_accel": "inter_group_bandwidth",
    "inter_group_latency": "inter_group_latency", "inter_rack_latency": "inter_rack_latency",
    "p2p_latency_512B": "pair_latency", "internode_bw_loss": "internode_bandwidth_loss",
    "host_dram_per_accel": "host_memory", "host_link_bw": "host_bandwidth", "host_link_bw_per_dir": "host_bandwidth",
    "remote_dram_bw": "remote_memory_bandwidth", "nvme": "nvme_memory", "scaleout_nic": "scaleout_bandwidth",
    "scaleout_bw_per_dir": "scaleout_bandwidth", "power_per_accel": "power", "rack_power": "rack_power",
}  # fmt: skip
WORDS = {"hbm_type", "precisions", "tensor_types", "switch_name", "scaleup_fabric", "cxl", "rack_bw_claim"}
OF_A_MODEL = {"decode_throughput", "prefill_throughput"}  # what was served on it, not what it is
SCALES = {
    "": 1, "%": Fraction(1, 100), "bytes": 1, "GB": 10**9, "GiB": 2**30, "GB/s": 10**9, "Gbit/s": Fraction(10**9, 8),
    "Tbit/s": Fraction(10**12, 8), "TFLOPS": 10**12, "TOPS": 10**12, "W": 1, "kW": 1000, "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6), "accelerators": 1, "chips": 1, "GPU packages": 1, "links": 1,
}  # fmt: skip
# Where the catalog says more than the table: a range that stands in a note or in the prose beside the table.
WIDER = {
    ("al128", "node_accelerators"), ("al128", "inter_group_latency"), ("hgx-b200", "scaleout_bandwidth"),
    ("gb200-nvl72", "scaleout_bandwidth"), ("hgx-b300", "power"), ("al128", "nvme_memory"),
}  # fmt: skip
STATUS = {"unverified": "assumed"}


@pytest.fixture(scope="module")
def hardware(shared):
    return yaml.safe_load((shared / "facts" / "hardware.yaml").read_text(encoding="utf-8"))["systems"]


def numbers(written):
    """A fact of the table: the ends and the middle that it gives, in base units; nothing where it has no number."""
    unit = re.sub(r" per (accelerator|dir|chip|die)$", "", written["unit"])
    value = written["value"] if isinstance(written["value"], list) else [written["value"]]
    given = [*(written.get("range") or value), written.get("suggested_nominal"), value[0]]
    return [Fraction(str(number)) * SCALES[unit] for number in given if number is not None]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_that_of_the_hardware_facts(name, hardware):
    system = catalog_system(name)
    seen = set()
    for key, written in hardware[HARDWARE[name]]["facts"].items():
        if key in WORDS | OF_A_MODEL:
            continue
        fact_name = KEYS[key]
        seen.add(fact_name)
        status = STATUS.get(written["status"], written["status"])
        given = numbers(written)
        if not given and (name, fact_name) not in WIDER:
            assert system.gaps[fact_name].status == status, fact_name
            continue
        fact = system.facts[fact_name]
        if (name, fact_name) in WIDER:
            assert all(fact.low <= number <= fact.high for number in given), fact_name
            continue
        assert (fact.low, fact.high, fact.status) == (min(given), max(given), status), fact_name
        stated = written.get("suggested_nominal") or (None if isinstance(written["value"], list) else written["value"])
        assert stated is None or fact.nominal == given[-1] or fact.nominal == given[-2], fact_name
    assert len(seen) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_the_hardware_facts_are_kept(name, hardware):
    words = {key: item for key, item in hardware[HARDWARE[name]]["facts"].items() if key in WORDS}
    kept = {(trait.status, trait.source) for trait in catalog_system(name).traits.values()}
    assert {(item["status"], ", ".join(item["source"])) for item in words.values()} == kept
    assert len(words) == len(catalog_system(name).traits)


def test_every_system_of_the_hardware_facts_is_in_the_catalog(hardware):
    assert {HARDWARE[name] for name in NAMES} == set(hardware)
    facts = sum(len(item["facts"]) for item in hardware.values())
    assert facts == 251
    assert all(name in FACTS for name in KEYS.values())

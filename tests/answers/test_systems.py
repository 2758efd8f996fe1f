"""The systems that are known: keys that others rely on, and no undisclosed number that stands alone."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from kvplan.answers.systems import list_systems, show_system, view
from kvplan.errors import SpecError
from kvplan.spec import catalog
from kvplan.spec.facts import STATUSES, Fact
from kvplan.spec.system import FACTS, with_facts
from kvplan.spec.systems import catalog_system

DOCS = Path(__file__).resolve().parents[2] / "docs"
FACT_KEYS = {"low", "nominal", "high", "unit", "status", "source", "note", "meaning"}
LINE_KEYS = {
    "system", "title", "accelerator", "availability", "topology", "accelerators", "native_groups",
    "native_group_accelerators", "node_accelerators", "hbm_brochure", "hbm_engine_visible", "hbm_bandwidth",
    "scaleup_bandwidth",
}  # fmt: skip
VIEW_KEYS = {
    "format_version", "kind", "kvplan", "system", "title", "accelerator", "availability", "topology", "accelerators",
    "native_groups", "native_group_accelerators", "nodes", "node_accelerators", "node_status", "facts",
    "not_supported", "traits", "sources",
}  # fmt: skip


def test_the_list_has_every_system_and_its_keys():
    tree = list_systems().to_dict()
    assert (tree["kind"], tree["format_version"]) == ("systems", 1)
    assert [line["system"] for line in tree["systems"]] == list(catalog.system_names())
    for line in tree["systems"]:
        assert set(line) == LINE_KEYS
        assert set(line["hbm_engine_visible"]) == FACT_KEYS
    json.dumps(tree, allow_nan=False)


@pytest.mark.parametrize("name", catalog.system_names())
def test_a_system_has_its_keys_whatever_is_known_of_it(name):
    tree = show_system(name).to_dict()
    assert set(tree) == VIEW_KEYS
    assert tree["kind"] == "system"
    assert tree["native_groups"] * tree["native_group_accelerators"] == tree["accelerators"]
    assert tree["nodes"] * tree["node_accelerators"] == tree["native_group_accelerators"]
    for fact in tree["facts"].values():
        assert set(fact) == FACT_KEYS
        if fact["unit"] in ("bytes", "bytes/s") and fact["low"] is not None:
            assert all(isinstance(fact[end], int) for end in ("low", "nominal", "high"))
    json.dumps(tree, allow_nan=False)


@pytest.mark.parametrize("name", catalog.system_names())
def test_nothing_undisclosed_is_one_number(name):
    for fact in show_system(name).facts.values():
        if fact.status == "undisclosed":
            assert fact.low is None or fact.low < fact.high


def test_what_is_not_offered_is_no_fact():
    shown = show_system("hgx-h100")
    assert "flops_fp4" not in shown.facts
    assert shown.not_supported == {"flops_fp4": {"source": "STAS_ACC", "note": ""}}
    assert show_system("al128").not_supported == {}


def test_where_nobody_said_a_number_there_is_none():
    reported = show_system("vera-rubin-nvl72").facts["hbm_reported"]
    assert (reported.low, reported.nominal, reported.high, reported.status) == (None, None, None, "undisclosed")
    assert show_system("vera-rubin-nvl72").node_status == "undisclosed"
    assert show_system("al128").node_status == "assumed"


def test_a_system_with_facts_replaced_is_shown_like_any():
    known = Fact(Fraction(16), Fraction(16), Fraction(16), "accelerators", "measured", "our rack")
    shown = view(with_facts(catalog_system("al128"), {"node_accelerators": known}))
    assert (shown.nodes, shown.node_accelerators, shown.node_status) == (4, 16, "measured")


def test_an_unknown_system_is_refused():
    with pytest.raises(SpecError, match="unknown system `al129`"):
        show_system("al129")


def test_every_fact_is_documented():
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    rows = {f"| `{name}` | {kind.unit} | {kind.doc} |" for name, kind in FACTS.items()}
    assert not [row for row in rows if row not in text]
    assert not [status for status in STATUSES if f"| `{status}` |" not in text]


def test_every_json_key_is_documented():
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert not [key for key in LINE_KEYS | VIEW_KEYS | FACT_KEYS if key not in text]

"""Systems as people see them: exact output, units, and ranges that never become one number."""

import csv
import io

import pytest

from kvplan.answers.systems import FactLine, list_systems, show_system
from kvplan.report.formats import data, text
from kvplan.report.sheets.systems import amount_text, range_text, system_sheet, systems_sheet
from kvplan.spec import catalog


def drawn(sheet, monkeypatch, width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    text.write(sheet, out)
    return out.getvalue()


def line(low, high, unit="bytes", status="assumed"):
    return FactLine(low, low, high, unit, status, "test", "", "")


def test_the_list(golden, monkeypatch):
    content = drawn(systems_sheet(list_systems()), monkeypatch, 80)
    assert max(map(len, content.splitlines())) <= 80
    golden("systems-80.txt", content)


def test_one_system(golden, monkeypatch):
    golden("system-al128-80.txt", drawn(system_sheet(show_system("al128")), monkeypatch, 80))


def test_what_is_not_known_or_not_offered(golden, monkeypatch):
    golden("system-cloudmatrix384-100.txt", drawn(system_sheet(show_system("cloudmatrix384")), monkeypatch, 100))


def test_csv_of_the_list_has_the_paths_of_its_json():
    rows = list(csv.DictReader(io.StringIO(data.csv_text(systems_sheet(list_systems())))))
    tree = list_systems().to_dict()["systems"]
    for row, line in zip(rows, tree, strict=True):
        for key, value in row.items():
            node = line
            for part in key.split("."):
                node = node[part]
            assert str(node) == value


def test_csv_of_a_system_is_its_facts():
    rows = {row["fact"]: row for row in csv.DictReader(io.StringIO(data.csv_text(system_sheet(show_system("al128")))))}
    assert rows["hbm_engine_visible"]["low"] == "144000000000"
    assert rows["switch_latency"]["low"] == "1.5e-07"
    vera = list(csv.DictReader(io.StringIO(data.csv_text(system_sheet(show_system("vera-rubin-nvl72"))))))
    assert ("hbm_reported", "", "undisclosed") in {(row["fact"], row["low"], row["status"]) for row in vera}


@pytest.mark.parametrize("name", catalog.system_names())
@pytest.mark.parametrize("width", [20, 60, 80, 140])
def test_every_system_is_drawn_at_any_width(name, width, monkeypatch):
    content = drawn(system_sheet(show_system(name)), monkeypatch, width)
    assert content
    assert data.markdown_text(system_sheet(show_system(name))).startswith("## ")


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (144 * 10**9, "bytes", "144 GB"),
        (154_618_822_656, "bytes", "154.6 GB"),
        (0, "bytes", "0 B"),
        (100, "bytes", "100 B"),
        (4 * 10**12, "bytes/s", "4 TB/s"),
        (1.5e-07, "s", "150 ns"),
        (1e-06, "s", "1 us"),
        (1.4e-05, "s", "14 us"),
        (989 * 10**12, "flop/s", "989 TFLOP/s"),
        (2000, "W", "2,000 W"),
        (350_000, "W", "350 kW"),
        (0.03, "share", "3%"),
        (9216, "accelerators", "9,216"),
    ],
)
def test_amounts(value, unit, words):
    assert amount_text(value, unit) == words


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (line(144 * 10**9, 154_618_822_656), "144 … 154.6 GB"),
        (line(500 * 10**6, 2 * 10**9), "500 MB … 2 GB"),
        (line(0, 2 * 10**9), "0 … 2 GB"),
        (line(7, 7, "links"), "7"),
        (line(191_490_000_000, 191_520_000_000, status="measured"), "191.5 GB"),
        (line(191_490_000_000, 191_520_000_000, status="undisclosed"), "191.5 … 191.5 GB"),
        (line(None, None, status="undisclosed"), "undisclosed"),
        (line(8, 32, "accelerators"), "8 … 32"),
    ],
)
def test_ranges(fact, words):
    assert range_text(fact) == words

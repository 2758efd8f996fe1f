"""Exact output: one workload in every format, at two widths, and findings full and concise."""

import csv
import io
import json

import pytest

import kvplan
from kvplan.report.findings.text import concise_text, full_text, summary_text
from kvplan.report.formats import data, text
from kvplan.report.formats.curve import draw
from kvplan.report.sheet import Bar, Bars, Column, Curve, Note, Sheet, Table
from kvplan.report.sheets.size import size_sheet

WORKLOAD = """
kvplan: 1
name: golden
model: gemma-3-27b
engine: vllm@0.32
deployment: {tensor_parallel: 2}
requests:
  - {name: chat, sequences: 64, input: 4Ki, output: 1Ki, prefix: {tokens: 1Ki}}
  - {name: documents, sequences: 8, context: 128Ki}
"""


@pytest.fixture(scope="module")
def size():
    return kvplan.size(WORKLOAD)


def drawn(sheet: Sheet, monkeypatch, width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    text.write(sheet, out)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_table(size, golden, monkeypatch, width):
    golden(f"size-{width}.txt", drawn(size_sheet(size, explain=True), monkeypatch, width))


def test_markdown(size, golden):
    golden("size.md", data.markdown_text(size_sheet(size)))


def test_csv(size, golden):
    content = data.csv_text(size_sheet(size))
    golden("size.csv", content)
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [int(row["held_bytes"]) for row in rows] == [item.held_bytes for item in size.classes]


def test_json(size, golden):
    content = data.json_text(size.to_dict())
    golden("size.json", content)
    assert json.loads(content)["held_bytes"] == size.held_bytes


def test_findings(golden):
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.load("kvplan: 1\nmodle: x\nrequests:\n  - {sequences: 0, context: 128k漢, prefx: 1}\n\té: 1")
    golden("syntax.txt", full_text(caught.value.findings))
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.load("kvplan: 1\nmodle: x\nrequests:\n  - {name: 漢字, sequences: 0, context: 128G B, prefx: 1}\n")
    golden("findings.txt", full_text(caught.value.findings) + concise_text(caught.value.findings))


def test_a_name_cannot_speak_markdown_html_or_escapes():
    sheet = Sheet("<b>|*`[x](y)", [Note("a\x1b[31m")])
    assert "<b>" not in data.markdown_text(sheet)
    with pytest.raises(kvplan.SpecError) as caught:
        kvplan.load('kvplan: 1\n"\\e[31mred": 1\n')
    assert "\x1b" not in full_text(caught.value.findings) + concise_text(caught.value.findings)


def test_bars_show_what_was_taken_and_what_was_added(monkeypatch):
    bars = Bars(
        "",
        [Bar("one", 100, 100, ""), Bar("two", 50, 100, "−50 B"), Bar("three", 75, 50, "+25 B"), Bar("nil", 0, 0, "")],
    )
    lines = drawn(Sheet("t", [bars]), monkeypatch, 40).splitlines()[2:]
    drawing = [line[7:].replace(" ", "") for line in lines]
    assert drawing[0].count("█") == drawing[1].count("█") + drawing[1].count("░")
    assert abs(drawing[1].count("█") - drawing[1].count("░")) <= 1
    assert drawing[2].count("▒") > 0
    assert "█" not in drawing[3]


@pytest.mark.parametrize("width", [12, 40, 100])
def test_a_curve_rises_and_keeps_to_its_width(width):
    tokens = [64 * 2**step for step in range(12)]
    lines = draw(Curve("c", tokens, [count * 7 for count in tokens]), width)
    assert len(lines) == 12
    heights = [sum(line[column : column + 1] == "█" for line in lines) for column in range(12, width)]
    assert heights == sorted(heights)


def test_a_curve_of_one_height_is_drawn():
    assert len(draw(Curve("c", [64, 128], [5, 5]), 40)) == 12


def test_blank_cells_and_sums():
    table = Table(
        "", [Column("a", "A"), Column("b", "B", "bytes")], [{"a": "x", "b": 1000}], is_data=True, total={"b": 2000}
    )
    assert data.csv_text(Sheet("", [table])) == "a,b\nx,1000\n"
    assert "|   | 2.000 kB |" in data.markdown_text(Sheet("", [table])).replace("|  |", "|   |")


def test_summary_counts():
    assert summary_text(1, 0, 0, 0, 0) == "1 workload checked: nothing found\n"
    assert summary_text(3, 2, 1, 2, 0) == (
        "3 workloads checked, 2 without a top-level kvplan: skipped: 1 error, 2 warnings\n"
    )

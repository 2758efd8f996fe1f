"""A verification as people see it: the verdict, each claim with what it says, and that a workload is still to be named."""

import io

import pytest

from kvplan.answers.verify import Verification
from kvplan.findings import Finding
from kvplan.placement.verify import Claim
from kvplan.report.formats import data, text
from kvplan.report.sheet import Note, Table
from kvplan.report.sheets.verify import verify_sheet

NAMES = (
    "form", "seal", "fleet", "seats", "rooms", "regions", "loads", "copies", "leftovers", "totals", "bound", "summary",
    "workload",
)  # fmt: skip
WRONG = Finding("KV606", "replicas[0]", "says 3, but holds 4")


def verification(*failing, names=NAMES, checked=True):
    claims = tuple(Claim(name, (WRONG,) if name in failing else ()) for name in names)
    found = tuple(WRONG for _ in failing)
    return Verification("no" if failing else "yes", not failing, claims, found, checked)


def drawn(sheet, monkeypatch, width=100):
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    text.write(sheet, out)
    return out.getvalue()


def rows(sheet):
    return next(block for block in sheet.blocks if isinstance(block, Table)).rows


def test_every_claim_has_its_line_and_its_meaning():
    sheet = verify_sheet(verification())
    assert sheet.title == "Every claim of the plan holds."
    assert [(row["claim"], row["holds"]) for row in rows(sheet)] == [(name, "yes") for name in NAMES]
    assert all(row["meaning"] for row in rows(sheet))
    assert not any(isinstance(block, Note) for block in sheet.blocks)


def test_claims_that_do_not_hold_are_named_first():
    sheet = verify_sheet(verification("loads", "summary"))
    assert sheet.title == "The plan does not hold: loads, summary."
    assert [row["claim"] for row in rows(sheet) if row["holds"] == "NO"] == ["loads", "summary"]


def test_without_a_workload_it_is_said_what_is_taken_as_told():
    sheet = verify_sheet(verification(names=NAMES[:-1], checked=False))
    (note,) = [block for block in sheet.blocks if isinstance(block, Note)]
    assert "name the workload to hold it to that" in note.text


def test_a_form_that_is_not_sound_is_the_only_claim():
    sheet = verify_sheet(verification("form", names=("form",), checked=False))
    assert (sheet.title, len(rows(sheet))) == ("The plan does not hold: form.", 1)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_it_fits_the_terminal(monkeypatch, width):
    lines = drawn(verify_sheet(verification("rooms")), monkeypatch, width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "The plan does not hold: rooms."


def test_data_formats():
    sheet = verify_sheet(verification("seats"))
    header, first, *rest = data.csv_text(sheet).splitlines()
    assert (header, first.startswith("form,yes,"), len(rest)) == ("claim,holds,meaning", True, 12)
    assert "| seats | NO |" in " ".join(data.markdown_text(sheet).split())

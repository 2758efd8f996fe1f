"""A place as people see it: at most ten lines that answer, exact output, and each way to say no."""

import io
import itertools
from dataclasses import replace

import pytest

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.report.formats import data, text
from kvplan.report.sheet import Note, Table
from kvplan.report.sheets.place import place_sheet


def drawn(sheet, monkeypatch, width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    text.write(sheet, out)
    return out.getvalue()


def answer(place) -> list[str]:
    """The sentences before the first table or map."""
    blocks = itertools.takewhile(lambda block: isinstance(block, Note), place_sheet(place).blocks)
    return [block.text for block in blocks]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_yes(place, golden, monkeypatch, width):
    content = drawn(place_sheet(place), monkeypatch, width)
    assert max(map(len, content.splitlines())) <= width
    golden(f"place-{width}.txt", content)


def test_it_depends(place_that_depends, golden, monkeypatch):
    content = drawn(place_sheet(place_that_depends), monkeypatch, 100)
    assert content.index("\n\n") == len("\n".join(content.splitlines()[:11])), "a title and ten lines"
    golden("place-depends-100.txt", content)


def test_markdown_and_csv(place, golden):
    golden("place.md", data.markdown_text(place_sheet(place)))
    assert data.csv_text(place_sheet(place)).splitlines()[0].startswith("id,deployment,rack,native_groups,")


def test_no_says_what_stops_more(place_that_depends):
    no = replace(place_that_depends, verdict="no", depends_on=(), would_fit=())
    found = answer(no)
    assert found[0].startswith("No: 300 of 512 sequences are left over, with 8 replicas of llama-3-70b on 64 of 120 ")
    assert found[0].endswith("; what stops more: the number of accelerators.")
    assert found[-1] == "No flag that was tried would alone make it fit."


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        (Remedy("batch", 1300), "--batch 1300"),
        (Remedy("count", 2), "--count 2"),
        (Remedy("tensor_parallel", 16), "--tensor-parallel 16"),
        (Remedy("memory_fraction", "95%"), "--memory-fraction 95%"),
        (Remedy("weights", 3 << 20), "--weights 3MiB"),
        (Remedy("pool", 5 << 30), "--pool 5120MiB"),
    ],
)
def test_what_alone_would_fit_is_a_flag(place_that_depends, remedy, words):
    assert answer(replace(place_that_depends, would_fit=(remedy,)))[-1] == f"Each of these alone would fit: {words}."


def test_headroom_is_not_rounded_up(place):
    more = (Headroom("batch", 1.2099), Headroom("replicas_lost", 2.0))
    assert (
        answer(replace(place, headroom=more))[-1]
        == "The fleet has room for 1.20 × the sequences, or 2.00 × replicas lost."
    )


def test_several_deployments(build):
    part = build.part(exclude=())
    deployments = [build.deployment(name, f"model-{name}", replicas=2) for name in "abcde"]
    few = build.place_of(build.plan_of([part], deployments[:3], []))
    assert [line[:10] for line in answer(few)[2:5]] == ["a, a rank:", "b, a rank:", "c, a rank:"]
    assert len(answer(few)) <= 10
    many = build.place_of(build.plan_of([part], deployments, []))
    table = next(block for block in place_sheet(many).blocks if isinstance(block, Table))
    assert (table.title, len(table.rows), len(answer(many)) <= 7) == ("Deployments", 5, True)


def test_what_was_set_and_notes_stand_at_the_end(place_that_depends):
    last = place_sheet(place_that_depends).blocks[-2:]
    assert last == [Note("a.b was set to 1"), Note("the usable HBM is a range", "note")]

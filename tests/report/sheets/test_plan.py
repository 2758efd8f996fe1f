"""A saved plan as people see it: exact output, the data of CSV, and what is left over."""

import csv
import io
from dataclasses import replace

import pytest

from kvplan.placement.plan import Stage
from kvplan.report.formats import data, text
from kvplan.report.sheet import Note, Table
from kvplan.report.sheets.plan import plan_blocks, show_sheet


def drawn(sheet, monkeypatch, width: int) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    text.write(sheet, out)
    return out.getvalue()


def notes(sheet) -> list[str]:
    return [block.text for block in sheet.blocks if isinstance(block, Note)]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_show(plan, golden, monkeypatch, width):
    content = drawn(show_sheet(plan), monkeypatch, width)
    assert max(map(len, content.splitlines())) <= width
    golden(f"plan-{width}.txt", content)


def test_markdown(plan, golden):
    golden("plan.md", data.markdown_text(show_sheet(plan)))


def test_csv_is_a_row_for_each_replica(build, golden, plan):
    golden("plan.csv", data.csv_text(show_sheet(plan)))
    part, main = build.part(count=3, exclude=()), build.deployment(replicas=40)
    many = build.plan_of([part], [main], build.seats(main, [part]))
    rows = list(csv.DictReader(io.StringIO(data.csv_text(show_sheet(many)))))
    for row, replica in zip(rows, many.replicas, strict=True):
        assert row["id"] == replica.id
        assert row["native_groups"] == ",".join(replica.native_groups)
        assert int(row["accelerators"]) == len(replica.accelerators)
        assert int(row["used_blocks"]) == sum(item.used_blocks for item in replica.instances)
        assert int(row["capacity_blocks"]) == sum(item.capacity_blocks for item in replica.instances)
        assert int(row["kv_bytes_hot"]) == replica.kv_bytes_hot
        assert int(row["hbm_bytes_free"]) == replica.hbm_bytes_free


def test_people_see_sixteen_replicas_and_the_sum_of_the_rest(build):
    part, main = build.part(count=3, exclude=()), build.deployment(replicas=40)
    plan = build.plan_of([part], [main], build.seats(main, [part]))
    table = next(block for block in plan_blocks(plan) if isinstance(block, Table))
    shown = table.shown_rows
    assert [row["id"] for row in shown[14:]] == ["main/14", "main/15", "24 more", "all"]
    assert sum(int(row["kv_bytes_hot"]) for row in shown[:-1]) == shown[-1]["kv_bytes_hot"]
    assert shown[-1]["accelerators"] == 320


def test_what_is_left_over_is_summed_by_class(build):
    part, main = build.part(), build.deployment()
    plan = build.plan_of([part], [main], build.seats(main, [part]), unplaced=300)
    more = replace(plan.leftovers[0], size_blocks=5000, count=2)
    table = plan_blocks(replace(plan, leftovers=(*plan.leftovers, more)))[-1]
    assert list(table.rows) == [
        {"class": "chat", "priority": 0, "regions": 302, "largest": 5000, "blocks": 300 * 2560 + 2 * 5000}
    ]
    assert notes(show_sheet(plan))[0] == "No: 300 of 512 sequences are left over."


def test_replicas_asked_for_without_a_seat(build, plan):
    main = replace(plan.deployments[0], replicas=8, replicas_asked=20)
    short = replace(plan, deployments=(main,), summary=replace(plan.summary, fits=False))
    assert notes(show_sheet(short))[0] == "No: only 8 of 20 replicas of llama-3-70b have a seat."


def test_the_bound_says_whether_it_is_reached_and_by_what(plan):
    line = "The lower bound is 56 accelerators (by the sum of the blocks), the gap 8: not proved optimal."
    assert line in notes(show_sheet(plan))
    certificate = replace(plan.bound.certificates[0], kind="dff", function="steps", parameter=3)
    proved = replace(plan.bound, lower_bound=64, gap=0, proved_optimal=True, certificates=(certificate,))
    line = "Proved least: no plan uses fewer than 64 accelerators (by a dual feasible function, docs/plan.md)."
    assert line in notes(show_sheet(replace(plan, bound=proved)))


def test_a_rank_is_of_the_stage_with_the_fewest_blocks(plan):
    stages = (Stage(4, 10**9, 1000), Stage(4, 17_640_000_000, 327_680))
    main = replace(plan.deployments[0], tensor_parallel=4, pipeline_parallel=2, stages=stages)
    assert "− 17.64 GB weights −" in notes(show_sheet(replace(plan, deployments=(main,))))[2]


def test_an_empty_pool_and_a_full_one_are_told_from_nearly_so(build):
    part, main = build.part(exclude=()), build.deployment(replicas=4)
    plan = build.plan_of([part], [main], build.seats(main, [part], [0.0, 0.0001, 0.9999, 1.0]))
    table = next(block for block in plan_blocks(plan) if isinstance(block, Table))
    assert [row["pool"] for row in table.rows] == [0, 1, 99, 100]


def test_no_replica_at_all(build, monkeypatch):
    part = build.part(exclude=())
    plan = build.plan_of([part], [build.deployment(replicas=0)], [], unplaced=512)
    content = drawn(show_sheet(plan), monkeypatch, 80)
    assert "r0  128 accelerators, all spare" in content


@pytest.mark.parametrize("width", [20, 40, 60])
def test_narrow_terminals(plan, monkeypatch, width):
    for line in drawn(show_sheet(plan), monkeypatch, width).splitlines():
        assert len(line) <= width


def test_many_deployments_take_few_lines(build):
    part = build.part(exclude=())
    deployments = [build.deployment(f"d{index}", f"model-{index}", replicas=2) for index in range(5)]
    plan = build.plan_of([part], deployments, [])
    found = notes(show_sheet(plan))
    assert len(found) <= 10
    assert "2 other kinds of rank: --format json" in found

"""A map in characters: cells of one width at any width, each part visible, and only as much as can be read."""

import io
import time

import pytest

from kvplan.report.formats import data, text
from kvplan.report.formats.cells import columns
from kvplan.report.formats.map import draw_map
from kvplan.report.sheet import Cell, Map, MapGroup, MapRow, Sheet, spans
from kvplan.report.sheets.plan import plan_blocks

PARTS = (("weights", 0.12), ("reserve", 0.03), ("kv", 0.7), ("free", 0.07), ("outside", 0.08))
LETTERS = "wr█░·"


def drawn(block, monkeypatch, width: int, file=None) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    file = file or io.StringIO()
    text.write(Sheet("t", [block]), file)
    return file.getvalue()


def map_of(plan) -> Map:
    return next(block for block in plan_blocks(plan) if isinstance(block, Map))


def lines(block, width: int = 100) -> list[str]:
    return ["".join(piece for piece, _ in line).rstrip() for line in draw_map(block, width)]


def one_row(cells) -> Map:
    return Map("", [MapGroup("r0/g0", "r0", "", len(cells), ["main/0"], 1, lambda: [MapRow("n0", cells)])])


@pytest.mark.parametrize("width", [80, 100, 140])
def test_two_groups(plan, golden, monkeypatch, width):
    golden(f"map-{width}.txt", drawn(map_of(plan), monkeypatch, width))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_group_of_72_in_nodes_of_4(build, golden, monkeypatch, width):
    part, main = build.part("gb200-nvl72", 1, (1, 18, 4), ("r0/g0/n17/a3",)), build.deployment(replicas=8)
    content = drawn(map_of(build.plan_of([part], [main], build.seats(main, [part]))), monkeypatch, width)
    assert max(map(len, content.splitlines())) <= width
    golden(f"map-72-{width}.txt", content)


def test_a_group_of_72_that_is_one_node(build):
    part, main = build.part("one", 1, (1, 1, 72), ("r0/g0/n0/a71",)), build.deployment(ranks=4, replicas=9)
    found = lines(map_of(build.plan_of([part], [main], build.seats(main, [part]))), 80)
    assert found[2] == "r0/g0  72 accelerators: replicas main/0 to main/8, 35 spare, 1 excluded"
    assert [line.split()[0] for line in found[3:]] == [f"n0/a{start}" for start in range(0, 72, 8)]
    assert found[3].endswith("│wr██░· wr██░· wr██░· wr██░· main/0, main/1")
    assert found[-1].split()[-1] == "xxxxxx"


@pytest.mark.parametrize("width", [20, 30, 40, 60, 79, 80, 100, 140, 250])
def test_no_line_is_wider_than_the_width_and_cells_are_of_one(plan, build, monkeypatch, width):
    rows = [row for group in map_of(plan).groups for row in group.rows()]
    for line in drawn(map_of(plan), monkeypatch, width).splitlines():
        assert len(line) <= width
    cells = {
        len(cell) for line in lines(map_of(plan), width) for cell in line.split() if set(cell) <= set(f"{LETTERS}x-")
    }
    assert len(cells - {2}) == 1, "a cell is as wide as any other; two are the legend's"
    assert len(rows) == 16


@pytest.mark.parametrize("width", [5, 7, 8, 12])
@pytest.mark.parametrize("small", range(5))
def test_each_part_shows(width, small):
    shares = [0.001 if index == small else 0.24975 for index in range(5)]
    counts = columns(shares, width)
    assert sum(counts) == width
    assert min(counts) == 1


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_too_few_columns_show_the_largest_parts(width):
    counts = columns([0.12, 0.03, 0.7, 0.07, 0.08], width)
    assert (sum(counts), counts[2] > 0) == (width, True)


def test_a_part_that_is_nothing_has_no_column():
    assert columns([0.5, 0.0, 0.5], 9)[1] == 0
    assert columns([0.0, 0.0], 4) == [0, 0]


def test_seats_that_share_a_node_are_told_apart():
    cells = [Cell(f"main/{index // 2}", PARTS, "used", "91%") for index in range(4)]
    row = lines(one_row(cells), 60)[-1]
    assert (row.count("│"), row.endswith("main/0, main/1")) == (1, True)


def test_a_long_name_keeps_its_number():
    name = "a-deployment-with-a-very-long-name/1234"
    row = lines(one_row([Cell(name, PARTS, "used", "91%")] * 8), 80)[-1]
    assert (len(row) <= 80, row.endswith("…1234 91%") or row.endswith("/1234 91%")) == (True, True)


def test_a_name_breaks_neither_lines_nor_fences():
    name = "漢字\n```\x1b[31m/0"
    group = one_row([Cell(name, PARTS)] * 8).groups[0]._replace(replicas=[name])
    content = data.markdown_text(Sheet("t", [Map("", [group])]))
    assert "\x1b" not in content
    assert sum(line.startswith("```") for line in content.splitlines()) == 2


def test_spans():
    assert spans(["main/3"]) == "main/3"
    assert spans(["main/3", "main/4"]) == "main/3, main/4"
    assert (
        spans([f"main/{number}" for number in (0, 1, 2, 4, 6, 8, 9)]) == "main/0 to main/2, main/4, main/6 and 2 more"
    )


def test_a_thousand_racks_that_are_alike_take_three_lines(build):
    part, main = build.part(count=1000, exclude=()), build.deployment(replicas=12_000)
    found = lines(map_of(build.plan_of([part], [main], build.seats(main, [part]))))
    assert found[-3:] == [
        "r0/g1  64 accelerators, as r0/g0: replicas main/8 to main/15",
        "r1 to r749  95,872 accelerators, as r0: replicas main/16 to main/11999",
        "r750 to r999  32,000 accelerators, all spare",
    ]


def test_a_thousand_racks_that_differ_are_summarised_in_time(build):
    part, main = build.part(count=1000, exclude=("r5",)), build.deployment(replicas=15_000)
    fills = [index * 7919 % 9973 / 9973 for index in range(15_000)]
    plan = build.plan_of([part], [main], build.seats(main, [part], fills))
    start = time.process_time()
    found = lines(map_of(plan))
    assert time.process_time() - start < 2, "only what is drawn is built"
    assert len(found) < 50
    assert found[-5:] == [
        "r2 to r4  384 accelerators, not drawn: replicas main/32 to main/79",
        "r5  128 accelerators, all excluded",
        "r6 to r938  119,424 accelerators, not drawn: replicas main/80 to main/14999",
        "r939 to r999  7,808 accelerators, all spare",
        "All replicas with their accelerators: --format json",
    ]


def test_many_racks_of_many_kinds_are_few_lines(build):
    part, main = build.part(count=200, shape=(1, 1, 8), exclude=()), build.deployment(replicas=200)
    fills = [0.1 * (index % 7) for index in range(200)]
    found = lines(map_of(build.plan_of([part], [main], build.seats(main, [part], fills))))
    assert len(found) < 40
    assert found[-2].endswith("not drawn: replicas main/24 to main/199")


def test_a_pod_of_9000_folds_its_nodes(build):
    part, main = build.part("pod", 1, (1, 2240, 4), ()), build.deployment(replicas=800)
    found = lines(map_of(build.plan_of([part], [main], build.seats(main, [part], [0.5]))))
    assert found[-2:] == ["n1 to n1599 as n0: replicas main/0 to main/799", "n1600 to n2239 all spare"]


def test_several_systems_are_named(build):
    parts = [build.part("hgx-h100", 2, (1, 1, 8), ()), build.part("al128", 1, exclude=("r0/g1",), first_rack=2)]
    main = build.deployment(replicas=3, parts=2)
    plan = build.plan_of(parts, [main], build.seats(main, parts, [0.5]))
    found = lines(map_of(plan))
    assert [line for line in found if line.startswith("r")] == [
        "r0/g0  8 accelerators of hgx-h100: replica main/0, 0 spare",
        "r1  8 accelerators of hgx-h100, as r0: replica main/1",
        "r2/g0  64 accelerators of al128: replica main/2, 56 spare",
        "r2/g1  64 accelerators of al128, all excluded",
    ]


def test_a_rack_that_is_excluded_counts_in_its_part(build):
    parts = [build.part(count=1, exclude=()), build.part(count=3, exclude=("r1", "r2/g0/n0/a7"), first_rack=1)]
    found = lines(map_of(build.plan_of(parts, [build.deployment(parts=2)], [])))
    assert "r2  128 accelerators of al128, all excluded" in found
    assert "r3/g0  64 accelerators of al128: no replica, 63 spare, 1 excluded" in found


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_only_on_a_terminal(plan, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain, coloured = drawn(map_of(plan), monkeypatch, 100), drawn(map_of(plan), monkeypatch, 100, Terminal())
    assert "\x1b" not in plain
    for colour, letters in ((34, "ww"), (33, "rr"), (32, "██"), (36, "░░"), (35, "··"), (37, "--"), (31, "xx")):
        assert f"\x1b[{colour}m{letters}" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert drawn(map_of(plan), monkeypatch, 100, Terminal()) == plain

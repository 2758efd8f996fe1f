"""kvplan systems: the list, one system, and what is refused."""

import json

import pytest
from typer.testing import CliRunner

from kvplan.cli import failures
from kvplan.cli.main import app
from kvplan.errors import SpecError

run = CliRunner().invoke


@pytest.mark.parametrize("arguments", [["systems"], ["systems", "list"]])
def test_the_list_begins_with_al128(arguments):
    done = run(app, arguments)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].startswith("19 systems")
    assert next(line for line in done.stdout.splitlines() if "GB" in line).startswith("al128 ")


def test_json_and_csv():
    tree = json.loads(run(app, ["systems", "list", "--format", "json"]).stdout)
    assert (tree["kind"], tree["systems"][0]["system"]) == ("systems", "al128")
    one = json.loads(run(app, ["systems", "show", "al128", "--format", "json"]).stdout)
    assert (one["kind"], one["facts"]["hbm_bandwidth"]["status"]) == ("system", "undisclosed")
    assert run(app, ["systems", "list", "--format", "csv"]).stdout.startswith("system,accelerator,")
    assert run(app, ["systems", "show", "al128", "--format", "csv"]).stdout.startswith("fact,low,nominal,high,")


def test_the_fabric_is_a_tree():
    lines = run(app, ["systems", "show", "al128"]).stdout.splitlines()
    start = lines.index("Fabric")
    drawing = [line.split("  ")[0].rstrip() for line in lines[start + 1 : start + 8]]
    assert drawing[:2] == ["r0", "├─ g0"]
    assert sum("n0 … n7" in line for line in lines) == 2


def test_an_unknown_system_is_refused_with_the_nearest():
    done = run(app, ["systems", "show", "al129"])
    assert isinstance(done.exception, SpecError)
    assert done.exception.findings[0].help == "did you mean `al128`?"
    assert failures.run(lambda: (_ for _ in ()).throw(done.exception), as_json=False, debug=False) == 2


def test_a_format_belongs_after_the_command():
    assert run(app, ["systems", "--format", "json", "show", "al128"]).exit_code == 2
    assert run(app, ["systems", "list", "--format", "html"]).exception.findings[0].rule == "KV015"

"""kvplan fit: exit codes, the answer first, JSON, and bad flags."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kvplan.cli.main import app

run = CliRunner().invoke
ASKED = ["fit", "--model", "llama-3.1-8b", "--context", "8Ki", "--engine", "vllm@0.32"]


@pytest.mark.parametrize(("pool", "batch", "code", "word"), [("40GiB", "4", 0, "Yes: "), ("40GiB", "400", 1, "No: ")])
def test_the_verdict_is_the_exit_code_and_the_first_word(pool, batch, code, word):
    done = run(app, [*ASKED, "--pool", pool, "--batch", batch])
    assert done.exit_code == code
    assert done.stdout.splitlines()[1].startswith(word)


def test_a_pool_that_it_asks_for_is_enough():
    lines = run(app, [*ASKED, "--pool", "20GiB", "--batch", "400"]).stdout.splitlines()
    pool = next(line.split()[1] for line in lines if line.startswith("--pool"))
    assert run(app, [*ASKED, "--batch", "400", "--pool", pool]).exit_code == 0


def test_json_and_csv():
    done = run(app, [*ASKED, "--pool", "40GiB", "--format", "json"])
    tree = json.loads(done.stdout)
    assert (tree["kind"], tree["fits"], tree["pool_bytes"]) == ("fit", True, 40 << 30)
    assert run(app, [*ASKED, "--pool", "40GiB", "--format", "csv"]).stdout.startswith("figure,value,meaning")


@pytest.mark.parametrize("pool", ["40", "-1GiB", "40 Gb", "1e40GiB", "nan", ""])
def test_a_bad_pool_is_a_finding_at_the_flag(pool):
    arguments = [sys.executable, "-m", "kvplan", *ASKED, f"--pool={pool}"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error[KV009]")
    assert "at pool" in done.stderr


def test_without_a_pool_it_is_bad_usage():
    result = run(app, ASKED)
    assert "nothing says how much room a rank has" in str(result.exception)


SYSTEM = ["fit", "--model", "llama-3.1-8b", "--context", "8Ki", "--system", "hgx-h100"]


@pytest.mark.parametrize(("batch", "code", "word"), [("51", 0, "Yes: "), ("52", 3, "It depends"), ("100", 1, "No: ")])
def test_a_system_in_place_of_a_pool(batch, code, word):
    done = run(app, [*SYSTEM, "--batch", batch])
    assert done.exit_code == code
    assert done.stdout.splitlines()[1].startswith(word)


def test_what_it_depends_on_is_in_the_json():
    tree = json.loads(run(app, [*SYSTEM, "--batch", "52", "--format", "json"]).stdout)
    assert (tree["verdict"], tree["fits"]) == ("depends", False)
    assert {item["fact"] for item in tree["depends_on"]} == {"hbm_engine_visible", "reserve"}
    assert set(tree["ranges"]) >= {"pool_bytes", "blocks", "max_sequences"}


def test_every_flag_of_a_room():
    flags = [
        "--memory-fraction",
        "95%",
        "--reserve",
        "2GiB",
        "--weights",
        "int4",
        "--set",
        "facts.hbm_engine_visible=80 GB",
    ]
    tree = json.loads(run(app, [*SYSTEM, *flags, "--format", "json"]).stdout)
    assert (tree["memory_fraction"], tree["reserve_bytes"], tree["hbm_bytes"]) == (0.95, 2 << 30, 80_000_000_000)
    assert tree["weights_source"] == "from the architecture, loaded in int4"
    assert tree["set"] == {"facts.hbm_engine_visible": "80 GB"}


@pytest.mark.parametrize(
    ("flags", "rule", "at"),
    [
        (["--system", "h100"], "KV011", "system"),
        (["--memory-fraction", "0"], "KV010", "memory.fraction"),
        (["--memory-fraction", "120%"], "KV009", "memory.fraction"),
        (["--reserve", "3"], "KV009", "memory.reserve"),
        (["--weights", "fp9"], "KV009", "weights"),
        (["--pool", "1GiB"], "KV018", "system"),
    ],
)
def test_bad_flags_of_a_room_are_findings_at_the_flag(flags, rule, at):
    arguments = SYSTEM if "--system" not in flags else SYSTEM[:-2]
    done = run(app, [*arguments, *flags])
    (finding,) = done.exception.findings
    assert (finding.rule, finding.path.rpartition("].")[2] or finding.path) == (rule, at)
    assert finding.excerpt.startswith("--")


def test_a_rank_of_a_workload_with_a_fleet(tmp_path):
    text = "kvplan: 1\nmodel: llama-3.1-8b\nsystem: hgx-h100\nrequests: [{sequences: 51, context: 8Ki}]\n"
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    path = str(tmp_path / "w.yaml")
    assert run(app, ["fit", path]).exit_code == 0
    assert run(app, ["fit", path, "--system", "al128", "--batch", "90"]).exit_code == 0
    assert run(app, ["fit", path, "--pool", "1GiB"]).exit_code == 1

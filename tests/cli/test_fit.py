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

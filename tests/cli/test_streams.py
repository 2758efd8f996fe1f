"""Streams that are closed, full or gone: words and an exit code, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = "-m kvplan size --model llama-3-8b --context 1k"


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{SIZE} >&-", 0),
        (f"{SIZE} --format json >&-", 0),
        ("-m kvplan --help >&-", 0),
        ("-m kvplan size --context 0 2>&-", 2),
        (f"{SIZE} >/dev/full", 2),
        (f"{SIZE} --format json=/dev/full", 2),
        (f"{SIZE} --format csv=/nowhere/x", 2),
        ("-m kvplan", 2),
    ],
)
def test_exit_codes(line, code):
    done = shell(f"{sys.executable} {line}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_reads_nothing_is_no_failure():
    done = shell(f"{sys.executable} {SIZE} | true; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_escapes_of_a_config_do_not_reach_the_terminal(tmp_path):
    config = tmp_path / "c.json"
    config.write_text(
        '{"architectures": ["GPT2LMHeadModel"], "n_layer": 2, "n_embd": 64, "n_head": 2,'
        ' "quantization_config": {"quant_method": "\\u001b[31mRED\\u0007"}}'
    )
    for form in ("table", "markdown"):
        arguments = ["size", "--model", str(config), "--context", "9", "--format", form]
        done = subprocess.run(
            [sys.executable, "-m", "kvplan", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "\x1b" not in done.stdout
        assert "RED" in done.stdout


def test_debug_may_stand_anywhere():
    assert shell(f"{sys.executable} {SIZE} --debug").returncode == 0


@pytest.mark.parametrize("columns", ["0", "1", "10"])
def test_a_terminal_without_width_shows_figures(columns):
    environment = {**os.environ, "COLUMNS": columns}
    done = subprocess.run(
        [sys.executable, *SIZE.split()], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "132.1 MB" in done.stdout

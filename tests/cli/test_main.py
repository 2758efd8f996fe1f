"""The command line: exit codes, stdout for data and stderr for talk, JSON failures, pipes, colour, start-up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ["size", "--model", "llama-3-70b", "--batch", "32", "--context", "1M", "--kv-format", "fp16"]


def kvplan(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"PATH": os.environ["PATH"], "COLUMNS": "80", **environment}
    command = [sys.executable, "-m", "kvplan", *arguments]
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_reference_case():
    done = kvplan(*REFERENCE, "--format", "json")
    size = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert size["ladder"][0] == {"step": "naive", "bytes": 83_886_080_000_000, "change_bytes": 0}
    assert size["minimum_bytes"] == size["held_bytes"] == 10_485_760_000_000
    assert any("8,192 positions" in note["message"] for note in size["notes"])


def test_json_has_sorted_keys_and_one_newline_at_its_end():
    text = kvplan(*REFERENCE, "--format", "json").stdout
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["size"], 2, "--model and --context must be given"),
        (["size", "--model", "lama-3-70b", "--context", "1k"], 2, "did you mean `llama-3-70b`?"),
        (["size", "--model", "llama-3-70b", "--context", "1e3k"], 0, ""),
        (["size", "--model", "llama-3-70b", "--context", "128X"], 2, "unknown unit `X`"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--tensor-parallel", "3"], 2, "64 attention heads"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--engine", "sglang"], 2, "no rule for the engine"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--engine", "vllm@0.99"], 2, "has no rules in kvplan"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--format", "html"], 2, "html is not yet supported"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--format", "jsn"], 2, "did you mean `json`?"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--engine-option", "x"], 2, "is not KEY=VALUE"),
        (["size", "--model", "llama-3-70b", "--context", "1k", "--set", "a.b=1"], 2, "unknown key"),
        (["size", "--modle", "llama-3-70b"], 2, "No such option"),
        (["siz"], 2, "No such command"),
        (["size", "missing.yaml"], 2, "cannot be read"),
        (["check", "missing"], 2, "does not exist"),
        (["models", "show", "nothing-like-it"], 2, "unknown model"),
        (["--version"], 0, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes_and_what_is_said(arguments, code, words):
    done = kvplan(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_flag_that_is_wrong_has_a_caret_under_it():
    done = kvplan("size", "--model", "llama-3-70b", "--context", "12Q")
    assert done.stderr == (
        "error[KV009]: `12Q` is not a token count: unknown unit `Q`\n"
        " --> command line:1:1 at requests[0].context\n"
        "  |\n"
        "1 | --context 12Q\n"
        "  | ^^^^^^^^^^^^^\n"
        "  = help: tokens take k, M, G (powers of ten), Ki, Mi, Gi (powers of 1024), or K (1024, as vLLM reads it)\n"
    )


def test_a_failure_is_json_where_json_is_asked_for():
    done = kvplan("size", "--model", "nope", "--context", "1k", "--format", "json")
    failure = json.loads(done.stdout)
    assert done.returncode == 2
    assert failure["kind"] == "error"
    assert failure["findings"][0]["rule"] == "KV011"
    assert kvplan("size", "--nope", "--format=json").stdout.startswith("{")


def test_a_format_goes_to_a_file(tmp_path):
    out = tmp_path / "size.json"
    done = kvplan(*REFERENCE, "--format", f"json={out}", "--format", "csv")
    assert json.loads(out.read_text(encoding="utf-8"))["held_bytes"] == 10_485_760_000_000
    header, row, *rest = done.stdout.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["held_bytes"] == "10485760000000"
    assert rest == []


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"FORCE_COLOR": "0"}])
def test_pipes_get_no_colour(environment):
    assert "\x1b" not in kvplan(*REFERENCE, **environment).stdout


@pytest.mark.parametrize("columns", ["20", "40", "80", "140"])
def test_no_line_is_wider_than_the_terminal(columns):
    for arguments in (
        REFERENCE,
        ["models", "show", "gemma-3-27b"],
        ["models"],
        ["size", "workloads/latent-deepseek.yaml"],
    ):
        lines = kvplan(*arguments, COLUMNS=columns).stdout.splitlines()
        wide = [line for line in lines if len(line) > max(int(columns), 60)]
        assert not wide, wide


def test_a_reader_that_goes_is_no_failure():
    command = f"{sys.executable} -m kvplan models --format json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_help_loads_neither_numpy_nor_yaml():
    for arguments in (["--help"], ["size", "--help"], ["check", "--help"], ["models", "show", "--help"]):
        command = [sys.executable, "-X", "importtime", "-m", "kvplan", *arguments]
        log = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
        loaded = {line.rsplit("|", 1)[-1].strip() for line in log.splitlines()}
        assert not {"numpy", "yaml", "rich.console", "pydantic"} & loaded, arguments


def test_an_encoding_that_cannot_say_it_shows_something(tmp_path):
    done = kvplan(*REFERENCE, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "10485760000000" in kvplan(*REFERENCE, "--format", "json", PYTHONIOENCODING="ascii").stdout

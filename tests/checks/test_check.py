"""kvplan check: which files are read, what is found, in which order, and what an expectation holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kvplan

ROOT = Path(__file__).resolve().parent.parent.parent
SOUND = "kvplan: 1\nmodel: llama-3.1-8b\nrequests:\n  - {sequences: 4, context: 8192}\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def found(result) -> list[tuple[str, str]]:
    return [(finding.rule, finding.path) for finding in result.findings]


def test_shipped_workloads_pass():
    result = kvplan.check(ROOT / "workloads")
    assert result.passed, [finding.message for finding in result.findings]
    assert result.summary.files >= 4


def test_a_folder_is_walked_and_files_without_the_mark_are_skipped(tmp_path):
    write(tmp_path, sound=SOUND, other="a: 1\n", broken="a: [1\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "second.yml").write_text(SOUND, encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "third.yaml").write_text("kvplan: 1\n", encoding="utf-8")
    result = kvplan.check(tmp_path)
    assert (result.summary.files, result.summary.skipped, result.findings) == (2, 2, ())


def test_a_file_that_means_to_be_a_workload_is_read_however_broken(tmp_path):
    write(tmp_path, broken="kvplan: 1\nmodel: [\n")
    assert [finding.rule for finding in kvplan.check(tmp_path).findings] == ["KV003"]


def test_a_named_file_is_read_whatever_it_holds(tmp_path):
    file = write(tmp_path, other="a: 1\n") / "other.yaml"
    assert {"KV001", "KV008"} == {rule for rule, _ in found(kvplan.check(file))}


def test_findings_come_in_file_line_column_order(tmp_path):
    write(tmp_path, b=SOUND + "zzz: 1\n", a=SOUND.replace("llama-3.1-8b", "lama") + "expect: {nope: 1}\n")
    result = kvplan.check(tmp_path)
    places = [(finding.file, finding.place.line, finding.place.column) for finding in result.findings]
    assert places == sorted(places)
    assert [rule for rule, _ in found(result)] == ["KV011", "KV402", "KV001"]


def test_warnings_and_notes_do_not_fail(tmp_path):
    file = write(tmp_path, one=SOUND.replace("8192", "200000").replace("model", "name: no\nmodel")) / "one.yaml"
    result = kvplan.check(file)
    assert {finding.severity for finding in result.findings} == {"warning", "note"}
    assert result.passed


def test_the_command_says_the_same(tmp_path):
    write(tmp_path, bad=SOUND + "zzz: 1\n", good=SOUND)
    base = [sys.executable, "-m", "kvplan", "check", "."]
    done = subprocess.run([*base, "--format", "json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["summary"] == {"files": 2, "skipped": 0, "errors": 1, "warnings": 0, "notes": 0}
    assert result["findings"] == [
        {
            "rule": "KV001", "severity": "error", "file": "bad.yaml", "line": 5, "column": 1, "end_line": 5, "end_column": 4,
            "path": "zzz", "message": "unknown key `zzz`", "note": result["findings"][0]["note"],
            "help": result["findings"][0]["help"],
        }
    ]  # fmt: skip
    concise = subprocess.run([*base, "--format", "concise"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert concise.stdout.startswith("bad.yaml:5:1: error[KV001] zzz: unknown key `zzz`")
    assert concise.stderr == "2 workloads checked: 1 error\n"


def test_a_model_outside_the_folder_is_refused_without_a_word_of_it(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"password": "hunter2"}', encoding="utf-8")
    inside = tmp_path / "repo"
    inside.mkdir()
    (inside / "link.json").symlink_to(secret)
    for path in ("../secret.json", "link.json", str(secret)):
        write(inside, one=SOUND.replace("llama-3.1-8b", path))
        done = subprocess.run(
            [sys.executable, "-m", "kvplan", "check", "one.yaml"],
            cwd=inside,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "lies outside the folder" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfkvplan: 1\nmodel: nope\n",
        "kvplan: 1\nmodel: nope\n".encode("utf-16"),
        b"--- {kvplan: 1, model: nope}\n",
        b"{name: x, kvplan: 1, model: nope}\n",
        b"name: \xff\nkvplan: 1\n",
    ],
    ids=["bom", "utf-16", "document", "flow", "not-utf-8"],
)
def test_the_mark_is_found_however_it_is_written(tmp_path, content):
    (tmp_path / "w.yaml").write_bytes(content)
    result = kvplan.check(tmp_path)
    assert (result.summary.files, result.summary.skipped, result.passed) == (1, 0, False)


def test_a_text_that_only_speaks_of_kvplan_is_none(tmp_path):
    (tmp_path / "w.yaml").write_text('note: "\n  kvplan: 1\n  "\n', encoding="utf-8")
    assert kvplan.check(tmp_path).summary.skipped == 1

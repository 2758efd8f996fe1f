"""kvplan place: exit codes, what stdout and files hold, and hostile workloads, which get an answer and no traceback."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import kvplan
from kvplan.cli import failures, main, plan_output
from kvplan.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
ASKED = ["place", "--model", "llama-3.1-8b", "--system", "hgx-h100", "--context", "8Ki"]


def run(*arguments: str):
    return CliRunner().invoke(main.app, [*ASKED, *arguments])


@pytest.fixture
def command(capsys, monkeypatch):
    """The command in this process, with what it says to whom: a process of its own takes a second each time."""

    def call(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(cwd)
        as_json = "json" in arguments
        code = failures.run(lambda: main._invoke(list(arguments)), as_json=as_json, debug=True)
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, told.out, told.err)

    return call


@pytest.mark.parametrize(("batch", "code", "word"), [("408", 0, "Yes: "), ("409", 3, "It depends"), ("500", 1, "No: ")])
def test_the_verdict_is_the_exit_code_and_the_first_word(batch, code, word):
    done = run("--batch", batch)
    assert done.exit_code == code
    assert done.stdout.splitlines()[1].startswith(word)


def test_a_remedy_that_it_tells_is_one():
    line = next(line for line in run("--batch", "500").stdout.splitlines() if "--batch" in line)
    batch = line.split("--batch ")[1].split(",")[0].split()[0]
    assert run("--batch", batch).exit_code == 0


def test_json_is_the_result_of_the_python_call():
    done = run("--batch", "100", "--format", "json")
    told = json.loads(done.stdout)
    assert told == kvplan.place(model="llama-3.1-8b", system="hgx-h100", context="8Ki", batch="100").to_dict()
    assert (told["kind"], told["verdict"], len(told["replicas"])) == ("place", "yes", 2)


def test_csv_and_markdown():
    assert run("--batch", "100", "--format", "csv").stdout.startswith("id,deployment,rack,")
    assert run("--batch", "100", "--format", "markdown").stdout.startswith("#")


def test_every_flag_of_a_room():
    done = run(
        "--batch", "100", "--memory-fraction", "95%", "--reserve", "2GiB", "--weights", "fp8", "--count", "2",
        "--replicas", "9", "--topology", "preferred", "--accounting", "now", "--format", "json",
    )  # fmt: skip
    (one,) = json.loads(done.stdout)["deployments"]
    assert (one["memory_fraction"], one["reserve_bytes"], one["replicas"]) == (0.95, 2 << 30, 9)
    assert one["weights_source"] == "from the architecture, loaded in fp8"


def test_a_plan_goes_to_its_file_and_the_table_to_the_terminal(tmp_path):
    plan = tmp_path / "plan.json"
    done = run("--batch", "100", "-o", str(plan))
    assert done.stdout.splitlines()[1].startswith("Yes: ")
    tree = json.loads(plan.read_text(encoding="utf-8"))
    assert (tree["kind"], tree["summary"]["regions"]) == ("plan", 100)
    assert kvplan.verify(plan).valid
    again = tmp_path / "again.json"
    run("--batch", "100", "-o", str(again))
    assert again.read_bytes() == plan.read_bytes()  # to the byte


def test_what_is_left_over_is_in_the_plan_too(tmp_path):
    plan = tmp_path / "plan.json"
    assert run("--batch", "500", "-o", str(plan)).exit_code == 1
    assert json.loads(plan.read_text(encoding="utf-8"))["summary"]["unplaced"] == 92
    assert kvplan.verify(plan).valid


def test_regions_one_by_one(tmp_path):
    array, lines, plan = tmp_path / "r.npy", tmp_path / "r.jsonl", tmp_path / "plan.json"
    run("--batch", "500", "--regions", str(array), "-o", str(plan))
    run("--batch", "500", "--regions", str(lines))
    instances = np.load(array, allow_pickle=False)
    assert (instances.dtype, instances.shape) == (np.int64, (500,))
    assert int((instances == -1).sum()) == 92
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [row["region"] for row in rows] == list(range(500))
    assert [row["instance"] for row in rows] == instances.tolist()
    assert {(row["class"], row["size_blocks"]) for row in rows} == {("requests", 512)}
    # As many in each instance as the plan's runs say.
    runs = json.loads(plan.read_text(encoding="utf-8"))["runs"]
    counts = {run["instance"]: 0 for run in runs}
    for item in runs:
        counts[item["instance"]] += item["count"]
    assert {place: int((instances == place).sum()) for place in counts} == counts


def test_more_regions_than_anyone_reads_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plan_output, "MAX_REGIONS", 99)
    done = run("--batch", "100", "--regions", str(tmp_path / "r.npy"))
    assert isinstance(done.exception, SpecError)
    assert "100 regions are more than 99" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "without a workload file, --model and --context must be given"),
        (["--model", "llama-3.1-8b", "--context", "8Ki"], 2, "nothing says what there is to place on"),
        ([*ASKED[1:], "--batch", "100"], 0, ""),
        ([*ASKED[1:], "--batch", "100000"], 1, ""),
        ([*ASKED[1:], "--batch", "409"], 3, ""),
        ([*ASKED[1:], "--count", "0"], 1, ""),
        ([*ASKED[1:], "--system", "h100"], 2, "did you mean `hgx-h100`?"),
        ([*ASKED[1:], "--replicas", "none"], 2, "wants auto or a number"),
        ([*ASKED[1:], "--topology", "near"], 2, "unknown topology"),
        ([*ASKED[1:], "--accounting", "most"], 2, "unknown accounting"),
        ([*ASKED[1:], "--memory-fraction", "92"], 2, "is more than the whole"),
        ([*ASKED[1:], "--reserve", "3"], 2, "the unit is missing"),
        ([*ASKED[1:], "--weights", "fp9"], 2, "is not a number of bytes"),
        ([*ASKED[1:], "--set", "facts.hbm_engine_visible=1"], 2, "the unit is missing"),
        ([*ASKED[1:], "--set", "facts.hbm=1 GB"], 2, "unknown fact"),
        ([*ASKED[1:], "--pool", "1GiB"], 2, "No such option"),
        ([*ASKED[1:], "-o", "no/such/folder/plan.json"], 2, "cannot be written"),
        ([*ASKED[1:], "--regions", "no/such/folder/r.npy"], 2, "cannot be written"),
        (["missing.yaml"], 2, "cannot be read"),
        (["workloads/windows-gemma.yaml"], 2, "nothing says what there is to place on"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes_and_what_is_said(arguments, code, words, command):
    done = command("place", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert words in done.stderr


def test_a_failure_is_json_where_json_is_asked_for(command):
    done = command("place", *ASKED[1:], "--topology", "near", "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["kind"], told["findings"][0]["rule"]) == (2, "error", "KV011")


HEAD = "kvplan: 1\nmodel: llama-3.1-8b\n"
FOUR = "requests: [{sequences: 4, context: 8Ki}]\n"
# name ▸ workload, and the exit codes of place, fit and check.
HOSTILE = {
    "a fleet of no racks": (HEAD + "fleet: [{system: al128, count: 0}]\n" + FOUR, (1, 0, 1)),
    "every rack left out": (HEAD + "fleet: [{system: al128, exclude: [r0]}]\n" + FOUR, (1, 0, 1)),
    "one token": (HEAD + "system: al128\nrequests: [{sequences: 1, context: 1}]\n", (0, 0, 0)),
    "no token": (HEAD + "system: al128\nrequests: [{sequences: 1, context: 0}]\n", (2, 2, 1)),
    "no sequence": (HEAD + "system: al128\nrequests: [{sequences: 0, context: 1}]\n", (2, 2, 1)),
    "no class": (HEAD + "system: al128\nrequests: []\n", (2, 2, 1)),
    "equal classes": (
        HEAD + "system: hgx-h100\nrequests:\n" + "".join(f"  - {{name: c{n}, sequences: 5, context: 8Ki}}\n" for n in range(9)),
        (0, 0, 0),
    ),
    "a gigantic sequence": (HEAD + "system: al128\nrequests: [{sequences: 3, context: 1099511627776}]\n", (1, 1, 1)),
    "more sequences than can be counted": (
        HEAD + "system: al128\nrequests: [{sequences: 1099511627776, context: 1Ki}]\n", (2, 2, 1),
    ),
    "a seat larger than the fleet": (HEAD + "system: hgx-h100\ndeployment: {tensor_parallel: 32}\n" + FOUR, (1, 0, 1)),
    "a seat larger than a group": (
        HEAD + "fleet: [{system: hgx-h100, count: 9}]\ndeployment: {tensor_parallel: 32}\n" + FOUR, (1, 0, 1),
    ),
    "more instances than accelerators": (HEAD + "system: al128\ndeployment: {data_parallel: 65536}\n" + FOUR, (1, 0, 1)),
    "more replicas than accelerators": (HEAD + "system: al128\ndeployment: {replicas: 262144}\n" + FOUR, (1, 0, 1)),
    "a limit of one sequence": (
        HEAD + "system: hgx-h100\ndeployment: {limits: {max_num_seqs: 1}}\nrequests: [{sequences: 9, context: 8Ki}]\n",
        (1, 1, 1),
    ),
    "a limit past all counting": (
        HEAD + "system: al128\ndeployment: {limits: {max_num_seqs: 4611686018427387903}}\n" + FOUR, (0, 0, 0),
    ),
    "weights that do not fit": (HEAD.replace("8b", "405b") + "system: al128\n" + FOUR, (1, 1, 1)),
    "no weights, no reserve, all memory": (
        HEAD + "system: al128\ndeployment: {weights: 0, memory: {fraction: 1, reserve: 0}}\n" + FOUR, (0, 0, 0),
    ),
    "a reserve beyond all memory": (HEAD + "system: al128\ndeployment: {memory: {reserve: 30 PB}}\n" + FOUR, (1, 1, 1)),
    "a share of hardly anything": (HEAD + "system: al128\ndeployment: {memory: {fraction: 1e-12}}\n" + FOUR, (1, 1, 1)),
    "no memory": (HEAD + "fleet: [{system: al128, facts: {hbm_engine_visible: 0 B}}]\n" + FOUR, (2, 2, 1)),
    "a byte of memory": (HEAD + "fleet: [{system: al128, facts: {hbm_engine_visible: 1 B}}]\n" + FOUR, (1, 1, 1)),
    "memory without end": (HEAD + "fleet: [{system: al128, facts: {hbm_engine_visible: 30 PB}}]\n" + FOUR, (0, 0, 0)),
    "memory of any size": (
        HEAD + "fleet: [{system: al128, facts: {hbm_engine_visible: {low: 1 B, high: 30 PB}}}]\n" + FOUR, (3, 3, 0),
    ),
    "fifty deployments": (
        "kvplan: 1\nsystem: al128\ndeployments:\n"
        + "".join(f"  - {{name: d{n}, model: llama-3.1-8b}}\n" for n in range(50))
        + "requests:\n"
        + "".join(f"  - {{sequences: 9, context: {n}Ki, deployment: d{n}}}\n" for n in range(1, 50)),
        (0, 2, 0),
    ),
    "a million prefixes": (
        HEAD + "system: hgx-h100\nrequests: [{sequences: 9, input: 8Ki, prefix: {tokens: 4Ki, count: 1000000}}]\n",
        (0, 0, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_workloads_get_an_answer(name, tmp_path, command):
    text, codes = HOSTILE[name]
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    for verb, code in zip(("place", "fit", "check"), codes, strict=True):
        more = ["-o", "plan.json"] if verb == "place" else []
        done = command(verb, "w.yaml", *more, cwd=tmp_path)
        assert done.returncode == code, (verb, done.stdout[:300], done.stderr[:300])
        assert (done.stdout + done.stderr).strip()
        assert "Traceback" not in done.stderr
    if codes[0] != 2:
        verified = command("verify", "plan.json", "w.yaml", cwd=tmp_path)
        assert (verified.returncode, verified.stderr) == (0, "")


def test_ten_million_sequences_get_an_answer(tmp_path, command):
    text = HEAD + "fleet: [{system: al128, count: 8}]\nrequests: [{sequences: 10000000, context: 8Ki}]\n"
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    done = command("place", "w.yaml", "-o", "plan.json", "--regions", "r.npy", cwd=tmp_path)
    assert done.returncode == 1
    assert "of 10,000,000 sequences are left over" in " ".join(done.stdout.split())
    assert (tmp_path / "plan.json").stat().st_size < 10_000_000
    assert np.load(tmp_path / "r.npy").shape == (10_000_000,)
    assert command("verify", "plan.json", "w.yaml", cwd=tmp_path).returncode == 0

"""Docs and code agree: console blocks, rules, keys, architectures, modules, versions, benchmarks."""

import importlib.util
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

import kvplan
from kvplan.answers.fit_result import Fit
from kvplan.answers.flags import FitFlags, PlaceFlags, SizeFlags
from kvplan.answers.place_result import DeploymentPlace, Place
from kvplan.answers.size_result import ClassSize, DeploymentSize, Size
from kvplan.answers.verify import Verification
from kvplan.checks.expectations import FIGURES
from kvplan.findings import RULES
from kvplan.placement import plan as plan_keys
from kvplan.placement.expansion import instance_of
from kvplan.report.sheets.verify import _MEANINGS as CLAIMS
from kvplan.spec.catalog import engine_data
from kvplan.spec.fleet import FleetPart
from kvplan.spec.formats import FORMATS
from kvplan.spec.huggingface.families import ARCHITECTURES
from kvplan.spec.model_mapping import LayerRun, ModelMapping
from kvplan.spec.serving import WEIGHT_NAMES, Memory
from kvplan.spec.workload import KV, Deployment, Limits, Prefix, RequestClass, Workload
from kvplan.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

_spec = importlib.util.spec_from_file_location("refresh", DOCS / "refresh.py")
assert _spec is not None
assert _spec.loader is not None
refresh = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(refresh)

BLOCKS = [(page, block) for page in refresh.PAGES for block in refresh.blocks(page)]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{p.name}: {b.splitlines()[0]}" for p, b in BLOCKS])
def test_console_blocks_are_real_output(page, block):
    assert block == refresh.expected(block), "run `make golden` and read the difference"


def test_every_command_is_documented():
    text = read("docs/cli.md")
    commands = re.findall(
        r"^  (\w+)  ", refresh.run("kvplan --help", str(ROOT)).stdout.partition("Commands:")[2], re.MULTILINE
    )
    assert {"size", "fit", "place", "verify", "show", "check", "models", "systems"} <= set(commands)
    for command in (*commands, "models list", "models show", "systems list", "systems show"):
        assert f"$ kvplan {command} --help" in text


@pytest.mark.parametrize(("verb", "flags"), [("size", SizeFlags), ("fit", FitFlags), ("place", PlaceFlags)])
def test_the_keywords_of_a_verb_are_its_options(verb, flags):
    words = {"engine_options": "engine_option"}
    given = set(
        re.findall(r"^  (?:-\w, )?--([\w-]+)", refresh.run(f"kvplan {verb} --help", str(ROOT)).stdout, re.MULTILINE)
    )
    apart = {"help", "format", "explain", "output", "regions"}  # of the command line alone
    assert {words.get(name, name).replace("_", "-") for name in flags.__annotations__} == given - apart


def test_every_rule_is_in_its_table_with_its_severity():
    rows = dict(re.findall(r"^\| (KV\d+) \| (.*?) \|[^|]*\|$", read("docs/rules.md"), re.MULTILINE))
    assert rows == {rule: f"{item.severity} | {item.summary}" for rule, item in RULES.items()}


WORKLOAD_KEYS = [Workload, Deployment, KV, Limits, Memory, FleetPart, RequestClass, Prefix]


@pytest.mark.parametrize("cls", WORKLOAD_KEYS, ids=lambda cls: cls.__name__)
def test_every_key_of_a_workload_is_documented_with_what_it_wants_and_means(cls):
    """A row | `key` | default | wants | meaning | in the words of the code; | `key` | meaning | room | if refused."""
    text, missing = read("docs/workload.md"), []
    for item in fields(cls):
        data = item.metadata
        if "later" in data and f"| `{item.name}` | {data['doc']} | {data['later']} |" not in text:
            missing.append(item.name)
        if "kind" in data and not re.search(
            rf"^\| `{item.name}` \| [^|]+ \| {re.escape(data['kind'].words)} \| {re.escape(data['doc'])} \|$",
            text,
            re.MULTILINE,
        ):
            missing.append(item.name)
    assert not missing


def test_every_figure_of_expect_is_documented_with_its_verb():
    rows = dict(re.findall(r"^\| `(size|fit|place)` \| (.*?) \|$", read("docs/workload.md"), re.MULTILINE))
    for verb in ("size", "fit", "place"):
        assert set(re.findall(r"`(\w+)`", rows[verb])) == {name for name, item in FIGURES.items() if item.verb == verb}


def test_every_format_of_weights_is_documented():
    row = next(line for line in read("docs/workload.md").splitlines() if line.startswith("| `fp8`, `{format: fp8}` |"))
    assert not [name for name in WEIGHT_NAMES if f"`{name}`" not in row]


@pytest.mark.parametrize("index", [0, 1])
def test_the_workloads_of_the_page_are_read(index):
    text = re.findall(r"```yaml\n(.*?)```", read("docs/workload.md"), re.DOTALL)[index]
    head = "" if index == 0 else "kvplan: 1\nmodel: llama-3.1-8b\nrequests: [{sequences: 4, context: 8Ki}]\n"
    assert kvplan.load(head + text).fleet


@pytest.mark.parametrize("cls", [ModelMapping, LayerRun], ids=lambda cls: cls.__name__)
def test_every_key_of_a_model_is_documented(cls):
    text = read("docs/models.md")
    assert not [item.name for item in fields(cls) if f"`{item.name}`" not in text]


def test_every_architecture_is_documented():
    text = read("docs/models.md")
    assert not [name for name in ARCHITECTURES if f"`{name}`" not in text]


def test_every_format_is_documented():
    text = read("docs/model.md")
    assert not [name for name in FORMATS if f"| `{name}` |" not in text]


RESULTS = [Size, DeploymentSize, ClassSize, Fit, Place, DeploymentPlace, Verification]


@pytest.mark.parametrize("cls", RESULTS, ids=lambda cls: cls.__name__)
def test_every_json_key_is_documented(cls):
    text = read("docs/cli.md")
    section = (
        re.search(rf"^### kind: {cls.kind}\n(.*?)^###", text, re.DOTALL | re.MULTILINE)
        if hasattr(cls, "kind")
        else None
    )
    keys = [item.name for item in fields(cls) if item.name != "plan"]
    assert not [key for key in keys if f"`{key}`" not in (section[1] if section else text)]


PLAN_KEYS = [value for value in vars(plan_keys).values() if hasattr(value, "__dataclass_fields__")]


@pytest.mark.parametrize("cls", PLAN_KEYS, ids=lambda cls: cls.__name__)
def test_every_key_of_a_plan_is_documented(cls):
    names = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", read("docs/plan.md")))))
    assert not [item.name for item in fields(cls) if item.name.rstrip("_") not in names]


def test_every_claim_is_documented():
    assert re.findall(r"^\| `(\w+)` \|.*\| KV6\d\d \|$", read("docs/plan.md"), re.MULTILINE) == list(CLAIMS)


def test_a_plan_expands_as_the_page_says(tmp_path, monkeypatch):
    flags = {"model": "llama-3.1-8b", "system": "hgx-h100", "data_parallel": 2, "batch": 200, "context": "64Ki"}
    placed = kvplan.place(**flags)
    (tmp_path / "plan.json").write_text(json.dumps(placed.plan.to_dict()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", read("docs/plan.md"), re.DOTALL)
    names = {}
    exec(compile(code, "docs/plan.md", "exec"), names)
    assert names["instance_of"] == instance_of(placed.plan).tolist()
    assert len(names["seat_of"]) == sum(len(replica.instances) for replica in placed.replicas)
    replica = placed.replicas[-1]
    assert names["seat_of"][replica.first_instance + 1] == (replica.id, list(replica.accelerators[1:]))


HAND = re.findall(
    r"^### (.*?)\n(.*?)(?=^###? )",
    read("docs/model.md").partition("## Hand-checked placements\n")[2],
    re.DOTALL | re.MULTILINE,
)
SPLITS = {
    "The same, TP16": {"tensor_parallel": 16},
    "The same, PP2 × TP8": {"tensor_parallel": 8, "pipeline_parallel": 2},
}


@pytest.mark.parametrize(("title", "text"), HAND, ids=[title for title, _ in HAND])
def test_hand_checked_placements_are_what_place_answers(title, text):
    command = re.search(r"^    kvplan place (.*)$", text, re.MULTILINE)
    flags = {"model": "llama-3-70b", "system": "al128", "batch": 64, "context": "128Ki", "engine": "vllm@0.32"}
    if command:
        words = command[1].split()
        flags = {key[2:].replace("-", "_"): value for key, value in zip(words[::2], words[1::2], strict=True)}
    placed = kvplan.place(**(flags | SPLITS.get(title, {})))
    (deployment,) = placed.deployments
    (planned,) = placed.plan.deployments
    size = planned.stages[0].ranks * len(planned.stages)
    held = max(
        sum(run.count for run in placed.plan.runs if run.instance == index) for index in range(deployment.instances)
    )
    figures = [stage.weights_bytes for stage in planned.stages]
    figures += [deployment.block_bytes, deployment.capacity_blocks, placed.plan.runs[0].size_blocks, held]
    figures += [placed.accelerators_used, placed.lower_bound, placed.lower_bound // size]
    if len(planned.stages) == 1:
        figures.append(deployment.pool_bytes)
    assert not [f"{figure:,}" for figure in figures if not re.search(rf"(?<![\d,]){figure:,}(?![\d,]\d)", text)]
    assert placed.verdict == ("no" if "verdict is no" in text.replace("\n", " ") else "yes")


def test_there_are_five_hand_checked_placements():
    assert len(HAND) == 5


def test_every_rule_of_vllm_is_in_its_table():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d[^|]*?) \| [^|]+ \|$", read("docs/model.md"), re.MULTILINE))

    def told(value):
        return str(value).lower() if isinstance(value, bool) else str(value)

    rules = engine_data()["vllm"]["rules"]
    assert rows == {
        name: ", ".join(f"{first}: {told(value)}" for first, value in pairs) for name, pairs in rules.items()
    }


def test_every_module_is_in_the_architecture():
    text = read("docs/architecture.md")
    modules = [
        path.relative_to(ROOT / "kvplan") for path in (ROOT / "kvplan").rglob("*.py") if path.name != "__init__.py"
    ]
    assert not [str(path) for path in modules if f"`{path}`" not in text]


def test_the_changelog_begins_with_what_is_unreleased_and_has_the_version():
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].startswith("[Unreleased]")
    assert any(VERSION in heading for heading in headings)


def test_decisions_are_numbered_and_short():
    pages = sorted((DOCS / "adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{index:04}" for index in range(1, len(pages) + 1)]
    assert not [page.name for page in pages if len(page.read_text(encoding="utf-8").splitlines()) > 60]


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith(("http", "mailto")) and not (page.parent / link).exists():
                broken.append(f"{page.name}: {link}")
    assert not broken


def test_contributing_is_short():
    assert len(read("CONTRIBUTING.md").splitlines()) <= 60

"""Docs and code agree: console blocks, rules, keys, architectures, modules, versions, benchmarks."""

import importlib.util
import re
from dataclasses import fields
from pathlib import Path

import pytest

from kvplan.answers.size_result import ClassSize, DeploymentSize, Size
from kvplan.findings import RULES
from kvplan.spec.formats import FORMATS
from kvplan.spec.huggingface.families import ARCHITECTURES
from kvplan.spec.model_mapping import LayerRun, ModelMapping
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
    for command in ("kvplan size", "kvplan check", "kvplan models", "kvplan models list", "kvplan models show"):
        assert f"$ {command} --help" in text


def test_every_rule_is_in_its_table_with_its_severity():
    rows = dict(re.findall(r"^\| (KV\d+) \| (.*?) \|[^|]*\|$", read("docs/rules.md"), re.MULTILINE))
    assert rows == {rule: f"{item.severity} | {item.summary}" for rule, item in RULES.items()}


@pytest.mark.parametrize("cls", [Workload, Deployment, KV, Limits, RequestClass, Prefix], ids=lambda cls: cls.__name__)
def test_every_key_of_a_workload_is_documented(cls):
    text = read("docs/workload.md")
    assert not [item.name for item in fields(cls) if item.metadata and f"`{item.name}`" not in text]


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


@pytest.mark.parametrize("cls", [Size, DeploymentSize, ClassSize], ids=lambda cls: cls.__name__)
def test_every_json_key_is_documented(cls):
    text = read("docs/cli.md")
    assert not [item.name for item in fields(cls) if item.name not in text]


def test_every_module_is_in_the_architecture():
    text = read("docs/architecture.md")
    modules = [
        path.relative_to(ROOT / "kvplan") for path in (ROOT / "kvplan").rglob("*.py") if path.name != "__init__.py"
    ]
    assert not [str(path) for path in modules if path.name not in text]


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

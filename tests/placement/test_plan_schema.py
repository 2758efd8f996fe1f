"""The published schema is what plans are, and says so in words that a validator reads."""

import importlib.util
import json
from pathlib import Path

import pytest

import kvplan
from kvplan.placement.plan_schema import plan_schema

ROOT = Path(__file__).resolve().parent.parent.parent


def faults(schema, tree, path="plan"):
    """What a tree has that a schema does not allow, by the keywords that the schema uses."""
    if "const" in schema:
        return [] if tree == schema["const"] else [path]
    if schema["type"] == "object":
        keys = set(schema["properties"])
        wrong = [f"{path}.{key}" for key in keys ^ set(tree)]
        return wrong + [
            f for key in keys & set(tree) for f in faults(schema["properties"][key], tree[key], f"{path}.{key}")
        ]
    if schema["type"] == "array":
        return [f for index, item in enumerate(tree) for f in faults(schema["items"], item, f"{path}[{index}]")]
    kind = {"integer": int, "number": float, "string": str, "boolean": bool}[schema["type"]]
    sound = type(tree) is kind and (not isinstance(tree, int | float) or tree >= schema.get("minimum", tree))
    return [] if sound else [path]


@pytest.fixture(scope="module")
def plan():
    placed = kvplan.place(model="llama-3.1-8b", system="al128", batch=5000, context="32Ki", replicas=2)
    return json.loads(json.dumps(placed.plan.to_dict()))


def test_the_published_file_is_the_schema():
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    refresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(refresh)
    for path in refresh.SCHEMAS:
        assert path.read_text(encoding="utf-8") == refresh.schema_text(path), "run `make golden`"


def test_a_plan_follows_it(plan):
    assert plan["leftovers"]
    assert faults(plan_schema(), plan) == []


@pytest.mark.parametrize(("key", "value"), [("runs", 3), ("workload", 3), ("kind", "plam"), ("extra", 1)])
def test_what_is_no_plan_does_not(plan, key, value):
    broken = plan | {key: value}
    try:
        assert faults(plan_schema(), broken)
    except TypeError:
        assert key == "runs"  # a number where a list should be

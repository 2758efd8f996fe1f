"""Copies, memory, weights and topology of a deployment: what each may be, and one break, one finding."""

from fractions import Fraction

import pytest

from kvplan.errors import SpecError
from kvplan.spec.serving import MAX_REPLICAS, WEIGHT_NAMES, GivenWeights, Replicas, Reserve
from kvplan.spec.text import read_yaml
from kvplan.spec.workload_reader import Written, read_workload

HEAD = "kvplan: 1\nmodel: llama-3-70b\nrequests: [{sequences: 4, context: 8Ki}]\n"


def read(text):
    document = read_yaml(f"{HEAD}deployment: {{{text}}}\n", "w.yaml")
    (deployment,) = read_workload(Written(document.tree, document)).deployments
    return deployment


@pytest.mark.parametrize(
    ("text", "replicas"),
    [
        ("replicas: auto", Replicas(auto=True, number=0)),
        ("replicas: 1", Replicas(auto=False, number=1)),
        (f"replicas: {MAX_REPLICAS}", Replicas(auto=False, number=MAX_REPLICAS)),
    ],
)
def test_replicas(text, replicas):
    assert read(text).replicas == replicas


@pytest.mark.parametrize(
    ("text", "share"), [("92%", "0.92"), ("0.92", "0.92"), ("1", "1"), ("33.333333%", "0.33333333")]
)
def test_a_memory_fraction(text, share):
    assert read(f"memory: {{fraction: {text}}}").memory.fraction == Fraction(share)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("0", (0, 0, 0)),
        ("3 GiB", (3 << 30, 3 << 30, 3 << 30)),
        ("0.5 GB", (500_000_000,) * 3),
        ("{value: 3 GiB, status: measured, source: our run}", (3 << 30, 3 << 30, 3 << 30)),
        ("{low: 2 GiB, high: 4 GiB}", (2 << 30, 4 << 30, 4 << 30)),
        ("{low: 2 GiB, nominal: 3 GiB, high: 4 GiB}", (2 << 30, 3 << 30, 4 << 30)),
    ],
)
def test_a_reserve(text, ends):
    reserve = read(f"memory: {{reserve: {text}}}").memory.reserve
    assert not reserve.auto
    assert (reserve.given.low, reserve.given.nominal, reserve.given.high) == ends
    assert reserve.given.worst == ends[2]  # less of it leaves more room


def test_a_reserve_that_is_left_open():
    assert read("memory: {reserve: auto}").memory.reserve == read("memory: {}").memory.reserve == Reserve()


def test_weights():
    assert read("weights: auto").weights == GivenWeights()
    assert read("weights: 0").weights == GivenWeights("bytes", bytes=0)
    assert read("weights: 17.5 GB").weights == GivenWeights("bytes", bytes=17_500_000_000)
    for name in WEIGHT_NAMES:
        assert read(f"weights: {{format: {name}}}").weights == read(f"weights: {name}").weights
        assert read(f"weights: {name}").weights == GivenWeights("format", name)


def test_topology():
    assert [read(f"topology: {name}").topology for name in ("required", "preferred")] == ["required", "preferred"]


@pytest.mark.parametrize(
    ("text", "rule", "path"),
    [
        ("replicas: 0", "KV010", "replicas"),
        ("replicas: -1", "KV010", "replicas"),
        (f"replicas: {MAX_REPLICAS + 1}", "KV010", "replicas"),
        ("replicas: 1.5", "KV007", "replicas"),
        ("replicas: true", "KV007", "replicas"),
        ("replicas: many", "KV007", "replicas"),
        ("replicas: [1]", "KV007", "replicas"),
        ("memory: 3", "KV007", "memory"),
        ("memory: {size: 3 GB}", "KV001", "memory.size"),
        ("memory: {fraction: 0}", "KV010", "memory.fraction"),
        ("memory: {fraction: 92}", "KV009", "memory.fraction"),
        ("memory: {fraction: -1%}", "KV009", "memory.fraction"),
        ("memory: {fraction: 101%}", "KV009", "memory.fraction"),
        ("memory: {fraction: 1e-30}", "KV010", "memory.fraction"),
        ("memory: {fraction: most}", "KV009", "memory.fraction"),
        ("memory: {fraction: true}", "KV007", "memory.fraction"),
        ("memory: {reserve: 3}", "KV009", "memory.reserve"),
        ("memory: {reserve: -3 GB}", "KV009", "memory.reserve"),
        ("memory: {reserve: 3 Gb}", "KV009", "memory.reserve"),
        ("memory: {reserve: false}", "KV007", "memory.reserve"),
        ("memory: {reserve: {low: 3 GB}}", "KV008", "memory.reserve"),
        ("memory: {reserve: {low: 3 GB, high: 2 GB}}", "KV010", "memory.reserve"),
        ("memory: {reserve: {value: 3 GB, most: 4 GB}}", "KV001", "memory.reserve.most"),
        ("weights: 3", "KV009", "weights"),
        ("weights: fp9", "KV009", "weights"),
        ("weights: {format: fp9}", "KV011", "weights.format"),
        ("weights: {}", "KV008", "weights.format"),
        ("weights: {format: fp8, bits: 8}", "KV001", "weights.bits"),
        ("weights: [fp8]", "KV007", "weights"),
        ("weights: true", "KV007", "weights"),
        ("topology: near", "KV011", "topology"),
        ("topology: [required]", "KV007", "topology"),
    ],
)
def test_one_break_one_finding(text, rule, path):
    with pytest.raises(SpecError) as caught:
        read(text)
    assert [(finding.rule, finding.path) for finding in caught.value.findings] == [(rule, f"deployment.{path}")]
    assert caught.value.findings[0].help

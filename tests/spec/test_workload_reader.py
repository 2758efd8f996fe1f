"""Workload files: flat and nested, every key read, refused as unknown, or refused as not yet supported."""

from fractions import Fraction

import pytest

from kvplan.errors import SpecError
from kvplan.spec.facts import Fact
from kvplan.spec.fleet import FleetPart
from kvplan.spec.formats import FORMATS
from kvplan.spec.lengths import Length, constant
from kvplan.spec.serving import GivenWeights, Memory, Replicas, Reserve
from kvplan.spec.systems import catalog_system
from kvplan.spec.text import read_yaml
from kvplan.spec.workload import KV, Deployment, EngineChoice, Limits, Prefix, RequestClass, Workload
from kvplan.spec.workload_reader import Written, read_workload

FLAT = "kvplan: 1\nmodel: llama-3-70b\nrequests:\n  - {sequences: 4, context: 8Ki}\n"
NESTED = """\
kvplan: 1
name: long-context-assistant
deployments:
  - name: main
    model: llama-3-70b
    kv: {k: q8_0, v: q4_0, block_size: 16}
    engine: vllm@0.32
    engine_options: {prefix_caching: off, enforce_eager: true, seats: 3}
    tensor_parallel: 8
    pipeline_parallel: 2
    context_parallel: 3
    decode_context_parallel: 4
    data_parallel: 5
    limits: {max_model_len: 128Ki, max_num_seqs: 256, max_num_batched_tokens: 8192}
    replicas: 2
    memory: {fraction: 92%, reserve: 4 GiB}
    weights: {format: fp8}
    topology: preferred
  - {name: other, model: {hidden_size: 8}}
requests:
  - name: chat
    deployment: main
    sequences: 512
    input: {distribution: uniform, min: 4Ki, max: 8Ki}
    output: 1Ki
    prefix: {tokens: 4096, count: 2, store: per_replica}
    priority: 3
  - {deployment: other, sequences: 200, context: 128Ki}
fleet:
  - {system: al128, count: 2, exclude: [r0/g1/n3]}
  - {system: hgx-h100}
value: per_sequence
planning_quantile: 95%
expect: {held_bytes: {max: 20 TB}}
"""


def known(size: int) -> Fact:
    """A reserve of so many bytes, as a plain quantity is read."""
    return Fact(Fraction(size), Fraction(size), Fraction(size), "bytes", "assumed", "given", more_is_better=False)


def written(text: str) -> Written:
    document = read_yaml(text, "w.yaml")
    return Written(document.tree, document)


def findings(source: Written):
    with pytest.raises(SpecError) as caught:
        read_workload(source)
    return caught.value.findings


def places(text: str) -> list[tuple[str, str, int, int]]:
    return [(f.rule, f.path, f.place.line, f.place.column) for f in findings(written(text)) if f.place]


def test_a_full_nested_file():
    workload = read_workload(written(NESTED))
    assert workload.notes == ()  # on and off mean the same to an option in every version of YAML
    assert workload == Workload(
        kvplan=1,
        name="long-context-assistant",
        deployments=(
            Deployment(
                name="main",
                model="llama-3-70b",
                kv=KV(k=FORMATS["q8_0"], v=FORMATS["q4_0"], block_size=16),
                engine=EngineChoice("vllm", "0.32"),
                engine_options={"prefix_caching": "off", "enforce_eager": "on", "seats": "3"},
                tensor_parallel=8,
                pipeline_parallel=2,
                context_parallel=3,
                decode_context_parallel=4,
                data_parallel=5,
                limits=Limits(max_model_len=131_072, max_num_seqs=256, max_num_batched_tokens=8192),
                replicas=Replicas(auto=False, number=2),
                memory=Memory(fraction=Fraction(92, 100), reserve=Reserve(auto=False, given=known(4 << 30))),
                weights=GivenWeights("format", "fp8"),
                topology="preferred",
            ),
            Deployment(name="other", model={"hidden_size": 8}),
        ),
        requests=(
            RequestClass(
                name="chat",
                deployment="main",
                sequences=512,
                input=Length("uniform", 4096, 8192),
                output=constant(1024),
                prefix=Prefix(tokens=4096, count=2, store="per_replica"),
                priority=3,
            ),
            RequestClass(  # context alone: the input, without growth
                name="requests-2",
                deployment="other",
                sequences=200,
                input=constant(131_072),
                output=constant(0),
                context=constant(131_072),
            ),
        ),
        planning_quantile=Fraction(95, 100),
        expect={"held_bytes": {"max": "20 TB"}},
        fleet=(
            FleetPart(system=catalog_system("al128"), count=2, exclude=("r0/g1/n3",)),
            FleetPart(system=catalog_system("hgx-h100")),
        ),
        value="per_sequence",
    )


def test_flat_and_nested_say_the_same():
    flat = "kvplan: 1\nmodel: m\nkv: {format: fp8}\nengine: vllm\ndeployment: {name: d, tensor_parallel: 8}\n"
    nested = "kvplan: 1\ndeployments: [{model: m, kv: {format: fp8}, engine: vllm, name: d, tensor_parallel: 8}]\n"
    requests = "requests: [{sequences: 4, input: 8Ki, output: 0}]\n"
    assert read_workload(written(flat + requests)) == read_workload(written(nested + requests))


def test_defaults():
    workload = read_workload(written(FLAT))
    assert workload.deployments == (Deployment(model="llama-3-70b"),)
    assert (workload.name, workload.planning_quantile, workload.expect) == ("workload", Fraction(99, 100), {})
    assert (workload.fleet, workload.system, workload.value) == ((), None, "per_token")
    assert (workload.requests[0].deployment, workload.requests[0].priority) == ("main", 0)
    (deployment,) = workload.deployments
    assert (deployment.replicas, deployment.memory, deployment.weights) == (Replicas(), Memory(), GivenWeights())
    assert deployment.topology == "required"


@pytest.mark.parametrize("key", ["model: m", "kv: {}", "engine: vllm", "engine_options: {}", "deployment: {}"])
def test_both_forms_in_one_file(key):
    text = f"kvplan: 1\n{key}\ndeployments: [{{model: m}}]\nrequests: [{{sequences: 4, context: 1}}]\n"
    assert places(text) == [("KV018", key.split(":")[0], 2, 1)]


LATER_DEPLOYMENT = [
    "expert_parallel: 8", "role: prefill", "survive: {node: 1}",
]  # fmt: skip
LATER_REQUEST = [
    "arrival: {rate: 12/s, peak_to_mean: 2.5}", "holding: 25 s", "slo: {time_to_first_token: 2 s}",
    "idle: {fraction: 80%, mean: 30 s, burst: 8}", "resume_within: 2 s", "copies: 2",
]  # fmt: skip


@pytest.mark.parametrize("key", LATER_DEPLOYMENT)
def test_later_keys_of_a_deployment(key):
    name = key.split(":")[0]
    assert places(FLAT + f"deployment:\n  {key}\n") == [("KV015", f"deployment.{name}", 6, 3)]
    nested = f"kvplan: 1\nrequests: [{{sequences: 4, context: 1}}]\ndeployments:\n  - model: m\n    {key}\n"
    assert places(nested) == [("KV015", f"deployments[0].{name}", 5, 5)]


@pytest.mark.parametrize("key", LATER_REQUEST)
def test_later_keys_of_a_class(key):
    name = key.split(":")[0]
    assert places(FLAT.replace("8Ki", f"8Ki, {key}")) == [("KV015", f"requests[0].{name}", 4, 34)]


@pytest.mark.parametrize(
    ("key", "path", "at"),
    [
        ("input: {trace: t.csv, column: n}", "requests[0].input.trace", (4, 28)),
        ("input: 9, prefix: {tokens: 1, store: per_group}", "requests[0].prefix.store", (4, 57)),
        ("input: 9, prefix: {tokens: 1, store: per_rack}", "requests[0].prefix.store", (4, 57)),
    ],
)
def test_later_values(key, path, at):
    assert places(FLAT.replace("context: 8Ki", key)) == [("KV015", path, *at)]


def test_later_formats():
    assert places(FLAT + "kv: {format: q5_0}\n") == [("KV015", "kv.format", 5, 14)]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("kvplan: 1\n", "", ("KV008", "kvplan", 1, 1)),
        ("kvplan: 1", "kvplan: 2", ("KV010", "kvplan", 1, 9)),
        ("sequences: 4, ", "", ("KV008", "requests[0].sequences", 4, 5)),
        ("sequences: 4", "sequences: 0", ("KV010", "requests[0].sequences", 4, 17)),
        ("sequences: 4", "sequences: 4.5", ("KV007", "requests[0].sequences", 4, 17)),
        ("context: 8Ki", "context: 8m", ("KV009", "requests[0].context", 4, 29)),
        (", context: 8Ki", "", ("KV008", "requests[0].input", 4, 5)),
        ("context: 8Ki", "output: 8", ("KV008", "requests[0].input", 4, 5)),
        ("context: 8Ki", "context: 8Ki, input: 2", ("KV018", "requests[0].context", 4, 20)),
        ("context: 8Ki", "context: 8Ki, output: 2", ("KV018", "requests[0].context", 4, 20)),
        ("8Ki", "8Ki, deployment: man", ("KV011", "requests[0].deployment", 4, 46)),
        ("context: 8Ki", "input: 2Ki, prefix: {tokens: 4096}", ("KV105", "requests[0].prefix.tokens", 4, 49)),
        ("llama-3-70b\n", "m\nmodell: m\n", ("KV001", "modell", 3, 1)),
        ("llama-3-70b\n", "m\nplanning_quantile: 100%\n", ("KV010", "planning_quantile", 3, 20)),
        ("llama-3-70b\n", "m\nexpect: 3\n", ("KV007", "expect", 3, 9)),
        ("llama-3-70b\n", "m\ndeployment: 3\n", ("KV007", "deployment", 3, 13)),
        ("llama-3-70b\n", "m\ndeployment: {model: x}\n", ("KV001", "deployment.model", 3, 14)),
        ("llama-3-70b\n", "m\nengine: 3\n", ("KV007", "engine", 3, 9)),
        ("llama-3-70b\n", "m\nengine_options: {a: [1]}\n", ("KV007", "engine_options.a", 3, 21)),
        ("llama-3-70b\n", "m\nkv: {format: fp7}\n", ("KV011", "kv.format", 3, 14)),
        ("llama-3-70b\n", "m\nkv: {format: fp8, k: q8_0, v: q4_0}\n", ("KV018", "kv.format", 3, 6)),
        ("llama-3-70b\n", "m\nkv: {k: q8_0}\n", ("KV008", "kv", 3, 5)),
        ("llama-3-70b\n", "m\nvalue: tokens\n", ("KV011", "value", 3, 8)),
        ("8Ki", "8Ki, priority: high", ("KV007", "requests[0].priority", 4, 44)),
        ("8Ki", "8Ki, priority: 1000001", ("KV010", "requests[0].priority", 4, 44)),
    ],
)
def test_one_break_one_finding(old, new, found):
    assert places(FLAT.replace(old, new)) == [found]


@pytest.mark.parametrize("text", ["[]", "3", "---\n"])
def test_a_workload_is_a_mapping(text):
    (finding,) = findings(written(text))
    assert (finding.rule, "a workload is a mapping" in finding.message) == ("KV007", True)


def test_a_prefix_as_long_as_the_input_is_read():
    text = FLAT.replace("context: 8Ki", "input: 4Ki, prefix: {tokens: 4096}")
    assert read_workload(written(text)).requests[0].prefix == Prefix(tokens=4096)


def test_names_are_unique_and_deployments_named_where_there_are_several():
    text = "kvplan: 1\ndeployments:\n  - {name: a, model: x}\n  - {name: a, model: y}\nrequests:\n"
    text += "  - {name: r, sequences: 1, context: 1}\n  - {name: r, sequences: 1, context: 1, deployment: a}\n"
    assert places(text) == [
        ("KV002", "deployments[1].name", 4, 12),
        ("KV008", "requests[0].deployment", 6, 5),
        ("KV002", "requests[1].name", 7, 12),
    ]


def test_every_finding_comes_in_one_pass():
    text = FLAT.replace("sequences: 4", "sequnces: 4") + (
        "kv: {format: fp7}\nengine: 3\nfleet: 1\nname: no\ndeployment:\n  limits: {max_model_len: -1, x: 2}\n"
    )
    found = findings(written(text))
    assert [(f.rule, f.path) for f in found] == [
        ("KV008", "requests[0].sequences"),
        ("KV001", "requests[0].sequnces"),
        ("KV011", "kv.format"),
        ("KV007", "engine"),
        ("KV007", "fleet"),
        ("KV012", "name"),
        ("KV009", "deployment.limits.max_model_len"),
        ("KV001", "deployment.limits.x"),
    ]
    assert found[1].help == "did you mean `sequences`?"


def test_a_contradiction_is_found_beside_an_unknown_key():
    text = FLAT.replace("8Ki", "8Ki, input: 2") + "bar: 1\n"
    assert [rule for rule, *_ in places(text)] == ["KV018", "KV001"]


@pytest.mark.parametrize("version", ["0", "'1'", "true"])
def test_a_wrong_version_is_found_once(version):
    assert len(places(FLAT.replace("kvplan: 1", f"kvplan: {version}"))) == 1

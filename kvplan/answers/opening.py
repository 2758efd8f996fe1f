"""A deployment of a workload opened: its model found, its engine asked what it refuses, its classes counted."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from kvplan import files
from kvplan.answers.deployment import DeploymentCase
from kvplan.errors import SpecError
from kvplan.findings import Finding, join_path
from kvplan.footprint import ladder
from kvplan.footprint.engines.engine import Engine, EngineRequest, Served, Split
from kvplan.footprint.engines.registry import ENGINES
from kvplan.spec.formats import KVFormat
from kvplan.spec.kinds import nearest
from kvplan.spec.model import Model
from kvplan.spec.models import resolve_model
from kvplan.spec.workload import Deployment, RequestClass, Workload
from kvplan.units import MAX_INTEGER


def open_deployment(workload: Workload, index: int, rank: int | None) -> DeploymentCase:
    """A deployment of a workload with its classes counted.

    Raises: SpecError with every refusal, at paths of the workload or places of the model's config.
    """
    deployment = workload.deployments[index]
    folder = workload.written.folder
    model = _resolve(
        workload, index, None if _is_flag(workload, index, "model") else folder, model_roots(workload, index)
    )
    served = _served(deployment, model)
    make = ENGINES.get(deployment.engine.name)
    if make is None:
        hint = nearest(deployment.engine.name, ENGINES)
        message = f"kvplan has no rule for the engine `{deployment.engine.name[:60]}`"
        known = f"known: {', '.join(ENGINES)}"
        raise SpecError(
            [_at(workload, index, Finding("KV304", "engine", message, help=hint or known, note=known if hint else ""))]
        )
    engine = make(EngineRequest(deployment.engine.name, deployment.engine.version, deployment.engine_options, served))
    found = [_at(workload, index, finding) for finding in engine.refusals(served)]
    found += _rank_refusal(deployment, rank)
    requests = [
        (place, request) for place, request in enumerate(workload.requests) if request.deployment == deployment.name
    ]
    for place, request in requests:
        found += _request_findings(place, request, deployment, model, engine)
    found += _too_many(workload, index, [request for _, request in requests])
    if any(finding.severity == "error" for finding in found):
        raise SpecError(found)
    case = DeploymentCase(deployment, model, engine, served, rank, float(workload.planning_quantile))
    case.notes = [*model.notes, *found]
    _check_range(case, requests)
    for _, request in requests:
        case.add(request)
    return case


def deployment_paths(workload: Workload, index: int) -> dict[str, str]:
    """Where keys of a deployment stand in the workload, for findings."""
    return {item.name: workload.written.deployment_path(index, item.name) for item in fields(Deployment)}


def model_roots(workload: Workload, index: int) -> tuple[Path, ...]:
    """Folders that the model of a deployment may be read from; none means anywhere, as for one named by a flag."""
    folder = workload.written.folder
    return () if folder is None or _is_flag(workload, index, "model") else files.roots_of(folder)


def _is_flag(workload: Workload, index: int, key: str) -> bool:
    return workload.written.deployment_path(index, key) in workload.written.overlays


def _at(workload: Workload, index: int, finding: Finding) -> Finding:
    """A finding inside a deployment, at its path in the workload."""
    return replace(finding, path=workload.written.deployment_path(index, finding.path))


def _resolve(workload: Workload, index: int, folder: Path | None, roots: tuple[Path, ...]) -> Model:
    path = workload.written.deployment_path(index, "model")
    return resolve_model(workload.deployments[index].model, path, folder, roots)


def _served(deployment: Deployment, model: Model) -> Served:
    kv, source = model.kv_format, model.kv_format_source
    asked = deployment.kv
    if asked.format:
        kv, source = KVFormat(asked.format, asked.format), "asked"
    elif asked.k and asked.v:
        kv, source = KVFormat(asked.k, asked.v), "asked"
    split = Split(
        deployment.tensor_parallel,
        deployment.pipeline_parallel,
        deployment.data_parallel,
        deployment.context_parallel,
        deployment.decode_context_parallel,
    )
    step = deployment.limits.max_num_batched_tokens
    return Served(
        architecture=model.architecture,
        family=model.family,
        layers=model.layers,
        num_q_heads=model.num_q_heads,
        kv=kv,
        kv_source=source,
        kv_is_asked=source == "asked",
        kv_plain=model.kv_plain,
        kv_scheme=model.kv_scheme,
        kv_of_checkpoint=model.kv_format,
        split=split,
        block_size=asked.block_size,
        step_tokens=step,
    )


def _rank_refusal(deployment: Deployment, rank: int | None) -> list[Finding]:
    if rank is None or rank < deployment.pipeline_parallel:
        return []
    stages = deployment.pipeline_parallel
    there_are = "there is one stage" if stages == 1 else f"the {stages} stages count from 0"
    message = f"there is no pipeline rank {rank}: {there_are}"
    return [Finding("KV010", "pipeline_rank", message, help=f"use 0 to {stages - 1}" if stages > 1 else "use 0")]


def _too_many(workload: Workload, index: int, requests: list[RequestClass]) -> list[Finding]:
    """More sequences at once than the engine's own limit lets all instances hold."""
    deployment = workload.deployments[index]
    limit = deployment.limits.max_num_seqs
    instances = deployment.data_parallel * (deployment.replicas.number or 1)
    sequences = sum(request.sequences for request in requests)
    if limit is None or sequences <= limit * instances or workload.fleet:  # with a fleet it is a matter of seats
        return []
    at_once = f"max_num_seqs {limit:,}" + (f" × {instances} instances" if instances > 1 else "")
    message = f"{sequences:,} sequences at once are more than {at_once}"
    help = "raise max_num_seqs, add data-parallel instances, or hold fewer sequences"
    return [_at(workload, index, Finding("KV107", "limits.max_num_seqs", message, help=help))]


def _request_findings(
    place: int, request: RequestClass, deployment: Deployment, model: Model, engine: Engine
) -> list[Finding]:
    assert request.input is not None
    assert request.output is not None
    path, found = join_path("requests", place), []
    longest = request.input.high + request.output.high
    length_path = f"{path}.{'context' if request.context is not None else 'input'}"
    limit = deployment.limits.max_model_len
    if limit is not None and longest > limit:
        message = f"{longest:,} tokens are more than max_model_len {limit:,}"
        found.append(Finding("KV104", length_path, message, help="raise max_model_len, or shorten the sequences"))
    trained = model.max_position_embeddings
    if trained is not None and longest > trained:
        message = f"{longest:,} tokens are past the {trained:,} positions that {model.name} is trained for"
        found.append(Finding("KV101", length_path, message))
    if request.prefix is not None:
        found += _prefix_findings(f"{path}.prefix.tokens", request.prefix.tokens, engine)
    return found


def _prefix_findings(path: str, tokens: int, engine: Engine) -> list[Finding]:
    if not engine.shares_prefixes:
        message = f"{engine.name} shares no prefix here: prefix caching is off"
        return [Finding("KV305", path, message, help="turn prefix_caching on")]
    if tokens < engine.block_size:
        message = f"a prefix of {tokens} tokens fills no block of {engine.block_size}: nothing is shared"
        return [Finding("KV106", path, message, help="only whole blocks are shared")]
    return []


def _check_range(case: DeploymentCase, requests: list[tuple[int, RequestClass]]) -> None:
    """Refuse what could pass 2**62 bytes, before any array is filled."""
    accountant = case.accountant
    found, total = [], 0
    for place, request in requests:
        assert request.input is not None
        assert request.output is not None
        longest = request.input.high + request.output.high
        total += (
            ladder.naive_bytes_per_token(len(accountant.layers), case.model.hidden_size) * longest * request.sequences
        )
        total += accountant.most_bytes(longest) * request.sequences
        if total >= MAX_INTEGER:
            path = f"requests[{place}].{'context' if request.context is not None else 'input'}"
            message = "these sequences could pass 2^62 bytes over all ranks, the most that kvplan counts to"
            found.append(Finding("KV102", path, message, help="check the length and the number of sequences"))
            break
    if found:
        raise SpecError(found)

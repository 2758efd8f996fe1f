"""One deployment of a workload, unpacked: its model, its engine, its classes; the only place that calls down for size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

from kvplan.answers.factors import factors_of
from kvplan.answers.size_result import ClassSize, DeploymentSize, EngineLabel, LadderStep
from kvplan.errors import SpecError
from kvplan.findings import Finding, join_path
from kvplan.footprint import ladder
from kvplan.footprint.accounting import MEASURES, Accountant, Accounts, SharedPrefix, heaviest
from kvplan.footprint.engines.engine import Engine, EngineRequest, Served, Split
from kvplan.footprint.engines.registry import ENGINES
from kvplan.footprint.sequences import NOTHING, Sequences, Total, expand
from kvplan.footprint.sizing import bytes_by_limit
from kvplan.spec.formats import KVFormat
from kvplan.spec.kinds import nearest
from kvplan.spec.model import Model
from kvplan.spec.models import resolve_model
from kvplan.spec.workload import Deployment, RequestClass, Workload
from kvplan.units import MAX_INTEGER


class DeploymentCase:
    """A deployment with everything that its figures need."""

    def __init__(
        self, deployment: Deployment, model: Model, engine: Engine, served: Served, rank: int | None, quantile: float
    ) -> None:
        self.deployment = deployment
        self.model = model
        self.engine = engine
        self.served = served
        self.rank = rank
        self.deviations = NormalDist().inv_cdf(quantile)
        self.accountant = Accountant(engine, served)
        self.classes: list[tuple[RequestClass, Sequences, Accounts]] = []
        self.notes: list[Finding] = []

    def add(self, request: RequestClass) -> None:
        """Count one class of sequences."""
        assert request.input is not None
        assert request.output is not None
        sequences = expand(request.input, request.output, request.sequences)
        prefix = request.prefix
        shared = SharedPrefix(prefix.tokens, prefix.count) if prefix else SharedPrefix()
        self.classes.append((request, sequences, self.accountant.account(sequences, shared)))

    def size(self) -> DeploymentSize:
        """The figures of the deployment."""
        everything = [accounts for _, _, accounts in self.classes]
        at = self.deviations
        totals = {name: _sum(getattr(accounts, name) for accounts in everything) for name in (*MEASURES, "all_ranks")}
        ranks = self._ranks(everything)
        stage = self.rank if self.rank is not None else heaviest(self._stages(everything), "held", at)
        minimum = totals["minimum"].at(at)
        return DeploymentSize(
            deployment=self.deployment.name,
            model=self.model.name,
            architecture=self.model.architecture,
            quantization=self.model.quantization,
            kv_format=self.accountant.kv.name,
            kv_format_source=self.served.kv_source,
            engine=EngineLabel(self.engine.name, self.engine.version),
            block_size=self.engine.block_size,
            pipeline_rank=stage,
            **self._per_token(stage),
            minimum_bytes=minimum,
            replicated_bytes=max(0, totals["all_ranks"].at(at) - minimum),
            held_bytes=totals["held"].at(at),
            peak_bytes=totals["peak"].at(at),
            reserved_bytes=totals["reserved"].at(at),
            mean_bytes=round(totals["held"].mean),
            **{f"rank_{name}_bytes": ranks[name] for name in MEASURES},
            ladder=self._ladder(totals),
            classes=tuple(self._class(*item) for item in self.classes),
            factors=factors_of(self.deployment, self.model, self.engine, self.served, self.accountant),
        )

    def _stages(self, everything: list[Accounts]) -> list[dict[str, Total]]:
        count = len(self.accountant.parts)
        return [
            {name: _sum(accounts.stages[index][name] for accounts in everything) for name in MEASURES}
            for index in range(count)
        ]

    def _ranks(self, everything: list[Accounts]) -> dict[str, int]:
        stages = self._stages(everything)
        if self.rank is not None:
            stages = [stages[self.rank]]
        return {name: max(stage[name].at(self.deviations) for stage in stages) for name in MEASURES}

    def _per_token(self, stage: int) -> dict[str, int]:
        """Bytes of one token, before tokens are spread over ranks: the model once, and the heaviest rank."""
        model = bytes_by_limit(self.accountant.model_groups)
        ranks = [bytes_by_limit(layers) for layers in self.accountant.stage_layers]
        if self.rank is not None:
            ranks = [ranks[stage]]
        states = [sum(g.layer.state_bytes(self.accountant.kv) * g.count for g in self.accountant.model_groups)]
        tensor = self.served.split.tensor_parallel
        rank_states = [
            sum(g.layer.state_bytes(self.accountant.kv, tensor) * g.count for g in part)
            for part in self.accountant.stage_layers
        ]
        rank = max(sum(part.values()) for part in ranks)
        unbounded = max(part.get(None, 0) for part in ranks)
        return {
            "model_bytes_per_token": sum(model.values()),
            "model_bytes_per_token_unbounded": model.get(None, 0),
            "state_bytes_per_sequence": states[0],
            "rank_bytes_per_token": rank,
            "rank_bytes_per_token_unbounded": unbounded,
            "rank_state_bytes_per_sequence": rank_states[stage] if self.rank is not None else max(rank_states),
        }

    def _ladder(self, totals: dict[str, Total]) -> tuple[LadderStep, ...]:
        """Running totals of every step, over all classes."""
        layers = self.accountant.layers
        steps = [
            _sum(ladder.naive(sequences, len(layers), self.model.hidden_size) for _, sequences, _ in self.classes),
            _sum(ladder.heads(sequences, layers) for _, sequences, _ in self.classes),
            _sum(ladder.windows_and_states(sequences, layers) for _, sequences, _ in self.classes),
            _sum(accounts.unshared for _, _, accounts in self.classes),
            totals["minimum"],
            totals["all_ranks"],
            totals["held"],
        ]
        sizes = [step.at(self.deviations) for step in steps]
        before = [sizes[0], *sizes]
        return tuple(
            LadderStep(name, bytes_, bytes_ - previous)
            for name, bytes_, previous in zip(ladder.STEPS, sizes, before[: len(sizes)], strict=True)
        )

    def _class(self, request: RequestClass, sequences: Sequences, accounts: Accounts) -> ClassSize:
        at = self.deviations
        rank = self._ranks([accounts])
        return ClassSize(
            name=request.name,
            deployment=self.deployment.name,
            sequences=request.sequences,
            tokens=round(sequences.mean_tokens),
            max_tokens=int(sequences.law_tokens.max()),
            minimum_bytes=accounts.minimum.at(at),
            replicated_bytes=max(0, accounts.all_ranks.at(at) - accounts.minimum.at(at)),
            held_bytes=accounts.held.at(at),
            peak_bytes=accounts.peak.at(at),
            reserved_bytes=accounts.reserved.at(at),
            mean_bytes=round(accounts.held.mean),
            **{f"rank_{name}_bytes": rank[name] for name in MEASURES},
        )


def _sum(totals: object) -> Total:
    return sum(totals, start=NOTHING)  # type: ignore[call-overload, no-any-return]


def open_deployment(workload: Workload, index: int, rank: int | None) -> DeploymentCase:
    """A deployment of a workload with its classes counted.

    Raises: SpecError with every refusal, at paths of the workload or places of the model's config.
    """
    deployment = workload.deployments[index]
    folder = workload.written.folder
    roots = () if folder is None or _is_flag(workload, index, "model") else (folder, Path())
    model = _resolve(workload, index, None if _is_flag(workload, index, "model") else folder, roots)
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
        found += _request_findings(place, request, deployment, model, engine, workload)
    if any(finding.severity == "error" for finding in found):
        raise SpecError(found)
    case = DeploymentCase(deployment, model, engine, served, rank, float(workload.planning_quantile))
    case.notes = [*model.notes, *found]
    _check_range(case, requests)
    for _, request in requests:
        case.add(request)
    return case


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
        model.architecture, model.family, model.layers, model.num_q_heads, kv, source, split, asked.block_size, step
    )


def _rank_refusal(deployment: Deployment, rank: int | None) -> list[Finding]:
    if rank is None or rank < deployment.pipeline_parallel:
        return []
    message = f"there is no pipeline rank {rank}: the {deployment.pipeline_parallel} stages count from 0"
    return [Finding("KV010", "pipeline_rank", message, help=f"use 0 to {deployment.pipeline_parallel - 1}")]


def _request_findings(
    place: int, request: RequestClass, deployment: Deployment, model: Model, engine: Engine, workload: Workload
) -> list[Finding]:
    assert request.input is not None
    assert request.output is not None
    path, found = join_path("requests", place), []
    longest = request.input.high + request.output.high
    length_path = f"{path}.{'context' if request.context is not None else 'input'}"
    limit = deployment.limits.max_model_len
    if limit is not None and longest > limit:
        found.append(
            Finding(
                "KV104",
                length_path,
                f"{longest:,} tokens are more than max_model_len {limit:,}",
                help="raise max_model_len, or shorten the sequences",
            )
        )
    trained = model.max_position_embeddings
    if trained is not None and longest > trained:
        found.append(
            Finding(
                "KV101",
                length_path,
                f"{longest:,} tokens are past the {trained:,} positions that {model.name} is trained for",
            )
        )
    if request.prefix is not None:
        prefix = f"{path}.prefix.tokens"
        if not engine.shares_prefixes:
            found.append(
                Finding(
                    "KV305",
                    prefix,
                    f"{engine.name} shares no prefix here: prefix caching is off",
                    help="turn prefix_caching on",
                )
            )
        elif request.prefix.tokens < engine.block_size:
            message = f"a prefix of {request.prefix.tokens} tokens is less than a block of {engine.block_size}: nothing is shared"
            found.append(Finding("KV106", prefix, message, help="only whole blocks are shared"))
    return found


def _check_range(case: DeploymentCase, requests: list[tuple[int, RequestClass]]) -> None:
    """Refuse what could pass 2**62 bytes, before any array is filled."""
    accountant = case.accountant
    per_token = max(
        ladder.naive_bytes_per_token(len(accountant.layers), case.model.hidden_size),
        sum(group.block_bytes // group.block_size + 1 for blocks in accountant.stage_blocks for group in blocks),
        4 * sum(bytes_by_limit(accountant.model_groups).values()),
    )
    slack = 4 * max(group.block_size for blocks in accountant.stage_blocks for group in blocks)
    found, total = [], 0
    for place, request in requests:
        assert request.input is not None
        assert request.output is not None
        longest = request.input.high + request.output.high
        total += (longest + slack) * per_token * accountant.ranks_per_stage * request.sequences
        if total >= MAX_INTEGER:
            path = f"requests[{place}].{'context' if request.context is not None else 'input'}"
            message = "these sequences could pass 2^62 bytes over all ranks, the most that kvplan counts to"
            found.append(Finding("KV102", path, message, help="check the length and the number of sequences"))
            break
    if found:
        raise SpecError(found)

"""One deployment of a workload, unpacked: its model, its engine, its classes; all calls down for size are here."""

from __future__ import annotations

from statistics import NormalDist

from kvplan.answers.factors import factors_of
from kvplan.answers.size_result import ClassSize, DeploymentSize, EngineLabel, LadderStep
from kvplan.findings import Finding
from kvplan.footprint import ladder
from kvplan.footprint.accounting import MEASURES, Accountant, Accounts, SharedPrefix, heaviest
from kvplan.footprint.engines.engine import Engine, Served
from kvplan.footprint.sequences import NOTHING, Sequences, Total, expand
from kvplan.footprint.sizing import bytes_by_limit
from kvplan.spec.model import Model
from kvplan.spec.workload import Deployment, RequestClass


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
        self.accountant = Accountant(engine, served, deployment.replicas.number or 1)
        self.classes: list[tuple[RequestClass, Sequences, Accounts]] = []
        self.notes: list[Finding] = []

    def add(self, request: RequestClass) -> None:
        """Count one class of sequences."""
        assert request.input is not None
        assert request.output is not None
        prefix = request.prefix
        sequences = expand(request.input, request.output, request.sequences, prefix.tokens if prefix else 0)
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
            kv_format_source=self._format_source(),
            engine=EngineLabel(self.engine.name, self.engine.version, self.engine.evidence),
            block_size=self.engine.block_size,
            pipeline_rank=stage,
            pipeline_rank_is_asked=self.rank is not None,
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

    def _format_source(self) -> str:
        """Who set the format, and that the engine stores another where it does."""
        stored, asked = self.accountant.kv, self.served
        return asked.kv_source if stored == asked.kv else f"stored by {self.engine.name} in place of {asked.kv.name}"

    @property
    def longest_context(self) -> int:
        """Tokens of the longest sequence of any class; 1 where there is none. [tokens]"""
        return max((sequences.longest[1] for _, sequences, _ in self.classes), default=1)

    @property
    def max_model_len(self) -> int:
        """The longest sequence that the engine is to take: as told, else what the model is trained for. [tokens]"""
        limit = self.deployment.limits.max_model_len
        return limit or max(self.model.max_position_embeddings or 1, self.longest_context)

    def stage_bytes(self, measure: str) -> list[int]:
        """A measure of one rank of each pipeline stage, at the planning quantile. [bytes]"""
        stages = self._stages([accounts for _, _, accounts in self.classes])
        return [stage[measure].at(self.deviations) for stage in stages]

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
            max_tokens=sequences.longest[1],
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

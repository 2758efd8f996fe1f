"""Does it fit? A workload and a rank's KV pool ▸ blocks, tokens, most sequences, and what would fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kvplan import units
from kvplan.answers import request
from kvplan.answers.deployment import DeploymentCase
from kvplan.answers.fit_result import Fit, Headroom
from kvplan.answers.opening import open_deployment
from kvplan.answers.remedies import headroom, search
from kvplan.answers.size_result import DeploymentSize, EngineLabel
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.footprint import room
from kvplan.footprint.engines.engine import PoolRoom
from kvplan.spec.workload import Workload
from kvplan.spec.workload_reader import Written

_MAX_POOL = 1 << 60


def fit(
    workload: Workload | Path | str | None = None,
    *,
    pool: int | str,
    model: str | Path | Mapping[str, Any] | None = None,
    batch: int | str | None = None,
    context: int | str | None = None,
    kv_format: str | None = None,
    block_size: int | str | None = None,
    tensor_parallel: int | str | None = None,
    pipeline_parallel: int | str | None = None,
    data_parallel: int | str | None = None,
    context_parallel: int | str | None = None,
    decode_context_parallel: int | str | None = None,
    max_model_len: int | str | None = None,
    max_num_seqs: int | str | None = None,
    max_num_batched_tokens: int | str | None = None,
    engine: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    set: Mapping[str, Any] | None = None,
    deployment: str | None = None,
) -> Fit:
    """Whether a workload fits the KV pool of a rank, and how much more or less would.

    pool: the pool of one rank, as the engine has it after weights and reserve: bytes, or a text like ``48.66GiB``.
    The rest are the flags of ``size``. Raises: as ``size``.
    """
    flags = {name: value for name, value in locals().items() if name != "workload" and value is not None}
    return answer(workload, flags, "python")


def answer(workload: Workload | Path | str | None, flags: Mapping[str, Any], style: str) -> Fit:
    """As ``fit``, with the flags as a mapping and shown in findings as they were given."""
    source = request.read_written(workload) if isinstance(workload, Path | str) else workload
    question = _open(source, flags, style)
    result, one_class = _answer(question), len(question.case.classes) == 1

    def fits_with(changes: Mapping[str, Any]) -> bool:
        return _fits(_open(source, {**flags, **changes}, style))

    if result.fits:
        found = headroom(fits_with, result.sequences, result.context, one_class=one_class)
        return replace(result, headroom=(*found, Headroom("pool", result.has_bytes / max(1, result.needs_bytes))))
    remedies = search(
        fits_with,
        sequences=result.sequences,
        context=result.context,
        tensor_parallel=question.case.served.split.tensor_parallel,
        pool_bytes=result.pool_bytes,
        max_model_len=0 if result.admission_needs_bytes <= result.admission_has_bytes else result.max_model_len,
        one_class=one_class,
    )
    return replace(result, would_fit=remedies)


class _Question(NamedTuple):
    """What is asked: a deployment opened and counted, and the pool of its ranks as the engine sees it."""

    workload: Workload
    case: DeploymentCase
    size: DeploymentSize
    context: int
    pool: PoolRoom
    has_bytes: int


def _open(workload: Workload | Written | None, flags: Mapping[str, Any], style: str) -> _Question:
    pool_bytes = _pool(flags.get("pool"), style)
    if workload is None and flags.get("context") is None and flags.get("max_model_len") is not None:
        flags = {**flags, "context": flags["max_model_len"]}
    asked = request.build(workload, flags, style)
    index = _only_deployment(asked, flags.get("deployment"))
    try:
        case = open_deployment(asked, index, None)
    except SpecError as error:
        raise SpecError([asked.written.locate(finding) for finding in error.findings]) from None
    size, stages = case.size(), case.accountant.stage_blocks
    context = max((item.max_tokens for item in size.classes), default=1)
    max_len = case.deployment.limits.max_model_len or max(case.model.max_position_embeddings or 1, context)
    pool = room.describe(case.engine, stages, pool_bytes, max_len, case.accountant.token_ranks)
    return _Question(asked, case, size, context, pool, room.usable_bytes(case.engine, stages, pool_bytes))


def _fits(asked: _Question) -> bool:
    return asked.pool.needed_bytes <= asked.pool.has_bytes and asked.size.rank_peak_bytes <= asked.has_bytes


def _pool(value: Any, style: str) -> int:  # noqa: ANN401
    """A rank's pool from a flag; a number is bytes. [bytes]"""
    try:
        return _pool_bytes(value)
    except units.UnitError as error:
        words = {"pool": (None, f"--pool {value}" if style == "cli" else f"pool={value!r}")}
        document = request.flags_document(words, style)
        raise SpecError([document.source.locate(Finding("KV009", "pool", str(error), help=error.help))]) from None


def _pool_bytes(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, str):
        count = units.parse_measured_bytes(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        raise units.UnitError(f"{value!r} is no number of bytes", "write 48.66 GiB, or whole bytes")
    if not 0 <= count < _MAX_POOL:
        raise units.UnitError("a rank's pool is 0 bytes to 1 EiB", "write what one rank has, such as 48.66 GiB")
    return count


def _only_deployment(workload: Workload, name: str | None) -> int:
    names = [deployment.name for deployment in workload.deployments]
    if name is None and len(names) > 1:
        message = "there are several deployments: a pool is one deployment's"
        help = f"give --deployment with one of {', '.join(names)}"
        raise SpecError([workload.written.locate(Finding("KV018", "deployments", message, help=help))])
    return names.index(name) if name is not None else 0


def _answer(asked: _Question) -> Fit:
    size, case = asked.size, asked.case
    sequences, fits = sum(item.sequences for item in size.classes), _fits(asked)
    notes = (*asked.workload.notes, *(asked.workload.written.locate(note) for note in case.notes))
    return Fit(
        workload=asked.workload.name,
        deployment=case.deployment.name,
        model=size.model,
        kv_format=size.kv_format,
        engine=EngineLabel(*size.engine),
        verdict="yes" if fits else "no",
        fits=fits,
        block_size=case.engine.block_size,
        sequences=sequences,
        context=asked.context,
        needs_bytes=size.rank_peak_bytes,
        has_bytes=asked.has_bytes,
        would_fit=(),
        headroom=(),
        ranges={},
        depends_on=(),
        notes=tuple(dict.fromkeys(notes)),
        **_pool_figures(case, asked.pool),
        **_most(case, asked.has_bytes, sequences, asked.context, asked.pool.estimated_len),
    )


def _pool_figures(case: DeploymentCase, pool: PoolRoom) -> dict[str, Any]:
    """The pool as the engine sees it."""
    log = case.engine.log(pool)
    return {
        "pool_bytes": pool.pool_bytes,
        "block_bytes": case.engine.block_bytes(room.heaviest_stage(case.engine, case.accountant.stage_blocks)),
        "blocks": pool.blocks,
        "tokens": log.printed,
        "tokens_by_definition": {"blocks": log.by_blocks, "concurrency": log.by_concurrency},
        "max_model_len": pool.max_model_len,
        "max_concurrency": pool.concurrency,
        "admission_needs_bytes": pool.needed_bytes,
        "admission_has_bytes": pool.has_bytes,
        "log_lines": log.lines,
    }


def _most(case: DeploymentCase, has: int, sequences: int, context: int, admitted_len: int) -> dict[str, Any]:
    """Most sequences of one length, and the longest for as many sequences, each at its fullest."""
    engine, ranks, instances = case.engine, case.accountant.token_ranks, case.served.split.data_parallel
    stages = case.accountant.stage_blocks
    at_once = -(-sequences // instances)

    def peak(tokens: int) -> int:
        return room.sequence_bytes(lambda g, n: engine.peak(g, n, n), stages, tokens, ranks)

    longest = room.longest(lambda tokens: at_once * peak(tokens) <= has, room.MAX_TOKENS)
    return {"max_sequences": has // peak(context) * instances, "longest_context": min(longest, admitted_len)}

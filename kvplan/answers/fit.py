"""Does it fit? A workload and a rank's KV pool ▸ blocks, tokens, most sequences, and what would fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from kvplan.answers import request
from kvplan.answers.fit_question import Question, Ranks, open_question
from kvplan.answers.fit_result import Fit, Headroom, Remedy, ends
from kvplan.answers.flags import FitFlags, given
from kvplan.answers.remedies import FACTORS, FORMATS, first, headroom, least, lighter, model_len, most, percents
from kvplan.answers.size_result import EngineLabel
from kvplan.footprint import room
from kvplan.spec.facts import judge, scenarios
from kvplan.spec.workload import Workload

_RANGED = (
    "weights_bytes", "reserve_bytes", "pool_bytes", "blocks", "tokens", "max_concurrency", "max_sequences",
    "longest_context", "has_bytes", "hbm_bytes", "room_bytes",
)  # fmt: skip


def fit(workload: Workload | Path | str | None = None, **flags: Unpack[FitFlags]) -> Fit:
    """Whether a workload fits the KV pool of a rank, and how much more or less would.

    pool: the pool of one rank, as the engine has it after weights and reserve: bytes, or a text like ``48.66GiB``.
    system: in its place, a system of the catalog; ``memory_fraction`` (``92%``), ``reserve`` (``3GiB``) and ``weights``
        (``fp8``, or the bytes of a rank) say what the pool is left of. A workload's own fleet stands in where neither
        is given.
    The rest are the flags of ``size`` but for ``pipeline_rank``. Raises: as ``size``.
    """
    return answer(workload, given(flags, FitFlags), "python")


def answer(
    workload: Workload | Path | str | None, flags: Mapping[str, Any], style: str, *, with_remedies: bool = True
) -> Fit:
    """As ``fit``, with the flags as a mapping and shown in findings as they were given."""
    source = request.read_written(workload) if isinstance(workload, Path | str) else workload
    question = open_question(source, flags, style)

    def fits_with(changes: Mapping[str, Any]) -> bool:
        """At the safe end of the facts."""
        changed = open_question(source, {**flags, **changes}, style)
        return changed.at(scenarios(changed.facts).low).fits

    result = _answer(question, request.changes(flags))
    if not with_remedies:
        return result
    one_class = len(question.case.classes) == 1
    if result.fits:
        found = headroom(fits_with, result.sequences, result.context) if one_class else ()
        return replace(result, headroom=(*found, Headroom("pool", result.has_bytes / max(1, result.needs_bytes))))
    return replace(result, would_fit=_would_fit(question, result, fits_with, one_class=one_class))


def _would_fit(question: Question, result: Fit, ask: Any, *, one_class: bool) -> tuple[Remedy, ...]:  # noqa: ANN401
    """The least change of each knob that alone makes it fit."""
    found: list[Remedy] = []
    if one_class:
        found += most(ask, "batch", result.sequences) + most(ask, "context", result.context)
    if result.admission_needs_bytes > result.admission_has_bytes:
        found += model_len(ask, result.context, result.max_model_len)
    limit = question.case.deployment.limits.max_num_seqs
    if limit is not None and limit * question.instances < question.sequences:
        found += first(ask, "max_num_seqs", [-(-question.sequences // question.instances)])
    tensor = question.case.served.split.tensor_parallel
    found += first(ask, "kv_format", FORMATS)
    found += first(ask, "tensor_parallel", (tensor * factor for factor in FACTORS))
    split = question.case.served.split
    found += first(ask, "pipeline_parallel", (split.pipeline_parallel * factor for factor in FACTORS))
    found += first(ask, "data_parallel", (split.data_parallel * factor for factor in FACTORS))
    if question.memory is None:
        pool = max(1, question.pool_bytes >> 20)
        found += [Remedy("pool", int(item.value)) for item in least(ask, "pool", pool, pool << 20, 1 << 20)]
    else:
        found += first(ask, "memory_fraction", percents(float(question.memory.fraction)))
        found += first(ask, "weights", lighter(question.case))
    return tuple(found)


def _answer(question: Question, changes: Mapping[str, str]) -> Fit:
    """The figures at the safe end, and their ranges."""
    case, facts = question.case, question.facts
    safe, nominal, best = (question.at(values) for values in scenarios(facts))
    judgement = judge(lambda values: question.at(values).fits, facts)
    figures = _figures(question, safe)
    open_facts = any(fact.low < fact.high for fact in facts.values())
    notes = (*question.workload.notes, *(question.workload.written.locate(note) for note in case.notes))
    return Fit(
        workload=question.workload.name,
        deployment=case.deployment.name,
        model=case.model.name,
        kv_format=case.accountant.kv.name,
        engine=EngineLabel(case.engine.name, case.engine.version, case.engine.evidence),
        verdict=judgement.verdict,
        fits=judgement.verdict == "yes",
        sequences=question.sequences,
        context=question.context,
        max_model_len=question.max_model_len,
        would_fit=(),
        headroom=(),
        ranges=_ranges(figures, _figures(question, nominal), _figures(question, best)) if open_facts else {},
        depends_on=judgement.depends_on,
        notes=tuple(dict.fromkeys(notes)),
        set=changes,
        **_memory(question),
        **figures,
    )


def _memory(question: Question) -> dict[str, Any]:
    """Where the pool comes from."""
    memory, system = question.memory, question.system
    if memory is None or system is None:
        return {
            "system": "", "weights_source": "", "memory_fraction": 0.0, "fraction_source": "", "reserve_source": "",
        }  # fmt: skip
    return {
        "system": system.name,
        "weights_source": memory.weights_source,
        "memory_fraction": float(memory.fraction),
        "fraction_source": memory.fraction_source,
        "reserve_source": memory.reserve_source,
    }


def _ranges(*scenario: Mapping[str, Any]) -> dict[str, dict[str, int | float]]:
    """Figures that differ between the ends of the facts, as numbers in order."""
    found = {name: ends(*(figures[name] for figures in scenario)) for name in _RANGED}
    return {name: item for name, item in found.items() if item["low"] != item["high"]}


def _figures(question: Question, ranks: Ranks) -> dict[str, Any]:
    """The pool as the engine sees it, and what goes into it."""
    engine, start = question.case.engine, question.start_up(ranks)
    log = engine.log(start)
    memory = ranks.memory
    return {
        "hbm_bytes": memory.total_bytes if memory else 0,
        "room_bytes": memory.budget_bytes if memory else 0,
        "weights_bytes": memory.weights_bytes if memory else 0,
        "reserve_bytes": memory.reserve_bytes if memory else 0,
        "pool_bytes": start.pool_bytes,
        "block_bytes": max(engine.block_bytes(pool.groups) for pool in ranks.pools),
        "block_size": engine.block_size,
        "blocks": start.blocks,
        "tokens": log.printed,
        "tokens_by_definition": {"blocks": log.by_blocks, "concurrency": log.by_concurrency},
        "max_concurrency": start.concurrency,
        "needs_bytes": ranks.needs_bytes,
        "has_bytes": ranks.has_bytes,
        "admission_needs_bytes": start.needed_bytes,
        "admission_has_bytes": start.has_bytes,
        "log_lines": log.lines,
        **_most(question, ranks, start.estimated_len),
    }


def _most(question: Question, ranks: Ranks, admitted_len: int) -> dict[str, int]:
    """Most sequences of one length, and the longest for as many sequences, each at its fullest."""
    engine, token_ranks, instances = question.case.engine, question.case.accountant.token_ranks, question.instances
    at_once = -(-question.sequences // instances)
    has = room.usable_bytes(engine, ranks.pools)
    stages = dict.fromkeys((pool.groups, room_) for pool, room_ in zip(ranks.pools, has, strict=True))

    def hold(tokens: int) -> int:
        """Sequences of so many tokens that an instance holds."""
        return min(
            room_ // room.sequence_bytes(lambda g, n: engine.peak(g, n, n), groups, tokens, token_ranks)
            for groups, room_ in stages
        )

    longest = room.longest(lambda tokens: hold(tokens) >= at_once, room.MAX_TOKENS)
    limit = question.case.deployment.limits.max_num_seqs
    held = hold(question.context)
    return {
        "max_sequences": (held if limit is None else min(held, limit)) * instances,
        "longest_context": min(longest, admitted_len),
    }

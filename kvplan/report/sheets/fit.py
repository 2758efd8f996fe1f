"""The sheet of a fit: the verdict first, then the pool, the engine's own lines, and what would fit or what is left."""

from __future__ import annotations

from kvplan.answers.fit_result import Fit
from kvplan.report.sheet import Block, Column, Note, Sheet, Table, Value
from kvplan.units import format_binary_bytes, format_bytes


def fit_sheet(fit: Fit) -> Sheet:
    """The sheet of one fit."""
    blocks: list[Block] = [Note(_headline(fit))]
    blocks += [Note(_memory(fit))] if fit.system else []
    blocks += [Note(f"Depends on {item.words}.") for item in fit.depends_on]
    blocks.append(_pool(fit))
    if fit.would_fit:
        blocks.append(_remedies(fit))
    elif not fit.fits:
        blocks.append(Note("No change of batch, context, formats, tensor parallel or room alone makes it fit."))
    if fit.headroom:
        blocks.append(Note(f"Room for {_factors(fit)}."))
    ideal = fit.engine.evidence == "ideal"
    said = "An ideal paged cache would have:" if ideal else "The engine's own start-up log would say:"
    if fit.system and not fit.fits:
        blocks.append(Note("That is one replica: `kvplan place` seats as many as are needed."))
    blocks += [Note(line) for line in (said, *fit.log_lines)]
    blocks += [Note(note.message, note.severity) for note in fit.notes]
    return Sheet(_title(fit), blocks)


def _title(fit: Fit) -> str:
    words = {"read": " (read, not run)", "ideal": " (an ideal)"}.get(fit.engine.evidence, "")
    engine = f"{fit.engine.name} {fit.engine.version}".rstrip()
    return f"{fit.model}, KV in {fit.kv_format}, counted as {engine}{words}"


def _both(count: int) -> str:
    return f"{format_bytes(count)} ({format_binary_bytes(count)})"


def _headline(fit: Fit) -> str:
    subject = "1 sequence" if fit.sequences == 1 else f"{fit.sequences:,} sequences"
    asked = f"{subject} of up to {fit.context:,} tokens"
    if not fit.fits and fit.admission_needs_bytes > fit.admission_has_bytes:
        return (
            f"No: the engine will not start. One sequence of {fit.max_model_len:,} tokens needs "
            f"{_both(fit.admission_needs_bytes)} of a rank's pool, which has {_both(fit.admission_has_bytes)}."
        )
    verdict = {"yes": "Yes", "no": "No", "depends": "It depends"}[fit.verdict]
    need = "needs" if fit.sequences == 1 else "need"
    has = _both(fit.has_bytes)
    ends = fit.ranges.get("has_bytes")
    if ends is not None:
        has = f"{has} at the safe end, {format_bytes(int(ends['high']))} at the other"
    return f"{verdict}: {asked} {need} {_both(fit.needs_bytes)} of the heaviest rank, which has {has}."


def _memory(fit: Fit) -> str:
    """Where the pool comes from, line by line of the sum."""
    share = f"{fit.memory_fraction:.4g} ({fit.fraction_source})"
    return (
        f"A rank of {fit.system}: {format_bytes(fit.hbm_bytes)} seen × {share} "
        f"= {format_bytes(fit.room_bytes)}, less {format_bytes(fit.weights_bytes)} of weights ({fit.weights_source}) "
        f"and {format_bytes(fit.reserve_bytes)} of reserve ({fit.reserve_source}), "
        f"leaves {format_bytes(fit.pool_bytes)} for KV.{_safe_end(fit)}"
    )


def _safe_end(fit: Fit) -> str:
    """What else memory and reserve may be: nothing that is not known stands there as one number."""
    spans = [
        f"{format_bytes(int(ends['low']))} … {format_bytes(int(ends['high']))} {words}"
        for name, words in (("hbm_bytes", "may be seen"), ("reserve_bytes", "may be reserve"))
        if (ends := fit.ranges.get(name)) and format_bytes(int(ends["low"])) != format_bytes(int(ends["high"]))
    ]
    return f" That is the safe end: {', '.join(spans)}." if spans else ""


def _pool(fit: Fit) -> Table:
    figures: tuple[tuple[str, int, str], ...] = (
        ("pool_bytes", fit.pool_bytes, "bytes of a rank's KV pool"),
        ("block_bytes", fit.block_bytes, f"bytes of a block of {fit.block_size:,} tokens"),
        ("blocks", fit.blocks, f"whole blocks{_kept(fit)}"),
        ("tokens", fit.tokens, "tokens, as this version counts them"),
        ("max_sequences", fit.max_sequences, f"sequences of {fit.context:,} tokens at once, at their fullest"),
        ("longest_context", fit.longest_context, "tokens of a sequence, with as many of them"),
        ("max_model_len", fit.max_model_len, "tokens of the engine's longest sequence"),
    )
    rows: list[dict[str, Value]] = [
        {"figure": name, "value": value, "meaning": meaning} for name, value, meaning in figures
    ]
    columns = (Column("figure", "of a rank"), Column("value", "", "count"), Column("meaning", ""))
    return Table("", columns, rows, is_data=True)


def _kept(fit: Fit) -> str:
    """Blocks that the engine keeps for itself."""
    kept = (fit.blocks * fit.block_bytes - fit.has_bytes) // max(1, fit.block_bytes)
    return f", {kept} of them never a sequence's" if kept > 0 and fit.engine.evidence != "ideal" else ""


def _remedies(fit: Fit) -> Table:
    rows: list[dict[str, Value]] = []
    for remedy in fit.would_fit:
        value = str(remedy.value)
        if isinstance(remedy.value, int):
            value = str(remedy.value) if remedy.knob != "pool" else f"{remedy.value >> 20}MiB"
        rows.append({"knob": f"--{remedy.knob.replace('_', '-')}", "value": value})
    return Table("Each of these alone would fit", (Column("knob", "flag"), Column("value", "value")), rows)


def _factors(fit: Fit) -> str:
    words = {"batch": "the sequences", "context": "the context", "pool": "the bytes"}
    return ", or ".join(f"{int(item.factor * 100) / 100:,.2f} × {words[item.knob]}" for item in fit.headroom)

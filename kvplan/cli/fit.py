"""kvplan fit: does it fit?"""

from __future__ import annotations

import typer

from kvplan.cli import options


def fit(
    workload: options.Workload = None,
    pool: options.Pool = None,
    system: options.System = None,
    memory_fraction: options.MemoryFraction = None,
    reserve: options.Reserve = None,
    weights: options.Weights = None,
    model: options.Model = None,
    batch: options.Batch = None,
    context: options.Context = None,
    kv_format: options.KvFormat = None,
    block_size: options.BlockSize = None,
    tensor_parallel: options.TensorParallel = None,
    pipeline_parallel: options.PipelineParallel = None,
    data_parallel: options.DataParallel = None,
    context_parallel: options.ContextParallel = None,
    decode_context_parallel: options.DecodeContextParallel = None,
    max_model_len: options.MaxModelLen = None,
    max_num_seqs: options.MaxNumSeqs = None,
    max_num_batched_tokens: options.MaxNumBatchedTokens = None,
    engine: options.Engine = None,
    engine_option: options.EngineOption = None,
    set_: options.Set = None,
    deployment: options.Deployment = None,
    format_: options.Format = None,
) -> None:
    """Whether a workload fits a rank, and what alone would make it fit. Exit code 1 if not, 3 if it depends.

    The room is --pool, or what a system leaves: --system, or the workload's own fleet.

    \b
    kvplan fit --model llama-3.1-70b --tensor-parallel 8 --system al128 --batch 64 --context 128Ki
    kvplan fit --model llama-3.1-8b --context 128Ki --pool 56.21GiB --engine vllm@0.31
    kvplan fit workloads/long-context-70b.yaml --pool 100GiB
    """
    from kvplan.answers.fit import answer
    from kvplan.cli import failures, output, pairs
    from kvplan.report.sheets.fit import fit_sheet

    values = dict(locals())
    output.targets(format_)
    flags = {name: values[name] for name in pairs.FIT_FLAGS if values[name] is not None}
    flags |= {"engine_options": pairs.split(engine_option, "--engine-option"), "set": pairs.split(set_, "--set")}
    result = answer(workload, flags, "cli")
    output.write(result, lambda: fit_sheet(result), format_)
    raise typer.Exit(failures.VERDICT_CODES[result.verdict])

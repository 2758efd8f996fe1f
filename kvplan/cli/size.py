"""kvplan size: how big is it?"""

from __future__ import annotations

from kvplan.cli import options


def size(
    workload: options.Workload = None,
    model: options.Model = None,
    batch: options.Batch = None,
    context: options.Context = None,
    kv_format: options.KvFormat = None,
    block_size: options.BlockSize = None,
    tensor_parallel: options.TensorParallel = None,
    pipeline_parallel: options.PipelineParallel = None,
    pipeline_rank: options.PipelineRank = None,
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
    explain: options.Explain = False,
) -> None:
    """How many bytes of KV cache a workload needs, exactly as the engine counts them.

    \b
    kvplan size --model llama-3-70b --batch 32 --context 1M --kv-format fp16
    kvplan size workloads/long-context-70b.yaml --engine vllm@0.32 --explain
    """
    from kvplan.answers.size import answer
    from kvplan.cli import output, pairs
    from kvplan.report.sheets.size import size_sheet

    values = dict(locals())
    output.targets(format_)
    flags = {name: values[name] for name in pairs.SIZE_FLAGS if values[name] is not None}
    flags |= {"engine_options": pairs.split(engine_option, "--engine-option"), "set": pairs.split(set_, "--set")}
    result = answer(workload, flags, "cli")
    output.write(result, lambda: size_sheet(result, explain=explain), format_)

"""kvplan size: how big is it?"""

from __future__ import annotations

from typing import Any

from kvplan.cli import options


@options.takes(
    {
        "workload": options.Workload,
        **options.WORKLOAD,
        "pipeline_rank": options.PipelineRank,
        "explain": options.Explain,
    }
)
def size(values: dict[str, Any]) -> None:
    """How many bytes of KV cache a workload needs, exactly as the engine counts them.

    \b
    kvplan size --model llama-3-70b --batch 32 --context 1M --kv-format fp16
    kvplan size workloads/long-context-70b.yaml --engine vllm@0.32 --explain
    """
    from kvplan.answers.flags import SizeFlags
    from kvplan.answers.size import answer
    from kvplan.cli import output, pairs
    from kvplan.report.sheets.size import size_sheet

    output.targets(values["format_"])
    result = answer(values["workload"], pairs.flags(values, SizeFlags), "cli")
    output.write(result, lambda: size_sheet(result, explain=values["explain"]), values["format_"])

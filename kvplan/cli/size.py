"""kvplan size: how big is it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvplan.cli.options import Deployment, Format, Set


def size(
    workload: Annotated[
        Path | None, typer.Argument(help="A workload file; flags are set over it, or stand alone.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A catalog name, or a path to a config.json or its folder.")] = None,
    batch: Annotated[str | None, typer.Option(help="Sequences resident at once (default 1).", metavar="N")] = None,
    context: Annotated[
        str | None, typer.Option(help="Tokens of each sequence: 8192, 128Ki, 1M.", metavar="TOKENS")
    ] = None,
    kv_format: Annotated[
        str | None, typer.Option(help="fp16, fp8, nvfp4, …, or k=q8_0,v=q4_0.", metavar="FORMAT")
    ] = None,
    block_size: Annotated[str | None, typer.Option(help="Tokens in a block.", metavar="TOKENS")] = None,
    tensor_parallel: Annotated[str | None, typer.Option(help="Ranks that share the heads.", metavar="N")] = None,
    pipeline_parallel: Annotated[str | None, typer.Option(help="Stages that share the layers.", metavar="N")] = None,
    pipeline_rank: Annotated[
        str | None, typer.Option(help="The stage that rank figures are of (default: the heaviest).", metavar="N")
    ] = None,
    data_parallel: Annotated[str | None, typer.Option(help="Instances that share the sequences.", metavar="N")] = None,
    context_parallel: Annotated[str | None, typer.Option(help="Ranks that share the tokens.", metavar="N")] = None,
    decode_context_parallel: Annotated[
        str | None, typer.Option(help="Ranks of a tensor group that share the tokens.", metavar="N")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="paged, or vllm@0.32.", metavar="ENGINE[@VERSION]")] = None,
    engine_option: Annotated[
        list[str] | None, typer.Option(help="Tell the engine something. Repeatable.", metavar="KEY=VALUE")
    ] = None,
    set_: Set = None,
    deployment: Deployment = None,
    format_: Format = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show each factor and its source.")] = False,
) -> None:
    r"""How many bytes of KV cache a workload needs, exactly as the engine counts them.

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

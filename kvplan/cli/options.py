"""Each option that several commands share, once; and `takes`, which gives a command those that it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="table, json, csv or markdown; FORMAT=FILE writes a file. Repeatable.", metavar="FORMAT[=FILE]"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set one field or fact: requests.0.sequences=8, facts.hbm_engine_visible=150GB. Repeatable.",
        metavar="PATH=VALUE",
    ),
]
Deployment = Annotated[
    str | None, typer.Option(help="The one deployment that is meant, where there are several.", metavar="NAME")
]

# What a workload is made of, as flags.
Workload = Annotated[
    Path | None, typer.Argument(help="A workload file; flags are set over it, or stand alone.", metavar="[WORKLOAD]")
]
Model = Annotated[
    str | None, typer.Option(help="A catalog name, or a path to a config.json or its folder.", metavar="MODEL")
]
Batch = Annotated[str | None, typer.Option(help="Sequences resident at once (default 1).", metavar="N")]
Context = Annotated[str | None, typer.Option(help="Tokens of each sequence: 8192, 128Ki, 1M.", metavar="TOKENS")]
KvFormat = Annotated[str | None, typer.Option(help="fp16, fp8, nvfp4, …, or k=q8_0,v=q4_0.", metavar="FORMAT")]
BlockSize = Annotated[str | None, typer.Option(help="Tokens in a block.", metavar="TOKENS")]
TensorParallel = Annotated[str | None, typer.Option(help="Ranks that share the heads.", metavar="N")]
PipelineParallel = Annotated[str | None, typer.Option(help="Stages that share the layers.", metavar="N")]
PipelineRank = Annotated[
    str | None, typer.Option(help="The stage that rank figures are of (default: the heaviest).", metavar="N")
]
DataParallel = Annotated[str | None, typer.Option(help="Instances that share the sequences.", metavar="N")]
ContextParallel = Annotated[str | None, typer.Option(help="Ranks that share the tokens.", metavar="N")]
DecodeContextParallel = Annotated[
    str | None, typer.Option(help="Ranks of a tensor group that share the tokens.", metavar="N")
]
MaxModelLen = Annotated[str | None, typer.Option(help="The engine's longest sequence.", metavar="TOKENS")]
MaxNumSeqs = Annotated[str | None, typer.Option(help="The engine's most sequences at once.", metavar="N")]
MaxNumBatchedTokens = Annotated[
    str | None, typer.Option(help="Tokens of one prefill step (default 2048).", metavar="TOKENS")
]
Engine = Annotated[str | None, typer.Option(help="paged, or vllm@0.32.", metavar="ENGINE[@VERSION]")]
EngineOption = Annotated[
    list[str] | None, typer.Option(help="Tell the engine something. Repeatable.", metavar="KEY=VALUE")
]
Pool = Annotated[
    str | None, typer.Option(help="A rank's KV pool, after weights and reserve: 48.66GiB.", metavar="BYTES")
]
System = Annotated[str | None, typer.Option(help="A system of the catalog, such as al128.", metavar="NAME")]
MemoryFraction = Annotated[
    str | None, typer.Option(help="Share of memory that the engine takes (default: its own).", metavar="SHARE")
]
Reserve = Annotated[
    str | None, typer.Option(help="Memory of a rank beside weights and KV (default: assumed).", metavar="BYTES")
]
Weights = Annotated[
    str | None, typer.Option(help="Weights of a rank in bytes, or the format they are loaded in.", metavar="WEIGHTS")
]
Count = Annotated[str | None, typer.Option(help="Racks, servers or pods of the system.", metavar="N")]
Replicas = Annotated[str | None, typer.Option(help="Copies of the model: a number, or auto.", metavar="N")]
Topology = Annotated[
    str | None, typer.Option(help="A seat inside one native group: required or preferred.", metavar="TOPOLOGY")
]
Accounting = Annotated[
    str | None, typer.Option(help="What a region counts as: peak (default), now or reserved.", metavar="ACCOUNTING")
]
PlanOutput = Annotated[Path | None, typer.Option("--output", "-o", help="Write the plan there.", metavar="PLAN")]
Regions = Annotated[
    Path | None, typer.Option(help="Write one entry a region: JSON lines, or .npy of instances.", metavar="FILE")
]
Explain = Annotated[bool, typer.Option("--explain", help="Show each factor and its source.")]

# What a workload is made of, in the order of the help; engine_option and set_ are pairs.
WORKLOAD: Mapping[str, Any] = {
    "model": Model,
    "batch": Batch,
    "context": Context,
    "kv_format": KvFormat,
    "block_size": BlockSize,
    "tensor_parallel": TensorParallel,
    "pipeline_parallel": PipelineParallel,
    "data_parallel": DataParallel,
    "context_parallel": ContextParallel,
    "decode_context_parallel": DecodeContextParallel,
    "max_model_len": MaxModelLen,
    "max_num_seqs": MaxNumSeqs,
    "max_num_batched_tokens": MaxNumBatchedTokens,
    "engine": Engine,
    "engine_option": EngineOption,
    "set_": Set,
    "deployment": Deployment,
    "format_": Format,
}
ROOM: Mapping[str, Any] = {
    "system": System,
    "memory_fraction": MemoryFraction,
    "reserve": Reserve,
    "weights": Weights,
}


def takes(options: Mapping[str, Any]) -> Callable[[Callable[[dict[str, Any]], None]], Callable[..., None]]:
    """Give a command the options of a table: name ▸ annotated type; all may be left out. It gets them as a mapping."""

    def decorate(command: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
        def run(**values: Any) -> None:  # noqa: ANN401 - each option has a type of its own
            command(values)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(kind), annotation=kind)
            for name, kind in options.items()
        ]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__annotations__ = dict(options)
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _default(kind: Any) -> Any:  # noqa: ANN401 - an annotated type
    return False if kind.__origin__ is bool else None

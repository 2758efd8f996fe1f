"""Each option that several commands share, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="table, json, csv or markdown; FORMAT=FILE writes a file. Repeatable.", metavar="FORMAT[=FILE]"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set one field of the workload for this run. Repeatable.", metavar="PATH=VALUE"),
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
Explain = Annotated[bool, typer.Option("--explain", help="Show each factor and its source.")]

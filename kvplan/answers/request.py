"""Keyword arguments ▸ Workload: the command line and Python share it. Flags are set over a file, or stand alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvplan import files
from kvplan.errors import SpecError
from kvplan.findings import RULES, Finding
from kvplan.spec.kinds import nearest, shown
from kvplan.spec.scalars import read_scalar
from kvplan.spec.text import read, read_yaml
from kvplan.spec.tree import MAX_DIGITS, Document, Tree, decode, flag_document, plain_tree
from kvplan.spec.workload import Workload
from kvplan.spec.workload_reader import Written, canonical, read_workload, split_path

TEXT_FLAGS = ("model", "engine", "kv_format", "system", "topology")
FLEET_FLAGS = {"system": "system", "count": "fleet[0].count"}
DEPLOYMENT_FLAGS = {
    "model": "model",
    "engine": "engine",
    "block_size": "kv.block_size",
    "tensor_parallel": "tensor_parallel",
    "pipeline_parallel": "pipeline_parallel",
    "data_parallel": "data_parallel",
    "context_parallel": "context_parallel",
    "decode_context_parallel": "decode_context_parallel",
    "max_model_len": "limits.max_model_len",
    "max_num_seqs": "limits.max_num_seqs",
    "max_num_batched_tokens": "limits.max_num_batched_tokens",
    "memory_fraction": "memory.fraction",
    "reserve": "memory.reserve",
    "weights": "weights",
    "replicas": "replicas",
    "topology": "topology",
}


def flags_document(flags: Mapping[str, tuple[Tree, str]], style: str) -> Document:
    """Flags as the document that a finding points into.

    flags: by path, the value and the words in which it was given.
    style: cli or python.
    """
    return flag_document(flags, "command line" if style == "cli" else "arguments")


def load(source: Path | str) -> Workload:
    """Read a workload: a Path is a file, a str is the text itself.

    Raises: SpecError with every finding of the text.
    """
    return read_workload(read_written(source))


def read_written(source: Path | str, name: str = "") -> Written:
    """A file or a text as it was written, not yet read as a workload."""
    if isinstance(source, Path):
        name = name or str(source)
        document = read_document(source, name)
        return Written(document.tree, document, folder=source.resolve().parent)
    document = read_yaml(source, name or "text")
    return Written(document.tree, document)


def read_document(path: Path, name: str) -> Document:
    """The tree of a file, by its name JSON or YAML."""
    return read(decode(files.read_bytes(path, name=name), name), name)


def build(
    workload: Workload | Written | Path | str | None, flags: Mapping[str, Any], style: str = "python"
) -> Workload:
    """The workload that is asked about.

    workload: a workload, one as it was written, a Path to one, its text, or None for flags alone.
    flags: the keyword arguments of a verb that are not None; ``set`` is a mapping of path ▸ value.
    style: how flags are shown in findings: python (``batch=32``) or cli (``--batch 32``).
    Raises: SpecError with every finding; TypeError for a workload of another type.
    """
    if workload is None:
        written = _from_flags(flags, style)
    elif isinstance(workload, Workload | Written):
        written = workload.written if isinstance(workload, Workload) else workload
    elif isinstance(workload, Path | str):
        written = read_written(workload)
    else:
        message = f"a workload is a Workload, a Path, a text or None, not {type(workload).__name__}"
        raise TypeError(message)
    written = _with_flags(written, flags, style)
    for path, value in pairs("set", flags.get("set") or {}).items():
        steps = split_path(str(path))
        at = canonical(steps) if steps else str(path)
        document = flags_document(
            {at: (None, f"--set {path}={value}" if style == "cli" else f"set {path}={value!r}")}, style
        )
        written = written.with_value(str(path), _set_value(value, document, at), document)
    if flags.get("pipeline_rank") is not None:
        words = _words("pipeline_rank", flags["pipeline_rank"], style)
        document = flags_document({"pipeline_rank": (None, words)}, style)
        written = replace(written, overlays={**written.overlays, "pipeline_rank": document})
    workload = read_workload(written)
    _check_deployment(workload, flags.get("deployment"), style)
    return workload


def _from_flags(flags: Mapping[str, Any], style: str) -> Written:
    """A workload with nothing in it but what flags will set."""
    missing = [name for name in ("model", "context") if flags.get(name) is None]
    words = [f"--{name}" if style == "cli" else f"{name}=" for name in missing]
    if missing:
        message = f"without a workload file, {' and '.join(words)} must be given"
        help = "name a workload file, or give --model and --context" if style == "cli" else "give model= and context="
        raise SpecError([Finding("KV008", missing[0], message, help=help)])
    tree: Tree = {"kvplan": 1, "name": "flags", "deployments": [{}], "requests": [{"name": "requests", "sequences": 1}]}
    return Written(tree, Document(tree, flags_document({}, style).source))


def _with_flags(written: Written, flags: Mapping[str, Any], style: str) -> Written:
    options = flags.get("engine_options")
    given = [name for name in (*DEPLOYMENT_FLAGS, "kv_format") if flags.get(name) is not None]
    given += ["engine_options"] if options is not None and (options or not isinstance(options, Mapping)) else []
    if given:
        index = _deployment_index(written, flags, given[0], style)
        for name in given:
            written = _with_deployment_flag(written, index, name, flags[name], style)
    for name, path in FLEET_FLAGS.items():
        if flags.get(name) is not None:
            document = flags_document({path: (None, _words(name, flags[name], style))}, style)
            replaced = ("fleet",) if name == "system" else ()
            written = written.with_value(path, _value(name, flags[name], style), document, replaced)
    for name, key in (("batch", "sequences"), ("context", "context")):
        if flags.get(name) is not None:
            _one_class(written, name, style)
            path = f"requests[0].{key}"
            document = flags_document({path: (None, _words(name, flags[name], style))}, style)
            clear = ("input", "output") if key == "context" else ("arrival", "holding")
            written = written.with_value(path, _value(name, flags[name], style), document, clear)
    return written


def _with_deployment_flag(written: Written, index: int, name: str, value: Any, style: str) -> Written:  # noqa: ANN401
    if name == "engine_options":
        for option, setting in pairs(name, value).items():
            path = written.deployment_path(index, "engine_options") + f".{option}"
            words = (
                f"--engine-option {option}={setting}" if style == "cli" else f"engine_options[{option!r}]={setting!r}"
            )
            document = flags_document({path: (None, words)}, style)
            path = path if str(option).isidentifier() else _no_option(str(option), document)
            written = written.with_value(path, setting if isinstance(setting, bool) else str(setting), document)
        return written
    if name != "kv_format":
        path = written.deployment_path(index, DEPLOYMENT_FLAGS[name])
        document = flags_document({path: (None, _words(name, value, style))}, style)
        return written.with_value(path, _value(name, value, style), document)
    if not isinstance(value, str):
        message = f"kv_format is a text, not {type(value).__name__}"
        raise TypeError(message)
    base = written.deployment_path(index, "kv")
    document = flags_document({base: (None, _words(name, value, style))}, style)
    parts = kv_parts(value)
    clear = ("k", "v") if "format" in parts else ("format",)
    for key, part in parts.items():
        if key not in ("format", "k", "v"):
            finding = Finding(
                "KV009", base, f"`{value}` is not a KV format", help="write like fp8_e4m3, or k=q8_0,v=q4_0"
            )
            raise SpecError([document.source.locate(finding)])
        written = written.with_value(f"{base}.{key}", part.strip(), document, clear)
    return written


def pairs(name: str, value: Any) -> Mapping[Any, Any]:  # noqa: ANN401
    """A flag that has to be a mapping.

    Raises: TypeError if it is not.
    """
    if not isinstance(value, Mapping):
        message = f"{name} is a mapping, not {type(value).__name__}"
        raise TypeError(message)
    return value


def kv_parts(text: str) -> dict[str, str]:
    """``fp8`` ▸ ``{"format": "fp8"}``, ``k=q8_0,v=q4_0`` ▸ ``{"k": "q8_0", "v": "q4_0"}``."""
    if "=" not in text:
        return {"format": text.strip()}
    return {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in text.split(","))}


def _no_option(option: str, document: Document) -> str:
    finding = Finding("KV009", "", f"`{option[:40]}` is not the name of an option", help="write like prefix_caching=on")
    raise SpecError([document.source.locate(finding)])


def _deployment_index(written: Written, flags: Mapping[str, Any], name: str, style: str) -> int:
    """Which deployment the flags speak of."""
    if written.is_flat or not isinstance(written.tree, dict):
        return 0
    deployments = written.tree.get("deployments")
    items = deployments if isinstance(deployments, list) else []
    chosen = flags.get("deployment")
    names = [item.get("name", "main") if isinstance(item, dict) else "" for item in items]
    if chosen in names:
        return names.index(chosen)
    if len(items) > 1:
        document = flags_document({name: (None, _words(name, flags[name], style))}, style)
        finding = Finding(
            "KV018",
            name,
            "there are several deployments: which one is meant?",
            help="give --deployment NAME, or --set deployments.0.…",
        )
        raise SpecError([document.source.locate(finding)])
    return 0


def _one_class(written: Written, name: str, style: str) -> None:
    requests = written.tree.get("requests") if isinstance(written.tree, dict) else None
    if not isinstance(requests, list) or len(requests) != 1 or not isinstance(requests[0], dict):
        document = flags_document({name: (None, _words(name, "…", style))}, style)
        help = "use --set requests.0.sequences=… or --set requests.0.context=…"
        raise SpecError(
            [
                document.source.locate(
                    Finding("KV018", name, "the workload does not have exactly one class of requests", help=help)
                )
            ]
        )


def _words(name: str, value: Any, style: str) -> str:  # noqa: ANN401
    """A flag as it was given, as far as it can be shown."""
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        value = "…"
    return f"--{name.replace('_', '-')} {value}" if style == "cli" else f"{name}={value!r}"


def _value(name: str, value: Any, style: str = "python") -> Tree:  # noqa: ANN401
    """A flag's value as a tree: text that looks like a number is one, as in a file.

    Raises: SpecError for a number that cannot be counted; TypeError for a value that no file could hold.
    """
    if isinstance(value, str) and name not in TEXT_FLAGS:
        number, problem = read_scalar(value.strip())
        if problem and RULES[problem.rule].severity == "error":
            document = flags_document({name: (None, _words(name, value, style))}, style)
            finding = Finding(problem.rule, name, problem.message, help=problem.help)
            raise SpecError([document.source.locate(finding)])
        return number
    return plain_tree(value)


def _set_value(value: Any, document: Document, path: str) -> Tree:  # noqa: ANN401
    if not isinstance(value, str):
        return _value("", value)
    try:
        return read_yaml(value, "--set").tree if value.strip() else None
    except SpecError as error:
        raise SpecError(
            [document.source.locate(replace(finding, path=path, file="", place=None)) for finding in error.findings]
        ) from None


def _check_deployment(workload: Workload, deployment: str | None, style: str) -> None:
    """Refuse the name of a deployment that the workload does not have."""
    names = [item.name for item in workload.deployments]
    if deployment is not None and deployment not in names:
        document = flags_document({"deployment": (None, _words("deployment", deployment, style))}, style)
        hint = nearest(deployment, names) or f"known: {', '.join(names)}"
        finding = Finding("KV011", "deployment", f"no deployment is called `{deployment[:60]}`", help=hint)
        raise SpecError([document.source.locate(finding)])


def pipeline_rank(value: Any, style: str) -> int | None:  # noqa: ANN401
    """The pipeline stage that is asked about, or None.

    Raises: SpecError (KV010) if it is not a whole number of 0 or more.
    """
    if value is None:
        return None
    rank = _value("pipeline_rank", value, style)
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < 1 << 16:
        document = flags_document({"pipeline_rank": (None, _words("pipeline_rank", value, style))}, style)
        finding = Finding(
            "KV010", "pipeline_rank", f"{shown(rank)} is no pipeline rank", help="write 0 for the first stage"
        )
        raise SpecError([document.source.locate(finding)])
    return rank


def changes(flags: Mapping[str, Any]) -> dict[str, str]:
    """What was set for this run, for results to echo."""
    return {str(path): str(value) for path, value in pairs("set", flags.get("set") or {}).items()}

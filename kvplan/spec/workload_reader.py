"""Text and flags ▸ Workload: flat or nested, with values set over what was written, and every finding in one pass."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from kvplan.errors import SpecError
from kvplan.findings import Finding, join_path
from kvplan.spec.fleet import fleet_of
from kvplan.spec.kinds import Reading, nearest, shown
from kvplan.spec.lengths import constant
from kvplan.spec.reader import read_fields, written
from kvplan.spec.tree import Document, Tree
from kvplan.spec.workload import Deployment, RequestClass, Workload

FLAT_KEYS = ("model", "kv", "engine", "engine_options")  # of a deployment, at the top level of a flat file
_OF_DEPLOYMENT = tuple(item.name for item in written(Deployment) if item.name not in (*FLAT_KEYS, "name"))
_STEP = re.compile(r"\.?([A-Za-z_][\w-]*)|\[([0-9]{1,6})\]|\.([0-9]{1,6})(?![0-9])", re.ASCII)


@dataclass(frozen=True)
class Written:
    """A workload as it was written: a tree, the text it came from, and values set over it.

    overlays: path ▸ the document of the flag that set it.
    folder: where the text lies, for paths inside it; None where it is no file.
    """

    tree: Tree
    document: Document
    folder: Path | None = None
    overlays: dict[str, Document] = field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether the one deployment is written at the top level."""
        return isinstance(self.tree, dict) and "deployments" not in self.tree

    def deployment_path(self, index: int, key: str) -> str:
        """The path of a key of a deployment, as this text has it."""
        if self.is_flat:
            return key if re.split(r"[.\[]", key)[0] in FLAT_KEYS else f"deployment.{key}"
        return f"deployments[{index}].{key}"

    def locate(self, finding: Finding) -> Finding:
        """The finding at its place in the file, or in the flag that set the value."""
        for path in sorted(self.overlays, key=len, reverse=True):
            inside = finding.path == path or finding.path.startswith((path + ".", path + "["))
            # A key that only a flag wrote has no place in the text: the flag stands for it.
            around = path.startswith((finding.path + ".", finding.path + "[")) and not _reaches(
                self.document.tree, finding.path
            )
            if finding.path and (inside or around):
                return self.overlays[path].source.locate(replace(finding, path=path) if around else finding)
        return self.document.source.locate(finding)

    def with_value(self, path: str, value: Tree, document: Document, clear: tuple[str, ...] = ()) -> Written:
        """The same with one value set; ``clear`` names keys beside it that it replaces.

        Raises: SpecError (KV001, KV011) if the path leads nowhere.
        """
        steps = split_path(path)
        if steps is None:
            raise _no_path(
                path, document, f"`{path[:80]}` is not a path", "write like deployments.0.tensor_parallel=16"
            )
        if steps[0] == "facts":  # of the one system that is meant
            steps = ["fleet", 0, *steps]
        if steps[0] == "fleet" and steps[2:] == ["facts", "reserve"]:  # a fact, but a deployment's
            steps = ["deployments", 0, "memory", "reserve"]
        if self.is_flat and steps[:2] == ["deployments", 0] and len(steps) > 2:
            steps = steps[2:]
        if self.is_flat and steps[0] in _OF_DEPLOYMENT:
            steps = ["deployment", *steps]
        # Only what lies on the way is copied: an alias shares its node with another place, which must not change.
        tree = node = copy.copy(self.tree)
        if steps[0] == "fleet" and len(steps) > 1 and isinstance(tree, dict) and "system" in tree:
            tree.setdefault("fleet", [{"system": tree.pop("system")}])
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            last = following is None
            if not last and isinstance(node, dict) and isinstance(step, str):
                node.setdefault(step, {})
            if not _holds(node, step, last=last):
                message = f"`{path[:80]}` leads nowhere: there is no {shown(str(step))} at this level"
                raise _no_path(path, document, message, "name keys and list positions that the workload has")
            node[step] = value if last else copy.copy(node[step])
            if last:
                for key in clear:
                    node.pop(key, None)
            node = node[step]
        return replace(self, tree=tree, overlays={**self.overlays, canonical(steps): document})


def _no_path(path: str, document: Document, message: str, help: str) -> SpecError:
    return SpecError([document.source.locate(Finding("KV011", path, message, help=help))])


def split_path(path: str) -> list[str | int] | None:
    """``deployments.0.model`` or ``deployments[0].model`` ▸ its steps; None if it is no path."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or match.end() == position:
            return None
        steps.append(match[1] if match[1] else int(match[2] or match[3]))
        position = match.end()
    return steps or None


def canonical(steps: list[str | int]) -> str:
    """Steps as findings write them: ``deployments[0].model``."""
    path = ""
    for step in steps:
        path = join_path(path, step)
    return path


def _reaches(tree: Tree, path: str) -> bool:
    """Whether a path leads to something in a tree."""
    for step in split_path(path) or []:
        if not _holds(tree, step, last=False):
            return False
        tree = tree[step]
    return True


def _holds(node: Tree, step: str | int, *, last: bool) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and isinstance(step, str) and (last or step in node)


def read_workload(source: Written) -> Workload:
    """The workload that was written.

    Raises: SpecError with every finding of the text and the flags.
    """
    reading = Reading()
    workload = reading.run(lambda: _read(source, reading))
    findings = [source.locate(finding) for finding in reading.findings]
    if workload is None or reading.failed:
        raise SpecError([*findings, *_telling(source.document.notes)])
    return replace(workload, written=source, notes=(*_telling(source.document.notes), *findings))


def _telling(notes: tuple[Finding, ...]) -> list[Finding]:
    """Notes of the text; on and off mean the same to an engine option in every version of YAML."""
    return [note for note in notes if not (note.rule == "KV012" and "engine_options." in note.path)]


def _read(source: Written, reading: Reading) -> Workload | None:
    tree = source.tree
    if _is_no_workload(tree, reading):
        return None
    _refuse_same_names(tree, reading)
    fields = written(Workload)
    if source.is_flat:
        fields = [item for item in fields if item.name != "deployments"]
        values = read_fields(fields, tree, "", reading, also_known=(*FLAT_KEYS, "deployment"))
        deployments = _flat_deployment(tree, reading)
    else:
        for key in (*FLAT_KEYS, "deployment"):
            if key in tree:
                reading.fault(
                    "KV018",
                    key,
                    f"`{key}` at the top level beside `deployments`",
                    help="move it into a deployment, or write the one deployment flat",
                    on_key=True,
                )
        values = read_fields(fields, tree, "", reading, also_known=(*FLAT_KEYS, "deployment"))
        deployments = values.pop("deployments") if values else None
    if values is None or deployments is None:
        return None
    if values.get("system") is not None:
        if "fleet" in tree:
            help = "give fleet alone; `system: al128` is a fleet of one"
            reading.fault("KV018", "system", "`system` and `fleet` say the same thing twice", help=help, on_key=True)
        values |= {"fleet": fleet_of(values["system"]), "system": None}
    workload = Workload(**values, deployments=deployments)
    return replace(workload, requests=_checked_requests(workload, reading))


def _is_no_workload(tree: Tree, reading: Reading) -> bool:
    """Whether a text is something else altogether; adds the finding that says what."""
    if not isinstance(tree, dict):
        help = "begin with `kvplan: 1`"
        if isinstance(tree, str) and tree.endswith((".yaml", ".yml", ".json")):
            help = "this is a text: for a file give its path, in Python Path(…)"
        reading.fault("KV007", "", f"a workload is a mapping, this is {shown(tree)}", help=help)
        return True
    if "kvplan" not in tree and ("architectures" in tree or "model_type" in tree):
        message = "this is a model's config.json, not a workload"
        reading.fault("KV007", "", message, help="name it with --model, or as `model:` of a workload")
        return True
    if tree.get("kind") == "plan":
        reading.fault("KV007", "", "this is a plan, not a workload", help="see `kvplan show` and `kvplan verify`")
        return True
    return False


def _refuse_same_names(tree: dict[str, Tree], reading: Reading) -> None:
    """Deployments and classes have names of their own, also where something else of them is wrong."""
    for key, what, default in (("deployments", "deployment", "main"), ("requests", "class", "")):
        items = tree.get(key)
        seen: set[str] = set()
        for index, item in enumerate(items if isinstance(items, list) else []):
            name = item.get("name", default) if isinstance(item, dict) else ""
            if isinstance(name, str) and name:
                if name in seen:
                    at = f"{key}[{index}].name"
                    reading.fault("KV002", at, f"a second {what} called {shown(name)}", help="give each its own name")
                seen.add(name)


def _flat_deployment(tree: dict[str, Tree], reading: Reading) -> tuple[Deployment, ...] | None:
    fields = {item.name: item for item in written(Deployment)}
    nested = tree.get("deployment", {})
    if not isinstance(nested, dict):
        reading.fault(
            "KV007", "deployment", f"wants a mapping, has {shown(nested)}", help="write like {tensor_parallel: 8}"
        )
        nested = {}
    top = read_fields(
        [fields[name] for name in FLAT_KEYS], {k: v for k, v in tree.items() if k in FLAT_KEYS}, "", reading
    )
    rest = read_fields([item for name, item in fields.items() if name not in FLAT_KEYS], nested, "deployment", reading)
    return None if top is None or rest is None else (Deployment(**top, **rest),)


def _checked_requests(workload: Workload, reading: Reading) -> tuple[RequestClass, ...]:
    """Names filled in and unique, deployments known, lengths complete."""
    names = [deployment.name for deployment in workload.deployments]
    checked = []
    for index, request in enumerate(workload.requests):
        path = f"requests[{index}]"
        name = request.name or f"requests-{index + 1}"
        deployment = _deployment_of(request, names, path, reading)
        checked.append(_with_lengths(replace(request, name=name, deployment=deployment), path, reading))
    return tuple(checked)


def _deployment_of(request: RequestClass, names: list[str], path: str, reading: Reading) -> str:
    if request.deployment and request.deployment not in names:
        hint = nearest(request.deployment, names)
        reading.fault(
            "KV011",
            f"{path}.deployment",
            f"unknown deployment `{request.deployment}`",
            help=hint or f"known: {', '.join(names)}",
        )
    elif not request.deployment and len(names) > 1:
        reading.fault(
            "KV008",
            f"{path}.deployment",
            "missing key `deployment`: there are several",
            help=f"one of {', '.join(names)}",
        )
    return request.deployment or names[0]


def _with_lengths(request: RequestClass, path: str, reading: Reading) -> RequestClass:
    length = request.context or request.input or constant(1)
    prefix = request.prefix
    if prefix is not None and prefix.tokens > length.high:
        message = f"a prefix of {prefix.tokens:,} tokens in an input of {length.high:,}"
        help = "the prefix is part of the input: make it shorter, or the input longer"
        reading.fault("KV105", f"{path}.prefix.tokens", message, help=help)
    return replace(request, input=length, output=request.output or constant(0))

"""The laws of the house: imports point down, files and functions are short, each library has its room."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kvplan"
FILES = sorted(PACKAGE.rglob("*.py"))

# Lower numbers may not import higher ones; rooms of one number may import each other's files only inside the room.
LEVELS = {
    "version": 0, "findings": 1, "errors": 2, "units": 2, "files": 3, "spec": 4, "footprint": 5, "movement": 6,
    "placement": 7, "traffic": 7, "answers": 8, "checks": 9, "report": 10, "cli": 11, "__main__": 12, "__init__": 13,
}  # fmt: skip
MAX_LINES, MAX_FUNCTION_LINES = 300, 40


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[tuple[ast.AST, str]]:
    """Every import of a file, at every depth, by module name."""
    found: list[tuple[ast.AST, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node, name) for name in names]
    return found


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_imports_point_down(path):
    own = LEVELS[room(path)]
    upward = []
    for node, name in imports(path):
        parts = name.split(".")
        if parts[0] != "kvplan" or len(parts) < 2 or parts[1] not in LEVELS:
            continue
        target = parts[1]
        if LEVELS[target] > own or (LEVELS[target] == own and target != room(path) and own > 2):
            upward.append(f"line {node.lineno}: {name}")
    assert not upward, f"imports upward: {upward}"


def test_no_import_cycles():
    graph = {}
    for path in FILES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[module] = {
            known
            for _, name in imports(path)
            for known in (name, name.rpartition(".")[0])
            if known.startswith("kvplan") and (ROOT / (known.replace(".", "/") + ".py")).exists()
        }
    graph.pop("kvplan", None)
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"cycle: {' > '.join([*trail, module])}"
        if module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def allowed_inside(path: Path, function: ast.AST) -> bool:
    """Imports below the top: the lazy package, and the bodies of commands and of what they fail with."""
    return path == PACKAGE / "__init__.py" or room(path) == "cli"


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_imports_stand_at_the_top(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = [
        f"line {node.lineno}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) and not allowed_inside(path, function)
    ]
    assert not deferred, f"imports inside functions: {deferred}"


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_libraries_keep_to_their_rooms(path):
    homes = {
        "typer": room(path) == "cli",
        "rich": room(path) in ("cli", "report"),
        "yaml": path == PACKAGE / "spec" / "text.py",
        "click": False,
        "pydantic": False,
    }
    misplaced = [name for _, name in imports(path) if not homes.get(name.split(".")[0], True)]
    assert not misplaced


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_only_files_py_opens_files(path):
    if path == PACKAGE / "files.py":
        return
    openers = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "fdopen"}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            target = node.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            owner = getattr(getattr(target, "value", None), "id", "")
            if name in openers and owner != "files" and "os.devnull" not in ast.unparse(node):
                found.append(f"line {node.lineno}: {ast.unparse(node)[:60]}")
    assert not found


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= MAX_LINES, f"{lines} lines"
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_every_module_says_what_it_is(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc, "a module without a docstring"
    assert path.stem not in ("utils", "helpers", "common", "base")


def test_rules_used_are_rules_listed():
    import re

    from kvplan.findings import RULES

    used = set()
    for path in FILES:
        if path.name != "findings.py":
            used |= set(re.findall(r"\bKV\d{3}\b", path.read_text(encoding="utf-8")))
    assert used == set(RULES), f"unlisted {used - set(RULES)}, unused {set(RULES) - used}"


def test_tests_mirror_the_package():
    """Every folder of tests is a room, and every test of a module is named after one."""
    rooms = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"}
    folders = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*") if path.is_dir()}
    strange = {
        str(f)
        for f in folders
        if f.parts and f not in rooms and f.parts[0] not in ("golden", "__pycache__") and "__pycache__" not in f.parts
    }
    assert not strange, strange

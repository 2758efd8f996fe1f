"""Rewrite the console blocks of README and docs with what commands print now, and the schemas: `make golden`."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from kvplan.placement.plan_schema import plan_schema

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run(command: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Run one kvplan command as a reader would, at 80 columns."""
    environment = {"COLUMNS": "80", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    arguments = [sys.executable, "-m", *command.split()]
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def expected(block: str) -> str:
    """What a block should hold: each of its commands, what it prints, and what it says.

    It runs in a folder of its own, with the repository's workloads: what one command writes the next one reads.
    """
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "workloads").symlink_to(ROOT / "workloads")
        done = [(command, run(command, folder)) for command in commands]
    return "".join(f"$ {command}\n{result.stdout}{result.stderr}" for command, result in done)


SCHEMAS = {ROOT / "docs" / "schema" / "plan.json": plan_schema}


def schema_text(path: Path) -> str:
    """What the file of a schema should hold."""
    return json.dumps(SCHEMAS[path](), indent=2, ensure_ascii=False) + "\n"


def blocks(page: Path) -> list[str]:
    """The console blocks of a page that run in the repository: those whose files are there."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [block for block in found if "my-workload.yaml" not in block]


def main() -> None:
    """Rewrite every page whose blocks have changed."""
    for path in SCHEMAS:
        path.parent.mkdir(exist_ok=True)
        path.write_text(schema_text(path), encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in blocks(page):
            text = text.replace(f"```console\n{block}```", f"```console\n{expected(block)}```")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

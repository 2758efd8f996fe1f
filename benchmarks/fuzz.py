"""Bad input by the ten thousand: configs, workloads and flags are mutated, and whatever kvplan does must be an answer.

An answer is figures that hold together, or a SpecError with an error that names its place. Anything else (another
exception, a finding without a place, more than a second, more than 300 MB) is a failure and is printed with its text.

    python benchmarks/fuzz.py --count 20000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from fuzz_bombs import bombs
from fuzz_cases import Case, cases

from kvplan.answers import place
from kvplan.answers.place_result import Place
from kvplan.answers.size import answer
from kvplan.answers.size_result import Size
from kvplan.checks.check import check
from kvplan.errors import SpecError
from kvplan.findings import Finding
from kvplan.placement.verify import verify_plan
from kvplan.report.findings.text import concise_text, full_text
from kvplan.report.formats.data import csv_text, json_text, markdown_text
from kvplan.report.sheets.place import place_sheet
from kvplan.report.sheets.size import size_sheet

MOST_SECONDS = 1.0  # of processor time, for one input
MOST_BYTES = 300 * 10**6
SEARCHES = 4  # times that, where what would fit is searched for
HANG_SECONDS = 20  # of the clock: the case is aborted
SHOWN = 5  # failures that are printed in full
SUBPROCESS_EVERY = 150

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


class HangError(BaseException):
    """A case was aborted; no ``except Exception`` may swallow it."""


def problem_of(case: Case, folder: Path) -> str:
    """What is wrong with how kvplan takes a case; nothing where it takes it well."""
    write(case, folder)
    flags = dict(case.flags)
    if case.kind == "config":
        flags["model"] = str(folder / flags["model"])
    workload = folder / "workload.yaml" if case.kind in ("workload", "check", "place") else None
    try:
        if case.kind == "check":
            result = check(workload)
            wrong = [finding for finding in result.findings if finding.severity == "error"]
            return problem_of_findings(result.findings) if wrong else ""
        if case.kind == "place":
            flags.pop("pipeline_rank", None)
            return problem_of_place(place.answer(workload, flags, "cli"))
        return problem_of_size(answer(workload, flags, "cli"))
    except SpecError as error:
        return problem_of_findings(error.findings)


def problem_of_findings(findings: Any) -> str:
    """Whether an error says where, and can be shown on a terminal."""
    errors: list[Finding] = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return "no finding is an error"
    if not any(error.file and (error.place or error.rule in ("KV004", "KV016")) for error in errors):
        return f"no error names its place: {errors[0]}"
    if control := _CONTROL.search(full_text(findings) + concise_text(findings)):
        return f"a finding prints the control character U+{ord(control[0]):04X}"
    return ""


def problem_of_size(size: Size) -> str:
    """Whether the figures hold together and can be shown."""
    tree = size.to_dict()
    sheet = size_sheet(size, explain=True)
    shown = json_text(tree) + csv_text(sheet) + markdown_text(sheet)
    if control := _CONTROL.search(shown):
        return f"a result prints the control character U+{ord(control[0]):04X}"
    figures = {name: value for name, value in tree.items() if name.endswith("_bytes")}
    if bad := {name: value for name, value in figures.items() if not 0 <= value < 2**62}:
        return f"figures out of range: {bad}"
    if size.ladder[-1].bytes != size.held_bytes:
        return f"the ladder ends at {size.ladder[-1].bytes}, held is {size.held_bytes}"
    if size.rank_peak_bytes < size.rank_held_bytes:
        return f"peak {size.rank_peak_bytes} is less than held {size.rank_held_bytes}"
    return ""


def problem_of_place(placed: Place) -> str:
    """Whether the plan verifies, and can be shown."""
    tree = json.loads(json.dumps(placed.plan.to_dict()))
    broken = [claim.name for claim in verify_plan(tree) if not claim.holds]
    if broken:
        return f"claims that do not hold: {', '.join(broken)}"
    if placed.fits != (placed.verdict == "yes") or (placed.fits and placed.regions.unplaced):
        return f"{placed.verdict}, and {placed.regions.unplaced} are left over"
    sheet = place_sheet(placed)
    shown = json_text(placed.to_dict()) + csv_text(sheet) + markdown_text(sheet)
    control = _CONTROL.search(shown)
    return f"a result prints the control character U+{ord(control[0]):04X}" if control else ""


def write(case: Case, folder: Path) -> None:
    """The files of a case."""
    (folder / "config.json").write_bytes(case.config)
    (folder / "workload.yaml").write_bytes(case.workload)


def command_of(case: Case) -> list[str]:
    """The same case as a command line."""
    words = [case.kind if case.kind in ("check", "place") else "size"]
    words += ["workload.yaml"] if case.kind in ("workload", "check", "place") else []
    flags = {name: value for name, value in case.flags.items() if case.kind != "place" or name != "pipeline_rank"}
    for name, value in flags.items():
        if isinstance(value, dict):
            flag = "--set" if name == "set" else "--engine-option"
            words += [f"{flag}={key}={item}" for key, item in value.items()]
        else:
            words.append(f"--{name.replace('_', '-')}={value}")
    return words


def problem_of_command(case: Case, folder: Path) -> str:
    """What is wrong with the exit code and the words of the command."""
    write(case, folder)
    words = [word.replace("\0", "") for word in command_of(case)]
    command = [sys.executable, "-m", "kvplan", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=HANG_SECONDS, check=False)
    if done.returncode not in {"check": (0, 1), "place": (0, 1, 2, 3)}.get(case.kind, (0, 2)):
        return f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[:400]}"
    return "a traceback" if b"Traceback" in done.stderr + done.stdout else ""


@contextmanager
def aborted_after(seconds: int) -> Iterator[None]:
    """Abort what runs for longer, by the clock."""

    def stop(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judged(case: Case, folder: Path, run: Callable[[Case, Path], str]) -> str:
    """The problem of a case, time and exceptions counted."""
    start = time.process_time()
    try:
        with aborted_after(HANG_SECONDS):
            problem = run(case, folder)
    except HangError:
        return f"aborted after {HANG_SECONDS} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:400]
    seconds = time.process_time() - start
    most = MOST_SECONDS * (SEARCHES if case.kind in ("place", "check") else 1)
    return problem or (f"{seconds:.1f} s" if seconds > most else "")


def report(case: Case, problem: str, number: int) -> None:
    """A failure with all that it takes to see it again."""
    print(f"--- case {number}, {case.kind}: {problem}\nkvplan {' '.join(map(repr, command_of(case)))}")
    for name, content in (("config.json", case.config), ("workload.yaml", case.workload)):
        if content:
            print(f"{name}: {content if len(content) < 4000 else content[:200] + b' ... ' + content[-200:]!r}")


def peak_bytes() -> int:
    """Most memory that this process has had. [bytes]

    Linux counts what the parent had before the program started into ru_maxrss, so its own mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if mark:
            return int(mark[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run_all(count: int, seed: int) -> int:
    """Run every case; the number of failures."""
    start, failures = time.perf_counter(), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, case in enumerate(chain(bombs(), cases(count, seed))):
            problem = judged(case, folder, problem_of)
            if not problem and number % SUBPROCESS_EVERY == 0:
                problem = judged(case, folder, problem_of_command)
            if problem:
                failures[re.sub(r"\d+", "N", problem)[:80]] += 1
                if failures.total() <= SHOWN or failures[re.sub(r"\d+", "N", problem)[:80]] == 1:
                    report(case, problem, number)
    most = peak_bytes()
    if most > MOST_BYTES:
        failures["memory"] += 1
    for problem, times in failures.most_common():
        print(f"{times:6}  {problem}")
    seconds = time.perf_counter() - start
    print(f"{count} cases of seed {seed}: {failures.total()} failures, {seconds:.0f} s, {most / 10**6:.0f} MB")
    return failures.total()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(1 if run_all(arguments.count, arguments.seed) else 0)


if __name__ == "__main__":
    main()

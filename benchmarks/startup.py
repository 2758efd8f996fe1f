"""CPU time of `kvplan size` against the imports it cannot do without, in turn, in the same run.

The rival is ``python -c "import numpy, yaml, typer, rich.table"``. The limit is 1.5 times its CPU time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

RIVAL = [sys.executable, "-c", "import numpy, yaml, typer, rich.table"]
SIZE = ["size", "--model", "llama-3-70b", "--batch", "32", "--context", "1M", "--kv-format", "fp16"]
OURS = [sys.executable, "-m", "kvplan", *SIZE]
RUNS, LIMIT = 15, 1.5


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one finished process. [s]"""
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


def main() -> int:
    """Print medians and the median of the ratios of pairs; 1 if over the limit."""
    cpu_seconds(RIVAL)
    cpu_seconds(OURS)
    pairs = [(cpu_seconds(OURS), cpu_seconds(RIVAL)) for _ in range(RUNS)]
    ratio = median(ours / rival for ours, rival in pairs)
    ours, rival = (median(side) for side in zip(*pairs, strict=True))
    print(f"kvplan size {ours:.3f} s, imports {rival:.3f} s CPU: ratio {ratio:.2f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

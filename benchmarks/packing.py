"""pack(): planted packings, ten million regions against one sort of them, ten thousand against PyPI's binpacking.

Limits: one bin over a planted packing and no bound above it; bin_of within 12 sorts, 1 GB and 0.01 % of the bound
(0.1 % where fewer than 20 regions fill a bin: there best-fit-decreasing itself is that far off); ten times faster
than binpacking and never more bins. Traces are read from --traces where they are; binpacking
(`pip install binpacking`) is compared where it is installed. What is skipped is said.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from kvplan.placement.packing import Packing, pack

try:
    import binpacking
except ImportError:
    binpacking = None

TRACES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "traces"
COUNT, RUNS, BLOCK = 10_000_000, 3, 16
# Blocks of 16 tokens in what weights leave of 144 GB: 70B bf16 at TP8 (40,960 B a token), MLA (70,272 B a token).
GROUPED, LATENT = 164_794, 89_473


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call. [s]"""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The most memory this process has had, NumPy and its input included. [bytes]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def planted(bins: int, pieces: int, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """Bins of the capacity, each cut at random places: a packing into so many bins exists, and none into fewer."""
    cuts = np.sort(rng.integers(0, capacity + 1, (bins, pieces - 1)), axis=1)
    sizes = np.diff(cuts, axis=1, prepend=0, append=capacity).ravel()
    return rng.permutation(sizes[sizes > 0])


def lognormal(median_tokens: int, sigma: float, most: int, count: int) -> np.ndarray:
    """Blocks of sequences whose lengths follow a lognormal law."""
    tokens = np.random.default_rng(1).lognormal(np.log(median_tokens), sigma, count)
    return np.ceil(np.clip(tokens, 1, most) / BLOCK).astype(np.int64)


def lengths(path: Path) -> np.ndarray:
    """Input and output tokens of each request of a trace; empty where the file has no such columns."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        rows = (json.loads(line) for line in file) if ".jsonl" in path.name else csv.DictReader(file)
        names = (("input_length", "output_length"), ("ContextTokens", "GeneratedTokens"))
        sums = [int(row[a]) + int(row[b]) for row in rows for a, b in names if a in row and b in row]
    return np.array(sums, dtype=np.int64)


def populations(traces: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """Names, ten million sizes in blocks, and the capacity of a bin."""
    yield "lognormal 2 Ki, 70B", lognormal(2048, 1.2, 2**17, COUNT), GROUPED
    yield "lognormal 8 Ki, MLA", lognormal(8192, 1.3, 2**20 - BLOCK, COUNT), LATENT
    paths = sorted([*traces.glob("*.csv"), *traces.glob("*.jsonl"), *traces.glob("*.jsonl.gz")])
    if not paths:
        print("SKIPPED: no traces; name their folder by --traces")
    for path in paths:
        tokens = lengths(path)
        if tokens.size >= 1000:
            drawn = np.random.default_rng(1).choice(-(-tokens // BLOCK), COUNT)
            yield path.name.split(".")[0], drawn, LATENT


def packed(sizes: np.ndarray, capacity: int) -> Packing:
    """A packing whose bin_of has been asked for."""
    packing = pack(sizes, capacity)
    assert packing.bin_of.size == sizes.size
    return packing


def bench_planted() -> bool:
    """One line a number of pieces; true if any packing is over its limit."""
    rng, failed = np.random.default_rng(1), False
    for pieces in (2, 3, 4, 5, 8, 16, 32, 64, 128, 256):
        over, above = [], 0
        for capacity in (10_000, GROUPED, 10**9):
            for bins in (1, 10, 1000, 4000):
                packing = pack(planted(bins, pieces, capacity, rng), capacity)
                over.append(packing.bins_used - bins)
                above += packing.lower_bound > bins
        print(f"planted, {pieces} pieces: at most {max(over)} bins over (limit 1), {above} bounds above (limit 0)")
        failed |= max(over) > 1 or above > 0
    return failed


def bench_millions(traces: Path) -> bool:
    """One line a population; true if any is over a limit."""
    failed = False
    for name, sizes, capacity in populations(traces):
        narrow = sizes.astype(np.uint16)
        pairs = [
            (seconds(lambda s=sizes, c=capacity: packed(s, c)), seconds(lambda n=narrow: np.argsort(n, kind="stable")))
            for _ in range(RUNS)
        ]
        packing = packed(sizes, capacity)
        loads = np.bincount(packing.bin_of, weights=sizes, minlength=packing.bins_used)  # exact below 2**53
        wrong = bool((loads != packing.loads).any() or (loads > capacity).any())
        ratio = median(ours / rival for ours, rival in pairs)
        gap, limit = packing.bins_used / packing.lower_bound - 1, 1e-4 if sizes.size >= 20 * packing.bins_used else 1e-3
        print(
            f"{name}: {ratio:.1f} × one stable argsort (limit 12), {packing.bins_used:,} bins, gap {gap:.4%} "
            f"(limit {limit:.2%}), {packing.runs.size.size:,} runs, {min(ours for ours, _ in pairs):.2f} s"
        )
        failed |= ratio > 12 or gap > limit or wrong
    print(f"peak memory of the process: {peak_bytes() / 1e9:.2f} GB (limit 1)")
    return failed or peak_bytes() > 1e9


def bench_rival() -> bool:
    """One line a population of ten thousand; true if the rival is ever better."""
    if binpacking is None:
        print("SKIPPED: binpacking is not installed")
        return False
    failed, count = False, 10_000
    rng = np.random.default_rng(2)
    for name, sizes, capacity in (
        ("lognormal 2 Ki, 70B", lognormal(2048, 1.2, 2**17, count), GROUPED),
        ("lognormal 8 Ki, MLA", lognormal(8192, 1.3, 2**20 - BLOCK, count), LATENT),
        ("lognormal 256 Ki, MLA", lognormal(2**18, 0.7, 2**20, count), LATENT),
        ("uniform 5 to 70 %", rng.integers(500, 7000, count), 10_000),
        ("uniform, all distinct", rng.integers(1, 10**9, count), 10**11),
    ):
        values = sizes.tolist()
        pairs = [
            (
                seconds(lambda s=sizes, c=capacity: packed(s, c)),
                seconds(lambda v=values, c=capacity: binpacking.to_constant_volume(v, c)),
            )
            for _ in range(RUNS)
        ]
        ratio = median(rival / ours for ours, rival in pairs)
        bins, theirs = pack(sizes, capacity).bins_used, len(binpacking.to_constant_volume(values, capacity))
        print(f"{name}: {ratio:.0f} × faster than binpacking (limit 10), {bins:,} bins against {theirs:,}")
        failed |= ratio < 10 or bins > theirs
    return failed


def main() -> int:
    """Print one line a measurement; 1 if any is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES)
    traces = parser.parse_args().traces
    failures = [bench_planted(), bench_millions(traces), bench_rival()]
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main())

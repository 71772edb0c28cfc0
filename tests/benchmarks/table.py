"""Write the table of speeds: `python tests/benchmarks/table.py [--write] [--peers …] [--sizes 32x100x128 …]`.

Each peer lives in a process of its own, and they take turns: a round asks each for a few runs, one after the other,
so that what else the machine does meets all alike. A cell is the median over the rounds of the round's best time; a
ratio is the median of the ratios within rounds. Nothing is written but with --write, to RESULTS.md beside this file.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import median
from time import sleep

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from peers import OTHERS, PEERS, THREADS, version  # noqa: E402

SIZES = ("1x100x32", "32x50x64", "32x100x128", "64x100x512")
SLOW = {"tinygrad"}  # compiles for minutes; asked at the first size alone
TARGETS = {  # ours, the peer, and the ratio wanted at each size
    ("LSTM fused", "torch nn.LSTM"): (2.5, 1.5, 1.0, 1.0),
    ("LSTM compiled", "torch nn.LSTM"): (0.5, 1.0, 1.0, 1.0),
    ("LSTM compiled", "jax scan"): (1.0, 1.0, 1.0, 1.0),
    ("LSTM composed", "torch composed"): (1.0, 1.0, 1.0, 1.0),
    ("GRU fused", "torch nn.GRU"): None,
    ("GRU compiled", "torch nn.GRU"): None,
    ("RNN fused", "torch nn.RNN"): None,
    ("RNN compiled", "torch nn.RNN"): None,
    **{(f"{name} fused", f"torch {name}"): None for name in OTHERS},
    **{(f"{name} compiled", f"torch {name}"): None for name in OTHERS},
    **{(f"{name} fused", f"{name} composed"): None for name in OTHERS},
}


class Worker:
    """A peer in its own process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "peers.py"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def best(self, size: str, runs: int) -> float:
        """The best of some runs, in ms. Raises RuntimeError where the peer fails: its own error is on stderr."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{size.replace('x', ' ')} {runs}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} failed at {size}")
        return min(map(float, answer.split()))


def measure(names: list[str], size: str, rounds: int) -> dict[str, list[float]]:
    """For each peer the best time of each round, in ms."""
    workers = [Worker(name) for name in names]
    runs = {worker.name: max(1, min(20, int(200 / worker.best(size, 1)))) for worker in workers}
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for worker in workers:
            sleep(0.1)  # the threads of the one before go on waiting in a loop for some 30 ms
            times[worker.name].append(worker.best(size, runs[worker.name]))
    for worker in workers:
        worker.process.kill()
    return times


def ratio(times: dict[str, list[float]], ours: str, peer: str) -> float:
    return median(a / b for a, b in zip(times[ours], times[peer], strict=True))


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Both tables in Markdown: milliseconds, and ratios."""
    sizes, names = list(found), list(next(iter(found.values())))
    head = f"{_row('', *(size.replace('x', ' × ') for size in sizes))}\n{'|---' * (len(sizes) + 1)}|"
    lines = ["Milliseconds for forward and backward (batch × steps × hidden):", "", head]
    for name in names:
        cells = [f"{median(found[size][name]):.3g}" if name in found[size] else "–" for size in sizes]
        lines.append(_row(name, *cells))
    lines += ["", "Ratios (below 1: ours is faster; in brackets what we aim at):", "", head]
    for (ours, peer), wanted in TARGETS.items():
        if ours in names and peer in names:
            aims = [f" ({aim})" for aim in wanted] if wanted and len(sizes) == len(SIZES) else [""] * len(sizes)
            cells = [f"{ratio(found[size], ours, peer):.2f}{aim}" for size, aim in zip(sizes, aims, strict=True)]
            lines.append(_row(f"{ours} / {peer}", *cells))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def machine(names: list[str]) -> str:
    """Versions, threads and processor, in one line."""
    packages = {PEERS[name][1]: version(name) for name in names} | {"numpy": metadata.version("numpy")}
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(": ")[1] for line in lines if "model name" in line), platform.machine())
    versions = ", ".join(f"{name} {number}" for name, number in sorted(packages.items()))
    return f"Python {platform.python_version()}, {versions}; {cpu}; {THREADS} threads for BLAS and PyTorch."


def main() -> None:
    installed = []
    for name in PEERS:
        try:
            version(name)
            installed.append(name)
        except metadata.PackageNotFoundError:
            print(f"left out, since its package is not installed (pip install '.[bench]'): {name}", file=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="+", default=installed, choices=PEERS)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="BxTxH")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    args = parser.parse_args()
    found = {}
    for size in args.sizes:
        found[size] = measure([name for name in args.peers if not (found and name in SLOW)], size, args.rounds)
        print(f"{size} done", file=sys.stderr)
    text = f"{table(found)}\n\n{machine(args.peers)}"
    print(text)
    if args.write:
        command = f"python tests/benchmarks/table.py --write --rounds {args.rounds}"
        (HERE / "RESULTS.md").write_text(f"# Speed\n\n`{command}`, {date.today()}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

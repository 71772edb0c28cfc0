"""What a sweep costs beside its runs: `python tests/benchmarks/sweeping.py` (two minutes), `--write` keeps SWEEPS.md.

Runs that wait (their time is known) and runs that train (they want a core each), at 1, 2 and 4 workers; what a row
costs in the file; and from these what 10,000 runs on 100 machines would take.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import heapq
import os
import platform
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.sweeps.store import TrialFile
from tinygrad_lstm.sweeps.trials import Trial

RESULTS = Path(__file__).with_name("SWEEPS.md")
RUNS, MACHINES, MINUTES = 10_000, 100, 5.0  # what is asked: how many runs, on what, and how long one takes


def waits(seed: int, seconds: float) -> dict[str, float]:
    cpu = time.process_time()
    time.sleep(seconds)
    return {"CPU": time.process_time() - cpu}


def trains(seed: int, steps: int) -> dict[str, Any]:
    cpu = time.process_time()
    task = tl.tasks.copying(length=3, delay=20)
    model = tl.SequenceModel.for_task(task, hidden=32, seed=seed)
    model.rnn.fused = True
    loss = tl.fit(model, task, steps=steps, seed=seed, progress=False).recent("loss")
    return {"loss": loss, "CPU": time.process_time() - cpu}


def sweeping(run: Any, backend: str, workers: int, seeds: int, folder: str, **settings: Any) -> str:
    """A line of the table: a sweep whose workers are there already."""
    options = {"workers": workers, "progress": False, "backend": backend}
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            from distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
            stack.enter_context(Client(stack.enter_context(cluster)))
        tl.sweep(waits, {"seconds": [0.0]}, seeds=2 * workers, **options)  # they start, and load NumPy
        path = Path(folder, f"{run.__name__}{backend}{workers}{settings}.jsonl")
        start = time.perf_counter()
        found = tl.sweep(run, {name: [value] for name, value in settings.items()}, seeds=seeds, path=path, **options)
        spent = time.perf_counter() - start
    inside, cpu = (sum(g.n * g.spread(name)[0] for g in found.groups()) for name in ("seconds", "CPU"))
    what = f"{run.__name__} {', '.join(f'{value:g} {name}' for name, value in settings.items())}"
    return (
        f"| {what} | {backend} | {workers} | {spent:.2f} | {seeds / spent:.1f} | {inside / spent / workers:.0%} | "
        f"{cpu / seeds:.2f} | {1e3 * (spent * workers - inside) / seeds / workers:.1f} |"
    )


def file_costs(folder: str, rows: int) -> tuple[float, float, float]:
    """Milliseconds a row to write, milliseconds to claim and give back, seconds to read all of them again."""
    made = [
        Trial("f", {"hidden": 32, "cell": "lstm"}, k, {"numpy": "2"}, {"loss": 0.1}, None, 1.0) for k in range(rows)
    ]
    with TrialFile(Path(folder, "rows.jsonl")) as store:
        start = time.perf_counter()
        for trial in made[:200]:
            store.add([trial])
        write = (time.perf_counter() - start) / 200
        start = time.perf_counter()
        for trial in made:
            store.claim(trial.key)
            store.release([trial.key])
        claim = (time.perf_counter() - start) / rows
        store.add(made[200:])
    start = time.perf_counter()
    with TrialFile(Path(folder, "rows.jsonl")) as store:
        assert len(store.done) == rows
    return 1e3 * write, 1e3 * claim, time.perf_counter() - start


def last_ends(seconds: np.ndarray, workers: int) -> float:
    """When the last of these runs ends, each given to the first worker that is free."""
    free = [0.0] * workers
    for spent in seconds:
        heapq.heapreplace(free, free[0] + spent)
    return max(free)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"to {RESULTS.name}")
    options = parser.parse_args()
    lines = ["| run | backend | workers | seconds | runs a second | busy | CPU s a run | ms beside a run |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for run, seeds, settings in ((waits, 200, {"seconds": 0.0}), (waits, 60, {"seconds": 0.2})):
            for backend in ["loky", *["dask"] * (find_spec("distributed") is not None)]:
                for workers in (1, 2, 4):
                    lines.append(sweeping(run, backend, workers, seeds, folder, **settings))
                    print(lines[-1], flush=True)
        for workers in (1, 2, 4):
            lines.append(sweeping(trains, "loky", workers, 8, folder, steps=100))
        write, claim, read = file_costs(folder, RUNS)
    text = "\n".join([*lines, "", *on_paper(lines, write, claim, read)])
    print(text)
    if options.write:
        head = f"`python tests/benchmarks/sweeping.py --write`, {datetime.date.today()}, {os.cpu_count()} cores"
        load = f"of which other programs wanted {os.getloadavg()[0]:.1f} at the end"
        versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
        RESULTS.write_text(f"# Sweeps\n\n{head}, {load}; {versions}\n\n{text}\n", encoding="utf-8")


def on_paper(lines: list[str], write: float, claim: float, read: float) -> list[str]:
    """What so many runs on so many machines would take, from what was measured."""
    idle = [line.split(" | ") for line in lines if line.startswith("| waits 0 ")]
    rate = min(float(cells[4]) for cells in idle)  # runs a second that one sweep can send and keep
    rng = np.random.default_rng(0)
    spread = rng.lognormal(np.log(60 * MINUTES) - 0.125, 0.5, RUNS)  # log-normal with that mean
    late = last_ends(spread, MACHINES) / (spread.sum() / MACHINES) - 1
    share = RUNS * MINUTES / MACHINES / 60
    return [
        f"A row: {write:.2f} ms to write (forced to the disk), {claim:.4f} ms to claim. {RUNS:,} rows are read again "
        f"in {read:.2f} s. One sweep sends and keeps {rate:.0f} runs a second where it was slowest.", "",
        f"{RUNS:,} runs of {MINUTES:g} minutes on {MACHINES} machines, one core each:", "",
        f"- computing: {RUNS * MINUTES / 60:.0f} core hours; evenly shared that is {share:.2f} hours;",
        f"- stragglers: with times spread by 0.5 (log-normal) the last run ends {late:.1%} later, at "
        f"{share * (1 + late):.2f} hours; with {10 * MACHINES} machines "
        f"{last_ends(spread, 10 * MACHINES) / (spread.sum() / 10 / MACHINES) - 1:.0%} later;",
        f"- the one sweep that sends and keeps: {RUNS / rate:.0f} s of the whole; {MACHINES / (60 * MINUTES):.2f} runs "
        f"a second are asked of it. With {MACHINES} workers it becomes the narrow place where a run takes less than "
        f"{MACHINES / rate:.1f} s, with runs of {MINUTES:g} minutes at {60 * MINUTES * rate:,.0f} workers;",
        f"- the file: {RUNS * 420 / 1e6:.1f} MB and {RUNS * write / 1e3:.0f} s of writing; where {MACHINES} sweeps "
        f"share it on a common disk as fast as this one, {1e3 / write:.0f} rows a second.",
    ]  # fmt: skip


if __name__ == "__main__":
    main()

"""The sweep itself: which trials there are, who runs them, and what becomes of those that fail."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .bar import counting
from .engines import Broken, Workers
from .jobs import Job, OtherVersions, perform, trial_of, versions_here
from .outcomes import Sweep
from .store import TrialFile, Trials
from .trials import Trial, plain

PATIENCE = 8  # failures of the engine, one after the other, without a finished trial between them
PAUSE = 0.3  # seconds, doubled after each of them; also between looks at what other sweeps do


def sweep(
    run: Callable[..., Any],
    grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]],
    *,
    seeds: int | Iterable[int] = 5,
    path: str | os.PathLike[str] | None = None,
    backend: str = "loky",
    workers: int | None = None,
    at_once: int = 1,
    name: str | None = None,
    versions: Mapping[str, str] | None = None,
    retry: bool = False,
    address: str | None = None,
    progress: bool = True,
) -> Sweep:
    """Run a function for all settings and all seeds, here or on a cluster, and keep each finished trial.

    BLAS has one thread in each run, so that the numbers do not depend on the machine's load, nor on the backend.

    Args:
        run: `run(seed=3, **settings)` returns a number, or a dict of names and JSON values; the key "solved" (a bool)
            is what success rates count. What it raises becomes a row.
        grid: settings, as a dict of lists (all combinations of their values) or as a list of dicts (the points).
        seeds: 5 stands for 0 … 4.
        path: a file to which every finished trial is added as a line of JSON; a sweep that was killed goes on from it,
            and what is there is never run again. Several sweeps may use one file at the same time (not on Windows) and
            share the trials. None: nothing is kept.
        backend: "loky" (processes), "threading", "sequential", "dask", "ray", or what else joblib knows.
        workers: how many runs at a time; all cores by default.
        at_once: above 1, `run(seeds=(0, 1, …), **settings)` gets so many seeds and returns a result for each, in order:
            for nets that are trained together in one array program.
        name: of the run in the file; its module and name by default.
        versions: of what else decides the numbers, such as {"run": "2"}: other versions are other trials.
        retry: run those again that had failed.
        address: of a Dask scheduler or a Ray cluster; a local one by default, or the client that is there.
        progress: a bar in a terminal, some lines elsewhere.

    Where a worker dies, its trials run once more, each alone; one that kills its process again is a row with the error
    "WorkerDied". A cluster whose scheduler fails is waited for. Raises ValueError or TypeError for a bad grid, seeds or
    file, ImportError where an extra is missing, OSError where the file cannot be written, RuntimeError where the engine
    fails again and again, or a worker has other versions. Ctrl-C ends it; finished trials are in the file.
    """
    engine = Workers(backend, workers, address)
    jobs = _jobs(
        run, _points(grid), _seeds(seeds), at_once, name or called(run), {**versions_here(), **(versions or {})}
    )
    if engine.apart:
        _check_pickle(jobs[0])
    asked = [trial for job in jobs for trial in job.trials()]
    with TrialFile(path) if path is not None else Trials() as store:
        kept = (store.done.get(trial.key) for trial in asked) if retry else ()
        old = {trial.key for trial in kept if trial is not None and trial.error}
        have = sum(trial.key in store.done and trial.key not in old for trial in asked)
        with counting(progress, len(asked), have) as show:
            Runner(engine, store, jobs, old, show).run()
        found = [store.done[trial.key] for trial in asked]
    return Sweep(found, f"{jobs[0].name}: {len(found)} trials")


def called(run: Callable[..., Any]) -> str:
    """A run's name in a file. Raises ValueError for what has none."""
    own = getattr(run, "__qualname__", None)
    if own is None or "<lambda>" in own:
        raise ValueError("sweep: this run has no name by which its rows could be found again; give name=.")
    module = run.__module__
    if module == "__main__":  # the same whether it is run or imported
        module = Path(getattr(sys.modules[module], "__file__", None) or module).stem
    return f"{module}.{own}"


class Runner:
    """Sees to it that each job is run once, by this sweep or by another one of the same file."""

    def __init__(
        self, engine: Workers, store: Trials, jobs: list[Job], old: set[str], show: Callable[[Trial], None]
    ) -> None:
        self.engine, self.store, self.jobs, self.old, self.show = engine, store, jobs, old, show
        self.claimed: dict[str, Trial] = {}  # what is under way
        self.trouble: Exception | None = None  # met in a thread of joblib's, to be raised in ours
        self.connected = False
        self.shown = set(store.done) - old

    def run(self) -> None:
        failures = 0
        while todo := self._todo():
            before = len(self.shown)
            try:
                if not self._attempt(todo):  # other sweeps run all that is left
                    time.sleep(PAUSE)
                failures = 0
            except Broken as exc:
                failures = 1 if len(self.shown) > before else failures + 1
                suspects = self._given_up()
                if failures > PATIENCE or not self.connected:
                    raise RuntimeError(
                        f"sweep: the engine {self.engine.backend!r} fails ({exc}). {len(self.shown)} finished trials "
                        "are kept where there is a path=; mend the engine and run the same sweep again: it goes on."
                    ) from exc
                if exc.dead:
                    self._apart(suspects)
                else:
                    time.sleep(min(PAUSE * 2**failures, 30.0))

    def _todo(self) -> list[Job]:
        """What nobody has finished: of jobs of several seeds those that are missing."""
        self.store.refresh()
        self._show()
        left = []
        for job in self.jobs:
            seeds = tuple(t.seed for t in job.trials() if t.key not in self.store.done or t.key in self.old)
            if seeds:
                left.append(job._replace(seeds=seeds))
        return left

    def _show(self) -> None:
        """Count what has been finished, here or elsewhere."""
        for job in self.jobs:
            for asked in job.trials():
                if asked.key not in self.shown and asked.key not in self.old and asked.key in self.store.done:
                    self.shown.add(asked.key)
                    self.show(self.store.done[asked.key])

    def _attempt(self, jobs: list[Job]) -> int:
        """Run those jobs that can be claimed; how many that were."""
        from joblib import delayed

        claims, count = self._claims(jobs), 0
        first = next(claims, None)
        if first is None:
            self._raise_trouble()
            return 0
        with self.engine.running() as results:
            self.connected = True
            for found in results(delayed(perform)(job) for job in itertools.chain([first], claims)):
                if isinstance(found, OtherVersions):
                    raise RuntimeError(
                        f"sweep: the worker on {found.host} has {found.versions}, and the sweep {versions_here()}: its "
                        "numbers would be others. Install the same there."
                    )
                self._keep(found)
                count += 1
        self._raise_trouble()
        return count

    def _raise_trouble(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _claims(self, jobs: list[Job]) -> Iterator[Job]:
        """The jobs, each when a worker is free for it, less what other sweeps run or have finished meanwhile."""
        try:
            for job in jobs:
                mine = [trial for trial in job.trials() if self.store.claim(trial.key)]
                self.store.refresh()  # after the claim: nobody can finish it any more between this look and the run
                late = [t for t in mine if t.key in self.store.done and t.key not in self.old]
                self.store.release(t.key for t in late)
                ours = {t.key: t for t in mine if t not in late}
                self.claimed |= ours
                if ours:
                    yield job._replace(seeds=tuple(trial.seed for trial in ours.values()))
        except (OSError, ValueError) as exc:
            self.trouble = exc

    def _keep(self, found: list[Trial]) -> None:
        self.store.add(found)
        for trial in found:
            self.claimed.pop(trial.key, None)
            self.old.discard(trial.key)
            self.shown.add(trial.key)
            self.show(trial)
        self.store.release(trial.key for trial in found)

    def _given_up(self) -> list[Job]:
        """Give back all claims; the jobs that were under way."""
        keys = set(self.claimed)
        self.store.release(keys)
        self.claimed.clear()
        return [job for job in self._todo() if any(trial.key in keys for trial in job.trials())]

    def _apart(self, suspects: list[Job]) -> None:
        """Run, one at a time, what was under way when a process died: whose process dies again has killed it."""
        for job in suspects:
            start = time.perf_counter()
            try:
                self._attempt([job])
            except Broken as exc:
                if not exc.dead:
                    self._given_up()
                    return
                told = f"its process ended before it did, by a crash or for want of memory ({exc})"
                error = {"type": "WorkerDied", "message": told, "traceback": ""}
                spent = round(time.perf_counter() - start, 4)
                self._keep([trial_of(trial, spent, None, error) for trial in self.claimed.copy().values()])


def _points(grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The settings, each once. Raises TypeError or ValueError that says where the grid is wrong."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str | bytes) or not isinstance(values, Iterable):
                raise TypeError(f"sweep: grid: {name!r} must be a list of values, such as [{values!r}].")
        columns = {name: list(values) for name, values in grid.items()}
        for name, column in columns.items():
            if not column:
                raise ValueError(f"sweep: grid: {name!r} has no values.")
        points = [dict(zip(columns, values, strict=True)) for values in itertools.product(*columns.values())]
    else:
        points = [dict(point) if isinstance(point, Mapping) else point for point in grid]
    for point in points:
        if not isinstance(point, Mapping):
            raise TypeError(f"sweep: grid: a point is a dict of names and values, not {point!r:.60}.")
        if {"seed", "seeds"} & point.keys():
            raise ValueError("sweep: grid: seeds are no setting; give seeds=.")
    if not points:
        raise ValueError("sweep: grid: there are no points. [{}] is one without settings.")
    return [{name: _setting(name, value) for name, value in point.items()} for point in points]


def _setting(name: str, value: Any) -> Any:
    where = f"sweep: grid: the value of {name!r}"
    value = plain(value, where)
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError(f"{where} is {value}, and settings must be finite; None may stand for no number.") from None
    return value


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    chosen = [*range(seeds)] if isinstance(seeds, int) else [*dict.fromkeys(seeds)]
    if not chosen or any(isinstance(seed, bool) or not isinstance(seed, int) for seed in chosen):
        raise ValueError(f"sweep: seeds must be a number of at least 1, or whole numbers, not {seeds!r}.")
    return chosen


def _jobs(
    run: Callable[..., Any], points: list[dict[str, Any]], seeds: list[int], at_once: int, name: str,
    versions: dict[str, str],
) -> list[Job]:  # fmt: skip
    """All calls of the run: every point with the first seeds, then with the next, so that a table fills evenly."""
    if not isinstance(at_once, int) or at_once < 1:
        raise ValueError(f"sweep: at_once must be a whole number of at least 1, not {at_once!r}.")
    jobs: dict[str, Job] = {}
    for k in range(0, len(seeds), at_once):
        for point in points:
            job = Job(run, name, point, tuple(seeds[k : k + at_once]), at_once > 1, versions, os.getpid())
            jobs.setdefault(job.trials()[0].key, job)  # a point that stands twice in the grid is run once
    return list(jobs.values())


def _check_pickle(job: Job) -> None:
    try:
        pickle.loads(pickle.dumps(job))
    except Exception as exc:
        raise TypeError(
            f"sweep: {job.name} cannot be sent to a worker ({exc}). Let it make what it needs itself, or take "
            "backend='threading'."
        ) from None

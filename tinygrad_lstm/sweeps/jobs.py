"""What a worker does: run the function, with one thread for BLAS, and turn whatever happens into values."""

from __future__ import annotations

import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import metadata
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from .trials import Trial, plain

_watched: set[int] = set()


class Job(NamedTuple):
    """One call of `run`: settings, and its seed, or all seeds that it runs at once."""

    run: Callable[..., Any]
    name: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    at_once: bool
    versions: dict[str, str]
    sweep: int = 0  # the process that asks for it

    def __reduce__(self) -> Any:  # a function of a notebook or of the program itself is sent as its code
        import cloudpickle

        return _job, (cloudpickle.dumps(self.run), *self[1:])

    def trials(self) -> list[Trial]:
        """Its rows, before anything has come of them."""
        return [Trial(self.name, self.settings, seed, self.versions) for seed in self.seeds]


def _job(run: bytes, *fields: Any) -> Job:
    import cloudpickle

    return Job(cloudpickle.loads(run), *fields)


class OtherVersions(NamedTuple):
    """A worker whose versions are not those of the sweep: its numbers would be others."""

    host: str
    versions: dict[str, str]


def versions_here() -> dict[str, str]:
    """What decides the numbers of a run, with its version."""
    try:
        ours = metadata.version("tinygrad-lstm")
    except metadata.PackageNotFoundError:  # run from its source
        ours = "source"
    return {"tinygrad_lstm": ours, "numpy": np.__version__}


def perform(job: Job) -> list[Trial] | OtherVersions:
    """Run a job. What it raises is a row, too."""
    from threadpoolctl import threadpool_limits

    _end_with(job.sweep)
    here = versions_here()
    if any(job.versions[name] != version for name, version in here.items()):
        return OtherVersions(platform.node(), here)
    results, error, start = None, None, time.perf_counter()
    try:
        with threadpool_limits(1):
            start = time.perf_counter()  # how long the run takes, whatever surrounds it
            if job.at_once:
                results = _results(job.run(seeds=job.seeds, **job.settings), job)
            else:
                results = [_result(job.run(seed=job.seeds[0], **job.settings), job.name)]
    except (Exception, SystemExit) as exc:
        error = _error(exc)
    each = round((time.perf_counter() - start) / len(job.seeds), 4)
    return [
        trial_of(trial, each, None if results is None else results[k], error) for k, trial in enumerate(job.trials())
    ]


def _end_with(sweep: int) -> None:
    """Let this worker end when the sweep that has started it does: a kill would leave it at work for nobody."""
    if os.getppid() != sweep or sweep in _watched:
        return

    def watch() -> None:
        while os.getppid() == sweep:
            time.sleep(0.5)
        os._exit(1)

    _watched.add(sweep)
    threading.Thread(target=watch, daemon=True).start()


def trial_of(asked: Trial, seconds: float, result: dict[str, Any] | None, error: dict[str, str] | None) -> Trial:
    """A row with what came of it."""
    return Trial(asked.name, asked.settings, asked.seed, asked.versions, result, error, seconds)


def _error(exc: BaseException) -> dict[str, str]:
    inside = traceback.extract_tb(exc.__traceback__)[1:]  # without our own frame
    told = "".join(traceback.format_list(inside))
    return {"type": type(exc).__name__, "message": str(exc), "traceback": told}


def _results(returned: Any, job: Job) -> list[dict[str, Any]]:
    results = list(returned)
    if len(results) != len(job.seeds):
        raise TypeError(f"{job.name} returned {len(results)} results for {len(job.seeds)} seeds; one each is needed.")
    return [_result(result, job.name) for result in results]


def _result(returned: Any, name: str) -> dict[str, Any]:
    """What a run returned, as a table. Raises TypeError for what is none and no number."""
    if isinstance(returned, Number | np.generic):
        returned = {"value": returned}
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"{name} returned a {type(returned).__name__}; a number is needed, or a dict of names and values."
        )
    return dict(plain(returned, f"{name}: its result"))

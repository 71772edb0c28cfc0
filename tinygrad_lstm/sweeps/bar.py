"""While one waits for a sweep: a bar, or some lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .trials import Trial


@contextmanager
def counting(progress: bool, total: int, have: int) -> Iterator[Callable[[Trial], None]]:
    """A function to be called with each trial that has been finished; `have` of them are there already."""
    done, failed, start = have, 0, time.perf_counter()

    def told() -> str:
        bad = f", {failed} failed" if failed else ""
        there = f" ({have} were there)" if have else ""
        return f"{done} of {total} trials{there}{bad}"

    def count(trial: Trial) -> None:
        nonlocal done, failed
        done += 1
        failed += trial.error is not None

    if progress and sys.stdout is not None and sys.stdout.isatty():
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns) as bar:
            job = bar.add_task(told(), total=total, completed=have)

            def move(trial: Trial) -> None:
                count(trial)
                bar.update(job, completed=done, description=told())

            yield move
    elif progress:

        def line(trial: Trial) -> None:
            before = done * 10 // total
            count(trial)
            if done * 10 // total > before:
                print(f"{told()}, {time.perf_counter() - start:.0f} s", flush=True)

        yield line
    else:
        yield count

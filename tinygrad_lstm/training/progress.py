"""While one waits: a bar or some lines, and what becomes of Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .history import History


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C only sets a flag, which is what the block gets to ask; a second one acts as always.

    Only the main thread may say how signals are treated; elsewhere nothing changes.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def display(
    progress: bool | str, steps: int | None, seconds: float | None, history: History
) -> Iterator[Callable[[float], None]]:
    """A function to be called after each step with the seconds of this run."""
    first = len(history)

    def share(spent: float) -> float:
        """How much of this run is done, 0 to 1: by steps or by time, whichever ends it sooner."""
        by_steps = (len(history) - first) / max(1, steps - first) if steps is not None else 0.0
        return max(by_steps, spent / seconds if seconds else 0.0)

    if progress is True and sys.stdout.isatty():
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns) as bar:
            job = bar.add_task("", total=1.0)
            yield lambda spent: bar.update(
                job, completed=share(spent), description=f"step {len(history)}  {history.line()}"
            )
    elif progress:
        printed = 0

        def lines(spent: float) -> None:
            nonlocal printed
            if (tenths := int(share(spent) * 10)) > printed:
                printed = tenths
                print(f"step {len(history)}: {history.line()}", flush=True)

        yield lines
    else:
        yield lambda spent: None

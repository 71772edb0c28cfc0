"""While one waits: a bar or some lines, and what becomes of Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..spoken import said
from .history import History

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last is Windows'


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C, a request to end and a closed terminal only set a flag, which is what the block gets to ask.

    The second signal of a kind acts as always. Only the main thread may say how signals are treated; elsewhere nothing
    changes, nor where SIGHUP is ignored, as it is under nohup.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(number, before[number])
        asked.set()

    kinds = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {kind: signal.getsignal(kind) for kind in kinds}
    ignored = {kind for kind, how in before.items() if how in (signal.SIG_IGN, None)} - {signal.SIGINT}
    before = {kind: how for kind, how in before.items() if kind not in ignored}
    for kind in before:
        signal.signal(kind, on_signal)
    try:
        yield asked.is_set
    finally:
        for kind, how in before.items():
            signal.signal(kind, how)


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

    alive = sys.stdout is not None and sys.stdout.isatty() and sys.platform != "emscripten"  # a bar needs a thread
    if progress is True and alive:
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
                try:
                    print(said("step {n}: {line}", n=len(history), line=history.line()), flush=True)
                except (OSError, UnicodeError):  # nobody reads any more, or the disk is full: train on
                    printed = 11

        yield lines
    else:
        yield lambda spent: None

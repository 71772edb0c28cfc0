"""Work that is shared by threads: rows of a batch, which know nothing of one another, or parts of a large product.

Each thread computes where Python's lock is not needed, in compiled loops or in BLAS, which is held at one thread then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from ..tensor import Array, Shape

ROWS_OF_A_THREAD = 8  # fewer are not worth the start of a thread
LARGE = 2**22  # multiplications; a product of fewer is done before a thread has begun


def threads() -> int:
    """How many run at once: one for each core, or as many as OMP_NUM_THREADS says, as for others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores


@cache
def _tasks(process: int, many: int) -> SimpleQueue[Any]:
    """What the other threads of this process wait for: a fork has none of its parent's.

    An executor of concurrent.futures needs 15 to 35 µs more for each call, of a training step's 2,500.
    """
    tasks: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        while True:
            context, run, part, k, done = tasks.get()
            try:
                done.put((k, context.run(run, part), None))
            except BaseException as exc:
                done.put((k, None, exc))
            del context, run, part, done  # they hold arrays

    for _ in range(many):
        Thread(target=work, name="tinygrad_lstm", daemon=True).start()
    return tasks


def parts(n: int, least: int = ROWS_OF_A_THREAD) -> list[slice]:
    """Rows (or columns) from 0 to n, some for each thread."""
    many = min(threads(), n // least) if n >= 2 * least else 1
    return [slice(n * k // many, n * (k + 1) // many) for k in range(many)]


def in_threads(run: Callable[[Any], Any], parts: list[Any]) -> list[Any]:
    """What a function makes of each part, in a thread of its own."""
    if len(parts) == 1:
        return [run(parts[0])]
    tasks, done = _tasks(os.getpid(), len(parts) - 1), SimpleQueue[Any]()
    for k, part in enumerate(parts[1:], 1):
        tasks.put((copy_context(), run, part, k, done))  # np.errstate's, too
    try:
        made = {0: run(parts[0])}
    finally:  # nobody goes on before all have let go of the arrays
        others = [done.get() for _ in parts[1:]]
    for k, result, error in others:
        if error:
            raise error
        made[k] = result
    return [made[k] for k in range(len(parts))]


class Later:
    """Products and sums that the threads do together when `finish` is called; what they return is not filled before.

    To wake a thread takes as long as a small product, so that all of them should be worth it.
    """

    def __init__(self) -> None:
        self._work: list[list[Callable[[], Any]]] = []
        self._last: list[Callable[[], Any]] = []

    def _share(self, run: Callable[[slice], Any], n: int) -> None:
        """Do it later for each part of n rows, columns or terms."""
        for k, part in enumerate(parts(n)):
            self._work[k:] = self._work[k:] or [[]]
            self._work[k].append(partial(run, part))

    def _added(self, shape: Shape, dtype: Any, run: Callable[..., Any], n: int) -> Array:
        """The sum of what `run(terms, out=)` makes of the parts of n terms."""
        some = {part.start: np.empty(shape, dtype) for part in parts(n)}
        y, *others = some.values()
        self._share(lambda part: run(part, out=some[part.start]), n)
        self._last += [partial(np.add, y, other, out=y) for other in others]
        return y

    def product(self, a: Array, b: Array) -> Array:
        """a (m, k) · b (k, n); a large one in parts of what is longest: rows, columns, or terms of the sums."""
        (m, k), n, dtype = a.shape, b.shape[1], np.result_type(a, b)
        if m * k * n < LARGE:
            return a @ b
        if k >= max(m, n):
            return self._added((m, n), dtype, lambda some, out: np.matmul(a[:, some], b[some], out=out), k)
        y = np.empty((m, n), dtype)
        if m >= n:
            self._share(lambda some: np.matmul(a[some], b, out=y[some]), m)
        else:
            self._share(lambda some: np.matmul(a, b[:, some], out=y[:, some]), n)
        return y

    def total(self, x: Array) -> Array:
        """(time, rows, columns): the sum over time and rows."""
        if x.size < LARGE // 64:
            return x.sum(axis=(0, 1))
        return self._added(x.shape[2:], x.dtype, lambda some, out: np.sum(x[some], (0, 1), out=out), len(x))

    def finish(self) -> None:
        work, last, self._work, self._last = self._work, self._last, [], []
        if work:
            in_threads(lambda some: [run() for run in some], work)
        for run in last:
            run()

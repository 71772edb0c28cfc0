"""A compiled cell: the text of its sequence, run as one op whose twin is the cell itself, step by step."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, reduce
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from ..op import Op
from ..spoken import Language
from ..tensor import Array, Shape, Tensor
from .blas import one_thread
from .kernels import Kernel
from .sequence import Sequence
from .symbols import CannotCompile
from .tape import for_any_rows, record
from .values import frozen

IGNORED = {"_rng", "_initializers", "_bias", "training"}  # of a cell: what no step depends on

ROWS_OF_A_THREAD = 8  # fewer are not worth the start of a thread
Kept = dict[str, Any]  # what a run leaves for its way back
Functions = tuple[Callable[..., Any], Callable[..., Any]]
_programs: dict[Any, Program | CannotCompile] = {}
_lock = Lock()


def sequence_of(cell: Any, lang: Language = "en") -> Sequence:
    """The program of a cell over a whole sequence. Raises CannotCompile where a step has more than its inputs."""

    def made(rows: int) -> Sequence:
        return Sequence(record(cell, rows), lang)

    return for_any_rows(made, Sequence.text)[1]


class Arrays:
    """Hands out arrays of any content as `np.empty` does: those of the run before where they fit.

    Large new ones cost more than what is computed in them, since the system hands them out page by page.
    """

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._at, self.lock = 0, Lock()  # two losses of one result may go back at the same time

    def __call__(self, shape: Shape, dtype: Any) -> Array:
        at, self._at = self._at, self._at + 1
        if at >= len(self._arrays) or self._arrays[at].shape != shape or self._arrays[at].dtype != dtype:
            self._arrays[at : at + 1] = [np.empty(shape, dtype)]
        return self._arrays[at]

    @property
    def used(self) -> int:
        """How many have been handed out."""
        return self._at

    def again(self, at: int = 0) -> None:
        """From the first, or from one further on: what stands before it is in use."""
        self._at = at

    def own(self, array: Array) -> Array:
        """The array, copied if it is one of these."""
        return array.copy() if any(np.may_share_memory(array, one) for one in self._arrays) else array


class Rows(NamedTuple):
    """What a run keeps for its way back, of some rows of the batch."""

    xs: Array
    over: Any
    values: Any
    arrays: Arrays
    used: int


class Program:
    """What a cell computes over a whole sequence, forward and backward, as functions made of its text.

    `op(x, *state, *parameters, valid=, compiled=, kept=)` takes x (batch, time, features) and gives the states after
    each step, (batch, time, hidden), or of several (n, batch, time, hidden). `valid` (batch, time) says which steps
    count; `compiled` has the loops done by numba, some rows of the batch in each thread, since rows know nothing of one
    another. `kept` gets "y", a weak reference to the result, and "parts", by the first row of each.
    """

    def __init__(self, cell: Any) -> None:
        self.sequence, self.name = sequence_of(cell), type(cell).__name__
        self.text, self.n = self.sequence.text(), len(cell.State._fields)
        self._plain = self._functions(self.text, {})
        self._fast: Functions | None = None
        self._idle: WeakKeyDictionary[Any, list[Kept]] = WeakKeyDictionary()
        label = self.name.removesuffix("Cell")
        self.op = Op(self.cell_sequence, label, f"y = the states of a {label} after every step t.")
        self.op.joint("backpropagation through time", self._shares)

    def _functions(self, text: str, space: dict[str, Any]) -> Functions:
        exec(compile(text, f"<fused {self.name}>", "exec"), space)
        return space["forward"], space["backward"]

    def functions(self, compiled: bool) -> Functions:
        """The two functions. Raises CannotCompile for what numba cannot do, and ImportError where numba is missing."""
        if not compiled:
            return self._plain
        if self._fast is None:
            forth, back = (Kernel(self.sequence.graph, way) for way in (False, True))
            try:
                from .numba_loops import functions
            except ModuleNotFoundError:
                raise ImportError('compiled steps need numba: pip install "tinygrad-lstm[fast]"') from None
            loops = functions(f"{forth.text}\n\n\n{back.text}\n", self.name)
            self._fast = self._functions(self.sequence.text((forth.call, back.call)), dict(loops))
        return self._fast

    def cell_sequence(
        self, *inputs: Array, cell: Any, valid: Array | None = None, compiled: bool = False, kept: Kept | None = None
    ) -> Array:
        x, state, parameters = inputs[0], inputs[1 : 1 + self.n], inputs[1 + self.n :]
        (forth, _), before = self.functions(compiled), (kept or {}).get("parts", {})

        def run(rows: slice) -> tuple[Array, Rows]:
            xs = np.ascontiguousarray(x[rows].swapaxes(0, 1))
            over = _over(valid, rows, len(xs), compiled)
            arrays = before[rows.start].arrays if rows.start in before else Arrays()
            arrays.again()
            states, values = forth(xs, over, *(s[rows] for s in state), *parameters, empty=arrays)
            return states[:, 1:].swapaxes(1, 2), Rows(xs, over, values, arrays, arrays.used)

        ran = _in_threads(run, len(x), compiled)
        ys = [y for _, (y, _) in ran]
        y: Array = np.concatenate(ys, axis=1) if len(ys) > 1 else ys[0]
        y = y if self.n > 1 else y[0]
        if kept is not None:
            kept.update(y=ref(y), parts={rows.start: part for rows, (_, part) in ran})
        return y

    def _shares(
        self, dy: Any, y: Any, *inputs: Any,
        cell: Any, valid: Array | None = None, compiled: bool = False, kept: Kept | None = None,
    ) -> list[Any]:  # fmt: skip
        if isinstance(y, Tensor):
            return cell.twin_shares(dy, inputs, valid)
        if not kept or kept["y"]() is not y:
            kept = {}
            self.op.forward(*inputs, cell=cell, valid=valid, compiled=compiled, kept=kept)
        dstates, parameters, parts = dy if self.n > 1 else dy[None], inputs[1 + self.n :], kept["parts"]
        _, back = self.functions(compiled)

        def run(rows: slice) -> list[Array]:
            ds, part = dstates[:, rows].swapaxes(1, 2), parts[rows.start]
            with part.arrays.lock:
                part.arrays.again(part.used)
                ds = np.ascontiguousarray(ds) if compiled else ds
                dxs, *others = back(ds, part.values, part.xs, part.over, *parameters, empty=part.arrays)
                return [part.arrays.own(dxs).swapaxes(0, 1), *others]

        shares = [share for _, share in _in_threads(run, len(inputs[0]), compiled)]
        if len(shares) == 1:
            return shares[0]
        own = list(zip(*shares, strict=True))  # of each input those of all threads
        return [
            np.concatenate(parts) if k <= self.n else reduce(np.add, parts) for k, parts in enumerate(own)
        ]  # x and states have rows, parameters none

    def run(self, cell: Any, x: Any, *state: Any, valid: Array | None, compiled: bool = False) -> Tensor:
        """The op on a cell's parameters, in the arrays of the cell's last run if they are free.

        They are once its result is gone, and with it all that could ask for its gradient. `pop` is atomic: threads may
        share a cell, and whoever finds nothing makes new ones.
        """
        self.functions(compiled)  # what it refuses is not an error of the op
        idle = self._idle.setdefault(cell, [])
        try:
            kept = idle.pop()
        except IndexError:
            kept = {}
        if kept and kept["y"]() is not None:
            kept = {}
        y: Tensor = self.op(x, *state, *cell.parameters(), cell=cell, valid=valid, compiled=compiled, kept=kept)
        idle[:] = [kept]
        return y


def program_of(cell: Any) -> Program:
    """The program of a cell: made once for each class, size and setting. Raises CannotCompile, each time anew."""
    key = _settings(cell)
    try:
        hash(key)
    except TypeError:  # it holds what may change unseen
        return Program(cell)
    with _lock:
        if key not in _programs:
            try:
                _programs[key] = Program(cell)
            except CannotCompile as exc:
                _programs[key] = exc
        found = _programs[key]
    if isinstance(found, CannotCompile):
        raise CannotCompile(*found.args)
    return found


def _settings(x: Any) -> Any:
    """What a program depends on of a cell, and of modules that it holds: all but the numbers of their Tensors."""
    if hasattr(x, "named_parameters") and not isinstance(x, type):
        return type(x), *((name, _settings(value)) for name, value in vars(x).items() if name not in IGNORED)
    return frozen(x)


def _over(valid: Array | None, rows: slice, time: int, compiled: bool) -> Any:
    """For each step which rows keep their state, None where none do; compiled in one array (time, rows), or (0, 0)."""
    if valid is None:
        return np.empty((0, 0), bool) if compiled else [None] * time
    gone = ~valid[rows].T
    return np.ascontiguousarray(gone) if compiled else [over if over.any() else None for over in gone]


def threads() -> int:
    """How many rows' parts run at once: one for each core, or as many as OMP_NUM_THREADS says, as for others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process: a fork has none of its parent's."""
    return ThreadPoolExecutor(threads(), "tinygrad_lstm")


def _in_threads(run: Callable[[slice], Any], batch: int, compiled: bool) -> list[tuple[slice, Any]]:
    """Rows, and what a function makes of them: of all at once, or compiled of some in each thread, BLAS held at one."""
    if not compiled:
        return [(slice(0, batch), run(slice(0, batch)))]
    n = max(1, min(threads(), batch // ROWS_OF_A_THREAD))
    rows = [slice(batch * k // n, batch * (k + 1) // n) for k in range(n)]
    with one_thread():
        others = [_pool(os.getpid()).submit(copy_context().run, run, some) for some in rows[1:]]  # np.errstate's, too
        return list(zip(rows, [run(rows[0]), *(other.result() for other in others)], strict=True))

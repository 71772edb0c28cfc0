"""A compiled cell: the text of its sequence, run as one op whose twin is the cell itself, step by step."""

from __future__ import annotations

from collections.abc import Sequence as Many
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np

from ..op import Op
from ..tensor import Array, Tensor
from .sequence import Sequence
from .symbols import CannotCompile
from .tape import record
from .wording import Language

ROWS = (11, 13)  # a text is right if it is the same for two batches
IGNORED = {"_rng", "_initializers", "_bias", "training"}  # of a cell: what no step depends on

_programs: dict[Any, Program | CannotCompile] = {}
_lock = Lock()


def sequence_text(cell: Any, lang: Language = "en") -> str:
    """The program of a cell over a whole sequence. Raises CannotCompile where a step has more than its inputs."""
    with np.errstate(all="ignore"):
        text, other = (Sequence(record(cell, rows), lang).text() for rows in ROWS)
    lines = zip(text.splitlines(), other.splitlines(), strict=False)
    if text != other:
        first, second = next(((a.strip(), b.strip()) for a, b in lines if a != b), ("a line", "none"))
        raise CannotCompile(
            f"source: two runs of the step, with {ROWS[0]} and {ROWS[1]} rows, differ: `{first}` and `{second}`. "
            "A step may neither count, nor depend on the number of rows."
        )
    return text


class Program:
    """What a cell computes over a whole sequence, forward and backward, as functions made of its text.

    `op(x, *state, *parameters, valid=, kept=)` takes x (batch, time, features) and gives the states after each step,
    (batch, time, hidden), or of several (n, batch, time, hidden). `valid` (batch, time) says which steps count.
    """

    def __init__(self, cell: Any) -> None:
        self.text = sequence_text(cell)
        space: dict[str, Any] = {}
        exec(compile(self.text, f"<fused {type(cell).__name__}>", "exec"), space)
        self._forth, self._back, self.n = space["forward"], space["backward"], len(cell.State._fields)

        def cell_sequence(*inputs: Array, cell: Any, valid: Array | None = None, kept: Any = None) -> Array:
            x, rest = np.ascontiguousarray(inputs[0].swapaxes(0, 1)), inputs[1:]
            states, values = self._forth(x, _over(valid, len(x)), *rest)
            y: Array = states[:, 1:].swapaxes(1, 2) if self.n > 1 else states[0, 1:].swapaxes(0, 1)
            if kept is not None:
                kept.update(y=ref(y), x=x, values=values)
            return y

        label = type(cell).__name__.removesuffix("Cell")
        self.op = Op(cell_sequence, label, f"y = the states of a {label} after every step t.")
        self.op.joint("backpropagation through time", self._shares)

    def _shares(self, dy: Any, y: Any, *inputs: Any, cell: Any, valid: Array | None = None, kept: Any) -> list[Any]:
        if isinstance(y, Tensor):
            return cell.twin_shares(dy, inputs, valid)
        if not kept or kept["y"]() is not y:
            kept = {}
            self.op.forward(*inputs, cell=cell, valid=valid, kept=kept)
        dstates = (dy if self.n > 1 else dy[None]).swapaxes(1, 2)
        parameters = inputs[1 + self.n :]
        dx, *others = self._back(dstates, kept["values"], kept["x"], _over(valid, len(kept["x"])), *parameters)
        return [dx.swapaxes(0, 1), *others]

    def run(self, cell: Any, x: Any, *state: Any, valid: Array | None) -> Tensor:
        """The op on a cell's parameters."""
        y: Tensor = self.op(x, *state, *cell.parameters(), cell=cell, valid=valid, kept={})
        return y


def program_of(cell: Any) -> Program:
    """The program of a cell: made once for each class, size and setting. Raises CannotCompile, each time anew."""
    own = {name: value for name, value in vars(cell).items() if name not in IGNORED and not isinstance(value, Tensor)}
    try:
        key = hash((type(cell), *own.items())) and (type(cell), tuple(own.items()))
    except TypeError:  # it holds an array, a list or the like
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


def _over(valid: Array | None, time: int) -> Many[Array | None]:
    """For each step the rows (batch,) that keep their state; None where there is none."""
    if valid is None:
        return [None] * time
    return [None if rows.all() else ~rows for rows in valid.T]

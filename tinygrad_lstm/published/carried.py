"""A cell of small nets carried along a sequence by its derived text: as one op, whether there is one net or many."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from weakref import ref

import numpy as np

from .. import compile, nn
from ..compile.program import Arrays
from ..op import Op
from ..tensor import Array, Shape, Tensor

Kept = dict[str, Any]  # what a run leaves for its way back
COMPILED = find_spec("numba") is not None


class Carried:
    """The derived text of a cell, run net by net: in a net's text no other net occurs.

    `op(x, *state, *parameters, kept={})` takes x (batch, time, features) and gives the states after each step, (fields,
    batch, time, hidden). Of nets side by side all have an axis more, the nets': x (nets, batch, time, features), the
    states (fields, nets, batch, time, hidden). `steps` says for each net how many steps it is run; the states behind
    them are 0. The loops are compiled where numba is there.
    """

    def __init__(self, cell: nn.Cell) -> None:
        self.functions = compile.program_of(cell).functions(COMPILED)
        self.fields, self.shapes = len(cell.State._fields), [p.shape for p in cell.parameters()]
        self.op = Op(self.cells_along, type(cell).__name__.removesuffix("Cell"), "the states after every step")
        self.op.joint("backpropagation through time, net by net", self._shares)
        self._idle: list[Kept] = []

    def __deepcopy__(self, memo: Any) -> Carried:
        return self  # a text, without values

    def run(self, x: Array, state: Sequence[Any], cell: nn.Cell, steps: Sequence[int] | None) -> Tensor:
        """The op on a cell's parameters, in the arrays of the run before if its result is gone."""
        kept = self._idle.pop() if self._idle else {}
        if kept and kept["y"]() is not None:
            kept = {}
        y: Tensor = self.op(Tensor(x), *state, *cell.parameters(), kept=kept, steps=steps)
        self._idle = [kept]
        return y

    def _of(self, k: int, inputs: Sequence[Array]) -> list[Array]:
        """Of all states and parameters those of net k."""
        states, parameters = inputs[: self.fields], inputs[self.fields :]
        own = [p[k].reshape(shape) for p, shape in zip(parameters, self.shapes, strict=True)]
        return [*(state[k] for state in states), *own]

    def cells_along(self, x: Array, *others: Array, kept: Kept, steps: Sequence[int] | None = None) -> Array:
        forth, single = self.functions[0], x.ndim == 3
        xs = x[None] if single else x
        others = tuple(one[None] for one in others) if single else others
        nets, rows, time, _ = xs.shape
        y = np.zeros((self.fields, nets, rows, time, others[0].shape[-1]), np.result_type(x, *others))
        everyones = kept.setdefault("arrays", [])
        everyones += [Arrays() for _ in range(nets - len(everyones))]
        kept |= {"y": ref(y), "parts": []}
        for k, arrays, end in zip(range(nets), everyones, steps or [time] * nets, strict=False):
            own = np.ascontiguousarray(xs[k, :, :end].swapaxes(0, 1))
            arrays.again()
            states, values = forth(own, _over(end), *self._of(k, others), empty=arrays)
            y[:, k, :, :end] = states[:, 1:].swapaxes(1, 2)
            kept["parts"].append((own, values, arrays.used))
        return y[:, 0] if single else y

    def _shares(
        self, dy: Any, y: Any, x: Array, *others: Array, kept: Kept, steps: Sequence[int] | None = None
    ) -> list[Any]:
        if isinstance(y, Tensor):
            raise TypeError("nets side by side: their gradient cannot be differentiated again.")
        back, single = self.functions[1], x.ndim == 3
        dys = dy[:, None] if single else dy
        given = tuple(one[None] for one in others) if single else others
        shares = [np.zeros((len(kept["parts"]), *shape), y.dtype) for shape in self._shapes(x, others, single)]
        for k, (xs, values, used) in enumerate(kept["parts"]):
            end, arrays = len(xs), kept["arrays"][k]
            arrays.again(used)
            ds = [d[k, :, :end].swapaxes(0, 1) for d in dys]
            dx, *own = back(ds, values, xs, _over(end), *self._of(k, given)[self.fields :], empty=arrays)
            shares[0][k, :, :end] = dx.swapaxes(0, 1)
            for share, part in zip(shares[1:], own, strict=True):
                share[k] = part.reshape(share.shape[1:])
        return [share[0] for share in shares] if single else shares

    def _shapes(self, x: Array, others: Sequence[Array], single: bool) -> list[Shape]:
        """Of each input the shape of one net's share."""
        return [one.shape if single else one.shape[1:] for one in (x, *others)]


def _over(steps: int) -> Any:
    """For each step that no row is over, in the form that the text takes."""
    return np.empty((0, 0), bool) if COMPILED else [None] * steps

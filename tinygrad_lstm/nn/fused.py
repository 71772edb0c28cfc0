"""A whole sequence of an RNN, LSTM or GRU in one op, with its gradient derived by hand: faster, and held to a twin.

The twin is the very step of the cell, composed: tests compare all values and gradients with it, and where the gradient
itself is to be differentiated (`create_graph=True`) the twin's is taken. The gradients are backpropagation through time
(Werbos 1990) over the equations in `rnn.py`, `lstm.py` and `gru.py`.

What makes them fast: all gates are one product; the part of x is one product for all steps, and so are the gradients of
x, W and b (b is the row of W that belongs to a column of ones behind x); each step writes into arrays that are already
there, those of the cell's last run where nobody can ask for its gradient any more. σ(z) = ½ + ½ tanh(z/2) makes one
tanh of all gates: their W and b are halved for it, which is exact. (A gate below the rounding of 1, 6e-8 in float32,
becomes 0; the composed σ keeps it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from .. import ops
from ..engine import vjp
from ..op import Op, op
from ..tensor import Array, Tensor
from . import steps
from .cell import Cell, carry
from .steps import parts

Arrays = dict[str, Any]  # what a run keeps for its way back, by name; "y" is a weak reference to its result


OPS: dict[type[Cell], Op] = {}  # entered where the cells are defined


def parameters(cell: Cell) -> list[Tensor]:
    """The parameters of a cell in the order of its fused op."""
    return [getattr(cell, name) for name in OPS[type(cell)].inputs[1 + len(cell.State._fields) :]]


def composed(cell_type: type[Cell], *inputs: Any, valid: Array | None = None) -> Any:
    """The twin: the same h (batch, time, hidden), or [h, C] (2, batch, …), from a cell with these parameters."""
    fields = cell_type.State._fields
    x, state, weights = inputs[0], cell_type.State(*inputs[1 : 1 + len(fields)]), inputs[1 + len(fields) :]
    cell = cell_type.__new__(cell_type)
    vars(cell).update(zip(OPS[cell_type].inputs[1 + len(fields) :], weights, strict=True))
    vars(cell).update(hidden_size=state.h.shape[1], reset_after=True, recurrent_activation=ops.sigmoid)
    vars(cell).update(activation=ops.tanh, output_activation=ops.tanh)
    run = carry(cell, [x[:, t] for t in range(x.shape[1])], state, valid, False)
    sequences = [run.sequence(field) for field in fields]
    return sequences[0] if len(sequences) == 1 else ops.stack(sequences)


def _twin_shares(op: Op, dy: Any, inputs: list[Any], valid: Array | None) -> list[Any]:
    cell_type = next(kind for kind, its_op in OPS.items() if its_op is op)
    return vjp(composed(cell_type, *inputs, valid=valid), inputs, dy, create_graph=True)


@op("LSTM", "y = [h_t, C_t] of an LSTM at every step t: x (batch, time, features) gives (2, batch, time, hidden).")
def lstm_sequence(
    x: Array, h: Array, C: Array,
    W_f: Array, b_f: Array, W_i: Array, b_i: Array, W_C: Array, b_C: Array, W_o: Array, b_o: Array,
    *, valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    kept, (batch, time, _), H = {} if kept is None else kept, x.shape, h.shape[1]
    W = _side_by_side((W_o, b_o), (W_f, b_f), (W_i, b_i), (W_C, b_C))
    halved = _halved(W, 3 * H)
    gates = _from_x(x, h, halved, kept)  # o, f, i, C̃; the part of h is added step by step
    states = np.empty((2, time + 1, batch, H), gates.dtype)  # h and C, before the first and after each step
    states[:, 0] = h, C
    tanh_C = _array(kept, "tanh_C", (time, batch, H), gates.dtype)
    steps_of(compiled).lstm(gates, states, tanh_C, halved[:H], valid)
    y = states[:, 1:].swapaxes(1, 2)
    kept.update(y=ref(y), states=states, W=W)
    return y


def _lstm_back(
    dy: Any, y: Any, x: Any, h: Any, C: Any, *weights: Any,
    valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> list[Any]:  # fmt: skip
    inputs = [x, h, C, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(lstm_sequence, dy, inputs, valid)
    kept = _kept(lstm_sequence, inputs, y, valid, kept)
    gates, states, tanh_C, W = kept["gates"], kept["states"], kept["tanh_C"], kept["W"]
    dz, W_back = _array(kept, "dz", gates.shape, gates.dtype), np.ascontiguousarray(W[: h.shape[1]].T)
    dh, dC = steps_of(compiled).lstm_back(dy, gates, states, tanh_C, W_back, dz, valid)
    dx, (of_o, of_f, of_i, of_new) = _from_all_steps(states[0, :-1], x, W, dz, dz, kept)
    return [dx, dh, dC, *of_f, *of_i, *of_new, *of_o]


lstm_sequence.joint("backpropagation through time", _lstm_back)


@op("RNN", "y = h_t of a plain RNN at every step t: x (batch, time, features) gives (batch, time, hidden).")
def rnn_sequence(
    x: Array, h: Array, W_h: Array, b_h: Array,
    *, valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    kept, (batch, time, _), H = {} if kept is None else kept, x.shape, h.shape[1]
    W = _side_by_side((W_h, b_h))
    sums = _from_x(x, h, W, kept)
    states = np.empty((time + 1, batch, H), sums.dtype)  # h, before the first and after each step
    states[0] = h
    steps_of(compiled).rnn(sums, states, W[:H], valid)
    y = states[1:].swapaxes(0, 1)
    kept.update(y=ref(y), states=states, W=W)
    return y


def _rnn_back(
    dy: Any, y: Any, x: Any, h: Any, *weights: Any,
    valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> list[Any]:  # fmt: skip
    inputs = [x, h, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(rnn_sequence, dy, inputs, valid)
    kept = _kept(rnn_sequence, inputs, y, valid, kept)
    states, W, dz = kept["states"], kept["W"], kept["gates"]  # nobody needs the sums any more
    dh = steps_of(compiled).rnn_back(dy, states, np.ascontiguousarray(W[: h.shape[1]].T), dz, valid)
    dx, [(dW, db)] = _from_all_steps(states[:-1], x, W, dz, dz, kept)
    return [dx, dh, dW, db]


rnn_sequence.joint("backpropagation through time", _rnn_back)


@op("GRU", "y = h_t of a GRU (reset after) at every step t: x (batch, time, features) gives (batch, time, hidden).")
def gru_sequence(
    x: Array, h: Array, W_z: Array, b_z: Array, W_r: Array, b_r: Array, W_n: Array, b_n: Array, b_rn: Array,
    *, valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    kept, (batch, time, _), H = {} if kept is None else kept, x.shape, h.shape[1]
    W = _side_by_side((W_z, b_z), (W_r, b_r), (W_n, b_n))
    halved = _halved(W, 2 * H)
    gates = _from_x(x, h, halved, kept)  # z, r, n: the part of x; of n it stays apart from that of h
    states = np.empty((time + 1, batch, H), gates.dtype)
    states[0] = h
    of_h = _array(kept, "of_h", (time, batch, H), gates.dtype)
    steps_of(compiled).gru(gates, states, of_h, halved[:H], b_rn, valid)
    y = states[1:].swapaxes(0, 1)
    kept.update(y=ref(y), states=states, W=W)
    return y


def _gru_back(
    dy: Any, y: Any, x: Any, h: Any, *weights: Any,
    valid: Array | None = None, compiled: bool = False, kept: Arrays | None = None,
) -> list[Any]:  # fmt: skip
    inputs = [x, h, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(gru_sequence, dy, inputs, valid)
    kept = _kept(gru_sequence, inputs, y, valid, kept)
    gates, states, of_h, W = kept["gates"], kept["states"], kept["of_h"], kept["W"]
    H = of_h.shape[2]
    dz_x, dz_h = (_array(kept, name, gates.shape, gates.dtype) for name in ("dz_x", "dz_h"))  # at x · W, at h · W
    dh = steps_of(compiled).gru_back(dy, gates, states, of_h, np.ascontiguousarray(W[:H].T), dz_x, dz_h, valid)
    dx, pairs = _from_all_steps(states[:-1], x, W, dz_h, dz_x, kept)
    return [dx, dh, *(array for pair in pairs for array in pair), dz_h[..., 2 * H :].sum(axis=(0, 1))]


gru_sequence.joint("backpropagation through time", _gru_back)

# — what the three share ——————————————————————————————————————————————————————————————————————————————————


_last: WeakKeyDictionary[Cell, list[Arrays]] = WeakKeyDictionary()


def run_sequence(cell: Cell, *inputs: Any, valid: Array | None, compiled: bool) -> Any:
    """The fused op on x, the initial state and the cell's parameters, in the arrays of its last run if they are free.

    Large new arrays cost more than what is computed in them: the system hands them out page by page. They are free once
    the last result is gone, and with it all that could ask for its gradient. `pop` is atomic: threads may share a cell,
    and whoever finds nothing makes new ones.
    """
    idle = _last.setdefault(cell, [])
    try:
        kept = idle.pop()
    except IndexError:
        kept = {}
    if kept and kept["y"]() is not None:
        kept = {}
    y = OPS[type(cell)](*inputs, *parameters(cell), valid=valid, compiled=compiled, kept=kept)
    idle[:] = [kept]
    return y


def steps_of(compiled: bool) -> Any:
    """The module whose functions go through time. Raises ImportError where numba is missing."""
    if not compiled:
        return steps
    try:
        from . import steps_numba
    except ModuleNotFoundError:
        raise ImportError('compiled steps need numba: pip install "tinygrad-lstm[fast]"') from None
    return steps_numba


def _array(kept: Arrays, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array with any content, to be kept under that name: the one that is there, if it fits."""
    if name not in kept or kept[name].shape != shape or kept[name].dtype != dtype:
        kept[name] = np.empty(shape, dtype)
    return kept[name]


def _with_ones(x: Array, kept: Arrays) -> Array:
    """x (batch, time, n) in the order of time, with a column of ones for the bias: (time · batch, n + 1)."""
    batch, time, n = x.shape
    x1 = _array(kept, "x1", (time, batch, n + 1), x.dtype)
    x1[..., :n] = x.swapaxes(0, 1)
    x1[..., n] = 1
    return x1.reshape(-1, n + 1)


def _from_x(x: Array, h: Array, W: Array, kept: Arrays) -> Array:
    """[x ; 1] · W of all steps, (time, batch, …), in the dtype that the composed cell has; kept as "gates"."""
    batch, time, _ = x.shape
    gates = _array(kept, "gates", (time, batch, W.shape[1]), np.result_type(x, h, W))
    np.matmul(_with_ones(x, kept), W[h.shape[1] :], out=gates.reshape(time * batch, -1))
    return gates


def _side_by_side(*pairs: tuple[Array, Array]) -> Array:
    """[W ; b] of each gate beside one another: (hidden + features + 1, gates · hidden)."""
    return np.concatenate([np.concatenate([W, b[None]]) for W, b in pairs], axis=1)


def _halved(W: Array, columns: int) -> Array:
    """W with its first columns halved: those of the gates, for σ(z) = ½ + ½ tanh(z/2)."""
    W = W.copy()
    W[:, :columns] *= 0.5
    return W


def _kept(op: Op, inputs: Sequence[Array], y: Array, valid: Array | None, kept: Arrays | None) -> Arrays:
    """What the way forward has kept; made again where nothing was kept, or that of another call."""
    if not kept or kept["y"]() is not y:
        kept = {}
        op.forward(*inputs, valid=valid, kept=kept)
    return kept


def _from_all_steps(
    hs: Array, x: Array, W: Array, dz_h: Array, dz_x: Array, kept: Arrays
) -> tuple[Array, list[tuple[Array, Array]]]:  # fmt: skip
    """The gradient of x, and those of each gate's W and b, from those at h · W and at x · W of all steps."""
    (batch, time, features), H = x.shape, hs.shape[2]
    rows_h, rows_x = dz_h.reshape(time * batch, -1), dz_x.reshape(time * batch, -1)
    x1 = kept["x1"].reshape(time * batch, -1) if "x1" in kept else _with_ones(x, kept)
    dW = np.empty_like(W)
    np.matmul(hs.reshape(-1, H).T, rows_h, out=dW[:H])
    np.matmul(x1.T, rows_x, out=dW[H:])
    dx = (rows_x @ np.ascontiguousarray(W[H:-1].T)).reshape(time, batch, features)
    return dx.swapaxes(0, 1), [(part[:-1], part[-1]) for part in parts(dW, W.shape[1] // H)]

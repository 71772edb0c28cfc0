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

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from .. import ops
from ..engine import vjp
from ..op import Op, op
from ..tensor import Array, Tensor
from .gru import GRUCell
from .lstm import LSTMCell
from .recurrent import Cell, carry
from .rnn import RNNCell

Arrays = dict[str, Any]  # what a run keeps for its way back, by name; "y" is a weak reference to its result
IN_CACHE = 2**16  # numbers: the factors of so many steps at once are made before the way back goes through them


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


def _twin_shares(cell_type: type[Cell], dy: Any, inputs: list[Any], valid: Array | None) -> list[Any]:
    return vjp(composed(cell_type, *inputs, valid=valid), inputs, dy, create_graph=True)


@op("LSTM", "y = [h_t, C_t] of an LSTM at every step t: x (batch, time, features) gives (2, batch, time, hidden).")
def lstm_sequence(
    x: Array, h: Array, C: Array,
    W_f: Array, b_f: Array, W_i: Array, b_i: Array, W_C: Array, b_C: Array, W_o: Array, b_o: Array,
    *, valid: Array | None = None, kept: Arrays | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    kept, (batch, time, _), H = {} if kept is None else kept, x.shape, h.shape[1]
    W = _side_by_side((W_o, b_o), (W_f, b_f), (W_i, b_i), (W_C, b_C))
    halved = _halved(W, 3 * H)
    gates, W_h = _from_x(x, h, halved, kept), halved[:H]  # o, f, i, C̃; the part of h is added step by step
    states = np.empty((2, time + 1, batch, H), gates.dtype)  # h and C, before the first and after each step
    states[:, 0] = h, C
    (h, *hs), (C, *Cs) = states
    tanh_C = _array(kept, "tanh_C", (time, batch, H), gates.dtype)
    from_h, written = np.empty_like(gates[0]), np.empty_like(tanh_C[0])
    views = zip(gates, gates[..., : 3 * H], *_parts(gates, 4), tanh_C, hs, Cs, strict=True)
    for t, (z, ofi, o, f, i, C_new, squashed, next_h, next_C) in enumerate(views):
        np.matmul(h, W_h, out=from_h)
        z += from_h
        np.tanh(z, out=z)
        ofi *= 0.5
        ofi += 0.5
        np.multiply(f, C, out=next_C)
        np.multiply(i, C_new, out=written)
        next_C += written
        np.tanh(next_C, out=squashed)
        np.multiply(o, squashed, out=next_h)
        _keep_over(next_h, h, valid, t)
        _keep_over(next_C, C, valid, t)
        h, C = next_h, next_C
    y = states[:, 1:].swapaxes(1, 2)
    kept.update(y=ref(y), states=states, W=W)
    return y


def _lstm_back(
    dy: Any, y: Any, x: Any, h: Any, C: Any, *weights: Any,
    valid: Array | None = None, kept: Arrays | None = None,
) -> list[Any]:  # fmt: skip
    inputs = [x, h, C, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(LSTMCell, dy, inputs, valid)
    kept = _kept(lstm_sequence, inputs, y, valid, kept)
    gates, (hs, Cs), tanh_C, W = kept["gates"], kept["states"], kept["tanh_C"], kept["W"]
    (time, batch, H), (o, f, i, C_new) = tanh_C.shape, _parts(gates, 4)
    ofi = gates[..., : 3 * H]
    dz = _array(kept, "dz", gates.shape, gates.dtype)
    dC_by_dh = _array(kept, "dC_by_dh", tanh_C.shape, gates.dtype)  # dz begins as ∂h/∂z_o, and ∂C/∂z of f, i and C̃
    by_o, by_f, by_i, by_C_new = _parts(dz, 4)
    by_C = dz[..., H:].reshape(time, batch, 3, H)
    W_back = np.ascontiguousarray(W[:H].T)
    dh, dC, through_h = np.zeros((3, batch, H), gates.dtype)
    for steps in _blocks(time, gates[0].size):
        slope = dz[steps, :, : 3 * H]
        np.subtract(1, ofi[steps], out=slope)
        slope *= ofi[steps]
        by_o[steps] *= tanh_C[steps]
        by_f[steps] *= Cs[steps]
        by_i[steps] *= C_new[steps]
        np.multiply(i[steps], _tanh_slope(C_new[steps]), out=by_C_new[steps])
        np.multiply(o[steps], _tanh_slope(tanh_C[steps]), out=dC_by_dh[steps])
        for t in reversed(range(steps.start, steps.stop)):
            dh += dy[0, :, t]
            dC += dy[1, :, t]
            over = _over(valid, t)
            past_h, past_C = (None, None) if over is None else (dh[over], dC[over])
            np.multiply(dh, dC_by_dh[t], out=through_h)
            dC += through_h
            by_o[t] *= dh
            by_C[t] *= dC[:, None]
            if over is not None:
                dz[t, over] = 0
            dC *= f[t]
            np.matmul(dz[t], W_back, out=dh)
            if over is not None:  # a row that is over hands its gradient on unchanged
                dh[over], dC[over] = past_h, past_C
    dx, (of_o, of_f, of_i, of_new) = _from_all_steps(hs[:-1], x, W, dz, dz, kept)
    return [dx, dh, dC, *of_f, *of_i, *of_new, *of_o]


lstm_sequence.joint("backpropagation through time", _lstm_back)


@op("RNN", "y = h_t of a plain RNN at every step t: x (batch, time, features) gives (batch, time, hidden).")
def rnn_sequence(x: Array, h: Array, W_h: Array, b_h: Array, *, valid: Array | None = None) -> Array:
    """`valid` (batch, time) says which steps of each row count."""
    H, W = h.shape[1], _side_by_side((W_h, b_h))
    states = _from_x(x, h, W, {})
    from_h = np.empty_like(states[0])
    for t, z in enumerate(states):
        np.matmul(h, W[:H], out=from_h)
        z += from_h
        np.tanh(z, out=z)
        _keep_over(z, h, valid, t)
        h = z
    return states.swapaxes(0, 1)


def _rnn_back(dy: Any, y: Any, x: Any, h: Any, W_h: Any, b_h: Any, *, valid: Array | None = None) -> list[Any]:
    if isinstance(y, Tensor):
        return _twin_shares(RNNCell, dy, [x, h, W_h, b_h], valid)
    H, W = h.shape[1], _side_by_side((W_h, b_h))
    hs = np.concatenate([h[None], y.swapaxes(0, 1)])
    dz, W_back, dh = _tanh_slope(hs[1:]), np.ascontiguousarray(W[:H].T), np.zeros_like(hs[0])
    for t in reversed(range(len(dz))):
        dh += dy[:, t]
        over = _over(valid, t)
        past = None if over is None else dh[over]
        dz[t] *= dh
        if over is not None:
            dz[t, over] = 0
        np.matmul(dz[t], W_back, out=dh)
        if over is not None:
            dh[over] = past
    dx, [(dW, db)] = _from_all_steps(hs[:-1], x, W, dz, dz, {})
    return [dx, dh, dW, db]


rnn_sequence.joint("backpropagation through time", _rnn_back)


@op("GRU", "y = h_t of a GRU (reset after) at every step t: x (batch, time, features) gives (batch, time, hidden).")
def gru_sequence(
    x: Array, h: Array, W_z: Array, b_z: Array, W_r: Array, b_r: Array, W_n: Array, b_n: Array, b_rn: Array,
    *, valid: Array | None = None, kept: Arrays | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    kept, (batch, time, _), H = {} if kept is None else kept, x.shape, h.shape[1]
    W = _side_by_side((W_z, b_z), (W_r, b_r), (W_n, b_n))
    halved = _halved(W, 2 * H)
    gates = _from_x(x, h, halved, kept)  # z, r, n: the part of x; of n it stays apart from that of h
    states = np.empty((time + 1, batch, H), gates.dtype)
    states[0] = h
    of_h = _array(kept, "of_h", (time, batch, H), gates.dtype)
    from_h = np.empty_like(gates[0])
    for t, (zr, z, r, n) in enumerate(zip(gates[..., : 2 * H], *_parts(gates, 3), strict=True)):
        np.matmul(states[t], halved[:H], out=from_h)
        zr += from_h[:, : 2 * H]
        np.tanh(zr, out=zr)
        zr *= 0.5
        zr += 0.5
        np.add(from_h[:, 2 * H :], b_rn, out=of_h[t])
        n += r * of_h[t]
        np.tanh(n, out=n)
        np.subtract(states[t], n, out=states[t + 1])
        states[t + 1] *= z
        states[t + 1] += n
        _keep_over(states[t + 1], states[t], valid, t)
    y = states[1:].swapaxes(0, 1)
    kept.update(y=ref(y), states=states, W=W)
    return y


def _gru_back(
    dy: Any, y: Any, x: Any, h: Any, *weights: Any, valid: Array | None = None, kept: Arrays | None = None
) -> list[Any]:
    inputs = [x, h, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(GRUCell, dy, inputs, valid)
    kept = _kept(gru_sequence, inputs, y, valid, kept)
    gates, states, of_h, W = kept["gates"], kept["states"], kept["of_h"], kept["W"]
    (time, _, H), (z, r, n) = of_h.shape, _parts(gates, 3)
    dz_x, dz_h = (_array(kept, name, gates.shape, gates.dtype) for name in ("dz_x", "dz_h"))  # at x · W, at h · W
    by_z, by_r, by_n = _parts(dz_x, 3)  # they begin as ∂h/∂z of z and n, and ∂z_n/∂z_r
    W_back, dh = np.ascontiguousarray(W[:H].T), np.zeros_like(states[0])
    for steps in _blocks(time, gates[0].size):
        slope, zr = dz_x[steps, :, : 2 * H], gates[steps, :, : 2 * H]
        np.subtract(1, zr, out=slope)
        np.multiply(slope[..., :H], _tanh_slope(n[steps]), out=by_n[steps])
        slope *= zr
        by_z[steps] *= states[steps] - n[steps]
        by_r[steps] *= of_h[steps]
        for t in reversed(range(steps.start, steps.stop)):
            dh += dy[:, t]
            over = _over(valid, t)
            past = None if over is None else dh[over]
            by_z[t] *= dh
            by_n[t] *= dh
            by_r[t] *= by_n[t]
            dz_h[t, :, : 2 * H] = dz_x[t, :, : 2 * H]
            np.multiply(by_n[t], r[t], out=dz_h[t, :, 2 * H :])
            if over is not None:
                dz_x[t, over], dz_h[t, over] = 0, 0
            dh *= z[t]
            dh += dz_h[t] @ W_back
            if over is not None:
                dh[over] = past
    dx, parts = _from_all_steps(states[:-1], x, W, dz_h, dz_x, kept)
    return [dx, dh, *(array for pair in parts for array in pair), dz_h[..., 2 * H :].sum(axis=(0, 1))]


gru_sequence.joint("backpropagation through time", _gru_back)

OPS: dict[type[Cell], Op] = {RNNCell: rnn_sequence, LSTMCell: lstm_sequence, GRUCell: gru_sequence}


# — what the three share ——————————————————————————————————————————————————————————————————————————————————


_last: WeakKeyDictionary[Cell, list[Arrays]] = WeakKeyDictionary()


def run(cell: Cell, *inputs: Any, valid: Array | None) -> Any:
    """The fused op on x, the initial state and the cell's parameters, in the arrays of its last run if they are free.

    Large new arrays cost more than what is computed in them: the system hands them out page by page. They are free once
    the last result is gone, and with it all that could ask for its gradient. `pop` is atomic: threads may share a cell,
    and whoever finds nothing makes new ones.
    """
    op, idle = OPS[type(cell)], _last.setdefault(cell, [])
    if "kept" not in op.signature:
        return op(*inputs, *parameters(cell), valid=valid)
    try:
        kept = idle.pop()
    except IndexError:
        kept = {}
    if kept and kept["y"]() is not None:
        kept = {}
    y = op(*inputs, *parameters(cell), valid=valid, kept=kept)
    idle[:] = [kept]
    return y


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


def _parts(array: Array, n: int) -> list[Array]:
    """The last axis cut into n views of equal length."""
    width = array.shape[-1] // n
    return [array[..., k * width : (k + 1) * width] for k in range(n)]


def _tanh_slope(y: Array) -> Array:
    """1 − y², the slope of tanh from its value."""
    slope = y * y
    return np.subtract(1, slope, out=slope)


def _blocks(time: int, numbers: int) -> Iterator[slice]:
    """Blocks of steps, from the last to the first, of which that many numbers a step fit into the cache."""
    n = max(1, IN_CACHE // numbers)
    return (slice(max(0, end - n), end) for end in range(time, 0, -n))


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
    return dx.swapaxes(0, 1), [(part[:-1], part[-1]) for part in _parts(dW, W.shape[1] // H)]


def _over(valid: Array | None, t: int) -> Array | None:
    """(batch,): the rows that are over at step t; None where there is none."""
    return None if valid is None or valid[:, t].all() else ~valid[:, t]


def _keep_over(new: Array, old: Array, valid: Array | None, t: int) -> None:
    """Let the rows that are over keep their state."""
    if (over := _over(valid, t)) is not None:
        new[over] = old[over]

"""A whole sequence of an RNN, LSTM or GRU in one op, with its gradient derived by hand: faster, and held to a twin.

The twin is the very step of the cell, composed: tests compare all values and gradients with it, and where the gradient
itself is to be differentiated (`create_graph=True`) the twin's is taken. The gradients are backpropagation through time
(Werbos 1990) over the equations in `rnn.py`, `lstm.py` and `gru.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..engine import vjp
from ..op import Op, op
from ..tensor import Array, Tensor
from .gru import GRUCell
from .lstm import LSTMCell
from .recurrent import Cell, carry
from .rnn import RNNCell


def parameters(cell: Cell) -> list[Tensor]:
    """The parameters of a cell in the order of its fused op."""
    return [getattr(cell, name) for name in OPS[type(cell)].inputs[1 + len(cell.State._fields) :]]


def composed(cell_type: type[Cell], *inputs: Any, valid: Array | None = None) -> Any:
    """The twin: the same [h] or [h ; C] (batch, time, …) from the steps of a cell with these parameters."""
    fields = cell_type.State._fields
    x, state, weights = inputs[0], cell_type.State(*inputs[1 : 1 + len(fields)]), inputs[1 + len(fields) :]
    cell = cell_type.__new__(cell_type)
    vars(cell).update(zip(OPS[cell_type].inputs[1 + len(fields) :], weights, strict=True))
    vars(cell).update(hidden_size=state.h.shape[1], reset_after=True, recurrent_activation=ops.sigmoid)
    vars(cell).update(activation=ops.tanh, output_activation=ops.tanh)
    run = carry(cell, [x[:, t] for t in range(x.shape[1])], state, valid, False)
    return ops.concat(*(run.sequence(field) for field in fields))


def _twin_shares(cell_type: type[Cell], dy: Any, inputs: list[Any], valid: Array | None) -> list[Any]:
    return vjp(composed(cell_type, *inputs, valid=valid), inputs, dy, create_graph=True)


@op("LSTM", "y = [h_t ; C_t] of an LSTM at every step t: x (batch, time, features) gives (batch, time, 2 · hidden).")
def lstm_sequence(
    x: Array, h: Array, C: Array,
    W_f: Array, b_f: Array, W_i: Array, b_i: Array, W_C: Array, b_C: Array, W_o: Array, b_o: Array,
    *, valid: Array | None = None, kept: dict[str, Array] | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    (batch, time, _), H = x.shape, h.shape[1]
    W, b = np.concatenate([W_f, W_i, W_o, W_C], axis=1), np.concatenate([b_f, b_i, b_o, b_C])
    W_h, W_x = W[:H], W[H:]
    gates = _by_time(x) @ W_x + b  # the part of x for all steps at once; h's part is added step by step
    states = np.empty((time + 1, batch, 2, H), gates.dtype)  # [h ; C] before the first and after each step
    states[0, :, 0], states[0, :, 1] = h, C
    tanh_C = np.empty((time, batch, H), gates.dtype)
    for t in range(time):
        z, (h, C), new = gates[t], (states[t, :, 0], states[t, :, 1]), states[t + 1]
        z += h @ W_h
        z[:, : 3 * H] = ops.sigmoid.forward(z[:, : 3 * H])
        np.tanh(z[:, 3 * H :], out=z[:, 3 * H :])
        f, i, o, C_new = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
        np.multiply(f, C, out=new[:, 1])
        new[:, 1] += i * C_new
        np.tanh(new[:, 1], out=tanh_C[t])
        np.multiply(o, tanh_C[t], out=new[:, 0])
        _keep_over(new, states[t], valid, t)
    y = states[1:].transpose(1, 0, 2, 3).reshape(batch, time, 2 * H)
    if kept is not None:
        kept.update(y=y, gates=gates, states=states, tanh_C=tanh_C, W=W)
    return y


def _lstm_back(
    dy: Any, y: Any, x: Any, h: Any, C: Any, *weights: Any,
    valid: Array | None = None, kept: dict[str, Array] | None = None,
) -> list[Any]:  # fmt: skip
    inputs = [x, h, C, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(LSTMCell, dy, inputs, valid)
    if kept is None or kept.get("y") is not y:  # nothing was kept, or that of another call
        kept = {}
        lstm_sequence.forward(*inputs, valid=valid, kept=kept)
    (batch, time, _), H = x.shape, h.shape[1]
    gates, states, tanh_C, W = kept["gates"], kept["states"], kept["tanh_C"], kept["W"]
    f, i, o, C_new = (gates[..., k * H : (k + 1) * H] for k in range(4))
    before = states[:-1, :, 1]
    dz_by_dC = np.stack([before * f * (1 - f), C_new * i * (1 - i), i * (1 - C_new * C_new)], axis=2)
    dz_by_dh, dC_by_dh = tanh_C * o * (1 - o), o * (1 - tanh_C * tanh_C)
    dz = np.empty((time, batch, 4, H), gates.dtype)  # of f, i, C̃, o
    W_back = np.ascontiguousarray(np.concatenate([W[:, : 2 * H], W[:, 3 * H :], W[:, 2 * H : 3 * H]], axis=1).T)
    arriving = np.ascontiguousarray(dy.reshape(batch, time, 2, H).transpose(1, 2, 0, 3))
    dh, dC = np.zeros((2, batch, H), gates.dtype)
    for t in reversed(range(time)):
        dh = dh + arriving[t, 0]
        dC = dC + arriving[t, 1]
        over, past_h, past_C = _over(valid, t), dh, dC
        dC = dC + dh * dC_by_dh[t]
        np.multiply(dC[:, None], dz_by_dC[t], out=dz[t, :, :3])
        np.multiply(dh, dz_by_dh[t], out=dz[t, :, 3])
        if over is not None:
            dz[t, over] = 0
        dC = dC * f[t]
        dh = dz[t].reshape(batch, 4 * H) @ W_back[:, :H]
        if over is not None:  # a row that is over hands its gradient on unchanged
            dh[over], dC[over] = past_h[over], past_C[over]
    rows = dz.reshape(time * batch, 4 * H)
    dW = np.concatenate([states[:-1, :, 0].reshape(-1, H).T @ rows, _by_time(x).reshape(time * batch, -1).T @ rows])
    db = rows.sum(axis=0)
    dx = (rows @ W_back[:, H:]).reshape(time, batch, -1).swapaxes(0, 1)
    parts = [(dW[:, k * H : (k + 1) * H], db[k * H : (k + 1) * H]) for k in range(4)]
    return [dx, dh, dC, *(array for pair in parts for array in pair)]


lstm_sequence.joint("backpropagation through time", _lstm_back)


@op("RNN", "y = h_t of a plain RNN at every step t: x (batch, time, features) gives (batch, time, hidden).")
def rnn_sequence(x: Array, h: Array, W_h: Array, b_h: Array, *, valid: Array | None = None) -> Array:
    """`valid` (batch, time) says which steps of each row count."""
    H = h.shape[1]
    states = _by_time(x) @ W_h[H:] + b_h
    for t, z in enumerate(states):
        z += h @ W_h[:H]
        np.tanh(z, out=z)
        _keep_over(z, h, valid, t)
        h = z
    return states.swapaxes(0, 1)


def _rnn_back(dy: Any, y: Any, x: Any, h: Any, W_h: Any, b_h: Any, *, valid: Array | None = None) -> list[Any]:
    if isinstance(y, Tensor):
        return _twin_shares(RNNCell, dy, [x, h, W_h, b_h], valid)
    (batch, time, _), H = x.shape, h.shape[1]
    arriving, states = _by_time(dy), _by_time(y)
    slope, W_back, dh = 1 - states * states, np.ascontiguousarray(W_h.T), np.zeros_like(h)
    dz = np.empty((time, batch, H), y.dtype)
    for t in reversed(range(time)):
        dh = dh + arriving[t]
        past = dh
        np.multiply(dh, slope[t], out=dz[t])
        if (over := _over(valid, t)) is not None:
            dz[t, over] = 0
        dh = dz[t] @ W_back[:, :H]
        if over is not None:
            dh[over] = past[over]
    hx = np.concatenate([np.concatenate([h[None], states[:-1]]), _by_time(x)], axis=2)
    rows = dz.reshape(-1, H)
    return [(dz @ W_back[:, H:]).swapaxes(0, 1), dh, hx.reshape(time * batch, -1).T @ rows, rows.sum(axis=0)]


rnn_sequence.joint("backpropagation through time", _rnn_back)


@op("GRU", "y = h_t of a GRU (reset after) at every step t: x (batch, time, features) gives (batch, time, hidden).")
def gru_sequence(
    x: Array, h: Array, W_z: Array, b_z: Array, W_r: Array, b_r: Array, W_n: Array, b_n: Array, b_rn: Array,
    *, valid: Array | None = None, kept: dict[str, Array] | None = None,
) -> Array:  # fmt: skip
    """`valid` (batch, time) says which steps of each row count. What the way back needs is left in `kept`, if given."""
    H, by_time = h.shape[1], _by_time(x)
    W, b = np.concatenate([W_z, W_r, W_n], axis=1), np.concatenate([b_z, b_r, b_n])
    gates = by_time @ W[H:] + b  # the part of x; of n it stays apart from that of h, which r scales
    states, of_h = np.empty((len(gates) + 1, *h.shape), gates.dtype), np.empty((len(gates), *h.shape), gates.dtype)
    states[0] = h
    for t, g in enumerate(gates):
        from_h = states[t] @ W[:H]
        g[:, : 2 * H] = ops.sigmoid.forward(g[:, : 2 * H] + from_h[:, : 2 * H])
        z, r, n = g[:, :H], g[:, H : 2 * H], g[:, 2 * H :]
        np.add(from_h[:, 2 * H :], b_rn, out=of_h[t])
        n += r * of_h[t]
        np.tanh(n, out=n)
        states[t + 1] = n + z * (states[t] - n)
        _keep_over(states[t + 1], states[t], valid, t)
    y = states[1:].swapaxes(0, 1)
    if kept is not None:
        kept.update(y=y, gates=gates, states=states, of_h=of_h, W=W)
    return y


def _gru_back(
    dy: Any, y: Any, x: Any, h: Any, *weights: Any, valid: Array | None = None, kept: dict[str, Array] | None = None
) -> list[Any]:
    inputs = [x, h, *weights]
    if isinstance(y, Tensor):
        return _twin_shares(GRUCell, dy, inputs, valid)
    if kept is None or kept.get("y") is not y:  # nothing was kept, or that of another call
        kept = {}
        gru_sequence.forward(*inputs, valid=valid, kept=kept)
    (batch, time, _), H = x.shape, h.shape[1]
    gates, states, of_h, W = kept["gates"], kept["states"], kept["of_h"], kept["W"]
    z, r, n = (gates[..., k * H : (k + 1) * H] for k in range(3))
    dz_z, dz_n = (states[:-1] - n) * z * (1 - z), (1 - z) * (1 - n * n)
    dz_r = of_h * r * (1 - r)  # times what arrives before the tanh of n
    from_h = np.empty((time, batch, 3 * H), gates.dtype)  # gradient at h · W: of z, r, and of n behind the reset
    at_n = np.empty((time, batch, H), gates.dtype)  # and before the tanh of n
    arriving, W_back, dh = _by_time(dy), np.ascontiguousarray(W.T), np.zeros_like(h)
    for t in reversed(range(time)):
        dh = dh + arriving[t]
        past, d = dh, from_h[t]
        np.multiply(dh, dz_n[t], out=at_n[t])
        np.multiply(dh, dz_z[t], out=d[:, :H])
        np.multiply(at_n[t], dz_r[t], out=d[:, H : 2 * H])
        np.multiply(at_n[t], r[t], out=d[:, 2 * H :])
        if (over := _over(valid, t)) is not None:
            d[over], at_n[t, over] = 0, 0
        dh = dh * z[t] + d @ W_back[:, :H]
        if over is not None:
            dh[over] = past[over]
    from_x = np.concatenate([from_h[..., : 2 * H], at_n], axis=2)
    rows_h, rows_x = from_h.reshape(-1, 3 * H), from_x.reshape(-1, 3 * H)
    dW = np.concatenate([states[:-1].reshape(-1, H).T @ rows_h, _by_time(x).reshape(time * batch, -1).T @ rows_x])
    db, dx = rows_x.sum(axis=0), (from_x @ W_back[:, H:]).swapaxes(0, 1)
    parts = [(dW[:, k * H : (k + 1) * H], db[k * H : (k + 1) * H]) for k in range(3)]
    return [dx, dh, *(array for pair in parts for array in pair), rows_h[:, 2 * H :].sum(axis=0)]


gru_sequence.joint("backpropagation through time", _gru_back)

OPS: dict[type[Cell], Op] = {RNNCell: rnn_sequence, LSTMCell: lstm_sequence, GRUCell: gru_sequence}


def _over(valid: Array | None, t: int) -> Array | None:
    """(batch,): the rows that are over at step t; None where there is none."""
    return None if valid is None or valid[:, t].all() else ~valid[:, t]


def _keep_over(new: Array, old: Array, valid: Array | None, t: int) -> None:
    """Let the rows that are over keep their state."""
    if (over := _over(valid, t)) is not None:
        new[over] = old[over]


def _by_time(x: Array) -> Array:
    """(batch, time, …) as a contiguous (time, batch, …)."""
    return np.ascontiguousarray(x.swapaxes(0, 1))

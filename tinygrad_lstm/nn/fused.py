"""A whole LSTM sequence in one op, with its gradient derived by hand: faster, and held to its composed twin.

The twin is `composed`, the very steps of `LSTMCell`: tests compare all values and gradients with it, and where the
gradient itself is to be differentiated (`create_graph=True`) the twin's is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..engine import vjp
from ..op import op
from ..tensor import Array, Tensor
from .lstm import LSTMCell, LSTMState
from .recurrent import carry

WEIGHTS = ("W_f", "b_f", "W_i", "b_i", "W_C", "b_C", "W_o", "b_o")


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
        if valid is not None and not valid[:, t].all():
            new[~valid[:, t]] = states[t, ~valid[:, t]]
    y = states[1:].transpose(1, 0, 2, 3).reshape(batch, time, 2 * H)
    if kept is not None:
        kept.update(y=y, gates=gates, states=states, tanh_C=tanh_C, W=W)
    return y


def composed(x: Any, h: Any, C: Any, *weights: Any, valid: Array | None = None) -> Any:
    """The same from the steps of `LSTMCell`: the twin."""
    cell = LSTMCell.__new__(LSTMCell)
    vars(cell).update(zip(WEIGHTS, weights, strict=True))
    cell.recurrent_activation, cell.activation, cell.output_activation = ops.sigmoid, ops.tanh, ops.tanh
    run = carry(cell, [x[:, t] for t in range(x.shape[1])], LSTMState(h, C), valid, backward=False)
    return ops.concat(*(ops.stack([getattr(step, name) for step in run.steps], axis=1) for name in "hC"))


def _back(
    dy: Any, y: Any, x: Any, h: Any, C: Any, *weights: Any,
    valid: Array | None = None, kept: dict[str, Array] | None = None,
) -> list[Any]:  # fmt: skip
    """The shares of all inputs, by backpropagation through time (Werbos 1990) over the equations of `lstm.py`."""
    inputs = [x, h, C, *weights]
    if isinstance(y, Tensor):
        return vjp(composed(*inputs, valid=valid), inputs, dy, create_graph=True)
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
        over = None if valid is None or valid[:, t].all() else ~valid[:, t]
        past_h, past_C = dh, dC
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


lstm_sequence.joint("backpropagation through time", _back)


def _by_time(x: Array) -> Array:
    """(batch, time, …) as a contiguous (time, batch, …)."""
    return np.ascontiguousarray(x.swapaxes(0, 1))

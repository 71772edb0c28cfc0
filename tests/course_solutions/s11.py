"""Answers to the exercises of tutorial 11."""

import numpy as np


def _repaired(steps, dh, W, *, through_h=True, added=True, end=True, slope=True):
    dW, db, trail = np.zeros_like(W), np.zeros(W.shape[1]), []
    dC = np.zeros_like(dh)
    for s in reversed(steps):
        dC = (dC if end else 0) + dh * s.o * (1 - np.tanh(s.C) ** 2)
        gates = dC * s.C_old, dC * s.C_new, dC * s.i, dh * np.tanh(s.C)
        slopes = s.f * (1 - s.f), s.i * (1 - s.i) if slope else s.i, 1 - s.C_new**2, s.o * (1 - s.o)
        dz = np.concatenate([d * slope for d, slope in zip(gates, slopes, strict=True)], axis=1)
        dW = (dW if added else 0) + s.hx.T @ dz
        db += dz.sum(axis=0)
        trail.append((dC, dh, dz))
        dC = dC * s.f
        dh = (dz @ W.T)[:, : dh.shape[1]] if through_h else np.zeros_like(dh)
    return dW, db, trail[::-1]


def _but(**change):
    return lambda steps, dh, W: _repaired(steps, dh, W, **change)


RIGHT = {"11.1": "c", "11.2": "b", "11.3": _repaired}
WRONG = {
    "11.1": [*"abdefgh", "forget gate", "F "[1:], ""],
    "11.2": [*"acdefgh", "x"],
    "11.3": [
        _but(through_h=False),
        _but(added=False),
        _but(end=False),
        _but(slope=False),
        lambda steps, dh, W: W,
        lambda steps, dh, W: (W.T, W[0], []),
    ],
}

"""The steps of the fused ops as in `steps.py`, compiled by numba (the extra `fast`).

What NumPy does in a dozen passes over one step's arrays is one pass here; the matrix products remain NumPy's, and so
do the steps of the plain RNN, which has no gates. The first call compiles, which takes seconds; the result is kept on
disk for the next program. In float32 tanh is a quotient of polynomials, so that the compiler can take many numbers at a
time: 3e-7 at most from the true value. In float64 it is the C library's, and slower.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ..tensor import Array
from .numba_cache import compiled
from .steps import rnn as rnn
from .steps import rnn_back as rnn_back

# Coefficients of x, x³, … x¹³ and of 1, x², … x⁶, and where the quotient reaches 1: Eigen 3.4, `ptanh_float`.
ABOVE = tuple(np.float32([
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
    -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
]))  # fmt: skip
BELOW = tuple(np.float32([4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06]))
END, ONE = np.float32(7.90531110763549805), np.float32(1)

def tanh(x: Any) -> Any:
    """tanh of one number, in its dtype."""

@overload(tanh)
def _tanh(x):
    if x is types.float64:
        return lambda x: math.tanh(x)

    def quotient(x):
        x = END if x > END else -END if x < -END else x
        s = x * x
        above = ((((ABOVE[6] * s + ABOVE[5]) * s + ABOVE[4]) * s + ABOVE[3]) * s + ABOVE[2]) * s + ABOVE[1]
        y = x * (above * s + ABOVE[0]) / (((BELOW[3] * s + BELOW[2]) * s + BELOW[1]) * s + BELOW[0])
        return ONE if x >= END else -ONE if x <= -END else y  # exactly 1, so that a saturated gate passes nothing back

    return quotient

# Each inner loop writes to one array, which is what lets the compiler do many of its numbers at a time.

@compiled
def _lstm(t, from_h, gates, states, tanh_C, valid):
    half, H = from_h.dtype.type(0.5), from_h.shape[1] // 4
    for r in range(len(from_h)):
        z, h, C, old_C, squashed = gates[t, r], states[0, t + 1, r], states[1, t + 1, r], states[1, t, r], tanh_C[t, r]
        for k in range(4 * H): z[k] = tanh(z[k] + from_h[r, k])
        for k in range(3 * H): z[k] = half + half * z[k]
        if not valid[r, t]:
            h[:], C[:] = states[0, t, r], old_C
            continue
        for k in range(H): C[k] = z[H + k] * old_C[k] + z[2 * H + k] * z[3 * H + k]
        for k in range(H): squashed[k] = tanh(C[k])
        for k in range(H): h[k] = z[k] * squashed[k]

@compiled
def _lstm_back(t, dy, dh, past, dC, gates, states, tanh_C, dz, valid):
    one, H = dh.dtype.type(1), dh.shape[1]
    for r in range(len(dh)):
        for k in range(H): dh[r, k] += past[r, k] + dy[0, r, t, k]
        for k in range(H): dC[r, k] += dy[1, r, t, k]
        if not valid[r, t]:
            past[r], dz[t, r] = dh[r], 0
            continue
        past[r] = 0
        z, s, C, d = gates[t, r], tanh_C[t, r], states[1, t, r], dz[t, r]
        for k in range(H): dC[r, k] += dh[r, k] * z[k] * (one - s[k] * s[k])
        for k in range(H): d[k] = dh[r, k] * s[k] * z[k] * (one - z[k])
        for k in range(H): d[H + k] = dC[r, k] * C[k] * z[H + k] * (one - z[H + k])
        for k in range(H): d[2 * H + k] = dC[r, k] * z[3 * H + k] * z[2 * H + k] * (one - z[2 * H + k])
        for k in range(H): d[3 * H + k] = dC[r, k] * z[2 * H + k] * (one - z[3 * H + k] * z[3 * H + k])
        for k in range(H): dC[r, k] *= z[H + k]

@compiled
def _gru(t, from_h, gates, states, of_h, b_rn, valid):
    half, H = from_h.dtype.type(0.5), len(b_rn)
    for r in range(len(from_h)):
        z = gates[t, r]
        for k in range(2 * H): z[k] = half + half * tanh(z[k] + from_h[r, k])
        for k in range(H): of_h[t, r, k] = from_h[r, 2 * H + k] + b_rn[k]
        for k in range(H): z[2 * H + k] = tanh(z[2 * H + k] + z[H + k] * of_h[t, r, k])
        if valid[r, t]:
            for k in range(H): states[t + 1, r, k] = z[2 * H + k] + z[k] * (states[t, r, k] - z[2 * H + k])
        else:
            states[t + 1, r] = states[t, r]

@compiled
def _gru_back(t, dy, dh, past, gates, states, of_h, dz_x, dz_h, valid):
    one, H = dh.dtype.type(1), dh.shape[1]
    for r in range(len(dh)):
        for k in range(H): dh[r, k] += past[r, k] + dy[r, t, k]
        if not valid[r, t]:
            past[r], dz_x[t, r], dz_h[t, r] = dh[r], 0, 0
            continue
        z, d = gates[t, r], dz_x[t, r]
        for k in range(H): past[r, k] = dh[r, k] * z[k]
        for k in range(H): d[k] = dh[r, k] * (states[t, r, k] - z[2 * H + k]) * z[k] * (one - z[k])
        for k in range(H): d[2 * H + k] = dh[r, k] * (one - z[k]) * (one - z[2 * H + k] * z[2 * H + k])
        for k in range(H): d[H + k] = d[2 * H + k] * of_h[t, r, k] * z[H + k] * (one - z[H + k])
        dz_h[t, r, : 2 * H] = d[: 2 * H]
        for k in range(H): dz_h[t, r, 2 * H + k] = d[2 * H + k] * z[H + k]

# — what fused.py calls: arguments and types as in steps.py ———————————————————————————————————————————————————

def lstm(gates, states, tanh_C, W_h, valid):
    _forth(_lstm, states[0], W_h, valid, gates, states, tanh_C)

def lstm_back(dy, gates, states, tanh_C, W_back, dz, valid):
    dC = np.zeros_like(tanh_C[0])
    return _back(_lstm_back, dy, W_back, dz, valid, dC, gates, states, tanh_C, dz), dC

def gru(gates, states, of_h, W_h, b_rn, valid):
    _forth(_gru, states, W_h, valid, gates, states, of_h, _plain(b_rn, gates.dtype))

def gru_back(dy, gates, states, of_h, W_back, dz_x, dz_h, valid):
    return _back(_gru_back, dy, W_back, dz_h, valid, gates, states, of_h, dz_x, dz_h)

def _forth(step: Any, hs: Array, W_h: Array, valid: Array | None, gates: Array, *others: Array) -> None:
    from_h, valid = np.empty_like(gates[0]), _rows(valid, gates)
    for t in range(len(gates)):
        np.matmul(hs[t], W_h, out=from_h)
        step(t, from_h, gates, *others, valid)

def _back(step: Any, dy: Array, W_back: Array, dz: Array, valid: Array | None, *arrays: Array) -> Array:
    dy, valid = _plain(dy, dz.dtype), _rows(valid, dz)
    dh, past = np.zeros((2, dz.shape[1], W_back.shape[1]), dz.dtype)  # past: what goes by the product with W
    for t in reversed(range(len(dz))):
        step(t, dy, dh, past, *arrays, valid)
        np.matmul(dz[t], W_back, out=dh)
    return dh + past

def _plain(array: Array, dtype: Any) -> Array:
    """The array as what was compiled for: contiguous and writable. Copied only if it is not."""
    return np.require(array, dtype, ["C", "W"])

def _rows(valid: Array | None, gates: Array) -> Array:
    return np.ones(gates.shape[1::-1], bool) if valid is None else _plain(valid, bool)

"""The steps of the fused ops, one after the other, in NumPy: the part of a sequence that cannot be done all at once.

All arrays have the order of time, (time, batch, …), and are there before; "gates" hold the part of x, and after the
way forward the gates themselves. `valid` (batch, time) says which steps of each row count; a row that is over keeps
its state, and hands its gradient on unchanged. `steps_numba.py` has the same functions, compiled.

NumPy goes through a whole array several times faster than through a view of some of its columns. So the scaling of the
gates (½ + ½ tanh) and their slopes are computed in full width, and what is wrong there for C̃ is written over.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..tensor import Array

IN_CACHE = 2**16  # numbers: the factors of so many steps at once are made before the way back goes through them


def lstm(gates: Array, states: Array, tanh_C: Array, W_h: Array, valid: Array | None) -> None:
    """gates o, f, i, C̃ (time, batch, 4 · hidden), states [h, C] (2, time + 1, batch, hidden) from the first on."""
    (h, *hs), (C, *Cs) = states
    from_h, written = np.empty_like(gates[0]), np.empty_like(C)
    factor, shift = np.full_like(from_h, 0.5), np.full_like(from_h, 0.5)
    factor[:, 3 * h.shape[1] :], shift[:, 3 * h.shape[1] :] = 1, 0
    views = zip(gates, *parts(gates, 4), tanh_C, hs, Cs, strict=True)
    for t, (z, o, f, i, C_new, squashed, next_h, next_C) in enumerate(views):
        np.matmul(h, W_h, out=from_h)
        z += from_h
        np.tanh(z, out=z)
        z *= factor
        z += shift
        np.multiply(f, C, out=next_C)
        np.multiply(i, C_new, out=written)
        next_C += written
        np.tanh(next_C, out=squashed)
        np.multiply(o, squashed, out=next_h)
        _keep_over(next_h, h, valid, t)
        _keep_over(next_C, C, valid, t)
        h, C = next_h, next_C


def lstm_back(
    dy: Array, gates: Array, states: Array, tanh_C: Array, W_back: Array, dz: Array, valid: Array | None
) -> tuple[Array, Array]:
    """Fill dz, the gradient before σ and tanh of the gates, and return that of the first h and C."""
    (time, batch, H), (o, f, i, C_new), Cs = tanh_C.shape, parts(gates, 4), states[1]
    by_o, by_f, by_i, by_C_new = parts(dz, 4)  # dz begins as ∂h/∂z_o, and ∂C/∂z of f, i and C̃
    dh, dC, through_h = np.zeros((3, batch, H), gates.dtype)
    d = np.empty((batch, 4, H), gates.dtype)  # what has arrived at o, f, i and C̃: dh, and three times dC
    for steps in _blocks(time, gates[0].size):
        slope = np.subtract(1, gates[steps], out=dz[steps])  # of σ; that of C̃ is written over
        slope *= gates[steps]
        by_o[steps] *= tanh_C[steps]
        by_f[steps] *= Cs[steps]
        by_i[steps] *= C_new[steps]
        np.multiply(i[steps], _tanh_slope(C_new[steps]), out=by_C_new[steps])
        dC_by_dh = _tanh_slope(tanh_C[steps])
        dC_by_dh *= o[steps]
        for t in reversed(range(steps.start, steps.stop)):
            dh += dy[0, :, t]
            dC += dy[1, :, t]
            over = _over(valid, t)
            past_h, past_C = (None, None) if over is None else (dh[over], dC[over])
            np.multiply(dh, dC_by_dh[t - steps.start], out=through_h)
            dC += through_h
            d[:, 0], d[:, 1:] = dh, dC[:, None]
            dz[t] *= d.reshape(batch, 4 * H)
            if over is not None:
                dz[t, over] = 0
            dC *= f[t]
            np.matmul(dz[t], W_back, out=dh)
            if over is not None:
                dh[over], dC[over] = past_h, past_C
    return dh, dC


def rnn(sums: Array, states: Array, W_h: Array, valid: Array | None) -> None:
    """sums (time, batch, hidden) hold the part of x, states h from the first on, (time + 1, batch, hidden)."""
    from_h = np.empty_like(sums[0])
    for t, z in enumerate(sums):
        np.matmul(states[t], W_h, out=from_h)
        z += from_h
        np.tanh(z, out=states[t + 1])
        _keep_over(states[t + 1], states[t], valid, t)


def rnn_back(dy: Array, states: Array, W_back: Array, dz: Array, valid: Array | None) -> Array:
    """Fill dz, the gradient before tanh, and return that of the first h."""
    dh = np.zeros_like(states[0])
    for steps in _blocks(len(dz), dh.size):
        dz[steps] = _tanh_slope(states[1:][steps])
        for t in reversed(range(steps.start, steps.stop)):
            dh += dy[:, t]
            over = _over(valid, t)
            past = None if over is None else dh[over]
            dz[t] *= dh
            if over is not None:
                dz[t, over] = 0
            np.matmul(dz[t], W_back, out=dh)
            if over is not None:
                dh[over] = past
    return dh


def gru(gates: Array, states: Array, of_h: Array, W_h: Array, b_rn: Array, valid: Array | None) -> None:
    """gates z, r, n (time, batch, 3 · hidden), states h from the first on; `of_h` gets h · W_hn + b_rn."""
    H, from_h = states.shape[2], np.empty_like(gates[0])
    for t, (zr, z, r, n) in enumerate(zip(gates[..., : 2 * H], *parts(gates, 3), strict=True)):
        np.matmul(states[t], W_h, out=from_h)
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


def gru_back(
    dy: Array, gates: Array, states: Array, of_h: Array, W_back: Array, dz_x: Array, dz_h: Array, valid: Array | None
) -> Array:
    """Fill dz_x and dz_h, the gradients at x · W and at h · W, and return that of the first h."""
    (time, _, H), (z, r, n) = of_h.shape, parts(gates, 3)
    by_z, by_r, by_n = parts(dz_x, 3)  # they begin as ∂h/∂z of z and n, and ∂z_n/∂z_r
    dh = np.zeros_like(states[0])
    for steps in _blocks(time, gates[0].size):
        slope = np.subtract(1, gates[steps], out=dz_x[steps])  # of σ; that of n is written over
        np.multiply(slope[..., :H], _tanh_slope(n[steps]), out=by_n[steps])
        slope[..., : 2 * H] *= gates[steps, :, : 2 * H]
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
    return dh


def parts(array: Array, n: int) -> list[Array]:
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


def _over(valid: Array | None, t: int) -> Array | None:
    """(batch,): the rows that are over at step t; None where there is none."""
    return None if valid is None or valid[:, t].all() else ~valid[:, t]


def _keep_over(new: Array, old: Array, valid: Array | None, t: int) -> None:
    """Let the rows that are over keep their state."""
    if (over := _over(valid, t)) is not None:
        new[over] = old[over]

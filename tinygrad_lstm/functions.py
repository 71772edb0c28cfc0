"""What no cell is made of, with NumPy's names and keywords: short compositions of ops, and a few more ops.

Tensors in, Tensor out; arrays in, array out. Of any order: each op below has its gradient rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as _count
from typing import Any

import numpy as np

from . import ops
from .op import op
from .tensor import Array, Axis, Shape, Tensor, X, values


def squeeze(x: X, *, axis: Axis = None) -> X:
    """Without the axes of length 1: all of them, or those of `axis`. Raises ValueError where one of these is longer."""
    x = _array(x)
    gone = {k for k, n in enumerate(x.shape) if n == 1} if axis is None else _axes(x, axis)
    if any(x.shape[k] != 1 for k in gone):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} is longer than 1, so it cannot be dropped.")
    return ops.reshape(x, shape=tuple(n for k, n in enumerate(x.shape) if k not in gone))


def var(x: X, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> X:
    """The variance Σ (x − mean)² / (n − ddof) over the axes (all of them by default).

    ddof=0 is NumPy's default; PyTorch's is 1. Raises ValueError where n − ddof is not above 0.
    """
    x = _array(x)
    n = _count(x.shape[k] for k in _axes(x, axis))
    if n <= ddof:
        raise ValueError(f"var: {n} entries (axis {axis} of shape {x.shape}) are too few for ddof={ddof}.")
    away = ops.sub(x, ops.mean(x, axis=axis, keepdims=True))
    return ops.div(ops.sum(ops.mul(away, away), axis=axis, keepdims=keepdims), float(n - ddof))


def std(x: X, *, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> X:
    """The standard deviation √var. Where all entries are equal its gradient is taken as 0, as in PyTorch."""
    return _root(var(x, axis=axis, ddof=ddof, keepdims=keepdims))


def norm(x: X, *, axis: Axis = None, keepdims: bool = False) -> X:
    """The Euclidean norm √Σ x² over the axes (all of them by default). At 0 its gradient is taken as 0.

    x is divided by its largest entry first, so that no square overflows; that entry counts as a constant, since it
    changes neither the value nor the gradient.
    """
    x = _array(x)
    top = np.max(np.abs(values(x)), axis=axis, keepdims=True, initial=0)
    top = np.where((top > 0) & np.isfinite(top), top, 1)
    scaled = ops.div(x, top)
    length = ops.mul(_root(ops.sum(ops.mul(scaled, scaled), axis=axis, keepdims=True)), top)
    return length if keepdims else squeeze(length, axis=tuple(_axes(x, axis)))


def _turned(axis: int, ndim: int) -> tuple[slice, ...]:
    """The index that turns one axis round."""
    return (slice(None),) * (axis % ndim) + (slice(None, None, -1),)


def _cumsum_x(dy: Any, y: Any, x: Any, axis: int | None = None) -> Any:
    turned = _turned(axis or 0, y.ndim)
    return cumsum(dy[turned], axis=axis or 0)[turned].reshape(x.shape)


@op("cumsum", "y = the sums of x up to each entry, along an axis; of all entries in one row without an axis.")
def cumsum(x: Array, *, axis: int | None = None) -> Array:
    return np.cumsum(x, axis)


cumsum.wrt("x", "Σ dy from there on", _cumsum_x)


@op("sin", "y = sin x.")
def sin(x: Array) -> Array:
    return np.sin(x)


@op("cos", "y = cos x.")
def cos(x: Array) -> Array:
    return np.cos(x)


sin.wrt("x", "dy · cos x", lambda dy, y, x: dy * cos(x))
cos.wrt("x", "−dy · sin x", lambda dy, y, x: -dy * sin(x))


@op("mod", "y = a − b · ⌊a / b⌋, with the sign of b, as Python's %.", broadcasts=True)
def mod(a: Array, b: Array) -> Array:
    return np.mod(a, b)


mod.wrt("a", "dy", lambda dy, y, a, b: dy)
mod.wrt("b", "−dy · ⌊a / b⌋", lambda dy, y, a, b: -dy * np.floor_divide(values(a), values(b)))


def flatten(x: X, *, start: int = 0) -> X:
    """All axes from `start` on as one. Raises ValueError where x has no such axis."""
    x = _array(x)
    if not -x.ndim <= start <= max(x.ndim - 1, 0):
        raise ValueError(f"flatten: start={start} is no axis of shape {x.shape}.")
    kept: Shape = x.shape[: start % max(x.ndim, 1)]
    return ops.reshape(x, shape=(*kept, _count(x.shape[len(kept) :])))


def unsqueeze(x: X, *, axis: int) -> X:
    """With a new axis of length 1 at that place, counted in the result."""
    x = _array(x)
    place: int = np.lib.array_utils.normalize_axis_tuple(axis, x.ndim + 1)[0]
    return ops.reshape(x, shape=(*x.shape[:place], 1, *x.shape[place:]))


def flip(x: X, *, axis: Axis = None) -> X:
    """Turned round along the axes (all of them by default)."""
    x = _array(x)
    turned = _axes(x, axis)
    return ops.take(x, index=tuple(slice(None, None, -1 if k in turned else None) for k in range(x.ndim)))


def pad(x: X, width: Any) -> X:
    """Zeros around x: `width` of them at both ends of each axis, or (before, after), or such a pair for each axis.

    Raises ValueError for a negative width.
    """
    x = _array(x)
    pairs = np.broadcast_to(np.asarray(width), (x.ndim, 2)).tolist()
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"pad: a width cannot be negative, as in {width!r}.")
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pairs, strict=True))
    return ops.put(x, index=inner, shape=tuple(n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True)))


def prod(x: X, *, axis: Axis = None, keepdims: bool = False) -> X:
    """The product over the axes (all of them by default), in halves, so that its gradient is right at 0 too."""
    x = _array(x)
    gone: list[int] = sorted(_axes(x, axis))
    kept: list[int] = [k for k in range(x.ndim) if k not in gone]
    shape = tuple(1 if k in gone else n for k, n in enumerate(x.shape))
    n = _count(x.shape[k] for k in gone)
    y: Any = ops.reshape(ops.transpose(x, axes=(*gone, *kept)), shape=(n, *(x.shape[k] for k in kept)))
    if n == 0:
        y, n = ops.reshape(ops.sum(y, axis=0) + 1.0, shape=(1, *y.shape[1:])), 1
    while n > 1:
        rest = y[2 * (n // 2) :]
        y = ops.concat(ops.mul(y[: n // 2], y[n // 2 : 2 * (n // 2)]), rest, axis=0)
        n = n // 2 + n % 2
    return ops.reshape(y, shape=shape if keepdims else tuple(x.shape[k] for k in kept))


def tril(x: X, *, k: int = 0) -> X:
    """Of the last two axes what is not above the k-th diagonal, and 0 above it."""
    x = _array(x)
    return ops.where(np.tri(x.shape[-2], x.shape[-1], k, bool), x, 0.0)


def triu(x: X, *, k: int = 0) -> X:
    """Of the last two axes what is not below the k-th diagonal, and 0 below it."""
    x = _array(x)
    return ops.where(np.tri(x.shape[-2], x.shape[-1], k - 1, bool), 0.0, x)


def tensordot(a: X, b: X, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> X:
    """The sum over pairs of axes: the last `axes` of a with the first of b, or those that are listed.

    Raises ValueError where two of them are not as long.
    """
    a, b = _array(a), _array(b)
    pair = (range(a.ndim - axes, a.ndim), range(axes)) if isinstance(axes, int) else axes
    left: list[int] = [k % a.ndim for k in pair[0]]
    right: list[int] = [k % b.ndim for k in pair[1]]
    if [a.shape[k] for k in left] != [b.shape[k] for k in right]:
        raise ValueError(f"tensordot: axes={axes} of shapes {a.shape} and {b.shape} are not as long.")
    rows: list[int] = [k for k in range(a.ndim) if k not in left]
    columns: list[int] = [k for k in range(b.ndim) if k not in right]
    n = _count(a.shape[k] for k in left)
    outer: list[list[int]] = [[a.shape[k] for k in rows], [b.shape[k] for k in columns]]
    flat_a = ops.reshape(ops.transpose(a, axes=(*rows, *left)), shape=(_count(outer[0]), n))
    flat_b = ops.reshape(ops.transpose(b, axes=(*right, *columns)), shape=(n, _count(outer[1])))
    return ops.reshape(ops.matmul(flat_a, flat_b), shape=(*outer[0], *outer[1]))


def einsum(subscripts: str, *xs: X) -> X:
    """Einstein's sum, as NumPy's: `einsum("bij,bkj->bik", a, b)`. Each letter names an axis, once in each input.

    Raises ValueError where an input names an axis twice (a diagonal), or lengths differ.
    """
    return einsum_of(*xs, subscripts=subscripts.replace(" ", ""))


def _letters(subscripts: str, n: int) -> tuple[list[str], str]:
    """The letters of each input, and those of the output: by default those that occur once, in order."""
    left, arrow, out = subscripts.partition("->")
    inputs = left.split(",")
    if len(inputs) != n or not all(part.isalpha() or not part for part in inputs):
        raise ValueError(f"einsum: {subscripts!r} does not name the axes of {n} inputs, a letter for each")
    if twice := [c for part in inputs for c in part if part.count(c) > 1]:
        raise ValueError(f"einsum: an input names {twice[0]!r} twice; a diagonal is not taken here")
    joined = "".join(inputs)
    return inputs, out if arrow else "".join(sorted(c for c in set(joined) if joined.count(c) == 1))


@op("einsum", "y = Σ of the products over all axes that the output does not name.")
def einsum_of(*xs: Array, subscripts: str) -> Array:
    inputs, out = _letters(subscripts, len(xs))
    return np.einsum(f"{','.join(inputs)}->{out}", *xs)


def _einsum_back(dy: Any, y: Any, *xs: Any, subscripts: str) -> list[Any]:
    inputs, out = _letters(subscripts, len(xs))
    shares = []
    for k, (mine, x) in enumerate(zip(inputs, xs, strict=True)):
        others = [(part, z) for j, (part, z) in enumerate(zip(inputs, xs, strict=True)) if j != k]
        there = "".join(c for c in mine if c in out or any(c in part for part, _ in others))
        left = ",".join([out, *(part for part, _ in others)])
        share = einsum_of(dy, *(z for _, z in others), subscripts=f"{left}->{there}")
        shape = tuple(n if c in there else 1 for c, n in zip(mine, x.shape, strict=True))
        shares.append(ops.broadcast_to(share.reshape(shape), shape=x.shape))  # an axis that was summed alone
    return shares


einsum_of.joint("Σ dy · the others", _einsum_back)


def _array(x: X) -> X:
    """Numbers and lists as an array."""
    return x if isinstance(x, Tensor) else np.asarray(x)


def _root(square: X) -> X:
    """√square, with gradient 0 (not ∞) at 0."""
    zero = square == 0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, square)))


def _axes(x: Tensor | Array, axis: Axis) -> set[int]:
    """The axes that `axis` means, counted from 0. Raises ValueError for one that x does not have, or given twice."""
    axes = range(x.ndim) if axis is None else axis
    return set(np.lib.array_utils.normalize_axis_tuple(axes, x.ndim))

"""What no cell is made of, with NumPy's names and keywords: short compositions of ops, and a few more ops.

Tensors in, Tensor out; arrays in, array out. Of any order: each op below has its gradient rule.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import ops
from .op import op
from .tensor import Array, Axis, Tensor, X, values


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
    n = prod(x.shape[k] for k in _axes(x, axis))
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

"""The table of ops: each has its label, its forward function, and for each input a formula and a rule.

All take Tensors or arrays: arrays in, array out; with a Tensor among them, a Tensor out. Data is positional, settings
are keywords: `sum(x, axis=0)`. In the formulas dy is dL/dy, what has arrived at the output y. One op, one block:

    @op(label in the drawing, what it computes)
    def forward on arrays
    .wrt(input, formula on the edge, rule)         or .joint(formula, rule) for all inputs at once
"""

import builtins
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .numerics import along, own, sections_of, share_of, unmasked
from .op import Piece, op, sum_to
from .tensor import Array, Axis, Shape, X, values


# — arithmetic ———————————————————————————————————————————————————————————————————————————————————————————
@op("+", "y = a + b. Each input receives the whole gradient: a sum is a junction, not a filter.", broadcasts=True)
def add(a: Array, b: Array) -> Array:
    return a + b


add.wrt("a", "dy", lambda dy, y, a, b: dy)
add.wrt("b", "dy", lambda dy, y, a, b: dy)


@op("−", "y = a − b.", broadcasts=True)
def sub(a: Array, b: Array) -> Array:
    return a - b


sub.wrt("a", "dy", lambda dy, y, a, b: dy)
sub.wrt("b", "−dy", lambda dy, y, a, b: -dy)


@op("×", "y = a · b, entry by entry. Each input's gradient is scaled by the other input: a gate.", broadcasts=True)
def mul(a: Array, b: Array) -> Array:
    return a * b


mul.wrt("a", "dy · b", lambda dy, y, a, b: dy * b)
mul.wrt("b", "dy · a", lambda dy, y, a, b: dy * a)


@op("÷", "y = a / b.", broadcasts=True)
def div(a: Array, b: Array) -> Array:
    return a / b


div.wrt("a", "dy / b", lambda dy, y, a, b: dy / b)
div.wrt("b", "−dy · y / b", lambda dy, y, a, b: -dy * y / b)


@op("neg", "y = −x.")
def neg(x: Array) -> Array:
    return -x


neg.wrt("x", "−dy", lambda dy, y, x: -dy)


@op("pow", "y = aᵇ. The gradient of b is taken as 0 where a ≤ 0, and that of a as 0 where b = 0.", broadcasts=True)
def power(a: Array, b: Array) -> Array:
    return np.power(a, b)


def _power_a(dy: Any, y: Any, a: Any, b: Any) -> Any:
    no_number = (b == 0) & ((a == 0) | ~np.isfinite(values(a)))  # 0 · ∞ below
    return dy * b * where(no_number, 1.0, a) ** (b - 1)


power.wrt("a", "dy · b · aᵇ⁻¹", _power_a)
power.wrt("b", "dy · y · ln a", lambda dy, y, a, b: dy * where(a > 0, y, 0.0) * log(where(a > 0, a, 1.0)))


@op("exp", "y = eˣ.")
def exp(x: Array) -> Array:
    return np.exp(x)


exp.wrt("x", "dy · y", lambda dy, y, x: dy * y)


@op("ln", "y = ln x.")
def log(x: Array) -> Array:
    return np.log(x)


log.wrt("x", "dy / x", lambda dy, y, x: dy / x)


@op("√", "y = √x.")
def sqrt(x: Array) -> Array:
    return np.sqrt(x)


sqrt.wrt("x", "dy / 2y", lambda dy, y, x: dy / (2 * y))


@op("abs", "y = |x|, with gradient 0 at x = 0.", pieces=True)
def abs(x: Array) -> Array:
    return np.abs(x)


abs.wrt("x", "dy · sign x", lambda dy, y, x: where(x > 0, dy, where(x < 0, -dy, 0.0)))


# — choosing —————————————————————————————————————————————————————————————————————————————————————————————
@op(
    "max",
    "y = the larger of a and b, entry by entry; equal entries share the gradient in halves.",
    broadcasts=True,
    pieces=True,
)
def maximum(a: Array, b: Array) -> Array:
    return np.maximum(a, b)


maximum.wrt("a", "dy where y = a", lambda dy, y, a, b: dy * share_of(a, b, y))
maximum.wrt("b", "dy where y = b", lambda dy, y, a, b: dy * share_of(b, a, y))


@op(
    "min",
    "y = the smaller of a and b, entry by entry; equal entries share the gradient in halves.",
    broadcasts=True,
    pieces=True,
)
def minimum(a: Array, b: Array) -> Array:
    return np.minimum(a, b)


minimum.wrt("a", "dy where y = a", lambda dy, y, a, b: dy * share_of(a, b, y))
minimum.wrt("b", "dy where y = b", lambda dy, y, a, b: dy * share_of(b, a, y))


@op(
    "clip",
    "y = x kept within [low, high], numbers or arrays. The bounds let pass, outside does not.",
    broadcasts=True,
    pieces=True,
)
def clip(x: Array, *, low: Any = None, high: Any = None) -> Array:
    return np.clip(x, low, high)


clip.wrt("x", "dy where low ≤ x ≤ high", lambda dy, y, x, low=None, high=None: where(y == x, dy, 0.0))


@op("where", "y = a where the condition holds, else b. The condition carries no gradient.", broadcasts=True)
def where(condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition, a, b)


where.wrt("condition", "", None)
where.wrt("a", "dy where true", lambda dy, y, condition, a, b: where(condition, dy, 0.0))
where.wrt("b", "dy where false", lambda dy, y, condition, a, b: where(condition, 0.0, dy))


@op("=", "y = slope, which x has chosen: constant in each of its pieces, so its derivative there is 0.")
def chosen(slope: Array, x: Array) -> Array:
    return slope


chosen.wrt("slope", "dy", lambda dy, y, slope, x: dy)
chosen.wrt("x", "0", lambda dy, y, slope, x: where(False, x, 0.0))


# — activations ——————————————————————————————————————————————————————————————————————————————————————————
@op("σ", "y = 1 / (1 + e⁻ˣ). Far below 0 the power overflows to ∞, and 1/∞ is the 0 that is meant.")
@np.errstate(over="ignore")
def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


sigmoid.wrt("x", "dy · y · (1 − y)", lambda dy, y, x: dy * y * (1 - y))


@op("tanh", "y = tanh x.")
def tanh(x: Array) -> Array:
    return np.tanh(x)


tanh.wrt("x", "dy · (1 − y²)", lambda dy, y, x: dy * (1 - y * y))


@op("relu", "y = max(x, 0), with gradient 0 at x = 0.", pieces=True)
def relu(x: Array) -> Array:
    return np.maximum(x, 0)


relu.wrt("x", "dy where x > 0", lambda dy, y, x: dy * (x > 0))


@op("leaky relu", "y = x where x > 0, else negative_slope · x.", pieces=True)
def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    return np.where(x > 0, x, negative_slope * x)


leaky_relu.wrt("x", "dy, or dy · slope", lambda dy, y, x, negative_slope=0.01: where(x > 0, dy, negative_slope * dy))


@op("softplus", "y = ln(1 + eˣ), a smooth relu.")
def softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


softplus.wrt("x", "dy · σ(x)", lambda dy, y, x: dy * sigmoid(x))


@op(
    "hard σ",
    "y = slope · x + ½ kept within [0, 1]. PyTorch and Keras 3 have slope 1/6, Keras 1 and 2 had 0.2.",
    pieces=True,
)
def hard_sigmoid(x: Array, *, slope: float = 1 / 6) -> Array:
    return np.clip(slope * x + 0.5, 0, 1)


hard_sigmoid.wrt("x", "dy · slope where 0 < y < 1", lambda dy, y, x, slope=1 / 6: dy * slope * ((y > 0) & (y < 1)))


# — matrices —————————————————————————————————————————————————————————————————————————————————————————————
@op(
    "@",
    "y = a · b, the matrix product; leading axes are a batch, a vector is a row (a) or a column (b).",
    broadcasts=True,
    hint="The last axis of a must be as long as the second-last of b (or b's only one).",
)
def matmul(a: Array, b: Array) -> Array:
    return a @ b


def _matrix(dy: Any, a: Any, b: Any) -> Any:
    """dy with the axis of length 1 that a vector among the inputs has cost it."""
    dy = dy[..., None] if b.ndim == 1 else dy
    return dy[..., None, :] if a.ndim == 1 else dy


def _matmul_a(dy: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim >= b.ndim == 2 and type(b) is np.ndarray:
        rows = dy.reshape(-1, dy.shape[-1])  # all in one product; of few, BLAS is faster with b as it lies in memory
        return (rows @ b.T if a.ndim > 2 else (b @ rows.T).T).reshape(a.shape)
    return _matrix(dy, a, b) @ (b[:, None] if b.ndim == 1 else b).swapaxes(-1, -2)


def _matmul_b(dy: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return a.T @ dy
    rows = a[None, :] if a.ndim == 1 else a
    dy = _matrix(dy, a, b)
    if b.ndim <= 2:  # one matrix for the whole batch: all rows in one product
        rows, dy = (part.reshape(prod(part.shape[:-1]), part.shape[-1]) for part in (rows, dy))
    return (rows.swapaxes(-1, -2) @ dy)[..., 0] if b.ndim == 1 else rows.swapaxes(-1, -2) @ dy


matmul.wrt("a", "dy · bᵀ", _matmul_a)
matmul.wrt("b", "aᵀ · dy", _matmul_b)


# — along axes ———————————————————————————————————————————————————————————————————————————————————————————
AXES = "axis is None, an integer, or a tuple of them."


def _stretch(reduced: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced array (or its gradient) in x's shape again."""
    if axis is None:
        shape = (1,) * x.ndim
    else:
        axes = {a % (x.ndim or 1) for a in ((axis,) if isinstance(axis, int | np.integer) else axis)}
        shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    return broadcast_to(reduced.reshape(shape), shape=x.shape)


@op("sum", "y = Σ x over the axes (all of them by default).", hint=AXES)
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis, keepdims=keepdims)


sum.wrt("x", "dy", lambda dy, y, x, axis=None, keepdims=False: _stretch(dy, x, axis, keepdims))


@op("mean", "y = the mean of x over the axes.", hint=AXES)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.mean(x, axis, keepdims=keepdims)


mean.wrt(
    "x",
    "dy / n",
    lambda dy, y, x, axis=None, keepdims=False: _stretch(dy, x, axis, keepdims) * (y.size / (x.size or 1)),
)


@op("max", "y = the largest of x along the axes; equal ones share the gradient.", pieces=True, hint=AXES)
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.max(x, axis, keepdims=keepdims)


@op("min", "y = the smallest of x along the axes; equal ones share the gradient.", pieces=True, hint=AXES)
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.min(x, axis, keepdims=keepdims)


def _extreme(dy: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    extreme = x == _stretch(y, x, axis, keepdims)
    return _stretch(dy, x, axis, keepdims) * (extreme / extreme.sum(axis=axis, keepdims=True)).astype(x.dtype)


max.wrt("x", "dy at the maximum", _extreme)
min.wrt("x", "dy at the minimum", _extreme)


@op("logsumexp", "y = ln Σ eˣ over the axes, with the maximum taken out so that nothing overflows.", hint=AXES)
@np.errstate(divide="ignore")
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    top = np.max(x, axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # ∞ − ∞ is no number
    y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else y.squeeze(axis)


def _logsumexp_x(dy: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    top = np.max(values(x), axis, keepdims=True)
    infinite = (x == top) & np.isinf(top)  # ∞ − ∞ is no number; equal infinities share, as equal numbers do
    e = exp(where(infinite, 0.0, x) - where(infinite, 0.0, top))
    return _stretch(dy, x, axis, keepdims) * e / e.sum(axis=axis, keepdims=True)


logsumexp.wrt("x", "dy · softmax(x)", _logsumexp_x)


@op("softmax", "y = eˣ / Σ eˣ along one axis.")
def softmax(x: Array, *, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


softmax.wrt("x", "y · (dy − Σ dy·y)", lambda dy, y, x, axis=-1: y * (dy - (dy * y).sum(axis=axis, keepdims=True)))


@op("log softmax", "y = x − ln Σ eˣ along one axis.")
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


log_softmax.wrt("x", "dy − eʸ · Σ dy", lambda dy, y, x, axis=-1: dy - exp(y) * dy.sum(axis=axis, keepdims=True))


# — shapes and places: these move numbers and change none —————————————————————————————————————————————————————
@op("reshape", "The same entries in another shape; one length may be −1.")
def reshape(x: Array, *, shape: Shape) -> Array:
    return x.reshape(shape)


reshape.wrt("x", "dy", lambda dy, y, x, shape: dy.reshape(x.shape))


@op("transpose", "The axes in another order; reversed by default.")
def transpose(x: Array, *, axes: Sequence[int] | None = None) -> Array:
    return x.transpose(axes)


transpose.wrt(
    "x",
    "dyᵀ",
    lambda dy, y, x, axes=None: transpose(dy, axes=None if axes is None else np.argsort([k % x.ndim for k in axes])),
)


@op("swapaxes", "Two axes exchanged.")
def swapaxes(x: Array, *, axis1: int, axis2: int) -> Array:
    return x.swapaxes(axis1, axis2)


swapaxes.wrt("x", "dy", lambda dy, y, x, axis1, axis2: dy.swapaxes(axis1, axis2))


@op("broadcast", "x repeated along axes of length 1 (or new ones) until it has the shape.")
def broadcast_to(x: Array, *, shape: Shape) -> Array:
    return np.broadcast_to(x, shape)


broadcast_to.wrt("x", "Σ dy", lambda dy, y, x, shape: sum_to(dy, x.shape))


@op("[ ]", "y = x[index]: integers, slices, …, None, or arrays of integers or bools.")
def take(x: Array, *, index: Any) -> Array:
    return x[unmasked(index)]


take.wrt("x", "dy at the index", lambda dy, y, x, index: Piece(dy, index, x.shape))


@op("put", "Zeros of the shape, with x added at the index: the opposite of `take`.")
def put(x: Array, *, index: Any, shape: Shape) -> Array:
    y = np.zeros(shape, x.dtype)
    Piece(x, index, shape).add_to(y)
    return y


put.wrt("x", "dy[index]", lambda dy, y, x, index, shape: dy[index])


@op("embed", "y = the rows of weight (n, d) at an array of integers from 0 to n − 1, of shape index.shape + (d,).")
def embed(weight: Array, *, index: Any) -> Array:
    index = np.asarray(unmasked(index))
    if index.dtype.kind not in "iu":
        raise TypeError(f"the index must hold integers, not {index.dtype}")
    if index.size and not 0 <= index.min() <= index.max() < len(weight):
        raise IndexError(f"the index ranges over [{index.min()}, {index.max()}], but there are {len(weight)} rows")
    return weight[index]


embed.wrt("weight", "dy at each row", lambda dy, y, weight, index: Piece(dy, index, weight.shape))


@op("cast", "The same numbers as float32 or float64.")
def cast(x: Array, *, dtype: Any) -> Array:
    return x.astype(own((), dtype).dtype)


cast.wrt("x", "dy", lambda dy, y, x, dtype: dy.astype(x.dtype))


@op("concat", "y = the inputs joined along an axis that all have; xs one by one or as one list.")
def concat(*xs: Array, axis: int = -1) -> Array:
    return np.concatenate(xs, axis=axis)


concat.joint(
    "dy at its place",
    lambda dy, y, *xs, axis=-1: [dy[index] for index in along(axis, y.ndim, sections_of([x.shape[axis] for x in xs]))],
)


@op("stack", "y = the inputs joined along a new axis; xs one by one or as one list.")
def stack(*xs: Array, axis: int = 0) -> Array:
    return np.stack(xs, axis=axis)


stack.joint("dy at its place", lambda dy, y, *xs, axis=0: [dy[index] for index in along(axis, y.ndim, range(len(xs)))])


def split(x: X, sections: int | Sequence[int], *, axis: int = -1) -> list[X]:
    """Cut an axis into equal sections, or into sections of the given lengths: the opposite of `concat`.
    Raises ValueError where they do not add up to the axis.
    """
    lengths = [x.shape[axis] // sections] * sections if isinstance(sections, int) else list(sections)
    if builtins.sum(lengths) != x.shape[axis]:
        raise ValueError(f"split: sections {sections} do not add up to axis {axis} of shape {x.shape}.")
    return [x[index] for index in along(axis, x.ndim, sections_of(lengths))]

"""What is done with arrays alone: the one norm, the range of an array in words, sums at an index."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import hypot, inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

SAFE = 1e-24  # of a sum of squares: above it no square that matters has underflowed in float32


def norm(*arrays: Array) -> float:
    """√Σ x² over all entries of all arrays, which are one vector; 0 for none.

    A gradient that has vanished or exploded still has its norm, where the squares would be 0 or infinite; it is
    infinite or NaN exactly where an entry is.
    """
    if len(arrays) != 1:
        lengths = [norm(array) for array in arrays]
        return nan if any(length != length for length in lengths) else hypot(*lengths)
    flat = np.asarray(arrays[0]).reshape(-1)
    with np.errstate(all="ignore"):
        square = float(np.dot(flat, flat))
        if SAFE < square < inf:
            return sqrt(square)
        top = float(np.abs(flat).max(initial=0.0))
        if not top > 0 or not isfinite(top):
            return top
        scaled = flat / flat.dtype.type(top)
        return top * sqrt(float(np.dot(scaled, scaled)))


def extent(array: Array) -> str:
    """The range of an array in words, and what in it is not finite."""
    finite = array[np.isfinite(array)]
    words = [f"[{finite.min():.3g}, {finite.max():.3g}]"] if finite.size else []
    words += [f"{n} {kind}" for kind, n in (("NaN", np.isnan(array).sum()), ("infinite", np.isinf(array).sum())) if n]
    return " with ".join(words) or "nothing"


def add_at(total: Array, index: Any, values: Array) -> None:
    """total[index] += values in place, where an index that occurs twice counts twice."""
    if is_basic(index):
        total[index] += values
    elif total.ndim > 1 and isinstance(index, np.ndarray) and index.dtype.kind != "b":
        index = index.reshape(-1).astype(np.intp) % len(total)  # intp, since 256 is no uint8
        order = np.argsort(index, kind="stable")  # sorted rows are summed 6 times as fast as by np.add.at
        rows, first = np.unique(index[order], return_index=True)
        values = values.reshape(len(index), *total.shape[1:])
        if len(rows) == len(index):  # none occurs twice
            total[index] += values
        else:
            total[rows] += np.add.reduceat(values[order], first)
    else:
        np.add.at(total, index, values)


def is_basic(index: Any) -> bool:
    """Whether an index is made of integers, slices, None and … only, so that no entry can occur twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts)


def own(value: Any, dtype: DTypeLike | None = None) -> Array:
    """A read-only copy of `value` as float32 or float64: nobody else can change it afterwards.

    Float arrays keep their dtype, Python numbers and lists become float32, unless `dtype` says otherwise.
    Raises TypeError for integer, bool, float16 and complex arrays, masked ones, and for what is no array at all.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("Tensor: the mask of a masked array would be lost. Use .filled(number), or a loss's mask=.")
    try:
        array = np.array(getattr(value, "_data", value))  # that of a Tensor
    except ValueError as exc:
        raise TypeError(f"Tensor: cannot make an array of numbers from {value!r:.60} ({exc}).") from None
    if array.dtype.kind in "fiub" and (dtype is not None or not hasattr(value, "dtype")):
        array = array.astype(dtype or np.float32)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        hint = "Integer arrays are for indices; " if array.dtype.kind in "iub" else ""
        raise TypeError(f"Tensor: dtype {array.dtype} cannot carry gradients. {hint}use float32 or float64.")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    array.setflags(write=False)
    return array


def unpacked(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """`(2, 3)` from either `f(2, 3)` or `f((2, 3))`, as NumPy's methods take their shapes."""
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments


def share_of(mine: Any, other: Any, y: Any) -> Array:
    """1 where my entry was chosen, ½ where the other's is equal: then they share the gradient."""
    return ((mine == y) / (1 + 1.0 * (other == y))).astype(mine.dtype)


def unmasked(index: Any) -> Any:
    if np.ma.MaskedArray in map(type, index if type(index) is tuple else (index,)):
        raise TypeError("the index is a masked array, whose mask would be lost: index.filled(…) or index.compressed()")
    return index


def along(axis: int, ndim: int, parts: Sequence[Any]) -> list[Any]:
    """For each part an index that takes it along one axis, and all of the other axes."""
    return [(slice(None),) * (axis % ndim) + (part,) for part in parts]


def sections_of(lengths: Sequence[int]) -> list[slice]:
    """Slices of these lengths, one after the other."""
    return [slice(end - n, end) for n, end in zip(lengths, accumulate(lengths), strict=True)]

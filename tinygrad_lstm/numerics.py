"""The one norm: the length of some arrays as one vector, whatever their size."""

from __future__ import annotations

from math import hypot, inf, isfinite, nan, sqrt

import numpy as np

from .tensor import Array

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

"""All derivatives of one tensor with respect to another."""

import numpy as np

from ..engine import grad
from ..tensor import Array, Tensor


def jacobian(y: Tensor, x: Tensor) -> Array:
    """dy/dx as an array of shape y.shape + x.shape: one backward for each entry of y.

    Raises RuntimeError where no path leads from x to y, or x needs no gradient.
    """
    rows = [grad(y, x, seed.reshape(y.shape))[0].numpy() for seed in np.eye(y.size, dtype=y.dtype)]
    return np.array(rows, dtype=x.dtype).reshape(y.shape + x.shape)

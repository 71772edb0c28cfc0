"""Initial values of parameters, named as in Keras. Each takes a shape and a random generator and gives an array."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Literal

import numpy as np

from ..tensor import Array, Shape

Seed = int | np.random.Generator | None  # the same numbers from the same integer, others each time from None
Initializer = Callable[[Shape, np.random.Generator], Array]
InitializerName = Literal[
    "zeros", "ones", "identity", "orthogonal", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "random_normal",
]  # fmt: skip


def zeros(shape: Shape, rng: np.random.Generator) -> Array:
    return np.zeros(shape)


def ones(shape: Shape, rng: np.random.Generator) -> Array:
    return np.ones(shape)


def identity(shape: Shape, rng: np.random.Generator) -> Array:
    """The identity matrix, as in the IRNN (Le, Jaitly, Hinton 2015)."""
    return np.eye(shape[0], shape[1])


def orthogonal(shape: Shape, rng: np.random.Generator) -> Array:
    """Orthonormal rows or columns (Saxe, McClelland, Ganguli 2014): such a matrix keeps the norm of a gradient."""
    tall = shape if shape[0] >= shape[1] else shape[::-1]
    q, r = np.linalg.qr(rng.standard_normal(tall))
    q = q * np.sign(np.diagonal(r))  # without this the distribution is not uniform over all orthogonal matrices
    return q if q.shape == shape else q.T


def _fans(shape: Shape) -> tuple[int, int]:
    return prod(shape[:-1]), shape[-1]


def _uniform(shape: Shape, rng: np.random.Generator, variance: float) -> Array:
    limit = np.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape)


def glorot_uniform(shape: Shape, rng: np.random.Generator) -> Array:
    """Variance 2 / (fan_in + fan_out) (Glorot, Bengio 2010, equation 16)."""
    return _uniform(shape, rng, 2 / sum(_fans(shape)))


def glorot_normal(shape: Shape, rng: np.random.Generator) -> Array:
    """Variance 2 / (fan_in + fan_out), normally distributed."""
    return rng.normal(0, np.sqrt(2 / sum(_fans(shape))), shape)


def he_uniform(shape: Shape, rng: np.random.Generator) -> Array:
    """Variance 2 / fan_in, for relu (He et al. 2015, equation 10)."""
    return _uniform(shape, rng, 2 / _fans(shape)[0])


def he_normal(shape: Shape, rng: np.random.Generator) -> Array:
    """Variance 2 / fan_in, normally distributed."""
    return rng.normal(0, np.sqrt(2 / _fans(shape)[0]), shape)


def random_normal(shape: Shape, rng: np.random.Generator) -> Array:
    """Standard deviation 0.05, as in Keras."""
    return rng.normal(0, 0.05, shape)


initializers: dict[str, Initializer] = {
    f.__name__: f
    for f in (zeros, ones, identity, orthogonal, glorot_uniform, glorot_normal, he_uniform, he_normal, random_normal)
}


def initializer_of(choice: InitializerName | Initializer) -> Initializer:
    """The initialiser of that name, or the function itself. Raises ValueError for an unknown name."""
    if callable(choice):
        return choice
    if choice not in initializers:
        raise ValueError(f"initializer {choice!r} is unknown. Known: {', '.join(sorted(initializers))}, or a function.")
    return initializers[choice]

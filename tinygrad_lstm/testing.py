"""Gradient checks, for the tests of this project and for learners' own ops and cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import grad
from .tensor import Array, Tensor


def gradcheck(
    f: Callable[..., Tensor],
    inputs: Sequence[Any],
    *,
    order: int = 2,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> bool:
    """Compare the gradients of f with central differences, for every entry of every input, in float64.

    Where f is no single number, its dot product with fixed random weights is taken. For order 2 the gradient itself is
    checked in the same way, and that it is the same on Tensors (`create_graph=True`) and on arrays.

    Args:
        f: takes Tensors, returns a Tensor.
        inputs: arrays or Tensors; their values are copied as float64.
        order: 1, or 2 for second derivatives too.
        eps: step of the differences, times max(1, |entry|).
        rtol, atol: |got − expected| may be atol + rtol · (largest |expected| of that input).

    Raises AssertionError that names the function, the input, the entry, what the rules gave and what was expected;
    ValueError for settings with which nothing would be checked.
    """
    if order < 1 or not all(0 < x < np.inf for x in (eps, rtol, atol)):
        raise ValueError(f"gradcheck: order={order}, eps={eps}, rtol={rtol}, atol={atol} must be 1 or 2, and above 0.")
    xs = [Tensor(x, dtype=np.float64, requires_grad=True) for x in inputs]
    rng = np.random.default_rng(0)
    name = getattr(f, "__name__", repr(f))
    function: Callable[..., Any] = f
    for k in range(1, order + 1):
        total = _weighted(function, xs, rng)
        slopes = grad(total(*xs), xs, allow_unused=True)
        expected = [_differences(total, xs, j, eps) for j in range(len(xs))]
        _compare(name, xs, slopes, expected, ("the rules", "central differences"), rtol, atol)
        if k < order:
            recorded = grad(total(*xs), xs, create_graph=True, allow_unused=True)
            arrays = [np.zeros(x.shape) if dx is None else dx.numpy() for x, dx in zip(xs, slopes, strict=True)]
            _compare(name, xs, recorded, arrays, ("the rules on Tensors", "the rules on arrays"), rtol, atol)
            name = f"gradient of {name}"
        function = _gradient(total)
    return True


def _weighted(f: Callable[..., Any], xs: list[Tensor], rng: np.random.Generator) -> Callable[..., Tensor]:
    """The sum over all outputs of f, each times fixed random weights."""
    weights = [rng.uniform(0.5, 1.5, y.shape) for y in _listed(f(*xs))]

    def total(*inputs: Tensor) -> Tensor:
        parts = [(y * w).sum() for y, w in zip(_listed(f(*inputs)), weights, strict=True)]
        return sum(parts[1:], parts[0])

    return total


def _gradient(f: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
    def gradients(*inputs: Tensor) -> list[Tensor]:
        y = f(*inputs)
        slopes = grad(y, inputs, create_graph=True, allow_unused=True)
        return [x * 0.0 if dx is None else x * 0.0 + dx for x, dx in zip(inputs, slopes, strict=True)]

    return gradients


def _compare(
    name: str,
    xs: list[Tensor],
    slopes: Sequence[Tensor | None],
    expected: Sequence[Array],
    sources: tuple[str, str],
    rtol: float,
    atol: float,
) -> None:
    """Raise AssertionError for the first entry of a gradient that is not what it should be."""
    for k, (x, slope, should) in enumerate(zip(xs, slopes, expected, strict=True)):
        dx = np.zeros(x.shape) if slope is None else slope.numpy()
        bound = atol + rtol * np.abs(should).max(initial=0)
        wrong = ~(np.abs(dx - should) <= bound)  # so that NaN is wrong too
        if wrong.any():
            entry = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise AssertionError(
                f"gradcheck: {name}, input {k} of shape {x.shape}, entry {entry}: got {dx[entry]:.10g} from "
                f"{sources[0]}, expected {should[entry]:.10g} from {sources[1]} "
                f"({wrong.sum()} of {x.size} entries differ)."
            )


def _differences(f: Callable[..., Tensor], xs: list[Tensor], k: int, eps: float) -> Array:
    """(f(x + e) − f(x − e)) / 2e for each entry of input k, the others fixed."""
    result = np.empty(xs[k].shape)
    for entry in np.ndindex(xs[k].shape):
        value = xs[k].numpy()[entry]
        step = eps * max(1.0, abs(float(value)))
        sides = []
        for shifted in (value + step, value - step):
            array = xs[k].numpy().copy()
            array[entry] = shifted
            moved = [Tensor(array, requires_grad=True) if j == k else x for j, x in enumerate(xs)]
            sides.append(f(*moved).item())
        result[entry] = (sides[0] - sides[1]) / (2 * step)
    return result


def _listed(y: Any) -> list[Any]:
    return list(y) if isinstance(y, list | tuple) else [y]

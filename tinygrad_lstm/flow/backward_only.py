"""A what-if for the way back alone: the values stay, only the gradient is another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Op
from ..scope import no_grad
from ..tensor import Array, Tensor, detach, values


def backward_only(change: Any) -> Any:
    """A value for `what_if` that leaves all forward values as they are: `with what_if(f=backward_only(1.0)):`.

    Wherever the named tensor f is a factor, as in y = f ∘ C, the gradient sent to the *other* factor is dy · change
    instead of dy · f: C's highway carries the gradient as if f were 1. What f itself receives, dy · C, and what it
    sends on to its own weights, is left as it is, and so is every use of f that is no product by `*`. So
    the result is the gradient of no function; `what_if(f=1.0)` asks the other question, and changes the values too.

    Args:
        change: a number, an array of the tensor's shape, a function of the tensor that gives one of these (or a
            Tensor), or `detach`: then no gradient passes the tensor.

    Raises ValueError where the shape does not fit; LookupError, at backward, where the tensor is no factor anywhere
    (h in an LSTM): there its value decides about no gradient, and only `detach` has an effect.
    """

    def replace(x: Tensor) -> Tensor:
        if change is detach or not x.requires_grad:
            return detach(x)
        with no_grad():
            value = np.asarray(values(change(x) if callable(change) else change), x.dtype)
        if value.shape not in ((), x.shape):
            raise ValueError(f"backward_only: the tensor has shape {x.shape}, its replacement {value.shape}.")
        settings = {"value": np.broadcast_to(value, x.shape), "products": []}
        made = _AsIf.__new__(_AsIf)
        made._become(x._data, True, _as_if, (x,), (x._data, x._data), settings)
        return made

    return replace


class _AsIf(Tensor):
    """A tensor whose value, to the gradients of other factors, is `settings["value"]`."""

    __slots__ = ()

    def __mul__(self, other: Any) -> Tensor:
        return _product(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _product(other, self)


def _product(a: Any, b: Any) -> Tensor:
    pretended = [x.settings["value"] if isinstance(x, _AsIf) else None for x in (a, b)]
    y: Tensor = _times(a, b, a_value=pretended[0], b_value=pretended[1])
    for x in (a, b):
        if isinstance(x, _AsIf):
            x.settings["products"].append(y.birth)
    return y


def _sent(dy: Any, y: Any, x: Tensor | Array, *, value: Array, products: list[int]) -> Any:
    if not products:
        raise LookupError("backward_only: this tensor is no factor of any product, so a value for the way back has no "
                          "effect. Only backward_only(detach) has one here.")  # fmt: skip
    return dy


def _multiply(a: Array, b: Array, *, a_value: Array | None, b_value: Array | None) -> Array:
    return a * b


# Not in the registry: these are made by backward_only alone.
_as_if = Op(lambda x, *, value, products: x, "as if", "y = x, which other factors take for another value.")
_as_if.name = "as_if"
_as_if.wrt("x", "dy", _sent)
_times = Op(_multiply, "×", "y = a · b, entry by entry, with other values on the way back.", broadcasts=True)
_times.wrt("a", "dy · b (as if)", lambda dy, y, a, b, a_value, b_value: dy * (b if b_value is None else b_value))
_times.wrt("b", "dy · a (as if)", lambda dy, y, a, b, a_value, b_value: dy * (a if a_value is None else a_value))

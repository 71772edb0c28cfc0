"""Layers without time: Linear, Dropout, LayerNorm, Sequential."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import sqrt
from ..scope import scope
from ..tensor import Tensor
from .init import Initializer, InitializerName, Seed, initializer_of
from .module import Module


def dropout(x: Any, rate: float = 0.5, *, rng: Seed) -> Any:
    """Set each entry to 0 with probability `rate` and scale the others by 1/(1 − rate), so that the mean is kept.

    Source: Srivastava et al. 2014, section 10 (scaled while training).
    Raises ValueError unless 0 ≤ rate < 1.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate must be in [0, 1), not {rate}.")
    return x * ((np.random.default_rng(rng).random(x.shape) >= rate) / (1 - rate)).astype(x.dtype) if rate else x


class Linear(Module):
    """y = x · W + b, with W (input_size, output_size), b (output_size,) and x (…, input_size)."""

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        bias: bool = True,
        initializer: InitializerName | Initializer = "glorot_uniform",
        rng: Seed = None,
    ) -> None:
        rng = np.random.default_rng(rng)
        values = initializer_of(initializer)((input_size, output_size), rng)
        self.W = Tensor(values, requires_grad=True, name="W", dtype=np.float32)
        self.b = Tensor(np.zeros(output_size), requires_grad=True, name="b", dtype=np.float32) if bias else None

    def forward(self, x: Any) -> Tensor:
        with scope("linear"):
            return x @ self.W if self.b is None else x @ self.W + self.b


class Dropout(Module):
    """`dropout` while training, nothing otherwise."""

    def __init__(self, rate: float = 0.5, *, rng: Seed = None) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1), not {rate}.")
        self.rate, self._rng = rate, np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        with scope("dropout"):
            return dropout(x, self.rate, rng=self._rng) if self.training else x


class LayerNorm(Module):
    """y = (x − mean) / √(variance + eps) · gain + bias over the last axis (Ba, Kiros, Hinton 2016, equation 3)."""

    def __init__(self, size: int, *, eps: float = 1e-5) -> None:
        self.eps = eps
        self.gain = Tensor(np.ones(size), requires_grad=True, name="gain", dtype=np.float32)
        self.bias = Tensor(np.zeros(size), requires_grad=True, name="bias", dtype=np.float32)

    def forward(self, x: Any) -> Tensor:
        if np.shape(x)[-1:] != self.gain.shape:
            raise ValueError(f"LayerNorm: the last axis of x must be {self.gain.size}; its shape is {np.shape(x)}.")
        with scope("layer norm"):
            centred = x - x.mean(axis=-1, keepdims=True)
            variance = (centred * centred).mean(axis=-1, keepdims=True)
            return centred / sqrt(variance + self.eps) * self.gain + self.bias


class Sequential(Module):
    """Modules or functions, one after the other."""

    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

"""Cells without an op of their own, here and as a loop of the same ops in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_lstm import concat, nn, relu, sigmoid, tanh

Step = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]  # torch, x, the state and the parameters


class MinimalGatedUnit(nn.Cell):
    """Zhou, Wu, Zhang, Zhou 2016."""

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

    def step(self, x: Any, state: Any) -> nn.Step:
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f)
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n)
        return nn.Step(h=(1 - f) * h + f * n)


class Leaky(nn.Cell):
    """A cell of one's own: a memory that leaks as its gate says, read through a rectifier."""

    State = nn.LSTMState

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

    def step(self, x: Any, state: Any) -> nn.Step:
        hx = concat(state.h, x)
        f = sigmoid(hx @ self.W_f + self.b_f)
        C = f * state.C + (1 - f) * tanh(hx @ self.W_n + self.b_n)
        return nn.Step(C=C, h=relu(C) * f)


def peephole(torch: Any, x: Any, state: tuple[Any, ...], w: dict[str, Any]) -> tuple[Any, ...]:
    h, C = state
    hx = torch.cat([h, x], 1)
    f = torch.sigmoid(hx @ w["W_f"] + w["b_f"] + w["p_f"] * C)
    i = torch.sigmoid(hx @ w["W_i"] + w["b_i"] + w["p_i"] * C)
    C = f * C + i * torch.tanh(hx @ w["W_C"] + w["b_C"])
    o = torch.sigmoid(hx @ w["W_o"] + w["b_o"] + w["p_o"] * C)
    return o * torch.tanh(C), C


def coupled(torch: Any, x: Any, state: tuple[Any, ...], w: dict[str, Any]) -> tuple[Any, ...]:
    h, C = state
    hx = torch.cat([h, x], 1)
    f = torch.sigmoid(hx @ w["W_f"] + w["b_f"])
    C = f * C + (1 - f) * torch.tanh(hx @ w["W_C"] + w["b_C"])
    return torch.sigmoid(hx @ w["W_o"] + w["b_o"]) * torch.tanh(C), C


def minimal(torch: Any, x: Any, state: tuple[Any, ...], w: dict[str, Any]) -> tuple[Any, ...]:
    (h,) = state
    f = torch.sigmoid(torch.cat([h, x], 1) @ w["W_f"] + w["b_f"])
    return ((1 - f) * h + f * torch.tanh(torch.cat([f * h, x], 1) @ w["W_n"] + w["b_n"]),)


def leaky(torch: Any, x: Any, state: tuple[Any, ...], w: dict[str, Any]) -> tuple[Any, ...]:
    h, C = state
    hx = torch.cat([h, x], 1)
    f = torch.sigmoid(hx @ w["W_f"] + w["b_f"])
    C = f * C + (1 - f) * torch.tanh(hx @ w["W_n"] + w["b_n"])
    return torch.relu(C) * f, C


CELLS: dict[str, tuple[type[nn.Cell], Step]] = {
    "peephole": (nn.PeepholeLSTMCell, peephole),
    "coupled": (nn.CoupledLSTMCell, coupled),
    "minimal gated": (MinimalGatedUnit, minimal),
    "own cell": (Leaky, leaky),
}

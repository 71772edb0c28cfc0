"""The plain recurrent network (Elman 1990): h_t = tanh([h_{t−1} ; x_t] · W_h + b_h)."""

from __future__ import annotations

from typing import Any

from ..ops import concat
from ..scope import scope
from .recurrent import Activation, Cell, Recurrent, RNNState, Step, activation_of


class RNNCell(Cell):
    """One step. Parameters: W_h (hidden + input, hidden) with rows of h first, b_h (hidden,)."""

    def __init__(
        self, input_size: int, hidden_size: int, *, activation: str | Activation = "tanh", **settings: Any
    ) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.activation = activation_of(activation)
        self.W_h, self.b_h = self.weight("W_h"), self.bias("b_h")

    def step(self, x: Any, state: RNNState) -> Step:
        φ = self.activation
        hx = concat(state.h, x)
        with scope("hidden state"):  h = φ(hx @ self.W_h + self.b_h).named("h")
        return Step(h=h)


class RNN(Recurrent):
    """A plain RNN over sequences (batch, time, features). See `Recurrent` for its settings, and `RNNCell` for more:

    `activation` ("tanh"), `initializer` and `recurrent_initializer` of the rows of W for x and for h.
    """

    cell_type = RNNCell

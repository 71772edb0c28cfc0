"""The plain recurrent network (Elman 1990): h_t = tanh([h_{t−1} ; x_t] · W_h + b_h)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import concat
from ..scope import scope
from .init import Initializer
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
    """A plain RNN over sequences (batch, time, features).

    Args:
        input_size, hidden_size: numbers of features and of hidden units.
        num_layers, bidirectional: as in PyTorch.
        activation: "tanh", "relu", … or a function.
        dropout: probability, on the outputs of every layer but the last, while training.
        initializer, recurrent_initializer: of the rows of W for x and for h, by their Keras names.
        rng: source of all random numbers; give one for a result that can be repeated.
        name: the scope under which its tensors are found; "rnn" by default.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        activation: str | Activation = "tanh",
        dropout: float = 0.0,
        initializer: str | Initializer = "glorot_uniform",
        recurrent_initializer: str | Initializer = "orthogonal",
        rng: np.random.Generator | None = None,
        name: str | None = None,
    ) -> None:
        rng = rng or np.random.default_rng()
        settings: dict[str, Any] = {
            "activation": activation,
            "initializer": initializer,
            "recurrent_initializer": recurrent_initializer,
            "rng": rng,
        }
        super().__init__(
            lambda size: RNNCell(size, hidden_size, **settings),
            input_size, hidden_size, num_layers, bidirectional, dropout, rng, name,
        )  # fmt: skip

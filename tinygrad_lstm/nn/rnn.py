"""The plain recurrent network (Elman 1990): h_t = tanh([h_{t−1} ; x_t] · W_h + b_h)."""

from __future__ import annotations

from typing import Any

from ..ops import concat
from ..scope import scope
from .cell import Activation, ActivationName, Cell, RNNState, Step, activation_of
from .init import Initializer, InitializerName, Seed
from .recurrent import Fused, Recurrent, not_default


class RNNCell(Cell):
    """One step. Parameters: W_h (hidden + input, hidden) with rows of h first, b_h (hidden,)."""

    def __init__(
        self, input_size: int, hidden_size: int, *, activation: ActivationName | Activation = "tanh", **settings: Any
    ) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.activation = activation_of(activation)
        self.W_h, self.b_h = self.weight("W_h"), self.bias("b_h")

    def step(self, x: Any, state: RNNState) -> Step:
        φ = self.activation
        hx = concat(state.h, x)
        with scope("hidden state"):  h = φ(hx @ self.W_h + self.b_h).named("h")
        return Step(h=h)


class RNN(Recurrent[RNNState]):
    """A plain RNN over sequences (batch, time, features).

    Args:
        input_size, hidden_size, num_layers, bidirectional, dropout, fused, rng, name, cell: see `Recurrent`.
        activation: that of the hidden state.
        initializer, recurrent_initializer: of the rows of W for x, and for h.
    """

    cell_type = RNNCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        activation: ActivationName | Activation = "tanh",
        dropout: float = 0.0,
        fused: Fused = False,
        initializer: InitializerName | Initializer = "glorot_uniform",
        recurrent_initializer: InitializerName | Initializer = "orthogonal",
        rng: Seed = None,
        name: str | None = None,
        cell: type[Cell] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**not_default(RNN, locals()))

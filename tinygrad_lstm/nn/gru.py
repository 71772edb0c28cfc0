"""The gated recurrent unit (Cho et al. 2014), in its two variants.

z, r = σ([h ; x] · W + b)           h_t = z ∘ h_{t−1} + (1 − z) ∘ n
reset before (Cho et al. 2014):     n = tanh([r ∘ h ; x] · W_n + b_n)
reset after (cuDNN, PyTorch, Keras): n = tanh(x · W_nx + b_n + r ∘ (h · W_nh + b_rn))
"""

from __future__ import annotations

from typing import Any

from ..ops import concat
from ..scope import scope
from .cell import Activation, ActivationName, Cell, RNNState, Step, activation_of
from .init import Initializer, InitializerName, Seed
from .recurrent import Fused, Recurrent, not_default


class GRUCell(Cell):
    """One step. Parameters: W_z W_r W_n (hidden + input, hidden) with rows of h first, b_z b_r b_n (hidden,).

    With `reset_after` (the default, as in PyTorch and Keras) also b_rn (hidden,), inside the reset.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: ActivationName | Activation = "tanh",
        recurrent_activation: ActivationName | Activation = "sigmoid",
        reset_after: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.recurrent_activation = activation_of(recurrent_activation, gate=True)
        self.activation = activation_of(activation)
        self.reset_after = reset_after
        self.W_z, self.b_z = self.weight("W_z"), self.bias("b_z")
        self.W_r, self.b_r = self.weight("W_r"), self.bias("b_r")
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")
        if reset_after:
            self.b_rn = self.bias("b_rn")

    def step(self, x: Any, state: RNNState) -> Step:
        σ, φ, H = self.recurrent_activation, self.activation, self.hidden_size
        h = state.h
        hx = concat(h, x)                                                                # [h_{t-1} ; x_t]
        with scope("update gate"):   z = σ(hx @ self.W_z + self.b_z).named("z")          # what to keep
        with scope("reset gate"):    r = σ(hx @ self.W_r + self.b_r).named("r")          # what the candidate sees of h
        with scope("candidate"):
            if self.reset_after:
                n = φ(x @ self.W_n[H:] + self.b_n + r * (h @ self.W_n[:H] + self.b_rn)).named("n")
            else:
                n = φ(concat(r * h, x) @ self.W_n + self.b_n).named("n")
        with scope("hidden state"):  h = (z * h + (1 - z) * n).named("h")                # highway: ∂h_t/∂h_{t-1} ∋ z
        return Step(z=z, r=r, n=n, h=h)


class GRU(Recurrent[RNNState]):
    """A GRU over sequences (batch, time, features).

    Args:
        input_size, hidden_size, num_layers, bidirectional, dropout, fused, rng, name, cell: see `Recurrent`.
        activation: of the candidate.
        recurrent_activation: of the gates; it should stay within [0, 1].
        reset_after: True as in PyTorch and Keras, False as in Cho et al. 2014.
        initializer, recurrent_initializer: of the rows of each W for x, and for h.
    """

    cell_type = GRUCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        activation: ActivationName | Activation = "tanh",
        recurrent_activation: ActivationName | Activation = "sigmoid",
        reset_after: bool = True,
        dropout: float = 0.0,
        fused: Fused = False,
        initializer: InitializerName | Initializer = "glorot_uniform",
        recurrent_initializer: InitializerName | Initializer = "orthogonal",
        rng: Seed = None,
        name: str | None = None,
        cell: type[Cell] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**not_default(GRU, locals()))

"""The LSTM (Hochreiter, Schmidhuber 1997; with the forget gate of Gers, Schmidhuber, Cummins 2000), and four variants.

f, i, o = σ([h ; x] · W + b)        C̃ = tanh([h ; x] · W_C + b_C)
C_t = f ∘ C_{t−1} + i ∘ C̃           h_t = o ∘ tanh(C_t)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ops import concat
from ..scope import scope
from ..tensor import Tensor, detach
from .cell import Activation, ActivationName, Cell, Step, activation_of
from .init import Initializer, InitializerName, Seed
from .recurrent import Fused, Recurrent, not_default


class LSTMState(NamedTuple):
    """What an LSTM carries from step to step: h and C, each (batch, hidden)."""

    h: Tensor
    C: Tensor

    def detach(self) -> LSTMState:
        """The same values without history: for the next chunk of a long sequence."""
        return LSTMState(self.h.detach(), self.C.detach())


class LSTMCell(Cell):
    """One step. Parameters: W_f W_i W_C W_o (hidden + input, hidden) with rows of h first, b_f b_i b_C b_o (hidden,).

    `activation` is that of the candidate and of the output (as in Keras), `output_activation` overrides the latter,
    `recurrent_activation` is that of the gates. b_f starts at `forget_bias` (Gers et al. 2000; Jozefowicz et al. 2015).
    """

    State = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: ActivationName | Activation = "tanh",
        recurrent_activation: ActivationName | Activation = "sigmoid",
        output_activation: ActivationName | Activation | None = None,
        forget_bias: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.recurrent_activation = activation_of(recurrent_activation, gate=True)
        self.activation = activation_of(activation)
        self.output_activation = activation_of(activation if output_activation is None else output_activation)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", forget_bias)
        self.W_i, self.b_i = self.weight("W_i"), self.bias("b_i")
        self.W_C, self.b_C = self.weight("W_C"), self.bias("b_C")
        self.W_o, self.b_o = self.weight("W_o"), self.bias("b_o")

    def step(self, x: Any, state: LSTMState) -> Step:
        σ, φ, φ_out = self.recurrent_activation, self.activation, self.output_activation
        h, C = state
        hx = concat(h, x)                                                               # [h_{t-1} ; x_t]
        with scope("forget gate"):   f = σ(hx @ self.W_f + self.b_f).named("f")         # what to keep
        with scope("input gate"):    i = σ(hx @ self.W_i + self.b_i).named("i")         # what to write
        with scope("candidate"):     C_new = φ(hx @ self.W_C + self.b_C).named("C̃")     # what could be written
        with scope("cell state"):    C = (f * C + i * C_new).named("C")                 # the highway: ∂C_t/∂C_{t-1} ∋ f
        with scope("output gate"):   o = σ(hx @ self.W_o + self.b_o).named("o")         # what to show
        with scope("hidden state"):  h = (o * φ_out(C)).named("h")
        return Step(f=f, i=i, C_new=C_new, C=C, o=o, h=h)


class PeepholeLSTMCell(LSTMCell):
    """The gates look at C through one weight per unit, p_f p_i p_o (hidden,) (Gers, Schmidhuber 2000)."""

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size, **settings)
        self.p_f, self.p_i, self.p_o = self.bias("p_f"), self.bias("p_i"), self.bias("p_o")

    def step(self, x: Any, state: LSTMState) -> Step:
        σ, φ, φ_out = self.recurrent_activation, self.activation, self.output_activation
        h, C = state
        hx = concat(h, x)
        with scope("forget gate"):   f = σ(hx @ self.W_f + self.p_f * C + self.b_f).named("f")
        with scope("input gate"):    i = σ(hx @ self.W_i + self.p_i * C + self.b_i).named("i")
        with scope("candidate"):     C_new = φ(hx @ self.W_C + self.b_C).named("C̃")
        with scope("cell state"):    C = (f * C + i * C_new).named("C")
        with scope("output gate"):   o = σ(hx @ self.W_o + self.p_o * C + self.b_o).named("o")
        with scope("hidden state"):  h = (o * φ_out(C)).named("h")
        return Step(f=f, i=i, C_new=C_new, C=C, o=o, h=h)


class CoupledLSTMCell(LSTMCell):
    """What is forgotten is written anew: i = 1 − f (the CIFG of Greff et al. 2017). W_i and b_i are gone."""

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size, **settings)
        del self.W_i, self.b_i

    def step(self, x: Any, state: LSTMState) -> Step:
        σ, φ, φ_out = self.recurrent_activation, self.activation, self.output_activation
        h, C = state
        hx = concat(h, x)
        with scope("forget gate"):   f = σ(hx @ self.W_f + self.b_f).named("f")
        with scope("input gate"):    i = (1 - f).named("i")
        with scope("candidate"):     C_new = φ(hx @ self.W_C + self.b_C).named("C̃")
        with scope("cell state"):    C = (f * C + i * C_new).named("C")
        with scope("output gate"):   o = σ(hx @ self.W_o + self.b_o).named("o")
        with scope("hidden state"):  h = (o * φ_out(C)).named("h")
        return Step(f=f, i=i, C_new=C_new, C=C, o=o, h=h)


class NoForgetLSTMCell(LSTMCell):
    """No forget gate, as in 1997: C_t = C_{t−1} + i ∘ C̃. W_f and b_f are gone."""

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size, **settings)
        del self.W_f, self.b_f

    def step(self, x: Any, state: LSTMState) -> Step:
        σ, φ, φ_out = self.recurrent_activation, self.activation, self.output_activation
        h, C = state
        hx = concat(h, x)
        with scope("input gate"):    i = σ(hx @ self.W_i + self.b_i).named("i")
        with scope("candidate"):     C_new = φ(hx @ self.W_C + self.b_C).named("C̃")
        with scope("cell state"):    C = (C + i * C_new).named("C")
        with scope("output gate"):   o = σ(hx @ self.W_o + self.b_o).named("o")
        with scope("hidden state"):  h = (o * φ_out(C)).named("h")
        return Step(i=i, C_new=C_new, C=C, o=o, h=h)


class TruncatedLSTMCell(LSTMCell):
    """The gradient does not return through h: only C carries it back in time."""

    def step(self, x: Any, state: LSTMState) -> Step:
        return super().step(x, LSTMState(detach(state.h), state.C))


class LSTM1997Cell(TruncatedLSTMCell, NoForgetLSTMCell):
    """The LSTM of 1997: no forget gate and a truncated gradient, so that ∂C_T/∂C_k = I exactly."""


class LSTM(Recurrent[LSTMState]):
    """An LSTM over sequences (batch, time, features).

    Args:
        input_size, hidden_size, num_layers, bidirectional, dropout, fused, rng, name, cell: see `Recurrent`.
        activation: of the candidate and of the output, as in Keras.
        recurrent_activation: of the gates; it should stay within [0, 1].
        output_activation: of the output alone; that of `activation` by default.
        forget_bias: where b_f starts: the pure path along C keeps σ(forget_bias) a step, 0.73 at 1 and 0.95 at 3.
        initializer, recurrent_initializer: of the rows of each W for x, and for h.
    """

    cell_type = LSTMCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        activation: ActivationName | Activation = "tanh",
        recurrent_activation: ActivationName | Activation = "sigmoid",
        output_activation: ActivationName | Activation | None = None,
        forget_bias: float = 1.0,
        dropout: float = 0.0,
        fused: Fused = False,
        initializer: InitializerName | Initializer = "glorot_uniform",
        recurrent_initializer: InitializerName | Initializer = "orthogonal",
        rng: Seed = None,
        name: str | None = None,
        cell: type[Cell] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**not_default(LSTM, locals()))

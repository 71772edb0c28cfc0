"""One step of a recurrent layer, and what all cells share: parameters, activations, states, the way through time."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from .. import compile, ops
from ..engine import vjp
from ..op import registry
from ..ops import stack, where
from ..scope import scope
from ..tensor import Array, Tensor
from .init import Initializer, InitializerName, Seed, initializer_of
from .module import Module

Activation = Callable[[Any], Any]
ActivationName = Literal["tanh", "sigmoid", "relu", "hard_sigmoid", "leaky_relu", "softplus", "linear"]


def linear(x: Any) -> Any:
    """y = x."""
    return x


activations: dict[str, Activation] = {
    "tanh": ops.tanh, "sigmoid": ops.sigmoid, "relu": ops.relu, "hard_sigmoid": ops.hard_sigmoid,
    "leaky_relu": ops.leaky_relu, "softplus": ops.softplus, "linear": linear,
}  # fmt: skip
_warned: set[Any] = set()


def activation_of(choice: ActivationName | Activation, *, gate: bool = False) -> Activation:
    """The activation of that name, or the function itself.

    Warns once where a gate's activation leaves [0, 1]. Raises ValueError for an unknown name.
    """
    choice = registry.get(choice.__name__, choice) if isinstance(choice, np.ufunc) else choice  # np.tanh is ours
    if not callable(choice) and choice not in activations:
        raise ValueError(f"activation {choice!r} is unknown. Known: {', '.join(activations)}, or a function.")
    function = choice if callable(choice) else activations[choice]
    if gate and choice not in _warned:
        reach = np.asarray(function(np.linspace(-50, 50, 1001)))
        if reach.min() < 0 or reach.max() > 1:
            _warned.add(choice)
            warnings.warn(
                f"recurrent_activation={choice!r}: a gate says how much, so it should stay within [0, 1]; this one "
                f"reaches [{reach.min():.3g}, {reach.max():.3g}]. Above 1 the product of forget gates can explode.",
                stacklevel=4,
            )
    return function


class RNNState(NamedTuple):
    """What an RNN or a GRU carries from step to step: h (batch, hidden)."""

    h: Tensor

    def detach(self) -> RNNState:
        """The same values without history: for the next chunk of a long sequence."""
        return RNNState(self.h.detach())


class Step:
    """The named tensors of one time step, as attributes: `step.h`, and what else the cell computes (`step.f`, …)."""

    def __init__(self, **tensors: Tensor) -> None:
        vars(self).update(tensors)

    def __getattr__(self, name: str) -> Tensor:
        raise AttributeError(f"this step has no tensor {name!r}; it has {', '.join(vars(self))}.")

    def __repr__(self) -> str:
        return f"Step({', '.join(f'{name}={tensor.shape}' for name, tensor in vars(self).items())})"


class Cell(Module):
    """One step of a recurrent layer. Subclasses define `State` and `step(x, state) -> Step`.

    Weights have shape (hidden + input, hidden), rows of h first, for the product [h ; x] · W. A cell of one's own, here
    a minimal gated unit (Zhou, Wu, Zhang, Zhou 2016), is carried along by `Recurrent`, traced and drawn as any other:

    >>> from tinygrad_lstm import concat, nn, sigmoid, tanh
    >>> class MinimalGatedUnit(nn.Cell):
    ...     def __init__(self, input_size, hidden_size, **settings):
    ...         super().__init__(input_size, hidden_size, **settings)
    ...         self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
    ...         self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")
    ...     def step(self, x, state):
    ...         h = state.h
    ...         f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
    ...         n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
    ...         return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))
    >>> net = nn.Recurrent(3, 8, cell=MinimalGatedUnit)
    >>> net(np.ones((2, 5, 3), np.float32)).h.shape
    (2, 5, 8)

    What a step carries on is `State`: `RNNState` (h) unless said otherwise, `LSTMState` (h and C), or a NamedTuple of
    one's own. Names and scopes are what drawings and `what_if` find.
    """

    State: ClassVar[Any] = RNNState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        initializer: InitializerName | Initializer = "glorot_uniform",
        recurrent_initializer: InitializerName | Initializer = "orthogonal",
        bias: bool = True,
        rng: Seed = None,
    ) -> None:
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be at least 1, not {size}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self._initializers = initializer_of(recurrent_initializer), initializer_of(initializer)
        self._rng, self._bias = np.random.default_rng(rng), bias

    def weight(self, name: str) -> Tensor:
        """A new W (hidden + input, hidden): its h rows by `recurrent_initializer`, its x rows by `initializer`."""
        h, x = self.hidden_size, self.input_size
        rows = [f((n, h), self._rng) for f, n in zip(self._initializers, (h, x), strict=True)]
        return Tensor(np.concatenate(rows), requires_grad=True, name=name, dtype=np.float32)

    def bias(self, name: str, value: float = 0.0) -> Tensor:
        """A new b (hidden,), all entries of one value; in a cell made with bias=False it is 0 and not learned."""
        start = np.full(self.hidden_size, value if self._bias else 0.0)
        return Tensor(start, requires_grad=self._bias, name=name, dtype=np.float32)

    def step(self, x: Any, state: Any) -> Step:
        raise TypeError(f"{type(self).__name__} does not say what one step computes: define step(self, x, state).")

    def state_of(self, step: Step) -> Any:
        return self.State(*(getattr(step, field) for field in self.State._fields))

    def initial(self, batch: int, dtype: Any, state: Any = None) -> Any:
        """The state before the first step, zeros or `state`, named h₀ (and C₀), so that it is found in a trace.

        It takes a gradient even where what was given does not. Raises ValueError where the form or a shape is wrong.
        """
        fields = self.State._fields
        if isinstance(state, Tensor | np.ndarray):
            state = (state,)
        if state is not None and len(state) != len(fields):
            given = f"{len(state)} tensor{'' if len(state) == 1 else 's'}"
            raise ValueError(f"{type(self).__name__}: the state is ({', '.join(fields)}), not {given}.")
        tensors = []
        for k, field in enumerate(fields):
            value = np.zeros((batch, self.hidden_size), dtype) if state is None else state[k]
            if np.shape(value) != (batch, self.hidden_size):
                raise ValueError(
                    f"{type(self).__name__}: the state's {field} has shape {np.shape(value)}, "
                    f"but (batch, hidden) is {(batch, self.hidden_size)}."
                )
            if isinstance(value, Tensor) and value.requires_grad:
                start = value.reshape(value.shape)  # a tensor of its own, since the given one may have another name
            else:
                start = Tensor(value, requires_grad=True)
            tensors.append(start.named(f"{field}₀"))
        return self.State(*tensors)

    def source(self, *, sequence: bool = False, lang: compile.Language | None = None) -> str:
        """One step forward and backward as code, the text of a program in NumPy that runs: see `tl.source`."""
        return compile.source(self, sequence=sequence, lang=lang)

    def twin_shares(self, dy: Any, inputs: Any, valid: Array | None) -> list[Any]:
        """What a fused run sends to x, state and parameters, from the cell step by step: to be differentiated again."""
        return vjp(self.twin(inputs, valid), inputs, dy, create_graph=True)

    def twin(self, inputs: Any, valid: Array | None) -> Tensor:
        """What a fused run gives for x, state and parameters, step by step: h, or of several states (n, batch, …)."""
        x, state, weights = inputs[0], self.State(*inputs[1 : 1 + (n := len(self.State._fields))]), inputs[1 + n :]
        twin = copy.deepcopy(self)
        for (path, _), weight in zip(self.named_parameters(), weights, strict=True):
            *outer, name = path.split(".")
            holder: Any = twin
            for part in outer:
                holder = holder[int(part)] if isinstance(holder, list | tuple) else getattr(holder, part)
            setattr(holder, name, weight)
        run = carry(twin, [x[:, t] for t in range(x.shape[1])], state, valid, False)
        y = [run.sequence(field) for field in self.State._fields]
        return y[0] if n == 1 else stack(y)

    def forward(self, x: Any, state: Any = None) -> Any:
        """One step: x (batch, features) and the state before it give the state after it."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        check_input(type(self).__name__, x, ("batch", "features"), self.input_size)
        shape = (len(x), self.hidden_size)
        known = isinstance(state, self.State) and all(isinstance(s, Tensor) and s.shape == shape for s in state)
        return self.state_of(self.step(x, state if known else self.initial(len(x), x.dtype, state)))


class Run(NamedTuple):
    """One cell's way through time: its step at every t (in the order of the sequence) and its state at the end.

    A fused run has no steps, but `whole` sequences (batch, time, hidden) of its states by name.
    """

    steps: list[Step]
    last: Any
    whole: dict[str, Tensor] | None = None

    def sequence(self, field: str) -> Tensor:
        """(batch, time, hidden): one state at every step."""
        return self.whole[field] if self.whole else stack([getattr(step, field) for step in self.steps], axis=1)


def carry(
    cell: Cell, inputs: list[Tensor], state: Any, valid: Array | None, backward: bool, kept: Array | None = None
) -> Run:
    """All steps of one cell, from the first to the last or the other way round.

    `kept` (batch, hidden) multiplies h before it enters a step: recurrent dropout.
    """
    steps: list[Any] = [None] * len(inputs)
    for t in reversed(range(len(inputs))) if backward else range(len(inputs)):
        with scope(f"t={t + 1}"):
            step = cell.step(inputs[t], state if kept is None else state._replace(h=state.h * kept))
            if valid is not None and not valid[:, t].all():
                with scope("padding"):  # rows that are over keep their state
                    for field, old in zip(state._fields, state, strict=True):
                        new = where(valid[:, t, None], getattr(step, field), old)
                        new.name = field  # not .named(), which would apply a what_if a second time
                        setattr(step, field, new)
        steps[t], state = step, cell.state_of(step)
    return Run(steps, state)


def check_input(name: str, x: Tensor, axes: tuple[str, ...], features: int) -> None:
    if x.ndim != len(axes) or x.shape[-1] != features or 0 in x.shape:
        raise ValueError(
            f"{name}: x must have shape ({', '.join(axes)}) with {features} features and no empty axis, not {x.shape}."
            + (" Write x[None] for a batch of one." if x.ndim == len(axes) - 1 else "")
        )

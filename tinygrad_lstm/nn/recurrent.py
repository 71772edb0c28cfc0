"""What all recurrent cells and layers share: parameters, time, layers, directions, lengths, and the result."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from .. import ops
from ..ops import concat, stack, where
from ..scope import scope
from ..tensor import Array, Tensor
from .init import Initializer
from .init import initializer as chosen
from .linear import dropout as dropped
from .module import Module

Activation = Callable[[Any], Any]

activations: dict[str, Activation] = {
    "tanh": ops.tanh, "sigmoid": ops.sigmoid, "relu": ops.relu, "hard_sigmoid": ops.hard_sigmoid,
    "leaky_relu": ops.leaky_relu, "softplus": ops.softplus, "linear": lambda x: x,
}  # fmt: skip
_warned: set[Any] = set()


def activation_of(choice: str | Activation, *, gate: bool = False) -> Activation:
    """The activation of that name, or the function itself.

    Warns once where a gate's activation leaves [0, 1]. Raises ValueError for an unknown name.
    """
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

    Weights have shape (hidden + input, hidden), rows of h first, for the product [h ; x] · W.
    """

    State: ClassVar[Any] = RNNState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        initializer: str | Initializer = "glorot_uniform",
        recurrent_initializer: str | Initializer = "orthogonal",
        rng: np.random.Generator | None = None,
    ) -> None:
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be at least 1, not {size}.")
        self.input_size, self.hidden_size = input_size, hidden_size
        self._initializers = chosen(recurrent_initializer), chosen(initializer)
        self._rng = rng or np.random.default_rng()

    def weight(self, name: str) -> Tensor:
        """A new W (hidden + input, hidden): its h rows by `recurrent_initializer`, its x rows by `initializer`."""
        h, x = self.hidden_size, self.input_size
        rows = [f((n, h), self._rng) for f, n in zip(self._initializers, (h, x), strict=True)]
        return Tensor(np.concatenate(rows), requires_grad=True, name=name, dtype=np.float32)

    def bias(self, name: str, value: float = 0.0) -> Tensor:
        """A new b (hidden,), all entries of one value."""
        return Tensor(np.full(self.hidden_size, value), requires_grad=True, name=name, dtype=np.float32)

    def step(self, x: Any, state: Any) -> Step:
        raise TypeError(f"{type(self).__name__} does not say what one step computes: define step(self, x, state).")

    def state_of(self, step: Step) -> Any:
        return self.State(*(getattr(step, field) for field in self.State._fields))

    def initial(self, batch: int, dtype: Any, given: Any = None) -> Any:
        """The state before the first step, zeros or what is given, named h₀ (and C₀), so that it is found in a trace.

        It takes a gradient even where what was given does not. Raises ValueError where the form or a shape is wrong.
        """
        fields = self.State._fields
        if isinstance(given, Tensor | np.ndarray):
            given = (given,)
        if given is not None and len(given) != len(fields):
            raise ValueError(f"{type(self).__name__}: the state is ({', '.join(fields)}), not {len(given)} tensors.")
        tensors = []
        for k, field in enumerate(fields):
            value = np.zeros((batch, self.hidden_size), dtype) if given is None else given[k]
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

    def forward(self, x: Any, state: Any = None) -> Any:
        """One step: x (batch, features) and the state before it give the state after it."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        _check(type(self).__name__, x, ("batch", "features"), self.input_size)
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


class Output:
    """What a recurrent layer returns.

    Attributes:
        h: (batch, time, hidden), or (batch, time, 2 · hidden) where bidirectional. After a row's last valid step the
            state is carried on unchanged.
        C: the same for the cell state (LSTM).
        last: the state at each row's last valid step: `last.h` and (LSTM) `last.C`, each (batch, hidden), or
            (layers · directions, batch, hidden) where there are several; ready to be given to the next call.
        steps: for each t the named tensors of the last layer (forward direction): `out.steps[0].h` is h at t = 1.
        layers: for each layer, for each direction, a Run with `.steps` and `.last`.
    """

    def __init__(self, layers: list[list[Run]]) -> None:
        self.layers = layers

    @property
    def steps(self) -> list[Step]:
        if not self.layers[-1][0].steps:
            raise AttributeError("a fused layer records no steps. To look inside, set layer.fused = False.")
        return self.layers[-1][0].steps

    def _sequence(self, field: str) -> Tensor:
        ways = [run.sequence(field) for run in self.layers[-1]]
        return ways[0] if len(ways) == 1 else concat(ways, axis=-1)

    @cached_property
    def h(self) -> Tensor:
        return self._sequence("h")

    @cached_property
    def C(self) -> Tensor:
        return self._sequence("C")

    @cached_property
    def last(self) -> Any:
        states = [run.last for layer in self.layers for run in layer]
        return states[0] if len(states) == 1 else type(states[0])(*map(stack, zip(*states, strict=True)))

    def as_torch(self) -> tuple[Tensor, Any]:
        """(output, h_n), for an LSTM (output, (h_n, c_n)), with states (layers · directions, batch, hidden)."""
        states = [run.last for layer in self.layers for run in layer]
        fields = tuple(map(stack, zip(*states, strict=True)))
        return self.h, fields[0] if len(fields) == 1 else fields

    def as_keras(self, return_sequences: bool = False, return_state: bool = False) -> Any:
        """What Keras' layer would return: h_T or all h, and with `return_state` a list [that, h_T, C_T].

        Where bidirectional: the states of the forward, then those of the backward direction.
        """
        states = [run.last for run in self.layers[-1]]
        h_last = states[0].h if len(states) == 1 else concat([state.h for state in states])
        output = self.h if return_sequences else h_last
        return [output, *(tensor for state in states for tensor in state)] if return_state else output

    def __repr__(self) -> str:
        runs = len(self.layers) * len(self.layers[0])
        steps = self.layers[-1][0].steps
        what = f"{len(steps)} steps of {steps[0]!r}" if steps else "fused, without steps"
        return f"Output({what}{f' in {runs} layers and directions' * (runs > 1)})"


class Recurrent(Module):
    """A cell carried along a sequence, in any number of layers and one or both directions.

    Args:
        input_size, hidden_size: numbers of features and of hidden units.
        num_layers, bidirectional: as in PyTorch.
        dropout: probability, on the outputs of every layer but the last, while training.
        fused: run the whole sequence as one op: faster, but without steps to look into. See `fusable`. With "numba"
            its steps are compiled (the extra `fast`): faster again, after seconds of compiling at the first use.
        rng: source of all random numbers; give one for a result that can be repeated.
        name: the scope under which its tensors are found; that of the class, in lower case, by default.
        cell: a variant of the layer's own cell.
        settings: those of the cell, such as `activation=`.
    """

    cell_type: ClassVar[type[Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        fused: bool | Literal["numba"] = False,
        rng: np.random.Generator | None = None,
        name: str | None = None,
        cell: type[Cell] | None = None,
        **settings: Any,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"{type(self).__name__}: num_layers must be at least 1, not {num_layers}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"{type(self).__name__}: dropout must be in [0, 1), not {dropout}.")
        self.name = name or type(self).__name__.lower()
        self.input_size, self.hidden_size, self.dropout = input_size, hidden_size, dropout
        self._rng = rng or np.random.default_rng()
        self.directions = ("forward", "backward") if bidirectional else ("forward",)
        sizes = [input_size, *[hidden_size * len(self.directions)] * (num_layers - 1)]
        make = cell or self.cell_type
        self.cells = [[make(n, hidden_size, rng=self._rng, **settings) for _ in self.directions] for n in sizes]
        self.fused = fused

    @property
    def fused(self) -> bool | Literal["numba"]:
        """How it runs: step by step, as one op, or as one op with compiled steps.

        Setting it raises ValueError where there is no fused op, and ImportError where numba is missing.
        """
        return self._fused

    @fused.setter
    def fused(self, how: bool | Literal["numba"]) -> None:
        from .fused import steps_of

        if how not in (False, True, "numba"):
            raise ValueError(f'{type(self).__name__}: fused must be False, True or "numba", not {how!r}.')
        if how and not self.fusable:
            raise ValueError(f"{type(self).__name__}: there is no fused op for this cell or these activations.")
        steps_of(compiled=how == "numba")
        self._fused = how

    @property
    def fusable(self) -> bool:
        """Whether there is a fused op for this layer: for the three usual cells with their usual activations."""
        from .fused import OPS

        usual = {"activation": ops.tanh, "output_activation": ops.tanh, "recurrent_activation": ops.sigmoid}
        return all(
            type(cell) in OPS and all(vars(cell).get(name, usual[name]) is usual[name] for name in usual)
            and vars(cell).get("reset_after", True)
            for layer in self.cells for cell in layer
        )  # fmt: skip

    def _run_fused(self, cell: Cell, x: Tensor, state: Any, valid: Array | None, backward: bool) -> Run:
        """One cell's way through x (batch, time, features) as one op."""
        from .fused import run

        way = slice(None), slice(None, None, -1 if backward else None)
        valid, compiled = None if valid is None else valid[way], self.fused == "numba"
        y = run(cell, x[way] if backward else x, *state, valid=valid, compiled=compiled)
        ran = dict(zip(state._fields, y if len(state) > 1 else [y], strict=True))  # in the order of the run
        last = cell.State(*(states[:, -1] for states in ran.values()))
        return Run([], last, {field: states[way] if backward else states for field, states in ran.items()})

    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> Output:
        """Carry x (batch, time, features) through all layers.

        Args:
            x: Tensor or array; float32 or float64.
            state: what `.last` of an earlier call holds (detach it), or a tuple of arrays; zeros where None.
            lengths: (batch,) integers: how many steps of each row are valid.

        Raises ValueError where shapes or lengths do not fit.
        """
        x = x if isinstance(x, Tensor) else Tensor(x)
        _check(type(self).__name__, x, ("batch", "time", "features"), self.input_size)
        valid = None if lengths is None else _valid(lengths, *x.shape[:2])
        given = self._split(state)
        layers: list[list[Run]] = []
        inputs: Any = x  # a fused layer reads it whole, any other step by step
        if not self.fused:
            with scope(self.name):
                inputs = [x[:, t] for t in range(x.shape[1])]
        for k, cells in enumerate(self.cells):
            place = f"{self.name}/layer {k + 1}" if len(self.cells) > 1 else self.name
            runs: list[Run] = []
            for cell, way in zip(cells, self.directions, strict=True):
                with scope(f"{place}/{way}" if len(cells) > 1 else place):
                    start = cell.initial(len(x), x.dtype, given[len(layers) * len(cells) + len(runs)])
                    run = self._run_fused if self.fused else carry
                    runs.append(run(cell, inputs, start, valid, way == "backward"))
            layers.append(runs)
            if k + 1 < len(self.cells):
                with scope(place):
                    inputs = self._handed_on(runs)
        return Output(layers)

    def _handed_on(self, runs: list[Run]) -> Any:
        """What the next layer reads of this one: h of all directions, with dropout while training."""
        rate = self.dropout if self.training else 0.0
        if self.fused:
            return dropped(Output([runs]).h, rate, rng=self._rng)
        both = zip(*(run.steps for run in runs), strict=True)
        joined = [concat([step.h for step in hs]) if len(hs) > 1 else hs[0].h for hs in both]
        return [dropped(h, rate, rng=self._rng) for h in joined]

    def _split(self, state: Any) -> Sequence[Any]:
        """The state of each layer and direction, from one stacked state."""
        n = len(self.cells) * len(self.directions)
        if state is None or n == 1:
            return [state] * n
        fields: Sequence[Any] = (state,) if isinstance(state, Tensor | np.ndarray) else state
        for field in fields:
            if np.ndim(field) != 3 or len(field) != n:
                raise ValueError(
                    f"{type(self).__name__}: with {n} layers and directions each state has shape ({n}, batch, hidden), "
                    f"not {np.shape(field)}."
                )
        return [tuple(field[k] for field in fields) for k in range(n)]


@contextmanager
def unfused(module: Module) -> Iterator[None]:
    """Inside the block all layers of a module run step by step, so that there are steps to look into."""
    layers = [(layer, layer.fused) for layer in module.modules() if isinstance(layer, Recurrent)]
    for layer, _ in layers:
        layer.fused = False
    try:
        yield
    finally:
        for layer, fused in layers:
            layer.fused = fused


def carry(cell: Cell, inputs: list[Tensor], state: Any, valid: Array | None, backward: bool) -> Run:
    """All steps of one cell, from the first to the last or the other way round."""
    steps: list[Any] = [None] * len(inputs)
    for t in reversed(range(len(inputs))) if backward else range(len(inputs)):
        with scope(f"t={t + 1}"):
            step = cell.step(inputs[t], state)
            if valid is not None and not valid[:, t].all():
                with scope("padding"):  # rows that are over keep their state
                    for field, old in zip(state._fields, state, strict=True):
                        new = where(valid[:, t, None], getattr(step, field), old)
                        new.name = field  # not .named(), which would apply a what_if a second time
                        setattr(step, field, new)
        steps[t], state = step, cell.state_of(step)
    return Run(steps, state)


def _check(name: str, x: Tensor, axes: tuple[str, ...], features: int) -> None:
    if x.ndim != len(axes) or x.shape[-1] != features or 0 in x.shape:
        raise ValueError(
            f"{name}: x must have shape ({', '.join(axes)}) with {features} features and no empty axis, not {x.shape}."
            + (" Write x[None] for a batch of one." if x.ndim == len(axes) - 1 else "")
        )


def _valid(lengths: Any, batch: int, time: int) -> Array:
    """(batch, time) bools: which steps of each row are valid."""
    lengths = np.asarray(lengths)
    if lengths.shape != (batch,) or lengths.dtype.kind not in "iu" or lengths.min() < 1 or lengths.max() > time:
        raise ValueError(f"lengths must be {batch} integers from 1 to {time}, one for each row, not {lengths!r:.80}.")
    return np.arange(time) < lengths[:, None]

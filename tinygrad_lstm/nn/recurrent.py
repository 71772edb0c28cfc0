"""A cell carried along a sequence: layers, directions, lengths, and the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from inspect import Parameter, signature
from typing import Any, ClassVar, Generic, Literal, NoReturn, TypeVar, cast

import numpy as np

from .. import compile
from ..collector import uncollected
from ..habits import advice
from ..ops import concat, stack, where
from ..scope import scope
from ..tensor import Array, Tensor
from .cell import Cell, Run, Step, carry, check_input
from .init import Seed
from .linear import dropout
from .module import Module

Fused = bool | Literal["numba"]
Merge = Literal["concat", "sum", "mul", "ave"] | None
MERGES = ("concat", "sum", "mul", "ave", None)
S = TypeVar("S")  # what a cell carries from step to step


class Output(Generic[S]):
    """What a recurrent layer returns.

    Of an x without a batch axis, all are without it too.

    Attributes:
        h: (batch, time, hidden), or where bidirectional, by `merge_mode`, (batch, time, 2 · hidden) or a pair. After a
            row's last valid step, and where it is masked, the state is carried on unchanged.
        C: the same for the cell state (LSTM).
        last: the state at each row's last valid step: `last.h` and (LSTM) `last.C`, each (batch, hidden), or
            (layers · directions, batch, hidden) where there are several; ready to be given to the next call.
        steps: for each t the named tensors of the last layer (forward direction): `out.steps[0].h` is h at t = 1.
        layers: for each layer, for each direction, a Run with `.steps` and `.last`.
    """

    def __init__(
        self, layers: list[list[Run]], merge: Merge = "concat", *, single: bool = False, turned: bool = False
    ) -> None:
        self.layers, self._merge, self._single, self._turned = layers, merge, single, turned

    @property
    def steps(self) -> list[Step]:
        if not self.layers[-1][0].steps:
            raise AttributeError("a fused layer records no steps. To look inside, set layer.fused = False.")
        return self.layers[-1][0].steps

    def _sequence(self, field: str) -> Any:
        ways = [run.sequence(field) for run in self.layers[-1]]
        return merged([way[0] for way in ways] if self._single else ways, self._merge)

    @cached_property
    def h(self) -> Tensor:
        h: Tensor = self._sequence("h")
        return h

    @cached_property
    def C(self) -> Tensor:
        C: Tensor = self._sequence("C")
        return C

    def _states(self) -> list[Any]:
        states = [run.last for layer in self.layers for run in layer]
        return [type(state)(*(field[0] for field in state)) for state in states] if self._single else states

    @cached_property
    def last(self) -> S:
        states = self._states()
        last: S = states[0] if len(states) == 1 else type(states[0])(*map(stack, zip(*states, strict=True)))
        return last

    def as_torch(self) -> tuple[Tensor, Any]:
        """(output, h_n), for an LSTM (output, (h_n, c_n)), with states (layers · directions, batch, hidden)."""
        fields = tuple(map(stack, zip(*self._states(), strict=True)))
        return self.h, fields[0] if len(fields) == 1 else fields

    def as_keras(self, return_sequences: bool = False, return_state: bool = False) -> Any:
        """What Keras' layer would return: h_T or all h, and with `return_state` a list [that, h_T, C_T].

        Where bidirectional: the states of the forward, then those of the backward direction. With go_backwards the
        sequence comes in the order in which it was read, as Keras has it.
        """
        states = self._states()[-len(self.layers[-1]) :]
        output: Any = merged([state.h for state in states], self._merge)
        if return_sequences:
            output = self.h[..., ::-1, :] if self._turned else self.h
        return [output, *(tensor for state in states for tensor in state)] if return_state else output

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "a recurrent layer returns one object: out.h at every step, out.last.h at the end, for an LSTM out.C and "
            "out.last.C. For PyTorch's pair write `output, (h, c) = lstm(x).as_torch()`, for Keras's list .as_keras()."
        )

    def __getitem__(self, index: Any) -> NoReturn:
        iter(self)

    def __repr__(self) -> str:
        runs = len(self.layers) * len(self.layers[0])
        steps = self.layers[-1][0].steps
        what = f"{len(steps)} steps of {steps[0]!r}" if steps else "fused, without steps"
        return f"Output({what}{f' in {runs} layers and directions' * (runs > 1)})"


class Recurrent(Module, Generic[S]):
    """A cell carried along a sequence, in any number of layers and one or both directions.

    Args:
        input_size, hidden_size: numbers of features and of hidden units.
        num_layers, bidirectional: as in PyTorch.
        merge_mode: what becomes of the two directions, as in Keras: "concat", "sum", "mul", "ave", or None for a pair.
        go_backwards: read each sequence from its end, as in Keras; `out.h` remains in the order of the sequence.
        dropout: probability, on the outputs of every layer but the last, while training (PyTorch's `dropout`).
        input_dropout: the same on the features of x, one draw for all steps of a row (Keras's `dropout`).
        recurrent_dropout: the same on h before each step (Gal, Ghahramani 2016, equation 7).
        fused: run the whole sequence as one op: faster, but without steps to look into. Of any cell: its code is made
            from one recorded step (`tl.source(cell, sequence=True)` shows it). With "numba" its loop is compiled (the
            extra `fast`), and rows of the batch share the cores: faster again, after seconds of compiling at the first
            use; refused for what a step does not do number by number, such as a sum along a row.
        rng: source of all random numbers: an integer or a generator for a result that can be repeated.
        name: the scope under which its tensors are found; that of the class, in lower case, by default.
        cell: what one step computes: a variant of the layer's own cell, or a cell of one's own (see `Cell`).
        settings: those of the cell, such as `activation=`.

    Raises ValueError for a bad value, TypeError for a setting that neither the layer nor its cell has.
    """

    cell_type: ClassVar[type[Cell] | None] = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        merge_mode: Merge = "concat",
        go_backwards: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        fused: Fused = False,
        rng: Seed = None,
        name: str | None = None,
        cell: type[Cell] | None = None,
        **settings: Any,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"{type(self).__name__}: num_layers must be at least 1, not {num_layers}.")
        for what, rate in (("", dropout), ("input_", input_dropout), ("recurrent_", recurrent_dropout)):
            if not 0 <= rate < 1:
                raise ValueError(f"{type(self).__name__}: {what}dropout must be in [0, 1), not {rate}.")
        if merge_mode not in MERGES or (merge_mode is None and num_layers > 1):
            raise ValueError(
                f"{type(self).__name__}: merge_mode must be one of {MERGES}, None with one layer, not {merge_mode!r}."
            )
        make = cell or self.cell_type
        if make is None:
            raise TypeError("Recurrent: cell= is missing: which cell is carried along the sequence? See nn.Cell.")
        _check_settings(type(self), make, settings)
        self.name = name or (type(self) if self.cell_type else make).__name__.lower().removesuffix("cell")
        self.input_size, self.hidden_size, self.merge_mode = input_size, hidden_size, merge_mode
        self.dropout, self.input_dropout, self.recurrent_dropout = dropout, input_dropout, recurrent_dropout
        self._rng = np.random.default_rng(rng)
        ways = ("backward", "forward") if go_backwards else ("forward", "backward")
        self.directions = ways if bidirectional else ways[:1]
        width = hidden_size * (2 if bidirectional and merge_mode == "concat" else 1)
        sizes = [input_size, *[width] * (num_layers - 1)]
        self.cells = [[make(n, hidden_size, rng=self._rng, **settings) for _ in self.directions] for n in sizes]
        self.fused = fused

    @property
    def fused(self) -> bool | str:  # no Literal: jedi, and so completion in a notebook, breaks on it in a property
        """How it runs: step by step, as one op, or as one op with compiled steps.

        Setting it raises ValueError where there is no fused op, and ImportError where numba is missing.
        """
        return self._fused

    @fused.setter
    def fused(self, how: Fused) -> None:
        if how not in (False, True, "numba"):
            raise ValueError(f'{type(self).__name__}: fused must be False, True or "numba", not {how!r}.')
        if how and (why := self._unfusable(compiled=how == "numba")):
            raise ValueError(f"{type(self).__name__}: cannot run fused: {why}")
        self._fused = how

    @property
    def fusable(self) -> bool:
        """Whether this layer can run as one op: any cell whose step is the same at every step, for any values."""
        return not self._unfusable()

    def _unfusable(self, *, compiled: bool = False) -> str:
        """Why it cannot run as one op; "" where it can."""
        if self.recurrent_dropout:
            return "recurrent_dropout draws random numbers; set fused=False"
        try:
            for cell in (cell for layer in self.cells for cell in layer):
                compile.program_of(cell).functions(compiled)
        except compile.CannotCompile as exc:
            return str(exc)
        return ""

    def source(self, *, sequence: bool = False, lang: compile.Language | None = None) -> str:
        """One step of the first cell, forward and backward, as code: see `tl.source`."""
        return compile.source(self, sequence=sequence, lang=lang)

    def _facts(self) -> str:
        flags = ["bidirectional"] * (len(self.directions) > 1) + [f"dropout={self.dropout:g}"] * (self.dropout > 0)
        flags += ["fused" if self.fused is True else f"fused={self.fused!r}"] * bool(self.fused)
        return ", ".join([f"{self.input_size} → {self.hidden_size}", *flags])

    def _run_fused(self, cell: Cell, x: Tensor, state: Any, valid: Array | None, backward: bool) -> Run:
        """One cell's way through x (batch, time, features) as one op."""
        way = slice(None), slice(None, None, -1 if backward else None)
        valid, program = None if valid is None else valid[way], compile.program_of(cell)
        y = program.run(cell, x[way] if backward else x, *state, valid=valid, compiled=self.fused == "numba")
        ran = dict(zip(state._fields, y if len(state) > 1 else [y], strict=True))  # in the order of the run
        last = cell.State(*(states[:, -1] for states in ran.values()))
        return Run([], last, {field: states[way] if backward else states for field, states in ran.items()})

    @uncollected()
    def forward(self, x: Any, state: Any = None, *, lengths: Any = None, mask: Any = None) -> Output[S]:
        """Carry x (batch, time, features), or one sequence (time, features), through all layers.

        Args:
            x: Tensor or array; float32 or float64.
            state: what `.last` of an earlier call holds (detach it), or a tuple of arrays; zeros where None.
            lengths: (batch,) integers: how many steps of each row are valid; what stands behind them is not read.
            mask: (batch, time) bools, as in Keras: the steps that are read; over the others the state is carried.

        Raises ValueError where shapes, lengths or mask do not fit.
        """
        x = x if isinstance(x, Tensor) else Tensor(x)
        if single := x.ndim == 2:
            x, mask = x.reshape(1, *x.shape), None if mask is None else np.asarray(mask)[None]
            state = None if state is None else _batched(state)
        check_input(type(self).__name__, x, ("batch", "time", "features"), self.input_size)
        valid = _valid(lengths, mask, *x.shape[:2])
        if valid is not None and x.numpy()[~valid].any():  # padding is never read: NaN · 0 would not be 0
            with scope(f"{self.name}/padding"):
                x = where(valid[..., None], x, 0.0)
        if self.training and self.input_dropout:
            with scope(f"{self.name}/dropout"):
                x = x * self._kept(self.input_dropout, (len(x), 1, self.input_size), x.dtype)
        starts = self._split(state)
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
                    start = cell.initial(len(x), x.dtype, starts[len(layers) * len(cells) + len(runs)])
                    run = self._run_fused if self.fused else self._run
                    runs.append(run(cell, inputs, start, valid, way == "backward"))
            layers.append(runs)
            if k + 1 < len(self.cells):
                with scope(place):
                    inputs = self._handed_on(runs)
        return Output(layers, self.merge_mode, single=single, turned=self.directions == ("backward",))

    def _kept(self, rate: float, shape: tuple[int, ...], dtype: Any) -> Array:
        """0 with probability `rate`, else 1/(1 − rate): what dropout multiplies by."""
        return np.asarray(dropout(np.ones(shape, dtype), rate, rng=self._rng))

    def _run(self, cell: Cell, inputs: list[Tensor], state: Any, valid: Array | None, backward: bool) -> Run:
        """One cell's way, step by step."""
        rate = self.recurrent_dropout if self.training else 0.0
        kept = self._kept(rate, state.h.shape, state.h.dtype) if rate else None
        return carry(cell, inputs, state, valid, backward, kept)

    def _handed_on(self, runs: list[Run]) -> Any:
        """What the next layer reads of this one: h of all directions, with dropout while training."""
        rate = self.dropout if self.training else 0.0
        if self.fused:
            return dropout(Output[S]([runs], self.merge_mode).h, rate, rng=self._rng)
        both = zip(*(run.steps for run in runs), strict=True)
        return [dropout(merged([step.h for step in hs], self.merge_mode), rate, rng=self._rng) for hs in both]

    def _split(self, state: Any) -> Sequence[Any]:
        """The state of each layer and direction, from one stacked state."""
        n = len(self.cells) * len(self.directions)
        if state is None:
            return [None] * n
        fields: Sequence[Any] = (state,) if isinstance(state, Tensor | np.ndarray) else state
        if n == 1 and not all(np.ndim(field) == 3 and len(field) == 1 for field in fields):  # (1, …) is PyTorch's form
            return [state]
        for field in fields:
            if np.ndim(field) != 3 or len(field) != n:
                raise ValueError(
                    f"{type(self).__name__}: with {n} layers and directions each state has shape ({n}, batch, hidden), "
                    f"not {np.shape(field)}."
                )
        return [tuple(field[k] for field in fields) for k in range(n)]


def not_default(layer: type[Recurrent[Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    """Of the `locals()` of a constructor, what is not its default: a cell of one's own need not know all settings."""
    parameters = signature(layer.__init__).parameters
    usual = {name: p.default for name, p in parameters.items() if p.kind is not Parameter.VAR_KEYWORD}
    own = {name: arguments[name] for name in usual if name != "self" and arguments[name] != usual[name]}
    return own | arguments["settings"]


def _check_settings(layer: type, cell: type[Cell], settings: dict[str, Any]) -> None:
    """Raise TypeError for a setting that no constructor of the cell takes."""
    known: list[str] = []
    for kind in (kind for kind in cell.__mro__ if "__init__" in vars(kind)):
        parameters = signature(vars(kind)["__init__"]).parameters.values()
        known += [p.name for p in parameters if p.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            break
    if unknown := [name for name in settings if name not in known]:
        own = [p.name for p in signature(layer).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        names = ", ".join(dict.fromkeys(name for name in [*own, *known] if name != "self" and "_size" not in name))
        raise TypeError(f"{layer.__name__}: there is no setting {unknown[0]!r}.{advice(unknown[0])} Settings: {names}.")


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
            layer.fused = cast(Fused, fused)


def merged(ways: list[Tensor], mode: Merge) -> Any:
    """What becomes of one tensor of each direction."""
    if len(ways) == 1:
        return ways[0]
    match mode:
        case None:
            return tuple(ways)
        case "concat":
            return concat(ways, axis=-1)
        case "mul":
            return ways[0] * ways[1]
        case "sum":
            return ways[0] + ways[1]
        case "ave":
            return (ways[0] + ways[1]) * 0.5


def _batched(state: Any) -> Any:
    """The state of one sequence as that of a batch of one: (hidden,) as (1, hidden), (n, hidden) as (n, 1, hidden)."""
    fields = (state,) if isinstance(state, Tensor | np.ndarray) else state
    return tuple(field[..., None, :] for field in fields)


def _valid(lengths: Any, mask: Any, batch: int, time: int) -> Array | None:
    """(batch, time) bools: which steps of each row are read; None where all are."""
    valid = None
    if lengths is not None:
        lengths = np.asarray(lengths)
        if lengths.shape != (batch,) or lengths.dtype.kind not in "iu" or lengths.min() < 1 or lengths.max() > time:
            raise ValueError(
                f"lengths must be {batch} integers from 1 to {time}, one for each row, not {lengths!r:.80}."
            )
        valid = np.arange(time) < lengths[:, None]
    if mask is not None:
        given = np.asarray(mask)
        if given.shape != (batch, time) or not np.isin(given, (0, 1)).all():
            raise ValueError(f"mask must be bools (batch, time) = {(batch, time)}, not of shape {given.shape}.")
        valid = given.astype(bool) if valid is None else valid & given.astype(bool)
    return None if valid is None or valid.all() else valid

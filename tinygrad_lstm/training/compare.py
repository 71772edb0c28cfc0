"""Several nets side by side: the same input, the same seed, and how far each one lets a gradient travel back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..flow.trace import Trace, trace
from ..graph.dot import GREY, INK, Picture, Scale, digits, quoted
from ..graph.render import Drawing
from ..optim import CLIPS, SGD
from ..tasks.base import Task
from ..tensor import Array
from .fit import TrainingError, fit, make_optimizer
from .model import CELLS, SequenceModel

NETS = ("rnn", "relu-rnn", "irnn", "lstm:0", "lstm:1", "lstm:5", "relu-lstm:5", "relu-lstm:5+clip", "gru")
GONE = 1e-7  # of the gradient at the end: where float32 cannot add it to that any more
LARGEST = float(np.finfo(np.float32).max)
FEATURES = 8  # of the random input
COLUMNS = 200  # of a picture at most


@dataclass(frozen=True)
class Row:
    """One state of one net: the norms of ∂L/∂C_0 … ∂L/∂C_T (or of ∂L/∂h).

    Attributes:
        net, state: which net; "h" or "C".
        norm: (T+1,); infinite where it overflowed, NaN where no gradient was computed.
        highway: half-life, in steps, of the pure highway (the product of the forget gates); NaN where there is none.
    """

    net: str
    state: str
    norm: Array
    highway: float = math.nan

    @property
    def half_life(self) -> float:
        """Steps after which the gradient has halved, on average from the end to the start (or to where it becomes 0).

        Infinite where it does not shrink, NaN where a number is missing or overflowed.
        """
        first = int(np.argmax(self.norm != 0))
        start, end = self.norm[first], self.norm[-1]
        if not (math.isfinite(start) and 0 < end < math.inf) or first == len(self.norm) - 1:
            return math.nan
        return math.log(0.5) * (len(self.norm) - 1 - first) / math.log(start / end) if start < end else math.inf

    @property
    def below(self) -> int | None:
        """The first step, counted back from the end, at which less than 1e-7 of the end's gradient is left."""
        found = np.flatnonzero(self.norm[::-1] < GONE * self.norm[-1])
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Net:
    """What was measured of one net.

    Attributes:
        name, rows: its name, and one `Row` for each state.
        gradient: the norm of the gradients of all recurrent weights together, before any clip.
        step: how far SGD with lr = 1 moves these weights, after the net's clip; NaN where numbers overflow in float32,
            since it refuses such a step.
        clip: "global_clipnorm=1", or "".
        overflow: where the first number left the range of float32, in words; "" where none did.
        note: what there is to say about its training.
    """

    name: str
    rows: list[Row]
    gradient: float
    step: float
    clip: str = ""
    overflow: str = ""
    note: str = ""


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` measured: `nets`, and how (`about`). Print it; `.draw()` is the picture."""

    nets: list[Net]
    about: str = field(default="")

    @property
    def rows(self) -> list[Row]:
        """All rows of all nets."""
        return [row for net in self.nets for row in net.rows]

    @property
    def T(self) -> int:
        return len(self.rows[0].norm) - 1

    def __getitem__(self, name: str) -> Net:
        """The net of that name. Raises KeyError where there is none."""
        return {net.name: net for net in self.nets}[name]

    def table(self) -> str:
        """One line for each state of each net."""
        back = sorted({0, self.T // 10, self.T // 2, self.T})
        heads = [f"T−{k}" if k else "t=T" for k in back] + ["half-life", "highway", "<1e-7 at", "‖∂L/∂W‖", "step"]
        grid = [["net", "", *heads]]
        for net in self.nets:
            for row in net.rows:
                cells = [_number(row.norm[self.T - k]) for k in back]
                cells += [_lasting(row), "" if math.isnan(row.highway) else _life(row.highway)]
                cells += ["never" if row.below is None else f"T−{row.below}"]
                whole = [_number(net.gradient), "refused" if math.isnan(net.step) else _number(net.step)]
                first = row is net.rows[0]
                grid.append([net.name if first else "", f"∂L/∂{row.state}", *cells, *(whole if first else ["", ""])])
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines = [
            f"{name:<{widths[0]}}  {state:<{widths[1]}}"
            + "".join(f"{cell:>{wide + 2}}" for cell, wide in zip(cells, widths[2:], strict=True))
            for name, state, *cells in grid
        ]
        return "\n".join(line.rstrip() for line in lines)

    def notes(self) -> list[str]:
        """What to look at, in sentences made from the numbers."""
        return [*_notes(self)]

    def draw(self) -> Drawing:
        """Heat strips of all nets on one logarithmic scale: a band for each net, a column for each step."""
        return _drawn(self)

    def __repr__(self) -> str:
        return f"{self.about}\n\n{self.table()}\n\n" + "\n".join(f"- {note}" for note in self.notes())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**self.draw()._repr_mimebundle_(), "text/plain": repr(self)}


def compare(
    nets: str | Iterable[str] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    steps: int | None = None,
    hidden: int = 32,
    batch: int = 8,
    seed: int = 0,
    task: Task | None = None,
    train: int = 0,
    progress: bool | str = False,
) -> Comparison:
    """Give several nets the same input, and measure how ∂L/∂h_t and ∂L/∂C_t shrink or grow on the way back.

    L is a weighted sum of h_T with fixed random weights of norm 1. So ‖∂L/∂h_T‖ = 1 for every net, trained or not, and
    what is seen is the way back alone. Everything is measured in float64, where 1e-30 is still a number.

    Args:
        nets: names, as a list or with commas between: "rnn", "gru", "lstm:3" (forget bias 3) and any cell of
            `training.model.CELLS`; "relu-" before a name takes relu for tanh (both of them in an LSTM); "irnn" is a
            relu-rnn that starts from the identity (Le, Jaitly, Hinton 2015); "+clip" at the end adds global_clipnorm=1.
            Or a dict of your own names and settings (of `SequenceModel`, and a clip).
        steps: time steps of the random input, standard normal numbers; 100 by default. A task has its own lengths.
        hidden, batch: hidden units of each net, and rows of the input.
        seed: of weights, input and training batches: the same for all nets.
        task: measure on its examples (cut to the shortest one) and not on random input.
        train: training steps of each net on the task (Adam) before it is measured.
        progress: of the training, as in `fit`.

    Raises ValueError for an unknown net or bad settings. An overflow is a finding, and no error.
    """
    chosen = _settings(NETS if nets is None else nets)
    for name, value, least in (("hidden", hidden, 1), ("batch", batch, 1), ("steps", steps, 1), ("train", train, 0)):
        if value is not None and value < least:
            raise ValueError(f"compare: {name} must be at least {least}, not {value}.")
    if task is None and train:
        raise ValueError("compare: random input teaches nothing; train= needs a task=.")
    if task is not None and steps is not None:
        raise ValueError(f"compare: steps= is for random input; {task.name} has lengths of its own, set in the task.")
    rng = np.random.default_rng([seed, 3])
    if task is None:
        x = rng.normal(size=(batch, steps or 100, FEATURES))
    else:
        drawn = task.batch(batch, rng)
        x = drawn.x if drawn.lengths is None else drawn.x[:, : drawn.lengths.min()]
    weights = rng.normal(size=(batch, hidden))
    weights /= np.linalg.norm(weights)
    found = []
    for name, given in chosen.items():
        clip = {key: value for key, value in given.items() if key in CLIPS}
        settings = {"hidden": hidden, "seed": seed, **{k: v for k, v in given.items() if k not in CLIPS}}
        if settings["hidden"] != hidden or settings.get("layers", 1) != 1:
            raise ValueError(f"compare: {name}: all nets have one layer, and the same number of hidden units.")
        if task is None:
            model = SequenceModel(inputs=FEATURES, outputs=1, tokens=False, kind="regress", **settings)
        else:
            model = SequenceModel.for_task(task, **settings)
        note = _trained(name, model, task, train, seed, clip, progress) if task is not None and train else ""
        found.append(_measured(name, model.eval().astype(np.float64), x, weights, clip, note))
    source = f"random input, {x.shape[1]} steps" if task is None else f"examples of {task.name!r}, {x.shape[1]} steps"
    when = f"after {train} training steps" if train else "untrained"
    return Comparison(found, f"{len(found)} nets of {hidden} units, {when}, seed {seed}, on the same {source}")


def _settings(nets: str | Iterable[str] | Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    if isinstance(nets, Mapping):
        chosen = {name: dict(settings) for name, settings in nets.items()}
    else:
        names = nets.split(",") if isinstance(nets, str) else nets
        chosen = {name.strip(): _named(name.strip()) for name in names if name.strip()}
    if not chosen:
        raise ValueError("compare: which nets? For instance nets='rnn,lstm:1,lstm:5'.")
    return chosen


def _named(name: str) -> dict[str, Any]:
    """The settings that a name such as "relu-lstm:5+clip" stands for."""
    rest, plus, clip = name.partition("+")
    rest, colon, bias = rest.partition(":")
    cell = rest.removeprefix("relu-")
    settings: dict[str, Any] = {"cell": cell}
    if cell != rest:
        settings["activation"] = "relu"
    if cell == "irnn":
        settings = {"cell": "rnn", "activation": "relu", "recurrent_initializer": "identity"}
    if settings["cell"] not in CELLS or (plus and clip != "clip"):
        raise ValueError(
            f"compare: there is no net {name!r}. There are irnn, {', '.join(CELLS)}; 'relu-' may stand before a name, "
            "a forget bias (':5') and '+clip' after it."
        )
    if colon:
        try:
            settings["forget_bias"] = float(bias)
        except ValueError:
            raise ValueError(f"compare: {name!r}: a forget bias is a number, as in 'lstm:5'.") from None
    return {**settings, **({"global_clipnorm": 1.0} if plus else {})}


def _trained(
    name: str, model: SequenceModel, task: Task, train: int, seed: int, clip: Mapping[str, Any], progress: bool | str
) -> str:  # fmt: skip
    optimizer = make_optimizer("adam", model, **clip)
    if progress:
        print(f"training: {name}", flush=True)
    try:
        history = fit(model, task, steps=train, seed=seed, optimizer=optimizer, progress=progress)
    except TrainingError as exc:
        return f"training stopped with an overflow at {str(exc).split(':')[0]}; measured with its last good weights"
    return f"training ended with {history.line()}"


def _measured(name: str, model: SequenceModel, x: Array, weights: Array, clip: dict[str, Any], note: str) -> Net:
    with np.errstate(all="ignore"):
        vectors = model.embedding(x) if "embedding" in vars(model) else x.astype(np.float64)
        last = model.rnn(vectors).last
        traced = trace((last.h * weights).sum())
        rows = [_row(name, state, traced) for state in type(last)._fields]
        optimizer = SGD(model.rnn.named_parameters(), 1.0, **clip)
        for p in optimizer.params:
            p.grad = traced.grad(p)
        before = [p.data for p in optimizer.params]
        gradient = _size([p.grad for p in optimizer.params if p.grad is not None])
        overflow, step = _overflow(rows, traced), math.nan
        if not overflow and gradient <= LARGEST:
            optimizer.step()
            step = _size([old - p.data for old, p in zip(before, optimizer.params, strict=True)])
    return Net(name, rows, gradient, step, "".join(f"{k}={v:g}" for k, v in clip.items()), overflow, note)


def _row(name: str, state: str, traced: Trace) -> Row:
    flow = traced.flow(state)
    grads = [None if x is None else traced.grad(x) for x in flow.states]
    norm = np.array([math.nan if g is None else _size([g]) for g in grads])
    kept = "f" in flow.gates if state == "C" else "z" in flow.gates
    return Row(name, state, norm, flow.half_life if kept else math.nan)


def _size(arrays: Sequence[Array]) -> float:
    """The norm of all numbers together; infinite where one is infinite or no number. No square under- or overflows."""
    top = max((float(np.abs(a).max(initial=0)) if np.isfinite(a).all() else math.inf for a in arrays), default=0.0)
    return top * math.hypot(*(float(np.linalg.norm(a / top)) for a in arrays)) if 0 < top < math.inf else top


def _overflow(rows: Sequence[Row], traced: Trace) -> str:
    for row in rows:
        for t, x in enumerate(traced.flow(row.state).states):
            if x is not None and not float(np.abs(x.numpy()).max()) <= LARGEST:  # NaN too
                return f"{row.state} on the way forward at t={t}"
    for row in rows:
        found = np.flatnonzero(row.norm[::-1] > LARGEST)
        if len(found):
            return f"∂L/∂{row.state} on the way back at T−{found[0]}"
    return ""


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "inf" if value > LARGEST else "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")


def _life(value: float) -> str:
    return "–" if math.isnan(value) else "kept" if math.isinf(value) else f"{value:.3g}"


def _lasting(row: Row) -> str:
    """The half-life in a word: a number, or that there is none because the gradient is as large at the start."""
    if abs(row.norm[0] - row.norm[-1]) < 0.01 * row.norm[-1]:
        return "kept"
    return "grows" if row.half_life == math.inf else _life(row.half_life)


def _notes(found: Comparison) -> Iterable[str]:
    T = found.T
    yield f"The way back leads from the end of the sequence, t=T, to its start, T−{T}; ‖∂L/∂h‖ is 1 at the end."
    carried = {net.name: net.rows[-1] for net in found.nets}  # C of an LSTM, h of the others: the state with the memory
    gone = [f"{name} at T−{row.below}" for name, row in carried.items() if row.below is not None]
    if gone:
        yield (
            f"Vanished, less than 1e-7 of the gradient at the end: {', '.join(gone)}. Beside what comes from near the "
            "end, a float32 gradient cannot even hold what comes from further back."
        )
    grown = {name: float(np.nanmax(row.norm) / row.norm[-1]) for name, row in carried.items()}
    much = {name: by for name, by in grown.items() if by > 100}
    if much:
        times = [f"{name} ({f'{digits(by)} times' if by < LARGEST else 'overflow'})" for name, by in much.items()]
        yield f"Exploded on the way: {', '.join(times)}."
    kept = [name for name, row in carried.items() if row.norm[0] >= 0.01 * row.norm[-1] and name not in much]
    if kept:
        yield f"Kept: at least 1 % of the gradient at the end comes back over all {T} steps: {', '.join(kept)}."
    biased = [(name, row) for name, row in carried.items() if row.state == "C" and not math.isnan(row.highway)]
    if biased:
        lives = ", ".join(f"{name} {digits(row.highway)}" for name, row in biased)
        yield (
            f"highway: the half-life of the product of the forget gates alone: {lives} steps. An LSTM does not keep a "
            "gradient by its name, but by open forget gates; what comes back beyond that has come through h."
        )
    for net in found.nets:
        same = [n for n in found.nets if not n.clip and net.clip and all(map(_equal, n.rows, net.rows))]
        if same:
            if math.isnan(net.step):
                change = "and where numbers overflow it cannot help: the optimizer refuses the step"
            elif net.step < net.gradient * (1 - 1e-9):
                change = f"only the step is shorter, {_number(net.step)} for a gradient of {_number(net.gradient)}"
            else:
                change = f"here not even the step changes: {_number(net.gradient)} is below the threshold"
            yield (
                f"{net.name} ({net.clip}) has the very gradient of {same[0].name}; {change}. A clip is a rule for the "
                "optimizer: it does not change the gradient's way through time, and brings nothing back that vanished."
            )
        elif net.clip and net.note:
            yield f"{net.name}: in training its clip made other steps, so weights and gradient are others now."
    for net in found.nets:
        if net.overflow:
            yield f"{net.name}: {net.overflow} leaves the range of float32, 3.4e+38; in training that is inf or NaN."
        if net.note:
            yield f"{net.name}: {net.note}."


def _equal(a: Row, b: Row) -> bool:
    return a.state == b.state and np.array_equal(a.norm, b.norm, equal_nan=True)


def _drawn(found: Comparison) -> Drawing:
    T, stride = found.T, math.ceil((found.T + 1) / COLUMNS)
    back = range(0, T + 1, stride)  # steps counted from the end, so that every strip has its end
    wide = min(14.0, max(3.0, 700 / len(back)))
    end = (len(back) - 1) * wide
    left = {k: end - column * wide for column, k in enumerate(back)}
    margin = wide / 2 + 56 + 6.2 * min(28, max(max(len(net.name), 19 * bool(net.clip)) for net in found.nets))
    picture, scale = Picture(), Scale([])
    known = [n for row in found.rows for n in row.norm if 0 < n < math.inf]
    # Six decades, or twice as many where something explodes: else all that vanishes would look the same.
    scale.low, scale.high = (1e-7, 1e5) if max(known, default=0.0) > 10 else (1e-6, 1.0)
    y = 0.0
    for net in found.nets:
        top = y
        for row in net.rows:
            picture.text((-wide / 2 - 26, y), quoted(f"∂L/∂{row.state}ₜ"), 10, INK)
            for k in back:
                value = float(row.norm[T - k])
                over, none = value > LARGEST, math.isnan(value) or value == 0
                fill = INK if over else "#ffffff" if none else scale.colour(value)
                hover = f"{net.name}: ∂L/∂{row.state} at t=T−{k} = {_number(value)}"
                picture.cell((left[k], y), (wide - 0.6 if wide > 5 else wide + 0.3, 20), fill, hover)
            if math.isnan(row.norm[-2]):
                picture.text((end / 2, y), quoted("– (no gradient was computed)"), 8)
            if row.below is not None:
                at = left[row.below // stride * stride] + wide / 2
                picture.cell((at, y), (2.0, 24), INK, f"below 1e-7 of the end's gradient from t=T−{row.below} on")
            picture.line((end + wide / 2 + 10, y), _said(row), 9, INK)
            y -= 24
        middle = (top + y + 24) / 2
        picture.line((-margin, middle), net.name if len(net.name) <= 28 else net.name[:27] + "…", 10.5, INK)
        if net.clip:
            step = "refused" if math.isnan(net.step) else _number(net.step)
            picture.line((-margin, middle - 12), f"gradient {_number(net.gradient)}, step {step}", 8, GREY)
        y -= 8
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if n * wide / stride >= 34)
    for k in range(0, T + 1, every):
        picture.text((end - k * wide / stride, y + 6), quoted(f"T−{k}" if k else "T"), 9, INK)
    y -= 34
    picture.legend((0, y), scale, "‖∂L/∂·‖")
    marks = [(2.0, 18.0, "below 1e-7 of the end's")]
    if any(net.overflow for net in found.nets):
        marks.append((14.0, 10.0, "overflow: inf or NaN"))
    for k, (w, h, words) in enumerate(marks):
        picture.cell((440 + 150 * k, y), (w, h), INK)
        picture.line((452 + 150 * k, y), words, 9, INK)
    each = f" · every {stride} steps" if stride > 1 else ""
    ends = "The ends of the scale stand for all that is beyond them; white is exactly 0."
    for k, note in enumerate((found.about + each, f"The gradient travels to the left. {ends}")):
        picture.line((-margin, y - 30 - 14 * k), note, 9, GREY)
    return Drawing(picture.write(), "neato", f"{len(found.nets)} nets side by side")


def _said(row: Row) -> str:
    if not (top := float(np.nanmax(row.norm))) <= 100 * row.norm[-1]:
        return "overflow" if top > LARGEST else f"up to {_number(top)}"
    life = _lasting(row)
    return f"half-life {life}" if life[0].isdigit() else life

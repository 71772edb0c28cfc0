"""Several nets side by side: the same input, the same seed, and how far each one lets a gradient travel back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..flow.trace import Trace, trace
from ..numerics import norm
from ..optim import CLIPS, SGD
from ..spoken import said
from ..sweeps.outcomes import Sweep
from ..sweeps.sweep import sweep
from ..tasks.base import Task
from ..tensor import Array
from .comparison import Comparison
from .fit import TrainingError, fit, make_optimizer
from .model import CELLS, SequenceModel
from .rows import LARGEST, Net, Row

__all__ = ["NETS", "Comparison", "Net", "Row", "compare"]

NETS = ("rnn", "relu-rnn", "irnn", "lstm:0", "lstm:1", "lstm:5", "relu-lstm:5", "relu-lstm:5+clip", "gru")
FEATURES = 8  # of the random input


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
    seeds: int | Iterable[int] | None = None,
    workers: int | None = None,
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
        seeds: measure all nets with these, too (5 stands for 0 … 4), by `tl.sweep`, and see how far they lie apart:
            `.seeds` is that sweep. Needs the extra `sweep`.
        workers: how many nets are trained at a time for these; all cores by default.

    Raises ValueError for an unknown net or bad settings. An overflow is a finding, and no error.
    """
    named = _settings(NETS if nets is None else nets)
    _at_least(hidden=(hidden, 1), batch=(batch, 1), steps=(steps, 1), train=(train, 0))
    rng = np.random.default_rng([seed, 3])
    x = _input(task, batch, steps, train, rng)
    weights = rng.normal(size=(batch, hidden))
    weights /= np.linalg.norm(weights)
    measured = []
    for name, settings in named.items():
        model, clip = _model(name, task, {"hidden": hidden, "seed": seed, **settings}, hidden)
        note = _trained(name, model, task, train, seed, clip, progress) if task is not None and train else ""
        measured.append(_measured(name, model.eval().astype(np.float64), x, weights, clip, note))
    shape = {"steps": steps, "hidden": hidden, "batch": batch}
    spread = None if seeds is None else _over_seeds(named, task, train, seeds, workers, bool(progress), shape)
    return Comparison(measured, _about(named, hidden, train, seed, x.shape[1], task), spread)


def _at_least(**bounds: tuple[int | None, int]) -> None:
    for name, (value, least) in bounds.items():
        if value is not None and value < least:
            raise ValueError(f"compare: {name} must be at least {least}, not {value}.")


def _about(named: Mapping[str, Any], hidden: int, train: int, seed: int, T: int, task: Task | None) -> str:
    read = "random input, {T} steps" if task is None else "examples of {task!r}, {T} steps"
    source = said(read, T=T, task=task and task.name)
    when = said("after {n} training steps", n=train) if train else said("untrained")
    about = "{n} nets of {hidden} units, {when}, seed {seed}, on the same {source}"
    return said(about, n=len(named), hidden=hidden, when=when, seed=seed, source=source)


def _over_seeds(
    named: dict[str, dict[str, Any]], task: Task | None, train: int, seeds: int | Iterable[int], workers: int | None,
    progress: bool, shape: dict[str, Any],
) -> Sweep:  # fmt: skip
    """For each net and seed, of the state with the memory: what is left at the start of the gradient at the end."""

    def run(seed: int, net: str) -> dict[str, float]:
        row = compare({net: named[net]}, task=task, train=train, seed=seed, **shape)[net].rows[-1]
        found = {"left": float(row.norm[0] / row.norm[-1]), "half-life": row.half_life, "highway": row.highway}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    backend = "loky" if train else "sequential"  # a measurement is over before a process has started
    return sweep(
        run, {"net": list(named)}, seeds=seeds, name="compare", backend=backend, workers=workers, progress=progress
    )


def _input(task: Task | None, batch: int, steps: int | None, train: int, rng: np.random.Generator) -> Array:
    """What all nets read: random numbers, or examples of a task, cut to the shortest."""
    if task is None:
        if train:
            raise ValueError("compare: random input teaches nothing; train= needs a task=.")
        return rng.normal(size=(batch, steps or 100, FEATURES))
    if steps is not None:
        raise ValueError(f"compare: steps= is for random input; {task.name} has lengths of its own, set in the task.")
    drawn = task.batch(batch, rng)
    return drawn.x if drawn.lengths is None else drawn.x[:, : drawn.lengths.min()]


def _model(
    name: str, task: Task | None, settings: dict[str, Any], hidden: int
) -> tuple[SequenceModel, dict[str, Any]]:  # fmt: skip
    """A net, and its clip."""
    clip = {key: value for key, value in settings.items() if key in CLIPS}
    own = {key: value for key, value in settings.items() if key not in CLIPS}
    if own["hidden"] != hidden or own.get("layers", 1) != 1:
        raise ValueError(f"compare: {name}: all nets have one layer, and the same number of hidden units.")
    if task is not None:
        return SequenceModel.for_task(task, **own), clip
    return SequenceModel(inputs=FEATURES, outputs=1, tokens=False, kind="regress", **own), clip


def _settings(nets: str | Iterable[str] | Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    if isinstance(nets, Mapping):
        chosen = {name: dict(settings) for name, settings in nets.items()}
    else:
        names = [name.strip() for name in (nets.split(",") if isinstance(nets, str) else nets) if name.strip()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"compare: {sorted(twice)[0]!r} is named twice. A dict gives each net a name of its own.")
        chosen = {name: _named(name) for name in names}
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
        stopped = "training stopped with an overflow at {step}; measured with its last good weights"
        return said(stopped, step=str(exc).split(":")[0])
    return said("training ended with {line}", line=history.line())


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
        gradient = _size(*(p.grad for p in optimizer.params if p.grad is not None))
        overflow, step = _overflow(rows, traced), math.nan
        if not overflow and gradient <= LARGEST:
            optimizer.step()
            step = _size(*(old - p.data for old, p in zip(before, optimizer.params, strict=True)))
    return Net(name, rows, gradient, step, "".join(f"{k}={v:g}" for k, v in clip.items()), overflow, note)


def _row(name: str, state: str, traced: Trace) -> Row:
    flow = traced.flow(state)
    grads = [None if x is None else traced.grad(x) for x in flow.states]
    sizes = np.array([math.nan if g is None else _size(g) for g in grads])
    kept = "f" in flow.gates if state == "C" else "z" in flow.gates
    return Row(name, state, sizes, flow.half_life if kept else math.nan)


def _size(*arrays: Array) -> float:
    """The norm of all numbers together; infinite where one is infinite or no number."""
    size = norm(*arrays)
    return math.inf if math.isnan(size) else size


def _overflow(rows: Sequence[Row], traced: Trace) -> str:
    for row in rows:
        for t, x in enumerate(traced.flow(row.state).states):
            if x is not None and not float(np.abs(x.numpy()).max()) <= LARGEST:  # NaN too
                return said("{state} on the way forward at t={t}", state=row.state, t=t)
    for row in rows:
        found = np.flatnonzero(row.norm[::-1] > LARGEST)
        if len(found):
            return said("∂L/∂{state} on the way back at T−{t}", state=row.state, t=found[0])
    return ""

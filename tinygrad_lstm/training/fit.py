"""The training loop: draw a batch, predict, go back, step; and all that makes it bearable to wait for.

A training can be stopped and gone on with: its file holds the parameters and everything else that the next step depends
on, so that the numbers afterwards are the same, bit by bit, as if it had never stopped.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..flow.trace import trace
from ..nn import unfused
from ..optim import OPTIMIZERS, Optimizer
from ..scope import detect_anomaly, no_grad
from ..tasks.base import Batch, Split, Task
from ..tasks.series import Series
from ..tasks.text import Text
from ..tensor import Array, Tensor
from .model import Prediction, SequenceModel, save_model
from .record import Record, Snapshot

COLUMNS = ("loss", "accuracy", "norm", "clipped")


class TrainingError(FloatingPointError):
    """The training has come to numbers that are not finite. The model has its last good parameters."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the step that was under way was finished and saved. `history` is what happened until then."""

    def __init__(self, line: str, history: History) -> None:
        super().__init__(line)
        self.history = history


@dataclass(repr=False)
class History:
    """What happened at each step: `loss` and `accuracy` on its batch before the step (accuracy is NaN where no answer
    is simply right), `norm` of all gradients before clipping, and `clipped`, 1 where they were clipped.

    `seconds` is the time spent, `answers` the number of answers asked for, over all runs of this training. `record`
    holds what `fit(record=…)` has seen inside.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    seconds: float = 0.0
    answers: int = 0
    record: Record = field(default_factory=Record)

    def __len__(self) -> int:
        return len(self.loss)

    def recent(self, column: str, n: int = 20) -> float:
        """The mean of the last n entries of a column; NaN where there is none."""
        last = getattr(self, column)[-n:]
        return sum(last) / len(last) if last else math.nan

    def line(self) -> str:
        """Where the training stands, as means over the last 20 steps."""
        words = [f"loss {self.recent('loss'):.4f}"]
        if not math.isnan(self.recent("accuracy")):
            words.append(f"accuracy {self.recent('accuracy'):.1%}")
        words.append(f"gradient norm {self.recent('norm'):.3g}")
        if any(self.clipped):
            words.append(f"clipped {self.recent('clipped'):.0%}")
        return ", ".join(words)

    def __repr__(self) -> str:
        return f"History({len(self)} steps in {self.seconds:.1f} s; last 20: {self.line()})"


@dataclass(frozen=True)
class Evaluation:
    """`loss` and `accuracy` (NaN where no answer is simply right) over `answers` answers.

    `by_distance` is the accuracy at each distance between what is asked and what is to be remembered, for tasks that
    have such a distance.
    """

    loss: float
    accuracy: float
    answers: int
    by_distance: dict[int, float]

    def __str__(self) -> str:
        right = "" if math.isnan(self.accuracy) else f", accuracy {self.accuracy:.1%}"
        return f"loss {self.loss:.4f}{right} ({self.answers:,} answers)"


def fit(
    model: SequenceModel,
    task: Task,
    *,
    steps: int | None = None,
    batch: int = 32,
    chunk: int | None = None,
    optimizer: Optimizer | None = None,
    seed: int = 0,
    seconds: float | None = None,
    record: int | None = None,
    progress: bool | str = True,
    path: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Train a model on the training part of a task.

    A `Text` is read from beginning to end, again and again, in `batch` rows side by side and `chunk` characters at a
    time; the state is carried from chunk to chunk without its history (truncated backpropagation through time:
    Williams, Peng 1990). Of other tasks each step draws a new batch.

    Args:
        steps: train until this many steps are done, those before a resume included; None: until `seconds` are over.
        batch: examples (rows of text) at each step.
        chunk: characters at a time, for a `Text` alone; its `steps` by default.
        optimizer: Adam with lr=0.01 by default.
        seed: of the batches that are drawn.
        seconds: stop after the step during which these are over.
        record: look inside before the first step and after every so many (see `Record`): how large ∂L/∂C_t is and how
            far the gates are open, on 8 examples that are always the same; each look costs about as much as a step.
        progress: True for a bar in a terminal and some lines elsewhere, "lines" for lines, False for silence.
        path: where to save the model and all that a resume needs, at the end and at Ctrl-C.
        resume: a file written through `path`, to go on with bit by bit; model, optimizer and batch must be as then.

    Ctrl-C (in the main thread) finishes the step, saves, and raises Interrupted, a KeyboardInterrupt; a second Ctrl-C
    stops at once, without saving. Raises TrainingError where loss or gradient is not finite, with the step, the first
    bad tensor and remedies; the model then has its last good parameters, and nothing is written. Raises CheckpointError
    for a file that cannot be gone on with, ValueError for bad settings, OSError where `path` cannot be written.
    """
    if steps is None and seconds is None:
        raise ValueError("fit: give steps=, or seconds= for as many steps as fit into them.")
    least = {"steps": 0, "batch": 1, "chunk": 1, "seconds": 0, "record": 1}
    given = {"steps": steps, "batch": batch, "chunk": chunk, "seconds": seconds, "record": record}
    for name, value in given.items():
        if value is not None and value < least[name]:
            raise ValueError(f"fit: {name} must be at least {least[name]}, not {value}.")
    if chunk is not None and not isinstance(task, Text):
        raise ValueError(f"fit: chunk= is for texts; {task.name} is drawn example by example.")
    run = _Run(model, task, optimizer or make_optimizer("adam", model), batch, chunk, seed)
    if resume is not None:
        run.restore(resume)
    history, start = run.history, time.perf_counter()
    before = history.seconds
    model.train()
    with _display(progress, steps, seconds, run) as show, _interruptible() as interrupted, np.errstate(all="ignore"):
        run.look(record)
        while (steps is None or len(history) < steps) and not interrupted():
            run.step()
            run.look(record)
            spent = time.perf_counter() - start
            history.seconds = before + spent
            show(spent)
            if seconds is not None and spent >= seconds:
                break
    if path is not None:
        run.save(path)
    if interrupted():
        saved = f"saved in {path}; go on with resume={os.fspath(path)!r}" if path is not None else "nothing was saved"
        raise Interrupted(f"stopped after step {len(history)}: {saved}", history)
    return history


def evaluate(
    model: SequenceModel, task: Task, *, batch: int = 64, batches: int = 8, seed: int = 0, split: Split = "test"
) -> Evaluation:
    """Loss and accuracy on one part of a task, without dropout.

    Of a drawn task and of a `Series`, `batches` times `batch` examples are drawn (always the same ones for a seed); a
    `Text` is read with the state carried along, in fewer rows where it is short, for 8 · `batches` chunks at most.
    Raises TaskError where the task has no such part.
    """
    was_training = model.training
    model.eval()
    total, right, n = 0.0, 0.0, 0
    distances: dict[int, list[float]] = {}
    state: Any = None
    try:
        with no_grad(), np.errstate(all="ignore"):
            for some in _parts(task, batch, batches, seed, split):
                prediction = model(some.x, state, lengths=some.lengths)
                state = prediction.out.last if isinstance(task, Text) else None
                size = int(some.mask.sum())
                total += model.loss(prediction, some).item() * size
                right += _accuracy(task, some, prediction) * size
                n += size
                if not isinstance(task, Series):
                    asked = some.info.get("distance", np.zeros(some.mask.shape)) * some.mask
                    correct = task.right(some, prediction.y.numpy())
                    for distance in np.unique(asked[asked > 0]):
                        distances.setdefault(int(distance), []).extend(correct[asked == distance])
    finally:
        model.train(was_training)
    return Evaluation(total / n, right / n, n, {d: float(np.mean(hits)) for d, hits in sorted(distances.items())})


def _parts(task: Task, batch: int, batches: int, seed: int, split: Split) -> Iterator[Batch]:
    if not isinstance(task, Text):
        rng = np.random.default_rng([seed, 1])  # not the generator of the training's batches
        yield from (task.batch(batch, rng, split=split) for _ in range(batches))
        return
    rows, steps = batch, task.steps
    while task.chunk_count(rows, steps, split=split) == 0 and rows * steps > 1:
        rows, steps = max(1, rows // 2), steps if rows > 1 else steps // 2
    for k, some in enumerate(task.chunks(rows, steps, split=split)):
        if k == 8 * batches:
            return
        yield some


def _accuracy(task: Task, batch: Batch, prediction: Prediction) -> float:
    if isinstance(task, Series):
        return math.nan
    return float(task.right(batch, prediction.y.numpy())[batch.mask].mean())


class _Run:
    """A training under way: everything that its next step depends on."""

    def __init__(
        self, model: SequenceModel, task: Task, optimizer: Optimizer, batch: int, chunk: int | None, seed: int
    ) -> None:
        self.model, self.task, self.optimizer, self.batch = model, task, optimizer, batch
        self.chunk = (chunk or task.steps) if isinstance(task, Text) else None
        self.rng = np.random.default_rng(seed)
        self.history = History()
        self.state: Any = None  # carried from chunk to chunk, without history
        self.position = 0  # the number of the next chunk
        self.probe: Batch | None = None  # what a record is made on
        self.chunks: Iterator[Batch] | None = None
        self.good = model.state_dict()  # the parameters that last gave a finite loss: arrays never change, so no copy

    def generators(self) -> list[np.random.Generator]:
        """The source of batches, then those of dropout, each once."""
        inside = [vars(module).get("_rng") for module in self.model.modules()]
        unique = {id(rng): rng for rng in [self.rng, *inside] if isinstance(rng, np.random.Generator)}
        return list(unique.values())

    def next_batch(self) -> Batch:
        if not isinstance(self.task, Text) or self.chunk is None:
            return self.task.batch(self.batch, self.rng)
        for _ in range(2):
            if self.chunks is None:
                self.chunks = self.task.chunks(self.batch, self.chunk, self.position)
            for batch in self.chunks:
                self.position += 1
                return batch
            self.chunks, self.position, self.state = None, 0, None  # the end of the text: from the beginning
        raise AssertionError("chunks() gives at least one chunk from 0")

    def step(self) -> None:
        batch = self.next_batch()
        dice = [rng.bit_generator.state for rng in self.generators()]
        value = math.nan
        try:
            prediction, loss = self.predict(batch)
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value}")
            good = self.model.state_dict()
            self.optimizer.zero_grad()
            loss.backward()
            clipped = self.optimizer.clipped
            self.optimizer.step()
        except FloatingPointError as exc:
            error = self.explained(exc, batch, dice)
            if not math.isfinite(value):  # these parameters are bad; a bad gradient has not moved any
                self.model.load_state_dict(self.good)
            raise error from None
        self.good = good
        if self.chunk is not None:
            self.state = prediction.out.last.detach()
        history = self.history
        history.loss.append(value)
        history.accuracy.append(_accuracy(self.task, batch, prediction))
        history.norm.append(self.optimizer.clip_report().last_norm)
        history.clipped.append(float(self.optimizer.clipped - clipped))
        history.answers += int(batch.mask.sum())

    def look(self, every: int | None) -> None:
        """Take a snapshot, if it is time for one. No random number of the training is drawn, and no `.grad` touched."""
        done, record = len(self.history), self.history.record
        if every is None or done % every or (record.steps and record.steps[-1] >= done):
            return
        if self.probe is None:
            self.probe = self.task.batch(8, np.random.default_rng([0, 2]))
        self.model.eval()
        with unfused(self.model):
            prediction = self.model(self.probe.x, lengths=self.probe.lengths)
        traced = trace(self.model.loss(prediction, self.probe))
        layers = self.model.config()["layers"]
        record.add(done, Snapshot.of(traced, layer=layers if layers > 1 else None, lengths=self.probe.lengths))
        self.model.train()

    def predict(self, batch: Batch) -> tuple[Prediction, Tensor]:
        prediction = self.model(batch.x, self.state, lengths=batch.lengths)
        return prediction, self.model.loss(prediction, batch)

    def explained(self, exc: FloatingPointError, batch: Batch, dice: list[Any]) -> TrainingError:
        """Run the same batch again, looking at every tensor, to say where the first bad number came from."""
        for rng, state in zip(self.generators(), dice, strict=True):  # the same dropout too
            rng.bit_generator.state = state
        found = "no single tensor was to blame when it was run again"
        try:
            with detect_anomaly(), unfused(self.model):
                self.predict(batch)[1].backward()
        except FloatingPointError as first:
            found = str(first).split(" Use ")[0]
        self.optimizer.zero_grad()
        what = str(exc).split(" Nothing was changed")[0].removeprefix("step: ").rstrip(".")
        before = f" (before: {self.history.loss[-1]:.4g})" if self.history.loss else ""
        return TrainingError(
            f"step {len(self.history) + 1}: {what}{before}. First: {found.rstrip('.')}. Try a smaller lr than "
            f"{self.optimizer.lr:g}, or a clip such as global_clipnorm=1. The model keeps its last good parameters"
        )

    # — to and from a file ——————————————————————————————————————————————————————————————————————————————————

    def save(self, path: str | os.PathLike[str]) -> None:
        own = self.optimizer.state_dict()
        arrays = {f"optimizer/{name}": array for name, array in own.pop("arrays").items()}
        for name in COLUMNS:
            arrays[f"history/{name}"] = np.array(getattr(self.history, name), dtype=np.float64)
        arrays |= {f"record/{name}": array for name, array in self.history.record.arrays().items()}
        fields = () if self.state is None else self.state._fields
        for name, tensor in zip(fields, self.state or (), strict=True):
            arrays[f"state/{name}"] = tensor.numpy()
        training = {
            "optimizer": own,
            "generators": [rng.bit_generator.state for rng in self.generators()],
            "batch": self.batch,
            "chunk": self.chunk,
            "position": self.position,
            "state": list(fields),
            "seconds": self.history.seconds,
            "answers": self.history.answers,
        }
        save_model(path, self.model, {"training": training, "task": self.task.config()}, extra=arrays)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Take over everything from a file, or raise CheckpointError."""
        from ..exchange import CheckpointError, load, read

        arrays, meta = read(path)
        training = meta.get("training")
        if training is None:
            raise CheckpointError(f"{path}: holds a model but no training to go on with")
        for name, mine in (("batch", self.batch), ("chunk", self.chunk)):
            if training[name] != mine:
                raise CheckpointError(f"{path}: was trained with {name}={training[name]}, not {mine}")
        if meta["task"] != self.task.config():
            raise CheckpointError(f"{path}: was trained on {meta['task'].get('name')!r} with other settings or files")
        generators = self.generators()
        if len(generators) != len(training["generators"]):
            raise CheckpointError(f"{path}: was made for another model (other sources of random numbers)")

        def group(name: str) -> dict[str, Array]:
            return {key.removeprefix(name): array for key, array in arrays.items() if key.startswith(name)}

        old = self.model.state_dict()
        load(path, self.model)
        try:
            self.optimizer.load_state_dict({**training["optimizer"], "arrays": group("optimizer/")})
        except ValueError as exc:
            self.model.load_state_dict(old)
            raise CheckpointError(f"{path}: {exc}") from None
        for rng, state in zip(generators, training["generators"], strict=True):
            rng.bit_generator.state = state
        self.history = History(*(group("history/")[name].tolist() for name in COLUMNS))
        self.history.seconds, self.history.answers = training["seconds"], training["answers"]
        self.history.record = Record.of(group("record/"))
        self.position = training["position"]
        self.state = tuple(group("state/")[name] for name in training["state"]) or None
        self.good = self.model.state_dict()


# — while one waits ————————————————————————————————————————————————————————————————————————————————————————


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C only sets a flag, which is what the block gets to ask; a second one acts as always.

    Only the main thread may say how signals are treated; elsewhere nothing changes.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _display(
    progress: bool | str, steps: int | None, seconds: float | None, run: _Run
) -> Iterator[Callable[[float], None]]:
    """A function to be called after each step with the seconds of this run."""
    history, first = run.history, len(run.history)

    def share(spent: float) -> float:
        """How much of this run is done, 0 to 1: by steps or by time, whichever ends it sooner."""
        by_steps = (len(history) - first) / max(1, steps - first) if steps is not None else 0.0
        return max(by_steps, spent / seconds if seconds else 0.0)

    if progress is True and sys.stdout.isatty():
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns) as bar:
            job = bar.add_task("", total=1.0)
            yield lambda spent: bar.update(
                job, completed=share(spent), description=f"step {len(history)}  {history.line()}"
            )
    elif progress:
        printed = 0

        def lines(spent: float) -> None:
            nonlocal printed
            if (tenths := int(share(spent) * 10)) > printed:
                printed = tenths
                print(f"step {len(history)}: {history.line()}", flush=True)

        yield lines
    else:
        yield lambda spent: None


def make_optimizer(name: str, model: SequenceModel, lr: float | None = None, **settings: Any) -> Optimizer:
    """An optimizer by its name in lower case, with a learning rate that suits small recurrent nets where none is given.

    Raises ValueError for an unknown name or bad settings.
    """
    if name.lower() not in OPTIMIZERS:
        raise ValueError(f"optimizer {name!r} is unknown. Known: {', '.join(OPTIMIZERS)}.")
    usual = {"sgd": 0.1, "rmsprop": 1e-3, "adagrad": 0.02}.get(name.lower(), 0.01)
    return OPTIMIZERS[name.lower()](model.named_parameters(), usual if lr is None else lr, **settings)


__all__ = ["Evaluation", "History", "Interrupted", "TrainingError", "evaluate", "fit", "make_optimizer"]

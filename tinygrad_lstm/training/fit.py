"""The training loop: draw a batch, predict, go back, step; and all that makes it bearable to wait for.

A training can be stopped and gone on with: its file (or its history) holds the parameters and everything else that the
next step depends on, so that the numbers afterwards are the same, bit by bit, as if it had never stopped.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..compile import one_thread
from ..exchange import Checkpoint, read
from ..optim import OPTIMIZERS, Optimizer
from ..scope import no_grad
from ..tasks.base import Batch, Split, Task
from .history import Evaluation, History
from .loop import Training, TrainingError
from .model import SequenceModel
from .progress import display, interruptible

MOST = 1 << 20  # examples in a batch


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the step that was under way was finished and saved. `history` is what happened until then."""

    def __init__(self, line: str, history: History) -> None:
        super().__init__(line)
        self.history = history


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
    on_step: Callable[[History], object] | None = None,
    progress: bool | str = True,
    path: str | os.PathLike[str] | None = None,
    save_every: float | None = None,
    resume: str | os.PathLike[str] | Checkpoint | History | None = None,
) -> History:
    """Train a model on the training part of a task.

    A stream, such as a `Text`, is read from beginning to end, again and again, in `batch` rows side by side and `chunk`
    time steps at a time; the state is carried from chunk to chunk without its history (truncated backpropagation
    through time: Williams, Peng 1990). Of other tasks each step draws a new batch.

    Args:
        steps: train until this many steps are done, those before a resume included; None: until `seconds` are over.
        batch: examples (rows of a stream) at each step.
        chunk: time steps at a time, for a stream alone; what the task says by default.
        optimizer: Adam with lr=0.01 by default.
        seed: of the batches that are drawn.
        seconds: stop after the step during which these are over.
        record: look inside before the first step and after every so many (see `Record`): how large ∂L/∂C_t is and how
            far the gates are open, on 8 examples that are always the same; each look costs about as much as a step.
        on_step: called after each step with the history so far; training stops where it returns True.
        progress: True for a bar in a terminal and some lines elsewhere, "lines" for lines, False for silence.
        path: where to save the model and all that a resume needs, at the end, however it ends but by a kill.
        save_every: seconds after which it is saved on the way, too; where that fails it warns and goes on.
        resume: what to go on with, bit by bit: a file written through `path` (or what `exchange.read` has read of it),
            where model, optimizer and batch must be as then; or the History of an earlier `fit` of this model.

    Ctrl-C, SIGTERM and SIGHUP (in the main thread) finish the step, save, and raise Interrupted, a KeyboardInterrupt; a
    second one stops at once, without saving. Raises TrainingError where loss or gradient is not finite, with the step,
    the first bad tensor and remedies; model and file then have the last good parameters. Raises CheckpointError for a
    file that cannot be gone on with, ValueError for bad settings, OSError where `path` cannot be written.
    """
    if steps is None and seconds is None:
        raise ValueError("fit: give steps=, or seconds= for as many steps as fit into them.")
    least = {"steps": 0, "batch": 1, "chunk": 1, "seconds": 0, "record": 1, "save_every": 0}
    numbers = {"steps": steps, "batch": batch, "chunk": chunk, "seconds": seconds, "record": record}
    for name, value in (numbers | {"save_every": save_every}).items():
        if value is not None and not value >= least[name]:  # NaN neither
            raise ValueError(f"fit: {name} must be at least {least[name]}, not {value}.")
    if batch > MOST:  # refused before the memory for it is asked for
        raise ValueError(f"fit: batch must be at most {MOST:,}, not {batch:,}; steps make a training longer.")
    if chunk is not None and not task.is_stream:
        raise ValueError(f"fit: chunk= is for streams; {task.name} is drawn example by example.")
    if optimizer is not None and not {*map(id, optimizer.params)} <= {*map(id, model.parameters())}:
        raise ValueError("fit: the optimizer moves parameters that are not this model's. Give it model.parameters().")
    if isinstance(resume, History):
        training = _gone_on_with(resume, model, task, optimizer)
    else:
        training = Training(model, task, optimizer or make_optimizer("adam", model), batch, chunk, seed)
        if resume is not None:
            training.restore(resume if isinstance(resume, Checkpoint) else read(resume))
    history, first, saved = training.history, len(training.history), time.perf_counter()
    model.train()
    with interruptible() as interrupted:  # the last save, too
        try:
            compiled = any(getattr(module, "fused", None) == "numba" for module in model.modules())
            blas = one_thread() if compiled else nullcontext()  # its idle threads would take the compiled layers' cores
            with blas, display(progress, steps, seconds, history) as show, np.errstate(all="ignore"):
                for spent in _steps(training, steps, seconds, record, interrupted):
                    show(spent)
                    if on_step is not None and on_step(history) is True:
                        break
                    if path is not None and save_every is not None and time.perf_counter() - saved >= save_every:
                        _save_on_the_way(training, path)
                        saved = time.perf_counter()
        except Exception as exc:  # whatever went wrong, what was learned is not lost
            if path is None or not training.whole or len(history) == first:
                raise
            training.save(path)
            if isinstance(exc, TrainingError):
                raise TrainingError(f"{exc}, and so does {path}", exc.step, exc.before) from None
            raise
        if path is not None:
            training.save(path)
    if interrupted():
        where = f"saved in {path}; go on with resume={os.fspath(path)!r}" if path is not None else "nothing was saved"
        raise Interrupted(f"stopped after step {len(history)}: {where}", history)
    return history


def _save_on_the_way(training: Training, path: str | os.PathLike[str]) -> None:
    """Save, or warn where it fails: until the end the disk may have room again."""
    try:
        training.save(path)
    except OSError as exc:
        warnings.warn(f"{exc}; the training goes on", stacklevel=3)


def _steps(
    training: Training, steps: int | None, seconds: float | None, record: int | None, interrupted: Callable[[], bool]
) -> Iterator[float]:
    """Take the steps; after each, the seconds since the first began."""
    history, start = training.history, time.perf_counter()
    before = history.seconds
    training.look(record)
    while (steps is None or len(history) < steps) and not interrupted():
        training.step()
        training.look(record)
        spent = time.perf_counter() - start
        history.seconds = before + spent
        yield spent
        if seconds is not None and spent >= seconds:
            return


def _gone_on_with(history: History, model: SequenceModel, task: Task, optimizer: Optimizer | None) -> Training:
    """The training that made a history. Raises ValueError where it was another one, or is gone."""
    training = history.training
    if not isinstance(training, Training):
        raise ValueError("fit: this history was read from elsewhere and cannot be gone on with; resume=path can.")
    if training.model is not model or training.task != task or optimizer not in (None, training.optimizer):
        raise ValueError("fit: resume=history goes on with the same model, task and optimizer; this is another one.")
    return training


def evaluate(
    model: SequenceModel, task: Task, *, batch: int = 64, batches: int = 8, seed: int = 0, split: Split = "test"
) -> Evaluation:
    """Loss and accuracy on one part of a task, without dropout.

    Of a task that is drawn, `batches` times `batch` examples are (always the same ones for a seed); a stream is read
    with the state carried along, in fewer rows where it is short, for 8 · `batches` chunks at most.
    Raises TaskError where the task has no such part.
    """
    was_training = model.training
    model.eval()
    total, right, n = 0.0, 0.0, 0
    distances: dict[int, list[bool]] = {}
    state: Any = None
    try:
        with no_grad(), np.errstate(all="ignore"):
            for some in _parts(task, batch, batches, seed, split):
                prediction = model(some.x, state, lengths=some.lengths)
                state = prediction.out.last if task.is_stream else None
                size = int(some.mask.sum())
                total += model.loss(prediction, some).item() * size
                right += task.accuracy(some, prediction.y.numpy()) * size
                n += size
                for distance, hits in task.hits_by_distance(some, prediction.y.numpy()).items():
                    distances.setdefault(distance, []).extend(hits)
    finally:
        model.train(was_training)
    return Evaluation(total / n, right / n, n, {d: float(np.mean(hits)) for d, hits in sorted(distances.items())})


def _parts(task: Task, batch: int, batches: int, seed: int, split: Split) -> Iterator[Batch]:
    if not task.is_stream or task.chunk is None:
        rng = np.random.default_rng([seed, 1])  # not the generator of the training's batches
        yield from (task.batch(batch, rng, split=split) for _ in range(batches))
        return
    rows, steps = batch, task.chunk
    while task.chunk_count(rows, steps, split=split) == 0 and rows * steps > 1:
        rows, steps = max(1, rows // 2), steps if rows > 1 else steps // 2
    for k, some in enumerate(task.chunks(rows, steps, split=split)):
        if k == 8 * batches:
            return
        yield some


def make_optimizer(name: str, model: SequenceModel, lr: float | None = None, **settings: Any) -> Optimizer:
    """An optimizer by its name in lower case, with a learning rate that suits small recurrent nets where none is given.

    Raises ValueError for an unknown name or bad settings.
    """
    if name.lower() not in OPTIMIZERS:
        raise ValueError(f"optimizer {name!r} is unknown. Known: {', '.join(OPTIMIZERS)}.")
    usual = {"sgd": 0.1, "rmsprop": 1e-3, "adagrad": 0.02}.get(name.lower(), 0.01)
    return OPTIMIZERS[name.lower()](model.named_parameters(), usual if lr is None else lr, **settings)


__all__ = ["Evaluation", "History", "Interrupted", "TrainingError", "evaluate", "fit", "make_optimizer"]

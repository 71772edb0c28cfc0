"""A training under way: the step, what is looked at on the way, and how it is kept in a file."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..exchange import Checkpoint, CheckpointError, load
from ..flow.trace import trace
from ..nn import unfused
from ..optim import Optimizer
from ..scope import detect_anomaly
from ..tasks.base import Batch, Task
from ..tensor import Array, Tensor
from .history import COLUMNS, History
from .kept import training_of
from .model import Prediction, SequenceModel, save_model
from .record import Record, Snapshot, probe


class TrainingError(FloatingPointError):
    """The training has come to numbers that are not finite. The model has its last good parameters.

    Attributes:
        step: in which step that was, counted from 1.
        before: the loss of the step before; NaN where there was none.
    """

    def __init__(self, text: str, step: int = 0, before: float = math.nan) -> None:
        super().__init__(text)
        self.step, self.before = step, before


class Training:
    """A training under way: everything that its next step depends on."""

    def __init__(
        self, model: SequenceModel, task: Task, optimizer: Optimizer, batch: int, chunk: int | None, seed: int
    ) -> None:
        self.model, self.task, self.optimizer, self.batch = model, task, optimizer, batch
        self.chunk = (chunk or task.chunk) if task.is_stream else None
        self.rng = np.random.default_rng(seed)
        self.history = History()
        self.history.training = self
        self.state: Any = None  # carried from chunk to chunk, without history
        self.position = 0  # the number of the next chunk
        self.whole = True  # whether it stands between two steps, and may be saved
        self.probe: Batch | None = None  # what a record is made on
        self.chunks: Iterator[Batch] | None = None
        self.good = model.state_dict()  # the parameters that last gave a finite loss: arrays never change, so no copy

    def generators(self) -> list[np.random.Generator]:
        """The source of batches, then those of dropout, each once."""
        inside = [vars(module).get("_rng") for module in self.model.modules()]
        unique = {id(rng): rng for rng in [self.rng, *inside] if isinstance(rng, np.random.Generator)}
        return list(unique.values())

    def next_batch(self) -> Batch:
        if self.chunk is None:
            return self.task.batch(self.batch, self.rng)
        for _ in range(2):
            if self.chunks is None:
                self.chunks = iter(self.task.chunks(self.batch, self.chunk, self.position))
            for batch in self.chunks:
                self.position += 1
                return batch
            self.chunks, self.position, self.state = None, 0, None  # the end of the stream: from the beginning
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
            clipped, self.whole = self.optimizer.clipped, False
            self.optimizer.step()
        except FloatingPointError as exc:
            self.whole = True  # an optimizer refuses such a gradient before it moves anything
            error = self.explained(exc, batch, dice)
            if not math.isfinite(value):  # these parameters are bad; a bad gradient has not moved any
                self.model.load_state_dict(self.good)
            raise error from None
        self.good = good
        if self.chunk is not None:
            self.state = prediction.out.last.detach()
        history = self.history
        history.loss.append(value)
        history.accuracy.append(self.task.accuracy(batch, prediction.y.numpy()))
        history.norm.append(self.optimizer.clip_report().last_norm)
        history.clipped.append(float(self.optimizer.clipped - clipped))
        history.answers += int(batch.mask.sum())
        self.whole = True

    def look(self, every: int | None) -> None:
        """Take a snapshot, if it is time for one. No random number of the training is drawn, and no `.grad` touched."""
        history, done = self.history, len(self.history)
        record = history.record
        if every is None or done % every or (record.steps and record.steps[-1] >= done):
            return
        if self.probe is None:
            self.probe = probe(self.task)
        self.model.eval()
        with unfused(self.model):
            prediction = self.model(self.probe.x)
        traced = trace(self.model.loss(prediction, self.probe))
        layers, since = self.model.config()["layers"], history.loss[record.steps[-1] if record.steps else 0 :]
        loss = float(np.mean(since)) if since else math.nan
        record.add(done, Snapshot.of(traced, layer=layers if layers > 1 else None), loss)
        self.model.train()

    def predict(self, batch: Batch) -> tuple[Prediction, Tensor]:
        prediction = self.model(batch.x, self.state, lengths=batch.lengths)
        return prediction, self.model.loss(prediction, batch)

    def explained(self, exc: FloatingPointError, batch: Batch, dice: list[Any]) -> TrainingError:
        """Run the same batch again, looking at every tensor, to say where the first bad number came from."""
        for rng, state in zip(self.generators(), dice, strict=True):  # the same dropout too
            rng.bit_generator.state = state
        cause = "no single tensor was to blame when it was run again"
        try:
            with detect_anomaly(), unfused(self.model):
                self.predict(batch)[1].backward()
        except FloatingPointError as first:
            cause = str(first).split(" Use ")[0]
        self.optimizer.zero_grad()
        what = str(exc).split(" Nothing was changed")[0].removeprefix("step: ").rstrip(".")
        before = f" (before: {self.history.loss[-1]:.4g})" if self.history.loss else ""
        return TrainingError(
            f"step {len(self.history) + 1}: {what}{before}. First: {cause.rstrip('.')}. Try a smaller lr than "
            f"{self.optimizer.lr:g}, or a clip such as global_clipnorm=1. The model keeps its last good parameters",
            len(self.history) + 1, self.history.loss[-1] if self.history.loss else math.nan,
        )  # fmt: skip

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
            "engine": self.model.rnn.fused,
            "data": self.task.digest(),
        }
        save_model(path, self.model, {"training": training, "task": self.task.config()}, extra=arrays)

    def restore(self, saved: Checkpoint) -> None:
        """Take over everything from what a file holds, or raise CheckpointError and change nothing."""
        path, training = saved.path, training_of(saved)
        for name, mine in (("batch", self.batch), ("chunk", self.chunk)):
            if training[name] != mine:
                raise CheckpointError(f"{path}: was trained with {name}={training[name]}, not {mine}")
        trained_on = saved.meta.get("task")
        if not isinstance(trained_on, dict) or trained_on != self.task.config():
            kind = trained_on.get("name") if isinstance(trained_on, dict) else trained_on
            raise CheckpointError(f"{path}: was trained on {kind!r} with other settings or files")
        if training["data"] not in ("", self.task.digest()):
            raise CheckpointError(f"{path}: was trained on other data than now stand in {trained_on.get('path')}")
        if len(self.generators()) != len(training["generators"]):
            raise CheckpointError(f"{path}: was made for another model (other sources of random numbers)")
        old = self.model.state_dict(), [rng.bit_generator.state for rng in self.generators()]
        load(saved, self.model)
        try:
            self._take(saved.arrays, training)
        except (LookupError, TypeError, ValueError, OverflowError) as exc:  # what no check of its parts has found
            self.model.load_state_dict(old[0])
            for rng, state in zip(self.generators(), old[1], strict=True):
                rng.bit_generator.state = state
            raise CheckpointError(f"{path}: its training cannot be gone on with ({exc.args[0]})") from None
        if training["engine"] not in ("", self.model.rnn.fused):
            kinds = {False: "step by step", True: "fused", "numba": "with compiled steps"}
            was, now = kinds[training["engine"]], kinds[self.model.rnn.fused]
            warnings.warn(f"{path}: was trained {was} and goes on {now}: the last digits will differ", stacklevel=3)

    def _take(self, arrays: dict[str, Array], training: dict[str, Any]) -> None:
        def group(name: str) -> dict[str, Array]:
            return {key.removeprefix(name): array for key, array in arrays.items() if key.startswith(name)}

        for rng, state in zip(self.generators(), training["generators"], strict=True):
            rng.bit_generator.state = state
        columns = [group("history/")[name] for name in COLUMNS]
        if any(column.ndim != 1 or len(column) != len(columns[0]) for column in columns):
            raise ValueError("its history has columns of different lengths")
        states = {name: Tensor(group("state/")[name]) for name in training["state"]}
        size = self.model.config()["layers"], self.batch, self.model.config()["hidden"]
        if wrong := [name for name, x in states.items() if x.shape not in (size, size[1:])]:
            raise ValueError(f"its state {wrong[0]} is {states[wrong[0]].shape}, not {size}")
        state = self.model.rnn.cells[0][0].State(**states) if states else None
        record = Record.of(group("record/"))
        self.optimizer.load_state_dict({**training["optimizer"], "arrays": group("optimizer/")})  # all or nothing
        self.history = History(*(column.tolist() for column in columns))
        self.history.training, self.history.record = self, record
        self.history.seconds, self.history.answers = training["seconds"], training["answers"]
        self.position, self.state = training["position"], state
        self.good = self.model.state_dict()

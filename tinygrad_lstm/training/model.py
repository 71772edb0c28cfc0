"""One network for all tasks: an embedding (for tokens), a recurrent layer, and an answer at every step."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from .. import nn
from ..exchange import Checkpoint, CheckpointError, load, read, save
from ..scope import no_grad
from ..tasks import from_config
from ..tasks.base import Array, Batch, Task, TaskError
from ..tensor import Tensor

# Each cell by name: its layer, what makes it that variant, and which settings of the gates it understands.
GATES = ("recurrent_activation", "output_activation", "forget_bias")
CELLS: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "rnn": (nn.RNN, {}, ()),
    "lstm": (nn.LSTM, {}, GATES),
    "gru": (nn.GRU, {}, GATES[:1]),
    "gru-2014": (nn.GRU, {"reset_after": False}, GATES[:1]),
    "lstm-peephole": (nn.LSTM, {"cell": nn.PeepholeLSTMCell}, GATES),
    "lstm-coupled": (nn.LSTM, {"cell": nn.CoupledLSTMCell}, GATES),
    "lstm-no-forget": (nn.LSTM, {"cell": nn.NoForgetLSTMCell}, GATES[:2]),
    "lstm-truncated": (nn.LSTM, {"cell": nn.TruncatedLSTMCell}, GATES),
    "lstm-1997": (nn.LSTM, {"cell": nn.LSTM1997Cell}, GATES[:2]),
}


class Prediction(NamedTuple):
    """`y` (batch, time, outputs): logits or values at every step; `out`: what the recurrent layer returned."""

    y: Tensor
    out: nn.Output[Any]


class SequenceModel(nn.Module):
    """Embedding (for tokens) → RNN, LSTM or GRU → Linear, with an answer at every step.

    Args:
        inputs, outputs: size of the vocabulary or number of features; number of classes or of values.
        tokens: whether the inputs are tokens (batch, time), else features (batch, time, inputs).
        kind: "classify" (cross-entropy) or "regress" (squared error).
        cell: one of `CELLS`: "rnn", "lstm", "gru", or a variant.
        hidden, layers: of the recurrent layer.
        embedding: size of the vectors that tokens become; `hidden`, but at most 64, by default.
        activation, recurrent_activation, output_activation, forget_bias, recurrent_initializer: as in the layer; None
            is the layer's default.
        dropout: probability, between layers and before the answer, while training.
        seed: of the initial values and of dropout.
        task, vocabulary: what it was made for, to be kept in its file: `task.config()`, and what the tokens stand for.

    Raises ValueError for an unknown cell, a setting that the cell does not have, and bad values.
    """

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int,
        tokens: bool,
        kind: str = "classify",
        cell: str = "lstm",
        hidden: int = 64,
        layers: int = 1,
        embedding: int | None = None,
        activation: str | None = None,
        recurrent_activation: str | None = None,
        output_activation: str | None = None,
        forget_bias: float | None = None,
        recurrent_initializer: str | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        task: Mapping[str, Any] | None = None,
        vocabulary: list[str] | tuple[str, ...] | None = None,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        if cell not in CELLS:
            raise ValueError(f"cell {cell!r} is unknown. Known: {', '.join(CELLS)}.")
        if kind not in ("classify", "regress"):
            raise ValueError(f"kind must be 'classify' or 'regress', not {kind!r}.")
        for name, number in (("hidden", hidden), ("layers", layers), ("embedding", embedding)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}.")
        if forget_bias is not None and not math.isfinite(forget_bias):
            raise ValueError(f"forget_bias must be a finite number, not {forget_bias}.")
        layer, variant, understood = CELLS[cell]
        names = ("activation", "recurrent_initializer", *GATES)
        settings = {name: arguments[name] for name in names if arguments[name] is not None}
        if unknown := [name for name in settings if name in GATES and name not in understood]:
            raise ValueError(f"a cell {cell!r} has no {unknown[0]}.")
        rng = np.random.default_rng(seed)
        width = embedding or min(hidden, 64)
        self._config = {**arguments, "embedding": width if tokens else None, "task": dict(task) if task else None}
        self._config["vocabulary"] = list(vocabulary) if vocabulary else None
        if tokens:
            self.embedding = nn.Embedding(inputs, width, rng=rng)
        self.rnn = layer(
            width if tokens else inputs, hidden, num_layers=layers, dropout=dropout, rng=rng, **variant, **settings
        )
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.head = nn.Linear(hidden, outputs, rng=rng)

    @classmethod
    def for_task(cls, task: Task, **settings: Any) -> Self:
        """A model with the inputs and outputs of a task; the settings are those of the model."""
        return cls(
            inputs=task.inputs, outputs=task.outputs, tokens=task.vocabulary is not None, kind=task.kind,
            task=task.config(), vocabulary=task.vocabulary, **settings,
        )  # fmt: skip

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The model that `config()` describes, with new initial values. Raises ValueError for unknown settings."""
        try:
            return cls(**config)
        except TypeError as exc:
            raise ValueError(f"the model cannot be made from its settings ({exc}).") from None

    def config(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return dict(self._config)

    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> Prediction:
        """Answers at every step.

        Args:
            x: tokens (batch, time) or features (batch, time, inputs), which take the parameters' dtype.
            state: what `.out.last` of an earlier call holds (detach it); zeros where None.
            lengths: (batch,) integers: how many steps of each row are valid.
        """
        if "embedding" in vars(self):
            vectors = self.embedding(x)
        else:
            vectors = x if isinstance(x, Tensor) else Tensor(x, dtype=self.head.W.dtype)
        out = self.rnn(vectors, state, lengths=lengths)
        return Prediction(self.head(self.dropout(out.h)), out)

    def loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The mean over the batch's mask: cross-entropy in nats, or squared error."""
        if self._config["kind"] == "classify":
            return nn.cross_entropy(prediction.y, batch.target, batch.mask)
        return nn.mse_loss(prediction.y, batch.target.astype(prediction.y.dtype), batch.mask)

    def generate(self, start: Array, length: int, rng: np.random.Generator, *, temperature: float = 1.0) -> Array:
        """Go on from some tokens: draw each next token from the model's own answer.

        Args:
            start: (time,) tokens, at least one.
            length: how many to draw.
            rng: source of the draws.
            temperature: the logits are divided by it; below 1 likely tokens become likelier still.

        Returns the drawn tokens, (length,). Raises ValueError where the answers are no tokens, or nothing is given.
        """
        if "embedding" not in vars(self) or self._config["inputs"] != self._config["outputs"]:
            raise ValueError("generate: this model's answers are not of the kind of its inputs.")
        if len(start) == 0 or not temperature > 0:
            raise ValueError("generate: needs at least one token to begin with, and a temperature above 0.")
        drawn: list[int] = []
        was_training = self.training
        self.eval()
        try:
            with no_grad():
                y, out = self(np.asarray(start)[None])
                for _ in range(length):
                    logits = y.numpy()[0, -1].astype(np.float64) / temperature
                    # The largest of logits plus Gumbel noise is a draw from their softmax (Gumbel 1954, page 34).
                    drawn.append(int((logits + rng.gumbel(size=logits.shape)).argmax()))
                    y, out = self(np.array([[drawn[-1]]]), out.last)
        finally:
            self.train(was_training)
        return np.array(drawn, dtype=np.int64)


def save_model(
    path: str | os.PathLike[str],
    model: SequenceModel,
    meta: Mapping[str, Any] | None = None,
    *,
    extra: Mapping[str, Array] | None = None,
) -> None:
    """Write a model with its settings, task and vocabulary to a file. Raises what `exchange.save` raises."""
    save(path, model, {**(meta or {}), "model": model.config()}, extra=extra)


def _check_sizes(saved: Checkpoint) -> None:
    """Raise ValueError where the settings claim sizes that no array of the file has: before anything is built of them.

    Each size is the length of some array's axis, or the hidden units less than that; of layers there are no more than
    arrays.
    """
    config, own = saved.meta["model"], [a for name, a in saved.arrays.items() if "/" not in name]
    if not isinstance(config, dict):
        raise ValueError("the settings of its model are no table of names and values")
    longest = max((n for array in own for n in array.shape), default=0)
    for name in ("inputs", "outputs", "hidden", "embedding", "layers"):
        size = config.get(name, 1)
        if size is None and name == "embedding":  # it reads no tokens
            continue
        if not isinstance(size, int) or not 1 <= size <= (len(own) if name == "layers" else longest):
            raise ValueError(f"its settings say {name}={size!r:.60}, which is not the size of its arrays")


def load_model(path: str | os.PathLike[str] | Checkpoint) -> tuple[SequenceModel, Task | None]:
    """The model of a file (or of what was read of it) and the task it was made for, None if it was made for none.

    A task of files opens them only when a batch is asked for, so a model can be used where they are gone.
    Raises CheckpointError where the file is damaged, not ours, or holds no SequenceModel; OSError where it cannot be
    read.
    """
    saved = path if isinstance(path, Checkpoint) else read(path)
    if "model" not in saved.meta:
        what = "holds parameters, but not the settings of a SequenceModel; see exchange.load"
        raise CheckpointError(f"{saved.path}: {what}")
    try:
        _check_sizes(saved)
        model = SequenceModel.from_config(saved.meta["model"])
        config = model.config()["task"]
        task = from_config(config) if config else None
    except (TaskError, ValueError, TypeError) as exc:
        raise CheckpointError(f"{saved.path}: {exc}") from None
    load(saved, model)
    return model, task

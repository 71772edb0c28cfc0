"""A file of another framework as `tinygrad-lstm trace` reads it: embedding, recurrent layer and head, by their kinds.

A file of weights does not say in which order its parts work. The usual language model or classifier has one of each, so
that their kinds say it; what is more than that, `tl.look` sees with the model's own code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..exchange import from_keras, from_onnx, from_torch
from ..exchange.files import explained
from ..tasks import TaskError
from ..tensor import Array
from .model import Prediction

READERS: dict[str, Callable[[Any], nn.Module]] = {"torch": from_torch, "keras": from_keras, "onnx": from_onnx}


class Foreign(nn.Module):
    """Embedding (if there is one) → recurrent layer → Linear (if there is one): (batch, time) tokens or features."""

    def __init__(self, embedding: nn.Embedding | None, rnn: nn.Recurrent[Any], head: nn.Linear | None) -> None:
        self.embedding, self.rnn, self.head = embedding, rnn, head

    def forward(self, x: Any) -> Prediction:
        out = self.rnn(x if self.embedding is None else self.embedding(x))
        return Prediction(out.h if self.head is None else self.head(out.h), out)

    def config(self) -> dict[str, Any]:
        return {"cell": type(self.rnn).__name__.lower(), "layers": len(self.rnn.cells)}


class Reading(NamedTuple):
    """How a text or a table becomes what the net reads, and what its answers are called: as much of a task as that.

    `kind` is "classify", or "state" where there is no head: then it is h at the end that is asked about.
    """

    vocabulary: tuple[str, ...]
    between: str
    inputs: int
    kind: str
    answers: tuple[str, ...] | None = None

    def read_text(self, text: str) -> tuple[Array, list[str]]:
        """Tokens (time,) and their labels; numbers where there is no vocabulary. Raises TaskError."""
        words = text.split() if self.between or not self.vocabulary else [*text]
        numbers = {word: k for k, word in enumerate(self.vocabulary)} or {str(k): k for k in range(self.inputs)}
        if unknown := sorted({word for word in words if word not in numbers}):
            known = "a --config with its vocabulary" if not self.vocabulary else f"one of {' '.join([*numbers][:40])}"
            raise TaskError(f"--text: {unknown[0]!r} is no token of this model; it should be {known}")
        if not words:
            raise TaskError("--text: there is nothing to read in an empty text")
        return np.array([numbers[word] for word in words], dtype=np.int64), words

    def read_table(self, path: Any, column: str | None = None) -> tuple[Array, list[str]]:
        """All columns of numbers of a CSV file without a head (time, features), and the number of each row."""
        try:
            table = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
        except (OSError, ValueError) as exc:
            raise TaskError(f"{path}: is no table of numbers alone ({exc})") from None
        if table.shape[1] != self.inputs:
            raise TaskError(f"{path}: has {table.shape[1]} columns, and the model reads {self.inputs} features")
        return table, [str(t) for t in range(1, len(table) + 1)]

    def decode(self, values: Any) -> Array:
        return np.asarray(values)


def foreign(path: Any, framework: str, config: Any = None) -> tuple[Foreign, Reading]:
    """The net of a file, and how it is read.

    Args:
        path: .safetensors, .pt or .pth ("torch"), .keras ("keras"), .onnx ("onnx").
        config: a JSON file: a list of tokens, or {"vocabulary": […], "between": " "}: what stands between two of them
            in a text, "" by default where each is one character.

    Raises ValueError for other frameworks, and where the file has not one recurrent layer and one of each at most.
    """
    if framework not in READERS:
        raise ValueError(f"--from {framework}: it is {', '.join(READERS)}")
    made = READERS[framework](path)
    rnn = [module for module in made.modules() if isinstance(module, nn.Recurrent)]
    embedding = [module for module in made.modules() if isinstance(module, nn.Embedding)]
    head = [module for module in made.modules() if isinstance(module, nn.Linear)]
    if len(rnn) != 1 or len(embedding) > 1 or len(head) > 1:
        raise ValueError(
            f"{path}: has {len(embedding)} embeddings, {len(rnn)} recurrent layers and {len(head)} linear ones; a file "
            "does not say how more than one of each work together. In Python, tl.look(model, …) runs its own code."
        )
    net = Foreign(embedding[0] if embedding else None, rnn[0], head[0] if head else None)
    size = embedding[0].W.shape[0] if embedding else rnn[0].input_size
    vocabulary, between = _vocabulary(config, size if embedding else None)
    outputs = head[0].W.shape[1] if head else 0
    answers = vocabulary if outputs == len(vocabulary) else tuple(map(str, range(outputs)))
    return net, Reading(vocabulary, between, size, "classify" if head else "state", answers)


def _vocabulary(config: Any, size: int | None) -> tuple[tuple[str, ...], str]:
    if config is None:
        return (), ""
    try:
        with open(config, encoding="utf-8") as file:
            given = json.load(file)
    except OSError as exc:
        raise explained(exc, f"--config {config}: cannot be read ({exc.strerror or exc})") from None
    except ValueError as exc:
        raise ValueError(f"--config {config}: is no JSON ({exc})") from None
    words = given.get("vocabulary") if isinstance(given, dict) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f'--config {os.fspath(config)}: should be a list of tokens, or {{"vocabulary": [...]}}')
    if size is not None and len(words) != size:
        raise ValueError(f"--config {config}: has {len(words)} tokens, and the model's embedding {size} rows")
    usual = "" if all(len(word) == 1 for word in words) else " "
    return tuple(words), given.get("between", usual) if isinstance(given, dict) else usual



"""What every task has: settings that are checked, batches that are reproducible, a test part never seen in training."""

from __future__ import annotations

import hashlib
import math
import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Split = Literal["train", "test"]


class TaskError(ValueError):
    """A task cannot be made or read: one line with what is wrong, where, and how to mend it."""


class SettingError(TaskError):
    """A setting of a task is not what it must be: not the fault of a file, but of who set it."""


@dataclass(frozen=True)
class Batch:
    """Some sequences, and what a network should answer where.

    `x` is (batch, time) int64 tokens or (batch, time, features) float32; `target` is (batch, time) int64 labels or
    (batch, time, outputs) float32; `mask` is (batch, time) bool, true where loss and accuracy are read. `lengths` is
    (batch,) int64, or None when no row is padded; padding is zero and never in the mask. `info` holds extra facts,
    (batch, ...) each: `info["distance"]` is (batch, time), how many positions before its answer the first thing to
    remember stood, 0 where nothing of the kind is asked.
    """

    x: Array
    target: Array
    mask: Array
    lengths: Array | None = None
    info: dict[str, Array] = field(default_factory=dict)


class Settings:
    """What a task says of its data, and checks of its settings: each names setting, what it must be and what it was."""

    name: ClassVar[str]

    def digest(self) -> str:
        """A hash of the data that it reads from outside, where it reads any: so that a training goes on with the same.

        Raises TaskError where they cannot be read.
        """
        return ""

    def notes(self) -> list[str]:
        """What whoever trains on it should know: what was passed over, what is not told apart. A sentence each."""
        return []

    def _need(self, setting: str, holds: bool, must_be: str) -> None:
        if not holds:
            raise SettingError(f"{self.name}: {setting} must be {must_be}, not {getattr(self, setting)!r}")

    def _set(self, setting: str, value: object) -> None:
        object.__setattr__(self, setting, value)  # the class is frozen for everybody else

    def _integer(self, setting: str, least: int) -> None:
        value = _integer(getattr(self, setting))
        self._need(setting, value is not None and value >= least, f"a whole number of at least {least}")
        self._set(setting, value)

    def _range(self, setting: str, least: int) -> None:
        given = getattr(self, setting)
        pair = tuple(map(_integer, given if isinstance(given, Sequence) else (given, given)))
        whole = [n for n in pair if n is not None]
        good = len(pair) == len(whole) == 2 and least <= whole[0] <= whole[1]
        self._need(setting, good, f"a pair (from, to) of whole numbers with {least} <= from <= to, or one number")
        self._set(setting, pair)

    def _encoding(self) -> None:
        given = getattr(self, "encoding")  # noqa: B009 — only tasks of files have one
        self._need(
            "encoding",
            isinstance(given, str) and given.isascii() and given.isprintable(),
            "the name of an encoding, such as 'gb18030'",
        )

    def _words(self, setting: str) -> None:
        given = getattr(self, setting)
        good = isinstance(given, list | tuple) and all(
            isinstance(word, str) and re.fullmatch(r"[^\s.A-Z]+", word) for word in given
        )
        self._need(setting, good and len(given) > 0, "a list of single words in lower case")
        self._set(setting, tuple(given))


KINDS: dict[str, type[Task]] = {}  # all that are defined, one's own too: so that a model's file finds its task


@dataclass(frozen=True, kw_only=True)
class Task(Settings):
    """Sequences to learn on. Two tasks with equal settings are equal, and draw equal batches from equal generators.

    `held_out` is the share of the data kept for `split="test"`. Where examples are drawn, an example belongs to the
    test part when the hash of its input falls into that share: whatever the seeds, no training input is ever a test
    input.

    What a task is, it says here: the trainer and the commands ask it, and never which class it is. A task that is
    *drawn* defines `_example(rng)` (or `_batch`); one that is a *stream* sets `is_stream` and defines `chunks` and
    `chunk_count`. See the package's own text for one of twenty lines.

    Attributes:
        name, about: what it is called, and what is learned, in some words.
        kind: whether its answers are classes or numbers.
        is_stream: read from beginning to end, a chunk at a time, with the net's state carried along; else examples are
            drawn.
        is_graded: whether an answer is simply right or wrong; else only the loss says how good it is.
        unit: what the answers are, in the plural.
        between: what stands between its symbols where an example is shown.
        chunk_setting: the setting that says how many time steps one looks at, where there is one.
    """

    about: ClassVar[str]
    kind: ClassVar[Literal["classify", "regress"]] = "classify"
    is_stream: ClassVar[bool] = False
    is_graded: ClassVar[bool] = True
    unit: ClassVar[str] = "answers"
    between: ClassVar[str] = ""
    chunk_setting: ClassVar[str | None] = None

    held_out: float = 0.1

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            KINDS[cls.name] = cls

    def __post_init__(self) -> None:
        self._need("held_out", isinstance(self.held_out, int | float) and 0 <= self.held_out < 1, "a number in [0, 1)")

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """What the input tokens stand for; None where the inputs are numbers."""
        return None

    @property
    def answers(self) -> tuple[str, ...] | None:
        """What the labels stand for; None where the targets are numbers."""
        return self.vocabulary

    @property
    def inputs(self) -> int:
        """Size of the vocabulary, or number of features at each step."""
        return 1 if self.vocabulary is None else len(self.vocabulary)

    @property
    def outputs(self) -> int:
        """Number of classes, or of predicted values at each step."""
        return 1 if self.answers is None else len(self.answers)

    def config(self) -> dict[str, Any]:
        """All settings, ready for JSON: `tasks.from_config` makes the same task of them."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {"name": self.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}}

    def batch(self, size: int, rng: np.random.Generator, *, split: Split = "train") -> Batch:
        """Draw `size` examples of one part, (size, time, ...), padded with zeros to the longest of them.

        Raises TaskError for a size below 1, an rng that is no `np.random.Generator`, an unknown or an empty part.
        """
        if not isinstance(rng, np.random.Generator):
            raise TaskError(f"{self.name}: rng must be a generator such as np.random.default_rng(0), not {rng!r}")
        if size < 1:
            raise TaskError(f"{self.name}: the batch size must be at least 1, not {size}")
        self._check_split(split)
        return self._batch(size, rng, split)

    # — a stream —

    @property
    def chunk(self) -> int | None:
        """How many time steps of a stream are read at a time, unless the trainer is told otherwise."""
        return getattr(self, self.chunk_setting) if self.is_stream and self.chunk_setting else None

    def chunk_count(self, batch: int, steps: int, *, split: Split = "train") -> int:
        """How many chunks `chunks` has from start=0."""
        raise TaskError(f"{self.name}: is drawn, example by example, and has no chunks")

    def chunks(self, batch: int, steps: int, start: int = 0, *, split: Split = "train") -> Iterator[Batch]:
        """The stream in `batch` rows side by side, `steps` at a time, from chunk number `start` on.

        Row b of each chunk goes on where row b of the one before ended.
        """
        raise TaskError(f"{self.name}: is drawn, example by example, and has no chunks")

    # — what the commands ask —

    def usual_batch(self, steps: int | None = None) -> int:
        """Examples at each step, unless the trainer is told otherwise; `steps` is the length of a chunk."""
        return 32

    def baseline(self, loss: float) -> str:
        """What a held-out loss means: in the task's own unit, and beside what a net gets that knows nothing."""
        return ""

    def opening(self) -> Array | None:
        """Tokens for a net to go on from, to show what it has learned; None where it can only answer."""
        return None

    def read_text(self, text: str) -> tuple[Array, list[str]]:
        """What a net of this task reads of a text of one's own: tokens (time,), and a label for each.

        Raises TaskError for what is not in the vocabulary, for nothing, and where the task does not read symbols.
        """
        if self.vocabulary is None:
            raise TaskError(f"{self.name}: reads numbers, no text; give it a table")
        tokens = self.encode(text)
        if not len(tokens):
            raise TaskError(f"{self.name}: there is nothing to read in an empty text")
        return tokens, [self.vocabulary[int(token)] for token in tokens]

    def read_table(self, path: str | Path, column: str | None = None) -> tuple[Array, list[str]]:
        """What a net of this task reads of a CSV file: features (time, inputs), and a label for each step."""
        raise TaskError(f"{self.name}: reads no tables; give it a text")

    def asking(self) -> list[str]:
        """Options of `tinygrad-lstm trace` with which a net of this task reads something; [] where it reads nothing."""
        return _asking(self)

    def show(self, batch: Batch, output: Array | None = None) -> str:
        """The first example of a batch in words: what goes in, what is right and, of a net's output, what it says."""
        return _example(self, batch, output)

    def _shown(self, values: Array) -> str:
        """The first of some numbers (n, 1) in words."""
        return " ".join(f"{value:.3g}" for value in values[:24, 0])

    def right(self, batch: Batch, output: Array) -> Array:
        """Where `output` (batch, time, outputs) is correct: (batch, time) bool, to be read under `batch.mask`."""
        if self.kind != "classify" or not self.is_graded:
            raise TaskError(f"{self.name}: its answers are numbers, none is simply right or wrong; measure the error")
        hits: Array = output.argmax(axis=-1) == batch.target
        return hits

    def accuracy(self, batch: Batch, output: Array) -> float:
        """The share of correct answers; NaN where none is simply right or wrong."""
        return float(self.right(batch, output)[batch.mask].mean()) if self.is_graded else math.nan

    def hits_by_distance(self, batch: Batch, output: Array) -> dict[int, list[bool]]:
        """Which answers are correct, at each distance of `info["distance"]`; nothing for a task that has none."""
        if not self.is_graded or "distance" not in batch.info:
            return {}
        right, distance = self.right(batch, output), batch.info["distance"] * batch.mask
        return {int(d): right[distance == d].tolist() for d in np.unique(distance[distance > 0])}

    def accuracy_by_distance(self, batch: Batch, output: Array) -> dict[int, float]:
        """The share of correct answers at each distance of `info["distance"]`; nothing for a task that has none."""
        return {d: float(np.mean(hits)) for d, hits in self.hits_by_distance(batch, output).items()}

    def encode(self, given: Any) -> Array:
        """Symbols, one by one, as tokens (time,) int64. Raises TaskError for a symbol outside the vocabulary."""
        try:
            return np.array([self._numbers[symbol] for symbol in given], dtype=np.int64)
        except KeyError:
            unknown = ", ".join(repr(s) for s in sorted({str(s) for s in given} - self._numbers.keys()))
            raise TaskError(f"{self.name}: does not know {unknown}; it knows {' '.join(self._numbers)}") from None

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.vocabulary or ())}

    def decode(self, tokens: Any) -> Any:
        """Tokens (time,) as the text they stand for."""
        names = self.vocabulary or ()
        return self.between.join(names[int(token)] for token in tokens)

    def _example(self, rng: np.random.Generator) -> Batch:
        """One drawn example: a Batch without its batch axis."""
        raise TypeError(f"{type(self).__name__} does not say how an example is drawn: define _example(rng).")

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
        if self.is_stream and self.chunk is not None:  # some chunk of it
            start = int(rng.integers(max(1, self.chunk_count(size, self.chunk, split=split))))
            return next(iter(self.chunks(size, self.chunk, start, split=split)))
        return stack([self._draw(rng, split) for _ in range(size)])

    def _draw(self, rng: np.random.Generator, split: Split) -> Batch:
        share = self.held_out if split == "test" else 1 - self.held_out
        for _ in range(math.ceil(50 / share)):  # misses all of a large enough task once in exp(50)
            example = self._example(rng)
            digest = hashlib.blake2b(example.x.tobytes(), digest_size=8).digest()
            if (int.from_bytes(digest) < self.held_out * 2**64) == (split == "test"):
                return example
        raise TaskError(f"{self.name}: no example for the {split} part; make the sequences longer or change held_out")

    def _check_split(self, split: str) -> None:
        if split not in ("train", "test"):
            raise TaskError(f"{self.name}: split must be 'train' or 'test', not {split!r}")
        if split == "test" and self.held_out == 0:
            raise TaskError(f"{self.name}: held_out=0 leaves no test part; set it to 0.1, for instance")


def _integer(value: object) -> int | None:
    try:
        return None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _asking(task: Task) -> list[str]:
    """A line of an example, as far as an answer is asked for."""
    if task.vocabulary is None:
        return []
    batch = task.batch(1, np.random.default_rng(0))
    end = int(np.flatnonzero(batch.mask[0])[-1]) + 1
    line = max(str(task.decode(batch.x[0, :end])).splitlines(), key=len, default="").strip()
    try:
        task.read_text(line)
    except TaskError:  # symbols that no text stands for
        return []
    return ["--text", line]


def _example(task: Task, batch: Batch, output: Array | None) -> str:
    """The first example of a batch in words: see `Task.show`."""
    x = batch.x[0] if batch.lengths is None else batch.x[0, : int(batch.lengths[0])]
    asked = np.flatnonzero(batch.mask[0])

    def answers(values: Array) -> str:
        if task.answers is None:
            return task._shown(values[asked])
        return task.between.join(task.answers[int(k)] for k in values[asked])

    read = task.decode(x) if task.vocabulary is not None else "\n".join(task._shown(row[:, None]) for row in x.T)
    lines = [f"input:\n{read}", f"right: {answers(batch.target[0])}"]
    if output is not None:
        lines.append(f"model: {answers(output[0] if task.answers is None else output[0].argmax(axis=-1))}")
    return "\n".join(lines)


def stack(rows: Sequence[Batch]) -> Batch:
    """Examples without a batch axis as one Batch, padded with zeros at the end to the longest."""
    lengths = np.array([len(row.x) for row in rows], dtype=np.int64)
    longest = int(lengths.max())

    def column(parts: list[Array]) -> Array:
        if parts[0].ndim == 0:
            return np.array(parts)
        out = np.zeros((len(parts), longest, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for row, part in zip(out, parts, strict=True):
            row[: len(part)] = part
        return out

    return Batch(
        x=column([r.x for r in rows]),
        target=column([r.target for r in rows]),
        mask=column([r.mask for r in rows]),
        lengths=lengths if lengths.min() < longest else None,
        info={key: column([np.asarray(r.info[key]) for r in rows]) for key in rows[0].info},
    )

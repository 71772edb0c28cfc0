"""What every task has: settings that are checked, batches that are reproducible, a test part never seen in training."""

from __future__ import annotations

import hashlib
import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Split = Literal["train", "test"]


class TaskError(ValueError):
    """A task cannot be made or read: one line with what is wrong, where, and how to mend it."""


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


@dataclass(frozen=True, kw_only=True)
class Task:
    """Sequences to learn on. Two tasks with equal settings are equal, and draw equal batches from equal generators.

    `held_out` is the share of the data kept for `split="test"`. Where examples are drawn, an example belongs to the
    test part when the hash of its input falls into that share: whatever the seeds, no training input is ever a test
    input.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    kind: ClassVar[Literal["classify", "regress"]] = "classify"

    held_out: float = 0.1

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

    def right(self, batch: Batch, output: Array) -> Array:
        """Where `output` (batch, time, outputs) is correct: (batch, time) bool, to be read under `batch.mask`."""
        if self.kind != "classify":
            raise TaskError(f"{self.name}: its answers are numbers, none is simply right or wrong; measure the error")
        found: Array = output.argmax(axis=-1) == batch.target
        return found

    def accuracy_by_distance(self, batch: Batch, output: Array) -> dict[int, float]:
        """The share of correct answers at each distance of `info["distance"]`; nothing for a task that has none."""
        right, distance = self.right(batch, output), batch.info.get("distance", 0) * batch.mask
        return {int(d): float(right[distance == d].mean()) for d in np.unique(distance[distance > 0])}

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
        return "".join(names[int(token)] for token in tokens)

    def _example(self, rng: np.random.Generator) -> Batch:
        """One drawn example: a Batch without its batch axis."""
        raise TypeError(f"{type(self).__name__} does not say how an example is drawn: define _example(rng).")

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
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

    # Settings: each check names the setting, what it must be and what it was.

    def _need(self, setting: str, holds: bool, must_be: str) -> None:
        if not holds:
            raise TaskError(f"{self.name}: {setting} must be {must_be}, not {getattr(self, setting)!r}")

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

    def _words(self, setting: str) -> None:
        given = getattr(self, setting)
        good = isinstance(given, list | tuple) and all(re.fullmatch(r"[^\s.A-Z]+", str(word)) for word in given)
        self._need(setting, good and len(given) > 0, "a list of single words in lower case")
        self._set(setting, tuple(given))


def _integer(value: object) -> int | None:
    try:
        return None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


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


def utf8(data: bytes, where: Path) -> str:
    """`data` as text with "\\n" as line ends. Raises TaskError with the offset of the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{where}: not UTF-8, byte 0x{data[error.start]:02x} at offset {error.start}; "
            f"save it as UTF-8, for instance: iconv -f latin1 -t utf-8 '{where}' > '{where.stem}-utf8{where.suffix}'"
        ) from None


def read(path: Path, most: int | None = None) -> bytes:
    """The first `most` bytes of a file, no character torn. Raises TaskError if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None else most + 1)
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if most is not None and len(data) > most:
        end = most
        while end and data[end] & 0xC0 == 0x80:  # a continuation byte: its character began before the cut
            end -= 1
        data = data[:end]
    return data

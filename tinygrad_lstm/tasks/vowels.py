"""Real data: who speaks? Utterances of two Japanese vowels by nine men."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .base import Array, Batch, Split, Task, TaskError, stack

# As they are in the wheel of aeon 1.6.0: of other bytes the published numbers may not be true.
SUMS = {
    "train": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "test": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
INSTALL = "it is in the wheel of the package aeon: pip install 'tinygrad-lstm[data]'"


@dataclass(frozen=True, kw_only=True)
class JapaneseVowels(Task):
    """Which of nine men says /ae/? 12 LPC cepstrum coefficients at each of 7 to 29 steps; the answer at the last one.

    Kudo, Toyama & Shimbo (1999), "Multidimensional curve classification using passing-through regions", Pattern
    Recognition Letters 20: 270 utterances to learn from, 30 of each man, and 370 others, 24 to 88 of each, as the test
    part; `held_out` has no meaning here. `path` is the folder of JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts;
    without one they are read from where aeon is installed, without importing it.

    `x` is (batch, time, 12), `target` (batch, time). Raises TaskError where a file is missing, or is not the one whose
    numbers were published.
    """

    name = "japanese_vowels"
    about = "which of nine men speaks: real utterances, from the data of the package aeon"

    path: str = ""

    @property
    def inputs(self) -> int:
        return 12

    @property
    def answers(self) -> tuple[str, ...]:
        return tuple("123456789")

    def digest(self) -> str:
        return hashlib.sha256("".join(SUMS.values()).encode()).hexdigest() if self.all("train") else ""

    def all(self, split: Split = "train") -> Batch:
        """All utterances of one part, in the order of the file, padded with zeros to the longest of them."""
        return stack(list(_utterances(self.path, split)))

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
        """Each at most once, as long as there are as many."""
        every = _utterances(self.path, split)
        return stack([every[k] for k in rng.choice(len(every), size, replace=size > len(every))])

    def _check_split(self, split: str) -> None:
        if split not in SUMS:
            raise TaskError(f"{self.name}: split must be 'train' or 'test', not {split!r}")


def _folder() -> Path:
    """Where aeon keeps the data set. To import it would take seconds."""
    spec = find_spec("aeon")
    if spec is None or not spec.submodule_search_locations:
        raise TaskError(f"japanese_vowels: the data are not here; {INSTALL}")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "JapaneseVowels")


@cache
def _utterances(path: str, split: Split) -> tuple[Batch, ...]:
    place = (Path(path) if path else _folder()) / f"JapaneseVowels_{split.upper()}.ts"
    try:
        data = place.read_bytes()
    except OSError as exc:
        raise TaskError(f"japanese_vowels: {place} cannot be read ({exc.strerror}); {INSTALL}") from None
    if hashlib.sha256(data).hexdigest() != SUMS[split]:
        raise TaskError(f"japanese_vowels: {place} is not the file whose numbers were published (SHA-256 differs)")
    _, _, body = data.decode().partition("@data")
    return tuple(_utterance(line) for line in body.split())


def _utterance(line: str) -> Batch:
    """Of a line of a .ts file: the coefficients one after another, each over all steps, and the speaker."""
    *columns, speaker = line.split(":")
    x: Array = np.array([column.split(",") for column in columns], dtype=np.float32).T
    last = np.arange(len(x)) == len(x) - 1
    return Batch(x, (last * (int(speaker) - 1)).astype(np.int64), last)

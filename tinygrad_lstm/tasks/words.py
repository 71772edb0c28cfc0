"""The next word of sentences of one's own, in any script."""

from __future__ import annotations

import hashlib
import math
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .base import Array, Batch, Split, Task, TaskError
from .reading import read, text_of
from .text import UNKNOWN

END = "¶"
MARKS = ".!?。！？｡؟।…"  # a sentence ends after these
JOINERS = "\u200c\u200d"  # within words of Persian and of Indian scripts
SAMPLE = """\
mary opened the box and lost her keys. john opened the box and lost his keys.
anna found a red lamp and hid her coat. paul found a red lamp and hid his coat.
emma painted the boat and sold her car. peter painted the boat and sold his car.
julia moved the clock and broke her lamp. max moved the clock and broke his lamp.
mary sold a new book and found her coat. john sold a new book and found his coat.
anna broke the clock and moved her boat. paul broke the clock and moved his boat.
"""


@dataclass(frozen=True, kw_only=True)
class Words(Task):
    """Sentences of one's own, word by word, from a text or a file; the target is the next word, at the end "¶".

    A sentence ends with its line or with one of . ! ? 。！？؟ । …. Punctuation marks are words of their own; so is each
    Chinese or Japanese character, unless `segmented` says that blanks stand between the words. Words are taken in
    lower case where `lower` is true. A script without blanks between words (Thai, for instance) needs them put in.

    The share `held_out` of the different sentences is the test part, at least one where there are two: always those
    with the smallest hashes, so that no sentence is in both parts. The vocabulary holds the words of the training part
    that occur at least `rare` times; all others are "�", number 0; "¶" is number 1. Without text and path there are
    twelve sentences to try it on. A task made with a `vocabulary` does not open its file until a batch is asked for.

    `x` and `target` are (batch, time). Raises TaskError for a file that cannot be read or is not UTF-8 (unless
    `encoding` says what it is), and where there is no word.
    """

    name = "words"
    about = "the next word of your own sentences"
    unit = "words"
    between = " "

    text: str = field(default="", kw_only=False)
    path: str | Path = ""
    encoding: str = ""
    segmented: bool = False
    lower: bool = True
    rare: int = 1
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._need("text", isinstance(self.text, str), "a text")
        self._need("path", isinstance(self.path, str | os.PathLike), "a path")
        self._need("path", not (self.text and self.path), "left out where text= is given")
        self._set("path", os.fspath(self.path))
        self._integer("rare", 1)
        self._encoding()
        self._need("vocabulary", isinstance(self.vocabulary, list | tuple), "a list")
        if not self.vocabulary:
            seen = Counter(word for sentence in self._parts["train"] for word in sentence)
            words = sorted(word for word, n in seen.items() if n >= self.rare and word not in (UNKNOWN, END))
            self._set("vocabulary", (UNKNOWN, END, *words))
        known = tuple(self.vocabulary)
        good = known[:2] == (UNKNOWN, END) and len(set(known)) == len(known)
        self._need("vocabulary", good, f"different words of which the first are {UNKNOWN!r} and {END!r}")
        self._set("vocabulary", known)

    def split(self, text: str) -> list[str]:
        """The words and marks of a text."""
        text = unicodedata.normalize("NFC", text.lower() if self.lower else text)
        return [word for run in text.split() for word in _words(run, self.segmented)]

    def encode(self, given: str | list[str] | tuple[str, ...]) -> Array:
        """A text, or its words, as tokens (time,) int64; a word outside the vocabulary is 0."""
        words = self.split(given) if isinstance(given, str) else given
        return np.array([self._numbers.get(word, 0) for word in words], dtype=np.int64)

    def decode(self, tokens: Any) -> str:
        """Words with blanks between them, as far as the sentence goes: nothing after its "¶"."""
        words = [self.vocabulary[int(token)] for token in tokens]
        return self.between.join(words[: words.index(END)] if END in words else words)

    def baseline(self, loss: float) -> str:
        return f"as if it chose among {math.exp(min(loss, 50)):.3g} words, where guessing evenly has {self.outputs}"

    def opening(self) -> Array:
        """The first word of a training sentence."""
        return self.encode(self._parts["train"][0][:1])

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
        self._part(split)
        return super()._batch(size, rng, split)

    def _draw(self, rng: np.random.Generator, split: Split) -> Batch:
        sentences = self._part(split)
        tokens = self.encode([*sentences[int(rng.integers(len(sentences)))], END])
        return Batch(tokens[:-1], tokens[1:], np.ones(len(tokens) - 1, dtype=bool))

    def _part(self, split: Split) -> list[tuple[str, ...]]:
        self._check_split(split)
        if not self._parts[split]:
            raise TaskError(f"{self.name}: of one sentence nothing can be held out; give at least two different ones")
        return self._parts[split]

    @cached_property
    def _source(self) -> str:
        """What is cut into sentences."""
        path = Path(self.path)
        return self.text or (text_of(read(path), path, self.encoding) if self.path else SAMPLE)

    def digest(self) -> str:
        return hashlib.blake2b(self._source.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def notes(self) -> list[str]:
        words = [word for sentence in self._parts["train"] for word in sentence]
        unknown = float(np.mean(self.encode(words) == 0))
        if unknown <= 0.001:
            return []
        return [f"{unknown:.1%} of the words occur fewer than {self.rare} times and are all read as {UNKNOWN!r}"]

    @cached_property
    def _parts(self) -> dict[str, list[tuple[str, ...]]]:
        """The sentences of each part, as they come: twice where they stand twice."""
        pieces = re.split(rf"(?<=[{MARKS}])(?:(?<=[。！？｡])|(?=\s|$))|\n", self._source)
        sentences = [words for piece in pieces if (words := tuple(self.split(piece)))]
        if not sentences:
            raise TaskError(f"{self.path or self.name}: has no words; write a sentence a line, for instance")
        different = sorted(set(sentences), key=lambda words: hashlib.blake2b(repr(words).encode()).digest())
        most = len(different) - 1
        test = set(different[: min(most, max(1, round(len(different) * self.held_out)))] if self.held_out else ())
        return {
            "train": [words for words in sentences if words not in test],
            "test": [words for words in sentences if words in test],
        }


def _words(run: str, segmented: bool) -> list[str]:
    """The words and marks of a run of characters without blanks."""
    words: list[str] = []
    kind_before = ""
    for k, character in enumerate(run):
        kind = unicodedata.category(character)[0]
        sides = run[k - 1 : k] + run[k + 1 : k + 2]
        inside = len(sides) == 2 and (sides.isalpha() if character in "'’-" else character in ".," and sides.isdigit())
        kind = "L" if kind in "LNM" or inside or character in JOINERS else kind  # a combining mark joins its letter
        alone = not segmented and _is_ideograph(character)
        if words and kind == kind_before == "L" and not alone:
            words[-1] += character
        elif kind != "C":  # control characters and the like are no words
            words.append(character)
        kind_before = "alone" if alone else kind
    return words


def _is_ideograph(character: str) -> bool:
    """Whether a character is written without blanks beside its like: Chinese and Japanese."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA"))

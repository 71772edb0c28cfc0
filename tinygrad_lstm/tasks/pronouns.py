"""Which possessive pronoun? Sentences whose answer hangs on a name some words back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from .base import Array, Batch, Split, Task, TaskError

Choice = TypeVar("Choice")

PRONOUNS = {"f": "her", "m": "his"}

# Whole phrases between a name and its pronoun, so that every distance reads as English; upper case is filled in.
# Nothing in them has a gender.
PHRASES = tuple(
    tuple(phrase.split())
    for phrase in (
        "stood up and",
        "came home and",
        "VERB the NOUN and",
        "VERB the ADJECTIVE NOUN and",
        "VERB the NOUN near the NOUN and",
    )
)
BEFORE_VERB = ((), ("ADVERB",), ("very", "ADVERB"))  # whatever the phrases leave: 0, 1 or 2 words
JOINS = (("and", "then"), ("but", "later"), ("while",))
FRAME = tuple(dict.fromkeys(word for part in (*PHRASES, *BEFORE_VERB, *JOINS) for word in part if word.islower()))


@dataclass(frozen=True)
class Sentence:
    """One sentence and what is true of it; positions count words from 0.

    `genders` ("f" or "m") are those of the subjects, `distances` those from each pronoun back to its subject, and
    `switch` says whether the last subject has the other gender than the one before it.
    """

    words: tuple[str, ...]
    subjects: tuple[int, ...]
    genders: tuple[str, ...]
    pronouns: tuple[int, ...]
    distances: tuple[int, ...]
    switch: bool

    def __str__(self) -> str:
        return " ".join(self.words).replace(" .", ".")


@dataclass(frozen=True, kw_only=True)
class Pronouns(Task):
    """Predict each pronoun of "mary lost her keys and then john sold his old car." from the words before it.

    To answer, a network must keep the gender of the current subject over words that say nothing about it, and give it
    up when a new subject comes. A clause has one subject and, `distance` words later, one pronoun, so no pronoun seen
    as an input tells the next one: at `switch=0.5` the genders of successive subjects are independent.

    `clauses` and `distance` are (from, to), drawn evenly; `switch` is the chance that a new subject has the other
    gender. The remaining settings are the word lists. `x` is (batch, time) tokens, `target` the tokens one place later,
    `mask` is true where the next word is a pronoun; `info` has `distance` (batch, time), `subject` (batch, time) bool
    and `switch` (batch,) bool. The test part holds the sentences whose hash falls into `held_out`.
    """

    name = "pronouns"
    about = "which possessive pronoun? the gender of a name, kept over many words"
    between = " "

    clauses: tuple[int, int] = (1, 2)
    distance: tuple[int, int] = (2, 10)
    switch: float = 0.5
    female: tuple[str, ...] = ("mary", "anna", "emma", "julia")
    male: tuple[str, ...] = ("john", "paul", "peter", "max")
    verbs: tuple[str, ...] = ("lost", "sold", "found", "painted", "opened", "moved", "broke", "hid")
    nouns: tuple[str, ...] = ("keys", "car", "lamp", "book", "boat", "box", "clock", "coat")
    adjectives: tuple[str, ...] = ("old", "new", "red", "small")
    adverbs: tuple[str, ...] = ("slowly", "quietly", "quickly", "calmly")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("clauses", 1)
        self._range("distance", 2)
        self._need("switch", isinstance(self.switch, int | float) and 0 <= self.switch <= 1, "a number in [0, 1]")
        for setting in ("female", "male", "verbs", "nouns", "adjectives", "adverbs"):
            self._words(setting)
        twice = [word for word, count in Counter(self.vocabulary).items() if count > 1]
        if twice:
            raise TaskError(f"{self.name}: {', '.join(twice)}: stands twice in the vocabulary; take it out of one list")

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The words; number 0 is ".", which ends a sentence and fills up shorter rows."""
        lists = self.female, self.male, self.verbs, self.nouns, self.adjectives, self.adverbs
        return ".", *PRONOUNS.values(), *FRAME, *(word for words in lists for word in words)

    def encode(self, given: str | Sequence[str]) -> Array:
        """Words, or a text in upper or lower case, as tokens (time,) int64. Raises TaskError naming unknown words."""
        return super().encode(given.lower().replace(".", " .").split() if isinstance(given, str) else given)

    def read(self, given: str | Sequence[str]) -> Sentence:
        """What is true of a sentence, or of its beginning, in this vocabulary.

        Raises TaskError for an unknown word and for a pronoun before any name.
        """
        words = tuple(self.vocabulary[token] for token in self.encode(given))
        subjects = tuple(i for i, word in enumerate(words) if word in self.female or word in self.male)
        pronouns = tuple(i for i, word in enumerate(words) if word in PRONOUNS.values())
        if pronouns and not (subjects and subjects[0] < pronouns[0]):
            raise TaskError(f"{self.name}: {words[pronouns[0]]!r} stands before any name; begin with a name")
        genders = tuple("f" if words[i] in self.female else "m" for i in subjects)
        distances = tuple(p - max(i for i in subjects if i < p) for p in pronouns)
        return Sentence(words, subjects, genders, pronouns, distances, genders[-2:] in (("f", "m"), ("m", "f")))

    def sentence(self, rng: np.random.Generator, *, split: Split = "train") -> Sentence:
        """Draw one sentence to read."""
        self._check_split(split)
        return self.read([*self.decode(self._draw(rng, split).x).split(), "."])

    def _example(self, rng: np.random.Generator) -> Batch:
        said = self.read(self._words_of_one(rng))
        tokens = self.encode(said.words)
        asked = np.array(said.pronouns) - 1  # the word before a pronoun is where the pronoun is predicted
        mask, subject = np.zeros((2, len(tokens) - 1), dtype=bool)
        distance = np.zeros(len(tokens) - 1, dtype=np.int64)
        mask[asked], subject[list(said.subjects)], distance[asked] = True, True, said.distances
        info = {"distance": distance, "subject": subject, "switch": np.array(said.switch)}
        return Batch(tokens[:-1], tokens[1:], mask, info=info)

    def _words_of_one(self, rng: np.random.Generator) -> list[str]:
        lists = {"VERB": self.verbs, "NOUN": self.nouns, "ADJECTIVE": self.adjectives, "ADVERB": self.adverbs}

        def pick(choices: Sequence[Choice]) -> Choice:
            return choices[int(rng.integers(len(choices)))]

        female, name, words = bool(rng.integers(2)), "", list[str]()
        for clause in range(rng.integers(self.clauses[0], self.clauses[1] + 1)):
            if clause:
                words += pick(JOINS)
                female ^= bool(rng.random() < self.switch)
            names = self.female if female else self.male
            name = pick([n for n in names if n != name] or names)
            words.append(name)
            between = int(rng.integers(self.distance[0], self.distance[1] + 1)) - 2  # the other two: verb, pronoun
            phrase: tuple[str, ...] = ()
            while between >= 3:
                phrase = pick([p for p in PHRASES if len(p) <= between and (p != phrase or "VERB" in p)])
                words += phrase
                between -= len(phrase)
            words += [*BEFORE_VERB[between], "VERB", PRONOUNS["f" if female else "m"]]
            words += pick((("NOUN",), ("ADJECTIVE", "NOUN")))
        return [pick(lists[word]) if word in lists else word for word in [*words, "."]]

"""What there is to choose from: tasks, each with how one reads and asks in it, and cells, each with its code."""

from __future__ import annotations

import inspect
import math
import shutil
import tempfile
import textwrap
import weakref
from collections import Counter
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..tasks import from_config
from ..tasks.base import Task
from ..tasks.classic import REBER
from ..tasks.pronouns import PRONOUNS, Pronouns
from ..tasks.words import END, SAMPLE
from ..tensor import Array
from ..training.model import CELLS
from .wordings import CHOICE, NUMBER, NUMBERS, TOO_LONG, UNKNOWN_WORDS, Both, LabError, Lang

TEXT = 20_000  # characters of a text, or of a cell's code
EXAMPLES, SHORT = 6, 14  # sentences to ask, and words in each at most, where there are such short ones


class Read(NamedTuple):
    """What a net reads: tokens (time,) or features (time, inputs), a word for each step, and what is to be said of it.

    `right` holds the answers that are right at its end, where that is known.
    """

    x: Array
    words: list[str]
    right: frozenset[str] | None = None
    value: float | None = None  # the right number, where the answer is one
    notes: tuple[str, ...] = ()


class Offer:
    """A task of the lab. Subclasses say how it is made, read and asked.

    Attributes:
        title: its name for people.
        settings: what a page may set of the task, with what it is by default; `most`: up to where, so that an answer
            comes soon, and an example can be asked.
        net: what suits a net for it: `hidden`, `lr`, `clip`, …
        needs_text: whether one brings one's own text; `text` is one to begin with.
    """

    name: str
    title: Both
    settings: Mapping[str, Any] = {}
    most: Mapping[str, int] = {}
    net: Mapping[str, Any] = {"hidden": 16, "lr": 0.02, "clip": 1.0, "forget_bias": 1.0}
    needs_text, text = False, ""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        for setting in asked:
            if setting not in ("name", "text", *self.settings):
                known = ", ".join(self.settings) or "–"
                raise LabError(CHOICE, field=f"task.{setting}", value=setting, known=known)
        self.given = {**self.settings, **{k: v for k, v in asked.items() if k in self.settings}}
        self.written = asked.get("text") or self.text if self.needs_text else ""
        if not isinstance(self.written, str) or len(self.written) > TEXT:
            raise LabError(TOO_LONG, field="task.text", most=TEXT, n=len(str(self.written)))
        for setting, value in self.given.items():
            for n in value if isinstance(value, list) else [value]:
                if type(n) is not int or not 0 <= n <= self.most[setting]:
                    must = f"∈ ℤ, 0 … {self.most[setting]}"
                    raise LabError(NUMBER, field=f"task.{setting}", must=must, value=repr(n)[:40])
        self.task = self.made()

    def made(self) -> Task:
        return from_config({"name": self.name, **self.given})

    def asked(self) -> dict[str, Any]:
        """What makes the same again, ready for JSON."""
        return {"name": self.name, **self.given, **({"text": self.written} if self.needs_text else {})}

    def plain(self, text: str) -> str:
        """A text as the task reads it."""
        return text.strip()

    def read(self, text: str, lang: Lang) -> Read:
        """What the net reads of a text. Raises TaskError for what is not in the vocabulary, and for nothing."""
        x, words = self.task.read_text(self.plain(text))
        return Read(x, words, self.right(words))

    def shown(self, word: str) -> str:
        """A symbol as a page shows it."""
        return word

    def right(self, words: list[str]) -> frozenset[str] | None:
        """The answers that are right after these words; None where nobody can say."""
        return None

    @cached_property
    def examples(self) -> list[str]:
        """Texts to ask about, the first of them the one whose gradient is watched while a net learns."""
        rng, found = np.random.default_rng([0, 4]), dict[str, int]()
        for _ in range(100):
            batch = self.task.batch(1, rng)
            end = int(np.flatnonzero(batch.mask[0])[-1]) + 1
            text = self.task.decode(batch.x[0, : self.end(batch.x[0], end)])
            found[text] = len(self.task.read_text(text)[0])
        short = [text for text, n in found.items() if n <= SHORT] or [min(found, key=lambda text: found[text])]
        return sorted(short[:EXAMPLES], key=len, reverse=True)

    def end(self, x: Array, end: int) -> int:
        """Where an example is cut off, to ask what comes next; `end` is after its last answer."""
        return end

    def baseline(self) -> float | None:
        """The accuracy of always giving one answer, the best of them; None where no answer is simply right."""
        batch = self.task.batch(64, np.random.default_rng([0, 5]))
        if not self.task.is_graded:
            return None
        if self.task.kind == "regress":
            return self.task.accuracy(batch, np.full(batch.target.shape, batch.target[batch.mask].mean()))
        common = Counter(batch.target[batch.mask].tolist()).most_common(8)
        one = np.eye(self.task.outputs, dtype=np.float32)
        outputs = [np.broadcast_to(one[k], (*batch.target.shape, self.task.outputs)) for k, _ in common]
        return max(self.task.accuracy(batch, output) for output in outputs)


class PronounOffer(Offer):
    name, title = "pronouns", Both("which pronoun: her or his?", "该用哪个代词：her 还是 his？")
    settings: Mapping[str, Any] = {"clauses": [1, 2], "distance": [2, 10]}
    most: Mapping[str, int] = {"clauses": 4, "distance": 60}
    net: Mapping[str, Any] = {"hidden": 12, "lr": 0.02, "clip": 1.0, "forget_bias": 1.0}

    @cached_property
    def examples(self) -> list[str]:
        """First one of one clause, whose gradient has to come back to its first word; then others."""
        assert isinstance(self.task, Pronouns)
        rng, alone, others = np.random.default_rng([0, 4]), list[list[str]](), list[list[str]]()
        for _ in range(100):
            said = self.task.sentence(rng)
            begun = list(said.words[: said.pronouns[-1]])
            alone.append(begun[said.subjects[-1] :])
            if said.switch and len(begun) <= SHORT:
                others.append(begun)
        short = [words for words in alone if len(words) <= SHORT]
        first = max(short, key=len) if short else min(alone, key=len)
        return [" ".join(words) for words in (first, *(others or alone)[: EXAMPLES - 1])]

    def right(self, words: list[str]) -> frozenset[str] | None:
        assert isinstance(self.task, Pronouns)
        said = self.task.read(words)
        if not said.subjects or (said.pronouns and said.pronouns[-1] > said.subjects[-1]):
            return None
        return frozenset([PRONOUNS[said.genders[-1]]])


class WordOffer(Offer):
    name, title = "words", Both("your own sentences, word by word", "你自己的句子，逐词")
    needs_text, text = True, SAMPLE

    def made(self) -> Task:
        return from_config({"name": "words", "text": self.written})

    def read(self, text: str, lang: Lang) -> Read:
        words = self.task.split(text)  # type: ignore[attr-defined]
        x, _ = self.task.read_text(text)
        unknown = [word for word, token in zip(words, x, strict=True) if token == 0]
        notes = (UNKNOWN_WORDS.said(lang, words=", ".join(dict.fromkeys(unknown))),) if unknown else ()
        return Read(x, words, self.right(words), notes=notes)

    @cached_property
    def _sentences(self) -> list[tuple[str, ...]]:
        parts = self.task._parts  # type: ignore[attr-defined]
        return [*parts["train"], *parts["test"]]

    def right(self, words: list[str]) -> frozenset[str] | None:
        n, begun = len(words), tuple(words)
        following = {(*sentence, END)[n] for sentence in self._sentences if sentence[:n] == begun}
        return frozenset(following) or None

    @cached_property
    def examples(self) -> list[str]:
        texts = [" ".join(sentence[: max(1, len(sentence) - 3)][:SHORT]) for sentence in self._sentences]
        return sorted(list(dict.fromkeys(texts))[:EXAMPLES], key=len, reverse=True)


class ReberOffer(Offer):
    name, title = "reber", Both("strings of a grammar (Reber)", "一种语法的字符串（Reber）")

    def plain(self, text: str) -> str:
        return "".join(text.split())

    def right(self, words: list[str]) -> frozenset[str] | None:
        before: list[frozenset[str]] = [frozenset("B"), frozenset("TP"), frozenset("B")]
        node, pair = 0, words[1] if len(words) > 1 else ""
        for k in range(len(words) + 1):
            legal = before[k] if k < 3 else frozenset(REBER[node]) if node < len(REBER) else frozenset(
                {6: pair, 7: "E"}.get(node, "")
            )  # fmt: skip
            if k == len(words):
                return legal or None
            if words[k] not in legal:
                return None
            if k >= 3:
                node = REBER[node][words[k]] if node < len(REBER) else node + 1
        raise AssertionError("the loop ends at the last word")

    def end(self, x: Array, end: int) -> int:
        return end - 1  # before the second symbol comes back


class AddingOffer(Offer):
    name, title = "adding", Both("add the two marked numbers", "把两个带标记的数相加")
    settings: Mapping[str, Any] = {"length": 10}
    most: Mapping[str, int] = {"length": 60}

    def plain(self, text: str) -> str:
        return " ".join(text.replace(",", " ").split())

    def read(self, text: str, lang: Lang) -> Read:
        words = self.plain(text).split()
        x = np.zeros((len(words), 2), dtype=np.float32)
        for row, word in zip(x, words, strict=True):
            try:
                row[:] = float(word.removesuffix("*")), word.endswith("*")
            except ValueError:
                row[0] = math.nan
            if not 0 <= row[0] <= 1:
                raise LabError(NUMBERS, field="text", value=repr(word))
        if not words:
            raise LabError(NUMBERS, field="text", value="“”")
        marked = x[x[:, 1] == 1, 0]
        return Read(x, words, value=float(marked.sum()) if len(marked) == 2 else None)

    @cached_property
    def examples(self) -> list[str]:
        batch = self.task.batch(EXAMPLES, np.random.default_rng([0, 4]))
        return [" ".join(f"{a:.2f}{'*' * int(mark)}" for a, mark in row) for row in batch.x]


class TextOffer(Offer):
    name, title = "text", Both("a text, character by character", "一段文字，逐字符")
    needs_text, text = True, "the cat sat on the mat. the dog sat on the log. the cat saw the dog. " * 12
    settings: Mapping[str, Any] = {"steps": 24}
    most: Mapping[str, int] = {"steps": 60}

    def made(self) -> Task:
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / "text.txt"
        path.write_text(self.written, encoding="utf-8", errors="surrogatepass")
        return from_config({"name": "text", "path": str(path), "rare": 1, **self.given})

    def plain(self, text: str) -> str:
        return text

    def read(self, text: str, lang: Lang) -> Read:
        x, words = self.task.read_text(text)
        return Read(x, [self.shown(word) for word in words])

    def shown(self, word: str) -> str:
        return {" ": "·", "\n": "¶", "\t": "→"}.get(word, word)

    @cached_property
    def examples(self) -> list[str]:
        opening = self.task.opening()
        text = self.task.decode(opening) if opening is not None else ""
        return [text[-n:] for n in (SHORT, 8) if len(text) >= n] or [text]


OFFERS: dict[str, type[Offer]] = {
    offer.name: offer for offer in (PronounOffer, WordOffer, ReberOffer, AddingOffer, TextOffer)
}


def offer_of(asked: Any) -> Offer:
    """The task that a message asks for, {"name": …}. Raises LabError, and TaskError for a bad text or setting."""
    name = asked.get("name") if isinstance(asked, dict) else asked
    if not isinstance(name, str) or name not in OFFERS:
        raise LabError(CHOICE, field="task", value=repr(name), known=", ".join(OFFERS))
    return OFFERS[name](asked if isinstance(asked, dict) else {})


TITLES = {
    "rnn": Both("plain RNN", "普通 RNN"),
    "lstm": Both("LSTM", "LSTM"),
    "gru": Both("GRU", "GRU"),
    "lstm-peephole": Both("LSTM with peepholes", "带窥视孔的 LSTM"),
    "lstm-coupled": Both("LSTM, input gate coupled to f", "输入门与 f 耦合的 LSTM"),
    "lstm-no-forget": Both("LSTM without forget gate", "没有遗忘门的 LSTM"),
    "lstm-truncated": Both("LSTM, gradient cut at h", "梯度在 h 处切断的 LSTM"),
    "lstm-1997": Both("LSTM of 1997", "1997 年的 LSTM"),
}
KINDS: dict[str, type[nn.Cell]] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def cell_type(name: str) -> type[nn.Cell]:
    """The class of a cell of `TITLES`."""
    kind: type[nn.Cell] = CELLS[name][1].get("cell") or KINDS[name]
    return kind


@cache
def code_of(name: str) -> str:
    """The step of a cell, as it stands in its file."""
    return textwrap.dedent(inspect.getsource(cell_type(name).step))

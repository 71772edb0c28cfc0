"""Four tasks from the literature on long memory, as their papers define them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Array, Batch, Task


@dataclass(frozen=True, kw_only=True)
class Adding(Task):
    """Add the two marked ones of many numbers: a value is kept exactly, not only a choice.

    After Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", experiment 4, in the form of Le, Jaitly & Hinton
    (2015), "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", section 4.1: each step has a
    number drawn evenly from [0, 1] and a marker, 1 at two steps and 0 at all others; the target, at the last step only,
    is the sum of the two marked numbers. As in Arjovsky, Shah & Bengio (2016) one mark lies in each half. Always
    answering 1 gives a mean squared error of 1/6.

    `x` is (batch, length, 2), `target` (batch, length, 1), `info["distance"]` counts steps since the first mark.
    """

    name = "adding"
    about = "the sum of the two marked numbers"
    kind = "regress"

    length: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self._integer("length", 2)

    @property
    def inputs(self) -> int:
        return 2

    def right(self, batch: Batch, output: Array) -> Array:
        """Nearer than 0.08, which is the 0.04 of the 1997 paper, whose target spans 1 where this one spans 2."""
        near: Array = np.abs(output - batch.target)[..., 0] < 0.08
        return near

    def many(self, size: int, rng: np.random.Generator) -> Batch:
        """As many examples, drawn all at once: much faster than `batch`, but without a part that is held out."""
        rows, half = np.arange(size), self.length // 2
        marks = np.array([rng.integers(half, size=size), rng.integers(half, self.length, size=size)])
        x = np.zeros((size, self.length, 2), dtype=np.float32)
        x[..., 0] = rng.random((size, self.length))
        x[rows, marks, 1] = 1
        target = np.zeros((size, self.length, 1), dtype=np.float32)
        target[:, -1, 0] = x[rows, marks, 0].sum(axis=0)
        last = np.tile(np.arange(self.length) == self.length - 1, (size, 1))
        distance = last * (self.length - 1 - marks[0])[:, None]
        return Batch(x, target, last, info={"distance": distance.astype(np.int64)})

    def _example(self, rng: np.random.Generator) -> Batch:
        half = self.length // 2
        marks = [rng.integers(half), rng.integers(half, self.length)]
        x = np.zeros((self.length, 2), dtype=np.float32)
        x[:, 0] = rng.random(self.length)
        x[marks, 1] = 1
        target = np.zeros((self.length, 1), dtype=np.float32)
        target[-1] = x[marks, 0].sum()
        last = np.arange(self.length) == self.length - 1
        return Batch(x, target, last, info={"distance": (last * (self.length - 1 - marks[0])).astype(np.int64)})


@dataclass(frozen=True, kw_only=True)
class Copying(Task):
    """Read some symbols, wait, and repeat them when told to.

    Arjovsky, Shah & Bengio (2016), "Unitary Evolution Recurrent Neural Networks", section 5.1, who take it from
    Hochreiter & Schmidhuber (1997): `length` symbols out of `symbols`, then `delay` steps, blanks but for the delimiter
    at the last of them, then `length` blanks during which the symbols are asked for in their order; before, the target
    is blank. The paper has symbols=8, length=10, delay=100 and more, and its loss is the mean over all steps; here the
    mask holds the `length` last ones, where the answers are.

    `x` and `target` are (batch, delay + 2 * length); `info["distance"]` is the same for each answer: length + delay.
    """

    name = "copying"
    about = "symbols repeated after a delay"

    symbols: int = 8
    length: int = 3
    delay: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._integer("symbols", 2)
        self._need("symbols", self.symbols <= 26, "at most 26, a letter each")
        self._integer("length", 1)
        self._integer("delay", 1)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The blank "_", the delimiter "|", then the symbols."""
        return "_", "|", *"abcdefghijklmnopqrstuvwxyz"[: self.symbols]

    def _example(self, rng: np.random.Generator) -> Batch:
        x, target = np.zeros((2, self.delay + 2 * self.length), dtype=np.int64)
        x[: self.length] = target[-self.length :] = rng.integers(2, self.inputs, self.length)
        x[self.length + self.delay - 1] = 1
        asked = np.arange(len(x)) >= self.length + self.delay
        return Batch(x, target, asked, info={"distance": (asked * (self.length + self.delay)).astype(np.int64)})


# The Reber grammar: from each node, a symbol leads to a node. Both arcs of a node are taken equally often.
REBER = ({"T": 1, "P": 2}, {"S": 1, "X": 3}, {"T": 2, "V": 4}, {"X": 2, "S": 5}, {"P": 3, "V": 5}, {"E": 6})


@dataclass(frozen=True, kw_only=True)
class Reber(Task):
    """Strings of the embedded Reber grammar: the last symbol but one repeats the second.

    Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", experiment 1, after Cleeremans, Servan-Schreiber &
    McClelland (1989) and Fahlman (1991): B, then T or P, then a whole string of the Reber grammar (B ... E), then the
    same T or P, then E. The next symbol is asked for at every step. Most steps allow two, so an answer is right when
    the grammar allows it: use `right`, not equality with the target.

    `x` and `target` are (batch, time); `info["legal"]` is (batch, time, 7) bool, the symbols allowed next;
    `info["distance"]` is positive only where the symbol remembered is asked for.
    """

    name = "reber"
    about = "the next symbol of an embedded Reber grammar; the second comes back at the end"

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple("BTPSXVE")

    def right(self, batch: Batch, output: Array) -> Array:
        """The most active output is a symbol which the grammar allows next: the criterion of the 1997 paper."""
        best = output.argmax(axis=-1)[..., None]
        allowed: Array = np.take_along_axis(batch.info["legal"], best, axis=-1)[..., 0]
        return allowed

    def _example(self, rng: np.random.Generator) -> Batch:
        pair = "TP"[rng.integers(2)]
        string, legal, node = ["B", pair, "B"], ["TP", "B"], 0
        while node < len(REBER):
            legal.append("".join(REBER[node]))
            string.append(legal[-1][rng.integers(len(legal[-1]))])
            node = REBER[node][string[-1]]
        tokens = self.encode([*string, pair, "E"])
        allowed = np.array([[symbol in options for symbol in self.vocabulary] for options in [*legal, pair, "E"]])
        distance = np.zeros(len(tokens) - 1, dtype=np.int64)
        distance[-2] = len(tokens) - 3  # from position 1 to the last but one
        everywhere = np.ones(len(tokens) - 1, dtype=bool)
        return Batch(tokens[:-1], tokens[1:], everywhere, info={"distance": distance, "legal": allowed})


def reber_stream(choices: Array, place: Array | int = 0) -> tuple[Array, Array, Array]:
    """Strings of the embedded Reber grammar one after another, without a sign where one ends and the next begins.

    Gers, Schmidhuber & Cummins (2000), "Learning to Forget: Continual Prediction with LSTM", section 4.1.

    Args:
        choices: (…, time) 0 or 1: which of two arcs is taken, where there are two.
        place: (…) where in the grammar each row stands: what an earlier call returned, 0 for the beginning of a string.

    Returns the tokens (…, time), what the grammar allows after each of them (…, time, 7) bool, and the new places. The
    symbols are those of `Reber`; the second string of a row follows the first as its next symbol B.
    """
    at: Array = np.broadcast_to(place, choices.shape[:-1])
    tokens = np.empty(choices.shape, np.int64)
    legal = np.empty((*choices.shape, len(_SYMBOLS)), bool)
    for t in range(choices.shape[-1]):
        tokens[..., t] = _ARCS[at, choices[..., t], 0]
        at = _ARCS[at, choices[..., t], 1]
        legal[..., t, :] = _ALLOWED[at]
    return tokens, legal, at


_SYMBOLS = "BTPSXVE"


def _continual() -> tuple[Array, Array]:
    """The grammar without an end: (places, 2 arcs, [symbol, next place]), and the symbols allowed at each place."""
    arcs = [[("B", 1)] * 2, [("T", 2), ("P", 11)]]  # place 0, and 1; then for T and for P: B, six nodes, T or P, E
    for pair, first in (("T", 2), ("P", 11)):
        arcs.append([("B", first + 1)] * 2)
        arcs += [[(symbol, first + 1 + node) for symbol, node in options.items()] for options in REBER[:-1]]
        arcs.append([("E", first + 7)] * 2)
        arcs += [[(pair, first + 8)] * 2, [("E", 0)] * 2]
    table = np.array([[(_SYMBOLS.index(symbol), place) for symbol, place in options] for options in arcs])
    allowed = np.zeros((len(table), len(_SYMBOLS)), bool)
    for k in range(2):
        allowed[np.arange(len(table)), table[:, k, 0]] = True
    return table, allowed


_ARCS, _ALLOWED = _continual()


@dataclass(frozen=True, kw_only=True)
class TemporalOrder(Task):
    """In which order did X and Y come, far apart among symbols that mean nothing?

    Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", experiment 6: a sequence starts with E, ends with the
    trigger B and has symbols from a, b, c, d between, but for `marks` places (2: task 6a, 3: task 6b), each X or Y. It
    is `length` to 1.1 * `length` long, the marks lie at 0.1 to 0.2 and 0.5 to 0.6 (or 0.1 to 0.2, 0.33 to 0.43, 0.66 to
    0.76) of `length`; the paper has length=100. At the trigger the class is asked for, one for each order of X and Y.

    `x` and `target` are (batch, time); `info["distance"]` counts steps since the first mark.
    """

    name = "temporal_order"
    about = "the order of X and Y, far apart among other symbols"

    length: int = 30
    marks: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._integer("length", 10)
        self._integer("marks", 2)
        self._need("marks", self.marks <= 3, "2 or 3")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple("abcdXYEB")

    @property
    def answers(self) -> tuple[str, ...]:
        """The classes by the paper's names: XX, XY, YX, YY are Q, R, S, U; XXX ... YYY are Q, R, S, U, V, A, B, C."""
        return tuple("QRSUVABC"[: 1 << self.marks])

    @property
    def _starts(self) -> Array:
        """Where the marks begin to lie, in hundredths of the length."""
        return np.array([10, 50] if self.marks == 2 else [10, 33, 66])

    def many(self, size: int, rng: np.random.Generator) -> Batch:
        """As many examples, drawn all at once: much faster than `batch`, but without a part that is held out."""
        rows, most = np.arange(size)[:, None], self.length + self.length // 10
        lengths = rng.integers(self.length, most + 1, size=size)
        first, end = self.length * self._starts // 100, self.length * (self._starts + 10) // 100
        places = rng.integers(first, end + 1, size=(size, self.marks))
        which = rng.integers(2, size=(size, self.marks))
        x = rng.integers(4, size=(size, most))
        x[:, 0], x[rows, places], x[rows[:, 0], lengths - 1] = 6, 4 + which, 7
        x *= np.arange(most) < lengths[:, None]
        last = np.arange(most) == lengths[:, None] - 1
        labels = which @ (1 << np.arange(self.marks)[::-1])
        distance = (last * (lengths - 1 - places[:, 0])[:, None]).astype(np.int64)
        return Batch(x, last * labels[:, None], last, lengths, {"distance": distance})

    def _example(self, rng: np.random.Generator) -> Batch:
        steps = rng.integers(self.length, self.length + self.length // 10 + 1)
        starts = self._starts
        places = rng.integers(self.length * starts // 100, self.length * (starts + 10) // 100 + 1)
        which = rng.integers(2, size=self.marks)
        x = rng.integers(4, size=steps)
        x[0], x[places], x[-1] = 6, 4 + which, 7
        last = np.arange(steps) == steps - 1
        label = int("".join(map(str, which)), base=2)
        distance = (last * (steps - 1 - places[0])).astype(np.int64)
        return Batch(x, (last * label).astype(np.int64), last, info={"distance": distance})

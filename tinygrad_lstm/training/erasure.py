"""The causal question: erase what the cell wrote at one word, and see what becomes of the answer.

Gradients say what a small change would do; what was written says what the memory holds; only an erasure says what the
answer hangs on. The three differ, and that is the lesson.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..flow.flow import Flow
from ..flow.recurrence import place_of
from ..flow.trace import Trace, trace
from ..flow.what_if import what_if
from ..nn import unfused
from ..ops import log_softmax
from ..scope import no_grad
from ..tasks.pronouns import PRONOUNS, Pronouns, Sentence
from ..tensor import Array, Tensor
from .model import Prediction, SequenceModel


class Question(NamedTuple):
    """A sentence up to its last pronoun: which one comes next? `name` is the position of the name that decides it."""

    words: tuple[str, ...]
    tokens: Array
    name: int
    right: int
    wrong: int

    @classmethod
    def of(cls, task: Pronouns, sentence: Sentence) -> Question:
        """The question that a sentence ends with; positions count words from 0, answers are tokens."""
        end = sentence.pronouns[-1]
        right, wrong = (PRONOUNS[g] for g in (sentence.genders[-1], "fm".replace(sentence.genders[-1], "")))
        tokens = task.encode(sentence.words)
        return cls(sentence.words[:end], tokens[:end], sentence.subjects[-1], *map(int, task.encode([right, wrong])))

    def margin(self, prediction: Prediction) -> Tensor:
        """(batch,): by how much the logit of the right pronoun exceeds that of the wrong one."""
        last = prediction.y[:, -1]
        return last[:, self.right] - last[:, self.wrong]


def erasures(model: SequenceModel, reads: Question | Array, answer: int | None = None) -> tuple[float, Array]:
    """What becomes of a net's answer where what its cell wrote at one step is erased: C̃ set to 0 at that step alone.

    All erasures are rows of one batch: row k reads everything, with what was written at step k erased.

    Args:
        model: a net whose cells write a candidate C̃ into C: an LSTM or a variant. Of several layers, all are erased.
        reads: tokens (time,), as `task.encode` or `task.read_text` gives them; or a `Question`.
        answer: the token whose ln p after the last step is asked for; the likeliest one by default.

    Returns the answer's ln p as it is (of a Question the margin between the two pronouns, in logits), and the same
    after each erasure, (time,). Raises ValueError where there is nothing to read, or no C̃.
    """
    tokens = reads.tokens if isinstance(reads, Question) else np.asarray(reads)
    T = len(tokens)
    if not T:
        raise ValueError("erasures: there is nothing to read: give at least one token.")
    rows = np.arange(T + 1)[:, None]

    def erased(C_new: Tensor) -> Tensor:
        place = place_of(C_new.scope)
        assert place is not None
        return C_new * (rows != place.t - 1)

    training = model.training
    try:
        with no_grad(), unfused(model.eval()), what_if({"C̃": erased}):
            prediction = model(np.repeat(tokens[None], T + 1, axis=0))
    except LookupError:
        kind = model.config()["cell"]
        raise ValueError(f"erasures: a cell {kind!r} writes no candidate C̃ into a C; take an LSTM.") from None
    finally:
        model.train(training)
    if isinstance(reads, Question):
        scores = reads.margin(prediction).numpy()
    else:
        logs = log_softmax(prediction.y.numpy()[:, -1])
        scores = logs[:, int(logs[T].argmax()) if answer is None else answer]
    return float(scores[T]), scores[:T]


class Erasures(NamedTuple):
    """Over many sentences: shares from 0 to 1, and how many there were."""

    name_first: float  # the name's erasure hurts most of all words
    name_flips: float  # the name's erasure turns the answer round
    other_flips: float  # any other word's does
    written_first: float  # what the name wrote weighs most at the end, carried by the forget gates alone
    highway: float  # median share of a gradient that the forget gates alone bring back from the end to the name
    sentences: int  # how many there were


def survey(model: SequenceModel, task: Pronouns, *, sentences: int = 100, seed: int = 0) -> Erasures:
    """Erase every word of held-out sentences whose last subject has the other gender than the one before.

    Only sentences that the model answers rightly count. Raises ValueError where it answers none of them rightly.
    """
    rng = np.random.default_rng(seed)
    first: list[bool] = []
    flips: list[bool] = []
    others: list[bool] = []
    written: list[bool] = []
    highway: list[float] = []
    for sentence in switching(task, rng, sentences):
        question = Question.of(task, sentence)
        before, after = erasures(model, question)
        if before > 0:
            first.append(after.argmin() == question.name)
            flips.append(after[question.name] < 0)
            others.extend(np.delete(after, question.name) < 0)
            flow, weights = _written(model, question)
            written.append(np.abs(weights).argmax() == question.name)
            if flow.highway[-1] > 0:  # a saturated cell sends no gradient at all
                highway.append(flow.highway[question.name + 1] / flow.highway[-1])
    if not first:
        raise ValueError("survey: the model answers none of the sentences rightly, so there is nothing to erase.")
    shares = [float(np.mean(column)) for column in (first, flips, others, written)]
    return Erasures(shares[0], shares[1], shares[2], shares[3], float(np.median(highway or [np.nan])), len(first))


def switching(task: Pronouns, rng: np.random.Generator, n: int) -> list[Sentence]:
    """n held-out sentences whose last subject has the other gender than the one before."""
    sentences: list[Sentence] = []
    while len(sentences) < n:
        sentence = task.sentence(rng, split="test")
        if sentence.switch:
            sentences.append(sentence)
    return sentences


class Weights(NamedTuple):
    """How much each word of one sentence weighs for the answer, (time,) each: three different questions."""

    gradient: Array  # norm of the margin's gradient at the word's vector: what a small change there would do
    written: Array  # what the word wrote into C_T along the pure highway, times the margin's gradient there
    erased: Array  # how much margin is lost when what the cell wrote at the word is erased


def weigh(model: SequenceModel, question: Question) -> Weights:
    """Gradient, written weight and erasure for each word of one question."""
    flow, written = _written(model, question)
    vectors = next(x for x in flow.trace.tensors if x.op is not None and x.op.name == "embed")
    gradient = np.linalg.norm(flow.trace.grad(vectors)[0], axis=-1)  # type: ignore[index]
    before, after = erasures(model, question)
    return Weights(gradient, written, before - after)


def _written(model: SequenceModel, question: Question) -> tuple[Flow[Trace], Array]:
    """The flow of C for the margin, and (time,) what each word wrote into C_T times the margin's gradient there."""
    flow = trace(question.margin(model(question.tokens[None])).sum()).flow("C")
    return flow, flow.weights()

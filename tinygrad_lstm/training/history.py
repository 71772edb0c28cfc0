"""What a training was: numbers of each step, and of what was held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..spoken import said
from .record import Record

COLUMNS = ("loss", "accuracy", "norm", "clipped")


@dataclass(repr=False)
class History:
    """What happened at each step: `loss` and `accuracy` on its batch before the step (accuracy is NaN where no answer
    is simply right), `norm` of all gradients before clipping, and `clipped`, 1 where they were clipped.

    `seconds` is the time spent, `answers` the number of answers asked for, over all runs of this training. `record`
    holds what `fit(record=…)` has seen inside.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    seconds: float = 0.0
    answers: int = 0
    record: Record = field(default_factory=Record)
    training: Any = field(default=None, compare=False)  # what `fit(resume=history)` goes on with; no file holds it

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "training": None}

    def __len__(self) -> int:
        return len(self.loss)

    def recent(self, column: str, n: int = 20) -> float:
        """The mean of the last n entries of a column; NaN where there is none."""
        last = getattr(self, column)[-n:]
        return sum(last) / len(last) if last else math.nan

    def line(self) -> str:
        """Where the training stands, as means over the last 20 steps."""
        words = [f"{said('loss')} {self.recent('loss'):.4f}"]
        if not math.isnan(self.recent("accuracy")):
            words.append(f"{said('accuracy')} {self.recent('accuracy'):.1%}")
        words.append(f"{said('gradient norm')} {self.recent('norm'):.3g}")
        if any(self.clipped):
            words.append(f"{said('clipped')} {self.recent('clipped'):.0%}")
        return ", ".join(words)

    def __repr__(self) -> str:
        text = "History({n} steps in {seconds:.1f} s; last 20: {line})"
        return said(text, n=len(self), seconds=self.seconds, line=self.line())


@dataclass(frozen=True)
class Evaluation:
    """`loss` and `accuracy` (NaN where no answer is simply right) over `answers` answers.

    `by_distance` is the accuracy at each distance between what is asked and what is to be remembered, for tasks that
    have such a distance.
    """

    loss: float
    accuracy: float
    answers: int
    by_distance: dict[int, float]

    def __str__(self) -> str:
        right = "" if math.isnan(self.accuracy) else f", accuracy {self.accuracy:.1%}"
        return f"loss {self.loss:.4f}{right} ({self.answers:,} answers)"

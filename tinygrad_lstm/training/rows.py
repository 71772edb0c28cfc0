"""One state of one net in a comparison: how far a gradient travels back through it, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..spoken import said
from ..tensor import Array

GONE = 1e-7  # of the gradient at the end: where float32 cannot add it to that any more
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Row:
    """One state of one net: the norms of ∂L/∂C_0 … ∂L/∂C_T (or of ∂L/∂h).

    Attributes:
        net, state: which net; "h" or "C".
        norm: (T+1,); infinite where it overflowed, NaN where no gradient was computed.
        highway: half-life, in steps, of the pure highway (the product of the forget gates); NaN where there is none.
    """

    net: str
    state: str
    norm: Array
    highway: float = math.nan

    @property
    def half_life(self) -> float:
        """Steps after which the gradient has halved, on average from the end to the start (or to where it becomes 0).

        Infinite where it does not shrink, NaN where a number is missing or overflowed.
        """
        first = int(np.argmax(self.norm != 0))
        start, end = self.norm[first], self.norm[-1]
        if not (math.isfinite(start) and 0 < end < math.inf) or first == len(self.norm) - 1:
            return math.nan
        return math.log(0.5) * (len(self.norm) - 1 - first) / math.log(start / end) if start < end else math.inf

    @property
    def below(self) -> int | None:
        """The first step, counted back from the end, at which less than 1e-7 of the end's gradient is left."""
        found = np.flatnonzero(self.norm[::-1] < GONE * self.norm[-1])
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Net:
    """What was measured of one net.

    Attributes:
        name, rows: its name, and one `Row` for each state.
        gradient: the norm of the gradients of all recurrent weights together, before any clip.
        step: how far SGD with lr = 1 moves these weights, after the net's clip; NaN where numbers overflow in float32,
            since it refuses such a step.
        clip: "global_clipnorm=1", or "".
        overflow: where the first number left the range of float32, in words; "" where none did.
        note: what there is to say about its training.
    """

    name: str
    rows: list[Row]
    gradient: float
    step: float
    clip: str = ""
    overflow: str = ""
    note: str = ""


def number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "inf" if value > LARGEST else "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")


def life(value: float) -> str:
    return "–" if math.isnan(value) else said("kept") if math.isinf(value) else f"{value:.3g}"


def lasting(row: Row) -> str:
    """The half-life in a word: a number, or that there is none because the gradient is as large at the start."""
    if abs(row.norm[0] - row.norm[-1]) < 0.01 * row.norm[-1]:
        return said("kept")
    return said("grows") if row.half_life == math.inf else life(row.half_life)

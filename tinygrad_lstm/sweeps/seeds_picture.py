"""The picture of a sweep: how many of the seeds succeed, and how far they lie apart."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..graph.dot import dot_of
from ..graph.picture import GREY, INK, Picture, digits
from ..graph.render import Drawing
from ..spoken import said

HIGH, RATE, SPREAD = 24.0, 200.0, 380.0  # from line to line; width of the two columns
MOST = 60  # lines
BAR, DOT, PALE = "#7db3d8", "#d55e00", "#e9ecef"


class Dots(NamedTuple):
    """One line: a setting, how many of its n seeds are solved, their interval (None: nothing to solve), the values."""

    label: str
    solved: int
    n: int
    interval: tuple[float, float] | None
    values: list[tuple[int, float]]


class Ruler(NamedTuple):
    """Where a value stands: from `low` to `high`, on a logarithmic scale where they are far apart."""

    low: float
    high: float
    log: bool
    left: float
    step: float = 0.0  # from mark to mark, where they are evenly spread

    @classmethod
    def of(cls, values: list[float], left: float) -> Ruler:
        finite = [v for v in values if math.isfinite(v)]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        log = low > 0 and high / low > 100
        if not log and low > 0 and low < 0.5 * high:
            low = 0.0  # a length that begins elsewhere would mislead
        high = high if high > low else low + (abs(low) or 1.0)
        if log:
            return cls(low, high, log, left)
        step = _step(low, high)  # ends and marks at round numbers
        low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
        return cls(low, high, log, left, step)

    def x(self, value: float) -> float:
        """Numbers beyond the ends, infinite ones, stand at the end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return self.left + SPREAD * math.log(value / self.low) / math.log(self.high / self.low)
        return self.left + SPREAD * (value - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        if self.log:
            return [self.low * (self.high / self.low) ** (k / 4) for k in range(5)]
        return [self.low + self.step * k for k in range(round((self.high - self.low) / self.step) + 1)]


def _step(low: float, high: float) -> float:
    """From mark to mark: 1, 2 or 5 of some power of ten, at most five times in the range."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    return next(step for k in (1, 2, 5, 10) if (high - low) / (step := k * power) <= 5 + 1e-9)


def seeds_drawing(lines: list[Dots], value: str, about: str) -> Drawing:
    """The drawing: at the left each setting, then its success rate, then a dot for each seed and their mean."""
    picture, shown = Picture(), lines[:MOST]
    rated = any(line.interval for line in shown)
    left = RATE + 90.0 if rated else 0.0
    margin = 20 + 6.4 * min(46, max(len(line.label) for line in shown))
    ruler = Ruler.of([v for line in shown for _, v in line.values], left)
    bottom = -HIGH * (len(shown) - 0.5)
    if rated:
        marks = [(RATE * k / 4, f"{25 * k} %") for k in range(5)]
        _axis(picture, marks, bottom, said("solved, with its 95 % interval"))
    title = said("{value}: each seed, and the mean", value=value)
    _axis(picture, [(ruler.x(v), digits(v)) for v in ruler.marks()], bottom, title)
    for k, line in enumerate(shown):
        _line(picture, ruler, line, -HIGH * k, -margin)
    cut = said(" · the first {k} of {n} settings", k=MOST, n=len(lines)) if len(lines) > MOST else ""
    logarithmic = said(" · logarithmic scale") if ruler.log else ""
    picture.line((-margin, bottom - 40), about + cut + logarithmic, 9, GREY)
    return Drawing(dot_of(picture), "neato", f"{len(lines)} settings, and their seeds")


def _axis(picture: Picture, marks: list[tuple[float, str]], bottom: float, title: str) -> None:
    picture.line((marks[0][0] - 4, 34), title, 11, INK)
    for x, words in marks:
        picture.tile((x, (bottom + HIGH / 2) / 2), (0.7, HIGH / 2 - bottom), PALE)
        picture.text((x, bottom - 14), words, size=9, colour=INK)


def _line(picture: Picture, ruler: Ruler, line: Dots, y: float, left: float) -> None:
    picture.line((left, y), line.label if len(line.label) <= 46 else line.label[:45] + "…", 10.5, INK)
    if line.interval:
        share, (low, high) = RATE * line.solved / line.n, line.interval
        hover = f"{line.label}: {line.solved} of {line.n} solved; 95 % interval {low:.0%} to {high:.0%}"
        if share:
            picture.tile((share / 2, y), (share, 12), BAR, hover)
        picture.tile((RATE * (low + high) / 2, y), (RATE * (high - low), 1.4), INK, hover)
        picture.line((RATE + 14, y), f"{line.solved}/{line.n}", 10, INK)
    finite = [(seed, v) for seed, v in line.values if not math.isnan(v)]
    for seed, value in finite:
        picture.tile((ruler.x(value), y), (5, 5), DOT, f"{line.label}, seed {seed}: {digits(value)}")
    if finite:
        mean = sum(v for _, v in finite) / len(finite)
        picture.tile((ruler.x(mean), y), (2, 16), INK, f"{line.label}: mean {digits(mean)}")
    else:
        picture.line((ruler.left, y), "– (no number)", 9, GREY)

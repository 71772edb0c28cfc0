"""The heat strips of a comparison: a band for each net, a column for each step, one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..graph.dot import dot_of
from ..graph.heat import HeatRow, heatmap
from ..graph.picture import GREY, INK, Picture, Scale, mixed
from ..graph.render import Drawing
from ..spoken import said
from .rows import LARGEST, Net, Row, lasting, number

COLUMNS = 200  # of a picture at most
HIGH = 24.0  # from row to row
CHART = 150.0  # height of the lines
PALE = "#d6dce4"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#4d4d4d", "#8c6d31")


class Axis(NamedTuple):
    """Where the columns stand: steps counted back from the end, so that every strip has its end."""

    T: int
    stride: int
    back: range
    wide: float

    @classmethod
    def of(cls, T: int) -> Axis:
        stride = math.ceil((T + 1) / COLUMNS)
        back = range(0, T + 1, stride)
        return cls(T, stride, back, min(14.0, max(3.0, 700 / len(back))))

    @property
    def end(self) -> float:
        """x of the last column."""
        return (len(self.back) - 1) * self.wide

    def x(self, k: int) -> float:
        """x of the column of step T − k."""
        return self.end - k // self.stride * self.wide


class AroundOne(Scale):
    """The colours of a comparison: pale at 1, the gradient at the end; blue below it, red above. A hue each."""

    LOW, HIGH = -7, 7  # decades, at which the colours are at their darkest
    VANISHED = ("#f4ecd0", "#a9cbe0", "#4e93c4", "#1c5a9c", "#08264f")
    GROWN = ("#f4ecd0", "#f9b08a", "#e4603f", "#b01a1e", "#5c0712")

    def __init__(self, norms: Iterable[float]) -> None:
        super().__init__(norms)
        self.decades = range(self.LOW + 1, 1 if self.high <= 10 else self.HIGH, 2 if self.high > 10 else 1)

    def colour(self, value: float) -> str:
        power = max(self.LOW, min(self.HIGH, math.log10(value))) if value > 0 else self.LOW
        return mixed(self.VANISHED, power / self.LOW) if power <= 0 else mixed(self.GROWN, power / self.HIGH)

    def width(self, value: float) -> float:
        return 12.0 if value == 1 else 8.0

    def marks(self) -> list[float]:
        return [10.0**k for k in self.decades]


def comparison_drawing(nets: list[Net], about: str) -> Drawing:
    """The drawing of a comparison: strips, the same as lines, the scale, and what its marks mean."""
    axis, picture = Axis.of(len(nets[0].rows[0].norm) - 1), Picture()
    scale = AroundOne(n for net in nets for row in net.rows for n in row.norm)
    margin = axis.wide / 2 + 56 + 6.2 * min(28, max(max(len(net.name), 19 * bool(net.clip)) for net in nets))
    picture.line((-margin, 38), said("How a gradient shrinks or grows on its way back through time"), 14, INK)
    y = 0.0
    for net in nets:
        y = _band(picture, axis, scale, net, y, -margin)
    y = _lines(picture, axis, nets, y - 16)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if n * axis.wide / axis.stride >= 34)
    for k in range(0, axis.T + 1, every):
        picture.text((axis.end - k * axis.wide / axis.stride, y + 6), f"T−{k}" if k else "T", size=9, colour=INK)
    y -= 34
    picture.legend((0, y), scale, "‖∂L/∂·‖", size=9)
    marks = [(2.0, 18.0, said("below 1e-7 of the end's"))]
    if any(net.overflow for net in nets):
        marks.append((14.0, 10.0, said("overflow: inf or NaN")))
    for k, (w, h, words) in enumerate(marks):
        picture.tile((440 + 150 * k, y), (w, h), INK)
        picture.line((452 + 150 * k, y), words, 9, INK)
    each = said(" · every {n} steps", n=axis.stride) if axis.stride > 1 else ""
    ends = said(
        "The gradient travels to the left. 1 is ‖∂L/∂h‖ at the end, of every net. The ends of the scale stand for all "
        "beyond them; white is exactly 0."
    )
    for k, note in enumerate((about + each, ends)):
        picture.line((-margin, y - 30 - 14 * k), note, 9, GREY)
    return Drawing(dot_of(picture), "neato", said("{n} nets side by side", n=len(nets)))


def _lines(picture: Picture, axis: Axis, nets: list[Net], top: float) -> float:
    """What carries each net's memory, as a line over time; where the next part may begin.

    Horizontal lines stand at powers of ten, 1 is the strong one. What lies beyond the frame runs along its edge.
    """
    carried = [net.rows[-1] for net in nets]
    known = [math.log10(n) for row in carried for n in row.norm if 0 < n < math.inf]
    low, high = max(-8, math.floor(min(known, default=-1.0))), min(8, math.ceil(max(known, default=0.0)))
    pitch = CHART / max(1, high - low)
    left, right = axis.x(axis.back[-1]) - axis.wide / 2, axis.end + axis.wide / 2
    every = max(1, math.ceil(14 / pitch))
    for decade in [k for k in range(low, high + 1) if k % every == 0]:
        y = top - (high - decade) * pitch
        picture.tile(((left + right) / 2, y), (right - left, 1.4 if decade == 0 else 0.5), INK if decade == 0 else PALE)
        picture.text((left - 20, y), "1" if decade == 0 else f"1e{decade}", size=9, colour=INK)
    for k, (net, row) in enumerate(zip(nets, carried, strict=True)):
        colour, before = LINES[k % len(LINES)], None
        for back in axis.back:
            value = float(row.norm[axis.T - back])
            if math.isnan(value):
                before = None
                continue
            power = min(float(high), max(float(low), math.log10(value) if value > 0 else low))
            x, y = axis.x(back), top - (high - power) * pitch
            picture.tile((x, y), (axis.wide, 2.2), colour)
            if before is not None:
                picture.tile((x + axis.wide / 2, (y + before) / 2), (2.2, abs(y - before) + 2.2), colour)
            before = y
        name = net.name if len(net.name) <= 28 else net.name[:27] + "…"
        picture.tile((right + 18, top - 8 - 15 * k), (14, 3), colour)
        picture.line((right + 30, top - 8 - 15 * k), f"{name}: ∂L/∂{row.state}ₜ", 9, INK)
    return top - max(CHART, 15.0 * len(nets)) - 16


def _band(picture: Picture, axis: Axis, scale: Scale, net: Net, top: float, left: float) -> float:
    """Draw the strips of one net, with its name at the left; where the next net may begin."""

    def colour(value: float | None) -> str:
        if value is None or math.isnan(value) or value == 0:
            return "#ffffff"
        return INK if value > LARGEST else scale.colour(value)

    columns = [axis.x(k) for k in axis.back]
    tile = (axis.wide - 0.6 if axis.wide > 5 else axis.wide + 0.3, 20.0)
    y = top
    for row in net.rows:

        def hover(column: int, value: float | None, row: Row = row) -> str:
            told = number(float(value or 0.0))
            where = "{net}: ∂L/∂{state} at t=T−{back} = {value}"
            return said(where, net=net.name, state=row.state, back=axis.back[column], value=told)

        values = [float(row.norm[axis.T - k]) for k in axis.back]
        heat = HeatRow(y, f"∂L/∂{row.state}ₜ", values, hover)
        heatmap(picture, [heat], columns, tile, colour, beside=-axis.wide / 2 - 26, size=10)
        if math.isnan(row.norm[-2]):
            picture.text((axis.end / 2, y), said("– (no gradient was computed)"))
        if row.below is not None:
            hover_text = said("below 1e-7 of the end's gradient from t=T−{back} on", back=row.below)
            for wide, paint in ((5.0, "#ffffff"), (2.0, INK)):  # to be seen on the darkest blue, too
                picture.tile((axis.x(row.below) + axis.wide / 2, y), (wide, HIGH), paint, hover_text)
        picture.line((axis.end + axis.wide / 2 + 10, y), _said(row), 9, INK)
        y -= HIGH
    middle = (top + y + HIGH) / 2
    picture.line((left, middle), net.name if len(net.name) <= 28 else net.name[:27] + "…", 10.5, INK)
    if net.clip:
        step = said("refused") if math.isnan(net.step) else number(net.step)
        clipped = said("gradient {gradient}, step {step}", gradient=number(net.gradient), step=step)
        picture.line((left, middle - 12), clipped, 8, GREY)
    return y - 8


def _said(row: Row) -> str:
    if not (top := float(np.nanmax(row.norm))) <= 100 * row.norm[-1]:
        return said("overflow") if top > LARGEST else said("up to {top}", top=number(top))
    life = lasting(row)
    return said("half-life {life}", life=life) if life[0].isdigit() else life

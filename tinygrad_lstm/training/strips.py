"""The heat strips of a comparison: a band for each net, a column for each step, one logarithmic scale."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..graph.dot import dot_of
from ..graph.heat import HeatRow, heatmap
from ..graph.picture import GREY, INK, Picture, Scale
from ..graph.render import Drawing
from .rows import LARGEST, Net, Row, lasting, number

COLUMNS = 200  # of a picture at most
HIGH = 24.0  # from row to row


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


def comparison_drawing(nets: list[Net], about: str) -> Drawing:
    """The drawing of a comparison; below it the scale, and what its marks mean."""
    axis, picture, scale = Axis.of(len(nets[0].rows[0].norm) - 1), Picture(), Scale([])
    margin = axis.wide / 2 + 56 + 6.2 * min(28, max(max(len(net.name), 19 * bool(net.clip)) for net in nets))
    known = [n for net in nets for row in net.rows for n in row.norm if 0 < n < math.inf]
    # Six decades, or twice as many where something explodes: else all that vanishes would look the same.
    scale.low, scale.high = (1e-7, 1e5) if max(known, default=0.0) > 10 else (1e-6, 1.0)
    y = 0.0
    for net in nets:
        y = _band(picture, axis, scale, net, y, -margin)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if n * axis.wide / axis.stride >= 34)
    for k in range(0, axis.T + 1, every):
        picture.text((axis.end - k * axis.wide / axis.stride, y + 6), f"T−{k}" if k else "T", size=9, colour=INK)
    y -= 34
    picture.legend((0, y), scale, "‖∂L/∂·‖")
    marks = [(2.0, 18.0, "below 1e-7 of the end's")]
    if any(net.overflow for net in nets):
        marks.append((14.0, 10.0, "overflow: inf or NaN"))
    for k, (w, h, words) in enumerate(marks):
        picture.tile((440 + 150 * k, y), (w, h), INK)
        picture.line((452 + 150 * k, y), words, 9, INK)
    each = f" · every {axis.stride} steps" if axis.stride > 1 else ""
    ends = "The ends of the scale stand for all that is beyond them; white is exactly 0."
    for k, note in enumerate((about + each, f"The gradient travels to the left. {ends}")):
        picture.line((-margin, y - 30 - 14 * k), note, 9, GREY)
    return Drawing(dot_of(picture), "neato", f"{len(nets)} nets side by side")


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
            return f"{net.name}: ∂L/∂{row.state} at t=T−{axis.back[column]} = {number(float(value or 0.0))}"

        values = [float(row.norm[axis.T - k]) for k in axis.back]
        heat = HeatRow(y, f"∂L/∂{row.state}ₜ", values, hover)
        heatmap(picture, [heat], columns, tile, colour, beside=-axis.wide / 2 - 26, size=10)
        if math.isnan(row.norm[-2]):
            picture.text((axis.end / 2, y), "– (no gradient was computed)")
        if row.below is not None:
            hover_text = f"below 1e-7 of the end's gradient from t=T−{row.below} on"
            picture.tile((axis.x(row.below) + axis.wide / 2, y), (2.0, HIGH), INK, hover_text)
        picture.line((axis.end + axis.wide / 2 + 10, y), _said(row), 9, INK)
        y -= HIGH
    middle = (top + y + HIGH) / 2
    picture.line((left, middle), net.name if len(net.name) <= 28 else net.name[:27] + "…", 10.5, INK)
    if net.clip:
        step = "refused" if math.isnan(net.step) else number(net.step)
        picture.line((left, middle - 12), f"gradient {number(net.gradient)}, step {step}", 8, GREY)
    return y - 8


def _said(row: Row) -> str:
    if not (top := float(np.nanmax(row.norm))) <= 100 * row.norm[-1]:
        return "overflow" if top > LARGEST else f"up to {number(top)}"
    life = lasting(row)
    return f"half-life {life}" if life[0].isdigit() else life

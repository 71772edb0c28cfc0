"""A record as a picture and as a page: training step × time step, for each gradient and each gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..graph.dot import dot_of
from ..graph.heat import HeatRow, heatmap
from ..graph.page.document import LEVELS, document, rounded
from ..graph.picture import GREY, INK, Picture, Scale, cleaned, digits
from ..graph.render import Drawing
from ..spoken import said
from ..tensor import Array

ROWS = 200  # snapshots in a page
WIDE, HIGH = 560.0, 110.0  # of one heat map, in points


class Maps(NamedTuple):
    """What is drawn of a record: its training steps and losses, and by name an array (snapshots, time steps).

    Of a gate (`gates`) the first column is t = 1, of a gradient t = 0.
    """

    steps: list[int]
    values: dict[str, Array]
    gates: set[str]
    summary: str
    losses: list[float]
    called: dict[str, str]

    def rows(self, most: int) -> list[int]:
        """Which snapshots to show: all, or evenly spread ones, the first and the last among them."""
        return sorted({round(float(k)) for k in np.linspace(0, len(self.steps) - 1, min(most, len(self.steps)))})


def drawing(maps: Maps) -> Drawing:
    """One heat map for each name, the first training step at the top; `.html()` and `.save("x.html")` are the page.

    Raises LookupError where nothing was recorded.
    """
    if not maps.steps:
        raise LookupError("record: nothing is there. Train with fit(record=10), for instance.")
    rows = maps.rows(60)
    picture, y = Picture(), 0.0
    scale = Scale(float(v) for name, values in maps.values.items() if name not in maps.gates for v in values.ravel())
    for name, values in maps.values.items():
        gate = name in maps.gates
        colour = _opening if gate else scale.colour
        y = _map(picture, y, name, values[rows], [maps.steps[k] for k in rows], colour, first=int(gate))
    picture.legend((0, y), scale, "‖∂L/∂·‖", size=9)
    if maps.gates:
        picture.text((20, y - 40), said("gates"), size=10, colour=INK)
        for k in range(7):
            picture.tile((74 + 48 * k, y - 40), (40, 9), _opening(k / 6))
            picture.text((74 + 48 * k, y - 54), f"{k / 6:.2g}", colour=INK)
    axes = "{n} snapshots after {first} to {last} training steps, downwards; time step t to the right"
    axes = said(axes, n=len(maps.steps), first=maps.steps[0], last=maps.steps[-1])
    picture.line((-60, y - 84), axes, 9, GREY)
    made = Drawing(dot_of(picture), "neato", maps.summary)
    made.page = lambda: page(maps)
    return made


def _opening(value: float) -> str:
    """The colour of a gate: the same colours, evenly from 0 to 1."""
    scale = Scale([0.1, 1.0])
    return scale.colour(0.1 ** (1 - value))


def _map(
    picture: Picture, y: float, name: str, values: Array, steps: list[int], colour: Callable[[float], str], first: int
) -> float:
    """Draw one heat map below y, of which the first column is this time step; where the next may begin."""
    wide, high = min(14.0, WIDE / values.shape[1]), min(16.0, max(3.0, HIGH / len(values)))
    picture.line((-60, y + 8), called(name), 11, INK)

    def shade(value: float | None) -> str:
        shown = value is not None and np.isfinite(value) and (first or value > 0)
        return colour(float(value)) if value is not None and shown else "#ffffff"

    hover, every = "{name} at t={t}, after {step} steps: {value}", max(1, int(14 / high))
    rows = [
        HeatRow(y - 14 - k * high, "" if k % every else str(step), row.tolist(),
                lambda j, value, step=step: said(hover, name=called(name), t=first + j, step=step, value=digits(value)))  # type: ignore[misc]
        for k, (step, row) in enumerate(zip(steps, values, strict=True))
    ]  # fmt: skip
    columns = [(first + j) * wide for j in range(values.shape[1])]
    tile = (wide - 0.5, max(2.5, high - 0.5))
    heatmap(picture, rows, columns, tile, shade, beside=-wide / 2 - 24, size=8, ink=GREY)
    bottom = y - 14 - len(values) * high - 4
    for t in range(first, first + values.shape[1], max(1, int(30 / wide))):
        picture.text((t * wide, bottom), str(t))
    return bottom - 30


def called(name: str) -> str:
    """What is shown of a name."""
    if name == "f∘∂C":
        return "‖f · ∂L/∂C‖ / ‖∂L/∂C‖"
    return f"‖∂L/∂{name}‖" if name in ("C", "h") else said("mean of {name}", name=name)


def page(maps: Maps) -> str:
    """The page as text: it holds at most 200 of the snapshots."""
    rows = maps.rows(ROWS)
    names: dict[str, Any] = {}
    columns = {values.shape[1] for values in maps.values.values()}
    for name, values in maps.values.items():
        shown = [[rounded(float(v), 4) for v in row] for row in values[rows]]
        names[name] = {"gate": name in maps.gates, "title": called(name), "values": shown}
    data = {
        "steps": [maps.steps[k] for k in rows], "count": len(maps.steps), "levels": LEVELS, "low": None, "high": None,
        "names": names, "T": max(columns) - 1, "losses": [rounded(maps.losses[k]) for k in rows],
        "called": {name: cleaned(word, 40) for name, word in maps.called.items()},
    }  # fmt: skip
    return document("history", "What the net learns", data)

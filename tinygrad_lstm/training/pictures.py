"""A record as a picture and as a page: training step × time step, for each gradient and each gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.dot import dot_of
from ..graph.heat import HeatRow, heatmap
from ..graph.page.document import LEVELS, document, rounded
from ..graph.picture import GREY, INK, Picture, Scale, digits
from ..graph.render import Drawing
from ..tensor import Array

if TYPE_CHECKING:
    from .record import Record

ROWS = 200  # snapshots in a page
WIDE, HIGH = 560.0, 110.0  # of one heat map, in points


def drawing(record: Record) -> Drawing:
    """One heat map for each name, the first training step at the top; `.html()` and `.save("x.html")` are the page.

    Raises LookupError where nothing was recorded.
    """
    if not len(record):
        raise LookupError("record: nothing is there. Train with fit(record=10), for instance.")
    rows = chosen(record, 60)
    picture, y = Picture(), 0.0
    norms = [name for name in record.names if name not in record.snapshots[0].gates]
    scale = Scale(float(v) for name in norms for v in record[name].ravel())
    for name in record.names:
        colour = scale.colour if name in norms else _opening
        y = _map(picture, y, name, record[name][rows], [record.steps[k] for k in rows], colour, first=name not in norms)
    picture.legend((0, y), scale, "‖∂L/∂·‖")
    if len(norms) < len(record.names):
        picture.text((20, y - 40), "gates", size=10, colour=INK)
        for k in range(7):
            picture.tile((74 + 48 * k, y - 40), (40, 9), _opening(k / 6))
            picture.text((74 + 48 * k, y - 54), f"{k / 6:.2g}", colour=INK)
    after = f"{len(record)} snapshots after {record.steps[0]} to {record.steps[-1]} training steps, downwards"
    picture.line((-60, y - 84), f"{after}; time step t to the right", 9, GREY)
    made = Drawing(dot_of(picture), "neato", repr(record))
    made.page = lambda: page(record)
    return made


def chosen(record: Record, most: int) -> list[int]:
    """Which snapshots to show: all, or evenly spread ones, the first and the last among them."""
    return sorted({round(float(k)) for k in np.linspace(0, len(record) - 1, min(most, len(record)))})


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

    every = max(1, int(14 / high))
    rows = [
        HeatRow(y - 14 - k * high, "" if k % every else str(step), row.tolist(),
                lambda j, value, step=step: f"{called(name)} at t={first + j}, after {step} steps: {digits(value)}")  # type: ignore[misc]
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
    return "‖f · ∂L/∂C‖ / ‖∂L/∂C‖" if name == "f∘∂C" else f"‖∂L/∂{name}‖" if name in ("C", "h") else f"mean of {name}"


def page(record: Record) -> str:
    """The page as text: it holds at most 200 of the snapshots."""
    rows = chosen(record, ROWS)
    gates = record.snapshots[0].gates
    names: dict[str, Any] = {}
    for name in record.names:
        values = [[rounded(float(v), 4) for v in row] for row in record[name][rows]]
        names[name] = {"gate": name in gates, "title": called(name), "values": values}
    data = {
        "steps": [record.steps[k] for k in rows], "count": len(record), "levels": LEVELS, "low": None, "high": None,
        "names": names, "T": len(next(iter(record.snapshots[0].norm.values()))) - 1,
    }  # fmt: skip
    return document("history", "What the net learns", data)

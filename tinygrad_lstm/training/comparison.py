"""What a comparison of nets has found: a table, sentences, a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph.picture import digits
from ..graph.render import Drawing
from ..sweeps.outcomes import Sweep
from .rows import LARGEST, Net, Row, lasting, life, number
from .strips import comparison_drawing


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` measured: `nets`, and how (`about`). Print it; `.draw()` is the picture.

    `seeds` is the sweep over other draws of the weights, where one was asked for.
    """

    nets: list[Net]
    about: str = field(default="")
    seeds: Sweep | None = None

    @property
    def rows(self) -> list[Row]:
        """All rows of all nets."""
        return [row for net in self.nets for row in net.rows]

    @property
    def T(self) -> int:
        return len(self.rows[0].norm) - 1

    def __getitem__(self, name: str) -> Net:
        """The net of that name. Raises KeyError where there is none."""
        return {net.name: net for net in self.nets}[name]

    def table(self) -> str:
        """One line for each state of each net."""
        back = sorted({0, self.T // 10, self.T // 2, self.T})
        heads = [f"T−{k}" if k else "t=T" for k in back] + ["half-life", "highway", "<1e-7 at", "‖∂L/∂W‖", "step"]
        grid = [["net", "", *heads]]
        for net in self.nets:
            for row in net.rows:
                cells = [number(row.norm[self.T - k]) for k in back]
                cells += [lasting(row), "" if math.isnan(row.highway) else life(row.highway)]
                cells += ["never" if row.below is None else f"T−{row.below}"]
                whole = [number(net.gradient), "refused" if math.isnan(net.step) else number(net.step)]
                first = row is net.rows[0]
                grid.append([net.name if first else "", f"∂L/∂{row.state}", *cells, *(whole if first else ["", ""])])
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines = [
            f"{name:<{widths[0]}}  {state:<{widths[1]}}"
            + "".join(f"{cell:>{wide + 2}}" for cell, wide in zip(cells, widths[2:], strict=True))
            for name, state, *cells in grid
        ]
        return "\n".join(line.rstrip() for line in lines)

    def notes(self) -> list[str]:
        """What to look at, in sentences made from the numbers."""
        return [*_notes(self)]

    def draw(self) -> Drawing:
        """Heat strips of all nets on one logarithmic scale: a band for each net, a column for each step."""
        return comparison_drawing(self.nets, self.about)

    def __repr__(self) -> str:
        spread = f"{self.spread()}\n\n" if self.seeds else ""
        return f"{self.about}\n\n{self.table()}\n\n{spread}" + "\n".join(f"- {note}" for note in self.notes())

    def spread(self) -> str:
        """The table of the seeds, with what it says; "" where none were asked for."""
        if self.seeds is None:
            return ""
        said = "Over the seeds, mean [least, greatest]; left: of the gradient at the end, at the start of the sequence."
        return f"{said}\n\n{self.seeds.table()}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**self.draw()._repr_mimebundle_(), "text/plain": repr(self)}


def _notes(found: Comparison) -> Iterable[str]:
    T = found.T
    yield f"The way back leads from the end of the sequence, t=T, to its start, T−{T}; ‖∂L/∂h‖ is 1 at the end."
    carried = {net.name: net.rows[-1] for net in found.nets}  # C of an LSTM, h of the others: the state with the memory
    gone = [f"{name} at T−{row.below}" for name, row in carried.items() if row.below is not None]
    if gone:
        yield (
            f"Vanished, less than 1e-7 of the gradient at the end: {', '.join(gone)}. Beside what comes from near the "
            "end, a float32 gradient cannot even hold what comes from further back."
        )
    grown = {name: float(np.nanmax(row.norm) / row.norm[-1]) for name, row in carried.items()}
    much = {name: by for name, by in grown.items() if by > 100}
    if much:
        times = [f"{name} ({f'{digits(by)} times' if by < LARGEST else 'overflow'})" for name, by in much.items()]
        yield f"Exploded on the way: {', '.join(times)}."
    kept = [name for name, row in carried.items() if row.norm[0] >= 0.01 * row.norm[-1] and name not in much]
    if kept:
        yield f"Kept: at least 1 % of the gradient at the end comes back over all {T} steps: {', '.join(kept)}."
    biased = [(name, row) for name, row in carried.items() if row.state == "C" and not math.isnan(row.highway)]
    if biased:
        lives = ", ".join(f"{name} {digits(row.highway)}" for name, row in biased)
        yield (
            f"highway: the half-life of the product of the forget gates alone: {lives} steps. An LSTM does not keep a "
            "gradient by its name, but by open forget gates; what comes back beyond that has come through h."
        )
    for net in found.nets:
        same = [n for n in found.nets if not n.clip and net.clip and all(map(_equal, n.rows, net.rows))]
        if same:
            if math.isnan(net.step):
                change = "and where numbers overflow it cannot help: the optimizer refuses the step"
            elif net.step < net.gradient * (1 - 1e-9):
                change = f"only the step is shorter, {number(net.step)} for a gradient of {number(net.gradient)}"
            else:
                change = f"here not even the step changes: {number(net.gradient)} is below the threshold"
            yield (
                f"{net.name} ({net.clip}) has the very gradient of {same[0].name}; {change}. A clip is a rule for the "
                "optimizer: it does not change the gradient's way through time, and brings nothing back that vanished."
            )
        elif net.clip and net.note:
            yield f"{net.name}: in training its clip made other steps, so weights and gradient are others now."
    for net in found.nets:
        if net.overflow:
            yield f"{net.name}: {net.overflow} leaves the range of float32, 3.4e+38; in training that is inf or NaN."
        if net.note:
            yield f"{net.name}: {net.note}."


def _equal(a: Row, b: Row) -> bool:
    return a.state == b.state and np.array_equal(a.norm, b.norm, equal_nan=True)

"""What a comparison of nets has found: a table, sentences, a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph.picture import digits
from ..graph.render import Drawing
from ..spoken import columns, ranged, said
from ..sweeps.outcomes import Sweep
from .rows import LARGEST, Net, Row, lasting, life, number
from .strips import comparison_drawing

COLUMNS = 80  # of a terminal: a wider table gets narrower gaps


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
        """One line for each state of each net; the step of the optimizer only where it is not the gradient."""
        back = sorted({0, self.T // 10, self.T // 2, self.T})
        heads = [f"T−{k}" if k else "t=T" for k in back]
        heads += [*map(said, ("half-life", "highway", "<1e-7 at")), "‖∂L/∂W‖"]
        stepped = any(net.clip or not math.isclose(net.step, net.gradient, rel_tol=5e-3) for net in self.nets)
        heads += [said("step")] if stepped else []
        grid = [[said("net"), "", *heads]]
        for net in self.nets:
            for row in net.rows:
                cells = [number(row.norm[self.T - k]) for k in back]
                cells += [lasting(row), "" if math.isnan(row.highway) else life(row.highway)]
                cells += [said("never") if row.below is None else f"T−{row.below}"]
                whole = [number(net.gradient)]
                whole += [said("refused") if math.isnan(net.step) else number(net.step)] if stepped else []
                first = row is net.rows[0]
                whole = whole if first else [""] * len(whole)
                grid.append([net.name if first else "", f"∂L/∂{row.state}", *cells, *whole])
        widths = [max(map(columns, column)) for column in zip(*grid, strict=True)]
        gap = 2 if sum(widths) + 2 * len(widths) - 2 <= COLUMNS else 1
        lines = [
            f"{ranged(name, widths[0] + gap, '<')}{ranged(state, widths[1], '<')}"
            + "".join(ranged(cell, wide + gap) for cell, wide in zip(cells, widths[2:], strict=True))
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
        told = "Over the seeds, mean [least, greatest]; left: of the gradient at the end, at the start of the sequence."
        return f"{said(told)}\n\n{self.seeds.table()}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**self.draw()._repr_mimebundle_(), "text/plain": repr(self)}


def _notes(found: Comparison) -> Iterable[str]:
    T = found.T
    yield said(
        "The way back leads from the end of the sequence, t=T, to its start, T−{T}; ‖∂L/∂h‖ is 1 at the end.", T=T
    )
    carried = {net.name: net.rows[-1] for net in found.nets}  # C of an LSTM, h of the others: the state with the memory
    gone = [said("{net} at T−{t}", net=name, t=row.below) for name, row in carried.items() if row.below is not None]
    if gone:
        yield said(
            "Vanished, less than 1e-7 of the gradient at the end: {nets}. Beside what comes from near the end, a "
            "float32 gradient cannot even hold what comes from further back.",
            nets=said(", ").join(gone),
        )
    grown = {name: float(np.nanmax(row.norm) / row.norm[-1]) for name, row in carried.items()}
    much = {name: by for name, by in grown.items() if by > 100}
    if much:
        times = [
            said("{net} ({by})", net=name, by=said("{by} times", by=digits(by)) if by < LARGEST else said("overflow"))
            for name, by in much.items()
        ]
        yield said("Exploded on the way: {nets}.", nets=said(", ").join(times))
    kept = [name for name, row in carried.items() if row.norm[0] >= 0.01 * row.norm[-1] and name not in much]
    if kept:
        text = "Kept: at least 1 % of the gradient at the end comes back over all {T} steps: {nets}."
        yield said(text, T=T, nets=said(", ").join(kept))
    biased = [(name, row) for name, row in carried.items() if row.state == "C" and not math.isnan(row.highway)]
    if biased:
        yield said(
            "highway: the half-life of the product of the forget gates alone: {lives} steps. An LSTM does not keep a "
            "gradient by its name, but by open forget gates; what comes back beyond that has come through h.",
            lives=said(", ").join(f"{name} {digits(row.highway)}" for name, row in biased),
        )
    yield from _clipped(found)
    for net in found.nets:
        if net.overflow:
            text = "{net}: {what} leaves the range of float32, 3.4e+38; in training that is inf or NaN."
            yield said(text, net=net.name, what=net.overflow)
        if net.note:
            yield said("{net}: {note}.", net=net.name, note=net.note)


def _clipped(found: Comparison) -> Iterable[str]:
    """What a clip has changed, beside a net that is the same without it."""
    for net in found.nets:
        same = [n for n in found.nets if not n.clip and net.clip and all(map(_equal, n.rows, net.rows))]
        sizes = {"step": number(net.step), "gradient": number(net.gradient)}
        if same:
            if math.isnan(net.step):
                change = said("and where numbers overflow it cannot help: the optimizer refuses the step")
            elif net.step < net.gradient * (1 - 1e-9):
                change = said("only the step is shorter, {step} for a gradient of {gradient}", **sizes)
            else:
                change = said("here not even the step changes: {gradient} is below the threshold", **sizes)
            yield said(
                "{net} ({clip}) has the very gradient of {other}; {change}. A clip is a rule for the optimizer: it "
                "does not change the gradient's way through time, and brings nothing back that vanished.",
                net=net.name, clip=net.clip, other=same[0].name, change=change,
            )  # fmt: skip
        elif net.clip and net.note:
            text = "{net}: in training its clip made other steps, so weights and gradient are others now."
            yield said(text, net=net.name)


def _equal(a: Row, b: Row) -> bool:
    return a.state == b.state and np.array_equal(a.norm, b.norm, equal_nan=True)

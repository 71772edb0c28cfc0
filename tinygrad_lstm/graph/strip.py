"""The heat strip: one coloured column for each step, one row for each name."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from ..spoken import columns as wide_of
from ..spoken import said
from .capture import Graph, norm
from .dot import dot_of
from .heat import HeatRow, heatmap
from .layers import layers_of, titled
from .picture import GREY, INK, Picture, Scale, digits, small
from .render import Drawing
from .roles import StepRoles

WIDE = 1100.0  # points that a strip may be wide before its columns become narrow
WORDS_WIDE = 4400.0  # that one may be whose columns all have their words; beyond it only some are named
HIGH = 29.0  # from row to row
NAMES = ("C", "h", "f", "i", "C̃", "o", "z", "r", "n", "x")


def strip_drawing(graph: Graph, window: tuple[int, int] | None, labels: Sequence[Any] | None) -> Drawing:
    """The strip of the last layer, all its steps or a window of them. Raises ValueError for bad labels or steps."""
    rails, notes = layers_of(graph)
    rail = rails[-1]
    if len(rails) > 1:
        notes.append(said("the last of {n} layers is shown", n=len(rails)))
    if labels is not None and len(labels) != len(rail.steps):
        raise ValueError(f"draw: there are {len(labels)} labels for {len(rail.steps)} steps.")
    words = dict(zip([step.t for step in rail.steps], labels or [], strict=False))
    steps = [step for step in rail.steps if window is None or window[0] <= step.t <= window[1]]
    if not steps:
        raise ValueError(f"draw: steps={window} are none of this graph's {len(rail.steps)}.")
    norms = {
        name: [norm(graph.grad(step.tensors[name])) if name in step.tensors else None for step in steps]
        for name in NAMES
    }
    norms = {name: row for name, row in norms.items() if any(value is not None for value in row)}
    longest = min(14, max((wide_of(str(word)) for word in words.values()), default=0))
    wide, named = max(1.2, min(14.0, WIDE / len(steps))), 1
    if words:
        roomy = max(16.0, longest * 6.0 / (1 if longest <= 3 else 2) + 4)  # longer words take turns on two lines
        wide, named = (roomy, 1) if roomy * len(steps) <= WORDS_WIDE else (wide, ceil(roomy / wide))
    picture, scale = Picture(), Scale(value for row in norms.values() for value in row)

    def hover(name: str, k: int, value: float | None) -> str:
        word = f" · {words[steps[k].t]}" if words else ""
        return f"∂L/∂{name}{small(steps[k].t)} = {digits(value)}{word}"

    rows = [
        HeatRow(-k * HIGH, f"∂L/∂{name}" + ("ₜ" if name in ("C", "h", "x") else ""), row,
                lambda column, value, name=name: hover(name, column, value))  # type: ignore[misc]
        for k, (name, row) in enumerate(norms.items())
    ]  # fmt: skip
    columns, tile = [k * wide for k in range(len(steps))], (wide - (0.0 if wide < 4 else 0.8), HIGH - 4)
    colour = lambda value: "#ffffff" if value is None else scale.colour(value)  # noqa: E731
    heatmap(picture, rows, columns, tile, colour, beside=-wide / 2 - 30, dashes=wide > 6)
    y = -len(norms) * HIGH
    _name_columns(picture, y, steps, wide, words, longest, named)
    y -= 46 if words else 36
    picture.legend((0, y), scale, "‖∂L/∂·‖")
    title = f"{titled(rail)} · {said('one column for each step, one row for each name')}"
    if window:
        one = "step {first} of {n}" if len(steps) == 1 else "steps {first} to {last} of {n}"
        which = said(one, first=steps[0].t, last=steps[-1].t, n=len(rail.steps))
        title += f" · {which}"
    for k, note in enumerate([title, *notes]):
        picture.line((-56, y - 40 - 15 * k), note, 9, GREY)
    return Drawing(dot_of(picture), "neato", title)


def _name_columns(
    picture: Picture, y: float, steps: list[StepRoles], wide: float, words: dict[int, Any], longest: int, named: int
) -> None:
    """Words below every `named`-th column, long ones on two lines in turn; or the numbers of some steps."""
    every = next(n for n in (10, 20, 50, 100, 200, 500, 1000, 10**9) if n * wide >= 24)
    for column, step in enumerate(steps):
        if words:
            if column % named:
                continue
            low = longest > 3 and column // named % 2
            picture.text((column * wide, y - 12 * low), str(words[step.t]), size=9, colour=INK, cut=14)
        elif column == 0 or step.t % every == 0:
            picture.text((column * wide, y), str(step.t), size=9, colour=INK)

"""What a person asks for: `draw(loss)` in one of several views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from ..collector import uncollected
from ..flow.trace import Trace, trace
from ..spoken import said
from ..tensor import Tensor
from .capture import Graph
from .dot import dot_of
from .fitting import FORMATS, arranged
from .layers import layers_of, titled
from .layout import View
from .ledger_view import ledger_drawing
from .ops_view import BUDGET, chosen, has_steps, ops_drawing
from .page import page_of
from .picture import Picture, digits
from .render import Drawing
from .roles import Rail
from .sheets import Sheet, finished, stacked, wrapped
from .strip import strip_drawing

CELL, TILES = 80, 40_000  # places in one step, and in all steps together
WHOLE = 45_000  # tensors behind a picture of all steps
BESIDE = 4  # graphs in one picture

Window = tuple[int, int] | None


class Asked(NamedTuple):
    """The arguments of `draw`; `answer` is a list of texts, of several graphs a list for each."""

    follow: str | None
    window: Window
    show: tuple[str, ...]
    labels: Sequence[str] | None
    answer: Sequence[Any]
    form: str | None
    light: str | None
    parameters: bool
    legend: bool
    transparent: bool

    @property
    def below(self) -> dict[str, bool]:
        """What stands below the steps, and how far apart."""
        return {"parameters": self.parameters, "legend": self.legend, "loose": self.form is not None}


ViewName = Literal["time", "ops", "cells", "rolled", "strip", "ledger"]
Shown = Literal["shape", "grad"]
Drawable = Tensor | Trace


@uncollected()  # what is made for a thousand steps stays until the text is written
def draw(
    what: Drawable | Sequence[Drawable] | Mapping[str, Drawable], *, view: ViewName = "time", follow: str | None = None,
    steps: Window = None, show: Shown | Iterable[Shown] = ("shape", "grad"), backward: bool = True,
    labels: Sequence[str] | None = None, answer: Sequence[str] | Sequence[Sequence[str]] = (),
    for_: Literal["slide", "paper", "notebook"] | None = None, light: str | None = None, parameters: bool | None = None,
    legend: bool = True, transparent: bool = False,
) -> Drawing:  # fmt: skip
    """A picture of what led to a tensor and, over it, of the gradient that travels back.

    Args:
        what: a loss, which is traced (no `.grad` is touched); a trace; or any tensor, drawn without gradients. Several
            losses or traces, in a list or by name, {"RNN": …, "LSTM": …}, stand one above the other, each step in the
            same column, and their gradients have one scale of colours (view "time" alone).
        view: "time", the steps of a recurrent cell side by side (of a small graph without time, all ops); "cells", the
            same of named tensors alone; "rolled", one step for all; "strip", one coloured column for each step; "ops",
            every op of a small graph; "ledger", the terms of the gradient at one state, as `Flow.ledger` splits it,
            each in a colour of its own with its value: steps=(t, t) is the step after it, follow= the state.
        follow: "C" or "h" (or another state): bring that path forward and grey the rest (time, cells, rolled).
        steps: (first, last): draw these steps only.
        show: "shape" and "grad": what is printed; everything is there on hover.
        backward: False draws the way forward alone.
        labels: one word for each step, printed at its head (time) or under its column (strip).
        answer: what the net says at the end, ["his 99.8 %", "her 0.2 %"]: first the answer whose loss this is, then
            alternatives. They stand at the loss (time). Of several graphs, such a list for each.
        for_: "slide", 1920 × 1080 pixels with text of 18 at least, "paper", 7 inches wide with text of 7 points, or
            "notebook", 960 pixels wide or more with text of 9: steps stand in rows, so many as make it largest, in a
            notebook as few as can be read (time, cells, rolled).
        light: a gate ("f", "i", …): it, what it is made from and what it acts on in colour, the rest grey. With
            backward=False a picture of how the cell is built (time).
        parameters, legend: False leaves out the parameters' table (as on a slide), or the scale of colours.
        transparent: without the white ground.

    Raises ValueError where the view is unknown, or cannot show this graph; the message says which one can.
    """
    if view not in VIEWS:
        raise ValueError(f"draw: there is no view {view!r}. Views: {', '.join(map(repr, VIEWS))}.")
    shown = _shown(show, backward)
    _check_window(steps)
    table = for_ != "slide" if parameters is None else parameters
    asked = Asked(follow, steps, shown, labels, answer, for_, light, table, legend, transparent)
    _check_style(asked, view)
    if isinstance(what, Sequence | Mapping) and not isinstance(what, str):
        if view != "time":
            raise ValueError(f"draw: several graphs stand side by side in view='time' alone, not in {view!r}.")
        return _beside(what, asked, backward)
    graph = _captured(what, view, steps, backward)
    return VIEWS[_suited(view, graph, asked)](graph, asked._replace(answer=_line_by_line(answer)))


def _shown(show: Shown | Iterable[Shown], backward: bool) -> tuple[str, ...]:
    """What is printed, in a checked form: of the way forward alone no gradients."""
    parts = tuple([show] if isinstance(show, str) else show)
    if unknown := set(parts) - {"shape", "grad"}:
        raise ValueError(f"draw: show={sorted(unknown)} is unknown. It may hold 'shape' and 'grad'.")
    return parts if backward else tuple(part for part in parts if part != "grad")


def _suited(view: str, graph: Graph, asked: Asked) -> str:
    """The view of a small graph without time is that of all ops, unless something is asked that needs time."""
    timeless = view == "time" and len(graph.tensors) <= BUDGET and not has_steps(graph)
    return "ops" if timeless and not (asked.follow or asked.form or asked.light) else view


def _captured(what: Drawable, view: str, steps: Window, backward: bool) -> Graph:
    """The graph to draw, traced where there is a loss; refused before that where it is too large."""
    if not isinstance(what, Tensor | Trace):
        raise TypeError(f"draw: a tensor or a trace is drawn, not {type(what).__name__}.")
    tensor = what.root if isinstance(what, Trace) else what
    check_count(what, view, steps)
    if not backward:
        return Graph([tensor])
    return Graph.of(trace(what) if isinstance(what, Tensor) and what.size == 1 and what.requires_grad else what)


def check_count(what: Tensor | Trace, view: str, steps: Window) -> None:
    """Raise ValueError where a view has not room for so many tensors: to be asked before they are traced."""
    tensor = what.root if isinstance(what, Trace) else what
    if view != "strip":
        plain = Graph([tensor]) if tensor.inputs else Graph.of(what)
        if view == "ops":
            chosen(plain, steps)
        elif view != "rolled" and steps is None and len(plain.tensors) > WHOLE and has_steps(plain):
            raise ValueError(
                f"draw: {len(plain.tensors):,} tensors are too many for view={view!r} at once. Draw a window of steps, "
                "steps=(1, 50), or all of them at a glance: view='strip' or view='rolled'."
            )


def _paged(drawing: Drawing, graph: Graph, asked: Asked) -> Drawing:
    """The same, with an interactive page where there is a gradient to walk with."""
    if graph.trace is not None:
        sheets = [_sheet(graph, asked.answer)]
        drawing.page = lambda: page_of(sheets, follow=asked.follow, window=asked.window, labels=asked.labels)
    return drawing


def _sheet(graph: Graph, answer: Sequence[str] = ()) -> Sheet:
    rails, notes = layers_of(graph)
    return Sheet(said(rails[-1].cell.title), graph, rails, notes, answer)


def _line_by_line(answer: Any) -> Sequence[str]:
    if isinstance(answer, str) or not all(isinstance(text, str) for text in answer):
        raise TypeError(f'draw: answer={answer!r} should be a list of texts, ["his 99.8 %", "her 0.2 %"].')
    return answer


def _check_style(asked: Asked, view: str) -> None:
    if asked.form not in (None, *FORMATS):
        raise ValueError(f"draw: for_={asked.form!r} is no format. Formats: {', '.join(map(repr, FORMATS))}.")
    if asked.form and view not in ("time", "cells", "rolled"):
        raise ValueError(f"draw: for_={asked.form!r} lays out the views 'time', 'cells' and 'rolled', not {view!r}.")
    if asked.light and (asked.follow or view != "time"):
        raise ValueError(f"draw: light={asked.light!r} lights a gate in view='time', without follow=.")


def _check_window(window: Window) -> None:
    if window is not None and not (len(window) == 2 and 1 <= window[0] <= window[1]):
        raise ValueError(f"draw: steps={window} should be (first, last), counted from 1, as in steps=(1, 8).")


# — time ————————————————————————————————————————————————————————————————————————————————————————————————


def _time(graph: Graph, asked: Asked, view: str = "time") -> Drawing:
    follow, window, labels = asked.follow, asked.window, asked.labels
    rails, notes = layers_of(graph, named=view == "cells", both=True)
    first, last = window or (min(1, rails[-1].steps[0].t), rails[-1].steps[-1].t)
    shown = _check_size(rails, first, last, view)
    _check(rails[-1], follow, labels)
    title = _title(graph, rails, window, titled(rails[-1]))
    if follow:
        title += said(" · the path of {name}", name=follow)
    if view == "cells":
        notes.insert(0, said("named tensors only: an edge carries what flows back on all ways between two names"))
    if view == "rolled":
        ranges = said(": smallest … largest norm over time, coloured by the largest") if graph.trace else ""
        notes.insert(0, said("one step stands for {n}", n=shown) + ranges)
    seen = View(first, last, follow, asked.show, labels, rolled=view == "rolled", light=asked.light)
    sheet = Sheet("", graph, rails, (), asked.answer)
    notes = [title, *notes]

    def built(per: int) -> Picture:
        return finished(wrapped(sheet, seen, per), notes, **asked.below)

    drawing = _fitted(built, last - first + 1, asked, title, rolled=view == "rolled")
    return _paged(drawing, graph, asked) if view == "time" else drawing


def _fitted(built: Callable[[int], Picture], count: int, asked: Asked, title: str, *, rolled: bool = False) -> Drawing:
    """One row of all steps as it is, or what the format asks for. A rolled picture has no rows."""
    ground = "transparent" if asked.transparent else "white"
    if asked.form is None:
        return Drawing(dot_of(built(count), ground), "neato", title)
    picture, pixels = arranged((lambda _: built(count)) if rolled else built, 1 if rolled else count, asked.form)
    return Drawing(dot_of(picture, ground), "neato", title, pixels=pixels)


def _check_size(rails: list[Rail], first: int, last: int, view: str) -> int:
    """How many steps are to be drawn; an error where that is none, or more than can be."""
    parts, times = len(rails[-1].cell.nodes), [step.t for step in rails[-1].steps]
    shown = sum(first <= t <= last for t in times)
    if not shown:
        raise ValueError(f"draw: steps={first, last} are none of this graph's, which are {times[0]} to {times[-1]}.")
    if parts > CELL or (view != "rolled" and parts * shown * len(rails) > TILES):
        way_out = "view='rolled' or view='strip'" if parts <= CELL else "view='strip' or view='cells'"
        raise ValueError(
            f"draw: {shown:,} steps with {parts} places each are too many for view={view!r}. Try {way_out}, "
            "or fewer steps: steps=(1, 50)."
        )
    return shown


def _check(rail: Rail, follow: str | None, labels: Sequence[str] | None) -> None:
    cell, last = rail.cell, rail.steps[-1].t
    if follow is not None and follow not in cell.follow:
        raise ValueError(f"draw: follow={follow!r} is no path of this {cell.title}. Paths: {', '.join(cell.follow)}.")
    if labels is not None and len(labels) != last:
        raise ValueError(f"draw: {len(labels)} labels for {last} steps; there must be one for each.")


def _title(graph: Graph, rails: list[Rail], window: Window, name: str) -> str:
    root, times = graph.roots[0], [step.t for step in rails[-1].steps]
    value = f"L = {digits(root.item())}" if root.size == 1 else said("L of shape {shape}", shape=root.shape)
    count = said("{n} steps" if len(times) > 1 else "1 step", n=len(times))
    if window:
        first, last = max(window[0], times[0]), min(window[1], times[-1])
        one = first == last
        count = said("step {first} of " if one else "steps {first} to {last} of ", first=first, last=last) + count
    parts = [name, count]
    if len(rails) > 1 and rails[0].way == rails[-1].way:
        parts.append(said("{n} layers, the first below", n=len(rails)))
    parts.append(said("gradients flow back from {value}" if graph.trace else "forward only, to {value}", value=value))
    return " · ".join(parts)


def _beside(what: Sequence[Drawable] | Mapping[str, Drawable], asked: Asked, backward: bool) -> Drawing:
    """Several graphs, one above the other, on one scale."""
    if not 1 <= len(what) <= BESIDE:
        raise ValueError(f"draw: {len(what)} graphs; one to {BESIDE} can stand one above the other.")
    follow, window, labels, answers = asked.follow, asked.window, asked.labels, asked.answer
    each = what.values() if isinstance(what, Mapping) else what
    graphs = [_captured(one, "time", window, backward) for one in each]
    if answers and len(answers) != len(graphs):
        raise ValueError(f"draw: {len(answers)} answers for {len(graphs)} graphs; there must be one list for each.")
    told = [_line_by_line(one) for one in answers] or [()] * len(graphs)
    sheets = [_sheet(graph, one) for graph, one in zip(graphs, told, strict=True)]
    names = list(what) if isinstance(what, Mapping) else _numbered([sheet.name for sheet in sheets])
    sheets = [sheet._replace(name=str(name)) for sheet, name in zip(sheets, names, strict=True)]
    times = [step.t for sheet in sheets for step in sheet.rails[-1].steps]
    first, last = window or (min(1, *times), max(times))
    for sheet in sheets:
        _check_size(sheet.rails, first, last, "time")
    longest = max((sheet.rails[-1] for sheet in sheets), key=lambda rail: (rail.steps[-1].t, len(rail.cell.follow)))
    _check(longest, follow, labels)
    titles = [_title(sheet.graph, sheet.rails, window, sheet.name) for sheet in sheets]
    notes = [f"{sheet.name}: {note}" for sheet in sheets for note in sheet.notes]

    def built(_: int) -> Picture:
        unrolled = stacked(sheets, View(first, last, follow, asked.show, labels, light=asked.light))
        return finished(unrolled, [*titles, *notes], **asked.below)

    drawing = _fitted(built, last - first + 1, asked, said(" beside ").join(names), rolled=True)
    if all(graph.trace is not None for graph in graphs):
        drawing.page = lambda: page_of(sheets, follow=follow, window=window, labels=labels)
    return drawing


def _numbered(names: list[str]) -> list[str]:
    """Names of which no two are the same."""
    return [f"{name} {names[: k + 1].count(name)}" if names.count(name) > 1 else name for k, name in enumerate(names)]


def _strip(graph: Graph, asked: Asked) -> Drawing:
    if graph.trace is None and not any(tensor.grad is not None for tensor in graph.tensors if tensor.op):
        raise ValueError("draw: a strip shows gradients: give it a loss (a single number) or a trace.")
    return _paged(strip_drawing(graph, asked.window, asked.labels), graph, asked)


def _ledger(graph: Graph, asked: Asked) -> Drawing:
    first, last = asked.window or (None, None)
    if first != last:
        raise ValueError(f"draw: view='ledger' shows one step, as in steps=({last}, {last}), not {asked.window}.")
    return ledger_drawing(graph, asked.follow, last, asked.labels, "transparent" if asked.transparent else "white")


def _ops(graph: Graph, asked: Asked) -> Drawing:
    return ops_drawing(graph, asked.window, asked.show)


VIEWS: dict[str, Callable[..., Drawing]] = {
    "time": _time, "ops": _ops, "cells": partial(_time, view="cells"), "rolled": partial(_time, view="rolled"),
    "strip": _strip, "ledger": _ledger,
}  # fmt: skip

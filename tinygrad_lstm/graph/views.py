"""What a person asks for: `draw(loss)` in one of several views."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any

from ..flow.trace import Trace, trace
from ..tensor import Tensor
from .capture import Edge, Graph, norm, place_of
from .dot import FONT, GREY, INK, LOOKS, NUMBER, Picture, Scale, cleaned, digits, quoted, small, tooltip
from .layout import Unrolled, finished, stacked
from .page import Sheet, page_of, page_of_ops
from .render import Drawing
from .roles import Rail, kind_of, rails_of
from .stage import Ops

CELL, TILES = 80, 40_000  # places in one step, and in all steps together
WHOLE = 45_000  # tensors behind a picture of all steps
FOLD = 24  # tensors of a forward pass that are drawn beside its gradient; more are folded
BUDGET = 400  # tensors in one picture; above it neither dot nor a reader finds the way
STRIP = 1100.0  # points that a strip may be wide before its columns become narrow

BESIDE = 4  # graphs in one picture

Window = tuple[int, int] | None
Drawable = Tensor | Trace


def draw(
    what: Drawable | Sequence[Drawable] | Mapping[str, Drawable], *, view: str = "time", follow: str | None = None,
    steps: Window = None, show: Iterable[str] = ("shape", "grad"), backward: bool = True,
    labels: Sequence[str] | None = None,
) -> Drawing:  # fmt: skip
    """A picture of what led to a tensor and, over it, of the gradient that travels back.

    Args:
        what: a loss, which is traced (no `.grad` is touched); a trace; or any tensor, drawn without gradients. Several
            losses or traces, in a list or by name, {"RNN": …, "LSTM": …}, stand one above the other, each step in the
            same column, and their gradients have one scale of colours (view "time" alone).
        view: "time", the steps of a recurrent cell side by side; "cells", the same of named tensors alone; "rolled",
            one step for all; "strip", one coloured column for each step; "ops", every op of a small graph.
        follow: "C" or "h" (or another state): bring that path forward and grey the rest (time, cells, rolled).
        steps: (first, last): draw these steps only.
        show: "shape" and "grad": what is printed; everything is there on hover.
        backward: False draws the way forward alone.
        labels: one word for each step, printed at its head (time) or under its column (strip).

    Raises ValueError where the view is unknown, or cannot show this graph; the message says which one can.
    """
    if view not in VIEWS:
        raise ValueError(f"draw: there is no view {view!r}. Views: {', '.join(map(repr, VIEWS))}.")
    show = tuple([show] if isinstance(show, str) else show)
    if unknown := set(show) - {"shape", "grad"}:
        raise ValueError(f"draw: show={sorted(unknown)} is unknown. It may hold 'shape' and 'grad'.")
    _check_window(steps)
    with _all_kept():
        if isinstance(what, Sequence | Mapping) and not isinstance(what, str):
            if view != "time":
                raise ValueError(f"draw: several graphs stand side by side in view='time' alone, not in {view!r}.")
            return _beside(what, follow=follow, window=steps, show=show, backward=backward, labels=labels)
        graph = _captured(what, view, steps, backward)
        return VIEWS[view](graph, follow=follow, window=steps, show=show, labels=labels)


@contextmanager
def _all_kept() -> Iterator[None]:
    """No search for garbage: what is made for a thousand steps stays until the text is written, and the search would
    go through all of it again and again, a fifth of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _captured(what: Drawable, view: str, steps: Window, backward: bool) -> Graph:
    """The graph to draw, traced where there is a loss; refused before that where it is too large."""
    if not isinstance(what, Tensor | Trace):
        raise TypeError(f"draw: a tensor or a trace is drawn, not {type(what).__name__}.")
    tensor = what.root if isinstance(what, Trace) else what
    if view != "strip":  # counted before it is traced: a graph that is too large is refused at once
        plain = Graph([tensor]) if tensor.inputs else Graph.of(what)
        if view == "ops":
            _chosen(plain, steps)
        elif view != "rolled" and steps is None and len(plain.tensors) > WHOLE and _timed(plain):
            raise ValueError(
                f"draw: {len(plain.tensors):,} tensors are too many for view={view!r} at once. Draw a window of steps, "
                "steps=(1, 50), or all of them at a glance: view='strip' or view='rolled'."
            )
    if not backward:
        return Graph([tensor])
    return Graph.of(trace(what) if isinstance(what, Tensor) and what.size == 1 and what.requires_grad else what)


def _paged(drawing: Drawing, graph: Graph, **settings: Any) -> Drawing:
    """The same, with an interactive page where there is a gradient to walk with."""
    if graph.trace is not None:
        drawing.page = lambda: page_of([_sheet(graph)], **settings)
    return drawing


def _sheet(graph: Graph, name: str = "") -> Sheet:
    rails, notes = _layers(graph)
    return Sheet(name or rails[-1].cell.title, graph, rails, notes)


def _check_window(window: Window) -> None:
    if window is not None and not (len(window) == 2 and 1 <= window[0] <= window[1]):
        raise ValueError(f"draw: steps={window} should be (first, last), counted from 1, as in steps=(1, 8).")


# — time ————————————————————————————————————————————————————————————————————————————————————————————————


def _time(
    graph: Graph, *, follow: str | None, window: Window, show: Collection[str], labels: Any, view: str = "time"
) -> Drawing:  # fmt: skip
    rails, notes = _layers(graph, named=view == "cells", both=True)
    first, last = window or (min(1, rails[-1].steps[0].t), rails[-1].steps[-1].t)
    shown = _check_size(rails, first, last, view)
    _check(rails[-1], follow, labels)
    title = _title(graph, rails, window, _named(rails[-1]))
    if follow:
        title += f" · the path of {follow}"
    if view == "cells":
        notes.insert(0, "named tensors only: an edge carries what flows back on all ways between two names")
    if view == "rolled":
        notes.insert(0, f"one step stands for {shown}: smallest … largest norm over time, coloured by the largest")
    unrolled = Unrolled(
        graph, rails, first=first, last=last, follow=follow, show=show, labels=labels, rolled=view == "rolled"
    )
    drawing = Drawing(finished([unrolled], [title, *notes]).write(), "neato", title)
    return _paged(drawing, graph, follow=follow, window=window, labels=labels) if view == "time" else drawing


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
    value = f" = {digits(root.item())}" if root.size == 1 else f" of shape {root.shape}"
    way = "gradients flow back from" if graph.trace else "forward only, to"
    layers = "" if rails[0].way != rails[-1].way or len(rails) == 1 else f" · {len(rails)} layers, the first below"
    which = f"steps {max(window[0], times[0])} to {min(window[1], times[-1])} of " if window else ""
    return f"{name} · {which}{len(times)} step{'s' * (len(times) > 1)}{layers} · {way} L{value}"


def _beside(
    what: Sequence[Drawable] | Mapping[str, Drawable], *, follow: str | None, window: Window, show: Collection[str],
    backward: bool, labels: Sequence[str] | None,
) -> Drawing:  # fmt: skip
    """Several graphs, one above the other, on one scale."""
    if not 1 <= len(what) <= BESIDE:
        raise ValueError(f"draw: {len(what)} graphs; one to {BESIDE} can stand one above the other.")
    each = what.values() if isinstance(what, Mapping) else what
    graphs = [_captured(one, "time", window, backward) for one in each]
    sheets = [_sheet(graph) for graph in graphs]
    names = list(what) if isinstance(what, Mapping) else _numbered([sheet.name for sheet in sheets])
    sheets = [sheet._replace(name=str(name)) for sheet, name in zip(sheets, names, strict=True)]
    times = [step.t for sheet in sheets for step in sheet.rails[-1].steps]
    first, last = window or (min(1, *times), max(times))
    for sheet in sheets:
        _check_size(sheet.rails, first, last, "time")
    longest = max((sheet.rails[-1] for sheet in sheets), key=lambda rail: (rail.steps[-1].t, len(rail.cell.follow)))
    _check(longest, follow, labels)
    placed = stacked([sheet[:3] for sheet in sheets], Unrolled, first=first, last=last, follow=follow, show=show,
                     labels=labels)  # fmt: skip
    titles = [_title(sheet.graph, sheet.rails, window, sheet.name) for sheet in sheets]
    notes = [f"{sheet.name}: {note}" for sheet in sheets for note in sheet.notes]
    drawing = Drawing(finished(placed, [*titles, *notes]).write(), "neato", f"{' beside '.join(names)}")
    if all(graph.trace is not None for graph in graphs):
        drawing.page = lambda: page_of(sheets, follow=follow, window=window, labels=labels)
    return drawing


def _numbered(names: list[str]) -> list[str]:
    """Names of which no two are the same."""
    return [f"{name} {names[: k + 1].count(name)}" if names.count(name) > 1 else name for k, name in enumerate(names)]


def _named(rail: Rail) -> str:
    return f"{rail.cell.title} “{rail.root}”" if rail.root else rail.cell.title


def _layers(graph: Graph, *, named: bool = False, both: bool = False) -> tuple[list[Rail], list[str]]:
    """The layers to draw, one above the other, and what there is to say about those that are not drawn.

    `named`: placed by their names alone; `both`: of a bidirectional layer both directions, the backward one below.
    """
    rails = rails_of(graph, named=named)
    if not rails:
        raise ValueError(
            "draw: no time steps lead to this tensor. Try view='ops'; or, in a loop of your own, say `with "
            'scope(f"t={t}"):` and give names: .named("h").'
        )
    roots = list(dict.fromkeys(rail.root for rail in rails))
    notes = [f"not drawn: “{root}”; draw its own output to see it" for root in roots[:-1]]
    mine = [rail for rail in rails if rail.root == roots[-1]]
    forward = [rail for rail in mine if not rail.name.endswith("/backward")] or mine
    if len(forward) < len(mine):
        above = f" of {len(forward)}, the last," if len(forward) > 1 else ""
        if both and mine[-1].way < 0 and len(mine[-1].steps) == len(forward[-1].steps) > 1:
            notes.append(f"bidirectional: layer{above} forward above and backward below, where time runs to the left")
            return [mine[-1], forward[-1]], notes
        notes.append("bidirectional: the forward direction of the last layer is drawn")
        forward = forward[-1:]
    times = [[step.t for step in rail.steps] for rail in forward]
    if any(other != times[-1] for other in times) or len({rail.cell.title for rail in forward}) > 1:
        notes.append(f"the last of {len(forward)} layers is drawn: the others have other steps")
        forward = forward[-1:]
    if forward[-1].calls > 1:
        notes.append(f"called {forward[-1].calls} times: the last call is drawn")
    return forward, notes


# — ops —————————————————————————————————————————————————————————————————————————————————————————————————


def _timed(graph: Graph) -> bool:
    return any(place_of(tensor.scope) for tensor in graph.tensors)


def _chosen(graph: Graph, window: Window) -> list[Tensor]:
    """The tensors to draw: all, or those made in some steps and what these were made from."""
    chosen = graph.tensors
    if window is not None:
        places = {tensor.birth: place_of(tensor.scope) for tensor in chosen}
        inside = [x for x in chosen if (place := places[x.birth]) and window[0] <= place.t <= window[1]]
        near = {x.birth: x for tensor in inside for x in (*graph.inputs(tensor), tensor)}
        chosen = [near[birth] for birth in sorted(near)]
        if not inside:
            raise ValueError(f"draw: nothing in this graph was made in steps {window[0]} to {window[1]}.")
    if len(chosen) > BUDGET:
        raise ValueError(
            f"draw: {len(chosen):,} tensors are too many for view='ops', which shows at most {BUDGET}. "
            + ("Try view='time' or view='strip', or fewer steps: steps=(1, 1)." if _timed(graph)
               else "Draw a tensor on the way to it, or steps=(1, 1) of what was made in scope('t=1').")
        )
    return chosen


def _ops(graph: Graph, *, follow: str | None, window: Window, show: Collection[str], labels: Any) -> Drawing:
    chosen = _chosen(graph, window)
    drawn = {tensor.birth for tensor in chosen}
    gradient = graph.gradients & drawn
    folded = len(drawn - gradient) > FOLD if gradient else False
    kept = [tensor for tensor in chosen if not folded or tensor.birth in gradient]
    ids = {tensor.birth: f"n{k}" for k, tensor in enumerate(kept)}
    rooms: dict[Any, Any] = {}

    def enter(tensor: Tensor, me: str, statement: str) -> None:
        """Put a node into the cluster of a tensor's scope."""
        inside = rooms
        for part in _room(graph, tensor).split("/"):
            inside = inside.setdefault(part, {}) if part else inside
        inside[me] = statement

    for tensor in kept:
        enter(tensor, ids[tensor.birth], _box(graph, tensor, ids[tensor.birth], show))
    edges = [edge for edge in graph.edges if edge.x.birth in drawn and edge.out.birth in ids]
    shares = [graph.share([edge]) for edge in edges]
    scale = Scale(shares)
    arrows = []
    for edge, share in zip(edges, shares, strict=True):
        start = ids.get(edge.x.birth)
        if start is None:  # a value of the forward pass: a small copy for each use
            start = f"v{ids[edge.out.birth][1:]}_{edge.k}"
            enter(edge.out, start, _value(graph, edge.x, start))
        arrows.append(_arrow(graph, edge, share, scale, start, ids[edge.out.birth], show))
    root = graph.roots[0]
    what = f"{root.name or ('L' if graph.trace else 'y')}{f' = {digits(root.item())}' if root.size == 1 else ''}"
    title = f"{len(chosen)} tensors, {len(edges)} edges"
    if window:
        title = f"steps {window[0]} to {window[1]} of {graph!r}"
    elif gradient:
        title = f"a gradient, computed by {len(gradient)} tensors from {len(drawn - gradient)} of the forward pass"
        title += " (grey: its values)" if folded else ""
    if graph.trace:
        title += f" · gradients flow back from {what}"
        title += " · on an arrow: the rule, and what it sends" if "grad" in show else ""
    lines = [
        "digraph G {",
        f'graph [rankdir=LR, nodesep=0.22, ranksep=0.35, bgcolor=white, pad=0.15, fontname="{FONT}", fontsize=9, '
        f'fontcolor="{INK}", labelloc=b, labeljust=l, label={_caption(title, scale if graph.trace else None)}]',
        f'node [fontname="{FONT}", fontsize=10, fontcolor="#212529", shape=box, style="filled,rounded", '
        'height=0.3, margin="0.1,0.05"]',
        f'edge [fontname="{FONT}", fontsize=8, fontcolor="{NUMBER}", arrowsize=0.6, color="{INK}"]',
        *_clusters(rooms),
        *arrows,
        "}",
        "",
    ]
    drawing = Drawing("\n".join(lines), "dot", title)
    if graph.trace is not None:
        marks = [f"e{ids[edge.out.birth][1:]}_{edge.k}" for edge in edges]
        ops = Ops(graph, ids, list(zip(marks, edges, shares, strict=True)), scale,
                  {ids[x.birth] for x in kept if "grad" in show and _known(graph, x)})  # fmt: skip
        name = cleaned(root.name, 24) if root.name else "L"
        drawing.page = lambda: page_of_ops(Sheet(f"{name}, {len(kept)} tensors", graph, []), drawing.svg(), ops)
    return drawing


def _known(graph: Graph, tensor: Tensor) -> bool:
    """Whether something is to be said about a tensor's gradient, be it a dash."""
    return graph.trace is not None or graph.grad(tensor) is not None or (
        tensor.requires_grad and not graph.gradients
    )  # fmt: skip


def _value(graph: Graph, tensor: Tensor, me: str) -> str:
    """A tensor of the forward pass where its gradient uses it: f₃, or tanh(C₃) where it has no name itself."""
    place = place_of(tensor.scope)
    text = _called(tensor, place.t if place else None)
    if not text and tensor.op is not None:
        inputs = [_called(x, p.t if (p := place_of(x.scope)) else None) or "…" for x in graph.inputs(tensor)]
        label = tensor.op.label
        text = f"{label}({inputs[0]})" if len(inputs) == 1 else f" {label} ".join(inputs[:3])
    elif not text:
        text = digits(tensor.item()) if tensor.size == 1 else "constant"
    return (
        f'{me} [id={me}, class=value, label={quoted(text)}, fontsize=9, height=0.2, margin="0.06,0.02", '
        f'fillcolor="#f1f3f5", color="#ced4da", tooltip={tooltip(tensor.describe())}]'
    )


def _called(tensor: Tensor, t: int | None) -> str:
    return (tensor.name or "") + (small(t) if tensor.name and t is not None else "")


def _room(graph: Graph, tensor: Tensor) -> str:
    """Where a tensor is drawn: in its scope; a leaf with all that use it, where these are together."""
    scopes = {edge.out.scope for edge in graph.users(tensor)} if tensor.op is None else set()
    return scopes.pop() if len(scopes) == 1 else tensor.scope


def _box(graph: Graph, tensor: Tensor, me: str, show: Collection[str]) -> str:
    name, made = tensor.name or "", tensor.op.label if tensor.op else ""
    lines = [f"{name} = {made}" if name and made else name or made or ("leaf" if tensor.requires_grad else "constant")]
    if lines == ["constant"] and tensor.size > 1 and bool((tensor.numpy() == 1).all()):
        lines = ["ones"]
    if tensor.size == 1:
        lines.append(f"data {digits(tensor.item())}")
    elif "shape" in show:
        lines.append(str(tensor.shape))
    gradient = graph.grad(tensor)
    if "grad" in show and _known(graph, tensor):
        if gradient is not None and tensor.size == 1:
            lines.append(f"grad {digits(float(gradient.item()))}")
        else:
            lines.append(f"‖grad‖ {digits(norm(gradient))}" if tensor.size > 1 else "grad –")
    _, _, _, fill, border = LOOKS[kind_of(tensor)]
    return (
        f'{me} [id={me}, class={kind_of(tensor)}, label={quoted(*lines)}, fillcolor="{fill}", color="{border}", '
        f"tooltip={tooltip(tensor.describe())}]"
    )


def _arrow(
    graph: Graph, edge: Edge, share: float | None, scale: Scale, x: str, out: str, show: Collection[str]
) -> str:  # fmt: skip
    assert edge.out.op is not None
    start = f"{x} -> {out} [id=e{out[1:]}_{edge.k}"
    if share is None or graph.trace is None:
        return f"{start}, class=forward]"
    number = share
    if edge.x.size == 1:  # a single number has a sign
        array = graph.trace.edge(edge.out, edge.k).share
        number = float(array.item()) if array is not None else share
    formula = edge.out.op.formula(edge.k)
    label = f", label={quoted(formula, digits(number), ' ')}" if "grad" in show else ""  # the last line: clear of it
    dashed = ", style=dashed" if scale.below(share) else ""
    return (
        f'{start}, class=gradient, dir=back, color="{scale.colour(share)}", penwidth={scale.width(share) * 0.6:.2f}'
        f"{dashed}{label}, edgetooltip={tooltip(f'{formula} = {digits(number)}')}]"
    )


def _clusters(rooms: dict[Any, Any], path: str = "") -> Iterable[str]:
    for k, (name, content) in enumerate(rooms.items()):
        if isinstance(content, str):
            yield content
            continue
        me = f"{path}_{k}"
        yield (
            f'subgraph cluster{me} {{ style="rounded,filled"; fillcolor="#f8f9fa"; color="#adb5bd"; labeljust=c; '
            f'labelloc=t; fontsize=10; fontcolor="#495057"; label={quoted(name)};'
        )
        yield from _clusters(content, me)
        yield "}"


def _caption(title: str, scale: Scale | None) -> str:
    """What stands below: a title and the colours with their numbers, as a table in graphviz's own HTML."""
    if scale is None:
        return quoted(title, cut=200, left=True)
    text = escape(cleaned(title, 200))
    cells = "".join(
        f'<TD BGCOLOR="{scale.colour(mark)}"><FONT COLOR="{"#ffffff" if scale.level(mark) > 0.6 else INK}">'
        f"{digits(float(f'{mark:.2g}'))}</FONT></TD>"
        for mark in scale.marks()
    )
    legend = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3"><TR><TD>‖∂L/∂·‖</TD>{cells}</TR></TABLE>'
    rows = f'<TR><TD ALIGN="LEFT">{legend}</TD></TR><TR><TD ALIGN="LEFT">{text}</TD></TR>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2">{rows}</TABLE>>'


# — strip ———————————————————————————————————————————————————————————————————————————————————————————————


def _strip(graph: Graph, *, follow: str | None, window: Window, show: Collection[str], labels: Any) -> Drawing:
    if graph.trace is None and not any(tensor.grad is not None for tensor in graph.tensors if tensor.op):
        raise ValueError("draw: a strip shows gradients: give it a loss (a single number) or a trace.")
    rails, notes = _layers(graph)
    rail = rails[-1]
    if len(rails) > 1:
        notes.append(f"the last of {len(rails)} layers is shown")
    if labels is not None and len(labels) != len(rail.steps):
        raise ValueError(f"draw: there are {len(labels)} labels for {len(rail.steps)} steps.")
    words = dict(zip([step.t for step in rail.steps], labels or [], strict=False))
    shown = [step for step in rail.steps if window is None or window[0] <= step.t <= window[1]]
    if not shown:
        raise ValueError(f"draw: steps={window} are none of this graph's {len(rail.steps)}.")
    rows = {
        name: [norm(graph.grad(step.tensors[name])) if name in step.tensors else None for step in shown]
        for name in ("C", "h", "f", "i", "C̃", "o", "z", "r", "n", "x")
    }
    rows = {name: row for name, row in rows.items() if any(value is not None for value in row)}
    longest = min(14, max((len(str(word)) for word in words.values()), default=0))
    wide = max(1.2, min(14.0, STRIP / len(shown)))
    if words:
        wide = max(16.0, longest * 6.0 / (1 if longest <= 3 else 2) + 4)  # longer words take turns on two lines
    picture, scale = Picture(), Scale(n for row in rows.values() for n in row)
    gap = 0.0 if wide < 4 else 0.8
    for k, (name, row) in enumerate(rows.items()):
        y = -k * 29.0
        picture.text((-wide / 2 - 30, y), quoted(f"∂L/∂{name}" + ("ₜ" if name in ("C", "h", "x") else "")), 11, INK)
        for column, (step, value) in enumerate(zip(shown, row, strict=True)):
            fill = "#ffffff" if value is None else scale.colour(value)
            hover = f"∂L/∂{name}{small(step.t)} = {digits(value)}" + (f" · {words[step.t]}" if words else "")
            picture.cell((column * wide, y), (wide - gap, 25), fill, hover)
            if value is None and wide > 6:
                picture.text((column * wide, y), quoted("–"))
    y = -len(rows) * 29.0
    for column, step in enumerate(shown):
        if words:
            low = longest > 3 and column % 2
            picture.text((column * wide, y - 12 * low), quoted(str(words[step.t]), cut=14), 9, INK)
        elif column == 0 or step.t % _every(len(shown), wide) == 0:
            picture.text((column * wide, y), quoted(str(step.t)), 9, INK)
    y -= 46 if words else 36
    picture.legend((0, y), scale, "‖∂L/∂·‖")
    title = f"{_named(rail)} · one column for each step, one row for each name"
    if window:
        title += f" · steps {shown[0].t} to {shown[-1].t} of {len(rail.steps)}"
    for k, note in enumerate([title, *notes]):
        picture.line((-56, y - 40 - 15 * k), note, 9, GREY)
    return _paged(Drawing(picture.write(), "neato", title), graph, follow=follow, window=window, labels=labels)


def _every(columns: int, wide: float) -> int:
    """How many steps there are from one number on the time axis to the next."""
    return next(n for n in (10, 20, 50, 100, 200, 500, 1000, 10**9) if n * wide >= 24)


VIEWS: dict[str, Callable[..., Drawing]] = {
    "time": _time, "ops": _ops, "cells": partial(_time, view="cells"), "rolled": partial(_time, view="rolled"),
    "strip": _strip,
}  # fmt: skip

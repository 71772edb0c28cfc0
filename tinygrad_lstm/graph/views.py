"""What a person asks for: `draw(loss)` in one of several views."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from ..flow.trace import Trace, trace
from ..tensor import Tensor
from .capture import Edge, Graph, norm, place_of
from .dot import FONT, GREY, INK, LOOKS, NUMBER, Picture, Scale, digits, quoted, small, tooltip
from .layout import Unrolled
from .render import Drawing
from .steps import MOVES, Rail, rails_of

BUDGET = 400  # tensors in one picture; above it neither dot nor a reader finds the way
STRIP = 1100.0  # points that a strip may be wide before its columns become narrow

Window = tuple[int, int] | None


def draw(
    what: Tensor | Trace, *, view: str = "time", follow: str | None = None, steps: Window = None,
    show: Iterable[str] = ("shape", "grad"), backward: bool = True, labels: Sequence[str] | None = None,
) -> Drawing:  # fmt: skip
    """A picture of what led to a tensor and, over it, of the gradient that travels back.

    Args:
        what: a loss, which is traced (no `.grad` is touched); a trace; or any tensor, drawn without gradients.
        view: "time", the steps of an RNN, LSTM or GRU side by side; "ops", every op of a small graph;
            "strip", one coloured column for each step.
        follow: "C" or "h": bring that path forward and grey the rest (time).
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
    if not isinstance(what, Tensor | Trace):
        raise TypeError(f"draw: a tensor or a trace is drawn, not {type(what).__name__}.")
    tensor = what.root if isinstance(what, Trace) else what
    if view == "ops":  # counted before it is traced: a graph that is too large is refused at once
        _chosen(Graph.of(what), steps)
    if not backward:
        graph = Graph([tensor])
    elif isinstance(what, Tensor) and what.size == 1 and what.requires_grad:
        graph = Graph.of(trace(what))
    else:
        graph = Graph.of(what)
    return VIEWS[view](graph, follow=follow, window=steps, show=show, labels=labels)


def _check_window(window: Window) -> None:
    if window is not None and not (len(window) == 2 and 1 <= window[0] <= window[1]):
        raise ValueError(f"draw: steps={window} should be (first, last), counted from 1, as in steps=(1, 8).")


# — time ————————————————————————————————————————————————————————————————————————————————————————————————


def _time(graph: Graph, *, follow: str | None, window: Window, show: Collection[str], labels: Any) -> Drawing:
    rails, notes = _layers(graph)
    first, last = window or (1, rails[-1].steps[-1].t)
    times = [step.t for step in rails[-1].steps]
    if not any(first <= t <= last for t in times):
        raise ValueError(f"draw: steps={window} are none of this graph's, which are {times[0]} to {times[-1]}.")
    cell = rails[-1].cell
    if follow is not None and follow not in cell.follow:
        raise ValueError(f"draw: follow={follow!r} is no path of this {cell.title}. Paths: {', '.join(cell.follow)}.")
    root = graph.roots[0]
    value = f" = {digits(root.item())}" if root.size == 1 else f" of shape {root.shape}"
    way = "gradients flow back from" if graph.trace else "forward only, to"
    layers = f" · {len(rails)} layers, the first below" if len(rails) > 1 else ""
    which = f"steps {max(first, times[0])} to {min(last, times[-1])} of " if window else ""
    title = f"{_named(rails[-1])} · {which}{len(times)} steps{layers} · {way} L{value}"
    if follow:
        title += f" · the path of {follow}"
    if labels is not None and len(labels) != times[-1]:
        raise ValueError(f"draw: {len(labels)} labels for {times[-1]} steps; there must be one for each.")
    unrolled = Unrolled(
        graph, rails, first=first, last=last, follow=follow, show=show, notes=[title, *notes], labels=labels
    )
    return Drawing(unrolled.picture.write(), "neato", title)


def _named(rail: Rail) -> str:
    return f"{rail.cell.title} “{rail.root}”" if rail.root else rail.cell.title


def _layers(graph: Graph) -> tuple[list[Rail], list[str]]:
    """The layers to draw, one above the other, and what there is to say about those that are not drawn."""
    rails = rails_of(graph)
    if not rails:
        raise ValueError("draw: no time steps of an RNN, LSTM or GRU lead to this tensor. Try view='ops'.")
    roots = list(dict.fromkeys(rail.root for rail in rails))
    notes = [f"not drawn: “{root}”; draw its own output to see it" for root in roots[:-1]]
    mine = [rail for rail in rails if rail.root == roots[-1]]
    forward = [rail for rail in mine if not rail.name.endswith("/backward")] or mine
    if len(forward) < len(mine):
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
            "Try view='time' or view='strip', or fewer steps: steps=(1, 1)."
        )
    return chosen


def _kind(graph: Graph, tensor: Tensor) -> str:
    if tensor.op is None:
        return "state" if tensor.requires_grad else "table"
    name = tensor.op.name
    if name in ("add", "sub", "mul", "div", "neg", "power"):
        return "point"
    if name == "matmul":
        return "linear"
    if name in MOVES or name in ("concat", "stack", "embed"):
        return "join"
    return "gate" if name in ("sigmoid", "tanh", "relu", "hard_sigmoid", "leaky_relu", "softplus") else "act"


def _ops(graph: Graph, *, follow: str | None, window: Window, show: Collection[str], labels: Any) -> Drawing:
    chosen = _chosen(graph, window)
    ids = {tensor.birth: f"n{k}" for k, tensor in enumerate(chosen)}
    rooms: dict[Any, Any] = {}
    for tensor in chosen:
        inside = rooms
        for part in _room(graph, tensor).split("/"):
            inside = inside.setdefault(part, {}) if part else inside
        inside[tensor.birth] = _box(graph, tensor, ids[tensor.birth], show)
    edges = [edge for edge in graph.edges if edge.x.birth in ids and edge.out.birth in ids]
    shares = [graph.share([edge]) for edge in edges]
    scale = Scale(shares)
    arrows = [_arrow(graph, edge, share, scale, ids, show) for edge, share in zip(edges, shares, strict=True)]
    title = f"{len(chosen)} tensors, {len(edges)} edges"
    if window:
        title = f"steps {window[0]} to {window[1]} of {graph!r}"
    lines = [
        "digraph G {",
        f'graph [rankdir=LR, nodesep=0.22, ranksep=0.35, bgcolor=white, pad=0.15, fontname="{FONT}", fontsize=9, '
        f'fontcolor="{INK}", labelloc=b, labeljust=l, label={quoted(title, cut=200, left=True)}]',
        f'node [fontname="{FONT}", fontsize=10, fontcolor="#212529", shape=box, style="filled,rounded", '
        'height=0.3, margin="0.1,0.05"]',
        f'edge [fontname="{FONT}", fontsize=8, fontcolor="{NUMBER}", arrowsize=0.6, color="{INK}"]',
        *_clusters(rooms),
        *arrows,
        *(_legend(scale) if graph.trace else []),
        "}",
        "",
    ]
    return Drawing("\n".join(lines), "dot", title)


def _room(graph: Graph, tensor: Tensor) -> str:
    """Where a tensor is drawn: in its scope; a leaf with all that use it, where these are together."""
    scopes = {edge.out.scope for edge in graph.users(tensor)} if tensor.op is None else set()
    return scopes.pop() if len(scopes) == 1 else tensor.scope


def _box(graph: Graph, tensor: Tensor, me: str, show: Collection[str]) -> str:
    name, made = tensor.name or "", tensor.op.label if tensor.op else ""
    lines = [f"{name} = {made}" if name and made else name or made or ("leaf" if tensor.requires_grad else "constant")]
    if tensor.size == 1:
        lines.append(f"data {digits(tensor.item())}")
    elif "shape" in show:
        lines.append(str(tensor.shape))
    gradient = graph.grad(tensor)
    if "grad" in show and (graph.trace is not None or gradient is not None or tensor.requires_grad):
        if gradient is not None and tensor.size == 1:
            lines.append(f"grad {digits(float(gradient.item()))}")
        else:
            lines.append(f"‖grad‖ {digits(norm(gradient))}" if tensor.size > 1 else "grad –")
    _, _, _, fill, border = LOOKS[_kind(graph, tensor)]
    return (
        f'{me} [id={me}, class={_kind(graph, tensor)}, label={quoted(*lines)}, fillcolor="{fill}", color="{border}", '
        f"tooltip={tooltip(tensor.describe())}]"
    )


def _arrow(
    graph: Graph, edge: Edge, share: float | None, scale: Scale, ids: dict[int, str], show: Collection[str]
) -> str:  # fmt: skip
    assert edge.out.op is not None
    start = f"{ids[edge.x.birth]} -> {ids[edge.out.birth]} [id=e{ids[edge.out.birth][1:]}_{edge.k}"
    if share is None or graph.trace is None:
        return f"{start}, class=forward]"
    number = share
    if edge.x.size == 1:  # a single number has a sign
        array = graph.trace.inputs(edge.out)[edge.k].share
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


def _legend(scale: Scale) -> Iterable[str]:
    """The colours and their numbers as one node; a table in graphviz's own HTML, with nothing in it but our numbers."""
    cells = "".join(
        f'<TD BGCOLOR="{scale.colour(mark)}"><FONT COLOR="{"#ffffff" if scale.level(mark) > 0.6 else INK}">'
        f"{digits(float(f'{mark:.2g}'))}</FONT></TD>"
        for mark in scale.marks()
    )
    table = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3"><TR><TD>‖∂L/∂·‖</TD>{cells}</TR></TABLE>'
    yield f'legend [shape=plaintext, style="", fontsize=8, label=<{table}>]'


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
    return Drawing(picture.write(), "neato", title)


def _every(columns: int, wide: float) -> int:
    """How many steps there are from one number on the time axis to the next."""
    return next(n for n in (10, 20, 50, 100, 200, 500, 1000, 10**9) if n * wide >= 24)


VIEWS: dict[str, Callable[..., Drawing]] = {"time": _time, "ops": _ops, "strip": _strip}

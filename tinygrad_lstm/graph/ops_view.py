"""The view of all ops of a small graph: the only one whose places graphviz finds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from html import escape
from typing import Any, NamedTuple

from ..flow.edge import Edge
from ..flow.recurrence import place_of
from ..spoken import columns, said
from ..tensor import Tensor
from .capture import Graph, amount
from .dot import FONT, quoted, tooltip
from .page import page_of_ops
from .picture import INK, LOOKS, NUMBER, Scale, cleaned, digits, small
from .render import Drawing
from .roles import kind_of
from .sheets import Sheet

FOLD = 24  # tensors of a forward pass that are drawn beside its gradient; more are folded
BUDGET = 400  # tensors in one picture; above it neither dot nor a reader finds the way
Window = tuple[int, int] | None
Rooms = dict[str, Any]  # by name: a statement, or the rooms inside


class OpsGraph(NamedTuple):
    """What is drawn: the tensors with their ids, the edges with what flows along them, and on which scale."""

    graph: Graph
    tensors: list[Tensor]
    ids: dict[int, str]  # by birth
    edges: list[tuple[Edge, float | None]]
    scale: Scale
    show: Collection[str]


def has_steps(graph: Graph) -> bool:
    """Whether anything was made in a time step."""
    return any(place_of(tensor.scope) for tensor in graph.tensors)


def chosen(graph: Graph, window: Window) -> list[Tensor]:
    """The tensors to draw: all, or those made in some steps and what these were made from."""
    tensors = graph.tensors
    if window is not None:
        places = {tensor.birth: place_of(tensor.scope) for tensor in tensors}
        inside = [x for x in tensors if (place := places[x.birth]) and window[0] <= place.t <= window[1]]
        near = {x.birth: x for tensor in inside for x in (*graph.inputs(tensor), tensor)}
        tensors = [near[birth] for birth in sorted(near)]
        if not inside:
            raise ValueError(f"draw: nothing in this graph was made in steps {window[0]} to {window[1]}.")
    if len(tensors) > BUDGET:
        raise ValueError(
            f"draw: {len(tensors):,} tensors are too many for view='ops', which shows at most {BUDGET}. "
            + ("Try view='time' or view='strip', or fewer steps: steps=(1, 1)." if has_steps(graph)
               else "Draw a tensor on the way to it, or steps=(1, 1) of what was made in scope('t=1').")
        )
    return tensors


def ops_drawing(graph: Graph, window: Window, show: Collection[str]) -> Drawing:
    """The drawing of all ops, or of those of some steps; with a page where there is a gradient."""
    tensors = chosen(graph, window)
    births = {tensor.birth for tensor in tensors}
    gradient = graph.gradients & births
    folded = len(births - gradient) > FOLD if gradient else False
    drawn = [tensor for tensor in tensors if not folded or tensor.birth in gradient]
    ids = {tensor.birth: f"n{k}" for k, tensor in enumerate(drawn)}
    edges = [edge for edge in graph.edges if edge.x.birth in births and edge.out.birth in ids]
    shares = [graph.share([edge]) for edge in edges]
    shown = OpsGraph(graph, drawn, ids, list(zip(edges, shares, strict=True)), Scale(shares), show)
    title = _title(shown, window, gradient, births, folded)
    drawing = Drawing(_dot(shown, title), "dot", title)
    if graph.trace is not None:
        root = graph.roots[0]
        name = cleaned(root.name, 24) if root.name else "L"
        called = said("{name}, {n} tensors", name=name, n=len(drawn))
        numbered = {ids[x.birth] for x in drawn if "grad" in show and _known(graph, x)}
        sheet = Sheet(called, graph, [])
        drawing.page = lambda: page_of_ops(sheet, drawing.svg(), ids, shown.edges, shown.scale, numbered)
    return drawing


def _title(shown: OpsGraph, window: Window, gradient: set[int], births: set[int], folded: bool) -> str:
    graph, root = shown.graph, shown.graph.roots[0]
    what = f"{root.name or ('L' if graph.trace else 'y')}{f' = {digits(root.item())}' if root.size == 1 else ''}"
    title = said("{n} tensors, {m} edges", n=len(births), m=len(shown.edges))
    if window:
        one = window[0] == window[1]
        title = said("step {first} of " if one else "steps {first} to {last} of ", first=window[0], last=window[1])
        title += repr(graph)
    elif gradient:
        own, plain = len(gradient), len(births - gradient)
        title = said("a gradient, computed by {n} tensors from {m} of the forward pass", n=own, m=plain)
        title += said(" (grey: its values)") if folded else ""
    if graph.trace:
        title += said(" · gradients flow back from {what}", what=what)
        title += said(" · on an arrow: the rule, and what it sends") if "grad" in shown.show else ""
    return title


def _dot(shown: OpsGraph, title: str) -> str:
    """The DOT text, without places."""
    graph, ids, rooms = shown.graph, shown.ids, Rooms()
    for tensor in shown.tensors:
        _enter(rooms, _room(graph, tensor), ids[tensor.birth], _box(graph, tensor, ids[tensor.birth], shown.show))
    arrows = []
    for edge, share in shown.edges:
        start = ids.get(edge.x.birth)
        if start is None:  # a value of the forward pass: a small copy for each use
            start = f"v{ids[edge.out.birth][1:]}_{edge.k}"
            _enter(rooms, _room(graph, edge.out), start, _value(graph, edge.x, start))
        arrows.append(_arrow(graph, edge, share, shown.scale, start, ids[edge.out.birth], shown.show))
    return "\n".join([
        "digraph G {",
        f'graph [rankdir=LR, nodesep=0.22, ranksep=0.35, bgcolor=white, pad=0.15, fontname="{FONT}", fontsize=9, '
        f'fontcolor="{INK}", labelloc=b, labeljust=l, label={_caption(title, shown.scale if graph.trace else None)}]',
        f'node [fontname="{FONT}", fontsize=10, fontcolor="#212529", shape=box, style="filled,rounded", '
        'height=0.3, margin="0.1,0.05"]',
        f'edge [fontname="{FONT}", fontsize=8, fontcolor="{NUMBER}", arrowsize=0.6, color="{INK}"]',
        *_clusters(rooms),
        *arrows,
        "}",
        "",
    ])  # fmt: skip


def _enter(rooms: Rooms, scope: str, me: str, statement: str) -> None:
    """Put a node into the cluster of a scope."""
    for part in scope.split("/"):
        rooms = rooms.setdefault(part, {}) if part else rooms
    rooms[me] = statement


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
        text = digits(tensor.item()) if tensor.size == 1 else said("constant")
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
    bare = said("leaf" if tensor.requires_grad else "constant")
    if not tensor.requires_grad and tensor.size > 1 and bool((tensor.numpy() == 1).all()):
        bare = said("ones")
    lines = [f"{name} = {made}" if name and made else name or made or bare]
    if tensor.size == 1:
        lines.append(f"{said('data')} {digits(tensor.item())}")
    elif "shape" in show:
        lines.append(str(tensor.shape))
    gradient = graph.grad(tensor)
    if "grad" in show and _known(graph, tensor):
        size = digits(amount(gradient))
        lines.append(f"{said('grad')} {size}" if tensor.size == 1 else f"‖{said('grad')}‖ {size}")
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
    number = amount(graph.trace.edge(edge.out, edge.k).share) if edge.x.size == 1 else share
    formula = formula_of(graph, edge)
    label = f", label={quoted(formula, digits(number), ' ')}" if "grad" in show else ""  # the last line: clear of it
    dashed = ", style=dashed" if scale.below(share) else ""
    return (
        f'{start}, class=gradient, dir=back, color="{scale.colour(share)}", penwidth={scale.width(share) * 0.6:.2f}'
        f"{dashed}{label}, edgetooltip={tooltip(f'{formula} = {digits(number)}')}]"
    )


def formula_of(graph: Graph, edge: Edge) -> str:
    """The rule of an edge in the names of this graph: `dy · b` of f · e is "∂L/∂L · f" where these are its nodes.

    A number without a name is written as it is, an array without one as "…".
    """
    op, out = edge.out.op, edge.out
    assert op is not None
    names = {} if op.variadic else dict(zip(op.inputs, map(_operand, graph.inputs(out)), strict=False))
    y = cleaned(out.name or "y", 16)
    names |= {"y": y, "dy": (f"∂L/∂({y})" if "/" in y else f"∂L/∂{y}") if out.name else "dy"}
    rule = said(op.formula(edge.k))
    return re.sub(r"(?<![A-Za-z])(dy|[a-z]+)(?![A-Za-z])", lambda word: names.get(word[0], word[0]), rule)


def _operand(x: Tensor) -> str:
    if x.name:
        return cleaned(x.name, 16)
    return (digits(x.item()) if x.item() >= 0 else f"({digits(x.item())})") if x.size == 1 else "…"


def _clusters(rooms: Rooms, path: str = "") -> Iterable[str]:
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
    room = "\u00a0" * (columns(title) - len(title))  # the engine takes a character of Chinese for a narrow one
    text = escape(cleaned(title, 200)) + room
    cells = "".join(
        f'<TD BGCOLOR="{scale.colour(mark)}"><FONT COLOR="{"#ffffff" if scale.level(mark) > 0.6 else INK}">'
        f"{digits(float(f'{mark:.2g}'))}</FONT></TD>"
        for mark in scale.marks()
    )
    legend = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3"><TR><TD>‖∂L/∂·‖</TD>{cells}</TR></TABLE>'
    rows = f'<TR><TD ALIGN="LEFT">{legend}</TD></TR><TR><TD ALIGN="LEFT">{text}</TD></TR>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2">{rows}</TABLE>>'

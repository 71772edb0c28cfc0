"""One step of a state's ledger as a picture: what came to the state before it, each way in a colour of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..flow.flow import Flow
from ..flow.plot import COLOURS
from ..flow.trace import Trace
from ..spoken import said
from ..tensor import Array, Tensor
from .capture import Graph, norm
from .dot import dot_of
from .fitting import enlarge
from .layers import layers_of
from .layout import Unrolled, View
from .picture import GREY, INK, Point, Scale, digits, small
from .placing import place
from .render import Drawing
from .roles import Rail

Ways = set[tuple[int, int]]  # edges: the births of an input and of what was made from it
SHARED = INK  # of an edge on which several ways run together
SPARE = ("#a6761d", "#1f78b4", "#e6ab02", "#666666")  # for names that COLOURS has not
SIZE, LEAST = 12.0, 11.1  # of the values, which the picture is for, and of any text


class Tint(Scale):
    """A scale of widths alone, in one colour."""

    def __init__(self, scale: Scale, tint: str) -> None:
        self.high, self.low, self.tint = scale.high, scale.low, tint

    def colour(self, value: float) -> str:
        return self.tint

    def width(self, value: float) -> float:
        return 4.0 + 5.0 * self.level(value)  # the colour shows beside the thin line of the way forward


def ledger_drawing(
    graph: Graph, follow: str | None, step: int | None, labels: Sequence[str] | None = None, ground: str = "white"
) -> Drawing:
    """The terms of `Flow.ledger(step)`, by default of the last step, of the state `follow` ("C" where there is one).

    Raises ValueError where there is no gradient, no such state, no such step, or not one label for each step.
    """
    rail = layers_of(graph)[0][-1]
    if graph.trace is None:
        raise ValueError("draw: a ledger splits a gradient: give it a loss (a single number) or a trace.")
    state = follow or ("C" if "C" in rail.cell.follow else next(iter(rail.cell.follow), "h"))
    if state not in rail.cell.follow:
        there = ", ".join(rail.cell.follow)
        raise ValueError(f"draw: follow={state!r} is no state of this {rail.cell.title}. States: {there}.")
    flow = graph.trace.flow(state, layer=rail.name)
    t = flow.end if step is None else step
    if not 1 <= t <= flow.T:
        raise ValueError(f"draw: there is no step {t} whose ledger could be drawn; steps run from 1 to {flow.T}.")
    if labels is not None and len(labels) != len(rail.steps):
        raise ValueError(f"draw: {len(labels)} labels for {len(rail.steps)} steps; there must be one for each.")
    return _drawn(graph, rail, flow, t, labels, ground)


def _drawn(
    graph: Graph, rail: Rail, flow: Flow[Trace], t: int, labels: Sequence[str] | None, ground: str
) -> Drawing:  # fmt: skip
    prior, terms = flow.recurrence.prior(t), flow.ledger(t)
    ways = ways_of(graph, flow, t)
    first, last = (t, t) if prior in (0, flow.T + 1) else sorted((prior, t))
    one = place(Unrolled(graph, [rail], View(first, last, None, (), labels)))
    spare = iter(SPARE)
    colours = {name: COLOURS.get(name) or next(spare, GREY) for name in terms}
    lengths = {name: norm(term) or 0.0 for name, term in terms.items()}
    scale, straight = Scale(lengths.values()), dict[str, list[Point]]()
    for line in one.lines:
        births = {(edge.x.birth, edge.out.birth) for edge in line.edges}
        on = [name for name in terms if births & ways[name]]
        share = (norm(sum((terms[name] for name in on[1:]), terms[on[0]])) or 0.0) if on else None
        tint = Tint(scale, colours[on[0]] if len(on) == 1 else SHARED) if on else None
        hover = f"{line.hover} · {said(', ').join(map(said, on)) or said('on none of the ways')}"
        one.picture.wire(line.a, line.b, line.corners, share=share, scale=tint, faint=not on, hover=hover)
        if on == [flow.direct] or on == ["readout"]:
            straight[on[0]] = line.corners
    _near(one, t, terms, straight)
    title = _below(one, flow, t, terms, colours)
    enlarge(one.picture, LEAST)
    return Drawing(dot_of(one.picture, ground), "neato", title)


def ways_of(graph: Graph, flow: Flow[Trace], t: int) -> dict[str, Ways]:
    """For each term of the ledger the edges of its ways, as births: from the states of step t to the state before."""
    prior = flow.recurrence.prior(t)
    target, named = flow.made(prior), flow.named(t)
    inner = [x for x in named if x.name in flow.gates]
    states = [x for x in named if x.name not in flow.gates]
    mine = flow.recurrence.called(flow.name, t)
    arrive = _between(graph, states, mine, inner)
    ways = {flow.direct: arrive | _between(graph, mine, [target], named), "readout": Ways()}
    for x in [target, *(y for y in flow.recurrence.steps.get(prior, []) if y.birth > target.birth)]:
        outside = {(x.birth, edge.out.birth) for edge in graph.users(x) if flow.at(edge.out) not in (prior, t)}
        if outside:
            ways["readout"] |= outside | _between(graph, [x], [target], [])
    for gate in flow.gates:
        sources = flow.recurrence.called(gate, t)
        sent = _between(graph, sources, [target], named)
        ways[gate] = sent and sent | _between(graph, states, sources, [])
    return ways


def _between(graph: Graph, sources: list[Tensor], targets: list[Tensor], stop: Iterable[Tensor]) -> Ways:
    """The edges on the ways from the sources back to the targets, on which no tensor of `stop` is passed."""
    ends, closed = {x.birth for x in targets}, {x.birth for x in stop} - {x.birth for x in targets}
    waiting, seen = list(sources), dict[int, Tensor]()
    while waiting:
        x = waiting.pop()
        if x.birth not in seen and x.birth >= min(ends, default=0):
            seen[x.birth] = x
            if x.birth not in ends:
                waiting += [y for y in graph.inputs(x) if y.birth not in closed]
    edges, on = Ways(), ends & set(seen)
    for birth in sorted(set(seen) - ends):
        found = {(x.birth, birth) for x in graph.inputs(seen[birth]) if x.birth in on}
        if found:
            on.add(birth)
            edges |= found
    return edges


def _valued(term: Array) -> str:
    """A single number with its sign, the norm of more."""
    return f"{term.item():+.3g}" if term.size == 1 else digits(norm(term))


def _near(one: Unrolled, t: int, terms: dict[str, Array], straight: dict[str, list[Point]]) -> None:
    """The values beside what they belong to; in a cell that nobody placed only the table below has room for them."""
    row = one.rows[-1]
    for name, term in () if row.cell.sizes else terms.items():
        if name in row.cell.nodes:
            x, y, _ = row.cell.nodes[name]
            one.picture.text(row.slot(t).at(x - 36, y + 28), _valued(term), size=SIZE, colour=INK)
        elif name in straight:
            (x, y), (u, v) = straight[name][-2:]
            if name == "readout":
                one.picture.line((u + 9, v + math.copysign(18, y - v)), f"{said('readout')} {_valued(term)}", SIZE)
            elif name == "highway":
                one.picture.text((u - 29, v + 19), said(name), _valued(term), size=SIZE, colour=INK)


def _below(one: Unrolled, flow: Flow[Trace], t: int, terms: dict[str, Array], colours: dict[str, str]) -> str:
    """The table of the terms, and their sum; returns the title."""
    picture, total = one.picture, np.sum([*terms.values()], axis=0)
    left, low, *_ = picture.extent()
    scalar, square = total.size == 1, float((total * total).sum())
    name = f"∂L/∂{flow.name if len(flow.name) < 4 else 's'}{small(flow.recurrence.prior(t))}"
    title = said("{name} = {value} is the sum of {n} terms", name=name, value=_valued(total), n=len(terms))
    if not scalar:
        title = "‖{name}‖ = {value}: the norms of its {n} terms, and their shares along the sum"
        title = said(title, name=name, value=_valued(total), n=len(terms))
    y = low - 34
    picture.line((left, y), title, SIZE)
    for k, (term, values) in enumerate(terms.items()):
        x, row = left + 190 * (k % 3), y - 28 - 26 * (k // 3)
        picture.tile((x + 14, row), (28, 10), colours[term])
        share = "" if scalar or not square else f", {float((values * total).sum()) / square:.0%}"
        shown = said(term) if term in (flow.direct, "readout") else said("through {gate}", gate=term)
        picture.line((x + 34, row), f"{shown} {_valued(values)}{share}", SIZE)
    shared = said("black: where several of them run together")
    picture.line((left, y - 28 - 26 * ((len(terms) + 2) // 3)), shared, 11, GREY)
    return title

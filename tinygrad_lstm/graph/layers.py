"""Which layers of a graph are drawn, one above the other, and what is said about the others."""

from __future__ import annotations

from ..spoken import said
from .capture import Graph
from .roles import Rail, rails_of


def titled(rail: Rail) -> str:
    """The kind of cell, and the name of its layer where it has one."""
    kind = said(rail.cell.title)
    return f"{kind} “{rail.root}”" if rail.root else kind


def layers_of(graph: Graph, *, named: bool = False, both: bool = False) -> tuple[list[Rail], list[str]]:
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
    notes = [said("not drawn: “{root}”; draw its own output to see it", root=root) for root in roots[:-1]]
    mine = [rail for rail in rails if rail.root == roots[-1]]
    forward = [rail for rail in mine if not rail.name.endswith("/backward")] or mine
    if len(forward) < len(mine):
        above = said(" of {n}, the last,", n=len(forward)) if len(forward) > 1 else ""
        if both and mine[-1].way < 0 and len(mine[-1].steps) == len(forward[-1].steps) > 1:
            both_ways = "bidirectional: layer{above} forward above and backward below, where time runs to the left"
            notes.append(said(both_ways, above=above))
            return [mine[-1], forward[-1]], notes
        notes.append(said("bidirectional: the forward direction of the last layer is drawn"))
        forward = forward[-1:]
    times = [[step.t for step in rail.steps] for rail in forward]
    if any(other != times[-1] for other in times) or len({rail.cell.title for rail in forward}) > 1:
        notes.append(said("the last of {n} layers is drawn: the others have other steps", n=len(forward)))
        forward = forward[-1:]
    if forward[-1].calls > 1:
        notes.append(said("called {n} times: the last call is drawn", n=forward[-1].calls))
    return forward, notes

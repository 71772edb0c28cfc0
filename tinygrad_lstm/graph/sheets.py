"""One or several unrolled graphs as one finished picture: edges and numbers on one scale, tables and legend below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..spoken import said
from .capture import Graph, amount
from .cells import CellPlan
from .layout import GAP, Unrolled, View, between, widths_of
from .picture import GREY, NUMBER, Picture, Scale, digits
from .placing import place
from .roles import Rail
from .routes import beside

ROW = 104  # points between the rows of one graph


class Sheet(NamedTuple):
    """One graph of a picture or page: its name, its layers, what there is to say about it, and whose loss it is."""

    name: str
    graph: Graph
    rails: list[Rail]
    notes: Sequence[str] = ()
    answer: Sequence[str] = ()


def stacked(sheets: Sequence[Sheet], view: View) -> list[Unrolled]:
    """Several graphs in one picture, the first at the top, each step in the same column."""
    pitch = max(width for sheet in sheets for width in widths_of(sheet.rails, view.first, view.last)) + GAP
    steps = {step.t for sheet in sheets for step in sheet.rails[-1].steps}
    times = tuple(t for t in sorted(steps) if view.first <= t <= view.last)
    unrolled: list[Unrolled] = []
    for sheet in reversed(sheets):
        under = unrolled[0] if unrolled else None
        name = sheet.name if len(sheets) > 1 else ""
        one = Unrolled(sheet.graph, sheet.rails, view._replace(times=times, pitch=pitch), name, under, sheet.answer)
        unrolled.insert(0, place(one))
    return unrolled


def scale_of(unrolled: Sequence[Unrolled]) -> Scale | None:
    """The scale of all gradients; None where there are none."""
    if not any(one.backward for one in unrolled):
        return None
    return Scale(share for one in unrolled for line in one.lines for share in line.shares)


def wrapped(sheet: Sheet, view: View, per: int) -> list[Unrolled]:
    """One graph in rows of so many steps, the first at the top; a row begins with the states that the last one left."""
    ends = [(t, min(t + per - 1, view.last)) for t in range(view.first, view.last + 1, per)]
    rows: list[Unrolled] = []
    for first, last in reversed(ends):
        under = rows[0] if rows else None
        one = Unrolled(sheet.graph, sheet.rails, view._replace(first=first, last=last), "", under, sheet.answer, ROW)
        rows.insert(0, place(one))
    return rows


def finished(
    unrolled: Sequence[Unrolled], notes: Iterable[str] = (), *, parameters: bool = True, legend: bool = True,
    loose: bool = False,
) -> Picture:  # fmt: skip
    """The picture with the edges of all, on one scale; below stand parameters, legend and notes.

    `loose`: with room for larger text.
    """
    picture, scale = unrolled[0].picture, scale_of(unrolled)
    for one in unrolled:
        _connect(one, scale)
    y = min(at[1] - size[1] / 2 for one in unrolled for at, size in one.places.values()) - 62
    for one in {one.graph: one for one in unrolled}.values() if parameters else ():
        y = _table(one, y)
    if scale is not None and legend:
        picture.legend((0, y), scale, "‖∂L/∂·‖", 76 if loose else 48)
        y -= 42
    for note in notes:
        picture.line((0, y), note)
        y -= 22 if loose else 15
    return picture


def _connect(one: Unrolled, scale: Scale | None) -> None:
    """Draw the edges, and the numbers."""
    for line in one.lines:
        one.picture.wire(
            line.a, line.b, line.corners, share=line.share, scale=scale, faint=not line.on_path, single=one.long,
            hover=line.hover and f"{line.hover} · {said('gradient')} {between(line.shares)}",
        )  # fmt: skip
        known = any(share is not None for share in line.shares)
        if line.number and known and not one.long and one.shows("grad") and line.on_path:
            at = line.number[0], line.number[1] + 5 * (len(line.shares) > 1)
            of = beside(line.corners, line.number)
            one.picture.text(at, *_range(line.prefix, line.shares), colour=NUMBER, of=of)
    for (x, y), what, tensor in one.totals if one.shows("grad") else ():
        told = _range(f"{what} ", one.norms(tensor))
        side = _side(one.rails[-1].cell, tensor.name or "")
        one.picture.text((x, y + 5 * one.view.rolled), *told, colour=NUMBER, of=side)


def _side(cell: CellPlan, name: str) -> str:
    """On which side of its state a whole gradient keeps: over a line that runs on, left over a node, or right below."""
    if name in cell.lines or name not in cell.nodes:
        return "above"
    return "over" if cell.totals[name][1] > cell.nodes[name][1] else "start"


def _range(prefix: str, norms: list[float | None]) -> list[str]:
    """One number, or for many steps the smallest above the largest."""
    low, _, high = between(norms).partition(" … ")
    return [f"{prefix}{low} …", high] if high else [f"{prefix}{low}"]


def _whose(one: Unrolled, k: int, rail: Rail) -> str:
    """Which graph, layer or direction parameters belong to, where there are several."""
    if one.rails[0].way != one.rails[-1].way:
        return said(" of the forward direction" if rail.way > 0 else " of the backward direction")
    layer = said(" of layer {k}", k=k) if len(one.rails) > 1 else ""
    return (said(" of {name}", name=one.name) if one.name else "") + layer


def _table(one: Unrolled, y: float) -> float:
    """One gradient for each parameter: it is shared by all steps, which all add to it. Where the next may begin."""
    wide, high = 70.0, 32.0
    across = max(4, int((one.pitch * len(one.column)) // (wide + 6)))
    for k, rail in reversed(list(enumerate(one.rails, 1))):
        used = {p.birth: p for step in rail.steps for role in step.parameters.values() for p in role.values()}
        if not used:
            continue
        sizes = {min(parameter.size, 2) for parameter in used.values()}
        what = said(", of a single number ").join({2: "‖∂L/∂·‖", 1: "∂L/∂·"}[k] for k in sorted(sizes, reverse=True))
        graded = "grad" in one.view.show
        told = said(" and ").join([said("shape")] * one.shows("shape") + [what] * graded)
        head = "parameters{whose}, shared by all steps: {told}" if told else "parameters{whose}, shared by all steps"
        one.picture.line((0, y + 14), said(head, whose=_whose(one, k, rail), told=told), 9, GREY)
        y -= 14
        for number, birth in enumerate(sorted(used)):
            parameter = used[birth]
            name = parameter.name or "?"
            at = (wide / 2 + (number % across) * (wide + 6), y - (number // across) * (high + 6))
            top = f"{name}  {'×'.join(map(str, parameter.shape))}" if one.shows("shape") else name
            lines = [top, digits(amount(one.graph.grad(parameter)))] if graded else [top]
            hover, size = parameter.describe(), (wide, high)
            one.picture.box(at, "table", *lines, hover=hover, size=size, fontsize=8)
        y -= (-(-len(used) // across)) * (high + 6) + 10
    return y

"""What reads a state outside of the layer: the head and the loss, folded into one box."""

from __future__ import annotations

from collections.abc import Sequence

from ..flow.edge import Edge
from ..flow.recurrence import place_of
from ..spoken import said
from ..tensor import Tensor
from .capture import Graph
from .layout import LayerRow, Line, Unrolled
from .nodes import node
from .picture import INK, LOOKS, Point
from .roles import StepRoles
from .routes import Slot, corners_of, trimmed

Reading = tuple[list[Edge], list[float | None], bool]  # edges, shares, whether the last step alone is read


def readout(row: LayerRow, step: StepRoles, name: str, tensor: Tensor, ids: dict[str, str]) -> None:
    """The last state at the right, and an arrow to what reads a state."""
    sheet, cell, slot = row.sheet, row.cell, row.slot(step.t)
    outside, later = _users(row, step, tensor)
    shares = [sheet.graph.share(outside)]
    start, lit = ids.get(f"{name} pad") or ids[name], f"end {name}"
    at, _ = sheet.places[start]
    carried = name in cell.states and cell.nodes[name][2] != "state"
    final = row.ran[-1]
    if sheet.view.rolled:
        later, (outside, shares, at_the_end) = [], _read_in_all(row, name, final)
        newest, carried = final.state(name), carried and at_the_end
        tensor = tensor if newest is None else newest
    if (step is final or sheet.view.rolled) and carried:  # the last step drawn: its states stand at the right
        place = slot.at(slot.width + 62, at[1] - slot.low)
        end = node(row, place, "state", row.state_label(name, final.t), lit, tensor)
        sheet.shape(place, tensor)
        ways = [sheet.graph.share(later)] if later else shares
        _arrow(row, start, end, Line(start, end, [], later or outside, ways, name, sheet.is_lit(lit)))
        if outside and not later:  # one way to the loss: the same share flows on both parts of it
            loss = _loss(sheet, slot.at(slot.width + 167, at[1] - slot.low), step is final)
            _arrow(row, end, loss, Line(end, loss, [], outside, shares, name, sheet.is_lit(lit)), number=True)
            return
    if outside and any(share != 0 for share in shares):  # 0: the loss reads other steps alone
        if not cell.sizes:
            place = (at[0], slot.low + (cell.readout if name == "h" else cell.height + 42))
        else:
            place = slot.at(slot.width - 24, cell.height + 30 if name in cell.lines else cell.readout)
        loss = ids[f"loss {place}"] = ids.get(f"loss {place}") or _loss(sheet, place, step is final)
        _arrow(row, start, loss, Line(start, loss, [], outside, shares, name, sheet.is_lit(lit)), number=True)


def _read_in_all(row: LayerRow, name: str, final: StepRoles) -> Reading:
    """In a rolled picture: what reads a state at any step."""
    graph = row.sheet.graph
    made = [(step, x) for step in row.steps if (x := step.state(name)) is not None]
    read = {step.t: _users(row, step, x)[0] for step, x in made}
    if any(edges and graph.share(edges) != 0 for t, edges in read.items() if t != final.t):
        every = [edge for edges in read.values() for edge in edges]
        return every, [graph.share(edges) for edges in read.values() if edges], False
    last = read.get(final.t, [])
    return last, [graph.share(last)], True


def _users(row: LayerRow, step: StepRoles, tensor: Tensor) -> tuple[list[Edge], list[Edge]]:
    """The edges from a state to what reads it outside of the layer, and those to the next step."""
    graph, rails = row.sheet.graph, row.sheet.rails
    following = row.rail.after(step)
    upper = rails[row.layer + 1].at.get(step.t) if row.layer + 1 < len(rails) else None
    users = graph.users(tensor)
    later = [e for e in users if following is not None and _is_within(row, e.out, following)]
    outside = [
        edge for edge in users
        if edge.out.birth not in step.roles and not _leads_in(row, edge.out, step)
        and not (following is not None and _is_within(row, edge.out, following))
        and _is_taken(graph, edge) and (upper is None or not _feeds(graph, edge.out, upper))
    ]  # fmt: skip
    return outside, later


def _is_within(row: LayerRow, out: Tensor, step: StepRoles) -> bool:
    return out.birth in step.roles or (bool(row.cell.sizes) and _leads_in(row, out, step))


def _leads_in(row: LayerRow, out: Tensor, step: StepRoles) -> bool:
    """Whether a tensor without a role leads to one with a role, within the step (or from the step before)."""
    near, far = [out], 0
    while near and far < 6 and row.cell.sizes:
        if any(x.birth in step.roles for x in near):
            return True
        near = [e.out for x in near if place_of(x.scope) for e in row.sheet.graph.users(x)][:40]
        far += 1
    return False


def _is_taken(graph: Graph, edge: Edge) -> bool:
    """Whether the entry that an edge adds to a stack (as in `out.h`) is among those that are taken from it."""
    op, axis = edge.out.op, (edge.out.settings or {}).get("axis", 0)
    users = [user.out for user in graph.users(edge.out)]
    if op is None or op.name != "stack" or not users:
        return True
    for user in users:
        index = (user.settings or {}).get("index")
        index = index if isinstance(index, tuple) else (index,)
        if user.op is None or user.op.name != "take" or not -1 < axis < len(index):
            return True
        taken = range(edge.out.shape[axis])[index[axis]] if isinstance(index[axis], int | slice) else [edge.k]
        if edge.k in (taken if isinstance(taken, Sequence) else [taken]):
            return True
    return False


def _feeds(graph: Graph, tensor: Tensor, upper: StepRoles) -> bool:
    """Whether a tensor is in a step, or becomes its x."""
    near = [tensor]
    for _ in range(4):
        if any(x.birth in upper.roles for x in near):
            return True
        near = [edge.out for x in near for edge in graph.users(x)]
    return False


def _loss(sheet: Unrolled, at: Point, is_last: bool) -> str:
    """The box of the loss; at the end of time what the net says stands below it."""
    root = sheet.graph.roots[0]
    me = sheet.picture.box(
        at, "loss", said("loss" if root.size == 1 else "output"), faint=sheet.lit is not None,
        hover=said("everything after the layer, up to {root}", root=root.describe()),
    )  # fmt: skip
    sheet.places[me] = at, LOOKS["loss"][:2]
    if is_last and sheet.answer and not sheet.view.rolled:
        sheet.picture.text((at[0], at[1] - 20 - 5 * len(sheet.answer)), *sheet.answer, size=9, colour=INK, of="answer")
        sheet.answer = []
    return me


def _arrow(row: LayerRow, a: str, b: str, line: Line, *, number: bool = False) -> None:
    """Add a line, whose hover text is the name of a state yet, with its corners and the place of its number."""
    (p, p_size), (q, q_size) = row.sheet.places[a], row.sheet.places[b]
    corners = trimmed(corners_of(p, q, "", Slot(0, 0, 0)), p_size, q_size)
    where = None
    if number:
        (x, y), (u, v) = corners[-2:]
        where = ((x + u) / 2, y + 13) if y == v else (u - 20, v + 45) if y > v else (u + 20, v - 45)
        if row.cell.sizes and y != v:
            where = (u - 22, v + (-9 if v > y else 9))
    hover = f"{line.hover} → {said('what reads it')}"
    row.sheet.lines.append(line._replace(corners=corners, hover=hover, number=where))

"""A rolled picture: the way of a state from the end of the one step that is drawn back to its beginning."""

from __future__ import annotations

from ..flow.edge import Edge
from ..tensor import Tensor
from .layout import LayerRow, Line, between
from .nodes import node
from .picture import INK, LOOKS, Point, small
from .routes import corners_of, trimmed


def loop(
    row: LayerRow, ids: dict[str, str], ends: tuple[str, str], edges: list[Edge],
    known: list[tuple[int, float | None]], route: str,
) -> None:  # fmt: skip
    """A state's way from the end of the step to its beginning, and from the initial state; `known`: (t, share)."""
    sheet, cell, (role, to) = row.sheet, row.cell, ends
    slot, state, lit = row.slot(next(iter(sheet.column))), role[:-1], sheet.is_lit(role, to)
    first = row.ran[0]
    start = _begin(row, state, ids)
    (a, a_size), (b, b_size) = sheet.places[ids[role]], sheet.places[ids[to]]
    corners = trimmed(corners_of(sheet.places[start][0], b, route, slot), LOOKS["state"][:2], b_size)
    shares = [share for t, share in known if t == first.t]
    hover = f"{state}{small(first.t - row.rail.way)} → {to}"
    sheet.lines.append(Line(start, ids[to], corners, edges, shares, hover, lit))
    again = [share for t, share in known if t != first.t]
    if not again:
        return
    _, y = cell.states[state]
    k = list(cell.states).index(state)
    top = state in cell.lines or y > cell.height / 2
    below = cell.nodes["x"][1] - 30 if "x" in cell.nodes and "x" in ids else 4.0  # around x and its shape
    over = cell.height + 18 + 22 * k if top else below - 18 * (k + 1)
    lane = f"x{slot.width + 22:g} y{over:g} x{-30 + 8 * k} y{y:g} "
    corners = corners_of(a, b, lane + (route if route.startswith(("x", "@")) else "x"), slot)
    corners = trimmed(corners, a_size, b_size)
    sheet.lines.append(Line(ids[role], ids[to], corners, edges, again, f"{state}ₜ₋₁ → {to}", lit))
    if f"{state} loop" not in ids:
        ids[f"{state} loop"] = ""
        _times(row, state, slot.at(slot.width / 2, over + (9 if top else -9)))


def _begin(row: LayerRow, state: str, ids: dict[str, str]) -> str:
    """The node of a state before the first step."""
    me = f"{state} begins"
    if me not in ids:
        ran, role = row.ran, f"{state}-"
        tensor: Tensor = next(step.tensors[role] for step in (ran[0], ran[-1]) if role in step.tensors)
        x, y = row.cell.states[state]
        slot = row.slot(next(iter(row.sheet.column)))
        label = row.state_label(state, ran[0].t - row.rail.way)
        ids[me] = node(row, slot.at(x, y), "state", label, role, tensor)
        row.sheet.shape(slot.at(x, y), tensor)
    return ids[me]


def _times(row: LayerRow, state: str, where: Point) -> None:
    """Beside a loop: how often it is run through, and what comes back along it."""
    others = row.ran[1:]
    known = [share for step in others for role, _, _, share in row.arrows[step.t] if role == f"{state}-"]
    what = f" · {between(known)}" if row.sheet.shows("grad") else ""
    row.sheet.places[f"{state} loop"] = where, (10.0, 30.0)
    row.sheet.picture.text(where, f"{state}: × {len(others)}{what}", size=9, colour=INK, cut=60)

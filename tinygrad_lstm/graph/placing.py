"""Placing one step after the other: its boxes, where its states come from, and the lines between them."""

from __future__ import annotations

from ..flow.edge import Edge
from ..spoken import said
from ..tensor import Tensor
from .labels import box_label, input_label, role_name
from .layout import LayerRow, Line, Unrolled
from .nodes import CUT, node
from .readout import readout
from .roles import StepRoles
from .rolled import loop
from .routes import corners_of, trimmed


def place(sheet: Unrolled) -> Unrolled:
    """Place all steps, in the order in which they ran, the layers from below."""
    for row in sheet.rows:
        for step in row.drawn[:: row.rail.way]:
            _place_step(row, step)
    sheet.entitle()
    return sheet


def _place_step(row: LayerRow, step: StepRoles) -> None:
    sheet, slot, view = row.sheet, row.slot(step.t), row.sheet.view
    ids, inside, entries = dict[str, str](), list[str](), list[tuple[str, Tensor]]()
    below = sheet.roles.get((row.layer - 1, step.t), {})
    for role, tensor in step.tensors.items():
        if view.rolled:
            sheet.again[tensor.birth] = [other.tensors.get(role) for other in row.steps]
        if role.endswith("-"):
            if view.rolled:
                entries.append((role, tensor))
            else:
                ids[role] = _entry(row, role, tensor, step, ids)
        elif _is_outside(role) and "h" in below and _comes_from(sheet, tensor, row.layer - 1, step.t):
            ids["below"] = below.get("h pad") or below["h"]
            if role != "x":  # the place of x, without a node
                ids["below role"] = role
        elif role in row.cell.nodes:
            _place_role(row, step, role, tensor, ids, inside)
    for role, tensor in entries:
        ids[role] = _entry(row, role, tensor, step, ids)
    for role, to, edges, share in row.arrows[step.t]:
        if role not in ids and (role == "x" or role == ids.get("below role")):
            role = "below"
        if role in ids and to in ids and (ids[role] != ids[to] or view.rolled):
            _connect(row, step, ids, (role, to), edges, share)
    word = f" · {view.labels[step.t - 1]}" if view.labels else ""
    title = f"t = {row.steps[0].t} … {row.steps[-1].t}" if view.rolled else f"t = {step.t}{word}"
    high = slot.left + slot.width, slot.low + row.cell.height
    sheet.picture.frame((slot.left, slot.low), high, title, inside, of=(row.layer, step.t))
    _place_totals(row, step, ids)
    sheet.roles[row.layer, step.t] = ids


def _is_outside(role: str) -> bool:
    return role == "x" or role.startswith("→")


def _place_role(
    row: LayerRow, step: StepRoles, role: str, tensor: Tensor, ids: dict[str, str], inside: list[str]
) -> None:  # fmt: skip
    """One box, with its shape or its caption."""
    sheet, slot = row.sheet, row.slot(step.t)
    x, y, kind = row.cell.nodes[role]
    label = input_label(row, tensor, step) if _is_outside(role) else box_label(row, role, tensor, step)
    ids[role] = node(row, slot.at(x, y), kind, label, role, tensor, f" t{step.t}")
    if role != "x":
        inside.append(ids[role])
    elif not sheet.long:
        sheet.shape(slot.at(x, y), tensor)
    if role in row.cell.captions and not sheet.long:
        cx, cy, caption = row.cell.captions[role]
        sheet.picture.text(slot.at(cx, cy), said(caption), of="caption")


def _place_totals(row: LayerRow, step: StepRoles, ids: dict[str, str]) -> None:
    """Where ∂L/∂C and ∂L/∂h are printed, and what reads these states."""
    sheet = row.sheet
    for name, (x, y) in row.cell.totals.items():
        if (state := step.state(name)) is not None and (name in ids or f"{name} pad" in ids):
            what = f"∂L/∂{state.name or 's'}{sheet.sub(step.t)}"
            if sheet.view.rolled:
                sheet.again[state.birth] = [other.state(name) for other in row.steps]
            if sheet.lit is None or name == sheet.view.follow:
                sheet.totals.append((row.slot(step.t).at(x, y), what, state))
            readout(row, step, name, state, ids)


def _entry(row: LayerRow, role: str, tensor: Tensor, step: StepRoles, ids: dict[str, str]) -> str:
    """The node that a state comes from: in the step before, an initial state, or a value cut off from its past."""
    name, sheet, slot = role[:-1], row.sheet, row.slot(step.t)
    if sheet.view.rolled:
        return ids.get(f"{name} pad") or ids[name]
    before = sheet.roles.get((row.layer, step.t - row.rail.way), {})
    previous = row.rail.before(step)
    handed = previous.state(name) if previous else None
    if handed is not None and handed.birth == tensor.birth and before:
        return before.get(f"{name} pad") or before[name]
    x, y = row.cell.states[name]
    label = row.state_label(name, step.t - row.rail.way)
    if not before:
        sheet.shape(slot.at(x, y), tensor)
        return node(row, slot.at(x, y), "state", label, role, tensor)
    if not row.cell.sizes:  # in a later step: a copy without history
        y = row.cell.nodes["[h ; x]" if name == "h" else "fC"][1]
    return node(row, slot.at(28, y), "cut", f"{label} cut", role, tensor)


def _comes_from(sheet: Unrolled, x: Tensor, layer: int, t: int) -> bool:
    """Whether x is the h of the layer below, or made from it by what stands between layers (dropout)."""
    step = sheet.rails[layer].at.get(t)
    h = step.state("h") if step else None
    near, age = [x], 0
    while near and age < 4 and h is not None:
        if any(tensor.birth == h.birth for tensor in near):
            return True
        near, age = [y for tensor in near for y in sheet.graph.inputs(tensor)], age + 1
    return False


def _connect(
    row: LayerRow, step: StepRoles, ids: dict[str, str], ends: tuple[str, str], edges: list[Edge], share: float | None
) -> None:
    sheet, cell, slot, (role, to) = row.sheet, row.cell, row.slot(step.t), ends
    (a, a_size), (b, b_size) = sheet.places[ids[role]], sheet.places[ids[to]]
    route, rolled = _route(row, step, ids, role, to), sheet.view.rolled
    shares, lit = [share], sheet.is_lit(role, to)
    number = None if rolled and role == "x" else cell.numbers.get((role, to))
    if rolled:
        known = [(other.t, sent) for other in row.steps for r, o, _, sent in row.arrows[other.t]
                 if o == to and (r == role or (role == "below" and r not in ids))]  # fmt: skip
        shares = [sent for _, sent in known]
        if role.endswith("-"):
            loop(row, ids, ends, edges, known, route)
            return
    corners = trimmed(corners_of(a, b, route, slot), a_size, b_size)
    main = role in row.main and to in row.main
    name = role_name(row, role, step.t - row.rail.way if role.endswith("-") else step.t)
    prefix = f"{role} " if role in cell.named and role not in ("C", "h") and not cell.sizes else ""
    sheet.lines.append(Line(
        ids[role], ids[to], corners, edges, shares, f"{name} → {to}" if not sheet.long or main else "", lit,
        number=number and slot.at(*number), prefix=prefix,
    ))  # fmt: skip


def _route(row: LayerRow, step: StepRoles, ids: dict[str, str], role: str, to: str) -> str:
    """How the edge between two roles bends."""
    cell, places = row.cell, row.sheet.places
    if role == "below" and "below role" in ids:
        up = ids["below role"]
        x, y, _ = cell.nodes[up]
        return f"{cell.routes['below', up]} @{x:g},{y:g} {cell.routes.get((up, to), '@')}"
    (a, size), (b, _) = places[ids[role]], places[ids[to]]
    if role.endswith("-") and size == CUT:  # a cut state stands within the step
        return "@" if cell.sizes else ""
    by_hand = not cell.sizes and not row.sheet.view.rolled
    if by_hand and a[1] == b[1] and (a[0] - row.slot(step.t).left) * row.rail.way > 0:
        return ""
    return cell.routes.get((role, to), "x")

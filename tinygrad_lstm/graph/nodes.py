"""The box of a tensor: its look, its size, its words, and in a cell that nobody placed by hand its gradient."""

from __future__ import annotations

from ..tensor import Tensor
from .capture import norm
from .layout import LayerRow, between
from .picture import LOOKS, Point, digits

CUT = (40.0, 22.0)  # the size of a state that was cut off from its past


def node(row: LayerRow, at: Point, kind: str, label: str, role: str, tensor: Tensor, tags: str = "") -> str:
    """The box of a tensor. Returns its id."""
    sheet, cell, lines, fontsize = row.sheet, row.cell, [label], 11.0
    look, size = ("table", CUT) if kind == "cut" else (kind, LOOKS[kind][:2])
    gradients = sheet.norms(tensor if tags else None) or [norm(sheet.graph.grad(tensor))]
    number = None
    if cell.sizes and kind not in ("point", "state", "cut"):
        size, fontsize = cell.sizes[role], 9 if len(label) < 11 else 8
        if tensor.name and sheet.shows("grad") and not sheet.long and not sheet.view.rolled:
            lines, number, fontsize = [label[:13]], digits(norm(sheet.graph.grad(tensor))), 8
    elif kind in ("linear", "join"):
        fontsize = 9
        if len(label) > 14:
            head, _, rest = label.partition(" + ")
            lines, fontsize = [head, f"+ {rest}"], 8
    elif len(label) > 4 or (kind == "point" and len(label) > 1):
        fontsize = 8
    me = sheet.picture.box(
        at, look, *lines, size=size, faint=not sheet.is_lit(role), fontsize=fontsize if kind != "cut" else 9,
        hover="" if sheet.long else f"{tensor.describe()} · ‖∂L/∂·‖ = {between(gradients)}",
        tags="" if sheet.long else tags, of=(sheet, role, tensor), number=number,
    )  # fmt: skip
    sheet.places[me] = at, size
    return me

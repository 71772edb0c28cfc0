"""What the boxes of a step are called."""

from __future__ import annotations

from ..flow.recurrence import place_of
from ..spoken import said
from ..tensor import Tensor
from .capture import Graph
from .layout import LayerRow
from .picture import small
from .roles import StepRoles


def input_label(row: LayerRow, tensor: Tensor, step: StepRoles) -> str:
    """What an input is called: by the name of what it was taken from."""
    graph, name, place = row.sheet.graph, tensor.name, place_of(tensor.scope)
    while not name and tensor.op is not None and len(graph.inputs(tensor)) == 1:
        tensor = graph.inputs(tensor)[0]
        name = tensor.name
    name = name if name and len(name) < 4 and row.cell.sizes else "x"
    return name if name.endswith("₀") else name + row.sheet.sub(place.t if place and row.cell.sizes else step.t)


def box_label(row: LayerRow, role: str, tensor: Tensor, step: StepRoles) -> str:
    """What stands in the box of a role."""
    names = [p.name or "?" for p in step.parameters[role].values()]
    if row.cell.sizes:
        return _tiled_label(row, role, tensor, names, step.t)
    if role.endswith(" ←"):
        operand = {"nh ←": "h", "n ←": "x" if "n +" in step.tensors else ""}.get(role, "")
        product = f"{operand} @ ".lstrip()  # as in the code: a row times W
        return " + ".join(f"{product}{n}" if n[0] == "W" else f"{n}·C" if n[0] == "p" else n for n in names)
    if role.startswith("["):
        return role
    if role.endswith(" pad"):
        return said("pad")
    return said("given") if tensor.op is None else "1 −" if tensor.op.name == "sub" else tensor.op.label


def _tiled_label(row: LayerRow, role: str, tensor: Tensor, names: list[str], t: int) -> str:
    """The same in a cell that nobody placed by hand: its op, its parameters, its name."""
    op, kind = tensor.op, row.cell.nodes[role][2]
    if row.cell.named_only:
        return (tensor.name or role) + (row.sheet.sub(t) if kind == "state" else "")
    from_one = op is not None and op.name == "sub" and _from_one(row.sheet.graph, tensor)
    made = said("given") if op is None else "1 −" if from_one else op.label
    if op is not None and op.name == "add" and len(names) > 1:
        made = f"@ {' '.join(names[:-1])} + {names[-1]}"
    elif op is not None and op.name == "matmul":
        made = " ".join(["@", *names])
    elif names:
        made = f"{made} {' '.join(names)}"
    return f"{tensor.name} = {made}" if tensor.name and kind != "point" else made


def role_name(row: LayerRow, role: str, t: int) -> str:
    """A role with its index, for hover texts."""
    if role.endswith("-"):
        return f"{role[:-1]}{'ₜ₋₁' if row.sheet.view.rolled else small(t)}"
    return f"{role}{row.sheet.sub(t)}" if role in (*row.cell.named, "x") else role


def _from_one(graph: Graph, tensor: Tensor) -> bool:
    first = graph.inputs(tensor)[0]
    return first.op is None and first.size == 1

"""What the parts of a picture stand for: tensors, edges and steps, and the order in which a gradient meets them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...flow.edge import Edge
from ...flow.recurrence import place_of
from ...tensor import Tensor
from ..capture import Graph, norm
from ..layout import Line, Unrolled
from ..picture import Point, Scale, digits
from ..roles import Rail, StepRoles
from ..routes import Side, beside
from .document import shade

PATHS = 4  # that can be brought forward: the classes on-0 … on-3 of the style sheet


class Strand(NamedTuple):
    """An arrow: the id of its gradient, the edges it stands for, what flows there, and the id of its number, or ""."""

    me: str
    edges: list[Edge]
    share: float | None
    number: str = ""


class Visit(NamedTuple):
    """A tensor that the gradient passes, where that is (layer and t, or None), and the id of its node."""

    tensor: Tensor
    layer: int | None
    t: int | None
    node: str | None


class Scene(NamedTuple):
    """What a page must know of a picture of a graph. `rails` are its layers, none where there are no time steps."""

    graph: Graph
    rails: list[Rail]
    tensors: dict[str, Tensor]  # by the id of the node
    strands: list[Strand]
    sums: list[tuple[str, Tensor]]  # where the norm of a whole gradient is printed: id, tensor
    called: dict[int, str]  # what stands in the picture, of tensors that have no name
    frames: dict[tuple[int, int], str]  # (layer, t): id of the box around the step
    visits: list[Visit]  # newest first
    classes: dict[str, str]  # by id: the classes by which the style sheet colours, and brings a path forward


def scene_of(one: Unrolled, scale: Scale, paths: Sequence[str]) -> Scene:
    """Draw the wires and numbers of a graph into its picture, and say what all of it stands for."""
    graph, picture = one.graph, one.picture
    drawn: list[tuple[Strand, Line]] = []
    for line in one.lines:
        share = graph.share(line.edges)
        me = picture.wire(line.a, line.b, line.corners, share=share, scale=scale)
        number = ""
        if line.number and share is not None:
            number = picture.text(line.number, f"{line.prefix}{digits(share)}", of=beside(line.corners, line.number))
        drawn.append((Strand(f"g{me[1:]}", line.edges, share, number), line))
    totals = [(picture.text(at, f"{what} {digits(norm(graph.grad(x)))}", of=_on_line(one, at, x)), x)
              for at, what, x in one.totals]  # fmt: skip
    mine = [box for box in picture.boxes if box.of is not None and box.of[0] is one]
    inside = [(f"t{box.me[1:]}", box.of[2]) for box in mine if box.number is not None]
    frames = {frame.of: frame.me for frame in picture.frames[_first_frame(one) :][: sum(map(_count, one.rows))]}
    visits = sorted(_visits(one), key=lambda visit: -visit.tensor.birth)
    return Scene(
        graph, one.rails, {box.me: box.of[2] for box in mine}, [strand for strand, _ in drawn], [*inside, *totals],
        _called(one), frames, visits, _classes(one, scale, paths, drawn, totals),
    )  # fmt: skip


def _on_line(one: Unrolled, at: Point, x: Tensor) -> Side:
    """The place of a whole gradient: there is room above a line that runs straight on, and little elsewhere."""
    straight = x.name in one.rails[-1].cell.lines
    return "above", at[0], at[1] - 4, 104.0 if straight else 70.0


def _count(row: object) -> int:
    return len(row.drawn)  # type: ignore[attr-defined]


def _first_frame(one: Unrolled) -> int:
    """The number of the first frame of a graph: those of graphs that stand below come before."""
    lowest = one.lows[0]
    return sum(frame.low[1] < lowest - 1e-6 for frame in one.picture.frames)


def _called(one: Unrolled) -> dict[int, str]:
    """What stands in the boxes of inputs and initial states that have no name."""
    called: dict[int, str] = {}
    for box in one.picture.boxes:
        if box.of is None or box.of[0] is not one:
            continue
        _, role, tensor = box.of
        if not tensor.name and (role == "x" or role.startswith("→") or (role.endswith("-") and tensor.op is None)):
            called.setdefault(tensor.birth, box.lines[0])
    return called


def _visits(one: Unrolled) -> Iterator[Visit]:
    for layer, rail in enumerate(one.rails):
        for step in rail.steps:
            if step.t in one.column and (layer, step.t) in one.roles:
                for tensor in step.made:
                    if tensor.op is not None and one.graph.grad(tensor) is not None:
                        host = _host(one.graph, tensor, step, one.roles[layer, step.t])
                        yield Visit(tensor, layer, step.t, host)


def _host(graph: Graph, tensor: Tensor, step: StepRoles, ids: dict[str, str]) -> str | None:
    """The node of a tensor; of one that has none, as a product before its bias, that of the tensor it is for."""
    for _ in range(4):
        if role := step.roles.get(tensor.birth):
            return ids.get(role)
        users = graph.users(tensor)
        if len(users) != 1:
            return None
        tensor = users[0].out
    return None


def _classes(
    one: Unrolled, scale: Scale, paths: Sequence[str], drawn: list[tuple[Strand, Line]],
    totals: list[tuple[str, Tensor]],
) -> dict[str, str]:  # fmt: skip
    """A part that lies on path k of the page has the class on-k; a graph without this path is not greyed for it."""
    names: dict[str, list[str]] = defaultdict(list)
    follow = one.rails[-1].cell.follow
    lit = {k: follow[path] | {f"{path}-"} for k, path in enumerate(paths) if path in follow}
    mine = [box for box in one.picture.boxes if box.of is not None and box.of[0] is one]
    roles = {box.me: box.of[1] for box in mine}
    losses = [line.b for _, line in drawn if line.b not in roles]
    for me, role in roles.items():
        names[me] += [f"on-{k}" for k, on_path in lit.items() if role in on_path]
    for strand, line in drawn:
        ends = {roles.get(line.a, ""), roles.get(line.b, "")}
        on = [f"on-{k}" for k, on_path in lit.items() if line.on_path and "" not in ends and ends <= on_path]
        for me in _ids(strand):
            names[me] += on
        if strand.share is not None:
            names[strand.me].append(shade(scale, strand.share))
        names[strand.number].insert(0, "number")
    for k, path in enumerate(paths):
        if path not in follow:
            for me in [*roles, *losses, *(me for strand, _ in drawn for me in _ids(strand))]:
                names[me].append(f"on-{k}")
    for me in losses:
        names[me].append("loss")
    names[one.title].append("name")
    for me, tensor in totals:
        names[me] += ["number", "total", *(f"on-{k}" for k, path in enumerate(paths) if tensor.name == path)]
    return {me: " ".join(dict.fromkeys(own)) for me, own in names.items() if me}


def _ids(strand: Strand) -> tuple[str, str, str]:
    """Of the gradient, of the thin line under it, and of the number."""
    return strand.me, f"e{strand.me[1:]}", strand.number


def scene_of_ops(
    graph: Graph, ids: dict[int, str], edges: Sequence[tuple[Edge, float | None]], scale: Scale, numbered: set[str]
) -> Scene:  # fmt: skip
    """The view of all ops: `ids` of the nodes by birth; in `numbered` nodes the last line is the gradient."""
    made = {tensor.birth: tensor for tensor in graph.tensors if tensor.birth in ids}
    tensors = {ids[birth]: tensor for birth, tensor in made.items()}
    strands = [Strand(f"g{ids[edge.out.birth][1:]}_{edge.k}", [edge], share) for edge, share in edges]
    visits = []
    for tensor in reversed(made.values()):
        if tensor.op is not None and graph.grad(tensor) is not None:
            place = place_of(tensor.scope)
            visits.append(Visit(tensor, None, place.t if place else None, ids[tensor.birth]))
    sums = [(f"t{me[1:]}", tensors[me]) for me in numbered]
    classes = {one.me: shade(scale, one.share) for one in strands if one.share is not None}
    return Scene(graph, [], tensors, strands, sums, {}, {}, visits, classes | {me: "number inside" for me, _ in sums})

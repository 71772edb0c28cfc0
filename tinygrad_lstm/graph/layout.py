"""The unrolled picture: one step placed by hand, repeated for all steps of all layers, with the numbers of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..tensor import Tensor
from .capture import Edge, Graph, norm
from .cells import Cell
from .dot import GREY, LOOKS, NUMBER, Picture, Point, Scale, digits, quoted, small
from .steps import Rail, Step, edges_of

GAP = 44  # between two steps; the lane for h is in its middle
PADDED = 60  # how much wider a step is in which some rows have ended
LIFT = 70  # between two layers
LONG = 100  # above so many steps small print and hover texts would only make the file heavy


class Line(NamedTuple):
    """An edge to draw: between two ids, along corners, for some edges of the graph."""

    a: str
    b: str
    corners: list[Point]
    edges: list[Edge]
    hover: str
    on_path: bool
    number: Point | None = None
    prefix: str = ""


def corners_of(a: Point, b: Point, route: str, corner: Point) -> list[Point]:
    """The corners of a route from a to b. See `cells`."""
    points, axis = [a], "y"
    for token in route.split():
        axis, (x, y) = token[0], points[-1]
        goal = float(token[1:]) if token[1:] else None
        if axis == "x":
            points.append((b[0] if goal is None else corner[0] + goal, y))
        else:
            points.append((x, b[1] if goal is None else corner[1] + goal))
    x, y = points[-1]
    points += [(x, b[1]), b] if axis == "x" else [(b[0], y), b]
    kept: list[Point] = []
    for point in points:  # leave out what is passed twice or lies on a straight line
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept.pop()
        kept.append(point)
    return kept


def trimmed(corners: list[Point], a_size: Point, b_size: Point) -> list[Point]:
    """The same route from border to border, not from centre to centre."""
    ends = []
    for point, towards, (wide, high) in ((corners[0], corners[1], a_size), (corners[-1], corners[-2], b_size)):
        dx, dy = towards[0] - point[0], towards[1] - point[1]
        if abs(dx) >= abs(dy):
            ends.append((point[0] + (wide / 2 if dx > 0 else -wide / 2), point[1]))
        else:
            ends.append((point[0], point[1] + (high / 2 if dy > 0 else -high / 2)))
    return [ends[0], *corners[1:-1], ends[1]]


class Unrolled:
    """Draws some steps of some layers, which stand one above the other. `picture` holds the result."""

    def __init__(
        self, graph: Graph, rails: list[Rail], *, first: int, last: int, follow: str | None, show: Iterable[str],
        notes: Iterable[str] = (), labels: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.graph, self.rails, self.first, self.last = graph, rails, first, last
        self.follow, self.show, self.notes = follow, tuple(show), tuple(notes)
        self.labels = labels
        self.cell: Cell = rails[-1].cell
        self.picture = Picture()
        self.lines: list[Line] = []
        self.totals: list[tuple[Point, str, Tensor]] = []
        self.places: dict[str, tuple[Point, Point]] = {}  # id: centre and size
        self.backward = graph.trace is not None
        self.main = next(iter(self.cell.follow.values()))  # in a long picture its edges alone have hover texts
        self.lit = self.cell.follow.get(follow or "")
        padded = any(role.endswith(" pad") for rail in rails for step in rail.steps for role in step.tensors)
        self.width = self.cell.width + PADDED * padded
        self.pitch = self.width + GAP
        times = sorted({step.t for rail in rails for step in rail.steps if first <= step.t <= last})
        self.column = {t: k for k, t in enumerate(times)}
        self.long = len(times) > LONG
        drawn: dict[tuple[int, int], dict[str, str]] = {}  # (layer, t): ids of the roles
        for layer, rail in enumerate(rails):
            for step in rail.steps:
                if step.t in self.column:
                    drawn[layer, step.t] = self._step(layer, step, drawn)
        self._finish()

    # — one step —————————————————————————————————————————————————————————————————————————————————————————

    def _corner(self, layer: int, t: int) -> Point:
        return self.column[t] * self.pitch, layer * (self.cell.height + LIFT)

    def _step(self, layer: int, step: Step, drawn: dict[tuple[int, int], dict[str, str]]) -> dict[str, str]:
        x0, y0 = corner = self._corner(layer, step.t)
        before, below = drawn.get((layer, step.t - 1), {}), drawn.get((layer - 1, step.t), {})
        ids: dict[str, str] = {}
        inside = []
        for role, tensor in step.tensors.items():
            if role in ("h-", "C-"):
                ids[role] = self._entry(role, tensor, layer, step, before)
            elif role == "x" and "h" in below and self._comes_from(tensor, layer - 1, step.t):
                ids["below"] = below.get("h pad") or below["h"]
            elif role in self.cell.nodes:
                x, y, kind = self.cell.nodes[role]
                label = f"x{small(step.t)}" if role == "x" else self._label(role, tensor, step)
                ids[role] = self._node((x0 + x, y0 + y), kind, label, role, tensor, f" t{step.t}")
                if role != "x":
                    inside.append(ids[role])
                elif "shape" in self.show and not self.long:
                    self.picture.text((x0 + x, y0 + y - 27), quoted(str(tensor.shape)))
                if role in self.cell.captions and not self.long:
                    cx, cy, caption = self.cell.captions[role]
                    self.picture.text((x0 + cx, y0 + cy), quoted(caption))
        for role, to, edges in edges_of(self.graph, step):
            role = "below" if role == "x" and "x" not in ids else role
            if role in ids and to in ids and ids[role] != ids[to]:
                self._connect(ids, role, to, edges, corner, self._name(role, step.t))
        word = f" · {self.labels[step.t - 1]}" if self.labels else ""
        title = quoted(f"t = {step.t}{word}")
        self.picture.box((x0, y0), (x0 + self.width, y0 + self.cell.height), title, inside)
        for name, (x, y) in self.cell.totals.items():
            if (state := step.state(name)) is not None:
                self.totals.append(((x0 + x, y0 + y), f"∂L/∂{name}{small(step.t)}", state))
                self._readout(layer, step, name, state, ids)
        return ids

    def _entry(self, role: str, tensor: Tensor, layer: int, step: Step, before: dict[str, str]) -> str:
        """The node that a state comes from: in the step before, an initial state, or a value cut off from its past."""
        name = role[0]
        previous = self.rails[layer].at.get(step.t - 1)
        handed = previous.state(name) if previous else None
        if handed is not None and handed.birth == tensor.birth and before:
            return before.get(f"{name} pad") or before[name]
        x, y = self.cell.states[name]
        x0, y0 = self._corner(layer, step.t)
        if self.column[step.t] == 0:
            if "shape" in self.show:
                self.picture.text((x0 + x, y0 + y - 27), quoted(str(tensor.shape)))
            return self._node((x0 + x, y0 + y), "state", f"{name}{small(step.t - 1)}", role, tensor)
        to = self.cell.nodes["[h ; x]" if name == "h" else "fC"]  # in a later step: a copy without history
        return self._node((x0 + 28, y0 + to[1]), "cut", f"{name}{small(step.t - 1)} cut", role, tensor)

    def _comes_from(self, x: Tensor, layer: int, t: int) -> bool:
        """Whether x is the h of the layer below, or made from it by what stands between layers (dropout)."""
        step = self.rails[layer].at.get(t)
        h = step.state("h") if step else None
        near, age = [x], 0
        while near and age < 4 and h is not None:
            if any(tensor.birth == h.birth for tensor in near):
                return True
            near, age = [y for tensor in near for y in self.graph.inputs(tensor)], age + 1
        return False

    def _label(self, role: str, tensor: Tensor, step: Step) -> str:
        if role.endswith(" ←"):
            operand = {"nh ←": "h", "n ←": "x" if "n +" in step.tensors else ""}.get(role, "")
            names = [p.name or "?" for p in step.parameters[role].values()]
            return " + ".join(f"{n}·{operand}" if n[0] == "W" else f"{n}·C" if n[0] == "p" else n for n in names)
        if role.startswith("["):
            return role
        if role.endswith(" pad"):
            return "pad"
        if tensor.op is None:
            return "given"
        return "1 −" if tensor.op.name == "sub" else tensor.op.label

    def _node(self, at: Point, kind: str, label: str, role: str, tensor: Tensor, tags: str = "") -> str:
        lit = self.lit is None or role in self.lit
        lines, fontsize = [label], 11.0
        if kind in ("linear", "join"):
            fontsize = 9
            if len(label) > 14:
                head, _, rest = label.partition(" + ")
                lines, fontsize = [head, f"+ {rest}"], 8
        elif len(label) > 4 or (kind == "point" and len(label) > 1):
            fontsize = 8
        look, size = ("table", (40.0, 22.0)) if kind == "cut" else (kind, LOOKS[kind][:2])
        hover = "" if self.long else f"{tensor.describe()} · ‖∂L/∂·‖ = {digits(norm(self.graph.grad(tensor)))}"
        me = self.picture.node(
            at, look, quoted(*lines), hover, size=size, faint=not lit,
            fontsize=fontsize if kind != "cut" else 9, tags="" if self.long else tags,
        )  # fmt: skip
        self.places[me] = at, size
        return me

    def _name(self, role: str, t: int) -> str:
        if role in ("h-", "C-"):
            return f"{role[0]}{small(t - 1)}"
        return f"{role}{small(t)}" if role in (*self.cell.named, "x") else role

    # — between them —————————————————————————————————————————————————————————————————————————————————————

    def _connect(
        self, ids: dict[str, str], role: str, to: str, edges: list[Edge], corner: Point, name: str
    ) -> None:  # fmt: skip
        (a, a_size), (b, b_size) = self.places[ids[role]], self.places[ids[to]]
        route = "" if a[1] == b[1] and a[0] > corner[0] else self.cell.routes.get((role, to), "x")
        corners = trimmed(corners_of(a, b, route, corner), a_size, b_size)
        at = self.cell.numbers.get((role, to))
        lit = self.lit is None or (role in self.lit and to in self.lit)
        main = role in self.main and to in self.main
        prefix = f"{role} " if role in self.cell.named and role not in ("C", "h") else ""
        self.lines.append(Line(
            ids[role], ids[to], corners, edges, f"{name} → {to}" if not self.long or main else "", lit,
            number=at and (corner[0] + at[0], corner[1] + at[1]), prefix=prefix,
        ))  # fmt: skip

    def _readout(self, layer: int, step: Step, name: str, tensor: Tensor, ids: dict[str, str]) -> None:
        """An arrow to what reads a state outside of the layer: the head and the loss, folded into one box."""
        following = self.rails[layer].at.get(step.t + 1)
        upper = self.rails[layer + 1].at.get(step.t) if layer + 1 < len(self.rails) else None
        outside = [
            edge for edge in self.graph.users(tensor)
            if self._kept(edge) and edge.out.birth not in step.roles
            and (following is None or edge.out.birth not in following.roles)
            and (upper is None or not self._feeds(edge.out, upper))
        ]  # fmt: skip
        later = [e for e in self.graph.users(tensor) if following is not None and e.out.birth in following.roles]
        node = ids.get(f"{name} pad") or ids[name]
        at, _ = self.places[node]
        x0, y0 = self._corner(layer, step.t)
        lit = f"end {name}"
        if self.column[step.t] == len(self.column) - 1:  # the last step drawn: its states stand at the right
            end = self._node((x0 + self.width + 62, at[1]), "state", f"{name}{small(step.t)}", lit, tensor)
            if "shape" in self.show:
                self.picture.text((x0 + self.width + 62, at[1] - 27), quoted(str(tensor.shape)))
            self._arrow(node, end, name, later or outside, lit)
            if outside and not later:  # one way to the loss: the same share flows on both parts of it
                self._arrow(end, self._loss((x0 + self.width + 167, at[1])), name, outside, lit, number=True)
                return
        if outside and self.graph.share(outside) != 0:  # 0: the loss reads other steps alone
            y = self.cell.readout if name == "h" else self.cell.height + 42
            self._arrow(node, self._loss((at[0], y0 + y)), name, outside, lit, number=True)

    def _kept(self, edge: Edge) -> bool:
        """Whether the entry that an edge adds to a stack (as in `out.h`) is among those that are taken from it."""
        op, axis = edge.out.op, (edge.out.settings or {}).get("axis", 0)
        users = [user.out for user in self.graph.users(edge.out)]
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

    def _feeds(self, tensor: Tensor, upper: Step) -> bool:
        """Whether a tensor is in a step, or becomes its x."""
        near = [tensor]
        for _ in range(4):
            if any(x.birth in upper.roles for x in near):
                return True
            near = [edge.out for x in near for edge in self.graph.users(x)]
        return False

    def _loss(self, at: Point) -> str:
        root = self.graph.roots[0]
        me = self.picture.node(at, "loss", quoted("loss" if root.size == 1 else "output"),
                               f"everything after the layer, up to {root.describe()}", faint=self.lit is not None)
        self.places[me] = at, LOOKS["loss"][:2]
        return me

    def _arrow(
        self, a: str, b: str, name: str, edges: list[Edge], role: str, *, number: bool = False
    ) -> None:
        (p, p_size), (q, q_size) = self.places[a], self.places[b]
        corners = trimmed(corners_of(p, q, "", (0, 0)), p_size, q_size)
        where = None
        if number:
            (x, y), (u, v) = corners[-2:]
            where = ((x + u) / 2, y + 13) if y == v else (u - 20, v + 45) if y > v else (u + 20, v - 45)
        lit = self.lit is None or role in self.lit
        self.lines.append(Line(a, b, corners, edges, f"{name} → what reads it", lit, number=where))

    # — numbers, tables, legend ——————————————————————————————————————————————————————————————————————————

    def _finish(self) -> None:
        shares = [self.graph.share(line.edges) for line in self.lines]
        scale = Scale(shares) if self.backward else None
        for line, share in zip(self.lines, shares, strict=True):
            self.picture.edge(
                line.a, line.b, line.corners, share=share, scale=scale, faint=not line.on_path, single=self.long,
                hover=line.hover and f"{line.hover} · gradient {digits(share)}",
            )  # fmt: skip
            if line.number and not self.long and self.backward and "grad" in self.show and line.on_path:
                self.picture.text(line.number, quoted(f"{line.prefix}{digits(share)}"), 8, NUMBER)
        for at, what, tensor in self.totals if self.backward and "grad" in self.show else ():
            if self.lit is None or what[4] == self.follow:
                self.picture.text(at, quoted(f"{what} {digits(norm(self.graph.grad(tensor)))}"), 8, NUMBER)
        y = min(at[1] - size[1] / 2 for at, size in self.places.values()) - 62
        y = self._table(y)
        if scale is not None:
            self.picture.legend((0, y), scale, "‖∂L/∂·‖")
            y -= 42
        for note in self.notes:
            self.picture.line((0, y), note)
            y -= 15

    def _table(self, y: float) -> float:
        """One gradient for each parameter: it is shared by all steps, which all add to it."""
        wide, high = 70.0, 32.0
        across = max(4, int((self.pitch * len(self.column)) // (wide + 6)))
        for k, rail in reversed(list(enumerate(self.rails, 1))):
            found = {p.birth: p for step in rail.steps for used in step.parameters.values() for p in used.values()}
            if not found:
                continue
            layer = f" of layer {k}" if len(self.rails) > 1 else ""
            self.picture.line((0, y + 14), f"parameters{layer}, shared by all steps: shape and ‖∂L/∂·‖", 9, GREY)
            y -= 14
            for place, birth in enumerate(sorted(found)):
                name, parameter = found[birth].name or "?", found[birth]
                at = (wide / 2 + (place % across) * (wide + 6), y - (place // across) * (high + 6))
                top = f"{name}  {'×'.join(map(str, parameter.shape))}" if "shape" in self.show else name
                total = digits(norm(self.graph.grad(parameter)))
                self.picture.node(at, "table", quoted(top, total), parameter.describe(), size=(wide, high), fontsize=8)
            y -= (-(-len(found) // across)) * (high + 6) + 10
        return y

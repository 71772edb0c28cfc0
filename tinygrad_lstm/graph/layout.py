"""The unrolled picture: one step placed by hand, repeated for all steps of all layers, with the numbers of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from ..tensor import Tensor
from .capture import Edge, Graph, norm, place_of
from .cells import Cell
from .dot import GREY, INK, LOOKS, NUMBER, Picture, Point, Scale, digits, quoted, small
from .roles import Rail, StepRoles, edges_of

GAP = 44  # between two steps; the lane for h is in its middle
PADDED = 60  # how much wider a step is in which some rows have ended
LIFT = 70  # between two layers
UNDER = 140  # between two graphs in one picture
LONG = 100  # above so many steps small print and hover texts would only make the file heavy


class Line(NamedTuple):
    """An edge to draw: between two ids, along corners, with what flows back along it in one step, or in all."""

    a: str
    b: str
    corners: list[Point]
    edges: list[Edge]
    shares: list[float | None]
    hover: str
    on_path: bool
    number: Point | None = None
    prefix: str = ""

    @property
    def share(self) -> float | None:
        return max((share for share in self.shares if share is not None), default=None)


class Frame(NamedTuple):
    """Where a step stands; where time runs backward, its picture is mirrored."""

    left: float
    low: float
    width: float
    mirrored: bool = False

    def at(self, x: float, y: float) -> Point:
        return self.left + (self.width - x if self.mirrored else x), self.low + y


def corners_of(a: Point, b: Point, route: str, frame: Frame) -> list[Point]:
    """The corners of a route from a to b. See `cells`."""
    points, axis = [a], "y"
    for token in route.split():
        axis, (x, y) = token[0], points[-1]
        if axis == "@":
            if token[1:]:
                u, v = token[1:].split(",")
                points.append(frame.at(float(u), float(v)))
        elif axis == "x":
            points.append((frame.at(float(token[1:]), 0)[0] if token[1:] else b[0], y))
        else:
            points.append((x, frame.at(0, float(token[1:]))[1] if token[1:] else b[1]))
    x, y = points[-1]
    points += [b] if axis == "@" else [(x, b[1]), b] if axis == "x" else [(b[0], y), b]
    kept: list[Point] = []
    for point in points:  # leave out what is passed twice or lies on a straight line
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept.pop()
        kept.append(point)
    return kept


def trimmed(corners: list[Point], a_size: Point, b_size: Point) -> list[Point]:
    """The same route from border to border, not from centre to centre. What is as wide as high is a circle."""
    ends = []
    for (x, y), (u, v), (wide, high) in ((corners[0], corners[1], a_size), (corners[-1], corners[-2], b_size)):
        far = math.dist((x, y), (u, v)) or 1.0
        dx, dy = (u - x) / far, (v - y) / far
        reach = wide / 2 if wide == high else min(wide / 2 / (abs(dx) or 1e-9), high / 2 / (abs(dy) or 1e-9))
        ends.append((x + dx * reach, y + dy * reach))
    return [ends[0], *corners[1:-1], ends[1]]


Drawn = TypeVar("Drawn", bound="Unrolled")


class Unrolled:
    """Places some steps of some layers, which stand one above the other; `finished` draws what is between them.

    `rolled`: one step stands for all; its states go back to its own beginning, and numbers are ranges over time.
    `under`: others to stand above, in the same picture, each step in the same column; `name` is what it is called then.
    """

    def __init__(
        self, graph: Graph, rails: list[Rail], *, first: int, last: int, follow: str | None, show: Iterable[str],
        labels: Sequence[str] | None = None, rolled: bool = False, name: str = "", under: Unrolled | None = None,
        pitch: float = 0.0, times: Iterable[int] = (),
    ) -> None:  # fmt: skip
        self.graph, self.rails, self.rolled, self.name = graph, rails, rolled, name
        self.follow, self.show = follow, tuple(show)
        self.labels = labels
        self.cell: Cell = rails[-1].cell
        self.picture: Picture = under.picture if under else Picture()
        self.lines: list[Line] = []
        self.totals: list[tuple[Point, str, Tensor]] = []
        self.again: dict[int, list[Tensor | None]] = {}  # in a rolled picture: what a tensor stands for
        self.places: dict[str, tuple[Point, Point]] = {}  # id: centre and size
        self.backward = graph.trace is not None
        self.lit = self.cell.follow.get(follow or "")
        self.windows = [[step for step in rail.steps if first <= step.t <= last] for rail in rails]
        self.widths = widths_of(rails, first, last)
        self.pitch = pitch or max(self.widths) + GAP
        self.lows = [under.top() + UNDER if under else 0.0]
        for rail in rails:
            self.lows.append(self.lows[-1] + rail.cell.height + (LIFT if rail.way == rails[-1].way else LIFT + 50))
        self.every = {
            (k, step.t): list(edges_of(graph, step)) for k, steps in enumerate(self.windows) for step in steps
        }
        if rolled:  # the step with most in it, and with one before it, stands for all
            pick = [max(s, key=lambda step: (len(step.tensors), rail.before(step) is not None))
                    for rail, s in zip(rails, self.windows, strict=True)]  # fmt: skip
            drawn_steps = [[step] for step in pick]
            self.column = {step.t: 0 for step in pick}
        else:
            drawn_steps = self.windows
            shown = sorted({*times, *(step.t for steps in self.windows for step in steps)})
            self.column = {t: k for k, t in enumerate(shown)}
        self.long = len(self.column) > LONG
        drawn: dict[tuple[int, int], dict[str, str]] = {}  # (layer, t): ids of the roles
        for layer, steps in enumerate(drawn_steps):
            self.cell = rails[layer].cell
            # In a long picture one path has hover texts: that of a state on a straight line, where there is one.
            states = [*self.cell.lines, *self.cell.follow]
            self.main = next((self.cell.follow[name] for name in states if name in self.cell.follow), frozenset[str]())
            for step in steps[:: rails[layer].way]:
                drawn[layer, step.t] = self._step(layer, step, drawn)
        self.cell = rails[-1].cell
        self.title = self.picture.line((-80, self.top() + 22), name, 15, INK) if name else ""

    def top(self) -> float:
        """Where the picture ends: above it there may be another."""
        return max(self.lows[-2] + self.cell.height, *(at[1] + size[1] / 2 for at, size in self.places.values()))

    # — one step —————————————————————————————————————————————————————————————————————————————————————————

    def _frame(self, layer: int, t: int) -> Frame:
        return Frame(self.column[t] * self.pitch, self.lows[layer], self.widths[layer], self.rails[layer].way < 0)

    def _sub(self, t: int) -> str:
        return "ₜ" if self.rolled else small(t)

    def _step(self, layer: int, step: StepRoles, drawn: dict[tuple[int, int], dict[str, str]]) -> dict[str, str]:
        frame, cell = self._frame(layer, step.t), self.cell
        before = drawn.get((layer, step.t - self.rails[layer].way), {})
        below = drawn.get((layer - 1, step.t), {})
        ids: dict[str, str] = {}
        inside, entries = [], []
        for role, tensor in step.tensors.items():
            outside = role == "x" or role.startswith("→")
            if self.rolled:
                self.again[tensor.birth] = [other.tensors.get(role) for other in self.windows[layer]]
            if role.endswith("-"):
                if self.rolled:
                    entries.append((role, tensor))
                else:
                    ids[role] = self._entry(role, tensor, layer, step, before, ids)
            elif outside and "h" in below and self._comes_from(tensor, layer - 1, step.t):
                ids["below"] = below.get("h pad") or below["h"]
                if role != "x":  # the place of x, without a node
                    ids["below role"] = role
            elif role in cell.nodes:
                x, y, kind = cell.nodes[role]
                label = self._input(tensor, step) if outside else self._label(role, tensor, step)
                ids[role] = self._node(frame.at(x, y), kind, label, role, tensor, f" t{step.t}")
                if role != "x":
                    inside.append(ids[role])
                elif "shape" in self.show and not self.long:
                    self.picture.text(frame.at(x, y - 27), quoted(str(tensor.shape)))
                if role in cell.captions and not self.long:
                    cx, cy, caption = cell.captions[role]
                    self.picture.text(frame.at(cx, cy), quoted(caption))
        for role, tensor in entries:
            ids[role] = self._entry(role, tensor, layer, step, before, ids)
        for role, to, edges, share in self.every[layer, step.t]:
            if role not in ids and (role == "x" or role == ids.get("below role")):
                role = "below"
            if role in ids and to in ids and (ids[role] != ids[to] or self.rolled):
                self._connect(ids, role, to, edges, share, layer, step)
        word = f" · {self.labels[step.t - 1]}" if self.labels else ""
        times = [other.t for other in self.windows[layer]]
        title = f"t = {times[0]} … {times[-1]}" if self.rolled else f"t = {step.t}{word}"
        high = frame.left + frame.width, frame.low + cell.height
        self.picture.box((frame.left, frame.low), high, quoted(title), inside)
        for name, (x, y) in cell.totals.items():
            if (state := step.state(name)) is not None and (name in ids or f"{name} pad" in ids):
                what = f"∂L/∂{state.name or 's'}{self._sub(step.t)}"
                if self.rolled:
                    self.again[state.birth] = [other.state(name) for other in self.windows[layer]]
                if self.lit is None or name == self.follow:
                    self.totals.append((frame.at(x, y), what, state))
                self._readout(layer, step, name, state, ids)
        return ids

    def _entry(
        self, role: str, tensor: Tensor, layer: int, step: StepRoles, before: dict[str, str], ids: dict[str, str]
    ) -> str:
        """The node that a state comes from: in the step before, an initial state, or a value cut off from its past."""
        name, cell, frame = role[:-1], self.cell, self._frame(layer, step.t)
        if self.rolled:
            return ids.get(f"{name} pad") or ids[name]
        previous = self.rails[layer].before(step)
        handed = previous.state(name) if previous else None
        if handed is not None and handed.birth == tensor.birth and before:
            return before.get(f"{name} pad") or before[name]
        x, y = cell.states[name]
        label = f"{name if len(name) < 4 else 's'}{small(step.t - self.rails[layer].way)}"
        if not before:
            if "shape" in self.show:
                self.picture.text(frame.at(x, y - 27), quoted(str(tensor.shape)))
            return self._node(frame.at(x, y), "state", label, role, tensor)
        if not cell.sizes:  # in a later step: a copy without history
            y = cell.nodes["[h ; x]" if name == "h" else "fC"][1]
        return self._node(frame.at(28, y), "cut", f"{label} cut", role, tensor)

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

    def _input(self, tensor: Tensor, step: StepRoles) -> str:
        """What an input is called: by the name of what it was taken from."""
        name, place = tensor.name, place_of(tensor.scope)
        while not name and tensor.op is not None and len(self.graph.inputs(tensor)) == 1:
            tensor = self.graph.inputs(tensor)[0]
            name = tensor.name
        name = name if name and len(name) < 4 and self.cell.sizes else "x"
        return name if name.endswith("₀") else name + self._sub(place.t if place and self.cell.sizes else step.t)

    def _label(self, role: str, tensor: Tensor, step: StepRoles) -> str:
        op, names = tensor.op, [p.name or "?" for p in step.parameters[role].values()]
        if self.cell.sizes:
            if self.cell.named_only:
                return (tensor.name or role) + (self._sub(step.t) if self.cell.nodes[role][2] == "state" else "")
            made = "given" if op is None else "1 −" if op.name == "sub" and _from_one(self.graph, tensor) else op.label
            if op is not None and op.name == "add" and len(names) > 1:
                made = f"{' '.join(names[:-1])}· + {names[-1]}"
            elif op is not None and op.name == "matmul":
                made = f"{' '.join(names) or '@'} ·" if names else "@"
            elif names:
                made = f"{made} {' '.join(names)}"
            named = tensor.name and self.cell.nodes[role][2] != "point"
            return f"{made} {tensor.name}" if named else made
        if role.endswith(" ←"):
            operand = {"nh ←": "h", "n ←": "x" if "n +" in step.tensors else ""}.get(role, "")
            return " + ".join(f"{n}·{operand}" if n[0] == "W" else f"{n}·C" if n[0] == "p" else n for n in names)
        if role.startswith("["):
            return role
        if role.endswith(" pad"):
            return "pad"
        return "given" if op is None else "1 −" if op.name == "sub" else op.label

    def _node(
        self, at: Point, kind: str, label: str, role: str, tensor: Tensor, tags: str = ""
    ) -> str:  # fmt: skip
        lit = self.lit is None or role in self.lit
        lines, fontsize = [label], 11.0
        look, size = ("table", (40.0, 22.0)) if kind == "cut" else (kind, LOOKS[kind][:2])
        norms = self._norms(tensor if tags else None) or [norm(self.graph.grad(tensor))]
        if self.cell.sizes and kind not in ("point", "state", "cut"):
            size, fontsize = self.cell.sizes[role], 9 if len(label) < 11 else 8
            if tensor.name and self.backward and "grad" in self.show and not self.long and not self.rolled:
                lines, fontsize = self._two_lines(at, label, tensor), 8
        elif kind in ("linear", "join"):
            fontsize = 9
            if len(label) > 14:
                head, _, rest = label.partition(" + ")
                lines, fontsize = [head, f"+ {rest}"], 8
        elif len(label) > 4 or (kind == "point" and len(label) > 1):
            fontsize = 8
        hover = "" if self.long else f"{tensor.describe()} · ‖∂L/∂·‖ = {between(norms)}"
        me = self.picture.node(
            at, look, quoted(*lines), hover, size=size, faint=not lit,
            fontsize=fontsize if kind != "cut" else 9, tags="" if self.long else tags,
        )  # fmt: skip
        self.places[me] = at, size
        return me

    def _two_lines(self, at: Point, label: str, tensor: Tensor) -> list[str]:
        """What stands in a box that has a name, and its gradient."""
        return [label[:13], digits(norm(self.graph.grad(tensor)))]

    def _name(self, role: str, t: int) -> str:
        if role.endswith("-"):
            return f"{role[:-1]}{'ₜ₋₁' if self.rolled else small(t)}"
        return f"{role}{self._sub(t)}" if role in (*self.cell.named, "x") else role

    # — between them —————————————————————————————————————————————————————————————————————————————————————

    def _connect(
        self, ids: dict[str, str], role: str, to: str, edges: list[Edge], share: float | None, layer: int,
        step: StepRoles,
    ) -> None:  # fmt: skip
        cell, frame, rail = self.cell, self._frame(layer, step.t), self.rails[layer]
        (a, a_size), (b, b_size) = self.places[ids[role]], self.places[ids[to]]
        route = cell.routes.get((role, to), "x")
        if role == "below" and "below role" in ids:
            up = ids["below role"]
            x, y, _ = cell.nodes[up]
            route = f"{cell.routes['below', up]} @{x:g},{y:g} {cell.routes.get((up, to), '@')}"
        elif role.endswith("-") and self.places[ids[role]][1] == (40.0, 22.0):  # a cut state stands within the step
            route = "@" if cell.sizes else ""
        elif a[1] == b[1] and (a[0] - frame.left) * rail.way > 0 and not cell.sizes and not self.rolled:
            route = ""
        shares, lit = [share], self.lit is None or (role in self.lit and to in self.lit)
        number = None if self.rolled and role == "x" else cell.numbers.get((role, to))
        if self.rolled:
            known = [(other.t, found) for other in self.windows[layer]
                     for r, o, _, found in self.every[layer, other.t]
                     if o == to and (r == role or (role == "below" and r not in ids))]  # fmt: skip
            shares = [found for _, found in known]
            if role.endswith("-"):
                self._loop(ids, role, to, edges, known, route, layer, lit)
                return
        corners = trimmed(corners_of(a, b, route, frame), a_size, b_size)
        main = role in self.main and to in self.main
        name = self._name(role, step.t - rail.way if role.endswith("-") else step.t)
        prefix = f"{role} " if role in cell.named and role not in ("C", "h") and not cell.sizes else ""
        self.lines.append(Line(
            ids[role], ids[to], corners, edges, shares, f"{name} → {to}" if not self.long or main else "", lit,
            number=number and frame.at(*number), prefix=prefix,
        ))  # fmt: skip

    def _loop(
        self, ids: dict[str, str], role: str, to: str, edges: list[Edge], known: list[tuple[int, float | None]],
        route: str, layer: int, lit: bool,
    ) -> None:  # fmt: skip
        """In a rolled picture: a state's way from the end of the step to its beginning, and from the initial state."""
        rail, cell, t = self.rails[layer], self.cell, next(iter(self.column))
        frame, state = self._frame(layer, t), role[:-1]
        first = self.windows[layer][:: rail.way][0]
        start = self._begin(layer, state, ids)
        (a, a_size), (b, b_size) = self.places[ids[role]], self.places[ids[to]]
        corners = trimmed(corners_of(self.places[start][0], b, route, frame), LOOKS["state"][:2], b_size)
        shares = [share for t, share in known if t == first.t]
        hover = f"{state}{small(first.t - rail.way)} → {to}"
        self.lines.append(Line(start, ids[to], corners, edges, shares, hover, lit))
        again = [share for t, share in known if t != first.t]
        if not again:
            return
        _, y = cell.states[state]
        k = list(cell.states).index(state)
        top = state in cell.lines or y > cell.height / 2
        over = cell.height + 18 + 22 * k if top else -14 - 18 * k
        lane = f"x{frame.width + 22:g} y{over:g} x{-30 + 8 * k} y{y:g} "
        corners = corners_of(a, b, lane + (route if route.startswith(("x", "@")) else "x"), frame)
        corners = trimmed(corners, a_size, b_size)
        self.lines.append(Line(ids[role], ids[to], corners, edges, again, f"{state}ₜ₋₁ → {to}", lit))
        if f"{state} loop" not in ids:
            ids[f"{state} loop"] = ""
            beside = cell.nodes["x"][0] + 80 if "x" in cell.nodes else 0.65 * frame.width  # of the arrow from x
            self._times(layer, state, frame.at(frame.width / 2 if top else beside, over + (9 if top else -9)))

    def _begin(self, layer: int, state: str, ids: dict[str, str]) -> str:
        """The node of a state before the first step."""
        me = f"{state} begins"
        if me not in ids:
            rail, role = self.rails[layer], f"{state}-"
            order = self.windows[layer][:: rail.way]
            tensor = next(step.tensors[role] for step in (order[0], order[-1]) if role in step.tensors)
            label = f"{state if len(state) < 4 else 's'}{small(order[0].t - rail.way)}"
            x, y = self.cell.states[state]
            frame = self._frame(layer, next(iter(self.column)))
            ids[me] = self._node(frame.at(x, y), "state", label, role, tensor)
            if "shape" in self.show:
                self.picture.text(frame.at(x, y - 27), quoted(str(tensor.shape)))
        return ids[me]

    def _times(self, layer: int, state: str, where: Point) -> None:
        """Beside a loop: how often it is run through, and what comes back along it."""
        others = self.windows[layer][:: self.rails[layer].way][1:]
        known = [share for step in others for role, _, _, share in self.every[layer, step.t] if role == f"{state}-"]
        what = f" · {between(known)}" if self.backward and "grad" in self.show else ""
        self.places[f"{state} loop"] = where, (10.0, 30.0)
        self.picture.text(where, quoted(f"{state}: × {len(others)}{what}", cut=60), 9, INK)

    def _outside(self, layer: int, step: StepRoles, tensor: Tensor) -> tuple[list[Edge], list[Edge]]:
        """The edges from a state to what reads it outside of the layer, and those to the next step."""
        following = self.rails[layer].after(step)
        upper = self.rails[layer + 1].at.get(step.t) if layer + 1 < len(self.rails) else None
        users = self.graph.users(tensor)
        later = [e for e in users if following is not None and self._within(e.out, following)]
        outside = [
            edge for edge in users
            if edge.out.birth not in step.roles and not self._inner(edge.out, step)
            and not (following is not None and self._within(edge.out, following))
            and self._kept(edge) and (upper is None or not self._feeds(edge.out, upper))
        ]  # fmt: skip
        return outside, later

    def _within(self, out: Tensor, step: StepRoles) -> bool:
        return out.birth in step.roles or (bool(self.cell.sizes) and self._inner(out, step))

    def _inner(self, out: Tensor, step: StepRoles) -> bool:
        """Whether a tensor without a role leads to one with a role, within the step (or from the step before)."""
        near, far = [out], 0
        while near and far < 6 and self.cell.sizes:
            if any(link in step.roles for link in (x.birth for x in near)):
                return True
            near = [e.out for x in near if place_of(x.scope) for e in self.graph.users(x)][:40]
            far += 1
        return False

    def _readout(self, layer: int, step: StepRoles, name: str, tensor: Tensor, ids: dict[str, str]) -> None:
        """An arrow to what reads a state outside of the layer: the head and the loss, folded into one box."""
        cell, frame = self.cell, self._frame(layer, step.t)
        outside, later = self._outside(layer, step, tensor)
        shares = [self.graph.share(outside)]
        node, lit = ids.get(f"{name} pad") or ids[name], f"end {name}"
        at, _ = self.places[node]
        carried = name in cell.states and cell.nodes[name][2] != "state"
        final = self.windows[layer][:: self.rails[layer].way][-1]
        if self.rolled:
            later, (outside, shares, at_the_end) = [], self._read_in_all(layer, name, final)
            newest, carried = final.state(name), carried and at_the_end
            tensor = tensor if newest is None else newest
        if (step is final or self.rolled) and carried:  # the last step drawn: its states stand at the right
            place = frame.at(frame.width + 62, at[1] - frame.low)
            end = self._node(place, "state", f"{name if len(name) < 4 else 's'}{small(final.t)}", lit, tensor)
            if "shape" in self.show:
                self.picture.text((place[0], place[1] - 27), quoted(str(tensor.shape)))
            self._arrow(node, end, name, later or outside, [self.graph.share(later)] if later else shares, lit)
            if outside and not later:  # one way to the loss: the same share flows on both parts of it
                loss = self._loss(frame.at(frame.width + 167, at[1] - frame.low))
                self._arrow(end, loss, name, outside, shares, lit, number=True)
                return
        if outside and any(share != 0 for share in shares):  # 0: the loss reads other steps alone
            if not cell.sizes:
                place = (at[0], frame.low + (cell.readout if name == "h" else cell.height + 42))
            else:
                place = frame.at(frame.width - 24, cell.height + 30 if name in cell.lines else cell.readout)
            loss = ids[f"loss {place}"] = ids.get(f"loss {place}") or self._loss(place)
            self._arrow(node, loss, name, outside, shares, lit, number=True)

    def _read_in_all(self, layer: int, name: str, final: StepRoles) -> tuple[list[Edge], list[float | None], bool]:
        """In a rolled picture: the edges to what reads a state, the shares, and whether the last step alone is read."""
        made = [(step, x) for step in self.windows[layer] if (x := step.state(name)) is not None]
        read = {step.t: self._outside(layer, step, x)[0] for step, x in made}
        if any(edges and self.graph.share(edges) != 0 for t, edges in read.items() if t != final.t):
            every = [edge for edges in read.values() for edge in edges]
            return every, [self.graph.share(edges) for edges in read.values() if edges], False
        last = read.get(final.t, [])
        return last, [self.graph.share(last)], True

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

    def _feeds(self, tensor: Tensor, upper: StepRoles) -> bool:
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
        self, a: str, b: str, name: str, edges: list[Edge], shares: list[float | None], role: str, *,
        number: bool = False,
    ) -> None:  # fmt: skip
        (p, p_size), (q, q_size) = self.places[a], self.places[b]
        corners = trimmed(corners_of(p, q, "", Frame(0, 0, 0)), p_size, q_size)
        where = None
        if number:
            (x, y), (u, v) = corners[-2:]
            where = ((x + u) / 2, y + 13) if y == v else (u - 20, v + 45) if y > v else (u + 20, v - 45)
            if self.cell.sizes and y != v:
                where = (u - 22, v + (-9 if v > y else 9))
        lit = self.lit is None or role in self.lit
        self.lines.append(Line(a, b, corners, edges, shares, f"{name} → what reads it", lit, number=where))

    # — numbers, tables, legend ——————————————————————————————————————————————————————————————————————————

    def _norms(self, tensor: Tensor | None) -> list[float | None]:
        """The norm of a tensor's gradient; in a rolled picture, those of all steps."""
        if tensor is None:
            return []
        return [norm(self.graph.grad(x)) for x in self.again.get(tensor.birth, [tensor]) if x is not None]

    def _number(self, prefix: str, norms: list[float | None]) -> str:
        """One number, or for many steps the smallest above the largest."""
        low, _, high = between(norms).partition(" … ")
        return quoted(f"{prefix}{low} …", high) if high else quoted(f"{prefix}{low}")

    def connect(self, scale: Scale | None) -> None:
        """Draw the edges, and the numbers."""
        for line in self.lines:
            self.picture.edge(
                line.a, line.b, line.corners, share=line.share, scale=scale, faint=not line.on_path, single=self.long,
                hover=line.hover and f"{line.hover} · gradient {between(line.shares)}",
            )  # fmt: skip
            if line.number and not self.long and self.backward and "grad" in self.show and line.on_path:
                at = line.number[0], line.number[1] + 5 * (len(line.shares) > 1)
                self.picture.text(at, self._number(line.prefix, line.shares), 8, NUMBER)
        for at, what, tensor in self.totals if self.backward and "grad" in self.show else ():
            number = self._number(f"{what} ", self._norms(tensor))
            self.picture.text((at[0], at[1] + 5 * self.rolled), number, 8, NUMBER)

    def table(self, y: float) -> float:
        """One gradient for each parameter: it is shared by all steps, which all add to it."""
        wide, high = 70.0, 32.0
        across = max(4, int((self.pitch * len(self.column)) // (wide + 6)))
        for k, rail in reversed(list(enumerate(self.rails, 1))):
            found = {p.birth: p for step in rail.steps for used in step.parameters.values() for p in used.values()}
            if not found:
                continue
            layer = f" of {self.name}" * bool(self.name) + (f" of layer {k}" if len(self.rails) > 1 else "")
            if self.rails[0].way != self.rails[-1].way:
                layer = " of the forward direction" if rail.way > 0 else " of the backward direction"
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


def widths_of(rails: list[Rail], first: int, last: int) -> list[float]:
    """How wide a step of each layer is: wider where some rows have ended before the last step."""
    steps = [step for rail in rails for step in rail.steps if first <= step.t <= last]
    padded = any(role.endswith(" pad") for step in steps for role in step.tensors)
    return [rail.cell.width + PADDED * (padded and not rail.cell.sizes) for rail in rails]


def stacked(
    sheets: Sequence[tuple[str, Graph, list[Rail]]], kind: type[Drawn], *, first: int, last: int, **settings: Any
) -> list[Drawn]:
    """Several graphs (name, graph, layers) in one picture, the first at the top, each step in the same column."""
    pitch = max(width for _, _, rails in sheets for width in widths_of(rails, first, last)) + GAP
    times = {step.t for _, _, rails in sheets for step in rails[-1].steps if first <= step.t <= last}
    placed: list[Drawn] = []
    for name, graph, rails in reversed(sheets):
        under = placed[0] if placed else None
        placed.insert(0, kind(
            graph, rails, first=first, last=last, name=name if len(sheets) > 1 else "", under=under, pitch=pitch,
            times=times, **settings,
        ))  # fmt: skip
    return placed


def finished(placed: Sequence[Unrolled], notes: Iterable[str] = (), *, page: bool = False) -> Picture:
    """Draw the edges of all, on one scale; below stand parameters, legend and notes, which a page has elsewhere."""
    picture = placed[0].picture
    backward = any(one.backward for one in placed)
    scale = Scale(share for one in placed for line in one.lines for share in line.shares) if backward else None
    for one in placed:
        one.connect(scale)
    if page:
        return picture
    y = min(at[1] - size[1] / 2 for one in placed for at, size in one.places.values()) - 62
    for one in placed:
        y = one.table(y)
    if scale is not None:
        picture.legend((0, y), scale, "‖∂L/∂·‖")
        y -= 42
    for note in notes:
        picture.line((0, y), note)
        y -= 15
    return picture


def between(norms: Iterable[float | None]) -> str:
    """The only number, or the smallest and the largest."""
    known = [n for n in norms if n is not None]
    low, high = digits(min(known, default=None)), digits(max(known, default=None))
    return low if low == high else f"{low} … {high}"


def _from_one(graph: Graph, tensor: Tensor) -> bool:
    first = graph.inputs(tensor)[0]
    return first.op is None and first.size == 1

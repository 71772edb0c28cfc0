"""The picture of the page: graphviz's SVG without its colours, and what each of its ids stands for."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..tensor import Tensor
from .capture import Edge, Graph, norm, place_of
from .dot import Scale, digits, quoted
from .html import shade
from .layout import GAP, Line, Unrolled
from .roles import Rail, StepRoles

SVG = "{http://www.w3.org/2000/svg}"
PATHS = 4  # that can be brought forward: the classes on-0 … on-3 of the style sheet


class Wire(NamedTuple):
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


class Scene:
    """What a page must know of a picture of a graph. `rails` are its layers, none where there are no time steps."""

    def __init__(self, graph: Graph, rails: list[Rail]) -> None:
        self.graph, self.rails = graph, rails
        self.tensors: dict[str, Tensor] = {}  # by the id of the node
        self.wires: list[Wire] = []
        self.sums: list[tuple[str, Tensor]] = []  # where the norm of a whole gradient is printed: id, tensor
        self.called: dict[int, str] = {}  # what stands in the picture, of tensors that have no name
        self.boxes: dict[tuple[int, int], str] = {}  # (layer, t): id of the box around the step
        self.visits: list[Visit] = []  # newest first


class Stage(Unrolled):
    """The time view for the page: it leaves tables and legend to the page, and remembers what its ids stand for."""

    def __init__(self, graph: Graph, rails: list[Rail], **settings: Any) -> None:
        self.scene = Scene(graph, rails)
        self.at_role: dict[tuple[int, int], dict[str, str]] = {}  # (layer, t): ids of the roles
        self.roles: dict[str, str] = {}  # by id
        self.drawn_lines: list[tuple[Wire, Line]] = []
        self.losses: list[str] = []
        self.inside: list[str] = []  # numbers within a box
        super().__init__(graph, rails, **settings)
        self.scene.visits = sorted(self._visits(), key=lambda visit: -visit.tensor.birth)

    def _step(self, layer: int, step: StepRoles, drawn: dict[tuple[int, int], dict[str, str]]) -> dict[str, str]:
        self.at_role[layer, step.t] = ids = super()._step(layer, step, drawn)
        self.scene.boxes[layer, step.t] = f"box{len(self.picture.boxes) - 1}"
        for role, tensor in step.tensors.items():
            if not tensor.name and (role == "x" or role.startswith("→")):
                self.scene.called.setdefault(tensor.birth, self._input(tensor, step))
            elif not tensor.name and role.endswith("-") and tensor.op is None:
                self.scene.called.setdefault(tensor.birth, self._name(role, step.t - self.rails[layer].way))
        return ids

    def _node(self, at: Any, kind: str, label: str, role: str, tensor: Tensor, tags: str = "") -> str:
        me = super()._node(at, kind, label, role, tensor, tags or f" {kind}")
        self.scene.tensors[me], self.roles[me] = tensor, role
        return me

    def _two_lines(self, at: Any, label: str, tensor: Tensor) -> list[str]:
        """Room for the number, which is a text of its own: it is not to be read before its time."""
        number = self.picture.text((at[0], at[1] - 7), quoted(digits(norm(self.graph.grad(tensor)))))
        self.scene.sums.append((number, tensor))
        self.inside.append(number)
        return [label[:13], " "]

    def _loss(self, at: Any) -> str:
        self.losses.append(super()._loss(at))
        return self.losses[-1]

    def connect(self, scale: Scale | None) -> None:
        assert scale is not None
        self.scale = scale
        for line in self.lines:
            share = self.graph.share(line.edges)
            me = self.picture.edge(line.a, line.b, line.corners, share=share, scale=scale)
            number = ""
            if line.number and share is not None:
                number = self.picture.text(line.number, quoted(f"{line.prefix}{digits(share)}"))
            wire = Wire(f"g{me[1:]}", line.edges, share, number)
            self.scene.wires.append(wire)
            self.drawn_lines.append((wire, line))
        for at, what, tensor in self.totals:
            total = quoted(f"{what} {digits(norm(self.graph.grad(tensor)))}")
            self.scene.sums.append((self.picture.text(at, total), tensor))

    def _visits(self) -> Iterator[Visit]:
        for layer, rail in enumerate(self.rails):
            for step in rail.steps:
                if step.t in self.column and (layer, step.t) in self.at_role:
                    for tensor in step.made:
                        if tensor.op is not None and self.graph.grad(tensor) is not None:
                            yield Visit(tensor, layer, step.t, self._host(tensor, step, self.at_role[layer, step.t]))

    def _host(self, tensor: Tensor, step: StepRoles, ids: dict[str, str]) -> str | None:
        """The node of a tensor; of one that has none, as a product before its bias, that of the tensor it is for."""
        for _ in range(4):
            if role := step.roles.get(tensor.birth):
                return ids.get(role)
            users = self.graph.users(tensor)
            if len(users) != 1:
                return None
            tensor = users[0].out
        return None

    def classes(self, paths: list[str]) -> dict[str, str]:
        """The classes by which the style sheet colours an element, and brings a path forward: on-0, on-1."""
        found: dict[str, list[str]] = defaultdict(list)
        lit = {k: self.cell.follow[path] | {f"{path}-"} for k, path in enumerate(paths) if path in self.cell.follow}
        for me, role in self.roles.items():
            found[me] += [f"on-{k}" for k, roles in lit.items() if role in roles]
        for wire, line in self.drawn_lines:
            ends = {self.roles.get(line.a, ""), self.roles.get(line.b, "")}
            on = [f"on-{k}" for k, roles in lit.items() if line.on_path and "" not in ends and ends <= roles]
            for me in _ids(wire):
                found[me] += on
            if wire.share is not None:
                found[wire.me].append(shade(self.scale, wire.share))
            if wire.number:
                found[wire.number].insert(0, "number")
        for k, path in enumerate(paths):  # a net without this path is not greyed for another's sake
            if path not in self.cell.follow:
                for me in [*self.roles, *self.losses, *(me for wire, _ in self.drawn_lines for me in _ids(wire))]:
                    found[me].append(f"on-{k}")
        for me in self.losses:
            found[me].append("loss")
        found[self.title].append("name")
        for me, _ in self.scene.sums:
            found[me] += ["number"] if me in self.inside else ["number", "total"]
        for me in self.inside:
            found[me].append("inside")
        return {me: " ".join(names) for me, names in found.items() if me}


def _ids(wire: Wire) -> tuple[str, str, str]:
    """Of the gradient, of the thin line under it, and of the number."""
    return wire.me, f"e{wire.me[1:]}", wire.number


class Ops(Scene):
    """The view of all ops for the page: `nodes` are their ids, by birth; `edges` come with ids and shares."""

    def __init__(
        self, graph: Graph, nodes: dict[int, str], edges: list[tuple[str, Edge, float | None]], scale: Scale,
        numbered: set[str],
    ) -> None:  # fmt: skip
        super().__init__(graph, [])
        self.scale, self.numbered = scale, numbered  # nodes whose last line is the gradient
        made = {tensor.birth: tensor for tensor in graph.tensors if tensor.birth in nodes}
        self.tensors = {nodes[birth]: tensor for birth, tensor in made.items()}
        self.wires = [Wire(f"g{me[1:]}", [edge], share) for me, edge, share in edges]
        self.sums = [(f"t{me[1:]}", self.tensors[me]) for me in numbered]
        for tensor in reversed(made.values()):
            if tensor.op is not None and graph.grad(tensor) is not None:
                place = place_of(tensor.scope)
                self.visits.append(Visit(tensor, None, place.t if place else None, nodes[tensor.birth]))

    def classes(self) -> dict[str, str]:
        """The colours."""
        found = {wire.me: shade(self.scale, wire.share) for wire in self.wires if wire.share is not None}
        return found | {me: "number inside" for me, _ in self.sums}


# — the picture —————————————————————————————————————————————————————————————————————————————————————————


def _short(text: str) -> str:
    """Coordinates with one decimal."""
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.1f}".removesuffix(".0").replace("-0.", "-.", 1), text)


def _extent(path: str) -> list[float]:
    """x, y, width and height of a path."""
    numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", path)]
    xs, ys = numbers[::2], numbers[1::2]
    return [round(n, 1) for n in (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))]


def _tag(name: str, content: str = "", **attributes: Any) -> str:
    given = {
        key.rstrip("_").replace("_", "-"): html.escape(str(value)) for key, value in attributes.items() if value != ""
    }
    written = "".join(f' {key}="{value}"' for key, value in given.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _shapes(group: ET.Element, kind: str) -> Iterator[tuple[float, str, str]]:
    """What a group of the SVG shows: where it stands (x), the tag, and the element."""
    for shape in group.iter():
        tag = shape.tag.removeprefix(SVG)
        if tag == "text":
            at = {key: _short(shape.get(key, "")) for key in ("x", "y")}
            size = f"{float(shape.get('font-size', 8)):g}"
            yield float(at["x"]), tag, _tag(tag, html.escape(shape.text or ""), **at, font_size=size)
        elif tag == "ellipse":
            at = {key: _short(shape.get(key, "")) for key in ("cx", "cy", "rx", "ry")}
            yield float(shape.get("cx", 0)), tag, _tag(tag, **at)
        elif tag == "path":
            x, y, wide, high = _extent(shape.get("d", ""))
            if kind == "edge":
                dashed = "5,2" if shape.get("stroke-dasharray") else ""
                yield x + wide / 2, tag, _tag(tag, d=_short(shape.get("d", "")), stroke_dasharray=dashed)
            else:
                rx = 12 if kind == "cluster" else 5
                yield x + wide / 2, tag, _tag("rect", x=x, y=y, width=wide, height=high, rx=rx)
        elif tag == "polygon":
            points = _short(shape.get("points", "")).split(" ")[: 3 if kind == "edge" else None]
            yield float(points[0].split(",")[0]), tag, _tag(tag, points=" ".join(points))


def _to_its_end(path: str, shapes: list[tuple[float, str, str]]) -> str:
    """A line that ends where there is an arrowhead, led on to its tip."""
    head = next((re.search(r'points="\S+ (\S+)', shape) for _, tag, shape in shapes if tag == "polygon"), None)
    return path.replace('d="M', f'd="M{head[1]}L', 1) if head else path


def slim(svg: str, classes: dict[str, str], *, numbered: set[str] | None = None) -> tuple[str, str]:
    """graphviz's SVG with our classes in place of its colours, fonts and titles; and its viewBox.

    Only text and coordinates are taken over, each escaped again; `classes` are those to add, by id. With `numbered`,
    the picture is one of ops: an arrow stands there in thin lines too, as long as no gradient has come along it, and
    in these nodes the last line is a number by itself, with an id.
    """
    root = ET.fromstring(svg.encode())
    top = root.find(f"{SVG}g")
    assert top is not None
    move = re.search(r"translate\([-\d. ]+\)", top.get("transform", ""))
    boxes: list[str] = []
    edges: set[float] = set()  # where the boxes begin
    columns: dict[int, list[str]] = defaultdict(list)  # all else, by the box in or before which it stands
    for group in top.iter(f"{SVG}g"):
        kind, me = (group.get("class") or "").split(" ")[0], group.get("id", "")
        if kind not in ("cluster", "node", "edge"):
            continue
        title = (group.findtext(f"{SVG}title") or "") if kind == "node" else ""
        if bare := bool(re.fullmatch(r"t\d+", title)):
            me = title
        found = list(_shapes(group, kind))
        drawn = [shape for _, _, shape in found]
        x = next((x for x, tag, _ in found if tag != "text" or kind != "cluster"), 0.0)
        if kind == "cluster":
            edges.update(_extent(path.get("d", ""))[0] for path in group.iter(f"{SVG}path"))
        fixed = kind == "cluster" or not found or classes.get(me) == "name"
        column = boxes if fixed else columns[bisect(sorted(edges), x + GAP / 2)]
        thick = next((p.get("stroke-width", "") for p in group.iter(f"{SVG}path") if kind == "edge"), "")
        named = group.get("class", "")
        if bare:
            column.append("".join(drawn).replace("<text", f'<text id="{me}" class="{classes.get(me, "note")}"', 1))
            continue
        if numbered is not None and kind == "edge" and named == "edge gradient":
            lines = [_to_its_end(shape, found) for _, tag, shape in found if tag == "path"]
            column.append(_tag("g", "".join(lines), class_="edge forward", id=me))
            me = f"g{me[1:]}"
            drawn = [s.replace("<text", '<text class="number"', 1) for s in drawn]
        if numbered is not None and me in numbered:
            last = drawn.pop()
            number = f"t{me[1:]}"
            drawn.append(last.replace("<text", f'<text id="{number}" class="{classes.get(number, "")}"', 1))
        own = " ".join(filter(None, [named, classes.get(me, "")]))
        width = thick if kind == "edge" and not named.startswith("edge forward") else ""
        column.append(_tag("g", "".join(drawn), id=me, class_=own, stroke_width=width))
    view = root.get("viewBox", "0 0 100 100")
    parts = boxes + [_tag("g", "".join(columns[k]), class_="column") for k in sorted(columns)]
    return f'<g transform="{move[0] if move else ""}">{"".join(parts)}</g>', view

"""The page: one HTML file in which a reader walks the backward pass. It holds a picture, its numbers, and a script.

The picture is graphviz's SVG of the time view with its colours taken out (`slim`), so that the style sheet can give it
a dark theme; the numbers are a block of JSON; page.html, page.css and page.js stand beside this file. Nothing is loaded
from elsewhere: the content security policy allows this one script and this one style sheet, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
import xml.etree.ElementTree as ET
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..flow.ledger import Flow
from ..tensor import Array, Tensor
from .capture import MOVES, Edge, Graph, norm
from .dot import STOPS, Scale, digits, small
from .dot import cleaned as clean
from .layout import GAP, Line, Unrolled
from .render import render
from .steps import ENTRIES, Rail, Step

WINDOW = 50  # steps in one page, of all layers together; the strip shows all
LEVELS = 24  # shades of the colour scale
ENTRIES_SHOWN = 4  # numbers of a tensor that are written out
BINS = 24  # of a gradient's histogram
DARK = ("#3b4654", "#5d5568", "#8a5a6b", "#bb6457", "#e08150", "#f6b35c", "#ffe9a8")  # luminance rises steadily
INFIX = {"add": " + ", "sub": " − ", "mul": " · ", "div": " / ", "matmul": " @ "}
SVG = "{http://www.w3.org/2000/svg}"


class Stage(Unrolled):
    """The picture of the page: it remembers what its ids stand for, and leaves tables and legend to the page."""

    def __init__(self, graph: Graph, rails: list[Rail], **settings: Any) -> None:
        self.shown: dict[str, tuple[str, Tensor]] = {}  # node: its role and tensor
        self.wires: list[tuple[str, Line, float | None, str]] = []  # edge: id, line, share, id of its number
        self.sums: list[tuple[str, Tensor]] = []  # where ∂L/∂C and ∂L/∂h are printed: id, tensor
        self.roles: dict[tuple[int, int], dict[str, str]] = {}  # (layer, t): ids of the roles
        self.boxes: dict[tuple[int, int], str] = {}  # (layer, t): id of the box around the step
        self.losses: list[str] = []
        super().__init__(graph, rails, **settings)

    def _step(self, layer: int, step: Step, drawn: dict[tuple[int, int], dict[str, str]]) -> dict[str, str]:
        self.roles[layer, step.t] = ids = super()._step(layer, step, drawn)
        self.boxes[layer, step.t] = f"box{len(self.picture.boxes) - 1}"
        return ids

    def _node(self, at: Any, kind: str, label: str, role: str, tensor: Tensor, tags: str = "") -> str:
        me = super()._node(at, kind, label, role, tensor, tags or f" {kind}")
        self.shown[me] = role, tensor
        return me

    def _loss(self, at: Any) -> str:
        self.losses.append(super()._loss(at))
        return self.losses[-1]

    def _finish(self) -> None:
        shares = [self.graph.share(line.edges) for line in self.lines]
        self.scale = Scale(shares)
        for line, share in zip(self.lines, shares, strict=True):
            me = self.picture.edge(line.a, line.b, line.corners, share=share, scale=self.scale)
            number = ""
            if line.number and share is not None:
                number = self.picture.text(line.number, f'"{line.prefix}{digits(share)}"')
            self.wires.append((me, line, share, number))
        for at, what, tensor in self.totals:
            total = f'"{what} {digits(norm(self.graph.grad(tensor)))}"'
            self.sums.append((self.picture.text(at, total), tensor))


# — numbers ——————————————————————————————————————————————————————————————————————————————————————————————


def rounded(value: float | None, figures: int = 6) -> float | None:
    """A number as JSON may hold it: few digits, None where there is none or it is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{figures}g}")


def histogram(array: Array) -> list[Any]:
    """[lowest, highest, how many entries there are in each of the bins between]."""
    finite = array[np.isfinite(array)].astype(np.float64)
    if not finite.size:
        return []
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore"):
        counts = np.histogram(finite, BINS)[0] if 0 < high - low < math.inf else [finite.size]
    return [rounded(low, 4), rounded(high, 4), *map(int, counts)]


class Numbers:
    """Everything that the page shows and the picture does not: a table of tensors, and the ops in backward order."""

    def __init__(self, graph: Graph, stage: Stage) -> None:
        self.graph, self.stage = graph, stage
        self.index: dict[int, int] = {}
        self.tensors: list[dict[str, Any]] = []
        self.done: list[dict[str, Any]] = []
        self.rows = 1
        self.symbols: dict[int, str] = {}
        self.times: dict[int, int] = {}
        for rail in stage.rails:
            for step in rail.steps:
                for birth, role in step.roles.items():
                    if role == "x":
                        self.symbols.setdefault(birth, f"x{small(step.t)}")
                    elif role not in ENTRIES:
                        self.times[birth] = step.t
        state = next((s for s in ("C", "h") if s in stage.rails[-1].cell.totals), "h")
        self.state = state
        last = [step.state(state) for step in stage.rails[-1].steps if step.t in stage.column][-1]
        self.units: list[int] = []  # the hidden units whose entries are written out: those with the largest gradients
        self.hidden = last.shape[-1] if last is not None else 0
        self.rows = last.shape[0] if last is not None and last.ndim == 2 else 1
        if last is not None and (gradient := graph.grad(last)) is not None:
            self.units = sorted(int(k) for k in np.argsort(-np.abs(gradient[0]), kind="stable")[:ENTRIES_SHOWN])

    def entries(self, array: Array | None) -> list[float | None] | None:
        """A few entries of the first row: of the chosen units where there is one for each unit, else the first ones."""
        if array is None:
            return None
        row = array[0] if array.ndim == 2 and array.shape[-1] == self.hidden else array.ravel()
        picked = row[self.units] if row.shape == (self.hidden,) and self.units else row[:ENTRIES_SHOWN]
        return [rounded(float(value), 4) for value in picked]

    # — what a tensor is called, and how it was made —

    def symbol(self, x: Tensor, depth: int = 0) -> str:
        """Its name with the time step; what has no name is written as what it was made from."""
        if x.birth in self.symbols:
            return self.symbols[x.birth]
        if x.name:
            text = clean(x.name, 24) + (small(self.times[x.birth]) if x.birth in self.times else "")
        elif x.op is None or depth > 5:
            text = digits(x.item()) if x.size == 1 else "…" if x.op else "x"
        else:
            text = self.made(x, depth + 1)
        if depth == 0 or x.name:
            self.symbols[x.birth] = text
        return text

    def made(self, x: Tensor, depth: int = 0) -> str:
        """The right-hand side of a tensor's equation."""
        assert x.op is not None
        inputs = self.graph.inputs(x)
        parts = [self.symbol(y, depth) for y in inputs]
        if x.op.name in ("concat", "stack"):
            return f"[{' ; '.join(parts[:6])}{' ; …' if len(parts) > 6 else ''}]"
        if sign := INFIX.get(x.op.name):
            loose = (" + ", " − ") if sign != " + " else ()
            return sign.join(f"({p})" if any(s in _outside(p) for s in loose) else p for p in parts)
        if x.op.name in MOVES:
            return parts[0]
        return f"{x.op.label}({', '.join(parts)})"

    def add(self, x: Tensor) -> int:
        """Enter a tensor into the table; its place there."""
        if x.birth in self.index:
            return self.index[x.birth]
        self.index[x.birth] = place = len(self.tensors)
        row: dict[str, Any] = {"sym": clean(self.symbol(x), 60)}
        self.tensors.append(row)
        gradient, values = self.graph.grad(x), x.numpy()
        row["scope"] = clean(x.scope, 80)
        if x.op is not None:
            row["op"] = x.op.name
            row["eq"] = clean(self.made(x), 110)
        row["shape"] = list(x.shape)
        if values.size:
            with np.errstate(all="ignore"):
                row["v"] = [rounded(float(f(values)), 4) for f in (np.min, np.mean, np.max)]
        row["y"] = self.entries(values)
        if x.shape[-1:] == (self.hidden,) and len(x.shape) == 2 and self.units:
            row["u"] = 1
        row["grad"] = rounded(norm(gradient))
        if gradient is not None:
            row["dy"] = self.entries(gradient)
            row["hist"] = histogram(gradient)
        return place

    # — the ops, as the gradient meets them —

    def ops(self) -> list[list[Any]]:
        """Enter the ops into `done`, newest first; the groups [layer, t, end, box] that are one time step."""
        wires: dict[tuple[int, int], list[str]] = defaultdict(list)
        for me, line, _, number in self.stage.wires:
            for edge in line.edges:
                wires[edge.out.birth, edge.k] += [f"g{me[1:]}", *([number] if number else [])]
        totals = {tensor.birth: me for me, tensor in self.stage.sums}
        found = []
        for layer, rail in enumerate(self.stage.rails):
            for step in rail.steps:
                if step.t in self.stage.column:
                    for tensor in step.made:
                        role = step.roles.get(tensor.birth)
                        if role and role not in ENTRIES and tensor.op is not None and self._reached(tensor):
                            found.append((tensor, layer, step.t, self.stage.roles[layer, step.t].get(role)))
        found.sort(key=lambda item: -item[0].birth)
        mine = {tensor.birth for tensor, *_ in found}
        arrived: dict[int, list[Array]] = defaultdict(list)
        expected = {tensor.birth: self._expected(tensor) for tensor, *_ in found}
        ops = self.done = [self._start(mine, wires, arrived, expected, totals)]
        groups: list[list[Any]] = [[-1, 0, 1, ""]]
        for tensor, layer, t, node in found:
            ins = [
                self._share(edge, share, wires, arrived, expected, totals)
                for edge, share in self._shares(tensor)
            ]
            ops.append({"out": self.add(tensor), "t": t, "node": node, "ins": ins})
            if groups[-1][:2] == [layer, t]:
                groups[-1][2] = len(ops)
            else:
                groups.append([layer, t, len(ops), self.stage.boxes[layer, t]])
        return groups

    def _reached(self, tensor: Tensor) -> bool:
        return self.graph.grad(tensor) is not None

    def _expected(self, x: Tensor) -> int:
        """How many shares arrive at a tensor."""
        return sum(1 for edge in self.graph.users(x) if self._sent(edge) is not None)

    def _sent(self, edge: Edge) -> Array | None:
        assert self.graph.trace is not None
        return self.graph.trace.inputs(edge.out)[edge.k].share

    def _shares(self, tensor: Tensor) -> Iterator[tuple[Edge, Array]]:
        for k, x in enumerate(self.graph.inputs(tensor)):
            edge = Edge(x, tensor, k)
            if (share := self._sent(edge)) is not None:
                yield edge, share

    def _share(
        self, edge: Edge, share: Array, wires: Any, arrived: Any, expected: dict[int, int], totals: dict[int, str]
    ) -> dict[str, Any]:  # fmt: skip
        """One input of an op: what is sent to it, along which edges of the picture, and the sum there so far."""
        x = edge.x
        row: dict[str, Any] = {"x": self.add(x), "k": edge.k, "n": rounded(norm(share)), "v": self.entries(share)}
        row["ids"] = list(wires.get((edge.out.birth, edge.k), []))
        if x.birth in expected and expected[x.birth] > 1:
            arrived[x.birth].append(share)
            total = np.sum(arrived[x.birth], axis=0)
            row["sum"] = [len(arrived[x.birth]), expected[x.birth], rounded(norm(total)), self.entries(total)]
        if x.birth in totals and row.get("sum", [1, 1])[0] == row.get("sum", [1, 1])[1]:
            row["ids"].append(totals[x.birth])
        return row

    def _start(
        self, mine: set[int], wires: Any, arrived: Any, expected: dict[int, int], totals: dict[int, str]
    ) -> dict[str, Any]:  # fmt: skip
        """The first step: what comes into the picture from outside, from the loss or from later steps."""
        ins = []
        edges = [edge for edge in self.graph.edges if edge.x.birth in mine and edge.out.birth not in mine]
        for edge in sorted(edges, key=lambda edge: -edge.x.birth):
            if (share := self._sent(edge)) is not None and np.any(share):
                ins.append(self._share(edge, share, wires, arrived, expected, totals))
            elif share is not None:
                arrived[edge.x.birth].append(share)  # zeros: an entry of a stack that the loss does not read
        root = self.graph.roots[0]
        drawn = [me for me, line, _, number in self.stage.wires for edge in line.edges if edge.out.birth not in mine
                 for me in (f"g{me[1:]}", number) if me]
        return {"out": self.add(root), "t": 0, "node": None, "ins": ins, "ids": sorted(set(drawn))}

    def ledgers(self) -> dict[str, Any]:
        """For each layer and step t, the terms of the gradient of the state before it: [norm, part of the total]."""
        found: dict[str, Any] = {}
        assert self.graph.trace is not None
        for layer, rail in enumerate(self.stage.rails):
            try:
                flow = Flow(self.graph.trace, self.state, rail.name)
            except LookupError:
                continue
            for t in self.stage.column:
                try:
                    terms = {name: np.asarray(term, np.float64) for name, term in flow.ledger(t).items()}
                except (LookupError, IndexError):
                    continue
                total = np.sum(list(terms.values()), axis=0)
                top = float(np.abs(total).max(initial=0.0)) or 1.0
                unit = total / top
                square = float((unit * unit).sum())
                rows = {
                    name: [rounded(norm(term)), rounded(float((term / top * unit).sum()) / square, 5) if square else 0]
                    for name, term in terms.items()
                }
                found[f"{layer} {t}"] = {"norm": rounded(norm(total)), "terms": rows}
        return found

    def strip(self) -> dict[str, list[float | None]]:
        """The norms of the gradients of each named tensor of the last layer, at all steps of the sequence."""
        rail = self.stage.rails[-1]
        names = [self.state, *(name for name in ("h", *rail.cell.named, "x") if name != self.state)]
        rows = {
            name: [rounded(norm(self.graph.grad(step.tensors[name])), 4) if name in step.tensors else None
                   for step in rail.steps]
            for name in dict.fromkeys(names)
        }  # fmt: skip
        return {name: row for name, row in rows.items() if any(value is not None for value in row)}


def _outside(text: str) -> str:
    """Text without what stands in brackets."""
    previous = ""
    while previous != text:
        previous, text = text, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text)
    return text


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
    given = {key.rstrip("_"): html.escape(str(value)) for key, value in attributes.items() if value != ""}
    written = "".join(f' {key}="{value}"' for key, value in given.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def slim(svg: str, classes: dict[str, str]) -> tuple[str, str]:
    """graphviz's SVG with our classes in place of its colours, fonts and titles; and its viewBox.

    Only text and coordinates are taken over, each escaped again; `classes` are those to add, by id.
    """
    root = ET.fromstring(svg.encode())
    top = root.find(f"{SVG}g")
    assert top is not None
    move = re.search(r"translate\([-\d. ]+\)", top.get("transform", ""))
    boxes: list[str] = []
    edges: list[float] = []  # where the boxes begin
    columns: dict[int, list[str]] = defaultdict(list)  # all else, by the box in or before which it stands
    for group in top.iter(f"{SVG}g"):
        kind, me = (group.get("class") or "").split(" ")[0], group.get("id", "")
        title = (group.findtext(f"{SVG}title") or "") if kind == "node" else ""
        me = title if re.fullmatch(r"t\d+", title) else me
        own = " ".join(filter(None, [group.get("class", ""), classes.get(me, "")]))
        if kind not in ("cluster", "node", "edge"):
            continue
        shapes, width, xs = [], "", []
        for shape in group.iter():
            tag = shape.tag.removeprefix(SVG)
            if tag == "text":
                at = {key: _short(shape.get(key, "")) for key in ("x", "y")}
                size = float(shape.get("font-size", 8))
                xs.append(float(at["x"]))
                shapes.append(_tag("text", html.escape(shape.text or ""), **at, font_size=f"{size:g}"))
            elif tag == "ellipse":
                xs.append(float(shape.get("cx", 0)))
                shapes.append(_tag(tag, **{key: _short(shape.get(key, "")) for key in ("cx", "cy", "rx", "ry")}))
            elif tag == "path" and kind == "edge":
                left, _, wide, _ = _extent(shape.get("d", ""))
                xs.append(left + wide / 2)
                width = "" if own.startswith("edge forward") else shape.get("stroke-width", "")
                dashed = "5,2" if shape.get("stroke-dasharray") else ""
                shapes.append(_tag("path", d=_short(shape.get("d", "")), stroke_dasharray=dashed))
            elif tag == "path":
                x, y, wide, high = _extent(shape.get("d", ""))
                xs.append(x + wide / 2)
                edges += [x] if kind == "cluster" else []
                shapes.append(_tag("rect", x=x, y=y, width=wide, height=high, rx=12 if kind == "cluster" else 5))
            elif tag == "polygon":
                points = " ".join(_short(shape.get("points", "")).split(" ")[:3 if kind == "edge" else None])
                shapes.append(_tag("polygon", points=points))
        content = "".join(shapes).replace("font_size", "font-size").replace("stroke_", "stroke-")
        column = boxes if kind == "cluster" else columns[bisect(sorted({*edges}), xs[0] + GAP / 2)] if xs else boxes
        if re.fullmatch(r"t\d+", me):
            column.append(content.replace("<text", f'<text id="{me}" class="{classes.get(me, "note")}"', 1))
        else:
            column.append(_tag("g", content, id=me, class_=own, stroke_width=width).replace("stroke_", "stroke-", 1))
    view = root.get("viewBox", "0 0 100 100")
    parts = boxes + [_tag("g", "".join(columns[k]), class_="column") for k in sorted(columns)]
    return f'<g transform="{move[0] if move else ""}">{"".join(parts)}</g>', view


def _classes(stage: Stage) -> dict[str, str]:
    """The classes by which the style sheet colours an element, and brings a path forward: on-C, on-h."""
    paths = stage.cell.follow
    classes: dict[str, list[str]] = defaultdict(list)
    for me, (role, _) in stage.shown.items():
        classes[me] += [f"on-{path}" for path, roles in paths.items() if role in roles]
    roles = {me: role for me, (role, _) in stage.shown.items()}
    for me, line, share, number in stage.wires:
        ends = {roles.get(line.a, ""), roles.get(line.b, "")}
        for path, lit in paths.items():
            on = ends <= lit | {f"{path}-"} if line.on_path and "" not in ends else False
            classes[f"g{me[1:]}"] += [f"on-{path}"] * on
            classes[me] += [f"on-{path}"] * on
            classes[number] += [f"on-{path}"] * on
        if share is not None:
            classes[f"g{me[1:]}"].append(f"q{min(LEVELS - 1, int(stage.scale.level(share) * LEVELS))}")
        if number:
            classes[number].insert(0, "number")
    for me in stage.losses:
        classes[me].append("loss")
    for me, _ in stage.sums:
        classes[me] += ["number", "total"]
    return {me: " ".join(names) for me, names in classes.items() if me}


# — the file ————————————————————————————————————————————————————————————————————————————————————————————


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")


def _mixed(stops: Sequence[str], place: float) -> str:
    place *= len(stops) - 1
    k = min(int(place), len(stops) - 2)
    ends = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops[k : k + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - k)):02x}" for a, b in zip(*ends, strict=True))


@cache
def _style() -> str:
    """page.css and the colour scale, from pale to dark on white, and from dark to bright on black."""
    rules = []
    for level in range(LEVELS):
        place = (level + 0.5) / LEVELS
        rules.append(f".q{level}{{--q:{_mixed(STOPS, place)}}}[data-theme=dark] .q{level}{{--q:{_mixed(DARK, place)}}}")
    return _asset("page.css") + "\n".join(rules) + "\n"


def _json(data: Any) -> str:
    """JSON that may stand in a page: no "<" and no line separators."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page_of(
    graph: Graph, rails: list[Rail], notes: Sequence[str] = (), *, follow: str | None = None,
    window: tuple[int, int] | None = None, labels: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """The page as text. Of more than 50 steps (of all layers together) the last are drawn; the strip shows all."""
    times = [step.t for step in rails[-1].steps]
    first, last = window or (times[0], times[-1])
    drawn = [t for t in times if first <= t <= last][-max(1, WINDOW // len(rails)) :]
    words = labels if labels is not None and len(labels) == times[-1] else None
    stage = Stage(graph, rails, first=drawn[0], last=drawn[-1], follow=None, show=("shape", "grad"), labels=words)
    picture, view = slim(render(stage.picture.write(), "neato", "svg").decode(), _classes(stage))
    numbers = Numbers(graph, stage)
    root, made = graph.roots[0], {x.op.name: x.op for x in graph.tensors if x.op is not None}
    groups = numbers.ops()
    used = [role for rail in rails for step in rail.steps for role in step.parameters.values()]
    parameters = {parameter.birth: parameter for role in used for parameter in role.values()}
    data = {
        "cell": stage.cell.title, "state": numbers.state, "layers": len(rails),
        "loss": rounded(root.item()) if root.size == 1 else None, "notes": [clean(note, 200) for note in notes],
        "times": times, "window": [drawn[0], drawn[-1]], "labels": words and [clean(str(word), 24) for word in words],
        "follow": follow if follow in stage.cell.follow else None, "paths": list(stage.cell.follow),
        "units": numbers.units, "rows": numbers.rows,
        "low": rounded(stage.scale.low), "high": rounded(stage.scale.high), "levels": LEVELS,
        "rules": {name: op.formulas for name, op in made.items()},
        "inputs": {name: [] if op.variadic else op.inputs for name, op in made.items()},
        "ops": numbers.done, "groups": groups,
        "nodes": {me: numbers.add(tensor) for me, (_, tensor) in stage.shown.items()},
        "wires": {f"g{me[1:]}": [numbers.add(line.edges[0].x), rounded(share)]
                  for me, line, share, _ in stage.wires if line.edges and share is not None},
        "parameters": [numbers.add(p) for _, p in sorted(parameters.items())],
        "ledger": numbers.ledgers(), "strip": numbers.strip(), "tensors": numbers.tensors,
    }  # fmt: skip
    parts = {
        "script-hash": _hash(_asset("page.js")), "style-hash": _hash(_style()),
        "title": html.escape(f"{data['cell']}: the backward pass"),
        "style": _style(), "script": _asset("page.js"), "view": view, "picture": picture, "data": _json(data),
    }  # fmt: skip
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda found: parts[found[1]], _asset("page.html"))

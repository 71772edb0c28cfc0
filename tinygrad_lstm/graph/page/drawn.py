"""A picture as the page draws it: boxes, wires and texts as JSON, with the classes that the style sheet knows.

Places are those of the picture, but y goes down. A wire has the points of its Bézier lines, one after the other, and
its arrowhead as a tip and a foot; graphviz's own layout of all ops is read into the same form.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..curves import ARROW, backward, forward
from ..layout import GAP
from ..picture import LOOKS, Box, Label, Picture, Point, Wire

SVG = "{http://www.w3.org/2000/svg}"
MARGIN = 14.0  # around everything
Drawn = dict[str, Any]


def drawn(picture: Picture, classes: Mapping[str, str]) -> Drawn:
    """The parts of a picture whose places are known, each with its column: the step in or before which it stands."""
    lefts = sorted({frame.low[0] for frame in picture.frames})

    def column(x: float) -> int:
        return bisect(lefts, x + GAP / 2)

    parts: Drawn = {
        "frames": [
            {"id": f.me, "x": _short(f.low[0]), "y": _short(-f.high[1]), "w": _short(f.high[0] - f.low[0]),
             "h": _short(f.high[1] - f.low[1]), "title": f.title}
            for f in picture.frames
        ],
        "boxes": [_box(box, classes) | {"c": column(box.at[0])} for box in picture.boxes],
        "wires": [_wire(wire, classes) | {"c": column(_middle(wire.corners))} for wire in picture.wires],
        "texts": [_text(text, classes) | {"c": column(text.at[0])} for text in picture.texts],
    }  # fmt: skip
    return parts | {"view": _view(picture)}


def _box(box: Box, classes: Mapping[str, str]) -> Drawn:
    kind = f"{box.kind}{box.tags}" if box.tags else box.kind
    part: Drawn = {
        "id": box.me, "x": _short(box.at[0]), "y": _short(-box.at[1]), "w": _short(box.size[0]),
        "h": _short(box.size[1]), "round": int(LOOKS[box.kind][2] == "circle"),
        "class": _joined(kind, classes.get(box.me, "")), "lines": list(box.lines),
    }  # fmt: skip
    if box.number is not None:
        me = f"t{box.me[1:]}"
        part["number"] = {"id": me, "class": classes.get(me, "number inside"), "text": box.number}
    return part


def _wire(wire: Wire, classes: Mapping[str, str]) -> Drawn:
    me = f"g{wire.me[1:]}"
    part: Drawn = {"id": wire.me, "class": classes.get(wire.me, ""), "thin": _flat(forward(wire))}
    if not wire.has_gradient:
        return part | {"tip": _flat(wire.corners[-1:]), "head": 0.6 * ARROW}
    assert wire.scale is not None and wire.share is not None
    points, size = backward(wire)
    return part | {
        "gradient": {
            "id": me, "class": classes.get(me, ""), "points": _flat(points), "tip": _flat(wire.corners[:1]),
            "head": round(size * ARROW, 1), "width": round(wire.scale.width(wire.share), 2),
            "dashed": int(wire.scale.below(wire.share)),
        }
    }  # fmt: skip


def _text(text: Label, classes: Mapping[str, str]) -> Drawn:
    """`side`: where it stands beside its line, so that it keeps clear of it at any size of the reader's."""
    side, x, y, room = text.of if isinstance(text.of, tuple) else ("", *text.at, 66.0)
    if text.of == "caption":  # left of the line from its gate
        side, x = "end", x + 2.2 * len(text.lines[0]) + 2
    return {
        "id": text.me, "x": _short(x), "y": _short(-y), "class": classes.get(text.me, "note"), "side": side,
        "room": _short(room), "lines": list(text.lines),
    }  # fmt: skip


def _joined(*names: str) -> str:
    return " ".join(filter(None, names))


def _short(value: float) -> float:
    """A coordinate with one decimal, an integer where that is all."""
    value = round(value, 1)
    return int(value) if value == int(value) else value


def _flat(points: Iterable[Point]) -> list[float]:
    return [_short(value) for x, y in points for value in (x, -y)]


def _middle(corners: Iterable[Point]) -> float:
    xs = [x for x, _ in corners]
    return (min(xs) + max(xs)) / 2


def _view(picture: Picture) -> list[float]:
    """x, y, width and height of everything."""
    left, low, right, high = picture.extent()
    return [_short(n) for n in (left - MARGIN, -high - MARGIN, right - left + 2 * MARGIN, high - low + 2 * MARGIN)]


# — the places that graphviz found —————————————————————————————————————————————————————————————————————————


def placed_by_engine(svg: str, classes: Mapping[str, str], numbered: set[str]) -> Drawn:
    """The parts of graphviz's SVG of all ops, in the same form. In `numbered` boxes the last line is a number."""
    root = ET.fromstring(svg.encode("utf-8", "backslashreplace"))
    top = root.find(f"{SVG}g")
    assert top is not None
    move = [float(n) for n in re.findall(r"-?[\d.]+", top.get("transform", "").partition("translate")[2])[:2]] or [0, 0]
    parts: Drawn = {"frames": [], "boxes": [], "wires": [], "texts": []}
    for group in top.iter(f"{SVG}g"):
        kind, me = group.get("class", ""), group.get("id", "")
        if kind.startswith("cluster"):
            parts["frames"].append(_engine_frame(group, me))
        elif kind.startswith("node"):
            parts["boxes"].append(_engine_box(group, kind, me, classes, numbered) | {"c": 0})
        elif kind.startswith("edge"):
            parts["wires"].append(_engine_wire(group, kind, me, classes) | {"c": 0})
    wide, high = [float(n) for n in root.get("viewBox", "0 0 100 100").split()][2:]
    return parts | {"view": [_short(n) for n in (-move[0], -move[1], wide, high)]}


def _numbers(text: str | None) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text or "")]


def _extent(group: ET.Element) -> tuple[float, float, float, float]:
    """x, y, width and height of the first shape of a group."""
    for shape in group.iter():
        if shape.tag == f"{SVG}ellipse":
            x, y, rx, ry = (float(shape.get(key, 0)) for key in ("cx", "cy", "rx", "ry"))
            return x - rx, y - ry, 2 * rx, 2 * ry
        if shape.tag in (f"{SVG}path", f"{SVG}polygon"):
            numbers = _numbers(shape.get("d") or shape.get("points"))
            xs, ys = numbers[::2], numbers[1::2]
            return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return 0.0, 0.0, 0.0, 0.0


def _texts(group: ET.Element) -> Iterator[ET.Element]:
    return (shape for shape in group.iter(f"{SVG}text"))


def _engine_frame(group: ET.Element, me: str) -> Drawn:
    x, y, wide, high = _extent(group)
    title = next((text.text or "" for text in _texts(group)), "")
    return {"id": me, "x": _short(x), "y": _short(y), "w": _short(wide), "h": _short(high), "title": title, "middle": 1}


def _engine_box(group: ET.Element, kind: str, me: str, classes: Mapping[str, str], numbered: set[str]) -> Drawn:
    x, y, wide, high = _extent(group)
    part: Drawn = {
        "id": me, "x": _short(x + wide / 2), "y": _short(y + high / 2), "w": _short(wide), "h": _short(high),
        "round": 0, "class": _joined(kind.removeprefix("node").strip(), classes.get(me, "")),
        "lines": [text.text or "" for text in _texts(group)],
    }  # fmt: skip
    if me in numbered:
        number = f"t{me[1:]}"
        part["number"] = {"id": number, "class": classes.get(number, "number inside"), "text": part["lines"].pop()}
    return part


def _border(corners: list[float], wide: float) -> list[float]:
    """Where an arrow meets its box: the tip, and what its outline of this width sticks out there (a miter)."""
    (ax, ay), (x, y), (bx, by) = zip(corners[:6:2], corners[1:6:2], strict=True)
    foot = (ax + bx) / 2, (ay + by) / 2
    half, far = math.dist((ax, ay), (bx, by)) / 2, math.dist((x, y), foot)
    out = wide / 2 * math.hypot(half, far) / (half * far)
    return [_short(x + out * (x - foot[0])), _short(y + out * (y - foot[1]))]


def _engine_wire(group: ET.Element, kind: str, me: str, classes: Mapping[str, str]) -> Drawn:
    """An arrow: in thin lines as long as no gradient has come along it."""
    path, head = group.find(f".//{SVG}path"), group.find(f".//{SVG}polygon")
    assert path is not None
    points = [_short(n) for n in _numbers(path.get("d"))]
    corners = _numbers(head.get("points")) if head is not None else []
    tip, wide = [_short(n) for n in corners[2:4]], float(path.get("stroke-width") or 1)
    length = 6.0
    if kind != "edge gradient":
        return {"id": me, "class": classes.get(me, ""), "thin": points, "tip": tip, "head": length}
    labels = [{"x": _short(float(text.get("x", 0))), "y": _short(float(text.get("y", 0))), "text": text.text or ""}
              for text in _texts(group)]  # fmt: skip
    mine = f"g{me[1:]}"
    gradient = {
        "id": mine, "class": classes.get(mine, ""), "points": points, "tip": tip, "head": length,
        "width": wide, "dashed": int(bool(path.get("stroke-dasharray"))),
        "labels": labels,
    }  # fmt: skip
    thin = _border(corners, wide) + points[2:] if tip else points
    return {"id": me, "class": classes.get(me, ""), "thin": thin, "gradient": gradient}

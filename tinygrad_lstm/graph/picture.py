"""A picture as data: boxes, wires and texts, each with its place. `dot` writes it for graphviz, `page` for a browser.

Units are points, y goes up. Every part has an id of ours, and may say what it stands for (`of`).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

Point = tuple[float, float]

INK, GREY, FAINT, NUMBER = "#343a40", "#868e96", "#ced4da", "#862e2e"
STOPS = ("#d6dce4", "#ead0b4", "#f3b683", "#ec8f61", "#de6346", "#bb2a3b", "#6b0f37")  # luminance falls steadily
WIDTH = 0.62  # of a character, as a part of the font size; one of Chinese is as wide as high

LOOKS = {  # kind: width, height, shape, fill, border
    "point": (26, 26, "circle", "#fde2e4", "#b5555f"),
    "gate": (48, 28, "box", "#fff3bf", "#b08900"),
    "act": (48, 28, "box", "#e5dbff", "#7048e8"),
    "linear": (72, 28, "box", "#d3f9d8", "#2b8a3e"),
    "join": (52, 24, "box", "#f1f3f5", "#868e96"),
    "state": (38, 38, "circle", "#e7f5ff", "#1971c2"),
    "loss": (44, 26, "box", "#ffffff", "#495057"),
    "table": (58, 30, "box", "#f8f9fa", "#ced4da"),
}


def cleaned(text: str, cut: int) -> str:
    """Without control, bidi, surrogate and other characters that no XML or no reader can bear, and not too long."""
    bad = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    printable = text if text.isprintable() else "".join("�" if unicodedata.category(c) in bad else c for c in text)
    return printable if len(printable) <= cut else printable[: cut - 1] + "…"


def letters(text: str) -> float:
    """How many letters wide a text is: one for each sign, 1.6 for one of Chinese."""
    return sum(1.6 if unicodedata.east_asian_width(sign) in "WF" else 1.0 for sign in text)


def digits(value: float | None) -> str:
    """A number with three significant digits; "–" where it was never computed."""
    return "–" if value is None else f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e+")


@lru_cache(maxsize=1 << 12)
def small(number: int) -> str:
    """A number written as an index: C₁₂."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def mixed(stops: Sequence[str], place: float) -> str:
    """The colour at a place from 0 to 1 along a row of colours."""
    place *= len(stops) - 1
    k = min(int(place), len(stops) - 2)
    ends = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops[k : k + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - k)):02x}" for a, b in zip(*ends, strict=True))


class Scale:
    """Colour and width of a gradient from log10 of its norm, over the data's range, from one to six decades."""

    def __init__(self, norms: Iterable[float | None]) -> None:
        known = [n for n in norms if n is not None and 0 < n < math.inf]
        self.high = max(known, default=1.0)
        self.low = min(max(min(known, default=1.0), self.high * 1e-6), self.high / 10)

    def level(self, value: float) -> float:
        """0 at the bottom of the range (and below it), 1 at the top."""
        if not value < self.high:  # the largest, infinite, or no number
            return 1.0
        return 0.0 if value <= self.low else math.log(value / self.low) / math.log(self.high / self.low)

    def below(self, value: float) -> bool:
        return value < self.low * (1 - 1e-9)

    def colour(self, value: float) -> str:
        return mixed(STOPS, self.level(value))

    def width(self, value: float) -> float:
        return 2.4 + 5.6 * self.level(value)

    def marks(self) -> list[float]:
        """The values that the legend shows, evenly spread over the range."""
        return [self.low * (self.high / self.low) ** (k / 6) for k in range(7)]


class Box(NamedTuple):
    """A node: a circle or a rounded box of one of the LOOKS, with lines of text, the last one perhaps a number."""

    me: str
    at: Point
    size: Point
    kind: str
    lines: tuple[str, ...]
    hover: str
    faint: bool
    fontsize: float
    tags: str
    of: Any  # (role, tensor)
    number: str | None = None


class Label(NamedTuple):
    """Bare text, centred at a place or beginning there."""

    me: str
    at: Point
    lines: tuple[str, ...]
    size: float
    colour: str
    left: bool
    cut: int
    of: Any  # what it says: ("number", wire's id), ("total", tensor), …

    @property
    def width(self) -> float:
        return WIDTH * self.size * letters(self.lines[0]) + 4


class Tile(NamedTuple):
    """A coloured rectangle."""

    me: str
    at: Point
    size: Point
    fill: str
    hover: str


class Frame(NamedTuple):
    """A rounded box around some nodes, with a title."""

    me: str
    low: Point
    high: Point
    title: str
    members: tuple[str, ...]
    of: Any  # (layer, t)
    fontsize: float = 11


class Wire(NamedTuple):
    """An edge from box to box along corners; with a share, the gradient's way back as a wide underlay."""

    me: str
    a: str
    b: str
    corners: tuple[Point, ...]
    share: float | None
    scale: Scale | None
    hover: str
    faint: bool
    single: bool  # where there is a gradient, that line alone
    of: Any  # edges of the graph

    @property
    def has_gradient(self) -> bool:
        return self.scale is not None and self.share is not None


@dataclass
class Picture:
    """The parts of a picture in the order in which they were made."""

    boxes: list[Box] = field(default_factory=list)
    texts: list[Label] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    _count: int = 0

    def _id(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def box(
        self, at: Point, kind: str, *lines: str, hover: str = "", size: Point | None = None, faint: bool = False,
        fontsize: float = 11, tags: str = "", of: Any = None, number: str | None = None,
    ) -> str:  # fmt: skip
        """A node of one of the LOOKS. Returns its id."""
        size = size or LOOKS[kind][:2]
        self.boxes.append(Box(self._id("n"), at, size, kind, lines, hover, faint, fontsize, tags, of, number))
        return self.boxes[-1].me

    def text(self, at: Point, *lines: str, size: float = 8, colour: str = GREY, cut: int = 40, of: Any = None) -> str:
        """Text, centred. Returns its id."""
        self.texts.append(Label(self._id("t"), at, lines, size, colour, False, cut, of))
        return self.texts[-1].me

    def line(self, left: Point, text: str, size: float = 9, colour: str = INK, of: Any = None) -> str:
        """Text that begins at a point. Returns its id."""
        self.texts.append(Label(self._id("t"), left, (text,), size, colour, True, 200, of))
        return self.texts[-1].me

    def tile(self, at: Point, size: Point, fill: str, hover: str = "") -> None:
        """A coloured rectangle."""
        self.tiles.append(Tile(self._id("c"), at, size, fill, hover))

    def frame(self, low: Point, high: Point, title: str, members: Iterable[str], of: Any = None) -> str:
        """A rounded box around some nodes, with a title at the top. Returns its id."""
        self.frames.append(Frame(f"box{len(self.frames)}", low, high, title, tuple(members), of))
        return self.frames[-1].me

    def wire(
        self, a: str, b: str, corners: Sequence[Point], *, share: float | None, scale: Scale | None, hover: str = "",
        faint: bool = False, single: bool = False, of: Any = None,
    ) -> str:  # fmt: skip
        """An edge: thin as it ran forward and, with a scale, the gradient's way back. Returns its id "e…"."""
        me = self._id("e")
        self.wires.append(Wire(me, a, b, tuple(corners), share, scale, hover, faint, single, of))
        return me

    def extent(self) -> tuple[float, float, float, float]:
        """The left, low, right and high ends of everything."""
        xs, ys = list[float](), list[float]()
        placed = [*((box.at, box.size) for box in self.boxes), *((tile.at, tile.size) for tile in self.tiles)]
        for at, (wide, high) in placed:
            xs += [at[0] - wide / 2, at[0] + wide / 2]
            ys += [at[1] - high / 2, at[1] + high / 2]
        for point in (point for frame in self.frames for point in (frame.low, frame.high)):
            xs.append(point[0])
            ys.append(point[1])
        for corner in (corner for wire in self.wires for corner in wire.corners):
            xs.append(corner[0])
            ys.append(corner[1])
        for text in self.texts:
            half = 0.0 if text.left else text.width / 2
            xs += [text.at[0] - half, text.at[0] + (text.width if text.left else half)]
            ys += [text.at[1] - text.size * len(text.lines), text.at[1] + text.size * len(text.lines)]
        return min(xs), min(ys), max(xs), max(ys)

    def legend(self, at: Point, scale: Scale, title: str, pitch: float = 48, size: float = 8) -> None:
        """Swatches of the colour scale with their numbers, from the left end on."""
        x, y = at
        self.text((x + 20, y), title, size=10, colour=INK)
        for k, mark in enumerate(scale.marks()):
            centre = x + 26 + (k + 1) * pitch
            self.tile((centre, y), (pitch - 8, scale.width(mark) + 1), scale.colour(mark))
            self.text((centre, y - 14), digits(float(f"{mark:.2g}")), size=size, colour=INK)

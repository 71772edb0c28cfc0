"""Writing DOT: names made harmless, colours from gradients, shapes at exact places, edges with rounded corners."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

Point = tuple[float, float]

INK, GREY, FAINT, NUMBER = "#343a40", "#868e96", "#ced4da", "#862e2e"
FONT = "Helvetica"
STOPS = ("#d6dce4", "#ead0b4", "#f3b683", "#ec8f61", "#de6346", "#bb2a3b", "#6b0f37")  # luminance falls steadily
SPECIAL = frozenset('\\"&<>')
SHORTEN = 10  # points that an arrowhead of size 1 takes

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


@lru_cache(maxsize=1 << 14)
def quoted(*lines: str, cut: int = 40, left: bool = False) -> str:
    """Text of any origin as a DOT string that shows exactly this text, one line for each argument."""
    if len(lines) == 1 and not left and len(lines[0]) <= cut and lines[0].isprintable() and not SPECIAL & {*lines[0]}:
        return f'"{lines[0]}"'
    from graphviz import escape, nohtml  # type: ignore[import-untyped]
    from graphviz.quoting import quote  # type: ignore[import-untyped]

    text = "\\n".join(escape(cleaned(line, cut).replace("&", "&amp;")) for line in lines)
    return str(quote(nohtml(text + "\\l" if left else text)))


@lru_cache(maxsize=1 << 14)
def tooltip(text: str) -> str:
    """Text for a tooltip: backslashes are expanded twice there, so there are none."""
    return quoted(text.replace("\\", "∖"), cut=400)


def cleaned(text: str, cut: int) -> str:
    """Without control, bidi, surrogate and other characters that no XML or no reader can bear, and not too long."""
    bad = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    kept = text if text.isprintable() else "".join("�" if unicodedata.category(c) in bad else c for c in text)
    return kept if len(kept) <= cut else kept[: cut - 1] + "…"


def digits(value: float | None) -> str:
    """A number with three significant digits; "–" where it was never computed."""
    return "–" if value is None else f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e+")


@lru_cache(maxsize=1 << 12)
def small(number: int) -> str:
    """A number written as an index: C₁₂."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


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
        place = self.level(value) * (len(STOPS) - 1)
        k = min(int(place), len(STOPS) - 2)
        parts = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS[k : k + 2]]
        return "#" + "".join(f"{round(a + (b - a) * (place - k)):02x}" for a, b in zip(*parts, strict=True))

    def width(self, value: float) -> float:
        return 2.4 + 5.6 * self.level(value)

    def marks(self) -> list[float]:
        """The values that the legend shows, evenly spread over the range."""
        return [self.low * (self.high / self.low) ** (k / 6) for k in range(7)]


def spline(corners: Sequence[Point], radius: float = 8.0) -> list[Point]:
    """A path through corners as Bézier points (1 + 3n): straight lines, and a rounded turn at each corner."""
    points = [corners[0]]
    for k in range(1, len(corners)):
        end = corners[k]
        if k + 1 < len(corners):
            after = corners[k + 1]
            r = min(radius, math.dist(points[-1], end), math.dist(end, after) / 2)
            near, far = _towards(end, points[-1], r), _towards(end, after, r)
            _line(points, near)
            points += [_towards(near, end, r * 0.55), _towards(far, end, r * 0.55), far]
        else:
            _line(points, end)
    return points


def _line(points: list[Point], end: Point) -> None:
    (x, y), (u, v) = points[-1], end
    points += [(x + (u - x) / 3, y + (v - y) / 3), (x + (u - x) * 2 / 3, y + (v - y) * 2 / 3), end]


def _towards(start: Point, goal: Point, length: float) -> Point:
    far = math.dist(start, goal)
    share = length / far if far else 0.0
    return start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share


def _pos(points: Iterable[Point]) -> str:
    return " ".join(["%.1f,%.1f" % point for point in points])  # noqa: UP031 — twice as fast, for 1,000 steps


class Picture:
    """DOT text with an exact place for everything: nodes, texts, edges and boxes around steps. Units are points."""

    def __init__(self) -> None:
        self.nodes: dict[str, list[str]] = defaultdict(list)  # by their look, which is written once
        self.cells: dict[str, list[str]] = defaultdict(list)
        self.texts: list[str] = []
        self.boxes: list[str] = []
        self.edges: list[str] = []
        self.gradients: list[str] = []
        self._count = 0

    def _id(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def node(
        self, at: Point, kind: str, label: str, hover: str = "", *, size: tuple[float, float] | None = None,
        faint: bool = False, fontsize: float = 11, tags: str = "",
    ) -> str:  # fmt: skip
        """A node of one of the LOOKS; `label` is `quoted` text. Returns its id."""
        *own_size, shape, filled, border = LOOKS[kind]
        wide, high = size or own_size
        if faint:
            filled, border = "#ffffff", FAINT
        me = self._id("n")
        look = (
            f'width={wide / 72:.3f}, height={high / 72:.3f}, shape={shape}, fillcolor="{filled}", color="{border}", '
            f'style="filled{",rounded" if shape == "box" else ""}", fontsize={fontsize:g}, '
            f'fontcolor="{"#adb5bd" if faint else "#212529"}"'
        )
        tags = f', class="{kind}{tags}"' if tags else ""
        hover = f", tooltip={tooltip(hover)}" if hover else ""
        self.nodes[look].append(f'{me} [id={me}{tags}, pos="{at[0]:.1f},{at[1]:.1f}", label={label}{hover}]')
        return me

    def text(self, at: Point, label: str, size: float = 8, colour: str = GREY) -> str:
        """Bare text, centred; `label` is `quoted` text. Returns its id."""
        me = self._id("t")
        self.texts.append(
            f'{me} [pos="{at[0]:.1f},{at[1]:.1f}", fontsize={size:g}, fontcolor="{colour}", label={label}]'
        )
        return me

    def line(self, left: Point, text: str, size: float = 9, colour: str = INK) -> str:
        """Text that begins at a point. Returns its id."""
        wide = 0.62 * size * len(text) + 4
        me = self._id("t")
        self.texts.append(
            f'{me} [pos="{left[0] + wide / 2:.1f},{left[1]:.1f}", width={wide / 72:.3f}, height=0.2, fixedsize=true, '
            f'fontsize={size:g}, fontcolor="{colour}", label={quoted(text, cut=200, left=True)}]'
        )
        return me

    def cell(self, at: Point, size: tuple[float, float], fill: str, hover: str = "") -> None:
        """A coloured rectangle."""
        me = self._id("c")
        look = f'width={size[0] / 72:.3f}, height={size[1] / 72:.3f}, shape=box, style=filled, penwidth=0, label=""'
        hover = f", tooltip={tooltip(hover)}" if hover else ""
        self.cells[look].append(f'{me} [id={me}, pos="{at[0]:.1f},{at[1]:.1f}", fillcolor="{fill}"{hover}]')

    def box(self, low: Point, high: Point, title: str, members: Iterable[str]) -> None:
        """A rounded box around some nodes, with a title at the top."""
        self.boxes.append(
            f'subgraph cluster_{len(self.boxes)} {{ id=box{len(self.boxes)}; class=step; '
            f'bb="{low[0]:.1f},{low[1]:.1f},{high[0]:.1f},{high[1]:.1f}"; style="rounded,filled"; '
            f'fillcolor="#f8f9fa"; color="#adb5bd"; fontsize=11; fontcolor="#495057"; label={title}; '
            f'lp="{low[0] + 34:.1f},{high[1] - 12:.1f}"; {"; ".join(members)} }}'
        )

    def edge(
        self, a: str, b: str, corners: Sequence[Point], *, share: float | None, scale: Scale | None,
        hover: str = "", faint: bool = False, single: bool = False,
    ) -> str:  # fmt: skip
        """An edge: thin and dark as it ran forward and, with a scale, the gradient's way back as a wide underlay.

        `single`: where there is a gradient, that line alone. Returns the id "e…"; the gradient's is "g…".
        """
        me = self._id("e")
        colour, thin = (FAINT, 1.0) if faint else (INK, 1.1)
        hover = f", tooltip={tooltip(hover)}" if hover else ""
        if scale is None or share is None:
            points = spline([*corners[:-1], _towards(corners[-1], corners[-2], 0.6 * SHORTEN)])
            pos = f"e,{_pos([corners[-1]])} {_pos(points)}"
            self.edges.append(f'{a} -> {b} [id={me}, pos="{pos}", color="{colour}", penwidth={thin}{hover}]')
            return me
        size = 0.45 + 0.22 * scale.level(share)
        points = spline([_towards(corners[0], corners[1], size * SHORTEN + 1), *corners[1:]])
        tint = "#e9ecef" if faint else scale.colour(share)
        dashed = ", style=dashed" if scale.below(share) else ""
        self.gradients.append(
            f'{a} -> {b} [id=g{me[1:]}, pos="s,{_pos([corners[0]])} {_pos(points)}", arrowsize={size:.2f}, '
            f'color="{tint}", penwidth={scale.width(share):.2f}{dashed}{hover}]'
        )
        if not single:
            pos = _pos(spline(corners))
            self.edges.append(f'{a} -> {b} [id={me}, dir=none, pos="{pos}", color="{colour}", penwidth={thin}]')
        return me

    def legend(self, at: Point, scale: Scale, title: str, pitch: float = 48) -> None:
        """Swatches of the colour scale with their numbers, from the left end on."""
        x, y = at
        self.text((x + 20, y), quoted(title), 10, INK)
        for k, mark in enumerate(scale.marks()):
            centre = x + 74 + k * pitch
            self.cell((centre, y), (pitch - 8, scale.width(mark) + 1), scale.colour(mark))
            self.text((centre, y - 14), quoted(digits(float(f"{mark:.2g}"))), 8, INK)

    def write(self) -> str:
        """The DOT text."""
        # Of the edges that leave a node, those to the nodes written last lie on top: to the circles, as along C.
        nodes = dict(sorted(self.nodes.items(), key=lambda group: "shape=circle" in group[0]))
        return "\n".join([
            "digraph G {",
            f'graph [outputorder=edgesfirst, splines=true, bgcolor=white, pad=0.15, fontname="{FONT}"]',
            f'node [fontname="{FONT}", fixedsize=true, margin=0.02, penwidth=1.1]',
            *_grouped(nodes), *self.boxes,
            "edge [class=gradient, dir=back]", *self.gradients,
            "edge [class=forward, dir=forward, arrowsize=0.6]", *self.edges,
            *_grouped(self.cells),
            'node [shape=plaintext, style="", width=0, height=0, margin=0, fixedsize=false]', *self.texts, "}", "",
        ])  # fmt: skip


def _grouped(statements: dict[str, list[str]]) -> Iterator[str]:
    for look, group in statements.items():
        yield f"node [{look}]"
        yield from group

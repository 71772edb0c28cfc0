"""A picture for a slide, a paper or a notebook: steps in rows, text that can be read there, the right proportions."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from .picture import WIDTH, Box, Label, Picture, Point, letters


class Format(NamedTuple):
    """Where a picture is to be seen: its width, and its height if that is given, and of its smallest text, in pixels.

    96 pixels are an inch. `enough`: points that the smallest text may need; then no more rows are made.
    """

    width: float
    height: float | None
    least: float
    enough: float = 0.0


FORMATS = {
    "slide": Format(1920, 1080, 18),
    "paper": Format(672, None, 9.34),  # 7 inches, two columns; 7 pt
    "notebook": Format(960, None, 9, enough=15.1),  # as wide as a notebook shows a picture on a small screen
}
PAD = 10.8  # points on each side, graphviz's
MOST = 17.0  # points: between the boxes there is no room for larger text
CAPTION = 66.0  # points between the wires of two gates
TOTAL = 68.0  # points from the output gate to the wire by which h is read
LINE = 1.18  # from line to line, in font sizes


def arranged(build: Callable[[int], Picture], count: int, name: str) -> tuple[Picture, float]:
    """The picture in as many rows as make it largest (or large enough), with text as large as the format needs; and
    pixels a point.

    `build` makes it with so many steps in a row; `count` is how many there are. Raises ValueError where the text would
    find no room.
    """
    form = FORMATS[name]
    picture = max(map(build, _ways(count)), key=lambda picture: _size(pixels(picture, form), form))
    for _ in range(3):  # larger text makes the picture larger
        points = form.least / pixels(picture, form)
        if points > MOST:
            what = f"{count} steps are too many" if count > 1 else "this is too large"
            raise ValueError(
                f"draw: {what} for for_={name!r}: text would have {MOST * form.least / points:.1f} pixels, and from "
                f"{form.least:.1f} on it can be read. Draw fewer steps, steps=(1, {max(1, count - 1)}), or all as "
                "view='strip'."
            )
        enlarge(picture, points)
    pad(picture, form)
    return picture, pixels(picture, form)


def _ways(count: int) -> list[int]:
    """How many steps may stand in a row: those that need another number of rows."""
    return sorted({ceil(count / rows) for rows in range(1, min(count, 6) + 1)}, reverse=True)


def _size(pixels: float, form: Format) -> float:
    """How good so many pixels a point are: beyond what is enough, no better."""
    return min(pixels, form.least / form.enough) if form.enough else pixels


def pixels(picture: Picture, form: Format) -> float:
    """How many pixels a point has where the picture is as large as the format allows."""
    left, low, right, high = picture.extent()
    across = form.width / (right - left + 2 * PAD)
    return across if form.height is None else min(across, form.height / (high - low + 2 * PAD))


def enlarge(picture: Picture, points: float) -> None:
    """Give all text this size at least; boxes grow with it, and numbers keep clear of their lines."""
    picture.boxes[:] = [_box(box, points) for box in picture.boxes]
    picture.texts[:] = [_label(label, points) if label.size < points else label for label in picture.texts]
    picture.frames[:] = [frame._replace(fontsize=max(frame.fontsize, points)) for frame in picture.frames]


def _box(box: Box, points: float) -> Box:
    if box.fontsize >= points:
        return box
    lines = box.lines
    if len(lines) == 1 and _wide(lines[0], points) > box.size[0] and " + " in lines[0]:
        head, _, rest = lines[0].partition(" + ")
        lines = head, f"+ {rest}"
    shown = [*lines, *([] if box.number is None else [box.number])]
    size = max(box.size[0], *(_wide(line, points) for line in shown)), max(box.size[1], LINE * points * len(shown) + 3)
    return box._replace(fontsize=points, lines=lines, size=size)


def _wide(text: str, points: float) -> float:
    return 0.56 * points * letters(text) + 4


def _label(label: Label, points: float) -> Label:
    """It keeps the edge that stands beside its line."""
    grown = (points - label.size) / 2
    (x, y), lines = label.at, label.lines
    side = label.of[0] if isinstance(label.of, tuple) else label.of
    if side == "caption" and _wide(lines[0], points) > CAPTION and len(lines[0]) > 5:
        lines = (lines[0][:4] + ".",)
        x += 0.5 * WIDTH * label.size * (len(label.lines[0]) - len(lines[0]))
    if isinstance(label.of, tuple) and side in ("end", "start") and _wide(lines[0], points) > label.of[3]:
        lines = (lines[0].rpartition(" ")[2], *lines[1:])  # the number alone: its gate stands below
        x += (0.5 if side == "end" else -0.5) * WIDTH * label.size * (len(label.lines[0]) - len(lines[0]))
    if label.of == "start" and len(lines) == 1 and _wide(lines[0], points) > TOTAL:
        name, _, number = lines[0].partition(" ")  # ∂L/∂h₁ above its number
        lines = (name, number)
        x -= 0.5 * WIDTH * label.size * (len(label.lines[0]) - max(map(len, lines)))
    wide = grown * WIDTH * max(map(len, lines))
    if side in ("end", "caption"):
        x -= wide
    elif side == "start":
        x, y = x + wide, y - grown / 2
    elif side == "answer":  # right of the last state
        x, y = x + wide, y - grown * len(lines)
    elif side == "over":
        x, y = x - wide, y + grown
    elif side == "above":
        y += grown * len(label.lines)
    elif side == "below" or not label.left:
        y -= grown * len(label.lines)
    return label._replace(at=(x, y), size=points, lines=lines)


def pad(picture: Picture, form: Format) -> None:
    """Corners that cannot be seen, so that the picture has the format's proportions, and stands in its middle."""
    left, low, right, high = picture.extent()
    scale = pixels(picture, form)
    more = [0.0, 0.0]
    if form.height is not None:
        whole: Point = (form.width / scale - 2 * PAD, form.height / scale - 2 * PAD)
        more = [max(0.0, whole[0] - (right - left)) / 2, max(0.0, whole[1] - (high - low)) / 2]
    for x, y in ((left - more[0], low - more[1]), (right + more[0], high + more[1])):
        picture.tile((x, y), (0.01, 0.01), "transparent")

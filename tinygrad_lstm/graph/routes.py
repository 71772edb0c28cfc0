"""How an edge bends on its way: the routes of `cells`, turned into corners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .picture import Point


class Slot(NamedTuple):
    """Where a step stands; where time runs backward, its picture is mirrored."""

    left: float
    low: float
    width: float
    mirrored: bool = False

    def at(self, x: float, y: float) -> Point:
        return self.left + (self.width - x if self.mirrored else x), self.low + y


def corners_of(a: Point, b: Point, route: str, slot: Slot) -> list[Point]:
    """The corners of a route from a to b. See `cells`."""
    points, last = [a], "y"
    for token in route.split():
        last, (x, y) = token[0], points[-1]
        if last == "@":
            if token[1:]:
                u, v = token[1:].split(",")
                points.append(slot.at(float(u), float(v)))
        elif last == "x":
            points.append((slot.at(float(token[1:]), 0)[0] if token[1:] else b[0], y))
        else:
            points.append((x, slot.at(0, float(token[1:]))[1] if token[1:] else b[1]))
    x, y = points[-1]
    points += [b] if last == "@" else [(x, b[1]), b] if last == "x" else [(b[0], y), b]
    corners: list[Point] = []
    for point in points:  # leave out what is passed twice or lies on a straight line
        if corners and point == corners[-1]:
            continue
        if len(corners) > 1 and any(corners[-2][axis] == corners[-1][axis] == point[axis] for axis in (0, 1)):
            corners.pop()
        corners.append(point)
    return corners


def trimmed(corners: list[Point], a_size: Point, b_size: Point) -> list[Point]:
    """The same route from border to border, not from centre to centre. What is as wide as high is a circle."""
    ends = []
    for (x, y), (u, v), (wide, high) in ((corners[0], corners[1], a_size), (corners[-1], corners[-2], b_size)):
        far = math.dist((x, y), (u, v)) or 1.0
        dx, dy = (u - x) / far, (v - y) / far
        reach = wide / 2 if wide == high else min(wide / 2 / (abs(dx) or 1e-9), high / 2 / (abs(dy) or 1e-9))
        ends.append((x + dx * reach, y + dy * reach))
    return [ends[0], *corners[1:-1], ends[1]]


Side = tuple[str, float, float, float]  # which side of its line a text keeps to, x and y there, and its room


def beside(corners: Sequence[Point], at: Point) -> Side:
    """How a number keeps clear of its line, whatever its size: on which side it stands, and where it begins there."""
    x, y = at
    nearest, side = math.inf, ("above", x, y - 4, 64.0)
    for (a, b), (c, d) in pairwise(corners):
        if a == c and min(b, d) - 12 <= y <= max(b, d) + 12 and abs(x - a) < nearest:
            nearest, side = abs(x - a), ("end", a - 6, y, 64.0) if x < a else ("start", a + 6, y, 64.0)
        elif b == d and min(a, c) - 12 <= x <= max(a, c) + 12 and abs(y - b) < nearest:
            room = min(64.0, abs(a - c) + 16)
            nearest, side = abs(y - b), ("above", x, b + 5, room) if y > b else ("below", x, b - 5, room)
    return side

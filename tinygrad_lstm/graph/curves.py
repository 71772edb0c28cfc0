"""Lines from place to place: straight, with rounded turns at their corners, and where an arrowhead stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .picture import Point, Wire

ARROW = 10  # points that an arrowhead of size 1 takes


def spline(corners: Sequence[Point], radius: float = 8.0) -> list[Point]:
    """A path through corners as Bézier points (1 + 3n): straight lines, and a rounded turn at each corner."""
    points = [corners[0]]
    for k in range(1, len(corners)):
        end = corners[k]
        if k + 1 < len(corners):
            after = corners[k + 1]
            r = min(radius, math.dist(points[-1], end), math.dist(end, after) / 2)
            near, far = towards(end, points[-1], r), towards(end, after, r)
            _line(points, near)
            points += [towards(near, end, r * 0.55), towards(far, end, r * 0.55), far]
        else:
            _line(points, end)
    return points


def _line(points: list[Point], end: Point) -> None:
    (x, y), (u, v) = points[-1], end
    points += [(x + (u - x) / 3, y + (v - y) / 3), (x + (u - x) * 2 / 3, y + (v - y) * 2 / 3), end]


def towards(start: Point, goal: Point, length: float) -> Point:
    """The point that lies so far from the start in the direction of the goal."""
    far = math.dist(start, goal)
    share = length / far if far else 0.0
    return start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share


def forward(wire: Wire) -> list[Point]:
    """The thin line of a wire: up to its arrowhead where it has one, else all the way."""
    if wire.has_gradient:
        return spline(wire.corners)
    *corners, end = wire.corners
    return spline([*corners, towards(end, corners[-1], 0.6 * ARROW)])


def backward(wire: Wire) -> tuple[list[Point], float]:
    """The gradient's line, from the foot of its arrowhead on, which points to the first corner; and the head's size."""
    assert wire.scale is not None and wire.share is not None
    start, after, *corners = wire.corners
    size = 0.45 + 0.22 * wire.scale.level(wire.share)
    return spline([towards(start, after, size * ARROW + 1), after, *corners]), size

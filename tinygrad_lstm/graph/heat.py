"""A heat map: rows of coloured tiles, each with its heading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .picture import INK, Picture, Point


class HeatRow(NamedTuple):
    """One row: where it lies, what it is called ("" for nothing), its values, and what is said of the k-th on hover."""

    y: float
    heading: str
    values: Sequence[float | None]
    hover: Callable[[int, float | None], str]


def heatmap(
    picture: Picture, rows: Sequence[HeatRow], columns: Sequence[float], tile: Point,
    colour: Callable[[float | None], str], *, beside: float, size: float = 11, ink: str = INK, dashes: bool = False,
) -> None:  # fmt: skip
    """Draw rows of tiles of one size, whose centres stand at `columns`; headings are centred at x = `beside`.

    `colour` gives a tile's; with `dashes`, a value that was never computed is "–".
    """
    for row in rows:
        if row.heading:
            picture.text((beside, row.y), row.heading, size=size, colour=ink)
        for k, (x, value) in enumerate(zip(columns, row.values, strict=True)):
            picture.tile((x, row.y), tile, colour(value), row.hover(k, value))
            if dashes and value is None:
                picture.text((x, row.y), "–")

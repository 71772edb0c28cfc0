"""What a sweep has found: a table, a data frame, a picture."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..graph.picture import digits
from ..graph.render import Drawing
from .seeds_picture import Dots, seeds_drawing
from .store import read_rows
from .trials import Trial


@dataclass(frozen=True)
class Group:
    """All trials of one setting: they differ in their seeds."""

    settings: dict[str, Any]
    rows: list[Trial]

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def failed(self) -> int:
        """How many ended in an error."""
        return sum(row.error is not None for row in self.rows)

    @property
    def solved(self) -> int:
        """How many say that they are solved; a failed one is not."""
        return sum(row.solved for row in self.rows)

    @property
    def rate(self) -> float:
        """The share that is solved, of all, the failed ones among them."""
        return self.solved / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Where the success rate lies at 95 %: Wilson's score interval (1927, JASA 22, page 209)."""
        z2 = 1.959964**2
        middle = (self.rate + z2 / (2 * self.n)) / (1 + z2 / self.n)
        half = math.sqrt(z2 * (self.rate * (1 - self.rate) + z2 / (4 * self.n)) / self.n) / (1 + z2 / self.n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def values(self, name: str) -> list[tuple[int, float]]:
        """Seed and value, of those trials that have a number of that name; "seconds" is one of each."""
        tables = [(row.seed, {**(row.result or {}), "seconds": row.seconds}) for row in self.rows]
        return [(seed, float(table[name])) for seed, table in tables if _is_number(table.get(name))]

    def spread(self, name: str) -> tuple[float, float, float]:
        """Mean, least and greatest over the seeds; NaN where there is none, or one is NaN."""
        numbers = [value for _, value in self.values(name)]
        if not numbers:
            return math.nan, math.nan, math.nan
        with np.errstate(all="ignore"):
            return float(np.mean(numbers)), float(np.min(numbers)), float(np.max(numbers))


@dataclass(frozen=True, repr=False)
class Sweep:
    """The trials of a sweep, `rows`, in the order of settings and seeds. Print it; `.draw()` is the picture."""

    rows: list[Trial]
    about: str = field(default="")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """What a file holds, also while a sweep writes to it. Raises OSError, and ValueError for what is no row."""
        rows = read_rows(path)
        return cls(rows, f"{os.fspath(path)}: {len(rows)} trials")

    def where(self, **settings: Any) -> Sweep:
        """The trials with these settings. Raises KeyError for a setting that none of them has."""
        for name in settings:
            if not any(name in row.settings for row in self.rows):
                raise KeyError(f"no trial has a setting {name!r}; there are {', '.join(self.rows[0].settings)}")
        rows = [row for row in self.rows if all(row.settings.get(name) == v for name, v in settings.items())]
        return Sweep(rows, f"{self.about}, of these {len(rows)} with {settings}")

    def groups(self) -> list[Group]:
        """The trials by their settings."""
        found: dict[str, Group] = {}
        for row in self.rows:
            found.setdefault(repr(sorted(row.settings.items())), Group(row.settings, [])).rows.append(row)
        return list(found.values())

    @property
    def errors(self) -> list[Trial]:
        """The trials that failed."""
        return [row for row in self.rows if row.error is not None]

    @property
    def varied(self) -> list[str]:
        """The settings that are not the same in all trials."""
        names = dict.fromkeys(name for row in self.rows for name in row.settings)
        return [name for name in names if len({repr(row.settings.get(name)) for row in self.rows}) > 1]

    @property
    def measured(self) -> list[str]:
        """The names of the numbers that the trials returned."""
        pairs = (pair for row in self.rows for pair in (row.result or {}).items())
        return list(dict.fromkeys(name for name, value in pairs if _is_number(value)))

    @property
    def counts_success(self) -> bool:
        return any("solved" in (row.result or {}) for row in self.rows)

    def label(self, group: Group) -> str:
        """A group in words: what it has and others have not."""
        return ", ".join(f"{name} {group.settings.get(name, '–')}" for name in self.varied) or "all"

    def table(self) -> str:
        """One line for each setting: how many are solved, and mean [least, greatest] over the seeds."""
        heads = [*self.varied, "seeds", *["solved"] * self.counts_success, *self.measured, "seconds"]
        failed = any(group.failed for group in self.groups())
        grid = [heads + ["failed"] * failed]
        for group in self.groups():
            cells = [str(group.settings.get(name, "–")) for name in self.varied] + [str(group.n)]
            cells += [f"{group.solved}/{group.n}"] * self.counts_success
            for name in [*self.measured, "seconds"]:
                mean, least, most = group.spread(name)
                cells.append("–" if not group.values(name) else f"{digits(mean)} [{digits(least)}, {digits(most)}]")
            grid.append(cells + [str(group.failed)] * failed)
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines = ("  ".join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)) for line in grid)
        return "\n".join(line.rstrip() for line in lines)

    def notes(self) -> list[str]:
        """What failed, in sentences."""
        kinds: dict[str, list[Trial]] = {}
        for row in self.errors:
            kinds.setdefault(f"{row.error['type']}: {row.error['message']}" if row.error else "", []).append(row)
        return [f"{len(rows)} failed, first with seed {rows[0].seed}: {kind}" for kind, rows in kinds.items()]

    def frame(self) -> Any:
        """A pandas DataFrame, a line for each trial. Raises ImportError where pandas is missing."""
        try:
            import pandas
        except ImportError:
            raise ImportError("frame: needs pandas. Install it: pip install pandas") from None
        return pandas.DataFrame(
            [
                {**row.settings, "seed": row.seed, **(row.result or {}), "seconds": row.seconds,
                 "error": None if row.error is None else f"{row.error['type']}: {row.error['message']}"}
                for row in self.rows
            ]
        )  # fmt: skip

    def draw(self, value: str | None = None) -> Drawing:
        """A line for each setting: the success rate with its 95 % interval, and a dot for each seed.

        `value`: which number the dots are; the first one returned by default. Raises LookupError where there is none.
        """
        names = [*self.measured, "seconds"]
        if not self.rows or (value is not None and value not in names):
            raise LookupError(f"draw: no trial has a number {value!r}; there are {', '.join(names)}.")
        value = value or names[0]
        lines = [
            Dots(self.label(g), g.solved, g.n, g.interval if self.counts_success else None, g.values(value))
            for g in self.groups()
        ]
        return seeds_drawing(lines, value, self.about)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return "\n".join([self.about, "", self.table(), *[f"- {note}" for note in self.notes()]])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**(self.draw()._repr_mimebundle_() if self.rows else {}), "text/plain": repr(self)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

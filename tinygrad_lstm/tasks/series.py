"""The next value of a column of numbers."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .base import Array, Batch, Split, Task, TaskError, read, utf8

# Yearly mean sunspot numbers, 1700 to 2008. Source: SIDC, Royal Observatory of Belgium (today WDC-SILSO, Brussels),
# international sunspot number version 1, as kept by the US National Geophysical Data Center and the data set "sunspots"
# of the package statsmodels, which marks it as public domain.
SUNSPOTS = Path(__file__).with_name("sunspots.csv")
TIMES = {"year", "month", "week", "day", "date", "time", "datetime", "timestamp", "日期", "时间", "年", "年份", "月份"}
DATE = re.compile(r"\d{1,4}[-/]\d{1,2}([-/]\d{1,4}.*)?$|\d{1,2}\.\d{1,2}\.\d{2,4}|\d{4}年")


@dataclass(frozen=True, kw_only=True)
class Series(Task):
    """A column of a CSV file, by its header or its number from 0; the target is the next value.

    The first row is the header, unless `column` is no name in it and the column has a number there already.

    Without a path: yearly sunspot numbers from 1700 to 2008, which come in waves of about eleven years. The last
    `held_out` of the values is the test part. Values are scaled by `mean` and `std` of the training part alone, kept in
    the settings; `decode` undoes it. A task made with both does not open its file until a batch is asked for.

    `batch` draws windows, `windows` gives all of them; `x` and `target` are (batch, window, 1). Raises TaskError for a
    file that cannot be read, an unknown column, holes (with their rows), a constant column and too few values.
    """

    name = "series"
    about = "the next value of a CSV column; sunspot numbers when no file is given"
    kind = "regress"
    is_graded = False
    chunk_setting = "window"

    path: str | Path | None = field(default=None, kw_only=False)
    column: str | int | None = None
    window: int = 24
    delimiter: str = ","
    held_out: float = 0.2
    mean: float = math.nan
    std: float = math.nan

    def __post_init__(self) -> None:
        super().__post_init__()
        self._need("path", isinstance(self.path, str | os.PathLike | None), "a path, or None for the sunspots")
        self._set("path", None if self.path is None else os.fspath(self.path))
        self._integer("window", 1)
        self._need("delimiter", isinstance(self.delimiter, str) and len(self.delimiter) == 1, "one character")
        for setting in ("mean", "std"):
            self._need(setting, isinstance(getattr(self, setting), int | float), "a number")
        if math.isnan(self.mean) or math.isnan(self.std):
            train = self.values[: self._cut]
            self._set("mean", float(train.mean()))
            self._set("std", float(train.std()))
        self._need("std", 0 < self.std < math.inf, "above 0 (a constant column?)")

    def encode(self, given: Any) -> Array:
        """Values (time,) as a network sees them, scaled, (time, 1) float32."""
        return ((np.asarray(given, dtype=np.float64) - self.mean) / self.std).astype(np.float32)[:, None]

    def decode(self, tokens: Any) -> Array:
        """Scaled values (..., 1) in their own unit again, (...) float64."""
        scaled: Array = np.asarray(tokens, dtype=np.float64)[..., 0]
        return scaled * self.std + self.mean

    def baseline(self, loss: float) -> str:
        whole = self.windows(split="test")
        return f"saying that nothing changes has loss {((whole.x - whole.target) ** 2).mean():.4f}"

    def read_table(self, path: str | Path, column: str | None = None) -> tuple[Array, list[str]]:
        """The values of a column, that of the training unless another is named: (time, 1), scaled as in training.

        And a word for each: its date, where another column has dates in all rows, else the value.
        """
        other = Series(path=path, column=column or self.column, window=1, held_out=0.0)
        return self.encode(other.values), other.dates or [f"{value:g}" for value in other.values]

    def asking(self) -> list[str]:
        """The table that it has learned from."""
        return ["--csv", str(self.path)] if self.path else ["--csv", str(SUNSPOTS), "--column", "sunspots"]

    def _shown(self, values: Array) -> str:
        """In their own unit."""
        return " ".join(f"{value:.3g}" for value in self.decode(values)[:24])

    def windows(self, *, split: Split = "train", stride: int = 1) -> Batch:
        """Every window of one part in order, each `stride` values after the one before: (windows, window, 1)."""
        self._check_split(split)
        return self._at(np.arange(0, len(self._part(split)) - self.window, stride), split)

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
        return self._at(rng.integers(len(self._part(split)) - self.window, size=size), split)

    def _at(self, starts: Array, split: Split) -> Batch:
        part, where = self._part(split), starts[:, None] + np.arange(self.window)
        return Batch(part[where], part[where + 1], np.ones(where.shape, dtype=bool))

    def _part(self, split: Split) -> Array:
        return self._scaled[: self._cut] if split == "train" else self._scaled[self._cut :]

    @property
    def _cut(self) -> int:
        return len(self.values) - round(len(self.values) * self.held_out)

    @cached_property
    def _scaled(self) -> Array:
        return self.encode(self.values)

    @property
    def values(self) -> Array:
        """The column as it stands in the file, (rows,) float64."""
        return self._columns[0]

    @property
    def dates(self) -> list[str]:
        """The first other column that has dates in all rows, or whose head says that it does; [] without one."""
        return self._columns[1]

    @cached_property
    def _columns(self) -> tuple[Array, list[str]]:
        path = SUNSPOTS if self.path is None else Path(self.path)
        reader = csv.reader(io.StringIO(utf8(read(path), path)), delimiter=self.delimiter)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
        except csv.Error as error:
            raise TaskError(f"{path}: row {reader.line_num} is no CSV ({error}); write it anew as CSV") from None
        if not rows:
            raise TaskError(f"{path}: is empty; give a CSV file with a column of numbers")
        header = rows[0][1]
        column = self._index(header, path)
        heads = header
        if header[column] == self.column or not _is_number(header[column]):  # a header may look like a number: "1990"
            rows = rows[1:]
        else:
            heads = [""] * len(header)
        holes = [line for line, cells in rows if column >= len(cells) or not _is_number(cells[column])]
        if holes:
            some = ", ".join(map(str, holes[:8])) + (f" and {len(holes) - 8} more" if len(holes) > 8 else "")
            raise TaskError(
                f"{path}: column {header[column]!r} has no number in row {some}; fill the holes in (the mean of the "
                "neighbours, for instance) or delete these rows"
            )
        values = np.array([float(cells[column]) for _, cells in rows], dtype=np.float64)
        test = round(len(values) * self.held_out)
        if len(values) - test <= self.window or 0 < test <= self.window:
            raise TaskError(
                f"{path}: {len(values)} values are too few for window={self.window} and held_out={self.held_out}; each "
                f"part needs {self.window + 1}: take a smaller window, another held_out or a longer file"
            )
        others = [k for k in range(len(header)) if k != column]
        columns = {k: [cells[k] if k < len(cells) else "" for _, cells in rows] for k in others}
        return values, next((cells for k, cells in columns.items() if _is_dated(heads[k], cells)), [])

    def _index(self, header: list[str], path: Path) -> int:
        column = self.column
        if column is None and (self.path is None or len(header) == 1):
            column = len(header) - 1
        if isinstance(column, str) and column in header:
            return header.index(column)
        if column is not None and str(column).isdecimal() and int(column) < len(header):
            return int(column)
        problem = "which column?" if column is None else f"no column {column!r};"
        raise TaskError(f"{path}: {problem} it has {', '.join(map(repr, header))}; name one, or its number from 0")


def _is_dated(head: str, cells: list[str]) -> bool:
    """Whether a column holds dates: all of its cells look so, or its head says it."""
    return all(cells) and (head.lower() in TIMES or all(map(DATE.match, cells)))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False

"""The next value of a column of numbers."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .base import Array, Batch, Split, Task, TaskError
from .reading import lines_of

# Yearly mean sunspot numbers, 1700 to 2008. Source: SIDC, Royal Observatory of Belgium (today WDC-SILSO, Brussels),
# international sunspot number version 1, as kept by the US National Geophysical Data Center and the data set "sunspots"
# of the package statsmodels, which marks it as public domain.
SUNSPOTS = Path(__file__).with_name("sunspots.csv")
TIMES = {"year", "month", "week", "day", "date", "time", "datetime", "timestamp", "日期", "时间", "年", "年份", "月份"}
GAPS = {"", "nan", "na", "n/a", "null", "none", "-", "?"}  # how tables write that a value is missing
DATE = re.compile(r"\d{1,4}[-/]\d{1,2}([-/]\d{1,4}.*)?$|\d{1,2}\.\d{1,2}\.\d{2,4}|\d{4}年")


@dataclass(frozen=True, kw_only=True)
class Series(Task):
    """A column of a CSV file, by its header or its number from 0; the target is the next value.

    The first row is the header, unless `column` is no name in it and the column has a number there already. `delimiter`
    stands between columns ("tab" is one, too), `decimal` before the fraction and `thousands` (nothing by default)
    between groups of digits; `fill` says what becomes of empty cells: "linear" (between the neighbours) or "previous";
    `encoding` is for files that are not UTF-8.

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
    decimal: str = "."
    thousands: str = ""
    fill: str = ""
    encoding: str = ""
    held_out: float = 0.2
    mean: float = math.nan
    std: float = math.nan

    def __post_init__(self) -> None:
        super().__post_init__()
        self._need("path", isinstance(self.path, str | os.PathLike | None), "a path, or None for the sunspots")
        self._set("path", None if self.path is None else os.fspath(self.path))
        self._integer("window", 1)
        self._encoding()
        if self.delimiter in ("tab", r"\t"):  # as one writes it on a command line
            self._set("delimiter", "\t")
        self._need("delimiter", isinstance(self.delimiter, str) and len(self.delimiter) == 1, "one character")
        self._need("decimal", self.decimal in (".", ","), "'.' or ','")
        self._need("thousands", isinstance(self.thousands, str) and self.thousands != self.decimal, "another sign")
        self._need("fill", self.fill in ("", "linear", "previous"), "'linear' or 'previous'")
        for setting in ("mean", "std"):
            self._need(setting, isinstance(getattr(self, setting), int | float), "a number")
        if math.isnan(self.mean) or math.isnan(self.std):
            train = self.values[: self._cut]
            self._set("mean", float(train.mean()))
            self._set("std", float(train.std()))
        tiny = 1e-12 * abs(self.mean)  # what rounding leaves of a constant
        if not tiny < self.std < math.inf:
            raise TaskError(f"{self.path}: std must be above 0, not {self.std:.3g}: a constant column teaches nothing")

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

    def digest(self) -> str:
        return hashlib.blake2b(self.values.tobytes(), digest_size=16).hexdigest()

    def read_table(self, path: str | Path, column: str | None = None) -> tuple[Array, list[str]]:
        """The values of a column, that of the training unless another is named: (time, 1), scaled as in training.

        And a word for each: its date, where another column has dates in all rows, else the value.
        """
        form = {name: getattr(self, name) for name in ("delimiter", "decimal", "thousands", "fill", "encoding")}
        other = Series(path=path, column=column or self.column, window=1, held_out=0.0, mean=0.0, std=1.0, **form)
        return self.encode(other.values), other.dates or [f"{value:g}" for value in other.values]

    def asking(self) -> list[str]:
        """The table that it has learned from."""
        if not self.path:
            return ["--csv", str(SUNSPOTS), "--column", "sunspots"]
        return ["--csv", str(self.path), *(["--last", "200"] if len(self.values) > 1000 else [])]

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
        table = Table(path, self)
        values = self._filled(table)
        test = round(len(values) * self.held_out)
        if len(values) - test <= self.window or 0 < test <= self.window:
            raise TaskError(
                f"{path}: {len(values)} values are too few for window={self.window} and held_out={self.held_out}; each "
                f"part needs {self.window + 1}: take a smaller window, another held_out or a longer file"
            )
        return values, next(iter(table.dates.values()), [])

    def _filled(self, table: Table) -> Array:
        """The values, gaps filled as `fill` says. Raises TaskError where it does not say, and for what is no number."""
        wrong, gaps, values = table.wrong, np.flatnonzero(np.isnan(table.values)), table.values
        if len(wrong) > len(values) / 2 and not re.search(r"\d", wrong[0][1]):
            line, cell = wrong[0]
            raise TaskError(f"{table.place} holds no numbers but text, {cell!r} in row {line}; choose another column")
        if wrong:
            line, cell = wrong[0]
            raise TaskError(f"{table.place} has no number in row {some([line for line, _ in wrong])}: "
                            f"{cell!r}{_mended(cell, self)}")  # fmt: skip
        if len(gaps) and not self.fill:
            rows = some([table.lines[k] for k in gaps])
            raise TaskError(f"{table.place} has no number in row {rows}; --set fill=linear puts the mean of the "
                            "neighbours there, fill=previous the value before, or delete these rows")  # fmt: skip
        there = np.flatnonzero(~np.isnan(values))
        if not len(there):
            return values[:0]
        if self.fill == "linear":
            return np.interp(np.arange(len(values)), there, values[there])
        nearest = np.clip(np.searchsorted(there, np.arange(len(values)), side="right") - 1, 0, None)
        return np.asarray(values[there[nearest]])


class Table:
    """One column of a CSV file, read row by row: a large file is never held whole.

    Attributes:
        values: its numbers, (rows,) float64; NaN where a cell is empty.
        lines: the number of the line at which each row ends, as editors count.
        wrong: line and text of the cells that are neither empty nor a number.
        dates: by number, each other column that has dates in all rows, or whose head says that it does.
        place: file and column, for errors.
    """

    def __init__(self, path: Path, task: Series) -> None:
        self.path, self.task = path, task
        self.lines, self.wrong, numbers = list[int](), list[tuple[int, str]](), list[float]()
        reader = csv.reader(lines_of(path, task.encoding), delimiter=task.delimiter)
        try:
            header = next((cells for row in reader if any(cells := [cell.strip() for cell in row])), None)
            if header is None:
                raise TaskError(f"{path}: is empty; give a CSV file with a column of numbers")
            column = self._index(header)
            self.place = f"{path}: column {header[column]!r}"
            headless = header[column] != task.column and self._number(header[column]) is not None
            heads = [""] * len(header) if headless else header  # a header may look like a number: "1990"
            self.dates: dict[int, list[str]] = {k: [] for k in range(len(header)) if k != column}
            if headless:
                self._add(header, column, heads, reader.line_num, numbers)
            for row in reader:
                if row:
                    self._add([cell.strip() for cell in row], column, heads, reader.line_num, numbers)
        except csv.Error as error:
            raise TaskError(f"{path}: row {reader.line_num} is no CSV ({error}); write it anew as CSV") from None
        self.values = np.array(numbers, dtype=np.float64)

    def _add(self, cells: list[str], column: int, heads: list[str], line: int, numbers: list[float]) -> None:
        cell = cells[column] if column < len(cells) else ""
        number = self._number(cell)
        if number is None and cell.lower() not in GAPS:
            self.wrong.append((line, cell))
        self.lines.append(line)
        numbers.append(math.nan if number is None else number)
        for k in list(self.dates):
            date = cells[k] if k < len(cells) else ""
            if date and (heads[k].lower() in TIMES or DATE.match(date)):
                self.dates[k].append(date)
            else:
                del self.dates[k]

    def _number(self, cell: str) -> float | None:
        point, between = self.task.decimal, self.task.thousands
        whole, fraction, rest = cell.replace("\N{MINUS SIGN}", "-").partition(point)
        if between and between in whole:
            if not re.fullmatch(r"[-+]?\d{1,3}(T\d{2,3})*T\d{3}", whole.replace(between, "T")):
                return None  # 1,5 is no 15
            whole = whole.replace(between, "")
        if point != "." and "." in whole + rest:
            return None  # where a comma stands before the fraction, 1.000 may be a thousand
        try:
            value = float(whole + fraction.replace(point, ".") + rest)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def _index(self, header: list[str]) -> int:
        column = self.task.column
        if column is None and (self.task.path is None or len(header) == 1):
            column = len(header) - 1
        if isinstance(column, str) and column in header:
            return header.index(column)
        if column is not None and str(column).isdecimal() and int(column) < len(header):
            return int(column)
        problem = "which column?" if column is None else f"no column {column!r};"
        other = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), "")
        hint = f". Is {other!r} between its columns? --set delimiter={_written(other)}" if other else ""
        more = f" and {len(header) - 12} more" if len(header) > 12 else ""
        shown = ", ".join(repr(name)[:60] for name in header[:12]) + more
        raise TaskError(f"{self.path}: {problem} it has {shown}; name one, or its number from 0{hint}")


def some(lines: list[int]) -> str:
    """The first line numbers, and how many more there are."""
    return ", ".join(map(str, lines[:8])) + (f" and {len(lines) - 8} more" if len(lines) > 8 else "")


def _mended(cell: str, task: Series) -> str:
    """What a cell is that looks like a number written in another way, and how to read it."""
    if (mark := next((mark for mark in ";\t|" if mark in cell and mark != task.delimiter), "")) and "\n" not in cell:
        return f". Is {mark!r} between the columns? --set delimiter={_written(mark)}"
    if "." not in (task.thousands, task.decimal) and re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+(,\d+)?", cell):
        return " has '.' between thousands: --set thousands=."
    if task.decimal == "," and re.fullmatch(r"[-+]?\d*\.\d+", cell):
        return " has a decimal point: leave out decimal=,"
    if re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+(,\d+)?|[-+]?\d+,\d+", cell) and task.decimal == ".":
        dots = " --set thousands=." if "." in cell else ""
        return f" has a decimal comma: --set decimal=,{dots}" + (
            "; or a comma between thousands: --set thousands=," if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+", cell) else ""
        )
    if re.fullmatch(r"[-+]?\d{1,3}([,' \u00a0\u202f]\d{2,3})*[,' \u00a0\u202f]\d{3}(\.\d+)?", cell):
        mark = re.sub(r"[\d.+-]", "", cell)[0]
        return f" has {mark!r} between thousands: --set thousands={_written(mark)}"
    if re.fullmatch(r"[^\d\n]{0,8}\d[\d.,' \u00a0\u202f]*[^\d\n]{1,8}|[^\d\n]{1,8}\d[\d.,' \u00a0\u202f]*", cell):
        return "; take the unit out of the column: 5 % is 5, or 0.05, as you mean it"
    return "; mend these cells, or leave them empty and set fill=linear or fill=previous"


def _written(mark: str) -> str:
    """A sign as one writes it after --set NAME= in a shell."""
    return {"\t": "tab", "'": '"\'"'}.get(mark, f"'{mark}'")

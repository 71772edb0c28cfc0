"""The rows are run, what is finished is kept in a file, and a table is made of what is there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from unicodedata import combining, east_asian_width

from ..spoken import folded, ranged
from ..sweeps.store import read_rows
from ..sweeps.sweep import sweep
from ..sweeps.trials import Trial
from .carried import COMPILED
from .row import Claim, Language, Published, Result, Told, said

SHIPPED = Path(__file__).with_name("reproduced.jsonl")  # what the project itself has found
BARS = "▁▂▃▄▅▆▇█"
HEAD = Told(
    "net|published|ours: mean [least, greatest]|solved|seeds|minutes|in words",
    "网络|论文|我们：平均 [最小，最大]|解决|种子|分钟|结论",
)
OVERVIEW = Told("net|published|solved|in words", "网络|论文|解决|结论")
ROOM = (26, 22, 6, 16)  # columns of each, so that the whole fits into 80
LABELS = Told("number|what differs|learning curves", "数值|不同之处|学习曲线")
MISSING = Told("Not run, or not to its end, at this size: {}.", "此规模尚未运行或未完成：{}。")


def run(
    row: Published, path: str | os.PathLike[str], *, quick: bool, workers: int | None = None, progress: bool = True
) -> None:
    """Run what is missing of a row and add it to the file; all nets of a line are one array program.

    Raises ImportError where the row or the sweep needs an extra, OSError and ValueError as `sweep` does.
    """
    if row.needs and find_spec(row.needs) is None:
        raise ImportError(f"{row.name}: needs {row.needs}. Install it: pip install 'tinygrad-lstm[data]'")
    seeds, steps = row.budget(quick).seeds, "numba" if COMPILED else "numpy"  # which differ in the last digits
    sweep(
        row.run, [row.settings(claim, quick) for claim in row.lines(quick)], seeds=seeds, at_once=seeds, path=path,
        workers=workers, name=row.name, versions={"row": str(row.version), "steps": steps}, progress=progress,
    )  # fmt: skip


def kept(path: str | os.PathLike[str]) -> list[Trial]:
    """What the file holds; nothing where there is none. Raises ValueError for a line that is no row."""
    return read_rows(path) if os.path.exists(path) else []


def trials_of(row: Published, claim: Claim, trials: Sequence[Trial], *, quick: bool) -> list[Trial]:
    """Those of one line at one size, a trial a seed, in the order of the seeds."""
    asked = json.dumps(row.settings(claim, quick), sort_keys=True)
    found = {
        trial.seed: trial
        for trial in trials
        if trial.name == row.name and trial.versions.get("row") == str(row.version)
        and trial.seed < row.budget(quick).seeds and json.dumps(trial.settings, sort_keys=True) == asked
    }  # fmt: skip
    return [found[seed] for seed in sorted(found)]


def table(row: Published, trials: Sequence[Trial], *, quick: bool, lang: Language) -> str:
    """A row as a Markdown table, with where it stands, what its number is, and what differs."""
    lines = [HEAD.said(lang).split("|")]
    curves, shares = list[str](), list[str]()
    for claim in row.lines(quick):
        own, name = trials_of(row, claim, trials, quick=quick), said(claim.name, lang)
        results = [trial.result for trial in own if trial.result is not None]
        failed = f" ({len(own) - len(results)} ✗)" if len(results) < len(own) else ""
        numbers = [result[row.value] for result in results if result[row.value] is not None]
        lines.append([
            name, said(claim.printed, lang), spread(numbers, row.percent),
            f"{sum(bool(result['solved']) for result in results)} / {len(results)}{failed}",
            _seeds([trial.seed for trial in own]), f"{sum(trial.seconds for trial in own) / 60:.1f}",
            claim.verdict(results, row.value).said(lang),
        ])  # fmt: skip
        if row.curve and results:
            columns = zip(*(result[row.curve] for result in results), strict=True)
            curves.append(f"  - {name}: {sparkline([sum(column) / len(column) for column in columns])}")
        if row.also and results:
            shares.append(f"  - {name}: {spread([result[row.also[0]] for result in results], percent=True)}")
    number, differs, learning = LABELS.said(lang).split("|")
    source = said(row.source, lang) + ("." if lang == "en" else "。")
    notes = [source, "", f"- {number}: {row.criterion.said(lang)}", f"- {differs}: {row.differs.said(lang)}"]
    if row.also and shares:
        notes += [f"- {row.also[1].said(lang)}:", *shares]
    if curves:
        notes += [f"- {learning}:", *curves]
    return "\n".join([f"## {row.name}: {row.title.said(lang)}", "", *_aligned(lines), "", *notes])


def overview(lines: Sequence[tuple[Published, Claim, Sequence[Result]]], lang: Language) -> str:
    """Lines of several rows, as `every_line` gives them, in one table of at most 80 columns."""
    told, at = _beside(OVERVIEW.said(lang).split("|")), ""
    for row, claim, results in lines:
        if row.name != at:
            at = row.name
            told += ["", f"{at} · {row.title.said(lang)}"]
        solved = f"{sum(bool(result['solved']) for result in results)} / {len(results)}"
        verdict = claim.verdict(results, row.value).said(lang)
        told += _beside([said(claim.name, lang), said(claim.printed, lang), solved, verdict])
    return "\n".join(told)


def _beside(cells: Sequence[str]) -> list[str]:
    """Cells side by side, each folded to the room that it has."""
    parts = [folded(cell, room).split("\n") for cell, room in zip(cells, ROOM, strict=True)]
    return [
        "  " + "  ".join(ranged(part, room, "<") for part, room in zip(line, ROOM, strict=True)).rstrip()
        for line in zip_longest(*parts, fillvalue="")
    ]


def every_line(
    rows: Sequence[Published], trials: Sequence[Trial], *, quick: bool
) -> list[tuple[Published, Claim, list[Result]]]:
    """All lines of these rows at one size, each with the results that there are; a run that failed has none."""
    return [
        (row, claim, [t.result for t in trials_of(row, claim, trials, quick=quick) if t.result is not None])
        for row in rows
        for claim in row.lines(quick)
    ]


def missing(rows: Sequence[Published], trials: Sequence[Trial], *, quick: bool, lang: Language) -> str:
    """A sentence with the rows of which a net is missing; nothing where none is."""
    names = [
        row.name
        for row in rows
        if any(len(trials_of(row, c, trials, quick=quick)) < row.budget(quick).seeds for c in row.lines(quick))
    ]
    return MISSING.said(lang).format(", ".join(names)) if names else ""


def spread(numbers: Sequence[float], percent: bool = False) -> str:
    """`mean [least, greatest]`, "–" of nothing."""
    if not numbers:
        return "–"
    mean, least, most = (_number(x, percent) for x in (sum(numbers) / len(numbers), min(numbers), max(numbers)))
    return f"{mean} [{least}, {most}]"


def sparkline(values: Sequence[float]) -> str:
    """Numbers as bars from 0 to the largest, and the first and the last of them."""
    most = max(values)
    bars = "".join(BARS[min(len(BARS) - 1, int(len(BARS) * value / most))] if most else BARS[0] for value in values)
    return f"{_number(values[0])} {bars} {_number(values[-1])}"


def _number(value: float, percent: bool = False) -> str:
    if percent:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _seeds(seeds: Sequence[int]) -> str:
    whole = list(range(len(seeds))) == list(seeds)
    return "–" if not seeds else f"0–{len(seeds) - 1}" if whole and len(seeds) > 1 else ", ".join(map(str, seeds))


def _aligned(lines: list[list[str]]) -> list[str]:
    """A Markdown table whose columns stand under one another in a terminal, too."""
    wide = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    rows = [
        "| " + " | ".join(c + " " * (w - _width(c)) for c, w in zip(line, wide, strict=True)) + " |" for line in lines
    ]
    return [rows[0], "|" + "|".join("-" * (w + 2) for w in wide) + "|", *rows[1:]]


def _width(text: str) -> int:
    """Columns of a terminal: two for each Chinese sign."""
    return sum(0 if combining(sign) else 1 + (east_asian_width(sign) in "WF") for sign in text)

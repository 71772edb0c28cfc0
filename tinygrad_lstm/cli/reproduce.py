"""`tinygrad-lstm reproduce`: what papers printed, and what one gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from .console import complain, say


def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="One row alone; all of them by default, the cheapest first.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds, smaller budgets: minutes, not hours.")] = False,
    results: Annotated[
        Path, typer.Option(help="Where what is finished is kept, a line for each net: a run that was stopped goes on.")
    ] = Path("reproduced.jsonl"),
    table: Annotated[bool, typer.Option("--table", help="Run nothing; print what the file has.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at a time; all cores by default.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="Of the table: en or zh.")] = "en",
) -> None:
    """Run published experiments again and print, for each: published, ours, how many nets learned, and what differs."""
    from ..published.results import kept, missing, run
    from ..published.results import table as table_of
    from ..published.row import LANGUAGES, Language
    from ..published.shelf import ROWS

    if name is not None and name not in ROWS:
        raise ValueError(f"there is no row {name!r}; there are {', '.join(ROWS)}")
    if lang not in LANGUAGES:
        raise ValueError(f"--lang {lang}: it is {' or '.join(LANGUAGES)}")
    rows, language = [ROWS[name]] if name else list(ROWS.values()), cast(Language, lang)
    for row in rows:
        try:
            if not table:
                run(row, results, quick=quick, workers=workers, progress=sys.stdout.isatty())
        except ImportError as exc:
            if name is not None or "sweep" in str(exc):
                raise
            complain(f"tinygrad-lstm: {exc}")  # the other rows do without it
        say(table_of(row, kept(results), quick=quick, lang=language), end="\n\n")
    if told := missing(rows, kept(results), quick=quick, lang=language):
        say(told)

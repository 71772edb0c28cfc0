"""`tinygrad-lstm sweep`: many trainings, settings × seeds, from a TOML file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .console import check_picture, complain, say


def sweep(
    plan: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="[task], [model], [train], and in [grid] what is varied.")
    ],
    rows: Annotated[
        Path | None, typer.Option(help="Where each finished trial becomes a line of JSON; FILE.jsonl by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The picture: .svg, .png, .pdf or .gv; FILE.svg by default.")] = None,
    value: Annotated[str | None, typer.Option(help="What the picture's dots are: loss (default), accuracy, …")] = None,
    backend: Annotated[str, typer.Option(help="Who runs them: loky (processes), threading, dask, ray, …")] = "loky",
    workers: Annotated[int | None, typer.Option(min=1, help="Trainings at a time; all cores by default.")] = None,
    address: Annotated[str | None, typer.Option(help="Of a Dask scheduler (tcp://host:8786) or a Ray cluster.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run those again that had failed.")] = False,
) -> None:
    """Train one net for each setting and seed, and say how many succeed. What was killed goes on where it was."""
    from ..sweeps.sweep import sweep as run
    from ..training.plans import read_plan, trained

    rows, out = rows or plan.with_suffix(".jsonl"), out or plan.with_suffix(".svg")
    check_picture(out)
    made = read_plan(plan)
    count = made.seeds if isinstance(made.seeds, int) else len(made.seeds)
    say(f"{plan}: {len(made.points)} settings, {count} seeds each; rows: {rows}")
    versions = {"data": made.data} if made.data else {}
    try:
        found = run(
            trained, made.points, seeds=made.seeds, path=rows, backend=backend, workers=workers, address=address,
            retry=retry, versions=versions,
        )  # fmt: skip
    except KeyboardInterrupt:
        again = shlex.join(["tinygrad-lstm", "sweep", str(plan), "--rows", str(rows)])
        complain(f"stopped; what is finished is in {rows}; go on with: {again}")
        raise typer.Exit(130) from None
    say(f"\n{found.table()}\n\nmean [least, greatest] over the seeds")
    for note in found.notes():
        say(f"- {note}")
    found.draw(value).save(out)  # last: where the picture fails, the numbers are there
    say(f"\npicture: {out}")

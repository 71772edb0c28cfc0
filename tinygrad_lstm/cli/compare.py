"""`tinygrad-lstm compare`: several nets on the same input, and how far a gradient travels back through each."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Annotated

import typer

from .console import check_picture, say


def compare(
    out: Annotated[Path, typer.Option(help="The picture: .svg, .png, .pdf or .gv.")] = Path("compare.svg"),
    nets: Annotated[
        str | None,
        typer.Option(help="Names with commas between: rnn, relu-rnn, irnn, lstm:5 (forget bias 5), relu-lstm+clip, …"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Time steps of the random input; 100 by default.")] = None,
    hidden: Annotated[int, typer.Option(help="Hidden units of each net.")] = 32,
    batch: Annotated[int, typer.Option(help="Rows of the input that is measured.")] = 8,
    task: Annotated[
        str | None, typer.Option(help="Not random input but this task's, as SOURCE in 'train': adding, a file, …")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the task: --set length=50.")
    ] = None,
    train: Annotated[int, typer.Option(help="Training steps of each net on the task before it is measured.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, input and batches: the same for all.")] = 0,
    seeds: Annotated[int | None, typer.Option(min=1, help="Measure so many, too, and tell how they spread.")] = None,
) -> None:
    """Compare how the gradient shrinks or grows on its way back through RNNs, LSTMs and GRUs."""
    from ..training.compare import compare as measure
    from .train import make_task

    if settings and task is None:
        raise ValueError("--set is for a --task")
    check_picture(out)
    made_task = None if task is None else make_task({"source": task, "settings": settings})
    comparison = measure(
        nets, steps=steps, hidden=hidden, batch=batch, seed=seed, task=made_task, train=train, progress=bool(train),
        seeds=seeds,
    )
    say(f"{comparison.about}.\nOne backward pass from a weighted sum of h_T, through each of them:\n")
    say(comparison.table())
    say("\nhalf-life: steps in which the gradient halves, on average. highway: the same for the product of the")
    say("forget gates alone (GRU: the update gates). <1e-7 at: where less than that of the end's gradient is left.")
    say("‖∂L/∂W‖: the gradient of all recurrent weights. step: how far SGD (lr=1) moves them, after the clip.")
    if seeds:
        say(f"\n{comparison.spread()}")
    more = "" if seeds else "; --seeds 5 shows how far others lie apart"
    one = f"The first table is one draw of the weights{more}."
    say("\nWhat to look at:")
    for note in [*comparison.notes(), one]:
        say(fill(note, 108, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False))
    comparison.draw().save(out)  # last: where the picture fails, the numbers are there
    say(f"\npicture: {out}")

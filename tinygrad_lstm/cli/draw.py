"""`tinygrad-lstm draw`: a picture of a new cell, to see how it is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer

from .console import check_picture, in_options, say

LONGEST = 10_000  # steps; a picture of all of them is a strip


def draw(
    out: Annotated[Path, typer.Option(help="The picture: .html (the page to step through), .svg, .png, .pdf or .gv.")],
    cell: Annotated[str, typer.Option(help="rnn, lstm, gru, or a variant: lstm-peephole, …")] = "lstm",
    steps: Annotated[int, typer.Option(help="Time steps.")] = 4,
    view: Annotated[str, typer.Option(help="time, cells, rolled, ops, strip or ledger.")] = "time",
    follow: Annotated[str | None, typer.Option(help="C or h: bring this path forward.")] = None,
    hidden: Annotated[int, typer.Option(help="Hidden units.")] = 4,
    batch: Annotated[int, typer.Option(help="Rows.")] = 2,
    layers: Annotated[int, typer.Option(help="Recurrent layers.")] = 1,
    forward: Annotated[bool, typer.Option("--forward", help="Without the gradient.")] = False,
    light: Annotated[str | None, typer.Option(help="A gate, f, i, …: it in colour, the rest grey.")] = None,
    form: Annotated[str | None, typer.Option("--for", help="slide (16:9), paper or notebook: text for it.")] = None,
    legend: Annotated[bool, typer.Option("--legend/--no-legend", help="With the scale of colours.")] = True,
    transparent: Annotated[bool, typer.Option("--transparent", help="Without the white ground.")] = False,
    scale: Annotated[float, typer.Option(help="Of a PNG: 2 has twice as many pixels each way.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and inputs.")] = 0,
) -> None:
    """Draw an untrained cell over some steps of random input, with the gradient of the mean of h_T."""
    import tinygrad_lstm as tl

    from ..graph.views import ViewName
    from ..training.model import CELLS

    if cell not in CELLS:
        raise ValueError(f"--cell {cell}: there are {', '.join(CELLS)}")
    for name, number in (("steps", steps), ("hidden", hidden), ("batch", batch), ("layers", layers)):
        if number < 1:
            raise ValueError(f"--{name} {number}: at least 1")
    if steps > LONGEST:
        raise ValueError(f"--steps {steps}: at most {LONGEST:,}")
    check_picture(out)
    rng = np.random.default_rng(seed)
    layer, variant, _ = CELLS[cell]
    module = layer(3, hidden, num_layers=layers, rng=rng, **variant)
    loss = module(rng.normal(size=(batch, steps, 3)).astype(np.float32)).last.h.mean()
    with in_options(r"--steps \2"):
        drawing = tl.draw(
            loss, view=cast(ViewName, view), follow=follow, backward=not forward, light=light, for_=cast(Any, form),
            legend=legend, transparent=transparent,
        )  # fmt: skip
        drawing.save(out, scale=scale)
    say(f"picture: {out}")

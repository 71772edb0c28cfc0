"""`tinygrad-lstm source`: the code of a cell, forward and backward."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import say


def source(
    cell: Annotated[str, typer.Option(help="rnn, lstm, gru, or a variant: lstm-peephole, …")] = "lstm",
    sequence: Annotated[bool, typer.Option("--sequence", help="A whole sequence, as fused layers run it.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Of the comments: en or zh.")] = "en",
    inputs: Annotated[int, typer.Option(help="Features of x.")] = 3,
    hidden: Annotated[int, typer.Option(help="Hidden units.")] = 4,
) -> None:
    """Print one step of a cell and its backward pass as a program in NumPy, with the rule behind each line."""
    from ..spoken import checked
    from ..training.model import CELLS

    if cell not in CELLS:
        raise ValueError(f"--cell {cell}: there are {', '.join(CELLS)}")
    spoken = checked(lang, "--lang")
    for name, number in (("inputs", inputs), ("hidden", hidden)):
        if number < 1:
            raise ValueError(f"--{name} {number}: at least 1")
    layer, variant, _ = CELLS[cell]
    say(layer(inputs, hidden, **variant).source(sequence=sequence, lang=spoken), end="")

"""From one recorded step of any cell to its code: forward and backward as straight-line NumPy.

`tape` records a step, `values` makes a graph of it, and `naming` gives names. `symbols` are arrays that write down what
is done to them: the ops and their rules, run on these by `derive`, become formulas. `write` makes lines of them, which
is the text of one step; `wording` has the comments.

Of a whole sequence: `passes` make the graph fast, `gradients` derives what arrives at each value and what must be kept,
`loops` says what is done in which order, and how NumPy does it, `sequence` is the text. `kernels` writes the loops for
numba, and `program` runs it all.
"""

from __future__ import annotations

from typing import Any

from ..spoken import Language, checked, current
from .blas import one_thread
from .program import Program, program_of, sequence_of
from .symbols import CannotCompile
from .tape import Source, for_any_rows, record, source_of
from .write import Writer

__all__ = ["CannotCompile", "Language", "Program", "Source", "one_thread", "program_of", "source", "source_of"]


def source(cell: Any, *, sequence: bool = False, lang: Language | None = None) -> str:
    """The forward and the backward pass of one step of a cell, as the text of a program in NumPy that runs.

    Args:
        cell: a cell, or a recurrent layer, whose first cell it is then.
        sequence: the program over a whole sequence that `fused=True` runs: see `passes` for what makes it fast.
        lang: of the comments, "en" or "zh"; by default the one that `tinygrad_lstm.language` has set.

    The text has two functions, for x (batch, input), a state of (batch, hidden) each, and the parameters:
    `forward(x, h_prev, …, W_f, …) -> h, …, kept` and `backward(dh, …, kept, x, h_prev, …, W_f, …) -> dx, dh_prev, …`.
    Names are those of the cell. Each line of the way back has in its comment where in the cell it belongs and the
    rule of the op, from the table in `ops.py`: the gradient of a tensor is the sum of what its users send to it.

    Raises TypeError for what is no cell, ValueError for an unknown language, and CannotCompile, a ValueError that
    names the line, where a step depends on more than x, its state and its parameters (random numbers, a counter), or
    looks at values (`.numpy()`, `float()`, a comparison).
    """
    lang = current() if lang is None else checked(lang, "source: lang")
    one = cell.cells[0][0] if hasattr(cell, "cells") and not isinstance(cell, type) else cell
    if isinstance(one, type) or not hasattr(one, "step") or not hasattr(one, "State"):
        what = f"the class {one.__name__}" if isinstance(one, type) else type(one).__name__
        raise TypeError(f"source: takes a cell or a recurrent layer, such as nn.LSTM(3, 8), not {what}.")
    if sequence:
        return sequence_of(one, lang).text()
    return for_any_rows(lambda rows: Writer(record(one, rows), lang).text())[0]

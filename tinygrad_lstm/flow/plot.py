"""A flow as a figure. matplotlib is imported here alone, when it is asked for."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np

from ..numerics import norm
from ..spoken import lettered, said
from ..tensor import Array
from .highway import Highway
from .ledger import ledger
from .states import StateHistory

COLOURS = {"highway": "#1b7837", "recurrence": "#1b7837", "readout": "#7f7f7f", "f": "#d95f02", "i": "#7570b3",
           "C̃": "#e7298a", "o": "#66a6d9"}  # fmt: skip


def plot(history: StateHistory, highway: Highway) -> Any:
    """A matplotlib Figure. Above |dL/dC_t| and the pure highway, on a log scale; below the ledger of each step.

    The norms of its terms are shown as shares of the sum of these norms. A gradient of 0 is not drawn: a log scale has
    no place for it. Save it by `figure.savefig("flow.png")`. Raises ImportError where matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]
        from matplotlib.style import context  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportError('flow.plot() needs matplotlib: pip install "tinygrad-lstm[plot]"') from None

    lettered()

    class Plot(Figure):
        """A figure that a notebook shows, whether or not pyplot was imported."""

        def _repr_png_(self) -> bytes:
            self.savefig(image := BytesIO(), format="png", dpi=110)
            return image.getvalue()

    figure = Plot(figsize=(9, 5.5), layout="constrained")
    with context("tinygrad_lstm.drawn"):
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        _norms_over_time(above, history, highway)
        _shares_over_time(below, history)
    return figure


def _norms_over_time(above: Any, history: StateHistory, highway: Highway) -> None:
    time = np.arange(history.T + 1)
    alone = said("pure highway" if history.gates else "recurrence alone")
    curves = ((history.norm, f"|∂L/∂{history.name}ₜ|", "o-"), (highway.norms, alone, "s--"))
    for values, label, style in curves:
        shown = np.where(values > 0, values, np.nan)
        above.semilogy(time, shown, style, label=label, markersize=3, color="#1f4e79" if style == "o-" else "#1b7837")
    above.set_ylabel(said("norm"))
    head = "Gradient of {name} in {place}; {alone}: half-life {life:.3g} steps"
    above.set_title(said(head, name=history.name, place=history.place, alone=alone, life=highway.half_life))
    above.legend()


def _shares_over_time(below: Any, history: StateHistory) -> None:
    before, terms = _norms(history)
    total = sum(terms.values())
    floor = np.zeros(len(before))
    for name, length in terms.items():
        share = np.divide(length, total, out=np.zeros_like(length), where=total > 0)
        below.bar(before, share, bottom=floor, width=0.9, label=said(name), color=COLOURS.get(name))
        floor = floor + share
    below.set_ylim(0, 1)
    below.set_ylabel(said("share of the terms"))
    way = said("left" if history.end == history.T else "right")
    below.set_xlabel(said("t of {name}ₜ; the gradient travels to the {way}", name=history.name, way=way))
    below.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _norms(history: StateHistory) -> tuple[Array, dict[str, Array]]:
    """The steps t whose gradient is split by the ledger, and the norms of its terms there."""
    pairs = [*pairwise(history.order)]
    ledgers = [ledger(history, t) for _, t in pairs]
    return np.array([t for t, _ in pairs]), {k: np.array([norm(terms[k]) for terms in ledgers]) for k in ledgers[0]}

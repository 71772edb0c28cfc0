"""The picture of tutorial 11: where the gradients of a hand-written backward pass are off."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ..tensor import Array


def draw_fingerprints(marks: Mapping[str, Array]) -> None:
    """Side by side, under its name, each array (steps + 2, 6): distances from 0 to 1, newest step first, then W and b.

    What is right to nine digits, and what there is not (NaN), has no number.
    """
    plt: Any = import_module("matplotlib.pyplot")
    with plt.style.context("tinygrad_lstm.drawn"):
        _, axes = plt.subplots(1, len(marks), figsize=(2.6 * len(marks), 3.2), squeeze=False, layout="constrained")
        for axis, (name, table) in zip(axes[0], marks.items(), strict=True):
            wrong = table > 1e-9
            axis.imshow(np.where(wrong, 0.15 + table, 0), cmap="Reds", vmin=0, vmax=1.15)
            for row, column in np.argwhere(wrong):
                value = table[row, column]
                ink = "white" if value > 0.6 else "black"
                axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=9, color=ink)
            steps = [f"t={t}" for t in range(len(table) - 2, 0, -1)]
            axis.set(title=name, xticks=range(6), xticklabels=["C", "h", "f", "i", "C̃", "o"])
            axis.set(yticks=range(len(table)), yticklabels=[*steps, "W", "b"])
            axis.grid(False)
        plt.show()

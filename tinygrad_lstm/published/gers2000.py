"""Gers, Schmidhuber & Cummins (2000), "Learning to Forget: Continual Prediction with LSTM", section 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn, tasks
from ..ops import log_softmax
from ..optim import Adam
from ..scope import no_grad
from ..tensor import Tensor
from .nets import SmallNet, descend, one_hot, side_by_side

CELLS = {"lstm": nn.LSTMCell, "lstm-no-forget": nn.NoForgetLSTMCell, "lstm-1997": nn.LSTM1997Cell}
ROWS, STEPS = 16, 40  # streams side by side, and symbols between two steps of learning
AGAIN = 0.1  # how often a stream begins anew instead of going on, so that beginnings are learned, too


def continual_reber(seeds: Sequence[int], *, cell: str, cells: int, updates: int, symbols: int) -> list[dict[str, Any]]:
    """Strings of the embedded Reber grammar in streams without an end; the state is never reset within one.

    A net has learned when it reads 10 new streams of `symbols` symbols each without one mistake: its largest output is
    always a symbol that the grammar allows. `read` is how many symbols it reads before the first mistake, on average.
    """
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    nets = side_by_side([SmallNet(CELLS[cell](7, cells, rng=rng), 7, rng=rng) for rng in rngs])
    optimizer = Adam(nets.parameters(), 0.01)
    places, state = np.zeros((len(seeds), ROWS), np.int64), None
    for k in range(updates):
        optimizer.lr = 0.01 * 0.1 ** (k / updates)
        choices = np.stack([rng.integers(2, size=(ROWS, STEPS + 1)) for rng in rngs])
        tokens, _, _ = tasks.reber_stream(choices, places)
        goes_on = np.stack([rng.random(ROWS) >= AGAIN for rng in rngs])
        places = tasks.reber_stream(choices[..., :-1], places)[2] * goes_on
        y, state = nets(one_hot(tokens[..., :-1], 7), state)
        state = type(state)(*(Tensor(part.numpy() * goes_on[..., None]) for part in state))
        losses = -log_softmax(y) * (one_hot(tokens[..., 1:], 7) / (ROWS * STEPS))
        descend(nets, losses, optimizer, global_clipnorm=1.0)
    read = np.mean(_read(nets, rngs, symbols), axis=1)
    return [{"solved": bool(mean == symbols), "read": float(mean)} for mean in read]


def _read(nets: SmallNet, rngs: Sequence[np.random.Generator], symbols: int, rows: int = 10) -> Any:
    """(nets, rows): how many symbols each net reads of each new stream before its first mistake."""
    places, state = np.zeros((len(rngs), rows), np.int64), None
    read, faultless = np.zeros((len(rngs), rows), np.int64), np.ones((len(rngs), rows), bool)
    while faultless.any() and read.max() < symbols:
        choices = np.stack([rng.integers(2, size=(rows, min(100, symbols - int(read.max())))) for rng in rngs])
        tokens, legal, places = tasks.reber_stream(choices, places)
        with no_grad():
            y, state = nets(one_hot(tokens, 7), state)
        best = y.numpy().argmax(axis=-1)[..., None]
        right = np.take_along_axis(legal, best, axis=-1)[..., 0]
        until = np.logical_and.accumulate(right, axis=-1) & faultless[..., None]
        read += until.sum(axis=-1)
        faultless &= right.all(axis=-1)
    return read

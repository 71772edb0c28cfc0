"""The adding problem: Le, Jaitly & Hinton (2015), arXiv 1504.00941, and Arjovsky, Shah & Bengio (2016), ICML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn, tasks
from ..optim import Adam
from ..scope import no_grad
from ..tensor import Array
from .nets import SmallNet, descend, normal, side_by_side


def _cell(kind: str, hidden: int, length: int, rng: np.random.Generator) -> nn.Cell:
    """An LSTM whose b_f begins at 0 or 1 or is spread over the length; or a tanh RNN, or an IRNN."""
    match kind:
        case "rnn":
            return nn.RNNCell(2, hidden, rng=rng)
        case "irnn":
            settings: Any = {"activation": "relu", "recurrent_initializer": "identity", "initializer": normal(0.001)}
            return nn.RNNCell(2, hidden, **settings, rng=rng)
        case "lstm-chrono":
            cell = nn.LSTMCell(2, hidden, rng=rng)
            # Tallec & Ollivier 2018, equation 16: b_f = ln u, b_i = −b_f, with u even in [1, T − 1]
            cell.b_f.data = np.log(rng.uniform(1, length - 1, hidden)).astype(np.float32)
            cell.b_i.data = -cell.b_f.numpy()
            return cell
        case _:
            return nn.LSTMCell(2, hidden, forget_bias=float(kind.removeprefix("lstm-b")), rng=rng)


def adding(
    seeds: Sequence[int], *, cell: str, length: int, hidden: int, rate: float, updates: int, looks: int = 20
) -> list[dict[str, Any]]:
    """The sum of two marked numbers among `length`; Adam, 20 sequences a step, each net's gradient clipped to norm 1.

    `curve` is the mean squared error on 500 new sequences after 0, 1, 2, … of `looks` equal parts of the training.
    Always answering 1 gives 1/6 = 0.167. Solved: below 0.01 at the end of one part.
    """
    task = tasks.adding(length=length)
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    nets = side_by_side([SmallNet(_cell(cell, hidden, length, rng), 1, rng=rng) for rng in rngs])
    optimizer = Adam(nets.parameters(), rate)
    test = [task.many(500, np.random.default_rng([seed, 1])) for seed in seeds]
    x, target = (np.stack([getattr(batch, part) for batch in test]) for part in ("x", "target"))
    curves, last = [_errors(nets, x, target)], np.full((len(seeds), 20), length - 1)
    for k in range(1, updates + 1):
        drawn = [task.many(20, rng) for rng in rngs]
        learned_x, learned = (np.stack([getattr(batch, part) for batch in drawn]) for part in ("x", "target"))
        difference = nets.at(learned_x, last) - learned[:, :, -1]
        descend(nets, difference * difference * (1 / 20), optimizer, global_clipnorm=1.0)
        if k % (updates // looks) == 0:
            curves.append(_errors(nets, x, target))
    by_net = np.array(curves).T
    return [
        {"solved": bool((curve < 0.01).any()), "error": float(curve[-1]), "curve": curve.round(5).tolist()}
        for curve in by_net
    ]


def _errors(nets: SmallNet, x: Array, target: Array) -> Array:
    """(nets,): each net's mean squared error at the last step."""
    with no_grad():
        y = nets.at(x, np.full(x.shape[:2], x.shape[2] - 1))
    errors: Array = ((y.numpy() - target[:, :, -1]) ** 2).mean(axis=(1, 2))
    return errors

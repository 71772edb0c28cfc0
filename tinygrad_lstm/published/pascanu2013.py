"""Pascanu, Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks", ICML, section 4.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import nn, tasks
from ..ops import log_softmax
from ..optim import SGD, Adam
from ..scope import no_grad
from ..tensor import Array
from .nets import SmallNet, descend, normal, one_hot, side_by_side

BATCH = 20


def clipping(
    seeds: Sequence[int], *, length: int, clip: float | None, updates: int, rate: float = 0.1, look: int = 500
) -> list[dict[str, Any]]:
    """Temporal order with a tanh RNN of 50 units and SGD, 20 sequences a step, with and without a clip by norm."""
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    settings: Any = {"initializer": normal(0.1), "recurrent_initializer": normal(0.1)}
    nets = side_by_side([SmallNet(nn.RNNCell(8, 50, **settings, rng=rng), 4, rng=rng) for rng in rngs])
    return order(nets, SGD(nets.parameters(), rate), rngs, length, clip, updates, look)


def order(
    nets: SmallNet, optimizer: SGD | Adam, rngs: Sequence[np.random.Generator], length: int, clip: float | None,
    updates: int, look: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Learn temporal order; solved when below 1 % of 1000 new sequences are classified wrongly, looked at now and then.

    `sequences` is how many were learned from until then, `right` the share of right answers at the end.
    """
    task, every = tasks.temporal_order(length=length), np.arange(len(rngs))
    drawn = orders(task, BATCH, rngs)
    results: list[dict[str, Any]] = [{"solved": False, "sequences": None, "right": 0.0} for _ in rngs]
    for k in range(1, updates + 1):
        x, last, labels = next(drawn)
        losses = -log_softmax(nets.at(x, last)) * (one_hot(labels, 4) / BATCH)
        with np.errstate(all="ignore"):  # without a clip a net may be lost, and only that one
            descend(nets, losses, optimizer, global_clipnorm=clip)
        if k % look and k < updates:
            continue
        x, last, labels = next(orders(task, 1000, rngs, ahead=1))
        with no_grad(), np.errstate(all="ignore"):
            y = nets.at(x, last)
        right = ((y.numpy().argmax(axis=-1) == labels) & np.isfinite(y.numpy()).all(axis=-1)).mean(axis=1)
        for net in every:
            results[net]["right"] = float(right[net])
            if right[net] > 0.99 and not results[net]["solved"]:
                results[net] |= {"solved": True, "sequences": k * BATCH}
        if all(result["solved"] for result in results):
            break
    return results


def orders(
    task: tasks.TemporalOrder, size: int, rngs: Sequence[np.random.Generator], ahead: int = 50
) -> Iterator[tuple[Array, Array, Array]]:
    """Again and again, of each net: x (nets, size, time, 8), where each row ends and its class (nets, size).

    Drawn `ahead` at once: one draw of many sequences takes little longer than that of one.
    """
    while True:
        batches = [task.many(size * ahead, rng) for rng in rngs]
        x = np.stack([batch.x.reshape(ahead, size, -1) for batch in batches], axis=1)
        last = np.stack([batch.mask.argmax(axis=1).reshape(ahead, size) for batch in batches], axis=1)
        labels = np.stack([batch.target[batch.mask].reshape(ahead, size) for batch in batches], axis=1)
        for k in range(ahead):
            yield one_hot(x[k], 8), last[k], labels[k]

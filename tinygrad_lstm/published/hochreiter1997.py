"""Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", Neural Computation 9(8): experiments 1 and 6.

Both learn online: after each sequence one step of gradient descent on half the squared error of logistic outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn, tasks
from ..ops import sigmoid, tanh
from ..optim import SGD
from ..scope import no_grad
from ..tasks.base import Batch
from ..tensor import Array
from .nets import SmallNet, alone, descend, one_hot, side_by_side, together
from .pascanu2013 import orders

RECENT = 2000  # sequences


def g(x: Any) -> Any:
    """The squashing function of what enters a cell: 4 σ(x) − 2, in [−2, 2] (equation 5 of the paper's appendix)."""
    return 2 * tanh(x * 0.5)


def h(x: Any) -> Any:
    """That of what leaves a cell: 2 σ(x) − 1, in [−1, 1]."""
    return tanh(x * 0.5)


def _net(kind: str, inputs: int, outputs: int, cells: int, reach: float, seed: int, **biases: list[float]) -> SmallNet:
    """A net whose weights begin evenly drawn from [−reach, reach]; some biases begin at the values given."""
    rng = np.random.default_rng([seed, 0])
    squashed: dict[str, Any] = {"activation": g, "output_activation": h, "rng": rng}
    match kind:
        case "lstm-1997":
            cell: nn.Cell = nn.LSTM1997Cell(inputs, cells, **squashed)
        case "lstm":
            cell = nn.LSTMCell(inputs, cells, **squashed)
        case _:
            cell = nn.RNNCell(inputs, cells, rng=rng)
    net = SmallNet(cell, outputs, rng=rng)
    for path, p in net.named_parameters():
        if path != "cell.b_f":  # it begins at 1
            p.data = rng.uniform(-reach, reach, p.shape).astype(np.float32)
    for name, values in biases.items():
        if hasattr(cell, name):
            getattr(cell, name).data = np.array(values, np.float32)
    return net


def temporal_order(seeds: Sequence[int], *, cell: str, cells: int, budget: int) -> list[dict[str, Any]]:
    """Experiment 6a: learning rate 0.5; the biases of the input gates begin at −2 (first block) and −4 (second).

    A net has learned when of the 2000 latest sequences all were classified correctly, each output within 0.3 of its
    target, and their mean error is below 0.1.
    """
    task = tasks.temporal_order(length=100)
    kinds = [_net(cell, 8, 4, cells, 0.1, seed, b_i=[-2, -2, -4, -4]) for seed in seeds]
    nets, drawn = side_by_side(kinds), orders(task, 1, [np.random.default_rng([seed, 1]) for seed in seeds], ahead=200)
    optimizer = SGD(nets.parameters(), 0.5)
    errors = np.ones((RECENT, len(seeds), 4), np.float32)
    results: list[dict[str, Any]] = [{"solved": False, "sequences": None, "wrong": None} for _ in seeds]
    for k in range(1, budget + 1):
        x, last, labels = next(drawn)
        difference = sigmoid(nets.at(x, last)[:, 0]) - one_hot(labels[:, 0], 4)
        descend(nets, 0.5 * difference * difference, optimizer)
        errors[k % RECENT] = np.abs(difference.numpy())
        if k < RECENT:
            continue
        learned = (errors < 0.3).all(axis=(0, 2)) & ((errors**2).sum(axis=2).mean(axis=0) / 2 < 0.1)
        for net in map(int, np.flatnonzero(learned)):
            if not results[net]["solved"]:
                wrong = _wrong(alone(nets, net), task, seeds[net])
                results[net] = {"solved": True, "sequences": k, "wrong": wrong}
        if all(result["solved"] for result in results):
            break
    return results


def _target(batch: Batch) -> Array:
    """(batch, 4): 1 for the class of each."""
    return one_hot(batch.target[batch.mask], 4)


def _wrong(net: SmallNet, task: tasks.TemporalOrder, seed: int) -> int:
    """Of 2560 new sequences, how many are classified wrongly."""
    test = task.many(2560, np.random.default_rng([seed, 2]))
    with no_grad():
        y, _ = net(one_hot(test.x, 8))
    output = sigmoid(y.numpy()[test.mask])
    return int((np.abs(output - _target(test)) >= 0.3).any(axis=1).sum())


def embedded_reber(
    seeds: Sequence[int], *, cell: str, cells: int, rate: float, budget: int, look: int = 250
) -> list[dict[str, Any]]:
    """Experiment 1: 256 strings to learn from, in a random order again and again, and 256 others.

    A net has learned when at every step of all 512 strings the symbols that the grammar allows next are those whose
    outputs are largest; it is looked at after every `look` strings. The biases of the output gates begin at −1, −2, ….
    """
    gates = [-1.0 - k for k in range(cells)]
    nets = side_by_side([_net(cell, 7, 7, cells, 0.2, seed, b_o=gates) for seed in seeds])
    draws = [np.random.default_rng([seed, 1]) for seed in seeds]
    batches = [tasks.reber().batch(512, rng) for rng in draws]
    strings, targets, masks, legal = (
        together(part)
        for part in (
            [one_hot(batch.x, 7) for batch in batches], [one_hot(batch.target, 7) for batch in batches],
            [batch.mask[..., None] for batch in batches], [batch.info["legal"] for batch in batches],
        )
    )  # fmt: skip
    optimizer, every = SGD(nets.parameters(), rate), np.arange(len(seeds))
    results: list[dict[str, Any]] = [{"solved": False, "strings": None} for _ in seeds]
    for k in range(1, budget + 1):
        picked = np.array([rng.integers(256) for rng in draws])
        mask = masks[every, picked][:, None]
        lengths = mask[:, 0, :, 0].sum(axis=1).tolist()
        y, _ = nets(strings[every, picked][:, None, : max(lengths)], steps=lengths)
        difference = (sigmoid(y) - targets[every, picked][:, None, : max(lengths)]) * mask[:, :, : max(lengths)]
        descend(nets, 0.5 * difference * difference, optimizer)
        if k % look:
            continue
        with no_grad():
            y, _ = nets(strings)
        for net in np.flatnonzero(allowed(y.numpy(), legal, masks[..., 0])):
            if not results[net]["solved"]:
                results[net] = {"solved": True, "strings": k}
        if all(result["solved"] for result in results):
            break
    return results


def allowed(y: Array, legal: Array, mask: Array) -> Array:
    """(nets,): whether at all steps in the mask every allowed symbol has a larger output than every other one."""
    least, most = np.where(legal, y, np.inf).min(axis=-1), np.where(legal, -np.inf, y).max(axis=-1)
    right: Array = ((least > most) | ~mask).all(axis=(1, 2))
    return right

"""Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", Neural Computation 9(8): experiments 1 and 6.

Both learn online: after each sequence one step of gradient descent on half the squared error of logistic outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import nn, tasks
from ..ops import concat, log_softmax, sigmoid, tanh
from ..optim import SGD, Adam
from ..scope import no_grad, scope
from ..tasks.base import Batch
from ..tensor import Array, Tensor, detach
from .nets import SmallNet, alone, descend, one_hot, side_by_side, together
from .pascanu2013 import orders

RECENT = 2000  # sequences


def g(x: Any) -> Any:
    """The squashing function of what enters a cell: 4 σ(x) − 2, in [−2, 2] (equation 5 of the paper's appendix)."""
    return 2 * tanh(x * 0.5)


def h(x: Any) -> Any:
    """That of what leaves a cell: 2 σ(x) − 1, in [−1, 1]."""
    return tanh(x * 0.5)


class GatedState(NamedTuple):
    """What such a net carries on: beside h and C the gates, which the next step sees. Each is (batch, hidden)."""

    h: Tensor
    C: Tensor
    i: Tensor
    o: Tensor


class GatesSeeGatesCell(nn.Cell):
    """Memory cells in blocks of one as in the paper's figure 2: cells and gates see the input and one another.

    The gradient is truncated: only C carries it back in time. Gates have a bias, cells have none (table 10, "ga").
    """

    State = GatedState

    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size + 2 * hidden_size, hidden_size, **settings)  # a W has rows for the gates, too
        self.W_i, self.b_i = self.weight("W_i"), self.bias("b_i")
        self.W_C = self.weight("W_C")
        self.W_o, self.b_o = self.weight("W_o"), self.bias("b_o")
        self.input_size = input_size

    def step(self, x: Any, state: GatedState) -> nn.Step:
        seen = concat(detach(state.h), x, detach(state.i), detach(state.o))
        with scope("input gate"):
            i = sigmoid(seen @ self.W_i + self.b_i).named("i")
        with scope("cell state"):
            C = (state.C + i * g(seen @ self.W_C)).named("C")
        with scope("output gate"):
            o = sigmoid(seen @ self.W_o + self.b_o).named("o")
        with scope("hidden state"):
            hidden = (o * h(C)).named("h")
        return nn.Step(i=i, o=o, C=C, h=hidden)


def _net(kind: str, inputs: int, outputs: int, cells: int, reach: float, seed: int, **biases: list[float]) -> SmallNet:
    """A net whose weights begin evenly drawn from [−reach, reach]; some biases begin at the values given."""
    rng = np.random.default_rng([seed, 0])
    squashed: dict[str, Any] = {"activation": g, "output_activation": h, "rng": rng}
    match kind:
        case "gates-see-gates":
            cell: nn.Cell = GatesSeeGatesCell(inputs, cells, rng=rng)
        case "lstm-1997":
            cell = nn.LSTM1997Cell(inputs, cells, **squashed)
        case "lstm":
            cell = nn.LSTMCell(inputs, cells, **squashed)
        case _:
            cell = nn.RNNCell(inputs, cells, rng=rng)
    net = SmallNet(cell, outputs, bias=kind != "gates-see-gates", rng=rng)
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
    seeds: Sequence[int], *, cell: str, cells: int, rate: float, budget: int, adam: bool = False, look: int = 100
) -> list[dict[str, Any]]:
    """Experiment 1: 256 strings to learn from, in a random order again and again, and 256 others that are not of them.

    A net has learned when at every step of all 512 strings the symbols that the grammar allows next are those whose
    outputs are largest; it is looked at after every `look` strings. `grammar` is the share of strings that are right
    but for the last symbol but one, which repeats the second. The biases of the output gates begin at −1, −2, …. With
    `adam` it is trained as one would today: cross-entropy of a softmax, a clip at norm 1, b_o begins at 0.
    """
    gates = {} if adam else {"b_o": [-1.0 - k for k in range(cells)]}
    nets = side_by_side([_net(cell, 7, 7, cells, 0.2, seed, **gates) for seed in seeds])
    draws = [np.random.default_rng([seed, 1]) for seed in seeds]
    strings, targets, masks, legal = map(together, zip(*map(_strings, draws), strict=True))
    optimizer, every = (Adam if adam else SGD)(nets.parameters(), rate), np.arange(len(seeds))
    results: list[dict[str, Any]] = [{"solved": False, "strings": None, "grammar": 1.0} for _ in seeds]
    for k in range(1, budget + 1):
        picked = np.array([rng.integers(256) for rng in draws])
        lengths = masks[every, picked, :, 0].sum(axis=1).tolist()
        x, target, mask = (part[every, picked][:, None, : max(lengths)] for part in (strings, targets, masks))
        y, _ = nets(x, steps=lengths)
        difference = sigmoid(y) - target
        losses = -log_softmax(y) * (target * mask) if adam else 0.5 * difference * difference * mask
        descend(nets, losses, optimizer, global_clipnorm=1.0 if adam else None)
        if k % look:
            continue
        for net in np.flatnonzero(_right(nets, strings, masks, legal)):
            if not results[net]["solved"]:
                results[net] |= {"solved": True, "strings": k}
        if all(result["solved"] for result in results):
            break
    for result, share in zip(results, _grammar(nets, strings, masks, legal), strict=True):
        result["grammar"] = 1.0 if result["solved"] else float(share)
    return results


def _grammar(nets: SmallNet, strings: Array, masks: Array, legal: Array) -> Array:
    """(nets,): of how many strings all is predicted but for the last symbol but one, the one that has to be kept."""
    with no_grad():
        y, mask = nets(strings)[0].numpy(), masks[..., 0].copy()
    kept = mask.sum(axis=2, keepdims=True) - 2
    np.put_along_axis(mask, kept, False, axis=2)
    share: Array = _above(y, legal, mask).all(axis=2).mean(axis=1)
    return share


def _right(nets: SmallNet, strings: Array, masks: Array, legal: Array) -> Array:
    """(nets,): whether all strings are predicted; all of them are read only where some net is right in the first 32."""
    with no_grad():
        first = allowed(nets(strings[:, :32])[0].numpy(), legal[:, :32], masks[:, :32, :, 0])
        return allowed(nets(strings)[0].numpy(), legal, masks[..., 0]) if first.any() else first


def _strings(rng: np.random.Generator) -> tuple[Array, ...]:
    """512 strings: what is read, the next symbols, a mask (…, 1), and what is allowed. The last 256 are none of the
    first."""
    batch = tasks.reber().batch(256, rng)
    rows = [list(part) for part in (batch.x, batch.target, batch.mask, batch.info["legal"])]
    known = {x[mask].tobytes() for x, mask in zip(batch.x, batch.mask, strict=True)}
    while len(rows[0]) < 512:
        one = tasks.reber().batch(1, rng)
        if one.x[0][one.mask[0]].tobytes() not in known:
            for row, part in zip(rows, (one.x, one.target, one.mask, one.info["legal"]), strict=True):
                row.append(part[0])
    x, target, mask, legal = (together([part[None] for part in row])[:, 0] for row in rows)
    return one_hot(x, 7), one_hot(target, 7), mask[..., None], legal


def allowed(y: Array, legal: Array, mask: Array) -> Array:
    """(nets,): whether at all steps in the mask every allowed symbol has a larger output than every other one."""
    right: Array = _above(y, legal, mask).all(axis=(1, 2))
    return right


def _above(y: Array, legal: Array, mask: Array) -> Array:
    """(nets, strings, time): the same of each step; True outside the mask."""
    least, most = np.where(legal, y, np.inf).min(axis=-1), np.where(legal, -np.inf, y).max(axis=-1)
    above: Array = (least > most) | ~mask
    return above

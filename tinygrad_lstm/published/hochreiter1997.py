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
from .online1997 import SymbolBySymbol
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


def _net(
    kind: str, inputs: int, outputs: int, cells: int, reach: float, seed: int, *, biased: bool = True,
    **biases: list[float],
) -> SmallNet:  # fmt: skip
    """A net whose weights begin evenly drawn from [−reach, reach]; some biases begin at the values given.

    `biased` says whether its outputs have biases.
    """
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
    net = SmallNet(cell, outputs, bias=biased, rng=rng)
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
    seeds: Sequence[int], *, cell: str, cells: int, rate: float, budget: int,
    adam: bool = False, online: bool = False, biased: bool = False, look: int = 100,
) -> list[dict[str, Any]]:  # fmt: skip
    """Experiment 1: 256 strings to learn from, in a random order again and again, and 256 others that are not of them.

    The biases of the output gates begin at −1, −2, …. With `online` weights change after each symbol, otherwise after
    each string; `biased` gives the outputs of “gates-see-gates” biases, which others have anyway. With `adam` it is
    trained as one would today: cross-entropy of a softmax, a clip at norm 1, b_o begins at 0.
    """
    gates = {} if adam else {"b_o": [-1.0 - k for k in range(cells)]}
    biased = biased or cell != "gates-see-gates"
    nets = side_by_side([_net(cell, 7, 7, cells, 0.2, seed, biased=biased, **gates) for seed in seeds])
    draws = [np.random.default_rng([seed, 1]) for seed in seeds]
    watch, every = Watch(draws, budget), np.arange(len(seeds))
    if online:
        return _after_each_symbol(nets, watch, draws, rate, look)
    optimizer = (Adam if adam else SGD)(nets.parameters(), rate)
    for k in range(1, budget + 1):
        picked = np.array([rng.integers(256) for rng in draws])
        lengths = watch.lengths[every, picked].tolist()
        x, target, mask = (
            part[every, picked][:, None, : max(lengths)] for part in (watch.strings, watch.targets, watch.masks)
        )
        y, _ = nets(x, steps=lengths)
        difference = sigmoid(y) - target
        losses = -log_softmax(y) * (target * mask) if adam else 0.5 * difference * difference * mask
        descend(nets, losses, optimizer, global_clipnorm=1.0 if adam else None)
        if k % look == 0 and watch.look(nets, np.full(len(seeds), k)):
            break
    return watch.told(nets)


def _after_each_symbol(
    nets: SmallNet, watch: Watch, draws: Sequence[np.random.Generator], rate: float, look: int
) -> list[dict[str, Any]]:
    """Each net goes on with a string of its own as soon as one is over, and stands still when its budget is spent."""
    learner, every = SymbolBySymbol(nets), np.arange(len(draws))
    picked, at = np.array([rng.integers(256) for rng in draws]), np.zeros(len(draws), np.int64)
    read, symbols = np.zeros(len(draws), np.int64), 0  # strings that are over
    while True:
        place = every, picked, at
        learner.learn(rate * (read < watch.budget), watch.strings[place], watch.targets[place], at == 0)
        at, symbols = at + 1, symbols + 1
        for net in map(int, np.flatnonzero(at == watch.lengths[every, picked])):
            picked[net], at[net] = draws[net].integers(256), 0
            read[net] = min(read[net] + 1, watch.budget)
        spent = bool((read == watch.budget).all())
        if (spent or symbols % (10 * look) == 0) and (watch.look(learner.given_back(), read) or spent):
            return watch.told(nets)


class Watch:
    """The strings of each net, and what it has learned of them.

    A net has learned when at every step of all 512 strings the symbols that the grammar allows next are those whose
    outputs are largest. `grammar` is the share of strings that are right but for the last symbol but one, which repeats
    the second.
    """

    def __init__(self, draws: Sequence[np.random.Generator], budget: int) -> None:
        self.strings, self.targets, self.masks, self.legal = map(together, zip(*map(_strings, draws), strict=True))
        self.lengths, self.budget = self.masks[..., 0].sum(axis=2), budget
        self.results: list[dict[str, Any]] = [{"solved": False, "strings": None, "grammar": 1.0} for _ in draws]

    def look(self, nets: SmallNet, read: Array) -> bool:
        """Whether all nets have learned by now, after so many strings each."""
        for net in np.flatnonzero(self._right(nets)):
            if not self.results[net]["solved"]:
                self.results[net] |= {"solved": True, "strings": int(read[net])}
        return all(result["solved"] for result in self.results)

    def told(self, nets: SmallNet) -> list[dict[str, Any]]:
        """What has come of each net, at the end."""
        for result, share in zip(self.results, self.grammar(nets), strict=True):
            result["grammar"] = 1.0 if result["solved"] else float(share)
        return self.results

    def grammar(self, nets: SmallNet) -> Array:
        """(nets,): of how many strings all is predicted but for the symbol that has to be kept."""
        with no_grad():
            y, mask = nets(self.strings)[0].numpy(), self.masks[..., 0].copy()
        np.put_along_axis(mask, self.lengths[..., None] - 2, False, axis=2)
        share: Array = _above(y, self.legal, mask).all(axis=2).mean(axis=1)
        return share

    def _right(self, nets: SmallNet) -> Array:
        """(nets,): whether all strings are right; all of them are read only where the first 32 are, in some net."""
        with no_grad():
            y, _ = nets(self.strings[:, :32])
            first = allowed(y.numpy(), self.legal[:, :32], self.masks[:, :32, :, 0])
            return allowed(nets(self.strings)[0].numpy(), self.legal, self.masks[..., 0]) if first.any() else first


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
    return np.asarray(_above(y, legal, mask).all(axis=(1, 2)))


def _above(y: Array, legal: Array, mask: Array) -> Array:
    """(nets, strings, time): the same of each step; True outside the mask."""
    least, most = np.where(legal, y, np.inf).min(axis=-1), np.where(legal, -np.inf, y).max(axis=-1)
    above: Array = (least > most) | ~mask
    return above

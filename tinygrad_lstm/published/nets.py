"""Many nets of one kind side by side: their parameters have a leading axis, one entry a net.

Small nets that learn sequence by sequence spend their time between the operations, not in them: so the answers, the
losses and the steps of the optimizer are done for all nets at once, and the cells, net by net, by their derived text.
No net knows of another: each has its own parameters, its own sequences and its own loss, and the gradient of the sum
of all losses is, for each, that of its own, to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..engine import grad
from ..optim import Optimizer
from ..tensor import Array, Tensor
from .carried import Carried


class SmallNet(nn.Module):
    """A cell, carried along a sequence, and a linear answer at every step."""

    def __init__(self, cell: nn.Cell, outputs: int, *, bias: bool = True, rng: np.random.Generator) -> None:
        self.cell, self.head = cell, nn.Linear(cell.hidden_size, outputs, bias=bias, rng=rng)
        self.carried = Carried(cell)

    def forward(self, x: Array, state: Any = None, steps: Sequence[int] | None = None) -> tuple[Tensor, Any]:
        """The answers (…, time, outputs) to x (…, time, features), and the state after the last step.

        x is (batch, time, features), and of nets side by side (nets, batch, time, features). `steps` says for each net
        how many it goes; what stands behind them is not read, and no answer.
        """
        *rows, time, _ = x.shape
        states = self._states(x, state, steps)
        y = self.head(states[0].reshape(*rows[:-1], rows[-1] * time, -1))  # one product for all rows and steps of a net
        return y.reshape(*rows, time, -1), self.cell.State(*states[..., -1, :])

    def at(self, x: Array, last: Array) -> Tensor:
        """The answers (nets, batch, outputs) at one step of each row alone: `last` (nets, batch) says which."""
        h = self._states(x, None, [int(steps) for steps in last.max(axis=1) + 1])[0]
        return self.head(h[(*np.indices(last.shape, sparse=True), last)])

    def _states(self, x: Array, state: Any, steps: Sequence[int] | None) -> Tensor:
        """All states (fields, …, time, hidden), h first."""
        zero = np.zeros((*x.shape[:-2], self.cell.hidden_size), x.dtype)
        return self.carried.run(x, state or [zero for _ in self.cell.State._fields], self.cell, steps)


def side_by_side(nets: Sequence[SmallNet]) -> SmallNet:
    """One net that holds all of them: each W is (nets, rows, columns), each b (nets, 1, columns).

    Raises ValueError where there is none, and where they are not of one kind and size.
    """
    if not nets:
        raise ValueError("side_by_side: needs at least one net.")
    every = copy.deepcopy(nets[0])
    states = [net.state_dict() for net in nets]
    for path, p in every.named_parameters():
        if any(path not in state or state[path].shape != p.shape for state in states):
            raise ValueError(f"side_by_side: {path} is not {p.shape} in all of them; they must be of one kind.")
        values = np.stack([state[path] for state in states])
        p.data = values[:, None] if p.ndim == 1 else values
    return every


def alone(nets: SmallNet, k: int) -> SmallNet:
    """Net number k of nets side by side, as one of its own with copies of its parameters."""
    one = copy.deepcopy(nets)
    for p in one.parameters():
        own = p.numpy()[k]
        p.data = own[0] if len(own) == 1 and p.shape[1] == 1 else own
    return one


def descend(nets: SmallNet, losses: Tensor, optimizer: Optimizer, *, global_clipnorm: float | None = None) -> None:
    """One step down the gradient of the losses (nets, …), by the optimizer's rule.

    The clip is each net's own: the gradients of all its parameters together are scaled down to that norm. What is not
    finite stays in the net where it arose.
    """
    gradients = [g.numpy() for g in grad(losses.sum(), optimizer.params)]
    if global_clipnorm is not None:
        squares = sum((g * g).sum(axis=(1, 2), keepdims=True) for g in gradients)
        scale = np.minimum(1, global_clipnorm / np.sqrt(squares)).astype(gradients[0].dtype)
        gradients = [g * scale for g in gradients]
    optimizer.steps += 1
    for p, g, memory in zip(optimizer.params, gradients, optimizer.memories, strict=True):
        p.data = p.numpy() - optimizer.change(p.numpy(), g, memory, optimizer.steps)


def normal(deviation: float) -> Callable[[tuple[int, ...], np.random.Generator], Array]:
    """An initializer: normally distributed around 0."""
    return lambda shape, rng: rng.normal(0, deviation, shape)


def one_hot(tokens: Array, symbols: int) -> Array:
    """(…) integers as (…, symbols) float32, 1 at the integer and 0 elsewhere."""
    return np.eye(symbols, dtype=np.float32)[tokens]


def together(batches: Sequence[Array]) -> Array:
    """Arrays (batch, time, …), one of each net, as (nets, batch, time, …): zeros behind those that end earlier."""
    time = max(part.shape[1] for part in batches)
    out = np.zeros((len(batches), len(batches[0]), time, *batches[0].shape[2:]), batches[0].dtype)
    for row, part in zip(out, batches, strict=True):
        row[:, : part.shape[1]] = part
    return out

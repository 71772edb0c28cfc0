"""The pure highway: a state carried back (or forward) with all gates held fixed, and what each step wrote into it."""

from __future__ import annotations

from functools import cached_property
from math import inf, log, nan

import numpy as np

from ..engine import vjp
from ..numerics import norm
from ..tensor import Array
from .states import StateHistory


class Highway:
    """∂C_T/∂C_t with the gates held fixed: in an LSTM the product of the forget gates after t."""

    def __init__(self, history: StateHistory) -> None:
        self.history = history

    def carried_back(self, seed: Array) -> list[Array]:
        """A gradient at C_T carried back to C_0 by the highway alone: its values at C_0 … C_T."""
        history, prior = self.history, self.history.recurrence.prior
        values = {history.end: seed}
        for t in reversed(history.order[1:]):
            before = history.state(prior(t))
            gates = [x for x in history.named(t) if x.name in history.gates]
            (sent,) = vjp(history.made(t), [before], values[t], stop=gates)
            sent = np.zeros(before.shape, before.dtype) if sent is None else sent
            values[prior(t)] = np.where(history.valid(t), sent, values[t])
        return [values[t] for t in range(history.T + 1)]

    @cached_property
    def norms(self) -> Array:
        """(T+1,): norms of dL/dC_T carried back to C_0 by the highway alone; NaN where no gradient sets out."""
        seed = self.history.trace.grad(self.history.state(self.history.end))
        values = [np.full(1, nan)] * (self.history.T + 1) if seed is None else self.carried_back(seed)
        return np.array([norm(value) for value in values])

    @property
    def half_life(self) -> float:
        """See `Flow.half_life`."""
        start, end = self.norms[0], self.norms[self.history.end]
        if not end > 0:
            return nan
        return log(0.5) * self.history.T / log(start / end) if 0 < start < end else inf if start else 0.0

    @cached_property
    def kept(self) -> list[Array]:
        """For each t from 0 to T, the product of all forget gates after it: ∂C_T/∂C_t with the gates held fixed."""
        last = self.history.state(self.history.end)
        return self.carried_back(np.ones(last.shape, last.dtype))

    @property
    def is_written(self) -> bool:
        """Whether the state is written as i ∘ C̃."""
        return self.history.name == "C" and {"i", "C̃"} <= set(self.history.gates)

    def written(self) -> Array:
        """See `Flow.written`."""
        history = self.history
        if not self.is_written:
            raise LookupError(f"written: {history.name!r} is not written as i ∘ C̃; ask an LSTM for the flow of 'C'.")
        parts = []
        for t in range(1, history.T + 1):
            i, C_new = (history.recurrence.called(name, t)[0].numpy() for name in ("i", "C̃"))
            parts.append(self.kept[t] * history.valid(t) * (i * C_new))
        return np.array(parts)

    def weights(self) -> Array:
        """See `Flow.weights`."""
        end = self.history.trace.grad(self.history.state(self.history.end))
        return np.zeros(self.history.T) if end is None else np.asarray((self.written() * end).sum(axis=(1, 2)))

    def carried(self) -> Array:
        """See `Flow.carried`."""
        return np.asarray(self.kept[0] * self.history.state(0).numpy())

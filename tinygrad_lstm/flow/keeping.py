"""What holds the highway open: by how much each step multiplies a gradient there, and which gate that is.

Read off the graph, not off names: in (1 − f) ∘ h + f ∘ n it is 1 − f, whatever these are called.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..engine import vjp
from ..tensor import Array, Tensor
from .states import StateHistory


class Keeping:
    """The factors of the pure path along a state, with all gates held fixed.

    Attributes:
        factors: (T, batch, hidden), in the order in which the steps ran: what a step multiplies each unit's gradient
            by; NaN in rows that were over. None where there is no such number: a step mixes its units (h · W), or the
            path is cut.
        gate: the name of the gate that the factors are, or are 1 minus of; "" where they are no gate's.
        is_rest: whether they are 1 minus the gate.
    """

    def __init__(self, history: StateHistory) -> None:
        self.history = history
        self.factors = self._factors()
        self.gate, self.is_rest = self._named()

    @property
    def name(self) -> str:
        """What the factors are called: "f", "1 − z"."""
        return f"1 − {self.gate}" if self.is_rest else self.gate

    @property
    def is_forget_gate(self) -> bool:
        """Whether the gate is the one of an LSTM, which has a setting for its bias: its scope says so."""
        made = self.history.recurrence.called(self.gate, self.history.end) if self.gate else []
        return not self.is_rest and bool(made) and made[0].scope.endswith("/forget gate")

    def of(self, gate: str) -> Array:
        """(T, batch, hidden): the values of a gate at all steps."""
        made = [self.history.recurrence.called(gate, t) for t in self.history.order[1:]]
        return np.array([found[0].numpy() for found in made if found], np.float64)

    @cached_property
    def bias(self) -> Tensor | None:
        """The parameter that is added to the gate's argument, one number a unit; None where there is none, or no σ."""
        gate = self.history.recurrence.called(self.gate, self.history.end)[0]
        if gate.op is None or gate.op.name != "sigmoid":
            return None
        waiting = [edge.x for edge in self.history.trace.inputs(gate)]
        while waiting:
            x = waiting.pop()
            if x.op is None and x.requires_grad and x.name and x.shape == gate.shape[-1:]:
                return x
            if x.op is not None and x.op.name == "add":
                waiting += [edge.x for edge in self.history.trace.inputs(x)]
        return None

    def _factors(self) -> Array | None:
        history, found = self.history, list[Array]()
        for t in history.order[1:]:
            after = history.made(t)
            try:
                before = history.state(history.recurrence.prior(t))
            except LookupError:  # the initial state is a constant
                found.append(np.full(after.shape, np.nan))
                continue
            gates = [x for x in history.named(t) if x.name in history.gates]
            ones = np.ones(after.shape, after.dtype)
            signs = np.where(np.arange(after.size).reshape(after.shape) % 3 == 1, -2, 1).astype(after.dtype)
            one, other = (vjp(after, [before], seed, stop=gates)[0] for seed in (ones, signs))
            if one is None or other is None or not np.allclose(other, one * signs, rtol=1e-4, atol=1e-12):
                return None
            found.append(np.where(history.valid(t), one.astype(np.float64), np.nan))
        factors = np.array(found)
        return factors if np.any(np.abs(factors) > 0) else None  # not where all are NaN

    def _named(self) -> tuple[str, bool]:
        if self.factors is not None:
            there = ~np.isnan(self.factors)
            for gate in self.history.gates:
                values = self.of(gate)
                for is_rest in (False, True):
                    kept = 1 - values if is_rest else values
                    same = kept.shape == there.shape
                    if same and np.allclose(kept[there], self.factors[there], rtol=1e-4, atol=1e-6):
                        return gate, is_rest
        return "", False

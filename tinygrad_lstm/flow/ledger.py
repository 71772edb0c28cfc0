"""The exact ledger of dL/dC_{t−1}: by which paths it came there.

It is measured on the recorded graph itself, so it holds for any cell whose tensors have names: the gates are the named
tensors of a step that are no state, and a term "through f" is what the gradient at f sends on to the state before, with
all other gates held fixed.
"""

from __future__ import annotations

import numpy as np

from ..engine import vjp
from ..tensor import Array, Tensor
from .recurrence import STATES
from .states import StateHistory


def ledger(history: StateHistory, t: int) -> dict[str, Array]:
    """The terms whose sum is the gradient of the state before step t. See `Flow.ledger`."""
    if not 1 <= t <= history.T:
        raise IndexError(f"flow: step {t} does not exist; t runs from 1 to {history.T}.")
    target, steps = history.made(history.recurrence.prior(t)), history.recurrence.steps
    terms = {history.direct: _through(history, t, [x for x in steps[t] if x.name in STATES], target)}
    terms["readout"] = _readout(history, t, target)
    for gate in history.gates:
        terms[gate] = _through(history, t, history.recurrence.called(gate, t), target)
    return terms


def _through(history: StateHistory, t: int, sources: list[Tensor], target: Tensor) -> Array:
    """What the gradients at the sources send to the target, passing none of the other named tensors of step t."""
    named = history.named(t)
    total = np.zeros(target.shape, target.dtype)
    for source in sources:
        gradient = history.trace.grad(source)
        stop = [x for x in named if x is not source]
        (sent,) = [None] if gradient is None else vjp(source, [target], gradient, stop=stop)
        total = total if sent is None else total + sent
    return total


def _readout(history: StateHistory, t: int, target: Tensor) -> Array:
    """What comes from users outside of the recurrence: of C_{t−1} itself, and of what step t−1 made of it."""
    total = np.zeros(target.shape, target.dtype)
    prior = history.recurrence.prior(t)
    for x in [target, *(x for x in history.recurrence.steps.get(prior, []) if x.birth > target.birth)]:
        for edge in history.users(x):
            if history.at(edge.out) not in (prior, t):
                (sent,) = vjp(x, [target], edge.share)
                total = total if sent is None else total + sent
    return total

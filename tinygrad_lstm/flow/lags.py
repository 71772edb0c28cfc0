"""Which step, and which distance in time, a weight's gradient comes from: its norm alone hides what has vanished."""

from __future__ import annotations

import numpy as np

from ..engine import spread, travel
from ..tensor import Array, Tensor
from .states import StateHistory


def by_step(history: StateHistory, weight: Tensor) -> Array:
    """(T, *weight.shape): Σ_t ∂L/∂W(t) = dL/dW, where W(t) is the weight as step t used it, all others fixed."""
    parts = np.zeros((history.T, *weight.shape), weight.dtype)
    uses = [(t, edge) for edge in history.users(weight) if (t := history.at(edge.out))]
    for t, edge in uses:
        parts[t - 1] += edge.share
    if not uses:
        raise LookupError(f"weight_gradient: {weight.describe()} is not used in {history.place}, or takes no gradient.")
    return parts


def by_lag(history: StateHistory, weight: Tensor) -> Array:
    """(T, *weight.shape): [k] is what was read from the cell k steps after the weight was used.

    dL/dW = Σ_k Σ_t (dL/dy_{t+k}) · (∂y_{t+k}/∂W(t)), y_s being all that leaves the recurrence at step s: one backward
    for each step that is read.
    """
    by_step(history, weight)  # raises where the weight is not used
    parts = np.zeros((history.T, *weight.shape), weight.dtype)
    outside = {x.birth for x in history.trace.tensors if history.at(x) is None}
    place = {t: k for k, t in enumerate(history.order)}
    for t in history.order[1:]:
        for x, arrived in history.read(t):
            for out, _, shares in travel(x, arrived, stop=outside):
                for w, share in shares:
                    if w is weight and (used := history.at(out)):
                        parts[place[t] - place[used]] += spread(share)
    return parts

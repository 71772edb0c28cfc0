"""By how many paths a gradient returns, and how much of it by those that use the highway often."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ..engine import vjp
from ..tensor import Array, Tensor
from .edge import Traced
from .states import StateHistory


def count_paths(trace: Traced, x: Tensor) -> int:
    """The number of ways from the traced loss back to x, op by op; exact however large, and 0 where there is none.

    In an unrolled LSTM it grows by (5 + √21)/2 = 4.79 a step: from C_t and h_t, one way each, 4 and 1 lead to
    C_{t−1}, 3 and 1 to h_{t−1}.
    """
    paths: dict[int, int] = defaultdict(int, {trace.root.birth: 1})
    for out in reversed(trace.tensors):
        for edge in trace.inputs(out):
            if edge.sent is not None:
                paths[edge.x.birth] += paths[out.birth]
    return paths[x.birth]


def by_highway(history: StateHistory) -> list[Array]:
    """For each t from 0 to T, (T − t + 1, *state): [k] is the part of dL/dC_t that used the highway exactly k times.

    One use is one step from C_s to C_{s−1} with all gates held fixed. The recursion, for the gradients c and d that
    arrive at C_s and h_s by k uses, both starting from what is read at s as k = 0, B_s being ∂h_s/∂C_s:
    c ← c + d · B_s;  then k + 1 receives f_s ∘ c, and k all else that goes on to (C_{s−1}, h_{s−1}).
    It runs T · (T + 1) / 2 short backwards. A padded step, which a row only passes by, is no use.
    """
    parts: dict[int, Array] = {}
    arrived: list[list[tuple[Tensor, Array]]] = []  # for each k what has come to the states that step s hands on
    for before, s in zip(reversed(history.order[:-1]), reversed(history.order), strict=False):
        made, target = history.made(s), history.states_at(before)
        arrived = [[*history.read(s), *(arrived[0] if arrived else [])], *arrived[1:]]
        gates = [x for x in history.named(s) if x.name in history.gates]
        totals: list[Array] = []
        onward: list[list[Array]] = [[np.zeros(x.shape, x.dtype) for x in target] for _ in range(len(arrived) + 1)]
        for k, sources in enumerate(arrived):
            total = np.zeros(made.shape, made.dtype)
            for x, gradient in sources:
                at_made, *sent = vjp(x, [made, *target], gradient, stop=target)
                total = total if at_made is None else total + at_made
                _add(onward[k], sent)
            sent = vjp(made, target[:1], total, stop=[*gates, *target])
            _add(onward[k + 1], sent)
            _add(onward[k], [None if dx is None else -dx for dx in sent])
            totals.append(total)
        parts[s] = np.array(totals)
        arrived = [list(zip(target, sent, strict=True)) for sent in onward]
    arrived[0] += history.read(0)
    parts[0] = np.array([sum(dx for x, dx in sources if x is history.state(0)) for sources in arrived])
    return [parts[t] for t in range(history.T + 1)]


def _add(totals: list[Array], sent: list[Array | None]) -> None:
    for k, dx in enumerate(sent):
        if dx is not None:
            totals[k] = totals[k] + dx

"""The ledger as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..habits import visible
from ..numerics import norm
from ..spoken import columns, ranged, said
from .highway import Highway
from .ledger import ledger
from .states import StateHistory


def table(history: StateHistory, highway: Highway, labels: Sequence[Any] | None = None) -> str:
    """One line for each t, newest first. See `Flow.table`."""
    names = ["readout", history.direct, *history.gates]
    keeping = next((gate for gate in ("f", "z") if gate in history.gates), None)
    mean = ranged(said("mean {gate}", gate=keeping), 8) if keeping else ""
    weights = highway.weights() if highway.is_written else None
    heads = [f"|∂L/∂{history.name}|", *map(said, names), *([said("written")] if weights is not None else [])]
    wide = max(10, *(columns(head) + 2 for head in heads[1:]))
    first = f"{'t':>4}  {ranged(said('read'), 10, '<')}"
    lines = [first + mean + "".join(ranged(head, wide) for head in heads)]
    for t, following in zip(reversed(history.order), [0, *reversed(history.order)], strict=False):
        after = ledger(history, following) if following else {}
        norms = [f"{norm(after[name]):.2e}" if after else "–" for name in names]
        norms[0] = norms[0] if after else f"{history.norm[t]:.2e}"
        word = visible(labels[t - 1]) if labels is not None and t else ""
        if keeping:
            gates = history.recurrence.called(keeping, t)
            mean = f"{f'{gates[0].numpy().mean():.3f}' if gates else '':>8}"
        numbers = [f"{history.norm[t]:.2e}", *norms]
        numbers += [f"{weights[t - 1]:.2e}" if t else ""] if weights is not None else []
        while columns(word) > 10:
            word = word[:-1]
        lines.append(f"{t:>4}  {ranged(word, 10, '<')}{mean}" + "".join(f"{n:>{wide}}" for n in numbers))
    return "\n".join(lines)

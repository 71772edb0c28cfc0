"""The ledger as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..numerics import norm
from .highway import Highway
from .ledger import ledger
from .states import StateHistory


def table(history: StateHistory, highway: Highway, labels: Sequence[Any] | None = None) -> str:
    """One line for each t, newest first. See `Flow.table`."""
    names = ["readout", "highway", *history.gates]
    keeping = next((gate for gate in ("f", "z") if gate in history.gates), None)
    mean = f"{'mean ' + keeping:>8}" if keeping else ""
    weights = highway.weights() if highway.is_written else None
    heads = [f"|∂L/∂{history.name}|", *names, *(["written"] if weights is not None else [])]
    lines = [f"{'t':>4}  {'read':<10}{mean}" + "".join(f"{head:>10}" for head in heads)]
    for t, following in zip(reversed(history.order), [0, *reversed(history.order)], strict=False):
        after = ledger(history, following) if following else {}
        norms = [f"{norm(after[name]):.2e}" if after else "–" for name in names]
        norms[0] = norms[0] if after else f"{history.norm[t]:.2e}"
        word = str(labels[t - 1]) if labels is not None and t else ""
        if keeping:
            gates = history.recurrence.called(keeping, t)
            mean = f"{f'{gates[0].numpy().mean():.3f}' if gates else '':>8}"
        norms += [f"{weights[t - 1]:.2e}" if t else ""] if weights is not None else []
        lines.append(f"{t:>4}  {word:<10.10}{mean}{history.norm[t]:>10.2e}" + "".join(f"{n:>10}" for n in norms))
    return "\n".join(lines)

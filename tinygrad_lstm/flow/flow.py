"""How the gradient of a state travels back through time: one object, made by `trace(loss).flow("C")`, to ask it all.

What it answers stands in files of their own: ledger, highway, jacobian, lags, paths, findings, table, plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from html import escape
from math import nan
from typing import Any, Generic, TypeVar

import numpy as np

from ..spoken import said
from ..tensor import Array, Tensor
from .edge import Traced
from .findings import Diagnosis, broken, findings
from .highway import Highway
from .jacobian import StepJacobians
from .lags import by_lag, by_step
from .ledger import ledger
from .paths import by_highway, count_paths
from .plot import plot
from .states import StateHistory
from .table import table

Of = TypeVar("Of", bound=Traced)  # a Trace, which this file does not know


class Flow(StateHistory, Generic[Of]):
    """The gradient of one state of one layer, over all its time steps. Made by `trace(loss).flow("C")`.

    Time runs from 0, the initial state, to T; where the layer reads backwards, the state before step t is that of
    t + 1, and the initial one stands before step T. Norms are Euclidean, over batch and hidden units together.

    Args:
        trace: the backward pass that is looked at.
        name: "C", or "h".
        layer: where there are several recurrences, the number of the layer (from 1) or a part of its scope path.

    Raises LookupError where there is no such state, or more than one.
    """

    trace: Of

    @cached_property
    def _highway(self) -> Highway:
        return Highway(self)

    def ledger(self, t: int) -> dict[str, Array]:
        """The terms, by path, whose sum is dL/dC_{t−1}, of the state before step t (1 to T). Each has its shape.

        "highway" (of a cell without gates: "recurrence"): from C_t with all gates held fixed; "readout": from what was
        read at t − 1 (the loss, the next layer); "f", "i", "C̃", "o": through that gate of step t, back by h_{t−1} (and
        by C_{t−1}, with peepholes).
        """
        return ledger(self, t)

    @property
    def highway(self) -> Array:
        """(T+1,): norms of the pure highway path alone: dL/dC_T carried back to C_0 with all gates held fixed."""
        return self._highway.norms

    @property
    def half_life(self) -> float:
        """Steps after which the pure highway has halved a gradient, on average; infinite where it keeps it.

        NaN where no gradient sets out: then there is nothing to halve.
        """
        return self._highway.half_life

    def written(self) -> Array:
        """(T, batch, hidden): what each step wrote, i_t ∘ C̃_t, as far as it is left in C_T after all forget gates.

        Together with `carried()` the parts sum to C_T. Raises LookupError for a state that is not written by i ∘ C̃.
        """
        return self._highway.written()

    def weights(self) -> Array:
        """(T,): what each step wrote, as it is left in C_T, times dL/dC_T: to first order its part in L.

        Below 0 it lowers L. Raises LookupError as `written` does.
        """
        return self._highway.weights()

    def carried(self) -> Array:
        """(batch, hidden): what is left in C_T of the initial state."""
        return self._highway.carried()

    def jacobians(self, *, joint: bool = False) -> StepJacobians:
        """∂s_t/∂s_{t−1} at every step, of this state alone or, with `joint`, of all the cell carries."""
        names = [str(x.name) for x in self.states_at(self.end)] if joint else [self.name]
        return StepJacobians(self, tuple(sorted(names)))

    def weight_gradient(self, weight: Tensor, by: str = "step") -> Array:
        """(T, *weight.shape): dL/dW split by the step that used W ([t − 1]), or by="lag" by how many steps later what
        came of it was read ([k]). Either sums to dL/dW, as far as W is used in this recurrence.

        Raises LookupError where it is not, ValueError for another `by`.
        """
        if by not in ("step", "lag"):
            raise ValueError(f"weight_gradient: by must be 'step' or 'lag', not {by!r}.")
        return by_step(self, weight) if by == "step" else by_lag(self, weight)

    @cached_property
    def _by_highway(self) -> list[Array]:
        return by_highway(self)

    def by_highway(self, t: int) -> Array:
        """(n + 1, batch, hidden), n = T − t: [k] is the part of dL/dC_t that used the highway exactly k times.

        They sum to dL/dC_t; [n] is the pure highway path alone. See `paths.by_highway` for the recursion.
        """
        return self._by_highway[t]

    def highway_shares(self, t: int) -> Array:
        """(n + 1,): each part of `by_highway(t)`, projected on the whole: they sum to 1; some may be below 0."""
        parts = self.by_highway(t)
        total = parts.sum(axis=0)
        square = float((total * total).sum())
        return np.asarray((parts * total).sum(axis=(1, 2)) / square) if square else np.full(len(parts), nan)

    def path_count(self, t: int) -> int:
        """The number of ways, op by op, from the loss back to C_t. See `paths.count_paths`."""
        return count_paths(self.trace, self.made(t))

    def diagnose(self, memory: int | None = None) -> Diagnosis:
        """What ails this recurrence, in sentences; empty where nothing does. Print it. See `findings`."""
        return Diagnosis(broken(self.trace, self.name, self.place) or findings(self, memory))

    def plot(self) -> Any:
        """A matplotlib figure: |dL/dC_t| and the pure highway, and below them the terms of the ledger."""
        return plot(self, self._highway)

    def table(self, labels: Sequence[Any] | None = None) -> str:
        """The ledger as text, newest first: for each t the word, the norm of dL/dC_t, and of its terms.

        Where the cell has a gate that keeps (f, or a GRU's z), its mean at t comes after the word; where it has been
        written as i ∘ C̃, its `weights()` come last.

        Args:
            labels: T words or characters, what was read at each step.
        """
        return table(self, self._highway, labels)

    def _repr_html_(self) -> str:
        try:
            shown = self.table()
        except RuntimeError as exc:  # the history was freed
            shown = str(exc)
        return f"<b>{escape(repr(self))}</b><pre>{escape(shown)}</pre>"

    def __repr__(self) -> str:
        try:
            life = said(", half-life {life:.3g} steps", life=self.half_life)
        except RuntimeError:
            life = said(", its history freed")
        return said("Flow(of {name} in {place}, T={T}{life})", name=self.name, place=self.place, T=self.T, life=life)

"""One state of one recurrence, at every step, in one backward pass: what all other files of this room ask."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..numerics import norm
from ..tensor import Array, Tensor
from .edge import Edge, Traced
from .recurrence import STATES, Recurrence


class StateHistory:
    """The tensors that a state was, from t = 0, the initial one, to T, with the gradients that reached them.

    Where the layer reads backwards, the state before step t is that of t + 1, and the initial one stands before step T.

    Args:
        trace: the backward pass that is looked at.
        name: "C", or "h".
        layer: where there are several recurrences, the number of the layer (from 1) or a part of its scope path.

    Raises LookupError where there is no such state, or more than one.
    """

    def __init__(self, trace: Traced, name: str, layer: str | int | None = None) -> None:
        self.trace, self.name = trace, name
        self.recurrence = _chosen(trace, name, layer)
        self.place = self.recurrence.path
        starts = [x for x in self.recurrence.initial(name, trace.tensors) if x.scope == self.place]
        if len(starts) > 1:
            raise LookupError(
                f"flow: this backward passes through {self.place} {len(starts)} times, so the number of a step names "
                "several. Trace the loss of one pass; if the state was carried over from an earlier one, detach it."
            )
        self.T, self.order, self.end = self.recurrence.T, self.recurrence.order, self.recurrence.end

    @cached_property
    def states(self) -> list[Tensor | None]:
        """The state as the cell made it, from the initial one to the last; None where no gradient has reached it."""
        initial = self.recurrence.initial(self.name, self.trace.tensors)
        made = [self.recurrence.called(self.name, t) for t in range(1, self.T + 1)]
        return [xs[0] if xs else None for xs in (initial, *made)]

    def made(self, t: int) -> Tensor:
        """The state as step t made it. Raises LookupError where no gradient has reached it."""
        made = self.states[t]
        if made is None:
            raise LookupError(f"flow: no gradient was computed for {self.name} at step {t}.")
        return made

    def state(self, t: int, name: str | None = None) -> Tensor:
        """The state (this one, or another by name) that step t hands on; the initial one for 0.

        Where rows are padded it is another tensor than the one that the cell made. Raises LookupError where no gradient
        has reached it.
        """
        name = name or self.name
        if tensors := self.recurrence.called(name, t) if t else self.recurrence.initial(name, self.trace.tensors)[:1]:
            return tensors[-1]
        raise LookupError(f"flow: no gradient has reached {name} at step {t}.")

    def states_at(self, t: int) -> list[Tensor]:
        """All states that step t hands on, this one first."""
        others = [name for name in STATES if name != self.name and self.recurrence.called(name, self.end)]
        return [self.state(t, name) for name in (self.name, *others)]

    @property
    def gates(self) -> list[str]:
        """The names of the cell's gates and candidate, in the order in which they were made."""
        return self.recurrence.gates

    @property
    def direct(self) -> str:
        """What the way from state to state is called: only where gates hold it open is it a highway."""
        return "highway" if self.gates else "recurrence"

    def at(self, x: Tensor) -> int | None:
        """The step of this recurrence in which x was made."""
        return self.recurrence.at(x)

    def named(self, t: int) -> list[Tensor]:
        """The tensors of step t that have a name, as they were made."""
        return self.recurrence.named(t)

    def users(self, x: Tensor) -> list[Edge]:
        """The edges along which a gradient comes into x."""
        return self.trace.users(x)

    def read(self, t: int) -> list[tuple[Tensor, Array]]:
        """What comes into the recurrence at step t from outside, from the loss or the next layer: (tensor, share)."""
        made = self.recurrence.steps[t] if t else self.states_at(0)
        edges = [edge for x in made for edge in self.users(x) if self.at(edge.out) is None]
        root = [(x, self.trace.grad(x)) for x in made if x is self.trace.root]
        return [(x, share) for x, share in [*((edge.x, edge.share) for edge in edges), *root] if share is not None]

    def valid(self, t: int) -> Array:
        """(batch, 1) bools: the rows that are not yet over at step t, so that the cell's state is carried on."""
        padded = [x for x in self.named(t) if x.scope.endswith("/padding") and x.name in STATES]
        return self.trace.inputs(padded[0])[0].x.numpy().astype(bool) if padded else np.ones((1, 1), bool)

    @cached_property
    def norm(self) -> Array:
        """(T+1,): the norms of dL/dC_0 … dL/dC_T; NaN where the gradient was never computed."""
        grads = [None if x is None else self.trace.grad(x) for x in self.states]
        return np.array([np.nan if g is None else norm(g) for g in grads])


def _chosen(trace: Traced, name: str, layer: str | int | None) -> Recurrence:
    """The only recurrence that has this state and fits `layer`."""
    with_it = [r for r in trace.recurrences.values() if any(x.name == name for xs in r.steps.values() for x in xs)]
    part = f"layer {layer}" if isinstance(layer, int) else layer or ""
    exact = [r for r in with_it if r.path == layer]
    fitting = exact or [r for r in with_it if not part or f"/{part}/" in f"/{r.path}/"]
    if len(fitting) != 1:
        paths = ", ".join(r.path for r in with_it)
        fused = any(x.op is not None and x.op.name.endswith("_sequence") for x in trace.tensors)
        have = f"There are: {paths}. Choose one by layer=." if with_it else "Is there a recurrent layer?"
        have = "A layer ran fused: set layer.fused = False and run it again." if fused and not with_it else have
        raise LookupError(f"flow: {len(fitting)} recurrences with a state {name!r} (layer={layer!r}). {have}")
    return fitting[0]

"""How the gradient of a state travels back through time, and by which paths: the exact ledger of dL/dC.

Everything here is measured on the recorded graph itself, so it holds for any cell whose tensors have names: the gates
are the named tensors of a step that are no state, and a term "through f" is what the gradient at f sends on to the
state before, with all other gates held fixed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from html import escape
from math import inf, log, nan
from typing import Any

import numpy as np

from ..engine import vjp
from ..tensor import Array, Tensor
from .jacobian import StepJacobians
from .lags import by_lag, by_step
from .paths import by_highway, count_paths
from .trace import Edge, Trace, norm

STATES = ("C", "h")
_STEP = re.compile(r"(?:^|(?P<place>.*)/)t=(?P<t>\d+)(?:/|$)")


def step_of(scope: str) -> tuple[str, int] | None:
    """("lstm/layer 2", 7) for the scope "lstm/layer 2/t=7/forget gate"; None outside all time steps."""
    found = _STEP.match(scope)
    return (found["place"] or "", int(found["t"])) if found else None


class Flow:
    """The gradient of one state of one layer, over all its time steps. Made by `trace(loss).flow("C")`.

    Time runs from 0, the initial state, to T; where the layer reads backwards, the state before step t is that of
    t + 1, and the initial one stands before step T. Norms are Euclidean, over batch and hidden units together.

    Args:
        trace: the backward pass that is looked at.
        name: "C", or "h".
        layer: where there are several recurrences, the number of the layer (from 1) or a part of its scope path.

    Raises LookupError where there is no such state, or more than one.
    """

    def __init__(self, trace: Trace, name: str, layer: str | int | None = None) -> None:
        steps: dict[str, dict[int, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        for tensor in trace.tensors:
            if place := step_of(tensor.scope):
                steps[place[0]][place[1]].append(tensor)
        places = [p for p, made in steps.items() if any(x.name == name for xs in made.values() for x in xs)]
        part = f"layer {layer}" if isinstance(layer, int) else layer or ""
        exact = [p for p in places if p == layer]
        fitting = exact or [p for p in places if not part or f"/{part}/" in f"/{p}/"]
        if len(fitting) != 1:
            have = f"There are: {', '.join(places)}. Choose one by layer=." if places else "Is there a recurrent layer?"
            raise LookupError(f"flow: {len(fitting)} recurrences with a state {name!r} (layer={layer!r}). {have}")
        self.trace, self.name, self.place = trace, name, fitting[0]
        starts = [x for x in trace.tensors if x.name == f"{name}₀" and x.scope == self.place]
        if len(starts) > 1:
            raise LookupError(
                f"flow: this backward passes through {self.place} {len(starts)} times, so the number of a step names "
                "several. Trace the loss of one pass; if the state was carried over from an earlier one, detach it."
            )
        self._steps = steps[self.place]
        self.T = max(self._steps)
        ran = sorted(self._steps, key=lambda t: self._steps[t][0].birth)
        self.order = [0, *ran]  # as the cell ran: 0, 1 … T, or 0, T … 1
        self._prior = dict(zip(ran, self.order, strict=False))
        self._users: dict[int, list[Edge]] = defaultdict(list)
        for edge in trace.edges:
            if edge.sent is not None:
                self._users[edge.x.birth].append(edge)

    @cached_property
    def states(self) -> list[Tensor | None]:
        """The state as the cell made it, from the initial one to the last; None where no gradient has reached it."""
        named = [x for x in self.trace.tensors if x.name == f"{self.name}₀"]
        initial = [x for x in named if x.scope == self.place or self.at(x)]
        made = [next((x for x in self._steps[t] if x.name == self.name), None) for t in range(1, self.T + 1)]
        return [initial[0] if initial else None, *made]

    def at(self, x: Tensor) -> int | None:
        """The step of this recurrence in which x was made."""
        place = step_of(x.scope)
        return place[1] if place and place[0] == self.place else None

    @cached_property
    def gates(self) -> list[str]:
        """The names of the cell's gates and candidate, in the order in which they were made."""
        names = [x.name for x in self._steps[self.T] if x.name and x.name not in STATES and "₀" not in x.name]
        return list(dict.fromkeys(names))

    @cached_property
    def norm(self) -> Array:
        """(T+1,): the norms of dL/dC_0 … dL/dC_T; NaN where the gradient was never computed."""
        grads = [None if x is None else self.trace.grad(x) for x in self.states]
        return np.array([np.nan if g is None else norm(g) for g in grads])

    def ledger(self, t: int) -> dict[str, Array]:
        """The terms, by path, whose sum is dL/dC_{t−1}, of the state before step t (1 to T). Each has its shape.

        "highway": from C_t with all gates held fixed; "readout": from what was read at t − 1 (the loss, the next
        layer); "f", "i", "C̃", "o": through that gate of step t, back by h_{t−1} (and by C_{t−1}, with peepholes).
        """
        target = self._before(t)
        terms = {"highway": self._through(t, [x for x in self._steps[t] if x.name in STATES], target)}
        terms["readout"] = self._readout(t, target)
        for gate in self.gates:
            terms[gate] = self._through(t, [x for x in self._steps[t] if x.name == gate], target)
        return terms

    def _before(self, t: int) -> Tensor:
        if not 1 <= t <= self.T:
            raise IndexError(f"flow: step {t} does not exist; t runs from 1 to {self.T}.")
        return self.made(self._prior[t])

    def made(self, t: int) -> Tensor:
        made = self.states[t]
        if made is None:
            raise LookupError(f"flow: no gradient was computed for {self.name} at step {t}.")
        return made

    def _through(self, t: int, sources: list[Tensor], target: Tensor) -> Array:
        """What the gradients at the sources send to the target, passing none of the other named tensors of step t."""
        named = [x for x in self._steps[t] if x.name]
        total = np.zeros(target.shape, target.dtype)
        for source in sources:
            gradient = self.trace.grad(source)
            stop = [x for x in named if x is not source]
            (sent,) = [None] if gradient is None else vjp(source, [target], gradient, stop=stop)
            total = total if sent is None else total + sent
        return total

    def _readout(self, t: int, target: Tensor) -> Array:
        """What comes from users outside of the recurrence: of C_{t−1} itself, and of what step t−1 made of it."""
        total = np.zeros(target.shape, target.dtype)
        prior = self._prior[t]
        made = [target, *(x for x in self._steps.get(prior, []) if x.birth > target.birth)]
        for x in made:
            for edge in self._users[x.birth]:
                if self.at(edge.out) not in (prior, t):
                    (sent,) = vjp(x, [target], edge.share)
                    total = total if sent is None else total + sent
        return total

    def _along_highway(self, seed: Array) -> list[Array]:
        """A gradient at C_T carried back to C_0 by the highway alone: its values at C_0 … C_T."""
        values = {self.order[-1]: seed}
        for t in reversed(self.order[1:]):
            made, before = self.states[t], self.state(self._prior[t])
            assert made is not None
            gates = [x for x in self._steps[t] if x.name in self.gates]
            (sent,) = vjp(made, [before], values[t], stop=gates)
            sent = np.zeros(before.shape, before.dtype) if sent is None else sent
            values[self._prior[t]] = np.where(self._valid(t), sent, values[t])
        return [values[t] for t in range(self.T + 1)]

    def state(self, t: int, name: str | None = None) -> Tensor:
        """The state (this one, or another by name) that step t hands on; the initial one for 0.

        Where rows are padded it is another tensor than the one that the cell made. Raises LookupError where no gradient
        has reached it.
        """
        name = name or self.name
        if t == 0:
            found = [x for x in self.trace.tensors if x.name == f"{name}₀" and (x.scope == self.place or self.at(x))]
        else:
            found = [x for x in self._steps[t] if x.name == name]
        if not found:
            raise LookupError(f"flow: no gradient has reached {name} at step {t}.")
        return found[-1 if t else 0]

    def states_at(self, t: int) -> list[Tensor]:
        """All states that step t hands on, this one first."""
        others = [name for name in STATES if name != self.name and any(x.name == name for x in self._steps[self.end])]
        return [self.state(t, name) for name in (self.name, *others)]

    def named(self, t: int) -> list[Tensor]:
        """The tensors of step t that have a name, as they were made."""
        return [x for x in self._steps[t] if x.name]

    def users(self, x: Tensor) -> list[Edge]:
        """The edges along which a gradient comes into x."""
        return self._users[x.birth]

    def read(self, t: int) -> list[tuple[Tensor, Array]]:
        """What comes into the recurrence at step t from outside, from the loss or the next layer: (tensor, share)."""
        made = self._steps[t] if t else self.states_at(0)
        edges = [edge for x in made for edge in self.users(x) if self.at(edge.out) is None]
        read = [(edge.x, edge.share) for edge in edges]
        root = [(x, self.trace.grad(x)) for x in made if x is self.trace.root]
        return [(x, share) for x, share in read + root if share is not None]

    @property
    def end(self) -> int:
        """The step at which the cell ended: T, or 1 where it reads backwards."""
        return self.order[-1]

    def _valid(self, t: int) -> Array:
        """(batch, 1) bools: the rows that are not yet over at step t, so that the cell's state is carried on."""
        padded = [x for x in self._steps[t] if x.scope.endswith("/padding") and x.name in STATES]
        return self.trace.inputs(padded[0])[0].x.numpy().astype(bool) if padded else np.ones((1, 1), bool)

    @cached_property
    def highway(self) -> Array:
        """(T+1,): norms of the pure highway path alone: dL/dC_T carried back to C_0 with all gates held fixed."""
        seed = self.trace.grad(self.state(self.end))
        values = [np.full(1, np.nan)] * (self.T + 1) if seed is None else self._along_highway(seed)
        return np.array([norm(value) for value in values])

    @cached_property
    def half_life(self) -> float:
        """Steps after which the pure highway has halved a gradient, on average; infinite where it keeps it.

        NaN where no gradient sets out: then there is nothing to halve.
        """
        start, end = self.highway[0], self.highway[self.end]
        if not end > 0:
            return nan
        return log(0.5) * self.T / log(start / end) if 0 < start < end else inf if start else 0.0

    @property
    def _is_written(self) -> bool:
        return self.name == "C" and {"i", "C̃"} <= set(self.gates)

    def written(self) -> Array:
        """(T, batch, hidden): what each step wrote, i_t ∘ C̃_t, as far as it is left in C_T after all forget gates.

        Together with `carried()` the parts sum to C_T. Raises LookupError for a state that is not written by i ∘ C̃.
        """
        if not self._is_written:
            raise LookupError(f"written: {self.name!r} is not written as i ∘ C̃; ask an LSTM for the flow of 'C'.")
        parts = []
        for t in range(1, self.T + 1):
            named = {x.name: x.numpy() for x in reversed(self._steps[t])}  # the first of each name: what the cell made
            parts.append(self._kept[t] * self._valid(t) * (named["i"] * named["C̃"]))
        return np.array(parts)

    def weights(self) -> Array:
        """(T,): what each step wrote, as it is left in C_T, times dL/dC_T: to first order its part in L.

        Below 0 it lowers L. Raises LookupError as `written` does.
        """
        end = self.trace.grad(self.state(self.end))
        return np.zeros(self.T) if end is None else np.asarray((self.written() * end).sum(axis=(1, 2)))

    def carried(self) -> Array:
        """(batch, hidden): what is left in C_T of the initial state."""
        start = self.state(0)
        return np.asarray(self._kept[0] * start.numpy())

    @cached_property
    def _kept(self) -> list[Array]:
        """For each t from 0 to T, the product of all forget gates after it: ∂C_T/∂C_t with the gates held fixed."""
        last = self.state(self.end)
        return self._along_highway(np.ones(last.shape, last.dtype))

    # — what else can be asked ———————————————————————————————————————————————————————————————————————————

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

    def diagnose(self, memory: int | None = None) -> list[str]:
        """What ails this recurrence, in sentences; empty where nothing does. See `diagnose.of_flow`."""
        from .diagnose import of_flow

        return of_flow(self, memory)

    def plot(self) -> Any:
        """A matplotlib figure: |dL/dC_t| and the pure highway, and below them the terms of the ledger."""
        from .plot import plot

        return plot(self)

    def _repr_html_(self) -> str:
        return f"<b>{escape(repr(self))}</b><pre>{escape(self.table())}</pre>"

    def table(self, labels: Any = None) -> str:
        """The ledger as text, newest first: for each t the word, the norm of dL/dC_t, and of its terms.

        Where the cell has a gate that keeps (f, or a GRU's z), its mean at t comes after the word; where it has been
        written as i ∘ C̃, its `weights()` come last.

        Args:
            labels: T words or characters, what was read at each step.
        """
        names = ["readout", "highway", *self.gates]
        keeping = next((gate for gate in ("f", "z") if gate in self.gates), None)
        kept = f"{'mean ' + keeping:>8}" if keeping else ""
        weights = self.weights() if self._is_written else None
        heads = [f"|∂L/∂{self.name}|", *names, *(["written"] if self._is_written else [])]
        lines = [f"{'t':>4}  {'read':<10}{kept}" + "".join(f"{head:>10}" for head in heads)]
        for t, following in zip(reversed(self.order), [0, *reversed(self.order)], strict=False):
            after = self.ledger(following) if following else {}
            norms = [f"{norm(after[name]):.2e}" if after else "–" for name in names]
            norms[0] = norms[0] if after else f"{self.norm[t]:.2e}"
            word = str(labels[t - 1]) if labels is not None and t else ""
            if keeping:
                gate = next((x.numpy().mean() for x in self._steps[t] if x.name == keeping), None) if t else None
                kept = f"{'' if gate is None else f'{gate:.3f}':>8}"
            norms += [f"{weights[t - 1]:.2e}" if t else ""] if weights is not None else []
            lines.append(f"{t:>4}  {word:<10.10}{kept}{self.norm[t]:>10.2e}" + "".join(f"{n:>10}" for n in norms))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Flow(of {self.name} in {self.place}, T={self.T}, half-life {self.half_life:.3g} steps)"

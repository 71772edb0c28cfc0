"""From tensors, or a trace of them, to a plain graph: what was made from what, where, and with which gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import pairwise

from .. import numerics
from ..compile import Source, source_of
from ..engine import vjp
from ..flow.edge import Edge
from ..flow.recurrence import Place, place_of
from ..flow.trace import Trace
from ..tensor import Array, Tensor, values

__all__ = [
    "MOVES", "Edge", "Graph", "Source", "amount", "leaf_behind", "moved_from", "norm", "parameter_behind", "place_of",
    "source_of",
]  # fmt: skip

MOVES = {"take", "reshape", "transpose", "swapaxes", "broadcast_to", "cast"}  # ops that compute nothing


def norm(array: Array | None) -> float | None:
    """The length of an array as one vector; None stays None."""
    return None if array is None else numerics.norm(array)


def amount(array: Array | None) -> float | None:
    """A single number with its sign, the norm of more; None stays None."""
    return float(array.item()) if array is not None and array.size == 1 else norm(array)


class Graph:
    """Tensors and the edges between them, as they lead to the roots.

    Attributes: `tensors`, oldest first; `edges`, one for each input (`a + a` has two).

    Gradients and the edges' shares come from the trace. Without one, gradients are what `.grad` holds, and shares are
    unknown: None, which is not the same as 0.
    """

    def __init__(self, roots: Iterable[Tensor], trace: Trace | None = None) -> None:
        self.roots, self.trace = tuple(roots), trace
        found = {root.birth: root for root in self.roots}
        waiting = list(found.values())
        self._inputs: dict[int, tuple[Tensor, ...]] = {}
        while waiting:
            out = waiting.pop()
            inputs = out.inputs
            if trace is not None and out.op is not None and not inputs:  # freed since, but the trace still has them
                inputs = tuple(edge.x for edge in trace.inputs(out))
            self._inputs[out.birth] = inputs
            for x in inputs:
                if x.birth not in found:
                    found[x.birth] = x
                    waiting.append(x)
        self.tensors = [found[birth] for birth in sorted(found)]

    @classmethod
    def of(cls, *tensors_or_trace: Tensor | Trace) -> Graph:
        """The graph that leads to the given tensors, or to the root of a trace, with its gradients.

        Raises TypeError for anything else, and for more than one trace.
        """
        traces = [item for item in tensors_or_trace if isinstance(item, Trace)]
        tensors = [item for item in tensors_or_trace if isinstance(item, Tensor)]
        if not tensors_or_trace or len(traces) > 1 or len(traces) + len(tensors) < len(tensors_or_trace):
            kinds = ", ".join(type(item).__name__ for item in tensors_or_trace) or "nothing"
            raise TypeError(f"Graph.of takes tensors, or one trace, not {kinds}.")
        return cls([*(trace.root for trace in traces), *tensors], traces[0] if traces else None)

    def inputs(self, out: Tensor) -> tuple[Tensor, ...]:
        """What a tensor of this graph was made from."""
        return self._inputs[out.birth]

    @cached_property
    def edges(self) -> list[Edge]:
        return [Edge(x, out, k) for out in self.tensors for k, x in enumerate(self.inputs(out))]

    @cached_property
    def _users(self) -> dict[int, list[Edge]]:
        users: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            users[edge.x.birth].append(edge)
        return users

    def users(self, x: Tensor) -> list[Edge]:
        """The edges that lead out of a tensor."""
        return self._users.get(x.birth, [])

    def path(self, name: str, layer: int | None = None) -> list[Tensor]:
        """The tensors of that name in order of time; where there are several layers, one layer after the other.

        With `layer` (1 is the first) only what was made in the scope "layer …".
        """
        named = [tensor for tensor in self.tensors if tensor.name == name]
        if layer is not None:
            named = [tensor for tensor in named if f"layer {layer}" in tensor.scope.split("/")]
        paths: dict[str, int] = {}
        keys = {}
        for tensor in named:
            place = place_of(tensor.scope) or Place(tensor.scope, 0, "")
            keys[tensor.birth] = (paths.setdefault(place.path, len(paths)), place.t, tensor.birth)
        return sorted(named, key=lambda tensor: keys[tensor.birth])

    def grad(self, x: Tensor) -> Array | None:
        """dL/dx; None where it was never computed, which is not the same as 0."""
        return x.grad if self.trace is None else self.trace.grad(x)

    def share(self, edges: Iterable[Edge]) -> float | None:
        """The norm of what flows back along some edges: shares of the same tensor are added first."""
        if self.trace is None:
            return None
        sums: dict[int, Array] = {}
        for edge in edges:
            share = self.trace.edge(edge.out, edge.k).share
            if share is not None:
                sums[edge.x.birth] = sums[edge.x.birth] + share if edge.x.birth in sums else share
        norms = [norm(total) or 0.0 for total in sums.values()]
        return norms[0] if len(norms) == 1 else sum(n * n for n in norms) ** 0.5 if norms else None

    @cached_property
    def gradients(self) -> set[int]:
        """Births of what is itself part of a gradient: made in a scope "gradient", or after the last time step, reading
        the steps from the last to the first, as only a backward pass does.
        """
        said = {x.birth for x in self.tensors if "gradient" in x.scope.split("/")}
        placed = {x.birth: place.t for x in self.tensors if (place := place_of(x.scope))}
        if said or not placed:
            return said
        after = [x for x in self.tensors if x.birth > max(placed)]
        seeds = [x.birth for x in after if x.op is None and not x.requires_grad and bool((x.numpy() == 1).all())]
        for seed in seeds:
            mine = [x for x in after if x.birth >= seed]
            times = [[placed[y.birth] for y in self.inputs(x) if y.birth in placed] for x in mine]
            read = [max(found) for found in times if found]
            falls = all(b <= a + 1 for a, b in pairwise(read))  # a rule may read the step before, too
            if len(set(read)) > 1 and falls and read[0] > read[-1]:
                return {x.birth for x in mine}
        return set()

    def through(self, out: Tensor, xs: Collection[Tensor]) -> dict[int, float]:
        """The norms of what `out` sends back to each x, along all ways between them on which there is no other x."""
        gradient = self.grad(out)
        if self.trace is None or gradient is None:
            return {}
        xs = [x for x in xs if x.requires_grad]
        try:
            found = vjp(out, xs, gradient, stop=xs)
        except RuntimeError:  # the history was freed since
            return {}
        return {x.birth: norm(values(dx)) or 0.0 for x, dx in zip(xs, found, strict=True) if dx is not None}

    def __repr__(self) -> str:
        return f"Graph({len(self.tensors)} tensors, {len(self.edges)} edges)"


def moved_from(graph: Graph, tensor: Tensor) -> Tensor:
    """What a tensor is (a part of): that which was computed, or is a leaf."""
    while tensor.op is not None and tensor.op.name in MOVES:
        tensor = graph.inputs(tensor)[0]
    return tensor


def leaf_behind(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The leaf behind a tensor that is nothing else than (a part of) it."""
    tensor = moved_from(graph, tensor)
    return tensor if tensor.op is None else None


def parameter_behind(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The same, where the leaf needs a gradient."""
    leaf = leaf_behind(graph, tensor)
    return leaf if leaf is not None and leaf.requires_grad else None

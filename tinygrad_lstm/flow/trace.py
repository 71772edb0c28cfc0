"""One backward pass, looked at: every tensor's gradient, and what flows along every edge."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from ..engine import seed_of, spread, travel
from ..numerics import norm
from ..op import Piece
from ..tensor import Array, Tensor
from .edge import Edge
from .recurrence import Recurrence, recurrences

if TYPE_CHECKING:
    from .flow import Flow


class Trace:
    """The gradients of one backward pass from y, and the share that flows along each edge; no `.grad` is touched.

    Args:
        y: where to start, usually the loss.
        seed: dL/dy where y is no single number.

    A trace keeps the history, all gradients and all shares for as long as it lives. For one step of an LSTM in float32
    it adds to the 180 kB of the forward pass 332 kB, where batch 32 and hidden 64 (131 kB of them are that step's
    shares of the weights), and 46 kB to 11 kB, where batch 1 and hidden 32. In time it costs 1.1 of a plain backward.
    The arrays that it hands out are read-only. A later `backward()` frees the history: what was computed remains
    (`grad`, `share`, drawings), but what goes back anew (most of a `Flow`, such as its table) raises RuntimeError. Ask
    before, or use `backward(keep_graph=True)`.
    Raises RuntimeError or ValueError as `Tensor.backward` does.
    """

    def __init__(self, y: Tensor, seed: Any = None) -> None:
        self.root = y
        self._grads: dict[int, Array] = {}
        self._visited: list[tuple[Tensor, tuple[Tensor, ...], list[Any]]] = []
        for tensor, gradient, shares in travel(y, seed_of(y, seed)):
            self._grads[tensor.birth] = _closed(spread(gradient))
            arrived = iter(shares)
            expected = next(arrived, None)
            row: list[Any] = []
            for x in tensor.inputs:  # shares come in the order of the inputs, without those that need none
                if expected is not None and x is expected[0]:
                    row.append(_closed(expected[1]))
                    expected = next(arrived, None)
                else:
                    row.append(None)
            self._visited.append((tensor, tensor.inputs, row))
        self._visited.reverse()
        self._place = {tensor.birth: k for k, (tensor, _, _) in enumerate(self._visited)}

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that a gradient has reached, oldest first."""
        return [tensor for tensor, _, _ in self._visited]

    def inputs(self, out: Tensor) -> list[Edge]:
        """The edges that lead into `out`, one for each of its inputs (`a + a` has two)."""
        xs, row = self._row(out)
        return [Edge(x, out, k, share) for k, (x, share) in enumerate(zip(xs, row, strict=True))]

    def edge(self, out: Tensor, k: int) -> Edge:
        """The edge that leads into `out` from its input k."""
        xs, row = self._row(out)
        return Edge(xs[k], out, k, row[k])

    def _row(self, out: Tensor) -> tuple[tuple[Tensor, ...], list[Any]]:
        """The inputs of `out`, and what flows into each."""
        _, xs, row = self._visited[self._place[out.birth]] if out.birth in self._place else (out, out.inputs, [])
        return xs, row or [None] * len(xs)

    @property
    def edges(self) -> list[Edge]:
        """All edges between the tensors that a gradient has reached, and from their inputs that need none."""
        return [edge for out, _, _ in self._visited for edge in self.inputs(out)]

    @cached_property
    def recurrences(self) -> dict[str, Recurrence]:
        """All that runs in time steps, by scope path."""
        return recurrences(self.tensors)

    @cached_property
    def _users(self) -> dict[int, list[Edge]]:
        users: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            if edge.sent is not None:
                users[edge.x.birth].append(edge)
        return users

    def users(self, x: Tensor) -> list[Edge]:
        """The edges along which a gradient comes into x."""
        return self._users.get(x.birth, [])

    def grad(self, x: Tensor) -> Array | None:
        """dL/dx, of x's shape; None where it was never computed, which is not the same as 0."""
        return self._grads.get(x.birth)

    def share(self, x: Tensor, out: Tensor) -> Array:
        """What flows into x along the edge (or edges) from `out`, of x's shape.

        Raises LookupError where `out` was not made from x, or no gradient flows there.
        """
        shares = [share for edge in self.inputs(out) if edge.x is x and (share := edge.share) is not None]
        if not shares:
            raise LookupError(f"share: no gradient flows from {out.describe()} into {x.describe()} along an edge.")
        return sum(shares[1:], shares[0])

    def flow(self, name: str, layer: str | int | None = None) -> Flow[Trace]:
        """How the gradient of a state (`"C"` or `"h"`) travels back through time. See `Flow`."""
        from .flow import Flow

        return Flow(self, name, layer)

    def _repr_html_(self) -> str:
        """For notebooks: the leaves that a gradient has reached, with its norm."""
        leaves = [(x, self._grads[x.birth]) for x in self.tensors if x.op is None]
        cells = [(escape(x.name or "–"), x.shape, f"{norm(dx):.3g}") for x, dx in leaves]
        rows = "".join(f"<tr><td>{name}</td><td>{shape}</td><td>{norm}</td></tr>" for name, shape, norm in cells)
        return f"{escape(repr(self))}<table><tr><th>leaf</th><th>shape</th><th>|∂L/∂leaf|</th></tr>{rows}</table>"

    def __repr__(self) -> str:
        return f"Trace(of {self.root.describe()}: {len(self._visited)} tensors)"


def _closed(share: Any) -> Any:
    """The same, whose array nobody can write to: other gradients may share it."""
    if type(share) is Piece:
        return Piece(_closed(share.values), share.index, share.shape)
    share.setflags(write=False)
    return share.view()  # its owner could make it writable again


def trace(y: Tensor, seed: Any = None) -> Trace:
    """Run one backward pass from y that touches no `.grad`, and keep all that it computed. See `Trace`."""
    return Trace(y, seed)

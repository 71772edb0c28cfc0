"""One edge of a graph, and what flows back along it; and what is asked of a backward pass that was looked at."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ..engine import spread
from ..numerics import is_basic, norm
from ..op import Piece
from ..tensor import Array, Tensor
from .recurrence import Recurrence


class Edge(NamedTuple):
    """Input number `k` of `out`, and what `out` sends to it, as far as a trace has seen it."""

    x: Tensor
    out: Tensor
    k: int
    sent: Any = None  # an array, a Piece of one (a slice of a long sequence sends little), or None

    @property
    def share(self) -> Array | None:
        """The gradient that flows along this edge, of x's shape; None where none was computed."""
        return None if self.sent is None else spread(self.sent)

    @property
    def norm(self) -> float | None:
        """The Euclidean norm of the share."""
        piece = type(self.sent) is Piece and is_basic(self.sent.index)
        array = self.sent.values if piece else self.share
        return None if array is None else norm(array)


class Traced(Protocol):
    """What the files of this room ask of a `Trace`: see there."""

    root: Tensor

    @property
    def tensors(self) -> list[Tensor]: ...
    @property
    def recurrences(self) -> dict[str, Recurrence]: ...
    def grad(self, x: Tensor) -> Array | None: ...
    def users(self, x: Tensor) -> list[Edge]: ...
    def inputs(self, out: Tensor) -> list[Edge]: ...

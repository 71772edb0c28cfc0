"""The one reader of time: which tensors were made at which step of which recurrence, and which of them are its states.

All is read from names and scope paths, as cells and loops leave them: "lstm/layer 2/t=7/forget gate". `flow`, `graph`
and `training` look here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..tensor import Tensor

STATES = ("C", "h")  # in the order in which one asks for them: C carries the memory where there is one
Tensors = list[Tensor]


class Place(NamedTuple):
    """A scope path, taken apart at its time step: "lstm/t=3/forget gate" is ("lstm", 3, "forget gate")."""

    path: str
    t: int
    room: str


@lru_cache(maxsize=1 << 16)
def place_of(scope: str) -> Place | None:
    """Where in time a scope path stands (its innermost "t=…"); None where it names no step."""
    parts = scope.split("/")
    for k in reversed(range(len(parts))):
        if parts[k].startswith("t=") and parts[k][2:].isdecimal():
            return Place("/".join(parts[:k]), int(parts[k][2:]), "/".join(parts[k + 1 :]))
    return None


def meaning(x: Tensor) -> str:
    """What a named tensor is: the scope within its step says it ("forget gate"), not its letter; "" where none does."""
    usual = {"C": "cell state", "h": "hidden state", "x": "input"}
    place = place_of(x.scope)
    room = place.room.rpartition("/")[2] if place and x.op else ""
    return usual.get(x.name or "", "" if room == "padding" else room)


class Recurrence:
    """What was made along one scope path, step by step.

    Attributes:
        path: the scope path before "t=…": that of the layer and its direction.
        steps: the tensors of each step t, oldest first; the steps in the order in which they ran.
        passes: the same for each time that the recurrence was run, the first run first.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.steps: dict[int, Tensors] = {}
        self.passes: list[dict[int, Tensors]] = [{}]
        self._latest = 0  # the step of the newest tensor
        self._over: set[int] = set()  # the steps of the last pass whose h was made

    def add(self, tensor: Tensor, place: Place) -> None:
        """Enter a tensor, which is newer than all that are here."""
        t = place.t
        begins = t in self._over and not place.room and tensor.op is not None and tensor.op.name == "concat"
        if t in self.passes[-1] and (self._latest != t or begins):  # a step is entered again: with [h ; x], as cells do
            self.passes.append({})
            self._over.clear()
        self._latest = t
        self.passes[-1].setdefault(t, []).append(tensor)
        self.steps.setdefault(t, []).append(tensor)
        if tensor.name == "h":
            self._over.add(t)

    @property
    def T(self) -> int:
        """The last step in time."""
        return max(self.steps)

    @cached_property
    def order(self) -> list[int]:
        """Time as the cell ran: 0, 1 … T, or where it reads backwards 0, T … 1; 0 is the initial state."""
        return [0, *self.steps]

    @property
    def end(self) -> int:
        """The step at which the cell ended: T, or 1 where it reads backwards."""
        return self.order[-1]

    @cached_property
    def _prior(self) -> dict[int, int]:
        return dict(zip(self.steps, self.order, strict=False))

    def prior(self, t: int) -> int:
        """The step that ran before step t: t − 1, or where it reads backwards t + 1; 0 for the first."""
        return self._prior[t]

    def at(self, x: Tensor) -> int | None:
        """The step of this recurrence in which x was made."""
        place = place_of(x.scope)
        return place.t if place and place.path == self.path else None

    def named(self, t: int) -> Tensors:
        """The tensors of step t that have a name, oldest first."""
        return [x for x in self.steps[t] if x.name]

    def called(self, name: str, t: int) -> Tensors:
        """The tensors of that name in step t: first the one that the cell made, last the one that is handed on.

        They differ where rows are padded, since a row that is over keeps its state.
        """
        return [x for x in self.steps.get(t, ()) if x.name == name]

    def initial(self, name: str, tensors: Iterable[Tensor]) -> Tensors:
        """Those of some tensors that are the initial state of that name (h₀, C₀) of this recurrence, oldest first."""
        return [x for x in tensors if x.name == f"{name}₀" and (x.scope == self.path or self.at(x))]

    @cached_property
    def states(self) -> list[str]:
        """The names of the states that it carries, C first."""
        return [name for name in STATES if any(x.name == name for xs in self.steps.values() for x in xs)]

    @cached_property
    def gates(self) -> list[str]:
        """The names of the cell's gates and candidate, in the order in which they were made."""
        steps = [[x.name for x in xs if x.name and x.name not in STATES and "₀" not in x.name]
                 for xs in self.steps.values()]  # fmt: skip
        fullest = max(steps, key=len)  # not the last: where the loss reads C alone, its o leads nowhere
        return list(dict.fromkeys([*fullest, *(name for names in steps for name in names)]))


def recurrences(tensors: Iterable[Tensor]) -> dict[str, Recurrence]:
    """All recurrences by their paths, from tensors that come oldest first."""
    by_path: dict[str, Recurrence] = {}
    for tensor in tensors:
        if place := place_of(tensor.scope):
            if place.path not in by_path:
                by_path[place.path] = Recurrence(place.path)
            by_path[place.path].add(tensor, place)
    return by_path

"""Which tensor plays which role: the steps of each recurrent layer, found by scope, name and op."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..tensor import Tensor
from .capture import Edge, Graph, place_of
from .cells import CELLS, Cell

ENTRIES = ("h-", "x", "C-")  # the roles of what enters a step, in the order of [h ; x]
MOVES = {"take", "reshape", "transpose", "swapaxes", "broadcast_to", "cast"}


class Step:
    """One time step of one layer: `roles` maps births to roles, `tensors` roles to the tensor that plays them."""

    def __init__(self, t: int) -> None:
        self.t = t
        self.made: list[Tensor] = []  # in this step, oldest first
        self.done = False  # whether its h was made
        self.roles: dict[int, str] = {}
        self.tensors: dict[str, Tensor] = {}  # the newest of each role
        self.parameters: dict[str, dict[int, Tensor]] = defaultdict(dict)  # used by each role

    def play(self, role: str, tensor: Tensor) -> None:
        self.roles[tensor.birth] = role
        self.tensors[role] = tensor

    def state(self, name: str) -> Tensor | None:
        """The state that this step hands on."""
        return self.tensors.get(f"{name} pad", self.tensors.get(name))


class Rail:
    """A recurrent layer in one direction: its steps in order of time, its kind of cell, how often it was called."""

    def __init__(self, name: str, steps: list[Step], cell: Cell, calls: int) -> None:
        self.name, self.steps, self.cell, self.calls = name, steps, cell, calls
        self.at = {step.t: step for step in steps}

    @property
    def root(self) -> str:
        """The recurrent module's name, without layer and direction."""
        parts = self.name.split("/")
        while parts and (parts[-1] in ("forward", "backward") or parts[-1].startswith("layer ")):
            parts.pop()
        return "/".join(parts)


def rails_of(graph: Graph) -> list[Rail]:
    """All recurrent layers, oldest first. Of a layer that was called several times, the last call."""
    calls: dict[str, list[dict[int, Step]]] = {}
    entered: dict[str, int] = {}
    for tensor in graph.tensors:
        if place := place_of(tensor.scope):
            steps = calls.setdefault(place.rail, [{}])
            step = steps[-1].get(place.t)
            if step and (entered[place.rail] != place.t or (step.done and _begins(tensor))):  # a step entered again
                steps.append({})
            entered[place.rail] = place.t
            step = steps[-1].setdefault(place.t, Step(place.t))
            step.made.append(tensor)
            step.done = step.done or tensor.name == "h"
    rails = []
    for name, found in calls.items():
        in_time = [step for _, step in sorted(found[-1].items())]
        names = {tensor.name for step in in_time for tensor in step.made}
        if cell := next((cell for cell in CELLS if cell.typical <= names), None):
            for step in in_time:
                _assign(graph, step, cell)
            rails.append(Rail(name, in_time, cell, len(found)))
    return rails


def _begins(tensor: Tensor) -> bool:
    """Whether a tensor is [h ; x], with which each cell begins its step."""
    place = place_of(tensor.scope)
    return tensor.op is not None and tensor.op.name == "concat" and place is not None and not place.room


def _assign(graph: Graph, step: Step, cell: Cell) -> None:
    """Find the roles of a step's tensors, of what enters it from outside, and of its parameters."""
    for tensor in step.made:
        place = place_of(tensor.scope)
        room = place.room if place else ""
        if tensor.name in cell.named:
            step.play(tensor.name + (" pad" if room == "padding" else ""), tensor)
        elif tensor.op is not None and parameter_behind(graph, tensor) is None:
            used = {step.roles.get(x.birth) for x in graph.inputs(tensor)}
            for rule in cell.rules:
                if rule.room == room and rule.op in ("", tensor.op.name) and used.issuperset(rule.uses):
                    step.play(rule.role, tensor)
                    break
            if step.roles.get(tensor.birth) == "[h ; x]":
                for entry, x in zip(ENTRIES, graph.inputs(tensor), strict=False):
                    step.play(entry, x)
    keeper = step.tensors.get("fC", step.tensors.get("C"))
    for x in graph.inputs(keeper) if keeper is not None else ():
        if x.birth not in step.roles:
            step.play("C-", x)
    for tensor in step.made:
        if (role := step.roles.get(tensor.birth)) and role not in ENTRIES:
            for x in graph.inputs(tensor):
                parameter = None if x.birth in step.roles else parameter_behind(graph, x)
                if parameter is not None:
                    step.parameters[role][parameter.birth] = parameter


def parameter_behind(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The leaf that needs a gradient behind a tensor that is nothing else than (a part of) it."""
    while tensor.op is not None and tensor.op.name in MOVES:
        tensor = graph.inputs(tensor)[0]
    return tensor if tensor.op is None and tensor.requires_grad else None


def edges_of(graph: Graph, step: Step) -> Iterator[tuple[str, str, list[Edge]]]:
    """The edges of a step between two roles, each with the edges of the graph that it stands for."""
    folded: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for tensor in step.made:
        if to := step.roles.get(tensor.birth):
            for k, x in enumerate(graph.inputs(tensor)):
                role = step.roles.get(x.birth)
                if role and role != to:
                    folded[role, to].append(Edge(x, tensor, k))
    for (role, to), edges in folded.items():
        yield role, to, edges

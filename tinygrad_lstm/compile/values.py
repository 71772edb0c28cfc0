"""A step as a graph of values, which knows when each is made.

A value is made ONCE where parameters alone lead to it, AHEAD of the loop for all steps at once where x leads to it but
no state does, and otherwise in the LOOP, step by step. The less there is in the loop the better.
"""

from __future__ import annotations

import builtins
from collections import defaultdict
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any
from unicodedata import normalize

import numpy as np

from ..op import registry
from ..tensor import Array, Shape, Tensor
from .tape import Recorded, refusal, source_of

ONCE, AHEAD, LOOP = range(3)
POINTWISE = {
    "add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "abs", "sigmoid", "tanh", "relu", "leaky_relu", "softplus",
    "hard_sigmoid", "maximum", "minimum", "clip", "where", "power", "sin", "cos", "chosen",
}  # fmt: skip
STATES, PARAMETER, NUMBER, X, STOP = "state", "parameter", "number", "x", "stop"


@dataclass(eq=False)
class Node:
    """One value of a step: the op and the inputs that make it, an example of it, its name, and its scope.

    STOP is a value that was detached: the same numbers, and no gradient passes.
    """

    op: str
    inputs: tuple[Node, ...]
    settings: dict[str, Any]
    example: Array
    name: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        self.made, self.stage = bool(self.inputs) and self.op != STOP, _stage(self.op, self.inputs, self.settings)

    @property
    def shape(self) -> Shape:
        return self.example.shape

    @property
    def columns(self) -> tuple[int, int] | None:
        """From where to where, if it is some columns of its input."""
        index = self.settings.get("index")
        return (index[1].start, index[1].stop) if index and self.op == "take" and _is_of_columns(index) else None


def _is_of_columns(index: Any) -> bool:
    return isinstance(index, tuple) and len(index) == 2 and index[0] is Ellipsis and isinstance(index[1], slice)


def _stage(op: str, inputs: tuple[Node, ...], settings: dict[str, Any]) -> int:
    """When a value is made. Only what does not care how many axes stand before its last may be made ahead."""
    if not inputs:
        return {STATES: LOOP, X: AHEAD}.get(op, ONCE)
    latest = max(x.stage for x in inputs)
    if latest != AHEAD:
        return latest
    rows = [x for x in inputs if x.stage == AHEAD]
    plain = op in POINTWISE and all(x.example.ndim <= 1 for x in inputs if x.stage == ONCE)
    product = op == "matmul" and rows == [inputs[0]] and inputs[1].example.ndim == 2
    along = _is_of_columns(settings.get("index")) or (op == "concat" and settings.get("axis", -1) == -1)
    return AHEAD if plain or product or (along and len(rows) == len(inputs)) or op == STOP else LOOP


def origin(node: Node) -> Node:
    """Of what was detached, the value itself."""
    return origin(node.inputs[0]) if node.op == STOP else node


def base_of(node: Node) -> Node:
    """Of some columns, or of what was detached, the value itself."""
    return base_of(node.inputs[0]) if node.op == STOP or (node.columns and node.stage != ONCE) else node


class Values:
    """Makes values; what is computed twice is one value."""

    def __init__(self) -> None:
        self._made: dict[Any, Node] = {}

    @property
    def made(self) -> list[Node]:
        """All of them, the oldest first."""
        return [node for node in self._made.values() if node.made]

    def number(self, x: Array) -> Node:
        return self._made.setdefault((x.dtype, x.tobytes()), Node(NUMBER, (), {}, x))

    def make(self, op: str, *inputs: Node, name: str = "", scope: str = "", **settings: Any) -> Node:
        if op == "take" and inputs[0].columns and _is_of_columns(settings["index"]):  # columns of columns
            return self.cut(inputs[0], settings["index"][1].start, settings["index"][1].stop, name, scope)
        key = op, tuple(map(id, inputs)), frozen(settings)
        if key not in self._made:
            arrays = [x.example for x in inputs]
            example = arrays[0] if op == STOP else np.asarray(registry[op].forward(*arrays, **settings))
            self._made[key] = Node(op, inputs, settings, example, name, scope)
        return self._made[key]

    def cut(self, x: Node, start: int, stop: int, name: str = "", scope: str = "") -> Node:
        """Some columns."""
        if (start, stop) == (0, x.shape[-1]):
            return x
        if inside := x.columns:
            return self.cut(x.inputs[0], inside[0] + start, inside[0] + stop, name, scope)
        return self.make("take", x, name=name, scope=scope, index=(Ellipsis, slice(start, stop)))

    def total(self, terms: list[Node], name: str, scope: str) -> Node:
        """Their sum, from the first to the last."""
        first, *rest = terms
        for k, term in enumerate(rest, 1):
            first = self.make("add", first, term, name=name if k == len(rest) else "", scope=scope)
        return first


def frozen(x: Any) -> Any:
    """What can be a key, and is equal where settings are; of a Tensor its shape."""
    if isinstance(x, np.ndarray):
        return x.dtype, x.shape, x.tobytes()
    if isinstance(x, dict | list | tuple):
        return type(x), *map(frozen, sorted(x.items()) if isinstance(x, dict) else x)
    return x.shape if isinstance(x, Tensor) else (repr(x), None if isinstance(x, slice) else x)


Graph = dict[str, Node]  # what comes out of a step, by the name of the state


def graph_of(step: Recorded, v: Values, *, as_written: bool = False) -> tuple[Graph, Graph]:
    """The leaves of a recorded step by name (x, states, parameters), and what it makes, under the cell's own names.

    `x[:, a:b]` becomes `x[..., a:b]`, which also holds where time stands before the batch, unless it is as written.
    """
    leaves = {}
    for name, tensor in step.inputs.items():
        kind = X if name == "x" else STATES if name.removesuffix("_prev") in step.outputs else PARAMETER
        leaves[name] = Node(kind, (), {}, tensor._data, name)
    found = {tensor.birth: leaves[name] for name, tensor in step.inputs.items()}
    holders = {id(tensor._data): leaves[name] for name, tensor in step.inputs.items()}

    def node_of(x: Tensor, user: Tensor | None = None) -> Node:
        if x.birth in found:
            return found[x.birth]
        if holder := holders.get(id(x._data)):  # it is detached
            return v.make(STOP, holder)
        if x.ndim:
            what = f"takes in an array of shape {x.shape} that is neither x, the state nor a parameter, such as random "
            what += "numbers, what was computed of a detached tensor, or an array that the cell holds and not a Tensor"
            raise refusal(what, None if user is None else source_of(user))
        return v.number(x._data)

    for tensor in step.made:
        assert tensor.op is not None
        settings = dict(tensor.settings or {})
        if tensor.op.name == "take" and not as_written:
            settings["index"] = _of_the_last(settings["index"], tensor.inputs[0].shape)
        if tensor.op.name == "concat" and settings.get("axis", -1) == tensor.ndim - 1:
            settings["axis"] = -1
        inputs = (node_of(x, tensor) for x in tensor.inputs)
        name = _own_name(step.names.get(tensor.birth) or tensor.name or "")
        made = found[tensor.birth] = v.make(tensor.op.name, *inputs, name=name, scope=tensor.scope, **settings)
        holders.setdefault(id(tensor._data), made)
    return leaves, {field: node_of(tensor) for field, tensor in step.outputs.items()}


def _of_the_last(index: Any, shape: Shape) -> Any:
    whole = (slice(None),) * (len(shape) - 1)
    if isinstance(index, tuple) and len(index) == len(shape) and index[:-1] == whole and isinstance(index[-1], slice):
        start, stop, step = index[-1].indices(shape[-1])
        return (Ellipsis, slice(start, stop)) if step == 1 else index
    return index


def _own_name(name: str) -> str:
    """A name that the cell has given, "" if a text cannot have it."""
    name = normalize("NFKC", name)
    return name if name.isidentifier() and not iskeyword(name) and not hasattr(builtins, name) else ""


def in_order(outs: Graph) -> list[Node]:
    """All values that lead to these, each after its inputs."""
    done: dict[Node, None] = {}
    waiting = [(node, False) for node in reversed(outs.values())]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            done[node] = None
        elif node not in done:
            waiting += [(node, True), *((x, False) for x in reversed(node.inputs))]
    return list(done)


def users_of(nodes: list[Node]) -> dict[Node, list[Node]]:
    """By value those that are made of it, or of it detached."""
    users = defaultdict(list)
    for node in nodes:
        for x in node.inputs if node.op != STOP else ():
            users[origin(x)].append(node)
    return users

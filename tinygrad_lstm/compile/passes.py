"""A step as a graph of values, and the passes that make it fast over a whole sequence: each is a function of a graph.

A value is made ONCE where parameters alone lead to it, AHEAD of the loop for all steps at once where x leads to it but
no state does, and otherwise in the LOOP, step by step. The less there is in the loop the better.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from ..op import registry
from ..tensor import Array, Shape
from .naming import Names
from .tape import Recorded

ONCE, AHEAD, LOOP = range(3)
POINTWISE = {
    "add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "abs", "sigmoid", "tanh", "relu", "leaky_relu", "softplus",
    "hard_sigmoid", "maximum", "minimum", "clip", "where", "power", "sin", "cos", "chosen",
}  # fmt: skip
STATES, PARAMETER, NUMBER, X, STOP = "state", "parameter", "number", "x", "stop"


class Node:
    """One value of a step: the op and the inputs that make it, an example of it, its name, and its scope."""

    def __init__(
        self, op: str, inputs: tuple[Node, ...], settings: dict[str, Any], example: Array, name: str, scope: str
    ) -> None:
        self.op, self.inputs, self.settings, self.example = op, inputs, settings, example
        self.name, self.scope, self.stage = name, scope, _stage(op, inputs, settings)

    @property
    def shape(self) -> Shape:
        return self.example.shape

    @property
    def columns(self) -> tuple[int, int] | None:
        """From where to where, if it is some columns of its input."""
        index = self.settings.get("index")
        if self.op != "take" or not isinstance(index, tuple) or len(index) != 2 or index[0] is not Ellipsis:
            return None
        return (index[1].start, index[1].stop) if isinstance(index[1], slice) else None


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
    along = op in ("concat", "take") and _along_the_last(op, settings) and len(rows) == len(inputs)
    return AHEAD if plain or product or along or op == STOP else LOOP


def base_of(node: Node) -> Node:
    """Of some columns, or of what was detached, the value itself."""
    return base_of(node.inputs[0]) if node.op == STOP or (node.columns and node.stage != ONCE) else node


def _along_the_last(op: str, settings: dict[str, Any]) -> bool:
    if op == "concat":
        return bool(settings.get("axis", -1) == -1)
    index = settings["index"]
    return isinstance(index, tuple) and len(index) == 2 and index[0] is Ellipsis


class Values:
    """Makes values; what is computed twice is one value."""

    def __init__(self) -> None:
        self._made: dict[Any, Node] = {}

    def make(self, op: str, *inputs: Node, name: str = "", scope: str = "", **settings: Any) -> Node:
        key = op, tuple(map(id, inputs)), repr(sorted(settings.items()))
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


Graph = dict[str, Node]  # what comes out of a step, by the name of the state
Rule = Callable[[Node, list[Node]], Node | None]


def graph_of(step: Recorded, names: Names, v: Values) -> tuple[dict[str, Node], Graph]:
    """The leaves of a recorded step by name (x, states, parameters), and what it makes."""
    found: dict[int, Node] = {}
    for name, tensor in step.inputs.items():
        kind = X if name == "x" else STATES if name.removesuffix("_prev") in step.outputs else PARAMETER
        found[tensor.birth] = Node(kind, (), {}, tensor.numpy(), name, "")
    leaves = {name: found[tensor.birth] for name, tensor in step.inputs.items()}
    for tensor in step.made:
        for x in tensor.inputs:
            if x.birth in step.twins:
                found[x.birth] = v.make(STOP, found[step.twins[x.birth].birth])
            elif x.birth not in found:
                found[x.birth] = Node(NUMBER, (), {}, x.numpy(), "", "")
        assert tensor.op is not None
        settings = dict(tensor.settings or {})
        if tensor.op.name == "take":
            settings["index"] = _of_the_last(settings["index"], tensor.inputs[0].shape)
        if tensor.op.name == "concat" and settings.get("axis", -1) == tensor.ndim - 1:
            settings["axis"] = -1
        inputs = (found[x.birth] for x in tensor.inputs)
        found[tensor.birth] = v.make(
            tensor.op.name, *inputs, name=names[tensor.birth], scope=tensor.scope, **settings
        )
    out = {field: step.twins.get(tensor.birth, tensor) for field, tensor in step.outputs.items()}
    return leaves, {field: found[tensor.birth] for field, tensor in out.items()}


def _of_the_last(index: Any, shape: Shape) -> Any:
    """`x[:, a:b]` as `x[..., a:b]`, which also holds where time stands before the batch."""
    whole = (slice(None),) * (len(shape) - 1)
    if isinstance(index, tuple) and len(index) == len(shape) and index[:-1] == whole and isinstance(index[-1], slice):
        start, stop, step = index[-1].indices(shape[-1])
        return (Ellipsis, slice(start, stop)) if step == 1 else index
    return index


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


def users_of(outs: Graph) -> dict[Node, list[Node]]:
    users = defaultdict(list)
    for node in in_order(outs):
        for x in node.inputs:
            users[x].append(node)
    return users


def rebuilt(v: Values, outs: Graph, rule: Rule) -> Graph:
    """The same graph with what the rule puts in the place of a value whose inputs have been replaced already."""
    done: dict[Node, Node] = {}
    for node in in_order(outs):
        inputs = [done[x] for x in node.inputs]
        again = node if not inputs else v.make(node.op, *inputs, name=node.name, scope=node.scope, **node.settings)
        done[node] = rule(node, inputs) or again
    return {field: done[node] for field, node in outs.items()}


def split_products(v: Values, outs: Graph) -> Graph:
    """[h ; x] · W is h · W_h + x · W_x, so that the part of x can leave the loop."""

    def rule(node: Node, inputs: list[Node]) -> Node | None:
        if node.op != "matmul" or inputs[0].op != "concat" or inputs[0].settings.get("axis", -1) != -1:
            return None
        if inputs[1].example.ndim != 2:
            return None
        ends = list(accumulate(part.shape[-1] for part in inputs[0].inputs))
        products = []
        for part, end in zip(inputs[0].inputs, ends, strict=True):
            name = f"{inputs[1].name}_{part.name.removesuffix('_prev')}" if inputs[1].name and part.name else ""
            rows = v.make("take", inputs[1], name=name, index=slice(end - part.shape[-1], end))
            products.append(v.make("matmul", part, rows, scope=node.scope))
        return v.total(products, node.name, node.scope)

    return rebuilt(v, outs, rule)


def sort_sums(v: Values, outs: Graph) -> Graph:
    """Sums in the order of their stages, so that one term is left to be added in the loop to what is known before."""
    users = users_of(outs)

    def terms(node: Node, new: Node) -> list[Node]:
        alone = node.op == new.op == "add" and len(users[node]) == 1
        return [t for x, y in zip(node.inputs, new.inputs, strict=True) for t in terms(x, y)] if alone else [new]

    def rule(node: Node, inputs: list[Node]) -> Node | None:
        if node.op != "add" or any(x.shape != node.shape and x.example.ndim > 1 for x in node.inputs):
            return None
        found = [t for x, y in zip(node.inputs, inputs, strict=True) for t in terms(x, y)]
        late = [t for t in found if t.stage == LOOP]
        early = sorted((t for t in found if t.stage != LOOP), key=lambda t: -t.stage)
        known = [v.total(early, "" if late else node.name, node.scope)] if early else []
        return v.total([*late[:1], *known, *late[1:]], node.name, node.scope)

    return rebuilt(v, outs, rule)


def merge_products(v: Values, outs: Graph) -> Graph:
    """Products with one left factor become one, in an order in which those for the same op stand side by side."""
    users, families = users_of(outs), defaultdict(list)
    for node in in_order(outs):
        if node.op == "matmul" and node.inputs[1].stage == ONCE and node.inputs[1].example.ndim == 2:
            families[node.inputs[0]].append(node)

    def purpose(node: Node) -> str:
        while len(users[node]) == 1 and users[node][0].op == "add":
            node = users[node][0]
        return users[node][0].op if users[node] else "~"

    places: dict[Node, tuple[Node, int, int]] = {}
    for left, products in families.items():
        if len(products) > 1:
            products.sort(key=purpose)
            name = left.name.removesuffix("_prev")
            W = v.make("concat", *(p.inputs[1] for p in products), name=f"W_of_{name}", axis=-1)
            ends = accumulate(p.shape[-1] for p in products)
            places |= {p: (W, end - p.shape[-1], end) for p, end in zip(products, ends, strict=True)}

    def rule(node: Node, inputs: list[Node]) -> Node | None:
        if node not in places:
            return None
        W, start, stop = places[node]
        return v.cut(v.make("matmul", inputs[0], W, name=f"of_{inputs[0].name.removesuffix('_prev')}"), start, stop)

    return rebuilt(v, outs, rule)


def widen(v: Values, outs: Graph) -> Graph:
    """The same op on neighbouring columns becomes one op on all of them."""
    while wide := next(_neighbours(v, outs), None):
        outs = rebuilt(v, outs, lambda node, inputs, wide=wide: wide.get(node))  # type: ignore[misc]
    return outs


def _neighbours(v: Values, outs: Graph) -> Iterator[dict[Node, Node]]:
    """For each run of ops on neighbouring columns, what stands in their place: columns of one wide op."""
    groups = defaultdict(list)
    for node in in_order(outs):
        kinds = tuple(map(_kind, node.inputs))
        if node.op in POINTWISE and None not in kinds and any(isinstance(k, Node) for k in kinds):
            groups[node.op, repr(node.settings), kinds].append(node)
    for (op, _, kinds), nodes in groups.items():
        first = next(k for k, kind in enumerate(kinds) if isinstance(kind, Node))
        nodes.sort(key=lambda node, first=first: node.inputs[first].columns)  # type: ignore[misc]
        for run in _runs(nodes, kinds):
            inputs = [_widened(v, [node.inputs[k] for node in run], kind) for k, kind in enumerate(kinds)]
            name = "_".join(node.name for node in run) if all(node.name for node in run) else ""
            y = v.make(op, *inputs, name=name, scope=run[0].scope, **run[0].settings)
            ends = accumulate(node.shape[-1] for node in run)
            yield {
                node: v.cut(y, end - node.shape[-1], end, node.name, node.scope)
                for node, end in zip(run, ends, strict=True)
            }


def _kind(x: Node) -> Any:
    """What an input is for `widen`: columns of a value, a vector of parameters, a number, or None: nothing of these."""
    if x.columns:
        return x.inputs[0]
    if x.stage == ONCE and x.example.ndim == 1:
        return PARAMETER
    return float(x.example) if x.op == NUMBER and not x.example.ndim else None


def _runs(nodes: list[Node], kinds: tuple[Any, ...]) -> Iterator[list[Node]]:
    """The runs of at least two nodes, sorted by columns, that follow each other and do not need each other."""
    cut = [k for k, kind in enumerate(kinds) if isinstance(kind, Node)]
    run = nodes[:1]
    for node in [*nodes[1:], None]:
        follows = node is not None and all(
            (node.inputs[k].columns or (0, 0))[0] == (run[-1].inputs[k].columns or (0, 0))[1] for k in cut
        )
        if node is not None and follows and not any(_needs(node, n) or _needs(n, node) for n in run):
            run.append(node)
            continue
        if len(run) > 1:
            yield run
        run = [node] if node is not None else []


def _needs(node: Node, other: Node) -> bool:
    return other in in_order({"": node})


def _widened(v: Values, xs: list[Node], kind: Any) -> Node:
    if isinstance(kind, Node):
        start, stop = (xs[0].columns or (0, 0))[0], (xs[-1].columns or (0, 0))[1]
        return v.cut(kind, start, stop)
    return v.make("concat", *xs, name="b", axis=-1) if kind == PARAMETER else xs[0]


def own_states(v: Values, leaves: dict[str, Node], outs: Graph) -> Graph:
    """Each state after the step as a value of its own, made in the loop: also one that is only handed on."""
    own: Graph = {}
    for field, out in outs.items():
        made = out.stage == LOOP and out.inputs and out.op != STOP and not out.columns and out not in own.values()
        own[field] = out if made else v.make("chosen", out, leaves[f"{field}_prev"], name=field)
    return own


PASSES = (split_products, sort_sums, merge_products, sort_sums, widen)

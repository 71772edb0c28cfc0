"""The passes that make a step fast over a whole sequence: each is a function of a graph, and gives another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from .naming import RESERVED, Names
from .tape import Recorded
from .values import LOOP, NUMBER, ONCE, PARAMETER, POINTWISE, Graph, Node, Values, frozen, graph_of, in_order, users_of

Rule = Callable[[Node, list[Node]], Node | None]


def rebuilt(v: Values, outs: Graph, rule: Rule) -> Graph:
    """The same graph with what the rule puts in the place of a value whose inputs have been replaced already."""
    done: dict[Node, Node] = {}
    for node in in_order(outs):
        inputs = [done[x] for x in node.inputs]
        again = node if not inputs else v.make(node.op, *inputs, name=node.name, scope=node.scope, **node.settings)
        done[node] = rule(node, inputs) or again
    return {field: done[node] for field, node in outs.items()}


def _side_by_side(nodes: Sequence[Node]) -> list[tuple[Node, tuple[int, int]]]:
    """From where to where each has its columns."""
    ends = accumulate(node.shape[-1] for node in nodes)
    return [(node, (end - node.shape[-1], end)) for node, end in zip(nodes, ends, strict=True)]


def split_products(v: Values, outs: Graph) -> Graph:
    """[h ; x] · W is h · W_h + x · W_x, so that the part of x can leave the loop."""

    def rule(node: Node, inputs: list[Node]) -> Node | None:
        if node.op != "matmul" or inputs[0].op != "concat" or inputs[0].settings.get("axis", -1) != -1:
            return None
        if inputs[1].example.ndim != 2:
            return None
        products = []
        for part, place in _side_by_side(inputs[0].inputs):
            name = f"{inputs[1].name}_{part.name.removesuffix('_prev')}" if inputs[1].name and part.name else ""
            rows = v.make("take", inputs[1], name=name, index=slice(*place))
            products.append(v.make("matmul", part, rows, scope=node.scope))
        return v.total(products, node.name, node.scope)

    return rebuilt(v, outs, rule)


def sort_sums(v: Values, outs: Graph) -> Graph:
    """Sums in the order of their stages, so that one term is left to be added in the loop to what is known before."""
    users = users_of(in_order(outs))

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
    users, families = users_of(in_order(outs)), defaultdict(list)
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
            places |= {p: (W, *place) for p, place in _side_by_side(products)}

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
            groups[node.op, frozen(node.settings), kinds].append(node)
    for (op, _, kinds), nodes in groups.items():
        first = next(k for k, kind in enumerate(kinds) if isinstance(kind, Node))
        nodes.sort(key=lambda node, first=first: node.inputs[first].columns)  # type: ignore[misc]
        for run in _runs(nodes):
            inputs = [_widened(v, [node.inputs[k] for node in run], kind) for k, kind in enumerate(kinds)]
            name = "_".join(node.name for node in run) if all(node.name for node in run) else ""
            y = v.make(op, *inputs, name=name, scope=joined_scope(run), **run[0].settings)
            yield {node: v.cut(y, *place, node.name, node.scope) for node, place in _side_by_side(run)}


def joined_scope(nodes: list[Node]) -> str:
    return ", ".join(dict.fromkeys(path for node in nodes for path in node.scope.split(", ") if path))


def _kind(x: Node) -> Any:
    """What an input is for `widen`: columns of a value, a vector of parameters, a number, or None: nothing of these."""
    if x.columns:
        return x.inputs[0]
    if x.stage == ONCE and x.example.ndim == 1:
        return PARAMETER
    return float(x.example) if x.op == NUMBER and not x.example.ndim else None


def _runs(nodes: list[Node]) -> list[list[Node]]:
    """The runs of at least two nodes, sorted by columns, that follow each other and do not need each other."""
    runs = [nodes[:1]]
    for node in nodes[1:]:
        pairs = zip(runs[-1][-1].inputs, node.inputs, strict=True)
        follows = all(a.columns[1] == b.columns[0] for a, b in pairs if a.columns and b.columns)
        if follows and not any(other in in_order({"": one}) for n in runs[-1] for one, other in ((node, n), (n, node))):
            runs[-1].append(node)
        else:
            runs.append([node])
    return [run for run in runs if len(run) > 1]


def _widened(v: Values, xs: list[Node], kind: Any) -> Node:
    if isinstance(kind, Node):
        start, stop = (xs[0].columns or (0, 0))[0], (xs[-1].columns or (0, 0))[1]
        return v.cut(kind, start, stop)
    return v.make("concat", *xs, name="b", axis=-1) if kind == PARAMETER else xs[0]


def own_states(v: Values, leaves: dict[str, Node], outs: Graph) -> Graph:
    """Each state after the step as a value of its own, made in the loop: also one that is only handed on."""
    own: Graph = {}
    for field, out in outs.items():
        made = out.stage == LOOP and out.made and not out.columns and out not in own.values()
        own[field] = out if made else v.make("chosen", out, leaves[f"{field}_prev"], name=field)
    return own


PASSES = (split_products, sort_sums, merge_products, sort_sums, widen)


def at_best(step: Recorded, v: Values) -> tuple[Graph, Graph]:
    """The leaves of a recorded step, and what it makes, after all passes."""
    leaves, outs = graph_of(step, v)
    for node, name in Names(RESERVED).of_step(leaves, v.made, outs).items():
        node.name = name
    for one in PASSES:
        outs = one(v, outs)
    return leaves, own_states(v, leaves, outs)

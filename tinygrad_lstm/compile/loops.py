"""What is done at one step, forward and on the way back, in order, and the lines that do it for NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .derive import computed
from .gradients import Gradients, some, tile
from .symbols import OPERATORS, Expr
from .values import AHEAD, LOOP, ONCE, STATES, Node, X, base_of, origin
from .wording import INDENT, WIDTH, added_at, listed, noted, wrapped

INTO = {sign: f"np.{name}" for name, sign in OPERATORS.items() if sign not in ("&", "|")}


class Assignment(NamedTuple):
    """One line of a loop: what is put into a value (`kind` ""), into its gradient ("d"), or into all steps' ("stored").

    Attributes:
        expr: the formula, None for zeros.
        added: to what is there already.
        at: an index, of the parts to which it is added.
    """

    node: Node
    kind: str
    expr: Expr | None
    scope: str = ""
    rule: str = ""
    added: bool = False
    at: Expr | None = None


def forward_steps(graph: Gradients, as_call: bool = True) -> Iterator[Assignment]:
    """What makes each value of the loop that is no part of another, as a call of its op or as a formula."""
    for node in graph.nodes:
        if node.stage == LOOP and node.made and not node.columns:
            expr = computed(node, graph.step.rows, as_call=as_call)
            yield Assignment(node, "", expr, node.scope)


def backward_steps(graph: Gradients) -> Iterator[Assignment]:
    """What makes the gradients of the loop's values, from the newest to the oldest, and zeros for states of no use."""
    for node in reversed(graph.nodes):
        if node.stage == LOOP and node in graph.sent and node not in graph.aliases:
            yield from _arriving(graph, node)
    for leaf in graph.leaves.values():
        if leaf.op == STATES and not graph.sent.get(leaf):
            yield Assignment(leaf, "d", None)


def _arriving(graph: Gradients, node: Node) -> Iterator[Assignment]:
    """All that arrives at a value, first at some columns of it, put there or added to what is there."""
    sent = graph.sent[node]
    cuts = list(dict.fromkeys(share.to for share in sent if share.to is not node))
    carried = bool(graph.field_of(node))
    tiled = tile([cut.columns for cut in cuts if cut.columns], node.shape[-1])
    if cuts and not tiled and not carried:
        yield Assignment(node, "d", None)
    filled = {node} if carried or cuts else set[Node]()
    filled.update(cuts if carried or not tiled else ())
    for to in [*cuts, node]:
        for share in (one for one in sent if one.to is to):
            if share.at is not None and to not in filled:
                yield Assignment(to, "d", None)
            yield Assignment(to, "d", share.expr, to.scope, share.rule, to in filled, share.at)
            filled.add(to)
    if carried and node in graph.stored:
        yield Assignment(node, "stored", Expr(leaf=("d", node)))


class Loop:
    """The lines of one way, and what they need around them.

    Attributes:
        through: what the loop goes through: names of one step, and the arrays of all.
        before: lines that make arrays which each step writes anew, and views of them.
        factors: what depends on no gradient, by its text: made for a block of steps, so that it is in the cache.
    """

    def __init__(self, graph: Gradients, rows: str) -> None:
        self.graph, self.rows = graph, rows
        self.through: dict[str, str] = {}
        self.before: dict[str, None] = {}
        self.factors: dict[str, str] = {}

    def head(self, arrays: dict[str, str], indent: str) -> list[str]:
        """`for gone, f, … in zip(over, f_all, …, strict=True):`, in brackets where it is long."""
        names, parts = listed("for ", arrays, " in zip(", indent), [*arrays.values(), "strict=True"]
        line = f"{names}{', '.join(parts)}):"
        return [line] if len(line) <= WIDTH else [names, wrapped(parts, indent + 2 * INDENT), f"{indent}):"]

    def place(self, kind: str, node: Node) -> str:
        """What stands for a value, or (`kind` "d") for its gradient, at one step; notes where that comes from."""
        graph = self.graph
        node = graph.aliases.get(node, node) if kind else origin(node)
        while not kind and (after := next((new for new, old in graph.lives.items() if old is node), None)):
            node = after  # which has been put in its place
        if node.stage == ONCE:
            return graph.whole(node)
        base, name = base_of(node), kind + graph.names[node] + "_t" * (node.stage == AHEAD and node.op != X)
        if kind and (base.op == STATES or graph.field_of(base)):  # these change places: no view of them holds
            own = f"d{graph.field_of(base) or graph.names[base]}"
            return own if node is base else some(own, *node.columns or ())
        elsewhere = base in graph.kept or base in graph.lives or graph.field_of(base)
        if base in graph.stored if kind else elsewhere or base.stage != LOOP or not base.made:
            self.through[name] = graph.whole(node, kind)
        elif node is base:  # it is needed at its own step alone, so that one array does for all
            self.before[f"{name} = np.empty(({graph.shape(node, self.rows)}), dt)"] = None
        else:
            self.before[f"{name} = {some(self.place(kind, base), *node.columns or ())}"] = None
        return name

    def line(self, step: Assignment) -> str:
        """What puts a formula into an array, or adds it."""
        graph, node, kind = self.graph, step.node, step.kind
        target = f"stored_{graph.field_of(node)}" if kind == "stored" else self.place(kind, node)
        if kind == "stored":
            self.through[target] = f"d{graph.names[node]}_all"
        if step.expr is None:
            return f"{target}[...] = 0"
        expr, at = self._factored(step.expr) if kind else step.expr, step.at and self._text(step.at)
        line = added_at(target, at, self._text(expr)) if at else self._put(target, expr, node, step.added)
        return noted(line, step.scope, step.rule)

    def _text(self, expr: Expr) -> str:
        return expr.text(lambda leaf: leaf[1] if leaf[0] == "by" else self.place(*leaf))

    def _factored(self, expr: Expr) -> Expr:
        """A formula with names in the place of what in it depends on no gradient."""
        leaves = expr.leaves()
        if not expr.parts or any(kind for kind, _ in leaves) or all(node.stage == ONCE for _, node in leaves):
            return expr._replace(parts=tuple(map(self._factored, expr.parts)))
        wholes = {leaf: self.graph.whole(leaf[1]) for leaf in leaves}
        text = expr.text(lambda leaf: wholes[leaf] if leaf[1].stage == ONCE else f"{wholes[leaf]}[steps]")
        name = self.factors.setdefault(text, f"factor_{len(self.factors) + 1}")
        self.through[name.replace("factor", "by")] = name
        return Expr(leaf=("by", name.replace("factor", "by")))

    def _put(self, target: str, expr: Expr, node: Node, added: bool) -> str:
        """A formula put into an array or added to it, by way of no new array where that can be."""
        if expr.template == "{} @ {}" and expr.parts[1].template == "{}.T" and expr.parts[1].parts[0].leaf:
            W = self.graph.whole(expr.parts[1].parts[0].leaf[1])
            self.before[f"{W}_T = np.ascontiguousarray({W}.T)"] = None
            expr = expr._replace(parts=(expr.parts[0], Expr(f"{W}_T")))
        if not added:
            return self._into(target, expr)
        if expr.leaf:
            return f"{target} += {self._text(expr)}"
        more = "_".join(["more", *map(str, node.shape[1:])])
        self.before[f"{more} = np.empty(({self.graph.shape(node, self.rows)}), dt)"] = None
        return f"{self._into(more, expr)}; {target} += {more}"

    def _into(self, target: str, expr: Expr) -> str:
        """The line that computes a formula into an array that is there, if it can without another one on the way."""
        sign = expr.template[3:-3] if re.fullmatch(r"\{\} \S+ \{\}", expr.template) else ""
        if sign in INTO:
            return f"{INTO[sign]}({', '.join(map(self._text, expr.parts))}, out={target})"
        if re.fullmatch(r"(sigmoid|np\.(tanh|exp|maximum|minimum|abs|sqrt|logaddexp))\(.*\)", expr.template):
            return f"{self._text(expr)[:-1]}, out={target})"
        return f"{target}[...] = {self._text(expr)}"

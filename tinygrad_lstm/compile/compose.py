"""Gradients that are only handed on: what their factors make together is one factor, and they need no array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from .passes import NUMBER, Node, Values, base_of
from .symbols import Expr


class Sending(Protocol):
    """What is asked of `Gradients`, which this file does not know."""

    nodes: list[Node]
    values: Values
    sent: dict[Node, list[tuple[Expr, str, Any]]]
    later: dict[Node, list[tuple[Node, int]]]

    def field_of(self, node: Node) -> str: ...
    def name(self, node: Node) -> None: ...


class Handing:
    """Rewrites the shares of a graph's gradients, in place."""

    def __init__(self, graph: Sending) -> None:
        self.graph = graph

    def compose(self) -> None:
        """What only hands a gradient on, times what depends on none, gets no array: ∂a = ∂h · (o · φ′(a))."""
        waiting = {node for users in self.graph.later.values() for node, _ in users}
        uses = Counter(
            node for terms in self.graph.sent.values() for expr, _, _ in terms for kind, node in expr.leaves() if kind
        )

        def passes_on(node: Node) -> bool:
            return uses[node] == 1 and node not in waiting and not self.graph.field_of(node)

        for node in reversed(self.graph.nodes):
            terms = self.graph.sent.get(node, [])
            if len(terms) != 1 or terms[0][2] is not None:
                continue
            source, factors = scaled(terms[0][0])
            if source is None or not factors or not passes_on(source) or source not in self.graph.sent:
                continue
            if new := self._by_way_of(source, factors, terms[0][1]):
                self._replace(node, source, new, passes_on)

    def _by_way_of(self, source: Node, factors: list[Expr], rule: str) -> list[tuple[Node, Node | None, Expr, str]]:
        """What arrives at a value that is handed on by factors: (whose, of which columns, the formula, the rules)."""
        found: list[tuple[Node, Node | None, Expr, str]] = []
        for expr, first, at in self.graph.sent[source]:
            part = expr.leaf[1] if type(at) is tuple and expr.leaf else None
            inner = self.graph.sent.get(part, []) if part is not None else [(expr, first, at)]
            own, more = scaled(inner[0][0]) if len(inner) == 1 and inner[0][2] is None else (None, [])
            cut = [self._cut(factor, source, part) for factor in factors]
            if own is None or None in cut or (part is None and len(self.graph.sent[source]) > 1):
                return []
            found.append((own, part, product([Expr(leaf=("d", own)), *more, *cut]), f"{inner[0][1]}\n{rule}"))
        parts = [part.columns for _, part, _, _ in found if part is not None and part.columns]
        return found if not parts or tile(parts, source.shape[-1]) else []

    def _cut(self, factor: Expr, source: Node, part: Node | None) -> Any:
        """A factor for some columns alone; None where that cannot be said."""
        if part is None:
            return factor
        if factor.leaf:
            kind, node = factor.leaf
            if node.op == NUMBER or not node.example.ndim or node.shape[-1] == 1:
                return factor
            whole = node.shape[-1] == source.shape[-1]
            return Expr(leaf=(kind, self.graph.values.cut(node, *part.columns or ()))) if whole else None
        parts = tuple(self._cut(inner, source, part) for inner in factor.parts)
        return None if None in parts else factor._replace(parts=parts)

    def _replace(self, node: Node, source: Node, new: Any, passes_on: Callable[[Node], bool]) -> None:
        """Let a value have these shares in the place of the one that came by way of the source."""
        if any(part is not None and not passes_on(part) for _, part, _, _ in new):
            return
        del self.graph.sent[source]
        if new[0][1] is None:
            self.graph.sent[node] = [(new[0][2], new[0][3], None)]
            return
        base, (start, _) = base_of(node), node.columns or (0, 0)
        if node is not base:
            self.graph.sent[base] = [term for term in self.graph.sent[base] if term[0].leaf != ("d", node)]
        del self.graph.sent[node]
        for _, part, expr, rule in new:
            del self.graph.sent[part]
            a, b = part.columns
            cut = self.graph.values.cut(base, start + a, start + b, scope=part.scope)
            self.graph.name(cut)
            self.graph.sent[cut] = [(expr, rule, None)]
            self.graph.sent[base].append((Expr(leaf=("d", cut)), "", cut.columns))


def scaled(expr: Expr) -> tuple[Node | None, list[Expr]]:
    """Of a formula dy · a · b whose dy is a gradient and the rest is not: whose it is, and the rest; else None."""
    parts = factors_of(expr)
    moving = [part for part in parts if any(kind for kind, _ in part.leaves())]
    if len(moving) != 1 or not moving[0].leaf:
        return None, []
    return moving[0].leaf[1], [part for part in parts if part is not moving[0]]


def factors_of(expr: Expr) -> list[Expr]:
    """The factors of a product, −1 among them where it is negative."""
    if expr.template == "{} * {}":
        return [factor for part in expr.parts for factor in factors_of(part)]
    if expr.template == "-{}":
        return [*factors_of(expr.parts[0]), Expr("-1", binds=8)]
    return [expr]


def product(factors: list[Expr]) -> Expr:
    """dy · (a · b): the first times all others, which are one factor."""
    first, *rest = factors
    while len(rest) > 1:
        rest = [Expr("{} * {}", (rest[0], rest[1]), 7, (7, 8)), *rest[2:]]
    return Expr("{} * {}", (first, rest[0]), 7, (7, 8)) if rest else first


def tile(cuts: list[tuple[int, int]], width: int) -> bool:
    """Whether some columns make up the whole, none of them twice."""
    ends = [0, *(stop for _, stop in sorted(cuts))]
    return [start for start, _ in sorted(cuts)] == ends[:-1] and ends[-1] == width

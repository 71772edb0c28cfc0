"""What a step, made fast by the passes, sends back: in the loop, and what waits until the loop is over."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import reduce

from .derive import Share, shares, shares_over_time
from .naming import Names, at_all
from .passes import at_best
from .reuse import in_place
from .symbols import CannotCompile, Expr, written
from .tape import Recorded
from .values import AHEAD, LOOP, NUMBER, ONCE, POINTWISE, STATES, Node, Values, X, base_of, in_order, origin, users_of


class Gradients:
    """The graph of a step after all passes, names for its values, and the shares of its gradients as formulas.

    Attributes:
        nodes: all values, each after its inputs; `outs` are the states after the step.
        sent: what arrives at each value, or at some columns of it: in the loop at one step, else of all steps at once.
        kept, stored: values, and gradients, of the loop of which all steps are needed.
        aliases: values whose gradient is another's.
        lives: values that are put where an input of theirs was, in an array made ahead.
    """

    def __init__(self, step: Recorded) -> None:
        self.step, self.values = step, Values()
        self.leaves, self.outs = at_best(step, self.values)
        self.nodes, self.fields = in_order(self.outs), list(self.outs)
        self.users = users_of(self.nodes)
        self._names = Names.of_sequence(self.leaves, self.nodes, self.outs)
        self.names = self._names.chosen
        self.parameters = [self.names[leaf] for leaf in [*self.leaves.values()][1 + len(self.fields) :]]
        self.sent: dict[Node, list[Share]] = defaultdict(list)
        self._differentiate()
        self._hand_on()
        self.aliases: dict[Node, Node] = {}
        for node in self._looped():  # the newest first, so that chains are followed to their beginning
            share = self.sent[node][0] if len(self.sent[node]) == 1 else None
            own = node.op == STATES or self.field_of(node)
            leaf = share.expr.leaf if share and not share.at and share.to is node and not own else None
            if leaf and leaf[1].shape == node.shape:  # a sum passes on what it gets
                self.aliases[node] = self.aliases.get(leaf[1], leaf[1])
        waiting = self._waiting()
        self.stored = {base_of(self.aliases.get(node, node)): None for node in self.nodes if node in waiting}
        terms = (share.expr for sent in self.sent.values() for share in sent)
        read = {base_of(node): None for expr in terms for kind, node in expr.leaves() if not kind}
        self.kept = {n: None for n in read if n.stage == LOOP and n.made and not self.field_of(n)}
        self.lives = in_place(self, set(read))

    # — derivation ————————————————————————————————————————————————————————————————————————————————————————————

    def _looped(self) -> list[Node]:
        """The values of the loop that get a gradient, the newest first."""
        return [node for node in reversed(self.nodes) if node.stage == LOOP and node in self.sent]

    def _waiting(self) -> set[Node]:
        """The values whose gradient is needed when the loop is over."""
        late = (share for node, sent in self.sent.items() if node.stage != LOOP for share in sent)
        return {node for share in late for kind, node in share.expr.leaves() if kind and node.stage == LOOP}

    def _differentiate(self) -> None:
        """From the newest value to the oldest: what it sends at its own step, and what waits until the loop is over."""
        self.sent.update((out, []) for out in self.outs.values())
        for node in reversed(self.nodes):
            if not node.made or base_of(node) is not node or node not in self.sent:
                continue
            sent = shares(node, self.step.rows) if node.stage == LOOP else []
            for share in (one for one in sent if one.to.stage == LOOP):
                self.sent[base_of(share.to)].append(share._replace(expr=in_front(share.expr)))
            if node.stage == LOOP and all(share.to.stage == LOOP for share in sent):
                continue
            if node.stage == LOOP and node.op != "matmul" and node.op not in POINTWISE:
                raise CannotCompile(f"fused: {node.op} of what does not depend on the state stands in the loop.")
            for share in shares_over_time(node, self.step.rows):
                if (to := base_of(share.to)).stage != LOOP:
                    at = share.at if to is share.to else Expr("_[..., {}:{}]".format(*share.to.columns or ()))
                    self.sent[to].append(share._replace(at=at))

    def _hand_on(self) -> None:
        """What only hands a gradient on, times what depends on none, gets no array: ∂a = ∂h · (o · φ′(a))."""
        uses = Counter(node for n in self._looped() for s in self.sent[n] for kind, node in s.expr.leaves() if kind)
        waiting = self._waiting()
        for node in self._looped():
            for share in list(self.sent[node]):
                source, factors = scaled(share.expr)
                if not source or not factors or share.at or uses[source] > 1 or source in waiting:
                    continue
                if not self.field_of(source) and (new := self._by_way_of(source, share, factors)):
                    self.sent[node] = [one for one in self.sent[node] if one is not share] + new
                    del self.sent[source]

    def _by_way_of(self, source: Node, share: Share, factors: list[Expr]) -> list[Share]:
        """What arrives at a value that hands it on by factors, sent on to where that sends it; none where it cannot."""
        new, parts = [], []
        for first in self.sent.get(source, ()):
            own, more = scaled(first.expr)
            columns = first.to.columns if first.to is not source else None
            cut = [part for factor in factors if (part := self._cut(factor, source, columns))]
            if not own or len(cut) < len(factors) or first.at:
                return []
            parts.append(columns or (0, source.shape[-1]))
            to = self.values.cut(share.to, *parts[-1], scope=first.to.scope)
            new.append(Share(to, product(Expr(leaf=("d", own)), [*more, *cut]), f"{first.rule} → {share.rule}", ""))
        if not tile(parts, source.shape[-1]):
            return []
        for one in new:
            self._names.give(one.to)
        return new

    def _cut(self, factor: Expr, source: Node, columns: tuple[int, int] | None) -> Expr | None:
        """A factor for some columns alone; None where that cannot be said."""
        if not columns:
            return factor
        if re.search(r"axis|@|\[|\{\}\.", factor.template):  # not done entry by entry
            return None
        if factor.leaf:
            kind, node = factor.leaf
            if not node.example.ndim or node.shape[-1] == 1:
                return factor
            whole = node.shape[-1] == source.shape[-1]
            return Expr(leaf=(kind, self.values.cut(node, *columns))) if whole else None
        parts = tuple(self._cut(inner, source, columns) for inner in factor.parts)
        return None if None in parts else factor._replace(parts=parts)

    # — text outside of the loop ——————————————————————————————————————————————————————————————————————————————

    def field_of(self, node: Node) -> str:
        """The state that a value is after the step; "" where it is none."""
        return next((field for field, out in self.outs.items() if out is node), "")

    def whole(self, node: Node, kind: str = "") -> str:
        """What stands for a value, or (`kind` "d") for its gradient, for all steps at once."""
        node = self.aliases.get(node, node) if kind else origin(node)
        if node.op == NUMBER:
            return written(node.example, 0).template
        name, field = kind + self.names[node], self.field_of(node)
        if node.stage == ONCE or (kind and node.stage == AHEAD):
            return name
        if not kind and node in self.lives and node not in self.kept:
            return self.whole(self.lives[node])
        if node.columns:
            return some(self.whole(node.inputs[0], kind), *node.columns)
        if not kind and (field or node.op == STATES):
            return f"{at_all(field)}[1:]" if field else f"{at_all(name.removesuffix('_prev'))}[:-1]"
        return "xs" if node.op == X else name if node.stage == AHEAD else f"{name}_all"

    def shape(self, node: Node, rows: str) -> str:
        """The shape of a value at one step, as text."""
        if not node.example.ndim or node.shape[0] != self.step.rows:
            raise CannotCompile(f"fused: {node.name or node.op} has shape {node.shape}, without the rows of the batch.")
        return ", ".join([rows, *map(str, node.shape[1:])]) + "," * (node.example.ndim == 1)


def some(whole: str, start: int, stop: int) -> str:
    """Some columns, as text; of some columns some."""
    if inside := re.fullmatch(r"(.*)\[\.\.\., (\d+):\d+\]", whole):
        whole, start, stop = inside[1], start + int(inside[2]), stop + int(inside[2])
    return f"{whole}[..., {start}:{stop}]"


def tile(cuts: list[tuple[int, int]], width: int) -> bool:
    """Whether some columns make up the whole, none of them twice."""
    ends = [0, *(stop for _, stop in sorted(cuts))]
    return [start for start, _ in sorted(cuts)] == ends[:-1] and ends[-1] == width


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
    return [*factors_of(expr.parts[0]), Expr("-1")] if expr.template == "-{}" else [expr]


def product(first: Expr, rest: list[Expr]) -> Expr:
    """dy · (a · b): the first times all others, which are one factor."""
    return times(first, reduce(times, rest)) if rest else first


def times(a: Expr, b: Expr) -> Expr:
    return Expr("{} * {}", (a, b))


def in_front(expr: Expr) -> Expr:
    """A product with the gradient first and all else together behind it, as one factor."""
    source, factors = scaled(expr)
    return product(Expr(leaf=("d", source)), factors) if source and len(factors) > 1 else expr

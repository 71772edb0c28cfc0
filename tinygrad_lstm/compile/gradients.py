"""What a step, made fast by the passes, sends back: in the loop, and what waits until the loop is over."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np

from ..op import Piece, registry
from .compose import Handing
from .derive import fitted, index_of
from .naming import Names
from .passes import (
    AHEAD,
    LOOP,
    NUMBER,
    ONCE,
    PASSES,
    POINTWISE,
    STOP,
    Node,
    Values,
    base_of,
    graph_of,
    in_order,
    own_states,
)
from .symbols import ATOM, CannotCompile, Expr, Symbol, written
from .tape import Recorded
from .wording import Language


class Gradients:
    """The graph of a step after all passes, names for its values, and the shares of its gradients as formulas.

    Attributes:
        nodes: all values, each after its inputs; `outs` are the states after the step.
        sent: what arrives at each value of the loop: a formula, the rule, and of which columns or where.
        later: of what is made before the loop, the users in it whose shares are summed over all steps at once.
        kept, stored: values, and gradients, of the loop of which all steps are needed.
        aliases: values whose gradient is another's.
    """

    def __init__(self, step: Recorded, lang: Language = "en") -> None:
        self.step, self.lang, self.values = step, lang, Values()
        names = Names(step, {"forward", "backward", "T", "xs", "dt", "over", "states"})
        self.leaves, self.outs = graph_of(step, names, self.values)
        for one in PASSES:
            self.outs = one(self.values, self.outs)
        self.outs = own_states(self.values, self.leaves, self.outs)
        self.nodes = in_order(self.outs)
        self.fields = list(self.outs)
        self.parameters = [name for name in self.leaves if name != "x" and name.removesuffix("_prev") not in self.outs]
        self.helpers: set[str] = set()
        self._name_all()
        self.kept: dict[Node, None] = {}  # values of the loop of which the way back needs all steps
        self.stored: dict[Node, None] = {}  # and gradients in the loop of which what comes after it needs all steps
        self.aliases: dict[Node, Node] = {}  # values whose gradient is another's
        self.sent: dict[Node, list[tuple[Expr, str, Any]]] = defaultdict(list)  # shares inside of the loop
        self.later: dict[Node, list[tuple[Node, int]]] = defaultdict(list)  # and those that are made after it
        self._differentiate()

    # — names —————————————————————————————————————————————————————————————————————————————————————————————————

    def _name_all(self) -> None:
        self.names: dict[Node, str] = {}
        self.taken = {"np", "T", "xs", "dt", "over", "kept", "states", "gone", "past", "size", "steps", "end"}
        self.taken |= {*registry} | {f"d{field}" for field in self.fields} | {f"{field}s" for field in self.fields}
        for node in [*self.leaves.values(), *self.nodes]:
            if node in self.names or node.op in (NUMBER, STOP):
                continue
            self.name(node)

    def name(self, node: Node) -> None:
        """Give a value a name, its own if it has one and that is free."""
        if node in self.names:
            return
        name = node.name or {"add": "sums", "matmul": "product"}.get(node.op, "part")
        name = "a_" + re.sub(r"(^|_)a_", r"\1", name) if name.count("a_") > 1 else name
        k, new = 1, name
        while new in self.taken:
            k, new = k + 1, f"{name}_{k + 1}"
        self.taken |= {new, f"d{new}", f"{new}_all", f"d{new}_all"}
        self.names[node] = new

    def whole(self, node: Node) -> str:
        """What stands for a value outside of the loop, for all steps at once."""
        if node.op == STOP:
            return self.whole(node.inputs[0])
        if node.op == NUMBER:
            return written(node.example, 0).template
        name = self.names[node]
        if node.stage == ONCE:
            return name
        if node.columns:
            start, stop = node.columns
            return f"{self.whole(node.inputs[0])}[..., {start}:{stop}]"
        if node.op == "state":
            return f"{name.removesuffix('_prev')}s[:-1]"
        if field := self.field_of(node):
            return f"{field}s[1:]"
        return "xs" if node.op == "x" else name if node.stage == AHEAD else f"{name}_all"

    def field_of(self, node: Node) -> str:
        """The state that a value is after the step; "" where it is none."""
        return next((field for field, out in self.outs.items() if out is node), "")

    def gradient(self, node: Node) -> str:
        """What stands for the gradient of a value outside of the loop."""
        node = self.aliases.get(node, node)
        if node.columns and node.stage == LOOP:
            start, stop = node.columns
            return f"{self.gradient(node.inputs[0])}[..., {start}:{stop}]"
        return f"d{self.names[node]}" + ("_all" if node.stage == LOOP else "")

    def text(self, expr: Expr) -> str:
        """A formula outside of the loop."""
        return expr.text(lambda leaf: (self.gradient(leaf[1]) if leaf[0] else self.whole(leaf[1]), ATOM))[0]

    # — derivation ————————————————————————————————————————————————————————————————————————————————————————————

    def symbol(self, node: Node, kind: str = "", whole: bool = False) -> Any:
        if node.op == NUMBER:
            return node.example
        array = np.ones_like(node.example) if kind else node.example
        if whole and node.stage != ONCE:
            array = np.broadcast_to(array, (2, *array.shape))
        return Symbol(array, Expr(leaf=(kind, node)), self.step.rows)

    def shares(self, node: Node, whole: bool = False) -> list[tuple[int, Any, str]]:
        """What a value sends to each input that wants a gradient, on symbols."""
        op = registry[node.op]
        given = [self.symbol(node, "d", whole), self.symbol(node, "", whole)]
        given += [self.symbol(x, "", whole) for x in node.inputs]
        joint: Any = op.joint_rule and op.joint_rule(*given, **node.settings)
        found = []
        for k, x in enumerate(node.inputs):
            rule = None if joint else op.rules[k]
            if x.op not in (NUMBER, STOP) and (joint or rule) and (node.op != "chosen" or k == 0):
                found.append((k, joint[k] if joint else rule(*given, **node.settings), op.formula(k)))  # type: ignore[misc]
        return found

    def _differentiate(self) -> None:
        """From the newest value of the loop to the oldest: what it sends to others in the loop, and what waits."""
        for out in self.outs.values():
            self.sent[out] = []
        for node in reversed(self.nodes):
            if node.stage != LOOP or not node.inputs or node not in self.sent or node.op == STOP:
                continue
            if node.columns:
                self.sent[node.inputs[0]].append((Expr(leaf=("d", node)), "", node.columns))
                continue
            for k, share, rule in self.shares(node):
                x = node.inputs[k]
                if x.stage == LOOP:
                    if isinstance(share, Piece):
                        at = index_of(share.index, self.step.rows)
                        self.sent[x].append((share.values.expr, rule, at))
                    else:
                        self.sent[x].append((fitted(share, x.shape).expr, rule, None))
                elif node.op == "matmul" or node.op in POINTWISE:
                    self.later[x].append((node, k))
                else:
                    raise CannotCompile(f"fused: {node.op} of what does not depend on the state stands in the loop.")
        Handing(self).compose()
        for node, terms in self.sent.items():  # the newest first, so that chains are followed to their beginning
            if len(terms) != 1 or node.columns or any(node is out for out in self.outs.values()):
                continue
            expr, _, at = terms[0]
            if at is None and expr.leaf and expr.leaf[1].shape == node.shape:  # a sum passes on what it gets
                self.aliases[node] = self.aliases.get(expr.leaf[1], expr.leaf[1])
        waiting = {node for users in self.later.values() for node, _ in users}
        self.stored = dict.fromkeys(base_of(self.aliases.get(node, node)) for node in self.nodes if node in waiting)
        self._note_kept()

    def _note_kept(self) -> None:
        """Values that the way back reads, of all steps."""
        exprs = [expr for terms in self.sent.values() for expr, _, _ in terms]
        wanted = [leaf[1] for expr in exprs for leaf in expr.leaves() if not leaf[0]]
        for waiting in self.later.values():
            for node, k in waiting:
                if node.op == "matmul":
                    wanted.append(node.inputs[1 - k])
                else:
                    share = next(share for j, share, _ in self.shares(node) if j == k)
                    wanted += [leaf[1] for leaf in share.expr.leaves() if not leaf[0]]
        for node in map(base_of, wanted):
            if node.stage == LOOP and node.inputs and all(node is not out for out in self.outs.values()):
                self.kept[node] = None

    # — text ——————————————————————————————————————————————————————————————————————————————————————————————————

    def shape(self, node: Node, rows: str) -> str:
        """The shape of a value at one step, as text."""
        if not node.example.ndim or node.shape[0] != self.step.rows:
            raise CannotCompile(f"fused: {node.name or node.op} has shape {node.shape}, without the rows of the batch.")
        return ", ".join([rows, *map(str, node.shape[1:])]) + "," * (node.example.ndim == 1)

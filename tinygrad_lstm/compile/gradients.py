"""What a step, made fast by the passes, sends back: in the loop, and what waits until the loop is over."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ..op import Piece, registry
from .compose import Handing
from .derive import fitted, index_of
from .named_graph import RESERVED, NamedGraph
from .naming import Names
from .passes import (
    AHEAD,
    LOOP,
    NUMBER,
    ONCE,
    PARAMETER,
    PASSES,
    POINTWISE,
    STOP,
    Node,
    Values,
    base_of,
    graph_of,
    in_order,
    own_states,
    users_of,
)
from .reuse import in_place
from .symbols import CannotCompile, Expr, Symbol, written
from .tape import Recorded
from .wording import Language


class Gradients(NamedGraph):
    """The graph of a step after all passes, names for its values, and the shares of its gradients as formulas.

    Attributes:
        nodes: all values, each after its inputs; `outs` are the states after the step.
        sent: what arrives at each value of the loop: a formula, the rule, and of which columns or where.
        later: of what is made before the loop, the users in it whose shares are summed over all steps at once.
        kept, stored: values, and gradients, of the loop of which all steps are needed.
        aliases: values whose gradient is another's.
        lives: values that are put where an input of theirs was, in an array made ahead.
    """

    def __init__(self, step: Recorded, lang: Language = "en") -> None:
        self.step, self.lang, self.values = step, lang, Values()
        names = Names(step, RESERVED)
        self.leaves, self.outs = graph_of(step, names, self.values)
        for one in PASSES:
            self.outs = one(self.values, self.outs)
        self.outs = own_states(self.values, self.leaves, self.outs)
        self.nodes, self.users = in_order(self.outs), users_of(self.outs)
        self.fields = list(self.outs)
        self.helpers: set[str] = set()
        self._name_all()
        self.parameters = [self.names[leaf] for leaf in self.leaves.values() if leaf.op == PARAMETER]
        self.stored: dict[Node, None] = {}  # and gradients in the loop of which what comes after it needs all steps
        self.aliases: dict[Node, Node] = {}  # values whose gradient is another's
        self.lives: dict[Node, Node] = {}  # values that are put where an input was
        self.sent: dict[Node, list[tuple[Expr, str, Any]]] = defaultdict(list)  # shares inside of the loop
        self.later: dict[Node, list[tuple[Node, int]]] = defaultdict(list)  # and those that are made after it
        self._differentiate()

    # — derivation ————————————————————————————————————————————————————————————————————————————————————————————

    def symbol(self, node: Node, kind: str = "", whole: bool = False) -> Any:
        if node.op == NUMBER:
            return node.example
        array = np.ones_like(node.example) if kind else node.example
        if whole and node.stage != ONCE:
            array = np.broadcast_to(array, (2, *array.shape))
        return Symbol(array, Expr(leaf=(kind, node)), self.step.rows)

    def computed(self, node: Node, whole: bool = False, as_call: bool = True) -> Expr:
        """The formula that makes a value: NumPy's where it is a single operation, otherwise a call of the op's name."""
        op, inputs = registry[node.op], [self.symbol(x, "", whole) for x in node.inputs]
        try:
            traced = op.forward(*inputs, **node.settings)
        except (CannotCompile, TypeError, ValueError, AttributeError):
            traced = None
        if isinstance(traced, Symbol) and node.op != "sigmoid" and (traced.expr.is_simple or not as_call):
            return traced.expr
        self.helpers.add(op.name)
        gaps = ", ".join(["{}"] * len(inputs) + [f"{name}={{}}" for name in node.settings])
        parts = tuple(written(part, self.step.rows) for part in (*inputs, *node.settings.values()))
        return Expr(f"{op.name}({gaps})", parts, needs=(0,) * len(parts))

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
        read = {base_of(node): None for node in self._read()}
        loop = [node for node in read if node.stage == LOOP and node.inputs]
        self.kept = {node: None for node in loop if all(node is not out for out in self.outs.values())}
        self.lives = in_place(self, set(read))

    def _read(self) -> list[Node]:
        """The values that the way back reads."""
        exprs = [expr for terms in self.sent.values() for expr, _, _ in terms]
        wanted = [leaf[1] for expr in exprs for leaf in expr.leaves() if not leaf[0]]
        for waiting in self.later.values():
            for node, k in waiting:
                if node.op == "matmul":
                    wanted.append(node.inputs[1 - k])
                else:
                    share = next(share for j, share, _ in self.shares(node) if j == k)
                    wanted += [leaf[1] for leaf in share.expr.leaves() if not leaf[0]]
        for node in self.nodes:
            if node.stage == AHEAD and node.inputs and node.op != STOP and not node.columns:
                for _, share, _ in self.shares(node, whole=True):
                    expr = (share.values if isinstance(share, Piece) else share).expr
                    wanted += [leaf[1] for leaf in expr.leaves() if not leaf[0]]
        return wanted

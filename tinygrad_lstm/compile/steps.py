"""What is done at one step, forward and on the way back, in order: the texts for NumPy and for numba are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .gradients import Gradients, tile
from .symbols import Expr
from .values import LOOP, Node
from .wording import located, placed


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
    comment: str = ""
    added: bool = False
    at: Expr | None = None
    is_basic: bool = True


def forward_steps(graph: Gradients, as_call: bool = True) -> Iterator[Assignment]:
    """What makes each value of the loop that is no part of another, as a call of its op or as a formula."""
    for node in graph.nodes:
        if node.stage == LOOP and node.made and not node.columns:
            yield Assignment(node, "", graph.computed(node, as_call=as_call), located(node.scope, graph.lang))


def backward_steps(graph: Gradients) -> Iterator[Assignment]:
    """What makes the gradients of the loop's values, from the newest to the oldest, and those of the states before."""
    for node in reversed(graph.nodes):
        if node in graph.sent and node not in graph.aliases:
            yield from _arriving(graph, node)
    for field in graph.fields:
        leaf = graph.leaves[f"{field}_prev"]
        if leaf in graph.aliases:
            yield Assignment(leaf, "before", Expr(leaf=("d", leaf)))
        elif not graph.sent.get(leaf):
            yield Assignment(leaf, "before", None)


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
            comment = placed(to.scope, share.rule.split("\n") if share.rule else [], graph.lang)
            yield Assignment(to, "d", share.expr, comment, to in filled, share.at, share.is_basic)
            filled.add(to)
    if carried and node in graph.stored:
        yield Assignment(node, "stored", Expr(leaf=("d", node)))

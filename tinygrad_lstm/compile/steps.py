"""What is done at one step, forward and on the way back, in order: the texts for NumPy and for numba are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .compose import tile
from .gradients import Gradients
from .passes import LOOP, STOP, Node, base_of
from .symbols import Expr
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


def forward_steps(graph: Gradients, as_call: bool = True) -> Iterator[Assignment]:
    """What makes each value of the loop that is no part of another, as a call of its op or as a formula."""
    for node in graph.nodes:
        if node.stage == LOOP and node.inputs and node.op != STOP and not node.columns:
            yield Assignment(node, "", graph.computed(node, as_call=as_call), located(node.scope, graph.lang))


def backward_steps(graph: Gradients) -> Iterator[Assignment]:
    """What makes the gradients of the loop's values, from the newest to the oldest, and those of the states before."""
    for node in reversed(graph.nodes):
        if node.stage == LOOP and node in graph.sent and node.op != STOP and not node.columns:
            yield from _arriving(graph, node)
    for field in graph.fields:
        leaf = graph.leaves[f"{field}_prev"]
        if leaf in graph.aliases:
            yield Assignment(leaf, "before", Expr(leaf=("d", leaf)))
        elif not graph.sent.get(leaf):
            yield Assignment(leaf, "before", None)


def _arriving(graph: Gradients, node: Node) -> Iterator[Assignment]:
    """A value's gradient, and first those of some of its columns."""
    if node in graph.aliases:
        return
    cuts = [cut for cut in graph.sent if cut.columns and base_of(cut) is node and cut.stage == LOOP]
    carried = bool(graph.field_of(node))
    tiled = tile([cut.columns for cut in cuts if cut.columns], node.shape[-1])
    if cuts and not tiled and not carried:
        yield Assignment(node, "d", None)
    for cut in cuts:
        yield from _filled(graph, cut, carried or not tiled)
    yield from _filled(graph, node, carried or bool(cuts))
    if carried and node in graph.stored:
        yield Assignment(node, "stored", Expr(leaf=("d", node)))


def _filled(graph: Gradients, node: Node, filled: bool) -> Iterator[Assignment]:
    """All shares, put into the gradient of a value or of some columns, or added to what is there."""
    for expr, rule, at in graph.sent[node]:
        if type(at) is tuple:
            continue
        if at is not None and not filled:
            yield Assignment(node, "d", None)
        comment = placed(node.scope, rule.split("\n") if rule else [], graph.lang)
        yield Assignment(node, "d", expr, comment, filled, at)
        filled = True

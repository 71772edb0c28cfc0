"""Which values need no array of their own, and which need not be made before the loop."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

from .values import AHEAD, LOOP, ONCE, POINTWISE, Node, base_of


class Reusing(Protocol):
    """What is asked of `Gradients`, which this file does not know."""

    nodes: list[Node]
    users: dict[Node, list[Node]]

    def field_of(self, node: Node) -> str: ...


def in_place(graph: Reusing, read: set[Node]) -> dict[Node, Node]:
    """By value the input in whose place it is put, step by step.

    That is made ahead for all steps (the part of x in a sum, say), or is itself in such a place; of its columns each
    has one user, which is the new value; and the way back reads it nowhere (`read` are the values that it reads).
    """
    lives: dict[Node, Node] = {}

    def is_free(u: Node) -> bool:
        base = base_of(u)
        cuts = sorted(cut.columns for cut in graph.users[base] if cut.columns)
        apart = len(cuts) == len(graph.users[base]) and all(a[1] <= b[0] for a, b in pairwise(cuts))
        fresh = base.stage == AHEAD and (base.op in POINTWISE or base.op == "matmul")
        return (fresh or base in lives) and base not in read and len(graph.users[u]) == 1 and (u is base or apart)

    for node in graph.nodes:
        if node.stage == LOOP and node.op in POINTWISE and not graph.field_of(node):
            place = next((u for u in node.inputs if u.shape == node.shape and is_free(u)), None)
            if place is not None and node.inputs.count(place) == 1:
                lives[node] = place
    return lives


def made_in_loop(graph: Reusing) -> dict[Node, Node]:
    """Products of x that a compiled loop makes on its way, and in whose array: the product's, or its sum's with a bias.

    Made before the loop, for all steps at once, they would go to the memory and back until they are used.
    """

    def users(node: Node) -> list[Node]:
        return [user for one in graph.users[node] for user in (users(one) if one.columns else [one])]

    found = {}
    for node in graph.nodes:
        if node.op == "matmul" and node.stage == AHEAD:
            own, total = node, graph.users[node][0]
            if len(graph.users[node]) == 1 and total.op == "add" and total.inputs[0] is node:
                own = total if total.stage == AHEAD and total.inputs[1].stage == ONCE else node
            if all(user.stage == LOOP for user in users(own)):
                found[node] = own
    return found

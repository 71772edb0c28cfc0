"""The text of a whole sequence: what the passes left in the loop is done step by step, all else at once."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from ..spoken import Language
from .derive import computed, helper, helpers_of
from .gradients import Gradients, tile
from .loops import Loop, backward_steps, forward_steps
from .naming import at_all
from .passes import PASSES, joined_scope
from .reuse import made_in_loop
from .symbols import Expr
from .tape import Recorded
from .values import AHEAD, LOOP, NUMBER, ONCE, STOP, Node, base_of
from .wording import INDENT, SEQUENCE, SEQUENCE_BACK, commented, documented, listed, noted
from .write import Arrivals

SIGMOID = '''def sigmoid(x, out=None):
    """σ(x) = ½ + ½ tanh(x/2)."""
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out
'''
SQUASH = '''def squash(z, scale, shift):
    """σ(z) = ½ + ½ tanh(z/2) where the scale is ½, tanh(z) where it is 1, by one tanh of all columns."""
    z *= scale
    np.tanh(z, out=z)
    z *= scale
    z += shift
'''


class Sequence:
    """The program of one recorded step carried along a sequence: `text()` has `forward` and `backward`.

    forward(xs, over, h_0, …, parameters) -> (states, kept), with xs (time, batch, input), states (n, time + 1, batch,
    hidden), and over a list of the rows, at each step, that keep their state, or None.
    backward(dstates, kept, xs, over, parameters) -> dxs, dh_0, …, and that of each parameter.
    """

    def __init__(self, step: Recorded, lang: Language = "en") -> None:
        self.graph, self.lang = Gradients(step), lang
        self.comma = "," * (len(self.graph.fields) == 1)
        self.starts = [f"{field}_0" for field in self.graph.fields]
        self.ds = [f"d{field}" for field in self.graph.fields]

    def text(self, calls: tuple[str, str] = ("", "")) -> str:
        """The program; with a call of something else, forward and backward, in the place of each loop."""
        graph = self.graph
        made = {node: computed(node, graph.step.rows) for node in graph.nodes if node.made}
        names = sorted(helpers_of(made))
        body = self._backward(calls[1])
        read = set(re.findall(r"\w+", re.sub("#.*", "", body)))
        early = [graph.names[node] for node in made if node.stage != LOOP]
        kept = ["states", *(f"{graph.names[node]}_all" for node in graph.kept), *(n for n in early if n in read)]
        passes = ", ".join(one.__name__.replace("_", " ") for one in PASSES)
        forward = [
            listed("def forward(", ["xs", "over", *self.starts, *graph.parameters, "empty=np.empty"], "):"),
            documented(SEQUENCE, self.lang, graph.step.cell, passes),
            self._forward(made, calls[0]), listed("kept = [", kept, "]", INDENT), "    return states, kept\n",
        ]  # fmt: skip
        backward = [
            listed("def backward(", ["dstates", "kept", "xs", "over", *graph.parameters, "empty=np.empty"], "):"),
            documented(SEQUENCE_BACK, self.lang), listed("[", kept, "] = kept", INDENT), body,
            listed("return ", ["dxs", *self.ds, *(f"d{name}" for name in graph.parameters)], "\n", INDENT),
        ]  # fmt: skip
        helpers = [SIGMOID if name == "sigmoid" else helper(name) for name in names]
        helpers += [SQUASH] * bool(self._squashed())
        return "\n\n".join(["import numpy as np\n", *helpers, "\n".join(forward), "\n".join(backward)])

    # — forward ———————————————————————————————————————————————————————————————————————————————————————————————

    def _forward(self, made: dict[Node, Expr], call: str) -> str:
        graph, names, rows = self.graph, self.graph.names, f"len({self.starts[0]})"
        shared = {node: graph.lives[node] for node in graph.kept if node in graph.lives}
        early = [node for node in made if node.stage == ONCE or (node.stage == AHEAD and not node.columns)]
        moved = made_in_loop(graph) if call else {}
        places = {n: self._empty(n, rows) if n in moved.values() else "" for n in early if moved.get(n, n) is n}
        first = [
            f"T, dt = len(xs), np.result_type({', '.join(['xs', *self.starts, *graph.parameters])})",
            f"states = np.empty(({len(self.starts)}, T + 1, *{self.starts[0]}.shape), dt)",
            f"{', '.join(map(at_all, graph.fields))}{self.comma} = states",
            *(f"{at_all(field)}[0] = {field}_0" for field in graph.fields),
            *(f"{names[n]}_all = {self._empty(n, rows)}" for n in graph.kept if n not in shared),
            *(noted(f"{names[n]} = {place or self._early(n)}", n.scope) for n, place in places.items()),
            *(f"{names[n]}_all = {graph.whole(at)}  # in its place, step by step" for n, at in shared.items()),
        ]
        if call:
            return "\n".join([*self._laid(first, rows), INDENT + call])
        loop, body, squashed = Loop(graph, rows), list[str](), self._squashed()
        together = {part for parts in squashed.values() for part in parts}
        for step in forward_steps(graph):
            if step.node not in together:
                body.append(loop.line(step))
            if step.node in squashed:
                body.append(self._squash(loop, step.node, squashed))
        body.append("if gone is not None:  # rows that are over keep their state")
        for field, out in graph.outs.items():
            new, old = loop.place("", out), loop.place("", graph.leaves[f"{field}_prev"])
            body.append(f"    {new}[gone] = {old}[gone]")
        head = loop.head({"gone": "over"} | loop.through, INDENT)
        return "\n".join([*self._laid([*first, *loop.before], rows), *head, *self._laid(body, rows, 2 * INDENT)])

    def _empty(self, node: Node, rows: str) -> str:
        """An array for a value, or its gradient, at all steps."""
        return f"empty((T, {self.graph.shape(node, rows)}), dt)"

    def _early(self, node: Node) -> str:
        """What makes a value before the loop; where the loop will put others in its place, in their dtype."""
        graph = self.graph
        text = computed(node, graph.step.rows, node.stage == AHEAD).text(lambda leaf: graph.whole(leaf[1]))
        if node.stage == ONCE:
            return text
        left = node.inputs[0]
        if node.op == "matmul":  # one product for all steps and rows
            width, wide, right = left.shape[-1], node.shape[-1], graph.whole(node.inputs[1])
            out = f"empty((T * len({self.starts[0]}), {wide}), dt)"
            return f"np.matmul({graph.whole(left)}.reshape(-1, {width}), {right}, out={out}).reshape(T, -1, {wide})"
        if node.op == "add" and left.op == "matmul" and left.stage == AHEAD and graph.users[left] == [node]:
            return f"np.add({', '.join(map(graph.whole, node.inputs))}, out={graph.whole(left)})"
        return f"{text}.astype(dt, copy=False)" if text.isidentifier() else f"({text}).astype(dt, copy=False)"

    def _squashed(self) -> dict[Node, list[Node]]:
        """Values whose columns become σ of themselves, or tanh, in their place: by one tanh of all, which is faster."""
        lives, found = self.graph.lives, defaultdict(list)
        for node, place in sorted(lives.items(), key=lambda pair: pair[1].columns or (0, 0)):
            if node.op in ("sigmoid", "tanh") and place.columns and place.inputs[0] in lives:
                found[place.inputs[0]].append(node)
        return {
            base: parts for base, parts in found.items()
            if tile([lives[node].columns or (0, 0) for node in parts], base.shape[-1])
        }  # fmt: skip

    def _squash(self, loop: Loop, base: Node, squashed: dict[Node, list[Node]]) -> str:
        """The line for σ(z) = ½ + ½ tanh(z/2) of some columns and tanh(z) of the others."""
        parts, k = squashed[base], list(squashed).index(base) + 1
        scales = ", ".join("0.5" if node.op == "sigmoid" else "1" for node in parts)
        widths = ", ".join(str(node.shape[-1]) for node in parts)
        scale = f"scale_{k} = np.repeat(np.array([[{scales}]], dt), [{widths}], axis=1).repeat({loop.rows}, axis=0)"
        loop.before |= {scale: None, f"shift_{k} = 1 - scale_{k}": None}
        return noted(f"squash({loop.place('', base)}, scale_{k}, shift_{k})", joined_scope(parts))

    # — the way back ——————————————————————————————————————————————————————————————————————————————————————————

    def _backward(self, call: str) -> str:
        """The loop back through the steps, block by block, and after it what is done for all at once."""
        graph, ds, rows = self.graph, self.ds, f"len({self.ds[0]})"
        olds = [f"d{graph.names[graph.leaves[f'{field}_prev']]}" for field in graph.fields]
        loop, given = Loop(graph, rows), {f"given_{field}": f"dstates[{k}]" for k, field in enumerate(graph.fields)}
        lines = [
            *(f"{d} += given_{d[1:]}" for d in ds),
            "if gone is not None:  # what has arrived there passes to the step before",
            f"    past = [{', '.join(f'{d}[gone]' for d in ds)}]",
            f"    {' = '.join(f'{d}[gone]' for d in ds)} = 0",
            *map(loop.line, backward_steps(graph)),
            "if gone is not None:",
            f"    {', '.join(f'{old}[gone]' for old in olds)}{self.comma} = past",
            f"{', '.join([*ds, *olds])} = {', '.join([*olds, *ds])}  # the step before comes next",
        ]
        first = [
            f"{', '.join(map(at_all, graph.fields))}{self.comma} = states",
            "T, dt = len(xs), states.dtype",
            *(f"{d} = np.zeros_like({at_all(d[1:])}[0])" for d in ds),
            *(f"{old} = np.empty_like({d})" for d, old in zip(ds, olds, strict=True)),
            *(f"d{graph.names[n]}_all = {self._empty(n, rows)}" for n in graph.stored),
        ]
        after = self._laid(self._after(), rows)
        if call:
            return "\n".join([*self._laid(first, rows), INDENT + call, *after])
        size = "size = max(1, 2**15 // states[0, 0].size)  # steps of a block: what fits into the cache"
        block = ["steps = slice(max(0, end - size), end)", *(f"{name} = {text}" for text, name in loop.factors.items())]
        made = set(loop.factors.values())
        arrays = {"gone": "over"} | given | loop.through
        arrays = {name: f"{array}{'' if array in made else '[steps]'}[::-1]" for name, array in arrays.items()}
        return "\n".join([
            *self._laid([*first, *loop.before, size], rows), "    for end in range(T, 0, -size):",
            *self._laid(block, rows, 2 * INDENT), *loop.head(arrays, 2 * INDENT),
            *self._laid(lines, rows, 3 * INDENT), *after,
        ])  # fmt: skip

    def _after(self) -> list[str]:
        """What is done for all steps at once when the loop is over: gradients of what was made before it."""
        graph = self.graph

        def text_of(leaf: Any) -> str:
            kind, node = leaf
            return arrivals.aliases.get(node, graph.whole(node, kind)) if kind else graph.whole(node)

        short = {node for node in graph.nodes if node.stage == ONCE and node.op == "take"}
        arrivals, lines = Arrivals(text_of, short), list[str]()
        for node in [*(leaf for leaf in graph.leaves.values() if leaf not in graph.nodes), *reversed(graph.nodes)]:
            if node.stage != LOOP and node.op not in (STOP, NUMBER) and base_of(node) is node:
                name = "dxs" if node.op == "x" else f"d{graph.names[node]}"
                lines += arrivals.lines(node, name, graph.whole(node), graph.sent.get(node, []))
        return lines

    def _laid(self, lines: list[str], rows: str, indent: str = INDENT) -> list[str]:
        """Lines as text; what is recorded as the rows of x are those of a state."""
        return commented((line.replace("len(x)", rows) for line in lines), self.lang, indent)

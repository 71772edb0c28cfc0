"""The text of a whole sequence: what the passes left in the loop is done step by step, all else at once."""

from __future__ import annotations

import re
from collections import defaultdict

from ..op import registry
from .compose import tile
from .gradients import Gradients
from .loops import into, loop
from .passes import AHEAD, LOOP, ONCE, PASSES, STOP, Node
from .steps import forward_steps
from .symbols import ATOM, Expr
from .tape import Recorded
from .way_back import WayBack
from .wording import OVER, PLACE, SEQUENCE, Language, located, said
from .write import commented, documented, helper, listed

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
Line = tuple[str, str]


class Sequence:
    """The program of one recorded step carried along a sequence: `text()` has `forward` and `backward`.

    forward(xs, over, h_0, …, parameters) -> (states, kept), with xs (time, batch, input), states (n, time + 1, batch,
    hidden), and over a list of the rows, at each step, that keep their state, or None.
    backward(dstates, kept, xs, over, parameters) -> dxs, dh_0, …, and that of each parameter.
    """

    def __init__(self, step: Recorded, lang: Language = "en") -> None:
        self.graph, self.lang = Gradients(step, lang), lang
        self.back = WayBack(self.graph)
        self.through: dict[str, str] = {}  # what the loop goes through: names of one step, and the arrays of all
        self.scales: dict[Node, int] = {}  # numbers of the arrays for `squash`, by what becomes σ and tanh of itself
        self.before: list[Line] = []  # arrays that each step writes anew, and views of them

    def text(self, calls: tuple[str, str] | None = None) -> str:
        """The program; with a call of something else, forward and backward, in the place of each loop."""
        forth, back = calls or ("", "")
        body = self.back.body(back)
        read = set(re.findall(r"\w+", body))
        names = self.graph.names
        early = [names[node] for node in self.graph.nodes if node.stage != LOOP and node.inputs and node in names]
        kept = ["states", *(f"{names[node]}_all" for node in self.graph.kept), *(n for n in early if n in read)]
        forward, backward = self._forward(kept, forth), self.back.text(kept, body)
        helpers = [SIGMOID if name == "sigmoid" else helper(registry[name]) for name in sorted(self.graph.helpers)]
        helpers += [SQUASH] * bool(self.scales)
        return "\n\n".join(["import numpy as np\n", *helpers, forward + "\n", backward + "\n"])

    def _local(self, node: Node) -> str:
        """What stands for a value at one step; notes how it is come by."""
        graph = self.graph
        if node.op == STOP:
            return self._local(node.inputs[0])
        if node.stage == ONCE:
            return graph.whole(node)
        node = graph.resident(node)
        name = graph.names[node]
        if node.columns:
            parent = node.inputs[0]
            if self._is_buffer(parent):
                start, stop = node.columns
                self._note(f"{name} = {graph.names[parent]}[..., {start}:{stop}]")
            else:
                self.through[name] = graph.whole(node)
            return name
        if node.stage == AHEAD:
            name = "x" if node.op == "x" else f"{name}_t"
        if not self._is_buffer(node):
            self.through[name] = graph.whole(node)
        return name

    def _is_buffer(self, node: Node) -> bool:
        """Whether a value of the loop is needed at its own step alone, so that one array does for all."""
        loop = node.stage == LOOP and node.inputs and node.op != STOP
        elsewhere = node in self.graph.kept or node in self.graph.lives or self.graph.field_of(node)
        return bool(loop and not elsewhere)

    def _note(self, line: str) -> None:
        if (line, "") not in self.before:
            self.before.append((line, ""))

    def _local_text(self, expr: Expr) -> str:
        return expr.text(lambda leaf: (self._local(leaf[1]), ATOM))[0]

    def _early(self, node: Node) -> str:
        """What makes a value before the loop; where the loop will put others in its place, in their dtype."""
        graph = self.graph
        text = graph.text(graph.computed(node, node.stage == AHEAD))
        if node.stage == ONCE:
            return text
        left = node.inputs[0]
        if node.op == "matmul":  # one product for all steps and rows
            width, wide, right = left.shape[-1], node.shape[-1], graph.whole(node.inputs[1])
            out = f"empty((T * len({graph.fields[0]}_0), {wide}), dt)"
            return f"np.matmul({graph.whole(left)}.reshape(-1, {width}), {right}, out={out}).reshape(T, -1, {wide})"
        if node.op == "add" and left.op == "matmul" and left.stage == AHEAD and graph.users[left] == [node]:
            return f"np.add({', '.join(map(graph.whole, node.inputs))}, out={graph.whole(left)})"
        return f"{text}.astype(dt, copy=False)" if text.isidentifier() else f"({text}).astype(dt, copy=False)"

    def _squashed(self) -> dict[Node, list[Node]]:
        """Values whose columns become σ of themselves, or tanh, in their place: by one tanh of all, which is faster."""
        found = defaultdict(list)
        for node, place in self.graph.lives.items():
            if node.op in ("sigmoid", "tanh") and place.columns and place.inputs[0] in self.graph.lives:
                found[place.inputs[0]].append(node)
        return {base: parts for base, parts in found.items() if self._tiled(parts, base)}

    def _tiled(self, parts: list[Node], base: Node) -> bool:
        return tile([self.graph.lives[node].columns or (0, 0) for node in parts], base.shape[-1])

    def _squash(self, base: Node, parts: list[Node], rows: str) -> list[Line]:
        """The lines for σ(z) = ½ + ½ tanh(z/2) of some columns and tanh(z) of the others."""
        parts = sorted(parts, key=lambda node: self.graph.lives[node].columns or (0, 0))
        scales = ", ".join("0.5" if node.op == "sigmoid" else "1" for node in parts)
        widths = ", ".join(str(node.shape[-1]) for node in parts)
        name, k = self.graph.names[self.graph.resident(base)], self.scales.setdefault(base, len(self.scales) + 1)
        self._note(f"scale_{k} = np.repeat(np.array([[{scales}]], dt), [{widths}], axis=1).repeat({rows}, axis=0)")
        self._note(f"shift_{k} = 1 - scale_{k}")
        return [(f"squash({name}, scale_{k}, shift_{k})", located(parts[0].scope, self.lang))]

    def _forward(self, kept: list[str], call: str) -> str:
        graph, fields = self.graph, self.graph.fields
        early, body = list[Line](), list[Line]()
        rows = f"len({fields[0]}_0)"
        shared = [node for node in graph.kept if node in graph.lives]
        alone = [node for node in graph.kept if node not in graph.lives]
        for node in graph.nodes:
            if node.inputs and node.op != STOP and node.stage != LOOP and (node.stage == ONCE or not node.columns):
                early.append((f"{graph.names[node]} = {self._early(node)}", located(node.scope, self.lang)))
        squashed = self._squashed()
        together = {part for parts in squashed.values() for part in parts}
        for step in forward_steps(graph):
            if step.node in together:
                continue
            if self._is_buffer(step.node):
                self._note(f"{graph.names[step.node]} = np.empty(({graph.shape(step.node, rows)}), dt)")
            assert step.expr is not None
            body.append((into(self._local(step.node), step.expr, self._local_text), step.comment))
            if step.node in squashed:
                body += self._squash(step.node, squashed[step.node], rows)
        news = [self._local(out) for out in graph.outs.values()]
        olds = [self._local(graph.leaves[f"{field}_prev"]) for field in fields]
        body.append(("if gone is not None:", said(OVER, self.lang)))
        body += [(f"    {new}[gone] = {old}[gone]", "") for new, old in zip(news, olds, strict=True)]
        starts = [f"{field}_0" for field in fields]
        some = ", ".join(["xs", *starts, *graph.parameters])
        first: list[Line] = [
            (f"T, dt = len(xs), np.result_type({some})", ""),
            (f"states = np.empty(({len(starts)}, T + 1, *{starts[0]}.shape), dt)", ""),
            (f"{', '.join(f'{field}s' for field in fields)}{',' * (len(starts) == 1)} = states", ""),
            *((f"{field}s[0] = {field}_0", "") for field in fields),
            *((f"{graph.names[n]}_all = empty((T, {graph.shape(n, rows)}), dt)", "") for n in alone),
        ]
        early += [(f"{graph.names[n]}_all = {graph.whole(graph.lives[n])}", said(PLACE, self.lang)) for n in shared]
        doc = said(SEQUENCE, self.lang).format(
            graph.step.cell, ", ".join(one.__name__.replace("_", " ") for one in PASSES)
        )
        steps = [*loop(self.through, "over", "", "    "), *("    " + line for line in commented(body))]
        text = "\n".join([
            listed("def forward(", ["xs", "over", *starts, *graph.parameters, "empty=np.empty"], "):"), documented(doc),
            *commented([*first, *early, *(self.before if not call else [])]), *([f"    {call}"] if call else steps),
            listed("kept = [", kept, "]", "    "), "    return states, kept",
        ])  # fmt: skip
        return text.replace("len(x)", rows)

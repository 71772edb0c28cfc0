"""The text of a whole sequence: what the passes left in the loop is done step by step, all else at once."""

from __future__ import annotations

import re

from ..op import registry
from .gradients import Gradients
from .loops import into, loop
from .passes import AHEAD, LOOP, ONCE, PASSES, STOP, Node
from .symbols import ATOM, CannotCompile, Expr, Symbol, written
from .tape import Recorded
from .way_back import WayBack
from .wording import OVER, SEQUENCE, Language, located, said
from .write import commented, documented, helper, listed

SIGMOID = '''def sigmoid(x, out=None):
    """σ(x) = ½ + ½ tanh(x/2)."""
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out
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
        self.helpers: set[str] = set()
        self.through: dict[str, str] = {}  # what the loop goes through: names of one step, and the arrays of all
        self.before: list[Line] = []  # arrays that each step writes anew, and views of them

    def text(self) -> str:
        body = self.back.body()
        read = set(re.findall(r"\w+", body))
        names = self.graph.names
        early = [names[node] for node in self.graph.nodes if node.stage != LOOP and node.inputs and node in names]
        kept = ["states", *(f"{names[node]}_all" for node in self.graph.kept), *(n for n in early if n in read)]
        forward, backward = self._forward(kept), self.back.text(kept, body)
        helpers = [SIGMOID if name == "sigmoid" else helper(registry[name]) for name in sorted(self.helpers)]
        return "\n\n".join(["import numpy as np\n", *helpers, forward + "\n", backward + "\n"])

    def _local(self, node: Node) -> str:
        """What stands for a value at one step; notes how it is come by."""
        graph = self.graph
        if node.op == STOP:
            return self._local(node.inputs[0])
        if node.stage == ONCE:
            return graph.whole(node)
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
        return bool(loop and node not in self.graph.kept and not self.graph.field_of(node))

    def _note(self, line: str) -> None:
        if (line, "") not in self.before:
            self.before.append((line, ""))

    def _local_text(self, expr: Expr) -> str:
        return expr.text(lambda leaf: (self._local(leaf[1]), ATOM))[0]

    def _computed(self, node: Node, whole: bool) -> Expr:
        """The formula that makes a value: NumPy's where it is a single operation, otherwise a call of the op's name."""
        op, inputs = registry[node.op], [self.graph.symbol(x, "", whole) for x in node.inputs]
        try:
            traced = op.forward(*inputs, **node.settings)
        except (CannotCompile, TypeError, ValueError, AttributeError):
            traced = None
        if isinstance(traced, Symbol) and traced.expr.is_simple and node.op != "sigmoid":
            return traced.expr
        self.helpers.add(op.name)
        gaps = ", ".join(["{}"] * len(inputs) + [f"{name}={{}}" for name in node.settings])
        parts = tuple(written(part, self.graph.step.rows) for part in (*inputs, *node.settings.values()))
        return Expr(f"{op.name}({gaps})", parts, needs=(0,) * len(parts))

    def _forward(self, kept: list[str]) -> str:
        graph, fields = self.graph, self.graph.fields
        early, body = list[Line](), list[Line]()
        rows = f"len({fields[0]}_0)"
        for node in graph.nodes:
            if not node.inputs or node.op == STOP or (node.columns and node.stage != ONCE):
                continue
            where = located(node.scope, self.lang)
            if node.stage != LOOP:
                text = graph.text(self._computed(node, node.stage == AHEAD))
                if node.stage == AHEAD and node.op == "matmul":  # one product for all steps and rows
                    left, right = map(graph.whole, node.inputs)
                    width, wide = node.inputs[0].shape[-1], node.shape[-1]
                    text = f"({left}.reshape(-1, {width}) @ {right}).reshape(T, -1, {wide})"
                early.append((f"{graph.names[node]} = {text}", where))
                continue
            expr, name = self._computed(node, False), graph.names[node]
            if self._is_buffer(node):
                self._note(f"{name} = np.empty(({graph.shape(node, rows)}), dt)")
            body.append((into(self._local(node), expr, self._local_text), where))
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
            *((f"{graph.names[n]}_all = np.empty((T, {graph.shape(n, rows)}), dt)", "") for n in graph.kept),
        ]
        doc = said(SEQUENCE, self.lang).format(
            graph.step.cell, ", ".join(one.__name__.replace("_", " ") for one in PASSES)
        )
        text = "\n".join([
            listed("def forward(", ["xs", "over", *starts, *graph.parameters], "):"), documented(doc),
            *commented([*first, *early, *self.before]), *loop(self.through, "over", "", "    "),
            *("    " + line for line in commented(body)),
            listed("kept = [", kept, "]", "    "), "    return states, kept",
        ])  # fmt: skip
        return text.replace("len(x)", rows)

"""The text of a whole sequence: what the passes left in the loop is done step by step, all else at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..op import Piece, registry
from .derive import fitted, index_of
from .gradients import Gradients, base_of
from .passes import AHEAD, LOOP, NUMBER, ONCE, PASSES, STOP, Node
from .symbols import OPERATORS, CannotCompile, Expr, Symbol, written
from .wording import GONE, OVER, SEQUENCE, SEQUENCE_BACK, located, placed, said
from .write import commented, documented, helper, listed

INTO = {sign: f"np.{name}" for name, (sign, _) in OPERATORS.items()}
SIGMOID = '''def sigmoid(x, out=None):
    """σ(x) = ½ + ½ tanh(x/2)."""
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out
'''
Line = tuple[str, str]


class Sequence(Gradients):
    """The program of one recorded step carried along a sequence: `text()` has `forward` and `backward`.

    forward(xs, over, h_0, …, parameters) -> (states, kept), with xs (time, batch, input), states (n, time + 1, batch,
    hidden), and over a list of the rows, at each step, that keep their state, or None.
    backward(dstates, kept, xs, over, parameters) -> dxs, dh_0, …, and that of each parameter.
    """

    def text(self) -> str:
        backward = self._backward()
        forward = self._forward()
        helpers = [SIGMOID if name == "sigmoid" else helper(registry[name]) for name in sorted(self.helpers)]
        rows = {"forward": f"len({self.fields[0]}_0)", "backward": f"len(d{self.fields[0]})"}  # x is that of all steps
        forward, backward = forward.replace("len(x)", rows["forward"]), backward.replace("len(x)", rows["backward"])
        return "\n\n".join(["import numpy as np\n", *helpers, forward + "\n", backward + "\n"])

    def _computed(self, node: Node, whole: bool) -> Expr:
        op, inputs = registry[node.op], [self._symbol(x, "", whole) for x in node.inputs]
        try:
            traced = op.forward(*inputs, **node.settings)
        except (CannotCompile, TypeError, ValueError, AttributeError):
            traced = None
        if isinstance(traced, Symbol) and traced.expr.is_simple and node.op != "sigmoid":
            return traced.expr
        self.helpers.add(op.name)
        gaps = ", ".join(["{}"] * len(inputs) + [f"{name}={{}}" for name in node.settings])
        parts = tuple(written(part, self.step.rows) for part in (*inputs, *node.settings.values()))
        return Expr(f"{op.name}({gaps})", parts, needs=(0,) * len(parts))

    def _forward(self) -> str:
        once, ahead, body = list[Line](), list[Line](), list[Line]()
        for node in self.nodes:
            if not node.inputs or node.op == STOP or (node.columns and node.stage != ONCE):
                continue
            expr, where = self._computed(node, node.stage == AHEAD), located(node.scope, self.lang)
            if node.stage != LOOP:
                line = f"{self.names[node]} = {self._text(expr, True)}"
                (once if node.stage == ONCE else ahead).append((line, where))
                continue
            text = self._text(expr, False, True)
            field = next((field for field, out in self.outs.items() if out is node), "")
            if field:
                body.append((f"{self.names[node]} = {field}s[t + 1]", ""))
            elif node in self.kept:
                body.append((f"{self.names[node]} = {self.names[node]}_all[t]", ""))
            else:
                body.append((f"{self.names[node]} = {text}", where))
                continue
            put = into(self.names[node], expr, lambda e: self._text(e, False, True))
            body.append((put, where))
        for field, out in self.outs.items():
            if out.stage != LOOP or not out.inputs or out.columns or out.op == STOP:
                body.append((f"{field}s[t + 1] = {self._value(out, False, True)}", ""))
        body.append(("if over[t] is not None:", said(OVER, self.lang)))
        body += [(f"    {field}s[t + 1, over[t]] = {field}s[t, over[t]]", "") for field in self.fields]
        kept = self._handed_on()
        starts = [f"{field}_0" for field in self.fields]
        some = ["xs", *starts, *self.parameters]
        before = [
            ("T, dt = len(xs), np.result_type(" + ", ".join(some) + ")", ""),
            (f"states = np.empty(({len(starts)}, T + 1, *{starts[0]}.shape), dt)", ""),
            (f"{', '.join(f'{field}s' for field in self.fields)}{',' * (len(starts) == 1)} = states", ""),
            *((f"{field}s[0] = {field}_0", "") for field in self.fields),
        ]
        for node in self.kept:
            before.append((f"{self.names[node]}_all = np.empty({self._size(node, starts[0])}, dt)", ""))
        doc = said(SEQUENCE, self.lang).format(
            self.step.cell, ", ".join(one.__name__.replace("_", " ") for one in PASSES)
        )
        return "\n".join([
            listed("def forward(", ["xs", "over", *starts, *self.parameters], "):"), documented(doc),
            *commented([*before, *once, *ahead]), "    for t in range(T):",
            *("    " + line for line in commented(body)),
            listed("kept = [", kept, "]", "    "), "    return states, kept",
        ])  # fmt: skip

    def _handed_on(self) -> list[str]:
        """What was made on the way forward and the way back reads: of the loop, and what was made once or ahead."""
        early = [
            self.names[node] for node in self.nodes
            if node.stage != LOOP and node.inputs and node in self.names
        ]  # fmt: skip
        read = set(re.findall(r"\w+", self._way_back))
        return ["states", *(f"{self.names[node]}_all" for node in self.kept), *(name for name in early if name in read)]

    def _backward(self) -> str:
        before: list[Line] = [
            (f"{', '.join(f'{field}s' for field in self.fields)}{',' * (len(self.fields) == 1)} = states", ""),
            ("T, dt = len(xs), states.dtype", ""),
            *((f"d{field} = np.zeros_like({field}s[0])", "") for field in self.fields),
        ]
        like = f"{self.fields[0]}s[0]"
        before += [(f"d{self.names[node]}_all = np.empty({self._size(node, like)}, dt)", "") for node in self.stored]
        dstates = [f"d{field}[over[t]]" for field in self.fields]
        body: list[Line] = [(f"d{field} = d{field} + dstates[{k}][t]", "") for k, field in enumerate(self.fields)]
        body += [
            ("if over[t] is not None:", said(GONE, self.lang)),
            (f"    gone = [{', '.join(dstates)}]", ""),
            (f"    {' = '.join(dstates)} = 0", ""),
        ]
        for node in reversed(self.nodes):
            if node.stage == LOOP and node in self.sent and node.op != STOP:
                body += self._arriving(node)
        for field in self.fields:
            leaf = self.leaves[f"{field}_prev"]
            gradient = self._gradient(leaf, False) if leaf in self.sent else f"np.zeros_like(d{field})"
            body.append((f"d{field} = {gradient}", ""))
        body += [("if over[t] is not None:", ""), (f"    {', '.join(dstates)}, = gone", "")]
        after: list[Line] = []
        for node in [*(leaf for leaf in self.leaves.values() if leaf not in self.nodes), *reversed(self.nodes)]:
            if node.stage != LOOP and node.op not in (STOP, NUMBER):
                after += self._after(node)
        results = ["dxs", *(f"d{field}" for field in self.fields), *(f"d{name}" for name in self.parameters)]
        self._way_back = "\n".join([
            *commented(before), "    for t in reversed(range(T)):", *("    " + line for line in commented(body)),
            *commented(after), listed("return ", results, "", "    "),
        ])  # fmt: skip
        return "\n".join([
            listed("def backward(", ["dstates", "kept", "xs", "over", *self.parameters], "):"),
            documented(said(SEQUENCE_BACK, self.lang)),
            listed("[", self._handed_on(), "] = kept", "    "), self._way_back,
        ])  # fmt: skip

    def _arriving(self, node: Node) -> list[Line]:
        """The lines of the loop that give a value's gradient; that of some columns is a part of the whole one's."""
        if node in self.aliases:
            return []
        parent, lines = base_of(node), list[Line]()
        target, whole = self._gradient(node, False), f"d{self.names[parent]}"
        cuts = [at for _, _, at in self.sent[parent] if type(at) is tuple]
        tiled = bool(cuts) and _tile(cuts, parent.shape[-1])
        terms = [(self._text(e, False), e, rule, at) for e, rule, at in self.sent[node] if type(at) is not tuple]
        carried = [f"d{field}" for field, out in self.outs.items() if out is parent]
        if parent not in self._begun and carried:
            self._begun.add(parent)
            lines += [(f"{whole} = {' + '.join(carried)}", "")] if carried != [whole] else []
        elif parent not in self._begun and (parent in self.stored or node is not parent or cuts):
            self._begun.add(parent)
            given = f"{whole}_all[t]" if parent in self.stored else f"np.empty({self._shape(parent)}, dt)"
            lines.append((f"{whole} = {given}", ""))
            if cuts and not tiled:
                lines.append((f"{whole}[...] = 0", ""))
        view = not carried and parent in self._begun
        for k, (text, expr, rule, at) in enumerate(terms):
            comment = placed(node.scope, [rule] if rule else [], self.lang)
            filled = k > 0 or carried or (node is parent and cuts) or (node is not parent and not tiled)
            if at is not None:
                if not filled:
                    lines.append((f"{target} = np.zeros({self._shape(node)}, dt)", ""))
                lines.append((f"np.add.at({target}, np.s_[{self._text(at, False)}], {text})", comment))
            elif filled:
                lines.append((f"{target} {'+= ' if view or node is not parent else f'= {target} + '}{text}", comment))
            elif view:
                lines.append((into(target, expr, lambda e: self._text(e, False)), comment))
            else:
                lines.append((f"{target} = {text}", comment))
        if carried and node is parent and parent in self.stored:
            lines.append((f"{whole}_all[t] = {whole}", ""))
        return lines

    def _after(self, node: Node) -> list[Line]:
        """The lines behind the loop that give the gradient of what was made before it, and what it sends on."""
        if node.columns and node.stage != ONCE:
            return []
        cuts = [cut for cut in self.nodes if cut.columns and cut.inputs[0] is node and cut.stage != ONCE]
        name = "dxs" if node.op == "x" else f"d{self.names[node]}"
        sent = self._late_shares(node, "") + [
            share for cut in cuts for share in self._late_shares(cut, "..., {}:{}".format(*cut.columns or ()))
        ]
        lines: list[Line] = []
        if not sent or any(at for at, _, _ in sent):
            lines.append((f"{name} = np.zeros_like({'xs' if node.op == 'x' else self.names[node]})", ""))
        for at, text, rule in sent:
            lines.append((f"{name}[{at}] += {text}" if at else f"{name} {'+=' if lines else '='} {text}", rule))
        if sent and node.inputs:
            for k, share, rule in self._shares(node, whole=node.stage == AHEAD):
                self._late_sent.setdefault(node.inputs[k], []).append(self._late(node, k, share, rule))
        return lines

    def _late_shares(self, node: Node, at: str) -> list[tuple[str, str, str]]:
        """What a value, or some columns of one, gets behind the loop: the place, the text and the rule."""
        found = []
        for user, k in self.later[node]:
            share, rule = next((share, rule) for j, share, rule in self._shares(user, whole=True) if j == k)
            found.append(self._late(user, k, share, rule))
        return [(at or place, text, rule) for place, text, rule in found + self._late_sent.pop(node, [])]

    def _late(self, node: Node, k: int, share: Any, rule: str) -> tuple[str, str, str]:
        """A share as text, summed over what its input does not have; of all steps and rows it is one product."""
        x, said_rule = node.inputs[k], said(rule, self.lang)
        if node.op == "matmul" and k == 1 and node.stage != ONCE:
            left, dy = self._value(node.inputs[0], True), self._gradient(node, True)
            return "", f"{left}.reshape(-1, {x.shape[0]}).T @ {dy}.reshape(-1, {x.shape[1]})", said_rule
        if isinstance(share, Piece):
            at = self._text(index_of(share.index, self.step.rows), True)
            return at, self._text(share.values.expr, True), said_rule
        shape = x.shape if x.stage == ONCE else (2, *x.shape)
        return "", self._text(fitted(share, shape).expr, True), said_rule


def into(target: str, expr: Expr, text: Callable[[Expr], str]) -> str:
    """The line that computes a formula into an array that is there, if it can without another one on the way."""
    sign = expr.template[3:-3] if re.fullmatch(r"\{\} \S+ \{\}", expr.template) else ""
    if sign in INTO and sign not in ("&", "|"):
        return f"{INTO[sign]}({', '.join(map(text, expr.parts))}, out={target})"
    if re.fullmatch(r"(sigmoid|np\.(tanh|exp|maximum|minimum|abs|sqrt|logaddexp))\(.*\)", expr.template):
        return f"{text(expr)[:-1]}, out={target})"
    return f"{target}{'' if target.endswith(']') else '[...]'} = {text(expr)}"


def _tile(cuts: list[tuple[int, int]], width: int) -> bool:
    """Whether some columns make up the whole, none of them twice."""
    ends = [0, *(stop for _, stop in sorted(cuts))]
    return [start for start, _ in sorted(cuts)] == ends[:-1] and ends[-1] == width

"""The text of the way back: a loop through the steps, block by block, and after it what is done for all at once."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from ..op import Piece
from .compose import product, scaled
from .derive import fitted, index_of
from .gradients import Gradients
from .loops import into, loop
from .passes import AHEAD, LOOP, NUMBER, ONCE, STOP, Node, base_of
from .steps import Assignment, backward_steps
from .symbols import ATOM, Expr
from .wording import BEFORE, BLOCK, GONE, SEQUENCE_BACK, said
from .write import commented, documented, listed

Line = tuple[str, str]


class Afterwards:
    """What is done for all steps at once when the loop is over: gradients of what was made before it."""

    def __init__(self, graph: Gradients) -> None:
        self.graph, self.lang = graph, graph.lang
        self.late: dict[Node, list[tuple[str, str, str]]] = defaultdict(list)  # shares: place, text and rule

    def lines(self) -> list[Line]:
        graph, lines = self.graph, list[Line]()
        for node in [*(leaf for leaf in graph.leaves.values() if leaf not in graph.nodes), *reversed(graph.nodes)]:
            if node.stage != LOOP and node.op not in (STOP, NUMBER):
                lines += self._after(node)
        return lines

    def _after(self, node: Node) -> list[Line]:
        """The lines that give the gradient of what was made before the loop, and what it sends on."""
        graph = self.graph
        if node.columns and node.stage != ONCE:
            return []
        cuts = [cut for cut in graph.nodes if cut.columns and cut.inputs[0] is node and cut.stage != ONCE]
        name = "dxs" if node.op == "x" else f"d{graph.names[node]}"
        sent = self._late_shares(node, "")
        sent += [share for cut in cuts for share in self._late_shares(cut, "..., {}:{}".format(*cut.columns or ()))]
        lines: list[Line] = []
        if not sent or any(at for at, _, _ in sent):
            lines.append((f"{name} = np.zeros_like({graph.whole(node)})", ""))
        for at, text, rule in sent:
            lines.append((f"{name}[{at}] += {text}" if at else f"{name} {'+=' if lines else '='} {text}", rule))
        if sent and node.inputs:
            for k, share, rule in graph.shares(node, whole=node.stage == AHEAD):
                self.late[node.inputs[k]].append(self._late(node, k, share, rule))
        return lines

    def _late_shares(self, node: Node, at: str) -> list[tuple[str, str, str]]:
        """What a value, or some columns of one, gets behind the loop: the place, the text and the rule."""
        found = []
        for user, k in self.graph.later[node]:
            share, rule = next((share, rule) for j, share, rule in self.graph.shares(user, whole=True) if j == k)
            found.append(self._late(user, k, share, rule))
        return [(at or place, text, rule) for place, text, rule in found + self.late.pop(node, [])]

    def _late(self, node: Node, k: int, share: Any, rule: str) -> tuple[str, str, str]:
        """A share as text, summed over what its input does not have; of all steps and rows it is one product."""
        graph, x, comment = self.graph, node.inputs[k], said(rule, self.lang)
        if node.op == "matmul" and k == 1 and node.stage != ONCE:
            left, dy = graph.whole(node.inputs[0]), graph.gradient(node)
            return "", f"{left}.reshape(-1, {x.shape[0]}).T @ {dy}.reshape(-1, {x.shape[1]})", comment
        if node.op == "matmul" and node.stage != ONCE:
            dy, W = graph.gradient(node), graph.whole(node.inputs[1])
            return "", f"({dy}.reshape(-1, {node.shape[-1]}) @ {W}.T).reshape(T, -1, {x.shape[-1]})", comment
        if isinstance(share, Piece):
            return graph.text(index_of(share.index, graph.step.rows)), graph.text(share.values.expr), comment
        shape = x.shape if x.stage == ONCE else (2, *x.shape)
        return "", graph.text(fitted(share, shape).expr), comment


class WayBack:
    """What does not depend on a gradient is made block by block, so that it is in the cache when its step comes."""

    def __init__(self, graph: Gradients) -> None:
        self.graph, self.lang = graph, graph.lang
        self.through: dict[str, str] = {}  # what the loop goes through: names of one step, and the arrays of all
        self.before: dict[str, None] = {}  # arrays that each step writes anew, and views of them
        self.factors: dict[str, tuple[str, str]] = {}  # by their text: name and comment
        self.rows = f"len(d{graph.fields[0]})"

    def text(self, kept: list[str], body: str) -> str:
        """`backward`, whose body is made already."""
        return "\n".join([
            listed("def backward(", ["dstates", "kept", "xs", "over", *self.graph.parameters, "empty=np.empty"], "):"),
            documented(said(SEQUENCE_BACK, self.lang)), listed("[", kept, "] = kept", "    "), body,
        ])  # fmt: skip

    def body(self, call: str = "") -> str:
        graph, fields = self.graph, self.graph.fields
        for k, field in enumerate(fields):
            self.through[f"given_{field}"] = f"dstates[{k}]"
        ds = [f"d{field}" for field in fields]
        lines: list[Line] = [(f"{d} += given_{field}", "") for d, field in zip(ds, fields, strict=True)]
        lines += [
            ("if gone is not None:", said(GONE, self.lang)),
            (f"    past = [{', '.join(f'{d}[gone]' for d in ds)}]", ""),
            (f"    {' = '.join(f'{d}[gone]' for d in ds)} = 0", ""),
        ]
        lines += map(self._line, backward_steps(graph))
        olds = [f"d{graph.names[graph.leaves[f'{field}_prev']]}" for field in fields]
        comma = "," * (len(fields) == 1)
        lines += [("if gone is not None:", ""), (f"    {', '.join(f'{old}[gone]' for old in olds)}{comma} = past", "")]
        lines.append((f"{', '.join([*ds, *olds])} = {', '.join([*olds, *ds])}", said(BEFORE, self.lang)))
        after = Afterwards(graph).lines()
        first: list[Line] = [
            (f"{', '.join(f'{field}s' for field in fields)}{comma} = states", ""),
            ("T, dt = len(xs), states.dtype", ""),
            *((f"{d} = np.zeros_like({field}s[0])", "") for d, field in zip(ds, fields, strict=True)),
            *((f"{old} = np.empty_like({d})", "") for d, old in zip(ds, olds, strict=True)),
            *((f"d{graph.names[n]}_all = empty((T, {graph.shape(n, self.rows)}), dt)", "") for n in graph.stored),
        ]
        made = {name for name, _ in self.factors.values()}
        through = {name: array if array in made else f"{array}[steps]" for name, array in self.through.items()}
        block = [(f"{name} = {text}", comment) for text, (name, comment) in self.factors.items()]
        results = ["dxs", *ds, *(f"d{name}" for name in graph.parameters)]
        before: list[Line] = [
            *((line, "") for line in self.before),
            ("size = max(1, 2**15 // states[0, 0].size)", said(BLOCK, self.lang)),
        ]
        steps = [
            *commented([*first, *before]),
            "    for end in range(T, 0, -size):", "        steps = slice(max(0, end - size), end)",
            *("    " + line for line in commented(block)), *loop(through, "over[steps]", "[::-1]", "        "),
            *("        " + line for line in commented(lines)),
        ]  # fmt: skip
        compiled = [*commented(first), f"    {call}"]
        return "\n".join([
            *(compiled if call else steps), *commented(after), listed("return ", results, "", "    "),
        ]).replace("len(x)", self.rows)  # fmt: skip

    # — in the loop —————————————————————————————————————————————————————————————————————————————————————————

    def _local(self, node: Node) -> str:
        """A value at one step."""
        graph = self.graph
        while node.op == STOP:
            node = node.inputs[0]
        if node.stage == ONCE:
            return graph.whole(node)
        name = f"{graph.names[node]}_t" if node.stage == AHEAD else graph.names[node]
        self.through[name] = graph.whole(node)
        return name

    def _gradient(self, node: Node) -> str:
        """The gradient of a value at one step."""
        graph = self.graph
        node = graph.aliases.get(node, node)
        name = f"d{graph.names[node]}"
        parent = base_of(node)
        if graph.field_of(parent):
            own = f"d{graph.field_of(parent)}"
            if node is parent:
                return own
            return f"{own}[..., {node.columns[0]}:{node.columns[1]}]" if node.columns else own
        if node.op == "state":
            return name
        if parent in graph.stored:
            self.through[name] = graph.gradient(node)
        elif node is parent:
            self.before[f"{name} = np.empty(({graph.shape(node, self.rows)}), dt)"] = None
        else:
            self._gradient(parent)
            start, stop = node.columns or (0, 0)
            self.before[f"{name} = d{graph.names[parent]}[..., {start}:{stop}]"] = None
        return name

    def _text(self, expr: Expr) -> str:
        """A formula at one step; what in it depends on no gradient is a factor, made for a block of steps."""
        if expr.leaf:
            kind, node = expr.leaf
            return self._gradient(node) if kind else self._local(node)
        leaves = expr.leaves()
        if expr.parts and leaves and not any(kind for kind, _ in leaves) and any(n.stage != ONCE for _, n in leaves):
            return self._factor(expr)
        gaps = []
        for part, need in zip(expr.parts, expr.needs, strict=True):
            text = self._text(part)
            gaps.append(f"({text})" if part.parts and part.binds < need and not text.isidentifier() else text)
        return expr.template.format(*gaps)

    def _factor(self, expr: Expr) -> str:
        def value(leaf: Any) -> tuple[str, int]:
            whole = self.graph.whole(leaf[1])
            return (whole if leaf[1].stage == ONCE or leaf[1].op == NUMBER else f"{whole}[steps]"), ATOM

        text = expr.text(value)[0]
        if text not in self.factors:
            self.factors[text] = f"factor_{len(self.factors) + 1}", ""
        name = self.factors[text][0]
        self.through[name.replace("factor", "by")] = name
        return name.replace("factor", "by")

    def _line(self, step: Assignment) -> Line:
        """A line of the loop, which puts a share into the gradient of a value, or of some columns."""
        node, expr = step.node, step.expr
        if step.kind == "before":
            target = f"d{self.graph.names[node]}"
            return f"{target}[...] = {0 if expr is None else self._gradient(node)}", ""
        if step.kind == "stored":
            field = self.graph.field_of(node)
            self.through[f"stored_{field}"] = f"d{self.graph.names[node]}_all"
            return f"stored_{field}[...] = d{field}", ""
        target = self._gradient(node)
        if expr is None:
            return f"{target}[...] = 0", ""
        if step.at is not None:
            return f"np.add.at({target}, np.s_[{self._text(step.at)}], {self._text(expr)})", step.comment
        return self._put(target, expr, node, step.added), step.comment

    def _put(self, target: str, expr: Expr, node: Node, filled: bool) -> str:
        """A share, put into an array or added to it, by way of no new array where that can be."""
        expr = _sorted(expr)
        if match := re.fullmatch(r"\{\} @ \{\}", expr.template):
            right = expr.parts[1]
            if match and right.template == "{}.T" and right.parts[0].leaf:
                W = self.graph.whole(right.parts[0].leaf[1])
                self.before[f"{W}_T = np.ascontiguousarray({W}.T)"] = None
                expr = Expr("{} @ {}", (expr.parts[0], Expr(f"{W}_T")), 7, (7, 8))
        if not filled:
            return into(target, expr, self._text)
        if expr.leaf:
            return f"{target} += {self._text(expr)}"
        width = "_".join(map(str, node.shape[1:]))
        self.before[f"more_{width} = np.empty(({self.graph.shape(node, self.rows)}), dt)"] = None
        return f"{into(f'more_{width}', expr, self._text)}; {target} += more_{width}"


def _sorted(expr: Expr) -> Expr:
    """A product with the gradient first and all else together behind it, as one factor: dy · (a · b)."""
    source, factors = scaled(expr)
    return expr if source is None or len(factors) < 2 else product([Expr(leaf=("d", source)), *factors])

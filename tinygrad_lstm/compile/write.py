"""The text of one step: forward, and its way back, line by line with the rule that gives each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from ..spoken import Language
from ..tensor import Shape
from .derive import Share, computed, helper, helpers_of, shares
from .naming import Names
from .symbols import Expr
from .tape import Recorded
from .values import NUMBER, Node, Values, graph_of, origin
from .wording import BACKWARD, FORWARD, INDENT, added_at, commented, documented, listed, noted

SOME_ROWS = re.compile(r"_\[(\d*):(\d*)\]")
SHORT = {"add", "sub", "mul", "div", "neg", "take"}


class Arrivals:
    """Gradients as lines: each is the sum of its shares. One that is only handed on needs no line, nor a name.

    `text_of` gives the text of a leaf; `short` are values whose gradient may stand, as a formula, where it is needed.
    """

    def __init__(self, text_of: Callable[[Any], str], short: set[Node]) -> None:
        self.text_of, self.short = text_of, short
        self.aliases: dict[Node, str] = {}  # what stands for gradients that have no line
        self._passed: dict[Node, str] = {}  # and the rules in it

    def lines(self, node: Node, name: str, value: str, sent: list[Share]) -> list[str]:
        """The lines that give a gradient its name, if it needs one."""
        if not sent:
            return [] if node.made else [f"{name} = np.zeros_like({value})  # no gradient returns"]
        terms = [(share.expr.text(self.text_of), share, self._rule(share)) for share in sent]
        if rows := self._rows(terms, node.shape):
            first, *others = listed(f"{name} = np.concatenate((", rows, "))").split("\n")
            return [noted(first, terms[0][1].scope, terms[0][2]), *others]
        if any(share.at for share in sent):
            given = [noted(f"{name} = np.array({name})", s.scope, rule) for text, s, rule in terms if text == name]
            added = [noted(self._added(name, text, s), s.scope, rule) for text, s, rule in terms if text != name]
            return [given[0] if given else f"{name} = np.zeros_like({value})", *added]
        text, share, rule = terms[0]
        if len(terms) > 1:
            signed = [f"- {text[1:]}" if text[0] == "-" else f"+ {text}" for text, _, _ in terms[1:]]
            lines = [INDENT + noted(t, s.scope, rule) for t, (_, s, rule) in zip([text, *signed], terms, strict=True)]
            return [f"{name} = (", *lines, ")"]
        if node.made and (share.expr.leaf or not share.expr.parts or node in self.short) and text != name:
            self.aliases[node] = text
            self._passed[node] = "" if share.expr.leaf else rule
            return []
        return [noted(f"{name} = {text}", share.scope, rule)] if text != name else []

    def _rows(self, terms: list[tuple[str, Share, str]], shape: Shape) -> list[str]:
        """The texts of shares that are rows of a gradient, from the first to the last; none where they are not all."""
        texts = [share.at.text(self.text_of) if share.at else "" for _, share, _ in terms]
        found = [(at, text) for at, (text, _, _) in zip(map(SOME_ROWS.fullmatch, texts), terms, strict=True) if at]
        rows = sorted((int(at[1] or 0), int(at[2] or shape[0]), text) for at, text in found)
        ends = [0, *(stop for _, stop, _ in rows)]
        is_all = len(rows) == len(terms) > 1 and [start for start, _, _ in rows] == ends[:-1] and ends[-1] == shape[0]
        return [text for *_, text in rows] if is_all else []

    def _rule(self, share: Share) -> str:
        """The rules in a share: its own, after those of gradients that stand in it without a line."""
        inside = [self._passed.get(node, "") for kind, node in share.expr.leaves() if kind]
        return " → ".join(filter(None, [*inside, share.rule]))

    def _added(self, name: str, text: str, share: Share) -> str:
        return added_at(name, share.at.text(self.text_of), text) if share.at else f"{name} += {text}"


class Writer:
    """One recorded step as the text of two functions, `forward` and `backward`, after those that they call."""

    def __init__(self, step: Recorded, lang: Language) -> None:
        self.step, self.lang, values = step, lang, Values()
        self.leaves, self.outs = graph_of(step, values, as_written=True)
        self.nodes = values.made
        self.formulas = {node: computed(node, step.rows) for node in self.nodes}
        self.helpers = helpers_of(self.formulas)
        self.names = Names({*self.helpers, "forward", "backward"}).of_step(self.leaves, self.nodes, self.outs)
        self.inputs = [self.names[leaf] for leaf in self.leaves.values()]
        self.sent: dict[Node, list[Share]] = defaultdict(list)
        for field, out in self.outs.items():
            self.sent[out].append(Share(out, Expr(f"d{field}"), "from later steps and the loss", ""))
        for node in reversed(self.nodes):
            for share in shares(node, step.rows) if self.sent[node] else []:
                self.sent[share.to].append(share)
        short = {node for node in self.nodes if self._is_short(node)}
        self.arrivals = Arrivals(self._name, short)
        read = self._read(short)
        self.kept = [node for node in self.nodes if node in read]
        users = Counter(origin(x) for node in self.nodes for x in node.inputs)
        self.lines = {
            node for node in self.nodes
            if node.name or node in read or node in map(origin, self.outs.values())
            or (users[node] > 1 and node not in short)
        }  # fmt: skip

    def _is_short(self, node: Node) -> bool:
        """Whether it is written anew where it is needed: `1 - z`, `W[:4]`, of what has a name, and nameless itself."""
        of = [origin(x) for x in node.inputs if x.op != NUMBER]
        told = len(of) == 1 and (not of[0].made or of[0].name)
        cheap = node.op in SHORT and node.op not in self.helpers
        return bool(told and cheap and not node.name and node not in self.outs.values())

    def _read(self, short: set[Node]) -> set[Node]:
        """The values that the way back reads; what is short is not kept for it, but what that is made from."""
        terms = [share for sent in self.sent.values() for share in sent]
        read = {node for share in terms for kind, node in share.expr.leaves() if not kind}
        read |= {share.to for share in terms if share.at}
        for node in reversed(self.nodes):
            if node in read & short:
                read.remove(node)
                read |= {x for _, x in self.formulas[node].leaves()}
        return read

    def text(self) -> str:
        """All of it."""
        parts = ["import numpy as np\n", *map(helper, self.helpers), self._forward(), self._backward()]
        return "\n\n".join(part + "\n" for part in parts).replace("\n\n\n\n", "\n\n\n")

    def _name(self, leaf: tuple[str, Node]) -> str:
        """What stands for a value or a gradient: its name, or the formula of what has no line of its own."""
        kind, node = leaf
        if kind:
            return self.arrivals.aliases.get(node, f"d{self.names[node]}")
        if node.made and node not in self.lines:
            return self.formulas[node].text(self._name)
        return self.names[node]

    def _forward(self) -> str:
        lines = [
            noted(f"{self.names[node]} = {self.formulas[node].text(self._name)}", node.scope)
            for node in self.nodes if node in self.lines
        ]  # fmt: skip
        kept = f"({', '.join(self.names[node] for node in self.kept)}{',' * (len(self.kept) == 1)})"
        results = [self.names[origin(out)] for out in self.outs.values()]
        return "\n".join([
            listed("def forward(", self.inputs, "):"), documented(FORWARD, self.lang, self.step.cell),
            *commented(lines, self.lang), listed("return ", [*results, *kept.split(", ")], "", INDENT),
        ])  # fmt: skip

    def _backward(self) -> str:
        """From the newest value to the oldest; a parameter's gradient as soon as all its users are behind us."""
        left = Counter(x for node in self.nodes for x in node.inputs)
        waiting, lines = dict.fromkeys(self.leaves.values()), list[str]()
        for node in reversed(self.nodes):
            lines += self._arriving(node)
            left.subtract(node.inputs)
            for leaf in [x for x in dict.fromkeys(node.inputs) if x in waiting and not left[x]]:
                del waiting[leaf]
                lines += self._arriving(leaf)
        lines += [line for leaf in waiting for line in self._arriving(leaf)]
        kept = [self.names[node] for node in self.kept]
        return "\n".join([
            listed("def backward(", [*(f"d{field}" for field in self.outs), "kept", *self.inputs], "):"),
            documented(BACKWARD, self.lang),
            *([listed("", kept, f"{',' * (len(kept) == 1)} = kept", INDENT)] if kept else []),
            *commented(lines, self.lang), listed("return ", [f"d{name}" for name in self.inputs], "", INDENT),
        ])  # fmt: skip

    def _arriving(self, node: Node) -> list[str]:
        name = self.names[node]
        return self.arrivals.lines(node, f"d{name}", name, self.sent[node])

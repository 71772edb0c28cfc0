"""Names for the values of a graph, and what stands for a value, or for its gradient, in a text over all steps."""

from __future__ import annotations

import re

from ..op import registry
from .passes import AHEAD, LOOP, NUMBER, ONCE, STOP, Node
from .symbols import ATOM, CannotCompile, Expr, written
from .tape import Recorded

# Names that the texts have of their own, those for numba among them.
RESERVED = {
    "forward", "backward", "T", "xs", "dt", "over", "states", "np", "kept", "gone", "past", "size", "steps", "end",
    "empty", "like", "is_over", "rows", "dtype", "r", "k", "t", "matrix_product", "packed", "squash",
    *(f"{stem}_{k}" for stem in ("size", "number", "past", "factor", "by", "scale", "shift") for k in range(100)),
}  # fmt: skip


class NamedGraph:
    """A graph whose values have names; what the attributes are is said in `Gradients`, which fills them."""

    step: Recorded
    nodes: list[Node]
    leaves: dict[str, Node]
    outs: dict[str, Node]
    fields: list[str]
    kept: dict[Node, None]
    aliases: dict[Node, Node]
    lives: dict[Node, Node]

    def _name_all(self) -> None:
        self.names: dict[Node, str] = {}
        self.taken = RESERVED | {*registry, *(name for field in self.fields for name in (f"d{field}", f"{field}s"))}
        for node in [*self.leaves.values(), *self.nodes]:
            if node in self.names or node.op in (NUMBER, STOP):
                continue
            self.name(node)

    def name(self, node: Node) -> None:
        """Give a value a name, its own if it has one and that is free."""
        if node in self.names:
            return
        name = node.name or {"add": "sums", "matmul": "product"}.get(node.op, "part")
        name = "a_" + re.sub(r"(^|_)a_", r"\1", name) if name.count("a_") > 1 else name
        k, new = 1, name
        while new in self.taken:
            k, new = k + 1, f"{name}_{k + 1}"
        self.taken |= {new, f"d{new}", f"{new}_all", f"d{new}_all"}
        self.names[node] = new

    def whole(self, node: Node) -> str:
        """What stands for a value outside of the loop, for all steps at once."""
        if node.op == STOP:
            return self.whole(node.inputs[0])
        if node.op == NUMBER:
            return written(node.example, 0).template
        name = self.names[node]
        if node.stage == ONCE:
            return name
        if node in self.lives and node not in self.kept:
            return self.whole(self.lives[node])
        if node.columns:
            return self.cut(self.whole(node.inputs[0]), *node.columns)
        if node.op == "state":
            return f"{name.removesuffix('_prev')}s[:-1]"
        if field := self.field_of(node):
            return f"{field}s[1:]"
        return "xs" if node.op == "x" else name if node.stage == AHEAD else f"{name}_all"

    @staticmethod
    def cut(whole: str, start: int, stop: int) -> str:
        """Some columns, as text; of some columns some."""
        if inside := re.fullmatch(r"(.*)\[\.\.\., (\d+):\d+\]", whole):
            whole, start, stop = inside[1], start + int(inside[2]), stop + int(inside[2])
        return f"{whole}[..., {start}:{stop}]"

    def resident(self, node: Node) -> Node:
        """What is put where a value was; the value itself where nothing is."""
        after = next((new for new, old in self.lives.items() if old is node), None)
        return self.resident(after) if after else node

    def field_of(self, node: Node) -> str:
        """The state that a value is after the step; "" where it is none."""
        return next((field for field, out in self.outs.items() if out is node), "")

    def gradient(self, node: Node) -> str:
        """What stands for the gradient of a value outside of the loop."""
        node = self.aliases.get(node, node)
        if node.columns and node.stage == LOOP:
            start, stop = node.columns
            return f"{self.gradient(node.inputs[0])}[..., {start}:{stop}]"
        return f"d{self.names[node]}" + ("_all" if node.stage == LOOP else "")

    def text(self, expr: Expr) -> str:
        """A formula outside of the loop."""
        return expr.text(lambda leaf: (self.gradient(leaf[1]) if leaf[0] else self.whole(leaf[1]), ATOM))[0]

    def shape(self, node: Node, rows: str) -> str:
        """The shape of a value at one step, as text."""
        if not node.example.ndim or node.shape[0] != self.step.rows:
            raise CannotCompile(f"fused: {node.name or node.op} has shape {node.shape}, without the rows of the batch.")
        return ", ".join([rows, *map(str, node.shape[1:])]) + "," * (node.example.ndim == 1)

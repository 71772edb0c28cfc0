"""A name for every value of a graph: the cell's own, or one that says how it was made."""

from __future__ import annotations

import re
from itertools import chain, count
from keyword import iskeyword

from ..op import registry
from .values import NUMBER, Graph, Node, origin, users_of

LONGEST = 20  # of a name that is put together
# Names that the texts have of their own, those for numba among them.
RESERVED = {
    "forward", "backward", "T", "xs", "dt", "over", "states", "np", "kept", "gone", "past", "size", "steps", "end",
    "empty", "like", "is_over", "rows", "dtype", "r", "k", "t", "matrix_product", "packed", "squash",
    *(f"{stem}_{k}" for stem in ("size", "number", "past", "factor", "by", "scale", "shift") for k in range(100)),
}  # fmt: skip
OF_STATES = "d{}", "{}_0", "given_{}", "stored_{}"
FORMS = "{}", "d{}", "{}_all", "d{}_all", "{}_t", "{}_T", "{}_packed", "{}_T_packed"


def at_all(field: str) -> str:
    """What holds a state at all steps: `hs` of h; of i and a it is no word of Python's own."""
    name = f"{field}s"
    return f"{name}_" if iskeyword(name) else name


class Names:
    """Names, each given once, and with it what a text makes of it: `d` before it is its gradient's."""

    def __init__(self, reserved: set[str], forms: tuple[str, ...] = ("{}", "d{}")) -> None:
        self.chosen: dict[Node, str] = {}
        self._fields: dict[Node, str] = {}  # of which state a value is the next
        self._taken, self._forms = {"np", "kept", "len", "float", *reserved}, forms

    def choose(self, node: Node, name: str) -> None:
        """The name, or the next that is free; a state's gradient, which comes from outside, has its name already."""
        outside = {f"d{self._fields[node]}"} if node in self._fields else set()
        self._taken -= outside
        for new in chain([name], (f"{name}_{k}" for k in count(2))):
            forms = {form.format(new) for form in self._forms}
            if not forms & self._taken:
                break
        self._taken |= forms | outside
        self.chosen[node] = new

    def of_step(self, leaves: Graph, nodes: list[Node], outs: Graph) -> dict[Node, str]:
        """Of all values of a recorded step."""
        self._taken |= {f"d{field}" for field in outs}
        users = users_of(nodes)
        for name, leaf in leaves.items():
            self.choose(leaf, name)
        for field, out in outs.items():
            if out.made and out not in self.chosen:
                self._fields[out] = field
                self.choose(out, field)
        for own in (True, False):
            for node in nodes:
                if node.made and bool(node.name) == own and node not in self.chosen:
                    self.choose(node, node.name or self._put_together(node, users))
        return self.chosen

    def _put_together(self, node: Node, users: dict[Node, list[Node]]) -> str:
        """`a_f` before the activation that makes f, `tanh_C`, `one_minus_z`; otherwise a part of what it leads to."""
        after = users[node]
        if len(after) == 1 and len(after[0].inputs) == 1 and after[0].name:
            return f"a_{self.chosen[after[0]]}"
        inputs = [origin(x) for x in node.inputs]
        names = [f"{x.example:g}" if x.op == NUMBER else self.chosen.get(x, "") for x in inputs]
        if node.op == "sub" and names[0] == "1" and names[1]:
            return f"one_minus_{names[1]}"
        name = "_".join([node.op] * (len(names) == 1) + names)
        if all(names) and name.isidentifier() and len(name) <= LONGEST:
            return name
        while after and not after[0].name:
            after = users[after[0]]
        return f"part_of_{self.chosen[after[0]]}" if after else node.op

    @classmethod
    def of_sequence(cls, leaves: Graph, nodes: list[Node], outs: Graph) -> Names:
        """Of all values of a step after the passes, as a text has them that carries it along a sequence."""
        own = (form.format(field) for form in OF_STATES for field in outs)
        names = cls({*RESERVED, *registry, *own, *map(at_all, outs)}, FORMS)
        names._fields = {out: field for field, out in outs.items()}
        for node in [*leaves.values(), *nodes]:
            names.give(node)
        return names

    def give(self, node: Node) -> None:
        """A name, the value's own if it has one."""
        if node not in self.chosen and (node.made or not node.inputs) and node.op != NUMBER:
            name = node.name or {"add": "sums", "matmul": "product"}.get(node.op, "part")
            self.choose(node, "a_" + re.sub(r"(^|_)a_", r"\1", name) if name.count("a_") > 1 else name)

"""A name for every value of a graph: the cell's own, or one that says how it was made."""

from __future__ import annotations

from itertools import chain, count

from .values import NUMBER, Graph, Node, origin, users_of

LONGEST = 20  # of a name that is put together


class Names:
    """Names, each given once, and with it what a text makes of it: `d` before it is its gradient's."""

    def __init__(self, reserved: set[str], forms: tuple[str, ...] = ("{}", "d{}")) -> None:
        self.chosen: dict[Node, str] = {}
        self._taken, self._forms = {"np", "kept", "len", "float", *reserved}, forms

    def choose(self, node: Node, name: str, field: str = "") -> None:
        """The name, or the next that is free; a state's gradient, which comes from outside, has its name already."""
        self._taken.discard(f"d{field}")
        for new in chain([name], (f"{name}_{k}" for k in count(2))):
            forms = {form.format(new) for form in self._forms}
            if not forms & self._taken:
                break
        self._taken |= forms | {f"d{field}"}
        self.chosen[node] = new

    def of_step(self, nodes: list[Node], leaves: Graph, outs: Graph) -> dict[Node, str]:
        """Of all values of a recorded step."""
        self._taken |= {f"d{field}" for field in outs}
        users = users_of(nodes)
        for name, leaf in leaves.items():
            self.choose(leaf, name)
        for field, out in outs.items():
            if out.made and out not in self.chosen:
                self.choose(out, field, field)
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

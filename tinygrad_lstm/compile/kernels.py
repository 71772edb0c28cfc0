"""The loop of a sequence for numba: the same steps, each written as a loop over the numbers of a row.

`np.multiply(f, C_prev, out=f_C_prev)` becomes `f_C_prev[r, k] = f[t, r, k] * C_prev[t, r, k]` for every row r of the
batch and every column k. No size stands in the text, so that what is compiled once serves layers of all sizes.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

from .derive import computed
from .gradients import Gradients
from .loops import Assignment, backward_steps, forward_steps
from .naming import at_all
from .reuse import made_in_loop
from .symbols import CannotCompile, Expr
from .values import AHEAD, ONCE, STOP, Node, base_of

SCALAR = {"tanh", "exp", "log", "sqrt", "abs", "sin", "cos", "maximum", "minimum", "logaddexp", "sigmoid"}
TRUTH = {">", "<", ">=", "<=", "==", "!=", "&", "|"}
PRODUCT = "{} @ {}"


class Spot(NamedTuple):
    """Where the numbers of a value are: an array, its axes (3: time, rows, columns), which step, the first column."""

    array: str
    axes: int
    step: str = "t"
    start: int = 0


class ScalarText:
    """Values of one step, and formulas of them, as text for one number each.

    Notes on the way what the text is given: arrays, sizes, constants, and arrays that each step writes anew. Raises
    CannotCompile for what is not done number by number: sums along a row, reshapes, indices.
    """

    def __init__(self, graph: Gradients) -> None:
        self.graph = graph
        self.given: dict[str, str] = {}  # the arguments: name, and the text of what is given
        self.sizes: dict[int, str] = {}
        self.constants: dict[str, str] = {}
        self.buffers: dict[str, int] = {}  # and how many columns they have
        self.ahead = made_in_loop(graph)

    # — where numbers are —————————————————————————————————————————————————————————————————————————————————————

    def _array(self, name: str, text: str = "") -> str:
        self.given.setdefault(name, text or name)
        return name

    def _place(self, kind: str, node: Node) -> Spot:
        """Of a value, or (`kind` "d") of its gradient."""
        graph = self.graph
        if kind:
            node = graph.aliases.get(node, node)
        if node.op == STOP:
            return self._place(kind, node.inputs[0])
        if node.stage == ONCE:
            return Spot(self._array(graph.whole(node)), node.example.ndim)
        if node.example.ndim != 2:
            raise self._refusal(f"{node.name or node.op} of shape {node.shape}")
        if node in graph.lives and not kind:
            return self._place(kind, graph.lives[node])
        if node.columns:
            place = self._place(kind, node.inputs[0])
            return place._replace(start=place.start + node.columns[0])
        node = self.ahead.get(node, node)
        name, field = graph.names[node], graph.field_of(node)
        if kind:
            return self._of_gradient(node, field)
        if node.op == "state":
            return Spot(self._array(at_all(name.removesuffix("_prev"))), 3)
        if field:
            return Spot(self._array(at_all(field)), 3, "t + 1")
        if node.stage == AHEAD:
            return Spot(self._array(graph.whole(node)), 3)
        return Spot(self._array(f"{name}_all"), 3) if node in graph.kept else self._buffer(name, node)

    def _of_gradient(self, node: Node, field: str) -> Spot:
        name = f"d{self.graph.names[node]}"
        if field or node.op == "state":
            return Spot(f"d{field}" if field else name, 2)
        if node in self.graph.stored:
            return Spot(self._array(f"{name}_all"), 3)
        return self._buffer(name, node)

    def _buffer(self, name: str, node: Node) -> Spot:
        self.buffers[name] = node.shape[-1]
        return Spot(name, 2)

    def _size(self, n: int) -> str:
        return self.sizes.setdefault(n, f"size_{len(self.sizes)}")

    def _number(self, place: Spot, width: int, wide: int) -> str:
        """One number, in row r and column k; in the first column where the value has but one."""
        column = "k" if width == wide else "0"
        if place.start:
            column = f"{self._size(place.start)} + {column}"
        index = {3: f"{place.step}, r, {column}", 2: f"r, {column}", 1: column, 0: "()"}[place.axes]
        return f"{place.array}[{index}]"

    # — formulas ——————————————————————————————————————————————————————————————————————————————————————————————

    def _constant(self, number: str) -> str:
        return self.constants.setdefault(number, f"number_{len(self.constants)}")

    def _value(self, expr: Expr, wide: int) -> str:
        """A formula for one number. Comparisons and what joins them are True or False."""
        if expr.leaf:
            kind, node = expr.leaf
            if node.stage == ONCE and node.example.ndim == 2 and node.shape[0] != 1:
                raise self._refusal(f"{node.name or node.op} of shape {node.shape}")
            return self._number(self._place(kind, node), (node.shape or (wide,))[-1], wide)
        if not expr.parts:
            return self._constant(expr.template)
        sign = expr.template.removeprefix("{} ").removesuffix(" {}")
        if sign in ("&", "|"):
            return f"({self._value(expr.parts[0], wide)} {sign} {self._value(expr.parts[1], wide)})"
        numbers = [self._of_number(part, wide) for part in expr.parts]
        if expr.template == f"{{}} {sign} {{}}" and sign != "@":
            return f"({numbers[0]} {sign} {numbers[1]})"
        if expr.template == "-{}":
            return f"(-{numbers[0]})"
        if expr.template == "np.where({}, {}, {})":
            return f"({numbers[1]} if {self._value(expr.parts[0], wide)} else {numbers[2]})"
        if expr.template == "np.clip({}, {}, {})":
            low, high = (part.template for part in expr.parts[1:])
            above = numbers[0] if low == "None" else f"np.maximum({numbers[0]}, {numbers[1]})"
            return above if high == "None" else f"np.minimum({above}, {numbers[2]})"
        if (call := re.fullmatch(r"(np\.)?(\w+)\(\{\}(, \{\})?\)", expr.template)) and call[2] in SCALAR:
            name = call[2] if call[2] in ("tanh", "sigmoid") else f"np.{call[2]}"
            return f"{name}({', '.join(numbers)})"
        raise self._refusal(f"`{expr.template.replace('{}', '…')}`")

    def _of_number(self, expr: Expr, wide: int) -> str:
        """The same, with 1 and 0 for True and False."""
        is_truth = expr.template.removeprefix("{} ").removesuffix(" {}") in TRUTH
        value = self._value(expr, wide)
        return f"({self._constant('1')} if {value} else {self._constant('0')})" if is_truth else value

    def _refusal(self, what: str) -> CannotCompile:
        return CannotCompile(
            f'fused="numba": {self.graph.step.cell} has {what} in its step, which is not done number by number. '
            "fused=True can run it."
        )


class Kernel(ScalarText):
    """The loop of one way: `text` is a function, and `call` the line for it in the text of the sequence."""

    def __init__(self, graph: Gradients, back: bool) -> None:
        super().__init__(graph)
        self.name = "backward_steps" if back else "forward_steps"
        self.packed: dict[str, str] = {}  # weights, as products take them
        self.ds = [f"d{field}" for field in graph.fields]
        self.olds = [f"d{graph.names[graph.leaves[f'{field}_prev']]}" for field in graph.fields]
        body = self._way_back() if back else self._forward()
        self.text, self.call = self._function(body, back), self._call(back)

    def _line(self, step: Assignment) -> str:
        """A step as a line: a product of matrices, or a loop through the columns of a row."""
        node, expr = step.node, step.expr
        wide = node.shape[-1]
        if expr is not None and expr.template == PRODUCT:
            return self._product(step, expr)
        if step.at is not None:
            raise self._refusal("an index")
        if step.kind == "stored":
            target = Spot(self._array(f"d{self.graph.names[node]}_all"), 3)
        else:
            target = self._place(step.kind, node)
        value = self._constant("0") if expr is None else self._of_number(expr, wide)
        return self._loop(wide, self._number(target, wide, wide), f"{'+' * step.added}= {value}")

    def _loop(self, wide: int, target: str, value: str) -> str:
        return f"for k in range({self._size(wide)}): {target} {value}"

    def _product(self, step: Assignment, expr: Expr) -> str:
        """A product of one step's matrices, of which some columns may be meant; the weights are packed before."""
        left, right = expr.parts
        turned, W = right.template == "{}.T", (right.parts[0] if right.parts else right).leaf
        if not left.leaf or not W or W[1].stage != ONCE or W[1].example.ndim != 2:
            raise self._refusal("a product of values that change from step to step")
        name = self.graph.whole(W[1])
        weights = f"{self._array(f'{name}_T', f'{name}.T') if turned else self._array(name)}_packed"
        self.packed[weights] = weights.removesuffix("_packed")
        sides = [
            f"{spot.array}{f'[{spot.step}]' * (spot.axes == 3)}, {self._size(spot.start) if spot.start else 0}"
            for spot in (self._place(*left.leaf), self._place(step.kind, step.node))
        ]
        width = self._size(step.node.shape[-1])
        return f"matrix_product({sides[0]}, {weights}, {sides[1]}, {width}, {step.added}, first, last)"

    def _ahead(self, product: Node) -> str:
        """What x gives to a step, while the loop is on its way."""
        left, W = (self._array(self.graph.whole(x)) for x in product.inputs)
        self.packed[f"{W}_packed"] = W
        out, width = self._place("", product).array, self._size(product.shape[-1])
        return f"product_ahead({left}, t, {W}_packed, {out}, {width}, first, last)"

    def _forward(self) -> list[str]:
        lines = [self._ahead(product) for product in self.ahead]
        sums = [total for product, total in self.ahead.items() if total is not product]
        steps = [Assignment(total, "", computed(total, self.graph.step.rows)) for total in sums]
        steps += forward_steps(self.graph, as_call=False)
        lines += [self._line(step) for step in joined(steps, self.graph)]
        for field, out in self.graph.outs.items():
            wide, states = out.shape[-1], Spot(self._array(at_all(field)), 3)
            new, old = (self._number(states._replace(step=step), wide, wide) for step in ("t + 1", "t"))
            lines.append("if is_over and gone[t, r]:\n    " + self._loop(wide, new, f"= {old}"))
        return lines

    def _way_back(self) -> list[str]:
        outs = self.graph.outs.values()
        lines, after = [], []
        for k, (d, old, out) in enumerate(zip(self.ds, self.olds, outs, strict=True)):
            wide, given = out.shape[-1], self._array(f"given_{d[1:]}", f"dstates[{k}]")
            lines += [f"if {given}.shape[2]:\n    " + self._loop(wide, f"{d}[r, k]", f"+= {given}[t, r, k]")]
            lines += ["if is_over and gone[t, r]:"]
            lines[-1] += "\n    " + self._loop(wide, f"past_{k}[r, k]", f"= {d}[r, k]")
            lines[-1] += "\n    " + self._loop(wide, f"{d}[r, k]", f"= {self._constant('0')}")
            after.append("if is_over and gone[t, r]:\n    " + self._loop(wide, f"{old}[r, k]", f"= past_{k}[r, k]"))
        lines += [self._line(step) for step in joined(list(backward_steps(self.graph)), self.graph)]
        swap = f"{', '.join([*self.ds, *self.olds])} = {', '.join([*self.olds, *self.ds])}"
        return [*lines, *after, swap]

    def _function(self, body: list[str], back: bool) -> str:
        """The whole of it: what is made first, the loop through the steps, and in it loops through the rows."""
        fields = self.graph.fields
        head = [f"like, is_over = {f'given_{fields[0]}' if back else at_all(fields[0])}, len(gone) > 0"]
        head += [f"T, rows, dtype = len(like){' - 1' * (not back)}, like.shape[1], like.dtype"]
        head += [f"{name} = dtype.type({number})" for number, name in self.constants.items()]
        head += [f"{name} = np.empty((rows, {self._size(n)}), dtype)" for name, n in self.buffers.items()]
        head += [f"{name} = packed({weights})" for name, weights in self.packed.items()]
        # No size is negative: who does not know it looks at each index, and cannot do many columns at once.
        head += [f"{size} &= {2**63 - 1}" for size in self.sizes.values()]
        if back:
            head += [f"past_{k} = np.empty_like({d})" for k, d in enumerate(map(self._array, self.ds))]
            self.given |= {old: old for old in self.olds}
        lines = [f"def {self.name}({', '.join(['first', 'last', 'gone', *self.given, *self.sizes.values()])}):"]
        lines += [f"    {line}" for line in head]
        lines.append(f"    for t in range({'T - 1, -1, -1' if back else 'T'}):")
        for by_rows, run in groupby(body, key=lambda line: line.startswith(("for", "if"))):
            lines += ["        for r in range(first, last):"] * by_rows
            indent = " " * (12 if by_rows else 8)
            lines += [indent + line.replace("\n", "\n" + indent) for line in run]
        return "\n".join([*lines, f"    return {', '.join(self.ds)}," if back else "    return ()"])

    def _call(self, back: bool) -> str:
        results = f"{', '.join(self.ds)}, = " if back else ""
        rows = f"len({self.ds[0] if back else f'{self.graph.fields[0]}_0'})"
        return f"{results}{self.name}({', '.join([rows, 'over', 'dt', *self.given.values(), *map(str, self.sizes)])})"


def joined(steps: list[Assignment], graph: Gradients) -> list[Assignment]:
    """What one later line alone reads goes into that line, and needs no array."""
    left, at = list(steps), 0
    while at < len(left):
        reader = _reader(left, at, graph)
        if reader is None:
            at += 1
            continue
        step, until = left[at], left[reader]
        assert step.expr is not None and until.expr is not None
        left[reader] = until._replace(expr=_put(until.expr, (step.kind, step.node), step.expr))
        del left[at]
    return left


def _reader(steps: list[Assignment], at: int, graph: Gradients) -> int | None:
    """Which line alone reads what this one makes, if that can be made there as well: nothing in it has changed."""
    step, own = steps[at], (steps[at].kind, steps[at].node)

    def array(kind: str, node: Node) -> tuple[str, Node]:
        return kind, base_of(graph.aliases.get(node, node) if kind else node)

    node, is_kept = step.node, steps[at].node in (graph.stored if step.kind else graph.kept)
    if step.kind not in ("", "d") or is_kept or graph.field_of(node) or node.op == "state" or node.columns:
        return None
    if step.expr is None or step.at is not None or step.expr.template == PRODUCT:
        return None
    if sum(array(one.kind, one.node) == own for one in steps) > 1:
        return None
    leaves = [(k, leaf) for k, one in enumerate(steps) for leaf in (one.expr.leaves() if one.expr else [])]
    readers = [(k, leaf) for k, leaf in leaves if array(*leaf) == own]
    if len(readers) != 1 or readers[0][1] != own:
        return None
    reader = readers[0][0]
    changed = {array(one.kind, one.node) for one in steps[at + 1 : reader]}
    product = steps[reader].expr is not None and steps[reader].expr.template == PRODUCT  # type: ignore[union-attr]
    if product or reader < at or steps[reader].node.shape != node.shape:
        return None
    return None if changed & {array(*leaf) for leaf in step.expr.leaves()} else reader


def _put(expr: Expr, leaf: object, new: Expr) -> Expr:
    """A formula with another in the place of a leaf."""
    return new if expr.leaf == leaf else expr._replace(parts=tuple(_put(part, leaf, new) for part in expr.parts))

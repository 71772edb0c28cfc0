"""The numbers of the page: a table of tensors, and the ops in the order in which the gradient meets them."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...flow.edge import Edge
from ...flow.flow import Flow
from ...flow.recurrence import meaning, place_of
from ...tensor import Array, Tensor
from ..capture import MOVES, Graph, Source, amount, norm, source_of
from ..picture import cleaned as clean
from ..picture import digits, small
from ..roles import Rail
from .document import rounded
from .scene import Scene, Strand

ENTRIES_SHOWN = 4  # numbers of a tensor that are written out
BINS = 24  # of a gradient's histogram
INFIX = {"add": " + ", "sub": " − ", "mul": " · ", "div": " / ", "matmul": " @ "}
Where = tuple[int, int | None] | None  # layer and t of a group of ops; None for where the gradient comes from


def histogram(array: Array) -> list[Any]:
    """[lowest, highest, how many entries there are in each of the bins between]."""
    finite = array[np.isfinite(array)].astype(np.float64)
    if not finite.size:
        return []
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore"):
        counts = np.histogram(finite, BINS)[0] if 0 < high - low < math.inf else [finite.size]
    return [rounded(low, 4), rounded(high, 4), *map(int, counts)]


class Symbols:
    """What a tensor is called on the page, and how it was made."""

    def __init__(self, graph: Graph, called: dict[int, str]) -> None:
        self.graph, self.symbols = graph, dict(called)

    def symbol(self, x: Tensor, depth: int = 0) -> str:
        """Its name with the time step; what has no name is written as what it was made from."""
        if x.birth in self.symbols:
            return self.symbols[x.birth]
        if x.name:
            place = place_of(x.scope)
            text = clean(x.name, 24) + (small(place.t) if place else "")
        elif x.op is None or depth > 5:
            text = digits(x.item()) if x.size == 1 else "…" if x.op else "const"
        else:
            text = self.made(x, depth + 1)
        if depth == 0 or x.name:
            self.symbols[x.birth] = text
        return text

    def made(self, x: Tensor, depth: int = 0) -> str:
        """The right-hand side of a tensor's equation."""
        assert x.op is not None
        parts = [self.symbol(y, depth) for y in self.graph.inputs(x)]
        if x.op.name in ("concat", "stack"):
            return f"[{' ; '.join(parts[:6])}{' ; …' if len(parts) > 6 else ''}]"
        if sign := INFIX.get(x.op.name):
            loose = (" + ", " − ") if sign != " + " else ()
            return sign.join(f"({p})" if any(s in _outside(p) for s in loose) else p for p in parts)
        if x.op.name in MOVES:
            return parts[0]
        return f"{x.op.label}({', '.join(parts)})"


class Numbers:
    """Everything that the page shows of one graph and the picture does not.

    Args:
        scene: what its picture shows.
        table: the page's tensors, to which those of this graph are added.
        lines: the lines of the program that made them, likewise.
        sheet: which of the page's graphs it is.
    """

    def __init__(self, scene: Scene, table: list[dict[str, Any]], lines: list[list[Any]], sheet: int = 0) -> None:
        self.graph, self.scene, self.table, self.lines, self.sheet = scene.graph, scene, table, lines, sheet
        self.index: dict[int, int] = {}
        self.symbols = Symbols(scene.graph, scene.called)
        self.state, self.units, self.hidden, self.rows = "", list[int](), 0, 1
        if scene.rails:
            self._choose_units()
        self.wires: dict[tuple[int, int], list[str]] = defaultdict(list)  # by the edge: ids to show
        for strand in scene.strands:
            for edge in strand.edges:
                self.wires[edge.out.birth, edge.k] += filter(None, [strand.me, strand.number])
        self.totals: dict[int, list[str]] = defaultdict(list)
        for me, tensor in scene.sums:
            self.totals[tensor.birth].append(me)
        self.arrived: dict[int, list[Array]] = defaultdict(list)
        summed = [visit.tensor for visit in scene.visits]
        if not scene.rails:  # with time, a weight's sum over all steps would be told at each of its uses
            summed += [x for x in self.graph.tensors if x.op is None]
        self.expected = {x.birth: self._expected(x) for x in summed}

    def _choose_units(self) -> None:
        """The hidden units whose entries are written out: those with the largest gradients at the end."""
        rail = self.scene.rails[-1]
        self.state = next((name for name in ("C", "h") if name in rail.cell.states), next(iter(rail.cell.states), "h"))
        drawn = {t for _, t in self.scene.frames}
        last = [step.state(self.state) for step in rail.steps if step.t in drawn][-1]
        if last is not None and last.ndim:
            self.hidden = last.shape[-1]
            self.rows = last.shape[0] if last.ndim == 2 else 1
            if (gradient := self.graph.grad(last)) is not None:
                row = gradient[0] if gradient.ndim == 2 else gradient.reshape(-1, self.hidden)[0]
                self.units = sorted(int(k) for k in np.argsort(-np.abs(row), kind="stable")[:ENTRIES_SHOWN])

    def entries(self, array: Array | None) -> list[float | None] | None:
        """A few entries of the first row: of the chosen units where there is one for each unit, else the first ones."""
        if array is None:
            return None
        row = array[0] if array.ndim == 2 and array.shape[-1] == self.hidden else array.ravel()
        picked = row[self.units] if row.shape == (self.hidden,) and self.units else row[:ENTRIES_SHOWN]
        return [rounded(float(value), 4) for value in picked]

    def add(self, x: Tensor) -> int:
        """Enter a tensor into the table; its place there."""
        if x.birth in self.index:
            return self.index[x.birth]
        self.index[x.birth] = place = len(self.table)
        row: dict[str, Any] = {"sym": clean(self.symbols.symbol(x), 60)}
        self.table.append(row)
        gradient, values = self.graph.grad(x), x.numpy()
        if self.sheet:
            row["s"] = self.sheet
        row["scope"] = clean(x.scope, 80)
        if x.op is not None:
            row["op"] = x.op.name
            row["eq"] = clean(self.symbols.made(x), 110)
            if source := source_of(x):
                row["src"] = self._line(source)
        row["shape"] = list(x.shape)
        if values.size:
            with np.errstate(all="ignore"):
                row["v"] = [rounded(float(f(values)), 4) for f in (np.min, np.mean, np.max)]
        row["y"] = self.entries(values)
        if x.shape[-1:] == (self.hidden,) and len(x.shape) == 2 and self.units:
            row["u"] = 1
        row["grad"] = rounded(amount(gradient))
        if gradient is not None:
            row["dy"] = self.entries(gradient)
            row["hist"] = histogram(gradient)
        return place

    def _line(self, source: Source) -> int:
        """Enter a line of the program; its place among the page's lines."""
        line = [clean(source.file, 60), source.line, clean(source.text, 160)]
        if line not in self.lines:
            self.lines.append(line)
        return self.lines.index(line)

    # — the ops, as the gradient meets them —

    def ops(self) -> list[tuple[Where, list[dict[str, Any]]]]:
        """The ops, newest first, in groups: those of one layer in one time step, or where there is no time, each."""
        groups: list[tuple[Where, list[dict[str, Any]]]] = [(None, [self._start()])]
        for visit in self.scene.visits:
            ins = [self._share(edge, share) for edge, share in self._shares(visit.tensor)]
            op: dict[str, Any] = {"out": self.add(visit.tensor), "t": visit.t, "node": visit.node, "ins": ins}
            inputs = self.graph.inputs(visit.tensor)
            if len(ins) < len(inputs) <= 3:  # a rule may need what gets no gradient
                op |= {"args": [self.add(x) for x in inputs]}
            where = None if visit.layer is None else (visit.layer, visit.t)
            if where is not None and groups[-1][0] == where:
                groups[-1][1].append(op)
            else:
                groups.append((where, [op]))
        return groups

    def _expected(self, x: Tensor) -> int:
        """How many shares arrive at a tensor."""
        return sum(1 for edge in self.graph.users(x) if self._sent(edge) is not None)

    def _sent(self, edge: Edge) -> Array | None:
        assert self.graph.trace is not None
        return self.graph.trace.edge(edge.out, edge.k).share

    def sent(self, strand: Strand) -> float | None:
        """What flows along an arrow: with its sign where it is one number along one edge."""
        share = self._sent(strand.edges[0])
        return amount(share) if share is not None and share.size == 1 == len(strand.edges) else strand.share

    def _shares(self, tensor: Tensor) -> Iterator[tuple[Edge, Array]]:
        for k, x in enumerate(self.graph.inputs(tensor)):
            edge = Edge(x, tensor, k)
            if (share := self._sent(edge)) is not None:
                yield edge, share

    def _share(self, edge: Edge, share: Array) -> dict[str, Any]:
        """One input of an op: what is sent to it, along which edges of the picture, and the sum there so far."""
        x, here = edge.x, [1, 1]
        row: dict[str, Any] = {"x": self.add(x), "k": edge.k, "n": rounded(amount(share)), "v": self.entries(share)}
        row["ids"] = list(self.wires.get((edge.out.birth, edge.k), []))
        if (expected := self.expected.get(x.birth, 1)) > 1:
            self.arrived[x.birth].append(share)
            total = np.sum(self.arrived[x.birth], axis=0)
            here = [len(self.arrived[x.birth]), expected]
            row["sum"] = [*here, rounded(amount(total)), self.entries(total)]
        if here[0] == here[1]:
            row["ids"] += self.totals.get(x.birth, [])
        return row

    def _start(self) -> dict[str, Any]:
        """The first step: what comes into the picture from outside, from the loss or from later steps."""
        mine = {visit.tensor.birth for visit in self.scene.visits}
        root, ins = self.graph.roots[0], []
        edges = [edge for edge in self.graph.edges if edge.x.birth in mine and edge.out.birth not in mine]
        for edge in sorted(edges, key=lambda edge: -edge.x.birth):
            if (share := self._sent(edge)) is not None and np.any(share):
                ins.append(self._share(edge, share))
            elif share is not None:
                self.arrived[edge.x.birth].append(share)  # zeros: an entry of a stack that the loss does not read
        ids = {me for strand in self.scene.strands for edge in strand.edges if edge.out.birth not in mine
               for me in (strand.me, strand.number) if me}  # fmt: skip
        ids.update(self.totals.get(root.birth, []))
        return {"out": self.add(root), "t": None, "node": None, "ins": ins, "ids": sorted(ids)}

    # — of the layers —

    def strip(self, times: list[int]) -> dict[str, list[float | None]]:
        """The norms of the gradients of each named tensor of the last layer, at all steps of the sequence."""
        rail = self.scene.rails[-1]
        others = [*("h",) * ("h" in rail.cell.nodes), *rail.cell.named, "x"]
        names = [self.state, *(name for name in others if name != self.state)]
        rows: dict[str, list[float | None]] = {}
        for name in dict.fromkeys(names):
            made = {step.t: step.tensors[name] for step in rail.steps if name in step.tensors}
            rows[name] = [rounded(norm(self.graph.grad(made[t])), 4) if t in made else None for t in times]
        return {name: row for name, row in rows.items() if any(value is not None for value in row)}

    def parameters(self) -> list[int]:
        used = [role for rail in self.scene.rails for step in rail.steps for role in step.parameters.values()]
        found = {parameter.birth: parameter for role in used for parameter in role.values()}
        if not self.scene.rails:
            found = {x.birth: x for x in self.graph.tensors if x.op is None and x.requires_grad}
        return [self.add(parameter) for _, parameter in sorted(found.items())]

    def facts(self, name: str, times: list[int], notes: list[str], answer: list[str]) -> dict[str, Any]:
        """What is said about the graph as a whole. After `ops`: it needs their tensors."""
        root, rails = self.graph.roots[0], self.scene.rails
        return {
            "name": clean(name, 40), "state": self.state, "layers": len(rails), "steps": len(rails and rails[-1].steps),
            "loss": rounded(root.item()) if root.size == 1 else None, "notes": [clean(note, 200) for note in notes],
            "answer": [clean(text, 60) for text in answer],
            "units": self.units, "rows": self.rows, "parameters": self.parameters(),
            "ledger": _ledgers(self.scene, self.state), "strip": self.strip(times) if rails else {},
            "called": _called(rails[-1]) if rails else {},
        }  # fmt: skip


def _called(rail: Rail) -> dict[str, str]:
    """What the named tensors of a step are."""
    step = rail.steps[-1]
    made = {name: step.tensors.get(name) for name in (*rail.cell.states, *rail.cell.named)}
    found = {name: clean(meaning(x), 40) for name, x in made.items() if x is not None}
    return {name: word for name, word in found.items() if word} | ({"x": "input"} if "x" in step.tensors else {})


def _ledgers(scene: Scene, state: str) -> dict[str, Any]:
    """For each layer and step t, the terms of the gradient of the state before it: [norm, part of the total]."""
    found: dict[str, Any] = {}
    assert scene.graph.trace is not None
    for layer, rail in enumerate(scene.rails):
        try:
            flow: Flow[Any] = Flow(scene.graph.trace, state, rail.name)
        except LookupError:  # its state has another name, or the layer was called several times
            continue
        if sorted(flow.order) != list(range(flow.T + 1)):  # a loop whose steps are not 1 to T
            continue
        for t in [t for k, t in scene.frames if k == layer]:
            try:
                terms = {name: np.asarray(term, np.float64) for name, term in flow.ledger(t).items()}
            except (LookupError, IndexError):
                continue
            found[f"{layer} {t}"] = _parts(terms)
    return found


def _parts(terms: dict[str, Array]) -> dict[str, Any]:
    """The norm of a sum, and of each term its norm and its projection on the sum."""
    total = np.sum(list(terms.values()), axis=0)
    top = float(np.abs(total).max(initial=0.0)) or 1.0
    unit = total / top
    square = float((unit * unit).sum())
    rows = {
        name: [rounded(norm(term)), rounded(float((term / top * unit).sum()) / square, 5) if square else 0]
        for name, term in terms.items()
    }
    return {"norm": rounded(norm(total)), "terms": rows}


def _outside(text: str) -> str:
    """Text without what stands in brackets."""
    previous = ""
    while previous != text:
        previous, text = text, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", text)
    return text

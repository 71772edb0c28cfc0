"""The unrolled picture: some steps of some layers, one above the other, placed as data.

One step is placed as its `CellPlan` says, and repeated for all steps of all layers (`steps`); a rolled picture has one
step for all (`rolled`). What is read outside of a layer comes beside it (`readout`), and what stands between the boxes,
the wires and their numbers, is added for one scale of all graphs (`sheets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..flow.edge import Edge
from ..spoken import said
from ..tensor import Tensor
from .capture import Graph, norm
from .cells import CellPlan
from .picture import INK, Picture, Point, digits, small
from .roles import Rail, StepRoles, edges_of, lit_by
from .routes import Slot

GAP = 44  # between two steps; the lane for h is in its middle
PADDED = 60  # how much wider a step is in which some rows have ended
LIFT = 70  # between two layers
UNDER = 140  # between two graphs in one picture
ANSWERS = 4  # that are named: the one whose loss it is, and some alternatives
LONG = 100  # above so many steps small print and hover texts would only make the file heavy
Arrows = list[tuple[str, str, list[Edge], float | None]]  # role, role, the edges between them, what flows back


class Line(NamedTuple):
    """An edge to draw: between two ids, along corners, with what flows back along it in one step, or in all."""

    a: str
    b: str
    corners: list[Point]
    edges: list[Edge]
    shares: list[float | None]
    hover: str
    on_path: bool
    number: Point | None = None
    prefix: str = ""

    @property
    def share(self) -> float | None:
        return max((share for share in self.shares if share is not None), default=None)


class View(NamedTuple):
    """What is asked for.

    Attributes:
        first, last: the steps.
        follow: the state whose path is brought forward, if any.
        show: "shape", "grad": what is printed.
        labels: a word for each step.
        rolled: one step stands for all; its states go back to its own beginning, and numbers are ranges over time.
        light: the gate that is brought forward, with what it is made from and what it acts on.
        times, pitch: where several graphs stand in one picture, all their steps, and how wide one is.
    """

    first: int
    last: int
    follow: str | None
    show: tuple[str, ...]
    labels: Sequence[str] | None = None
    rolled: bool = False
    times: tuple[int, ...] = ()
    pitch: float = 0.0
    light: str | None = None


class Unrolled:
    """Some steps of the layers of one graph, in a picture that others may share.

    `name` is what the graph is called there, `under` another that is placed already, below this one; `answer` is what
    the net says, with which the gradient begins.
    """

    def __init__(
        self, graph: Graph, rails: list[Rail], view: View, name: str = "", under: Unrolled | None = None,
        answer: Sequence[str] = (), gap: float = UNDER,
    ) -> None:  # fmt: skip
        self.answer = answered(answer, view.labels) if rails[-1].steps[-1].t <= view.last else []
        self.graph, self.rails, self.view, self.name = graph, rails, view, name
        self.picture: Picture = under.picture if under else Picture()
        self.lines: list[Line] = []
        self.totals: list[tuple[Point, str, Tensor]] = []
        self.again: dict[int, list[Tensor | None]] = {}  # in a rolled picture: what a tensor stands for
        self.places: dict[str, tuple[Point, Point]] = {}  # by id: centre and size
        self.roles: dict[tuple[int, int], dict[str, str]] = {}  # (layer, t): ids of the roles
        self.backward = graph.trace is not None
        self.lit = lit_by(graph, rails[-1], view.light) if view.light else rails[-1].cell.follow.get(view.follow or "")
        self.widths = widths_of(rails, view.first, view.last)
        self.pitch = view.pitch or max(self.widths) + GAP
        self.lows = [under.top() + gap if under else 0.0]
        for rail in rails:
            above = rail.cell.readout - rail.cell.height  # where the loss reads h above the step
            apart = LIFT if rail.way == rails[-1].way else max(LIFT + 50, above + 118)
            self.lows.append(self.lows[-1] + rail.cell.height + apart)
        self.rows = [LayerRow(self, layer) for layer in range(len(rails))]
        drawn = sorted({*view.times, *(step.t for row in self.rows for step in row.drawn)})
        self.column = dict.fromkeys(drawn, 0) if view.rolled else {t: k for k, t in enumerate(drawn)}
        self.long = len(self.column) > LONG
        self.title = ""

    def top(self) -> float:
        """Where the picture ends: above it there may be another."""
        inside = self.lows[-2] + self.rails[-1].cell.height
        return max(inside, *(at[1] + size[1] / 2 for at, size in self.places.values()))

    def entitle(self) -> None:
        """Write its name above it, where it has one; and beside each of several layers which one it is."""
        for row in self.rows if len(self.rows) > 1 else ():
            way = said("forward" if row.rail.way > 0 else "backward")
            name = said("layer {k}", k=row.layer + 1) if self.rails[0].way == self.rails[-1].way else way
            self.picture.line((-80, self.lows[row.layer] + row.cell.height + 9), name, 11, INK)
        if self.name:
            self.title = self.picture.line((-80, self.top() + 22), self.name, 15, INK, of="name")

    def sub(self, t: int) -> str:
        """The index of a step."""
        return "ₜ" if self.view.rolled else small(t)

    def shows(self, what: str) -> bool:
        """Whether shapes, or (where there are any) gradients, are printed."""
        return what in self.view.show and (what != "grad" or self.backward)

    def is_lit(self, *roles: str) -> bool:
        """Whether roles are on the path that is brought forward; all are where there is none."""
        return self.lit is None or all(role in self.lit for role in roles)

    def norms(self, tensor: Tensor | None) -> list[float | None]:
        """The norm of a tensor's gradient; in a rolled picture, those of all steps."""
        if tensor is None:
            return []
        return [norm(self.graph.grad(x)) for x in self.again.get(tensor.birth, [tensor]) if x is not None]

    def shape(self, at: Point, tensor: Tensor) -> None:
        """Print a shape below a node."""
        if "shape" in self.view.show:
            self.picture.text((at[0], at[1] - 27), str(tensor.shape))


def answered(answer: Sequence[str], labels: Sequence[str] | None) -> list[str]:
    """What the net says after the last word, line by line: “opened” →, his 99.8 %, and the alternatives."""
    return [*([f"“{labels[-1]}” →"] if labels and answer else []), *answer[:ANSWERS]]


class LayerRow:
    """One layer of it: its steps stand side by side."""

    def __init__(self, sheet: Unrolled, layer: int) -> None:
        self.sheet, self.layer, self.rail = sheet, layer, sheet.rails[layer]
        self.cell: CellPlan = self.rail.cell
        view = sheet.view
        self.steps = [step for step in self.rail.steps if view.first <= step.t <= view.last]
        self.arrows: dict[int, Arrows] = {step.t: list(edges_of(sheet.graph, step)) for step in self.steps}
        self.drawn = self.steps
        if view.rolled:  # the step with most in it, and with one before it, stands for all
            richest = max(self.steps, key=lambda step: (len(step.tensors), self.rail.before(step) is not None))
            self.drawn = [richest]
        # In a long picture one path has hover texts: that of a state on a straight line, where there is one.
        states = [*self.cell.lines, *self.cell.follow]
        self.main = next((self.cell.follow[name] for name in states if name in self.cell.follow), frozenset[str]())

    @property
    def ran(self) -> list[StepRoles]:
        """All steps that are asked for, as they ran."""
        return self.steps[:: self.rail.way]

    def slot(self, t: int) -> Slot:
        """Where a step stands."""
        sheet = self.sheet
        left, low = sheet.column[t] * sheet.pitch, sheet.lows[self.layer]
        return Slot(left, low, sheet.widths[self.layer], self.rail.way < 0)

    def state_label(self, name: str, t: int) -> str:
        """A state with its index: C₃; of one with a long name, s₃."""
        return f"{name if len(name) < 4 else 's'}{small(t)}"


def widths_of(rails: list[Rail], first: int, last: int) -> list[float]:
    """How wide a step of each layer is: wider where some rows have ended before the last step."""
    steps = [step for rail in rails for step in rail.steps if first <= step.t <= last]
    padded = any(role.endswith(" pad") for step in steps for role in step.tensors)
    return [rail.cell.width + PADDED * (padded and not rail.cell.sizes) for rail in rails]


def between(norms: Iterable[float | None]) -> str:
    """The only number, or the smallest and the largest."""
    known = [n for n in norms if n is not None]
    low, high = digits(min(known, default=None)), digits(max(known, default=None))
    return low if low == high else f"{low} … {high}"

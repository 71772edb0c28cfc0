"""What a net looks like inside while it learns: snapshots of its gradients and gates, their difference, and a plot."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..flow.recurrence import STATES, meaning
from ..flow.trace import Trace
from ..graph.picture import STOPS
from ..graph.render import Drawing
from ..numerics import norm
from ..spoken import lettered, ranged, said
from ..tasks import Batch, Task
from ..tensor import Array
from .pictures import Maps, drawing

PROBED = 8  # rows at most


def probe(task: Task) -> Batch:
    """Up to eight rows of one length, which are asked something at their end alone.

    So what a snapshot finds at t has come all the way back from the end: no loss enters on the way, and no row is over
    before the others.
    """
    batch = task.batch(32, np.random.default_rng([0, 2]))
    ends = batch.mask.shape[1] - batch.mask[:, ::-1].argmax(axis=1)
    counts = Counter(ends[batch.mask.any(axis=1)].tolist())
    end = max(counts, key=lambda end: (min(counts[end], PROBED), end))
    rows = np.flatnonzero(ends == end)[:PROBED]
    mask = np.zeros((len(rows), end), dtype=bool)
    mask[:, -1] = True
    return Batch(batch.x[rows, :end], batch.target[rows, :end], mask)


@dataclass(frozen=True)
class Snapshot:
    """One trace in a few numbers.

    Attributes:
        norm: for each state ("C", "h") the norms of ∂L/∂C_0 … ∂L/∂C_T, (T+1,); NaN where none was computed.
        gates: for each gate ("f", "i", "o"; of a GRU "z", "r") its mean at t = 1 … T, (T,), over units and over the
            rows that are not yet over. "f∘∂C" (LSTM) is ‖f_t ∘ ∂L/∂C_t‖ / ‖∂L/∂C_t‖: how open f is where the gradient
            runs, which may be in a few units only, while the mean over all of them falls.
        called: what these names mean, by the scopes of the cell: "forget gate".
    """

    norm: dict[str, Array]
    gates: dict[str, Array]
    called: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, trace: Trace, *, layer: str | int | None = None, lengths: Array | None = None) -> Snapshot:
        """The numbers of a trace; `layer` as in `Trace.flow`, `lengths` as the net was given them.

        Raises LookupError where the trace holds no recurrent layer, or several and none is chosen.
        """
        held = {name for recurrence in trace.recurrences.values() for name in recurrence.states} or {"h"}
        flows = [trace.flow(name, layer) for name in STATES if name in held]
        states, T, recurrence = flows[0].states, flows[0].T, flows[0].recurrence
        gates: dict[str, Array] = {}
        for t in range(1, T + 1):
            rows = slice(None) if lengths is None else np.asarray(lengths) >= t
            for name, x in {x.name: x.numpy()[rows] for x in recurrence.named(t)}.items():
                if name in ("f", "i", "o", "z", "r"):
                    gates.setdefault(name, np.full(T, np.nan))[t - 1] = x.mean()
                made = states[t]
                gradient = None if made is None else trace.grad(made)
                if name == "f" and gradient is not None and gradient[rows].any():
                    g = gradient[rows].astype(np.float64)
                    gates.setdefault("f∘∂C", np.full(T, np.nan))[t - 1] = norm(x * g) / norm(g)
        called = {x.name: word for x in recurrence.named(T) if x.name and (word := meaning(x))}
        return cls({flow.name: flow.norm for flow in flows}, gates, called)

    @property
    def parts(self) -> dict[str, Array]:
        """All arrays by name: "C", "h", "f", …"""
        return {**self.norm, **self.gates}


@dataclass(repr=False)
class Record:
    """Snapshots of a training: `steps`, the number of training steps done at each of them, and `snapshots`.

    `losses` is the mean training loss since the snapshot before, NaN where no step was done.
    `record["f"]` is an array (snapshots, T), `record["C"]` (snapshots, T+1).
    """

    steps: list[int] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.losses = self.losses or [math.nan] * len(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, snapshot: Snapshot, loss: float = math.nan) -> None:
        self.steps.append(step)
        self.snapshots.append(snapshot)
        self.losses.append(float(loss))

    @property
    def names(self) -> list[str]:
        """What is recorded: states, then gates."""
        return list(self.snapshots[0].parts) if self.snapshots else []

    def __getitem__(self, name: str) -> Array:
        """One name at all training steps. Raises LookupError where it was not recorded."""
        if name not in self.names:
            have = f"There are: {', '.join(self.names)}." if self.names else "Train with fit(record=10), for instance."
            raise LookupError(f"record: nothing of {name!r} is there. {have}")
        return np.array([snapshot.parts[name] for snapshot in self.snapshots])

    def diff(self) -> Difference:
        """From the first snapshot to the last. Raises LookupError where there are less than two."""
        if len(self) < 2:
            raise LookupError(f"record: two snapshots are needed, and there are {len(self)}; see fit(record=…).")
        about = said("after {first} and {last} steps", first=self.steps[0], last=self.steps[-1])
        return Difference(self.snapshots[0], self.snapshots[-1], about)

    def plot(self, name: str = "C", ax: Any = None) -> Any:
        """A heat map, training step × time step, of a gradient (logarithmic) or of a gate (0 to 1).

        Returns the matplotlib axes, `ax` or new ones. Raises ImportError where matplotlib is missing.
        """
        values = self[name]
        try:
            from matplotlib import colors, pyplot  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise ImportError("plot: needs matplotlib. Install it: pip install 'tinygrad-lstm[plot]'") from None
        lettered()
        ax = ax or pyplot.figure(figsize=(8, 4), layout="constrained").add_subplot()
        gate = name in self.snapshots[0].gates
        first, last = (1 if gate else 0), values.shape[1] - (0 if gate else 1)
        if gate:
            scale, label = colors.Normalize(0, 1), f"{name}ₜ"
            label = label if "∘" in name else said("mean of {name}", name=label)
        else:
            values = np.where(np.isfinite(values) & (values > 0), values, np.nan)  # of the others there is no logarithm
            known = values[~np.isnan(values)]
            high = float(known.max()) if known.size else 1.0
            low = max(float(known.min()) if known.size else high, high * 1e-6)
            scale, label = colors.LogNorm(min(low, high / 10), high), f"‖∂L/∂{name}ₜ‖"
        shade = colors.LinearSegmentedColormap.from_list("flow", STOPS)
        edges = np.append(self.steps, 2 * self.steps[-1] - self.steps[-2] if len(self) > 1 else self.steps[-1] + 1)
        image = ax.pcolormesh(np.arange(first, last + 2) - 0.5, edges, values, norm=scale, cmap=shade)
        ax.figure.colorbar(image, ax=ax, label=label, extend="neither" if gate else "min")
        title = said("{what} while the net learns", what=label)
        ax.set(xlabel=said("time step t"), ylabel=said("training step"), title=title)
        return ax

    def draw(self) -> Drawing:
        """Heat maps of all that was recorded, as a picture and as a page: `record.draw().save("history.html")`.

        The page has a slider over the training steps, and says what has changed. Raises LookupError where nothing was
        recorded.
        """
        gates = set(self.snapshots[0].gates) if self.snapshots else set()
        return drawing(Maps(self.steps, {name: self[name] for name in self.names}, gates, repr(self), self.losses,
                            self.snapshots[-1].called if self.snapshots else {}))  # fmt: skip

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {**(self.draw()._repr_mimebundle_() if len(self) else {}), "text/plain": repr(self)}

    def arrays(self) -> dict[str, Array]:
        """All of it as arrays, for a file; `Record.of` makes the record again."""
        if not self.steps:
            return {}
        kinds = {**dict.fromkeys(self.snapshots[0].norm, "norm"), **dict.fromkeys(self.snapshots[0].gates, "gate")}
        made = {"steps": np.array(self.steps), "losses": np.array(self.losses)}
        return {**made, **{f"{kind}/{name}": self[name] for name, kind in kinds.items()}}

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Record:
        """The record that `arrays()` describes; an empty one of nothing."""
        record = cls()
        for k, step in enumerate(arrays.get("steps", ())):
            parts: dict[str, dict[str, Array]] = {"norm": {}, "gate": {}}
            for key, array in arrays.items():
                kind, _, name = key.partition("/")
                if name:
                    parts[kind][name] = array[k]
            losses = arrays.get("losses", ())  # files of before have none
            record.add(int(step), Snapshot(parts["norm"], parts["gate"]), losses[k] if len(losses) else math.nan)
        return record

    def __repr__(self) -> str:
        facts = {"n": len(self), "names": ", ".join(self.names) or said("nothing")}
        if not self.steps:
            return said("Record({n} snapshots, of {names})", **facts)
        text = "Record({n} snapshots after {first} to {last} steps, of {names})"
        return said(text, first=self.steps[0], last=self.steps[-1], **facts)


@dataclass(frozen=True, repr=False)
class Difference:
    """Two snapshots of nets that read the same number of steps: `before`, `after`, and which ones (`about`)."""

    before: Snapshot
    after: Snapshot
    about: str = "before and after"

    @property
    def names(self) -> list[str]:
        """What both of them have."""
        return [name for name in self.before.parts if name in self.after.parts]

    def change(self, name: str) -> Array:
        """What was added to a gate's mean, or by what a gradient's norm was multiplied, at each step."""
        if name not in self.names:
            raise LookupError(f"diff: there is no {name!r} in both; there are {', '.join(self.names)}.")
        old, new = self.before.parts[name], self.after.parts[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            return new - old if name in self.before.gates else new / old

    def table(self, labels: Sequence[Any] | None = None) -> str:
        """Newest first: for each t, each gradient's norm and each gate's mean, before → after.

        Args:
            labels: T words or characters, what was read at each step.
        """
        T = len(self.before.parts[self.names[0]]) - 1
        gates = {n: n if "∘" in n else said("mean {gate}", gate=n) for n in self.before.gates}
        heads = [gates.get(n, f"|∂L/∂{n}|") for n in self.names]
        lines = [f"{'t':>4}  {ranged(said('read'), 10, '<')}" + "".join(ranged(head, 20) for head in heads)]
        for t in range(T, -1, -1):
            cells = []
            for name in self.names:
                gate = name in self.before.gates
                pair = (side.parts[name] for side in (self.before, self.after))
                if gate and not t:
                    cells.append("")
                else:
                    cells.append(" → ".join(f"{p[t - 1]:.3f}" if gate else f"{p[t]:.2e}" for p in pair))
            word = str(labels[t - 1]) if labels is not None and t else ""
            lines.append(f"{t:>4}  {word:<10.10}" + "".join(f"{cell:>20}" for cell in cells).rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        parts = []
        for name in self.names:
            old, new = (float(np.nanmean(side.parts[name])) for side in (self.before, self.after))
            if name in self.before.gates:
                way = said("opens" if new > old + 0.005 else "closes" if new < old - 0.005 else "stays")
                parts.append(f"{name} {way}, {old:.3f} → {new:.3f}")
            else:
                parts.append(f"|∂L/∂{name}| {old:.2e} → {new:.2e}")
        return said("Difference({about}; means over t: {parts})", about=said(self.about), parts="; ".join(parts))


def diff(before: Trace | Snapshot, after: Trace | Snapshot) -> Difference:
    """What has changed between two traces (or snapshots), step by step: has the forget gate learned to open?

    Raises ValueError where they have no state in common, or another number of steps.
    """
    old, new = (Snapshot.of(side) if isinstance(side, Trace) else side for side in (before, after))
    was, now = ({name: len(norm) - 1 for name, norm in side.norm.items()} for side in (old, new))
    if not was.keys() & now.keys() or any(was[name] != now[name] for name in was.keys() & now.keys()):
        raise ValueError(f"diff: the states and their steps are {was} and {now}; they must be the same.")
    return Difference(old, new)

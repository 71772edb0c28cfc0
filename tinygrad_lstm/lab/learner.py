"""One net of the lab: what it is made of, its training in portions, and how far its gradient reaches meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from ..flow.flow import Flow
from ..flow.trace import Trace, trace
from ..graph import draw
from ..graph.page.document import rounded
from ..graph.render import Drawing
from ..nn import cross_entropy, unfused
from ..scope import no_grad
from ..tasks.base import Batch, TaskError
from ..tensor import Array, Tensor
from ..training.fit import fit, make_optimizer
from ..training.history import History
from ..training.model import CELLS, SequenceModel
from .cellcode import OWN, OwnCell, compiled, known_as_own
from .offers import Offer, Read, offer_of
from .wordings import CHOICE, NO_FLOW, NOT_HERE, NUMBER, LabError

HIDDEN, STEPS = 64, 500  # at most
EMBEDDING = 8
SETTINGS = {  # of a cell, as the lab calls them and as `SequenceModel` does
    "forget_bias": "forget_bias", "activation": "activation", "gate_activation": "recurrent_activation",
}  # fmt: skip
ACTIVATIONS = ("tanh", "sigmoid", "relu", "hard_sigmoid", "leaky_relu", "softplus", "linear")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a net and its training depend on, as a message says it; None is what suits the task, or the cell."""

    task: Any = "pronouns"
    cell: Any = "lstm"
    hidden: int | None = None
    seed: int = 0
    lr: float | None = None
    clip: float | None = None
    forget_bias: float | None = None
    activation: str | None = None
    gate_activation: str | None = None
    recurrent_initializer: str | None = None

    def __post_init__(self) -> None:
        number(self.hidden, "hidden", 1, HIDDEN, whole=True)
        number(self.seed, "seed", 0, 2**31 - 1, whole=True)
        number(self.lr, "lr", 1e-6, 10)
        number(self.clip, "clip", 0, 1e6)
        number(self.forget_bias, "forget_bias", -20, 20)
        for name in ("activation", "gate_activation"):
            choice(getattr(self, name), name, (None, *ACTIVATIONS))
        choice(self.recurrent_initializer, "recurrent_initializer", (None, "orthogonal", "zeros", "identity"))

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Recipe:
        """That of a message, or of what `state` holds. Raises LabError naming the field that is wrong."""
        return cls(**{f.name: message[f.name] for f in fields(cls) if f.name in message})


def number(
    value: Any, field: str, least: float, most: float, *, whole: bool = False, needed: bool = False
) -> None:  # fmt: skip
    """Raise LabError for what is no number in a range; None is what suits, unless a number is needed."""
    kind = int if whole else (int, float)
    if (value is None and not needed) or (
        isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most
    ):
        return
    raise LabError(NUMBER, field=field, must=f"{'∈ ℤ, ' * whole}{least:g} … {most:g}", value=repr(value)[:40])


def choice(value: Any, field: str, known: tuple[Any, ...]) -> None:
    """Raise LabError for what is none of some values."""
    if value not in known:
        raise LabError(CHOICE, field=field, value=repr(value)[:40], known=", ".join(str(k) for k in known if k))


class Learner:
    """A net in training. Raises LabError, ValueError or TaskError where its recipe cannot be followed."""

    def __init__(self, recipe: Recipe) -> None:
        self.offer: Offer = offer_of(recipe.task)
        usual = self.offer.net
        self.own = self._own(recipe.cell)
        self.cell = OWN if self.own else recipe.cell
        choice(self.cell, "cell", tuple(CELLS) if not self.own else (OWN,))
        understood = self.own.understood if self.own else CELLS[self.cell][2]
        lacks = [name for name, setting in SETTINGS.items() if setting not in ("activation", *understood)]
        lacks += ["activation"] if self.own and not self.own.is_variant else []
        for name in lacks:
            if getattr(recipe, name) is not None:
                raise LabError(NOT_HERE, field=name, cell=self.cell)
        suits = {name: usual.get(name) for name in ("hidden", "lr", "clip", "recurrent_initializer")}
        if "forget_bias" in understood:
            suits["forget_bias"] = usual.get("forget_bias")
        asked = {name: value for name, value in asdict(recipe).items() if value is not None}
        self.recipe = Recipe(**{**suits, **asked, "task": self.offer.asked()})
        with known_as_own(self.own):
            self.model = SequenceModel.for_task(self.offer.task, **self.settings())
        self.model.rnn.fused = self.model.rnn.fusable
        self.optimizer = make_optimizer("adam", self.model, self.recipe.lr, **self.clips())
        self.history: History | None = None
        self.batch = self.offer.task.usual_batch()

    @staticmethod
    def _own(cell: Any) -> OwnCell | None:
        return compiled(cell.get("code"), cell.get("base", "lstm")) if isinstance(cell, dict) else None

    def settings(self) -> dict[str, Any]:
        """Those of the SequenceModel."""
        recipe = self.recipe
        settings = {name: getattr(recipe, name) for name in ("hidden", "seed", "recurrent_initializer")}
        settings |= {theirs: getattr(recipe, ours) for ours, theirs in SETTINGS.items()}
        known = {name: value for name, value in settings.items() if value is not None}
        return {"cell": self.cell, "embedding": EMBEDDING, **known}

    def clips(self) -> dict[str, float]:
        return {"global_clipnorm": self.recipe.clip} if self.recipe.clip else {}

    @property
    def steps(self) -> int:
        return len(self.history) if self.history else 0

    def train(self, steps: int) -> dict[str, Any]:
        """Go on for some steps, bit by bit as in one go. Raises LabError, and TrainingError for a loss that is lost."""
        number(steps, "steps", 0, STEPS, whole=True, needed=True)
        before = self.steps
        seconds = self.history.seconds if self.history else 0.0
        self.history = fit(
            self.model, self.offer.task, steps=before + steps, batch=self.batch, seed=self.recipe.seed,
            optimizer=self.optimizer, progress=False, resume=self.history,
        )  # fmt: skip
        history = self.history
        return {
            "step": len(history),
            "loss": [rounded(loss) for loss in history.loss[before:]],
            "norm": [rounded(norm) for norm in history.norm[before:]],
            "clipped": rounded(history.recent("clipped", max(1, steps)), 4),
            "accuracy": rounded(history.recent("accuracy", max(1, steps))),
            "held_out": self.held_out(),
            "reach": self.reach(),
            "seconds": rounded(history.seconds - seconds, 3),
        }

    @cached_property
    def unseen(self) -> Batch | None:
        """64 examples of the part that it does not learn on, always the same; None where there is no such part."""
        try:
            return self.offer.task.batch(64, np.random.default_rng([0, 1]), split="test")  # as in `evaluate`
        except TaskError:  # a text of one sentence
            return None

    def held_out(self) -> float | None:
        """Accuracy on what is `unseen`; None where there is nothing, or no answer is simply right."""
        batch = self.unseen
        if batch is None:
            return None
        with no_grad(), np.errstate(all="ignore"):
            y = self.model.eval()(batch.x, lengths=batch.lengths).y.numpy()
        return rounded(self.offer.task.accuracy(batch, y), 4)

    @cached_property
    def watched(self) -> Read:
        """What is read to see how far the gradient reaches: always the same."""
        return self.offer.read(self.offer.examples[0], "en")

    def reach(self) -> dict[str, Any]:
        """‖∂L/∂C_t‖ (of a cell without C: ‖∂L/∂h_t‖) for one fixed text, each as a share of the largest."""
        read = self.watched
        with unfused(self.model.eval()), np.errstate(all="ignore"):
            traced = trace(self.loss(read.x, self.target(read)))
        if not traced.recurrences:  # no gradient comes back to the cell
            return {"words": read.words, "state": "h", "shares": [None] * len(read.words), "largest": None}
        flow = self.flow(traced)
        norms = flow.norm[1:]
        largest = np.nanmax(norms) if np.isfinite(norms).any() else math.nan
        shares = [rounded(float(n / largest)) if largest > 0 else None for n in norms]
        return {"words": read.words, "state": flow.name, "shares": shares, "largest": rounded(float(largest))}

    def target(self, read: Read) -> int | None:
        """The answer whose loss is L: the right one where that is known, of several the likeliest, else the likeliest
        of all; None where the answer is a number."""
        names = self.offer.task.answers
        if names is None:
            return None
        with unfused(self.model.eval()), np.errstate(all="ignore"):
            logits = self.model(read.x[None]).y.numpy()[0, -1]
        allowed = [k for k, name in enumerate(names) if name in read.right] if read.right else []
        return max(allowed or range(len(names)), key=lambda k: float(logits[k]))

    def loss(self, x: Array, target: int | None) -> Tensor:
        """−ln p of an answer after the last step; of a net whose answer is a number, that number."""
        y = self.model(x[None]).y[:, -1]
        return y.sum() if target is None else cross_entropy(y, np.array([target]))

    @staticmethod
    def flow(traced: Trace) -> Flow[Trace]:
        """The flow of C, or of h where there is no C. Raises LabError where no gradient comes back to the cell."""
        if not traced.recurrences:
            raise LabError(NO_FLOW, field="code")
        states = {x.name for x in traced.tensors}
        return traced.flow("C" if "C" in states else "h")


def cell_drawing(layer: Any) -> Drawing:
    """One step of a layer's cell, forward. Raises ValueError where its state comes from nowhere."""
    with unfused(layer), np.errstate(all="ignore"):
        last = layer(np.ones((1, 3, layer.input_size), dtype=np.float32)).last
    return draw(
        sum((x.mean() for x in last), Tensor(0.0)),
        backward=False,
        show="shape",
        steps=(2, 2),
        legend=False,
        parameters=False,
    )

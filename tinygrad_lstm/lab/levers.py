"""What may be changed in a trained net while one sentence is asked: for that sentence alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..flow.what_if import what_if
from ..nn import unfused
from ..nn.cell import activation_of, activations
from ..tensor import Tensor, detach
from .learner import ACTIVATIONS, Learner, choice, number
from .wordings import LEVER, NO_ERASE, NO_F, NO_GATE, NOT_HERE, POSITION, LabError, Lang

FROZEN = "frozen at 1"


@dataclass(frozen=True, kw_only=True)
class Levers:
    """The levers of one question.

    Attributes:
        forget_bias: b_f is moved by as much as this is above the bias with which the training began, in all units: at
            that bias nothing changes, and what was learned stays.
        f: "frozen at 1": the forget gate lets all pass.
        cut_h: no gradient returns through h, but from the answer: C alone carries it back. The answer is the same.
        activation, gate_activation: others than the net was trained with.
        erase: positions (from 0) of words at which C̃ is set to 0, as in `training.erasure`.
    """

    forget_bias: float | None = None
    f: str | None = None
    cut_h: bool = False
    activation: str | None = None
    gate_activation: str | None = None
    erase: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: Any, steps: int) -> Levers:
        """Those of a message, for a text of so many steps. Raises LabError naming the one that is wrong."""
        given = given or {}
        known = tuple(cls.__dataclass_fields__)
        if not isinstance(given, Mapping):
            choice(given, "levers", known)
        for name in given:
            choice(name, "levers", known)
        erase = given.get("erase") or ()
        if not isinstance(erase, list | tuple):
            raise LabError(POSITION, field="erase", value=repr(erase)[:40], last=steps - 1)
        levers = cls(**{**given, "erase": tuple(erase)})
        number(levers.forget_bias, "forget_bias", -20, 20)
        choice(levers.f, "f", (None, FROZEN))
        choice(levers.cut_h, "cut_h", (False, True))
        choice(levers.activation, "activation", (None, *ACTIVATIONS))
        choice(levers.gate_activation, "gate_activation", (None, *ACTIVATIONS))
        for position in levers.erase:
            if type(position) is not int or not 0 <= position < steps:
                raise LabError(POSITION, field="erase", value=repr(position)[:40], last=steps - 1)
        return levers

    def __bool__(self) -> bool:
        return self != Levers()

    def moved(self, learner: Learner) -> float:
        """By how much the forget bias is moved."""
        return 0.0 if self.forget_bias is None else self.forget_bias - started(learner)

    @contextmanager
    def applied(self, learner: Learner, steps: int) -> Iterator[None]:
        """Inside the block the net has them. Raises LabError where its cell has no such thing."""
        cell = learner.model.rnn.cells[0][0]
        with ExitStack() as stack:
            stack.enter_context(unfused(learner.model.eval()))
            for name, value in self._attributes(learner, cell).items():
                stack.enter_context(_replaced(cell, name, value))
            changes: dict[str, Any] = {"f": lambda f: f * 0.0 + 1.0} if self.f else {}  # still a tensor of the graph
            if self.cut_h:
                changes |= {f"t={t}/h": detach for t in range(1, steps)}
            changes |= {f"t={k + 1}/C̃": lambda C_new: C_new * 0.0 for k in self.erase}
            try:
                with what_if(changes):
                    yield
            except LookupError as exc:
                if "what_if" not in str(exc):
                    raise
                text, field = (NO_ERASE, "erase") if "C̃" in str(exc) else (NO_F, "f")
                raise LabError(text, field=field, cell=learner.cell) from None

    def _attributes(self, learner: Learner, cell: Any) -> dict[str, Any]:
        """What stands in the place of attributes of the cell."""
        new: dict[str, Any] = {}
        if self.forget_bias is not None:
            if "b_f" not in vars(cell):
                raise LabError(NOT_HERE, field="forget_bias", cell=learner.cell)
            b_f = cell.b_f.numpy()
            new["b_f"] = Tensor(b_f + b_f.dtype.type(self.moved(learner)), requires_grad=True, name="b_f")
        if self.activation is not None:
            new |= dict.fromkeys(("activation", "output_activation"), activation_of(self.activation))  # type: ignore[arg-type]
        if self.gate_activation is not None:
            new["recurrent_activation"] = activation_of(self.gate_activation, gate=True)  # type: ignore[arg-type]
        if "output_activation" not in vars(cell):
            new.pop("output_activation", None)
        for name, field in (("activation", "activation"), ("recurrent_activation", "gate_activation")):
            if name in new and name not in vars(cell):
                raise LabError(NOT_HERE, field=field, cell=learner.cell)
        return new

    def said(self, learner: Learner, words: list[str], lang: Lang) -> list[str]:
        """Each lever that is set, in words."""
        cell = learner.model.rnn.cells[0][0]
        old = next((name for name, f in activations.items() if f is vars(cell).get("activation")), "tanh")
        values: dict[str, dict[str, Any]] = {
            "forget_bias": {"by": f"{self.moved(learner):+.3g}"},
            "activation": {"name": self.activation, "old": old},
            "gate_activation": {"name": self.gate_activation},
            "erase": {"words": ", ".join(f"“{words[k]}”" for k in self.erase)},
        }
        set_ = [name for name in LEVER if getattr(self, name) not in (None, False, ())]
        return [LEVER[name].said(lang, **values.get(name, {})) for name in set_]


def unbounded(gate: str | None, lang: Lang) -> list[str]:
    """What is to be said of a gate's activation that leaves [0, 1]; nothing of one that does not."""
    if gate is None:
        return []
    reach = np.asarray(activations[gate](np.linspace(-50.0, 50.0, 1001)))
    low, high = float(reach.min()), float(reach.max())
    return [] if 0 <= low <= high <= 1 else [NO_GATE.said(lang, gate=gate, low=f"{low:.3g}", high=f"{high:.3g}")]


def started(learner: Learner) -> float:
    """The forget bias with which a net's training began."""
    value = learner.recipe.forget_bias
    return 1.0 if value is None else value


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)

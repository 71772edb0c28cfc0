"""What is seen when a net is asked about one text, with levers and without them: plain data for a page."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..flow.flow import Flow
from ..flow.trace import Trace, trace
from ..graph import draw
from ..graph.page.document import rounded
from ..graph.render import Drawing
from ..numerics import norm
from ..ops import softmax
from ..tensor import Array
from .learner import Learner
from .levers import Levers
from .offers import Read
from .wordings import (
    EXPECTS,
    FLIPS,
    GROWS,
    HALVES,
    IS_RIGHT,
    IS_WRONG,
    KEEPS,
    LEVERS,
    PREDICTS,
    REACHES,
    SILENT,
    STAYS,
    WAS,
    Lang,
)

LIKELY = 6  # answers that are named
NEAR = 0.08  # of a right number: see Adding.right
GATES = ("f", "i", "C̃", "o", "z", "r", "n")


class Seen(NamedTuple):
    """One way through a text and back: the answers with their probabilities, and the flow of the gradient."""

    prediction: list[tuple[str, float | None]]
    loss: float
    flow: Flow[Trace]

    @property
    def answer(self) -> str:
        return self.prediction[0][0]


def seen(learner: Learner, read: Read, levers: Levers, target: int | None) -> Seen:
    """Ask a net, and go back from the loss of `target` (see `Learner.target`). Raises LabError as `Levers` does."""
    names = learner.offer.task.answers
    with levers.applied(learner, len(read.words)), np.errstate(all="ignore"):
        loss = learner.loss(read.x, target)
        traced = trace(loss)
        flow = learner.flow(traced)
    if names is None:
        return Seen([(f"{loss.item():.3g}", None)], loss.item(), flow)
    logits = next(x for x in reversed(traced.tensors) if x.shape == (1, len(names))).numpy()[0].astype(np.float64)
    chances = softmax(logits)
    likely = np.argsort(-chances, kind="stable")[:LIKELY]
    shown = learner.offer.shown
    return Seen([(shown(names[int(k)]), float(chances[k])) for k in likely], loss.item(), flow)


def told(learner: Learner, read: Read, shown: Seen) -> dict[str, Any]:
    """What a page shows of it, as plain data: see `Session.do_ask`."""
    with np.errstate(all="ignore"):
        return {
            "prediction": [{"word": word, "p": rounded(p)} for word, p in shown.prediction],
            "answer": shown.answer,
            "right": is_right(learner, read, shown),
            "loss": rounded(shown.loss),
            "strip": strip(shown.flow),
            "ledger": ledger(shown.flow),
            "half_life": "inf" if shown.flow.half_life == math.inf else rounded(shown.flow.half_life),
        }


def is_right(learner: Learner, read: Read, shown: Seen) -> bool | None:
    """Whether the answer is right; None where nobody can say."""
    if learner.offer.task.answers is None:
        return None if read.value is None else abs(shown.loss - read.value) < NEAR
    return None if read.right is None else shown.answer in read.right


def strip(flow: Flow[Trace]) -> dict[str, Any]:
    """‖∂L/∂·‖ of each named tensor at t = 1 … T: a row for each name; None where no gradient was computed."""
    recurrence, steps = flow.recurrence, range(1, flow.T + 1)
    names = [*recurrence.states, *(name for name in GATES if name in flow.gates)]
    names += [name for name in flow.gates if name not in names]
    rows = [[_norm(flow, name, t) for t in steps] for name in names]
    values = {
        name: [rounded(float(x[-1].numpy().mean()), 4) if (x := recurrence.called(name, t)) else None for t in steps]
        for name in flow.gates
    }
    return {"names": names, "rows": rows, "unit": "‖∂L/∂·‖", "means": values}


def _norm(flow: Flow[Trace], name: str, t: int) -> float | None:
    made = flow.recurrence.called(name, t)
    gradient = flow.trace.grad(made[0]) if made else None
    return None if gradient is None else rounded(float(norm(gradient)))


def ledger(flow: Flow[Trace]) -> dict[str, Any]:
    """By which paths ∂L/∂C_t came, for t = 1 … T: each term's share, its part along the whole; they sum to 1.

    `written` is what each step wrote, as it is left in C_T, times ∂L/∂C_T: see `Flow.weights`. None where the state is
    not written by i ∘ C̃.
    """
    names = ["readout", flow.direct, *flow.gates]
    rows: list[list[float | None]] = []
    for t in range(1, flow.T):
        rows.append(_shares(flow.ledger(t + 1), names))
    rows.append([1.0, *[0.0] * (len(names) - 1)])  # at the end there is nothing but the answer
    written = flow.weights() if flow._highway.is_written else None
    return {
        "state": flow.name,
        "names": names,
        "rows": rows,
        "total": [rounded(float(n)) for n in flow.norm[1:]],
        "highway": [rounded(float(n)) for n in flow.highway[1:]],
        "written": None if written is None else [rounded(float(w)) for w in written],
    }


def _shares(terms: dict[str, Array], names: list[str]) -> list[float | None]:
    whole = sum(terms.values(), np.float64(0))
    square = float((whole * whole).sum())
    return [rounded(float((terms[name] * whole).sum() / square), 4) if square else None for name in names]


def sentence(learner: Learner, read: Read, levers: Levers, shown: Seen, plain: Seen, lang: Lang) -> str:
    """What is to be seen, in a few short sentences."""
    answer, p = shown.answer, shown.prediction[0][1]
    first = (PREDICTS if p is None else EXPECTS).said(
        lang, n=len(read.words), last=read.words[-1], answer=answer, p=_percent(p)
    )
    parts = [first]
    if levers:
        turned = ("、" if lang == "zh" else ", ").join(levers.said(learner, read.words, lang))
        parts = [LEVERS.said(lang, levers=turned) + (first[0].lower() + first[1:] if lang == "en" else first)]
        was = plain.prediction[0][1]
        if was is None:
            parts.append(WAS.said(lang, answer=plain.answer))
        else:
            parts.append((STAYS if plain.answer == answer else FLIPS).said(lang, answer=plain.answer, p=_percent(was)))
    if (right := is_right(learner, read, shown)) is not None:
        wanted = " / ".join(sorted(read.right or ())) or f"{read.value:.3g}"
        parts.append(IS_RIGHT.said(lang) if right else IS_WRONG.said(lang, right=wanted))
    return "".join([*parts, *_way_back(shown.flow, read, lang)])


def _percent(p: float | None) -> str:
    return "" if p is None else f"{p:.0%}"


def _way_back(flow: Flow[Trace], read: Read, lang: Lang) -> list[str]:
    first, last = float(flow.norm[1]), float(flow.norm[-1])
    if not last > 0 or not math.isfinite(first):
        return [SILENT.said(lang)]
    ratio = first / last
    values = {"state": flow.name, "word": read.words[0], "share": f"{ratio:.1%}" if ratio >= 0.001 else f"{ratio:.1e}"}
    parts = []
    if flow.T > 1:
        parts = [
            (REACHES if ratio <= 1 else GROWS).said(lang, **values | ({} if ratio <= 1 else {"share": f"{ratio:.3g}"}))
        ]
    life = flow.half_life
    if flow.gates and not math.isnan(life) and flow.T > 1:
        parts.append(KEEPS.said(lang) if life == math.inf else HALVES.said(lang, n=f"{life:.1f}"))
    return parts


def microscope(learner: Learner, read: Read, levers: Levers, target: int | None) -> Drawing:
    """The picture of a question; with levers it stands below the one without, on one scale."""
    names = [learner.cell, ", ".join(levers.said(learner, read.words, "en"))]
    asked = [(learner, Levers(), target), (learner, levers, target)]
    return side_by_side(dict(zip(names, asked if levers else asked[:1], strict=False)), read)


def side_by_side(asked: dict[str, tuple[Learner, Levers, int | None]], read: Read) -> Drawing:
    """What nets make of one text, one below the other, on one scale: by name, (net, levers, target)."""
    shown = {name: seen(learner, read, levers, target) for name, (learner, levers, target) in asked.items()}
    answers = [[f"{word} {p:.1%}" if p is not None else word for word, p in one.prediction[:3]]
               for one in shown.values()]  # fmt: skip
    traces = {name: one.flow.trace for name, one in shown.items()}
    if len(traces) == 1:
        return draw(*traces.values(), labels=read.words, answer=answers[0])
    return draw(traces, labels=read.words, answer=answers)

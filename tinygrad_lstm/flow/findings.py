"""What ails one recurrence, in sentences: its gates, its memory, the growth of its state and of its gradient.

The limits from which a fact is worth a sentence stand together here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, expm1, inf, log

import numpy as np

from ..numerics import norm
from ..spoken import folded, said
from ..tensor import Array
from .edge import Traced
from .keeping import Keeping
from .ledger import ledger
from .states import StateHistory

SATURATED = 0.01  # of the steepest slope of σ: beyond 0.0025 and 0.9975
ALL = 0.95  # of a gate's values; a trained net that is sure saturates half of them in health (and of C̃ 86 %)
LARGE, GROWS = 10.0, 1.5  # mean |C| at the end, and compared with half-way
EXPLODES, PER_STEP = 1e3, 1.2  # by how much a gradient has grown on its way back, in all and a step
SLOPES: dict[str, Callable[[Array], Array]] = {  # from the value, as parts of the steepest
    "sigmoid": lambda y: 4 * y * (1 - y),
    "hard_sigmoid": lambda y: 1.0 * ((y > 0) & (y < 1)),
}


class Diagnosis(list[str]):
    """Sentences, empty where nothing ails; printed, they are paragraphs of 80 columns."""

    def __str__(self) -> str:
        return "\n\n".join(map(folded, self)) or said("nothing to say")


def forget_bias_for(memory: float) -> float:
    """The forget bias at which the pure highway keeps half of a gradient over `memory` steps: −ln(2^(1/n) − 1).

    From σ(b)ⁿ = ½. Raises ValueError where `memory` is not above 0.
    """
    if not memory > 0:
        raise ValueError(f"forget_bias_for: memory must be above 0 steps, not {memory}.")
    return -log(expm1(log(2) / memory))


def broken(trace: Traced, state: str, path: str) -> list[str]:
    """From where on a state is not finite; after that there is nothing else to say."""
    recurrence = trace.recurrences[path]
    for t in recurrence.order[1:]:
        if any(not np.isfinite(x.numpy()).all() for x in recurrence.called(state, t)):
            return [said(
                "{path}: {state} is not finite from t={t} on; all numbers after it mean nothing. detect_anomaly() "
                "names the op where it began.",
                path=path, state=state, t=t,
            )]  # fmt: skip
    return []


def findings(history: StateHistory, memory: int | None = None) -> list[str]:
    """What ails one recurrence whose numbers are finite: gates, memory, growth of the state and of its gradient."""
    n = history.T if memory is None else memory
    keeping, growth = Keeping(history), _growth(history)
    found = [*_gates(history, keeping), *_growing(history, keeping)]
    if keeping.factors is not None:
        found += _memory(history, keeping, n)
    elif len(growth):
        found += _vanishing(history, growth, n)
    place = history.place or said("recurrence")
    return [said("{place}: {text}", place=place, text=text) for text in [*found, *_exploding(growth)]]


def _memory(history: StateHistory, keeping: Keeping, n: int) -> Iterator[str]:
    """How long the pure path keeps a gradient. Means are geometric: it is products over time that count."""
    assert keeping.factors is not None
    factors = np.abs(keeping.factors)
    logs = np.log(np.maximum(factors, 1e-300))
    mean, best = exp(np.nanmean(logs)), exp(np.nanmean(logs, axis=tuple(range(logs.ndim - 1))).max())
    if n < 2 or np.nanmax(factors) > 1 or _half_life(best) >= n:  # another sentence speaks of gates above 1
        return
    what = keeping.name or said("what a step keeps")
    yield said(
        "{what} is {mean:.3f} on average, so the pure path along {state} halves a gradient every {life:.1f} steps (in "
        "its most lasting unit every {longest:.1f}) and keeps {left:.1e} of it over {n}. If something must be "
        "remembered for {n} steps, {cure}, at which half is left.",
        what=what, mean=mean, state=history.name, life=_half_life(mean), longest=_half_life(best), left=mean**n, n=n,
        cure=_cure(keeping, what, n),
    )  # fmt: skip


def _cure(keeping: Keeping, what: str, n: int) -> str:
    """Where the gate has to stand; as a bias, if its argument has one."""
    bias = keeping.bias if keeping.gate else None
    if bias is None:
        return said("{what} has to be {value:.4f}", what=what, value=0.5 ** (1 / n))
    value = -forget_bias_for(n) if keeping.is_rest else forget_bias_for(n)
    setting = said(" (in nn.LSTM: forget_bias={value:.2f})", value=value) if keeping.is_forget_gate else ""
    return said("start with {bias} = {value:.2f}{setting}", bias=bias.name, value=value, setting=setting)


def _half_life(factor: float) -> float:
    return log(0.5) / log(factor) if factor < 1 else inf


def _vanishing(history: StateHistory, growth: Array, n: int) -> Iterator[str]:
    factor = exp(growth.mean())
    cure = "None of its gates holds a path open along which each unit keeps its own." if history.gates else (
        "A plain recurrence has no path that keeps it; take an LSTM or a GRU, or (with relu) "
        "recurrent_initializer='identity'."
    )  # fmt: skip
    if _half_life(factor) < n:
        yield said(
            "a gradient is multiplied by {factor:.2f} a step on its way back along {state}: it halves every {life:.1f} "
            "steps, and {n} steps leave {left:.1e} of it. {cure}",
            factor=factor, state=history.name, life=_half_life(factor), n=n, left=factor**n, cure=said(cure),
        )  # fmt: skip


def _gates(history: StateHistory, keeping: Keeping) -> Iterator[str]:
    for gate in history.gates:
        values = keeping.of(gate)
        made = {x.op.name for t in history.order[1:] for x in history.named(t) if x.name == gate and x.op}
        if gate == keeping.name and values.max() > 1:
            yield said(
                "{gate} reaches {high:.3g}: a gate above 1 makes the product over many steps explode, since it says "
                "how much is kept. Take a recurrent_activation that stays within [0, 1], such as sigmoid.",
                gate=gate, high=values.max(),
            )  # fmt: skip
        slope = SLOPES.get(made.pop()) if len(made) == 1 else None
        share = (slope(values) < SATURATED).mean() if slope else 0.0
        keeps = gate == keeping.name and values.mean() > 0.9  # open gates are a memory, unless they never close at all
        if slope and share >= (1 if keeps else ALL):
            remedy = "Its bias is very large; a smaller one lets it learn to forget." if keeps else (
                "Inputs, weights or learning rate are too large; scale the inputs, or start again with a smaller lr."
            )  # fmt: skip
            yield said(
                "{share:.0%} of the values of {gate} are saturated (mean {mean:.3f}): less than 1/100 of the gradient "
                "passes that passes at best, so it hardly learns. {remedy}",
                share=share, gate=gate, mean=values.mean(), remedy=said(remedy),
            )  # fmt: skip


def _growing(history: StateHistory, keeping: Keeping) -> Iterator[str]:
    states = [history.states[t] for t in history.order]
    sizes = [0.0 if x is None else float(np.abs(x.numpy()).mean(dtype=np.float64)) for x in states]
    half, end = sizes[len(sizes) // 2], sizes[-1]
    if len(sizes) > 4 and end >= LARGE and end >= GROWS * half:
        written = keeping.of("C̃") if "C̃" in history.gates else None
        one_way = written is not None and written.min() >= 0
        cause = (
            "C̃ is never below 0 (a relu?), so C is only added to, and h feeds it back into C̃; take tanh for the "
            "candidate, or a bounded output: output_activation='tanh'"
        ) if one_way else (
            "more is written than forgotten; a smaller forget bias, or a bounded activation, keeps it"
        )  # fmt: skip
        yield said(
            "mean |{state}| grows from {half:.3g} half-way to {end:.3g} at the end: {cause}. Clipping gradients does "
            "not help: this happens on the way forward.",
            state=history.name, half=half, end=end, cause=said(cause),
        )  # fmt: skip


def _growth(history: StateHistory) -> Array:
    """ln of the factor by which each step multiplied what came back along it, from the last step to the first.

    What is read at the step before is left out, and so are steps along which nothing came back.
    """
    logs = []
    for t in reversed(history.order[1:]):
        try:
            arrived, terms = history.trace.grad(history.made(t)), ledger(history, t)
        except LookupError:
            continue
        sent = sum(np.asarray(term, np.float64) for name, term in terms.items() if name != "readout")
        before, after = (norm(np.asarray(x, np.float64)) for x in (sent, arrived))
        if 0 < before < inf and 0 < after < inf:
            logs.append(log(before / after))
    return np.array(logs)


def _exploding(growth: Array) -> Iterator[str]:
    """The stretch of steps over which a gradient grew most (Kadane's scan)."""
    best, length, total, start = 0.0, 0, 0.0, 0
    for k, x in enumerate(growth):
        total, start = (x, k) if total <= 0 else (total + x, start)
        best, length = (total, k + 1 - start) if total > best else (best, length)
    if length >= 2 and best >= log(EXPLODES) and best / length >= log(PER_STEP):
        factor = exp(best / length)
        yield said(
            "a gradient grows {whole:.1e}-fold on {length} steps of its way back, {factor:.2f} times a step: the "
            "recurrent weights stretch it. Take smaller ones (recurrent_initializer='orthogonal' has norm 1) and a "
            "bounded activation, and limit the step by global_clipnorm=1.",
            whole=exp(min(best, 700)), length=length, factor=factor,
        )  # fmt: skip

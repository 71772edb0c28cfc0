"""What ails a recurrent net, in sentences: each with its number, its likely cause and its remedy.

A finding is a fact about the one backward pass (and the optimizer) that is looked at; the limits from which one is
worth a sentence stand together here. A net of which nothing is to be said gets an empty list.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from math import exp, expm1, inf, log

import numpy as np

from ..nn import Module
from ..optim import Optimizer
from ..tensor import Array, Tensor
from .ledger import STATES, Flow, step_of
from .trace import Trace, trace

SATURATED = 0.01  # of the steepest slope of σ: beyond 0.0025 and 0.9975
ALL = 0.95  # of a gate's values; a trained net that is sure saturates half of them in health (and of C̃ 86 %)
OFTEN = 0.5  # of an optimizer's steps
DEAD, LOOKED_AT = 0.25, 32  # the share of relu units that never passed anything, and the least number of looks
LARGE, GROWS = 10.0, 1.5  # mean |C| at the end, and compared with half-way
EXPLODES, PER_STEP = 1e3, 1.2  # by how much a gradient has grown on its way back, in all and a step
SLOPES: dict[str, Callable[[Array], Array]] = {  # from the value, as parts of the steepest
    "sigmoid": lambda y: 4 * y * (1 - y),
    "hard_sigmoid": lambda y: 1.0 * ((y > 0) & (y < 1)),
}


def forget_bias_for(memory: float) -> float:
    """The forget bias at which the pure highway keeps half of a gradient over `memory` steps: −ln(2^(1/n) − 1).

    From σ(b)ⁿ = ½. Raises ValueError where `memory` is not above 0.
    """
    if not memory > 0:
        raise ValueError(f"forget_bias_for: memory must be above 0 steps, not {memory}.")
    return -log(expm1(log(2) / memory))


def diagnose(
    loss: Tensor | Trace,
    module: Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    memory: int | None = None,
) -> list[str]:
    """What ails the net that made this loss, in sentences; empty where nothing does.

    Args:
        loss: the loss, or its trace.
        module: also look for parameters that no gradient reaches.
        optimizer: also look how often it has clipped and, with `module`, which parameters it does not move.
        memory: for how many steps something must be remembered; by default as many as the recurrence has run.

    Where no backward can start from the loss, or the history was freed since it was traced, that error's text is the
    last sentence.
    """
    try:
        looked = loss if isinstance(loss, Trace) else trace(loss)
    except RuntimeError as exc:
        return [str(exc)]
    found = list(_carried(looked))
    for place, name in _recurrences(looked).items():
        try:
            found += of_flow(Flow(looked, name, place), memory)
        except LookupError:  # run several times: what can be said of it, `_carried` has said
            continue
        except RuntimeError as exc:  # a backward since the trace has freed the history
            return [*found, str(exc)]
    found += _dead(looked)
    if module is not None:
        found += _unmoved(looked, module, optimizer)
    if optimizer is not None:
        found += _clips(optimizer)
    return found


def of_flow(flow: Flow, memory: int | None = None) -> list[str]:
    """What ails one recurrence: non-finite states, gates, memory, growth of the state and of its gradient."""
    n = flow.T if memory is None else memory
    steps = [flow.states[t] for t in flow.order]
    broken = [t for t, x in zip(flow.order, steps, strict=True) if x is not None and not np.isfinite(x.numpy()).all()]
    if broken:
        where = f"{flow.place}: {flow.name} is not finite from t={broken[0]} on; all numbers after it mean nothing."
        return [f"{where} detect_anomaly() names the op where it began."]
    found = [*_gates(flow), *_growing(flow, steps)]
    keeping = next((gate for gate in ("f", "z") if gate in flow.gates), None)
    growth = _growth(flow)
    if keeping:
        found += _memory(flow, keeping, n)
    elif not flow.gates and len(growth):
        found += _vanishing(flow, growth, n)
    return [f"{flow.place or 'recurrence'}: {text}" for text in [*found, *_exploding(growth)]]


def _values(flow: Flow, gate: str) -> Array:
    """(T, …): a gate's values at all steps."""
    at = [next((x.numpy() for x in flow.named(t) if x.name == gate), None) for t in flow.order[1:]]
    return np.array([x for x in at if x is not None], np.float64)


def _memory(flow: Flow, gate: str, n: int) -> Iterator[str]:
    values = np.maximum(_values(flow, gate), 1e-300)
    mean, best = values.mean(), exp(np.log(values).mean(axis=tuple(range(values.ndim - 1))).max())
    if n < 2 or values.max() > 1 or _half_life(best) >= n:  # another sentence speaks of gates above 1
        return
    bias = "forget_bias" if gate == "f" else "b_z"
    yield (
        f"{gate} is {mean:.3f} on average, so the pure path along {flow.name} halves a gradient every "
        f"{_half_life(mean):.1f} steps (in its most lasting unit every {_half_life(best):.1f}) and keeps {mean**n:.1e} "
        f"of it over {n}. If something must be remembered for {n} steps, start with {bias} = {forget_bias_for(n):.2f}, "
        "at which half is left."
    )


def _half_life(factor: float) -> float:
    return log(0.5) / log(factor) if factor < 1 else inf


def _vanishing(flow: Flow, growth: Array, n: int) -> Iterator[str]:
    factor = exp(growth.mean())
    if _half_life(factor) < n:
        yield (
            f"a gradient is multiplied by {factor:.2f} a step on its way back along {flow.name}: it halves every "
            f"{_half_life(factor):.1f} steps, and {n} steps leave {factor**n:.1e} of it. A plain recurrence has no "
            "path that keeps it; take an LSTM or a GRU, or (with relu) recurrent_initializer='identity'."
        )


def _gates(flow: Flow) -> Iterator[str]:
    for gate in flow.gates:
        values = _values(flow, gate)
        made = {x.op.name for t in flow.order[1:] for x in flow.named(t) if x.name == gate and x.op}
        if gate in ("f", "z") and values.max() > 1:
            yield (
                f"{gate} reaches {values.max():.3g}: a gate above 1 makes the product over many steps explode, since "
                "it says how much is kept. Take a recurrent_activation that stays within [0, 1], such as sigmoid."
            )
        slope = SLOPES.get(made.pop()) if len(made) == 1 else None
        share = (slope(values) < SATURATED).mean() if slope else 0.0
        keeps = gate in ("f", "z") and values.mean() > 0.9  # open gates are a memory, unless they never close at all
        if slope and share >= (1 if keeps else ALL):
            remedy = "Its bias is very large; a smaller one lets it learn to forget." if keeps else (
                "Inputs, weights or learning rate are too large; scale the inputs, or start again with a smaller lr."
            )  # fmt: skip
            yield (
                f"{share:.0%} of the values of {gate} are saturated (mean {values.mean():.3f}): less than 1/100 of the "
                f"gradient passes that passes at best, so it hardly learns. {remedy}"
            )


def _growing(flow: Flow, states: list[Tensor | None]) -> Iterator[str]:
    sizes = [0.0 if x is None else float(np.abs(x.numpy()).mean(dtype=np.float64)) for x in states]
    half, end = sizes[len(sizes) // 2], sizes[-1]
    if len(sizes) > 4 and end >= LARGE and end >= GROWS * half:
        written = _values(flow, "C̃") if "C̃" in flow.gates else None
        one_way = written is not None and written.min() >= 0
        cause = (
            "C̃ is never below 0 (a relu?), so C is only added to, and h feeds it back into C̃; take tanh for the "
            "candidate, or a bounded output: output_activation='tanh'"
        ) if one_way else (
            "more is written than forgotten; a smaller forget bias, or a bounded activation, keeps it"
        )  # fmt: skip
        yield (
            f"mean |{flow.name}| grows from {half:.3g} half-way to {end:.3g} at the end: {cause}. Clipping gradients "
            "does not help: this happens on the way forward."
        )


def _growth(flow: Flow) -> Array:
    """ln of the factor by which each step multiplied what came back along it, from the last step to the first.

    What is read at the step before is left out, and so are steps along which nothing came back.
    """
    logs = []
    for t in reversed(flow.order[1:]):
        try:
            arrived, terms = flow.trace.grad(flow.made(t)), flow.ledger(t)
        except LookupError:
            continue
        sent = sum(np.asarray(term, np.float64) for name, term in terms.items() if name != "readout")
        before, after = (float(np.linalg.norm(np.asarray(x, np.float64))) for x in (sent, arrived))
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
        yield (
            f"a gradient grows {exp(min(best, 700)):.1e}-fold on {length} steps of its way back, {factor:.2f} times a "
            "step: the recurrent weights stretch it. Take smaller ones (recurrent_initializer='orthogonal' has "
            "norm 1) and a bounded activation, and limit the step by global_clipnorm=1."
        )


def _recurrences(looked: Trace) -> dict[str, str]:
    """The scope path of each recurrence, and its first state: C where there is one."""
    names: dict[str, set[str]] = defaultdict(set)
    for x in looked.tensors:
        if (place := step_of(x.scope)) and x.name in STATES:
            names[place[0]].add(x.name)
    return {place: next(name for name in STATES if name in found) for place, found in names.items()}


def _carried(looked: Trace) -> Iterator[str]:
    """Initial states that were made by an earlier run of the same cell, history and all."""
    again: dict[str, Counter[str]] = defaultdict(Counter)
    for x in looked.tensors:
        if x.op and x.name in {f"{state}₀" for state in STATES} and _comes_from(x, x.scope):
            uses: tuple[set[int], set[int]] = (set(), set())  # the leaves used by steps before, and after
            for out in looked.tensors:
                if (step := step_of(out.scope)) and step[0] == x.scope:
                    uses[out.birth > x.birth].update(leaf.birth for leaf in out.inputs if leaf.op is None)
            if uses[0] & uses[1]:  # the same weights: not a decoder that goes on where an encoder ended
                again[x.scope][str(x.name)] += 1
    for place, counts in again.items():
        n = max(counts.values())
        yield (
            f"{place}: the state was carried over without detach, so this backward goes through {n + 1} runs, and each "
            "further chunk makes it longer. If it should end at the chunk's first step (truncated backpropagation "
            "through time), carry on with state.detach()."
        )


def _comes_from(x: Tensor, place: str) -> bool:
    """Whether x was made, outside of all time steps, from what a step of the recurrence at `place` has made."""
    waiting, seen = [*x.inputs], set[int]()
    while waiting:
        y = waiting.pop()
        step = step_of(y.scope)
        if step and step[0] == place and y.op:
            return True
        if not step and y.birth not in seen:
            seen.add(y.birth)
            waiting += y.inputs
    return False


def _dead(looked: Trace) -> Iterator[str]:
    alive: dict[tuple[str, int], list[Array]] = defaultdict(list)
    for x in looked.tensors:
        if x.op and x.op.name == "relu" and x.ndim:
            place = "/".join(part for part in x.scope.split("/") if not part.startswith("t="))
            alive[place, x.shape[-1]].append((x.numpy() > 0).reshape(-1, x.shape[-1]))
    for (place, units), seen in alive.items():
        looks = sum(map(len, seen))
        dead = units - int(np.any([part.any(axis=0) for part in seen], axis=0).sum())
        if looks >= LOOKED_AT and dead >= DEAD * units:
            yield (
                f"{place or 'relu'}: {dead} of {units} relu units are 0 for all {looks} inputs they saw, so no "
                "gradient passes them and they cannot come back. A step was too large or a bias too low; lower the "
                "lr, or take leaky_relu."
            )


def _unmoved(looked: Trace, module: Module, optimizer: Optimizer | None) -> Iterator[str]:
    named = dict(module.named_parameters())
    frozen = [name for name, p in named.items() if not p.requires_grad]
    cut = [name for name, p in named.items() if p.requires_grad and looked.grad(p) is None]
    moved = None if optimizer is None else {id(p) for p in optimizer.params}
    left = [name for name, p in named.items() if moved is not None and p.requires_grad and id(p) not in moved]
    if frozen:
        yield f"{_listed(frozen)} frozen (requires_grad=False) and will not learn. If not meant, set it to True."
    if cut:
        yield (
            f"{_listed(cut)} reached by no gradient: the loss does not depend on it, or a detach, no_grad or .numpy() "
            "cuts the path. Follow tl.draw(loss) back to where it ends."
        )
    if left:
        yield f"{_listed(left)} not held by the optimizer and will not move. Give it module.parameters()."


def _listed(names: Iterable[str]) -> str:
    shown = [*names]
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    return f"{', '.join(shown[:4])}{more} {'is' if len(shown) == 1 else 'are'}"


def _clips(optimizer: Optimizer) -> Iterator[str]:
    report = optimizer.clip_report()
    if report.kind and report.steps >= 10 and report.share >= OFTEN:
        yield (
            f"{report.clipped} of {report.steps} steps were clipped ({report.share:.0%}) by {report.kind}="
            f"{report.threshold:g}, the mean norm before being {report.mean_norm:.3g}: so the clip, not the gradient, "
            "sets the size of the step. Raise the threshold to a rare norm, or find out why gradients are so large."
        )

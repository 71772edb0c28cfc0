"""What ails a recurrent net, in sentences: each with its number, its likely cause and its remedy.

A finding is a fact about the one backward pass (and the optimizer) that is looked at; those about one recurrence stand
in `findings`. A net of which nothing is to be said gets an empty list.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from ..nn import Module
from ..optim import Optimizer
from ..spoken import said
from ..tensor import Array, Tensor
from .findings import Diagnosis, broken, findings
from .recurrence import STATES, Recurrence, place_of
from .states import StateHistory
from .trace import Trace, trace

OFTEN = 0.5  # of an optimizer's steps
DEAD, LOOKED_AT = 0.25, 32  # the share of relu units that never passed anything, and the least number of looks


def diagnose(
    loss: Tensor | Trace,
    module: Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    memory: int | None = None,
) -> Diagnosis:
    """What ails the net that made this loss, in sentences; empty where nothing does. Print it.

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
        return Diagnosis([str(exc)])
    return Diagnosis(_told(looked, module, optimizer, memory))


def _told(looked: Trace, module: Module | None, optimizer: Optimizer | None, memory: int | None) -> list[str]:
    """The sentences of `diagnose`."""
    ways = {path: recurrence.states[0] for path, recurrence in looked.recurrences.items() if recurrence.states}
    if whole := _useless(looked):
        return [*(text for path, state in ways.items() for text in broken(looked, state, path))] or [whole]
    found = [*_carried(looked), *_fused(looked)]
    for path, state in ways.items():
        try:
            found += findings(StateHistory(looked, state, path), memory)
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


def _useless(looked: Trace) -> str:
    """What makes all other numbers meaningless: a loss or a gradient that is not finite, or nothing but zeros."""
    loss = looked.root
    if not np.isfinite(loss.numpy()).all():
        value = loss.item() if loss.size == 1 else said("not finite")
        return said(
            "the loss is {value}, so no gradient means anything. detect_anomaly() names the op where it began.",
            value=value,
        )
    known = [(x, gradient) for x in reversed(looked.tensors) if (gradient := looked.grad(x)) is not None]
    for x, gradient in known:
        if not np.isfinite(gradient).all():
            return said(
                "the gradient is not finite from {tensor} on back, though the loss is: the rule of the op after it "
                "divides by 0 or overflows. detect_anomaly() names it; keep values away from the edge of log, sqrt and "
                "division, and weights from growing.",
                tensor=x.describe(),
            )
    leaves = [gradient for x, gradient in known if x.op is None]
    if leaves and not any(gradient.any() for gradient in leaves):
        return said(
            "every gradient is exactly 0: the loss does not change with anything, so nothing will learn. A factor 0, a "
            "mask that leaves no term, dead relu units, a saturated output or a loss at its minimum make it so."
        )
    return ""


def _fused(looked: Trace) -> Iterator[str]:
    places = {x.scope for x in looked.tensors if x.op is not None and x.op.name.endswith("_sequence")}
    for place in sorted(places):
        yield said(
            "{place}: ran fused, as one op, so that no step, gate or state of it can be looked at. Set "
            "layer.fused = False, run it again and ask anew.",
            place=place or said("a layer"),
        )


def _carried(looked: Trace) -> Iterator[str]:
    """Initial states that were made by an earlier run of the same cell, history and all."""
    again: dict[str, Counter[str]] = defaultdict(Counter)
    for path, recurrence in looked.recurrences.items():
        made = [x for steps in recurrence.steps.values() for x in steps]
        for x in (x for state in STATES for x in recurrence.initial(state, looked.tensors)):
            if x.op and x.scope == path and _comes_from(x, recurrence):
                uses: tuple[set[int], set[int]] = (set(), set())  # the leaves used by steps before, and after
                for out in made:
                    uses[out.birth > x.birth].update(leaf.birth for leaf in out.inputs if leaf.op is None)
                if uses[0] & uses[1]:  # the same weights: not a decoder that goes on where an encoder ended
                    again[path][str(x.name)] += 1
    for path, counts in again.items():
        n = max(counts.values())
        yield said(
            "{path}: the state was carried over without detach, so this backward goes through {n} runs, and each "
            "further chunk makes it longer. If it should end at the chunk's first step (truncated backpropagation "
            "through time), carry on with state.detach().",
            path=path, n=n + 1,
        )  # fmt: skip


def _comes_from(x: Tensor, recurrence: Recurrence) -> bool:
    """Whether x was made, outside of all time steps, from what a step of the recurrence has made."""
    waiting, seen = [*x.inputs], set[int]()
    while waiting:
        y = waiting.pop()
        place = place_of(y.scope)
        if place and place.path == recurrence.path and y.op:
            return True
        if not place and y.birth not in seen:
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
            yield said(
                "{place}: {dead} of {units} relu units are 0 for all {looks} inputs they saw, so no gradient passes "
                "them and they cannot come back. A step was too large or a bias too low; lower the lr, or take "
                "leaky_relu.",
                place=place or "relu", dead=dead, units=units, looks=looks,
            )  # fmt: skip


def _unmoved(looked: Trace, module: Module, optimizer: Optimizer | None) -> Iterator[str]:
    named = dict(module.named_parameters())
    frozen = [name for name, p in named.items() if not p.requires_grad]
    cut = [name for name, p in named.items() if p.requires_grad and looked.grad(p) is None]
    moved = None if optimizer is None else {id(p) for p in optimizer.params}
    left = [name for name, p in named.items() if moved is not None and p.requires_grad and id(p) not in moved]
    if frozen:
        text = "{which} frozen (requires_grad=False) and will not learn. If not meant, set it to True."
        yield said(text, which=_listed(frozen))
    if cut:
        yield said(
            "{which} reached by no gradient: the loss does not depend on it, or a detach, no_grad or .numpy() cuts the "
            "path. Follow tl.draw(loss) back to where it ends.",
            which=_listed(cut),
        )
    if left:
        text = "{which} not held by the optimizer and will not move. Give it module.parameters()."
        yield said(text, which=_listed(left))


def _listed(names: Iterable[str]) -> str:
    shown = [*names]
    more = said(" and {n} more", n=len(shown) - 4) if len(shown) > 4 else ""
    return said("{names}{more} is" if len(shown) == 1 else "{names}{more} are", names=", ".join(shown[:4]), more=more)


def _clips(optimizer: Optimizer) -> Iterator[str]:
    report = optimizer.clip_report()
    if report.kind and report.steps >= 10 and report.share >= OFTEN:
        yield said(
            "{clipped} of {steps} steps were clipped ({share:.0%}) by {kind}={threshold:g}, the mean norm before being "
            "{norm:.3g}: so the clip, not the gradient, sets the size of the step. Raise the threshold to a rare norm, "
            "or find out why gradients are so large.",
            clipped=report.clipped, steps=report.steps, share=report.share, kind=report.kind,
            threshold=report.threshold, norm=report.mean_norm,
        )  # fmt: skip

"""What a clip does to a gradient: how long it was and is, and by how much it has turned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import degrees, nan

import numpy as np

from ..nn import Module
from ..optim import SGD
from ..tensor import Array, Tensor


@dataclass(frozen=True)
class Clipped:
    """One gradient (or all together): its norm before and after the clip, and the angle between them in degrees.

    The angle is NaN where the gradient is 0.
    """

    name: str
    before: float
    after: float
    angle: float


def clip_effect(
    params: Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]],
    *,
    clipvalue: float | None = None,
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
) -> dict[str, Clipped]:
    """What a clip would do to the parameters' `.grad`, by parameter, and under "all" to all of them as one vector.

    Nothing is changed. The clips are those of the optimizers: `clipvalue` turns gradients, `clipnorm` keeps the
    direction of each but not of all together, `global_clipnorm` keeps that too (Pascanu, Mikolov, Bengio 2013).
    Raises ValueError for no gradients or more than one clip, FloatingPointError where a gradient is not finite.
    """
    pairs = params.named_parameters() if isinstance(params, Module) else params
    optimizer = SGD(pairs, clipvalue=clipvalue, clipnorm=clipnorm, global_clipnorm=global_clipnorm)  # only its clip
    before = {k: p.grad for k, p in enumerate(optimizer.params) if p.grad is not None}
    if not before:
        raise ValueError("clip_effect: no parameter has a gradient yet. Call backward first.")
    after = optimizer._clipped(before)
    found = {optimizer.names[k]: _effect(optimizer.names[k], [before[k]], [after[k]]) for k in before}
    return {**found, "all": _effect("all", [*before.values()], [*after.values()])}


def _effect(name: str, before: list[Array], after: list[Array]) -> Clipped:
    flat = [np.concatenate([g.reshape(-1).astype(np.float64) for g in side]) for side in (before, after)]
    tops = [float(np.abs(side).max(initial=0.0)) for side in flat]
    if not all(tops):
        return Clipped(name, 0.0, 0.0, nan)
    a, b = (side / top for side, top in zip(flat, tops, strict=True))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    near = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))  # exact for small angles, where acos is not
    norms = [top * float(np.linalg.norm(side / top)) for side, top in zip(flat, tops, strict=True)]
    return Clipped(name, norms[0], norms[1], degrees(float(near)))

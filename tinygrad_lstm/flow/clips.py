"""What a clip does to a gradient: how long it was and is, and by how much it has turned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import degrees, nan
from typing import Unpack

import numpy as np

from ..nn import Module
from ..numerics import norm
from ..optim import Clips, clip_gradients, listed
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
    params: Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]], **clip: Unpack[Clips]
) -> dict[str, Clipped]:
    """What a clip would do to the parameters' `.grad`, by parameter, and under "all" to all of them as one vector.

    Nothing is changed. The clips are those of the optimizers: `clipvalue` turns gradients, `clipnorm` keeps the
    direction of each but not of all together, `global_clipnorm` keeps that too (Pascanu, Mikolov, Bengio 2013).
    Raises ValueError for no gradients or more than one clip, FloatingPointError where a gradient is not finite.
    """
    names, tensors = listed("clip_effect", params.named_parameters() if isinstance(params, Module) else params)
    before = {name: p.grad for name, p in zip(names, tensors, strict=True) if p.grad is not None}
    if not before:
        raise ValueError("clip_effect: no parameter has a gradient yet. Call backward first.")
    after = clip_gradients(before, **clip)
    effects = {name: _effect(name, [before[name]], [after[name]]) for name in before}
    return {**effects, "all": _effect("all", [*before.values()], [*after.values()])}


def _effect(name: str, before: list[Array], after: list[Array]) -> Clipped:
    flat = [np.concatenate([g.reshape(-1).astype(np.float64) for g in side]) for side in (before, after)]
    lengths = [norm(side) for side in flat]
    if not all(lengths):
        return Clipped(name, 0.0, 0.0, nan)
    a, b = (side / length for side, length in zip(flat, lengths, strict=True))
    near = 2 * np.arctan2(norm(a - b), norm(a + b))  # exact for small angles, where acos is not
    return Clipped(name, lengths[0], lengths[1], degrees(float(near)))

"""What a file says of its training, held against what this program writes: before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..exchange import Checkpoint, CheckpointError


def _count(least: int = 0) -> Callable[[Any], bool]:
    return lambda n: isinstance(n, int) and not isinstance(n, bool) and least <= n < 2**63


def _number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x < math.inf


def _counts(x: Any) -> bool:
    return isinstance(x, list) and all(map(_count(), x))


def _optimizer(x: Any) -> bool:
    return (
        isinstance(x, dict)
        and isinstance(x.get("kind"), str)
        and isinstance(x.get("settings"), dict)
        and isinstance(counts := x.get("counts"), dict)
        and all(_counts(n) if name == "times" else _number(n) for name, n in counts.items())
    )


PARTS: dict[str, Callable[[Any], bool]] = {
    "optimizer": _optimizer,
    "generators": lambda x: isinstance(x, list) and all(isinstance(state, dict) for state in x),
    "batch": _count(1),
    "chunk": lambda x: x is None or _count(1)(x),
    "position": _count(),
    "state": lambda x: isinstance(x, list) and all(isinstance(name, str) for name in x),
    "seconds": _number,
    "answers": _count(),
    "engine": lambda x: x in ("", "numba") or isinstance(x, bool),
    "data": lambda x: isinstance(x, str),
}
SINCE = {"engine": "", "data": ""}  # what files of before have not


def training_of(saved: Checkpoint) -> dict[str, Any]:
    """What a file says of its training. Raises CheckpointError where it has none, or not as this program writes it."""
    training = saved.meta.get("training")
    if training is None:
        raise CheckpointError(f"{saved.path}: holds a model, but no training to go on with")
    whole = SINCE | training if isinstance(training, dict) else {}
    for name, holds in PARTS.items():
        if name not in whole or not holds(whole[name]):
            what = f"{name}={whole[name]!r:.60}" if name in whole else f"no {name}"
            raise CheckpointError(f"{saved.path}: its training says {what}, which this program does not write")
    return whole

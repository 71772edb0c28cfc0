"""Losses: means over what is not masked. What is masked is not read: it may be NaN, and gets the gradient 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import log_softmax, mean, softplus
from ..scope import scope
from ..tensor import Array, Shape, Tensor, values


def mse_loss(pred: Any, target: Any, mask: Any = None) -> Tensor:
    """mean (pred − target)², of equal shapes; a mask covers their leading axes.

    Raises ValueError where shapes differ (broadcasting here is nearly always a mistake) or the mask is empty.
    """
    with scope("mse loss"):
        _same("mse_loss", "pred", np.shape(pred), "target", np.shape(target))
        difference = _kept(pred, mask, "mse_loss") - _kept(target, mask, "mse_loss")
        return mean(difference * difference)


def cross_entropy(logits: Any, labels: Any, mask: Any = None) -> Tensor:
    """mean −ln softmax(logits)[label], with logits (…, classes), labels (…) of integers and a mask (…) of bools.

    Raises ValueError where shapes differ, a label is no class, or the mask is empty.
    """
    labels, classes = np.asarray(labels), logits.shape[-1]
    _same("cross_entropy", "labels", labels.shape, "logits without their last axis", logits.shape[:-1])
    if labels.dtype.kind not in "iu":
        raise ValueError(f"cross_entropy: labels must be integers (classes), not {labels.dtype}.")
    rows = np.flatnonzero(_mask(mask, labels.shape, "cross_entropy"))
    picked = labels.reshape(-1)[rows]
    if not 0 <= picked.min() <= picked.max() < classes:
        raise ValueError(
            f"cross_entropy: labels range over [{picked.min()}, {picked.max()}], but there are {classes} classes."
        )
    with scope("cross entropy"):
        rows_kept = logits.reshape(-1, classes) if mask is None else logits.reshape(-1, classes)[rows]
        return -log_softmax(rows_kept)[np.arange(len(rows)), picked].mean()


def binary_cross_entropy_with_logits(logits: Any, targets: Any, mask: Any = None) -> Tensor:
    """mean −(y ln σ(x) + (1 − y) ln(1 − σ(x))), computed as softplus(x) − x·y, which never overflows.

    Logits x and targets y in [0, 1] have equal shapes; a mask covers their leading axes.
    Raises ValueError where shapes differ or the mask is empty.
    """
    with scope("binary cross entropy"):
        _same("binary_cross_entropy_with_logits", "logits", np.shape(logits), "targets", np.shape(targets))
        x, y = (_kept(part, mask, "binary_cross_entropy_with_logits") for part in (logits, targets))
        if not (0 <= values(y).min() <= values(y).max() <= 1):
            raise ValueError(
                "binary_cross_entropy_with_logits: the targets must be in [0, 1], "
                f"not in [{values(y).min():g}, {values(y).max():g}]."
            )
        return mean(softplus(x) - x * y)


def _same(loss: str, a: str, a_shape: Shape, b: str, b_shape: Shape) -> None:
    if a_shape != b_shape:
        raise ValueError(f"{loss}: {a} has shape {a_shape}, but {b} {b_shape}; they must be the same.")


def _mask(mask: Any, shape: Shape, loss: str) -> Array:
    """The mask as an array of bools of the given shape, everything where there is none."""
    given = np.ones(shape, bool) if mask is None else np.asarray(values(mask))
    if not np.isin(given, (0, 1)).all():
        raise ValueError(f"{loss}: a mask says yes or no (True or False, 1 or 0); it is no array of weights.")
    covered = given.astype(bool)
    _same(loss, "the mask", covered.shape, "what it covers", shape)
    if not covered.any():
        raise ValueError(f"{loss}: the mask leaves nothing over (shape {covered.shape}), so there is no mean.")
    return covered


def _kept(x: Any, mask: Any, loss: str) -> Any:
    """What the mask leaves over, picked before anything is computed of it: what it hides may be NaN."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    return x if mask is None else x[_mask(mask, x.shape[: np.ndim(mask)], loss)]

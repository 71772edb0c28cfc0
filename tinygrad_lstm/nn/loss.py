"""Losses: means over what is not masked."""

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
        difference = pred - target
        return mean(_kept(difference * difference, mask, "mse_loss"))


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
        return -log_softmax(logits).reshape(-1, classes)[rows, picked].mean()


def binary_cross_entropy_with_logits(logits: Any, targets: Any, mask: Any = None) -> Tensor:
    """mean −(y ln σ(x) + (1 − y) ln(1 − σ(x))), computed as softplus(x) − x·y, which never overflows.

    Logits x and targets y in [0, 1] have equal shapes; a mask covers their leading axes.
    Raises ValueError where shapes differ or the mask is empty.
    """
    with scope("binary cross entropy"):
        _same("binary_cross_entropy_with_logits", "logits", np.shape(logits), "targets", np.shape(targets))
        return mean(_kept(softplus(logits) - logits * targets, mask, "binary_cross_entropy_with_logits"))


def _same(loss: str, a: str, a_shape: Shape, b: str, b_shape: Shape) -> None:
    if a_shape != b_shape:
        raise ValueError(f"{loss}: {a} has shape {a_shape}, but {b} {b_shape}; they must be the same.")


def _mask(mask: Any, shape: Shape, loss: str) -> Array:
    """The mask as an array of bools of the given shape, everything where there is none."""
    covered = np.ones(shape, bool) if mask is None else np.asarray(values(mask)).astype(bool)
    _same(loss, "the mask", covered.shape, "what it covers", shape)
    if not covered.any():
        raise ValueError(f"{loss}: the mask leaves nothing over (shape {covered.shape}), so there is no mean.")
    return covered


def _kept(x: Any, mask: Any, loss: str) -> Any:
    return x if mask is None else x[_mask(mask, x.shape[: np.ndim(mask)], loss)]

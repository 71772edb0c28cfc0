"""Losses: means over what is not masked. What is masked is not read: it may be NaN, and gets the gradient 0."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..ops import log_softmax, mean, softplus
from ..scope import scope
from ..tensor import Array, Shape, Tensor, values

Reduction = Literal["mean", "sum", "none"]


def mse_loss(pred: Any, target: Any, mask: Any = None, *, reduction: Reduction = "mean") -> Tensor:
    """(pred − target)², of equal shapes; a mask covers their leading axes.

    `reduction`: "mean", "sum", or "none" for what each entry costs that is not masked.
    Raises ValueError where shapes differ (broadcasting here is nearly always a mistake) or the mask is empty.
    """
    with scope("mse loss"):
        _same("mse_loss", "pred", np.shape(pred), "target", np.shape(target))
        difference = _kept(pred, mask, "mse_loss") - _kept(target, mask, "mse_loss")
        return _reduced(difference * difference, reduction, "mse_loss")


def cross_entropy(
    logits: Any, labels: Any, mask: Any = None, *, weight: Any = None, label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """−ln softmax(logits)[label], with logits (…, classes), labels (…) of integers and a mask (…) of bools.

    Args:
        weight: (classes,) what an answer of each class counts; the mean is divided by the sum of what counted.
        label_smoothing: ε, the share of each target that is spread evenly over all classes (Szegedy et al. 2016,
            section 7).
        reduction: "mean", "sum", or "none" for (n,), what each row costs that is not masked.

    Raises ValueError where shapes differ, a label is no class, a setting is wrong, or the mask is empty.
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
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], not {label_smoothing!r}.")
    with scope("cross entropy"):
        flat = logits.reshape(-1, classes)
        p = log_softmax(flat if len(rows) == len(flat) else flat[rows])
        each = -p[np.arange(len(rows)), picked]
        if weight is None and not label_smoothing:
            return _reduced(each, reduction, "cross_entropy")
        counts = _class_weights(weight, classes, p.dtype)
        each = (1 - label_smoothing) * counts[picked] * each - label_smoothing / classes * (p * counts).sum(axis=1)
        if reduction == "mean":
            return each.sum() / float(counts[picked].sum())
        return _reduced(each, reduction, "cross_entropy")


def binary_cross_entropy_with_logits(
    logits: Any, targets: Any, mask: Any = None, *, reduction: Reduction = "mean"
) -> Tensor:
    """−(y ln σ(x) + (1 − y) ln(1 − σ(x))), computed as softplus(x) − x·y, which never overflows.

    Logits x and targets y in [0, 1] have equal shapes; a mask covers their leading axes; `reduction` as in `mse_loss`.
    Raises ValueError where shapes differ, a target is outside [0, 1], or the mask is empty.
    """
    name = "binary_cross_entropy_with_logits"
    with scope("binary cross entropy"):
        _same(name, "logits", np.shape(logits), "targets", np.shape(targets))
        x, y = (_kept(part, mask, name) for part in (logits, targets))
        if not (0 <= values(y).min() <= values(y).max() <= 1):
            raise ValueError(
                f"{name}: the targets must be in [0, 1], not in [{values(y).min():g}, {values(y).max():g}]."
            )
        return _reduced(softplus(x) - x * y, reduction, name)


def _reduced(each: Any, reduction: str, loss: str) -> Any:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{loss}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}.")
    return each if reduction == "none" else mean(each) if reduction == "mean" else each.sum()


def _class_weights(weight: Any, classes: int, dtype: Any) -> Array:
    counts = np.ones(classes) if weight is None else np.asarray(values(weight), float)
    if counts.shape != (classes,) or not (counts >= 0).all() or not np.isfinite(counts).all() or not counts.any():
        raise ValueError(f"cross_entropy: weight must be {classes} numbers of at least 0, not {weight!r:.80}.")
    return counts.astype(dtype)


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

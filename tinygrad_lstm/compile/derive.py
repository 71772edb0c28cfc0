"""What each op of a step computes and what its rules send back, as formulas: the table of ops, run on symbols."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..numerics import is_basic
from ..op import Op, Piece
from ..tensor import Shape, Tensor
from .symbols import CannotCompile, Expr, Symbol, written
from .tape import Recorded


class Share(NamedTuple):
    """What one op sends to one of its inputs: the formula, the rule's own, its scope, and the index of a part."""

    expr: Expr
    rule: str
    scope: str
    at: Expr | None = None
    is_basic: bool = True


def op_of(tensor: Tensor) -> Op:
    """What made a tensor of the step."""
    assert tensor.op is not None
    return tensor.op


def value_of(step: Recorded, tensor: Tensor) -> Any:
    """A tensor's values as a symbol, or as the number that it is."""
    tensor = step.twins.get(tensor.birth, tensor)
    if tensor.op is None and not tensor.ndim and all(tensor is not x for x in step.inputs.values()):
        return tensor.numpy()
    return Symbol(tensor.numpy(), Expr(leaf=("", tensor.birth)), step.rows)


def computed(step: Recorded, tensor: Tensor) -> Expr:
    """The formula that makes a tensor: NumPy's where it is a single operation, otherwise a call of the op's name."""
    op, inputs = op_of(tensor), [value_of(step, x) for x in tensor.inputs]
    settings = tensor.settings or {}
    try:
        traced = op.forward(*inputs, **settings)
    except (CannotCompile, TypeError, ValueError, AttributeError):  # it does more than NumPy's functions: see below
        traced = None
    if isinstance(traced, Symbol) and traced.expr.is_simple:
        return traced.expr
    gaps = ", ".join(["{}"] * len(inputs) + [f"{name}={{}}" for name in settings])
    parts = tuple(written(part, step.rows) for part in (*inputs, *settings.values()))
    return Expr(f"{op.name}({gaps})", parts, needs=(0,) * len(parts))


def shares(step: Recorded, tensor: Tensor) -> list[tuple[Tensor, Share]]:
    """What a tensor's gradient sends to each input that needs one. Raises CannotCompile where a rule is no formula."""
    op, settings = op_of(tensor), tensor.settings or {}
    dy = Symbol(np.ones(tensor.shape, tensor.dtype), Expr(leaf=("d", tensor.birth)), step.rows)
    given = [dy, value_of(step, tensor), *(value_of(step, x) for x in tensor.inputs)]
    sent = []
    try:
        joint: Any = op.joint_rule and op.joint_rule(*given, **settings)
        for k, x in enumerate(tensor.inputs):
            rule = op.rules[k] if not joint else None
            if x.requires_grad and (joint or rule):
                share = rule(*given, **settings) if rule else joint[k]
                sent.append((x, _share(share, x.shape, op.formula(k), tensor.scope, step.rows)))
    except (CannotCompile, TypeError, AttributeError) as exc:
        raise CannotCompile(f"source: the rule of {op.name} cannot be written as a formula: {exc}.") from None
    return sent


def _share(share: Any, shape: Shape, rule: str, scope: str, rows: int) -> Share:
    if isinstance(share, Piece):
        return Share(share.values.expr, rule, scope, index_of(share.index, rows), is_basic(share.index))
    return Share(fitted(share, shape).expr, rule, scope)


def index_of(index: Any, rows: int) -> Expr:
    inside = [written(part, rows) for part in (index if isinstance(index, tuple) else (index,))]
    return Expr(", ".join(["{}"] * len(inside)), tuple(inside), 0, (0,) * len(inside))


def fitted(share: Symbol, shape: Shape) -> Symbol:
    """Undo broadcasting, as `op.sum_to` does, written as short as it may be."""
    new = share.ndim - len(shape)
    if new:
        share = share.sum(axis=0 if new == 1 else tuple(range(new)))
    stretched = tuple(k for k, n in enumerate(shape) if n == 1 != share.shape[k])
    return share.sum(axis=stretched, keepdims=True) if stretched else share

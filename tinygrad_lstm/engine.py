"""How gradients return: from the newest tensor to the oldest.

An input is always older than its output. So if we always visit the newest tensor that is waiting, all its users have
been visited before and have sent their share: its gradient is complete. No recursion and no separate sort is needed,
and only the frontier of the graph is held.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from heapq import heappop, heappush
from typing import Any, overload

import numpy as np

from .collector import uncollected
from .numerics import extent
from .op import Op, Piece, sum_to
from .scope import anomaly, scope
from .tensor import Array, Tensor, values

Shares = list[tuple[Tensor, Any]]


@uncollected()
def backward(y: Tensor, seed: Any = None, *, keep_graph: bool = False, keep_grads: bool = False) -> None:
    """Add dy/dx to `x.grad` of every leaf x that needs a gradient, and of every tensor that asked by `keep_grad()`.

    Args:
        y: where to start; a single number unless `seed` is given.
        seed: dL/dy, of y's shape, where y is not yet the loss.
        keep_graph: keep the history, so that another backward may pass. Otherwise it is freed on the way.
        keep_grads: store `.grad` of every tensor on the way, not of leaves alone.

    Raises RuntimeError where there is no history (any more), or a value was replaced since; ValueError for a bad seed.
    Either all gradients arrive or, after an error, none.
    """
    visits = travel(y, seed_of(y, seed), free=not keep_graph)
    arrived = [(x, dx) for x, dx, _ in visits if x.op is None or x.keeps_grad or keep_grads]
    for x, dx in arrived:
        x.grad = np.array(spread(dx)) if x.grad is None else x.grad + spread(dx)


@overload
def grad(y: Tensor, xs: Tensor | Iterable[Tensor], seed: Any = None, *, create_graph: bool = False) -> list[Tensor]: ...
@overload
def grad(
    y: Tensor, xs: Tensor | Iterable[Tensor], seed: Any = None, *, create_graph: bool = False, allow_unused: bool
) -> list[Tensor | None]: ...
def grad(
    y: Tensor,
    xs: Tensor | Iterable[Tensor],
    seed: Any = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """The gradients dy/dx for each x, as Tensors; touches no `.grad` and keeps the history.

    With `create_graph=True` they have a history of their own: differentiate them again, or draw them.
    With `allow_unused=True` the gradient is None, instead of an error, where no path leads from x to y: it is 0 then,
    as is a second derivative of what is linear in x.
    Raises RuntimeError where an x needs no gradient or no path leads from it to y.
    """
    xs = [xs] if isinstance(xs, Tensor) else list(xs)
    for x in xs:
        if not x.requires_grad:
            raise RuntimeError(f"grad: {x.describe()} needs no gradient. Make it with requires_grad=True.")
    start = seed_of(y, seed)
    leads = y.requires_grad or not allow_unused  # if it does not, travel says why
    gradients = vjp(y, xs, start, create_graph=create_graph) if leads else [None] * len(xs)
    for x, dx in zip(xs, gradients, strict=True):
        if dx is None and not allow_unused:
            raise RuntimeError(
                f"grad: no path leads from {x.describe()} to {y.describe()}. With allow_unused=True it is None."
            )
    return [dx if dx is None or isinstance(dx, Tensor) else Tensor.wrap(dx) for dx in gradients]


def vjp(
    y: Tensor, xs: Sequence[Tensor], seed: Any, *, stop: Collection[Tensor] = (), create_graph: bool = False
) -> list[Any]:
    """seedᵀ · dy/dx for each x, or None where no path leads to it. Nothing passes through a tensor in `stop`."""
    wanted: dict[int, Any] = {x.birth: None for x in xs}
    # A scope of their own lets a drawing tell the two passes apart.
    with uncollected(), scope("gradient") if create_graph else nullcontext():
        for x, dx, _ in travel(
            y, seed, graph=create_graph, oldest=min(wanted, default=0), stop={x.birth for x in stop} - {y.birth}
        ):
            if x.birth in wanted:
                wanted[x.birth] = spread(dx)
    return [wanted[x.birth] for x in xs]


def travel(
    y: Tensor, seed: Any, *, graph: bool = False, free: bool = False, oldest: int = 0, stop: Collection[int] = ()
) -> Iterator[tuple[Tensor, Any, Shares]]:
    """Visit y and what it was made from, newest first; yield each tensor, its gradient, and its inputs' shares of it.

    A gradient is a `Piece` where one is all that has arrived and the tensor's op takes it so.

    Args:
        y, seed: where to start, and dL/dy.
        graph: compute with Tensors, so that the gradients have a history; otherwise with arrays.
        free: forget each tensor's history once it has been used.
        oldest: nothing born before it is visited.
        stop: births of tensors that pass nothing on.
    """
    if not y.requires_grad:
        raise RuntimeError(
            f"backward: {y.describe()} needs no gradient: nothing it was made from has requires_grad=True, or it was "
            "made under no_grad() or detached."
        )
    arrived: dict[int, list[Any]] = {y.birth: [y, seed, False]}  # tensor, sum of its shares, whether that sum is ours
    newest_first = [-y.birth]
    while newest_first:
        tensor, gradient, _ = arrived.pop(-heappop(newest_first))
        if type(gradient) is Piece and not (tensor.op and tensor.op.takes_pieces):
            gradient = spread(gradient)
        shares = [] if tensor.op is None or tensor.birth in stop else shares_of(tensor, gradient, graph, oldest)
        yield tensor, gradient, shares
        if free and tensor.op is not None:
            tensor.inputs, tensor._saved = (), None
        for x, share in shares:
            entry = arrived.get(x.birth)
            if entry is None:
                arrived[x.birth] = [x, share, False]
                heappush(newest_first, -x.birth)
            elif graph:
                entry[1] = spread(entry[1]) + spread(share)
            else:
                _add(entry, share)


def _add(entry: list[Any], share: Any) -> None:
    """Add a share to what has arrived: in place where that array is ours, and so no other tensor's gradient too."""
    _, total, ours = entry
    if type(total) is Piece or type(share) is Piece:
        entry[1], entry[2] = total if ours else spread(total) if type(total) is Piece else np.array(total), True
        (share if type(share) is Piece else Piece(share, ..., total.shape)).add_to(entry[1])
    elif ours:
        total += share
    else:
        entry[1], entry[2] = np.asarray(total + share), True  # NumPy adds two arrays of shape () to a scalar


def shares_of(tensor: Tensor, gradient: Any, graph: bool = False, oldest: int = 0) -> Shares:
    """What a tensor's gradient sends to each of its inputs that needs one: only their rules run.

    Raises RuntimeError where the history was freed, an input's value was replaced since, or a rule is wrong;
    FloatingPointError inside `detect_anomaly` for the first share that is not finite.
    """
    op, inputs, saved, settings = tensor.op, tensor.inputs, tensor._saved, tensor.settings
    assert op is not None
    if saved is None:
        raise RuntimeError(
            f"backward: the history of {tensor.describe()} was freed by a backward that passed here, whether or not "
            "it came to its end. If it is a state from the previous chunk, detach it: state.detach(). To go back "
            "twice, or to ask a trace afterwards, use backward(keep_graph=True)."
        )
    args = (tensor, *inputs) if graph else saved
    joint = op.joint_rule and op.joint_rule(gradient, *args, **settings)
    if tensor._data is not saved[0]:
        raise _replaced(tensor, op)
    shares: Shares = []
    for k, x in enumerate(inputs):
        array = saved[k + 1]
        if x._data is not array:
            raise _replaced(x, op)
        if not x.requires_grad or x.birth < oldest:
            continue
        rule = joint or op.rules[k]
        if rule is None:  # such as the condition of where: nothing passes
            continue
        share = joint[k] if joint else rule(gradient, *args, **settings)
        if type(share) is not Piece and (share.shape != array.shape or share.dtype is not array.dtype):
            share = _fitted(share, x, op)
        shares.append((x, ops.chosen(share, x) if graph and op.pieces else share))
    if anomaly.get():
        _check_finite(tensor, gradient, shares)
    return shares


def _fitted(share: Any, x: Tensor, op: Op) -> Any:
    """A share in the shape and dtype of the input that it goes to: broadcasting and a wider dtype are undone here."""
    if share.shape != x.shape:
        if not op.broadcasts:
            raise RuntimeError(f"backward: {op.name}'s rule returned shape {share.shape} for {x.describe()}.")
        share = sum_to(share, x.shape)
    return share if share.dtype == x.dtype else share.astype(x.dtype)


def _replaced(x: Tensor, op: Op) -> RuntimeError:
    return RuntimeError(
        f"backward: the value of {x.describe()} was replaced after {op.name} used it: its gradient would be "
        "wrong. Call backward before the optimizer's step, or compute the result again."
    )


def _check_finite(tensor: Tensor, gradient: Any, shares: Shares) -> None:
    for x, share in shares:
        array = values(share.values if type(share) is Piece else share)
        if not np.isfinite(array).all():
            raise FloatingPointError(
                f"backward: {tensor.describe()} sends {extent(array)} to its input, {x.describe()}. "
                f"What had arrived there ranges over {extent(values(spread(gradient)))}."
            )


def spread(share: Any) -> Any:
    """A share as a full array (or Tensor)."""
    return ops.put(share.values, index=share.index, shape=share.shape) if type(share) is Piece else share


def seed_of(y: Tensor, seed: Any) -> Array:
    """dL/dy as an array of y's shape and dtype: 1 for a single number, else what the caller gave."""
    if seed is None and y.size != 1:
        raise ValueError(f"backward: {y.describe()} is no single number. Start from y.sum(), or give seed=dL/dy.")
    array = np.ones(y.shape, y.dtype) if seed is None else np.array(values(seed), y.dtype)
    if array.shape != y.shape:
        raise ValueError(f"backward: the seed has shape {array.shape}, but {y.describe()} needs one of its own shape.")
    return array


from . import ops  # noqa: E402 — last: ops is imported by tensor, and needs op, before the engine runs

"""One training step of a net in PyTorch, looked into: its recurrent layer runs again here, from its own numbers.

PyTorch runs forward and backward; what comes into the layer, and the gradient that its loss sends into what comes out,
are handed to the same layer here, step by step, with every gate. So what one sees is that very backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..flow.trace import Trace, trace
from ..tensor import Array, Tensor
from .pytorch import _torch, from_torch, torch_gradients

ROUNDING = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-9}  # of the largest gradient


class Call(NamedTuple):
    """One call of a recurrent layer: what it read, batch first, and its initial states; what it gave, as it gave it.

    `arranged` brings what is shaped like y, and `stacked` what is shaped like a last state, into that order.
    """

    layer: Any
    x: Any
    starts: list[Any]
    lengths: list[int] | None
    y: Any
    last: list[Any]
    arranged: Callable[[Any], Any]
    stacked: Callable[[Any], Any]


def look(model: Any, *inputs: Any, loss: Callable[[Any], Any], layer: str | None = None, told: bool = True) -> Trace:
    """The backward pass of one training step of a PyTorch model: a trace, to draw, to ask for its flow, to diagnose.

    Args:
        model: a torch.nn.Module that holds an LSTM, a GRU or an RNN.
        inputs: what the model is called with.
        loss: from the model's output to a single number: `lambda out: F.cross_entropy(out[:, -1], target)`.
        layer: which of several recurrent layers, by its name in the model ("encoder.rnn"); the last one by default.
        told: print by how much our gradients differ from PyTorch's; it is rounding.

    The trace's root has the value of their loss; no `.grad` of theirs is touched. Raises ValueError where there is no
    such layer, where it was called several times, has dropout while training, or the numbers do not agree.
    """
    torch = _torch()
    name, found = _layer_of(torch, model, layer)
    if found.training and found.dropout and found.num_layers > 1:
        raise ValueError(f"look: {name} has dropout between its layers, which cannot be repeated: call model.eval().")
    runs: list[Call] = []
    hook = found.register_forward_hook(lambda module, given, out: runs.append(_run(torch, module, given, out)))
    try:
        with torch.enable_grad():
            value = loss(model(*inputs))
    finally:
        hook.remove()
    if len(runs) != 1:
        raise ValueError(f"look: {name} was called {len(runs)} times in this step; a trace holds one call.")
    if getattr(value, "numel", lambda: 0)() != 1:
        raise ValueError("look: loss(output) must be a single number.")
    (run,) = runs
    outputs, weights = [run.y, *run.last], dict(found.named_parameters())
    shares = torch.autograd.grad(value, [*outputs, *weights.values()], allow_unused=True)
    seeds = [None if share is None else (run.stacked if k else run.arranged)(share).numpy()
             for k, share in enumerate(shares[: len(outputs)])]  # fmt: skip
    if all(seed is None for seed in seeds):
        raise ValueError(f"look: the loss does not depend on what {name} gives.")
    module, traced = _again(run, name, seeds, value.item())
    theirs = dict(zip(weights, shares[len(outputs) :], strict=True))
    _compare(module, traced, {key: share.numpy() for key, share in theirs.items() if share is not None}, name, told)
    return traced


def _layer_of(torch: Any, model: Any, layer: str | None) -> tuple[str, Any]:
    kinds = (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN)
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"look: takes a torch.nn.Module, not {type(model).__name__}.")
    found = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    if layer is not None and layer not in found:
        raise ValueError(f"look: there is no recurrent layer {layer!r}; there are: {', '.join(found) or 'none'}.")
    if not found:
        raise ValueError("look: this model has no torch.nn.LSTM, GRU or RNN.")
    name = layer if layer is not None else [*found][-1]
    return name or type(model).__name__.lower(), found[name]


def _run(torch: Any, layer: Any, given: tuple[Any, ...], out: Any) -> Call:
    (x, *start), (y, last) = given, out
    states = start[0] if start and start[0] is not None else ()
    starts = [*states] if isinstance(states, tuple) else [states]
    ends = [*last] if isinstance(last, tuple) else [last]
    utils, lengths = torch.nn.utils.rnn, None
    arranged: Callable[[Any], Any] = lambda share: share  # noqa: E731
    stacked = arranged
    if isinstance(x, utils.PackedSequence):
        packing = y[1:]
        arranged = lambda share: utils.pad_packed_sequence(utils.PackedSequence(share, *packing), batch_first=True)[0]  # noqa: E731
        x, counts = utils.pad_packed_sequence(x, batch_first=True)
        lengths, y = counts.tolist(), y.data
    elif x.ndim == 2:  # one row without a batch
        arranged, stacked = (lambda share: share[None]), (lambda share: share[:, None])
        x = x[None]
    elif not layer.batch_first:
        arranged = lambda share: share.transpose(0, 1)  # noqa: E731
        x = x.transpose(0, 1)
    return Call(layer, x, [stacked(state) for state in starts], lengths, y, ends, arranged, stacked)


def _again(run: Call, name: str, seeds: list[Array | None], value: float) -> tuple[nn.Recurrent[Any], Trace]:
    """The same layer here, on the same numbers, and the backward pass from the gradients that came into it."""
    module = from_torch(run.layer)
    assert isinstance(module, nn.Recurrent)
    module.name, many = name, len(module.cells) * len(module.directions) > 1
    states = [state.detach().numpy() for state in run.starts]
    start = module.cells[0][0].State(*(s if many else s[0] for s in states)) if states else None
    x = Tensor(run.x.detach().numpy(), requires_grad=True, name="x")
    y, last = module(x, start, lengths=run.lengths).as_torch()
    made = [y, *(last if isinstance(last, tuple) else (last,))]
    sent = [(out * seed).sum() for out, seed in zip(made, seeds, strict=True) if seed is not None]
    total = sum(sent[1:], sent[0])
    root = total + (value - total.item())  # the value of their loss: a constant has no gradient
    return module, trace(root)


def _compare(module: nn.Recurrent[Any], traced: Trace, theirs: dict[str, Array], name: str, told: bool) -> None:
    def grad(p: Tensor) -> Array:
        found = traced.grad(p)
        return np.zeros(p.shape, p.dtype) if found is None else found

    mine = torch_gradients(module, grad)
    off = max((float(np.abs(mine[key] - share).max()) for key, share in theirs.items() if key in mine), default=0.0)
    top = max((float(np.abs(share).max()) for share in theirs.values()), default=0.0)
    dtype = module.parameters()[0].dtype
    if not off <= ROUNDING[dtype] * max(top, 1e-30):
        raise ValueError(
            f"look: the gradients of {name} differ from PyTorch's by {off:.2g}, of {top:.2g}: more than rounding. "
            "Does the model change its weights, or what it read, while it runs?"
        )
    if told:
        print(f"{name}: gradients of its weights differ from PyTorch's by {off:.1e} at most, of {top:.3g}")

"""One training step of a net in PyTorch or Keras, looked into: its recurrent layer runs again here, from its numbers.

The framework runs forward and backward; what comes into the layer, and the gradient that its loss sends into what comes
out, are handed to the same layer here, step by step, with every gate. So what one sees is that very backward pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..flow.trace import Trace, trace
from ..tensor import Array, Tensor
from .keras import from_keras, keras_gradients
from .layouts import KERAS
from .pytorch import _torch, from_torch, torch_gradients

ROUNDING = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-9}  # of the largest gradient
Grad = Callable[[Tensor], Array]


class Call(NamedTuple):
    """One call of a recurrent layer elsewhere.

    Attributes:
        module: the same layer here.
        x, starts, lengths: what it read, batch first, its initial states as a layer here takes them, and its lengths.
        outputs: what it gave, as it gave it; `arranged` brings the gradient of each into our order.
        given: what of ours corresponds to these outputs.
        weights: its parameters; `gradients` brings ours into their order and shape.
        rounding: by how much of the largest gradient the two may differ.
    """

    module: nn.Recurrent[Any]
    x: Any
    starts: list[Any]
    lengths: list[int] | None
    outputs: list[Any]
    arranged: list[Callable[[Any], Any]]
    given: Callable[[Any], list[Tensor]]
    weights: list[Any]
    gradients: Callable[[Grad], list[Array]]
    rounding: float


def look(model: Any, *inputs: Any, loss: Callable[[Any], Any], layer: str | None = None, told: bool = True) -> Trace:
    """The backward pass of one training step of a PyTorch or Keras model: a trace, to draw, to ask for its flow.

    Args:
        model: a torch.nn.Module that holds an LSTM, a GRU or an RNN; or a keras.Model, with the backend torch.
        inputs: what the model is called with.
        loss: from the model's output to a single number: `lambda out: F.cross_entropy(out[:, -1], target)`.
        layer: which of several recurrent layers, by its name in the model ("encoder.rnn"); the last one by default.
        told: print by how much our gradients differ from theirs; it is rounding.

    The trace's root has the value of their loss; no `.grad` of theirs is touched. Raises ValueError where there is no
    such layer, where it was called several times, has dropout while training, or the numbers do not agree.
    """
    torch, calls = _torch(), list[Call]()
    keras = sys.modules.get("keras")
    watched = _keras_calls if keras is not None and isinstance(model, keras.Layer) else _torch_calls
    name, found = _layer_of(torch, keras if watched is _keras_calls else None, model, layer)
    with watched(found, calls), torch.enable_grad():
        value = loss(model(*inputs))
    if len(calls) != 1:
        raise ValueError(f"look: {name} was called {len(calls)} times in this step; a trace holds one call.")
    if getattr(value, "numel", lambda: 0)() != 1:
        raise ValueError("look: loss(output) must be a single number.")
    (call,) = calls
    n = len(call.outputs)
    shares = torch.autograd.grad(value, [*call.outputs, *call.weights], allow_unused=True)
    pairs = zip(call.arranged, shares[:n], strict=True)
    seeds = [None if share is None else turned(share).numpy() for turned, share in pairs]
    if all(seed is None for seed in seeds):
        raise ValueError(f"look: the loss does not depend on what {name} gives.")
    call.module.name = name
    traced = _again(call, seeds, value.item())
    _compare(call, traced, [None if share is None else share.numpy() for share in shares[n:]], name, told)
    return traced


def _layer_of(torch: Any, keras: Any, model: Any, layer: str | None) -> tuple[str, Any]:
    """The recurrent layer that is meant, and its name in the model."""
    if keras is not None:
        if keras.backend.backend() != "torch":
            raise ValueError("look: set KERAS_BACKEND=torch: its gradients are asked for layer by layer.")
        wanted = {*KERAS, "Bidirectional"}
        parts = model._flatten_layers() if hasattr(model, "_flatten_layers") else [model]
        inner = {id(part) for one in parts if type(one).__name__ == "Bidirectional" for part in one._flatten_layers()}
        found = {one.name: one for one in parts if type(one).__name__ in wanted
                 and (id(one) not in inner or type(one).__name__ == "Bidirectional")}  # fmt: skip
        kinds = "keras.layers.LSTM, GRU or SimpleRNN"
    elif isinstance(model, torch.nn.Module):
        three = (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN)
        found = {name: module for name, module in model.named_modules() if isinstance(module, three)}
        kinds = "torch.nn.LSTM, GRU or RNN"
    else:
        raise TypeError(f"look: takes a torch.nn.Module or a keras.Model, not {type(model).__name__}.")
    if not found:
        raise ValueError(f"look: this model has no {kinds}.")
    if layer is not None and layer not in found:
        raise ValueError(f"look: there is no recurrent layer {layer!r}; there are: {', '.join(found)}.")
    name = layer if layer is not None else [*found][-1]
    return name or type(model).__name__.lower(), found[name]


def _kept(share: Any) -> Any:
    return share


@contextmanager
def _torch_calls(layer: Any, calls: list[Call]) -> Iterator[None]:
    """Note the calls of a layer of PyTorch."""
    if layer.training and layer.dropout and layer.num_layers > 1:
        raise ValueError("look: a layer has dropout between its layers, which cannot be repeated: call model.eval().")

    def note(_: Any, given: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        x, start = (*given, *(named[key] for key in ("input", "hx") if key in named), None)[:2]
        calls.append(_torch_call(layer, x, start, out))

    hook = layer.register_forward_hook(note, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def _torch_call(layer: Any, x: Any, start: Any, out: Any) -> Call:
    utils, (y, last), lengths = _torch().nn.utils.rnn, out, None
    starts = [] if start is None else [*start] if isinstance(start, tuple) else [start]
    ends = [*last] if isinstance(last, tuple) else [last]
    turned = stacked = _kept
    if isinstance(x, utils.PackedSequence):
        packing = y[1:]

        def turned(share: Any) -> Any:
            return utils.pad_packed_sequence(utils.PackedSequence(share, *packing), batch_first=True)[0]

        x, counts = utils.pad_packed_sequence(x, batch_first=True)
        lengths, y = counts.tolist(), y.data
    elif x.ndim == 2:  # one row without a batch
        turned, stacked = (lambda share: share[None]), (lambda share: share[:, None])
        x = x[None]
    elif not layer.batch_first:
        turned = lambda share: share.transpose(0, 1)  # noqa: E731
        x = x.transpose(0, 1)
    module = from_torch(layer)
    assert isinstance(module, nn.Recurrent)
    many = len(module.cells) * len(module.directions) > 1
    begun = [stacked(state) if many else stacked(state)[0] for state in starts]

    def given(output: Any) -> list[Tensor]:
        mine, states = output.as_torch()
        return [mine, *(states if isinstance(states, tuple) else (states,))]

    weights = dict(layer.named_parameters())

    def gradients(grad: Grad) -> list[Array]:
        found = torch_gradients(module, grad)
        return [found[name] for name in weights]

    arranged: list[Callable[[Any], Any]] = [turned, *[stacked] * len(ends)]
    return Call(module, x, begun, lengths, [y, *ends], arranged, given, [*weights.values()], gradients,
                ROUNDING[module.parameters()[0].dtype])  # fmt: skip


@contextmanager
def _keras_calls(layer: Any, calls: list[Call]) -> Iterator[None]:
    """Note the calls of a layer of Keras."""
    original = layer.call

    def call(sequences: Any, *more: Any, initial_state: Any = None, mask: Any = None, **named: Any) -> Any:
        out = original(sequences, *more, initial_state=initial_state, mask=mask, **named)
        if named.get("training") and (layer.get_config().get("dropout") or layer.get_config().get("recurrent_dropout")):
            raise ValueError("look: a layer has dropout, which cannot be repeated: call the model with training=False.")
        calls.append(_keras_call(layer, sequences, initial_state, mask, out))
        return out

    layer.call = call
    try:
        yield
    finally:
        layer.call = original


def _keras_call(layer: Any, x: Any, start: Any, mask: Any, out: Any) -> Call:
    inner = getattr(layer, "forward_layer", layer)
    module = from_keras(layer)
    assert isinstance(module, nn.Recurrent)
    lengths = None
    if mask is not None:
        valid = mask.detach().cpu().numpy().astype(bool)
        lengths = valid.sum(axis=1).tolist()
        if not (valid == (np.arange(valid.shape[1]) < valid.sum(axis=1)[:, None])).all():
            raise ValueError("look: a mask that hides steps before others cannot be repeated: only padding at the end.")
    outputs = [*out] if isinstance(out, list | tuple) else [out]
    starts = [] if start is None else [*start] if isinstance(start, list | tuple) else [start]
    if len(module.directions) == 2 and starts:  # h and C of one direction, then of the other
        half, stack = len(starts) // 2, _torch().stack
        starts = [stack(pair) for pair in zip(starts[:half], starts[half:], strict=True)]

    def given(output: Any) -> list[Tensor]:
        made = output.as_keras(inner.return_sequences, return_state=len(outputs) > 1)
        return made if isinstance(made, list) else [made]

    biased, kind = inner.use_bias, type(inner).__name__
    weights = [w.value for w in layer.trainable_weights]

    def gradients(grad: Grad) -> list[Array]:
        return keras_gradients(module, kind, biased, grad)

    turned: list[Callable[[Any], Any]] = [_kept] * len(outputs)
    rounding = ROUNDING[np.dtype(np.float32)]  # its matmul gives float32, of float64 too
    return Call(module, x, starts, lengths, outputs, turned, given, weights, gradients, rounding)


def _again(call: Call, seeds: list[Array | None], value: float) -> Trace:
    """The same layer here, on the same numbers, and the backward pass from the gradients that came into it."""
    states = [state.detach().cpu().numpy() for state in call.starts]
    start = call.module.cells[0][0].State(*states) if states else None
    x = Tensor(call.x.detach().cpu().numpy(), requires_grad=True, name="x")
    made = call.given(call.module(x, start, lengths=call.lengths))
    sent = [(out * seed).sum() for out, seed in zip(made, seeds, strict=True) if seed is not None]
    total = sum(sent[1:], sent[0])
    return trace(total + (value - total.item()))  # the value of their loss: a constant has no gradient


def _compare(call: Call, traced: Trace, theirs: list[Array | None], name: str, told: bool) -> None:
    """Hold our gradients of all weights against theirs. Raises ValueError where they differ by more than rounding."""

    def grad(p: Tensor) -> Array:
        found = traced.grad(p)
        return np.zeros(p.shape, p.dtype) if found is None else found

    pairs = [(a, b) for a, b in zip(call.gradients(grad), theirs, strict=True) if b is not None]
    off = max((float(np.abs(a - b).max()) for a, b in pairs), default=0.0)
    top = max((float(np.abs(b).max()) for _, b in pairs), default=0.0)
    if not off <= call.rounding * max(top, 1e-30):
        raise ValueError(
            f"look: gradients of {name} differ from the framework's by {off:.2g}, of {top:.2g}: more than rounding. "
            "Does the model change its weights, or what it read, while it runs?"
        )
    if told:
        print(f"{name}: gradients of its weights differ from the framework's by {off:.1e} at most, of {top:.3g}")

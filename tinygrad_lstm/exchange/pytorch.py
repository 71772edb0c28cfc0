"""Weights from PyTorch and back: numerically the same net, forward and backward.

PyTorch keeps the gates of a layer in one matrix, each gate's rows below the other's, W_ih (gates · hidden, input) and
W_hh (gates · hidden, hidden), and adds two biases; ours are one W (hidden + input, hidden) a gate, rows of h first, and
one b, their sum. On the way back b becomes bias_ih and bias_hh is 0; of a GRU's candidate both are needed, since one of
them stands inside the reset. Where a layer has no bias, ours is zero and frozen (requires_grad=False).

Sources: the documentation of torch.nn.LSTM, GRU and RNN, "Variables" and the equations.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..tensor import Array, Tensor
from .layouts import RESET, TORCH, Layout
from .weights import State, read_state, weights_of

EXTRA = 'pip install "tinygrad-lstm[torch]"'


BY_GATES = {len(layout.gates): layout for layout in TORCH.values()}  # which a state_dict shows


class ModuleDict(nn.Module):
    """Named modules of another framework's net: `net["rnn"]`, or `net.rnn`. How they work together, its code says."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        vars(self).update(parts)

    states: dict[str, tuple[Array, ...]]  # constant initial states of an ONNX model

    def __getitem__(self, name: str) -> nn.Module:
        found = self
        for part in name.split("."):
            found = getattr(found, part)
        return found


def from_torch(
    source: Any, *, kinds: Mapping[str, str] | None = None, activation: str = "tanh"
) -> nn.Module:  # fmt: skip
    """A module with the weights of a PyTorch module, of its state_dict, or of a file of one.

    Args:
        source: a torch.nn.Module; a state_dict (of torch tensors or arrays); a .safetensors file, which needs no torch;
            or a .pt or .pth file, of which only weights are read (weights_only=True).
        kinds: what a state_dict does not tell: {"encoder": "embedding"} or "linear", for a matrix without a bias.
        activation: "tanh" or "relu", of plain RNNs in a state_dict, which does not tell it either.

    LSTM, GRU, RNN and their cells (any layers and directions, with or without biases), Linear, Embedding, LayerNorm and
    Sequential become their counterparts here, anything else that holds such modules a `ModuleDict` of them by name.
    Sequences are (batch, time, features) here, whatever batch_first was. float16 and bfloat16 become float32, with a
    warning.

    Raises ValueError (of a file CheckpointError) with what does not fit, ImportError where torch is needed.
    """
    if isinstance(source, str | os.PathLike):
        return from_torch(read_state(source, _torch), kinds=kinds, activation=activation)
    if isinstance(source, Mapping):
        return _from_state(weights_of(source), kinds or {}, activation)
    if type(source).__module__.partition(".")[0] != "torch" and not hasattr(source, "named_children"):
        raise TypeError(f"from_torch: takes a torch module, its state_dict or a file, not {type(source).__name__}.")
    return _from_module(source, weights_of(source.state_dict()))


# — from a module —————————————————————————————————————————————————————————————————————————————————————————


def _from_module(module: Any, state: State) -> nn.Module:
    kind = type(module).__name__
    if kind in ("LSTM", "GRU", "RNN"):
        return _recurrent(state, "", getattr(module, "nonlinearity", "tanh"), dropout=float(module.dropout))
    if kind in ("LSTMCell", "GRUCell", "RNNCell"):
        return _cell(state, "", getattr(module, "nonlinearity", "tanh"))
    if kind == "Embedding":
        return embedding_of(state, "")
    if kind in ("Linear", "NonDynamicallyQuantizableLinear"):
        return linear_of(state, "")
    if kind == "LayerNorm":
        if len(module.normalized_shape) != 1 or not state:
            raise ValueError("from_torch: a LayerNorm here has one axis, and a gain and a bias.")
        return layer_norm_of(state, "", module.eps)
    if kind == "Dropout":
        return nn.Dropout(module.p)
    parts = {name: _from_module(child, _below(state, name + ".")) for name, child in module.named_children()}
    own = [name for name in state if name.partition(".")[0] not in parts]
    if own or not parts:
        raise ValueError(f"from_torch: {kind} is not known here" + (f" ({', '.join(own[:4])})" if own else "") + ".")
    return nn.Sequential(*parts.values()) if kind == "Sequential" else ModuleDict(parts)


def _below(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): x for name, x in state.items() if name.startswith(prefix)}


# — from a state_dict —————————————————————————————————————————————————————————————————————————————————————


def _from_state(state: State, kinds: Mapping[str, str], activation: str) -> nn.Module:
    """The modules by the prefixes of their parameters; one without a prefix is the net itself."""
    if not state:
        raise ValueError("from_torch: the state_dict is empty.")
    if activation not in ("tanh", "relu"):
        raise ValueError(f"from_torch: activation must be 'tanh' or 'relu', not {activation!r}.")
    prefixes = dict.fromkeys(name.rpartition(".")[0] for name in state)
    if unknown := kinds.keys() - prefixes.keys():
        raise ValueError(f"from_torch: kinds names {sorted(unknown)}, and there are {sorted(prefixes)}.")
    made = {prefix: _part(state, prefix, kinds.get(prefix), activation) for prefix in prefixes}
    return made[""] if [*made] == [""] else _nested(made)


def _part(state: State, prefix: str, kind: str | None, activation: str) -> nn.Module:
    dot = prefix + "." if prefix else ""
    own = {name.removeprefix(dot): x for name, x in state.items() if name.rpartition(".")[0] == prefix}
    where = f"{dot or 'the net'}".rstrip(".")
    if "weight_ih_l0" in own:
        return _recurrent(own, where, activation)
    if "weight_ih" in own:
        return _cell(own, where, activation)
    weight = own.get("weight")
    if weight is None or own.keys() - {"weight", "bias"}:
        raise ValueError(f"from_torch: {where} holds {', '.join(own)}; no module here has these.")
    if weight.ndim == 1:
        return layer_norm_of(own, where, 1e-5)
    if weight.ndim != 2:
        raise ValueError(f"from_torch: {where}.weight has shape {weight.shape}; no module here has such weights.")
    if kind == "embedding" or (kind is None and "bias" not in own and "emb" in where.lower()):
        return embedding_of(own, where)
    if kind is None and "bias" not in own:
        raise ValueError(
            f"from_torch: {where}.weight {weight.shape} may be of an Embedding or of a Linear without bias: say "
            f'kinds={{"{where}": "embedding"}}, or "linear".'
        )
    return linear_of(own, where)


def _nested(parts: Mapping[str, nn.Module]) -> nn.Module:
    """Modules under dotted names as nets within nets."""
    tree: dict[str, Any] = {}
    for name, module in parts.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
            if isinstance(place, nn.Module):
                raise ValueError(f"from_torch: {name} lies inside of a module that has parameters of its own.")
        place[last] = module
    return _net(tree)


def _net(tree: dict[str, Any]) -> ModuleDict:
    return ModuleDict({name: part if isinstance(part, nn.Module) else _net(part) for name, part in tree.items()})


# — the modules, from arrays by PyTorch's names ——————————————————————————————————————————————————————————————


def _recurrent(own: State, where: str, activation: str, dropout: float = 0.0) -> nn.Module:
    layout, size, hidden = _layout(own, where, "_l0")
    directions = [""] + ["_reverse"] * ("weight_ih_l0_reverse" in own)
    layers = 1
    while f"weight_ih_l{layers}" in own:
        layers += 1
    suffixes = [[f"_l{k}{way}" for way in directions] for k in range(layers)]
    _check(own, where, [suffix for row in suffixes for suffix in row])
    settings: dict[str, Any] = {} if layout.name != "RNN" else {"activation": activation}
    both = len(directions) == 2
    module = layout.layer(size, hidden, num_layers=layers, bidirectional=both, dropout=dropout, **settings)
    for row, cells in zip(suffixes, module.cells, strict=True):
        for suffix, cell in zip(row, cells, strict=True):
            _fill(cell, layout, own, suffix, where)
    return module


def _cell(own: State, where: str, activation: str) -> nn.Module:
    layout, size, hidden = _layout(own, where, "")
    _check(own, where, [""])
    settings: dict[str, Any] = {} if layout.name != "RNN" else {"activation": activation}
    cell = layout.cell(size, hidden, **settings)
    _fill(cell, layout, own, "", where)
    return cell


def _layout(own: State, where: str, suffix: str) -> tuple[Layout, int, int]:
    """Which layer it is, its number of inputs, and of hidden units."""
    rows, size = own[f"weight_ih{suffix}"].shape
    if any(name.startswith("weight_hr") for name in own):
        raise ValueError(f"from_torch: {where or 'the layer'} has proj_size; a projected state is not known here.")
    if f"weight_hh{suffix}" not in own:
        raise ValueError(f"from_torch: {where or 'the layer'}: weight_hh{suffix} is missing.")
    hidden = own[f"weight_hh{suffix}"].shape[1]
    if rows % hidden or rows // hidden not in BY_GATES:
        raise ValueError(
            f"from_torch: {where or 'the layer'}: weight_ih{suffix} has {rows} rows for {hidden} hidden units; an LSTM "
            f"has {4 * hidden}, a GRU {3 * hidden}, a plain RNN {hidden}."
        )
    return BY_GATES[rows // hidden], size, hidden


def _check(own: State, where: str, suffixes: list[str]) -> None:
    """Nothing is missing, and nothing left over."""
    biased = any(name.startswith("bias") for name in own)
    needed = {f"{kind}_{side}{suffix}" for suffix in suffixes for side in ("ih", "hh")
              for kind in ("weight", *["bias"] * biased)}  # fmt: skip
    if missing := sorted(needed - own.keys()):
        raise ValueError(f"from_torch: {where or 'the layer'}: {', '.join(missing)} missing.")
    if extra := sorted(own.keys() - needed):
        raise ValueError(f"from_torch: {where or 'the layer'} has also {', '.join(extra)}, which no layer here has.")


def _fill(cell: nn.Cell, layout: Layout, own: State, suffix: str, where: str) -> None:
    """Give a cell its parameters."""
    gates, hidden = len(layout.gates), cell.hidden_size
    shapes = {"weight_ih": (gates * hidden, cell.input_size), "weight_hh": (gates * hidden, hidden),
              "bias_ih": (gates * hidden,), "bias_hh": (gates * hidden,)}  # fmt: skip
    parts: dict[str, list[Array]] = {}
    for name, shape in shapes.items():
        x = own.get(name + suffix, np.zeros(shape, own[f"weight_ih{suffix}"].dtype))
        if x.shape != shape:
            raise ValueError(f"from_torch: {where or 'the layer'}: {name}{suffix} is {x.shape} and should be {shape}.")
        parts[name] = np.split(x, gates)
    give(cell, layout.gates, [part.T for part in parts["weight_ih"]], [part.T for part in parts["weight_hh"]],
         parts["bias_ih"], parts["bias_hh"], biased=f"bias_ih{suffix}" in own)  # fmt: skip


def give(
    cell: nn.Cell, gates: Sequence[str], W_x: list[Array], W_h: list[Array], b_x: list[Array], b_h: list[Array], *,
    biased: bool,
) -> None:  # fmt: skip
    """Give a cell its parameters: for each gate the rows of x and of h, and two biases, which are added."""
    for k, gate in enumerate(gates):
        _set(cell, f"W_{gate}", np.concatenate([W_h[k], W_x[k]]))
        inside = gate == RESET and hasattr(cell, f"b_r{RESET}")
        _set(cell, f"b_{gate}", b_x[k] if inside else b_x[k] + b_h[k], learns=biased)
        if inside:
            _set(cell, f"b_r{gate}", b_h[k], learns=biased)


def _set(module: nn.Module, name: str, value: Array, *, learns: bool = True) -> None:
    setattr(module, name, Tensor(np.ascontiguousarray(value), requires_grad=learns, name=name))


def linear_of(own: State, where: str) -> nn.Linear:
    rows, columns = own["weight"].shape
    if "bias" in own and own["bias"].shape != (rows,):
        raise ValueError(f"from_torch: {where or 'the layer'}: bias is {own['bias'].shape} and should be {(rows,)}.")
    module = nn.Linear(columns, rows, bias="bias" in own)
    _set(module, "W", own["weight"].T)
    if "bias" in own:
        _set(module, "b", own["bias"])
    return module


def embedding_of(own: State, where: str) -> nn.Embedding:
    module = nn.Embedding(*own["weight"].shape)
    _set(module, "W", own["weight"])
    return module


def layer_norm_of(own: State, where: str, eps: float) -> nn.LayerNorm:
    if own.keys() != {"weight", "bias"}:
        raise ValueError(f"from_torch: {where or 'the layer'}: a LayerNorm here has a gain and a bias.")
    module = nn.LayerNorm(len(own["weight"]), eps=eps)
    _set(module, "gain", own["weight"])
    _set(module, "bias", own["bias"])
    return module


# — to PyTorch ———————————————————————————————————————————————————————————————————————————————————————————


def torch_state(module: nn.Module) -> State:
    """The parameters as PyTorch names and shapes them, as arrays: for `load_state_dict`, or a .safetensors file.

    Raises ValueError for what PyTorch does not have: cells of one's own, other activations, reset_after=False.
    """
    return dict(_state(module, ""))


def _state(module: nn.Module, prefix: str) -> Iterator[tuple[str, Array]]:
    if isinstance(module, nn.Recurrent):
        for k, cells in enumerate(module.cells):
            for way, cell in zip(("", "_reverse"), cells, strict=False):
                yield from _of_cell(cell, prefix, f"_l{k}{way}")
    elif isinstance(module, nn.Cell):
        yield from _of_cell(module, prefix, "")
    elif isinstance(module, nn.Linear):
        yield f"{prefix}weight", module.W.numpy().T
        if module.b is not None:
            yield f"{prefix}bias", module.b.numpy()
    elif isinstance(module, nn.Embedding):
        yield f"{prefix}weight", module.W.numpy()
    elif isinstance(module, nn.LayerNorm):
        yield f"{prefix}weight", module.gain.numpy()
        yield f"{prefix}bias", module.bias.numpy()
    else:
        for name, part in _inside(module):
            yield from _state(part, f"{prefix}{name}.")


def _inside(module: nn.Module) -> list[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        return [(str(k), layer) for k, layer in enumerate(module.layers)]
    if loose := [name for name, value in vars(module).items() if isinstance(value, Tensor)]:
        raise ValueError(f"to_torch: {type(module).__name__} has parameters of its own: {', '.join(loose)}.")
    return [(name, value) for name, value in vars(module).items() if isinstance(value, nn.Module)]


def torch_gradients(layer: nn.Recurrent[Any], grad: Callable[[Tensor], Array]) -> State:
    """Gradients of a layer's parameters as PyTorch names and shapes them: that of b for both its parts."""
    found: State = {}
    for k, cells in enumerate(layer.cells):
        for way, cell in zip(("", "_reverse"), cells, strict=False):
            found |= _of_cell(cell, "", f"_l{k}{way}", grad, each=True)
    return found


def _of_cell(
    cell: nn.Cell, prefix: str, suffix: str, of: Callable[[Tensor], Array] = Tensor.numpy, *, each: bool = False
) -> Iterator[tuple[str, Array]]:  # fmt: skip
    """What a function gives for each parameter, by PyTorch's names; `each`: for b's first part also for its second."""
    layout = next((layout for layout in TORCH.values() if layout.cell is type(cell)), None)
    tanh = ("tanh", "relu") if isinstance(cell, nn.RNNCell) else ("tanh",)
    usual = {"recurrent_activation": ("sigmoid",), "activation": tanh, "output_activation": ("tanh",)}
    there = {name: getattr(cell, name, None) for name in usual}
    odd = [name for name, function in there.items() if function and function.__name__ not in usual[name]]
    if layout is None or odd or not getattr(cell, "reset_after", True):
        why = ", ".join(odd) or ("reset_after=False" if layout else "the cell")
        raise ValueError(f"to_torch: PyTorch has no {type(cell).__name__} like this one ({why}).")
    H, gates = cell.hidden_size, layout.gates
    W = [of(getattr(cell, f"W_{gate}")) for gate in gates]
    yield f"{prefix}weight_ih{suffix}", np.concatenate([w[H:].T for w in W])
    yield f"{prefix}weight_hh{suffix}", np.concatenate([w[:H].T for w in W])
    biases = [getattr(cell, f"b_{gate}") for gate in gates]
    if all(not b.requires_grad and not b.numpy().any() for b in biases):
        return  # it had none
    b = [of(bias) for bias in biases]
    yield f"{prefix}bias_ih{suffix}", np.concatenate(b)
    second = [x if each else np.zeros_like(x) for x in b]
    if isinstance(cell, nn.GRUCell):
        second[gates.index(RESET)] = of(cell.b_rn)
    yield f"{prefix}bias_hh{suffix}", np.concatenate(second)


def to_torch(module: nn.Module) -> Any:
    """The same net as a torch module, batch_first, with the weights of this one.

    What is neither a layer nor a Sequential becomes a ModuleDict of its parts. Raises ValueError as `torch_state` does,
    ImportError where torch is missing.
    """
    made = _module(_torch(), module)
    state = {name: _torch().from_numpy(np.array(x)) for name, x in torch_state(module).items()}
    made.to(next(iter(state.values())).dtype).load_state_dict(state)
    return made


def _module(torch: Any, module: nn.Module) -> Any:
    make = torch.nn
    if isinstance(module, nn.Recurrent | nn.Cell):
        cell = module if isinstance(module, nn.Cell) else module.cells[0][0]
        settings: dict[str, Any] = {"bias": any(name.startswith("bias") for name in torch_state(module))}
        if isinstance(cell, nn.RNNCell):
            settings["nonlinearity"] = getattr(cell.activation, "__name__", "")
        name = next(layout.name for layout in TORCH.values() if layout.cell is type(cell))
        if isinstance(module, nn.Cell):
            return getattr(make, f"{name}Cell")(cell.input_size, cell.hidden_size, **settings)
        settings |= {"num_layers": len(module.cells), "bidirectional": len(module.directions) == 2}
        settings |= {"dropout": module.dropout, "batch_first": True}
        return getattr(make, name)(module.input_size, module.hidden_size, **settings)
    if isinstance(module, nn.Linear):
        return make.Linear(*module.W.shape, bias=module.b is not None)
    if isinstance(module, nn.Embedding):
        return make.Embedding(*module.W.shape)
    if isinstance(module, nn.LayerNorm):
        return make.LayerNorm(module.gain.shape[0], eps=module.eps)
    if isinstance(module, nn.Dropout):
        return make.Dropout(module.rate)
    parts = {name: _module(torch, part) for name, part in _inside(module)}
    return make.Sequential(*parts.values()) if isinstance(module, nn.Sequential) else make.ModuleDict(parts)


def _torch() -> Any:
    try:
        import torch  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportError(f"exchange: this needs PyTorch: {EXTRA}") from None
    return torch

"""Weights from Keras 3 and back: LSTM, GRU, SimpleRNN, Bidirectional, Dense, Embedding, LayerNormalization.

Keras keeps the gates side by side in one kernel (input, gates · hidden) and one recurrent_kernel (hidden, gates ·
hidden). Source: the documentation and `call` of keras.layers.LSTMCell, GRUCell and SimpleRNNCell.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .. import nn
from ..tensor import Array, Tensor
from .checkpoint import CheckpointError
from .files import Path
from .layouts import KERAS, RESET, Layout
from .layouts import KERAS_ACTIVATIONS as ACTIVATIONS
from .pytorch import ModuleDict, embedding_of, give, layer_norm_of, linear_of
from .weights import weights_of

EXTRA = 'pip install "tinygrad-lstm[keras]"'


def from_keras(source: Any, kind: str | None = None, **settings: Any) -> nn.Module:
    """A module with the weights of a Keras layer, of a model, of a .keras file, or of a list of weights.

    Args:
        source: a keras.layers.Layer; a keras.Model, which becomes a `ModuleDict` of its layers by name; the path of a
            .keras file, of which no custom object is ever run; or what `get_weights()` of a layer gives.
        kind: of a list of weights: "LSTM", "GRU", "SimpleRNN", "Dense" or "Embedding".
        settings: of a list of weights, what it does not tell: activation=, recurrent_activation=.

    Raises ValueError (of a file CheckpointError) with what does not fit, ImportError where Keras is needed.
    """
    if isinstance(source, str | os.PathLike):
        return from_keras(_load(source))
    if isinstance(source, list | tuple):
        return _from_weights(list(source), kind, settings)
    if not type(source).__module__.startswith("keras"):
        name = type(source).__name__
        raise ValueError(f"from_keras: {name} is no layer or model of Keras's own; give its inner layers, one by one.")
    if hasattr(source, "layers") and type(source).__name__ != "Bidirectional":
        layers = [layer for layer in source.layers if type(layer).__name__ != "InputLayer"]
        return ModuleDict({layer.name: from_keras(layer) for layer in layers})
    return _from_layer(source)


def _from_layer(layer: Any) -> nn.Module:
    kind, config = type(layer).__name__, layer.get_config()
    if kind == "Dropout":
        return nn.Dropout(config["rate"])
    if not layer.built:
        raise ValueError(f"from_keras: {layer.name} has no weights yet; call it once.")
    own = list(weights_of({w.path: a for w, a in zip(layer.weights, layer.get_weights(), strict=True)}).values())
    if kind == "Bidirectional":
        inner = layer.forward_layer
        if config["merge_mode"] != "concat":
            raise ValueError(f"from_keras: {layer.name} has merge_mode={config['merge_mode']!r}; here it is 'concat'.")
        half = len(own) // 2
        return _recurrent(type(inner).__name__, inner.get_config(), [own[:half], own[half:]], layer.name)
    if kind in KERAS:
        if config["go_backwards"]:
            raise ValueError(f"from_keras: {layer.name} has go_backwards; turn its input round instead.")
        return _recurrent(kind, config, [own], layer.name)
    if kind == "Dense" and config["activation"] != "linear":
        raise ValueError(f"from_keras: {layer.name} has an activation; a Linear here has none: apply it yourself.")
    if kind == "LayerNormalization":
        if len(own) != 2:
            raise ValueError(f"from_keras: {layer.name}: a LayerNorm here has a gain and a bias.")
        return layer_norm_of({"weight": own[0], "bias": own[1]}, layer.name, config["epsilon"])
    return _plain(kind, own, layer.name)


def _from_weights(given: list[Any], kind: str | None, settings: dict[str, Any]) -> nn.Module:
    own = list(weights_of({f"weights[{k}]": x for k, x in enumerate(given)}).values())
    if kind in KERAS:
        config = {"activation": "tanh", "recurrent_activation": "sigmoid", **settings, "use_bias": len(own) > 2}
        return _recurrent(kind, config, [own], "the layer")
    return _plain(str(kind), own, "the layer")


def _plain(kind: str, own: list[Array], where: str) -> nn.Module:
    if kind == "Dense":
        return linear_of({"weight": own[0].T} | ({"bias": own[1]} if len(own) > 1 else {}), where)
    if kind == "Embedding":
        return embedding_of({"weight": own[0]}, where)
    raise ValueError(f"from_keras: {kind} is not known here; there are {', '.join([*KERAS, 'Dense', 'Embedding'])}.")


def _recurrent(kind: str, config: dict[str, Any], ways: list[list[Array]], where: str) -> nn.Module:
    """A layer of one direction or two, from [kernel, recurrent_kernel, bias] of each."""
    layout = KERAS[kind]
    names = ["activation", *(["recurrent_activation"] if kind != "SimpleRNN" else [])]
    settings: dict[str, Any] = {name: config[name] for name in names}
    if odd := [f"{name}={value!r}" for name, value in settings.items() if value not in ACTIVATIONS]:
        raise ValueError(f"from_keras: {where} has {', '.join(odd)}; known are {', '.join(ACTIVATIONS)}.")
    left = [f"{name}={config[name]}" for name in ("dropout", "recurrent_dropout") if config.get(name)]
    if left:
        warnings.warn(f"from_keras: {', '.join(left)} of {where} is left out: it acts in training alone", UserWarning,
                      stacklevel=4)  # fmt: skip
    for own in ways:
        _check(layout, own, where)
    if kind == "GRU":
        settings["reset_after"] = len(ways[0]) < 3 or ways[0][2].ndim == 2
        if len(ways[0]) < 3:
            settings["reset_after"] = bool(config.get("reset_after", True))
    size, hidden = len(ways[0][0]), len(ways[0][1])
    module = layout.layer(size, hidden, bidirectional=len(ways) == 2, **settings)
    for own, cell in zip(ways, module.cells[0], strict=True):
        gates = len(layout.gates)
        W_x, W_h = np.split(own[0], gates, axis=1), np.split(own[1], gates, axis=1)
        bias = own[2] if len(own) > 2 else np.zeros(gates * hidden, own[0].dtype)
        rows = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        b_x, b_h = (np.split(row, gates) for row in rows)
        give(cell, layout.gates, W_x, W_h, b_x, b_h, biased=len(own) > 2)
    return module


def _check(layout: Layout, own: Sequence[Array], where: str) -> None:
    if len(own) not in (2, 3) or own[0].ndim != 2 or own[1].ndim != 2:
        shapes = ", ".join(str(x.shape) for x in own)
        raise ValueError(f"from_keras: {where} holds {shapes}; it should be kernel, recurrent_kernel and perhaps bias.")
    hidden, columns = own[1].shape[0], len(layout.gates) * own[1].shape[0]
    wanted = [{(own[0].shape[0], columns)}, {(hidden, columns)}, {(columns,), (2, columns)}]
    for x, shapes_allowed in zip(own, wanted, strict=False):
        if x.shape not in shapes_allowed:
            right = " or ".join(map(str, sorted(shapes_allowed, key=len)))
            raise ValueError(f"from_keras: {where}: {x.shape} should be {right} for a {layout.name} of {hidden} units.")


# — to Keras —————————————————————————————————————————————————————————————————————————————————————————————


def to_keras(module: nn.Module) -> Any:
    """The same layer in Keras, built, with return_sequences=True; of several layers a keras.Sequential.

    Raises ValueError for cells and modules that Keras does not have, ImportError where it is missing.
    """
    keras = _keras()
    dtype = str(module.parameters()[0].dtype)
    if isinstance(module, nn.Recurrent):
        made = [_keras_layer(keras, module, k, dtype) for k in range(len(module.cells))]
        return made[0] if len(made) == 1 else keras.Sequential(made)
    if isinstance(module, nn.Linear):
        layer = keras.layers.Dense(module.W.shape[1], use_bias=module.b is not None, dtype=dtype)
        layer.build((None, module.W.shape[0]))
        layer.set_weights([module.W.numpy(), *([] if module.b is None else [module.b.numpy()])])
        return layer
    if isinstance(module, nn.Embedding):
        layer = keras.layers.Embedding(*module.W.shape, dtype=dtype)
        layer.build((None,))
        layer.set_weights([module.W.numpy()])
        return layer
    if isinstance(module, nn.LayerNorm):
        layer = keras.layers.LayerNormalization(epsilon=module.eps, dtype=dtype)
        layer.build((None, module.gain.shape[0]))
        layer.set_weights([module.gain.numpy(), module.bias.numpy()])
        return layer
    raise ValueError(f"to_keras: {type(module).__name__} has no counterpart; convert its layers one by one.")


def _keras_layer(keras: Any, module: nn.Recurrent[Any], k: int, dtype: str) -> Any:
    cell, both = module.cells[k][0], len(module.directions) == 2
    layout = next((layout for layout in KERAS.values() if layout.cell is type(cell)), None)
    names = [name for name in ("activation", "recurrent_activation") if hasattr(cell, name)]
    settings: dict[str, Any] = {name: getattr(getattr(cell, name), "__name__", "") for name in names}
    output = getattr(getattr(cell, "output_activation", None), "__name__", settings.get("activation"))
    if layout is None or set(settings.values()) - {*ACTIVATIONS} or output != settings["activation"]:
        raise ValueError(f"to_keras: Keras has no {type(cell).__name__} like this one.")
    if isinstance(cell, nn.GRUCell):
        settings["reset_after"] = cell.reset_after
    make = getattr(keras.layers, layout.name)
    biases = [getattr(cell, f"b_{gate}") for gate in layout.gates]
    biased = not all(not b.requires_grad and not b.numpy().any() for b in biases)
    layer = make(module.hidden_size, return_sequences=True, use_bias=biased, dtype=dtype, **settings)
    layer = keras.layers.Bidirectional(layer, dtype=dtype) if both else layer
    layer.build((None, None, cell.input_size))
    layer.set_weights([x for one in module.cells[k] for x in _weights(one, layout, biased)])
    return layer


def _weights(
    cell: nn.Cell, layout: Layout, biased: bool, of: Callable[[Tensor], Array] = Tensor.numpy, *, each: bool = False
) -> list[Array]:  # fmt: skip
    """What a function gives for each parameter, in Keras's order; `each`: for b's first part also for its second."""
    H = cell.hidden_size
    W = [of(getattr(cell, f"W_{gate}")) for gate in layout.gates]
    made = [np.concatenate([w[H:] for w in W], axis=1), np.concatenate([w[:H] for w in W], axis=1)]
    if not biased:
        return made
    b = [of(getattr(cell, f"b_{gate}")) for gate in layout.gates]
    if not (isinstance(cell, nn.GRUCell) and cell.reset_after):
        return [*made, np.concatenate(b)]
    second = [x if each else np.zeros_like(x) for x in b]
    second[layout.gates.index(RESET)] = of(cell.b_rn)
    return [*made, np.stack([np.concatenate(b), np.concatenate(second)])]


def keras_gradients(module: nn.Recurrent[Any], kind: str, biased: bool, grad: Callable[[Tensor], Array]) -> list[Array]:
    """Gradients of a layer's parameters as Keras orders and shapes them."""
    return [x for cell in module.cells[0] for x in _weights(cell, KERAS[kind], biased, grad, each=True)]


def _keras() -> Any:
    try:
        return import_module("keras")
    except ImportError:
        raise ImportError(f"exchange: this needs Keras 3 and one of its backends: {EXTRA}") from None


def _load(path: Path) -> Any:
    """The model of a .keras file, with safe_mode: layers of somebody's own, and code, are refused."""
    keras = _keras()
    if not os.fspath(path).endswith(".keras"):
        raise CheckpointError(f"{path}: from_keras reads .keras files")
    try:
        with open(path, "rb"):
            pass
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except OSError as exc:
        raise CheckpointError(f"{path}: cannot be read ({exc.strerror or exc})") from None
    except Exception as exc:  # of many kinds: no archive, custom objects, code
        text = " ".join(str(exc).split())[:160]
        raise CheckpointError(f"{path}: damaged, or with objects that are not Keras's own ({text})") from None

"""Recurrent layers from ONNX files, and nets to them.

ONNX keeps W (directions, gates · hidden, input), R (directions, gates · hidden, hidden), B (directions, 2 · gates ·
hidden), both biases side by side, and peepholes P (directions, 3 · hidden). Source: the operators LSTM, GRU and RNN of
the ONNX specification, version 22.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from .. import nn
from ..ops import hard_sigmoid
from ..tensor import Array, Tensor
from .checkpoint import CheckpointError
from .files import Path, write
from .layouts import ONNX, ONNX_SLOPE, RESET, Layout
from .layouts import ONNX_ACTIVATIONS as ACTIVATIONS
from .pytorch import ModuleDict, give
from .weights import weights_of

EXTRA = 'pip install "tinygrad-lstm[onnx]"'
PEEPHOLES = ("i", "o", "f")  # in P
OPSET = 22


def from_onnx(source: Path | Any) -> ModuleDict:
    """The recurrent layers of an ONNX model by the names of their nodes (or of their outputs, where these have none).

    Args:
        source: a file, or an onnx.ModelProto.

    Each is an LSTM, a GRU or an RNN as here: call it with (batch, time, features), and with the initial states and the
    lengths that the model's own inputs gave. Constant initial states are in `net.states`, by name, with a warning.
    Raises ValueError (of a file CheckpointError) for what is not done here:
    clip, input_forget, direction="reverse", activations that differ; ImportError where onnx is missing.
    """
    onnx = _onnx()
    model = _load(onnx, source) if isinstance(source, str | os.PathLike) else source
    stored = {x.name: onnx.numpy_helper.to_array(x) for x in model.graph.initializer}
    stored |= {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"
    }  # fmt: skip
    found = {
        node.name or node.output[0] or next(filter(None, node.output)): node
        for node in model.graph.node if node.op_type in ONNX
    }  # fmt: skip
    if not found:
        raise ValueError("from_onnx: the model has no LSTM, GRU or RNN node.")
    net = ModuleDict({name: _from_node(onnx, name, node, stored) for name, node in found.items()})
    if states := {name: begun for name, node in found.items() if (begun := _begun(name, node, stored))}:
        net.states = states
    return net


def _begun(name: str, node: Any, stored: Mapping[str, Array]) -> tuple[Array, ...]:
    """The constant initial states of a node (directions, batch, hidden); empty where it has none, or zeros."""
    inputs = [*node.input, *[""] * 8]
    if inputs[4] in stored:
        raise ValueError(f"from_onnx: {name} has constant sequence_lens; give lengths= at the call instead.")
    begun = tuple(stored[key] for key in inputs[5:7] if key in stored)
    if not any(x.any() for x in begun):
        return ()
    warnings.warn(f"from_onnx: {name} begins with a constant state: call it with net.states[{name!r}]", UserWarning,
                  stacklevel=3)  # fmt: skip
    return begun


def _from_node(onnx: Any, name: str, node: Any, stored: Mapping[str, Array]) -> nn.Recurrent[Any]:
    layout = ONNX[node.op_type]
    facts = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    given = dict(zip(("X", "W", "R", "B", "lengths", "h", "C", "P"), node.input, strict=False))
    if missing := [kind for kind in ("W", "R") if given.get(kind) not in stored]:
        raise ValueError(f"from_onnx: {name}: {' and '.join(missing)} is no constant of the model.")
    direction = facts.get("direction", b"forward").decode()
    odd = [f"{key}={facts[key]}" for key in ("clip", "input_forget") if facts.get(key)]
    odd += [f"direction={direction!r}"] if direction == "reverse" else []
    if odd:
        raise ValueError(f"from_onnx: {name} has {', '.join(odd)}, which no layer here has.")
    kinds = [kind for kind in ("W", "R", "B", "P") if given.get(kind)]
    own = weights_of({f"{name}.{kind}": stored[given[kind]] for kind in kinds if given[kind] in stored})
    arrays = {key.rpartition(".")[2]: x for key, x in own.items()}
    gates, hidden, directions = len(layout.gates), arrays["R"].shape[2], arrays["W"].shape[0]
    wanted = {"W": (directions, gates * hidden, arrays["W"].shape[2]), "R": (directions, gates * hidden, hidden),
              "B": (directions, 2 * gates * hidden), "P": (directions, 3 * hidden)}  # fmt: skip
    for kind, x in arrays.items():
        if x.shape != wanted[kind]:
            raise ValueError(f"from_onnx: {name}: {kind} is {x.shape} and should be {wanted[kind]}.")
    settings = _activations(name, layout, facts, directions)
    if layout.name == "GRU":
        settings["reset_after"] = bool(facts.get("linear_before_reset", 0))
    settings |= {"cell": nn.PeepholeLSTMCell} if "P" in arrays else {}
    module = layout.layer(arrays["W"].shape[2], hidden, bidirectional=directions == 2, **settings)
    for k, one in enumerate(module.cells[0]):
        W, R = (np.split(arrays[kind][k], gates) for kind in ("W", "R"))
        both = arrays["B"][k] if "B" in arrays else np.zeros(2 * gates * hidden, arrays["W"].dtype)
        b_x, b_h = np.split(both, 2)
        give(one, layout.gates, [w.T for w in W], [r.T for r in R], np.split(b_x, gates), np.split(b_h, gates),
             biased="B" in arrays)  # fmt: skip
        for gate, p in zip(PEEPHOLES, np.split(arrays["P"][k], 3) if "P" in arrays else (), strict=False):
            setattr(one, f"p_{gate}", Tensor(p, requires_grad=True, name=f"p_{gate}"))
    return module


def _activations(name: str, layout: Layout, facts: Mapping[str, Any], directions: int) -> dict[str, Any]:
    """Of the gates, of the candidate and, in an LSTM, of the output, as the settings of a layer here."""
    usual = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[layout.name]
    names = [one.decode() for one in facts.get("activations", [])] or usual * directions
    if len(names) != len(usual) * directions or names[: len(usual)] * directions != names:
        raise ValueError(f"from_onnx: {name} has activations {names}; here both directions have the same.")
    alphas, betas = list(facts.get("activation_alpha", [])), list(facts.get("activation_beta", []))
    roles = ["activation"] if layout.name == "RNN" else ["recurrent_activation", "activation", "output_activation"]
    settings: dict[str, Any] = {}
    for role, kind in zip(roles, names[: len(usual)], strict=False):
        if kind == "HardSigmoid":
            alpha, beta = (alphas.pop(0) if alphas else ONNX_SLOPE), (betas.pop(0) if betas else 0.5)
            if abs(beta - 0.5) > 1e-6:
                raise ValueError(f"from_onnx: {name} has a HardSigmoid with beta={beta:g}; here it is 0.5.")
            settings[role] = partial(hard_sigmoid, slope=alpha)
        elif kind in ACTIVATIONS:
            settings[role] = ACTIVATIONS[kind]
        else:
            known = ", ".join([*ACTIVATIONS, "HardSigmoid"])
            raise ValueError(f"from_onnx: {name} has the activation {kind}; known are {known}.")
    return settings


# — to ONNX ——————————————————————————————————————————————————————————————————————————————————————————————


class _Graph:
    """The nodes and constants of a graph that is being written."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.nodes, self.constants, self.count = onnx, list[Any](), list[Any](), 0

    def new(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of its first output."""
        self.count += 1
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [f"t{self.count}"], f"{kind}_{self.count}",
                                                     **attributes))  # fmt: skip
        return f"t{self.count}"

    def constant(self, value: Array) -> str:
        self.count += 1
        array = np.ascontiguousarray(value)
        self.constants.append(self.onnx.numpy_helper.from_array(array, f"c{self.count}"))
        return f"c{self.count}"


def to_onnx(module: nn.Module, path: Path, example: Any) -> None:
    """Write a net as an ONNX file: "x" (batch, time, features), or tokens, to "y"; batch and time may vary.

    A recurrent layer gives h at every step; Sequential, Linear, Embedding and LayerNorm are written, too.
    Raises ValueError for other modules and for cells that ONNX does not have, OSError where the file cannot be written,
    ImportError where onnx is missing.
    """
    onnx, graph = _onnx(), _Graph(_onnx())
    array = example.numpy() if isinstance(example, Tensor) else np.asarray(example)
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    dtype = onnx.helper.np_dtype_to_tensor_dtype(module.parameters()[0].dtype)
    out = _written(graph, module, "x")
    shape = ["batch", "time", *array.shape[2:]]
    x = onnx.helper.make_tensor_value_info("x", kind, shape)
    y = onnx.helper.make_tensor_value_info("y", dtype, ["batch", "time", None])
    graph.nodes.append(onnx.helper.make_node("Identity", [out], ["y"]))
    made = onnx.helper.make_graph(graph.nodes, type(module).__name__, [x], [y], graph.constants)
    imports = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=imports, producer_name="tinygrad-lstm")
    onnx.checker.check_model(model)
    write(path, model.SerializeToString())


def _written(graph: _Graph, module: nn.Module, x: str) -> str:
    """Write a module behind x; the name of what comes out."""
    if isinstance(module, nn.Sequential):
        for layer in module.layers:
            if not isinstance(layer, nn.Module):
                raise ValueError(f"to_onnx: {layer!r} is a function; only modules can be written.")
            x = _written(graph, layer, x)
        return x
    if isinstance(module, nn.Recurrent):
        x = graph.new("Transpose", x, perm=[1, 0, 2])
        for cells in module.cells:
            y = _node(graph, cells, x)
            y = graph.new("Transpose", y, perm=[0, 2, 1, 3])  # (time, batch, directions, hidden)
            x = graph.new("Reshape", y, graph.constant(np.array([0, 0, -1])))
        return graph.new("Transpose", x, perm=[1, 0, 2])
    if isinstance(module, nn.Linear):
        x = graph.new("MatMul", x, graph.constant(module.W.numpy()))
        return x if module.b is None else graph.new("Add", x, graph.constant(module.b.numpy()))
    if isinstance(module, nn.Embedding):
        return graph.new("Gather", graph.constant(module.W.numpy()), x)
    if isinstance(module, nn.LayerNorm):
        gain, bias = graph.constant(module.gain.numpy()), graph.constant(module.bias.numpy())
        return graph.new("LayerNormalization", x, gain, bias, epsilon=module.eps)
    if isinstance(module, nn.Dropout):
        return x
    raise ValueError(f"to_onnx: {type(module).__name__} cannot be written; put its layers into a Sequential.")


def _node(graph: _Graph, cells: list[nn.Cell], x: str) -> str:
    """One layer as one node."""
    cell, kinds = cells[0], dict[type[nn.Cell], Layout]({one.cell: one for one in ONNX.values()})
    layout = ONNX["LSTM"] if type(cell) is nn.PeepholeLSTMCell else kinds.get(type(cell))
    roles = ["activation"] if isinstance(cell, nn.RNNCell) else ["recurrent_activation", "activation"]
    roles += ["output_activation"] * isinstance(cell, nn.LSTMCell)
    names = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    functions: list[Callable[..., Any]] = [getattr(cell, role) for role in roles]
    used = [names.get(getattr(function, "__name__", "")) for function in functions]
    if layout is None or None in used:
        raise ValueError(f"to_onnx: ONNX has no {type(cell).__name__} like this one.")
    H, gates = cell.hidden_size, layout.gates
    W, R, B, P = list[Array](), list[Array](), list[Array](), list[Array]()
    for one in cells:
        weights = [getattr(one, f"W_{gate}").numpy() for gate in gates]
        W.append(np.concatenate([w[H:].T for w in weights]))
        R.append(np.concatenate([w[:H].T for w in weights]))
        b = [getattr(one, f"b_{gate}").numpy() for gate in gates]
        second = [np.zeros_like(x) for x in b]
        if isinstance(one, nn.GRUCell) and one.reset_after:
            second[gates.index(RESET)] = one.b_rn.numpy()
        B.append(np.concatenate([*b, *second]))
        if isinstance(one, nn.PeepholeLSTMCell):
            P.append(np.concatenate([getattr(one, f"p_{gate}").numpy() for gate in PEEPHOLES]))
    inputs = [x, *(graph.constant(np.stack(part)) for part in (W, R, B))]
    inputs += ["", "", "", graph.constant(np.stack(P))] if P else []
    more = {"linear_before_reset": int(cell.reset_after)} if isinstance(cell, nn.GRUCell) else {}
    direction = "bidirectional" if len(cells) == 2 else "forward"
    return graph.new(layout.name, *inputs, hidden_size=H, direction=direction, activations=used * len(cells), **more)


def _onnx() -> Any:
    try:
        for part in ("numpy_helper", "helper", "checker"):
            import_module(f"onnx.{part}")
        return import_module("onnx")
    except ImportError:
        raise ImportError(f"exchange: this needs onnx: {EXTRA}") from None


def _load(onnx: Any, path: Path) -> Any:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise CheckpointError(f"{path}: cannot be read ({exc.strerror or exc})") from None
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        return model
    except Exception as exc:  # protobuf's and onnx's own kinds
        text = (str(exc).splitlines() or ["no model"])[0]
        raise CheckpointError(f"{path}: damaged, or no ONNX model ({text})") from None

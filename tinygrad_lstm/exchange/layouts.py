"""How recurrent layers lie in the files and objects of other frameworks: what reads, writes and explains them."""

from __future__ import annotations

from inspect import signature
from typing import Any, NamedTuple

from .. import nn
from ..ops import hard_sigmoid


class Layout(NamedTuple):
    """A recurrent layer elsewhere: its name there, our layer and cell, and its gates, by our names, in its order."""

    name: str
    layer: type[nn.Recurrent[Any]]
    cell: type[nn.Cell]
    gates: tuple[str, ...]


TORCH = {
    "LSTM": Layout("LSTM", nn.LSTM, nn.LSTMCell, ("i", "f", "C", "o")),
    "GRU": Layout("GRU", nn.GRU, nn.GRUCell, ("r", "z", "n")),
    "RNN": Layout("RNN", nn.RNN, nn.RNNCell, ("h",)),
}
KERAS = {
    "LSTM": Layout("LSTM", nn.LSTM, nn.LSTMCell, ("i", "f", "C", "o")),
    "GRU": Layout("GRU", nn.GRU, nn.GRUCell, ("z", "r", "n")),
    "SimpleRNN": Layout("SimpleRNN", nn.RNN, nn.RNNCell, ("h",)),
}
ONNX = {
    "LSTM": Layout("LSTM", nn.LSTM, nn.LSTMCell, ("i", "o", "f", "C")),
    "GRU": Layout("GRU", nn.GRU, nn.GRUCell, ("z", "r", "n")),
    "RNN": Layout("RNN", nn.RNN, nn.RNNCell, ("h",)),
}
RESET = "n"  # the gate of a GRU whose second bias is inside of the reset: b_rn
KERAS_ACTIVATIONS = ("tanh", "sigmoid", "relu", "hard_sigmoid", "softplus", "linear")  # the same there and here
ONNX_ACTIVATIONS = {"Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Softplus": "softplus"}
ONNX_SLOPE = 0.2  # of HardSigmoid, where the file gives none
SHAPES = {  # of G gates side by side, H hidden units and D inputs
    "PyTorch": ("weight_ih (G·H, D), weight_hh (G·H, H)", "bias_ih and bias_hh (G·H,), added"),
    "Keras": ("kernel (D, G·H), recurrent_kernel (H, G·H)", "bias (G·H,); a GRU with reset_after: (2, G·H)"),
    "ONNX": ("W (1, G·H, D), R (1, G·H, H)", "B (1, 2·G·H), two side by side, added"),
    "here": ("W_… (H + D, H) for each gate, rows of h first", "b_… (H,) for each gate; a GRU with reset_after: b_rn"),
}


def conventions() -> str:
    """A table of gate orders, shapes and biases, made from what the exchange itself uses."""
    slope = signature(hard_sigmoid).parameters["slope"].default
    activations = {
        "PyTorch": "sigmoid, tanh; of an RNN also relu",
        "Keras": f"{', '.join(KERAS_ACTIVATIONS)}; hard_sigmoid has slope {slope:.3g}",
        "ONNX": f"{', '.join(ONNX_ACTIVATIONS)}, HardSigmoid with slope {ONNX_SLOPE:g} unless it says another",
    }
    rows = [("", "gates, in this order", "weights", "biases", "activations")]
    for framework, layouts in (("PyTorch", TORCH), ("Keras", KERAS), ("ONNX", ONNX)):
        order = "; ".join(f"{layout.name}: {' '.join(layout.gates)}" for layout in layouts.values())
        rows.append((framework, order, *SHAPES[framework], activations[framework]))
    rows.append(("here", "by name", *SHAPES["here"], f"any function; hard_sigmoid has slope {slope:.3g}, or slope="))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * 5 + "|", *lines[1:]])

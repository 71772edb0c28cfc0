"""What goes in and out of files, and to and from other frameworks."""

from .checkpoint import Checkpoint, CheckpointError, check_place, load, read, read_meta, save
from .keras import from_keras, to_keras
from .layouts import conventions
from .onnx import from_onnx, to_onnx
from .pytorch import from_torch, to_torch, torch_state

__all__ = [
    "Checkpoint", "CheckpointError", "check_place", "conventions", "from_keras", "from_onnx", "from_torch",
    "load", "read", "read_meta", "save", "to_keras", "to_onnx", "to_torch", "torch_state",
]  # fmt: skip

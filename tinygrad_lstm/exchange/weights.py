"""Weights of other frameworks as arrays: from their tensors, and from files that can run no code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ..tensor import Array
from .checkpoint import CheckpointError
from .files import Path, explained
from .safe import library

State = dict[str, Array]
STORED = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # in a safetensors file


def weights_of(state: Mapping[str, Any]) -> State:
    """Parameters as arrays of float32 or float64; what is of half precision is converted, and said.

    Raises ValueError for quantised weights and other dtypes.
    """
    _say_halves([name for name, value in state.items() if str(getattr(value, "dtype", "")).endswith("float16")])
    return {name: _array(name, value) for name, value in state.items()}


def _array(name: str, value: Any) -> Array:
    if getattr(value, "is_quantized", False):
        raise ValueError(f"from_torch: {name} is quantised; take the net as it was before.")
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    array = np.asarray(value)
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"from_torch: {name} holds {array.dtype}; weights are float32 or float64 (or half of that).")
    return array


def _say_halves(names: Sequence[str]) -> None:
    if names:
        which = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        verb = "were" if len(names) > 1 else "was"
        warnings.warn(f"from_torch: {which} {verb} of half precision, float32 here", UserWarning, stacklevel=4)


def read_state(path: Path, torch: Callable[[], Any]) -> Mapping[str, Any]:
    """The state_dict of a .safetensors, .pt or .pth file; `torch` imports PyTorch, for the last two.

    Raises CheckpointError where the file is damaged or something else, OSError where it cannot be read.
    """
    suffix = FilePath(path).suffix.lower()
    if suffix not in (".safetensors", ".pt", ".pth"):
        raise CheckpointError(f"{path}: from_torch reads .safetensors, .pt and .pth")
    try:
        data = FilePath(path).read_bytes()
    except OSError as exc:
        raise explained(exc, f"{path}: cannot be read ({exc.strerror or exc})") from None
    if suffix == ".safetensors":
        return dict(_stored(path, data))
    load = torch().load
    try:
        found = load(os.fspath(path), map_location="cpu", weights_only=True)
    except Exception as exc:  # of many kinds: what is no archive, and what would run code
        text = str(exc).splitlines()[0]
        raise CheckpointError(f"{path}: damaged, or more than weights ({text}); save net.state_dict()") from None
    if not isinstance(found, Mapping) or not all(hasattr(value, "detach") for value in found.values()):
        raise CheckpointError(f"{path}: holds no state_dict; save net.state_dict()")
    return found


def _stored(path: Path, data: bytes) -> dict[str, Array]:
    safe = library()
    found, halves = dict[str, Array](), list[str]()
    try:
        entries = safe.deserialize(data)
    except (safe.error, ValueError) as exc:
        raise CheckpointError(f"{path}: damaged, or no safetensors file ({str(exc).splitlines()[0]})") from None
    for name, entry in entries:
        if entry["dtype"] not in STORED:
            raise CheckpointError(f"{path}: {name} is stored as {entry['dtype']}; weights are F64, F32, F16 or BF16")
        array = np.frombuffer(entry["data"], STORED[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32).astype(np.float32)
            halves.append(name)
        found[name] = array
    _say_halves(halves)
    return found

"""A module's parameters in a safetensors file, which holds arrays and text and can run no code.

A file is there whole or not at all (see `files`). The names of parameters hold no "/"; arrays whose name does are kept
beside them: the state of a training, for instance.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..nn import Module
from ..tensor import Array
from .files import Path, explained, try_place, write
from .safe import library, parsed

FORMAT = "tinygrad_lstm"
VERSION = 1


class Checkpoint(NamedTuple):
    """What a file holds: `arrays` by name, `meta`, and the `path` that errors name. It is read once and handed on."""

    path: Path
    arrays: dict[str, Array]
    meta: dict[str, Any]


class CheckpointError(ValueError):
    """A file cannot be used: damaged, not ours, or made for another module. One line with what is wrong."""


def save(
    path: Path, module: Module, meta: Mapping[str, Any] | None = None, *, extra: Mapping[str, Array] | None = None
) -> None:
    """Write a module's parameters, and `meta`, to a safetensors file; a file that was there is replaced.

    Args:
        path: the file; its folder must exist.
        module: whose parameters are written, with the names of `state_dict()`.
        meta: anything that JSON can hold.
        extra: further arrays; their names must hold a "/".

    Raises OSError (or its subclass) with one clear line where the file cannot be written: then nothing is left behind
    and a file that was there is as before. Raises TypeError where JSON cannot hold `meta`, ValueError for a bad name.
    """
    try:
        text = json.dumps({**(meta or {})}, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError) as exc:
        raise TypeError(f"save: JSON cannot hold meta ({exc}).") from None
    own, beside = module.state_dict(), dict(extra or {})
    if wrong := [name for name in own if "/" in name] + [name for name in beside if "/" not in name]:
        raise ValueError(f"save: {wrong[0]!r}: a '/' is for the names of extra arrays, and each of those needs one.")
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in {**own, **beside}.items()}
    header = {"format": FORMAT, "version": str(VERSION), "meta": text, "digest": _digest(arrays, text)}
    write(path, library().save(arrays, header))


def load(path: Path | Checkpoint, module: Module | None = None) -> dict[str, Any]:
    """Replace all parameters of a module by those of a file (or of what was read of it), and return the file's meta.

    Without a module only the file is checked. Arrays beside the parameters are not looked at (see `read`).
    Raises CheckpointError where the file is damaged, not ours, or does not fit: then the module is as before;
    OSError where it cannot be read.
    """
    saved = path if isinstance(path, Checkpoint) else read(path)
    if module is not None:
        try:
            module.load_state_dict({name: array for name, array in saved.arrays.items() if "/" not in name})
        except (LookupError, ValueError, TypeError) as exc:
            raise CheckpointError(f"{saved.path}: was made for another module ({exc.args[0]})") from None
    return saved.meta


def read_meta(path: Path) -> dict[str, Any]:
    """The meta of a file. Raises CheckpointError and OSError as `load` does."""
    return read(path).meta


def read(path: Path) -> Checkpoint:
    """All that a file holds. Raises CheckpointError and OSError as `load` does."""
    safe = library()
    try:
        if not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):  # a pipe may never end
            raise OSError("it is no ordinary file")
        with open(path, "rb"):  # for the system's own words where it cannot be opened
            pass
        with safe.safe_open(os.fspath(path), framework="np") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()} if header.get("format") == FORMAT else {}  # noqa: SIM118
    except OSError as exc:
        raise explained(exc, f"{path}: cannot be read ({exc.strerror or exc})") from None
    except (safe.error, ValueError, TypeError, LookupError, AttributeError) as exc:
        raise CheckpointError(f"{path}: damaged, or no safetensors file ({str(exc).splitlines()[0]})") from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: a safetensors file, but not one that tinygrad_lstm has written")
    if header.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path}: written in format version {header.get('version')}, this is version {VERSION} of tinygrad_lstm's; "
            "use the program that wrote it"
        )
    text = header.get("meta", "")
    if header.get("digest") != _digest(arrays, text):
        raise CheckpointError(f"{path}: damaged (its contents do not give the digest that was written with them)")
    try:
        if not isinstance(meta := parsed(text), dict):
            raise ValueError("no object")
    except ValueError as exc:
        raise CheckpointError(f"{path}: damaged (its meta is not what was written: {exc})") from None
    return Checkpoint(path, arrays, meta)


def check_place(path: Path, *, model: bool = True) -> None:
    """Raise now the OSError that writing would raise later: for the start of what takes long.

    Where a model is to be saved, a file that is there must be one, lest another kind be lost: else CheckpointError.
    """
    try_place(path)
    if model and os.path.exists(path):
        try:
            read_meta(path)
        except CheckpointError as exc:
            raise CheckpointError(f"{exc}; it would be overwritten: choose another name or remove it") from None


def _digest(arrays: Mapping[str, Array], text: str) -> str:
    """A hash of everything in a file: safetensors itself would not notice a changed number."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

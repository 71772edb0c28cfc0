"""The safetensors format, without its library: where that has no build, as in a browser, checkpoints are the same.

A file is 8 bytes that say how long its header is; the header, which is JSON and says of each array its dtype, its shape
and its place; and the arrays, one after the other. Source: "Format" in the README of huggingface/safetensors; what is
refused there (`SafeTensors::deserialize` and `Metadata::validate`) is refused here, and a name that stands twice, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from math import prod
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np

from ..tensor import Array, Shape

DTYPES = {  # in the order in which the library writes them
    "U64": "<u8", "I64": "<i8", "F64": "<f8", "F32": "<f4", "U32": "<u4", "I32": "<i4",
    "F16": "<f2", "U16": "<u2", "I16": "<i2", "I8": "|i1", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
SIZES = {code: np.dtype(kind).itemsize for code, kind in DTYPES.items()}
SIZES |= {"BF16": 2, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}  # NumPy cannot read these here, only pass over them
LONGEST = 100_000_000  # bytes of a header
DEEPEST = 100  # brackets in brackets


class DamagedError(ValueError):
    """This is no safetensors file, or no longer."""


class Entry(NamedTuple):
    """What the header says of an array: its dtype by the format's name, its shape, and which bytes are its."""

    dtype: str
    shape: Shape
    start: int
    end: int


class File:
    """An open file: its text and names at once, its arrays when asked for. To be used as `safe_open` of the library.

    Raises DamagedError where header and size are not as the format wants them, OSError where it cannot be read.
    """

    def __init__(self, path: str, framework: str = "np") -> None:
        self._file = open(path, "rb")  # noqa: SIM115 — closed by __exit__, or here
        try:
            self._metadata, self._places = _header(self._file)
            self._first = self._file.tell()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def metadata(self) -> dict[str, str] | None:
        return self._metadata

    def keys(self) -> list[str]:
        return list(self._places)

    def get_tensor(self, name: str) -> Array:
        place = self._places[name]
        if place.dtype not in DTYPES:
            raise DamagedError(f"{name} is stored as {place.dtype}, which NumPy does not have")
        self._file.seek(self._first + place.start)
        data = bytearray(self._file.read(place.end - place.start))
        return np.frombuffer(data, DTYPES[place.dtype]).reshape(place.shape)


def save(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file with these arrays, and a text for each of some names.

    Wide dtypes stand first, then they go by name, and the header ends at a multiple of 8 bytes, as the library has it.
    Raises TypeError for a dtype that the format does not have.
    """
    codes = {kind: code for code, kind in DTYPES.items()}
    ordered = {name: np.asarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    if wrong := [name for name, array in ordered.items() if array.dtype.str not in codes]:
        raise TypeError(f"save: {wrong[0]} has dtype {ordered[wrong[0]].dtype}, which a safetensors file cannot hold.")
    rank = list(DTYPES)
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    parts, end = list[bytes](), 0
    for name in sorted(ordered, key=lambda name: (rank.index(codes[ordered[name].dtype.str]), name)):
        array = ordered[name]
        start, end = end, end + array.nbytes
        header[name] = {"dtype": codes[array.dtype.str], "shape": array.shape, "data_offsets": [start, end]}
        parts.append(array.tobytes())
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def deserialize(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The arrays of a file by name, each as its dtype, its shape and its bytes. Raises DamagedError as `File` does."""
    file = BytesIO(data)
    _, places = _header(file)
    rest = memoryview(data)[file.tell() :]
    return [
        (name, {"dtype": place.dtype, "shape": list(place.shape), "data": bytes(rest[place.start : place.end])})
        for name, place in places.items()
    ]


class Library(NamedTuple):
    """What reads and writes the format."""

    save: Callable[..., bytes]
    safe_open: Callable[..., Any]
    deserialize: Callable[..., Any]
    error: type[Exception]


def library() -> Library:
    """The library safetensors, or what stands here where it is missing."""
    try:
        from safetensors import SafetensorError, deserialize, safe_open
        from safetensors.numpy import save
    except ImportError:
        return OURS
    return Library(save, safe_open, deserialize, SafetensorError)


OURS = Library(save, File, deserialize, DamagedError)


def parsed(text: str, **hooks: Any) -> Any:
    """What JSON says; `hooks` are those of `json.loads`. Raises ValueError where it is none, or nested too deep.

    Lest a forged file end the interpreter: reading JSON is recursive, and in a browser nothing counts how deep it is.
    """
    depth = 0
    for sign in re.finditer(r'"(?:[^"\\]|\\.)*"|[][{}]', text, re.DOTALL):
        depth += (sign[0] in "[{") - (sign[0] in "]}")
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
    return json.loads(text, **hooks)


def _header(file: BinaryIO) -> tuple[dict[str, str] | None, dict[str, Entry]]:
    """The text and the places of the arrays; the file then stands at the first array's first byte."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(LONGEST, size - 8):
        raise DamagedError("the header is longer than the file, or than any header")
    try:
        found = parsed(file.read(length).decode(), object_pairs_hook=_unique, parse_constant=_refused)
    except ValueError as exc:
        raise DamagedError(f"the header is no JSON ({exc})") from None
    if not isinstance(found, dict):
        raise DamagedError("the header is no JSON object")
    metadata = found.pop("__metadata__", None)
    if metadata is not None and not (isinstance(metadata, dict) and all(isinstance(x, str) for x in metadata.values())):
        raise DamagedError("the header's __metadata__ is not text by name")
    places = dict(sorted(((name, _place(name, entry)) for name, entry in found.items()), key=lambda one: one[1][2:]))
    end = 0
    for name, place in places.items():
        if place.start != end:
            raise DamagedError(f"{name} does not begin where the array before it ends")
        end = place.end
    if end != size - 8 - length:
        raise DamagedError("the arrays do not end where the file ends")
    return metadata, places


def _place(name: str, entry: Any) -> Entry:
    """An entry of the header. Raises DamagedError where it is none."""
    try:
        code, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        name.encode()  # half of a surrogate pair is no text
        if any(type(number) is not int or number < 0 for number in [start, end, *shape]):
            raise ValueError
        if end - start != prod(shape) * SIZES[code] or prod(filter(None, shape)) >= 2**63:
            raise ValueError
    except (TypeError, ValueError, LookupError):
        raise DamagedError(f"{name}: the header has no right dtype, shape and place for it") from None
    return Entry(code, tuple(shape), start, end)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands there twice")
        found[name] = value
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

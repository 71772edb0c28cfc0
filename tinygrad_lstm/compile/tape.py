"""One step of a cell, recorded: its tensors, their names, and a refusal of what is no straight line."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from keyword import iskeyword
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..op import NUMPY, OURS, of_numpy, registry
from ..scope import anomaly, hooks, recording, scope_path, setting
from ..tensor import Tensor
from .symbols import CannotCompile

VALUES = ("numpy", "item", "__array__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
ASKED = {vars(Tensor)[name].__code__: f".{name}()" for name in VALUES}
ASKED[vars(Tensor)["data"].fget.__code__] = ".data"
SHAPES = {"shape", "ndim", "size"}


ROWS = (11, 13), (29, 31), (101, 103)  # a text is right if it is the same for two batches; none may be another size
T = TypeVar("T")


class Source(NamedTuple):
    """A line of a program: the file's name without its folder (or "notebook"), the line's number, and its text."""

    file: str
    line: int
    text: str


class Recorded(NamedTuple):
    """One step: what goes in and comes out by name, what was made on the way (oldest first), and names by birth."""

    cell: str
    rows: int
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    made: list[Tensor]
    names: dict[int, str]


def for_any_rows(make: Callable[[int], T], text_of: Callable[[T], str] = str) -> tuple[str, T]:
    """A text, and what it is of, made from a record of some rows: the same for another number of them.

    Raises CannotCompile where it is not.
    """
    for rows in ROWS:
        with np.errstate(all="ignore"):
            made, other = map(make, rows)
            text, again = text_of(made), text_of(other)
        if text == again:
            return text, made
    lines = zip(text.splitlines(), again.splitlines(), strict=False)
    first, second = next(((a.strip(), b.strip()) for a, b in lines if a != b), ("a line", "none"))
    raise CannotCompile(
        f"source: two runs of the step, with {rows[0]} and {rows[1]} rows, differ: `{first}` and `{second}`. "
        "A step may neither count, nor depend on the number of rows."
    )


def record(cell: Any, rows: int) -> Recorded:
    """Run one step of a cell on random numbers. Raises CannotCompile for what depends on more than its inputs."""
    rng, own = np.random.default_rng(rows), dict(cell.named_parameters())
    dtype = next((p.dtype for p in own.values()), np.dtype(np.float32))

    def example(features: int) -> Tensor:
        return Tensor(rng.uniform(0.2, 0.8, (rows, features)), requires_grad=True, dtype=dtype)

    x = example(cell.input_size)
    state = cell.State(*(example(cell.hidden_size) for _ in cell.State._fields))
    inputs = {"x": x} | {f"{field}_prev": tensor for field, tensor in zip(state._fields, state, strict=True)}
    for path, p in own.items():
        name = re.sub(r"\W", "_", path)
        while name in inputs or iskeyword(name):
            name += "_"
        inputs[name] = p
    held: dict[int, str] = {}
    with setting(recording, True), setting(hooks, ()), setting(anomaly, False), setting(scope_path, ""), _watched(held):
        step = cell.step(x, state)
        after = cell.state_of(step)
    outputs = dict(zip(state._fields, after, strict=True))
    attributes = {name: tensor for name, tensor in vars(step).items() if isinstance(tensor, Tensor)}
    names = held | {tensor.birth: name for known in (attributes, outputs) for name, tensor in known.items()}
    found, waiting = dict[int, Tensor](), [*after]
    while waiting:
        tensor = waiting.pop()
        if tensor.birth not in found:
            found[tensor.birth] = tensor
            waiting += tensor.inputs
    made = [tensor for _, tensor in sorted(found.items()) if tensor.op is not None]
    return Recorded(type(cell).__name__, rows, inputs, outputs, made, names)


@contextmanager
def _watched(names: dict[int, str]) -> Iterator[None]:
    """Refuse to hand out values of tensors inside, and note the local variables in which functions hold them.

    Tensors know nothing of it: the interpreter tells which functions are called, in this thread alone.
    """

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code in ASKED:
            raise refusal(f"asks for the values of a tensor by {ASKED[code]}", line_outside(frame))
        if event == "call" and code is of_numpy.__code__:
            name = frame.f_locals["name"]
            if name not in SHAPES and NUMPY.get(name, name) not in registry:
                raise refusal(f"asks for the values of a tensor by np.{name}", line_outside(frame))
        if event == "return" and code.co_filename not in OURS:
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor) and value.op is not None:
                    names.setdefault(value.birth, name)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
        before.enable() if isinstance(before, Profile) else sys.setprofile(before)  # cProfile's own is no function


def refusal(what: str, source: Source | None) -> CannotCompile:
    place = f" ({source.file}, line {source.line}: {source.text})" if source else ""
    return CannotCompile(
        f"source: the step {what}{place}. Only what is the same at every step, for any values, can be written as code."
    )


def source_of(tensor: Tensor) -> Source | None:
    """The line that called the op which made a tensor; None for a leaf. Its text is "" where the file is gone."""
    if tensor.made_at is None:
        return None
    code, instruction = tensor.made_at
    line = next((n for start, end, n in code.co_lines() if start <= instruction < end and n), code.co_firstlineno)
    return _source(code, line)


def line_outside(frame: FrameType) -> Source:
    """The line that a frame, or who called it, is at; the first that is none of the core's."""
    while frame.f_back and frame.f_code.co_filename in OURS:
        frame = frame.f_back
    return _source(frame.f_code, frame.f_lineno)


def _source(code: CodeType, line: int) -> Source:
    path = PurePath(code.co_filename)
    file = "notebook" if "ipykernel" in code.co_filename else path.name
    return Source(file, line, linecache.getline(code.co_filename, line).strip())

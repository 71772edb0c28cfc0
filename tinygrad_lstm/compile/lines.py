"""Which line of a program made a tensor, or is running now."""

from __future__ import annotations

import linecache
from pathlib import PurePath
from types import CodeType, FrameType
from typing import NamedTuple

from ..op import OURS
from ..tensor import Tensor


class Source(NamedTuple):
    """A line of a program: the file's name without its folder (or "notebook"), the line's number, and its text."""

    file: str
    line: int
    text: str


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

"""The line of the program that made a tensor."""

from __future__ import annotations

import linecache
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from types import CodeType
from typing import NamedTuple

from ..tensor import Tensor


class Source(NamedTuple):
    """A line: the name of its file (without folders, which are nobody's business), its number, and what it says."""

    file: str
    line: int
    text: str


def source_of(x: Tensor) -> Source | None:
    """The line that called the op which made x; None for a leaf.

    A tensor remembers the code and the instruction alone, so the text is what stands in the file now: "" where there
    is no such file any more.
    """
    made_at: tuple[CodeType, int] | None = getattr(x, "made_at", None)
    return _line(*made_at) if made_at else None


@lru_cache(maxsize=1 << 12)
def _line(code: CodeType, instruction: int) -> Source:
    line = next(islice(code.co_positions(), instruction // 2, None), (None,))[0] or code.co_firstlineno
    name = PurePath(code.co_filename.replace("\\", "/")).name
    return Source(name, line, linecache.getline(code.co_filename, line).strip())

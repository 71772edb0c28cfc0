"""What reaches the terminal: any text, on any terminal, and nothing that would command it."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..habits import visible

PLAIN = {
    "│": "|", "─": "-", "└": "`", "├": "|", "→": "->", "←": "<-", "−": "-", "–": "-", "—": "-", "…": "...", "·": ".",
    "“": '"', "”": '"', "’": "'", "∂": "d", "½": "1/2", "×": "x", "₀": "0", "σ": "sigma", "Σ": "sum", "∘": "*",
    "≥": ">=", "≤": "<=", "∞": "inf", "¶": "|p", "°": "deg", "\u0303": "~", "‖": "||", "²": "^2", "√": "sqrt",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """For an encoding that lacks a sign: the nearest in ASCII, else "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def prepare() -> None:
    """Let no print fail for want of a sign, nor for want of a terminal: a result must not be lost to its report."""
    unsaid.clear()
    codecs.register_error("plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 — for as long as we run
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


unsaid: list[OSError] = []  # why nothing more is printed: the reader has gone, or the disk is full


def say(*parts: Any, end: str = "\n", flush: bool = False) -> None:
    """Print what came from files and names, made visible. All commands print by this.

    Where that fails the command goes on in silence, so that its files are written; `run` tells at the end.
    """
    try:
        if not unsaid:
            print(visible(" ".join(map(str, parts))), end=end, flush=flush)
    except OSError as exc:
        unsaid.append(exc)


def complain(line: str) -> None:
    """The same on stderr; where nobody can read it there, the exit code tells."""
    with suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)


def check_picture(out: Path) -> None:
    """Refuse before the work what could not be saved after it. Raises ValueError for a suffix, OSError for a place."""
    from ..exchange import check_place
    from ..graph.render import check_suffix

    check_suffix(out)
    check_place(out, model=False)


@contextmanager
def in_options(window: str) -> Iterator[None]:
    """Errors of the drawing in the words of the command; `window` is how it says the steps \\1 to \\2."""
    try:
        yield
    except ValueError as exc:
        if not str(exc).startswith("draw:"):
            raise
        told = re.sub(r"steps=\((\d+), (\d+)\)", window, str(exc))
        told = re.sub(r"\b(view|follow|light|layer)='?([^\s',.]+)'?", r"--\1 \2", told)
        raise ValueError(re.sub(r"for_='?([^\s',.]+)'?", r"--for \1", told)) from None

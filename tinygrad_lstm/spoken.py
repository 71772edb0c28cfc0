"""In which language pictures, tables and diagnoses speak: English, or 中文 after `language("zh")`.

Code, names of arguments and the text of exceptions stay as they are: that is what one searches for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal
from unicodedata import east_asian_width

from .chinese import CHINESE

Language = Literal["en", "zh"]
LANGUAGES = ("en", "zh")
FONTS = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei",
         "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Hiragino Sans GB", "SimHei", "SimSun",
         "Droid Sans Fallback")  # fmt: skip
PIECE = re.compile(r"[（“]*(?:[^\s\u2e80-\uffef“”]+|[\u2e80-\uffef])[，。：；、）！？”]*|\s+|.")  # that no line breaks
_spoken: list[Language] = ["en"]  # of the process, as a locale is: a notebook says it once


def language(name: Language) -> None:
    """Have captions, axes, tables and diagnoses in this language, "en" or "zh", from now on, in all threads.

    For Chinese, matplotlib (where it is installed) also gets a font that has its characters. Raises ValueError for
    another language.
    """
    checked(name)
    _spoken[0] = name
    if name == "zh" and find_spec("matplotlib"):
        lettered()


def checked(name: str, asked: str = "language") -> Language:
    """The name of a language that there is, else a ValueError."""
    if name not in LANGUAGES:
        raise ValueError(f"{asked} must be {' or '.join(LANGUAGES)}, not {name!r}.")
    return name  # type: ignore[return-value]


def current() -> Language:
    """The language that is spoken now."""
    return _spoken[0]


def said(english: str, lang: Language | None = None, /, **values: Any) -> str:
    """A sentence in the language that is spoken (or in `lang`), its {places} filled with the values as a format says.

    `english` is the key of the catalogue in `chinese`; what it does not have is said in English.
    """
    template = CHINESE.get(english, english) if (lang or current()) == "zh" else english
    return template.format(**values) if values else template


@contextmanager
def speaking(name: Language) -> Iterator[None]:
    """Another language for a while."""
    before, _spoken[0] = _spoken[0], name
    try:
        yield
    finally:
        _spoken[0] = before


def columns(text: str) -> int:
    """How many columns a text takes in a terminal: two for each Chinese character, none for a mark above another."""
    return sum(2 if east_asian_width(c) in "WF" else c not in "\u0303\u0304\u0302\ufe0f" for c in text)


def folded(text: str, width: int = 80) -> str:
    """A sentence in lines of so many columns. Chinese has no spaces: it breaks anywhere but before a stop."""
    lines, line = [], ""
    for piece in PIECE.findall(text):
        if line.strip() and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, piece = "", piece.lstrip()
        line += piece
    return "\n".join([*lines, line.rstrip()])


def ranged(text: str, width: int, side: Literal["<", ">"] = ">") -> str:
    """A text with spaces up to so many columns, at its left (">") or right ("<")."""
    blank = " " * (width - columns(text))
    return blank + text if side == ">" else text + blank


def lettered() -> None:
    """Let matplotlib write Chinese, too: a font of this machine that can stands after the one in use."""
    rc: Any = import_module("matplotlib").rcParams
    found = _font()
    first = [rc["font.sans-serif"][0] if name == "sans-serif" else name for name in rc["font.family"]]
    if found and found not in first:
        rc["font.family"] = [*first, found]  # each sign from the first that has it


@cache
def _font() -> str:
    """A font for Chinese that matplotlib finds; "" where there is none."""
    manager: Any = import_module("matplotlib.font_manager").fontManager
    there = {font.name for font in manager.ttflist}
    other = sorted(name for name in there if "Sans CJK" in name)  # of a collection, older versions see the first alone
    return next((name for name in (*FONTS, *other) if name in there), "")

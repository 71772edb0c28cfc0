"""Right answers to the exercises, with the reason: what `quiz.solution` prints, and the answer keys are made of."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Solution(NamedTuple):
    """Why, in both languages, and the code that stands in the place of the exercise's `answer = None` or `def`."""

    en: str
    zh: str
    code: str


@cache
def solutions() -> dict[str, Solution]:
    """All of them by the key of their exercise, from solutions.md beside this file."""
    text = (Path(__file__).parent / "solutions.md").read_text(encoding="utf-8")
    section = re.compile(r"^## (\d+\.\d+)\n\n(.+?)\n\n(.+?)\n\n```python\n(.+?)\n```$", re.MULTILINE | re.DOTALL)
    return {key: Solution(en, zh, code) for key, en, zh, code in section.findall(text)}

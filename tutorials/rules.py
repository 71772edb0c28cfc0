"""What holds for the prose of the course: a result in it is a placeholder, each tutorial has its parts, and says
truly how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol


class Cell(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def text(self) -> str: ...


# What may hold any number: code, formulas, placeholders, addresses, how long it takes, versions of Python.
FREE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|\{\{.*?\}\}|https?://\S+|\]\([^)]*\)"
    r"|\d+\s*(?:[–-]|to|到|至)?\s*\d*\s*(?:minutes|min\b|分钟)|Python 3\.\d+",
    re.DOTALL,
)
WRONG = re.compile(
    r"(?P<percent>(?<![A-Za-z0-9_.])\d+(?:\.\d+)?\s?(?:%|percent|per cent|‰))"
    r"|(?P<power>(?<![A-Za-z0-9_.])(?:\d+(?:\.\d+)?[eE][-+−]?\d+|10\s?(?:\^|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)\S*|\d+(?:\.\d+)?\s?×\s?10))"
    r"|(?P<decimal>(?<![A-Za-z0-9_.])\d+\.\d+)"
    r"|(?P<integer>(?<![A-Za-z0-9_.])\d{1,3}(?:,\d{3})+|(?<![A-Za-z0-9_.])\d+)"
)


def complaints(cells: Sequence[Cell], name: str) -> list[str]:
    """Numbers in the prose of a tutorial that must come from a placeholder. References may hold any."""
    return list(_complaints(cells, name))


def _complaints(cells: Sequence[Cell], name: str) -> Iterator[str]:
    code = " ".join(cell.text for cell in cells if cell.kind == "code")
    in_code = {number.replace("_", "") for number in re.findall(r"(?<![A-Za-z0-9_.])\d[\d_]*", code)}
    own = re.search(r"(\d\d)_", name)
    keys = {f"{int(own[1])}.{k}" for k in range(1, 10)} if own else set()
    for k, cell in enumerate(cells):
        if cell.kind != "markdown":
            continue
        text = re.split(r"(?m)^## (?:References|参考文献)", cell.text)[0]
        for found in WRONG.finditer(FREE.sub(" ∙ ", text)):
            if found.lastgroup == "decimal" and found[0] in keys:
                continue  # the key of an exercise
            if found.lastgroup == "integer":
                number = found[0].replace(",", "")
                if int(number) <= 12 or 1950 <= int(number) <= 2026 or number in in_code:
                    continue
            yield f"{name}, cell {k + 1}: {found[0]!r} ({found.lastgroup}) in prose must come from a placeholder"


HAN = "[\u4e00-\u9fff]"
CHINESE = {  # what stands in no prose in Chinese, and what to write
    "half-width parentheses: （…）": rf"{HAN}\(|\){HAN}|\([^()\n]*{HAN}[^()\n]*\)|(?<![₀-₉])\(\d{{4}}\)",  # not (3, 4)
    "a half-width stop or comma: ，；：": rf"{HAN}[,;:!?]\s?{HAN}",
    "of a cell 元胞, of C 元胞状态, of a unit 单元": r"细胞|单元状态|记忆单元|cell state(?!）)",
    "常误差传送带（CEC）": "恒定误差|误差轮盘|常误差(?!传送带)",
    "激活 / 未激活": "接通|神经元",
    "遗忘门偏置": "遗忘偏置",
    "窥视孔": "窥孔",
    "emphasis is **…**: Chinese has no italics": rf"(?<!\*)\*(?![*\s])[^*\n]*{HAN}[^*\n]*(?<!\*)\*(?!\*)",
    "a word that a native would not use there": "刀刃|老实",
}


def awkward(text: str, name: str) -> list[str]:
    """Where a text in Chinese breaks the rules of its terms and signs; code, formulas and references may."""
    prose = FREE.sub(" ∙ ", re.split(r"(?m)^## 参考文献", text)[0])
    prose = re.sub(r"(?<!\*)\*(?![*\s])[^*\n\u4e00-\u9fff]+(?<!\*)\*(?!\*)", " ∙ ", prose)  # *her*
    return [f"{name}: {found[0]!r}: {rule}" for rule, sign in CHINESE.items() for found in re.finditer(sign, prose)]


PARTS = {
    "a title": (r"\A# {n} · \S", r"\A# {n} · \S"),
    "exercises": (r"(?m)^## Exercises", r"(?m)^## 练习"),
    "what to take away": (r"(?m)^## What to take away", r"(?m)^## (?:要点|小结|带走什么|记住什么|本章要点)"),
    "references": (r"(?m)^## References", r"(?m)^## 参考文献"),
}


def missing(cells: Sequence[Cell], name: str) -> list[str]:
    """The parts that a tutorial must have and does not: a title, predictions, three exercises, a close, references."""
    n, chinese = int(name.rpartition("/")[2][:2]), name.startswith("zh/")
    prose = "\n\n".join(cell.text for cell in cells if cell.kind == "markdown")
    code = "\n".join(cell.text for cell in cells if cell.kind == "code")
    found = [part for part, patterns in PARTS.items() if not re.search(patterns[chinese].replace("{n}", str(n)), prose)]
    if code.count("quiz.reveal(") < 2:
        found.append("two predictions (quiz.reveal)")
    found += [f'quiz.check("{n}.{k}", …)' for k in (1, 2, 3) if f'quiz.check("{n}.{k}"' not in code]
    return [f"{name}: {part} is missing" for part in found]


WORDS, LINE, PREDICTION, EXERCISE = 200, 8 / 60, 1.5, 5  # words a minute; minutes for each of the others
SIGNS = 400  # Chinese characters a minute
CLAIM = re.compile(r"(\d+) (?:minutes|分钟)")
STEP = 5  # minutes, of which a claim is a multiple, and by which it may be off


def minutes(cells: Sequence[Cell]) -> float:
    """How long a tutorial takes who reads it all, types each prediction and tries each exercise.

    A model, the same for all: 200 English words (or 400 Chinese characters) a minute, 8 seconds a line of code, one and
    a half minutes a prediction, five an exercise. Formulas, tables and references are not read like prose: a formula of
    its own counts as ten words, references as none.
    """
    total = 0.0
    for cell in cells:
        if cell.kind == "code":
            lines = [line for line in cell.text.splitlines() if line.strip()]
            total += LINE * len(lines)
            total += PREDICTION * cell.text.count("quiz.reveal(") + EXERCISE * cell.text.count("quiz.check(")
            continue
        text = re.split(r"(?m)^## (?:References|参考文献)", cell.text)[0]
        text = re.sub(r"\$\$.*?\$\$", " formula" * 10, text, flags=re.DOTALL)
        signs = len(re.findall(r"[\u4e00-\u9fff]", text))
        total += signs / SIGNS + len(re.findall(r"[^\W_\u4e00-\u9fff]+", text)) / WORDS
    return total


def time_told(cells: Sequence[Cell], name: str) -> list[str]:
    """Where the first cell says another time than `minutes` gives, or none."""
    found, needed = CLAIM.search(cells[0].text), minutes(cells)
    if found and int(found[1]) % STEP == 0 and abs(int(found[1]) - needed) <= STEP:
        return []
    said = f"{found[1]} minutes" if found else "no time in minutes"
    honest = STEP * round(needed / STEP)
    return [f"{name}, cell 1 says {said}; it takes about {honest} ({needed:.0f} by the model of rules.minutes)"]

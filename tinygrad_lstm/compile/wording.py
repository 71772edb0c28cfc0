"""How a text is worded, in two languages, and laid out: comments, lists of names, the functions that it needs."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from ..spoken import Language, columns
from ..spoken import said as spoken

FORWARD = "One step of {}: the state after it, and in `kept` what the way back needs."
SEQUENCE = "{} over a whole sequence: states after each step, and in `kept` what the way back needs. Passes: {}."
SEQUENCE_BACK = "The gradients of all inputs, from those of the states after each step."
BACKWARD = "The gradients of all inputs. In comments dy is what arrived at y, which an operation made of a, b or x."
ZH = {  # by the English
    "forget gate": "遗忘门", "input gate": "输入门", "output gate": "输出门", "candidate": "候选值",
    "cell state": "元胞状态", "hidden state": "隐藏状态", "update gate": "更新门", "reset gate": "重置门",
    "layer norm": "层归一化",
    "from later steps and the loss": "来自之后的时间步和损失", "no gradient returns": "没有梯度返回",
    SEQUENCE: "整个序列上的 {}：给出每一步之后的状态，并在 `kept` 中留下反向传播所需的值。所做的变换：{}。",
    SEQUENCE_BACK: "由每一步之后各状态的梯度，求所有输入的梯度。",
    "rows that are over keep their state": "已结束的行保持其状态", "the step before comes next": "接下来是前一步",
    "what has arrived there passes to the step before": "到达这里的梯度直接传给前一步",
    "in its place, step by step": "逐步写在它原来的位置上",
    "steps of a block: what fits into the cache": "一块的步数：以缓存能容纳为度",
    FORWARD: "{} 的一步：算出后一状态，并在 `kept` 中留下反向传播所需的值。",
    BACKWARD: "所有输入的梯度。注释中 dy 是到达 y 的梯度，y 是对 a、b 或 x 做一次运算的结果。",
}  # fmt: skip


def said(english: str, lang: Language) -> str:
    """A comment in its language; what no table has, such as `dy · bᵀ`, stays as it is."""
    told = ZH[english] if lang == "zh" and english in ZH else spoken(english, lang)
    if lang == "en" or told != english:
        return told
    for mark, chinese in ((": ", "："), (" → ", " → "), (", ", "、"), ("/", "/")):
        if mark in english:
            return chinese.join(said(part, lang) for part in english.split(mark))
    return english


def noted(code: str, scope: str, rule: str = "") -> str:
    """A line with its comment: where in the cell it belongs, and the rules, the last at the end."""
    comment = ": ".join(filter(None, [" ".join(scope.split()), rule]))
    return f"{code}  # {comment}" if comment else code


# — how it is laid out ——————————————————————————————————————————————————————————————————————————————————————————
WIDTH, INDENT = 120, "    "


def added_at(target: str, index: str, text: str) -> str:
    """The line that adds to a part; where an index may have a place twice, each counts."""
    return f"{target}{index[1:]} += {text}" if index[0] == "_" else f"np.add.at({target}, {index}, {text})"


def documented(english: str, lang: Language, *given: str) -> str:
    text = f'"""{said(english, lang).format(*given)}"""'
    if lang == "zh" and columns(INDENT + text) > WIDTH:  # characters that `fill` takes for narrow
        return "\n".join(INDENT + sentence for sentence in text.replace("。", "。\n", 1).split("\n"))
    return fill(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def listed(before: str, parts: Iterable[str], after: str, indent: str = "") -> str:
    """Names with commas between them, in brackets on lines of their own where one line is too short."""
    parts = list(parts)
    line = indent + before + ", ".join(parts) + after
    if len(line) <= WIDTH:
        return line
    opening, closing = ("", after) if before.endswith(("(", "[")) else ("(", f"){after}")
    return f"{indent}{before}{opening}\n{wrapped(parts, indent + INDENT)}\n{indent}{closing or ')'}"


def wrapped(parts: list[str], indent: str) -> str:
    """Lines of what stands between commas; none ends within a part."""
    line = ", ".join(part.replace(" ", "\0") for part in parts)
    return fill(line, WIDTH, initial_indent=indent, subsequent_indent=indent).replace("\0", " ")


def commented(lines: Iterable[str], lang: Language, indent: str = INDENT) -> list[str]:
    """Indented lines, with the comments of all in one column; that of a long line stands above it."""
    pairs = [(code, said(comment, lang)) for code, _, comment in (line.partition("  # ") for line in lines)]
    column = max((len(code) for code, comment in pairs if comment and len(code) < 70), default=0)
    written = []
    for code, comment in pairs:
        line = f"{code:{column}}  # {comment}" if comment else code
        inner = indent + " " * (len(code) - len(code.lstrip()))
        is_long = comment and columns(line) + 2 * len(INDENT) > WIDTH
        written += [f"{inner}# {comment}", indent + code] if is_long else [indent + line]
    return written

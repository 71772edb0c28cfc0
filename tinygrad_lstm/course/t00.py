"""The exercises of tutorial 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Array
from .quiz import Hint, close, exercise


@exercise("0.1")
def parameters(answer: float) -> Hint | None:
    """(20 + 10) · 20 for W_h, and 20 for b_h."""
    if close(answer, 620):
        return None
    if close(answer, 600):
        return Hint("That is W_h alone. Every unit has a bias, too.", "这只是 W_h。每个单元还有一个偏置。")
    if close(answer, 220):
        return Hint(
            "Each unit reads the old note as well: W_h has rows for h, not only for x.",
            "每个单元还要读上一步的隐藏状态：W_h 里不仅有 x 的行，还有 h 的行。",
        )
    if close(answer, (20 + 10) * 10 + 10):
        return Hint("The units are the columns: there are 20 of them.", "单元对应的是列：一共 20 列。")
    return Hint(
        "W_h has one row for each number in [h ; x], and one column for each unit.",
        "[h ; x] 里每个数对应 W_h 的一行，每个单元对应一列。",
    )


def _run(numbers: tuple[float, float, float], sequence: list[int]) -> Array:
    (u, v, b), h, seen = numbers, 0.0, []
    for x in sequence:
        h = float(np.tanh(u * h + v * x + b))
        seen.append(h)
    return np.array(seen)


@exercise("0.2")
def latch(answer: tuple[Any, Any, Any]) -> Hint | None:
    """h stays low while zeros are read, rises at a 1, and never falls again."""
    if len(answer) != 3:
        return Hint("Three numbers are wanted: (u, v, b).", "需要三个数：(u, v, b)。")
    u, v, b = (float(number) for number in answer)
    for before in (0, 1, 7, 100):
        zeros = _run((u, v, b), [0] * before)
        if (zeros >= 0.1).any():
            return Hint(
                "It says yes before any 1 was there. What does b do to h when all inputs are 0?",
                "还没有出现 1，它就说“有”了。输入全是 0 时，b 对 h 做了什么？",
            )
        after = _run((u, v, b), [0] * before + [1] + [0] * 100)[before:]
        if after[0] <= 0.5:
            return Hint(
                "At the first 1 h does not rise above 0.5. Is v large enough?",
                "读到第一个 1 时，h 没有超过 0.5。v 够大吗？",
            )
        if (after <= 0.5).any():
            k = int(np.argmax(after <= 0.5))
            return Hint(
                f"The note is written and is gone after {k} steps. Which number hands it on?",
                f"记下了，可是 {k} 步之后就没了。是哪个数把它传到下一步的？",
            )
    if (_run((u, v, b), [1] * 50) <= 0.5).any():
        return Hint("When several ones come in a row, h falls again.", "连着来几个 1 时，h 又掉下去了。")
    return None


def _states(x: Array, U: Array, V: Array, b: Array) -> Array:
    h, rows = np.zeros(len(b)), []
    for row in x:
        h = np.tanh(h @ U + row @ V + b)
        rows.append(h)
    return np.array(rows)


@exercise("0.3")
def plain_net(answer: Callable[[Array, Array, Array, Array], Array]) -> Hint | None:
    """Two sizes, so that no matrix fits where it should not."""
    for T, inputs, hidden in ((5, 2, 3), (1, 4, 4)):
        rng = np.random.default_rng(T)
        x, U, V, b = (rng.normal(size=shape) for shape in ((T, inputs), (hidden, hidden), (inputs, hidden), (hidden,)))
        given, right = np.asarray(answer(x, U, V, b), dtype=np.float64), _states(x, U, V, b)
        if close(given, right):
            continue
        if given.shape != right.shape:
            return Hint(
                f"An array of shape (T, hidden) = {right.shape} is wanted, not {given.shape}. h₀ is not part of it.",
                f"需要形状为 (T, hidden) = {right.shape} 的数组，你的是 {given.shape}。h₀ 不算在内。",
            )
        if close(given, np.tanh(x @ V + b)):
            return Hint("No step knows of the one before: h must be handed on.", "每一步都不知道上一步：h 要传下去。")
        if close(given, _states(x, U.T, V, b)):
            return Hint("h is a row, as x is: it stands on the left of U.", "h 和 x 一样是行向量：它写在 U 的左边。")
        if close(given, _states(x, U, V, 0 * b)):
            return Hint("The bias is missing.", "少了偏置。")
        if close(given[0], right[0]):
            return Hint(
                "The first step is right, a later one is not: is it the new h that goes into the next step?",
                "第一步对了，后面的不对：传给下一步的是新的 h 吗？",
            )
        return Hint("The first step is tanh(x₁ V + b), since h₀ = 0.", "因为 h₀ = 0，第一步就是 tanh(x₁ V + b)。")
    return None

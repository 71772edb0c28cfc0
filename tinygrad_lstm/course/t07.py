"""The exercises of tutorial 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("7.1")
def balance(answer: float) -> Hint | None:
    """The u at which f + i · u · o = 1."""
    f, i, o = 0.9, 0.5, 0.8
    if close(answer, (1 - f) / (i * o)):
        return None
    if close(answer, 1 - f):
        return Hint("The loop passes two gates: only i · o of u counts.", "回路要穿过两个门：起作用的是 i · o · u。")
    if close(answer, (1 - f) / i) or close(answer, (1 - f) / o):
        return Hint(
            "One gate is missing: on its way C passes o into h, and i back into C.",
            "少了一个门：C 经 o 进入 h，再经 i 回到 C。",
        )
    if close(answer, (1 - f) * i * o):
        return Hint("Solve f + i · u · o = 1 for u: the gates divide.", "由 f + i · u · o = 1 解出 u：门的值应作除数。")
    if near(answer, (1 - f) / (i * o)):
        return MORE
    return Hint("C is multiplied by f + i · u · o a step. What must that be?", "C 每步乘以 f + i · u · o。它应等于几？")


@exercise("7.2")
def global_clip(answer: Callable[..., list[Any]]) -> Hint | None:
    """A clip of all gradients together: scaled down to the limit, and left alone below it."""
    gradients = [np.array([6.0, 8.0]), np.array([[24.0]])]
    kept = [g.copy() for g in gradients]
    returned: Any = answer(gradients, 6.5)
    if not isinstance(returned, list | tuple):
        return Hint(
            "Return a list: one clipped array for each one given.", "请返回列表：每个传入的数组对应一个裁剪后的数组。"
        )
    got = [np.asarray(g, np.float64) for g in returned]
    if any(not np.array_equal(g, old) for g, old in zip(gradients, kept, strict=True)):
        return Hint("The arrays that were given have changed: return new ones.", "传入的数组被改动了：请返回新的数组。")
    if [g.shape for g in got] != [g.shape for g in kept]:
        return Hint(
            "Return one array for each one given, of the same shape.", "每个传入的数组都要返回一个同样形状的数组。"
        )
    if all(close(g, np.minimum(old, 6.5)) for g, old in zip(got, kept, strict=True)):
        return Hint("That cuts entry by entry: it is clipvalue.", "这是逐个元素裁剪，即 clipvalue。")
    if close(got[0], [3.9, 5.2]) and close(got[1], [[6.5]]):
        return Hint("Each array has its own norm here: that is clipnorm.", "这里每个数组各用自己的范数，即 clipnorm。")
    if not all(close(g, old * 6.5 / 26) for g, old in zip(got, kept, strict=True)):
        return Hint(
            "One norm over all entries of all arrays, then one factor for all.",
            "先对所有数组的全部元素求一个范数，再统一乘一个系数。",
        )
    if not all(close(g, old) for g, old in zip(answer(kept, 30.0), kept, strict=True)):
        return Hint("A gradient shorter than the limit must stay as it is.", "比上限短的梯度应保持不变。")
    zeros = [np.asarray(g) for g in answer([np.zeros(2)], 1.0)]
    if not close(zeros[0], np.zeros(2)):
        return Hint("What does it do to a gradient of zeros?", "全零的梯度会变成什么？")
    return None


@exercise("7.3")
def safe(answer: float) -> Hint | None:
    """With i = 1 − f the factor is f + (1 − f) · u · o: a mean of 1 and u · o, so u may be 1."""
    if close(answer, 1.0):
        return None
    if close(answer, 0.0):
        return Hint(
            "That is the limit of free gates. Can f and i both be 1 now?",
            "那是门互相独立时的界限。现在 f 和 i 能同时为 1 吗？",
        )
    if near(answer, 1.0):
        return MORE
    if answer > 1:
        return Hint("Take f = 0 and o = 1: by what is C multiplied then?", "取 f = 0、o = 1：这时 C 乘以多少？")
    if answer < 0:
        return Hint("A negative u is safe, but not the largest safe one.", "负的 u 是安全的，但不是最大的安全值。")
    return Hint(
        "Safe, but not the largest: write f + (1 − f) · u · o as a mean.",
        "安全，但不是最大：把 f + (1 − f) · u · o 看作加权平均。",
    )

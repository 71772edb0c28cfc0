"""The exercises of tutorial 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("12.1")
def shares(answer: Callable[..., Any]) -> Hint | None:
    """Of (1 − f) h + f n: dy · (n − h) to f, dy · (1 − f) to h, dy · f to n."""
    for shape in ((2, 3), (1, 4)):
        dy, f, h, n = np.random.default_rng(0).normal(size=(4, *shape))
        got = answer(dy, f, h, n)
        if not isinstance(got, tuple | list) or len(got) != 3:
            return Hint("Return three arrays: those of f, h and n.", "返回三个数组：f、h、n 的梯度。")
        df, dh, dn = got
        if close(df, dy * n, 1e-9) or close(df, -dy * h, 1e-9):
            return Hint("f stands twice in the line: add both shares.", "f 在这一行出现两次：两份要相加。")
        if close(df, dy * (h - n), 1e-9):
            return Hint("Mind the sign in 1 − f.", "注意 1 − f 里的符号。")
        if not close(df, dy * (n - h), 1e-9):
            return Hint("Look at f again: what multiplies it?", "再看 f：它与什么相乘？")
        if close(dh, dy * f, 1e-9) and close(dn, dy * (1 - f), 1e-9):
            return Hint("h and n are exchanged.", "h 和 n 对调了。")
        if not close(dh, dy * (1 - f), 1e-9):
            return Hint("h is multiplied by 1 − f.", "h 乘的是 1 − f。")
        if not close(dn, dy * f, 1e-9):
            return Hint("n is multiplied by f.", "n 乘的是 f。")
    return None


@exercise("12.2")
def outside(answer: float) -> Hint | None:
    """Features / (features + hidden)."""
    if close(answer, 1 / 3, 0.011):  # 0.33 is right
        return None
    if close(answer, 2 / 3, 0.01):
        return Hint("That is the part which stays in the loop.", "这是留在循环里的那部分。")
    if close(answer, 0.5, 0.01):
        return Hint("Half would be right for 64 features.", "一半的话，特征要有 64 个。")
    if close(answer, 0.25, 0.01):
        return Hint("All four gates lose the same share.", "四个门移出的比例相同。")
    if close(answer, 100 / 3, 0.011):
        return Hint("That is in percent: 100 % is 1.", "这是百分数：100 % 写成 1。")
    if near(answer, 1 / 3):
        return MORE
    return Hint("Count the rows of W that belong to x, and all rows.", "数一数 W 里属于 x 的行数，再数总行数。")


@exercise("12.3")
def one_product(answer: Callable[..., Any]) -> Hint | None:
    """All steps and rows as rows of two matrices: hsᵀ · da."""
    for T, batch, hidden, n in ((5, 2, 3, 4), (2, 3, 4, 4)):
        rng = np.random.default_rng(T)
        hs, da = rng.normal(size=(T, batch, hidden)), rng.normal(size=(T, batch, n))
        right = np.einsum("tbh,tbn->hn", hs, da)
        got = np.asarray(answer(hs, da))
        if got.shape == right.shape and close(got, right, 1e-9):
            continue
        if got.shape == right.T.shape and close(got, right.T, 1e-9):
            return Hint("That is its transpose: W is (hidden, n).", "这是它的转置：W 是 (hidden, n)。")
        if got.shape == (T, hidden, n):
            return Hint("One matrix for each step: they still have to be summed.", "每步一个矩阵：还要求和。")
        if got.shape == right.shape and close(got * T, right, 1e-9):
            return Hint("A sum over the steps, not a mean.", "对时间步是求和，不是平均。")
        return Hint(
            "Make rows of all steps and rows: reshape(-1, …).", "把所有时间步和所有行都排成行：reshape(-1, …)。"
        )
    return None

"""The exercises of tutorial 6."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, sqrt
from typing import Any

from .quiz import MORE, Hint, close, exercise, near


def _sigmoid(z: float) -> float:
    return 1 / (1 + exp(-z))


@exercise("6.1")
def half_life(answer: float) -> Hint | None:
    """ln ½ / ln σ(4)."""
    f = _sigmoid(4.0)
    right = log(0.5) / log(f)
    if close(answer, right, 0.01):
        return None
    if close(answer, -right, 0.01):
        return Hint("A half-life is a number of steps above 0: look at the signs.", "半衰期是正的步数：检查符号。")
    if close(answer, f, 0.01):
        return Hint(
            "That is f itself. After how many factors f is one half left?", "这是 f 本身。乘多少个 f 之后只剩一半？"
        )
    for bias in (1, 3, 5):
        if close(answer, log(0.5) / log(_sigmoid(bias)), 0.01):
            return Hint(f"That is the half-life at b_f = {bias}.", f"这是 b_f = {bias} 时的半衰期。")
    if close(answer, 0.5 / (1 - f), 0.01):
        return Hint(
            "You took the loss of each step as a fixed amount. It is a fixed share: use logarithms.",
            "你把每步的损失当作固定的量。它是固定的比例：要用对数。",
        )
    if close(answer, -1 / log(f), 0.01):
        return Hint("After so many steps 1/e is left, not one half.", "这么多步之后剩下的是 1/e，不是一半。")
    if near(answer, right):
        return MORE
    return Hint("Solve σ(4)ⁿ = ½ for n.", "由 σ(4)ⁿ = ½ 解出 n。")


@exercise("6.2")
def bias_for(answer: Callable[..., Any]) -> Hint | None:
    """The logit of kept^(1/steps)."""
    cases = [(100.0, 0.5), (20.0, 0.1), (1.0, 0.9), (50.0, 0.001)]
    got = [float(answer(*case)) for case in cases]
    f = [kept ** (1 / steps) for steps, kept in cases]
    if close(got, [log(g / (1 - g)) for g in f], 1e-6):
        return None
    if close(got, f, 1e-6):
        return Hint("That is f. Which b gives σ(b) = f?", "这是 f。哪个 b 使 σ(b) = f？")
    if close(got, [log((1 - g) / g) for g in f], 1e-6):
        return Hint("The sign is turned: a larger f needs a larger b.", "符号反了：f 越大，b 应越大。")
    if close(got[0], log(f[0] / (1 - f[0])), 1e-6) and not close(got[1], log(f[1] / (1 - f[1])), 1e-3):
        return Hint("Right for one half alone: where does `kept` enter?", "只有在剩一半时才对：kept 用在哪里？")
    if close(got, [log(kept / (1 - kept)) for _, kept in cases], 1e-6):
        return Hint(
            "That keeps the share in one step. First the share of a single step.",
            "这样一步就只剩这么多了。先求每一步的比例。",
        )
    if close(got, [log(g) - 1 + g for g in f], 1e-6) or close(got, [-log(1 - g) for g in f], 1e-6):
        return Hint("Near for f near 1, but it is not the inverse of σ.", "f 接近 1 时差不多，但这不是 σ 的反函数。")
    return Hint(
        "From σ(b)^steps = kept: first find f, then invert σ.", "由 σ(b)^steps = kept：先求 f，再求 σ 的反函数。"
    )


@exercise("6.3")
def two_units(answer: float) -> Hint | None:
    """√((0.99²⁰⁰ + 0.5²⁰⁰) / 2): the unit that lasts decides."""
    kept = 0.99**100
    right = sqrt((kept**2 + 0.5**200) / 2)
    if close(answer, right, 0.01) or close(answer, 1 / right, 0.01):
        return None
    if close(answer, 0.745**100, 0.05):
        return Hint(
            "You raised the mean of f to a power. Each unit has its own highway: take powers first.",
            "你对 f 的平均值取了幂。每个单元有自己的高速通道：先取幂。",
        )
    if close(answer, kept, 0.01):
        return Hint(
            "That is what the lasting unit keeps. The norm at the start counts two units.",
            "这是留得住的那个单元所剩的。起点处的范数含两个单元。",
        )
    if close(answer, kept / 2, 0.01):
        return Hint("That is a mean. A norm is the root of a sum of squares.", "这是平均值。范数是平方和的平方根。")
    if close(answer, sqrt(0.99 * 0.5) ** 100, 0.05):
        return Hint("Units do not multiply with one another, only steps do.", "单元之间不相乘，相乘的是各步。")
    if near(answer, right) or near(answer, 1 / right):
        return MORE
    return Hint(
        "What is left in each unit? Then the norm of the pair, over the norm of (1, 1).",
        "每个单元各剩多少？再取这一对的范数，除以 (1, 1) 的范数。",
    )

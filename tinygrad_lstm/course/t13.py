"""The exercises of tutorial 13."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, inf
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("13.1")
def five_of_five(answer: float) -> Hint | None:
    """The fifth root of 0.05."""
    right = 0.05 ** (1 / 5)
    if close(answer, right, 2e-3):
        return None
    if close(answer, 0.05**5):
        return Hint(
            "That is 0.05 to the fifth. p to the fifth shall be 0.05.",
            "这是 0.05 的五次方。要的是 p 的五次方等于 0.05。",
        )
    if close(answer, 0.95 ** (1 / 5)):
        return Hint(
            "That is for 0.95: then five of five would be no wonder.", "这是 0.95 的情形：那样五个全成并不稀奇。"
        )
    if close(answer, 1 - right):
        return Hint("That is the probability to fail.", "这是失败的概率。")
    if not 0 < answer < 1:
        return Hint("A probability lies between 0 and 1.", "概率在 0 与 1 之间。")
    if close(answer, 0.05 / 5) or close(answer, 1 - 0.05 / 5):
        return Hint("Probabilities of five nets multiply.", "五个网络的概率要相乘。")
    if near(answer, right):
        return MORE
    return Hint("Take the fifth root on both sides.", "两边开五次方。")


@exercise("13.2")
def typical_count(answer: Callable[..., Any]) -> Hint | None:
    """The median, with infinity for None."""
    cases: list[list[int | None]] = [
        [50, 10, 30, None, 20], [80, 10, 40, 20], [10, None, 40, None, None], [40, 20, None, 60],
        [10, 20, None, None], [3, 1, 2],
    ]  # fmt: skip
    for counts in cases:
        got, late = answer(list(counts)), sorted(inf if count is None else count for count in counts)
        half = len(late) // 2
        right = late[half] if len(late) % 2 else (late[half - 1] + late[half]) / 2
        if got is None or np.ndim(got) != 0:
            return Hint("Return one number.", "请返回一个数。")
        if float(got) == right:
            continue
        learned = [count for count in counts if count is not None]
        if close(got, np.mean(learned), 1e-9):
            return Hint("That is the mean of those that have learned.", "这是学会的那些的平均。")
        if close(got, np.median(learned), 1e-9):
            return Hint(
                "The median of the lucky ones leaves the others out, too.", "只取走运者的中位数，也漏掉了其余的。"
            )
        if close(got, np.median([count or 0 for count in counts]), 1e-9):
            return Hint("None is late, not early: infinity, not 0.", "None 是晚，不是早：当作无穷，不是 0。")
        if right == inf:
            return Hint("Where half of them or more never learn, there is no finite answer.",
                        "一半或更多始终没有学会时，没有有限的答案。")  # fmt: skip
        if got == inf:
            return Hint("It is finite while more than half have learned.", "只要过半数学会了，它就是有限的。")
        if not len(late) % 2:
            return Hint("Of an even number take the mean of the two in the middle.", "偶数个时，取中间两个的平均。")
        return Hint("Sort them, None last, and take the middle.", "排好序，None 排最后，取中间的。")
    return None


@exercise("13.3")
def by_lot(answer: Callable[..., Any]) -> Hint | None:
    """The upper tail of the hypergeometric distribution."""
    for nets, a, b in ((5, 4, 1), (5, 5, 1), (10, 7, 2), (3, 1, 1)):

        def ways(k: int, nets: int = nets, both: int = a + b) -> float:
            return comb(nets, k) * comb(nets, both - k) / comb(2 * nets, both)

        most = min(nets, a + b)
        right = sum(ways(k) for k in range(a, most + 1))
        try:
            got = answer(nets, a, b)
        except ValueError:
            if a + b >= nets:
                raise
            return Hint("Where a + b is less than nets, at most a + b can be of the first kind: end the sum there.",
                        "a + b 小于 nets 时，第一种最多 a + b 个：求和到此为止。")  # fmt: skip
        if close(got, right, 1e-6):
            continue
        if close(got, ways(a), 1e-6):
            return Hint(
                "That is exactly a. Or more: add a + 1 and so on.", "这正好是 a 个。“或更多”还要加上 a + 1 等等。"
            )
        if close(got, 1 - right, 1e-6) or close(got, sum(ways(k) for k in range(max(0, a + b - nets), a + 1)), 1e-6):
            return Hint("That is the other end: a or fewer.", "这是另一头：a 个或更少。")
        if close(got, 2 * right, 1e-6):
            return Hint("One side is asked for: the first kind ahead.", "只问一边：第一种领先。")
        if close(got, sum(ways(k) for k in range(a + 1, most + 1)), 1e-6):
            return Hint("a itself counts, too.", "a 本身也要算。")
        if close(got, sum(comb(a + b, k) for k in range(a, a + b + 1)) / 2 ** (a + b), 1e-6):
            return Hint("That is for coins: but who is drawn is not put back.", "这是掷硬币；可是抽出来的不放回去。")
        return Hint(
            "comb(nets, k) · comb(nets, a + b − k) of comb(2 nets, a + b) draws have k of the first kind.",
            "comb(2 nets, a + b) 种抽法里，含 k 个第一种的有 comb(nets, k) · comb(nets, a + b − k) 种。",
        )
    return None

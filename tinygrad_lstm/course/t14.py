"""The exercises of tutorial 14."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiz import Hint, close, exercise

SUM = Hint("Near: add up 1, 2, 4, … 512 again.", "很接近：1、2、4……512 的和请再加一遍。")


@exercise("14.1")
def pairs_of_a_scan(answer: float) -> Hint | None:
    """1024 − reach for reach = 1, 2, 4, … 512."""
    counted = {
        10 * 1024: Hint(
            "In each round the first `reach` steps have none before them.",
            "每一轮里，最前面 reach 步的前面没有可合并的。",
        ),
        10: Hint("Those are the rounds. How many pairs has each?", "这是轮数。每一轮有多少对？"),
        1023: Hint("That is the loop. The rounds do more.", "这是循环的。一轮一轮地做，要多一些。"),
        10 * 1023: Hint("Only the first round has 1,023: reach doubles.", "只有第一轮是 1,023 对：reach 每轮翻倍。"),
        9 * 1024 - 511: Hint("One round is missing: the last has reach 512.", "少了一轮：最后一轮的 reach 是 512。"),
        **dict.fromkeys((9 * 1024, 9 * 1024 + 2), SUM),
    }
    if close(answer, 10 * 1024 - 1023, 1e-9):
        return None
    return counted.get(
        round(float(answer)),
        Hint("In a round 1024 − reach steps have one so far before them, and reach is 1, 2, 4, … 512: add these up.",
             "一轮里有 1024 − reach 步，前面隔这么远还有一步；reach 依次是 1、2、4……512：请加起来。"),
    )  # fmt: skip


def _carried(f: Any, w: Any, C: float = 1.0) -> Any:
    """C_1 … C_T."""
    found = []
    for gate, written in zip(f, w, strict=True):
        C = gate * C + written
        found.append(C)
    return np.array(found)


@exercise("14.2")
def two_cups(answer: Callable[..., Any]) -> Hint | None:
    """f is 1 or −1, w is 0."""
    for swaps in (np.array([0, 1, 1, 0, 1, 0]), np.array([1, 1, 1, 0, 0, 1, 0, 1])):
        found = answer(swaps.copy())
        if not isinstance(found, tuple | list) or len(found) != 2:
            return Hint("Return a pair (f, w).", "请返回一对 (f, w)。")
        f, w = (np.asarray(part, dtype=np.float64) for part in found)
        if f.shape != swaps.shape or w.shape != swaps.shape:
            return Hint("f and w have one number a step, as swaps has.", "f 和 w 与 swaps 一样，每步一个数。")
        if close(f, 1 - 2 * swaps, 1e-9) and close(w, 0 * f, 1e-9):
            continue
        right = (1.0 - 2 * swaps).cumprod()
        if close(f, (1.0 - 2 * swaps).cumprod(), 1e-9) or (close(f, 0 * f) and close(w, right, 1e-9)):
            return Hint("A step may not know of the swaps before it.", "一步不能知道它之前的对调。")
        if close(_carried(f, w), -right, 1e-9) or close(f, 2.0 * swaps - 1, 1e-9):
            return Hint("0 means that nothing is swapped.", "0 表示不对调。")
        if (f >= 0).all():
            return Hint("With f ≥ 0 a state keeps its sign or forgets it. Let f turn it round.",
                        "f ≥ 0 时，状态的符号要么不变，要么忘掉。让 f 把它翻过来。")  # fmt: skip
        return Hint("What should f be at a step with a swap, what at one without? And w?",
                    "对调的一步，f 该是多少？不对调的呢？w 呢？")  # fmt: skip
    return None


@exercise("14.3")
def combine_two_steps(answer: Callable[..., Any]) -> Hint | None:
    """f = f2 f1, w = f2 w1 + w2, for three units and for two."""
    return _two_steps(answer, 3) or _two_steps(answer, 2)


def _two_steps(answer: Callable[..., Any], units: int) -> Hint | None:
    rng = np.random.default_rng(11)
    first, second = [(rng.uniform(size=units), rng.normal(size=units)) for _ in range(2)]
    found = answer(first, second)
    if not isinstance(found, tuple | list) or len(found) != 2:
        return Hint("Return a pair (f, w): a step again.", "请返回一对 (f, w)：它仍然是一步。")
    f, w = found
    (f1, w1), (f2, w2) = first, second
    if close(f, f1 * f2, 1e-9) and close(w, f2 * w1 + w2, 1e-9):
        return None
    if close(f, f1 * f2, 1e-9) and close(w, f1 * w2 + w1, 1e-9):
        return Hint("That does second before first.", "这样是先做 second，再做 first。")
    if close(f, f1 * f2, 1e-9) and close(w, w1 + w2, 1e-9):
        return Hint("What first wrote must still pass the gate of second.", "first 写入的内容还要经过 second 的门。")
    if close(f, f1 + f2, 1e-9):
        return Hint("Two gates one after the other multiply.", "先后经过的两个门应相乘。")
    if close(f, f1 * f2, 1e-9):
        return Hint("f is right. For w, put C = 0 into both steps.", "f 是对的。求 w 时，把 C = 0 代入两步。")
    return Hint(
        "Put f1 C + w1 for C into f2 C + w2, and sort by C.", "把 f1 C + w1 代入 f2 C + w2 中的 C，再按 C 整理。"
    )

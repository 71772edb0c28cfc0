"""The exercises of tutorial 5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("5.1")
def pure_highway(answer: float) -> Hint | None:
    """The product of eleven forget gates."""
    right = 0.9**10 * 0.5
    if close(answer, right, 0.01):
        return None
    if close(answer, 0.9**10, 0.01):
        return Hint("The step with f = 0.5 is missing.", "少了 f = 0.5 的那一步。")
    if close(answer, 0.9**9 * 0.5, 0.01):
        return Hint("One of the ten steps is missing.", "十步之中少算了一步。")
    if close(answer, (10 * 0.9 + 0.5) / 11, 0.01):
        return Hint(
            "That is the mean of f. Along a path factors multiply.", "这是 f 的平均值。沿一条路径，各因子相乘。"
        )
    if close(answer, ((10 * 0.9 + 0.5) / 11) ** 11, 0.01):
        return Hint(
            "You took the mean of f to the eleventh power. The mean hides the one step that lets go.",
            "你取了 f 的平均值的十一次方。平均值掩盖了放手的那一步。",
        )
    if near(answer, right):
        return MORE
    return Hint("Each step multiplies by its own f, and by nothing else.", "每一步只乘以它自己的 f，别无其他。")


def _through_f(dC: Any, C_old: Any, f: Any, B_old: Any, W_fh: Any, mistake: str = "") -> Any:
    slope = {"slope": 1.0, "tanh": 1 - f**2}.get(mistake, f * (1 - f))
    delta = dC * (f if mistake == "f" else 1.0 if mistake == "C" else C_old) * slope
    back = delta @ (W_fh if mistake == "transpose" else W_fh.T)
    return back if mistake == "B" else back * B_old


_MISTAKES = {
    "slope": Hint("The slope of σ is missing: δf stands before it.", "少了 σ 的斜率：δf 是 σ 之前的梯度。"),
    "tanh": Hint("f is made by σ: its slope is f (1 − f).", "f 由 σ 得到：斜率是 f (1 − f)。"),
    "f": Hint(
        "In f ∘ C the gate gets the gradient times the other factor.", "在 f ∘ C 中，门得到的是梯度乘以另一个因子。"
    ),
    "C": Hint(
        "A product sends each factor dy times the other: C is missing.",
        "乘法送给一个因子的，是 dy 乘以另一个因子：少了 C。",
    ),
    "transpose": Hint(
        "Forward h @ W_fh, so the gradient comes back by the transpose.", "前向是 h @ W_fh，所以梯度经转置返回。"
    ),
    "B": Hint("You have arrived at h. One more step, from h to C.", "你已到达 h。还差从 h 到 C 的一步。"),
}


@exercise("5.2")
def through_f(answer: Callable[..., Any]) -> Hint | None:
    """B ∘ (δf W_fhᵀ) with δf = dC ∘ C ∘ f(1 − f), on three units and on two."""
    return _term(answer, 3) or _term(answer, 2)


def _term(answer: Callable[..., Any], units: int) -> Hint | None:
    rng = np.random.default_rng(5)
    dC, C_old, B_old = rng.normal(size=units), rng.normal(size=units), rng.uniform(0.2, 0.9, size=units)
    given = dC, C_old, rng.uniform(0.1, 0.9, size=units), B_old, rng.normal(size=(units, units))
    got = answer(*(array.copy() for array in given))
    if close(got, _through_f(*given), 1e-6):
        return None
    if np.shape(got) != (units,):
        return Hint(
            f"The term has the shape of C, ({units},) here, not {np.shape(got)}.",
            f"这一项与 C 同形，这里是 ({units},)，不是 {np.shape(got)}。",
        )
    for mistake, hint in _MISTAKES.items():
        if close(got, _through_f(*given, mistake), 1e-6):
            return hint
    return Hint(
        "Go back in order: C_t to f, through σ, by W_fh to h, by B to C_{t−1}.",
        "按顺序往回走：C_t 到 f，穿过 σ，经 W_fh 到 h，再经 B 到 C_{t−1}。",
    )


@exercise("5.3")
def growth_of_paths(answer: float) -> Hint | None:
    """From C_t two ways lead to h_{t−1} (by i and C̃), from h_t one (by o): 2 + √3 a step."""
    ways = np.array([[3.0, 1.0], [2.0, 1.0]])  # (C, h) before from (C, h) after; C before also from h before
    right = float(np.abs(np.linalg.eigvals(ways)).max())
    if close(answer, right, 2e-3):
        return None
    if close(answer, (5 + 21**0.5) / 2, 2e-3):
        return Hint("That is with the forget gate: it had a way of its own.", "那是有遗忘门时的值：遗忘门多出一条路。")
    if close(answer, 3.0, 2e-3):
        return Hint(
            "Three ways lead from C_t to C_{t−1}, but h_t has one to h_{t−1} as well, by o.",
            "从 C_t 到 C_{t−1} 有三条路，但 h_t 也经 o 通到 h_{t−1}。",
        )
    if close(answer, 4.0, 2e-2):
        return Hint(
            "Near, but a whole number is only the beginning: let the steps go on until the factor settles.",
            "接近了，但这只是最初几步：继续往回走，直到因子稳定。",
        )
    if close(answer, 1.0, 2e-3):
        return Hint("That is the highway alone. h is not cut here.", "那只是高速通道一条路。这里 h 处没有截断。")
    if near(answer, right):
        return MORE
    return Hint(
        "Write (c, d) before a step as a 2 × 2 matrix times (c, d) after it; its largest eigenvalue is asked for.",
        "把前一步的 (c, d) 写成 2 × 2 矩阵乘以后一步的 (c, d)；要求的是最大的特征值。",
    )

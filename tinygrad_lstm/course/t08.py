"""The exercises of tutorial 8."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import grad
from ..tensor import Array, Tensor
from .quiz import MORE, Hint, close, exercise, near


@exercise("8.1")
def thousandfold(answer: int) -> Hint | None:
    """The first n with 1.1ⁿ above 1000."""
    right = math.ceil(math.log(1000) / math.log(1.1))
    if close(answer, right, 1e-9):
        return None
    if close(answer, right - 1, 1e-2 / right):
        return Hint("Just not yet: 1.1 to that power is below 1000.", "还差一点：1.1 的这个次方不到 1000。")
    if answer % 1 and close(answer, math.log(1000) / math.log(1.1), 0.01):
        return Hint(
            "Steps are whole: which is the first whole one that is enough?", "步数是整数：第一个足够的整数是几？"
        )
    if close(answer, 1000 / 0.1, 0.01) or close(answer, 999 / 0.1, 0.01):
        return Hint(
            "It does not grow by a tenth of the start, but of itself: a power.",
            "每步增长的是当前值的十分之一，不是初值的：要用乘方。",
        )
    if close(answer, 30, 1e-9):
        return Hint(
            "That would be about log₁₀(1000) / 0.1; ln 1.1 belongs below.",
            "这像是 log₁₀(1000) / 0.1；分母应为 ln 1.1。",
        )
    return Hint("Solve 1.1ⁿ > 1000 for n by logarithms.", "用对数解 1.1ⁿ > 1000。")


@exercise("8.2")
def rescaled(answer: float) -> Hint | None:
    """0.2 · (k · z) = z / 6."""
    right = (1 / 6) / 0.2
    if close(answer, right):
        return None
    if close(answer, 1 / right):
        return Hint(
            "That is the inverse: 0.2 is the steeper one, so z must shrink.", "正好反了：0.2 更陡，所以 z 要变小。"
        )
    if close(answer, 0.2 - 1 / 6, 0.02) or close(answer, 1 / 6 - 0.2, 0.02):
        return Hint(
            "The slopes multiply z; a difference does not undo a factor.", "斜率与 z 相乘；差不能抵消一个系数。"
        )
    if near(answer, right):
        return MORE
    return Hint("What must k be for 0.2 · (k · z) to equal z / 6?", "要使 0.2 · (k · z) 等于 z / 6，k 应为几？")


@exercise("8.3")
def own_gate(answer: Callable[[Any], Any]) -> Hint | None:
    """Within [0, 1], ½ at 0, rising, and with slope at ±10, for a row of numbers and for a matrix."""
    return _gate_on(answer, np.linspace(-60, 60, 2401)) or _gate_on(answer, np.linspace(-30, 30, 1201)[:, None])


def _gate_on(answer: Callable[[Any], Any], numbers: Array) -> Hint | None:
    z = Tensor(numbers, requires_grad=True)
    y = answer(z)
    if not isinstance(y, Tensor):
        return Hint("Return a Tensor: NumPy functions lose the gradient.", "请返回 Tensor：NumPy 函数会丢失梯度。")
    if y.shape != z.shape:
        return Hint("One value for each z: the same shape.", "每个 z 对应一个值：形状要相同。")
    values = y.numpy().ravel()
    if not np.isfinite(values).all():
        return Hint("Somewhere within ±60 it is not finite.", "在 ±60 之内有的值不是有限数。")
    if values.min() < 0 or values.max() > 1:
        return Hint("It leaves [0, 1]: try z = ±60.", "它超出了 [0, 1]：试试 z = ±60。")
    if not close(values[len(values) // 2], 0.5):
        return Hint("At z = 0 it is not ½.", "在 z = 0 处不等于 ½。")
    if (np.diff(values) < -1e-12).any():
        return Hint("Somewhere it falls as z grows.", "有的地方 z 增大时它反而减小。")
    if not y.requires_grad:
        return Hint("No gradient comes back from it: is it detached?", "没有梯度能传回来：是否用了 detach？")
    slope = grad(y.sum(), [z])[0].numpy().ravel()
    at = np.interp([-10.0, 10.0], numbers.ravel(), slope)
    if at.min() < 1e-3:
        if np.abs(values - 1 / (1 + np.exp(-numbers.ravel()))).max() < 1e-3:
            return Hint(
                "That is σ itself: e⁻ˣ dies too fast. A power of z dies more slowly.",
                "这就是 σ：e⁻ˣ 衰减太快，z 的幂衰减得慢一些。",
            )
        return Hint(
            "At z = ±10 it is too flat. What dies more slowly than e⁻ˣ?", "在 z = ±10 处太平坦了。什么比 e⁻ˣ 衰减得慢？"
        )
    return None

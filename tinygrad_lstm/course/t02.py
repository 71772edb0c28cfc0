"""The exercises of tutorial 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..engine import grad
from ..tensor import Array, Tensor
from .quiz import Hint, close, exercise


@exercise("2.1")
def step_in_float32(answer: float) -> Hint | None:
    """The step that balances ε²/6 against u/ε, u being half the distance from 1 to the next float32."""
    unit = float(np.finfo(np.float32).eps) / 2
    right = (3 * unit) ** (1 / 3)
    if right / 5 <= answer <= right * 5:
        return None
    if answer <= 0:
        return Hint("A step above 0 is wanted.", "这里需要一个大于 0 的步长。")
    if 1e-6 <= answer <= 5e-5:
        return Hint(
            "That is the best step of float64. With a larger u it moves by the cube root of that ratio.",
            "这是 float64 的最佳步长。u 变为多少倍，步长就变为这个倍数的立方根倍。",
        )
    if right / 50 <= answer < right / 5:
        return Hint(
            "About √u: that is for one-sided differences. Central ones have an error of ε², so take the cube root.",
            "约为 √u：那是单侧差分的步长。中心差分的误差是 ε²，应取立方根。",
        )
    if answer < right / 50:
        return Hint(
            "Much too small: u/ε is then a large error. Balance it against ε²/6.",
            "太小了：这时 u/ε 很大。让它与 ε²/6 平衡。",
        )
    return Hint(
        "Too large: ε²/6 is the error then. Balance it against u/ε.", "太大了：这时误差是 ε²/6。让它与 u/ε 平衡。"
    )


@exercise("2.2")
def division(answer: Callable[[Array, Array, Array], Any]) -> Hint | None:
    """Both shares of a / b, for two pairs of shapes."""
    rng = np.random.default_rng(0)
    for shape_a, shape_b in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (2, 3))):
        a, b = rng.normal(size=shape_a), rng.uniform(0.5, 2.0, size=shape_b)
        dy = rng.normal(size=np.broadcast_shapes(shape_a, shape_b))
        tensors = [Tensor(x, requires_grad=True) for x in (a, b)]
        right = [dx.numpy() for dx in grad(ops.div(*tensors), tensors, dy)]
        given = answer(dy.copy(), a.copy(), b.copy())
        if not isinstance(given, tuple | list) or len(given) != 2:
            return Hint("Return two shares, that of a and that of b.", "请返回两个份额：a 的和 b 的。")
        to_a, to_b = map(np.asarray, given)
        if to_a.shape == to_b.shape == dy.shape and shape_a != shape_b:
            return Hint(
                "Both shares have the shape of dy: `unbroadcast` each to the shape of its input.",
                "两个份额的形状都和 dy 一样：请用 `unbroadcast` 各自变回输入的形状。",
            )
        if (to_a.shape, to_b.shape) != (shape_a, shape_b):
            return Hint(
                f"For a {shape_a} and b {shape_b} your shares have shapes {to_a.shape} and {to_b.shape}.",
                f"当 a 为 {shape_a}、b 为 {shape_b} 时，你的份额形状是 {to_a.shape} 和 {to_b.shape}。",
            )
        if not close(to_a, right[0], 1e-9):
            return Hint(
                "The share of a is not right: with b fixed, y is a times a constant.",
                "a 的份额不对：固定 b 时，y 是 a 乘以一个常数。",
            )
        if close(to_b, -right[1], 1e-9):
            return Hint(
                "The share of b has the wrong sign: for positive a and b, a larger b makes y smaller.",
                "b 的份额符号错了：a、b 都为正时，b 变大，y 变小。",
            )
        if not close(to_b, right[1], 1e-9):
            return Hint(
                "The share of b is not right: differentiate a · b⁻¹ with respect to b.",
                "b 的份额不对：对 a · b⁻¹ 关于 b 求导。",
            )
    return None


@exercise("2.3")
def softmax_rule(answer: Callable[[Array, Array], Array]) -> Hint | None:
    """dy and y give the share of x, row by row, for two shapes."""
    return _softmax_share(answer, (4, 3)) or _softmax_share(answer, (2, 5))


def _softmax_share(answer: Callable[[Array, Array], Array], shape: tuple[int, int]) -> Hint | None:
    rng = np.random.default_rng(0)
    x, dy = Tensor(rng.normal(size=shape), requires_grad=True), rng.normal(size=shape)
    output = ops.softmax(x)
    y, right = output.numpy(), grad(output, x, dy)[0].numpy()
    found = np.asarray(answer(dy.copy(), y.copy()))
    if found.shape != right.shape:
        return Hint(
            f"The share must have the shape of x, {right.shape}, not {found.shape}.",
            f"份额应与 x 同形，是 {right.shape}，不是 {found.shape}。",
        )
    if close(found, right, 1e-9):
        return None
    if close(found, dy * y * (1 - y), 1e-9):
        return Hint(
            "These are the diagonal entries only: input j also moves all other outputs of its row.",
            "这只是对角线的部分：输入 j 还会改变同一行的其他输出。",
        )
    if close(found, y * (dy - (dy * y).sum()), 1e-9):
        return Hint(
            "You sum over the whole batch. Each row is a softmax of its own.",
            "你对整批求了和，而每一行各是一个 softmax。",
        )
    if close(found, dy - y * dy.sum(axis=-1, keepdims=True), 1e-9):
        return Hint("That is the rule of log softmax.", "这是 log softmax 的规则。")
    if not np.allclose(found.sum(axis=-1), 0):
        return Hint(
            "Add one constant to a row of x: y stays. So the shares of a row must sum to 0; yours do not.",
            "给 x 的一行加上同一常数，y 不变，所以一行的份额之和应为 0；你的不是。",
        )
    return Hint(
        "Start from ∂y_k/∂x_j = y_k (1[k = j] − y_j) and sum dy_k times it over k.",
        "从 ∂y_k/∂x_j = y_k (1[k = j] − y_j) 出发，乘 dy_k 再对 k 求和。",
    )

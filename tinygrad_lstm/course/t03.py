"""The exercises of tutorial 3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..flow.trace import trace
from ..nn import RNN
from ..tensor import Array
from .quiz import Hint, close, exercise


@exercise("3.1")
def half_after_a_hundred(answer: float) -> Hint | None:
    """The 100th root of ½."""
    right = 0.5**0.01
    if close(answer, right, 1e-5):
        return None
    if close(answer, 0.995, 1e-5):
        return Hint(
            "A loss of half a percent a step compounds: ρ to the 100th power must be one half.",
            "每步丢掉 0.5%，会越积越多：ρ 的 100 次方应为二分之一。",
        )
    if close(answer, 1 / right, 1e-5):
        return Hint("With this ρ the gradient grows to twice its length.", "用这个 ρ，梯度会变成原来的两倍长。")
    if close(answer, 0.5 ** (1 / 99), 1e-6) or close(answer, 0.5 ** (1 / 101), 1e-6):
        return Hint("Count the steps again: ρ is applied 100 times.", "再数一遍步数：ρ 被乘了 100 次。")
    if close(answer, right, 4e-3):
        return Hint(
            "Near; give five digits, since the error is raised to the 100th power too.",
            "很接近；请给出五位数字，因为误差也会随 100 次方放大。",
        )
    return Hint(
        "After 100 steps the norm is multiplied by ρ to the 100th power.", "100 步之后，范数乘以 ρ 的 100 次方。"
    )


@exercise("3.2")
def grows_before_it_vanishes(answer: Array) -> Hint | None:
    """Eigenvalues of at most 0.9, and five steps with a norm above 10."""
    U = np.asarray(answer, dtype=np.float64)
    if U.shape != (2, 2):
        return Hint(
            f"A matrix of shape (2, 2) is wanted, not {U.shape}.", f"需要形状为 (2, 2) 的矩阵，不是 {U.shape}。"
        )
    size = float(np.abs(np.linalg.eigvals(U)).max())
    grown = float(np.linalg.norm(np.linalg.matrix_power(U.T, 5), 2))
    if size > 0.9 + 1e-6:
        return Hint(f"An eigenvalue has size {size:.3g}, above 0.9.", f"有一个特征值的模为 {size:.3g}，超过 0.9。")
    if grown > 10:
        return None
    if close(U @ U.T, U.T @ U, 1e-9):
        return Hint(
            "If U commutes with its transpose, norm and eigenvalue agree: no growth. Couple the units one way only.",
            "若 U 与其转置可交换，范数与特征值一致，就没有增长。让两个单元只在一个方向上耦合。",
        )
    if grown < 1:
        return Hint(
            f"After 5 steps at most {grown:.3g} of a length is left: eigenvalues near 0.9 let the coupling act longer.",
            f"5 步后长度最多剩 {grown:.3g} 倍：特征值接近 0.9，耦合才能起作用更久。",
        )
    return Hint(
        f"After 5 steps the longest is {grown:.3g} times as long. Couple the two units more.",
        f"5 步后最多只有原来的 {grown:.3g} 倍。让两个单元耦合得更强。",
    )


@exercise("3.3")
def back_through_time(answer: Callable[[Array, Array, Array], Array]) -> Hint | None:
    """The library's own trace of two small RNNs, state by state."""
    return _back_through(answer, T=5, hidden=3) or _back_through(answer, T=2, hidden=4)


def _back_through(answer: Callable[[Array, Array, Array], Array], T: int, hidden: int) -> Hint | None:
    rng = np.random.default_rng(0)
    rnn = RNN(2, hidden, rng=rng).astype(np.float64)
    weight = dict(rnn.named_parameters())["cells.0.0.W_h"]
    weight.data = 1.3 * weight.numpy() + 0.2 * rng.normal(size=weight.shape)
    out, delta = rnn(rng.normal(size=(1, T, 2))), rng.normal(size=hidden)
    flow = trace(out.last.h, delta[None]).flow("h")
    right = np.array([flow.trace.grad(flow.made(t)) for t in range(T + 1)])[:, 0]
    h, U = out.h.numpy()[0], weight.numpy()[:hidden]
    found = np.asarray(answer(h.copy(), U.copy(), delta.copy()), dtype=np.float64)
    if found.shape != right.shape:
        return Hint(
            f"The array should have shape {right.shape}, one row for each state; it has {found.shape}.",
            f"数组形状应为 {right.shape}，每个状态一行；现在是 {found.shape}。",
        )
    if close(found, right, 1e-9):
        return None
    if close(found[::-1], right, 1e-9):
        return Hint(
            "The numbers are right, the order is not: the gradient at h_0 comes first.",
            "数值正确，顺序反了：h_0 处的梯度在最前。",
        )
    if not close(found[-1], delta, 1e-9):
        return Hint("The last row is the gradient at h_T: delta itself.", "最后一行是 h_T 处的梯度，就是 delta 本身。")
    before = np.concatenate([np.zeros((1, hidden)), h[:-1]])
    typical = [
        (_carried(1 - before**2, U.T, delta), "The step that made h_t has the slope 1 − h_t²: the state after it.",
         "产生 h_t 的那一步，斜率是 1 − h_t²，要用这一步之后的状态。"),
        (_carried(1 - h**2, U, delta), "h went through U; on the way back the gradient goes through Uᵀ.",
         "反向时矩阵要转置：h 经过 U，梯度经过 Uᵀ。"),
        (_carried(np.ones_like(h), U.T, delta), "The gradient also has to pass the tanh of each step.",
         "梯度还要经过每一步的 tanh。"),
        (_carried(h * (1 - h), U.T, delta), "h(1 − h) is the slope of the logistic function.",
         "h(1 − h) 是 logistic 函数的斜率。"),
        (_carried(1 - h**2, U.T, delta, late=True), "On the way back the tanh comes first, then the matrix.",
         "往回走时先经过 tanh，再经过矩阵。"),
    ]  # fmt: skip
    for wrong, en, zh in typical:
        if close(found, wrong, 1e-9):
            return Hint(en, zh)
    return Hint(
        "Go from t = T down to 1: times the slope at h_t, then times Uᵀ, gives the row before.",
        "从 t = T 到 1：先乘 h_t 处的斜率，再乘 Uᵀ，得到前一行。",
    )


def _carried(slopes: Array, matrix: Array, delta: Array, late: bool = False) -> Array:
    """The gradients that result from these slopes and this matrix."""
    rows = [delta]
    for slope in slopes[::-1]:
        rows.append((rows[-1] @ matrix) * slope if late else (rows[-1] * slope) @ matrix)
    return np.array(rows[::-1])

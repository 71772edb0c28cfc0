"""The exercises of tutorial 9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiz import Hint, close, exercise

Array = np.ndarray[Any, np.dtype[Any]]
ORDER = "ifCo"  # of the gates in PyTorch's arrays; its g is our C̃


@exercise("9.1")
def states_of_pytorch(answer: tuple[Any, ...]) -> Hint | None:
    """(layers · directions, batch, hidden)."""
    shape, right = tuple(int(n) for n in answer), (2 * 2, 8, 16)
    if shape == right:
        return None
    if shape == (8, 4, 16):
        return Hint(
            "batch_first=True moves the batch of x and output only, not that of the states.",
            "batch_first=True 只改变 x 和 output 的轴顺序，不改变状态的。",
        )
    if shape == (2, 8, 16):
        return Hint(
            "Layers, or directions? Each direction of each layer ends in a state of its own.",
            "是层数，还是方向数？每一层的每个方向都有自己的最后状态。",
        )
    if shape in ((2, 8, 32), (4, 8, 32)):
        return Hint(
            "Directions stand side by side in output. In h_n they have places of their own on the first axis.",
            "output 中两个方向并排拼接；在 h_n 中，它们各占第一个轴的一个位置。",
        )
    if 20 in shape:
        return Hint("A last state has no time axis.", "最后的状态没有时间轴。")
    return Hint(
        "Three axes: one for layers times directions, one for the rows, one for the units.",
        "三个轴：层数乘方向数、行数、单元数。",
    )


@exercise("9.2")
def kept_within_a_chunk(answer: Callable[..., Any]) -> Hint | None:
    """Of the K places that s may have in its chunk, K − k leave room for s + k."""
    pairs = [(0, 8), (1, 8), (8, 32), (12, 12), (11, 12), (20, 12), (1, 1)]
    got = [float(answer(k, K)) for k, K in pairs]
    right = [sum(s + k < K for s in range(K)) / K for k, K in pairs]
    if close(got, right, 1e-9):
        return None
    if close(got, [float(k < K) for k, K in pairs], 1e-9) or close(got, [float(k <= K) for k, K in pairs], 1e-9):
        return Hint(
            "k < K makes it possible, not certain: a pair that starts near the end of a chunk is cut too.",
            "k < K 只说明可能，并不保证：从块的末尾附近开始的一对，中间也会断开。",
        )
    if any(share < 0 for share in got):
        return Hint(
            "Right while k is at most K. Now call kept(20, 12): can a share be below 0?",
            "k 不超过 K 时是对的。再试试 kept(20, 12)：比例能小于 0 吗？",
        )
    if close(got, [max(0.0, 1 - (k + 1) / K) for k, K in pairs], 1e-9) or got[0] != 1:
        return Hint(
            "Test the smallest case: k = 0, written and read at one step. Which share of such pairs is cut?",
            "先看最小的情形：k = 0，在同一步写入并读出。这样的一对，有多大比例会断开？",
        )
    return Hint(
        "Let s be each of the K places of a chunk in turn. For how many of them is s + k still in that chunk?",
        "让 s 依次取一个块中的 K 个位置：其中有多少个使 s + k 仍在同一块中？",
    )


@exercise("9.3")
def weights_from_pytorch(answer: Callable[..., Any]) -> Hint | None:
    """W = [W_hhᵀ ; W_ihᵀ] gate by gate, b = b_ih + b_hh."""
    same = _from_pytorch(answer, 3, 3)  # equal on purpose: a forgotten transpose keeps the shape
    return same or _from_pytorch(answer, 2, 4)


def _from_pytorch(answer: Callable[..., Any], H: int, X: int) -> Hint | None:
    rng = np.random.default_rng(9)
    w_ih, w_hh, b_ih, b_hh = (rng.normal(size=shape) for shape in ((4 * H, X), (4 * H, H), (4 * H,), (4 * H,)))
    given = answer(w_ih.copy(), w_hh.copy(), b_ih.copy(), b_hh.copy())
    if not isinstance(given, dict):
        return Hint(
            "Return a dict with eight entries: the name of each array, and the array.",
            "请返回一个字典，共八项：每个数组的名字和数组本身。",
        )
    got = {name: np.asarray(array) for name, array in given.items()}
    right = {}
    for gate, x, h, b in zip(ORDER, *(np.split(a, 4) for a in (w_ih, w_hh, b_ih + b_hh)), strict=True):
        right[f"W_{gate}"], right[f"b_{gate}"] = np.concatenate([h.T, x.T]), b
    if missing := sorted(right.keys() - got.keys()):
        return Hint(f"The dict has no {', '.join(missing)}.", f"字典中没有 {', '.join(missing)}。")
    if all(close(got[name], array, 1e-9) for name, array in right.items()):
        return None
    names = [name for name in right if name.startswith("W")]
    swapped = {name: np.concatenate([right[name][H:], right[name][:H]]) for name in names}
    square = names if H == X else []
    straight = {name: np.concatenate([right[name][:H].T, right[name][H:].T]) for name in square}

    def found(others: dict[str, Array], at: str) -> bool:
        """Whether what was given as `at` is some gate's array of these."""
        return any(close(got[at], array, 1e-9) for name, array in others.items() if name[0] == at[0])

    if any(got[name].shape != right[name].shape for name in names):
        return Hint(
            "Each W has shape (H + X, H): the rows of h, and under them the rows of x.",
            "每个 W 的形状是 (H + X, H)：上面是 h 的行，下面是 x 的行。",
        )
    if all(found(swapped, name) for name in names):
        return Hint("Which rows come first in our W: those of h or those of x?", "W 中先是 h 的行还是 x 的行？")
    if all(found(straight, name) for name in names):
        return Hint("PyTorch multiplies by the transpose: x @ weight_ih.T.", "PyTorch 乘的是转置：x @ weight_ih.T。")
    if all(found(right, name) for name in names) and not all(close(got[name], right[name], 1e-9) for name in names):
        return Hint(
            "Every block is a gate's, but some bear another gate's name. In which order does PyTorch stack them?",
            "每一块都是某个门的，但有的名字配错了。PyTorch 按什么顺序堆叠？",
        )
    if all(close(got[name], right[name], 1e-9) for name in names):
        return Hint(
            "The matrices are right. PyTorch has two biases for each gate, and both are in the sum.",
            "矩阵都对了。PyTorch 的每个门有两个偏置，两个都要加进去。",
        )
    return Hint(
        "Cut all four arrays into four gates with np.split, and test W_i first: it comes from the first quarter.",
        "先用 np.split 把四个数组各切成四个门，再检查 W_i：它来自第一份。",
    )

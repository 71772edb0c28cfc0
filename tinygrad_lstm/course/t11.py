"""The exercises of tutorial 11: the mistakes of three hand-written backward passes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ops import sigmoid
from .quiz import Check, Hint, close, exercise

Array = np.ndarray[Any, np.dtype[Any]]

# What refutes each letter, by the evidence of the notebook: what its fingerprint would have to show.
REFUTED = {
    "a": Hint(
        "Then f and i would be off in the top row, as in the case above.",
        "那样 f 和 i 在第一行就会错，像前面那个案子。",
    ),
    "b": Hint("Then the whole top row would be right.", "那样第一行应当全对。"),
    "c": Hint("Then in the top row f alone would be off.", "那样第一行中只有 f 出错。"),
    "d": Hint("Then C would be off in the top row already.", "那样 C 在第一行就已出错。"),
    "e": Hint("Then h would be off by all of its norm from the second row on.", "那样 h 从第二行起全部丢失。"),
    "f": Hint("Then every step would be right, and W alone wrong.", "那样每一步都对，只有 W 错。"),
    "g": Hint(
        "Then f at t=4 would be 1 / (f(1 − f)) times the right one, 4 times or more, and the fingerprint 75 or more.",
        "那样 t=4 处的 f 会是正确值的 1 / (f(1 − f)) 倍，至少 4 倍，指纹里至少是 75。",
    ),
    "h": Hint("Then o would be off in the top row.", "那样 o 在第一行就会出错。"),
}
LOOK = {
    1: Hint("One gate is off in the top row. By what factor?", "第一行只有一个门出错。差的倍数是多少？"),
    2: Hint("What does it lack at step 3? Ask the ledger.", "第 3 步少了什么？去查账本。"),
}


def _suspect(number: int, right: str) -> Check:
    def named(answer: str) -> Hint | None:
        letter = answer.strip(" ().").lower()  # as the table writes it, or as people do
        if letter == right:
            return None
        if letter not in REFUTED:
            return Hint("One letter from a to h is wanted, in quotes.", "请填 a 到 h 中的一个字母，带引号。")
        (en, zh), (more, 更) = REFUTED[letter], LOOK[number]
        return Hint(f"{en} {more}", f"{zh}{更}")

    named.__qualname__ = f"suspect_{number}"
    return named


for _number, _letter in enumerate("cb", start=1):
    exercise(f"11.{_number}")(_suspect(_number, _letter))


class HuntStep(NamedTuple):
    """One step of the notebook's forward pass."""

    hx: Array
    z: Array
    f: Array
    i: Array
    C_new: Array
    o: Array
    C_old: Array
    C: Array
    h: Array


def _forward(x: Array, W: Array, b: Array) -> list[HuntStep]:
    h = C = np.zeros((len(x), W.shape[1] // 4))
    steps = []
    for t in range(x.shape[1]):
        hx = np.concatenate([h, x[:, t]], axis=1)
        z = hx @ W + b
        f, i, u, o = np.split(z, 4, axis=1)
        f, i, u, o = sigmoid(f), sigmoid(i), np.tanh(u), sigmoid(o)
        C_old, C = C, f * C + i * u
        h = o * np.tanh(C)
        steps.append(HuntStep(hx, z, f, i, u, o, C_old, C, h))
    return steps


def _slope(x: Array, W: Array, b: Array, seed: Array, dW: Array, db: Array) -> float:
    """The change of L = sum(seed · h_T) in the direction (dW, db), by central differences."""
    eps = 1e-6
    ends = [(seed * _forward(x, W + side * dW, b + side * db)[-1].h).sum() for side in (eps, -eps)]
    return float(ends[0] - ends[1]) / (2 * eps)


@exercise("11.3")
def repaired(answer: Callable[[list[HuntStep], Array, Array], Any]) -> Hint | None:
    """The right dW and db, for one step and for several, by central differences in random directions."""
    rng = np.random.default_rng(0)
    for batch, T, hidden, inputs in ((1, 1, 2, 2), (1, 2, 2, 1), (3, 5, 4, 2)):
        W, b = rng.normal(size=(hidden + inputs, 4 * hidden)), rng.normal(size=4 * hidden)
        x, seed = rng.normal(size=(batch, T, inputs)), rng.normal(size=(batch, hidden))
        result = answer(_forward(x, W, b), seed, W)
        if not isinstance(result, tuple | list) or len(result) not in (2, 3):
            return Hint(
                "Return dW, db and the trail, as the suspects do.", "请像几个嫌疑人那样，返回 dW、db 和 trail。"
            )
        dW, db = (np.asarray(part, dtype=np.float64) for part in result[:2])
        if dW.shape != W.shape or db.shape != b.shape:
            return Hint("dW and db must have the shapes of W and b.", "dW 和 db 的形状必须与 W 和 b 相同。")
        for _ in range(8):
            way_W, way_b = rng.normal(size=W.shape), rng.normal(size=b.shape)
            none = np.zeros_like(way_W)
            if not close((db * way_b).sum(), _slope(x, W, b, seed, none, way_b), 1e-4):
                return _where(T)
            if not close((dW * way_W).sum(), _slope(x, W, b, seed, way_W, np.zeros_like(way_b)), 1e-4):
                return Hint("db is right, dW is not: how is it added up?", "db 对了，dW 不对：它是怎样累加的？")
    return None


def _where(T: int) -> Hint:
    if T == 1:
        return Hint("Wrong for a single step: there suspect_3 was right.", "只有一步就错了，而这时 suspect_3 是对的。")
    return Hint(
        "Right for one step. What does a step owe the one before it, through h and along C?",
        "只有一步时对了。一步要交给前一步的，经过 h 的和沿着 C 的，都交了吗？",
    )

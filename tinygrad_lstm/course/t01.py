"""The exercises of tutorial 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from ..flow.trace import trace
from ..tensor import Tensor
from .quiz import MORE, Hint, close, exercise, near


@exercise("1.1")
def share_of_the_sum(answer: float) -> Hint | None:
    """What the + sends to x in (x · x + x) · x at x = 3."""
    x = Tensor(3.0, requires_grad=True, dtype=np.float64)
    inner = x * x + x
    seen = trace(inner * x)
    if close(answer, seen.share(x, inner)):
        return None
    if close(answer, seen.grad(x)):
        return Hint(
            "That is the whole gradient of x. Only one of its shares is asked for.",
            "这是 x 的全部梯度，这里只问其中一份。",
        )
    if close(answer, seen.share(x, seen.root)):
        return Hint(
            "That is what the outer × sends to x. The + stands before it.", "这是外层 × 送给 x 的份额；+ 在它的里面。"
        )
    if close(answer, seen.share(x, inner.inputs[0])):
        return Hint("That is what the inner × sends, along both of its edges.", "这是内层 × 沿它的两条边送出的份额。")
    if close(answer, 1.0):
        return Hint(
            "A + passes on what has arrived at it, and that is not 1: the outer × has scaled it.",
            "+ 原样传递到达它的梯度，而到达的并不是 1：外层 × 已经把它缩放过。",
        )
    return Hint(
        "First ask what arrives at the +: the outer × sends it dy times its other input.",
        "先问到达 + 的是多少：外层 × 送去的是 dy 乘以另一个输入。",
    )


@exercise("1.2")
def paths_of_threes(answer: int) -> Hint | None:
    """The paths through s = s + s + s, ten times: three a time."""
    times = 10
    if answer == 3**times:
        return None
    if answer == 2**times:
        return Hint("Each repetition uses s three times, not twice.", "每次重复用了三次 s，不是两次。")
    if answer == 4**times:
        return Hint(
            "There are two additions, but the third s meets only one of them. Draw one repetition.",
            "有两个加法，但第三个 s 只经过其中一个。画出一次重复看看。",
        )
    if answer in (3 * times, 3 * times + 1, 4 * times):
        return Hint(
            "Ways that follow one another multiply; they do not add up.", "前后相接的路段，路径数相乘，不是相加。"
        )
    if near(answer, 3**times):
        return MORE
    if answer in (3 ** (times - 1), 3 ** (times + 1)):
        return Hint("Off by one repetition: count how often s is replaced.", "差了一次重复：数一数 s 被替换了几次。")
    return Hint(
        "How many ways lead through one repetition? Then ten of them in a row.",
        "先数一次重复里有几条路，再把十次接起来。",
    )


class _Node:
    """What a tensor remembers. All nodes of a graph share a budget of looks; once it is spent, no node shows inputs."""

    _births = count(1)
    op = None

    def __init__(self, budget: list[int], inputs: Sequence[_Node] = ()) -> None:
        self.birth, self._inputs, self._budget = next(self._births), tuple(inputs), budget

    @property
    def inputs(self) -> tuple[_Node, ...]:
        self._budget[0] -= 1
        return self._inputs if self._budget[0] >= 0 else ()


def _counted(answer: Callable[..., Any], wiring: Sequence[Sequence[int]], looks: int = 1000) -> tuple[Any, int, bool]:
    """What the answer finds from the last node to the first, how many paths there are, and if it looked too often."""
    budget = [looks]
    nodes: list[_Node] = []
    paths: list[int] = []  # from each node to the first, counted in the order of birth
    for k, sources in enumerate(wiring):
        nodes.append(_Node(budget, [nodes[j] for j in sources]))
        paths.append(1 if k == 0 else sum(paths[j] for j in sources))
    return answer(nodes[-1], nodes[0]), paths[-1], budget[0] < 0


@exercise("1.3")
def count_in_order(answer: Callable[..., Any]) -> Hint | None:
    """Paths from y to x in three graphs; the last has 2⁶⁰ of them."""
    found, right, _ = _counted(answer, [(), (0,), (0, 1), (1,)])
    if found != right:
        return Hint(
            "On a graph with a single path your function does not find 1.", "在只有一条路径的图上，你的函数没有得到 1。"
        )
    found, right, _ = _counted(answer, [(), (0, 0), (1, 1, 1)])
    if found == 1:
        return Hint(
            "An input that stands twice in the tuple is two edges: a path runs along each.",
            "在元组中出现两次的输入是两条边，每条边都有路径经过。",
        )
    if found != right:
        return Hint(
            "Paths add up where edges meet: each edge brings all the paths of its output.",
            "路径数在边的汇合处相加：每条边都带来它输出端的全部路径数。",
        )
    found, right, _ = _counted(answer, [(), (0,), (1,), (2, 0), (3, 1), (4, 2, 0), (5, 1, 3), (6, 6, 0)])
    if found != right:
        return Hint(
            "Something was passed on before all of its paths had arrived. Which tensor must be visited next?",
            "有的张量，路径还没到齐就往下传了。下一个该访问哪个张量？",
        )
    found, right, too_often = _counted(answer, [(), *((k, k) for k in range(60))], looks=1200)
    if too_often:
        return Hint(
            "Right on small graphs, but it walks every path. Visit each tensor once.",
            "小图上正确，但它走遍了每一条路径。每个张量只访问一次。",
        )
    return (
        None
        if found == right
        else Hint("On 60 diamonds the number is wrong; use whole numbers.", "60 个菱形时结果不对；请用整数。")
    )

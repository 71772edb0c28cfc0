"""The exercises of tutorial 10."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("10.1")
def bits_of_a_text(answer: float) -> Hint | None:
    """1,000 characters at 1.7 nats, in bits."""
    right = 1000 * 1.7 / log(2)
    if close(answer, right):
        return None
    if close(answer, 1700):
        return Hint("Those are nats. One bit is ln 2 nats.", "这是纳特。1 比特等于 ln 2 纳特。")
    if close(answer, 1700 * log(2)):
        return Hint("A bit is the smaller unit, so there must be more of them.", "比特是更小的单位，所以数目应当更多。")
    if near(answer, right / 1000):
        return Hint("That is one character. The text has 1,000.", "这是一个字符的。文本有 1,000 个字符。")
    if close(answer, 1700 / log(10)):
        return Hint("Base 10 gives decimal digits; bits take base 2.", "以 10 为底得到十进制位数；比特要以 2 为底。")
    if near(answer, right):
        return MORE
    return Hint(
        "The loss is the mean of −ln p. A code needs −log2 p bits for a character of probability p.",
        "损失是 −ln p 的均值。概率为 p 的字符需要 −log2 p 比特。",
    )


def _bits(pairs: Any, test: Any) -> float:
    """Bits a character from a table of counts (V, V)."""
    p = pairs / pairs.sum(axis=1, keepdims=True)
    return float(-np.log2(p[test[:-1], test[1:]]).mean())


@exercise("10.2")
def bigram(answer: Callable[..., Any]) -> Hint | None:
    """Pairs counted in the training part, 1 added to each, rows normalised."""
    rng, V = np.random.default_rng(10), 5
    chain = [0]
    for _ in range(399):  # each token likes the one that follows it
        chain.append(int((chain[-1] + 1) % V if rng.random() < 0.7 else rng.integers(V - 1)))
    train, test = np.array(chain[:300]), np.array([*chain[300:], V - 1, V - 1])  # a pair that train never shows
    got = float(answer(train.copy(), test.copy(), V))
    if not close(got, _bits(_counts(train, V), test), 1e-6):
        return _typical(got, train, test, V)
    unseen = np.array([2, 2, 0, 1])
    few = float(answer(np.array([0, 1, 0, 1]), unseen, 3))
    if close(few, _bits(np.array([[1.0, 3, 1], [2, 1, 1], [1, 1, 1]]), unseen), 1e-6):
        return None
    return Hint("Use V: a token below V may not be in train.", "请用 V：小于 V 的词元不一定出现在 train 中。")


def _counts(x: Any, V: int) -> Any:
    """The table of pairs, each counted from 1 on."""
    pairs = np.ones((V, V))
    np.add.at(pairs, (x[:-1], x[1:]), 1)
    return pairs


def _typical(got: float, train: Any, test: Any, V: int) -> Hint:
    """What a wrong number of bits comes from."""
    pairs, once = _counts(train, V), np.ones((V, V))
    right = _bits(pairs, test)
    once[train[:-1], train[1:]] += 1
    if close(got, _bits(once, test), 1e-6):
        return Hint(
            "c[a, b] += 1 with arrays counts a pair once, however often it stands there: use np.add.at, or a loop.",
            "用数组写 c[a, b] += 1 时，同一对无论出现多少次都只计一次：请用 np.add.at，或用循环。",
        )
    if close(got, right * log(2), 1e-6):
        return Hint("Those are nats: take log2.", "这是纳特：请用 log2。")
    if close(got, right * (len(test) - 1), 1e-6):
        return Hint("That is the sum over the test part; the mean is wanted.", "这是测试部分的总和；需要的是均值。")
    if close(got, -right, 1e-6):
        return Hint("Bits are positive: −log2 p.", "比特数是正的：−log2 p。")
    single = np.bincount(train, minlength=V) + 1.0
    if any(close(got, float(-np.log2(single / single.sum())[part].mean()), 1e-6) for part in (test, test[1:])):
        return Hint("That is the unigram model: it ignores the character before.", "这是一元模型：它没有看前一个字符。")
    if close(got, _bits(_counts(test, V), test), 1e-6):
        return Hint("You counted in the test part. That is cheating.", "你在测试部分里计数了，这是作弊。")
    if close(got, _bits(pairs.T, test), 1e-6):
        return Hint("Which axis is the character before?", "哪个轴是前一个字符？")
    if close(got, float(-np.log2((pairs / pairs.sum())[test[:-1], test[1:]]).mean()), 1e-6):
        return Hint(
            "That is the probability of the pair. Given the first character, the row must sum to 1.",
            "这是整个字符对的概率。给定前一个字符时，每一行之和应为 1。",
        )
    if not np.isfinite(got):
        return Hint(
            "A pair that train never shows gets p = 0: add 1 to all.",
            "train 里没出现过的一对，p = 0：每个计数都要加 1。",
        )
    return Hint(
        "Make a V × V table of ones, add the pairs of train to it, divide each row by its sum, then look test up.",
        "先做一张 V × V 的全 1 表，把 train 的词元对计进去，每行除以该行之和，再查 test。",
    )


@exercise("10.3")
def written_by_steps(answer: Callable[..., Any]) -> Hint | None:
    """Of each step w_t times all later f, times g, summed over the units."""
    return _written(answer, 4, 3) or _written(answer, 6, 2)


def _written(answer: Callable[..., Any], T: int, units: int) -> Hint | None:
    rng = np.random.default_rng(T)
    f, w, g = rng.uniform(0.2, 0.9, (T, units)), rng.normal(size=(T, units)), rng.normal(size=units)
    left = np.array([f[t + 1 :].prod(axis=0) for t in range(T)])
    got = np.asarray(answer(f.copy(), w.copy(), g.copy()), dtype=np.float64)
    if close(got, (left * w * g).sum(axis=1), 1e-9):
        return None
    if close(got, left * w * g, 1e-9):
        return Hint("That is one number a step and unit: sum over the units.", "这是每步每单元一个数：请对单元求和。")
    if got.shape != (T,):
        return Hint(f"T numbers are wanted, here {T}: one a step.", f"需要 T 个数，这里是 {T} 个：每步一个。")
    wrong = {
        "f": (f[::-1].cumprod(axis=0)[::-1] * w * g).sum(axis=1),
        "back": (np.array([f[:t].prod(axis=0) for t in range(T)]) * w * g).sum(axis=1),
        "one": (np.vstack([f[1:], np.ones(units)]) * w * g).sum(axis=1),
        "none": (w * g).sum(axis=1),
        "C": (left * w).sum(axis=1),
    }
    slip = next((name for name, value in wrong.items() if close(got, value, 1e-9)), "")
    return SLIPS[slip]


SLIPS = {
    "f": Hint(
        "A step's own f acts on what was there before; what it writes passes the later ones alone.",
        "一步自己的 f 作用在原有的内容上；它写入的只经过后面各步的 f。",
    ),
    "back": Hint(
        "What is written at t passes the gates after t, not those before.",
        "在 t 处写入的，经过的是 t 之后的门，不是之前的。",
    ),
    "one": Hint("It passes all later gates, not only the next.", "它要经过后面所有的门，不只下一个。"),
    "none": Hint("What have the later forget gates left of it?", "经过后面的遗忘门，还剩多少？"),
    "C": Hint("That is how much of C_T it is. Where does g come in?", "这是它在 C_T 里占多少。g 用在哪里？"),
    "": Hint(
        "Write C_3 out for three steps: which f stand before w_1, which before w_3?",
        "把三步的 C_3 展开：w_1 前面有哪几个 f？w_3 前面呢？",
    ),
}  # fmt: skip

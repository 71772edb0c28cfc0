"""The exercises of tutorial 4."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from .quiz import MORE, Hint, close, exercise, near


@exercise("4.1")
def gate_of_a_name(answer: tuple[Any, Any]) -> Hint | None:
    """w and b with σ(b) = 0.99 and σ(w + b) = 0.01."""
    w, b = (float(number) for number in answer)
    open_at = log(0.99 / 0.01)
    if close([w, b], [-2 * open_at, open_at], 1e-2):
        return None
    if close([b, w], [-2 * open_at, open_at], 1e-2):
        return Hint("These are the right numbers in the other order: (w, b).", "数字对了，次序反了：(w, b)。")
    if close(b, open_at, 1e-2) and close(w, -open_at, 1e-2):
        return Hint(
            "b is right. At a name σ sees w + b: yours is 0 there, and σ(0) is one half.",
            "b 对了。在名字处，σ 的输入是 w + b：你的是 0，而 σ(0) 等于一半。",
        )
    if near([w, b], [-2 * open_at, open_at]):
        return MORE
    if close(b, open_at, 1e-2):
        return Hint(
            "b is right. At a name σ sees w + b: what must that sum be?",
            "b 对了。在名字处，σ 的输入是 w + b：这个和应该是多少？",
        )
    if close(b, -open_at, 1e-2):
        return Hint(
            "The gate is closed at ordinary words and open at names: that is an input gate, not a forget gate.",
            "你的门在普通词处关、在名字处开：那是输入门，不是遗忘门。",
        )
    return Hint(
        "Start where x = 0: there f = σ(b). Solve σ(b) = 0.99 for b.",
        "先看 x = 0 处：f = σ(b)。由 σ(b) = 0.99 解出 b。",
    )


def _read(answer: Callable[..., Any], text: str) -> list[tuple[str, bool, float]]:
    """(word, whether "not" has been read in this sentence, h) for each word; h is NaN where a gate is out of range."""
    C, negated, rows = 0.0, False, []
    for word in text.split():
        f, i, C_new, o = (float(value) for value in answer(word))
        legal = min(f, i, o) >= 0 and max(f, i, o) <= 1 and abs(C_new) <= 1
        C = f * C + i * C_new if legal else float("nan")
        negated = word == "not" or (negated and word != ".")
        rows.append((word, negated, o * float(np.tanh(C))))
    return rows


def _wrong(rows: list[tuple[str, bool, float]]) -> tuple[str, bool] | None:
    return next(((w, n) for w, n, h in rows if not (h > 0.5 if n else abs(h) <= 0.05)), None)


@exercise("4.2")
def negation(answer: Callable[..., Any]) -> Hint | None:
    """A memory of "not", wiped at each "."."""
    long = "this is not " + "very " * 60 + "good ."
    for text in ("this is good .", "this is not good .", "it is not good . it is red . it is not so", long):
        rows = _read(answer, text)
        if any(np.isnan(h) for _, _, h in rows):
            return Hint("A gate lies in [0, 1], and C̃ in [−1, 1].", "门的值在 [0, 1] 内，C̃ 在 [−1, 1] 内。")
        found = _wrong(rows)
        if found is None:
            continue
        word, negated = found
        if text is long:
            return Hint(
                "After 60 words the note has faded or grown: is f below 1 there?",
                "过了 60 个词，记忆淡了或涨了：那里的 f 是不是小于 1？",
            )
        if word == "not":
            return Hint(
                "Right after 'not' h is not above 0.5. Is i open there, C̃ large, and o open?",
                "刚读完 not，h 没有超过 0.5。那里 i、o 开着吗，C̃ 够大吗？",
            )
        if word == ".":
            return Hint(
                "At '.' the old sentence is over, but h still says 'not'.", "读到“.”时旧句已经结束，h 却仍表示有 not。"
            )
        if negated:
            return Hint(
                "After 'not' the note is lost at the next words: who keeps it?",
                "not 之后的词把记忆丢了：由哪个门保留它？",
            )
        return Hint("h is not 0 although no 'not' was read in this sentence.", "本句没有读到 not，h 却不是 0。")
    twice = _wrong(_read(answer, "it is not not " * 3 + "good . it is"))
    return Hint("A second 'not' in a sentence upsets it.", "一句中的第二个 not 打乱了它。") if twice else None


def _step(x: Any, h: Any, C: Any, W: Any, b: Any, mistake: str = "") -> tuple[Any, Any]:
    hx = np.concatenate([x, h] if mistake == "order" else [h, x], axis=-1)
    z = {gate: hx @ W[gate] + b[gate] for gate in W}
    f, i, o = (1 / (1 + np.exp(-z[gate])) for gate in "fio")
    new = 1 / (1 + np.exp(-z["C"])) if mistake == "candidate" else np.tanh(z["C"])
    after = f * C + ((1 - f) if mistake == "coupled" else i) * new
    shown = {"old": np.tanh(C), "bare": after}.get(mistake, np.tanh(after))
    return o * shown, after


_MISTAKES = {
    "order": Hint("It is [h ; x]: the rows of h come first in each W.", "应为 [h ; x]：每个 W 中 h 的行在前。"),
    "candidate": Hint("C̃ may be negative: its function is tanh, not σ.", "C̃ 可以为负：它用 tanh，不用 σ。"),
    "old": Hint("h shows the new C, not the one before.", "h 露出的是新的 C，不是旧的。"),
    "bare": Hint("h is o ∘ tanh(C): the tanh is missing.", "h = o ∘ tanh(C)：少了 tanh。"),
    "coupled": Hint("Here i is a gate of its own, with its own weights.", "这里 i 是独立的门，有自己的权重。"),
}


@exercise("4.3")
def one_step(answer: Callable[..., Any]) -> Hint | None:
    """One step on two rows of three units and two features, and on one row of two units and four features."""
    return _one_step(answer, 2, 3, 2) or _one_step(answer, 1, 2, 4)


def _one_step(answer: Callable[..., Any], batch: int, hidden: int, inputs: int) -> Hint | None:
    rng = np.random.default_rng(4)
    W = {gate: rng.normal(size=(hidden + inputs, hidden)) for gate in "fiCo"}
    b = {gate: rng.normal(size=hidden) for gate in "fiCo"}
    x, h, C = (rng.normal(size=(batch, n)) for n in (inputs, hidden, hidden))
    got_h, got_C = answer(x, h, C, W, b)
    right_h, right_C = _step(x, h, C, W, b)
    if close(got_h, right_h, 1e-6) and close(got_C, right_C, 1e-6):
        return None
    if close(got_h, right_C, 1e-6) and close(got_C, right_h, 1e-6):
        return Hint("Both are right, in the other order: return (h, C).", "两者都对，次序反了：返回 (h, C)。")
    for mistake, hint in _MISTAKES.items():
        if all(
            close(got, wrong, 1e-6) for got, wrong in zip((got_h, got_C), _step(x, h, C, W, b, mistake), strict=True)
        ):
            return hint
    if close(got_C, right_C, 1e-6):
        return Hint("C is right. Look at h again.", "C 对了。再看看 h。")
    return Hint(
        "C is not right yet: f ∘ C plus i ∘ C̃, each gate with its own W and b.",
        "C 还不对：f ∘ C 加 i ∘ C̃，每个门用自己的 W 和 b。",
    )

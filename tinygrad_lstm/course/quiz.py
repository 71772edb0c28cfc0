"""What a notebook of the course asks of its reader: a prediction before each reveal, and exercises that are checked.

It speaks the language that `tinygrad_lstm.language` has set; the notebooks in 中文 set it in their first cell.
"""

from __future__ import annotations

import inspect
import os
import re
from collections import Counter
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np

from ..spoken import current, said
from .solutions import solutions

__all__ = ["Hint", "MissingGuess", "ask", "check", "close", "exercise", "near", "reveal", "solution"]


class Hint(NamedTuple):
    """What to think about next, in both languages; as a text it is in the one that is spoken."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.zh if current() == "zh" else self.en


class Verdict(NamedTuple):
    """What became of an answer; "raised": the learner's function did, "failed": the check could not work with it."""

    kind: Literal["missing", "right", "wrong", "raised", "failed"]
    hint: Hint


Check = Callable[[Any], Hint | None]

MORE = Hint("Near: give more digits, or let Python compute it.", "很接近：请多给几位数字，或者让 Python 来算。")
TRIES = 3  # wrong answers before `solution` shows a right one

_checks: dict[str, Check] = {}
_tried: Counter[str] = Counter()  # wrong answers to each exercise
_solved: set[str] = set()
_asks = not os.environ.get("NBGRADER_EXECUTION")  # see `ask`; nbgrader runs what a student has handed in
_NO_GUESS = Hint(
    "· Your guess is still missing: type one, and run this again.", "· 还没有猜：请填上你的猜测，再运行一次。"
)


class MissingGuess(Exception):
    """A prediction that was not made: what its cell would show next is the answer, so the cell ends here."""

    def _render_traceback_(self) -> list[str]:  # IPython shows this in the place of a traceback
        return [str(self)]


class _Missing(Exception):
    """The learner's function returned None: it is not written yet."""


class _Raised(Exception):
    """The learner's function raised this."""


def exercise(key: str) -> Callable[[Check], Check]:
    """Enter a check: a function of the answer that returns None where it is right, else a Hint.

    Raises ValueError where another function has the key already.
    """

    def enter(function: Check) -> Check:
        if key in _checks and _checks[key].__qualname__ != function.__qualname__:
            raise ValueError(f"exercise: {key!r} is taken by {_checks[key].__qualname__}.")
        _checks[key] = function
        return function

    return enter


def close(a: Any, b: Any, rtol: float = 1e-3) -> bool:
    """Whether a and b have one shape and differ by at most `rtol` of the largest entry of b."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return a.shape == b.shape and bool((np.abs(a - b) <= rtol * np.abs(b).max(initial=0.0)).all())


def near(a: Any, b: Any) -> bool:
    """Whether a is b to two digits or so: rounded, and no other mistake."""
    return close(a, b, 0.03)


def check(key: str, answer: Any) -> None:
    """Say whether an answer is right; where it is not, give one hint. None is an answer still to come.

    After three wrong answers it names `solution`. Raises LookupError where there is no exercise of this key; it lists
    those that there are.
    """
    kind, hint = judge(key, answer)
    if kind == "right":
        _solved.add(key)
    elif kind != "missing":
        _tried[key] += 1
    sign = {"missing": "·", "right": "✓"}.get(kind, "✗")
    print(said("{sign} {key}: {hint}", sign=sign, key=key, hint=hint))
    if sign == "✗" and _tried[key] == TRIES:
        print(said('  quiz.solution("{key}") now shows a right answer.', key=key))


def solution(key: str) -> None:
    """Print a right answer and why it is right: to who has answered rightly, or wrongly three times.

    Raises LookupError as `check` does.
    """
    _check_of(key)
    left = TRIES - _tried[key]
    if left > 0 and key not in _solved:
        print(said("· {key}: first try it, {left} more time(s): each hint says more.", key=key, left=left))
        return
    found = solutions()[key]
    print(said("{key}: {why}\n\n{code}", key=key, why=Hint(found.en, found.zh), code=found.code))


def ask(predictions: bool) -> None:
    """Whether `reveal` insists on a guess. False is for a notebook that runs unattended: it then shows all.

    nbgrader's autograder runs notebooks unattended: there it is False from the start.
    """
    global _asks
    _asks = predictions


def reveal(guess: Any, measured: Any) -> None:
    """Say what was measured and how far off the guess was, as a ratio.

    Raises MissingGuess where the guess is None, which ends the cell in one line, without a traceback; see `ask`.
    """
    if guess is None:
        if _asks:
            raise MissingGuess(str(_NO_GUESS))
        print(_NO_GUESS)
        return
    if isinstance(measured, str | bool | np.bool_):
        same = str(guess).strip().lower() == str(measured).lower()
        text = "{sign} measured: {measured}, your guess: {guess}"
        print(said(text, sign="✓" if same else "✗", measured=measured, guess=guess))
        return
    found = float(measured)
    try:
        guess = float(guess)
    except (TypeError, ValueError):
        print(said("✗ A number is wanted, not {guess!r}.", guess=guess))
        return
    text = "measured: {found:.4g}, your guess: {guess:.4g}, {distance}"
    print(said(text, found=found, guess=guess, distance=_distance(guess, found)))


def judge(key: str, answer: Any) -> Verdict:
    """What `check` says, not printed. Raises LookupError as it does."""
    function = _check_of(key)
    if _is_missing(answer):
        return _MISSING
    en, zh = _wanted(function)
    if (en, zh) in (_KINDS["float"], _KINDS["int"]) and not _is_number(answer):
        said = _short(answer)
        return Verdict("failed", Hint(f"{en} is wanted here, not {said}.", f"这里需要{zh}，不是 {said}。"))
    if inspect.isfunction(answer):
        answer = _must_return(answer)
    try:
        with np.errstate(all="ignore"):
            hint = function(answer)
    except _Missing:
        return _MISSING
    except _Raised as exc:
        return Verdict("raised", Hint(f"Your function raised {exc}", f"你的函数抛出了 {exc}"))
    except Exception as exc:
        if callable(answer):
            of = "What your function returns cannot be used.", "函数的返回值无法使用。"
            return Verdict("failed", Hint(f"{of[0]} {_told(exc)}", of[1]))
        return Verdict("failed", Hint(f"{en} is wanted here. {_told(exc)}", f"这里需要{zh}。"))
    return _RIGHT if hint is None else Verdict("wrong", Hint(*hint))


_MISSING = Verdict("missing", Hint("not answered yet", "尚未作答"))
_RIGHT = Verdict("right", Hint("right", "正确"))


def _check_of(key: str) -> Check:
    number = re.fullmatch(r"(\d+)\.\d+", key) if isinstance(key, str) else None
    if number:
        module = f"{__package__}.t{int(number[1]):02}"
        if find_spec(module):
            import_module(module)
    if key not in _checks:
        known = sorted(_checks, key=lambda known: [int(part) for part in known.split(".")])
        there = f"There are: {', '.join(known)}" if known else "Keys look like '5.1': tutorial 5, exercise 1"
        raise LookupError(f"quiz: there is no exercise {key!r}. {there}.")
    return _checks[key]


def _is_number(answer: Any) -> bool:
    """No list of one number, no text of digits, no truth value."""
    if isinstance(answer, Real):
        return not isinstance(answer, bool)
    return getattr(answer, "ndim", None) == 0 and np.asarray(answer).dtype.kind in "iuf"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:39]}…"


def _told(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}".split("\n")[0][:200]


def _is_missing(answer: Any) -> bool:
    parts = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else (answer,)
    return len(parts) > 0 and all(part is None for part in parts)


def _must_return(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def called(*args: Any, **kw: Any) -> Any:
        try:
            result = function(*args, **kw)
        except Exception as exc:
            raise _Raised(_told(exc)) from exc
        if _is_missing(result):
            raise _Missing
        return result

    return called


_KINDS = {
    "float": ("A number", "一个数"),
    "int": ("A whole number", "一个整数"),
    "str": ("A text in quotes", "一个带引号的字符串"),
    "bool": ("True or False", "True 或 False"),
    "Callable": ("A function", "一个函数"),
    "list": ("A list", "一个列表"),
    "tuple": ("A tuple", "一个元组"),
    "dict": ("A dict", "一个字典"),
    "Array": ("An array", "一个数组"),
    "ndarray": ("An array", "一个数组"),
}


def _wanted(function: Check) -> tuple[str, str]:
    """The kind of answer that a check's annotation names: the one that stands first in it."""
    annotation = next(iter(inspect.signature(function).parameters.values())).annotation
    name = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    first = re.search(rf"\b({'|'.join(_KINDS)})\b", name)
    return _KINDS[first[1]] if first else ("Another kind of answer", "另一种答案")


def _distance(guess: float, found: float) -> str:
    if guess == found:
        return said("exact")
    if not (guess * found > 0 and np.isfinite(guess / found)):  # no ratio to speak of
        return said("off by {by:.3g}", by=guess - found)
    ratio = guess / found
    if abs(ratio - 1) < 0.05:
        return said("less than 5 % off")
    by = max(ratio, 1 / ratio)
    return said("{by:.3g} times too large" if ratio > 1 else "{by:.3g} times too small", by=by)

"""Names and modes: where we are, what is recorded, what is replaced, what is checked.

Every mode lives in a context variable, so two threads (or two coroutines) may each have their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from typing import Any

scope_path: ContextVar[str] = ContextVar("scope_path", default="")
recording: ContextVar[bool] = ContextVar("recording", default=True)
anomaly: ContextVar[bool] = ContextVar("anomaly", default=False)
hooks: ContextVar[tuple[Any, ...]] = ContextVar("hooks", default=())  # called by .named: see flow/what_if.py


@contextmanager
def setting(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


class scope(ContextDecorator):  # a class: a cell enters six at each step, and a generator takes three times as long
    """Everything made inside `with scope("encoder"):` carries that name in its path.
    Scopes nest: a tensor's `.scope` reads like `"lstm/t=3/forget gate"`."""

    _tokens: list[Token[str]]

    def __init__(self, name: str) -> None:
        self.name, self._tokens = name, []

    def __enter__(self) -> None:
        outer = scope_path.get()
        self._tokens.append(scope_path.set(f"{outer}/{self.name}" if outer else self.name))

    def __exit__(self, *exc: object) -> None:
        scope_path.reset(self._tokens.pop())


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside `with no_grad():` nothing is recorded: results need no gradient and hold no history."""
    with setting(recording, False):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside `with detect_anomaly():` the first value or gradient that is not finite raises FloatingPointError.
    It names the op, the scope path and the range of its inputs. Slower: every array is looked at.
    """
    with setting(anomaly, True):
        yield

"""Names and modes: where we are, what is recorded, what is replaced, what is checked.

Every mode lives in a context variable, so two threads (or two coroutines) may each have their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from threading import local
from typing import Any, TypeVar

from .habits import text

F = TypeVar("F", bound=Callable[..., Any])

scope_path: ContextVar[str] = ContextVar("scope_path", default="")
recording: ContextVar[bool] = ContextVar("recording", default=True)
anomaly: ContextVar[bool] = ContextVar("anomaly", default=False)
hooks: ContextVar[tuple[Any, ...]] = ContextVar("hooks", default=())  # called by .named: see flow/what_if.py


class Mode(ContextDecorator):
    """What holds inside a `with`, or in each call of a function that it decorates.

    What a generator has set when it yields holds outside too, until it goes on: end the block before a `yield`.
    Raises RuntimeError where the ends of two blocks cross, TypeError for a function that runs after its call.
    """

    def __call__(self, function: F) -> F:
        if any(is_later(function) for is_later in (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)):
            raise TypeError(f"@{type(self).__name__}: {function.__name__} runs after its call. Use `with` inside it.")
        return super().__call__(function)


def _crossed(mode: str) -> RuntimeError:
    return RuntimeError(f"{mode} ends before what began inside of it. Is a `with` left open at a `yield`?")


class setting(Mode, local):
    """Inside `with setting(variable, value):` the variable has that value."""

    def __init__(self, variable: ContextVar[Any], value: Any) -> None:
        self.variable, self.value = variable, value
        self._before: list[Any] = []  # of this thread: several may share one object

    def __enter__(self) -> None:
        self._before.append(self.variable.get())
        self.variable.set(self.value)

    def __exit__(self, *exc: object) -> None:
        crossed = self.variable.get() is not self.value
        self.variable.set(self._before.pop())
        if crossed:
            raise _crossed(f"{self.variable.name}={self.value}")


class scope(Mode):
    """Everything made inside `with scope("encoder"):` carries that name in its path.
    Scopes nest: a tensor's `.scope` reads like `"lstm/t=3/forget gate"`."""

    def __init__(self, name: str) -> None:
        self.name = text(name)

    def __enter__(self) -> None:
        outer = scope_path.get()
        scope_path.set(f"{outer}/{self.name}" if outer else self.name)

    def __exit__(self, *exc: object) -> None:
        path = scope_path.get()
        if not path.endswith(self.name):
            scope_path.set(path.rpartition(self.name)[0].rstrip("/"))
            raise _crossed(f'scope("{self.name}")')
        scope_path.set(path[: -len(self.name) - 1])  # nothing is kept in self: threads may share it


def no_grad() -> setting:
    """Inside `with no_grad():` nothing is recorded: results need no gradient and hold no history."""
    return setting(recording, False)


def detect_anomaly() -> setting:
    """Inside `with detect_anomaly():` the first value or gradient that is not finite raises FloatingPointError.
    It names the op, the scope path and the range of its inputs. Slower: every array is looked at.
    """
    return setting(anomaly, True)

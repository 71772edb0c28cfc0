"""Names and modes: where we are, what is recorded, what is replaced, what is checked.

Every mode lives in a context variable, so two threads (or two coroutines) may each have their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from fnmatch import fnmatchcase
from typing import Any

scope_path: ContextVar[str] = ContextVar("scope_path", default="")
recording: ContextVar[bool] = ContextVar("recording", default=True)
anomaly: ContextVar[bool] = ContextVar("anomaly", default=False)
hooks: ContextVar[tuple[Hook, ...]] = ContextVar("hooks", default=())

@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)

class scope(ContextDecorator):  # a class: a cell enters six at each step, and a generator takes three times as long
    """Everything made inside `with scope("encoder"):` carries that name in its path.
    Scopes nest: a tensor's `.scope` reads like `"lstm/t=3/forget gate"`.
    """
    def __init__(self, name: str) -> None: self.name, self._tokens = name, list[Token[str]]()
    def __enter__(self) -> None:
        outer = scope_path.get()
        self._tokens.append(scope_path.set(f"{outer}/{self.name}" if outer else self.name))
    def __exit__(self, *exc: object) -> None: scope_path.reset(self._tokens.pop())

@contextmanager
def no_grad() -> Iterator[None]:
    """Inside `with no_grad():` nothing is recorded: results need no gradient and hold no history."""
    with _set(recording, False):
        yield

@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside `with detect_anomaly():` the first value or gradient that is not finite raises FloatingPointError.
    It names the op, the scope path and the range of its inputs. Slower: every array is looked at.
    """
    with _set(anomaly, True):
        yield

class Hook:
    """One change of `what_if`: a pattern for names, and what to put in the place of the tensors that it finds."""

    def __init__(self, pattern: str, change: Any) -> None: self.pattern, self.change, self.used = pattern, change, False

    def matches(self, path: str, name: str) -> bool:
        """The pattern's last part must fit the name; the others must stand on its path, in this order."""
        *outer, last = self.pattern.split("/")
        on_path = iter(path.split("/"))
        return fnmatchcase(name, last) and all(any(fnmatchcase(s, part) for s in on_path) for part in outer)

@contextmanager
def what_if(changes: Mapping[str, Any] | None = None, /, **by_name: Any) -> Iterator[None]:
    """Ask what would happen if a named tensor were another: `with what_if(f=1.0, h=detach):`.

    Each key is a name (`"f"`), or parts of a scope path and a name (`"t=7/C̃"`, `"layer 2/t=*/f"`; `*` and `?` are
    wildcards within a part). Each value is a number, an array of the tensor's shape, or a function of the tensor.
    Whatever is computed from the tensor afterwards, forward and backward, uses the replacement.

    Raises LookupError at the end of the block where a key was never met: a typing error must not look like "no effect".
    """
    own = tuple(Hook(pattern, change) for pattern, change in {**(changes or {}), **by_name}.items())
    with _set(hooks, hooks.get() + own):
        yield
    if missed := [hook.pattern for hook in own if not hook.used]:
        raise LookupError(f"what_if: no tensor called {' or '.join(missed)} was made inside the block. See .named(…).")

"""What would happen if a named tensor were another: it is replaced as it is made, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..scope import hooks, setting
from ..tensor import Tensor


class Hook:
    """One change of `what_if`: a pattern for names, and what to put in the place of the tensors that it finds."""

    def __init__(self, pattern: str, change: Any) -> None:
        self.pattern, self.change, self.used = pattern, change, False

    def matches(self, path: str, name: str) -> bool:
        """The pattern's last part must fit the name; the others must stand on its path, in this order."""
        *outer, last = self.pattern.split("/")
        on_path = iter(path.split("/"))
        return fnmatchcase(name, last) and all(any(fnmatchcase(s, part) for s in on_path) for part in outer)

    def __call__(self, tensor: Tensor, name: str) -> Tensor:
        """What stands in the place of a tensor that is about to be named. Raises ValueError for another shape."""
        if not self.matches(tensor.scope, name):
            return tensor
        self.used = True
        new = self.change(tensor) if callable(self.change) else self.change
        if not isinstance(new, Tensor):
            new = Tensor(np.full(tensor.shape, new) if np.ndim(new) == 0 else new, dtype=tensor.dtype)
        if new.shape != tensor.shape:
            raise ValueError(f"what_if: {name} has shape {tensor.shape}, its replacement {new.shape}.")
        return new


@contextmanager
def what_if(changes: Mapping[str, Any] | None = None, /, **by_name: Any) -> Iterator[None]:
    """Ask what would happen if a named tensor were another: `with what_if(f=1.0, h=detach):`.

    Each key is a name (`"f"`), or parts of a scope path and a name (`"t=7/C̃"`, `"layer 2/t=*/f"`; `*` and `?` are
    wildcards within a part). Each value is a number, an array of the tensor's shape, or a function of the tensor.
    Whatever is computed from the tensor afterwards, forward and backward, uses the replacement.

    Raises LookupError at the end of the block where a key was never met: a typing error must not look like "no effect".
    """
    own = tuple(Hook(pattern, change) for pattern, change in {**(changes or {}), **by_name}.items())
    with setting(hooks, hooks.get() + own):
        yield
    if missed := [hook.pattern for hook in own if not hook.used]:
        raise LookupError(f"what_if: no tensor called {' or '.join(missed)} was made inside the block. See .named(…).")

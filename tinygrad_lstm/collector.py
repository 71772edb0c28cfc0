"""Python's garbage collector waits while a history is made or gone back through."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection of garbage inside: none of what is made here is any yet.

    The collector looks for cycles through all objects that live, again and again, and a recorded history is nothing but
    these: at 100,000 steps that cost three quarters of the time again. Memory that no cycle holds is freed as always.
    """
    if not gc.isenabled():  # by the user, or by another thread, whose turn it is to enable it
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

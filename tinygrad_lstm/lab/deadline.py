"""A limit of time for what a user's code does, which may be a loop without end."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from .wordings import TookTooLong

T = TypeVar("T")
AGAIN = 0.5  # seconds, where it was caught


def within(seconds: float, function: Callable[[], T]) -> T:
    """The result of a function, in this thread. After so many seconds TookTooLong is raised in the middle of it.

    It reaches Python code alone: a single call of a compiled function is waited for.
    """
    thread, done, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Lock()
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    throw(thread, ctypes.py_object(TookTooLong))
            wait = AGAIN

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function()
    finally:
        with lock:
            done.set()
            throw(thread, None)  # takes back one that has not come yet

"""A limit of time for what a user's code does, which may be a loop without end."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .wordings import TookTooLong

T = TypeVar("T")
LOOKS = 0.1  # seconds from look to look


def within(seconds: float, function: Callable[[], T], ending: threading.Event | None = None) -> T:
    """The result of a function, in this thread. TookTooLong is raised in the middle of it after so many seconds, or
    when `ending` is set; again and again, where it is caught.

    It reaches Python code alone: a single call of a compiled function is waited for.
    """
    thread, done, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Lock()
    throw, last = ctypes.pythonapi.PyThreadState_SetAsyncExc, time.monotonic() + seconds

    def watch() -> None:
        while not done.wait(LOOKS):
            if time.monotonic() > last or (ending is not None and ending.is_set()):
                with lock:
                    if not done.is_set():
                        throw(thread, ctypes.py_object(TookTooLong))

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function()
    finally:
        with lock:
            done.set()
            throw(thread, None)  # takes back one that has not come yet

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
    thread, last = ctypes.c_ulong(threading.get_ident()), time.monotonic() + seconds
    lock, done, over = threading.Lock(), threading.Event(), False
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        while not done.wait(LOOKS):
            if time.monotonic() > last or (ending is not None and ending.is_set()):
                with lock:
                    if not over:
                        throw(thread, ctypes.py_object(TookTooLong))

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function()
    finally:
        # What has been thrown and is still on its way comes in the loop, at the latest. (To take it back, by throwing
        # NULL, leaves CPython 3.11 in a state in which the next sys.setprofile never returns.)
        over = True
        try:
            with lock:
                pass
            for _ in range(3):
                pass
        except TookTooLong:
            over = True
        done.set()

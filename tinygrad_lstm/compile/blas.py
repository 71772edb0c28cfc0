"""How many threads NumPy's own BLAS may use: compiled loops have threads of their own."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

_lock, _held = Lock(), [0, 1]  # how many ask for one thread now, and how many threads there were before


@cache
def library() -> ctypes.CDLL | None:
    """The OpenBLAS that wheels of NumPy carry; None where NumPy was built on another."""
    package = Path(np.__file__).parent
    for path in sorted([*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")]):
        try:
            found = ctypes.CDLL(str(path))
        except OSError:  # it is for another machine; the next may not be
            continue
        if hasattr(found, "scipy_openblas_set_num_threads64_"):
            return found
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS at one thread: after a large product its own threads go on spinning for a while, beside ours.

    It holds for the whole program, until the last of all that ask for it, in whatever threads, is done.
    """
    blas = library()
    with _lock:
        _held[0] += 1
        if blas and _held[0] == 1:
            _held[1] = blas.scipy_openblas_get_num_threads64_()
            blas.scipy_openblas_set_num_threads64_(1)
    try:
        yield
    finally:
        with _lock:
            _held[0] -= 1
            if blas and not _held[0]:
                blas.scipy_openblas_set_num_threads64_(_held[1])

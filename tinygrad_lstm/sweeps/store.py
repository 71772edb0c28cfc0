"""Where finished trials are kept: a file to which lines are only ever added, each of them whole or not at all.

Several sweeps may use one file at the same time, on one machine or on machines with a common disk: who runs a trial
holds a lock on a byte whose number is the trial's key, in a file beside it. The system takes a lock back when its
process ends, however it ends, so that a killed sweep leaves nothing claimed.
"""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from ..exchange.files import explained
from .trials import FIRST, Trial

try:
    import fcntl
except ImportError:  # Windows, a browser: there nothing tells two sweeps of one file apart
    fcntl = None  # type: ignore[assignment]

_open: set[str] = set()  # locks are a process's: closing a file gives back all that the process has on it


class Trials:
    """Finished trials by key, in memory: what a sweep without a file has."""

    def __init__(self) -> None:
        self.done: dict[str, Trial] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Nothing is open."""

    def refresh(self) -> None:
        """Learn of what others have finished."""

    def claim(self, key: str) -> bool:
        """Whether this sweep may run the trial: not where another one does."""
        return True

    def release(self, keys: Iterable[str]) -> None:
        """Others may run them now."""

    def add(self, trials: Iterable[Trial]) -> None:
        """Keep finished trials."""
        self.done |= {trial.key: trial for trial in trials}


class TrialFile(Trials):
    """The same in a file of JSON lines.

    Raises OSError where it cannot be read or written, ValueError where a line is not a row or where this very process
    is writing to it already. A last line without an end is what a kill in the midst of writing has left: it is removed,
    with a warning.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path, self.place = os.fspath(path), os.path.realpath(path)
        self._read, self._lines = 0, 0  # bytes and lines
        self._turn = threading.RLock()
        if self.place in _open:
            raise ValueError(f"{self.path}: a sweep of this process is writing to it already; let it end first.")
        folder, name = os.path.split(self.place)
        try:
            binary = getattr(os, "O_BINARY", 0)
            self._file = os.open(self.place, os.O_RDWR | os.O_CREAT | os.O_APPEND | binary, 0o666)
            self._locks = os.open(os.path.join(folder, f".{name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as exc:
            raise explained(exc, f"{self.path}: cannot be written ({exc.strerror or exc})") from None
        _open.add(self.place)
        try:
            self.refresh()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *reason: object) -> None:
        os.close(self._locks)
        os.close(self._file)
        _open.discard(self.place)

    def refresh(self) -> None:
        if os.fstat(self._file).st_size != self._read:
            with self._alone():
                self._catch_up()

    def add(self, trials: Iterable[Trial]) -> None:
        data = b"".join(trial.line() for trial in trials)
        with self._alone():
            self._catch_up()
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file)
            except OSError as exc:
                os.ftruncate(self._file, size)
                what = f"{self.path}: cannot be written ({exc.strerror or exc}); its {self._lines} rows are whole"
                raise explained(exc, f"{what}. Mend that and run the same sweep again: it goes on.") from None
            self._catch_up()

    def claim(self, key: str) -> bool:
        return fcntl is None or self._lock(1 + int(key[:15], 16), wait=False)

    def release(self, keys: Iterable[str]) -> None:
        if fcntl is not None:
            for key in keys:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 1 + int(key[:15], 16))

    def _lock(self, byte: int, *, wait: bool) -> bool:
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except OSError as exc:
            if exc.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise explained(exc, f"{self.path}: no locks are to be had there ({exc.strerror or exc})") from None
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other thread or process reads or writes."""
        with self._turn:
            if fcntl is not None:
                self._lock(0, wait=True)
            try:
                yield
            finally:
                if fcntl is not None:
                    fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 0)

    def _catch_up(self) -> None:
        """Read what is new, and cut off a torn last line: whoever was writing it is gone, since we hold the lock."""
        size = os.fstat(self._file).st_size
        if size < self._read:
            raise ValueError(f"{self.path}: somebody has shortened it while the sweep ran; run the sweep again.")
        data = bytearray()
        os.lseek(self._file, self._read, os.SEEK_SET)  # what is written goes to the end all the same
        while len(data) < size - self._read and (part := os.read(self._file, 1 << 24)):
            data += part
        whole, _, torn = bytes(data).rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        for trial in rows(lines, self.path, self._lines):
            self.done[trial.key] = trial
        self._lines += len(lines)
        self._read += len(data) - len(torn)
        if torn:
            self._mend(torn)

    def _mend(self, torn: bytes) -> None:
        left = torn.rstrip(b"\0")  # which a disk may have left after a power cut
        if left[: len(FIRST)] != FIRST[: len(left)]:
            raise ValueError(f"{self.path}: its last line is none of a sweep's rows; give another path.")
        os.ftruncate(self._file, self._read)
        warnings.warn(
            f"{self.path}: its last line was torn by a kill in the midst of writing: {len(torn)} bytes are removed",
            stacklevel=2,
        )


def rows(lines: Iterable[bytes], path: str, before: int = 0) -> Iterator[Trial]:
    """The trials of lines. Raises ValueError with file, line and remedy where one is no row."""
    for number, line in enumerate(lines, before + 1):
        try:
            yield Trial.of(line)
        except ValueError as exc:
            raise ValueError(f"{path}, line {number}: {exc}. Remove that line, or give another path.") from None


def read_rows(path: str | os.PathLike[str]) -> list[Trial]:
    """The trials of a file, the last of each key, without touching it: a torn last line is passed over.

    Raises OSError, and ValueError for a line that is no row.
    """
    with open(path, "rb") as file:
        whole, _, _ = file.read().rpartition(b"\n")
    return list({trial.key: trial for trial in rows(whole.split(b"\n") if whole else [], os.fspath(path))}.values())

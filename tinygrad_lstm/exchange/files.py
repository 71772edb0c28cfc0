"""Files that are there whole or not at all, and errors that say so in one line."""

from __future__ import annotations

import glob
import os
import re
import secrets
import time

Path = str | os.PathLike[str]
HOUR = 3600.0


def try_place(path: Path) -> None:
    """Raise now the OSError that `write` would raise later: for the start of what takes long."""
    place = os.path.realpath(path)
    trial = _beside(place)
    try:
        _regular(place)
        with open(trial, "xb"):
            pass
        os.unlink(trial)
    except OSError as exc:
        raise explained(exc, refused(path, exc)) from None


def write(path: Path, data: bytes) -> None:
    """The whole file or none: under another name first, forced to the disk, then renamed.

    Raises OSError (or its subclass) with one clear line; then nothing is left behind, and what was there is as before.
    """
    place = os.path.realpath(path)  # a link stays a link
    trial = _beside(place)
    try:
        _regular(place)
        try:
            with open(trial, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(trial, place)
        except BaseException:  # Ctrl-C too
            if os.path.exists(trial):
                os.unlink(trial)
            raise
        if hasattr(os, "O_DIRECTORY"):  # the new name is on the disk only when its folder is
            folder = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as exc:
        raise explained(exc, refused(path, exc)) from None


def _beside(place: str) -> str:
    """A new name beside the place; what killed programs have left there under such names is removed."""
    folder, name = os.path.split(place)
    start = os.path.join(folder, f".{name[:50]}.")
    for left in glob.glob(f"{glob.escape(start)}*.tmp"):
        if (found := re.fullmatch(r"(\d+)\.[0-9a-f]{8}\.tmp", left.removeprefix(start))) and _is_over(left, found[1]):
            os.unlink(left)
    return f"{start}{os.getpid()}.{secrets.token_hex(4)}.tmp"


def _is_over(left: str, pid: str) -> bool:
    """Whether nobody is writing this file any more: its process is gone, or it is old where that cannot be asked."""
    try:
        if time.time() - os.stat(left).st_mtime > HOUR:
            return True
        if os.name != "posix":
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return os.path.exists(left)
    except OSError:  # somebody else's, or just renamed
        return False
    return False


def _regular(place: str) -> None:
    """Whether a file may stand there: renaming one onto a device (/dev/null) would replace it."""
    if not os.path.isdir(os.path.dirname(place)):
        raise FileNotFoundError("there is no such folder; make it first")
    if os.path.isdir(place):
        raise IsADirectoryError("it is a folder; add a file name")
    if os.path.exists(place) and not os.path.isfile(place):
        raise OSError("it is no ordinary file")


def refused(path: Path, exc: OSError) -> str:
    return f"{path}: cannot be written ({exc.strerror or exc}); nothing was saved there"


def explained(exc: OSError, line: str) -> OSError:
    """The same kind of error with our line as its text."""
    new = type(exc)(line)
    new.errno = exc.errno
    return new

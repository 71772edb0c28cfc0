"""Where numba keeps what it has compiled: a cache that cannot be used costs time, and never a result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from os import environ
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


def kept_text(text: str, name: str, versions: str) -> str:
    """A file with the text, beside which numba keeps what it makes of it; its name is no file's where none can be."""
    try:
        folder = Path(environ.get("NUMBA_CACHE_DIR") or environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        path = folder / "tinygrad_lstm" / f"{name}_{sha256((versions + text).encode()).hexdigest()[:16]}.py"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # an older file is what numba goes by
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False) as file:
                file.write(text)
            Path(file.name).replace(path)
    except (OSError, RuntimeError):  # RuntimeError: nobody's home; `compiled` says that there is no place
        return f"<{name}>"
    return str(path)


class Cache(FunctionCache):
    """A function's compiled code on the disk; what is damaged there is compiled and written anew."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as exc:  # unpickling damaged data raises almost anything
            self._told(exc)
            with suppress(OSError):
                self.flush()  # an empty index: its entries are lost with it
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as exc:
            self._told(exc)

    def _told(self, exc: Exception) -> None:
        what = f"the cache in {self.cache_path} cannot be used ({type(exc).__name__}: {exc})"
        warnings.warn(f"compiled steps: {what}; they are compiled again", stacklevel=1)


def compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled at its first call, and kept for the next program where there is a place for that.

    A division that does not raise leaves a loop no way out, and "contract" joins products and sums; NaN remains NaN.
    """
    made = njit(function, fastmath={"contract"}, error_model="numpy", nogil=True)
    try:
        made._cache = Cache(function)  # what cache=True sets, too
    except RuntimeError:  # numba finds no folder that can be written
        warnings.warn(
            "compiled steps: there is no folder to keep them in, so every program compiles them anew, which takes some "
            "seconds; NUMBA_CACHE_DIR names one",
            stacklevel=1,  # the same place for all of them: it is said once
        )
    return made

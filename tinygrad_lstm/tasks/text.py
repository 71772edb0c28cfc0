"""The next character of any text, and of the standard library's own source."""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import shutil
import sysconfig
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from .base import Array, Batch, Split, Task, TaskError
from .reading import read, text_of

UNKNOWN = "�"
MOST = 1 << 28  # bytes that are looked at: a wrong folder shall not take for ever


@dataclass(frozen=True, kw_only=True)
class Text(Task):
    """Characters of a UTF-8 file, or of all UTF-8 files in a folder and the folders in it; the target is the next one.

    Folders are read in sorted order, without hidden files; what is not UTF-8 text is passed over, see `skipped`. A
    single file must be UTF-8, or have a byte-order mark, or `encoding` must say what it is. At most `max_bytes` are
    read. The last `held_out` of the text is the test part; the vocabulary holds the characters seen at least `rare`
    times in the training part, all others are "�", number 0. A task made with a `vocabulary` does not open its files
    until a batch is asked for.

    `batch` draws windows of `steps` characters, `chunks` walks through the text; `x` and `target` are (batch, steps).
    Raises TaskError for a missing, empty, too short or non-UTF-8 text.
    """

    name = "text"
    about = "the next character of any UTF-8 file or folder"
    is_stream = True
    unit = "characters"
    chunk_setting = "steps"

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"__pycache__"})  # folders
    ENDING: ClassVar[str] = ""

    path: str | Path = field(default="", kw_only=False)
    steps: int = 64
    rare: int = 2
    max_bytes: int | None = None
    encoding: str = ""
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._need("path", isinstance(self.path, str | os.PathLike), "a path")
        self._set("path", os.fspath(self.path))
        self._integer("steps", 1)
        self._encoding()
        self._integer("rare", 1)
        if self.max_bytes is not None:
            self._integer("max_bytes", 2)
        self._need("vocabulary", isinstance(self.vocabulary, list | tuple), "a list")
        if not self.vocabulary:
            seen = Counter(self.text[: self._cut])
            self._set("vocabulary", (UNKNOWN, *sorted(c for c, n in seen.items() if n >= self.rare and c != UNKNOWN)))
        known = tuple(self.vocabulary)
        good = (
            known[0] == UNKNOWN
            and len(set(known)) == len(known)
            and all(isinstance(c, str) and len(c) == 1 for c in known)
        )
        self._need("vocabulary", good, f"different single characters of which the first is {UNKNOWN!r}")
        self._set("vocabulary", known)

    @property
    def text(self) -> str:
        """All that was read, training part first."""
        return self._content[0]

    @property
    def skipped(self) -> tuple[str, ...]:
        """The files of the folder that are no UTF-8 text, or no ordinary files."""
        return self._content[1]

    def digest(self) -> str:
        return hashlib.blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def notes(self) -> list[str]:
        told, part = [], self._part("train")
        if self.skipped:
            more = f" and {len(self.skipped) - 5} more" if len(self.skipped) > 5 else ""
            told.append(f"passed over, since they are no UTF-8 text: {', '.join(self.skipped[:5])}{more}")
        unknown = float((part == 0).mean()) if len(part) else 0.0
        if unknown > 0.001:
            told.append(
                f"{unknown:.1%} of the characters occur fewer than {self.rare} times and are all read as {UNKNOWN!r}, "
                "which counts as right where it is predicted; --set rare=1 tells them apart"
            )
        return told

    def encode(self, given: str) -> Array:
        """Characters as tokens (time,) int64; a character outside the vocabulary is 0."""
        return np.array([self._token.get(character, 0) for character in given], dtype=np.int64)

    def usual_batch(self, steps: int | None = None) -> int:
        """32, but fewer rows where the text is so short that they would give less than eight chunks."""
        rows = (32, 16, 8, 4, 2)
        return next((n for n in rows if self.chunk_count(n, steps or self.steps) >= 8), 1)

    def baseline(self, loss: float) -> str:
        bits, evenly = loss / math.log(2), math.log2(self.outputs)
        return f"{bits:.2f} bits a character, where guessing evenly takes {evenly:.2f}"

    def opening(self) -> Array:
        """The last characters of the training part."""
        return self._tokens[max(0, self._cut - 40) : self._cut]

    def chunk_count(self, batch: int, steps: int, *, split: Split = "train") -> int:
        """How many chunks `chunks` has from start=0."""
        return (len(self._part(split)) - 1) // max(batch, 1) // max(steps, 1)

    def chunks(self, batch: int, steps: int, start: int = 0, *, split: Split = "train") -> Iterator[Batch]:
        """The text from beginning to end in `batch` rows side by side, `steps` characters at a time.

        Row b of chunk k + 1 goes on where row b of chunk k ended, so a network's state can be carried over (truncated
        backpropagation through time). `start` is the number of the first chunk, to resume. Each chunk is (batch,
        steps); what fills no whole chunk at the end of the rows is left out. Raises TaskError when there is no chunk
        `start`.
        """
        count, part = self.chunk_count(batch, steps, split=split), self._part(split)
        if min(batch, steps) < 1 or count == 0:
            raise TaskError(
                f"{self.name}: the {split} part of {len(part)} characters gives no chunk of batch={batch} times "
                f"steps={steps}; both must be at least 1, and smaller or the text longer"
            )
        if not 0 <= start <= count:
            raise TaskError(f"{self.name}: there is no chunk {start}; the {split} part has {count}, counted from 0")
        rows = np.arange(batch) * ((len(part) - 1) // batch)
        return (self._windows(part, rows + k * steps, steps) for k in range(start, count))

    def _batch(self, size: int, rng: np.random.Generator, split: Split) -> Batch:
        part = self._part(split)
        if len(part) <= self.steps:
            raise TaskError(
                f"{self.name}: the {split} part of {len(part)} characters is too short for steps={self.steps}; "
                "take fewer steps, a longer text or another held_out"
            )
        return self._windows(part, rng.integers(len(part) - self.steps, size=size), self.steps)

    @staticmethod
    def _windows(part: Array, starts: Array, steps: int) -> Batch:
        where = starts[:, None] + np.arange(steps)
        return Batch(part[where], part[where + 1], np.ones(where.shape, dtype=bool))

    def _part(self, split: Split) -> Array:
        self._check_split(split)
        return self._tokens[: self._cut] if split == "train" else self._tokens[self._cut :]

    @property
    def _cut(self) -> int:
        return len(self.text) - round(len(self.text) * self.held_out)

    @cached_property
    def _tokens(self) -> Array:
        return self.encode(self.text)

    @cached_property
    def _token(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.vocabulary)}

    @cached_property
    def _content(self) -> tuple[str, tuple[str, ...]]:
        top, parts, skipped, left = self._top(), list[str](), list[str](), self.max_bytes
        looked_at = 0
        for file in self._files(top) if top.is_dir() else [top]:
            if left is not None and left <= 0:
                break
            size = os.path.getsize(file) if os.path.isfile(file) else 1
            if size == 0 and file != top:
                continue  # empty, or none of a disk (/proc) from which reading may never end
            looked_at += size if left is None else min(size, left)
            if looked_at > MOST:
                raise TaskError(
                    f"{top}: holds more than {MOST >> 20} MB; give a smaller folder, or take the first part of it: "
                    "--set max_bytes=10000000"
                )
            try:
                data = read(file, left)
                parts.append(text_of(data, file, self.encoding))
            except TaskError:
                if file == top:
                    raise
                skipped.append(str(file.relative_to(top)))
            else:
                left = None if left is None else left - len(data)
        text = "".join(parts)
        if len(text) < 2:
            also = f" ({len(skipped)} files are not UTF-8)" if skipped else ""
            raise TaskError(f"{top}: has no text to learn from{also}; give a UTF-8 file with at least two characters")
        return text, tuple(skipped)

    def _top(self) -> Path:
        if not self.path:
            raise TaskError(f"{self.name}: path is missing; give a UTF-8 file or a folder")
        return Path(self.path)

    def _files(self, top: Path) -> Iterator[Path]:
        for folder, below, names in os.walk(top):
            below[:] = sorted(name for name in below if name[0] != "." and name not in self.LEFT_OUT)  # where to go on
            yield from (Path(folder, name) for name in sorted(names) if name[0] != "." and name.endswith(self.ENDING))


@dataclass(frozen=True, kw_only=True)
class Stdlib(Text):
    """The .py files of the running Python's standard library, without its tests and installed packages, as a `Text`.

    It needs no file of one's own. Another version of Python has another text; the vocabulary is kept in the settings.
    """

    name = "stdlib"
    about = "the next character of Python's standard library"

    LEFT_OUT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})
    ENDING = ".py"

    path: str | Path = field(default="", init=False)
    rare: int = 20
    max_bytes: int | None = 1_000_000

    def _top(self) -> Path:
        archive = Path(os.__file__).parent
        return _unpacked(archive) if archive.is_file() else Path(sysconfig.get_path("stdlib"))


@cache
def _unpacked(archive: Path) -> Path:
    """A folder with the files of a zip: where the standard library is one, as in a browser."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return Path(folder)

"""Files of texts and tables: read whole, decoded as what they are, and errors that say what they probably are."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterator
from pathlib import Path

from .base import SettingError, TaskError

MARKS = {  # how a file may begin that names its own encoding; the longer marks first
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
FORMATS = {  # how files begin that are no text
    b"PK\x03\x04": "a zip file or an Excel workbook (.xlsx): save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls): save the sheet as CSV",
    b"%PDF": "a PDF: save its text as a .txt file",
    b"PAR1": "a Parquet file: save it as CSV",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
}
LIKELY = (  # what texts are kept in that are no UTF-8, the more frequent first: of two that fit equally it is that
    "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1252", "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp850",
)  # fmt: skip
SOME = "gb18030, big5, shift_jis, euc-kr, utf-16, cp1252"


def regular(path: Path) -> None:
    """Raise TaskError where there is no ordinary file: reading from a pipe or a device may never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except ValueError:  # a NUL in it, or half a character
        raise TaskError(f"{str(path)!r} cannot be the name of a file; check the path") from None
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is no ordinary file, so where it ends is not known"
        raise TaskError(f"{path}: {what}; give a file")


def read(path: Path, most: int | None = None) -> bytes:
    """The first `most` bytes of a file, no UTF-8 character torn. Raises TaskError if it cannot be read."""
    regular(path)
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None or most >= path.stat().st_size else most + 1)
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if most is not None and len(data) > most:
        end = most
        while end and data[end] & 0xC0 == 0x80:  # a continuation byte: its character began before the cut
            end -= 1
        data = data[:end]
    return data


def text_of(data: bytes, path: Path, encoding: str = "") -> str:
    """`data` as text with "\\n" as line ends.

    Args:
        path: where it was read, for errors.
        encoding: how it is encoded; where that is not said, a byte-order mark says it, and otherwise it is UTF-8.

    Raises TaskError where it is not so encoded, with the offset of the first wrong byte and what it probably is.
    """
    known = encoding or next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(known)
    except LookupError:
        raise SettingError(f"{path}: there is no encoding {encoding!r}; there are {SOME}, and others") from None
    except UnicodeDecodeError as error:
        what = f"not UTF-8, byte 0x{data[error.start]:02x} at offset {error.start}"
        if encoding:
            what = f"not encoded as {encoding}, see the byte at offset {error.start}"
        raise TaskError(f"{path}: {what}; {_advice(data)}") from None
    if "\0" in text:
        raise TaskError(f"{path}: holds NUL characters, as no text does; {_advice(data)}")
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def lines_of(path: Path, encoding: str = "") -> Iterator[str]:
    """The lines of a file one by one, so that a large table is never held whole. Raises TaskError as `text_of` does."""
    regular(path)
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        known = encoding or next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8")
        if any(head.startswith(mark) for mark in FORMATS) or known not in ("utf-8", "ascii", "latin-1", "cp1252"):
            yield from text_of(file.read(), path, encoding).splitlines(keepends=True)
            return
        for k, line in enumerate(file):
            try:
                text = line.decode(known)
            except UnicodeDecodeError:
                file.seek(0)
                text_of(file.read(), path, encoding)  # raises, with the offset in the file
                raise
            yield text.removeprefix("\ufeff") if k == 0 else text


def _advice(data: bytes) -> str:
    """What data that is no UTF-8 probably is, and what to do."""
    for mark, what in FORMATS.items():
        if data.startswith(mark):
            return f"it is {what}"
    for name in ("utf-16-le", "utf-16-be") if b"\0" in data[:4096] else ():  # blanks and line ends have one
        text = data[: len(data) & ~1][:4096].decode(name, "replace")
        if sum(sign.isspace() or "!" <= sign <= "~" or "\u3000" <= sign <= "\u9fff" for sign in text) > 0.8 * len(text):
            return _probably(name, text)
    if sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in data[:4096]) > len(data[:4096]) // 10:
        return "it is no text; give a text file"
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        return f'say how it is encoded: --set encoding=NAME ({SOME}, …); pip install "tinygrad-lstm[encodings]" guesses'
    start = data[: 1 << 16]
    found = from_bytes(start[: start.rfind(b"\n") + 1] or start, cp_isolation=[*LIKELY])  # no character torn
    best = found.best()
    if best is None:
        return f"say how it is encoded: --set encoding=NAME ({SOME}, …)"
    like = [match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    names = {name for match in like for name in match.could_be_from_charset}
    name = next(name for name in LIKELY if name in names)
    return _probably(name, data[:512].decode(name, "replace"))


def _probably(name: str, text: str) -> str:
    sample = " ".join(text.split())[:30]
    return f"it is probably {name} (“{sample}”): say so by --set encoding={name}, or save it as UTF-8"

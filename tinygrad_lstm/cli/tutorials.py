"""`tinygrad-lstm tutorials`: the notebooks of the course, and a copy of one to work on."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from ..course.book import unclaimed
from ..spoken import LANGUAGES, Language, checked, columns, ranged, said
from .console import say

WHEEL = "tinygrad-lstm-course"


def tutorials(
    number: Annotated[int | None, typer.Argument(help="Copy this one, to work on it.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or zh.")] = "en",
    out: Annotated[Path, typer.Option("--out", help="The folder to copy it to.")] = Path("."),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a notebook that is there already.")] = False,
) -> None:
    """List the tutorials, or copy one out to work on it."""
    spoken = checked(lang, "--lang")
    there = of_language(lang)
    if number is None:
        _list(there, spoken)
        return
    if number not in there:
        raise ValueError(f"there is no tutorial {number} in {lang!r}; there are {', '.join(map(str, there))}")
    beside = "" if lang == "en" else f".{lang}"  # so that both languages fit in a folder
    target = out / f"{there[number].stem}{beside}.ipynb"
    if target.exists() and not force:
        raise ValueError(f"{target} is there already; --force overwrites it, --out names another folder")
    out.mkdir(parents=True, exist_ok=True)
    target.write_text(cleared(there[number], lang), encoding="utf-8")
    say(f"{target}: {_head(there[number])[0]}")
    shown = f'"{target}"' if " " in str(target) else target
    say(f'Open it with: pip install "tinygrad-lstm[course]" && jupyter lab {shown}')


def of_language(lang: str) -> dict[int, Path]:
    """The tutorials of one language. Raises ValueError for no such language, RuntimeError where they are not here."""
    if lang not in LANGUAGES:
        raise ValueError(f"--lang must be {' or '.join(LANGUAGES)}, not {lang!r}")
    there = notebooks(lang)
    if not there:
        have = [name for name in LANGUAGES if notebooks(name)]
        raise RuntimeError(
            f"there are no tutorials in {lang!r} here, only in: {', '.join(have)}" if have
            else f"the tutorials are not here: pip install {WHEEL}, or, in a clone of the project, ./tutorials"
        )  # fmt: skip
    return there


def notebooks(lang: str) -> dict[int, Path]:
    """The tutorials of one language by their numbers."""
    for folder in folders():
        if found := sorted((folder / lang).glob("[0-9][0-9]_*.ipynb")):
            return {int(path.name[:2]): path for path in found}
    return {}


def folders() -> list[Path]:
    """Where they may be: in their own wheel, in the checkout that this runs from, in a checkout that one stands in."""
    spec = find_spec(WHEEL.replace("-", "_"))
    own = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    around = Path("tutorials", "pyproject.toml")
    here = [around.parent] if around.is_file() and f'"{WHEEL}"' in around.read_text(encoding="utf-8") else []
    return [*own, Path(__file__).resolve().parents[2] / "tutorials", *here]


def cleared(path: Path, lang: str = "en") -> str:
    """A notebook as it was before it ran, and its predictions without what their asserts would tell.

    A link to another notebook becomes the command that copies that one, too.
    """
    book = _read(path)
    option, brackets = (" --lang zh", "（`{}`）") if lang == "zh" else ("", " (`{}`)")
    other = r"\1" + brackets.format(rf"tinygrad-lstm tutorials \2{option}")
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            cell["source"] = unclaimed("".join(cell["source"]))
        else:
            cell["source"] = re.sub(r"\[([^]]+)\]\(0?(\d+)_\w+\.ipynb\)", other, "".join(cell["source"]))
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _list(there: dict[int, Path], lang: Language) -> None:
    rows = [(str(number), *_head(path)) for number, path in there.items()]
    wide = max(columns(title) for _, title, _ in rows)
    room = max(20, get_terminal_size().columns - wide - 7)
    for number, title, question in [("", said("tutorial", lang), said("what it asks", lang)), *rows]:
        first, *more = wrapped(question, room)
        say(f" {number:<2}  {ranged(title, wide, '<')}  {first}")
        for line in more:
            say(" " * (wide + 7) + line)
    say("\n" + said("tinygrad-lstm tutorials NUMBER --lang {lang} copies one here, to work on.", lang, lang=lang))


def wrapped(text: str, room: int) -> list[str]:
    """Lines of at most so many columns; between Chinese characters, too, but none begins with a stop or a comma."""
    lines = [""]
    for part in re.findall(r"[“（]*(?:[\u2e80-\uffef]|[^\s\u2e80-\uffef]+)[，。：；、？！”）…]*\s*|\s+", text):
        if columns(lines[-1] + part.rstrip()) > room and lines[-1]:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += part
    return [*lines[:-1], lines[-1].rstrip()]


def _head(path: Path) -> tuple[str, str]:
    """The title of a notebook, and the question that it opens with, after the sentence before it, in one line."""
    cell = _read(path)["cells"][0]["source"]
    text = cell if isinstance(cell, str) else "".join(cell)
    title, _, rest = text.partition("\n")
    first = re.sub(r"[*`$]|\[([^]]*)\]\([^)]*\)", r"\1", rest.strip().split("\n\n")[0].replace("\n", " "))
    _, *sentences = re.findall(r".+?(?:[.?]”?\"?(?=\s|$)|[。？]”?)", first)  # without "The question."
    asked = next((k for k, sentence in enumerate(sentences) if re.search(r"[?？]", sentence)), 0)
    return re.sub(r"^#\s*\d+\s*·\s*", "", title), "".join(sentences[max(0, asked - 1) : asked + 1]).strip()


def _read(path: Path) -> dict[str, Any]:
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return book

"""`tinygrad-lstm teach`: what a teacher takes from the course: slides, films, answer keys, assignments of nbgrader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import say
from .tutorials import of_language

Files = dict[str, str]  # the text of each, by its path in the folder
KINDS = ("slides", "films", "answers", "assignments")


def teach(
    what: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(KINDS)}; by default all of them.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or zh.")] = "en",
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("teaching"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there already.")] = False,
) -> None:
    """Write slides, two films, the answer key, and the notebooks as assignments of nbgrader."""
    kinds = what or [*KINDS]
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"there are {', '.join(KINDS)} to write, not {wrong[0]!r}")
    books = of_language(lang)
    language: Literal["en", "zh"] = "zh" if lang == "zh" else "en"
    files: Files = {}
    for kind in kinds:
        files |= _MAKE[kind](books, language)
    there = [name for name in files if (out / name).exists()]
    if there and not force:
        raise ValueError(f"{out / there[0]} is there already; --force overwrites it, --out names another folder")
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    for name in dict.fromkeys(name.partition("/")[0] for name in files):
        say(str(out / name))


def _slides(books: dict[int, Path], lang: Literal["en", "zh"]) -> Files:
    from ..course.slides import slides

    return {f"slides.{lang}.html": slides(books, lang)}


def _films(books: dict[int, Path], lang: Literal["en", "zh"]) -> Files:
    from ..course import half_life, six_ways

    films = {"six_ways": six_ways.film(lang), "half_life": half_life.film(lang)}
    pages = {f"{name}.{lang}.html": film.html() for name, film in films.items()}
    return pages | {f"{name}.{lang}.svg": film.svg() for name, film in films.items()}


def _answers(books: dict[int, Path], lang: Literal["en", "zh"]) -> Files:
    from ..course.answer_key import answer_key

    return {f"answers.{lang}.md": answer_key(books, lang)}


def _assignments(books: dict[int, Path], lang: Literal["en", "zh"]) -> Files:
    from ..course.assignments import assignments

    return {f"assignments.{lang}/{name}": text for name, text in assignments(books, lang).items()}


_MAKE: dict[str, Callable[[dict[int, Path], Literal["en", "zh"]], Files]] = {
    "slides": _slides, "films": _films, "answers": _answers, "assignments": _assignments,
}  # fmt: skip

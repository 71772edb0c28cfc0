"""A notebook of the course, read for what teachers need: its question, predictions, exercises and pictures."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PREDICT = re.compile(r"\*\*(?:Predict|先?猜|预测)[^*]*\*\*[\s\S]*")
DETAILS = re.compile(r"<details><summary>.*?</summary>\n\n([\s\S]*?)\n\n</details>")
CHECK = re.compile(r'^quiz\.check\("(?P<key>[\d.]+)", (?P<name>\w+)\)$', re.MULTILINE)


class Exercise(NamedTuple):
    """Its key, the name of what is checked ("answer", or a function), and its text."""

    key: str
    name: str
    text: str


class KeyPicture(NamedTuple):
    """A PNG in base64, and the heading under which it stands."""

    png: str
    heading: str


class AskedGuess(NamedTuple):
    """The paragraph before it, what is asked, and what is told when it has been measured."""

    before: str
    text: str
    answer: str


def read(path: Path) -> dict[str, Any]:
    """A notebook as it is in its file."""
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return book


def text_of(cell: dict[str, Any]) -> str:
    """A cell's text, which a file may hold as lines."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def unclaimed(code: str) -> str:
    """The code of a prediction without the asserts that hold its claims: who reads them knows the answer."""
    if "quiz.reveal(" not in code:
        return code
    claims = [node for node in ast.parse(code).body if isinstance(node, ast.Assert)]
    held = {k for node in claims for k in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return "\n".join(line for k, line in enumerate(code.splitlines(), 1) if k not in held)


def title(book: dict[str, Any]) -> str:
    """`"5 · Follow C"`."""
    return text_of(book["cells"][0]).partition("\n")[0].lstrip("# ").strip()


def question(book: dict[str, Any]) -> str:
    """The paragraph that a notebook opens with."""
    return text_of(book["cells"][0]).split("\n\n")[1].strip()


def contents(book: dict[str, Any]) -> Iterator[Exercise | KeyPicture | AskedGuess]:
    """All of them, in the order of the notebook."""
    cells, heading, said = book["cells"], "", ""
    for k, cell in enumerate(cells):
        text = text_of(cell)
        if cell["cell_type"] == "markdown":
            said = text
            heading = next(iter(reversed(re.findall(r"^##+ (.+)$", text, re.MULTILINE))), heading)
            if asked := PREDICT.search(text):
                following = (DETAILS.search(text_of(after)) for after in cells[k + 1 :])
                before = text[: asked.start()].strip().rpartition("\n\n")[2]
                yield AskedGuess(before, asked[0].strip(), next((found[1] for found in following if found), ""))
        elif found := CHECK.search(text):
            yield Exercise(found["key"], found["name"], _asked(said, found["key"]))
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                yield KeyPicture("".join(output["data"]["image/png"]).replace("\n", ""), heading)


def _asked(text: str, key: str) -> str:
    """The text of an exercise, without the heading that may stand before it."""
    start = text.find(f"**{key}**")
    return text[max(start, 0) :].strip()

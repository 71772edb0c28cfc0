"""The notebooks as assignments of nbgrader: exercises graded by themselves, reasons of predictions by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

from .book import CHECK, PREDICT, read, text_of, title, unclaimed
from .film import Language
from .solutions import solutions

SCHEMA = 3  # of nbgrader's metadata
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
WHY = {
    "en": "**Why?** (Double-click here and write one sentence, *before* you run the next cell.)",
    "zh": "**为什么？**（双击这里，在运行下一个单元格之前写一句话。）",
}
STUB = {"en": "# your code here", "zh": "# 在这里写代码"}
CONFIG = """# The course as assignments. In this folder: nbgrader generate_assignment --create NAME, then collect and
# nbgrader autograde NAME. Exercises are worth a point each; the reasons of predictions wait in nbgrader formgrader.
c = get_config()
c.CourseDirectory.course_id = "tinygrad-lstm"
c.ClearSolutions.code_stub = {{"python": "{stub}"}}
c.ClearSolutions.text_stub = "{why}"
c.ExecutePreprocessor.timeout = 120  # seconds for a cell: some train a net
"""


def assignments(books: dict[int, Path], lang: Language) -> dict[str, str]:
    """A course of nbgrader, as the text of each file: its configuration, and source/NN_name/NN_name.ipynb."""
    files = {"nbgrader_config.py": CONFIG.format(stub=STUB[lang], why=WHY[lang])}
    for path in books.values():
        text = json.dumps(assignment(path, lang), indent=1, ensure_ascii=False) + "\n"
        files[f"source/{path.stem}/{path.name}"] = text
    return files


def assignment(path: Path, lang: Language) -> dict[str, Any]:
    """A notebook as its teacher's version: with solutions that nbgrader cuts out, and cells that it grades."""
    book = read(path)
    number = int(title(book).split(" ")[0])
    cells: list[dict[str, Any]] = []
    reasons = 0
    asked = False
    for cell in book["cells"]:
        text = text_of(cell)
        if cell["cell_type"] == "markdown":
            asked = asked or bool(PREDICT.search(text))
        elif CHECK.search(text):
            cells += _exercise(cell["id"], text)
            continue
        alone = re.sub(r"\[([^]]+)\]\(\w+\.ipynb\)", r"\1", text)  # another notebook is not beside it
        alone = unclaimed(alone) if cell["cell_type"] == "code" else alone
        cells.append(_cell(cell["id"], cell["cell_type"], alone))
        if asked and cell["cell_type"] == "code" and "my_guess = None" in text:
            reasons, asked = reasons + 1, False
            graded = _grading(f"reason-{number}-{reasons}", points=1, grade=True, solution=True)
            cells.append(_cell(f"{cell['id']}-why", "markdown", WHY[lang], graded))
    return {**book, "cells": cells}


def _exercise(name: str, text: str) -> Iterator[dict[str, Any]]:
    """The cell with the answer, and a cell that grades it and cannot be changed."""
    (found,) = CHECK.finditer(text)
    key, answer = found["key"], found["name"]
    code = solutions()[key].code
    if answer == "answer":
        given = f"answer = None\n{BEGIN}\n{code}\n{END}"
    else:
        head, _, body = code.partition("\n")
        given = f"{head}\n{indent(BEGIN, '    ')}\n{body}\n{indent(END, '    ')}\n    return None\n\n"
    after = text[found.end() :].strip()
    asked = "\n\n".join(filter(None, [f"{given}\n{found[0]}", after]))
    slug = key.replace(".", "-")
    yield _cell(name, "code", asked, _grading(f"exercise-{slug}", solution=True))
    test = f'assert quiz.judge("{key}", {answer}).kind == "right"'
    yield _cell(f"{name}-test", "code", test, _grading(f"test-{slug}", points=1, grade=True, locked=True))


def _grading(name: str, points: int = 0, **what: bool) -> dict[str, Any]:
    found = {"grade": False, "locked": False, "solution": False, "task": False, **what}
    return {"grade_id": name, "schema_version": SCHEMA, **found, **({"points": points} if points else {})}


def _cell(name: str, kind: str, text: str, grading: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = {"nbgrader": grading} if grading else {}
    empty: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": metadata, "source": text, **empty}

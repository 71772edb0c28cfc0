"""What one takes along from the lab: a script or a notebook that comes to the same numbers, the page, the pictures."""

from __future__ import annotations

import ast
import base64
import json
import tempfile
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import tinygrad_lstm

from .. import nn
from ..graph import Drawing, draw
from ..graph.press import size_of
from ..graph.render import LARGEST_PNG
from ..tasks import TASKS
from .cellcode import OWN, OwnCell, loose_methods, namespace
from .learner import Learner, cell_drawing
from .levers import Levers
from .measured import microscope, seen
from .offers import Read, cell_type
from .wordings import NOTHING_ASKED, TAKE, LabError, Lang

KINDS = ("notebook", "script", "html", "svg", "png")
TYPES = {"notebook": ("ipynb", "application/x-ipynb+json"), "script": ("py", "text/x-python"),
         "html": ("html", "text/html"), "svg": ("svg", "image/svg+xml"), "png": ("png", "image/png")}  # fmt: skip
READABLE = 0.75  # pixels a point, from which on words can be read
TEXT_FILE = "lab-text.txt"


class Inquiry(NamedTuple):
    """What a net is asked: the text, and what is turned for it."""

    text: str
    read: Read
    levers: Levers


def exported(learner: Learner, kind: str, question: Inquiry | None, lang: Lang) -> dict[str, Any]:
    """A file: its name, its type, and its text or its bytes in base64. Raises RuntimeError where nothing renders."""
    suffix, mime = TYPES[kind]
    file = {"name": f"lab-{learner.cell.replace(' ', '-')}.{suffix}", "mime": mime}
    if kind in ("notebook", "script"):
        parts = Telling(learner, question, lang).parts()
        return file | {"text": notebook(parts) if kind == "notebook" else script(parts)}
    if kind == "html":
        if question is None:
            raise LabError(NOTHING_ASKED, field="state")
        return file | {"text": _drawing(learner, question).html()}
    if kind == "svg":
        return file | {"text": _drawing(learner, question).svg()}
    drawing, scale = _for_png(learner, question)
    with tempfile.TemporaryDirectory() as folder:
        path = drawing.save(Path(folder, "lab.png"), scale=scale)
        return file | {"base64": base64.b64encode(path.read_bytes()).decode()}


def _drawing(learner: Learner, question: Inquiry | None) -> Drawing:
    """The picture of a question; of the cell, where nothing has been asked."""
    if question is None:
        return cell_drawing(learner.model.rnn)
    return microscope(learner, question.read, question.levers, learner.target(question.read))


def _for_png(learner: Learner, question: Inquiry | None) -> tuple[Drawing, float]:
    """The picture, as fine as a PNG may be; of many steps the strip, where all can be read."""
    drawing = _drawing(learner, question)
    scale = min(2.0, 0.97 * LARGEST_PNG / (max(size_of(drawing.svg())) * 96 / 72))
    if scale >= READABLE or question is None:
        return drawing, scale
    shown = seen(learner, question.read, question.levers, learner.target(question.read))
    return draw(shown.flow.trace, view="strip", labels=question.read.words), 2.0


class Telling:
    """A net of the lab, told in code."""

    def __init__(self, learner: Learner, question: Inquiry | None, lang: Lang) -> None:
        self.learner, self.question, self.lang = learner, question, lang

    def parts(self) -> list[tuple[str, str]]:
        """The cells of a notebook: for each a heading, and code."""
        parts = [("start", self._start()), ("task", self._task())]
        if self.learner.own is not None:
            parts.append(("cell", _own_cell(self.learner.own)))
        parts.append(("train", self._train()))
        if self.question is not None:
            parts += [("ask", self._ask()), ("draw", self._draw())]
        return [(TAKE[name].said(self.lang), code) for name, code in parts]

    def _start(self) -> str:
        code = self.learner.own.code if self.learner.own else ""
        words = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        used = sorted(words & namespace().keys() - {"np", "tl", "nn"})
        layers = [name for name in used if name in nn.__all__]
        functions = [name for name in used if name not in layers and hasattr(tinygrad_lstm, name)]
        lines = ["from __future__ import annotations", "", "import numpy as np", "", "import tinygrad_lstm as tl"]
        lines += [f"from tinygrad_lstm import {', '.join(['nn', *functions])}"]
        lines += [f"from tinygrad_lstm.nn import {', '.join(layers)}"] if layers else []
        return "\n".join(lines)

    def _task(self) -> str:
        offer = self.learner.offer
        settings = [f"{name}={value!r}" for name, value in offer.given.items()]
        if offer.name == "text":
            lines = ["from pathlib import Path", "", f"text = {offer.written!r}"]
            lines += [f'Path("{TEXT_FILE}").write_text(text, encoding="utf-8", errors="surrogatepass")']
            call = [f'"{TEXT_FILE}"', "rare=1", *settings]
            return "\n".join([*lines, f"task = tl.tasks.text({', '.join(call)})"])
        if offer.needs_text:
            return f"text = {offer.written!r}\ntask = tl.tasks.{offer.name}(text)"
        assert offer.name in TASKS
        return f"task = tl.tasks.{offer.name}({', '.join(settings)})"

    def _train(self) -> str:
        learner = self.learner
        settings = [f"{name}={value!r}" for name, value in learner.settings().items()]
        rule = ["'adam'", "model", repr(learner.recipe.lr), *(f"{k}={v!r}" for k, v in learner.clips().items())]
        lines = [f"model = tl.SequenceModel.for_task(task, {', '.join(settings)})"]
        lines += [f"model.rnn.fused = {learner.model.rnn.fused}"]
        lines += [f"optimizer = tl.make_optimizer({', '.join(rule)})"]
        lines += [
            f"history = tl.fit(model, task, steps={learner.steps}, batch={learner.batch}, seed={learner.recipe.seed}, "
            "optimizer=optimizer)",
            "model.rnn.fused = False",
            "model.eval()",
        ]
        if learner.steps:
            lines.append('print(f"{len(history)} steps, loss {history.loss[-1]:.6g}")')
        return "\n".join(lines)

    def _ask(self) -> str:
        learner, question = self.learner, self.question
        assert question is not None
        text, target = learner.offer.plain(question.text), learner.target(question.read)
        if learner.offer.task.vocabulary is None:
            rows = ", ".join(f"[{word.removesuffix('*')}, {int(word.endswith('*'))}]" for word in question.read.words)
            lines = [f"words = {question.read.words!r}", f"x = np.array([{rows}], dtype=np.float32)"]
        else:
            lines = [f"x, words = task.read_text({text!r})"]
        lines += self._turned(question.levers)
        changes = self._changes(question.levers, len(question.read.words))
        if changes:
            lines += [f"with tl.what_if({{{', '.join(changes)}}}):", "    y = model(x[None]).y[:, -1]"]
        else:
            lines.append("y = model(x[None]).y[:, -1]")
        if target is None:
            lines += ["loss = y.sum()", 'print(f"{y.item():.6g}")']
        else:
            answers = learner.offer.task.answers
            assert answers is not None
            lines += [f"answer = task.answers.index({answers[target]!r})",
                      "loss = nn.cross_entropy(y, np.array([answer]))", "chances = tl.softmax(y).numpy()[0]",
                      "for k in np.argsort(-chances, kind='stable')[:6]:",
                      '    print(f"{task.answers[k]!r} {chances[k]:.6g}")']  # fmt: skip
        state = "C" if any(f == "C" for f in learner.model.rnn.cells[0][0].State._fields) else "h"
        lines += ["trace = tl.trace(loss)", f'flow = trace.flow("{state}")']
        return "\n".join([*lines, 'print(f"loss {loss.item():.6g}")', "print(flow.table(words))"])

    def _turned(self, levers: Levers) -> list[str]:
        """The lines that turn what belongs to the cell."""
        lines = ["cell = model.rnn.cells[0][0]"]
        if levers.forget_bias is not None:
            lines.append(f"cell.b_f.data = cell.b_f.numpy() + np.float32({levers.moved(self.learner)!r})")
        cell = vars(self.learner.model.rnn.cells[0][0])
        for name, choice in (("activation", levers.activation), ("output_activation", levers.activation),
                             ("recurrent_activation", levers.gate_activation)):  # fmt: skip
            if choice is not None and name in cell:
                lines.append(f"cell.{name} = nn.cell.activations[{choice!r}]")
        return lines if len(lines) > 1 else []

    @staticmethod
    def _changes(levers: Levers, steps: int) -> list[str]:
        """The entries of `what_if`."""
        changes = ['"f": lambda f: f * 0.0 + 1.0'] if levers.f else []
        if levers.cut_h and steps > 1:
            changes.append(f'**{{f"t={{t}}/h": tl.Tensor.detach for t in range(1, {steps})}}')
        return changes + [f'"t={k + 1}/C̃": lambda C_new: C_new * 0.0' for k in levers.erase]

    @staticmethod
    def _draw() -> str:
        return 'picture = tl.draw(trace, labels=words)\npicture.save("lab.html")\npicture'


def _own_cell(own: OwnCell) -> str:
    """The code of a cell of one's own, so that `SequenceModel` finds it by its name."""
    code, name = own.code.strip("\n"), own.kind.__name__
    tree = ast.parse(code)
    lines, inside = code.splitlines(), list[str]()
    if methods := loose_methods(tree):
        taken = {k for node in methods for k in range(_first(node), (node.end_lineno or node.lineno) + 1)}
        inside = [line for k, line in enumerate(lines, 1) if k in taken]
        lines = [line for k, line in enumerate(lines, 1) if k not in taken]
        lines += [
            f"class {name}(nn.{cell_type(own.base).__name__}):",
            *textwrap.indent("\n".join(inside), "    ").split("\n"),
        ]
    register = f'tl.training.model.CELLS["{OWN}"] = nn.{own.layer.__name__}, {{"cell": {name}}}, {own.understood!r}'
    return "\n".join([*lines, "", register]).strip("\n")


def _first(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def script(parts: list[tuple[str, str]]) -> str:
    """The parts one below the other, each under its heading."""
    return "\n\n".join(f"# {heading}\n{code}" for heading, code in parts) + "\n"


def notebook(parts: list[tuple[str, str]]) -> str:
    """The parts as a notebook (nbformat 4.5)."""
    cells: list[dict[str, Any]] = []
    for heading, code in parts:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": heading})
        cells.append({"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None})
    whole = {
        "cells": [{"id": f"lab-{k}", **cell} for k, cell in enumerate(cells)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)

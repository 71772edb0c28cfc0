#!/usr/bin/env python3
"""Builds the notebooks of the course from their sources: python tutorials/build.py [--check] [NN …]

A tutorial is a pair of scripts in jupytext's percent format, en/NN_name.py and zh/NN_name.py, with the same code but
for comments and what is said in Chinese. Each runs in an empty folder, and its outputs go into its notebook.
`{{ expression:format }}` in a markdown cell becomes what an f-string would make of it there, after all cells above it.
--check writes nothing: it says where a fresh run differs from the notebooks that stand here.

Needs: pip install ".[tutorials]"
"""

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "zh")
SECONDS = 120  # the longest that one cell may take
FIELD = re.compile(r"\{\{([^{}\n]+)\}\}")  # so that LaTeX's \frac{{…}} with braces inside is none
STRAY = re.compile(r"\{\{.{0,30}|.{0,30}\}\}")
MATH = re.compile(r"`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
NUMBER = re.compile(r"[-−+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
EXACT, TRAINED, FREE = 1e-3, 0.1, float("inf")  # relative tolerances, see `agree`
LOOSER = {  # from the cell on that has this
    TRAINED: re.compile(r"\bfit\(|\boptim\.|\b(?:SGD|Adam)\("),
    FREE: re.compile(r"\bstdlib\b"),
}
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "COLUMNS": "100"}
MACHINE = re.compile(r"/(?:tmp|home|root|Users|private|var|work|usr|opt)/\S*|[A-Z]:\\\S*|\b0x[0-9a-f]{8,}")
HOST = platform.node()
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


class BuildError(Exception):
    """A tutorial that cannot be built: which cell, and why."""


class Cell(NamedTuple):
    kind: str  # "markdown" or "code"
    text: str


class Run(NamedTuple):
    """What one execution gave: the outputs of each code cell, and the values of the placeholders."""

    outputs: list[list[Any]]
    values: list[list[str]]  # for each cell, in order; empty for code
    seconds: float  # of a processor: what the kernel and the programs that it ran have used


# — reading —————————————————————————————————————————————————————————————————————————————————————————————————


def stems() -> list[str]:
    """The tutorials that there are: "05_follow_c"."""
    return sorted(path.stem for path in (HERE / "en").glob("[0-9][0-9]_*.py"))


def source(stem: str, language: str) -> Path:
    return HERE / language / f"{stem}.py"


def notebook(stem: str, language: str) -> Path:
    return HERE / language / f"{stem}.ipynb"


def languages(stem: str) -> list[str]:
    """Those in which the tutorial is written."""
    return [language for language in LANGUAGES if source(stem, language).exists()]


def cells(stem: str, language: str) -> list[Cell]:
    """The cells of a source, in order."""
    found = jupytext.reads(source(stem, language).read_text(encoding="utf-8"), fmt="py:percent").cells
    return [Cell(cell.cell_type, cell.source) for cell in found]


def differences(stem: str) -> list[str]:
    """Where the two languages do not have the same cells in the same order, with the same code.

    A comment may differ, a text that is Chinese in zh, and the order and width of what it holds; and zh says
    `tl.language("zh")`.
    """
    if len(languages(stem)) < 2:
        return []
    en, zh = (cells(stem, language) for language in LANGUAGES)
    if [cell.kind for cell in en] != [cell.kind for cell in zh]:
        k = next((k for k, (a, b) in enumerate(zip(en, zh, strict=False)) if a.kind != b.kind), min(len(en), len(zh)))
        return [f"{stem}: cells differ in kind or number ({len(en)} and {len(zh)}), first at cell {k + 1}"]
    return [
        f"{stem}: the code of cell {k + 1} differs between en and zh: {found}"
        for k, (a, b) in enumerate(zip(en, zh, strict=True))
        if a.kind == "code" and (found := _difference(a.text, b.text))
    ]


def _difference(en: str, zh: str) -> str:
    """The first statement that is not the same, or ""."""
    statements = [ast.parse(text).body for text in (en, zh)]
    statements[1] = [node for node in statements[1] if ast.unparse(node) != "tl.language('zh')"]
    for a, b in zip_longest(*statements):
        if a is None or b is None or not _same(a, b):
            return " / ".join("nothing" if node is None else repr(ast.unparse(node)) for node in (a, b))
    return ""


def _same(a: Any, b: Any) -> bool:
    """Whether two parts of a program are the same, but for what is said in Chinese in the second."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_same, a, b))
    if not isinstance(a, ast.AST):
        return a == b
    if type(a) is not type(b):
        return isinstance(a, ast.JoinedStr) and isinstance(b, ast.Constant) and _is_chinese(b.value)
    if isinstance(a, ast.Constant):
        return a.value == b.value or _is_chinese(b.value)
    if isinstance(a, ast.JoinedStr) and _is_chinese("".join(v.value for v in b.values if isinstance(v, ast.Constant))):
        there, mine = ([v.value for v in node.values if isinstance(v, ast.FormattedValue)] for node in (a, b))
        return all(any(_same(x, y) for x in there) for y in mine)  # a plural's s has no place in Chinese
    return all(_same(getattr(a, name), getattr(b, name)) for name in a._fields)


def _is_chinese(text: Any) -> bool:
    return isinstance(text, str) and re.search("[\u4e00-\u9fff，。：；、（）]", text) is not None


# — executing ————————————————————————————————————————————————————————————————————————————————————————————————


def _portable() -> None:
    """Runs in the kernel, before the first cell: pictures as PNG, which any code host shows, and small."""
    import base64
    import io
    import re

    from IPython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats
    from PIL import Image

    from tinygrad_lstm import quiz
    from tinygrad_lstm.graph.render import Drawing
    from tinygrad_lstm.training.compare import Comparison
    from tinygrad_lstm.training.record import Record

    def bundle(shown):
        drawing = shown if isinstance(shown, Drawing) else shown.draw()
        width = float(re.search(r'<svg width="([\d.]+)pt"', drawing.svg())[1]) / 72  # inches
        dpi = min(192.0, 2400 / width)  # twice what a screen has, and no wider than shows
        picture = Image.open(io.BytesIO(drawing._png(dpi / 72))).convert("RGB")
        out = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        data = {"image/png": base64.b64encode(out.getvalue()).decode(), "text/plain": repr(shown)}
        return data, {"image/png": {"width": min(round(width * 96), 1000)}}

    quiz.ask(False)  # nobody is here to guess
    formatters = get_ipython().display_formatter
    for kind in (Drawing, Comparison, Record):
        formatters.mimebundle_formatter.for_type(kind, bundle)
    formatters.formatters["image/svg+xml"].enabled = False  # the same picture once more
    get_ipython().run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("retina", metadata={"Software": None})
    from matplotlib import rcParams

    rcParams["figure.dpi"] = 80


def _evaluate(fields):
    """Runs in the kernel: prints the value of each placeholder, or what went wrong."""
    import json

    found = []
    for field in fields:
        try:
            found.append([eval(f'f"""{{{field}}}"""', globals()), None])
        except Exception as exc:
            found.append([None, f"{type(exc).__name__}: {exc}"])
    print(json.dumps(found))


def execute(stem: str, language: str) -> Run:
    """Run the code of one language, in an empty folder. Raises BuildError for a cell or placeholder that fails."""
    if found := differences(stem):
        raise BuildError("\n".join(found))
    own = cells(stem, language)
    for k, cell in enumerate(own):
        if cell.kind == "markdown" and (left := STRAY.search(FIELD.sub("", MATH.sub("", cell.text)))):
            raise BuildError(f"{stem} ({language}), cell {k + 1}: {left[0]!r}: a placeholder holds no braces")
    book = nbformat.v4.new_notebook()
    inject = "\n".join(map(inspect.getsource, (_portable, _evaluate)))
    plan: list[tuple[int, str]] = [(-1, "inject")]  # for each cell of `book`: which cell of the source, and what it is
    book.cells.append(nbformat.v4.new_code_cell(f"{inject}\n_portable()\ndel _portable"))
    for k, cell in enumerate(own):
        if cell.kind == "code":
            plan.append((k, "code"))
            book.cells.append(nbformat.v4.new_code_cell(cell.text))
        elif fields := FIELD.findall(cell.text):
            plan.append((k, language))
            book.cells.append(nbformat.v4.new_code_cell(f"_evaluate({[field.strip() for field in fields]!r})"))
    plan.append((len(own) - 1, "clock"))
    book.cells.append(nbformat.v4.new_code_cell("import os\nprint(sum(os.times()[:4]))"))
    _run(book, stem, plan)
    run = Run([], [[] for _ in own], float(book.cells[-1].outputs[-1].text))
    for (k, what), cell in zip(plan, book.cells, strict=True):
        if what == "code":
            run.outputs.append([_tidy(output) for output in cell.outputs])
        elif what == language:
            for field, (value, failed) in zip(
                FIELD.findall(own[k].text), json.loads(cell.outputs[-1].text), strict=True
            ):
                if failed:
                    raise BuildError(f"{stem} ({what}), cell {k + 1}: the placeholder {{{{{field}}}}} failed: {failed}")
                run.values[k].append(value)
    return run


def _run(book: Any, stem: str, plan: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        manager = AsyncKernelManager()
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager._kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")  # this very Python
        path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": profile, **ENVIRONMENT}
        client = NotebookClient(
            book, km=manager, timeout=SECONDS, startup_timeout=60, resources={"metadata": {"path": folder}},
            record_timing=False, coalesce_streams=True,
        )  # fmt: skip
        try:
            client.execute(env=env, stderr=subprocess.DEVNULL)  # where the kernel talks of itself
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as exc:
            done = next((k for k, cell in enumerate(book.cells) if _failed(cell)), None)
            if done is None:  # the one that stood still is the first without an execution count
                done = next((k for k, cell in enumerate(book.cells) if cell.execution_count is None), len(plan) - 1)
            k, what = plan[done]
            said = "\n".join(re.sub(r"\x1b\[[\d;]*m", "", str(exc)).strip().splitlines()[-12:])
            raise BuildError(f"{stem}, cell {k + 1} ({what}) raised:\n{book.cells[done].source}\n---\n{said}") from None
        finally:
            manager.context.destroy(linger=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # nbclient leaves its sockets open
                del client, manager
                gc.collect()


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def _tidy(output: Any) -> Any:
    """An output without what changes from run to run."""
    output = nbformat.from_dict(output)
    if "execution_count" in output:
        output.execution_count = None
    if "text" in output:
        output.text = re.sub(r"\x1b\[[\d;]*m", "", output.text)
    return output


# — writing ——————————————————————————————————————————————————————————————————————————————————————————————————


def filled(text: str, values: list[str]) -> str:
    """A markdown cell with the values in the place of its placeholders."""
    pieces = iter(values)
    return FIELD.sub(lambda _: next(pieces), text)


def made(stem: str, language: str, run: Run) -> Any:
    """The notebook of one language."""
    book = nbformat.v4.new_notebook(metadata=METADATA)
    outputs, count = iter(run.outputs), 0
    for k, cell in enumerate(cells(stem, language)):
        name = f"{stem[:2]}-{k + 1:02}"
        if cell.kind == "markdown":
            text = filled(cell.text, run.values[k])
            book.cells.append(nbformat.v4.new_markdown_cell(text, id=name))
            continue
        count += 1
        own = [nbformat.from_dict(output) for output in next(outputs)]
        for output in own:
            if "execution_count" in output:
                output.execution_count = count
        book.cells.append(nbformat.v4.new_code_cell(cell.text, id=name, execution_count=count, outputs=own))
    nbformat.validate(book)
    return book


def build(stem: str) -> tuple[list[Path], float]:
    """Execute a tutorial and write its notebooks: which, and the seconds of the slower one. Raises BuildError."""
    runs = {language: execute(stem, language) for language in languages(stem)}
    books = {language: made(stem, language, run) for language, run in runs.items()}
    if found := [line for language, book in books.items() for line in blemishes(book, notebook(stem, language).name)]:
        raise BuildError("\n".join(found))
    for language, book in books.items():
        text = nbformat.writes(book, version=4).rstrip("\n") + "\n"
        notebook(stem, language).write_text(text, encoding="utf-8")
    return [notebook(stem, language) for language in books], max(run.seconds for run in runs.values())


def blemishes(book: Any, name: str) -> list[str]:
    """What no notebook may hold: an error, a path or an address of the machine that made it."""
    found = []
    for k, cell in enumerate(book.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                found.append(f"{name}, cell {k + 1}: an error output, {output.ename}: {output.evalue}")
            shown = output.get("data", {})
            for text in [output.get("text", ""), *(shown[mime] for mime in shown if mime.startswith("text"))]:
                if spot := MACHINE.search(text) or (len(HOST) > 4 and re.search(rf"\b{re.escape(HOST)}\b", text)):
                    found.append(f"{name}, cell {k + 1}: {spot[0][:80]!r} in an output belongs to one machine or run")
    return found


# — checking —————————————————————————————————————————————————————————————————————————————————————————————————


def placed(stem: str, language: str) -> tuple[list[list[str]], list[str]]:
    """What the written notebook has in the place of each cell's placeholders; and where it is not its source's."""
    path = notebook(stem, language)
    if not path.exists():
        return [], [f"{path.name} ({language}) is not built: python tutorials/build.py {stem[:2]}"]
    book, own = nbformat.read(path, as_version=4), cells(stem, language)
    if len(book.cells) != len(own):
        return [], [f"{path.name} ({language}) has {len(book.cells)} cells, its source {len(own)}: build it anew"]
    values: list[list[str]] = []
    wrong = []
    for k, (cell, mine) in enumerate(zip(book.cells, own, strict=True)):
        texts = FIELD.split(mine.text)[::2] if mine.kind == "markdown" else [mine.text]
        match = re.fullmatch("(.+?)".join(map(re.escape, texts)), cell.source, re.DOTALL)
        values.append([*match.groups()] if match else [])
        if match is None or cell.cell_type != mine.kind:
            wrong.append(f"{path.name} ({language}), cell {k + 1} is not what its source says: build it anew")
    return values, wrong


def agree(old: str, new: str, rtol: float) -> bool:
    """Whether two values of a placeholder say the same: the words equal, the numbers within a tolerance.

    EXACT: without training, all is a few thousand operations on seeded numbers: another BLAS moves a float64 in its
    last digits and a float32 by 1e-5 of its size, so 0.1 % is generous; the last of several digits shown may flip by
    rounding, a whole number may not. TRAINED: such differences grow at every step: 10 %, or three units of the last
    digit. FREE: what was trained on the text of the reader's own Python, which changes with its version; there the
    asserts of the notebook hold the claims. What is below 1e-12 may be rounding itself, next to numbers of order 1.
    """
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    return all(_agree(*pair, rtol) for pair in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True))


def _agree(old: str, new: str, rtol: float) -> bool:
    a, b = (float(text.replace(",", "").replace("−", "-")) for text in (old, new))
    whole = old.replace(",", "").isdigit()
    units = 3 if rtol > EXACT else 0 if whole else 1
    bound = max(rtol * abs(a), units * max(_unit(old), _unit(new)))
    return max(abs(a), abs(b)) < 1e-12 or rtol == FREE or abs(a - b) <= bound * (1 + 1e-9)


def _unit(text: str) -> float:
    """The worth of the last digit shown: 0.01 for 3.14, 1e-4 for 3.14e-2."""
    mantissa, _, exponent = text.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def check(stem: str) -> tuple[list[str], float]:
    """Run a tutorial: where its prose, code or kinds of outputs differ from what stands; seconds of the slower one."""
    found, seconds = [], 0.0
    for language in languages(stem):
        run = execute(stem, language)
        seconds = max(seconds, run.seconds)
        values, wrong = placed(stem, language)
        found += wrong
        if not wrong:
            found += _drift(stem, language, values, run)
    return found, seconds


def _drift(stem: str, language: str, values: list[list[str]], run: Run) -> Iterator[str]:
    rtol = EXACT
    book, name = nbformat.read(notebook(stem, language), as_version=4), f"{notebook(stem, language).name} ({language})"
    outputs = iter(run.outputs)
    for k, cell in enumerate(book.cells):
        if cell.cell_type == "code":
            rtol = max(rtol, *(t for t, sign in LOOSER.items() if sign.search(cell.source)), EXACT)
            stands, new = _kinds(cell.outputs), _kinds(next(outputs))
            if stands != new:
                yield f"{name}, cell {k + 1}: the outputs written are {stands}, a run gives {new}"
        for old, new in zip(values[k], run.values[k], strict=True):
            if not agree(old, new, rtol):
                yield f"{name}, cell {k + 1}: the prose says {old!r}, a run gives {new!r}"


def _kinds(outputs: list[Any]) -> list[Any]:
    return [sorted(output.get("data", {})) or output.output_type for output in outputs]


# — the command ——————————————————————————————————————————————————————————————————————————————————————————————


def chosen(numbers: list[str]) -> list[str]:
    """The tutorials of these numbers, all of them by default. Raises BuildError for a number that there is not."""
    wanted = [f"{int(n):02}" if n.isdigit() else Path(n).stem[:2] for n in numbers]
    if missing := [n for n in wanted if n not in {stem[:2] for stem in stems()}]:
        raise BuildError(f"there is no tutorial {', '.join(missing)}; there are {', '.join(s[:2] for s in stems())}")
    return [stem for stem in stems() if not wanted or stem[:2] in wanted]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which tutorials; all by default")
    parser.add_argument("--check", action="store_true", help="run and compare with what is there; write nothing")
    given = parser.parse_args(arguments)
    failed = False
    try:
        for stem in chosen(given.numbers):
            try:
                failed |= _one(stem, given.check)
            except BuildError as exc:
                failed = True
                print(f"✗ {exc}", file=sys.stderr)
    except BuildError as exc:
        print(f"build: {exc}", file=sys.stderr)
        return 2
    return int(failed)


def _one(stem: str, checking: bool) -> bool:
    """Build or check one tutorial and say so; whether something was wrong."""
    from rules import awkward, complaints, missing, time_told  # beside this file

    if "zh" not in languages(stem):
        print(f"· {stem}: there is no zh/{stem}.py yet, English alone")
    texts = {f"{language}/{stem}.py": cells(stem, language) for language in languages(stem)}
    rules = (complaints, missing, time_told)
    prose = [line for name, own in texts.items() for rule in rules for line in rule(own, name)]
    for k, cell in enumerate(texts.get(f"zh/{stem}.py", ())):
        prose += awkward(cell.text, f"zh/{stem}.py, cell {k + 1}") if cell.kind == "markdown" else []
    for line in prose:
        print(f"! {line}", file=sys.stderr)
    if checking:
        found, seconds = check(stem)
        for line in found:
            print(f"✗ {line}", file=sys.stderr)
        print(f"{'✗' if found else '✓'} {stem}: ran in {seconds:.1f} s")
        return bool(found or prose)
    paths, seconds = build(stem)
    sizes = ", ".join(f"{path.relative_to(HERE)} {path.stat().st_size / 1000:.0f} kB" for path in paths)
    print(f"✓ {stem}: ran in {seconds:.1f} s: {sizes}")
    return bool(prose)


if __name__ == "__main__":
    sys.exit(main())

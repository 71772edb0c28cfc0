"""The drawing, and the program that turns its DOT text into SVG, PNG or PDF."""

from __future__ import annotations

import html
import math
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from ..exchange.files import write
from ..habits import drawable
from ..spoken import current, speaking
from .press import EXTRA, WORD, has_press, pressed, size_of, without_font

SUFFIXES = (".svg", ".html", ".png", ".pdf", ".gv")
CELL = 720.0  # points: about the width of a cell in a notebook
LARGEST_PNG = 16_000  # pixels; above it most viewers give up
TIMEOUT = 120.0  # seconds
IN_A_BROWSER = (
    "draw: a browser runs no drawing programs. Save .html, which draws itself, or .gv; for .svg, name a function that "
    "renders (tinygrad_lstm.graph.use_renderer). Instead of PNG and PDF: open .html or .svg and print it."
)
_binary = threading.Lock()  # graphviz keeps the program's path in a module variable


class Engine(NamedTuple):
    """The program that renders: where it is, what it calls itself, and "graphviz-pure" or "graphviz"."""

    path: str
    version: str
    kind: str


def engine_info() -> Engine:
    """The program that would be used: $TINYGRAD_LSTM_DOT, else graphviz-pure, else `dot` on the PATH.

    Raises RuntimeError where there is none, or it does not run.
    """
    if sys.platform == "emscripten":
        raise RuntimeError(IN_A_BROWSER)
    program = os.environ.get("TINYGRAD_LSTM_DOT")
    path = program and shutil.which(program) if program else _graphviz_pure() or shutil.which("dot")
    if not path:
        raise RuntimeError(
            f"draw: TINYGRAD_LSTM_DOT={program} is no program." if program
            else "draw: no program to render with was found. Install one: pip install graphviz-pure "
            "(or Graphviz itself), or name one in TINYGRAD_LSTM_DOT. The DOT text needs none: .dot, .save('x.gv')."
        )  # fmt: skip
    return _described(path)


def _described(path: str) -> Engine:
    run = _run([path, "-V"], b"", 10.0)  # dot writes its version to stderr, graphviz-pure to stdout
    version = (run.stdout + run.stderr).decode(errors="replace").strip()
    return Engine(path, version, "graphviz-pure" if "graphviz-pure" in version else "graphviz")


def _graphviz_pure() -> str | None:
    """The program that the package graphviz-pure installed: where it says, in our scripts folder, or on the PATH."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        files = []
    installed = [str(file.locate()) for file in files if file.stem == "graphviz-pure"]
    for place in [*installed, str(Path(sysconfig.get_path("scripts")) / "graphviz-pure"), "graphviz-pure"]:
        if path := shutil.which(place):
            return path
    return None


def _run(command: list[str], data: bytes, timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=timeout, check=False)
    except OSError as exc:
        raise RuntimeError(f"draw: {command[0]} cannot be run ({exc.strerror or exc}).") from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"draw: {command[0]} took over {timeout:.0f} s. Draw fewer steps: steps=(1, 8).") from None


def render(dot: str, layout: str, suffix: str) -> bytes:
    """DOT text as a picture: layout "neato" takes the positions as they are, "dot" finds them.

    It is the program's work (see `engine_info`) unless `use_renderer` has named another. Raises RuntimeError as that
    does; the program where there is none, it fails, or (for PDF) it is not Graphviz's own; and in a browser, for what
    is no SVG.
    """
    if sys.platform == "emscripten" and suffix != "svg":
        raise RuntimeError(IN_A_BROWSER)
    return _renderer.get()(dot, layout, suffix)


def use_renderer(renderer: Renderer | None) -> Renderer:
    """Have pictures rendered by a function of (DOT text, layout "neato" or "dot", suffix "svg", "png" or "pdf").

    So that a place without programs, as a browser is, can bring its own. None brings back the program. Returns the one
    that was used before.
    """
    before = _renderer.get()
    _renderer.set(renderer or by_program)
    return before


def by_program(dot: str, layout: str, suffix: str) -> bytes:
    """Run the drawing program on DOT text."""
    from graphviz.backend import dot_command  # type: ignore[import-untyped]

    engine = engine_info()
    if suffix == "pdf" and engine.kind != "graphviz":
        own = shutil.which("dot")
        if not own:
            raise RuntimeError(
                f"draw: PDF needs {EXTRA}, or Graphviz's own dot (apt install graphviz, brew install graphviz, "
                "winget install graphviz). SVG and PNG work without them."
            )
        engine = _described(own)
    with _binary:
        before = dot_command.DOT_BINARY
        dot_command.DOT_BINARY = Path(engine.path)
        try:
            command = dot_command.command(layout, suffix, neato_no_op=2 if layout == "neato" else None)
        finally:
            dot_command.DOT_BINARY = before
    run = _run([os.fspath(part) for part in command], dot.encode("utf-8", "backslashreplace"), TIMEOUT)
    if run.returncode or not run.stdout:
        complaint = run.stderr.decode(errors="replace").strip()[-500:] or f"exit code {run.returncode}"
        raise RuntimeError(f"draw: {engine.path} failed: {complaint}")
    return run.stdout


Renderer = Callable[[str, str, str], bytes]
_renderer: ContextVar[Renderer] = ContextVar("renderer", default=by_program)


def framed(page: str, height: int = 720) -> str:
    """A page inside a notebook: an iframe that may run its own script and do nothing else."""
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(page)}" width="100%" height="{height}" '
        'style="border: 1px solid #8888; border-radius: 6px" title="the backward pass, step by step"></iframe>'
    )


def check_suffix(path: Path) -> None:
    """Raise the ValueError that saving a drawing there would raise: for the start of what takes long."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"draw: cannot save {path.name!r}. Suffixes: {', '.join(SUFFIXES)}.")


class Drawing:
    """A picture of a graph: `.dot` is its text, which needs no program; `.svg()` and `.save(path)` render it.

    Where the graph has time steps and gradients, `.html()` is the page that walks the backward pass, which a notebook
    shows too. Set `Drawing.interactive = False` to have notebooks hold the plain picture alone: it is smaller, and
    code hosts show it.
    """

    interactive = True
    page: Callable[[], str] | None = None  # makes the page

    def __init__(self, dot: str, layout: str, summary: str, *, pixels: float = 96 / 72) -> None:
        self.dot, self.summary, self._layout, self._pixels = drawable(dot), drawable(summary), layout, pixels

    @cached_property
    def _svg(self) -> str:
        return render(self.dot, self._layout, "svg").decode()

    def svg(self) -> str:
        """The picture as SVG text. Raises RuntimeError where there is no program to render with."""
        return self._svg

    @cached_property
    def _page(self) -> str:
        if self.page is None:
            raise ValueError(
                "draw: the .html page walks a backward pass step by step: draw a loss (or a trace) that an RNN, LSTM "
                "or GRU leads to, with view='time' or 'strip'. Anything else can be saved as .svg."
            )
        lang = current()
        with speaking("en"):  # the page has both languages, and changes between them itself
            page = drawable(self.page())
        return page if lang == "en" else page.replace('<html lang="en"', '<html lang="zh-CN"', 1)

    def html(self) -> str:
        """The page that walks the backward pass, as one self-contained HTML text.

        Raises ValueError where there are no time steps or no gradients; RuntimeError as `svg` does.
        """
        return self._page

    def save(self, path: str | os.PathLike[str], *, scale: float = 1.0) -> Path:
        """Write the picture; the suffix says how: .svg, .html, .png, .pdf or .gv. The file appears whole or not at all.

        `scale` is for PNG: 2 gives twice as many pixels each way, for screens with fine ones. Warns where a PNG cannot
        hold the script of some words.

        Raises ValueError for another suffix, a PNG of more than 16,000 pixels, or as `html` does; RuntimeError as
        `svg` does.
        """
        path = Path(path)
        check_suffix(path)
        suffix = path.suffix.lower()
        if suffix == ".gv":
            data = self.dot.encode("utf-8", "backslashreplace")
        elif suffix == ".html":
            data = self._page.encode("utf-8", "backslashreplace")
        elif suffix == ".svg":
            data = self._svg.encode("utf-8", "backslashreplace")
        elif suffix == ".png":
            if not 0 < scale < math.inf:
                raise ValueError(f"draw: scale must be a number above 0, not {scale}.")
            data = self._png(self._pixels * scale)
        else:
            data = pressed(self._svg, "pdf", 1.0) if has_press() else render(self.dot, self._layout, "pdf")
        write(path, data)
        return path

    def _png(self, scale: float) -> bytes:
        """With so many pixels a point; by typst where the program has no letters for some words."""
        self._check_size(scale)
        if trouble := without_font(self.dot):
            warnings.warn(f"draw: {trouble}", UserWarning, stacklevel=3)
        elif WORD.search(self.dot):
            return pressed(self._svg, "png", scale)
        dot = self.dot if scale == 96 / 72 else self.dot.replace("graph [", f"graph [dpi={72 * scale:.4f}, ", 1)
        return render(dot, self._layout, "png")

    def _check_size(self, scale: float) -> None:
        pixels = max(size_of(self._svg)) * scale
        if pixels > LARGEST_PNG:
            raise ValueError(
                f"draw: this PNG would be {pixels:,.0f} pixels wide or high, and {LARGEST_PNG:,} is the most. "
                "Save .svg, draw fewer steps (steps=(1, 12)), or all of them at a glance (view='strip')."
            )

    def _repr_svg_(self) -> str:
        """As wide as a notebook's cell, but a small picture no larger than it is."""
        width = size_of(self._svg)[0]
        own = "100%" if width > CELL else f'{width:g}pt" style="max-width: 100%; height: auto'
        return re.sub(r'<svg width="[\d.]+pt" height="[\d.]+pt"', f'<svg width="{own}"', self._svg, count=1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            bundle = {"image/svg+xml": self._repr_svg_(), "text/plain": repr(self)}
            if self.interactive and self.page is not None:
                bundle["text/html"] = framed(self._page)
            return bundle
        except (RuntimeError, ImportError) as exc:  # a notebook should show the remedy, not a traceback
            return {"text/plain": f"{self!r}\n{exc}"}

    def __repr__(self) -> str:
        return f"Drawing({self.summary})"

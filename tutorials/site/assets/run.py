"""A notebook's cells in the Python of a browser: what they print and show goes to the page as it comes."""

import ast
import base64
import builtins
import io
import linecache
import sys
import traceback
from types import CodeType, ModuleType
from typing import Any

import notebook_page  # what the worker hands in: show(kind, text), svg(dot, engine)

notebook = ModuleType("__main__")
sys.modules["__main__"] = notebook
space: dict[str, Any] = vars(notebook)
KINDS = {"text/html": "html", "image/svg+xml": "svg", "image/png": "png"}  # the richest first


class Printed(io.TextIOBase):
    """Standard output or error, which the page shows."""

    def write(self, text: str) -> int:
        notebook_page.show("text", text)
        return len(text)

    def isatty(self) -> bool:
        return False


def display(*things: Any) -> None:
    """Show things as a notebook does: the richest form that they offer."""
    for thing in things:
        kind, text = richest(thing)
        notebook_page.show(kind, text)


def richest(thing: Any) -> tuple[str, str]:
    """The form in which a thing is shown, and its text; a PNG in base64."""
    forms: dict[str, Any] = getattr(thing, "_repr_mimebundle_", dict)() or {}
    for mime, kind in KINDS.items():
        form = forms.get(mime) or getattr(thing, f"_repr_{kind}_", lambda: None)()
        if form:
            return kind, base64.b64encode(form).decode() if isinstance(form, bytes) else form
    return "text", f"{thing!r}\n"


def run(text: str, number: int) -> bool:
    """Run one cell and show its last expression; whether all went well."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tracebacks, and for inspect
    try:
        for code, mode in compiled(text, name):
            value = eval(code, space)
            if mode == "eval" and value is not None and not text.rstrip().endswith(";"):
                display(value)
        figures()
    except BaseException as exc:
        notebook_page.show("error", told(exc, name))
        return False
    return True


def compiled(text: str, name: str) -> list[tuple[CodeType, str]]:
    """The statements of a cell, and its last expression by itself."""
    tree = ast.parse(text, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    made = [(compile(tree, name, "exec"), "exec")]
    if isinstance(last, ast.Expr):
        made.append((compile(ast.Expression(last.value), name, "eval"), "eval"))
    return made


def told(exc: BaseException, name: str) -> str:
    """An error as a notebook tells it, from the cell on."""
    if own := getattr(exc, "_render_traceback_", None):
        return "\n".join(own())
    place = exc.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename != name:
        place = place.tb_next
    return "".join(traceback.format_exception(type(exc), exc, place))


def figures() -> None:
    """Show the figures that matplotlib holds, and close them."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return
    for number in plt.get_fignums():
        png = io.BytesIO()
        plt.figure(number).savefig(png, format="png", dpi=144, bbox_inches="tight")
        notebook_page.show("png", base64.b64encode(png.getvalue()).decode())
    plt.close("all")


def begin() -> None:
    """What a notebook finds: its streams, `display`, and pictures drawn by the page's Graphviz."""
    import os

    from tinygrad_lstm.graph import use_renderer

    os.environ["MPLBACKEND"] = "agg"
    sys.stdout = sys.stderr = Printed()
    builtins.display = display  # type: ignore[attr-defined]
    use_renderer(lambda dot, layout, kind: notebook_page.svg(dot, "nop2" if layout == "neato" else layout).encode())


begin()

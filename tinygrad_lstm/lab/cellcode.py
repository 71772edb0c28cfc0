"""A cell from a user's text: its step alone, or a whole class; errors stand at their line.

The code runs in this very Python and may do all that it may: it is for whoever owns the machine, in a notebook, a page
of their own or a browser's sandbox.
"""

from __future__ import annotations

import ast
import builtins
import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lstm

from .. import nn
from ..tensor import Tensor
from ..training.model import CELLS, GATES
from .offers import TEXT, TITLES, cell_type
from .wordings import BAD_STATE, CHOICE, NO_RETURN, NO_STEP, SLOW, TOO_LONG, UNNAMED, LabError, TookTooLong

FILE = "<my cell>"
MODULE = "my_cell"
OWN = "my cell"  # its name among CELLS
TRIED = INPUT, HIDDEN = 3, 4  # sizes of the cell on which a code is tried


class OwnCell(NamedTuple):
    """A cell made of a text: its class, the code, and the name of the cell that it changes."""

    kind: type[nn.Cell]
    code: str
    base: str

    @property
    def understood(self) -> tuple[str, ...]:
        """Which settings of `SequenceModel` it has, beside those of every cell."""
        kinds = ((nn.LSTMCell, GATES), (nn.GRUCell, GATES[:1]))
        return next((settings for kind, settings in kinds if issubclass(self.kind, kind)), ())

    @property
    def is_variant(self) -> bool:
        """Whether it is one of the package's cells, changed, and has their activations."""
        return self.layer is not nn.Recurrent

    @property
    def layer(self) -> type[nn.Recurrent[Any]]:
        kinds = ((nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN))
        return next((layer for kind, layer in kinds if issubclass(self.kind, kind)), nn.Recurrent)


@contextmanager
def known_as_own(cell: OwnCell | None) -> Iterator[None]:
    """Inside the block `SequenceModel(cell=OWN)` makes this cell."""
    if cell is None:
        yield
        return
    CELLS[OWN] = cell.layer, {"cell": cell.kind}, cell.understood
    try:
        yield
    finally:
        del CELLS[OWN]


def namespace() -> dict[str, Any]:
    """The names that a code finds: the functions of the package, the classes of `nn`, `np` and `tl`.

    Python's own names stay its own: `tl.sum`, not `sum`.
    """
    functions = {name: getattr(tinygrad_lstm, name) for name in dir(tinygrad_lstm) if not hasattr(builtins, name)}
    return {**functions, **{name: getattr(nn, name) for name in nn.__all__}, "np": np, "tl": tinygrad_lstm, "nn": nn}


def compiled(code: Any, base: str = "lstm") -> OwnCell:
    """The cell of a code, tried on some numbers.

    Args:
        code: `def step(self, x, state): …`, which then stands in the place of the step of `base`; or a class that
            derives from `nn.Cell` (the last one, of several).
        base: the cell whose parameters and settings a step alone has.

    Raises LabError with the line for what cannot be read, does not run, or returns no state.
    """
    if not isinstance(code, str) or len(code) > TEXT:
        raise LabError(TOO_LONG, field="code", most=TEXT, n=len(str(code)))
    if not isinstance(base, str) or base not in TITLES:
        raise LabError(CHOICE, field="base", value=repr(base), known=", ".join(TITLES))
    return _compiled(code, base)


@lru_cache(maxsize=8)  # the same code is the same class, whose compiled program is kept
def _compiled(code: str, base: str) -> OwnCell:
    lines = code.splitlines(keepends=True)
    linecache.cache[FILE] = (len(code), None, lines, FILE)  # so that messages can show a line
    with at_its_line():
        tree = _read(code)
        step = _put_in_class(tree)
        space = {**namespace(), "Base": cell_type(base), "__name__": MODULE}
        exec(compile(tree, FILE, "exec"), space)
        made = [v for v in space.values() if isinstance(v, type) and issubclass(v, nn.Cell) and v.__module__ == MODULE]
        if not made:
            raise LabError(NO_STEP, field="code")
        cell = OwnCell(made[-1], code, base)
        _tried(cell, step)
    return cell


def _read(code: str) -> ast.Module:
    """The code as a tree. Raises SyntaxError, and LabError for what is nested too deep to be read."""
    try:
        return ast.parse(code, FILE)
    except (RecursionError, MemoryError) as exc:
        raise LabError(f"code: {exc or 'nested too deep'}", field="code") from None


def loose_methods(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of a `self` that stand alone, where `step` is among them."""
    loose = [node for node in tree.body if isinstance(node, ast.FunctionDef)
             and [argument.arg for argument in node.args.args[:1]] == ["self"]]  # fmt: skip
    return loose if any(node.name == "step" for node in loose) else []


def _put_in_class(tree: ast.Module) -> int | None:
    """Make loose methods those of a class MyCell(Base); the line of `step`. All keep their lines."""
    steps = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "step"]
    if loose := loose_methods(tree):
        holder = ast.parse("class MyCell(Base): pass").body[0]
        assert isinstance(holder, ast.ClassDef)
        for node in (holder, *holder.bases):
            ast.copy_location(node, loose[0])
        holder.body = list(loose)
        tree.body = [node for node in tree.body if node not in loose] + [holder]
    return steps[0].lineno if steps else None


def _tried(cell: OwnCell, line: int | None) -> None:
    """Run two steps. Raises LabError where they return no state."""
    own = cell.kind(INPUT, HIDDEN, rng=np.random.default_rng(0))
    state = own.initial(2, np.float32)
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        for _ in range(2):
            step = own.step(Tensor(rng.normal(size=(2, INPUT)), dtype=np.float32), state)
            fields = tuple(dict.fromkeys(("h", *own.State._fields)))  # whatever reads a layer reads its h
            if not isinstance(step, nn.Step) or any(name not in vars(step) for name in fields):
                got = f"{step!r:.60}" if isinstance(step, nn.Step) else type(step).__name__
                raise LabError(NO_RETURN, line=line, field="code", fields=", ".join(fields), got=got)
            for name in fields:
                made = getattr(step, name)
                if not isinstance(made, Tensor) or made.shape != (2, HIDDEN):
                    got = str(made.shape) if isinstance(made, Tensor) else type(made).__name__
                    raise LabError(BAD_STATE, line=line, field="code", name=name, want=(2, HIDDEN), got=got)
                if made.name != name:  # names are how the strip and the levers find it
                    raise LabError(UNNAMED, line=line, field="code", name=name)
            state = own.state_of(step)


@contextmanager
def at_its_line() -> Iterator[None]:
    """What a user's code raises becomes a LabError at its line; what does not come from there goes on as it is."""
    try:
        yield
    except SyntaxError as exc:
        raise LabError(f"code: {exc.msg}", line=exc.lineno, field="code") from None
    except LabError:
        raise
    except Exception as exc:
        line = line_of(exc.__traceback__)
        if line is None:
            raise
        text = SLOW if isinstance(exc, TookTooLong) else f"{type(exc).__name__}: {exc}"
        raise LabError(text, line=line, field="code") from None


def line_of(traceback: TracebackType | None) -> int | None:
    """The innermost line of the user's code in a traceback."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def shapes(cell: OwnCell) -> list[tuple[str, str]]:
    """Each parameter with its shape in words."""
    words = {HIDDEN: "hidden", INPUT: "input", HIDDEN + INPUT: "hidden + input"}
    own = cell.kind(INPUT, HIDDEN, rng=np.random.default_rng(0))
    return [(name, ", ".join(words.get(n, str(n)) for n in p.shape)) for name, p in own.named_parameters()]

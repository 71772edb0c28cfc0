"""The commands in one place, and what becomes of errors: one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, TextIO

import typer

from .compare import compare
from .console import complain, prepare, say, unsaid
from .demo import demo
from .doctor import doctor
from .draw import draw
from .lab import lab
from .reproduce import reproduce
from .source import source
from .sweep import sweep
from .tasks import tasks
from .teach import teach
from .trace import trace
from .train import train
from .tutorials import tutorials

PROGRAM = "tinygrad-lstm"

app = typer.Typer(name=PROGRAM, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

# A command is a function in a file of its name in this folder; it is entered here, in the order of the help.
# It raises ValueError for wrong use (exit code 2), and anything else for a failure (exit code 1).
for command in (demo, lab, train, trace, draw, compare, source, sweep, reproduce, tasks, tutorials, teach, doctor):
    app.command()(command)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """See how a gradient travels back through an LSTM: train small recurrent networks and look inside."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for wrong use, 130 after Ctrl-C."""
    prepare()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]  # it may stand anywhere
    if "--version" in words:
        from importlib.metadata import version

        say(f"{PROGRAM} {version(PROGRAM)}")
        return 0
    with warnings.catch_warnings():
        warnings.showwarning = _warned
        try:
            code = app(words, prog_name=PROGRAM, standalone_mode=False)
            if unsaid:
                raise unsaid[0]
            sys.stdout.flush()  # a full disk behind a redirection shows here, while it can still be told
            return code if isinstance(code, int) else 0
        except typer.Abort as abort:  # Ctrl-C, as typer tells it, and any end of a file
            if isinstance(abort.__context__, EOFError):
                complain(f"{PROGRAM}: a file ends too early ({_one_line(abort.__context__)})")
                return 1
            return 130
        except BrokenPipeError:  # the reader has gone, as after `| head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush when Python ends
            return 1
        except Exception as exc:
            if debug and not hasattr(exc, "format_message"):
                raise
            code, line = explain(exc)
            if line:
                complain(f"{PROGRAM}: {line}")
            return code


def explain(exc: Exception) -> tuple[int, str]:
    """The exit code and the one line for an error."""
    from ..exchange import CheckpointError
    from ..training.fit import TrainingError

    if hasattr(exc, "format_message"):  # typer's own: an unknown option, a missing argument
        if type(exc).__name__ == "NoArgsIsHelpError":
            return 2, f"which command? {PROGRAM} --help lists them"
        return int(getattr(exc, "exit_code", 2)), _one_line(exc.format_message())
    line = _one_line(exc)
    if isinstance(exc, OSError) and exc.filename is not None and exc.strerror:  # the system's own, as "[Errno 17] …"
        line = f"{_one_line(exc.filename)}: {exc.strerror}"
    if isinstance(exc, CheckpointError | TrainingError | OSError) or type(exc) is ImportError:  # an extra is missing
        return 1, line
    if isinstance(exc, ValueError):
        return 2, line
    if isinstance(exc, MemoryError):
        return 1, "there is not enough memory for this; take a smaller --batch, --hidden or --chunk"
    if isinstance(exc, RuntimeError):
        return 1, line
    return 1, f"{type(exc).__name__}: {line} (this should not happen; --debug shows where it did)"


def _one_line(message: Any) -> str:
    return " ".join(str(message).split())


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: TextIO | None = None, line: str | None = None,
) -> None:  # fmt: skip
    complain(f"{PROGRAM}: warning: {_one_line(message)}")

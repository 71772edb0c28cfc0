"""The command line. Only this package uses typer and rich, and only when a command runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tinygrad-lstm` with these arguments, by default those of the process, and return its exit code."""
    try:
        from .app import run

        return run(arguments)
    except KeyboardInterrupt:  # while the commands were being loaded
        return 130

"""What took longer to measure than a notebook may run: rows of sweeps, in files beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..sweeps.store import read_rows


def rows_of(name: str) -> Path:
    """The file of a sweep's rows."""
    return Path(__file__).with_name(f"{name}.jsonl")


def measured(name: str) -> list[dict[str, Any]]:
    """The results of a sweep that is shipped, in the order of its seeds; "seed" is one of their keys.

    Raises OSError where there is no such file.
    """
    trials = sorted(read_rows(rows_of(name)), key=lambda trial: trial.seed)
    return [{"seed": trial.seed, **trial.result} for trial in trials if trial.result is not None]

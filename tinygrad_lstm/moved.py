"""Modules that stand elsewhere since the second edition: their old names still lead to them.

A name is an alias, no copy: `tinygrad_lstm.tasks.fit` *is* `tinygrad_lstm.training.fit`, imported when asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

HERE = __name__.rpartition(".")[0]
MOVED = {
    **{f"tasks.{name}": f"training.{name}" for name in ("compare", "erasure", "fit", "model", "record")},
    "tasks.history": "training.pictures",
    "tasks.characters": "tasks.text",
    "tasks.sentences": "tasks.pronouns",
    "tasks.table": "tasks.series",
}


class Forwarding(MetaPathFinder, Loader):
    """Answers for old names after Python's own finders have found no file of that name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.removeprefix(f"{HERE}.") in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(f"{HERE}.{MOVED[module.__name__.removeprefix(f'{HERE}.')]}")


def forward() -> None:
    """Make the old names known to Python, once."""
    if not any(isinstance(finder, Forwarding) for finder in sys.meta_path):
        sys.meta_path.append(Forwarding())

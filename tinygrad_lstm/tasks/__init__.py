"""The sequences one learns on: made up ones, any text, any column of numbers.

>>> import numpy as np
>>> from tinygrad_lstm import tasks
>>> task = tasks.copying(symbols=3, length=2, delay=4)
>>> batch = task.batch(1, np.random.default_rng(0))
>>> task.decode(batch.x[0]), task.decode(batch.target[0])
('cb___|__', '______cb')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .base import Batch, Task, TaskError, stack
from .classic import Adding, Copying, Reber, TemporalOrder
from .pronouns import Pronouns, Sentence
from .series import Series
from .text import Stdlib, Text

# The lower-case names are how one asks for a task: tasks.adding(length=50).
pronouns, text, stdlib, series = Pronouns, Text, Stdlib, Series
adding, copying, reber, temporal_order = Adding, Copying, Reber, TemporalOrder

TASKS: dict[str, tuple[type[Task], str]] = {
    task.name: (task, task.about) for task in (Pronouns, Text, Stdlib, Series, Adding, Copying, Reber, TemporalOrder)
}


def from_config(config: Mapping[str, Any]) -> Task:
    """The task that `task.config()` describes. Raises TaskError for an unknown task or setting, or a bad one."""
    settings = {**config}
    name = settings.pop("name", None)
    if name not in TASKS:
        raise TaskError(f"tasks: there is no task {name!r}; there are {', '.join(TASKS)}")
    factory, _ = TASKS[name]
    known = [f.name for f in fields(factory) if f.init]
    for setting in settings:
        if setting not in known:
            raise TaskError(f"{name}: has no setting {setting!r}; it has {', '.join(known)}")
    return factory(**settings)


__all__ = [
    "TASKS", "Adding", "Batch", "Copying", "Pronouns", "Reber", "Sentence", "Series", "Stdlib", "Task", "TaskError",
    "TemporalOrder", "Text", "adding", "copying", "from_config", "pronouns", "reber", "series", "stack", "stdlib",
    "temporal_order", "text",
]  # fmt: skip

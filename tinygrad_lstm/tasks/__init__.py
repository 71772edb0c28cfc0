"""The sequences one learns on: made up ones, any text, any column of numbers.

>>> import numpy as np
>>> from tinygrad_lstm import tasks
>>> task = tasks.copying(symbols=3, length=2, delay=4)
>>> batch = task.batch(1, np.random.default_rng(0))
>>> task.decode(batch.x[0]), task.decode(batch.target[0])
('cb___|__', '______cb')

A task of one's own says what it is, and trains through `tl.fit` as these do. One that is drawn defines `_example(rng)`;
this one is a stream, with the net's state carried along from chunk to chunk:

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, kw_only=True)
... class Clock(tasks.Task):
...     name, about = "clock", "the next hour of a clock that jumps by five"
...     is_stream, chunk_setting = True, "steps"
...     steps: int = 8
...     vocabulary = tuple("0123456789AB")
...     def hours(self, split):
...         return np.arange(601 if split == "train" else 121) * 5 % 12
...     def chunk_count(self, batch, steps, *, split="train"):
...         return (len(self.hours(split)) - 1) // batch // steps
...     def chunks(self, batch, steps, start=0, *, split="train"):
...         hours, rows = self.hours(split), np.arange(batch)[:, None] * (len(self.hours(split)) // batch)
...         for k in range(start, self.chunk_count(batch, steps, split=split)):
...             at = rows + np.arange(k * steps, (k + 1) * steps)
...             yield tasks.Batch(hours[at], hours[at + 1], np.ones(at.shape, bool))
>>> import tinygrad_lstm as tl
>>> model = tl.SequenceModel.for_task(Clock(), hidden=8)
>>> history = tl.fit(model, Clock(), steps=150, batch=4, progress=False)
>>> tl.evaluate(model, Clock(), batch=4).accuracy
1.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .base import KINDS, Batch, Task, TaskError, stack
from .classic import Adding, Copying, Reber, TemporalOrder, reber_stream
from .pronouns import Pronouns, Sentence
from .series import Series
from .text import Stdlib, Text
from .vowels import JapaneseVowels
from .words import Words

# The lower-case names are how one asks for a task: tasks.adding(length=50).
pronouns, words, text, stdlib, series = Pronouns, Words, Text, Stdlib, Series
adding, copying, reber, temporal_order = Adding, Copying, Reber, TemporalOrder
japanese_vowels = JapaneseVowels  # not in the list of the commands: its data need the extra `data`

_SHIPPED = (Pronouns, Words, Text, Stdlib, Series, Adding, Copying, Reber, TemporalOrder)
TASKS: dict[str, tuple[type[Task], str]] = {task.name: (task, task.about) for task in _SHIPPED}


def from_config(config: Mapping[str, Any]) -> Task:
    """The task that `task.config()` describes, of ours or of one's own that was defined before.

    Raises TaskError for an unknown task or setting, or a bad one.
    """
    settings = {**config}
    name = settings.pop("name", None)
    if name not in KINDS:
        raise TaskError(f"tasks: there is no task {name!r}; there are {', '.join(dict.fromkeys((*TASKS, *KINDS)))}")
    factory = KINDS[name]
    known = [f.name for f in fields(factory) if f.init]
    for setting in settings:
        if setting not in known:
            raise TaskError(f"{name}: has no setting {setting!r}; it has {', '.join(known)}")
    return factory(**settings)


__all__ = [
    "TASKS", "Adding", "Batch", "Copying", "JapaneseVowels", "Pronouns", "Reber", "Sentence", "Series", "Stdlib",
    "Task", "TaskError", "TemporalOrder", "Text", "Words", "adding", "copying", "from_config", "japanese_vowels",
    "pronouns", "reber", "reber_stream", "series", "stack", "stdlib", "temporal_order", "text", "words",
]  # fmt: skip

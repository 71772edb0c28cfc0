"""`tinygrad-lstm tasks`: what there is to learn on."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import say


def tasks(
    name: Annotated[str | None, typer.Argument(help="Show the settings and an example of this task.")] = None,
) -> None:
    """List the tasks, or show one of them: its settings and an example."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ..tasks import TASKS

    console = Console(highlight=False)
    if name is None:
        table = Table("task", "what is learned", box=None)
        for task, (_, about) in TASKS.items():
            table.add_row(task, about)
        console.print(table)
        console.print("\ntinygrad-lstm tasks NAME shows one of them, tinygrad-lstm train NAME learns it.", markup=False)
        return
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    if name == "text":
        say("text: the next character of your own file or folder. Use: tinygrad-lstm train FILE")
        return
    made = TASKS[name][0]()
    say(f"{name}: {made.about}\n")
    for setting, value in made.config().items():
        if setting not in ("name", "vocabulary"):
            say(f"  {setting} = {_short(value)}")
    say(f"\n{made.show(made.batch(1, np.random.default_rng(0)))}")


def _short(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

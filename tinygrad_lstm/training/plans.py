"""A sweep of trainings as a TOML file: which task, which model, how it is trained, and what is varied.

seeds = 5
solved = "accuracy >= 0.9"

[task]
name = "copying"

[model]
hidden = 32

[train]
steps = 300

[grid]
model.forget_bias = [0, 1, 5]
task.delay = [10, 40]
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import itertools
import math
import operator
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..optim import CLIPS, Optimizer
from ..tasks import TaskError, from_config
from ..tasks.base import SettingError, Task
from .fit import evaluate, fit, make_optimizer
from .model import SequenceModel

MADE = ("self", "inputs", "outputs", "tokens", "kind", "seed", "task", "vocabulary")  # by the task, or a seed
MODEL = tuple(name for name in inspect.signature(SequenceModel.__init__).parameters if name not in MADE)
TRAIN = ("steps", "batch", "chunk", "optimizer", "lr", *CLIPS)
TABLES = {"model": MODEL, "train": TRAIN}
SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class PlanError(ValueError):
    """A plan that cannot be followed: one line with file, place, what is wrong there, and how to mend it."""


class Built(NamedTuple):
    """What one trial trains: its task, model and optimizer, and the other settings of `fit`."""

    task: Task
    model: SequenceModel
    optimizer: Optimizer
    training: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A TOML file, read and checked: `points` for `tl.sweep`, `seeds`, and `data`, a digest of the files it reads."""

    points: list[dict[str, Any]]
    seeds: int | list[int]
    data: str = ""


def trained(seed: int, *, solved: str | None = None, **settings: Any) -> dict[str, Any]:
    """Train one net and see how it does on what was held out: the run of a plan.

    settings: "task.…", "model.…" and "train.…", as in the plan. Raises what building and training raise.
    """
    task, model, optimizer, training = build(settings, seed)
    model.rnn.fused = model.rnn.fusable  # nobody looks inside while it trains
    history = fit(model, task, seed=seed, optimizer=optimizer, progress=False, **training)
    held_out = evaluate(model, task)
    found: dict[str, Any] = {"loss": held_out.loss}
    if not math.isnan(held_out.accuracy):
        found["accuracy"] = held_out.accuracy
    found["training loss"] = history.recent("loss")
    return found if solved is None else {**found, "solved": criterion(solved)(found)}


def build(settings: dict[str, Any], seed: int = 0) -> Built:
    """Task, model, optimizer and training of a point. Raises ValueError where they cannot be made."""
    tables: dict[str, dict[str, Any]] = {"task": {}, "model": {}, "train": {}}
    for name, value in settings.items():
        table, _, own = name.partition(".")
        tables[table][own] = value
    train = tables["train"]
    task = from_config(tables["task"])
    model = SequenceModel.for_task(task, seed=seed, **tables["model"])
    rule = {name: train.pop(name) for name in ("lr", *CLIPS) if name in train}
    optimizer = make_optimizer(train.pop("optimizer", "adam"), model, **rule)
    if "steps" not in train:
        raise ValueError("[train] lacks steps, such as steps = 500")
    for name in ("steps", "batch", "chunk"):
        if name in train and (type(train[name]) is not int or train[name] < 1):
            raise ValueError(f"[train] {name} must be a whole number of at least 1, not {train[name]!r}")
    train.setdefault("batch", task.usual_batch(train.get("chunk")))
    return Built(task, model, optimizer, train)


def criterion(text: str) -> Callable[[dict[str, Any]], bool]:
    """What `solved = "accuracy >= 0.9"` asks. Raises ValueError where that is no question."""
    found = re.fullmatch(r"\s*(loss|accuracy)\s*(>=|<=|>|<)\s*([-+.\deE]+)\s*", text) if isinstance(text, str) else None
    try:
        name, sign, bound = found[1], SIGNS[found[2]], float(found[3])  # type: ignore[index]
    except (TypeError, ValueError):
        raise ValueError(
            f'solved = {text!r} is no criterion; write loss or accuracy, a sign and a number: "accuracy >= 0.9"'
        ) from None
    return lambda values: bool(name in values and sign(values[name], bound))


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read and check a plan: every point is built once before anything is trained.

    Raises PlanError for what is wrong in it, OSError where it, or a file of its task, cannot be read.
    """
    place = os.fspath(path)
    try:
        with open(path, "rb") as file:
            plan = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PlanError(f"{place}: is no TOML ({exc})") from None
    try:
        _check_names(plan, ("seeds", "solved", "task", "model", "train", "grid"), "the file")
        varied = _varied(plan.get("grid", {}))
        fixed = {f"{table}.{name}": value for table in ("task", *TABLES) for name, value in _table(plan, table).items()}
        if twice := sorted(fixed.keys() & varied.keys()):
            raise ValueError(f"{twice[0]} stands in its table and in [grid]; leave one of them out")
        if "solved" in plan:
            criterion(plan["solved"])
            fixed["solved"] = plan["solved"]
        if not any(name == "task.name" for name in (*fixed, *varied)):
            raise ValueError('[task] lacks name, such as name = "adding" (see: tinygrad-lstm tasks)')
        products = (dict(zip(varied, values, strict=True)) for values in itertools.product(*varied.values()))
        points = [{**fixed, **product} for product in products]
        return Plan(points, _seeds(plan.get("seeds", 5)), _checked(points, varied))
    except ValueError as exc:
        raise PlanError(f"{place}: {exc}") from None


def _checked(points: Iterable[dict[str, Any]], varied: Iterable[str]) -> str:
    """Build every point once; a digest of the data that the tasks read. Raises ValueError that says at which point."""
    digests = []
    for point in points:
        try:
            digests.append(build({name: value for name, value in point.items() if name != "solved"}).task.digest())
        except (ValueError, TypeError) as exc:
            if isinstance(exc, TaskError) and not isinstance(exc, SettingError) and "task.path" in point:
                raise OSError(str(exc)) from None  # the data's fault, not that of the plan
            where = ", ".join(f"{name} = {point[name]!r}" for name in varied)
            raise ValueError(f"{f'at {where}: ' * bool(where)}{exc}") from None
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16] if any(digests) else ""


def _varied(grid: Any) -> dict[str, list[Any]]:
    """`[grid]` with its names written out: "model.hidden"."""
    found: dict[str, list[Any]] = {}
    if not isinstance(grid, dict):
        raise ValueError("[grid] must be a table, such as model.hidden = [16, 32] below it")
    _check_names(grid, ("task", *TABLES), "[grid]", "such as model.hidden = [16, 32]")
    for table in grid:
        for name, values in _table(grid, table).items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"[grid] {table}.{name} must be a list of values, such as [{values!r}]")
            found[f"{table}.{name}"] = values
    return found


def _table(plan: dict[str, Any], table: str) -> dict[str, Any]:
    """One table, of which all names are known; those of a task are checked when it is made."""
    found = plan.get(table, {})
    if not isinstance(found, dict):
        raise ValueError(f"{table} must be a table, such as [{table}] with its settings below it")
    if table in TABLES:
        _check_names(found, TABLES[table], f"[{table}]")
    return found


def _check_names(given: Iterable[str], known: Iterable[str], where: str, how: str = "") -> None:
    for name in given:
        if name not in (names := [*known]):
            near = difflib.get_close_matches(name, names, 1, 0.7)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise ValueError(f"{where} has no {name}{meant} It has {', '.join(names)}{f', {how}' if how else ''}")


def _seeds(seeds: Any) -> int | list[int]:
    many = seeds if isinstance(seeds, list) else [seeds]
    if not many or any(type(seed) is not int or seed < 0 for seed in many) or seeds == 0:
        raise ValueError(f"seeds = {seeds!r} must be how many (seeds = 5), or a list of them (seeds = [0, 7])")
    return seeds if isinstance(seeds, list) else many[0]

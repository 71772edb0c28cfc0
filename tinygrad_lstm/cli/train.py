"""`tinygrad-lstm train`: a model for a text, a column of numbers or a task."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .console import complain, say

if TYPE_CHECKING:
    from ..exchange import Checkpoint
    from ..optim import Optimizer
    from ..tasks import Task
    from ..training.history import Evaluation, History
    from ..training.model import SequenceModel

MODEL = ("cell", "hidden", "layers", "embedding", "activation", "recurrent_activation", "forget_bias", "seed")
CLIPS = ("clipvalue", "clipnorm", "global_clipnorm")


def train(
    source: Annotated[
        str | None,
        typer.Argument(help="A text file or folder, a .csv file, 'stdlib', or the name of a task (see: tasks)."),
    ] = None,
    words: Annotated[
        bool | None, typer.Option("--words", help="Of a text file: sentences, word by word (the task words).")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Of a CSV: the column's header, or its number from 0.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a file that is not UTF-8: gb18030, cp1252, …")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the task: --set length=50; of a table --set delimiter=';' --set decimal=, --set "
            "thousands=. --set fill=linear.",
        ),
    ] = None,
    cell: Annotated[str | None, typer.Option(help="rnn, lstm (default), gru, or a variant: lstm-peephole, …")] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden units; 64 by default.")] = None,
    layers: Annotated[int | None, typer.Option(help="Recurrent layers; 1 by default.")] = None,
    embedding: Annotated[int | None, typer.Option(help="Size of the vectors that tokens become.")] = None,
    activation: Annotated[str | None, typer.Option(help="Of candidate and output: tanh, relu, …")] = None,
    recurrent_activation: Annotated[str | None, typer.Option(help="Of the gates: sigmoid, hard_sigmoid, …")] = None,
    forget_bias: Annotated[float | None, typer.Option(help="Where b_f of an LSTM starts; 1 by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps in all; 500 by default, unless --seconds is given.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this time.")] = None,
    batch: Annotated[int | None, typer.Option(help="Examples, or rows of text, at each step; 32 by default.")] = None,
    chunk: Annotated[int | None, typer.Option(help="Time steps per chunk of a text (64), or per CSV window.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, rmsprop, adagrad, adam (default) or adamw.")] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate; what suits the optimizer by default.")] = None,
    clipvalue: Annotated[float | None, typer.Option(help="Keep each entry of each gradient within ± this.")] = None,
    clipnorm: Annotated[float | None, typer.Option(help="Scale each parameter's gradient down to this norm.")] = None,
    global_clipnorm: Annotated[float | None, typer.Option(help="Scale all gradients together to this norm.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, batches and dropout; 0 by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to save the model; model.safetensors by default.")] = None,
    save_every: Annotated[float, typer.Option(help="Seconds after which it is saved on the way, too.")] = 60.0,
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compiled/--not-compiled", help="Steps compiled by numba (the extra fast): faster, other last digits."
        ),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this model, bit by bit as if never stopped.")] = None,
) -> None:
    """Train a recurrent network and save it."""
    _train({name: value for name, value in locals().items() if value is not None})


class TrainingPlan(NamedTuple):
    """What is to be trained, and how: the arguments of `fit` beside the length of the training."""

    model: SequenceModel
    task: Task
    optimizer: Optimizer
    batch: int
    chunk: int | None
    seed: int
    resume: Checkpoint | None = None


def _train(options: dict[str, Any]) -> None:
    from ..exchange import check_place
    from ..tasks import TaskError
    from ..training.fit import Interrupted, evaluate, fit

    plan = _resumed(options) if "resume" in options else _new(options)
    model, task = plan.model, plan.task
    before = plan.resume.meta["training"].get("engine") if plan.resume else False
    compiled = options.get("compiled", before == "numba")
    steps, seconds = options.get("steps"), options.get("seconds")
    if steps is None and seconds is None:
        steps = 500
    model.rnn.fused = "numba" if compiled else model.rnn.fusable  # nobody looks inside while it trains
    out = options.get("out") or options.get("resume") or Path("model.safetensors")
    check_place(out, model=plan.resume is None or out != options["resume"])  # what is gone on with has been read

    size = sum(p.size for p in model.parameters())
    say(f"{task.name}: {task.about}")
    for note in task.notes():
        say(f"note: {note}")
    say(f"{model.config()['cell']} with {model.config()['hidden']} units, {size:,} parameters; {plan.optimizer}")
    try:
        history = fit(**plan._asdict(), steps=steps, seconds=seconds, path=out, save_every=options["save_every"])
    except Interrupted as stop:
        done = len(stop.history)
        again = f"tinygrad-lstm train --resume {shlex.quote(str(out))} --steps {steps or done + 500}"
        complain(f"stopped after step {done}, saved in {out}; go on with: {again}")
        raise typer.Exit(130) from None
    try:
        held_out: Evaluation | str = evaluate(model, task)
    except TaskError as exc:  # a text so short that nothing of it can be held out
        held_out = f"nothing: {exc}"
    say(report(model, task, history, held_out, plan.optimizer.clip_report()))
    say(f"\nsaved in {out}")
    if asking := task.asking():
        say(f"look inside: {shlex.join(['tinygrad-lstm', 'trace', str(out), *asking, '--out', 'trace.html'])}")
    else:
        say(f"look inside, in Python: model, task = tl.load_model({str(out)!r})")


def _new(options: dict[str, Any]) -> TrainingPlan:
    """A training from the beginning."""
    from ..training.fit import make_optimizer
    from ..training.model import SequenceModel

    if "source" not in options:
        raise ValueError("which SOURCE? Give a text file or folder, a .csv file, or a task's name (see: tasks)")
    task = make_task(options)
    model = SequenceModel.for_task(task, **{name: options[name] for name in MODEL if name in options})
    rule = {name: options[name] for name in ("lr", *CLIPS) if name in options}
    optimizer = make_optimizer(options.get("optimizer", "adam"), model, **rule)
    chunk = options.get("chunk") if task.is_stream else None
    batch = options.get("batch", task.usual_batch(chunk))
    return TrainingPlan(model, task, optimizer, batch, chunk, options.get("seed", 0))


def _resumed(options: dict[str, Any]) -> TrainingPlan:
    """A training that goes on: all is as it was."""
    from ..exchange import CheckpointError, read
    from ..tasks import TaskError
    from ..training.fit import make_optimizer
    from ..training.kept import training_of
    from ..training.model import load_model

    saved = read(options["resume"])
    model, task = load_model(saved)
    training = training_of(saved)
    if task is None:
        raise ValueError(f"{saved.path}: was trained on no task of ours")
    try:
        if saved.meta.get("task") == task.config():  # else it is refused without reading anything
            task.digest()
    except TaskError as exc:
        raise OSError(str(exc)) from None  # the file's fault, not that of the command
    before = training["optimizer"]
    chunk = training["chunk"] or (task.chunk_setting and task.config()[task.chunk_setting])
    _same(options, {**model.config(), **before["settings"], "batch": training["batch"], "chunk": chunk})
    if options.get("optimizer", before["kind"]).lower() != before["kind"].lower():
        raise ValueError(f"--optimizer {options['optimizer']}: the file was trained with {before['kind'].lower()}")
    trained_on = task.config().get("path") or task.name
    if options.get("source", trained_on) != trained_on:
        raise ValueError(f"{options['source']}: the file was trained on {trained_on}; leave SOURCE out")
    try:
        optimizer = make_optimizer(before["kind"], model, **before["settings"])
    except (ValueError, TypeError) as exc:
        raise CheckpointError(f"{saved.path}: its training cannot be gone on with ({exc})") from None
    return TrainingPlan(model, task, optimizer, training["batch"], training["chunk"], 0, saved)


def make_task(options: dict[str, Any]) -> Task:
    """The task that SOURCE, --words, --column, --encoding, --chunk and --set describe.

    Raises ValueError; OSError for a file that fails.
    """
    from ..tasks import TASKS, TaskError, from_config
    from ..tasks.base import SettingError

    source = options["source"]
    config: dict[str, Any] = {}
    for setting in options.get("settings") or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting}: write it as NAME=VALUE")
        if name in ("path", "name"):
            raise ValueError(f"--set {setting}: what to train on is SOURCE, not a setting")
        config[name] = _value(value)
    is_file = (source not in TASKS or source == "text") and os.path.exists(source)
    if is_file:
        table = source.lower().endswith(".csv") or "column" in options
        config |= {"name": "words" if options.get("words") else "series" if table else "text", "path": source}
    elif options.get("words"):
        raise ValueError(f"--words is for text files, not for {source}")
    elif source in TASKS and source != "text":
        config["name"] = source
    else:
        raise FileNotFoundError(f"{source}: there is no such file, and no task of that name; see: tinygrad-lstm tasks")
    kind = TASKS[config["name"]][0]
    for name, what in (("column", "CSV files"), ("encoding", "files")):
        if name in options:
            if name not in kind.__dataclass_fields__ or not is_file:
                raise ValueError(f"--{name} is for {what}, not for {source}")
            config[name] = options[name]
    if "chunk" in options:
        if kind.chunk_setting is None:
            raise ValueError(f"--chunk is for texts and CSV files; {source} has examples of its own length")
        config[kind.chunk_setting] = options["chunk"]
    try:
        return from_config(config)
    except TaskError as exc:
        if is_file and not isinstance(exc, SettingError):
            raise OSError(str(exc)) from None  # the file's fault, not that of the command
        raise


def report(model: SequenceModel, task: Task, history: History, held_out: Evaluation | str, clip: object) -> str:
    """What came of a training, in a few lines."""
    pace = history.answers / max(history.seconds, 1e-9)
    lines = [
        "",
        f"{len(history)} steps, {history.answers:,} {task.unit}, {pace:,.0f} a second",
        f"training  {history.line()}",
        f"held out  {held_out}",
        f"clipping  {clip}",
    ]
    if not isinstance(held_out, str):
        if beside := task.baseline(held_out.loss):
            lines[3] += f"; {beside}"
        if held_out.by_distance:
            each = "  ".join(f"{d}: {share:.0%}" for d, share in held_out.by_distance.items())
            lines.append(f"accuracy by distance to what must be remembered  {each}")
    return "\n".join([*lines, "", sample(model, task)])


def sample(model: SequenceModel, task: Task) -> str:
    """What the model writes itself, where it can go on; else an example (held out, if anything is) with its answers."""
    import numpy as np

    from ..scope import no_grad
    from ..tasks import TaskError

    rng = np.random.default_rng(0)
    start = task.opening()
    if start is not None:
        drawn = model.generate(start, 300 if task.is_stream else 12, rng, temperature=0.7)
        after = "the end of the training text" if task.is_stream else "a first word"
        title = f"What the model writes after {after} (from │ on, at temperature 0.7):"
        return f"{title}\n{task.decode(start)}{task.between}│{task.between}{task.decode(drawn)}"
    try:
        kind, batch = "held-out", task.batch(1, rng, split="test")
    except TaskError:
        kind, batch = "training", task.batch(1, rng)
    with no_grad():
        y = model.eval()(batch.x, lengths=batch.lengths).y.numpy()
    return f"A {kind} example. {task.show(batch, y)}"


def _value(text: str) -> Any:
    """A setting's value: a number, a list, … as in JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _same(options: dict[str, Any], before: dict[str, Any]) -> None:
    """What is given beside --resume must be as it was, or the training would not be the same."""
    for name in (*MODEL, "lr", *CLIPS, "batch", "chunk"):
        if name in options and options[name] != before.get(name):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} {options[name]}: the file was trained with {before.get(name)}; leave it out")

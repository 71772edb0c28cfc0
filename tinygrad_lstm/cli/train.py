"""`tinygrad-lstm train`: a model for a text, a column of numbers or a task."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..tasks import Batch, Task
    from ..training.fit import Evaluation, History
    from ..training.model import SequenceModel

MODEL = ("cell", "hidden", "layers", "embedding", "activation", "recurrent_activation", "forget_bias", "seed")
CLIPS = ("clipvalue", "clipnorm", "global_clipnorm")


def train(
    source: Annotated[
        str | None,
        typer.Argument(help="A text file or folder, a .csv file, 'stdlib', or the name of a task (see: tasks)."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Of a CSV: the column's header, or its number from 0.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the task: --set length=50.")
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
    seed: Annotated[int | None, typer.Option(help="Of initial values, batches and dropout; 0 by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to save the model; model.safetensors by default.")] = None,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Steps compiled by numba (the extra fast): faster, other last digits.")
    ] = False,
    resume: Annotated[Path | None, typer.Option(help="Go on with this model, bit by bit as if never stopped.")] = None,
) -> None:
    """Train a recurrent network and save it."""
    given = {name: value for name, value in locals().items() if value is not None}
    from ..exchange import check_place, read_meta
    from ..nn.fused import steps_of
    from ..tasks import TaskError
    from ..training.fit import Interrupted, evaluate, fit, make_optimizer
    from ..training.model import SequenceModel, load_model

    rule = {name: given[name] for name in ("lr", *CLIPS) if name in given}
    if resume is not None:
        model, found = load_model(resume)
        training = read_meta(resume).get("training")
        if found is None or training is None:
            raise ValueError(f"{resume}: holds a model, but no training to go on with")
        task = found
        before = training["optimizer"]
        chunks = training["chunk"] or task.config().get("window")
        _same(given, {**model.config(), **before["settings"], "batch": training["batch"], "chunk": chunks})
        if optimizer is not None and optimizer.lower() != before["kind"].lower():
            raise ValueError(f"--optimizer {optimizer}: the file was trained with {before['kind'].lower()}")
        trained_on = task.config().get("path") or task.name
        if source not in (None, trained_on):
            raise ValueError(f"{source}: the file was trained on {trained_on}; leave SOURCE out")
        mover = make_optimizer(before["kind"], model, **before["settings"])
        batch, chunk, seed = training["batch"], training["chunk"], 0
    else:
        if source is None:
            raise ValueError("which SOURCE? Give a text file or folder, a .csv file, or a task's name (see: tasks)")
        task = make_task(given)
        model = SequenceModel.for_task(task, **{name: given[name] for name in MODEL if name in given})
        mover = make_optimizer(optimizer or "adam", model, **rule)
        batch, seed = batch or rows(task, chunk), seed or 0
        chunk = chunk if hasattr(task, "chunks") else None
    if steps is None and seconds is None:
        steps = 500
    if compiled and not model.rnn.fusable:
        raise ValueError("--compiled: only rnn, lstm and gru with their usual activations have compiled steps")
    steps_of(compiled)  # says now if numba is missing
    model.rnn.fused = "numba" if compiled else model.rnn.fusable  # nobody looks inside while it trains
    out = out or resume or Path("model.safetensors")
    check_place(out)

    size = sum(p.size for p in model.parameters())
    print(f"{task.name}: {task.about}")
    print(f"{model.config()['cell']} with {model.config()['hidden']} units, {size:,} parameters; {mover}")
    try:
        history = fit(
            model, task, steps=steps, seconds=seconds, batch=batch, chunk=chunk,
            optimizer=mover, seed=seed, path=out, resume=resume,
        )  # fmt: skip
    except Interrupted as stop:
        done = len(stop.history)
        again = f"tinygrad-lstm train --resume {shlex.quote(str(out))} --steps {steps or done + 500}"
        typer.echo(f"stopped after step {done}, saved in {out}; go on with: {again}", err=True)
        raise typer.Exit(130) from None
    try:
        held_out: Evaluation | str = evaluate(model, task)
    except TaskError as exc:  # a text so short that nothing of it can be held out
        held_out = f"nothing: {exc}"
    print(report(model, task, history, held_out, mover.clip_report()))
    print(f"\nsaved in {out}")


def make_task(given: dict[str, Any]) -> Task:
    """The task that SOURCE, --column, --chunk and --set describe. Raises ValueError; OSError for a file that fails."""
    from ..tasks import TASKS, Series, TaskError, Text, from_config

    source = given["source"]
    config: dict[str, Any] = {}
    for setting in given.get("settings") or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting}: write it as NAME=VALUE")
        config[name] = _value(value)
    is_file = (source not in TASKS or source == "text") and os.path.exists(source)
    if is_file:
        table = source.lower().endswith(".csv") or "column" in given
        config |= {"name": "series" if table else "text", "path": source}
    elif source in TASKS and source != "text":
        config["name"] = source
    else:
        raise FileNotFoundError(f"{source}: there is no such file, and no task of that name; see: tinygrad-lstm tasks")
    factory = TASKS[config["name"]][0]
    if "column" in given:
        if not issubclass(factory, Series):
            raise ValueError(f"--column is for CSV files, not for {source}")
        config["column"] = given["column"]
    if "chunk" in given:
        if not issubclass(factory, Series | Text):
            raise ValueError(f"--chunk is for texts and CSV files; {source} has examples of its own length")
        config["window" if issubclass(factory, Series) else "steps"] = given["chunk"]
    try:
        return from_config(config)
    except TaskError as exc:
        if is_file:
            raise OSError(str(exc)) from None  # the file's fault, not that of the command
        raise


def rows(task: Task, chunk: int | None) -> int:
    """The usual batch: 32, but fewer rows where a text is so short that they would give less than eight chunks."""
    from ..tasks import Text

    if not isinstance(task, Text):
        return 32
    return next((n for n in (32, 16, 8, 4, 2) if task.chunk_count(n, chunk or task.steps) >= 8), 1)


def report(model: SequenceModel, task: Task, history: History, held_out: Evaluation | str, clip: object) -> str:
    """What came of a training, in a few lines."""
    import numpy as np

    from ..tasks import Series, Text

    pace = history.answers / max(history.seconds, 1e-9)
    what = "characters" if isinstance(task, Text) else "answers"
    lines = [
        "",
        f"{len(history)} steps, {history.answers:,} {what}, {pace:,.0f} a second",
        f"training  {history.line()}",
        f"held out  {held_out}",
        f"clipping  {clip}",
    ]
    if isinstance(task, Text) and not isinstance(held_out, str):
        bits = f"{held_out.loss / np.log(2):.2f} bits a character"
        lines[3] += f"; {bits}, where guessing evenly takes {np.log2(task.outputs):.2f}"
    if isinstance(task, Series):
        whole = task.windows(split="test")
        lines[3] += f"; saying that nothing changes has loss {((whole.x - whole.target) ** 2).mean():.4f}"
    if not isinstance(held_out, str) and held_out.by_distance:
        each = "  ".join(f"{d}: {share:.0%}" for d, share in held_out.by_distance.items())
        lines.append(f"accuracy by distance to what must be remembered  {each}")
    return "\n".join([*lines, "", sample(model, task)])


def sample(model: SequenceModel, task: Task) -> str:
    """Of a text, what the model writes itself; else a held-out example with its answers."""
    import numpy as np

    from ..scope import no_grad
    from ..tasks import Text

    rng = np.random.default_rng(0)
    if isinstance(task, Text):
        end = len(task.text) - round(len(task.text) * task.held_out)
        start = task.text[max(0, end - 40) : end]
        drawn = model.generate(task.encode(start), 300, rng, temperature=0.7)
        title = "What the model writes after the end of the training text (from │ on, at temperature 0.7):"
        return f"{title}\n{start}│{task.decode(drawn)}"
    batch = task.batch(1, rng, split="test")
    with no_grad():
        y = model.eval()(batch.x, lengths=batch.lengths).y.numpy()
    return "A held-out example. " + example(task, batch, y)


def example(task: Task, batch: Batch, y: Any = None) -> str:
    """One example in words: what goes in, what is right, and what the model says."""
    import numpy as np

    from ..tasks import Series

    asked = np.flatnonzero(batch.mask[0])
    words = " " if task.name == "pronouns" else ""

    def numbers(values: Any) -> str:
        """The first of them; of a series in their own unit."""
        return " ".join(f"{v:.3g}" for v in (task.decode(values) if isinstance(task, Series) else values[:, 0])[:24])

    def answers(values: Any) -> str:
        if task.answers is None:
            return numbers(values[asked])
        return words.join(task.answers[int(k)] for k in values[asked])

    if task.vocabulary is None:
        shown = "\n".join(numbers(feature[:, None]) for feature in batch.x[0].T)
    else:
        shown = task.decode(batch.x[0])
    lines = [f"input:\n{shown}"]

    lines.append(f"right: {answers(batch.target[0])}")
    if y is not None:
        lines.append(f"model: {answers(y[0] if task.answers is None else y[0].argmax(axis=-1))}")
    return "\n".join(lines)


def _value(text: str) -> Any:
    """A setting's value: a number, a list, … as in JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _same(given: dict[str, Any], before: dict[str, Any]) -> None:
    """What is given beside --resume must be as it was, or the training would not be the same."""
    for name in (*MODEL, "lr", *CLIPS, "batch", "chunk"):
        if name in given and given[name] != before.get(name):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} {given[name]}: the file was trained with {before.get(name)}; leave it out")

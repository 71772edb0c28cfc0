"""`tinygrad-lstm trace`: your own input, and the gradient of one of its answers on the way back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import typer

if TYPE_CHECKING:
    from ..flow.trace import Trace
    from ..tasks import Task
    from ..tasks.base import Array
    from ..training.model import SequenceModel


def trace(
    model: Annotated[Path, typer.Argument(help="A model that 'train' or 'demo' has saved.")],
    out: Annotated[Path, typer.Option(help="The picture: .html (the page to step through), .svg, .png, .pdf or .gv.")],
    text: Annotated[str | None, typer.Option(help="What is read: a text, or the words of the task.")] = None,
    csv: Annotated[Path | None, typer.Option(help="What is read: the model's column of this table.")] = None,
    column: Annotated[str | None, typer.Option(help="Of --csv: header or number; by default as in training.")] = None,
    at: Annotated[int, typer.Option(help="The step whose answer is asked for, from 0; −1 is the last one.")] = -1,
    target: Annotated[str | None, typer.Option(help="The answer to go back from; the likeliest by default.")] = None,
    follow: Annotated[str | None, typer.Option(help="C or h: bring this path forward.")] = None,
    view: Annotated[str, typer.Option(help="time, strip, cells, rolled or ops.")] = "time",
    layer: Annotated[int | None, typer.Option(help="Of several layers, the one whose ledger is printed.")] = None,
    beside: Annotated[Path | None, typer.Option(help="A second model, that reads the same: both on one scale.")] = None,
) -> None:
    """Draw and print where the gradient of one answer goes."""
    import tinygrad_lstm as tl

    from ..exchange import check_place
    from ..graph.views import ViewName

    if follow not in (None, "C", "h"):
        raise ValueError(f"--follow {follow}: it is C or h")
    if beside is not None and view != "time":
        raise ValueError(f"--beside: two models stand in --view time, not in {view}")
    check_place(out, model=False)
    ask = partial(_traced, text=text, csv=csv, column=column, at=at, target=target, follow=follow, layer=layer)
    measured, labels, name = ask(model)
    what: Trace | dict[str, Trace] = measured
    if beside is not None:
        print(f"\n{beside}:")
        other, others, second = ask(beside)
        if len(others) != len(labels):
            raise ValueError(
                f"--beside {beside}: reads this in {len(others)} steps and {model} in {len(labels)}; "
                "step by step they cannot be compared"
            )
        what = {name: measured, second if second != name else f"{second} (2)": other}
    tl.draw(what, view=cast(ViewName, view), follow=follow, labels=None if view == "ops" else labels).save(out)
    print(f"picture: {out}")


def _traced(
    model: Path, *, text: str | None, csv: Path | None, column: str | None, at: int, target: str | None,
    follow: str | None, layer: int | None,
) -> tuple[Trace, list[str], str]:  # fmt: skip
    """Ask a model, print its answer and the ledger. The trace, a label for each step, and what the model is called."""
    import tinygrad_lstm as tl

    from ..training.model import load_model

    net, task = load_model(model)
    if task is None:
        raise ValueError(f"{model}: was trained on no task, so there is no way to read a text or a table for it")
    x, labels = _read(task, text, csv, column)
    if not -len(labels) <= at < len(labels):
        raise ValueError(f"--at {at}: there are {len(labels)} steps, from 0 to {len(labels) - 1} (or −1 for the last)")
    end = at % len(labels) + 1  # what comes after that step has no part in its answer
    x, labels = x[:end], labels[:end]
    prediction = net.eval()(x[None])
    answer = prediction.y[0, -1]
    if task.kind == "classify":
        assert task.vocabulary is not None or task.answers is not None
        names = task.answers or task.vocabulary or ()
        token = int(answer.numpy().argmax()) if target is None else _token(names, target)
        loss = tl.nn.cross_entropy(prediction.y[:, -1], np.array([token]))
        print(f"after {labels[-1]!r} (step {end - 1}) the model expects: {_expects(names, answer.numpy())}")
        print(f"traced: the loss of {names[token]!r}, −ln p = {loss.item():.4g}\n")
    else:
        if target is not None:
            raise ValueError("--target is for models that choose among answers; this one gives a number")
        loss = answer.sum()
        value = float(np.ravel(task.decode(answer.numpy()))[0])
        print(f"after step {end - 1} the model predicts {value:.6g}; traced: this prediction\n")
    measured = tl.trace(loss)
    states = {x.name for x in measured.tensors}
    flow = measured.flow("C" if "C" in states and follow != "h" else "h", layer=layer or _last(net))
    print(flow.table(labels))
    print("\nreadout: from the answer. highway: from the state after it, gates held fixed. Then: through each gate.")
    if flow.name == "C":
        print("written: what the step put into C and is there at the end, times ∂L/∂C; below 0 it lowers the loss.")
    print(f"half-life of the pure highway: {flow.half_life:.3g} steps")
    return measured, labels, f"{net.config()['cell']} · {model.stem}"


def _read(task: Task, text: str | None, csv: Path | None, column: str | None) -> tuple[Array, list[str]]:
    """What the model reads, (time,) tokens or (time, features), and a label for each step."""
    if csv is not None and text is None:
        return task.read_table(csv, column)
    if text is None or csv is not None:
        raise ValueError("what should the model read? Give either --text or --csv")
    tokens, words = task.read_text(text)
    shown = {" ": "·", "\n": "¶", "\t": "→"}  # signs that the drawing engine's font has
    return tokens, [shown.get(word, word) for word in words]


def _token(names: tuple[str, ...], target: str) -> int:
    if target not in names:
        raise ValueError(f"--target {target!r} is not among the model's answers: {' '.join(names[:40])}")
    return names.index(target)


def _expects(names: tuple[str, ...], logits: Array) -> str:
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return ", ".join(f"{names[k]!r} {p[k]:.1%}" for k in np.argsort(-p)[:5])


def _last(net: SequenceModel) -> int | None:
    """The number of the last layer, where there are several."""
    layers = net.config()["layers"]
    return int(layers) if layers > 1 else None

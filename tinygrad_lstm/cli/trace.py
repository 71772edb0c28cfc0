"""`tinygrad-lstm trace`: your own input, and the gradient of one of its answers on the way back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import numpy as np
import typer

from .console import check_picture, in_options, say

if TYPE_CHECKING:
    from ..flow.flow import Flow
    from ..flow.trace import Trace
    from ..graph.render import Drawing
    from ..tasks.base import Array
    from ..tensor import Tensor


NAMED = 0.001  # the probability from which an alternative is named at the end of a picture
LINES = 40  # of a longer table so many are printed: the newest, and others at even distances
LONGEST = 10_000  # steps that are looked into: each takes some 100 kB


class Answered(NamedTuple):
    """A question to a model: the backward pass from its answer, a word for each step, what the model and the answers
    are called in a picture, and what is said of them."""

    trace: Trace
    labels: list[str]
    name: str
    answer: list[str]
    told: list[str]
    flow: Flow[Trace]


def trace(
    model: Annotated[Path, typer.Argument(help="A model that 'train' or 'demo' has saved, or a file of --from.")],
    out: Annotated[Path, typer.Option(help="The picture: .html (the page to step through), .svg, .png, .pdf or .gv.")],
    text: Annotated[str | None, typer.Option(help="What is read: a text, or the words of the task.")] = None,
    csv: Annotated[Path | None, typer.Option(help="What is read: the model's column of this table.")] = None,
    column: Annotated[str | None, typer.Option(help="Of --csv: header or number; by default as in training.")] = None,
    at: Annotated[int, typer.Option(help="The step t whose answer is asked for, from 1; −1 is the last one.")] = -1,
    last: Annotated[int | None, typer.Option(min=1, help="Read only so many steps up to that one.")] = None,
    target: Annotated[str | None, typer.Option(help="The answer to go back from; the likeliest by default.")] = None,
    follow: Annotated[str | None, typer.Option(help="C or h: bring this path forward.")] = None,
    view: Annotated[str, typer.Option(help="time, strip, cells, rolled or ops.")] = "time",
    form: Annotated[str | None, typer.Option("--for", help="slide (16:9), paper or notebook: text for it.")] = None,
    steps: Annotated[str | None, typer.Option(metavar="A-B", help="Draw these steps only, as 5-7.")] = None,
    layer: Annotated[int | None, typer.Option(help="Of several layers, the one whose ledger is printed.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Whose file it is: torch, keras or onnx.")] = None,
    config: Annotated[Path | None, typer.Option(help="With --from: a JSON list of the tokens, in order.")] = None,
    beside: Annotated[Path | None, typer.Option(help="A second model, that reads the same: both on one scale.")] = None,
) -> None:
    """Draw and print where the gradient of one answer goes."""
    import tinygrad_lstm as tl

    from ..graph.views import ViewName

    if follow not in (None, "C", "h"):
        raise ValueError(f"--follow {follow}: it is C or h")
    if beside is not None and view != "time":
        raise ValueError(f"--beside: two models stand in --view time, not in {view}")
    if config is not None and source is None:
        raise ValueError("--config: is for a file of another framework, with --from")
    window = None if steps is None else _window(steps)
    check_picture(out)
    ask = partial(_asked, text=text, csv=csv, column=column, at=at, target=target, follow=follow, layer=layer,
                  last=last, source=source, config=config, view=view, window=window)  # fmt: skip
    with in_options(r"--steps \1-\2"):
        asked = [ask(path) for path in (model, beside) if path is not None]
        if len(asked) == 2 and len(asked[1].labels) != len(asked[0].labels):
            raise ValueError(
                f"--beside {beside}: reads this in {len(asked[1].labels)} steps and {model} in {len(asked[0].labels)}; "
                "step by step they cannot be compared"
            )
        labels = None if view == "ops" else asked[0].labels
        draw = partial(tl.draw, view=cast(ViewName, view), follow=follow, labels=labels, for_=cast(Any, form))
        _drawn(asked, draw if window is None else partial(draw, steps=window)).save(out)  # before anything is printed
    for path, one in zip((model, beside), asked, strict=False):
        say("\n".join([*([f"\n{path}:"] if path is beside else []), *one.told, *_table(one.flow, one.labels)]))
    say(f"picture: {out}")


def _drawn(asked: list[Answered], draw: Callable[..., Drawing]) -> Drawing:
    """The picture of one model, or of two on one scale."""
    first, second = asked[0], asked[-1]
    if len(asked) == 1:
        return draw(first.trace, answer=first.answer)
    name = second.name if second.name != first.name else f"{second.name} (2)"
    return draw({first.name: first.trace, name: second.trace}, answer=[first.answer, second.answer])


def _window(steps: str) -> tuple[int, int]:
    first, _, last = steps.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise ValueError(f"--steps {steps}: give the first and the last step, as 5-7")
    return int(first), int(last)


def _asked(
    model: Path, *, text: str | None, csv: Path | None, column: str | None, at: int, target: str | None,
    follow: str | None, layer: int | None, last: int | None, source: str | None, config: Path | None, view: str,
    window: tuple[int, int] | None,
) -> Answered:  # fmt: skip
    """Ask a model, and go back from its answer."""
    import tinygrad_lstm as tl

    from ..graph.views import check_count
    from ..tasks.text import UNKNOWN
    from ..training.foreign import foreign
    from ..training.model import load_model

    net: Any
    task: Any
    net, task = load_model(model) if source is None else foreign(model, source, config)
    if task is None:
        raise ValueError(f"{model}: was trained on no task, so there is no way to read a text or a table for it")
    x, labels = _read(task, text, csv, column)
    T = len(labels)
    if not (1 <= at <= T or -T <= at < 0):
        raise ValueError(f"--at {at}: there are {T} steps, t = 1 to {T} (or −1 for the last)")
    end = at if at > 0 else T + 1 + at  # what comes after that step has no part in its answer
    start = 0 if last is None else max(0, end - last)
    x, labels = x[start:end], labels[start:end]
    if len(labels) > LONGEST:
        raise ValueError(
            f"{len(labels):,} steps are too many to look into; --last 200 reads the last 200 of them, --at N ends at N"
        )
    prediction = net.eval()(x[None])
    loss, answer, told = _answer(task, prediction.y[:, -1], target, f"t = {len(labels)}", labels[-1])
    if start:
        told.insert(0, f"read: the last {len(labels):,} of {end:,} steps; here they are t = 1 to {len(labels)}")
    layers = net.config()["layers"]
    if layer is not None and not 1 <= layer <= layers:
        raise ValueError(f"--layer {layer}: there are {layers}, the first is 1")
    check_count(loss, view, window)  # before it is traced
    measured = tl.trace(loss)
    states = {x.name for x in measured.tensors}
    flow = measured.flow("C" if "C" in states and follow != "h" else "h", layer=layer or _last(net))
    cell = net.config()["cell"]
    name = model.stem if model.stem == cell else f"{cell} · {model.stem}"
    if unknown := sum(label == UNKNOWN for label in labels):
        told.append(f"{unknown} of {len(labels)} are not in the model's vocabulary: to it they are all {UNKNOWN!r}")
    return Answered(measured, labels, name, answer, [*told, ""], flow)


def _answer(
    task: Any, y: Tensor, target: str | None, when: str, word: str
) -> tuple[Tensor, list[str], list[str]]:  # fmt: skip
    """The loss to go back from, what the answers are called, the traced one first, and what is said of them."""
    import tinygrad_lstm as tl

    if task.kind != "classify":
        if target is not None:
            raise ValueError("--target is for models that choose among answers; this one gives a number")
        if task.kind == "state":
            value = y.sum().item()
            return y.sum(), [f"Σ h = {value:.4g}"], [f"after {when} ({word}); traced: the sum of h, {value:.6g}"]
        value = float(np.ravel(task.decode(y.numpy()[0]))[0])
        told = f"after {when} ({word}) the model predicts {value:.6g}; traced: this prediction"
        return y.sum(), [f"{value:.6g}"], [told]
    assert task.vocabulary is not None or task.answers is not None
    names, logits = task.answers or task.vocabulary or (), y.numpy()[0]
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    likely = [int(k) for k in np.argsort(-chances)[:5]]
    token = likely[0] if target is None else _token(names, target)
    loss = tl.nn.cross_entropy(y, np.array([token]))
    named = [k for k in dict.fromkeys([token, *likely]) if k == token or chances[k] >= NAMED]
    expects = ", ".join(f"{names[k]!r} {chances[k]:.1%}" for k in likely)
    return loss, [f"{names[k]} {100 * chances[k]:.1f} %" for k in named], [
        f"after {when}, {word!r}, the model expects: {expects}",
        f"traced: the loss of {names[token]!r}, −ln p = {loss.item():.4g}",
    ]  # fmt: skip


def _table(flow: Flow[Trace], labels: list[str]) -> list[str]:
    """The ledger, of a long sequence some lines, and how to read it."""
    head, *lines = flow.table(labels).splitlines()
    if len(lines) > LINES:
        newest, rest = lines[: LINES // 2], lines[LINES // 2 :]
        every = -(-len(rest) // (LINES // 2))
        kept = [line for k, line in enumerate(reversed(rest)) if k % every == 0]  # t = 0 is among them
        lines = [*newest, f"   … and of the {len(rest)} lines before them one in {every}", *reversed(kept)]
    direct = "from the state after it" + ", gates held fixed" * bool(flow.gates)
    told = [f"readout: from the answer. {flow.direct}: {direct}." + " Then: through each gate." * bool(flow.gates)]
    if flow.name == "C":
        told.append("written: what the step put into C and is left at the end, times ∂L/∂C; below 0: it lowers L.")
    alone = "the pure highway" if flow.gates else "the recurrence alone"
    return [head, *lines, "", *told, f"half-life of {alone}: {flow.half_life:.3g} steps"]


def _read(task: Any, text: str | None, csv: Path | None, column: str | None) -> tuple[Array, list[str]]:
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


def _last(net: Any) -> int | None:
    """The number of the last layer, where there are several."""
    layers = net.config()["layers"]
    return int(layers) if layers > 1 else None

"""`tinygrad-lstm demo`: an LSTM learns which pronoun comes next, and shows how it remembers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from .console import say

if TYPE_CHECKING:
    from ..flow.flow import Flow
    from ..flow.trace import Trace
    from ..tasks import Pronouns
    from ..training.erasure import Question
    from ..training.model import SequenceModel

# The first LSTM begins with open forget gates and no recurrent weights, so that only C leads from word to word; the
# second as Keras begins, with forget bias 1 and orthogonal recurrent weights, so that it may also hand on through h.
EMBEDDING = 8
LR = 0.02
REACH = (2, 24)  # words between a name and its pronoun
BANDS = ((2, 5), (6, 10), (11, 15), (16, 20), (21, 24))


def demo(
    out: Annotated[Path, typer.Option(help="The folder for the pictures and the model.")] = Path("demo"),
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units of each net.")] = 8,
    steps: Annotated[int, typer.Option(min=0, help="Training steps of each net.")] = 400,
    sentences: Annotated[int, typer.Option(min=1, help="Held-out sentences in which words are erased.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of initial values, batches and sentences.")] = 0,
) -> None:
    """Train an LSTM and a plain RNN on "which pronoun?", and follow the gradient back through C."""
    import tinygrad_lstm as tl

    from ..exchange import check_place
    from ..training import Question, switching

    out.mkdir(parents=True, exist_ok=True)
    check_place(out / "model.safetensors")
    task = tl.tasks.pronouns(clauses=(1, 2), distance=REACH)
    say('Which pronoun comes next? "mary opened the box and lost …": the net must remember the name over many words,')
    say("and forget it when another name comes.\n")

    ours = {"cell": "lstm", "forget_bias": 3.0, "recurrent_initializer": "zeros"}
    nets = {
        "LSTM, forget bias 3": _train(task, steps, seed, hidden=hidden, **ours),
        "LSTM, forget bias 1": _train(task, steps, seed, hidden=hidden, cell="lstm", forget_bias=1.0),
        "plain RNN": _train(task, steps, seed, hidden=hidden, cell="rnn"),
    }
    lstm = nets["LSTM, forget bias 3"]
    question = _chosen([Question.of(task, s) for s in switching(task, np.random.default_rng(seed), 50)], lstm)
    flow = _traced(lstm, question)
    _save(out, flow, question, lstm)  # before anything is said of it
    _answers(nets, task, seed)
    _follow(flow, question)
    _weights(lstm, question)
    _erase({name: net for name, net in nets.items() if name.startswith("LSTM")}, task, sentences, seed)
    _say_where(out)


def _answers(nets: dict[str, SequenceModel], task: Pronouns, seed: int) -> None:
    """Print how often each net is right, by the distance of the name."""
    from ..training.fit import evaluate

    say("\nRight answers in held-out sentences, by the number of words from the name to its pronoun:")
    say(f"{'':<21}" + "".join(f"{f'{a}–{b}':>9}" for a, b in BANDS) + f"{'all':>9}")
    for name, model in nets.items():
        score = evaluate(model, task, batch=100, batches=10, seed=seed)
        bands = [[share for d, share in score.by_distance.items() if a <= d <= b] for a, b in BANDS]
        say(f"{name:<21}" + "".join(f"{np.mean(band):>9.1%}" for band in bands) + f"{score.accuracy:>9.1%}")
    say("What a net of this size learns in this time is no law: try --hidden 16 or another --seed.")


def _erase(nets: dict[str, SequenceModel], task: Pronouns, sentences: int, seed: int) -> None:
    """Print what becomes of many answers where a word is erased."""
    from ..training.erasure import survey

    say(f"\nThe same over {sentences} held-out sentences whose last name has the other gender than the one before:")
    say(f"{'':<21}{'name hurts most':>16}{'it flips':>10}{'others flip':>13}{'written: name':>15}{'highway':>9}")
    for name, model in nets.items():
        try:
            counts = survey(model, task, sentences=sentences, seed=seed)
        except ValueError as exc:  # it has learned too little
            say(f"{name:<21}  {exc}")
            continue
        say(
            f"{name:<21}{counts.name_first:>16.0%}{counts.name_flips:>10.0%}{counts.other_flips:>13.1%}"
            f"{counts.written_first:>15.0%}{counts.highway:>9.3g}"
        )
    say("name hurts most: of all words, erasing the last name costs most. it flips: that turns the answer round;")
    say("others flip: erasing any one other word does. written: name: what the name wrote weighs most at the end.")
    say("highway: the share of a gradient that the forget gates alone bring back from the answer to the name.")
    say("The second net begins as Keras begins, and answers as well. But where it ranks the name lower, it has not")
    say("kept its memory in C alone: it writes it anew on the way, through h.")


def _save(out: Path, flow: Flow[Trace], question: Question, lstm: SequenceModel) -> None:
    """Save the pictures and the model."""
    import tinygrad_lstm as tl

    window = (max(1, question.name), len(question.words))
    for name, drawing in {
        "graph.svg": (picture := tl.draw(flow.trace, view="time", steps=window, labels=question.words)),
        "graph.png": picture,
        "strip.svg": tl.draw(flow.trace, view="strip", labels=question.words),
    }.items():
        drawing.save(out / name)
    tl.save_model(out / "model.safetensors", lstm)


def _say_where(out: Path) -> None:
    """Say what has been saved."""
    say(f"\nIn {out}/:")
    say("  graph.svg, graph.png  the steps from the name to the pronoun. C runs along the top; the wide coloured")
    say("                        line is the gradient on its way back, redder and wider where it is larger. Follow")
    say("                        it to the left, and see at each + how much turns off to the gates.")
    say("  strip.svg             the whole sentence at a glance, one column a word.")
    say("  model.safetensors     the net. Ask it about a sentence of your own, in the words of the task:")
    say(f'    tinygrad-lstm trace {out}/model.safetensors --text "mary lost her box and john sold" --out own.svg')


def _train(task: Pronouns, steps: int, seed: int, **settings: Any) -> SequenceModel:
    """A net of the demo, trained with a progress bar."""
    from ..training.fit import fit, make_optimizer
    from ..training.model import SequenceModel

    model = SequenceModel.for_task(task, seed=seed, embedding=EMBEDDING, **settings)
    bias = f", forget bias {settings['forget_bias']:g}" if "forget_bias" in settings else ""
    size = sum(p.size for p in model.parameters())
    say(f"training: {str(settings['cell']).upper()}{bias}, {settings['hidden']} units, {size:,} parameters")
    model.rnn.fused = True  # nobody looks inside while it trains
    fit(model, task, steps=steps, seed=seed, optimizer=make_optimizer("adam", model, LR, global_clipnorm=1.0))
    model.rnn.fused = False
    return model.eval()


def _chosen(questions: list[Question], model: SequenceModel) -> Question:
    """A sentence to look at: rightly answered, with some words between name and pronoun, and short enough to read."""
    from ..training.erasure import erasures

    def awkward(question: Question) -> tuple[bool, int, int]:
        before, _ = erasures(model, question)
        between = len(question.words) - question.name - 1
        return before <= 0, abs(between - 6), len(question.words)

    return min(questions, key=awkward)


def _traced(model: SequenceModel, question: Question) -> Flow[Trace]:
    """The flow of C for the loss of the pronoun alone."""
    from ..flow.trace import trace
    from ..nn import cross_entropy

    prediction = model(question.tokens[None])
    return trace(cross_entropy(prediction.y[:, -1], np.array([question.right]))).flow("C")


def _follow(flow: Flow[Trace], question: Question) -> None:
    """Print the ledger of one sentence, word by word."""
    say(f'\nOne held-out sentence: "{" ".join(question.words)} …"')
    say("Back from the pronoun, word by word: the gradient of its loss at C, and the paths by which it came there.\n")
    say(flow.table(question.words))
    t = question.name + 1
    total, pure = _times(flow.norm[t], flow.norm[-1]), _times(flow.highway[t], flow.highway[-1])
    say("\nreadout: from the answer. highway: from the C after it, times the forget gate f. f, i, C̃, o: through")
    say(f"that gate, by h. After {question.words[question.name]!r} (t={t}) the gradient is {total} times that at")
    say(f"the end; along the pure highway alone, the product of the forget gates, it would be {pure} times.")


def _times(part: float, whole: float) -> str:
    return f"{part / whole:.3g}" if whole else "–"  # a cell that is wholly saturated sends no gradient


def _weights(model: SequenceModel, question: Question) -> None:
    """Print what each word weighs, by three questions that are easily taken for one."""
    from ..training.erasure import weigh

    weights = weigh(model, question)
    say("\nWhich word decides? Three questions about the margin between the two pronouns (in logits):\n")
    say(f"{'t':>4}  {'read':<10}{'gradient':>12}{'written':>12}{'erased':>12}")
    for t, (word, *row) in enumerate(zip(question.words, *weights, strict=True), 1):
        say(f"{t:>4}  {word:<10}" + "".join(f"{value:>12.3g}" for value in row))
    tops = [question.words[int(np.argmax(np.abs(column)))] for column in weights]
    say(f"\ngradient: how much a small change of the word's vector would do. Largest at {tops[0]!r}.")
    say(f"written:  what the word put into C and the forget gates have left there. Largest at {tops[1]!r}.")
    say(f"erased:   what is lost when C̃ is set to 0 at that word alone. Largest at {tops[2]!r}.")
    say("A gate that is all but shut or open has no slope left, so a word can decide everything and show little")
    say("gradient; and what was written early counts only as far as the forget gates, or h, have carried it.")

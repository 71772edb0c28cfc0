"""Erasing what was written at one word, and the commands that show it: demo, trace, draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.cli import main
from tinygrad_lstm.training.erasure import Question, erasures, survey, switching, weigh
from tinygrad_lstm.training.fit import fit, make_optimizer
from tinygrad_lstm.training.model import SequenceModel, load_model, save_model

TASK = tl.tasks.pronouns(clauses=(1, 2), distance=(2, 24))


@pytest.fixture(scope="module")
def model():
    """A small net that has learned the task."""
    net = SequenceModel.for_task(TASK, hidden=8, embedding=8, forget_bias=3.0, recurrent_initializer="zeros")
    fit(net, TASK, steps=400, progress=False, optimizer=make_optimizer("adam", net, 0.02, global_clipnorm=1.0))
    return net.eval()


@pytest.fixture
def question():
    return Question.of(TASK, TASK.read("mary lost her box and then john very calmly opened his lamp ."))


def test_the_question_is_the_last_pronoun(question):
    assert " ".join(question.words) == "mary lost her box and then john very calmly opened"
    assert question.words[question.name] == "john"
    assert TASK.decode([question.right, question.wrong]) == "his her"


def test_erasures_in_one_batch_equal_one_what_if_each(model, question):
    before, after = erasures(model, question)
    assert before == pytest.approx(question.margin(model(question.tokens[None])).item(), rel=1e-5)
    for k in range(len(question.tokens)):
        with tl.what_if({f"t={k + 1}/C̃": 0.0}):
            one = question.margin(model(question.tokens[None])).item()
        assert after[k] == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_the_name_is_what_the_answer_hangs_on(model):
    found = survey(model, TASK, sentences=40)
    assert found.sentences == 40, "all are answered rightly"
    assert found.name_first > 0.6
    assert found.other_flips < 0.05
    shares, first = [], []
    for sentence in switching(TASK, np.random.default_rng(0), 40):  # the same, from the gates alone
        asked = Question.of(TASK, sentence)
        prediction = model(asked.tokens[None])
        steps = prediction.out.steps
        end = tl.grad(asked.margin(prediction).sum(), steps[-1].C)[0].numpy()
        kept = [np.prod([s.f.numpy() for s in steps[t + 1 :]], axis=0) for t in range(len(steps))]
        weights = [(kept[t] * s.i.numpy() * s.C_new.numpy() * end).sum() for t, s in enumerate(steps)]
        first.append(np.abs(weights).argmax() == asked.name)
        shares.append(np.linalg.norm(kept[asked.name] * end) / np.linalg.norm(end))
    assert found.highway == pytest.approx(np.median(shares), rel=1e-5)
    assert found.written_first == pytest.approx(np.mean(first))


def test_weights_answer_three_questions(model, question):
    weights = weigh(model, question)
    assert all(column.shape == (len(question.words),) for column in weights)
    prediction = model(question.tokens[None])
    margin = question.margin(prediction)
    (end,) = tl.grad(margin, [prediction.out.steps[-1].C])
    carried = tl.trace(margin).flow("C").carried()
    expected = (prediction.out.last.C.numpy() * end.numpy()).sum() - (carried * end.numpy()).sum()
    assert weights.written.sum() == pytest.approx(expected, rel=1e-4)


def test_switching_sentences_switch_and_are_held_out():
    sentences = switching(TASK, np.random.default_rng(0), 10)
    assert len(sentences) == 10 and all(s.switch and s.genders[-1] != s.genders[-2] for s in sentences)


# — the commands ———————————————————————————————————————————————————————————————————————————————————————————


def test_demo_writes_its_pictures_and_its_model(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "d"), "--steps", "30", "--sentences", "3"]) == 0
    said = capsys.readouterr().out
    for word in ("LSTM, forget bias 3", "plain RNN", "highway", "erased", "graph.svg"):
        assert word in said
    for name in ("graph.svg", "strip.svg"):
        assert ET.parse(tmp_path / "d" / name).getroot().tag.endswith("svg")
    assert (tmp_path / "d" / "graph.png").read_bytes().startswith(b"\x89PNG")
    net, task = load_model(tmp_path / "d" / "model.safetensors")
    assert task.name == "pronouns" and net.config()["hidden"] == 8


def test_demo_refuses_a_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "d").write_text("")
    assert main(["demo", "--out", str(tmp_path / "d")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.fixture
def saved(model, tmp_path):
    save_model(tmp_path / "m.safetensors", model)
    return str(tmp_path / "m.safetensors")


def test_trace_prints_the_ledger_and_draws(saved, tmp_path, capsys):
    out = tmp_path / "own.svg"
    assert main(["trace", saved, "--text", "mary lost her box and then john opened", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "the model expects: 'his'" in said and "|∂L/∂C|" in said and "half-life" in said
    assert "john" in out.read_text(encoding="utf-8")


def test_trace_can_ask_for_another_step_and_answer(saved, tmp_path, capsys):
    command = ["trace", saved, "--text", "mary lost her box and then john opened", "--at", "2", "--target", "her"]
    assert main([*command, "--view", "strip", "--out", str(tmp_path / "a.gv")]) == 0
    assert "after t = 2, 'lost', the model expects: '" in (said := capsys.readouterr().out)
    assert "traced: the loss of 'her'" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give either --text or --csv"),
        (["--text", "mary saw xyzzy"], "xyzzy"),
        (["--text", ""], "empty"),
        (["--text", "mary lost", "--at", "7"], "there are 2 steps"),
        (["--text", "mary lost", "--target", "ours"], "not among"),
        (["--text", "mary lost", "--follow", "q"], "C or h"),
        (["--csv", "x.csv"], "give it a text"),
    ],
)
def test_trace_explains_wrong_use(saved, tmp_path, capsys, arguments, says):
    assert main(["trace", saved, *arguments, "--out", str(tmp_path / "own.svg")]) == 2
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "own.svg").exists()


def test_trace_of_a_series(tmp_path, capsys):
    task = tl.tasks.series()
    net = SequenceModel.for_task(task, hidden=4)
    save_model(tmp_path / "m.safetensors", net)
    table = tmp_path / "t.csv"
    table.write_text("year,sunspots\n1700,5\n1701,11\n1702,16\n1703,23\n")
    command = ["trace", str(tmp_path / "m.safetensors"), "--csv", str(table), "--column", "sunspots"]
    code = main([*command, "--out", str(tmp_path / "s.svg")])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "the model predicts" in said.out


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "lstm-peephole"])
def test_draw(cell, tmp_path, capsys):
    out = tmp_path / "x.svg"
    assert main(["draw", "--cell", cell, "--steps", "3", "--view", "time", "--out", str(out)]) == 0
    assert ET.parse(out).getroot().tag.endswith("svg")
    assert main(["draw", "--cell", cell, "--steps", "2", "--out", str(out)]) == 0, "a picture may be drawn again"
    assert main(["draw", "--cell", "lstn", "--out", str(out)]) == 2
    assert "there are rnn" in capsys.readouterr().err


# — any model that reads tokens —


@pytest.mark.parametrize("cell", ["lstm", "lstm-coupled", "lstm-no-forget"])
def test_erasures_of_any_text_model(cell):
    task = tl.tasks.words()
    model = SequenceModel.for_task(task, hidden=6, cell=cell, seed=1)
    tokens, words = task.read_text("mary opened the box and lost")
    answer = int(task.encode("her")[0])
    model.rnn.fused = model.rnn.fusable
    before, after = tl.erasures(model, tokens, answer)
    assert after.shape == (len(words),) and model.training
    model.rnn.fused = False
    plain = model.eval()(tokens[None]).y.numpy()[0, -1]
    assert before == pytest.approx(float(plain[answer] - np.log(np.exp(plain).sum())), rel=1e-5)
    with tl.what_if({"t=3/C̃": 0.0}):
        third = model(tokens[None]).y.numpy()[0, -1]
    assert after[2] == pytest.approx(float(third[answer] - np.log(np.exp(third).sum())), rel=1e-5)
    likeliest, _ = tl.erasures(model, tokens)
    assert likeliest >= before


def test_erasures_say_what_they_cannot_do():
    task = tl.tasks.words()
    for cell in ("gru", "rnn"):
        with pytest.raises(ValueError, match=f"a cell '{cell}' writes no candidate"):
            tl.erasures(SequenceModel.for_task(task, hidden=4, cell=cell), task.encode("mary lost"))
    with pytest.raises(ValueError, match="nothing to read"):
        tl.erasures(SequenceModel.for_task(task, hidden=4), task.encode(""))

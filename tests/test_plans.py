"""Sweeps of trainings as TOML files: what they train, and what is said of wrong ones."""

import json

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.cli import main
from tinygrad_lstm.training.plans import PlanError, criterion, read_plan, trained

PLAN = """
seeds = 2
solved = "loss < 100"
[task]
name = "copying"
length = 2
[model]
hidden = 6
[train]
steps = 3
lr = 0.02
[grid]
model.cell = ["lstm", "rnn"]
task.delay = [3, 4]
"""


def written(tmp_path, text):
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_trains_what_fit_trains(tmp_path):
    plan = read_plan(written(tmp_path, PLAN))
    assert len(plan.points) == 4 and plan.seeds == 2
    task = tl.tasks.copying(length=2, delay=4)
    model = tl.SequenceModel.for_task(task, cell="rnn", hidden=6, seed=1)
    model.rnn.fused = True
    tl.fit(model, task, steps=3, seed=1, optimizer=tl.make_optimizer("adam", model, 0.02), progress=False)
    alone = tl.evaluate(model, task)
    found = trained(1, **plan.points[-1])
    assert (found["loss"], found["accuracy"], found["solved"]) == (alone.loss, alone.accuracy, True)


def test_what_is_not_simply_right_has_no_accuracy():
    found = trained(0, **{"task.name": "series", "train.steps": 1, "model.hidden": 3})
    assert found.keys() == {"loss", "training loss"}


def test_criteria():
    assert criterion("accuracy >= 0.9")({"accuracy": 0.9}) and not criterion("accuracy>0.9")({"accuracy": 0.9})
    assert criterion(" loss <= 1e-2 ")({"loss": 0.01}) and not criterion("loss < 0.01")({"loss": np.nan})
    assert not criterion("accuracy > 0.5")({"loss": 0.0}), "where there is none, nothing is solved"


WRONG = {
    "no TOML": ("seeds = 2\nsolved = yes\n", r"p\.toml: is no TOML \(.*line 2, column 1"),
    "a table unknown": ("[models]\nhidden = 3", r"the file has no models; did you mean model\? It has seeds"),
    "a setting unknown": (PLAN.replace("hidden", "hiden"), r"\[model\] has no hiden; did you mean hidden\?"),
    "one of the task unknown": (PLAN.replace("length", "long"), r"copying: has no setting 'long'; it has"),
    "no task": ("[train]\nsteps = 3", r"\[task\] lacks name"),
    "no steps": (PLAN.replace("steps = 3", ""), r"\[train\] lacks steps, such as steps = 500"),
    "a bad value": (
        PLAN.replace('"rnn"]', '"rnm"]'), r"at model\.cell = 'rnm', task\.delay = 3: cell 'rnm' is unknown",
    ),
    "a bad type": (PLAN.replace("hidden = 6", 'hidden = "6"'), r"at model\.cell = 'lstm', task\.delay = 3: "),
    "no list": (PLAN.replace("[3, 4]", "3"), r"\[grid\] task\.delay must be a list of values, such as \[3\]"),
    "twice": (PLAN.replace("task.delay", "task.length"), r"task\.length stands in its table and in \[grid\]"),
    "no table": ("task = 3", r"task must be a table, such as \[task\]"),
    "no table in grid": (PLAN.replace("task.delay", "delay"), r"\[grid\] has no delay\. It has task, model, train"),
    "seeds": (PLAN.replace("seeds = 2", "seeds = 0"), r"seeds = 0 must be how many"),
    "solved": (PLAN.replace("loss < 100", "good"), r"solved = 'good' is no criterion; write loss or accuracy"),
    "steps below 0": (PLAN.replace("steps = 3", "steps = -3"), r"\[train\] steps must be .* at least 1, not -3"),
    "batch": (PLAN.replace("steps = 3", "steps = 3\nbatch = 2.5"), r"\[train\] batch must be .*, not 2\.5"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plan_is_told_where_and_how_to_mend_it(tmp_path, name, capsys):
    text, told = WRONG[name]
    path = written(tmp_path, text)
    with pytest.raises(PlanError, match=told):
        read_plan(path)
    assert main(["sweep", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "p.toml" in err
    assert [file.name for file in tmp_path.iterdir()] == ["p.toml"], "nothing was begun"


def test_the_command(tmp_path, capsys, monkeypatch):
    pytest.importorskip("joblib", reason='sweeps need joblib: pip install ".[sweep]"')
    path = written(tmp_path, PLAN)
    words = ["sweep", str(path), "--backend", "threading", "--workers", "2"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "4 settings, 2 seeds each" in out and "8 of 8 trials" in out and out.count("2/2") == 4
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(rows) == 8 and rows[0]["settings"]["task.name"] == "copying"
    assert ">2/2<" in (tmp_path / "p.svg").read_text()
    assert main([*words, "--value", "accuracy"]) == 0
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == 8 and "of 8 trials" not in capsys.readouterr().out
    monkeypatch.setitem(__import__("sys").modules, "joblib", None)
    assert main(words) == 1 and "pip install 'tinygrad-lstm[sweep]'" in capsys.readouterr().err


def test_other_data_are_other_trials(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '[task]\nname = "text"\npath = "t.txt"\nsteps = 8\n[train]\nsteps = 1\nbatch = 2\n[model]\nhidden = 3\n'
    path = written(tmp_path, text)
    with pytest.raises(OSError, match=r"t\.txt"):
        read_plan(path)
    digests = set()
    for words in ("row your boat gently " * 20, "down the stream " * 20):
        (tmp_path / "t.txt").write_text(words)
        digests.add(read_plan(path).data)
    assert len(digests) == 2 and "" not in digests and read_plan(written(tmp_path, PLAN)).data == ""

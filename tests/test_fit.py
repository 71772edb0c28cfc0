"""Training: a small LSTM learns; a stopped training goes on bit by bit; errors say what to do and lose nothing."""

import math
import pickle
import signal
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.exchange import CheckpointError, read_meta, save
from tinygrad_lstm.training.fit import History, Interrupted, TrainingError, evaluate, fit, make_optimizer
from tinygrad_lstm.training.model import CELLS, SequenceModel, load_model, save_model

SONG = "row, row, row your boat, gently down the stream. merrily, merrily, life is but a dream.\n" * 30


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.txt"
    path.write_text(SONG, encoding="utf-8")
    return tasks.text(path, steps=16)


def small(task, seed=0, **settings):
    return SequenceModel.for_task(task, hidden=8, seed=seed, **settings)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# — the model ——————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task", [tasks.copying(), tasks.adding(length=6), tasks.reber()], ids=lambda t: t.name)
def test_model_and_its_file(cell, task, tmp_path):
    model = small(task, cell=cell, layers=2, dropout=0.2)
    batch = task.batch(4, np.random.default_rng(0))
    prediction = model(batch.x, lengths=batch.lengths)
    assert prediction.y.shape == (*batch.mask.shape, task.outputs)
    model.loss(prediction, batch).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not np.isfinite(p.grad).all()]
    assert untouched == []
    save_model(tmp_path / "m", model, {"note": "hello"})
    again, task_again = load_model(tmp_path / "m")
    assert task_again == task and again.config() == model.config() and same(again.state_dict(), model.state_dict())
    assert read_meta(tmp_path / "m")["note"] == "hello"
    assert same(SequenceModel.from_config(model.config()).state_dict(), model.state_dict())  # the seed decides
    assert not same(small(task, seed=1, cell=cell, layers=2, dropout=0.2).state_dict(), model.state_dict())


def test_model_settings_are_checked():
    task = tasks.copying()
    for settings, message in (
        ({"cell": "elman"}, "cell 'elman' is unknown. Known: rnn, lstm"),
        ({"cell": "rnn", "forget_bias": 1.0}, "cell 'rnn' has no forget_bias"),
        ({"cell": "gru", "forget_bias": 1.0}, "has no forget_bias"),
        ({"hidden": 0}, "hidden must be at least 1"),
        ({"activation": "step"}, "activation 'step' is unknown"),
    ):
        with pytest.raises(ValueError, match=message):
            SequenceModel.for_task(task, **settings)
    model = SequenceModel.for_task(task, hidden=4, forget_bias=3.0)
    assert (model.rnn.cells[0][0].b_f.data == 3.0).all()
    with pytest.raises(ValueError, match="cannot be made"):
        SequenceModel.from_config({**model.config(), "colour": "red"})


def test_loss_reads_the_mask_alone():
    task, rng = tasks.adding(length=6), np.random.default_rng(0)
    model, batch = small(task), task.batch(5, rng)
    y = model(batch.x)
    expected = ((y.y.numpy()[:, -1] - batch.target[:, -1]) ** 2).mean()
    assert model.loss(y, batch).item() == pytest.approx(expected, rel=1e-6)

    task = tasks.copying(length=2)
    model, batch = small(task), task.batch(5, rng)
    y = model(batch.x)
    p = np.exp(y.y.numpy()[:, -2:])  # the two answers stand at the end
    right = np.take_along_axis(p / p.sum(axis=-1, keepdims=True), batch.target[:, -2:, None], axis=-1)
    assert model.loss(y, batch).item() == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_generate(song):
    model = small(song)
    start = song.encode("row, ")
    drawn = model.generate(start, 20, np.random.default_rng(0))
    assert drawn.shape == (20,) and np.array_equal(drawn, model.generate(start, 20, np.random.default_rng(0)))
    # With next to no temperature the draw is the largest logit, found here without carrying a state along.
    for p in model.parameters():
        p.data = p.data * 8  # so that what came before matters
    greedy, known = model.generate(start, 30, np.random.default_rng(0), temperature=1e-6), list(start)
    for token in greedy:
        assert token == model(np.array([known])).y.numpy()[0, -1].argmax()
        known.append(token)
    with pytest.raises(ValueError, match="not of the kind"):
        small(tasks.adding()).generate(start, 1, np.random.default_rng(0))


@pytest.mark.parametrize("training", [True, False])
def test_generate_leaves_dropout_off_and_the_mode_as_it_was(song, training):
    plain, start = small(song, layers=2), song.encode("row, ")
    dropping = small(song, layers=2, dropout=0.9).train(training)
    dropping.load_state_dict(plain.state_dict())
    drawn = [net.generate(start, 40, np.random.default_rng(0)) for net in (plain, dropping)]
    np.testing.assert_array_equal(*drawn)
    assert dropping.training == dropping.dropout.training == training
    drops = {dropping(start[None]).y.numpy().tobytes() for _ in range(3)}
    assert len(drops) == (3 if training else 1)


def test_a_file_that_holds_no_model(tmp_path):
    save(tmp_path / "m", small(tasks.copying()))
    with pytest.raises(CheckpointError, match="not the settings of a SequenceModel"):
        load_model(tmp_path / "m")


# — learning ———————————————————————————————————————————————————————————————————————————————————————————————


def test_lstm_learns_pronouns():
    task = tasks.pronouns(distance=(2, 6))
    model = SequenceModel.for_task(task, hidden=32)
    before = evaluate(model, task)
    history = fit(model, task, steps=150, optimizer=make_optimizer("adam", model, 0.01), progress=False)
    after = evaluate(model, task)
    assert before.accuracy < 0.7 and after.accuracy > 0.95 and len(history) == 150
    assert set(after.by_distance) == {2, 3, 4, 5, 6} and min(after.by_distance.values()) > 0.9
    assert after.loss < 0.2 < math.log(2) < history.loss[0]


def test_lstm_learns_adding():
    task = tasks.adding(length=10)
    model = SequenceModel.for_task(task, hidden=32)
    fit(model, task, steps=300, optimizer=make_optimizer("adam", model, 0.01, global_clipnorm=1.0), progress=False)
    assert evaluate(model, task).loss < 0.05 < 1 / 6  # 1/6: what answering 1 always gives


def test_series_and_text_learn(song):
    for task, steps in ((tasks.series(), 60), (song, 80)):
        model = SequenceModel.for_task(task, hidden=16)
        before = evaluate(model, task).loss
        history = fit(model, task, steps=steps, batch=8, optimizer=make_optimizer("adam", model, 0.02), progress=False)
        after = evaluate(model, task)
        assert after.loss < before / 2
        assert math.isnan(after.accuracy) == math.isnan(history.accuracy[-1]) == (task.kind == "regress")


@pytest.mark.parametrize("characters", [12, 30, 200])
def test_a_text_of_any_length_is_evaluated_and_its_answers_counted(characters, tmp_path):
    """A text of its own: each chunk in turn, by the definition, the state carried along."""
    (tmp_path / "t.txt").write_text("to and fro " * 200, encoding="utf-8")
    task = tasks.text(tmp_path / "t.txt", steps=16, held_out=characters / 2200)
    part = len(task._part("test"))
    model = small(task)
    found = evaluate(model, task)
    rows, steps = 64, 16
    while (part - 1) // rows // steps == 0:
        rows, steps = (rows // 2, steps) if rows > 1 else (1, steps // 2)
    state, losses, right = None, [], []
    for batch in task.chunks(rows, steps, split="test"):
        prediction = model(batch.x, state)
        state = prediction.out.last
        losses.append(model.loss(prediction, batch).item())
        right.append((prediction.y.numpy().argmax(-1) == batch.target).mean())
    assert found.answers == len(losses) * rows * steps > 0
    assert (found.loss, found.accuracy) == pytest.approx((np.mean(losses), np.mean(right)), rel=1e-6)
    assert evaluate(model, task, batches=1).answers == min(8, len(losses)) * rows * steps


def test_evaluate_leaves_no_trace():
    task = tasks.copying()
    model = small(task, dropout=0.5)
    first = evaluate(model, task)
    assert model.training and evaluate(model, task) == first and model.head.W.grad is None
    assert evaluate(model, task, seed=1) != first
    assert first.answers == 8 * 64 * task.length


# — stop and go on —————————————————————————————————————————————————————————————————————————————————————————


def resumable(song):
    return {
        "text": (song, {"batch": 4, "chunk": 10}, {"layers": 2, "dropout": 0.3}),
        "text-rnn": (song, {"batch": 4}, {"cell": "rnn"}),
        "drawn": (tasks.pronouns(), {"batch": 4}, {"dropout": 0.3}),
    }


@pytest.mark.parametrize("kind", ["text", "text-rnn", "drawn"])
@pytest.mark.parametrize("rule", ["adam", "sgd"])
def test_resume_is_bit_exact(song, kind, rule, tmp_path):
    task, loop, settings = resumable(song)[kind]
    path, more = tmp_path / "m", {"momentum": 0.9} if rule == "sgd" else {}

    def optimizer(model):
        return make_optimizer(rule, model, 0.02, global_clipnorm=0.5, **more)

    whole = small(task, **settings)
    mover = optimizer(whole)
    steps = 75 if kind == "text" else 20  # 75: more than once through the text, so that the state begins anew
    straight = fit(whole, task, steps=steps, optimizer=mover, progress=False, **loop)

    part = small(task, **settings)
    fit(part, task, steps=steps // 3, optimizer=optimizer(part), progress=False, path=path, **loop)
    for until in (steps // 2, steps):  # twice, and each time in a model that knows nothing
        part, found = load_model(path)
        assert found == task
        again = small(task, seed=9, **settings)
        last = optimizer(again)
        resumed = fit(again, task, steps=until, optimizer=last, progress=False, path=path, resume=path, seed=5, **loop)
    assert same(whole.state_dict(), again.state_dict())
    assert same(mover.state_dict()["arrays"], last.state_dict()["arrays"])
    assert mover.clip_report() == last.clip_report()
    assert (straight.loss, straight.norm, straight.clipped) == (resumed.loss, resumed.norm, resumed.clipped)
    if kind == "text":
        assert task.chunk_count(4, 10) < steps


def test_carried_state_matters(song, tmp_path):
    """Without the carried state the second chunk would have another loss: the test above could then not pass."""
    model = small(song)
    first, second = list(song.chunks(4, 10))[:2]
    state = model(first.x).out.last.detach()
    carried, fresh = model.loss(model(second.x, state), second), model.loss(model(second.x), second)
    assert carried.item() != fresh.item()
    still = make_optimizer("sgd", model, 1e-12)
    history = fit(model, song, steps=2, batch=4, chunk=10, optimizer=still, progress=False)
    assert history.loss[1] == pytest.approx(carried.item(), rel=1e-6)
    chunks = song.chunk_count(4, 10)
    again = fit(model, song, steps=chunks + 1, batch=4, chunk=10, optimizer=still, progress=False)
    assert again.loss[chunks] == pytest.approx(again.loss[0], rel=1e-6)  # from the beginning: from a state of zeros


def test_what_cannot_be_gone_on_with(song, tmp_path):
    path, task = tmp_path / "m", tasks.copying()
    model = small(task)
    fit(model, task, steps=2, batch=4, progress=False, path=path)
    before = model.state_dict()
    for other, loop, message in (
        (model, {"batch": 5}, "batch=4, not 5"),
        (small(task, cell="gru"), {"batch": 4}, "made for another module"),
    ):
        kept = other.state_dict()
        with pytest.raises(CheckpointError, match=message):
            fit(other, task, steps=3, progress=False, resume=path, **loop)
        assert same(kept, other.state_dict())
    other = small(task, seed=3)
    kept = other.state_dict()
    with pytest.raises(CheckpointError, match="is of Adam, this optimizer is SGD"):
        fit(other, task, steps=3, batch=4, progress=False, resume=path, optimizer=make_optimizer("sgd", other))
    assert same(kept, other.state_dict())
    with pytest.raises(CheckpointError, match="trained on 'copying' with other settings"):
        fit(model, tasks.copying(delay=3), steps=3, batch=4, progress=False, resume=path)
    assert same(before, model.state_dict())
    save_model(path, model)
    with pytest.raises(CheckpointError, match="no training to go on with"):
        fit(model, task, steps=3, batch=4, progress=False, resume=path)


def pressing(task, at, times=1):
    """The task, with Ctrl-C pressed while its batch number `at` is drawn."""
    drawn = 0

    class Pressed(type(task)):
        def _batch(self, *args):
            nonlocal drawn
            drawn += 1
            for _ in range(times * (drawn == at)):
                signal.raise_signal(signal.SIGINT)
            return super()._batch(*args)

    return Pressed(**{k: v for k, v in task.config().items() if k != "name"})


@pytest.fixture
def usual_ctrl_c():
    """Ctrl-C as in a terminal: a job in the background of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_finishes_the_step_and_saves(tmp_path):
    task, path, handler = tasks.copying(), tmp_path / "m", signal.getsignal(signal.SIGINT)
    model = small(task)
    line = r"stopped after step 3: saved in .*m; go on with resume='.*m'"
    with pytest.raises(KeyboardInterrupt, match=line) as caught:
        fit(model, pressing(task, 3), steps=10, batch=4, progress=False, path=path)
    assert isinstance(caught.value, Interrupted) and len(caught.value.history) == 3
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = fit(model, task, steps=10, batch=4, progress=False, resume=path)
    whole = small(task)
    assert fit(whole, task, steps=10, batch=4, progress=False).loss == resumed.loss
    assert same(whole.state_dict(), model.state_dict())


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_twice_stops_at_once(tmp_path):
    task, handler = tasks.copying(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(small(task), pressing(task, 3, times=2), steps=10, batch=4, progress=False, path=tmp_path / "m")
    assert not isinstance(caught.value, Interrupted) and not (tmp_path / "m").exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_in_another_thread():
    task, found = tasks.copying(), []
    thread = threading.Thread(target=lambda: found.append(fit(small(task), task, steps=2, batch=4, progress=False)))
    thread.start()
    thread.join()
    assert len(found[0]) == 2


# — when numbers go wrong ——————————————————————————————————————————————————————————————————————————————————


def test_nan_names_step_and_tensor_and_keeps_good_parameters(tmp_path):
    task = tasks.adding(length=8)
    model = small(task, cell="rnn", activation="relu")
    with pytest.raises(TrainingError) as caught:
        fit(model, task, steps=500, optimizer=make_optimizer("sgd", model, 1e6), progress=False, path=tmp_path / "m")
    message = str(caught.value)
    assert message.startswith("step ") and "loss" in message and "First: " in message and "\n" not in message
    assert "smaller lr than 1e+06" in message and "global_clipnorm=1" in message
    assert all(np.isfinite(array).all() for array in model.state_dict().values())
    batch = task.batch(1, np.random.default_rng(0))
    assert math.isfinite(model.loss(model(batch.x), batch).item())
    assert f"and so does {tmp_path / 'm'}" in message
    error = caught.value
    assert message.startswith(f"step {error.step}: ") and f"(before: {error.before:.4g})" in message
    kept, _ = load_model(tmp_path / "m")
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(kept.state_dict()[name], array)


def test_bad_gradient_is_found_in_its_op(monkeypatch):
    """A loss that is finite while its gradient is not: √ at 0."""
    from tinygrad_lstm import sqrt

    task = tasks.adding(length=4)
    model = small(task)
    monkeypatch.setattr(SequenceModel, "loss", lambda self, p, batch: sqrt(p.y * 0.0).sum())
    before = model.state_dict()
    line = r"step 1: the gradient of \S+ is not finite .*First: backward: .*made by sqrt"
    with pytest.raises(TrainingError, match=line) as caught:
        fit(model, task, steps=1, progress=False)
    assert caught.value.step == 1 and math.isnan(caught.value.before)
    assert same(before, model.state_dict())


# — the loop ———————————————————————————————————————————————————————————————————————————————————————————————


def test_seconds_and_settings(song):
    task = tasks.copying()
    model = small(task)
    after: list[float] = []
    history = fit(
        model, task, seconds=0.2, batch=4, progress=False, on_step=lambda history: after.append(history.seconds)
    )
    assert len(after) == len(history) and after[-1] == history.seconds >= 0.2
    assert all(seconds < 0.2 for seconds in after[:-1]), "it stops after the step during which they are over"
    for kw, message in (
        ({}, "give steps="),
        ({"steps": 1, "batch": 0}, "batch must be at least 1"),
        ({"steps": 1, "chunk": 4}, "chunk= is for streams"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(model, task, progress=False, **kw)
    with pytest.raises(ValueError, match="Known: sgd, rmsprop"):
        make_optimizer("lion", model)


def test_progress_in_lines(capsys):
    task = tasks.copying()
    model = small(task)
    fit(model, task, steps=20, batch=4, optimizer=make_optimizer("adam", model, global_clipnorm=0.01))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and lines[0].startswith("step 2: loss ")
    assert all(word in lines[-1] for word in ("step 20", "accuracy", "gradient norm", "clipped 100%"))
    fit(model, task, steps=2, batch=4, progress=False)
    assert capsys.readouterr().out == ""


def test_progress_as_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    task = tasks.copying()
    fit(small(task), task, steps=3, batch=4)
    assert "step 3  loss" in capsys.readouterr().out


def test_history():
    history = History([3.0, 1.0], [math.nan, math.nan], [1.0, 2.0], [0.0, 1.0])
    assert history.recent("loss", 1) == 1.0 and history.recent("loss") == 2.0 and math.isnan(History().recent("loss"))
    assert history.line() == "loss 2.0000, gradient norm 1.5, clipped 50%"


# — stopping on the way, and going on —


@dataclass(frozen=True, kw_only=True)
class Clock(tasks.Task):
    """A learner's own stream."""

    name, about = "own clock", "the next hour of a clock that jumps by five"
    is_stream, chunk_setting = True, "steps"
    steps: int = 6
    vocabulary = tuple("0123456789AB")

    def _hours(self, split: str) -> np.ndarray:
        return np.arange(601 if split == "train" else 121) * 5 % 12

    def chunk_count(self, batch, steps, *, split="train"):
        return (len(self._hours(split)) - 1) // batch // steps

    def chunks(self, batch, steps, start=0, *, split="train"):
        hours = self._hours(split)
        rows = np.arange(batch)[:, None] * ((len(hours) - 1) // batch)
        for k in range(start, self.chunk_count(batch, steps, split=split)):
            at = rows + np.arange(k * steps, (k + 1) * steps)
            yield tasks.Batch(hours[at], hours[at + 1], np.ones(at.shape, bool))


@pytest.mark.parametrize("task", [tasks.copying(), Clock(), tasks.words()], ids=lambda task: task.name)
def test_a_stop_on_the_way_changes_nothing(task, tmp_path):
    whole = small(task)
    expected = fit(whole, task, steps=45, batch=4, progress=False)
    seen: list[int] = []

    def stop(history: History) -> bool:
        seen.append(len(history))
        return len(history) == 17

    part = small(task)
    history = fit(part, task, steps=45, batch=4, progress=False, on_step=stop, path=tmp_path / "m")
    assert seen == list(range(1, 18)) and len(history) == 17
    from_file = small(task)
    again = fit(from_file, task, steps=45, batch=4, progress=False, resume=tmp_path / "m")
    assert fit(part, task, steps=45, progress=False, resume=history) is history
    for other, net in ((history, part), (again, from_file)):
        assert other.loss == expected.loss and other.norm == expected.norm
        assert same(net.state_dict(), whole.state_dict())
    score = evaluate(part, task, batch=4, batches=2)
    assert score.answers > 0 and score == evaluate(whole, task, batch=4, batches=2)


def test_on_step_that_returns_nothing_or_a_number_stops_nothing():
    task = tasks.copying()
    for answer in (None, 1, "yes"):
        assert len(fit(small(task), task, steps=3, batch=2, progress=False, on_step=lambda history: answer)) == 3  # noqa: B023


def test_a_history_goes_on_with_its_own_training_alone():
    task = tasks.copying()
    model = small(task)
    history = fit(model, task, steps=2, batch=2, progress=False)
    sgd = make_optimizer("sgd", model)
    for net, other, optimizer in ((small(task), task, None), (model, tasks.copying(delay=3), None), (model, task, sgd)):
        with pytest.raises(ValueError, match="the same model, task and optimizer"):
            fit(net, other, steps=4, optimizer=optimizer, progress=False, resume=history)
    read = pickle.loads(pickle.dumps(history))
    assert read.loss == history.loss
    with pytest.raises(ValueError, match="resume=path can"):
        fit(model, task, steps=4, progress=False, resume=read)


def test_a_stream_of_ones_own_comes_back_from_its_file(tmp_path):
    task = Clock()
    fit(small(task), task, steps=3, batch=4, progress=False, path=tmp_path / "m")
    _, again = load_model(tmp_path / "m")
    assert again == task


def test_a_file_is_read_once(tmp_path, monkeypatch):
    import safetensors

    from tinygrad_lstm.cli import main

    path, opened = str(tmp_path / "m"), []
    assert main(["train", "copying", "--steps", "2", "--batch", "2", "--hidden", "4", "--out", path]) == 0
    real = safetensors.safe_open
    monkeypatch.setattr(safetensors, "safe_open", lambda *a, **k: opened.append(a) or real(*a, **k))
    assert main(["train", "--resume", path, "--steps", "4"]) == 0
    assert len(opened) == 1

"""What `fit(record=…)` sees inside a net while it learns: true numbers, and a training that does not notice."""

import sys

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import nn, tasks
from tinygrad_lstm.training.fit import fit, make_optimizer
from tinygrad_lstm.training.model import SequenceModel, load_model
from tinygrad_lstm.training.record import Record, Snapshot, diff


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.txt"
    path.write_text("row, row, row your boat, gently down the stream.\n" * 40, encoding="utf-8")
    return tasks.text(path, steps=12)


def small(task, **settings):
    return SequenceModel.for_task(task, hidden=6, **settings)


def run(model, task, steps, **more):
    return fit(model, task, steps=steps, batch=4, progress=False, **more)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


def test_the_numbers_are_those_of_a_trace():
    """At steps 0 and 4, of rows of one length, from the loss at their end: norms, means, f where the gradient runs."""
    task = tasks.pronouns()
    model = small(task)
    record = run(model, task, 4, record=4).record
    assert record.steps == [0, 4] and record.names == ["C", "h", "f", "f∘∂C", "i", "o"]
    batch = task.batch(32, np.random.default_rng([0, 2]))
    ends = np.array([np.flatnonzero(row)[-1] + 1 for row in batch.mask])
    T = record["f"].shape[1]
    rows = np.flatnonzero(ends == T)[:8]
    assert len(rows) == min(8, np.bincount(ends).max()) and record["C"].shape == (2, T + 1)
    for k, net in enumerate((small(task), model)):
        prediction = net.eval()(batch.x[rows, :T])
        flow = tl.trace(tl.nn.cross_entropy(prediction.y[:, -1], batch.target[rows, T - 1])).flow("C")
        np.testing.assert_allclose(record["C"][k], flow.norm, rtol=1e-5)
        for t, step in enumerate(prediction.out.steps, 1):
            f, g = step.f.numpy(), flow.trace.grad(flow.states[t])
            assert record["f"][k, t - 1] == pytest.approx(f.mean(), rel=1e-5)
            if g.any():
                share = np.linalg.norm(f * g) / np.linalg.norm(g)
                assert record["f∘∂C"][k, t - 1] == pytest.approx(share, rel=1e-5)
    assert not np.array_equal(record["C"][0], record["C"][1])
    history = run(small(task), task, 4, record=2)
    np.testing.assert_allclose(history.record.losses, [np.nan, np.mean(history.loss[:2]), np.mean(history.loss[2:])])


def test_a_fused_model_is_looked_into_step_by_step_and_trains_fused():
    task = tasks.pronouns()
    composed, fused = small(task, seed=3), small(task, seed=3)
    fused.rnn.fused = True
    records = [run(model, task, 4, record=2).record for model in (composed, fused)]
    assert fused.rnn.fused is True and records[0].steps == records[1].steps == [0, 2, 4]
    for name in records[0].names:
        np.testing.assert_allclose(records[1][name], records[0][name], rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["drawn", "text"])
def test_training_does_not_notice(kind, song):
    task = song if kind == "text" else tasks.copying()
    plain, seen = (small(task, dropout=0.3, layers=2) for _ in range(2))
    before, after = run(plain, task, 9), run(seen, task, 9, record=2)
    assert same(plain.state_dict(), seen.state_dict()) and before.loss == after.loss and before.norm == after.norm
    assert after.record.steps == [0, 2, 4, 6, 8] and len(before.record) == 0 and seen.training
    assert after.record["C"].shape == (5, task.batch(1, np.random.default_rng(0)).x.shape[1] + 1)


@pytest.mark.parametrize("kind", ["drawn", "text"])
def test_resume_is_bit_exact(kind, song, tmp_path):
    task, path = (song if kind == "text" else tasks.copying()), tmp_path / "m"
    whole = small(task, dropout=0.3)
    straight = run(whole, task, 12, record=3)
    part = small(task, dropout=0.3)
    for until in (5, 6, 12):
        more = {"resume": path, "seed": until} if until > 5 else {}
        again = run(part, task, until, record=3, path=path, **more)
        part, found = load_model(path)
        assert found == task
    assert same(whole.state_dict(), part.state_dict()) and straight.loss == again.loss
    assert again.record.steps == straight.record.steps == [0, 3, 6, 9, 12]
    assert same(again.record.arrays(), straight.record.arrays())


def test_a_file_without_a_record_and_back(tmp_path):
    task, path = tasks.copying(), tmp_path / "m"
    model = small(task, cell="gru")
    run(model, task, 3, path=path)
    later = run(model, task, 6, record=2, path=path, resume=path)
    assert later.record.steps == [4, 6] and later.record.names == ["h", "z", "r"]
    kept = run(model, task, 8, path=path, resume=path)  # without record= nothing is added and nothing is lost
    assert kept.record.steps == [4, 6] and same(kept.record.arrays(), later.record.arrays())
    with pytest.raises(ValueError, match="record must be at least 1"):
        run(model, task, 9, record=0)


def test_record_as_arrays():
    assert Record().arrays() == {} and len(Record.of({})) == 0
    record = Record()
    assert "of nothing" in repr(record)
    with pytest.raises(LookupError, match=r"Train with fit\(record=10\)"):
        record["C"]
    with pytest.raises(LookupError, match="two snapshots are needed"):
        record.diff()


def traced(bias, steps=6, cell=nn.LSTM, **settings):
    rng = np.random.default_rng(0)
    layer = cell(2, 4, rng=rng, **({"forget_bias": bias} if cell is nn.LSTM else {}), **settings)
    return tl.trace(layer(np.ones((2, steps, 2), np.float32)).last.h.sum())


def test_diff_says_that_the_forget_gate_opens():
    shut, opened = traced(0.0), traced(3.0)
    found = diff(shut, opened)
    means = [np.mean([x.numpy().mean() for x in t.tensors if x.name == "f"]) for t in (shut, opened)]
    assert f"f opens, {means[0]:.3f} → {means[1]:.3f}" in repr(found)
    assert "f closes" in repr(diff(opened, shut)) and "f stays" in repr(diff(shut, shut))
    np.testing.assert_allclose(found.change("C"), opened.flow("C").norm / shut.flow("C").norm, rtol=1e-6)
    assert found.change("f").mean() == pytest.approx(means[1] - means[0], rel=1e-5)
    head, last, *_, start = found.table(list("abcdef")).splitlines()
    assert head.split()[:4] == ["t", "read", "|∂L/∂C|", "|∂L/∂h|"] and last.split()[:2] == ["6", "f"]
    assert f"{shut.flow('C').norm[6]:.2e} → {opened.flow('C').norm[6]:.2e}" in last
    assert start.split()[0] == "0" and start.count("→") == 2  # no gate before the first step
    for other in (traced(0.0, steps=5), Snapshot({}, {})):
        with pytest.raises(ValueError, match="they must be the same"):
            diff(shut, other)
    assert diff(shut, traced(0.0, cell=nn.GRU)).names == ["h"]
    with pytest.raises(LookupError, match="no 'z' in both"):
        found.change("z")
    with pytest.raises(LookupError, match="2 recurrences"):
        Snapshot.of(traced(0.0, num_layers=2))


def test_the_forget_gate_learns_to_open():
    task = tasks.adding(length=12)
    model = small(task, forget_bias=0.0)
    record = fit(
        model, task, steps=250, batch=16, record=125, progress=False,
        optimizer=make_optimizer("adam", model, 0.03, global_clipnorm=1.0),
    ).record  # fmt: skip
    through = record["f∘∂C"][:, 3:-1].mean(axis=1)
    assert through[0] < 0.6 and through[-1] > through[0] + 0.1
    reach = record["C"][:, 1] / record["C"][:, -1]
    assert reach[-1] > 10 * reach[0]


def test_plot(monkeypatch):
    task = tasks.copying()
    record = run(small(task), task, 4, record=2).record
    with pytest.raises(LookupError, match="nothing of 'z' is there"):
        record.plot("z")
    with monkeypatch.context() as m:
        m.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match=r"pip install 'tinygrad-lstm\[plot\]'"):
            record.plot()
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for name in record.names:
        ax = record.plot(name)
        mesh = ax.collections[0]
        shown = np.ma.filled(mesh.get_array(), np.nan).reshape(len(record), -1)
        values = record[name]
        np.testing.assert_array_equal(shown[np.isfinite(shown)], values[np.isfinite(shown)])
        assert ax.get_xlabel() == "time step t" and ax.get_ylabel() == "training step"
        ax.figure.canvas.draw()
        matplotlib.pyplot.close(ax.figure)

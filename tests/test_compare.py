"""Several nets side by side: exact laws, the same data for all, clips that leave the gradient alone, the picture."""

import math
import re

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.cli import main
from tinygrad_lstm.tasks import compare as place
from tinygrad_lstm.training.compare import NETS, Row, compare
from tinygrad_lstm.training.fit import TrainingError
from tinygrad_lstm.training.model import SequenceModel
from tinygrad_lstm.training.strips import LINES

LINEAR = {"cell": "rnn", "activation": "linear"}


def norms(found, name, state="h"):
    return next(row.norm for row in found[name].rows if row.state == state)


# — the numbers ——————————————————————————————————————————————————————————————————————————————————————————


def test_the_picture_can_be_read_in_a_notebook():
    found = compare("rnn,lstm:1,gru", steps=30, hidden=4).draw().svg()
    pixels = 960 / float(re.search(r'viewBox="0.00 0.00 ([\d.]+) ', found)[1])
    assert min(map(float, re.findall(r'font-size="([\d.]+)"', found))) * pixels >= 8.95


def test_a_table_fits_a_terminal_and_has_the_step_where_it_is_not_the_gradient():
    plain = compare("rnn,lstm:0,gru", steps=100, hidden=8).table()
    assert max(map(len, plain.splitlines())) <= 80 and "step" not in plain
    assert "step" in compare("rnn+clip,gru", steps=20, hidden=4).table()


def test_row_measures():
    halves = Row("x", "h", 0.5 ** np.arange(40, -1, -1.0))
    assert halves.half_life == pytest.approx(1) and halves.below == 24  # 2^-23 = 1.2e-7, 2^-24 = 6e-8
    scaled = Row("x", "h", 1e-9 * halves.norm)
    assert scaled.below == 24 and scaled.half_life == pytest.approx(1)  # of the gradient at the end, whatever that is
    grows = Row("x", "h", np.array([3.0, 2.0, 1.0]))
    assert grows.half_life == math.inf and grows.below is None
    dead = Row("x", "h", np.array([0.0, 0.0, 0.25, 0.5, 1.0]))
    assert dead.below == 3 and dead.half_life == pytest.approx(1)
    for odd in ([math.inf, 1.0], [math.nan, 1.0], [0.0, 0.0], [0.0, 1.0]):
        assert math.isnan(Row("x", "h", np.array(odd)).half_life)


def test_sizes_neither_under_nor_overflow():
    assert place._size(np.array([3e-200, 4e-200])) == pytest.approx(5e-200)
    assert place._size(np.array([3e200]), np.array([[4e200]])) == pytest.approx(5e200)
    assert place._size(np.array([1.0, math.nan])) == place._size(np.array([-math.inf])) == math.inf
    assert place._size() == place._size(np.zeros(3)) == 0


def test_exact_laws():
    """An orthogonal linear RNN keeps every norm; the LSTM of 1997 keeps ∂L/∂C; a truncated one has the product of f."""
    found = compare({"linear": LINEAR, "1997": {"cell": "lstm-1997"}, "cut": {"cell": "lstm-truncated"}}, hidden=8)
    assert found.T == 100
    np.testing.assert_allclose(norms(found, "linear"), 1, rtol=1e-6)  # the weights are float32, as in training
    assert found.table().splitlines()[1].split()[6] == "kept" and ">kept<" in found.draw().svg()
    C = norms(found, "1997", "C")
    assert 0 < C[0] < 1 and len({*C}) == 1
    assert np.isnan(norms(found, "1997")[:-1]).all() and norms(found, "1997")[-1] == pytest.approx(1)
    h, C = found["cut"].rows
    assert C.highway == pytest.approx(C.half_life) and 1 < C.half_life < 4 and math.isnan(h.half_life)


def test_rnn_against_the_product_of_its_jacobians():
    found = compare("rnn", steps=12, hidden=5, batch=3, seed=4)
    rng = np.random.default_rng([4, 3])
    x, dh = rng.normal(size=(3, 12, 8)), rng.normal(size=(3, 5))
    model = SequenceModel(inputs=8, outputs=1, tokens=False, hidden=5, cell="rnn", seed=4).astype(np.float64)
    W, b = (p.numpy() for p in model.rnn.parameters())
    h = [np.zeros((3, 5))]
    for t in range(12):
        h.append(np.tanh(np.concatenate([h[-1], x[:, t]], axis=1) @ W + b))
    dh, dW, db = dh / np.linalg.norm(dh), 0, 0
    expected = [1.0]
    for t in range(12, 0, -1):
        δ = dh * (1 - h[t] ** 2)
        dW = dW + np.concatenate([h[t - 1], x[:, t - 1]], axis=1).T @ δ
        db = db + δ.sum(axis=0)
        dh = δ @ W[:5].T
        expected.append(np.linalg.norm(dh))
    np.testing.assert_allclose(norms(found, "rnn"), expected[::-1], rtol=1e-11)
    assert found["rnn"].gradient == pytest.approx(math.hypot(np.linalg.norm(dW), np.linalg.norm(db)))
    assert found["rnn"].step == pytest.approx(found["rnn"].gradient)


def test_what_the_initial_values_do():
    """QUESTIONS 3: by default an LSTM vanishes too, and an open forget gate keeps; the default nets show all cases."""
    found = compare()
    assert [net.name for net in found.nets] == list(NETS)
    lives = [found[f"lstm:{b}"].rows[1].highway for b in (0, 1, 5)]
    expected = [math.log(0.5) / math.log(1 / (1 + math.exp(-b))) for b in (0, 1, 5)]
    np.testing.assert_allclose(lives, expected, rtol=0.35)
    assert all(found[name].rows[-1].below for name in ("rnn", "relu-rnn", "lstm:0", "gru"))
    assert not any(found[name].rows[-1].below for name in ("irnn", "lstm:5"))
    assert norms(found, "relu-lstm:5", "C").max() > 100
    text = " ".join(found.notes())
    assert "Vanished" in text and "rnn at T−" in text and "irnn, lstm:5." in text and "Exploded" in text


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_lesson_is_no_luck_of_the_seed(seed):
    found = compare("rnn,irnn,lstm:0,lstm:5,relu-lstm:5", seed=seed)
    ratio = {net.name: net.rows[-1].norm[0] / net.rows[-1].norm[-1] for net in found.nets}
    assert ratio["rnn"] < 1e-7 and ratio["lstm:0"] < 1e-7
    assert ratio["irnn"] > 0.01 and ratio["lstm:5"] > 0.01 and ratio["relu-lstm:5"] > 1e6


def test_small_numbers_stay_numbers():
    """In float32, which ends at 1e-45, nothing would be left of σ(−3)^100 = 8e-133, nor of what comes back by h."""
    row = compare("lstm:-3").rows[1]
    assert 1e-90 < row.norm[0] < 1e-50 and (np.diff(row.norm) > 0).mean() > 0.9
    assert 0.1 < row.highway < row.half_life < 1
    assert 0 < norms(compare("lstm:-3", task=tasks.copying(delay=100)), "lstm:-3", "C")[0] < 1e-50


def test_a_tasks_examples_are_cut_to_the_shortest():
    task = tasks.pronouns()
    lengths = task.batch(8, np.random.default_rng([2, 3])).lengths
    assert lengths is not None and compare("gru", task=task, seed=2, hidden=4).T == lengths.min() < lengths.max()


def test_all_nets_get_the_same():
    both = compare(["lstm:1", "rnn"], steps=20, hidden=6)
    alone = compare("rnn", steps=20, hidden=6)
    np.testing.assert_array_equal(norms(both, "rnn"), norms(alone, "rnn"))
    twice = compare({"a": {"cell": "gru"}, "b": {"cell": "gru"}}, steps=20, hidden=6)
    np.testing.assert_array_equal(norms(twice, "a"), norms(twice, "b"))
    assert (norms(compare("rnn", steps=20, hidden=6, seed=1), "rnn") != norms(alone, "rnn"))[:-1].all()


# — clips and overflows ——————————————————————————————————————————————————————————————————————————————————


def test_a_clip_changes_the_step_and_not_the_gradient():
    found = compare("relu-lstm:5,relu-lstm:5+clip", steps=50)
    plain, clipped = found.nets
    for a, b in zip(plain.rows, clipped.rows, strict=True):
        np.testing.assert_array_equal(a.norm, b.norm)
    assert plain.gradient == clipped.gradient == plain.step > 10
    assert clipped.step == pytest.approx(1) and clipped.clip == "global_clipnorm=1"
    assert any("has the very gradient of relu-lstm:5; only the step is shorter, 1.0e+0" in n for n in found.notes())
    loose = compare({"a": LINEAR, "b": {**LINEAR, "clipvalue": 1e9}}, steps=10, hidden=4)
    assert loose["b"].step == loose["a"].step and any("not even the step" in note for note in loose.notes())


def test_an_overflow_is_a_finding():
    found = compare("rnn,relu-lstm:5,relu-lstm:5+clip", steps=600)
    net = found["relu-lstm:5"]
    assert re.fullmatch(r"h on the way forward at t=\d+", net.overflow) and not found["rnn"].overflow
    assert math.isnan(net.step) and norms(found, "relu-lstm:5")[0] > 3.5e38
    assert "inf" in found.table() and "refused" in found.table()
    assert any("the optimizer refuses the step" in note for note in found.notes())
    assert "overflow: inf or NaN" in found.draw().dot and "every 4 steps" in found.draw().dot


def test_numbers_that_are_not_finite_even_in_float64():
    nets = {"wild": {"cell": "rnn", "activation": "softplus", "recurrent_initializer": "ones"}, "gru": {"cell": "gru"}}
    found = compare(nets, steps=800, hidden=8)
    assert found["wild"].overflow and norms(found, "wild")[0] == math.inf
    assert "wild" in repr(found) and found.draw().svg().startswith("<?xml")


# — after training ———————————————————————————————————————————————————————————————————————————————————————


def test_training_is_the_same_for_all(monkeypatch):
    task = tasks.pronouns()
    settings = {"cell": "lstm", "forget_bias": 0.0}
    found = compare({"a": settings, "b": settings, "c": {**settings, "clipnorm": 1e-3}}, task=task, train=3, hidden=6)
    np.testing.assert_array_equal(norms(found, "a"), norms(found, "b"))
    fresh = compare({"a": settings}, task=task, hidden=6)
    assert fresh.T == found.T and (norms(fresh, "a") != norms(found, "a"))[:-1].all()
    assert norms(found, "a")[-1] == pytest.approx(1)  # trained or not, every net has the same gradient at the end
    assert "after 3 training steps" in found.about and "clipped" in found["c"].note

    def diverges(*args, **kw):
        raise TrainingError("step 7: the loss is nan. First: …")

    monkeypatch.setattr(place, "fit", diverges)
    lost = compare({"a": settings}, task=task, train=3, hidden=6)
    assert "stopped with an overflow at step 7" in repr(lost)
    np.testing.assert_array_equal(norms(lost, "a"), norms(fresh, "a"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nets": "elman"}, "there is no net 'elman'. There are irnn, rnn, lstm"),
        ({"nets": "rnn+clap"}, "no net 'rnn\\+clap'"),
        ({"nets": "lstm:much"}, "a forget bias is a number"),
        ({"nets": "gru:1"}, "has no forget_bias"),
        ({"nets": " , "}, "which nets"),
        ({"nets": {"x": {"cell": "rnn", "hidden": 3}}}, "same number of hidden units"),
        ({"nets": {"x": {"cell": "rnn", "clipnorm": 1, "clipvalue": 1}}}, "one clip at a time"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"train": 5}, "random input teaches nothing"),
        ({"task": tasks.adding(), "steps": 5}, "lengths of its own"),
    ],
    ids=str,
)
def test_wrong_use(given, message):
    with pytest.raises(ValueError, match=message):
        compare(**given)


# — what is printed and drawn ————————————————————————————————————————————————————————————————————————————


def test_the_table_holds_the_numbers():
    found = compare("rnn,lstm:0", steps=40, hidden=6)
    head, rnn, h, C = found.table().splitlines()
    assert " ".join(head.split()) == "net t=T T−4 T−20 T−40 half-life highway <1e-7 at ‖∂L/∂W‖"
    cells = C.split()
    assert cells[0] == "∂L/∂C" and h.split()[:2] == ["lstm:0", "∂L/∂h"]
    row = found["lstm:0"].rows[1]
    got = [float(cell) for cell in cells[1:7]]
    np.testing.assert_allclose(got, [*row.norm[[40, 36, 20, 0]], row.half_life, row.highway], rtol=0.05)
    assert cells[7] == ("never" if row.below is None else f"T−{row.below}")
    assert float(rnn.split()[-1]) == pytest.approx(found["rnn"].step, rel=0.05)  # but for rounding the gradient's size


def test_the_picture_has_every_number_on_one_scale():
    found = compare("rnn,lstm:0,relu-lstm", steps=100, hidden=32)
    dot = found.draw().dot
    cells = re.findall(r'fillcolor="(#\w+)", tooltip="?(\S+): ∂L/∂(\w) at t=T−(\d+) = ([^"]+)"', dot)
    assert len(cells) == 5 * 101
    for colour, name, state, back, number in cells:
        value = norms(found, name, state)[100 - int(back)]
        assert float(number) == pytest.approx(value, rel=0.05)
        red, _, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        assert value > 0.01 or blue > red + 20, "what vanishes is blue"
        assert value < 100 or red > blue + 20, "what explodes is red"
    assert max(row.norm.max() for row in found.rows) > 100
    marks = dot.count("below 1e-7 of the end's gradient from")
    assert marks == 2 * sum(row.below is not None for row in found.rows) > 0


def test_the_line_chart_has_a_line_for_each_net_and_marks_one():
    found = compare("rnn,lstm", steps=30, hidden=8)
    dot = found.draw().dot
    assert "How a gradient shrinks or grows" in dot and "rnn: ∂L/∂hₜ" in dot and "lstm: ∂L/∂Cₜ" in dot
    tiles = re.findall(r'pos="(-?[\d.]+),(-?[\d.]+)"[^]]*fillcolor="#0072b2"', dot)
    flat = {float(x): float(y) for x, y in tiles if float(x) % 14 == 0}  # one for each step, as high as the norm
    norm = found["rnn"].rows[-1].norm
    ys = np.array([flat[x] for x in sorted(flat)])
    slope = np.polyfit(np.log10(norm), ys, 1)[0]
    np.testing.assert_allclose(ys, ys[-1] + slope * np.log10(norm / norm[-1]), atol=1.0)


def test_the_nets_of_the_command_have_a_colour_each():
    nets = len(compare(steps=2, hidden=2).nets)
    assert nets == 9 <= len(set(LINES))


def test_columns_stand_apart_whatever_the_names():
    names = ['"]; evil [x=1', "<b>&lt;", "x" * 60, "a\\N"]
    found = compare({name: {**LINEAR, "clipnorm": 1.0} for name in names}, steps=5, hidden=4)
    dot = found.draw().dot
    assert "x" * 27 + "…" in dot and "x" * 29 not in re.sub(r"tooltip=\"[^\"]*\"", "", dot)
    starts = [float(x) for x in re.findall(r'pos="(-?[\d.]+),[^"]*", fontsize=10, [^]]*∂L/∂hₜ', dot)]
    ends = [
        float(x) + float(w) * 36  # centre and half the width
        for x, w in re.findall(r'pos="(-?[\d.]+),[^"]*", width=([\d.]+),[^]]*fontsize=(?:10\.5|8), fontc', dot)
        if float(x) < 0
    ]
    assert starts and len(ends) == 2 * len(names)
    assert found.draw().svg().count("∂L/∂h") >= len(names)
    short = compare({"a": {**LINEAR, "clipnorm": 1.0}}, steps=5, hidden=4).draw().dot
    left = [float(x) for x in re.findall(r'pos="(-?[\d.]+),[^"]*", width=[^]]*fontsize=8', short)]
    assert left and min(left) < -60  # the line with gradient and step has its room


# — the command ——————————————————————————————————————————————————————————————————————————————————————————


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a picture may be drawn anew
        assert main(["compare", "--nets", "rnn,relu-lstm+clip", "--steps", "30", "--out", "x.svg"]) == 0
        out, err = capsys.readouterr()
    assert err == "" and "2 nets of 32 units, untrained" in out and "picture: x.svg" in out
    assert "relu-lstm+clip" in out and "half-life" in out and "What to look at" in out
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").count("<polygon") > 60
    words = ["compare", "--task", "adding", "--set", "length=8", "--train", "2", "--nets", "gru", "--hidden", "4"]
    assert main([*words, "--out", "y.gv"]) == 0
    out = capsys.readouterr().out
    assert "training: gru" in out and "after 2 training steps" in out and "examples of 'adding', 8 steps" in out
    for wrong, message in (
        (["--nets", "nope"], "no net 'nope'"),
        (["--set", "length=3"], "--set is for a --task"),
        (["--train", "3"], "random input teaches nothing"),
        (["--nets", "rnn", "--steps", "3", "--out", "x.jpg"], "cannot save 'x.jpg'"),
    ):
        assert main(["compare", *wrong]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert main(["compare", "--out", "no/x.svg"]) == 1 and "there is no such folder" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.svg", "y.gv"]


# — seeds ————————————————————————————————————————————————————————————————————————————————————————————————


def test_over_seeds_is_each_seed_alone(tmp_path, capsys):
    pytest.importorskip("joblib", reason='sweeps need joblib: pip install ".[sweep]"')
    nets = {"rnn": {"cell": "rnn"}, "lstm": {"cell": "lstm", "forget_bias": 3.0}}
    found = compare(nets, hidden=6, steps=20, seeds=3)
    assert len(found.seeds) == 6 and found.seeds.varied == ["net"]
    for trial in found.seeds.rows:
        row = compare(nets, hidden=6, steps=20, seed=trial.seed)[trial.settings["net"]].rows[-1]
        assert trial.result["left"] == row.norm[0] / row.norm[-1] and trial.result["half-life"] == row.half_life
        assert ("highway" in trial.result) == (row.state == "C")
    assert "Over the seeds, mean [least, greatest]" in repr(found) and compare("rnn", steps=3).spread() == ""
    assert ">left: each seed, and the mean<" in found.seeds.draw().svg()
    trained = compare("rnn,gru", hidden=3, batch=2, task=tasks.adding(length=4), train=1, seeds=2, workers=2)
    alone = compare("rnn,gru", hidden=3, batch=2, task=tasks.adding(length=4), train=1, seed=1)["gru"].rows[0]
    assert trained.seeds.where(net="gru").rows[1].result["left"] == alone.norm[0] / alone.norm[-1]
    words = ["compare", "--nets", "rnn", "--steps", "5", "--seeds", "2", "--out", str(tmp_path / "x.gv")]
    assert main(words) == 0
    assert "Over the seeds" in capsys.readouterr().out

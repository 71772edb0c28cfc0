"""Diagnosis in sentences: each ailment made on purpose, and silence where nothing ails."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, optim, tasks
from tinygrad_lstm.flow.diagnose import diagnose
from tinygrad_lstm.flow.findings import _exploding, _growing, _half_life, forget_bias_for
from tinygrad_lstm.training.fit import fit
from tinygrad_lstm.training.model import SequenceModel


class Net(nn.Module):
    def __init__(self, cell=nn.LSTM, seed=0, **settings):
        rng = np.random.default_rng(seed)
        self.rnn, self.head = cell(4, 16, rng=rng, **settings), nn.Linear(16, 3, rng=rng)

    def loss(self, T=20, batch=8, seed=0, scale=1.0, state=None):
        rng = np.random.default_rng(seed)
        self.out = self.rnn(rng.normal(size=(batch, T, 4)).astype(np.float32) * scale, state)
        return nn.cross_entropy(self.head(self.out.h), rng.integers(0, 3, (batch, T)))


def only(found, *words):
    """The one sentence in which all words occur."""
    fitting = [text for text in found if all(word in text for word in words)]
    assert len(fitting) == 1, found
    return fitting[0]


# — healthy nets —————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("T", [1, 2, 20])
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_new_net_is_told_how_long_it_remembers_and_nothing_else(cell, T, seed):
    net = Net(cell, seed)
    found = diagnose(net.loss(T, seed=seed), net if T > 1 else None, optim.Adam(net.parameters()))
    if T == 20:
        assert len(found) == 1 and "halves" in found[0]
    elif T == 1:
        assert found == [] == diagnose(Net(seed=seed, forget_bias=-3.0).loss(1))
    elif cell is nn.GRU:  # z is near a half, so of two steps a quarter is left
        text = only(found, "halves a gradient")
        z = np.exp(np.mean([np.log(step.z.numpy()) for step in net.out.steps]))
        kept = float(re.search(r"keeps ([\d.e-]+) of it over 2\.", text)[1])
        assert len(found) == 1 and kept == pytest.approx(z**2, rel=0.05) and 0.15 < kept < 0.35
    else:  # an LSTM keeps more than half over two steps, and a plain net has no gate to tell of
        assert found == []


@pytest.mark.parametrize("settings", [{"num_layers": 2}, {"bidirectional": True}, {"cell": nn.PeepholeLSTMCell}])
def test_variants_are_healthy_too(settings):
    rng = np.random.default_rng(0)
    net = nn.LSTM(4, 8, rng=rng, forget_bias=4.0, **settings)
    out = net(rng.normal(size=(3, 10, 4)).astype(np.float32), lengths=[10, 4, 7])
    assert diagnose((out.h * out.h).sum(), net) == []


@pytest.mark.parametrize("forget_bias", [1.0, 5.0])
def test_a_trained_net_is_healthy(forget_bias):
    task = tasks.pronouns()
    model = SequenceModel.for_task(task, hidden=24, seed=1, forget_bias=forget_bias)
    optimizer = optim.Adam(model.parameters(), lr=0.02, global_clipnorm=1.0)
    history = fit(model, task, steps=150, optimizer=optimizer, progress=False)
    assert history.recent("accuracy") > 0.95
    batch = task.batch(16, np.random.default_rng(9))
    found = diagnose(model.loss(model(batch.x, lengths=batch.lengths), batch), model, optimizer)
    assert [text for text in found if "halves a gradient" not in text] == []
    if forget_bias == 5:
        assert found == []


def test_a_few_looks_say_nothing_about_a_relu():
    layer = nn.Linear(4, 20, rng=np.random.default_rng(0))
    hidden = layer(np.ones((1, 4), np.float32)).relu()
    assert (hidden.numpy() == 0).sum() >= 5
    assert diagnose(hidden.sum()) == []


def test_relu_nets_are_not_called_dead():
    for seed in range(4):
        net = Net(nn.RNN, seed, activation="relu", recurrent_initializer="identity")
        assert not [text for text in diagnose(net.loss(seed=seed)) if "relu units" in text]


def test_an_encoder_and_a_decoder_of_one_name_carry_no_state_over():
    rng = np.random.default_rng(0)
    encoder, decoder = (nn.LSTM(4, 8, forget_bias=4.0, rng=rng) for _ in range(2))
    x = rng.normal(size=(3, 6, 4)).astype(np.float32)
    loss = (decoder(x, encoder(x).last).h ** 2).sum()
    assert not [text for text in diagnose(loss) if "carried over" in text]


# — memory ———————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("n", [1, 5, 50, 1000])
def test_the_forget_bias_for_a_memory(n):
    assert (1 / (1 + np.exp(-forget_bias_for(n)))) ** n == pytest.approx(0.5, rel=1e-9)
    with pytest.raises(ValueError, match="above 0"):
        forget_bias_for(0)


def test_half_life_and_the_bias_that_cures_it():
    net = Net()
    text = only(diagnose(net.loss(20), memory=30), "halves a gradient")
    mean = np.exp(np.mean([np.log(step.f.numpy()) for step in net.out.steps]))  # it is products that count
    assert f"f is {mean:.3f} on average" in text
    patterns = (r"every ([\d.]+) steps", r"b_f = ([\d.]+)")
    life, bias = (float(re.search(pattern, text)[1]) for pattern in patterns)
    assert life == pytest.approx(np.log(0.5) / np.log(mean), abs=0.06)
    assert bias == pytest.approx(forget_bias_for(30), abs=0.006)
    assert diagnose(Net(forget_bias=bias + 1).loss(20), memory=30) == []
    assert only(tl.trace(net.loss(20)).flow("C").diagnose(memory=30), "halves a gradient") == text


def own(keep, T=12, name="f", bias="b", hidden=4):
    """A loop of one's own: h = keep(gate) ∘ h + (1 − keep(gate)) ∘ n; the gate's mean is about 0.3."""
    rng, h = np.random.default_rng(0), Tensor(np.zeros((2, hidden)), name="h₀")
    W = Tensor(rng.normal(size=(hidden, hidden)) * 0.1, requires_grad=True)
    b = Tensor(np.full(hidden, -0.85), requires_grad=bool(bias), name=bias or None)
    for t in range(1, T + 1):
        with tl.scope(f"t={t}"):
            x = Tensor(rng.normal(size=(2, hidden)) * 0.2)
            gate = tl.sigmoid(x @ W + b).named(name)
            n = tl.tanh(x @ W).named("n")
            h = (keep(gate) * h + (1 - keep(gate)) * n).named("h")
    return (h**2).sum()


def test_only_an_lstm_is_told_of_the_setting_forget_bias():
    class MinimalGatedUnit(nn.Cell):
        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
            self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

        def step(self, x, state):
            f = tl.sigmoid(tl.concat(state.h, x) @ self.W_f + self.b_f).named("f")
            n = tl.tanh(tl.concat(f * state.h, x) @ self.W_n + self.b_n).named("n")
            return nn.Step(f=f, n=n, h=((1 - f) * state.h + f * n).named("h"))

    x, bias = np.random.default_rng(0).normal(size=(4, 30, 3)).astype(np.float32), f"{forget_bias_for(30):.2f}"
    told = {
        MinimalGatedUnit: f"start with b_f = -{bias}, at",
        nn.GRUCell: f"start with b_z = {bias}, at",
        nn.LSTMCell: f"start with b_f = {bias} (in nn.LSTM: forget_bias={bias}), at",
    }
    for cell, said in told.items():
        net = nn.Recurrent(3, 8, cell=cell, rng=np.random.default_rng(0))
        assert said in only(diagnose(net(x).last.h.sum()), "halves a gradient")


@pytest.mark.parametrize("name", ["f", "z", "u"])
def test_the_graph_says_which_gate_keeps_not_its_letter(name):
    for keep, said, factor, sign in ((lambda g: g, name, 0.3, 1), (lambda g: 1 - g, f"1 − {name}", 0.7, -1)):
        loss = own(keep, name=name, bias="bias")
        text = only(diagnose(loss, memory=20), "halves a gradient")
        kept = np.exp(np.mean([np.log(keep(x).numpy()) for x in tl.trace(loss).tensors if x.name == name]))
        assert f"{said} is {kept:.3f} on average" in text and kept == pytest.approx(factor, abs=0.03)
        life, best = (float(re.search(p, text)[1]) for p in (r"gradient every ([\d.]+)", r"unit every ([\d.]+)"))
        assert life == pytest.approx(np.log(0.5) / np.log(kept), abs=0.06) and best >= life
        assert f"start with bias = {sign * forget_bias_for(20):.2f}, at which" in text and "forget_bias" not in text
    text = only(diagnose(own(lambda g: g, name=name, bias=""), memory=20), "halves a gradient")
    assert f"{name} has to be {0.5 ** (1 / 20):.4f}, at which half is left" in text


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("seed", range(5))
def test_the_most_lasting_unit_lasts_as_long_as_the_average_at_least(cell, seed):
    text = only(diagnose(Net(cell, seed).loss(20, scale=3.0), memory=10**6), "halves a gradient")
    life, best = (float(re.search(p, text)[1]) for p in (r"gradient every ([\d.]+)", r"unit every ([\d.]+)"))
    assert best >= life


def test_a_recurrence_with_names_but_no_gate_is_told_of_no_bias():
    rng, h = np.random.default_rng(0), Tensor(np.zeros((2, 4)), name="h₀")
    W = Tensor(rng.normal(size=(4, 4)) * 0.3, requires_grad=True, name="W")
    for t in range(1, 13):
        with tl.scope(f"t={t}"):
            a = (Tensor(rng.normal(size=(2, 4))) + h @ W).named("f")  # an argument that has a gate's letter
            h = tl.tanh(a).named("h")
    found = diagnose((h**2).sum())
    assert "bias" not in " ".join(found) and "halves" in only(found, "None of its gates")


def test_gradients_that_mean_nothing_have_a_sentence_of_their_own():
    net = Net()
    net.loss(6)
    last = net.out.h[:, -1]
    with np.errstate(all="ignore"):
        assert len(diagnose((last * np.nan).sum())) == 1
        only(diagnose((last * np.nan).sum()), "the loss is nan")
        only(diagnose(((last - last.detach()) ** 2).sum().sqrt()), "the gradient is not finite from")
    only(diagnose((last * 0).sum()), "every gradient is exactly 0")
    only(diagnose(((last - last.numpy()) ** 2).sum()), "every gradient is exactly 0", "a loss at its minimum")
    net.rnn.fused = True
    only(diagnose(net.loss(6)), "ran fused", "layer.fused = False")


def test_a_plain_rnn_has_no_path_that_keeps():
    net = Net(nn.RNN)
    text = only(diagnose(net.loss(20)), "take an LSTM")
    factor = float(re.search(r"multiplied by ([\d.]+)", text)[1])
    assert 0.4 < factor < 0.9


# — ailments —————————————————————————————————————————————————————————————————————————————————————————————


def test_saturated_gates():
    net = Net()
    found = diagnose(net.loss(scale=1e3))
    text = only(found, "of the values of o are saturated")
    o = np.array([step.o.numpy() for step in net.out.steps])
    assert f"{(4 * o * (1 - o) < 0.01).mean():.0%}" in text and "scale the inputs" in text


def test_a_forget_gate_that_cannot_close():
    only(diagnose(Net(forget_bias=12.0).loss()), "100% of the values of f", "a smaller one lets it learn to forget")


def test_dead_relus():
    rng = np.random.default_rng(0)
    layer, head = nn.Linear(4, 20, rng=rng), nn.Linear(20, 1, rng=rng)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    assert diagnose(head(layer(x).relu()).sum()) == []
    bias = next(p for p in layer.parameters() if p.shape == (20,))
    bias.data = np.where(np.arange(20) < 7, -100, 0).astype(np.float32)
    only(diagnose(head(layer(x).relu()).sum()), "7 of 20 relu units are 0 for all 40 inputs")


def test_a_growing_cell_state():
    net = Net(activation="relu", forget_bias=6.0)
    found = diagnose(net.loss(60))
    text = only(found, "mean |C| grows from", "C̃ is never below 0")
    end = np.abs(net.out.steps[-1].C.numpy()).mean()
    assert f"to {end:.3g} at the end" in text


def test_an_exploding_step():
    net = Net(nn.RNN, activation="linear")
    cell = net.rnn.cells[0][0]
    cell.W_h.data = np.concatenate([1.5 * np.eye(16), np.zeros((4, 16))]).astype(np.float32)
    text = only(diagnose(net.loss(30)), "step: the recurrent weights stretch it", "1.50 times a step")
    growth = float(re.search(r"grows ([\d.e+]+)-fold on (\d+)", text)[1])
    assert growth == pytest.approx(1.5**30, rel=0.06) or growth == pytest.approx(1.5**29, rel=0.06)


def test_the_stretch_that_explodes_is_found_between_others():
    growth = np.log([0.5, 0.5, *[2.0] * 12, 0.1, 1.0])
    only([*_exploding(growth)], "grows 4.1e+03-fold on 12 steps", "2.00 times a step")
    assert [*_exploding(np.log([1.1] * 100))] == []  # a gradient that gathers slowly over a long way
    assert [*_exploding(np.array([]))] == []


def test_what_does_not_shrink_is_never_halved():
    assert _half_life(0.5) == 1 and _half_life(0.25) == 0.5 and _half_life(np.sqrt(0.5)) == pytest.approx(2)
    assert [_half_life(factor) for factor in (1.0, 1.5, 2.0)] == [np.inf] * 3
    net = Net(nn.RNN, activation="linear")
    net.rnn.cells[0][0].W_h.data = np.concatenate([1.3 * np.eye(16), np.zeros((4, 16))]).astype(np.float32)
    assert not [text for text in diagnose(net.loss(10)) if "halves" in text]


@pytest.mark.parametrize(("end", "half", "told"), [(10, 6, 1), (9.9, 6, 0), (15, 10, 1), (14.9, 10, 0), (20, 5, 1)])
def test_a_state_has_grown_from_10_on_and_by_half(end, half, told):
    sizes = [0.0, 1.0, half, half, end]
    history = SimpleNamespace(
        order=range(5), states=[Tensor(np.full((2, 3), float(size))) for size in sizes], gates=[], name="C"
    )
    assert len([*_growing(history, None)]) == told


def test_a_gate_above_one():
    with pytest.warns(UserWarning, match="a gate says how much"):
        net = Net(recurrent_activation="softplus", forget_bias=2.0)
    found = diagnose(net.loss(12))
    only(found, "f reaches", "stays within [0, 1]")
    assert not [text for text in found if "halves a gradient" in text]


def test_a_state_that_is_not_finite():
    net = Net(nn.RNN, activation="linear")
    net.rnn.cells[0][0].W_h.data = np.full((20, 16), 1e15, np.float32)
    with np.errstate(all="ignore"):
        only(diagnose(net.loss(8)), "h is not finite from t=")


def test_a_clip_that_acts_at_every_step():
    net = Net(forget_bias=5.0)
    optimizer = optim.SGD(net.parameters(), lr=0.01, global_clipnorm=1e-3)
    for k in range(12):
        assert not [text for text in diagnose(net.loss(5), net, optimizer) if "clipped" in text] or k >= 10
        optimizer.zero_grad()
        net.loss(5).backward()
        optimizer.step()
    only(diagnose(net.loss(5), net, optimizer), "12 of 12 steps were clipped (100%) by global_clipnorm=0.001")


def test_parameters_that_do_not_move():
    net = Net(forget_bias=5.0)
    assert diagnose(net.loss(5), net) == []
    net.head.parameters()[0].requires_grad = False
    frozen = next(name for name, p in net.named_parameters() if not p.requires_grad)
    only(diagnose(net.loss(5), net), f"{frozen} is frozen")
    net.extra = Tensor(np.ones(2), requires_grad=True)
    only(diagnose(net.loss(5), net), "extra is reached by no gradient")
    with tl.what_if(C=tl.detach, h=tl.detach):
        loss = net.loss(5)
    only(diagnose(loss, net), "rnn.cells.0.0.W_f", "more are reached by no gradient")
    optimizer = optim.SGD(net.head.parameters(), lr=0.1)
    only(diagnose(net.loss(5), net, optimizer), "not held by the optimizer", "rnn.cells.0.0.W_f")


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2}], ids=["one layer", "two"])
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_a_state_carried_over_without_detach(cell, settings):
    net = Net(cell, **settings)
    net.loss(4)
    found = diagnose(net.loss(4, state=net.out.last))
    texts = [text for text in found if "carried over without detach, so this backward goes through 2 runs" in text]
    assert len(texts) == (2 if settings else 1)
    net.loss(4, state=net.out.last)
    assert "goes through 4 runs" in next(t for t in diagnose(net.loss(4, state=net.out.last)) if "carried" in t)
    net.loss(4)
    last = net.out.last.detach()
    assert not [text for text in diagnose(net.loss(4, state=last)) if "carried over" in text]


def test_a_freed_history_is_the_diagnosis():
    net = Net()
    net.loss(4).backward()
    loss = net.loss(4, state=net.out.last)
    assert "detach it: state.detach()" in diagnose(loss)[0]
    assert "needs no gradient" in diagnose(Tensor(1.0))[0]

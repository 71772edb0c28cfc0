"""Modules, layers over time, losses, initial values."""

import copy
import math
import pickle
import re
import warnings

import numpy as np
import pytest

from tinygrad_lstm import Tensor, dropout, grad, nn, no_grad, relu, sigmoid, softplus, stack, tanh, what_if
from tinygrad_lstm.nn.cell import _warned
from tinygrad_lstm.nn.init import initializers
from tinygrad_lstm.testing import gradcheck

LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
each_layer = pytest.mark.parametrize("kind", LAYERS)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def layer(kind: str, size: int = 3, hidden: int = 4, **settings) -> nn.Module:
    return LAYERS[kind](size, hidden, rng=generator(), **settings)


def sample(batch: int = 2, time: int = 5, size: int = 3) -> np.ndarray:
    return generator(1).standard_normal((batch, time, size)).astype(np.float32)


# — modules ——————————————————————————————————————————————————————————————————————————————————————————————


class Tree(nn.Module):
    """Parameters and modules in every place where they may be."""

    def __init__(self) -> None:
        self.bare = Tensor([1.0], requires_grad=True)
        self.frozen = Tensor([1.0, 2.0])
        self.linear = nn.Linear(2, 3, rng=generator())
        self.list = [nn.Linear(1, 1, bias=False, rng=generator()), [Tensor([3.0], requires_grad=True)]]
        self.dict = {"a": nn.Dropout(0.5), "b": Tensor([4.0], requires_grad=True)}
        self.tied, self.number, self._private = self.linear, 7, Tensor([5.0], requires_grad=True)


def test_parameters_are_found_by_walking():
    tree = Tree()
    names = [name for name, _ in tree.named_parameters()]
    assert names == ["bare", "frozen", "linear.W", "linear.b", "list.0.W", "list.1.0", "dict.b"]
    assert len(tree.parameters()) == 7 and tree.parameters()[2] is tree.linear.W
    assert [type(m).__name__ for m in tree.modules()][:3] == ["Tree", "Linear", "Linear"]
    assert dict(nn.LSTM(1, 2, num_layers=2).named_parameters()).keys() >= {"cells.0.0.W_f", "cells.1.0.b_o"}
    tree.bare = None
    assert "bare" not in dict(tree.named_parameters()), "what was replaced is gone"


def test_modules_that_know_their_parent():
    tree = Tree()
    names = [name for name, _ in tree.named_parameters()]
    tree.linear.parent = [tree]
    assert [name for name, _ in tree.named_parameters()] == names
    assert not tree.eval().linear.training


def test_modes_reach_everything():
    tree = Tree()
    assert tree.training and tree.eval() is tree
    assert not tree.training and not tree.dict["a"].training
    assert tree.train().dict["a"].training


def test_zero_grad_and_astype():
    tree = Tree()
    for p in tree.parameters():
        p.grad = np.ones(p.shape)
    tree.zero_grad()
    assert all(p.grad is None for p in tree.parameters())
    assert tree.astype(np.float64) is tree and {p.dtype for p in tree.parameters()} == {np.dtype(np.float64)}
    lstm = layer("LSTM").astype(np.float64)
    out = lstm(sample().astype(np.float64))
    assert out.h.dtype == out.last.C.dtype == np.float64
    assert layer("LSTM")(sample()).h.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_module_keeps_its_dtype_from_input_to_gradient(dtype):
    rows, sequence = np.ones((2, 3), dtype), np.ones((2, 5, 3), dtype)
    modules = {
        "Linear": (nn.Linear(3, 4, rng=0), rows), "LayerNorm": (nn.LayerNorm(3), rows),
        "Dropout": (nn.Dropout(0.5, rng=0), Tensor(rows, requires_grad=True)),
        "Embedding": (nn.Embedding(3, 4, rng=0), np.array([[0, 2]])),
        "Sequential": (nn.Sequential(nn.Linear(3, 4, rng=0), tanh, nn.Linear(4, 2, rng=0)), rows),
        **{kind: (layer(kind, num_layers=2, bidirectional=True), sequence) for kind in ("RNN", "LSTM", "GRU")},
    }  # fmt: skip
    for name, (module, x) in modules.items():
        assert {p.dtype for p in module.parameters()} <= {np.dtype(np.float32)}, name
        module.astype(dtype)
        y = module(x)
        y = y.h if isinstance(y, nn.Output) else y
        y.sum().backward()
        assert y.dtype == dtype and all(p.grad.dtype == dtype for p in module.parameters()), name


def test_a_peephole_step_is_its_equations():
    """Gers, Schmidhuber 2000, all weights drawn: in NumPy, from the parameters alone."""
    cell = nn.PeepholeLSTMCell(3, 4, rng=generator()).astype(np.float64)
    for p in cell.parameters():
        p.data = generator(p.size).normal(size=p.shape)
    x, h, C = (generator(k).normal(size=(2, n)) for k, n in enumerate((3, 4, 4)))
    w = {name: p.numpy() for name, p in cell.named_parameters()}
    hx = np.concatenate([h, x], axis=1)

    def gate(name, state):
        return 1 / (1 + np.exp(-(hx @ w[f"W_{name}"] + w[f"p_{name}"] * state + w[f"b_{name}"])))

    new = gate("f", C) * C + gate("i", C) * np.tanh(hx @ w["W_C"] + w["b_C"])
    got = cell(x, nn.LSTMState(Tensor(h), Tensor(C)))
    np.testing.assert_allclose(got.C.numpy(), new, rtol=1e-12)
    np.testing.assert_allclose(got.h.numpy(), gate("o", new) * np.tanh(new), rtol=1e-12)


def test_a_cell_refuses_a_state_of_another_shape():
    cell = nn.LSTMCell(3, 4, rng=generator())
    wrong = nn.LSTMState(Tensor(np.zeros((2, 5))), Tensor(np.zeros((2, 4))))
    with pytest.raises(ValueError, match=r"\(2, 5\).*\(2, 4\)|\(2, 4\).*\(2, 5\)"):
        cell(np.ones((2, 3), np.float32), wrong)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_each_direction_of_each_layer_begins_with_its_own_state(kind):
    """Two layers read both ways, each way from a state of its own: as four layers of one way each."""
    net = layer(kind, num_layers=2, bidirectional=True).astype(np.float64)
    x = sample().astype(np.float64)
    fields = net.cells[0][0].State._fields
    given = [
        net.cells[0][0].State(*(Tensor(generator(10 * k + j).normal(size=(2, 4))) for j in range(len(fields))))
        for k in range(4)
    ]
    whole = type(given[0])(*(stack([state[j] for state in given]) for j in range(len(fields))))
    out, below = net(x, whole), x
    for k in range(2):
        ways = []
        for way in range(2):
            one = LAYERS[kind](below.shape[-1], 4).astype(np.float64)
            one.load_state_dict({f"cells.0.0.{n}": p.numpy() for n, p in net.cells[k][way].named_parameters()})
            read = one(below[:, ::-1] if way else below, given[2 * k + way]).h.numpy()
            ways.append(read[:, ::-1] if way else read)
        below = np.concatenate(ways, axis=-1)
    np.testing.assert_allclose(out.h.numpy(), below, rtol=1e-12)


def test_a_gate_just_above_one_warns_too():
    for reach in (1.5, 1.01):
        with pytest.warns(UserWarning, match=rf"reaches \[0, {reach}\]|reaches \[.*, {reach}\]"):
            layer("LSTM", recurrent_activation=lambda x, reach=reach: reach * sigmoid(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer("LSTM", recurrent_activation=lambda x: 1.0 * sigmoid(x))


def test_repr_is_a_tree_that_ends_where_it_ends():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 1, bias=False, rng=0)))
    lines = repr(net).splitlines()
    assert [line[: line.index("layers") - 1] for line in lines[1:]] == ["├", "└", "  ├", "  └"]
    assert lines[0] == "Sequential · 18 parameters" and lines[1].endswith("Linear · 9 parameters · W (2, 3) · b (3,)")


def test_a_step_has_the_names_of_its_equations():
    def names(kind, **settings):
        return [*vars(layer(kind, **settings)(sample()).steps[0])]

    assert names("RNN") == ["h"] and names("LSTM") == ["f", "i", "C_new", "C", "o", "h"]
    assert names("LSTM", cell=nn.PeepholeLSTMCell) == ["f", "i", "C_new", "C", "o", "h"]
    assert names("LSTM", cell=nn.NoForgetLSTMCell) == ["i", "C_new", "C", "o", "h"]
    assert names("GRU") == names("GRU", reset_after=False) == ["z", "r", "n", "h"]


def test_summary():
    text = Tree().summary()
    lines = text.splitlines()
    assert lines[0] == "Tree" and lines[1].split() == ["parameter", "shape", "entries"]
    assert re.search(r"^linear\.W +\(2, 3\) +6$", text, re.M)
    assert len({len(line) for line in lines[1:]}) == 1, "columns"
    assert re.search(r"^frozen +\(2,\) frozen +2$", text, re.M) and lines[-1].split() == ["total", "15"]


def test_state_dict_round_trip():
    a, b = layer("LSTM", num_layers=2), nn.LSTM(3, 4, num_layers=2, rng=generator(5))
    state = a.state_dict()
    assert not np.allclose(a(sample()).h.numpy(), b(sample()).h.numpy())
    b.load_state_dict(state)
    np.testing.assert_array_equal(a(sample()).h.numpy(), b(sample()).h.numpy())
    before = state["cells.0.0.W_f"].copy()
    a.cells[0][0].W_f.data = np.zeros((7, 4), np.float32)
    np.testing.assert_array_equal(state["cells.0.0.W_f"], before)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda s: s.pop("b"), LookupError, "missing b"),
        (lambda s: s.update(c=np.ones(1)), LookupError, "has no c"),
        (lambda s: s.update(b=np.ones(4)), ValueError, r"b is \(3,\) here, but \(4,\) there"),
        (lambda s: s.update(b=np.arange(3, dtype=np.int64)), TypeError, "int64"),
        (lambda s: s.update(b=np.ones(3, np.float16)), TypeError, "float16"),
    ],
)
def test_load_state_dict_is_all_or_nothing(change, kind, words):
    linear = nn.Linear(2, 3, rng=generator())
    before = {name: value.copy() for name, value in linear.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(kind, match=words):
        linear.load_state_dict(state)
    for name, value in linear.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match="Module does not say what it computes"):
        nn.Module()(1)
    with pytest.raises(TypeError, match="Cell does not say what one step computes"):
        nn.Cell(1, 1).step(None, None)


def test_shared_parameters_collect_both_shares():
    linear = nn.Linear(2, 2, rng=generator())
    net = nn.Sequential(linear, tanh, linear)
    assert len(net.parameters()) == 2
    x = np.ones((1, 2), np.float32)
    assert gradcheck(lambda W: tanh(Tensor(x) @ W) @ W, [linear.W])
    (net(x) * 1.0).sum().backward()
    hidden = np.tanh(x @ linear.W.numpy())
    back = (1 - hidden**2) * linear.W.numpy().sum(axis=1)
    np.testing.assert_allclose(linear.W.grad, hidden.T @ np.ones((1, 2)) + x.T @ back, rtol=1e-5)


# — layers without time ——————————————————————————————————————————————————————————————————————————————————


def test_linear_shapes():
    linear = nn.Linear(3, 2, rng=generator())
    assert linear(sample()).shape == (2, 5, 2) and linear(sample()[0, 0]).shape == (2,)
    np.testing.assert_allclose(linear(sample()).numpy(), sample() @ linear.W.numpy(), rtol=1e-6)
    assert nn.Linear(3, 2, bias=False).b is None
    with pytest.raises(ValueError, match=r"matmul.*in linear"):
        linear(np.ones((2, 4), np.float32))


def test_embedding():
    table = nn.Embedding(5, 3, rng=generator())
    assert table(np.array([[0, 4], [1, 1]])).shape == (2, 2, 3)
    table([1, 1, 2]).sum().backward()
    assert table.W.grad.sum(axis=1).tolist() == [0, 6, 3, 0, 0]
    with pytest.raises(IndexError, match=r"\[5, 5\].*5 rows.*in embedding"):
        table([5])


def test_layer_norm():
    norm = nn.LayerNorm(6).astype(np.float64)
    y = norm(Tensor(generator().normal(3, 5, (4, 6)))).numpy()
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=-1), 1, rtol=1e-5)
    assert np.isfinite(norm(Tensor(np.full((1, 6), 1e3))).numpy()).all()
    assert gradcheck(norm, [generator().standard_normal((2, 6))], rtol=1e-5)
    x, norm.gain.data, norm.bias.data = generator(1).normal(3, 5, (4, 6)), np.arange(6.0), np.linspace(-2, 2, 6)
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(norm(Tensor(x)).numpy(), scaled * np.arange(6) + np.linspace(-2, 2, 6), rtol=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_statistics(rate):
    x = np.ones((200, 500), np.float32)
    y = dropout(Tensor(x, requires_grad=True), rate, rng=generator())
    zeros = (y.numpy() == 0).mean()
    assert zeros == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / x.size))
    kept = y.numpy()[y.numpy() != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-6)
    assert y.dtype == np.float32 and y.numpy().mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(grad(y.sum(), y.inputs[0])[0].numpy(), y.numpy())


def test_dropout_modes():
    drop, x = nn.Dropout(0.5, rng=generator()), Tensor(np.ones((50, 50)))
    assert (drop(x).numpy() == 0).any() and drop.eval()(x) is x
    assert dropout(x, 0.0, rng=generator()) is x
    same = [dropout(np.ones(9), 0.5, rng=generator(3)) for _ in range(2)]
    assert type(same[0]) is np.ndarray and (same[0] == same[1]).all()
    for wrong in (-0.1, 1.0, 2):
        for make in (nn.Dropout, lambda rate: dropout(x, rate, rng=generator()), lambda r: nn.LSTM(1, 1, dropout=r)):
            with pytest.raises(ValueError, match=r"in \[0, 1\)"):
                make(wrong)


def test_dropout_between_layers_alone():
    lstm = layer("LSTM", num_layers=2, dropout=0.5)
    runs = [lstm(sample()).h.numpy() for _ in range(2)]
    assert not np.allclose(*runs)
    lstm.eval()
    np.testing.assert_array_equal(lstm(sample()).h.numpy(), lstm(sample()).h.numpy())
    single = layer("LSTM", dropout=0.9)
    np.testing.assert_array_equal(single(sample()).h.numpy(), single.eval()(sample()).h.numpy())


# — layers over time ——————————————————————————————————————————————————————————————————————————————————————


@each_layer
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ways", [1, 2])
def test_shapes(kind, layers, ways):
    out = layer(kind, num_layers=layers, bidirectional=ways == 2)(sample())
    runs, lstm = layers * ways, kind == "LSTM"
    assert out.h.shape == (2, 5, 4 * ways) and len(out.steps) == 5 and out.steps[0].h.shape == (2, 4)
    assert out.last.h.shape == ((2, 4) if runs == 1 else (runs, 2, 4))
    h, states = out.as_torch()
    assert h is out.h and [s.shape for s in (states if lstm else [states])] == [(runs, 2, 4)] * (1 + lstm)
    if lstm:
        assert out.C.shape == out.h.shape and out.last.C.shape == out.last.h.shape
        assert {*vars(out.steps[0])} == {"f", "i", "C_new", "C", "o", "h"}
    np.testing.assert_array_equal(out.h.numpy()[:, -1, :4], out.layers[-1][0].last.h.numpy())
    if ways == 2:
        np.testing.assert_array_equal(out.h.numpy()[:, 0, 4:], out.layers[-1][1].last.h.numpy())
    with pytest.raises(AttributeError, match=r"no tensor 'g'; it has .*h"):
        out.steps[0].g  # noqa: B018


@each_layer
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
def test_as_keras(kind, ways, layers):
    out = layer(kind, num_layers=layers, bidirectional=ways == 2)(sample())
    last = [run.last for run in out.layers[-1]]
    h_last = np.concatenate([state.h.numpy() for state in last], axis=1)
    states = [tensor.numpy() for state in last for tensor in state]
    assert len(states) == ways * (2 if kind == "LSTM" else 1)
    np.testing.assert_array_equal(out.as_keras().numpy(), h_last)
    assert out.as_keras(return_sequences=True) is out.h
    for sequences in (False, True):
        first, *rest = out.as_keras(return_sequences=sequences, return_state=True)
        np.testing.assert_array_equal(first.numpy(), out.h.numpy() if sequences else h_last)
        for mine, expected in zip(rest, states, strict=True):
            np.testing.assert_array_equal(mine.numpy(), expected)


@each_layer
@pytest.mark.parametrize("settings", [{}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}])
def test_padding_does_not_matter_at_all(kind, settings):
    rnn, lengths = layer(kind, **settings), np.array([3, 5, 1])
    valid = np.arange(5) < lengths[:, None]

    def results(fill: float) -> list[np.ndarray]:
        x = Tensor(np.where(valid[..., None], sample(3), np.float32(fill)), requires_grad=True)
        out = rnn(x, lengths=lengths)
        rnn.zero_grad()
        (nn.mse_loss(out.h, np.zeros(out.h.shape, np.float32), mask=valid) + (out.last.h**2).sum()).backward()
        assert not x.grad[~valid].any()
        return [out.h.numpy()[valid], *(s.numpy() for s in out.last), x.grad, *(p.grad for p in rnn.parameters())]

    for a, b, c in zip(results(0.0), results(-7.25), results(1e30), strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


@each_layer
@pytest.mark.parametrize("two_ways", [False, True])
def test_lengths_equal_shorter_sequences(kind, two_ways):
    rnn = layer(kind, bidirectional=two_ways).astype(np.float64)
    x = sample(3).astype(np.float64)
    out = rnn(x, lengths=[3, 5, 1])
    for row, length in enumerate([3, 5, 1]):
        alone = rnn(x[row : row + 1, :length])
        np.testing.assert_allclose(out.h.numpy()[row, :length], alone.h.numpy()[0], rtol=1e-13)
        for mine, theirs in zip(out.as_torch()[1], alone.as_torch()[1], strict=True):
            mine, theirs = (t.numpy().reshape(-1, t.shape[-2], 4) for t in (mine, theirs))
            np.testing.assert_allclose(mine[:, row], theirs[:, 0], rtol=1e-13)
    np.testing.assert_array_equal(out.h.numpy()[2, 1:, :4], np.repeat(out.h.numpy()[2:, 0, :4], 4, axis=0))


@each_layer
def test_what_if_acts_once_in_rows_that_are_padded_beside(kind):
    rnn = layer(kind).astype(np.float64)
    x = sample(2).astype(np.float64)
    with what_if(h=lambda h: h + 1):
        together, alone = rnn(x, lengths=[5, 2]), rnn(x[:1])
    np.testing.assert_allclose(together.h.numpy()[0], alone.h.numpy()[0], rtol=1e-13)
    assert {step.h.name for step in together.steps} == {"h"}


@pytest.mark.parametrize("lengths", [[1], [0, 5], [1, 6], [1.0, 2.0], [[1, 2]], [-1, 2], [True, True]])
def test_wrong_lengths(lengths):
    with pytest.raises(ValueError, match="lengths must be 2 integers from 1 to 5"):
        layer("LSTM")(sample(), lengths=lengths)


@each_layer
def test_a_sequence_in_two_chunks_is_the_same(kind):
    for layers in (1, 2):
        rnn = layer(kind, num_layers=layers)
        whole = rnn(sample())
        first = rnn(sample()[:, :2])
        second = rnn(sample()[:, 2:], first.last.detach() if layers == 1 else [s.detach() for s in first.last])
        np.testing.assert_array_equal(second.h.numpy(), whole.h.numpy()[:, 2:])
        np.testing.assert_array_equal(second.last.h.numpy(), whole.last.h.numpy())


@each_layer
def test_detached_states_keep_their_kind(kind):
    for layers in (1, 2):
        last = layer(kind, num_layers=layers)(sample()).last
        cut = last.detach()
        assert type(cut) is type(last) and not any(s.requires_grad for s in cut)
        assert all((a.numpy() == b.numpy()).all() for a, b in zip(cut, last, strict=True))


@each_layer
def test_a_state_carried_over_without_detach(kind):
    rnn = layer(kind)
    first = rnn(sample())
    first.h.sum().backward()
    second = rnn(sample(), first.last)
    with pytest.raises(RuntimeError, match=r"freed by a backward.*detach it: state\.detach\(\)"):
        second.h.sum().backward()
    rnn.zero_grad()
    rnn(sample(), first.last.detach()).h.sum().backward()
    whole = [p.grad for p in rnn.parameters()]
    rnn.zero_grad()
    out = rnn(sample(), rnn(sample()).last)
    out.h.sum().backward()
    assert not all(np.allclose(a, p.grad) for a, p in zip(whole, rnn.parameters(), strict=True)), "two chunks, one path"


@each_layer
def test_initial_states(kind):
    rnn = layer(kind)
    fields = rnn.cells[0][0].State._fields
    given = [generator(k).standard_normal((2, 4)).astype(np.float32) for k in range(len(fields))]
    leaves = [Tensor(g, requires_grad=True) for g in given]
    plain, out = rnn(sample()), rnn(sample(), leaves)
    assert not np.allclose(plain.steps[0].h.numpy(), out.steps[0].h.numpy())
    np.testing.assert_array_equal(rnn(sample(), given).h.numpy(), out.h.numpy())
    np.testing.assert_array_equal(rnn(sample(), rnn.cells[0][0].State(*leaves)).h.numpy(), out.h.numpy())
    out.h.sum().backward()
    assert all(x.grad.shape == (2, 4) and x.grad.any() for x in leaves)
    if kind != "LSTM":
        np.testing.assert_array_equal(rnn(sample(), leaves[0]).h.numpy(), out.h.numpy())
        np.testing.assert_array_equal(rnn(sample(), given[0]).h.numpy(), out.h.numpy())


def test_a_zero_state_takes_the_dtype_of_x():
    lstm = layer("LSTM").astype(np.float64)
    assert lstm(sample().astype(np.float64)).last.C.dtype == np.float64
    cell = lstm.cells[0][0]
    assert cell(sample()[:, 0].astype(np.float64)).h.dtype == np.float64


@pytest.mark.parametrize(
    "state",
    [
        np.zeros((2, 4)), [np.zeros((2, 4))] * 3, [np.zeros((2, 4)), np.zeros((2, 3))], [np.zeros((1, 4))] * 2,
        [np.zeros((2, 4)), np.zeros(4)], nn.LSTMState(Tensor(np.zeros((2, 4))), Tensor(np.zeros((1, 4)))),
    ],
)  # fmt: skip
def test_wrong_states(state):
    lstm = layer("LSTM")
    with pytest.raises(ValueError, match=r"LSTMCell: the state.*(not (1|3) tensors?|\(batch, hidden\) is \(2, 4\))"):
        lstm(sample(), state)
    with pytest.raises(ValueError, match="LSTMCell: the state"):
        lstm.cells[0][0](sample()[:, 0], state)
    with pytest.raises(ValueError, match=r"LSTM: with 2 layers .* each state has shape \(2, batch, hidden\)"):
        layer("LSTM", num_layers=2)(sample(), [np.zeros((2, 4))] * 2)


@pytest.mark.parametrize("x", [np.ones((2, 5)), np.ones((2, 5, 4)), np.ones((2, 0, 3)), np.ones((0, 5, 3)), np.ones(3)])
def test_wrong_inputs(x):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, time, features\) with 3 features") as caught:
        layer("LSTM")(x)
    assert "x[None]" not in str(caught.value), "one sequence needs no batch axis"
    with pytest.raises(ValueError, match=r"LSTMCell: x must have shape \(batch, features\)"):
        layer("LSTM").cells[0][0](np.ones((2, 5, 3)))


@each_layer
def test_wrong_settings(kind):
    for settings in ({"num_layers": 0}, {"hidden": 0}, {"size": 0}):
        with pytest.raises(ValueError, match="must be at least 1, not 0"):
            layer(kind, **settings)
    for role in ("activation", "initializer", "recurrent_initializer"):
        with pytest.raises(ValueError, match=r"initializer 'swish' is unknown|activation 'swish' is unknown.*tanh"):
            layer(kind, **{role: "swish"})
    with pytest.raises(TypeError):
        layer(kind, colour="red")


def test_reproducible_from_one_generator():
    for kind in LAYERS:
        a, b, c = (LAYERS[kind](3, 4, rng=generator(seed)) for seed in (1, 1, 2))
        assert all((p.numpy() == q.numpy()).all() for p, q in zip(a.parameters(), b.parameters(), strict=True))
        assert not all((p.numpy() == q.numpy()).all() for p, q in zip(a.parameters(), c.parameters(), strict=True))


def test_parameters_have_their_promised_shapes():
    shapes = {name.split(".")[-1]: p.shape for name, p in layer("LSTM").named_parameters()}
    assert shapes == {f"W_{g}": (7, 4) for g in "fiCo"} | {f"b_{g}": (4,) for g in "fiCo"}
    gru = {name.split(".")[-1]: p.shape for name, p in layer("GRU").named_parameters()}
    assert gru == {f"W_{g}": (7, 4) for g in "zrn"} | {f"b_{g}": (4,) for g in ("z", "r", "n", "rn")}
    before = {name.split(".")[-1] for name, _ in layer("GRU", reset_after=False).named_parameters()}
    assert before == gru.keys() - {"b_rn"}
    assert {n.split(".")[-1]: p.shape for n, p in layer("RNN").named_parameters()} == {"W_h": (7, 4), "b_h": (4,)}
    cell = layer("LSTM", forget_bias=3.0).cells[0][0]
    assert (cell.b_f.numpy() == 3).all() and not cell.b_i.numpy().any() and not cell.b_o.numpy().any()
    assert (layer("LSTM").cells[0][0].b_f.numpy() == 1).all()


# — activations by role ——————————————————————————————————————————————————————————————————————————————————


def test_activations_by_role():
    steps = layer("LSTM", activation="relu")(sample()).steps
    assert all((s.C_new.numpy() >= 0).all() and (s.h.numpy() >= 0).all() for s in steps)
    np.testing.assert_array_equal(steps[1].h.numpy(), (steps[1].o * relu(steps[1].C)).numpy())
    steps = layer("LSTM", activation="relu", output_activation="tanh")(sample()).steps
    np.testing.assert_array_equal(steps[1].h.numpy(), (steps[1].o * tanh(steps[1].C)).numpy())
    steps = layer("LSTM", output_activation="linear")(sample()).steps
    np.testing.assert_array_equal(steps[1].h.numpy(), steps[1].o.numpy() * steps[1].C.numpy())
    steps = layer("LSTM", recurrent_activation="hard_sigmoid")(10 * sample()).steps
    assert any((s.f.numpy() == 0).any() or (s.f.numpy() == 1).any() for s in steps)
    own = layer("GRU", activation=lambda x: x * 0.5)(sample())
    assert np.isfinite(own.h.numpy()).all()


def test_an_unbounded_gate_warns_once():
    _warned.clear()
    with pytest.warns(UserWarning, match=r"recurrent_activation='relu': .* how much.*\[0, 50\].*explode") as seen:
        layer("LSTM", recurrent_activation="relu", num_layers=2, bidirectional=True)
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer("GRU", recurrent_activation="relu")
        for bounded in ("sigmoid", "hard_sigmoid", lambda x: 0.5 * (tanh(x) + 1)):
            layer("GRU", recurrent_activation=bounded)
        layer("LSTM", activation="relu")
    with pytest.warns(UserWarning, match=r"\[-1, 1\]"):
        layer("GRU", recurrent_activation="tanh")
    with pytest.warns(UserWarning, match="softplus"):
        layer("LSTM", recurrent_activation=softplus)
    _warned.clear()


# — losses ———————————————————————————————————————————————————————————————————————————————————————————————

LOGITS = np.array([[[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], [[-3.0, 4.0, 1.0], [1.0, 2.0, 3.0]]])
LABELS = np.array([[0, 2], [1, 0]])
MASK = np.array([[True, False], [True, True]])


def test_cross_entropy_by_hand():
    each = [
        [math.log(sum(math.exp(v) for v in row)) - row[label] for row, label in zip(rows, labels, strict=True)]
        for rows, labels in zip(LOGITS.tolist(), LABELS.tolist(), strict=True)
    ]
    assert each[0][1] == pytest.approx(math.log(3))
    assert nn.cross_entropy(Tensor(LOGITS), LABELS).item() == pytest.approx(np.mean(each), rel=1e-14)
    masked = nn.cross_entropy(Tensor(LOGITS), LABELS, MASK)
    assert masked.item() == pytest.approx((each[0][0] + each[1][0] + each[1][1]) / 3, rel=1e-14)
    assert float(nn.cross_entropy(LOGITS, LABELS.tolist(), MASK)) == masked.item()
    x = Tensor(LOGITS, requires_grad=True)
    nn.cross_entropy(x, np.where(MASK, LABELS, -1), MASK).backward()
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    expected = (softmax - np.eye(3)[LABELS]) * MASK[..., None] / 3
    np.testing.assert_allclose(x.grad, expected, rtol=1e-12, atol=1e-15)


def test_mse_by_hand():
    pred, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    assert nn.mse_loss(Tensor(pred), target).item() == (1 + 0 + 4 + 16) / 4
    assert nn.mse_loss(Tensor(pred), target, [True, False]).item() == 0.5
    assert nn.mse_loss(Tensor(pred), target, [[True, False], [False, True]]).item() == 8.5
    assert float(nn.mse_loss(pred, target)) == 5.25 and nn.mse_loss(pred, Tensor(target)).item() == 5.25


def test_binary_cross_entropy_by_hand():
    x, y = [0.0, 2.0, -1.0], [1.0, 0.0, 0.25]
    each = [t * math.log1p(math.exp(-v)) + (1 - t) * math.log1p(math.exp(v)) for v, t in zip(x, y, strict=True)]
    loss = nn.binary_cross_entropy_with_logits
    assert loss(Tensor(x, dtype=np.float64), np.array(y)).item() == pytest.approx(np.mean(each), rel=1e-14)
    masked = loss(Tensor(x, dtype=np.float64), np.array(y), [False, True, True])
    assert masked.item() == pytest.approx(np.mean(each[1:]), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(dtype):
    x = Tensor([[1000.0, -1000.0], [-1000.0, 1000.0]], requires_grad=True, dtype=dtype)
    bce = nn.binary_cross_entropy_with_logits
    rows = [
        (lambda: nn.cross_entropy(x, np.array([0, 1])), 0, [[0, 0], [0, 0]]),
        (lambda: nn.cross_entropy(x, np.array([1, 1])), 1000, [[0.5, -0.5], [0, 0]]),
        (lambda: bce(x, np.array([[1, 0], [0, 1]], dtype)), 0, [[0, 0], [0, 0]]),
        (lambda: bce(x, np.array([[0, 0], [0, 1]], dtype)), 250, [[0.25, 0], [0, 0]]),
    ]
    for loss, value, expected in rows:
        y = loss()
        assert y.dtype == dtype and y.item() == value
        assert grad(y, x)[0].numpy().tolist() == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: nn.mse_loss(np.ones((2, 1)), np.ones(2)), r"mse_loss: pred has shape \(2, 1\), but target \(2,\)"),
        (lambda: nn.mse_loss(np.ones(2), np.ones(2), [False, False]), "mse_loss: the mask leaves nothing over"),
        (lambda: nn.mse_loss(np.ones((2, 2)), np.ones((2, 2)), [True]), "mse_loss: the mask has shape"),
        (lambda: nn.cross_entropy(LOGITS, LABELS[0]), "cross_entropy: labels has shape"),
        (lambda: nn.cross_entropy(LOGITS, LABELS + 1), r"range over \[1, 3\], but there are 3 classes"),
        (lambda: nn.cross_entropy(LOGITS, LABELS - 1), r"range over \[-1, 1\], but there are 3 classes"),
        (lambda: nn.cross_entropy(LOGITS, LABELS * 1.0), "must be integers"),
        (lambda: nn.cross_entropy(LOGITS, LABELS, MASK & False), "cross_entropy: the mask leaves nothing over"),
        (lambda: nn.cross_entropy(LOGITS, LABELS, MASK[0]), "cross_entropy: the mask has shape"),
        (lambda: nn.binary_cross_entropy_with_logits(np.ones(2), np.ones(3)), "logits: logits has shape"),
    ],
)
def test_wrong_losses(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()


# — initial values ———————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)])
def test_orthogonal(shape):
    q = initializers["orthogonal"](shape, generator())
    assert q.shape == shape
    small = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize(("name", "limit"), [("glorot_uniform", 6 / (6 + 4)), ("he_uniform", 6 / 6)])
def test_the_last_axis_is_what_goes_out_and_all_others_come_in(name, limit):
    drawn = initializers[name]((20, 30, 400), generator())  # a hundred times as many of each
    assert np.abs(drawn).max() == pytest.approx(math.sqrt(limit / 100), rel=1e-3)


def test_orthogonal_has_no_favourite_direction():
    draws = np.array([initializers["orthogonal"]((2, 2), generator(k)) for k in range(400)])
    assert np.abs(draws.mean(axis=0)).max() < 0.15
    assert 0.4 < (np.linalg.det(draws) > 0).mean() < 0.6


@pytest.mark.parametrize(
    ("name", "variance", "limited"),
    [
        ("glorot_uniform", 2 / 500, True), ("glorot_normal", 2 / 500, False), ("he_uniform", 2 / 300, True),
        ("he_normal", 2 / 300, False), ("random_normal", 0.05**2, False),
    ],
)  # fmt: skip
def test_variances(name, variance, limited):
    values = initializers[name]((300, 200), generator())
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean()) < 3 * math.sqrt(variance / values.size)
    assert (np.abs(values).max() <= math.sqrt(3 * variance)) == limited


def test_initialisers_by_name():
    W = layer("LSTM", hidden=5, recurrent_initializer="identity", initializer="zeros").cells[0][0].W_f.numpy()
    np.testing.assert_array_equal(W, np.concatenate([np.eye(5), np.zeros((3, 5))]))
    cell = layer("LSTM", hidden=5).cells[0][0]
    for W in (cell.W_f, cell.W_o):
        np.testing.assert_allclose(W.numpy()[:5].T @ W.numpy()[:5], np.eye(5), atol=1e-6)
        assert np.abs(W.numpy()[5:]).max() <= math.sqrt(6 / 8) and W.dtype == np.float32
    ours = nn.Linear(2, 2, initializer=lambda shape, rng: np.full(shape, 0.5)).W.numpy()
    assert (ours == 0.5).all() and initializers["ones"]((2, 1), generator()).tolist() == [[1], [1]]
    with pytest.raises(ValueError, match=r"initializer 'xavier' is unknown. Known: .*glorot_uniform"):
        nn.Linear(1, 1, initializer="xavier")


def test_nothing_is_recorded_under_no_grad():
    lstm = layer("LSTM")
    with no_grad():
        out = lstm(sample())
    assert not out.h.requires_grad and out.steps[0].f.inputs == ()


# — habits of PyTorch and Keras, and what a person sees of a module —


def test_a_pair_is_not_unpacked_in_silence():
    lstm = nn.LSTM(3, 4)
    x = np.ones((2, 5, 3), np.float32)
    with pytest.raises(TypeError, match=r"out\.last\.C.*\.as_torch\(\)"):
        _out, (_h, _c) = lstm(x)
    with pytest.raises(TypeError, match=r"as_keras"):
        lstm(x)[0]
    output, (h, c) = lstm(x).as_torch()
    assert output.shape == (2, 5, 4) and h.shape == c.shape == (1, 2, 4)


@pytest.mark.parametrize(
    ("setting", "ours"),
    [
        ("batch_first", r"\(batch, time, features\)"), ("nonlinearity", "activation="), ("units", "hidden_size="),
        ("return_sequences", r"as_keras"), ("return_state", r"out\.last"), ("stateful", r"state\.detach\(\)"),
        ("use_bias", "bias="), ("proj_size", "nn.Linear"), ("nothing", "Settings: num_layers"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_setting_of_another_library_is_answered_with_ours(layer, setting, ours):
    with pytest.raises(TypeError, match=rf"{layer.__name__}: there is no setting '{setting}'\..*{ours}"):
        layer(3, 4, **{setting: True})


def test_a_setting_of_the_cell_is_that_of_the_layer():
    with pytest.raises(TypeError, match="LSTM: there is no setting 'reset_after'"):
        nn.LSTM(3, 4, reset_after=False)
    with pytest.raises(TypeError, match="cell= is missing"):
        nn.Recurrent(3, 4)
    assert not hasattr(nn.GRU(3, 4, reset_after=False).cells[0][0], "b_rn")
    assert nn.LSTM(input_size=3, hidden_size=4, forget_bias=3).cells[0][0].b_f.numpy().tolist() == [3.0] * 4
    assert nn.LSTM(3, 4, cell=nn.PeepholeLSTMCell, forget_bias=2.0).cells[0][0].b_f.numpy()[0] == 2.0


def test_the_cell_of_ones_own_in_the_documentation():
    from doctest import DocTestFinder, DocTestRunner

    runner = DocTestRunner()
    for test in DocTestFinder(recurse=False).find(nn.Cell, globs={"np": np}):
        runner.run(test)
    assert runner.tries == 4 and runner.failures == 0


def test_a_module_shows_what_is_in_it():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Embedding(5, 3, rng=rng), nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=rng))
    net.layers[0].W.requires_grad = False
    lines = repr(net).splitlines()
    assert lines[0] == "Sequential · 687 parameters"
    assert lines[1] == "├ layers.0: Embedding · 15 parameters · W (5, 3) frozen"
    assert lines[2] == "└ layers.1: LSTM(3 → 4, bidirectional) · 672 parameters"
    assert lines[3] == "  ├ cells.0.0: LSTMCell · 128 parameters · W_f W_i W_C W_o (7, 4) · b_f b_i b_C b_o (4,)"
    assert lines[-1].startswith("  └ cells.1.1: LSTMCell · 208 parameters") and len(lines) == 7
    assert repr(nn.Dropout(0.5)) == "Dropout" and repr(nn.GRU(1, 2, fused=True)).startswith("GRU(1 → 2, fused)")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_a_copy_of_a_layer_is_a_layer(copied, activation):
    lstm = nn.LSTM(3, 4, activation=activation, rng=np.random.default_rng(0))
    other, x = copied(lstm), np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    assert np.array_equal(lstm(x).h.numpy(), other(x).h.numpy())
    assert other.fusable is lstm.fusable and other.cells[0][0].W_f is not lstm.cells[0][0].W_f

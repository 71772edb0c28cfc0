"""Layers of Keras 3 here, and ours there: the same numbers, forward and backward.

The fixtures were made by Keras (fixtures/make_keras.py), so that most of this runs without it.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.exchange import CheckpointError, conventions, from_keras, to_keras
from tinygrad_lstm.exchange.keras import KERAS, _weights

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, of NumPy 2
PATH = Path(__file__).parent / "fixtures" / "keras.safetensors"
FIXTURES = load_file(PATH)
with safe_open(PATH, "np") as file:
    CASES = json.loads(file.metadata()["cases"])
ROUGH = 1e-6  # keras.ops.matmul gives float32 of float64 with the backend torch (3.15.1), where no fused kernel is used
EXACT = {"lstm", "gru", "lstm no bias"}


def given(name):
    return [FIXTURES[f"{name}/weights/{k}"] for k in range(3) if f"{name}/weights/{k}" in FIXTURES]


def layer_of(name):
    kind, settings = CASES[name]
    return from_keras(given(name), kind, **{k: v for k, v in settings.items() if "activation" in k})


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers_forward_and_backward(name):
    module = layer_of(name)
    x = Tensor(FIXTURES[f"{name}/x"], requires_grad=True)
    y = module(x).h
    atol = 1e-12 if name in EXACT else ROUGH
    np.testing.assert_allclose(y.numpy(), FIXTURES[f"{name}/y"], rtol=0, atol=atol)
    (y * np.linspace(-1, 1, y.size).reshape(y.shape)).sum().backward()
    np.testing.assert_allclose(x.grad, FIXTURES[f"{name}/grad/x"], rtol=0, atol=100 * atol)
    twin = layer_of(name)
    for mine, own in zip(twin.parameters(), module.parameters(), strict=True):
        mine.data = np.zeros(own.shape) if own.grad is None else own.grad
    layout, weights = KERAS[CASES[name][0]], given(name)
    found = _weights(twin.cells[0][0], layout, len(weights) > 2)
    for k, grad in enumerate(found):
        want = FIXTURES[f"{name}/grad/{k}"]
        if want.ndim == 2 and k == 2:  # both biases of a GRU: the second counts where it is inside of the reset
            want = np.stack([want[0], np.where(np.arange(12) < 8, 0, want[1])])
        np.testing.assert_allclose(grad, want, rtol=0, atol=100 * atol)


@pytest.mark.parametrize("name", CASES)
def test_weights_go_back_as_they_came(name):
    weights, module = given(name), layer_of(name)
    back = _weights(module.cells[0][0], KERAS[CASES[name][0]], len(weights) > 2)
    for k, (mine, theirs) in enumerate(zip(back, weights, strict=True)):
        if k < 2 or theirs.ndim == 1:
            np.testing.assert_array_equal(mine, theirs)
        else:  # z and r: their sum
            np.testing.assert_allclose(mine[:, :8].sum(axis=0), theirs[:, :8].sum(axis=0), rtol=1e-15)


def test_plain_layers_and_what_does_not_fit():
    assert from_keras([np.ones((2, 3), np.float32), np.zeros(3, np.float32)], "Dense").W.shape == (2, 3)
    assert from_keras([np.ones((5, 3), np.float32)], "Embedding").W.shape == (5, 3)
    kernel, recurrent, bias = given("lstm")
    for weights, kind, match in (
        ([kernel], "LSTM", "should be kernel, recurrent_kernel and perhaps bias"),
        ([kernel, recurrent, bias[:-1]], "LSTM", r"\(15,\) should be \(16,\)"),
        ([kernel, recurrent, bias], "GRU", r"\(2, 16\) should be \(2, 12\) for a GRU of 4 units"),
        ([kernel], "Conv1D", "Conv1D is not known here"),
        ([kernel.astype(int), recurrent.astype(int)], "LSTM", "holds int64"),
    ):
        with pytest.raises(ValueError, match=match):
            from_keras(weights, kind)
    with pytest.raises(ValueError, match="activation='swish'; known are tanh"):
        from_keras([kernel, recurrent, bias], "LSTM", activation="swish")
    with pytest.raises(ValueError, match="no layer or model of Keras's own"):
        from_keras(nn.LSTM(2, 3))


def test_the_table_of_conventions_stands_in_the_readme():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert conventions() in readme


def test_without_keras_there_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    for what in (lambda: to_keras(nn.LSTM(2, 3)), lambda: from_keras("m.keras")):
        with pytest.raises(ImportError, match=r"tinygrad-lstm\[keras\]"):
            what()


# — with Keras ——————————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture
def keras():
    pytest.importorskip("torch", reason="Keras needs a backend")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="Keras is an extra")


def numbers(y):
    return y.detach().cpu().numpy()


@pytest.mark.parametrize("dtype, atol", [("float32", 2e-6), ("float64", ROUGH)])
@pytest.mark.parametrize("kind, settings", [
    ("LSTM", {}), ("LSTM", {"recurrent_activation": "hard_sigmoid", "use_bias": False}), ("GRU", {}),
    ("GRU", {"reset_after": False}), ("SimpleRNN", {"activation": "relu"}),
])  # fmt: skip
@pytest.mark.parametrize("both", [False, True])
def test_a_layer_and_back(keras, kind, settings, both, dtype, atol):
    theirs = getattr(keras.layers, kind)(4, return_sequences=True, dtype=dtype, **settings)
    theirs = keras.layers.Bidirectional(theirs, dtype=dtype) if both else theirs
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(dtype)
    want = numbers(theirs(x))
    mine = from_keras(theirs)
    np.testing.assert_allclose(mine(x).h.numpy(), want, rtol=0, atol=atol)
    np.testing.assert_allclose(numbers(to_keras(mine)(x)), want, rtol=0, atol=atol)


def test_a_model_and_its_file(keras, tmp_path):
    layers = keras.layers
    model = keras.Sequential([keras.Input((6,)), layers.Embedding(9, 4), layers.GRU(5, return_sequences=True),
                              layers.LayerNormalization(), layers.Dropout(0.5), layers.Dense(2)])  # fmt: skip
    tokens = np.random.default_rng(0).integers(0, 9, size=(2, 6))
    model.save(tmp_path / "m.keras")
    for source in (model, str(tmp_path / "m.keras")):
        emb, rnn, norm, _, head = vars(from_keras(source)).values()
        ours = head(norm(rnn(emb(tokens)).h)).numpy()
        np.testing.assert_allclose(ours, numbers(model(tokens)), rtol=0, atol=2e-5)
    deep = nn.LSTM(3, 4, num_layers=2, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(numbers(to_keras(deep)(x)), deep(x).h.numpy(), rtol=0, atol=2e-6)
    for module in (nn.Linear(3, 2), nn.Embedding(5, 3), nn.LayerNorm(3)):
        again = from_keras(to_keras(module))
        for one, other in zip(again.parameters(), module.parameters(), strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("both", [False, True])
def test_a_training_step_is_seen_as_it_was(keras, capsys, kind, both):
    torch, layers = pytest.importorskip("torch"), keras.layers
    inner = getattr(layers, kind)(5, return_sequences=both)
    model = keras.Sequential([keras.Input((6,)), layers.Embedding(9, 4, mask_zero=not both),
                              layers.Bidirectional(inner, name="rnn") if both else inner, layers.Dense(3)])  # fmt: skip
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6], [3, 1, 2, 0, 0, 0]])

    def loss(out):
        return (out[:, -1] ** 2).sum() if both else (out**2).sum()

    trace = tl.look(model, tokens, loss=loss)
    assert "differ from the framework's by" in capsys.readouterr().out
    assert trace.root.item() == pytest.approx(loss(model(tokens)).item(), rel=1e-5)
    assert tl.draw(trace, labels=[*"abcdef"]).html() and isinstance(tl.diagnose(trace), list)
    with pytest.raises(ValueError, match="no recurrent layer 'other'; there are: "):
        tl.look(model, tokens, loss=loss, layer="other")
    plain = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"no keras\.layers\.LSTM"):
        tl.look(plain, np.ones((1, 3), np.float32), loss=lambda out: out.sum())


def test_what_keras_cannot_be_asked(keras, tmp_path):
    layers, x = keras.layers, np.zeros((1, 2, 3), np.float32)

    def built(layer):
        layer(x)
        return layer

    for layer, match in (
        (layers.LSTM(3), "has no weights yet"), (built(layers.LSTM(3, go_backwards=True)), "go_backwards"),
        (built(layers.Bidirectional(layers.LSTM(3), merge_mode="sum")), "merge_mode='sum'"),
        (built(layers.Dense(2, activation="relu")), "has an activation"),
        (built(layers.Conv1D(2, 1)), "Conv1D is not known"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            from_keras(layer)
    with pytest.warns(UserWarning, match=r"dropout=0\.5 of .* is left out"):
        from_keras(built(layers.LSTM(3, dropout=0.5)))
    with pytest.raises(ValueError, match="Keras has no PeepholeLSTMCell"):
        to_keras(nn.LSTM(2, 3, cell=nn.PeepholeLSTMCell))
    (tmp_path / "cut.keras").write_bytes(b"PK no")
    with pytest.raises(CheckpointError, match=r"cut\.keras: damaged"):
        from_keras(tmp_path / "cut.keras")
    with pytest.raises(CheckpointError, match="cannot be read"):
        from_keras(tmp_path / "gone.keras")
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x)])
    model.save(tmp_path / "code.keras")
    with pytest.raises(CheckpointError, match=r"code\.keras: damaged, or with objects that are not Keras's own"):
        from_keras(tmp_path / "code.keras")

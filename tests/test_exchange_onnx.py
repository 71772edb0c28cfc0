"""Recurrent nodes of ONNX here, and nets there: against the ONNX project's own node tests and onnxruntime."""

import sys

import numpy as np
import pytest

from tinygrad_lstm import nn
from tinygrad_lstm.exchange import CheckpointError, from_onnx, to_onnx

F32 = np.float32


def test_without_onnx_there_is_one_line(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    x = np.ones((1, 2, 2), F32)
    for what in (lambda: from_onnx("m.onnx"), lambda: to_onnx(nn.LSTM(2, 3), tmp_path / "m.onnx", x)):
        with pytest.raises(ImportError, match=r"tinygrad-lstm\[onnx\]"):
            what()


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx", reason="an extra: tinygrad-lstm[onnx]")


@pytest.fixture
def runtime():
    return pytest.importorskip("onnxruntime", reason="ONNX's runtime is a peer of the tests")


def states_of(module, arrays):
    """The initial states of a node (directions, batch, hidden) as a layer here takes them."""
    if not arrays:
        return None
    return module.cells[0][0].State(*(a if len(module.directions) == 2 else a[0] for a in arrays))


@pytest.fixture(scope="module")
def cases():
    """Those of the three operators."""
    node = pytest.importorskip("onnx.backend.test.case.node", reason="an extra: tinygrad-lstm[onnx]")
    with np.errstate(all="ignore"):  # it makes the cases of all operators
        return [case for case in node.collect_testcases() if case.model.graph.node[0].op_type in ("LSTM", "GRU", "RNN")]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_the_node_tests_of_the_onnx_project(onnx, cases, kind):
    cases, done = [case for case in cases if case.model.graph.node[0].op_type == kind], []
    for case in cases:
        (node,) = case.model.graph.node
        inputs, outputs = case.data_sets[0]
        values = dict(zip([one.name for one in case.model.graph.input], inputs, strict=True))
        for name in node.input[1:4]:  # their weights are inputs: constants for us
            if name in values:
                case.model.graph.initializer.append(onnx.numpy_helper.from_array(values[name], name))
        if len(node.input) > 7:
            case.model.graph.initializer.append(onnx.numpy_helper.from_array(values[node.input[7]], node.input[7]))
        if any(a.name == "direction" and a.s == b"reverse" for a in node.attribute):
            with pytest.raises(ValueError, match="direction='reverse'"):
                from_onnx(case.model)
            continue
        (module,) = vars(from_onnx(case.model)).values()
        layout = next((a.i for a in node.attribute if a.name == "layout"), 0)
        turned = (lambda x: x) if layout else (lambda x: x.swapaxes(0, 1))
        given = dict(zip(("X", "W", "R", "B", "lengths", "h", "C", "P"), node.input, strict=False))
        starts = [values[given[key]] for key in ("h", "C") if given.get(key)]
        starts = [turned(s) for s in starts] if layout else starts
        lengths = values[given["lengths"]] if given.get("lengths") else None
        out = module(turned(values["X"]), states_of(module, starts), lengths=lengths)
        y, last = out.as_torch()
        last = last if isinstance(last, tuple) else (last,)
        B, T, H = y.shape[0], y.shape[1], module.hidden_size
        mine = {"Y": y.numpy().reshape(B, T, -1, H), "Y_h": last[0].numpy(), "Y_c": last[-1].numpy()}
        mine["Y"] = mine["Y"] if layout else mine["Y"].transpose(1, 2, 0, 3)
        for name, key, want in zip(node.output, ("Y", "Y_h", "Y_c"), [None] * 3, strict=False):
            if not name:
                continue
            want = dict(zip([one.name for one in case.model.graph.output], outputs, strict=True))[name]
            got = mine[key] if key == "Y" or not layout else mine[key].swapaxes(0, 1)
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6, err_msg=f"{case.name} {key}")
        done.append(case.name)
    assert len(done) >= 3, done


NETS = {
    "lstm": lambda: nn.LSTM(3, 4, rng=np.random.default_rng(0)),
    "lstm deep": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=np.random.default_rng(0)),
    "peephole": lambda: nn.LSTM(3, 4, cell=nn.PeepholeLSTMCell, bidirectional=True, rng=np.random.default_rng(0)),
    "relu": lambda: nn.LSTM(3, 4, activation="relu", output_activation="tanh", rng=np.random.default_rng(0)),
    "gru": lambda: nn.GRU(3, 4, bidirectional=True, rng=np.random.default_rng(0)),
    "gru before": lambda: nn.GRU(3, 4, reset_after=False, rng=np.random.default_rng(0)),
    "rnn": lambda: nn.RNN(3, 4, activation="relu", rng=np.random.default_rng(0)),
}


def grown(module):
    """Parameters of which none is 0."""
    rng = np.random.default_rng(1)
    for p in module.parameters():
        p.data = rng.normal(size=p.shape).astype(F32) * 0.5
    return module


@pytest.mark.parametrize("name", NETS)
def test_a_layer_runs_in_onnxruntime_and_comes_back(onnx, runtime, tmp_path, name):
    module, x = grown(NETS[name]()), np.random.default_rng(2).normal(size=(2, 5, 3)).astype(F32)
    to_onnx(module, tmp_path / "m.onnx", x)
    session = runtime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for some in (x, x[:1, :3]):  # batch and time may vary
        np.testing.assert_allclose(session.run(None, {"x": some})[0], module(some).h.numpy(), rtol=0, atol=2e-6)
    back = from_onnx(tmp_path / "m.onnx")
    layers, y = [*vars(back).values()], x
    for layer in layers:
        y = layer(y).h
    np.testing.assert_allclose(y.numpy(), module(x).h.numpy(), rtol=0, atol=1e-6)


def test_a_language_model_runs_in_onnxruntime(onnx, runtime, tmp_path):
    class Hidden(nn.Sequential):
        """A Sequential whose recurrent layers hand on h."""

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).h if isinstance(layer, nn.Recurrent) else layer(x)
            return x

    net = grown(Hidden(nn.Embedding(9, 3), nn.LSTM(3, 4), nn.LayerNorm(4), nn.Dropout(0.5), nn.Linear(4, 9))).eval()
    tokens = np.random.default_rng(0).integers(0, 9, size=(2, 6))
    to_onnx(net, tmp_path / "m.onnx", tokens)
    session = runtime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": tokens})[0], net(tokens).numpy(), rtol=0, atol=1e-5)


def test_constant_states_are_handed_over_and_constant_lengths_refused(onnx, tmp_path):
    module, x = grown(nn.LSTM(3, 4)), np.ones((2, 5, 3), F32)
    to_onnx(module, tmp_path / "m.onnx", x)
    model = onnx.load(tmp_path / "m.onnx")
    (node,) = [node for node in model.graph.node if node.op_type == "LSTM"]
    h, C = (np.full((1, 2, 4), k, F32) for k in (0.5, -0.25))
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, name) for a, name in ((h, "h0"), (C, "c0")))
    node.input.extend(["", "h0", "c0"])
    with pytest.warns(UserWarning, match="begins with a constant state"):
        net = from_onnx(model)
    ((name, states),) = net.states.items()
    out = net[name](x, states_of(net[name], states))
    np.testing.assert_array_equal(out.h.numpy(), module(x, nn.LSTMState(h[0], C[0])).h.numpy())
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([5, 2], np.int32), "lens"))
    node.input[4] = "lens"
    with pytest.raises(ValueError, match="constant sequence_lens"):
        from_onnx(model)


def test_what_is_not_done_is_said(onnx, tmp_path):
    module, x = nn.LSTM(3, 4), np.ones((1, 2, 3), F32)
    to_onnx(module, tmp_path / "m.onnx", x)

    def changed(**attributes):
        model = onnx.load(tmp_path / "m.onnx")
        (node,) = [node for node in model.graph.node if node.op_type == "LSTM"]
        for name, value in attributes.items():
            for old in [a for a in node.attribute if a.name == name]:
                node.attribute.remove(old)
            node.attribute.append(onnx.helper.make_attribute(name, value))
        return model

    for attributes, match in (
        ({"clip": 3.0}, "has clip=3.0"), ({"input_forget": 1}, "has input_forget=1"),
        ({"direction": "reverse"}, "direction='reverse'"),
        ({"activations": ["Elu", "Tanh", "Tanh"]}, "the activation Elu"),
        ({"activations": ["Sigmoid", "Tanh"]}, "here both directions have the same"),
        ({"activations": ["Sigmoid", "Tanh", "Tanh", "Sigmoid"]}, "here both directions have the same"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_beta": [0.4]}, r"beta=0\.4"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            from_onnx(changed(**attributes))
    (layer,) = vars(from_onnx(changed(activations=["HardSigmoid", "Tanh", "Tanh"]))).values()
    z = np.linspace(-4, 4, 9)
    np.testing.assert_allclose(layer.cells[0][0].recurrent_activation(z), np.clip(0.2 * z + 0.5, 0, 1), atol=1e-7)
    for bad, match in (
        (nn.LSTM(3, 4, recurrent_activation="hard_sigmoid"), "ONNX has no LSTMCell like this one"),
        (nn.LSTM(3, 4, cell=nn.CoupledLSTMCell), "no CoupledLSTMCell"),
        (nn.Sequential(nn.Linear(3, 2), np.tanh), "is a function"),
    ):
        with pytest.raises(ValueError, match=match):
            to_onnx(bad, tmp_path / "bad.onnx", x)
    assert not (tmp_path / "bad.onnx").exists()
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x07cut")
    with pytest.raises(CheckpointError, match=r"cut\.onnx: damaged"):
        from_onnx(tmp_path / "cut.onnx")
    with pytest.raises(CheckpointError, match=r"gone\.onnx: cannot be read \(No such file"):
        from_onnx(tmp_path / "gone.onnx")
    to_onnx(nn.Linear(3, 2), tmp_path / "plain.onnx", x)
    with pytest.raises(ValueError, match="no LSTM, GRU or RNN node"):
        from_onnx(tmp_path / "plain.onnx")

"""Nets of PyTorch here, and ours there: the same numbers, forward and backward, and one clear error for what is not.

The fixtures were made by PyTorch (fixtures/make_torch.py), so that most of this runs without it.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.exchange import CheckpointError, from_torch, pytorch, to_torch, torch_state

FIXTURES = load_file(Path(__file__).parent / "fixtures" / "torch.safetensors")
NAMES = sorted({key.split("/")[0] for key in FIXTURES if "/in/" in key})
LENGTHS = [5, 2, 4]
F64 = np.float64


def given(name):
    return {key.removeprefix(f"{name}/in/"): x for key, x in FIXTURES.items() if key.startswith(f"{name}/in/")}


def net_of(name):
    weights = {key: x for key, x in given(name).items() if key.startswith(("weight", "bias"))}
    return from_torch(weights, activation="relu" if name == "rnn deep" else "tanh"), weights


@pytest.mark.parametrize("ragged", ["", " ragged"])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers_forward_and_backward(name, ragged):
    module, weights = net_of(name)
    x = Tensor(given(name)["x"], requires_grad=True)
    states = [Tensor(s, requires_grad=True) for key, s in given(name).items() if key.startswith("state")]
    start = [type(module.cells[0][0].State(*states))(*(s[k] for s in states)) for k in range(states[0].shape[0])]
    out = module(x, start[0] if len(start) == 1 else module.cells[0][0].State(*states),
                 lengths=LENGTHS if ragged else None)  # fmt: skip
    y, last = out.as_torch()
    last = last if isinstance(last, tuple) else (last,)
    case = f"{name}{ragged}/"
    want = {key.removeprefix(case): x for key, x in FIXTURES.items() if key.startswith(case)}
    mask = np.ones(y.shape[:2]) if not ragged else np.arange(5) < np.array(LENGTHS)[:, None]
    np.testing.assert_allclose(y.numpy() * mask[..., None], want["y"], rtol=0, atol=1e-12)
    for k, part in enumerate(last):
        np.testing.assert_allclose(part.numpy(), want[f"last{k}"], rtol=0, atol=1e-12)
    weight = np.linspace(-1, 1, y.size).reshape(y.shape) * mask[..., None]
    loss = (y * weight).sum()
    for part in last:
        loss = loss + (part**2).sum()
    assert loss.item() == pytest.approx(want["loss"], abs=1e-10)
    loss.backward()
    np.testing.assert_allclose(x.grad, want["grad/x"], rtol=0, atol=1e-10)
    for k, s in enumerate(states):
        np.testing.assert_allclose(s.grad, want[f"grad/state{k}"], rtol=0, atol=1e-10)
    mine = pytorch.torch_gradients(module, lambda p: p.grad)
    for key in weights:
        np.testing.assert_allclose(mine[key], want[f"grad/{key}"], rtol=0, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_weights_go_back_as_they_came(name):
    """Two biases came and were added; one of them goes back, the other is 0, and the net is the same."""
    module, weights = net_of(name)
    back = torch_state(module)
    assert back.keys() == weights.keys()
    for key in weights:
        if key.startswith("weight"):
            np.testing.assert_array_equal(back[key], weights[key])
    again = from_torch(back, activation="relu" if name == "rnn deep" else "tanh")
    for one, other in zip(again.parameters(), module.parameters(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    x = given(name)["x"]
    np.testing.assert_array_equal(again(x).h.numpy(), module(x).h.numpy())


def test_a_layer_without_biases_learns_none():
    module, _ = net_of("lstm no bias")
    loss = module(given("lstm no bias")["x"]).h.sum()
    loss.backward()
    assert all(module.cells[0][0].__dict__[f"b_{g}"].grad is None for g in "fiCo")
    assert not [key for key in torch_state(module) if key.startswith("bias")]


def language_model():
    rng = np.random.default_rng(0)
    state = {"emb.weight": rng.normal(size=(7, 3)), "head.weight": rng.normal(size=(7, 4)), "head.bias": np.zeros(7),
             "norm.weight": np.ones(4), "norm.bias": np.zeros(4)}  # fmt: skip
    return state | {f"rnn.{key}": x for key, x in given("lstm").items() if key.startswith(("weight", "bias"))}


def test_a_language_model_from_its_state_dict_alone():
    state = language_model()
    net = from_torch(state)
    tokens = np.array([[1, 2, 3]])
    logits = net["head"](net.norm(net["rnn"](net.emb(tokens)).h))
    assert logits.shape == (1, 3, 7) and net["rnn"] is net.rnn and isinstance(net.emb, nn.Embedding)
    np.testing.assert_array_equal(torch_state(net)["head.weight"], state["head.weight"])
    assert torch_state(net).keys() == state.keys()
    nested = from_torch({f"model.core.{key}": x for key, x in state.items()})
    inner = nested["model.core.rnn"](net.emb(tokens)).h
    np.testing.assert_array_equal(inner.numpy(), net.rnn(net.emb(tokens)).h.numpy())
    flow = tl.trace(tl.nn.cross_entropy(logits[:, -1], np.array([4]))).flow("C")
    assert len(flow.norm) == 4 and np.isfinite(flow.norm).all()


def test_files(tmp_path):
    state = {key: x.astype(np.float32) for key, x in language_model().items()}
    save_file(state, tmp_path / "m.safetensors")
    assert from_torch(tmp_path / "m.safetensors").rnn.cells[0][0].W_f.dtype == np.float32
    for bad, match in (
        ("gone.safetensors", "cannot be read"), ("x.bin", r"reads \.safetensors, \.pt and \.pth"),
    ):  # fmt: skip
        with pytest.raises((CheckpointError, OSError), match=match):
            from_torch(tmp_path / bad)
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "m.safetensors").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors: damaged"):
        from_torch(tmp_path / "cut.safetensors")
    save_file({"a.weight": np.zeros((2, 2), np.int64), "a.bias": np.zeros(2, np.int64)}, tmp_path / "int.safetensors")
    with pytest.raises(CheckpointError, match="stored as I64"):
        from_torch(tmp_path / "int.safetensors")


def test_half_precision_is_converted_and_said(tmp_path):
    state = {"weight": np.eye(2, dtype=np.float16), "bias": np.zeros(2, np.float16)}
    with pytest.warns(UserWarning, match="weight and 1 more were of half precision"):
        assert from_torch(state).W.dtype == np.float32


DAMAGED = {
    "nothing": (lambda s: {}, "the state_dict is empty"),
    "missing": (lambda s: {k: x for k, x in s.items() if k != "bias_hh_l0"}, "bias_hh_l0 missing"),
    "no hh": (lambda s: {k: x for k, x in s.items() if k != "weight_hh_l0"}, "weight_hh_l0 is missing"),
    "extra": (lambda s: s | {"weight_ih_l5": s["weight_ih_l0"]}, "has also weight_ih_l5"),
    "gates": (lambda s: {k: x[:-2] for k, x in s.items()}, "has 14 rows for 4 hidden units; an LSTM has 16, a GRU 12"),
    "shape": (lambda s: s | {"bias_ih_l0": s["bias_ih_l0"][:-1]}, r"bias_ih_l0 is \(15,\) and should be \(16,\)"),
    "projected": (lambda s: s | {"weight_hr_l0": s["weight_hh_l0"]}, "has proj_size"),
    "integers": (lambda s: {k: x.astype(int) for k, x in s.items()}, "holds int64"),
    "conv": (lambda s: {"conv.weight": np.zeros((2, 2, 2))}, r"conv\.weight has shape \(2, 2, 2\)"),
    "odd": (lambda s: {"running_mean": np.zeros(2)}, "holds running_mean; no module here has these"),
    "either": (lambda s: {"encoder.weight": np.zeros((5, 2))}, 'say kinds={"encoder": "embedding"}'),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_does_not_fit_is_one_clear_error(name):
    damage, match = DAMAGED[name]
    state = {key: x for key, x in given("lstm").items() if key.startswith(("weight", "bias"))}
    with pytest.raises(ValueError, match=match.replace("{", r"\{").replace("}", r"\}")):
        from_torch(damage(state))


def test_kinds_say_what_a_matrix_is():
    state = {"encoder.weight": np.arange(10.0).reshape(5, 2)}
    assert isinstance(from_torch(state, kinds={"encoder": "embedding"}).encoder, nn.Embedding)
    assert from_torch(state, kinds={"encoder": "linear"}).encoder.W.shape == (2, 5)
    with pytest.raises(ValueError, match="kinds names"):
        from_torch(state, kinds={"decoder": "linear"})
    with pytest.raises(TypeError, match="takes a torch module"):
        from_torch(3)


@pytest.mark.parametrize("module", [
    nn.LSTM(2, 3, cell=nn.PeepholeLSTMCell), nn.GRU(2, 3, reset_after=False), nn.LSTM(2, 3, activation="relu"),
    nn.LSTM(2, 3, recurrent_activation="hard_sigmoid"),
])  # fmt: skip
def test_what_pytorch_does_not_have_is_refused(module):
    with pytest.raises(ValueError, match="to_torch: PyTorch has no"):
        torch_state(module)


def test_without_torch_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match=r"tinygrad-lstm\[torch\]"):
        to_torch(nn.LSTM(2, 3))
    (tmp_path / "m.pt").write_bytes(b"")
    with pytest.raises(ImportError, match=r"tinygrad-lstm\[torch\]"):
        from_torch(tmp_path / "m.pt")


# — with PyTorch ————————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is an extra")


@pytest.mark.parametrize("dtype, atol", [("float32", 1e-6), ("float64", 1e-10)])
@pytest.mark.parametrize("kind, settings", [
    ("LSTM", {}), ("LSTM", {"num_layers": 2, "bidirectional": True, "bias": False}), ("GRU", {"num_layers": 3}),
    ("RNN", {"nonlinearity": "relu"}), ("RNN", {"bidirectional": True}),
])  # fmt: skip
def test_a_module_and_back(torch, kind, settings, dtype, atol):
    theirs = getattr(torch.nn, kind)(3, 4, **settings).to(getattr(torch, dtype))
    x = torch.randn(2, 5, 3, dtype=getattr(torch, dtype))
    mine = from_torch(theirs)
    want, _ = theirs(x.transpose(0, 1))
    np.testing.assert_allclose(mine(x.numpy()).h.numpy(), want.transpose(0, 1).detach().numpy(), rtol=0, atol=atol)
    back = to_torch(mine)
    assert back.batch_first and back.bias == settings.get("bias", True)
    np.testing.assert_allclose(back(x)[0].detach().numpy(), want.transpose(0, 1).detach().numpy(), rtol=0, atol=atol)


def test_other_modules_and_collections(torch):
    make = torch.nn

    class Tagger(make.Module):
        def __init__(self):
            super().__init__()
            self.emb, self.rnn = make.Embedding(9, 4), make.LSTM(4, 5, batch_first=True, dropout=0.0)
            self.head = make.Sequential(make.LayerNorm(5, eps=1e-4), make.Dropout(0.5), make.Linear(5, 2))

        def forward(self, tokens):
            return self.head(self.rnn(self.emb(tokens))[0])

    theirs, tokens = Tagger().eval(), torch.randint(0, 9, (2, 6))
    mine = from_torch(theirs).eval()
    ours = mine.head(mine.rnn(mine.emb(tokens.numpy())).h)
    np.testing.assert_allclose(ours.numpy(), theirs(tokens).detach().numpy(), rtol=0, atol=1e-6)
    back = to_torch(mine)
    theirs.load_state_dict(back.state_dict())
    np.testing.assert_allclose(theirs(tokens).detach().numpy(), ours.numpy(), rtol=0, atol=1e-6)
    for kind in ("LSTMCell", "GRUCell", "RNNCell"):
        cell = getattr(make, kind)(3, 4)
        mine = from_torch(cell)
        assert to_torch(mine).state_dict().keys() == cell.state_dict().keys()
    with pytest.raises(ValueError, match="Conv1d is not known here"):
        from_torch(make.Sequential(make.Linear(2, 2), make.Conv1d(2, 2, 1)))
    with pytest.raises(ValueError, match="proj_size"):
        from_torch(make.LSTM(3, 4, proj_size=2))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_training_goes_on_in_the_other_framework_and_back(torch, kind):
    """Steps of SGD: four there, four here and four there again give what twelve there give.

    PyTorch has two biases where one is here; if both learn, their sum moves twice as far. So the second is frozen.
    """
    x, y = torch.randn(4, 6, 3, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)

    def theirs(net, steps):
        for name, p in net.named_parameters():
            p.requires_grad_(not name.startswith("bias_hh"))
        optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        for _ in range(steps):
            optimizer.zero_grad()
            ((net(x)[0][:, -1] - y) ** 2).mean().backward()
            optimizer.step()
        return net

    def ours(net, steps):
        if kind == "GRU":
            net.cells[0][0].b_rn.requires_grad = False  # a part of the second bias
        optimizer = tl.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        for _ in range(steps):
            optimizer.zero_grad()
            ((net(x.numpy()).h[:, -1] - y.numpy()) ** 2).mean().backward()
            optimizer.step()
        return net

    def fresh():
        torch.manual_seed(0)
        return getattr(torch.nn, kind)(3, 4, batch_first=True, dtype=torch.float64)

    want = theirs(fresh(), 12)(x)[0].detach().numpy()
    got = theirs(to_torch(ours(from_torch(theirs(fresh(), 4)), 4)), 4)(x)[0].detach().numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


def char_model(torch, kind="LSTM", dtype="float64", **settings):
    make = torch.nn

    class CharModel(make.Module):
        def __init__(self):
            super().__init__()
            self.emb, self.rnn = make.Embedding(9, 4), getattr(make, kind)(4, 5, **{"batch_first": True} | settings)
            self.head = make.Linear(5 * (2 if settings.get("bidirectional") else 1), 9)
            self.rnn.register_forward_hook(lambda module, given, out: setattr(self, "made", out[0]))

        def forward(self, tokens):
            return self.head(self.rnn(self.emb(tokens))[0])

    torch.manual_seed(0)
    return CharModel().to(getattr(torch, dtype))


@pytest.mark.parametrize("dtype, rtol", [("float32", 1e-4), ("float64", 1e-9)])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}],
                         ids=["one", "deep", "no bias"])  # fmt: skip
def test_a_training_step_is_seen_as_it_was(torch, capsys, kind, settings, dtype, rtol):
    """The gradient of each weight, and that of every h_t, is PyTorch's own; the root is their loss."""
    net, tokens = char_model(torch, kind, dtype, **settings), torch.randint(0, 9, (3, 6))

    def loss(out):
        return torch.nn.functional.cross_entropy(out[:, -1], tokens[:, 0])

    trace = tl.look(net, tokens, loss=loss)
    assert "differ from the framework's by" in capsys.readouterr().out
    value = loss(net(tokens))
    assert trace.root.item() == pytest.approx(value.item(), rel=1e-5)
    sent = torch.autograd.grad(value, net.made)[0].numpy()[:, -1, :5]
    last = [r for path, r in trace.recurrences.items() if "backward" not in path][-1]
    (h,) = [x for x in last.steps[6] if x.name == "h"]
    np.testing.assert_allclose(trace.grad(h), sent, rtol=0, atol=rtol * np.abs(sent).max())
    assert all(p.grad is None for p in net.parameters()), "nothing of theirs is touched"
    assert tl.draw(trace, labels=[*"abcdef"]).html() and isinstance(tl.diagnose(trace), list)


def test_packed_time_first_and_unbatched_calls(torch):
    make, utils = torch.nn, torch.nn.utils.rnn

    class Packed(make.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.lengths = make.LSTM(3, 4, batch_first=True), [5, 2, 4]

        def forward(self, x):
            packed = utils.pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
            return self.rnn(packed)[1][0][0]

    class TimeFirst(make.Module):
        def __init__(self):
            super().__init__()
            self.rnn = make.GRU(3, 4)

        def forward(self, x):
            return self.rnn(x, hx=torch.ones(1, *x.shape[1:-1], 4))[0][-1]

    for net, size in ((Packed(), (3, 5, 3)), (TimeFirst(), (5, 2, 3)), (TimeFirst(), (5, 3))):
        x = torch.randn(size)
        trace = tl.look(net, x, loss=lambda out: (out**2).sum(), told=False)
        (recurrence,) = trace.recurrences.values()
        assert recurrence.T == 5


def test_a_layer_norm_that_has_learned_and_a_cell_s_bare_state(torch):
    make = torch.nn
    norm, x = make.LayerNorm(5), torch.randn(3, 5)
    with torch.no_grad():
        norm.weight.uniform_(-2, 2), norm.bias.uniform_(-2, 2)
    np.testing.assert_allclose(from_torch(norm)(x.numpy()).numpy(), norm(x).detach().numpy(), atol=1e-6)
    for kind in ("LSTMCell", "GRUCell"):
        cell, x = getattr(make, kind)(3, 4), torch.randn(2, 3)
        mine, theirs = from_torch(cell.state_dict())(x.numpy()), cell(x)
        for ours, other in zip(mine, theirs if isinstance(theirs, tuple) else (theirs,), strict=True):
            np.testing.assert_allclose(ours.numpy(), other.detach().numpy(), atol=1e-6)


def test_what_cannot_be_looked_at_is_said(torch):
    make = torch.nn
    net, tokens = char_model(torch), torch.randint(0, 9, (1, 3))
    with pytest.raises(ValueError, match=r"no torch\.nn\.LSTM, GRU or RNN"):
        tl.look(make.Linear(2, 2), torch.ones(1, 2), loss=lambda out: out.sum())
    with pytest.raises(ValueError, match=r"no recurrent layer 'enc'; there are: rnn"):
        tl.look(net, tokens, loss=lambda out: out.sum(), layer="enc")
    with pytest.raises(ValueError, match="single number"):
        tl.look(net, tokens, loss=lambda out: out)
    with pytest.raises(ValueError, match="does not depend on what rnn gives"):
        tl.look(net, tokens, loss=lambda out: net.head.weight.sum())
    with pytest.raises(ValueError, match=r"dropout between its layers.*model\.eval"):
        tl.look(char_model(torch, num_layers=2, dropout=0.5), tokens, loss=lambda out: out.sum())
    with pytest.raises(TypeError, match=r"takes a torch\.nn\.Module or a keras\.Model"):
        tl.look(3, tokens, loss=lambda out: out)

    class Twice(make.Module):
        def __init__(self):
            super().__init__()
            self.rnn = make.LSTM(3, 3, batch_first=True)

        def forward(self, x):
            return self.rnn(self.rnn(x)[0])[0]

    with pytest.raises(ValueError, match="called 2 times"):
        tl.look(Twice(), torch.ones(1, 2, 3), loss=lambda out: out.sum())


def test_the_readme_s_model_is_looked_into(torch, tmp_path, monkeypatch, capsys):
    """Its own lines, trained for half a second instead of a minute."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The net you already have")[1].split("\n## ")[0]
    code = "\n".join(block.split("```")[0] for block in section.split("```python\n")[1:])
    assert "time.time() + 60" in code
    monkeypatch.chdir(tmp_path)
    exec(code.replace("time.time() + 60", "time.time() + 0.5"), {})
    out = capsys.readouterr().out
    assert "differ from the framework's by" in out and "mean f" in out
    assert (tmp_path / "char.html").stat().st_size > 100_000


def test_pickles_are_never_run(torch, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "owned").touch, ())

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), tmp_path / "code.pt")
    for name in ("evil.pt", "code.pt"):
        with pytest.raises(CheckpointError, match=f"{name}: damaged, or more than weights"):
            from_torch(tmp_path / name)
    assert not (tmp_path / "owned").exists()
    net = torch.nn.LSTM(2, 3)
    torch.save(net.state_dict(), tmp_path / "good.pt")
    assert from_torch(tmp_path / "good.pt").hidden_size == 3
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds no state_dict"):
        from_torch(tmp_path / "list.pt")


def test_half_and_quantised_tensors(torch):
    with pytest.warns(UserWarning, match="half precision"):
        assert from_torch(torch.nn.Linear(2, 2).to(torch.bfloat16)).W.dtype == np.float32
    with pytest.warns(UserWarning, match="half precision"):
        large = from_torch({"weight": torch.full((1, 1), 2.0**100, dtype=torch.bfloat16), "bias": torch.zeros(1)})
    assert large.W.numpy() == 2.0**100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed = torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)
    with pytest.raises(ValueError, match="weight is quantised"):
        from_torch({"weight": packed, "bias": torch.zeros(2)})

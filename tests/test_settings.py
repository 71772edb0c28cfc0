"""What layers, losses and optimizers of other frameworks can be told: by hand, and against them where they are."""

import inspect
from importlib.util import find_spec

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, grad, nn, optim
from tinygrad_lstm.nn.cell import carry
from tinygrad_lstm.testing import gradcheck

rng = np.random.default_rng(5)
X = rng.normal(size=(3, 6, 2))
KINDS = pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
FUSED = [False, True, pytest.param("numba", marks=pytest.mark.skipif(
    find_spec("numba") is None, reason='compiled steps need numba: pip install ".[fast]"'))]  # fmt: skip


def made(kind, **settings):
    net = kind(2, 4, rng=1, **settings).astype(np.float64)
    for p in net.parameters():
        if p.requires_grad:
            p.data = np.random.default_rng(p.size).normal(size=p.shape) * 0.7
    return net


def leaf(values) -> Tensor:
    return Tensor(np.array(values, float), requires_grad=True)


# — recurrent layers ————————————————————————————————————————————————————————————————————————————————————————


@KINDS
@pytest.mark.parametrize("fused", FUSED)
def test_without_biases(kind, fused):
    net = made(kind, bias=False, num_layers=2, fused=fused)
    biases = {name: p for name, p in net.named_parameters() if ".b_" in name}
    assert biases and not any(b.numpy().any() or b.requires_grad for b in biases.values())
    net(X).h.sum().backward()
    optim.SGD(net.parameters(), 0.1).step()
    assert not any(b.numpy().any() or b.grad is not None for b in biases.values())
    assert all(p.grad is not None for name, p in net.named_parameters() if ".W_" in name)


@KINDS
@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("two_ways", [False, True])
def test_a_mask_with_gaps_equals_the_sequence_without_them(kind, fused, two_ways):
    mask = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]], bool)
    net = made(kind, bidirectional=two_ways, fused=fused)
    dirty = np.where(mask[..., None], X, np.nan)
    out = net(dirty, mask=mask)
    for row, keep in enumerate(mask):
        alone = net(X[row : row + 1, keep])
        np.testing.assert_allclose(out.h.numpy()[row, keep], alone.h.numpy()[0], atol=1e-12)
        for together, single in zip(out.last, alone.last, strict=True):
            np.testing.assert_allclose(together.numpy()[..., row, :], single.numpy()[..., 0, :], atol=1e-12)
    if not two_ways:
        np.testing.assert_array_equal(out.h.numpy()[0, 1], out.h.numpy()[0, 0])
    both = net(dirty, lengths=[4, 6, 6], mask=mask).h.numpy()
    np.testing.assert_allclose(both[0, :4], net(X[:1, :4], mask=mask[:1, :4]).h.numpy()[0], atol=1e-12)


@pytest.mark.parametrize("mask", [np.ones((3, 5)), np.full((3, 6), 0.5), np.ones(6)])
def test_masks_that_do_not_fit(mask):
    with pytest.raises(ValueError, match=r"LSTM|mask must be bools \(batch, time\)"):
        made(nn.LSTM)(X, mask=mask)


@KINDS
@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("two_ways", [False, True])
def test_one_sequence_needs_no_batch(kind, fused, two_ways):
    net = made(kind, num_layers=2, bidirectional=two_ways, fused=fused)
    whole, single = net(X[:1]), net(X[0])
    np.testing.assert_array_equal(single.h.numpy(), whole.h.numpy()[0])
    for field, own in zip(whole.last, single.last, strict=True):
        np.testing.assert_array_equal(own.numpy(), field.numpy()[..., 0, :])
    again = net(X[0], single.last)
    np.testing.assert_array_equal(again.h.numpy(), net(X[:1], whole.last).h.numpy()[0])
    assert single.as_keras().shape == whole.as_keras().shape[1:]
    assert single.as_torch()[0].shape == (6, 8 if two_ways else 4)


@KINDS
@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("mode", "merge"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], -1)), ("sum", lambda a, b: a + b), ("mul", lambda a, b: a * b),
        ("ave", lambda a, b: (a + b) / 2),
    ],
)  # fmt: skip
def test_two_directions_are_merged(kind, fused, layers, mode, merge):
    net = made(kind, bidirectional=True, merge_mode=mode, num_layers=layers, fused=fused)
    out = net(X)
    ways = [run.sequence("h").numpy() for run in out.layers[-1]]
    np.testing.assert_allclose(out.h.numpy(), merge(*ways), atol=1e-15)
    np.testing.assert_allclose(out.as_keras().numpy(), merge(ways[0][:, -1], ways[1][:, 0]), atol=1e-15)
    assert net.cells[-1][0].input_size == (2 if layers == 1 else 8 if mode == "concat" else 4)


def test_two_directions_as_a_pair():
    forward, backward = made(nn.LSTM, bidirectional=True, merge_mode=None)(X).h
    assert forward.shape == backward.shape == (3, 6, 4)
    for wrong in ({"merge_mode": "max"}, {"merge_mode": None, "num_layers": 2}):
        with pytest.raises(ValueError, match="merge_mode must be one of"):
            nn.LSTM(2, 4, bidirectional=True, **wrong)


@KINDS
@pytest.mark.parametrize("fused", FUSED)
def test_going_backwards_is_the_sequence_turned_round(kind, fused):
    net, back = made(kind, fused=fused), made(kind, go_backwards=True, fused=fused)
    back.load_state_dict(net.state_dict())
    turned, out = net(X[:, ::-1]), back(X)
    np.testing.assert_allclose(out.h.numpy(), turned.h.numpy()[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(out.last.h.numpy(), turned.last.h.numpy(), atol=1e-12)
    np.testing.assert_allclose(out.as_keras(return_sequences=True).numpy(), turned.h.numpy(), atol=1e-12)


@KINDS
def test_recurrent_dropout_is_one_draw_for_all_steps(kind):
    net = made(kind, recurrent_dropout=0.5)
    assert not net.fusable
    with pytest.raises(ValueError, match="cannot run fused: recurrent_dropout draws random numbers"):
        net.fused = True
    out = net(X)
    net.eval()
    plain = net(X)
    assert not np.allclose(out.h.numpy()[:, 1:], plain.h.numpy()[:, 1:])
    np.testing.assert_array_equal(out.h.numpy()[:, 0], plain.h.numpy()[:, 0])  # h₀ is 0, so nothing can be dropped
    cell, kept = net.cells[0][0], np.array([[2.0, 0, 2, 0]] * 3)
    inputs = [Tensor(X[:, t]) for t in range(6)]
    run = carry(cell, inputs, cell.initial(3, np.float64), None, False, kept)
    state = cell.initial(3, np.float64)
    for t in range(6):
        state = cell.state_of(cell.step(inputs[t], state._replace(h=state.h * kept)))
    np.testing.assert_array_equal(run.last.h.numpy(), state.h.numpy())


@pytest.mark.parametrize("fused", FUSED)
def test_input_dropout_is_one_draw_for_all_steps(fused):
    net = made(nn.RNN, input_dropout=0.5, fused=fused)
    x = Tensor(np.ones((40, 3, 2)), requires_grad=True)
    (dx,) = grad(net(x).h.sum(), x)
    dropped = dx.numpy() == 0
    assert (dropped == dropped[:, :1]).all() and 0.2 < dropped.mean() < 0.8
    (dx,) = grad(net.eval()(x).h.sum(), x)
    assert dx.numpy().all()
    for name in ("dropout", "input_dropout", "recurrent_dropout"):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\)"):
            nn.LSTM(2, 4, **{name: 1.0})


# — losses ————————————————————————————————————————————————————————————————————————————————————————————————


LOGITS, LABELS = rng.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
WEIGHTS = np.array([1.0, 0.5, 3.0])


def log_p():
    shifted = LOGITS - LOGITS.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def test_reductions():
    p, target = leaf([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 1.0])
    for loss in (nn.mse_loss, nn.binary_cross_entropy_with_logits):
        y = target if loss is nn.mse_loss else target / 2
        each = loss(p, y, reduction="none")
        assert each.shape == (3,)
        assert loss(p, y, reduction="sum").item() == pytest.approx(each.numpy().sum())
        assert loss(p, y).item() == loss(p, y, reduction="mean").item() == pytest.approx(each.numpy().mean())
        assert loss(p, y, mask=[1, 0, 1], reduction="none").numpy().tolist() == each.numpy()[[0, 2]].tolist()
        with pytest.raises(ValueError, match=rf"{loss.__name__}: reduction must be 'mean', 'sum' or 'none', not 'avg'"):
            loss(p, y, reduction="avg")
    np.testing.assert_allclose(nn.cross_entropy(leaf(LOGITS), LABELS, reduction="none").numpy(),
                               -log_p()[np.arange(5), LABELS])  # fmt: skip


@pytest.mark.parametrize("smooth", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHTS])
@pytest.mark.parametrize("mask", [None, np.array([1, 0, 1, 1, 0], bool)])
def test_weights_and_smoothing_of_classes(smooth, weight, mask):
    w = np.ones(3) if weight is None else weight
    keep = np.ones(5, bool) if mask is None else mask
    each = -(1 - smooth) * (w[LABELS] * log_p()[np.arange(5), LABELS]) - smooth / 3 * (w * log_p()).sum(axis=1)
    settings = {"mask": mask, "weight": weight, "label_smoothing": smooth}
    logits = leaf(LOGITS)
    np.testing.assert_allclose(nn.cross_entropy(logits, LABELS, reduction="none", **settings).numpy(), each[keep])
    assert nn.cross_entropy(logits, LABELS, reduction="sum", **settings).item() == pytest.approx(each[keep].sum())
    mean = each[keep].sum() / w[LABELS][keep].sum()
    assert nn.cross_entropy(logits, LABELS, **settings).item() == pytest.approx(mean)
    assert gradcheck(lambda x: nn.cross_entropy(x, LABELS, **settings), [LOGITS])


def test_the_same_in_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
    t, y = torch.tensor(LOGITS), torch.tensor(LABELS)
    for weight in (None, WEIGHTS):
        for smooth in (0.0, 0.3):
            for reduction in ("mean", "sum", "none"):
                theirs = torch.nn.functional.cross_entropy(
                    t, y, None if weight is None else torch.tensor(weight), label_smoothing=smooth, reduction=reduction
                )
                ours = nn.cross_entropy(
                    leaf(LOGITS), LABELS, weight=weight, label_smoothing=smooth, reduction=reduction
                )
                np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"weight": np.ones(4)}, {"weight": [-1, 1, 1]}, {"label_smoothing": 1.5}, {"label_smoothing": -0.1}]
)
def test_wrong_weights_and_smoothing(wrong):
    with pytest.raises(ValueError, match=f"cross_entropy: {next(iter(wrong))} must"):
        nn.cross_entropy(leaf(LOGITS), LABELS, **wrong)


def test_a_padding_row_of_an_embedding():
    layer = nn.Embedding(4, 3, padding_idx=0, rng=0)
    assert not layer.W.numpy()[0].any() and layer.W.numpy()[1:].any()
    tokens = np.array([[1, 0], [2, 1]])
    layer(tokens).sum().backward()
    assert layer.W.grad[:, 0].tolist() == [0, 2, 1, 0]
    assert not layer(tokens).numpy()[0, 1].any()
    assert nn.Embedding(4, 3, padding_idx=-1, rng=0).padding_idx == 3
    with pytest.raises(ValueError, match="padding_idx must be a row, 0 to 3"):
        nn.Embedding(4, 3, padding_idx=4)


# — learning rates ——————————————————————————————————————————————————————————————————————————————————————————


def rates(schedule, optimizer, steps=6):
    found = [optimizer.lr]
    for _ in range(steps):
        schedule.step()
        found.append(optimizer.lr)
    return found


MAKERS = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.8},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "LinearLR": {"start_factor": 0.25, "end_factor": 1.0, "total_iters": 4},
    "LambdaLR": {"lr_lambda": lambda t: 1 / (1 + t)},
}
EXPECTED = {
    "StepLR": [0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.05],
    "ExponentialLR": [0.4 * 0.8**t for t in range(7)],
    "CosineAnnealingLR": [0.01 + 0.39 * (1 + np.cos(np.pi * t / 4)) / 2 for t in range(7)],
    "LinearLR": [0.4 * (0.25 + 0.75 * min(t, 4) / 4) for t in range(7)],
    "LambdaLR": [0.4 / (1 + t) for t in range(7)],
}


@pytest.mark.parametrize("name", MAKERS)
def test_schedules(name):
    p = leaf([1.0])
    optimizer = optim.SGD([p], lr=0.4)
    np.testing.assert_allclose(rates(getattr(optim, name)(optimizer, **MAKERS[name]), optimizer), EXPECTED[name])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.filterwarnings("ignore")
def test_schedules_are_torchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
    theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.4)
    schedule = getattr(torch.optim.lr_scheduler, name)(theirs, **MAKERS[name])
    found = [theirs.param_groups[0]["lr"]]
    for _ in range(6):
        theirs.step()
        schedule.step()
        found.append(theirs.param_groups[0]["lr"])
    ours = optim.SGD([leaf([1.0])], lr=0.4)
    np.testing.assert_allclose(rates(getattr(optim, name)(ours, **MAKERS[name]), ours), found, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("StepLR", {"step_size": 0}), ("StepLR", {"step_size": 2, "gamma": -1}), ("ExponentialLR", {"gamma": None}),
        ("CosineAnnealingLR", {"T_max": 0}), ("LinearLR", {"total_iters": 0}),
    ],
)  # fmt: skip
def test_wrong_schedules(name, wrong):
    with pytest.raises(ValueError, match=f"{name}: "):
        getattr(optim, name)(optim.SGD([leaf([1.0])], lr=0.4), **wrong)


# — ops ————————————————————————————————————————————————————————————————————————————————————————————————————

A = rng.normal(size=(2, 3, 4))
FUNCTIONS = [
    (lambda t: tl.flatten(t), lambda a: a.reshape(-1)),
    (lambda t: tl.flatten(t, start=1), lambda a: a.reshape(2, 12)),
    (lambda t: tl.flatten(t, start=-2), lambda a: a.reshape(2, 12)),
    (lambda t: tl.flatten(t, start=-3), lambda a: a.reshape(-1)),
    (lambda t: tl.flatten(t, start=2), lambda a: a),
    (lambda t: tl.unsqueeze(t, axis=1), lambda a: np.expand_dims(a, 1)),
    (lambda t: tl.unsqueeze(t, axis=-1), lambda a: np.expand_dims(a, -1)),
    (lambda t: tl.flip(t), np.flip), (lambda t: tl.flip(t, axis=(0, -1)), lambda a: np.flip(a, (0, -1))),
    (lambda t: tl.sin(t), np.sin), (lambda t: tl.cos(t), np.cos),
    (lambda t: tl.pad(t, ((1, 0), (0, 2), (1, 1))), lambda a: np.pad(a, ((1, 0), (0, 2), (1, 1)))),
    (lambda t: tl.pad(t, 1), lambda a: np.pad(a, 1)),
    (lambda t: tl.prod(t), np.prod), (lambda t: tl.prod(t, axis=1), lambda a: np.prod(a, 1)),
    (lambda t: tl.prod(t, axis=-1, keepdims=True), lambda a: np.prod(a, -1, keepdims=True)),
    (lambda t: tl.tril(t), np.tril), (lambda t: tl.triu(t, k=1), lambda a: np.triu(a, 1)),
    (lambda t: t % 0.7, lambda a: a % 0.7), (lambda t: 2.0 % t, lambda a: 2.0 % a), (lambda t: +t, lambda a: +a),
    (lambda t: tl.tensordot(t, t * 2, axes=([1, 2], [1, 2])), lambda a: np.tensordot(a, 2 * a, ([1, 2], [1, 2]))),
    (lambda t: tl.tensordot(t, t[0].T, axes=1), lambda a: np.tensordot(a, a[0].T, 1)),
    (lambda t: tl.einsum("bij,bkj->bik", t, t), lambda a: np.einsum("bij,bkj->bik", a, a)),
    (lambda t: tl.einsum("bij->j", t), lambda a: np.einsum("bij->j", a)),
    (lambda t: tl.einsum("bij,j->bi", t, t[0, 0]), lambda a: np.einsum("bij,j->bi", a, a[0, 0])),
    (lambda t: tl.einsum("bij,cij", t, t), lambda a: np.einsum("bij,cij", a, a)),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "numpys"), FUNCTIONS)
def test_functions_that_users_look_for(ours, numpys):
    np.testing.assert_allclose(ours(Tensor(A)).numpy(), numpys(A), rtol=1e-14, atol=1e-15)
    result = ours(A)
    assert isinstance(result, np.ndarray | np.generic)
    assert gradcheck(ours, [A], eps=1e-5, rtol=1e-5, atol=1e-7)


def test_a_product_with_zeros_has_its_gradient():
    for x, expected in (([2.0, 0.0, 3.0], [0, 6, 0]), ([0.0, 0.0, 3.0], [0, 0, 0]), ([5.0], [1])):
        (dx,) = grad(tl.prod(x := leaf(x)), x)
        assert dx.numpy().tolist() == expected
    assert tl.prod(leaf(np.zeros((0,)))).item() == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda t: tl.flatten(t, start=5), "flatten: start"), (lambda t: tl.pad(t, -1), "pad"),
        (lambda t: tl.einsum("bii->b", t), "einsum: an input names 'i' twice"),
        (lambda t: tl.einsum("bi,bj", t, t), "einsum"), (lambda t: tl.tensordot(t, t, axes=1), "tensordot"),
    ],
)  # fmt: skip
def test_wrong_calls_of_functions(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong(leaf(A))


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU, nn.Linear, nn.Embedding, nn.LSTMCell])
def test_a_third_argument_by_position(kind):
    with pytest.raises(TypeError, match=rf"{kind.__name__}: 3 arguments .* by name, such as \w+=\."):
        kind(3, 4, 2)
    assert list(inspect.signature(kind).parameters)[:2] == list(inspect.signature(kind.__init__).parameters)[1:3]

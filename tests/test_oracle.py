"""PyTorch, where it is installed, as a second opinion: never a dependency."""

from pathlib import Path

import numpy as np
import pytest
from samples import LABELS, ROWS, SAMPLES, Row

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, grad, nn
from tinygrad_lstm.op import Op

torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
F = torch.nn.functional


def reduction(name: str):
    def run(t, x, *, axis=None, keepdims=False):
        axes = tuple(range(x.ndim)) if axis is None else axis
        return getattr(torch, name)(x, dim=axes, keepdim=keepdims) if x.ndim else getattr(torch, name)(x, dim=())

    return run


def logsumexp(t, x, *, axis=None, keepdims=False):
    return torch.logsumexp(x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims)


def indices(index):
    return torch.from_numpy(index) if isinstance(index, np.ndarray) else index


def take(t, x, *, index):
    if isinstance(index, slice) and index.step and index.step < 0:
        return x.flip(0)[:: -index.step]
    return x[tuple(map(indices, index)) if isinstance(index, tuple) else indices(index)]


def put(t, x, *, index, shape):
    places = torch.arange(int(np.prod(shape))).reshape(shape)
    places = take(t, places, index=index).reshape(-1)
    return torch.zeros(shape, dtype=x.dtype).reshape(-1).index_add(0, places, x.reshape(-1)).reshape(shape)


THEIRS = {
    "add": lambda t, a, b: a + b,
    "sub": lambda t, a, b: a - b,
    "mul": lambda t, a, b: a * b,
    "div": lambda t, a, b: a / b,
    "neg": lambda t, x: -x,
    "power": lambda t, a, b: a**b,
    "exp": lambda t, x: x.exp(),
    "log": lambda t, x: x.log(),
    "sqrt": lambda t, x: x.sqrt(),
    "abs": lambda t, x: x.abs(),
    "maximum": lambda t, a, b: t.maximum(a, b),
    "minimum": lambda t, a, b: t.minimum(a, b),
    "clip": lambda t, x, *, low=None, high=None: x.clamp(low, high),
    "where": lambda t, condition, a, b: t.where(condition, a, b),
    "sin": lambda t, x: t.sin(x),
    "cos": lambda t, x: t.cos(x),
    "mod": lambda t, a, b: t.remainder(a, b),
    "einsum_of": lambda t, *xs, subscripts: t.einsum(subscripts, *xs),
    "chosen": lambda t, slope, x: slope + 0 * x,
    "sigmoid": lambda t, x: x.sigmoid(),
    "tanh": lambda t, x: x.tanh(),
    "relu": lambda t, x: x.relu(),
    "leaky_relu": lambda t, x, **settings: F.leaky_relu(x, **settings),
    "softplus": lambda t, x: F.softplus(x),
    "hard_sigmoid": lambda t, x, *, slope=1 / 6: (slope * x + 0.5).clamp(0, 1),  # theirs has 1/6 in float32
    "matmul": lambda t, a, b: a @ b,
    "sum": reduction("sum"),
    "mean": reduction("mean"),
    "max": reduction("amax"),
    "min": reduction("amin"),
    "logsumexp": logsumexp,
    "cumsum": lambda t, x, *, axis=None: x.reshape(-1).cumsum(0) if axis is None else x.cumsum(axis),
    "softmax": lambda t, x, *, axis=-1: x.softmax(axis),
    "log_softmax": lambda t, x, *, axis=-1: x.log_softmax(axis),
    "reshape": lambda t, x, *, shape: x.reshape(shape),
    "transpose": lambda t, x, *, axes: x.permute(axes or tuple(reversed(range(x.ndim)))),
    "swapaxes": lambda t, x, *, axis1, axis2: x.swapaxes(axis1, axis2),
    "broadcast_to": lambda t, x, *, shape: x.broadcast_to(shape),
    "take": take,
    "put": put,
    "embed": lambda t, x, *, index: F.embedding(t.as_tensor(index), x),
    "cast": lambda t, x, *, dtype: x.to(t.float64),
    "concat": lambda t, *xs, axis=-1: t.cat(xs, axis),
    "stack": lambda t, *xs, axis=0: t.stack(xs, axis),
}


def test_every_op_has_a_peer():
    assert set(THEIRS) == set(ROWS)


@pytest.mark.parametrize(("op", "row"), SAMPLES, ids=LABELS)
def test_ops(op: Op, row: Row):
    xs = [Tensor(x, requires_grad=True, dtype=np.float64) for x in row.moving]
    y = row.call(op)(*xs)
    theirs = [torch.tensor(x, requires_grad=k not in row.fixed) for k, x in enumerate(row.inputs)]
    expected = THEIRS[op.name](torch, *theirs, **row.settings)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    seed = np.random.default_rng(0).standard_normal(y.shape)
    gradients = torch.autograd.grad(expected, [x for x in theirs if x.requires_grad], torch.tensor(seed))
    for ours, peer in zip(grad(y, xs, seed), gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), peer.numpy(), rtol=1e-10, atol=1e-12)


# — recurrent layers —————————————————————————————————————————————————————————————————————————————————————

GATES = {"RNN": ["h"], "LSTM": ["i", "f", "C", "o"], "GRU": ["r", "z", "n"]}  # in PyTorch's order
IN, HIDDEN, TIME, BATCH = 3, 4, 5, 2


def pair(kind: str, layers: int, two_ways: bool):
    """Their layer in float64 with random weights, and ours with the same."""
    torch.manual_seed(layers + 2 * two_ways)
    theirs = getattr(torch.nn, kind)(IN, HIDDEN, layers, batch_first=True, bidirectional=two_ways).double()
    ours = getattr(nn, kind)(IN, HIDDEN, num_layers=layers, bidirectional=two_ways).astype(np.float64)
    for cell, values in zip(cells(ours), moved(theirs, kind, lambda p: p.detach().numpy()), strict=True):
        for name, value in values.items():
            getattr(cell, name).data = value
    return ours, theirs


def cells(layer) -> list:
    return [cell for row in layer.cells for cell in row]


def moved(theirs, kind: str, of, gradients: bool = False) -> list[dict[str, np.ndarray]]:
    """Our parameters' values (or gradients) for each layer and direction, from theirs."""
    found = []
    for layer in range(theirs.num_layers):
        for suffix in ("", "_reverse") if theirs.bidirectional else ("",):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            W_x, W_h, b_x, b_h = (of(getattr(theirs, f"{name}_l{layer}{suffix}")) for name in names)
            values = {}
            for k, gate in enumerate(GATES[kind]):
                rows = slice(k * HIDDEN, (k + 1) * HIDDEN)
                values[f"W_{gate}"] = np.concatenate([W_h[rows].T, W_x[rows].T])
                apart = gate == "n"  # PyTorch has two biases; ours is their sum, but for the one inside GRU's reset
                values[f"b_{gate}"] = b_x[rows] if apart or gradients else b_x[rows] + b_h[rows]
                if apart:
                    values["b_rn"] = b_h[rows]
            found.append(values)
    return found


layers_of_all_kinds = pytest.mark.parametrize(
    ("kind", "layers", "two_ways"),
    [(kind, layers, two_ways) for kind in GATES for layers in (1, 2) for two_ways in (False, True)],
)


@layers_of_all_kinds
@pytest.mark.parametrize("fused", [False, True, "numba"])
@pytest.mark.parametrize("lengths", [None, [5, 2], [1, 4]])
def test_recurrent_layers(kind, layers, two_ways, lengths, fused):
    if fused == "numba":
        pytest.importorskip("numba", reason='compiled steps need numba: pip install ".[fast]"')
    ours, theirs = pair(kind, layers, two_ways)
    ours.fused = fused
    rng = np.random.default_rng(0)
    runs = layers * (1 + two_ways)
    x = rng.standard_normal((BATCH, TIME, IN))
    start = [rng.standard_normal((runs, BATCH, HIDDEN)) for _ in range(1 + (kind == "LSTM"))]
    valid = np.arange(TIME) < np.array(lengths or [TIME] * BATCH)[:, None]
    weights = rng.standard_normal((BATCH, TIME, HIDDEN * (1 + two_ways))) * valid[..., None]
    last_weights = [rng.standard_normal(s.shape) for s in start]

    tx, tstart = torch.tensor(x, requires_grad=True), [torch.tensor(s, requires_grad=True) for s in start]
    given = tuple(tstart) if kind == "LSTM" else tstart[0]
    if lengths is None:
        output, last = theirs(tx, given)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(tx, lengths, batch_first=True, enforce_sorted=False)
        output, last = theirs(packed, given)
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=TIME)
    last = last if kind == "LSTM" else (last,)
    total = (output * torch.tensor(weights)).sum()
    total = total + sum((s * torch.tensor(w)).sum() for s, w in zip(last, last_weights, strict=True))
    total.backward()

    mx, mstart = (Tensor(x, requires_grad=True), [Tensor(s, requires_grad=True) for s in start])
    state = tuple(s[0] for s in mstart) if runs == 1 else tuple(mstart)
    out = ours(mx, state, lengths=lengths)
    h, states = out.as_torch()
    states = states if kind == "LSTM" else (states,)
    np.testing.assert_allclose(h.numpy()[valid], output.detach().numpy()[valid], rtol=1e-11, atol=1e-13)
    for mine, peer in zip(states, last, strict=True):
        np.testing.assert_allclose(mine.numpy().reshape(peer.shape), peer.detach().numpy(), rtol=1e-11, atol=1e-13)
    loss = (h * weights).sum()
    for mine, w in zip(states, last_weights, strict=True):
        loss = loss + (mine.reshape(w.shape) * w).sum()
    loss.backward()
    assert loss.item() == pytest.approx(total.item(), rel=1e-12)
    for mine, peer in zip([mx, *mstart], [tx, *tstart], strict=True):
        np.testing.assert_allclose(mine.grad, peer.grad.numpy(), rtol=1e-10, atol=1e-12)
    expected = moved(theirs, kind, lambda p: p.grad.numpy(), gradients=True)
    for cell, values in zip(cells(ours), expected, strict=True):
        assert set(values) == {name for name, _ in cell.named_parameters()}
        for name, value in values.items():
            np.testing.assert_allclose(getattr(cell, name).grad, value, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", GATES)
def test_single_cells(kind):
    ours, theirs = pair(kind, 1, False)
    cell = getattr(torch.nn, f"{kind}Cell")(IN, HIDDEN).double()
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    x, state = rng.standard_normal((BATCH, IN)), [rng.standard_normal((BATCH, HIDDEN)) for _ in range(2)]
    state = state if kind == "LSTM" else state[:1]
    peers = cell(torch.tensor(x), tuple(map(torch.tensor, state)) if kind == "LSTM" else torch.tensor(state[0]))
    for mine, peer in zip(cells(ours)[0](x, state), peers if kind == "LSTM" else (peers,), strict=True):
        np.testing.assert_allclose(mine.numpy(), peer.detach().numpy(), rtol=1e-12)


# — losses and layers ————————————————————————————————————————————————————————————————————————————————————


def test_losses_and_layers():
    rng = np.random.default_rng(0)
    logits, labels, targets = rng.standard_normal((4, 3)) * 5, np.array([0, 2, 1, 1]), rng.uniform(size=(4, 3))
    rows = [
        (lambda x: nn.cross_entropy(x, labels), lambda x: F.cross_entropy(x, torch.tensor(labels))),
        (lambda x: nn.mse_loss(x, targets), lambda x: F.mse_loss(x, torch.tensor(targets))),
        (
            lambda x: nn.binary_cross_entropy_with_logits(x, targets),
            lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(targets)),
        ),
        (lambda x: (nn.LayerNorm(3).astype(np.float64)(x) * targets).sum(),
         lambda x: (F.layer_norm(x, (3,)) * torch.tensor(targets)).sum()),
    ]  # fmt: skip
    for mine, peer in rows:
        x, tx = Tensor(logits, requires_grad=True), torch.tensor(logits, requires_grad=True)
        y, ty = mine(x), peer(tx)
        y.backward()
        ty.backward()
        assert y.item() == pytest.approx(ty.item(), rel=1e-12)
        np.testing.assert_allclose(x.grad, tx.grad.numpy(), rtol=1e-10, atol=1e-13)


# — what the README says is not as in PyTorch ————————————————————————————————————————————————————————————————


def _ours(f, *xs):
    xs = [Tensor(np.array(x, float), requires_grad=True) for x in xs]
    y = f(*xs)
    return [y.numpy().tolist(), *(dx.numpy().tolist() for dx in tl.grad(y.sum(), xs))]


def _torchs(f, *xs):
    xs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in xs]
    y = f(*xs)
    return [y.tolist(), *(dx.tolist() for dx in torch.autograd.grad(y.sum(), xs))]


NAN, INF = float("nan"), float("inf")
DIFFERENCES = {  # by the row of the README: ours and theirs, each function, inputs, and [value, gradients]
    "`concat(a, b)`": (
        (lambda a, b: tl.concat(a, b), [[[1.0]], [[2.0]]], [[[1, 2]], [[1]], [[1]]]),
        (lambda a, b: torch.cat([a, b]), [[[1.0]], [[2.0]]], [[[1], [2]], [[1]], [[1]]]),
    ),
    "the larger of 1 and NaN": (
        (lambda a, b: tl.maximum(a, b), [[1.0], [NAN]], [[NAN], [0], [0]]),
        (lambda a, b: torch.maximum(a, b), [[1.0], [NAN]], [[NAN], [1], [1]]),
    ),
    "`relu(NaN)`": (
        (lambda x: tl.relu(x), [[NAN]], [[NAN], [0]]),
        (lambda x: torch.relu(x), [[NAN]], [[NAN], [1]]),
    ),
    "`max(axis)` of equal entries": (
        (lambda x: x.max(axis=0), [[1.0, 1.0]], [1, [0.5, 0.5]]),
        (lambda x: x.max(0).values, [[1.0, 1.0]], [1, [1, 0]]),
    ),
    "`logsumexp` of −∞, −∞": (
        (lambda x: tl.logsumexp(x), [[-INF, -INF]], [-INF, [0.5, 0.5]]),
        (lambda x: torch.logsumexp(x, 0), [[-INF, -INF]], [-INF, [NAN, NAN]]),
    ),
    "`power(0, −1)`": (
        (lambda a, b: a**b, [0.0, -1.0], [INF, -INF, 0]),
        (lambda a, b: a**b, [0.0, -1.0], [INF, -INF, -INF]),
    ),
    "`std`, `var`": (
        (lambda x: tl.var(x), [[0.0, 2.0]], [1, [-1, 1]]),
        (lambda x: torch.var(x), [[0.0, 2.0]], [2, [-2, 2]]),
    ),
}
SAME = [  # where the README says that nothing differs
    (lambda a, b: tl.maximum(a, b), lambda a, b: torch.maximum(a, b), [[1.0, 2.0], [1.0, 1.0]]),
    (lambda x: tl.clip(x, low=0, high=1), lambda x: x.clamp(0, 1), [[-1.0, 0.5, 2.0, NAN]]),
    (lambda x: tl.relu(x), lambda x: torch.relu(x), [[-1.0, 0.0, 1.0]]),
    (lambda x: tl.abs(x), lambda x: torch.abs(x), [[-1.0, 0.0, 1.0, NAN]]),
    (lambda x: x.max(axis=0), lambda x: x.amax(0), [[1.0, 1.0, 0.0]]),
]


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("row", DIFFERENCES)
def test_the_table_of_differences(row):
    ours, theirs = DIFFERENCES[row]
    for run, (f, xs, expected) in ((_ours, ours), (_torchs, theirs)):
        for got, right in zip(run(f, *xs), expected, strict=True):
            np.testing.assert_array_equal(got, right)
    assert f"\n| {row} |" in (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_clip_at_a_bound():
    """PyTorch's own convention changed from 1 to 0 after its release 2.13 (pull request 191142)."""
    assert _ours(lambda x: tl.clip(x, low=0, high=1), [0.0, 1.0]) == [[0, 1], [1, 1]]
    assert _torchs(lambda x: x.clamp(0, 1), [0.0, 1.0]) in ([[0, 1], [1, 1]], [[0, 1], [0, 0]])
    assert "\n| `clip` at a bound |" in (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("ours", "theirs", "xs"), SAME)
def test_where_nothing_differs(ours, theirs, xs):
    for got, right in zip(_ours(ours, *xs), _torchs(theirs, *xs), strict=True):
        np.testing.assert_array_equal(got, right)


def test_what_follows_after_the_end_of_a_row():
    net = tl.nn.LSTM(1, 2, rng=0)
    out = net(np.ones((1, 3, 1), np.float32), lengths=[2])
    np.testing.assert_array_equal(out.h.numpy()[0, 2], out.h.numpy()[0, 1])
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.ones(1, 3, 1), [2], batch_first=True)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(
        torch.nn.LSTM(1, 2, batch_first=True)(packed)[0], batch_first=True, total_length=3
    )
    assert not padded[0, 2].any() and padded[0, 1].any()
    biases = {name: p.numpy() for name, p in net.named_parameters() if ".b_" in name}
    assert all((b == ("b_f" in name)).all() for name, b in biases.items()), "1 for the forget gate, else 0"

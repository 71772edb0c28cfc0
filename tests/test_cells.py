"""The cells against what is known exactly: recursions, bounds, half-lives, and derivatives by complex steps."""

from collections import Counter

import numpy as np
import pytest

from tinygrad_lstm import Tensor, grad, jacobian, nn, stack
from tinygrad_lstm.testing import gradcheck

CELLS = [
    nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.PeepholeLSTMCell, nn.CoupledLSTMCell, nn.NoForgetLSTMCell,
]  # fmt: skip


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def randomised(module: nn.Module, seed: int = 0, scale: float = 0.7) -> nn.Module:
    """The same module in float64 with all parameters drawn anew, biases too."""
    rng = generator(seed)
    for p in module.parameters():
        p.data = rng.normal(0, scale, p.shape)
    return module


def leaf(array) -> Tensor:
    return Tensor(array, requires_grad=True, dtype=np.float64)


def with_parameters(cell: nn.Cell, names: list[str]):
    """The cell's h (and C) over time as a function of x, the first state, and its parameters."""

    def run(x, *rest):
        state, parameters = rest[: len(cell.State._fields)], rest[len(cell.State._fields) :]
        for name, value in zip(names, parameters, strict=True):
            setattr(cell, name, value)
        state, seen = cell.State(*state), []
        for t in range(x.shape[0]):
            step = cell.step(x[t], state)
            state = cell.state_of(step)
            seen += state
        return stack(seen)

    run.__name__ = type(cell).__name__
    return run


@pytest.mark.parametrize("make", [*CELLS, lambda i, h: nn.GRUCell(i, h, reset_after=False)])
def test_every_cell_to_second_order(make):
    cell = randomised(make(1, 2))
    names = [name for name, _ in cell.named_parameters()]
    state = [generator(k).standard_normal((1, 2)) for k in range(len(cell.State._fields))]
    inputs = [generator(9).standard_normal((2, 1, 1)), *state, *(p.numpy() for p in cell.parameters())]
    assert gradcheck(with_parameters(cell, names), inputs, eps=1e-5)


# — complex steps: f(x + ih) has f'(x)·h as its imaginary part, without any cancellation ———————————————————————


def σ(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(p, x, h):
    return (np.tanh(np.concatenate([h, x], axis=1) @ p["W_h"] + p["b_h"]),)


def lstm_step(p, x, h, C):
    hx = np.concatenate([h, x], axis=1)
    f, i, o = (σ(hx @ p[f"W_{g}"] + p[f"b_{g}"]) for g in "fio")
    C = f * C + i * np.tanh(hx @ p["W_C"] + p["b_C"])
    return o * np.tanh(C), C


def gru_step(p, x, h):
    hx, size = np.concatenate([h, x], axis=1), h.shape[1]
    z, r = (σ(hx @ p[f"W_{g}"] + p[f"b_{g}"]) for g in "zr")
    if "b_rn" in p:
        n = np.tanh(x @ p["W_n"][size:] + p["b_n"] + r * (h @ p["W_n"][:size] + p["b_rn"]))
    else:
        n = np.tanh(np.concatenate([r * h, x], axis=1) @ p["W_n"] + p["b_n"])
    return (z * h + (1 - z) * n,)


@pytest.mark.parametrize(
    ("layer", "step"),
    [
        (nn.RNN(2, 3), rnn_step), (nn.LSTM(2, 3), lstm_step), (nn.GRU(2, 3), gru_step),
        (nn.GRU(2, 3, reset_after=False), gru_step),
    ],
    ids=["rnn", "lstm", "gru", "gru-reset-before"],
)  # fmt: skip
def test_complex_step(layer, step):
    randomised(layer)
    (cell,) = layer.cells[0]
    x, weights = generator(1).standard_normal((2, 4, 2)), generator(2).standard_normal((2, 4, 3))
    state = [generator(3 + k).standard_normal((2, 3)) for k in range(len(cell.State._fields))]
    values = {name: p.numpy() for name, p in cell.named_parameters()}
    values |= {"x": x} | dict(zip(cell.State._fields, state, strict=True))

    def loss(v):
        now, total = [v[field] for field in cell.State._fields], 0
        for t in range(4):
            now = step(v, v["x"][:, t], *now)
            total = total + (now[0] * weights[:, t]).sum()
        return total

    tensors = dict(cell.named_parameters()) | {"x": leaf(x)}
    tensors |= {field: leaf(values[field]) for field in cell.State._fields}
    y = (layer(tensors["x"], tuple(tensors[field] for field in cell.State._fields)).h * weights).sum()
    assert y.item() == pytest.approx(loss(values), rel=1e-13)
    for (name, value), got in zip(values.items(), grad(y, [tensors[name] for name in values]), strict=True):
        for entry in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[entry] += 1e-30j
            expected = loss(values | {name: moved}).imag / 1e-30
            assert got.numpy()[entry] == pytest.approx(expected, rel=1e-11, abs=1e-13), (name, entry)


# — plain RNN ————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("rho", [0.9, 1.0, 1.1])
def test_linear_rnn_keeps_rho_to_the_k(rho):
    rnn = nn.RNN(1, 6, activation="linear", rng=generator()).astype(np.float64)
    W = rnn.cells[0][0].W_h.numpy().copy()
    Q, _ = np.linalg.qr(generator(1).standard_normal((6, 6)))
    W[:6] = rho * Q
    rnn.cells[0][0].W_h.data = W
    h0 = leaf(np.zeros((1, 6)))
    out = rnn(generator(2).standard_normal((1, 100, 1)), h0)
    seed = np.eye(6)[:1]
    for k in (1, 10, 100):
        (dh,) = grad(out.steps[k - 1].h, h0, seed)
        assert np.linalg.norm(dh.numpy()) == pytest.approx(rho**k, rel=1e-12)


def test_tanh_rnn_at_rest_is_a_power_of_w():
    rnn = randomised(nn.RNN(2, 4))
    cell = rnn.cells[0][0]
    cell.b_h.data = np.zeros(4)
    h0 = leaf(np.zeros((1, 4)))
    out = rnn(np.zeros((1, 12, 2)), h0)
    W = cell.W_h.numpy()[:4]
    for k in range(1, 13):
        J = jacobian(out.steps[k - 1].h, h0).reshape(4, 4)
        np.testing.assert_allclose(J, np.linalg.matrix_power(W.T, k), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("activation", "gamma"), [("tanh", 1.0), ("sigmoid", 0.25)])
def test_bound_on_200_random_nets(activation, gamma):
    rng, tight = generator(5), 0.0
    for trial in range(200):
        size, steps = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        rnn = randomised(nn.RNN(1, size, activation=activation), trial, scale=rng.uniform(0.1, 2))
        h0 = leaf(rng.standard_normal((1, size)))
        out = rnn(rng.standard_normal((1, steps, 1)), h0)
        norm = np.linalg.norm(jacobian(out.steps[-1].h, h0).reshape(size, size), 2)
        bound = (gamma * np.linalg.norm(rnn.cells[0][0].W_h.numpy()[:size], 2)) ** steps
        assert norm <= bound * (1 + 1e-12)
        tight = max(tight, norm / bound)
    assert tight > 0.9, "the bound says something: some net comes near it"


# — LSTM —————————————————————————————————————————————————————————————————————————————————————————————————


def exact_and_textbook(lstm: nn.LSTM, steps: list, k: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    """dC_T/dC_k by the recursion over (C, H), and the product Π(F + A·B) which leaves the gates' sight of h out."""
    (cell,) = lstm.cells[0]
    size = cell.hidden_size
    U = {g: getattr(cell, f"W_{g}").numpy()[:size].T for g in "fiCo"}

    def row(t: int, name: str) -> np.ndarray:
        return getattr(steps[t], name).numpy()[0]

    def B(t: int) -> np.ndarray:
        return np.diag(row(t, "o") * (1 - np.tanh(row(t, "C")) ** 2))

    dC, dH, product = np.eye(size), B(k), np.eye(size)
    for t in range(k + 1, T + 1):
        f, i, C_new, C, o = (row(t, name) for name in ("f", "i", "C_new", "C", "o"))
        A = np.diag(row(t - 1, "C") * f * (1 - f)) @ U["f"] + np.diag(C_new * i * (1 - i)) @ U["i"]
        A += np.diag(i * (1 - C_new**2)) @ U["C"]
        K = np.diag(np.tanh(C) * o * (1 - o)) @ U["o"]
        product = (np.diag(f) + A @ B(t - 1)) @ product
        dC = np.diag(f) @ dC + A @ dH
        dH = B(t) @ dC + K @ dH
    return dC, product


@pytest.mark.parametrize(("k", "T"), [(0, 1), (0, 2), (3, 9), (0, 19)])
def test_exact_recursion_and_the_textbook_product(k, T):
    lstm = randomised(nn.LSTM(2, 5), 3)
    steps = lstm(generator(4).standard_normal((1, T + 1, 2))).steps
    J = jacobian(steps[T].C, steps[k].C).reshape(5, 5)
    exact, textbook = exact_and_textbook(lstm, steps, k, T)
    assert np.abs(J - exact).max() < 1e-10
    difference = np.abs(J - textbook).max() / np.abs(J).max()
    assert difference < 1e-10 if k + 1 == T else difference > 1e-2, "the product is right for a single step alone"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_lstm_of_1997_carries_the_gradient_unchanged(dtype):
    lstm = nn.LSTM(2, 3, cell=nn.LSTM1997Cell, rng=generator()).astype(dtype)
    steps = lstm(generator(1).standard_normal((1, 1000, 2)).astype(dtype)).steps
    for k in (0, 500, 998):
        assert (jacobian(steps[999].C, steps[k].C).reshape(3, 3) == np.eye(3)).all()


KEPT = [(0, "7.9e-31"), (1, "2.5e-14"), (2, "3.1e-06"), (3, "7.8e-03"), (5, "5.1e-01")]


@pytest.mark.parametrize(("bias", "kept"), KEPT)
def test_the_highway_over_100_steps(bias, kept):
    lstm = nn.LSTM(1, 2, forget_bias=bias, rng=generator()).astype(np.float64)
    for g in "fiCo":
        W = getattr(lstm.cells[0][0], f"W_{g}")
        W.data = np.zeros(W.shape)
    C0 = leaf(generator(1).standard_normal((1, 2)))
    out = lstm(np.zeros((1, 100, 1)), (np.zeros((1, 2)), C0))
    J = jacobian(out.last.C, C0).reshape(2, 2)
    np.testing.assert_allclose(J, np.eye(2) * σ(bias) ** 100, rtol=1e-12)
    assert f"{J[0, 0]:.1e}" == kept
    if bias == 1:
        assert np.log(2) / -np.log(out.steps[0].f.numpy()[0, 0]) == pytest.approx(2.2, abs=0.05)


def paths(root: Tensor, only: str = "") -> Counter[int]:
    """How many ways lead from the root back to each tensor (by birth), through scopes whose name holds `only`."""
    ways, waiting = Counter({root.birth: 1}), {root.birth: root}
    while waiting:
        tensor = waiting.pop(max(waiting))
        if only not in tensor.scope and tensor is not root:
            continue
        for x in tensor.inputs:
            ways[x.birth] += ways[tensor.birth]
            waiting[x.birth] = x
    return ways


def test_number_of_paths_grows_by_4_79_a_step():
    steps = nn.LSTM(1, 2, rng=generator())(generator(1).standard_normal((1, 14, 1))).steps
    ways = paths(steps[-1].h)
    counts = [ways[step.C.birth] for step in reversed(steps)]
    expected, C, h = [], 1, 1  # how many ways lead from h_T to C_t, and to h_t
    for _ in steps:
        expected.append(C)
        h = 3 * C + h  # h_{t-1} is seen by f, i and C̃ of C_t, and by o of h_t
        C = C + h  # C_{t-1} is seen by C_t, and by h_{t-1}
    assert counts == expected and counts[:3] == [1, 5, 24]
    assert counts[-1] / counts[-2] == pytest.approx((5 + 21**0.5) / 2, rel=1e-12)
    highway = paths(steps[-1].C, only="cell state")
    assert [highway[step.C.birth] for step in steps] == [1] * 14, "exactly one of them is the pure highway"


# — variants —————————————————————————————————————————————————————————————————————————————————————————————


def run(cell: type[nn.LSTMCell], parameters: nn.LSTM | None = None) -> tuple[nn.LSTM, nn.Output]:
    lstm = randomised(nn.LSTM(2, 3, cell=cell))
    if parameters is not None:
        mine, theirs = dict(lstm.named_parameters()), dict(parameters.named_parameters())
        for name in mine.keys() & theirs.keys():
            mine[name].data = theirs[name].numpy()
    return lstm, lstm(generator(1).standard_normal((2, 6, 2)))


def test_variants_do_what_they_say():
    plain, out = run(nn.LSTMCell)
    coupled, tied = run(nn.CoupledLSTMCell, plain)
    assert all((step.i.numpy() == 1 - step.f.numpy()).all() for step in tied.steps)
    names = {name.split(".")[-1] for name, _ in coupled.named_parameters()}
    assert names == {"W_f", "W_C", "W_o", "b_f", "b_C", "b_o"}
    keeping, kept = run(nn.NoForgetLSTMCell, plain)
    written = np.cumsum([step.i.numpy() * step.C_new.numpy() for step in kept.steps], axis=0)
    np.testing.assert_allclose(kept.C.numpy(), written.swapaxes(0, 1), rtol=1e-13)
    assert not any("_f" in name for name, _ in keeping.named_parameters())
    peeping, peeped = run(nn.PeepholeLSTMCell, plain)
    assert not np.allclose(peeped.h.numpy(), out.h.numpy())
    for name in ("p_f", "p_i", "p_o"):
        getattr(peeping.cells[0][0], name).data = np.zeros(3)
    np.testing.assert_array_equal(peeping(generator(1).standard_normal((2, 6, 2))).h.numpy(), out.h.numpy())


def test_truncation_changes_the_gradient_alone():
    plain, out = run(nn.LSTMCell)
    _, cut = run(nn.TruncatedLSTMCell, plain)
    np.testing.assert_array_equal(cut.h.numpy(), out.h.numpy())
    J = jacobian(cut.steps[5].C, cut.steps[2].C).reshape(6, 6)
    np.testing.assert_allclose(J, np.diag(np.prod([step.f.numpy().ravel() for step in cut.steps[3:]], axis=0)))


def test_written_memory_adds_up():
    lstm = randomised(nn.LSTM(2, 3))
    C0 = generator(2).standard_normal((2, 3))
    out = lstm(generator(1).standard_normal((2, 6, 2)), (np.zeros((2, 3)), C0))
    f, i, C_new = (np.stack([getattr(step, name).numpy() for step in out.steps]) for name in ("f", "i", "C_new"))
    after = [np.prod(f[t + 1 :], axis=0) for t in range(-1, 6)]
    total = after[0] * C0 + sum(after[t + 1] * i[t] * C_new[t] for t in range(6))
    np.testing.assert_allclose(out.last.C.numpy(), total, rtol=1e-13)

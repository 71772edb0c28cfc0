"""`tl.source`: the printed text is run and compared with the engine, for every cell, variant and one's own."""

import re
from threading import Thread

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, grad, nn, ops, sigmoid, tanh
from tinygrad_lstm.chinese import CHINESE
from tinygrad_lstm.cli import main
from tinygrad_lstm.compile import CannotCompile
from tinygrad_lstm.op import op, registry
from tinygrad_lstm.spoken import columns
from tinygrad_lstm.training.model import CELLS


def run(text):
    """The functions of a printed program."""
    names: dict = {}
    exec(compile(text, "printed", "exec"), names)
    return names["forward"], names["backward"]


def assert_equal_to_the_engine(cell, text=None, batch=5, dtype=np.float64):
    """All states and all gradients, from a random gradient of each state."""
    rng = np.random.default_rng(3)
    for p in cell.parameters():
        p.data = rng.normal(0, 0.7, p.shape).astype(dtype)
    n = len(cell.State._fields)
    sizes = [cell.input_size, *[cell.hidden_size] * n]
    leaves = [Tensor(rng.normal(size=(batch, size)).astype(dtype), requires_grad=True) for size in sizes]
    after = cell.state_of(cell.step(leaves[0], cell.State(*leaves[1:])))
    seeds = [rng.normal(size=t.shape).astype(dtype) for t in after]
    loss = sum((t * seed).sum() for t, seed in zip(after, seeds, strict=True))
    leaves += cell.parameters()
    right = grad(loss, leaves, allow_unused=True)

    forward, backward = run(text or tl.source(cell))
    arrays = [leaf.numpy() for leaf in leaves]
    *states, kept = forward(*arrays)
    close = {"rtol": 1e-10, "atol": 1e-12} if dtype == np.float64 else {"rtol": 2e-4, "atol": 1e-5}
    for state, t in zip(states, after, strict=True):
        np.testing.assert_allclose(state, t.numpy(), **close)
    gradients = backward(*seeds, kept, *arrays)
    for dx, expected, array in zip(gradients, right, arrays, strict=True):
        assert dx.shape == array.shape and dx.dtype == dtype
        np.testing.assert_allclose(dx, 0 if expected is None else expected.numpy(), **close)


LAYERS = {name: (layer, settings) for name, (layer, settings, _) in CELLS.items()} | {
    f"{name} {activation}": (layer, {"activation": activation})
    for name, layer in (("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU))
    for activation in ("relu", "leaky_relu", "softplus", "sigmoid", "hard_sigmoid", "linear")
} | {"keras 2": (nn.LSTM, {"recurrent_activation": lambda x: ops.hard_sigmoid(x, slope=0.2)})}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_every_cell_and_variant(name):
    layer, settings = LAYERS[name]
    cell = layer(3, 4, **settings).cells[0][0]
    assert_equal_to_the_engine(cell)
    assert_equal_to_the_engine(cell, cell.source(lang="zh"), batch=1)


@pytest.mark.parametrize("sizes", [(1, 1), (4, 4), (9, 2), (11, 29), (13, 11), (2, 9)])
def test_any_sizes_and_float32(sizes):
    assert_equal_to_the_engine(nn.LSTMCell(*sizes), dtype=np.float32)


# — cells of one's own ——————————————————————————————————————————————————————————————————————————————————————


class Own(nn.Cell):
    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")


class MinimalGatedUnit(Own):
    def step(self, x, state):
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
        return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))


class Normalised(Own):
    """Sums along features, powers, roots, and a parameter inside a list."""

    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        self.scales = [self.bias("g", 1.0)]
        self.x = Tensor(1.5, requires_grad=True, name="x")  # a name that is taken

    def step(self, x, state):
        a = concat(state.h, x) @ self.W_n + self.b_n
        away = a - a.mean(axis=-1, keepdims=True)
        a = away / ((away**2).mean(axis=-1, keepdims=True) + 1e-5).sqrt() * self.scales[0]
        return nn.Step(h=tanh(a / self.x))


class Odd(Own):
    """One op of each sort, names that are taken, and one tensor used often."""

    def step(self, x, state):
        h, np = state.h, concat(state.h, x) @ self.W_f
        lambda_ = np.named("lambda")
        parts = tl.split(lambda_ * 0.1 - 2.5, 2)
        joined = tl.stack([parts[1], -parts[0]], axis=1).reshape(-1, self.hidden_size)
        share = tl.softmax(joined, axis=-1) + tl.logsumexp(h, axis=-1, keepdims=True)
        top = tl.maximum(share, np) * tl.minimum(share, 0.5) + tl.clip(np, low=-0.5, high=0.5) * np.max(
            axis=1, keepdims=True
        )
        picked = h[:, [0, 0, *range(1, self.hidden_size - 1)]]
        return nn.Step(
            h=(
                top
                + picked / (abs(np) + 1)
                + np[:, ::-1].exp().log() ** 3
                + np[:, 0::-1] * np[:, -1:2:-2].sum(axis=1, keepdims=True)
                + tl.swapaxes(h.T, axis1=0, axis2=1)
            )
        )


class Pair(Own):
    """What is carried on is a state as it came, and its sum with x, which is nobody's parameter."""

    State = nn.LSTMState

    def step(self, x, state):
        h, C = state
        return nn.Step(h=C, C=(C * h + tl.detach(h) * self.b_f * 2).named("C"))


class Turned(Own):
    """A state of which parts are read, and that is carried on itself."""

    State = nn.LSTMState

    def step(self, x, state):
        C = (state.C * state.h).named("C")
        return nn.Step(h=concat(C[:, 2:], C[:, :2] * state.h[:, :2]), C=C)


class Twice(Own):
    """One tensor is both states, nameless values are used twice, and a result is detached."""

    State = nn.LSTMState

    def step(self, x, state):
        rest = 1 - tanh(state.h @ self.W_n[: self.hidden_size])
        left = 1 - state.C
        h = rest * left + rest / (left * left + 2) * tl.detach(left)
        return nn.Step(h=h, C=h)


@pytest.mark.parametrize("make", [MinimalGatedUnit, Normalised, Odd, Pair, Turned, Twice])
def test_cells_of_ones_own(make):
    assert_equal_to_the_engine(make(2, 6))


def test_two_long_indices_are_two():
    """A printed array has dots in its middle."""
    there, back = np.arange(1200), np.arange(1200)
    back[600:610] = back[600:610][::-1]

    class Shuffled(nn.Cell):
        def step(self, x, state):
            return nn.Step(h=state.h[:, there] * 2 + state.h[:, back])

    assert_equal_to_the_engine(Shuffled(1, 1200), batch=1)


def test_an_op_of_ones_own_is_printed_with_the_cell():
    @op("bent", "y = x / (1 + |x|).")
    def bent_identity(x: np.ndarray, *, width: float = 1.0) -> np.ndarray:
        return x / (width + np.abs(x))

    bent_identity.wrt("x", "dy · w / (w + |x|)²", lambda dy, y, x, width=1.0: dy * width / (width + ops.abs(x)) ** 2)
    try:
        cell = nn.RNNCell(3, 4, activation=lambda x: bent_identity(x, width=2.0))
        text = cell.source()
        assert "def bent_identity(x, *, width=1.0):\n    return x / (width + np.abs(x))" in text
        assert_equal_to_the_engine(cell, text)
    finally:
        del registry["bent_identity"]


def test_settings_of_all_kinds():
    @op("kind", "y = x, twice.")
    def of_a_kind(x: np.ndarray, *, kind: str = "a", places: tuple = (), deep: bool = True) -> np.ndarray:
        y = x + x
        return y * 1.0 if kind == "{b}" and deep and len(places) == 2 else -y

    of_a_kind.wrt("x", "2 dy", lambda dy, y, x, kind, places, deep: dy + dy)
    try:
        settings = {"kind": "{b}", "places": (1, None), "deep": True}

        def activation(x):
            with tl.scope("a\nline/candidate"):
                return of_a_kind(x, **settings)

        cell = nn.RNNCell(3, 4, activation=activation)
        assert "kind='{b}', places=(1, None), deep=True)  # hidden state/a line/candidate" in cell.source()
        assert_equal_to_the_engine(cell)
        settings["places"] = (print, 1)
        with pytest.raises(CannotCompile, match="is no number"):
            cell.source()
    finally:
        del registry["of_a_kind"]


# — how it reads ————————————————————————————————————————————————————————————————————————————————————————————


def test_it_reads_as_a_person_would_derive_it():
    lines = nn.LSTM(3, 4).source().splitlines()
    code = [line.split("  #")[0].strip() for line in lines]
    wanted = [
        "hx = np.concatenate((h_prev, x), axis=-1)", "f = sigmoid(hx @ W_f + b_f)", "C_new = np.tanh(hx @ W_C + b_C)",
        "C = f * C_prev + i * C_new", "h = o * tanh_C", "return h, C, (hx, f, i, C_new, o, tanh_C)",
        "do = dh * tanh_C", "da_o = do * o * (1 - o)", "dW_o = hx.T @ da_o", "+ dtanh_C * (1 - tanh_C * tanh_C)",
        "dC_prev = dC * f", "df = dC * C_prev", "dW_f = hx.T @ da_f", "db_f = da_f.sum(axis=0)",
    ]  # fmt: skip
    assert set(wanted) <= set(code)
    assert code.index("do = dh * tanh_C") < code.index("dC_prev = dC * f") < code.index("df = dC * C_prev")
    assert any(re.match(r" +da_f = .* # forget gate: dy · y · \(1 − y\)$", line) for line in lines)
    assert max(map(len, lines)) <= 120


def test_what_is_short_is_written_where_it_is_needed():
    text = nn.GRU(3, 4).source()
    assert "dn = dh * (1 - z) " in text and "dW_n = np.concatenate((h_prev.T @ dpart_of_n, " in text


def test_comments_in_chinese():
    text, english = nn.LSTM(3, 4).source(lang="zh"), nn.LSTM(3, 4).source()
    assert "# 遗忘门：dy · y · (1 − y)" in text and "来自之后的时间步和损失" in text
    assert not re.findall(r"#.*\b[a-z]{3,} [a-z]{2,}", text), "no English is left"

    def code(text):
        return [line.split("  #")[0].rstrip() for line in text.splitlines() if '"""' not in line]

    assert code(text) == code(english)
    sequence = nn.LSTMCell(3, 4).source(sequence=True, lang="zh")
    assert "所做的变换" in sequence and max(map(columns, sequence.splitlines())) <= 120  # a character takes two


def test_every_rule_in_words_is_translated():
    rules = {rule for entry in registry.values() for rule in entry.formulas if re.search(r"[a-z]{3,}", rule)}
    mathematics = {rule for rule in rules if re.fullmatch(r"[^ ]*( [−+·/] [^ ]*)*|y · \(dy − Σ dy·y\)", rule)}
    assert rules - mathematics - {"dy · cos x", "−dy · sin x"} <= CHINESE.keys()


def test_two_threads_have_the_same_text():
    cell, found = nn.GRUCell(3, 4), []
    threads = [Thread(target=lambda: found.append(cell.source())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and set(found) == {cell.source()}


# — what is refused —————————————————————————————————————————————————————————————————————————————————————————


def refused(function):
    class Cell(Own):
        def step(self, x, state):
            return nn.Step(h=function(self, x, state.h))

    with pytest.raises(CannotCompile) as caught:
        tl.source(Cell(3, 4))
    return str(caught.value)


def counted(cell, x, h):
    cell.count = getattr(cell, "count", 0) + 1
    return h * float(cell.count)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda cell, x, h: h * h.numpy().max(), r"by \.numpy\(\) \(test_source.py, line \d+: .*h\.numpy\(\)"),
        (lambda cell, x, h: h * h.data, r"by \.data \(test_source"),
        (lambda cell, x, h: h * 2 if float(h.sum()) > 0 else h, r"by \.item\(\) \(test_source"),
        (lambda cell, x, h: h if h.sum() else x, r"by \.item\(\) \(test_source"),
        (lambda cell, x, h: tl.where(h > 0, h, 0.0), r"by \.__gt__\(\) \(test_source.py, line \d+: .*h > 0"),
        (lambda cell, x, h: h * 2 if np.isfinite(h).all() else h, r"by np\.isfinite \(test_source"),
        (lambda cell, x, h: h * np.random.default_rng(0).normal(size=h.shape), r"random numbers.*test_source"),
        (lambda cell, x, h: nn.dropout(h, 0.5, rng=np.random.default_rng(0)), "random numbers.*linear.py"),
        (counted, r"differ: `h = h_prev \* \d+`.*may neither count"),
        (lambda cell, x, h: h * h.mean(), "number of rows"),
    ],
)
def test_what_is_no_straight_line_is_refused(function, said):
    assert re.search(said, refused(function), re.DOTALL)


def test_a_rule_that_is_no_formula_is_refused():
    @op("odd", "y = x.")
    def odd_one(x: np.ndarray) -> np.ndarray:
        return x * 1.0

    odd_one.wrt("x", "?", lambda dy, y, x: dy if x.sum() > 0 else -dy)
    try:
        assert "rule of odd_one cannot be written" in refused(lambda cell, x, h: odd_one(h))
    finally:
        del registry["odd_one"]


def test_wrong_use():
    for wrong in (3, nn.LSTM, nn.Linear(3, 4), nn.LSTMCell):
        with pytest.raises(TypeError, match=r"takes a cell or a recurrent layer"):
            tl.source(wrong)
    with pytest.raises(ValueError, match="lang must be en or zh, not 'de'"):
        tl.source(nn.LSTM(3, 4), lang="de")


def test_a_profiler_runs_on_afterwards():
    import sys

    def profiler(*event):
        return None

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        nn.RNN(3, 4).source()
        assert sys.getprofile() is profiler
        refused(lambda cell, x, h: h * h.data)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("cell", CELLS)
def test_the_command_prints_it(cell, capsys):
    assert main(["source", "--cell", cell, "--lang", "zh", "--inputs", "2", "--hidden", "5"]) == 0
    layer, settings, _ = CELLS[cell]
    assert capsys.readouterr().out == layer(2, 5, **settings).source(lang="zh")


@pytest.mark.parametrize("words", [("--cell", "x"), ("--lang", "de"), ("--hidden", "0")])
def test_the_command_refuses_in_one_line(words, capsys):
    assert main(["source", *words]) == 2
    told = capsys.readouterr().err
    assert words[0] in told and words[1] in told and len(told.splitlines()) == 1

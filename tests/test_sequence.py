"""A compiled cell over a whole sequence: the same numbers as the cell step by step, for any cell; or a refusal."""

import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from cProfile import Profile
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, compile, concat, grad, nn, relu, sigmoid, stack, tanh
from tinygrad_lstm.compile.kernels import Kernel
from tinygrad_lstm.compile.passes import PASSES
from tinygrad_lstm.compile.tape import record
from tinygrad_lstm.compile.values import AHEAD, LOOP, ONCE, Values, graph_of, in_order
from tinygrad_lstm.engine import vjp
from tinygrad_lstm.nn.cell import carry

N, H = 3, 4  # features, hidden


class MinimalGated(nn.Cell):
    """Zhou, Wu, Zhang, Zhou 2016."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f")
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

    def step(self, x, state):
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
        return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))


class Normed(nn.Cell):
    """Layer norm within the step (Ba, Kiros, Hinton 2016): reductions along features, modules inside."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.of_x = nn.Linear(input_size, hidden_size, rng=self._rng)
        self.of_h = nn.Linear(hidden_size, hidden_size, bias=False, rng=self._rng)
        self.norm = nn.LayerNorm(hidden_size)

    def step(self, x, state):
        return nn.Step(h=tanh(self.norm(self.of_x(x) + self.of_h(state.h))).named("h"))


class Three(NamedTuple):
    h: Tensor
    C: Tensor
    m: Tensor


class ThreeStates(nn.Cell):
    """Three states, one of them handed on as another; x used by itself; a detached factor; a value used twice."""

    State = Three

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W, self.p = self.weight("W"), self.bias("p", 0.3)

    def step(self, x, state):
        a = concat(state.h, x) @ self.W
        g = sigmoid(a + self.p * state.m)
        C = g * state.C + (1 - g) * relu(a) + 0.1 * x[:, :1]
        h = tanh(C) * g.detach() + a * a / (2 + a * a)
        return nn.Step(h=h.named("h"), C=C.named("C"), m=state.h)


class Columns(nn.Cell):
    """One product for all gates, cut by the cell itself, as fast cells are written; and a wide activation."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        rng, n = self._rng, hidden_size
        self.U = Tensor(rng.normal(size=(n, 3 * n)) * 0.3, requires_grad=True, dtype=np.float32)
        self.W = Tensor(rng.normal(size=(input_size, 3 * n)) * 0.3, requires_grad=True, dtype=np.float32)
        self.b = Tensor(np.zeros(3 * n), requires_grad=True, dtype=np.float32)

    def step(self, x, state):
        n = self.hidden_size
        a = x @ self.W + state.h @ self.U + self.b
        z, r = sigmoid(a[:, :n]), sigmoid(a[:, n : 2 * n])
        return nn.Step(h=(z * state.h + (1 - z) * tanh(a[:, 2 * n :] * r) + a[:, :n] * 0.01).named("h"))


class Plain(nn.Cell):
    """No activation at all, and a state that is only scaled."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W = self.weight("W")

    def step(self, x, state):
        return nn.Step(h=(0.5 * state.h + concat(x, state.h) @ self.W * 0.1).named("h"))


class Heads(nn.Cell):
    """Rows turned into heads: shapes in which the number of rows stands."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W = self.weight("W")

    def step(self, x, state):
        a = tanh(concat(state.h, x) @ self.W)
        heads = a.reshape(len(x), 2, self.hidden_size // 2)
        return nn.Step(h=(a * 0.5 + concat([heads[:, 1], heads[:, 0]])).named("h"))


class Detached(nn.Cell):
    """Columns of one product, some of them detached."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.W_i = self.weight("W_f"), self.weight("W_i")

    def step(self, x, state):
        hx = concat(state.h, x)
        f, i = sigmoid(hx @ self.W_f).named("f"), sigmoid(hx @ self.W_i).named("i")
        return nn.Step(h=(f.detach() * state.h + i * f).named("h"))


class Lets(nn.Cell):
    """A state that is handed on detached: no gradient of later steps arrives at it."""

    State = nn.LSTMState

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W = self.weight("W")

    def step(self, x, state):
        C = tanh(concat(state.h, x) @ self.W + 0.5 * state.C).named("C")
        return nn.Step(h=(C * state.h + 0.1 * x[:, :1]).named("h"), C=C.detach())


class Sizes(nn.Cell):
    """Parameters with the names that a text has of its own."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.size, self.rows, self.size_0 = self.weight("size"), self.bias("rows", 0.2), self.bias("size_0")
        self.size_h_T, self.given_h, self.dh = self.bias("size_h_T", 0.4), self.bias("given_h", 0.3), self.bias("dh")

    def step(self, x, state):
        product = concat(state.h, x) @ self.size
        h = tanh(product + self.rows) * self.size_0 + 0.5 * state.h * self.size_h_T
        return nn.Step(h=(h * self.given_h + self.dh).named("h"))


class Short(NamedTuple):
    h: Tensor
    i: Tensor
    a: Tensor


class Words(nn.Cell):
    """States whose names become words of Python's own with an s behind them: is, as."""

    State = Short

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W = self.weight("W")

    def step(self, x, state):
        i = sigmoid(concat(state.h, x) @ self.W + 0.5 * state.i)
        return nn.Step(h=(i * tanh(state.a)).named("h"), i=i.named("i"), a=(0.9 * state.a + i).named("a"))


OWN = [MinimalGated, Normed, ThreeStates, Columns, Plain, Heads, Detached, Lets, Sizes, Words]
LIBRARY = [
    (nn.RNNCell, {}), (nn.GRUCell, {}), (nn.LSTMCell, {}), (nn.PeepholeLSTMCell, {}), (nn.CoupledLSTMCell, {}),
    (nn.NoForgetLSTMCell, {}), (nn.TruncatedLSTMCell, {}), (nn.LSTM1997Cell, {}), (nn.GRUCell, {"reset_after": False}),
    (nn.LSTMCell, {"activation": "relu"}), (nn.LSTMCell, {"recurrent_activation": "hard_sigmoid"}),
    (nn.LSTMCell, {"output_activation": "linear"}), (nn.RNNCell, {"activation": "leaky_relu"}),
    (nn.RNNCell, {"activation": "linear"}), (nn.GRUCell, {"activation": "softplus"}), (nn.LSTMCell, {"bias": False}),
]  # fmt: skip
CELLS = [*LIBRARY, *((cell, {}) for cell in OWN)]
NAMES = [f"{cell.__name__}{settings or ''}" for cell, settings in CELLS]
every_cell = pytest.mark.parametrize(("kind", "settings"), CELLS, ids=NAMES)
FAST = [  # to compile one takes seconds
    (nn.LSTMCell, {}, np.float64), (nn.LSTMCell, {}, np.float32), (nn.GRUCell, {}, np.float64),
    (nn.PeepholeLSTMCell, {}, np.float32), (nn.LSTMCell, {"recurrent_activation": "hard_sigmoid"}, np.float32),
    (ThreeStates, {}, np.float64), (Columns, {}, np.float64), (Sizes, {}, np.float32),
    (Words, {}, np.float32),
]  # fmt: skip


def made(kind, settings, dtype=np.float64) -> nn.Cell:
    cell, rng = kind(N, H, rng=1, **settings).astype(dtype), np.random.default_rng(2)
    for p in cell.parameters():
        p.data = rng.normal(size=p.shape).astype(dtype) * 0.6 if p.requires_grad else p.numpy()
    return cell


def leaves(cell, batch=5, steps=7, dtype=np.float64):
    rng = np.random.default_rng(3)
    shapes = [(batch, steps, N)] + [(batch, H)] * len(cell.State._fields)
    return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


def by_step(cell, x, state, valid):
    run = carry(cell, [x[:, t] for t in range(x.shape[1])], cell.State(*state), valid, False)
    ys = [run.sequence(field) for field in cell.State._fields]
    return ys[0] if len(ys) == 1 else stack(ys)


VALID = [None, np.arange(7) < np.array([7, 3, 1, 5, 7])[:, None], np.random.default_rng(4).random((5, 7)) > 0.4]


@pytest.mark.skipif(find_spec("numba") is None, reason='compiled steps need numba: pip install ".[fast]"')
@pytest.mark.parametrize(("kind", "settings", "dtype"), FAST, ids=lambda given: getattr(given, "__name__", None))
def test_numba_makes_the_same_of_the_same_steps(kind, settings, dtype):
    cell, near = made(kind, settings, dtype), 1e-12 if dtype == np.float64 else 3e-5
    program = compile.program_of(cell)
    for batch, valid in ((5, None), (5, VALID[2]), (33, None), (33, np.random.default_rng(4).random((33, 7)) > 0.4)):
        xs = leaves(cell, batch, dtype=dtype)
        wrt = [x for x in (*xs, *cell.parameters()) if x.requires_grad]
        plain, fast = (program.run(cell, *xs, valid=valid, compiled=compiled) for compiled in (False, True))
        seed = np.random.default_rng(1).normal(size=plain.shape).astype(dtype)
        for a, b in zip([plain.numpy(), *vjp(plain, wrt, seed)], [fast.numpy(), *vjp(fast, wrt, seed)], strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=near, atol=near * max(1, np.abs(a).max()))


@every_cell
def test_numba_is_given_every_cell_that_works_number_by_number(kind, settings):
    graph, other = (compile.program_of(kind(n, 2 * n, **settings)).sequence.graph for n in (3, 7))
    if kind in (Normed, Heads):
        with pytest.raises(compile.CannotCompile, match="not done number by number"):
            Kernel(graph, back=False)
        return
    for back in (False, True):
        assert Kernel(graph, back).text == Kernel(other, back).text, "no size stands in it"


@every_cell
@pytest.mark.parametrize("valid", VALID, ids=["all", "lengths", "gaps"])
def test_a_sequence_equals_the_steps(kind, settings, valid):
    cell = made(kind, settings)
    program = compile.program_of(cell)
    x, *state = leaves(cell)
    y, ours = by_step(cell, x, state, valid), program.run(cell, x, *state, valid=valid)
    np.testing.assert_allclose(ours.numpy(), y.numpy(), atol=1e-12)
    seed = np.random.default_rng(5).normal(size=y.shape)
    wanted = [x, *state, *(p for p in cell.parameters() if p.requires_grad)]
    expected, got = grad(y, wanted, seed, allow_unused=True), grad(ours, wanted, seed)
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_allclose(other.numpy(), 0 if one is None else one.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.PeepholeLSTMCell, *OWN])
def test_more_steps_than_fit_into_a_block(kind):
    cell = made(kind, {})
    x, *state = leaves(cell, batch=300, steps=130)  # 65,536 / 1,200 = 54 steps a block
    valid = np.random.default_rng(6).random((300, 130)) > 0.2
    ours, y = compile.program_of(cell).run(cell, x, *state, valid=valid), by_step(cell, x, state, valid)
    for one, other in zip(grad(y.sum(), [x, *state]), grad(ours.sum(), [x, *state]), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), atol=1e-10)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(kind, settings, dtype):
    cell = made(kind, settings, dtype)
    x, *state = leaves(cell, dtype=dtype)
    y, ours = by_step(cell, x, state, None), compile.program_of(cell).run(cell, x, *state, valid=None)
    assert ours.dtype == dtype
    near = 1e-12 if dtype is np.float64 else 2e-5
    np.testing.assert_allclose(ours.numpy(), y.numpy(), atol=near)
    for one, other in zip(grad(y.sum(), cell.parameters()[:1]), grad(ours.sum(), cell.parameters()[:1]), strict=True):
        assert other.dtype == dtype
        np.testing.assert_allclose(other.numpy(), one.numpy(), atol=near * 10)


@pytest.mark.parametrize("which", ["x", "state", "parameters"])
@pytest.mark.parametrize("kind", [nn.PeepholeLSTMCell, MinimalGated])
def test_mixed_dtypes(kind, which):
    cell = made(kind, {}, np.float64 if which == "parameters" else np.float32)
    x, *state = leaves(cell, dtype=np.float32)
    x = x.astype(np.float64) if which == "x" else x
    state = [s.astype(np.float64) for s in state] if which == "state" else state
    ours = compile.program_of(cell).run(cell, x, *state, valid=None)
    np.testing.assert_allclose(ours.numpy(), by_step(cell, x, state, None).numpy(), atol=1e-5)
    (dx,) = grad(ours.sum(), x)
    assert dx.dtype == x.dtype


@pytest.mark.parametrize("two_ways", [False, True])
@pytest.mark.parametrize("lengths", [None, [6, 2, 4]])
@pytest.mark.parametrize("cell", [nn.PeepholeLSTMCell, nn.CoupledLSTMCell, MinimalGated, Columns])
def test_layers_of_any_cell_run_fused(cell, lengths, two_ways):
    net = nn.Recurrent(3, 4, cell=cell, num_layers=2, bidirectional=two_ways, rng=0).astype(np.float64)
    assert net.fusable
    x, found = np.random.default_rng(1).normal(size=(3, 6, 3)), []
    for fused in (False, True):
        net.fused = fused
        start = net(x).last
        out = net(x, start if isinstance(start, tuple) else (start,), lengths=lengths)
        found.append([out.h, *out.last, *grad(out.h.sum() + out.last.h.sum(), net.parameters())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), atol=1e-12)


def test_an_array_of_the_cells_own_is_a_tensor():
    class Masked(Holds):
        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.mask = Tensor(self.mask)

    net = nn.Recurrent(2, 3, cell=Masked, rng=0, fused=True)
    x = np.random.default_rng(0).normal(size=(2, 4, 2)).astype(np.float32)
    fused = net(x).h.numpy()
    net.fused = False
    np.testing.assert_allclose(fused, net(x).h.numpy(), atol=1e-6)


def test_second_order_takes_the_cell_itself():
    net = nn.Recurrent(2, 3, cell=MinimalGated, rng=0, fused=True).astype(np.float64)
    x = Tensor(np.random.default_rng(0).normal(size=(2, 4, 2)), requires_grad=True)
    seconds = []
    for fused in (True, False):
        net.fused = fused
        (dx,) = grad((net(x).h ** 2).sum(), x, create_graph=True)
        seconds.append(grad((dx**2).sum(), [x, *net.parameters()]))
    for one, other in zip(*seconds, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-12)


@every_cell
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_text_is_to_be_read(kind, settings, lang):
    cell = made(kind, settings)
    text = tl.source(cell, sequence=True, lang=lang)
    assert not re.search(r"\bv\d+\b", text), "names, not numbers"
    words = " ".join(text.split())
    assert all(one.__name__.replace("_", " ") in words for one in PASSES), "the passes are named"
    assert max(map(len, text.splitlines())) <= 135
    space = {}
    exec(text, space)
    assert space["forward"].__doc__ and space["backward"].__doc__
    if lang == "en":
        assert text == compile.program_of(cell).text, "what is shown is what runs"


@pytest.mark.parametrize("hidden", [11, 13, 22, 29, 31])
def test_a_layer_may_have_as_many_units_as_the_recorded_batch_has_rows(hidden):
    net = nn.LSTM(hidden, hidden, fused=True, rng=0)
    x = np.random.default_rng(0).normal(size=(hidden, 2, hidden)).astype(np.float32)
    fused = net(x).h.numpy()
    net.fused = False
    np.testing.assert_allclose(fused, net(x).h.numpy(), atol=1e-6)
    assert tl.source(net) == tl.source(net, lang="en")


def test_a_profiler_goes_on_while_a_cell_is_recorded():
    with Profile() as profile:
        tl.source(nn.RNNCell(2, 3), sequence=True)
        sorted([3, 1, 2])
    profile.create_stats()
    assert any("sorted" in name for _, _, name in profile.stats)


# — passes ————————————————————————————————————————————————————————————————————————————————————————————————


def after(cell, n):
    """The graph of a cell after the first n passes."""
    v, step = Values(), record(cell, 11)
    _, outs = graph_of(step, v)
    for one in PASSES[:n]:
        outs = one(v, outs)
    return in_order(outs)


def ops_in(nodes, stage):
    return [node.op for node in nodes if node.stage == stage and node.inputs and not node.columns]


def test_what_does_not_depend_on_the_state_leaves_the_loop():
    before, split = after(nn.LSTMCell(N, H), 0), after(nn.LSTMCell(N, H), 1)
    assert "matmul" not in ops_in(before, AHEAD) and ops_in(before, LOOP).count("concat") == 1
    assert ops_in(split, AHEAD).count("matmul") == 4 and "concat" not in ops_in(split, LOOP)


def test_products_with_one_left_factor_become_one():
    nodes = after(nn.LSTMCell(N, H), 3)
    assert ops_in(nodes, LOOP).count("matmul") == ops_in(nodes, AHEAD).count("matmul") == 1
    assert ops_in(nodes, ONCE).count("concat") == 2


def test_neighbouring_columns_become_one_op():
    before, nodes = after(nn.LSTMCell(N, H), 4), after(nn.LSTMCell(N, H), 5)
    assert ops_in(before, LOOP).count("sigmoid") == 3 and ops_in(nodes, LOOP).count("sigmoid") == 1
    assert ops_in(before, LOOP).count("add") == 5 and ops_in(nodes, LOOP).count("add") == 2


def test_gradients_of_parameters_are_one_product_behind_the_loop():
    text = tl.source(nn.PeepholeLSTMCell(N, H), sequence=True)
    loop = text.split("for end in range(T, 0, -size):")[1].split("\n    d", 1)[0]
    assert "dW" not in loop and "db" not in loop and loop.count("np.matmul") == 1
    assert text.count("reshape(-1, 4).T @ ") == 1 and "sum(axis=(0, 1))" in text


# — refusals ————————————————————————————————————————————————————————————————————————————————————————————————


class Random(nn.Cell):
    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        self.W = self.weight("W")

    def step(self, x, state):
        h = tanh(concat(state.h, x) @ self.W)
        return nn.Step(h=h * Tensor(np.random.default_rng(0).random(h.shape).astype(np.float32)))


class Counts(Random):
    k = 0

    def step(self, x, state):
        self.k += 1
        return nn.Step(h=tanh(concat(state.h, x) @ self.W) / self.k)


class Branches(Random):
    def step(self, x, state):
        h = tanh(concat(state.h, x) @ self.W)
        return nn.Step(h=h if h.numpy().mean() > 0 else -h)


class Compares(Random):
    def step(self, x, state):
        h = tanh(concat(state.h, x) @ self.W)
        return nn.Step(h=h * (h > 0).astype(np.float32))


class Holds(Random):
    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        self.mask = np.linspace(0, 1, self.hidden_size, dtype=np.float32)

    def step(self, x, state):
        return nn.Step(h=tanh(concat(state.h, x) @ self.W) * self.mask)


class Waits(Random):
    """x stands in an op of the loop whose gradient cannot be summed over all steps at once."""

    def step(self, x, state):
        return nn.Step(h=tanh(concat(state.h, x)[:, : self.hidden_size]))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Random, r"test_sequence\.py, line \d+: return nn.Step\(h=h \* Tensor"), (Counts, "may neither count"),
        (Branches, r"\.numpy\(\).*line \d+"), (Compares, r"__gt__.*line \d+"),
        (Holds, r"that the cell holds and not a Tensor \(test_sequence\.py, line \d+"),
        (Waits, "concat of what does not depend on the state stands in the loop"),
    ],
)  # fmt: skip
def test_what_cannot_be_compiled_says_which_line(kind, words):
    for make in (lambda: nn.Recurrent(N, H, cell=kind, fused=True), lambda: tl.source(kind(N, H), sequence=True)):
        with pytest.raises(ValueError, match=words):
            make()
    assert not nn.Recurrent(N, H, cell=kind).fusable


# — cost ————————————————————————————————————————————————————————————————————————————————————————————————————


def test_it_is_compiled_once_for_each_class_and_setting():
    first = compile.program_of(made(MinimalGated, {}))
    assert compile.program_of(made(MinimalGated, {})) is first
    assert compile.program_of(MinimalGated(N, H + 1)) is not first
    relu_net, tanh_net = (compile.program_of(nn.RNNCell(N, H, activation=name)) for name in ("relu", "tanh"))
    assert relu_net is not tanh_net


def test_what_a_cell_holds_does_not_compile_it_anew():
    class Lists(MinimalGated):
        def __init__(self, *sizes, factors=(1.0, 2.0), wide=False, **settings):
            super().__init__(*sizes, **settings)
            self.factors, self.table, self.mask = list(factors), {"a": [1]}, np.ones(2)
            self.g = Tensor(np.ones((1, H) if wide else H), requires_grad=True, dtype=np.float32)

        def step(self, x, state):
            step = super().step(x, state)
            return nn.Step(h=(step.h * self.factors[0] * self.g).named("h"))

    program = compile.program_of(Lists(N, H))
    assert compile.program_of(Lists(N, H)) is program
    assert compile.program_of(Lists(N, H, factors=(3.0, 2.0))) is not program
    assert compile.program_of(Lists(N, H, wide=True)) is not program, "a program is one for shapes"
    assert compile.program_of(Normed(N, H)) is compile.program_of(Normed(N, H)), "modules are settings, too"


def test_many_threads_share_it():
    cells = [made(cell, {}) for cell in (ThreeStates, Normed)]

    def work(k):
        cell = cells[k % 2]
        x, *state = leaves(cell)
        return grad(compile.program_of(cell).run(cell, x, *state, valid=None).sum(), x)[0].numpy()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(40)))
    assert all((one == other).all() for k, one in enumerate(results) for other in [results[k % 2]])


def test_compiling_an_lstm_is_quick():
    start = time.process_time()
    for _ in range(3):
        compile.Program(made(nn.LSTMCell, {}))
    assert (time.process_time() - start) / 3 < 0.25  # 0.02 s here; the benchmark measures it


def test_random_cells():
    """Cells put together at random from what cells are made of."""
    made_of = [
        lambda a, b: a * b, lambda a, b: a + b, lambda a, b: sigmoid(a) * b, lambda a, b: tanh(a) + relu(b),
        lambda a, b: a - 0.5 * b, lambda a, b: a / (2 + b * b), lambda a, b: (1 - sigmoid(b)) * a,
        lambda a, b: concat(a[:, :2], b[:, 2:]), lambda a, b: concat(a, b)[:, 2:6], lambda a, b: a.detach() + b,
        lambda a, b: sigmoid(concat(a, b))[:, H:] * tanh(a), lambda a, b: a * b.mean(axis=-1, keepdims=True),
    ]  # fmt: skip
    refused = 0
    for seed in range(60):
        choice = np.random.default_rng(seed)
        picks = [(made_of[choice.integers(len(made_of))], choice.integers(0, 9, size=2)) for _ in range(6)]

        class Drawn(nn.Cell):
            State = nn.LSTMState

            def __init__(self, *sizes, **settings):
                super().__init__(*sizes, **settings)
                self.W, self.V, self.b, self.p = self.weight("W"), self.weight("V"), self.bias("b"), self.bias("p", 0.2)
                self.U = Tensor(np.zeros((H, 3 * H)), requires_grad=True, dtype=np.float32)

            def step(self, x, state, picks=picks, seed=seed):
                hx, wide = concat(state.h, x), state.h @ self.U
                values = [hx @ self.W + self.b, hx @ self.V, state.C, state.h, state.C * self.p, tanh(hx @ self.W)]
                values += [sigmoid(wide[:, :H]), sigmoid(wide[:, H : 2 * H]), tanh(wide[:, 2 * H :])]
                for f, (a, b) in picks:
                    values.append(f(values[a], values[b + len(values) - 9]))
                C = 0.5 * state.C + values[-2] * 0.1
                return nn.Step(h=tanh(values[-1] + 0.1 * C).named("h"), C=C.detach() if seed % 5 == 0 else C.named("C"))

        cell = made(Drawn, {})
        x, *state = leaves(cell)
        try:
            program = compile.Program(cell)
        except compile.CannotCompile:  # what is computed of a detached value alone
            refused += 1
            continue
        y, ours = by_step(cell, x, state, VALID[1]), program.run(cell, x, *state, valid=VALID[1])
        wanted = [x, *state, *cell.parameters()]
        pairs = zip(grad(y.sum(), wanted, allow_unused=True), grad(ours.sum(), wanted), strict=True)
        for one, other in itertools.chain([(y, ours)], pairs):
            np.testing.assert_allclose(other.numpy(), 0 if one is None else one.numpy(), atol=1e-10, err_msg=str(seed))
    assert refused <= 6

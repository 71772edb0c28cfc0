"""A fused op is a twin: in everything it does it equals the composed cell."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, compile, concat, nn, tanh
from tinygrad_lstm.compile.shared_work import shared
from tinygrad_lstm.compile.threads import Later, in_threads
from tinygrad_lstm.engine import vjp
from tinygrad_lstm.testing import gradcheck

CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.PeepholeLSTMCell]
every_cell = pytest.mark.parametrize("kind", CELLS, ids=lambda cell: cell.__name__)
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason='compiled steps need numba: pip install ".[fast]"')
needs_threads = pytest.mark.skipif(sys.platform == "emscripten", reason="a browser has no threads")
both_ways = pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_numba)], ids=["numpy", "numba"])
CASES = [(2, 5, 3, 4, None), (3, 4, 2, 3, [4, 1, 2]), (1, 1, 1, 1, None), (2, 1, 3, 2, None), (1, 40, 2, 5, None)]


def inputs(kind, batch, time, features, hidden, dtype=np.float64, seed=0):
    """A cell, and x, the initial state and its parameters, in the order of the op."""
    rng, cell = np.random.default_rng(seed), kind(features, hidden, rng=0)
    shapes = [(batch, time, features), *[(batch, hidden)] * len(cell.State._fields)]
    shapes += [p.shape for p in cell.parameters()]
    return cell, [Tensor((rng.normal(size=n) * 0.6).astype(dtype), requires_grad=True) for n in shapes]


def at_once(cell, xs, valid=None, compiled=False, kept=None):
    kept = {} if kept is None else kept
    return compile.program_of(cell).op(*xs, cell=cell, valid=valid, compiled=compiled, kept=kept)


def mask(time, lengths):
    return None if lengths is None else np.arange(time) < np.array(lengths)[:, None]


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-13), (np.float32, 2e-5)])
@pytest.mark.parametrize(("batch", "time", "features", "hidden", "lengths"), CASES)
@both_ways
@every_cell
def test_values_and_all_gradients_equal_the_twins(kind, compiled, batch, time, features, hidden, lengths, dtype, near):
    (cell, xs), valid = inputs(kind, batch, time, features, hidden, dtype), mask(time, lengths)
    y, twin = at_once(cell, xs, valid, compiled), cell.twin(xs, valid)
    assert y.dtype == dtype and y.shape == (2, batch, time, hidden)[len(cell.State._fields) == 1 :]
    np.testing.assert_allclose(y.numpy(), twin.numpy(), rtol=near, atol=near)
    seed = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    for got, expected in zip(vjp(y, xs, seed), vjp(twin, xs, seed), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=near, atol=near * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("doubles", ["x", "state", "weights"])
@both_ways
@every_cell
def test_mixed_dtypes_give_what_the_twin_gives(kind, compiled, doubles):
    cell, xs = inputs(kind, 2, 4, 3, 5)
    roles = ["x", *["state"] * len(cell.State._fields)] + ["weights"] * len(cell.parameters())
    xs = [
        Tensor(x.numpy(), requires_grad=True, dtype=np.float64 if role == doubles else np.float32)
        for role, x in zip(roles, xs, strict=True)
    ]
    y, twin = at_once(cell, xs, compiled=compiled), cell.twin(xs, None)
    assert y.dtype == twin.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), twin.numpy(), rtol=1e-6, atol=1e-6)
    seed = np.ones(y.shape)
    for x, got, expected in zip(xs, vjp(y, xs, seed), vjp(twin, xs, seed), strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@every_cell
def test_differences_agree_to_second_order(kind):
    cell, xs = inputs(kind, 2, 2, 1, 2)
    assert gradcheck(lambda *xs: at_once(cell, xs, mask(2, [2, 1])), xs)


@both_ways
@every_cell
def test_what_was_kept_of_another_call_is_not_used(kind, compiled):
    kept = {}
    (cell, xs), (_, others) = inputs(kind, 2, 3, 2, 2), inputs(kind, 2, 3, 2, 2, seed=5)
    y = at_once(cell, xs, compiled=compiled, kept=kept)
    at_once(cell, others, compiled=compiled, kept=kept)
    seed = np.ones(y.shape)
    for got, expected in zip(vjp(y, xs, seed), vjp(cell.twin(xs, None), xs, seed), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("fused", [True, pytest.param("numba", marks=needs_numba)], ids=["numpy", "numba"])
@pytest.mark.parametrize("lengths", [None, [5, 2, 3]], ids=["full", "padded"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_fused_layer_equals_the_same_layer_step_by_step(layer, layers, bidirectional, lengths, fused):
    rng = np.random.default_rng(0)
    net = layer(3, 4, num_layers=layers, bidirectional=bidirectional, fused=fused, rng=rng).astype(np.float64)
    x = Tensor(rng.normal(size=(3, 5, 3)), requires_grad=True)
    weights = rng.normal(size=(3, 5, 4 * (1 + bidirectional)))

    def everything():
        out = net(x, lengths=lengths)
        loss = (out.h * weights).sum() + (out.last.h * out.last[-1]).sum()
        if layer is nn.LSTM:
            loss = loss + (out.C * out.C).sum()
        grads = tl.grad(loss, [x, *net.parameters()])
        return [t.numpy() for t in (*grads, out.h, *out.last, *out.as_keras(True, True))]

    at_once = everything()
    with nn.unfused(net):
        by_steps = everything()
    assert net.fused == fused
    for got, expected in zip(at_once, by_steps, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_a_state_is_carried_and_traced():
    lstm = nn.LSTM(2, 3, fused=True, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 6, 2)).astype(np.float32)
    whole = lstm(x).last
    halves = lstm(x[:, 3:], lstm(x[:, :3]).last.detach()).last
    np.testing.assert_allclose(whole.C.numpy(), halves.C.numpy(), rtol=1e-5, atol=1e-6)
    lstm(x).h.sum().backward()
    assert all(p.grad is not None for p in lstm.parameters())


def test_a_fused_layer_says_what_it_cannot_do():
    lstm = nn.LSTM(2, 3, fused=True)
    out = lstm(np.zeros((1, 2, 2), np.float32))
    assert "fused" in repr(out)
    with pytest.raises(AttributeError, match=r"set layer\.fused = False"):
        _ = out.steps


@needs_numba
def test_what_numba_cannot_do_is_refused_and_changes_nothing():
    class Mean(nn.Cell):
        def __init__(self, input_size, hidden_size, **settings):
            super().__init__(input_size, hidden_size, **settings)
            self.W = self.weight("W")

        def step(self, x, state):
            a = tl.tanh(tl.concat(state.h, x) @ self.W)
            return nn.Step(h=a - a.mean(axis=1, keepdims=True))

    net = nn.Recurrent(2, 3, cell=Mean, fused=True)
    with pytest.raises(ValueError, match=r"np\.mean.*not done number by number\. fused=True can run it"):
        net.fused = "numba"
    assert net.fused is True


def test_fused_takes_three_values_and_says_what_is_missing(monkeypatch):
    with pytest.raises(ValueError, match="fused must be False, True or \"numba\", not 'numpy'"):
        nn.LSTM(2, 3, fused="numpy")
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("numba_loops", "tiles_numba", "numba_cache"):
        monkeypatch.delitem(sys.modules, f"tinygrad_lstm.compile.{name}", raising=False)
        monkeypatch.delattr(compile, name, raising=False)
    monkeypatch.setattr("tinygrad_lstm.compile.program._programs", {})
    with pytest.raises(ImportError, match=r'need numba: pip install "tinygrad-lstm\[fast\]"'):
        nn.LSTM(2, 3, fused="numba")


@both_ways
@every_cell
def test_a_value_that_is_no_number_is_seen_in_the_result(kind, compiled):
    cell, xs = inputs(kind, 2, 3, 2, 2, np.float32)
    array = xs[0].numpy().copy()
    array[0, 1] = np.nan
    y = at_once(cell, [Tensor(array), *xs[1:]], compiled=compiled).numpy().reshape(-1, 2, 3, 2)[0]
    assert np.isnan(y[0, 1:]).all() and np.isfinite(y[0, 0]).all() and np.isfinite(y[1]).all()


@needs_numba
def test_compiled_threads_are_those_of_the_environment_and_know_its_settings(monkeypatch):
    seen = []

    def watched(run, parts):
        def seeing(rows):
            seen.append((rows.stop - rows.start, np.geterr()["over"]))
            return run(rows)

        return in_threads(seeing, parts)

    monkeypatch.setattr("tinygrad_lstm.compile.numba_loops.in_threads", watched)
    net, x = nn.RNN(2, 3, fused="numba", rng=0), np.ones((64, 2, 2), np.float32)
    found = []
    for wanted, rows in (("1", [64]), ("2", [32, 32])):
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        monkeypatch.setattr("os.sched_getaffinity", lambda process: range(2), raising=False)
        with np.errstate(over="raise"):
            found.append(net(x).h.numpy())
        assert sorted(seen) == sorted((n, "raise") for n in rows)
        seen.clear()
    np.testing.assert_array_equal(*found)


@needs_threads
@pytest.mark.parametrize("m, k, n", [(40, 700, 300), (700, 40, 300), (40, 300, 700), (2, 3, 4)])
def test_what_threads_do_later_is_what_numpy_does_at_once(monkeypatch, m, k, n):
    monkeypatch.setattr("tinygrad_lstm.compile.threads.threads", lambda: 3)
    rng, later = np.random.default_rng(0), Later()
    a, b, x = rng.normal(size=(m, k)), rng.normal(size=(k, n)), rng.normal(size=(m, k, n // 4))
    product, total = later.product(a, b), later.total(x)
    later.finish()
    np.testing.assert_allclose(product, a @ b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total, x.sum(axis=(0, 1)), rtol=1e-12, atol=1e-12)


def test_results_of_threads_are_waited_for_before_they_are_read():
    lines = ["C = A @ B @ A", "D = np.zeros((1, 2))", "D += C @ A", "E = C[0]", "return D, E"]
    lines = shared("def forward(A, B):\n    " + "\n    ".join(lines))
    made, calls = {"A": 2.0, "B": 3.0, "np": np}, []

    class Slow:
        def product(self, a, b):
            y = np.full((1, 1), np.nan)
            calls.append((y, a, b))
            return y

        def finish(self):
            for y, a, b in calls:
                y[...] = a * b
            calls.clear()

    made["Later"] = Slow
    exec(lines, made)
    D, E = made["forward"](2.0, 3.0)
    assert (D.tolist(), E.tolist()) == ([[24.0, 24.0]], [12.0])


@needs_numba
def test_loops_are_compiled_before_threads_begin():
    from tinygrad_lstm.compile.numba_loops import _given

    calls, x = [], np.zeros((2, 64, 3), np.float32)
    loop = _given(lambda first, last, over, x: calls.append((first, last)))
    for _ in range(2):
        loop(64, np.empty((0, 0), bool), np.dtype(np.float32), x)
    assert calls[0] == (0, 0) and calls.count((0, 0)) == 1 and {last for _, last in calls} >= {64}


@needs_numba
@pytest.mark.parametrize("first, last", [(0, 1), (2, 3), (1, 4), (0, 15), (7, 7)])
@pytest.mark.parametrize("columns", [5, 32, 160])
def test_tiles_multiply_some_rows_and_leave_the_others(first, last, columns):
    from tinygrad_lstm.compile.tiles_numba import matrix_product, packed

    rng = np.random.default_rng(0)
    left, W = rng.normal(size=(15, 9)), rng.normal(size=(7, columns))
    for added in (False, True):
        out = rng.normal(size=(15, columns + 3))
        expected = out.copy()
        expected[first:last, 3:] = added * expected[first:last, 3:] + left[first:last, 2:] @ W
        matrix_product(left, 2, packed(W), out, 3, columns, added, first, last)
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


@needs_numba
def test_the_benchmark_of_products_multiplies(monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parent / "benchmarks")
    products = import_module("products")
    monkeypatch.setattr(products, "ROUNDS", 1)
    monkeypatch.setattr(products, "MULTIPLICATIONS", 1)
    products.main()
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(products.SIZES)


@needs_threads
def test_an_error_in_a_thread_is_raised_when_all_have_ended():
    ended = []

    def run(part):
        try:
            if part != "b":
                raise ZeroDivisionError(part)
        finally:
            ended.append(part)

    with pytest.raises(ZeroDivisionError, match="a"):
        in_threads(run, ["a", "b", "c"])
    assert sorted(ended) == ["a", "b", "c"]
    with pytest.raises(ZeroDivisionError, match="c"):
        in_threads(run, ["b", "b", "c"])


class LooksTwice(nn.Cell):
    """x goes through two products, one after the other."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.of_x = nn.Linear(input_size, input_size, bias=False, rng=self._rng)
        self.W, self.b = self.weight("W"), self.bias("b")

    def step(self, x, state):
        return nn.Step(h=tanh(concat(state.h, self.of_x(x)) @ self.W + self.b).named("h"))


class Tied(nn.Cell):
    """One matrix in two products, whose shares are added up."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W, self.V, self.b = self.weight("W"), self.weight("V"), self.bias("b")

    def step(self, x, state):
        h, n = state.h, self.hidden_size
        a = tanh(concat(h, x) @ self.W)
        return nn.Step(h=tanh(a @ self.W[:n] + h @ self.V[:n] + tl.sigmoid(h @ self.V[:n] * 0.5) + self.b).named("h"))


@needs_numba
def test_what_threads_do_later_is_added_up_when_it_is_there(monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.compile.threads.LARGE", 1)
    own = {name: getattr(np, name) for name in ("matmul", "add", "sum", "result_type")}  # np itself is numba's, too
    own["empty"] = lambda shape, dtype: np.full(shape, 9.0, dtype)
    monkeypatch.setattr("tinygrad_lstm.compile.threads.np", SimpleNamespace(**own))
    x, found = np.random.default_rng(1).normal(size=(4, 10, 5)), []
    for fused in (False, "numba"):
        net = nn.Recurrent(5, 6, cell=Tied, fused=fused, rng=0).astype(np.float64)
        found.append([g.numpy() for g in tl.grad((net(x).h ** 2).sum(), net.parameters())])
    for plain, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-9)


@needs_numba
def test_what_threads_do_later_is_done_before_the_next_product_needs_it(monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.compile.threads.threads", lambda: 2)
    x = np.random.default_rng(1).normal(size=(32, 40, 50))
    found = []
    for fused in (False, "numba"):
        net = nn.Recurrent(50, 60, cell=LooksTwice, fused=fused, rng=0).astype(np.float64)
        found.append([g.numpy() for g in tl.grad((net(x).h ** 2).sum(), net.parameters())])
    for plain, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-9)


def test_dropout_between_fused_layers():
    lstm = nn.LSTM(2, 8, num_layers=2, dropout=0.5, fused=True, rng=np.random.default_rng(0))
    x = np.ones((1, 4, 2), np.float32)
    assert (lstm(x).h.numpy() != lstm(x).h.numpy()).any()
    lstm.eval()
    np.testing.assert_array_equal(lstm(x).h.numpy(), lstm(x).h.numpy())


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_the_arrays_of_a_run_serve_again_only_when_its_result_is_gone(layer):
    rng = np.random.default_rng(0)
    net, xs = layer(2, 3, fused=True, rng=rng), [rng.normal(size=(2, 4, 2)).astype(np.float32) for _ in range(2)]
    cell = net.cells[0][0]

    def gradient(y):
        return [g.numpy() for g in tl.grad((y * y).sum(), net.parameters())]

    alone = [gradient(net(x).h) for x in xs]
    both = [net(x).h for x in xs]  # the second must not write over what the first still needs
    for y, expected in zip(both, alone, strict=True):
        for got, wanted in zip(gradient(y), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    del both, y
    arrays = compile.program_of(cell)._idle[cell][0]["arrays"]
    net(xs[0]).h.sum().backward()
    assert compile.program_of(cell)._idle[cell][0]["arrays"] is arrays
    held = net(xs[0])
    net(xs[1])
    assert compile.program_of(cell)._idle[cell][0]["arrays"] is not arrays
    assert held.h.shape == (2, 4, 3)

"""The trace and the ledger, against the engine and against formulas written out in NumPy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn

CELLS = {
    "lstm": nn.LSTM,
    "peephole": partial(nn.LSTM, cell=nn.PeepholeLSTMCell),
    "coupled": partial(nn.LSTM, cell=nn.CoupledLSTMCell),
    "no forget": partial(nn.LSTM, cell=nn.NoForgetLSTMCell),
    "gru": nn.GRU,
    "gru before": partial(nn.GRU, reset_after=False),
    "rnn": nn.RNN,
}
T, BATCH, HIDDEN = 6, 3, 4


def net(make, rng, **settings):
    module = make(2, HIDDEN, rng=rng, **settings).astype(np.float64)
    for p in module.parameters():
        p.data = rng.normal(size=p.shape) * 0.8
    return module


def run(make, *, lengths=None, seed=0, **settings):
    rng = np.random.default_rng(seed)
    module = net(make, rng, **settings)
    out = module(rng.normal(size=(BATCH, T, 2)), lengths=lengths)
    readout = rng.normal(size=out.h.shape)
    loss = (out.h * readout).sum() + (out.last.h * out.last.h).sum()
    return module, out, readout, tl.trace(loss)


# — trace ————————————————————————————————————————————————————————————————————————————————————————————————


def test_trace_agrees_with_backward_and_touches_no_grad():
    module, _, _, trace = run(nn.LSTM)
    assert all(p.grad is None for p in module.parameters())
    trace.root.backward()
    for p in module.parameters():
        np.testing.assert_array_equal(trace.grad(p), p.grad)


def test_shares_into_a_tensor_add_up_to_its_gradient():
    x = Tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True, dtype=np.float64)
    trace = tl.trace((x * x + x[0] + x.tanh() @ x).sum())
    for tensor in trace.tensors:
        into = [edge.share for edge in trace.edges if edge.x is tensor and edge.share is not None]
        if into:
            np.testing.assert_allclose(sum(into), trace.grad(tensor), rtol=1e-13, atol=1e-15)


def test_a_tensor_used_twice_by_one_op_has_two_edges():
    a = Tensor([1.5], requires_grad=True)
    y = a + a
    trace = tl.trace(y)
    assert [edge.share.tolist() for edge in trace.inputs(y)] == [[1.0], [1.0]]
    assert trace.share(a, y).tolist() == [2.0]


def test_what_was_never_computed_is_none_not_zero():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0])
    y = a * b
    trace = tl.trace(y)
    assert trace.grad(b) is None
    assert [edge.share is None for edge in trace.inputs(y)] == [False, True]
    with pytest.raises(LookupError, match="no gradient flows"):
        trace.share(b, y)


def test_a_trace_outlives_the_history():
    _, _, _, trace = run(nn.LSTM)
    before = trace.flow("C").norm
    edges = len(trace.edges)
    trace.root.backward()
    assert len(trace.edges) == edges
    np.testing.assert_array_equal(trace.flow("C").norm, before)


def test_the_norm_of_a_slices_share_needs_no_full_array():
    x = Tensor(np.ones((1000, 3)), requires_grad=True)
    trace = tl.trace(x[7].sum() + x[[1, 1]].sum())
    norms = sorted(edge.norm for edge in trace.edges if edge.x is x)
    np.testing.assert_allclose(norms, [np.sqrt(3), np.sqrt(12)], rtol=1e-6)


# — the ledger ———————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("lengths", [None, [6, 2, 4]], ids=["full", "padded"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_terms_add_up_to_the_gradient(cell, lengths):
    _, _, _, trace = run(CELLS[cell], lengths=lengths)
    for name in ("h",) if cell.startswith(("gru", "rnn")) else ("C", "h"):
        flow = trace.flow(name)
        for t in range(1, T + 1):
            expected = trace.grad(flow.states[t - 1])
            terms = flow.ledger(t)
            assert set(terms) == {"highway" if flow.gates else "recurrence", "readout", *flow.gates}
            np.testing.assert_allclose(sum(terms.values()), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
            assert flow.norm[t - 1] == pytest.approx(np.linalg.norm(expected), rel=1e-14)


def test_each_term_of_an_lstm_equals_its_formula():
    """QUESTIONS 3 in NumPy: the six terms, from the forward values and the gradients at C_t and h_t alone."""
    module, out, readout, trace = run(nn.LSTM)
    cell = module.cells[0][0]
    flow = trace.flow("C")
    assert flow.gates == ["f", "i", "C̃", "o"]
    h_rows = {g: getattr(cell, f"W_{'C' if g == 'C̃' else g}").numpy()[:HIDDEN] for g in flow.gates}
    at = [{name: x.numpy() for name, x in vars(step).items()} for step in out.steps]
    zero = np.zeros((BATCH, HIDDEN))
    read = [readout[:, k] + (2 * at[k]["h"] if k == T - 1 else 0) for k in range(T)]
    dh, dC = read[T - 1], zero
    for k in reversed(range(T)):  # step t = k + 1
        v = at[k]
        before = at[k - 1] if k else {"C": zero, "o": None}
        tanh_C = np.tanh(v["C"])
        dC = dC + dh * v["o"] * (1 - tanh_C**2)
        np.testing.assert_allclose(trace.grad(out.steps[k].C), dC, rtol=1e-12, atol=1e-15)
        delta = {
            "f": dC * before["C"] * v["f"] * (1 - v["f"]),
            "i": dC * v["C_new"] * v["i"] * (1 - v["i"]),
            "C̃": dC * v["i"] * (1 - v["C_new"] ** 2),
            "o": dh * tanh_C * v["o"] * (1 - v["o"]),
        }
        B = before["o"] * (1 - np.tanh(before["C"]) ** 2) if k else zero
        expected = {g: B * (delta[g] @ h_rows[g].T) for g in flow.gates}
        expected |= {"highway": v["f"] * dC, "readout": B * read[k - 1] if k else zero}
        terms = flow.ledger(k + 1)
        for name, term in expected.items():
            np.testing.assert_allclose(terms[name], term, rtol=1e-11, atol=1e-14, err_msg=f"{name} at t={k + 1}")
        dh = (read[k - 1] if k else zero) + sum(delta[g] @ h_rows[g].T for g in flow.gates)
        dC = expected["highway"]


def test_the_pure_highway_is_the_product_of_the_forget_gates():
    _, out, _, trace = run(nn.LSTM)
    flow = trace.flow("C")
    path = trace.grad(out.steps[-1].C)
    expected = [np.linalg.norm(path)]
    for step in reversed(out.steps):
        path = path * step.f.numpy()
        expected.append(np.linalg.norm(path))
    np.testing.assert_allclose(flow.highway, expected[::-1], rtol=1e-13)


@pytest.mark.parametrize(("bias", "half_life"), [(1.0, 2.213), (3.0, 14.266), (5.0, 103.22)])
def test_half_life_of_constant_gates(bias, half_life):
    lstm = nn.LSTM(1, 2, forget_bias=bias, rng=np.random.default_rng(0)).astype(np.float64)
    for name, p in lstm.named_parameters():
        if "W_" in name:
            p.data = np.zeros(p.shape)
    flow = tl.trace(lstm(np.zeros((1, 100, 1))).last.C.sum()).flow("C")
    assert flow.half_life == pytest.approx(half_life, rel=1e-3)
    assert flow.highway[0] == pytest.approx(np.sqrt(2) / (1 + np.exp(-bias)) ** 100, rel=1e-10)


def test_a_highway_that_has_vanished_in_float32_still_has_a_length():
    lstm = nn.LSTM(1, 4, forget_bias=0.0, rng=np.random.default_rng(0))
    flow = tl.trace(lstm(np.zeros((1, 100, 1), np.float32)).last.C.sum()).flow("C")
    assert 0 < flow.highway[0] < 1e-25 and 0.9 < flow.half_life < 1.2


@pytest.mark.parametrize("lengths", [None, [6, 2, 4]], ids=["full", "padded"])
@pytest.mark.parametrize("cell", ["lstm", "peephole", "coupled", "no forget"])
def test_what_was_written_adds_up_to_the_cell_state(cell, lengths):
    _, out, _, trace = run(CELLS[cell], lengths=lengths)
    flow = trace.flow("C")
    written = flow.written()
    assert written.shape == (T, BATCH, HIDDEN)
    np.testing.assert_allclose(written.sum(0) + flow.carried(), out.last.C.numpy(), rtol=1e-13, atol=1e-14)
    if lengths:
        assert not written[2:, 1].any()  # the second row is over after two steps


def test_written_counts_an_initial_state():
    rng = np.random.default_rng(1)
    module = net(nn.LSTM, rng)
    start = (rng.normal(size=(1, HIDDEN)), rng.normal(size=(1, HIDDEN)))
    out = module(rng.normal(size=(1, T, 2)), start)
    flow = tl.trace(out.last.C.sum()).flow("C")
    kept = np.prod([step.f.numpy() for step in out.steps], axis=0)
    np.testing.assert_allclose(flow.carried(), kept * start[1], rtol=1e-13)
    assert flow.norm.shape == (T + 1,) and np.isfinite(flow.norm).all()


def test_a_state_that_takes_a_gradient_is_found_too():
    module = net(nn.LSTM, np.random.default_rng(2))
    start = nn.LSTMState(*(Tensor(np.ones((1, HIDDEN)), requires_grad=True) for _ in range(2)))
    trace = tl.trace(module(np.ones((1, 3, 2)), start).last.C.sum())
    assert trace.flow("C").norm[0] == pytest.approx(np.linalg.norm(trace.grad(start.C)), rel=1e-14)


def test_layers_are_told_apart():
    _, out, _, trace = run(nn.LSTM, num_layers=2, bidirectional=True)
    with pytest.raises(LookupError, match=r"4 recurrences.*lstm/layer 1/forward"):
        trace.flow("C")
    flow = trace.flow("C", "layer 2/backward")
    assert flow.place == "lstm/layer 2/backward"
    np.testing.assert_array_equal(flow.states[3].numpy(), out.layers[1][1].steps[2].C.numpy())


def test_a_layer_above_is_a_readout():
    _, _, _, trace = run(nn.LSTM, num_layers=2)
    flow = trace.flow("C", 1)
    for t in range(1, T + 1):
        np.testing.assert_allclose(sum(flow.ledger(t).values()), trace.grad(flow.states[t - 1]), rtol=1e-11, atol=1e-14)
    assert np.abs(flow.ledger(3)["readout"]).max() > 0


def test_wrong_questions_get_clear_errors():
    _, _, _, trace = run(nn.GRU)
    with pytest.raises(LookupError, match="0 recurrences with a state 'C'"):
        trace.flow("C")
    flow = trace.flow("h")
    with pytest.raises(LookupError, match="is not written"):
        flow.written()
    with pytest.raises(IndexError, match="t runs from 1 to 6"):
        flow.ledger(0)


def test_the_table_prints_the_ledger():
    _, out, _, trace = run(nn.LSTM)
    flow = trace.flow("C")
    lines = flow.table(["mary", "lost", "her", "keys", "and", "then"]).splitlines()
    assert " ".join(lines[0].split()) == "t read mean f |∂L/∂C| readout highway f i C̃ o written"
    assert float(lines[1].split()[-1]) == pytest.approx(flow.weights()[5], rel=0.01)
    assert lines[1].split()[3:5] == [f"{flow.norm[6]:.2e}", f"{flow.norm[6]:.2e}"]
    t, word, gate, total, _, highway, *_ = lines[2].split()
    assert float(gate) == pytest.approx(out.steps[4].f.numpy().mean(), abs=6e-4)
    assert (t, word) == ("5", "and")
    assert float(total) == pytest.approx(flow.norm[5], rel=0.01)
    assert float(highway) == pytest.approx(np.linalg.norm(flow.ledger(6)["highway"]), rel=0.01)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_every_number_of_the_table_is_one_of_the_ledger(name):
    _, _, _, trace = run(CELLS[name])
    flow = trace.flow("C" if name == "lstm" else "h")
    heads, *rows = [line.split() for line in flow.table([f"w{t}" for t in range(1, T + 1)]).splitlines()]
    columns = heads[heads.index("readout") :]
    assert [int(row[0]) for row in rows] == [*range(T, -1, -1)] and [row[1] for row in rows[:-1]] == [
        f"w{t}" for t in range(T, 0, -1)
    ]
    for row in rows[1:]:
        t = int(row[0])
        ledger = flow.ledger(t + 1)
        written = columns[-1] == "written"
        numbers = row[-len(columns) :] if t or not written else [*row[-len(columns) + 1 :], ""]
        for column, number in zip(columns, numbers, strict=True):
            if column != "written":
                assert number == f"{np.linalg.norm(ledger[column]):.2e}", (t, column)
            elif t:
                assert number == f"{flow.weights()[t - 1]:.2e}"


def test_the_ledger_of_a_cell_that_writes_alone():
    """C = C + i ∘ C̃ and h = C: no gate keeps, so the highway is the whole of what comes along C."""

    class Writer(nn.Cell):
        State = nn.LSTMState

        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.W_i, self.W_C = self.weight("W_i"), self.weight("W_C")

        def step(self, x, state):
            hx = tl.concat(state.h, x)
            i, C_new = tl.sigmoid(hx @ self.W_i).named("i"), tl.tanh(hx @ self.W_C).named("C̃")
            C = (state.C + i * C_new).named("C")
            return nn.Step(i=i, C_new=C_new, C=C, h=tl.tanh(C).named("h"))

    _, out, _, trace = run(partial(nn.Recurrent, cell=Writer))
    flow = trace.flow("C")
    assert set(flow.ledger(3)) == {"highway", "readout", "i", "C̃"}
    for t in range(1, T + 1):
        ledger = flow.ledger(t)
        np.testing.assert_allclose(ledger["highway"], trace.grad(out.steps[t - 1].C), rtol=1e-12)
        np.testing.assert_allclose(sum(ledger.values()), trace.grad(flow.states[t - 1]), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(flow.written()[2], out.steps[2].i.numpy() * out.steps[2].C_new.numpy(), rtol=1e-12)


def test_jacobian_of_a_product():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    np.testing.assert_array_equal(tl.jacobian(x @ matrix, x)[0, :, 0], matrix.T)


def test_the_gradient_of_a_single_number_that_was_broadcast_is_an_array():
    a = tl.Tensor(2.0, requires_grad=True)
    gradient = tl.trace((a * np.ones((2, 3), np.float32)).sum()).grad(a)
    assert type(gradient) is np.ndarray and gradient.shape == () and gradient == 6

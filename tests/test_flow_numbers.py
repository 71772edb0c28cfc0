"""Step Jacobians, gradients split by time, paths and clips: each against an independent computation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, optim
from tinygrad_lstm.flow.clips import clip_effect
from tinygrad_lstm.flow.paths import count_paths

BATCH, T, HIDDEN, IN = 2, 4, 3, 2
GATES = ("f", "i", "C", "o")


def make(cell=nn.LSTM, seed=0, **settings):
    rng = np.random.default_rng(seed)
    module = cell(IN, HIDDEN, rng=rng, **settings).astype(np.float64)
    for p in module.parameters():
        p.data = rng.normal(size=p.shape) * 0.8
    return module, rng.normal(size=(BATCH, T, IN)), rng.normal(size=(BATCH, T, HIDDEN))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(cell, x, state, weights=None):
    """One LSTM step in NumPy on [C ; h], with weights of its own where given."""
    C, h = np.split(state, 2, axis=-1)
    w = {g: getattr(cell, f"W_{g}").numpy() for g in GATES} | (weights or {})
    f, i, new, o = (np.concatenate([h, x], -1) @ w[g] + getattr(cell, f"b_{g}").numpy() for g in GATES)
    C = sigmoid(f) * C + sigmoid(i) * np.tanh(new)
    return np.concatenate([C, sigmoid(o) * np.tanh(C)], -1)


def differences(function, x, eps=1e-6):
    """d(function)/dx by central differences, of shape result + x."""
    columns = []
    for k in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[k] = eps
        columns.append((function(x + step) - function(x - step)) / (2 * eps))
    return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *x.shape)


# — Jacobians ————————————————————————————————————————————————————————————————————————————————————————————


def test_joint_step_jacobians_equal_differences():
    module, x, readout = make()
    out = module(x)
    jacobians = tl.trace((out.h * readout).sum()).flow("C").jacobians(joint=True)
    assert jacobians.names == ("C", "h") and jacobians.steps.shape == (T, BATCH, 2 * HIDDEN, 2 * HIDDEN)
    state = np.zeros((BATCH, 2 * HIDDEN))
    for t in range(T):
        for row in range(BATCH):
            expected = differences(lambda s, t=t, r=row: numpy_step(module.cells[0][0], x[r, t], s), state[row])
            np.testing.assert_allclose(jacobians.steps[t, row], expected, atol=1e-8)
        state = numpy_step(module.cells[0][0], x[:, t], state)


def test_the_jacobian_of_one_state_holds_the_other_fixed():
    module, x, readout = make()
    trace = tl.trace((module(x).h * readout).sum())
    joint = trace.flow("C").jacobians(joint=True).steps
    np.testing.assert_allclose(trace.flow("h").jacobians().steps, joint[..., HIDDEN:, HIDDEN:], rtol=1e-12)
    np.testing.assert_allclose(trace.flow("C").jacobians().steps, joint[..., :HIDDEN, :HIDDEN], rtol=1e-12)


def test_the_product_of_joint_steps_is_the_whole_derivative():
    module, x, _ = make()
    out = module(x[:1])
    product_of_all = tl.trace(out.last.h.sum()).flow("C").jacobians(joint=True).products
    k = 1  # C_1 and what h_1 makes of it: ∂h_T/∂C_1 = J_hC + J_hh · B_1
    o, C = out.steps[0].o.numpy()[0], out.steps[0].C.numpy()[0]
    J = product_of_all[T - k, 0]
    expected = J[HIDDEN:, :HIDDEN] + J[HIDDEN:, HIDDEN:] * (o * (1 - np.tanh(C) ** 2))
    whole = tl.jacobian(out.last.h, out.steps[0].C)[0, :, 0]
    np.testing.assert_allclose(whole, expected, rtol=1e-11)
    np.testing.assert_array_equal(product_of_all[0, 0], np.eye(2 * HIDDEN))


@pytest.mark.parametrize("rho", [0.9, 1.1])
def test_a_linear_rnn_has_exactly_rho_to_the_k(rho):
    module, x, _ = make(nn.RNN, activation="linear")
    cell = module.cells[0][0]
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(HIDDEN, HIDDEN)))
    cell.W_h.data = np.concatenate([rho * q, np.zeros((IN, HIDDEN))])
    jacobians = tl.trace(module(x).last.h.sum()).flow("h").jacobians()
    np.testing.assert_allclose(jacobians.singular_values, rho, rtol=1e-12)
    np.testing.assert_allclose(jacobians.spectral_radius, rho, rtol=1e-12)
    np.testing.assert_allclose(jacobians.norms, rho ** np.arange(T + 1)[:, None] * np.ones(BATCH), rtol=1e-12)
    np.testing.assert_allclose(jacobians.steps[0, 0], rho * q.T, rtol=1e-12)  # h_t = h_{t−1} · W


def test_the_spectral_radius_is_the_largest_eigenvalue_of_each_step_and_row():
    module, x, readout = make()
    jacobians = tl.trace((module(x).h * readout).sum()).flow("C").jacobians(joint=True)
    expected = [[max(abs(np.linalg.eigvals(J))) for J in rows] for rows in jacobians.steps]
    assert jacobians.spectral_radius.shape == (T, BATCH)
    np.testing.assert_allclose(jacobians.spectral_radius, expected, rtol=1e-12)
    np.testing.assert_allclose(jacobians.singular_values[..., 0], np.linalg.norm(jacobians.steps, 2, (-2, -1)))


def test_padded_rows_pass_a_step_unchanged_and_a_gru_has_one_state():
    module, x, readout = make(nn.GRU)
    trace = tl.trace((module(x, lengths=[T, 2]).h * readout).sum())
    steps = trace.flow("h").jacobians(joint=True).steps
    np.testing.assert_array_equal(steps[2:, 1], np.broadcast_to(np.eye(HIDDEN), (2, HIDDEN, HIDDEN)))
    assert not np.allclose(steps[2, 0], np.eye(HIDDEN))


def test_jacobians_need_every_state_to_be_reached():
    module, x, _ = make()
    with pytest.raises(LookupError, match=f"no gradient has reached h at step {T}"):
        tl.trace(module(x).last.C.sum()).flow("h").jacobians()


# — dL/dW by step and lag ————————————————————————————————————————————————————————————————————————————————


def losses_by_step(module, x, readout, name, weights):
    """(T,): what is read at each step, in NumPy, where each step uses a weight of its own."""
    state, read = np.zeros((BATCH, 2 * HIDDEN)), []
    for t in range(T):
        state = numpy_step(module.cells[0][0], x[:, t], state, {name: weights[t]})
        read.append((readout[:, t] * state[:, HIDDEN:]).sum() + (state[:, :HIDDEN] ** 2).sum())
    return np.array(read)


@pytest.mark.parametrize("name", ["f", "o"])
def test_a_weights_gradient_by_step_and_by_lag(name):
    module, x, readout = make()
    out = module(x)
    trace = tl.trace((out.h * readout).sum() + (out.C * out.C).sum())
    weight = getattr(module.cells[0][0], f"W_{name}")
    copies = np.stack([weight.numpy()] * T)
    table = differences(lambda w: losses_by_step(module, x, readout, name, w), copies)  # [read at, used at]
    flow = trace.flow("C")
    np.testing.assert_allclose(flow.weight_gradient(weight), table.sum(axis=0), atol=1e-7)
    by_lag = flow.weight_gradient(weight, by="lag")
    for lag in range(T):
        expected = sum(table[used + lag, used] for used in range(T - lag))
        np.testing.assert_allclose(by_lag[lag], expected, atol=1e-7)
    for parts in (flow.weight_gradient(weight), by_lag):
        np.testing.assert_allclose(parts.sum(axis=0), trace.grad(weight), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_lags_count_in_the_direction_of_reading(way):
    module, x, _ = make(bidirectional=True)
    out = module(x)
    trace = tl.trace((out.h**2).sum())
    cell = module.cells[0][way == "backward"]
    flow = trace.flow("C", way)
    by_lag = flow.weight_gradient(cell.W_i, by="lag")
    np.testing.assert_allclose(by_lag.sum(axis=0), trace.grad(cell.W_i), rtol=1e-12, atol=1e-14)
    assert all(np.abs(part).max() > 0 for part in by_lag)
    last = flow.order[-1]  # what is read at the last step, and nothing else, has the largest lag
    assert last == (T if way == "forward" else 1)
    only_last = tl.trace((module(x).h[:, last - 1] ** 2).sum()).flow("C", way)
    np.testing.assert_allclose(only_last.weight_gradient(cell.W_i, by="lag")[T - 1], by_lag[T - 1], rtol=1e-12)


def test_a_state_fed_back_from_outside_is_counted_once():
    """A decoder: what is read at one step is the next one's input, through tensors outside of the recurrence."""
    cell = nn.LSTMCell(HIDDEN, HIDDEN, rng=np.random.default_rng(0)).astype(np.float64)
    state, x, loss = cell.initial(1, np.float64), Tensor(np.ones((1, HIDDEN)), dtype=np.float64), 0
    for t in range(3):
        with tl.scope(f"t={t + 1}"):
            state = cell(x, state)
        x = state.h * 2
        loss = loss + x.sum()
    trace = tl.trace(loss)
    by_lag = trace.flow("C").weight_gradient(cell.W_i, by="lag")
    np.testing.assert_allclose(by_lag.sum(axis=0), trace.grad(cell.W_i), rtol=1e-12)


def test_what_is_read_from_the_initial_state_uses_no_highway():
    cell = nn.LSTMCell(2, HIDDEN, rng=np.random.default_rng(0)).astype(np.float64)
    start = cell.initial(1, np.float64, tuple(np.random.default_rng(1).normal(size=(2, 1, HIDDEN))))
    with tl.scope("t=1"):
        state = cell(np.ones((1, 2)), start)
    trace = tl.trace((state.C * 3).sum() + (start.C**2).sum())
    parts = trace.flow("C").by_highway(0)
    np.testing.assert_allclose(parts.sum(axis=0), trace.grad(start.C), rtol=1e-12)
    np.testing.assert_allclose(parts[0], 2 * start.C.numpy(), rtol=1e-12)


def test_a_whole_scope_path_names_one_layer():
    module, x, _ = make()
    first = module(x)
    with tl.scope("outer"):
        second = module(x)
    trace = tl.trace(first.h.sum() + second.h.sum())
    assert trace.flow("C", "lstm").place == "lstm"
    assert trace.flow("C", "outer").place == trace.flow("C", "outer/lstm").place == "outer/lstm"


def test_weight_gradient_refuses_what_it_cannot_split():
    module, x, _ = make()
    flow = tl.trace(module(x).last.h.sum()).flow("C")
    with pytest.raises(LookupError, match="is not used in lstm"):
        flow.weight_gradient(Tensor(np.ones(3), requires_grad=True))
    with pytest.raises(ValueError, match="by must be"):
        flow.weight_gradient(module.cells[0][0].W_f, by="day")


# — paths ————————————————————————————————————————————————————————————————————————————————————————————————


def all_paths(trace, x):
    """Every path from the loss to x, as a list of edges: brute force."""

    def back(out):
        if out is x:
            yield ()
        for edge in trace.inputs(out):
            if edge.sent is not None and edge.x.birth >= x.birth:
                yield from ((edge, *rest) for rest in back(edge.x))

    return [*back(trace.root)]


def test_paths_are_counted_as_brute_force_counts_them():
    module, x, _ = make()
    out = module(x)
    trace = tl.trace(out.last.h.sum())
    flow = trace.flow("C")
    for t in range(T + 1):
        assert flow.path_count(t) == len(all_paths(trace, flow.states[t]))
    assert count_paths(trace, Tensor(1.0)) == 0


def test_paths_grow_by_a_factor_that_tends_to_4_79():
    module, _, _ = make()
    flow = tl.trace(module(np.ones((1, 60, IN))).last.h.sum()).flow("C")
    counts = [flow.path_count(t) for t in range(60, 0, -1)]
    assert counts[:4] == [1, 5, 24, 115]
    assert counts[-1] / counts[-2] == pytest.approx((5 + 21**0.5) / 2, rel=1e-12)


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_highway_uses_against_every_single_path(cell):
    """Each path alone: its scalar weights multiplied up in a one-unit net, sorted by its uses of f ∘ C (or z ∘ h)."""
    rng = np.random.default_rng(3)
    module = cell(1, 1, rng=rng).astype(np.float64)
    for p in module.parameters():
        p.data = rng.normal(size=p.shape)
    out = module(rng.normal(size=(1, 3, 1)))
    trace = tl.trace((out.h * out.h).sum())
    name, gate = ("C", "f") if cell is nn.LSTM else ("h", "z")
    flow = trace.flow(name)
    kept = [next(e.out for e in flow.users(flow.state(t)) if any(i.x.name == gate for i in trace.inputs(e.out)))
            for t in range(3)]  # fmt: skip
    for t in range(4):
        target = flow.states[t]
        expected = np.zeros(4 - t)
        for path in all_paths(trace, target):
            uses = sum(any(e.out is k and e.x.name != gate for k in kept) for e in path)
            seed = np.ones(trace.root.shape)
            for edge in path:
                seed = along(edge, seed)
            expected[uses] += seed.sum()
        np.testing.assert_allclose(flow.by_highway(t)[:, 0, 0], expected, rtol=1e-11, atol=1e-15)


def along(edge, gradient):
    """What a gradient at `edge.out` sends along this edge alone."""
    op, settings = edge.out.op, edge.out.settings
    arrays = (edge.out.numpy(), *(x.numpy() for x in edge.out.inputs))
    sent = op.joint_rule(gradient, *arrays, **settings)[edge.k] if op.joint_rule else op.rules[edge.k](
        gradient, *arrays, **settings
    )  # fmt: skip
    if hasattr(sent, "index") and hasattr(sent, "values"):
        full = np.zeros(edge.x.shape)
        full[sent.index] = sent.values
        return full
    assert np.size(sent) == np.size(edge.x.numpy()) or edge.x.size == 1
    return np.asarray(sent).reshape(edge.x.shape)


@pytest.mark.parametrize("lengths", [None, [4, 2]], ids=["full", "padded"])
@pytest.mark.parametrize(
    "cell", [nn.LSTM, lambda *a, **k: nn.LSTM(*a, cell=nn.PeepholeLSTMCell, **k), nn.GRU, nn.RNN],
    ids=["lstm", "peephole", "gru", "rnn"],
)  # fmt: skip
def test_parts_by_highway_add_up(cell, lengths):
    module, x, readout = make(cell)
    out = module(x, lengths=lengths)
    trace = tl.trace((out.h * readout).sum() + (out.last.h**2).sum())
    flow = trace.flow("C" if hasattr(out.steps[0], "C_new") else "h")
    for t in range(T + 1):
        parts = flow.by_highway(t)
        assert parts.shape == (T - t + 1, BATCH, HIDDEN)
        np.testing.assert_allclose(parts.sum(axis=0), trace.grad(flow.states[t]), rtol=1e-11, atol=1e-14)
        assert flow.highway_shares(t).sum() == pytest.approx(1)
        if lengths is None:
            assert np.linalg.norm(parts[-1]) == pytest.approx(flow.highway[t], rel=1e-12)


def test_the_step_is_mostly_highway_but_the_whole_way_is_not():
    """QUESTIONS 3 (c), in an untrained net with forget bias 3: 9/10 of one step, and next to nothing of 29."""
    rng = np.random.default_rng(1)
    module = nn.LSTM(8, 16, forget_bias=3.0, rng=rng).astype(np.float64)
    flow = tl.trace(module(rng.normal(size=(4, 30, 8))).last.h.sum()).flow("C")
    assert flow.highway_shares(29)[-1] > 0.9
    assert abs(flow.highway_shares(1)[-1]) < 0.1


# — the ledger where a layer reads backwards ————————————————————————————————————————————————————————————————


def test_the_ledger_of_a_backward_direction_adds_up():
    module, x, readout = make(bidirectional=True)
    trace = tl.trace((module(x).h[..., HIDDEN:] * readout).sum())
    flow = trace.flow("C", "backward")
    assert flow.order == [0, 4, 3, 2, 1] and flow.end == 1
    for before, t in zip(flow.order, flow.order[1:], strict=False):
        expected = trace.grad(flow.states[before])
        np.testing.assert_allclose(sum(flow.ledger(t).values()), expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(flow.by_highway(before).sum(axis=0), expected, rtol=1e-12, atol=1e-14)
    assert np.abs(flow.ledger(1)["f"]).max() > 0
    np.testing.assert_allclose(
        flow.written().sum(axis=0) + flow.carried(), flow.states[1].numpy(), rtol=1e-12, atol=1e-14
    )
    assert flow.highway[1] == pytest.approx(np.linalg.norm(trace.grad(flow.states[1])))
    assert flow.half_life == pytest.approx(np.log(0.5) * T / np.log(flow.highway[0] / flow.highway[1]))
    assert [line.split()[0] for line in flow.table().splitlines()[1:]] == ["1", "2", "3", "4", "0"]


@pytest.mark.parametrize("cell", [nn.LSTM, partial(nn.Recurrent, cell=nn.PeepholeLSTMCell)])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_the_ledger_adds_up_where_the_loss_reads_the_last_C_alone(cell, way):
    """There the last o leads nowhere, and is in no graph: the earlier ones are gates all the same."""
    module = cell(3, 4, bidirectional=way == "backward", rng=np.random.default_rng(0)).astype(np.float64)
    out = module(np.random.default_rng(1).normal(size=(2, 6, 3)))
    trace = tl.trace(out.last.C.sum())
    flow = trace.flow("C", "backward" if way == "backward" else None)
    for before, t in zip(flow.order, flow.order[1:], strict=False):
        terms = flow.ledger(t)
        assert [*terms] == ["highway", "readout", "f", "i", "C̃", "o"]
        assert np.abs(terms["o"]).max() > 0 or before == 0 or t == flow.end
        np.testing.assert_allclose(sum(terms.values()), trace.grad(flow.states[before]), rtol=1e-12, atol=1e-14)


def test_a_step_that_joins_twice_is_one_pass_and_two_steps_of_one_are_two():
    class Bare(nn.Cell):  # a minimal gated unit without scopes: its second concat stands where a step begins
        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.W_f, self.W_n = self.weight("W_f"), self.weight("W_n")

        def step(self, x, state):
            f = tl.sigmoid(tl.concat(state.h, x) @ self.W_f).named("f")
            n = tl.tanh(tl.concat(f * state.h, x) @ self.W_n).named("n")
            return nn.Step(f=f, n=n, h=((1 - f) * state.h + f * n).named("h"))

    module, x, readout = make(partial(nn.Recurrent, cell=Bare))
    for steps in (1, T):
        out = module(x[:, :steps])
        trace = tl.trace((out.h * readout[:, :steps]).sum())
        flow = trace.flow("h")
        assert [len(found.passes) for found in trace.recurrences.values()] == [1] and steps == flow.T
        np.testing.assert_allclose(sum(flow.ledger(1).values()), trace.grad(flow.states[0]), rtol=1e-12, atol=1e-14)
        again = tl.trace(module(x[:, :1], module(x[:, :1]).last).h.sum())
        with pytest.raises(LookupError, match="passes through bare 2 times"):
            again.flow("h")


def test_two_passes_in_one_trace_are_refused():
    module, x, _ = make()
    first = module(x)
    loss = module(x, first.last).h.sum()
    with pytest.raises(LookupError, match="passes through lstm 2 times"):
        tl.trace(loss).flow("C")


# — clips ————————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("kind", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_a_clip_is_what_the_optimizer_does(kind):
    module, x, readout = make()
    (module(x).h * readout).sum().backward()
    named = list(module.named_parameters())
    before = {name: p.grad.copy() for name, p in named}
    effect = clip_effect(module, **{kind: 0.3})
    start = {name: p.numpy() for name, p in named}
    optim.SGD(module.parameters(), lr=1.0, **{kind: 0.3}).step()
    after = {name: start[name] - p.numpy() for name, p in named}
    assert set(effect) == {*before, "all"}
    whole = [np.concatenate([g.ravel() for g in side.values()]) for side in (before, after)]
    for name, (a, b) in {**{n: (before[n].ravel(), after[n].ravel()) for n in before}, "all": whole}.items():
        found = effect[name]
        assert (found.before, found.after) == pytest.approx((np.linalg.norm(a), np.linalg.norm(b)))
        cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        assert np.cos(np.radians(found.angle)) == pytest.approx(cosine, abs=1e-9)
    kept = {"clipvalue": False, "clipnorm": False, "global_clipnorm": True}[kind]
    assert (effect["all"].angle < 1e-5) == kept
    assert effect["all"].after < effect["all"].before
    assert all(np.array_equal(p.grad, before[name]) for name, p in named)


def test_a_clip_effect_needs_a_gradient_and_one_clip():
    p = Tensor([3.0, 4.0], requires_grad=True)
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        clip_effect([p], clipnorm=1)
    p.grad = np.array([3.0, 4.0], np.float32)
    found = clip_effect([("w", p)], clipvalue=3)["w"]
    assert (found.before, found.after) == pytest.approx((5, 18**0.5))
    assert found.angle == pytest.approx(np.degrees(np.arctan2(4, 3)) - 45)
    with pytest.raises(ValueError, match="one clip at a time"):
        clip_effect([p], clipvalue=1, clipnorm=1)


def test_a_clip_of_nothing_turns_nothing():
    p = Tensor([3.0, 4.0], requires_grad=True)
    p.grad = np.zeros(2, np.float32)
    q = Tensor([1.0], requires_grad=True)
    q.grad = np.array([2.0], np.float32)
    found = clip_effect([("p", p), ("q", q)], clipnorm=1)
    assert (found["p"].before, found["p"].after) == (0, 0) and np.isnan(found["p"].angle)
    assert (found["all"].before, found["all"].after, found["all"].angle) == pytest.approx((2, 1, 0))
    assert found["p"].name == "p" and found["all"].name == "all"


# — notebooks and figures ————————————————————————————————————————————————————————————————————————————————


def test_notebook_reprs_are_escaped_tables():
    module, x, readout = make()
    module.name = "<b>lstm</b>"
    trace = tl.trace((module(x).h * readout).sum().named("<b>lstm</b>"))
    for shown in (trace._repr_html_(), trace.flow("C")._repr_html_()):
        assert "<b>lstm</b>" not in shown
    assert f"{trace.flow('C').norm[2]:.2e}" in trace.flow("C")._repr_html_()
    name, p = next(iter(module.named_parameters()))
    assert f"<td>{name.split('.')[-1]}</td>" in trace._repr_html_()
    assert f"{np.linalg.norm(trace.grad(p)):.3g}" in trace._repr_html_()


def test_a_plot_shows_the_flow():
    pytest.importorskip("matplotlib")
    module, x, readout = make()
    flow = tl.trace((module(x).h * readout).sum()).flow("C")
    figure = flow.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    above, below = figure.axes
    norm, highway = (line.get_ydata() for line in above.get_lines())
    np.testing.assert_array_equal(norm, flow.norm)
    np.testing.assert_array_equal(highway, flow.highway)
    heights = np.array([[bar.get_height() for bar in bars] for bars in below.containers])
    np.testing.assert_allclose(heights.sum(axis=0), 1)
    floors = [[bar.get_y() for bar in bars] for bars in below.containers]
    np.testing.assert_allclose(floors, np.cumsum(heights, axis=0) - heights, atol=1e-15)
    ledger = flow.ledger(3)
    shares = np.array([np.linalg.norm(term) for term in ledger.values()])
    np.testing.assert_allclose(heights[:, 2], shares / shares.sum())
    assert above.get_yscale() == "log"
    flow.norm[1] = 0
    assert np.isnan(flow.plot().axes[0].get_lines()[0].get_ydata()[1])


def test_a_plot_of_a_step_without_terms_has_no_bar_there():
    pytest.importorskip("matplotlib")
    module, x, _ = make()
    flow = tl.trace(module(x).C[:, 1].sum()).flow("C")  # read at t = 2; no gradient reaches what comes after
    figure = flow.plot()
    heights = np.array([[bar.get_height() for bar in bars] for bars in figure.axes[1].containers])
    np.testing.assert_allclose(heights.sum(axis=0), [1, 1, 1, 0])
    assert np.isnan(figure.axes[0].get_lines()[0].get_ydata()[3])


def test_the_repr_of_jacobians_says_what_they_are_of():
    module, x, readout = make()
    jacobians = tl.trace((module(x).h * readout).sum()).flow("C").jacobians(joint=True)
    top = np.linalg.norm(jacobians.steps, ord=2, axis=(-2, -1))
    whole = (
        np.linalg.norm(np.linalg.multi_dot([*jacobians.steps[::-1, 0]]), 2),
        np.linalg.norm(np.linalg.multi_dot([*jacobians.steps[::-1, 1]]), 2),
    )
    assert repr(jacobians) == (
        f"StepJacobians(of C, h: {T} steps, rows: {BATCH}, {2 * HIDDEN} units; largest singular value "
        f"{top.min():.3g} to {top.max():.3g}, of the whole product {max(whole):.3g})"
    )
    one = tl.trace((module(x[:1]).h * readout[:1]).sum()).flow("C").jacobians()
    assert f"of C: {T} steps, rows: 1, {HIDDEN} units" in repr(one)


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    module, x, _ = make()
    with pytest.raises(ImportError, match=r'pip install "tinygrad-lstm\[plot\]"'):
        tl.trace(module(x).last.h.sum()).flow("C").plot()

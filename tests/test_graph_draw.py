"""Drawings: what is drawn is what was computed, names are harmless, and the engine's troubles are told clearly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.graph import Drawing, draw, engine_info, press, render
from tinygrad_lstm.graph.capture import norm
from tinygrad_lstm.graph.curves import spline
from tinygrad_lstm.graph.dot import quoted
from tinygrad_lstm.graph.fitting import _label, _wide
from tinygrad_lstm.graph.picture import STOPS, WIDTH, Label, Scale, digits
from tinygrad_lstm.graph.roles import edges_of, rails_of
from tinygrad_lstm.graph.routes import Slot, corners_of
from tinygrad_lstm.graph.tiles import _sorted
from tinygrad_lstm.nn import Step
from tinygrad_lstm.nn.lstm import CoupledLSTMCell, LSTM1997Cell, NoForgetLSTMCell, PeepholeLSTMCell, TruncatedLSTMCell
from tinygrad_lstm.spoken import speaking

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}title"


def run(kind=nn.LSTM, T=3, **settings):
    """A layer's output on data and weights that are the same on every machine."""
    net = kind(3, 2, rng=np.random.default_rng(0), **settings)
    for k, parameter in enumerate(net.parameters()):
        parameter.data = np.cos(np.arange(parameter.size) + k).reshape(parameter.shape)
    x = Tensor(np.sin(np.arange(2.0 * T * 3)).reshape(2, T, 3), requires_grad=True, name="x")
    return net(x)


def last(kind=nn.LSTM, T=3, **settings):
    return (run(kind, T, **settings).h[:, -1] ** 2).sum()


def every(kind=nn.LSTM, T=3, **settings):
    return (run(kind, T, **settings).h ** 2).mean()


def product():
    a, b, c = (Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "a"), (-3.0, "b"), (10.0, "c")))
    return (a * b + c).named("d")


def weights(**shapes):
    return {
        name: Tensor(np.cos(np.arange(np.prod(shape)) + k).reshape(shape), requires_grad=True, name=name)
        for k, (name, shape) in enumerate(shapes.items())
    }


def uneven(kind=nn.LSTM, **settings):
    net = kind(3, 2, rng=np.random.default_rng(0), **settings)
    return net(np.sin(np.arange(18.0)).reshape(2, 3, 3), lengths=[3, 2]).last.h.sum()


def what_if_f():
    with tl.what_if(f=1.0):
        return last()


def own_rnn(T=3, every=False):
    """A loop as a learner writes it; with `every`, the loss is summed up inside of the loop."""
    w = weights(W=(3, 2), U=(2, 2), b=(2,))
    x = Tensor(np.sin(np.arange(2.0 * T * 3)).reshape(2, T, 3), name="x")
    h, loss = Tensor(np.zeros((2, 2))), 0
    for t in range(1, T + 1):
        with tl.scope(f"t={t}"):
            h = tl.tanh(x[:, t - 1] @ w["W"] + h @ w["U"] + w["b"]).named("h")
            if every:
                loss = loss + (h**2).mean()
    return loss if every else (h**2).sum()


def own_lstm(T=3):
    """All gates in one product, as in many a tutorial."""
    w = weights(W=(3, 8), U=(2, 8), b=(8,))
    h = c = Tensor(np.zeros((2, 2)))
    for t in range(1, T + 1):
        with tl.scope(f"mine/t={t}"):
            x = Tensor(np.sin(np.arange(6.0) + t).reshape(2, 3), name="x")
            z = x @ w["W"] + h @ w["U"] + w["b"]
            f, i, o = (tl.sigmoid(z[:, k : k + 2]).named(name) for k, name in ((0, "f"), (2, "i"), (4, "o")))
            g = tl.tanh(z[:, 6:]).named("g")
            c = (f * c + i * g).named("c")
            h = (o * tl.tanh(c)).named("h")
    return (h**2).sum()


class MinimalCell(nn.RNNCell):
    """The minimal gated unit: a cell that no template knows."""

    def __init__(self, n, m, **settings):
        super().__init__(n, m, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)

    def step(self, x, state):
        h = state.h
        f = tl.sigmoid(tl.concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tl.tanh(tl.concat(f * h, x) @ self.W_h + self.b_h).named("n")
        return Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))


def gradient(cell=nn.LSTMCell, T=3):
    C0 = Tensor(np.ones((1, 2)), requires_grad=True, name="C₀")
    net = nn.LSTM(1, 2, cell=cell, rng=np.random.default_rng(0))
    out = net(np.ones((1, T, 1)), (np.zeros((1, 2)), C0))
    return tl.grad(out.steps[-1].C.sum(), [C0], create_graph=True)[0].named("∂L/∂C₀")


def second_order():
    a, b = (Tensor(v, requires_grad=True, name=n) for v, n in ((0.5, "a"), (3.0, "b")))
    return tl.grad((a * b).tanh(), [a], create_graph=True)[0].named("dy/da")


def mlp():
    w = weights(W1=(2, 3), b1=(3,), W2=(3, 1), b2=(1,))
    hidden = tl.tanh(np.ones((4, 2)) @ w["W1"] + w["b1"]).named("hidden")
    return nn.mse_loss((hidden @ w["W2"] + w["b2"]).named("out"), np.zeros((4, 1))).named("loss")


def parsed(drawing):
    return ET.fromstring(drawing.svg().encode())


def edges_in(svg):
    groups = [g for g in svg.iter(f"{SVG}g") if (g.get("class") or "").startswith("edge")]
    return {g.get("id"): g.find(f"{SVG}title").text for g in groups}


def hovers(svg):
    return [a.get(XLINK) for a in svg.iter(f"{SVG}a")]


def texts(svg):
    return [text.text for text in svg.iter(f"{SVG}text")]


PICTURES = {
    "lstm": lambda: draw(last()),
    "lstm_every_step_read": lambda: draw(every(T=2)),
    "lstm_forward": lambda: draw(last(T=2), backward=False),
    "lstm_follow_C": lambda: draw(last(T=2), follow="C"),
    "lstm_layers": lambda: draw(last(T=2, num_layers=2)),
    "peephole": lambda: draw(last(T=2, cell=PeepholeLSTMCell)),
    "truncated": lambda: draw(last(T=2, cell=TruncatedLSTMCell)),
    "gru": lambda: draw(last(nn.GRU, T=2)),
    "gru_reset_before": lambda: draw(last(nn.GRU, T=2, reset_after=False)),
    "rnn": lambda: draw(last(nn.RNN, T=2)),
    "bidirectional": lambda: draw(last(T=2, bidirectional=True)),
    "own_rnn": lambda: draw(own_rnn(T=2, every=True)),
    "own_lstm": lambda: draw(own_lstm(T=2)),
    "minimal_layers": lambda: draw(last(nn.RNN, T=2, cell=MinimalCell, num_layers=2)),
    "cells": lambda: draw(last(T=2), view="cells"),
    "cells_gru": lambda: draw(every(nn.GRU, T=2), view="cells"),
    "rolled": lambda: draw(last(T=4), view="rolled"),
    "rolled_gru": lambda: draw(every(nn.GRU, T=4), view="rolled"),
    "rolled_own_lstm": lambda: draw(own_lstm(T=4), view="rolled"),
    "two": lambda: draw({"RNN": last(nn.RNN, T=2), "LSTM <&>": every(T=3)}),
    "ops": lambda: draw(product(), view="ops"),
    "ops_mlp": lambda: draw(mlp(), view="ops"),
    "gradient": lambda: draw(gradient(T=2), view="ops"),
    "gradient_chain": lambda: draw(gradient(TruncatedLSTMCell), view="ops"),
    "gradient_second_order": lambda: draw(second_order(), view="ops"),
    "strip": lambda: draw(last(), view="strip", labels=["mary", "lost", "her"]),
    "ledger": lambda: draw(every(), view="ledger"),
}
OTHERS = {
    "coupled": lambda: draw(last(cell=CoupledLSTMCell)),
    "no forget": lambda: draw(last(cell=NoForgetLSTMCell)),
    "1997": lambda: draw(every(cell=LSTM1997Cell)),
    "bidirectional GRU": lambda: draw(every(nn.GRU, bidirectional=True, num_layers=2)),
    "bidirectional RNN": lambda: draw(every(nn.RNN, bidirectional=True)),
    "bidirectional cells": lambda: draw(last(bidirectional=True), view="cells"),
    "bidirectional rolled": lambda: draw(last(bidirectional=True), view="rolled"),
    "cells layers": lambda: draw(last(num_layers=2), view="cells"),
    "cells window": lambda: draw(every(T=6), view="cells", steps=(2, 4)),
    "cells followed": lambda: draw(last(), view="cells", follow="C"),
    "rolled layers": lambda: draw(every(num_layers=2), view="rolled"),
    "rolled RNN": lambda: draw(last(nn.RNN), view="rolled", follow="h"),
    "rolled forward": lambda: draw(last(), view="rolled", backward=False),
    "own window": lambda: draw(own_lstm(T=6), steps=(3, 4)),
    "own followed": lambda: draw(own_lstm(), follow="c", show=()),
    "own cells": lambda: draw(own_lstm(), view="cells"),
    "minimal with lengths": lambda: draw(uneven(nn.RNN, cell=MinimalCell)),
    "rolled with lengths": lambda: draw(uneven(), view="rolled"),
    "cells with lengths": lambda: draw(uneven(), view="cells"),
    "what if f": lambda: draw(what_if_f()),
    "what if f, cells": lambda: draw(what_if_f(), view="cells"),
    "dropout between layers": lambda: draw(last(num_layers=2, dropout=0.5)),
    "gru layers": lambda: draw(every(nn.GRU, num_layers=2)),
    "window": lambda: draw(every(T=6), steps=(2, 4)),
    "window of padding": lambda: draw(uneven(), steps=(3, 3)),
    "relu": lambda: draw(last(activation="relu")),
    "linear output": lambda: draw(last(output_activation="linear")),
    "C alone is read": lambda: draw(run().C.sum()),
    "no loss": lambda: draw(run().h),
    "ops of a step": lambda: draw(last(T=2), view="ops", steps=(2, 2)),
    "ledger of a GRU": lambda: draw(every(nn.GRU), view="ledger", steps=(2, 2)),
    "ledger of a peephole": lambda: draw(every(cell=PeepholeLSTMCell), view="ledger"),
    "ledger of an RNN": lambda: draw(every(nn.RNN), view="ledger"),
    "ledger of one's own": lambda: draw(own_lstm(), view="ledger", follow="h"),
    "ledger of layers": lambda: draw(every(num_layers=2, bidirectional=True), view="ledger", steps=(1, 1)),
    "strip of a GRU": lambda: draw(every(nn.GRU, T=40), view="strip"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_golden(name, request):
    dot, path = PICTURES[name]().dot, GOLDEN / f"{name}.gv"
    if request.config.getoption("--overwrite-golden"):
        path.write_text(dot, encoding="utf-8")
    assert dot == path.read_text(encoding="utf-8"), f"{path.name} has changed: look at it, then --overwrite-golden"


@pytest.mark.parametrize("name", [*PICTURES, *OTHERS])
def test_the_svg_has_the_edges_of_the_dot_text_and_nothing_overlaps(name):
    drawing = {**PICTURES, **OTHERS}[name]()
    svg = parsed(drawing)
    written = re.findall(r"^(\w+) -> (\w+) \[id=(\w+)", drawing.dot, re.M)
    assert edges_in(svg) == {me: f"{a}->{b}" for a, b, me in written}
    assert len({me for _, _, me in written}) == len(written)
    assert "nan" not in drawing.dot and "None" not in drawing.dot
    boxes = [box for box in map(_box, svg.iter(f"{SVG}g")) if box]
    for k, (me, left, low, right, high) in enumerate(boxes):
        for other, l2, b2, r2, t2 in boxes[k + 1 :]:
            assert not (left < r2 - 1 and l2 < right - 1 and low < t2 - 1 and b2 < high - 1), f"{me} overlaps {other}"


def _box(g):
    """Id and extent of a node that has an outline."""
    shape = next((s for s in g.iter() if s.tag in (f"{SVG}ellipse", f"{SVG}path", f"{SVG}polygon")), None)
    if not (g.get("class") or "").startswith("node") or shape is None:
        return None
    if shape.tag.endswith("ellipse"):
        x, y, r = (float(shape.get(key)) for key in ("cx", "cy", "rx"))
        return g.get("id"), x - r, y - r, x + r, y + r
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", shape.get("d") or shape.get("points"))]
    xs, ys = numbers[::2], numbers[1::2]
    return g.get("id"), min(xs), min(ys), max(xs), max(ys)


def gradient_of(svg, edge):
    """The number that an edge says on hover."""
    said = {hover.split(" · gradient ")[1] for hover in hovers(svg) if hover.startswith(f"{edge} · gradient ")}
    assert len(said) == 1, (edge, said)
    return said.pop()


def test_each_edge_carries_its_own_share():
    out = run()
    loss = (out.h**2).mean()
    trace = tl.trace(loss)
    svg = parsed(draw(trace))

    def made(op, x):
        return next(y for y in trace.tensors if y.op is op and any(x is z for z in y.inputs))

    kept, squashed = made(tl.mul, out.steps[1].f), made(tl.tanh, out.steps[0].C)
    joined = made(tl.concat, out.steps[0].h)
    assert gradient_of(svg, "C₁ → fC") == digits(norm(trace.share(out.steps[0].C, kept)))
    assert gradient_of(svg, "C₁ → tanh C") == digits(norm(trace.share(out.steps[0].C, squashed)))
    assert gradient_of(svg, "f₂ → fC") == digits(norm(trace.share(out.steps[1].f, kept)))
    assert gradient_of(svg, "h₁ → [h ; x]") == digits(norm(trace.share(out.steps[0].h, joined)))
    assert f"∂L/∂C₂ {digits(norm(trace.grad(out.steps[1].C)))}" in texts(svg)
    assert f"∂L/∂h₁ {digits(norm(trace.grad(out.steps[0].h)))}" in texts(svg)
    assert sum(hover.startswith("h → what reads it") for hover in hovers(svg)) == 4, "3 readouts, the last in two parts"


@pytest.mark.parametrize("window", [None, (2, 4)])
def test_every_edge_of_every_lstm_step_has_the_norm_of_its_share(window):
    out = run(T=6)
    trace = tl.trace((out.h**2).mean())
    first, last = window or (1, 6)
    expected: Counter[str] = Counter()

    def said(edge, x, y):
        share = trace.share(x, y)
        expected[f"{edge} · gradient {digits(norm(share)) if share is not None else '–'}"] += 1

    def users(x, op):
        return [y for y in trace.tensors if y.op is op and any(x is z for z in y.inputs)]

    for t in range(first, last + 1):
        step = out.steps[t - 1]
        kept, written = step.C.inputs
        C = next(x for x in kept.inputs if x is not step.f)
        joined = step.f.inputs[0].inputs[0].inputs[0]
        h = joined.inputs[0]
        (squashed,) = users(step.C, tl.tanh)
        said(f"h{'₀₁₂₃₄₅₆'[t - 1]} → [h ; x]", h, joined)
        said(f"x{'₀₁₂₃₄₅₆'[t]} → [h ; x]", joined.inputs[1], joined)
        for symbol, gate in zip("fi", (kept, written), strict=True):
            said(f"{symbol}{'₀₁₂₃₄₅₆'[t]} → {symbol}C", getattr(step, symbol), gate)
        said(f"C{'₀₁₂₃₄₅₆'[t - 1]} → fC", C, kept)
        said(f"C̃{'₀₁₂₃₄₅₆'[t]} → iC", step.C_new, written)
        said("fC → C", kept, step.C)
        said("iC → C", written, step.C)
        said(f"C{'₀₁₂₃₄₅₆'[t]} → tanh C", step.C, squashed)
        said("tanh C → h", squashed, step.h)
        said(f"o{'₀₁₂₃₄₅₆'[t]} → h", step.o, step.h)
        for symbol, gate in (("f", step.f), ("i", step.i), ("C̃", step.C_new), ("o", step.o)):
            (z,) = gate.inputs
            said(f"{symbol} ← → {symbol}", z, gate)
            said(f"[h ; x] → {symbol} ←", joined, z.inputs[0])
    drawn = hovers(parsed(draw(trace, steps=window)))
    leaving = "what reads it"
    assert Counter(x for x in drawn if " · gradient " in x and leaving not in x) == expected
    assert sum(expected.values()) == 19 * (last - first + 1)
    (after,) = [x for x in drawn if x.startswith(f"C → {leaving}")]  # out of the last step that is drawn
    share = trace.share(out.steps[3].C, out.steps[4].C.inputs[0]) if window else None
    assert after == f"C → {leaving} · gradient {digits(norm(share)) if window else '–'}"


def test_every_edge_op_by_op_has_the_norm_of_its_share():
    trace = tl.trace(mlp())
    drawn = Counter(text.split(" = ")[1] for text in hovers(parsed(draw(trace, view="ops"))) if " = " in text)
    expected = Counter(
        digits(edge.share.item() if x.size == 1 else norm(edge.share))
        for y in trace.tensors if y.op
        for k, x in enumerate(y.inputs) if (edge := trace.edge(y, k)) is not None and edge.share is not None
    )  # fmt: skip
    assert drawn == expected and len(expected) > 5


@pytest.mark.parametrize(("kind", "settings", "edges"), [
    (nn.LSTM, {}, 19), (nn.LSTM, {"cell": PeepholeLSTMCell}, 22), (nn.LSTM, {"cell": CoupledLSTMCell}, 18),
    (nn.LSTM, {"cell": NoForgetLSTMCell}, 15), (nn.RNN, {}, 4), (nn.GRU, {}, 20), (nn.GRU, {"reset_after": False}, 19),
])  # fmt: skip
def test_every_edge_of_a_step_is_drawn(kind, settings, edges):
    ends = 3 if kind is nn.LSTM else 2  # to C_T, h_T and the loss
    for steps in (1, 2, 5):
        drawing = draw(last(kind, T=steps, **settings), backward=False)
        assert len(edges_in(parsed(drawing))) == edges * steps + ends


def test_a_step_whose_h_is_thrown_away_is_not_read():
    def readouts(loss):
        said = hovers(parsed(draw(loss)))
        return sum(hover.startswith("h → what reads it") and not hover.endswith("–") for hover in said)

    assert readouts(last(T=4)) == 2, "the two parts of the way from h_4 to the loss"
    assert readouts((run(T=4).h[:, 1] ** 2).sum()) == 1 and readouts((run(T=4).h[:, 1:3] ** 2).sum()) == 2


def test_C_stays_on_one_line_and_time_runs_to_the_right():
    dot = draw(last(T=5)).dot
    ids = re.findall(r'^(n\d+) \[.*label="\+"', dot, re.M)
    places = [re.search(rf'^{me} \[.*pos="([\d.-]+),([\d.-]+)"', dot, re.M).groups() for me in ids]
    assert len({y for _, y in places}) == 1
    assert [float(x) for x, _ in places] == sorted(float(x) for x, _ in places) and len(places) == 5


def test_forward_only_says_dash_and_never_zero():
    drawing = draw(run().h)
    svg = parsed(drawing)
    assert all(hover.endswith(" –") for hover in hovers(svg) if "gradient" in hover or "∂L" in hover)
    assert "class=gradient, dir=back]\nedge" in drawing.dot and "–" in texts(svg)


def test_drawing_touches_no_grad():
    loss = product()
    draw(loss, view="ops")
    assert all(leaf.grad is None for leaf in (loss.inputs[1], *loss.inputs[0].inputs))


def test_ops_show_names_values_gradients_and_formulas():
    shown = texts(parsed(draw(product(), view="ops")))
    for text in ("a", "data 2", "grad -3", "d = +", "data 4", "dy · b", "-3", "dy · a"):
        assert text in shown


def test_ops_of_a_plus_a_has_two_edges():
    a = Tensor(2.0, requires_grad=True)
    assert len(edges_in(parsed(draw(a + a, view="ops")))) == 2


# — cells that nobody placed, names alone, one step for all, both directions ————————————————————————————————


def pairs(loss, **settings):
    """For each step of the last layer, the edges between roles with their shares."""
    graph = tl.Graph.of(tl.trace(loss))
    rail = rails_of(graph, **settings)[-1]
    return [{(role, to): share for role, to, _, share in edges_of(graph, step)} for step in rail.steps]


def test_the_edges_of_a_cell_of_ones_own_are_those_of_its_equations():
    gates = ["f", "i", "o", "g"]
    named = {("h-", g) for g in gates} | {("→ 1", g) for g in gates} | {("c-", "c"), ("c", "h"), ("o", "h")}
    named |= {(g, "c") for g in ("f", "i", "g")}
    for step in pairs(own_lstm(), named=True):
        assert set(step) == named
    for step in pairs(own_lstm()):
        assert len(step) == 18 and sum(role == "h-" for role, _ in step) == 1


def test_an_edge_between_names_carries_all_that_flows_between_them():
    loss = own_lstm()
    trace = tl.trace(loss)
    names = {(x.name, x.scope): x for x in trace.tensors if x.name}
    U = next(x for x in tl.Graph.of(loss).tensors if x.name == "U").numpy()
    third = pairs(loss, named=True)[2]
    for k, gate in enumerate(("f", "i", "o")):
        y = names[gate, "mine/t=3"]
        through = (trace.grad(y) * y.numpy() * (1 - y.numpy())) @ U[:, 2 * k : 2 * k + 2].T
        assert third["h-", gate] == pytest.approx(np.linalg.norm(through))
    assert third["c-", "c"] == pytest.approx(
        np.linalg.norm(trace.grad(names["c", "mine/t=3"]) * names["f", "mine/t=3"].numpy())
    )


def test_a_loss_that_is_summed_up_in_the_loop_is_no_state():
    shown = texts(parsed(draw(own_rnn(T=4, every=True))))
    assert shown.count("loss") == 4 and shown.count("@ W") == 4 and "h₀" in shown and "s₀" not in shown


def test_states_of_ones_own_cell_run_on_one_line():
    dot = draw(own_lstm(T=4)).dot
    places = [re.search(rf'^{me} \[.*pos="([\d.-]+),([\d.-]+)"', dot, re.M).groups()
              for me in re.findall(r'^(n\d+) \[.*tooltip="tensor c of', dot, re.M)]  # fmt: skip
    tops = {y for _, y in places}
    assert len(tops) == 1 and len(places) == 5, "four sums, and c₄ at the end"


def test_names_that_are_roles_elsewhere_do_no_harm():
    w = weights(below=(3, 2), x=(2, 2))
    h = Tensor(np.zeros((2, 2)))
    for t in range(1, 4):
        with tl.scope(f"t={t}"):
            a = (Tensor(np.ones((2, 3)), name="h pad") @ w["below"]).named("→ 1")
            h = tl.tanh(a + (h @ w["x"]).named("h-")).named("x")
    for view in ("time", "cells", "rolled"):
        shown = texts(parsed(draw(h.sum(), view=view)))
        assert any("tanh" in text or "x" in text for text in shown), view


def test_a_rolled_step_gives_the_smallest_and_the_largest_of_all_steps():
    loss = every(T=5)
    kept = [share for step in pairs(loss) for edge, share in step.items() if edge == ("f", "fC")]
    assert f"fₜ → fC · gradient {digits(min(kept))} … {digits(max(kept))}" in hovers(parsed(draw(loss, view="rolled")))
    looped = [step["C-", "fC"] for step in pairs(loss)[1:]]
    assert f"Cₜ₋₁ → fC · gradient {digits(min(looped))} … {digits(max(looped))}" in hovers(
        parsed(draw(loss, view="rolled"))
    )
    shown = texts(parsed(draw(loss, view="rolled")))
    assert "t = 1 … 5" in shown and sum(text.startswith(("C: × 4", "h: × 4")) for text in shown) == 2


def test_the_backward_direction_runs_to_the_left_below():
    drawing = draw(last(T=3, bidirectional=True))
    node = r'^n\d+ \[.*pos="([\d.-]+),([\d.-]+)".*tooltip="tensor C of .* in lstm/(\w+)/t=(\d)'
    found = re.findall(node, drawing.dot, re.M)
    sums = {(way, int(t)): (float(x), float(y)) for x, y, way, t in found}
    assert all(sums["forward", t][0] < sums["forward", t + 1][0] for t in (1, 2))
    assert all(sums["backward", t][0] < sums["backward", t + 1][0] for t in (1, 2)), "steps stand in order of time"
    assert all(sums["backward", t][1] < sums["forward", t][1] for t in (1, 2, 3))
    edges = re.findall(r'pos="s,([\d.-]+),[\d.-]+ [^"]*? ([\d.-]+),[\d.-]+", [^\]]*tooltip="C₃ → fC', drawing.dot)
    assert len(edges) == 1 and float(edges[0][0]) > float(edges[0][1]), "C₃ is handed on to the left, to step 2"


def test_the_graph_of_the_gradient_is_the_chain_of_forget_gates():
    graph = tl.Graph.of(x := gradient(TruncatedLSTMCell))
    chain = [y for y in graph.tensors if y.birth in graph.gradients and y.op is tl.mul]
    gates = [next(z for z in y.inputs if z.name == "f").scope for y in chain]
    assert gates == [f"lstm/t={t}/forget gate" for t in (3, 2, 1)]
    whole = draw(gradient(T=3), view="ops")
    shown = texts(parsed(whole))
    assert {"f₃", "f₂", "f₁", "tanh(C₂)"} <= set(shown) and "grey: its values" in whole.summary
    assert "14 of the forward pass" in draw(x, view="ops").summary
    assert not tl.Graph.of(every()).gradients and not tl.Graph.of(own_rnn(every=True)).gradients


def test_a_small_graph_without_time_is_drawn_op_by_op():
    a, b = (Tensor(float(k), requires_grad=True, name=name) for k, name in ((2, "a"), (-3, "b")))
    loss = (a * b + 10.0).named("L")
    assert draw(loss).dot == draw(loss, view="ops").dot and draw(loss).html() == draw(loss, view="ops").html()
    with pytest.raises(ValueError, match="no time steps"):
        draw(loss, follow="C")


@pytest.mark.parametrize("view", ["time", "cells", "rolled", "strip"])
def test_a_large_graph_without_time_is_refused_at_once_in_every_view(view):
    y = Tensor(1.0, requires_grad=True)
    for _ in range(50_000):
        y = -y
    start = time.process_time()
    with pytest.raises(ValueError, match="no time steps"):
        draw(y, view=view)
    assert time.process_time() - start < 4


def test_too_many_steps_are_refused_with_a_way_out(monkeypatch):
    from tinygrad_lstm.graph import views

    monkeypatch.setattr(views, "WHOLE", 100)
    for view in ("time", "cells"):
        with pytest.raises(ValueError, match=r"steps=\(1, 50\).*view='strip'"):
            draw(last(T=10), view=view)
        assert draw(last(T=10), view=view, steps=(2, 3)).svg()
    assert draw(last(T=10), view="rolled").svg()


@pytest.mark.parametrize("view", ["time", "cells", "ops"])
def test_fifty_thousand_tensors_with_steps_are_refused_before_they_are_traced(view, monkeypatch):
    from tinygrad_lstm.graph import views

    loss = own_rnn(T=8_400)
    monkeypatch.setattr(views, "trace", lambda _: pytest.fail("it was traced"))
    with pytest.raises(ValueError, match=r"draw: 5\d,\d\d\d tensors are too many for view='\w+'.*view='strip'"):
        draw(loss, view=view)


def test_a_head_at_a_single_step_is_not_taken_for_the_layer():
    h = run(T=1).h[:, 0]
    with tl.scope("head/t=1"):
        loss = ((h * h).named("y") ** 2).sum()
    assert "LSTM" in draw(loss).summary


def test_a_step_with_too_many_places_is_refused_with_a_way_out():
    h = Tensor(np.ones(3), requires_grad=True)
    for t in (1, 2):
        with tl.scope(f"t={t}"):
            for _ in range(90):
                h = tl.tanh(h)
            h = h.named("h")
    with pytest.raises(ValueError, match=r"90 places each.*view='cells'"):
        draw(h.sum())
    assert draw(h.sum(), view="cells").svg()


def test_a_thousand_steps_of_ones_own_cell():
    loss = own_rnn(T=1000)
    start = time.process_time()
    assert draw(loss).svg().count('class="cluster') == 1000
    assert time.process_time() - start < 10


def test_a_large_graph_is_refused_at_once_with_a_way_out():
    y = Tensor(1.0, requires_grad=True)
    for _ in range(50_000):
        y = -y
    start = time.process_time()
    with pytest.raises(ValueError, match=r"50,001 tensors .* on the way"):
        draw(y, view="ops")
    assert time.process_time() - start < 2


def test_many_steps_do_not_take_long():
    loss = last(T=300)
    start = time.process_time()
    svg = draw(loss).svg()
    assert time.process_time() - start < 10 and svg.count('class="cluster') == 300


def test_a_loop_of_ones_own_is_drawn_too():
    cell, x = nn.LSTMCell(3, 2), Tensor(np.ones((1, 3, 3)), requires_grad=True, name="data")
    state, loss = cell.initial(1, np.float64), 0
    for t in range(3):
        with tl.scope(f"t={t + 1}"):
            state = cell(x[:, t], state)
            loss = loss + (state.h**2).mean()
    shown = texts(parsed(draw(loss)))
    assert "t = 3" in shown and shown.count("loss") == 3 and not any(text.startswith("data") for text in shown)


def test_two_layers_are_joined_step_by_step():
    out = run(T=2, num_layers=2)
    h = out.layers[0][0].steps[0].h
    trace = tl.trace((out.h**2).sum())
    joined = next(y for y in trace.tensors if y.op is tl.concat and len(y.inputs) > 1 and y.inputs[1] is h)
    assert f"below → [h ; x] · gradient {digits(norm(trace.share(h, joined)))}" in hovers(parsed(draw(trace)))


def test_a_window_of_steps_says_so():
    shown = texts(parsed(draw(every(T=6), steps=(2, 4))))
    assert [text for text in shown if text.startswith("t = ")] == ["t = 2", "t = 3", "t = 4"]
    assert any("steps 2 to 4 of 6" in text for text in shown)


@pytest.mark.parametrize("view", ["time", "ops", "strip"])
def test_a_window_of_one_step_names_it_once(view):
    for lang, wanted, unwanted in (("en", "step 4 of ", "4 to 4"), ("zh", "第 4 步，共 ", "4–4")):
        with speaking(lang):
            told = draw(every(T=6), steps=(4, 4), view=view).summary
        assert wanted in told and unwanted not in told


def test_one_to_four_graphs_stand_in_one_picture():
    graphs = [last(nn.RNN, T=2) for _ in range(5)]
    assert draw(graphs[:4]).svg() and draw(graphs[:1]).svg()
    for wrong in (graphs, []):
        with pytest.raises(ValueError, match=f"draw: {len(wrong)} graphs; one to 4 can"):
            draw(wrong)


def test_the_last_of_several_calls_is_drawn_and_said():
    net = nn.LSTM(1, 2)
    first = net(np.ones((1, 1, 1), np.float32))
    second = net(np.full((1, 1, 1), 2, np.float32), first.last)
    shown = texts(parsed(draw(second.h.sum())))
    assert "t = 1" in shown and shown.count("t = 1") == 1 and any("called 2 times" in text for text in shown)


@pytest.mark.parametrize(("view", "first"), [("cells", "named tensors only"), ("rolled", "one step stands for")])
def test_what_a_view_leaves_out_is_said_before_what_the_net_did(view, first):
    net = nn.LSTM(1, 2, rng=0)
    x = np.ones((1, 2, 1), np.float32)
    shown = texts(parsed(draw(net(x, net(x).last).h.sum(), view=view)))
    places = [next(k for k, text in enumerate(shown) if said in text) for said in (first, "called 2 times")]
    assert places == sorted(places)


def test_a_strip_of_many_dates_names_some_of_its_columns():
    dates = [f"2020-{k // 28 + 1:02}-{k % 28 + 1:02}" for k in range(300)]
    svg = parsed(draw(last(T=300), view="strip", labels=dates))
    shown = [text for text in (visible(text) for text in texts(svg)) if text in dates]
    assert shown == dates[::10]  # columns of 1100 / 300 points; a date of 10 letters on one of two lines takes 34
    assert any(dates[-1] in text for text in hovers(svg))


def test_the_strip_has_a_column_for_each_step_and_a_row_for_each_name():
    drawing = draw(last(T=7), view="strip")
    said = hovers(parsed(drawing))
    assert len(said) == 7 * 7 and sum(text.startswith("∂L/∂C̃") for text in said) == 7
    with pytest.raises(ValueError, match="2 labels for 3 steps"):
        draw(last(), view="strip", labels=["a", "b"])
    with pytest.raises(ValueError, match="strip shows gradients"):
        draw(run().h, view="strip")


@pytest.mark.parametrize(("wrong", "message"), [
    ({"view": "cell"}, r"no view 'cell'\. Views: 'time', 'ops', 'cells'"), ({"follow": "z"}, "Paths: C, h"),
    ({"steps": (3, 2)}, "steps="), ({"steps": (0, 2)}, "steps="), ({"steps": (8, 9)}, "1 to 3"),
    ({"show": "all"}, "show="),
])  # fmt: skip
def test_wrong_use_is_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        draw(last(), **wrong)


def test_a_graph_without_time_suggests_ops():
    with pytest.raises(ValueError, match="view='ops'"):
        draw(product(), view="rolled")
    with pytest.raises(TypeError, match="ndarray"):
        draw(np.ones(3))


# — colours and routes ————————————————————————————————————————————————————————————————————————————————————


def luminance(colour):
    linear = [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_luminance_falls_steadily_over_at_most_six_decades():
    scale = Scale([1e-20, 1.0, None, 0.0, float("inf"), float("nan")])
    assert scale.low == pytest.approx(1e-6) and scale.high == 1
    light = [luminance(scale.colour(value)) for value in np.geomspace(1e-6, 1, 50)]
    assert light == sorted(light, reverse=True) and len(set(light)) == 50
    assert (scale.colour(1e-9), scale.colour(7)) == (STOPS[0], STOPS[-1])
    assert scale.below(1e-9) and scale.below(0) and not scale.below(1e-6)
    assert Scale([]).low < Scale([]).high and Scale([2.0, 2.0]).level(2.0) == 1


def test_routes_bend_at_right_angles_and_splines_have_3n_plus_1_points():
    corners = corners_of((0, 0), (100, 50), "x-20 y-8", Slot(60, 20, 100))
    assert corners == [(0, 0), (40, 0), (40, 12), (100, 12), (100, 50)]
    assert corners_of((0, 0), (100, 50), "y30", Slot(0, 0, 100)) == [(0, 0), (0, 30), (100, 30), (100, 50)]
    assert corners_of((0, 5), (100, 5), "x-20", Slot(50, 0, 100)) == [(0, 5), (100, 5)]
    points = spline(corners)
    assert len(points) % 3 == 1 and points[0] == (0, 0) and points[-1] == (100, 50)


# — names come from users ——————————————————————————————————————————————————————————————————————————————————

HOSTILE = [
    "<lambda>", "<b>bold</b>", r"\N", r"\G\l", "a\\", 'say "x"', "&lt;", "&", "a:b:c [x]; evil", "]; n1 -> n2 [", "-->",
    "]]>", "%s{}", "line\nbreak\ttab", "\u202eright to left", "nul\0\x1b[31m", "lone \ud800", "C̃ 𝔏 🙂", "",
    "x" * 500, "node", "//", "<!--", "javascript:alert(1)", "strict digraph {",
]  # fmt: skip


def visible(text, cut=40):
    """What should be read in the SVG."""
    kept = "".join("�" if not c.isprintable() and c != " " else c for c in text)
    return kept if len(kept) <= cut else kept[: cut - 1] + "…"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(name):
    with tl.scope(name.replace("/", " ") or "empty"):
        x = Tensor([1.0, 2.0], requires_grad=True, name=name)
        y = (x * 2.0).named(name).sum()
    svg = parsed(draw(y, view="ops"))
    assert len(edges_in(svg)) == 3
    read = [(text or "").replace("\xa0", " ").strip() for text in texts(svg)]
    assert f"{visible(name + ' = ×')}".strip() in read if name else True
    assert visible(name.replace("/", " ") or "empty").strip() in read
    assert not any(tag.tag.endswith(("script", "image")) for tag in svg.iter())
    assert not any(a.get("{http://www.w3.org/1999/xlink}href") for a in svg.iter(f"{SVG}a"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_layers_and_words(name):
    net = nn.LSTM(1, 2, name=name.replace("/", " ") or None)
    loss = net(np.ones((1, 2, 1), np.float32)).h.sum()
    assert len(edges_in(parsed(draw(loss)))) > 40
    net.cells[0][0].W_f.name = name
    loss = net(np.ones((1, 2, 1), np.float32)).h.sum()
    assert len(edges_in(parsed(draw(loss)))) > 40
    parsed(draw(loss, view="strip", labels=[name, name]))


@pytest.mark.parametrize("name", ["a\\b", "\\N", "\\\\L", "a\\"])
def test_a_backslash_in_a_name_is_a_backslash_on_hover(name):
    with tl.scope(f"here{name}"):
        x = Tensor([1.0, 2.0], requires_grad=True, name=name)
        y = (x * x).named(f"y{name}").sum()
    said = hovers(parsed(draw(y, view="ops")))
    shown = name.replace("\\", "∖")  # dot expands backslashes on hover twice
    assert any(text.startswith(f"tensor {shown} of shape (2,) in here{shown}") for text in said), said
    assert any(text.startswith(f"tensor y{shown} of shape") for text in said)


def test_quoted_keeps_nothing_special():
    assert quoted("<lambda>") == '"<lambda>"' and quoted(r"\N") == r'"\\N"' and quoted("a", "b") == r'"a\nb"'


# — files, notebooks, engines ——————————————————————————————————————————————————————————————————————————————


def test_save_writes_what_the_suffix_says(tmp_path):
    drawing = draw(product(), view="ops")
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".gv": b"digraph"}
    for suffix, start in starts.items():
        assert drawing.save(tmp_path / f"x{suffix}").read_bytes().startswith(start)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.gv", "x.png", "x.svg"]
    with pytest.raises(ValueError, match=r"\.png, \.pdf, \.gv"):
        drawing.save(tmp_path / "x.jpg")
    with pytest.raises(ValueError, match=r"the \.html page"):
        draw(product(), view="ops", backward=False).save(tmp_path / "x.html")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.gv"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(render.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(product(), view="ops").save(path)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x.gv"]


def test_a_png_that_no_viewer_opens_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"pixels.*\.svg.*view='strip'"):
        draw(last(T=30)).save(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_notebooks_get_an_svg_that_fits(monkeypatch):
    for drawing, wide in ((draw(product(), view="ops"), False), (draw(last(T=4)), True)):
        root = ET.fromstring(drawing._repr_mimebundle_()["image/svg+xml"].encode())
        own = float(root.get("viewBox").split()[2])
        assert (own > 720) is wide and root.get("height") is None
        assert root.get("width") == ("100%" if wide else f"{own:g}pt")  # a small one is not blown up
        assert wide or root.get("style") == "max-width: 100%; height: auto"
    monkeypatch.setenv("TINYGRAD_LSTM_DOT", "/no/such/program")
    assert "TINYGRAD_LSTM_DOT=/no/such/program" in draw(product(), view="ops")._repr_mimebundle_()["text/plain"]


def test_engine_info_names_the_program():
    engine = engine_info()
    assert os.access(engine.path, os.X_OK) and engine.kind == "graphviz-pure" and "0." in engine.version


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_variable_names_another_program_and_its_failure_is_told(tmp_path, monkeypatch):
    other = script(tmp_path / "mydot", 'if [ "$1" = -V ]; then echo "dot - graphviz version 9.9" >&2; exit; fi\n'
                                       'cat > /dev/null; echo "syntax error near line 7" >&2; exit 1')  # fmt: skip
    monkeypatch.setenv("TINYGRAD_LSTM_DOT", other)
    assert engine_info() == (other, "dot - graphviz version 9.9", "graphviz")
    with pytest.raises(RuntimeError, match="syntax error near line 7"):
        draw(product(), view="ops").svg()


def test_an_engine_that_hangs_is_stopped(tmp_path, monkeypatch):
    slow = script(tmp_path / "slow", 'if [ "$1" = -V ]; then echo "dot"; exit; fi\nexec sleep 30')
    monkeypatch.setenv("TINYGRAD_LSTM_DOT", slow)
    monkeypatch.setattr(render, "TIMEOUT", 0.3)
    with pytest.raises(RuntimeError, match="steps="):
        draw(product(), view="ops").svg()


def test_without_any_engine_the_dot_text_is_still_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TINYGRAD_LSTM_DOT", raising=False)
    monkeypatch.setattr(render, "_graphviz_pure", lambda: None)
    drawing = draw(last())
    assert drawing.dot.startswith("digraph") and drawing.save(tmp_path / "x.gv").exists()
    with pytest.raises(RuntimeError, match="pip install graphviz-pure"):
        drawing.svg()


def test_graphviz_pure_is_found_without_a_path_and_the_setting_is_restored(monkeypatch):
    from graphviz.backend import dot_command

    monkeypatch.setenv("PATH", "")
    before = dot_command.DOT_BINARY
    assert draw(product(), view="ops").svg()
    assert before == dot_command.DOT_BINARY


def test_pdf_needs_a_real_dot_or_typst(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(render, "has_press", lambda: False)
    with pytest.raises(RuntimeError, match=r"tinygrad-lstm\[pdf\].*apt install graphviz"):
        draw(product(), view="ops").save(tmp_path / "x.pdf")
    script(tmp_path / "dot", 'if [ "$1" = -V ]; then echo "dot - graphviz version 12"; exit; fi\necho "%PDF-1.4"')
    assert draw(product(), view="ops").save(tmp_path / "x.pdf").read_bytes() == b"%PDF-1.4\n"


# — for slides and papers ————————————————————————————————————————————————————————————————————————————————


def png_size(path):
    return tuple(int.from_bytes(path.read_bytes()[k : k + 4]) for k in (16, 20))


def words(T):
    return ["mary", "lost", "her", "box", "and", "then"][:T]


SLIDES = {
    "lstm 1": lambda **more: draw(last(T=1), labels=words(1), **more),
    "lstm 2": lambda **more: draw(last(T=2), labels=words(2), answer=["his 99.8 %", "her 0.2 %"], **more),
    "lstm 4": lambda **more: draw(last(T=4), labels=words(4), **more),
    "lstm 6": lambda **more: draw(last(T=6), labels=words(6), **more),
    "layers": lambda **more: draw(last(T=2, num_layers=2), **more),
    "gru": lambda **more: draw(last(nn.GRU, T=3), **more),
    "rnn": lambda **more: draw(last(nn.RNN, T=4), **more),
    "own": lambda **more: draw(own_lstm(T=2), **more),
    "rolled": lambda **more: draw(last(T=4), view="rolled", **more),
    "two": lambda **more: draw({"RNN": last(nn.RNN, T=1), "LSTM": last(T=1)}, **more),
}


@pytest.mark.parametrize("name", SLIDES)
def test_a_slide_has_its_size_and_text_that_can_be_read(tmp_path, name):
    drawing = SLIDES[name](for_="slide")
    wide, high = png_size(drawing.save(tmp_path / "x.png"))
    assert abs(wide - 1920) <= 3 and abs(high - 1080) <= 4
    fine = png_size(drawing.save(tmp_path / "y.png", scale=2))
    assert abs(fine[0] - 2 * wide) <= 3 and abs(fine[1] - 2 * high) <= 3
    shown = ET.fromstring(drawing.svg())
    pixels = 1920 / float(shown.get("viewBox").split()[2])
    sizes = [float(text.get("font-size")) * pixels for text in shown.iter(f"{SVG}text")]
    assert min(sizes) >= 17.9 and "parameters, shared" not in drawing.dot


@pytest.mark.parametrize("name", SLIDES)
def test_a_notebook_shows_text_that_can_be_read_in_as_few_rows_as_that_needs(name):
    svg = ET.fromstring(SLIDES[name](for_="notebook").svg())
    pixels = 960 / float(svg.get("viewBox").split()[2])
    assert min(float(text.get("font-size")) for text in svg.iter(f"{SVG}text")) * pixels >= 8.95
    heads = [text for text in svg.iter(f"{SVG}text") if (text.text or "").replace("\xa0", " ").startswith("t = ")]
    rows = {"lstm 4": 2, "lstm 6": 3, "layers": 2, "two": 2}  # all others in one
    assert len({text.get("y") for text in heads}) == rows.get(name, 1)


def test_the_ledger_can_be_read_in_a_notebook():
    svg = parsed(draw(every(), view="ledger"))
    pixels = 1000 / float(svg.get("viewBox").split()[2])
    assert min(float(text.get("font-size")) for text in svg.iter(f"{SVG}text")) * pixels >= 9


@pytest.mark.parametrize("name", SLIDES)
@pytest.mark.parametrize("form", ["slide", "paper", "notebook", None])
def test_labels_stay_in_their_boxes(name, form):
    """By the widths of Helvetica's letters, of which 0.56 of the size is more than the mean."""
    for node in ET.fromstring(SLIDES[name](for_=form).svg()).iter(f"{SVG}g"):
        if not (node.get("class") or "").startswith("node ") and node.get("class") != "node":
            continue
        outline = node.find(".//{*}path") if node.find(".//{*}path") is not None else node.find(".//{*}ellipse")
        if outline is None or outline.get("stroke") in (None, "none", "transparent"):
            continue
        if outline.tag.endswith("ellipse"):
            wide = 2 * float(outline.get("rx"))
        else:
            xs = [float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", outline.get("d"))]
            wide = max(xs) - min(xs)
        for text in node.iter(f"{SVG}text"):
            assert 0.5 * float(text.get("font-size")) * len(text.text or "") <= wide + 2, (text.text, wide)


@pytest.mark.parametrize(("side", "fixed"), [("end", "right"), ("start", "left"), ("over", "right"), ("number", None)])
def test_a_label_that_grows_keeps_the_edge_beside_its_line(side, fixed):
    """Text is centred, and as wide as its size, its letters and `WIDTH` say."""
    label = Label("t1", (100.0, 50.0), ("0.123",), 8, "#000", False, 40, (side, 1, 2, 400.0))
    grown = _label(label, 20)
    half, more = (WIDTH * size * 5 / 2 for size in (8, 20))
    edges = {"right": (100 + half, grown.at[0] + more), "left": (100 - half, grown.at[0] - more)}
    assert grown.size == 20 and grown.lines == ("0.123",)
    if fixed:
        assert edges[fixed][0] == pytest.approx(edges[fixed][1])
    else:
        assert grown.at[0] == 100 and grown.at[1] == 50 - 6, "below its line: half of what it grew"


def test_how_wide_text_is_taken_to_be():
    assert [_wide("", 10), _wide("abcde", 10), _wide("abcde", 20)] == pytest.approx([4, 32, 60])


def test_roles_come_after_what_they_are_made_from():
    made = {"h": ["o", "tanh"], "tanh": ["C"], "C": ["f", "i"], "o": [], "f": [], "i": []}
    assert _sorted([*made], made) == ["o", "f", "i", "C", "tanh", "h"]
    ring = {"a": ["b"], "b": ["a"], "c": []}
    assert sorted(_sorted([*ring], ring)) == ["a", "b", "c"], "steps that disagree lose none"


def test_what_has_no_room_on_a_slide_is_refused_with_the_number_that_has():
    with pytest.raises(ValueError, match=r"9 steps are too many for for_='slide'.*steps=\(1, 8\)"):
        draw(last(T=9), for_="slide")
    with pytest.raises(ValueError, match=r"no format\. Formats: 'slide', 'paper', 'notebook'"):
        draw(last(), for_="poster")
    with pytest.raises(ValueError, match="not 'strip'"):
        draw(last(), view="strip", for_="slide")


def test_rows_begin_with_the_states_that_the_last_row_left():
    dot = draw(last(T=4), for_="slide").dot
    assert dot.count('label="C₂"') == 2 and dot.count('label="h₂"') == 2 and 'label="t = 4"' in dot
    ys = {float(y) for y in re.findall(r'label="t = \d"; lp="[\d.-]+,([\d.-]+)"', dot)}
    assert len(ys) == 2


@pytest.mark.parametrize("kind, gate, lit, grey", [
    (nn.LSTM, "f", {"@ W_f + b_f", "[h ; x]"}, {"@ W_i + b_i", "@ W_o + b_o", "@ W_C + b_C", "tanh"}),
    (nn.LSTM, "o", {"@ W_o + b_o", "[h ; x]"}, {"@ W_f + b_f", "@ W_i + b_i"}),
    (nn.GRU, "z", {"@ W_z + b_z"}, {"@ W_r + b_r"}),
])  # fmt: skip
def test_one_gate_is_lit_at_a_time(kind, gate, lit, grey):
    dot = draw(last(kind, T=1), backward=False, light=gate).dot
    looks, found = "", {}
    for line in dot.splitlines():
        if line.startswith("node ["):
            looks = line
        elif label := re.search(r'^n\d+ \[.*label="([^"]*)"', line):
            found.setdefault(label[1].replace("\\n", " "), set()).add('"#adb5bd"' in looks)
    assert all(found[label] == {False} for label in lit) and all(found[label] == {True} for label in grey)
    with pytest.raises(ValueError, match="light='q' is no gate of this"):
        draw(last(kind), light="q")
    with pytest.raises(ValueError, match=r"without follow="):
        draw(last(), light="f", follow="C")


def test_a_picture_of_the_way_forward_speaks_of_no_gradients():
    dot = draw(last(), backward=False).dot
    assert "shared by all steps: shape\\l" in dot and 'label="W_f  5×2"' in dot
    assert '–"' not in re.sub('tooltip="[^"]*"', "", dot)
    assert "norm over time" not in draw(last(), view="rolled", backward=False).dot


def test_a_transparent_picture_has_no_ground(tmp_path):
    assert 'fill="white"' in draw(last(T=1)).svg() and 'fill="white"' not in draw(last(T=1), transparent=True).svg()
    assert '‖∂L/∂·‖"' not in draw(last(T=1), legend=False).dot
    assert "parameters" not in draw(last(), parameters=False).dot


def test_pdf_and_chinese_by_typst(tmp_path, monkeypatch):
    typst = pytest.importorskip("typst", reason="an extra: tinygrad-lstm[pdf]")
    drawing = draw(last(T=2), labels=["小明", "lost"])
    assert drawing.save(tmp_path / "x.pdf").read_bytes().startswith(b"%PDF-")
    if press.without_font("小") == "":
        plain = png_size(draw(last(T=2), labels=["ab", "lost"]).save(tmp_path / "a.png"))
        made = png_size(drawing.save(tmp_path / "x.png"))
        assert np.allclose(plain, made, rtol=0.01), "as large as by the other program"

    class NoFonts:
        families = staticmethod(lambda: ["DejaVu Sans"])

    monkeypatch.setattr(typst, "Fonts", NoFonts)
    with pytest.warns(UserWarning, match="no font for Chinese"):
        drawing.save(tmp_path / "y.png")
    monkeypatch.setattr(press, "has_press", lambda: False)
    with pytest.warns(UserWarning, match=r"tinygrad-lstm\[pdf\]"):
        drawing.save(tmp_path / "y.png")
    with pytest.raises(ImportError, match=r"tinygrad-lstm\[pdf\]"):
        press.pressed(drawing.svg(), "pdf", 1.0)


def test_importing_does_not_import_graphviz():
    code = "import sys, tinygrad_lstm.graph; sys.exit('graphviz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_repr_says_what_is_drawn():
    assert "LSTM" in repr(draw(last())) and isinstance(draw(last()), Drawing)


def test_a_renderer_of_ones_own_draws_all_pictures():
    from tinygrad_lstm.graph import use_renderer

    calls = []

    def mine(text: str, layout: str, suffix: str) -> bytes:
        calls.append((text.startswith("digraph G {"), layout, suffix))
        return b'<svg width="10pt" height="10pt" viewBox="0 0 10 10" xmlns="http://www.w3.org/2000/svg"/>'

    before = use_renderer(mine)
    try:
        loss = nn.RNN(2, 3)(np.ones((1, 2, 2), np.float32)).last.h.sum()
        assert draw(loss).svg().startswith("<svg") and draw(loss, view="ops").svg().startswith("<svg")
        assert calls == [(True, "neato", "svg"), (True, "dot", "svg")]
        assert draw(loss).html() and len(calls) == 2, "the page of time steps draws itself"
    finally:
        assert use_renderer(before) is mine
    assert "digraph" not in draw(loss).svg()

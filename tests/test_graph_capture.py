"""Capture: tensors or a trace become a plain graph, with every edge, in order of time."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.graph import Graph
from tinygrad_lstm.graph.capture import norm, place_of, source_of


def leaf(value, name=None):
    return Tensor(value, requires_grad=True, name=name)


def test_a_sum_with_itself_has_two_edges():
    a = leaf(2.0, "a")
    graph = Graph.of(a + a)
    assert [(edge.x, edge.k) for edge in graph.edges] == [(a, 0), (a, 1)]
    assert len(graph.users(a)) == 2


def test_tensors_come_oldest_first_and_once():
    a, b = leaf(2.0), leaf(3.0)
    product = a * b
    graph = Graph.of(product + a, product)
    births = [tensor.birth for tensor in graph.tensors]
    assert births == sorted(set(births)) and len(births) == 4


def test_a_chain_of_100_000_ops():
    y = x = leaf(1.0)
    for _ in range(100_000):
        y = -y
    graph = Graph.of(y)
    assert len(graph.tensors) == 100_001 and len(graph.edges) == 100_000 and graph.tensors[0] is x


def test_the_path_of_a_state_in_order_of_time_layer_after_layer():
    out = nn.LSTM(2, 3, num_layers=2)(np.ones((1, 4, 2), np.float32))
    graph = Graph.of(out.h.sum(), out.C.sum())
    first, second = ([step.C for step in runs[0].steps] for runs in out.layers)
    assert [*map(id, graph.path("C"))] == [*map(id, [*first, *second])]
    assert [*map(id, graph.path("C", layer=2))] == [*map(id, second)]


def test_the_backward_direction_is_listed_in_order_of_time_too():
    out = nn.LSTM(2, 3, bidirectional=True)(np.ones((1, 3, 2), np.float32))
    backward = [tensor for tensor in Graph.of(out.h.sum()).path("h") if "/backward/" in tensor.scope]
    assert [place_of(tensor.scope).t for tensor in backward] == [1, 2, 3]


def test_without_a_trace_gradients_are_what_grad_holds_and_shares_are_unknown():
    a, b = leaf(2.0), leaf(3.0)
    y = a * b
    y.backward(keep_graph=True)
    graph = Graph.of(y)
    assert graph.grad(a) == 3 and graph.grad(y) is None
    assert graph.share(graph.users(a)) is None


def test_a_trace_brings_gradients_and_the_share_of_each_edge():
    a = leaf([3.0, 4.0])
    y = (a * a + a).sum()
    graph = Graph.of(tl.trace(y))
    product = next(tensor for tensor in graph.tensors if tensor.op is tl.mul)
    both = [edge for edge in graph.edges if edge.out is product]
    assert graph.share(both[:1]) == pytest.approx(5)
    assert graph.share(both) == pytest.approx(10), "two shares of the same tensor are added, not their norms"
    assert norm(graph.grad(a)) == pytest.approx(np.hypot(7, 9))
    assert a.grad is None


def test_a_trace_still_has_the_graph_after_backward_freed_it():
    a = leaf(2.0)
    y = (a * 3.0).exp()
    trace = tl.trace(y)
    before = len(Graph.of(trace).edges)
    y.backward()
    assert len(Graph.of(trace).edges) == before == 3


def test_a_vanished_gradient_does_not_underflow_to_zero():
    assert norm(np.full(4, 1e-200)) == pytest.approx(2e-200)
    assert norm(np.full(4, 1e-30, np.float32)) == pytest.approx(2e-30)
    assert norm(np.zeros(3)) == 0 and norm(None) is None and norm(np.array([np.inf, 1])) == np.inf
    assert np.isnan(norm(np.array([np.nan, 1])))


def by_hand(T=3):
    """A loop of one's own, its loss and weight, and its backward pass written out, whose first tensor is the seed."""
    rng = np.random.default_rng(0)
    W, x = leaf(rng.normal(size=(2, 2)), "W"), Tensor(rng.normal(size=(T, 1, 2)))
    h = [Tensor(np.zeros((1, 2)))]
    for t in range(1, T + 1):
        with tl.scope(f"t={t}"):
            h.append(tl.tanh(x[t - 1] + h[-1] @ W).named("h"))
    loss = h[-1].sum()
    seed = dh = Tensor(np.ones((1, 2)))
    dW = 0.0
    for t in range(T, 0, -1):
        dz = dh * (1 - h[t] * h[t])
        dW, dh = h[t - 1].T @ dz + dW, dz @ W.T
    return loss, W, seed, dW, h


def test_a_backward_pass_written_by_hand_is_known_as_one():
    loss, W, seed, dW, _ = by_hand()
    np.testing.assert_allclose(dW.numpy(), tl.grad(loss, W)[0].numpy(), rtol=1e-12)
    graph = Graph.of(loss, dW)
    assert graph.gradients == {x.birth for x in graph.tensors if x.birth >= seed.birth}
    assert loss.birth not in graph.gradients and dW.birth in graph.gradients
    assert Graph.of(loss).gradients == set(), "what is read after the last step is no gradient"


@pytest.mark.parametrize("order", [(1, 2, 3), (1, 3, 2), (2, 2, 2)])
def test_what_reads_the_steps_in_another_order_is_no_gradient(order):
    *_, h = by_hand()
    total = Tensor(np.ones((1, 2)))  # looks like a seed
    for t in order:
        total = total * h[t]
    assert Graph.of(total).gradients == set()
    back = Tensor(np.ones((1, 2)))
    for t in (3, 2, 1):
        back = back * h[t]
    assert back.birth in Graph.of(back).gradients
    two = Tensor(np.full((1, 2), 2.0))  # no seed
    for t in (3, 2, 1):
        two = two * h[t]
    assert Graph.of(two).gradients == set()


def test_a_gradient_in_a_scope_of_that_name_is_known_by_it():
    a = leaf(2.0)
    y = a * a
    (slope,) = tl.grad(y, a, create_graph=True)
    graph = Graph.of(y, slope)
    assert (
        graph.gradients == {x.birth for x in graph.tensors if "gradient" in x.scope} and y.birth not in graph.gradients
    )


def test_what_is_no_graph_is_refused():
    for wrong in ((), (np.ones(3),), (leaf(1.0), "C")):
        with pytest.raises(TypeError, match=r"Graph\.of takes"):
            Graph.of(*wrong)


@pytest.mark.parametrize(("scope", "place"), [
    ("lstm/t=3/forget gate", ("lstm", 3, "forget gate")),
    ("lstm/layer 2/forward/t=12", ("lstm/layer 2/forward", 12, "")),
    ("t=1/lstm/t=2/x", ("t=1/lstm", 2, "x")), ("lstm", None), ("", None), ("t=x", None), ("t=", None),
])  # fmt: skip
def test_where_in_time_a_scope_stands(scope, place):
    assert place_of(scope) == place


def test_a_tensor_knows_the_line_that_made_it():
    a = leaf(2.0, "a")
    by_operator = 3.0 * a + a  # this very line, through Tensor.__radd__, numbers that become tensors, and all
    by_method, by_op = a.tanh(), tl.concat([a[None], a[None]])
    assert source_of(a) is None
    for tensor in (by_operator, by_operator.inputs[0]):
        assert source_of(tensor).file == "test_graph_capture.py" and "3.0 * a + a" in source_of(tensor).text
    for tensor in (by_method, by_op, by_op.inputs[0]):
        assert source_of(tensor).line == source_of(by_operator).line + 1
    f = nn.LSTM(1, 1)(np.ones((1, 1, 1))).steps[0].f
    assert source_of(f)[0] == "lstm.py" and "self.W_f" in source_of(f).text
    (slope,) = tl.grad(a * a, a, create_graph=True)
    assert "mul.wrt" in source_of(slope.inputs[0]).text  # the rule


def test_the_line_of_code_that_is_gone_is_known_without_its_text():
    a = leaf(2.0)
    namespace = {"a": a}
    exec(compile("\nb = a * a", "<gone>", "exec"), namespace)
    assert source_of(namespace["b"]) == ("<gone>", 2, "")

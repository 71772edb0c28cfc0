"""The laws of the engine: what arrives, what is freed, what is refused."""

import contextvars
import gc
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from tinygrad_lstm import Tensor, concat, engine, grad, jacobian, nn, no_grad, ops, scope, stack, tanh, trace
from tinygrad_lstm.op import Op, Piece
from tinygrad_lstm.scope import recording, scope_path


@pytest.fixture
def uncollected():
    """Without the garbage collector, what is held in a circle stays alive and is found."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*values: float, dtype=np.float64) -> Tensor:
    return Tensor(np.array(values), requires_grad=True, dtype=dtype)


def counted(calls: list[str], fail: str = "", shape: tuple[int, ...] | None = None) -> Op:
    """a · b, which notes the inputs whose rules run; one may fail or return another shape."""

    def product(a, b):
        return a * b

    def rule(name):
        def run(dy, y, a, b):
            calls.append(name)
            if name == fail:
                raise ZeroDivisionError(f"rule of {name}")
            return np.zeros(shape) if shape is not None else dy * (b if name == "a" else a)

        return run

    op = Op(product, "?", "for these tests", broadcasts=False, hint="")
    for name in ("a", "b"):
        op.wrt(name, "?", rule(name))
    return op


# — graphs of every form —————————————————————————————————————————————————————————————————————————————————


def test_the_same_input_twice():
    a = leaf(3.0)
    y = a + a
    t = trace(y, [1.0])
    assert [edge.k for edge in t.inputs(y)] == [0, 1] and [edge.share.item() for edge in t.inputs(y)] == [1, 1]
    y.backward([1.0])
    assert a.grad.tolist() == [2]
    a = leaf(3.0)
    (a * a * a).backward([1.0])
    assert a.grad.tolist() == [27]


def test_diamond_of_2_to_the_60_paths():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    visited = [tensor for tensor, _, _ in engine.travel(y, np.ones(1))]
    assert len(visited) == 61 and visited[-1] is x
    y.backward([1.0])
    assert x.grad.tolist() == [2.0**60]


@pytest.mark.parametrize("go_back", [True, False])
def test_chain_of_100_000_ops(uncollected, go_back):
    limit = sys.getrecursionlimit()
    x = Tensor(1.0, requires_grad=True)
    y = x
    born = []
    for _ in range(100_000):
        y = y * 1.0
        born.append(weakref.ref(y))
    if go_back:
        y.backward()
        assert x.grad == 1 and sum(ref() is not None for ref in born) == 1, "only the root is held by its name"
    del y
    assert sys.getrecursionlimit() == limit
    assert not any(ref() is not None for ref in born)


def test_second_order_through_a_long_chain():
    x = leaf(0.5)
    y = x
    for _ in range(3000):
        y = y * 1.0 + 0.0
    (first,) = grad((y * y).sum(), x, create_graph=True)
    assert grad(first.sum(), x)[0].numpy().tolist() == [2]


def test_a_training_step_leaves_nothing(uncollected):
    lstm = nn.LSTM(2, 3, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((2, 20, 2)).astype(np.float32)

    def step() -> None:
        out = lstm(x)
        (out.h * out.h).sum().backward()
        lstm.zero_grad()

    def alive() -> int:
        return sum(type(o) is Tensor for o in gc.get_objects())

    step()
    tracemalloc.start()
    step()
    tensors, (memory, _) = alive(), tracemalloc.get_traced_memory()
    for _ in range(3):
        step()
    # One step's history is 150 kB; some kB are Python's own lists of freed tuples, which fill up in 400 steps.
    assert alive() == tensors and tracemalloc.get_traced_memory()[0] < memory + 30_000
    tracemalloc.stop()


def test_traces_and_gradients_leave_nothing(uncollected):
    x = leaf(1.0, 2.0)
    y = tanh(x * x).sum()
    born = weakref.ref(y)
    t, (first,) = trace(y), grad(y, x, create_graph=True)
    grad(first.sum(), x)
    del y, t, first
    assert born() is None


def test_branches_meet_in_order_of_birth():
    x = leaf(2.0)
    late = x * 3
    early = tanh(x)
    y = early * late + late * x + x
    expected = 3 * np.tanh(2) + 6 * (1 - np.tanh(2) ** 2) + 12 + 1
    assert grad(y, x, [1.0])[0].numpy() == pytest.approx(expected, rel=1e-14)
    births = [tensor.birth for tensor, _, _ in engine.travel(y, np.ones(1))]
    assert births == sorted(births, reverse=True)


# — what is stored, and what is freed ————————————————————————————————————————————————————————————————————


def test_gradients_add_up_over_two_backward_calls():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 7] and first.tolist() == [3, 3], "an array once handed out is not changed"


def test_backward_twice_needs_keep_graph():
    x = leaf(1.0)
    with scope("lstm"):
        y = tanh(x).named("h").sum()
    y.backward(keep_graph=True)
    once = x.grad.copy()
    y.backward()
    assert x.grad == 2 * once
    with pytest.raises(RuntimeError, match=r"freed by a backward.*detach.*keep_graph=True"):
        y.backward()
    assert x.grad == 2 * once
    with pytest.raises(RuntimeError, match=r"in lstm .*freed by a backward"):
        grad(y, x)


def test_shared_history_freed_by_another_root():
    x = leaf(1.0)
    h = tanh(x).named("h")
    (h * 2).sum().backward()
    other = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"the history of tensor h .*made by tanh was freed"):
        (h * 3 + other).sum().backward()
    assert other.grad is None


def test_keep_grads_and_keep_grad():
    x = leaf(1.0, 2.0)
    middle = (x * 2).keep_grad()
    y = middle * middle
    z = y.sum()
    z.backward(keep_graph=True)
    assert middle.grad.tolist() == [4, 8] and y.grad is None and z.grad is None and x.grad.tolist() == [8, 16]
    z.backward(keep_grads=True)
    assert y.grad.tolist() == [1, 1] and z.grad == 1 and middle.grad.tolist() == [8, 16]


def test_grad_touches_no_grad_and_keeps_the_history():
    x = leaf(1.0, 2.0)
    middle = (x * 2).keep_grad()
    y = (middle * middle).sum()
    for create_graph in (False, True):
        dx, dmiddle = grad(y, [x, middle], create_graph=create_graph)
        assert dx.numpy().tolist() == [8, 16] and dmiddle.numpy().tolist() == [4, 8]
        assert dx.requires_grad is create_graph
    trace(y)
    jacobian(middle, x)
    assert x.grad is None and middle.grad is None
    y.backward()


def test_derivatives_to_the_fourth_order():
    x = leaf(1.5)
    y = (x**4).sum()
    for expected in (4 * 1.5**3, 12 * 1.5**2, 24 * 1.5, 24.0):
        (y,) = grad(y.sum(), x, create_graph=True)
        assert y.numpy() == pytest.approx(expected, rel=1e-14)


def test_gradient_of_a_gradient_by_backward():
    x = leaf(0.3)
    (first,) = grad(tanh(x).sum(), x, create_graph=True)
    first.sum().backward()
    t = np.tanh(0.3)
    assert x.grad == pytest.approx(-2 * t * (1 - t * t), rel=1e-14)


def test_seeds_are_linear():
    x = leaf(1.0, 2.0)
    y = x * x
    assert grad(y, x, [1.0, 10.0])[0].numpy().tolist() == [2, 40]
    assert grad(y, x, Tensor([1.0, 10.0]))[0].numpy().tolist() == [2, 40]
    np.testing.assert_array_equal(jacobian(y, x), np.diag([2.0, 4.0]))


def test_jacobian_shapes():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    np.testing.assert_array_equal(jacobian(x.T, x), np.eye(6).reshape(2, 3, 2, 3).swapaxes(0, 1))
    assert jacobian(x.sum(), x).shape == (2, 3)


# — errors ———————————————————————————————————————————————————————————————————————————————————————————————


def test_root_must_be_a_number_or_have_a_seed():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"shape \(2,\) made by mul is no single number.*seed"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"seed has shape \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(ValueError, match=r"seed has shape \(\)"):
        (x * 2).backward(1.0)
    assert x.grad is None


def test_root_must_need_a_gradient():
    for root in (Tensor(1.0), leaf(1.0).detach(), Tensor(2.0) * 3):
        with pytest.raises(RuntimeError, match="needs no gradient"):
            root.backward(np.ones(root.shape))
    with no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"no_grad\(\) or detached"):
        y.backward([1.0])
    with pytest.raises(RuntimeError, match="needs no gradient"):
        trace(Tensor(1.0))


def test_grad_names_what_it_cannot_reach():
    x, other, constant = leaf(1.0).named("x"), leaf(1.0).named("other"), Tensor(1.0, name="constant")
    y = x * constant
    with pytest.raises(RuntimeError, match="no path leads from tensor other"):
        grad(y, [x, other], [1.0])
    with pytest.raises(RuntimeError, match=r"tensor constant .* needs no gradient"):
        grad(y, [x, constant], [1.0])
    later = y * 2
    with pytest.raises(RuntimeError, match="no path"):
        grad(y, later, [1.0])


def test_unused_inputs_may_have_no_gradient():
    x, other, constant = leaf(1.0), leaf(1.0), Tensor([1.0])
    dx, none = grad(x * 2, [x, other], [1.0], allow_unused=True)
    assert dx.numpy().tolist() == [2] and none is None
    dx, same = grad(ops.relu(-x) + other * 0.0, [x, other], [1.0], allow_unused=True)
    assert dx.numpy().tolist() == [0] == same.numpy().tolist(), "a path that carries zeros is a path"
    (slope,) = grad(x * 2, x, [1.0], create_graph=True)
    assert grad(slope.sum(), x, allow_unused=True) == [None], "a linear function has no second derivative"
    assert grad(constant, [x, other], allow_unused=True) == [None, None]
    assert grad(ops.where(x, constant, constant) + other, x, [1.0], allow_unused=True) == [None]
    assert grad(x, x * 2, [1.0], allow_unused=True) == [None], "a result is no input"
    with pytest.raises(RuntimeError, match="needs no gradient"):
        grad(x * constant, [constant], [1.0], allow_unused=True)
    with pytest.raises(RuntimeError, match=r"no path leads .* allow_unused=True it is None"):
        grad(x * 2, other, [1.0])
    with pytest.raises(ValueError, match="no single number"):
        grad(Tensor([1.0, 2.0]), x, allow_unused=True)


def test_adding_in_place_makes_a_new_tensor():
    x, weight = leaf(1.0, 2.0), leaf(3.0, 4.0)
    old, total = weight, x
    total += weight
    total *= weight
    weight += 1.0
    assert total is not x and x.numpy().tolist() == [1, 2] and old.numpy().tolist() == [3, 4] and weight is not old
    total.sum().backward()
    assert x.grad.tolist() == [3, 4] and old.grad.tolist() == [1 + 6, 2 + 8]


def test_leaf_as_root():
    x = leaf(2.0)
    x.backward([3.0])
    assert x.grad.tolist() == [3] and grad(x, x, [1.0])[0].numpy().tolist() == [1]


def test_rule_of_a_wrong_shape():
    op = counted([], shape=(3,))
    x = leaf(1.0, 2.0)
    words = r"product's rule returned shape \(3,\) for tensor x .*\(2,\)"
    with scope("here"), pytest.raises(RuntimeError, match=words):
        op(x.named("x"), np.ones(2)).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("first", ["early", "late"])
def test_no_grad_is_half_written_after_an_error(first):
    bad, good = leaf(1.0), leaf(1.0)
    if first == "early":
        broken = counted([], fail="a")(bad, np.ones(1))
        fine = (good * 2).keep_grad()
    else:
        fine = (good * 2).keep_grad()
        broken = counted([], fail="a")(bad, np.ones(1))
    with pytest.raises(ZeroDivisionError):
        (fine + broken).sum().backward()
    assert bad.grad is None and good.grad is None and fine.grad is None


def test_only_the_rules_of_inputs_that_need_a_gradient_run():
    calls: list[str] = []
    op = counted(calls)
    op(leaf(2.0), Tensor([1.0])).backward([1.0])
    op(np.ones(1), leaf(2.0)).backward([1.0])
    assert calls == ["a", "b"]
    calls.clear()
    a, b = leaf(2.0), leaf(3.0)
    old = op(a, b)
    op(old, b).backward([1.0])
    assert calls == ["a", "b", "a", "b"]
    calls.clear()
    y = op(op(a, b) * 1.0, b)
    grad(y, y.inputs[0], [1.0])
    assert calls == ["a"], "nothing older than what was asked for is visited"


# — nothing is changed behind the tape's back ————————————————————————————————————————————————————————————


def test_data_is_read_only():
    array = np.ones(3)
    x = Tensor(array, requires_grad=True)
    array[0] = 100
    assert x.numpy().tolist() == [1, 1, 1]
    for t in (x, x.T, x.reshape(3, 1), x[1:], x * 2, x.sum(), x.detach(), ops.broadcast_to(x, shape=(2, 3))):
        with pytest.raises(ValueError, match="read-only"):
            t.data[...] = 5
        with pytest.raises(ValueError, match="read-only"):
            t.numpy()[...] = 5
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(t.detach())[...] = 5
    with pytest.raises(TypeError):
        x[0] = 5


@pytest.mark.parametrize("which", ["weight", "middle", "output", "root"])
def test_replaced_values_are_noticed(which):
    tensors = {"weight": leaf(2.0).named("weight")}
    with scope("lstm"):
        tensors["middle"] = (tensors["weight"] * 3).named("middle")
        tensors["output"] = tanh(tensors["middle"]).named("output")
    y = tensors["root"] = tensors["output"].sum().named("root")
    tensors[which].data = tensors[which].numpy().copy()
    for go in (lambda: grad(y, tensors["weight"]), lambda: grad(y, tensors["weight"], create_graph=True), y.backward):
        with pytest.raises(RuntimeError, match=f"the value of tensor {which} .*was replaced after (mul|tanh|sum) used"):
            go()
    assert tensors["weight"].grad is None


def test_replacing_a_value_that_no_rule_needs_any_more_is_fine():
    x = leaf(2.0)
    (x * 3).sum().backward()
    x.data = [5.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [13] and x.dtype == np.float32


def test_arrays_changed_after_the_forward_pass_change_nothing():
    index, pair, mask = np.array([0, 0]), [np.array([1, 1])], np.array([True, False, True])
    factor, condition, seed = np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), np.ones(())
    x = leaf(1.0, 2.0, 3.0)
    y = x[index].sum() + x[tuple(pair)].sum() + x[mask].sum() + (x * factor).sum() + (factor * x).sum()
    y = y + ops.where(condition, x, factor).sum() + ops.embed(x.reshape(3, 1), index=index).sum()
    for array in (index, pair[0]):
        array[...] = 2
    mask[...], condition[...], factor[...] = True, False, 1000
    (dx,) = grad(y, x, seed)
    expected = np.sum([[2, 0, 0], [0, 2, 0], [1, 0, 1], [2, 4, 6], [1, 0, 1], [2, 0, 0]], axis=0)
    assert dx.numpy().tolist() == expected.tolist()


def test_the_seed_stays_the_callers():
    x = leaf(1.0, 2.0)
    seed = np.ones(2)
    for y in (x, x + 1, x.reshape(2, 1).reshape(2)):
        (dx,) = grad(y, x, seed)
        seed[...] = 7
        assert dx.numpy().tolist() == [1, 1]
        seed[...] = 1
    y = x + 1
    y.backward(seed, keep_grads=True)
    x.grad[...] = 9
    assert seed.tolist() == [1, 1] and y.grad.tolist() == [1, 1]


def test_gradients_share_no_memory():
    a, b, c = leaf(1.0, 2.0), leaf(1.0, 2.0), leaf(1.0, 2.0)
    parts = [a + b, (a + b).reshape(2, 1).T, ((a + b) - c).reshape(1, 2), concat(a, c)[:2], a.sum() + c]
    total = stack([part.reshape(2) for part in parts]).sum()
    total.backward(keep_grads=True)
    tensors = [a, b, c, *parts, total]
    before = [t.grad.copy() for t in tensors]
    for k, t in enumerate(tensors):
        t.grad[...] = -99
        assert all((u.grad == old).all() for u, old in zip(tensors[k + 1 :], before[k + 1 :], strict=True))


# — pieces ———————————————————————————————————————————————————————————————————————————————————————————————


def test_a_slice_sends_back_a_piece():
    steps, size = 50, 4
    x = Tensor(np.ones((steps, size)), requires_grad=True)
    y = stack([x[t] * float(t) for t in range(steps)]).sum()
    sent = [share for tensor, _, shares in engine.travel(y, np.ones(())) for to, share in shares if to is x]
    assert len(sent) == steps and all(type(share) is Piece and share.values.size == size for share in sent)
    np.testing.assert_array_equal(grad(y, x)[0].numpy(), np.arange(steps)[:, None] * np.ones(size))


def test_a_sequence_becomes_one_full_array_once(monkeypatch):
    made = []
    put = ops.put.forward
    monkeypatch.setattr(ops.put, "forward", lambda x, **settings: made.append(1) or put(x, **settings))
    x = Tensor(np.ones((64, 3)), requires_grad=True)
    stack([x[t] for t in range(64)]).sum().backward()
    assert len(made) == 1 and (x.grad == 1).all()


@pytest.mark.parametrize("index", [0, slice(1, 3), [1, 1], np.array([True, False, True]), None, ..., (), -1])
def test_pieces_and_full_shares_mix(index):
    weight = np.array([1.0, 2.0, 3.0])
    x = leaf(*weight)
    expected = np.zeros(3)
    np.add.at(expected, index, 1.0)
    rows = [
        (x[index].sum() + (x * 2).sum(), 2 + expected),
        ((x * 2).sum() + x[index].sum(), 2 + expected),
        (x[index].sum() + x[index].sum() * 2, 3 * expected),
    ]
    for y, whole in rows:
        x.grad = None
        y.backward()
        np.testing.assert_array_equal(x.grad, whole)


def test_pieces_of_a_single_number():
    x = Tensor(2.0, requires_grad=True)
    rows = [
        (x * 2 + x * 3 + x[None].sum() + x[()], 7),
        (x[()] + x[None].sum() + x * 2 + x * 3, 7),
        (x[...] + x * x * x, 13),
    ]
    for y, whole in rows:
        x.grad = None
        y.backward()
        assert x.grad.shape == () and x.grad == whole


def test_a_piece_does_not_write_into_another_gradient():
    x = leaf(1.0, 2.0, 3.0)
    shared = x + 0.0
    other = leaf(0.0, 0.0, 0.0)
    first = shared[1:]
    y = (first * 2).sum() + (shared + other).sum()
    y.backward(keep_grads=True)
    assert x.grad.tolist() == [1, 3, 3] and other.grad.tolist() == [1, 1, 1] and shared.grad.tolist() == [1, 3, 3]
    x, other = leaf(1.0, 2.0, 3.0), leaf(0.0, 0.0, 0.0)
    piece = x[1:]
    ((x + other).sum() + (piece * 2).sum()).backward(keep_grads=True)
    assert x.grad.tolist() == [1, 3, 3] and other.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", ["lstm", "slices"])
def test_memory_grows_linearly_with_time(kind):
    lstm = nn.LSTM(4, 8, rng=np.random.default_rng(0))

    def peak(steps: int) -> int:
        x = Tensor(np.ones((2, steps, 4)), requires_grad=True, dtype=np.float32)
        gc.collect()
        tracemalloc.start()
        out = lstm(x).h if kind == "lstm" else stack([x[:, t] for t in range(steps)])
        out.sum().backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(5)
    assert peak(400) / peak(100) < 4.4


# — threads ——————————————————————————————————————————————————————————————————————————————————————————————


def test_two_threads_train_side_by_side():
    barrier, results = threading.Barrier(2), {}

    def work(name: str, mode) -> None:
        x = leaf(1.0, 2.0)
        with scope(name), mode:
            barrier.wait()
            for _ in range(200):
                y = tanh(x * x).sum()
            barrier.wait()
            results[name] = (y.scope, y.requires_grad)
        y = (x * x).sum()
        y.backward()
        results[name] += (x.grad.tolist(), y.scope)

    threads = [threading.Thread(target=work, args=args) for args in (("a", no_grad()), ("b", scope("inner")))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": ("a", False, [2, 4], ""), "b": ("b/inner", True, [2, 4], "")}
    assert scope_path.get() == "" and recording.get()


def test_two_threads_equal_one():
    def train(seed: int) -> np.ndarray:
        lstm = nn.LSTM(2, 4, rng=np.random.default_rng(seed))
        x = np.random.default_rng(seed).standard_normal((3, 8, 2)).astype(np.float32)
        for _ in range(5):
            (lstm(x).h ** 2).mean().backward()
            for p in lstm.parameters():
                p.data = p.numpy() - 0.1 * p.grad
            lstm.zero_grad()
        return np.concatenate([p.numpy().ravel() for p in lstm.parameters()])

    together: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(lambda s=seed: together.update({s: train(s)}),))
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, parameters in together.items():
        np.testing.assert_array_equal(parameters, train(seed))

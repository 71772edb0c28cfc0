"""Every op of the registry, driven by the sample table, and what no table can say."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, array_shapes, basic_indices, mutually_broadcastable_shapes
from samples import INDICES, LABELS, ROWS, SAMPLES, Row

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, functions, grad, nn, ops
from tinygrad_lstm.engine import vjp
from tinygrad_lstm.op import Op, registry
from tinygrad_lstm.testing import gradcheck

every_sample = pytest.mark.parametrize(("op", "row"), SAMPLES, ids=LABELS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def tensors(row: Row, dtype: type = np.float64) -> list[Tensor]:
    return [Tensor(x, dtype=dtype, requires_grad=True) for x in row.moving]


# — the table ————————————————————————————————————————————————————————————————————————————————————————————


def test_every_op_has_a_row():
    assert set(ROWS) == set(registry), "an op without a sample row, or a row without an op"


@pytest.mark.parametrize("name", registry)
def test_every_op_says_what_it_is(name):
    op = registry[name]
    assert op.label and op.__doc__ and repr(op).startswith(f"<op {name}(")
    assert any(getattr(place, name, None) is op for place in (ops, functions, nn))
    ruled = [bool(op.joint_rule or rule) for rule in op.rules]
    assert any(ruled) and ruled == [bool(formula) for formula in op.formulas]


@every_sample
def test_first_and_second_order(op: Op, row: Row):
    assert gradcheck(row.call(op), row.moving, order=2, rtol=1e-6, eps=1e-5)


@every_sample
@both_dtypes
def test_dtype_is_kept(op: Op, row: Row, dtype):
    row = Row(row.inputs, row.settings | ({"dtype": np.dtype(dtype)} if op.name == "cast" else {}), row.fixed)
    xs = tensors(row, dtype)
    fixed = {k: x.astype(dtype) if x.dtype.kind == "f" else x for k, x in enumerate(row.inputs) if k in row.fixed}
    row = Row(tuple(fixed.get(k, x) for k, x in enumerate(row.inputs)), row.settings, row.fixed)
    y = row.call(op)(*xs)
    assert y.dtype == dtype
    for create_graph in (False, True):
        gradients = grad(y, xs, np.ones(y.shape), create_graph=create_graph)
        assert [(g.shape, g.dtype) for g in gradients] == [(x.shape, dtype) for x in xs]


@every_sample
def test_arrays_in_arrays_out(op: Op, row: Row):
    array = op(*row.inputs, **row.settings)
    np.testing.assert_array_equal(array, row.call(op)(*tensors(row)).numpy())
    assert isinstance(array, np.ndarray | np.generic)


@every_sample
def test_rules_on_arrays_and_on_tensors_agree(op: Op, row: Row):
    xs = tensors(row)
    y = row.call(op)(*xs)
    seed = np.random.default_rng(1).standard_normal(y.shape)
    plain, recorded = vjp(y, xs, seed), vjp(y, xs, seed, create_graph=True)
    for a, b in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(getattr(a, "values", a), b.numpy() if isinstance(b, Tensor) else b, 1e-14)


@pytest.mark.parametrize("name", [name for name, op in registry.items() if len(op.inputs) == 1 and not op.variadic])
def test_numbers_and_lists(name):
    op, row = registry[name], ROWS[name][0]
    np.testing.assert_array_equal(op(row.inputs[0].tolist(), **row.settings), op(row.inputs[0], **row.settings))
    if any(row.inputs[0].shape == () and not row.settings for row in ROWS[name]):
        y = op(0.7)
        assert not isinstance(y, Tensor) and float(y) == float(op(np.array(0.7)))


@both_dtypes
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "power", "maximum", "minimum"])
def test_python_scalars_adopt_the_dtype(name, dtype):
    x = Tensor([0.5, 1.5], dtype=dtype, requires_grad=True)
    for y in (registry[name](x, 2), registry[name](2.5, x), registry[name](x, np.float64(3)), registry[name](x, True)):
        assert y.dtype == dtype and grad(y.sum(), x)[0].dtype == dtype


def test_mixed_dtypes_give_each_input_its_own():
    a, b = Tensor(np.ones(2, np.float32), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    y = a * b
    assert y.dtype == np.float64 and [g.dtype for g in grad(y.sum(), [a, b])] == [np.float32, np.float64]


# — broadcasting and indices of any form —————————————————————————————————————————————————————————————————


@quick
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum"])
def test_broadcasting(name, shapes: BroadcastableShapes, seed):
    draw = np.random.default_rng(seed)
    a, b = (draw.uniform(0.5, 2, shape) for shape in shapes.input_shapes)
    assert registry[name](Tensor(a), Tensor(b)).shape == shapes.result_shape
    assert gradcheck(registry[name], [a, b], order=1)


@quick
@given(shapes=mutually_broadcastable_shapes(signature="(m,k),(k,n)->(m,n)", max_dims=2, max_side=3))
def test_matmul_shapes(shapes: BroadcastableShapes):
    a, b = (np.random.default_rng(0).standard_normal(shape) for shape in shapes.input_shapes)
    assert ops.matmul(Tensor(a), Tensor(b)).shape == shapes.result_shape
    assert gradcheck(ops.matmul, [a, b], order=1)


@quick
@given(data=st.data(), shape=array_shapes(max_dims=3, max_side=4))
def test_basic_indices(data, shape):
    index = data.draw(basic_indices(shape, allow_newaxis=True))
    x = np.random.default_rng(0).standard_normal(shape)
    t = Tensor(x, requires_grad=True, dtype=np.float64)
    np.testing.assert_array_equal(t[index].numpy(), x[index])
    places = np.zeros(shape)
    places[index] = 3
    np.testing.assert_array_equal(grad((t[index] * 3).sum(), t)[0].numpy(), places)


@quick
@given(index=st.lists(st.integers(-4, 3), min_size=1, max_size=9))
def test_repeated_indices_count_each_time(index):
    t = Tensor(np.ones((4, 2)), requires_grad=True)
    t[np.array(index)].sum().backward()
    counts = np.bincount(np.array(index) % 4, minlength=4)
    np.testing.assert_array_equal(t.grad, np.stack([counts, counts], axis=1))
    if min(index) >= 0:
        weight = Tensor(np.ones((4, 2)), requires_grad=True)
        ops.embed(weight, index=index).sum().backward()
        np.testing.assert_array_equal(weight.grad, t.grad)


@quick
@given(shape=array_shapes(min_dims=1, max_dims=3, max_side=3), data=st.data(), keepdims=st.booleans())
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions_equal_numpy(name, shape, data, keepdims):
    x = np.random.default_rng(0).standard_normal(shape)
    axes = st.sets(st.integers(0, x.ndim - 1)).map(lambda s: tuple(a - x.ndim if a % 2 else a for a in s))
    axis = data.draw(st.none() | axes)
    y = registry[name](Tensor(x), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(y.numpy(), getattr(np, name)(x, axis=axis, keepdims=keepdims))
    assert gradcheck(registry[name], [x], order=1) if axis is None else y.dtype == np.float64


# — extreme values ———————————————————————————————————————————————————————————————————————————————————————

EXTREMES = [-1000.0, -100.0, -1.0, 0.0, 1.0, 100.0, 1000.0]


def stable_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= -700 else 0.0


EXPECTED = {
    "sigmoid": (stable_sigmoid, lambda x: stable_sigmoid(x) * (1 - stable_sigmoid(x))),
    "softplus": (lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))), stable_sigmoid),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "leaky_relu": (lambda x: max(x, 0.01 * x), lambda x: 1.0 if x > 0 else 0.01),
    "hard_sigmoid": (lambda x: min(max(x / 6 + 0.5, 0), 1), lambda x: 1 / 6 if abs(x) < 3 else 0.0),
    "abs": (abs, lambda x: (x > 0) - (x < 0)),
}


@both_dtypes
@pytest.mark.parametrize("name", EXPECTED)
def test_extreme_values(name, dtype):
    x = Tensor(EXTREMES, dtype=dtype, requires_grad=True)
    y = registry[name](x)
    (first,) = grad(y.sum(), x, create_graph=True)
    value, slope = EXPECTED[name]
    close = {"rtol": 1e-5 if dtype is np.float32 else 1e-13, "atol": 1e-7 if dtype is np.float32 else 1e-16}
    np.testing.assert_allclose(y.numpy(), [value(v) for v in EXTREMES], **close)
    np.testing.assert_allclose(first.numpy(), [slope(v) for v in EXTREMES], **close)
    if first.requires_grad:
        assert np.isfinite(vjp(first.sum(), [x], np.ones((), dtype))[0]).all()


@both_dtypes
def test_extreme_values_along_an_axis(dtype):
    x = Tensor([[1000, -1000], [-1000, -1000], [1000, 1000]], dtype=dtype, requires_grad=True)
    half = math.log(2)
    results = {
        ops.softmax: [[1, 0], [0.5, 0.5], [0.5, 0.5]],
        ops.log_softmax: [[0, -2000], [-half, -half], [-half, -half]],
        lambda x: ops.logsumexp(x, axis=-1): [1000, -1000 + half, 1000 + half],
    }
    for function, expected in results.items():
        y = function(x)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
        (first,) = grad(y.sum(), x, create_graph=True)
        assert np.isfinite(first.numpy()).all()
        assert np.isfinite(grad((first * first).sum(), x)[0].numpy()).all()
    shares = grad(ops.logsumexp(x, axis=-1).sum(), x)[0].numpy()
    np.testing.assert_allclose(shares, [[1, 0], [0.5, 0.5], [0.5, 0.5]], rtol=1e-4)
    assert grad(ops.log_softmax(x)[0, 1], x)[0].numpy().tolist()[0] == [-1, 1]


def test_tails_keep_their_digits():
    np.testing.assert_allclose(ops.sigmoid(np.array([-40.0, -700.0])), np.exp([-40.0, -700.0]), rtol=1e-13)
    np.testing.assert_allclose(ops.softplus(np.array([-40.0, -700.0])), np.exp([-40.0, -700.0]), rtol=1e-13)


# — corners and choices ——————————————————————————————————————————————————————————————————————————————————


def derivative(f, x):
    t = Tensor(x, requires_grad=True, dtype=np.float64)
    return grad(f(t).sum(), t)[0].numpy().tolist()


def test_gradients_at_corners():
    assert derivative(ops.relu, [0.0]) == [0]
    assert derivative(ops.abs, [0.0]) == [0]
    assert derivative(lambda x: ops.clip(x, low=-1, high=1), [-1.0, 0.0, 1.0, 1.5]) == [1, 1, 1, 0]
    assert derivative(lambda x: ops.leaky_relu(x, negative_slope=0.25), [0.0]) == [0.25]
    assert derivative(ops.hard_sigmoid, [-3.0, 3.0]) == [0, 0]


def test_equal_entries_share_the_gradient():
    assert derivative(ops.max, [2.0, 5.0, 5.0]) == [0, 0.5, 0.5]
    assert derivative(ops.min, [2.0, 2.0, 5.0]) == [0.5, 0.5, 0]
    assert derivative(lambda x: ops.max(x, axis=1), [[1.0, 1.0], [0.0, 2.0]]) == [[0.5, 0.5], [0, 1]]
    for choose in (ops.maximum, ops.minimum):
        a, b = (Tensor([3.0], requires_grad=True) for _ in range(2))
        choose(a, b).sum().backward()
        assert a.grad.tolist() == b.grad.tolist() == [0.5]


def test_powers_where_logarithms_end():
    assert derivative(lambda x: x**2, [-3.0, 0.0, 3.0]) == [-6, 0, 6]
    assert derivative(lambda x: x**1, [0.0]) == [1]
    assert derivative(lambda x: x**0, [0.0, -2.0]) == [0, 0]
    assert derivative(lambda b: ops.power(Tensor([0.0, -2.0]), b), [2.0, 2.0]) == [0, 0]
    x = Tensor([0.0, -1.0], requires_grad=True)
    assert grad(grad((x**2).sum(), x, create_graph=True)[0].sum(), x)[0].numpy().tolist() == [2, 2]


def test_where_takes_any_condition():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor(5.0, requires_grad=True)
    for condition in (np.array([True, False]), [True, False], [1, 0], Tensor([1.0, 0.0])):
        assert ops.where(condition, a, b).numpy().tolist() == [1, 5]
    ops.where(np.array([True, False]), a, b).sum().backward()
    assert a.grad.tolist() == [1, 0] and b.grad == 1


def test_where_keeps_a_bad_branch_out():
    x = Tensor([0.0, 4.0], requires_grad=True, dtype=np.float64)
    ops.where(x.numpy() > 0, x.clip(1e-9).log(), 0.0).sum().backward()
    assert x.grad.tolist() == [0, 0.25]


def test_concat_and_stack_take_one_list():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    assert ops.concat([a, b]).numpy().tolist() == ops.concat(a, b).numpy().tolist() == [1, 2]
    assert ops.stack([a, b]).shape == ops.stack(a, b).shape == (2, 1)
    (ops.concat((a, b, a)) * np.array([1.0, 10, 100])).sum().backward()
    assert a.grad.tolist() == [101] and b.grad.tolist() == [10]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split_is_the_opposite_of_concat(axis):
    x = Tensor(np.arange(24.0).reshape(4, 6), requires_grad=True)
    for sections in (2, [1, x.shape[axis] - 1]):
        np.testing.assert_array_equal(ops.concat(tl.split(x, sections, axis=axis), axis=axis).numpy(), x.numpy())
    assert gradcheck(lambda x: ops.stack([part * part for part in tl.split(x, 2, axis=axis)]), [x])
    assert all(isinstance(part, np.ndarray) for part in tl.split(x.numpy(), 2, axis=axis))
    for wrong in (5, [1, 1], [7]):
        with pytest.raises(ValueError, match="do not add up"):
            tl.split(x, wrong, axis=axis)


def test_a_copy_of_an_op_is_the_op():
    for op in (ops.tanh, ops.concat, nn.dropout):
        assert copy.deepcopy({"op": op})["op"] is op and pickle.loads(pickle.dumps(op)) is op
    layer = nn.LSTM(2, 3, activation=ops.relu, recurrent_activation="hard_sigmoid", rng=np.random.default_rng(0))
    x = np.ones((1, 2, 2), np.float32)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x).h.numpy(), layer(x).h.numpy())


def test_the_last_definition_of_an_op_counts():
    for factor in (2.0, 3.0):

        @ops.op("?", "y = factor · x.")
        def scaled(x, factor=factor):
            return x * factor

        assert registry["scaled"] is scaled and scaled(1.0) == factor
    del registry["scaled"]


# — errors that teach ————————————————————————————————————————————————————————————————————————————————————

X = Tensor(np.ones((2, 3)), requires_grad=True)


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        (lambda: X + np.ones((4,)), ValueError, ["add", "(2, 3), (4,)", "add(a, b)"]),
        (lambda: X @ X, ValueError, ["matmul", "(2, 3), (2, 3)", "The last axis of a"]),
        (lambda: X.reshape(5), ValueError, ["reshape", "(2, 3)", "shape=(5,)"]),
        (lambda: X.sum(axis=2), ValueError, ["sum", "axis=2"]),
        (lambda: X[2], IndexError, ["take", "index=2"]),
        (lambda: ops.embed(X, index=[0, 2]), IndexError, ["embed", "[0, 2]", "2 rows"]),
        (lambda: ops.embed(X, index=[-1]), IndexError, ["embed", "[-1, -1]"]),
        (lambda: ops.embed(X, index=[0.5]), TypeError, ["embed", "integers", "float64"]),
        (lambda: ops.concat(X, np.ones((3, 3)), axis=1), ValueError, ["concat", "axis=1"]),
        (lambda: ops.sum(X, axes=1), TypeError, ["sum", "axis"]),
        (lambda: ops.add(X), TypeError, ["add(a, b)"]),
        (lambda: X * "two", TypeError, ["mul: Tensor: ", "mul(a, b)"]),
    ],
)
def test_errors_name_op_shapes_and_scope(wrong, kind, words):
    with tl.scope("lstm"), tl.scope("t=3"), pytest.raises(kind) as caught:
        wrong()
    message = str(caught.value)
    assert all(word in message for word in [*words, "in lstm/t=3"]), message


def test_index_table_has_every_kind():
    assert any(isinstance(i, np.ndarray) and i.dtype == bool for i in INDICES)
    assert any(isinstance(i, list) and len(i) > len(set(i)) for i in INDICES)

"""The short compositions: NumPy's numbers, right gradients, and what is defined where a root has none."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, functions, grad
from tinygrad_lstm.testing import gradcheck

A = np.random.default_rng(0).standard_normal((2, 3, 4))
AXES = [None, 0, -1, (0, 2), (-1, 0), (0, 1, 2)]
THEIRS = {
    "var": np.var,
    "std": np.std,
    "norm": lambda x, axis=None, **kw: np.sqrt(np.sum(x * x, axis=axis, **kw)),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_numbers_are_those_of_numpy_and_gradients_are_right(name, axis, keepdims):
    ours, settings = getattr(functions, name), {"axis": axis, "keepdims": keepdims}
    expected = THEIRS[name](A, **settings)
    for result in (ours(A, **settings), ours(Tensor(A), **settings).numpy()):
        np.testing.assert_allclose(result, expected, rtol=1e-14)
        assert np.shape(result) == np.shape(expected)
    assert gradcheck(lambda x: ours(x, **settings), [A], rtol=1e-6, eps=1e-5)
    assert gradcheck(lambda x: ours(x * x, **settings), [A[:, :2, :2]], rtol=1e-6, eps=1e-5)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept(name, dtype):
    ours = getattr(functions, name)
    x = Tensor(A, dtype=dtype, requires_grad=True)
    y = ours(x, axis=1)
    assert y.dtype == dtype == ours(x.numpy(), axis=1).dtype and grad(y.sum(), x)[0].dtype == dtype
    assert type(ours(A, axis=1)) is np.ndarray and ours([3, 4]) == pytest.approx(
        float(THEIRS[name](np.array([3.0, 4])))
    )


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "power", "maximum", "minimum", "matmul", "concat"])
def test_arrays_alone_that_do_not_fit_are_an_error_too(op):
    shapes = ((2, 2), (3, 3)) if op in ("matmul", "concat") else ((2,), (3,))
    with pytest.raises(ValueError, match=rf"^{op}: .*{re.escape(str(shapes[0]))}"):
        getattr(tl, op)(*map(np.ones, shapes))


def test_degrees_of_freedom():
    for name in ("var", "std"):
        for ddof in (0, 1, 2):
            got = getattr(tl, name)(Tensor(A), axis=1, ddof=ddof).numpy()
            np.testing.assert_allclose(got, getattr(np, name)(A, axis=1, ddof=ddof), rtol=1e-14)
    with pytest.raises(ValueError, match=r"var: 1 entries \(axis 1 of shape \(4, 1\)\) are too few for ddof=1"):
        tl.var(Tensor(np.ones((4, 1))), axis=1, ddof=1)
    with pytest.raises(ValueError, match="out of bounds"):
        tl.var(Tensor(A), axis=3)
    with pytest.raises(ValueError, match="too few"):
        tl.std(np.ones(0))


@pytest.mark.parametrize(("name", "x"), [("norm", np.zeros((2, 3))), ("std", np.full((2, 3), 7.0))])
def test_where_the_root_has_no_slope_the_gradient_is_0(name, x):
    t = Tensor(x, requires_grad=True)
    y = getattr(tl, name)(t, axis=1)
    assert y.numpy().tolist() == [0, 0]
    (first,) = grad(y.sum(), t, create_graph=True)
    assert not first.numpy().any()
    (second,) = grad(first.sum(), t, allow_unused=True)
    assert second is None or not second.numpy().any()


def test_a_norm_of_any_size():
    for dtype, size in ((np.float32, 1e30), (np.float32, 1e-30), (np.float64, 1e200), (np.float64, 1e-200)):
        t = Tensor(np.array([3 * size, -4 * size, 0], dtype), requires_grad=True)
        y = tl.norm(t)
        np.testing.assert_allclose(y.numpy() / size, 5, rtol=1e-6)
        np.testing.assert_allclose(grad(y, t)[0].numpy(), [0.6, -0.8, 0], rtol=1e-6)
    assert tl.norm(np.array([np.inf, 1.0])) == np.inf and np.isnan(tl.norm(np.array([np.nan, 1.0])))
    assert tl.norm(np.ones(0)) == 0 and tl.norm(Tensor(-2.0)).item() == 2


def test_squeeze():
    x = A.reshape(2, 1, 3, 1, 4)
    t = Tensor(x, requires_grad=True)
    for axis in (None, 1, -2, (1, 3), (3, -4)):
        np.testing.assert_array_equal(tl.squeeze(t, axis=axis).numpy(), np.squeeze(x, axis))
        np.testing.assert_array_equal(tl.squeeze(x, axis=axis), np.squeeze(x, axis))
    assert grad(tl.squeeze(t, axis=1).sum(), t)[0].shape == x.shape and tl.squeeze(Tensor(1.0)).shape == ()
    with pytest.raises(ValueError, match=r"squeeze: axis 0 of shape \(2, 1, 3, 1, 4\) is longer than 1"):
        tl.squeeze(t, axis=0)


def test_like_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
    for x in (A, np.full((2, 3), 7.0), np.zeros((2, 2))):
        for name in ("std", "var", "norm"):
            t, peer = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
            settings = {} if name == "norm" else {"correction": 0}
            expected = torch.linalg.vector_norm(peer) if name == "norm" else getattr(torch, name)(peer, **settings)
            expected.backward()
            getattr(tl, name)(t).backward()
            np.testing.assert_allclose(t.grad, peer.grad.numpy(), rtol=1e-12, atol=1e-15)

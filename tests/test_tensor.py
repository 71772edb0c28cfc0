"""What a Tensor holds, which numbers it takes, and how it behaves among arrays."""

import copy
import html
import pickle
import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, ops, scope
from tinygrad_lstm.habits import Missing


def leaf(data, **settings) -> Tensor:
    return Tensor(data, requires_grad=True, **settings)


# — dtypes ———————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, np.float32), (1.5, np.float32), (True, np.float32), ([1, 2], np.float32), ([[1.0], [2.0]], np.float32),
        ((), np.float32), (np.float64(2), np.float64), (np.ones(2), np.float64), (np.ones(2, np.float32), np.float32),
        (np.ones(2, ">f8"), np.float64), (Tensor(np.ones(2)), np.float64),
    ],
)  # fmt: skip
def test_dtype_of_data(data, dtype):
    t = Tensor(data)
    assert t.dtype == dtype and t.dtype.isnative
    np.testing.assert_array_equal(t.numpy(), np.asarray(data))
    assert Tensor(data, dtype=np.float64).dtype == np.float64


REFUSED = [
    np.ones(2, np.float16), np.ones(2, complex), np.arange(2), np.ones(2, bool), np.longdouble(1), np.array(["a"]),
    1j, [1.0, 1j], "word", "1.5", ["1", "2"], [[1.0, 2.0], [3.0]], {"a": 1}, object(), None, [1.0, None],
]  # fmt: skip


@pytest.mark.parametrize("data", REFUSED, ids=lambda data: f"{data!r:.20}")
def test_refused_data(data):
    with pytest.raises(TypeError, match=r"^Tensor: .*(cannot make an array|cannot carry gradients)"):
        Tensor(data)
    with pytest.raises(TypeError, match=r"cannot make an array|cannot carry gradients"):
        Tensor([1.0, 2.0]).data = data


def test_integers_are_for_indices():
    with pytest.raises(
        TypeError, match=r"int(64|32) cannot carry gradients\. Integer arrays are for indices; use float32"
    ):
        Tensor(np.arange(3))
    assert Tensor(np.arange(3), dtype=np.float32).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.int64, complex, bool])
def test_refused_dtypes(dtype):
    with pytest.raises(TypeError, match="cannot carry gradients"):
        Tensor([1.0], dtype=dtype)
    with pytest.raises(TypeError, match=r"cast: .*cannot carry gradients"):
        Tensor([1.0]).astype(dtype)


def test_refused_partners_name_the_op():
    for partner in (np.ones(2, np.float16), np.ones(2, complex), "ab", 1j):
        with pytest.raises(TypeError, match=r"add: Tensor: .*add\(a, b\)"):
            Tensor([1.0, 2.0]) + partner


def test_casts_carry_the_gradient():
    x = leaf([1.0, 2.0])
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [2, 4]


# — among arrays and numbers —————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("partner", [np.array([1.0, 2.0]), np.float64(2.0), np.float32(2.0), 2, 2.0, np.array(3)])
def test_operators_on_both_sides(partner):
    x = leaf([3.0, 5.0], dtype=np.float64)
    a = x.numpy()
    for operator in ("add", "sub", "mul", "truediv", "pow"):
        left, right = getattr(x, f"__{operator}__")(partner), getattr(x, f"__r{operator}__")(partner)
        np.testing.assert_array_equal(left.numpy(), getattr(a, f"__{operator}__")(partner))
        np.testing.assert_array_equal(right.numpy(), getattr(np.asarray(partner, float), f"__{operator}__")(a))
    results = (partner + x, partner - x, partner * x, partner / x, partner**x)
    assert all(type(y) is Tensor and y.requires_grad for y in results)
    np.testing.assert_array_equal((partner - x).numpy(), partner - a)
    np.testing.assert_array_equal((partner / x).numpy(), partner / a)


def test_matmul_from_both_sides():
    x, a = leaf([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    assert (x @ a).numpy().tolist() == [[11]] and type(a @ x) is Tensor and (a @ x).shape == (2, 2)
    assert ([[3.0], [4.0]] @ x).shape == (2, 2)


def test_unary_operators_and_methods():
    x = leaf([[-1.0, 4.0], [0.25, 9.0]], dtype=np.float64)
    a = x.numpy()
    assert (-x).numpy().tolist() == (-a).tolist() and abs(x).numpy().tolist() == np.abs(a).tolist()
    np.testing.assert_array_equal(x.T.numpy(), a.T)
    np.testing.assert_array_equal(x.transpose(1, 0).numpy(), a.T)
    np.testing.assert_array_equal(x.transpose((1, 0)).numpy(), a.T)
    np.testing.assert_array_equal(x.swapaxes(0, 1).numpy(), a.T)
    assert x.reshape(4).shape == x.reshape((4,)).shape == x.reshape(-1).shape == (4,)
    for name in ("sum", "mean", "max", "min"):
        expected = getattr(a, name)(axis=0, keepdims=True)
        np.testing.assert_array_equal(getattr(x, name)(axis=0, keepdims=True).numpy(), expected)
        np.testing.assert_array_equal(getattr(x, name)(1).numpy(), getattr(a, name)(1))
    for name in ("exp", "tanh", "sigmoid", "relu", "abs"):
        np.testing.assert_array_equal(getattr(x, name)().numpy(), getattr(ops, name)(a))
    np.testing.assert_array_equal(abs(x).log().numpy(), np.log(np.abs(a)))
    np.testing.assert_array_equal(abs(x).sqrt().numpy(), np.sqrt(np.abs(a)))
    np.testing.assert_array_equal(x.clip(0, 5).numpy(), a.clip(0, 5))


def test_comparisons_give_arrays():
    x, other = leaf([1.0, 2.0, 3.0]), Tensor([3.0, 2.0, 1.0])
    expected = {"lt": [1, 0, 0], "le": [1, 1, 0], "gt": [0, 0, 1], "ge": [0, 1, 1], "eq": [0, 1, 0], "ne": [1, 0, 1]}
    for name, truth in expected.items():
        for partner in (other, other.numpy(), 2.0):
            result = getattr(x, f"__{name}__")(partner)
            assert type(result) is np.ndarray and result.dtype == bool
        assert getattr(x, f"__{name}__")(other).tolist() == [bool(b) for b in truth]
    assert (2.0 > x).tolist() == [True, False, False]  # noqa: SIM300 — the reflected form is what is tested


def test_numbers_lengths_and_loops():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2 and [row.numpy().tolist() for row in x] == [[1, 2], [3, 4]]
    (list(x)[1] * 2).sum().backward()
    assert x.grad.tolist() == [[0, 0], [2, 2]]
    assert float(Tensor([[2.5]])) == 2.5 and Tensor(2.5).item() == 2.5 and bool(Tensor(0.0)) is False
    assert type(Tensor(2.5).item()) is float
    for wrong in (lambda: x.item(), lambda: float(x), lambda: bool(x), lambda: bool(Tensor(np.ones(0)))):
        with pytest.raises(ValueError, match=r"item: .*only one entry"):
            wrong()
    with pytest.raises(TypeError):
        len(Tensor(1.0))
    with pytest.raises(TypeError):
        list(Tensor(1.0))


def test_a_number_formats_rounds_and_counts():
    loss = (leaf([1.25, 2.5]) * 1).sum()
    assert f"{loss:.1f}" == "3.8" and f"{Tensor(0.25):.0%}" == "25%" and int(loss) == 3 and f"{loss}" == str(loss)
    assert round(loss) == 4 and type(round(loss)) is int and round(loss, 1) == 3.8
    for wrong in (lambda x: f"{x:.2f}", int, round):
        with pytest.raises(ValueError, match=r"item: .*only one entry"):
            wrong(leaf([1.0, 2.0]))


def test_functions_of_numpy_are_our_ops():
    x = leaf([[0.5, 1.0], [2.0, 4.0]], dtype=np.float64)
    a = x.numpy()
    rows = [
        (np.exp(x), ops.exp(x)), (np.negative(x), -x), (np.multiply(a, x), ops.mul(a, x)), (np.matmul(x, a), x @ a),
        (np.divide(1.0, x), 1 / x), (np.float64(2) * x, x * 2), (np.sum(x), x.sum()), (np.mean(x, axis=0), x.mean(0)),
        (np.max(x, axis=1, keepdims=True), x.max(1, True)), (np.where(a > 1, x, 0.0), ops.where(a > 1, x, 0.0)),
        (np.cumsum(x, axis=1), tl.cumsum(x, axis=1)), (np.stack([x, x], axis=1), ops.stack(x, x, axis=1)),
        (np.transpose(x), x.T), (np.maximum(x, 1), ops.maximum(x, 1)), (np.absolute(x), abs(x)), (np.sqrt(x), x.sqrt()),
    ]  # fmt: skip
    for theirs, ours in rows:
        assert type(theirs) is Tensor and theirs.op is not None and theirs.shape == ours.shape
        np.testing.assert_array_equal(theirs.numpy(), ours.numpy())
        for got, expected in zip(tl.grad(theirs.sum(), x), tl.grad(ours.sum(), x), strict=True):
            np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_functions_of_numpy_that_are_no_ops():
    x, constant = leaf([1.0, 2.0]), Tensor([1.0, 2.0])
    assert np.array_equal(x, [1, 2]) and np.allclose(x, x) and np.shape(x) == (2,) and np.argmax(x) == 1
    assert np.isfinite(x).all() and np.less(x, 2).tolist() == [True, False] and (x.numpy() == x).all()
    assert type(np.concatenate([constant, constant])) is np.ndarray and np.log1p(constant)[0] == np.log1p(np.float32(1))
    assert np.median(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=(0, 1)) == 2.5 and np.linalg.norm(Tensor([3.0, 4.0])) == 5
    wrong = {
        "np.concatenate: .*Use tl.concat": lambda: np.concatenate([x, constant]),
        "np.var: .*Use tl.var": lambda: np.var(x),
        "np.norm: .*Use tl.norm": lambda: np.linalg.norm(x),
        r"np.log1p: .*Use tl.log\(1 \+ t\).*numpy\(\)": lambda: np.log1p(x),
        r"np.add.reduce: .*If you mean the array: \.numpy\(\)": lambda: np.add.reduce(x),
        r"np.add: .*a = a \+ t": lambda: np.add(np.ones(2), x, out=np.ones(2)),
        r"sum: .*Use sum\(x, \*, axis=None": lambda: np.sum(x, 0),
    }
    for words, call in wrong.items():
        with pytest.raises(TypeError, match=words):
            call()
    array = np.ones(2)
    with pytest.raises(TypeError, match=r"a = a \+ t instead of a \+= t"):
        array += x


@pytest.mark.parametrize(
    ("name", "ours"),
    {
        "view": "t.reshape", "unsqueeze": "tl.unsqueeze", "squeeze": "tl.squeeze(t)", "permute": "tl.transpose",
        "flatten": "tl.flatten(t)", "cpu": "NumPy", "to": "NumPy", "clone": "t.detach()", "zero_": "t.grad = None",
        "requires_grad_": "t.requires_grad = True", "var": "tl.var(t)", "clamp": "tl.clip", "add_": "t.data =",
    }.items(),
)  # fmt: skip
def test_a_habit_meets_a_hint(name, ours):
    with pytest.raises(AttributeError, match=f"a Tensor has no attribute '{name}'") as caught:
        getattr(Tensor(1.0), name)
    assert ours in str(caught.value)
    assert not hasattr(Tensor(1.0), name) and name not in dir(Tensor(1.0)) and ours in repr(getattr(Tensor, name))


def test_hints_hide_nothing():
    own = {name for name in dir(Tensor) if not isinstance(getattr(Tensor, name), Missing)}
    assert {"reshape", "sum", "_data", "grad", "T"} <= own == set(dir(Tensor(1.0)))
    assert not hasattr(Tensor(1.0), "nonsense") and getattr(Tensor(1.0), "nonsense", 5) == 5


def test_asarray():
    constant, needs = Tensor([1.0, 2.0]), leaf([1.0, 2.0], name="x")
    assert np.asarray(constant).tolist() == [1, 2] and np.asarray(constant, np.float64).dtype == np.float64
    assert np.array(constant).flags.writeable and constant.numpy().tolist() == [1, 2]
    for convert in (np.asarray, np.array, lambda t: np.asarray([t, t])):
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            convert(needs)


def test_tensors_are_keys():
    a, b = Tensor([1.0]), Tensor([1.0])
    table = {a: "a", b: "b"}
    assert table[a] == "a" and table[b] == "b" and len({a, b, a}) == 2 and hash(a) != hash(b)


def test_repr_and_names():
    with scope("lstm"):
        x = leaf([[1.0, 2.0]], name="x")
        y = (x * 2).named("f")
    assert repr(x) == "Tensor([[1. 2.]], shape=(1, 2), dtype=float32, name='x', requires_grad=True)"
    assert repr(y) == "Tensor([[2. 4.]], shape=(1, 2), dtype=float32, name='f', op='mul')"
    assert repr(Tensor(0.5)) == "Tensor(0.5, shape=(), dtype=float32)"
    assert len(repr(Tensor(np.ones((500, 500))))) < 1000
    assert y.describe() == "tensor f of shape (1, 2) made by mul in lstm"
    assert y.named("g") is y and y.name == "g" and (y.scope, x.op, y.op, y.inputs[0]) == ("lstm", None, ops.mul, x)
    assert (y.shape, y.ndim, y.size) == ((1, 2), 2, 2)


def test_up_to_100_numbers_are_shown_whole():
    assert "..." not in repr(Tensor(np.zeros(100))) and "..." in repr(Tensor(np.zeros(101)))
    third = leaf([1 / 3])
    third.grad = np.array([2 / 3], np.float32)
    assert repr(third).startswith("Tensor([0.3333],") and "<td>[0.6667]</td>" in third._repr_html_()
    x = leaf(np.zeros(101))
    x.grad = np.ones(101, np.float32)
    assert "1. ... 1." in x._repr_html_()


def test_a_notebook_shows_a_tensor_without_a_word_of_any_language():
    with scope("cell"):
        y = leaf([2.0]) * Tensor(3.0).named("c") + Tensor([1.0, 1.0])
    rows = re.findall("<th>(.*?)</th><td>(.*?)</td>", y._repr_html_())
    assert rows == [(".scope", "cell"), (".inputs", "mul (1,), leaf (2,)"), (".grad", "–")]
    rows = re.findall("<th>(.*?)</th><td>(.*?)</td>", y.inputs[0]._repr_html_())
    assert rows == [(".scope", "cell"), (".inputs", "leaf (1,), c ()"), (".grad", "–")]


def test_a_notebook_shows_where_it_comes_from_and_its_gradient():
    with scope("<lstm>"):
        x = leaf([1.0, 2.0], name="x")
        y = (x * x).named("y")
    assert x._repr_html_() == (
        "<pre>Tensor([1. 2.], shape=(2,), dtype=float32, name=&#x27;x&#x27;, requires_grad=True)</pre>"
        "<table><tr><th>.scope</th><td>&lt;lstm&gt;</td></tr><tr><th>.grad</th><td>–</td></tr></table>"
    )
    y.sum().backward(keep_grads=True)
    assert "<th>.grad</th><td>[2. 4.]</td>" in x._repr_html_()
    assert ".grad" not in Tensor([1.0])._repr_html_()
    assert html.escape("<b> (1,)") in (leaf([1.0]).named("<b>") + 1)._repr_html_()


def test_data_can_be_replaced():
    x = leaf([1.0, 2.0])
    new = np.array([3.0, 4.0])
    x.data = new
    new[0] = 100
    assert x.numpy().tolist() == [3, 4] and x.dtype == np.float64 and x.requires_grad
    with pytest.raises(TypeError, match="Integer arrays"):
        x.data = np.arange(2)
    assert x.numpy().tolist() == [3, 4]


def test_detach_shares_the_values_alone():
    x = leaf([1.0, 2.0], name="x")
    for y in (x.detach(), tl.detach(x), (x * 1).detach()):
        assert not y.requires_grad and y.inputs == () and y.op is None and y.numpy().tolist() == [1, 2]
    assert np.shares_memory(x.detach().numpy(), x.numpy())
    (x * x.detach()).sum().backward()
    assert x.grad.tolist() == [1, 2]


def test_without_gradient_nothing_is_remembered():
    y = Tensor([1.0]) * 2
    assert y.inputs == () and y.op is None and not y.requires_grad
    with tl.no_grad():
        y = leaf([1.0]) * 2
    assert y.inputs == () and not y.requires_grad


def test_copies():
    x = leaf([1.0, 2.0], name="x")
    for twin in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert twin.numpy().tolist() == [1, 2] and twin.requires_grad and twin.name == "x"
        with pytest.raises(ValueError, match="read-only"):
            twin.data[0] = 5
        (dx, dtwin) = tl.grad((x * 2 + twin * 3).sum(), [x, twin])
        assert (dx.numpy() == 2).all() and (dtwin.numpy() == 3).all(), "a copy has a birth number of its own"


def test_a_notebook_shows_where_it_was_made_and_its_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True, name="<x>")
    assert "<x>" not in x._repr_html_() and "&lt;x&gt;" in x._repr_html_()
    assert "<td>–</td>" in x._repr_html_()  # not computed yet, which is not 0
    with scope("here"):
        y = (x * x).sum()
    y.backward()
    assert "<td>[2. 4.]</td>" in x._repr_html_()
    assert "<td>here</td>" in y._repr_html_() and "gradient" not in Tensor(1.0)._repr_html_()

"""gradcheck must find a wrong rule, and say where it is."""

import numpy as np
import pytest

from tinygrad_lstm import Tensor, tanh
from tinygrad_lstm.op import Op
from tinygrad_lstm.tensor import values
from tinygrad_lstm.testing import gradcheck

A = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


def product(a, b):
    return a * b


def cube(x):
    return x**3


def made(forward, **rules) -> Op:
    """An op outside the registry."""
    op = Op(forward, "?", "for this test", broadcasts=True, hint="")
    for name, rule in rules.items():
        op.wrt(name, "?", rule)
    return op


def right(dy, y, a, b):
    return dy * b


def test_right_rules_pass():
    assert gradcheck(made(product, a=right, b=lambda dy, y, a, b: dy * a), [A, 2 * A]) is True
    assert gradcheck(made(cube, x=lambda dy, y, x: dy * 3 * x * x), [A]) is True
    assert gradcheck(lambda x: [x.sum(), tanh(x)], [A]) is True
    assert gradcheck(tanh, [Tensor(A.astype(np.float32))]) is True
    assert gradcheck(lambda x: Tensor(3.0), [A]) is True, "a constant has gradient 0"
    assert gradcheck(lambda a, b: a * a, [A, A]) is True, "an input that is not used has gradient 0"


def test_message_names_function_input_entry_got_and_expected():
    twist = np.ones((2, 3))
    twist[1, 2] = 3.0
    wrong = made(product, a=right, b=lambda dy, y, a, b: dy * a * twist)
    with pytest.raises(AssertionError) as caught:
        gradcheck(wrong, [A, A], order=1)
    message = str(caught.value)
    assert "product, input 1 of shape (2, 3), entry (1, 2)" in message and "1 of 6 entries" in message
    got, expected = (float(message.split(word)[1].split()[0]) for word in ("got ", "expected "))
    assert got == pytest.approx(3 * expected) and expected < 0


@pytest.mark.parametrize(
    "rule",
    [
        lambda dy, y, a, b: dy * b * 1.00001,
        lambda dy, y, a, b: dy * b + 1e-5,
        lambda dy, y, a, b: -dy * b,
        lambda dy, y, a, b: b + 0 * dy,
        lambda dy, y, a, b: dy * a,
        lambda dy, y, a, b: dy * b * np.nan,
    ],
)
def test_wrong_rules_fail(rule):
    with pytest.raises(AssertionError, match="product, input 0"):
        gradcheck(made(product, a=rule, b=lambda dy, y, a, b: dy * a), [A, np.roll(A, 1)], order=1)


def test_missing_rule_fails():
    with pytest.raises(RuntimeError, match=r"product has no rule for the gradient of its input b.*product\.wrt\("):
        gradcheck(made(product, a=right), [A, A], order=1)
    with pytest.raises(AssertionError, match=r"product, input 1 .* got 0 from the rules"):
        gradcheck(made(product, a=right, b=None), [A, A], order=1)


def test_rules_that_differ_on_tensors_and_on_arrays():
    def rule(dy, y, x):
        return dy * 2 * x if isinstance(x, np.ndarray) else dy * x * x * x

    square = made(lambda x: x * x, x=rule)
    assert gradcheck(square, [A], order=1)
    with pytest.raises(AssertionError, match=r"input 0 .* from the rules on Tensors, expected .* the rules on arrays"):
        gradcheck(square, [A], order=2)
    with pytest.raises(AssertionError, match="rules on Tensors"):
        gradcheck(square, [A])


@pytest.mark.parametrize("settings", [{"order": 0}, {"rtol": np.inf}, {"eps": 0.0}, {"atol": np.nan}, {"order": -1}])
def test_settings_with_which_nothing_is_checked(settings):
    with pytest.raises(ValueError, match=f"gradcheck: .*{next(iter(settings))}="):
        gradcheck(tanh, [A], **settings)


def test_an_empty_input_has_an_empty_gradient():
    assert gradcheck(lambda x, y: (x * x).sum() + y * y, [np.zeros((0, 3)), 2.0])


def test_right_in_first_but_wrong_in_second_order():
    forgets = made(cube, x=lambda dy, y, x: dy * 3 * values(x) * values(x))
    assert gradcheck(forgets, [A], order=1)
    with pytest.raises(AssertionError, match="gradient of cube, input 0"):
        gradcheck(forgets, [A], order=2)


def test_wrong_in_mixed_second_order_alone():
    forgets = made(product, a=lambda dy, y, a, b: dy * values(b), b=lambda dy, y, a, b: dy * a)
    assert gradcheck(forgets, [A, A], order=1)
    with pytest.raises(AssertionError, match="gradient of product, input 1"):
        gradcheck(forgets, [A, A], order=2)


def test_wrong_forward_of_one_entry_fails():
    def bent(x):
        y = 2 * x
        y[0, 1] *= 1.001
        return y

    with pytest.raises(AssertionError, match=r"bent, input 0 .* entry \(0, 1\)"):
        gradcheck(made(bent, x=lambda dy, y, x: 2 * dy), [A], order=1)


def test_inputs_are_left_alone():
    x = Tensor(A, requires_grad=True)
    before = A.copy()
    gradcheck(tanh, [x])
    gradcheck(tanh, [A])
    assert x.grad is None and (before == A).all() and A.flags.writeable

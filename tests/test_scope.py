"""Names and modes: scopes, what_if, no_grad, detect_anomaly; and that nothing of them stays behind."""

import numpy as np
import pytest

from tinygrad_lstm import Tensor, detach, detect_anomaly, exp, grad, log, nn, no_grad, scope, tanh, what_if
from tinygrad_lstm.scope import anomaly, hooks, recording, scope_path

X = np.random.default_rng(0).standard_normal((2, 4, 3))


@pytest.fixture(autouse=True)
def nothing_stays_behind():
    yield
    assert (scope_path.get(), recording.get(), anomaly.get(), hooks.get()) == ("", True, False, ())


@pytest.fixture
def lstm() -> nn.LSTM:
    return nn.LSTM(3, 5, rng=np.random.default_rng(1)).astype(np.float64)


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# — scopes ———————————————————————————————————————————————————————————————————————————————————————————————


def test_scopes_nest(lstm):
    with scope("a"):
        with scope("b"):
            assert (leaf(1.0) * 2).scope == "a/b"
        assert leaf(1.0).scope == "a"
    assert leaf(1.0).scope == ""
    step = lstm(X).steps[2]
    assert (step.f.scope, step.f.name) == ("lstm/t=3/forget gate", "f")
    assert {name: tensor.name for name, tensor in vars(step).items()} == {
        "f": "f", "i": "i", "C_new": "C̃", "C": "C", "o": "o", "h": "h",
    }  # fmt: skip


@pytest.mark.parametrize("mode", [scope("a"), no_grad(), detect_anomaly()])
def test_modes_end_with_an_exception(mode):
    with pytest.raises(ZeroDivisionError), mode:
        raise ZeroDivisionError


def test_no_grad_nests():
    with no_grad():
        with no_grad():
            pass
        assert not (leaf(1.0) * 2).requires_grad
    assert (leaf(1.0) * 2).requires_grad


# — what_if ——————————————————————————————————————————————————————————————————————————————————————————————


def names(lstm, field: str) -> np.ndarray:
    return np.stack([getattr(step, field).numpy() for step in lstm(X).steps])


def test_a_number_by_name(lstm):
    with what_if(f=1.0, i=0.0):
        out = lstm(X, (np.zeros((2, 5)), np.ones((2, 5))))
    assert all((step.f.numpy() == 1).all() and step.f.name == "f" for step in out.steps)
    assert (out.C.numpy() == 1).all() and out.C.dtype == np.float64


@pytest.mark.parametrize(
    ("pattern", "steps"),
    [
        ("f", [0, 1, 2, 3]), ("t=3/f", [2]), ("t=3/forget gate/f", [2]), ("lstm/t=3/f", [2]), ("lstm/f", [0, 1, 2, 3]),
        ("t=*/f", [0, 1, 2, 3]), ("t=[24]/f", [1, 3]), ("t=?/f", [0, 1, 2, 3]), ("lstm/t=4/forget*/f", [3]),
    ],
)  # fmt: skip
def test_patterns(lstm, pattern, steps):
    with what_if({pattern: 0.5}):
        f = names(lstm, "f")
    assert [t for t in range(4) if (f[t] == 0.5).all()] == steps


@pytest.mark.parametrize("pattern", ["forget gate", "t=5/f", "t=3", "lstm", "f/t=3", "gru/f", "t=3/lstm/f", "F"])
def test_patterns_never_met(lstm, pattern):
    with pytest.raises(LookupError, match="what_if: no tensor called " + pattern), what_if({pattern: 0.5}):
        lstm(X)


def test_every_missed_pattern_is_named(lstm):
    changes = {"g": 1, "f": 1, "t=9/f": 1}
    with pytest.raises(LookupError, match="no tensor called g or t=9/f was made"), what_if(changes):
        lstm(X)


def test_an_error_inside_is_not_hidden():
    with pytest.raises(ZeroDivisionError), what_if(never=1.0):
        raise ZeroDivisionError


def test_all_names_of_one_step(lstm):
    with what_if({"lstm/t=3/*": 0.25}):
        steps = lstm(X).steps
    assert all((tensor.numpy() == 0.25).all() for tensor in vars(steps[2]).values())
    assert not any((tensor.numpy() == 0.25).any() for tensor in vars(steps[1]).values())


def test_an_array_and_a_function(lstm):
    array = np.random.default_rng(2).standard_normal((2, 5)).astype(np.float32)
    with what_if({"t=2/C̃": array}):
        C_new = names(lstm, "C_new")
    np.testing.assert_array_equal(C_new[1], array.astype(np.float64))
    before = names(lstm, "o")
    with what_if({"t=1/o": lambda o: o * 2}):
        np.testing.assert_array_equal(names(lstm, "o")[0], 2 * before[0])
    with what_if(C=lambda C: C + 0.0):
        np.testing.assert_array_equal(names(lstm, "o"), before)
    array[...] = 0


@pytest.mark.parametrize("change", [lambda f: 0.5, lambda f: np.full(f.shape, 0.5), lambda f: np.float64(0.5)])
def test_a_function_may_return_numbers(change):
    with what_if(f=change):
        f = tanh(Tensor([1.0, 2.0], requires_grad=True)).named("f")
    assert type(f) is Tensor and f.numpy().tolist() == [0.5, 0.5] and f.dtype == np.float32


def test_single_numbers_keep_their_history():
    x = Tensor(2.0, requires_grad=True)
    with what_if(y=lambda y: y * 3):
        (x * x).named("y").backward()
    assert x.grad == 12


def test_replacements_flow_forward_and_backward():
    x = leaf(2.0)
    with what_if(y=lambda y: y * y):
        y = (x * 3).named("y")
        z = y * 1.0
    assert y.name == "y" and z.numpy() == 36
    assert grad(z, x, [1.0])[0].numpy() == 36
    with what_if(y=5.0):
        z = (x * 3).named("y") * x
    assert grad(z, x, [1.0])[0].numpy() == 5


def test_detach_cuts_the_path(lstm):
    def far(C) -> np.ndarray:
        x = Tensor(X, requires_grad=True)
        out = lstm(x)
        return grad(getattr(out.steps[3], C).sum(), x)[0].numpy()

    whole = far("C")
    with what_if(h=detach):
        cut = far("C")
        steps = lstm(X).steps
    assert not np.allclose(whole[:, 0], cut[:, 0]) and (cut[:, 0] != 0).any()
    np.testing.assert_array_equal(whole[:, 3], cut[:, 3])
    assert not steps[0].h.requires_grad and steps[0].C.requires_grad
    with what_if(h=detach, C=detach):
        np.testing.assert_array_equal(far("C_new")[:, :3], 0)


def test_a_wrong_shape(lstm):
    words = r"what_if: f has shape \(2, 5\), its replacement \(3,\)"
    with pytest.raises(ValueError, match=words), what_if(f=np.ones(3)):
        lstm(X)
    with pytest.raises(ValueError, match="what_if: f"), what_if(f=lambda f: f.sum(axis=0)):
        lstm(X)


def test_what_if_nests(lstm):
    with what_if(f=0.25):
        with what_if({"t=2/f": lambda f: f * 2}):
            f = names(lstm, "f")
        assert (names(lstm, "f") == 0.25).all()
    assert (f[1] == 0.5).all() and (f[[0, 2, 3]] == 0.25).all()
    assert not (names(lstm, "f") == 0.25).any()


def test_initial_states_can_be_replaced(lstm):
    with what_if({"C₀": 1.0, "f": 1.0, "i": 0.0}):
        assert (lstm(X).C.numpy() == 1).all()


# — detect_anomaly ———————————————————————————————————————————————————————————————————————————————————————


def test_anomaly_forward():
    x = leaf(-1.0, 2.0)
    with scope("here"), np.errstate(all="ignore"):
        log(x)
        with detect_anomaly(), pytest.raises(FloatingPointError) as caught:
            log(x)
    message = str(caught.value)
    assert all(word in message for word in ("log made", "1 NaN", "from [-1, 2]", "in here", "(2,)"))
    with detect_anomaly(), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"exp made .*1 infinite"):
        exp(leaf(1000.0, 1.0))


@pytest.mark.parametrize("go", [lambda y, x: y.backward(), grad])
def test_anomaly_backward(go):
    with scope("root"):
        x = leaf(0.0, 4.0).named("x")
        y = x.sqrt().named("root").sum()
    with np.errstate(all="ignore"), detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        go(y, x)
    message = str(caught.value)
    words = ("backward: tensor root", "made by sqrt in root", "1 infinite", "its input, tensor x", "over [1, 1]")
    assert all(word in message for word in words), message
    assert x.grad is None


def test_anomaly_backward_in_a_piece():
    x = leaf(0.0, 4.0)
    y = (x[:1] * 1.0).sqrt().sum()
    with np.errstate(all="ignore"), detect_anomaly(), pytest.raises(FloatingPointError, match="made by sqrt sends"):
        y.backward()


def test_anomaly_is_silent_where_all_is_well(lstm):
    with detect_anomaly():
        lstm(X).h.sum().backward()
    assert all(p.grad is not None for p in lstm.parameters())

"""A fused op is a twin: in everything it does it equals the composed cell."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.engine import vjp
from tinygrad_lstm.nn.fused import WEIGHTS, composed, lstm_sequence
from tinygrad_lstm.testing import gradcheck

CASES = [(2, 5, 3, 4, None), (3, 4, 2, 3, [4, 1, 2]), (1, 1, 1, 1, None), (2, 1, 3, 2, None), (1, 40, 2, 5, None)]


def inputs(batch, time, features, hidden, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(batch, time, features)), *rng.normal(size=(2, batch, hidden))]
    for name in WEIGHTS:
        arrays.append(rng.normal(size=(hidden + features, hidden) if name[0] == "W" else hidden) * 0.5)
    return [Tensor(array.astype(dtype), requires_grad=True) for array in arrays]


def mask(time, lengths):
    return None if lengths is None else np.arange(time) < np.array(lengths)[:, None]


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-13), (np.float32, 2e-5)])
@pytest.mark.parametrize(("batch", "time", "features", "hidden", "lengths"), CASES)
def test_values_and_all_gradients_equal_the_twins(batch, time, features, hidden, lengths, dtype, near):
    xs, valid = inputs(batch, time, features, hidden, dtype), mask(time, lengths)
    y, twin = lstm_sequence(*xs, valid=valid, kept={}), composed(*xs, valid=valid)
    assert y.dtype == dtype and y.shape == (batch, time, 2 * hidden)
    np.testing.assert_allclose(y.numpy(), twin.numpy(), rtol=near, atol=near)
    seed = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    for got, expected in zip(vjp(y, xs, seed), vjp(twin, xs, seed), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=near, atol=near * max(1, np.abs(expected).max()))


def test_differences_agree_to_second_order():
    def f(*xs):
        return lstm_sequence(*xs, valid=mask(2, [2, 1]))

    assert gradcheck(f, inputs(2, 2, 1, 2))


def test_what_was_kept_of_another_call_is_not_used():
    kept = {}
    xs, others = inputs(2, 3, 2, 2), inputs(2, 3, 2, 2, seed=5)
    y = lstm_sequence(*xs, kept=kept)
    lstm_sequence(*others, kept=kept)
    seed = np.ones(y.shape)
    for got, expected in zip(vjp(y, xs, seed), vjp(composed(*xs), xs, seed), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("lengths", [None, [5, 2, 3]], ids=["full", "padded"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_fused_layer_equals_the_same_layer_step_by_step(layers, bidirectional, lengths):
    rng = np.random.default_rng(0)
    lstm = nn.LSTM(3, 4, num_layers=layers, bidirectional=bidirectional, fused=True, rng=rng).astype(np.float64)
    x = Tensor(rng.normal(size=(3, 5, 3)), requires_grad=True)
    weights = rng.normal(size=(3, 5, 4 * (1 + bidirectional)))

    def everything():
        out = lstm(x, lengths=lengths)
        loss = (out.h * weights).sum() + (out.last.C * out.last.h).sum() + (out.C * out.C).sum()
        grads = tl.grad(loss, [x, *lstm.parameters()])
        return [t.numpy() for t in (*grads, out.h, out.C, *out.last, *out.as_torch()[1], *out.as_keras(True, True))]

    fused = everything()
    with nn.unfused(lstm):
        composed_ = everything()
    assert lstm.fused
    for got, expected in zip(fused, composed_, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_a_state_is_carried_and_traced():
    lstm = nn.LSTM(2, 3, fused=True, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, 6, 2)).astype(np.float32)
    whole = lstm(x).last
    halves = lstm(x[:, 3:], lstm(x[:, :3]).last.detach()).last
    np.testing.assert_allclose(whole.C.numpy(), halves.C.numpy(), rtol=1e-5, atol=1e-6)
    lstm(x).h.sum().backward()
    assert all(p.grad is not None for p in lstm.parameters())


def test_a_fused_layer_says_what_it_cannot_do():
    lstm = nn.LSTM(2, 3, fused=True)
    out = lstm(np.zeros((1, 2, 2), np.float32))
    assert "fused" in repr(out)
    with pytest.raises(AttributeError, match=r"set layer\.fused = False"):
        _ = out.steps
    for make in (nn.RNN, nn.GRU, lambda *a, **k: nn.LSTM(*a, activation="relu", **k)):
        with pytest.raises(ValueError, match="no fused op for this cell"):
            make(2, 3, fused=True)
    with pytest.raises(ValueError, match="no fused op"):
        nn.LSTM(2, 3, fused=True, cell=nn.PeepholeLSTMCell)


def test_dropout_between_fused_layers():
    lstm = nn.LSTM(2, 8, num_layers=2, dropout=0.5, fused=True, rng=np.random.default_rng(0))
    x = np.ones((1, 4, 2), np.float32)
    assert (lstm(x).h.numpy() != lstm(x).h.numpy()).any()
    lstm.eval()
    np.testing.assert_array_equal(lstm(x).h.numpy(), lstm(x).h.numpy())

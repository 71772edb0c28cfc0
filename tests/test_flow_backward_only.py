"""A what-if on the way back alone, and patterns that meet several names at once."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.flow.backward_only import backward_only

HIDDEN, T = 3, 4


@pytest.fixture
def net():
    rng = np.random.default_rng(0)
    module = nn.LSTM(2, HIDDEN, rng=rng).astype(np.float64)
    for p in module.parameters():
        p.data = rng.normal(size=p.shape)
    return module, rng.normal(size=(2, T, 2))


def test_values_stay_bit_by_bit(net):
    module, x = net
    plain = module(x)
    with tl.what_if(f=backward_only(1.0), o=backward_only(lambda o: o * 2), h=backward_only(tl.detach)):
        out = module(x)
    for field in ("f", "i", "C_new", "C", "o", "h"):
        for a, b in zip(plain.steps, out.steps, strict=True):
            np.testing.assert_array_equal(getattr(a, field).numpy(), getattr(b, field).numpy())
    assert [step.f.name for step in out.steps] == ["f"] * T


def test_the_highway_carries_the_gradient_as_if_f_were_one(net):
    """With h detached, dL/dC_t = Π 1 · dL/dC_T: the constant error carousel, at the true forward values."""
    module, x = net
    with tl.what_if(f=backward_only(1.0), h=backward_only(tl.detach)):
        out = module(x)
    trace = tl.trace(out.last.C.sum())
    for step in out.steps:
        np.testing.assert_array_equal(trace.grad(step.C), np.ones((2, HIDDEN)))
    flow = trace.flow("C")
    assert flow.half_life == np.inf
    np.testing.assert_array_equal(flow.highway, flow.norm)


def test_each_gradient_against_numpy():
    """y = f · C, z = y · 2 with f as if 10: dz/dC = 20, dz/df = 2 C, and f passes its own share on to its input."""
    a, C = (Tensor([v], requires_grad=True, dtype=np.float64) for v in (0.5, 3.0))
    with tl.what_if(f=backward_only(np.array([10.0]))):
        f = tl.sigmoid(a).named("f")
        for y in (f * C, C * f):
            assert y.numpy() == f.numpy() * 3.0
            da, df, dC = (g.numpy() for g in tl.grad((y * 2).sum(), [a, f, C]))
            slope = f.numpy() * (1 - f.numpy())
            assert (dC, df) == (20, 6) and da == pytest.approx(6 * slope)
        square = tl.grad((f * f).sum(), f)[0].numpy()  # each factor takes the other for 10
        assert square == 20


def test_only_products_see_the_other_value():
    a = Tensor([0.5], requires_grad=True)
    with tl.what_if(f=backward_only(7.0)):
        f = (a * 1).named("f")
    total = f * Tensor([2.0]) + f.tanh() + (1 - f)
    plain = a * Tensor([2.0]) + a.tanh() + (1 - a)
    np.testing.assert_array_equal(tl.grad(total, f)[0].numpy(), tl.grad(plain, a)[0].numpy())


def test_gradients_of_gradients_see_it_too():
    a, C = (Tensor([v], requires_grad=True, dtype=np.float64) for v in (0.5, 3.0))
    with tl.what_if(f=backward_only(10.0)):
        y = ((a * 2).named("f") * C * C).sum()
    (dC,) = tl.grad(y, C, create_graph=True)  # C·(as if 10) + C·f(0.5): the second share uses y = f · C as it is
    assert dC.numpy() == 3 * 10 + 1 * 3
    assert tl.grad(dC, C)[0].numpy() == 10 + 10  # each C's other factor: 10, and f · C taken for its derivative


def test_what_has_no_effect_or_no_fit_is_an_error(net):
    module, x = net
    with tl.what_if(h=backward_only(0.5)):
        loss = module(x).last.h.sum()
    with pytest.raises(LookupError, match="is no factor of any product"):
        loss.backward()
    wrong = backward_only([1, 2])
    with pytest.raises(ValueError, match=r"shape \(2, 3\), its replacement \(2,\)"), tl.what_if(f=wrong):
        module(x)


def test_without_recording_it_is_an_identity(net):
    module, x = net
    with tl.no_grad(), tl.what_if(f=backward_only(1.0)):
        out = module(x)
    np.testing.assert_array_equal(out.h.numpy(), module(x).h.numpy())
    assert not out.h.requires_grad and not out.steps[0].f.requires_grad


def test_it_is_drawn_and_diagnosed_like_any_graph(net):
    module, x = net
    with tl.what_if({"t=3/f": backward_only(1.0)}):
        loss = module(x).last.h.sum()
    assert "as if" in tl.draw(loss, view="ops").dot
    flow = tl.trace(loss).flow("C")
    for t in range(1, T + 1):
        np.testing.assert_allclose(sum(flow.ledger(t).values()), flow.trace.grad(flow.states[t - 1]), rtol=1e-12)


def test_a_pattern_meets_all_names_of_a_step(net):
    """`lstm/t=3/*` replaces the six named tensors of that step, whatever their values; other steps only follow."""
    module, x = net
    with tl.what_if({"lstm/t=3/*": tl.detach}):
        out = module(x)
    assert not any(tensor.requires_grad for tensor in vars(out.steps[2]).values())
    assert all(tensor.requires_grad for tensor in vars(out.steps[1]).values())
    trace = tl.trace((out.h[:, 1] + out.h[:, 3]).sum())
    assert trace.grad(out.steps[1].C) is not None  # from its own readout alone: step 3 passes nothing on
    plain = tl.trace(module(x[:, :2]).last.h.sum())
    for p in module.parameters():
        if p.name == "W_f":
            assert np.abs(plain.grad(p)).max() > 0
    with tl.what_if({"lstm/t=3/*": backward_only(tl.detach)}):
        same = module(x)
    np.testing.assert_array_equal(same.h.numpy(), out.h.numpy())


def test_a_pattern_with_an_array_needs_one_shape(net):
    module, x = net
    with tl.what_if({"t=2/[fio]": np.full((2, HIDDEN), 0.25)}):
        step = module(x).steps[1]
    assert all((getattr(step, name).numpy() == 0.25).all() for name in "fio") and not (step.C.numpy() == 0.25).any()
    row = {"t=2/*": np.ones(HIDDEN)}
    with pytest.raises(ValueError, match=r"what_if: f has shape \(2, 3\), its replacement \(3,\)"), tl.what_if(row):
        module(x)

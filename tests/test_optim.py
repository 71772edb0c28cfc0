"""Optimizers against their formulas, written here a second time, and against PyTorch; clips against their laws."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lstm import Tensor, nn, optim
from tinygrad_lstm.optim import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, RMSprop, clip_gradients

STEPS = 20
RULES = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (RMSprop, {}),
    (RMSprop, {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "momentum": 0.5}),
    (Adagrad, {}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-6}),
    (Adam, {}),
    (Adam, {"lr": 0.05, "betas": (0.5, 0.8), "eps": 1e-3}),
    (AdamW, {}),
    (AdamW, {"lr": 0.05, "weight_decay": 0.3}),
]
ids = [f"{cls.__name__}-{'-'.join(map(str, kw.values()))}" for cls, kw in RULES]


def parameters(*shapes, dtype=np.float64):
    rng = np.random.default_rng(3)
    return [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in shapes]


def gradients(params, seed):
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = rng.standard_normal(p.shape).astype(p.dtype)
    return [p.grad.copy() for p in params]


@pytest.mark.parametrize(("cls", "kw"), RULES, ids=ids)
def test_like_torch(cls, kw):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle here, not a dependency")
    ours = parameters((3, 4), (5,), ())
    theirs = [torch.tensor(np.array(p.data), requires_grad=True) for p in ours]
    optimizer, oracle = cls(ours, **kw), getattr(torch.optim, cls.__name__)(theirs, **kw)
    for step in range(STEPS):
        for q, g in zip(theirs, gradients(ours, step), strict=True):
            q.grad = torch.tensor(g)
        if step % 3 == 1:
            ours[1].grad = theirs[1].grad = None  # passed over, and not counted
        optimizer.step()
        oracle.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


def by_hand(cls, kw, p, grads):
    """One number moved by the papers' formulas, in plain Python."""
    if cls is SGD:
        v = None
        for g in grads:
            v = g if v is None else kw.get("momentum", 0) * v + g
            p -= kw["lr"] * (g + kw["momentum"] * v if kw.get("nesterov") else v)
    elif cls is RMSprop:
        s, v, lr, a = 0, 0, kw.get("lr", 0.01), kw.get("alpha", 0.99)
        for g in grads:
            s = a * s + (1 - a) * g**2
            v = kw.get("momentum", 0) * v + g / (math.sqrt(s) + kw.get("eps", 1e-8))
            p -= lr * v
    elif cls is Adagrad:
        s = kw.get("initial_accumulator_value", 0)
        for t, g in enumerate(grads):
            s += g**2
            p -= kw.get("lr", 0.01) / (1 + t * kw.get("lr_decay", 0)) * g / (math.sqrt(s) + kw.get("eps", 1e-10))
    else:
        m = v = 0
        (b1, b2), lr, eps = kw.get("betas", (0.9, 0.999)), kw.get("lr", 1e-3), kw.get("eps", 1e-8)
        for t, g in enumerate(grads, 1):
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            decay = kw.get("weight_decay", 0.01) * p if cls is AdamW else 0
            p -= lr * (m / (1 - b1**t) / (math.sqrt(v / (1 - b2**t)) + eps) + decay)
    return p


@pytest.mark.parametrize(("cls", "kw"), RULES, ids=ids)
def test_like_the_formulas(cls, kw):
    (p,) = parameters(())
    expected = by_hand(cls, kw, p.item(), [math.sin(k + 1) for k in range(STEPS)])
    optimizer = cls([p], **({"lr": 0.1} | kw if cls is SGD else kw))
    for k in range(STEPS):
        p.grad = np.array(math.sin(k + 1))
        optimizer.step()
    assert p.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cls", OPTIMIZERS.values())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_replaced_read_only_and_keep_their_dtype(cls, dtype):
    (p,) = parameters((2, 3), dtype=dtype)
    before, values = p.data, p.data.copy()
    gradients([p], 0)
    cls([p], lr=0.1).step()
    assert not np.shares_memory(p.data, before) and p.dtype == dtype and not p.data.flags.writeable
    assert np.array_equal(before, values) and not np.array_equal(p.data, values)


@pytest.mark.parametrize("cls", OPTIMIZERS.values())
def test_a_saved_state_goes_on_bit_by_bit(cls):
    kw = {"momentum": 0.9} if cls in (SGD, RMSprop) else {}
    ours = parameters((3, 2), (4,))
    first = cls(ours, lr=0.05, global_clipnorm=1.0, **kw)
    for k in range(3):
        gradients(ours, k)
        first.step()
    copies = [Tensor(p, requires_grad=True) for p in ours]
    second = cls(copies, lr=0.5, **kw)
    second.load_state_dict(first.state_dict())
    assert second.settings() == first.settings() and second.clip_report() == first.clip_report()
    for k in range(3, 6):
        for params, optimizer in ((ours, first), (copies, second)):
            gradients(params, k)
            optimizer.step()
    assert all(np.array_equal(a.data, b.data) for a, b in zip(ours, copies, strict=True))


def test_a_state_that_does_not_fit_changes_nothing():
    ours = parameters((3, 2))
    adam = Adam(ours, lr=0.05)
    gradients(ours, 0)
    adam.step()
    state = adam.state_dict()
    with pytest.raises(ValueError, match="is of Adam, this optimizer is SGD"):
        SGD(ours, 0.1).load_state_dict(state)
    other = Adam(parameters((2, 2)), lr=1.0)
    with pytest.raises(ValueError, match=r"m/0 is \(2, 2\) of float64 here, but \(3, 2\) of float64 there"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="does not hold"):
        other.load_state_dict({**state, "arrays": {}})
    assert other.lr == 1.0 and other.steps == 0


def defaults(maker) -> dict:
    parameters = inspect.signature(maker).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def test_defaults_are_those_of_pytorch():
    assert defaults(SGD) == {"lr": 1e-3, "momentum": 0.0, "nesterov": False}
    assert defaults(RMSprop) == {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0}
    assert defaults(Adagrad) == {"lr": 1e-2, "lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10}
    assert defaults(Adam) == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
    assert defaults(AdamW) == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2}
    assert defaults(optim.StepLR) == {"gamma": 0.1} and defaults(optim.CosineAnnealingLR) == {"eta_min": 0.0}
    assert defaults(optim.LinearLR) == {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 5}


@pytest.mark.parametrize(
    ("schedule", "name", "rates"),
    [
        (optim.StepLR, "step_size", [1.0, 0.1, 0.01]),
        (optim.CosineAnnealingLR, "T_max", [1.0, 0.0]),
        (optim.LinearLR, "total_iters", [1 / 3, 1.0, 1.0]),
    ],
)
def test_schedules_of_one_step(schedule, name, rates):
    optimizer = SGD(parameters((1,)), 1.0)
    plan, got = schedule(optimizer, **{name: 1}), []
    for _ in rates:
        got.append(optimizer.lr)
        plan.step()
    assert got == pytest.approx(rates)
    for wrong in (0, 0.5, -1):
        with pytest.raises(ValueError, match=f"{schedule.__name__}: {name} cannot be {wrong}"):
            schedule(optimizer, **{name: wrong})
    with pytest.raises(TypeError, match=r"Plan does not say how the rate changes: define factor\(t\)"):
        type("Plan", (optim.Schedule,), {})(optimizer)


# — clips ——————————————————————————————————————————————————————————————————————————————————————————————————

scales = st.floats(1e-3, 1e3)


def clipped(threshold, seed, scale, kind):
    """(gradients before, what plain SGD with lr=1 then subtracted)."""
    params = [Tensor(np.zeros(shape), requires_grad=True) for shape in ((3, 4), (5,), ())]
    before = [g * scale for g in gradients(params, seed)]
    for p, g in zip(params, before, strict=True):
        p.grad = g.copy()
    optimizer = SGD(params, 1.0, **{kind: threshold})
    optimizer.step()
    return before, [-p.data for p in params], optimizer.clip_report()


def norm(arrays):
    return math.sqrt(sum(float((a * a).sum()) for a in arrays))


quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@quick
@given(scales, st.integers(0, 1000), scales)
def test_global_clipnorm(threshold, seed, scale):
    before, after, report = clipped(threshold, seed, scale, "global_clipnorm")
    assert norm(after) == pytest.approx(min(norm(before), threshold), rel=1e-12)
    dot = sum(float((a * b).sum()) for a, b in zip(after, before, strict=True))
    assert dot == pytest.approx(norm(after) * norm(before), rel=1e-12)  # the same direction
    assert report.clipped == (norm(before) > threshold)
    assert report.last_norm == pytest.approx(norm(before), rel=1e-12)


@quick
@given(scales, st.integers(0, 1000), scales)
def test_clipvalue(threshold, seed, scale):
    before, after, report = clipped(threshold, seed, scale, "clipvalue")
    for a, b in zip(after, before, strict=True):
        assert np.abs(a).max() <= threshold
        assert np.array_equal(np.where(np.abs(b) <= threshold, b, np.sign(b) * threshold), a)
    assert report.clipped == any(np.abs(b).max() > threshold for b in before)


@quick
@given(scales, st.integers(0, 1000), scales)
def test_clipnorm_is_per_weight(threshold, seed, scale):
    before, after, report = clipped(threshold, seed, scale, "clipnorm")
    for a, b in zip(after, before, strict=True):
        assert norm([a]) == pytest.approx(min(norm([b]), threshold), rel=1e-12)
        np.testing.assert_allclose(a * norm([b]), b * norm([a]), rtol=1e-12)
    assert report.clipped == any(norm([b]) > threshold for b in before)


def test_clip_report_counts():
    (p,) = parameters((1,))
    optimizer = SGD([p], 0.1, global_clipnorm=1.0)
    assert "no step yet" in repr(optimizer.clip_report())
    for size in (0.5, 2.0, 4.0, 1.0):
        p.grad = np.array([size])
        optimizer.step()
    report = optimizer.clip_report()
    assert (report.steps, report.clipped, report.share) == (4, 2, 0.5)
    assert (report.last_norm, report.mean_norm) == (1.0, 1.875)
    assert repr(report) == ("global_clipnorm=1: 2 of 4 steps clipped (50%); gradient norm before: last 1, mean 1.88")


def test_a_norm_whose_square_is_too_large_is_clipped_not_refused():
    (p,) = parameters((4,), dtype=np.float32)
    old = p.data
    p.grad = np.full(4, 1e30, np.float32)
    optimizer = SGD([p], 1.0, global_clipnorm=2.0)
    optimizer.step()
    np.testing.assert_allclose(old - p.data, 1.0, rtol=1e-5)
    assert optimizer.clip_report().last_norm == pytest.approx(2e30, rel=1e-6)


@pytest.mark.parametrize("clip", [{"clipvalue": 0.5}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {}])
def test_gradients_are_clipped_as_the_optimizers_do(clip):
    params = [Tensor(np.zeros(shape), requires_grad=True) for shape in ((3, 4), (5,), ())]
    before = dict(zip("abc", gradients(params, 0), strict=True))
    after = clip_gradients(before, **clip)
    SGD(params, 1.0, **clip).step()
    for name, p in zip("abc", params, strict=True):
        np.testing.assert_array_equal(after[name], -p.data)
    large = clip_gradients(before, clipvalue=100.0)
    assert all(large[name] is before[name] for name in before), "what is not changed is not copied"
    assert clip_gradients({}, **clip) == {}


def test_errors_of_a_clip():
    with pytest.raises(FloatingPointError, match=r"clip_gradients: the gradient of w is not finite \(1 of 2 entries\)"):
        clip_gradients({"v": np.ones(1), "w": np.array([1.0, np.nan])}, clipnorm=1.0)
    with pytest.raises(ValueError, match="clip_gradients: clipvalue and clipnorm were given"):
        clip_gradients({}, clipvalue=1.0, clipnorm=1.0)
    with pytest.raises(ValueError, match="clip_gradients: clipnorm must be a number above 0, not -1"):
        clip_gradients({}, clipnorm=-1)
    with pytest.raises(TypeError, match=r"no max_norm=\. Use global_clipnorm= .*It takes clipvalue, clipnorm, global"):
        clip_gradients({}, max_norm=1.0)


# — errors —————————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing(bad):
    model = nn.Linear(2, 3, rng=np.random.default_rng(0))
    optimizer = Adam(model.named_parameters(), 0.1, clipvalue=1.0)
    gradients(model.parameters(), 0)
    model.b.grad[1] = bad
    before = model.state_dict()
    with pytest.raises(FloatingPointError, match=r"gradient of b is not finite \(1 of 3 entries\)"):
        optimizer.step()
    assert all(np.shares_memory(model.state_dict()[name], array) for name, array in before.items())
    assert optimizer.steps == 0 and not optimizer.memories[0]["m"].any()
    with pytest.raises(FloatingPointError, match=r"parameter 1 \(tensor b of shape"):
        SGD(model.parameters(), 0.1).step()


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"lr": 0}, "lr must be a number above 0, not 0"),
        ({"lr": -1.0}, "lr must be"),
        ({"lr": math.nan}, "lr must be"),
        ({"lr": 0.1, "clipnorm": 1.0, "clipvalue": 2.0}, "clipvalue and clipnorm were given; take one"),
        ({"lr": 0.1, "global_clipnorm": 0.0}, "global_clipnorm must be"),
        ({"lr": 0.1, "momentum": -1}, "momentum must be"),
        ({"lr": 0.1, "nesterov": True}, "needs a momentum"),
    ],
)
def test_bad_settings(kw, message):
    with pytest.raises(ValueError, match=message):
        SGD(parameters((2,)), **kw)


@pytest.mark.parametrize("cls", [SGD, RMSprop, Adagrad, Adam])
def test_an_unknown_setting_is_answered_with_ours(cls):
    with pytest.raises(TypeError, match=rf"{cls.__name__}: there is no weight_decay=\. Use optim\.AdamW\(.*takes lr, "):
        cls(parameters((2,)), weight_decay=0.1)
    with pytest.raises(TypeError, match=r"no learning_rate=\. Use lr=\. It takes lr, .*clipvalue, clipnorm, global"):
        cls(parameters((2,)), learning_rate=0.1)
    with pytest.raises(TypeError, match=r"there is no nonsense=\. It takes lr"):
        cls(parameters((2,)), nonsense=1)


def test_bad_parameters():
    (p,) = parameters((2,))
    with pytest.raises(ValueError, match="no parameters"):
        Adam([])
    with pytest.raises(TypeError, match=r"give a list of them"):
        Adam(p)
    with pytest.raises(TypeError, match="parameter 0 is no Tensor but ndarray"):
        Adam([np.ones(2)])
    with pytest.raises(ValueError, match="only leaves"):
        Adam([p * 2])
    with pytest.raises(ValueError, match=r"betas\[1\]"):
        Adam([p], betas=(0.9, 1.0))
    for betas in ((0.9,), (0.9, 0.99, 0.999), 0.9, "xy", None):
        with pytest.raises(ValueError, match="betas"):
            Adam([p], betas=betas)
    assert len(Adam([p, p]).params) == 1  # a tied parameter is moved once
    p.grad = np.ones(2)
    p.data = np.ones(3)
    with pytest.raises(ValueError, match=r"is \(3,\), but its gradient \(2,\)"):
        Adam([p]).step()


def test_backward_after_the_step_is_refused():
    (p,) = parameters((2,))
    loss = (p * p).sum()
    loss.backward(keep_graph=True)
    SGD([p], 0.1).step()
    with pytest.raises(RuntimeError, match="was replaced"):
        loss.backward()


def test_zero_grad_and_frozen():
    a, b = parameters((2,), (2,))
    optimizer = Adam([a, b])
    a.grad = np.ones(2)
    before = b.data
    optimizer.step()
    assert np.shares_memory(b.data, before) and optimizer.times == [1, 0]
    optimizer.zero_grad(set_to_none=True)
    assert a.grad is None
    with pytest.raises(ValueError, match="never filled with 0"):
        optimizer.zero_grad(set_to_none=False)

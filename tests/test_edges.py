"""Where right numbers used to end: NaN behind a mask, saturation, narrow integers, foreign arrays, empty arrays."""

import asyncio
import copy
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, embed, grad, nn, ops, scope
from tinygrad_lstm.op import Op
from tinygrad_lstm.optim import OPTIMIZERS, SGD, Adam, RMSprop
from tinygrad_lstm.scope import recording, scope_path, setting

INF, NAN = np.inf, np.nan
FUSED = [False, True, pytest.param("numba", marks=pytest.mark.skipif(
    find_spec("numba") is None, reason='compiled steps need numba: pip install ".[fast]"'))]  # fmt: skip


def leaf(values, dtype=np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def slope(y: Tensor, x: Tensor) -> list:
    (dx,) = grad(y, x)
    return dx.numpy().tolist()


# — what is masked is not read ———————————————————————————————————————————————————————————————————————————


def test_what_a_loss_masks_may_be_anything():
    p = leaf([0.0, NAN])
    assert slope(nn.mse_loss(p, np.array([1.0, INF]), mask=[1, 0]), p) == [-2, 0]
    loss = nn.binary_cross_entropy_with_logits(p, np.array([1.0, 7.0]), mask=[True, False])
    assert loss.item() == pytest.approx(np.log(2)) and slope(loss, p) == [-0.5, 0]
    logits = leaf([[0.0, np.log(3)], [NAN, INF]])
    loss = nn.cross_entropy(logits, np.array([1, -100]), mask=[1, 0])
    assert loss.item() == pytest.approx(np.log(4 / 3))
    np.testing.assert_allclose(slope(loss, logits), [[0.25, -0.25], [0, 0]], atol=1e-15)


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.binary_cross_entropy_with_logits])
def test_masks_and_targets_that_mean_nothing(loss):
    with pytest.raises(ValueError, match="no array of weights"):
        loss(leaf([0.0, 1.0]), np.array([0.0, 1.0]), mask=[0.5, 1])
    with pytest.raises(ValueError, match="no array of weights"):
        loss(leaf([0.0, 1.0]), np.array([0.0, 1.0]), mask=[1, NAN])


@pytest.mark.parametrize("target", [1.5, -0.1, NAN])
def test_targets_of_a_binary_loss(target):
    with pytest.raises(ValueError, match=r"targets must be in \[0, 1\]"):
        nn.binary_cross_entropy_with_logits(leaf([0.0, 1.0]), np.array([0.0, target]))


@pytest.mark.parametrize("rubbish", [NAN, INF, 1e300])
@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("two_ways", [False, True])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_padding_is_never_read(kind, two_ways, fused, rubbish):
    clean = np.random.default_rng(0).normal(size=(3, 5, 2))
    lengths, results = [5, 2, 1], []
    clean[1, 2:], clean[2, 1:] = 0, 0
    dirty = clean.copy()
    dirty[1, 2:], dirty[2, 1:] = rubbish, rubbish
    net = kind(2, 3, num_layers=2, bidirectional=two_ways, rng=0).astype(np.float64)
    net.fused = fused
    for array in (clean, dirty):
        x = Tensor(array, requires_grad=True)
        out = net(x, lengths=lengths)
        results.append([out.h, *grad(out.h.sum(), [x, *net.parameters()])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
        assert np.isfinite(one.numpy()).all()


# — saturation ———————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("size", [1e3, 1e6])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("fused", FUSED[1:])
def test_a_saturated_layer_gets_what_the_composed_one_gets(kind, fused, size):
    """In absolute numbers: where tanh is 1, nothing may move."""
    x = np.full((1, 5, 1), size, np.float32)
    net, found = kind(1, 4, rng=0), []
    for way in (False, fused):
        net.fused = way
        found.append([dx.numpy() for dx in grad(net(x).h.sum(), net.parameters())])
    for composed, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, composed, atol=1e-6)
    assert max(np.abs(composed).max() for composed in found[0]) < (1e-6 if kind is not nn.LSTM else np.inf)


# — ends of the number line ————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("x", "y", "dx"),
    [
        ([-INF, -INF], -INF, [0.5, 0.5]),
        ([INF, 1], INF, [1, 0]),
        ([INF, INF, 0], INF, [0.5, 0.5, 0]),
        ([-INF, 1], 1, [0, 1]),
        ([1e308, 1e308], 1e308, [0.5, 0.5]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_logsumexp_of_infinities(x, y, dx):
    x = leaf(x)
    total = tl.logsumexp(x)
    assert total.item() == y == tl.logsumexp(x.numpy())
    assert slope(total, x) == dx
    assert slope(tl.logsumexp(x[None], axis=1).sum(), x) == dx


@pytest.mark.parametrize(
    ("a", "b", "da", "db"),
    [
        (0, -1, -INF, 0), (INF, 0, 0, INF), (-INF, 0, 0, 0), (NAN, 0, 0, 0), (0, 0, 0, 0), (0, 2, 0, 0),
        (2, 0, 0, np.log(2)), (-2, 3, 12, 0), (4, 0.5, 0.25, 2 * np.log(4)),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_powers_do_what_their_docstring_says(a, b, da, db):
    a, b = leaf(a), leaf(b)
    got = [dx.item() for dx in grad(a**b, [a, b])]
    assert got == pytest.approx([da, db])


def test_the_second_derivative_of_a_power_of_0():
    a, b = leaf(2.0), leaf(0.0)
    (da,) = grad(a**b, a, create_graph=True)
    assert slope(da, b) == 0.5, "d²(aᵇ) / da db is 1/a at b = 0"


# — what is linear in pieces ————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    "f",
    [
        ops.relu, ops.leaky_relu, ops.hard_sigmoid, ops.abs, lambda x: ops.clip(x, low=-1.0, high=1.0),
        lambda x: ops.maximum(x, 0.5), lambda x: ops.minimum(x, 0.5), lambda x: x.max(), lambda x: x.min(axis=0),
    ],
)  # fmt: skip
def test_a_structural_zero_is_a_zero(f):
    x = leaf([0.3, -0.7, 2.0])
    (dx,) = grad(f(x).sum(), x, create_graph=True)
    assert slope(dx.sum(), x) == [0, 0, 0]
    w = leaf([1.0, 2.0, 3.0])
    (dx,) = grad((f(x) * w).sum(), x, create_graph=True)
    assert slope(dx.sum(), x) == [0, 0, 0] and np.any(slope(dx.sum(), w))


# — arrays from elsewhere ————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_narrow_integers_are_indices(dtype):
    index = np.array([1, 100, 1], dtype)
    for pick in (lambda x: x[index], lambda x: embed(x, index=index)):
        x = leaf(np.zeros((200, 2)))
        pick(x).sum().backward()
        expected = np.zeros((200, 2))
        expected[1], expected[100] = 2, 1
        np.testing.assert_array_equal(x.grad, expected)
        (dx,) = grad((pick(x) ** 2).sum(), x, create_graph=True)
        assert dx.shape == (200, 2)
        assert tl.trace(pick(x).sum()).grad(x).shape == (200, 2)


def test_bytes_of_a_text_are_tokens():
    layer = nn.Embedding(256, 4, rng=0)
    layer(np.frombuffer(b"hih", np.uint8)).sum().backward()
    assert layer.W.grad[ord("h")].tolist() == [2] * 4 and layer.W.grad.sum() == 12


class Series:
    """As pandas' is: no array, but its numbers are one, in memory that may change."""

    def __init__(self, array):
        self.array, self.dtype, self.shape = array, array.dtype, array.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, k):
        return self.array[k]


def test_a_series_is_an_array():
    assert Tensor(Series(np.ones(2))).dtype == np.float64
    numbers = np.array([0, 2, 0])
    x = leaf([1.0, 2.0, 3.0])
    for pick in (lambda index: x[index], lambda index: embed(x[:, None], index=index)):
        y = pick(Series(numbers)).sum()
        numbers[:] = 1
        assert slope(y, x) == [2, 0, 1]
        numbers[:] = 0, 2, 0
    with pytest.raises(TypeError, match="Integer arrays are for indices"):
        Tensor(Series(numbers))


def test_a_masked_array_is_refused():
    masked = np.ma.masked_array([1.0, 2.0], mask=[0, 1])
    with pytest.raises(TypeError, match="mask of a masked array would be lost"):
        Tensor(masked)
    index = np.ma.masked_array([0, 1], mask=[0, 1])
    for wrong in (
        lambda: leaf([1.0, 2.0])[index], lambda: leaf([[1.0, 2.0]])[0, index], lambda: leaf([1.0, 2.0]) * masked,
        lambda: nn.Embedding(2, 2)(index),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"mask"):
            wrong()


# — empty arrays and arrays without axes ————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: x.sum(axis=0), ()), (lambda x: x.sum(axis=-1, keepdims=True), ()), (lambda x: x.max(axis=0), ()),
        (lambda x: x.sum(), (0, 3)), (lambda x: x.sum(axis=0).sum(), (0, 3)), (lambda x: x.sum(axis=1).sum(), (0, 3)),
        (lambda x: (x @ np.zeros((0, 3))).sum(), (2, 5, 0)), (lambda x: x[np.array([0, 1])].sum(), (3, 0)),
        (lambda x: embed(x, index=[0, 0]).sum(), (3, 0)), (lambda x: x[np.zeros(0, int)].sum(), (3, 2)),
        (lambda x: concat([x, x], axis=0).sum(), (0, 2)), (lambda x: x.reshape(3, 0).sum(), (0, 3)),
        (lambda x: tl.logsumexp(x, axis=1).sum(), (0, 3)), (lambda x: tl.softmax(x).sum(), (0, 3)),
        (lambda x: tl.cumsum(x, axis=0).sum(), (0, 3)),
    ],
)  # fmt: skip
def test_empty_and_single(f, shape):
    x = leaf(np.zeros(shape))
    y = f(x)
    y.backward(np.ones(y.shape))
    assert x.grad.shape == shape


@pytest.mark.filterwarnings("ignore")
def test_a_mean_of_nothing_is_what_numpy_says():
    x = leaf(np.zeros((0, 3)))
    for y in (x.mean(), x.mean(axis=0).sum()):
        assert np.isnan(y.item())
        y.backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("name", ["max", "min", "softmax", "log_softmax", "logsumexp"])
def test_an_extreme_of_nothing_is_refused_going_forward(name):
    with pytest.raises(ValueError, match=rf"{name}: zero-size array .*inputs of shape \(3, 0\)"):
        getattr(ops, name)(leaf(np.zeros((3, 0))), axis=1)


def test_bounds_of_clip_may_stretch():
    x = leaf([0.5])
    y = tl.clip(x, low=np.array([0.0, 1.0, -1.0]), high=2.0)
    assert y.numpy().tolist() == [0.5, 1, 0.5] and slope(y.sum(), x) == [2]


# — wrong use: one sentence ————————————————————————————————————————————————————————————————————————————————


def test_writing_into_data_says_what_to_do():
    p = leaf([1.0, 2.0])
    p.grad = np.ones(2)
    for write in ("p.data -= 0.1 * p.grad", "p.data[0] = 1", "np.add(p.data, 1, out=p.data)", "p.data *= 2"):
        with pytest.raises(ValueError, match=r"read-only: .*Replace it: t\.data = t\.data - lr \* t\.grad"):
            exec(write)
    p.data = p.data - 0.1 * p.grad
    assert p.data.tolist() == [0.9, 1.9]
    assert type(p.data + 1) is type(p.data @ p.data[:, None]) is np.ndarray
    own = p.data.copy()
    own[0] = 5
    own += 1
    assert own.tolist() == [6, 2.9] and p.data.tolist() == [0.9, 1.9]


def test_values_cannot_be_made_writable():
    x = leaf([1.0, 2.0])
    for t in (x, x * 2, x.sum()):
        for array in (t.data, t.numpy()):
            with pytest.raises(ValueError, match="cannot set WRITEABLE"):
                array.flags.writeable = True


def test_gradients_fit_or_are_refused():
    p = leaf([1.0, 2.0])
    p.grad = Tensor([3.0, 4.0])
    SGD([p], lr=1.0).step()
    assert p.data.tolist() == [-2, -2]
    (p * 1.0).sum().backward()
    assert p.grad.tolist() == [4, 5] and type(p.grad) is np.ndarray
    for wrong in (np.ones(3), 1.0, np.ones((2, 1))):
        with pytest.raises(ValueError, match=r"tensor of shape \(2,\) cannot have a gradient of shape"):
            p.grad = wrong


def test_axis_is_a_keyword():
    with pytest.raises(TypeError, match="concat: after a list of inputs come settings by name"):
        concat([leaf([1.0]), leaf([2.0])], 0)
    with pytest.raises(TypeError, match="axis is None, an integer, or a tuple"):
        leaf([[1.0]]).sum(axis=[0, 1])


def test_an_op_without_a_rule_is_no_silent_zero():
    cube = Op(lambda x: x**3, "x³", "forgets its rule")
    x = leaf(2.0)
    with pytest.raises(RuntimeError, match=r"no rule for the gradient of its input x.*\.wrt\(\"x\", formula, rule\)"):
        (cube(x) + x).backward()
    assert x.grad is None
    cube.wrt("x", "", None)
    (cube(x) + x).backward()
    assert x.grad == 1, "declared to carry none"


# — random numbers ————————————————————————————————————————————————————————————————————————————————————————

SEEDED = [
    lambda rng: nn.Linear(3, 4, rng=rng), lambda rng: nn.Embedding(5, 4, rng=rng), lambda rng: nn.LSTM(3, 4, rng=rng),
    lambda rng: nn.GRU(3, 4, rng=rng), lambda rng: nn.RNN(3, 4, rng=rng), lambda rng: nn.LSTMCell(3, 4, rng=rng),
    lambda rng: nn.LSTM(3, 4, cell=nn.PeepholeLSTMCell, num_layers=2, rng=rng),
]  # fmt: skip


@pytest.mark.parametrize("make", SEEDED)
@pytest.mark.parametrize("seed", [0, 1])
def test_an_integer_is_a_seed(make, seed):
    one, other, by_generator = make(seed), make(seed), make(np.random.default_rng(seed))
    for p, q, r in zip(one.parameters(), other.parameters(), by_generator.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        np.testing.assert_array_equal(p.numpy(), r.numpy())
    unlike = zip(one.parameters(), make(None).parameters(), strict=True)
    assert any((p.numpy() != q.numpy()).any() for p, q in unlike)


def test_dropout_takes_a_seed():
    drop, x = nn.Dropout(0.5, rng=0), np.ones(100, np.float32)
    first, second = drop(x), drop(x)
    assert (first != second).any() and (nn.Dropout(0.5, rng=0)(x) == first).all()
    assert (nn.dropout(x, 0.5, rng=0) == first).all()


# — copies ————————————————————————————————————————————————————————————————————————————————————————————————

MODULES = [
    *(make(0) for make in SEEDED),
    nn.LSTM(3, 4, fused=True, rng=0), nn.GRU(3, 4, fused=True, bidirectional=True, rng=0),
    nn.LSTM(3, 4, activation="relu", rng=0), nn.Sequential(nn.Linear(3, 4, rng=0), tl.tanh, nn.LayerNorm(4)),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copied_module_is_a_module(module, copied):
    twin = copied(module)
    for (name, p), (other, q) in zip(module.named_parameters(), twin.named_parameters(), strict=True):
        assert name == other and p is not q
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    if isinstance(module, nn.Recurrent):
        x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
        np.testing.assert_array_equal(twin(x).h.numpy(), module(x).h.numpy())
        assert twin.fusable == module.fusable and twin.fused == module.fused


# — scopes ————————————————————————————————————————————————————————————————————————————————————————————————


def test_one_scope_in_many_threads():
    shared = scope("shared")

    @shared
    def inside(k: int) -> str:
        with scope(str(k)):
            return (leaf([1.0]) * 2).scope

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(inside, range(200))) == [f"shared/{k}" for k in range(200)]
    off = tl.no_grad()

    @off
    def silent(_: int) -> bool:
        return (leaf([1.0]) * 2).requires_grad

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(silent, range(200)))
    assert (leaf([1.0]) * 2).requires_grad


@pytest.mark.parametrize("mode", [scope("x"), tl.no_grad(), tl.detect_anomaly()])
def test_what_runs_after_its_call_is_not_decorated(mode):
    async def later():
        return 1

    def steps():
        yield 1

    async def both():
        yield 1

    for function in (later, steps, both):
        with pytest.raises(TypeError, match=rf"{function.__name__} runs after its call. Use `with` inside it"):
            mode(function)


def test_scopes_of_coroutines_do_not_mix():
    async def named(name: str) -> str:
        with scope(name):
            await asyncio.sleep(0)
            return (leaf([1.0]) * 2).scope

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(named(str(k)) for k in range(5)))

    assert asyncio.run(all_of_them()) == list("01234")


@pytest.mark.parametrize("make", [lambda: scope("inner"), tl.no_grad])
def test_a_mode_left_open_at_a_yield_is_told(make):
    def steps():
        with make():
            yield

    outer = scope("outer") if isinstance(make(), scope) else setting(recording, True)
    going = steps()
    with pytest.raises(RuntimeError, match="Is a `with` left open at a `yield`"), outer:
        next(going)
    with pytest.raises(RuntimeError, match="left open"):
        going.close()
    scope_path.set("")
    recording.set(True)


# — what was accepted in silence ————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("bad", [5, 1, -0.1, np.ones(2), True, "0.9", NAN])
@pytest.mark.parametrize("cls", [SGD, RMSprop])
def test_a_momentum_is_below_1(cls, bad):
    with pytest.raises(ValueError, match=r"momentum must be a number in \[0, 1\)"):
        cls([leaf([1.0])], momentum=bad)


@pytest.mark.parametrize("bad", [-1, NAN, np.array([0.1]), None])
def test_a_learning_rate_set_later_is_looked_at(bad):
    p = leaf([1.0])
    p.grad, optimizer = np.ones(1), SGD([p], lr=0.1)
    optimizer.lr = bad
    with pytest.raises(ValueError, match="lr must be a number of at least 0"):
        optimizer.step()
    assert p.data == 1
    optimizer.lr = 0.0
    optimizer.step()
    assert p.data == 1 and optimizer.steps == 1


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("settings", {"lr": -5}), ("settings", {"betas": [0.9, 2.0]}), ("settings", {"eps": "small"}),
        ("counts", {"times": [1]}), ("counts", {"times": [1.5, 2]}), ("counts", {"times": [-1, 2]}),
        ("arrays", {"m/0": np.ones(2, int)}), ("arrays", {"v/1": np.ones(3)}),
    ],
)  # fmt: skip
def test_a_state_from_elsewhere_changes_nothing(part, change):
    adam = Adam([leaf([1.0, 2.0]), leaf([3.0])])
    before, state = adam.state_dict(), copy.deepcopy(adam.state_dict())
    state[part] |= change
    with pytest.raises(ValueError):
        adam.load_state_dict(state)
    assert repr(adam.state_dict()) == repr(before)
    adam.load_state_dict(before)
    assert repr(adam.state_dict()) == repr(before)


def test_two_parameters_with_one_path():
    class Two(nn.Module):
        def __init__(self):
            self.inner = nn.Module()
            self.inner.b = leaf([2.0])
            setattr(self, "inner.b", leaf([1.0]))

    for ask in (lambda m: m.state_dict(), lambda m: m.parameters(), lambda m: m.summary()):
        with pytest.raises(ValueError, match=r"Two: two parameters have the path 'inner\.b'"):
            ask(Two())


@pytest.mark.parametrize(("size", "shape"), [(1, (2, 3)), (3, (2, 1)), (3, ())])
def test_a_layer_norm_is_as_wide_as_its_input(size, shape):
    with pytest.raises(ValueError, match=f"LayerNorm: the last axis of x must be {size}"):
        nn.LayerNorm(size)(np.ones(shape, np.float32))


def test_names_are_texts():
    for name in (5, None, b"h"):
        for give in (lambda name: leaf([1.0]).named(name), lambda name: scope(name)):
            with pytest.raises(TypeError, match="a name is a text, not"):
                give(name)
    with pytest.raises(TypeError, match=r"Write '5'"):
        Tensor([1.0], name=5)


def test_a_function_of_numpy_is_our_activation():
    net = nn.LSTM(3, 4, activation=np.tanh, rng=0, fused=True)
    assert net.cells[0][0].activation is tl.tanh
    with pytest.raises(ValueError, match="activation 'tan' is unknown"):
        nn.LSTM(3, 4, activation="tan")


def test_an_optimizer_of_another_model():
    task = tl.tasks.Adding()
    model, other = (tl.SequenceModel.for_task(task, hidden=4) for _ in range(2))
    with pytest.raises(ValueError, match="parameters that are not this model's"):
        tl.fit(model, task, steps=1, optimizer=SGD(other.parameters(), 0.1), progress=False)


def test_nets_that_are_compared_have_names_of_their_own():
    with pytest.raises(ValueError, match="'rnn' is named twice"):
        tl.compare("rnn, lstm:1,rnn")


def test_what_a_trace_hands_out_is_closed():
    x = leaf([1.0, 2.0])
    y = x * 3
    traced = tl.trace((y * y).sum())
    for array in (traced.grad(y), traced.grad(x), traced.share(x, y), traced.edges[0].sent):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.flags.writeable = True


def test_a_trace_after_backward_says_so():
    net = nn.LSTM(2, 3, rng=0)
    loss = net(np.ones((1, 3, 2), np.float32)).last.h.sum()
    traced = tl.trace(loss)
    flow = traced.flow("C")
    kept = traced.grad(net.cells[0][0].W_f).copy()
    loss.backward()
    assert "its history freed" in repr(flow) and "keep_graph=True" in flow._repr_html_()
    with pytest.raises(RuntimeError, match=r"freed by a backward that passed here.*ask a trace afterwards.*keep_graph"):
        flow.table()
    np.testing.assert_array_equal(traced.grad(net.cells[0][0].W_f), kept)


def test_after_a_backward_that_failed():
    bad = Op(lambda x: x * 1, "?", "its rule fails")
    bad.wrt("x", "?", lambda dy, y, x: 1 / 0)
    x = leaf([1.0])
    y = bad(x).sum() * 2
    with pytest.raises(ZeroDivisionError):
        y.backward()
    with pytest.raises(RuntimeError, match="whether or not it came to its end"):
        y.backward()


def test_a_fused_layer_has_no_flow_and_says_why():
    net = nn.LSTM(2, 3, rng=0, fused=True)
    with pytest.raises(LookupError, match=r"ran fused: set layer\.fused = False"):
        tl.trace(net(np.ones((1, 3, 2), np.float32)).h.sum()).flow("C")


# — names that no file can hold —————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("view", ["time", "strip", "cells", "rolled", "ops"])
def test_a_lone_surrogate_breaks_no_picture(view, tmp_path):
    net = nn.LSTM(2, 3, rng=0)
    labels = None if view == "ops" else ["a\ud800", "<script>", "b\x00"]
    with scope("\ud800"):
        loss = net(np.ones((1, 3, 2), np.float32)).last.h.sum()
    drawing = tl.draw(loss, view=view, labels=labels)
    for ending in ("svg", "html")[: 1 + (view == "time")]:
        drawing.save(tmp_path / f"p.{ending}")
    assert drawing._repr_mimebundle_() and tl.trace(loss)._repr_html_().encode()
    assert "\\ud800" in loss.describe() and Tensor([1.0], name="\ud800")._repr_html_().encode()


# — other processes ————————————————————————————————————————————————————————————————————————————————————————


def _state_of(net):
    return net(np.ones((1, 3, 3), np.float32)).last.h.numpy()


def test_modules_cross_to_other_processes():
    nets = [nn.LSTM(3, 4, rng=0), nn.GRU(3, 4, rng=0, fused=True), nn.Recurrent(3, 4, cell=nn.PeepholeLSTMCell, rng=0)]
    nets[2].fused = True
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for net, far in zip(nets, pool.map(_state_of, nets), strict=True):
            np.testing.assert_allclose(far, _state_of(net), rtol=1e-6)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copied_optimizers_and_tasks(copied):
    for kind in OPTIMIZERS.values():
        p = leaf([1.0])
        p.grad, optimizer = np.ones(1), kind([p], lr=0.1)
        optimizer.step()
        twin = copied(optimizer)
        assert repr(twin.state_dict()) == repr(optimizer.state_dict()) and twin.params[0] is not p
    for name in ("pronouns", "words", "series", "adding", "copying", "reber", "temporal_order"):
        task = tl.tasks.TASKS[name][0]()
        twin = copied(task)
        assert twin == task
        one, other = (t.batch(2, np.random.default_rng(0)) for t in (task, twin))
        np.testing.assert_array_equal(one.x, other.x)

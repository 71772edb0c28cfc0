"""Published experiments: many nets in one program are each as if alone, and each row measures what it says."""

import copy
import hashlib
import sys
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

from tinygrad_lstm import Tensor, nn, optim, tasks
from tinygrad_lstm.engine import grad
from tinygrad_lstm.published import carried, gers2000, hochreiter1997, kudo1999, online1997, pascanu2013
from tinygrad_lstm.published.nets import SmallNet, alone, descend, normal, one_hot, side_by_side, together
from tinygrad_lstm.published.row import Claim
from tinygrad_lstm.published.shelf import ROWS
from tinygrad_lstm.tasks import vowels

NONE = find_spec("numba") is None
SHORT = {  # of each row the smallest settings with which all of its lines are gone through
    "forget-bias": {"length": 10, "updates": 2},
    "clipping": {"length": 10, "updates": 2},
    "continual-reber": {"updates": 2, "symbols": 20},
    "adding": {"length": 6, "updates": 4, "looks": 2},
    "embedded-reber": {"budget": 4, "look": 2},
    "temporal-order": {"budget": 3},
}
CELLS = [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.CoupledLSTMCell, nn.PeepholeLSTMCell, nn.NoForgetLSTMCell]
CELLS += [nn.LSTM1997Cell]


def three(cell):
    return [SmallNet(cell(3, 4, rng=k), 2, rng=np.random.default_rng(k)) for k in range(3)]


# — many nets in one array program ——————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_net_side_by_side_learns_as_if_alone(cell, clip):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((4, 3, 2, 5, 3)).astype(np.float32)  # updates, nets, batch, time, features
    nets = side_by_side(three(cell))
    optimizer = optim.Adam(nets.parameters(), 0.01)
    for some in x:
        y, _ = nets(some)
        descend(nets, (y * y).sum(axis=(1, 2, 3)), optimizer, global_clipnorm=clip)
    for k, net in enumerate(three(cell)):  # the same with the package's own layer, loss by loss, and its own optimizer
        layer = nn.Recurrent(3, 4, cell=type(net.cell), rng=k)
        layer.cells[0][0] = net.cell
        own = optim.Adam(net.parameters(), 0.01, global_clipnorm=clip)
        for some in x[:, k]:
            y = net.head(layer(some).h)
            own.zero_grad()
            (y * y).sum().backward()
            own.step()
        found = alone(nets, k)
        for (path, p), (_, q) in zip(net.named_parameters(), found.named_parameters(), strict=True):
            assert p.shape == q.shape
            np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=2e-4, atol=2e-6, err_msg=path)


@pytest.mark.parametrize("cell", CELLS)
def test_its_answers_and_its_state_are_those_of_the_net_alone(cell):
    nets, x = three(cell), np.random.default_rng(1).standard_normal((3, 2, 6, 3)).astype(np.float32)
    every = side_by_side(nets)
    y, state = every(x)
    more, _ = every(x, state)
    for k, net in enumerate(nets):
        own, end = net(x[k])
        np.testing.assert_allclose(y.numpy()[k], own.numpy(), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(more.numpy()[k], net(x[k], end)[0].numpy(), rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(alone(every, k)(x[k])[0].numpy(), own.numpy())


@pytest.mark.parametrize("there", [False, pytest.param(True, marks=pytest.mark.skipif(NONE, reason="needs numba"))])
def test_each_net_goes_as_many_steps_as_it_is_told(there, monkeypatch):
    monkeypatch.setattr(carried, "COMPILED", there)
    nets, x = three(nn.LSTMCell), np.random.default_rng(1).standard_normal((3, 2, 6, 3)).astype(np.float32)
    steps, last, every = [4, 6, 1], np.array([[3, 3], [5, 5], [0, 0]]), side_by_side(three(nn.LSTMCell))
    y, _ = every(x, steps=steps)
    parts = grad((y * y).sum(), every.parameters())
    for k, net in enumerate(nets):
        own, _ = net(x[k, :, : steps[k]])
        np.testing.assert_array_equal(y.numpy()[k, :, : steps[k]], own.numpy())
        assert (y.numpy()[k, :, steps[k] :] == net.head.b.numpy()).all()  # of a state of zeros
        np.testing.assert_array_equal(every.at(x, last).numpy()[k], own.numpy()[:, -1])
        for part, one in zip(parts, grad((own * own).sum(), net.parameters()), strict=True):
            np.testing.assert_allclose(part.numpy()[k].reshape(one.shape), one.numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="cannot be differentiated again"):
        grad((y * y).sum(), every.parameters(), create_graph=True)


def test_a_result_that_is_still_there_keeps_its_arrays():
    net, x = three(nn.LSTMCell)[0], np.random.default_rng(1).standard_normal((2, 2, 6, 3)).astype(np.float32)
    first, _ = net(x[0])
    expected = [part.numpy() for part in grad(first.sum(), net.parameters())]
    for _ in range(3):
        net(x[1])
    for part, one in zip(grad(first.sum(), net.parameters()), expected, strict=True):
        np.testing.assert_array_equal(part.numpy(), one)


def test_what_is_not_finite_stays_in_its_own_net():
    nets = three(nn.RNNCell)
    nets[1].head.W.data = np.full((4, 2), np.inf, np.float32)
    every, before = side_by_side(nets), copy.deepcopy(nets)
    with np.errstate(all="ignore"):
        y, _ = every(np.ones((3, 1, 4, 3), np.float32))
        descend(every, y * y, optim.SGD(every.parameters(), 0.1), global_clipnorm=1.0)
    assert [np.isfinite(alone(every, k).cell.W_h.numpy()).all() for k in range(3)] == [True, False, True]
    assert not np.array_equal(alone(every, 2).cell.W_h.numpy(), before[2].cell.W_h.numpy())


def test_nets_of_two_kinds_are_refused():
    with pytest.raises(ValueError, match="at least one net"):
        side_by_side([])
    for other in (nn.LSTMCell(3, 4), nn.RNNCell(3, 5)):
        with pytest.raises(ValueError, match=r"cell\.W_h is not \(7, 4\) in all of them"):
            side_by_side([*three(nn.RNNCell), SmallNet(other, 2, rng=np.random.default_rng(0))])


def test_together_and_one_hot():
    found = together([np.ones((2, 3, 1)), np.full((2, 1, 1), 5.0)])
    assert found.shape == (2, 2, 3, 1) and found[1, :, :, 0].tolist() == [[5, 0, 0]] * 2
    assert one_hot(np.array([[2, 0]]), 3).tolist() == [[[0, 0, 1], [1, 0, 0]]]
    assert abs(normal(0.5)((100, 100), np.random.default_rng(0)).std() - 0.5) < 0.01


# — the rows ————————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(("name", "k"), [(name, k) for name in SHORT for k in range(len(ROWS[name].claims))])
def test_each_line_runs_and_a_seed_does_not_depend_on_the_others(name, k):
    row = ROWS[name]
    settings = {**row.settings(row.claims[k], quick=True), **SHORT[name]}
    both, one = row.run((3, 5), **settings), row.run((5,), **settings)
    assert all(isinstance(result["solved"], bool) and row.value in result for result in both)
    assert len(both) == 2 and len(one) == 1
    assert both[1] == one[0]  # to the last bit: no net's arrays have another's in them
    if row.curve:
        assert len(one[0][row.curve]) == 3 and one[0][row.curve][-1] == pytest.approx(one[0]["error"], abs=1e-5)


def test_the_two_sizes_of_a_row_give_the_same_settings():
    for row in ROWS.values():
        for claim in row.claims:
            assert row.settings(claim, True).keys() == row.settings(claim, False).keys()
        assert row.quick.seeds <= row.full.seeds and all(part for part in (*row.title, *row.criterion, *row.differs))


def test_a_short_temporal_order_is_learned_with_the_clip_and_counted():
    results = pascanu2013.clipping(range(2), length=10, clip=1.0, updates=400, look=100)
    assert all(result["solved"] and result["sequences"] % 2000 == 0 and result["right"] > 0.99 for result in results)


def test_the_criterion_of_1997_takes_the_latest_sequences_alone(monkeypatch):
    monkeypatch.setattr(hochreiter1997, "RECENT", 2)
    monkeypatch.setattr(hochreiter1997, "sigmoid", lambda z: answers.pop(0)(z))

    def right(z):
        return z * 0 + Tensor(np.array([[1, 0, 0, 0]], np.float32))  # the answer of class Q

    def wrong(z):
        return z * 0

    monkeypatch.setattr(tasks.TemporalOrder, "many", only_q(tasks.TemporalOrder.many))
    monkeypatch.setattr(hochreiter1997, "_wrong", lambda net, task, seed: 0)
    answers = [right, wrong, right, right, wrong]
    (result,) = hochreiter1997.temporal_order((0,), cell="rnn", cells=2, budget=5)
    assert result == {"solved": True, "sequences": 4, "wrong": 0}
    answers = [right, wrong, right]
    assert not hochreiter1997.temporal_order((0,), cell="rnn", cells=2, budget=3)[0]["solved"]


def only_q(many):
    """A draw of X and X alone, whose class is the first."""

    def draw(self, size, rng):
        while True:
            batch = many(self, 8 * size, rng)
            if len(rows := np.flatnonzero(batch.target.sum(axis=1) == 0)) >= size:
                rows = rows[:size]
                return tasks.Batch(batch.x[rows], batch.target[rows], batch.mask[rows], batch.lengths[rows])

    return draw


def test_the_net_of_1997_has_the_weights_of_the_paper():
    net = hochreiter1997._net("gates-see-gates", 7, 7, 4, 0.2, 0, biased=False, b_o=[-1, -2, -3, -4])
    assert sum(p.numpy().size for p in net.parameters()) == 264
    assert net.cell.b_o.numpy().tolist() == [-1, -2, -3, -4] and np.abs(net.cell.W_C.numpy()).max() <= 0.2
    x = np.zeros((1, 3, 7), np.float32)
    x[0, :, 1] = 1
    h, C, i, o = (part.numpy()[0] for part in net(x[:, :1])[1])
    W_i, W_C, W_o = (net.cell.W_i.numpy()[5], net.cell.W_C.numpy()[5], net.cell.W_o.numpy()[5])  # rows: h, x, i, o
    np.testing.assert_allclose(i, 1 / (1 + np.exp(-W_i - net.cell.b_i.numpy())), rtol=1e-5)
    np.testing.assert_allclose(o, 1 / (1 + np.exp(-W_o - net.cell.b_o.numpy())), rtol=1e-5)
    np.testing.assert_allclose(C, i * (4 / (1 + np.exp(-W_C)) - 2), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(h, o * (2 / (1 + np.exp(-C)) - 1), rtol=1e-4, atol=1e-6)
    one, far = (np.abs(grad(net(x)[0][0, -1].sum(), [net.cell.W_C])[0].numpy()) for _ in range(2))
    assert one[15:].any() and np.array_equal(one, far)  # the gates' rows learn, too


def test_a_net_that_has_only_forgotten_is_told_from_one_that_has_not_learned():
    watch = hochreiter1997.Watch([np.random.default_rng(0)], 100)
    kept = watch.lengths[0] - 2  # the step at which the last symbol but one is asked for
    for changed, share in ((kept, 1.0), (kept - 1, 255 / 256), (kept + 1, 255 / 256)):
        y = watch.legal.astype(np.float32)
        y[0, [0, 1], changed[:2]] = 1 - y[0, [0, 1], changed[:2]]
        assert watch.grammar(lambda x, y=y: (Tensor(y), None)).tolist() == [pytest.approx(share)]
        assert not watch.look(lambda x, y=y: (Tensor(y[:, : x.shape[1]]), None), np.array([7]))
    asked, second = watch.targets[0, np.arange(512), kept], watch.strings[0, :, 1]
    assert np.array_equal(asked, second)
    y = watch.legal.astype(np.float32)
    assert watch.look(lambda x: (Tensor(y[:, : x.shape[1]]), None), np.array([9]))
    assert watch.results == [{"solved": True, "strings": 9, "grammar": 1.0}]


@pytest.mark.parametrize("biased", [False, True])
def test_symbol_by_symbol_is_backpropagation_through_time_where_the_weights_stand_still(biased):
    begin = {"biased": biased, "b_o": [0.5, 0, -1, 1]}
    nets = [hochreiter1997._net("gates-see-gates", 7, 7, 4, 0.9, k, **begin) for k in range(3)]
    every, rng = side_by_side(nets), np.random.default_rng(0)
    x, target = (one_hot(rng.integers(7, size=(3, 1, 9)), 7) for _ in range(2))
    y, _ = every(x)
    wrong = 1 / (1 + (-y).exp()) - target
    names, parameters = zip(*every.named_parameters(), strict=True)
    expected = dict(zip(names, grad((0.5 * wrong * wrong).sum(), parameters), strict=True))
    learner = online1997.SymbolBySymbol(side_by_side(nets))
    symbols = [(x[:, 0, t], target[:, 0, t], np.array([t == 0] * 3)) for t in range(9)]
    dW, dV, dc = map(sum, zip(*(learner.step(*symbol) for symbol in symbols), strict=True))
    found = {"cell.W_i": dW[:, :-1, :4], "cell.W_C": dW[:, :-1, 4:8], "cell.W_o": dW[:, :-1, 8:], "head.W": dV}
    found |= {"cell.b_i": dW[:, -1:, :4], "cell.b_o": dW[:, -1:, 8:]} | ({"head.b": dc} if biased else {})
    assert found.keys() == expected.keys() and not dW[:, -1, 4:8].any()
    for name, part in found.items():
        np.testing.assert_allclose(part, expected[name].numpy(), rtol=2e-4, atol=2e-6, err_msg=name)
    same = learner.given_back()(x)[0].numpy()
    np.testing.assert_array_equal(same, y.numpy())
    for symbol in symbols:  # net 1 stands still
        learner.learn(np.array([0.5, 0, 0.5]), *symbol)
    after = learner.given_back()(x)[0].numpy()
    assert [bool((after[k] == same[k]).all()) for k in range(3)] == [False, True, False]


def test_the_other_strings_of_reber_are_not_those_learned_from():
    strings, targets, masks, legal = hochreiter1997._strings(np.random.default_rng(0))
    assert strings.shape[0] == 512 and strings.shape == targets.shape == legal.shape
    assert (*strings.shape[:2], 1) == masks.shape
    read = [x[mask[:, 0]].tobytes() for x, mask in zip(strings, masks, strict=True)]
    assert not set(read[:256]) & set(read[256:]) and len(set(read[:256])) < 256
    assert (targets.astype(bool) <= legal)[masks[..., 0]].all()


def test_reber_asks_that_every_allowed_symbol_is_above_every_other():
    legal = np.array([[[[1, 1, 0], [0, 1, 0]]]], bool)
    mask = np.ones((1, 1, 2), bool)
    assert hochreiter1997.allowed(np.array([[[[2.0, 3, 1], [0, 1, 0]]]]), legal, mask).all()
    second_is_wrong = np.array([[[[2.0, 0, 1], [0, 1, 0]]]])  # the largest is allowed, but so is the least
    assert not hochreiter1997.allowed(second_is_wrong, legal, mask).any()
    assert hochreiter1997.allowed(second_is_wrong, legal, mask & [[[False, True]]]).all()


def test_a_stream_is_read_up_to_its_first_mistake(monkeypatch):
    seen, real = [], tasks.reber_stream

    def stream(choices, places):
        seen.append(real(choices, places))
        return seen[-1]

    class Knowing:
        """Answers what is allowed, but for row 1 at the second chunk's symbol 3."""

        def __call__(self, x, state):
            y = seen[-1][1].astype(float)
            if len(seen) == 2:
                y[0, 1, 3] = 1 - y[0, 1, 3]
            return Tensor(y), None

    monkeypatch.setattr(gers2000.tasks, "reber_stream", stream)
    read = gers2000._read(Knowing(), [np.random.default_rng(0)], 250, rows=3)
    assert read.tolist() == [[250, 103, 250]] and [s[0].shape[-1] for s in seen] == [100, 100, 50]


RIGHT, WRONG = {"solved": True, "n": 30}, {"solved": False, "n": None}


@pytest.mark.parametrize(
    ("claim", "results", "told"),
    [
        (Claim("", {}, count=40, solved=(0.9, 1.0)), [RIGHT] * 10, "within a factor of two"),
        (Claim("", {}, count=40, solved=(0.9, 1.0)), [RIGHT] * 9 + [WRONG], "within a factor of two"),
        (Claim("", {}, count=40, solved=(0.9, 1.0)), [RIGHT] * 8 + [WRONG] * 2, "not reproduced"),
        (Claim("", {}, count=61, solved=(0.9, 1.0)), [RIGHT], "not reproduced: off by more than a factor of two"),
        (Claim("", {}, count=14, solved=(0.9, 1.0)), [RIGHT], "not reproduced: off by more than a factor of two"),
        (Claim("", {}, solved=(0.0, 0.1)), [WRONG] * 9 + [RIGHT], "reproduced"),
        (Claim("", {}, solved=(0.0, 0.1)), [WRONG] * 8 + [RIGHT] * 2, "not reproduced"),
        (Claim("", {}, mean=(29, 31)), [RIGHT], "reproduced"),
        (Claim("", {}, mean=(31, 32)), [RIGHT], "not reproduced"),
        (Claim("", {}), [RIGHT], "nothing to compare with"),
        (Claim("", {}, solved=(0.0, 0.1)), [], "not run yet"),
    ],
)
def test_the_verdict_is_said_in_plain_words(claim, results, told):
    assert claim.verdict(results, "n").en == told and claim.verdict(results, "n").zh


# — what they learn on ——————————————————————————————————————————————————————————————————————————————————————


def test_a_reber_stream_is_string_after_string():
    rng = np.random.default_rng(0)
    choices = rng.integers(2, size=(4, 300))
    tokens, legal, places = tasks.reber_stream(choices)
    letters = "BTPSXVE"
    for row in tokens:
        whole = "".join(letters[token] for token in row)
        strings = [part for part in whole.split("EB") if part]
        assert len(strings) > 20
        inner = whole[: whole.index("E", whole.index("E") + 1) + 1] if whole[1] in "TP" else ""
        assert inner[1] == inner[-2] and inner[0] == inner[2] == "B" and inner[-1] == inner[-3] == "E"
    assert np.take_along_axis(legal[:, :-1], tokens[:, 1:, None], axis=-1).all()
    first, _, middle = tasks.reber_stream(choices[:, :101])
    second, after, end = tasks.reber_stream(choices[:, 101:], middle)
    assert np.array_equal(np.concatenate([first, second], axis=1), tokens)
    assert np.array_equal(after, legal[:, 101:]) and np.array_equal(end, places)


def test_a_reber_stream_allows_what_the_task_allows():
    batch = tasks.reber().batch(200, np.random.default_rng(3))
    lengths = batch.mask.sum(axis=1)
    prefixes = {
        tuple(x[:k]): legal[k - 1].tolist()
        for x, n, legal in zip(batch.x, lengths, batch.info["legal"], strict=True) for k in range(1, n + 1)
    }  # fmt: skip
    tokens, legal, _ = tasks.reber_stream(np.random.default_rng(4).integers(2, size=(300, 12)))
    met = 0
    for row, options in zip(tokens, legal, strict=True):
        for k in range(1, 13):
            if (asked := prefixes.get(tuple(row[:k]))) is not None:
                met += 1
                assert options[k - 1].tolist() == asked
    assert met > 1000


def test_many_temporal_orders_are_drawn_as_one_is():
    task = tasks.temporal_order(length=30, marks=3)
    batch = task.many(3000, np.random.default_rng(0))
    lengths = np.full(3000, batch.x.shape[1]) if batch.lengths is None else batch.lengths
    assert lengths.min() == 30 and lengths.max() == 33 and batch.x.shape == batch.target.shape == (3000, 33)
    for x, n, target, mask, distance in zip(
        batch.x, lengths, batch.target, batch.mask, batch.info["distance"], strict=True
    ):
        marks = np.flatnonzero(np.isin(x[:n], (4, 5)))
        assert x[0] == 6 and x[n - 1] == 7 and not x[n:].any() and len(marks) == 3
        assert 3 <= marks[0] <= 6 and 9 <= marks[1] <= 12 and 19 <= marks[2] <= 22
        assert target[n - 1] == int("".join(str(x[m] - 4) for m in marks), 2) and np.flatnonzero(mask) == [n - 1]
        assert distance[n - 1] == n - 1 - marks[0] and distance.sum() == distance[n - 1]
    assert set(Counter(batch.target[batch.mask].tolist())) == set(range(8))


def test_many_additions_are_drawn_as_one_is():
    batch = tasks.adding(length=9).many(500, np.random.default_rng(0))
    marks = batch.x[..., 1]
    assert (marks[:, :4].sum(axis=1) == 1).all() and (marks[:, 4:].sum(axis=1) == 1).all()
    np.testing.assert_allclose(batch.target[:, -1, 0], (batch.x[..., 0] * marks).sum(axis=1), rtol=1e-6)
    assert not batch.target[:, :-1].any() and batch.mask.sum() == batch.mask[:, -1].sum() == 500
    assert np.array_equal(batch.info["distance"][:, -1], 8 - marks[:, :4].argmax(axis=1))


# — Japanese vowels —————————————————————————————————————————————————————————————————————————————————————————

HERE = find_spec("aeon") is not None
LINE = "1.5,2.5,3.5:" + ":".join(["0,0,-1"] * 11) + ":9\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files of one and two utterances, taken for the real ones."""
    for split, text in (("train", "@a b\n@data\n" + LINE), ("test", "@data\n" + LINE + ":".join(["7"] * 12) + ":1\n")):
        path = tmp_path / f"JapaneseVowels_{split.upper()}.ts"
        path.write_text(text)
        monkeypatch.setitem(vowels.SUMS, split, hashlib.sha256(path.read_bytes()).hexdigest())
    return tmp_path


def test_utterances_are_read_as_the_file_has_them(folder):
    task = tasks.japanese_vowels(path=str(folder))
    test = task.all("test")
    assert test.x.shape == (2, 3, 12) and test.lengths.tolist() == [3, 1] and test.target[test.mask].tolist() == [8, 0]
    assert test.x[0, :, 0].tolist() == [1.5, 2.5, 3.5] and test.x[0, :, 1].tolist() == [0, 0, -1]
    assert test.x[1, 0].tolist() == [7] * 12 and not test.x[1, 1:].any()
    drawn = task.batch(2, np.random.default_rng(0), split="test")
    assert sorted(drawn.target[drawn.mask].tolist()) == [0, 8]  # each once
    assert task.batch(3, np.random.default_rng(0)).target.tolist() == [[0, 0, 8]] * 3
    assert (task.inputs, task.outputs, tasks.from_config(task.config())) == (12, 9, task)
    with pytest.raises(tasks.TaskError, match="split must be 'train' or 'test', not 'x'"):
        task.batch(1, np.random.default_rng(0), split="x")


def test_utterances_of_other_bytes_or_of_none_are_refused(folder, tmp_path, monkeypatch):
    (folder / "JapaneseVowels_TRAIN.ts").write_text("@data\n" + LINE.replace("1.5", "1.6"))
    with pytest.raises(tasks.TaskError, match=r"TRAIN\.ts is not the file whose numbers were published"):
        tasks.japanese_vowels(path=str(folder)).all()
    with pytest.raises(tasks.TaskError, match=r"cannot be read .*pip install 'tinygrad-lstm\[data\]'"):
        tasks.japanese_vowels(path=str(tmp_path / "none")).all()
    monkeypatch.setattr(vowels, "find_spec", lambda name: None)
    with pytest.raises(tasks.TaskError, match=r"the data are not here.*pip install"):
        vowels._folder()


def test_the_vowels_are_learned_by_each_net_for_itself(folder):
    settings = {"hidden": 4, "epochs": 2, "path": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kudo1999, "BATCH", 1)
        both, one = kudo1999.vowels((0, 1), **settings), kudo1999.vowels((1,), **settings)
    assert one == [both[1]] and 0 <= one[0]["right"] <= 1


@pytest.mark.skipif(not HERE, reason="needs pip install 'tinygrad-lstm[data]'")
def test_the_utterances_of_aeon_are_those_of_the_paper():
    task = tasks.japanese_vowels()
    train, test = task.all("train"), task.all("test")
    assert Counter(train.target[train.mask].tolist()) == dict.fromkeys(range(9), 30)
    # the numbers of the speakers' test utterances, as the donors of the data list them
    assert [Counter(test.target[test.mask].tolist())[k] for k in range(9)] == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert "aeon" not in sys.modules and train.x.shape[2] == 12 and train.mask.argmax(axis=1).min() + 1 >= 7

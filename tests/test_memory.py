"""A long history that is dropped goes in a loop, where the stack is a browser's: no tensor frees its inputs itself."""

import gc
import subprocess
import sys

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn

PROGRAM = """
import gc, sys, weakref
import numpy as np
import tinygrad_lstm as tl
from tinygrad_lstm import nn
from tinygrad_lstm.memory import drop_one_by_one

gc.disable()
drop_one_by_one(tl.Tensor)
inner, depth, deepest = tl.Tensor.__del__, 0, 0

def counted(self):  # how many tensors are being freed inside one another
    global depth, deepest
    depth += 1
    deepest = max(deepest, depth)
    inner(self)
    depth -= 1

tl.Tensor.__del__ = counted
x = tl.Tensor([1.0], requires_grad=True)

def chain(length):
    y = x
    for _ in range(length):
        y = y * 2.0 + y * -1.0  # both inputs come from the same tensor
    return y

y = chain(20_000)
middle = y.inputs[0].inputs[0]
gone = weakref.ref(y)
del y
assert gone() is None and deepest <= 2, deepest
assert middle.inputs, "what is still held keeps its history"
middle.sum().backward()
assert x.grad.tolist() == [1.0]
x.grad = None
kept = weakref.ref(middle)
del middle
assert kept() is None

lstm = nn.LSTM(2, 3, rng=np.random.default_rng(0))
before = len([one for one in gc.get_objects() if isinstance(one, tl.Tensor)])
out = lstm(np.ones((1, 300, 2), np.float32))
del out  # never went back
assert len([one for one in gc.get_objects() if isinstance(one, tl.Tensor)]) == before
assert deepest <= 2, deepest
print("well")
"""


def test_a_history_that_is_dropped_goes_in_a_loop():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert (run.stdout, run.stderr) == ("well\n", "")


def test_only_where_it_is_needed():

    assert hasattr(tl.Tensor, "__del__") is (sys.platform == "emscripten")


def test_a_hundred_thousand_steps():
    """In a browser, this ended the interpreter."""

    x = y = tl.Tensor([1.0], requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    del y
    assert x.grad is None


def test_the_collector_waits_while_a_history_is_made_and_gone_back_through(monkeypatch):
    seen = []
    step = nn.LSTMCell.step
    monkeypatch.setattr(nn.LSTMCell, "step", lambda *given: (seen.append(gc.isenabled()), step(*given))[1])
    h = nn.LSTM(2, 3)(np.ones((1, 2, 2), np.float32)).h
    monkeypatch.setattr("tinygrad_lstm.engine.shares_of", lambda *given: (seen.append(gc.isenabled()), [])[1])
    h.sum().backward()
    assert seen == [False] * 3 and gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        nn.RNN(2, 3)(np.ones((1, 2, 2), np.float32)).h.sum().backward()
        assert not gc.isenabled()
    finally:
        gc.enable()

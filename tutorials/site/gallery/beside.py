# An RNN and an LSTM on one scale: step through both with the arrow keys
# RNN 和 LSTM 用同一把尺：用方向键一步一步地看
import numpy as np

import tinygrad_lstm as tl

x, rng = np.random.default_rng(1).normal(size=(1, 8, 3)), np.random.default_rng
a, b = tl.nn.RNN(3, 8, rng=rng(0))(x).last.h.sum(), tl.nn.LSTM(3, 8, forget_bias=3.0, rng=rng(0))(x).last.h.sum()
tl.draw({"RNN": a, "LSTM": b}).save("beside.html")

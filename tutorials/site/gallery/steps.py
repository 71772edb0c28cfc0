# Three steps of an LSTM, and the gradient on its way back along C
# 一个 LSTM 的三步：梯度沿着 C 往回走
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.LSTM(3, 8, rng=np.random.default_rng(0))
h = net(np.random.default_rng(1).normal(size=(1, 30, 3))).last.h
tl.draw(h.sum(), steps=(28, 30)).save("steps.svg")

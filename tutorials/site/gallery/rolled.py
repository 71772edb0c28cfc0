# The same net rolled up: one step for all, with the arrow from h and C back into it
# 同一个网络卷起来：一步代表所有步，h 和 C 又回到它自己
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.LSTM(3, 8, rng=np.random.default_rng(0))
h = net(np.random.default_rng(1).normal(size=(1, 6, 3))).last.h
tl.draw(h.sum(), view="rolled").save("rolled.svg")

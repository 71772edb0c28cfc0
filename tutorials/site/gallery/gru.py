# A GRU: one state, two gates, and the same question
# GRU：一个状态、两个门，同样的问题
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.GRU(3, 8, rng=np.random.default_rng(0))
h = net(np.random.default_rng(1).normal(size=(1, 6, 3))).last.h
tl.draw(h.sum(), steps=(5, 6)).save("gru.svg")

# Six steps at a glance: the named tensors, and how much gradient each receives
# 一眼看六步：有名字的张量，以及各自收到多少梯度
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.LSTM(3, 8, rng=np.random.default_rng(0))
h = net(np.random.default_rng(1).normal(size=(1, 4, 3))).last.h
tl.draw(h.sum(), view="cells").save("cells.svg")

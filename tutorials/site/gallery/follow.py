# The highway alone: what C hands on directly, and the rest in grey
# 只看高速通道：C 直接传下去的部分，其余为灰色
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.LSTM(3, 8, rng=np.random.default_rng(0))
C = net(np.random.default_rng(1).normal(size=(1, 6, 3))).last.C
tl.draw(C.sum(), steps=(4, 6), follow="C").save("follow.svg")

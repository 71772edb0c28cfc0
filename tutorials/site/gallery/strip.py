# A plain RNN over a sentence: the gradient has gone before the first word
# 普通 RNN 读一句话：梯度还没到第一个词就消失了
import numpy as np

import tinygrad_lstm as tl

words = "mary lost her box and then john very calmly opened".split()
h = tl.nn.RNN(3, 16, rng=np.random.default_rng(0))(np.random.default_rng(1).normal(size=(1, 10, 3))).last.h
tl.draw(h.sum(), view="strip", follow="h", labels=words).save("strip.svg")

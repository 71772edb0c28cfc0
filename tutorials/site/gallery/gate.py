# How the forget gate is built: one gate lit, the way forward alone, for a slide
# 遗忘门的结构：只点亮一个门，只画前向，供幻灯片使用
import numpy as np

import tinygrad_lstm as tl

net = tl.nn.LSTM(2, 4, rng=np.random.default_rng(0))
h = net(np.ones((1, 2, 2), np.float32)).last.h
tl.draw(h.sum(), for_="slide", light="f", backward=False).save("gate.svg")

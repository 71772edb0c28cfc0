# A small graph, every op of it: two paths meet, and their shares add up
# 一张小图，每个运算都画出来：两条路相会，两份梯度相加
import tinygrad_lstm as tl

x = tl.Tensor(0.5, requires_grad=True, name="x")
y = x.tanh() * x.sigmoid()
tl.draw(y, view="ops").save("diamond.svg")

# The gradient itself, drawn: grad(create_graph=True) returns tensors that remember how they were made
# 把梯度本身画出来：grad(create_graph=True) 返回的张量也记得自己的来历
import tinygrad_lstm as tl

x = tl.Tensor(0.5, requires_grad=True, name="x")
(slope,) = tl.grad(x.tanh(), [x], create_graph=True)
tl.draw(slope, view="ops").save("second.svg")

# %% [markdown]
# # 2 · 动手写引擎
#
# **问题。** 反向传播要写多少代码？这一篇你自己写一个，大约六十行，然后用它算一步 LSTM。接下来的问题更难：怎么知道算出的梯度是对的？
#
# 需要的基础：第 1 篇，也就是份额的概念，以及“最新的先走”。大约 50 分钟。

# %%
import operator
from heapq import heappop, heappush
from itertools import count
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, quiz
from tinygrad_lstm.op import op
from tinygrad_lstm.testing import gradcheck

tl.language("zh")

# %% [markdown]
# ## 一：要记住的东西
#
# 一个节点存四样东西：值、输入、每个输入的规则、出生号。规则是一个函数：拿到 `dy`，即到达本节点的梯度，返回那个输入的份额。

# %%
births = count(1)


class Node:
    def __init__(self, data, inputs=(), rules=()):
        self.data = np.array(data, dtype=np.float64)
        self.inputs, self.rules = inputs, rules
        self.grad, self.birth = None, next(births)

    def __add__(self, other):
        return add(self, other)

    def __mul__(self, other):
        return mul(self, other)

    def __matmul__(self, other):
        return matmul(self, other)


# %% [markdown]
# ## 二：运算和它们的规则
#
# 写一个 LSTM，五种运算就够了。规则写成闭包，需要的值就留在闭包里。矩阵乘法的规则，光看形状就能推出来：`dy` 的形状同 `a @ b`，`a` 的份额必须与 `a` 同形。（这里只管矩阵；库里的 `@` 还接受向量和成批的矩阵。）

# %%
def add(a, b):
    return Node(a.data + b.data, (a, b), (lambda dy: dy, lambda dy: dy))


def mul(a, b):
    return Node(a.data * b.data, (a, b), (lambda dy: dy * b.data, lambda dy: dy * a.data))


def matmul(a, b):
    return Node(a.data @ b.data, (a, b), (lambda dy: dy @ b.data.T, lambda dy: a.data.T @ dy))


def tanh(x):
    y = np.tanh(x.data)
    return Node(y, (x,), (lambda dy: dy * (1 - y * y),))


def sigmoid(x):
    y = 1 / (1 + np.exp(-x.data))
    return Node(y, (x,), (lambda dy: dy * y * (1 - y),))


# %% [markdown]
# 先拿一条规则手算一下，再往上搭别的东西。

# %%
a, b = Node([[1.0, 2.0]]), Node([[3.0], [4.0]])
product = a @ b
to_a, to_b = product.rules
print("值", product.data, "  给 a：", to_a(np.ones((1, 1))), "  给 b：", to_b(np.ones((1, 1))).T)

# %% [markdown]
# ## 三：撤销广播
#
# 把形状为 (3,) 的偏置加到形状为 (4, 3) 的一批数据上，NumPy 会把偏置的每个元素用四次。一个张量用了几次，就收到几份，份额要相加。所以份额如果比输入大，就沿着输入当初拉伸的那些轴求和。

# %%
def unbroadcast(share, shape):
    if share.shape == shape:
        return share
    share = share.sum(axis=tuple(range(share.ndim - len(shape))))
    stretched = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return share.sum(axis=stretched, keepdims=True)


for shape in ((3,), (1, 3), (4, 1), ()):
    print(shape, "→", unbroadcast(np.ones((4, 3)), shape).tolist())

# %% [markdown]
# ## 四：最新的先走
#
# 还是第 1 篇的循环，只是数换成了数组。梯度到齐之后，按规则继续往下送；到了叶子，就加进 `.grad`。（参数 `plus` 是为下面的一个实验准备的。）

# %%
def backward(y, plus=operator.add):
    if y.data.size != 1:
        raise ValueError(f"backward 要从一个数出发，而不是形状 {y.data.shape}")
    arrived, waiting = {y.birth: np.ones_like(y.data)}, [(-y.birth, y)]
    while waiting:
        node = heappop(waiting)[1]
        dy = arrived.pop(node.birth)
        if not node.inputs:
            node.grad = dy if node.grad is None else node.grad + dy
        for x, rule in zip(node.inputs, node.rules, strict=True):
            share = unbroadcast(rule(dy), x.data.shape)
            if x.birth in arrived:
                arrived[x.birth] = plus(arrived[x.birth], share)
            else:
                arrived[x.birth] = share
                heappush(waiting, (-x.birth, x))


a, b, c = Node(2.0), Node(-3.0), Node(5.0)
backward(tanh(a * b + c))
print(f"∂y/∂a = {a.grad:.3f}, ∂y/∂b = {b.grad:.3f}, ∂y/∂c = {c.grad:.3f}")

# %% [markdown]
# 和第 1 篇的数一样。引擎就写完了。
#
# ## 一步 LSTM，算两遍
#
# 同一步，分别用库和你的节点来算：批大小 4，两个输入，三个隐藏单元，全部用 float64。库把 `[h ; x]` 拼成一个长行，乘一个大矩阵；这里把矩阵按行切开，对应 h 的那些行叫 `U`，对应 x 的叫 `V`，算出来的数是一样的。
#
# $$f, i, o = \sigma(h_0U + xV + b) \qquad \tilde C = \tanh(h_0U_C + xV_C + b_C)$$
#
# $$C_1 = f\circ C_0 + i\circ \tilde C \qquad h_1 = o\circ\tanh C_1$$

# %%
rng = np.random.default_rng(0)
lstm = nn.LSTM(2, 3, rng=rng).astype(np.float64)
cell = lstm.cells[0][0]
x, h0, C0, weights = (rng.normal(size=shape) for shape in ((4, 2), (4, 3), (4, 3), (3, 1)))

start = [Tensor(h0, requires_grad=True), Tensor(C0, requires_grad=True)]
theirs = (lstm(x[:, None], start).last.h @ weights).sum()
tl.draw(theirs)

# %% [markdown]
# 最上面一条横线是 C，它下方从左到右是 f、i、C̃ 和 o，梯度从右边的损失进来。（门有什么用，是第 4 篇的主题，这里只把它们当成算式。）下面换成你的节点。

# %%
theirs.backward()
U = {g: Node(getattr(cell, f"W_{g}").numpy()[:3]) for g in "fiCo"}
V = {g: Node(getattr(cell, f"W_{g}").numpy()[3:]) for g in "fiCo"}
bias = {g: Node(getattr(cell, f"b_{g}").numpy()) for g in "fiCo"}
h, C = Node(h0), Node(C0)


def step_loss():
    f, i, o = (sigmoid(h @ U[g] + Node(x) @ V[g] + bias[g]) for g in "fio")
    C_new = tanh(h @ U["C"] + Node(x) @ V["C"] + bias["C"])
    h_next = o * tanh(f * C + i * C_new)
    return Node(np.ones((1, 4))) @ h_next @ Node(weights)


mine = step_loss()
backward(mine)
pairs = {f"W_{g}": (np.concatenate([U[g].grad, V[g].grad]), getattr(cell, f"W_{g}").grad) for g in "fiCo"}
pairs |= {f"b_{g}": (bias[g].grad, getattr(cell, f"b_{g}").grad) for g in "fiCo"}
pairs |= {"h₀": (h.grad, start[0].grad), "C₀": (C.grad, start[1].grad)}
worst = max(np.abs(one - other).max() for one, other in pairs.values())
print(f"损失 {mine.data.item():.6f} 与 {theirs.item():.6f}；{len(pairs)} 个梯度，最大相差 {worst:.0e}")
assert worst < 1e-12

# %% [markdown]
# 十个梯度全部一致，相差不过 {{worst:.0e}}，是 float64 的舍入误差。
#
# ## 潜伏的错误
#
# 有人发现 `arrived + share` 每次都要新建一个数组，于是改成原地相加：`arrived += share`，也就是 `operator.iadd`。LSTM 这一步算出来和原来一样：

# %%
for node in (*U.values(), *V.values(), *bias.values(), h, C):
    node.grad = None
backward(step_loss(), plus=operator.iadd)
still = max(np.abs(U[g].grad - getattr(cell, f"W_{g}").grad[:3]).max() for g in "fiCo")
print(f"dL/dU 最大相差 {still:.0e}")
assert still < 1e-12

# %% [markdown]
# 在自己关心的网络上测过了，每次还省下一个数组，似乎没有问题。现在换一个更小的图：`y` 把 `(a + b) + a` 的各个元素加起来，所以每个元素上，`a` 的梯度是 2，`b` 的梯度是 1。

# %%
a, b = Node([[1.0, 2.0]]), Node([[3.0, 4.0]])
backward(((a + b) + a) @ Node([[1.0], [1.0]]), plus=operator.iadd)

# %% [markdown]
# **先猜。** 它算出的 `b` 的梯度是多少？

# %%
my_guess = None

# %%
quiz.reveal(my_guess, b.grad[0, 0])
print("a.grad =", a.grad, " b.grad =", b.grad)
assert b.grad[0, 0] == 2

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# `+` 的规则两次返回的都是 `dy` 本身：到达两个输入的是**同一个**数组。原地给 `a` 加上的，也加给了 `b`。在那步 LSTM 里，加法的每个输入都没有别的用处，所以没有出错。库里也用原地相加，但只加到引擎自己新建的数组上。
#
# </details>
#
# ## 对不对？用中心差分检验
#
# 和另一个引擎一致，不算证明：两边可能写错了同一条规则。导数本身可以直接去问，一个元素一个元素地问：
#
# $$\frac{\partial y}{\partial x} \approx \frac{y(x+\varepsilon) - y(x-\varepsilon)}{2\varepsilon}$$

# %%
def central(f, x, eps):
    slopes = np.empty_like(x.data)
    for entry in np.ndindex(x.data.shape):
        kept = x.data[entry]
        x.data[entry] = kept + eps
        above = f().data.item()
        x.data[entry] = kept - eps
        slopes[entry] = (above - f().data.item()) / (2 * eps)
        x.data[entry] = kept
    return slopes


found = central(step_loss, U["C"], 1e-3)
difference = np.abs(found - U["C"].grad).max()
print(f"dL/dU_C：最大的元素 {np.abs(found).max():.3f}，最大相差 {difference:.0e}")
assert difference < 1e-5

# %% [markdown]
# 取 $\varepsilon=10^{-3}$，两者相差不过 {{difference:.0e}}，而且这一次，两边除了前向计算没有任何共用的东西。想多得几位数字，是不是把 $\varepsilon$ 取得越小越好？
#
# **先猜。** 步长取 `1e-1`、`1e-2`、……、`1e-13`，哪一个误差最小？把这个数填进去。

# %%
my_guess = None

# %%
errors = {}
for k in range(1, 14):
    errors[10.0**-k] = np.abs(central(step_loss, U["C"], 10.0**-k) - U["C"].grad).max()
best = min(errors, key=errors.get)
quiz.reveal(my_guess, best)
for eps, error in errors.items():
    print(f"步长 {eps:.0e}   误差 {error:.1e}   " + "▪" * round(2 * (15 + np.log10(error))))

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 有两种误差，方向相反。截断泰勒级数带来的误差是 $\varepsilon^2 |f'''|/6$：步长缩小到十分之一，它就缩小到百分之一。舍入带来的误差约为 $u|f|/\varepsilon$，其中 $u \approx 1.1\cdot 10^{-16}$ 是 float64 的舍入单位：两个 $y$ 值只在最后几位上不同，而那几位是噪声。两者之和在 $(3u|f|/|f'''|)^{1/3}$ 附近最小，对一般的函数约为 $10^{-5}$。步长更小并不更好：取 `1e-13` 时误差是 {{errors[10.0**-13]:.0e}}，比 `1e-2` 还差。在 float32 里，无论取什么步长都得不到几位数字，所以**检验要用 float64**。
#
# </details>
#
# ## 库里的检验
#
# `gradcheck` 能对 Tensor 的任何函数做这件事：所有输入、所有元素都查，输出配上随机权重，用 float64，并且再查一遍二阶导数。自己定义运算，要写一个前向函数，再给每个输入写一条规则；规则拿到的是 `dy`、输出 `y` 和各个输入。以 $y = x\,\sigma(x)$ 为例。

# %%
@op("swish", "y = x · σ(x).")
def swish(x):
    return x * tl.sigmoid(x)


swish.wrt("x", "dy · (σ + y · (1 − σ))", lambda dy, y, x: dy * (tl.sigmoid(x) + y * (1 - tl.sigmoid(x))))
points = np.array([-2.0, 0.0, 1.0])
gradcheck(swish, [points])

# %% [markdown]
# 通过了。下面是匆忙中容易写出的规则，好像 σ(x) 是常数一样。

# %%
swish.wrt("x", "dy · σ", lambda dy, y, x: dy * tl.sigmoid(x))
try:
    gradcheck(swish, [points])
except AssertionError as error:
    print(fill(str(error), 80))

# %% [markdown]
# 报错里写明了函数、输入、元素、两边的数，以及有几个元素不符。三个里错了两个：在 $x=0$ 处，漏掉的那一项是 0，错的规则在这里碰巧是对的。**检验只知道给它的那些点。** 随机的点比整齐的点好。
#
# ## 库的做法有哪些不同，为什么
#
# **规则既能用于数组，也能用于 Tensor。** 训练时规则在普通数组上运算，这样快。加上 `create_graph=True`，同样的规则就在 Tensor 上运算，于是梯度也有自己的计算图，可以再求一次导。所以规则里只能写两边都认得的东西：运算符、库里的函数，以及 Tensor 也接受的 NumPy 函数（如 `np.exp`）。写了别的，就只能做前一种。（`np.expm1(z)` 就是 $e^z-1$。）

# %%
swish.wrt("x", "…", lambda dy, y, x: dy * (y + (1 - y) / (2 + np.expm1(-x))))
print(f"一阶：{gradcheck(swish, [points], order=1)}")
try:
    gradcheck(swish, [points], order=2)
except TypeError as error:
    print(fill(f"二阶：{error}", 72))

# %% [markdown]
# 报错说：这个张量需要梯度，变成数组就丢了。把 `np.expm1(-x)` 换成 `tl.exp(-x) - 1`，两项都会通过。你的闭包用的是 `.data`，所以你的引擎只能算一阶导数。
#
# **分片。** `x[t]` 的规则是：`x` 的梯度在 `t` 处是 `dy`，别处是 0。如果写成完整的数组，就是 $T$ 个数组，每个都有 $T$ 步。库里送出的是一个**分片**（piece），只有那些值和它们的位置。

# %%
T = 200
x_long = Tensor(np.zeros((1, T, 1)), requires_grad=True)
trace = tl.trace(nn.RNN(1, 2, rng=np.random.default_rng(0))(x_long).last.h.sum())
edges = [edge for edge in trace.edges if edge.x is x_long]
pieces, full = sum(edge.sent.values.size for edge in edges), sum(edge.share.size for edge in edges)
print(f"送给 x 的数：分片 {pieces:,} 个，完整数组 {full:,} 个")

# %% [markdown]
# **值不会被偷偷改掉。** 规则要用前向计算时的值。如果在前向和反向之间，优化器改了权重，那么算出的梯度不属于任何函数。你的引擎察觉不到。

# %%
a, w = Node([[2.0]]), Node([[3.0]])
y = a @ w
w.data[:] = 100.0
backward(y)
print("你的引擎：∂y/∂a =", a.grad.item(), "（正确值 3.0）")

a, w = Tensor([[2.0]], requires_grad=True, name="a"), Tensor([[3.0]], requires_grad=True, name="w")
y = (a @ w).sum()
try:
    w.data[:] = 100.0
except ValueError as error:
    print(fill(f"本库，就地修改：{error}", 72))
w.data = np.array([[100.0]])
try:
    y.backward()
except RuntimeError as error:
    print(fill(f"本库，换了数组：{error}", 72))

# %% [markdown]
# 前一条说：`data` 是只读的，要改就整个换掉。后一条说：`w` 的值在矩阵乘法用过之后被换掉了，梯度会是错的。如果把 `optimizer.step()` 写在前向计算和 `loss.backward()` 之间，碰到的就是后一条。
#
# **历史会释放。** 在你的引擎里，损失还在，所有节点就都在；再调用一次 `backward`，全部梯度又加一遍，一声不响。库里每个张量的输入用过就忘：内存一路归还；想走第二遍就报错，除非你事先要求保留。
#
# 其余部分就是同一个循环，可以在 `tinygrad_lstm/engine.py` 的函数 `travel` 里读到。
#
# ## 练习
#
# **2.1** 还是 `central`，但全部用 float32，其舍入单位是 $u\approx 6\cdot 10^{-8}$。设函数值和三阶导数的大小都在 1 左右，步长 $\varepsilon$ 取多少时误差最小？（相差在 5 倍以内都算对。）

# %%
answer = None
quiz.check("2.1", answer)

# %% [markdown]
# **2.2** 写出除法的规则：`y = a / b`，由 `dy` 得出两个份额，形状各与自己的输入相同。`a` 和 `b` 之间可能有广播；`unbroadcast` 可以直接用。

# %%
def div_shares(dy, a, b):
    return None


quiz.check("2.2", div_shares)

# %% [markdown]
# **2.3** 沿最后一个轴的 softmax：$y_j = e^{x_j}/\sum_k e^{x_k}$。每个输出都依赖同一行的所有输入。只用 `dy` 和 `y`（形状都是 (batch, n)）写出 `x` 的份额，不要构造 n × n 的矩阵。

# %%
def softmax_share(dy, y):
    return None


quiz.check("2.3", softmax_share)

# %% [markdown]
# ## 小结
#
# 一个引擎由四部分组成：一份记录，每个运算对每个输入的规则，广播的撤销，还有一个“最新的先走”的循环。它出错时不会报告：错的数看上去和别的数没有两样。所以要拿中心差分来对照：用 float64，步长取 $10^{-5}$ 左右，选不特殊的点，每个输入都查。
#
# 界限在哪里：在一个点上通过，不能说明别的点；在折点处（如 relu 在 0 处），差分和规则不一致，可能两边都没有错。函数值很大或者曲率很大时，最佳步长会是另一个数。
#
# 现在你可以相信梯度了。下一篇让一个梯度在普通循环网络里往回走五十步，看它还剩下多少。
#
# ## 参考文献
#
# - A. Griewank, A. Walther (2008). *Evaluating Derivatives*, 第 2 版，SIAM.
# - A. Baydin, B. Pearlmutter, A. Radul, J. Siskind (2018). *Automatic differentiation in machine learning: a survey.* Journal of Machine Learning Research 18.
# - N. Higham (2002). *Accuracy and Stability of Numerical Algorithms*, 第 2 版，SIAM.
# - P. Ramachandran, B. Zoph, Q. Le (2017). *Searching for activation functions.* arXiv:1710.05941. swish 这个名字出自此文。

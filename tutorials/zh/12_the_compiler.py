# %% [markdown]
# # 12 · 编译器
#
# **问题。** 你写了一个自己的元胞。图上看得到梯度走哪条路，账本里看得到走了多少。可是，它反向传播的**代码**是什么，也就是本来得由人手写的那几行？还有，它能跑得快吗？
#
# 需要的基础：第 2 篇（磁带、规则）和第 4 篇（门）。大约 35 分钟。

# %%
import time

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, quiz, sigmoid, tanh
from tinygrad_lstm.compile.values import LOOP, Values, graph_of, in_order
from tinygrad_lstm.compile.passes import PASSES
from tinygrad_lstm.compile.tape import record

tl.language("zh")


class Mine(nn.Cell):
    """最简门控单元（Zhou, Wu, Zhang, Zhou 2016）：只有一个门，既管遗忘又管写入。"""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

    def step(self, x, state):
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
        return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))


cell = Mine(3, 4, rng=0)

# %% [markdown]
# ## 一步的磁带
#
# 元胞由运算组成，每个运算都写明了自己算什么、往回送什么。所以看一步就够了：这一步做的事，在每个 $t$ 都一样。用随机数跑一步，看看磁带。

# %%
step = record(cell, rows=11)
for tensor in step.made:
    print(f"{tensor.op.name:>8}  {tensor.scope or ''}{tensor.name or ''}")
print(f"{len(step.made)} 个运算")
x = np.random.default_rng(0).normal(size=(11, 1, 3))
tl.draw(nn.Recurrent(3, 4, cell=Mine, rng=0)(x).last.h.sum(), show="grad", parameters=False, for_="notebook")

# %% [markdown]
# {{len(step.made)}} 个运算。（图中，一个乘法和它的偏置合画在一个框里。）磁带上的顺序就是前向的顺序；反向从最后一个走到第一个，在图中就是从上往下，逐个取它的规则。规则是数组的函数。如果交给它的不是数组，而是**名字**呢？那么 `dy * b` 不会变成一个数，而是变成一段代码 `dh * n`。
#
# **先猜。** 打印出来的反向传播里有几个矩阵乘法 `@`？（前向有两个。）

# %%
my_guess = None

# %%
text = tl.source(cell)
backward = text[text.index("def backward") :]
quiz.reveal(my_guess, backward.count(" @ "))
print(text)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 四个：两个乘法各有两个输入，每个输入一个，依照规则“dy · bᵀ”和“aᵀ · dy”。反向传播从上往下读。开头是 `dh`，来自之后的时间步和损失。每一行是一个张量的梯度，也就是用到它的各处送回来的份额之和，注释写着依照哪条规则。有的行不止一项：`f` 被用了三次，`h_prev` 也是三次，`x` 两次。一行一行写下来，无非就是链式法则。
#
# </details>
#
# 这是一段程序。它能跑，而且与引擎一致：

# %%
program = {}
exec(text, program)
rng = np.random.default_rng(1)
x, h = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
weights = [p.numpy().astype(float) for p in cell.parameters()]
h_new, kept = program["forward"](x, h, *weights)
by_text = program["backward"](np.ones((2, 4)), kept, x, h, *weights)

double = Mine(3, 4, rng=0).astype(float)
leaves = [Tensor(x, requires_grad=True), Tensor(h, requires_grad=True), *double.parameters()]
by_engine = tl.grad(double.step(leaves[0], nn.RNNState(leaves[1])).h.sum(), leaves)
off = max(np.abs(a - b.numpy()).max() for a, b in zip(by_text, by_engine))
print(f"与引擎最大相差 {off:.0e}")
assert off < 1e-12

# %% [markdown]
# ## 循环，以及其中慢的部分
#
# 要算整个序列，就在 `forward` 外面套一个循环，把每步留下的东西存起来，再走回去。逐步运行就是这样，而循环里有许多东西本不必在循环里。一个门要算 $[h\,;x]\,W$；可是 $[h\,;x]\,W = h\,W_h + x\,W_x$，第二个乘积用不到 $h$，可以一次为**所有**时间步算完，成为一个大乘积。处理器最擅长的正是大乘积。
#
# **先猜。** LSTM 有四个门，每个门一个乘积。用上这一招，再用上别的不改变结果的招数，循环里至少还要留几个乘积？

# %%
my_guess = None

# %%
def in_the_loop(cell):
    """每遍变换之后：循环里还剩多少运算，其中多少是乘积。"""
    values, step = Values(), record(cell, rows=11)
    _, graph = graph_of(step, values)
    rows = []
    for one in (None, *PASSES):
        graph = one(values, graph) if one else graph
        ops = [node.op for node in in_order(graph) if node.stage == LOOP and node.inputs and not node.columns]
        rows.append((one.__name__.replace("_", " ") if one else "原样", len(ops), ops.count("matmul")))
    return rows


lstm = in_the_loop(nn.LSTMCell(3, 4))
quiz.reveal(my_guess, lstm[-1][2])
print("循环里的运算    其中的乘积    LSTM 经过哪一遍变换之后")
for name, ops, products in lstm:
    print(f"{ops:>12}{products:>14}    （{name}）")
assert lstm[-1][2] == 1

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 一个：四个含 $h$ 的乘积并排成一个。循环里的运算从 {{lstm[0][1]}} 个减到 {{lstm[-1][1]}} 个，只用了几遍变换，每一遍都是十来行能读懂的代码（`tinygrad_lstm/compile/passes.py`）：
#
# - **split products**：$[h\,;x]\,W$ 变成 $h\,W_h + x\,W_x$；
# - **sort sums**：循环之前已知的，先在外面加好，循环里只剩一项要加；
# - **merge products**：左因子相同的乘积合成一个；
# - **widen**：相邻列上的同一种运算，比如三个门的三个 $\sigma$，合成一个。
#
# 这些都不改变算的是什么，只改变在哪里算。（加法换了次序，最后一位可能不同。）
#
# 反向也有同样的自由。权重的梯度是对所有时间步求和：把每步到达的存下来，循环之后做**一个**乘积就行。不依赖梯度的东西，比如 $1-n^2$，可以在梯度到来之前，一次为许多步算好。
#
# </details>

# %%
print(tl.source(cell, sequence=True))

# %% [markdown]
# 写 `fused=True` 时，运行的正是这段代码。不必全部读完，只要找到两个循环：第一个循环之前，含 $x$ 的乘积 `xs.reshape(…)` 一次为所有步算好，循环里只剩两个 `np.matmul`；第二个循环之后，是各个权重的梯度，每个都只是**一个**乘积。循环里的多数行，在上面单步的那段里都见过：名字一样，注释里的规则也一样。（`over` 和 `gone` 是为长短不一的行准备的，见第 9 篇。）
#
# 你的元胞比 LSTM 多一个留在循环里的乘积：$n$ 要等 $f\circ h$，$f$ 要等 $h$。只能一个接一个，哪一遍变换也改变不了。
#
# ## 给你的元胞计时
#
# 同一个网络，先逐步运行，再融合运行。计时结果因机器而异，所以这里只比快慢。

# %%
net = nn.Recurrent(32, 32, cell=Mine, rng=0)
batch = np.random.default_rng(2).normal(size=(4, 100, 32)).astype(np.float32)
found, seconds = {}, {}
for fused in (False, True):
    net.fused = fused
    net(batch)  # 第一次使用时编译
    start = time.process_time()
    for _ in range(5):
        net.zero_grad()
        net(batch).h.sum().backward()
    seconds[fused] = time.process_time() - start
    found[fused] = [p.grad for p in net.parameters()]
off = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found[True], found[False]))
print("融合运行至少快一倍：", seconds[True] * 2 < seconds[False])
assert off < 1e-4 and seconds[True] < seconds[False]

# %% [markdown]
# ## 哪些编译不了
#
# 如果一步在各个 $t$ 不一样，就没有这样一段代码。这时编译器会拒绝，并用英文指出是哪一行，而不会算出错的结果：

# %%
class Tired(Mine):
    calls = 0

    def step(self, x, state):
        self.calls += 1
        return nn.Step(h=super().step(x, state).h / self.calls)


class Moody(Mine):
    def step(self, x, state):
        h = super().step(x, state).h
        return nn.Step(h=h if h.numpy().mean() > 0 else -h)


for kind in (Tired, Moody):
    try:
        nn.Recurrent(3, 4, cell=kind, fused=True)
    except ValueError as error:
        print(f"{kind.__name__}: {error}\n")

# %% [markdown]
# 第一个在数自己被调用了几次，所以两次运行这一步，得到的代码不同；第二个要先看一个数，再决定怎么算。逐步运行时，这两个都能跑，也能照样追踪和画图。这就是取舍：编译器只看一步，只能相信其余各步都一样。
#
# ## 练习
#
# **12.1** `Mine` 的最后一行是 $h' = (1-f)\,h + f\,n$。已知 `dh_new`，写出它送给 `f`、`h`、`n` 的梯度，按这个次序组成元组。（只经过这一行：不算再经过 $f$ 和 $n$ 往前的。）

# %%
def back(dh_new, f, h, n):
    return None


quiz.check("12.1", back)

# %% [markdown]
# **12.2** 一个 LSTM 有 `32` 个特征、`64` 个隐藏单元。它的乘积 $[h\,;x]\,W$ 里的乘法，有多大比例可以移出循环？（0 到 1 之间的数。）

# %%
answer = None
quiz.check("12.2", answer)

# %% [markdown]
# **12.3** `hs`（T, batch, hidden）是每步之前的状态，`da`（T, batch, n）是每步到达乘积 $h\,W_h$ 的梯度。不用对时间的循环，用**一个**乘积写出 $W_h$（hidden, n）的梯度。

# %%
def gradient_of_W(hs, da):
    return None


quiz.check("12.3", gradient_of_W)

# %% [markdown]
# ## 小结
#
# 元胞的反向传播并不需要另外去学：它由前向的那一步，按各个运算的规则，一行一行推出来。所以它可以**推导**出来、打印出来、核对，并且变快，而不必再写第二遍。快慢取决于在哪里算，而不是算什么：凡是不必等 $h$ 的，都移出循环；小乘积合成大乘积。要等 $h$ 的，正是循环本身，也只有它留了下来。
#
# ## 参考文献
#
# - R. E. Wengert (1964). *A simple automatic derivative evaluation program.* Communications of the ACM 7(8)：磁带。A. Griewank, A. Walther (2008). *Evaluating Derivatives*，第 2 版，SIAM。
# - P. J. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78(10).
# - J. Appleyard, T. Kočiský, P. Blunsom (2016). *Optimizing Performance of Recurrent Neural Networks on GPUs.* arXiv:1604.01946：为 LSTM 手工做的这些变换。
# - G.-B. Zhou, J. Wu, C.-L. Zhang, Z.-H. Zhou (2016). *Minimal Gated Unit for Recurrent Neural Networks.* International Journal of Automation and Computing 13(3).

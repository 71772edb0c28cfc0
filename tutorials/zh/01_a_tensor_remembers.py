# %% [markdown]
# # 1 · 张量记得自己的来历
#
# **问题。** 算出一个数 `y`，调用 `y.backward()`，每个输入就都知道：自己稍变一点，`y` 会变多少。可是没有人告诉过 `y` 它是怎么算出来的，梯度凭什么找得到回去的路？再想一个一百步的 LSTM：回去的路多得谁也走不完，梯度却在不到一秒的时间里把每一条都算进去了。它是怎么做到的？
#
# 需要的基础：链式法则，一点 NumPy；关于 LSTM，只要知道它是一步一步往前走的网络（第 0 篇）。大约 45 分钟。

# %%
import heapq
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, quiz
from tinygrad_lstm.engine import shares_of

tl.language("zh")


def leaf(value, name):
    return Tensor(value, requires_grad=True, name=name, dtype=np.float64)


# %% [markdown]
# ## 它记住了什么
#
# 三个数，两次运算。

# %%
a, b, c = leaf(2.0, "a"), leaf(-3.0, "b"), leaf(5.0, "c")
y = a * b + c
y

# %% [markdown]
# 值算出来了，旁边还写着 `op='add'`：张量知道自己是哪个运算（op）的结果。它也留着这个运算的输入，就是表里的 `.inputs`：写着各自的名字（没有名字的，写产生它的运算）和形状。输入同样是张量，所以也知道各自的来历。（`.grad` 是梯度，这里是短横，因为还没有求过。）

# %%
product = y.inputs[0]
print(f"y 由运算 {y.op.name} 得出，输入为", *y.inputs, sep="\n    ")
print(f"它的第一个输入由运算 {product.op.name} 得出，输入为", [x.name for x in product.inputs])
print(f"a 由运算 {a.op} 得出，输入为", a.inputs)

# %% [markdown]
# `a` 是**叶子张量**（leaf）：它不是任何运算的结果。从 `y` 出发，顺着 `.inputs` 一直走到叶子，`y` 所依赖的一切就都走到了。这就是**计算图**，此外没有别的记录。（如果所有输入都不需要梯度，或者代码写在 `with tl.no_grad():` 里面，就什么也不记。）
#
# 要往回走，还缺一样东西：运算的每个输入都要有一条**规则**，说明该往那里送什么。规则拿到的是 `dy`，也就是已经到达这个运算输出端的梯度。

# %%
for op in (tl.add, tl.mul, tl.tanh):
    print(f"{op.name:>5}: ", ",  ".join(f"给 {name}：{op.formula(k)}" for k, name in enumerate(op.inputs)))

# %% [markdown]
# 加法把梯度原样往下传。乘法给梯度乘上**另一个**输入。每条规则只管自己的运算，不看更远的地方。下图中每个箭头都标着它的规则和它送出的数；箭头的方向就是梯度走的方向，从 `y`（它没有名字，图里叫 L）回到叶子。送出的数越大，箭头越粗、颜色越深，图下面的色条就是刻度。

# %%
tl.draw(y, view="ops")

# %% [markdown]
# **先猜。** 在后面再接一个 tanh：`y = tanh(a·b + c)`，数值不变。$\partial y/\partial a$ 是多少？（括号里的和是 $-1$，而 $\tanh(-1)^2$ 比二分之一略大。）

# %%
my_guess = None

# %%
z = (a * b + c).named("z")
y = z.tanh().named("y")
slope, a_grad = 1 - y.item() ** 2, tl.grad(y, a)[0].item()
quiz.reveal(my_guess, a_grad)
tl.draw(y, view="ops")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 经过 tanh，梯度剩下 {{slope:.2f}} 倍（tanh 的斜率是 $1-y^2$）；加法原样传下去；乘法再乘以 $b=-3$：{{slope:.3f}} ×（−3）= {{a_grad:.3f}}。一串运算的导数，就是沿途各个局部斜率的乘积。
#
# </details>
#
# ## 梯度在哪里汇合
#
# 如果一个张量用了不止一次呢？下面的 `s` 用了三次：乘法用两次，加法用一次。

# %%
x = leaf(0.5, "x")
s = x.tanh().named("s")
y = (s * s + s).named("y")
trace = tl.trace(y)
tl.draw(trace, view="ops")

# %% [markdown]
# `tl.trace(y)` 做一次反向传播，不改动任何张量，只把途中所有的数留下来。沿一条边流过来的那部分梯度叫作一个**份额**（share）；一个张量的梯度，就是到达它的所有份额之和。

# %%
square = y.inputs[0]
from_square, from_sum = trace.share(s, square), trace.share(s, y)
print(f"从 ×（两条边）流入 s：{from_square:.4f}   从 +：{from_sum:.4f}   s 的梯度：{trace.grad(s):.4f}")

# %% [markdown]
# 这就是多元函数的链式法则。它还有第二种读法：**梯度是对路径求和**。从 `y` 回到 `x` 的每条路径都贡献一项，即沿途局部斜率的乘积。这里有三条路径：经过乘法的左输入，经过乘法的右输入，以及直接经过加法。

# %%
slope = 1 - s.item() ** 2
paths = [s.item() * slope, s.item() * slope, slope]
right = trace.grad(x).item()
print("每条路径一个数：", np.round(paths, 4))
print(f"它们的和：{sum(paths):.6f}   梯度：{right:.6f}")
assert np.isclose(sum(paths), right, rtol=1e-14)

# %% [markdown]
# 两种读法都得到 {{right:.4f}}。一种在汇合处把份额相加，另一种把一条条完整的路径相加。结果相同，工作量却不同。本篇余下的部分讲的就是这个差别。
#
# ## 看上去没错的递归
#
# 能想到的最短的反向传播是这样：来了一份，就加到已有的数上，然后把梯度往下传。（`shares_of` 询问张量的运算：给每个输入各送多少。）

# %%
def eager(tensor, gradient, totals):
    totals[tensor] = totals.get(tensor, 0.0) + gradient
    if tensor.op is not None:
        for source, share in shares_of(tensor, totals[tensor]):
            eager(source, share, totals)


totals = {}
eager(y, np.float64(1), totals)

# %% [markdown]
# **先猜。** `x` 的梯度是 {{right:.4f}}。这个递归会给出多少？对着上面的图手算一遍：`s` 先后收到 {{s.item():.3f}}、{{s.item():.3f}} 和 1。

# %%
my_guess = None

# %%
wrong = totals[x].item()
quiz.reveal(my_guess, wrong)
print(f"s 的梯度：{totals[s]:.4f}（正确值 {trace.grad(s):.4f}）   x 的梯度：{wrong:.4f}（正确值 {right:.4f}）")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# `x` 的梯度算成了正确值的 {{wrong / right:.2f}} 倍，`s` 的梯度却是对的。`s` 先传下去 {{s.item():.3f}}，再传当时的累计值 {{2 * s.item():.3f}}，最后传 {{2 * s.item() + 1:.3f}}：它收到的第一份，三次进入了 `x`。如果测试只看那个用了多次的张量，是查不出来的。**错在份额还没到齐，就往下传了。**
#
# 改一行就能修好：不传累计值，只传刚到的**这一份**。这样每条路径恰好走一遍。顺便数一数它访问了多少次。
#
# </details>

# %%
def per_path(tensor, gradient, totals):
    totals[tensor] = totals.get(tensor, 0.0) + gradient
    if tensor.op is None:
        return 1
    return 1 + sum(per_path(source, share, totals) for source, share in shares_of(tensor, gradient))


totals = {}
visits = per_path(y, np.float64(1), totals)
print(f"x 的梯度：{totals[x]:.4f}，共访问 {visits} 次，涉及 {len(totals)} 个张量")
assert np.isclose(totals[x], right)

# %% [markdown]
# 对了，但访问次数比张量还多。最坏会到什么地步？用 `s = s + s` 把一个数连续翻倍 $n$ 次，图就成了 $n$ 个首尾相接的菱形。

# %%
def diamonds(n):
    x = leaf(1.0, "x")
    s = x
    for _ in range(n):
        s = s + s
    return x, s


for n in (1, 2, 4, 8, 16):
    x, s = diamonds(n)
    totals = {}
    visits = per_path(s, np.float64(1), totals)
    print(f"{n:>2} 个菱形：{len(totals):>2} 个张量，梯度 {totals[x]:>7,.0f}，访问 {visits:>7,} 次")

# %% [markdown]
# 每多一个菱形，路径数就翻倍，所以访问次数是 $2^{n+1}-1$。梯度本身是 $2^n$，因为每条路径恰好贡献 1。到了 $n = 60$，这个递归要跑上几千年还不止。
#
# ## 最新的先走
#
# 我们要的是：每个张量只访问**一次，并且在所有用到它的张量之后**。这不需要事先排序。每个张量在产生时领到一个**出生号**（birth），而输入总比由它算出来的结果先出生。所以，在已经收到梯度、正在等待的张量里，取最新的那个。

# %%
def newest_first(y):
    totals, waiting, visits = {y: np.float64(1)}, [(-y.birth, y)], 0
    while waiting:
        tensor = heapq.heappop(waiting)[1]
        visits += 1
        for source, share in shares_of(tensor, totals[tensor]) if tensor.op else ():
            if source not in totals:
                heapq.heappush(waiting, (-source.birth, source))
            totals[source] = totals.get(source, 0.0) + share
    return totals, visits


x, s = diamonds(60)
totals, visits = newest_first(s)
print(f"60 个菱形：梯度 {totals[x]:,.0f}，访问 {visits} 次")
assert totals[x] == 2**60 and visits == 61

# %% [markdown]
# {{visits}} 次访问，就算全了 {{totals[x]:.1e}} 条路径。为什么最新的那个，梯度一定已经到齐？反过来想：假设有一个用到它的张量还没访问。从 `y` 往下走到那个张量，途中第一个没访问的，记作 $v$。$v$ 的前一个已经访问过，给它送过一份，所以 $v$ 正在等待。可是 $v$ 至少和那个使用者一样新，因而比我们取出的这个更新，而取出的本应是等待者中最新的。矛盾，所以这样的使用者不存在。
#
# 可见，前向计算时次序就已经记下来了，一个堆就能把它找回来。这里也没有递归，所以十万个运算连成的长链也不会让 Python 的调用栈溢出。
#
# ## LSTM 有多少条路径
#
# 现在还不必知道 LSTM 怎么工作，只需知道它把两个数组从一步带到下一步：隐藏状态 `h` 和元胞状态 `C`。下面是一个很小的 LSTM，走 20 步。

# %%
lstm = nn.LSTM(1, 2, rng=np.random.default_rng(0))
sequence = np.random.default_rng(1).normal(size=(1, 20, 1)).astype(np.float32)
trace = tl.trace(lstm(sequence).last.h.sum())
flow = trace.flow("C")
print(f"{len(trace.tensors)} 个张量有梯度，各访问一次")

# %% [markdown]
# **先猜。** 从第 20 步之后的结果回到第 1 步的 `C`，有多少条路径？（猜得相差在一千倍以内，就算很准。）

# %%
my_guess = None

# %%
counts = [flow.path_count(t) for t in range(20, 0, -1)]
quiz.reveal(my_guess, counts[-1])
for lag in (0, 1, 2, 3, 4, 19):
    factor = f"   × {counts[lag] / counts[lag - 1]:.4f}" if lag else ""
    print(f"C_{20 - lag:<2}：从终点来的路径 {counts[lag]:>17,} 条{factor}")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{counts[-1]:,}} 条。每往回一步，路径数最后稳定地乘以 {{counts[-1] / counts[-2]:.4f}}：从一步回到上一步有好几条路，每一条又分出同样多的岔路。这个倍数从哪里来，等认识了这些路，到第 5 篇再算。
#
# </details>

# %%
growth = counts[-1] / counts[-2]
print(f"走 100 步：{growth**100:.1e} 条路径")
assert np.isclose(growth, counts[-2] / counts[-3], rtol=1e-9)

# %% [markdown]
# 走 100 步，就有 {{growth**100:.0e}} 条路径，而反向传播只需大约 {{5 * len(trace.tensors):,}} 次访问。这么多路径里，只有一条自始至终走从 $C_t$ 直达 $C_{t-1}$ 的那条路。这一条值多少，是第 5 篇的主题。
#
# 这里数的是本库实际记录的运算。同一个函数换一组运算来写，路径数会变，梯度不会变。
#
# ## `backward`：人人都会碰到的三件事
#
# `tl.grad` 和 `tl.trace` 不改动张量。`y.backward()` 会改动：它把结果**加**到每个叶子张量的 `.grad` 上，并且一边走一边释放历史，把内存还回来。

# %%
a, b = leaf(2.0, "a"), leaf(-3.0, "b")
y = (a * b).named("y")
y.backward()
print("a.grad =", a.grad)
try:
    y.backward()
except RuntimeError as error:
    print(fill(str(error), 80))

# %% [markdown]
# 这个报错是第一件事。它说：`y` 的历史已经被一次反向传播释放了。两种解决办法也写在里面：如果 `y` 是上一段序列留下的状态，就用 `state.detach()` 把它切断；要走两遍，就用 `backward(keep_graph=True)`。第二件事没有报错：重新做一遍前向计算，`.grad` 却不是预想的数。

# %%
for _ in range(2):
    (a * b).backward()
    print("a.grad =", a.grad)

# %% [markdown]
# 每次的梯度都是 $-3$，`.grad` 却变成了 {{a.grad:.0f}}：**`.grad` 会累加**。如果一个损失分几部分计算，这正是想要的。在训练循环里，每次反向传播之前要调用 `optimizer.zero_grad()`（单个张量可写 `a.grad = None`），否则每一步都会带上以前的全部梯度。
#
# 第三件事：反向传播从一个数出发。若有几个数，就得说明它们各占多少权重（不然它会报错：这不是一个数）。

# %%
pair = a * np.array([1.0, 10.0])
try:
    pair.backward()
except ValueError as error:
    print(fill(str(error), 80))
a.grad = None
pair.backward(seed=[1.0, 0.5])
print("a.grad =", a.grad)

# %% [markdown]
# ## 练习
#
# **1.1** 设 `y = (x * x + x) * x`，`x = 3`。沿着从 `+` 出来的那条边（不算两个 `×` 的），有多少梯度流进 `x`？先在纸上算，再用 `trace.share` 验证。

# %%
answer = None
quiz.check("1.1", answer)

# %% [markdown]
# **1.2** 把 `s = s + s + s` 重复十次。从终点回到起点有多少条路径？

# %%
answer = None
quiz.check("1.2", answer)

# %% [markdown]
# **1.3** 写 `count_paths(y, x)`，返回从 `y` 回到 `x` 的路径数。它拿到的对象和张量一样有 `.inputs`（元组；叶子的是空元组）和 `.birth`。每个对象的输入只许看少数几次，所以不能把路径一条条走完。同一个输入在元组里出现两次，就算两条边。

# %%
def count_paths(y, x):
    return None


quiz.check("1.3", count_paths)

# %% [markdown]
# ## 小结
#
# 张量记住了产生它的运算和输入，单凭这一点就有了计算图。每个运算为每个输入备有一条规则，规则沿一条边送出的就是一个份额。梯度是到达一个张量的份额之和，也等于对所有路径求和；可是路径数可能随深度指数增长，所以反向传播必须每个张量只访问一次，而且要等用到它的张量都访问过。出生号给出的正是这个次序。
#
# 界限在哪里：计算图只属于**这一次**运行。`if` 没走的那个分支、没选中的下标，图里都没有边，所以没走的那条路会怎样，梯度不会告诉你。
#
# 下一篇要问：这些东西你能不能自己写出来，六十行左右就够？又怎么知道算出的梯度是对的？
#
# ## 参考文献
#
# - S. Linnainmaa (1976). *Taylor expansion of the accumulated rounding error.* BIT 16.
# - D. Rumelhart, G. Hinton, R. Williams (1986). *Learning representations by back-propagating errors.* Nature 323.
# - A. Griewank, A. Walther (2008). *Evaluating Derivatives*, 第 2 版，SIAM.
# - A. Baydin, B. Pearlmutter, A. Radul, J. Siskind (2018). *Automatic differentiation in machine learning: a survey.* Journal of Machine Learning Research 18.

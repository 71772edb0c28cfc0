# %% [markdown]
# # 3 · 普通 RNN
#
# **问题。** 一个普通的循环网络读了五十个词，只在最后一个词上算损失。它的梯度回到开头时还剩多少？如果几乎什么都不剩，权重的梯度为什么看起来很健康？
#
# 需要的基础：第 0、1 篇，知道矩阵乘向量得到向量。大约 45 分钟。

# %%
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz
from tinygrad_lstm.nn.init import orthogonal

tl.language("zh")

plt.style.use("tinygrad_lstm.drawn")


def with_recurrent(rnn, U):
    W = rnn.cells[0][0].W_h
    W.data = np.concatenate([U, W.numpy()[len(U) :]])
    return rnn


# %% [markdown]
# ## 往回一步
#
# $$h_t = \tanh([h_{t-1}\,;\,x_t]\,W_h + b_h) = \tanh(h_{t-1}U + x_tV + b_h)$$
#
# $W_h$ 靠上的那些行与 $h_{t-1}$ 相乘，记作 $U$；其余的行记作 $V$。往回走时，梯度 $\delta_t = \partial L/\partial h_t$ 先经过 tanh，斜率是 $1-h_t^2$，再经过矩阵：
#
# $$\delta_{t-1} = \big(\delta_t\circ(1-h_t^2)\big)\,U^\top \qquad J_t = \frac{\partial h_t}{\partial h_{t-1}} = D(1-h_t^2)\;U^\top$$
#
# $$\frac{\partial h_T}{\partial h_t} = J_T\,J_{T-1}\cdots J_{t+1}$$
#
# （$J_t$ 是这一步的**雅可比矩阵**，它的 $[i,j]$ 元表示：这一步之前的单元 $j$ 变一点，这一步之后的单元 $i$ 变多少。$D(v)$ 是以 $v$ 为对角线的对角矩阵，$\circ$ 是逐元素相乘。）下面是一个只有两个单元的网络，走三步，以及梯度往回走的样子：

# %%
rng = np.random.default_rng(0)
small = nn.RNN(1, 2, rng=rng).astype(np.float64)
out = small(rng.normal(size=(1, 3, 1)))
trace = tl.trace(out.last.h.sum())
tl.draw(trace, follow="h", for_="notebook")

# %% [markdown]
# 每往回一步，先过一次 tanh，再过一次矩阵。库能在图上直接测出每一步的雅可比矩阵，它应当与公式一致。

# %%
U = small.cells[0][0].W_h.numpy()[:2]
jacobians = trace.flow("h").jacobians()
for t in range(3):
    formula = np.diag(1 - out.h.numpy()[0, t] ** 2) @ U.T
    assert np.allclose(jacobians.steps[t, 0], formula, rtol=1e-12)
print(jacobians.steps[:, 0].round(3))

# %% [markdown]
# 梯度走过许多步，就乘上许多个矩阵。全部问题在于：这样的乘积会变成什么？为此先要说清三个词。矩阵把有的向量拉长，把有的缩短。让所有长度为 1 的向量（下图灰色的圆）都过一遍矩阵，出来的是一个椭圆。椭圆的两条半轴（红色）就是最大和最小的伸缩倍数，叫作矩阵的**奇异值**。最大的那个又叫矩阵的**范数**，记作 $\|M\|$：没有哪个向量的伸长倍数会超过它。奇异值全是 1 的矩阵只转动（或镜像），叫作**正交矩阵**。

# %%
M = np.array([[1.0, 0.8], [0.0, 0.5]])
turn = np.linspace(0, 2 * np.pi, 361)
circle = np.stack([np.cos(turn), np.sin(turn)])
ellipse = M @ circle
stretch = np.linalg.norm(ellipse, axis=0)
singular = np.linalg.svd(M, compute_uv=False)
print(f"长度变为 {stretch.min():.3f} 到 {stretch.max():.3f} 倍；奇异值 {singular.round(3)}")
assert np.allclose([stretch.max(), stretch.min()], singular, rtol=1e-3)
figure, axes = plt.subplots(figsize=(4, 2.4), layout="constrained")
axes.plot(*circle, color="#adb5bd")
axes.plot(*ellipse, color="#1f4e79")
for k in (stretch.argmax(), stretch.argmin()):
    axes.plot([0, ellipse[0, k]], [0, ellipse[1, k]], color="#bb2a3b")
axes.set_aspect("equal")
plt.show()

# %% [markdown]
# **特征值**说的是另一回事：有这样一个方向，矩阵不转动它，只把它拉长或缩短若干倍。（特征值是复数时，矩阵让一个平面转动，特征值的模是平均每步的伸缩倍数。）走一步，奇异值说了算；同样的步走很多次，特征值说了算，下面会看到。先看两个能算出精确答案的网络。
#
# ## 两个一目了然的网络
#
# **线性网络，$U = \rho\,Q$**，其中 $Q$ 正交。没有 tanh，每个 $J_t$ 都是 $\rho\,Q^\top$；正交矩阵不改变长度，所以走 $k$ 步，范数恰好乘以 $\rho^k$。
#
# **先猜。** 取 $\rho = 0.9$，50 步之后，梯度还剩多大比例？

# %%
my_guess = None

# %%
T = 50
Q = orthogonal((8, 8), rng)
kept = {}
for rho in (0.9, 1.0, 1.1):
    linear = with_recurrent(nn.RNN(1, 8, activation="linear", rng=rng).astype(np.float64), rho * Q)
    flow = tl.trace(linear(rng.normal(size=(1, T, 1))).last.h.sum()).flow("h")
    kept[rho] = flow.norm[0] / flow.norm[T]
    assert np.isclose(kept[rho], rho**T, rtol=1e-12)
quiz.reveal(my_guess, kept[0.9])
for rho in kept:
    print(f"ρ = {rho}：剩下 {kept[rho]:.6g}，与 ρ^{T} 相差不过 {abs(kept[rho] / rho**T - 1):.0e}")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 系数 `0.9` 听起来很温和，结果只剩下 {{kept[0.9]:.1%}}；`1.1` 则放大到 {{kept[1.1]:.0f}} 倍。中间没有宽裕的余地：步数一多，只有系数 1 才能保住梯度。系数 $r$ 的**半衰期**（half-life）是 $\ln\frac12/\ln r$，对 `0.9` 是 {{np.log(0.5) / np.log(0.9):.1f}} 步。
#
# </details>
#
# **带 tanh、没有输入、停在 $h = 0$ 的网络。** 这里斜率是 1，所以不论 $U$ 是什么，$k$ 步的雅可比矩阵就是 $U^\top$ 的 $k$ 次方。

# %%
U = rng.normal(size=(3, 3))
still = with_recurrent(nn.RNN(1, 3, rng=rng).astype(np.float64), U)
jacobians = tl.trace(still(np.zeros((1, 6, 1))).last.h.sum()).flow("h").jacobians()
assert (jacobians.steps == U.T).all()
assert np.allclose(jacobians.products[6, 0], np.linalg.matrix_power(U.T, 6), rtol=1e-12)
print(f"U 的特征值的最大模：{jacobians.spectral_radius[0, 0]:.3f}")
print("乘积每一步的增长：", (jacobians.norms[1:, 0] / jacobians.norms[:-1, 0]).round(3))

# %% [markdown]
# 第一步的增长就是 $U$ 的最大奇异值，它也是每一步增长的上界。长远来看，平均每步的增长等于特征值的最大模，也就是谱半径。在一段时间里，两者可以相差很远：练习 3.2 要你造一个网络，按特征值看，梯度必定消失，可是梯度却先增长。
#
# ## 刚建好的网络
#
# 现在看默认初始化的 `nn.RNN`：$U$ 是正交的，所有奇异值都是 1；输入是随机的 8 个特征，进入 32 个单元。除此之外，起作用的只有 tanh 的斜率。
#
# **先猜。** $h_{50}$ 处的梯度，有多大比例到达 $h_0$？

# %%
my_guess = None

# %%
rnn = nn.RNN(8, 32, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(1, T, 8))
out = rnn(x)
trace = tl.trace(out.last.h.sum())
flow = trace.flow("h")
share = flow.norm[0] / flow.norm[T]
quiz.reveal(my_guess, share)
print(f"半衰期 {flow.half_life:.2f} 步")
tl.draw(trace, view="strip")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 只剩 {{share:.0e}}，半衰期 {{flow.half_life:.2f}} 步。条带图要从右往左看；颜色用对数刻度，变化的步调很均匀。这个网络还什么都没有学，也没有任何毛病。
#
# </details>
#
# ## 为什么上界没看出来
#
# 经典的论证是：乘积的范数不超过范数的乘积。$\|J_T\cdots J_1\| \le \prod_t \|J_t\| \le (\gamma\,\|U\|)^T$，其中 $\gamma$ 是最陡的斜率，tanh 是 1，logistic 函数是 ¼。如果 $\|U\| < 1/\gamma$，梯度**必定**消失。而这里 $\|U\| = 1$，这个界只能说：不一定有损失。看看每一步自己的最大奇异值。

# %%
jacobians = flow.jacobians()
bound = np.prod(jacobians.singular_values[:, 0, 0])
product = jacobians.norms[T, 0]
print(f"单步的最大奇异值：{jacobians.singular_values[:, 0, 0].min():.3f} 到 1")
print(f"{T} 步的最大奇异值之积：{bound:.3f}   乘积的最大奇异值：{product:.1e}")
assert bound > 0.8 and product < 1e-5

# %% [markdown]
# 每一步单独看，都有一个方向几乎不衰减（$h\approx 0$ 的单元所在的方向），所以各步范数的乘积是 {{bound:.2f}}。而乘积的范数是 {{product:.0e}}。**五十步，每一步都留下一点，合起来却什么都没留下**：$U$ 会转动梯度，这一步躲过衰减的方向，下一步就落到别的单元上。如果梯度均匀地分布在各单元上，那么每走一步，范数就乘以斜率的均方根。

# %%
slopes = 1 - out.h.numpy()[0] ** 2
expected = np.sqrt((slopes**2).mean(axis=1))
measured = flow.norm[:-1] / flow.norm[1:]
print(f"每步的系数：只凭斜率 {np.exp(np.log(expected).mean()):.3f}，实测 {share ** (1 / T):.3f}")


def half_life(seed):
    other = nn.RNN(8, 32, rng=np.random.default_rng(seed)).astype(np.float64)
    return tl.trace(other(x).last.h.sum()).flow("h").half_life


lives = [half_life(seed) for seed in range(5)]
print(f"五个这样的网络，半衰期 {min(lives):.2f} 到 {max(lives):.2f} 步")
assert min(lives) > 1.5 and max(lives) < 4

# %% [markdown]
# 原因清楚了：系数取决于各单元离 0 有多远；换几组同样产生的权重（种子 0 到 4），差别不大。输入越强，饱和越深，梯度就丢得越快。$U$ 不减少任何东西，它保持每个范数不变；减少梯度的是 tanh。
#
# ## 那就把权重加大
#
# 既然斜率每步拿走 {{1 - share ** (1 / T):.0%}}，把 $U$ 加大应该就能补回来。还是取 $U = \rho\,Q$，这次带上 tanh。增长的上界是 $\rho^{50}$。
#
# **先猜。** $\rho = 2$ 时上界是 $2^{50}\approx 10^{15}$。走 50 步，梯度实际变为多少倍？

# %%
my_guess = None

# %%
Q = orthogonal((32, 32), np.random.default_rng(0))


def grown(rho, x):
    out = with_recurrent(rnn, rho * Q)(x)
    norm = tl.trace(out.last.h.sum()).flow("h").norm
    return norm[0] / norm[T], (1 - out.h.numpy() ** 2).mean()


quiz.reveal(my_guess, grown(2, x)[0])
print("  ρ      上界       实测     每步     平均斜率              输入减半")
for rho in (0.5, 1.0, 1.5, 1.6, 1.7, 2.0, 4.0):
    (factor, slope), (other, _) = grown(rho, x), grown(rho, x / 2)
    print(f"{rho:>4}   {rho**T:>6.0e}   {factor:>8.1e}   {factor ** (1 / T):>6.3f}   {slope:>10.2f}   {other:>19.1e}")
assert grown(1.5, x)[0] < 1 < grown(1.5, x / 2)[0]

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# tanh 会抵抗：权重一大，单元就进入饱和，斜率下降，增长远远够不到上界。但最后还是会爆炸。在两种情形之间，会有某个 $\rho$ 碰巧让**这个**梯度在**这段**输入上保持范数。这不是办法：取 `1.5` 时，梯度在我们的输入上缩小；同样的输入减半，它就增大。
#
# </details>
#
# ## 裁剪能治什么
#
# 梯度爆炸就是梯度太长。这可以在算完之后补救：缩短它，方向不变。这就是梯度裁剪。`clip_effect` 会告诉你，优化器的 `global_clipnorm`（按全局范数裁剪）会怎样做。

# %%
target = np.random.default_rng(2).normal(size=(1, T, 32))
nn.mse_loss(with_recurrent(rnn, 3 * Q)(x).h, target).backward()
clipped = tl.clip_effect(rnn, global_clipnorm=1.0)["all"]
print(f"范数 {clipped.before:.3g} → {clipped.after:.3g}，转了 {clipped.angle:.0e} 度")

# %% [markdown]
# 长度从 {{clipped.before:.0f}} 缩到 1，方向没有转（除了舍入误差）。更新的步子受到限制，训练可以继续。裁剪能做的只有这些：一个方向如果来自爆炸的乘积，裁剪不会让它变好。而且裁剪得先有一个数可以缩短。在 float32 里，权重再大一些，步数取 300，损失仍是个普通的数，梯度却已经不是数了：

# %%
deep = with_recurrent(nn.RNN(8, 32, rng=np.random.default_rng(0)), (4 * Q).astype(np.float32))
loss = deep(np.random.default_rng(1).normal(size=(1, 300, 8)).astype(np.float32)).last.h.sum()
with np.errstate(all="ignore"):
    loss.backward()
print("损失", round(loss.item(), 3))
try:
    optim.SGD(deep.parameters(), lr=0.1, global_clipnorm=1.0).step()
except FloatingPointError as error:
    print(fill(str(error), 80))

# %% [markdown]
# 爆炸的网络，报的就是这个错：梯度不是有限的数，所以什么也没有改。（许多优化器不报错，直接把 NaN 写进权重。）这里设了裁剪，却帮不上忙：裁剪只有用得早才有效，要用在把权重带到这种地方来的那些步上。
#
# 梯度消失看上去正好反过来：太短了，那就放长。要明白这为什么行不通，还得再看一件事。
#
# ## 健康的权重梯度
#
# 回到默认的网络，这次走 100 步，每一步都有目标，就像语言模型那样。先看大家平时看的量：

# %%
T = 100
rnn = nn.RNN(8, 32, rng=np.random.default_rng(0)).astype(np.float64)
x, target = (np.random.default_rng(seed).normal(size=(1, T, n)) for seed, n in ((1, 8), (2, 32)))
W = rnn.cells[0][0].W_h
trace = tl.trace(nn.mse_loss(rnn(x).h, target))
flow = trace.flow("h")
weight_norm = np.linalg.norm(trace.grad(W))
print(f"|dL/dW_h| = {weight_norm:.3f}")
print("t = 1、25、50、75、100 处的 |dL/dh_t|：", flow.norm[[1, 25, 50, 75, 100]].round(4))

# %% [markdown]
# 看不出消失的痕迹：权重梯度的范数大小正常，$|\partial L/\partial h_t|$ 在开头和在末尾一样大。可是每个 $h_t$ 都直接进入自己那一步的损失，而从总和里看不出各部分来自哪里。
#
# 按**滞后**（lag）把它拆开：滞后 $k$，是指权重用过之后，再过 $k$ 步才读出的损失。这一部分的梯度记作 $G_k$，则 $\partial L/\partial W = \sum_k G_k$，精确成立。

# %%
by_lag = flow.weight_gradient(W, by="lag")
assert np.allclose(by_lag.sum(axis=0), trace.grad(W), rtol=1e-10)
lengths = np.linalg.norm(by_lag, axis=(1, 2))
far = np.linalg.norm(by_lag[20:].sum(axis=0)) / weight_norm
print(f"滞后 20 步及以上合计：占梯度范数的 {far:.1e}")
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.semilogy(lengths, ".-")
axes.set(xlabel="滞后 k", ylabel="G_k 的范数", title=f"|dL/dW_h| = {weight_norm:.2f}，按滞后拆开")
plt.show()

# %% [markdown]
# 权重在损失之前 20 步或更早所起的作用，只占梯度的 {{far:.1%}}。在这里训练权重的是短滞后；从梯度的范数里，看不出长滞后的任何情况。**所以，不要凭权重的梯度判断记忆。**
#
# 现在把它放大试试。无论乘什么系数，所有滞后都乘同一个数，比例不变。训练用的是 float32，情况更糟：一个和大约只有七位有效数字。

# %%
running = np.add.accumulate(by_lag.astype(np.float32))
changes = (running[1:] != running[:-1]).any(axis=(1, 2))
silent = int(np.flatnonzero(changes).max()) + 2
print(f"从滞后 {silent} 起，dL/dW_h 的 {W.size:,} 个元素一个比特也不再变")
assert silent < T - 10

# %% [markdown]
# 按滞后的次序累加，从滞后 {{silent}} 起的内容，还没到优化器手里就已经没有了。剩下的部分只能像刚才那样拆开，一个滞后一个滞后地放大，代价是每读出一步就要做一次反向传播。**爆炸可以事后用裁剪来治，消失在事后无药可治**：只能让网络本身更好地传递梯度。`diagnose` 也是这么说的。

# %%
print(*tl.trace(rnn(x).last.h.sum()).flow("h").diagnose(), sep="\n")

# %% [markdown]
# ## 练习
#
# **3.1** 一个 $U = \rho\,Q$ 的线性 RNN，要在 100 步之后保住一半的梯度。$\rho$ 应取多少？（给出五位数字。）

# %%
answer = None
quiz.check("3.1", answer)

# %% [markdown]
# **3.2** 给出一个 2 × 2 的矩阵 $U$，用作线性 RNN：两个特征值的模都不超过 `0.9`，因而任何梯度最终都会消失；但是有某个梯度，在 5 步之后长度超过原来的 10 倍。

# %%
answer = None
quiz.check("3.2", answer)

# %% [markdown]
# **3.3** 不用任何库，写随时间反向传播（BPTT）。已知：`h`，形状 (T, hidden)，是一个 tanh RNN 的状态 $h_1 \ldots h_T$；`U`，形状 (hidden, hidden)；`delta`，形状 (hidden,)，是 $h_T$ 处的梯度。返回 $h_0, h_1 \ldots h_T$ 处的梯度，放在一个形状为 (T + 1, hidden) 的数组里。

# %%
def through_time(h, U, delta):
    return None


quiz.check("3.3", through_time)

# %% [markdown]
# ## 小结
#
# 步数一多，梯度就要乘上许多个矩阵，只有非常接近 1 的系数才保得住它。在 tanh RNN 里，矩阵拉长，斜率缩短，两者怎样平衡取决于输入：刚建好的网络，每隔几步就丢掉一半梯度。单步的范数看不出这件事，权重的梯度也看不出；看得出的是乘积，和按滞后的拆分。
#
# 界限在哪里：这里说的是训练之前的网络。训练有可能把权重带到某个方向能保住的地方，而短任务本来就不需要长记忆。梯度里很小的一部分也未必没有用：如果它在每一批里都指向同一边，而其余部分平均之后互相抵消，它就起作用。但舍入抹掉的，就真的没有了。另外，换一种选择（relu 加单位矩阵，Le 等，2015），出发点也会不同。
#
# 我们想要的是这样一条路：梯度在路上乘以一个系数，而网络可以随时让这个系数保持在 1 附近。下一篇就来造这条路，一个门一个门地造。
#
# ## 参考文献
#
# - J. Elman (1990). *Finding structure in time.* Cognitive Science 14.
# - S. Hochreiter (1991). *Untersuchungen zu dynamischen neuronalen Netzen*. 慕尼黑工业大学学位论文。
# - Y. Bengio, P. Simard, P. Frasconi (1994). *Learning long-term dependencies with gradient descent is difficult.* IEEE Transactions on Neural Networks 5.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks.* ICML.
# - A. Saxe, J. McClelland, S. Ganguli (2014). *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.* ICLR.
# - Q. Le, N. Jaitly, G. Hinton (2015). *A simple way to initialize recurrent networks of rectified linear units.* arXiv:1504.00941.

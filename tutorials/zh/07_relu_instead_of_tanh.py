# %% [markdown]
# # 7 · 用 ReLU 代替 tanh
#
# **问题。** 在深层网络里，ReLU 取代了 tanh，因为它只要激活，斜率就是 1。LSTM 可以照办吗？万一数值因此爆炸，梯度裁剪治得了吗？两个问题都只能回答“部分可以”，本篇来量一量是哪一部分。
#
# 需要的基础：第 3 篇（普通 RNN）和第 5 篇（$\partial L/\partial C$ 的账本）。大约 50 分钟。

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, optim, quiz, tasks, what_if
from tinygrad_lstm import SequenceModel, TrainingError, fit

tl.language("zh")

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## 先看普通 RNN：矩阵之间夹着掩码
#
# $h_t = \mathrm{relu}(h_{t-1}W + x_tW_x)$。单元激活时 ReLU 的斜率是 1，未激活时是 0。所以每往回一步，梯度先乘一个由 0 和 1 组成的掩码 $D_t$，再乘 $W^\top$：
#
# $$\frac{\partial L}{\partial h_0} = \frac{\partial L}{\partial h_T}\, D_T W^\top\, D_{T-1} W^\top \cdots D_1 W^\top .$$
#
# 取 $W$ 为 `ρ` 乘一个正交矩阵。如果只有 $W$ 自己，每一步恰好把范数乘以 `ρ`。

# %%
def relu_rnn(ρ, T=50, units=16):
    rnn = nn.RNN(1, units, activation="relu", rng=np.random.default_rng(0)).astype(np.float64)
    W = rnn.cells[0][0].W_h
    W.data = np.concatenate([ρ * W.data[:units], W.data[units:]])   # h 的行在前
    out = rnn(np.random.default_rng(1).normal(size=(1, T, 1)))
    return W.data[:units], out.h.numpy()[0], tl.trace(out.last.h.sum()).flow("h")

W, h, flow = relu_rnn(ρ=1.0)
step = flow.jacobians().steps[9, 0]                                 # ∂h₁₀/∂h₉
assert np.allclose(step, (h[9] > 0)[:, None] * W.T)                 # 先是掩码，再是 Wᵀ

# %% [markdown]
# 常有人这样想：**斜率是 1，$W$ 又是正交的，梯度自然保得住**。
#
# **先猜。** 50 步之后，它还剩多少？请写成倍数。

# %%
my_guess = None

# %%
left = flow.norm[0] / flow.norm[50]
quiz.reveal(my_guess, left)
on = (h > 0).mean()
assert left < 1e-3

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 只剩 {{left:.1e}}。$W$ 保持范数，掩码却不保持：平均有 {{on:.0%}} 的单元激活，其余单元上的梯度，每一步都丢掉了。那么把 $W$ 加大，补回来？
#
# </details>

# %%
factor = {}
for ρ in (0.5, 1.0, 1.2, 1.5, 2.0):
    h, flow = relu_rnn(ρ)[1:]
    factor[ρ] = flow.norm[0] / flow.norm[50]
    print(f"ρ = {ρ}：末端最大的 h 是 {h[-1].max():8.2g}，50 步之后梯度 × {factor[ρ]:.1e}")

# %% [markdown]
# 不是死掉，就是爆炸；而本来还能把 $h$ 限制在 (−1, 1) 之内的 tanh，现在也没有了。`ρ` 从 `1.0` 到 `1.2`，只大了五分之一，结果却变成 {{factor[1.2] / factor[1.0]:.0e}} 倍。中间某处有一个适合这段输入的值，可是网络学习的时候，没有什么能让它停在那里。
#
# ## 一个行得通的起点，只是正在临界点上
#
# 取 $W = I$、$b = 0$，激活的单元就把自己的值原样传下去，这就是 IRNN。下面是 32 个单元，输入是同一段随机序列，走 50 步。

# %%
comparison = tl.compare("rnn,relu-rnn,irnn", steps=50)
kept = {net.name: net.rows[0].norm[0] for net in comparison.nets}
comparison.draw()

# %% [markdown]
# IRNN 保住了梯度的 {{kept['irnn']:.0%}}，ReLU RNN 只有 {{kept['relu-rnn']:.1e}}。（IRNN 也没有全保住，因为输入可以让单元不激活。）但单位矩阵正好在临界点上，偏一点就守不住。把它改动十分之一（训练时也许几步就会这样）：

# %%
edge = {}
rnn = nn.RNN(1, 4, activation="relu", recurrent_initializer="identity").astype(np.float64)
identity = rnn.cells[0][0].W_h.data
for scale in (0.9, 1.0, 1.1):
    rnn.cells[0][0].W_h.data = scale * identity
    flow = tl.trace(rnn(np.zeros((1, 100, 1)), np.ones((1, 4))).last.h.sum()).flow("h")
    edge[scale] = flow.norm[0] / flow.norm[100]
    print(f"{scale} · I：100 步之后 × {edge[scale]:.3g}")

# %% [markdown]
# ## 死掉的单元
#
# 如果一个单元对**每个**输入、在**每个**时间步都未激活，那么无论哪个输入、哪一步，它得到的梯度都是 0。除非别处发生变化，否则再没有什么能让它重新激活。梯度下降的步子太大，走两步就会这样。再下面一格里，`diagnose` 说的是五个网络中的最后一个。

# %%
batch = tasks.Adding(length=8).batch(32, np.random.default_rng(0))
dead = []
for seed in range(5):
    rng = np.random.default_rng(seed)
    rnn, head = nn.RNN(2, 8, activation="relu", rng=rng), nn.Linear(8, 1, rng=rng)
    sgd = optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.5)
    counts = []
    for step in range(3):
        out = rnn(batch.x)
        off = (out.h.numpy() <= 0).all(axis=(0, 1))      # 对所有的行，在所有的步上
        counts.append(off.sum())
        loss = nn.mse_loss(head(out.last.h), batch.target[:, -1])
        if step < 2:
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    dead.append(counts[-1])
    print(f"种子 {seed}：走 0、1、2 步之后，8 个单元里死掉的有 {counts[0]}、{counts[1]}、{counts[2]} 个")

# %%
trace = tl.trace(loss)
dW = trace.grad(rnn.cells[0][0].W_h)
assert min(dead) >= 4 and not dW[:, off].any()            # 恰好是 0
print(tl.diagnose(trace))

# %% [markdown]
# ## 现在看 LSTM
#
# 换成 ReLU 之后，$\tilde C = \mathrm{relu}(\dots) \ge 0$，$h = o \circ \mathrm{relu}(C)$。$C$ 的高速通道（highway）没有变：门固定时，$\partial C_t/\partial C_{t-1} = f$，而 $f$ 仍是 sigmoid。所以连乘积 $\prod f$ 不会爆炸。这样就没事了吗？
#
# 取一个单元，门都是常数：`f = 0.95`，`i = o = 0.5`；输入 `x = 1`；候选值里有一个循环权重 `u = 0.4`，即 $\tilde C_t = \varphi(u\,h_{t-1} + x_t)$，其中 $\varphi$ 是激活函数，这里是 ReLU。从 $C_{101}$ 往回走 100 步到 $C_1$，高速通道保住 $0.95^{100}$。
#
# **先猜。** 完整的 $\partial C_{101}/\partial C_1$ 是多少？

# %%
def one_unit(activation, T, **settings):
    lstm = nn.LSTM(1, 1, activation=activation, **settings).astype(np.float64)
    cell = lstm.cells[0][0]
    for W in (cell.W_f, cell.W_i, cell.W_o):
        W.data = np.zeros((2, 1))                        # 门是常数：i = o = σ(0)
    cell.b_f.data = np.array([np.log(0.95 / 0.05)])      # 它的 σ 是 0.95
    cell.W_C.data = np.array([[0.4], [1.0]])             # 两行：h，x
    return lstm(np.ones((1, T, 1)))

flow = tl.trace(one_unit("relu", T=101).last.C.sum()).flow("C")
highway = flow.highway[1] / flow.highway[101]
print(f"单是高速通道：{highway:.4f}")
my_guess = None

# %%
whole = flow.norm[1] / flow.norm[101]
quiz.reveal(my_guess, whole)
assert np.isclose(whole, (0.95 + 0.5 * 0.4 * 0.5) ** 100)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 是 {{whole:.1f}}。从 $C_{t-1}$ 到 $C_t$ 还有第二条路：经 $o$ 出去，到 $h$，再经 $\tilde C$ 和 $i$ 回来。用 tanh 时，这条路要过两道 tanh，$C$ 一大，两道都会关上。用 ReLU 时，它们是两段直线，输出激活就是恒等函数（它只会遇到 $C \ge 0$），于是
#
# $$C_t = (f + i\,u\,o)\,C_{t-1} + i\,x_t, \qquad f + i\,u\,o = 0.95 + 0.5\cdot 0.4\cdot 0.5 = 1.05 .$$
#
# 这件事从任何一步的账本里都看得到，这里取从第 50 步回到第 49 步的那一本：看 `highway` 和 `C̃`。图里也看得到：在 $t=2$ 处，另有一支箭头从下方回到 $C$。
#
# </details>

# %%
dC50 = flow.trace.grad(flow.state(50))
shares = {path: (share / dC50).item() for path, share in flow.ledger(50).items()}
print({path: round(share, 3) for path, share in shares.items()})
tl.draw(one_unit("relu", T=3).last.C.sum(), steps=(2, 3), show="grad", for_="notebook")

# %% [markdown]
# 数值和梯度按同一个系数增长，所以这首先是前向计算的灾难：

# %%
print("       1      10      50     101  步之后的 C")
for name, out in {
    "tanh": one_unit("tanh", T=101),
    "relu": one_unit("relu", T=101),
    "relu，输出 tanh": one_unit("relu", T=101, output_activation="tanh"),
}.items():
    print("".join(f"{C:8.2f}" for C in out.C.numpy()[0, [0, 9, 49, 100], 0]), f"  {name}")

# %% [markdown]
# 用 tanh 时，$C$ 不会超过 $i/(1-f) = 10$。最后一行就是药方：有界的**输出**打断了回路（$h < 1$，所以 $\tilde C \le u + x$）。这样，只要 $f < 1$，候选值用 ReLU 就没有害处：$C$ 最多是 $i(u + x)/(1-f) = 14$。
#
# ## 一整层
#
# 32 个单元，`forget_bias=5`，权重和输入随机，100 步。四次运行用同样的权重；其中一次把 $h$ 设为 0，也就剪断了回路。

# %%
x = np.random.default_rng(1).normal(size=(4, 100, 8)).astype(np.float32)

def layer(forget_bias=5.0, **settings):
    return nn.LSTM(8, 32, forget_bias=forget_bias, rng=np.random.default_rng(0), **settings)

relu = layer(activation="relu")
runs = {"tanh": layer()(x), "relu": relu(x), "relu，输出 tanh": layer(activation="relu", output_activation="tanh")(x)}
with what_if(h=lambda h: 0 * h):
    runs["relu，h = 0"] = relu(x)
C = runs["relu"].C.numpy()
assert (C >= 0).all() and np.array_equal(tl.relu(C), C)      # 输出处的 ReLU 就是恒等函数

# %%
sizes = {name: np.abs(out.C.numpy()).mean(axis=(0, 2)) for name, out in runs.items()}
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for (name, size), style in zip(sizes.items(), ("-", "-", "--", ":"), strict=True):
    axis.semilogy(np.arange(1, 101), size, style, label=name)
axis.set(xlabel="时间步 t", ylabel="|C| 的均值")
axis.legend()
plt.show()

# %%
assert sizes["relu"][-1] > 1e3 * sizes["relu，h = 0"][-1]
print(tl.diagnose(runs["relu"].last.h.sum()))

# %% [markdown]
# 没有回路时，$C$ 只加不减，平均达到 {{sizes['relu，h = 0'][-1]:.2g}}：直线上升，而且要 $f$ 接近 1 才会这样。有了回路，$C$ 达到 {{sizes['relu'][-1]:.1e}}，这时 $f$ 根本不必接近 1。看默认的遗忘门偏置：

# %%
out = layer(forget_bias=1.0, activation="relu")(x)
mild = np.abs(out.C.numpy()).mean(axis=(0, 2))
mean_f = np.mean([step.f.numpy().mean() for step in out.steps])
print(f"f 的均值 {mean_f:.2f}；第 10、50、100 步之后 |C| 的均值：", *(f"{C:.3g}" for C in mild[[9, 49, 99]]))
assert mild[-1] > 100

# %% [markdown]
# ## 别的库允许换掉什么
#
# | | 候选值 $\tilde C$ | 输出 | 门 |
# |---|---|---|---|
# | Keras `LSTM` | `activation` | 也是 `activation`：两处共用一个设置 | `recurrent_activation` |
# | PyTorch `nn.LSTM` | tanh，固定 | tanh，固定 | σ，固定 |
# | 本库 | `activation` | `output_activation`，不写则同 `activation` | `recurrent_activation` |
#
# 所以在 Keras 里写 `activation="relu"`，就接上了刚才看到的那个回路；想要“里面 ReLU，外面 tanh”，得自己写一个元胞。在 PyTorch 里，只有普通的 `nn.RNN` 可以选（`nonlinearity="relu"`）。

# %% [markdown]
# <details><summary>在 Keras、PyTorch 中怎样写：换激活函数</summary>
#
# Keras：
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True)
# h = layer(x)
# ```
#
# （它的 `hard_sigmoid` 从第 3 版起斜率是 `1/6`，以前是 `0.2`；第 8 篇两种都有。）PyTorch 只有普通 RNN 可以换：
#
# ```python
# import torch
#
# layer = torch.nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
# h, _ = layer(x)
# ```
#
# </details>

# %% [markdown]
# ## 三种裁剪，动手算
#
# 常用的办法是裁剪梯度。裁剪有三种，这里用 Keras 的名字。设 `W` 的梯度是 (3, 4)，范数为 5；`b` 的梯度是 12。`clipvalue=1`（按值裁剪）把 (3, 4) 的每个元素都削到 1。
#
# **先猜。** 这个梯度的方向转了多少度？

# %%
W = Tensor([0.0, 0.0], requires_grad=True, name="W")
b = Tensor(0.0, requires_grad=True, name="b")
(3 * W[0] + 4 * W[1] + 12 * b).backward()
print(W.grad, b.grad)
my_guess = None

# %%
turned = tl.clip_effect([("W", W)], clipvalue=1.0)["W"].angle
quiz.reveal(my_guess, turned)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 转了 {{turned:.1f}}°：(3, 4) 变成了 (1, 1)。转多少要看梯度本身：(3, 0) 一点不转，`(300, 2)` 几乎转 $45°$。另外两种裁剪是缩放：`clipnorm`（按范数裁剪）把每个参数的梯度各自缩到上限，`global_clipnorm`（按全局范数裁剪）把所有参数的梯度一起缩。
#
# </details>

# %%
for clip in ("clipvalue", "clipnorm", "global_clipnorm"):
    print(f"{clip}=2")
    for name, e in tl.clip_effect([("W", W), ("b", b)], **{clip: 2.0}).items():
        print(f"    {name:3}：范数 {e.before:2.0f} → {e.after:.3f}，转了 {e.angle:4.1f}°")

# %% [markdown]
# `clipvalue` 连 `W` 自己的方向都转了。`clipnorm` 不改变每个参数的方向，但整步的方向还是转了，因为 `W` 和 `b` 现在一样长。只有 `global_clipnorm` 保持整体的方向，这就是 Pascanu、Mikolov 和 Bengio 提出的裁剪。同时用两种，就看不出是哪一种起了作用，所以会报错，要求一次只用一种：

# %%
try:
    optim.SGD([W, b], lr=0.1, clipnorm=1.0, global_clipnorm=1.0)
except ValueError as error:
    print(error)

# %% [markdown]
# <details><summary>在 Keras、PyTorch 中怎样写：三种裁剪</summary>
#
# 在 Keras 里，它们是每个优化器都有的参数，一次只能用一种：
#
# ```python
# import keras
#
# by_value = keras.optimizers.SGD(learning_rate=1.0, clipvalue=1.0)
# by_norm = keras.optimizers.SGD(learning_rate=1.0, clipnorm=2.0)
# by_global_norm = keras.optimizers.SGD(learning_rate=1.0, global_clipnorm=2.0)
# ```
#
# 在 PyTorch 里，它们是函数，在 `loss.backward()` 和 `optimizer.step()` 之间调用。对全部参数用 `clip_grad_norm_`，相当于 `global_clipnorm`，而不是 `clipnorm`：
#
# ```python
# from torch.nn.utils import clip_grad_norm_, clip_grad_value_
#
# def by_value(parameters):
#     clip_grad_value_(parameters, 1.0)
#
# def by_norm(parameters):
#     for parameter in parameters:
#         clip_grad_norm_([parameter], 2.0)
#
# def by_global_norm(parameters):
#     clip_grad_norm_(parameters, 2.0)
# ```
#
# </details>

# %% [markdown]
# ## 裁剪对 ReLU LSTM 有什么用
#
# 任务：40 个数里有两个带标记，把这两个加起来。总是回答 1，误差是 1/6。用普通的梯度下降，走 100 步，先不裁剪。

# %%
def train(seed, **clip):
    task = tasks.Adding(length=40)
    model = SequenceModel.for_task(task, hidden=16, activation="relu", forget_bias=5.0, seed=seed)
    model.rnn.fused = True
    optimizer = optim.SGD(model.named_parameters(), lr=0.1, **clip)
    try:
        history = fit(model, task, steps=100, seed=seed, optimizer=optimizer, progress=False)
    except TrainingError as error:
        print(f"种子 {seed}：第 {error.step} 步溢出，之前的损失是 {error.before:.4g}")
        return None
    report = optimizer.clip_report()
    print(f"种子 {seed}：损失 {history.loss[0]:.3g} → {history.recent('loss'):.2f}，100 步里裁剪了 {report.clipped} 步")
    return history.recent("loss"), report.clipped

unclipped = [train(seed) for seed in range(5)]
assert not any(unclipped)

# %%
ends, clipped = np.array([train(seed, global_clipnorm=1.0) for seed in range(5)]).T
assert ends.max() < 1

# %% [markdown]
# 不裁剪，哪个种子都只要更新一两次就够了：下一次前向计算就溢出。（在第 2 步就溢出的，之前的损失还是没有训练过的网络的；它本身就可能很大，因为数值和梯度一同增长。）裁剪之后，五个网络都活了下来，只是学得慢，也不是个个都学会：误差最后在 {{ends.min():.1f}} 到 {{ends.max():.1f}} 之间，5 个里有 {{(ends < 1 / 6).sum()}} 个低于总是回答 1 的 1/6。100 步里裁剪了 {{clipped.min():.0f}} 到 {{clipped.max():.0f}} 步，也就是说，决定步子大小的多半是裁剪，不是梯度。裁剪限制的正是这个：**步子**。
#
# ## 它治不了什么
#
# **前向溢出。** 还是上面那层没有训练过的网络，但走 500 步，不是 100 步。这时还一步都没有更新过，裁剪没有东西可以缩短。

# %%
long = np.random.default_rng(1).normal(size=(4, 500, 8)).astype(np.float32)
with np.errstate(all="ignore"):
    relu(long).last.h.mean().backward()
    try:
        optim.SGD(relu.named_parameters(), lr=0.1, global_clipnorm=1.0).step()
    except FloatingPointError as error:
        print(error)
    try:
        with tl.detect_anomaly():
            relu(long)
    except FloatingPointError as error:
        print("\n" + str(error))

# %% [markdown]
# NaN 乘以再小的数，还是 NaN：优化器拒绝更新，什么也不改动，并告诉你接下来该用 `detect_anomaly()`。`detect_anomaly` 停在第一个不是有限数的值上。它停在元胞状态的加法处，两个加数都还是有限的：回路已经把 $C$ 推出了 float32 的范围，上限是 {{float(np.finfo(np.float32).max):.1e}}。
#
# **梯度消失。** 裁剪既然能把太长的缩短，为什么不把太短的放长？取一个 ReLU RNN，把 $\partial L/\partial W$ 按滞后（lag）拆开：每一部分来自离终点多少步的地方。

# %%
grads = {}
for dtype in (np.float64, np.float32):
    rnn = nn.RNN(4, 16, activation="relu", rng=np.random.default_rng(0)).astype(dtype)
    data = np.random.default_rng(1).normal(size=(8, 100, 4)).astype(np.float32).astype(dtype)
    trace = tl.trace(rnn(data).last.h.mean())
    grads[dtype] = trace.grad(rnn.cells[0][0].W_h)
    if dtype is np.float64:
        parts = trace.flow("h").weight_gradient(rnn.cells[0][0].W_h, by="lag")
lags = np.linalg.norm(parts, axis=(1, 2))
rounding = np.linalg.norm(grads[np.float32] - grads[np.float64])
print(*(f"滞后 {k}：{lags[k]:.1e}" for k in (0, 50, 99)), sep="，")
print(f"float32 下整个梯度的误差：{rounding:.1e}")
assert lags[99] < rounding

# %% [markdown]
# 来自第一个输入的部分是 {{lags[99]:.0e}}，而整个梯度在 float32 下的舍入误差是 {{rounding:.0e}}。乘一个系数，让前者变成 1，误差就变成 {{rounding / lags[99]:.0e}}，滞后 0 的部分变成 {{lags[0] / lags[99]:.0e}}。系数不改变任何比例：方向已经丢了，再放大，放大的是噪声。（在 float64 里，又按滞后拆开，这一小部分是看得见的；可是优化器只拿到总和。）
#
# ## 练习
#
# **7.1** 还是上面那样的一个 ReLU 单元，取 `f = 0.9`、`i = 0.5`、`o = 0.8`。循环权重 `u` 取多少时，$C$ 自己既不增长也不衰减？

# %%
answer = None
quiz.check("7.1", answer)

# %% [markdown]
# **7.2** 写出 `global_clipnorm`：一个函数，参数是一列数组和一个上限，返回裁剪后的一列数组。

# %%
def global_clip(gradients, limit):
    return None

quiz.check("7.2", global_clip)

# %% [markdown]
# **7.3** 无论门在 [0, 1] 之内怎样取值，都要求 ReLU 单元不会自己增长。如果各个门互相独立，就只有 $u \le 0$ 安全，因为可能出现 $f = i = o = 1$。现在把两个门绑在一起，忘掉多少就写入多少，$i = 1 - f$（`nn.CoupledLSTMCell`）。安全的 `u` 最大是多少？

# %%
answer = None
quiz.check("7.3", answer)

# %% [markdown]
# ## 小结
#
# ReLU RNN 反复乘以加了掩码的 $W$，不是死掉就是爆炸；从单位矩阵出发，也只是恰好停在临界点上。在 ReLU LSTM 里，高速通道仍是 $\prod f$，没有害处；爆炸的根源是回路 $C \to h \to \tilde C \to C$：它和高速通道合在一起，每步乘以 $f + i\,u\,o$，数值和梯度都是如此。所以 LSTM 的候选值可以用 ReLU，条件是输出有界。裁剪限制的是步子，因此能把训练从过长的梯度中救出来；前向溢出它治不了，已经消失的梯度它也治不了。以上说的都是长序列：如果只有十步，或者循环权重一直很小，两处都用 ReLU 的 LSTM 也可以训练得很好。
#
# 门一直用的是 sigmoid。第 8 篇要问为什么，并让你换上别的试试。
#
# ## 参考文献
#
# - Q. V. Le, N. Jaitly, G. Hinton (2015). *A Simple Way to Initialize Recurrent Networks of Rectified Linear Units*：IRNN。
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks*，算法 1：按整个梯度的范数裁剪。
# - X. Glorot, A. Bordes, Y. Bengio (2011). *Deep Sparse Rectifier Neural Networks*：ReLU，以及未激活的单元。
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.*
# - K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber (2017). *LSTM: A Search Space Odyssey*：耦合的门。

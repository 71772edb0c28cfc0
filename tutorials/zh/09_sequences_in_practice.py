# %% [markdown]
# # 9 · 序列的实际用法
#
# **问题。** 元胞已经懂了。元胞周围还有四个问题，比元胞本身更费功夫。这个层到底返回什么？长文本分块来读，梯度在块的末尾会怎样？填充怎样影响损失？把权重搬到另一个库，为什么一个错也不报，答出来的却全是胡话？
#
# 需要的基础：[4 · 一个门一个门地看 LSTM](04_the_lstm_gate_by_gate.ipynb) 和 [5 · 跟着 C 走](05_follow_c.ipynb)。大约 55 分钟。

# %%
from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, quiz
from tinygrad_lstm.optim import Adam

tl.language("zh")

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## 层返回什么
#
# 一个层，四个单元；一批两行，每行五步。本库的结果是一个对象，里面什么都有；`as_keras` 和 `as_torch` 给出的，则是 Keras 和 PyTorch 的层会返回的样子。

# %%
lstm = nn.LSTM(3, 4, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(2, 5, 3))
out = lstm(x)
for sequences in (False, True):
    for state in (False, True):
        got = out.as_keras(return_sequences=sequences, return_state=state)
        shapes = [part.shape for part in got] if state else got.shape
        print(f"return_sequences={sequences!s:5}  return_state={state!s:5}  {shapes}")
both = np.concatenate([part.numpy().ravel() for part in got])

# %% [markdown]
# **先猜。** 两个开关都打开时，列表里共有 {{both.size}} 个数。其中互不相同的有多少个？

# %%
my_guess = None

# %%
distinct = np.unique(both).size
quiz.reveal(my_guess, distinct)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 有 {{distinct}} 个：序列的最后一步出现了两次，因为状态是一对 (h, C)，其中的 h 就是 $h_T$。
#
# | `return_sequences` | `return_state` | Keras 返回什么 | 形状 |
# |---|---|---|---|
# | False | False | $h_T$ | (batch, hidden) |
# | True | False | $h_1 … h_T$ | (batch, time, hidden) |
# | False | True | $[h_T, h_T, C_T]$ | 三个 (batch, hidden) |
# | True | True | $[h_1 … h_T, h_T, C_T]$ | 一个 (batch, time, hidden)，两个 (batch, hidden) |
#
# PyTorch 没有开关，总是返回 `output, (h_n, c_n)`，其中状态的最前面多一个轴，给层和方向用。（序列默认是 (time, batch, features)，要写 `batch_first=True` 才换过来；这个参数不影响状态。）
#
# </details>

# %%
output, (h_n, c_n) = out.as_torch()
sequence, h_last, C_last = (part.numpy() for part in got)
assert np.array_equal(sequence[:, -1], h_last) and np.array_equal(out.as_keras().numpy(), h_last)
assert np.array_equal(output.numpy(), sequence)
assert np.array_equal(h_n.numpy()[0], h_last) and np.array_equal(c_n.numpy()[0], C_last)
assert np.array_equal(out.C.numpy()[:, -1], C_last)
print(output.shape, h_n.shape, c_n.shape, "| out.C:", out.C.shape, "| out.steps[2].f:", out.steps[2].f.shape)

# %% [markdown]
# <details><summary>在 Keras、PyTorch 中怎样写：哪个开关，什么时候需要</summary>
#
# | 接下来是什么 | 需要本层的什么 | Keras | PyTorch |
# |---|---|---|---|
# | 整个序列一个答案（分类） | $h_T$ | 两个开关都不要 | `h_n[-1]` |
# | 每一步一个答案（标注、下一个词） | $h_1 … h_T$ | `return_sequences=True` | `output` |
# | 再接一个循环层（堆叠） | $h_1 … h_T$ | 除最后一层外都要 `return_sequences=True` | `num_layers=2` |
# | 另一个网络从这里接着走（编码器–解码器） | $(h_T, C_T)$ | `return_state=True`，再用 `initial_state=` | `decoder(y, (h_n, c_n))` |
# | 同上，而且解码器要回头看（注意力） | 全部 | 两个开关都要 | `output, (h_n, c_n)` |
#
# 如果只把 $h_T$ 交给解码器，它的元胞状态就从零开始。下面 `x` 的形状是 (2, 5, 3)，`y` 是 (2, 7, 2)。Keras：
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, return_sequences=True, return_state=True)
# h, h_T, C_T = layer(x)
#
# below = keras.layers.LSTM(4, return_sequences=True)
# above = keras.layers.LSTM(4)
# last = above(below(x))
#
# encoder = keras.layers.LSTM(4, return_state=True)
# decoder = keras.layers.LSTM(4, return_sequences=True)
# _, *state = encoder(x)
# answer = decoder(y, initial_state=state)
# ```
#
# PyTorch：
#
# ```python
# import torch
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# h, (h_n, c_n) = layer(x)
# h_T, C_T = h_n[-1], c_n[-1]
#
# stacked = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True)
# _, (h_n, c_n) = stacked(x)
# last = h_n[-1]
#
# encoder = torch.nn.LSTM(3, 4, batch_first=True)
# decoder = torch.nn.LSTM(2, 4, batch_first=True)
# _, state = encoder(x)
# answer, _ = decoder(y, state)
# ```
#
# 本库里 `out.h` 和 `out.last` 总是都有：
#
# ```python
# stacked = nn.LSTM(3, 4, num_layers=2)
# encoder, decoder = nn.LSTM(3, 4), nn.LSTM(2, 4)
# answer = decoder(y, encoder(x).last).h
# ```
#
# </details>

# %% [markdown]
# 两个库都不返回每一步的 C；想要的话，只能拿单个元胞自己写循环。这里它就是 `out.C`，每一步的各个门则在 `out.steps[t]` 里。
#
# ## 长文本分块读
#
# 一百万个字符的文本，一张计算图放不下。办法是分块读，把状态带到下一块（Keras 里是 `stateful=True`；PyTorch 里是把 `(h_n, c_n)` 再传进去）。几乎人人的第一次尝试都是这样：

# %%
first = lstm(x[:, :3])
first.h.sum().backward()
second = lstm(x[:, 3:], first.last)
try:
    second.h.sum().backward()
except RuntimeError as error:
    print(error)

# %% [markdown]
# PyTorch 的报错，开头是“Trying to backward through the graph a second time”。状态还连着第一块的计算图，而第一次 backward 已经把那张图释放了。
#
# 一个诱人的办法是把图留着（这里是 `keep_graph=True`，PyTorch 是 `retain_graph=True`）。这样一来，每一块都要一路回到全文的开头：

# %%
state, visited = None, []
for t in range(5):
    chunk = lstm(x[:, t : t + 1], state)
    state = chunk.last
    visited.append(len(tl.trace(chunk.h.sum()).tensors))
print("每一块反向传播要经过的张量数：", visited)
assert np.ptp(np.diff(visited)) == 0

# %% [markdown]
# 越往后的块，工作量越大。而且优化器只要在中间改过权重，留着的图就与权重对不上了：这样的 backward 本库会拒绝；在 PyTorch 里，权重就地改过，也一样拒绝。
#
# 正确的做法是 `state = chunk.last.detach()`：数值不变，历史不要。这就是截断的随时间反向传播（truncated BPTT）。

# %% [markdown]
# <details><summary>在 Keras、PyTorch 中怎样写：长文本分块读</summary>
#
# 在 Keras 里，层自己保存状态，批里每一行各存各的：下一块的第 2 行必须接着这一块的第 2 行，所以批的大小不能变，也不能打乱。每篇文本开头要 `reset_state`。梯度总是到块的开头为止，和 `detach` 之后一样。
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, return_sequences=True, stateful=True)
# first = layer(x[:, :3])
# second = layer(x[:, 3:])
# layer.reset_state()
# ```
#
# 在 PyTorch 里，状态由你保管，`detach` 也由你来写：
#
# ```python
# import torch
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# first, (h_n, c_n) = layer(x[:, :3])
# state = h_n.detach(), c_n.detach()
# second, _ = layer(x[:, 3:], state)
# ```
#
# </details>
#
# 截断的代价有多大？取一个把输入累加起来的任务，长 48 步，网络的遗忘门偏置是 3。

# %%
T = 48
x_long = np.random.default_rng(2).normal(size=(8, T, 3))
target = np.tanh(np.cumsum(x_long[:, :, 0], axis=1) / 4)


def in_chunks(layer, size):
    """按 `size` 步一块来读：返回损失、所有参数的梯度，以及 ‖∂L/∂C_t‖。"""
    layer.zero_grad()
    state, total, norms = None, 0.0, []
    for start in range(0, T, size):
        out = layer(x_long[:, start : start + size], state)
        loss = ((out.h[:, :, 0] - target[:, start : start + size]) ** 2).sum()
        norms.append(tl.trace(loss).flow("C").norm[1:])
        loss.backward()
        state, total = out.last.detach(), total + loss.item()
    return total, np.concatenate([p.grad.ravel() for p in layer.parameters()]), np.concatenate(norms)


def adder(forget_bias):
    return nn.LSTM(3, 8, forget_bias=forget_bias, rng=np.random.default_rng(0)).astype(np.float64)


whole_loss, whole, whole_norms = in_chunks(adder(3.0), T)
chunk_loss, chunked, chunk_norms = in_chunks(adder(3.0), 12)
assert abs(chunk_loss / whole_loss - 1) < 1e-12
print(f"损失：整段 {whole_loss:.10f}，12 步一块 {chunk_loss:.10f}")

# %% [markdown]
# 损失看不出差别，梯度看得出。
#
# **先猜。** 12 步一块时，‖分块的梯度 − 整段的梯度‖ / ‖整段的梯度‖ 是多少？（0：什么也没丢。1：错得和没有梯度一样。）

# %%
my_guess = None

# %%
lost = np.linalg.norm(chunked - whole) / np.linalg.norm(whole)
quiz.reveal(my_guess, lost)
figure, (saw, trade) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
saw.semilogy(range(1, T + 1), whole_norms, label="整段")
saw.semilogy(range(1, T + 1), chunk_norms, ".-", label="12 步一块")
saw.set(xlabel="时间步 t", ylabel="‖∂L/∂Cₜ‖", title="每一块都得不到后一块的梯度")
sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 48]
for bias in (0.0, 1.0, 3.0):
    full = in_chunks(adder(bias), T)[1]
    errors = [np.linalg.norm(in_chunks(adder(bias), size)[1] - full) / np.linalg.norm(full) for size in sizes]
    trade.plot(sizes, errors, "o-", markersize=3, label=f"遗忘门偏置 {bias:g}")
trade.set(xlabel="每块的步数", ylabel="梯度的误差", title="截断丢掉了多少")
saw.legend()
trade.legend()
plt.show()

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 左图的蓝线，是每个 C 本应从后面得到的梯度。红色的锯齿每到一块的末尾，就掉到只剩这一步自己的损失给的那一点。12 步一块，梯度的误差是 {{lost:.0%}}。
#
# 右图是其中的得失：**网络越能保留，块的边界切掉的就越多。** 遗忘门偏置为 0 时，沿 C 走的梯度反正一步就少一半，边界切不掉多少；偏置为 3 时，分成 24 步的两块，误差也有 {{errors[-2]:.0%}}。所以，在新网络上测出的误差，不能说明学会了保留的网络会怎样。
#
# 一个看似有理的想法：“12 步一块，12 步以内的依赖就都学得到。”不对。在 s 步写入、t 步读出，只要中间隔着边界，梯度就断了；相邻的两步，也会在每个边界处断一次。断的有多少，是练习 9.2 的问题。
#
# 反过来的说法也只对一半：“比一块更远的，什么也学不到。”确实没有梯度会教它；但状态是往前传的，里面碰巧留有什么，就可以用。
#
# </details>

# %% [markdown]
# ## 长短不一的行
#
# 一批里的各行都填充到最长的那一行。`lengths` 说明每一行到哪里为止；从那里起，状态原样往下带。这类实现都要过一关：每一行的结果，要与单独算这一行时相同，哪怕填充的位置全是垃圾。

# %%
lengths = np.array([12, 4, 2])
x_rows = np.random.default_rng(3).normal(size=(3, 12, 3))
valid = np.arange(12) < lengths[:, None]
x_rows[~valid] = 99.0
padded = lstm(x_rows, lengths=lengths)
alone = [lstm(x_rows[k : k + 1, :n]).last for k, n in enumerate(lengths)]
for k, state in enumerate(alone):
    assert np.allclose(padded.last.h.numpy()[k], state.h.numpy()[0], rtol=0, atol=1e-12)
    assert np.allclose(padded.last.C.numpy()[k], state.C.numpy()[0], rtol=0, atol=1e-12)
off = np.abs(lstm(x_rows).last.h.numpy() - padded.last.h.numpy()).max(axis=1)
print("不给 lengths，各行最后的 h 误差为", off.round(3))

# %% [markdown]
# 损失也有它的陷阱。一种常见的写法是：填充步的损失乘以 0，再对整个数组求平均。
#
# **先猜。** 就这三个长度来说，这样得到的损失是正确值（只对有效步求平均）的多少倍？（请填“错 / 对”。）

# %%
my_guess = None

# %%
h, goal = padded.h[:, :, 0], np.ones((3, 12))
right = nn.mse_loss(h, goal, mask=valid)
wrong = ((h - goal) ** 2 * valid).mean()
factor = wrong.item() / right.item()
quiz.reveal(my_guess, factor)
assert abs(factor - valid.mean()) < 1e-12

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 是有效步的比例：{{valid.size}} 步里的 {{valid.sum()}} 步，{{factor:.2f}}。梯度也按同样的倍数缩小，所以用这种损失，学习率会随着一批里各行的长短不齐而变。（Adam 能抹平固定的倍数，抹不平每批都变的倍数。）还有第三种平均：先在每一行内平均，再对各行平均。这样短行里的一步分量更重，在这里，最短一行的一步是最长一行的 {{lengths[0] // lengths[2]}} 倍。也许你要的就是这个，但不该无意中得到它。
#
# 在这里用 `out.h[:, -1]` 是安全的：填充步重复最后的状态，Keras 自己的循环带掩码时也是这样。PyTorch 的 packed sequence 在填充步输出 0，最后的状态只能从 `h_n` 取。
#
# </details>

# %% [markdown]
# <details><summary>在 Keras、PyTorch 中怎样写：各行长度不同</summary>
#
# 在 Keras 里，掩码跟着数组走：它来自 `Masking` 或 `Embedding(mask_zero=True)`，懂得它的层会继续往下传。填充步的 h 重复最后一个。（一步的**所有**特征都等于掩码值，才算填充：要选一个数据里没有的值。）
#
# ```python
# import keras
#
# masked = keras.layers.Masking(mask_value=99.0)(x_rows)
# layer = keras.layers.LSTM(4, return_sequences=True)
# h = layer(masked)
# last = h[:, -1]
# ```
#
# PyTorch 按长度把各行打包。填充步的 h 是 0，最后一个要从 `h_n` 取：
#
# ```python
# import torch
# from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# packed = pack_padded_sequence(x_rows, lengths, batch_first=True, enforce_sorted=False)
# output, (h_n, c_n) = layer(packed)
# h, _ = pad_packed_sequence(output, batch_first=True, total_length=x_rows.shape[1])
# last = h_n[-1]
# ```
#
# </details>

# %% [markdown]
# ## 两个方向
#
# 双向层就是两个层，各有各的权重。一个从左读，一个从右读，每一步把两个 h 并排放在一起。

# %%
two_ways = nn.LSTM(3, 2, bidirectional=True, rng=np.random.default_rng(0)).astype(np.float64)
out = two_ways(x[:1, :3])
print("h:", out.h.shape, " last.h:", out.last.h.shape, " as_keras():", out.as_keras().shape)
last = np.concatenate([out.h.numpy()[:, -1, :2], out.h.numpy()[:, 0, 2:]], axis=1)
assert np.array_equal(out.as_keras().numpy(), last)
small = nn.RNN(3, 2, bidirectional=True, rng=np.random.default_rng(0)).astype(np.float64)(x[:1, :3])
tl.draw(small.h[:, 1].sum(), view="cells", show="grad", parameters=False, for_="notebook")

# %% [markdown]
# 图中画的是普通 RNN，它的一步占的地方小；换成 LSTM 也是一样。损失（上下各画了一次）只读中间那一步的 h。图的上半部分，梯度往左走；下半部分，梯度往右走；合起来到达每一步。由此有两点要当心。
#
# **反向那一半的最后状态在第一步。** `out.h[:, -1]` 拼在一起的是：读完了全部的正向一半，和只读了一步的反向一半。给序列分类，该用的是 `as_keras()` 或 `h_n`。
#
# **要预测的东西不能出现在右边。** 下面让两个网络学着预测**纯噪声**的下一个符号：四个符号，出现的机会均等。没有作弊的网络，损失不可能低于 $\ln 4$。

# %%
def train_on_noise(bidirectional, seed):
    rng = np.random.default_rng(seed)
    embedding, head = nn.Embedding(4, 8, rng=rng), nn.Linear(32 if bidirectional else 16, 4, rng=rng)
    layer = nn.LSTM(8, 16, bidirectional=bidirectional, fused=True, rng=rng)
    optimizer = Adam([*embedding.parameters(), *layer.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(300):
        noise = rng.integers(4, size=(32, 9))
        loss = nn.cross_entropy(head(layer(embedding(noise[:, :-1])).h), noise[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.mean(losses[-20:])


one_way, both_ways = (np.array([train_on_noise(both, seed) for seed in range(5)]) for both in (False, True))
print(f"ln 4 = {np.log(4):.3f}；五个种子的损失")
print("单向：", one_way.round(3))
print("双向：", both_ways.round(3))
assert one_way.min() > 1.3 and both_ways.max() < 0.5

# %% [markdown]
# 第二个网络“预测”了噪声，损失最多只有 {{both_ways.max():.1f}}。它学会的是抄：第 t 步的答案就是第 t + 1 步的输入，而反向那一半刚刚读过。（剩下的损失来自最后一步，它的答案哪里都没有，只能付 $\ln 4$；分摊到 8 步，就是 {{np.log(4) / 8:.2f}}。）给一个完整句子里的词做标注，这样没有问题；要预测下一个符号，或者必须边读边答，就不能用双向。

# %% [markdown]
# ## 同样的权重，换一个库
#
# 四个矩阵，另有三种排法。$X$ 和 $H$ 是特征数和单元数；“堆叠”指上下相接；PyTorch 的 g 和下面次序里的 c，就是我们的 C̃。
#
# | | 门的次序 | 乘法 | 形状 | 偏置 |
# |---|---|---|---|---|
# | 本库 | 每个门一个数组 | `[h ; x] @ W` | $(H + X, H)$，h 的行在前 | 一个 |
# | PyTorch | `i f g o`，堆叠 | `x @ weight_ih.T`，`h @ weight_hh.T` | $(4H, X)$，$(4H, H)$ | 两个，相加 |
# | Keras | `i f c o`，左右相接 | `x @ kernel`，`h @ recurrent_kernel` | $(X, 4H)$，$(H, 4H)$ | 一个 |
# | ONNX | `i o f c`，堆叠 | `x @ W.T`，`h @ R.T` | $(1, 4H, X)$，$(1, 4H, H)$ | 两个，合在 $(1, 8H)$ 里 |
#
# 每一种排法我们都手工写出来，并且各配一个只用 NumPy 的单步计算作对照。

# %%
H, cell = 4, lstm.cells[0][0]
W = {gate: getattr(cell, f"W_{gate}").numpy() for gate in "fiCo"}
b = {gate: np.random.default_rng(4).normal(size=H) + k for k, gate in enumerate("fiCo")}
for gate in "fiCo":
    getattr(cell, f"b_{gate}").data = b[gate]


def rows(order, part):
    return np.concatenate([W[gate][part].T for gate in order])


def biases(order):
    return np.concatenate([b[gate] for gate in order])


of_h, of_x = slice(None, H), slice(H, None)
torch = {"w_ih": rows("ifCo", of_x), "w_hh": rows("ifCo", of_h), "b_ih": biases("ifCo"), "b_hh": np.zeros(4 * H)}
keras = {"kernel": rows("ifCo", of_x).T, "recurrent": rows("ifCo", of_h).T, "bias": biases("ifCo")}
onnx = {"W": rows("iofC", of_x)[None], "R": rows("iofC", of_h)[None]}
onnx["B"] = np.concatenate([biases("iofC"), np.zeros(4 * H)])[None]

# %%
def σ(a):
    return 1 / (1 + np.exp(-a))


def torch_step(x, h, c, p):
    i, f, g, o = np.split(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"], 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def keras_step(x, h, c, p):
    i, f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent"] + p["bias"], 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def onnx_step(x, h, c, p):
    i, o, f, g = np.split(x @ p["W"][0].T + h @ p["R"][0].T + p["B"][0].reshape(2, -1).sum(axis=0), 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def run(step, p):
    h = c = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        h, c = step(x[:, t], h, c, p)
    return h


ours = lstm(x).last.h.numpy()
for step, p in ((torch_step, torch), (keras_step, keras), (onnx_step, onnx)):
    print(f"{step.__name__}：相差 {np.abs(run(step, p) - ours).max():.0e}")
    assert np.allclose(run(step, p), ours, rtol=0, atol=1e-12)

# %% [markdown]
# 现在故意犯一次错。把门按任何别的次序堆起来：形状全都对得上，也没有任何报错。

# %%
wrong_by = {}
for order in map("".join, permutations("ifCo")):
    p = {"w_ih": rows(order, of_x), "w_hh": rows(order, of_h), "b_ih": biases(order), "b_hh": np.zeros(4 * H)}
    wrong_by[order] = np.abs(run(torch_step, p) - ours).max()
orders = sorted(wrong_by, key=wrong_by.get)
best, second = orders[:2]
print(f"{len(orders)} 种次序；{best} 相差 {wrong_by[best]:.0e}，其次是 {second}，相差 {wrong_by[second]:.2f}")
print(f"把 ONNX 的次序（iofC）当成 PyTorch 的：相差 {wrong_by['iofC']:.2f}")
assert best == "ifCo" and wrong_by[second] > 0.01

# %% [markdown]
# 所以，要比的是输出，不是形状：取一个随机输入，两边各算一遍，检验就做完了。偏置里还藏着两个陷阱。
#
# **相加的两个偏置**，算出来的并不比一个多。可是两个偏置各自得到的，都是它们之和的梯度，所以用 SGD 时，和在每一步要多走一倍。另外，如果把两个遗忘门偏置都设成 1，起点就是 2。
#
# **GRU 的两个偏置不是这一种。** 在 `reset_after=True` 时（Keras 的默认，PyTorch 和 cuDNN 的唯一形式），候选值是 $n = \tanh(x W_{n,x} + b_n + r ∘ (h W_{n,h} + b_{rn}))$：第二个偏置在重置门里面，不能并进第一个。z 和 r 的可以并。在 `reset_after=False` 时（Cho et al. 2014），r 先乘 h，再做矩阵乘法；一种形式的权重，怎么重排也变不成另一种的。

# %%
gru = nn.GRU(3, H, rng=np.random.default_rng(5)).astype(np.float64)
g = gru.cells[0][0]
g.b_rn.data = np.ones(H)


def gru_last(b_n, b_rn):
    h, (W_z, W_r, W_n) = np.zeros((len(x), H)), (w.numpy() for w in (g.W_z, g.W_r, g.W_n))
    for t in range(x.shape[1]):
        hx = np.concatenate([h, x[:, t]], axis=1)
        z, r = σ(hx @ W_z + g.b_z.numpy()), σ(hx @ W_r + g.b_r.numpy())
        h = z * h + (1 - z) * np.tanh(x[:, t] @ W_n[H:] + b_n + r * (h @ W_n[:H] + b_rn))
    return h


right_h = gru(x).last.h.numpy()
assert np.allclose(gru_last(g.b_n.numpy(), g.b_rn.numpy()), right_h, rtol=0, atol=1e-12)
merged = np.abs(gru_last(g.b_n.numpy() + g.b_rn.numpy(), np.zeros(H)) - right_h).max()
print(f"把 b_rn 并进 b_n：相差 {merged:.2f}")

# %% [markdown]
# （GRU 门的次序：PyTorch 是 `r z n`，Keras 和 ONNX 是 `z r h`；我们的 z 与它们的相同，管的是保留旧的 h。这种形式在 ONNX 里叫 `linear_before_reset`。）
#
# ## 练习
#
# **9.1** 一个双向 LSTM，2 层，16 个单元，读入形状为 (8, 20, 5) 的 x，批在前。PyTorch 的 `h_n` 是什么形状？用元组作答。

# %%
answer = None
quiz.check("9.1", answer)

# %% [markdown]
# **9.2** 一段很长的文本，按 K 步一块来读。考虑所有这样的一对：在 s 步写入，在 s + k 步读出。两步落在同一块里、梯度因而通得过的，占多大比例？写成 k 和 K 的函数。

# %%
def kept(k, K):
    return None


quiz.check("9.2", kept)

# %% [markdown]
# **9.3** 现在反过来搬。写一个函数，输入是 PyTorch 的四个数组：`weight_ih` (4H, X)、`weight_hh` (4H, H)，以及 `bias_ih` 和 `bias_hh`，都是 (4H,)；返回一个字典，里面是我们的八个：`"W_f"`、`"W_i"`、`"W_C"`、`"W_o"` 和 `"b_f"`、`"b_i"`、`"b_C"`、`"b_o"`。检查时用的是随机数组。

# %%
def from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
    return None


quiz.check("9.3", from_torch)

# %% [markdown]
# ## 小结
#
# - 层返回的是 h 的序列和最后的状态。每一步的 C，Keras 和 PyTorch 都不给；`[:, -1]` 处是什么，要看填充和方向。
# - 块与块之间用 `detach`，前向不变；梯度里少掉的，是每一条跨过边界的路径。损失是精确的，梯度不是；网络越能保留，误差越大。
# - 要除以有效步的个数。拿填充过的一行，与单独算的这一行对一对。
# - 门的次序错了，不会报错。只有输出相等，才证明权重搬对了。
#
# 这里的相等都是 float64 的；用 float32，同样的等式大约在六七位数字之内成立。下一篇把这些零件拼起来，用到真实的文本上，再问网络学到了什么，以及是不是数一数频次也能做到。
#
# ## 参考文献
#
# - R. J. Williams, J. Peng (1990). *An efficient gradient-based algorithm for on-line training of recurrent network trajectories*：截断的反向传播。
# - M. Schuster, K. K. Paliwal (1997). *Bidirectional recurrent neural networks.*
# - K. Cho et al. (2014). *Learning phrase representations using RNN encoder–decoder for statistical machine translation*：GRU。
# - C. Tallec, Y. Ollivier (2017). *Unbiasing truncated backpropagation through time*：截断怎样影响梯度的期望。
# - `torch.nn.LSTM`、`torch.nn.GRU` 和 `keras.layers.LSTM` 的文档，以及 ONNX 的算子 `LSTM` 和 `GRU`。
